#include "data/device_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "data/names.hpp"
#include "data/paths.hpp"
#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

using photonics::Device;
using photonics::ReceiverKind;

struct Range {
  double low, high;
  bool low_open;       // low itself is not allowed
  const char* reason;  // why values outside are refused
};

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr Range above_zero{0, infinite, true, "it must be above 0"};
constexpr Range not_negative{0, infinite, false, "it cannot be negative"};
constexpr Range passive{0, infinite, false, "a passive link has no gain: losses are 0 dB or more"};
constexpr Range share{0, 1, true, "it must be above 0 and at most 1"};

// Reads one number of a section, or leaves the default.
void read(const ConfigNode& section, const char* key, Dimension dimension, const Range& range,
          double& target) {
  if (!section.has(key)) return;
  const double value = section.number(key, dimension);
  const bool too_low = range.low_open ? !(value > range.low) : !(value >= range.low);
  if (too_low || !(value <= range.high) || !std::isfinite(value)) {
    section.child(key).fail(
        fmt::format("{} is {} ({})", section.child(key).path(), format_quantity(value, dimension),
                    range.reason),
        "Correct the value or its unit");
  }
  target = value;
}

// A section of the device, or nothing.
template <class Read>
void section(const ConfigNode& root, const char* name, Read read_section) {
  if (!root.has(name)) return;
  const ConfigNode node = root.child(name);
  if (!node.is_map()) node.fail(fmt::format("{} is not a section", name), "Give keys below it");
  read_section(node);
  node.finish();
}

constexpr std::array<std::pair<const char*, ReceiverKind>, 3> receiver_kinds{
    {{"ideal", ReceiverKind::ideal},
     {"charge-integrator", ReceiverKind::charge_integrator},
     {"transimpedance", ReceiverKind::transimpedance}}};

const char* name_of(ReceiverKind kind) {
  for (const auto& [name, value] : receiver_kinds) {
    if (value == kind) return name;
  }
  return "ideal";
}

void read_detector(const ConfigNode& node, double wavelength_m, photonics::Detector& detector) {
  read(node, "quantum_efficiency", Dimension::none, share, detector.quantum_efficiency);
  if (node.has("responsivity")) {
    if (node.has("quantum_efficiency")) {
      node.child("responsivity")
          .fail("detector.responsivity beside detector.quantum_efficiency (each determines the other)",
                "Keep one of them");
    }
    double responsivity = 0;
    read(node, "responsivity", Dimension::responsivity, above_zero, responsivity);
    // eta = R h c / (q lambda)
    namespace si = photonics::constants;
    constexpr double hc_over_q =
        si::planck_j_s * si::speed_of_light_m_per_s / si::elementary_charge_c;  // V m
    detector.quantum_efficiency = responsivity * hc_over_q / wavelength_m;
    if (detector.quantum_efficiency > 1) {
      node.child("responsivity")
          .fail(fmt::format("detector.responsivity is {} (at {} no photodiode without gain exceeds "
                            "q lambda / h c = {})",
                            format_quantity(responsivity, Dimension::responsivity),
                            format_quantity(wavelength_m, Dimension::length),
                            format_quantity(wavelength_m / hc_over_q, Dimension::responsivity)),
                "Correct the value, its unit or the wavelength");
    }
  }
  constexpr Range excess{1, infinite, false, "noise in excess of shot noise: 1 or more"};
  read(node, "excess_noise_factor", Dimension::none, excess, detector.excess_noise_factor);
  read(node, "dark_current", Dimension::current, not_negative, detector.dark_current_a);
  constexpr Range imbalance{-1, 1, true, "efficiencies are eta (1 +- imbalance)"};
  read(node, "efficiency_imbalance", Dimension::none, imbalance, detector.efficiency_imbalance);
  read(node, "coupler_transmission", Dimension::none, share, detector.coupler_transmission);
}

