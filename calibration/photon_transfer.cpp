#include "calibration/photon_transfer.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>

#include "calibration/curve.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

constexpr double quantisation_dn2 = 1.0 / 12;
// EMVA 1288: below this the dark noise is quantisation noise and cannot be told.
constexpr double least_dark_variance_dn2 = 0.24;

struct Exposures {
  std::vector<double> x, v;  // mean and variance above dark
  std::vector<double> total, dark, photons, time;
  std::vector<std::string> places;
  std::size_t saturation = 0, sensitivity_last = 0;
  std::size_t linearity_first = 0, linearity_last = 0;
};

template <class T>
std::vector<T> permuted(const std::vector<T>& values, const std::vector<std::size_t>& order) {
  std::vector<T> result;
  if (values.empty()) return result;
  for (const std::size_t i : order) result.push_back(values[i]);
  return result;
}

// The standard's saturation point: from the brightest exposure down, the first maximum of the
// variance that is not a dip between two exposures.
std::size_t saturation_index(const std::vector<double>& variance) {
  double largest = 0;
  std::size_t at = 0;
  for (std::size_t i = variance.size(); i-- > 0;) {
    const double before = variance[i > 0 ? i - 1 : 1];
    if (variance[i] >= largest || before >= largest) {
      largest = variance[i];
      at = i;
    } else {
      break;
    }
  }
  return at;
}

Exposures arrange(const PhotonTransferData& data) {
  const std::size_t n = data.mean_dn.size();
  if (n < 4) {
    throw DataError(fmt::format(
        "ptc: {} exposures (a slope with an uncertainty needs 4). Measure more exposures.", n));
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::vector<double>& key = data.photons.empty() ? data.mean_dn : data.photons;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return key[a] < key[b]; });
  Exposures e;
  for (const std::size_t i : order) {
    e.x.push_back(data.mean_dn[i] - data.dark_mean_dn[i]);
    e.v.push_back(data.variance_dn2[i] - data.dark_variance_dn2[i]);
  }
  e.total = permuted(data.variance_dn2, order);
  e.dark = permuted(data.dark_variance_dn2, order);
  e.photons = permuted(data.photons, order);
  e.time = permuted(data.exposure_s, order);
  e.places = permuted(data.places, order);
  e.places.resize(n);
  e.saturation = saturation_index(e.total);
  const double full = e.x[e.saturation];
  for (std::size_t i = 0; i < n; ++i) {
    if (e.x[i] <= 0.7 * full) e.sensitivity_last = i;
    if (e.x[i] <= 0.95 * full) e.linearity_last = i;
  }
  e.linearity_first = n - 1;
  for (std::size_t i = n; i-- > 0;) {
    if (e.x[i] >= 0.05 * full) e.linearity_first = i;
  }
  if (e.sensitivity_last + 1 < 4) {
    throw DataError(fmt::format(
        "ptc: only {} of {} exposures lie below 70 % of saturation (mean {:.6g} DN above dark; a "
        "slope with an uncertainty needs 4). Measure shorter exposures.",
        e.sensitivity_last + 1, n, full));
  }
  return e;
}

struct DarkVariance {
  double value = 0, u = 0;     // at exposure time 0
  double scatter = not_known;  // relative, of one variance about the line; of a line only
  double dof = 0;              // of u
  // value = sum influence_i row_i, of rows with this variance.
  std::vector<double> influence{};
  double row_variance = 0;
};

DarkVariance dark_variance(const Exposures& e, const std::optional<double>& pixels) {
  DarkVariance result;
  const std::set<double> times(e.time.begin(), e.time.end());
  const std::size_t n = e.dark.size();
  if (!e.time.empty() && times.size() <= 2) {
    // What the standard prescribes where the dark was taken at one or two times: one of them. It
    // scatters as its pixels say, or as the others of its time do.
    result.value = e.dark.front();
    double squares = 0, dof = static_cast<double>(n);
    for (const double time : times) {
      double count = 0, mean = 0;
      for (std::size_t i = 0; i < n; ++i) {
        if (e.time[i] != time) continue;
        ++count;
        const double delta = e.dark[i] - mean;
        mean += delta / count;
        squares += delta * (e.dark[i] - mean);
      }
      --dof;
    }
    if (pixels) {
      result.u = result.value * std::sqrt(2 / *pixels);
      result.dof = std::numeric_limits<double>::infinity();
    } else {
      result.u = std::sqrt(squares / dof);
      result.dof = dof;
    }
    result.influence.assign(n, 0.0);
    result.influence.front() = 1;
    result.row_variance = result.u * result.u;
  } else {
    // Centred, so that nanoseconds and seconds give the same digits.
    const auto count = static_cast<double>(n);
    double mean_t = 0, mean_d = 0, tt = 0, td = 0;
    for (std::size_t i = 0; i < n; ++i) {
      mean_t += (e.time.empty() ? 0 : e.time[i]) / count;
      mean_d += e.dark[i] / count;
    }
    for (std::size_t i = 0; i < n && !e.time.empty(); ++i) {
      tt += (e.time[i] - mean_t) * (e.time[i] - mean_t);
      td += (e.time[i] - mean_t) * (e.dark[i] - mean_d);
    }
    const double slope = tt > 0 ? td / tt : 0;
    result.value = mean_d - slope * mean_t;
    result.dof = count - (tt > 0 ? 2 : 1);
    double squares = 0;
    result.influence.assign(n, 1 / count);
    for (std::size_t i = 0; i < n; ++i) {
      if (tt > 0) result.influence[i] -= mean_t * (e.time[i] - mean_t) / tt;
      const double off = e.dark[i] - mean_d - (tt > 0 ? slope * (e.time[i] - mean_t) : 0);
      squares += off * off;
    }
    const double s2 = squares / result.dof;
    result.row_variance = s2;
    result.u = std::sqrt(s2 * (1 / count + (tt > 0 ? mean_t * mean_t / tt : 0)));
    if (mean_d > 0) result.scatter = std::sqrt(s2) / mean_d;
  }
  return result;
}

