#include "tools/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace attojoule::tools {

ProgressBar::ProgressBar(std::ostream& out, std::int64_t total)
    : out_(out),
      total_(std::max<std::int64_t>(total, 1)),
      visible_(&out == &std::cerr && isatty(STDERR_FILENO) == 1),
      start_(std::chrono::steady_clock::now()),
      last_draw_(start_) {}

ProgressBar::~ProgressBar() {
  finish();
}

void ProgressBar::update(std::int64_t done) {
  if (!visible_) return;
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && now - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = now;
  drawn_ = true;
  const double share =
      std::clamp(static_cast<double>(done) / static_cast<double>(total_), 0.0, 1.0);
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  constexpr int width = 30;
  const int filled = static_cast<int>(share * width);
  std::string left = "--:--";
  if (share > 0) {
    const auto seconds = static_cast<long>(elapsed * (1 - share) / share + 0.5);
    left = seconds >= 3600
               ? fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
               : fmt::format("{:02}:{:02}", seconds / 60, seconds % 60);
  }
  out_ << fmt::format("\r[{}{}] {:3.0f} %  {} left  {:<28.28}", std::string(filled, '#'),
                      std::string(width - filled, '.'), share * 100, left, stage_)
       << std::flush;
}

void ProgressBar::finish() {
  if (drawn_) out_ << "\r" << std::string(80, ' ') << "\r" << std::flush;
  drawn_ = false;
}

}  // namespace attojoule::tools
