// The derivative of every operator against finite differences of its definition, in double
// precision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "network/plain_adjoint.hpp"
#include "photonics/error.hpp"
#include "tests/support/onnx_builder.hpp"

namespace attojoule::tests {
namespace {

using network::DoubleTensor;
using network::Graph;
using network::InputTensors;
using network::Shape;

struct Case {
  std::string op;
  std::vector<Shape> inputs;  // computed ones; constants are made by `build`
  Attributes attributes = {};
  std::vector<std::string> names = {};  // of all inputs, x0, x1, … for computed ones; empty = those
  std::function<void(OnnxModel&)> constants = {};
  double tolerance = 1e-6;
  double scale = 1;
  double shift = 0;  // of the inputs, which are normal numbers: 3 makes nearly all positive
  int opset = 13;
  int outputs = 1;
};

// Checks v . (f(x + h d) - f(x - h d)) / 2h = d . adjoint(v) for the input `wanted` alone.
void expect_adjoint(const Case& c) {
  SCOPED_TRACE(c.op);
  OnnxModel model(c.opset);
  std::vector<std::string> names = c.names;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const std::string name = "x" + std::to_string(i);
    model.input(name, c.inputs[i]);
    if (c.names.empty()) names.push_back(name);
  }
  if (c.constants) c.constants(model);
  std::vector<std::string> outputs;
  for (int i = 0; i < c.outputs; ++i) outputs.push_back("y" + std::to_string(i));
  model.nodes(c.op, names, outputs, c.attributes);
  for (const auto& output : outputs) model.output(output);
  const Graph graph = model.bind(c.inputs);
  ASSERT_EQ(graph.nodes.size(), 1u);
  const network::Node& node = graph.nodes[0];
  EXPECT_TRUE(network::has_plain_adjoint(node));
  std::vector<DoubleTensor> held(node.inputs.size());
  std::vector<bool> computed(node.inputs.size(), false);
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (node.inputs[i] == network::no_value) continue;
    if (const auto* constant = graph.constant(node.inputs[i])) {
      held[i] = network::to_double(*constant);
      continue;
    }
    const auto& value = graph.value(node.inputs[i]);
    held[i].type = value.type;
    held[i].shape = value.shape;
    const auto count = network::element_count(value.shape);
    for (const float x : random_reals(count, 50 + i))
      held[i].values.push_back(c.scale * x + c.shift);
    computed[i] = true;
  }
  const auto evaluate_at = [&](const std::vector<DoubleTensor>& at) {
    InputTensors inputs;
    for (std::size_t i = 0; i < at.size(); ++i) {
      inputs.push_back(node.inputs[i] == network::no_value ? nullptr : &at[i]);
    }
    return network::evaluate(graph, node, inputs);
  };
  InputTensors inputs;
  for (std::size_t i = 0; i < held.size(); ++i) {
    inputs.push_back(node.inputs[i] == network::no_value ? nullptr : &held[i]);
  }
  const auto outputs_at = evaluate_at(held);
  std::vector<std::vector<double>> dout;
  for (const auto& output : outputs_at) {
    const auto v = random_reals(static_cast<std::int64_t>(output.values.size()), 90 + dout.size());
    dout.emplace_back(v.begin(), v.end());
  }
  for (std::size_t wanted = 0; wanted < held.size(); ++wanted) {
    if (!computed[wanted]) continue;
    std::vector<std::vector<double>> din(held.size());
    din[wanted].assign(held[wanted].values.size(), 0.25);  // is added to
    network::add_plain_adjoint(graph, node, inputs, outputs_at, dout, din);
    for (std::size_t i = 0; i < held.size(); ++i) {
      EXPECT_EQ(din[i].empty(), i != wanted);
    }
    const auto direction =
        random_reals(static_cast<std::int64_t>(held[wanted].values.size()), 70 + wanted);
    constexpr double h = 1e-6;
    double measured = 0;
    for (const double side : {h, -h}) {
      auto moved = held;
      for (std::size_t k = 0; k < direction.size(); ++k) {
        moved[wanted].values[k] += side * direction[k];
      }
      const auto out = evaluate_at(moved);
      for (std::size_t o = 0; o < out.size(); ++o) {
        for (std::size_t k = 0; k < out[o].values.size(); ++k) {
          measured += dout[o][k] * (out[o].values[k] - outputs_at[o].values[k]) / (2 * side);
        }
      }
    }
    double predicted = 0;
    double size = 0;
    for (std::size_t k = 0; k < direction.size(); ++k) {
      const double term = direction[k] * (din[wanted][k] - 0.25);
      predicted += term;
      size += std::abs(term);
    }
    EXPECT_GT(size, 0) << "input " << wanted;
    EXPECT_NEAR(predicted, measured, c.tolerance * size + 1e-9) << "input " << wanted;
  }
}

