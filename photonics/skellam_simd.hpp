// The vector kernel behind skellam.hpp, for code that has its own Highway pass. Include it inside a
// foreach_target section, after hwy/highway.h; everything else uses skellam.hpp.
#if defined(ATTOJOULE_PHOTONICS_SKELLAM_SIMD_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTOJOULE_PHOTONICS_SKELLAM_SIMD_HPP
#undef ATTOJOULE_PHOTONICS_SKELLAM_SIMD_HPP
#else
#define ATTOJOULE_PHOTONICS_SKELLAM_SIMD_HPP
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attojoule::photonics::HWY_NAMESPACE {

// (n+ - n-) - difference at the quantile of z; the series of skellam.hpp. sigma: root of the mean
// total, inverse: 1 / sigma. The whole part of the difference is set aside before rounding, so that
// large counts are not shifted.
template <class Tag, class Vec = hwy::HWY_NAMESPACE::Vec<Tag>>
HWY_INLINE Vec SkellamDeviation(Tag d, Vec sigma, Vec inverse, Vec difference, Vec z) {
  namespace hn = hwy::HWY_NAMESPACE;
  const auto set = [d](double value) { return hn::Set(d, static_cast<float>(value)); };
  const auto one = set(1);
  const auto ratio = hn::Mul(difference, hn::Mul(inverse, inverse));
  const auto rho = hn::Min(hn::Max(ratio, set(-1)), one);
  const auto rho2 = hn::Mul(rho, rho);
  const auto z2 = hn::Mul(z, z);
  // z^3/24 - z/6 - rho^2 (2 z^3 - 5 z)/36
  const auto odd = hn::Sub(hn::MulSub(z2, set(1.0 / 24), set(1.0 / 6)),
                           hn::Mul(rho2, hn::MulSub(z2, set(2.0 / 36), set(5.0 / 36))));
  // (z^4 - 6 z^2 + 3)/120 - (z^4 - 5 z^2 + 2)/24 + (z^2 - 1)/72 + rho^2 (12 z^4 - 53 z^2 + 17)/324
  const auto even = hn::MulAdd(
      rho2, hn::MulAdd(hn::MulSub(z2, set(12.0 / 324), set(53.0 / 324)), z2, set(17.0 / 324)),
      hn::MulAdd(hn::MulAdd(z2, set(1.0 / 120 - 1.0 / 24), set(-6.0 / 120 + 5.0 / 24 + 1.0 / 72)),
                 z2, set(3.0 / 120 - 2.0 / 24 - 1.0 / 72)));
  auto x = hn::MulAdd(sigma, z, hn::Mul(rho, hn::MulSub(z2, set(1.0 / 6), set(1.0 / 6))));
  x = hn::MulAdd(hn::Mul(z, odd), inverse, x);
  x = hn::MulAdd(hn::Mul(rho, even), hn::Mul(inverse, inverse), x);
  const auto fraction = hn::Sub(difference, hn::Floor(difference));
  return hn::Sub(hn::Floor(hn::Add(hn::Add(fraction, x), set(0.5))), fraction);
}

}  // namespace attojoule::photonics::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
