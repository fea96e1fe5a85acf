// Convolutions by Winograd's algorithm against the direct ones: the same outputs to rounding, clean
// and noisy, with every epilogue; what the algorithm cannot do stays direct.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/support/network_runs.hpp"
#include "tests/support/onnx_builder.hpp"

namespace attojoule::tests {
namespace {

using network::Program;
using network::Shape;

Program program_of(const OnnxModel& model, const Shape& shape, bool winograd, bool keep = false) {
  network::Graph graph = model.bind({shape});
  network::simplify(graph);
  network::ProgramOptions options;
  options.winograd = winograd;
  options.keep_weights = keep;
  return {std::move(graph), options};
}

struct Case {
  std::string name;
  Shape input, weights;
  Attributes attributes{{"pads", Integers{1, 1, 1, 1}}};
  bool possible = true;
};

void PrintTo(const Case& given, std::ostream* out) {
  *out << given.name;
}

class Winograd : public testing::TestWithParam<Case> {};

TEST_P(Winograd, equals_direct_convolution) {
  const Case& given = GetParam();
  for (const std::string end : {"none", "Relu", "residual"}) {
    OnnxModel model;
    model.input("x", given.input);
    std::string last = model.node(
        "Conv",
        {"x", model.random("w", given.weights, 0.2f), model.random("b", {given.weights[0]})}, "y",
        given.attributes);
    if (end == "residual") {
      // Of the same shape: a pointwise convolution of the same geometry's output.
      const Shape point{given.weights[0], given.weights[0], 1, 1};
      model.node("Conv", {last, model.random("v", point, 0.2f)}, "branch");
      model.node("Conv",
                 {"branch", model.random("u", {given.weights[0], given.weights[0], 3, 3}, 0.1f)},
                 "again", {{"pads", Integers{1, 1, 1, 1}}});
      last = model.node("Add", {"again", "branch"}, "sum");
    }
    if (end != "none") last = model.node("Relu", {last}, "end");
    model.output(last);
    Program direct = program_of(model, given.input, false);
    Program fast = program_of(model, given.input, true);
    EXPECT_EQ(direct.winograd_products(), 0);
    if (end != "residual") {
      EXPECT_EQ(fast.winograd_products(), given.possible ? 1 : 0);
    }
    const std::vector<network::ProductNoise> noise(direct.products().size(), shot_noise(1e-4));
    direct.set_noise(noise);
    fast.set_noise(noise);
    const Inputs inputs = random_inputs({given.input}, 3);
    for (const bool noisy : {false, true}) {
      for (const bool statistics : {false, true}) {
        auto lane = direct.make_lane();
        auto fast_lane = fast.make_lane();
        std::vector<network::ProductRecord> records(noise.size()), fast_records(noise.size());
        const Program::PassSettings settings{noisy, statistics, 5};
        const auto wanted = run_sample(direct, lane, inputs, 2, settings, records);
        const auto got = run_sample(fast, fast_lane, inputs, 2, settings, fast_records);
        const auto again = run_sample(fast, fast_lane, inputs, 2, settings);
        EXPECT_EQ(got, again);
        double largest = 0;
        for (const float value : wanted) largest = std::max<double>(largest, std::abs(value));
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          ASSERT_NEAR(got[i], wanted[i], 1e-5 * largest) << end << ", output " << i;
        }
        for (std::size_t i = 0; i < records.size(); ++i) {
          EXPECT_NEAR(fast_records[i].photons, records[i].photons, 1e-6 * records[i].photons);
          EXPECT_NEAR(fast_records[i].signal, records[i].signal, 1e-4 * records[i].signal);
          EXPECT_NEAR(fast_records[i].output_high, records[i].output_high, 1e-5 * largest * 20);
        }
      }
    }
  }
}

const auto case_name = [](const auto& info) { return info.param.name; };

INSTANTIATE_TEST_SUITE_P(
    Shapes, Winograd,
    testing::Values(
        Case{"even", {1, 16, 8, 16}, {16, 16, 3, 3}}, Case{"odd", {1, 16, 9, 13}, {32, 16, 3, 3}},
        Case{"deep", {1, 64, 14, 14}, {64, 64, 3, 3}},
        Case{"small", {1, 32, 2, 3}, {16, 32, 3, 3}, {{"pads", Integers{1, 1, 1, 1}}}, false},
        Case{"channels", {1, 24, 12, 16}, {16, 24, 3, 3}, {{"pads", Integers{1, 1, 1, 1}}}, false},
        Case{"unpadded", {1, 16, 14, 19}, {48, 16, 3, 3}, {}},
        Case{"strided",
             {1, 16, 9, 13},
             {16, 16, 3, 3},
             {{"pads", Integers{1, 1, 1, 1}}, {"strides", Integers{2, 2}}},
             false},
        Case{"dilated",
             {1, 16, 9, 13},
             {16, 16, 3, 3},
             {{"pads", Integers{2, 2, 2, 2}}, {"dilations", Integers{2, 2}}},
             false},
        Case{"grouped",
             {1, 32, 9, 13},
             {32, 16, 3, 3},
             {{"pads", Integers{1, 1, 1, 1}}, {"group", 2}},
             false},
        Case{"five", {1, 16, 9, 13}, {16, 16, 5, 5}, {{"pads", Integers{2, 2, 2, 2}}}, false}),
    case_name);

// Weights drawn anew reach the algorithm's own copy of them.
TEST(WinogradWeights, follow_perturbations) {
  OnnxModel model;
  model.input("x", {1, 16, 12, 16});
  model.node("Conv", {"x", model.random("w", {16, 16, 3, 3}, 0.2f)}, "y",
             {{"pads", Integers{1, 1, 1, 1}}});
  model.output("y");
  const Inputs inputs = random_inputs({{1, 16, 12, 16}}, 3);
  std::vector<std::vector<float>> outputs;
  for (const bool winograd : {false, true}) {
    Program program = program_of(model, {1, 16, 12, 16}, winograd, true);
    EXPECT_EQ(program.winograd_products(), winograd ? 1 : 0);
    network::ProductNoise noise = shot_noise(0);
    noise.models[0].weight_noise = 0.1;
    program.set_noise({noise});
    const auto before = run_clean(program, inputs);
    program.perturb_weights(7);
    outputs.push_back(run_clean(program, inputs));
    EXPECT_NE(outputs.back(), before);
  }
  for (std::size_t i = 0; i < outputs[0].size(); ++i) {
    EXPECT_NEAR(outputs[0][i], outputs[1][i], 1e-4) << i;
  }
}

}  // namespace
}  // namespace attojoule::tests
