// Windows over three axes (videos, volumes) as windows over two.
//
// Conv      the layers of the volume that an output layer sees become channels: one convolution of
//           images, the output layers in the place of a batch. A dot product has C_in times all
//           taps, as a tile multiplies them; zero padding along the depth is multiplied like any.
// MaxPool, AveragePool      over the plane, then over the depth: both are separable, the average
//           too, since how many elements a window holds is a product over the axes.
// GlobalMaxPool, GlobalAveragePool      over an image of all layers.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "network/graph_rewrite.hpp"
#include "network/operators.hpp"

namespace attojoule::network {
namespace {

using Integers = std::vector<std::int64_t>;

bool is_global(const Node& node) {
  return node.op == "GlobalMaxPool" || node.op == "GlobalAveragePool";
}

std::vector<Node> rewrite_conv(Graph& graph, const Node& node) {
  const OperatorCall call(graph, node);
  if (!call.is_constant(1) || (call.has_input(2) && !call.is_constant(2))) {
    call.fail("computed weights", "Export with constant weights");
  }
  const Shape weights = call.shape(1), input = call.shape(0);
  const VolumeGeometry g = volume_geometry(call, Integers(weights.begin() + 2, weights.end()));
  const std::int64_t groups = call.integer("group", 1);
  const std::int64_t kernel = g.depth.kernel[1], layers = g.depth.output[1];
  Rewrite rewrite(graph, node);
  ValueId volume = node.inputs[0];
  if (g.depth.pad_begin[1] + g.depth.pad_end[1] > 0) {
    const Integers pads{0, 0, g.depth.pad_begin[1], 0, 0, 0, 0, g.depth.pad_end[1], 0, 0};
    volume = rewrite.node("Pad", "pad", {volume, rewrite.integers("pads", pads)});
  }
  std::vector<ValueId> seen;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const std::string name = fmt::format("layer{}", layer);
    const std::int64_t begin = layer * g.depth.stride[1];
    const ValueId window = rewrite.node(
        "Slice", name,
        {volume, rewrite.integers(name + "/starts", {begin}),
         rewrite.integers(name + "/ends", {begin + (kernel - 1) * g.depth.dilation[1] + 1}),
         rewrite.integers(name + "/axes", {2}),
         rewrite.integers(name + "/steps", {g.depth.dilation[1]})});
    seen.push_back(rewrite.reshape(name + "/channels", window,
                                   {input[0], input[1] * kernel, input[3], input[4]}));
  }
  const ValueId images =
      layers == 1 ? seen[0] : rewrite.node("Concat", "layers", seen, {{"axis", std::int64_t{0}}});
  std::vector<ValueId> inputs{
      images, rewrite.reshape("weights", node.inputs[1],
                              {weights[0], weights[1] * kernel, weights[3], weights[4]})};
  if (call.has_input(2)) inputs.push_back(node.inputs[2]);
  const auto pair = [](const std::array<std::int64_t, 2>& values) {
    return Integers{values[0], values[1]};
  };
  const ValueId product =
      rewrite.node("Conv", "", inputs,
                   {{"group", groups},
                    {"strides", pair(g.plane.stride)},
                    {"dilations", pair(g.plane.dilation)},
                    {"pads", Integers{g.plane.pad_begin[0], g.plane.pad_begin[1],
                                      g.plane.pad_end[0], g.plane.pad_end[1]}}});
  const ValueId apart = rewrite.reshape(
      "apart", product, {layers, input[0], weights[0], g.plane.output[0], g.plane.output[1]});
  return rewrite.finish({rewrite.transpose("volume", apart, {1, 2, 0, 3, 4})});
}

std::vector<Node> rewrite_pool(Graph& graph, const Node& node) {
  const OperatorCall call(graph, node);
  const Shape input = call.shape(0);
  const std::int64_t volumes = input[0] * input[1];
  const Shape output = call.output_shape(0);
  Rewrite rewrite(graph, node);
  if (is_global(node)) {
    const ValueId image = rewrite.reshape("image", node.inputs[0],
                                          {input[0], input[1], input[2] * input[3], input[4]});
    return rewrite.finish({rewrite.reshape("volume", rewrite.node(node.op, "", {image}), output)});
  }
  const VolumeGeometry g = volume_geometry(call, call.integers("kernel_shape", {}));
  // A window over both axes of images, or a one-dimensional one along their rows.
  const auto pool = [&](const std::string& name, ValueId from, const WindowGeometry& w,
                        bool along_rows) {
    const auto both = [&](const std::array<std::int64_t, 2>& values, std::int64_t none) {
      return along_rows ? Integers{values[1], none} : Integers{values[0], values[1]};
    };
    Integers pads = both(w.pad_begin, 0);
    const Integers ends = both(w.pad_end, 0);
    pads.insert(pads.end(), ends.begin(), ends.end());
    std::map<std::string, Attribute> attributes{{"kernel_shape", both(w.kernel, 1)},
                                                {"strides", both(w.stride, 1)},
                                                {"dilations", both(w.dilation, 1)},
                                                {"pads", pads}};
    for (const char* key : {"ceil_mode", "count_include_pad"}) {
      if (call.has_attribute(key)) attributes[key] = call.integer(key, 0);
    }
    return rewrite.node(node.op, name, {from}, std::move(attributes));
  };
  const ValueId planes = pool(
      "", rewrite.reshape("planes", node.inputs[0], {1, volumes * input[2], input[3], input[4]}),
      g.plane, false);
  const std::int64_t places = g.plane.output[0] * g.plane.output[1];
  const ValueId columns = pool(
      "depth", rewrite.reshape("columns", planes, {1, volumes, input[2], places}), g.depth, true);
  return rewrite.finish({rewrite.reshape("volume", columns, output)});
}

}  // namespace

bool is_volume_window(const Graph& graph, const Node& node) {
  const bool window =
      node.op == "Conv" || node.op == "MaxPool" || node.op == "AveragePool" || is_global(node);
  return window && graph.value(node.inputs[0]).shape.size() == 5;
}

std::vector<Node> rewrite_volume(Graph& graph, const Node& node) {
  return node.op == "Conv" ? rewrite_conv(graph, node) : rewrite_pool(graph, node);
}

}  // namespace attojoule::network
