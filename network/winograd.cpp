#include "network/winograd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/winograd.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>

// Not for every target again.
#ifndef ATTOJOULE_NETWORK_WINOGRAD_BLOCK
#define ATTOJOULE_NETWORK_WINOGRAD_BLOCK
namespace attojoule::network {

constexpr std::int64_t winograd_step = 4;   // outputs of a tile along an axis
constexpr std::int64_t winograd_reach = 6;  // inputs
constexpr std::int64_t winograd_points = 36;
constexpr std::int64_t winograd_columns = 16;  // channels of the weights that lie side by side
constexpr std::int64_t winograd_rows = 8;      // tiles are multiplied in multiples of it
constexpr std::int64_t winograd_most_channels = 512;
// The transformed weights are four times as large; of fewer tiles, fetching them takes longer than
// the multiplications that are saved.
constexpr std::int64_t winograd_least_tiles = 8;

// Tiles that are worked on together. What they hold lies in the second cache; the weights are read
// once for all of them.
struct WinogradBlock {
  static constexpr std::int64_t values = 160 * 1024;  // aimed at
  static constexpr std::int64_t most_tiles = 64;
  // Stretches of points do not begin at the same address within a page.
  static constexpr std::int64_t gap = 16;
  std::int64_t across, tiles, block, input_step, output_step;

  WinogradBlock(const WinogradWeights& w, const std::array<std::int64_t, 2>& output) {
    const auto along = [](std::int64_t extent) {
      return (extent + winograd_step - 1) / winograd_step;
    };
    const auto whole_rows = [](std::int64_t count) {
      return (count + winograd_rows - 1) / winograd_rows * winograd_rows;
    };
    across = along(output[1]);
    tiles = across * along(output[0]);
    const std::int64_t fitting = values / (winograd_points * (w.inputs + w.outputs));
    block = std::clamp(fitting / winograd_rows * winograd_rows, winograd_rows, most_tiles);
    block = std::min(block, whole_rows(tiles));
    input_step = block * w.inputs + gap;
    output_step = block * w.outputs + gap;
  }
  std::int64_t room() const { return winograd_points * (input_step + output_step); }
};

}  // namespace attojoule::network
#endif

