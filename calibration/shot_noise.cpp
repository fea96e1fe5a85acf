#include "calibration/shot_noise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "calibration/curve.hpp"
#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using photonics::constants::boltzmann_j_per_k;
using photonics::constants::elementary_charge_c;

std::string per(const std::string& unit, const std::string& other, int power) {
  if (other == "1" || other.empty()) return unit;
  return fmt::format("{}/{}{}", unit,
                     other.find_first_of("/ *") == std::string::npos ? other : "(" + other + ")",
                     power > 1 ? fmt::format("^{}", power) : "");
}

struct Scale {
  double light = 1, noise = 1;  // the fit works with numbers of order one
};

FitProblem problem_of(const ShotNoiseData& data, const std::vector<std::size_t>& points,
                      const Scale& scale, bool known, bool cubic) {
  FitProblem problem;
  std::vector<double> x;
  for (const std::size_t i : points) {
    x.push_back(data.light[i] / scale.light);
    problem.y.push_back(data.noise[i] / scale.noise);
  }
  const double least = *std::min_element(problem.y.begin(), problem.y.end());
  const double most = *std::max_element(problem.y.begin(), problem.y.end());
  const std::string unit = data.noise_unit;
  problem.parameters = {
      {.name = "a",
       .start = std::max(least, 1e-3 * most),
       .unit = unit,
       .lower = 0,
       .bound_reason = "a variance is not negative"},
      {.name = "b",
       .start = std::max(most - least, 1e-3 * most),
       .unit = per(unit, data.light_unit, 1),
       .lower = 0,
       .bound_reason = "shot noise grows with the light"},
      {.name = "c",
       .start = 0,
       .unit = per(unit, data.light_unit, 2),
       .lower = 0,
       .bound_reason = "intensity noise grows with the light; a bend downwards is saturation"}};
  if (cubic) problem.parameters.push_back({.name = "d", .start = 0});
  problem.model = Model(x.size(), [x, cubic]<class T>(const T* p, std::size_t i) -> T {
    const T light(x[i]);
    T curve = p[2];
    if (cubic) curve = curve + p[3] * light;
    return p[0] + light * (p[1] + light * curve);
  });
  problem.convention = known ? SigmaConvention::known : SigmaConvention::scale;
  return problem;
}

Fit fit_law(const ShotNoiseData& data, const std::vector<std::size_t>& points, const Scale& scale,
            bool known, bool cubic = false, FitProblem* problem_out = nullptr) {
  FitProblem problem = problem_of(data, points, scale, known, cubic);
  const double u_x = data.light_uncertainty / scale.light;
  // Slopes for the uncertain abscissa come from the fit before; two rounds settle them.
  std::vector<double> slope(points.size(), 0.0);
  Fit best;
  for (int round = 0; round < (u_x > 0 ? 6 : 1); ++round) {
    problem.sigma_of_model = [&data, &points, &scale, slope, u_x](double model, std::size_t i) {
      const std::size_t at = points[i];
      double own = model;
      if (!data.sigma.empty()) {
        own = data.sigma[at] / scale.noise;
      } else if (!data.nu.empty()) {
        own = model * std::sqrt(2 / data.nu[at]);
      }
      return std::hypot(own, slope[i] * u_x);
    };
    best = fit(problem);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double x = data.light[points[i]] / scale.light;
      slope[i] = best.values[1] + 2 * best.values[2] * x;
    }
  }
  if (problem_out != nullptr) *problem_out = problem;
  return best;
}