// Slope through 0 of y over x with weights w, and its influence on every point: slope = sum g_i
// y_i.
struct Slope {
  double value = 0;
  std::vector<double> influence, leverage, residual;
};

Slope slope_through_zero(const std::vector<double>& x, const std::vector<double>& y,
                         const std::vector<double>& w) {
  Slope s;
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += w[i] * x[i] * x[i];
    xy += w[i] * x[i] * y[i];
  }
  s.value = xy / xx;
  for (std::size_t i = 0; i < x.size(); ++i) {
    s.influence.push_back(w[i] * x[i] / xx);
    s.leverage.push_back(w[i] * x[i] * x[i] / xx);
    s.residual.push_back(y[i] - s.value * x[i]);
  }
  return s;
}

// Variance of a slope, and the degrees of freedom that its estimate has.
struct SlopeVariance {
  double value = 0, dof = 0;
};

// The residuals that say nothing of the slope's error, where y has the standard deviations sigma:
// about the line with the right weights, in units of sigma, and without the direction in which a
// slope of other weights is off that line. From these alone a variance is independent of the
// error, as Student's law needs it.
struct IndependentResiduals {
  std::vector<double> z, a, b, c;  // of sigma: residual, x, influence; c: b without a's direction
  double a2 = 0, b2 = 0, c2 = 0;   // squared lengths
  // Element of the projection that makes z of the errors over sigma.
  double projection(std::size_t i, std::size_t k) const {
    return (i == k ? 1 : 0) - a[i] * a[k] / a2 - (c2 > 0 ? c[i] * c[k] / c2 : 0);
  }
};

IndependentResiduals independent_residuals(const Slope& slope, const std::vector<double>& x,
                                           const std::vector<double>& y,
                                           const std::vector<double>& sigma) {
  IndependentResiduals r;
  double ay = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!(sigma[i] > 0)) continue;  // at the origin, where no slope looks
    r.a.push_back(x[i] / sigma[i]);
    r.b.push_back(slope.influence[i] * sigma[i]);
    r.z.push_back(y[i] / sigma[i]);
    r.a2 += r.a.back() * r.a.back();
    r.b2 += r.b.back() * r.b.back();
    ay += r.a.back() * r.z.back();
  }
  const double best = ay / r.a2;
  for (std::size_t i = 0; i < r.a.size(); ++i) {
    r.z[i] -= best * r.a[i];
    r.c.push_back(r.b[i] - r.a[i] / r.a2);
    r.c2 += r.c[i] * r.c[i];
  }
  // A slope of almost the right weights: its direction would be that of the weights' own noise.
  if (r.c2 < 0.01 * r.b2) r.c2 = 0;
  for (std::size_t i = 0; i < r.a.size() && r.c2 > 0; ++i) {
    r.z[i] -= (slope.value - best) / r.c2 * r.c[i];
  }
  return r;
}

// From the squares of every point's own residual, so that they may follow another law than sigma
// (as White 1980; MacKinnon and White 1985), with the mean and, by Satterthwaite, the degrees of
// freedom that this has where sigma is right (Bell and McCaffrey 2002): few points carry most of an
// unweighted slope.
SlopeVariance robust_variance(const Slope& slope, const std::vector<double>& x,
                              const std::vector<double>& y, const std::vector<double>& sigma) {
  const IndependentResiduals r = independent_residuals(slope, x, y, sigma);
  double estimate = 0, mean = 0, squares = 0;
  for (std::size_t i = 0; i < r.z.size(); ++i) {
    estimate += std::pow(r.b[i] * r.z[i], 2);
    mean += r.b[i] * r.b[i] * r.projection(i, i);
    for (std::size_t k = 0; k < r.z.size(); ++k) {
      squares += std::pow(r.b[i] * r.b[k] * r.projection(i, k), 2);
    }
  }
  return {estimate * r.b2 / mean, mean * mean / squares};
}

