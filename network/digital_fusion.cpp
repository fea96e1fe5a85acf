#include "network/digital_fusion.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

class Finder {
 public:
  explicit Finder(const Graph& graph)
      : graph_(graph), producers_(graph.values.size(), -1), readers_(graph.values.size()) {
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      const int node = static_cast<int>(i);
      for (const ValueId output : graph.nodes[i].outputs) producers_[index(output)] = node;
      for (const ValueId input : graph.nodes[i].inputs) {
        if (input != no_value) readers_[index(input)].push_back(node);
      }
    }
    // Whoever reads an output of the graph is a reader that no function contains.
    for (const ValueId output : graph.outputs) readers_[index(output)].push_back(-1);
  }

  std::vector<DigitalFusion> run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const std::string& op = graph_.nodes[i].op;
      const int node = static_cast<int>(i);
      if (op == "Erf") keep(gelu(node));
      if (op == "Sqrt") keep(layer_norm(node));
      if (op == "Sigmoid") keep(swish(node));
    }
    return found_;
  }

 private:
  static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }
  const Node& node(int id) const { return graph_.nodes[static_cast<std::size_t>(id)]; }
  ValueId output(int id) const { return node(id).outputs[0]; }
  int producer(ValueId id) const { return id == no_value ? -1 : producers_[index(id)]; }

  // The only node that reads a node's output, if it is one of `op`; -1 otherwise.
  int only_reader(int id, const char* op) const {
    const auto& readers = readers_[index(output(id))];
    if (readers.size() != 1 || readers[0] < 0 || node(readers[0]).op != op) return -1;
    return readers[0];
  }
  // The node of `op` that computes a value; -1 otherwise.
  int producer_of(ValueId id, const char* op) const {
    const int from = producer(id);
    return from >= 0 && node(from).op == op ? from : -1;
  }
  // The other operand of a node of two.
  ValueId other(int id, ValueId one) const {
    const auto& inputs = node(id).inputs;
    return inputs[0] == one ? inputs[1] : inputs[0];
  }
  std::optional<double> number(ValueId id) const {
    const Tensor* constant = graph_.constant(id);
    if (constant == nullptr || constant->type != ElementType::real || constant->size() != 1) {
      return std::nullopt;
    }
    return constant->reals[0];
  }
  bool is_number(ValueId id, double wanted) const {
    const auto value = number(id);
    return value && std::abs(*value - wanted) <= 1e-6 * std::abs(wanted);
  }

  void keep(std::optional<DigitalFusion> fusion) {
    if (!fusion) return;
    std::sort(fusion->nodes.begin(), fusion->nodes.end());
    // Constants of one number that have more axes than x would change its shape.
    const int last = fusion->nodes.back();
    if (graph_.value(output(last)).shape != graph_.value(fusion->input).shape) return;
    if (std::any_of(fusion->nodes.begin(), fusion->nodes.end(),
                    [&](int id) { return std::count(taken_.begin(), taken_.end(), id) != 0; })) {
      return;
    }
    taken_.insert(taken_.end(), fusion->nodes.begin(), fusion->nodes.end());
    found_.push_back(*fusion);
  }

  std::optional<DigitalFusion> gelu(int erf) const {
    DigitalFusion fusion;
    fusion.function = FusedFunction::gelu;
    const int scaling = producer(node(erf).inputs[0]);
    if (scaling < 0 || readers_[index(output(scaling))].size() != 1) return std::nullopt;
    const Node& scaled = node(scaling);
    if (scaled.op == "Div" && is_number(scaled.inputs[1], std::sqrt(2.0))) {
      fusion.input = scaled.inputs[0];
    } else if (scaled.op == "Mul" && is_number(scaled.inputs[1], std::sqrt(0.5))) {
      fusion.input = scaled.inputs[0];
    } else if (scaled.op == "Mul" && is_number(scaled.inputs[0], std::sqrt(0.5))) {
      fusion.input = scaled.inputs[1];
    } else {
      return std::nullopt;
    }
    const int plus_one = only_reader(erf, "Add");
    if (plus_one < 0 || !is_number(other(plus_one, output(erf)), 1)) return std::nullopt;
    const int product = only_reader(plus_one, "Mul");
    if (product < 0) return std::nullopt;
    fusion.nodes = {scaling, erf, plus_one, product};
    const ValueId factor = other(product, output(plus_one));
    // x/2 times the bracket.
    if (const int half = producer(factor); half >= 0 && is_half(half, fusion.input)) {
      if (readers_[index(factor)].size() != 1) return std::nullopt;
      fusion.nodes.push_back(half);
      return fusion;
    }
    // The bracket times x, then halved; or halved, then times x.
    if (factor == fusion.input) {
      const auto& readers = readers_[index(output(product))];
      if (readers.size() != 1 || readers[0] < 0 || !is_half(readers[0], output(product))) {
        return std::nullopt;
      }
      fusion.nodes.push_back(readers[0]);
      return fusion;
    }
    if (is_number(factor, 0.5)) {
      const int last = only_reader(product, "Mul");
      if (last < 0 || other(last, output(product)) != fusion.input) return std::nullopt;
      fusion.nodes.push_back(last);
      return fusion;
    }
    return std::nullopt;
  }

  // Does the node halve `value`?
  bool is_half(int id, ValueId value) const {
    const Node& n = node(id);
    if (n.op == "Mul") {
      return (n.inputs[0] == value || n.inputs[1] == value) && is_number(other(id, value), 0.5);
    }
    return n.op == "Div" && n.inputs[0] == value && is_number(n.inputs[1], 2);
  }

  // The mean over the last axis, which it keeps.
  bool is_row_mean(int id) const {
    const OperatorCall call(graph_, node(id));
    const std::int64_t rank = call.rank(0);
    std::vector<std::int64_t> axes = call.integers("axes", {});
    if (call.has_input(1)) {
      if (!call.is_constant(1)) return false;
      axes = call.constant_integers(1);
    }
    return axes.size() == 1 && call.axis(axes[0], rank) == rank - 1 &&
           call.integer("keepdims", 1) != 0;
  }

  // The constant of every entry of the last axis that a node multiplies or adds; no_value if it
  // does something else.
  ValueId row_constant(int id, ValueId value) const {
    const ValueId constant = other(id, value);
    const Tensor* tensor = graph_.constant(constant);
    if (tensor == nullptr || tensor->type != ElementType::real || tensor->shape.empty()) {
      return no_value;
    }
    const std::int64_t extent = graph_.value(value).shape.back();
    return tensor->shape.back() == extent && tensor->size() == extent ? constant : no_value;
  }

  std::optional<DigitalFusion> layer_norm(int root) const {
    DigitalFusion fusion;
    fusion.function = FusedFunction::layer_norm;
    const int plus = producer_of(node(root).inputs[0], "Add");
    if (plus < 0 || only_reader(plus, "Sqrt") != root) return std::nullopt;
    ValueId variance = node(plus).inputs[0];
    auto epsilon = number(node(plus).inputs[1]);
    if (!epsilon) {
      variance = node(plus).inputs[1];
      epsilon = number(node(plus).inputs[0]);
    }
    const int variance_mean = producer_of(variance, "ReduceMean");
    if (!epsilon || variance_mean < 0 || only_reader(variance_mean, "Add") != plus ||
        !is_row_mean(variance_mean)) {
      return std::nullopt;
    }
    fusion.epsilon = *epsilon;
    const int square = producer(node(variance_mean).inputs[0]);
    if (square < 0 || only_reader(square, "ReduceMean") != variance_mean) return std::nullopt;
    const Node& squared = node(square);
    const bool is_square = (squared.op == "Pow" && is_number(squared.inputs[1], 2)) ||
                           (squared.op == "Mul" && squared.inputs[0] == squared.inputs[1]);
    const int difference = is_square ? producer_of(squared.inputs[0], "Sub") : -1;
    if (difference < 0) return std::nullopt;
    const int mean = producer_of(node(difference).inputs[1], "ReduceMean");
    fusion.input = node(difference).inputs[0];
    if (mean < 0 || node(mean).inputs[0] != fusion.input || !is_row_mean(mean) ||
        only_reader(mean, "Sub") != difference) {
      return std::nullopt;
    }
    const int quotient = only_reader(root, "Div");
    if (quotient < 0 || node(quotient).inputs[0] != output(difference)) return std::nullopt;
    for (const int reader : readers_[index(output(difference))]) {
      if (reader != square && reader != quotient) return std::nullopt;
    }
    fusion.nodes = {mean, difference, square, variance_mean, plus, root, quotient};
    const int scaled = only_reader(quotient, "Mul");
    if (scaled < 0) return fusion;
    fusion.scale = row_constant(scaled, output(quotient));
    if (fusion.scale == no_value) return fusion;
    fusion.nodes.push_back(scaled);
    const int shifted = only_reader(scaled, "Add");
    if (shifted < 0) return fusion;
    fusion.shift = row_constant(shifted, output(scaled));
    if (fusion.shift != no_value) fusion.nodes.push_back(shifted);
    return fusion;
  }

  std::optional<DigitalFusion> swish(int sigmoid) const {
    const int product = only_reader(sigmoid, "Mul");
    const ValueId input = node(sigmoid).inputs[0];
    if (product < 0 || other(product, output(sigmoid)) != input) return std::nullopt;
    DigitalFusion fusion;
    fusion.function = FusedFunction::swish;
    fusion.input = input;
    fusion.nodes = {sigmoid, product};
    return fusion;
  }

  const Graph& graph_;
  std::vector<int> producers_;
  std::vector<std::vector<int>> readers_;
  std::vector<int> taken_;
  std::vector<DigitalFusion> found_;
};

}  // namespace

std::vector<DigitalFusion> find_digital_fusions(const Graph& graph) {
  return Finder(graph).run();
}

}  // namespace attojoule::network
