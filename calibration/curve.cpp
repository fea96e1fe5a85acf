#include "calibration/curve.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <bit>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>
#include <numbers>
#include <numeric>

#include "photonics/error.hpp"
#include "photonics/spectra.hpp"

namespace attojoule::calibration {

std::string CurveData::place(std::size_t i) const {
  return i < places.size() ? places[i] : fmt::format("point {}", i + 1);
}

std::vector<std::size_t> all_points(const std::string& kind, const CurveData& data,
                                    std::size_t least, const std::string& why) {
  if (data.x.size() < least) {
    throw DataError(
        fmt::format("{}: {} points ({}). Measure more points.", kind, data.x.size(), why));
  }
  for (std::size_t i = 0; i < data.x.size(); ++i) {
    if (!std::isfinite(data.x[i]) || !std::isfinite(data.y[i])) {
      throw DataError(fmt::format(
          "{}: {} = {:g} {}, {} = {:g} {} (both must be numbers). Remove the row.", data.place(i),
          data.x_name, data.x[i], data.x_unit, data.y_name, data.y[i], data.y_unit));
    }
    if (!data.sigma.empty() && !(data.sigma[i] > 0 && std::isfinite(data.sigma[i]))) {
      throw DataError(
          fmt::format("{}: standard deviation {:g} {} (it must be positive). Correct the row.",
                      data.place(i), data.sigma[i], data.y_unit));
    }
  }
  std::vector<std::size_t> points(data.x.size());
  std::iota(points.begin(), points.end(), std::size_t{0});
  return points;
}

double largest_magnitude(const std::vector<double>& values) {
  double largest = 0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  return largest > 0 ? largest : 1;
}

FitProblem curve_problem(const CurveData& data, const std::vector<std::size_t>& points,
                         double y_scale) {
  FitProblem problem;
  for (const std::size_t i : points) {
    problem.y.push_back(data.y[i] / y_scale);
    if (!data.sigma.empty()) problem.sigma.push_back(data.sigma[i] / y_scale);
  }
  if (data.sigma.empty() && data.relative > 0) {
    // A model that passes through zero has no relative scatter there; a millionth of the range
    // keeps the weight finite where no floor was given.
    const double floor = std::max(data.floor / y_scale, 1e-6 * data.relative);
    problem.sigma_of_model = [relative = data.relative, floor](double model, std::size_t) {
      return std::hypot(relative * model, floor);
    };
  } else if (data.sigma.empty() && data.floor > 0) {
    problem.sigma.assign(points.size(), data.floor / y_scale);
  }
  problem.convention = data.known() ? SigmaConvention::known : SigmaConvention::scale;
  return problem;
}

std::string weighting_of(const CurveData& data) {
  std::string text = "least squares, scatter from the residuals";
  if (!data.sigma.empty()) {
    text = "weighted least squares, standard deviations given";
  } else if (data.relative > 0) {
    text = "reweighted least squares, sigma^2 = floor^2 + (relative model)^2";
  } else if (data.floor > 0) {
    text = "least squares, one known standard deviation";
  }
  if (data.weighted() && data.scale_sigma) text += ", scaled by chi2/dof";
  return text;
}

RicherModel compare_richer(const Fit& plain, FitProblem richer) {
  RicherModel comparison;
  richer.sigma = plain.sigma;
  richer.sigma_of_model = nullptr;
  if (richer.y.size() <= richer.parameters.size() + 1) return comparison;
  // A richer model that is not found in the plain one's neighbourhood does not describe the data
  // better in any way that counts here.
  comparison.fit = fit(richer, {.max_iterations = 100});
  const Fit& better = comparison.fit;
  const double more = plain.dof - better.dof;
  if (better.status == FitStatus::no_convergence || !(more > 0) || !(better.dof > 0)) {
    return comparison;
  }
  const double gain = plain.chi2 - better.chi2;
  if (!(gain > 0)) return comparison;
  const auto [least, most] = std::minmax_element(richer.y.begin(), richer.y.end());
  double squares = 0;
  for (std::size_t i = 0; i < richer.y.size(); ++i) {
    squares += std::pow(plain.model_values[i] - better.model_values[i], 2);
  }
  comparison.rms_share =
      std::sqrt(squares / static_cast<double>(richer.y.size())) / (*most - *least);
  // Differences in the last digits of exact data are rounding.
  if (!(comparison.rms_share > 1e-10)) return comparison;
  if (plain.covariance_scaled) {
    const double f = gain / more / (better.chi2 / better.dof);
    comparison.significant = better.chi2 <= 0 || f > boost::math::quantile(boost::math::complement(
                                                         boost::math::fisher_f(more, better.dof),
                                                         rejection_probability));
  } else {
    comparison.significant = gain > boost::math::quantile(boost::math::complement(
                                        boost::math::chi_squared(more), rejection_probability));
  }
  comparison.material = comparison.significant && comparison.rms_share > material_misfit;
  return comparison;
}

void judge_richer(CalibrationResult& result, const RicherModel& comparison,
                  const std::string& problem) {
  if (!comparison.significant) return;
  const std::string text = fmt::format("{} (a richer model differs by {:.2g} % of the range, rms)",
                                       problem, 100 * comparison.rms_share);
  if (comparison.material) {
    reject(result, text);
  } else {
    result.warnings.push_back(text);
  }
}

namespace {

struct Neighbours {
  double correlation = 0;  // of weighted residuals
  double weighted = 0;     // root of the mean product of neighbouring weighted residuals
  double common = 0;       // root of the mean product of neighbouring residuals, in units of y
};

Neighbours neighbours(const Fit& best, const std::vector<std::size_t>& order) {
  double own = 0, together = 0, raw = 0;
  const auto n = static_cast<double>(order.size());
  for (std::size_t k = 0; k < order.size(); ++k) {
    const std::size_t i = order[k];
    const double r = best.residuals[i] / best.sigma[i];
    own += r * r / n;
    if (k + 1 == order.size()) break;
    const std::size_t j = order[k + 1];
    together += r * best.residuals[j] / best.sigma[j] / n;
    raw += best.residuals[i] * best.residuals[j] / n;
  }
  return {own > 0 ? together / own : 0, std::sqrt(std::max(together, 0.0)),
          std::sqrt(std::max(raw, 0.0))};
}

}  // namespace

void judge_structure(CalibrationResult& result, const CurveData& data,
                     const std::vector<std::size_t>& points, const Fit& best, double y_scale,
                     double material) {
  constexpr std::size_t least = 15;
  constexpr double chance = 3.3;  // standard errors of a correlation, 1 / sqrt(n)
  if (data.known() || best.status != FitStatus::converged || !(best.dof > 0)) return;
  double low = data.y[points.front()], high = low;
  for (const std::size_t i : points) {
    low = std::min(low, data.y[i]);
    high = std::max(high, data.y[i]);
  }
  if (!data.weighted() && high > low) {
    const double scatter =
        y_scale * std::sqrt(best.residual_sum_of_squares / best.dof) / (high - low);
    const std::string what = fmt::format(
        "residuals are {:.2g} % of the range, rms: the data are noisy, or of another shape",
        100 * scatter);
    if (scatter > largest_scatter) {
      reject(result, what);
    } else if (scatter > largest_scatter / 3) {
      result.warnings.push_back(what +
                                "; with the known scatter (--relative, --floor) chi2 can tell");
    }
  }
  if (points.size() < least) return;
  std::vector<std::size_t> measured(points.size());
  std::iota(measured.begin(), measured.end(), std::size_t{0});
  std::vector<std::size_t> along = measured;
  std::sort(measured.begin(), measured.end(),
            [&](std::size_t a, std::size_t b) { return points[a] < points[b]; });
  std::stable_sort(along.begin(), along.end(), [&](std::size_t a, std::size_t b) {
    return data.x[points[a]] < data.x[points[b]];
  });
  const Neighbours over_x = neighbours(best, along), over_time = neighbours(best, measured);
  const bool by_x = over_x.correlation >= over_time.correlation;
  const Neighbours& worse = by_x ? over_x : over_time;
  const double share = worse.common * y_scale / (high - low);
  if (!(worse.correlation * std::sqrt(static_cast<double>(points.size())) > chance) ||
      !(share > 1e-10)) {
    return;
  }
  const std::string what = fmt::format(
      "residuals of neighbouring points go together (correlation {:.2f} {}; {:.2g} % of the range, "
      "rms): {}",
      worse.correlation, by_x ? "over " + data.x_name : std::string("in the order measured"),
      100 * share,
      by_x ? "the model misses a structure, or points are not independent"
           : "something drifted during the measurement");
  const bool proportional = data.sigma.empty() && data.relative > 0;
  if (proportional ? worse.weighted * data.relative > material_relative : share > material) {
    reject(result, what);
  } else {
    const double rho = std::min(worse.correlation, 0.99);
    result.warnings.push_back(
        fmt::format("{}; uncertainties of type A are too small by up to {:.2g}", what,
                    std::sqrt((1 + rho) / (1 - rho))));
  }
}

namespace {

// Whether most points lie in the lower decades of a sweep over several.
bool spaced_by_decades(const std::vector<double>& x) {
  std::vector<double> sorted = x;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.size() < 5 || !(sorted.front() > 0) || sorted.back() < 20 * sorted.front()) {
    return false;
  }
  const double middle = sorted[sorted.size() / 2];
  return middle < 0.5 * (std::sqrt(sorted.front() * sorted.back()) + 0.5 * sorted.back());
}

}  // namespace

