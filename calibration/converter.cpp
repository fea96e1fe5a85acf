#include "calibration/converter.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "photonics/error.hpp"
#include "photonics/spectra.hpp"

namespace attojoule::calibration {
namespace {

using std::numbers::pi;

// Amplitude of the line at omega by least squares with an offset.
double line_amplitude(std::span<const double> y, double omega) {
  Eigen::Matrix3d normal = Eigen::Matrix3d::Zero();
  Eigen::Vector3d right = Eigen::Vector3d::Zero();
  for (std::size_t n = 0; n < y.size(); ++n) {
    const double t = omega * static_cast<double>(n);
    const Eigen::Vector3d row(std::cos(t), std::sin(t), 1);
    normal += row * row.transpose();
    right += row * y[n];
  }
  const Eigen::Vector3d p = normal.ldlt().solve(right);
  return std::hypot(p[0], p[1]);
}

// rad per sample of the greatest line of the spectrum.
double spectrum_peak(std::span<const double> y, std::optional<std::pair<double, double>> without) {
  const auto spectrum = photonics::welch(y, 2 * pi, y.size());
  std::size_t best = 0;
  for (std::size_t k = 1; k < spectrum.density.size(); ++k) {
    if (without && std::abs(spectrum.frequency_hz[k] - without->first) < without->second) continue;
    if (best == 0 || spectrum.density[k] > spectrum.density[best]) best = k;
  }
  const double bin = 2 * pi / static_cast<double>(y.size());
  if (best == 0) return bin;
  // The three bins around a line under a Hann window: its place from the greater neighbour.
  const auto amplitude = [&](std::size_t k) {
    return k < spectrum.density.size() ? std::sqrt(spectrum.density[k]) : 0;
  };
  const double here = amplitude(best), left = amplitude(best - 1), right = amplitude(best + 1);
  if (!(here > 0)) return spectrum.frequency_hz[best];
  const double neighbour = std::max(left, right);
  const double ratio = neighbour / here;
  const double shift = (2 * ratio - 1) / (ratio + 1);
  return spectrum.frequency_hz[best] + (right >= left ? shift : -shift) * bin;
}

double aliased(double omega) {
  omega = std::fmod(omega, 2 * pi);
  return omega > pi ? 2 * pi - omega : omega;
}

}  // namespace

SineFit fit_sine(std::span<const double> y, double omega) {
  const std::size_t n = y.size();
  if (n < 8) {
    throw DataError(
        fmt::format("sine fit: {} samples (at least eight are needed). Give a longer "
                    "record.",
                    n));
  }
  if (std::all_of(y.begin(), y.end(), [&](double value) { return value == y[0]; })) {
    throw DataError(
        "sine fit: every sample is the same (no sine was applied, or the wrong column). "
        "Choose another column.");
  }
  SineFit fit;
  fit.frequency_fitted = !(omega > 0);
  fit.omega = fit.frequency_fitted ? spectrum_peak(y, std::nullopt) : omega;
  const int parameters = fit.frequency_fitted ? 4 : 3;
  // Counted from the middle of the record, frequency and phase are nearly independent.
  const double middle = static_cast<double>(n - 1) / 2;
  Eigen::Vector4d p = Eigen::Vector4d::Zero();
  Eigen::MatrixXd inverse;
  bool converged = false;
  for (int iteration = 0; iteration < 60 && !converged; ++iteration) {
    Eigen::MatrixXd normal = Eigen::MatrixXd::Zero(parameters, parameters);
    Eigen::VectorXd right = Eigen::VectorXd::Zero(parameters);
    Eigen::VectorXd row(parameters);
    for (std::size_t i = 0; i < n; ++i) {
      const double t = static_cast<double>(i) - middle;
      const double c = std::cos(fit.omega * t), s = std::sin(fit.omega * t);
      row[0] = c;
      row[1] = s;
      row[2] = 1;
      // In units of the half record, so that the columns have like sizes.
      if (parameters == 4) row[3] = (-p[0] * s + p[1] * c) * t / middle;
      normal += row * row.transpose();
      right += row * y[i];
    }
    // The first pass has no sine yet to vary the frequency of.
    const bool first = parameters == 4 && iteration == 0;
    const int used = first ? 3 : parameters;
    const Eigen::MatrixXd part = normal.topLeftCorner(used, used);
    const Eigen::VectorXd solution = part.ldlt().solve(right.head(used));
    p.head(3) = solution.head(3);
    inverse = part.inverse();
    if (parameters == 3) {
      converged = true;
    } else if (!first) {
      const double step = solution[3] / middle;
      fit.omega += step;
      converged = std::abs(step) < 1e-12 * std::max(fit.omega, 1.0 / static_cast<double>(n));
      if (!(fit.omega > 0) || fit.omega > pi || !std::isfinite(step)) break;
    }
  }
  fit.converged = converged && inverse.allFinite();
  if (!fit.converged) return fit;
  fit.offset = p[2];
  fit.amplitude = std::hypot(p[0], p[1]);
  const double phase_middle = std::atan2(-p[1], p[0]);
  fit.phase = std::remainder(phase_middle - fit.omega * middle, 2 * pi);
  fit.a = fit.amplitude * std::cos(fit.phase);
  fit.b = -fit.amplitude * std::sin(fit.phase);
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double t = static_cast<double>(i) - middle;
    const double r = y[i] - p[0] * std::cos(fit.omega * t) - p[1] * std::sin(fit.omega * t) - p[2];
    fit.residuals.push_back(r);
    squares += r * r;
  }
  fit.residual_rms = std::sqrt(squares / static_cast<double>(n));
  fit.noise = std::sqrt(squares / static_cast<double>(n - static_cast<std::size_t>(parameters)));
  // Amplitude, offset and frequency as linear functions of the fitted numbers near the solution.
  Eigen::MatrixXd map = Eigen::MatrixXd::Zero(parameters - 1, parameters);
  if (fit.amplitude > 0) {
    map(0, 0) = p[0] / fit.amplitude;
    map(0, 1) = p[1] / fit.amplitude;
  }
  map(1, 2) = 1;
  if (parameters == 4) map(2, 3) = 1 / middle;
  fit.covariance = fit.noise * fit.noise * map * inverse * map.transpose();
  fit.amplitude_error = std::sqrt(fit.covariance(0, 0));
  fit.offset_error = std::sqrt(fit.covariance(1, 1));
  if (parameters == 4) fit.omega_error = std::sqrt(fit.covariance(2, 2));
  return fit;
}

