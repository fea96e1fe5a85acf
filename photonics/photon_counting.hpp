// Incoherent photon counting: a layer whose outputs are counted photons.
//
// Inputs are light intensities (x >= 0), weights are transmissions, and each output y_i of a layer
// is the number of photons that its detector counts. For weights w (M x D) and an input x, with
// w_min = min w, K_W = max w - w_min, K_X = max x:
//
//   transmissions  t_ij = (w_ij - w_min) / K_W,   intensities  v_j = x_j / K_X
//   light          n_0  = n D / sum_j v_j         photons a unit of intensity
//   counts         N_i ~ Poisson(lambda_i),       lambda_i = n_0 sum_j t_ij v_j
//   output         y_i  = sum_j w_ij x_j + b_i + K_X K_W (N_i - lambda_i) / n_0
//
// n photons per multiplication reach the weights; the detector sees n times the mean transmission.
// K_X cancels. With S = sum_j x_j and y without the bias,
//
//   lambda = n D (y - w_min S) / (K_W S),   noise = K_W S / (n D) (N - lambda),
//
// which is all that an executor needs: y from its matrix product, and S. A quantum efficiency eta
// thins the counts: n becomes eta n in both formulas. Repetitions add up to more light: n is
// multiplied by K.
//
// Validity: ideal single-photon counting; no dark counts, dead time, crosstalk or transmission
// error. The offset w_min is subtracted digitally and is free of noise, as in the publication.
// Source: Wang et al., "An optical neural network using less than 1 photon per multiplication",
// Nat. Commun. 13, 123 (2022). Tests: tests/physics/photon_counting_test.cpp.
// Text: docs/physics/photon_counting.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "photonics/noise_model.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::photonics {

// The law for all outputs of one input vector (one sample, or one patch of a convolution).
struct CountingScale {
  float dark_level = 0;    // w_min S: the y at which no light comes through
  float counts_per_y = 0;  // eta n D / (K_W S)
  float y_per_count = 0;   // its inverse

  float mean_count(float y) const {
    // y and S are rounded sums: an output whose weights are all w_min can come out below the level.
    const float above = y - dark_level;
    return above > 0 ? above * counts_per_y : 0.0f;
  }
  float noise(float count, float mean) const { return (count - mean) * y_per_count; }
};

// The law for one layer.
struct CountingLaw {
  double length = 0;                      // D
  double weight_min = 0;                  // w_min, in the units of w
  double weight_span = 0;                 // K_W >= 0
  double photons_per_multiplication = 0;  // n, incident on the weights, repetitions included
  double quantum_efficiency = 1;          // counts per photon

  // `input_sum` = S >= 0. Without light (S = 0) or contrast (K_W = 0) the scale is zero: y is known
  // without a measurement and carries no noise.
  // Throws ConfigError where S is negative or not finite.
  CountingScale scale(double input_sum) const;
};

// Law of a layer with these weights (all of them, any order). `model` comes from
// compile_noise_model(Law::counting).
// Throws ConfigError where there are no weights or one is not finite.
CountingLaw counting_law(const NoiseModel& model, std::int64_t length,
                         std::span<const float> weights);

// means[i] = mean count of the output y[i] (without bias), all of one input vector.
void counting_means(const CountingScale& scale, std::span<const float> y, std::span<float> means);

// y[i] += noise of the drawn counts[i], whose means are means[i].
void add_counting_noise(const CountingScale& scale, std::span<const float> means,
                        std::span<const float> counts, std::span<float> y);

// Share of the incident light that the detectors of a layer see, over outputs and inputs. The mean
// times photons_per_multiplication is the number of photons detected per multiplication.
class TransmissionStatistics {
 public:
  // All outputs of one input vector: a transmission is mean count / (eta n D).
  void add(const CountingLaw& law, std::span<const float> means);
  void merge(const TransmissionStatistics& other);

  std::int64_t outputs() const { return outputs_; }
  double mean() const { return outputs_ > 0 ? sum_ / static_cast<double>(outputs_) : 0; }
  double smallest() const { return smallest_; }
  double largest() const { return largest_; }

 private:
  std::int64_t outputs_ = 0;
  double sum_ = 0;
  double smallest_ = 1;
  double largest_ = 0;
};

// Mean of t over the weights of a layer: the transmission of light spread evenly over the inputs.
// 0 where all weights are equal.
double mean_weight_transmission(std::span<const float> weights);

// The law in its plain form, step by step in double precision: outputs of one layer for one input.
// `weights` row major, M x D with M = bias.size(); `photons` = n. The reference of the tests.
// Throws ConfigError where an input is negative, RunError where sizes do not fit.
std::vector<double> photon_counting_layer(std::span<const float> weights,
                                          std::span<const float> bias,
                                          std::span<const float> inputs, double photons,
                                          double quantum_efficiency, RandomSequence& random);

}  // namespace attojoule::photonics
