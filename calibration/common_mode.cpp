#include "calibration/common_mode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

const double decibel = 10 / std::log(10);
constexpr double in_phase_db = 6.020599913279624;  // 20 log10 2

// p: C_0 [dB], k = (2 pi f_max tau)^2; with a bump k2 for the check of the model.
FitProblem problem_of(const CurveData& curve, const std::vector<std::size_t>& points, double top_hz,
                      bool delay, bool richer) {
  FitProblem problem = curve_problem(curve, points, 1);
  std::vector<double> f;
  for (const std::size_t i : points) f.push_back(top_hz > 0 ? curve.x[i] / top_hz : 0);
  double start = -1e300, least = 1e300;
  for (const double y : problem.y) {
    start = std::max(start, y);
    least = std::min(least, y);
  }
  double mean = 0;
  for (const double y : problem.y) mean += y / static_cast<double>(problem.y.size());
  problem.parameters = {
      {.name = "cmrr", .start = delay ? start : mean, .unit = "dB"},
      {.name = "delay_squared",
       .start = delay ? std::max(std::pow(10, -least / 10) - std::pow(10, -start / 10),
                                 1e-3 * std::pow(10, -start / 10))
                      : 0,
       .unit = "s^2",
       .fixed = !delay}};
  if (richer) problem.parameters.push_back({.name = "more", .start = 0});
  problem.model = Model(f.size(), [f, delay, richer]<class T>(const T* p, std::size_t i) -> T {
    using std::exp;
    using std::log;
    const T base = exp(T(p[0] * T(-std::log(10) / 10)));
    T ratio = base;
    if (delay) {
      const T r = exp(T(p[0] * T(-std::log(10) / 20)));
      ratio = ratio + (T(1) - r) * p[1] * T(f[i] * f[i]);
    }
    if (!(ratio > T(1e-30))) ratio = T(1e-30);
    T value = log(ratio) * T(-decibel);
    if (richer) value = value + p[2] * T(f[i]);
    return value;
  });
  return problem;
}

}  // namespace

