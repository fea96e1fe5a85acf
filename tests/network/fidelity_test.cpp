// The counting fidelity in a network: counts of both diodes have the moments of the Gaussian law
// where light is plentiful, and the shape of few photons where it is not.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "network/noise_plan.hpp"
#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::Fidelity;
using network::NoiseKind;

network::NoiseRequest request(Fidelity fidelity, double photons, std::size_t products) {
  network::NoiseRequest result;
  result.fidelity = fidelity;
  result.points.assign(products, {photonics::OperatingPoint{photons, 1}});
  return result;
}

OnnxModel dense_model() {
  OnnxModel model;
  model.input("x", {1, 16});
  model.node("MatMul", {"x", model.random("w", {16, 33})}, "y");
  model.output("y");
  return model;
}

struct Moments {
  double mean = 0, variance = 0;
};

// Of the error of output `channel` over samples of one fixed input.
Moments error_moments(const network::Program& program, const Inputs& inputs, std::size_t channel,
                      int samples) {
  auto lane = program.make_lane();
  const double clean = run_clean(program, inputs)[channel];
  Moments moments;
  for (int i = 0; i < samples; ++i) {
    const double error = run_sample(program, lane, inputs, static_cast<std::uint32_t>(i),
                                    {true, false, 7, nullptr})[channel] -
                         clean;
    moments.mean += error / samples;
    moments.variance += error * error / samples;
  }
  return moments;
}

TEST(CountingFidelity, HasTheVarianceOfTheGaussianLaw) {
  network::Program program = make_program(dense_model(), {{1, 16}});
  const Inputs inputs = random_inputs({{1, 16}}, 3);
  photonics::Device device;
  device.detector.quantum_efficiency = 0.7;
  device.receiver.kind = photonics::ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-17;  // a few electrons of reset noise
  const auto plan = plan_noise(device, program, request(Fidelity::counting, 3, 1));
  ASSERT_EQ(plan[0].kind, NoiseKind::photoelectron_counting);
  program.set_noise(plan);
  double norm = 0;
  for (const float x : inputs[0]) norm += static_cast<double>(x) * x;
  constexpr int samples = 20000;
  for (const std::size_t channel : {std::size_t{0}, std::size_t{17}, std::size_t{32}}) {
    const double variance = plan[0].models[0].variance.norm_product *
                            program.products()[0].weight_norms[channel] * norm;
    const Moments moments = error_moments(program, inputs, channel, samples);
    // Counts of some tens have nearly the fourth moment of a Gaussian: 5 standard errors.
    const double tolerance = 5 * std::sqrt(2.2 / samples);
    EXPECT_NEAR(moments.variance / variance, 1, tolerance);
    EXPECT_GT(std::abs(1.1 - 1), tolerance);  // a variance of 1.1 times would be seen
    EXPECT_NEAR(moments.mean, 0, 5 * std::sqrt(variance / samples));
  }
}

TEST(CountingFidelity, FewPhotonsGiveFewValues) {
  network::Program program = make_program(dense_model(), {{1, 16}});
  program.set_noise(plan_noise({}, program, request(Fidelity::counting, 0.1, 1)));
  const Inputs inputs = random_inputs({{1, 16}}, 3);
  auto lane = program.make_lane();
  std::set<float> values;
  for (std::uint32_t i = 0; i < 500; ++i) {
    values.insert(run_sample(program, lane, inputs, i, {true, false, 1, nullptr})[5]);
  }
  // 1.6 photons on average: differences of counts are small whole numbers.
  EXPECT_LT(values.size(), 30u);
  program.set_noise(plan_noise({}, program, request(Fidelity::analytic, 0.1, 1)));
  values.clear();
  for (std::uint32_t i = 0; i < 500; ++i) {
    values.insert(run_sample(program, lane, inputs, i, {true, false, 1, nullptr})[5]);
  }
  EXPECT_GT(values.size(), 450u);
}

TEST(CountingFidelity, ComputedOperandsAreCountedToo) {
  OnnxModel model;
  model.input("a", {1, 4, 16});
  model.input("b", {1, 16, 5});
  model.node("MatMul", {"a", "b"}, "y");
  model.output("y");
  const std::vector<network::Shape> shapes{{1, 4, 16}, {1, 16, 5}};
  network::Program program = make_program(model, shapes);
  const auto plan = plan_noise({}, program, request(Fidelity::counting, 5, 1));
  program.set_noise(plan);
  const Inputs inputs = random_inputs(shapes, 8);
  double a_norm = 0, b_norm = 0;
  for (std::size_t k = 0; k < 16; ++k) {
    a_norm += std::pow(inputs[0][16 + k], 2);     // row 1
    b_norm += std::pow(inputs[1][k * 5 + 2], 2);  // column 2
  }
  constexpr int samples = 20000;
  const Moments moments = error_moments(program, inputs, 5 + 2, samples);
  const double variance = plan[0].models[0].variance.norm_product * a_norm * b_norm;
  EXPECT_NEAR(moments.variance / variance, 1, 5 * std::sqrt(2.2 / samples));
}

TEST(Refusals, WhatANetworkCannotModelIsNotIgnored) {
  const network::Program program = make_program(dense_model(), {{1, 16}});
  photonics::Device modulated;
  modulated.modulator.extinction_ratio_db = 20;
  EXPECT_THROW(plan_noise(modulated, program, request(Fidelity::analytic, 10, 1)), ConfigError);
  photonics::Device unbalanced;
  unbalanced.detector.coupler_transmission = 0.51;
  EXPECT_THROW(plan_noise(unbalanced, program, request(Fidelity::counting, 10, 1)), ConfigError);
  EXPECT_NO_THROW(plan_noise(unbalanced, program, request(Fidelity::analytic, 10, 1)));
}

TEST(AutomaticFidelity, CountsWhereTheGaussianIsFar) {
  const network::Program program = make_program(dense_model(), {{1, 16}});
  // A dot product of one photon is no Gaussian, one of thousands is.
  EXPECT_EQ(plan_noise({}, program, request(Fidelity::automatic, 0.05, 1))[0].kind,
            NoiseKind::photoelectron_counting);
  EXPECT_EQ(plan_noise({}, program, request(Fidelity::automatic, 200, 1))[0].kind,
            NoiseKind::gaussian);
}

}  // namespace
}  // namespace attojoule::tests
