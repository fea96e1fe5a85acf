#include "data/device_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "data/component_library.hpp"
#include "data/device_calibration.hpp"
#include "data/names.hpp"
#include "data/paths.hpp"
#include "data/yaml_text.hpp"
#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

using photonics::Device;
using photonics::ReceiverKind;

// Reads one number of a section, or leaves the default. Its range is checked by
// photonics::validate(), which knows the physics; here is only what a file can get wrong.
void read(const ConfigNode& section, const char* key, Dimension dimension, double& target) {
  target = section.number_or(key, dimension, target);
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

// A key of a section whose price a component of the library can give.
struct Priced {
  const char* key;
  Dimension dimension;
  double* target;
};

// `component: NAME` or `component: {name: NAME, bits: 8, extrapolate: true}`: prices of the
// library, before keys that stand beside it, which win. `bits` (0 = not said) are those of a
// converter.
void read_prices(const ConfigNode& section, const std::string& family, double bits,
                 const std::vector<Priced>& prices, Device& device) {
  if (section.has("component")) {
    const ConfigNode named = section.child("component");
    const std::string name = named.is_map() ? named.text("name") : named.text();
    const auto& library = ComponentLibrary::shipped();
    const Component* component = library.find(family, name);
    if (component == nullptr) {
      std::vector<std::string> known;
      for (const Component* entry : library.family(family)) known.push_back(entry->name);
      const std::string nearest = nearest_name(name, known);
      named.fail(
          fmt::format("{}.component '{}' is not in the library{}", family, shown_text(name),
                      nearest.empty() ? "" : fmt::format(" (nearest: {})", nearest)),
          fmt::format("Components of {}: {}; `attojoule info components` lists their sources",
                      family, joined_names(known)));
    }
    bool extrapolate = false;
    if (named.is_map()) {
      extrapolate = named.boolean_or("extrapolate", false);
      bits = named.number_or("bits", Dimension::none, bits);
      named.finish();
    }
    for (const Priced& price : prices) {
      if (component->bits_high > 0) {
        if (bits == 0 && component->bits_low < component->bits_high) {
          named.fail(fmt::format("{}.component '{}' is priced by its bits, and none are given",
                                 family, name),
                     fmt::format("Write component: {{name: {}, bits: 8}}, or give the converter's "
                                 "bits",
                                 name));
        }
        *price.target = conversion_energy_j(*component, bits > 0 ? bits : component->bits_low,
                                            extrapolate, named);
      } else if (component->value(price.key) == 0) {
        continue;
      } else {
        *price.target = component->value(price.key);
      }
      if (!section.has(price.key)) {
        device.origins.emplace_back(family + "." + price.key, origin_of(*component));
      }
    }
  }
  for (const Priced& price : prices) read(section, price.key, price.dimension, *price.target);
}

void read_detector(const ConfigNode& node, double wavelength_m, photonics::Detector& detector) {
  read(node, "quantum_efficiency", Dimension::none, detector.quantum_efficiency);
  if (node.has("responsivity")) {
    if (node.has("quantum_efficiency")) {
      node.child("responsivity")
          .fail(
              "detector.responsivity beside detector.quantum_efficiency (each determines the "
              "other)",
              "Keep one of them");
    }
    // eta = R h c / (q lambda)
    namespace si = photonics::constants;
    constexpr double hc_over_q =
        si::planck_j_s * si::speed_of_light_m_per_s / si::elementary_charge_c;  // V m
    detector.quantum_efficiency =
        node.number("responsivity", Dimension::responsivity) * hc_over_q / wavelength_m;
  }
  read(node, "excess_noise_factor", Dimension::none, detector.excess_noise_factor);
  read(node, "dark_current", Dimension::current, detector.dark_current_a);
  read(node, "efficiency_imbalance", Dimension::none, detector.efficiency_imbalance);
  read(node, "coupler_transmission", Dimension::none, detector.coupler_transmission);
  read(node, "saturation_current", Dimension::current, detector.saturation_current_a);
}

void read_receiver(const ConfigNode& node, Device& device) {
  photonics::Receiver& receiver = device.receiver;
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
  read(node, "integration_time", Dimension::time, receiver.integration_time_s);
  read(node, "temperature", Dimension::temperature, receiver.temperature_k);
  read(node, "capacitance", Dimension::capacitance, receiver.capacitance_f);
  read(node, "voltage_swing", Dimension::voltage, receiver.voltage_swing_v);
  read(node, "feedback_resistance", Dimension::resistance, receiver.feedback_resistance_ohm);
  read(node, "visibility", Dimension::none, receiver.visibility);
  read(node, "phase_error", Dimension::angle, receiver.phase_error_rad);
  read(node, "path_mismatch", Dimension::time, receiver.path_mismatch_s);
  read(node, "leak_time_constant", Dimension::time, receiver.leak_time_constant_s);
  read(node, "sample_noise_electrons", Dimension::none, receiver.sample_noise_electrons);
  read(node, "input_capacitance", Dimension::capacitance, receiver.input_capacitance_f);
  read(node, "amplifier_voltage_noise", Dimension::voltage_noise_density,
       receiver.amplifier_voltage_noise_v_per_rthz);
  read(node, "amplifier_current_noise", Dimension::current_noise_density,
       receiver.amplifier_current_noise_a_per_rthz);
  read(node, "bandwidth", Dimension::frequency, receiver.bandwidth_hz);
  receiver.correlated_double_sampling =
      node.boolean_or("correlated_double_sampling", receiver.correlated_double_sampling);
  read(node, "signal_beam_share", Dimension::none, receiver.signal_beam_share);
  read_prices(node, "receiver", 0,
              {{"energy_per_read", Dimension::energy, &receiver.energy_per_read_j},
               {"power", Dimension::power, &receiver.power_w}},
              device);
}

void read_laser(const ConfigNode& node, Device& device) {
  photonics::Laser& laser = device.laser;
  read(node, "wavelength", Dimension::length, laser.wavelength_m);
  read_prices(node, "laser", 0,
              {{"wall_plug_efficiency", Dimension::none, &laser.wall_plug_efficiency}}, device);
  read(node, "rin", Dimension::relative_intensity_noise, laser.rin_per_hz);
  const std::string slots = node.text_or("rin_slots", laser.rin_common_to_slots ? "common" : "");
  if (slots != "common" && slots != "independent") {
    node.child("rin_slots")
        .fail(fmt::format("laser.rin_slots '{}' is unknown", shown_text(slots)),
              "Choose one of: common, independent");
  }
  laser.rin_common_to_slots = slots == "common";
  read(node, "linewidth", Dimension::frequency, laser.linewidth_hz);
  read(node, "maximum_power", Dimension::power, laser.maximum_power_w);
  read(node, "slope_efficiency", Dimension::slope_efficiency, laser.slope_efficiency_w_per_a);
  read(node, "threshold_current", Dimension::current, laser.threshold_current_a);
  read(node, "junction_voltage", Dimension::voltage, laser.junction_voltage_v);
  read(node, "series_resistance", Dimension::resistance, laser.series_resistance_ohm);
  read(node, "cooling_per_heat", Dimension::none, laser.cooling_per_heat);
  laser.count = node.integer_or("count", laser.count);
}

constexpr std::array<std::pair<const char*, photonics::Dataflow>, 2> dataflows{
    {{"output-stationary", photonics::Dataflow::output_stationary},
     {"weight-stationary", photonics::Dataflow::weight_stationary}}};

void read_tile(const ConfigNode& node, photonics::Tile& tile) {
  if (node.has("dataflow")) {
    const std::string name = node.text("dataflow");
    const auto* found = std::find_if(dataflows.begin(), dataflows.end(),
                                     [&](const auto& entry) { return name == entry.first; });
    if (found == dataflows.end()) {
      node.child("dataflow")
          .fail(fmt::format("tile.dataflow '{}' is unknown", shown_text(name)),
                "Choose one of: output-stationary, weight-stationary");
    }
    tile.dataflow = found->second;
  }
  tile.rows = node.integer_or("rows", tile.rows);
  tile.columns = node.integer_or("columns", tile.columns);
  tile.wavelengths = node.integer_or("wavelengths", tile.wavelengths);
  tile.accumulation_limit = node.integer_or("accumulation_limit", tile.accumulation_limit);
  tile.fan_out = node.integer_or("fan_out", tile.fan_out);
  read(node, "symbol_rate", Dimension::frequency, tile.symbol_rate_hz);
  read(node, "read_time", Dimension::time, tile.read_time_s);
  read(node, "static_power", Dimension::power, tile.static_power_w);
}

void read_modulator(const ConfigNode& node, Device& device) {
  photonics::Modulator& modulator = device.modulator;
  read(node, "half_wave_voltage", Dimension::voltage, modulator.half_wave_voltage_v);
  read(node, "extinction_ratio", Dimension::ratio_db, modulator.extinction_ratio_db);
  read(node, "bias_error", Dimension::angle, modulator.bias_error_rad);
  read(node, "bandwidth", Dimension::frequency, modulator.bandwidth_hz);
  read(node, "dac_bits", Dimension::none, modulator.dac_bits);
  read(node, "capacitance", Dimension::capacitance, modulator.capacitance_f);
  read(node, "drive_voltage", Dimension::voltage, modulator.drive_voltage_v);
  read_prices(node, "modulator", 0,
              {{"energy_per_symbol", Dimension::energy, &modulator.energy_per_symbol_j},
               {"power", Dimension::power, &modulator.power_w}},
              device);
}

// Sections of electronics, which have a price and little else.
void read_electronics(const ConfigNode& root, Device& device) {
  section(root, "dac", [&](const ConfigNode& node) {
    read_prices(node, "dac", device.modulator.dac_bits,
                {{"energy_per_conversion", Dimension::energy, &device.dac.energy_per_conversion_j}},
                device);
  });
  section(root, "adc", [&](const ConfigNode& node) {
    read(node, "bits", Dimension::none, device.adc.bits);
    read(node, "full_scale", Dimension::voltage, device.adc.full_scale_v);
    read_prices(node, "adc", device.adc.bits,
                {{"energy_per_conversion", Dimension::energy, &device.adc.energy_per_conversion_j}},
                device);
  });
  section(root, "digital", [&](const ConfigNode& node) {
    read_prices(node, "digital", 0,
                {{"energy_per_addition", Dimension::energy, &device.digital.energy_per_addition_j}},
                device);
  });
  section(root, "memory", [&](const ConfigNode& node) {
    read_prices(node, "memory", 0,
                {{"energy_per_byte", Dimension::energy, &device.memory.energy_per_byte_j}}, device);
    read(node, "bytes_per_operand", Dimension::none, device.memory.bytes_per_operand);
    read(node, "bytes_per_partial_sum", Dimension::none, device.memory.bytes_per_partial_sum);
  });
}

// Says what validate() found where the file says it, and in the file's words.
[[noreturn]] void refuse(const ConfigNode& root, const photonics::DeviceProblem& problem) {
  const std::size_t dot = problem.key.find('.');
  const std::string section = problem.key.substr(0, dot);
  const std::string name = problem.key.substr(dot + 1);
  ConfigNode place = root.has(section) ? root.child(section) : root;
  std::string subject = fmt::format("{}: missing, and its default {}", problem.key, problem.value);
  if (place.path() == section && place.has(name)) {
    place = place.child(name);
    subject = fmt::format("{}: \"{}\"", problem.key, shown_text(place.text()));
  } else if (problem.key == "detector.quantum_efficiency" && place.has("responsivity")) {
    place = place.child("responsivity");
    subject = fmt::format("{}: \"{}\" is a quantum efficiency of {} at this wavelength, which",
                          place.path(), shown_text(place.text()), problem.value);
  }
  place.fail(fmt::format("{} {} ({})", subject, problem.problem, problem.why), problem.remedy);
}

Device read_device(const ConfigNode& root) {
  // A table of numbers is YAML too: one long word.
  if (!root.is_map())
    root.fail("is no device file (it has no sections)", "Give keys below sections");
  Device device;
  device.name = root.text_or("name", "unnamed");
  device.description = root.text_or("description", "");
  section(root, "laser", [&](const ConfigNode& node) { read_laser(node, device); });
  section(root, "modulator", [&](const ConfigNode& node) { read_modulator(node, device); });
  section(root, "link", [&](const ConfigNode& node) {
    auto& link = device.link;
    read(node, "coupling_loss", Dimension::ratio_db, link.coupling_loss_db);
    read(node, "propagation_loss", Dimension::ratio_db, link.propagation_loss_db);
    read(node, "modulator_insertion_loss", Dimension::ratio_db, link.modulator_insertion_loss_db);
    read(node, "splitting_excess_loss", Dimension::ratio_db, link.splitting_excess_loss_db);
    read(node, "detector_coupling_loss", Dimension::ratio_db, link.detector_coupling_loss_db);
  });
  section(root, "detector", [&](const ConfigNode& node) {
    read_detector(node, device.laser.wavelength_m, device.detector);
  });
  section(root, "receiver", [&](const ConfigNode& node) { read_receiver(node, device); });
  read_electronics(root, device);
  section(root, "tile", [&](const ConfigNode& node) { read_tile(node, device.tile); });
  read_calibration(root);  // for its errors; draw_devices() uses it
  root.finish();
  try {
    photonics::validate(device);
  } catch (const photonics::DeviceError& error) {
    refuse(root, error.problem());
  }
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

Device load_device(const std::string& name_or_path) {
  return load_device(name_or_path, {});
}

std::filesystem::path device_path(const std::string& name_or_path) {
  std::filesystem::path file(name_or_path);
  if (!names_a_path(name_or_path)) {
    file = data_directory() / "devices" / (name_or_path + ".yaml");
    std::error_code error;
    if (!std::filesystem::exists(file, error)) {
      const auto presets = device_presets();
      const std::string nearest = nearest_name(name_or_path, presets);
      throw ConfigError(fmt::format(
          "device: '{}' is no preset{}. Presets: {}; or give the path of a "
          "device.yaml.",
          shown_text(name_or_path), nearest.empty() ? "" : fmt::format(" (nearest: {})", nearest),
          joined_names(presets)));
    }
  }
  return file;
}

Device load_device(const std::string& name_or_path, const std::vector<std::string>& overrides) {
  ConfigNode root = ConfigNode::load(device_path(name_or_path));
  for (const std::string& assignment : overrides) root.set(assignment);
  return read_device(root);
}

photonics::Device parse_device(const std::string& text, const std::string& place) {
  return read_device(ConfigNode::parse(text, place));
}

std::string device_to_yaml(const Device& device) {
  ConfigNode root;
  // A price that came from a component keeps its origin.
  const auto set = [&](const std::string& key, double value, Dimension dimension) {
    const std::string quantity = format_quantity(value, dimension);
    const auto origin = std::find_if(device.origins.begin(), device.origins.end(),
                                     [&](const auto& entry) { return entry.first == key; });
    root.set(origin == device.origins.end() ? fmt::format("{}={}", key, quantity)
                                            : fmt::format("{}={{value: {}, source: {}}}", key,
                                                          quantity, yaml_quoted(origin->second)));
  };
  const auto text = [&root](const std::string& key, const std::string& value) {
    root.set(key + "=" + yaml_quoted(value));
  };
  text("name", device.name);
  if (!device.description.empty()) text("description", device.description);
  set("laser.wavelength", device.laser.wavelength_m, Dimension::length);
  if (device.laser.slope_efficiency_w_per_a > 0) {
    const auto& laser = device.laser;
    set("laser.slope_efficiency", laser.slope_efficiency_w_per_a, Dimension::slope_efficiency);
    set("laser.threshold_current", laser.threshold_current_a, Dimension::current);
    set("laser.junction_voltage", laser.junction_voltage_v, Dimension::voltage);
    set("laser.series_resistance", laser.series_resistance_ohm, Dimension::resistance);
    set("laser.cooling_per_heat", laser.cooling_per_heat, Dimension::none);
  } else {
    set("laser.wall_plug_efficiency", device.laser.wall_plug_efficiency, Dimension::none);
  }
  if (device.laser.count > 0) root.set(fmt::format("laser.count={}", device.laser.count));
  set("laser.rin", device.laser.rin_per_hz, Dimension::relative_intensity_noise);
  if (!device.laser.rin_common_to_slots) text("laser.rin_slots", "independent");
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
  // 0 stands for "none" in these.
  const auto set_if = [&](const char* key, double value, Dimension dimension) {
    if (value > 0) set(key, value, dimension);
  };
  set_if("modulator.energy_per_symbol", modulator.energy_per_symbol_j, Dimension::energy);
  set_if("modulator.capacitance", modulator.capacitance_f, Dimension::capacitance);
  set_if("modulator.drive_voltage", modulator.drive_voltage_v, Dimension::voltage);
  set_if("modulator.power", modulator.power_w, Dimension::power);
  set_if("dac.energy_per_conversion", device.dac.energy_per_conversion_j, Dimension::energy);
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
  if (device.detector.saturation_current_a > 0) {
    set("detector.saturation_current", device.detector.saturation_current_a, Dimension::current);
  }
  const auto& receiver = device.receiver;
  text("receiver.kind", name_of(receiver.kind));
  set("receiver.integration_time", receiver.integration_time_s, Dimension::time);
  set("receiver.temperature", receiver.temperature_k, Dimension::temperature);
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
  set_if("receiver.amplifier_voltage_noise", receiver.amplifier_voltage_noise_v_per_rthz,
         Dimension::voltage_noise_density);
  set_if("receiver.amplifier_current_noise", receiver.amplifier_current_noise_a_per_rthz,
         Dimension::current_noise_density);
  set_if("receiver.bandwidth", receiver.bandwidth_hz, Dimension::frequency);
  if (receiver.correlated_double_sampling) {
    root.set("receiver.correlated_double_sampling=true");
  }
  set("receiver.energy_per_read", receiver.energy_per_read_j, Dimension::energy);
  set_if("receiver.power", receiver.power_w, Dimension::power);
  set_if("adc.bits", device.adc.bits, Dimension::none);
  set_if("adc.full_scale", device.adc.full_scale_v, Dimension::voltage);
  set("adc.energy_per_conversion", device.adc.energy_per_conversion_j, Dimension::energy);
  const auto& tile = device.tile;
  for (const auto& [name, dataflow] : dataflows) {
    if (dataflow == tile.dataflow) text("tile.dataflow", name);
  }
  const auto set_whole = [&root](const char* key, std::int64_t value) {
    root.set(fmt::format("{}={}", key, value));
  };
  set_whole("tile.rows", tile.rows);
  set_whole("tile.columns", tile.columns);
  set_whole("tile.wavelengths", tile.wavelengths);
  set_whole("tile.accumulation_limit", tile.accumulation_limit);
  set_whole("tile.fan_out", tile.fan_out);
  set("tile.symbol_rate", tile.symbol_rate_hz, Dimension::frequency);
  set("tile.read_time", tile.read_time_s, Dimension::time);
  set_if("tile.static_power", tile.static_power_w, Dimension::power);
  set_if("digital.energy_per_addition", device.digital.energy_per_addition_j, Dimension::energy);
  const photonics::Memory& memory = device.memory;
  set_if("memory.energy_per_byte", memory.energy_per_byte_j, Dimension::energy);
  if (memory.bytes_per_operand != photonics::Memory{}.bytes_per_operand) {
    set("memory.bytes_per_operand", memory.bytes_per_operand, Dimension::none);
  }
  if (memory.bytes_per_partial_sum != photonics::Memory{}.bytes_per_partial_sum) {
    set("memory.bytes_per_partial_sum", memory.bytes_per_partial_sum, Dimension::none);
  }
  return root.dump();
}

}  // namespace attojoule::data
