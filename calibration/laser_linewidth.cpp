#include "calibration/laser_linewidth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

constexpr double pi = std::numbers::pi;

// Re w(x + i y), y > 0, w the Faddeeva function, by Weideman's rational expansion of 32 terms
// (relative error below 1e-9 for y >= 1e-3). For doubles and for numbers with derivatives.
class Faddeeva {
 public:
  static constexpr int terms = 32;
  Faddeeva() : scale_(std::sqrt(terms / std::sqrt(2.0))) {
    constexpr int half = 2 * terms, all = 2 * half;
    for (int n = 1; n <= terms; ++n) {
      double sum = 0;
      for (int k = -half + 1; k < half; ++k) {
        const double t = scale_ * std::tan(0.5 * k * pi / half);
        sum += std::exp(-t * t) * (scale_ * scale_ + t * t) * std::cos(pi * n * k / half);
      }
      a_[static_cast<std::size_t>(n - 1)] = sum / all;
    }
  }
  template <class T>
  T real(const T& x, const T& y) const {
    // With i z = -y + i x: Z = (L + i z) / (L - i z).
    const T nr = T(scale_) - y, ni = x, dr = T(scale_) + y, di = -x;
    const T norm = dr * dr + di * di;
    const T zr = (nr * dr + ni * di) / norm, zi = (ni * dr - nr * di) / norm;
    T pr(0), pi_(0);
    for (int n = terms; n >= 1; --n) {
      const T next = pr * zr - pi_ * zi + T(a_[static_cast<std::size_t>(n - 1)]);
      pi_ = pr * zi + pi_ * zr;
      pr = next;
    }
    // 2 p / (L - i z)^2 + 1 / (sqrt(pi) (L - i z))
    const T sr = dr * dr - di * di, si = T(2) * dr * di, s2 = norm * norm;
    return T(2) * (pr * sr + pi_ * si) / s2 + T(1 / std::sqrt(pi)) * dr / norm;
  }

 private:
  double scale_;
  std::array<double, terms> a_{};
};

const Faddeeva& faddeeva() {
  static const Faddeeva function;
  return function;
}

struct Start {
  double centre = 0, width = 1, top = 1, floor = 0;
};

Start look(const CurveData& curve, double leave_out) {
  Start start;
  const std::size_t n = curve.x.size();
  std::vector<double> sorted = curve.y;
  std::sort(sorted.begin(), sorted.end());
  start.floor = sorted[n / 20];
  const auto peak =
      static_cast<std::size_t>(std::max_element(curve.y.begin(), curve.y.end()) - curve.y.begin());
  start.centre = curve.x[peak];
  start.top = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (std::abs(curve.x[i] - start.centre) > leave_out)
      start.top = std::max(start.top, curve.y[i]);
  }
  if (leave_out == 0) start.top = curve.y[peak];
  const double half = start.floor + 0.5 * (start.top - start.floor);
  std::vector<double> x = curve.x;
  std::sort(x.begin(), x.end());
  const double step = (x.back() - x.front()) / static_cast<double>(n - 1);
  double above = 0, sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (curve.y[i] > half) {
      above += 1;
      sum += curve.x[i];
    }
  }
  if (leave_out == 0 && above > 0) start.centre = sum / above;
  start.width = std::max(above * step, step);
  return start;
}

