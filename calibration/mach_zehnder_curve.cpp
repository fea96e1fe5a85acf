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

// The abscissa that the phase is linear in: what is measured, or its square.
struct Shift {
  std::string name, unit;          // of the half-wave value as it is reported
  std::string abscissa, quantity;  // "V", "voltage"
  bool squared = false;

  double of(double measured) const { return squared ? measured * measured : measured; }
  double back(double linear) const { return squared ? std::sqrt(std::max(linear, 0.0)) : linear; }
};

Shift shift_of(PhaseShifter shifter) {
  if (shifter == PhaseShifter::heater_power) {
    return {"half_wave_power", "W", "H", "heater power", false};
  }
  return {"half_wave_voltage", "V", "u", "voltage", shifter == PhaseShifter::heater_voltage};
}

// p: V_pi, T_max, q, phase, kappa, kappa_3.
FitProblem problem_of(const CurveData& curve, const std::vector<std::size_t>& points,
                      double y_scale, double centre, const std::vector<double>& start, Phase phase,
                      const Shift& shift) {
  FitProblem problem = curve_problem(curve, points, y_scale);
  std::vector<double> u;
  u.reserve(points.size());
  for (const std::size_t i : points) u.push_back(curve.x[i] - centre);
  problem.parameters = {{.name = shift.name, .start = start[0], .unit = shift.unit},
                        {.name = "maximum", .start = start[1] / y_scale, .unit = curve.y_unit},
                        {.name = "minimum_share", .start = start[2]},
                        {.name = "phase", .start = start[3], .unit = "rad"}};
  if (phase != Phase::linear) {
    problem.parameters.push_back(
        {.name = "curvature", .start = start[4], .unit = "1/" + shift.unit});
  }
  if (phase == Phase::cubic) {
    problem.parameters.push_back({.name = "cubic", .start = 0});
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

// Abscissa of a phase of turn (0: most light, pi: least) nearest to the middle of the sweep, for a
// linear phase that is p[3] at `centre`; half: the half-wave value on the abscissa.
double abscissa_of(double phase, double half, double centre, double middle, double turn) {
  const double there = phase + pi * (middle - centre) / half;
  return middle + std::remainder(turn - there, 2 * pi) * half / pi;
}

}  // namespace

CalibrationResult calibrate_mach_zehnder(const MachZehnderData& data, std::size_t holdout_blocks) {
  CurveData curve = data.curve;
  const std::vector<std::size_t> points =
      all_points("mzm", curve, 8, "a transfer curve with a check needs 8");
  const Shift shift = shift_of(data.shifter);
  const bool heater = data.shifter != PhaseShifter::voltage;
  if (heater && data.length_cm) {
    throw ConfigError(
        "mzm: a length beside a heater (its phase is no product of voltage and length). Leave "
        "--length out.");
  }
  if (data.bias_v && data.curved_phase) {
    throw ConfigError(
        "mzm: --bias beside --curved-phase: no bias error of a phase that is not linear. Leave one "
        "out, and narrow --range to where it is.");
  }
  for (double& x : curve.x) x = shift.of(x);
  const auto [low_at, high_at] = std::minmax_element(curve.x.begin(), curve.x.end());
  const double low = *low_at, high = *high_at, span = high - low;
  CalibrationResult result;
  result.kind = "mzm";
  const std::string half = data.shifter == PhaseShifter::heater_power ? "H_pi" : "V_pi";
  const std::string argument = shift.squared ? "V^2" : shift.abscissa;
  result.model = fmt::format("T = T_max [(1+q) + (1-q) cos(phase + pi {}{} / {}{})] / 2", argument,
                             data.curved_phase ? fmt::format(" (1 + kappa {})", argument) : "",
                             half, shift.squared ? "^2" : "");
  result.method = weighting_of(curve);
  if (!(span > 0)) {
    not_identifiable(
        result,
        fmt::format("cannot separate {}, maximum and extinction: the {} is the same in all rows; "
                    "sweep it over more than {}",
                    shift.name, shift.quantity, half));
    return result;
  }
  for (double& y : curve.y) y -= data.floor.value_or(0);
  const double y_scale = largest_magnitude(curve.y);
  // A heater's phase counts from no current on.
  const double middle = 0.5 * (low + high), centre = heater ? 0 : middle;
  if (!heater) result.settings["middle of the sweep"] = fmt::format("{:.6g} V", centre);
  const SinusoidStart wave = scan_sinusoid(curve.x, curve.y);
  const double amplitude = std::hypot(wave.cosine, wave.sine);
  const double most = wave.mean + amplitude;
  if (!(most > 0) || !(wave.omega > 0)) {
    not_identifiable(result, fmt::format("no transfer curve: the power does not vary with the {}",
                                         shift.quantity));
    return result;
  }
  const std::vector<double> start{pi / wave.omega, most,
                                  std::clamp((wave.mean - amplitude) / most, 1e-6, 0.9),
                                  std::atan2(-wave.sine, wave.cosine) + wave.omega * centre, 0};
  const Phase phase = data.curved_phase ? Phase::quadratic : Phase::linear;
  FitProblem problem = problem_of(curve, points, y_scale, centre, start, phase, shift);
  Fit best = fit(problem);
  // A curved phase misleads the straight one's start: the best of several curvatures.
  if (data.curved_phase) {
    for (const double bend : {-0.6, -0.3, 0.3, 0.6}) {
      for (const double stretch : {0.7, 1.0, 1.4}) {
        std::vector<double> other = start;
        other[0] *= stretch;
        other[4] = bend / span;
        const Fit trial = fit(problem_of(curve, points, y_scale, centre, other, phase, shift));
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
      fmt::format("{}{}{}",
                  shift.squared ? "from no current to a phase of pi" : "from most to least light",
                  data.curved_phase ? ", small signal" : "",
                  data.curved_phase && !heater ? " in the middle of the sweep" : ""),
      "largest power or transmission", "least over most light",
      heater ? "without current" : "in the middle of the sweep"};
  if (data.curved_phase) {
    meanings.push_back(fmt::format("kappa of the phase over {}{}", shift.quantity,
                                   shift.squared ? " squared" : ""));
  }
  Fit named = in_units(best, factors);
  // On the abscissa of the fit, which for a heater's voltage is its square.
  const double v_pi = named.values[0];
  if (shift.squared) {
    named.values[0] = shift.back(v_pi);
    const double slope = 1 / (2 * named.values[0]);
    named.covariance.row(0) *= slope;
    named.covariance.col(0) *= slope;
    if (data.curved_phase) named.parameters[4].unit = "1/V^2";
  }
  adopt(result, named, meanings);
  if (best.status != FitStatus::converged) {
    if (best.status == FitStatus::no_convergence) {
      result.reasons.push_back(
          fmt::format("no cosine of the {}{} describes the curve: a phase that is not linear in it "
                      "(--curved-phase), a heater (--heater, or its measured power by "
                      "--heater-power), or noise",
                      shift.quantity, shift.squared ? " squared" : ""));
    }
    return result;
  }
  const double v_pi_u = std::sqrt(best.covariance(0, 0));
  const double share_u = result.parameters[2].combined();
  if (points_a_turn(curve.x, pi / v_pi) < least_points_a_turn) {
    not_identifiable(
        result, fmt::format("the sweep has {:.2g} points a turn: a finer fringe would look the "
                            "same; sweep with smaller steps",
                            points_a_turn(curve.x, pi / v_pi)));
  } else if (!(v_pi_u < 0.2 * v_pi) ||
             !(result.parameters[1].combined() < 0.2 * std::abs(result.parameters[1].value)) ||
             !(wave.explained > 0.2)) {
    not_identifiable(
        result,
        fmt::format("cannot separate {0}, maximum and extinction: the sweep covers {1:.2g} {2} and "
                    "leaves {2} to +- {3:.2g} {5} of {4:.3g} {5}; sweep over more than {2}, with a "
                    "maximum and a minimum",
                    shift.name, span / v_pi, half, result.parameters[0].combined(),
                    result.parameters[0].value, shift.unit));
  } else {
    std::vector<double> richer_start = best.values;
    richer_start[1] *= y_scale;
    if (!data.curved_phase) richer_start.push_back(0);
    judge_richer(
        result,
        compare_richer(best,
                       problem_of(curve, points, y_scale, centre, richer_start,
                                  data.curved_phase ? Phase::cubic : Phase::quadratic, shift)),
        data.curved_phase ? fmt::format("the phase is not quadratic in the {}{}: narrow --range",
                                        shift.quantity, shift.squared ? " squared" : "")
        : shift.squared
            ? "the phase is not linear in the square of the voltage (the heater's resistance "
              "rises?): give the measured power as --heater-power, or pass --curved-phase"
        : heater ? "the phase is not linear in the heater's power: pass --curved-phase, or narrow "
                   "--range"
                 : "the phase is not linear in the voltage (depletion modulator? --curved-phase; a "
                   "heater? --heater), or narrow --range");
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
  if (!heater) {
    result.device.push_back({"modulator.half_wave_voltage", "V", "half_wave_voltage", 1});
  }
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
  // Along the fit's abscissa.
  const auto half_of = [shift](const std::vector<double>& p) { return shift.of(p[0]); };
  if (data.curved_phase && !heater) {
    for (const auto& [name, at] :
         {std::pair{"half_wave_voltage_low", low}, std::pair{"half_wave_voltage_high", high}}) {
      const double u = at - centre;
      result.figures.push_back(
          derived(result, name, "V", fmt::format("small signal at {:.4g} V", at),
                  [u](const std::vector<double>& p) { return p[0] / (1 + 2 * p[4] * u); }));
    }
  } else if (!data.curved_phase) {
    const std::string of = data.shifter == PhaseShifter::heater_power ? "power" : "voltage";
    for (const auto& [name, turn] :
         {std::pair{of + "_of_maximum", 0.0}, std::pair{of + "_of_minimum", pi}}) {
      result.figures.push_back(
          derived(result, name, shift.unit, "nearest to the middle of the sweep",
                  [=, turn = turn](const std::vector<double>& p) {
                    return shift.back(abscissa_of(p[3], half_of(p), centre, middle, turn));
                  }));
    }
    if (data.bias_v) {
      const double bias = *data.bias_v;
      append_derived(result, "bias_error", "rad",
                     "of the amplitude encoder at --bias, from least light",
                     [=](const std::vector<double>& p) {
                       const double phi = p[3] + pi * (shift.of(bias) - centre) / half_of(p);
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
  CurveData measured = data.curve;
  measured.y = curve.y;
  describe_curve(
      result, measured, points, best, y_scale,
      [=](double x) {
        const double u = shift.of(x) - centre;
        const double angle = p[3] + pi * u * (1 + p[4] * u) / shift.of(p[0]);
        return p[1] / 2 * (1 + p[2] + (1 - p[2]) * std::cos(angle));
      },
      "Transfer curve");
  std::vector<std::string> names{shift.name, "maximum", "minimum_share", "phase"};
  std::vector<double> first(p.begin(), p.begin() + 4);
  const std::string u = shift.squared ? "x**2" : fmt::format("(x - {})", centre);
  std::string bend;
  if (data.curved_phase) {
    names.emplace_back("curvature");
    first.push_back(p[4]);
    bend = fmt::format(" * (1 + curvature * {})", u);
  }
  result.python = scipy_check(
      result, measured, points, best, y_scale, names, first,
      fmt::format("maximum / 2 * (1 + minimum_share + (1 - minimum_share) * np.cos(phase + np.pi * "
                  "{}{} / {}{}))",
                  u, bend, shift.name, shift.squared ? "**2" : ""));
  return result;
}

}  // namespace attojoule::calibration
