// Nested analysis of variance: a table by hand, coverage, and what a design cannot tell.
#include "calibration/nested_variance.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::calibration {
namespace {

// Two targets, two writes each, two reads each: mean squares by hand.
TEST(NestedVariance, ByHand) {
  const std::vector<double> target = {0, 0, 0, 0, 1, 1, 1, 1};
  const std::vector<double> write = {1, 1, 2, 2, 1, 1, 2, 2};
  const std::vector<double> value = {1, 3, 5, 7, 10, 12, 10, 12};
  const NestedVariance result = nested_variance(target, write, value);
  EXPECT_DOUBLE_EQ(result.ms_read, 8.0 / 4);    // every cell: 2 (1)^2
  EXPECT_DOUBLE_EQ(result.ms_write, 16.0 / 2);  // target 0: 2 [(2-4)^2 + (6-4)^2], target 1: 0
  EXPECT_DOUBLE_EQ(result.n0, 2);
  EXPECT_DOUBLE_EQ(result.write_variance, 3);
  EXPECT_DOUBLE_EQ(result.mean[0], 4);
  EXPECT_DOUBLE_EQ(result.mean[1], 11);
  EXPECT_DOUBLE_EQ(result.gain, 7);
  EXPECT_DOUBLE_EQ(result.offset, 4);
  EXPECT_NEAR(result.mean_error[0], std::sqrt(3.0 / 2 + 2.0 / 4), 1e-12);
}

struct Truth {
  double write = 0.1, read = 0.05, gain = 1.02, offset = 0.01;
};

NestedVariance simulated(std::uint64_t stream, const Truth& truth, bool even) {
  photonics::RandomSequence random({.seed = 41}, stream);
  std::vector<double> target, write, value;
  for (int s = 0; s < 8; ++s) {
    for (int c = 0; c < 5; ++c) {
      const double written = s / 4.0 * truth.gain + truth.offset + truth.write * random.normal();
      const int reads = even ? 4 : 2 + (s + c) % 4;
      for (int r = 0; r < reads; ++r) {
        target.push_back(s / 4.0);
        write.push_back(c);
        value.push_back(written + truth.read * random.normal());
      }
    }
  }
  return nested_variance(target, write, value);
}

TEST(NestedVariance, Coverage) {
  constexpr int sets = 2000;
  const double bound = 3 * std::sqrt(0.95 * 0.05 / sets);
  for (const bool even : {true, false}) {
    for (const double programming : {0.1, 0.02}) {
      const Truth truth{programming};
      int write95 = 0, read95 = 0, gain68 = 0, gain95 = 0, pooled = 0;
      double mean = 0;
      for (int set = 0; set < sets; ++set) {
        const auto result = simulated(static_cast<std::uint64_t>(set), truth, even);
        const double variance = truth.write * truth.write;
        write95 += result.write_lower <= variance && variance <= result.write_upper;
        read95 += result.read_lower <= 0.0025 && 0.0025 <= result.read_upper;
        gain68 += std::abs(result.gain - truth.gain) < result.gain_error;
        gain95 += std::abs(result.gain - truth.gain) < 1.96 * result.gain_error;
        mean += result.write_variance / sets;
        // Programming noise taken from all writes as if reads had none.
        pooled += std::abs(result.ms_write / result.n0 - variance) <
                  1.96 * result.ms_write / result.n0 * std::sqrt(2 / result.dof_write);
      }
      const double total = sets;
      EXPECT_NEAR(read95 / total, 0.95, bound) << even << programming;
      // Approximate where the design is uneven, and for the line's error from few targets.
      EXPECT_NEAR(write95 / total, 0.95, even ? bound : 0.03) << even << programming;
      EXPECT_GT(gain68 / total, 0.65) << even << programming;
      // Known to be too wide from eight targets: 72 to 74 % instead of 68 %.
      EXPECT_LT(gain68 / total, 0.76) << even << programming;
      EXPECT_GT(gain95 / total, 0.93) << even << programming;
      EXPECT_NEAR(mean, truth.write * truth.write, 5 * 0.0035 * 0.6 / std::sqrt(total)) << even;
      // Small programming noise: ignoring the reads' share must be seen.
      if (programming == 0.02) {
        EXPECT_LT(pooled / total, 0.9) << even;
      }
    }
  }
}

TEST(NestedVariance, WithoutProgrammingNoise) {
  int small = 0, above = 0;
  for (int set = 0; set < 500; ++set) {
    const auto result = simulated(static_cast<std::uint64_t>(set), {0, 0.05, 1, 0}, true);
    small += result.write_probability < 0.05;
    above += result.write_upper > 0;
  }
  // The truth, zero, lies below the upper limit in 97.5 % of all sets.
  EXPECT_NEAR(above / 500.0, 0.975, 5 * std::sqrt(0.025 * 0.975 / 500));
  EXPECT_NEAR(small / 500.0, 0.05, 5 * std::sqrt(0.05 * 0.95 / 500));
  EXPECT_LT(simulated(1, {0.2}, true).write_probability, 1e-6);
}

TEST(NestedVariance, TransferErrorIsNotNoise) {
  // No systematic error: the estimate is about zero, where the mean square of the deviations is
  // not.
  double sum = 0, naive = 0;
  for (int set = 0; set < 500; ++set) {
    const auto result = simulated(static_cast<std::uint64_t>(set), {0.1, 0.05, 1, 0}, true);
    sum += result.transfer_variance / 500;
    for (std::size_t i = 0; i < result.targets; ++i) {
      naive += std::pow(result.mean[i] - result.target[i], 2) / (500.0 * 8);
    }
  }
  const double noise = 0.01 / 5 + 0.0025 / 20;
  const double error = noise * std::sqrt(2 / (8 * 500.0));
  EXPECT_NEAR(sum, 0, 5 * error * 1.6);
  EXPECT_GT(naive, 0.8 * noise);
}

TEST(NestedVariance, WhatADesignCannotTell) {
  const std::vector<double> one = {0, 0, 1, 1}, writes = {1, 2, 1, 2}, values = {1, 2, 3, 4};
  EXPECT_NE(nested_variance(one, writes, values).undetermined, "");  // read once
  const std::vector<double> same = {1, 1, 1, 1};
  EXPECT_NE(nested_variance(one, same, values).undetermined, "");     // written once
  EXPECT_NE(nested_variance(same, writes, values).undetermined, "");  // one target
}

}  // namespace
}  // namespace attojoule::calibration
