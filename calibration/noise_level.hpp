// Mean noise densities: from sampled signals, and from what a spectrum analyser shows.
//
// Analysers. A trace of noise is off by how it was averaged, and by the noise bandwidth of its
// filter. With p the displayed power and B the resolution bandwidth:
//
//   S = p 10^(c / 10) / (k B)    c = 2.5068 dB  log-averaged (10 log10 e^gamma, gamma Euler's)
//                                c = 1.0491 dB  voltage-averaged (10 log10(4 / pi))
//                                c = 0          power-averaged
//   k = 1.0645 for a Gaussian filter of 3 dB bandwidth B (sqrt(pi / (4 ln 2))), 0.7527 of 6 dB
//   bandwidth; real filters 1.05 to 1.13.
//
// A single log-averaged point scatters by 5.57 dB (pi / sqrt(6) x 10 / ln 10), averages of N by
// 5.57 / sqrt(N). Source: Keysight Application Note 1303, Spectrum Analyzer Measurements and Noise.
//
// Signals. The mean over K bins of a Welch spectrum (Hann, half overlap, n segments) of white noise
// has the relative variance [c0 K + 2 c1 (K-1) + 2 c2 (K-2)] / (n K^2), c0 = 19/18, c1 = 0.48445,
// c2 = 0.04167: neighbouring bins and overlapping segments share data (integrals of the window over
// itself, shifted in time and frequency; higher shifts under 0.001).
// Test: tests/calibration/noise_level_test.cpp (closed forms, coverage over 2,000 data sets).
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "photonics/spectra.hpp"

namespace attojoule::calibration {

// dB to add for averaging "log", "voltage", "power" or "none" (as power); ConfigError otherwise.
double averaging_correction_db(const std::string& averaging);

inline constexpr double log_point_scatter_db = 5.57;
inline constexpr double gaussian_noise_bandwidth = 1.0645;      // of the 3 dB bandwidth
inline constexpr double gaussian_6db_noise_bandwidth = 0.7527;  // of the 6 dB bandwidth

struct NoiseLevel {
  double density = 0;  // square of the signal's unit per hertz, one sided
  double error = 0;    // standard, from the scatter
  std::size_t points = 0;
};

// Mean density of the bins in [low, high] except 0 and the Nyquist frequency, whose one bin each
// has another law. ConfigError where no bin is left.
NoiseLevel mean_level(const photonics::PowerSpectrum& spectrum, double low_hz, double high_hz);

// Density of a flat stretch of an analyser's trace, powers in W. Averaged as the trace was: dB for
// "log", amplitudes for "voltage", powers else; the error is the scatter of the points over
// sqrt(points). ConfigError for fewer than two points, DataError for a power that is not positive.
NoiseLevel trace_level(std::span<const double> power_w, const std::string& averaging,
                       double noise_bandwidth_hz);

}  // namespace attojoule::calibration
