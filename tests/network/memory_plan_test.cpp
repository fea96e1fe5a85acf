// Buffers that live at the same time do not overlap, whatever they are.
#include "network/memory_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "tests/support/rapidcheck.hpp"

namespace attojoule::tests {
namespace {

using network::BufferLife;

bool live_together(const BufferLife& a, const BufferLife& b) {
  return a.first <= b.last && b.first <= a.last;
}

RC_GTEST_PROP(MemoryPlan, keeps_live_buffers_apart, ()) {
  const auto raw = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
      rc::gen::tuple(rc::gen::inRange(0, 2000), rc::gen::inRange(-1, 20), rc::gen::inRange(0, 8)));
  std::vector<BufferLife> buffers;
  for (const auto& [bytes, first, length] : raw) {
    buffers.push_back({static_cast<std::size_t>(bytes), first, first + length});
  }
  const auto plan = network::plan_memory(buffers);
  RC_ASSERT(plan.offsets.size() == buffers.size());
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    RC_ASSERT(plan.offsets[i] % 64 == 0);
    RC_ASSERT(plan.offsets[i] + buffers[i].bytes <= plan.total);
    for (std::size_t k = 0; k < i; ++k) {
      if (!live_together(buffers[i], buffers[k])) continue;
      const bool apart = plan.offsets[i] + buffers[i].bytes <= plan.offsets[k] ||
                         plan.offsets[k] + buffers[k].bytes <= plan.offsets[i];
      RC_ASSERT(apart);
    }
  }
}

TEST(MemoryPlan, reuses_what_is_free) {
  // A chain: each buffer is written by one step and read by the next.
  std::vector<BufferLife> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({640, i, i + 1});
  EXPECT_EQ(network::plan_memory(chain).total, 1280u);
  for (BufferLife& life : chain) life.last = 10;
  EXPECT_EQ(network::plan_memory(chain).total, 6400u);
}

TEST(MemoryPlan, nothing_needs_nothing) {
  EXPECT_EQ(network::plan_memory({}).total, 0u);
}

}  // namespace
}  // namespace attojoule::tests
