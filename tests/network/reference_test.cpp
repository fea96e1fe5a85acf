// Every fast path of a program against the plain definition of its operators, in double precision.
// Shapes are odd on purpose: vector kernels go wrong at their ends.
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/support/network_runs.hpp"
#include "tests/support/rapidcheck.hpp"

namespace attojoule::tests {
namespace {

using network::Shape;

// ---- convolutions ----

struct ConvCase {
  std::string name;
  Shape input, weights;
  Attributes attributes;
  bool bias = true;
};

void PrintTo(const ConvCase& conv, std::ostream* out) {
  *out << conv.name;
}

OnnxModel conv_model(const ConvCase& conv) {
  OnnxModel model;
  model.input("x", conv.input);
  std::vector<std::string> inputs{"x", model.random("w", conv.weights, 0.5f)};
  if (conv.bias) inputs.push_back(model.random("b", {conv.weights[0]}));
  model.node("Conv", inputs, "y", conv.attributes);
  model.output("y");
  return model;
}

class ConvReference : public testing::TestWithParam<ConvCase> {};

TEST_P(ConvReference, equals_plain_definition) {
  expect_same_as_plain(conv_model(GetParam()), {GetParam().input});
}

std::vector<ConvCase> kernel_cases() {
  std::vector<ConvCase> cases;
  for (const std::int64_t kernel : {1, 2, 3, 5, 7}) {
    for (const std::int64_t stride : {1, 2, 3}) {
      for (const std::int64_t dilation : {1, 2}) {
        if (kernel == 1 && dilation == 2) continue;
        const std::string name = "kernel" + std::to_string(kernel) + "_stride" +
                                 std::to_string(stride) + "_dilation" + std::to_string(dilation);
        const Attributes steps{{"strides", Integers{stride, stride}},
                               {"dilations", Integers{dilation, dilation}}};
        cases.push_back({name, {1, 3, 15, 17}, {5, 3, kernel, kernel}, steps, true});
        Attributes padded = steps;
        // Four different pads, each smaller than the window where it can be.
        const std::int64_t most = (kernel - 1) * dilation;
        padded["pads"] = Integers{most / 2, most, (most + 1) / 2, most / 3};
        cases.push_back({name + "_padded", {1, 2, 13, 11}, {7, 2, kernel, kernel}, padded, false});
      }
    }
  }
  return cases;
}

std::vector<ConvCase> other_cases() {
  return {
      {"rectangular", {1, 3, 9, 14}, {4, 3, 2, 5}, {{"strides", Integers{1, 2}}}},
      {"rectangular_padded", {1, 3, 9, 14}, {4, 3, 5, 2}, {{"pads", Integers{2, 0, 1, 1}}}},
      {"same_upper_even", {1, 3, 10, 11}, {4, 3, 4, 4}, {{"auto_pad", std::string("SAME_UPPER")}}},
      {"same_lower_even", {1, 3, 10, 11}, {4, 3, 4, 4}, {{"auto_pad", std::string("SAME_LOWER")}}},
      {"same_upper_stride",
       {1, 3, 10, 11},
       {4, 3, 3, 3},
       {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Integers{2, 3}}}},
      {"same_lower_stride",
       {1, 3, 10, 11},
       {4, 3, 3, 3},
       {{"auto_pad", std::string("SAME_LOWER")}, {"strides", Integers{3, 2}}}},
      {"valid", {1, 3, 10, 11}, {4, 3, 3, 3}, {{"auto_pad", std::string("VALID")}}},
      {"groups_2", {1, 6, 9, 9}, {10, 3, 3, 3}, {{"group", 2}, {"pads", Integers{1, 1, 1, 1}}}},
      {"groups_3_stride",
       {1, 6, 9, 8},
       {9, 2, 3, 3},
       {{"group", 3}, {"strides", Integers{2, 2}}, {"pads", Integers{0, 1, 1, 0}}}},
      {"depthwise", {1, 17, 9, 9}, {17, 1, 3, 3}, {{"group", 17}, {"pads", Integers{1, 1, 1, 1}}}},
      {"depthwise_stride",
       {1, 19, 10, 9},
       {19, 1, 3, 3},
       {{"group", 19}, {"strides", Integers{2, 2}}, {"pads", Integers{1, 1, 1, 1}}}},
      {"depthwise_dilated",
       {1, 5, 10, 9},
       {5, 1, 3, 3},
       {{"group", 5}, {"dilations", Integers{2, 2}}, {"pads", Integers{2, 1, 2, 2}}}},
      {"depthwise_multiplier", {1, 5, 8, 8}, {15, 1, 3, 3}, {{"group", 5}}},
      {"pointwise_groups", {1, 8, 5, 5}, {12, 4, 1, 1}, {{"group", 2}}},
      {"pointwise_stride", {1, 8, 7, 7}, {12, 8, 1, 1}, {{"strides", Integers{2, 2}}}},
      {"pointwise_padded", {1, 3, 4, 4}, {5, 3, 1, 1}, {{"pads", Integers{1, 1, 1, 1}}}},
      {"pads_beyond_window", {1, 2, 5, 5}, {3, 2, 2, 2}, {{"pads", Integers{3, 2, 2, 3}}}},
      {"one_pixel", {1, 33, 1, 1}, {31, 33, 1, 1}, {}},
      {"whole_image", {1, 3, 7, 7}, {10, 3, 7, 7}, {}},
      {"batch", {3, 4, 6, 5}, {7, 4, 3, 3}, {{"pads", Integers{1, 1, 1, 1}}}},
      {"batch_grouped", {2, 4, 6, 5}, {6, 2, 3, 3}, {{"group", 2}}},
      {"one_dimension",
       {1, 4, 21},
       {6, 4, 5},
       {{"strides", Integers{2}}, {"pads", Integers{2, 1}}}},
      {"one_dimension_dilated", {1, 4, 21}, {6, 4, 3}, {{"dilations", Integers{3}}}},
      {"one_dimension_depthwise", {1, 9, 16}, {9, 1, 4}, {{"group", 9}, {"pads", Integers{1, 2}}}},
      {"one_dimension_same",
       {1, 4, 10},
       {6, 4, 4},
       {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Integers{3}}}},
      {"wide", {1, 64, 6, 6}, {65, 64, 3, 3}, {{"pads", Integers{1, 1, 1, 1}}}},
  };
}

