#include "photonics/device.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <string_view>
#include <utility>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::photonics {

namespace {

// Reports against one device.
class Check {
 public:
  explicit Check(const std::string& device) : device_(device) {}

  [[noreturn]] void fail(std::string_view key, double value, std::string_view unit,
                         std::string_view problem, std::string_view why,
                         std::string_view remedy) const {
    throw DeviceError(
        device_, {std::string(key), fmt::format("{}{}{}", value, unit.empty() ? "" : " ", unit),
                  std::string(problem), std::string(why), std::string(remedy)});
  }

  void not_negative(std::string_view key, double value, std::string_view unit,
                    std::string_view why) const {
    if (!(value >= 0 && std::isfinite(value))) {
      fail(key, value, unit, "is negative or not finite", why, "Give zero or a positive number");
    }
  }

  void positive(std::string_view key, double value, std::string_view unit,
                std::string_view why) const {
    if (!(value > 0 && std::isfinite(value))) {
      fail(key, value, unit, "is not a positive number", why, "Give a value above zero");
    }
  }

  void fraction(std::string_view key, double value, std::string_view why) const {
    if (!(value > 0 && value <= 1)) {
      fail(key, value, "", "is outside (0, 1]", why, "Give a fraction, 1 where nothing is lost");
    }
  }

  void belongs_to(std::string_view key, double value, std::string_view unit,
                  std::string_view kind) const {
    if (value != 0) {
      fail(key, value, unit, "would be ignored",
           fmt::format("it describes a {}, which this receiver is not", kind),
           "Remove it or change receiver.kind");
    }
  }

