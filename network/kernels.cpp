#include "network/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "network/loop_nest.hpp"

HWY_BEFORE_NAMESPACE();
namespace attojoule::network {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;

// Three values a row (colours), a vector of rows at once. Returns the rows done.
template <bool squared>
std::int64_t SumTriples(const float* x, std::int64_t rows, float* sums) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t row = 0;
  for (; row + lanes <= rows; row += lanes) {
    auto a = hn::Undefined(d);
    auto b = a;
    auto c = a;
    hn::LoadInterleaved3(d, x + 3 * row, a, b, c);
    const auto sum = squared ? hn::Add(hn::Add(hn::Mul(a, a), hn::Mul(b, b)), hn::Mul(c, c))
                             : hn::Add(hn::Add(a, b), c);
    hn::StoreU(sum, d, sums + row);
  }
  return row;
}

// Sums of rows of contiguous values, squared or not; the rows begin `step` values apart.
template <bool squared>
void SumRows(const float* x, std::int64_t rows, std::int64_t depth, std::int64_t step,
             float* sums) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t row = 0;
  if (depth == 3 && step == 3) {
    row = SumTriples<squared>(x, rows, sums);
    x += row * step;
  }
  for (; row < rows; ++row, x += step) {
    auto sum0 = hn::Zero(d);
    auto sum1 = hn::Zero(d);
    std::int64_t i = 0;
    for (; i + 2 * lanes <= depth; i += 2 * lanes) {
      const auto a = hn::LoadU(d, x + i);
      const auto b = hn::LoadU(d, x + i + lanes);
      sum0 = squared ? hn::MulAdd(a, a, sum0) : hn::Add(sum0, a);
      sum1 = squared ? hn::MulAdd(b, b, sum1) : hn::Add(sum1, b);
    }
    if (i + lanes <= depth) {
      const auto a = hn::LoadU(d, x + i);
      sum0 = squared ? hn::MulAdd(a, a, sum0) : hn::Add(sum0, a);
      i += lanes;
    }
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
    for (; i < depth; ++i) sum += squared ? x[i] * x[i] : x[i];
    sums[row] = sum;
  }
}

void Squares(const float* x, std::int64_t count, float* out) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto a = hn::LoadU(d, x + i);
    hn::StoreU(hn::Mul(a, a), d, out + i);
  }
  for (; i < count; ++i) out[i] = x[i] * x[i];
}

template <class Number>
HWY_INLINE void Accumulate(const Number* x, std::int64_t count, Number* out) {
  const hn::ScalableTag<Number> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, out + i)), d, out + i);
  }
  for (; i < count; ++i) out[i] += x[i];
}

void AddFloats(const float* x, std::int64_t count, float* out) {
  Accumulate(x, count, out);
}
void AddIntegers(const std::int32_t* x, std::int64_t count, std::int32_t* out) {
  Accumulate(x, count, out);
}

void SumRowsOfSquares(const float* x, std::int64_t rows, std::int64_t depth, std::int64_t step,
                      float* sums) {
  SumRows<true>(x, rows, depth, step, sums);
}
void SumRowsOfValues(const float* x, std::int64_t rows, std::int64_t depth, std::int64_t step,
                     float* sums) {
  SumRows<false>(x, rows, depth, step, sums);
}

// out (+)= x^2
template <bool add>
HWY_INLINE void SquaresRow(const float* x, std::int64_t count, float* out) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto a = hn::LoadU(d, x + i);
    hn::StoreU(add ? hn::MulAdd(a, a, hn::LoadU(d, out + i)) : hn::Mul(a, a), d, out + i);
  }
  const hn::CappedTag<float, 1> one;
  for (; i < count; ++i) {
    const auto a = hn::LoadU(one, x + i);
    hn::StoreU(add ? hn::MulAdd(a, a, hn::LoadU(one, out + i)) : hn::Mul(a, a), one, out + i);
  }
}

// out[c] = sum over `columns` columns, `step` values apart, of their c-th value.
HWY_INLINE void SumOfColumns(const float* x, std::int64_t columns, std::int64_t step,
                             std::int64_t channels, float* out) {
  const auto run = [&](auto d, std::int64_t i) HWY_ATTR {
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    for (; i + lanes <= channels; i += lanes) {
      auto sum = hn::Zero(d);
      for (std::int64_t k = 0; k < columns; ++k) {
        sum = hn::Add(sum, hn::LoadU(d, x + k * step + i));
      }
      hn::StoreU(sum, d, out + i);
    }
    return i;
  };
  run(hn::CappedTag<float, 1>(), run(Floats(), 0));
}

