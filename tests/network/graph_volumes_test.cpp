// Convolutions and pooling over three axes as windows over two. Their numbers are compared with
// ONNX Runtime's in tests/golden/operator_reference_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::Shape;

OnnxModel volume_model(const Shape& input, const Shape& weights, const Attributes& attributes) {
  OnnxModel model;
  model.input("x", input);
  model.node("Conv", {"x", model.random("w", weights, 0.4f), model.random("b", {weights[0]})},
             "conv", attributes);
  model.output("conv");
  return model;
}

TEST(VolumeConvolution, is_one_product_whose_dot_products_have_all_taps) {
  const Shape input{1, 4, 6, 8, 8};
  const auto program = make_program(
      volume_model(
          input, {6, 2, 3, 2, 3},
          {{"group", 2}, {"strides", Integers{2, 1, 2}}, {"pads", Integers{1, 0, 1, 1, 1, 1}}}),
      {input});
  ASSERT_EQ(program.products().size(), 1u);
  const auto& product = program.products()[0];
  EXPECT_EQ(product.name, "conv");
  EXPECT_EQ(product.kind, network::ProductKind::grouped);
  EXPECT_EQ(product.groups, 2);
  EXPECT_EQ(product.channels, 6);
  EXPECT_EQ(product.dot_length, 2 * 3 * 2 * 3);
  EXPECT_EQ(product.positions, 3 * 8 * 4);  // depth, height, width of the result
  EXPECT_EQ(program.output_size(), 6 * 3 * 8 * 4);
}

// sigma^2 = v |w|^2 |x|^2 with |x| over the volume that an output sees, padding included.
TEST(VolumeConvolution, noise_follows_the_norm_of_what_a_window_sees) {
  const Shape input{1, 2, 4, 3, 3};
  auto program = make_program(
      volume_model(input, {1, 2, 3, 3, 3}, {{"pads", Integers{1, 0, 0, 1, 0, 0}}}), {input});
  Inputs x = random_inputs({input}, 5);
  // One layer of the depth is a hundred times as bright as the others.
  for (std::size_t c = 0; c < 2; ++c) {
    for (std::size_t i = 0; i < 9; ++i) x[0][c * 36 + i] *= 100;
  }
  const auto clean = run_clean(program, x);
  program.set_noise({shot_noise(1e-4)});
  auto lane = program.make_lane();
  std::vector<double> variance(clean.size(), 0);
  constexpr int samples = 400;
  for (int s = 0; s < samples; ++s) {
    const auto noisy =
        run_sample(program, lane, x, static_cast<std::uint32_t>(s), {.noisy = true, .seed = 3});
    for (std::size_t i = 0; i < clean.size(); ++i) {
      variance[i] += std::pow(noisy[i] - clean[i], 2) / samples;
    }
  }
  ASSERT_EQ(variance.size(), 4u);
  const double weight_norm = program.products()[0].weight_norms[0];
  for (std::size_t layer = 0; layer < 4; ++layer) {
    double norm = 0;
    for (std::size_t c = 0; c < 2; ++c) {
      for (std::size_t z = layer == 0 ? 0 : layer - 1; z < std::min<std::size_t>(layer + 2, 4);
           ++z) {
        for (std::size_t i = 0; i < 9; ++i) norm += std::pow(x[0][c * 36 + z * 9 + i], 2);
      }
    }
    // A variance of 400 normal numbers: relative error sqrt(2/400), five of them.
    EXPECT_NEAR(variance[layer] / (1e-4 * weight_norm * norm), 1, 5 * std::sqrt(2.0 / samples));
  }
  EXPECT_GT(variance[0] / variance[3], 1000);  // the last layers do not see the bright one
}

TEST(VolumePooling, runs_in_the_library) {
  OnnxModel model;
  model.input("x", {1, 3, 6, 8, 8});
  model.node("MaxPool", {"x"}, "max",
             {{"kernel_shape", Integers{2, 2, 2}}, {"strides", Integers{2, 2, 2}}});
  model.node("AveragePool", {"max"}, "mean", {{"kernel_shape", Integers{3, 2, 2}}});
  model.node("GlobalAveragePool", {"mean"}, "all");
  model.node("Flatten", {"all"}, "flat");
  model.node("Gemm", {"flat", model.random("w", {3, 2})}, "fc");
  model.output("fc");
  const auto program = make_program(model, {{1, 3, 6, 8, 8}});
  for (const auto& operation : program.digital_operations()) {
    EXPECT_NE(operation.way, network::DigitalWay::plain) << operation.name;
  }
}

TEST(VolumeConvolution, four_axes_and_computed_weights_are_refused) {
  const auto refused = [](const OnnxModel& model, const std::vector<Shape>& shapes,
                          const std::string& problem) {
    try {
      make_program(model, shapes);
      FAIL() << problem;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("node 'conv' (Conv, opset 13)"));
      EXPECT_THAT(error.what(), testing::HasSubstr(problem));
    }
  };
  const Shape four{1, 1, 3, 3, 3, 3};
  refused(volume_model(four, {1, 1, 2, 2, 2, 2}, {}), {four}, "one to 3 axes");
  OnnxModel computed;
  computed.input("x", {1, 1, 3, 3, 3});
  computed.input("w", {1, 1, 2, 2, 2});
  computed.node("Conv", {"x", "w"}, "conv");
  computed.output("conv");
  refused(computed, {{1, 1, 3, 3, 3}, {1, 1, 2, 2, 2}}, "computed weights");
}

}  // namespace
}  // namespace attojoule::tests
