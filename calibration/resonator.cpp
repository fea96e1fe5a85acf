#include "calibration/resonator.hpp"

#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

constexpr double pi = std::numbers::pi;

struct Start {
  double baseline = 0, least = 0, width = 0, frequency = 0;
  std::size_t resonances = 0;
  double fsr = 0;
  double fsr_slope = 0;  // relative change of the FSR from one resonance to the next
  double reach = 0;      // farthest resonance, in FSR
  bool found = false;
};

// Resonances that can show a dispersion, with one to spare.
constexpr std::size_t least_dispersive = 4;

// FSR and its slope from the resonances' places about f_0, of which some may be missing.
void space_out(Start& start, const std::vector<double>& places) {
  std::vector<double> gaps;
  for (std::size_t k = 0; k + 1 < places.size(); ++k) gaps.push_back(places[k + 1] - places[k]);
  std::nth_element(gaps.begin(), gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2),
                   gaps.end());
  const double typical = gaps[gaps.size() / 2];
  std::vector<double> order{0};
  for (std::size_t k = 0; k + 1 < places.size(); ++k) {
    order.push_back(order.back() +
                    std::max(1.0, std::round((places[k + 1] - places[k]) / typical)));
  }
  const auto nearest = std::min_element(places.begin(), places.end(), [&](double a, double b) {
    return std::abs(a - start.frequency) < std::abs(b - start.frequency);
  });
  const double zero = order[static_cast<std::size_t>(nearest - places.begin())];
  // place = c0 + c1 N + c2 N^2 for resonance N; two and three of them lie on a line.
  const Eigen::Index terms = places.size() > 3 ? 3 : 2;
  Eigen::MatrixXd a(static_cast<Eigen::Index>(places.size()), terms);
  Eigen::VectorXd b(a.rows());
  for (std::size_t k = 0; k < places.size(); ++k) {
    const auto row = static_cast<Eigen::Index>(k);
    const double n = order[k] - zero;
    start.reach = std::max(start.reach, std::abs(n));
    for (Eigen::Index c = 0; c < terms; ++c) a(row, c) = std::pow(n, static_cast<double>(c));
    b(row) = (places[k] - start.frequency) / typical;
  }
  const Eigen::VectorXd c = a.colPivHouseholderQr().solve(b);
  start.fsr = c(1) * typical;
  if (terms > 2) start.fsr_slope = 2 * c(2) / c(1);
}

// Runs of points below half depth, along the frequency; runs closer than two widths are one dip
// with noise in it.
Start look_for_dips(const CurveData& curve) {
  const std::size_t n = curve.x.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return curve.x[a] < curve.x[b]; });
  std::vector<double> sorted = curve.y;
  std::sort(sorted.begin(), sorted.end());
  Start start;
  start.baseline = sorted[n - 1 - n / 8];
  start.least = sorted.front();
  const double half = 0.5 * (start.baseline + start.least);
  struct Dip {
    double from, to, at, depth;
  };
  std::vector<Dip> dips;
  bool inside = false;
  for (std::size_t k = 0; k < n; ++k) {
    const double x = curve.x[order[k]], y = curve.y[order[k]];
    if (y < half) {
      const double before = k > 0 ? 0.5 * (x + curve.x[order[k - 1]]) : x;
      if (!inside) dips.push_back({before, x, x, y});
      if (y < dips.back().depth) {
        dips.back().at = x;
        dips.back().depth = y;
      }
      dips.back().to = k + 1 < n ? 0.5 * (x + curve.x[order[k + 1]]) : x;
    }
    inside = y < half;
  }
  if (dips.empty()) return start;
  double widest = 0;
  for (const Dip& dip : dips) widest = std::max(widest, dip.to - dip.from);
  std::vector<Dip> merged{dips.front()};
  for (std::size_t k = 1; k < dips.size(); ++k) {
    Dip& last = merged.back();
    if (dips[k].from - last.to < 2 * widest) {
      if (dips[k].depth < last.depth) {
        last.at = dips[k].at;
        last.depth = dips[k].depth;
      }
      last.to = dips[k].to;
    } else {
      merged.push_back(dips[k]);
    }
  }
  std::vector<double> widths;
  const Dip* deepest = &merged.front();
  for (const Dip& dip : merged) {
    widths.push_back(dip.to - dip.from);
    if (dip.depth < deepest->depth) deepest = &dip;
  }
  std::nth_element(widths.begin(), widths.begin() + static_cast<std::ptrdiff_t>(widths.size() / 2),
                   widths.end());
  start.width = widths[widths.size() / 2];
  start.frequency = 0.5 * (deepest->from + deepest->to);
  start.resonances = merged.size();
  if (merged.size() > 1) {
    std::vector<double> places;
    for (const Dip& dip : merged) places.push_back(0.5 * (dip.from + dip.to));
    if (places.size() >= least_dispersive) {
      // All count from the middle one: which is the deepest is a matter of noise.
      const double middle = 0.5 * (curve.x[order.front()] + curve.x[order.back()]);
      start.frequency = *std::min_element(places.begin(), places.end(), [&](double a, double b) {
        return std::abs(a - middle) < std::abs(b - middle);
      });
    }
    space_out(start, places);
  }
  start.found = start.width > 0;
  return start;
}