 private:
  const std::string& device_;
};

void validate_receiver(const Check& check, const Receiver& receiver) {
  check.positive("receiver.integration_time", receiver.integration_time_s, "s",
                 "charge is collected over it");
  check.not_negative("receiver.temperature", receiver.temperature_k, "K",
                     "temperatures are absolute");
  check.fraction("receiver.visibility", receiver.visibility,
                 "it is the overlap of the two beams' modes");
  if (!(std::abs(receiver.phase_error_rad) < std::numbers::pi / 2)) {
    check.fail("receiver.phase_error", receiver.phase_error_rad, "rad", "is not below pi/2",
               "the interference signal, in proportion to its cosine, vanishes or turns its sign",
               "Give a smaller phase error");
  }
  if (!(receiver.signal_beam_share > 0 && receiver.signal_beam_share < 1)) {
    check.fail("receiver.signal_beam_share", receiver.signal_beam_share, "", "is outside (0, 1)",
               "without light in one of the beams there is no interference signal",
               "Give a value between 0 and 1, 0.5 for equal beams");
  }
  check.not_negative("receiver.energy_per_read", receiver.energy_per_read_j, "J",
                     "an amplifier does not give energy back");
  check.not_negative("receiver.power", receiver.power_w, "W", "an amplifier draws power");

  const bool integrator = receiver.kind == ReceiverKind::charge_integrator;
  const bool transimpedance = receiver.kind == ReceiverKind::transimpedance;
  if (integrator) {
    check.positive("receiver.capacitance", receiver.capacitance_f, "F",
                   "a charge integrator's noise and full well follow from it");
    check.not_negative("receiver.voltage_swing", receiver.voltage_swing_v, "V",
                       "it limits the charge; zero means no limit");
  } else {
    check.belongs_to("receiver.capacitance", receiver.capacitance_f, "F", "charge integrator");
    check.belongs_to("receiver.voltage_swing", receiver.voltage_swing_v, "V", "charge integrator");
  }
  check.not_negative("receiver.path_mismatch", std::abs(receiver.path_mismatch_s), "s",
                     "it is a delay");
  check.not_negative("receiver.sample_noise_electrons", receiver.sample_noise_electrons,
                     "electrons", "it is a root mean square");
  check.not_negative("receiver.leak_time_constant", receiver.leak_time_constant_s, "s",
                     "zero means no leak");
  check.not_negative("receiver.amplifier_voltage_noise",
                     receiver.amplifier_voltage_noise_v_per_rthz, "V/sqrt(Hz)",
                     "it is a root of a density");
  check.not_negative("receiver.amplifier_current_noise",
                     receiver.amplifier_current_noise_a_per_rthz, "A/sqrt(Hz)",
                     "it is a root of a density");
  check.not_negative("receiver.input_capacitance", receiver.input_capacitance_f, "F",
                     "it is a passive capacitor");
  check.not_negative("receiver.bandwidth", receiver.bandwidth_hz, "Hz", "zero means no limit");
  if (!integrator) {
    check.belongs_to("receiver.sample_noise_electrons", receiver.sample_noise_electrons,
                     "electrons", "charge integrator");
    check.belongs_to("receiver.correlated_double_sampling",
                     receiver.correlated_double_sampling ? 1 : 0, "", "charge integrator");
    check.belongs_to("receiver.leak_time_constant", receiver.leak_time_constant_s, "s",
                     "charge integrator");
  }
  if (!transimpedance) {
    constexpr std::string_view amplifier = "transimpedance amplifier";
    check.belongs_to("receiver.amplifier_voltage_noise",
                     receiver.amplifier_voltage_noise_v_per_rthz, "V/sqrt(Hz)", amplifier);
    check.belongs_to("receiver.amplifier_current_noise",
                     receiver.amplifier_current_noise_a_per_rthz, "A/sqrt(Hz)", amplifier);
    check.belongs_to("receiver.input_capacitance", receiver.input_capacitance_f, "F", amplifier);
    check.belongs_to("receiver.bandwidth", receiver.bandwidth_hz, "Hz", amplifier);
  }
  if (transimpedance) {
    check.positive("receiver.feedback_resistance", receiver.feedback_resistance_ohm, "ohm",
                   "a transimpedance amplifier's noise and gain follow from it");
  } else {
    check.belongs_to("receiver.feedback_resistance", receiver.feedback_resistance_ohm, "ohm",
                     "transimpedance amplifier");
  }
}

void validate_light_current_line(const Check& check, const Laser& laser) {
  check.not_negative("laser.linewidth", laser.linewidth_hz, "Hz", "it is a width");
  check.not_negative("laser.maximum_power", laser.maximum_power_w, "W", "zero means no limit");
  if (laser.count < 0) {
    check.fail("laser.count", static_cast<double>(laser.count), "", "is negative",
               "zero means one for each pair of transmitters", "Give a number of lasers");
  }
  const double slope = laser.slope_efficiency_w_per_a;
  check.not_negative("laser.slope_efficiency", slope, "W/A", "light grows with the current");
  check.not_negative("laser.threshold_current", laser.threshold_current_a, "A",
                     "a laser does not give current back");
  check.not_negative("laser.series_resistance", laser.series_resistance_ohm, "ohm",
                     "it is a passive resistor");
  check.not_negative("laser.cooling_per_heat", laser.cooling_per_heat, "",
                     "a cooler does not give energy back");
  if (slope == 0) {
    constexpr std::string_view described = "laser with laser.slope_efficiency";
    const auto belongs = [&](std::string_view key, double value, std::string_view unit) {
      if (value != 0) {
        check.fail(key, value, unit, "would be ignored",
                   fmt::format("it describes a {}, which is missing", described),
                   "Remove it or add laser.slope_efficiency");
      }
    };
    belongs("laser.threshold_current", laser.threshold_current_a, "A");
    belongs("laser.junction_voltage", laser.junction_voltage_v, "V");
    belongs("laser.series_resistance", laser.series_resistance_ohm, "ohm");
    belongs("laser.cooling_per_heat", laser.cooling_per_heat, "");
    return;
  }
  if (laser.wall_plug_efficiency != 1) {
    check.fail("laser.wall_plug_efficiency", laser.wall_plug_efficiency, "",
               "stands beside laser.slope_efficiency",
               "the light-current line determines it at every power", "Keep one of them");
  }
  const double photon_voltage = constants::planck_j_s * constants::speed_of_light_m_per_s /
                                (constants::elementary_charge_c * laser.wavelength_m);
  if (slope > photon_voltage) {
    check.fail("laser.slope_efficiency", slope, "W/A", "is above h nu / q",
               "an electron releases at most one photon", "Give a smaller slope");
  }
  if (!(laser.junction_voltage_v >= slope && std::isfinite(laser.junction_voltage_v))) {
    check.fail("laser.junction_voltage", laser.junction_voltage_v, "V",
               "is below the slope efficiency in W/A", "the laser would emit more than it draws",
               "Give at least the photon energy over the elementary charge");
  }
}

void validate_modulator(const Check& check, const Modulator& modulator) {
  check.not_negative("modulator.half_wave_voltage", modulator.half_wave_voltage_v, "V",
                     "zero means that it is not described");
  if (!(modulator.extinction_ratio_db > 0)) {
    check.fail("modulator.extinction_ratio", modulator.extinction_ratio_db, "dB", "is not above 0",
               "at 0 dB a closed modulator lets everything through", "Give a positive ratio in dB");
  }
  if (!(std::abs(modulator.bias_error_rad) < std::numbers::pi / 2)) {
    check.fail("modulator.bias_error", modulator.bias_error_rad, "rad", "is not below pi/2",
               "the encoded value would turn its sign", "Give a smaller bias error");
  }
  check.not_negative("modulator.bandwidth", modulator.bandwidth_hz, "Hz", "zero means no limit");
  check.not_negative("modulator.dac_bits", modulator.dac_bits, "bit", "zero means continuous");
  if (modulator.dac_bits > 32 || (modulator.dac_bits > 0 && modulator.dac_bits < 2)) {
    check.fail("modulator.dac_bits", modulator.dac_bits, "bit", "is outside 2 to 32",
               "signs and zero take three levels, and no converter resolves more",
               "Give a number of bits, or 0 for a continuous drive");
  }
  constexpr std::string_view consumer = "a modulator does not give energy back";
  check.not_negative("modulator.energy_per_symbol", modulator.energy_per_symbol_j, "J", consumer);
  check.not_negative("modulator.power", modulator.power_w, "W", consumer);
  check.not_negative("modulator.capacitance", modulator.capacitance_f, "F",
                     "it is a passive capacitor");
  check.not_negative("modulator.drive_voltage", modulator.drive_voltage_v, "V",
                     "it is a peak-to-peak swing");
  if (modulator.energy_per_symbol_j > 0 && modulator.capacitance_f > 0) {
    check.fail("modulator.energy_per_symbol", modulator.energy_per_symbol_j, "J",
               "stands beside modulator.capacitance", "C V^2 / 4 is the energy of a symbol already",
               "Keep one of them");
  }
  if ((modulator.capacitance_f > 0) != (modulator.drive_voltage_v > 0)) {
    const bool without_drive = modulator.capacitance_f > 0;
    check.fail(without_drive ? "modulator.drive_voltage" : "modulator.capacitance", 0,
               without_drive ? "V" : "F", "is missing",
               "the energy of a symbol is C V^2 / 4 and needs both", "Give both or none");
  }
}

void validate_converter(const Check& check, const Converter& adc, ReceiverKind receiver) {
  check.not_negative("adc.bits", adc.bits, "bit", "zero means no converter noise");
  if (adc.bits > 32) {
    check.fail("adc.bits", adc.bits, "bit", "is above 32",
               "no converter resolves that, and the step would drown in rounding",
               "Give an effective number of bits, or 0 for no converter noise");
  }
  check.not_negative("adc.full_scale", adc.full_scale_v, "V", "it is a peak-to-peak range");
  check.not_negative("adc.energy_per_conversion", adc.energy_per_conversion_j, "J",
                     "a converter does not give energy back");
  if (adc.bits > 0) {
    check.positive("adc.full_scale", adc.full_scale_v, "V",
                   "the quantisation step is full_scale / 2^bits");
    if (receiver == ReceiverKind::ideal) {
      check.fail("adc.bits", adc.bits, "bit", "has no effect in electrons",
                 "receiver.kind is ideal, so no capacitance or resistance says how many electrons "
                 "make a volt",
                 "Choose receiver.kind charge-integrator or transimpedance, or set adc.bits to 0");
    }
  }
}

void validate_tile(const Check& check, const Tile& tile) {
  const auto whole = [&check](const char* key, std::int64_t value, std::int64_t lowest) {
    if (value < lowest) {
      check.fail(key, static_cast<double>(value), "", "is too small",
                 "a tile has whole numbers of rows, columns and slots", "Give a larger number");
    }
  };
  whole("tile.rows", tile.rows, 1);
  whole("tile.columns", tile.columns, 1);
  whole("tile.wavelengths", tile.wavelengths, 1);
  whole("tile.accumulation_limit", tile.accumulation_limit, 0);
  whole("tile.fan_out", tile.fan_out, 0);
  check.positive("tile.symbol_rate", tile.symbol_rate_hz, "Hz",
                 "symbols follow each other in time");
  check.not_negative("tile.read_time", tile.read_time_s, "s", "it is a duration");
  check.not_negative("tile.static_power", tile.static_power_w, "W", "a tile draws power");
}

void validate_electronics(const Check& check, const Device& device) {
  constexpr std::string_view logic = "logic does not give energy back";
  check.not_negative("dac.energy_per_conversion", device.dac.energy_per_conversion_j, "J",
                     "a converter does not give energy back");
  check.not_negative("digital.energy_per_addition", device.digital.energy_per_addition_j, "J",
                     logic);
  check.not_negative("memory.energy_per_byte", device.memory.energy_per_byte_j, "J", logic);
  check.positive("memory.bytes_per_operand", device.memory.bytes_per_operand, "",
                 "an operand takes room");
  check.positive("memory.bytes_per_partial_sum", device.memory.bytes_per_partial_sum, "",
                 "a sum takes room");
}

}  // namespace

