// Operands of a few bits: uniform quantisers, and products in integer arithmetic.
//
// A value is code - zero_point steps of size `scale`; codes are 0 .. 2^bits - 1, and 0 is always
// representable, so that padding costs nothing. Weights are quantised per output channel, inputs
// per tensor (Jacob et al., "Quantization and Training of Neural Networks for Efficient
// Integer-Arithmetic-Only Inference", CVPR 2018; Garg et al. 2021 use the same with 8 bits).
// Tests: tests/network/quantisation_test.cpp.
#pragma once

#include <cstdint>
#include <vector>

#include "network/operators.hpp"

namespace attojoule::network {

struct Quantiser {
  float scale = 1;     // step, > 0
  int zero_point = 0;  // code of 0
  int highest = 255;   // 2^bits - 1
};

// The quantiser of `bits` (2 to 16) over [low, high], widened to hold 0. A range of one point gets
// the step 1.
Quantiser make_quantiser(double low, double high, int bits);

// The nearest representable value, to the even code in the middle between two.
float quantise(const Quantiser& quantiser, float value);

// out = the nearest representable value of each.
void fake_quantise(const Quantiser& quantiser, const float* x, std::int64_t count, float* out);

// Codes of an image (height x width x channels) with the padding of `window` around it, which holds
// the code of 0: (height + pads) x (width + pads) x channels. Codes must fit 8 bits.
void quantise_padded(const Quantiser& quantiser, const float* x, const WindowGeometry& window,
                     std::uint8_t* out);

// Of every position and group of `depth` channels: the sum of (code - zero_point), and of its
// square. Exact while depth * highest^2 < 2^31.
void code_sums(const std::uint8_t* codes, int zero_point, std::int64_t positions,
               std::int64_t groups, std::int64_t depth, std::int32_t* sums,
               std::int32_t* square_sums);

// Weights of a product, W[c][k] at c * channel_stride + k * depth_stride.
struct QuantisedWeights {
  std::vector<float> values;             // representable values, laid out as the weights were
  std::vector<std::int8_t> codes;        // code - 2^(bits-1), likewise; empty above 8 bits
  std::vector<float> scale;              // per channel
  std::vector<std::int32_t> zero_point;  // of the shifted codes, per channel
  std::vector<std::int32_t> code_sum;    // sum over k of the shifted codes, per channel
};
QuantisedWeights quantise_weights(const std::vector<float>& weights, int bits,
                                  std::int64_t channels, std::int64_t depth,
                                  std::int64_t channel_stride, std::int64_t depth_stride);

// Longest dot product whose integer sums cannot overflow 32 bits: 255 * 255 * D < 2^31.
inline constexpr std::int64_t longest_integer_product = 33025;

}  // namespace attojoule::network
