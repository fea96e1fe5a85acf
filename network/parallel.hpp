// Work spread over threads, each with a memory of its own.
#pragma once

#include <cstdint>
#include <functional>

namespace attojoule::network {

// Calls body(index, worker) for every index in [0, count); worker < threads names the thread that
// calls, so that each can keep its own lane. Which thread takes an index changes from run to run:
// nothing may depend on it. The first exception stops the loop and is thrown again here.
void parallel_for(std::int64_t count, int threads,
                  const std::function<void(std::int64_t index, int worker)>& body);

}  // namespace attojoule::network
