// Functions that exporters spell out as several nodes: found where they are whole, left alone where
// somebody else reads what lies between, and equal to the nodes' plain definitions.
#include "network/digital_fusion.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "network/operators.hpp"
#include "tests/support/network_runs.hpp"
#include "tests/support/onnx_builder.hpp"

namespace attojoule::tests {
namespace {

using network::DigitalFusion;
using network::DoubleTensor;
using network::FusedFunction;
using network::Shape;

const Shape shape{2, 5, 17};

// The output of a graph, node by node in double precision.
std::vector<double> evaluate_plainly(const network::Graph& graph, const std::vector<float>& x) {
  std::vector<DoubleTensor> values(graph.values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (graph.values[i].constant) values[i] = network::to_double(*graph.values[i].constant);
  }
  const auto at = [&](network::ValueId id) -> DoubleTensor& {
    return values[static_cast<std::size_t>(id)];
  };
  at(graph.inputs[0]) = {network::ElementType::real, shape, {x.begin(), x.end()}};
  for (const auto& node : graph.nodes) {
    network::InputTensors inputs;
    for (const auto id : node.inputs) inputs.push_back(id == network::no_value ? nullptr : &at(id));
    at(node.outputs[0]) = network::evaluate(graph, node, inputs)[0];
  }
  return at(graph.outputs[0]).values;
}

void expect_equal_to_plain(const OnnxModel& model) {
  const auto x = random_reals(network::element_count(shape), 5, 2);
  const auto wanted = evaluate_plainly(model.bind({shape}), x);
  const auto got = run_clean(make_program(model, {shape}), {x});
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], wanted[i], 2e-6 * (1 + std::abs(wanted[i]))) << i;
  }
}

std::vector<DigitalFusion> fusions(const OnnxModel& model) {
  network::Graph graph = model.bind({shape});
  network::simplify(graph);
  return network::find_digital_fusions(graph);
}

std::string number(OnnxModel& model, const std::string& name, double value) {
  return model.constant(name, {}, Reals{static_cast<float>(value)});
}

// GELU as the exporters write it; returns the bracket 1 + erf(x / sqrt 2).
std::string gelu(OnnxModel& model, const std::string& x, const std::string& way) {
  const std::string root = number(model, "root2", std::sqrt(2.0));
  const std::string inverse = number(model, "inverse", std::sqrt(0.5));
  const std::string scaled = way == "scaled_left"  ? model.node("Mul", {inverse, x}, "scaled")
                             : way == "half_first" ? model.node("Mul", {x, inverse}, "scaled")
                                                   : model.node("Div", {x, root}, "scaled");
  const std::string erf = model.node("Erf", {scaled}, "erf");
  const std::string bracket = model.node("Add", {erf, number(model, "one", 1)}, "bracket");
  const std::string half = number(model, "half", 0.5);
  if (way == "half_first") {
    return model.node("Mul", {model.node("Mul", {x, half}, "halved"), bracket}, "gelu");
  }
  if (way == "half_bracket") {
    return model.node("Mul", {x, model.node("Mul", {half, bracket}, "halved")}, "gelu");
  }
  const std::string product = model.node("Mul", {x, bracket}, "product");
  if (way == "divided") return model.node("Div", {product, number(model, "two", 2)}, "gelu");
  return model.node("Mul", {product, half}, "gelu");
}

TEST(DigitalFusion, gelu_in_every_order) {
  for (const std::string way : {"plain", "scaled_left", "half_first", "half_bracket", "divided"}) {
    SCOPED_TRACE(way);
    for (const bool computed_input : {false, true}) {
      OnnxModel model;
      model.input("x", shape);
      const std::string x = computed_input ? model.node("Tanh", {"x"}, "t") : "x";
      model.output(gelu(model, x, way));
      const auto found = fusions(model);
      ASSERT_EQ(found.size(), 1u);
      EXPECT_EQ(found[0].function, FusedFunction::gelu);
      EXPECT_EQ(found[0].nodes.size(), 5u);
      expect_equal_to_plain(model);
    }
  }
}

// Behind a product, and with x read again afterwards.
TEST(DigitalFusion, gelu_leaves_its_input_to_other_readers) {
  OnnxModel model;
  model.input("x", shape);
  model.node("MatMul", {"x", model.random("w", {17, 17}, 0.3f)}, "p");
  model.output(model.node("Add", {gelu(model, "p", "plain"), "p"}, "sum"));
  ASSERT_EQ(fusions(model).size(), 1u);
  expect_equal_to_plain(model);
}

TEST(DigitalFusion, gelu_is_not_what_somebody_reads_inside_or_what_has_other_numbers) {
  for (const std::string inside : {"scaled", "erf", "bracket", "product"}) {
    OnnxModel model;
    model.input("x", shape);
    model.output(model.node("Add", {gelu(model, "x", "plain"), inside}, "sum"));
    EXPECT_TRUE(fusions(model).empty()) << inside;
    expect_equal_to_plain(model);
  }
  for (const auto& [root, one, half] :
       {std::tuple{1.5, 1.0, 0.5}, std::tuple{std::sqrt(2.0), 1.1, 0.5},
        std::tuple{std::sqrt(2.0), 1.0, 0.6}}) {
    OnnxModel model;
    model.input("x", shape);
    model.node("Erf", {model.node("Div", {"x", number(model, "r", root)}, "d")}, "e");
    model.node("Mul", {"x", model.node("Add", {"e", number(model, "o", one)}, "b")}, "m");
    model.output(model.node("Mul", {"m", number(model, "h", half)}, "y"));
    EXPECT_TRUE(fusions(model).empty());
    expect_equal_to_plain(model);
  }
}

