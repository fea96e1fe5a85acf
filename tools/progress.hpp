// A progress bar with the time that is left, for people: on stderr, and only on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>

namespace attojoule::tools {

class ProgressBar {
 public:
  // total: units of work in all. Draws on `out` if it is std::cerr and a terminal.
  ProgressBar(std::ostream& out, std::int64_t total);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void stage(const std::string& name) { stage_ = name; }
  // Work done so far, in units of `total`; redraws at most ten times a second.
  void update(std::int64_t done);
  void finish();

 private:
  std::ostream& out_;
  std::int64_t total_;
  bool visible_;
  bool drawn_ = false;
  std::string stage_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_draw_;
};

}  // namespace attojoule::tools