ConverterFigures converter_figures(const SineFit& fit, int bits) {
  ConverterFigures figures;
  const auto n = static_cast<double>(fit.residuals.size());
  const double dof = n - (fit.frequency_fitted ? 4 : 3);
  // Relative standard error of a standard deviation.
  const double relative = 1 / std::sqrt(2 * dof);
  figures.sinad_db = 20 * std::log10(fit.amplitude / (std::numbers::sqrt2 * fit.residual_rms));
  figures.sinad_error_db = 20 / std::numbers::ln10 * relative;
  figures.enob_of_full_scale = bits > 0;
  const double range = bits > 0 ? std::exp2(bits) : 2 * fit.amplitude;
  figures.enob = std::log2(range / (fit.residual_rms * std::sqrt(12.0)));
  figures.enob_error = relative / std::numbers::ln2;
  double harmonics = 0, greatest = 0;
  for (int k = 2; k <= 10; ++k) {
    const double omega = aliased(k * fit.omega);
    // A harmonic that falls on zero or on the fundamental cannot be told from them.
    const double bin = 2 * pi / n;
    double amplitude = 0;
    if (omega > 2 * bin && std::abs(omega - fit.omega) > 2 * bin) {
      amplitude = line_amplitude(fit.residuals, omega);
    }
    figures.harmonic_db[static_cast<std::size_t>(k - 2)] =
        20 * std::log10(amplitude / fit.amplitude);
    harmonics += amplitude * amplitude;
    if (amplitude > greatest) {
      greatest = amplitude;
      figures.spur_omega = omega;
    }
  }
  figures.thd_db = 10 * std::log10(harmonics) - 20 * std::log10(fit.amplitude);
  // Each of a line's two components has the variance v; the square of their amplitude a, 4 v a^2 +
  // 4 v^2, and a^2 itself is v + v too large.
  const double v = 2 * fit.residual_rms * fit.residual_rms / n;
  double harmonics_variance = 0;
  for (const double db : figures.harmonic_db) {
    const double square = std::pow(fit.amplitude, 2) * std::pow(10, db / 10);
    if (square > 0) harmonics_variance += 4 * v * std::max(square - 2 * v, 0.0) + 4 * v * v;
  }
  constexpr double db_per_neper = 20 / std::numbers::ln10;
  figures.thd_error_db = db_per_neper / 2 * std::sqrt(harmonics_variance) / harmonics;
  const double peak = spectrum_peak(fit.residuals, std::nullopt);
  const double amplitude = line_amplitude(fit.residuals, peak);
  if (amplitude > greatest) {
    greatest = amplitude;
    figures.spur_omega = peak;
  }
  figures.sfdr_db = 20 * std::log10(fit.amplitude / greatest);
  figures.sfdr_error_db =
      db_per_neper * std::hypot(std::sqrt(v) / greatest, fit.amplitude_error / fit.amplitude);
  return figures;
}

