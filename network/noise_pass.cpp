#include "network/noise_pass.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/noise_pass.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "photonics/random_simd.hpp"
#include "photonics/skellam.hpp"
#include "photonics/skellam_simd.hpp"

// Not for every target again.
#ifndef ATTOJOULE_NETWORK_FUSED_TABLES
#define ATTOJOULE_NETWORK_FUSED_TABLES
namespace attojoule::network {

// Of every channel, readable for 15 channels beyond the last (the first ones again) where a vector
// may start at a channel that is not a multiple of 16.
struct FusedTables {
  const float* offset = nullptr;
  const float* slope = nullptr;
  const float* deviation = nullptr;
  const float* signal = nullptr;
  const float* bias = nullptr;
  const float* scale = nullptr;
  const std::int32_t* shift = nullptr;
  const std::int32_t* weight_zero = nullptr;
  const float* roots = nullptr;  // of the norms, from the first row of a chunk on
  // Of counted photoelectrons (Error::counted): mean counts of both diodes without dark ones, root
  // and inverse root of all counts, counts per unit of y and of the norm's root, and its inverse.
  const float* light = nullptr;
  const float* root_total = nullptr;
  const float* inverse_root_total = nullptr;
  const float* gain = nullptr;
  const float* inverse_gain = nullptr;
};

}  // namespace attojoule::network
#endif

HWY_BEFORE_NAMESPACE();
namespace attojoule::network {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

enum class Error {
  none,
  ready,     // the tile holds errors
  product,   // the tile holds normal numbers; variance = slope * norm
  factored,  // likewise; sigma = deviation_slope * sqrt(norm), one norm for the row
  general,   // likewise; variance with offset and signal terms
  counted,  // likewise; photoelectrons of two equal diodes, whose light does not depend on the norm
};

// A stretch of one row: channels [first, first + count) of row `position`. `y` and `tile` belong to
// the stretch's first element.
struct Stretch {
  std::int64_t position, first, count;
  const float* y;
  const float* tile;
};

template <Error error, bool single_norm, bool bias, bool residual, class Tag>
HWY_INLINE std::int64_t Run(Tag d, const NoisePass& pass, const Stretch& s, std::int64_t i) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t base = s.position * pass.channels + s.first;
  constexpr bool noisy =
      error == Error::product || error == Error::factored || error == Error::general;
  float norm = noisy && single_norm ? pass.norms[s.position] : 0.0f;
  if constexpr (error == Error::factored) norm = std::sqrt(norm);
  const auto norms = hn::Set(d, norm);
  const auto low = hn::Set(d, pass.low);
  const auto high = hn::Set(d, pass.high);
  for (; i + lanes <= s.count; i += lanes) {
    const auto y = hn::LoadU(d, s.y + i);
    auto value = y;
    if constexpr (error == Error::ready) {
      value = hn::Add(y, hn::LoadU(d, s.tile + i));
    } else if constexpr (error == Error::factored) {
      const auto sigma = hn::Mul(hn::LoadU(d, pass.deviation_slope + s.first + i), norms);
      const auto z = hn::LoadU(d, s.tile + i);
      value = hn::MulAdd(sigma, z, y);
      if (pass.error != nullptr) hn::StoreU(hn::Mul(sigma, z), d, pass.error + base + i);
    } else if constexpr (noisy) {
      const auto slope = hn::LoadU(d, pass.variance_slope + s.first + i);
      auto variance = hn::Mul(slope, single_norm ? norms : hn::LoadU(d, pass.norms + base + i));
      if constexpr (error == Error::general) {
        variance = hn::Add(variance, hn::LoadU(d, pass.variance_offset + s.first + i));
        const auto signal = hn::LoadU(d, pass.signal + s.first + i);
        variance = hn::MulAdd(hn::Mul(signal, y), y, variance);
      }
      value = hn::MulAdd(hn::Sqrt(variance), hn::LoadU(d, s.tile + i), y);
    }
    if constexpr (bias) value = hn::Add(value, hn::LoadU(d, pass.bias + s.first + i));
    if constexpr (residual) value = hn::Add(value, hn::LoadU(d, pass.residual + base + i));
    hn::StoreU(hn::Min(hn::Max(value, low), high), d, pass.output + base + i);
  }
  return i;
}

// Elements [begin, end) of the flattened output; y[0] and tile[0] belong to `begin`.
template <Error error, bool single_norm, bool bias, bool residual>
void Sweep(const NoisePass& pass, std::int64_t begin, std::int64_t end, const float* y,
           const float* tile) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  Stretch s{begin / pass.channels, begin % pass.channels, 0, y, tile};
  while (begin < end) {
    s.count = std::min(pass.channels - s.first, end - begin);
    const std::int64_t done = Run<error, single_norm, bias, residual>(d, pass, s, 0);
    Run<error, single_norm, bias, residual>(one, pass, s, done);
    s.y += s.count;
    s.tile += s.count;
    begin += s.count;
    s.first = 0;
    ++s.position;
  }
}

