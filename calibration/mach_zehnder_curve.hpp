// Transfer curve of a Mach-Zehnder modulator: V_pi, extinction ratio and insertion loss.
//
//   T(V) = T_max [(1 + q) + (1 - q) cos phi(V)] / 2 + floor
//   phi(V) = phase + pi u (1 + kappa u) / V_pi,  u = V - V_c,  V_c middle of the sweep
//   of a heater:  phi = phase + pi H / H_pi,  H its power, or V^2 where its resistance is constant:
//   phi = phase + pi V^2 / V_pi^2, phase without current
//   extinction ratio = -10 log10 q [dB],   q = T_min / T_max of the light itself
//
// On linear power: a curve in dB is converted. V_pi is the voltage from the most to the least
// light; with kappa (depletion modulators, whose phase is not linear in the voltage) it is the
// small-signal value in the middle of the sweep, and the values at its ends are given beside it.
// `floor` is the detector's dark level: extinction and floor cannot be told apart by the curve, so
// it has to be measured (0 if not given, and said).
//
// A heater whose resistance rises with its temperature takes less power from a voltage than V^2
// says: over V^2 its phase is curved, over the measured power it is not.
//
// Where q is not three standard uncertainties above 0 the extinction ratio is a lower limit, given
// as a figure and not as a parameter. T_max is the transmission of everything between the two power
// meters; insertion loss = -10 log10 T_max where the curve is a ratio or the input power is known.
// bias_error = (pi / 2)(V_bias - V_min) / V_pi is theta_0 of the amplitude encoder
// (photonics/modulator.hpp), biased for least light.
// Source: G. L. Li, P. K. L. Yu, J. Lightwave Technol. 21, 2010 (2003).
// Test: tests/calibration/mach_zehnder_curve_test.cpp.
#pragma once

#include <optional>

#include "calibration/curve.hpp"

namespace attojoule::calibration {

// What the phase goes with.
enum class PhaseShifter { voltage, heater_voltage, heater_power };

struct MachZehnderData {
  CurveData curve;  // x: voltage [V] or heater's power [W], y: power or transmission, linear
  PhaseShifter shifter = PhaseShifter::voltage;
  std::optional<double> floor;             // dark level of the detector, in y's unit
  double floor_uncertainty = 0;            // standard, type B
  std::optional<double> input_power;       // in y's unit; 1 where the curve is a ratio
  double transmission_uncertainty_db = 0;  // of T_max, type B: couplings, power meters
  bool curved_phase = false;               // fit kappa
  std::optional<double> bias_v;            // operating point
  std::optional<double> length_cm;         // of the phase shifter, for V_pi L
};

// Parameters half_wave_voltage [V] (half_wave_power [W] of a heater's power), extinction_ratio
// [dB], maximum [y], minimum_share (q), phase [rad], and where they are known curvature [1/V],
// insertion_loss [dB], bias_error [rad]. The simulator has no heater: its half-wave value goes into
// no device file. DataError with fewer than 8 points, ConfigError for a length beside a heater, or
// a bias beside a curved phase.
CalibrationResult calibrate_mach_zehnder(const MachZehnderData& data,
                                         std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