HWY_BEFORE_NAMESPACE();
namespace attojoule::network {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, static_cast<std::size_t>(winograd_columns)>;

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

// m = v u for rows of v (rows x depth): a vector of columns from u on and, if `two`, one from
// `u + other` on, whose results are stored `to_other` further. Four rows at a time, or eight where
// there are registers for their sums; each sum is taken in the order of `depth` either way.
// `fetch`: the weights of the columns that come next (`u + 2 * other`) are called from memory
// meanwhile; a network's transformed weights are too many for the caches, and too short in a row
// for the processor to see what is read next.
template <bool two>
HWY_INLINE void MultiplyFour(Floats d, const float* v, std::int64_t depth, const float* u,
                             std::int64_t other, std::int64_t columns, float* m,
                             std::int64_t to_other) {
  auto a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  const auto add = [&](auto x, auto first, auto second, auto& a, auto& b) HWY_ATTR {
    a = hn::MulAdd(x, first, a);
    if constexpr (two) b = hn::MulAdd(x, second, b);
  };
  for (std::int64_t k = 0; k < depth; ++k, u += winograd_columns, ++v) {
    const auto first = hn::LoadU(d, u);
    auto second = first;
    if constexpr (two) second = hn::LoadU(d, u + other);
    add(hn::Set(d, v[0]), first, second, a0, b0);
    add(hn::Set(d, v[depth]), first, second, a1, b1);
    add(hn::Set(d, v[2 * depth]), first, second, a2, b2);
    add(hn::Set(d, v[3 * depth]), first, second, a3, b3);
  }
  const auto put = [&](std::int64_t row, auto one, auto other_one) HWY_ATTR {
    hn::StoreU(one, d, m + row * columns);
    if constexpr (two) hn::StoreU(other_one, d, m + row * columns + to_other);
  };
  put(0, a0, b0);
  put(1, a1, b1);
  put(2, a2, b2);
  put(3, a3, b3);
}

template <bool two, bool fetch>
HWY_INLINE void MultiplyEight(Floats d, const float* v, std::int64_t depth, const float* u,
                              std::int64_t other, std::int64_t columns, float* m,
                              std::int64_t to_other) {
  auto a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  auto b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0, b6 = a0, b7 = a0;
  const float* v4 = v + 4 * depth;
  const auto add = [&](auto x, auto first, auto second, auto& a, auto& b) HWY_ATTR {
    a = hn::MulAdd(x, first, a);
    if constexpr (two) b = hn::MulAdd(x, second, b);
  };
  for (std::int64_t k = 0; k < depth; ++k, u += winograd_columns, ++v, ++v4) {
    if constexpr (fetch) {
      hwy::Prefetch(u + 2 * other);
      hwy::Prefetch(u + 3 * other);
    }
    const auto first = hn::LoadU(d, u);
    auto second = first;
    if constexpr (two) second = hn::LoadU(d, u + other);
    add(hn::Set(d, v[0]), first, second, a0, b0);
    add(hn::Set(d, v[depth]), first, second, a1, b1);
    add(hn::Set(d, v[2 * depth]), first, second, a2, b2);
    add(hn::Set(d, v[3 * depth]), first, second, a3, b3);
    add(hn::Set(d, v4[0]), first, second, a4, b4);
    add(hn::Set(d, v4[depth]), first, second, a5, b5);
    add(hn::Set(d, v4[2 * depth]), first, second, a6, b6);
    add(hn::Set(d, v4[3 * depth]), first, second, a7, b7);
  }
  const auto put = [&](std::int64_t row, auto one, auto other_one) HWY_ATTR {
    hn::StoreU(one, d, m + row * columns);
    if constexpr (two) hn::StoreU(other_one, d, m + row * columns + to_other);
  };
  put(0, a0, b0);
  put(1, a1, b1);
  put(2, a2, b2);
  put(3, a3, b3);
  put(4, a4, b4);
  put(5, a5, b5);
  put(6, a6, b6);
  put(7, a7, b7);
}

// m (rows x outputs) = v (rows x inputs) u, of one point.
HWY_INLINE void Multiply(Floats d, const WinogradWeights& w, const float* v, std::int64_t rows,
                         const float* u, float* m) {
  const std::int64_t depth = w.inputs;
  const std::int64_t panel = depth * winograd_columns;
  std::int64_t column = 0;
  if constexpr (hn::MaxLanes(Floats()) == winograd_columns) {
    for (; column + 2 * winograd_columns <= w.outputs; column += 2 * winograd_columns) {
      float* to = m + column;
      MultiplyEight<true, true>(d, v, depth, u, panel, w.outputs, to, winograd_columns);
      for (std::int64_t t = 8; t < rows; t += 8) {
        MultiplyEight<true, false>(d, v + t * depth, depth, u, panel, w.outputs, to + t * w.outputs,
                                   winograd_columns);
      }
      u += 2 * panel;
    }
    for (std::int64_t t = 0; column < w.outputs && t < rows; t += 8) {
      MultiplyEight<false, false>(d, v + t * depth, depth, u, 0, w.outputs,
                                  m + t * w.outputs + column, 0);
    }
    return;
  }
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (; column < w.outputs; column += winograd_columns, u += panel) {
    for (std::int64_t t = 0; t < rows; t += 4) {
      const float* from = v + t * depth;
      float* to = m + t * w.outputs + column;
      std::int64_t i = 0;
      for (; i + 2 * lanes <= winograd_columns; i += 2 * lanes) {
        MultiplyFour<true>(d, from, depth, u + i, lanes, w.outputs, to + i, lanes);
      }
      for (; i < winograd_columns; i += lanes) {
        MultiplyFour<false>(d, from, depth, u + i, 0, w.outputs, to + i, 0);
      }
    }
  }
}

// The inputs of tile `tile` to place `t` of every point's rows.
HWY_INLINE void GatherTile(Floats d, const WinogradWeights& w, const WinogradPlanes& planes,
                           const WinogradBlock& block, const float* x, const float* nothing,
                           std::int64_t tile, std::int64_t t, float* v) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  alignas(64) float temporary[winograd_points * winograd_columns];
  const std::int64_t top = tile / block.across * winograd_step - planes.pad_begin[0];
  const std::int64_t left = tile % block.across * winograd_step - planes.pad_begin[1];
  const float* pixels[winograd_reach][winograd_reach];  // [column][row]
  for (std::int64_t r = 0; r < winograd_reach; ++r) {
    for (std::int64_t c = 0; c < winograd_reach; ++c) {
      const bool inside =
          top + r >= 0 && top + r < planes.input[0] && left + c >= 0 && left + c < planes.input[1];
      pixels[c][r] = inside ? x + ((top + r) * planes.input[1] + left + c) * w.inputs : nothing;
    }
  }
  for (std::int64_t channel = 0; channel < w.inputs; channel += lanes) {
    for (std::int64_t c = 0; c < winograd_reach; ++c) {
      TransformInput(d, pixels[c], channel, temporary + c * winograd_columns,
                     winograd_reach * winograd_columns);
    }
    for (std::int64_t r = 0; r < winograd_reach; ++r) {
      const float* row[winograd_reach];
      for (std::int64_t c = 0; c < winograd_reach; ++c) {
        row[c] = temporary + (r * winograd_reach + c) * winograd_columns;
      }
      TransformInput(d, row, 0, v + r * winograd_reach * block.input_step + t * w.inputs + channel,
                     block.input_step);
    }
  }
}

