#include "calibration/visibility.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

constexpr double two_pi = 2 * std::numbers::pi;

// m [1 + V cos(phi + w x)] (+ second harmonic). p: V, m, phi, w, and c2, s2.
FitProblem problem_of(const CurveData& curve, const std::vector<std::size_t>& points,
                      double y_scale, const SinusoidStart& start, bool fixed_period,
                      bool harmonic) {
  FitProblem problem = curve_problem(curve, points, y_scale);
  std::vector<double> x;
  for (const std::size_t i : points) x.push_back(curve.x[i]);
  const double amplitude = std::hypot(start.cosine, start.sine);
  const double mean = start.mean != 0 ? start.mean : amplitude;
  problem.parameters = {
      {.name = "visibility", .start = mean != 0 ? amplitude / mean : 0},
      {.name = "mean", .start = mean / y_scale},
      {.name = "phase", .start = std::atan2(-start.sine, start.cosine), .unit = "rad"},
      {.name = "period", .start = start.omega, .fixed = fixed_period}};
  if (harmonic) {
    problem.parameters.push_back({.name = "c2", .start = 0});
    problem.parameters.push_back({.name = "s2", .start = 0});
  }
  problem.model = Model(x.size(), [x, harmonic]<class T>(const T* p, std::size_t i) -> T {
    using std::cos;
    using std::sin;
    const T theta = p[2] + p[3] * T(x[i]);
    T value = p[1] * (T(1) + p[0] * cos(theta));
    if (harmonic) value = value + p[4] * cos(T(theta * T(2))) + p[5] * sin(T(theta * T(2)));
    return value;
  });
  return problem;
}

// With a known phase the model is linear.
SinusoidStart start_of_phase(const CurveData& curve) {
  Eigen::MatrixXd basis(static_cast<Eigen::Index>(curve.x.size()), 3);
  Eigen::VectorXd y(basis.rows());
  for (Eigen::Index i = 0; i < basis.rows(); ++i) {
    const double x = curve.x[static_cast<std::size_t>(i)];
    basis.row(i) << 1, std::cos(x), std::sin(x);
    y(i) = curve.y[static_cast<std::size_t>(i)];
  }
  const Eigen::Vector3d p = (basis.transpose() * basis).ldlt().solve(basis.transpose() * y);
  return {1, p(0), p(1), p(2), 0};
}

}  // namespace

