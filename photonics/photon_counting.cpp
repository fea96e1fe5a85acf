#include "photonics/photon_counting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "photonics/error.hpp"
#include "photonics/poisson.hpp"

namespace attojoule::photonics {

namespace {

[[noreturn]] void refuse_input(double value) {
  throw ConfigError(fmt::format(
      "law counting: an input or sum of inputs is {} (inputs are light intensities, which are "
      "finite "
      "and not negative). Use law homodyne, keep this layer digital, or put a ReLU before it.",
      value));
}

void require_equal_sizes(std::size_t a, std::size_t b) {
  if (a != b) {
    throw RunError(fmt::format(
        "photon counting: {} and {} elements (each output has one of both). Pass spans of equal "
        "length.",
        a, b));
  }
}

}  // namespace

CountingScale CountingLaw::scale(double input_sum) const {
  if (!(input_sum >= 0 && std::isfinite(input_sum))) refuse_input(input_sum);
  CountingScale scale{.dark_level = static_cast<float>(weight_min * input_sum)};
  const double light = quantum_efficiency * photons_per_multiplication * length;
  const double full_output = weight_span * input_sum;  // y - dark level where all weights are open
  if (full_output > 0) {
    scale.counts_per_y = static_cast<float>(light / full_output);
    scale.y_per_count = static_cast<float>(full_output / light);
  }
  return scale;
}

CountingLaw counting_law(const NoiseModel& model, std::int64_t length,
                         std::span<const float> weights) {
  const auto not_finite =
      std::find_if_not(weights.begin(), weights.end(), [](float w) { return std::isfinite(w); });
  if (weights.empty() || not_finite != weights.end()) {
    throw ConfigError(fmt::format(
        "law counting: {} (transmissions are weights mapped onto [0, 1]). Check the model's "
        "weights.",
        weights.empty()
            ? std::string("a layer without weights")
            : fmt::format("weight {} is {}", not_finite - weights.begin(), *not_finite)));
  }
  const auto [smallest, largest] = std::minmax_element(weights.begin(), weights.end());
  return {.length = static_cast<double>(length),
          .weight_min = static_cast<double>(*smallest),
          .weight_span = static_cast<double>(*largest) - static_cast<double>(*smallest),
          .photons_per_multiplication = model.photons_per_multiplication,
          .quantum_efficiency = model.quantum_efficiency};
}

void counting_means(const CountingScale& scale, std::span<const float> y, std::span<float> means) {
  require_equal_sizes(y.size(), means.size());
  for (std::size_t i = 0; i < y.size(); ++i) means[i] = scale.mean_count(y[i]);
}

void add_counting_noise(const CountingScale& scale, std::span<const float> means,
                        std::span<const float> counts, std::span<float> y) {
  require_equal_sizes(means.size(), y.size());
  require_equal_sizes(counts.size(), y.size());
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += scale.noise(counts[i], means[i]);
}

void TransmissionStatistics::add(const CountingLaw& law, std::span<const float> means) {
  const double light = law.quantum_efficiency * law.photons_per_multiplication * law.length;
  if (!(light > 0)) return;
  for (const float mean : means) {
    const double transmission = static_cast<double>(mean) / light;
    sum_ += transmission;
    smallest_ = std::min(smallest_, transmission);
    largest_ = std::max(largest_, transmission);
  }
  outputs_ += static_cast<std::int64_t>(means.size());
}

void TransmissionStatistics::merge(const TransmissionStatistics& other) {
  outputs_ += other.outputs_;
  sum_ += other.sum_;
  smallest_ = std::min(smallest_, other.smallest_);
  largest_ = std::max(largest_, other.largest_);
}

double mean_weight_transmission(std::span<const float> weights) {
  if (weights.empty()) return 0;
  const auto [smallest, largest] = std::minmax_element(weights.begin(), weights.end());
  const double span = static_cast<double>(*largest) - static_cast<double>(*smallest);
  if (span == 0) return 0;
  double sum = 0;
  for (const float w : weights) sum += static_cast<double>(w) - static_cast<double>(*smallest);
  return sum / span / static_cast<double>(weights.size());
}

std::vector<double> photon_counting_layer(std::span<const float> weights,
                                          std::span<const float> bias,
                                          std::span<const float> inputs, double photons,
                                          double quantum_efficiency, RandomSequence& random) {
  const std::size_t length = inputs.size();
  require_equal_sizes(weights.size(), bias.size() * length);
  double largest_input = 0, input_sum = 0;
  for (const float x : inputs) {
    if (!(x >= 0 && std::isfinite(x))) refuse_input(static_cast<double>(x));
    largest_input = std::max(largest_input, static_cast<double>(x));
    input_sum += static_cast<double>(x);
  }
  std::vector<double> outputs(bias.begin(), bias.end());
  if (weights.empty()) return outputs;
  const auto [smallest, largest] = std::minmax_element(weights.begin(), weights.end());
  const double weight_min = static_cast<double>(*smallest);
  const double weight_span = static_cast<double>(*largest) - weight_min;

  for (std::size_t i = 0; i < outputs.size(); ++i) {
    double product = 0, transmitted = 0;
    for (std::size_t j = 0; j < length; ++j) {
      const double w = static_cast<double>(weights[i * length + j]);
      const double x = static_cast<double>(inputs[j]);
      product += w * x;
      if (weight_span > 0 && largest_input > 0) {
        transmitted += (w - weight_min) / weight_span * (x / largest_input);
      }
    }
    outputs[i] += product;
    if (!(weight_span > 0 && largest_input > 0)) continue;
    const double counts_per_unit =
        quantum_efficiency * photons * static_cast<double>(length) / (input_sum / largest_input);
    const double mean = counts_per_unit * transmitted;
    const double count = static_cast<double>(sample_poisson(mean, random));
    outputs[i] += largest_input * weight_span * (count - mean) / counts_per_unit;
  }
  return outputs;
}

}  // namespace attojoule::photonics
