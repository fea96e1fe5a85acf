#include "network/operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

// No network of this program's size has a larger value; a file that claims one is broken.
constexpr std::int64_t largest_value = std::int64_t{1} << 31;

// A few bytes of a file can ask for any number of constants (Expand, Tile, Range): together the
// computed ones may hold this many elements, and this many times those that the file holds.
constexpr std::int64_t computed_elements = std::int64_t{1} << 24;
constexpr std::int64_t computed_copies = 8;

// An array without elements may still claim an axis that sums of extents overflow on.
// Extents of 0 aside, since loops over the others run around the axis that has no elements.
bool has_sane_extents(const Shape& shape) {
  std::int64_t count = 1;
  return std::all_of(shape.begin(), shape.end(), [&count](std::int64_t extent) {
    return extent <= 0 ||
           (!__builtin_mul_overflow(count, extent, &count) && count <= largest_value);
  });
}

const std::map<std::string, const Operator*>& registry() {
  static const std::map<std::string, const Operator*> operators = [] {
    std::map<std::string, const Operator*> result;
    for (const auto family :
         {elementwise_operators(), movement_operators(), reduction_operators(), product_operators(),
          einsum_operators(), indexing_operators(), normalisation_operators(),
          quantisation_operators(), resize_operators(), recurrent_operators()}) {
      for (const Operator& op : family) result.emplace(op.name, &op);
    }
    return result;
  }();
  return operators;
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
    }
  }
  return row.back();
}

// The window of the axes [first, last) of `kernel`, at most two.
WindowGeometry geometry_of_axes(const OperatorCall& call, std::span<const std::int64_t> kernel,
                                std::size_t first, std::size_t last) {
  const Shape& input = call.shape(0);
  const std::size_t axes = kernel.size();
  const auto strides = call.integers("strides", std::vector<std::int64_t>(axes, 1));
  const auto dilations = call.integers("dilations", std::vector<std::int64_t>(axes, 1));
  const auto pads = call.integers("pads", std::vector<std::int64_t>(2 * axes, 0));
  const std::string auto_pad = call.text("auto_pad", "NOTSET");
  const bool ceiling = call.integer("ceil_mode", 0) != 0;
  if (strides.size() != axes || dilations.size() != axes || pads.size() != 2 * axes) {
    call.fail("strides, dilations and pads do not match the kernel's axes",
              "The file is inconsistent; export it again");
  }
  WindowGeometry geometry;
  geometry.channels = input[1];
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t axis = i + 2 - last;  // a one-dimensional window lies along the second axis
    const std::int64_t extent = input[2 + i];
    constexpr std::int64_t largest = 1 << 20;
    if (kernel[i] < 1 || strides[i] < 1 || dilations[i] < 1 || kernel[i] > largest ||
        strides[i] > largest || dilations[i] > largest) {
      call.fail(fmt::format("kernel {}, stride {}, dilation {} (each must be 1 to {})", kernel[i],
                            strides[i], dilations[i], largest),
                "Export the model again");
    }
    const std::int64_t span = (kernel[i] - 1) * dilations[i] + 1;
    std::int64_t begin = pads[i];
    std::int64_t end = pads[axes + i];
    if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
      const std::int64_t out = (extent + strides[i] - 1) / strides[i];
      const std::int64_t total = std::max<std::int64_t>(0, (out - 1) * strides[i] + span - extent);
      begin = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      end = total - begin;
    } else if (auto_pad == "VALID") {
      begin = end = 0;
    } else if (auto_pad != "NOTSET") {
      call.fail(fmt::format("auto_pad '{}' is unknown", auto_pad), "Export the model again");
    }
    if (begin < 0 || end < 0 || begin > largest || end > largest) {
      call.fail(fmt::format("padding {} and {} (must be 0 to {})", begin, end, largest),
                "Export the model with Slice where it crops");
    }
    const std::int64_t free = extent + begin + end - span;
    if (free < 0) {
      call.fail(fmt::format("a window of {} over an axis of {} with padding {} and {}", span,
                            extent, begin, end),
                "The input is too small for this network");
    }
    std::int64_t out = (ceiling ? free + strides[i] - 1 : free) / strides[i] + 1;
    // A window that would start in the padding behind the input is dropped, as runtimes do.
    if (ceiling && (out - 1) * strides[i] >= extent + begin) --out;
    geometry.input[axis] = extent;
    geometry.kernel[axis] = kernel[i];
    geometry.stride[axis] = strides[i];
    geometry.dilation[axis] = dilations[i];
    geometry.pad_begin[axis] = begin;
    geometry.pad_end[axis] = end;
    geometry.output[axis] = out;
  }
  return geometry;
}

