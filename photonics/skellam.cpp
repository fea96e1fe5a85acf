#include "photonics/skellam.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "photonics/skellam.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstddef>

#include "photonics/skellam_simd.hpp"

HWY_BEFORE_NAMESPACE();
namespace attojoule::photonics::HWY_NAMESPACE {

void SkellamDeviations(std::size_t count, const float* totals, const float* differences,
                       const float* normals, float* deviations) {
  namespace hn = hwy::HWY_NAMESPACE;
  const auto deviate = [&](auto d, std::size_t i) HWY_ATTR {
    const auto sigma = hn::Sqrt(hn::LoadU(d, totals + i));
    const auto inverse = hn::Div(hn::Set(d, 1.0f), sigma);
    const auto difference = hn::LoadU(d, differences + i);
    const auto z = hn::LoadU(d, normals + i);
    hn::StoreU(SkellamDeviation(d, sigma, inverse, difference, z), d, deviations + i);
  };
  const hn::ScalableTag<float> d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) deviate(d, i);
  for (; i < count; ++i) deviate(hn::CappedTag<float, 1>(), i);
}

}  // namespace attojoule::photonics::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <fmt/format.h>

#include "photonics/error.hpp"

namespace attojoule::photonics {

HWY_EXPORT(SkellamDeviations);

void skellam_from_normal(std::span<const float> totals, std::span<const float> differences,
                         std::span<const float> normals, std::span<float> deviations) {
  if (totals.size() != deviations.size() || differences.size() != deviations.size() ||
      normals.size() != deviations.size()) {
    throw RunError(fmt::format(
        "skellam_from_normal: {} totals, {} differences and {} normal numbers for {} deviations "
        "(one of each a count). Pass spans of equal length.",
        totals.size(), differences.size(), normals.size(), deviations.size()));
  }
  for (const float total : totals) {
    if (!(total >= skellam_series_total)) {
      throw RunError(
          fmt::format("skellam_from_normal: a mean of {} counts on both sides (the series needs {} "
                      "or more). Draw two Poisson numbers.",
                      total, skellam_series_total));
    }
  }
  HWY_DYNAMIC_DISPATCH(SkellamDeviations)
  (totals.size(), totals.data(), differences.data(), normals.data(), deviations.data());
}

}  // namespace attojoule::photonics

#endif  // HWY_ONCE
