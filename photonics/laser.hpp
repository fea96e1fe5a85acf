// What a laser's light costs: light-current line, bias and cooling.
//
//   light     P = eta_s (I - I_th)               above threshold
//   supply    P_el = I (V_0 + R_s I)
//   cooling   P_cool = c (P_el - P)              c: watts of cooling per watt of heat
//   wall plug eta_wp = P / (P_el + P_cool)
//
// Symbols: eta_s slope efficiency [W/A], I_th threshold current, V_0 junction voltage, R_s series
// resistance. A laser without a slope (slope_efficiency_w_per_a = 0) has the constant
// wall_plug_efficiency of the device file instead: P_el = P / eta_wp, bias and cooling included.
// Validity: continuous wave, one temperature, no thermal roll-over.
// Source: Coldren, Corzine and Masanovic, "Diode Lasers and Photonic Integrated Circuits", 2nd ed.,
// Wiley 2012, section 2.
// Test: tests/photonics/laser_test.cpp. Text: docs/physics/laser.md.
#pragma once

#include "photonics/device.hpp"
#include "photonics/units.hpp"

namespace attojoule::photonics {

struct LaserBias {
  double current_a = 0;  // 0 for a laser without a light-current line
  double optical_w = 0;
  double electrical_w = 0;  // without cooling
  double cooling_w = 0;
  double wall_plug_efficiency = 0;  // optical / (electrical + cooling)
};

// The bias that gives this power at the facet. Throws ConfigError where the power is negative, not
// finite or above laser.maximum_power.
LaserBias bias_for_power(const Laser& laser, Power optical);

// Light at the facet for a drive current >= 0: zero below threshold.
// Throws ConfigError for a laser without a light-current line.
Power laser_power(const Laser& laser, Current current);

}  // namespace attojoule::photonics