void check_window(const OperatorCall& call, std::size_t axes, std::size_t most) {
  if (axes >= 1 && axes <= most && call.shape(0).size() == axes + 2) return;
  call.fail(fmt::format("an input of shape {} with a window of {} axes (windows of one to {} axes "
                        "are supported)",
                        to_string(call.shape(0)), axes, most),
            "Rewrite the model");
}

}  // namespace

bool OperatorCall::has_input(std::size_t index) const {
  return index < node_.inputs.size() && node_.inputs[index] != no_value;
}

const Shape& OperatorCall::shape(std::size_t index) const {
  if (!has_input(index)) {
    fail(fmt::format("input {} is missing", index), "The file is inconsistent; export it again");
  }
  const Value& value = graph_.value(node_.inputs[index]);
  if (!value.shape_known) {
    fail(fmt::format("the shape of input '{}' is unknown", value.name),
         "The file is inconsistent; export it again");
  }
  return value.shape;
}

std::int64_t OperatorCall::rank(std::size_t index) const {
  return static_cast<std::int64_t>(shape(index).size());
}

ElementType OperatorCall::type(std::size_t index) const {
  shape(index);
  return graph_.value(node_.inputs[index]).type;
}

const Shape& OperatorCall::output_shape(std::size_t index) const {
  return graph_.value(node_.outputs.at(index)).shape;
}

std::int64_t OperatorCall::integer(const std::string& name, std::int64_t fallback) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return fallback;
  if (const auto* value = std::get_if<std::int64_t>(&found->second)) return *value;
  fail(fmt::format("attribute '{}' is not an integer", name), "Export the model again");
}

double OperatorCall::real(const std::string& name, double fallback) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return fallback;
  if (const auto* value = std::get_if<double>(&found->second)) return *value;
  fail(fmt::format("attribute '{}' is not a real number", name), "Export the model again");
}

std::string OperatorCall::text(const std::string& name, const std::string& fallback) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return fallback;
  if (const auto* value = std::get_if<std::string>(&found->second)) return *value;
  fail(fmt::format("attribute '{}' is not a text", name), "Export the model again");
}

std::vector<std::int64_t> OperatorCall::integers(const std::string& name,
                                                 std::vector<std::int64_t> fallback) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return fallback;
  if (const auto* value = std::get_if<std::vector<std::int64_t>>(&found->second)) return *value;
  fail(fmt::format("attribute '{}' is not a list of integers", name), "Export the model again");
}

std::vector<double> OperatorCall::reals(const std::string& name) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return {};
  if (const auto* value = std::get_if<std::vector<double>>(&found->second)) return *value;
  fail(fmt::format("attribute '{}' is not a list of real numbers", name), "Export the model again");
}

std::vector<std::string> OperatorCall::texts(const std::string& name) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return {};
  if (const auto* value = std::get_if<std::vector<std::string>>(&found->second)) return *value;
  fail(fmt::format("attribute '{}' is not a list of texts", name), "Export the model again");
}

const Tensor* OperatorCall::tensor(const std::string& name) const {
  const auto found = node_.attributes.find(name);
  return found == node_.attributes.end() ? nullptr : std::get_if<Tensor>(&found->second);
}

bool OperatorCall::is_constant(std::size_t index) const {
  return has_input(index) && graph_.constant(node_.inputs[index]) != nullptr;
}

