// The plain definitions of the operators against values worked out by hand, and the program on the
// same cases. Where opsets differ, both spellings.
#include "network/operators.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::Shape;
using testing::HasSubstr;

struct Array {
  Shape shape;
  std::variant<Reals, Integers> values;
};

struct Case {
  std::string op;
  Reals x;
  Shape x_shape;
  std::vector<std::optional<Array>> constants;  // the other inputs; nullopt = not given
  Attributes attributes;
  Shape y_shape;
  std::vector<double> y;
  int opset = 13;
  std::string also = {};  // tells two cases of one operator apart
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.op << " " << one.also;
}

OnnxModel model_of(const Case& one) {
  OnnxModel model(one.opset);
  std::vector<std::string> inputs{model.input("x", one.x_shape)};
  for (std::size_t i = 0; i < one.constants.size(); ++i) {
    inputs.emplace_back();
    if (!one.constants[i]) continue;
    inputs.back() = "c" + std::to_string(i);
    std::visit(
        [&](const auto& values) { model.constant(inputs.back(), one.constants[i]->shape, values); },
        one.constants[i]->values);
  }
  model.node(one.op, inputs, "y", one.attributes);
  model.output("y");
  return model;
}

class OperatorValues : public testing::TestWithParam<Case> {};

TEST_P(OperatorValues, plain_definition_and_program) {
  const Case& one = GetParam();
  const network::Graph graph = model_of(one).bind({one.x_shape});
  const PlainNetwork plain(graph, {one.x});
  const auto& y = plain.output().value;
  EXPECT_EQ(y.shape, one.y_shape);
  ASSERT_EQ(y.values.size(), one.y.size());
  for (std::size_t i = 0; i < one.y.size(); ++i) {
    EXPECT_NEAR(y.values[i], one.y[i], 1e-6 * std::max(1.0, std::abs(one.y[i]))) << "element " << i;
  }
  const auto output = run_clean(make_program(graph), {one.x});
  ASSERT_EQ(output.size(), one.y.size());
  for (std::size_t i = 0; i < one.y.size(); ++i) {
    EXPECT_NEAR(output[i], one.y[i], 2e-5 * std::max(1.0, std::abs(one.y[i]))) << "element " << i;
  }
}

Array ints(Integers values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return {{size}, std::move(values)};
}
Array reals(Reals values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return {{size}, std::move(values)};
}
Array number(float value) {
  return {{}, Reals{value}};
}

const double e1 = std::exp(1.0);
const Reals signs{-2, -0.5f, 0, 0.5f, 2};
const Reals six{1, 2, 3, 4, 5, 6};

Case element(const std::string& op, std::vector<double> y, Attributes attributes = {}) {
  return {op, signs, {1, 5}, {}, std::move(attributes), {1, 5}, std::move(y)};
}

INSTANTIATE_TEST_SUITE_P(
    Elements, OperatorValues,
    testing::Values(
        element("Abs", {2, 0.5, 0, 0.5, 2}), element("Neg", {2, 0.5, 0, -0.5, -2}),
        element("Relu", {0, 0, 0, 0.5, 2}), element("Ceil", {-2, 0, 0, 1, 2}),
        element("Floor", {-2, -1, 0, 0, 2}), element("Round", {-2, 0, 0, 0, 2}),  // half to even
        element("Sign", {-1, -1, 0, 1, 1}),
        element("Exp", {1 / e1 / e1, 1 / std::sqrt(e1), 1, std::sqrt(e1), e1* e1}),
        element("Sigmoid", {0.11920292, 0.37754067, 0.5, 0.62245933, 0.88079708}),
        element("Tanh", {-0.96402758, -0.46211716, 0, 0.46211716, 0.96402758}),
        element("Erf", {-0.99532227, -0.52049988, 0, 0.52049988, 0.99532227}),
        element("Sin", {-0.90929743, -0.47942554, 0, 0.47942554, 0.90929743}),
        element("Cos", {-0.41614684, 0.87758256, 1, 0.87758256, -0.41614684}),
        element("Softplus", {0.12692801, 0.47407698, 0.69314718, 0.97407698, 2.12692801}),
        element("Softsign", {-2.0 / 3, -1.0 / 3, 0, 1.0 / 3, 2.0 / 3}),
        element("LeakyRelu", {-0.02, -0.005, 0, 0.5, 2}),
        element("LeakyRelu", {-0.5, -0.125, 0, 0.5, 2}, {{"alpha", 0.25}}),
        element("Elu", {-0.86466472, -0.39346934, 0, 0.5, 2}),
        element("Selu", {-1.52016647, -0.69175819, 0, 0.52535051, 2.10140201}),
        element("HardSigmoid", {0.1, 0.4, 0.5, 0.6, 0.9}),
        element("HardSigmoid", {0, 0.25, 0.5, 0.75, 1}, {{"alpha", 0.5}, {"beta", 0.5}}),
        element("HardSwish", {-1.0 / 3, -0.20833333, 0, 0.29166667, 5.0 / 3}),
        element("Identity", {-2, -0.5, 0, 0.5, 2}), element("Dropout", {-2, -0.5, 0, 0.5, 2}),
        element("Cast", {-2, -0.5, 0, 0.5, 2}, {{"to", 1}}),
        element("Cast", {-2, 0, 0, 0, 2}, {{"to", 7}}),
        element("Cast", {1, 1, 0, 1, 1}, {{"to", 9}}),
        Case{"Sqrt", {4, 9, 2}, {3}, {}, {}, {3}, {2, 3, 1.41421356}},
        Case{"Log", {1, 2, 10}, {3}, {}, {}, {3}, {0, 0.69314718, 2.30258509}},
        Case{"Reciprocal", {1, 2, -4}, {3}, {}, {}, {3}, {1, 0.5, -0.25}},
        // Bounds: attributes up to opset 10, inputs after, either may be absent.
        Case{"Clip",
             signs,
             {5},
             {},
             {{"min", -1.0}, {"max", 0.25}},
             {5},
             {-1, -0.5, 0, 0.25, 0.25},
             10},
        Case{"Clip", signs, {5}, {}, {{"max", 1.0}}, {5}, {-2, -0.5, 0, 0.5, 1}, 10, "upper"},
        Case{"Clip", signs, {5}, {number(-1), number(0.25f)}, {}, {5}, {-1, -0.5, 0, 0.25, 0.25}},
        Case{"Clip", signs, {5}, {std::nullopt, number(1)}, {}, {5}, {-2, -0.5, 0, 0.5, 1}},
        Case{"Clip", signs, {5}, {number(0)}, {}, {5}, {0, 0, 0, 0.5, 2}}));

