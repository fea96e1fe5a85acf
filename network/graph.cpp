#include "network/graph.hpp"

#include <fmt/format.h>

namespace attojoule::network {

const Tensor* Graph::constant(ValueId id) const {
  if (id == no_value) return nullptr;
  const auto& held = value(id).constant;
  return held ? &*held : nullptr;
}

ValueId Graph::add_value(Value fresh) {
  values.push_back(std::move(fresh));
  return static_cast<ValueId>(values.size() - 1);
}

std::vector<int> Graph::count_readers() const {
  std::vector<int> readers(values.size(), 0);
  for (const Node& node : nodes) {
    for (const ValueId input : node.inputs) {
      if (input != no_value) ++readers[static_cast<std::size_t>(input)];
    }
  }
  for (const ValueId output : outputs) ++readers[static_cast<std::size_t>(output)];
  return readers;
}

std::string Graph::describe(const Node& node) const {
  return fmt::format("node '{}' ({}, opset {})", node.name, node.op, opset);
}

}  // namespace attojoule::network
