// Relative intensity noise of a laser, from the noise of its photocurrent over frequency.
//
//   RIN_sys(f) = S(f) / P_el,  P_el = I^2 R_L: electrical noise density over electrical DC power
//   RIN(f)     = RIN_sys - N_th(f) / P_el - 2 q / I            (one sided, 1/Hz)
//
//   white       RIN(f) = RIN
//   relaxation  RIN(f) = [RIN f_r^4 + B f_r^2 f^2] / [(f_r^2 - f^2)^2 + (gamma f / 2 pi)^2]
//
// S and N_th in W/Hz at the same place of the receiver chain as P_el (a gain between is taken off
// first). The photocurrent I sets the shot noise; with N_th missing, thermal noise and RIN cannot
// be told apart and the result is an upper limit (not identifiable). Where S lies within 1 dB of
// thermal and shot noise together, RIN is an upper limit as well: a figure, not a device parameter.
//
// Weights: points of an analyser scatter in proportion to what is shown, sigma = s S (s = 1 / sqrt
// N of N power averages, 5.57 dB / sqrt N of log averages), and so does N_th. Not modelled: the
// receiver's own frequency response, RIN that depends on the power by a law of its own. Source:
// Hewlett-Packard Product Note 71400-1, Lightwave Signal Analyzers Measure Relative Intensity
// Noise; L. A. Coldren, Diode Lasers and Photonic Integrated Circuits, 2nd ed., 5.5. Test:
// tests/calibration/intensity_noise_test.cpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calibration/curve.hpp"

namespace attojoule::calibration {

struct IntensityNoiseData {
  std::vector<double> frequency_hz;
  std::vector<double> noise_w_per_hz, thermal_w_per_hz;  // thermal empty: not measured
  double photocurrent_a = 0;
  double dc_power_w = 0;        // electrical, I^2 R_L
  double relative_scatter = 0;  // s; 0: from the data
  bool scale_sigma = false;
  bool relaxation = false;
  double scale_uncertainty = 0;         // relative, of S / P_el: gain, noise bandwidth; type B
  double photocurrent_uncertainty = 0;  // relative, type B
  std::vector<std::string> places;
};

// Parameters rin [1/Hz] and with `relaxation` peak [1/Hz] (B), relaxation_frequency [Hz], damping
// [1/s]. DataError with fewer than 4 points (8 with relaxation).
CalibrationResult calibrate_intensity_noise(const IntensityNoiseData& data,
                                            std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