const Reals two_rows{1, -2, 3, 4, -5, 6};  // [[1, -2, 3], [4, -5, 6]]

INSTANTIATE_TEST_SUITE_P(
    Pairs, OperatorValues,
    testing::Values(
        Case{"Add", two_rows, {2, 3}, {reals({10, 20, 30})}, {}, {2, 3}, {11, 18, 33, 14, 15, 36}},
        Case{"Sub",
             two_rows,
             {2, 3},
             {Array{{2, 1}, Reals{1, 2}}},
             {},
             {2, 3},
             {0, -3, 2, 2, -7, 4}},
        Case{"Mul", two_rows, {2, 3}, {number(2)}, {}, {2, 3}, {2, -4, 6, 8, -10, 12}},
        Case{"Div", two_rows, {2, 3}, {reals({1, 2, 4})}, {}, {2, 3}, {1, -1, 0.75, 4, -2.5, 1.5}},
        Case{"Pow", two_rows, {2, 3}, {number(2)}, {}, {2, 3}, {1, 4, 9, 16, 25, 36}},
        Case{"Min", two_rows, {2, 3}, {reals({0, 0, 5})}, {}, {2, 3}, {0, -2, 3, 0, -5, 5}},
        Case{
            "Max", two_rows, {2, 3}, {reals({0, 0, 5}), number(2)}, {}, {2, 3}, {2, 2, 5, 4, 2, 6}},
        Case{"Sum",
             two_rows,
             {2, 3},
             {reals({1, 1, 1}), number(2)},
             {},
             {2, 3},
             {4, 1, 6, 7, -2, 9}},
        Case{"PRelu", two_rows, {2, 3}, {reals({1, 0.5f, 1})}, {}, {2, 3}, {1, -1, 3, 4, -2.5, 6}},
        Case{"Greater", two_rows, {2, 3}, {number(3)}, {}, {2, 3}, {0, 0, 0, 1, 0, 1}},
        Case{"GreaterOrEqual", two_rows, {2, 3}, {number(3)}, {}, {2, 3}, {0, 0, 1, 1, 0, 1}},
        Case{"Less", two_rows, {2, 3}, {number(3)}, {}, {2, 3}, {1, 1, 0, 0, 1, 0}},
        Case{"LessOrEqual", two_rows, {2, 3}, {number(3)}, {}, {2, 3}, {1, 1, 1, 0, 1, 0}},
        Case{"Equal", two_rows, {2, 3}, {number(3)}, {}, {2, 3}, {0, 0, 1, 0, 0, 0}},
        // The partner's shape may be the larger one.
        Case{"Add", {1, 2}, {2, 1}, {reals({10, 20, 30})}, {}, {2, 3}, {11, 21, 31, 12, 22, 32}}));