// Where the standard deviations of y are known up to a factor, which all residuals tell together.
SlopeVariance scaled_variance(const Slope& slope, const std::vector<double>& x,
                              const std::vector<double>& y, const std::vector<double>& sigma) {
  const IndependentResiduals r = independent_residuals(slope, x, y, sigma);
  double chi2 = 0;
  for (const double z : r.z) chi2 += z * z;
  const double dof = static_cast<double>(r.z.size()) - (r.c2 > 0 ? 2 : 1);
  return {r.b2 * chi2 / dof, dof};
}

std::vector<double> head(const std::vector<double>& values, std::size_t count) {
  return {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count)};
}

void linearity(const Exposures& e, CalibrationResult& result) {
  if (e.photons.empty() || e.linearity_last < e.linearity_first + 2) return;
  double w = 0, wx = 0, wxx = 0, wy = 0, wxy = 0;
  for (std::size_t i = e.linearity_first; i <= e.linearity_last; ++i) {
    const double weight = 1 / (e.x[i] * e.x[i]);
    w += weight;
    wx += weight * e.photons[i];
    wxx += weight * e.photons[i] * e.photons[i];
    wy += weight * e.x[i];
    wxy += weight * e.photons[i] * e.x[i];
  }
  const double det = w * wxx - wx * wx;
  const double slope = (w * wxy - wx * wy) / det, offset = (wxx * wy - wx * wxy) / det;
  double least = 0, most = 0;
  for (std::size_t i = e.linearity_first; i <= e.linearity_last; ++i) {
    const double line = offset + slope * e.photons[i];
    const double error = 100 * (e.x[i] - line) / line;
    least = i == e.linearity_first ? error : std::min(least, error);
    most = i == e.linearity_first ? error : std::max(most, error);
  }
  result.figures.push_back({.name = "LE_min",
                            .unit = "%",
                            .value = least,
                            .meaning = "linearity error, 5 to 95 % of saturation, smallest"});
  result.figures.push_back(
      {.name = "LE_max", .unit = "%", .value = most, .meaning = "linearity error, largest"});
}

// What K, R and s2 (the dark variance; without photons no R) have their errors from: the covariance
// that one cause gives them, and the degrees of freedom of its size. 0: of a correlation between
// causes, which counts for the size alone.
struct Cause {
  Eigen::MatrixXd covariance;
  double dof = 0;
};

// The same dark variances are subtracted from the light ones that K comes from, and give s2. K =
// sum influence_i v_i over the first points.
Cause common_dark(const DarkVariance& dark, const std::vector<double>& influence,
                  Eigen::Index size) {
  Cause cause{Eigen::MatrixXd::Zero(size, size)};
  double sum = 0;
  for (std::size_t i = 0; i < influence.size(); ++i) sum += influence[i] * dark.influence[i];
  cause.covariance(0, size - 1) = cause.covariance(size - 1, 0) = -sum * dark.row_variance;
  return cause;
}

// The covariance of K and R as one of K, R and s2.
Cause of_slopes(const Eigen::MatrixXd& covariance, double dof) {
  Cause cause{Eigen::MatrixXd::Zero(3, 3), dof};
  cause.covariance.topLeftCorner(2, 2) = covariance;
  return cause;
}

// An estimate with this gradient. Degrees of freedom by Welch and Satterthwaite.
void set_uncertainty(Estimate& estimate, const Eigen::VectorXd& gradient,
                     const std::vector<Cause>& causes) {
  double all = 0, reciprocal = 0;
  for (const Cause& cause : causes) {
    const double part = gradient.dot(cause.covariance * gradient);
    all += part;
    if (cause.dof > 0) reciprocal += part * part / cause.dof;
  }
  estimate.u_a = std::sqrt(std::max(all, 0.0));
  set_interval(estimate,
               reciprocal > 0 ? all * all / reciprocal : std::numeric_limits<double>::infinity());
}

