// What would lower the bill: derivatives against finite differences, steps against new bills.
#include "network/energy_sensitivity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "photonics/device_parameters.hpp"

namespace attojoule::network {
namespace {

using photonics::Device;
using photonics::OperatingPoint;

Device full_device() {
  Device d;
  d.laser.wall_plug_efficiency = 0.2;
  d.laser.rin_per_hz = 1e-14;
  d.link.coupling_loss_db = 2;
  d.link.propagation_loss_db = 0.5;
  d.link.splitting_excess_loss_db = 1;
  d.detector.quantum_efficiency = 0.8;
  d.detector.dark_current_a = 1e-8;
  d.modulator.energy_per_symbol_j = 5e-15;
  d.modulator.power_w = 1e-4;
  d.dac.energy_per_conversion_j = 1e-13;
  d.receiver.kind = photonics::ReceiverKind::charge_integrator;
  d.receiver.integration_time_s = 50e-9;
  d.receiver.capacitance_f = 5e-15;
  d.receiver.visibility = 0.9;
  d.receiver.energy_per_read_j = 3e-13;
  d.receiver.power_w = 1e-5;
  d.adc.bits = 8;
  d.adc.full_scale_v = 0.5;
  d.adc.energy_per_conversion_j = 1e-12;
  d.digital.energy_per_addition_j = 1e-14;
  d.memory.energy_per_byte_j = 1e-13;
  d.tile.static_power_w = 0.05;
  d.tile.rows = 16;
  d.tile.columns = 8;
  d.tile.fan_out = 8;
  d.tile.accumulation_limit = 64;
  d.tile.read_time_s = 2e-9;
  return d;
}

Device device_with_line() {
  Device d = full_device();
  d.laser.wall_plug_efficiency = 1;
  d.laser.slope_efficiency_w_per_a = 0.3;
  d.laser.threshold_current_a = 1e-5;
  d.laser.junction_voltage_v = 1;
  d.laser.series_resistance_ohm = 5;
  d.laser.cooling_per_heat = 0.5;
  d.modulator.energy_per_symbol_j = 0;
  d.modulator.capacitance_f = 20e-15;
  d.modulator.drive_voltage_v = 1;
  return d;
}

MatrixProduct product_of(std::int64_t channels, std::int64_t positions, std::int64_t length) {
  MatrixProduct product;
  product.name = "layer";
  product.channels = channels;
  product.positions = positions;
  product.dot_length = length;
  return product;
}

struct Layers {
  std::vector<MatrixProduct> products{product_of(20, 30, 100), product_of(7, 9, 300),
                                      product_of(6, 4, 64)};
  std::vector<LayerQuestion> questions;

