// Common-mode rejection of a balanced detector, from the electrical level of an intensity-modulated
// tone (or noise) with one diode lit and with both.
//
//   CMRR = 10 log10(P_ref / P_both)  [dB electrical]
//   reference one-diode   P_ref with one diode lit, the other dark
//   reference in-phase    P_ref with both currents added: 6.02 dB more for the same receiver
//   r = 10^(-CMRR / 20) = |i_1 - i_2| / i_ref;  imbalance e: efficiencies eta (1 +- e)
//   e = r / 2 (one-diode, to first order in r: which diode was lit is not known, a type B
//   uncertainty of r^2 / 4 / sqrt 3) or r (in-phase)
//
// Over the frequency f of the tone a delay tau between the diodes adds to the imbalance:
//   r(f)^2 = r_0^2 + (1 - r_0) (2 pi f tau)^2       (2 pi f tau << 1)
//
// 3 dB electrical are 1.5 dB optical: the photocurrent follows the optical power. The floor
// (analyser and receiver without light) is taken off both powers; where P_both is within 1 dB of it
// the point only bounds the CMRR from below and is left out. Weights: a reading scatters by s dB, a
// difference from the floor by s P / (P - F).
// Not modelled: unequal bandwidths of the diodes, resonances. Source: Hobbs, Building
// Electro-Optical Systems, 2nd ed., 18.6; Bachor and Ralph, A Guide to Experiments in Quantum
// Optics, 8.1.4. Test: tests/calibration/common_mode_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "calibration/curve.hpp"

namespace attojoule::calibration {

enum class CommonModeReference { one_diode, in_phase };

struct CommonModeData {
  // Electrical powers, all in one unit, of each row; `floor` empty: none is taken off.
  std::vector<double> reference, both, floor;
  std::vector<double> frequency_hz;  // empty: one frequency
  double sigma_db = 0;               // standard deviation of one reading; 0: from the scatter
  bool scale_sigma = false;
  CommonModeReference reference_is = CommonModeReference::one_diode;
  std::vector<std::string> places;
};

// Parameters cmrr [dB electrical, at low frequency], delay_squared [s^2] where three or more
// frequencies are given, imbalance, and delay [s] where it is seen. DataError where both diodes lit
// show no rejection, or one row without a known scatter is all there is.
CalibrationResult calibrate_common_mode(const CommonModeData& data, std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
