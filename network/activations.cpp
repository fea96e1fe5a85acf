#include "network/activations.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/activations.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>

#include "photonics/random_simd.hpp"

HWY_BEFORE_NAMESPACE();
namespace attojoule::network {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace ph = photonics::HWY_NAMESPACE;

using Floats = ph::FloatTag;
using Vector = ph::FloatVec;

// Below 1/2 the Taylor series (the first term left out is 3e-8 of the value), above 1 - 2 Q(x sqrt
// 2) with the upper tail Q of the normal law. From x = 4.1 on, a float does not tell erf from 1.
HWY_INLINE Vector Erf(Vector x) {
  const Floats d;
  const auto size = hn::Abs(x);
  const auto x2 = hn::Mul(x, x);
  auto series = hn::Set(d, 1.0f / 9360);
  series = hn::MulAdd(series, x2, hn::Set(d, -1.0f / 1320));
  series = hn::MulAdd(series, x2, hn::Set(d, 1.0f / 216));
  series = hn::MulAdd(series, x2, hn::Set(d, -1.0f / 42));
  series = hn::MulAdd(series, x2, hn::Set(d, 0.1f));
  series = hn::MulAdd(series, x2, hn::Set(d, -1.0f / 3));
  series = hn::MulAdd(series, x2, hn::Set(d, 1.0f));
  series = hn::Mul(series, hn::Mul(size, hn::Set(d, 1.12837916709551257f)));
  const auto z = hn::Min(hn::Mul(size, hn::Set(d, 1.41421356237309505f)), hn::Set(d, 6.5f));
  const auto tail = ph::normal_upper_tail(z);
  const auto far = hn::NegMulAdd(tail, hn::Set(d, 2.0f), hn::Set(d, 1.0f));
  return hn::CopySign(hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.5f)), series, far), x);
}

// out = function(x) of every element; the last few take a vector of their own.
template <class Function>
void Map(const float* x, std::int64_t count, float* out, Function function) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(function(hn::LoadU(d, x + i)), d, out + i);
  if (i == count) return;
  std::array<float, photonics::random_lanes_per_run> rest{};
  std::copy(x + i, x + count, rest.begin());
  hn::StoreU(function(hn::LoadU(d, rest.data())), d, rest.data());
  std::copy_n(rest.begin(), count - i, out + i);
}

void ErrorFunction(const float* x, std::int64_t count, float* out) {
  Map(x, count, out, [](Vector v) HWY_ATTR { return Erf(v); });
}

void Gelu(const float* x, std::int64_t count, float* out) {
  Map(x, count, out, [](Vector v) HWY_ATTR {
    const Floats d;
    const auto half = hn::Mul(v, hn::Set(d, 0.5f));
    return hn::MulAdd(half, Erf(hn::Mul(v, hn::Set(d, 0.707106781186547524f))), half);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace attojoule::network
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attojoule::network {

HWY_EXPORT(ErrorFunction);
HWY_EXPORT(Gelu);

void error_function(const float* x, std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(ErrorFunction)(x, count, out);
}

void gelu(const float* x, std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(Gelu)(x, count, out);
}

}  // namespace attojoule::network
#endif  // HWY_ONCE