INSTANTIATE_TEST_SUITE_P(
    Products, OperatorValues,
    testing::Values(
        // 3 x 3 image, 2 x 2 window: 1*1 + 2*0 + 4*0 + 5*(-1) = -4, ...
        Case{"Conv",
             {1, 2, 3, 4, 5, 6, 7, 8, 9},
             {1, 1, 3, 3},
             {Array{{1, 1, 2, 2}, Reals{1, 0, 0, -1}}},
             {},
             {1, 1, 2, 2},
             {-4, -4, -4, -4}},
        Case{"Conv",
             {1, 2, 3, 4, 5, 6, 7, 8, 9},
             {1, 1, 3, 3},
             {Array{{1, 1, 2, 2}, Reals{1, 2, 3, 4}}, reals({0.5f})},
             {{"pads", Integers{1, 0, 0, 1}}, {"strides", Integers{2, 2}}},
             {1, 1, 2, 2},
             // rows -1 and 0: 3*1 + 4*2 = 11, 3*3 = 9; rows 1 and 2: 4 + 10 + 21 + 32, 6 + 27
             {11.5, 9.5, 67.5, 33.5}},
        Case{"Conv",
             {1, 2, 3, 4, 5},
             {1, 1, 5},
             {Array{{1, 1, 2}, Reals{1, 10}}},
             {{"dilations", Integers{2}}},
             {1, 1, 3},
             {31, 42, 53}},
        Case{"Conv",
             {1, 2, 3, 4},
             {1, 2, 1, 2},
             {Array{{2, 1, 1, 1}, Reals{2, 3}}},
             {{"group", 2}},
             {1, 2, 1, 2},
             {2, 4, 9, 12}},
        Case{"Gemm",
             {1, 2, 3},
             {1, 3},
             {Array{{3, 2}, Reals{1, 4, 2, 5, 3, 6}}, reals({10, 20})},
             {},
             {1, 2},
             {24, 52}},
        Case{"Gemm",
             {1, 2, 3},
             {1, 3},
             {Array{{2, 3}, Reals{1, 2, 3, 4, 5, 6}}, reals({10, 20})},
             {{"transB", 1}, {"alpha", 2.0}, {"beta", 0.5}},
             {1, 2},
             {33, 74}},
        Case{"MatMul", two_rows, {2, 3}, {Array{{3, 1}, Reals{1, 1, 2}}}, {}, {2, 1}, {5, 11}},
        Case{"MatMul", two_rows, {2, 3}, {reals({1, 1, 2})}, {}, {2}, {5, 11}}));

const Reals image{1, 2, 3, 4, 5, 6, 7, 8, 9};

INSTANTIATE_TEST_SUITE_P(
    Reductions, OperatorValues,
    testing::Values(
        // Axes: an attribute up to opset 12 (ReduceSum) or 17 (the others), an input after.
        Case{"ReduceSum", six, {2, 3}, {}, {{"axes", Integers{1}}}, {2, 1}, {6, 15}, 11},
        Case{"ReduceSum", six, {2, 3}, {ints({1})}, {}, {2, 1}, {6, 15}},
        Case{"ReduceSum", six, {2, 3}, {ints({-2})}, {{"keepdims", 0}}, {3}, {5, 7, 9}},
        Case{"ReduceSum", six, {2, 3}, {}, {}, {1, 1}, {21}},
        Case{"ReduceSum",
             six,
             {2, 3},
             {},
             {{"noop_with_empty_axes", 1}},
             {2, 3},
             {1, 2, 3, 4, 5, 6}},
        Case{"ReduceMean", six, {2, 3}, {}, {{"axes", Integers{0}}}, {1, 3}, {2.5, 3.5, 4.5}},
        Case{"ReduceMean", six, {2, 3}, {ints({0})}, {}, {1, 3}, {2.5, 3.5, 4.5}, 18},
        Case{"ReduceMax", six, {2, 3}, {}, {{"axes", Integers{-1}}, {"keepdims", 0}}, {2}, {3, 6}},
        Case{"ReduceMin", six, {2, 3}, {}, {{"axes", Integers{0, 1}}}, {1, 1}, {1}},
        Case{"ReduceProd", six, {2, 3}, {}, {{"axes", Integers{1}}}, {2, 1}, {6, 120}},
        Case{"ReduceL1", signs, {5}, {}, {}, {1}, {5}},
        Case{"ReduceL2", {3, 4}, {2}, {}, {}, {1}, {5}},
        Case{"ReduceSumSquare", {3, 4}, {2}, {}, {}, {1}, {25}},
        Case{"MaxPool",
             image,
             {1, 1, 3, 3},
             {},
             {{"kernel_shape", Integers{2, 2}}},
             {1, 1, 2, 2},
             {5, 6, 8, 9}},
        Case{"MaxPool",
             image,
             {1, 1, 3, 3},
             {},
             {{"kernel_shape", Integers{2, 2}}, {"strides", Integers{2, 2}}, {"ceil_mode", 1}},
             {1, 1, 2, 2},
             {5, 6, 8, 9}},
        Case{"AveragePool",
             image,
             {1, 1, 3, 3},
             {},
             {{"kernel_shape", Integers{2, 2}}, {"pads", Integers{1, 1, 0, 0}}},
             {1, 1, 3, 3},
             {1, 1.5, 2.5, 2.5, 3, 4, 5.5, 6, 7}},
        Case{"AveragePool",
             image,
             {1, 1, 3, 3},
             {},
             {{"kernel_shape", Integers{2, 2}},
              {"pads", Integers{1, 1, 0, 0}},
              {"count_include_pad", 1}},
             {1, 1, 3, 3},
             {0.25, 0.75, 1.25, 1.25, 3, 4, 2.75, 6, 7}},
        // The last windows hang over the end, where nothing counts, not even as padding.
        Case{"AveragePool",
             image,
             {1, 1, 3, 3},
             {},
             {{"kernel_shape", Integers{2, 2}},
              {"strides", Integers{2, 2}},
              {"ceil_mode", 1},
              {"count_include_pad", 1}},
             {1, 1, 2, 2},
             {3, 4.5, 7.5, 9}},
        Case{"GlobalAveragePool", image, {1, 1, 3, 3}, {}, {}, {1, 1, 1, 1}, {5}},
        Case{"GlobalMaxPool", image, {1, 1, 3, 3}, {}, {}, {1, 1, 1, 1}, {9}},
        // Softmax: the last axis from opset 13 on, all axes from 1 on before.
        Case{"Softmax", {0, 0, 0, 0}, {1, 2, 2}, {}, {}, {1, 2, 2}, {0.5, 0.5, 0.5, 0.5}},
        Case{"Softmax", {0, 0, 0, 0}, {1, 2, 2}, {}, {}, {1, 2, 2}, {0.25, 0.25, 0.25, 0.25}, 11},
        Case{"Softmax",
             {0, 1, 1000, 1001},
             {2, 2},
             {},
             {{"axis", 1}},
             {2, 2},
             {1 / (1 + e1), e1 / (1 + e1), 1 / (1 + e1), e1 / (1 + e1)}},
        Case{"Softmax",
             {0, 1, 1, 0},
             {2, 2},
             {},
             {{"axis", 0}},
             {2, 2},
             {1 / (1 + e1), e1 / (1 + e1), e1 / (1 + e1), 1 / (1 + e1)}},
        Case{"LogSoftmax",
             {0, 1},
             {1, 2},
             {},
             {},
             {1, 2},
             {-std::log(1 + e1), 1 - std::log(1 + e1)}},
        // Mean 2, variance 1 (population), plus epsilon 0.5625: 1.25^2 = 1.5625
        Case{"LayerNormalization",
             {1, 3},
             {1, 2},
             {reals({1, 2}), reals({0, 10})},
             {{"epsilon", 0.5625}},
             {1, 2},
             {-0.8, 11.6},
             17},
        Case{"BatchNormalization",
             {1, 2, 3, 4},
             {1, 2, 2},
             {reals({2, 1}), reals({0, 10}), reals({1, 3}), reals({3, 0})},
             {{"epsilon", 1.0}},
             {1, 2, 2},
             {0, 1, 10, 11}}));