const auto case_name = [](const auto& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Kernels, ConvReference, testing::ValuesIn(kernel_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Shapes, ConvReference, testing::ValuesIn(other_cases()), case_name);

TEST(ConvReference, negative_control) {
  // The comparison sees a weight that is off by one part in 3000.
  const ConvCase conv{"", {1, 3, 9, 9}, {4, 3, 3, 3}, {}, true};
  const OnnxModel model = conv_model(conv);
  const network::Graph graph = model.bind({conv.input});
  const Inputs inputs = random_inputs({conv.input}, 1);
  const PlainNetwork plain(graph, inputs);
  network::Graph wrong = graph;
  for (auto& value : wrong.values) {
    if (value.name == "w") value.constant->reals[5] *= 1.0003f;
  }
  const auto output = run_clean(make_program(wrong), inputs);
  double worst = 0;
  for (std::size_t i = 0; i < output.size(); ++i) {
    worst = std::max(
        worst, std::abs(output[i] - plain.output().value.values[i]) / plain.output().error[i]);
  }
  EXPECT_GT(worst, 1);
}

// ---- rows times a matrix ----

struct DenseCase {
  std::string name;
  Shape x, w, bias;  // an empty bias shape: none
  Attributes attributes;
};

void PrintTo(const DenseCase& dense, std::ostream* out) {
  *out << dense.name;
}

class GemmReference : public testing::TestWithParam<DenseCase> {};

TEST_P(GemmReference, equals_plain_definition) {
  const DenseCase& dense = GetParam();
  OnnxModel model;
  model.input("x", dense.x);
  std::vector<std::string> inputs{"x", model.random("w", dense.w)};
  if (!dense.bias.empty()) inputs.push_back(model.random("b", dense.bias));
  model.node("Gemm", inputs, "y", dense.attributes);
  model.output("y");
  expect_same_as_plain(model, {dense.x});
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, GemmReference,
    testing::Values(
        DenseCase{"plain", {1, 17}, {17, 5}, {}, {}}, DenseCase{"bias", {1, 17}, {17, 5}, {5}, {}},
        DenseCase{"transposed", {1, 33}, {31, 33}, {31}, {{"transB", 1}}},
        DenseCase{"alpha", {1, 17}, {17, 5}, {5}, {{"alpha", 0.25}}},
        DenseCase{
            "alpha_beta", {1, 17}, {5, 17}, {5}, {{"alpha", -1.5}, {"beta", 0.5}, {"transB", 1}}},
        DenseCase{"scalar_bias", {1, 17}, {17, 5}, {1}, {{"beta", 2.0}}},
        DenseCase{"row_bias", {1, 17}, {17, 5}, {1, 5}, {}},
        DenseCase{"one_by_one_bias", {3, 17}, {17, 5}, {1, 1}, {}},
        DenseCase{"rows", {7, 15}, {15, 65}, {65}, {}},
        DenseCase{"rows_transposed", {7, 64}, {63, 64}, {63}, {{"transB", 1}}},
        DenseCase{"one_output", {3, 100}, {100, 1}, {1}, {}},
        DenseCase{"one_input", {3, 1}, {1, 16}, {16}, {}}),
    case_name);

TEST(GemmReference, computed_operands_and_full_bias_are_refused_or_right) {
  // What a program cannot run is refused by name; it is never computed wrongly.
  OnnxModel matrix_bias;
  matrix_bias.input("x", {3, 4});
  matrix_bias.node("Gemm", {"x", matrix_bias.random("w", {4, 5}), matrix_bias.random("b", {3, 5})},
                   "y");
  matrix_bias.output("y");
  OnnxModel transposed_input;
  transposed_input.input("x", {4, 3});
  transposed_input.node("Gemm", {"x", transposed_input.random("w", {4, 5})}, "y", {{"transA", 1}});
  transposed_input.output("y");
  const auto check = [](const OnnxModel& model, const Shape& shape) {
    try {
      make_program(model, {shape});
    } catch (const std::exception& error) {
      EXPECT_NE(std::string(error.what()).find("'y' (Gemm, opset 13)"), std::string::npos)
          << error.what();
      return;
    }
    expect_same_as_plain(model, {shape});
  };
  check(matrix_bias, {3, 4});
  check(transposed_input, {4, 3});
}

struct MatMulCase {
  std::string name;
  Shape a, b;
  bool constant_b = false;
};

void PrintTo(const MatMulCase& product, std::ostream* out) {
  *out << product.name;
}

class MatMulReference : public testing::TestWithParam<MatMulCase> {};

TEST_P(MatMulReference, equals_plain_definition) {
  const MatMulCase& product = GetParam();
  OnnxModel model;
  model.input("a", product.a);
  std::vector<Shape> shapes{product.a};
  if (product.constant_b) {
    model.random("b", product.b);
  } else {
    model.input("b", product.b);
    shapes.push_back(product.b);
  }
  model.node("MatMul", {"a", "b"}, "y");
  model.output("y");
  expect_same_as_plain(model, shapes);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, MatMulReference,
    testing::Values(MatMulCase{"static_matrix", {1, 5, 17}, {17, 9}, true},
                    MatMulCase{"static_vector_times_matrix", {17}, {17, 9}, true},
                    MatMulCase{"static_four_axes", {2, 3, 5, 16}, {16, 33}, true},
                    MatMulCase{"static_stack", {2, 5, 16}, {2, 16, 3}, true},
                    MatMulCase{"static_stack_broadcast", {1, 5, 16}, {4, 16, 3}, true},
                    MatMulCase{"static_matrix_times_vector", {3, 17}, {17}, true},
                    MatMulCase{"dynamic", {1, 5, 17}, {1, 17, 9}},
                    MatMulCase{"dynamic_heads", {1, 3, 7, 16}, {1, 3, 16, 7}},
                    MatMulCase{"broadcast_left", {5, 17}, {3, 17, 9}},
                    MatMulCase{"broadcast_right", {3, 5, 17}, {17, 9}},
                    MatMulCase{"broadcast_both", {3, 1, 5, 4}, {1, 2, 4, 6}},
                    MatMulCase{"broadcast_inner", {2, 3, 5, 4}, {2, 1, 4, 6}},
                    MatMulCase{"dot", {17}, {17}},
                    MatMulCase{"vector_times_stack", {17}, {3, 17, 9}},
                    MatMulCase{"stack_times_vector", {3, 5, 17}, {17}},
                    MatMulCase{"depth_one", {2, 5, 1}, {2, 1, 7}},
                    MatMulCase{"one_column", {2, 5, 6}, {2, 6, 1}}),
    case_name);

// Attention: both operands are views (reshape, transpose, slice) of other values.
TEST(MatMulReference, attention) {
  OnnxModel model;
  model.input("x", {1, 7, 12});
  for (const std::string name : {"q", "k", "v"}) {
    model.node("MatMul", {"x", model.random("w" + name, {12, 12}, 0.3f)}, name + "_flat");
    model.node("Add", {name + "_flat", model.random("b" + name, {12})}, name + "_bias");
    model.node("Reshape", {name + "_bias", model.constant("s" + name, {4}, Integers{1, 7, 3, 4})},
               name + "_heads");
    const Integers order = name == "k" ? Integers{0, 2, 3, 1} : Integers{0, 2, 1, 3};
    model.node("Transpose", {name + "_heads"}, name, {{"perm", order}});
  }
  model.node("MatMul", {"q", "k"}, "scores");
  model.node("Mul", {"scores", model.constant("scale", {}, Reals{0.5f})}, "scaled");
  model.node("Softmax", {"scaled"}, "weights", {{"axis", -1}});
  model.node("MatMul", {"weights", "v"}, "mixed");
  model.node("Transpose", {"mixed"}, "back", {{"perm", Integers{0, 2, 1, 3}}});
  model.node("Reshape", {"back", model.constant("s", {3}, Integers{1, 7, 12})}, "flat");
  model.node("MatMul", {"flat", model.random("wo", {12, 12}, 0.3f)}, "projected");
  model.node("Add", {"projected", model.random("bo", {12})}, "out");
  model.node("Add", {"out", "x"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 7, 12}});
}

