// Relaxation oscillation of a laser over its bias current: what limits its modulation bandwidth.
//
//   f_r = D sqrt(I - I_th)            D [Hz/sqrt(A)]
//   gamma = K f_r^2 + gamma_0         K [s], gamma_0 [1/s]
//
// Each current has a relaxation frequency f_r and a damping gamma with their covariance, from a
// spectrum of intensity noise (intensity_noise.hpp) or a modulation response
//   |H(f)|^2 = f_r^4 / [(f_r^2 - f^2)^2 + (gamma f / 2 pi)^2]
// One fit of both laws, weighted by those covariances (Cholesky factors), so that the error of f_r
// and its correlation with gamma are in K, and D and K have a covariance. f_r in the second law is
// that of the first: where the first does not hold (heating bends it down) the model is rejected,
// and it is said which law the data contradict.
//
// Where the damping alone limits it, the 3 dB electrical bandwidth is at most 2 sqrt(2) pi / K.
// Not modelled: parasitic poles (take them off the response first, or fit them with it), heating,
// gain compression beyond the K factor. Source: L. A. Coldren, S. W. Corzine, M. L. Mashanovitch,
// Diode Lasers and Photonic Integrated Circuits, 2nd ed., 5.3. Test:
// tests/calibration/relaxation_oscillation_test.cpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calibration/result.hpp"

namespace attojoule::calibration {

struct RelaxationPoint {
  double current_a = 0;
  double frequency_hz = 0, damping_per_s = 0;              // f_r, gamma
  double frequency_error_hz = 0, damping_error_per_s = 0;  // standard
  double correlation = 0;                                  // of the two, -1 < r < 1
  std::string place;
};

struct RelaxationData {
  std::vector<RelaxationPoint> points;
  std::optional<double> threshold_a;   // known, from a light-current line; else fitted
  double threshold_uncertainty_a = 0;  // standard, type B
  bool scale_sigma = false;            // only the ratios of the points' errors are known
};

// Parameters d_factor [Hz/sqrt(A)], k_factor [s], damping_offset [1/s] and, where it is not given,
// threshold_current [A]; figures maximum_bandwidth [Hz], and the table `currents`. DataError for
// fewer than 3 currents, a current below the given threshold, or an error that is not positive.
CalibrationResult calibrate_relaxation_oscillation(const RelaxationData& data);

// f_r and gamma of one current out of a result that has the parameters relaxation_frequency [Hz]
// and damping [1/s].
RelaxationPoint relaxation_point(const CalibrationResult& result, double current_a,
                                 const std::string& place);

}  // namespace attojoule::calibration
