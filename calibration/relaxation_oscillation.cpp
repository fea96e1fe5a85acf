#include "calibration/relaxation_oscillation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

constexpr std::size_t least_currents = 3;

// Largest frequency, damping and current: all numbers of the fit are of order one.
struct Scale {
  double frequency = 1, damping = 1, current = 1;
  explicit Scale(const std::vector<RelaxationPoint>& points) {
    frequency = damping = current = 0;
    for (const RelaxationPoint& p : points) {
      frequency = std::max(frequency, p.frequency_hz);
      damping = std::max(damping, p.damping_per_s);
      current = std::max(current, p.current_a);
    }
  }
};

// Line y = a + b x through all points, for start values.
std::pair<double, double> line_through(const std::vector<double>& x, const std::vector<double>& y) {
  double mx = 0, my = 0, sxx = 0, sxy = 0;
  const auto n = static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    mx += x[i] / n;
    my += y[i] / n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    sxx += (x[i] - mx) * (x[i] - mx);
    sxy += (x[i] - mx) * (y[i] - my);
  }
  const double b = sxx > 0 ? sxy / sxx : 0;
  return {my - b * mx, b};
}

// Rows 2 i: f_r / sigma_f. Rows 2 i + 1: (gamma / sigma_gamma - r f_r / sigma_f) / sqrt(1 - r^2),
// which does not scatter with the first.
FitProblem problem_of(const RelaxationData& data, const Scale& scale) {
  FitProblem problem;
  std::vector<double> current, f, g, f_error, g_error, r, squares;
  for (const RelaxationPoint& p : data.points) {
    current.push_back(p.current_a / scale.current);
    f.push_back(p.frequency_hz / scale.frequency);
    g.push_back(p.damping_per_s / scale.damping);
    squares.push_back(f.back() * f.back());
    f_error.push_back(p.frequency_error_hz / scale.frequency);
    g_error.push_back(p.damping_error_per_s / scale.damping);
    r.push_back(p.correlation);
  }
  const std::size_t n = f.size();
  for (std::size_t i = 0; i < n; ++i) {
    problem.y.push_back(f[i] / f_error[i]);
    problem.y.push_back((g[i] / g_error[i] - r[i] * f[i] / f_error[i]) /
                        std::sqrt(1 - r[i] * r[i]));
  }
  problem.sigma.assign(2 * n, 1);
  problem.convention = data.scale_sigma ? SigmaConvention::scale : SigmaConvention::known;
  const auto [square_at_0, square_slope] = line_through(current, squares);
  const double least = *std::min_element(current.begin(), current.end());
  double threshold = square_slope > 0 ? -square_at_0 / square_slope : 0;
  if (!(threshold < 0.99 * least)) threshold = 0.5 * least;
  if (data.threshold_a) threshold = *data.threshold_a / scale.current;
  const auto [g_at_0, g_slope] = line_through(squares, g);
  problem.parameters = {
      {.name = "d_factor", .start = std::sqrt(std::max(square_slope, 1e-3))},
      {.name = "k_factor", .start = g_slope},
      {.name = "damping_offset", .start = g_at_0},
      {.name = "threshold_current", .start = threshold, .fixed = data.threshold_a.has_value()}};
  problem.model = Model(2 * n, [=]<class T>(const T* p, std::size_t row) -> T {
    using std::sqrt;
    const std::size_t i = row / 2;
    const T above = T(current[i]) - p[3];
    // Below threshold there is no oscillation; the search may come by.
    const T frequency = above > T(0) ? p[0] * sqrt(above) : T(0);
    if (row % 2 == 0) return frequency / T(f_error[i]);
    const T damping = p[2] + p[1] * frequency * frequency;
    return (damping / T(g_error[i]) - T(r[i]) * frequency / T(f_error[i])) /
           T(std::sqrt(1 - r[i] * r[i]));
  });
  return problem;
}