TEST(MatMulReference, operands_that_are_views) {
  // Each makes a 6 x 5 right operand (or 5 x 6 left one) out of a value.
  OnnxModel model;
  model.input("x", {5, 6});
  model.input("r", {12, 10});
  model.constant("from", {2}, Integers{0, 1});
  model.constant("to", {2}, Integers{12, 10});
  model.constant("axes", {2}, Integers{0, 1});
  model.constant("two", {2}, Integers{2, 2});
  model.node("Slice", {"r", "from", "to", "axes", "two"}, "stepped");
  model.constant("last", {2}, Integers{-1, -1});
  model.constant("first", {2}, Integers{-7, -6});
  model.constant("minus", {2}, Integers{-1, -1});
  model.node("Slice", {"r", "last", "first", "axes", "minus"}, "backwards");
  model.node("MatMul", {"x", "stepped"}, "a");
  model.node("MatMul", {"x", "backwards"}, "b");
  model.node("Transpose", {"x"}, "turned");
  model.node("MatMul", {"x", "turned"}, "c");
  model.node("MatMul", {"turned", "x"}, "d_wide");
  model.constant("zero2", {2}, Integers{0, 0});
  model.constant("five2", {2}, Integers{5, 5});
  model.node("Slice", {"d_wide", "zero2", "five2", "axes"}, "d");
  model.node("Sum", {"a", "b", "c", "d"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{5, 6}, {12, 10}});
}

// One row is left, so that the step of -2^63 + 1 or 2^63 - 1 is never taken (found by fuzzing).
TEST(MatMulReference, slices_of_one_row_with_a_step_of_any_length) {
  constexpr auto far = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t step : {far, -far}) {
    OnnxModel model;
    model.input("x", {4, 6});
    model.constant("from", {1}, Integers{2});
    model.constant("to", {1}, Integers{step > 0 ? far : -far});
    model.constant("axes", {1}, Integers{0});
    model.constant("step", {1}, Integers{step});
    model.node("Slice", {"x", "from", "to", "axes", "step"}, "row");
    model.node("MatMul", {"row", model.random("w", {6, 3})}, "y");
    model.output("y");
    expect_same_as_plain(model, {{4, 6}});
  }
}

TEST(MatMulReference, expanded_operands) {
  OnnxModel model;
  model.input("x", {2, 5, 6});
  model.input("v", {1, 6, 1});
  model.node("Expand", {"v", model.constant("s", {3}, Integers{2, 6, 4})}, "w");
  model.node("MatMul", {"x", "w"}, "a");
  model.input("u", {1, 1, 5});
  model.node("Expand", {"u", model.constant("t", {3}, Integers{2, 4, 5})}, "e");
  model.node("MatMul", {"a", "e"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{2, 5, 6}, {1, 6, 1}, {1, 1, 5}});
}

