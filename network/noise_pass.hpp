// The fused pass over a product's raw accumulators: noise, bias, residual and clamp in one sweep.
//
//   out = clamp(y + sigma z + bias + residual),  sigma^2 = A_c + B_c p + c_y y^2
//
// with A_c = c0 + c_w |w_c|^2, B_c = c_x + c_wx |w_c|^2 per output channel and p = |x|^2 of the
// input vector (photonics/noise_model.hpp), z = standard normal number of the output element.
// Tests: tests/network/noise_pass_test.cpp (against the plain formula over odd sizes).
#pragma once

#include <cstdint>
#include <limits>

#include "photonics/random.hpp"

namespace attojoule::network {

// Accumulators of a product of quantised operands (network/quantisation.hpp): the output is
//   y = scale_c (sum - shift_c - weight_zero_c input_sum)
struct IntegerAccumulators {
  const std::int32_t* sums = nullptr;         // positions x channels; nullptr = not quantised
  const float* scale = nullptr;               // channels
  const std::int32_t* shift = nullptr;        // channels
  const std::int32_t* weight_zero = nullptr;  // channels, or nullptr where all are 0
  const std::int32_t* input_sums = nullptr;   // as the norms; read where weight_zero is given
};

// Rows of `channels` contiguous outputs, one for every input vector. An output's element number for
// the random stream is first_element + row * channels + channel.
struct NoisePass {
  std::int64_t positions = 0;
  std::int64_t channels = 0;
  bool norm_per_channel = false;  // grouped and depthwise convolutions: every channel has its own
  const float* accumulator = nullptr;                   // y, without bias: positions x channels
  IntegerAccumulators integers;                         // instead of `accumulator`
  float* output = nullptr;                              // may be the accumulator or the residual
  const float* bias = nullptr;                          // channels, or nullptr
  const float* residual = nullptr;                      // positions x channels, or nullptr
  float low = -std::numeric_limits<float>::infinity();  // clamp
  float high = std::numeric_limits<float>::infinity();
  const float* norms = nullptr;            // p: positions, or positions x channels
  const float* variance_offset = nullptr;  // A_c: channels
  const float* variance_slope = nullptr;   // B_c: channels
  const float* deviation_slope = nullptr;  // sqrt(B_c), spares a root per output; or nullptr
  const float* signal = nullptr;           // c_y: channels
  bool has_offset = true;                  // false where every A_c and c_y are 0
  // Takes sigma z of every output where sigma is factored (sigma = deviation_slope sqrt(p), no
  // offset, one norm a row); may be the accumulator. nullptr: not wanted.
  float* error = nullptr;
  photonics::RandomStream stream;
  std::uint64_t first_element = 0;
};
void apply_gaussian_noise(const NoisePass& pass);

// Photon counting (Wang et al. 2022; docs/physics/photon_counting.md): the mean count of an output
// is lambda = eta n D (y - w_min S) / (K_W S), S = sum of the inputs, and the error of y is K_W S /
// (eta n D) (Poisson(lambda) - lambda). `norms` holds S; photons: eta n D of every channel.
struct CountedLight {
  double photons = 0;       // sum of lambda: what the detectors count on average
  double transmission = 0;  // sum of lambda / (eta n D) over the outputs
};
CountedLight apply_photon_counting(const NoisePass& pass, const float* photons, float weight_low,
                                   float weight_span);

// Counts of photoelectrons on the two diodes (photonics/homodyne_receiver.hpp): with
//   light = light_c + light_per_input_norm p,  g = gain_c (normalised: / sqrt(norm_scale p +
//   norm_offset)),  offset = offset_c + offset_per_input_norm p,
//   n+- ~ Poisson(dark + (light +- offset +- (1 +- imbalance) g y) / 2)
// the error of y is (n+ - n- - offset) / g - y, and 0 where g is 0. Where both diodes together
// expect 32 counts or more, the difference comes from one normal number of the pass's stream
// (photonics/skellam.hpp), and is coupled to the Gaussian noise of apply_gaussian_noise; below, two
// Poisson numbers are drawn. What the receiver adds is Gaussian with the coefficients of `pass`,
// from the stream of NoiseDomain::read_out.
struct DiodeCounts {
  const float* light = nullptr;  // channels
  const float* gain = nullptr;   // channels
  float light_per_input_norm = 0;
  float dark = 0;
  float imbalance = 0;
  float offset_shift = 0;  // offset_c = offset_shift + offset_per_light light_c
  float offset_per_light = 0;
  float offset_per_input_norm = 0;
  float norm_scale = 1;
  float norm_offset = 0;
  bool normalised = true;
  bool has_residual = false;
};
void apply_photoelectron_counting(const NoisePass& pass, const DiodeCounts& counts);

// The sweep with rounding in the place of noise: y becomes the nearest of low + i step (step 0: y
// stays).
void apply_rounding(const NoisePass& pass, float low, float step);

// The sweep without noise: out = clamp(y + bias + residual).
void apply_epilogue(const NoisePass& pass);

// y of one output, without bias.
float accumulated(const NoisePass& pass, std::int64_t position, std::int64_t channel);

}  // namespace attojoule::network
