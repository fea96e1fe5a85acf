// Light-current line of a laser diode: threshold and slope.
//
//   P(I) = P_0 + s I + eta w softplus((I - I_th) / w),   softplus(u) = ln(1 + e^u)
//
// eta [W/A] slope above threshold (in excess of s), I_th [A] threshold, w [A] width of the knee,
// P_0 a power-meter offset, s spontaneous emission below threshold. slope_efficiency = s + eta is
// the slope well above threshold. Where the current grid is coarser than the knee, w is fixed to a
// small part of the grid and said so. Points of thermal roll-over (local slope below 90 % of the
// steepest) are left out and said so.
//
// The scatter is taken from the residuals unless standard deviations are given; the model is
// rejected where the residuals exceed 2 % of the power range (a kinked or mode-hopping laser), or
// there is no threshold in the data. Not modelled: roll-over itself, hysteresis, kinks. Test:
// tests/calibration/light_current_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "calibration/result.hpp"

namespace attojoule::calibration {

struct LightCurrentData {
  std::vector<double> current_a, power_w;
  std::vector<double> sigma_w;         // known standard deviations; empty: from the scatter
  double power_scale_uncertainty = 0;  // relative, type B
  double current_scale_uncertainty = 0;
  bool keep_rollover = false;
  std::vector<std::string> places;
};

// Parameters threshold_current [A] and slope_efficiency [W/A]. DataError with fewer than 6 points.
CalibrationResult calibrate_light_current(const LightCurrentData& data,
                                          std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