TEST(MatMulReference, constant_left_operand) {
  OnnxModel model;
  model.input("x", {1, 9, 4});
  model.node("MatMul", {model.random("w", {5, 9}), "x"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 9, 4}});
}

// ---- poolings ----

struct PoolCase {
  std::string name;
  std::string op;
  Shape input;
  Attributes attributes;
};

void PrintTo(const PoolCase& pool, std::ostream* out) {
  *out << pool.name;
}

std::vector<PoolCase> pool_cases() {
  std::vector<PoolCase> cases;
  for (const std::string op : {"MaxPool", "AveragePool"}) {
    for (const int ceiling : {0, 1}) {
      for (const int count : {0, 1}) {
        if (op == "MaxPool" && count == 1) continue;
        const std::string name = op + (ceiling != 0 ? "_ceil" : "") + (count != 0 ? "_count" : "");
        Attributes attributes{{"ceil_mode", ceiling}};
        if (count != 0) attributes["count_include_pad"] = 1;
        const auto with = [&](const std::string& suffix, const Shape& input, Attributes more) {
          more.insert(attributes.begin(), attributes.end());
          cases.push_back({name + suffix, op, input, more});
        };
        with("_3s2", {1, 3, 10, 11},
             {{"kernel_shape", Integers{3, 3}}, {"strides", Integers{2, 2}}});
        with("_3s2_padded", {1, 17, 10, 11},
             {{"kernel_shape", Integers{3, 3}},
              {"strides", Integers{2, 2}},
              {"pads", Integers{1, 0, 1, 1}}});
        with("_2s3", {1, 5, 8, 10},
             {{"kernel_shape", Integers{2, 2}}, {"strides", Integers{3, 3}}});
        with("_3s3_padded", {1, 5, 8, 10},
             {{"kernel_shape", Integers{3, 3}},
              {"strides", Integers{3, 3}},
              {"pads", Integers{0, 1, 2, 1}}});
        with("_rectangular", {1, 4, 9, 7},
             {{"kernel_shape", Integers{2, 3}}, {"pads", Integers{1, 1, 0, 1}}});
        with("_one_dimension", {1, 4, 14},
             {{"kernel_shape", Integers{3}}, {"strides", Integers{2}}, {"pads", Integers{1, 1}}});
        with("_batch", {2, 3, 5, 5},
             {{"kernel_shape", Integers{2, 2}}, {"strides", Integers{2, 2}}});
      }
    }
    cases.push_back({op + "_same_upper",
                     op,
                     {1, 3, 10, 11},
                     {{"kernel_shape", Integers{3, 3}},
                      {"strides", Integers{2, 2}},
                      {"auto_pad", std::string("SAME_UPPER")}}});
    cases.push_back({op + "_same_lower",
                     op,
                     {1, 3, 10, 11},
                     {{"kernel_shape", Integers{2, 2}},
                      {"strides", Integers{1, 1}},
                      {"auto_pad", std::string("SAME_LOWER")}}});
  }
  cases.push_back({"MaxPool_dilated",
                   "MaxPool",
                   {1, 3, 10, 11},
                   {{"kernel_shape", Integers{3, 3}}, {"dilations", Integers{2, 2}}}});
  for (const std::string op : {"GlobalAveragePool", "GlobalMaxPool"}) {
    cases.push_back({op, op, {1, 17, 7, 5}, {}});
    cases.push_back({op + "_one_dimension", op, {1, 5, 9}, {}});
    cases.push_back({op + "_batch", op, {2, 5, 3, 4}, {}});
  }
  return cases;
}

class PoolReference : public testing::TestWithParam<PoolCase> {};

TEST_P(PoolReference, equals_plain_definition) {
  OnnxModel model;
  model.input("x", GetParam().input);
  model.node(GetParam().op, {"x"}, "y", GetParam().attributes);
  model.output("y");
  expect_same_as_plain(model, {GetParam().input});
}

TEST_P(PoolReference, after_a_convolution) {  // which leaves its output channels-last
  const Shape& input = GetParam().input;
  OnnxModel model;
  model.input("x", input);
  Shape weights{input[1], input[1], 1};
  if (input.size() == 4) weights.push_back(1);
  model.node("Conv", {"x", model.random("w", weights, 0.4f)}, "c");
  model.node(GetParam().op, {"c"}, "y", GetParam().attributes);
  model.output("y");
  expect_same_as_plain(model, {input});
}

INSTANTIATE_TEST_SUITE_P(Shapes, PoolReference, testing::ValuesIn(pool_cases()), case_name);

// ---- functions of elements and rows ----

struct ElementCase {
  std::string name;
  std::string op;
  Attributes attributes;
  bool positive = false;
};

void PrintTo(const ElementCase& element, std::ostream* out) {
  *out << element.name;
}

class ElementReference : public testing::TestWithParam<ElementCase> {};

TEST_P(ElementReference, equals_plain_definition) {
  for (const Shape& shape : {Shape{1}, Shape{1, 15}, Shape{1, 3, 5, 7}, Shape{1, 64}}) {
    OnnxModel model;
    model.input("x", shape);
    std::string from = "x";
    if (GetParam().positive) from = model.node("Abs", {from}, "a");
    model.node(GetParam().op, {from}, "y", GetParam().attributes);
    model.output("y");
    expect_same_as_plain(model, {shape});
  }
}

TEST_P(ElementReference, keeps_what_another_reader_needs) {
  // In place only where nobody else reads the input: x and f(x) are both used after.
  OnnxModel model;
  model.input("x", {1, 3, 5, 7});
  std::string from = model.node("Conv", {"x", model.random("w", {3, 3, 1, 1}, 0.4f)}, "c");
  if (GetParam().positive) return;  // the same path, and no bound for it behind a product
  model.node(GetParam().op, {from}, "f", GetParam().attributes);
  model.node("Add", {"f", "c"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 3, 5, 7}});
}

