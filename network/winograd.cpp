#include "network/winograd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/winograd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

// Not for every target again.
#ifndef ATTOJOULE_NETWORK_WINOGRAD_BLOCK
#define ATTOJOULE_NETWORK_WINOGRAD_BLOCK
namespace attojoule::network {

constexpr std::int64_t winograd_step = 4;   // outputs of a tile along an axis
constexpr std::int64_t winograd_reach = 6;  // inputs
constexpr std::int64_t winograd_points = 36;
constexpr std::int64_t winograd_most_lanes = 16;
constexpr std::int64_t winograd_most_channels = 256;
// The transformed weights are four times as large; of fewer tiles, fetching them takes longer than
// the multiplications that are saved.
constexpr std::int64_t winograd_least_tiles = 8;

// Tiles that are worked on together: what they hold stays in the first caches.
struct WinogradBlock {
  static constexpr std::int64_t values = 256;  // tiles x channels aimed at
  static constexpr std::int64_t least_tiles = 4;
  // Stretches of points do not begin at the same address within a page.
  static constexpr std::int64_t gap = 16;
  std::int64_t tiles = 0;
  explicit WinogradBlock(std::int64_t channels)
      : tiles(std::max(least_tiles, values / channels / least_tiles * least_tiles)) {}
  static constexpr std::int64_t room =
      winograd_points * (winograd_most_channels * least_tiles + gap);
};

}  // namespace attojoule::network
#endif

HWY_BEFORE_NAMESPACE();
namespace attojoule::network {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, static_cast<std::size_t>(winograd_most_lanes)>;

// B^T x of six values `step` apart; `to` likewise.
HWY_INLINE void TransformInput(Floats d, const float* const* x, std::int64_t channel, float* to,
                               std::int64_t to_step) {
  const auto load = [&](int i) HWY_ATTR { return hn::LoadU(d, x[i] + channel); };
  const auto x0 = load(0), x1 = load(1), x2 = load(2), x3 = load(3), x4 = load(4), x5 = load(5);
  const auto two = hn::Set(d, 2.0f), four = hn::Set(d, 4.0f), five = hn::Set(d, 5.0f);
  const auto put = [&](int i, auto value) HWY_ATTR { hn::StoreU(value, d, to + i * to_step); };
  const auto even = hn::NegMulAdd(four, x2, x4);
  const auto odd = hn::NegMulAdd(four, x1, x3);
  const auto near_even = hn::Sub(x4, x2);
  const auto near_odd = hn::Mul(two, hn::Sub(x3, x1));
  put(0, hn::MulAdd(four, x0, hn::NegMulAdd(five, x2, x4)));
  put(1, hn::Add(even, odd));
  put(2, hn::Sub(even, odd));
  put(3, hn::Add(near_even, near_odd));
  put(4, hn::Sub(near_even, near_odd));
  put(5, hn::MulAdd(four, x1, hn::NegMulAdd(five, x3, x5)));
}

// A^T m of six values `step` apart, into four.
HWY_INLINE void TransformOutput(Floats d, const float* m, std::int64_t step, float* to,
                                std::int64_t to_step) {
  const auto load = [&](int i) HWY_ATTR { return hn::LoadU(d, m + i * step); };
  const auto m0 = load(0), m1 = load(1), m2 = load(2), m3 = load(3), m4 = load(4), m5 = load(5);
  const auto near_sum = hn::Add(m1, m2), near_difference = hn::Sub(m1, m2);
  const auto far_sum = hn::Add(m3, m4), far_difference = hn::Sub(m3, m4);
  const auto put = [&](int i, auto value) HWY_ATTR { hn::StoreU(value, d, to + i * to_step); };
  put(0, hn::Add(m0, hn::Add(near_sum, far_sum)));
  put(1, hn::MulAdd(hn::Set(d, 2.0f), far_difference, near_difference));
  put(2, hn::MulAdd(hn::Set(d, 4.0f), far_sum, near_sum));
  put(3, hn::Add(hn::MulAdd(hn::Set(d, 8.0f), far_difference, near_difference), m5));
}

// m = v u for four rows of v (rows x depth) and `two` or one vectors of columns out of 16.
template <bool two>
HWY_INLINE void MultiplyRows(Floats d, const float* v, std::int64_t depth, const float* u,
                             std::int64_t columns, float* m) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  const float* v1 = v + depth;
  const float* v2 = v1 + depth;
  const float* v3 = v2 + depth;
  for (std::int64_t k = 0; k < depth; ++k, u += winograd_most_lanes) {
    const auto x0 = hn::Set(d, v[k]), x1 = hn::Set(d, v1[k]), x2 = hn::Set(d, v2[k]),
               x3 = hn::Set(d, v3[k]);
    const auto first = hn::LoadU(d, u);
    a0 = hn::MulAdd(x0, first, a0);
    a1 = hn::MulAdd(x1, first, a1);
    a2 = hn::MulAdd(x2, first, a2);
    a3 = hn::MulAdd(x3, first, a3);
    if constexpr (two) {
      const auto second = hn::LoadU(d, u + lanes);
      b0 = hn::MulAdd(x0, second, b0);
      b1 = hn::MulAdd(x1, second, b1);
      b2 = hn::MulAdd(x2, second, b2);
      b3 = hn::MulAdd(x3, second, b3);
    }
  }
  hn::StoreU(a0, d, m);
  hn::StoreU(a1, d, m + columns);
  hn::StoreU(a2, d, m + 2 * columns);
  hn::StoreU(a3, d, m + 3 * columns);
  if constexpr (two) {
    hn::StoreU(b0, d, m + lanes);
    hn::StoreU(b1, d, m + columns + lanes);
    hn::StoreU(b2, d, m + 2 * columns + lanes);
    hn::StoreU(b3, d, m + 3 * columns + lanes);
  }
}

