// attojoule map: a network's matrix products laid over the device's tile.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/device_file.hpp"
#include "data/result_file.hpp"
#include "network/energy_analysis.hpp"
#include "network/graph.hpp"
#include "network/layer_cost.hpp"
#include "network/noise_plan.hpp"
#include "network/program.hpp"
#include "network/tile_mapping.hpp"
#include "photonics/error.hpp"
#include "tools/energy_output.hpp"
#include "tools/network_file.hpp"
#include "tools/operating_points.hpp"
#include "tools/text_table.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

// A product on the tile.
struct Mapped {
  network::ProductWork work;
  double utilisation = 0;  // MACs, repetitions included, over what the tile could do in these slots
};

struct MapOptions {
  std::string model, out;
  std::string device = "ideal-shot-noise";
  std::vector<std::string> assignments, shapes;
  std::optional<double> photons_per_mac;
  std::optional<std::int64_t> repetitions;
  bool json = false;
};

// " --shape 1x3x224x224" for every input: the declared extents, and usual ones for the open.
std::string example_shapes(const network::Graph& graph) {
  constexpr std::int64_t usual_image = 224, usual_sequence = 128;
  std::string text;
  for (const network::ValueId id : graph.inputs) {
    network::Shape shape = graph.value(id).shape;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] >= 0) continue;
      const bool image = shape.size() == 4;
      shape[axis] = axis == 0 ? 1 : !image ? usual_sequence : axis == 1 ? 3 : usual_image;
    }
    text += " --shape " + network::to_string(shape);
  }
  return text;
}

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
    if (std::any_of(shape.begin(), shape.end(), [](auto extent) { return extent < 0; })) {
      throw ConfigError(fmt::format(
          "{}: input '{}' has open axes. Say its shape, one --shape for each input, e.g.{}.",
          graph.name, input.name, example_shapes(graph)));
    }
    shapes.push_back(shape);
  }
  return shapes;
}

struct Column {
  const char* name;
  const char* units;
  const char* long_name;
  double (*value)(const Mapped&);
};

constexpr std::array columns{
    Column{"passes", "1", "passes of the tile", [](const Mapped& m) { return m.work.passes; }},
    Column{"slots", "1", "symbol slots", [](const Mapped& m) { return m.work.slots; }},
    Column{"input_symbols", "1", "symbols sent by transmitters of inputs",
           [](const Mapped& m) { return m.work.input_symbols; }},
    Column{"weight_symbols", "1", "symbols sent by transmitters of weights",
           [](const Mapped& m) { return m.work.weight_symbols; }},
    Column{"programmed_weights", "1", "weights written into the tile",
           [](const Mapped& m) { return m.work.programmed_weights; }},
    Column{"reads", "1", "reads of receivers, ADC conversions",
           [](const Mapped& m) { return m.work.reads; }},
    Column{"partial_sums", "1", "digital additions of reads",
           [](const Mapped& m) { return m.work.partial_sums; }},
    Column{"utilisation", "1", "MACs over what the tile could do",
           [](const Mapped& m) { return m.utilisation; }},
    Column{"latency", "s", "time of one inference",
           [](const Mapped& m) { return m.work.latency_s; }},
};

double utilisation(const photonics::Tile& tile, const network::ProductWork& work) {
  const double capacity = work.slots * static_cast<double>(tile.rows) *
                          static_cast<double>(tile.columns) * static_cast<double>(tile.wavelengths);
  return capacity > 0 ? work.multiplications / capacity : 0.0;
}

std::string seconds(double value) {
  const char* units[] = {"s", "ms", "us", "ns"};
  int index = 0;
  while (index < 3 && value < 1) {
    value *= 1000;
    ++index;
  }
  return fmt::format("{} {}", significant(value, 3), units[index]);
}

void add(const network::ProductWork& own, network::ProductWork& total) {
  using Work = network::ProductWork;
  for (double Work::*count : {&Work::passes, &Work::slots, &Work::input_symbols,
                              &Work::weight_symbols, &Work::programmed_weights, &Work::reads,
                              &Work::partial_sums, &Work::latency_s, &Work::multiplications}) {
    total.*count += own.*count;
  }
}

// What is mapped, and at which points.
struct PointsOfProducts {
  std::vector<bool> digital;
  std::vector<network::ProductOperatingPoint> points;
  photonics::Law law = photonics::Law::homodyne;
  bool from_file = false;
};

