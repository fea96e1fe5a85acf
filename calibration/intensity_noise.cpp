#include "calibration/intensity_noise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using photonics::constants::elementary_charge_c;

struct Scaled {
  std::vector<double> f, y, other;  // other: thermal and shot noise, in units of `scale`
  double scale = 1, top = 1;
};

// p: RIN, and B, f_r, gamma / 2 pi (frequencies in units of the highest); with a slope to check.
FitProblem problem_of(const Scaled& s, const IntensityNoiseData& data, double peak_at,
                      bool richer) {
  FitProblem problem;
  problem.y = s.y;
  const double scatter = data.relative_scatter > 0 ? data.relative_scatter : 1;
  problem.sigma_of_model = [other = s.other, scatter](double model, std::size_t i) {
    // What is shown is RIN + 2q/I + thermal; the thermal trace scatters too.
    const double shown = std::max(model, 0.0) + other[i];
    return scatter * std::hypot(shown, other[i]) + 1e-12;
  };
  problem.convention = data.relative_scatter > 0 && !data.scale_sigma ? SigmaConvention::known
                                                                      : SigmaConvention::scale;
  double mean = 0, most = 0;
  for (const double y : s.y) {
    mean += y / static_cast<double>(s.y.size());
    most = std::max(most, y);
  }
  problem.parameters = {{.name = "rin", .start = data.relaxation ? s.y.front() : mean}};
  if (data.relaxation) {
    const double g = 0.3 * peak_at;
    problem.parameters.push_back(
        {.name = "peak", .start = std::max(most * g * g / (peak_at * peak_at), 1e-3)});
    problem.parameters.push_back({.name = "relaxation_frequency", .start = peak_at});
    problem.parameters.push_back({.name = "damping", .start = g});
  }
  if (richer) {
    problem.parameters.push_back({.name = "slope", .start = 0});
    problem.parameters.push_back({.name = "curvature", .start = 0});
  }
  problem.model = Model(
      s.f.size(),
      [f = s.f, relaxation = data.relaxation, richer]<class T>(const T* p, std::size_t i) -> T {
        const T at(f[i]);
        T value = p[0];
        if (relaxation) {
          const T f2 = at * at, r2 = p[2] * p[2];
          value = (p[0] * r2 * r2 + p[1] * r2 * f2) / ((r2 - f2) * (r2 - f2) + p[3] * p[3] * f2);
        }
        if (richer) value = value + (p[relaxation ? 4 : 1] + p[relaxation ? 5 : 2] * at) * at;
        return value;
      });
  return problem;
}

}  // namespace

