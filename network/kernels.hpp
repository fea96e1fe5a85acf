// Loops over activations that are not matrix products. Arrays are float; views are strided.
#pragma once

#include <cstdint>
#include <span>

#include "network/operators.hpp"
#include "network/tensor.hpp"

namespace attojoule::network {

// dst[index] = src[index] over `shape`, each side with its own strides (elements).
void copy_strided(const float* src, const Shape& src_strides, float* dst, const Shape& dst_strides,
                  const Shape& shape);

enum class BinaryOperation { add, subtract, multiply, divide, minimum, maximum, power };
// out = a (op) b over `shape`; a stride of 0 broadcasts.
void apply_binary(BinaryOperation operation, const float* a, const Shape& a_strides, const float* b,
                  const Shape& b_strides, float* out, const Shape& out_strides, const Shape& shape);

// sums[position * groups + g] = sum of x^2 (or of x) over the `depth` channels of group g, for
// `positions` rows of groups * depth values. With one group, `every` = n takes every n-th row only.
void sum_of_squares(const float* x, std::int64_t positions, std::int64_t groups, std::int64_t depth,
                    float* sums, std::int64_t every = 1);
void sum_of_values(const float* x, std::int64_t positions, std::int64_t groups, std::int64_t depth,
                   float* sums, std::int64_t every = 1);

// Sum of x^2 over every window of every channel by itself (depthwise): `x` is height x width x
// channels of `geometry.input`, out geometry.output x channels; padding adds nothing. `row` holds
// input width x channels values. The same as squares followed by window_sum, with one pass over
// memory.
void window_squares(const float* x, const WindowGeometry& geometry, std::int64_t channels,
                    float* row, float* out);

// Sums `map` (height x width x channels of `geometry.input`) over every window: out is
// geometry.output x channels; padding adds nothing. `scratch` holds input height x output width x
// channels values.
void window_sum(const float* map, const WindowGeometry& geometry, std::int64_t channels,
                float* scratch, float* out);
void window_sum(const std::int32_t* map, const WindowGeometry& geometry, std::int64_t channels,
                std::int32_t* scratch, std::int32_t* out);

}  // namespace attojoule::network
