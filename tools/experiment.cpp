#include "tools/experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "data/device_calibration.hpp"
#include "data/device_file.hpp"
#include "data/paths.hpp"
#include "photonics/error.hpp"

namespace attojoule::tools {
namespace {

using data::ConfigNode;
using data::Dimension;
using photonics::Encoding;
using photonics::Law;

constexpr std::array laws{
    std::pair{"homodyne", Law::homodyne}, std::pair{"counting", Law::counting},
    std::pair{"garg-shot", Law::garg_shot}, std::pair{"garg-thermal", Law::garg_thermal},
    std::pair{"garg-weight", Law::garg_weight}};
constexpr std::array encodings{std::pair{"normalised", Encoding::normalised},
                               std::pair{"full-scale", Encoding::full_scale}};

constexpr std::array fidelities{std::pair{"analytic", network::Fidelity::analytic},
                                std::pair{"counting", network::Fidelity::counting},
                                std::pair{"auto", network::Fidelity::automatic}};
constexpr std::array held_lights{std::pair{"receiver", HeldLight::at_receiver},
                                 std::pair{"laser", HeldLight::at_laser}};
constexpr std::array convolutions{std::pair{"direct", false}, std::pair{"winograd", true}};
constexpr std::array range_methods{std::pair{"percentile", network::RangeMethod::percentile},
                                   std::pair{"ema", network::RangeMethod::ema},
                                   std::pair{"minmax", network::RangeMethod::minmax}};

template <class Table>
auto choose(const ConfigNode& root, const std::string& key, const Table& table,
            const char* fallback) {
  const std::string name = root.text_or(key, fallback);
  std::string known;
  for (const auto& [text, value] : table) {
    if (name == text) return value;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  root.child(key).fail(fmt::format("{}: '{}' is unknown", key, name),
                       fmt::format("Choose one of: {}", known));
}

// Sections of a device that --set may reach without naming the device.
bool is_device_key(const std::string& key) {
  static constexpr std::array sections{"laser",    "modulator", "dac",  "link",    "detector",
                                       "receiver", "adc",       "tile", "digital", "memory"};
  const std::string section = key.substr(0, key.find('.'));
  return std::find(sections.begin(), sections.end(), section) != sections.end();
}

template <class Table, class Value>
const char* name_of(const Table& table, Value value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return name;
  }
  return "unknown";
}

std::filesystem::path beside(const std::filesystem::path& base, const std::string& path) {
  const std::filesystem::path given(path);
  return given.is_absolute() || base.empty() ? given : base / given;
}

std::vector<double> numbers(const ConfigNode& node, const std::string& key) {
  std::vector<double> result;
  if (!node.has(key)) return result;
  const ConfigNode list = node.child(key);
  if (list.is_sequence()) {
    for (const ConfigNode& item : list.items()) result.push_back(item.number(Dimension::none));
  } else {
    result.push_back(list.number(Dimension::none));
  }
  return result;
}

data::DatasetOptions read_data(const ConfigNode& node, const std::filesystem::path& base) {
  data::DatasetOptions options;
  if (node.is_scalar()) {
    options.file = beside(base, node.text());
    return options;
  }
  options.file = beside(base, node.text("file"));
  if (node.has("labels_file")) options.labels_file = beside(base, node.text("labels_file"));
  options.mean = numbers(node, "mean");
  options.std = numbers(node, "std");
  if (node.has("scale")) options.scale = node.number("scale", Dimension::none);
  constexpr std::int64_t largest_offset = 1 << 30;
  const std::int64_t offset = node.integer_or("label_offset", 0);
  if (offset > largest_offset || offset < -largest_offset) {
    node.child("label_offset")
        .fail(fmt::format("label_offset: {} is no class", offset), "Give a number like -1 or 0");
  }
  options.label_offset = static_cast<int>(offset);
  return options;
}

std::int64_t positive(const ConfigNode& node, const std::string& key, std::int64_t fallback,
                      std::int64_t highest) {
  const std::int64_t value = node.integer_or(key, fallback);
  if (node.has(key) && (value < 1 || value > highest)) {
    node.child(key).fail(fmt::format("{}: {} is outside 1 to {}", key, value, highest),
                         "Give a whole number in that range");
  }
  return value;
}

int bits(const ConfigNode& node, const std::string& key) {
  const std::int64_t value = node.integer_or(key, 0);
  if (node.has(key) && (value < 2 || value > 16)) {
    node.child(key).fail(
        fmt::format("quantisation.{}: {} bits (2 to 16 can be quantised to)", key, value),
        "Give 2 to 16, or leave the key out for float");
  }
  return static_cast<int>(value);
}

void require_positive(const ConfigNode& node, const std::string& key, double value,
                      const char* unit) {
  if (!(value > 0) || !std::isfinite(value)) {
    node.child(key).fail(
        fmt::format("{}: {} {} (light cannot be zero or negative)", key, value, unit),
        "Give a number above 0");
  }
}

// Light and repetitions for all layers, or a file with those of each. `--set operating_point.file`
// goes over the light of an experiment file, so that both may stand here; the file counts.
void read_operating_point(const ConfigNode& node, const std::filesystem::path& base,
                          Experiment& e) {
  const bool from_file = node.has("file");
  if (from_file) {
    // Typed on the command line it is relative to the working directory, like all paths there.
    const ConfigNode file = node.child("file");
    const bool typed = file.place().starts_with("--set ");
    e.point_file = beside(typed ? std::filesystem::path{} : base, file.text());
  }
  if (!from_file || node.has("photons_per_mac")) {
    e.point.photons_per_mac = node.number("photons_per_mac", Dimension::none);
    require_positive(node, "photons_per_mac", e.point.photons_per_mac, "photons/MAC");
  }
  e.point.repetitions = static_cast<double>(positive(node, "repetitions", 1, 1 << 30));
  e.point.integrations = static_cast<double>(positive(node, "integrations", 1, 1 << 20));
  if (e.point.integrations > 1 && e.law != Law::homodyne) {
    node.child("integrations")
        .fail(fmt::format("operating_point.integrations of law: {} (it knows no integration time)",
                          to_string(e.law)),
              "Leave it out");
  }
  node.finish();
}

// Devices drawn from the calibration of the device's file. One seed could not tell what noise does
// from what the devices do.
void read_device_draws(const ConfigNode& node, Experiment& e) {
  e.device_draws = positive(node, "device_draws", 0, 100000);
  if (e.device_draws == 1) {
    node.child("device_draws")
        .fail("evaluation.device_draws: 1 (the spread of devices needs two)",
              "Draw two or more, better 50");
  }
  if (e.device_draws > 0 && e.seeds < 2) {
    node.child("device_draws")
        .fail(fmt::format("evaluation.device_draws: {} devices under one noise seed (two or more "
                          "tell what noise does from what the devices do)",
                          e.device_draws),
              "Set evaluation.seeds=2 or more");
  }
  e.held_light = choose(node, "device_draws_hold", held_lights, "receiver");
  if (e.held_light == HeldLight::at_laser &&
      (e.law == Law::garg_thermal || e.law == Law::garg_weight)) {
    node.child("device_draws_hold")
        .fail(fmt::format("evaluation.device_draws_hold: laser of law: {} (its E counts repeats, "
                          "not light)",
                          to_string(e.law)),
              "Leave it out");
  }
}

std::string yaml_list(const std::vector<double>& values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

std::string yaml_text(const std::filesystem::path& path) {
  std::string text = path.string();
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return "\"" + escaped + "\"";
}

std::string data_to_yaml(const data::DatasetOptions& options, std::int64_t images) {
  std::string text = fmt::format("{{file: {}", yaml_text(options.file));
  if (!options.labels_file.empty()) text += ", labels_file: " + yaml_text(options.labels_file);
  if (!options.mean.empty()) text += ", mean: " + yaml_list(options.mean);
  if (!options.std.empty()) text += ", std: " + yaml_list(options.std);
  if (options.scale) text += fmt::format(", scale: {}", *options.scale);
  if (options.label_offset != 0) text += fmt::format(", label_offset: {}", options.label_offset);
  if (images > 0) text += fmt::format(", images: {}", images);
  return text + "}";
}

std::string resolve(const Experiment& e) {
  std::string text =
      fmt::format("model: {}\ndata: {}\n", yaml_text(e.model), data_to_yaml(e.data, 0));
  if (e.range_data) {
    const auto& options = e.range_options;
    std::string rest = data_to_yaml(*e.range_data, options.images);
    rest.pop_back();
    text +=
        fmt::format("range_data: {}, method: {}, percentile: {}, momentum: {}}}\n", rest,
                    name_of(range_methods, options.method), options.percentile, options.momentum);
  }
  if (e.weight_bits > 0 || e.activation_bits > 0) {
    text += "quantisation: {";
    if (e.weight_bits > 0) text += fmt::format("weights: {}", e.weight_bits);
    if (e.activation_bits > 0) {
      text += fmt::format("{}activations: {}", e.weight_bits > 0 ? ", " : "", e.activation_bits);
    }
    text += "}\n";
  }
  if (e.winograd) text += "convolution: winograd\n";
  text += fmt::format("law: {}\nencoding: {}\nfidelity: {}\n", to_string(e.law),
                      to_string(e.encoding), name_of(fidelities, e.fidelity));
  if (e.garg_grouped_dot_length) text += "garg_grouped_dot_length: true\n";
  if (!e.digital_layers.empty()) {
    text += "digital_layers:\n";
    for (const auto& name : e.digital_layers) text += fmt::format("  - {}\n", yaml_text(name));
  }
  if (!e.point_file.empty()) {
    text += fmt::format("operating_point: {{file: {}}}\n", yaml_text(e.point_file));
  } else if (e.point.photons_per_mac > 0) {
    text +=
        fmt::format("operating_point: {{photons_per_mac: {}, repetitions: {}, integrations: {}}}\n",
                    e.point.photons_per_mac, e.point.repetitions, e.point.integrations);
  }
  if (e.learns) text += fmt::format("learn: {}\n", to_yaml(e.learn));
  text += fmt::format("evaluation: {{seeds: {}", e.seeds);
  if (e.images > 0) text += fmt::format(", images: {}", e.images);  // all where it is left out
  if (!e.curve.empty()) {
    text += fmt::format(", curve: {}, curve_seeds: {}", yaml_list(e.curve), e.curve_seeds);
    if (e.curve_images > 0) text += fmt::format(", curve_images: {}", e.curve_images);
  }
  if (e.device_draws > 0) {
    text += fmt::format(", device_draws: {}, device_draws_hold: {}", e.device_draws,
                        to_string(e.held_light));
  }
  text += fmt::format("}}\nseed: {}\ndevice:\n", e.seed);
  std::string device = data::device_to_yaml(e.device);
  if (e.device_draws > 0) {
    if (!device.ends_with("\n")) device += "\n";
    device += data::calibration_to_yaml(data::load_calibration(e.device_source));
  }
  std::size_t start = 0;
  while (start < device.size()) {
    const std::size_t end = std::min(device.find('\n', start), device.size());
    text += "  " + device.substr(start, end - start) + "\n";
    start = end + 1;
  }
  return text;
}

}  // namespace

const char* to_string(Law law) {
  return name_of(laws, law);
}
const char* to_string(Encoding encoding) {
  return name_of(encodings, encoding);
}
const char* to_string(HeldLight held) {
  return name_of(held_lights, held);
}

std::filesystem::path default_experiment_file() {
  return data::data_directory() / "experiments" / "fashion_cnn.yaml";
}

Experiment read_experiment(const ExperimentArguments& arguments) {
  ConfigNode root = arguments.file.empty() ? ConfigNode::parse("", "command line")
                                           : ConfigNode::load(arguments.file);
  const std::filesystem::path base = arguments.file.parent_path();
  std::vector<std::string> device_assignments;
  for (const std::string& assignment : arguments.assignments) {
    if (is_device_key(assignment.substr(0, assignment.find('=')))) {
      device_assignments.push_back(assignment);
    } else {
      root.set(assignment);
    }
  }

  Experiment e;
  if (!arguments.model.empty()) {
    e.model = arguments.model;
    root.has("model");  // a key of the file that the flag replaces is still a known key
  } else if (root.has("model")) {
    e.model = beside(base, root.text("model"));
  } else {
    root.fail("model: missing",
              "Name an ONNX file: --model model.onnx, or model: in the experiment");
  }
  if (root.has("data")) {
    const ConfigNode node = root.child("data");
    if (arguments.data.empty() || node.is_scalar() || node.has("file")) {
      e.data = read_data(node, base);
    } else {
      node.has("file");
      ConfigNode copy = node;
      copy.set(fmt::format("file={}", yaml_text(arguments.data)));
      e.data = read_data(copy, {});
    }
    if (!node.is_scalar()) node.finish();
  } else if (arguments.data.empty()) {
    root.fail("data: missing", "Name a data set: --data test.h5, or data: in the experiment");
  }
  if (!arguments.data.empty()) e.data.file = arguments.data;
  if (!arguments.labels.empty()) e.data.labels_file = arguments.labels;
  if (root.has("range_data")) {
    const ConfigNode node = root.child("range_data");
    e.range_data = read_data(node, base);
    if (!node.is_scalar()) {
      // Garg et al. take moving averages for the weight law and percentiles otherwise.
      auto& options = e.range_options;
      options.images = positive(node, "images", 0, std::int64_t{1} << 40);
      options.method =
          choose(node, "method", range_methods,
                 root.text_or("law", "homodyne") == "garg-weight" ? "ema" : "percentile");
      options.percentile = node.number_or("percentile", Dimension::none, options.percentile);
      if (!(options.percentile > 50) || !(options.percentile <= 100)) {
        node.child("percentile")
            .fail(fmt::format("range_data.percentile: {} is outside 50 to 100", options.percentile),
                  "Give a percentage above 50, such as 99.99");
      }
      options.momentum = node.number_or("momentum", Dimension::none, options.momentum);
      if (!(options.momentum > 0) || !(options.momentum <= 1)) {
        node.child("momentum")
            .fail(fmt::format("range_data.momentum: {} is outside 0 to 1", options.momentum),
                  "Give the weight of a new sample, such as 0.01");
      }
      node.finish();
    }
  }
  if (root.has("quantisation")) {
    const ConfigNode node = root.child("quantisation");
    e.weight_bits = bits(node, "weights");
    e.activation_bits = bits(node, "activations");
    node.finish();
  }
  e.winograd = choose(root, "convolution", convolutions, "direct");
  const std::string device_name = root.text_or("device", "ideal-shot-noise");
  const std::string chosen = arguments.device.empty() ? device_name : arguments.device;
  const bool from_file = arguments.device.empty() && root.has("device");
  const bool looks_like_path = chosen.find('/') != std::string::npos || chosen.ends_with(".yaml");
  e.device_source = looks_like_path && from_file ? beside(base, chosen).string() : chosen;
  e.device_assignments = device_assignments;
  e.device = data::load_device(e.device_source, device_assignments);
  e.law = choose(root, "law", laws, "homodyne");
  e.encoding = choose(root, "encoding", encodings, "normalised");
  e.fidelity = choose(root, "fidelity", fidelities, "analytic");
  e.garg_grouped_dot_length = root.boolean_or("garg_grouped_dot_length", false);
  if (e.garg_grouped_dot_length && e.law != Law::garg_shot) {
    root.child("garg_grouped_dot_length")
        .fail(fmt::format("garg_grouped_dot_length: true of law: {} (it is how the authors' code "
                          "counts in the shot law)",
                          to_string(e.law)),
              "Leave it out, or set law: garg-shot");
  }
  if (e.fidelity != network::Fidelity::analytic && e.law != Law::homodyne) {
    root.child("fidelity")
        .fail(fmt::format(
                  "fidelity: {} of law: {} (it says how the homodyne receiver's noise is drawn)",
                  name_of(fidelities, e.fidelity), to_string(e.law)),
              "Leave fidelity out");
  }
  if (root.has("digital_layers")) {
    for (const ConfigNode& item : root.child("digital_layers").items()) {
      e.digital_layers.push_back(item.text());
    }
  }
  if (root.has("operating_point")) {
    read_operating_point(root.child("operating_point"), base, e);
  } else if (!arguments.learns) {
    root.fail(
        "operating_point.photons_per_mac: missing",
        "Say how much light a multiplication gets: --set operating_point.photons_per_mac=50, or "
        "--set operating_point.file=learned.h5");
  }
  if (root.has("evaluation")) {
    const ConfigNode node = root.child("evaluation");
    e.images = positive(node, "images", 0, std::int64_t{1} << 31);
    e.seeds = static_cast<int>(positive(node, "seeds", 3, 100000));
    e.batch = static_cast<int>(positive(node, "batch", 1, 1 << 20));
    e.curve = numbers(node, "curve");
    for (const double photons : e.curve) require_positive(node, "curve", photons, "photons/MAC");
    e.curve_images = positive(node, "curve_images", 0, std::int64_t{1} << 31);
    e.curve_seeds = static_cast<int>(positive(node, "curve_seeds", e.seeds, 100000));
    read_device_draws(node, e);
    node.finish();
  }
  std::sort(e.curve.begin(), e.curve.end());
  if (root.has("learn")) e.learn = read_learn_settings(root.child("learn"));
  e.learns = arguments.learns || root.has("learn");
  const std::int64_t seed = root.integer_or("seed", 1);
  if (seed < 0)
    root.child("seed").fail(fmt::format("seed: {} is negative", seed), "Give 0 or more");
  e.seed = arguments.seed.value_or(static_cast<std::uint64_t>(seed));
  root.finish();
  e.resolved = resolve(e);
  return e;
}

}  // namespace attojoule::tools
