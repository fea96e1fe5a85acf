// Loops of the backward pass. The noise of an output is out = clamp(y + sigma z + bias + residual),
// sigma^2 = A_c + B_c p + C_c y^2 (network/noise_pass.hpp); with g = dL/d out inside the clamp:
//
//   dL/dresidual = g
//   dL/dy = g (1 + z C_c y / sigma)
//   dL/dp = sum_c g z B_c / (2 sigma)
//   dL/dA_c = sum g z / (2 sigma), dL/dB_c = sum g z p / (2 sigma), dL/dC_c = sum g z y^2 / (2
//   sigma)
//
// where terms with sigma = 0 are 0. Tests: tests/network/backward_kernels_test.cpp (plain formulas
// over odd sizes), tests/network/energy_gradient_test.cpp. Internal to network/.
#pragma once

#include <cstdint>
#include <limits>

#include "network/operators.hpp"
#include "network/tensor.hpp"
#include "photonics/random.hpp"

namespace attojoule::network {

struct NoiseGradient {
  std::int64_t positions = 0;
  std::int64_t channels = 0;
  bool norm_per_channel = false;
  float* gradient = nullptr;      // in dL/d out, out dL/dy: positions x channels
  const float* output = nullptr;  // of the forward pass; read where a bound is finite
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  float* residual = nullptr;  // dL/dresidual, or nullptr
  bool add_residual = false;  // adds to it, else writes it

  bool noisy = false;                      // the following are read with noise only
  const float* accumulator = nullptr;      // y: positions x channels; read where has_offset
  const float* norms = nullptr;            // p: positions, or positions x channels
  const float* variance_offset = nullptr;  // A_c: channels
  const float* variance_slope = nullptr;   // B_c: channels
  // sigma z as the forward pass drew it (NoisePass::error), instead of drawing it again; read where
  // has_offset is false and the norm is the row's alone. nullptr: drawn again.
  const float* error = nullptr;
  const float* signal = nullptr;   // C_c: channels
  bool has_offset = true;          // false where every A_c and C_c is 0
  float* norm_gradient = nullptr;  // dL/dp, as the norms, or nullptr
  // dL/dA_c, dL/dB_c, dL/dC_c: channels each, added to. Without has_offset only B is.
  float* offset_gradient = nullptr;
  float* slope_gradient = nullptr;
  float* signal_gradient = nullptr;
  photonics::RandomStream stream;
  std::uint64_t first_element = 0;
};
void carry_noise_gradient(const NoiseGradient& pass);

// Sums over positions of g^2/2, g^2 p/2 and g^2 y^2/2 of every channel, added to `offset`, `slope`
// and `signal`: the curvature that A_c, B_c and C_c multiply.
void add_squared_gradients(const float* gradient, const float* accumulator, const float* norms,
                           bool norm_per_channel, std::int64_t positions, std::int64_t channels,
                           double* offset, double* slope, double* signal);

// sums[c] += sum over positions of a b.
void add_channel_products(const float* a, const float* b, std::int64_t positions,
                          std::int64_t channels, double* sums);

// Photon counting (network/noise_pass.hpp): the error of y has the variance K S (y - w_low S) / N_c
// with S the sum of the inputs (`norms`), K = weight_span and N_c = eta n D (`photons`), and z is
// the normal number that the count was drawn from:
//   dL/dy = g (1 + z K S / (2 sigma N_c)),  dL/dS = sum_c g z K (y - 2 w_low S) / (2 sigma N_c)
//   dL/d ln N_c = -1/2 sum g z sigma, added to `log_photons`.
// Outputs without light have no noise.
void carry_counting_gradient(const NoiseGradient& pass, const float* photons, float weight_low,
                             float weight_span, double* log_photons);
// sums[c] += sum over positions of g^2 sigma^2 / 2 of the same law.
void add_counting_curvature(const NoiseGradient& pass, const float* photons, float weight_low,
                            float weight_span, double* sums);

// The adjoint of window_sum (network/kernels.hpp): `map` (input extents x channels) is every
// window's `sums` spread over the inputs it holds. `scratch` as there.
void window_spread(const float* sums, const WindowGeometry& geometry, std::int64_t channels,
                   float* scratch, float* map);

// gradient[position][g][k] += extra[same] + scale factor[position][g] (x[same], or 1 where x is
// nullptr), k < depth. `extra` may be nullptr.
void add_norm_gradient(const float* x, float scale, const float* factor, const float* extra,
                       std::int64_t positions, std::int64_t groups, std::int64_t depth,
                       float* gradient);

// dst[index] += src[index] over `shape`; a dst stride of 0 sums.
void add_strided(const float* src, const Shape& src_strides, float* dst, const Shape& dst_strides,
                 const Shape& shape);
// The same with factor * a[index] * b[index] in place of src.
void add_strided_product(float factor, const float* a, const Shape& a_strides, const float* b,
                         const Shape& b_strides, float* dst, const Shape& dst_strides,
                         const Shape& shape);

}  // namespace attojoule::network
