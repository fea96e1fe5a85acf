#include "data/component_library.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "data/names.hpp"
#include "data/paths.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

struct Value {
  const char* key;
  Dimension dimension;
  double highest;  // above which no device could have it
};

struct Family {
  const char* name;
  std::vector<Value> values;
};

const std::vector<Family>& families() {
  constexpr double unlimited = std::numeric_limits<double>::infinity();
  static const std::vector<Family> list{
      {"adc", {{"energy_per_conversion", Dimension::energy, unlimited}}},
      {"dac", {{"energy_per_conversion", Dimension::energy, unlimited}}},
      {"modulator",
       {{"energy_per_symbol", Dimension::energy, unlimited},
        {"power", Dimension::power, unlimited}}},
      {"receiver",
       {{"energy_per_read", Dimension::energy, unlimited}, {"power", Dimension::power, unlimited}}},
      {"laser", {{"wall_plug_efficiency", Dimension::none, 1.0}}},
      {"memory", {{"energy_per_byte", Dimension::energy, unlimited}}},
      {"digital", {{"energy_per_addition", Dimension::energy, unlimited}}},
      {"digital_mac", {{"energy_per_mac", Dimension::energy, unlimited}}},
      {"optical_demonstration", {{"energy_per_mac", Dimension::energy, unlimited}}},
  };
  return list;
}

bool is_converter(const std::string& family) {
  return family == "adc" || family == "dac";
}

bool is_reference(const std::string& family) {
  return family == "digital_mac" || family == "optical_demonstration";
}

template <class Choice, std::size_t N>
Choice choose(const ConfigNode& node, const std::string& key,
              const std::array<std::pair<const char*, Choice>, N>& choices) {
  const std::string text = node.text(key);
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) {
    if (text == name) return value;
    names.emplace_back(name);
  }
  node.child(key).fail(fmt::format("{} '{}' is unknown", key, shown_text(text)),
                       "Choose one of: " + joined_names(names));
}

constexpr std::array<std::pair<const char*, Basis>, 3> bases{
    {{"measured", Basis::measured}, {"modelled", Basis::modelled}, {"claimed", Basis::claimed}}};

double positive(const ConfigNode& node, Dimension dimension, double highest) {
  const double value = node.number(dimension);
  if (!(value > 0 && value <= highest && std::isfinite(value))) {
    node.fail(fmt::format("\"{}\" is outside (0, {}]", shown_text(node.text()), highest),
              "Give what the citation says");
  }
  return value;
}

void read_bits(const ConfigNode& node, Component& component) {
  const ConfigNode bits = node.child("bits");
  if (bits.is_sequence()) {
    const auto ends = bits.items();
    if (ends.size() != 2) bits.fail("a range has two ends", "Write [low, high]");
    component.bits_low = positive(ends[0], Dimension::none, 32);
    component.bits_high = positive(ends[1], Dimension::none, 32);
    if (!(component.bits_low <= component.bits_high)) {
      bits.fail("the range is empty", "Write [low, high]");
    }
  } else {
    component.bits_low = component.bits_high = positive(bits, Dimension::none, 32);
  }
}

// A law is no better than its designs: they have to cover the range that it claims.
void read_survey(const ConfigNode& node, Component& component) {
  for (const ConfigNode& item : node.child("points").items()) {
    const auto columns = item.items();
    if (columns.size() != 3) {
      item.fail("a design has three numbers", "Write [sample rate, energy, effective bits]");
    }
    constexpr double unlimited = std::numeric_limits<double>::infinity();
    component.points.push_back({positive(columns[0], Dimension::frequency, unlimited),
                                positive(columns[1], Dimension::energy, unlimited),
                                positive(columns[2], Dimension::none, 32)});
  }
  const auto [least, most] =
      std::minmax_element(component.points.begin(), component.points.end(),
                          [](const auto& a, const auto& b) { return a.bits < b.bits; });
  if (component.points.empty() || component.bits_low < least->bits ||
      component.bits_high > most->bits) {
    node.child("bits").fail("the range goes beyond the survey's designs",
                            "Give bits that the points cover");
  }
}

