// The least energy at which a network's degradation stays within a target.
//
// The caller measures a criterion (an estimate or bound of the degradation) at a mean energy that
// the search proposes, always with the same images and noise (common random numbers), so that the
// criterion falls steadily with the energy however few images there are. The search brackets the
// target by steps of `growth`, then closes in on the logarithm of the energy: where the straight
// line between the ends of the bracket (logarithm of the criterion over that of the energy) meets
// the target, kept away from the ends so that the bracket shrinks by at least `least_cut` each
// time; bisection where the criterion has no logarithm, and where two trials in a row moved the
// same end. What it returns met the target when it was measured.
//
// It is a state machine over its list of trials: replaying the trials restores it, which is what a
// checkpoint stores. Test: tests/network/energy_search_test.cpp.
#pragma once

#include <optional>
#include <vector>

namespace attojoule::network {

struct SearchOptions {
  double target = 0;     // of the criterion
  double first = 0;      // energy to begin with, > 0
  double lowest = 1e-4;  // energies tried, photons (or repeats) per multiplication
  double highest = 1e9;
  double growth = 4;        // > 1, while the target is not bracketed
  double tolerance = 1.03;  // > 1: done when the bracket is this narrow
  int max_steps = 16;       // of trials, bracketing included (Garg et al. 2021 take at most 16)
  double least_cut = 0.2;   // of the bracket's logarithm, (0, 0.5]
};

struct SearchTrial {
  double energy = 0;
  double criterion = 0;
};

class LeastEnergySearch {
 public:
  // Throws ConfigError for options out of range.
  explicit LeastEnergySearch(const SearchOptions& options);

  // The energy to measure next; nothing when the search is over.
  std::optional<double> next() const;
  void report(const SearchTrial& trial);

  const std::vector<SearchTrial>& trials() const { return trials_; }
  // Index of the trial with the least energy above every failure that met the target; nothing where
  // none has.
  std::optional<std::size_t> best() const;
  // Whether the highest energy was tried and did not meet the target.
  bool out_of_reach() const;

 private:
  SearchOptions options_;
  std::vector<SearchTrial> trials_;
};

}  // namespace attojoule::network