std::vector<std::int64_t> OperatorCall::constant_integers(std::size_t index) const {
  shape(index);
  const Tensor* constant = graph_.constant(node_.inputs[index]);
  if (constant == nullptr) {
    fail(fmt::format("input '{}' depends on the network's input (it must be known beforehand)",
                     graph_.value(node_.inputs[index]).name),
         "Export the model with fixed shapes");
  }
  if (constant->type == ElementType::real) {
    fail(fmt::format("input '{}' holds real numbers where integers are needed",
                     graph_.value(node_.inputs[index]).name),
         "Export the model again");
  }
  return constant->integers;
}

double OperatorCall::constant_real(std::size_t index, double fallback) const {
  if (!has_input(index)) return fallback;
  const Tensor* constant = graph_.constant(node_.inputs[index]);
  if (constant == nullptr || constant->size() != 1) {
    fail(fmt::format("input {} must be one number that is known beforehand", index),
         "Export the model with constants in that place");
  }
  return to_double(*constant).values[0];
}

std::vector<double> OperatorCall::constant_numbers(std::size_t index) const {
  shape(index);
  const Tensor* constant = graph_.constant(node_.inputs[index]);
  if (constant == nullptr) {
    fail(fmt::format("input '{}' depends on the network's input (it must be known beforehand)",
                     graph_.value(node_.inputs[index]).name),
         "Export the model with fixed shapes");
  }
  return to_double(*constant).values;
}

const Tensor* OperatorCall::constant_tensor(std::size_t index) const {
  return has_input(index) ? graph_.constant(node_.inputs[index]) : nullptr;
}

void OperatorCall::require_reals() const {
  for (std::size_t i = 0; i < input_count(); ++i) {
    if (!has_input(i) || type(i) == ElementType::real) continue;
    fail(fmt::format("input '{}' holds {} numbers where real ones are needed",
                     graph_.value(node_.inputs[i]).name, to_string(type(i))),
         "Export the model in float32");
  }
}

std::int64_t OperatorCall::axis(std::int64_t value, std::int64_t rank) const {
  if (value < -rank || value >= rank) {
    fail(fmt::format("axis {} of an array of {} axes", value, rank), "Export the model again");
  }
  return value < 0 ? value + rank : value;
}

void OperatorCall::fail(const std::string& problem, const std::string& remedy) const {
  throw DataError(
      fmt::format("{}: {}: {}. {}.", graph_.name, graph_.describe(node_), problem, remedy));
}

const Operator* find_operator(const std::string& name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : found->second;
}

std::vector<const Operator*> all_operators() {
  std::vector<const Operator*> result;
  for (const auto& [name, op] : registry()) result.push_back(op);
  return result;
}

void check_supported(const Graph& graph, const Node& node) {
  const OperatorCall call(graph, node);
  const Operator* op = find_operator(node.op);
  if (op == nullptr) {
    const auto nearest =
        std::min_element(registry().begin(), registry().end(), [&](const auto& a, const auto& b) {
          return edit_distance(node.op, a.first) < edit_distance(node.op, b.first);
        });
    call.fail(fmt::format("operator '{}' of opset {} is not supported (nearest: {})", node.op,
                          graph.opset, nearest->first),
              "Rewrite the model without it; `attojoule help operators` lists what can run");
  }
  const auto given = static_cast<int>(node.inputs.size());
  if (given < op->min_inputs || given > op->max_inputs) {
    call.fail(fmt::format("{} inputs where {} takes {} to {}", given, node.op, op->min_inputs,
                          op->max_inputs),
              "The file is inconsistent; export it again");
  }
  for (int i = 0; i < op->min_inputs; ++i) {
    if (!call.has_input(static_cast<std::size_t>(i))) {
      call.fail(fmt::format("input {} is missing", i), "The file is inconsistent");
    }
  }
}