CodeHistogram code_histogram(std::span<const double> codes) {
  if (codes.empty()) throw RunError("histogram: no samples. Give a record.");
  const auto [least, greatest] = std::minmax_element(codes.begin(), codes.end());
  constexpr double most_codes = 1 << 24;
  if (*greatest - *least > most_codes) {
    throw RunError(
        fmt::format("histogram: codes from {} to {}. Give codes, not volts.", *least, *greatest));
  }
  const auto low = static_cast<long long>(std::llround(*least));
  const auto count = static_cast<std::size_t>(std::llround(*greatest) - low) + 1;
  CodeHistogram histogram;
  histogram.counts.assign(count, 0);
  for (const double code : codes) {
    if (code != std::round(code)) {
      throw RunError(
          fmt::format("histogram: {} is no whole number (codes are). Give codes, not "
                      "volts.",
                      code));
    }
    ++histogram.counts[static_cast<std::size_t>(std::llround(code) - low)];
  }
  if (count < 6) {
    throw RunError(
        fmt::format("histogram: {} codes occur (at least six are needed). Apply a greater "
                    "sine.",
                    count));
  }
  const auto total = static_cast<double>(codes.size());
  // transition[k]: between counts[k] and counts[k + 1].
  std::vector<double> transition;
  double cumulative = 0;
  for (std::size_t k = 0; k + 1 < count; ++k) {
    cumulative += histogram.counts[k];
    transition.push_back(-std::cos(pi * cumulative / total));
  }
  // Codes 2 .. count - 3 have both transitions away from the ends.
  const std::size_t first = 2, last = count - 3;
  const double step =
      (transition[last] - transition[first - 1]) / static_cast<double>(last - first + 1);
  histogram.first_code = static_cast<int>(low) + static_cast<int>(first);
  for (std::size_t k = first; k <= last; ++k) {
    const double width = transition[k] - transition[k - 1];
    histogram.dnl.push_back(width / step - 1);
    histogram.inl.push_back((transition[k - 1] - transition[first - 1]) / step -
                            static_cast<double>(k - first));
    // Cumulative shares h of independent samples have the covariance h_i (1 - h_j) / N, i <= j. An
    // INL is T_k - T_first less its share of the line to the last transition, in steps.
    const auto transition_covariance = [&](std::size_t i, std::size_t j) {
      const auto angle = [&](std::size_t at) { return std::acos(-transition[at]); };
      const double h_i = angle(std::min(i, j)) / pi, h_j = angle(std::max(i, j)) / pi;
      return pi * pi * std::sin(angle(i)) * std::sin(angle(j)) * h_i * (1 - h_j) / total;
    };
    const double along = static_cast<double>(k - first) / static_cast<double>(last - first + 1);
    const std::array<std::pair<std::size_t, double>, 3> parts{
        std::pair{k - 1, 1.0}, {first - 1, along - 1}, {last, -along}};
    double variance = 0;
    for (const auto& [i, a] : parts) {
      for (const auto& [j, b] : parts) variance += a * b * transition_covariance(i, j);
    }
    histogram.inl_error.push_back(std::sqrt(std::max(variance, 0.0)) / step);
    const double share = histogram.counts[k] / total;
    const double spread = std::sqrt(histogram.counts[k] * (1 - share));
    histogram.dnl_error.push_back(histogram.counts[k] > 0
                                      ? width / step * spread / histogram.counts[k]
                                      : 1 / std::max(1.0, total * step / pi));
    if (histogram.counts[k] == 0) {
      histogram.missing.push_back(static_cast<int>(low) + static_cast<int>(k));
    }
  }
  return histogram;
}

}  // namespace attojoule::calibration
