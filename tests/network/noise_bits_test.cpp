// Rounding to noise bits in the place of noise, operands counted beyond their range, and Garg's way
// of counting grouped convolutions.
#include "network/noise_bits.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "network/noise_plan.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::NoiseKind;
using network::ProductNoise;
using network::ProductRecord;
using network::Shape;

OnnxModel dense_model() {
  OnnxModel model;
  model.input("x", {3, 16});
  model.node("Gemm", {"x", model.random("w", {16, 9}), model.random("b", {9})}, "y");
  model.output("y");
  return model;
}

std::vector<ProductRecord> statistics_of(const network::Program& program, const Inputs& inputs,
                                         std::vector<float>* output = nullptr) {
  std::vector<ProductRecord> records(program.products().size());
  auto lane = program.make_lane();
  const auto result = run_sample(program, lane, inputs, 0,
                                 {.noisy = false, .statistics = true, .seed = 1}, records);
  if (output != nullptr) *output = result;
  return records;
}

TEST(Rounding, is_to_as_many_levels_as_the_noise_leaves) {
  const Shape shape{3, 16};
  network::Program program = make_program(dense_model(), {shape});
  const Inputs inputs = random_inputs({shape}, 5);
  const std::vector<ProductNoise> noise{shot_noise(0.003)};
  program.set_noise(noise);
  const auto records = statistics_of(program, inputs);
  const auto plan = network::plan_rounding(program, noise, records, 1);
  ASSERT_EQ(plan[0].kind, NoiseKind::rounding);
  const double sigma = std::sqrt(records[0].variance / (3 * 9));
  const double range = records[0].output_high - records[0].output_low;
  const double levels = std::ceil(range / (std::sqrt(12.0) * sigma) + 1);
  EXPECT_NEAR(plan[0].rounding_step, range / (levels - 1), 1e-12 * range);
  // The step is at most the one whose rounding error is sigma, and one level fewer would be above
  // it.
  EXPECT_LE(plan[0].rounding_step, std::sqrt(12.0) * sigma);
  EXPECT_GT(range / (levels - 2), std::sqrt(12.0) * sigma);

  const auto clean = run_clean(program, inputs);
  program.set_noise(plan);
  auto lane = program.make_lane();
  const auto rounded = run_sample(program, lane, inputs, 0, {.noisy = true, .seed = 9});
  const Reals bias = program.products().empty() ? Reals{} : random_reals(9, 1002);
  double square = 0;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    const double off = static_cast<double>(rounded[i]) - clean[i];
    EXPECT_LE(std::abs(off), plan[0].rounding_step * 0.5 + 1e-5);
    square += off * off;
    const double steps = (rounded[i] - bias[i % 9] - plan[0].rounding_low) / plan[0].rounding_step;
    EXPECT_NEAR(steps, std::round(steps), 1e-3) << "an output that is no level";
  }
  EXPECT_GT(square, 0);
  // No random numbers: another seed, the same outputs.
  EXPECT_EQ(run_sample(program, lane, inputs, 0, {.noisy = true, .seed = 10}), rounded);
}

TEST(Rounding, applies_to_attention_products_and_leaves_clean_ones) {
  OnnxModel model;
  model.input("a", {2, 5, 7});
  model.input("b", {2, 7, 6});
  model.node("MatMul", {"a", "b"}, "y");
  model.output("y");
  const std::vector<Shape> shapes{{2, 5, 7}, {2, 7, 6}};
  network::Program program = make_program(model, shapes);
  const Inputs inputs = random_inputs(shapes, 6);
  const std::vector<ProductNoise> noise{shot_noise(0.01)};
  program.set_noise(noise);
  const auto plan = network::plan_rounding(program, noise, statistics_of(program, inputs), 1);
  const auto clean = run_clean(program, inputs);
  program.set_noise(plan);
  auto lane = program.make_lane();
  const auto rounded = run_sample(program, lane, inputs, 0, {.noisy = true, .seed = 1});
  for (std::size_t i = 0; i < clean.size(); ++i) {
    const double steps = (rounded[i] - plan[0].rounding_low) / plan[0].rounding_step;
    EXPECT_NEAR(steps, std::round(steps), 1e-3);
    EXPECT_LE(std::abs(rounded[i] - clean[i]), plan[0].rounding_step * 0.5 + 1e-5);
  }
  const auto digital = network::plan_rounding(program, {ProductNoise{}}, {ProductRecord{}}, 1);
  EXPECT_EQ(digital[0].kind, NoiseKind::none);
}