PointsOfProducts points_for(const MapOptions& options, const DeviceAssignments& assignments,
                            const network::Program& program, const std::string& model_sha256) {
  PointsOfProducts result;
  result.digital = network::find_digital_products(program, assignments.digital_layers);
  if (assignments.point_file.empty()) {
    result.points.assign(
        program.products().size(),
        {photonics::OperatingPoint{options.photons_per_mac.value_or(10),
                                   static_cast<double>(options.repetitions.value_or(1))}});
    return result;
  }
  if (options.photons_per_mac || options.repetitions) {
    throw ConfigError(
        "--photons, --repetitions: given beside operating_point.file (it says them for every "
        "layer). Leave them out.");
  }
  const auto table = data::read_operating_points(assignments.point_file);
  PointFileUse use;
  use.model = options.model;
  use.model_sha256 = model_sha256;
  result.points =
      points_of_products(assignments.point_file, table, program.products(), result.digital, use);
  result.law = law_of(assignments.point_file, table);
  result.from_file = true;
  return result;
}

// Means over the channels.
photonics::OperatingPoint mean_point(const network::ProductOperatingPoint& points) {
  photonics::OperatingPoint mean{0, 0, 0};
  const auto count = static_cast<double>(points.size());
  for (const auto& point : points) {
    mean.photons_per_mac += point.photons_per_mac;
    mean.repetitions += point.repetitions;
    mean.integrations += point.integrations;
  }
  mean.photons_per_mac /= count;
  mean.repetitions /= count;
  mean.integrations /= count;
  return mean;
}