CalibrationResult calibrate_common_mode(const CommonModeData& data, std::size_t holdout_blocks) {
  CurveData curve;
  const bool has_frequency = !data.frequency_hz.empty();
  curve.x_name = has_frequency ? "frequency" : "row";
  curve.x_unit = has_frequency ? "Hz" : "1";
  curve.y_name = "CMRR";
  curve.y_unit = "dB";
  curve.places = data.places;
  curve.scale_sigma = data.scale_sigma || !(data.sigma_db > 0);
  CalibrationResult result;
  result.kind = "cmrr";
  std::vector<std::size_t> points;
  for (std::size_t i = 0; i < data.both.size(); ++i) {
    const double floor = data.floor.empty() ? 0 : data.floor[i];
    const double one = data.reference[i] - floor, both = data.both[i] - floor;
    const std::string place = curve.place(i);
    if (!std::isfinite(data.reference[i]) || !std::isfinite(data.both[i]) ||
        !(data.reference[i] > 0) || !(data.both[i] > 0) || floor < 0 || !(one > 0)) {
      throw DataError(
          fmt::format("{}: reference {:g}, both {:g}, floor {:g} (powers are positive and the "
                      "reference is above "
                      "the floor). Correct the row.",
                      place, data.reference[i], data.both[i], floor));
    }
    curve.x.push_back(has_frequency ? data.frequency_hz[i] : static_cast<double>(i + 1));
    // Within 1 dB of the floor the difference is less than a fifth of what is read.
    const bool buried = data.both[i] < floor * std::pow(10, 0.1);
    curve.y.push_back(10 * std::log10(one / (buried ? data.both[i] : both)));
    const double s = data.sigma_db > 0 ? data.sigma_db : 1;
    curve.sigma.push_back(s * std::sqrt(std::pow(data.reference[i] / one, 2) +
                                        (buried ? 1 : std::pow(data.both[i] / both, 2)) +
                                        (floor > 0 && !buried ? std::pow(floor / both, 2) : 0)));
    if (buried) {
      result.rejected.push_back(
          {place,
           fmt::format("within 1 dB of the floor: CMRR is above {:.3g} dB", curve.y.back())});
    } else {
      points.push_back(i);
    }
  }
  if (points.empty()) {
    double least = 1e300;
    for (const double y : curve.y) least = std::min(least, y);
    throw DataError(fmt::format(
        "cmrr: every reading with both diodes lit is within 1 dB of the floor (the CMRR is above "
        "{:.3g} dB). Modulate deeper, or lower the resolution bandwidth.",
        curve.y.empty() ? 0 : least));
  }
  if (points.size() < 2 && curve.scale_sigma) {
    throw DataError(
        "cmrr: one reading (its scatter cannot be seen). Repeat it, or pass --sigma 0.3dB.");
  }
  double mean = 0;
  for (const std::size_t i : points) mean += curve.y[i] / static_cast<double>(points.size());
  const bool one_diode = data.reference_is == CommonModeReference::one_diode;
  if (one_diode && mean < -4) {
    throw DataError(fmt::format(
        "cmrr: both diodes lit are {:.1f} dB above one (6 dB: the photocurrents add). Check the "
        "polarity of the second diode, or pass --reference in-phase with the columns swapped.",
        -mean));
  }
  if (mean < 1) {
    throw DataError(
        fmt::format("cmrr: both diodes lit are {:.1f} dB below the reference (no rejection): is "
                    "the second diode "
                    "lit and connected? Check it.",
                    mean));
  }
  std::set<double> frequencies;
  double top = 0;
  if (has_frequency) {
    for (const std::size_t i : points) {
      frequencies.insert(curve.x[i]);
      top = std::max(top, curve.x[i]);
    }
  }
  const bool delay = frequencies.size() >= 3;
  result.model = delay ? "CMRR = -10 log10[r^2 + (1 - r) (2 pi f tau)^2]" : "CMRR = const";
  result.method = weighting_of(curve);
  result.settings["reference"] = one_diode ? "one diode lit" : "both currents in phase";
  const FitProblem problem = problem_of(curve, points, top, delay, false);
  const Fit best = fit(problem);
  const double to_delay = delay ? std::pow(2 * std::numbers::pi * top, -2) : 1;
  Fit named = in_units(best, {1, to_delay});
  if (!delay) {
    named.parameters.pop_back();
    named.values.pop_back();
    named.covariance = named.covariance.topLeftCorner(1, 1).eval();
  }
  adopt(result, named,
        {fmt::format("electrical, over {}, at low frequency",
                     one_diode ? "one diode lit" : "both currents in phase"),
         "square of the delay between the diodes"});
  if (best.status == FitStatus::not_identifiable ||
      (best.status == FitStatus::converged && delay && best.standard_error(0) > 4)) {
    not_identifiable(
        result,
        "cannot separate imbalance and delay of the two diodes: the delay dominates at "
        "all frequencies; measure at lower ones");
  }
  if (result.verdict == Verdict::not_identifiable || result.verdict == Verdict::no_convergence) {
    return result;
  }
  if (data.floor.empty()) {
    result.identifiability +=
        " The level without light is not given: what it holds counts as common mode, and the CMRR "
        "is a lower limit (--floor).";
  }
  if (has_frequency && points.size() >= 5) {
    judge_richer(result, compare_richer(best, problem_of(curve, points, top, delay, true)),
                 delay
                     ? "the CMRR does not follow imbalance and delay (unequal bandwidths?): narrow "
                       "--range"
                     : "the CMRR depends on the frequency");
  }
  add_hold_out(result, problem, holdout_blocks, 1);
  const double share = one_diode ? 0.5 : 1;
  append_derived(
      result, "imbalance", "1", "e: efficiencies eta (1 +- e) of the two diodes",
      [share](const std::vector<double>& p) { return share * std::pow(10, -p[0] / 20); });
  if (one_diode) {
    const double r = std::pow(10, -named.values[0] / 20);
    std::vector<double> change(result.parameters.size(), 0);
    change.back() = r * r / 4 / std::sqrt(3.0);
    add_type_b(result, change, "which diode was lit");
  }
  result.device.push_back({"detector.efficiency_imbalance", "1", "imbalance", 1});
  if (delay) {
    const Estimate squared = result.parameters[1];
    check_bound(result, squared, 0, false, "a square is not negative");
    if (squared.value > 3 * squared.combined()) {
      append_derived(result, "delay", "s", "between the two diodes",
                     [](const std::vector<double>& p) { return std::sqrt(std::max(p[1], 0.0)); });
      if (2 * std::numbers::pi * top * result.parameters.back().value > 0.5) {
        result.warnings.push_back(
            "the delay turns the phase by more than 0.5 rad at the highest frequency: the model is "
            "of "
            "lowest order there; narrow --range");
      }
    }
  }
  result.figures.push_back(derived(result, "cmrr_optical", "dB",
                                   "the same ratio of currents in optical decibels",
                                   [](const std::vector<double>& p) { return p[0] / 2; }));
  const double shift = one_diode ? in_phase_db : -in_phase_db;
  result.figures.push_back(
      derived(result, one_diode ? "cmrr_in_phase" : "cmrr_one_diode", "dB",
              one_diode ? "over both currents in phase: 6.02 dB more, the other convention"
                        : "over one diode lit: 6.02 dB less, the other convention",
              [shift](const std::vector<double>& p) { return p[0] + shift; }));
  const double c0 = best.values[0], k = best.values[1];
  describe_curve(
      result, curve, points, best, 1,
      [=](double f) {
        const double ratio = std::pow(10, -c0 / 10) +
                             (delay ? (1 - std::pow(10, -c0 / 20)) * k * f * f / (top * top) : 0);
        return -10 * std::log10(std::max(ratio, 1e-30));
      },
      "Common-mode rejection");
  std::vector<std::string> names{"cmrr"};
  std::vector<double> start{c0};
  std::string formula = "cmrr + 0 * x";
  if (delay) {
    names.emplace_back("delay_squared");
    start.push_back(k * to_delay);
    formula =
        "-10 * np.log10(10**(-cmrr / 10) + (1 - 10**(-cmrr / 20)) * (2 * np.pi * x)**2 * "
        "delay_squared)";
  }
  result.python = scipy_check(result, curve, points, best, 1, names, start, formula);
  return result;
}

}  // namespace attojoule::calibration
