// Convolutions with 3 x 3 kernels and stride 1 by Winograd's algorithm F(4 x 4, 3 x 3):
//
//   Y = A^T [ sum_c (G w_kc G^T) . (B^T x_c B) ] A     for every tile of 4 x 4 outputs
//
// which takes 36 multiplications where the definition takes 144 (A. Lavin, S. Gray, "Fast
// algorithms for convolutional neural networks", CVPR 2016; matrices there). Rounding: errors are
// about 10 times those of the definition in float, below 1e-5 of the largest output. Used where it
// is asked for (ProgramOptions::winograd) and where gradients are taken, there in both directions:
// the gradient of the input is the convolution of the output's with the kernel turned round. Same
// results for any number of threads.
//
// Test: tests/network/winograd_kernel_test.cpp, against the definition in double over odd extents.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "network/operators.hpp"

namespace attojoule::network {

// G w G^T of every pair of channels: 36 x outputs / 16 x inputs x 16 outputs.
struct WinogradWeights {
  std::int64_t inputs = 0, outputs = 0;  // channels of this direction
  std::vector<float> values;
};

// Whether the algorithm can take a convolution: kernel 3 x 3, stride and dilation 1, padding 0 to
// 2, input and output channels multiples of 16, at most 512, and 8 tiles or more (with fewer, the
// larger weights take longer to fetch than the multiplications that are saved).
bool fits_winograd(const WindowGeometry& geometry, std::int64_t groups, std::int64_t channels);

// weights: outputs x inputs x 3 x 3. `backward`: of the convolution that carries gradients back.
WinogradWeights winograd_weights(const float* weights, std::int64_t outputs, std::int64_t inputs,
                                 bool backward);

// Other weights, of the same numbers of channels, in their place.
void transform_winograd_weights(const float* weights, bool backward, WinogradWeights& result);

// Floats that winograd_convolution works in.
std::int64_t winograd_room(const WinogradWeights& weights,
                           const std::array<std::int64_t, 2>& output);

// x: input extents x inputs; y: output extents x outputs (channels last, no batch); room:
// winograd_room floats.
struct WinogradPlanes {
  std::array<std::int64_t, 2> input{}, pad_begin{}, output{};
};
void winograd_convolution(const WinogradWeights& weights, const WinogradPlanes& planes,
                          const float* x, float* room, float* y);

}  // namespace attojoule::network