void WindowSquares(const float* x, const WindowGeometry& g, std::int64_t channels, float* row,
                   float* out) {
  const std::int64_t in_row = g.input[1] * channels;
  const std::int64_t out_row = g.output[1] * channels;
  for (std::int64_t oy = 0; oy < g.output[0]; ++oy, out += out_row) {
    bool first = true;
    for (std::int64_t k = 0; k < g.kernel[0]; ++k) {
      const std::int64_t y = oy * g.stride[0] + k * g.dilation[0] - g.pad_begin[0];
      if (y < 0 || y >= g.input[0]) continue;
      first ? SquaresRow<false>(x + y * in_row, in_row, row)
            : SquaresRow<true>(x + y * in_row, in_row, row);
      first = false;
    }
    if (first) std::fill_n(row, static_cast<std::size_t>(in_row), 0.0f);
    for (std::int64_t ox = 0; ox < g.output[1]; ++ox) {
      const std::int64_t start = ox * g.stride[1] - g.pad_begin[1];
      std::int64_t from = 0;
      while (from < g.kernel[1] && start + from * g.dilation[1] < 0) ++from;
      std::int64_t to = g.kernel[1];
      while (to > from && start + (to - 1) * g.dilation[1] >= g.input[1]) --to;
      SumOfColumns(row + (start + from * g.dilation[1]) * channels, to - from,
                   g.dilation[1] * channels, channels, out + ox * channels);
    }
  }
}

template <class Vector>
Vector Combine(BinaryOperation operation, Vector a, Vector b) {
  switch (operation) {
    case BinaryOperation::add:
      return hn::Add(a, b);
    case BinaryOperation::subtract:
      return hn::Sub(a, b);
    case BinaryOperation::multiply:
      return hn::Mul(a, b);
    case BinaryOperation::divide:
      return hn::Div(a, b);
    case BinaryOperation::minimum:
      return hn::Min(a, b);
    default:
      return hn::Max(a, b);
  }
}

