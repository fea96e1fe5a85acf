// attojoule map: a network's matrix products laid over the device's tile.
#include <fmt/format.h>

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/device_file.hpp"
#include "data/result_file.hpp"
#include "network/energy_analysis.hpp"
#include "network/graph.hpp"
#include "network/program.hpp"
#include "network/tile_mapping.hpp"
#include "photonics/error.hpp"
#include "photonics/read_out.hpp"
#include "tools/energy_output.hpp"
#include "tools/network_file.hpp"
#include "tools/text_table.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

using network::ProductMapping;

struct MapOptions {
  std::string model, out;
  std::string device = "ideal-shot-noise";
  std::vector<std::string> assignments, shapes;
  double photons_per_mac = 10;
  std::int64_t repetitions = 1;
  bool json = false;
};

// Shape of every input for one sample: as declared with a batch of 1, or as --shape says.
std::vector<network::Shape> input_shapes(const network::Graph& graph,
                                         const std::vector<std::string>& given) {
  if (!given.empty() && given.size() != graph.inputs.size()) {
    throw ConfigError(fmt::format("--shape: {} shapes for {} inputs. Give one for each.",
                                  given.size(), graph.inputs.size()));
  }
  std::vector<network::Shape> shapes;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const network::Value& input = graph.value(graph.inputs[i]);
    network::Shape shape = input.shape;
    if (!given.empty()) {
      shape.clear();
      std::size_t start = 0;
      while (start <= given[i].size()) {
        const std::size_t end = std::min(given[i].find('x', start), given[i].size());
        const std::string extent = given[i].substr(start, end - start);
        if (extent.empty() || extent.size() > 9 ||
            extent.find_first_not_of("0123456789") != std::string::npos) {
          throw ConfigError(fmt::format("--shape: '{}' is no shape. Write 1x3x224x224.", given[i]));
        }
        shape.push_back(std::stoll(extent));
        start = end + 1;
      }
    } else if (!shape.empty() && shape[0] < 0) {
      shape[0] = 1;
    }
    for (const auto extent : shape) {
      if (extent < 0) {
        throw ConfigError(
            fmt::format("{}: input '{}' has open axes. Say its shape, one --shape for "
                        "each input, e.g. --shape 1x128.",
                        graph.name, input.name));
      }
    }
    shapes.push_back(shape);
  }
  return shapes;
}

struct Column {
  const char* name;
  const char* units;
  const char* long_name;
  double (*value)(const ProductMapping&);
};

constexpr std::array columns{
    Column{"passes", "1", "passes of the tile",
           [](const ProductMapping& m) { return double(m.passes); }},
    Column{"slots", "1", "symbol slots", [](const ProductMapping& m) { return double(m.slots); }},
    Column{"input_symbols", "1", "symbols sent by transmitters of inputs",
           [](const ProductMapping& m) { return double(m.input_symbols); }},
    Column{"weight_symbols", "1", "symbols sent by transmitters of weights",
           [](const ProductMapping& m) { return double(m.weight_symbols); }},
    Column{"programmed_weights", "1", "weights written into the tile",
           [](const ProductMapping& m) { return double(m.programmed_weights); }},
    Column{"reads", "1", "reads of receivers, ADC conversions",
           [](const ProductMapping& m) { return double(m.reads); }},
    Column{"partial_sums", "1", "digital additions of reads",
           [](const ProductMapping& m) { return double(m.partial_sums); }},
    Column{"utilisation", "1", "MACs over what the tile could do",
           [](const ProductMapping& m) { return m.utilisation; }},
    Column{"latency", "s", "time of one inference",
           [](const ProductMapping& m) { return m.latency_s; }},
};

std::string seconds(double value) {
  const char* units[] = {"s", "ms", "us", "ns"};
  int index = 0;
  while (index < 3 && value < 1) {
    value *= 1000;
    ++index;
  }
  return fmt::format("{} {}", significant(value, 3), units[index]);
}

