// The photon-counting law of Wang et al., Nat. Commun. 13, 123 (2022): plain against vector form.
#include "photonics/photon_counting.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "photonics/error.hpp"
#include "photonics/random.hpp"
#include "tests/statistics.hpp"

namespace attojoule::photonics {
namespace {

using tests::five_sigma;
using tests::Moments;

// A small layer with inputs of mixed size, some dark.
struct Layer {
  static constexpr std::size_t outputs = 5, length = 24;
  std::vector<float> weights, bias, inputs, y;
  double input_sum = 0;

  Layer() : weights(outputs * length), bias(outputs), inputs(length), y(outputs, 0.0f) {
    fill_normal({.seed = 50}, 0, weights);
    fill_normal({.seed = 51}, 0, bias);
    fill_uniform({.seed = 52}, 0, inputs);
    for (std::size_t j = 0; j < length; ++j) {
      inputs[j] = j % 5 == 0 ? 0.0f : 3 * inputs[j];
      input_sum += static_cast<double>(inputs[j]);
    }
    for (std::size_t i = 0; i < outputs; ++i) {
      for (std::size_t j = 0; j < length; ++j) y[i] += weights[i * length + j] * inputs[j];
    }
  }
};

NoiseModel model_of(double photons, double repetitions, double efficiency) {
  Device device;
  device.detector.quantum_efficiency = efficiency;
  return compile_noise_model(device, Law::counting, Encoding::normalised,
                             {.photons_per_mac = photons, .repetitions = repetitions},
                             {.length = Layer::length});
}

// Mean counts by the steps of the publication.
std::vector<double> published_means(const Layer& layer, double photons) {
  double w_min = 1e9, w_max = -1e9, x_max = 0;
  for (const float w : layer.weights) {
    w_min = std::min(w_min, static_cast<double>(w));
    w_max = std::max(w_max, static_cast<double>(w));
  }
  for (const float x : layer.inputs) x_max = std::max(x_max, static_cast<double>(x));
  const double n0 = photons * Layer::length / (layer.input_sum / x_max);
  std::vector<double> means(Layer::outputs, 0.0);
  for (std::size_t i = 0; i < Layer::outputs; ++i) {
    for (std::size_t j = 0; j < Layer::length; ++j) {
      means[i] += n0 * (static_cast<double>(layer.weights[i * Layer::length + j]) - w_min) /
                  (w_max - w_min) * static_cast<double>(layer.inputs[j]) / x_max;
    }
  }
  return means;
}

TEST(PhotonCounting, VectorFormHasThePublishedMeans) {
  const Layer layer;
  for (const double efficiency : {1.0, 0.6}) {
    for (const double photons : {0.1, 1.0, 30.0}) {
      const CountingLaw law =
          counting_law(model_of(photons, 2, efficiency), Layer::length, layer.weights);
      std::vector<float> means(Layer::outputs);
      counting_means(law.scale(layer.input_sum), layer.y, means);
      const std::vector<double> expected = published_means(layer, 2 * efficiency * photons);
      for (std::size_t i = 0; i < means.size(); ++i) {
        EXPECT_NEAR(static_cast<double>(means[i]) / expected[i], 1, 1e-5);
      }
    }
  }
}

TEST(PhotonCounting, BothFormsHaveTheSameMeanAndVariance) {
  const Layer layer;
  constexpr int trials = 1 << 17;
  for (const double photons : {0.05, 0.5, 5.0}) {
    const double efficiency = 0.7;
    const CountingLaw law =
        counting_law(model_of(photons, 1, efficiency), Layer::length, layer.weights);
    const CountingScale scale = law.scale(layer.input_sum);
    std::vector<float> means(Layer::outputs), counts(Layer::outputs), y(Layer::outputs);
    counting_means(scale, layer.y, means);
    std::vector<Moments> vector_form(Layer::outputs), plain_form(Layer::outputs);
    for (int trial = 0; trial < trials; ++trial) {
      const RandomStream stream{.seed = 60,
                                .domain = NoiseDomain::photon_count,
                                .sample = static_cast<std::uint32_t>(trial)};
      fill_poisson(stream, 0, means, counts);
      y = layer.y;
      add_counting_noise(scale, means, counts, y);
      RandomSequence random(stream, 0);
      const std::vector<double> plain = photon_counting_layer(
          layer.weights, layer.bias, layer.inputs, photons, efficiency, random);
      for (std::size_t i = 0; i < Layer::outputs; ++i) {
        vector_form[i].add(static_cast<double>(y[i]));
        plain_form[i].add(plain[i] - static_cast<double>(layer.bias[i]));
      }
    }
    for (std::size_t i = 0; i < Layer::outputs; ++i) {
      // Var = (K_W S / (eta n D))^2 lambda.
      const double variance =
          std::pow(static_cast<double>(scale.y_per_count), 2) * static_cast<double>(means[i]);
      for (const Moments* m : {&vector_form[i], &plain_form[i]}) {
        EXPECT_NEAR(m->mean(), static_cast<double>(layer.y[i]), five_sigma * m->mean_error());
        EXPECT_NEAR(m->variance(), variance, five_sigma * m->variance_error());
        EXPECT_GT(std::abs(m->variance() - 1.1 * variance), five_sigma * m->variance_error());
      }
    }
  }
}

// Counts of few photons are skewed: third cumulant of the noise = lambda y_per_count^3.
TEST(PhotonCounting, NoiseIsSkewed) {
  const Layer layer;
  const CountingLaw law = counting_law(model_of(0.1, 1, 1), Layer::length, layer.weights);
  const CountingScale scale = law.scale(layer.input_sum);
  constexpr std::size_t trials = 1 << 18;
  const float mean = scale.mean_count(layer.y[0]);
  std::vector<float> counts(trials);
  fill_poisson({.seed = 61}, 0, std::vector<float>(trials, mean), counts);
  Moments noise;
  for (const float n : counts) noise.add(static_cast<double>(scale.noise(n, mean)));
  const double lambda = static_cast<double>(mean);
  // Var of the third moment ~ E x^6 = lambda (1 + 25 lambda + 15 lambda^2) in counts.
  const double error = std::sqrt(lambda * (1 + 25 * lambda + 15 * lambda * lambda) / trials);
  const double third = noise.third() / std::pow(static_cast<double>(scale.y_per_count), 3);
  EXPECT_NEAR(third, lambda, five_sigma * error);
  EXPECT_GT(third, five_sigma * error);
}

TEST(PhotonCounting, TransmissionIsTheDetectedShare) {
  const Layer layer;
  const double photons = 4;
  const CountingLaw law = counting_law(model_of(photons, 1, 0.5), Layer::length, layer.weights);
  std::vector<float> means(Layer::outputs);
  counting_means(law.scale(layer.input_sum), layer.y, means);
  TransmissionStatistics all, first, rest;
  all.add(law, means);
  double sum = 0;
  for (const double mean : published_means(layer, photons)) sum += mean;
  const double expected = sum / (photons * Layer::length * Layer::outputs);
  EXPECT_EQ(all.outputs(), 5);
  EXPECT_NEAR(all.mean(), expected, 1e-6);
  EXPECT_GT(all.smallest(), 0);
  EXPECT_LT(all.smallest(), all.mean());
  EXPECT_LT(all.mean(), all.largest());
  EXPECT_LE(all.largest(), 1);
  first.add(law, std::span(means).first(2));
  rest.add(law, std::span(means).subspan(2));
  first.merge(rest);
  EXPECT_DOUBLE_EQ(first.mean(), all.mean());
  EXPECT_EQ(first.smallest(), all.smallest());
  EXPECT_EQ(first.largest(), all.largest());

  // Even light: the mean transmission of the weights themselves.
  const std::vector<float> weights = {-1, 0, 1, 3};
  EXPECT_DOUBLE_EQ(mean_weight_transmission(weights), (0 + 0.25 + 0.5 + 1) / 4);
  EXPECT_EQ(mean_weight_transmission(std::vector<float>{2, 2}), 0);
}

TEST(PhotonCounting, DarkInputsAndFlatWeightsAreExact) {
  const Layer layer;
  const CountingLaw law = counting_law(model_of(1, 1, 1), Layer::length, layer.weights);
  const CountingScale dark = law.scale(0);
  EXPECT_EQ(dark.mean_count(0), 0);
  EXPECT_EQ(dark.noise(0, 0), 0);
  const std::vector<float> flat(Layer::length, 0.3f);
  const CountingScale no_contrast =
      counting_law(model_of(1, 1, 1), Layer::length, flat).scale(layer.input_sum);
  EXPECT_EQ(no_contrast.mean_count(5), 0);
  RandomSequence random({}, 0);
  const std::vector<double> y =
      photon_counting_layer(flat, std::vector<float>{1}, layer.inputs, 1, 1, random);
  EXPECT_NEAR(y[0], 1 + static_cast<double>(flat[0]) * layer.input_sum, 1e-12);
}

TEST(PhotonCounting, RefusesNegativeLight) {
  const Layer layer;
  const CountingLaw law = counting_law(model_of(1, 1, 1), Layer::length, layer.weights);
  EXPECT_THROW(law.scale(-0.1), ConfigError);
  EXPECT_THROW(law.scale(std::nan("")), ConfigError);
  std::vector<float> inputs = layer.inputs;
  inputs[3] = -1;
  RandomSequence random({}, 0);
  EXPECT_THROW(photon_counting_layer(layer.weights, layer.bias, inputs, 1, 1, random), ConfigError);
  EXPECT_THROW(
      photon_counting_layer(layer.weights, layer.bias, std::vector<float>(3), 1, 1, random),
      RunError);
  EXPECT_THROW(counting_law(model_of(1, 1, 1), 3, {}), ConfigError);
  EXPECT_THROW(counting_law(model_of(1, 1, 1), 2,
                            std::vector<float>{0, std::numeric_limits<float>::infinity()}),
               ConfigError);
}

}  // namespace
}  // namespace attojoule::photonics
