// Rewrites of products into the ones that tiles run: convolutions and stacks of matrices.
//
// Einsum of two operands   -> Transpose, Reshape, MatMul, Reshape, Transpose (or Mul, if no label
//                             is summed over and multiplied)
// Gemm that is no layer    -> Transpose, MatMul, Mul, Add: computed or transposed operands
// ConvTranspose            -> one convolution for every phase of the stride, and interleaving
// RNN, GRU, LSTM           -> graph_recurrent.cpp
// Conv over three axes     -> graph_volumes.cpp, and pooling over three axes with it
//
// A transposed convolution of stride s writes output pixel o = q s + a - p (phase a = 0 .. s - 1)
// from the taps with k d = a mod s only: y[o] = sum_k x[q - (k d - a) / s] W[k]. Each phase is a
// convolution of stride 1 whose dot products have C_in times its own number of taps, which is what
// a tile multiplies; the zeros that a stride could be filled up with are not.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "network/graph.hpp"
#include "network/graph_rewrite.hpp"
#include "network/operators.hpp"

namespace attojoule::network {
namespace {

// ---- Einsum ----

std::string in_order(const std::string& labels, const std::string& wanted) {
  std::string result;
  for (const char label : wanted) {
    if (labels.find(label) != std::string::npos) result += label;
  }
  return result;
}

std::vector<Node> rewrite_einsum(Graph& graph, const Node& node) {
  const OperatorCall call(graph, node);
  EinsumTerms terms = einsum_terms(call);
  Rewrite rewrite(graph, node);
  if (terms.operands.size() > 2) {
    call.fail(fmt::format("a product of {} operands", terms.operands.size()),
              "Split it into products of two (the order of multiplication is the hardware's "
              "business)");
  }
  const auto part = [](std::size_t operand, const char* what) {
    return fmt::format("{}{}", what, operand + 1);
  };
  std::vector<ValueId> values(node.inputs);
  if (values.size() == 2 && graph.constant(values[0]) != nullptr) {
    // Weights are the second operand, as in MatMul.
    std::swap(values[0], values[1]);
    std::swap(terms.operands[0], terms.operands[1]);
  }
  for (std::size_t k = 0; k < terms.operands.size(); ++k) {
    // Sums over what only this operand has come first.
    std::string& term = terms.operands[k];
    std::vector<std::int64_t> summed;
    std::string rest;
    for (std::size_t i = 0; i < term.size(); ++i) {
      const bool elsewhere =
          terms.output.find(term[i]) != std::string::npos ||
          (terms.operands.size() == 2 && terms.operands[1 - k].find(term[i]) != std::string::npos);
      elsewhere ? void(rest += term[i]) : summed.push_back(static_cast<std::int64_t>(i));
    }
    if (summed.empty()) continue;
    const std::string name = part(k, "sum");
    values[k] =
        rewrite.node("ReduceSum", name, {values[k], rewrite.integers(name + "/axes", summed)},
                     {{"keepdims", std::int64_t{0}}});
    term = rest;
  }
  const auto order_of = [](const std::string& from, const std::string& to) {
    std::vector<std::int64_t> order;
    for (const char label : to) order.push_back(static_cast<std::int64_t>(from.find(label)));
    return order;
  };
  if (terms.operands.size() == 1) {
    const ValueId result =
        rewrite.transpose("transpose", values[0], order_of(terms.operands[0], terms.output));
    if (rewrite.made(result)) return rewrite.finish({result});
    return rewrite.finish({rewrite.node("Identity", "", {result})});
  }
  const std::string& a = terms.operands[0];
  const std::string& b = terms.operands[1];
  std::string batch, left, right, inner;
  for (const auto& [label, extent] : terms.extents) {
    const bool in_a = a.find(label) != std::string::npos;
    const bool in_b = b.find(label) != std::string::npos;
    const bool in_output = terms.output.find(label) != std::string::npos;
    if (in_a && in_b) {
      (in_output ? batch : inner) += label;
    } else if (in_a) {
      left += label;
    } else if (in_b) {
      right += label;
    }
  }
  batch = in_order(batch, terms.output);
  left = in_order(left, terms.output);
  right = in_order(right, terms.output);
  const auto size = [&](const std::string& labels) {
    std::int64_t count = 1;
    for (const char label : labels) count *= terms.extents.at(label);
    return count;
  };
  // An extent of 1 that stands for a larger one.
  const auto widened = [&](std::size_t k, const std::string& term) {
    Shape wanted;
    for (const char label : term) wanted.push_back(terms.extents.at(label));
    if (rewrite.shape(values[k]) == wanted) return values[k];
    const std::string name = part(k, "expand");
    return rewrite.node("Expand", name, {values[k], rewrite.integers(name + "/shape", wanted)});
  };
  if (inner.empty()) {
    // Nothing is added up: each output is one multiplication, which no tile has to do.
    std::array<ValueId, 2> sides{};
    for (const std::size_t k : {std::size_t{0}, std::size_t{1}}) {
      const std::string ordered = in_order(terms.operands[k], terms.output);
      const ValueId moved =
          rewrite.transpose(part(k, "transpose"), values[k], order_of(terms.operands[k], ordered));
      Shape shape;
      std::size_t next = 0;
      for (const char label : terms.output) {
        const bool own = ordered.find(label) != std::string::npos;
        shape.push_back(own ? rewrite.shape(moved)[next++] : 1);
      }
      sides[k] = rewrite.reshape(part(k, "reshape"), moved, shape);
    }
    return rewrite.finish({rewrite.node("Mul", "", {sides[0], sides[1]})});
  }
  const std::string a_order = batch + left + inner;
  const std::string b_order = batch + inner + right;
  const ValueId x = rewrite.reshape(
      "reshape1", rewrite.transpose("transpose1", widened(0, a), order_of(a, a_order)),
      {size(batch), size(left), size(inner)});
  // Weights that are the same for the whole stack are one matrix.
  const ValueId w_moved = rewrite.transpose("transpose2", widened(1, b), order_of(b, b_order));
  const bool one_matrix = batch.empty();
  const ValueId w = rewrite.reshape(
      "reshape2", w_moved,
      one_matrix ? Shape{size(inner), size(right)} : Shape{size(batch), size(inner), size(right)});
  const ValueId product = rewrite.node("MatMul", "", {x, w});
  Shape spread;
  const std::string made = batch + left + right;
  for (const char label : made) spread.push_back(terms.extents.at(label));
  return rewrite.finish({rewrite.transpose(
      "transpose3", rewrite.reshape("reshape3", product, spread), order_of(made, terms.output))});
}

// ---- Gemm ----

// A Gemm is a layer if its second operand is constant and its bias one constant for each output.
bool is_layer(const Graph& graph, const Node& node) {
  const OperatorCall call(graph, node);
  if (call.integer("transA", 0) != 0 || !call.is_constant(1)) return false;
  if (!call.has_input(2)) return true;
  const Shape& bias = call.shape(2);
  return call.is_constant(2) && (element_count(bias) == 1 || bias.size() == 1 || bias[0] == 1);
}

std::vector<Node> rewrite_gemm(Graph& graph, const Node& node) {
  const OperatorCall call(graph, node);
  Rewrite rewrite(graph, node);
  const auto side = [&](std::size_t index, const char* flag, const char* part) {
    const bool turned = call.integer(flag, 0) != 0;
    return turned ? rewrite.transpose(part, node.inputs[index], {1, 0}) : node.inputs[index];
  };
  const ValueId a = side(0, "transA", "transpose1");
  const ValueId b = side(1, "transB", "transpose2");
  ValueId result = rewrite.node("MatMul", "", {a, b});
  const auto scaled = [&](ValueId value, const char* name) {
    const double factor = call.real(name, 1);
    if (factor == 1) return value;
    return rewrite.node("Mul", std::string(name) + "/scaled",
                        {value, rewrite.constant(name, {}, {static_cast<float>(factor)})});
  };
  result = scaled(result, "alpha");
  if (call.has_input(2)) {
    result = rewrite.node("Add", "bias", {result, scaled(node.inputs[2], "beta")});
  }
  return rewrite.finish({result});
}

// ---- ConvTranspose ----

// One phase along one axis: the taps that reach it, as a convolution of stride 1 over the input.
struct Phase {
  std::vector<std::int64_t> taps;  // in the order of the convolution's window
  std::int64_t dilation = 1;
  std::int64_t pad_begin = 0;  // negative: cropped
  std::int64_t pad_end = 0;
  std::int64_t outputs = 0;
  std::int64_t first = 0;  // output pixel of its first result
};

Phase phase_of(const WindowGeometry& g, std::size_t axis, std::int64_t a) {
  const std::int64_t stride = g.stride[axis];
  Phase phase;
  phase.dilation = g.dilation[axis] / std::gcd(g.dilation[axis], stride);
  for (std::int64_t k = g.kernel[axis]; k-- > 0;) {
    if (k * g.dilation[axis] % stride == a) phase.taps.push_back(k);
  }
  // o = q stride + a - pad >= 0
  const std::int64_t shift = g.pad_begin[axis] - a;
  const std::int64_t first_q = shift > 0 ? (shift + stride - 1) / stride : 0;
  // Phases of index a < pad may begin at q > 0, the others at q = 0 (o = a - pad >= 0).
  phase.first = first_q * stride - shift;
  phase.outputs =
      phase.first >= g.output[axis] ? 0 : (g.output[axis] - 1 - phase.first) / stride + 1;
  if (phase.taps.empty()) return phase;
  // x index of tap j of output u: u + first_q - reach + j dilation
  const std::int64_t reach = (phase.taps.front() * g.dilation[axis] - a) / stride;
  const auto span = (static_cast<std::int64_t>(phase.taps.size()) - 1) * phase.dilation;
  phase.pad_begin = reach - first_q;
  phase.pad_end = phase.outputs - 1 + first_q - reach + span - (g.input[axis] - 1);
  return phase;
}

std::vector<Node> rewrite_conv_transpose(Graph& graph, const Node& node) {
  const OperatorCall call(graph, node);
  if (!call.is_constant(1) || (call.has_input(2) && !call.is_constant(2))) {
    call.fail("computed weights", "Export with constant weights");
  }
  // Copies: new values move the graph's.
  const Tensor weights = *graph.constant(node.inputs[1]);
  const Tensor bias = call.has_input(2) ? *graph.constant(node.inputs[2]) : Tensor{};
  const bool has_bias = call.has_input(2);
  const WindowGeometry g = transposed_geometry(call);
  const std::int64_t groups = call.integer("group", 1);
  const std::int64_t depth = g.channels / groups;
  const std::int64_t per_group = weights.shape[1];
  const std::int64_t channels = per_group * groups;
  const std::int64_t batch = call.shape(0)[0];
  const bool image = call.rank(0) == 4;
  Rewrite rewrite(graph, node);
  ValueId input = node.inputs[0];
  if (!image) {
    input = rewrite.reshape("image", input, {batch, g.channels, 1, g.input[1]});
  }
  std::array<std::vector<Phase>, 2> phases;
  for (const std::size_t axis : {std::size_t{0}, std::size_t{1}}) {
    for (std::int64_t a = 0; a < g.stride[axis]; ++a) {
      phases[axis].push_back(phase_of(g, axis, a));
    }
    // In the order of their output pixels 0 .. stride - 1.
    std::sort(phases[axis].begin(), phases[axis].end(),
              [](const Phase& one, const Phase& other) { return one.first < other.first; });
  }
  const std::int64_t rows = phases[0][0].outputs;
  const std::int64_t columns = phases[1][0].outputs;
  const bool single = g.stride[0] * g.stride[1] == 1;
  std::vector<ValueId> parts;
  for (std::size_t i = 0; i < phases[0].size(); ++i) {
    for (std::size_t k = 0; k < phases[1].size(); ++k) {
      const Phase& y = phases[0][i];
      const Phase& x = phases[1][k];
      const std::string name = single ? "" : fmt::format("phase{}.{}", i, k);
      const std::string prefix = single ? "phase" : name;
      ValueId part = no_value;
      if (y.outputs * x.outputs > 0 && !y.taps.empty() && !x.taps.empty()) {
        // What the window never sees of the input is cut off.
        ValueId seen = input;
        if (std::min({y.pad_begin, y.pad_end, x.pad_begin, x.pad_end}) < 0) {
          const auto cut = [](std::int64_t pad) { return std::max<std::int64_t>(0, -pad); };
          seen = rewrite.node(
              "Slice", prefix + "/crop",
              {input, rewrite.integers(prefix + "/starts", {cut(y.pad_begin), cut(x.pad_begin)}),
               rewrite.integers(prefix + "/ends",
                                {g.input[0] - cut(y.pad_end), g.input[1] - cut(x.pad_end)}),
               rewrite.integers(prefix + "/axes", {2, 3})});
        }
        const auto height = static_cast<std::int64_t>(y.taps.size());
        const auto width = static_cast<std::int64_t>(x.taps.size());
        std::vector<float> window;
        window.reserve(static_cast<std::size_t>(channels * depth * height * width));
        for (std::int64_t o = 0; o < channels; ++o) {
          for (std::int64_t c = 0; c < depth; ++c) {
            const std::int64_t from = o / per_group * depth + c;
            for (const std::int64_t ky : y.taps) {
              for (const std::int64_t kx : x.taps) {
                window.push_back(weights.reals[static_cast<std::size_t>(
                    ((from * per_group + o % per_group) * g.kernel[0] + ky) * g.kernel[1] + kx)]);
              }
            }
          }
        }
        const auto pad = [](std::int64_t value) { return std::max<std::int64_t>(0, value); };
        std::vector<ValueId> inputs{
            seen, rewrite.constant(prefix + "/weights", {channels, depth, height, width}, window)};
        if (has_bias) inputs.push_back(node.inputs[2]);
        part = rewrite.node("Conv", name, inputs,
                            {{"group", groups},
                             {"dilations", std::vector<std::int64_t>{y.dilation, x.dilation}},
                             {"pads", std::vector<std::int64_t>{pad(y.pad_begin), pad(x.pad_begin),
                                                                pad(y.pad_end), pad(x.pad_end)}}});
        // Larger strides than the image leave later phases shorter.
        if (y.outputs < rows || x.outputs < columns) {
          part = rewrite.node(
              "Pad", prefix + "/pad",
              {part, rewrite.integers(prefix + "/pads",
                                      {0, 0, 0, 0, 0, 0, rows - y.outputs, columns - x.outputs})});
        }
      } else {
        // No tap reaches these pixels: they hold the bias.
        std::vector<float> fill(static_cast<std::size_t>(batch * channels * rows * columns), 0.0f);
        for (std::size_t n = 0; has_bias && n < fill.size(); ++n) {
          const auto channel = static_cast<std::int64_t>(n) / (rows * columns) % channels;
          fill[n] = bias.reals[static_cast<std::size_t>(channel)];
        }
        part = rewrite.constant(prefix + "/fill", {batch, channels, rows, columns}, fill);
      }
      parts.push_back(part);
    }
  }
  ValueId result = parts[0];
  if (!single) {
    const std::int64_t high = g.stride[0];
    const std::int64_t wide = g.stride[1];
    result = rewrite.node("Concat", "phases", parts, {{"axis", std::int64_t{1}}});
    if (high == wide) {
      result = rewrite.node("DepthToSpace", "interleave", {result}, {{"blocksize", high}});
    } else {
      result = rewrite.reshape("split", result, {batch, high, wide, channels, rows, columns});
      result = rewrite.transpose("interleave", result, {0, 3, 4, 1, 5, 2});
      result = rewrite.reshape("join", result, {batch, channels, rows * high, columns * wide});
    }
    if (rows * high != g.output[0] || columns * wide != g.output[1]) {
      result = rewrite.node("Slice", "crop",
                            {result, rewrite.integers("crop/starts", {0, 0}),
                             rewrite.integers("crop/ends", {g.output[0], g.output[1]}),
                             rewrite.integers("crop/axes", {2, 3})});
    }
  }
  if (!image) result = rewrite.reshape("line", result, {batch, channels, g.output[1]});
  if (!rewrite.made(result)) result = rewrite.node("Identity", "constant", {result});
  return rewrite.finish({result});
}

}  // namespace

void rewrite_products(Graph& graph) {
  std::vector<Node> rewritten;
  for (const Node& node : graph.nodes) {
    std::vector<Node> parts;
    if (node.op == "Einsum") {
      parts = rewrite_einsum(graph, node);
    } else if (node.op == "ConvTranspose") {
      parts = rewrite_conv_transpose(graph, node);
    } else if (node.op == "LSTM" || node.op == "GRU" || node.op == "RNN") {
      parts = rewrite_recurrent(graph, node);
    } else if (is_volume_window(graph, node)) {
      parts = rewrite_volume(graph, node);
    } else if (node.op == "Gemm" && !is_layer(graph, node)) {
      parts = rewrite_gemm(graph, node);
    } else {
      parts = {node};
    }
    std::move(parts.begin(), parts.end(), std::back_inserter(rewritten));
  }
  graph.nodes = std::move(rewritten);
  remove_dead_nodes(graph);
}

}  // namespace attojoule::network