INSTANTIATE_TEST_SUITE_P(
    Functions, ElementReference,
    testing::Values(
        ElementCase{"Relu", "Relu", {}}, ElementCase{"LeakyRelu", "LeakyRelu", {{"alpha", 0.2}}},
        ElementCase{"Sigmoid", "Sigmoid", {}}, ElementCase{"Tanh", "Tanh", {}},
        ElementCase{"Abs", "Abs", {}}, ElementCase{"Neg", "Neg", {}}, ElementCase{"Erf", "Erf", {}},
        ElementCase{"Elu", "Elu", {{"alpha", 0.7}}}, ElementCase{"Selu", "Selu", {}},
        ElementCase{"HardSwish", "HardSwish", {}}, ElementCase{"HardSigmoid", "HardSigmoid", {}},
        ElementCase{"Softplus", "Softplus", {}}, ElementCase{"Exp", "Exp", {}, true},
        ElementCase{"Sqrt", "Sqrt", {}, true}, ElementCase{"Reciprocal", "Reciprocal", {}, true}),
    case_name);

class SoftmaxReference : public testing::TestWithParam<int> {};

TEST_P(SoftmaxReference, every_axis) {
  for (int axis = -3; axis < 3; ++axis) {
    OnnxModel model(GetParam());
    model.input("x", {2, 5, 17});
    model.node("Softmax", {"x"}, "y", {{"axis", axis}});
    model.output("y");
    expect_same_as_plain(model, {{2, 5, 17}});
  }
  OnnxModel model(GetParam());
  model.input("x", {3, 10});
  model.node("Softmax", {"x"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{3, 10}});
}

TEST_P(SoftmaxReference, behind_a_product) {
  OnnxModel model(GetParam());
  model.input("x", {1, 10});
  model.node("Gemm", {"x", model.random("w", {10, 33})}, "z");
  model.node("Softmax", {"z"}, "y", {{"axis", 1}});
  model.output("y");
  expect_same_as_plain(model, {{1, 10}});
}

INSTANTIATE_TEST_SUITE_P(Opsets, SoftmaxReference, testing::Values(11, 13));

TEST(LayerNormReference, last_axes) {
  for (const int axis : {-1, 2, 1, -2}) {
    for (const bool bias : {true, false}) {
      const Shape parameters = axis == -1 || axis == 2 ? Shape{17} : Shape{5, 17};
      OnnxModel model(17);
      model.input("x", {2, 5, 17});
      std::vector<std::string> inputs{"x", model.random("scale", parameters)};
      if (bias) inputs.push_back(model.random("shift", parameters));
      model.node("LayerNormalization", inputs, "y", {{"axis", axis}, {"epsilon", 1e-3}});
      model.output("y");
      expect_same_as_plain(model, {{2, 5, 17}});
    }
  }
}

TEST(BinaryReference, broadcasts) {
  const std::vector<std::pair<Shape, Shape>> shapes{{{1, 3, 5, 7}, {1, 3, 5, 7}},
                                                    {{1, 3, 5, 7}, {1}},
                                                    {{1, 3, 5, 7}, {3, 1, 1}},
                                                    {{1, 3, 5, 7}, {1, 3, 1, 1}},
                                                    {{1, 3, 5, 7}, {7}},
                                                    {{1, 3, 5, 7}, {5, 1}},
                                                    {{1, 3, 1, 1}, {1, 3, 5, 7}},
                                                    {{1, 1, 5, 1}, {1, 3, 1, 7}},
                                                    {{2, 1}, {1, 17}},
                                                    {{1, 64}, {1, 64}}};
  for (const std::string op : {"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow"}) {
    for (const auto& [a, b] : shapes) {
      for (const bool constant : {false, true}) {
        OnnxModel model;
        model.input("a", a);
        std::vector<Shape> given{a};
        std::string left = "a";
        if (op == "Pow") left = model.node("Abs", {"a"}, "positive");
        std::string right = "b";
        if (constant) {
          model.random("b", b, 0.1f, 2.0f);
        } else {
          model.input("b", b);
          given.push_back(b);
          if (op == "Div" || op == "Pow") {  // away from division by almost nothing
            model.node("Clip", {"b", model.constant("one", {}, Reals{1})}, "bounded");
            right = "bounded";
          }
        }
        model.node(op, {left, right}, "y");
        model.output("y");
        SCOPED_TRACE(op + " of " + network::to_string(a) + " and " + network::to_string(b));
        expect_same_as_plain(model, given);
      }
    }
  }
}

// ---- what follows a product ----