  Layers() {
    for (std::size_t i = 0; i < products.size(); ++i) {
      LayerQuestion question;
      question.product = &products[i];
      question.points = {{.photons_per_mac = 200.0 * static_cast<double>(i + 1), .repetitions = 2}};
      question.correlation = 0.2;
      questions.push_back(question);
    }
    // The last layer has channels of its own; a digital layer costs nothing.
    questions[2].points.clear();
    for (int c = 0; c < 6; ++c) {
      questions[2].points.push_back({.photons_per_mac = 300.0 + 40 * c});
    }
    questions.emplace_back();
  }
};

const ParameterSensitivity* find(const std::vector<ParameterSensitivity>& list,
                                 const std::string& key) {
  const auto it =
      std::find_if(list.begin(), list.end(), [&](const auto& s) { return s.key == key; });
  return it == list.end() ? nullptr : &*it;
}

Device moved(const Device& device, const photonics::DeviceParameter& parameter, double step) {
  Device changed = device;
  double& value = parameter.of(changed);
  value = photonics::is_decibel(parameter) ? value + step : value * std::exp(step);
  return changed;
}

double energy_at_noise(const Device& device, const Device& changed, const Layers& layers) {
  auto questions = layers.questions;
  const auto points = points_of_same_noise(device, changed, questions);
  for (std::size_t i = 0; i < questions.size(); ++i) questions[i].points = points[i];
  return total_energy_j(changed, questions);
}

TEST(EnergySensitivity, DerivativesEqualFiniteDifferences) {
  const Layers layers;
  for (const Device& device : {full_device(), device_with_line()}) {
    const auto list = energy_sensitivities(device, layers.questions);
    int checked = 0;
    for (const auto& parameter : photonics::device_parameters()) {
      const double value = parameter.in(device);
      if (value == 0 || !std::isfinite(value)) continue;
      constexpr double h = 1e-5;
      const Device up = moved(device, parameter, h), down = moved(device, parameter, -h);
      // Where the starting value is at its limit (an efficiency of 1) only one side exists.
      if (std::string(parameter.key) == "laser.wall_plug_efficiency" && value == 1) continue;
      const double point =
          std::log(total_energy_j(up, layers.questions) / total_energy_j(down, layers.questions)) /
          (2 * h);
      const double noise =
          std::log(energy_at_noise(device, up, layers) / energy_at_noise(device, down, layers)) /
          (2 * h);
      const ParameterSensitivity* entry = find(list, parameter.key);
      if (entry == nullptr) {
        EXPECT_NEAR(point, 0, 1e-9) << parameter.key;
        EXPECT_NEAR(noise, 0, 1e-9) << parameter.key;
        continue;
      }
      EXPECT_NEAR(entry->at_fixed_point, point, 1e-8 + 1e-6 * std::abs(point)) << parameter.key;
      EXPECT_NEAR(entry->at_fixed_noise, noise, 1e-8 + 1e-6 * std::abs(noise)) << parameter.key;
      ++checked;
    }
    EXPECT_GT(checked, 20);
  }
}

// With prices, losses and powers all scaled, so is the bill: their slopes add up to 1.
TEST(EnergySensitivity, PricesAddUpToTheBill) {
  const Layers layers;
  const auto list = energy_sensitivities(full_device(), layers.questions);
  double sum = 0;
  for (const char* price :
       {"modulator.energy_per_symbol", "modulator.power", "dac.energy_per_conversion",
        "receiver.energy_per_read", "receiver.power", "adc.energy_per_conversion",
        "digital.energy_per_addition", "memory.energy_per_byte", "tile.static_power"}) {
    ASSERT_NE(find(list, price), nullptr) << price;
    sum += find(list, price)->at_fixed_point;
  }
  sum -= find(list, "laser.wall_plug_efficiency")->at_fixed_point;
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(EnergySensitivity, OneDecibelOfLoss) {
  const Layers layers;
  const Device device = full_device();
  const auto list = energy_sensitivities(device, layers.questions);
  const ParameterSensitivity& loss = *find(list, "link.coupling_loss");
  EXPECT_EQ(loss.step, "1 dB less");
  Device better = device;
  better.link.coupling_loss_db = 1;
  EXPECT_NEAR(
      loss.saving_at_fixed_point,
      1 - total_energy_j(better, layers.questions) / total_energy_j(device, layers.questions),
      1e-12);
  // Losses before the receiver change the laser alone: the same at either condition.
  EXPECT_NEAR(loss.saving_at_fixed_noise, loss.saving_at_fixed_point, 1e-9);
  EXPECT_NEAR(loss.at_fixed_noise, loss.at_fixed_point, 1e-12);
  const ParameterSensitivity& half = *find(list, "link.propagation_loss");
  EXPECT_EQ(half.step, "none of it");
  EXPECT_EQ(find(list, "link.detector_coupling_loss")->saving_at_fixed_noise, 0);
}

TEST(EnergySensitivity, HoldsTheNoise) {
  const Layers layers;
  const Device device = full_device();
  Device changed = device;
  changed.detector.quantum_efficiency = 0.5;
  changed.receiver.capacitance_f = 20e-15;
  const auto points = points_of_same_noise(device, changed, layers.questions);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t c = 0; c < points[i].size(); ++c) {
      EXPECT_GT(points[i][c].photons_per_mac, layers.questions[i].points[c].photons_per_mac);
      const double before =
          noise_slopes_of(device, layers.questions[i], layers.questions[i].points[c]).variance;
      const double after = noise_slopes_of(changed, layers.questions[i], points[i][c]).variance;
      EXPECT_NEAR(after, before, 1e-9 * before);
    }
  }
  // At a fixed point the capacitance costs nothing; with the noise held it does.
  const auto list = energy_sensitivities(device, layers.questions);
  EXPECT_EQ(find(list, "receiver.capacitance")->at_fixed_point, 0);
  EXPECT_GT(find(list, "receiver.capacitance")->at_fixed_noise, 1e-5);
  EXPECT_LT(find(list, "detector.quantum_efficiency")->at_fixed_noise, -1e-4);
}

TEST(EnergySensitivity, IntensityNoiseAboveTheTargetCannotBeHeld) {
  Layers layers;
  for (auto& question : layers.questions) question.correlation = 1;
  const Device device = full_device();
  Device worse = device;
  worse.laser.rin_per_hz = 1e-6;
  const auto points = points_of_same_noise(device, worse, layers.questions);
  EXPECT_TRUE(std::isnan(points[0][0].photons_per_mac));
}

TEST(EnergySensitivity, WholeNumbersByADoubling) {
  const Layers layers;
  const Device device = full_device();
  const auto list = energy_sensitivities(device, layers.questions);
  const ParameterSensitivity& fan_out = *find(list, "tile.fan_out");
  Device wide = device;
  wide.tile.fan_out = 16;
  EXPECT_TRUE(fan_out.whole);
  EXPECT_NEAR(
      fan_out.at_fixed_point,
      std::log2(total_energy_j(wide, layers.questions) / total_energy_j(device, layers.questions)),
      1e-12);
  Device automatic = device;
  automatic.tile.fan_out = 0;
  const auto others = energy_sensitivities(automatic, layers.questions);
  const ParameterSensitivity& whole = *find(others, "tile.fan_out");
  EXPECT_EQ(whole.value, 16);
  EXPECT_EQ(whole.step, "half");
  EXPECT_LT(whole.at_fixed_point, 0);  // wider is cheaper
}

TEST(EnergySensitivity, RankedAndPublishedLaws) {
  Layers layers;
  const auto list = energy_sensitivities(full_device(), layers.questions);
  for (std::size_t i = 1; i < list.size(); ++i) {
    EXPECT_FALSE(list[i].saving_at_fixed_noise > list[i - 1].saving_at_fixed_noise);
  }
  Device counter;
  counter.detector.quantum_efficiency = 0.5;
  for (auto& question : layers.questions) question.request.law = photonics::Law::counting;
  const auto counted = energy_sensitivities(counter, layers.questions);
  EXPECT_NEAR(find(counted, "detector.quantum_efficiency")->at_fixed_noise, -1, 1e-12);
  EXPECT_EQ(find(counted, "detector.quantum_efficiency")->at_fixed_point, 0);
  EXPECT_NEAR(find(counted, "detector.quantum_efficiency")->saving_at_fixed_noise, 1 - 1 / 1.1,
              1e-12);
}

}  // namespace
}  // namespace attojoule::network
