#include "photonics/laser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "photonics/error.hpp"

namespace attojoule::photonics {

LaserBias bias_for_power(const Laser& laser, Power optical) {
  LaserBias bias;
  bias.optical_w = value_in(watt, optical);
  if (!(bias.optical_w >= 0 && std::isfinite(bias.optical_w))) {
    throw ConfigError(
        fmt::format("laser: a power of {} W (light carries energy). Give zero or a positive power.",
                    bias.optical_w));
  }
  if (laser.maximum_power_w > 0 && bias.optical_w > laser.maximum_power_w) {
    throw ConfigError(fmt::format(
        "laser.maximum_power: {} W are asked for, the laser gives {} W (the operating point needs "
        "more light than there is). Lower operating_point.photons_per_mac, the losses or the "
        "fan-out, or raise receiver.integration_time.",
        bias.optical_w, laser.maximum_power_w));
  }
  if (laser.slope_efficiency_w_per_a == 0) {
    bias.wall_plug_efficiency = laser.wall_plug_efficiency;
    bias.electrical_w = bias.optical_w / laser.wall_plug_efficiency;
    return bias;
  }
  bias.current_a = laser.threshold_current_a + bias.optical_w / laser.slope_efficiency_w_per_a;
  bias.electrical_w =
      bias.current_a * (laser.junction_voltage_v + laser.series_resistance_ohm * bias.current_a);
  bias.cooling_w = laser.cooling_per_heat * (bias.electrical_w - bias.optical_w);
  const double total = bias.electrical_w + bias.cooling_w;
  bias.wall_plug_efficiency = total > 0 ? bias.optical_w / total : 0;
  return bias;
}

Power laser_power(const Laser& laser, Current current) {
  if (laser.slope_efficiency_w_per_a == 0) {
    throw ConfigError(
        "laser.slope_efficiency: missing (a current gives no light without it). Give threshold "
        "current, slope efficiency and junction voltage.");
  }
  return std::max(0.0, laser.slope_efficiency_w_per_a *
                           (value_in(ampere, current) - laser.threshold_current_a)) *
         watt;
}

}  // namespace attojoule::photonics