DeviceError::DeviceError(const std::string& device, DeviceProblem problem)
    : ConfigError(fmt::format("device '{}', {}: {} {} ({}). {}.", device, problem.key,
                              problem.value, problem.problem, problem.why, problem.remedy)),
      problem_(std::move(problem)) {}

void validate(const Device& device) {
  const Check check(device.name);
  const Laser& laser = device.laser;
  check.positive("laser.wavelength", laser.wavelength_m, "m", "the photon energy is h c / lambda");
  check.fraction("laser.wall_plug_efficiency", laser.wall_plug_efficiency,
                 "a laser emits at most the power that it draws");
  check.not_negative("laser.rin", laser.rin_per_hz, "1/Hz", "it is a spectral density");

  validate_light_current_line(check, laser);
  validate_modulator(check, device.modulator);

  const Link& link = device.link;
  constexpr std::string_view passive = "a passive element does not amplify";
  check.not_negative("link.coupling_loss", link.coupling_loss_db, "dB", passive);
  check.not_negative("link.propagation_loss", link.propagation_loss_db, "dB", passive);
  check.not_negative("link.modulator_insertion_loss", link.modulator_insertion_loss_db, "dB",
                     passive);
  check.not_negative("link.splitting_excess_loss", link.splitting_excess_loss_db, "dB", passive);
  check.not_negative("link.detector_coupling_loss", link.detector_coupling_loss_db, "dB", passive);

  const Detector& detector = device.detector;
  check.fraction("detector.quantum_efficiency", detector.quantum_efficiency,
                 "a photon releases at most one electron in a photodiode without gain");
  if (!(detector.excess_noise_factor >= 1 && std::isfinite(detector.excess_noise_factor))) {
    check.fail("detector.excess_noise_factor", detector.excess_noise_factor, "", "is below 1",
               "a gain process adds noise to the counts, it never removes any",
               "Give 1 for a PIN diode or a larger number for an avalanche diode");
  }
  check.not_negative("detector.dark_current", detector.dark_current_a, "A",
                     "it is the reverse current of one diode in the dark");
  check.not_negative("detector.saturation_current", detector.saturation_current_a, "A",
                     "zero means no saturation");

  const double e = std::abs(detector.efficiency_imbalance);
  if (!(detector.quantum_efficiency * (1 + e) <= 1 && e < 1)) {
    check.fail("detector.efficiency_imbalance", detector.efficiency_imbalance, "",
               "makes an efficiency larger than 1 or negative",
               "the diodes have quantum_efficiency x (1 +- imbalance)",
               "Lower it or detector.quantum_efficiency");
  }
  if (!(detector.coupler_transmission > 0 && detector.coupler_transmission < 1)) {
    check.fail("detector.coupler_transmission", detector.coupler_transmission, "",
               "is outside (0, 1)", "a coupler that does not mix gives no interference signal",
               "Give a share between 0 and 1, 0.5 for a balanced coupler");
  }

  validate_receiver(check, device.receiver);
  validate_converter(check, device.adc, device.receiver.kind);
  validate_tile(check, device.tile);
  validate_electronics(check, device);
}

}  // namespace attojoule::photonics
