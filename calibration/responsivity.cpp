#include "calibration/responsivity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using photonics::constants::elementary_charge_c;
using photonics::constants::planck_j_s;
using photonics::constants::speed_of_light_m_per_s;

enum class Shape { line, quadratic, saturating };

FitProblem problem_of(const CurveData& curve, const std::vector<std::size_t>& points,
                      double x_scale, double y_scale, Shape shape) {
  FitProblem problem = curve_problem(curve, points, y_scale);
  std::vector<double> x;
  for (const std::size_t i : points) x.push_back(curve.x[i] / x_scale);
  const auto [least, most] = std::minmax_element(x.begin(), x.end());
  const double low = problem.y[static_cast<std::size_t>(least - x.begin())];
  const double high = problem.y[static_cast<std::size_t>(most - x.begin())];
  const double slope = *most > *least ? (high - low) / (*most - *least) : 1;
  problem.parameters = {{.name = "responsivity", .start = slope != 0 ? slope : 1, .unit = "A/W"},
                        {.name = "dark_current", .start = low - slope * *least, .unit = "A"}};
  if (shape == Shape::quadratic) problem.parameters.push_back({.name = "curvature", .start = 0});
  if (shape == Shape::saturating) {
    problem.parameters.push_back({.name = "inverse_saturation_current", .start = 0, .unit = "1/A"});
  }
  problem.model = Model(x.size(), [x, shape]<class T>(const T* p, std::size_t i) -> T {
    const T light(x[i]);
    const T current = p[0] * light;
    if (shape == Shape::quadratic) return p[1] + current + p[2] * light * light;
    if (shape == Shape::saturating) return p[1] + current / (T(1) + current * p[2]);
    return p[1] + current;
  });
  return problem;
}

// The brightest points go while the rest bends downwards.
std::vector<std::size_t> unsaturated(const CurveData& curve, std::vector<std::size_t> points,
                                     double x_scale, double y_scale) {
  std::stable_sort(points.begin(), points.end(),
                   [&](std::size_t a, std::size_t b) { return curve.x[a] < curve.x[b]; });
  const std::size_t all = points.size();
  if (all < 5) {  // a bend cannot be told from scatter
    std::sort(points.begin(), points.end());
    return points;
  }
  double bound = -3;
  while (points.size() >= 5) {
    const Fit trial = fit(problem_of(curve, points, x_scale, y_scale, Shape::quadratic));
    if (trial.status != FitStatus::converged || !(trial.standard_error(2) > 0) ||
        trial.values[2] >= bound * trial.standard_error(2)) {
      break;
    }
    // A bend below half a percent of the current is no saturation that anybody would cut for.
    const double top = curve.x[points.back()] / x_scale;
    if (std::abs(trial.values[2]) * top < 0.005 * std::abs(trial.values[0])) break;
    points.resize(points.size() - std::max<std::size_t>(1, points.size() / 100));
    bound = -2;
  }
  if (2 * points.size() < all || points.size() < 5) points.clear();
  std::sort(points.begin(), points.end());  // in the order measured
  return points;
}

}  // namespace

