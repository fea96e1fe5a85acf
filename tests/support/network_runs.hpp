// Programs from models in memory, and the comparison with their plain evaluation.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "network/program.hpp"
#include "tests/support/onnx_builder.hpp"
#include "tests/support/plain_network.hpp"

namespace attojoule::tests {

using Inputs = std::vector<std::vector<float>>;

inline network::Program make_program(network::Graph graph, bool keep_weights = false) {
  network::simplify(graph);
  network::ProgramOptions options;
  options.keep_weights = keep_weights;
  return {std::move(graph), options};
}

inline network::Program make_program(const OnnxModel& model,
                                     const std::vector<network::Shape>& shapes,
                                     bool keep_weights = false) {
  return make_program(model.bind(shapes), keep_weights);
}

// A program whose products clip computed operands at the full scales of their noise.
inline network::Program make_limited_program(const OnnxModel& model,
                                             const std::vector<network::Shape>& shapes) {
  network::Graph graph = model.bind(shapes);
  network::simplify(graph);
  network::ProgramOptions options;
  options.limits_operands = true;
  return {std::move(graph), options};
}

inline Inputs random_inputs(const std::vector<network::Shape>& shapes, std::uint64_t seed) {
  Inputs inputs;
  for (const auto& shape : shapes) {
    inputs.push_back(random_reals(network::element_count(shape), seed++));
  }
  return inputs;
}

// One sample: the inputs are written anew, as every run may overwrite them.
inline std::vector<float> run_sample(const network::Program& program, network::Program::Lane& lane,
                                     const Inputs& inputs, std::uint32_t sample,
                                     const network::Program::PassSettings& settings,
                                     std::span<network::ProductRecord> records = {}) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto target = lane.input(i);
    EXPECT_EQ(target.size(), inputs[i].size());
    std::copy(inputs[i].begin(), inputs[i].end(), target.begin());
  }
  const auto output = program.run(lane, sample, settings, records);
  return {output.begin(), output.end()};
}

inline std::vector<float> run_clean(const network::Program& program, const Inputs& inputs) {
  auto lane = program.make_lane();
  return run_sample(program, lane, inputs, 0, {});
}

// A noise model of one coefficient only: sigma^2 = value |w|^2 |x|^2.
inline network::ProductNoise shot_noise(double value) {
  network::ProductNoise noise;
  noise.kind = network::NoiseKind::gaussian;
  noise.models.resize(1);
  noise.models[0].variance.norm_product = value;
  return noise;
}

inline void expect_near(const std::vector<float>& got, const PlainValue& wanted,
                        const std::string& what) {
  ASSERT_EQ(got.size(), wanted.value.values.size()) << what;
  double worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double distance = std::abs(static_cast<double>(got[i]) - wanted.value.values[i]);
    // Not greater than: NaN must fail.
    const double excess = distance <= wanted.error[i]
                              ? 0
                              : std::max(distance / std::max(wanted.error[i], 1e-300), 1e-300);
    if (!(excess <= worst)) {
      worst = excess;
      at = i;
    }
  }
  EXPECT_EQ(worst, 0) << what << ": element " << at << " of " << got.size() << " is " << got[at]
                      << ", plain evaluation gives " << wanted.value.values[at] << " +- "
                      << wanted.error[at];
}

// The program gives what the plain evaluation of the graph gives: clean, clean a second time in the
// same memory, while statistics are taken, and through the noise pass with noise far below
// rounding.
inline void expect_same_as_plain(const OnnxModel& model, const std::vector<network::Shape>& shapes,
                                 std::uint64_t seed = 1) {
  const network::Graph graph = model.bind(shapes);
  const Inputs inputs = random_inputs(shapes, seed);
  const PlainNetwork plain(graph, inputs);
  network::Program program = make_program(graph);
  ASSERT_EQ(program.output_size(), network::element_count(plain.output().value.shape));
  auto lane = program.make_lane();
  const Inputs others = random_inputs(shapes, seed + 100);
  expect_near(run_sample(program, lane, inputs, 0, {}), plain.output(), "clean");
  run_sample(program, lane, others, 1, {});
  expect_near(run_sample(program, lane, inputs, 0, {}), plain.output(), "clean, memory reused");
  const std::size_t products = program.products().size();
  std::vector<network::ProductRecord> records(products);
  expect_near(run_sample(program, lane, inputs, 0, {.noisy = false, .statistics = true, .seed = 1},
                         records),
              plain.output(), "clean, with statistics");
  if (products == 0) return;
  program.set_noise(std::vector<network::ProductNoise>(products, shot_noise(1e-30)));
  for (const bool statistics : {false, true}) {
    records.assign(products, {});
    expect_near(run_sample(program, lane, inputs, 0,
                           {.noisy = true, .statistics = statistics, .seed = 1}, records),
                plain.output(), statistics ? "noise pass, with statistics" : "noise pass");
  }
}

}  // namespace attojoule::tests