std::vector<Case> cases() {
  const Shape x{2, 3, 4};
  const Shape image{1, 3, 5, 6};
  std::vector<Case> all;
  for (const char* op :
       {"Abs", "Cos", "Erf", "Exp", "HardSwish", "Neg", "Relu", "Sigmoid", "Sin", "Softplus",
        "Softsign", "Tanh", "LeakyRelu", "Elu", "Selu", "HardSigmoid", "Identity", "Dropout"}) {
    all.push_back({.op = op, .inputs = {x}, .opset = 14});
  }
  all.push_back({.op = "Gelu", .inputs = {x}, .opset = 20});
  all.push_back({.op = "Gelu",
                 .inputs = {x},
                 .attributes = {{"approximate", std::string("tanh")}},
                 .opset = 20});
  for (const char* op : {"Log", "Reciprocal", "Sqrt"}) {
    all.push_back({.op = op, .inputs = {x}, .shift = 4});
  }
  for (const char* op : {"Add", "Sub", "Mul", "Div", "PRelu"}) {
    all.push_back({.op = op, .inputs = {x, {3, 1}}});
  }
  all.push_back({.op = "Pow", .inputs = {x, {4}}, .shift = 4});
  for (const char* op : {"Sum", "Min", "Max"}) {
    all.push_back({.op = op, .inputs = {x, {1, 3, 1}, {4}}});
  }
  all.push_back(
      {.op = "Clip", .inputs = {x}, .names = {"x0", "low", "high"}, .constants = [](OnnxModel& m) {
         m.constant("low", {}, Reals{-0.5f});
         m.constant("high", {}, Reals{0.7f});
       }});
  all.push_back({.op = "Where",
                 .inputs = {x, {3, 1}},
                 .names = {"condition", "x0", "x1"},
                 .constants = [](OnnxModel& m) {
                   auto* tensor = m.proto().mutable_graph()->add_initializer();
                   tensor->set_name("condition");
                   tensor->set_data_type(onnx::TensorProto::BOOL);
                   tensor->add_dims(4);
                   const char values[4] = {1, 0, 0, 1};
                   tensor->set_raw_data(values, 4);
                 }});
  for (const char* op : {"ReduceMean", "ReduceSumSquare", "ReduceMax", "ReduceMin", "ReduceProd",
                         "ReduceL1", "ReduceL2"}) {
    all.push_back({.op = op, .inputs = {x}, .attributes = {{"axes", Integers{0, -1}}}});
    all.push_back({.op = op, .inputs = {x}, .attributes = {{"keepdims", 0}}});
  }
  all.push_back(
      {.op = "ReduceSum", .inputs = {x}, .names = {"x0", "axes"}, .constants = [](OnnxModel& m) {
         m.constant("axes", {1}, Integers{1});
       }});
  for (const char* op : {"MaxPool", "AveragePool"}) {
    all.push_back({.op = op,
                   .inputs = {image},
                   .attributes = {{"kernel_shape", Integers{2, 3}},
                                  {"strides", Integers{2, 2}},
                                  {"pads", Integers{1, 1, 0, 1}},
                                  {"ceil_mode", 1}}});
  }
  all.push_back({.op = "AveragePool",
                 .inputs = {image},
                 .attributes = {{"kernel_shape", Integers{3, 3}},
                                {"pads", Integers{1, 1, 1, 1}},
                                {"strides", Integers{2, 2}},
                                {"ceil_mode", 1},
                                {"count_include_pad", 1}}});
  all.push_back({.op = "GlobalAveragePool", .inputs = {image}});
  all.push_back({.op = "GlobalMaxPool", .inputs = {image}});
  for (const char* op : {"Softmax", "LogSoftmax"}) {
    all.push_back({.op = op, .inputs = {x}, .attributes = {{"axis", 1}}});
    all.push_back({.op = op, .inputs = {x}, .attributes = {{"axis", 1}}, .opset = 11});
  }
  all.push_back({.op = "LayerNormalization",
                 .inputs = {x},
                 .attributes = {{"axis", 1}},
                 .names = {"x0", "scale", "shift"},
                 .constants =
                     [](OnnxModel& m) {
                       m.random("scale", {3, 4});
                       m.random("shift", {3, 4});
                     },
                 .opset = 17});
  all.push_back({.op = "BatchNormalization",
                 .inputs = {image},
                 .names = {"x0", "scale", "shift", "mean", "variance"},
                 .constants = [](OnnxModel& m) {
                   m.random("scale", {3});
                   m.random("shift", {3});
                   m.random("mean", {3});
                   m.constant("variance", {3}, Reals{0.5f, 1, 2});
                 }});
  all.push_back({.op = "Cast", .inputs = {x}, .attributes = {{"to", 1}}});
  all.push_back({.op = "Concat", .inputs = {x, {2, 1, 4}}, .attributes = {{"axis", 1}}});
  all.push_back(
      {.op = "Expand", .inputs = {{3, 1}}, .names = {"x0", "shape"}, .constants = [](OnnxModel& m) {
         m.constant("shape", {3}, Integers{2, 3, 4});
       }});
  all.push_back({.op = "Flatten", .inputs = {x}});
  all.push_back({.op = "Gather",
                 .inputs = {x},
                 .attributes = {{"axis", 1}},
                 .names = {"x0", "rows"},
                 .constants = [](OnnxModel& m) {
                   m.constant("rows", {3}, Integers{2, 0, 2});
                 }});
  for (const char* mode : {"constant", "reflect", "edge"}) {
    all.push_back({.op = "Pad",
                   .inputs = {x},
                   .attributes = {{"mode", std::string(mode)}},
                   .names = {"x0", "pads"},
                   .constants = [](OnnxModel& m) {
                     m.constant("pads", {6}, Integers{0, 1, 2, 0, 1, 1});
                   }});
  }
  all.push_back(
      {.op = "Reshape", .inputs = {x}, .names = {"x0", "shape"}, .constants = [](OnnxModel& m) {
         m.constant("shape", {2}, Integers{4, -1});
       }});
  all.push_back({.op = "Slice",
                 .inputs = {x},
                 .names = {"x0", "from", "to", "axes", "steps"},
                 .constants = [](OnnxModel& m) {
                   m.constant("from", {2}, Integers{-1, 0});
                   m.constant("to", {2}, Integers{-100, 3});
                   m.constant("axes", {2}, Integers{1, 2});
                   m.constant("steps", {2}, Integers{-2, 2});
                 }});
  all.push_back({.op = "Split", .inputs = {x}, .attributes = {{"axis", 2}}, .outputs = 2});
  all.push_back({.op = "Squeeze", .inputs = {{2, 1, 4}}});
  all.push_back(
      {.op = "Tile", .inputs = {x}, .names = {"x0", "repeats"}, .constants = [](OnnxModel& m) {
         m.constant("repeats", {3}, Integers{2, 1, 3});
       }});
  all.push_back({.op = "Transpose", .inputs = {x}, .attributes = {{"perm", Integers{2, 0, 1}}}});
  all.push_back(
      {.op = "Unsqueeze", .inputs = {x}, .names = {"x0", "axes"}, .constants = [](OnnxModel& m) {
         m.constant("axes", {1}, Integers{1});
       }});
  for (const char* op :
       {"Celu", "Mish", "Sinh", "Cosh", "Asinh", "Atan", "Tan", "Shrink", "ThresholdedRelu"}) {
    all.push_back({.op = op, .inputs = {x}, .tolerance = 1e-5, .opset = 18});
  }
  all.push_back({.op = "Acosh", .inputs = {x}, .tolerance = 1e-5, .shift = 5});
  for (const char* op : {"Asin", "Acos", "Atanh"}) {
    all.push_back({.op = op, .inputs = {x}, .tolerance = 1e-5, .scale = 0.2});
  }
  all.push_back({.op = "Mean", .inputs = {x, {4}, {3, 1}}});
  for (const char* op : {"ReduceLogSum", "ReduceLogSumExp"}) {
    all.push_back({.op = op, .inputs = {x}, .attributes = {{"axes", Integers{1}}}, .shift = 4});
  }
  for (const int reverse : {0, 1}) {
    all.push_back({.op = "CumSum",
                   .inputs = {x},
                   .attributes = {{"reverse", reverse}, {"exclusive", 1 - reverse}},
                   .names = {"x0", "axis"},
                   .constants = [](OnnxModel& m) { m.constant("axis", {}, Integers{1}); }});
  }
  all.push_back({.op = "DepthToSpace",
                 .inputs = {{1, 8, 2, 3}},
                 .attributes = {{"blocksize", 2}, {"mode", std::string("CRD")}}});
  all.push_back({.op = "SpaceToDepth", .inputs = {{1, 2, 4, 6}}, .attributes = {{"blocksize", 2}}});
  all.push_back({.op = "GatherElements",
                 .inputs = {{3, 4}},
                 .attributes = {{"axis", 1}},
                 .names = {"x0", "indices"},
                 .constants = [](OnnxModel& m) {
                   m.constant("indices", {3, 2}, Integers{0, 3, 1, 1, 2, 0});
                 }});
  all.push_back(
      {.op = "GatherND", .inputs = {x}, .names = {"x0", "indices"}, .constants = [](OnnxModel& m) {
         m.constant("indices", {3, 2}, Integers{0, 1, 1, 2, 0, 1});
       }});
  for (const char* op : {"Scatter", "ScatterElements"}) {
    all.push_back({.op = op,
                   .inputs = {{3, 4}, {1, 4}},
                   .names = {"x0", "indices", "x1"},
                   .constants =
                       [](OnnxModel& m) {
                         m.constant("indices", {1, 4}, Integers{0, 2, 1, 0});
                       },
                   .opset = std::string(op) == "Scatter" ? 10 : 13});
  }
  all.push_back({.op = "ScatterND",
                 .inputs = {{4, 3}, {2, 3}},
                 .names = {"x0", "indices", "x1"},
                 .constants = [](OnnxModel& m) {
                   m.constant("indices", {2, 1}, Integers{2, 0});
                 }});
  all.push_back({.op = "Trilu", .inputs = {{4, 5}}, .attributes = {{"upper", 0}}, .opset = 14});
  all.push_back({.op = "TopK",
                 .inputs = {{3, 5, 2}},
                 .attributes = {{"axis", 1}},
                 .names = {"x0", "k"},
                 .constants = [](OnnxModel& m) { m.constant("k", {1}, Integers{2}); },
                 .outputs = 2});
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    all.push_back({.op = "Resize",
                   .inputs = {{1, 2, 3, 4}},
                   .attributes = {{"mode", std::string(mode)}},
                   .names = {"x0", "", "scales"},
                   .constants = [](OnnxModel& m) {
                     m.constant("scales", {4}, Reals{1, 1, 2.5f, 0.75f});
                   }});
  }
  all.push_back({.op = "Upsample",
                 .inputs = {{1, 2, 3, 4}},
                 .attributes = {{"mode", std::string("linear")}},
                 .names = {"x0", "scales"},
                 .constants =
                     [](OnnxModel& m) {
                       m.constant("scales", {4}, Reals{1, 1, 2, 2});
                     },
                 .opset = 9});
  all.push_back({.op = "InstanceNormalization",
                 .inputs = {image},
                 .names = {"x0", "scale", "shift"},
                 .constants = [](OnnxModel& m) {
                   m.random("scale", {3});
                   m.random("shift", {3});
                 }});
  for (const std::int64_t scales : {3, 6}) {  // one a group, one a channel
    all.push_back({.op = "GroupNormalization",
                   .inputs = {{2, 6, 2, 3}},
                   .attributes = {{"num_groups", 3}},
                   .names = {"x0", "scale", "shift"},
                   .constants =
                       [scales](OnnxModel& m) {
                         m.random("scale", {scales});
                         m.random("shift", {scales});
                       },
                   .opset = scales == 3 ? 18 : 21});
  }
  all.push_back({.op = "LRN",
                 .inputs = {{1, 7, 2, 3}},
                 .attributes = {{"size", 4}, {"alpha", 0.7}, {"beta", 0.6}, {"bias", 1.5}}});
  for (const int p : {1, 2}) {
    all.push_back({.op = "LpNormalization", .inputs = {x}, .attributes = {{"axis", 1}, {"p", p}}});
  }
  return all;
}

