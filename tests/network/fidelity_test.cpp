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

// Unbalanced diodes, leaking modulators, rounded drives: counts and Gaussian are one law, in both
// encodings, of constant and of computed operands, for few and for many photons.
TEST(CountingFidelity, UnbalancedDiodesAndRealModulators) {
  photonics::Device device;
  device.detector = {.quantum_efficiency = 0.8,
                     .dark_current_a = 2e-10,
                     .efficiency_imbalance = 0.1,
                     .coupler_transmission = 0.44};
  device.modulator = {.extinction_ratio_db = 13, .dac_bits = 5};
  device.receiver.signal_beam_share = 0.4;
  OnnxModel computed;
  computed.input("a", {1, 1, 16});
  computed.input("b", {1, 16, 5});
  computed.node("MatMul", {"a", "b"}, "y");
  computed.output("y");
  constexpr int samples = 20000;
  for (const bool dynamic : {false, true}) {
    const std::vector<network::Shape> shapes =
        dynamic ? std::vector<network::Shape>{{1, 1, 16}, {1, 16, 5}}
                : std::vector<network::Shape>{{1, 16}};
    network::Program program = make_limited_program(dynamic ? computed : dense_model(), shapes);
    const Inputs inputs = random_inputs(shapes, 9);
    const std::size_t channel = dynamic ? 3 : 17;
    for (const auto encoding : {photonics::Encoding::normalised, photonics::Encoding::full_scale}) {
      for (const double photons : {0.7, 60.0}) {
        network::NoiseRequest counted = request(Fidelity::counting, photons, 1);
        counted.encoding = encoding;
        counted.ranges = {{.low = -4, .high = 4, .weight_absolute_maximum = 4}};
        const auto plan = plan_noise(device, program, counted);
        ASSERT_EQ(plan[0].kind, NoiseKind::photoelectron_counting);
        program.set_noise(plan);
        const Moments moments = error_moments(program, inputs, channel, samples);
        double x_norm = 0, w_norm = 0;
        for (const float x : inputs[0]) x_norm += static_cast<double>(x) * x;
        if (dynamic) {
          for (std::size_t k = 0; k < 16; ++k) w_norm += std::pow(inputs[1][k * 5 + channel], 2);
        } else {
          w_norm = program.products()[0].weight_norms[channel];
        }
        const double y = run_clean(program, inputs)[channel];
        const auto& c = plan[0].models[0].variance;
        const double variance = c.constant + c.weight_norm * w_norm + c.input_norm * x_norm +
                                c.norm_product * w_norm * x_norm + c.signal * y * y;
        // The part e g y of the shot noise is in the counts and not in the Gaussian law.
        const auto& law = plan[0].counts[0];
        const double skew = law.imbalance * y / law.gain_of(w_norm, x_norm);
        const double bound = 5 * std::sqrt(2.6 / samples);
        EXPECT_NEAR(moments.variance / (variance + skew), 1, bound)
            << dynamic << " " << static_cast<int>(encoding) << " " << photons;
        EXPECT_GT(0.1, bound);  // 1.1 times the variance would be seen
        EXPECT_NEAR(moments.mean, 0, 5 * std::sqrt(variance / samples));
        // Without the offset of the pair the mean would be far off.
        const double offset = law.offset(w_norm, x_norm) / law.gain_of(w_norm, x_norm);
        if (photons > 1) {
          EXPECT_GT(std::abs(offset), 10 * std::sqrt(variance / samples));
        }
      }
    }
  }
}

// Two ways to draw, one law: on either side of 32 counts, and coupled to the Gaussian above.
TEST(CountingFidelity, FollowsTheGaussianNoiseWhereCountsAreMany) {
  network::Program program = make_program(dense_model(), {{1, 16}});
  const Inputs inputs = random_inputs({{1, 16}}, 3);
  const auto logits = [&](Fidelity fidelity, double photons) {
    program.set_noise(plan_noise({}, program, request(fidelity, photons, 1)));
    auto lane = program.make_lane();
    return run_sample(program, lane, inputs, 5, {true, false, 7, nullptr});
  };
  const auto clean = run_clean(program, inputs);
  double apart = 0, noise = 0;
  const auto counted = logits(Fidelity::counting, 500), gaussian = logits(Fidelity::analytic, 500);
  for (std::size_t i = 0; i < clean.size(); ++i) {
    apart += std::pow(counted[i] - gaussian[i], 2);
    noise += std::pow(gaussian[i] - clean[i], 2);
  }
  // What separates the laws of 8000 counts: rounding and skewness of a fraction of a count each.
  EXPECT_GT(apart, 0);
  EXPECT_LT(apart, 1e-3 * noise);
}

TEST(Refusals, WhatANetworkCannotModelIsNotIgnored) {
  const network::Program program = make_program(dense_model(), {{1, 16}});
  const auto refused = [&](const photonics::Device& device) {
    EXPECT_THROW(plan_noise(device, program, request(Fidelity::analytic, 10, 1)), ConfigError);
  };
  photonics::Device device;
  device.modulator.extinction_ratio_db = 20;  // without ranges
  refused(device);
  device.modulator = {.bias_error_rad = 0.01};
  refused(device);
  device.modulator = {.bandwidth_hz = 1e9};
  device.tile.symbol_rate_hz = 1e9;
  refused(device);
  device.tile.symbol_rate_hz = 1e7;
  EXPECT_NO_THROW(plan_noise(device, program, request(Fidelity::analytic, 10, 1)));
  device = {};
  device.detector.saturation_current_a = 1e-9;
  refused(device);
  device.detector.saturation_current_a = 1e-3;
  EXPECT_NO_THROW(plan_noise(device, program, request(Fidelity::analytic, 10, 1)));
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
