#include "network/graph_rewrite.hpp"

#include <algorithm>
#include <utility>

#include "network/operators.hpp"

namespace attojoule::network {

ValueId Rewrite::constant(const std::string& part, Shape shape, std::vector<float> values) {
  Value value;
  value.name = replaced_.name + "/" + part;
  value.shape = shape;
  value.shape_known = true;
  value.constant = Tensor{ElementType::real, std::move(shape), std::move(values), {}};
  return graph_.add_value(std::move(value));
}

ValueId Rewrite::integers(const std::string& part, std::vector<std::int64_t> values) {
  Value value;
  value.name = replaced_.name + "/" + part;
  value.type = ElementType::integer;
  value.shape = {static_cast<std::int64_t>(values.size())};
  value.shape_known = true;
  value.constant = Tensor{ElementType::integer, value.shape, {}, std::move(values)};
  return graph_.add_value(std::move(value));
}

ValueId Rewrite::node(const std::string& op, const std::string& part, std::vector<ValueId> inputs,
                      std::map<std::string, Attribute> attributes) {
  Node fresh;
  fresh.op = op;
  fresh.name = part.empty() ? replaced_.name : replaced_.name + "/" + part;
  fresh.inputs = std::move(inputs);
  fresh.attributes = std::move(attributes);
  const ValueInfo info = find_operator(op)->infer(OperatorCall(graph_, fresh)).at(0);
  Value value;
  value.name = fresh.name + "/output";
  value.type = info.type;
  value.shape = info.shape;
  value.shape_known = true;
  const ValueId output = graph_.add_value(std::move(value));
  fresh.outputs = {output};
  if (!fold(fresh)) nodes_.push_back(std::move(fresh));
  return output;
}

ValueId Rewrite::transpose(const std::string& part, ValueId from, std::vector<std::int64_t> order) {
  bool moves = false;
  for (std::size_t i = 0; i < order.size(); ++i) {
    moves = moves || order[i] != static_cast<std::int64_t>(i);
  }
  return moves ? node("Transpose", part, {from}, {{"perm", std::move(order)}}) : from;
}

ValueId Rewrite::reshape(const std::string& part, ValueId from, const Shape& shape) {
  if (this->shape(from) == shape) return from;
  return node("Reshape", part, {from, integers(part + "/shape", shape)},
              {{"allowzero", std::int64_t{1}}});
}

ValueId Rewrite::slice(const std::string& part, ValueId from, std::int64_t axis, std::int64_t begin,
                       std::int64_t end) {
  return node("Slice", part,
              {from, integers(part + "/starts", {begin}), integers(part + "/ends", {end}),
               integers(part + "/axes", {axis})});
}

bool Rewrite::made(ValueId id) const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [id](const Node& node) { return node.outputs[0] == id; });
}

std::vector<Node> Rewrite::finish(const std::vector<ValueId>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const ValueId wanted = replaced_.outputs[i];
    for (Node& node : nodes_) {
      std::replace(node.outputs.begin(), node.outputs.end(), results[i], wanted);
      std::replace(node.inputs.begin(), node.inputs.end(), results[i], wanted);
    }
  }
  return std::move(nodes_);
}

// Weights that are only moved stay weights.
bool Rewrite::fold(const Node& node) {
  std::vector<DoubleTensor> held;
  held.reserve(node.inputs.size());
  InputTensors inputs;
  for (const ValueId input : node.inputs) {
    const Tensor* constant = graph_.constant(input);
    if (constant == nullptr) return false;
    held.push_back(to_double(*constant));
    inputs.push_back(&held.back());
  }
  graph_.value(node.outputs[0]).constant = to_tensor(evaluate(graph_, node, inputs).at(0));
  return true;
}

}  // namespace attojoule::network