// How far the greatest value lies above the median, over how far the least lies below it: far above
// 1 for a peak, far below for a dip.
double peak_over_dip(const CurveData& curve) {
  std::vector<double> sorted = curve.y;
  std::sort(sorted.begin(), sorted.end());
  const double middle = sorted[sorted.size() / 2];
  return (sorted.back() - middle) / std::max(middle - sorted.front(), 1e-300);
}

// A peak is a dip upside down.
Start look(const CurveData& curve, bool drop_port) {
  if (!drop_port) return look_for_dips(curve);
  CurveData flipped = curve;
  const auto [low, high] = std::minmax_element(curve.y.begin(), curve.y.end());
  const double sum = *low + *high;
  for (double& y : flipped.y) y = sum - y;
  Start start = look_for_dips(flipped);
  const double peak = sum - start.least;
  start.least = sum - start.baseline;
  start.baseline = peak;
  return start;
}

// What of the model is fitted.
struct Form {
  bool drop = false;       // m and A in place of M and B
  bool airy = false;       // several resonances, or a known FSR
  bool fsr_fixed = false;  // given
  bool dispersion = false;
  bool richer = false;  // tilt and asymmetry: checks
};

// p: w, f_0 - centre, M, B, FSR, slope of the FSR; all frequencies in units of the start width.
FitProblem problem_of(const CurveData& curve, const std::vector<std::size_t>& points,
                      double y_scale, const Start& start, const Form& form) {
  const bool drop = form.drop, airy = form.airy, dispersion = form.dispersion, richer = form.richer;
  FitProblem problem = curve_problem(curve, points, y_scale);
  std::vector<double> x;
  double reach = 0;
  for (const std::size_t i : points) {
    x.push_back((curve.x[i] - start.frequency) / start.width);
    reach = std::max(reach, std::abs(x.back()));
  }
  problem.parameters = {
      {.name = "linewidth", .start = 1, .unit = "Hz"},
      {.name = "frequency", .start = 0, .unit = "Hz"},
      {.name = drop ? "background" : "minimum_transmission", .start = start.least / start.baseline},
      {.name = drop ? "peak" : "baseline", .start = start.baseline / y_scale, .unit = curve.y_unit},
      {.name = "fsr",
       .start = airy ? start.fsr / start.width : 1,
       .unit = "Hz",
       .fixed = !airy || form.fsr_fixed},
      {.name = "fsr_slope", .start = dispersion ? start.fsr_slope : 0, .fixed = !dispersion}};
  if (richer) {
    problem.parameters.push_back({.name = "tilt", .start = 0});
    problem.parameters.push_back({.name = "asymmetry", .start = 0});
  }
  problem.model =
      Model(x.size(), [x, drop, airy, richer, reach]<class T>(const T* p, std::size_t i) -> T {
        using std::sin;
        const T off = T(x[i]) - p[1];
        T detuning = T(2) * off / p[0];
        if (airy) {
          const T turns = off / p[4];
          detuning = sin(T(T(pi) * turns * (T(1) - T(0.5) * p[5] * turns))) /
                     sin(T(T(pi) * p[0] / (T(2) * p[4])));
        }
        const T square = detuning * detuning;
        T value = (drop ? T(T(1) + p[2] * square) : T(p[2] + square)) / (T(1) + square);
        if (richer) {
          value = value * (T(1) + p[6] * T(x[i] / reach)) + p[7] * detuning / (T(1) + square);
        }
        return p[3] * value;
      });
  return problem;
}