INSTANTIATE_TEST_SUITE_P(
    Movement, OperatorValues,
    testing::Values(
        Case{"Reshape", six, {2, 3}, {ints({3, -1})}, {}, {3, 2}, {1, 2, 3, 4, 5, 6}},
        Case{"Reshape", six, {2, 3}, {ints({0, 3, 1})}, {}, {2, 3, 1}, {1, 2, 3, 4, 5, 6}},
        Case{"Flatten", six, {1, 2, 3}, {}, {}, {1, 6}, {1, 2, 3, 4, 5, 6}},
        Case{"Flatten", six, {1, 2, 3}, {}, {{"axis", 2}}, {2, 3}, {1, 2, 3, 4, 5, 6}},
        Case{"Flatten", six, {1, 2, 3}, {}, {{"axis", 0}}, {1, 6}, {1, 2, 3, 4, 5, 6}},
        Case{"Transpose", six, {2, 3}, {}, {}, {3, 2}, {1, 4, 2, 5, 3, 6}},
        Case{"Transpose",
             six,
             {1, 2, 3},
             {},
             {{"perm", Integers{2, 0, 1}}},
             {3, 1, 2},
             {1, 4, 2, 5, 3, 6}},
        Case{
            "Squeeze", six, {1, 6, 1}, {}, {{"axes", Integers{0}}}, {6, 1}, {1, 2, 3, 4, 5, 6}, 11},
        Case{"Squeeze", six, {1, 6, 1}, {ints({-1})}, {}, {1, 6}, {1, 2, 3, 4, 5, 6}},
        Case{"Squeeze", six, {1, 6, 1}, {}, {}, {6}, {1, 2, 3, 4, 5, 6}},
        Case{"Unsqueeze",
             six,
             {6},
             {},
             {{"axes", Integers{0, 2}}},
             {1, 6, 1},
             {1, 2, 3, 4, 5, 6},
             11},
        Case{"Unsqueeze", six, {6}, {ints({0, -1})}, {}, {1, 6, 1}, {1, 2, 3, 4, 5, 6}},
        Case{"Concat",
             six,
             {2, 3},
             {Array{{2, 1}, Reals{8, 9}}},
             {{"axis", 1}},
             {2, 4},
             {1, 2, 3, 8, 4, 5, 6, 9}},
        Case{"Slice",
             six,
             {2, 3},
             {},
             {{"starts", Integers{0, 1}}, {"ends", Integers{1, 100}}},
             {1, 2},
             {2, 3},
             9},
        Case{"Slice",
             six,
             {2, 3},
             {},
             {{"starts", Integers{-2}}, {"ends", Integers{-1}}, {"axes", Integers{1}}},
             {2, 1},
             {2, 5},
             9},
        Case{"Slice",
             six,
             {2, 3},
             {ints({0}), ints({3}), ints({1}), ints({2})},
             {},
             {2, 2},
             {1, 3, 4, 6}},
        Case{"Slice",
             six,
             {2, 3},
             {ints({-1}), ints({std::numeric_limits<std::int64_t>::min()}), ints({1}), ints({-1})},
             {},
             {2, 3},
             {3, 2, 1, 6, 5, 4}},
        Case{"Slice",
             six,
             {2, 3},
             {ints({1}), ints({std::numeric_limits<std::int64_t>::max()})},
             {},
             {1, 3},
             {4, 5, 6}},
        Case{"Gather", six, {2, 3}, {ints({2, 0, -1})}, {{"axis", 1}}, {2, 3}, {3, 1, 3, 6, 4, 6}},
        Case{"Gather", six, {2, 3}, {Array{{}, Integers{1}}}, {}, {3}, {4, 5, 6}},
        Case{"Expand", {1, 2}, {2, 1}, {ints({2, 3})}, {}, {2, 3}, {1, 1, 1, 2, 2, 2}},
        Case{"Expand", {1, 2}, {2}, {ints({2, 1})}, {}, {2, 2}, {1, 2, 1, 2}},
        Case{"Tile", {1, 2}, {1, 2}, {ints({2, 2})}, {}, {2, 4}, {1, 2, 1, 2, 1, 2, 1, 2}},
        // Pads: an attribute up to opset 10, an input after.
        Case{"Pad",
             {1, 2},
             {2},
             {},
             {{"pads", Integers{1, 2}}, {"value", 7.0}},
             {5},
             {7, 1, 2, 7, 7},
             10},
        Case{"Pad", {1, 2}, {2}, {ints({1, 2}), number(7)}, {}, {5}, {7, 1, 2, 7, 7}},
        Case{"Pad",
             {1, 2, 3},
             {3},
             {ints({2, 1})},
             {{"mode", std::string("reflect")}},
             {6},
             {3, 2, 1, 2, 3, 2}},
        Case{"Pad",
             {1, 2, 3},
             {3},
             {ints({2, 1})},
             {{"mode", std::string("edge")}},
             {6},
             {1, 1, 1, 2, 3, 3}},
        Case{"Pad", {1, 2, 3}, {3}, {ints({-1, 1})}, {}, {3}, {2, 3, 0}},
        Case{"Pad",
             {1, 2},
             {1, 2},
             {ints({1, 2}), number(7), ints({1})},
             {},
             {1, 5},
             {7, 1, 2, 7, 7},
             18}));