template <Error error, bool single_norm>
void SweepWith(const NoisePass& pass, std::int64_t begin, std::int64_t end, const float* y,
               const float* tile) {
  const bool bias = pass.bias != nullptr;
  const bool residual = pass.residual != nullptr;
  if (bias) {
    residual ? Sweep<error, single_norm, true, true>(pass, begin, end, y, tile)
             : Sweep<error, single_norm, true, false>(pass, begin, end, y, tile);
  } else {
    residual ? Sweep<error, single_norm, false, true>(pass, begin, end, y, tile)
             : Sweep<error, single_norm, false, false>(pass, begin, end, y, tile);
  }
}

void SweepGaussian(const NoisePass& pass, std::int64_t begin, std::int64_t end, const float* y,
                   const float* z) {
  if (pass.has_offset) {
    pass.norm_per_channel ? SweepWith<Error::general, false>(pass, begin, end, y, z)
                          : SweepWith<Error::general, true>(pass, begin, end, y, z);
  } else if (pass.norm_per_channel) {
    SweepWith<Error::product, false>(pass, begin, end, y, z);
  } else if (pass.deviation_slope != nullptr) {
    SweepWith<Error::factored, true>(pass, begin, end, y, z);
  } else {
    SweepWith<Error::product, true>(pass, begin, end, y, z);
  }
}

void SweepErrors(const NoisePass& pass, std::int64_t begin, std::int64_t end, const float* y,
                 const float* errors) {
  SweepWith<Error::ready, true>(pass, begin, end, y, errors);
}

void SweepClean(const NoisePass& pass, std::int64_t begin, std::int64_t end, const float* y) {
  SweepWith<Error::none, true>(pass, begin, end, y, y);
}

template <bool zeros, bool single_norm, class Tag>
HWY_INLINE std::int64_t DequantiseRun(Tag d, const NoisePass& pass, const Stretch& s, float* out,
                                      std::int64_t i) {
  const hn::RebindToSigned<Tag> di;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t base = s.position * pass.channels + s.first;
  const IntegerAccumulators& a = pass.integers;
  const auto input_sum = hn::Set(di, zeros && single_norm ? a.input_sums[s.position] : 0);
  for (; i + lanes <= s.count; i += lanes) {
    auto sum = hn::Sub(hn::LoadU(di, a.sums + base + i), hn::LoadU(di, a.shift + s.first + i));
    if constexpr (zeros) {
      const auto inputs = single_norm ? input_sum : hn::LoadU(di, a.input_sums + base + i);
      sum = hn::Sub(sum, hn::Mul(hn::LoadU(di, a.weight_zero + s.first + i), inputs));
    }
    const auto scale = hn::LoadU(d, a.scale + s.first + i);
    hn::StoreU(hn::Mul(hn::ConvertTo(d, sum), scale), d, out + i);
  }
  return i;
}

template <bool zeros, bool single_norm>
void DequantiseWith(const NoisePass& pass, std::int64_t begin, std::int64_t end, float* out) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  Stretch s{begin / pass.channels, begin % pass.channels, 0, nullptr, nullptr};
  while (begin < end) {
    s.count = std::min(pass.channels - s.first, end - begin);
    const std::int64_t done = DequantiseRun<zeros, single_norm>(d, pass, s, out, 0);
    DequantiseRun<zeros, single_norm>(one, pass, s, out, done);
    out += s.count;
    begin += s.count;
    s.first = 0;
    ++s.position;
  }
}

void Dequantise(const NoisePass& pass, std::int64_t begin, std::int64_t end, float* out) {
  if (pass.integers.weight_zero == nullptr) {
    DequantiseWith<false, true>(pass, begin, end, out);
  } else if (pass.norm_per_channel) {
    DequantiseWith<true, false>(pass, begin, end, out);
  } else {
    DequantiseWith<true, true>(pass, begin, end, out);
  }
}

// The same sweep with the normal numbers, and the outputs of a product of integers, in registers.
// Elements [begin, end) are whole groups of the random stream (photonics/random_simd.hpp), and rows
// are so long that 16 elements touch two of them at most.
namespace ph = photonics::HWY_NAMESPACE;

// Root of what the gain of counted photoelectrons is divided by; 1 where nothing divides it.
template <class Tag>
HWY_INLINE hn::Vec<Tag> CountRoot(Tag d, const DiodeCounts& counts, hn::Vec<Tag> norm) {
  if (!counts.normalised) return hn::Set(d, 1.0f);
  const auto all = hn::MulAdd(norm, hn::Set(d, counts.norm_scale), hn::Set(d, counts.norm_offset));
  return hn::Sqrt(hn::Max(all, hn::Zero(d)));
}

// That root and its inverse; an input without light has the inverse 0, and so no gain and no error.
template <class Tag>
struct CountedRow {
  hn::Vec<Tag> root, inverse;
  HWY_INLINE CountedRow(Tag d, hn::Vec<Tag> of_norm)
      : root(of_norm),
        inverse(
            hn::IfThenElseZero(hn::Gt(of_norm, hn::Zero(d)), hn::Div(hn::Set(d, 1.0f), of_norm))) {}
};

