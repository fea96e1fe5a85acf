#include "calibration/light_current.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "calibration/curve.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

constexpr double largest_relative_residual = 0.02;
constexpr double rollover_share = 0.9;

struct Points {
  std::vector<double> x, y, sigma;
  std::vector<std::size_t> index;
};

struct Hinge {
  double threshold = 0, slope = 0, squares = 0;
};

// Sums over the first k points, from which those of any stretch follow at once: a meter writes a
// hundred thousand points, and every stretch of them is looked at.
class Sums {
 public:
  explicit Sums(const Points& p) : x0_(p.x.front()), y0_(p.y.front()), span_(p.x.back() - x0_) {
    sums_.resize(p.x.size() + 1);
    for (std::size_t i = 0; i < p.x.size(); ++i) {
      const long double x = p.x[i] - x0_, y = p.y[i] - y0_;
      const Sum& s = sums_[i];
      sums_[i + 1] = {s.n + 1, s.x + x, s.y + y, s.xx + x * x, s.xy + x * y, s.yy + y * y};
    }
  }
  // Slope of a straight line through points first .. last - 1; 0 where they have one abscissa.
  double slope(std::size_t first, std::size_t last) const {
    const Sum s = between(first, last);
    const long double xx = s.xx - s.x * s.x / s.n, xy = s.xy - s.x * s.y / s.n;
    return xx > 1e-15L * s.n * span_ * span_ ? static_cast<double>(xy / xx) : 0;
  }
  // Best offset + slope max(x - at, 0), where `above` is the first point beyond `at`.
  Hinge hinge(double at, std::size_t above) const {
    const Sum &all = sums_.back(), s = between(above, sums_.size() - 1);
    const long double x = at - x0_, h1 = s.x - s.n * x, hh = s.xx - 2 * x * s.x + s.n * x * x,
                      hy = s.xy - x * s.y, det = all.n * hh - h1 * h1;
    if (!(det > 1e-15L * all.n * all.n * span_ * span_)) {
      return {at, 0, std::numeric_limits<double>::infinity()};
    }
    const long double slope = (all.n * hy - h1 * all.y) / det;
    const long double offset = (hh * all.y - h1 * hy) / det;
    return {at, static_cast<double>(slope),
            static_cast<double>(all.yy - offset * all.y - slope * hy)};
  }

 private:
  struct Sum {
    long double n = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
  };
  Sum between(std::size_t first, std::size_t last) const {
    const Sum &a = sums_[first], &b = sums_[last];
    return {b.n - a.n, b.x - a.x, b.y - a.y, b.xx - a.xx, b.xy - a.xy, b.yy - a.yy};
  }
  std::vector<Sum> sums_;
  double x0_, y0_, span_;
};

// Best sharp hinge by a scan of the threshold: start values that no knee can mislead.
Hinge scan(const Points& p) {
  const Sums sums(p);
  Hinge best{0, 0, std::numeric_limits<double>::infinity()};
  std::size_t above = 0;
  for (std::size_t k = 0; k + 2 < p.x.size(); ++k) {
    for (const double part : {0.0, 0.5}) {
      const double at = p.x[k] + part * (p.x[k + 1] - p.x[k]);
      while (above < p.x.size() && p.x[above] <= at) ++above;
      const Hinge hinge = sums.hinge(at, above);
      if (hinge.squares < best.squares) best = hinge;
    }
  }
  return best;
}

}  // namespace

