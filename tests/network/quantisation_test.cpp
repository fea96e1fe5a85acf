// Operands of few bits: the quantiser by hand, and products in integers against the same values in
// float and in double.
#include "network/quantisation.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::make_quantiser;
using network::Program;
using network::quantise;
using network::Quantiser;

TEST(Quantiser, StepsAndCodesByHand) {
  const Quantiser q = make_quantiser(-1, 3, 2);  // steps of 4/3; 0 at code round(0.75) = 1
  EXPECT_FLOAT_EQ(q.scale, 4.0f / 3);
  EXPECT_EQ(q.zero_point, 1);
  EXPECT_EQ(q.highest, 3);
  EXPECT_EQ(quantise(q, 0), 0);
  EXPECT_FLOAT_EQ(quantise(q, 0.7f), 4.0f / 3);   // nearer to one step than to none
  EXPECT_FLOAT_EQ(quantise(q, 100), 8.0f / 3);    // saturates at code 3
  EXPECT_FLOAT_EQ(quantise(q, -100), -4.0f / 3);  // and at code 0
}

TEST(Quantiser, RangesAreWidenedToHoldZero) {
  EXPECT_EQ(make_quantiser(2, 6, 8).zero_point, 0);
  EXPECT_FLOAT_EQ(make_quantiser(2, 6, 8).scale, 6.0f / 255);
  EXPECT_EQ(make_quantiser(-6, -2, 8).zero_point, 255);
  EXPECT_EQ(make_quantiser(0, 0, 8).scale, 1);
  for (const int bits : {2, 3, 8, 12, 16}) EXPECT_EQ(quantise(make_quantiser(-3, 5, bits), 0), 0);
}

TEST(Quantiser, ErrorIsAtMostHalfAStepInsideTheRange) {
  for (const int bits : {2, 5, 8, 16}) {
    const Quantiser q = make_quantiser(-2, 3, bits);
    for (const float value : random_reals(999, 5)) {
      // The ends may lie a rounding of the zero point away.
      if (value < -2 + q.scale || value > 3 - q.scale) continue;
      EXPECT_LE(std::abs(quantise(q, value) - value), q.scale * 0.50001f);
    }
  }
}

TEST(QuantisedWeights, CodesRebuildTheValues) {
  for (const int bits : {2, 4, 8}) {
    const auto weights = random_reals(5 * 21, 7);
    const auto result = network::quantise_weights(weights, bits, 5, 21, 21, 1);
    for (std::size_t c = 0; c < 5; ++c) {
      int sum = 0;
      for (std::size_t k = 0; k < 21; ++k) {
        const std::size_t i = c * 21 + k;
        EXPECT_NEAR(result.values[i],
                    result.scale[c] * static_cast<float>(result.codes[i] - result.zero_point[c]),
                    1e-6);
        sum += result.codes[i];
      }
      EXPECT_EQ(result.code_sum[c], sum);
    }
  }
}

TEST(CodeSums, EqualTheSumsOfEachRow) {
  for (const std::int64_t depth : {1, 3, 15, 16, 17, 64, 65}) {
    std::vector<std::uint8_t> codes;
    for (std::int64_t i = 0; i < 6 * depth; ++i) {
      codes.push_back(static_cast<std::uint8_t>(i * 37 % 256));
    }
    std::vector<std::int32_t> sums(6), squares(6);
    network::code_sums(codes.data(), 100, 3, 2, depth, sums.data(), squares.data());
    for (std::int64_t row = 0; row < 6; ++row) {
      int sum = 0, square = 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        const int value = codes[static_cast<std::size_t>(row * depth + k)] - 100;
        sum += value;
        square += value * value;
      }
      EXPECT_EQ(sums[static_cast<std::size_t>(row)], sum);
      EXPECT_EQ(squares[static_cast<std::size_t>(row)], square);
    }
  }
}

// A program whose products have 8-bit operands over ranges that its inputs stay in.
Program quantised(const OnnxModel& model, const std::vector<network::Shape>& shapes, bool integers,
                  int bits = 8) {
  network::Graph graph = model.bind(shapes);
  network::simplify(graph);
  network::ProgramOptions options;
  options.quantisation.weight_bits = options.quantisation.activation_bits = bits;
  options.quantisation.integer_arithmetic = integers;
  for (const auto& node : graph.nodes) {
    if (node.op == "Conv" || node.op == "Gemm" || node.op == "MatMul") {
      options.quantisation.ranges.push_back({-5, 4, 5});
    }
  }
  return {std::move(graph), options};
}