void Convolve(const WinogradWeights& w, const WinogradPlanes& planes, const float* x, float* y) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  alignas(64) float v[WinogradBlock::room];
  alignas(64) float m[WinogradBlock::room];
  alignas(64) float temporary[winograd_points * winograd_most_lanes];
  alignas(64) float nothing[winograd_most_channels] = {};
  const WinogradBlock block(std::max(w.inputs, w.outputs));
  const std::int64_t across = (planes.output[1] + winograd_step - 1) / winograd_step;
  const std::int64_t tiles = across * ((planes.output[0] + winograd_step - 1) / winograd_step);
  const std::int64_t v_step = block.tiles * w.inputs + WinogradBlock::gap;
  const std::int64_t m_step = block.tiles * w.outputs + WinogradBlock::gap;
  for (std::int64_t first = 0; first < tiles; first += block.tiles) {
    const std::int64_t count = std::min(block.tiles, tiles - first);
    const std::int64_t rows = (count + 3) / 4 * 4;
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t top = (first + t) / across * winograd_step - planes.pad_begin[0];
      const std::int64_t left = (first + t) % across * winograd_step - planes.pad_begin[1];
      const float* pixels[winograd_reach][winograd_reach];  // [column][row]
      for (std::int64_t r = 0; r < winograd_reach; ++r) {
        for (std::int64_t c = 0; c < winograd_reach; ++c) {
          const bool inside = top + r >= 0 && top + r < planes.input[0] && left + c >= 0 &&
                              left + c < planes.input[1];
          pixels[c][r] = inside ? x + ((top + r) * planes.input[1] + left + c) * w.inputs : nothing;
        }
      }
      for (std::int64_t channel = 0; channel < w.inputs; channel += lanes) {
        for (std::int64_t c = 0; c < winograd_reach; ++c) {
          TransformInput(d, pixels[c], channel, temporary + c * winograd_most_lanes,
                         winograd_reach * winograd_most_lanes);
        }
        for (std::int64_t r = 0; r < winograd_reach; ++r) {
          const float* row[winograd_reach];
          for (std::int64_t c = 0; c < winograd_reach; ++c) {
            row[c] = temporary + (r * winograd_reach + c) * winograd_most_lanes;
          }
          TransformInput(d, row, 0, v + r * winograd_reach * v_step + t * w.inputs + channel,
                         v_step);
        }
      }
    }
    for (std::int64_t p = 0; p < winograd_points; ++p) {
      float* v_point = v + p * v_step;
      std::fill(v_point + count * w.inputs, v_point + rows * w.inputs, 0.0f);
      const float* u = w.values.data() + p * w.inputs * w.outputs;
      for (std::int64_t column = 0; column < w.outputs; column += winograd_most_lanes) {
        for (std::int64_t t = 0; t < rows; t += 4) {
          const float* v_rows = v_point + t * w.inputs;
          float* to = m + p * m_step + t * w.outputs + column;
          std::int64_t i = 0;
          for (; i + 2 * lanes <= winograd_most_lanes; i += 2 * lanes) {
            MultiplyRows<true>(d, v_rows, w.inputs, u + i, w.outputs, to + i);
          }
          if (i < winograd_most_lanes) {
            MultiplyRows<false>(d, v_rows, w.inputs, u + i, w.outputs, to + i);
          }
        }
        u += w.inputs * winograd_most_lanes;
      }
    }
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t top = (first + t) / across * winograd_step;
      const std::int64_t left = (first + t) % across * winograd_step;
      const std::int64_t high = std::min(winograd_step, planes.output[0] - top);
      const std::int64_t wide = std::min(winograd_step, planes.output[1] - left);
      float* corner = y + (top * planes.output[1] + left) * w.outputs;
      for (std::int64_t channel = 0; channel < w.outputs; channel += lanes) {
        const float* own = m + t * w.outputs + channel;
        for (std::int64_t c = 0; c < winograd_reach; ++c) {
          TransformOutput(d, own + c * m_step, winograd_reach * m_step,
                          temporary + c * winograd_most_lanes,
                          winograd_reach * winograd_most_lanes);
        }
        for (std::int64_t r = 0; r < high; ++r) {
          const float* row = temporary + r * winograd_reach * winograd_most_lanes;
          float* to = corner + r * planes.output[1] * w.outputs + channel;
          if (wide == winograd_step) {
            TransformOutput(d, row, winograd_most_lanes, to, w.outputs);
            continue;
          }
          alignas(64) float edge[winograd_step * winograd_most_lanes];
          TransformOutput(d, row, winograd_most_lanes, edge, winograd_most_lanes);
          for (std::int64_t c = 0; c < wide; ++c) {
            hn::StoreU(hn::LoadU(d, edge + c * winograd_most_lanes), d, to + c * w.outputs);
          }
        }
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attojoule::network
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attojoule::network {

HWY_EXPORT(Convolve);

bool fits_winograd(const WindowGeometry& g, std::int64_t groups, std::int64_t channels) {
  const auto is = [](const std::array<std::int64_t, 2>& pair, std::int64_t value) {
    return pair[0] == value && pair[1] == value;
  };
  const auto takes = [](std::int64_t count) {
    return count > 0 && count % winograd_most_lanes == 0 && count <= winograd_most_channels;
  };
  const auto along = [&](std::size_t axis) {
    return (std::min(g.output[axis], g.input[axis]) + winograd_step - 1) / winograd_step;
  };
  const std::int64_t tiles = along(0) * along(1);
  return groups == 1 && is(g.kernel, 3) && is(g.stride, 1) && is(g.dilation, 1) &&
         g.pad_begin[0] >= 0 && g.pad_begin[0] <= 2 && g.pad_begin[1] >= 0 && g.pad_begin[1] <= 2 &&
         takes(g.channels) && takes(channels) && tiles >= winograd_least_tiles;
}

WinogradWeights winograd_weights(const float* weights, std::int64_t outputs, std::int64_t inputs,
                                 bool backward) {
  constexpr std::array<std::array<double, 3>, 6> g{{{1.0 / 4, 0, 0},
                                                    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                                    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                                    {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                                    {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                                    {0, 0, 1}}};
  WinogradWeights result;
  result.inputs = backward ? outputs : inputs;
  result.outputs = backward ? inputs : outputs;
  result.values.resize(static_cast<std::size_t>(winograd_points * inputs * outputs));
  for (std::int64_t o = 0; o < outputs; ++o) {
    for (std::int64_t i = 0; i < inputs; ++i) {
      const float* w = weights + (o * inputs + i) * 9;
      for (std::size_t a = 0; a < 6; ++a) {
        for (std::size_t b = 0; b < 6; ++b) {
          double sum = 0;
          for (std::size_t r = 0; r < 3; ++r) {
            for (std::size_t c = 0; c < 3; ++c) {
              sum += g[a][r] * g[b][c] *
                     static_cast<double>(w[backward ? 8 - (r * 3 + c) : r * 3 + c]);
            }
          }
          const std::int64_t from = backward ? o : i;
          const std::int64_t to = backward ? i : o;
          const std::int64_t block = to / winograd_most_lanes;
          const std::int64_t point = static_cast<std::int64_t>(a * 6 + b);
          const std::int64_t at =
              (point * result.outputs + block * winograd_most_lanes) * result.inputs +
              from * winograd_most_lanes + to % winograd_most_lanes;
          result.values[static_cast<std::size_t>(at)] = static_cast<float>(sum);
        }
      }
    }
  }
  return result;
}

void winograd_convolution(const WinogradWeights& weights, const WinogradPlanes& planes,
                          const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(Convolve)(weights, planes, x, y);
}

}  // namespace attojoule::network
#endif  // HWY_ONCE
