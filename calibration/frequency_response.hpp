// Bandwidth, poles and group delay of a measured transmission.
//
// Level in dB of electrical power, L(f) = 20 log10|S21| or as an analyser shows it. The bandwidth
// is where L falls 3 dB below its reference (for a chain that begins with an optical modulation, 3
// dB electrical are 1.5 dB optical, and 6 dB electrical the 3 dB optical bandwidth). The model is a
// low pass of real poles and one complex pair:
//
//   L(f) = g - sum_k 10 log10[1 + (f / f_k)^2] - 10 log10[(1 - (f/f0)^2)^2 + (f / (Q f0))^2]
//
// Group delay: -(d phase / d omega), by the slope over neighbouring points of the unwrapped phase.
// Not modelled: zeros (high-pass coupling), delay in the level.
// Test: tests/calibration/frequency_response_test.cpp (closed forms, coverage).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calibration/fit.hpp"

namespace attojoule::calibration {

struct Bandwidth {
  double reference_db = 0;  // median level of the reference range
  double reference_error_db = 0;
  double frequency_hz = 0;
  double error_hz = 0;  // standard, from the scatter of the level over its slope
  double slope_db_per_hz = 0;
};

// First crossing of reference - drop_db above the reference range, on a level smoothed by a running
// median (none for data without scatter). nullopt where the level does not fall that far.
// DataError for fewer than eight points or frequencies that do not rise, ConfigError for an empty
// reference range.
std::optional<Bandwidth> bandwidth(std::span<const double> frequency_hz,
                                   std::span<const double> level_db, double reference_low_hz,
                                   double reference_high_hz, double drop_db);

// Standard deviation of the level from differences of neighbours, free of slow structure.
double level_scatter_db(std::span<const double> level_db);

enum class LowPass { one_pole, two_poles, complex_pair, complex_pair_and_pole };
std::string name_of(LowPass model);

// Parameters "gain" [dB] and "f1" [Hz], "f2", or "f0" [Hz], "Q". With the points' scatter chi2 is
// relative to it; the covariance is scaled by chi2 / dof all the same.
Fit fit_low_pass(std::span<const double> frequency_hz, std::span<const double> level_db,
                 LowPass model, double start_bandwidth_hz, double scatter_db = 0);

// Level [dB] of the model with the parameters of fit_low_pass(), in its order.
double low_pass_level(LowPass model, const std::vector<double>& parameters, double frequency_hz);

// Where the fitted model is 3 dB below its gain [Hz], and its standard error.
struct ModelBandwidth {
  double frequency_hz = 0, error_hz = 0;
};
ModelBandwidth model_bandwidth(const Fit& fit, LowPass model, double drop_db);

// Group delay [s] at each frequency: slope over `points` neighbours (odd, at least 3).
std::vector<double> group_delay(std::span<const double> frequency_hz,
                                std::span<const double> phase_rad, std::size_t points);

}  // namespace attojoule::calibration
