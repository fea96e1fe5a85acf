// Linewidth of a laser, from its frequency noise or from a beat spectrum.
//
//   frequency noise   S_nu(f) = h_0 + h_-1 / f  [Hz^2/Hz, one sided];  Lorentzian linewidth pi h_0
//                     beta line: FWHM = sqrt(8 ln 2 A), A the area of S_nu where
//                     S_nu > 8 ln 2 f / pi^2 (Di Domenico 2010), above the observation's 1 / T
//   lorentz           S = floor + A (w/2)^2 / ((f - f_c)^2 + (w/2)^2)
//   voigt             its convolution with a Gaussian (slow frequency noise), peak A not normalised
//   short-delay       S = floor + A D^2 / (D^2 + x^2) {1 - e^(-2 pi tau D) [cos(2 pi x tau) +
//                     (D / x) sin(2 pi x tau)]},  x = f - f_c   (Richter 1986), D the linewidth
//
// linewidth is the laser's full width at half maximum. A delayed self-heterodyne beat of two
// uncorrelated copies is twice as wide (w = 2 linewidth); a beat with a much narrower laser as
// wide. With a delay below the coherence time the beat is not Lorentzian: the expression with the
// delay fits the fringes; points of the carrier (within `carrier_halfwidth`) are left out. There,
// where pi tau linewidth << 1, amplitude and linewidth cannot be told apart: the carrier's power
// can
// (`carrier_power`, in units of S times Hz).
//
// Weights: points of a spectrum scatter in proportion to what is shown.
// Source: L. E. Richter et al., IEEE J. Quantum Electron. 22, 2070 (1986); G. Di Domenico et al.,
// Appl. Opt. 49, 4801 (2010); Voigt by J. A. C. Weideman, SIAM J. Numer. Anal. 31, 1497 (1994).
// Test: tests/calibration/laser_linewidth_test.cpp.
#pragma once

#include <optional>

#include "calibration/curve.hpp"

namespace attojoule::calibration {

enum class LineModel { frequency_noise, lorentz, voigt, short_delay };

struct LinewidthData {
  CurveData curve;  // x: frequency [Hz], y: S_nu [Hz^2/Hz] or a spectrum, linear, any unit
  LineModel model = LineModel::lorentz;
  double width_factor = 2;          // of the beat over the laser: 2 self-heterodyne, 1 reference
  std::optional<double> delay_s;    // short_delay: known
  double carrier_halfwidth_hz = 0;  // short_delay: left out around the centre
  std::optional<double> carrier_power;
  double resolution_hz = 0;  // RBW; a line that is not wider is not resolved
};

// Parameters linewidth [Hz]; h0 and flicker, or centre [Hz], amplitude, floor, and for voigt
// gaussian_width [Hz]. DataError with fewer than 8 points.
CalibrationResult calibrate_linewidth(const LinewidthData& data, std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
