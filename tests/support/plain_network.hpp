// A network evaluated node by node in double precision, with a bound on what float may differ.
//
// The bound is a running error analysis for evaluation in single precision, u = 2^-24: a sum of D
// products in any order errs by at most (D + 1) u sum |w x| to first order (Higham, "Accuracy and
// Stability of Numerical Algorithms", 2nd edition, section 3.1), errors of the inputs go through
// |w|, and an operator of Lipschitz constant L passes L times the largest error of its inputs. Ten
// roundings are added to D + 1 for the rounding of the weights, folded scales, bias and residual.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "network/graph.hpp"
#include "network/operators.hpp"

namespace attojoule::tests {

struct PlainValue {
  network::DoubleTensor value;
  std::vector<double> error;  // of every element, at most, in float arithmetic
};

class PlainNetwork {
 public:
  // Runs a graph that has been through bind_inputs.
  PlainNetwork(const network::Graph& graph, const std::vector<std::vector<float>>& inputs)
      : graph_(graph), values_(graph.values.size()) {
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
      const auto& value = graph.value(graph.inputs[i]);
      PlainValue& held = values_[index(graph.inputs[i])].emplace();
      held.value = {value.type, value.shape, {inputs.at(i).begin(), inputs.at(i).end()}};
      held.error.assign(held.value.values.size(), 0.0);
    }
    for (const network::Node& node : graph.nodes) run(node);
  }

  const PlainValue& output(std::size_t which = 0) const {
    return *values_[index(graph_.outputs.at(which))];
  }

 private:
  static constexpr double unit = 5.960464477539063e-08;  // 2^-24

  static std::size_t index(network::ValueId id) { return static_cast<std::size_t>(id); }

  const PlainValue* input(const network::Node& node, std::size_t i) {
    if (i >= node.inputs.size() || node.inputs[i] == network::no_value) return nullptr;
    auto& held = values_[index(node.inputs[i])];
    if (!held) {
      const network::Tensor* constant = graph_.constant(node.inputs[i]);
      if (constant == nullptr) throw std::logic_error("plain network: a value is not computed");
      held.emplace();
      held->value = network::to_double(*constant);
      held->error.assign(held->value.values.size(), 0.0);
    }
    return &*held;
  }

  // The node on other numbers than its inputs' values.
  std::vector<network::DoubleTensor> evaluate_on(const network::Node& node,
                                                 std::vector<network::DoubleTensor>& held) const {
    network::InputTensors inputs;
    for (std::size_t i = 0; i < held.size(); ++i) {
      inputs.push_back(node.inputs[i] == network::no_value ? nullptr : &held[i]);
    }
    return network::evaluate(graph_, node, inputs);
  }

  static network::DoubleTensor absolute(network::DoubleTensor tensor) {
    for (double& value : tensor.values) value = std::abs(value);
    return tensor;
  }
  static network::DoubleTensor errors(const PlainValue& from) {
    return {from.value.type, from.value.shape, from.error};
  }
  static double largest(const std::vector<double>& values) {
    double result = 0;
    for (const double value : values) result = std::max(result, std::abs(value));
    return result;
  }

