// Rewrites that keep the function of the graph and make it simpler.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "network/graph.hpp"
#include "network/operators.hpp"
#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

// Index of the node that computes each value; -1 for inputs and constants.
std::vector<int> producers(const Graph& graph) {
  std::vector<int> result(graph.values.size(), -1);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId output : graph.nodes[i].outputs) {
      result[static_cast<std::size_t>(output)] = static_cast<int>(i);
    }
  }
  return result;
}

void replace_value(Graph& graph, ValueId from, ValueId to) {
  for (Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(graph.outputs.begin(), graph.outputs.end(), from, to);
}

ValueId add_constant(Graph& graph, const std::string& name, Shape shape,
                     std::vector<float> values) {
  Value value;
  value.name = name;
  value.shape = shape;
  value.shape_known = true;
  value.constant = Tensor{ElementType::real, std::move(shape), std::move(values), {}};
  return graph.add_value(std::move(value));
}

bool does_nothing(const Graph& graph, const Node& node) {
  if (node.op == "Identity" || node.op == "Dropout") return true;
  const bool same_type = graph.value(node.inputs.at(0)).type == graph.value(node.outputs[0]).type;
  if (node.op == "Cast") return same_type && graph.value(node.outputs[0]).type == ElementType::real;
  return false;
}

void remove_identities(Graph& graph) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node node = graph.nodes[i];  // as it reads now: its input may have been replaced
    if (!does_nothing(graph, node)) continue;
    // A network whose output is its input is left alone.
    const auto& ins = graph.inputs;
    if (std::find(ins.begin(), ins.end(), node.inputs[0]) != ins.end() &&
        std::find(graph.outputs.begin(), graph.outputs.end(), node.outputs[0]) !=
            graph.outputs.end()) {
      continue;
    }
    replace_value(graph, node.outputs[0], node.inputs[0]);
  }
  remove_dead_nodes(graph);
}

// y = scale (W x + b - mean) / sqrt(var + eps) + shift, per output channel, in double precision.
void fold_batch_norms(Graph& graph) {
  for (std::size_t index = 0; index < graph.nodes.size(); ++index) {
    const Node& norm = graph.nodes[index];
    if (norm.op != "BatchNormalization") continue;
    const auto readers = graph.count_readers();
    const int producer = producers(graph)[static_cast<std::size_t>(norm.inputs[0])];
    if (producer < 0 || readers[static_cast<std::size_t>(norm.inputs[0])] != 1) continue;
    Node& product = graph.nodes[static_cast<std::size_t>(producer)];
    const bool transposed = product.op == "ConvTranspose";
    const bool conv = product.op == "Conv" || transposed;
    if (!conv && product.op != "Gemm") continue;
    const OperatorCall call(graph, product);
    const Tensor* weights = graph.constant(product.inputs[1]);
    const bool has_bias = call.has_input(2);
    const Tensor* bias = has_bias ? graph.constant(product.inputs[2]) : nullptr;
    if (weights == nullptr || (has_bias && bias == nullptr)) continue;
    if (!conv && (call.real("alpha", 1) != 1 || call.real("beta", 1) != 1)) continue;
    bool constant = true;
    for (std::size_t i = 1; i < 5; ++i) constant = constant && graph.constant(norm.inputs[i]);
    if (!constant) continue;
    const bool rows = conv || call.integer("transB", 0) != 0;  // an output's weights are a row
    const std::int64_t groups = conv ? call.integer("group", 1) : 1;
    const auto channels = static_cast<std::size_t>(transposed ? weights->shape[1] * groups
                                                   : rows     ? weights->shape[0]
                                                              : weights->shape[1]);
    if (bias != nullptr && bias->reals.size() != channels) continue;
    const double epsilon = OperatorCall(graph, norm).real("epsilon", 1e-5);
    const auto& scale = graph.constant(norm.inputs[1])->reals;
    const auto& shift = graph.constant(norm.inputs[2])->reals;
    const auto& mean = graph.constant(norm.inputs[3])->reals;
    const auto& variance = graph.constant(norm.inputs[4])->reals;
    std::vector<float> folded = weights->reals;
    std::vector<float> folded_bias(channels);
    const std::size_t depth = folded.size() / channels;
    for (std::size_t c = 0; c < channels; ++c) {
      if (!(variance[c] + epsilon > 0)) {
        throw DataError(
            fmt::format("{}: {}: variance {} of channel {} is negative. Check the "
                        "training run that made the file.",
                        graph.name, graph.describe(norm), variance[c], c));
      }
      const double factor = scale[c] / std::sqrt(variance[c] + epsilon);
      for (std::size_t k = 0; k < depth; ++k) {
        std::size_t at = rows ? c * depth + k : k * channels + c;
        if (transposed) {
          // W[input channel][output channel of the group][tap]
          const auto per_group = static_cast<std::size_t>(weights->shape[1]);
          const auto inputs = static_cast<std::size_t>(weights->shape[0] / groups);
          const std::size_t taps = depth / inputs;
          const std::size_t input = c / per_group * inputs + k / taps;
          at = (input * per_group + c % per_group) * taps + k % taps;
        }
        float& weight = folded[at];
        weight = static_cast<float>(weight * factor);
      }
      const double old_bias = bias != nullptr ? bias->reals[c] : 0.0;
      folded_bias[c] = static_cast<float>((old_bias - mean[c]) * factor + shift[c]);
    }
    const Shape weight_shape = weights->shape;
    const ValueId new_weights =
        add_constant(graph, product.name + "/weights", weight_shape, std::move(folded));
    const ValueId new_bias =
        add_constant(graph, product.name + "/bias", {static_cast<std::int64_t>(channels)},
                     std::move(folded_bias));
    Node& target = graph.nodes[static_cast<std::size_t>(producer)];
    target.inputs.resize(3);
    target.inputs[1] = new_weights;
    target.inputs[2] = new_bias;
    const ValueId result = graph.nodes[index].outputs[0];
    replace_value(graph, result, target.outputs[0]);
    // Gone at once: it would count as a reader of the product for a normalisation that follows.
    graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(index));
    --index;
  }
  remove_dead_nodes(graph);
}

