#include "network/memory_plan.hpp"

#include <algorithm>
#include <numeric>

namespace attojoule::network {

MemoryPlan plan_memory(const std::vector<BufferLife>& buffers) {
  constexpr std::size_t line = 64;
  MemoryPlan plan;
  plan.offsets.assign(buffers.size(), 0);
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return buffers[a].bytes > buffers[b].bytes;
  });
  std::vector<std::size_t> placed;  // sorted by offset
  for (const std::size_t id : order) {
    const BufferLife& life = buffers[id];
    const std::size_t bytes = (life.bytes + line - 1) / line * line;
    std::size_t offset = 0;
    for (const std::size_t other : placed) {
      const bool apart = buffers[other].last < life.first || life.last < buffers[other].first;
      if (apart) continue;
      const std::size_t other_bytes = (buffers[other].bytes + line - 1) / line * line;
      if (offset + bytes <= plan.offsets[other]) break;
      offset = std::max(offset, plan.offsets[other] + other_bytes);
    }
    plan.offsets[id] = offset;
    plan.total = std::max(plan.total, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), id,
                                   [&](std::size_t a, std::size_t b) {
                                     return plan.offsets[a] < plan.offsets[b];
                                   }),
                  id);
  }
  return plan;
}

}  // namespace attojoule::network