// Inputs 0, 0.1 .. 4.7, and a range of [-1, 2]: 48 values, those above 2 are beyond it.
struct SaturationCase {
  int weight_bits = 0;
  int activation_bits = 0;
};

TEST(Saturation, operands_beyond_the_quantiser_are_counted_in_every_arithmetic) {
  const Shape shape{3, 16};
  std::vector<float> ramp;
  for (int i = 0; i < 48; ++i) ramp.push_back(0.1f * static_cast<float>(i));
  for (const SaturationCase& bits :
       {SaturationCase{8, 8}, SaturationCase{0, 8}, SaturationCase{8, 12}}) {
    network::ProgramOptions options;
    options.quantisation.weight_bits = bits.weight_bits;
    options.quantisation.activation_bits = bits.activation_bits;
    options.quantisation.ranges = {{-1, 2, 0}};
    network::Graph graph = dense_model().bind({shape});
    network::simplify(graph);
    const network::Program program(std::move(graph), options);
    const auto records = statistics_of(program, {ramp});
    EXPECT_EQ(records[0].operands, 48);
    EXPECT_EQ(records[0].saturated, 27) << bits.activation_bits;  // 2.1 .. 4.7
  }
}

TEST(Saturation, full_scale_counts_where_nothing_is_quantised) {
  const Shape shape{3, 16};
  std::vector<float> ramp;
  for (int i = 0; i < 48; ++i) ramp.push_back(0.1f * static_cast<float>(i) - 2.05f);
  network::Program program = make_limited_program(dense_model(), {shape});
  EXPECT_EQ(statistics_of(program, {ramp})[0].operands, 0);
  ProductNoise noise = shot_noise(0.01);
  noise.input_full_scale = 1.0;
  program.set_noise({noise});
  const auto records = statistics_of(program, {ramp});
  EXPECT_EQ(records[0].operands, 48);
  EXPECT_EQ(records[0].saturated, 11 + 17);  // -2.05 .. -1.05 and 1.05 .. 2.65

  OnnxModel attention;
  attention.input("a", {1, 2, 3});
  attention.input("b", {1, 3, 2});
  attention.node("MatMul", {"a", "b"}, "y");
  attention.output("y");
  network::Program dynamic = make_limited_program(attention, {{1, 2, 3}, {1, 3, 2}});
  noise.weight_full_scale = 2.0;
  dynamic.set_noise({noise});
  const auto both = statistics_of(dynamic, {{0, 2, -2, 0.5f, 0, 0}, {0, 3, 1, -1.5f, 1.9f, -2.5f}});
  EXPECT_EQ(both[0].operands, 12);
  EXPECT_EQ(both[0].saturated, 2 + 2);
}

