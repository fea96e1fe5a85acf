#include "network/backward_kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/backward_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "network/loop_nest.hpp"

HWY_BEFORE_NAMESPACE();
namespace attojoule::network {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

enum class Law {
  none,  // clamp and residual only
  kept,  // sigma z is at hand; sigma = sqrt(B_c p), one norm for the row
  general,
};

// Channels [first, first + count) of row `position`; z belongs to the stretch's first element.
struct Stretch {
  std::int64_t position, first, count;
  const float* z;
};

// 1 / sigma, and 0 where sigma is 0.
template <class Tag, class Vector>
HWY_INLINE Vector Inverse(Tag d, Vector variance) {
  const auto zero = hn::Zero(d);
  return hn::IfThenElse(hn::Gt(variance, zero), hn::Div(hn::Set(d, 1.0f), hn::Sqrt(variance)),
                        zero);
}

template <Law law, bool single_norm, class Tag>
HWY_INLINE std::int64_t Run(Tag d, const NoiseGradient& pass, const Stretch& s, std::int64_t i,
                            float& norm_sum) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t base = s.position * pass.channels + s.first;
  const bool clamped = pass.output != nullptr;
  const auto low = hn::Set(d, pass.low);
  const auto high = hn::Set(d, pass.high);
  const auto half = hn::Set(d, 0.5f);
  const float norm = law != Law::none && single_norm ? pass.norms[s.position] : 0.0f;
  const auto norms = hn::Set(d, norm);
  auto sum = hn::Zero(d);
  for (; i + lanes <= s.count; i += lanes) {
    auto g = hn::LoadU(d, pass.gradient + base + i);
    if (clamped) {
      const auto out = hn::LoadU(d, pass.output + base + i);
      g = hn::IfThenElseZero(hn::And(hn::Gt(out, low), hn::Lt(out, high)), g);
    }
    if (pass.residual != nullptr) {
      float* to = pass.residual + base + i;
      hn::StoreU(pass.add_residual ? hn::Add(hn::LoadU(d, to), g) : g, d, to);
    }
    const std::int64_t c = s.first + i;
    if constexpr (law == Law::kept) {
      // With e = sigma z: dL/dB_c = sum g e / (2 B_c), dL/dp = sum_c g e / (2 p); the divisions
      // are left to the end.
      const auto ge = hn::Mul(g, hn::LoadU(d, pass.error + base + i));
      float* slope = pass.slope_gradient + c;
      hn::StoreU(hn::Add(ge, hn::LoadU(d, slope)), d, slope);
      sum = hn::Add(sum, ge);
    } else if constexpr (law == Law::general) {
      const auto p = single_norm ? norms : hn::LoadU(d, pass.norms + base + i);
      const auto slope = hn::LoadU(d, pass.variance_slope + c);
      auto variance = hn::Mul(slope, p);
      auto y = hn::Zero(d);
      auto signal = hn::Zero(d);
      if (pass.has_offset) {
        y = hn::LoadU(d, pass.accumulator + base + i);
        signal = hn::LoadU(d, pass.signal + c);
        variance = hn::Add(variance, hn::LoadU(d, pass.variance_offset + c));
        variance = hn::MulAdd(hn::Mul(signal, y), y, variance);
      }
      // t = g z / (2 sigma)
      const auto t =
          hn::Mul(hn::Mul(hn::Mul(g, half), hn::LoadU(d, s.z + i)), Inverse(d, variance));
      const auto by_norm = hn::Mul(t, slope);
      if (single_norm) {
        sum = hn::Add(sum, by_norm);
      } else if (pass.norm_gradient != nullptr) {
        hn::StoreU(by_norm, d, pass.norm_gradient + base + i);
      }
      const auto add = [&](float* sums, auto value) {
        hn::StoreU(hn::Add(hn::LoadU(d, sums + c), value), d, sums + c);
      };
      add(pass.slope_gradient, hn::Mul(t, p));
      if (pass.has_offset) {
        add(pass.offset_gradient, t);
        const auto ty = hn::Mul(t, y);
        add(pass.signal_gradient, hn::Mul(ty, y));
        g = hn::MulAdd(hn::Add(ty, ty), signal, g);
      }
    }
    hn::StoreU(g, d, pass.gradient + base + i);
  }
  if constexpr (law == Law::kept) {
    if (norm > 0) norm_sum += hn::GetLane(hn::SumOfLanes(d, sum)) * 0.5f / norm;
  } else if constexpr (law == Law::general && single_norm) {
    norm_sum += hn::GetLane(hn::SumOfLanes(d, sum));
  }
  return i;
}