// The outputs of tile `tile` from place `t` of every point's rows.
HWY_INLINE void ScatterTile(Floats d, const WinogradWeights& w, const WinogradPlanes& planes,
                            const WinogradBlock& block, const float* m, std::int64_t tile,
                            std::int64_t t, float* y) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  alignas(64) float temporary[winograd_points * winograd_columns];
  const std::int64_t top = tile / block.across * winograd_step;
  const std::int64_t left = tile % block.across * winograd_step;
  const std::int64_t high = std::min(winograd_step, planes.output[0] - top);
  const std::int64_t wide = std::min(winograd_step, planes.output[1] - left);
  float* corner = y + (top * planes.output[1] + left) * w.outputs;
  for (std::int64_t channel = 0; channel < w.outputs; channel += lanes) {
    const float* own = m + t * w.outputs + channel;
    for (std::int64_t c = 0; c < winograd_reach; ++c) {
      TransformOutput(d, own + c * block.output_step, winograd_reach * block.output_step,
                      temporary + c * winograd_columns, winograd_reach * winograd_columns);
    }
    for (std::int64_t r = 0; r < high; ++r) {
      const float* row = temporary + r * winograd_reach * winograd_columns;
      float* to = corner + r * planes.output[1] * w.outputs + channel;
      if (wide == winograd_step) {
        TransformOutput(d, row, winograd_columns, to, w.outputs);
        continue;
      }
      alignas(64) float edge[winograd_step * winograd_columns];
      TransformOutput(d, row, winograd_columns, edge, winograd_columns);
      for (std::int64_t c = 0; c < wide; ++c) {
        hn::StoreU(hn::LoadU(d, edge + c * winograd_columns), d, to + c * w.outputs);
      }
    }
  }
}