CalibrationResult calibrate_light_current(const LightCurrentData& data,
                                          std::size_t holdout_blocks) {
  const std::size_t n = data.current_a.size();
  const auto place = [&](std::size_t i) {
    return i < data.places.size() ? data.places[i] : fmt::format("point {}", i + 1);
  };
  if (n < 6) {
    throw DataError(fmt::format(
        "li: {} points (threshold and slope with uncertainties need 6). Measure more currents.",
        n));
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(data.current_a[i]) || !std::isfinite(data.power_w[i])) {
      throw DataError(
          fmt::format("{}: current {:g} A, power {:g} W (both must be numbers). Remove the "
                      "row.",
                      place(i), data.current_a[i], data.power_w[i]));
    }
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return data.current_a[a] < data.current_a[b];
  });
  Points p;
  for (const std::size_t i : order) {
    p.x.push_back(data.current_a[i]);
    p.y.push_back(data.power_w[i]);
    if (!data.sigma_w.empty()) p.sigma.push_back(data.sigma_w[i]);
    p.index.push_back(i);
  }
  CalibrationResult result;
  result.kind = "li";
  result.model = "P = P_0 + s I + eta w ln(1 + exp((I - I_th) / w))";
  result.method = data.sigma_w.empty() ? "least squares, scatter from the residuals"
                                       : "weighted least squares, known sigmas";
  const Sums sums(p);
  if (!(sums.slope(0, n) > 0)) {
    throw DataError(
        "li: the power does not rise with the current (a laser's does). Are the columns swapped? "
        "Name "
        "them with --current and --power.");
  }
  // Roll-over: from the steepest place on, the slope over a tenth of the points falls below 90 %.
  std::size_t used = n;
  if (!data.keep_rollover) {
    const std::size_t width = std::max<std::size_t>(4, n / 10);
    double steepest = 0;
    std::size_t steepest_at = 0;
    for (std::size_t i = 0; i + width <= n; ++i) {
      const double slope = sums.slope(i, i + width);
      if (slope > steepest) {
        steepest = slope;
        steepest_at = i;
      }
    }
    // From the top down, as long as the slope is too small: a dip in the middle is no roll-over.
    std::size_t cut = n;
    for (std::size_t end = n; end >= steepest_at + 2 * width && end >= width; --end) {
      if (sums.slope(end - width, end) >= rollover_share * steepest) break;
      cut = end - width;
    }
    // Noise makes slopes of few points vary; what is cut must lie below the line of the rest.
    if (cut < n && cut >= 6) {
      const double x0 = p.x[cut - 1];
      const double expected = p.y[cut - 1] + steepest * (p.x[n - 1] - x0);
      if (p.y[n - 1] < expected - 0.02 * (p.y[n - 1] - p.y[0])) used = cut;
    }
  }
  for (std::size_t i = used; i < n; ++i) {
    result.rejected.push_back({place(p.index[i]), "thermal roll-over"});
  }
  if (used < n) {
    result.warnings.push_back(
        fmt::format("the slope falls below {:.0f} % of its largest from {:.4g} A on: thermal "
                    "roll-over; {} points "
                    "left out",
                    100 * rollover_share, p.x[used], n - used));
  }
  p.x.resize(used);
  p.y.resize(used);
  p.index.resize(used);
  if (!p.sigma.empty()) p.sigma.resize(used);

  const Hinge hinge = scan(p);
  const double x_scale = p.x.back() - p.x.front();
  const double y_scale =
      *std::max_element(p.y.begin(), p.y.end()) - *std::min_element(p.y.begin(), p.y.end());
  if (!(x_scale > 0) || !(y_scale > 0)) {
    throw DataError("li: one current only (a line needs more). Sweep the current.");
  }
  const double spacing = x_scale / static_cast<double>(used - 1);
  std::size_t below = 0;
  for (const double x : p.x) below += x < hinge.threshold ? 1 : 0;
  FitProblem problem;
  // In units of the data's ranges; the width by its logarithm, so that it stays positive.
  problem.parameters = {{.name = "threshold_current", .start = hinge.threshold / x_scale},
                        {.name = "eta", .start = hinge.slope * x_scale / y_scale},
                        {.name = "log_width", .start = std::log(0.5 * spacing / x_scale)},
                        {.name = "P_0", .start = p.y.front() / y_scale},
                        {.name = "s", .start = 0}};
  problem.model = Model(used, [x = p.x, x_scale]<class T>(const T* q, std::size_t i) -> T {
    using std::exp;
    const T current(x[i] / x_scale);
    const T width = exp(q[2]);
    return q[3] + q[4] * current + q[1] * width * softplus(T((current - q[0]) / width));
  });
  for (const double y : p.y) problem.y.push_back(y / y_scale);
  for (const double sigma : p.sigma) problem.sigma.push_back(sigma / y_scale);
  problem.convention = p.sigma.empty() ? SigmaConvention::scale : SigmaConvention::known;
  // Offset and spontaneous emission are told by the points below threshold.
  if (below < 3) {
    problem.parameters[4].fixed = true;
    if (below < 2) {
      problem.parameters[3].fixed = true;
      problem.parameters[3].start = 0;
    }
  }
  const double sharp = std::log(0.05 * spacing / x_scale);
  Fit best = fit(problem);
  const bool knee_unseen = best.status != FitStatus::converged || best.values[2] < sharp ||
                           !(best.standard_error(2) < 2);
  if (knee_unseen) {
    problem.parameters[2].fixed = true;
    problem.parameters[2].start = sharp;
    best = fit(problem);
    result.warnings.push_back(
        fmt::format("the knee is narrower than the current steps ({:.3g} A): its width is not "
                    "determined, a sharp "
                    "knee is fitted",
                    spacing));
  }
  const double threshold = best.values[0] * x_scale;
  // From (I_th, eta, ln w, P_0, s) in scaled units to the two named parameters.
  const double slope_scale = y_scale / x_scale;
  Eigen::MatrixXd map = Eigen::MatrixXd::Zero(2, 5);
  map(0, 0) = x_scale;
  map(1, 1) = slope_scale;
  map(1, 4) = slope_scale;
  Fit named = best;
  named.parameters = {{.name = "threshold_current",
                       .unit = "A",
                       .lower = 0,
                       .bound_reason = "a laser needs current"},
                      {.name = "slope_efficiency", .unit = "W/A", .lower = 0}};
  named.values = {threshold, (best.values[1] + best.values[4]) * slope_scale};
  named.covariance = map * best.covariance * map.transpose();
  named.bounds_hit.clear();
  if (threshold < 0 && best.status == FitStatus::converged) {
    named.bounds_hit.push_back({"threshold_current", threshold, 0, false,
                                -threshold / named.standard_error(0), "a laser needs current"});
  }
  adopt(result, named, {"threshold current", "slope of power over current above threshold"});
  result.points_used = used;
  const double rms = std::sqrt(best.residual_sum_of_squares / std::max(best.dof, 1.0));
  if (best.status == FitStatus::converged) {
    const double eta_t = best.values[1] / best.standard_error(1);
    if (below == 0 || threshold <= p.x.front() || threshold >= p.x.back() || !(eta_t > 5)) {
      reject(
          result,
          fmt::format("no threshold between {:.4g} and {:.4g} A (the fit puts it at {:.4g} A): the "
                      "data are all on one side of it, or this is no laser",
                      p.x.front(), p.x.back(), threshold));
    }
    if (rms > largest_relative_residual) {
      reject(result,
             fmt::format("residuals of {:.2g} % of the power range (2 % is the most that a "
                         "straight light-current line leaves): kinks, mode hops or roll-over",
                         100 * rms));
    }
    if (result.verdict == Verdict::accepted) {
      CurveData curve;
      curve.x = data.current_a;
      curve.y = data.power_w;
      curve.sigma = data.sigma_w;
      curve.x_name = "current";
      judge_structure(result, curve, p.index, best, y_scale, largest_relative_residual);
    }
    if (holdout_blocks > 0) {
      // In the order measured.
      std::vector<std::size_t> measured(used);
      std::iota(measured.begin(), measured.end(), std::size_t{0});
      std::sort(measured.begin(), measured.end(),
                [&](std::size_t a, std::size_t b) { return p.index[a] < p.index[b]; });
      result.hold_out = hold_out_blocks(select_points(problem, measured), holdout_blocks);
      result.hold_out->rms *= y_scale;
    }
    const double k = best.coverage_factor(0.95);
    const auto figure = [&](const char* name, const char* unit, double value, double u,
                            const char* meaning) {
      Estimate estimate{name, unit, value, u, 0, value - k * u, value + k * u, meaning};
      result.figures.push_back(estimate);
    };
    if (!knee_unseen) {
      const double width = std::exp(best.values[2]) * x_scale;
      figure("knee_width", "A", width, width * best.standard_error(2), "width of the knee");
    }
    figure("offset", "W", best.values[3] * y_scale, best.standard_error(3) * y_scale,
           "power without current: the meter's offset");
    figure("spontaneous_slope", "W/A", best.values[4] * slope_scale,
           best.standard_error(4) * slope_scale, "slope below threshold");
    figure("residual_rms", "W", rms * y_scale, not_known, "scatter about the line");
  }
  const double slope_value = named.values[1];
  if (data.power_scale_uncertainty > 0) {
    add_type_b(result, {0, slope_value * data.power_scale_uncertainty},
               fmt::format("scale of the power {:g} %", 100 * data.power_scale_uncertainty));
  }
  if (data.current_scale_uncertainty > 0) {
    const double u = data.current_scale_uncertainty;
    add_type_b(result, {threshold * u, -slope_value * u},
               fmt::format("scale of the current {:g} %", 100 * u));
  }
  // The slope first: a threshold without it describes no laser.
  result.device = {{"laser.slope_efficiency", "W/A", "slope_efficiency", 1},
                   {"laser.threshold_current", "A", "threshold_current", 1}};
  PlotSeries measured{"measured", {}, {}, {}, PlotSeries::Kind::points};
  PlotSeries line{"fit", {}, {}, {}, PlotSeries::Kind::line};
  PlotSeries out{"left out", {}, {}, {}, PlotSeries::Kind::crosses};
  PlotSeries off{"residual", {}, {}, {}, PlotSeries::Kind::points};
  for (std::size_t i = 0; i < used; ++i) {
    const double model = best.model_values[i] * y_scale;
    result.residuals.push_back({place(p.index[i]), p.x[i], p.y[i], model,
                                p.sigma.empty() ? rms * y_scale : p.sigma[i],
                                p.sigma.empty() ? best.standardised[i] / rms : best.standardised[i],
                                best.leverage[i], true});
    measured.x.push_back(p.x[i]);
    measured.y.push_back(p.y[i]);
    off.x.push_back(p.x[i]);
    off.y.push_back(p.y[i] - model);
    line.x.push_back(p.x[i]);
    line.y.push_back(model);
  }
  for (std::size_t k = used; k < n; ++k) {
    out.x.push_back(data.current_a[order[k]]);
    out.y.push_back(data.power_w[order[k]]);
  }
  Plot main{"Light-current line", "current [A]", "power [W]", false, false, {measured, line}};
  if (!out.x.empty()) main.series.push_back(out);
  result.plots.push_back(main);
  result.plots.push_back({"Residuals", "current [A]", "residual [W]", false, false, {off}});
  PythonColumns columns{{"I", p.x}, {"P", p.y}};
  if (!p.sigma.empty()) columns.emplace_back("sigma", p.sigma);
  // With the knee's width as it was found: it has no linear scale that scipy could step on. What
  // the fit alone knows are the errors.
  result.python = fmt::format(
      "import numpy as np\nfrom scipy.optimize import curve_fit\n{}w = {}  # width of the knee\nf "
      "= "
      "lambda I, ith, eta, p0, s: p0 + s * I + eta * w * np.logaddexp(0, (I - ith) / w)\np, cov = "
      "curve_fit(f, I, P, p0=[{}, {}, 0, 0]{})\nprint('threshold_current', repr(float(p[0])), "
      "'nan')\nprint('slope_efficiency', repr(float(p[1] + p[3])), 'nan')\n",
      python_arrays(result, columns), std::exp(best.values[2]) * x_scale, threshold, slope_value,
      p.sigma.empty() ? "" : ", sigma=sigma");
  return result;
}

}  // namespace attojoule::calibration
