#include "tools/energy_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/component_library.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

using network::EnergyComponent;
using network::EnergyLedger;
using network::ParameterSensitivity;
using nlohmann::ordered_json;

// JSON has no NaN: what does not apply is null.
ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

std::string cell(double value, int digits) {
  return std::isfinite(value) ? significant(value, digits) : "-";
}

std::string percent(double share) {
  return std::isfinite(share) ? fmt::format("{:.1f}", 100 * share) : "-";
}

// "0.2", "10 fF" as the device file would have it.
std::string quantity(const ParameterSensitivity& entry) {
  if (entry.whole || entry.unit == "1") return significant(entry.value, 4);
  return significant(entry.value, 4) + " " + entry.unit;
}

std::string crossing(const network::Crossover& crossover) {
  const auto side = [](const char* sign, const network::Crossing& at) {
    return std::isnan(at.value)
               ? std::string()
               : fmt::format("{} {}: {}", sign, significant(at.value, 3), to_string(at.becomes));
  };
  const std::string below = side("<", crossover.below), above = side(">", crossover.above);
  if (below.empty() && above.empty()) return "-";
  return below + (below.empty() || above.empty() ? "" : ", ") + above;
}

void print_sensitivities(const network::EnergyAnalysis& analysis, std::ostream& out) {
  constexpr std::size_t most = 12;
  std::vector<std::vector<std::string>> rows;
  for (const ParameterSensitivity& entry : analysis.sensitivities) {
    if (rows.size() == most) break;
    if (!(entry.saving_at_fixed_noise > 0)) continue;
    rows.push_back(
        {entry.key, quantity(entry), fmt::format("{:.3f}", entry.at_fixed_point),
         std::isfinite(entry.at_fixed_noise) ? fmt::format("{:.3f}", entry.at_fixed_noise) : "-",
         entry.step, percent(entry.saving_at_fixed_point), percent(entry.saving_at_fixed_noise)});
  }
  if (rows.empty()) return;
  out << "What would lower it (slope: d ln E / d ln p, of losses and ratios per dB)\n"
      << format_table({"parameter", "value", "slope, same light", "same noise", "step",
                       "saves %, same light", "same noise"},
                      rows)
      << "\n";
}

void print_crossovers(const network::EnergyAnalysis& analysis, std::ostream& out) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& layer : analysis.layers) {
    if (layer.digital) continue;
    rows.push_back({layer.name, to_string(layer.dominant), percent(layer.dominant_share)});
    for (const char* lever :
         {"photons_per_mac", "dot_length", "fan_out", "adc.energy_per_conversion"}) {
      const auto found = std::find_if(layer.crossovers.begin(), layer.crossovers.end(),
                                      [&](const auto& c) { return c.lever == lever; });
      rows.back().push_back(found == layer.crossovers.end() ? "-" : crossing(*found));
    }
    rows.back().push_back(cell(layer.quantum_limit_photons, 3));
  }
  if (rows.empty()) return;
  out << "What dominates each layer, and what would take over\n"
      << format_table({"layer", "dominates", "%", "at photons/MAC", "at D", "at fan-out",
                       "at J per ADC conversion", "ideal photons/MAC"},
                      rows)
      << "\n";
}

void print_references(const EnergyLedger& ledger, const network::EnergyAnalysis& analysis,
                      std::ostream& out) {
  struct Row {
    double energy;
    std::vector<std::string> cells;
  };
  std::vector<Row> rows;
  for (const auto& line : analysis.references) {
    rows.push_back({line.attojoule_per_mac,
                    {line.name, significant(line.attojoule_per_mac, 3), line.counts, line.basis,
                     std::to_string(line.year)}});
  }
  const auto own = [&](const char* name, double value, const char* counts) {
    rows.push_back({value, {name, significant(value, 3), counts, "this ledger", ""}});
  };
  own("> light detected here", ledger.attojoule_per_mac(EnergyComponent::optical_detected),
      "light_detected");
  own("> total here", ledger.total_attojoule_per_mac(), "total");
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.energy < b.energy; });
  std::vector<std::vector<std::string>> cells;
  for (auto& row : rows) cells.push_back(std::move(row.cells));
  out << "Beside it (a line compares only with one that counts the same; sources: attojoule info "
         "components)\n"
      << format_table({"reference", "aJ/MAC", "counts", "basis", "year"}, cells) << "\n";
}

