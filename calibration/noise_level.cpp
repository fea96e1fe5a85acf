#include "calibration/noise_level.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "photonics/error.hpp"

namespace attojoule::calibration {

double averaging_correction_db(const std::string& averaging) {
  if (averaging == "log") return 10 * std::numbers::egamma / std::numbers::ln10;
  if (averaging == "voltage") return 10 * std::log10(4 / std::numbers::pi);
  if (averaging == "power" || averaging == "none") return 0;
  throw ConfigError(
      fmt::format("averaging: \"{}\" is none of log, voltage, power (a trace of noise "
                  "reads low by how it was averaged). Pass --averaging with one.",
                  averaging));
}

NoiseLevel mean_level(const photonics::PowerSpectrum& spectrum, double low_hz, double high_hz) {
  NoiseLevel level;
  double sum = 0;
  const std::size_t bins = spectrum.density.size();
  for (std::size_t k = 1; k + 1 < bins; ++k) {
    if (spectrum.frequency_hz[k] < low_hz || spectrum.frequency_hz[k] > high_hz) continue;
    sum += spectrum.density[k];
    ++level.points;
  }
  if (level.points == 0) {
    throw ConfigError(
        fmt::format("noise density: no bin of the spectrum lies between {} Hz and {} Hz. "
                    "Widen --range, or take longer segments.",
                    low_hz, high_hz));
  }
  const auto count = static_cast<double>(level.points);
  level.density = sum / count;
  const double variance = (19.0 / 18 * count + 2 * 0.48445 * std::max(count - 1, 0.0) +
                           2 * 0.04167 * std::max(count - 2, 0.0)) /
                          (static_cast<double>(spectrum.segments) * count * count);
  level.error = level.density * std::sqrt(variance);
  return level;
}

NoiseLevel trace_level(std::span<const double> power_w, const std::string& averaging,
                       double noise_bandwidth_hz) {
  if (power_w.size() < 2) {
    throw ConfigError(
        "noise density: fewer than two points of the trace lie in the range. Widen "
        "--range.");
  }
  const bool logarithmic = averaging == "log";
  const bool amplitude = averaging == "voltage";
  const double correction = std::pow(10.0, averaging_correction_db(averaging) / 10);
  double sum = 0, squares = 0;
  for (const double power : power_w) {
    if (!(power > 0))
      throw DataError("noise density: a power that is not positive. Mend the trace.");
    const double value = logarithmic ? std::log(power) : amplitude ? std::sqrt(power) : power;
    sum += value;
    squares += value * value;
  }
  const auto n = static_cast<double>(power_w.size());
  const double mean = sum / n;
  const double deviation = std::sqrt(std::max(squares / n - mean * mean, 0.0) * n / (n - 1));
  const double error = deviation / std::sqrt(n);
  NoiseLevel level;
  level.points = power_w.size();
  const double scale = correction / noise_bandwidth_hz;
  if (logarithmic) {
    level.density = std::exp(mean) * scale;
    level.error = level.density * error;
  } else if (amplitude) {
    level.density = mean * mean * scale;
    level.error = 2 * mean * error * scale;
  } else {
    level.density = mean * scale;
    level.error = error * scale;
  }
  return level;
}

}  // namespace attojoule::calibration