CalibrationResult calibrate_intensity_noise(const IntensityNoiseData& data,
                                            std::size_t holdout_blocks) {
  const std::size_t n = data.frequency_hz.size();
  CurveData curve;
  curve.x = data.frequency_hz;
  curve.x_name = "frequency";
  curve.x_unit = "Hz";
  curve.y_name = "RIN";
  curve.y_unit = "1/Hz";
  curve.places = data.places;
  curve.scale_sigma = data.scale_sigma || !(data.relative_scatter > 0);
  curve.relative = data.relative_scatter;
  if (!(data.photocurrent_a > 0) || !(data.dc_power_w > 0)) {
    throw ConfigError(fmt::format(
        "rin: a photocurrent of {:g} A and a DC power of {:g} W (noise is over the power of the "
        "light). Pass --photocurrent 1mA.",
        data.photocurrent_a, data.dc_power_w));
  }
  const double shot = 2 * elementary_charge_c / data.photocurrent_a;
  std::vector<double> floor;
  double mean_shown = 0, mean_floor = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double thermal = data.thermal_w_per_hz.empty() ? 0 : data.thermal_w_per_hz[i];
    if (!(data.noise_w_per_hz[i] > 0) || !(thermal >= 0)) {
      throw DataError(fmt::format(
          "{}: noise {:g} W/Hz, thermal {:g} W/Hz (a density is positive). Remove the row.",
          curve.place(i), data.noise_w_per_hz[i], thermal));
    }
    floor.push_back(thermal / data.dc_power_w + shot);
    curve.y.push_back(data.noise_w_per_hz[i] / data.dc_power_w - floor.back());
    mean_shown += data.noise_w_per_hz[i] / data.dc_power_w / static_cast<double>(n);
    mean_floor += floor.back() / static_cast<double>(n);
  }
  const std::vector<std::size_t> points =
      all_points("rin", curve, data.relaxation ? 8 : 4,
                 data.relaxation ? "a relaxation oscillation with a check needs 8"
                                 : "a level with its scatter needs 4");
  Scaled s;
  s.scale = mean_shown;
  s.top = *std::max_element(curve.x.begin(), curve.x.end());
  double peak_at = 0, most = -1e300;
  for (std::size_t i = 0; i < n; ++i) {
    s.f.push_back(curve.x[i] / s.top);
    s.y.push_back(curve.y[i] / s.scale);
    s.other.push_back(floor[i] / s.scale);
    if (s.y[i] > most) {
      most = s.y[i];
      peak_at = s.f[i];
    }
  }
  CalibrationResult result;
  result.kind = "rin";
  result.model = data.relaxation
                     ? "RIN(f) = [RIN f_r^4 + B f_r^2 f^2] / [(f_r^2 - f^2)^2 + (gamma f "
                       "/ 2 pi)^2]"
                     : "RIN = S / P_el - N_th / P_el - 2 q / I";
  result.method = data.relative_scatter > 0 && !data.scale_sigma
                      ? "reweighted least squares, sigma proportional to what the analyser shows"
                      : "reweighted least squares, sigma proportional to what the analyser shows, "
                        "scaled by chi2/dof";
  const FitProblem problem = problem_of(s, data, peak_at, false);
  Fit best = fit(problem);
  for (const std::size_t k : {std::size_t{2}, std::size_t{3}}) {  // signs that do not count
    if (k < best.values.size() && best.values[k] < 0) {
      best.values[k] = -best.values[k];
      best.covariance.row(static_cast<Eigen::Index>(k)) *= -1;
      best.covariance.col(static_cast<Eigen::Index>(k)) *= -1;
    }
  }
  std::vector<double> factors{s.scale};
  std::vector<std::string> meanings{data.relaxation ? "at low frequency" : "mean over the band"};
  if (data.relaxation) {
    factors.insert(factors.end(), {s.scale, s.top, 2 * std::numbers::pi * s.top});
    meanings.insert(meanings.end(), {"B of the model", "relaxation oscillation", "gamma"});
  }
  Fit named = in_units(best, factors);
  named.parameters[0].unit = "1/Hz";
  if (data.relaxation) {
    named.parameters[1].unit = "1/Hz";
    named.parameters[2].unit = "Hz";
    named.parameters[3].unit = "1/s";
  }
  adopt(result, named, meanings);
  if (best.status != FitStatus::converged) return result;
  if (data.relaxation && !(result.parameters[2].combined() < 0.3 * result.parameters[2].value)) {
    not_identifiable(result,
                     fmt::format("cannot separate relaxation frequency, damping and level: the "
                                 "band ends at {:.3g} Hz; measure beyond the peak",
                                 s.top));
    return result;
  }
  if (data.thermal_w_per_hz.empty()) {
    not_identifiable(
        result,
        "cannot separate RIN and thermal noise: no trace without light is given, so the "
        "level is an upper limit; measure one and name it with --dark");
    result.figures.push_back({"rin_upper_limit", "1/Hz",
                              result.parameters[0].value + 1.645 * result.parameters[0].combined(),
                              not_known, 0, not_known, not_known, "95 %"});
    return result;
  }
  judge_richer(result, compare_richer(best, problem_of(s, data, peak_at, true)),
               data.relaxation ? "the noise does not follow one relaxation oscillation"
                               : "the noise is not white over the band: narrow --range, or --model "
                                 "relaxation");
  add_hold_out(result, problem, holdout_blocks, s.scale);
  const double rin = result.parameters[0].value;
  const auto scale_by = [&](double share, const std::string& cause) {
    std::vector<double> change(result.parameters.size(), 0);
    change[0] = share;
    if (data.relaxation) change[1] = share / std::max(rin, 1e-300) * result.parameters[1].value;
    add_type_b(result, change, cause);
  };
  if (data.scale_uncertainty > 0) {
    scale_by((rin + shot) * data.scale_uncertainty,
             fmt::format("scale of the noise {:g} %", 100 * data.scale_uncertainty));
  }
  if (data.photocurrent_uncertainty > 0) {
    // P_el goes with I^2, shot noise with 1 / I.
    const double light = mean_shown - (mean_floor - shot);
    scale_by((2 * light - shot) * data.photocurrent_uncertainty,
             fmt::format("photocurrent {:g} %", 100 * data.photocurrent_uncertainty));
  }
  check_bound(result, result.parameters[0], 0, false,
              "a noise is not negative: thermal noise, gain or photocurrent is wrong");
  // Of the points that decide, by their weights.
  double weighted_shown = 0, weighted_floor = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double weight = 1 / (best.sigma[i] * best.sigma[i]);
    weighted_shown += weight * data.noise_w_per_hz[i] / data.dc_power_w;
    weighted_floor += weight * floor[i];
  }
  const double above_floor_db = 10 * std::log10(weighted_shown / weighted_floor);
  result.figures.push_back({"above_floor", "dB", above_floor_db, not_known, 0, not_known, not_known,
                            "mean noise over thermal and shot noise"});
  result.figures.push_back(
      {"shot_noise_rin", "1/Hz", shot, not_known, 0, not_known, not_known, "2 q / I"});
  if (rin > 0) {
    result.figures.push_back(
        derived(result, "rin_db", "dB/Hz", "10 log10 RIN",
                [](const std::vector<double>& p) { return 10 * std::log10(p[0]); }));
  }
  const bool limit = above_floor_db < 1 || !(rin > 3 * result.parameters[0].combined());
  if (limit) {
    const double upper = std::max(rin, 0.0) + 1.645 * result.parameters[0].combined();
    result.figures.push_back(
        {"rin_upper_limit", "1/Hz", upper, not_known, 0, not_known, not_known, "95 %"});
    result.warnings.push_back(
        fmt::format("the noise is {:.2g} dB above thermal and shot noise: RIN is an upper limit of "
                    "{:.4g} dB/Hz "
                    "(95 %), and does not go into the device file; use more light",
                    above_floor_db, 10 * std::log10(upper)));
  } else {
    result.device.push_back({"laser.rin", "1/Hz", "rin", 1});
  }
  if (data.relaxation) {
    result.figures.push_back(derived(result, "peak_rin", "1/Hz", "at the relaxation frequency",
                                     [](const std::vector<double>& p) {
                                       const double g = p[3] / (2 * std::numbers::pi);
                                       return (p[0] + p[1]) * p[2] * p[2] / (g * g);
                                     }));
  }
  const std::vector<double> p = named.values;
  describe_curve(
      result, curve, points, best, s.scale,
      [p, relaxation = data.relaxation](double f) {
        if (!relaxation) return p[0];
        const double f2 = f * f, r2 = p[2] * p[2], g = p[3] / (2 * std::numbers::pi);
        return (p[0] * r2 * r2 + p[1] * r2 * f2) / ((r2 - f2) * (r2 - f2) + g * g * f2);
      },
      "Relative intensity noise");
  // A resonance stands tens of dB above the rest.
  result.plots.front().log_y = data.relaxation;
  std::vector<std::string> names{"rin"};
  std::string formula = "rin + 0 * x";
  if (data.relaxation) {
    names = {"rin", "peak", "relaxation_frequency", "damping"};
    formula =
        "(rin * relaxation_frequency**4 + peak * relaxation_frequency**2 * x**2) / "
        "((relaxation_frequency**2 - x**2)**2 + (damping * x / (2 * np.pi))**2)";
  }
  result.python = scipy_check(result, curve, points, best, s.scale, names, p, formula);
  return result;
}

}  // namespace attojoule::calibration