// Residuals in the dips, root mean square over their depth, that no resonance of this form leaves;
// and ripples over the whole range.
constexpr double largest_misfit = 0.1, largest_ripple = 0.1;

// Most points of a sweep lie between the resonances: a fit that misses the dips has small
// residuals.
void judge_dips(CalibrationResult& result, const CurveData& curve,
                const std::vector<std::size_t>& points, const Fit& best, const Start& start,
                bool drop) {
  const double middle = 0.5 * (start.baseline + start.least);
  double squares = 0, count = 0;
  const double unit =
      curve.y[points.front()] / (best.model_values.front() + best.residuals.front());
  for (std::size_t k = 0; k < points.size(); ++k) {
    const double y = curve.y[points[k]];
    const bool inside = drop ? y > middle : y < middle;
    if (!inside) continue;
    squares += std::pow(best.residuals[k] * unit, 2);
    count += 1;
  }
  const double misfit = std::sqrt(squares / count) / std::abs(start.baseline - start.least);
  if (count > 0 && misfit > largest_misfit) {
    reject(
        result,
        fmt::format("the fit misses the {} by {:.0f} % of their depth, rms: resonances are split, "
                    "not alike, or not equally spaced (dispersion over a wide sweep); narrow "
                    "--range to one of them",
                    drop ? "peaks" : "dips", 100 * misfit));
  }
}

}  // namespace

double amplitude_product(double width, double fsr) {
  const double s = std::sin(pi * width / (2 * fsr));
  // 1 / s^2 = 4 p / (1 - p)^2
  const double q = s * s;
  return 1 + 2 * q - 2 * std::sqrt(q * q + q);
}