// K, R, s2 -> the four named parameters.
void set_parameters(CalibrationResult& result, const std::vector<double>& base,
                    const std::vector<Cause>& causes, bool photons, bool scaled) {
  const auto sigma_d = [](double k, double s2) {
    return std::sqrt(std::max(s2 - quantisation_dn2, 0.0)) / k;
  };
  const double k = base[0], s2 = base.back();
  const double d = sigma_d(k, s2);
  const double d_s2 = d > 0 ? 0.5 / (d * k * k) : 0;
  Eigen::MatrixXd map;
  std::vector<Estimate> estimates;
  const auto add = [&](const char* name, const char* unit, double value, const char* meaning) {
    Estimate estimate;
    estimate.name = name;
    estimate.unit = unit;
    estimate.value = value;
    estimate.meaning = meaning;
    estimates.push_back(estimate);
  };
  add("K", "DN/e-", k, "overall system gain");
  if (photons) {
    const double r = base[1];
    add("R", "DN/photon", r, "responsivity");
    add("eta", "1", r / k, "quantum efficiency");
    map = Eigen::MatrixXd::Zero(4, 3);
    map(0, 0) = 1;
    map(1, 1) = 1;
    map(2, 0) = -r / (k * k);
    map(2, 1) = 1 / k;
    map(3, 0) = -d / k;
    map(3, 2) = d_s2;
  } else {
    map = Eigen::MatrixXd::Zero(2, 2);
    map(0, 0) = 1;
    map(1, 0) = -d / k;
    map(1, 1) = d_s2;
  }
  add("sigma_d", "e-", d, "temporal dark noise");
  result.covariance_a = Eigen::MatrixXd::Zero(map.rows(), map.rows());
  for (const Cause& cause : causes) {
    result.covariance_a += map * cause.covariance * map.transpose();
  }
  result.covariance_b =
      Eigen::MatrixXd::Zero(result.covariance_a.rows(), result.covariance_a.cols());
  result.covariance_scaled = scaled;
  for (std::size_t i = 0; i < estimates.size(); ++i) {
    const auto at = static_cast<Eigen::Index>(i);
    set_uncertainty(estimates[i], map.row(at), causes);
  }
  result.parameters = estimates;
}

// The variances' line against their own scatter. Probability of a larger chi2: an F law where the
// scatter itself was estimated.
double chi2_probability(double chi2, double dof, double scatter_dof) {
  if (!(dof > 0) || !(chi2 > 0)) return not_known;
  if (scatter_dof > 0) {
    return boost::math::cdf(
        boost::math::complement(boost::math::fisher_f(dof, scatter_dof), chi2 / dof));
  }
  const boost::math::chi_squared law(dof);
  return boost::math::cdf(boost::math::complement(law, chi2));
}

struct Scatter {
  double relative = not_known;  // sqrt(2 / nu) of a variance
  double dof = 0;               // 0: known exactly
};

Scatter variance_scatter(const PhotonTransferData& data, const DarkVariance& dark) {
  if (data.pixels) return {std::sqrt(2 / *data.pixels), 0};
  if (dark.dof >= 6 && dark.scatter > 0) return {dark.scatter, dark.dof};
  return {};
}

Plot variance_plot(const Exposures& e, double k, const std::function<double(std::size_t)>& curve) {
  Plot plot{
      "Photon transfer", "mean above dark [DN]", "variance above dark [DN^2]", false, false, {}};
  PlotSeries used{"used", {}, {}, {}, PlotSeries::Kind::points};
  PlotSeries left_out{"left out", {}, {}, {}, PlotSeries::Kind::crosses};
  PlotSeries line{"fit", {}, {}, {}, PlotSeries::Kind::line};
  for (std::size_t i = 0; i < e.x.size(); ++i) {
    PlotSeries& to = i <= e.sensitivity_last ? used : left_out;
    to.x.push_back(e.x[i]);
    to.y.push_back(e.v[i]);
    if (i > e.saturation) continue;
    line.x.push_back(e.x[i]);
    line.y.push_back(curve ? curve(i) : k * e.x[i]);
  }
  plot.series = {used, line, left_out};
  return plot;
}

