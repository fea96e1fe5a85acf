// Add-drop ring with unlike couplers, from its through and its drop port together.
//
//   through = P_0 (M + X) / (1 + X),   M = [(r_2 a - r_1) / (1 - p)]^2,   p = a r_1 r_2
//   drop    = P_0 D / (1 + X),         D = (1 - r_1^2)(1 - r_2^2) a / (1 - p)^2
//
// X as in calibration/resonator.hpp; r_1 is the self-coupling of the coupler at the through port,
// r_2 that of the other one, a the round-trip amplitude of the guide. The width over the FSR knows
// p, the dip M, the peak over the through port's baseline D: three numbers for a, r_1 and r_2, if
// both ports lose the same on their way (ratio_uncertainty_db says how well that is known).
//
// Each port is fitted by itself (calibrate_resonator()), and what they share, w, f_0 and FSR, is
// combined by generalised least squares, which is the fit of both at once to first order. Ports
// that contradict each other in it by more than one chance in a thousand reject: a ring that was
// warmer in one of the sweeps.
//
// M is a square: r_2 a < r_1 (under-coupled, seen from the through port) and r_2 a > r_1 describe
// the same two curves with different a, r_1, r_2, neither of them beyond physics while M + D < 1.
// The coupling has to be told; until then both values of a stand among the figures. Test:
// tests/calibration/resonator_test.cpp.
#pragma once

#include "calibration/resonator.hpp"

namespace attojoule::calibration {

struct AddDropData {
  CurveData through, drop;  // over frequency [Hz]; both linear, in one unit
  std::optional<double> fsr_hz;
  Coupling coupling = Coupling::unknown;
  double ratio_uncertainty_db = 0;  // of the losses behind the two ports, type B
  std::optional<double> circumference_cm;
  std::optional<double> path_length_cm;  // of the device, for link.propagation_loss
};

// Parameters linewidth, frequency, minimum_transmission, baseline, fsr, background, peak (as
// calibrate_resonator() has them), q, finesse, and round_trip_amplitude, self_coupling,
// second_self_coupling, propagation_loss where the coupling is known. Not identifiable with one
// resonance and no FSR. Errors of calibrate_resonator().
CalibrationResult calibrate_add_drop(const AddDropData& data, std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