// Frequencies x in units of start.width from start.centre; p: full width of the beat, centre,
// amplitude, floor, Gaussian sigma; a check at the end.
FitProblem problem_of(const CurveData& curve, const std::vector<std::size_t>& points,
                      double y_scale, const Start& start, const LinewidthData& data, double width,
                      bool richer) {
  FitProblem problem = curve_problem(curve, points, y_scale);
  std::vector<double> x;
  for (const std::size_t i : points) x.push_back((curve.x[i] - start.centre) / start.width);
  const LineModel model = data.model;
  const double top = (start.top - start.floor) / y_scale;
  problem.parameters = {{.name = "linewidth", .start = width, .unit = "Hz"},
                        {.name = "centre", .start = 0, .unit = "Hz"},
                        {.name = "amplitude", .start = top, .unit = curve.y_unit},
                        {.name = "floor", .start = start.floor / y_scale, .unit = curve.y_unit}};
  double tau = 0, carrier = 0;
  if (model == LineModel::short_delay) {
    tau = *data.delay_s * start.width;
    if (data.carrier_power) {
      carrier = *data.carrier_power / (y_scale * start.width);
      problem.parameters[2].fixed = true;
    } else {
      // A D^2 falls off as 1 / x^2: the level seen sets the product.
      problem.parameters[2].start = top / std::max(1e-3, 1 - std::exp(-2 * pi * tau * width / 2));
    }
  }
  if (model == LineModel::voigt) {
    problem.parameters.push_back({.name = "gaussian_width", .start = 0.4, .unit = "Hz"});
  }
  if (richer) problem.parameters.push_back({.name = "check", .start = 0});
  const std::size_t check = problem.parameters.size() - 1;
  problem.model = Model(x.size(), [=]<class T>(const T* p, std::size_t i) -> T {
    using std::cos;
    using std::exp;
    using std::log;
    using std::pow;
    using std::sin;
    const T off = T(x[i]) - p[1];
    if (model == LineModel::voigt) {
      T sigma = p[4] > T(0) ? p[4] : T(0) - p[4];
      if (!(sigma > T(1e-6))) sigma = T(1e-6);
      const T root = T(std::sqrt(2.0)) * sigma;
      const T half = (p[0] > T(0) ? p[0] : T(0) - p[0]) * T(0.5);
      T value = p[3] + p[2] * faddeeva().real(T(off / root), T(half / root));
      if (richer) value = value + p[check] * off;
      return value;
    }
    if (model == LineModel::short_delay) {
      const T d = p[0] * T(0.5);  // the laser's full width is half of the beat's
      const T decay = exp(T(T(-2 * pi * tau) * d));
      const T turn = T(2 * pi * tau) * off;
      const T sinc = (off * off > T(1e-24)) ? T(sin(turn) / off) : T(2 * pi * tau);
      T amplitude = p[2];
      if (carrier > 0) amplitude = T(carrier / pi) / (decay * d);
      T value =
          p[3] + amplitude * d * d / (d * d + off * off) * (T(1) - decay * (cos(turn) + d * sinc));
      if (richer) value = value + p[check] * off;
      return value;
    }
    const T detuning = T(2) * off / p[0];
    const T shape = T(1) + detuning * detuning;
    if (richer) return p[3] + p[2] * exp(T(T(-1) * (T(1) + p[check]) * log(shape)));
    return p[3] + p[2] / shape;
  });
  return problem;
}

