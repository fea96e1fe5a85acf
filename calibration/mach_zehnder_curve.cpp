#include "calibration/mach_zehnder_curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

constexpr double pi = std::numbers::pi;

enum class Phase { linear, quadratic, cubic };

// p: V_pi, T_max, q, phase, kappa, kappa_3.
FitProblem problem_of(const CurveData& curve, const std::vector<std::size_t>& points,
                      double y_scale, double centre, const std::vector<double>& start,
                      Phase phase) {
  FitProblem problem = curve_problem(curve, points, y_scale);
  std::vector<double> u;
  for (const std::size_t i : points) u.push_back(curve.x[i] - centre);
  problem.parameters = {{.name = "half_wave_voltage", .start = start[0], .unit = "V"},
                        {.name = "maximum", .start = start[1] / y_scale, .unit = curve.y_unit},
                        {.name = "minimum_share", .start = start[2]},
                        {.name = "phase", .start = start[3], .unit = "rad"}};
  if (phase != Phase::linear) {
    problem.parameters.push_back({.name = "curvature", .start = start[4], .unit = "1/V"});
  }
  if (phase == Phase::cubic) {
    problem.parameters.push_back({.name = "cubic", .start = 0, .unit = "1/V^2"});
  }
  problem.model = Model(u.size(), [u, phase]<class T>(const T* p, std::size_t i) -> T {
    using std::cos;
    const T volt(u[i]);
    T bend(1);
    if (phase != Phase::linear) bend = bend + p[4] * volt;
    if (phase == Phase::cubic) bend = bend + p[5] * volt * volt;
    const T angle = p[3] + T(pi) * volt * bend / p[0];
    return p[1] * T(0.5) * (T(1) + p[2] + (T(1) - p[2]) * cos(angle));
  });
  return problem;
}

// Voltage of a phase of turn (0: most light, pi: least) nearest to the middle of the sweep, for a
// linear phase.
double voltage_of(const std::vector<double>& p, double centre, double turn) {
  return centre + std::remainder(turn - p[3], 2 * pi) * p[0] / pi;
}

}  // namespace

