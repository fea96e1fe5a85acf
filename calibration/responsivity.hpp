// Responsivity of a photodiode from photocurrent against optical power.
//
//   I = I_dark + R P                               P at the diode: power meter times coupling
//   I = I_dark + R P / (1 + R P / I_sat)           with --saturation; 1/I_sat is fitted
//   eta = R h c / (q lambda) <= 1                  R [A/W] = eta lambda[um] / 1.2398
//
// I_dark is what the meter shows without light: dark current, ambient light and its own offset.
// Without --saturation, the brightest points are left out while a quadratic term is more than three
// standard errors negative, and it is said which. A source meter counts the photocurrent of a
// reverse-biased diode negative: the sign is then turned, and said.
//
// R and the loss between power meter and diode cannot be told apart by these data: give the loss
// (with its uncertainty, type B), or R is that of the plane of the power meter. The scale of the
// power meter is type B too: it does not shrink with more points.
// Not modelled: wavelength dependence, temperature, avalanche gain. Source: B. E. A. Saleh, M. C.
// Teich, Fundamentals of Photonics, 2nd ed., 18.1; saturation as in photonics/device.hpp.
// Test: tests/calibration/responsivity_test.cpp.
#pragma once

#include <optional>

#include "calibration/curve.hpp"

namespace attojoule::calibration {

struct ResponsivityData {
  CurveData curve;                     // x: optical power [W], y: photocurrent [A]
  std::optional<double> wavelength_m;  // without it no quantum efficiency
  double coupling_loss_db = 0;         // power meter to diode, >= 0
  double coupling_loss_uncertainty_db = 0;
  double power_scale_uncertainty = 0;  // relative, type B
  double current_scale_uncertainty = 0;
  bool saturation = false;
};

// Parameters responsivity [A/W], dark_current [A], eta where the wavelength is known, and with
// saturation inverse_saturation_current [1/A] and saturation_current [A]. DataError with fewer than
// 3 points, or where the photocurrent does not depend on the light.
CalibrationResult calibrate_responsivity(const ResponsivityData& data,
                                         std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