// Zeros around the image are the convolution's own padding.
void fold_padding(Graph& graph) {
  for (const Node& pad : std::vector<Node>(graph.nodes)) {
    if (pad.op != "Pad") continue;
    const OperatorCall call(graph, pad);
    if (call.text("mode", "constant") != "constant" || call.rank(0) < 3) continue;
    if (call.has_input(2) ? call.constant_real(2, 0) != 0 : call.real("value", 0) != 0) continue;
    const Shape& before = call.shape(0);
    const Shape& after = graph.value(pad.outputs[0]).shape;
    auto pads = call.has_input(1) ? call.constant_integers(1) : call.integers("pads", {});
    if (call.has_input(3) || pads.size() != 2 * before.size()) continue;
    if (before[0] != after[0] || before[1] != after[1] ||
        std::any_of(pads.begin(), pads.end(), [](std::int64_t value) { return value < 0; })) {
      continue;
    }
    bool all_convolutions = true;
    for (const Node& reader : graph.nodes) {
      if (std::find(reader.inputs.begin(), reader.inputs.end(), pad.outputs[0]) ==
          reader.inputs.end()) {
        continue;
      }
      all_convolutions = all_convolutions && reader.op == "Conv" &&
                         OperatorCall(graph, reader).text("auto_pad", "NOTSET") == "NOTSET";
    }
    const auto& outputs = graph.outputs;
    if (!all_convolutions ||
        std::find(outputs.begin(), outputs.end(), pad.outputs[0]) != outputs.end()) {
      continue;
    }
    const std::size_t axes = before.size() - 2;
    for (Node& reader : graph.nodes) {
      if (reader.inputs.empty() || reader.inputs[0] != pad.outputs[0]) continue;
      auto own =
          OperatorCall(graph, reader).integers("pads", std::vector<std::int64_t>(2 * axes, 0));
      for (std::size_t i = 0; i < axes; ++i) {
        own[i] += pads[2 + i];
        own[axes + i] += pads[before.size() + 2 + i];
      }
      reader.attributes["pads"] = own;
      reader.inputs[0] = pad.inputs[0];
    }
  }
  remove_dead_nodes(graph);
}

}  // namespace

void score_both_classes(Graph& graph) {
  const ValueId output = graph.outputs[0];
  const Shape shape = graph.value(output).shape;
  const int last = producers(graph)[static_cast<std::size_t>(output)];
  if (shape.empty() || element_count(shape) != 1 || last < 0 ||
      graph.nodes[static_cast<std::size_t>(last)].op != "Sigmoid") {
    return;
  }
  const Node& sigmoid = graph.nodes[static_cast<std::size_t>(last)];
  Value scores;
  scores.name = sigmoid.name + "/scores";
  scores.shape = shape;
  scores.shape.back() = 2;
  scores.shape_known = true;
  Node both;
  both.op = "Concat";
  both.name = scores.name;
  both.inputs = {add_constant(graph, scores.name + "/first", shape, {0.0f}), sigmoid.inputs[0]};
  both.outputs = {graph.add_value(std::move(scores))};
  both.attributes["axis"] = static_cast<std::int64_t>(shape.size()) - 1;
  graph.outputs[0] = both.outputs[0];
  graph.nodes.push_back(std::move(both));
  remove_dead_nodes(graph);
}

void simplify(Graph& graph) {
  remove_identities(graph);
  fold_padding(graph);
  fold_batch_norms(graph);
  rewrite_products(graph);
}

}  // namespace attojoule::network