CalibrationResult calibrate_resonator(const ResonatorData& data, std::size_t holdout_blocks) {
  const CurveData& curve = data.curve;
  const std::vector<std::size_t> points =
      all_points("ring", curve, 8, "a resonance with a check needs 8");
  const double y_scale = largest_magnitude(curve.y);
  const bool drop = data.drop_port;
  if (drop && (data.coupling != Coupling::unknown || data.equal_couplers)) {
    throw ConfigError(
        "ring: a coupling is given for a drop port (its peak knows the product of loss and "
        "couplings only). Leave --coupling and --equal-couplers out, or give the through port.");
  }
  if (data.equal_couplers && data.coupling != Coupling::unknown) {
    throw ConfigError(
        "ring: --coupling beside --equal-couplers (a through port of two equal couplers is always "
        "under-coupled). Leave one out.");
  }
  CalibrationResult result;
  result.kind = "ring";
  result.method = weighting_of(curve);
  const double shape = peak_over_dip(curve);
  if (drop ? shape < 1 / 3.0 : shape > 3) {
    not_identifiable(result, drop ? "no peak: the transmission has a dip; leave --port drop out"
                                  : "no resonance: the transmission has a peak and no dip; a drop "
                                    "port is fitted with --port drop");
    return result;
  }
  Start start = look(curve, drop);
  if (!start.found || !(start.baseline > 0)) {
    not_identifiable(result, fmt::format("no resonance: the transmission has no {}; sweep over one",
                                         drop ? "peak" : "dip"));
    return result;
  }
  const bool several = start.resonances > 1;
  const bool airy = several || data.fsr_hz.has_value();
  if (data.fsr_hz) start.fsr = *data.fsr_hz;
  if (airy && !(start.fsr > start.width)) {
    throw DataError(fmt::format(
        "ring: a free spectral range of {:.4g} Hz for a resonance {:.4g} Hz wide (it is wider than "
        "its distance to the next). Correct --fsr, or narrow --range to one resonance.",
        start.fsr, start.width));
  }
  result.model =
      drop
          ? (airy
                 ? "T = A (1 + m X) / (1 + X), X = sin^2(pi (f - f0) / FSR) / sin^2(pi w / (2 FSR))"
                 : "T = A (1 + m X) / (1 + X), X = [2 (f - f0) / w]^2")
      : airy ? "T = B (M + X) / (1 + X), X = sin^2(pi (f - f0) / FSR) / sin^2(pi w / (2 FSR))"
             : "T = B (M + X) / (1 + X), X = [2 (f - f0) / w]^2";
  const bool fsr_fixed = !several || data.fsr_hz.has_value();
  Form form{drop, airy, fsr_fixed};
  // Resonances so far from even spacing that a fit without dispersion finds other ones.
  constexpr double far = 0.3;  // of a width
  const bool may_disperse = start.resonances >= least_dispersive && !fsr_fixed;
  form.dispersion =
      may_disperse &&
      0.5 * std::abs(start.fsr_slope) * start.reach * start.reach * start.fsr > far * start.width;
  FitProblem problem = problem_of(curve, points, y_scale, start, form);
  Fit best = fit(problem);
  if (may_disperse && !form.dispersion && best.status == FitStatus::converged) {
    Form with = form;
    with.dispersion = true;
    Start near = start;
    near.fsr_slope = 0;
    const FitProblem dispersive = problem_of(curve, points, y_scale, near, with);
    if (compare_richer(best, dispersive).significant) {
      form = with;
      problem = dispersive;
      best = fit(problem);
    }
  }
  if (best.values[0] < 0) {
    best.values[0] = -best.values[0];
    best.covariance.row(0) *= -1;
    best.covariance.col(0) *= -1;
  }
  Fit named = in_units(best, {start.width, start.width, 1, y_scale, start.width, 1});
  named.values[1] += start.frequency;
  const std::size_t kept = !airy ? 4 : form.dispersion ? 6 : 5;
  named.parameters.resize(kept);
  named.values.resize(kept);
  named.covariance =
      named.covariance
          .topLeftCorner(static_cast<Eigen::Index>(kept), static_cast<Eigen::Index>(kept))
          .eval();
  adopt(result, named,
        {"full width at half depth",
         start.resonances >= least_dispersive ? "of the resonance in the middle of the sweep"
         : drop                               ? "of the highest resonance"
                                              : "of the deepest resonance",
         drop ? "far from the resonance, over the peak" : "least over baseline",
         drop ? "at the resonance" : "far from the resonance",
         fsr_fixed         ? "free spectral range, given"
         : form.dispersion ? "free spectral range, at that resonance"
                           : "free spectral range",
         "relative change of the FSR from one resonance to the next higher one"});
  if (form.dispersion) {
    result.model += ", FSR(f) = FSR (1 + slope (f - f0) / FSR)";
    result.warnings.push_back(
        "the resonances are not equally spaced: an FSR linear in the frequency is fitted "
        "(dispersion); it is given at the resonance in the middle");
  }
  if (best.status != FitStatus::converged) return result;
  const double width = named.values[0], frequency = named.values[1];
  std::vector<double> sorted = curve.x;
  std::sort(sorted.begin(), sorted.end());
  const double step = (sorted.back() - sorted.front()) / static_cast<double>(sorted.size() - 1);
  const Estimate least = result.parameters[2];
  if (!(result.parameters[0].combined() < 0.3 * width) ||
      !(result.parameters[3].combined() < 0.3 * named.values[3]) ||
      !(1 - least.value > 4 * least.combined())) {
    not_identifiable(
        result,
        fmt::format(
            "cannot separate linewidth, depth and baseline: the sweep covers {:.2g} widths "
            "and leaves the width to +- {:.2g} of {:.3g} Hz; sweep over a few widths on both "
            "sides of a dip that stands out of the noise",
            (sorted.back() - sorted.front()) / width, result.parameters[0].combined(), width));
    return result;
  }
  if (width < 2 * step) {
    result.warnings.push_back(fmt::format(
        "the resonance is {:.2g} steps of the sweep wide: its depth is not resolved; sweep finer",
        width / step));
  }
  judge_dips(result, curve, points, best, start, drop);
  if (result.verdict == Verdict::accepted) {
    Form richer = form;
    richer.richer = true;
    Start solved = start;
    solved.fsr_slope = best.values[5];
    judge_richer(
        result, compare_richer(best, problem_of(curve, points, y_scale, solved, richer)),
        "the resonance is asymmetric or its baseline tilted: normalise by a reference sweep, "
        "or narrow --range");
  }
  if (result.verdict == Verdict::accepted) {
    // Ripples of a cavity in the set-up are everywhere: only those as deep as a dip reject.
    judge_structure(result, curve, points, best, y_scale, largest_ripple);
  }
  add_hold_out(result, problem, holdout_blocks, y_scale);
  check_bound(result, least, 0, false, "a transmission is not negative: the dark level is wrong");
  append_derived(result, "q", "1", "loaded quality factor",
                 [](const std::vector<double>& p) { return p[1] / p[0]; });
  if (airy) {
    append_derived(result, "finesse", "1", "FSR over linewidth",
                   [](const std::vector<double>& p) { return p[4] / p[0]; });
  } else {
    result.identifiability +=
        " One resonance has no free spectral range: no finesse, round-trip amplitude or coupling "
        "(--fsr).";
  }
  const bool critical = !(least.value > 3 * least.combined());
  if (drop) {
    if (airy) {
      append_derived(result, "amplitude_product", "1", "round-trip amplitude and self-couplings",
                     [](const std::vector<double>& p) { return amplitude_product(p[0], p[4]); });
    }
    result.identifiability +=
        " The drop port knows the product of round-trip amplitude and self-couplings only: no "
        "loss, "
        "no coupling, no device parameter. The through port does (--equal-couplers).";
  } else if (critical) {
    result.warnings.push_back(
        "the dip goes to darkness within three standard uncertainties: critical coupling, both "
        "couplings equal within them; they are not given");
  } else {
    if (data.coupling == Coupling::unknown && !data.equal_couplers) {
      result.identifiability +=
          " Round-trip amplitude and self-coupling enter alike: which of the two values is which "
          "needs the phase, or another gap (--coupling under or over). No device parameter.";
    }
    const bool over = data.coupling == Coupling::over;
    const bool equal = data.equal_couplers;
    const bool told = equal || data.coupling != Coupling::unknown;
    if (airy) {
      const auto amplitude = [equal](const std::vector<double>& p, bool larger) {
        const double product = amplitude_product(p[0], p[4]);
        const double difference = std::sqrt(std::max(p[2], 0.0)) * (1 - product);
        const double big = 0.5 * (difference + std::sqrt(difference * difference + 4 * product));
        if (equal) return larger ? product / (big * big) : big;  // a, r
        return larger ? big : product / big;
      };
      append_derived(
          result, told ? "round_trip_amplitude" : "larger", "1",
          told ? "a of the ring" : "of round-trip amplitude and self-coupling",
          [=](const std::vector<double>& p) { return amplitude(p, told ? over || equal : true); });
      append_derived(
          result, told ? "self_coupling" : "smaller", "1",
          told ? (equal ? "r of either coupler" : "r of the coupler")
               : "of round-trip amplitude and self-coupling",
          [=](const std::vector<double>& p) { return amplitude(p, told && !over && !equal); });
    }
    const auto q_of = [equal](const std::vector<double>& p, double sign) {
      // Rates: intrinsic sqrt(M) of the whole, the rest in two equal parts.
      const double root = std::sqrt(std::max(p[2], 0.0));
      if (equal) return sign > 0 ? p[1] / (p[0] * root) : 2 * p[1] / (p[0] * (1 - root));
      return 2 * p[1] / (p[0] * (1 + sign * std::sqrt(std::max(p[2], 0.0))));
    };
    // Intrinsic loss is the lesser of the two rates where the ring is over-coupled.
    append_derived(result, told ? "intrinsic_q" : "higher_q", "1",
                   told ? "of the ring without coupler" : "of intrinsic and coupling Q",
                   [=](const std::vector<double>& p) { return q_of(p, told && !over ? 1 : -1); });
    append_derived(result, told ? "coupling_q" : "lower_q", "1",
                   told ? "of the coupler alone" : "of intrinsic and coupling Q",
                   [=](const std::vector<double>& p) { return q_of(p, told && !over ? -1 : 1); });
    if (told && ((airy && data.circumference_cm) || data.group_index)) {
      const std::size_t at = result.parameters.size() - 2;
      const auto loss = [=, &data](const std::vector<double>& p) {
        if (airy && data.circumference_cm) {
          const double product = amplitude_product(p[0], p[4]);
          const double difference = std::sqrt(std::max(p[2], 0.0)) * (1 - product);
          const double big = 0.5 * (difference + std::sqrt(difference * difference + 4 * product));
          if (equal) return -20 * std::log10(product / (big * big)) / *data.circumference_cm;
          return -20 * std::log10(over ? big : product / big) / *data.circumference_cm;
        }
        const double per_m = 2 * pi * *data.group_index * p[1] /
                             (photonics::constants::speed_of_light_m_per_s * p[at]);
        return per_m * 10 / std::log(10) / 100;
      };
      append_derived(result, "propagation_loss", "dB/cm", "of the ring's waveguide", loss);
      if (data.path_length_cm) {
        result.device.push_back(
            {"link.propagation_loss", "dB", "propagation_loss", *data.path_length_cm});
      }
    }
  }
  const double wavelength = photonics::constants::speed_of_light_m_per_s / frequency;
  result.figures.push_back(
      derived(result, "wavelength", "nm", "of the resonance", [](const std::vector<double>& p) {
        return photonics::constants::speed_of_light_m_per_s / p[1] * 1e9;
      }));
  result.figures.push_back(derived(result, "linewidth_pm", "pm", "the same width in wavelength",
                                   [](const std::vector<double>& p) {
                                     return photonics::constants::speed_of_light_m_per_s /
                                            (p[1] * p[1]) * p[0] * 1e12;
                                   }));
  if (airy) {
    result.figures.push_back(derived(
        result, "fsr_nm", "nm", "the same range in wavelength", [](const std::vector<double>& p) {
          return photonics::constants::speed_of_light_m_per_s / (p[1] * p[1]) * p[4] * 1e9;
        }));
    if (data.circumference_cm) {
      const double length = *data.circumference_cm;
      result.figures.push_back(derived(result, "group_index", "1", "c / (FSR circumference)",
                                       [length](const std::vector<double>& p) {
                                         return photonics::constants::speed_of_light_m_per_s /
                                                (p[4] * length * 1e-2);
                                       }));
    }
  }
  result.settings["resonance"] = fmt::format("{:.8g} nm", wavelength * 1e9);
  const std::vector<double> p = named.values;
  const double fsr = airy ? named.values[4] : 0, slope = form.dispersion ? named.values[5] : 0;
  describe_curve(
      result, curve, points, best, y_scale,
      [=](double f) {
        double x = 2 * (f - p[1]) / p[0];
        if (airy) {
          const double turns = (f - p[1]) / fsr;
          x = std::sin(pi * turns * (1 - 0.5 * slope * turns)) / std::sin(pi * p[0] / (2 * fsr));
        }
        return p[3] * (drop ? 1 + p[2] * x * x : p[2] + x * x) / (1 + x * x);
      },
      "Transmission of the ring");
  // Frequencies from the resonance on: scipy's differences need numbers of one size.
  CurveData shifted = curve;
  for (double& x : shifted.x) x -= start.frequency;
  std::vector<std::string> names{"linewidth", "offset",
                                 drop ? "background" : "minimum_transmission",
                                 drop ? "peak" : "baseline"};
  std::vector<double> first{p[0], p[1] - start.frequency, p[2], p[3]};
  std::string detuning = "(2 * (x - offset) / linewidth)**2";
  if (airy) {
    std::string range = "fsr";
    if (fsr_fixed) {
      range = fmt::format("{:.17g}", fsr);
    } else {
      names.emplace_back("fsr");
      first.push_back(fsr);
    }
    std::string bend;
    if (form.dispersion) {
      names.emplace_back("fsr_slope");
      first.push_back(slope);
      bend = fmt::format(" * (1 - fsr_slope * (x - offset) / (2 * {}))", range);
    }
    detuning = fmt::format(
        "(np.sin(np.pi * (x - offset) / {0}{1}) / np.sin(np.pi * linewidth / (2 * {0})))**2", range,
        bend);
  }
  result.python = scipy_check(
      result, shifted, points, best, y_scale, names, first,
      drop ? fmt::format("peak * (1 + background * {0}) / (1 + {0})", detuning)
           : fmt::format("baseline * (minimum_transmission + {0}) / (1 + {0})", detuning));
  return result;
}

}  // namespace attojoule::calibration