CalibrationResult run(const PhotonTransferData& data, const Exposures& e, PtcMethod method) {
  CalibrationResult result;
  result.kind = "ptc";
  const bool photons = !e.photons.empty();
  const std::size_t n = e.sensitivity_last + 1;
  const std::vector<double> x = head(e.x, n), v = head(e.v, n);
  constexpr double exactly = std::numeric_limits<double>::infinity();
  DarkVariance dark = dark_variance(e, data.pixels);
  if (dark.value < least_dark_variance_dn2) {
    result.warnings.push_back(fmt::format(
        "the dark variance {:.4g} DN^2 is below the standard's limit of {} DN^2: the dark noise is "
        "hidden by quantisation, sigma_d is an upper limit",
        dark.value, least_dark_variance_dn2));
    dark.value = least_dark_variance_dn2;
  }
  const Scatter scatter = variance_scatter(data, dark);
  const bool known = std::isfinite(scatter.relative);
  const double scatter_dof = scatter.dof > 0 ? scatter.dof : exactly;
  if (!(dark.u > 0)) {
    result.warnings.emplace_back(
        "the dark variance is the same in all rows, and without the number of pixels its scatter "
        "is not known: counted as none in sigma_d; pass --pixels N");
  }
  for (std::size_t i = n; i < e.x.size(); ++i) {
    result.rejected.push_back(
        {e.places[i], i > e.saturation ? "beyond saturation" : "above 70 % of saturation"});
  }
  result.points_used = n;
  result.dof = static_cast<double>(n) - 1;
  const auto sigma_of = [&](std::size_t i, double variance_model) {
    const double light = variance_model + e.dark[i];
    return (known ? scatter.relative : 1.0) * std::hypot(light, e.dark[i]);
  };
  std::function<double(std::size_t)> curve;
  double k = 0;

  if (method == PtcMethod::emva || method == PtcMethod::weighted) {
    result.model = "sigma_y^2 - sigma_dark^2 = K (mu_y - mu_dark); mu_y - mu_dark = R mu_p";
    Slope gain, response;
    if (method == PtcMethod::emva) {
      result.method = "emva: unweighted slopes through 0, up to 70 % of saturation";
      const std::vector<double> ones(n, 1.0);
      gain = slope_through_zero(x, v, ones);
      if (photons) response = slope_through_zero(head(e.photons, n), x, ones);
    } else {
      result.method = known ? "weighted: sigma = V sqrt(2/nu), reweighted"
                            : "weighted: sigma proportional to V, scale from the scatter";
      FitProblem problem;
      problem.parameters = {{.name = "K", .start = v.back() / x.back()}};
      problem.model =
          Model(n, [x]<class T>(const T* p, std::size_t i) -> T { return p[0] * T(x[i]); });
      problem.y = v;
      problem.sigma_of_model = [&](double f, std::size_t i) { return sigma_of(i, f); };
      const Fit best = fit(problem);
      std::vector<double> weights;
      for (const double sigma : best.sigma) weights.push_back(1 / (sigma * sigma));
      gain = slope_through_zero(x, v, weights);
      std::vector<double> relative;
      for (const double mean : x) relative.push_back(1 / (mean * mean));
      if (photons) response = slope_through_zero(head(e.photons, n), x, relative);
    }
    k = gain.value;
    double chi2 = 0, weights = 0;
    std::vector<double> sigma;
    for (std::size_t i = 0; i < n; ++i) {
      sigma.push_back(sigma_of(i, k * x[i]));
      chi2 += std::pow(gain.residual[i] / sigma.back(), 2);
      weights += std::pow(x[i] / sigma.back(), 2);
    }
    std::vector<double> base{k};
    std::vector<Cause> causes;
    const Eigen::Index size = photons ? 3 : 2;
    // The errors of the variances and of the means have nothing to do with each other.
    const auto add = [&](Eigen::Index at, const SlopeVariance& of) {
      causes.push_back({Eigen::MatrixXd::Zero(size, size), of.dof});
      causes.back().covariance(at, at) = of.value;
    };
    if (method == PtcMethod::weighted && known) {
      add(0, {1 / weights, scatter_dof});
    } else {
      add(0, scaled_variance(gain, x, v, sigma));
    }
    if (photons) {
      base.push_back(response.value);
      // The means scatter with the source: by a share of the signal.
      const std::vector<double> p = head(e.photons, n);
      add(1, robust_variance(response, p, x, p));
    }
    base.push_back(dark.value);
    add(size - 1, {dark.u * dark.u, dark.dof});
    causes.push_back(common_dark(dark, gain.influence, size));
    result.chi2 = chi2;
    if (known) {
      result.chi2_probability = chi2_probability(chi2, result.dof, scatter.dof);
    } else {
      result.chi2 = not_known;
    }
    set_parameters(result, base, causes, photons, method == PtcMethod::emva || !known);
    for (std::size_t i = 0; i < n; ++i) {
      const double its = known ? sigma[i] : not_known;
      result.residuals.push_back({e.places[i], x[i], v[i], k * x[i], its,
                                  gain.residual[i] / its / std::sqrt(1 - gain.leverage[i]),
                                  gain.leverage[i], true});
    }
    if (known && result.chi2_probability < rejection_probability) {
      const std::string text = fmt::format(
          "a line does not describe the variances within their scatter (chi2/dof = {:.3g}, "
          "probability {:.1e}): the response is not linear, and K of a line is biased; see method "
          "nonlinear",
          result.chi2_reduced(), result.chi2_probability);
      if (method == PtcMethod::emva) {
        result.warnings.push_back(text);
      } else {
        reject(result, text);
      }
    }
  } else {
    if (!photons) {
      throw DataError(
          "ptc: no column of photons per pixel (the nonlinear method fits the mean over photons). "
          "Add "
          "one, \"u_p [photon]\", or use --method weighted.");
    }
    result.method = "nonlinear: mean and variance together";
    result.model =
        "mu_y - mu_dark = mu_0 + K e (1 + beta e); sigma_y^2 = sigma_dark^2 + K^2 (1 + 2 beta e)^2 "
        "e; "
        "e = eta mu_p";
    const double k0 = v.back() / x.back(), r0 = x.back() / e.photons[n - 1];
    FitProblem problem;
    // beta in units of the electrons at the end of the range, so that all are of order one.
    const double unit = r0 / k0 * e.photons[n - 1];
    problem.parameters = {{.name = "K", .start = k0},
                          {.name = "eta", .start = r0 / k0},
                          {.name = "beta", .start = 0},
                          {.name = "mu_0", .start = 0}};
    const std::vector<double> p = head(e.photons, n);
    // A mean that is off, because the light was, has a variance that is off with it.
    problem.model = Model(2 * n, [p, x, n, unit]<class T>(const T* q, std::size_t i) -> T {
      const T electrons = q[1] * T(p[i % n]);
      const T bend = q[2] * electrons / T(unit);
      const T mean = q[3] + q[0] * electrons * (T(1) + bend);
      if (i < n) return mean;
      const T slope = q[0] * (T(1) + T(2) * bend);
      return slope * slope * electrons + slope * (T(x[i - n]) - mean);
    });
    problem.y = x;
    problem.y.insert(problem.y.end(), v.begin(), v.end());
    problem.convention = SigmaConvention::known;
    // The means scatter with the source, by a share of the signal that the data have to tell.
    double share = 0.003, variance_scale = known ? 1 : 0.01;
    double mean_dof = 0;
    Fit best;
    for (int round = 0; round < 30; ++round) {
      problem.sigma_of_model = [&](double f, std::size_t i) {
        if (i < n) return share * std::hypot(f, std::sqrt(2 * quantisation_dn2));
        return variance_scale * sigma_of(i - n, f);
      };
      best = fit(problem);
      if (best.status != FitStatus::converged) break;
      double mean_chi2 = 0, variance_chi2 = 0, mean_leverage = 0, variance_leverage = 0;
      for (std::size_t i = 0; i < 2 * n; ++i) {
        const double z2 = std::pow(best.residuals[i] / best.sigma[i], 2);
        (i < n ? mean_chi2 : variance_chi2) += z2;
        (i < n ? mean_leverage : variance_leverage) += best.leverage[i];
      }
      const auto count = static_cast<double>(n);
      mean_dof = count - mean_leverage;
      // No light is steadier than a millionth: means without scatter would outweigh all else.
      const double before = share;
      share = std::max(share * std::sqrt(mean_chi2 / (count - mean_leverage)), 1e-6);
      const double factor = share / before;
      if (!known) variance_scale *= std::sqrt(variance_chi2 / (count - variance_leverage));
      result.chi2 = variance_chi2;
      result.dof = count - variance_leverage;
      if (std::abs(factor - 1) < 1e-6 && round > 2) break;
    }
    if (best.status != FitStatus::converged) {
      result.verdict = best.status == FitStatus::no_convergence ? Verdict::no_convergence
                                                                : Verdict::not_identifiable;
      result.reasons.push_back(best.message);
    }
    k = best.value("K");
    const double eta = best.value("eta");
    // R at the origin: dmu/dmu_p = K eta. What every point's error does to the parameters; the
    // scatter of the means has been estimated: Student's factor for what hangs on it.
    Eigen::MatrixXd map = Eigen::MatrixXd::Zero(2, 4);
    map(0, 0) = 1;
    map(1, 0) = eta;
    map(1, 1) = k;
    const auto points = static_cast<Eigen::Index>(n);
    Eigen::MatrixXd influence = best.covariance * problem.model.jacobian(best.values).transpose();
    for (Eigen::Index i = 0; i < 2 * points; ++i) {
      influence.col(i) /= best.sigma[static_cast<std::size_t>(i)];
    }
    const Eigen::MatrixXd means =
        influence.leftCols(points) * influence.leftCols(points).transpose();
    const Eigen::MatrixXd variances = best.covariance - means;
    const double variances_dof = known ? scatter_dof : result.dof;
    // So have the weights of one against the other (Kackar and Harville 1984; twice their term,
    // since the covariance is biased by as much: Kenward and Roger 1997).
    const Eigen::MatrixXd mixing =
        (4 / mean_dof + 4 / variances_dof) * means * best.covariance.ldlt().solve(variances);
    Cause of_dark{Eigen::MatrixXd::Zero(3, 3), dark.dof};
    of_dark.covariance(2, 2) = dark.u * dark.u;
    std::vector<double> of_variances;
    for (std::size_t i = 0; i < n; ++i) {
      of_variances.push_back(influence(0, points + static_cast<Eigen::Index>(i)) /
                             best.sigma[n + i]);
    }
    set_parameters(
        result, {k, k * eta, dark.value},
        {of_slopes(map * means * map.transpose(), mean_dof),
         of_slopes(map * variances * map.transpose(), variances_dof),
         of_slopes(map * mixing * map.transpose(), 0), of_dark, common_dark(dark, of_variances, 3)},
        true, false);
    if (known) {
      result.chi2_probability = chi2_probability(result.chi2, result.dof, scatter.dof);
      if (result.chi2_probability < rejection_probability) {
        reject(result,
               fmt::format("chi2/dof = {:.3g} of the variances (probability {:.1e}): even a "
                           "curved response does not describe them",
                           result.chi2_reduced(), result.chi2_probability));
      }
    } else {
      result.chi2 = not_known;
    }
    result.condition = best.condition;
    const double bend = best.value("beta"), percent = 100 * p.back() / unit;
    Estimate curvature;
    curvature.name = "nonlinearity";
    curvature.unit = "%";
    curvature.value = percent * bend * eta;
    set_uncertainty(curvature, percent * Eigen::Vector4d(0, bend, eta, 0),
                    {{means, mean_dof}, {variances, variances_dof}, {mixing, 0}});
    curvature.meaning = "deviation of the response at the end of the range, of the signal";
    result.figures.push_back(curvature);
    for (std::size_t i = n; i < 2 * n; ++i) {
      result.residuals.push_back({e.places[i - n], x[i - n], v[i - n], best.model_values[i],
                                  best.sigma[i], best.standardised[i], best.leverage[i], true});
    }
    curve = [best, e, unit](std::size_t i) {
      const double electrons = best.values[1] * e.photons[i];
      const double slope = best.values[0] * (1 + 2 * best.values[2] * electrons / unit);
      return slope * slope * electrons;
    };
  }
  result.identifiability =
      "K follows from the variances alone, R from the means, eta from both; sigma_d from the dark "
      "variances and K.";
  if (!photons) {
    result.warnings.push_back(
        "no column of photons per pixel: R and eta are not determined. Add \"u_p [photon]\"");
  }
  if (!data.pixels) {
    result.warnings.push_back(
        known
            ? fmt::format("the number of pixels is not given: the scatter of a variance ({:.2g} %) "
                          "is that of the dark variances; --pixels N tells it exactly",
                          100 * scatter.relative)
            : "neither the number of pixels nor enough dark variances are given: the variances' "
              "own scatter is not known, and a wrong model cannot be told; pass --pixels N");
  }
  if (!(k > 0)) {
    reject(result,
           fmt::format("K = {:.4g} DN/e- is not positive: the variance falls with the mean. "
                       "Are light and dark swapped, or is the sensor saturated?",
                       k));
  }
  if (photons) {
    const Estimate& eta = result.parameter("eta");
    if (eta.value > 1) {
      const double off = (eta.value - 1) / eta.combined();
      result.bounds_hit.push_back(
          {"eta", eta.value, 1, true, off, "no more electrons than photons"});
      const std::string text = fmt::format(
          "eta = {:.4g} is above 1 by {:.1f} standard uncertainties (no more electrons than "
          "photons): "
          "are the photons per pixel those of the whole exposure?",
          eta.value, off);
      if (off > 3) {
        reject(result, text);
      } else {
        result.warnings.push_back(text);
      }
    }
    linearity(e, result);
    const double eta_value = eta.value;
    const double sigma_y_dark = std::sqrt(dark.value);
    const auto figure = [&](const char* name, const char* unit, double value, const char* meaning) {
      Estimate estimate;
      estimate.name = name;
      estimate.unit = unit;
      estimate.value = value;
      estimate.u_a = not_known;
      estimate.meaning = meaning;
      result.figures.push_back(estimate);
    };
    figure("u_p_min", "photon", (sigma_y_dark / k + 0.5) / eta_value,
           "absolute sensitivity threshold");
    figure("u_p_sat", "photon", e.photons[e.saturation], "saturation capacity");
    figure("u_e_sat", "e-", e.photons[e.saturation] * eta_value, "saturation capacity");
    figure("SNR_max", "1", std::sqrt(e.photons[e.saturation] * eta_value),
           "largest signal-to-noise ratio");
    figure("DR", "1", e.photons[e.saturation] * eta_value / (sigma_y_dark / k + 0.5),
           "dynamic range");
    if (data.photon_scale_uncertainty > 0) {
      const double u = data.photon_scale_uncertainty;
      add_type_b(result, {0, -u * result.parameter("R").value, -u * eta_value, 0},
                 fmt::format("radiometer scale {:g} %", 100 * u));
    }
  }
  Estimate dark_figure;
  dark_figure.name = "sigma_y_dark";
  dark_figure.unit = "DN";
  dark_figure.value = std::sqrt(dark.value);
  dark_figure.u_a = dark.u / (2 * dark_figure.value);
  set_interval(dark_figure, dark.dof);
  dark_figure.meaning = "temporal dark noise at exposure time 0";
  result.figures.push_back(dark_figure);
  result.plots.push_back(variance_plot(e, k, curve));
  Plot residuals{"Residuals", "mean above dark [DN]", "standardised residual", false, false, {}};
  PlotSeries points{"residual", {}, {}, {}, PlotSeries::Kind::points};
  for (const ResidualRow& row : result.residuals) {
    points.x.push_back(row.x);
    points.y.push_back(std::isfinite(row.standardised) ? row.standardised : row.y - row.model);
  }
  residuals.series = {points};
  if (!known) residuals.y_label = "residual [DN^2]";
  result.plots.push_back(residuals);
  result.device.push_back({"receiver.sample_noise_electrons", "1", "sigma_d", 1});
  if (photons) result.device.push_back({"detector.quantum_efficiency", "1", "eta", 1});
  return result;
}

