// Keeps oneDNN on the calling thread. Internal to network/.
#pragma once

#include <omp.h>

namespace attojoule::network {

// oneDNN plans and runs a primitive on as many threads as OpenMP would use. Lanes run one each, and
// a primitive that starts threads of its own would make results depend on their number.
class SingleThread {
 public:
  SingleThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~SingleThread() { omp_set_num_threads(before_); }
  SingleThread(const SingleThread&) = delete;
  SingleThread& operator=(const SingleThread&) = delete;

 private:
  int before_;
};

}  // namespace attojoule::network
