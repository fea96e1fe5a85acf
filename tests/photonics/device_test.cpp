#include "photonics/device.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "photonics/error.hpp"

namespace attojoule::photonics {
namespace {

std::string complaint(const Device& device) {
  try {
    validate(device);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(ValidateDevice, TakesTheDefaultAndAFullyEquippedReceiver) {
  EXPECT_EQ(complaint({}), "");
  Device device;
  device.laser = {.wavelength_m = 1310e-9, .wall_plug_efficiency = 0.2, .rin_per_hz = 1e-15};
  device.link.coupling_loss_db = 1.5;
  device.detector = {.quantum_efficiency = 0.8, .excess_noise_factor = 2, .dark_current_a = 1e-9};
  device.receiver = {.kind = ReceiverKind::charge_integrator,
                     .integration_time_s = 1e-8,
                     .capacitance_f = 1e-13,
                     .voltage_swing_v = 1,
                     .visibility = 0.95,
                     .phase_error_rad = -0.1,
                     .signal_beam_share = 0.2,
                     .energy_per_read_j = 1e-13};
  device.adc = {.bits = 7.5, .full_scale_v = 1, .energy_per_conversion_j = 1e-12};
  EXPECT_EQ(complaint(device), "");
}

TEST(ValidateDevice, NamesEveryValueOutsideItsRange) {
  const double nan = std::nan("");
  struct Case {
    std::function<void(Device&)> spoil;
    std::string key;
  };
  const std::vector<Case> cases = {
      {[](Device& d) { d.laser.wavelength_m = 0; }, "laser.wavelength"},
      {[](Device& d) { d.laser.wall_plug_efficiency = 1.1; }, "laser.wall_plug_efficiency"},
      {[](Device& d) { d.laser.wall_plug_efficiency = 0; }, "laser.wall_plug_efficiency"},
      {[](Device& d) { d.laser.rin_per_hz = -1e-15; }, "laser.rin"},
      {[](Device& d) { d.link.coupling_loss_db = -1; }, "link.coupling_loss"},
      {[](Device& d) { d.link.propagation_loss_db = -1; }, "link.propagation_loss"},
      {[](Device& d) { d.link.modulator_insertion_loss_db = -1; }, "link.modulator_insertion_loss"},
      {[](Device& d) { d.link.splitting_excess_loss_db = -1; }, "link.splitting_excess_loss"},
      {[=](Device& d) { d.link.detector_coupling_loss_db = nan; }, "link.detector_coupling_loss"},
      {[](Device& d) { d.detector.quantum_efficiency = 1.01; }, "detector.quantum_efficiency"},
      {[](Device& d) { d.detector.quantum_efficiency = 0; }, "detector.quantum_efficiency"},
      {[](Device& d) { d.detector.excess_noise_factor = 0.99; }, "detector.excess_noise_factor"},
      {[](Device& d) { d.detector.dark_current_a = -1e-9; }, "detector.dark_current"},
      {[](Device& d) { d.receiver.integration_time_s = 0; }, "receiver.integration_time"},
      {[](Device& d) { d.receiver.temperature_k = -1; }, "receiver.temperature"},
      {[](Device& d) { d.receiver.visibility = 1.2; }, "receiver.visibility"},
      {[](Device& d) { d.receiver.visibility = 0; }, "receiver.visibility"},
      {[](Device& d) { d.receiver.phase_error_rad = 1.6; }, "receiver.phase_error"},
      {[=](Device& d) { d.receiver.phase_error_rad = nan; }, "receiver.phase_error"},
      {[](Device& d) { d.receiver.signal_beam_share = 0; }, "receiver.signal_beam_share"},
      {[](Device& d) { d.receiver.signal_beam_share = 1; }, "receiver.signal_beam_share"},
      {[](Device& d) { d.receiver.energy_per_read_j = -1; }, "receiver.energy_per_read"},
      {[](Device& d) { d.receiver.kind = ReceiverKind::charge_integrator; },
       "receiver.capacitance"},
      {[](Device& d) { d.receiver.kind = ReceiverKind::transimpedance; },
       "receiver.feedback_resistance"},
      {[](Device& d) { d.receiver.capacitance_f = 1e-12; }, "receiver.capacitance"},
      {[](Device& d) { d.receiver.voltage_swing_v = 1; }, "receiver.voltage_swing"},
      {[](Device& d) { d.receiver.feedback_resistance_ohm = 1; }, "receiver.feedback_resistance"},
      {[](Device& d) { d.adc.bits = -1; }, "adc.bits"},
      {[](Device& d) { d.adc.bits = 33; }, "adc.bits"},
      {[](Device& d) { d.adc.bits = 8; }, "adc.full_scale"},
      {[](Device& d) { d.adc = {.bits = 8, .full_scale_v = 1}; }, "adc.bits"},
      {[](Device& d) { d.adc.energy_per_conversion_j = -1; }, "adc.energy_per_conversion"},
  };
  for (const Case& c : cases) {
    Device device;
    device.name = "bench-3";
    c.spoil(device);
    const std::string message = complaint(device);
    // <place>: <problem> (<why>). <what to do>.
    EXPECT_EQ(message.rfind("device 'bench-3', " + c.key + ": ", 0), 0u)
        << c.key << ": " << message;
    EXPECT_NE(message.find(" ("), std::string::npos) << message;
    EXPECT_NE(message.find("). "), std::string::npos) << message;
    EXPECT_EQ(message.back(), '.') << message;
  }
}

}  // namespace
}  // namespace attojoule::photonics