void Convolve(const WinogradWeights& w, const WinogradPlanes& planes, const float* x, float* room,
              float* y) {
  const Floats d;
  alignas(64) float nothing[winograd_most_channels] = {};
  const WinogradBlock block(w, planes.output);
  float* v = room;
  float* m = room + winograd_points * block.input_step;
  for (std::int64_t first = 0; first < block.tiles; first += block.block) {
    const std::int64_t count = std::min(block.block, block.tiles - first);
    const std::int64_t rows = (count + winograd_rows - 1) / winograd_rows * winograd_rows;
    for (std::int64_t t = 0; t < count; ++t) {
      GatherTile(d, w, planes, block, x, nothing, first + t, t, v);
    }
    for (std::int64_t p = 0; p < winograd_points; ++p) {
      float* v_point = v + p * block.input_step;
      std::fill(v_point + count * w.inputs, v_point + rows * w.inputs, 0.0f);
      Multiply(d, w, v_point, rows, w.values.data() + p * w.inputs * w.outputs,
               m + p * block.output_step);
    }
    for (std::int64_t t = 0; t < count; ++t) {
      ScatterTile(d, w, planes, block, m, first + t, t, y);
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
    return count > 0 && count % winograd_columns == 0 && count <= winograd_most_channels;
  };
  const auto along = [&](std::size_t axis) {
    return (std::min(g.output[axis], g.input[axis]) + winograd_step - 1) / winograd_step;
  };
  const std::int64_t tiles = along(0) * along(1);
  return groups == 1 && is(g.kernel, 3) && is(g.stride, 1) && is(g.dilation, 1) &&
         g.pad_begin[0] >= 0 && g.pad_begin[0] <= 2 && g.pad_begin[1] >= 0 && g.pad_begin[1] <= 2 &&
         takes(g.channels) && takes(channels) && tiles >= winograd_least_tiles;
}

void transform_winograd_weights(const float* weights, bool backward, WinogradWeights& result) {
  constexpr std::array<std::array<double, 3>, 6> g{{{1.0 / 4, 0, 0},
                                                    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                                    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                                    {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                                    {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                                    {0, 0, 1}}};
  result.values.resize(static_cast<std::size_t>(winograd_points * result.inputs * result.outputs));
  for (std::int64_t to = 0; to < result.outputs; ++to) {
    const std::int64_t block = to / winograd_columns;
    for (std::int64_t from = 0; from < result.inputs; ++from) {
      const float* w =
          weights + (backward ? from * result.outputs + to : to * result.inputs + from) * 9;
      double half[6][3] = {};
      for (std::size_t a = 0; a < 6; ++a) {
        for (std::size_t r = 0; r < 3; ++r) {
          for (std::size_t c = 0; c < 3; ++c) {
            half[a][c] += g[a][r] * static_cast<double>(w[backward ? 8 - (r * 3 + c) : r * 3 + c]);
          }
        }
      }
      for (std::size_t a = 0; a < 6; ++a) {
        for (std::size_t b = 0; b < 6; ++b) {
          const double sum = half[a][0] * g[b][0] + half[a][1] * g[b][1] + half[a][2] * g[b][2];
          const auto point = static_cast<std::int64_t>(a * 6 + b);
          const std::int64_t at =
              (point * result.outputs + block * winograd_columns) * result.inputs +
              from * winograd_columns + to % winograd_columns;
          result.values[static_cast<std::size_t>(at)] = static_cast<float>(sum);
        }
      }
    }
  }
}

WinogradWeights winograd_weights(const float* weights, std::int64_t outputs, std::int64_t inputs,
                                 bool backward) {
  WinogradWeights result;
  result.inputs = backward ? outputs : inputs;
  result.outputs = backward ? inputs : outputs;
  transform_winograd_weights(weights, backward, result);
  return result;
}

std::int64_t winograd_room(const WinogradWeights& weights,
                           const std::array<std::int64_t, 2>& output) {
  return WinogradBlock(weights, output).room();
}

void winograd_convolution(const WinogradWeights& weights, const WinogradPlanes& planes,
                          const float* x, float* room, float* y) {
  HWY_DYNAMIC_DISPATCH(Convolve)(weights, planes, x, room, y);
}

}  // namespace attojoule::network
#endif  // HWY_ONCE