CalibrationResult calibrate_mach_zehnder(const MachZehnderData& data, std::size_t holdout_blocks) {
  CurveData curve = data.curve;
  const std::vector<std::size_t> points =
      all_points("mzm", curve, 8, "a transfer curve with a check needs 8");
  const auto [low_at, high_at] = std::minmax_element(curve.x.begin(), curve.x.end());
  const double low = *low_at, high = *high_at, span = high - low;
  CalibrationResult result;
  result.kind = "mzm";
  result.model = data.curved_phase
                     ? "T = T_max [(1+q) + (1-q) cos(phase + pi u (1 + kappa u) / V_pi)] / 2"
                     : "T = T_max [(1+q) + (1-q) cos(phase + pi u / V_pi)] / 2";
  result.method = weighting_of(curve);
  if (!(span > 0)) {
    not_identifiable(
        result,
        "cannot separate half-wave voltage, maximum and extinction: the voltage is the "
        "same in all rows; sweep it over more than V_pi");
    return result;
  }
  for (double& y : curve.y) y -= data.floor.value_or(0);
  const double y_scale = largest_magnitude(curve.y);
  const double centre = 0.5 * (low + high);
  result.settings["middle of the sweep"] = fmt::format("{:.6g} V", centre);
  const SinusoidStart wave = scan_sinusoid(curve.x, curve.y);
  const double amplitude = std::hypot(wave.cosine, wave.sine);
  const double most = wave.mean + amplitude;
  if (!(most > 0) || !(wave.omega > 0)) {
    not_identifiable(result, "no transfer curve: the power does not vary with the voltage");
    return result;
  }
  const std::vector<double> start{pi / wave.omega, most,
                                  std::clamp((wave.mean - amplitude) / most, 1e-6, 0.9),
                                  std::atan2(-wave.sine, wave.cosine) + wave.omega * centre, 0};
  const Phase phase = data.curved_phase ? Phase::quadratic : Phase::linear;
  FitProblem problem = problem_of(curve, points, y_scale, centre, start, phase);
  Fit best = fit(problem);
  // A curved phase misleads the straight one's start: the best of several curvatures.
  if (data.curved_phase) {
    for (const double bend : {-0.6, -0.3, 0.3, 0.6}) {
      for (const double stretch : {0.7, 1.0, 1.4}) {
        std::vector<double> other = start;
        other[0] *= stretch;
        other[4] = bend / span;
        const Fit trial = fit(problem_of(curve, points, y_scale, centre, other, phase));
        if (trial.status == FitStatus::converged &&
            (best.status != FitStatus::converged || trial.chi2 < best.chi2 * (1 - 1e-9)) &&
            std::abs(trial.values[4]) * 0.5 * span < 1) {
          best = trial;
        }
      }
    }
  }
  if (best.values[0] < 0) {  // the same curve
    best.values[0] = -best.values[0];
    best.values[3] = -best.values[3];
    for (const Eigen::Index k : {0, 3}) {
      best.covariance.row(k) *= -1;
      best.covariance.col(k) *= -1;
    }
  }
  best.values[3] = std::remainder(best.values[3], 2 * pi);
  std::vector<double> factors(best.values.size(), 1.0);
  factors[1] = y_scale;
  std::vector<std::string> meanings{
      data.curved_phase ? "from most to least light, small signal in the middle of the sweep"
                        : "from most to least light",
      "largest power or transmission", "least over most light", "in the middle of the sweep"};
  if (data.curved_phase) meanings.emplace_back("kappa of the phase over voltage");
  adopt(result, in_units(best, factors), meanings);
  const bool usable = best.status == FitStatus::converged;
  if (!usable) return result;
  const double v_pi = result.parameters[0].value;
  const double share_u = result.parameters[2].combined();
  if (points_a_turn(curve.x, pi / v_pi) < least_points_a_turn) {
    not_identifiable(
        result, fmt::format("the sweep has {:.2g} points a turn: a finer fringe would look the "
                            "same; sweep with smaller steps",
                            points_a_turn(curve.x, pi / v_pi)));
  } else if (!(result.parameters[0].combined() < 0.2 * v_pi) ||
             !(result.parameters[1].combined() < 0.2 * std::abs(result.parameters[1].value)) ||
             !(wave.explained > 0.2)) {
    not_identifiable(
        result,
        fmt::format("cannot separate half-wave voltage, maximum and extinction: the sweep covers "
                    "{:.2g} V_pi and leaves V_pi to +- {:.2g} V of {:.3g} V; sweep over more than "
                    "V_pi, with a maximum and a minimum",
                    span / v_pi, result.parameters[0].combined(), v_pi));
  } else {
    std::vector<double> richer_start = best.values;
    richer_start[1] *= y_scale;
    if (!data.curved_phase) richer_start.push_back(0);
    judge_richer(
        result,
        compare_richer(best, problem_of(curve, points, y_scale, centre, richer_start,
                                        data.curved_phase ? Phase::cubic : Phase::quadratic)),
        data.curved_phase ? "the phase is not quadratic in the voltage: narrow --range"
                          : "the phase is not linear in the voltage (depletion modulator?): pass "
                            "--curved-phase, or narrow --range");
  }
  if (result.verdict == Verdict::accepted) judge_structure(result, curve, points, best, y_scale);
  add_hold_out(result, problem, holdout_blocks, y_scale);
  if (data.floor_uncertainty > 0) {
    // A floor too high by u takes u off maximum and minimum.
    const double most_y = result.parameters[1].value, q = result.parameters[2].value;
    std::vector<double> change(result.parameters.size(), 0);
    change[1] = -data.floor_uncertainty;
    change[2] = -data.floor_uncertainty * (1 - q) / most_y;
    add_type_b(result, change,
               fmt::format("dark level {:g} {}", data.floor_uncertainty, curve.y_unit));
  }
  if (result.verdict == Verdict::not_identifiable) return result;
  const Estimate& share = result.parameters[2];
  check_bound(result, share, 0, false,
              "the light cannot go below darkness: the dark level is wrong");
  result.device.push_back({"modulator.half_wave_voltage", "V", "half_wave_voltage", 1});
  if (share.value > 3 * share.combined()) {
    append_derived(result, "extinction_ratio", "dB", "most over least light, optical",
                   [](const std::vector<double>& p) { return -10 * std::log10(p[2]); });
    result.device.push_back({"modulator.extinction_ratio", "dB", "extinction_ratio", 1});
  } else {
    const double limit =
        -10 * std::log10(std::max(share.value, 0.0) + 1.645 * std::max(share.combined(), share_u));
    result.figures.push_back(
        {"extinction_ratio_lower_limit", "dB", limit, not_known, 0, not_known, not_known, "95 %"});
    result.warnings.push_back(fmt::format(
        "the least light is not distinguished from the dark level: the extinction ratio is above "
        "{:.3g} dB (95 %), and does not go into the device file",
        limit));
  }
  if (!data.floor) {
    result.identifiability +=
        " Extinction and the detector's dark level cannot be told apart by the curve: the power is "
        "taken as counted from darkness (--floor-level).";
  }
  if (data.input_power) {
    const double input = *data.input_power;
    const Estimate ratio = derived(result, "transmission", "1", "at the maximum",
                                   [input](const std::vector<double>& p) { return p[1] / input; });
    check_bound(result, ratio, 1, true, "energy conservation: a modulator has no gain");
    append_derived(
        result, "insertion_loss", "dB",
        "of everything between the two power meters, at the maximum",
        [input](const std::vector<double>& p) { return -10 * std::log10(p[1] / input); });
    if (data.transmission_uncertainty_db > 0) {
      std::vector<double> change(result.parameters.size(), 0);
      change.back() = data.transmission_uncertainty_db;
      add_type_b(result, change,
                 fmt::format("transmission {:g} dB", data.transmission_uncertainty_db));
    }
    result.device.push_back({"link.modulator_insertion_loss", "dB", "insertion_loss", 1});
  }
  if (data.curved_phase) {
    for (const auto& [name, at] :
         {std::pair{"half_wave_voltage_low", low}, std::pair{"half_wave_voltage_high", high}}) {
      const double u = at - centre;
      result.figures.push_back(
          derived(result, name, "V", fmt::format("small signal at {:.4g} V", at),
                  [u](const std::vector<double>& p) { return p[0] / (1 + 2 * p[4] * u); }));
    }
  } else {
    for (const auto& [name, turn] :
         {std::pair{"voltage_of_maximum", 0.0}, std::pair{"voltage_of_minimum", pi}}) {
      result.figures.push_back(derived(result, name, "V", "nearest to the middle of the sweep",
                                       [centre, turn = turn](const std::vector<double>& p) {
                                         return voltage_of(p, centre, turn);
                                       }));
    }
    if (data.bias_v) {
      const double bias = *data.bias_v;
      append_derived(result, "bias_error", "rad",
                     "of the amplitude encoder at --bias, from least light",
                     [centre, bias](const std::vector<double>& p) {
                       const double phi = p[3] + pi * (bias - centre) / p[0];
                       return 0.5 * std::remainder(phi - pi, 2 * pi);
                     });
      result.device.push_back({"modulator.bias_error", "rad", "bias_error", 1});
    }
  }
  if (data.length_cm) {
    const double length = *data.length_cm;
    result.figures.push_back(
        derived(result, "half_wave_voltage_length", "V cm",
                fmt::format("V_pi L of the sweep {:.4g} to {:.4g} V", low, high),
                [length](const std::vector<double>& p) { return p[0] * length; }));
  }
  const std::vector<double> p = [&] {
    std::vector<double> values;
    for (std::size_t k = 0; k < 5; ++k) {
      values.push_back(k < best.values.size() ? result.parameters[k].value : 0);
    }
    return values;
  }();
  describe_curve(
      result, curve, points, best, y_scale,
      [=](double volt) {
        const double u = volt - centre;
        const double angle = p[3] + pi * u * (1 + p[4] * u) / p[0];
        return p[1] / 2 * (1 + p[2] + (1 - p[2]) * std::cos(angle));
      },
      "Transfer curve");
  std::vector<std::string> names{"half_wave_voltage", "maximum", "minimum_share", "phase"};
  std::vector<double> first(p.begin(), p.begin() + 4);
  std::string bend;
  if (data.curved_phase) {
    names.emplace_back("curvature");
    first.push_back(p[4]);
    bend = fmt::format(" * (1 + curvature * (x - {:.17g}))", centre);
  }
  result.python = scipy_check(
      result, curve, points, best, y_scale, names, first,
      fmt::format("maximum / 2 * (1 + minimum_share + (1 - minimum_share) * np.cos(phase + np.pi * "
                  "(x - {:.17g}){} / half_wave_voltage))",
                  centre, bend));
  return result;
}

}  // namespace attojoule::calibration