void read_receiver(const ConfigNode& node, photonics::Receiver& receiver) {
  if (node.has("kind")) {
    const std::string kind = node.text("kind");
    const auto* found = std::find_if(receiver_kinds.begin(), receiver_kinds.end(),
                                     [&](const auto& entry) { return kind == entry.first; });
    if (found == receiver_kinds.end()) {
      node.child("kind").fail(fmt::format("receiver.kind '{}' is unknown", shown_text(kind)),
                              "Choose one of: ideal, charge-integrator, transimpedance");
    }
    receiver.kind = found->second;
  }
  read(node, "integration_time", Dimension::time, above_zero, receiver.integration_time_s);
  read(node, "temperature", Dimension::temperature, above_zero, receiver.temperature_k);
  read(node, "capacitance", Dimension::capacitance, above_zero, receiver.capacitance_f);
  read(node, "voltage_swing", Dimension::voltage, above_zero, receiver.voltage_swing_v);
  read(node, "feedback_resistance", Dimension::resistance, above_zero,
       receiver.feedback_resistance_ohm);
  read(node, "visibility", Dimension::none, share, receiver.visibility);
  constexpr double right_angle = 1.5707963267948966;
  constexpr Range phase{-right_angle, right_angle, true,
                        "at 90 degrees and beyond the signal vanishes or inverts"};
  read(node, "phase_error", Dimension::angle, phase, receiver.phase_error_rad);
  constexpr Range any{-infinite, infinite, true, "it must be finite"};
  read(node, "path_mismatch", Dimension::time, any, receiver.path_mismatch_s);
  read(node, "leak_time_constant", Dimension::time, above_zero, receiver.leak_time_constant_s);
  read(node, "sample_noise_electrons", Dimension::none, not_negative,
       receiver.sample_noise_electrons);
  read(node, "input_capacitance", Dimension::capacitance, not_negative,
       receiver.input_capacitance_f);
  if (node.has("correlated_double_sampling")) {
    const std::string answer = node.text("correlated_double_sampling");
    if (answer != "true" && answer != "false") {
      node.child("correlated_double_sampling")
          .fail(fmt::format("receiver.correlated_double_sampling is '{}' (it is done or not)",
                            shown_text(answer)),
                "Give true or false");
    }
    receiver.correlated_double_sampling = answer == "true";
  }
  constexpr Range beam{0, 1, true, "both beams need light: above 0 and below 1"};
  read(node, "signal_beam_share", Dimension::none, beam, receiver.signal_beam_share);
  if (receiver.signal_beam_share >= 1) {
    node.child("signal_beam_share").fail("receiver.signal_beam_share is 1 (both beams need light)",
                                         "Give a number between 0 and 1");
  }
  read(node, "energy_per_read", Dimension::energy, not_negative, receiver.energy_per_read_j);
  if (receiver.kind == ReceiverKind::charge_integrator && !(receiver.capacitance_f > 0)) {
    node.fail("receiver.capacitance: missing (a charge integrator's kTC noise and full well need it)",
              "Add it, e.g. capacitance: 10 pF");
  }
  if (receiver.kind == ReceiverKind::transimpedance && !(receiver.feedback_resistance_ohm > 0)) {
    node.fail("receiver.feedback_resistance: missing (a transimpedance amplifier's noise needs it)",
              "Add it, e.g. feedback_resistance: 10 kohm");
  }
}

