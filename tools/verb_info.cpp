// attojoule info: what a file is and holds.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "data/dataset.hpp"
#include "data/device_file.hpp"
#include "data/result_file.hpp"
#include "network/graph.hpp"
#include "photonics/error.hpp"
#include "tools/component_list.hpp"
#include "tools/network_file.hpp"
#include "tools/text_table.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

void show_result(const std::filesystem::path& file, bool json, std::ostream& out) {
  const data::ResultSummary summary = data::read_result_summary(file);
  if (json) {
    nlohmann::ordered_json object;
    object["kind"] = "result";
    for (const auto& [name, value] : summary.attributes) object[name] = value;
    for (const auto& entry : summary.entries) {
      auto& item = object["data"][entry.path];
      item["shape"] = entry.shape;
      item["units"] = entry.units;
      item["long_name"] = entry.long_name;
      if (entry.value) item["value"] = *entry.value;
    }
    out << object.dump(2) << "\n";
    return;
  }
  out << file.string() << ": attojoule result\n\n";
  for (const auto& [name, value] : summary.attributes) {
    if (name != "config") out << fmt::format("{:16} {}\n", name, value);
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& entry : summary.entries) {
    rows.push_back({entry.path,
                    entry.value ? significant(*entry.value, 6) : network::to_string(entry.shape),
                    entry.units, entry.long_name});
  }
  out << "\n" << format_table({"data set", "value or shape", "units", "meaning"}, rows);
  out << "\nconfig:\n" << summary.attributes.back().second;
}

void show_network(const std::filesystem::path& file, bool json, std::ostream& out) {
  const NetworkFile network = read_network(file);
  const network::Graph& graph = network.graph;
  std::int64_t parameters = 0;
  for (const auto& value : graph.values) {
    if (value.constant && value.constant->type == network::ElementType::real) {
      parameters += value.constant->size();
    }
  }
  std::vector<std::string> operators;
  for (const auto& node : graph.nodes) operators.push_back(node.op);
  std::sort(operators.begin(), operators.end());
  std::vector<std::pair<std::string, int>> counts;
  for (const auto& op : operators) {
    if (counts.empty() || counts.back().first != op) counts.emplace_back(op, 0);
    ++counts.back().second;
  }
  const auto shape_of = [](const network::Value& value) {
    std::vector<std::string> extents;
    for (const auto extent : value.shape)
      extents.push_back(extent < 0 ? "?" : std::to_string(extent));
    return fmt::format("{}", fmt::join(extents, "x"));
  };
  if (json) {
    nlohmann::ordered_json object;
    object["kind"] = "network";
    object["opset"] = graph.opset;
    object["nodes"] = graph.nodes.size();
    object["parameters"] = parameters;
    object["sha256"] = network.sha256;
    for (const auto id : graph.inputs) {
      object["inputs"][graph.value(id).name] = graph.value(id).shape;
    }
    for (const auto& [op, count] : counts) object["operators"][op] = count;
    out << object.dump(2) << "\n";
    return;
  }
  out << fmt::format("{}: ONNX network, opset {}, {} nodes, {} parameters\n", file.string(),
                     graph.opset, graph.nodes.size(), parameters);
  for (const auto id : graph.inputs) {
    out << fmt::format("input    {}  {}  {}\n", graph.value(id).name, shape_of(graph.value(id)),
                       network::to_string(graph.value(id).type));
  }
  for (const auto id : graph.outputs) out << fmt::format("output   {}\n", graph.value(id).name);
  for (const auto& [op, count] : counts) out << fmt::format("{:8} {}\n", count, op);
}

void show_dataset(const data::Dataset& dataset, bool json, std::ostream& out) {
  if (json) {
    nlohmann::ordered_json object;
    object["kind"] = "dataset";
    object["samples"] = dataset.size();
    object["sample_shape"] = dataset.sample_shape();
    if (dataset.classes()) object["classes"] = *dataset.classes();
    for (const auto& input : dataset.named_inputs()) {
      object["named_inputs"][input.name] = input.shape;
    }
    object["sha256"] = dataset.sha256();
    out << object.dump(2) << "\n";
    return;
  }
  out << fmt::format("{}: data set of {} samples of {}{}\n", dataset.file().string(),
                     dataset.size(), network::to_string(dataset.sample_shape()),
                     dataset.classes() ? fmt::format(", {} classes", *dataset.classes()) : "");
  for (const auto& input : dataset.named_inputs()) {
    out << fmt::format("with     {}  {}\n", input.name, network::to_string(input.shape));
  }
  out << "sha256   " << dataset.sha256() << "\n";
}

int info(const std::string& name, bool json, const Streams& streams) {
  const std::filesystem::path file(name);
  if (name == "components" && !std::filesystem::exists(file)) {
    list_components(data::ComponentLibrary::shipped(), json, streams.out);
    return 0;
  }
  const std::string extension = file.extension().string();
  if (extension == ".onnx") {
    show_network(file, json, streams.out);
  } else if (extension == ".yaml" || extension == ".yml" ||
             (extension.empty() && !std::filesystem::exists(file))) {
    const photonics::Device device = data::load_device(name);
    if (json) {
      streams.out << nlohmann::ordered_json{{"kind", "device"},
                                            {"name", device.name},
                                            {"yaml", data::device_to_yaml(device)}}
                         .dump(2)
                  << "\n";
    } else {
      streams.out << data::device_to_yaml(device);
    }
  } else if (data::is_result_file(file)) {
    show_result(file, json, streams.out);
  } else {
    data::DatasetOptions options;
    options.file = file;
    show_dataset(data::Dataset::open(options), json, streams.out);
  }
  return 0;
}

}  // namespace

Verb info_verb() {
  Verb verb;
  verb.name = "info";
  verb.summary = "What a file is and holds: result, network, data set or device";
  verb.description =
      "Prints provenance and contents of a result file (HDF5), inputs and operators of a network\n"
      "(ONNX), size and shape of a data set, or the resolved parameters of a device (a preset's "
      "name\n"
      "or a YAML file). `components` lists the library of priced parts that device files can name.";
  verb.examples = {"attojoule info ideal-shot-noise", "attojoule info ideal-shot-noise --json",
                   "attojoule info components"};
  verb.define = [](CLI::App& app) {
    auto file = std::make_shared<std::string>();
    auto json = std::make_shared<bool>(false);
    app.add_option("file", *file, "File, the name of a device preset, or `components`")->required();
    app.add_flag("--json", *json, "One JSON object instead of text");
    return [file, json](const Streams& streams) { return info(*file, *json, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