template <Law law, bool single_norm>
void Sweep(const NoiseGradient& pass, std::int64_t begin, std::int64_t end, const float* z) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  Stretch s{begin / pass.channels, begin % pass.channels, 0, z};
  while (begin < end) {
    s.count = std::min(pass.channels - s.first, end - begin);
    float norm_sum = 0;
    const std::int64_t done = Run<law, single_norm>(d, pass, s, 0, norm_sum);
    Run<law, single_norm>(one, pass, s, done, norm_sum);
    if (law != Law::none && single_norm && pass.norm_gradient != nullptr) {
      float& target = pass.norm_gradient[s.position];
      target = s.first == 0 ? norm_sum : target + norm_sum;
    }
    s.z += s.count;
    begin += s.count;
    s.first = 0;
    ++s.position;
  }
}

void CarryTile(const NoiseGradient& pass, bool kept, std::int64_t begin, std::int64_t end,
               const float* z) {
  if (!pass.noisy) {
    Sweep<Law::none, true>(pass, begin, end, z);
  } else if (kept) {
    Sweep<Law::kept, true>(pass, begin, end, z);
  } else if (pass.norm_per_channel) {
    Sweep<Law::general, false>(pass, begin, end, z);
  } else {
    Sweep<Law::general, true>(pass, begin, end, z);
  }
}

template <class Tag>
HWY_INLINE std::int64_t NormRun(Tag d, const float* x, float factor, const float* extra,
                                std::int64_t count, float* gradient, std::int64_t i) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto f = hn::Set(d, factor);
  for (; i + lanes <= count; i += lanes) {
    auto value = hn::LoadU(d, gradient + i);
    value = x != nullptr ? hn::MulAdd(f, hn::LoadU(d, x + i), value) : hn::Add(value, f);
    if (extra != nullptr) value = hn::Add(value, hn::LoadU(d, extra + i));
    hn::StoreU(value, d, gradient + i);
  }
  return i;
}

// One group per position (or a factor for every value: depth 1).
void NormRows(const float* x, float scale, const float* factor, const float* extra,
              std::int64_t rows, std::int64_t depth, float* gradient) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  if (depth == 1) {
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    std::int64_t i = 0;
    const auto go = [&](auto tag, std::int64_t step) {
      for (; i + step <= rows; i += step) {
        auto value = hn::LoadU(tag, gradient + i);
        const auto f = hn::Mul(hn::Set(tag, scale), hn::LoadU(tag, factor + i));
        value = x != nullptr ? hn::MulAdd(f, hn::LoadU(tag, x + i), value) : hn::Add(value, f);
        if (extra != nullptr) value = hn::Add(value, hn::LoadU(tag, extra + i));
        hn::StoreU(value, tag, gradient + i);
      }
    };
    go(d, lanes);
    go(one, 1);
    return;
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t at = row * depth;
    const float* x_row = x == nullptr ? nullptr : x + at;
    const float* extra_row = extra == nullptr ? nullptr : extra + at;
    const std::int64_t done =
        NormRun(d, x_row, scale * factor[row], extra_row, depth, gradient + at, 0);
    NormRun(one, x_row, scale * factor[row], extra_row, depth, gradient + at, done);
  }
}

void AddRun(const float* x, std::int64_t count, float* out) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, out + i), hn::LoadU(d, x + i)), d, out + i);
  }
  for (; i < count; ++i) out[i] += x[i];
}