CalibrationResult frequency_noise(const LinewidthData& data, std::size_t holdout_blocks) {
  CurveData curve = data.curve;
  const std::vector<std::size_t> points =
      all_points("linewidth", curve, 8, "white and flicker noise with a check need 8");
  for (std::size_t i = 0; i < curve.x.size(); ++i) {
    if (!(curve.x[i] > 0) || !(curve.y[i] > 0)) {
      throw DataError(fmt::format("{}: {:g} Hz, {:g} Hz^2/Hz (both are positive). Remove the row.",
                                  curve.place(i), curve.x[i], curve.y[i]));
    }
  }
  CalibrationResult result;
  result.kind = "linewidth";
  result.model = "S = h0 + flicker / f, linewidth = pi h0";
  result.method = weighting_of(curve);
  std::vector<double> sorted = curve.y;
  std::sort(sorted.begin(), sorted.end());
  const double y_scale = sorted[sorted.size() / 10];
  const double f_scale = *std::min_element(curve.x.begin(), curve.x.end());
  const auto problem_for = [&](bool richer) {
    FitProblem problem = curve_problem(curve, points, y_scale);
    std::vector<double> f;
    for (const double x : curve.x) f.push_back(x / f_scale);
    problem.parameters = {{.name = "h0", .start = 1, .unit = "Hz"},
                          {.name = "flicker", .start = problem.y.front(), .unit = "Hz^2"}};
    if (richer) problem.parameters.push_back({.name = "check", .start = 0});
    problem.model = Model(f.size(), [f, richer]<class T>(const T* p, std::size_t i) -> T {
      T value = p[0] + p[1] / T(f[i]);
      if (richer) value = value + p[2] / T(f[i] * f[i]);
      return value;
    });
    return problem;
  };
  const FitProblem problem = problem_for(false);
  const Fit best = fit(problem);
  adopt(result, in_units(best, {y_scale, y_scale * f_scale}),
        {"white frequency noise", "flicker frequency noise"});
  if (best.status != FitStatus::converged) return result;
  judge_richer(result, compare_richer(best, problem_for(true)),
               "the noise is not white and flicker: narrow --range");
  add_hold_out(result, problem, holdout_blocks, y_scale);
  const Estimate h0 = result.parameters[0];
  check_bound(result, h0, 0, false, "a noise is not negative");
  // Below this share of the white noise it is rounding of exact data.
  if (result.parameters[1].value < -1e-9 * h0.value * f_scale) {
    check_bound(result, result.parameters[1], 0, false,
                "flicker noise is not negative: the noise rises with the frequency");
  }
  if (result.verdict == Verdict::accepted) judge_structure(result, curve, points, best, y_scale, 1);
  append_derived(result, "linewidth", "Hz", "Lorentzian part, pi h0",
                 [](const std::vector<double>& p) { return pi * p[0]; });
  if (h0.value > 3 * h0.combined()) {
    result.device.push_back({"laser.linewidth", "Hz", "linewidth", 1});
  } else {
    not_identifiable(result,
                     fmt::format("cannot separate white from flicker noise: h0 = {:.2g} +- {:.2g} "
                                 "Hz; measure at higher frequencies",
                                 h0.value, h0.combined()));
  }
  // Beta line, on the points themselves.
  std::vector<std::size_t> order = points;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return curve.x[a] < curve.x[b]; });
  double area = 0;
  for (std::size_t k = 0; k + 1 < order.size(); ++k) {
    const double f0 = curve.x[order[k]], f1 = curve.x[order[k + 1]];
    const double s0 = curve.y[order[k]], s1 = curve.y[order[k + 1]];
    const double line = 8 * std::log(2.0) / (pi * pi);
    if (s0 > line * f0 && s1 > line * f1) area += 0.5 * (s0 + s1) * (f1 - f0);
  }
  if (area > 0) {
    result.figures.push_back(
        {"beta_line_width", "Hz", std::sqrt(8 * std::log(2.0) * area), not_known, 0, not_known,
         not_known,
         fmt::format("full width over an observation of {:.3g} s", 1 / curve.x[order.front()])});
  }
  const double h = h0.value, flicker = result.parameters[1].value;
  describe_curve(
      result, curve, points, best, y_scale, [=](double f) { return h + flicker / f; },
      "Frequency noise");
  for (Plot& plot : result.plots) plot.log_x = true;
  result.plots.front().log_y = true;
  // Noise above it widens the line, noise below it does not (Di Domenico 2010).
  PlotSeries separation{"beta line", {}, {}, {}, PlotSeries::Kind::line};
  const auto [lowest, highest] = std::minmax_element(curve.y.begin(), curve.y.end());
  for (const std::size_t i : order) {
    const double level = 8 * std::log(2.0) / (pi * pi) * curve.x[i];
    if (level < *lowest || level > *highest) continue;
    separation.x.push_back(curve.x[i]);
    separation.y.push_back(level);
  }
  if (separation.x.size() > 1) result.plots.front().series.push_back(separation);
  result.python = scipy_check(result, curve, points, best, y_scale, {"h0", "flicker"}, {h, flicker},
                              "h0 + flicker / x");
  return result;
}

}  // namespace