ordered_json layer_json(const network::LayerAnalysis& layer) {
  ordered_json entry{{"name", layer.name},
                     {"dominant", to_string(layer.dominant)},
                     {"dominant_share", layer.dominant_share},
                     {"quantum_limit_photons_per_mac", number(layer.quantum_limit_photons)}};
  entry["crossovers"] = ordered_json::array();
  for (const auto& crossover : layer.crossovers) {
    ordered_json item{{"lever", crossover.lever}, {"value", crossover.value}};
    const auto add = [&](const char* side, const network::Crossing& crossed) {
      if (std::isnan(crossed.value)) return;
      item[side] = {{"value", crossed.value}, {"becomes", to_string(crossed.becomes)}};
    };
    add("below", crossover.below);
    add("above", crossover.above);
    entry["crossovers"].push_back(item);
  }
  return entry;
}

template <class Rows, class Get>
auto column(const Rows& rows, Get get) {
  std::vector<decltype(get(*rows.begin()))> values;
  for (const auto& row : rows) values.push_back(get(row));
  return values;
}

std::string named(const network::Crossing& at) {
  return std::isnan(at.value) ? "" : to_string(at.becomes);
}

}  // namespace

std::vector<network::ReferenceLine> published_references() {
  std::vector<network::ReferenceLine> lines;
  const auto& library = data::ComponentLibrary::shipped();
  for (const auto& [family, group] :
       {std::pair{"digital_mac", "digital"}, std::pair{"optical_demonstration", "optical"}}) {
    for (const data::Component* component : library.family(family)) {
      lines.push_back({.name = component->name,
                       .group = group,
                       .counts = component->counts,
                       .attojoule_per_mac = component->value("energy_per_mac") * 1e18,
                       .year = component->year,
                       .basis = data::to_string(component->basis),
                       .citation = component->citation,
                       .note = component->note});
    }
  }
  return lines;
}

void print_ledger(const EnergyLedger& ledger, std::ostream& out) {
  std::vector<std::vector<std::string>> rows;
  for (const auto component : network::energy_components) {
    rows.push_back({to_string(component), cell(at(ledger.joule_per_inference, component), 4),
                    cell(ledger.attojoule_per_mac(component), 4),
                    cell(at(ledger.static_joule_per_inference, component), 4),
                    network::is_in_total(component) ? "yes" : "no"});
  }
  rows.push_back({"total", cell(ledger.total_joule(), 4), cell(ledger.total_attojoule_per_mac(), 4),
                  cell(ledger.static_joule(), 4), ""});
  out << format_table({"energy", "J/inference", "aJ/MAC", "of it static", "in total"}, rows)
      << fmt::format("latency {} s, average power {} W\n\n", cell(ledger.latency_s, 4),
                     cell(ledger.average_power_w(), 4));
}

void print_analysis(const EnergyLedger& ledger, const network::EnergyAnalysis& analysis,
                    std::ostream& out) {
  if (!analysis.not_billed.empty()) {
    std::vector<std::string> names;
    for (const auto component : analysis.not_billed) names.emplace_back(to_string(component));
    out << fmt::format(
        "Not billed, since the device gives no price: {}. The total is a lower bound.\n\n",
        fmt::join(names, ", "));
  }
  print_crossovers(analysis, out);
  print_sensitivities(analysis, out);
  print_references(ledger, analysis, out);
}

ordered_json ledger_json(const EnergyLedger& ledger) {
  ordered_json json;
  for (const auto component : network::energy_components) {
    json[to_string(component)] = {
        {"joule_per_inference", at(ledger.joule_per_inference, component)},
        {"attojoule_per_mac", ledger.attojoule_per_mac(component)},
        {"static_joule_per_inference", at(ledger.static_joule_per_inference, component)}};
  }
  json["total"] = {{"joule_per_inference", ledger.total_joule()},
                   {"attojoule_per_mac", ledger.total_attojoule_per_mac()},
                   {"static_joule_per_inference", ledger.static_joule()},
                   {"dynamic_joule_per_inference", ledger.dynamic_joule()}};
  json["latency_s"] = ledger.latency_s;
  json["average_power_w"] = ledger.average_power_w();
  return json;
}