int map(const MapOptions& options, const Streams& streams) {
  const photonics::Device device = data::load_device(options.device, options.assignments);
  NetworkFile file = read_network(options.model);
  network::Graph& graph = file.graph;
  network::bind_inputs(graph, input_shapes(graph, options.shapes));
  network::simplify(graph);
  const network::Program program(std::move(graph), {});

  std::vector<ProductMapping> mappings;
  std::vector<network::LayerQuestion> questions;
  const photonics::OperatingPoint point{options.photons_per_mac,
                                        static_cast<double>(options.repetitions)};
  for (const auto& product : program.products()) {
    questions.push_back({.product = &product,
                         .request = {},
                         .points = {point},
                         .correlation = std::numeric_limits<double>::quiet_NaN()});
    photonics::DotProduct dot;
    dot.length = product.dot_length;
    mappings.push_back(network::map_product(device.tile, product,
                                            photonics::cut_into_chunks(device, point, dot).count,
                                            options.repetitions));
  }
  const ProductMapping total = network::total_mapping(mappings);
  const network::EnergyLedger ledger = network::ledger_of(device, questions);
  const network::EnergyAnalysis analysis =
      network::analyse_energy(device, questions, ledger, published_references());

  if (!options.out.empty()) {
    data::Provenance provenance;
    provenance.command_line = command_line();
    provenance.config = data::device_to_yaml(device);
    provenance.model_sha256 = file.sha256;
    data::ResultWriter writer(options.out, provenance);
    std::vector<std::string> names, kinds;
    std::vector<std::int64_t> macs, lengths;
    for (const auto& product : program.products()) {
      names.push_back(product.name);
      kinds.emplace_back(network::to_string(product.kind));
      macs.push_back(product.macs());
      lengths.push_back(product.dot_length);
    }
    const data::AxisPaths by_layer{"/layers/name"};
    writer.axis("/layers/name", names, "node of the network");
    writer.write("/layers/kind", kinds, by_layer, "kind of matrix product");
    writer.write("/layers/macs", macs, by_layer, "MAC", "multiplications of one inference");
    writer.write("/layers/dot_length", lengths, by_layer, "1", "multiplications of one output");
    // An axis of its own, so that the group can be opened alone.
    writer.axis("/mapping/name", names, "node of the network");
    for (const Column& column : columns) {
      std::vector<double> values;
      for (const auto& mapping : mappings) values.push_back(column.value(mapping));
      writer.write(std::string("/mapping/") + column.name, values, {"/mapping/name"}, column.units,
                   column.long_name);
      writer.scalar(std::string("/mapping/total_") + column.name, column.value(total), column.units,
                    std::string(column.long_name) + ", all layers");
    }
    write_ledger(ledger, writer);
    write_analysis(analysis, writer);
    writer.commit();
    streams.err << "Results in " << options.out << "\n";
  }

  if (options.json) {
    nlohmann::ordered_json json;
    json["model"] = options.model;
    json["device"] = device.name;
    json["macs"] = total.macs;
    json["layers"] = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < mappings.size(); ++i) {
      const auto& product = program.products()[i];
      nlohmann::ordered_json layer{{"name", product.name},
                                   {"kind", network::to_string(product.kind)},
                                   {"macs", product.macs()},
                                   {"dot_length", product.dot_length},
                                   {"outputs", product.outputs()}};
      for (const Column& column : columns) layer[column.name] = column.value(mappings[i]);
      add_joules(ledger.layers[i], layer);
      json["layers"].push_back(layer);
    }
    json["energy"] = ledger_json(ledger);
    add_analysis(analysis, json["energy"]);
    for (const Column& column : columns) json["total"][column.name] = column.value(total);
    json["digital"] = nlohmann::ordered_json::array();
    for (const auto& operation : program.digital_operations()) {
      json["digital"].push_back({{"name", operation.name},
                                 {"op", operation.op},
                                 {"elements", operation.elements},
                                 {"fused", operation.fused}});
    }
    streams.out << json.dump(2) << "\n";
    return 0;
  }

  std::vector<std::vector<std::string>> rows;
  const auto add = [&rows](const std::string& name, const std::string& kind, const std::string& d,
                           const ProductMapping& m) {
    const auto count = [](std::int64_t value) {
      return significant(static_cast<double>(value), 4);
    };
    rows.push_back({name, kind, count(m.macs), d, count(m.passes), count(m.slots),
                    count(m.input_symbols), count(m.weight_symbols + m.programmed_weights),
                    count(m.reads), count(m.partial_sums),
                    fmt::format("{:.1f}", m.utilisation * 100), seconds(m.latency_s)});
  };
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    const auto& product = program.products()[i];
    add(product.name, network::to_string(product.kind), std::to_string(product.dot_length),
        mappings[i]);
  }
  add("total", "", "", total);
  const bool held = device.tile.dataflow == photonics::Dataflow::weight_stationary;
  streams.out << fmt::format("{} on {}: {} x {} tile, {} wavelength{}, {} symbols/s, {}\n\n",
                             options.model, device.name, device.tile.rows, device.tile.columns,
                             device.tile.wavelengths, device.tile.wavelengths == 1 ? "" : "s",
                             significant(device.tile.symbol_rate_hz, 3),
                             held ? "weight-stationary" : "output-stationary")
              << format_table({"layer", "kind", "MACs", "D", "passes", "slots", "input symbols",
                               held ? "weights written" : "weight symbols", "reads", "partial sums",
                               "used %", "latency"},
                              rows)
              << "\n";
  std::vector<std::vector<std::string>> digital;
  for (const auto& operation : program.digital_operations()) {
    digital.push_back({operation.name, operation.op, std::to_string(operation.elements),
                       operation.fused ? "with the product" : "alone"});
  }
  streams.out << "Digital operations:\n"
              << format_table({"node", "operator", "elements", "runs"}, digital) << "\n";
  streams.out << fmt::format("Energy at {} photons/MAC\n", significant(options.photons_per_mac, 3));
  print_ledger(ledger, streams.out);
  print_analysis(ledger, analysis, streams.out);
  return 0;
}

}  // namespace