// What lies beyond full scale is multiplied as full scale, in noisy passes alone.
TEST(Saturation, operands_are_clipped_at_full_scale) {
  OnnxModel attention;
  attention.input("a", {1, 5, 6});
  attention.input("b", {1, 6, 4});
  attention.node("MatMul", {"a", "b"}, "y");
  attention.output("y");
  OnnxModel convolution;
  convolution.input("x", {1, 3, 7, 6});
  convolution.node("Relu", {"x"}, "r");
  convolution.node("Conv", {"r", convolution.random("w", {4, 3, 3, 3})}, "c",
                   {{"pads", std::vector<std::int64_t>{1, 1, 1, 1}}});
  // The clipped operand has another reader, which gets it whole.
  convolution.node("Conv", {"r", convolution.random("v", {4, 3, 1, 1})}, "d");
  convolution.node("Add", {"c", "d"}, "y");
  convolution.output("y");
  const auto clipped = [](std::vector<float> values, float limit) {
    for (float& value : values) value = std::clamp(value, -limit, limit);
    return values;
  };
  ProductNoise nearly_none = shot_noise(1e-24);
  nearly_none.input_full_scale = 0.4;
  nearly_none.weight_full_scale = 0.7;
  auto run = [](const network::Program& program, const Inputs& inputs, bool noisy) {
    auto lane = program.make_lane();
    return run_sample(program, lane, inputs, 0, {.noisy = noisy, .statistics = false, .seed = 3});
  };
  {
    const std::vector<Shape> shapes{{1, 5, 6}, {1, 6, 4}};
    network::Program program = make_limited_program(attention, shapes);
    const Inputs inputs = random_inputs(shapes, 3);
    const auto whole = run(program, inputs, false);
    const auto wanted = run(program, {clipped(inputs[0], 0.4f), clipped(inputs[1], 0.7f)}, false);
    program.set_noise({nearly_none});
    EXPECT_EQ(run(program, inputs, false), whole);
    const auto got = run(program, inputs, true);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-5) << i;
    EXPECT_GT(std::abs(got[0] - whole[0]), 1e-3);
  }
  {
    const std::vector<Shape> shapes{{1, 3, 7, 6}};
    network::Program program = make_limited_program(convolution, shapes);
    const Inputs inputs = random_inputs(shapes, 4);
    const Inputs small{clipped(inputs[0], 0.4f)};
    ProductNoise unlimited = nearly_none;
    unlimited.input_full_scale = unlimited.weight_full_scale = 0;
    // One convolution of the two clips; the reference is a sum of differences of linear parts.
    program.set_noise({nearly_none, unlimited});
    const auto first = run(program, inputs, true);
    program.set_noise({unlimited, nearly_none});
    const auto second = run(program, inputs, true);
    const auto whole = run(program, inputs, false);
    const auto both = run(program, small, false);
    double moved = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      EXPECT_NEAR(first[i] + second[i] - whole[i], both[i], 1e-5) << i;
      moved = std::max(moved, std::abs(static_cast<double>(first[i]) - whole[i]));
    }
    EXPECT_GT(moved, 1e-2);
  }
  network::Program unable = make_program(attention, {{1, 5, 6}, {1, 6, 4}});
  EXPECT_THROW(unable.set_noise({nearly_none}), ConfigError);
}

TEST(GroupedDotLength, is_what_the_authors_code_takes_only_on_request) {
  OnnxModel model;
  model.input("x", {1, 6, 5, 5});
  model.node("Conv", {"x", model.random("w", {6, 1, 3, 3})}, "depthwise", {{"group", 6}});
  model.node("Conv", {"depthwise", model.random("v", {4, 6, 1, 1})}, "y");
  model.output("y");
  const network::Program program = make_program(model, {{1, 6, 5, 5}});
  network::NoiseRequest request;
  request.law = photonics::Law::garg_shot;
  request.points.assign(2, {photonics::OperatingPoint{25.0, 1.0}});
  const photonics::Device device;
  const auto right = network::plan_noise(device, program, request);
  request.garg_grouped_dot_length = true;
  const auto theirs = network::plan_noise(device, program, request);
  // sigma^2 = |w|^2 |x|^2 / (D E): D = k^2 = 9, or k^2 C_in = 54.
  EXPECT_NEAR(right[0].models[0].variance.norm_product, 1 / (9 * 25.0), 1e-15);
  EXPECT_NEAR(theirs[0].models[0].variance.norm_product, 1 / (54 * 25.0), 1e-15);
  EXPECT_EQ(theirs[1].models[0].variance.norm_product, right[1].models[0].variance.norm_product);
  // The light that is billed is that of the multiplications that there are.
  EXPECT_EQ(theirs[0].models[0].photons.constant, right[0].models[0].photons.constant);
}

}  // namespace
}  // namespace attojoule::tests