template <Error error, bool single_norm, bool integer>
class FusedSweep {
 public:
  FusedSweep(const NoisePass& pass, const DiodeCounts* counts, const FusedTables& tables,
             std::int64_t begin)
      : pass_(pass),
        counts_(counts),
        tables_(tables),
        first_row_(begin / pass.channels),
        row_(first_row_),
        channel_(begin % pass.channels),
        bounded_above_(pass.high < std::numeric_limits<float>::infinity()) {}

  HWY_INLINE void run(const photonics::RandomPlan& plan, std::int64_t begin, std::int64_t end) {
    constexpr auto run_length = static_cast<std::int64_t>(photonics::random_lanes_per_run);
    const ph::FloatTag d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    ph::NormalSequence sequence(plan,
                                (pass_.first_element + static_cast<std::uint64_t>(begin)) / 4);
    for (std::int64_t i = begin; i < end; i += 4 * run_length) {
      const bool one_row = channel_ + 4 * run_length <= pass_.channels;
      for (std::int64_t lane = 0; lane < run_length; lane += lanes) {
        ph::FloatVec z0, z1, z2, z3;
        sequence.next(plan, z0, z1, z2, z3);
        const auto put_all = [&](auto put) HWY_ATTR {
          put(lane, z0);
          put(lane + run_length, z1);
          put(lane + 2 * run_length, z2);
          put(lane + 3 * run_length, z3);
        };
        if (one_row) {
          const auto norm = hn::Set(d, norms()[row_ - first_norm()]);
          put_all([&](std::int64_t ahead, ph::FloatVec z)
                      HWY_ATTR { put(i + ahead, row_, channel_ + ahead, norm, z); });
        } else {
          put_all([&](std::int64_t ahead, ph::FloatVec z) HWY_ATTR {
            std::int64_t channel = channel_;
            std::int64_t row = row_;
            advance(channel, row, ahead);
            put(i + ahead, row, channel, of_row(norms(), row - first_norm(), channel), z);
          });
        }
      }
      advance(channel_, row_, 4 * run_length);
    }
  }

 private:
  HWY_INLINE void advance(std::int64_t& channel, std::int64_t& row, std::int64_t count) const {
    channel += count;
    while (channel >= pass_.channels) {
      channel -= pass_.channels;
      ++row;
    }
  }

  // Of every row, or their roots; not used where every channel has a norm of its own.
  static constexpr bool takes_roots =
      error == Error::factored || (error == Error::counted && single_norm);
  HWY_INLINE const float* norms() const { return takes_roots ? tables_.roots : pass_.norms; }
  HWY_INLINE std::int64_t first_norm() const { return takes_roots ? first_row_ : 0; }

  HWY_INLINE void put(std::int64_t i, std::int64_t row, std::int64_t channel, ph::FloatVec norm,
                      ph::FloatVec z) const {
    const ph::FloatTag d;
    const auto y = accumulated(i, row, channel);
    auto value = y;
    if constexpr (error == Error::factored) {
      const auto sigma = hn::Mul(hn::LoadU(d, tables_.deviation + channel), norm);
      value = hn::MulAdd(sigma, z, y);
      if (pass_.error != nullptr) hn::StoreU(hn::Mul(sigma, z), d, pass_.error + i);
    } else if constexpr (error == Error::counted) {
      if constexpr (!single_norm) {
        norm = CountRoot(d, *counts_, hn::LoadU(d, pass_.norms + i));
      }
      const auto load = [&](const float* table) HWY_ATTR { return hn::LoadU(d, table + channel); };
      const CountedRow row_values(d, norm);
      const auto light = load(tables_.light);
      const auto product = hn::Mul(hn::Mul(load(tables_.gain), row_values.inverse), y);
      const auto signal = hn::Min(hn::Max(product, hn::Neg(light)), light);
      const auto deviation = ph::SkellamDeviation(d, load(tables_.root_total),
                                                  load(tables_.inverse_root_total), signal, z);
      const auto inverse_gain = hn::Mul(load(tables_.inverse_gain), row_values.root);
      value = hn::Add(y, hn::Mul(hn::Add(deviation, hn::Sub(signal, product)), inverse_gain));
    } else {
      if constexpr (!single_norm) norm = hn::LoadU(d, pass_.norms + i);
      auto variance = hn::Mul(hn::LoadU(d, tables_.slope + channel), norm);
      if constexpr (error == Error::general) {
        variance = hn::Add(variance, hn::LoadU(d, tables_.offset + channel));
        const auto signal = hn::LoadU(d, tables_.signal + channel);
        variance = hn::MulAdd(hn::Mul(signal, y), y, variance);
      }
      value = hn::MulAdd(hn::Sqrt(variance), z, y);
    }
    value = hn::Add(value, hn::LoadU(d, tables_.bias + channel));
    if (pass_.residual != nullptr) value = hn::Add(value, hn::LoadU(d, pass_.residual + i));
    value = hn::Max(value, hn::Set(d, pass_.low));
    if (bounded_above_) value = hn::Min(value, hn::Set(d, pass_.high));
    hn::StoreU(value, d, pass_.output + i);
  }