Verb map_verb() {
  Verb verb;
  verb.name = "map";
  verb.summary = "A network's matrix products on the device's tile: counts, utilisation, latency";
  verb.description =
      "Lists every matrix product of an ONNX network with its multiplications, and how the "
      "device's\n"
      "tile (rows, columns, wavelengths, dataflow) works through it: passes, symbol slots, symbols "
      "of\n"
      "the transmitters, reads, digital partial sums, utilisation and latency of one inference. "
      "What\n"
      "stays digital is listed apart. Then the energy of one inference at --photons, what "
      "dominates each\n"
      "layer, and what would lower it. --set reaches the device's keys, such as tile.rows=128.";
  verb.examples = {"attojoule map data/models/fashion_cnn.onnx",
                   "attojoule map data/models/fashion_cnn.onnx --set tile.rows=16 "
                   "--set tile.dataflow=weight-stationary --json"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<MapOptions>();
    app.add_option("model", options->model, "Network (ONNX)")->required();
    app.add_option("--device", options->device, "Preset name or device file (YAML)");
    app.add_option("--set", options->assignments, "KEY=VALUE of the device")
        ->allow_extra_args(false);
    app.add_option("--shape", options->shapes, "Shape of an input, e.g. 1x3x224x224; one per input")
        ->allow_extra_args(false);
    app.add_option("--photons", options->photons_per_mac,
                   "Photons per MAC, which the receiver's full well cuts dot products by")
        ->check(CLI::PositiveNumber);
    app.add_option("--repetitions", options->repetitions, "Repetitions averaged")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30));
    app.add_option("--out", options->out, "Result file (HDF5)");
    app.add_flag("--json", options->json, "One JSON object instead of tables");
    return [options](const Streams& streams) { return map(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