// Clean and noisy outputs in integers equal those of the representable values in float: integer
// sums are exact, so that the difference is float's own rounding.
void expect_integers_equal_floats(const OnnxModel& model,
                                  const std::vector<network::Shape>& shapes) {
  Program in_integers = quantised(model, shapes, true);
  Program in_floats = quantised(model, shapes, false);
  EXPECT_EQ(in_floats.integer_products(), 0);
  const Inputs inputs = random_inputs(shapes, 11);
  for (const bool noisy : {false, true}) {
    std::vector<network::ProductNoise> noise(in_floats.products().size(), shot_noise(0.01));
    in_integers.set_noise(noise);
    in_floats.set_noise(noise);
    auto lane_a = in_integers.make_lane();
    auto lane_b = in_floats.make_lane();
    const auto a = run_sample(in_integers, lane_a, inputs, 3, {noisy, false, 1, nullptr});
    const auto b = run_sample(in_floats, lane_b, inputs, 3, {noisy, false, 1, nullptr});
    float largest = 0;
    for (const float value : b) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 3e-5f * largest);
  }
}

TEST(IntegerProducts, ConvolutionsOfEveryKind) {
  struct Case {
    std::int64_t channels, outputs, kernel, stride, groups;
    Integers pads;
  };
  for (const Case& c : {Case{3, 16, 3, 1, 1, {1, 1, 1, 1}}, Case{5, 7, 3, 2, 1, {0, 1, 2, 1}},
                        Case{16, 32, 1, 1, 1, {0, 0, 0, 0}}, Case{8, 8, 3, 1, 8, {1, 1, 1, 1}},
                        Case{8, 12, 3, 2, 4, {1, 0, 1, 2}}, Case{4, 6, 5, 1, 1, {2, 2, 2, 2}}}) {
    OnnxModel model;
    model.input("x", {1, c.channels, 9, 11});
    model.node("Conv",
               {"x", model.random("w", {c.outputs, c.channels / c.groups, c.kernel, c.kernel}),
                model.random("b", {c.outputs})},
               "y",
               {{"kernel_shape", Integers{c.kernel, c.kernel}},
                {"strides", Integers{c.stride, c.stride}},
                {"pads", c.pads},
                {"group", static_cast<int>(c.groups)}});
    model.node("Relu", {"y"}, "z");
    model.output("z");
    expect_integers_equal_floats(model, {{1, c.channels, 9, 11}});
  }
}

TEST(IntegerProducts, ResidualsAndDenseLayers) {
  OnnxModel model;
  model.input("x", {1, 8, 6, 6});
  const Attributes same{{"pads", Integers{1, 1, 1, 1}}};
  model.node("Conv", {"x", model.random("w1", {8, 8, 3, 3}, 0.1f)}, "a", same);
  model.node("Add", {"a", "x"}, "s");
  model.node("Relu", {"s"}, "r");
  model.node("GlobalAveragePool", {"r"}, "p");
  model.node("Flatten", {"p"}, "f");
  model.node("Gemm", {"f", model.random("w2", {5, 8}), model.random("b2", {5})}, "y",
             {{"transB", 1}});
  model.output("y");
  expect_integers_equal_floats(model, {{1, 8, 6, 6}});
}

TEST(QuantisedPrograms, ManyBitsComeBackToFloat) {
  OnnxModel model;
  model.input("x", {1, 6, 8, 8});
  model.node("Conv", {"x", model.random("w", {9, 6, 3, 3})}, "y");
  model.output("y");
  const Inputs inputs = random_inputs({{1, 6, 8, 8}}, 4);
  const auto exact = run_clean(make_program(model, {{1, 6, 8, 8}}), inputs);
  double error[2] = {0, 0};
  int index = 0;
  for (const int bits : {8, 16}) {
    const auto rounded = run_clean(quantised(model, {{1, 6, 8, 8}}, false, bits), inputs);
    for (std::size_t i = 0; i < exact.size(); ++i) {
      error[index] += std::pow(rounded[i] - exact[i], 2);
    }
    ++index;
  }
  // Eight bits more: 256 times finer, 65536 in the square.
  EXPECT_NEAR(error[0] / error[1], 65536, 20000);
}

TEST(QuantisedPrograms, RangesMustFitTheNetwork) {
  OnnxModel model;
  model.input("x", {1, 3});
  model.node("MatMul", {"x", model.random("w", {3, 2})}, "y");
  model.output("y");
  network::Graph graph = model.bind({{1, 3}});
  network::ProgramOptions options;
  options.quantisation.weight_bits = options.quantisation.activation_bits = 8;
  EXPECT_THROW(Program(graph, options), std::runtime_error);
}

}  // namespace
}  // namespace attojoule::tests