  HWY_INLINE ph::FloatVec accumulated(std::int64_t i, std::int64_t row,
                                      std::int64_t channel) const {
    const ph::FloatTag d;
    if constexpr (!integer) {
      return hn::LoadU(d, pass_.accumulator + i);
    } else {
      const ph::IntTag di;
      const IntegerAccumulators& a = pass_.integers;
      auto sum = hn::Sub(hn::LoadU(di, a.sums + i), hn::LoadU(di, tables_.shift + channel));
      if (a.weight_zero != nullptr) {
        const auto inputs =
            single_norm ? of_row(a.input_sums, row, channel) : hn::LoadU(di, a.input_sums + i);
        sum = hn::Sub(sum, hn::Mul(hn::LoadU(di, tables_.weight_zero + channel), inputs));
      }
      return hn::Mul(hn::ConvertTo(d, sum), hn::LoadU(d, tables_.scale + channel));
    }
  }

  // One number a row, for the elements from `channel` of `row` on.
  template <class Number>
  HWY_INLINE auto of_row(const Number* values, std::int64_t row, std::int64_t channel) const {
    const hn::Rebind<Number, ph::FloatTag> d;
    auto value = hn::Set(d, values[row]);
    const std::int64_t left = pass_.channels - channel;
    if (left < static_cast<std::int64_t>(hn::Lanes(d))) {
      const auto mask = hn::FirstN(d, static_cast<std::size_t>(left));
      value = hn::IfThenElse(mask, value, hn::Set(d, values[row + 1]));
    }
    return value;
  }

  const NoisePass& pass_;
  const DiodeCounts* counts_;
  const FusedTables& tables_;
  std::int64_t first_row_, row_, channel_;
  bool bounded_above_;
};

template <Error error, bool single_norm>
void FusedWith(const NoisePass& pass, const FusedTables& tables, const photonics::RandomPlan& plan,
               std::int64_t begin, std::int64_t end, const DiodeCounts* counts = nullptr) {
  if (pass.integers.sums != nullptr) {
    FusedSweep<error, single_norm, true>(pass, counts, tables, begin).run(plan, begin, end);
  } else {
    FusedSweep<error, single_norm, false>(pass, counts, tables, begin).run(plan, begin, end);
  }
}

void FusedCounts(const NoisePass& pass, const DiodeCounts& counts, const FusedTables& tables,
                 const photonics::RandomPlan& plan, std::int64_t begin, std::int64_t end) {
  if (pass.norm_per_channel) {
    FusedWith<Error::counted, false>(pass, tables, plan, begin, end, &counts);
  } else {
    FusedWith<Error::counted, true>(pass, tables, plan, begin, end, &counts);
  }
}

void Fused(const NoisePass& pass, const FusedTables& tables, const photonics::RandomPlan& plan,
           std::int64_t begin, std::int64_t end) {
  if (pass.has_offset) {
    pass.norm_per_channel ? FusedWith<Error::general, false>(pass, tables, plan, begin, end)
                          : FusedWith<Error::general, true>(pass, tables, plan, begin, end);
  } else if (pass.norm_per_channel) {
    FusedWith<Error::product, false>(pass, tables, plan, begin, end);
  } else if (pass.deviation_slope != nullptr) {
    FusedWith<Error::factored, true>(pass, tables, plan, begin, end);
  } else {
    FusedWith<Error::product, true>(pass, tables, plan, begin, end);
  }
}

void Roots(const float* values, std::int64_t count, float* roots) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::Sqrt(hn::LoadU(d, values + i)), d, roots + i);
  for (; i < count; ++i) roots[i] = std::sqrt(values[i]);
}

// What FusedCounts takes for the roots of the norms.
void CountRoots(const DiodeCounts& counts, const float* norms, std::int64_t count, float* roots) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(CountRoot(d, counts, hn::LoadU(d, norms + i)), d, roots + i);
  }
  for (; i < count; ++i) {
    hn::StoreU(CountRoot(one, counts, hn::LoadU(one, norms + i)), one, roots + i);
  }
}

