#include "photonics/device_parameters.hpp"

#include <array>
#include <stdexcept>
#include <string>

namespace attojoule::photonics {
namespace {

constexpr std::array parameters{
    DeviceParameter{"laser.wavelength", "m",
                    [](Device& d) -> double& { return d.laser.wavelength_m; }},
    DeviceParameter{"laser.wall_plug_efficiency", "1",
                    [](Device& d) -> double& { return d.laser.wall_plug_efficiency; }},
    DeviceParameter{"laser.rin", "1/Hz", [](Device& d) -> double& { return d.laser.rin_per_hz; }},
    DeviceParameter{"laser.linewidth", "Hz",
                    [](Device& d) -> double& { return d.laser.linewidth_hz; }},
    DeviceParameter{"laser.slope_efficiency", "W/A",
                    [](Device& d) -> double& { return d.laser.slope_efficiency_w_per_a; }},
    DeviceParameter{"laser.threshold_current", "A",
                    [](Device& d) -> double& { return d.laser.threshold_current_a; }},
    DeviceParameter{"laser.junction_voltage", "V",
                    [](Device& d) -> double& { return d.laser.junction_voltage_v; }},
    DeviceParameter{"laser.series_resistance", "ohm",
                    [](Device& d) -> double& { return d.laser.series_resistance_ohm; }},
    DeviceParameter{"laser.cooling_per_heat", "1",
                    [](Device& d) -> double& { return d.laser.cooling_per_heat; }},
    DeviceParameter{"modulator.extinction_ratio", "dB",
                    [](Device& d) -> double& { return d.modulator.extinction_ratio_db; }},
    DeviceParameter{"modulator.dac_bits", "bit",
                    [](Device& d) -> double& { return d.modulator.dac_bits; }},
    DeviceParameter{"modulator.energy_per_symbol", "J",
                    [](Device& d) -> double& { return d.modulator.energy_per_symbol_j; }},
    DeviceParameter{"modulator.capacitance", "F",
                    [](Device& d) -> double& { return d.modulator.capacitance_f; }},
    DeviceParameter{"modulator.drive_voltage", "V",
                    [](Device& d) -> double& { return d.modulator.drive_voltage_v; }},
    DeviceParameter{"modulator.power", "W",
                    [](Device& d) -> double& { return d.modulator.power_w; }},
    DeviceParameter{"dac.energy_per_conversion", "J",
                    [](Device& d) -> double& { return d.dac.energy_per_conversion_j; }},
    DeviceParameter{"link.coupling_loss", "dB",
                    [](Device& d) -> double& { return d.link.coupling_loss_db; }},
    DeviceParameter{"link.propagation_loss", "dB",
                    [](Device& d) -> double& { return d.link.propagation_loss_db; }},
    DeviceParameter{"link.modulator_insertion_loss", "dB",
                    [](Device& d) -> double& { return d.link.modulator_insertion_loss_db; }},
    DeviceParameter{"link.splitting_excess_loss", "dB",
                    [](Device& d) -> double& { return d.link.splitting_excess_loss_db; }},
    DeviceParameter{"link.detector_coupling_loss", "dB",
                    [](Device& d) -> double& { return d.link.detector_coupling_loss_db; }},
    DeviceParameter{"detector.quantum_efficiency", "1",
                    [](Device& d) -> double& { return d.detector.quantum_efficiency; }},
    DeviceParameter{"detector.excess_noise_factor", "1",
                    [](Device& d) -> double& { return d.detector.excess_noise_factor; }},
    DeviceParameter{"detector.dark_current", "A",
                    [](Device& d) -> double& { return d.detector.dark_current_a; }},
    DeviceParameter{"detector.efficiency_imbalance", "1",
                    [](Device& d) -> double& { return d.detector.efficiency_imbalance; }},
    DeviceParameter{"detector.coupler_transmission", "1",
                    [](Device& d) -> double& { return d.detector.coupler_transmission; }},
    DeviceParameter{"receiver.integration_time", "s",
                    [](Device& d) -> double& { return d.receiver.integration_time_s; }},
    DeviceParameter{"receiver.temperature", "K",
                    [](Device& d) -> double& { return d.receiver.temperature_k; }},
    DeviceParameter{"receiver.capacitance", "F",
                    [](Device& d) -> double& { return d.receiver.capacitance_f; }},
    DeviceParameter{"receiver.feedback_resistance", "ohm",
                    [](Device& d) -> double& { return d.receiver.feedback_resistance_ohm; }},
    DeviceParameter{"receiver.visibility", "1",
                    [](Device& d) -> double& { return d.receiver.visibility; }},
    DeviceParameter{"receiver.phase_error", "rad",
                    [](Device& d) -> double& { return d.receiver.phase_error_rad; }},
    DeviceParameter{"receiver.signal_beam_share", "1",
                    [](Device& d) -> double& { return d.receiver.signal_beam_share; }},
    DeviceParameter{"receiver.energy_per_read", "J",
                    [](Device& d) -> double& { return d.receiver.energy_per_read_j; }},
    DeviceParameter{"receiver.power", "W", [](Device& d) -> double& { return d.receiver.power_w; }},
    DeviceParameter{"receiver.path_mismatch", "s",
                    [](Device& d) -> double& { return d.receiver.path_mismatch_s; }},
    DeviceParameter{"receiver.sample_noise_electrons", "electron",
                    [](Device& d) -> double& { return d.receiver.sample_noise_electrons; }},
    DeviceParameter{"receiver.leak_time_constant", "s",
                    [](Device& d) -> double& { return d.receiver.leak_time_constant_s; }},
    DeviceParameter{
        "receiver.amplifier_voltage_noise", "V/sqrt(Hz)",
        [](Device& d) -> double& { return d.receiver.amplifier_voltage_noise_v_per_rthz; }},
    DeviceParameter{
        "receiver.amplifier_current_noise", "A/sqrt(Hz)",
        [](Device& d) -> double& { return d.receiver.amplifier_current_noise_a_per_rthz; }},
    DeviceParameter{"receiver.input_capacitance", "F",
                    [](Device& d) -> double& { return d.receiver.input_capacitance_f; }},
    DeviceParameter{"receiver.bandwidth", "Hz",
                    [](Device& d) -> double& { return d.receiver.bandwidth_hz; }},
    DeviceParameter{"adc.bits", "bit", [](Device& d) -> double& { return d.adc.bits; }},
    DeviceParameter{"adc.full_scale", "V", [](Device& d) -> double& { return d.adc.full_scale_v; }},
    DeviceParameter{"adc.energy_per_conversion", "J",
                    [](Device& d) -> double& { return d.adc.energy_per_conversion_j; }},
    DeviceParameter{"tile.symbol_rate", "Hz",
                    [](Device& d) -> double& { return d.tile.symbol_rate_hz; }},
    DeviceParameter{"tile.read_time", "s", [](Device& d) -> double& { return d.tile.read_time_s; }},
    DeviceParameter{"tile.static_power", "W",
                    [](Device& d) -> double& { return d.tile.static_power_w; }},
    DeviceParameter{"digital.energy_per_addition", "J",
                    [](Device& d) -> double& { return d.digital.energy_per_addition_j; }},
    DeviceParameter{"memory.energy_per_byte", "J",
                    [](Device& d) -> double& { return d.memory.energy_per_byte_j; }},
    DeviceParameter{"memory.bytes_per_operand", "1",
                    [](Device& d) -> double& { return d.memory.bytes_per_operand; }},
    DeviceParameter{"memory.bytes_per_partial_sum", "1",
                    [](Device& d) -> double& { return d.memory.bytes_per_partial_sum; }},
};

constexpr std::array counts{
    DeviceCount{"laser.count", [](Device& d) -> std::int64_t& { return d.laser.count; }},
    DeviceCount{"tile.rows", [](Device& d) -> std::int64_t& { return d.tile.rows; }},
    DeviceCount{"tile.columns", [](Device& d) -> std::int64_t& { return d.tile.columns; }},
    DeviceCount{"tile.wavelengths", [](Device& d) -> std::int64_t& { return d.tile.wavelengths; }},
    DeviceCount{"tile.accumulation_limit",
                [](Device& d) -> std::int64_t& { return d.tile.accumulation_limit; }},
    DeviceCount{"tile.fan_out", [](Device& d) -> std::int64_t& { return d.tile.fan_out; }},
};

}  // namespace

double DeviceParameter::in(const Device& device) const {
  Device copy = device;
  return of(copy);
}

std::span<const DeviceParameter> device_parameters() {
  return parameters;
}

std::span<const DeviceCount> device_counts() {
  return counts;
}

std::size_t parameter_index(std::string_view key) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].key == key) return i;
  }
  throw std::logic_error("no device parameter " + std::string(key));
}

}  // namespace attojoule::photonics
