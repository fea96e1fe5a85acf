// Puts new nodes in the place of one: the tool of the rewrites in graph_products.cpp,
// graph_recurrent.cpp and graph_volumes.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "network/graph.hpp"

namespace attojoule::network {

// The new nodes of one node that is replaced, with the shapes of their outputs. Values that are
// added move the graph's: no reference into `graph.values` outlives a call.
class Rewrite {
 public:
  // `replaced` must stay where it is until finish().
  Rewrite(Graph& graph, const Node& replaced) : graph_(graph), replaced_(replaced) {}

  ValueId constant(const std::string& part, Shape shape, std::vector<float> values);
  ValueId integers(const std::string& part, std::vector<std::int64_t> values);

  // The node is called as the replaced one if `part` is empty, else REPLACED/PART. A node of
  // constants becomes a constant.
  ValueId node(const std::string& op, const std::string& part, std::vector<ValueId> inputs,
               std::map<std::string, Attribute> attributes = {});

  // `from` itself where nothing moves.
  ValueId transpose(const std::string& part, ValueId from, std::vector<std::int64_t> order);
  ValueId reshape(const std::string& part, ValueId from, const Shape& shape);
  // Elements [begin, end) of one axis.
  ValueId slice(const std::string& part, ValueId from, std::int64_t axis, std::int64_t begin,
                std::int64_t end);

  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  bool made(ValueId id) const;  // by a node of this

  // The nodes; results[i], each made by another of them, stands for the i-th output of the replaced
  // one.
  std::vector<Node> finish(const std::vector<ValueId>& results);

 private:
  bool fold(const Node& node);

  Graph& graph_;
  const Node& replaced_;
  std::vector<Node> nodes_;
};

// Whether a node is a convolution or pooling over three axes, and such a node as windows over two.
bool is_volume_window(const Graph& graph, const Node& node);
std::vector<Node> rewrite_volume(Graph& graph, const Node& node);

// Recurrent layers as products and digital nodes, step by step (part of rewrite_products).
std::vector<Node> rewrite_recurrent(Graph& graph, const Node& node);

}  // namespace attojoule::network