  void run(const network::Node& node) {
    std::vector<const PlainValue*> in;
    std::vector<network::DoubleTensor> held(node.inputs.size());
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      in.push_back(input(node, i));
      if (in[i] != nullptr) held[i] = in[i]->value;
    }
    auto outputs = evaluate_on(node, held);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      PlainValue& result = values_[index(node.outputs[k])].emplace();
      result.error = bound(node, in, outputs, k);
      result.value = std::move(outputs[k]);
    }
  }

  std::vector<double> bound(const network::Node& node, const std::vector<const PlainValue*>& in,
                            const std::vector<network::DoubleTensor>& outputs, std::size_t which) {
    const network::DoubleTensor& y = outputs[which];
    // Sums of products: bilinear in the first two inputs, linear in the bias.
    if (node.op == "Conv" || node.op == "Gemm" || node.op == "MatMul" || node.op == "Einsum" ||
        node.op == "ConvTranspose") {
      const auto depth = static_cast<double>(product_depth(node));
      network::Node positive = node;
      for (const char* name : {"alpha", "beta"}) {
        const auto found = positive.attributes.find(name);
        if (found != positive.attributes.end()) {
          found->second = std::abs(std::get<double>(found->second));
        }
      }
      const auto with = [&](bool x_error, bool w_error) {
        std::vector<network::DoubleTensor> held(node.inputs.size());
        held[0] = x_error ? errors(*in[0]) : absolute(in[0]->value);
        held[1] = w_error ? errors(*in[1]) : absolute(in[1]->value);
        if (node.inputs.size() > 2 && in[2] != nullptr) {
          held[2] = absolute(in[2]->value);
          if (x_error || w_error) std::fill(held[2].values.begin(), held[2].values.end(), 0.0);
        }
        return evaluate_on(positive, held)[0].values;
      };
      const auto magnitude = with(false, false);
      const auto from_x = with(true, false);
      const auto from_w = with(false, true);
      std::vector<double> result(magnitude.size());
      for (std::size_t i = 0; i < result.size(); ++i) {
        result[i] = (depth + 11) * unit * magnitude[i] + from_x[i] + from_w[i];
      }
      return result;
    }
    // Linear with positive coefficients, or selection: errors take the same way as values.
    static const std::set<std::string> same_way{
        "Reshape", "Flatten",   "Squeeze",    "Unsqueeze",         "Transpose",    "Expand",
        "Slice",   "Concat",    "Split",      "Identity",          "Dropout",      "Cast",
        "Pad",     "Tile",      "MaxPool",    "AveragePool",       "Add",          "Sum",
        "Gather",  "ReduceSum", "ReduceMean", "GlobalAveragePool", "GlobalMaxPool"};
    if (same_way.contains(node.op)) {
      std::vector<network::DoubleTensor> held(node.inputs.size());
      std::vector<network::DoubleTensor> sizes(node.inputs.size());
      double terms = 4;
      for (std::size_t i = 0; i < in.size(); ++i) {
        if (in[i] == nullptr) continue;
        const bool steering =
            in[i]->value.type != network::ElementType::real || (node.op == "Pad" && i > 0);
        held[i] = steering ? in[i]->value : errors(*in[i]);
        sizes[i] = steering ? in[i]->value : absolute(in[i]->value);
        if (!steering) terms += static_cast<double>(in[i]->value.values.size());
      }
      if (node.op == "Pad" && in.size() > 2 && in[2] != nullptr) held[2].values.at(0) = 0;
      static const std::set<std::string> sums{"AveragePool", "Add",        "Sum",
                                              "ReduceSum",   "ReduceMean", "GlobalAveragePool"};
      auto result = evaluate_on(node, held)[which].values;
      const auto magnitude = evaluate_on(node, sizes)[which].values;
      if (node.op == "Add") terms = 4;
      for (std::size_t i = 0; i < result.size(); ++i) {
        result[i] += (sums.contains(node.op) ? terms : 1.0) * unit * std::abs(magnitude[i]);
      }
      return result;
    }
    if (node.op == "Sub" || node.op == "Mul" || node.op == "BatchNormalization") {
      return arithmetic_bound(node, in, y);
    }
    // Functions of one element (or row), with what they multiply errors by at most.
    static const std::map<std::string, double> lipschitz{
        {"Relu", 1},       {"Clip", 1},     {"LeakyRelu", 1},   {"Abs", 1},  {"Neg", 1},
        {"Sigmoid", 0.25}, {"Tanh", 1},     {"Erf", 1.13},      {"Elu", 1},  {"HardSwish", 1.5},
        {"Softmax", 2},    {"Softplus", 1}, {"Softsign", 1},    {"Max", 1},  {"Min", 1},
        {"Selu", 1.8},     {"PRelu", 1},    {"HardSigmoid", 1}, {"Where", 1}};
    // Others are only bounded on exact inputs: 64 roundings of input and output.
    const auto found = lipschitz.find(node.op);
    double error_in = 0;
    double size_in = 0;
    for (const PlainValue* value : in) {
      if (value == nullptr) continue;
      error_in = std::max(error_in, largest(value->error));
      size_in = std::max(size_in, largest(value->value.values));
    }
    if (found == lipschitz.end() && error_in > 0) {
      throw std::logic_error("plain network: no error bound for " + node.op + " of inexact inputs");
    }
    // Selection and change of sign do not round.
    static const std::set<std::string> exact{"Relu", "Clip", "Abs", "Neg", "Max", "Min", "Where"};
    if (exact.contains(node.op)) return std::vector<double>(y.values.size(), error_in);
    const double factor = found == lipschitz.end() ? 0 : found->second;
    const double common = factor * error_in + 64 * unit * std::min(size_in, 1e6);
    std::vector<double> result(y.values.size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = common + 64 * unit * std::abs(y.values[i]);
    }
    return result;
  }

  std::vector<double> arithmetic_bound(const network::Node& node,
                                       const std::vector<const PlainValue*>& in,
                                       const network::DoubleTensor& y) {
    std::vector<double> result(y.values.size(), 0.0);
    if (node.op == "BatchNormalization") {
      const double epsilon = network::OperatorCall(graph_, node).real("epsilon", 1e-5);
      const auto& shape = in[0]->value.shape;
      std::size_t inner = 1;
      for (std::size_t i = 2; i < shape.size(); ++i) inner *= static_cast<std::size_t>(shape[i]);
      for (std::size_t i = 0; i < result.size(); ++i) {
        const std::size_t c = i / inner % static_cast<std::size_t>(shape[1]);
        const double factor =
            std::abs(in[1]->value.values[c]) / std::sqrt(in[4]->value.values[c] + epsilon);
        const double size =
            factor * (std::abs(in[0]->value.values[i]) + std::abs(in[3]->value.values[c])) +
            std::abs(in[2]->value.values[c]);
        result[i] = factor * in[0]->error[i] + 8 * unit * size;
      }
      return result;
    }
    const double a_error = largest(in[0]->error);
    const double b_error = largest(in[1]->error);
    const bool product = node.op == "Mul";
    const double a_size = product ? largest(in[0]->value.values) : 1;
    const double b_size = product ? largest(in[1]->value.values) : 1;
    const double sizes = product ? 0 : largest(in[0]->value.values) + largest(in[1]->value.values);
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = b_size * a_error + a_size * b_error + 4 * unit * (std::abs(y.values[i]) + sizes);
    }
    return result;
  }

  std::int64_t product_depth(const network::Node& node) const {
    const auto& weights = graph_.value(node.inputs[1]).shape;
    if (node.op == "Einsum" || node.op == "ConvTranspose") {
      // At most: every element of the smaller operand.
      return std::min(network::element_count(weights),
                      network::element_count(graph_.value(node.inputs[0]).shape));
    }
    if (node.op == "Conv") {
      std::int64_t depth = 1;
      for (std::size_t i = 1; i < weights.size(); ++i) depth *= weights[i];
      return depth;
    }
    if (node.op == "Gemm") {
      return weights[network::OperatorCall(graph_, node).integer("transB", 0) != 0 ? 1 : 0];
    }
    return weights.size() == 1 ? weights[0] : weights[weights.size() - 2];
  }

  const network::Graph& graph_;
  std::vector<std::optional<PlainValue>> values_;
};

}  // namespace attojoule::tests