// ---- several outputs, chosen values, constants ----

TEST(OperatorValues, split_by_sizes_and_evenly) {
  for (const int opset : {11, 13, 18}) {
    OnnxModel model(opset);
    model.input("x", {1, 5});
    if (opset == 11) {
      model.nodes("Split", {"x"}, {"a", "b"}, {{"axis", 1}, {"split", Integers{2, 3}}});
    } else if (opset == 13) {
      model.nodes("Split", {"x", model.constant("s", {2}, Integers{2, 3})}, {"a", "b"},
                  {{"axis", 1}});
    } else {
      model.nodes("Split", {"x"}, {"b", "a"}, {{"axis", 1}, {"num_outputs", 2}});  // 3 and 2
    }
    model.node("Concat", {"b", "a"}, "y", {{"axis", 1}});
    model.output("y");
    const auto y = run_clean(make_program(model, {{1, 5}}), {{1, 2, 3, 4, 5}});
    EXPECT_EQ(y, (opset == 18 ? Reals{1, 2, 3, 4, 5} : Reals{3, 4, 5, 1, 2})) << opset;
  }
}

TEST(OperatorValues, where_chooses_by_condition) {
  OnnxModel model;
  model.input("x", {2, 3});
  model.node("Greater", {"x", model.constant("zero", {}, Reals{0})}, "positive");
  model.node("Where", {"positive", "x", model.constant("other", {3}, Reals{10, 20, 30})}, "y");
  model.output("y");
  EXPECT_EQ(run_clean(make_program(model, {{2, 3}}), {two_rows}), (Reals{1, 20, 3, 4, 20, 6}));
}