// Errors of counted photoelectrons; s.tile holds normal numbers. `smallest` becomes the smallest
// mean of both diodes together: below skellam_series_total the caller draws again.
template <bool single_norm, class Tag>
HWY_INLINE std::int64_t CountRun(Tag d, const NoisePass& pass, const DiodeCounts& counts,
                                 const Stretch& s, float* errors, hn::Vec<Tag>& smallest,
                                 std::int64_t i) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t base = s.position * pass.channels + s.first;
  const auto set = [d](float value) { return hn::Set(d, value); };
  const auto zero = hn::Zero(d);
  const auto row_norm = set(single_norm ? pass.norms[s.position] : 0.0f);
  CountedRow row(d, CountRoot(d, counts, row_norm));
  for (; i + lanes <= s.count; i += lanes) {
    const auto y = hn::LoadU(d, s.y + i);
    auto norm = row_norm;
    if constexpr (!single_norm) {
      norm = hn::LoadU(d, pass.norms + base + i);
      row = CountedRow(d, CountRoot(d, counts, norm));
    }
    const auto channel_light = hn::LoadU(d, counts.light + s.first + i);
    const auto light = hn::MulAdd(set(counts.light_per_input_norm), norm, channel_light);
    const auto channel_gain = hn::LoadU(d, counts.gain + s.first + i);
    const auto gain = hn::Mul(channel_gain, row.inverse);
    const auto product = hn::Mul(gain, y);
    const auto signal = hn::Min(hn::Max(product, hn::Neg(light)), light);
    const auto offset = hn::MulAdd(
        set(counts.offset_per_input_norm), norm,
        hn::MulAdd(set(counts.offset_per_light), channel_light, set(counts.offset_shift)));
    const auto total =
        hn::MulAdd(set(counts.imbalance), signal, hn::Add(light, set(2 * counts.dark)));
    smallest = hn::Min(smallest, total);
    const auto root = hn::Sqrt(total);
    const auto deviation = ph::SkellamDeviation(d, root, hn::Div(set(1), root),
                                                hn::Add(offset, signal), hn::LoadU(d, s.tile + i));
    const auto inverse_gain = hn::Mul(hn::Div(set(1), channel_gain), row.root);
    const auto error = hn::Mul(hn::Add(deviation, hn::Sub(signal, product)), inverse_gain);
    hn::StoreU(hn::IfThenElseZero(hn::Gt(gain, zero), error), d, errors + i);
  }
  return i;
}

// Returns the smallest mean of both diodes together.
float CountErrors(const NoisePass& pass, const DiodeCounts& counts, std::int64_t begin,
                  std::int64_t end, const float* y, const float* z, float* errors) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  auto smallest = hn::Set(d, std::numeric_limits<float>::max());
  auto smallest_one = hn::Set(one, std::numeric_limits<float>::max());
  Stretch s{begin / pass.channels, begin % pass.channels, 0, y, z};
  while (begin < end) {
    s.count = std::min(pass.channels - s.first, end - begin);
    if (pass.norm_per_channel) {
      const std::int64_t done = CountRun<false>(d, pass, counts, s, errors, smallest, 0);
      CountRun<false>(one, pass, counts, s, errors, smallest_one, done);
    } else {
      const std::int64_t done = CountRun<true>(d, pass, counts, s, errors, smallest, 0);
      CountRun<true>(one, pass, counts, s, errors, smallest_one, done);
    }
    s.y += s.count;
    s.tile += s.count;
    errors += s.count;
    begin += s.count;
    s.first = 0;
    ++s.position;
  }
  return std::min(hn::GetLane(hn::MinOfLanes(d, smallest)), hn::GetLane(smallest_one));
}

// errors += sqrt(A + B p + c y^2) z.
template <bool single_norm, class Tag>
HWY_INLINE std::int64_t ResidualRun(Tag d, const NoisePass& pass, const Stretch& s, float* errors,
                                    std::int64_t i) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t base = s.position * pass.channels + s.first;
  const auto row_norm = hn::Set(d, single_norm ? pass.norms[s.position] : 0.0f);
  for (; i + lanes <= s.count; i += lanes) {
    const auto y = hn::LoadU(d, s.y + i);
    const auto norm = single_norm ? row_norm : hn::LoadU(d, pass.norms + base + i);
    auto variance = hn::MulAdd(hn::LoadU(d, pass.variance_slope + s.first + i), norm,
                               hn::LoadU(d, pass.variance_offset + s.first + i));
    variance = hn::MulAdd(hn::Mul(hn::LoadU(d, pass.signal + s.first + i), y), y, variance);
    const auto z = hn::LoadU(d, s.tile + i);
    hn::StoreU(hn::MulAdd(hn::Sqrt(variance), z, hn::LoadU(d, errors + i)), d, errors + i);
  }
  return i;
}