Device read_device(const ConfigNode& root) {
  Device device;
  device.name = root.text_or("name", "unnamed");
  device.description = root.text_or("description", "");
  section(root, "laser", [&](const ConfigNode& node) {
    read(node, "wavelength", Dimension::length, above_zero, device.laser.wavelength_m);
    read(node, "wall_plug_efficiency", Dimension::none, share, device.laser.wall_plug_efficiency);
    read(node, "rin", Dimension::relative_intensity_noise, not_negative, device.laser.rin_per_hz);
    read(node, "linewidth", Dimension::frequency, not_negative, device.laser.linewidth_hz);
    read(node, "maximum_power", Dimension::power, above_zero, device.laser.maximum_power_w);
  });
  section(root, "modulator", [&](const ConfigNode& node) {
    auto& modulator = device.modulator;
    read(node, "half_wave_voltage", Dimension::voltage, above_zero, modulator.half_wave_voltage_v);
    read(node, "extinction_ratio", Dimension::ratio_db, above_zero, modulator.extinction_ratio_db);
    constexpr Range bias{-1.5707963267948966, 1.5707963267948966, true, "below 90 degrees"};
    read(node, "bias_error", Dimension::angle, bias, modulator.bias_error_rad);
    read(node, "bandwidth", Dimension::frequency, above_zero, modulator.bandwidth_hz);
    constexpr Range bits{0, 32, true, "bits: above 0, at most 32"};
    read(node, "dac_bits", Dimension::none, bits, modulator.dac_bits);
  });
  section(root, "link", [&](const ConfigNode& node) {
    auto& link = device.link;
    read(node, "coupling_loss", Dimension::ratio_db, passive, link.coupling_loss_db);
    read(node, "propagation_loss", Dimension::ratio_db, passive, link.propagation_loss_db);
    read(node, "modulator_insertion_loss", Dimension::ratio_db, passive,
         link.modulator_insertion_loss_db);
    read(node, "splitting_excess_loss", Dimension::ratio_db, passive, link.splitting_excess_loss_db);
    read(node, "detector_coupling_loss", Dimension::ratio_db, passive, link.detector_coupling_loss_db);
  });
  section(root, "detector", [&](const ConfigNode& node) {
    read_detector(node, device.laser.wavelength_m, device.detector);
  });
  section(root, "receiver", [&](const ConfigNode& node) { read_receiver(node, device.receiver); });
  section(root, "adc", [&](const ConfigNode& node) {
    constexpr Range bits{0, 32, true, "effective bits: above 0, at most 32"};
    read(node, "bits", Dimension::none, bits, device.adc.bits);
    read(node, "full_scale", Dimension::voltage, above_zero, device.adc.full_scale_v);
    read(node, "energy_per_conversion", Dimension::energy, not_negative,
         device.adc.energy_per_conversion_j);
    if (device.adc.bits > 0 && !(device.adc.full_scale_v > 0)) {
      node.fail("adc.full_scale: missing (adc.bits is a step only of a range)",
                "Add it, e.g. full_scale: 1 V");
    }
  });
  root.finish();
  return device;
}

bool names_a_path(const std::string& text) {
  return text.find('/') != std::string::npos || text.ends_with(".yaml") || text.ends_with(".yml");
}

}  // namespace

std::vector<std::string> device_presets() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(data_directory() / "devices")) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Device load_device(const std::string& name_or_path) { return load_device(name_or_path, {}); }

Device load_device(const std::string& name_or_path, const std::vector<std::string>& overrides) {
  std::filesystem::path file(name_or_path);
  if (!names_a_path(name_or_path)) {
    file = data_directory() / "devices" / (name_or_path + ".yaml");
    std::error_code error;
    if (!std::filesystem::exists(file, error)) {
      const auto presets = device_presets();
      const std::string nearest = nearest_name(name_or_path, presets);
      throw ConfigError(fmt::format("device: '{}' is no preset{}. Presets: {}; or give the path of a "
                                    "device.yaml.",
                                    shown_text(name_or_path),
                                    nearest.empty() ? "" : fmt::format(" (nearest: {})", nearest),
                                    joined_names(presets)));
    }
  }
  ConfigNode root = ConfigNode::load(file);
  for (const std::string& assignment : overrides) root.set(assignment);
  return read_device(root);
}

photonics::Device parse_device(const std::string& text, const std::string& place) {
  return read_device(ConfigNode::parse(text, place));
}

