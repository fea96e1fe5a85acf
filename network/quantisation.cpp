#include "network/quantisation.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/quantisation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace attojoule::network {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class Tag>
HWY_INLINE hn::Vec<hn::RebindToSigned<Tag>> Codes(Tag d, const Quantiser& q, const float* x) {
  const auto inverse = hn::Set(d, 1.0f / q.scale);
  const auto zero = hn::Set(d, static_cast<float>(q.zero_point));
  const auto steps = hn::Add(hn::Round(hn::Mul(hn::LoadU(d, x), inverse)), zero);
  const auto highest = hn::Set(d, static_cast<float>(q.highest));
  const hn::RebindToSigned<Tag> di;
  return hn::ConvertTo(di, hn::Min(hn::Max(steps, hn::Zero(d)), highest));
}

template <class Tag>
HWY_INLINE std::int64_t FakeRun(Tag d, const Quantiser& q, const float* x, std::int64_t count,
                                float* out, std::int64_t i) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const hn::RebindToSigned<Tag> di;
  const auto zero = hn::Set(di, q.zero_point);
  const auto scale = hn::Set(d, q.scale);
  for (; i + lanes <= count; i += lanes) {
    const auto codes = Codes(d, q, x + i);
    hn::StoreU(hn::Mul(hn::ConvertTo(d, hn::Sub(codes, zero)), scale), d, out + i);
  }
  return i;
}

void FakeQuantise(const Quantiser& q, const float* x, std::int64_t count, float* out) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  FakeRun(one, q, x, count, out, FakeRun(d, q, x, count, out, 0));
}

template <class Tag>
HWY_INLINE std::int64_t ByteRun(Tag d, const Quantiser& q, const float* x, std::int64_t count,
                                std::uint8_t* out, std::int64_t i) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const hn::Rebind<std::uint8_t, Tag> db;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::DemoteTo(db, Codes(d, q, x + i)), db, out + i);
  }
  return i;
}

void QuantiseBytes(const Quantiser& q, const float* x, std::int64_t count, std::uint8_t* out) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  ByteRun(one, q, x, count, out, ByteRun(d, q, x, count, out, 0));
}

// Sums of one row of codes.
HWY_INLINE void RowSums(const std::uint8_t* codes, int zero_point, std::int64_t depth,
                        std::int32_t* sum, std::int32_t* square_sum) {
  const hn::ScalableTag<std::int32_t> d;
  const hn::Rebind<std::uint8_t, decltype(d)> db;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto zero = hn::Set(d, zero_point);
  auto sums = hn::Zero(d);
  auto squares = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= depth; i += lanes) {
    const auto value = hn::Sub(hn::PromoteTo(d, hn::LoadU(db, codes + i)), zero);
    sums = hn::Add(sums, value);
    squares = hn::Add(squares, hn::Mul(value, value));
  }
  std::int32_t tail_sum = hn::GetLane(hn::SumOfLanes(d, sums));
  std::int32_t tail_squares = hn::GetLane(hn::SumOfLanes(d, squares));
  for (; i < depth; ++i) {
    const int value = codes[i] - zero_point;
    tail_sum += value;
    tail_squares += value * value;
  }
  *sum = tail_sum;
  *square_sum = tail_squares;
}

void CodeSums(const std::uint8_t* codes, int zero_point, std::int64_t rows, std::int64_t depth,
              std::int32_t* sums, std::int32_t* square_sums) {
  for (std::int64_t row = 0; row < rows; ++row) {
    RowSums(codes + row * depth, zero_point, depth, sums + row, square_sums + row);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attojoule::network
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attojoule::network {

HWY_EXPORT(FakeQuantise);
HWY_EXPORT(QuantiseBytes);
HWY_EXPORT(CodeSums);

Quantiser make_quantiser(double low, double high, int bits) {
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  Quantiser quantiser;
  quantiser.highest = (1 << bits) - 1;
  if (high > low) {
    const double step = (high - low) / quantiser.highest;
    quantiser.scale = std::max(static_cast<float>(step), std::numeric_limits<float>::min());
    quantiser.zero_point =
        std::clamp(static_cast<int>(std::nearbyint(-low / step)), 0, quantiser.highest);
  }
  return quantiser;
}

float quantise(const Quantiser& quantiser, float value) {
  float result = 0;
  fake_quantise(quantiser, &value, 1, &result);
  return result;
}

void fake_quantise(const Quantiser& quantiser, const float* x, std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(FakeQuantise)(quantiser, x, count, out);
}

void quantise_padded(const Quantiser& quantiser, const float* x, const WindowGeometry& window,
                     std::uint8_t* out) {
  const auto zero = static_cast<std::uint8_t>(quantiser.zero_point);
  const std::int64_t row = window.input[1] * window.channels;
  const std::int64_t before = window.pad_begin[1] * window.channels;
  const std::int64_t after = window.pad_end[1] * window.channels;
  const std::int64_t full_row = before + row + after;
  if (full_row == row && window.pad_begin[0] + window.pad_end[0] == 0) {
    HWY_DYNAMIC_DISPATCH(QuantiseBytes)(quantiser, x, window.input[0] * row, out);
    return;
  }
  out = std::fill_n(out, window.pad_begin[0] * full_row, zero);
  for (std::int64_t y = 0; y < window.input[0]; ++y) {
    out = std::fill_n(out, before, zero);
    HWY_DYNAMIC_DISPATCH(QuantiseBytes)(quantiser, x + y * row, row, out);
    out = std::fill_n(out + row, after, zero);
  }
  std::fill_n(out, window.pad_end[0] * full_row, zero);
}

void code_sums(const std::uint8_t* codes, int zero_point, std::int64_t positions,
               std::int64_t groups, std::int64_t depth, std::int32_t* sums,
               std::int32_t* square_sums) {
  if (depth == 1) {
    for (std::int64_t i = 0; i < positions * groups; ++i) {
      const int value = codes[i] - zero_point;
      sums[i] = value;
      square_sums[i] = value * value;
    }
    return;
  }
  HWY_DYNAMIC_DISPATCH(CodeSums)(codes, zero_point, positions * groups, depth, sums, square_sums);
}

QuantisedWeights quantise_weights(const std::vector<float>& weights, int bits,
                                  std::int64_t channels, std::int64_t depth,
                                  std::int64_t channel_stride, std::int64_t depth_stride) {
  QuantisedWeights result;
  result.values.resize(weights.size());
  const bool bytes = bits <= 8;
  if (bytes) result.codes.resize(weights.size());
  const int middle = 1 << (bits - 1);
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto at = [&](std::int64_t k) {
      return static_cast<std::size_t>(c * channel_stride + k * depth_stride);
    };
    float low = 0;
    float high = 0;
    for (std::int64_t k = 0; k < depth; ++k) {
      low = std::min(low, weights[at(k)]);
      high = std::max(high, weights[at(k)]);
    }
    const Quantiser quantiser = make_quantiser(low, high, bits);
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < depth; ++k) {
      const float value = quantise(quantiser, weights[at(k)]);
      result.values[at(k)] = value;
      const int code =
          static_cast<int>(std::lround(value / quantiser.scale)) + quantiser.zero_point - middle;
      if (bytes) result.codes[at(k)] = static_cast<std::int8_t>(code);
      sum += code;
    }
    result.scale.push_back(quantiser.scale);
    result.zero_point.push_back(quantiser.zero_point - middle);
    result.code_sum.push_back(sum);
  }
  return result;
}

}  // namespace attojoule::network
#endif  // HWY_ONCE
