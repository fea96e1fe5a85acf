#include "network/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace attojoule::network {

void parallel_for(std::int64_t count, int threads,
                  const std::function<void(std::int64_t index, int worker)>& body) {
  std::atomic<std::int64_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&](int worker) {
    try {
      for (std::int64_t index = next++; index < count; index = next++) body(index, worker);
    } catch (...) {
      next = count;
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  const auto useful = static_cast<int>(std::clamp<std::int64_t>(count, 1, std::max(threads, 1)));
  for (int worker = 1; worker < useful; ++worker) others.emplace_back(work, worker);
  work(0);
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace attojoule::network