void AddResidual(const NoisePass& pass, std::int64_t begin, std::int64_t end, const float* y,
                 const float* z, float* errors) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  Stretch s{begin / pass.channels, begin % pass.channels, 0, y, z};
  while (begin < end) {
    s.count = std::min(pass.channels - s.first, end - begin);
    if (pass.norm_per_channel) {
      ResidualRun<false>(one, pass, s, errors, ResidualRun<false>(d, pass, s, errors, 0));
    } else {
      ResidualRun<true>(one, pass, s, errors, ResidualRun<true>(d, pass, s, errors, 0));
    }
    s.y += s.count;
    s.tile += s.count;
    errors += s.count;
    begin += s.count;
    s.first = 0;
    ++s.position;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attojoule::network
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attojoule::network {

HWY_EXPORT(SweepGaussian);
HWY_EXPORT(Fused);
HWY_EXPORT(FusedCounts);
HWY_EXPORT(Roots);
HWY_EXPORT(CountRoots);
HWY_EXPORT(SweepErrors);
HWY_EXPORT(SweepClean);
HWY_EXPORT(Dequantise);
HWY_EXPORT(CountErrors);
HWY_EXPORT(AddResidual);

namespace {

// What is drawn and converted for one tile stays in the first-level cache until it is used.
constexpr std::int64_t tile_size = 2048;
struct Tile {
  alignas(64) std::array<float, tile_size> drawn;
  alignas(64) std::array<float, tile_size> y;
};

// The outputs without noise of a range, where they are or converted into the tile.
const float* accumulators(const NoisePass& pass, Tile& tile, std::int64_t begin, std::int64_t end) {
  if (pass.integers.sums == nullptr) return pass.accumulator + begin;
  HWY_DYNAMIC_DISPATCH(Dequantise)(pass, begin, end, tile.y.data());
  return tile.y.data();
}

// Calls body(begin, end, y of that range) for every tile of the output.
template <class Body>
void for_each_tile(const NoisePass& pass, Tile& tile, Body body) {
  const std::int64_t count = pass.positions * pass.channels;
  for (std::int64_t begin = 0; begin < count; begin += tile_size) {
    const std::int64_t end = std::min(begin + tile_size, count);
    body(begin, end, accumulators(pass, tile, begin, end));
  }
}

// Elements [begin, end) of the output, number by number.
void sweep_part(const NoisePass& pass, Tile& tile, std::int64_t begin, std::int64_t end) {
  for (; begin < end; begin += tile_size) {
    const std::int64_t stop = std::min(begin + tile_size, end);
    const float* y = accumulators(pass, tile, begin, stop);
    photonics::fill_normal(pass.stream, pass.first_element + static_cast<std::uint64_t>(begin),
                           std::span(tile.drawn).first(static_cast<std::size_t>(stop - begin)));
    HWY_DYNAMIC_DISPATCH(SweepGaussian)(pass, begin, stop, y, tile.drawn.data());
  }
}

// The channels' constants, continued by those of the next row's first channels, so that a vector
// may start at any channel.
class Continued {
 public:
  explicit Continued(const NoisePass& pass, const DiodeCounts* counts = nullptr) {
    const auto channels = static_cast<std::size_t>(pass.channels);
    const bool copy = channels % photonics::random_lanes_per_run != 0 ||
                      pass.first_element % photonics::random_lanes_per_run != 0;
    const std::size_t length = channels + photonics::random_lanes_per_run;
    numbers_.reserve(11 * length);
    integers_.reserve(2 * length);
    const auto extended = [&](const auto* values, auto& storage) {
      if (values == nullptr || !copy) return values;
      const std::size_t start = storage.size();
      for (std::size_t i = 0; i < length; ++i) storage.push_back(values[i % channels]);
      return static_cast<decltype(values)>(storage.data() + start);
    };
    tables.offset = extended(pass.variance_offset, numbers_);
    tables.slope = extended(pass.variance_slope, numbers_);
    tables.deviation = extended(pass.deviation_slope, numbers_);
    tables.signal = extended(pass.signal, numbers_);
    tables.scale = extended(pass.integers.scale, numbers_);
    tables.shift = extended(pass.integers.shift, integers_);
    tables.weight_zero = extended(pass.integers.weight_zero, integers_);
    tables.bias = extended(pass.bias, numbers_);
    if (pass.bias == nullptr) {
      numbers_.resize(numbers_.size() + length, 0.0f);
      tables.bias = numbers_.data() + numbers_.size() - length;
    }
    if (counts == nullptr) return;
    tables.light = extended(counts->light, numbers_);
    tables.gain = extended(counts->gain, numbers_);
    const auto computed = [&](auto formula) {
      const std::size_t start = numbers_.size();
      for (std::size_t i = 0; i < length; ++i) numbers_.push_back(formula(i % channels));
      return numbers_.data() + start;
    };
    const auto root = [&](std::size_t c) { return std::sqrt(counts->light[c] + 2 * counts->dark); };
    tables.root_total = computed(root);
    tables.inverse_root_total = computed([&](std::size_t c) { return 1 / root(c); });
    tables.inverse_gain =
        computed([&](std::size_t c) { return counts->gain[c] > 0 ? 1 / counts->gain[c] : 0.0f; });
  }

  FusedTables tables;

 private:
  std::vector<float> numbers_;
  std::vector<std::int32_t> integers_;
};

}  // namespace

namespace {

// Walks the outputs: part(begin, end) for those before and after the whole groups of the random
// stream (for all where rows are too short), whole(continued tables, plan, begin, end) for chunks
// of whole groups, after roots(first row, rows, where to).
template <class Part, class Whole, class Roots>
void sweep_groups(const NoisePass& pass, const DiodeCounts* counts, Part part, Whole whole_groups,
                  Roots roots_of_rows) {
  constexpr auto group = static_cast<std::int64_t>(photonics::random_group_size);
  constexpr auto run = static_cast<std::int64_t>(photonics::random_lanes_per_run);
  const std::int64_t count = pass.positions * pass.channels;
  const auto before = static_cast<std::int64_t>(
      (photonics::random_group_size - pass.first_element % photonics::random_group_size) %
      photonics::random_group_size);
  const std::int64_t whole = before >= count ? 0 : (count - before) / group * group;
  if (pass.channels < run || whole < 16 * group) {
    part(0, count);
    return;
  }
  part(0, before);
  Continued continued(pass, counts);
  const photonics::RandomPlan plan = photonics::make_random_plan(pass.stream);
  // A chunk of at most this many elements has roots of at most this many rows.
  constexpr std::int64_t chunk = 256 * group;
  alignas(64) std::array<float, chunk / run + 2> roots;
  continued.tables.roots = roots.data();
  for (std::int64_t begin = before; begin < before + whole; begin += chunk) {
    const std::int64_t end = std::min(begin + chunk, before + whole);
    const std::int64_t row = begin / pass.channels;
    roots_of_rows(row, (end - 1) / pass.channels - row + 1, roots.data());
    whole_groups(continued.tables, plan, begin, end);
  }
  part(before + whole, count);
}

}  // namespace

void apply_gaussian_noise(const NoisePass& pass) {
  Tile tile;
  const bool factored =
      !pass.has_offset && !pass.norm_per_channel && pass.deviation_slope != nullptr;
  sweep_groups(
      pass, nullptr,
      [&](std::int64_t begin, std::int64_t end) { sweep_part(pass, tile, begin, end); },
      [&](const FusedTables& tables, const photonics::RandomPlan& plan, std::int64_t begin,
          std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(Fused)
        (pass, tables, plan, begin, end);
      },
      [&](std::int64_t row, std::int64_t rows, float* roots) {
        if (factored) HWY_DYNAMIC_DISPATCH(Roots)(pass.norms + row, rows, roots);
      });
}

void apply_rounding(const NoisePass& pass, float low, float step) {
  for (std::int64_t p = 0; p < pass.positions; ++p) {
    for (std::int64_t c = 0; c < pass.channels; ++c) {
      const std::int64_t element = p * pass.channels + c;
      float y = accumulated(pass, p, c);
      if (step > 0) y = low + std::nearbyint((y - low) / step) * step;
      if (pass.bias != nullptr) y += pass.bias[c];
      if (pass.residual != nullptr) y += pass.residual[element];
      pass.output[element] = std::min(std::max(y, pass.low), pass.high);
    }
  }
}

void apply_epilogue(const NoisePass& pass) {
  Tile tile;
  for_each_tile(pass, tile, [&](std::int64_t begin, std::int64_t end, const float* y) {
    HWY_DYNAMIC_DISPATCH(SweepClean)(pass, begin, end, y);
  });
}

CountedLight apply_photon_counting(const NoisePass& pass, const float* photons, float weight_low,
                                   float weight_span) {
  Tile tile;
  alignas(64) std::array<float, tile_size> means;
  CountedLight light;
  for_each_tile(pass, tile, [&](std::int64_t begin, std::int64_t end, const float* y) {
    const auto size = static_cast<std::size_t>(end - begin);
    std::int64_t position = begin / pass.channels;
    std::int64_t channel = begin % pass.channels;
    const auto next = [&] {
      if (++channel == pass.channels) {
        channel = 0;
        ++position;
      }
    };
    const auto input_sum = [&] {
      return pass.norms[pass.norm_per_channel ? position * pass.channels + channel : position];
    };
    for (std::size_t i = 0; i < size; ++i, next()) {
      const float sum = input_sum();
      const float relative =
          sum > 0 ? std::clamp((y[i] - weight_low * sum) / (weight_span * sum), 0.0f, 1.0f) : 0.0f;
      means[i] = photons[channel] * relative;
      light.transmission += relative;
      light.photons += means[i];
    }
    photonics::fill_poisson(pass.stream, pass.first_element + static_cast<std::uint64_t>(begin),
                            std::span(means).first(size), std::span(tile.drawn).first(size));
    position = begin / pass.channels;
    channel = begin % pass.channels;
    for (std::size_t i = 0; i < size; ++i, next()) {
      tile.drawn[i] = (tile.drawn[i] - means[i]) * weight_span * input_sum() / photons[channel];
    }
    HWY_DYNAMIC_DISPATCH(SweepErrors)(pass, begin, end, y, tile.drawn.data());
  });
  return light;
}

namespace {

// Two Poisson numbers for every output of a tile whose diodes expect few counts; the means are
// those of CountErrors, for either diode.
void draw_few_counts(const NoisePass& pass, const DiodeCounts& counts, std::int64_t begin,
                     std::int64_t end, const float* y, float* errors) {
  alignas(64) std::array<float, tile_size> plus, minus, plus_counts, minus_counts, totals, gains,
      offsets;
  std::int64_t position = begin / pass.channels, channel = begin % pass.channels;
  const auto size = static_cast<std::size_t>(end - begin);
  float inverse = counts.normalised ? 0.0f : 1.0f, norm = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (i == 0 || channel == 0 || pass.norm_per_channel) {
      norm = pass.norms[pass.norm_per_channel ? position * pass.channels + channel : position];
      const float all = norm * counts.norm_scale + counts.norm_offset;
      if (counts.normalised) inverse = all > 0 ? 1 / std::sqrt(all) : 0.0f;
    }
    const float light = counts.light[channel] + counts.light_per_input_norm * norm;
    gains[i] = counts.gain[channel] * inverse;
    offsets[i] = counts.offset_shift + counts.offset_per_light * counts.light[channel] +
                 counts.offset_per_input_norm * norm;
    const float signal = std::min(std::max(gains[i] * y[i], -light), light);
    const float half_plus = light + offsets[i] + (1 + counts.imbalance) * signal;
    const float half_minus = light - offsets[i] - (1 - counts.imbalance) * signal;
    plus[i] = counts.dark + std::max(0.0f, 0.5f * half_plus);
    minus[i] = counts.dark + std::max(0.0f, 0.5f * half_minus);
    totals[i] = 2 * counts.dark + light + counts.imbalance * signal;
    if (++channel == pass.channels) {
      channel = 0;
      ++position;
    }
  }
  photonics::RandomStream stream = pass.stream;
  const std::uint64_t first = pass.first_element + static_cast<std::uint64_t>(begin);
  stream.domain = photonics::NoiseDomain::photon_count;
  photonics::fill_poisson(stream, first, std::span(plus).first(size),
                          std::span(plus_counts).first(size));
  stream.domain = photonics::NoiseDomain::photon_count_minus;
  photonics::fill_poisson(stream, first, std::span(minus).first(size),
                          std::span(minus_counts).first(size));
  for (std::size_t i = 0; i < size; ++i) {
    if (totals[i] >= photonics::skellam_series_total) continue;
    errors[i] =
        gains[i] > 0 ? (plus_counts[i] - minus_counts[i] - offsets[i]) / gains[i] - y[i] : 0.0f;
  }
}

}  // namespace

namespace {

// Elements [begin, end) of the output, tile by tile.
void count_part(const NoisePass& pass, const DiodeCounts& counts, Tile& tile, std::int64_t begin,
                std::int64_t end) {
  alignas(64) std::array<float, tile_size> errors;
  photonics::RandomStream stream_read = pass.stream;
  stream_read.domain = photonics::NoiseDomain::read_out;
  for (; begin < end; begin += tile_size) {
    const std::int64_t stop = std::min(begin + tile_size, end);
    const float* y = accumulators(pass, tile, begin, stop);
    const auto size = static_cast<std::size_t>(stop - begin);
    const std::uint64_t first = pass.first_element + static_cast<std::uint64_t>(begin);
    photonics::fill_normal(pass.stream, first, std::span(tile.drawn).first(size));
    const float smallest = HWY_DYNAMIC_DISPATCH(CountErrors)(pass, counts, begin, stop, y,
                                                             tile.drawn.data(), errors.data());
    // Not "<": a mean that is not a number must not pass for a large one.
    if (!(smallest >= photonics::skellam_series_total)) {
      draw_few_counts(pass, counts, begin, stop, y, errors.data());
    }
    if (counts.has_residual) {
      photonics::fill_normal(stream_read, first, std::span(tile.drawn).first(size));
      HWY_DYNAMIC_DISPATCH(AddResidual)(pass, begin, stop, y, tile.drawn.data(), errors.data());
    }
    HWY_DYNAMIC_DISPATCH(SweepErrors)(pass, begin, stop, y, errors.data());
  }
}

// Whether the means of both diodes together depend on the channel alone and are large everywhere,
// and nothing but the counts is drawn.
bool counts_in_registers(const NoisePass& pass, const DiodeCounts& counts) {
  if (counts.imbalance != 0 || counts.offset_shift != 0 || counts.offset_per_light != 0 ||
      counts.offset_per_input_norm != 0 || counts.light_per_input_norm != 0 ||
      counts.has_residual) {
    return false;
  }
  for (std::int64_t c = 0; c < pass.channels; ++c) {
    if (!(counts.light[c] + 2 * counts.dark >= photonics::skellam_series_total)) return false;
  }
  return true;
}

}  // namespace

void apply_photoelectron_counting(const NoisePass& pass, const DiodeCounts& counts) {
  Tile tile;
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    count_part(pass, counts, tile, begin, end);
  };
  if (!counts_in_registers(pass, counts)) {
    part(0, pass.positions * pass.channels);
    return;
  }
  sweep_groups(
      pass, &counts, part,
      [&](const FusedTables& tables, const photonics::RandomPlan& plan, std::int64_t begin,
          std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(FusedCounts)(pass, counts, tables, plan, begin, end);
      },
      [&](std::int64_t row, std::int64_t rows, float* roots) {
        if (pass.norm_per_channel) return;
        HWY_DYNAMIC_DISPATCH(CountRoots)(counts, pass.norms + row, rows, roots);
      });
}

float accumulated(const NoisePass& pass, std::int64_t position, std::int64_t channel) {
  const std::int64_t element = position * pass.channels + channel;
  const IntegerAccumulators& a = pass.integers;
  if (a.sums == nullptr) return pass.accumulator[element];
  std::int32_t sum = a.sums[element] - a.shift[channel];
  if (a.weight_zero != nullptr) {
    sum -= a.weight_zero[channel] * a.input_sums[pass.norm_per_channel ? element : position];
  }
  return static_cast<float>(sum) * a.scale[channel];
}

}  // namespace attojoule::network
#endif  // HWY_ONCE