// Of the straight line through all points: t of its slope. Strongly negative: the light and the
// noise do not belong together. Gives it.
double refuse_falling_noise(const ShotNoiseData& data) {
  const auto n = static_cast<double>(data.light.size());
  double mx = 0, my = 0, xx = 0, xy = 0;
  for (std::size_t i = 0; i < data.light.size(); ++i) {
    mx += data.light[i] / n;
    my += data.noise[i] / n;
  }
  for (std::size_t i = 0; i < data.light.size(); ++i) {
    xx += (data.light[i] - mx) * (data.light[i] - mx);
    xy += (data.light[i] - mx) * (data.noise[i] - my);
  }
  if (!(xx > 0)) return 0;
  const double slope = xy / xx;
  double squares = 0, own = 0;
  for (std::size_t i = 0; i < data.light.size(); ++i) {
    const double off = data.noise[i] - my - slope * (data.light[i] - mx);
    squares += off * off;
    double sigma = 0;
    if (!data.sigma.empty()) {
      sigma = data.sigma[i];
    } else if (!data.nu.empty()) {
      sigma = data.noise[i] * std::sqrt(2 / data.nu[i]);
    }
    own += std::pow(sigma * (data.light[i] - mx), 2);
  }
  const double u = own > 0 ? std::sqrt(own) / xx : std::sqrt(squares / std::max(n - 2, 1.0) / xx);
  const double t = slope / u;
  // Without a known scatter a bend would hide in it: a noise that falls at every step is enough.
  std::vector<std::size_t> order(data.light.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return data.light[a] < data.light[b]; });
  const bool always = order.size() >= 4 &&
                      std::is_sorted(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
                        return data.noise[a] > data.noise[b];
                      });
  if (t < -4 || (always && t < 0)) {
    const auto named = [&](std::size_t i) {
      // "file: Trace A" of a spectrum, "file:12" of a row.
      const std::string place = i < data.places.size() ? data.places[i] : "";
      const auto colon = place.rfind(": ");
      return colon == std::string::npos ? place : place.substr(colon + 2);
    };
    throw DataError(fmt::format(
        "shot-noise: {} falls with {} (t = {:.0f}): are {} {} and {} swapped? (Shot noise grows "
        "with light; it falls where the detector saturates.) Correct the light levels.",
        data.noise_name == "V" || data.noise_name == "S_V" ? "variance" : data.noise_name,
        data.light_name == "P" || data.light_name == "level" ? "power" : data.light_name, t,
        data.places.empty() || data.places[0].find(": ") == std::string::npos ? "rows" : "traces",
        named(order.back()), named(order.front())));
  }
  return t;
}

}  // namespace