void describe_curve(CalibrationResult& result, const CurveData& data,
                    const std::vector<std::size_t>& points, const Fit& best, double y_scale,
                    const std::function<double(double)>& line, const std::string& title) {
  PlotSeries measured{"measured", {}, {}, {}, PlotSeries::Kind::points};
  PlotSeries out{"left out", {}, {}, {}, PlotSeries::Kind::crosses};
  PlotSeries fitted{"fit", {}, {}, {}, PlotSeries::Kind::line};
  PlotSeries off{"residual", {}, {}, {}, PlotSeries::Kind::points};
  std::vector<std::size_t> position(data.x.size(), points.size());
  for (std::size_t k = 0; k < points.size(); ++k) position[points[k]] = k;
  const double rms = best.dof > 0 ? std::sqrt(best.chi2 / best.dof) : 1;
  for (std::size_t i = 0; i < data.x.size(); ++i) {
    ResidualRow row;
    row.place = data.place(i);
    row.x = data.x[i];
    row.y = data.y[i];
    row.model = line(data.x[i]);
    const std::size_t k = position[i];
    row.used = k < points.size();
    if (row.used) {
      row.model = best.model_values[k] * y_scale;
      // Where only ratios are known the scatter of the data sets the scale.
      const double scale = best.covariance_scaled ? rms : 1;
      row.sigma = best.sigma[k] * y_scale * scale;
      row.standardised = best.standardised[k] / scale;
      row.leverage = best.leverage[k];
      measured.x.push_back(row.x);
      measured.y.push_back(row.y);
      if (data.known()) measured.error.push_back(row.sigma);
      off.x.push_back(row.x);
      off.y.push_back(row.standardised);
    } else {
      out.x.push_back(row.x);
      out.y.push_back(row.y);
    }
    result.residuals.push_back(row);
  }
  const auto [from, to] = std::minmax_element(data.x.begin(), data.x.end());
  const bool decades = spaced_by_decades(data.x);
  // The points as well as even steps: a narrow line of a wide sweep lies between two steps.
  std::vector<std::pair<double, double>> fine;
  for (std::size_t k = 0; k < points.size(); ++k) {
    fine.emplace_back(data.x[points[k]], best.model_values[k] * y_scale);
  }
  constexpr int steps = 800;  // a few per pixel of the plot
  for (int k = 0; k <= steps; ++k) {
    const double share = static_cast<double>(k) / steps;
    const double x = decades ? *from * std::pow(*to / *from, share) : *from + (*to - *from) * share;
    fine.emplace_back(x, line(x));
  }
  std::sort(fine.begin(), fine.end());
  for (const auto& [x, y] : fine) {
    fitted.x.push_back(x);
    fitted.y.push_back(y);
  }
  const std::string x_label = fmt::format("{} [{}]", data.x_name, data.x_unit);
  Plot main{title,   x_label, fmt::format("{} [{}]", data.y_name, data.y_unit),
            decades, false,   {measured, fitted}};
  if (!out.x.empty()) main.series.push_back(out);
  result.plots.push_back(main);
  result.plots.push_back({"Residuals", x_label, "standardised residual", decades, false, {off}});
}

