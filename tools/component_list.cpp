#include "tools/component_list.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

using data::Component;

std::string price(const Component& component) {
  std::vector<std::string> parts;
  if (component.fom_j > 0) {
    parts.push_back(data::format_quantity(component.fom_j, data::Dimension::energy) + " x 2^bits");
  }
  for (const auto& value : component.values) {
    parts.push_back(data::format_quantity(value.value, value.dimension));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string bits(const Component& component) {
  if (component.bits_high == 0) return "";
  if (component.bits_low == component.bits_high) return significant(component.bits_low, 4);
  return significant(component.bits_low, 4) + " to " + significant(component.bits_high, 4);
}

nlohmann::ordered_json to_json(const Component& component) {
  nlohmann::ordered_json entry{{"family", component.family},
                               {"name", component.name},
                               {"node", component.node},
                               {"year", component.year},
                               {"basis", to_string(component.basis)}};
  entry["description"] = component.description;
  entry["citation"] = component.citation;
  if (!component.note.empty()) entry["note"] = component.note;
  if (!component.counts.empty()) entry["counts"] = component.counts;
  for (const auto& value : component.values) entry["values"][value.key] = value.value;
  if (component.fom_j > 0) entry["values"]["fom"] = component.fom_j;
  if (component.bits_high > 0) entry["bits"] = {component.bits_low, component.bits_high};
  for (const auto& point : component.points) {
    entry["points"].push_back({point.sample_rate_hz, point.energy_j, point.bits});
  }
  return entry;
}

}  // namespace

void list_components(const data::ComponentLibrary& library, bool json, std::ostream& out) {
  if (json) {
    nlohmann::ordered_json object;
    object["kind"] = "components";
    for (const Component& component : library.components()) {
      object["components"].push_back(to_json(component));
    }
    out << object.dump(2) << "\n";
    return;
  }
  std::string family;
  std::vector<std::vector<std::string>> rows;
  std::string sources;
  const auto flush = [&] {
    if (rows.empty()) return;
    out << family << "\n"
        << format_table({"component", "price", "bits", "basis", "year", "node"}, rows) << sources
        << "\n";
    rows.clear();
    sources.clear();
  };
  for (const Component& component : library.components()) {
    if (component.family != family) flush();
    family = component.family;
    rows.push_back({component.name, price(component), bits(component), to_string(component.basis),
                    std::to_string(component.year), component.node});
    sources +=
        fmt::format("  {}: {}. {}.{}\n", component.name, component.description, component.citation,
                    component.note.empty() ? "" : " Note: " + component.note + ".");
  }
  flush();
  out << "A device file names one in its section, e.g. adc: {component: walden-28nm, bits: 8}.\n";
}

}  // namespace attojoule::tools
