#include "calibration/frequency_response.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 != 0) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// Level of the low pass for any number type of the fit.
template <class T>
T low_pass_level(LowPass model, const T* p, double frequency) {
  using std::log;
  const T scale = T(10 / std::numbers::ln10);
  const auto pole = [&](const T& corner) {
    const T x = T(frequency) / corner;
    return scale * log(T(1) + x * x);
  };
  T level = p[0];
  switch (model) {
    case LowPass::one_pole:
      level = level - pole(p[1]);
      break;
    case LowPass::two_poles:
      level = level - pole(p[1]) - pole(p[2]);
      break;
    case LowPass::complex_pair:
    case LowPass::complex_pair_and_pole: {
      const T x = T(frequency) / p[1];
      const T real = T(1) - x * x;
      const T imaginary = x / p[2];
      level = level - scale * log(real * real + imaginary * imaginary);
      if (model == LowPass::complex_pair_and_pole) level = level - pole(p[3]);
      break;
    }
  }
  return level;
}

}  // namespace

std::string name_of(LowPass model) {
  switch (model) {
    case LowPass::one_pole:
      return "one-pole";
    case LowPass::two_poles:
      return "two-poles";
    case LowPass::complex_pair:
      return "complex-pair";
    case LowPass::complex_pair_and_pole:
      return "complex-pair-and-pole";
  }
  return {};
}

double level_scatter_db(std::span<const double> level_db) {
  // Second differences leave out slopes; their median absolute value is not moved by spurs. For
  // normal scatter s it is 0.6745 sqrt(6) s.
  std::vector<double> second;
  for (std::size_t i = 1; i + 1 < level_db.size(); ++i) {
    second.push_back(std::abs(level_db[i - 1] - 2 * level_db[i] + level_db[i + 1]));
  }
  return second.empty() ? 0 : median(std::move(second)) / (0.67449 * std::sqrt(6.0));
}

std::optional<Bandwidth> bandwidth(std::span<const double> frequency_hz,
                                   std::span<const double> level_db, double reference_low_hz,
                                   double reference_high_hz, double drop_db) {
  const std::size_t n = frequency_hz.size();
  if (n < 8) {
    throw DataError(
        fmt::format("bandwidth: {} points (at least eight are needed). Give a finer sweep.", n));
  }
  std::vector<double> reference;
  std::size_t start = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0 && !(frequency_hz[i] > frequency_hz[i - 1])) {
      throw DataError("bandwidth: frequencies do not rise. Sort the rows.");
    }
    if (frequency_hz[i] >= reference_low_hz && frequency_hz[i] <= reference_high_hz) {
      reference.push_back(level_db[i]);
      start = i;
    }
  }
  if (reference.empty()) {
    throw ConfigError(
        fmt::format("bandwidth: no point lies in the reference range {} Hz to {} Hz. Give "
                    "another --reference.",
                    reference_low_hz, reference_high_hz));
  }
  const double scatter = level_scatter_db(level_db);
  // Data without noise are not smoothed; others over about 1 % of the points on either side.
  const std::size_t half = scatter < 1e-3 ? 0 : std::min<std::size_t>(9, n / 80);
  Bandwidth result;
  const auto count = static_cast<double>(reference.size());
  result.reference_db = median(reference);
  result.reference_error_db = 1.2533 * scatter / std::sqrt(count);
  const auto smoothed = [&](std::size_t i) {
    const std::size_t reach = std::min({half, i, n - 1 - i});
    return median({level_db.begin() + static_cast<std::ptrdiff_t>(i - reach),
                   level_db.begin() + static_cast<std::ptrdiff_t>(i + reach + 1)});
  };
  const double target = result.reference_db - drop_db;
  double before = smoothed(start);
  for (std::size_t i = start + 1; i < n; ++i) {
    const double here = smoothed(i);
    if (here < target && before >= target) {
      const double share = (before - target) / (before - here);
      result.frequency_hz = frequency_hz[i - 1] + share * (frequency_hz[i] - frequency_hz[i - 1]);
      // Slope over a wider stretch than the step, which noise would rule.
      const std::size_t reach = std::max<std::size_t>(half, 1);
      const std::size_t low = i > reach ? i - reach : 0, high = std::min(n - 1, i + reach);
      result.slope_db_per_hz =
          (smoothed(high) - smoothed(low)) / (frequency_hz[high] - frequency_hz[low]);
      // The median of points on a slope is their middle one: only as many are averaged as lie
      // within the scatter.
      const double step_db =
          std::abs(result.slope_db_per_hz) * (frequency_hz[i] - frequency_hz[i - 1]);
      const double within = step_db > 0 ? 2 * std::floor(scatter / step_db) + 1 : 1e9;
      const double averaged = std::min(within, 2.0 * static_cast<double>(half) + 1);
      const double at_crossing = 1.2533 * scatter / std::sqrt(averaged);
      if (result.slope_db_per_hz != 0) {
        result.error_hz =
            std::hypot(at_crossing, result.reference_error_db) / std::abs(result.slope_db_per_hz);
      }
      return result;
    }
    before = here;
  }
  return std::nullopt;
}