// Quantisers are step functions: straight through, the pair is the identity inside the range.
TEST(PlainAdjoint, quantisers_pass_the_gradient_straight_through) {
  OnnxModel model;
  model.input("x", {5});
  model.constant("scale", {}, Reals{0.5f});
  auto* zero = model.proto().mutable_graph()->add_initializer();
  zero->set_name("zero");
  zero->set_data_type(onnx::TensorProto::INT8);
  const char value = 3;
  zero->set_raw_data(&value, 1);
  model.node("QuantizeLinear", {"x", "scale", "zero"}, "codes");
  model.node("DequantizeLinear", {"codes", "scale", "zero"}, "y");
  model.output("y");
  const Graph graph = model.bind({{5}});
  const auto& quantise = graph.nodes[0];
  const auto& dequantise = graph.nodes[1];
  EXPECT_FALSE(network::is_step_function(graph, quantise));
  EXPECT_TRUE(network::carries_gradient(graph, dequantise, 0));
  EXPECT_FALSE(network::carries_gradient(graph, dequantise, 2));
  const DoubleTensor x{network::ElementType::real, {5}, {0.3, -1.2, 100, -100, 4}};
  const auto scale = network::to_double(*graph.constant(quantise.inputs[1]));
  const auto offset = network::to_double(*graph.constant(quantise.inputs[2]));
  const auto codes = network::evaluate(graph, quantise, {&x, &scale, &offset});
  const auto y = network::evaluate(graph, dequantise, {&codes[0], &scale, &offset});
  const std::vector<double> dy{1, 2, 3, 4, 5};
  std::vector<std::vector<double>> by_codes{std::vector<double>(5, 0.0), {}, {}};
  std::vector<std::vector<double>> by_x = by_codes;
  network::add_plain_adjoint(graph, dequantise, {&codes[0], &scale, &offset}, y, {dy}, by_codes);
  network::add_plain_adjoint(graph, quantise, {&x, &scale, &offset}, codes, {by_codes[0]}, by_x);
  EXPECT_THAT(by_x[0], testing::ElementsAre(1, 2, 0, 0, 5));
}

