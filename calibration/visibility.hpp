// Visibility of interference fringes, and the mode overlap of the two beams.
//
//   y = m [1 + V cos(theta)],   theta = 2 pi x / T + phi     x: scan, T: its period
//                               theta = x + phi              x: a phase
//   V = (y_max - y_min) / (y_max + y_min)
//   mode overlap = V (1 + k) / (2 sqrt(k)),  k = P_2 / P_1   the two beams' powers
//
// y counts from the detector's dark level: V of a signal with an offset is wrong, and the fringe
// alone cannot tell an offset from light that does not interfere. Nor can it tell a poor overlap
// from unequal beams: without the power ratio no mode overlap is given. The total efficiency of
// homodyne detection is eta_PD overlap^2 eta_opt eta_el, eta_el = 1 - 10^(-C/10) with the clearance
// C of shot noise over electronics in dB.
// Validity: one period (a linear scan) over the data; a second harmonic that is significant is a
// nonlinear scan, a saturated detector or a third beam. Source: H.-A. Bachor, T. C. Ralph, A Guide
// to Experiments in Quantum Optics, 2nd ed., 8.1. Test: tests/calibration/visibility_test.cpp.
#pragma once

#include <optional>

#include "calibration/curve.hpp"

namespace attojoule::calibration {

struct VisibilityData {
  CurveData curve;                     // x: scan or phase [rad], y: signal
  bool x_is_phase = false;             // then there is no period to fit
  std::optional<double> dark;          // level without light, in y's unit
  double dark_uncertainty = 0;         // standard, type B
  std::optional<double> power_ratio;   // P_2 / P_1
  double power_ratio_uncertainty = 0;  // relative, type B
  // For the total efficiency; the figure is given where the first is.
  std::optional<double> quantum_efficiency;
  double optical_transmission = 1;
  std::optional<double> clearance_db;
};

// Parameters visibility, mean [y], phase [rad], period [x] (unless x is a phase), and mode_overlap
// where the power ratio is known. DataError with fewer than 6 points.
CalibrationResult calibrate_visibility(const VisibilityData& data, std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