TEST(OperatorValues, computed_shapes_are_folded) {
  // Flattening as exporters write it: Reshape(x, Concat(Slice(Shape(x)), [-1])).
  OnnxModel model;
  model.input("x", {-1, 2, 3});
  model.node("Shape", {"x"}, "shape");
  model.node("Gather", {"shape", model.constant("zero", {1}, Integers{0})}, "batch");
  model.node("Concat", {"batch", model.constant("rest", {1}, Integers{-1})}, "wanted",
             {{"axis", 0}});
  model.node("Reshape", {"x", "wanted"}, "y");
  model.output("y");
  const network::Graph graph = model.bind({{1, 2, 3}});
  EXPECT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{1, 6}));
}

TEST(OperatorValues, shape_of_some_axes_and_range) {
  OnnxModel model(15);
  model.input("x", {2, 3, 4});
  model.node("Shape", {"x"}, "s", {{"start", 1}, {"end", -1}});  // [3]
  model.node("Squeeze", {"s"}, "n");
  model.node("Range",
             {model.constant("a", {}, Integers{0}), "n", model.constant("d", {}, Integers{2})},
             "r");  // [0, 2]
  model.node("Gather", {"x", "r"}, "y", {{"axis", 1}});
  model.output("y");
  EXPECT_EQ(model.bind({{2, 3, 4}}).value(model.bind({{2, 3, 4}}).outputs[0]).shape,
            (Shape{2, 2, 4}));
}

TEST(OperatorValues, integers_divide_towards_zero) {
  OnnxModel model;
  model.input("x", {2, 3});
  model.node("Div",
             {model.constant("a", {2}, Integers{-7, 7}), model.constant("b", {2}, Integers{2, 2})},
             "q");
  model.node("Add", {"q", model.constant("c", {2}, Integers{5, 0})}, "s");  // [2, 3]
  model.node("Reshape", {"x", "s"}, "y");
  model.output("y");
  EXPECT_EQ(model.bind({{2, 3}}).value(model.bind({{2, 3}}).outputs[0]).shape, (Shape{2, 3}));
}

TEST(OperatorValues, constants_of_every_kind) {
  OnnxModel model;
  model.input("x", {1, 2});
  auto* graph = model.proto().mutable_graph();
  model.node("Constant", {}, "tensor");
  auto* attribute = graph->mutable_node(0)->add_attribute();
  attribute->set_name("value");
  attribute->set_type(onnx::AttributeProto::TENSOR);
  attribute->mutable_t()->set_data_type(onnx::TensorProto::DOUBLE);
  attribute->mutable_t()->add_dims(2);
  attribute->mutable_t()->add_double_data(1);
  attribute->mutable_t()->add_double_data(2);
  model.node("Constant", {}, "real", {{"value_float", 10.0}});
  model.node("Constant", {}, "reals", {{"value_floats", Reals{100, 200}}});
  model.node("Constant", {}, "ints", {{"value_ints", Integers{1, 2}}});
  model.node("ConstantOfShape", {"ints"}, "zeros");
  model.node("Sum", {"x", "tensor", "real", "reals", "zeros"}, "y");
  model.output("y");
  EXPECT_EQ(run_clean(make_program(model, {{1, 2}}), {{0.5f, 0.5f}}), (Reals{111.5f, 212.5f}));
}

// ---- what does not fit ----

std::string error_of(const OnnxModel& model, const std::vector<Shape>& shapes) {
  try {
    make_program(model, shapes);
  } catch (const DataError& error) {
    return error.what();
  }
  return "(no DataError)";
}

struct WrongCase {
  std::string op;
  Shape x_shape;
  std::vector<std::optional<Array>> constants;
  Attributes attributes;
  std::string problem;
  int opset = 13;
};

void PrintTo(const WrongCase& wrong, std::ostream* out) {
  *out << wrong.op << ": " << wrong.problem;
}

class OperatorErrors : public testing::TestWithParam<WrongCase> {};

TEST_P(OperatorErrors, name_node_operator_opset_and_problem) {
  const WrongCase& wrong = GetParam();
  const Case one{wrong.op, {}, wrong.x_shape, wrong.constants, wrong.attributes,
                 {},       {}, wrong.opset};
  const std::string message = error_of(model_of(one), {wrong.x_shape});
  EXPECT_THAT(message, HasSubstr("test.onnx"));
  EXPECT_THAT(message,
              HasSubstr("node 'y' (" + wrong.op + ", opset " + std::to_string(wrong.opset) + ")"));
  EXPECT_THAT(message, HasSubstr(wrong.problem));
}