std::vector<DoubleTensor> evaluate(const Graph& graph, const Node& node,
                                   const InputTensors& inputs) {
  const Operator* op = find_operator(node.op);
  std::vector<DoubleTensor> outputs(node.outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Value& value = graph.value(node.outputs[i]);
    outputs[i].type = value.type;
    outputs[i].shape = value.shape;
    outputs[i].values.resize(static_cast<std::size_t>(element_count(value.shape)));
  }
  // Loops around an axis without elements may be long, and compute nothing.
  const bool nothing = std::all_of(outputs.begin(), outputs.end(),
                                   [](const auto& output) { return output.values.empty(); });
  if (!nothing) op->evaluate(OperatorCall(graph, node), inputs, outputs);
  return outputs;
}

WindowGeometry window_geometry(const OperatorCall& call, std::span<const std::int64_t> kernel) {
  check_window(call, kernel.size(), 2);
  return geometry_of_axes(call, kernel, 0, kernel.size());
}

VolumeGeometry volume_geometry(const OperatorCall& call, std::span<const std::int64_t> kernel) {
  check_window(call, kernel.size(), 3);
  if (kernel.size() < 3) {
    VolumeGeometry flat{{}, geometry_of_axes(call, kernel, 0, kernel.size())};
    flat.depth.channels = flat.plane.channels;
    return flat;
  }
  return {geometry_of_axes(call, kernel, 0, 1), geometry_of_axes(call, kernel, 1, 3)};
}

Shape VolumeGeometry::output_shape(const OperatorCall& call, std::int64_t channels) const {
  Shape shape{call.shape(0)[0], channels};
  if (call.rank(0) == 5) shape.push_back(depth.output[1]);
  if (call.rank(0) >= 4) shape.push_back(plane.output[0]);
  shape.push_back(plane.output[1]);
  return shape;
}

Shape broadcast_shape(const OperatorCall& call, const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) {
      call.fail(fmt::format("shapes {} and {} do not fit each other", to_string(a), to_string(b)),
                "Check the input's shape against the model");
    }
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

namespace {

// Whether a node's branches are the ones that run. An inner condition is known only where its own
// branch runs.
bool is_taken(const Graph& graph, const Node& node) {
  for (const Guard& guard : node.guards) {
    const Tensor* condition = graph.constant(guard.condition);
    if (condition == nullptr || condition->size() != 1) return false;  // take_branch refuses
    if ((to_double(*condition).values[0] != 0) != guard.wanted) return false;
  }
  return true;
}

void take_branch(const Graph& graph, const Node& node, std::vector<ValueId>& taken) {
  const Tensor* condition = graph.constant(node.inputs[0]);
  if (condition == nullptr || condition->size() != 1) {
    OperatorCall(graph, node)
        .fail(condition == nullptr ? "its condition depends on the input's values"
                                   : "its condition is not a single value",
              "Control flow cannot be mapped onto optical tiles; export without it");
  }
  const std::size_t count = node.outputs.size();
  const std::size_t first = to_double(*condition).values[0] != 0 ? 1 : 1 + count;
  for (std::size_t i = 0; i < count; ++i) {
    taken[static_cast<std::size_t>(node.outputs[i])] = node.inputs[first + i];
  }
}

}  // namespace