CalibrationResult calibrate_visibility(const VisibilityData& data, std::size_t holdout_blocks) {
  CurveData curve = data.curve;
  const std::vector<std::size_t> points =
      all_points("visibility", curve, 6, "a fringe with a check needs 6");
  if (data.power_ratio && !(*data.power_ratio > 0)) {
    throw ConfigError(fmt::format(
        "visibility: a power ratio of {:g} (both beams have light). Give P_2 / P_1 > 0.",
        *data.power_ratio));
  }
  for (double& y : curve.y) y -= data.dark.value_or(0);
  const double y_scale = largest_magnitude(curve.y);
  CalibrationResult result;
  result.kind = "visibility";
  result.model = data.x_is_phase ? "y = m [1 + V cos(x + phase)]"
                                 : "y = m [1 + V cos(2 pi x / period + phase)]";
  result.method = weighting_of(curve);
  const SinusoidStart start =
      data.x_is_phase ? start_of_phase(curve) : scan_sinusoid(curve.x, curve.y);
  const auto [low, high] = std::minmax_element(curve.x.begin(), curve.x.end());
  const double span = *high - *low;
  if (!(span > 0)) {
    throw DataError(fmt::format(
        "visibility: {} is the same in all rows (a fringe is a scan). Scan it, or name another "
        "column.",
        curve.x_name));
  }
  const FitProblem problem = problem_of(curve, points, y_scale, start, data.x_is_phase, false);
  Fit best = fit(problem);
  // Amplitude and phase have a sign and turns too many.
  if (best.values[0] < 0) {
    best.values[0] = -best.values[0];
    best.values[2] += std::numbers::pi;
    best.covariance.row(0) *= -1;
    best.covariance.col(0) *= -1;
  }
  best.values[2] = std::remainder(best.values[2], two_pi);
  const double omega = best.values[3];
  Fit named = best;
  // From angular frequency to period.
  const double to_period = -two_pi / (omega * omega);
  named.values[3] = data.x_is_phase ? two_pi : two_pi / omega;
  named.covariance.row(3) *= to_period;
  named.covariance.col(3) *= to_period;
  named.parameters[1].unit = curve.y_unit;
  named.parameters[3].unit = curve.x_unit;
  named = in_units(named, {1, y_scale, 1, 1});
  adopt(result, named,
        {"of the fringe, (max - min) / (max + min)", "mean over a fringe", "at x = 0",
         data.x_is_phase ? "of the phase" : "of the scan"});
  const double visibility = named.values[0], mean = named.values[1];
  if (best.status == FitStatus::converged && mean < 0) {
    if (curve.y_unit == "W" || curve.y_unit == "1") {
      reject(result, "the mean power is negative: the dark level is wrong");
    } else {
      result.warnings.push_back(
          "the signal is negative: an amplifier that inverts is assumed (or the dark level is "
          "wrong)");
    }
  }
  const bool usable = best.status == FitStatus::converged;
  if (usable) {
    const double turns = std::abs(omega) * span / two_pi;
    const double u = result.parameters[0].combined();
    if (!data.x_is_phase && points_a_turn(curve.x, omega) < least_points_a_turn) {
      not_identifiable(result,
                       fmt::format("the scan has {:.2g} points a fringe: a finer fringe would look "
                                   "the same; scan with smaller steps",
                                   points_a_turn(curve.x, omega)));
    } else if (u > 0.3 || result.parameters[1].combined() > 0.3 * std::abs(mean)) {
      not_identifiable(
          result,
          fmt::format("cannot separate visibility, mean and period: the scan covers {:.2g} fringes "
                      "and leaves the visibility to +- {:.2g}; scan over a whole fringe or more",
                      turns, u));
    } else if (!data.x_is_phase &&
               !(start.explained > 0.5 || visibility > 5 * result.parameters[0].combined())) {
      not_identifiable(result, fmt::format("no fringe: the best one explains {:.0f} % of the "
                                           "variance; check alignment, polarisation and path "
                                           "difference",
                                           100 * start.explained));
    }
  }
  if (result.verdict == Verdict::accepted) {
    judge_richer(
        result,
        compare_richer(best, problem_of(curve, points, y_scale, start, data.x_is_phase, true)),
        "the fringe has a second harmonic: the scan is not linear, the detector saturates, "
        "or a third beam interferes");
  }
  if (result.verdict == Verdict::accepted) judge_structure(result, curve, points, best, y_scale);
  add_hold_out(result, problem, holdout_blocks, y_scale);
  const auto type_b = [&](double of_v, double of_mean, const std::string& cause) {
    std::vector<double> change(result.parameters.size(), 0);
    change[0] = of_v;
    change[1] = of_mean;
    add_type_b(result, change, cause);
  };
  if (data.dark_uncertainty > 0) {
    type_b(visibility / mean * data.dark_uncertainty, -data.dark_uncertainty,
           fmt::format("dark level {:g} {}", data.dark_uncertainty, curve.y_unit));
  }
  if (!usable) return result;
  if (!data.dark) {
    result.identifiability +=
        " An offset of the detector cannot be told from light that does not interfere: the signal "
        "is taken as counted from darkness (--dark).";
  }
  check_bound(result, result.parameters[0], 1, true,
              "no fringe goes below darkness: dark level, or a detector that is not linear");
  if (data.power_ratio) {
    const double k = *data.power_ratio;
    const double factor = (1 + k) / (2 * std::sqrt(k));
    // d ln(factor) / d ln k = k / (1 + k) - 1/2
    const double u_k = data.power_ratio_uncertainty * (k / (1 + k) - 0.5);
    append_derived(result, "mode_overlap", "1", "visibility of beams of equal power",
                   [factor](const std::vector<double>& p) { return p[0] * factor; });
    if (u_k != 0) {
      std::vector<double> change(result.parameters.size(), 0);
      change.back() = visibility * factor * u_k;
      add_type_b(result, change,
                 fmt::format("power ratio {:g} %", 100 * data.power_ratio_uncertainty));
    }
    check_bound(result, result.parameters.back(), 1, true, "two modes overlap at most wholly");
    result.device.push_back({"receiver.visibility", "1", "mode_overlap", 1});
    if (data.quantum_efficiency) {
      const auto overlap = result.parameters.size() - 1;
      const double electronics = data.clearance_db ? 1 - std::pow(10, -*data.clearance_db / 10) : 1;
      const double rest = *data.quantum_efficiency * data.optical_transmission * electronics;
      result.figures.push_back(derived(result, "eta_total", "1",
                                       "eta_PD overlap^2 eta_opt (1 - 10^(-clearance/10))",
                                       [rest, overlap](const std::vector<double>& p) {
                                         return rest * p[overlap] * p[overlap];
                                       }));
    }
  } else {
    result.warnings.push_back(
        "the powers of the two beams are not given: the visibility is a lower limit of their mode "
        "overlap, and no device file is written; pass --power-ratio");
  }
  const double phase = named.values[2];
  describe_curve(
      result, curve, points, best, y_scale,
      [=](double x) { return mean * (1 + visibility * std::cos(omega * x + phase)); }, "Fringes");
  std::vector<std::string> names{"visibility", "mean", "phase"};
  std::vector<double> first{visibility, mean, phase};
  if (!data.x_is_phase) {
    names.emplace_back("period");
    first.push_back(named.values[3]);
  }
  result.python = scipy_check(
      result, curve, points, best, y_scale, names, first,
      data.x_is_phase ? "mean * (1 + visibility * np.cos(x + phase))"
                      : "mean * (1 + visibility * np.cos(2 * np.pi * x / period + phase))");
  return result;
}

}  // namespace attojoule::calibration