// gamma over f_r^2 alone, errors of both: the K plot of the textbooks, whatever f_r does over the
// current.
Fit damping_alone(const RelaxationData& data, const Scale& scale) {
  FitProblem problem;
  std::vector<double> squares;
  for (const RelaxationPoint& p : data.points) {
    squares.push_back(std::pow(p.frequency_hz / scale.frequency, 2));
    problem.y.push_back(p.damping_per_s / scale.damping);
  }
  const auto [offset, slope] = line_through(squares, problem.y);
  problem.parameters = {{.name = "k_factor", .start = slope},
                        {.name = "damping_offset", .start = offset}};
  problem.model = Model(squares.size(), [squares]<class T>(const T* p, std::size_t i) -> T {
    return p[1] + p[0] * T(squares[i]);
  });
  problem.convention = data.scale_sigma ? SigmaConvention::scale : SigmaConvention::known;
  double k = slope;
  Fit best;
  for (int pass = 0; pass < 6; ++pass) {  // the weights depend on K, weakly
    problem.sigma.clear();
    for (const RelaxationPoint& p : data.points) {
      const double sf = 2 * k * p.frequency_hz / scale.frequency * p.frequency_error_hz /
                        scale.frequency,
                   sg = p.damping_error_per_s / scale.damping;
      problem.sigma.push_back(
          std::sqrt(std::max(sg * sg + sf * sf - 2 * p.correlation * sf * sg, 1e-30)));
    }
    best = fit(problem);
    k = best.values[0];
  }
  return best;
}

void check(const RelaxationData& data) {
  std::set<double> currents;
  for (const RelaxationPoint& p : data.points) {
    currents.insert(p.current_a);
    if (!(p.current_a > 0) || !std::isfinite(p.current_a)) {
      throw DataError(
          fmt::format("{}: bias current {:g} A (a laser runs on a positive one). "
                      "Correct it.",
                      p.place, p.current_a));
    }
    if (data.threshold_a && !(p.current_a > *data.threshold_a)) {
      throw DataError(fmt::format(
          "{}: bias current {:g} mA is not above the threshold of {:g} mA (below it there is no "
          "relaxation oscillation). Correct --threshold, or leave the file out.",
          p.place, 1e3 * p.current_a, 1e3 * *data.threshold_a));
    }
    if (!(p.frequency_error_hz > 0) || !(p.damping_error_per_s > 0) ||
        !(std::abs(p.correlation) < 1)) {
      throw DataError(fmt::format(
          "{}: relaxation frequency or damping has no standard error (points are weighted by it). "
          "Measure more points of the spectrum.",
          p.place));
    }
  }
  if (currents.size() < least_currents) {
    throw DataError(fmt::format(
        "rin: {} different bias currents (two laws of two parameters with a check need {}). "
        "Measure more currents.",
        currents.size(), least_currents));
  }
}

std::string python_of(const RelaxationData& data, const Fit& best) {
  std::vector<double> current, f, g, sf, sg, r;
  for (const RelaxationPoint& p : data.points) {
    current.push_back(p.current_a);
    f.push_back(p.frequency_hz);
    g.push_back(p.damping_per_s);
    sf.push_back(p.frequency_error_hz);
    sg.push_back(p.damping_error_per_s);
    r.push_back(p.correlation);
  }
  const auto list = [](const std::vector<double>& v) {
    return fmt::format("np.array([{}])", fmt::join(v, ", "));
  };
  const bool fixed = data.threshold_a.has_value();
  return fmt::format(
      "import numpy as np\nfrom scipy.optimize import least_squares\nI, f, g = {}, {}, {}\nsf, sg, "
      "r = {}, {}, {}\nscale = np.array([{}])\n\n\ndef residuals(q):\n    d, k, offset, "
      "threshold = {}\n    model = d * np.sqrt(np.maximum(I - threshold, 0))\n    first = (f - "
      "model) / sf\n    second = (g - offset - k * model**2) / sg\n    return "
      "np.concatenate([first, "
      "(second - r * first) / np.sqrt(1 - r**2)])\n\n\nfit = least_squares(residuals, "
      "1.001 * np.ones({}), jac='3-point', xtol=1e-15, ftol=1e-15, gtol=1e-15)\ncov = "
      "np.linalg.inv(fit.jac.T @ fit.jac){}\nfor n, v, s in zip('{}'.split(), fit.x * scale, "
      "np.sqrt(np.diag(cov)) * np.abs(scale)):\n    print(n, repr(float(v)), repr(float(s)))\n",
      list(current), list(f), list(g), list(sf), list(sg), list(r),
      fmt::join(best.values.begin(), best.values.end() - (fixed ? 1 : 0), ", "),
      fixed ? fmt::format("*(q * scale), {}", *data.threshold_a) : "q * scale", fixed ? 3 : 4,
      data.scale_sigma ? " * 2 * fit.cost / (2 * len(f) - len(fit.x))" : "",
      fixed ? "d_factor k_factor damping_offset"
            : "d_factor k_factor damping_offset threshold_current");
}

}  // namespace