std::string python_arrays(CalibrationResult& result, const PythonColumns& columns) {
  constexpr std::size_t most_in_script = 2000;
  std::string text;
  if (columns.front().second.size() <= most_in_script) {
    for (const auto& [name, values] : columns) {
      text += fmt::format("{} = np.array([{}])\n", name, fmt::join(values, ", "));
    }
    return text;
  }
  ResultTable record{"record", {}, false};
  for (const auto& [name, values] : columns) {
    record.columns.push_back({name, "1", values});
    text += (text.empty() ? "" : ", ") + name;
  }
  result.tables.push_back(record);
  return "import pathlib\nfile = pathlib.Path(__file__).with_name('record.csv')\n" + text +
         " = np.loadtxt(file, delimiter=',', skiprows=1, unpack=True)\n";
}

std::string scipy_check(CalibrationResult& result, const CurveData& data,
                        const std::vector<std::size_t>& points, const Fit& best, double y_scale,
                        const std::vector<std::string>& names, const std::vector<double>& start,
                        const std::string& formula) {
  std::vector<double> x, y, sigma;
  for (std::size_t k = 0; k < points.size(); ++k) {
    x.push_back(data.x[points[k]]);
    y.push_back(data.y[points[k]]);
    sigma.push_back(best.sigma[k] * y_scale);
  }
  const auto list = [](const std::vector<double>& v) {
    return fmt::format("{}", fmt::join(v, ", "));
  };
  // The start is the solution moved by a thousandth, so that scipy has to find it; in numbers of
  // order one, since scipy's finite differences are absolute.
  std::vector<double> scale, moved;
  for (const double value : start) {
    scale.push_back(value != 0 ? std::abs(value) : 1);
    moved.push_back(1.001 * value / scale.back());
  }
  return fmt::format(
      "import numpy as np\nfrom scipy.optimize import curve_fit\n{}# sigma: of the last "
      "reweighting\nscale = "
      "np.array([{}])\ny0 = np.max(np.abs(y))\nf = lambda x, {}: {}\n"
      "q, cov = curve_fit(lambda x, *q: f(x, *(q * scale)) / y0, x, y / y0, p0=[{}], "
      "sigma=sigma / y0, absolute_sigma={}, xtol=1e-14, ftol=1e-14, gtol=1e-14)\n"
      "for n, v, s in zip('{}'.split(), q * scale, np.sqrt(np.diag(cov)) * scale):\n"
      "    print(n, repr(float(v)), repr(float(s)))\n",
      python_arrays(result, {{"x", x}, {"y", y}, {"sigma", sigma}}), list(scale),
      fmt::join(names, ", "), formula, list(moved), data.known() ? "True" : "False",
      fmt::join(names, " "));
}