// Chains of Add, Relu and Clip behind a product, each with and without a residual.
TEST(FusionReference, every_epilogue) {
  for (const bool conv : {true, false}) {
    for (const std::string bias : {"none", "own", "added", "added_left", "scalar"}) {
      if (bias == "own" && !conv) continue;
      for (const std::string residual : {"none", "before", "after"}) {
        for (const std::string end : {"none", "Relu", "Clip6", "ClipLow", "ClipHigh", "Clip10"}) {
          OnnxModel model(end == "Clip10" ? 10 : 13);
          const Shape shape = conv ? Shape{1, 5, 6, 7} : Shape{1, 3, 5};
          model.input("x", shape);
          std::vector<std::string> inputs{
              "x", model.random("w", conv ? Shape{5, 5, 3, 3} : Shape{5, 5}, 0.4f)};
          if (bias == "own") inputs.push_back(model.random("b", {5}));
          Attributes attributes;
          if (conv) attributes["pads"] = Integers{1, 1, 1, 1};
          std::string last = model.node(conv ? "Conv" : "MatMul", inputs, "product", attributes);
          const auto add_residual = [&] {
            // A residual from another branch: the input through a Tanh.
            model.node("Tanh", {"x"}, "branch");
            last = model.node("Add", {"branch", last}, "sum");
          };
          if (residual == "before") add_residual();
          if (bias.starts_with("added")) {
            model.random("b", conv ? Shape{5, 1, 1} : Shape{5});
            last = model.node("Add",
                              bias == "added" ? std::vector<std::string>{last, "b"}
                                              : std::vector<std::string>{"b", last},
                              "biased");
          } else if (bias == "scalar") {
            last = model.node("Add", {last, model.random("b", {1})}, "biased");
          }
          if (residual == "after") add_residual();
          if (end == "Relu") last = model.node("Relu", {last}, "end");
          const std::string low = model.constant("low", {}, Reals{-0.5f});
          const std::string high = model.constant("high", {}, Reals{0.7f});
          if (end == "Clip6") last = model.node("Clip", {last, low, high}, "end");
          if (end == "ClipLow") last = model.node("Clip", {last, low}, "end");
          if (end == "ClipHigh") last = model.node("Clip", {last, "", high}, "end");
          if (end == "Clip10") {
            last = model.node("Clip", {last}, "end", {{"min", -0.25}, {"max", 0.5}});
          }
          model.output(last);
          SCOPED_TRACE((conv ? "Conv, bias " : "MatMul, bias ") + bias + ", residual " + residual +
                       ", end " + end);
          expect_same_as_plain(model, {shape});
        }
      }
    }
  }
}

// The residual is the product's own input: x + f(x).
TEST(FusionReference, input_is_the_residual) {
  for (const bool relu_first : {false, true}) {
    OnnxModel model;
    model.input("x", {1, 4, 5, 5});
    std::string x = "x";
    if (relu_first) x = model.node("Relu", {"x"}, "r");
    model.node("Conv", {x, model.random("w", {4, 4, 1, 1})}, "c");
    model.node("Add", {x, "c"}, "y");
    model.output("y");
    expect_same_as_plain(model, {{1, 4, 5, 5}});
  }
}

TEST(FusionReference, two_products_into_one_addition) {
  for (const bool swap : {false, true}) {
    for (const bool relu : {false, true}) {
      OnnxModel model;
      model.input("x", {1, 3, 6, 6});
      model.node("Conv", {"x", model.random("w1", {5, 3, 1, 1})}, "a");
      model.node("Conv", {"x", model.random("w2", {5, 3, 3, 3})}, "b",
                 {{"pads", Integers{1, 1, 1, 1}}});
      model.node("Add",
                 swap ? std::vector<std::string>{"b", "a"} : std::vector<std::string>{"a", "b"},
                 "sum");
      if (relu) model.node("Relu", {"sum"}, "y");
      model.output(relu ? "y" : "sum");
      expect_same_as_plain(model, {{1, 3, 6, 6}});
    }
  }
}

// Both sides of the addition carry an addition of their own, so that either product could take it.
TEST(FusionReference, two_products_with_biases_into_one_addition) {
  for (const bool swap : {false, true}) {
    for (const bool interleaved : {false, true}) {
      OnnxModel model;
      model.input("x", {1, 9});
      model.random("w1", {9, 5});
      model.random("w2", {9, 5});
      model.random("b1", {5});
      model.random("b2", {5});
      model.node("MatMul", {"x", "w1"}, "m1");
      if (interleaved) model.node("MatMul", {"x", "w2"}, "m2");
      model.node("Add", {"m1", "b1"}, "a1");
      if (!interleaved) model.node("MatMul", {"x", "w2"}, "m2");
      model.node("Add", {"m2", "b2"}, "a2");
      model.node("Add",
                 swap ? std::vector<std::string>{"a2", "a1"} : std::vector<std::string>{"a1", "a2"},
                 "y");
      model.output("y");
      SCOPED_TRACE(std::string(swap ? "swapped " : "") + (interleaved ? "interleaved" : ""));
      expect_same_as_plain(model, {{1, 9}});
    }
  }
}

TEST(FusionReference, three_products_into_two_additions) {
  OnnxModel model;
  model.input("x", {1, 3, 6, 6});
  for (const std::string k : {"1", "2", "3"}) {
    model.node("Conv", {"x", model.random("w" + k, {5, 3, 1, 1})}, "c" + k);
  }
  model.node("Add", {"c3", "c1"}, "s");
  model.node("Add", {"c2", "s"}, "t");
  model.node("Relu", {"t"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 3, 6, 6}});
}

// A product waits for the other summand, which itself comes from a product behind it.
TEST(FusionReference, residual_that_is_computed_later) {
  OnnxModel model;
  model.input("x", {1, 3, 6, 6});
  model.node("Conv", {"x", model.random("w1", {5, 3, 1, 1})}, "a");
  model.node("Conv", {"x", model.random("w2", {5, 3, 1, 1})}, "b");
  model.node("Relu", {"b"}, "r");
  model.node("Sigmoid", {"r"}, "s");
  model.node("Add", {"a", "s"}, "sum");
  model.node("Clip", {"sum", model.constant("low", {}, Reals{0})}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 3, 6, 6}});
}

TEST(FusionReference, value_added_to_itself) {
  OnnxModel model;
  model.input("x", {1, 3, 6, 6});
  model.node("Conv", {"x", model.random("w", {3, 3, 1, 1})}, "c");
  model.node("Add", {"c", "c"}, "twice");
  model.node("Relu", {"twice"}, "r");
  model.node("Add", {"r", "r"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 3, 6, 6}});
}