TEST(PlainAdjoint, finite_differences) {
  for (const Case& c : cases()) expect_adjoint(c);
}

// No rule is untested. (An operator without a rule stops a gradient with an error that names it.)
TEST(PlainAdjoint, every_rule_is_tested) {
  std::set<std::string> tested{"QuantizeLinear", "DequantizeLinear"};
  for (const Case& c : cases()) tested.insert(c.op);
  int rules = 0;
  for (const auto* op : network::all_operators()) {
    network::Node node;
    node.op = op->name;
    if (!network::has_plain_adjoint(node)) continue;
    ++rules;
    EXPECT_TRUE(tested.contains(op->name)) << op->name << ": give it a case here";
  }
  EXPECT_GE(rules, 90);
}

TEST(PlainAdjoint, refuses_what_it_does_not_know) {
  OnnxModel model;
  model.input("x", {3});
  model.node("Round", {"x"}, "y");
  model.output("y");
  const Graph graph = model.bind({{3}});
  const DoubleTensor x{network::ElementType::real, {3}, {1, 2, 3}};
  std::vector<std::vector<double>> din{{0, 0, 0}};
  EXPECT_TRUE(network::is_step_function(graph, graph.nodes[0]));
  EXPECT_THROW(network::add_plain_adjoint(graph, graph.nodes[0], {&x}, {x}, {{1, 1, 1}}, din),
               DataError);
}

}  // namespace
}  // namespace attojoule::tests