Array weights(const Shape& shape) {
  return {shape, Reals(static_cast<std::size_t>(network::element_count(shape)), 1.0f)};
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, OperatorErrors,
    testing::Values(
        WrongCase{"Conv", {1, 3, 5, 5}, {weights({4, 2, 3, 3})}, {}, "3 input channels"},
        WrongCase{"Conv", {1, 4, 5, 5}, {weights({3, 2, 3, 3})}, {{"group", 2}}, "2 groups"},
        WrongCase{
            "Conv", {1, 3, 5, 5}, {weights({4, 3, 3, 3}), weights({3})}, {}, "3 biases for 4"},
        WrongCase{"Conv", {1, 3, 2, 2}, {weights({4, 3, 3, 3})}, {}, "too small"},
        WrongCase{"Conv", {1, 1, 3, 3, 3, 3}, {weights({1, 1, 2, 2, 2, 2})}, {}, "one to 3 axes"},
        WrongCase{
            "Conv", {1, 3, 5, 5}, {weights({4, 3, 3, 3})}, {{"strides", Integers{1}}}, "strides"},
        WrongCase{"Conv",
                  {1, 3, 5, 5},
                  {weights({4, 3, 3, 3})},
                  {{"strides", Integers{0, 1}}},
                  "stride 0"},
        WrongCase{"Conv",
                  {1, 3, 5, 5},
                  {weights({4, 3, 3, 3})},
                  {{"pads", Integers{-1, 0, 0, 0}}},
                  "padding -1"},
        WrongCase{"Conv",
                  {1, 3, 5, 5},
                  {weights({4, 3, 3, 3})},
                  {{"auto_pad", std::string("SAME")}},
                  "auto_pad 'SAME'"},
        WrongCase{"Conv", {1, 3, 5, 5}, {weights({4, 3, 3, 3})}, {{"group", 1.5}}, "'group'"},
        WrongCase{"Gemm", {1, 3}, {weights({4, 2})}, {}, "1x3 and 4x2"},
        WrongCase{"Gemm", {1, 2, 3}, {weights({3, 2})}, {}, "1x2x3"},
        WrongCase{"Gemm", {1, 3}, {weights({3, 2}), weights({3})}, {}, "do not fit"},
        WrongCase{"MatMul", {1, 3}, {weights({4, 2})}, {}, "1x3 and 4x2"},
        WrongCase{"Add", {1, 3}, {weights({4})}, {}, "1x3 and 4"},
        WrongCase{"Concat", {1, 3}, {weights({2, 2})}, {{"axis", 1}}, "do not fit"},
        WrongCase{"Concat", {1, 3}, {weights({1, 2})}, {{"axis", 2}}, "axis 2"},
        WrongCase{"Reshape", {1, 6}, {ints({4, -1})}, {}, "cannot hold"},
        WrongCase{"Reshape", {1, 6}, {ints({-1, -1})}, {}, "two open axes"},
        WrongCase{"Reshape", {1, 6}, {reals({6})}, {}, "integers are needed"},
        WrongCase{"Transpose", {2, 3}, {}, {{"perm", Integers{0, 0}}}, "permutation"},
        WrongCase{"Squeeze", {2, 3}, {ints({0})}, {}, "is not 1"},
        WrongCase{"Unsqueeze", {2, 3}, {ints({0, 0})}, {}, "twice"},
        WrongCase{"Slice", {2, 3}, {ints({0}), ints({1}), ints({0}), ints({0})}, {}, "step 0"},
        WrongCase{"Slice", {2, 3}, {ints({0, 0}), ints({1})}, {}, "differ in length"},
        WrongCase{"Gather", {2, 3}, {ints({0})}, {{"axis", 2}}, "axis 2"},
        WrongCase{"Pad", {2, 3}, {ints({0, 0})}, {}, "2 pads for 2 axes"},
        WrongCase{"Pad",
                  {2, 3},
                  {ints({0, 3, 0, 0})},
                  {{"mode", std::string("reflect")}},
                  "reflection of 3"},
        WrongCase{"Pad", {2, 3}, {ints({0, -2, 0, -2})}, {}, "cropping"},
        WrongCase{"Pad", {2, 3}, {ints({0, 0, 0, 0})}, {{"mode", std::string("wrap")}}, "'wrap'"},
        WrongCase{"Softmax", {2, 3}, {}, {{"axis", 2}}, "axis 2"},
        WrongCase{"ReduceMean", {2, 3}, {}, {{"axes", Integers{5}}}, "axis 5"},
        WrongCase{"MaxPool", {1, 1, 3, 3}, {}, {{"kernel_shape", Integers{4, 4}}}, "window of 4"},
        WrongCase{"MaxPool", {1, 1, 3, 3}, {}, {}, "window of 0 axes"},
        WrongCase{"BatchNormalization",
                  {1, 2, 2},
                  {weights({2}), weights({2}), weights({3}), weights({2})},
                  {},
                  "for 2 channels"},
        WrongCase{"BatchNormalization",
                  {1, 2, 2},
                  {weights({2}), weights({2}), weights({2}), weights({2})},
                  {{"training_mode", 1}},
                  "training mode"},
        WrongCase{"LayerNormalization", {1, 4}, {weights({1})}, {}, "scale", 17},
        WrongCase{"LayerNormalization", {1, 4}, {weights({4}), weights({2})}, {}, "bias", 17},
        WrongCase{"Tile", {2, 3}, {ints({2})}, {}, "repeats"},
        WrongCase{"Cast", {2, 3}, {}, {{"to", 8}}, "element type 8"},
        // Integers are no weights.
        WrongCase{"Conv", {1, 1, 2, 2}, {Array{{1, 1, 1, 1}, Integers{1}}}, {}, "integer"},
        WrongCase{"Conv", {1, 1, 2, 2}, {weights({1, 1, 1, 1}), ints({1})}, {}, "integer"},
        WrongCase{"Gemm", {1, 2}, {Array{{2, 1}, Integers{1, 2}}}, {}, "integer"},
        WrongCase{"MatMul", {1, 2}, {Array{{2, 1}, Integers{1, 2}}}, {}, "integer"},
        WrongCase{"BatchNormalization",
                  {1, 1, 2},
                  {ints({1}), ints({1}), ints({1}), ints({1})},
                  {},
                  "integer"}));

