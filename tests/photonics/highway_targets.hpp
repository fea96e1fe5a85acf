// Runs a piece of a test on every instruction set that this processor has and the build contains.
#pragma once

#include <hwy/highway.h>

#include <cstdint>
#include <vector>

namespace attojoule::tests {

class OnlyTarget {
 public:
  explicit OnlyTarget(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  ~OnlyTarget() {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  OnlyTarget(const OnlyTarget&) = delete;
  OnlyTarget& operator=(const OnlyTarget&) = delete;
};

inline std::vector<std::int64_t> runnable_targets() {
  return hwy::SupportedAndGeneratedTargets();
}

// Targets whose fused multiply-add rounds once.
inline bool has_fused_multiply_add(std::int64_t target) {
  return (target & (HWY_AVX2 | HWY_AVX3 | HWY_AVX3_DL | HWY_NEON | HWY_SVE | HWY_SVE2 |
                    HWY_SVE_256 | HWY_SVE2_128)) != 0;
}

}  // namespace attojoule::tests