void add_analysis(const network::EnergyAnalysis& analysis, ordered_json& energy) {
  energy["not_billed"] = ordered_json::array();
  for (const auto component : analysis.not_billed) {
    energy["not_billed"].push_back(to_string(component));
  }
  energy["layers"] = ordered_json::array();
  for (const auto& layer : analysis.layers) {
    if (!layer.digital) energy["layers"].push_back(layer_json(layer));
  }
  energy["sensitivity"] = ordered_json::array();
  for (const ParameterSensitivity& entry : analysis.sensitivities) {
    energy["sensitivity"].push_back(
        {{"parameter", entry.key},
         {"unit", entry.unit},
         {"value", entry.value},
         {"per_decibel", entry.decibel},
         {"slope_at_fixed_point", number(entry.at_fixed_point)},
         {"slope_at_fixed_noise", number(entry.at_fixed_noise)},
         {"step", entry.step},
         {"saving_at_fixed_point", number(entry.saving_at_fixed_point)},
         {"saving_at_fixed_noise", number(entry.saving_at_fixed_noise)}});
  }
  energy["references"] = ordered_json::array();
  for (const auto& line : analysis.references) {
    energy["references"].push_back({{"name", line.name},
                                    {"group", line.group},
                                    {"counts", line.counts},
                                    {"attojoule_per_mac", line.attojoule_per_mac},
                                    {"year", line.year},
                                    {"basis", line.basis},
                                    {"citation", line.citation},
                                    {"note", line.note}});
  }
}

void add_joules(const network::LayerEnergy& layer, ordered_json& entry) {
  for (const auto component : network::energy_components) {
    entry["joule_per_inference"][to_string(component)] = at(layer.joule_per_inference, component);
  }
}

void write_ledger(const EnergyLedger& ledger, data::ResultWriter& writer) {
  const data::AxisPaths by_layer{"/layers/name"};
  for (const auto component : network::energy_components) {
    const std::string group = std::string("/energy/") + to_string(component);
    writer.scalar(group + "/joule_per_inference", at(ledger.joule_per_inference, component), "J",
                  "energy of one inference");
    writer.scalar(group + "/attojoule_per_mac", ledger.attojoule_per_mac(component), "aJ",
                  "energy per MAC");
    writer.scalar(group + "/static_joule_per_inference",
                  at(ledger.static_joule_per_inference, component), "J",
                  "of it power times time, whatever is computed");
    writer.write(
        std::string("/layers/") + to_string(component) + "_joule_per_inference",
        column(ledger.layers,
               [&](const auto& layer) { return at(layer.joule_per_inference, component); }),
        by_layer, "J", "energy of one inference");
  }
  writer.scalar("/energy/total/joule_per_inference", ledger.total_joule(), "J",
                "energy of one inference, each joule once");
  writer.scalar("/energy/total/attojoule_per_mac", ledger.total_attojoule_per_mac(), "aJ",
                "energy per MAC, each joule once");
  writer.scalar("/energy/total/static_joule_per_inference", ledger.static_joule(), "J",
                "of it power times time, whatever is computed");
  writer.scalar("/energy/latency", ledger.latency_s, "s",
                "time of one inference, layers one after the other on one tile");
  writer.scalar("/energy/average_power", ledger.average_power_w(), "W", "energy over latency");
  writer.write("/layers/latency",
               column(ledger.layers, [](const auto& layer) { return layer.work.latency_s; }),
               by_layer, "s", "time of one inference");
  writer.write("/layers/full_scale_photons",
               column(ledger.layers, [](const auto& layer) { return layer.light.full_scale; }),
               by_layer, "photon", "at the receivers for values of full scale, one inference");
  writer.write("/layers/detected_photons",
               column(ledger.layers, [](const auto& layer) { return layer.light.detected; }),
               by_layer, "photon", "that become electrons, one inference");
}

