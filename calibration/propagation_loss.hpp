// Cut-back: propagation loss of a waveguide from the transmission of guides of different length.
//
//   T_i = T_0 - alpha L_i        T in dB or dBm, alpha [dB/cm], L [cm]
//
// The scatter is that of the couplings, the same for every guide: unweighted, covariance scaled by
// the residuals unless standard deviations are given. T_0 holds both couplings (and the laser's
// power where T is in dBm). The model is rejected where
//   - a residual exceeds six times the repeatability of a coupling,
//   - a guide lies off the line of the others (deleted residual, Student's test, Bonferroni) by
//   more
//     than twice that repeatability,
//   - the transmission is curved in length (loss that is not the same everywhere),
//   - the loss is negative by more than three standard errors.
// An off guide is named, and not left out by itself: with three or four guides nobody can tell
// which one is wrong.
//
// Not modelled: reflections, higher modes (which die out over the first millimetres), bends.
// Test: tests/calibration/propagation_loss_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "calibration/result.hpp"

namespace attojoule::calibration {

// Transmission varies by this from one coupling to the next (assumption: order of a grating coupler
// or a cleaved fibre aligned anew; say yours).
inline constexpr double default_coupling_repeatability_db = 0.5;

struct CutbackData {
  std::vector<double> length_cm, transmission_db;
  std::vector<double> sigma_db;  // known standard deviations; empty: from the scatter
  double repeatability_db = default_coupling_repeatability_db;
  double length_scale_uncertainty = 0;  // relative, type B
  double path_length_cm = 0;            // of the device's path on the chip; 0: no device value
  std::string transmission_unit = "dB";
  std::vector<std::string> places;
};

// Parameters propagation_loss [dB/cm] and intercept. DataError with fewer than 3 guides.
CalibrationResult calibrate_propagation_loss(const CutbackData& data);

}  // namespace attojoule::calibration