CalibrationResult calibrate_responsivity(const ResponsivityData& data, std::size_t holdout_blocks) {
  CurveData curve = data.curve;
  std::vector<std::size_t> points =
      all_points("responsivity", curve, 3, "a line with a check needs 3, one of them dark");
  if (data.coupling_loss_db < 0) {
    throw ConfigError(fmt::format(
        "responsivity: a coupling loss of {:g} dB (a loss counts up from 0). Give it positive.",
        data.coupling_loss_db));
  }
  const double coupling = std::pow(10, -data.coupling_loss_db / 10);
  for (double& power : curve.x) power *= coupling;
  const double x_scale = largest_magnitude(curve.x);
  for (std::size_t i = 0; i < curve.x.size(); ++i) {
    if (curve.x[i] < -0.01 * x_scale) {
      throw DataError(fmt::format(
          "{}: optical power {:g} W (it cannot be negative). Correct the row, or the meter's zero.",
          curve.place(i), curve.x[i]));
    }
  }
  const double y_scale = largest_magnitude(curve.y);
  CalibrationResult result;
  result.kind = "responsivity";
  result.model = data.saturation ? "I = I_dark + R P / (1 + R P / I_sat)" : "I = I_dark + R P";
  result.method = weighting_of(curve);

  const std::set<double> levels(curve.x.begin(), curve.x.end());
  Fit line = fit(problem_of(curve, points, x_scale, y_scale, Shape::line));
  if (levels.size() >= 2) {
    if (line.status == FitStatus::converged && line.values[0] < 0 &&
        -line.values[0] > 4 * line.standard_error(0)) {
      for (double& y : curve.y) y = -y;
      result.warnings.push_back(
          "the photocurrent is counted negative (reverse current of a source meter): its sign is "
          "turned");
      line = fit(problem_of(curve, points, x_scale, y_scale, Shape::line));
    }
    const double t = line.values[0] / line.standard_error(0);
    // Of values that are all the same to the last digits the slope is rounding.
    const bool rounding = !(std::abs(line.values[0]) > 1e-12);
    if (rounding || !(t > line.coverage_factor(0.997))) {
      throw DataError(fmt::format(
          "responsivity: photocurrent equals dark current: not contacted, or no light ({:.3g} A at "
          "{:.3g} W, slope {:.1f} standard errors from 0). Check contacts, bias and shutter.",
          curve.y[static_cast<std::size_t>(std::max_element(curve.x.begin(), curve.x.end()) -
                                           curve.x.begin())],
          x_scale, std::isfinite(t) ? t : 0.0));
    }
  }
  if (!data.saturation && line.status == FitStatus::converged) {
    const std::vector<std::size_t> kept = unsaturated(curve, points, x_scale, y_scale);
    if (kept.empty()) {
      reject(result,
             "the photocurrent bends downwards over more than half of the points: no linear range; "
             "pass --saturation, or measure at less light");
    } else if (kept.size() < points.size()) {
      const Fit straight = fit(problem_of(curve, kept, x_scale, y_scale, Shape::line));
      double first = x_scale;
      for (const std::size_t i : points) {
        if (std::binary_search(kept.begin(), kept.end(), i)) continue;
        const double expected =
            y_scale * (straight.values[1] + straight.values[0] * curve.x[i] / x_scale);
        result.rejected.push_back(
            {curve.place(i), fmt::format("saturation: {:.2g} % below the line of the darker points",
                                         100 * (1 - curve.y[i] / expected))});
        first = std::min(first, curve.x[i]);
      }
      result.warnings.push_back(fmt::format(
          "the photocurrent bends downwards from {:.4g} W on: saturation; {} points left out",
          first, points.size() - kept.size()));
      points = kept;
    }
  }
  const Shape shape = data.saturation ? Shape::saturating : Shape::line;
  const FitProblem problem = problem_of(curve, points, x_scale, y_scale, shape);
  Fit best = fit(problem);
  if (best.status == FitStatus::not_identifiable) {
    best.message =
        fmt::format("cannot separate {}: {} different light levels; add levels, one of them dark",
                    fmt::join(best.entangled, ", "), levels.size());
  }
  std::vector<double> factors{y_scale / x_scale, y_scale};
  std::vector<std::string> meanings{
      data.coupling_loss_db > 0 ? "photocurrent per optical power at the diode"
                                : "photocurrent per optical power at the power meter's plane",
      "current without light: dark current, ambient light and the meter's offset"};
  if (data.saturation) {
    factors.push_back(1 / y_scale);
    meanings.emplace_back("1 / saturation current");
  }
  adopt(result, in_units(best, factors), meanings);
  const bool usable = best.status == FitStatus::converged;
  if (usable && !data.saturation && result.verdict == Verdict::accepted) {
    judge_richer(
        result, compare_richer(best, problem_of(curve, points, x_scale, y_scale, Shape::quadratic)),
        "the photocurrent is not proportional to the light");
  }
  if (result.verdict == Verdict::accepted) judge_structure(result, curve, points, best, y_scale);
  add_hold_out(result, problem, holdout_blocks, y_scale);
  const double r = result.parameters[0].value, dark = result.parameters[1].value;
  const auto type_b = [&](double of_r, double of_dark, const std::string& cause) {
    std::vector<double> change(result.parameters.size(), 0);
    change[0] = of_r;
    change[1] = of_dark;
    add_type_b(result, change, cause);
  };
  if (data.power_scale_uncertainty > 0) {
    type_b(-r * data.power_scale_uncertainty, 0,
           fmt::format("scale of the power {:g} %", 100 * data.power_scale_uncertainty));
  }
  if (data.coupling_loss_uncertainty_db > 0) {
    type_b(r * std::log(10) / 10 * data.coupling_loss_uncertainty_db, 0,
           fmt::format("coupling loss {:g} dB", data.coupling_loss_uncertainty_db));
  }
  if (data.current_scale_uncertainty > 0) {
    type_b(r * data.current_scale_uncertainty, dark * data.current_scale_uncertainty,
           fmt::format("scale of the current {:g} %", 100 * data.current_scale_uncertainty));
  }
  if (!usable) return result;
  constexpr double least_believed_eta = 1e-3;
  if (data.wavelength_m) {
    const double most =
        elementary_charge_c * *data.wavelength_m / (planck_j_s * speed_of_light_m_per_s);
    if (r < least_believed_eta * most) {
      result.warnings.push_back(
          fmt::format("a responsivity of {:.3g} A/W is a quantum efficiency of {:.2g}: are the "
                      "units of power and "
                      "current right?",
                      r, r / most));
    }
  }
  if (data.coupling_loss_db == 0) {
    result.identifiability +=
        " Responsivity and the loss between power meter and diode cannot be told apart by these "
        "data: it is the responsivity at the meter's plane (--coupling-loss).";
  }
  if (data.saturation) {
    const Estimate& inverse = result.parameters[2];
    check_bound(result, inverse, 0, false, "the photocurrent cannot grow faster than the light");
    if (inverse.value > 3 * inverse.combined()) {
      append_derived(result, "saturation_current", "A", "photocurrent of half efficiency",
                     [](const std::vector<double>& p) { return 1 / p[2]; });
      result.device.push_back({"detector.saturation_current", "A", "saturation_current", 1});
    } else {
      result.warnings.push_back(
          fmt::format("no saturation is seen: the saturation current is above {:.3g} A (95 %)",
                      1 / (std::max(inverse.value, 0.0) + 1.645 * inverse.combined())));
    }
  }
  if (data.wavelength_m) {
    const double volt =
        planck_j_s * speed_of_light_m_per_s / (elementary_charge_c * *data.wavelength_m);
    append_derived(result, "eta", "1", "quantum efficiency, electrons per photon",
                   [volt](const std::vector<double>& p) { return p[0] * volt; });
    check_bound(result, result.parameter("eta"), 1, true,
                fmt::format("energy conservation: R <= q lambda / (h c) = {:.5g} A/W", 1 / volt));
    result.device.push_back({"detector.quantum_efficiency", "1", "eta", 1});
    result.device_conditions.emplace_back("laser.wavelength",
                                          fmt::format("{:.17g} m", *data.wavelength_m));
  } else {
    result.warnings.push_back(
        "the wavelength is neither in the file nor given: no quantum efficiency and no device "
        "file; pass --wavelength 1550nm");
  }
  const Estimate& offset = result.parameters[1];
  if (offset.value > 3 * offset.combined()) {
    result.device.push_back({"detector.dark_current", "A", "dark_current", 1});
  } else {
    result.warnings.push_back(fmt::format(
        "the dark current {:.2g} A is within three standard uncertainties of 0 ({:.2g} A): it does "
        "not go into the device file",
        offset.value, offset.combined()));
  }
  const double inverse = data.saturation ? result.parameters[2].value : 0;
  describe_curve(
      result, curve, points, best, y_scale,
      [=](double p) { return dark + r * p / (1 + r * p * inverse); },
      "Photocurrent against optical power");
  std::vector<std::string> names{"responsivity", "dark_current"};
  std::vector<double> start{r, dark};
  std::string formula = "dark_current + responsivity * x";
  if (data.saturation) {
    names.emplace_back("inverse_saturation_current");
    start.push_back(inverse);
    formula += " / (1 + responsivity * x * inverse_saturation_current)";
  }
  result.python = scipy_check(result, curve, points, best, y_scale, names, start, formula);
  return result;
}

}  // namespace attojoule::calibration