CalibrationResult calibrate_linewidth(const LinewidthData& given, std::size_t holdout_blocks) {
  LinewidthData data = given;
  CurveData& curve = data.curve;
  // Points of a spectrum scatter in proportion to what is shown.
  if (!curve.weighted()) {
    curve.relative = 1;
    curve.scale_sigma = true;
  }
  if (data.model == LineModel::frequency_noise) return frequency_noise(data, holdout_blocks);
  std::vector<std::size_t> points =
      all_points("linewidth", curve, 8, "a line with a check needs 8");
  const bool short_delay = data.model == LineModel::short_delay;
  if (short_delay && !(data.delay_s && *data.delay_s > 0)) {
    throw ConfigError(
        "linewidth: no delay (the short-delay expression needs it). Pass --delay 5us or "
        "--fibre-length 1km.");
  }
  if (short_delay && data.width_factor != 2) {
    throw ConfigError(
        "linewidth: a reference laser beside a delay (a delayed copy beats with itself). Leave one "
        "out.");
  }
  const Start start = look(curve, short_delay ? data.carrier_halfwidth_hz : 0);
  CalibrationResult result;
  result.kind = "linewidth";
  result.model =
      data.model == LineModel::lorentz ? "S = floor + A (w/2)^2 / ((f - f_c)^2 + (w/2)^2)"
      : data.model == LineModel::voigt
          ? "S = floor + A Re w((f - f_c + i w/2) / (sqrt 2 sigma))"
          : "S = floor + A D^2/(D^2 + x^2) {1 - e^(-2 pi tau D) [cos(2 pi x tau) + (D/x) "
            "sin(2 pi x tau)]}";
  result.method = weighting_of(curve);
  if (short_delay && data.carrier_halfwidth_hz > 0) {
    std::vector<std::size_t> kept;
    for (const std::size_t i : points) {
      if (std::abs(curve.x[i] - start.centre) > data.carrier_halfwidth_hz) {
        kept.push_back(i);
      } else {
        result.rejected.push_back({curve.place(i), "carrier"});
      }
    }
    points = kept;
    if (points.size() < 8) {
      throw DataError(
          "linewidth: fewer than 8 points outside the carrier (nothing is left to fit). Narrow "
          "--carrier-halfwidth.");
    }
  }
  const double y_scale = start.top;
  Fit best;
  FitProblem problem;
  for (const double width : {1.0, 0.4, 2.5, 0.1}) {
    const FitProblem trial_problem = problem_of(curve, points, y_scale, start, data, width, false);
    // Where the shape does not tell them apart the search would wander for long: it is given up.
    const Fit trial = fit(trial_problem, {.max_iterations = 100});
    const bool better =
        problem.y.empty() || (trial.status == FitStatus::converged &&
                              (best.status != FitStatus::converged ||
                               trial.chi2 / trial.dof < 0.999 * best.chi2 / best.dof));
    if (better) {
      best = trial;
      problem = trial_problem;
    }
    if (data.model == LineModel::lorentz && best.status == FitStatus::converged) break;
  }
  for (const std::size_t k : {std::size_t{0}, std::size_t{4}}) {  // signs that do not count
    if (k < best.values.size() && best.values[k] < 0) {
      best.values[k] = -best.values[k];
      best.covariance.row(static_cast<Eigen::Index>(k)) *= -1;
      best.covariance.col(static_cast<Eigen::Index>(k)) *= -1;
    }
  }
  std::vector<double> factors{start.width / data.width_factor, start.width, y_scale, y_scale};
  if (data.model == LineModel::voigt) factors.push_back(start.width / data.width_factor);
  Fit named = in_units(best, factors);
  named.values[1] += start.centre;
  adopt(result, named,
        {"full width at half maximum of the laser", "of the beat", "of the line",
         "far from the line", "standard deviation of the slow frequency noise"});
  if (best.status != FitStatus::converged) {
    if (data.model == LineModel::lorentz) {
      result.reasons.push_back(
          "the line may not be Lorentzian (slow frequency noise, --model voigt), or the sweep does "
          "not reach its floor");
    }
    return result;
  }
  const double linewidth = named.values[0];
  if (!(result.parameters[0].combined() < 0.3 * linewidth)) {
    not_identifiable(
        result,
        short_delay
            ? fmt::format("cannot separate linewidth and amplitude: the delay is {:.2g} coherence "
                          "times; use a longer one, or give --carrier-power",
                          *data.delay_s * pi * linewidth)
            : fmt::format("cannot separate {}: the linewidth is known to {:.2g} of {:.3g} Hz; "
                          "measure finer, over more than the line, or with more averages",
                          data.model == LineModel::voigt ? "Lorentzian and Gaussian part"
                                                         : "linewidth, amplitude and floor",
                          result.parameters[0].combined(), linewidth));
    return result;
  }
  if (!short_delay && data.resolution_hz > 0 &&
      linewidth * data.width_factor < 2 * data.resolution_hz) {
    not_identifiable(
        result, fmt::format("cannot separate the line from the analyser's filter: {:.3g} Hz wide "
                            "in a resolution bandwidth of {:.3g} Hz; lower it",
                            linewidth * data.width_factor, data.resolution_hz));
    return result;
  }
  judge_richer(
      result,
      compare_richer(best, problem_of(curve, points, y_scale, start, data, best.values[0], true)),
      data.model == LineModel::lorentz
          ? "the line is not Lorentzian: slow frequency noise (--model voigt), or a delay "
            "below the coherence time (--delay)"
          : "the line is not symmetric: narrow --range");
  if (result.parameters[3].value < -1e-9 * result.parameters[2].value) {
    check_bound(result, result.parameters[3], 0, false,
                "a spectrum's floor is not negative: the line falls faster than the model");
  }
  if (result.verdict == Verdict::accepted) judge_structure(result, curve, points, best, y_scale, 1);
  add_hold_out(result, problem, holdout_blocks, y_scale);
  result.device.push_back({"laser.linewidth", "Hz", "linewidth", 1});
  result.figures.push_back(derived(result, "coherence_time", "s", "1 / (pi linewidth)",
                                   [](const std::vector<double>& p) { return 1 / (pi * p[0]); }));
  // Fitted values in the problem's own numbers, for the curve.
  const std::vector<double> p = best.values;
  const CurveData only = curve;
  describe_curve(
      result, curve, points, best, y_scale,
      [=](double f) {
        CurveData one;
        one.x = {f};
        one.y = {0};
        one.sigma = {1};
        const FitProblem at = problem_of(one, {0}, y_scale, start, data, 1, false);
        return y_scale * at.model.value(p, 0);
      },
      "Beat spectrum");
  result.plots.front().log_y = true;
  CurveData shifted = curve;
  for (double& x : shifted.x) x -= start.centre;
  std::vector<std::string> names{"linewidth", "offset", "amplitude", "floor"};
  std::vector<double> first{linewidth, named.values[1] - start.centre, named.values[2],
                            named.values[3]};
  const std::string half = fmt::format("(linewidth * {:.17g})", data.width_factor / 2);
  std::string formula = fmt::format("floor + amplitude / (1 + ((x - offset) / {})**2)", half);
  if (data.model == LineModel::voigt) {
    names.emplace_back("gaussian_width");
    first.push_back(named.values[4]);
    formula = fmt::format(
        "floor + amplitude * __import__('scipy.special', fromlist=['wofz']).wofz((x - offset + 1j "
        "* "
        "{}) / (2**0.5 * {:.17g} * gaussian_width)).real",
        half, data.width_factor);
  }
  if (short_delay) {
    const std::string tau = fmt::format("{:.17g}", *data.delay_s);
    std::string amplitude = "amplitude";
    if (data.carrier_power) {
      names.erase(names.begin() + 2);
      first.erase(first.begin() + 2);
      amplitude = fmt::format("{:.17g} / np.pi / linewidth * np.exp(2 * np.pi * {} * linewidth)",
                              *data.carrier_power, tau);
    }
    formula = fmt::format(
        "floor + {0} * linewidth**2 / (linewidth**2 + (x - offset)**2) * (1 - np.exp(-2 * np.pi * "
        "{1} * linewidth) * (np.cos(2 * np.pi * (x - offset) * {1}) + linewidth * 2 * np.pi * {1} "
        "* "
        "np.sinc(2 * (x - offset) * {1})))",
        amplitude, tau);
  }
  result.python = scipy_check(result, shifted, points, best, y_scale, names, first, formula);
  return result;
}

}  // namespace attojoule::calibration