CalibrationResult calibrate_shot_noise(const ShotNoiseData& data, const ShotNoiseOptions& options) {
  const std::size_t n = data.light.size();
  if (n < 3) {
    throw DataError(fmt::format(
        "shot-noise: {} points (three terms need three light levels, and more to be checked). "
        "Measure more levels, one of them dark.",
        n));
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(data.light[i]) || !std::isfinite(data.noise[i]) || !(data.noise[i] > 0)) {
      throw DataError(fmt::format(
          "{}: {} = {:g}, {} = {:g} (noise is a positive variance or power). Remove the row.",
          i < data.places.size() ? data.places[i] : fmt::format("shot-noise: point {}", i + 1),
          data.light_name, data.light[i], data.noise_name, data.noise[i]));
    }
    if (!data.nu.empty() && !(data.nu[i] >= 1)) {
      throw DataError(fmt::format(
          "{}: {:g} degrees of freedom (a variance needs at least one). Correct the row.",
          i < data.places.size() ? data.places[i] : fmt::format("shot-noise: point {}", i + 1),
          data.nu[i]));
    }
  }
  const double slope_t = refuse_falling_noise(data);

  const bool known =
      (!data.nu.empty() || !data.sigma.empty()) && options.convention == SigmaConvention::known;
  Scale scale{0, 0};
  for (const double x : data.light) scale.light = std::max(scale.light, std::abs(x));
  for (const double y : data.noise) scale.noise = std::max(scale.noise, y);
  if (!(scale.light > 0)) scale.light = 1;

  // By rising light; the first `kept` are used.
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return data.light[a] < data.light[b]; });
  CalibrationResult result;
  result.kind = "shot-noise";
  result.model =
      fmt::format("{} = a + b {} + c {}^2", data.noise_name, data.light_name, data.light_name);
  result.method = std::string("reweighted least squares, ") +
                  (!data.sigma.empty() ? "standard deviations of the file"
                   : !data.nu.empty()  ? "sigma = V sqrt(2/nu) of the model"
                                       : "sigma proportional to V of the model");
  // Saturated points pull the curvature down, or, where there are few, drag the whole law to them.
  const auto misses = [known](const Fit& f) {
    return known && f.chi2_probability() < rejection_probability;
  };
  const auto significantly_bent = [&misses](const Fit& f) {
    return f.status == FitStatus::converged && std::isfinite(f.standard_error(2)) &&
           (f.values[2] < -3 * f.standard_error(2) ||
            (misses(f) && f.values[2] < 0 && f.standardised.back() < 0));
  };
  std::vector<std::size_t> points = order;
  FitProblem problem;
  Fit best = fit_law(data, points, scale, known, false, &problem);
  if (significantly_bent(best)) {
    std::vector<std::size_t> fewer = points;
    Fit trial = best;
    FitProblem trial_problem;
    while (fewer.size() > 5 && trial.status == FitStatus::converged &&
           (trial.values[2] < -2 * trial.standard_error(2) || misses(trial))) {
      fewer.pop_back();
      trial = fit_law(data, fewer, scale, known, false, &trial_problem);
    }
    const bool straight = trial.status == FitStatus::converged &&
                          trial.values[2] >= -2 * trial.standard_error(2) && !misses(trial) &&
                          trial.values[1] > 0;
    if (straight && 2 * fewer.size() >= n) {
      for (std::size_t k = fewer.size(); k < n; ++k) {
        const std::size_t i = order[k];
        const double expected =
            scale.noise * (trial.values[0] +
                           data.light[i] / scale.light *
                               (trial.values[1] + data.light[i] / scale.light * trial.values[2]));
        result.rejected.push_back(
            {i < data.places.size() ? data.places[i] : "",
             fmt::format("saturation: {:.3g} % below the law of the darker points",
                         100 * (1 - data.noise[i] / expected))});
      }
      result.warnings.push_back(fmt::format(
          "the noise bends downwards from {} = {:.4g} {} on: saturation; {} points left out",
          data.light_name, data.light[order[fewer.size()]], data.light_unit, n - fewer.size()));
      points = fewer;
      best = trial;
      problem = trial_problem;
    }
  }
  if (best.status == FitStatus::not_identifiable) {
    std::set<double> levels;
    for (const std::size_t i : points) levels.insert(data.light[i]);
    best.message = fmt::format(
        "cannot separate {}: {} different light levels for three terms; add levels (dark, and well "
        "above the shot-noise crossover)",
        fmt::join(best.entangled, ", "), levels.size());
  }
  adopt(result,
        in_units(best, {scale.noise, scale.noise / scale.light,
                        scale.noise / (scale.light * scale.light)}),
        {"electronics noise", "shot noise per light", "intensity noise per light squared"});
  if (!known) {
    if (data.nu.empty() && data.sigma.empty()) {
      result.warnings.push_back(
          "the degrees of freedom of the noise values are not given: their scatter is that of the "
          "data; pass --samples N, or a column nu, to have the model checked against it");
    }
    // Without a known scatter only a richer model can show that this one is wrong.
    if (best.status == FitStatus::converged && points.size() >= 6) {
      const Fit richer = fit_law(data, points, scale, known, true);
      if (richer.status == FitStatus::converged) {
        const double t = richer.values[3] / richer.standard_error(3);
        if (std::abs(t) > richer.coverage_factor(1 - rejection_probability)) {
          reject(result, fmt::format("a cubic term is significant (t = {:.1f}): three terms do not "
                                     "describe the noise",
                                     t));
        }
      }
    }
  }
  constexpr double least_slope_t = 3;
  if (best.status == FitStatus::converged && slope_t < least_slope_t &&
      result.verdict == Verdict::accepted) {
    not_identifiable(result,
                     fmt::format("cannot separate shot noise from the electronics: the noise does "
                                 "not grow with the light (t = {:.1f}); use more light, or average "
                                 "more",
                                 slope_t));
  }
  if (points.size() < 5 && best.status == FitStatus::converged) {
    result.warnings.push_back(fmt::format(
        "{} points for three terms: {}", points.size(),
        points.size() == 3 ? "nothing is left to check the model or to tell an uncertainty"
                           : "the check of the model is weak; measure more light levels"));
  }
  if (options.holdout_blocks > 0 && best.status == FitStatus::converged) {
    // In the order measured, not by light: drift goes with time.
    std::vector<std::size_t> measured(points.size());
    std::iota(measured.begin(), measured.end(), std::size_t{0});
    std::sort(measured.begin(), measured.end(),
              [&](std::size_t a, std::size_t b) { return points[a] < points[b]; });
    result.hold_out = hold_out_blocks(select_points(problem, measured), options.holdout_blocks);
    result.hold_out->rms *= scale.noise;
  }
  const double a = result.parameters[0].value, b = result.parameters[1].value,
               c = result.parameters[2].value;
  if (data.light_scale_uncertainty > 0) {
    const double u = data.light_scale_uncertainty;
    add_type_b(result, {0, -b * u, -2 * c * u}, fmt::format("scale of the light {:g} %", 100 * u));
  }
  if (data.noise_scale_uncertainty > 0) {
    const double u = data.noise_scale_uncertainty;
    add_type_b(result, {a * u, b * u, c * u}, fmt::format("scale of the noise {:g} %", 100 * u));
  }
  const bool usable = best.status == FitStatus::converged;
  if (usable && b > 0) {
    result.figures.push_back(derived(result, "P_eq", data.light_unit,
                                     "light whose shot noise equals the electronics",
                                     [](const std::vector<double>& p) { return p[0] / p[1]; }));
    result.figures.push_back(derived(result, "shot_share", "1",
                                     "share of shot noise at the largest light used",
                                     [x = data.light[points.back()]](const std::vector<double>& p) {
                                       return p[1] * x / (p[0] + p[1] * x + p[2] * x * x);
                                     }));
    if (c > 0) {
      result.figures.push_back(derived(result, "P_rin", data.light_unit,
                                       "light whose intensity noise equals the shot noise",
                                       [](const std::vector<double>& p) { return p[1] / p[2]; }));
    }
    if (data.current_per_light && a > 0) {
      const double g = *data.current_per_light;
      const auto i_n = [g](const std::vector<double>& p) {
        return std::sqrt(2 * elementary_charge_c * g * p[0] / p[1]);
      };
      Estimate noise = derived(result, "i_n", "A/sqrt(Hz)", "input-referred current noise", i_n);
      if (data.feedback_resistance_ohm) {
        const double limit =
            std::sqrt(4 * boltzmann_j_per_k * data.temperature_k / *data.feedback_resistance_ohm);
        if (noise.value < limit) {
          throw DataError(fmt::format(
              "input noise {:.2f} pA/sqrt(Hz) is below the Johnson limit {:.2f} of {:g} kOhm (a "
              "resistor makes at least that): DC transresistance or gain is wrong. Check them, or "
              "measure the DC responsivity.",
              noise.value * 1e12, limit * 1e12, *data.feedback_resistance_ohm / 1e3));
        }
      }
      result.figures.push_back(
          derived(result, "RIN", "1/Hz",
                  "relative intensity noise, if the receiver does not reject any of it",
                  [g](const std::vector<double>& p) {
                    return 2 * elementary_charge_c * p[2] / (p[1] * g);
                  }));
      append_derived(result, noise.name, noise.unit, noise.meaning, i_n);
      if (data.feedback_resistance_ohm) {
        // The simulator adds the resistor's noise itself.
        const double johnson2 =
            4 * boltzmann_j_per_k * data.temperature_k / *data.feedback_resistance_ohm;
        append_derived(result, "i_amplifier", "A/sqrt(Hz)",
                       "input-referred current noise without the feedback resistor's",
                       [i_n, johnson2](const std::vector<double>& p) {
                         return std::sqrt(std::max(std::pow(i_n(p), 2) - johnson2, 0.0));
                       });
        result.device.push_back(
            {"receiver.amplifier_current_noise", "A/sqrt(Hz)", "i_amplifier", 1});
      } else {
        result.warnings.emplace_back(
            "i_n holds the Johnson noise of the feedback resistor, which the simulator adds by "
            "itself: pass --feedback-resistance to get receiver.amplifier_current_noise");
      }
    } else if (!data.current_per_light) {
      result.identifiability +=
          " b alone cannot tell responsivity, transresistance and bandwidth apart; i_n needs the "
          "photocurrent (--responsivity, --transresistance, or an abscissa in amperes).";
    }
  }
  // Residuals and plots.
  PlotSeries measured{"measured", {}, {}, {}, PlotSeries::Kind::points};
  PlotSeries out{"left out", {}, {}, {}, PlotSeries::Kind::crosses};
  PlotSeries line{"fit", {}, {}, {}, PlotSeries::Kind::line};
  PlotSeries off{"residual", {}, {}, {}, PlotSeries::Kind::points};
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t i = order[k];
    const double x = data.light[i];
    ResidualRow row;
    row.place = i < data.places.size() ? data.places[i] : "";
    row.x = x;
    row.y = data.noise[i];
    row.model = a + x * (b + x * c);
    row.used = k < points.size();
    if (row.used) {
      row.sigma = best.sigma[k] * scale.noise;
      row.standardised = best.standardised[k];
      row.leverage = best.leverage[k];
      measured.x.push_back(x);
      measured.y.push_back(row.y);
      measured.error.push_back(known ? row.sigma : 0);
      off.x.push_back(x);
      off.y.push_back(row.standardised);
    } else {
      out.x.push_back(x);
      out.y.push_back(row.y);
    }
    result.residuals.push_back(row);
  }
  const double from = data.light[order.front()], to = data.light[order.back()];
  for (int k = 0; k <= 200; ++k) {
    const double x = from + (to - from) * k / 200;
    line.x.push_back(x);
    line.y.push_back(a + x * (b + x * c));
  }
  const std::string x_label = fmt::format("{} [{}]", data.light_name, data.light_unit);
  Plot main{"Noise against light",
            x_label,
            fmt::format("{} [{}]", data.noise_name, data.noise_unit),
            false,
            false,
            {measured, line}};
  if (!out.x.empty()) main.series.push_back(out);
  result.plots.push_back(main);
  result.plots.push_back({"Residuals", x_label, "standardised residual", false, false, {off}});
  std::vector<double> sigma;
  for (const ResidualRow& row : result.residuals) {
    if (row.used) sigma.push_back(row.sigma);
  }
  result.python = fmt::format(
      "import numpy as np\nfrom scipy.optimize import curve_fit\n{}# sigma: of the last "
      "reweighting\np, cov = curve_fit(lambda x, a, b, c: a + b * x + c * x**2, x, y, p0=[{}, {}, "
      "{}], sigma=sigma, absolute_sigma={})\nfor n, v, s in zip('abc', p, np.sqrt(np.diag(cov))):\n"
      "    print(n, repr(float(v)), repr(float(s)))\n",
      python_arrays(result, {{"x", measured.x}, {"y", measured.y}, {"sigma", sigma}}), a, b, c,
      known ? "True" : "False");
  return result;
}

}  // namespace attojoule::calibration