void add_hold_out(CalibrationResult& result, const FitProblem& problem, std::size_t blocks,
                  double y_scale) {
  if (blocks == 0 || result.verdict == Verdict::not_identifiable ||
      result.verdict == Verdict::no_convergence) {
    return;
  }
  result.hold_out = hold_out_blocks(problem, blocks);
  result.hold_out->rms *= y_scale;
}

double points_a_turn(const std::vector<double>& x, double omega) {
  std::vector<double> sorted = x;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  if (sorted.size() < 2) return 0;
  const double step = (sorted.back() - sorted.front()) / static_cast<double>(sorted.size() - 1);
  return 2 * std::numbers::pi / (std::abs(omega) * step);
}

namespace {

// Least squares of mean, cosine and sine at one angular frequency.
SinusoidStart sinusoid_at(const std::vector<double>& x, const std::vector<double>& y, double omega,
                          double centre, double mean, double total) {
  // Normal equations: the three functions are far from parallel for half a turn and more.
  Eigen::Matrix3d left = Eigen::Matrix3d::Zero();
  Eigen::Vector3d right = Eigen::Vector3d::Zero();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double phase = omega * (x[i] - centre);
    const Eigen::Vector3d row(1, std::cos(phase), std::sin(phase));
    left += row * row.transpose();
    right += row * (y[i] - mean);
  }
  const Eigen::Vector3d p = left.ldlt().solve(right);
  const double turn = omega * centre;  // about x = 0
  return {omega, mean + p(0), p(1) * std::cos(turn) - p(2) * std::sin(turn),
          p(1) * std::sin(turn) + p(2) * std::cos(turn), total > 0 ? p.dot(right) / total : 0};
}