TEST(OperatorErrors, computed_weights_of_a_convolution) {
  OnnxModel model;
  model.input("x", {1, 1, 3, 3});
  model.input("w", {1, 1, 1, 1});
  model.node("Conv", {"x", "w"}, "y");
  model.output("y");
  EXPECT_THAT(error_of(model, {{1, 1, 3, 3}, {1, 1, 1, 1}}), HasSubstr("'y' (Conv, opset 13)"));
}

TEST(OperatorErrors, shape_that_depends_on_the_input) {
  OnnxModel model;
  model.input("x", {1, 6});
  model.input("s", {2}, onnx::TensorProto::INT64);
  model.node("Reshape", {"x", "s"}, "y");
  model.output("y");
  EXPECT_THAT(error_of(model, {{1, 6}, {2}}), HasSubstr("depends on the network's input"));
}

// Nothing to compute, and loops around nothing that would take a day (found by fuzzing).
TEST(OperatorErrors, endless_shapes_without_elements) {
  OnnxModel model;
  model.input("x", {1, std::int64_t{1} << 31, std::int64_t{1} << 20, 0});
  model.node("LogSoftmax", {"x"}, "y");
  model.output("y");
  EXPECT_THAT(error_of(model, {{1, std::int64_t{1} << 31, std::int64_t{1} << 20, 0}}),
              HasSubstr("too large"));
}

TEST(OperatorErrors, index_outside_a_table) {
  OnnxModel model;
  model.input("ids", {1, 2}, onnx::TensorProto::INT64);
  model.node("Gather", {model.random("table", {4, 3}), "ids"}, "y");
  model.output("y");
  const network::Program program = make_program(model, {{1, 2}});
  EXPECT_NO_THROW(run_clean(program, {{3, -4}}));
  for (const float id : {4.0f, -5.0f, NAN, INFINITY, 1e30f}) {
    try {
      run_clean(program, {{0, id}});
      ADD_FAILURE() << "index " << id << " is accepted";
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("of a table of 4 rows"));
    }
  }
}

TEST(Operators, registry_finds_what_it_lists) {
  const auto all = network::all_operators();
  EXPECT_GT(all.size(), 60u);
  for (const auto* op : all) EXPECT_EQ(network::find_operator(op->name), op);
  EXPECT_EQ(network::find_operator("conv"), nullptr);
}

// A constant without elements is a constant all the same.
TEST(Operators, of_empty_constants_have_no_elements) {
  OnnxModel model;
  model.input("x", {1, 2, 1});
  model.node("Less", {"x", model.constant("none", {0}, Reals{})}, "y");
  model.output("y");
  EXPECT_TRUE(run_clean(make_program(model, {{1, 2, 1}}), {{1, 2}}).empty());
}

TEST(OperatorErrors, products_without_elements_name_the_node) {
  OnnxModel rows;  // no sample
  rows.input("x", {0, 4});
  rows.node("Gemm", {"x", rows.random("w", {4, 3})}, "y");
  rows.output("y");
  OnnxModel depth;  // no terms
  depth.input("x", {2, 3, 0});
  depth.input("v", {2, 0, 5});
  depth.node("MatMul", {"x", "v"}, "y");
  depth.output("y");
  for (const auto& [model, shapes] : std::vector<std::pair<OnnxModel, std::vector<Shape>>>{
           {rows, {{0, 4}}}, {depth, {{2, 3, 0}, {2, 0, 5}}}}) {
    try {
      make_program(model, shapes);
      ADD_FAILURE();
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("node 'y' ("));
      EXPECT_THAT(error.what(), HasSubstr("has no elements"));
    }
  }
}

TEST(OperatorErrors, output_that_turns_out_to_be_constant) {
  // The ratio of Dropout is an input, too: only without the node it shows that the output is
  // constant.
  OnnxModel model;
  model.input("x", {1});
  model.node("Dropout", {model.constant("c", {4}, Reals{1, 2, 3, 4}), "x"}, "y");
  model.output("y");
  try {
    make_program(model, {{1}});
    ADD_FAILURE();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("does not depend on the input"));
  }
}

}  // namespace
}  // namespace attojoule::tests
