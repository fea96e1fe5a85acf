#include "tests/bench/fma_peak.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/bench/fma_peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <chrono>

HWY_BEFORE_NAMESPACE();
namespace attojoule::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Ten chains hide the latency of two units of four to five cycles. Returns operations done.
double FmaSlice(float* sink) {
  const hn::ScalableTag<float> d;
  const auto m = hn::Set(d, 0.999f);
  const auto c = hn::Set(d, 0.001f);
  // Different starts, or the compiler would see one chain ten times.
  const auto start = [&](int k) HWY_ATTR { return hn::Set(d, 0.1f * static_cast<float>(k)); };
  auto a0 = start(0), a1 = start(1), a2 = start(2), a3 = start(3), a4 = start(4);
  auto a5 = start(5), a6 = start(6), a7 = start(7), a8 = start(8), a9 = start(9);
  constexpr int steps = 200'000;
  for (int i = 0; i < steps; ++i) {
    a0 = hn::MulAdd(a0, m, c);
    a1 = hn::MulAdd(a1, m, c);
    a2 = hn::MulAdd(a2, m, c);
    a3 = hn::MulAdd(a3, m, c);
    a4 = hn::MulAdd(a4, m, c);
    a5 = hn::MulAdd(a5, m, c);
    a6 = hn::MulAdd(a6, m, c);
    a7 = hn::MulAdd(a7, m, c);
    a8 = hn::MulAdd(a8, m, c);
    a9 = hn::MulAdd(a9, m, c);
  }
  const auto sum = hn::Add(hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)),
                           hn::Add(hn::Add(a4, a5), hn::Add(hn::Add(a6, a7), hn::Add(a8, a9))));
  *sink = hn::GetLane(sum);
  return 2.0 * 10.0 * steps * static_cast<double>(hn::Lanes(d));
}

}  // namespace HWY_NAMESPACE
}  // namespace attojoule::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attojoule::bench {

HWY_EXPORT(FmaSlice);

double fma_gflops() {
  double best = 0;
  volatile float kept = 0;
  for (int slice = 0; slice < 50; ++slice) {
    float sink = 0;
    const auto start = std::chrono::steady_clock::now();
    const double operations = HWY_DYNAMIC_DISPATCH(FmaSlice)(&sink);
    const double time =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    kept = sink;
    best = std::max(best, operations / time / 1e9);
  }
  static_cast<void>(kept);
  return best;
}

}  // namespace attojoule::bench
#endif  // HWY_ONCE
