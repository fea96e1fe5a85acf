// The three-term noise law of a photodetector: noise against light.
//
//   V(P) = a + b P + c P^2
//
//   a  electronics (and spectrum analyser)
//   b  shot noise: b = 2 q R |Z_T|^2 B_n for a power P, 2 q |Z_T|^2 B_n for a photocurrent
//   c  relative intensity noise that the receiver's imbalance lets through:
//      c = RIN R^2 |Z_T|^2 B_n imbalance^2
//
// P is whatever the abscissa counts: optical power, photocurrent, or a DC monitor's voltage; V a
// variance, a noise power or a spectral density. The parameters are in these units.
//
// Weights: an estimate of a variance from nu degrees of freedom has the standard deviation
// V sqrt(2/nu), with V of the model: iteratively reweighted. Weights of 1, or from the data, give
// wrong intervals (unweighted ones cover 77 and 65 % for b and c instead of 95 %). Where nu is not
// known the standard deviation is proportional to V and the covariance is scaled by chi2/dof.
// An uncertain abscissa adds (dV/dP u(P))^2.
//
// A bend downwards is saturation: the points of the highest light are left out until the curvature
// is no more than two standard errors negative, and it is said which. Equivalent light P_eq = a / b
// is where shot noise equals the electronics; with a photocurrent i_n = sqrt(2 q I_eq).
//
// Not modelled: correlated noise between points, 1/f noise inside the band, gain compression.
// Test: tests/calibration/shot_noise_test.cpp (coverage, saturation, swapped traces, Johnson
// limit).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calibration/result.hpp"

namespace attojoule::calibration {

struct ShotNoiseData {
  std::vector<double> light, noise;
  std::string light_unit, noise_unit;
  std::string light_name = "P", noise_name = "V";
  std::vector<double> nu;              // degrees of freedom of each noise value; empty: not known
  std::vector<double> sigma;           // or standard deviations that the file gives; empty: none
  double light_uncertainty = 0;        // of every abscissa, random, in its unit
  double light_scale_uncertainty = 0;  // relative, of all together: type B
  double noise_scale_uncertainty = 0;  // relative: type B
  // Amperes of photocurrent per unit of light, where known: 1 for a current in A, R for a power in
  // W, 1/R_dc for a DC monitor's voltage. Then i_n and RIN follow.
  std::optional<double> current_per_light;
  // R_F of a resistive-feedback amplifier: i_n below its Johnson noise sqrt(4 k T / R_F) is an
  // error.
  std::optional<double> feedback_resistance_ohm;
  double temperature_k = 300;
  std::vector<std::string> places;
};

struct ShotNoiseOptions {
  SigmaConvention convention = SigmaConvention::known;  // scale where neither nu nor sigma is given
  std::size_t holdout_blocks = 0;
};

// Parameters a, b, c (and i_n where the photocurrent is known). Throws DataError with fewer than 3
// points, where the noise falls with the light, or where i_n is below the Johnson limit.
CalibrationResult calibrate_shot_noise(const ShotNoiseData& data, const ShotNoiseOptions& options);

}  // namespace attojoule::calibration