// One contiguous run; a or b may be one number for all.
void BinaryRun(BinaryOperation operation, const float* a, bool a_single, const float* b,
               bool b_single, float* out, std::int64_t count) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto a0 = hn::Set(d, *a);
  const auto b0 = hn::Set(d, *b);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto x = a_single ? a0 : hn::LoadU(d, a + i);
    const auto y = b_single ? b0 : hn::LoadU(d, b + i);
    hn::StoreU(Combine(operation, x, y), d, out + i);
  }
  const hn::CappedTag<float, 1> one;
  for (; i < count; ++i) {
    const auto x = hn::LoadU(one, a + (a_single ? 0 : i));
    const auto y = hn::LoadU(one, b + (b_single ? 0 : i));
    hn::StoreU(Combine(operation, x, y), one, out + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attojoule::network
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attojoule::network {

HWY_EXPORT(SumRowsOfSquares);
HWY_EXPORT(SumRowsOfValues);
HWY_EXPORT(Squares);
HWY_EXPORT(WindowSquares);
HWY_EXPORT(AddFloats);
HWY_EXPORT(AddIntegers);
HWY_EXPORT(BinaryRun);

namespace {

void add_to(const float* x, std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(AddFloats)(x, count, out);
}
void add_to(const std::int32_t* x, std::int64_t count, std::int32_t* out) {
  HWY_DYNAMIC_DISPATCH(AddIntegers)(x, count, out);
}

template <class Number>
void sum_windows(const Number* map, const WindowGeometry& g, std::int64_t channels, Number* scratch,
                 Number* out) {
  // The outputs whose k-th tap lies inside the input, [first, last).
  const auto inside = [&g](std::size_t axis, std::int64_t k) {
    const std::int64_t shift = k * g.dilation[axis] - g.pad_begin[axis];
    const std::int64_t stride = g.stride[axis];
    const std::int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const std::int64_t room = g.input[axis] - 1 - shift;
    const std::int64_t last = room < 0 ? 0 : std::min(g.output[axis], room / stride + 1);
    return std::pair{first, last};
  };
  const auto rows = static_cast<std::size_t>(g.input[0]);
  const std::int64_t in_row = g.input[1] * channels;
  const std::int64_t out_row = g.output[1] * channels;
  std::fill_n(scratch, rows * static_cast<std::size_t>(out_row), Number{0});
  for (std::int64_t y = 0; y < g.input[0]; ++y) {
    for (std::int64_t k = 0; k < g.kernel[1]; ++k) {
      const auto [first, last] = inside(1, k);
      if (first >= last) continue;
      const Number* from =
          map + y * in_row + (first * g.stride[1] + k * g.dilation[1] - g.pad_begin[1]) * channels;
      Number* to = scratch + y * out_row + first * channels;
      if (g.stride[1] == 1) {
        add_to(from, (last - first) * channels, to);
      } else if (channels == 1) {
        for (std::int64_t i = 0; i < last - first; ++i) to[i] += from[i * g.stride[1]];
      } else {
        for (std::int64_t i = 0; i < last - first; ++i) {
          add_to(from + i * g.stride[1] * channels, channels, to + i * channels);
        }
      }
    }
  }
  std::fill_n(out, static_cast<std::size_t>(g.output[0] * out_row), Number{0});
  for (std::int64_t k = 0; k < g.kernel[0]; ++k) {
    const auto [first, last] = inside(0, k);
    for (std::int64_t oy = first; oy < last; ++oy) {
      const std::int64_t y = oy * g.stride[0] + k * g.dilation[0] - g.pad_begin[0];
      add_to(scratch + y * out_row, out_row, out + oy * out_row);
    }
  }
}

}  // namespace

void copy_strided(const float* src, const Shape& src_strides, float* dst, const Shape& dst_strides,
                  const Shape& shape) {
  if (is_empty(shape)) return;
  const LoopNest<2> nest(shape, {&src_strides, &dst_strides});
  const auto inner = nest.axes.back();
  nest.for_each_run([&](const std::array<std::int64_t, 2>& offsets) {
    const float* from = src + offsets[0];
    float* to = dst + offsets[1];
    if (inner.strides[0] == 1 && inner.strides[1] == 1) {
      std::memcpy(to, from, static_cast<std::size_t>(inner.extent) * sizeof(float));
      return;
    }
    for (std::int64_t i = 0; i < inner.extent; ++i) {
      to[i * inner.strides[1]] = from[i * inner.strides[0]];
    }
  });
}

void apply_binary(BinaryOperation operation, const float* a, const Shape& a_strides, const float* b,
                  const Shape& b_strides, float* out, const Shape& out_strides,
                  const Shape& shape) {
  if (is_empty(shape)) return;
  const LoopNest<3> nest(shape, {&a_strides, &b_strides, &out_strides});
  const auto inner = nest.axes.back();
  const bool runs = (inner.strides[0] == 0 || inner.strides[0] == 1) &&
                    (inner.strides[1] == 0 || inner.strides[1] == 1) && inner.strides[2] == 1 &&
                    operation != BinaryOperation::power;
  const auto scalar = [operation](float x, float y) {
    switch (operation) {
      case BinaryOperation::add:
        return x + y;
      case BinaryOperation::subtract:
        return x - y;
      case BinaryOperation::multiply:
        return x * y;
      case BinaryOperation::divide:
        return x / y;
      case BinaryOperation::minimum:
        return std::min(x, y);
      case BinaryOperation::maximum:
        return std::max(x, y);
      case BinaryOperation::power:
        return std::pow(x, y);
    }
    return x;
  };
  nest.for_each_run([&](const std::array<std::int64_t, 3>& offsets) {
    const float* x = a + offsets[0];
    const float* y = b + offsets[1];
    float* to = out + offsets[2];
    if (runs) {
      HWY_DYNAMIC_DISPATCH(BinaryRun)
      (operation, x, inner.strides[0] == 0, y, inner.strides[1] == 0, to, inner.extent);
      return;
    }
    for (std::int64_t i = 0; i < inner.extent; ++i) {
      to[i * inner.strides[2]] = scalar(x[i * inner.strides[0]], y[i * inner.strides[1]]);
    }
  });
}

void sum_of_squares(const float* x, std::int64_t positions, std::int64_t groups, std::int64_t depth,
                    float* sums, std::int64_t every) {
  if (depth == 1 && every == 1) {
    HWY_DYNAMIC_DISPATCH(Squares)(x, positions * groups, sums);
  } else {
    HWY_DYNAMIC_DISPATCH(SumRowsOfSquares)(x, positions * groups, depth, depth * every, sums);
  }
}

void sum_of_values(const float* x, std::int64_t positions, std::int64_t groups, std::int64_t depth,
                   float* sums, std::int64_t every) {
  if (depth == 1 && every == 1) {
    std::memcpy(sums, x, static_cast<std::size_t>(positions * groups) * sizeof(float));
  } else {
    HWY_DYNAMIC_DISPATCH(SumRowsOfValues)(x, positions * groups, depth, depth * every, sums);
  }
}

void window_squares(const float* x, const WindowGeometry& geometry, std::int64_t channels,
                    float* row, float* out) {
  HWY_DYNAMIC_DISPATCH(WindowSquares)(x, geometry, channels, row, out);
}

void window_sum(const float* map, const WindowGeometry& geometry, std::int64_t channels,
                float* scratch, float* out) {
  sum_windows(map, geometry, channels, scratch, out);
}

void window_sum(const std::int32_t* map, const WindowGeometry& geometry, std::int64_t channels,
                std::int32_t* scratch, std::int32_t* out) {
  sum_windows(map, geometry, channels, scratch, out);
}

}  // namespace attojoule::network
#endif  // HWY_ONCE