// Why signals above dark do not determine a slope; empty where they do.
std::string same_level(const std::vector<double>& x) {
  const auto [least, most] = std::minmax_element(x.begin(), x.end());
  if (*most - *least > 0.1 * std::max(std::abs(*most), std::abs(*least))) return "";
  return fmt::format(
      "all exposures give the same signal within 10 % ({:.6g} to {:.6g} DN above dark): a slope "
      "cannot be told from an offset, nor a line from a curve. Measure exposures from dark to "
      "saturation",
      *least, *most);
}

const char* name_of_method(PtcMethod method) {
  switch (method) {
    case PtcMethod::emva:
      return "emva";
    case PtcMethod::weighted:
      return "weighted";
    case PtcMethod::nonlinear:
      return "nonlinear";
  }
  return "emva";
}

}  // namespace

CalibrationResult calibrate_photon_transfer(const PhotonTransferData& data, PtcMethod method,
                                            bool alternatives) {
  const std::size_t n = data.mean_dn.size();
  for (const auto* column : {&data.mean_dn, &data.variance_dn2, &data.dark_mean_dn,
                             &data.dark_variance_dn2, &data.photons, &data.exposure_s}) {
    if (column->size() != n && !column->empty()) {
      throw DataError(
          "ptc: columns of different lengths (a row is one exposure). Correct the file.");
    }
    for (std::size_t i = 0; i < column->size(); ++i) {
      if (!std::isfinite((*column)[i])) {
        throw DataError(fmt::format(
            "{}: a value is missing or not finite (a row is one exposure). Remove the row.",
            i < data.places.size() ? data.places[i] : fmt::format("ptc: exposure {}", i + 1)));
      }
    }
  }
  std::vector<double> signal;
  for (std::size_t i = 0; i < n; ++i) signal.push_back(data.mean_dn[i] - data.dark_mean_dn[i]);
  std::string undetermined = n < 4 ? "" : same_level(signal);
  Exposures e;
  if (undetermined.empty()) {
    e = arrange(data);
    undetermined = same_level(head(e.x, e.sensitivity_last + 1));
  }
  if (!undetermined.empty()) {
    CalibrationResult result;
    result.kind = "ptc";
    result.method = name_of_method(method);
    not_identifiable(result, undetermined);
    return result;
  }
  CalibrationResult result = run(data, e, method);
  for (const PtcMethod other : {PtcMethod::emva, PtcMethod::weighted, PtcMethod::nonlinear}) {
    if (!alternatives || (other == PtcMethod::nonlinear && e.photons.empty())) continue;
    result.alternatives.emplace_back(name_of_method(other), other == method
                                                                ? result.parameters
                                                                : run(data, e, other).parameters);
  }
  // Data for the check: the slopes in two lines of numpy.
  const std::size_t used = e.sensitivity_last + 1;
  PythonColumns columns{{"x", head(e.x, used)}, {"v", head(e.v, used)}};
  if (!e.photons.empty()) columns.emplace_back("p", head(e.photons, used));
  // Another method's values have other names.
  const char* suffix = method == PtcMethod::emva ? "" : "_emva";
  result.python = fmt::format(
      "import numpy as np\nfrom scipy.optimize import curve_fit\n{}line = lambda x, k: k * "
      "x\nprint('K{}', repr(float(curve_fit(line, x, v, p0=[v[-1] / x[-1]])[0][0])), 'nan')\n",
      python_arrays(result, columns), suffix);
  if (!e.photons.empty()) {
    result.python += fmt::format(
        "print('R{}', repr(float(curve_fit(line, p, x, p0=[x[-1] / p[-1]])[0][0])), 'nan')\n",
        suffix);
  }
  return result;
}

}  // namespace attojoule::calibration