int map(const MapOptions& options, const Streams& streams) {
  const DeviceAssignments assignments =
      split_assignments(options.assignments, "--photons and --repetitions");
  const photonics::Device device = data::load_device(options.device, assignments.device);
  NetworkFile file = read_network(options.model);
  network::Graph& graph = file.graph;
  network::bind_inputs(graph, input_shapes(graph, options.shapes));
  network::simplify(graph);
  const network::Program program(std::move(graph), {});
  const PointsOfProducts at = points_for(options, assignments, program, file.sha256);

  auto digital_operations = program.digital_operations();
  std::vector<const network::MatrixProduct*> products;  // what is mapped
  std::vector<Mapped> mappings;
  std::vector<network::LayerQuestion> questions;
  std::vector<photonics::OperatingPoint> points;
  Mapped total;
  std::int64_t total_macs = 0;
  network::CostRequest request;
  request.law = at.law;
  for (std::size_t i = 0; i < program.products().size(); ++i) {
    const auto& product = program.products()[i];
    if (at.digital[i]) {
      digital_operations.push_back(
          {product.name, network::to_string(product.kind), product.outputs(), false});
      continue;
    }
    Mapped own;
    own.work = network::layer_cost(device, product, request, at.points[i]).work;
    own.utilisation = utilisation(device.tile, own.work);
    products.push_back(&product);
    questions.push_back({.product = &product,
                         .request = request,
                         .points = at.points[i],
                         .correlation = std::numeric_limits<double>::quiet_NaN()});
    points.push_back(mean_point(at.points[i]));
    mappings.push_back(own);
    add(own.work, total.work);
    total_macs += product.macs();
  }
  total.utilisation = utilisation(device.tile, total.work);
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
    for (const auto* product : products) {
      names.push_back(product->name);
      kinds.emplace_back(network::to_string(product->kind));
      macs.push_back(product->macs());
      lengths.push_back(product->dot_length);
    }
    const data::AxisPaths by_layer{"/layers/name"};
    writer.axis("/layers/name", names, "node of the network");
    writer.write("/layers/kind", kinds, by_layer, "kind of matrix product");
    writer.write("/layers/macs", macs, by_layer, "MAC", "multiplications of one inference");
    writer.write("/layers/dot_length", lengths, by_layer, "1", "multiplications of one output");
    std::vector<double> photons, repetitions, integrations;
    for (const auto& point : points) {
      photons.push_back(point.photons_per_mac);
      repetitions.push_back(point.repetitions);
      integrations.push_back(point.integrations);
    }
    writer.write("/layers/photons_per_mac", photons, by_layer, "photon/MAC",
                 "photons per multiplication of one repetition, mean over channels");
    writer.write("/layers/repetitions", repetitions, by_layer, "1", "mean repetitions");
    writer.write("/layers/integrations", integrations, by_layer, "1",
                 "mean lengthening of the integration");
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
    json["macs"] = total_macs;
    json["layers"] = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < mappings.size(); ++i) {
      const auto& product = *products[i];
      nlohmann::ordered_json layer{{"name", product.name},
                                   {"kind", network::to_string(product.kind)},
                                   {"macs", product.macs()},
                                   {"dot_length", product.dot_length},
                                   {"outputs", product.outputs()},
                                   {"photons_per_mac", points[i].photons_per_mac},
                                   {"repetitions", points[i].repetitions},
                                   {"integrations", points[i].integrations}};
      for (const Column& column : columns) layer[column.name] = column.value(mappings[i]);
      add_joules(ledger.layers[i], layer);
      json["layers"].push_back(layer);
    }
    json["energy"] = ledger_json(ledger);
    add_analysis(analysis, json["energy"]);
    for (const Column& column : columns) json["total"][column.name] = column.value(total);
    json["digital"] = nlohmann::ordered_json::array();
    for (const auto& operation : digital_operations) {
      json["digital"].push_back({{"name", operation.name},
                                 {"op", operation.op},
                                 {"elements", operation.elements},
                                 {"fused", operation.fused}});
    }
    streams.out << json.dump(2) << "\n";
    return 0;
  }

  std::vector<std::vector<std::string>> rows;
  const auto add_row = [&](const std::string& name, const std::string& kind, const std::string& d,
                           const std::string& photons, const std::string& repetitions,
                           std::int64_t macs, const Mapped& m) {
    const auto count = [](double value) { return significant(value, 4); };
    std::vector<std::string> row{name, kind, count(static_cast<double>(macs)), d};
    if (at.from_file) row.insert(row.end(), {photons, repetitions});
    const network::ProductWork& work = m.work;
    row.insert(row.end(), {count(work.passes), count(work.slots), count(work.input_symbols),
                           count(work.weight_symbols + work.programmed_weights), count(work.reads),
                           count(work.partial_sums), fmt::format("{:.1f}", m.utilisation * 100),
                           seconds(work.latency_s)});
    rows.push_back(row);
  };
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    const auto& product = *products[i];
    add_row(product.name, network::to_string(product.kind), std::to_string(product.dot_length),
            significant(points[i].photons_per_mac, 3), significant(points[i].repetitions, 3),
            product.macs(), mappings[i]);
  }
  add_row("total", "", "", "", "", total_macs, total);
  const bool repeats =
      at.law == photonics::Law::garg_thermal || at.law == photonics::Law::garg_weight;
  std::vector<std::string> head{"layer", "kind", "MACs", "D"};
  if (at.from_file) head.insert(head.end(), {repeats ? "E" : "photons/MAC", "K"});
  const bool held = device.tile.dataflow == photonics::Dataflow::weight_stationary;
  head.insert(head.end(),
              {"passes", "slots", "input symbols", held ? "weights written" : "weight symbols",
               "reads", "partial sums", "used %", "latency"});
  streams.out << fmt::format("{} on {}: {} x {} tile, {} wavelength{}, {} symbols/s, {}\n\n",
                             options.model, device.name, device.tile.rows, device.tile.columns,
                             device.tile.wavelengths, device.tile.wavelengths == 1 ? "" : "s",
                             significant(device.tile.symbol_rate_hz, 3),
                             held ? "weight-stationary" : "output-stationary")
              << format_table(head, rows) << "\n";
  std::vector<std::vector<std::string>> digital;
  for (const auto& operation : digital_operations) {
    digital.push_back({operation.name, operation.op, std::to_string(operation.elements),
                       operation.fused ? "with the product" : "alone"});
  }
  streams.out << "Digital operations:\n"
              << format_table({"node", "operator", "elements", "runs"}, digital) << "\n";
  streams.out << (at.from_file
                      ? fmt::format("Energy at the points of {}\n", assignments.point_file.string())
                      : fmt::format(
                            "Energy at {} photons/MAC\n",
                            significant(points.empty() ? 0 : points[0].photons_per_mac, 3)));
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
      "stays digital is listed apart. Then the energy of one inference, what "
      "dominates each\n"
      "layer, and what would lower it. --set reaches the device's keys, such as tile.rows=128, "
      "and\n"
      "operating_point.file=FILE with the points of every layer or channel that `learn` found\n"
      "(docs/files.md): what is counted and billed then.";
  verb.examples = {"attojoule map data/models/fashion_cnn.onnx",
                   "attojoule map data/models/fashion_cnn.onnx --set tile.rows=16 "
                   "--set tile.dataflow=weight-stationary --json"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<MapOptions>();
    app.add_option("model", options->model, "Network (ONNX)")->required();
    app.add_option("--device", options->device, "Preset name or device file (YAML)");
    app.add_option("--set", options->assignments,
                   "KEY=VALUE of the device; operating_point.file, digital_layers")
        ->allow_extra_args(false);
    app.add_option("--shape", options->shapes, "Shape of an input, e.g. 1x3x224x224; one per input")
        ->allow_extra_args(false);
    app.add_option("--photons", options->photons_per_mac,
                   "Photons per MAC, which the receiver's full well cuts dot products by (10)")
        ->check(CLI::PositiveNumber);
    app.add_option("--repetitions", options->repetitions, "Repetitions averaged (1)")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30));
    app.add_option("--out", options->out, "Result file (HDF5)");
    app.add_flag("--json", options->json, "One JSON object instead of tables");
    return [options](const Streams& streams) { return map(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