RelaxationPoint relaxation_point(const CalibrationResult& result, double current_a,
                                 const std::string& place) {
  std::size_t f = 0, g = 0;
  for (std::size_t k = 0; k < result.parameters.size(); ++k) {
    if (result.parameters[k].name == "relaxation_frequency") f = k;
    if (result.parameters[k].name == "damping") g = k;
  }
  RelaxationPoint point;
  point.current_a = current_a;
  point.place = place;
  point.frequency_hz = result.parameter("relaxation_frequency").value;
  point.damping_per_s = result.parameter("damping").value;
  point.frequency_error_hz = result.parameters[f].u_a;
  point.damping_error_per_s = result.parameters[g].u_a;
  point.correlation =
      result.covariance_a(static_cast<Eigen::Index>(f), static_cast<Eigen::Index>(g)) /
      (point.frequency_error_hz * point.damping_error_per_s);
  return point;
}

CalibrationResult calibrate_relaxation_oscillation(const RelaxationData& data) {
  check(data);
  const std::size_t n = data.points.size();
  const Scale scale(data.points);
  CalibrationResult result;
  result.kind = "rin";
  result.model = "f_r = D sqrt(I - I_th), gamma = K f_r^2 + gamma_0";
  result.method = fmt::format(
      "both laws in one fit, weighted by the covariance of f_r and gamma "
      "of every current{}",
      data.scale_sigma ? ", scaled by chi2/dof" : "");
  const FitProblem problem = problem_of(data, scale);
  Fit best = fit(problem);
  if (best.values[0] < 0) {  // D enters by its square where it counts
    best.values[0] = -best.values[0];
    best.covariance.row(0) *= -1;
    best.covariance.col(0) *= -1;
  }
  const std::vector<double> factors{scale.frequency / std::sqrt(scale.current),
                                    scale.damping / (scale.frequency * scale.frequency),
                                    scale.damping, scale.current};
  Fit named = in_units(best, factors);
  named.parameters[0].unit = "Hz/sqrt(A)";
  named.parameters[1].unit = "s";
  named.parameters[2].unit = "1/s";
  named.parameters[3].unit = "A";
  adopt(result, named,
        {"f_r over the root of the current above threshold", "damping over f_r^2",
         "damping at f_r = 0", data.threshold_a ? "given" : "where f_r vanishes"});
  result.points_used = n;
  const Fit alone = damping_alone(data, scale);
  if (best.status != FitStatus::converged) return result;
  if (data.threshold_a && data.threshold_uncertainty_a > 0) {
    // Shift of the others for one standard uncertainty of the threshold.
    RelaxationData moved = data;
    *moved.threshold_a += data.threshold_uncertainty_a;
    const bool below = std::any_of(data.points.begin(), data.points.end(), [&](const auto& p) {
      return p.current_a <= *moved.threshold_a;
    });
    const double sign = below ? -1 : 1;
    if (below) *moved.threshold_a -= 2 * data.threshold_uncertainty_a;
    Fit other = fit(problem_of(moved, scale));
    other.values[0] = std::abs(other.values[0]);
    std::vector<double> change;
    for (std::size_t k = 0; k < 3; ++k) {
      change.push_back(sign * (other.values[k] - best.values[k]) * factors[k]);
    }
    change.push_back(data.threshold_uncertainty_a);
    add_type_b(result, change,
               fmt::format("threshold {:g} mA", 1e3 * data.threshold_uncertainty_a));
  }
  // Which of the laws it is that fails.
  const auto rows_of_f = [&] {
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < n; ++i) rows.push_back(2 * i);
    return rows;
  }();
  FitProblem first = select_points(problem, rows_of_f);
  first.parameters[1].fixed = first.parameters[2].fixed = true;
  const Fit frequency_alone = fit(first);
  if (!data.scale_sigma) {
    if (frequency_alone.dof > 0 && frequency_alone.status == FitStatus::converged &&
        frequency_alone.chi2_probability() < rejection_probability) {
      reject(result,
             fmt::format("f_r does not go with sqrt(I - I_th): chi2/dof = {:.3g} of that law alone "
                         "(the laser heats up, or a current is not what was set); leave the "
                         "highest currents out. `methods` has K from the dampings alone",
                         frequency_alone.chi2_reduced()));
    }
    if (alone.dof > 0 && alone.status == FitStatus::converged &&
        alone.chi2_probability() < rejection_probability) {
      reject(result, fmt::format("the damping does not go with f_r^2: chi2/dof = {:.3g} of that "
                                 "law alone (a parasitic pole in the response?)",
                                 alone.chi2_reduced()));
    }
  }
  check_bound(result, result.parameters[1], 0, false, "damping does not fall with the light");
  check_bound(result, result.parameters[2], 0, false,
              "a relaxation oscillation without light is damped");
  if (!data.threshold_a) {
    check_bound(result, result.parameters[3], 0, false,
                "a laser without current does not oscillate");
  }
  if (alone.status == FitStatus::converged) {
    CalibrationResult by_itself;
    Fit units =
        in_units(alone, {scale.damping / (scale.frequency * scale.frequency), scale.damping});
    units.parameters[0].unit = "s";
    units.parameters[1].unit = "1/s";
    adopt(by_itself, units, {"from the dampings alone", "from the dampings alone"});
    result.alternatives.emplace_back("gamma over f_r^2 alone", by_itself.parameters);
  }
  if (result.parameters[1].value > 0) {
    result.figures.push_back(derived(result, "maximum_bandwidth", "Hz",
                                     "3 dB electrical, where damping alone limits it",
                                     [](const std::vector<double>& p) {
                                       return 2 * std::numbers::sqrt2 * std::numbers::pi / p[1];
                                     }));
  }
  const double d = named.values[0], k = named.values[1], offset = named.values[2],
               threshold = named.values[3];
  const auto frequency_at = [&](double current) {
    return current > threshold ? d * std::sqrt(current - threshold) : 0;
  };
  using Kind = PlotSeries::Kind;
  PlotSeries f_measured{"measured", {}, {}, {}, Kind::points}, g_measured = f_measured;
  PlotSeries f_line{"fit", {}, {}, {}, Kind::line}, g_line = f_line;
  PlotSeries f_off{"f_r", {}, {}, {}, Kind::points}, g_off{"gamma", {}, {}, {}, Kind::crosses};
  ResultTable table{"currents",
                    {{"current", "A", {}},
                     {"relaxation_frequency", "Hz", {}},
                     {"u_frequency", "Hz", {}},
                     {"damping", "1/s", {}},
                     {"u_damping", "1/s", {}},
                     {"correlation", "1", {}}}};
  double most = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const RelaxationPoint& p = data.points[i];
    most = std::max(most, p.current_a);
    f_measured.x.push_back(p.current_a);
    f_measured.y.push_back(p.frequency_hz);
    f_measured.error.push_back(p.frequency_error_hz);
    g_measured.x.push_back(p.frequency_hz * p.frequency_hz);
    g_measured.y.push_back(p.damping_per_s);
    g_measured.error.push_back(p.damping_error_per_s);
    const double values[] = {p.current_a,     p.frequency_hz,        p.frequency_error_hz,
                             p.damping_per_s, p.damping_error_per_s, p.correlation};
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      table.columns[c].values.push_back(values[c]);
    }
    const double model_f = frequency_at(p.current_a), model_g = offset + k * model_f * model_f;
    for (const bool damping : {false, true}) {
      ResidualRow row;
      row.place = p.place + (damping ? ": damping" : ": relaxation frequency");
      row.x = p.current_a;
      row.y = damping ? p.damping_per_s : p.frequency_hz;
      row.model = damping ? model_g : model_f;
      row.sigma = damping ? p.damping_error_per_s : p.frequency_error_hz;
      row.standardised = (row.y - row.model) / row.sigma;
      row.leverage = best.leverage[2 * i + (damping ? 1 : 0)];
      result.residuals.push_back(row);
      (damping ? g_off : f_off).x.push_back(row.x);
      (damping ? g_off : f_off).y.push_back(row.standardised);
    }
  }
  for (int step = 0; step <= 200; ++step) {
    const double current = threshold + (1.05 * most - threshold) * step / 200;
    f_line.x.push_back(current);
    f_line.y.push_back(frequency_at(current));
    g_line.x.push_back(std::pow(frequency_at(current), 2));
    g_line.y.push_back(offset + k * g_line.x.back());
  }
  result.plots.push_back(
      {"Relaxation frequency", "current [A]", "f_r [Hz]", false, false, {f_measured, f_line}});
  result.plots.push_back(
      {"Damping", "f_r^2 [Hz^2]", "gamma [1/s]", false, false, {g_measured, g_line}});
  result.plots.push_back(
      {"Residuals", "current [A]", "standardised residual", false, false, {f_off, g_off}});
  result.tables.push_back(table);
  result.python = python_of(data, named);
  return result;
}

}  // namespace attojoule::calibration
