// Coverage of intervals over synthetic data sets, for the tests of the kinds.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "calibration/result.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::tests {

inline photonics::RandomSequence lab_numbers(std::uint64_t trial, std::uint64_t seed) {
  return {{.seed = seed, .domain = photonics::NoiseDomain::lab}, trial};
}

// chi-square of nu degrees of freedom over nu, by the cube root of Wilson and Hilferty is not
// exact: by squares.
inline double variance_factor(photonics::RandomSequence& random, int nu) {
  double squares = 0;
  for (int k = 0; k < nu; ++k) {
    const double z = random.normal();
    squares += z * z;
  }
  return squares / nu;
}

struct Covered {
  double inside95 = 0;
  double inside68 = 0;
};

// Shares of `trials` results whose intervals hold the truth, for each named parameter.
inline std::vector<Covered> coverage(
    int trials, const std::vector<std::string>& names, const std::vector<double>& truth,
    const std::function<calibration::CalibrationResult(int)>& run) {
  std::vector<Covered> covered(names.size());
  for (int trial = 0; trial < trials; ++trial) {
    const calibration::CalibrationResult result = run(trial);
    for (std::size_t k = 0; k < names.size(); ++k) {
      const calibration::Estimate& e = result.parameter(names[k]);
      if (truth[k] >= e.interval_low && truth[k] <= e.interval_high) {
        covered[k].inside95 += 1.0 / trials;
      }
      if (truth[k] >= e.interval68_low && truth[k] <= e.interval68_high) {
        covered[k].inside68 += 1.0 / trials;
      }
    }
  }
  return covered;
}

// Three standard deviations of a binomial share.
inline double binomial_bound(double p, int trials) {
  return 3 * std::sqrt(p * (1 - p) / trials);
}

}  // namespace attojoule::tests
