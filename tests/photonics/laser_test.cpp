// The light-current line, and what a watt of light costs.
#include "photonics/laser.hpp"

#include <gtest/gtest.h>

#include "photonics/error.hpp"

namespace attojoule::photonics {
namespace {

Laser diode() {
  Laser laser;
  laser.slope_efficiency_w_per_a = 0.25;
  laser.threshold_current_a = 0.01;
  laser.junction_voltage_v = 0.9;
  laser.series_resistance_ohm = 5;
  laser.cooling_per_heat = 0.5;
  return laser;
}

TEST(Laser, LightCurrentLine) {
  const Laser laser = diode();
  const LaserBias bias = bias_for_power(laser, 10e-3 * watt);
  EXPECT_DOUBLE_EQ(bias.current_a, 0.05);
  EXPECT_DOUBLE_EQ(bias.electrical_w, 0.05 * (0.9 + 0.25));
  EXPECT_DOUBLE_EQ(bias.cooling_w, 0.5 * (0.0575 - 0.01));
  EXPECT_DOUBLE_EQ(bias.wall_plug_efficiency, 0.01 / (0.0575 + 0.02375));
  EXPECT_DOUBLE_EQ(value_in(watt, laser_power(laser, bias.current_a * ampere)), 0.01);
  EXPECT_EQ(value_in(watt, laser_power(laser, 0.005 * ampere)), 0);
  // Threshold is paid without light.
  EXPECT_EQ(bias_for_power(laser, 0.0 * watt).wall_plug_efficiency, 0);
  EXPECT_GT(bias_for_power(laser, 0.0 * watt).electrical_w, 0);
}

TEST(Laser, ConstantEfficiency) {
  Laser laser;
  laser.wall_plug_efficiency = 0.1;
  const LaserBias bias = bias_for_power(laser, 2e-3 * watt);
  EXPECT_DOUBLE_EQ(bias.electrical_w, 0.02);
  EXPECT_EQ(bias.wall_plug_efficiency, 0.1);
  EXPECT_THROW(laser_power(laser, 1.0 * ampere), ConfigError);
}

TEST(Laser, Limits) {
  Laser laser;
  laser.maximum_power_w = 1e-3;
  EXPECT_NO_THROW(bias_for_power(laser, 1e-3 * watt));
  EXPECT_THROW(bias_for_power(laser, 1.1e-3 * watt), ConfigError);
  EXPECT_THROW(bias_for_power(laser, -1.0 * watt), ConfigError);
  Device device;
  device.laser = diode();
  EXPECT_NO_THROW(validate(device));
  device.laser.slope_efficiency_w_per_a = 0.81;  // h nu / q = 0.79989 V at 1550 nm
  EXPECT_THROW(validate(device), ConfigError);
  device.laser = diode();
  device.laser.wall_plug_efficiency = 0.2;
  EXPECT_THROW(validate(device), ConfigError);
  device.laser = diode();
  device.laser.slope_efficiency_w_per_a = 0;
  EXPECT_THROW(validate(device), ConfigError);
}

}  // namespace
}  // namespace attojoule::photonics