Component read_component(const ConfigNode& node, const Family& family) {
  Component component;
  component.family = family.name;
  component.description = node.text("description");
  component.node = node.text("node");
  component.year = static_cast<int>(node.integer("year"));
  component.basis = choose(node, "basis", bases);
  component.citation = node.text("citation");
  component.note = node.text_or("note", "");
  if (component.citation.empty()) {
    node.child("citation").fail("a price without a source", "Say where it was published");
  }
  if (is_reference(component.family)) {
    constexpr std::array<std::pair<const char*, const char*>, 4> counts{
        {{"arithmetic", "arithmetic"},
         {"chip", "chip"},
         {"light_detected", "light_detected"},
         {"total", "total"}}};
    component.counts = choose(node, "counts", counts);
  }
  if (is_converter(component.family)) {
    read_bits(node, component);
    if (node.has("fom")) {
      component.fom_j =
          positive(node.child("fom"), Dimension::energy, std::numeric_limits<double>::infinity());
      read_survey(node, component);
    }
  }
  for (const Value& value : family.values) {
    if (!node.has(value.key)) continue;
    component.values.push_back({value.key,
                                positive(node.child(value.key), value.dimension, value.highest),
                                value.dimension});
  }
  if (component.values.empty() == (component.fom_j == 0)) {
    std::vector<std::string> keys;
    for (const Value& value : family.values) keys.emplace_back(value.key);
    node.fail(component.values.empty() ? "no price" : "a law beside a price",
              "Give one of: " + joined_names(keys) + (is_converter(family.name) ? ", fom" : ""));
  }
  node.finish();
  return component;
}

const Family& family_of(const ConfigNode& root) {
  const std::string name = root.text("family");
  std::vector<std::string> names;
  for (const Family& family : families()) {
    if (name == family.name) return family;
    names.emplace_back(family.name);
  }
  root.child("family").fail(fmt::format("family '{}' is unknown", shown_text(name)),
                            "Choose one of: " + joined_names(names));
}

}  // namespace

const char* to_string(Basis basis) {
  for (const auto& [name, value] : bases) {
    if (value == basis) return name;
  }
  return "unknown";
}

double Component::value(const std::string& key) const {
  for (const ComponentValue& entry : values) {
    if (entry.key == key) return entry.value;
  }
  return 0;
}

const ComponentLibrary& ComponentLibrary::shipped() {
  static const ComponentLibrary library = load(data_directory() / "components");
  return library;
}

ComponentLibrary ComponentLibrary::load(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  if (error) {
    throw DataError(fmt::format("{}: cannot be listed ({}). Install the program again.",
                                folder.string(), error.message()));
  }
  std::sort(files.begin(), files.end());
  ComponentLibrary library;
  for (const auto& file : files) {
    const ConfigNode root = ConfigNode::load(file);
    const Family& family = family_of(root);
    const ConfigNode list = root.child("components");
    for (const std::string& name : list.keys()) {
      Component component = read_component(list.child(name), family);
      component.name = name;
      if (library.find(component.family, name) != nullptr) {
        list.child(name).fail(
            fmt::format("{} '{}' is there twice", component.family, shown_text(name)),
            "Rename one of them");
      }
      library.components_.push_back(std::move(component));
    }
    root.finish();
  }
  return library;
}

std::vector<const Component*> ComponentLibrary::family(const std::string& name) const {
  std::vector<const Component*> result;
  for (const Component& component : components_) {
    if (component.family == name) result.push_back(&component);
  }
  return result;
}

const Component* ComponentLibrary::find(const std::string& family, const std::string& name) const {
  for (const Component& component : components_) {
    if (component.family == family && component.name == name) return &component;
  }
  return nullptr;
}

double conversion_energy_j(const Component& converter, double bits, bool extrapolate,
                           const ConfigNode& place) {
  const bool inside = bits >= converter.bits_low && bits <= converter.bits_high;
  if (!inside && !extrapolate) {
    const bool one = converter.bits_low == converter.bits_high;
    place.fail(
        fmt::format("{} '{}' at {} bits ({} covers {})", converter.family, converter.name, bits,
                    converter.citation,
                    one ? fmt::format("{} bits", converter.bits_low)
                        : fmt::format("{} to {} bits", converter.bits_low, converter.bits_high)),
        fmt::format("Choose another component, or ask for Walden's law beyond its source: "
                    "component: {{name: {}, extrapolate: true}}",
                    converter.name));
  }
  if (converter.fom_j > 0) return converter.fom_j * std::exp2(bits);
  return converter.value("energy_per_conversion") * std::exp2(bits - converter.bits_low);
}

std::string origin_of(const Component& component) {
  return fmt::format("component {} ({}, {} {}): {}", component.name, component.node,
                     to_string(component.basis), component.year, component.citation);
}

}  // namespace attojoule::data