TEST(FusionReference, product_read_by_several) {
  OnnxModel model;
  model.input("x", {1, 4, 6, 6});
  model.node("Conv", {"x", model.random("w1", {4, 4, 1, 1}, 0.5f)}, "a");
  model.node("Relu", {"a"}, "r");
  model.node("Conv", {"r", model.random("w2", {4, 4, 3, 3}, 0.2f)}, "b",
             {{"pads", Integers{1, 1, 1, 1}}});
  model.node("Add", {"b", "a"}, "s");  // a: also read by Relu
  model.node("Add", {"s", "r"}, "t");  // r: also read by the second product
  model.node("Tanh", {"t"}, "u");
  model.node("Add", {"u", "t"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 4, 6, 6}});
}

// A residual that is read again after the addition must not be overwritten by it.
TEST(FusionReference, residual_is_read_again) {
  OnnxModel model;
  model.input("x", {1, 4, 6, 6});
  model.node("Conv", {"x", model.random("w0", {4, 4, 1, 1}, 0.5f)}, "r");
  model.node("Conv", {"x", model.random("w1", {4, 4, 1, 1}, 0.5f)}, "a");
  model.node("Add", {"a", "r"}, "s");
  model.node("Conv", {"s", model.random("w2", {4, 4, 1, 1}, 0.5f)}, "b");
  model.node("Add", {"b", "r"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 4, 6, 6}});
}

// Views share the memory of the value they look at.
TEST(FusionReference, residual_through_a_view) {
  OnnxModel model;
  model.input("x", {1, 6, 4});
  model.node("Relu", {"x"}, "r");
  model.constant("flat", {2}, Integers{6, 4});
  model.node("Reshape", {"r", "flat"}, "view");
  model.node("MatMul", {"view", model.random("w", {4, 4})}, "m");
  model.node("Add", {"m", "view"}, "s");
  model.node("Reshape", {"r", "flat"}, "again");
  model.node("Add", {"s", "again"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 6, 4}});
}

TEST(FusionReference, transposed_residual) {
  OnnxModel model;
  model.input("x", {5, 5});
  model.node("Relu", {"x"}, "r");
  model.node("MatMul", {"r", model.random("w", {5, 5})}, "m");
  model.node("Transpose", {"r"}, "t");
  model.node("Add", {"m", "t"}, "s");
  model.node("Add", {"s", "r"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{5, 5}});
}

TEST(FusionReference, value_and_its_transpose_in_one_addition) {
  OnnxModel model;
  model.input("x", {5, 5});
  model.node("Relu", {"x"}, "r");
  model.node("Transpose", {"r"}, "t");
  model.node("Sub", {"r", "t"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{5, 5}});
}

TEST(FusionReference, broadcast_summand_is_no_residual) {
  OnnxModel model;
  model.input("x", {1, 4, 6, 6});
  model.node("Conv", {"x", model.random("w", {4, 4, 1, 1})}, "c");
  model.node("GlobalAveragePool", {"x"}, "g");
  model.node("Add", {"c", "g"}, "s");
  model.node("Add", {"s", model.random("image", {1, 4, 6, 6})}, "t");
  model.node("Add", {"t", model.random("row", {6})}, "y");  // along the last axis, not channels
  model.output("y");
  expect_same_as_plain(model, {{1, 4, 6, 6}});
}

// The product itself is asked for, so that nothing may be fused into it.
TEST(FusionReference, product_is_a_graph_output) {
  for (const bool first : {true, false}) {
    OnnxModel model;
    model.input("x", {1, 4, 6, 6});
    model.node("Conv", {"x", model.random("w", {4, 4, 1, 1})}, "c");
    model.node("Relu", {"c"}, "r");
    model.node("Add", {"r", "c"}, "y");
    model.output(first ? "c" : "y");
    model.output(first ? "y" : "c");
    expect_same_as_plain(model, {{1, 4, 6, 6}});
  }
}

TEST(FusionReference, squeeze_and_excite) {
  OnnxModel model;
  model.input("x", {1, 8, 5, 5});
  model.node("Conv", {"x", model.random("w", {8, 1, 3, 3}, 0.5f)}, "c",
             {{"group", 8}, {"pads", Integers{1, 1, 1, 1}}});
  model.node("GlobalAveragePool", {"c"}, "g");
  model.node("Conv", {"g", model.random("w1", {2, 8, 1, 1}), model.random("b1", {2})}, "a");
  model.node("Relu", {"a"}, "r");
  model.node("Conv", {"r", model.random("w2", {8, 2, 1, 1}), model.random("b2", {8})}, "b");
  model.node("Sigmoid", {"b"}, "s");
  model.node("Mul", {"c", "s"}, "m");
  model.node("Conv", {"m", model.random("w3", {8, 8, 1, 1}, 0.3f)}, "p");
  model.node("Add", {"p", "x"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 8, 5, 5}});
}

TEST(MovementReference, padding_concatenation_and_slices_of_images) {
  OnnxModel model(13);
  model.input("x", {1, 3, 6, 6});
  model.node("Conv", {"x", model.random("w", {5, 3, 1, 1})}, "c");
  model.node("Pad",
             {"c", model.constant("pads", {8}, Integers{0, 1, 1, 2, 0, 0, 2, 0}),
              model.constant("fill", {}, Reals{0.5f})},
             "padded");
  model.node("MaxPool", {"padded"}, "p", {{"kernel_shape", Integers{2, 2}}});
  model.nodes("Split", {"p", model.constant("sizes", {2}, Integers{2, 4})}, {"left", "right"},
              {{"axis", 1}});
  model.node("Concat", {"right", "left"}, "joined", {{"axis", 1}});
  model.node(
      "Slice",
      {"joined", model.constant("from", {2}, Integers{1, 0}),
       model.constant("to", {2}, Integers{5, 9}), model.constant("axes", {2}, Integers{1, 3})},
      "part");
  model.node("Pad", {"part", model.constant("edge", {8}, Integers{0, 0, 1, 1, 0, 0, 1, 2})},
             "edges", {{"mode", std::string("edge")}});
  model.node("Flatten", {"edges"}, "y");
  model.output("y");
  expect_same_as_plain(model, {{1, 3, 6, 6}});
}

