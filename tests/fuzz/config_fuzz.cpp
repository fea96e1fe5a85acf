// Any text as a configuration, a device file, a quantity and a --set assignment: refused with an
// error of the project, or read so that writing and reading it again changes nothing.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "data/config.hpp"
#include "data/device_file.hpp"
#include "photonics/error.hpp"

namespace {

using namespace attojoule;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

// Asks every node for everything.
void walk(const data::ConfigNode& node) {
  require(!node.place().empty());
  const auto attempt = [&](auto ask) {
    try {
      ask();
    } catch (const ConfigError&) {  // NOLINT(bugprone-empty-catch): a refusal is a good answer
    }
  };
  attempt([&] { node.number(data::Dimension::capacitance); });
  attempt([&] { node.text(); });
  attempt([&] { node.source(); });
  if (node.is_sequence()) {
    for (const auto& item : node.items()) walk(item);
  }
  if (node.is_map()) {
    attempt([&] { node.finish(); });
    for (const auto& key : node.keys()) {
      attempt([&] { node.integer(key); });
      attempt([&] { node.boolean_or(key, false); });
      walk(node.child(key));
    }
    node.finish();
  }
}

void check_document(const std::string& text) {
  data::ConfigNode root;
  try {
    root = data::ConfigNode::parse(text, "fuzz.yaml");
  } catch (const ConfigError&) {
    return;
  }
  walk(root);
  const std::string dumped = root.dump();
  require(data::ConfigNode::parse(dumped, "dump").dump() == dumped);
}

void check_device(const std::string& text) {
  photonics::Device device;
  try {
    device = data::parse_device(text, "fuzz.yaml");
  } catch (const ConfigError&) {
    return;
  }
  const std::string yaml = data::device_to_yaml(device);
  const photonics::Device again = data::parse_device(yaml, "again");
  require(data::device_to_yaml(again) == yaml);
  require(again.detector.quantum_efficiency == device.detector.quantum_efficiency);
  require(again.receiver.capacitance_f == device.receiver.capacitance_f);
}

void check_quantity(const std::string& text) {
  for (int i = 0; i <= static_cast<int>(data::Dimension::angle); ++i) {
    const auto dimension = static_cast<data::Dimension>(i);
    double value = 0;
    try {
      value = data::parse_quantity(text, dimension, "fuzz");
    } catch (const ConfigError&) {
      continue;
    }
    const double again =
        data::parse_quantity(data::format_quantity(value, dimension), dimension, "again");
    require(std::bit_cast<std::uint64_t>(again) == std::bit_cast<std::uint64_t>(value));
  }
}

void check_assignment(const std::string& text) {
  data::ConfigNode root =
      data::ConfigNode::parse("laser: {wavelength: 1550 nm}\nlist: [1]\n", "base");
  try {
    root.set(text);
  } catch (const ConfigError&) {
    return;
  }
  walk(root);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  check_document(text);
  check_device(text);
  check_quantity(text);
  check_assignment(text);
  return 0;
}
