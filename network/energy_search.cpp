#include "network/energy_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "photonics/error.hpp"

namespace attojoule::network {

LeastEnergySearch::LeastEnergySearch(const SearchOptions& options) : options_(options) {
  const auto& o = options_;
  if (!(o.lowest > 0) || !(o.highest > o.lowest) || !std::isfinite(o.highest) ||
      !(o.first >= o.lowest && o.first <= o.highest) || !(o.growth > 1) || !(o.tolerance > 1) ||
      o.max_steps < 1 || !(o.least_cut > 0 && o.least_cut <= 0.5)) {
    throw ConfigError(
        fmt::format("search: first energy {} in [{}, {}], growth {}, tolerance {}, {} steps (none "
                    "can be searched with). Correct the options.",
                    o.first, o.lowest, o.highest, o.growth, o.tolerance, o.max_steps));
  }
}

std::optional<std::size_t> LeastEnergySearch::best() const {
  double failed = 0;
  for (const auto& trial : trials_) {
    if (!(trial.criterion <= options_.target)) failed = std::max(failed, trial.energy);
  }
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < trials_.size(); ++i) {
    if (!(trials_[i].criterion <= options_.target) || trials_[i].energy < failed) continue;
    if (!found || trials_[i].energy < trials_[*found].energy) found = i;
  }
  return found;
}

bool LeastEnergySearch::out_of_reach() const {
  return std::any_of(trials_.begin(), trials_.end(), [&](const SearchTrial& trial) {
    return trial.energy >= options_.highest && !(trial.criterion <= options_.target);
  });
}

std::optional<double> LeastEnergySearch::next() const {
  if (trials_.empty()) return options_.first;
  if (static_cast<int>(trials_.size()) >= options_.max_steps || out_of_reach()) return {};
  const SearchTrial* low = nullptr;  // the highest energy that failed
  for (const auto& trial : trials_) {
    const bool failed = !(trial.criterion <= options_.target);
    if (failed && (low == nullptr || trial.energy > low->energy)) low = &trial;
  }
  const auto met = best();
  if (!met) return std::min(low->energy * options_.growth, options_.highest);
  const SearchTrial& high = trials_[*met];
  if (low == nullptr) {
    if (high.energy <= options_.lowest) return {};
    return std::max(high.energy / options_.growth, options_.lowest);
  }
  if (high.energy <= low->energy * options_.tolerance) return {};
  const double width = std::log(high.energy / low->energy);
  // The same end twice in a row: the line's other end misleads (it may have been measured on few
  // images), so that bisection is surer.
  const auto met_target = [&](const SearchTrial& trial) {
    return trial.criterion <= options_.target;
  };
  const bool stuck =
      trials_.size() >= 3 && met_target(trials_.back()) == met_target(trials_[trials_.size() - 2]);
  double share = 0.5;
  if (!stuck && low->criterion > 0 && high.criterion > 0 && options_.target > 0 &&
      low->criterion > high.criterion && std::isfinite(low->criterion)) {
    share = std::log(low->criterion / options_.target) / std::log(low->criterion / high.criterion);
    share = std::clamp(share, options_.least_cut, 1 - options_.least_cut);
  }
  return low->energy * std::exp(share * width);
}

void LeastEnergySearch::report(const SearchTrial& trial) {
  trials_.push_back(trial);
}

}  // namespace attojoule::network