// out[i] += factor a[i] b[i]; a or b may be one number for all.
void AddProductRun(float factor, const float* a, bool a_single, const float* b, bool b_single,
                   float* out, std::int64_t count) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  std::int64_t i = 0;
  const auto go = [&](auto tag) {
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(tag));
    for (; i + lanes <= count; i += lanes) {
      const auto x = a_single ? hn::Set(tag, *a) : hn::LoadU(tag, a + i);
      const auto y = b_single ? hn::Set(tag, *b) : hn::LoadU(tag, b + i);
      const auto scaled = hn::Mul(hn::Set(tag, factor), x);
      hn::StoreU(hn::MulAdd(scaled, y, hn::LoadU(tag, out + i)), tag, out + i);
    }
  };
  go(d);
  go(one);
}

}  // namespace HWY_NAMESPACE
}  // namespace attojoule::network
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attojoule::network {

HWY_EXPORT(CarryTile);
HWY_EXPORT(NormRows);
HWY_EXPORT(AddRun);
HWY_EXPORT(AddProductRun);

namespace {

constexpr std::int64_t tile_size = 2048;

// Calls body(element, position, channel) for every output.
template <class Body>
void for_each_output(std::int64_t positions, std::int64_t channels, Body body) {
  std::int64_t element = 0;
  for (std::int64_t p = 0; p < positions; ++p) {
    for (std::int64_t c = 0; c < channels; ++c) body(element++, p, c);
  }
}

}  // namespace

void carry_noise_gradient(const NoiseGradient& pass) {
  alignas(64) std::array<float, tile_size> normals;
  const bool kept =
      pass.noisy && !pass.has_offset && !pass.norm_per_channel && pass.error != nullptr;
  const std::int64_t count = pass.positions * pass.channels;
  NoiseGradient own = pass;
  if (pass.low == -std::numeric_limits<float>::infinity() &&
      pass.high == std::numeric_limits<float>::infinity()) {
    own.output = nullptr;
  }
  if (!pass.noisy && own.output == nullptr && pass.residual == nullptr) return;
  // Sums of this pass alone, so that the division below does not touch what was there before.
  std::vector<float> slope_sums;
  if (kept) {
    slope_sums.assign(static_cast<std::size_t>(pass.channels), 0.0f);
    own.slope_gradient = slope_sums.data();
  }
  for (std::int64_t begin = 0; begin < count; begin += tile_size) {
    const std::int64_t end = std::min(begin + tile_size, count);
    if (pass.noisy && !kept) {
      photonics::fill_normal(pass.stream, pass.first_element + static_cast<std::uint64_t>(begin),
                             std::span(normals).first(static_cast<std::size_t>(end - begin)));
    }
    HWY_DYNAMIC_DISPATCH(CarryTile)(own, kept, begin, end, normals.data());
  }
  for (std::size_t c = 0; c < slope_sums.size(); ++c) {
    const float slope = pass.variance_slope[c];
    if (slope > 0) pass.slope_gradient[c] += 0.5f * slope_sums[c] / slope;
  }
}

void add_squared_gradients(const float* gradient, const float* accumulator, const float* norms,
                           bool norm_per_channel, std::int64_t positions, std::int64_t channels,
                           double* offset, double* slope, double* signal) {
  for_each_output(positions, channels, [&](std::int64_t i, std::int64_t p, std::int64_t c) {
    const double square = 0.5 * gradient[i] * gradient[i];
    const double y = accumulator[i];
    offset[c] += square;
    slope[c] += square * norms[norm_per_channel ? i : p];
    signal[c] += square * y * y;
  });
}

void add_channel_products(const float* a, const float* b, std::int64_t positions,
                          std::int64_t channels, double* sums) {
  for_each_output(positions, channels, [&](std::int64_t i, std::int64_t, std::int64_t c) {
    sums[c] += static_cast<double>(a[i]) * b[i];
  });
}

void carry_counting_gradient(const NoiseGradient& pass, const float* photons, float weight_low,
                             float weight_span, double* log_photons) {
  NoiseGradient clean = pass;
  clean.noisy = false;
  carry_noise_gradient(clean);
  std::vector<float> normals(static_cast<std::size_t>(pass.positions * pass.channels));
  photonics::fill_normal(pass.stream, pass.first_element, normals);
  if (pass.norm_gradient != nullptr) {
    std::fill_n(pass.norm_gradient,
                pass.norm_per_channel ? pass.positions * pass.channels : pass.positions, 0.0f);
  }
  for_each_output(
      pass.positions, pass.channels, [&](std::int64_t i, std::int64_t p, std::int64_t c) {
        const std::int64_t at = pass.norm_per_channel ? i : p;
        const float sum = pass.norms[at];
        const float above = pass.accumulator[i] - weight_low * sum;
        if (!(sum > 0) || !(above > 0)) return;
        const float variance = weight_span * sum * above / photons[c];
        const float sigma = std::sqrt(variance);
        const float g = pass.gradient[i];
        const float t =
            g * normals[static_cast<std::size_t>(i)] * weight_span / (2 * sigma * photons[c]);
        log_photons[c] -= 0.5 * g * normals[static_cast<std::size_t>(i)] * sigma;
        pass.gradient[i] = g + t * sum;
        if (pass.norm_gradient != nullptr) {
          pass.norm_gradient[at] += t * (pass.accumulator[i] - 2 * weight_low * sum);
        }
      });
}

void add_counting_curvature(const NoiseGradient& pass, const float* photons, float weight_low,
                            float weight_span, double* sums) {
  for_each_output(
      pass.positions, pass.channels, [&](std::int64_t i, std::int64_t p, std::int64_t c) {
        const double sum = pass.norms[pass.norm_per_channel ? i : p];
        const double above = pass.accumulator[i] - weight_low * sum;
        if (!(sum > 0) || !(above > 0)) return;
        sums[c] +=
            0.5 * pass.gradient[i] * pass.gradient[i] * weight_span * sum * above / photons[c];
      });
}

void window_spread(const float* sums, const WindowGeometry& g, std::int64_t channels,
                   float* scratch, float* map) {
  // The outputs whose k-th tap lies inside the input, as in window_sum.
  const auto inside = [&g](std::size_t axis, std::int64_t k) {
    const std::int64_t shift = k * g.dilation[axis] - g.pad_begin[axis];
    const std::int64_t stride = g.stride[axis];
    const std::int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const std::int64_t room = g.input[axis] - 1 - shift;
    const std::int64_t last = room < 0 ? 0 : std::min(g.output[axis], room / stride + 1);
    return std::pair{first, last};
  };
  const std::int64_t in_row = g.input[1] * channels;
  const std::int64_t out_row = g.output[1] * channels;
  std::fill_n(scratch, g.input[0] * out_row, 0.0f);
  for (std::int64_t k = 0; k < g.kernel[0]; ++k) {
    const auto [first, last] = inside(0, k);
    for (std::int64_t oy = first; oy < last; ++oy) {
      const std::int64_t y = oy * g.stride[0] + k * g.dilation[0] - g.pad_begin[0];
      HWY_DYNAMIC_DISPATCH(AddRun)(sums + oy * out_row, out_row, scratch + y * out_row);
    }
  }
  std::fill_n(map, g.input[0] * in_row, 0.0f);
  for (std::int64_t y = 0; y < g.input[0]; ++y) {
    for (std::int64_t k = 0; k < g.kernel[1]; ++k) {
      const auto [first, last] = inside(1, k);
      if (first >= last) continue;
      const float* from = scratch + y * out_row + first * channels;
      float* to =
          map + y * in_row + (first * g.stride[1] + k * g.dilation[1] - g.pad_begin[1]) * channels;
      if (g.stride[1] == 1) {
        HWY_DYNAMIC_DISPATCH(AddRun)(from, (last - first) * channels, to);
        continue;
      }
      for (std::int64_t i = 0; i < last - first; ++i) {
        for (std::int64_t c = 0; c < channels; ++c) {
          to[i * g.stride[1] * channels + c] += from[i * channels + c];
        }
      }
    }
  }
}

void add_norm_gradient(const float* x, float scale, const float* factor, const float* extra,
                       std::int64_t positions, std::int64_t groups, std::int64_t depth,
                       float* gradient) {
  HWY_DYNAMIC_DISPATCH(NormRows)(x, scale, factor, extra, positions * groups, depth, gradient);
}

void add_strided(const float* src, const Shape& src_strides, float* dst, const Shape& dst_strides,
                 const Shape& shape) {
  if (is_empty(shape)) return;
  const LoopNest<2> nest(shape, {&src_strides, &dst_strides});
  const auto inner = nest.axes.back();
  nest.for_each_run([&](const std::array<std::int64_t, 2>& offsets) {
    const float* from = src + offsets[0];
    float* to = dst + offsets[1];
    if (inner.strides[0] == 1 && inner.strides[1] == 1) {
      HWY_DYNAMIC_DISPATCH(AddRun)(from, inner.extent, to);
      return;
    }
    for (std::int64_t i = 0; i < inner.extent; ++i) {
      to[i * inner.strides[1]] += from[i * inner.strides[0]];
    }
  });
}

void add_strided_product(float factor, const float* a, const Shape& a_strides, const float* b,
                         const Shape& b_strides, float* dst, const Shape& dst_strides,
                         const Shape& shape) {
  if (is_empty(shape)) return;
  const LoopNest<3> nest(shape, {&a_strides, &b_strides, &dst_strides});
  const auto inner = nest.axes.back();
  const bool runs = (inner.strides[0] == 0 || inner.strides[0] == 1) &&
                    (inner.strides[1] == 0 || inner.strides[1] == 1) && inner.strides[2] == 1;
  nest.for_each_run([&](const std::array<std::int64_t, 3>& offsets) {
    const float* x = a + offsets[0];
    const float* y = b + offsets[1];
    float* to = dst + offsets[2];
    if (runs) {
      HWY_DYNAMIC_DISPATCH(AddProductRun)
      (factor, x, inner.strides[0] == 0, y, inner.strides[1] == 0, to, inner.extent);
      return;
    }
    for (std::int64_t i = 0; i < inner.extent; ++i) {
      to[i * inner.strides[2]] += factor * x[i * inner.strides[0]] * y[i * inner.strides[1]];
    }
  });
}

}  // namespace attojoule::network
#endif  // HWY_ONCE
