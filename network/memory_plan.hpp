// Where every intermediate value lives in a lane's one block of memory.
#pragma once

#include <cstddef>
#include <vector>

namespace attojoule::network {

// A block that is needed from step `first` to step `last`, both included.
struct BufferLife {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct MemoryPlan {
  std::vector<std::size_t> offsets;  // bytes, aligned to a cache line; one per buffer
  std::size_t total = 0;             // bytes
};

// Packs buffers so that no two that live at the same time overlap: largest first, each at the
// lowest offset that is free during its whole life. Test: tests/network/memory_plan_test.cpp.
MemoryPlan plan_memory(const std::vector<BufferLife>& buffers);

}  // namespace attojoule::network