TEST(MovementReference, channel_shuffle) {
  OnnxModel model;
  model.input("x", {1, 6, 4, 5});
  model.node("Conv", {"x", model.random("w", {6, 3, 1, 1})}, "c", {{"group", 2}});
  model.node("Reshape", {"c", model.constant("s1", {5}, Integers{1, 2, 3, 4, 5})}, "r");
  model.node("Transpose", {"r"}, "t", {{"perm", Integers{0, 2, 1, 3, 4}}});
  model.node("Reshape", {"t", model.constant("s2", {4}, Integers{1, 6, 4, 5})}, "u");
  model.node("Conv", {"u", model.random("v", {6, 3, 1, 1})}, "y", {{"group", 2}});
  model.output("y");
  expect_same_as_plain(model, {{1, 6, 4, 5}});
}

TEST(MovementReference, embedding_and_reductions) {
  OnnxModel model;
  model.input("ids", {1, 7}, onnx::TensorProto::INT64);
  model.input("mask", {1, 7});
  model.node("Gather", {model.random("table", {11, 6}), "ids"}, "e");
  model.node("Unsqueeze", {"mask", model.constant("last", {1}, Integers{-1})}, "m");
  model.node("Mul", {"e", "m"}, "masked");
  model.node("ReduceMean", {"masked"}, "mean", {{"axes", Integers{1}}, {"keepdims", 0}});
  model.node("Gemm", {"mean", model.random("w", {6, 3})}, "y");
  model.output("y");
  const network::Graph graph = model.bind({{1, 7}, {1, 7}});
  const Inputs inputs{{0, 10, 3, -1, 5, 5, 2}, random_reals(7, 3)};
  const PlainNetwork plain(graph, inputs);
  expect_near(run_clean(make_program(graph), inputs), plain.output(), "embedding");
}

// ---- random networks ----

// A chain with branches, from numbers that RapidCheck can shrink.
OnnxModel random_network(const std::vector<int>& genes, std::int64_t channels, std::int64_t size) {
  OnnxModel model;
  model.input("x", {1, channels, size, size});
  // Values of the present shape that can be added, newest last.
  std::vector<std::string> values{"x"};
  int count = 0;
  for (const int gene : genes) {
    const std::string name = "v" + std::to_string(count++);
    const auto older = [&](int which) {
      return values[static_cast<std::size_t>(which) % values.size()];
    };
    const std::string& newest = values.back();
    switch (gene % 9) {
      case 0:
      case 1: {  // a convolution that keeps the shape, sometimes grouped
        const bool depthwise = gene / 9 % 3 == 2;
        const std::int64_t kernel = gene / 27 % 2 == 0 ? 3 : 1;
        std::vector<std::string> inputs{
            newest,
            model.random(name + "w", {channels, depthwise ? 1 : channels, kernel, kernel}, 0.5f)};
        if (gene % 2 == 1) inputs.push_back(model.random(name + "b", {channels}));
        model.node("Conv", inputs, name,
                   {{"group", depthwise ? static_cast<int>(channels) : 1},
                    {"pads", Integers(4, kernel / 2)}});
        break;
      }
      case 2:
        model.node("Relu", {newest}, name);
        break;
      case 3:
      case 4:
        model.node("Add", {older(gene / 9), newest}, name);
        break;
      case 5:
        model.node("Add", {newest, model.random(name + "b", {channels, 1, 1})}, name);
        break;
      case 6:
        model.node("Clip",
                   {newest, model.constant(name + "l", {}, Reals{-1}),
                    model.constant(name + "h", {}, Reals{1.5f})},
                   name);
        break;
      case 7:
        model.node("MaxPool", {newest}, name,
                   {{"kernel_shape", Integers{3, 3}}, {"pads", Integers{1, 1, 1, 1}}});
        break;
      default:
        model.node("AveragePool", {newest}, name,
                   {{"kernel_shape", Integers{3, 3}}, {"pads", Integers{1, 1, 1, 1}}});
        break;
    }
    values.push_back(name);
  }
  model.output(values.back());
  return model;
}

RC_GTEST_PROP(RandomNetworks, equal_plain_evaluation, ()) {
  const auto genes = *rc::gen::resize(
      12, rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 500))));
  const auto channels = *rc::gen::inRange<std::int64_t>(1, 6);
  const auto size = *rc::gen::inRange<std::int64_t>(3, 8);
  const OnnxModel model = random_network(genes, channels, size);
  const Shape shape{1, channels, size, size};
  const network::Graph graph = model.bind({shape});
  const Inputs inputs = random_inputs({shape}, 5);
  const PlainNetwork plain(graph, inputs);
  network::Program program = make_program(graph);
  auto lane = program.make_lane();
  run_sample(program, lane, random_inputs({shape}, 6), 0, {});
  const auto compare = [&](const std::vector<float>& got) {
    RC_ASSERT(got.size() == plain.output().error.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      RC_ASSERT(std::abs(got[i] - plain.output().value.values[i]) <= plain.output().error[i]);
    }
  };
  compare(run_sample(program, lane, inputs, 0, {}));
  program.set_noise(
      std::vector<network::ProductNoise>(program.products().size(), shot_noise(1e-30)));
  compare(run_sample(program, lane, inputs, 0, {.noisy = true, .statistics = false, .seed = 1}));
}

}  // namespace
}  // namespace attojoule::tests