void bind_inputs(Graph& graph, const std::vector<Shape>& shapes) {
  if (shapes.size() != graph.inputs.size()) {
    throw DataError(
        fmt::format("{}: the network has {} inputs, the data gives {}. Name the data "
                    "sets of the file as the network's inputs.",
                    graph.name, graph.inputs.size(), shapes.size()));
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    Value& value = graph.value(graph.inputs[i]);
    const bool declared = !value.shape.empty() || value.shape_known;
    bool fits = !declared || value.shape.size() == shapes[i].size();
    for (std::size_t axis = 0; fits && declared && axis < value.shape.size(); ++axis) {
      fits = value.shape[axis] < 0 || value.shape[axis] == shapes[i][axis];
    }
    if (!fits) {
      std::vector<std::string> wanted;
      for (const auto extent : value.shape) {
        wanted.push_back(extent < 0 ? "?" : fmt::format("{}", extent));
      }
      throw DataError(
          fmt::format("{}: input '{}' takes shape {}, the data has {}. Use the data "
                      "set that the network was trained for.",
                      graph.name, value.name, fmt::join(wanted, "x"), to_string(shapes[i])));
    }
    value.shape = shapes[i];
    value.shape_known = true;
  }
  std::int64_t budget = computed_elements;
  for (const Value& value : graph.values) {
    if (value.constant) budget += computed_copies * value.constant->size();
    if (value.shape_known && !has_sane_extents(value.shape)) {
      throw DataError(
          fmt::format("{}: '{}' has shape {} (too large). The file is inconsistent; export "
                      "it again.",
                      graph.name, value.name, to_string(value.shape)));
    }
  }
  // What stands for the outputs of an If.
  std::vector<ValueId> taken(graph.values.size());
  std::iota(taken.begin(), taken.end(), ValueId{0});
  const auto follow = [&taken](ValueId& id) {
    if (id != no_value) id = taken[static_cast<std::size_t>(id)];
  };
  for (Node& node : graph.nodes) {
    for (ValueId& input : node.inputs) follow(input);
    for (Guard& guard : node.guards) follow(guard.condition);
    if (!is_taken(graph, node)) continue;
    if (node.op == "If") {
      take_branch(graph, node, taken);
      continue;
    }
    const OperatorCall call(graph, node);
    const Operator* op = find_operator(node.op);
    const std::vector<ValueInfo> infos = op->infer(call);
    if (infos.size() < node.outputs.size()) {
      call.fail(fmt::format("{} outputs where {} are supported", node.outputs.size(), infos.size()),
                "Export the model for inference");
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (!has_sane_extents(infos[i].shape)) {
        call.fail(fmt::format("output of shape {} (too large)", to_string(infos[i].shape)),
                  "Check the input's shape against the model");
      }
      Value& value = graph.value(node.outputs[i]);
      value.type = infos[i].type;
      value.shape = infos[i].shape;
      value.shape_known = true;
    }
    bool constant = true;
    // These need their input's shape only, which is known for every value.
    if (node.op != "Shape" && node.op != "Size" && node.op != "EyeLike") {
      for (const ValueId input : node.inputs) {
        constant = constant && (input == no_value || graph.constant(input) != nullptr);
      }
    }
    if (!constant) continue;
    for (const ValueId output : node.outputs) budget -= element_count(graph.value(output).shape);
    if (budget < 0) {
      call.fail("its constant result is too large", "The file is inconsistent; export it again");
    }
    if (const Tensor* tensor = call.tensor("value"); node.op == "Constant" && tensor != nullptr) {
      graph.value(node.outputs[0]).constant = *tensor;  // its stored type included
      continue;
    }
    std::vector<DoubleTensor> held(node.inputs.size());
    InputTensors inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Tensor* tensor = graph.constant(node.inputs[i]);
      if (tensor != nullptr) held[i] = to_double(*tensor);
      inputs.push_back(tensor != nullptr ? &held[i] : nullptr);
    }
    const std::vector<DoubleTensor> outputs = evaluate(graph, node, inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      graph.value(node.outputs[i]).constant = to_tensor(outputs[i]);
    }
  }
  for (ValueId& output : graph.outputs) {
    follow(output);
    if (graph.constant(output) != nullptr) {
      throw DataError(
          fmt::format("{}: output '{}' does not depend on the input. The file is not a "
                      "network.",
                      graph.name, graph.value(output).name));
    }
  }
  remove_dead_nodes(graph);
  for (Node& node : graph.nodes) node.guards.clear();
}

void remove_dead_nodes(Graph& graph) {
  std::vector<bool> needed(graph.values.size(), false);
  for (const ValueId output : graph.outputs) needed[static_cast<std::size_t>(output)] = true;
  std::vector<Node> kept;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    Node& node = graph.nodes[i];
    const bool live = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
      return needed[static_cast<std::size_t>(id)] && graph.constant(id) == nullptr;
    });
    if (!live) continue;
    for (const ValueId input : node.inputs) {
      if (input != no_value) needed[static_cast<std::size_t>(input)] = true;
    }
    kept.push_back(std::move(node));
  }
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!needed[i]) graph.values[i].constant.reset();
  }
}

}  // namespace attojoule::network