Fit fit_low_pass(std::span<const double> frequency_hz, std::span<const double> level_db,
                 LowPass model, double start_bandwidth_hz, double scatter_db) {
  const std::vector<double> frequency(frequency_hz.begin(), frequency_hz.end());
  FitProblem problem;
  problem.y.assign(level_db.begin(), level_db.end());
  problem.model = Model(frequency.size(), [model, frequency](const auto* p, std::size_t i) {
    return low_pass_level(model, p, frequency[i]);
  });
  const double gain = median(
      {level_db.begin(), level_db.begin() + static_cast<std::ptrdiff_t>(
                                                std::max<std::size_t>(1, level_db.size() / 20))});
  const auto add = [&](const char* name, double start, const char* unit) {
    Parameter parameter;
    parameter.name = name;
    parameter.start = start;
    parameter.unit = unit;
    problem.parameters.push_back(parameter);
  };
  add("gain", gain, "dB");
  switch (model) {
    case LowPass::one_pole:
      add("f1", start_bandwidth_hz, "Hz");
      break;
    case LowPass::two_poles:
      add("f1", 1.2 * start_bandwidth_hz, "Hz");
      add("f2", 3 * start_bandwidth_hz, "Hz");
      break;
    case LowPass::complex_pair:
    case LowPass::complex_pair_and_pole:
      add("f0", 0.9 * start_bandwidth_hz, "Hz");
      add("Q", 0.8, "1");
      if (model == LowPass::complex_pair_and_pole) add("f1", 2 * start_bandwidth_hz, "Hz");
      break;
  }
  problem.convention = SigmaConvention::scale;
  if (scatter_db > 0) problem.sigma.assign(problem.y.size(), scatter_db);
  // A form that the data do not ask for wanders along a valley: it is given up soon.
  Fit best = fit(problem, {.max_iterations = 100});
  // Corners and Q enter by their squares: either sign is the same response.
  for (std::size_t k = 1; k < best.values.size(); ++k) {
    if (best.values[k] >= 0) continue;
    const auto at = static_cast<Eigen::Index>(k);
    best.values[k] = -best.values[k];
    best.covariance.row(at) *= -1;
    best.covariance.col(at) *= -1;
  }
  return best;
}

double low_pass_level(LowPass model, const std::vector<double>& parameters, double frequency_hz) {
  return low_pass_level(model, parameters.data(), frequency_hz);
}

ModelBandwidth model_bandwidth(const Fit& fit, LowPass model, double drop_db) {
  const auto crossing = [&](const std::vector<double>& p) {
    const auto below = [&](double f) {
      return low_pass_level(model, p.data(), f) < p[0] - drop_db;
    };
    // The level may rise before it falls: walk up in small steps, then halve.
    double low = std::abs(p[1]) * 1e-3;
    double high = low;
    while (!below(high) && high < std::abs(p[1]) * 1e6) {
      low = high;
      high *= 1.01;
    }
    for (int i = 0; i < 60; ++i) {
      const double middle = (low + high) / 2;
      (below(middle) ? high : low) = middle;
    }
    return (low + high) / 2;
  };
  ModelBandwidth result;
  result.frequency_hz = crossing(fit.values);
  Eigen::VectorXd gradient = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(fit.values.size()));
  for (std::size_t k = 0; k < fit.values.size(); ++k) {
    const double step = std::max(1e-6 * std::abs(fit.values[k]), 0.1 * fit.standard_error(k));
    if (!(step > 0)) continue;
    std::vector<double> up = fit.values, down = fit.values;
    up[k] += step;
    down[k] -= step;
    gradient[static_cast<Eigen::Index>(k)] = (crossing(up) - crossing(down)) / (2 * step);
  }
  result.error_hz = std::sqrt(std::max(gradient.dot(fit.covariance * gradient), 0.0));
  return result;
}

std::vector<double> group_delay(std::span<const double> frequency_hz,
                                std::span<const double> phase_rad, std::size_t points) {
  const std::size_t n = frequency_hz.size();
  if (points < 3 || points % 2 == 0 || n < points) {
    throw RunError(fmt::format(
        "group delay: a slope over {} of {} points. Give an odd number from 3.", points, n));
  }
  std::vector<double> unwrapped(phase_rad.begin(), phase_rad.end());
  for (std::size_t i = 1; i < n; ++i) {
    unwrapped[i] =
        unwrapped[i - 1] + std::remainder(phase_rad[i] - phase_rad[i - 1], 2 * std::numbers::pi);
  }
  std::vector<double> delay(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t half = points / 2;
    const std::size_t first = std::min(i > half ? i - half : 0, n - points);
    double mean_f = 0, mean_p = 0;
    for (std::size_t k = first; k < first + points; ++k) {
      mean_f += frequency_hz[k] / static_cast<double>(points);
      mean_p += unwrapped[k] / static_cast<double>(points);
    }
    double sxx = 0, sxy = 0;
    for (std::size_t k = first; k < first + points; ++k) {
      sxx += (frequency_hz[k] - mean_f) * (frequency_hz[k] - mean_f);
      sxy += (frequency_hz[k] - mean_f) * (unwrapped[k] - mean_p);
    }
    delay[i] = -sxy / sxx / (2 * std::numbers::pi);
  }
  return delay;
}

}  // namespace attojoule::calibration