struct Norm {
  int opset = 13;
  bool squares_by_product = false, epsilon_left = false, scale = true, shift = true;
  int axis = -1;
  Shape parameters{17};
};

std::string layer_norm(OnnxModel& model, const std::string& x, const Norm& way) {
  const auto mean = [&](const std::string& from, const std::string& name) {
    if (way.opset < 18) {
      return model.node("ReduceMean", {from}, name, {{"axes", Integers{way.axis}}});
    }
    return model.node("ReduceMean", {from, model.constant(name + "_axes", {1}, Integers{way.axis})},
                      name);
  };
  const std::string difference = model.node("Sub", {x, mean(x, "mean")}, "difference");
  const std::string square =
      way.squares_by_product
          ? model.node("Mul", {difference, difference}, "square")
          : model.node("Pow", {difference, number(model, "exponent", 2)}, "square");
  const std::string epsilon = number(model, "epsilon", 1e-3);
  const std::string variance = mean(square, "variance");
  const std::string sum = way.epsilon_left ? model.node("Add", {epsilon, variance}, "sum")
                                           : model.node("Add", {variance, epsilon}, "sum");
  std::string last = model.node("Div", {difference, model.node("Sqrt", {sum}, "root")}, "quotient");
  if (way.scale) last = model.node("Mul", {last, model.random("scale", way.parameters)}, "normed");
  if (way.shift) last = model.node("Add", {last, model.random("shift", way.parameters)}, "shifted");
  return last;
}

TEST(DigitalFusion, layer_norm_in_every_form) {
  for (const int opset : {13, 18}) {
    for (int form = 0; form < 4; ++form) {
      for (int parameters = 0; parameters < 3; ++parameters) {
        Norm way;
        way.opset = opset;
        way.squares_by_product = (form & 1) != 0;
        way.epsilon_left = (form & 2) != 0;
        way.scale = parameters > 0;
        way.shift = parameters > 1;
        OnnxModel model(opset);
        model.input("x", shape);
        model.output(layer_norm(model, model.node("Tanh", {"x"}, "t"), way));
        const auto found = fusions(model);
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].function, FusedFunction::layer_norm);
        EXPECT_EQ(found[0].nodes.size(), 7u + (way.scale ? 1 : 0) + (way.shift ? 1 : 0));
        EXPECT_NEAR(found[0].epsilon, 1e-3, 1e-9);
        expect_equal_to_plain(model);
      }
    }
  }
}

TEST(DigitalFusion, layer_norm_only_over_the_last_axis_with_parameters_of_that_axis) {
  Norm other_axis;
  other_axis.axis = 1;
  other_axis.scale = other_axis.shift = false;
  Norm other_parameters;
  other_parameters.parameters = {5, 1};
  for (const Norm& way : {other_axis, other_parameters}) {
    OnnxModel model;
    model.input("x", shape);
    model.output(layer_norm(model, "x", way));
    for (const auto& fusion : fusions(model)) EXPECT_EQ(fusion.nodes.size(), 7u);
    EXPECT_EQ(fusions(model).size(), way.axis == 1 ? 0u : 1u);
    expect_equal_to_plain(model);
  }
}

TEST(DigitalFusion, layer_norm_is_not_what_somebody_reads_inside) {
  for (const std::string inside : {"mean", "difference", "square", "variance", "sum", "root"}) {
    OnnxModel model;
    model.input("x", shape);
    model.output(model.node("Add", {layer_norm(model, "x", {}), inside}, "total"));
    EXPECT_TRUE(fusions(model).empty()) << inside;
    expect_equal_to_plain(model);
  }
}

TEST(DigitalFusion, swish) {
  for (const bool left : {false, true}) {
    OnnxModel model;
    model.input("x", shape);
    model.node("Sigmoid", {"x"}, "s");
    model.output(model.node(
        "Mul", left ? std::vector<std::string>{"s", "x"} : std::vector<std::string>{"x", "s"},
        "y"));
    ASSERT_EQ(fusions(model).size(), 1u);
    EXPECT_EQ(fusions(model)[0].function, FusedFunction::swish);
    expect_equal_to_plain(model);
  }
  OnnxModel other;
  other.input("x", shape);
  other.node("Mul", {other.node("Sigmoid", {"x"}, "s"), other.node("Tanh", {"x"}, "t")}, "y");
  other.output("y");
  EXPECT_TRUE(fusions(other).empty());
  expect_equal_to_plain(other);
}

// Every node is still listed as a digital operation.
TEST(DigitalFusion, nodes_are_still_counted) {
  OnnxModel model;
  model.input("x", shape);
  model.output(gelu(model, layer_norm(model, "x", {}), "plain"));
  const auto program = make_program(model, {shape});
  EXPECT_EQ(program.digital_operations().size(), 9u + 5u);
}

}  // namespace
}  // namespace attojoule::tests