std::string device_to_yaml(const Device& device) {
  ConfigNode root;
  const auto set = [&root](const std::string& key, double value, Dimension dimension) {
    root.set(fmt::format("{}={}", key, format_quantity(value, dimension)));
  };
  const auto text = [&root](const std::string& key, const std::string& value) {
    std::string quoted = "\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') quoted += '\\';
      if (c == '\n') {
        quoted += "\\n";
      } else {
        quoted += c;
      }
    }
    root.set(key + "=" + quoted + "\"");
  };
  text("name", device.name);
  if (!device.description.empty()) text("description", device.description);
  set("laser.wavelength", device.laser.wavelength_m, Dimension::length);
  set("laser.wall_plug_efficiency", device.laser.wall_plug_efficiency, Dimension::none);
  set("laser.rin", device.laser.rin_per_hz, Dimension::relative_intensity_noise);
  if (device.laser.linewidth_hz > 0) {
    set("laser.linewidth", device.laser.linewidth_hz, Dimension::frequency);
  }
  if (device.laser.maximum_power_w > 0) {
    set("laser.maximum_power", device.laser.maximum_power_w, Dimension::power);
  }
  const auto& modulator = device.modulator;
  if (modulator.half_wave_voltage_v > 0) {
    set("modulator.half_wave_voltage", modulator.half_wave_voltage_v, Dimension::voltage);
  }
  if (std::isfinite(modulator.extinction_ratio_db)) {
    set("modulator.extinction_ratio", modulator.extinction_ratio_db, Dimension::ratio_db);
  }
  if (modulator.bias_error_rad != 0) {
    set("modulator.bias_error", modulator.bias_error_rad, Dimension::angle);
  }
  if (modulator.bandwidth_hz > 0) {
    set("modulator.bandwidth", modulator.bandwidth_hz, Dimension::frequency);
  }
  if (modulator.dac_bits > 0) set("modulator.dac_bits", modulator.dac_bits, Dimension::none);
  const auto& link = device.link;
  set("link.coupling_loss", link.coupling_loss_db, Dimension::ratio_db);
  set("link.propagation_loss", link.propagation_loss_db, Dimension::ratio_db);
  set("link.modulator_insertion_loss", link.modulator_insertion_loss_db, Dimension::ratio_db);
  set("link.splitting_excess_loss", link.splitting_excess_loss_db, Dimension::ratio_db);
  set("link.detector_coupling_loss", link.detector_coupling_loss_db, Dimension::ratio_db);
  set("detector.quantum_efficiency", device.detector.quantum_efficiency, Dimension::none);
  set("detector.excess_noise_factor", device.detector.excess_noise_factor, Dimension::none);
  set("detector.dark_current", device.detector.dark_current_a, Dimension::current);
  if (device.detector.efficiency_imbalance != 0) {
    set("detector.efficiency_imbalance", device.detector.efficiency_imbalance, Dimension::none);
  }
  if (device.detector.coupler_transmission != 0.5) {
    set("detector.coupler_transmission", device.detector.coupler_transmission, Dimension::none);
  }
  const auto& receiver = device.receiver;
  text("receiver.kind", name_of(receiver.kind));
  set("receiver.integration_time", receiver.integration_time_s, Dimension::time);
  set("receiver.temperature", receiver.temperature_k, Dimension::temperature);
  // 0 stands for "none" in these, and is no value that a file may give.
  const auto set_if = [&](const char* key, double value, Dimension dimension) {
    if (value > 0) set(key, value, dimension);
  };
  set_if("receiver.capacitance", receiver.capacitance_f, Dimension::capacitance);
  set_if("receiver.voltage_swing", receiver.voltage_swing_v, Dimension::voltage);
  set_if("receiver.feedback_resistance", receiver.feedback_resistance_ohm, Dimension::resistance);
  set("receiver.visibility", receiver.visibility, Dimension::none);
  set("receiver.phase_error", receiver.phase_error_rad, Dimension::angle);
  set("receiver.signal_beam_share", receiver.signal_beam_share, Dimension::none);
  if (receiver.path_mismatch_s != 0) {
    set("receiver.path_mismatch", receiver.path_mismatch_s, Dimension::time);
  }
  set_if("receiver.leak_time_constant", receiver.leak_time_constant_s, Dimension::time);
  set_if("receiver.sample_noise_electrons", receiver.sample_noise_electrons, Dimension::none);
  set_if("receiver.input_capacitance", receiver.input_capacitance_f, Dimension::capacitance);
  if (receiver.correlated_double_sampling) {
    root.set("receiver.correlated_double_sampling=true");
  }
  set("receiver.energy_per_read", receiver.energy_per_read_j, Dimension::energy);
  set_if("adc.bits", device.adc.bits, Dimension::none);
  set_if("adc.full_scale", device.adc.full_scale_v, Dimension::voltage);
  set("adc.energy_per_conversion", device.adc.energy_per_conversion_j, Dimension::energy);
  return root.dump();
}

}  // namespace attojoule::data
