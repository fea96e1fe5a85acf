// A file that fixes its batch, for one sample at a time.
#include <fmt/format.h>

#include <algorithm>

#include "network/graph.hpp"
#include "photonics/error.hpp"

namespace attojoule::network {

void open_batch(Graph& graph) {
  std::int64_t batch = 1;
  for (const ValueId id : graph.inputs) {
    const Shape& shape = graph.value(id).shape;
    if (!shape.empty() && shape[0] > 1) batch = std::max(batch, shape[0]);
  }
  if (batch == 1) return;
  // The graph says itself whether it works on samples apart: every array must hold one N-th of what
  // it holds for N samples, or nothing of them.
  std::vector<Shape> many, one;
  for (const ValueId id : graph.inputs) {
    Shape shape = graph.value(id).shape;
    const bool batched = !shape.empty() && shape[0] == batch;
    for (auto& extent : shape) extent = extent < 0 ? 1 : extent;
    many.push_back(shape);
    if (batched) shape[0] = 1;
    one.push_back(shape);
  }
  const auto open = [batch](Graph& target) {
    for (const ValueId id : target.inputs) {
      Shape& shape = target.value(id).shape;
      if (!shape.empty() && shape[0] == batch) shape[0] = -1;
    }
  };
  Graph whole = graph;
  Graph single = graph;
  open(single);
  bind_inputs(whole, many);
  const auto refuse = [&](const std::string& where) {
    throw DataError(
        fmt::format("{}: the file fixes a batch of {} ({}), and samples run one at a time. Export "
                    "the model with a dynamic batch axis, or for a batch of 1.",
                    graph.name, batch, where));
  };
  try {
    bind_inputs(single, one);
  } catch (const DataError& error) {
    refuse(error.what());
  }
  for (const Node& node : single.nodes) {
    for (const ValueId id : node.outputs) {
      const Value& a = single.value(id);
      const Value& b = whole.value(id);
      if (a.constant || !b.shape_known) continue;
      const std::int64_t count = element_count(a.shape);
      const std::int64_t count_of_all = element_count(b.shape);
      if (count_of_all != batch * count && count_of_all != count) {
        refuse(graph.describe(node));
      }
    }
  }
  for (const ValueId id : single.outputs) {
    if (element_count(whole.value(id).shape) != batch * element_count(single.value(id).shape)) {
      refuse(fmt::format("output '{}'", single.value(id).name));
    }
  }
  open(graph);
}

}  // namespace attojoule::network