void write_analysis(const network::EnergyAnalysis& analysis, data::ResultWriter& writer) {
  const data::AxisPaths by_layer{"/layers/name"};
  writer.write("/layers/dominant_component",
               column(analysis.layers,
                      [](const auto& layer) {
                        return std::string(layer.digital ? "" : to_string(layer.dominant));
                      }),
               by_layer, "component that costs most");
  writer.write("/layers/quantum_limit_photons_per_mac",
               column(analysis.layers,
                      [](const auto& layer) {
                        return layer.digital ? std::nan("") : layer.quantum_limit_photons;
                      }),
               by_layer, "photon/MAC", "light of an ideal receiver with the same noise");

  const auto& list = analysis.sensitivities;
  if (!list.empty()) {
    const data::AxisPaths axis{"/energy/sensitivity/parameter"};
    writer.axis(axis[0], column(list, [](const auto& s) { return s.key; }), "key of the device");
    writer.write("/energy/sensitivity/unit", column(list, [](const auto& s) { return s.unit; }),
                 axis, "SI unit of the parameter; dB: slopes are per decibel");
    writer.write("/energy/sensitivity/step", column(list, [](const auto& s) { return s.step; }),
                 axis, "what the savings are for");
    const auto real = [&](const char* name, auto get, const char* meaning) {
      writer.write(std::string("/energy/sensitivity/") + name, column(list, get), axis, "1",
                   meaning);
    };
    real(
        "value", [](const auto& s) { return s.value; }, "of the parameter, in its unit");
    real(
        "slope_at_fixed_point", [](const auto& s) { return s.at_fixed_point; },
        "d ln E / d ln p at the same light");
    real(
        "slope_at_fixed_noise", [](const auto& s) { return s.at_fixed_noise; },
        "d ln E / d ln p, the light following so that the noise stays");
    real(
        "saving_at_fixed_point", [](const auto& s) { return s.saving_at_fixed_point; },
        "1 - E after the step / E, at the same light");
    real(
        "saving_at_fixed_noise", [](const auto& s) { return s.saving_at_fixed_noise; },
        "1 - E after the step / E, at the same noise");
  }

  const auto& lines = analysis.references;
  const data::AxisPaths by_line{"/energy/references/name"};
  writer.axis(by_line[0], column(lines, [](const auto& l) { return l.name; }), "reference line");
  writer.write("/energy/references/attojoule_per_mac",
               column(lines, [](const auto& l) { return l.attojoule_per_mac; }), by_line, "aJ",
               "energy per MAC");
  writer.write("/energy/references/year",
               column(lines, [](const auto& l) { return static_cast<std::int64_t>(l.year); }),
               by_line, "1", "of publication");
  const auto words = [&](const char* name, auto get, const char* meaning) {
    writer.write(std::string("/energy/references/") + name, column(lines, get), by_line, meaning);
  };
  words(
      "group", [](const auto& l) { return l.group; }, "limit, digital or optical");
  words(
      "counts", [](const auto& l) { return l.counts; }, "what the energy counts");
  words(
      "basis", [](const auto& l) { return l.basis; }, "measured, modelled or claimed");
  words(
      "citation", [](const auto& l) { return l.citation; }, "source");
  words(
      "note", [](const auto& l) { return l.note; }, "what a comparison has to know");

  struct Row {
    std::string layer;
    const network::Crossover* crossover;
  };
  std::vector<Row> rows;
  for (const auto& layer : analysis.layers) {
    for (const auto& crossover : layer.crossovers) rows.push_back({layer.name, &crossover});
  }
  if (rows.empty()) return;
  std::vector<double> places;
  for (std::size_t i = 0; i < rows.size(); ++i) places.push_back(static_cast<double>(i));
  const data::AxisPaths by_row{"/energy/crossovers/row"};
  writer.axis(by_row[0], places, "1", "a layer and a lever");
  const auto text = [&](const char* name, auto get, const char* meaning) {
    writer.write(std::string("/energy/crossovers/") + name, column(rows, get), by_row, meaning);
  };
  const auto real = [&](const char* name, auto get, const char* meaning) {
    writer.write(std::string("/energy/crossovers/") + name, column(rows, get), by_row, "1",
                 meaning);
  };
  text(
      "layer", [](const Row& r) { return r.layer; }, "node of the network");
  text(
      "lever", [](const Row& r) { return r.crossover->lever; }, "what is changed alone");
  real(
      "value", [](const Row& r) { return r.crossover->value; }, "of the lever, where the layer is");
  real(
      "below", [](const Row& r) { return r.crossover->below.value; },
      "nearest smaller value at which another component dominates");
  text(
      "below_becomes", [](const Row& r) { return named(r.crossover->below); },
      "the component that dominates there");
  real(
      "above", [](const Row& r) { return r.crossover->above.value; },
      "nearest larger value at which another component dominates");
  text(
      "above_becomes", [](const Row& r) { return named(r.crossover->above); },
      "the component that dominates there");
}

}  // namespace attojoule::tools
