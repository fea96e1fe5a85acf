#include "network/noise_pass.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/noise_pass.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace attojoule::network {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Part of one row: channels [first, first + count) of the row `position`. `z` starts at `first`.
template <class Tag, bool offset, bool single_norm, bool ready>
HWY_INLINE std::int64_t Run(Tag d, const NoisePass& pass, std::int64_t position,
                            std::int64_t first, std::int64_t count, std::int64_t i,
                            const float* z) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t base = position * pass.channels + first;
  const float* norms = ready ? nullptr : pass.norms + position * (single_norm ? 1 : pass.channels);
  const auto norm = hn::Set(d, single_norm && !ready ? norms[0] : 0.0f);
  const auto low = hn::Set(d, pass.low);
  const auto high = hn::Set(d, pass.high);
  for (; i + lanes <= count; i += lanes) {
    const auto y = hn::LoadU(d, pass.accumulator + base + i);
    auto value = y;
    if constexpr (ready) {
      value = hn::Add(y, hn::LoadU(d, z + i));
    } else {
      const auto slope = hn::LoadU(d, pass.variance_slope + first + i);
      const auto p = single_norm ? norm : hn::LoadU(d, norms + first + i);
      auto variance = hn::Mul(slope, p);
      if constexpr (offset) {
        variance = hn::Add(variance, hn::LoadU(d, pass.variance_offset + first + i));
        const auto signal = hn::LoadU(d, pass.signal + first + i);
        variance = hn::MulAdd(hn::Mul(signal, y), y, variance);
      }
      value = hn::MulAdd(hn::Sqrt(variance), hn::LoadU(d, z + i), y);
    }
    if (pass.bias != nullptr) value = hn::Add(value, hn::LoadU(d, pass.bias + first + i));
    if (pass.residual != nullptr) value = hn::Add(value, hn::LoadU(d, pass.residual + base + i));
    hn::StoreU(hn::Min(hn::Max(value, low), high), d, pass.output + base + i);
  }
  return i;
}

template <bool offset, bool single_norm, bool ready>
void RowPart(const NoisePass& pass, std::int64_t position, std::int64_t first, std::int64_t count,
             const float* z) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const std::int64_t done = Run<decltype(d), offset, single_norm, ready>(d, pass, position, first,
                                                                         count, 0, z);
  Run<decltype(one), offset, single_norm, ready>(one, pass, position, first, count, done, z);
}

// Elements [begin, end) of the flattened output; z[0] belongs to `begin`.
template <bool offset, bool single_norm, bool ready>
void Sweep(const NoisePass& pass, std::int64_t begin, std::int64_t end, const float* z) {
  std::int64_t position = begin / pass.channels;
  std::int64_t first = begin % pass.channels;
  while (begin < end) {
    const std::int64_t count = std::min(pass.channels - first, end - begin);
    RowPart<offset, single_norm, ready>(pass, position, first, count, z);
    z += count;
    begin += count;
    first = 0;
    ++position;
  }
}

void SweepGaussian(const NoisePass& pass, std::int64_t begin, std::int64_t end, const float* z) {
  const bool single = !pass.norm_per_channel;
  if (pass.has_offset) {
    single ? Sweep<true, true, false>(pass, begin, end, z)
           : Sweep<true, false, false>(pass, begin, end, z);
  } else {
    single ? Sweep<false, true, false>(pass, begin, end, z)
           : Sweep<false, false, false>(pass, begin, end, z);
  }
}

void SweepErrors(const NoisePass& pass, std::int64_t begin, std::int64_t end, const float* z) {
  Sweep<false, true, true>(pass, begin, end, z);
}

}  // namespace HWY_NAMESPACE
}  // namespace attojoule::network
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attojoule::network {

HWY_EXPORT(SweepGaussian);
HWY_EXPORT(SweepErrors);

void apply_gaussian_noise(const NoisePass& pass) {
  // The numbers of one tile stay in the first-level cache between being drawn and being used.
  constexpr std::int64_t tile = 2048;
  alignas(64) std::array<float, tile> z;
  const std::int64_t count = pass.positions * pass.channels;
  for (std::int64_t begin = 0; begin < count; begin += tile) {
    const std::int64_t end = std::min(begin + tile, count);
    photonics::fill_normal(pass.stream, pass.first_element + static_cast<std::uint64_t>(begin),
                           std::span(z).first(static_cast<std::size_t>(end - begin)));
    HWY_DYNAMIC_DISPATCH(SweepGaussian)(pass, begin, end, z.data());
  }
}

void apply_errors(const NoisePass& pass, const float* errors) {
  HWY_DYNAMIC_DISPATCH(SweepErrors)(pass, 0, pass.positions * pass.channels, errors);
}

CountedLight apply_photon_counting(const NoisePass& pass, const float* photons, float weight_low,
                                   float weight_span) {
  constexpr std::int64_t tile = 1024;
  alignas(64) std::array<float, tile> means;
  alignas(64) std::array<float, tile> counts;
  CountedLight light;
  const std::int64_t count = pass.positions * pass.channels;
  for (std::int64_t begin = 0; begin < count; begin += tile) {
    const std::int64_t size = std::min(tile, count - begin);
    const auto input_sum = [&](std::int64_t element) {
      return pass.norms[pass.norm_per_channel ? element : element / pass.channels];
    };
    for (std::int64_t i = 0; i < size; ++i) {
      const std::int64_t element = begin + i;
      const float sum = input_sum(element);
      const float relative =
          sum > 0 ? std::clamp((pass.accumulator[element] - weight_low * sum) / (weight_span * sum),
                               0.0f, 1.0f)
                  : 0.0f;
      const float mean = photons[element % pass.channels] * relative;
      light.transmission += relative;
      light.photons += mean;
      means[static_cast<std::size_t>(i)] = mean;
    }
    const auto tile_means = std::span(means).first(static_cast<std::size_t>(size));
    const auto tile_counts = std::span(counts).first(static_cast<std::size_t>(size));
    photonics::fill_poisson(pass.stream, pass.first_element + static_cast<std::uint64_t>(begin),
                            tile_means, tile_counts);
    for (std::int64_t i = 0; i < size; ++i) {
      const std::int64_t element = begin + i;
      const auto k = static_cast<std::size_t>(i);
      counts[k] = (counts[k] - means[k]) * weight_span * input_sum(element) /
                  photons[element % pass.channels];
    }
    HWY_DYNAMIC_DISPATCH(SweepErrors)(pass, begin, begin + size, counts.data());
  }
  return light;
}

}  // namespace attojoule::network
#endif  // HWY_ONCE