// Means of the points within each of many equal cells of the abscissa, and the cells' values with
// empty ones as the one before.
struct Cells {
  std::vector<double> x, y;
  std::vector<double> even;
  double width = 0;
};

Cells cells_of(const std::vector<double>& x, const std::vector<double>& y, double low, double high,
               std::size_t count) {
  std::vector<double> sum_x(count), sum_y(count), number(count);
  Cells cells;
  cells.width = (high - low) / static_cast<double>(count);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto at = std::min(static_cast<std::size_t>((x[i] - low) / cells.width), count - 1);
    sum_x[at] += x[i];
    sum_y[at] += y[i];
    number[at] += 1;
  }
  for (std::size_t k = 0; k < count; ++k) {
    if (number[k] > 0) {
      cells.x.push_back(sum_x[k] / number[k]);
      cells.y.push_back(sum_y[k] / number[k]);
    }
    cells.even.push_back(cells.y.back());  // the first cell holds the lowest point
  }
  return cells;
}

}  // namespace

SinusoidStart scan_sinusoid(const std::vector<double>& x, const std::vector<double>& y) {
  const std::size_t n = x.size();
  std::vector<double> sorted = x;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  SinusoidStart best;
  if (sorted.size() < 4) return best;
  const double low = sorted.front(), high = sorted.back(), span = high - low;
  const double step = span / static_cast<double>(sorted.size() - 1);
  const double centre = 0.5 * (low + high);
  double mean = 0, total = 0;
  for (const double v : y) mean += v / static_cast<double>(n);
  for (const double v : y) total += (v - mean) * (v - mean);
  const double quarter = 0.5 * std::numbers::pi / span;  // of a turn over the range
  const auto look = [&](const std::vector<double>& xs, const std::vector<double>& ys, double from,
                        double to, double grid) {
    for (double omega = from; omega <= to; omega += grid) {
      const SinusoidStart one = sinusoid_at(xs, ys, omega, centre, mean, total);
      if (best.omega == 0 || one.explained > best.explained) best = one;
    }
  };
  constexpr std::size_t few = 1000;
  const double finest = std::numbers::pi / step;
  if (n <= few) {
    look(x, y, quarter, finest, 0.5 * quarter);
    return best;
  }
  // Of many points a periodogram says where to look: quarter turns up to half a turn a step are too
  // many to try, and a coarser grid would miss the line.
  const Cells cells =
      cells_of(x, y, low, high, std::min(std::bit_ceil(sorted.size()), std::size_t{1} << 18U));
  look(cells.x, cells.y, quarter, 32 * quarter, 0.5 * quarter);
  const photonics::PowerSpectrum spectrum =
      photonics::welch(cells.even, 1 / cells.width, cells.even.size());
  const auto strongest = std::max_element(spectrum.density.begin() + 1, spectrum.density.end() - 1);
  const double peak =
      2 * std::numbers::pi *
      spectrum.frequency_hz[static_cast<std::size_t>(strongest - spectrum.density.begin())];
  look(cells.x, cells.y, std::max(peak - 8 * quarter, quarter), peak + 8 * quarter, 0.5 * quarter);
  return sinusoid_at(x, y, best.omega, centre, mean, total);
}

}  // namespace attojoule::calibration
