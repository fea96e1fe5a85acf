// Nested analysis of variance: a table by hand, coverage, and what a design cannot tell.
#include "calibration/nested_variance.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"
#include "tests/calibration/kinds_support.hpp"

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
  // Two targets: the noise of the means, each MS_write / 4 of the writes' degrees of freedom.
  EXPECT_NEAR(result.gain_error, std::sqrt(8.0 / 4 + 8.0 / 4), 1e-12);
  EXPECT_NEAR(result.line_dof, 2, 1e-12);
}

enum class Shape { even, uneven, very_uneven };

struct Design {
  int targets = 8;
  Shape shape = Shape::even;
  double write = 0.1;   // programming noise
  double transfer = 0;  // systematic error about the line, another one in every set
  double read = 0.05, gain = 1.02, offset = 0.01;
};

std::string described(const Design& d) {
  const char* shapes[] = {"even", "uneven", "very uneven"};
  return std::to_string(d.targets) + " targets, " + shapes[static_cast<int>(d.shape)] +
         ", programming " + std::to_string(d.write) + ", transfer " + std::to_string(d.transfer);
}

struct Simulated {
  NestedVariance found;
  double transfer_variance = 0;  // true, of this set
};

Simulated simulated(int set, const Design& d) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(set), 41);
  Simulated result;
  std::vector<double> target, write, value;
  for (int s = 0; s < d.targets; ++s) {
    const double commanded = 2.0 * s / d.targets;
    const double mean = commanded * d.gain + d.offset + d.transfer * random.normal();
    result.transfer_variance += (mean - commanded) * (mean - commanded) / d.targets;
    const int writes = d.shape == Shape::even     ? 5
                       : d.shape == Shape::uneven ? 2 + 3 * s % 6
                                                  : 1 + 5 * s % 9;
    for (int c = 0; c < writes; ++c) {
      const double written = mean + d.write * random.normal();
      const int reads = d.shape == Shape::even     ? 4
                        : d.shape == Shape::uneven ? 2 + (s + c) % 4
                                                   : 1 + (3 * s + 2 * c) % 6;
      for (int r = 0; r < reads; ++r) {
        target.push_back(commanded);
        write.push_back(c);
        value.push_back(written + d.read * random.normal());
      }
    }
  }
  result.found = nested_variance(target, write, value);
  return result;
}

constexpr int sets = 2000;

// Shares of intervals of both probabilities that hold the truth, against what they say.
class Counted {
 public:
  void count(double truth, const std::pair<double, double>& of68,
             const std::pair<double, double>& of95) {
    inside68_ += of68.first <= truth && truth <= of68.second;
    inside95_ += of95.first <= truth && truth <= of95.second;
    ++count_;
  }
  double share68() const { return inside68_ / count_; }
  double share95() const { return inside95_ / count_; }
  bool covers() const {
    return std::abs(share68() - one_sigma) < tests::binomial_bound(one_sigma, count_) &&
           std::abs(share95() - 0.95) < tests::binomial_bound(0.95, count_);
  }
  std::string text() const {
    return std::to_string(share68()) + " and " + std::to_string(share95());
  }

 private:
  double inside68_ = 0, inside95_ = 0;
  int count_ = 0;
};

Estimate line_estimate(double value, double error, double dof) {
  Estimate e;
  e.value = value;
  e.u_a = error;
  set_interval(e, dof);
  return e;
}

void count(Counted& counted, double truth, const Estimate& e) {
  counted.count(truth, {e.interval68_low, e.interval68_high}, {e.interval_low, e.interval_high});
}

// What was reported before, and what comes to mind first: the noise of the means alone, and the
// same times sqrt(max(1, chi2 / dof)).
struct NaiveLine {
  double gain = 0, error = 0, scaled_error = 0;
};

NaiveLine naive_line(const NestedVariance& v) {
  double w = 0, x = 0, y = 0, xx = 0, xy = 0, chi2 = 0;
  for (std::size_t i = 0; i < v.targets; ++i) {
    const double weight = 1 / (v.mean_error[i] * v.mean_error[i]);
    w += weight;
    x += weight * v.target[i];
    y += weight * v.mean[i];
    xx += weight * v.target[i] * v.target[i];
    xy += weight * v.target[i] * v.mean[i];
  }
  NaiveLine line;
  line.gain = (w * xy - x * y) / (w * xx - x * x);
  line.error = std::sqrt(w / (w * xx - x * x));
  const double offset = (y - line.gain * x) / w;
  for (std::size_t i = 0; i < v.targets; ++i) {
    chi2 += std::pow((v.mean[i] - offset - line.gain * v.target[i]) / v.mean_error[i], 2);
  }
  line.scaled_error =
      line.error * std::sqrt(std::max(1.0, chi2 / (static_cast<double>(v.targets) - 2)));
  return line;
}

TEST(NestedVarianceCoverage, gain_and_offset) {
  for (const Shape shape : {Shape::even, Shape::uneven}) {
    for (const auto& [targets, write, transfer] : {std::tuple{5, 0.1, 0.0},
                                                   {5, 0.0, 0.08},
                                                   {8, 0.1, 0.0},
                                                   {8, 0.1, 0.08},
                                                   {20, 0.02, 0.0},
                                                   {20, 0.1, 0.08}}) {
      const Design design{targets, shape, write, transfer};
      Counted gain, offset, normal, noise_only, at_least_one;
      for (int set = 0; set < sets; ++set) {
        const NestedVariance v = simulated(set, design).found;
        count(gain, design.gain, line_estimate(v.gain, v.gain_error, v.line_dof));
        count(offset, design.offset, line_estimate(v.offset, v.offset_error, v.line_dof));
        const double inf = std::numeric_limits<double>::infinity();
        count(normal, design.gain, line_estimate(v.gain, v.gain_error, inf));
        const NaiveLine naive = naive_line(v);
        count(noise_only, design.gain, line_estimate(naive.gain, naive.error, inf));
        count(at_least_one, design.gain, line_estimate(naive.gain, naive.scaled_error, inf));
      }
      EXPECT_TRUE(gain.covers()) << described(design) << ": " << gain.text();
      EXPECT_TRUE(offset.covers()) << described(design) << ": " << offset.text();
      // Power: the weights of noise alone where the transfer has errors of its own, a factor that
      // is never below one where it has none, and no Student's law where targets are few.
      if (transfer > 0) {
        EXPECT_LT(noise_only.share95(), 0.9) << described(design);
      } else if (targets == 8) {
        EXPECT_GT(at_least_one.share68(), one_sigma + tests::binomial_bound(one_sigma, sets))
            << described(design);
      }
      if (targets == 5) {
        EXPECT_FALSE(normal.covers()) << described(design) << ": " << normal.text();
      }
    }
  }
}

TEST(NestedVarianceCoverage, programming_and_read_noise) {
  for (const Design& design :
       {Design{8, Shape::even, 0.1}, Design{8, Shape::even, 0.02}, Design{8, Shape::even, 0},
        Design{8, Shape::uneven, 0.1}, Design{8, Shape::uneven, 0.02},
        Design{5, Shape::very_uneven, 0.02}, Design{8, Shape::very_uneven, 0}}) {
    Counted write, read, pooled;
    double mean = 0;
    for (int set = 0; set < sets; ++set) {
      const NestedVariance v = simulated(set, design).found;
      const double variance = design.write * design.write;
      write.count(variance, v.write_interval(one_sigma), v.write_interval(0.95));
      read.count(design.read * design.read, v.read_interval(one_sigma), v.read_interval(0.95));
      mean += v.write_variance / sets;
      // Programming noise taken from all writes as if reads had none.
      const double all = v.ms_write / v.n0, error = all * std::sqrt(2 / v.dof_write);
      pooled.count(variance, {all - error, all + error}, {all - 1.96 * error, all + 1.96 * error});
    }
    EXPECT_TRUE(write.covers()) << described(design) << ": " << write.text();
    EXPECT_TRUE(read.covers()) << described(design) << ": " << read.text();
    if (design.shape != Shape::very_uneven) {
      EXPECT_NEAR(mean, design.write * design.write, 5 * 0.0035 * 0.6 / std::sqrt(sets));
    }
    // Small programming noise: ignoring the reads' share must be seen.
    if (design.write < 0.1) {
      EXPECT_LT(pooled.share95(), 0.9) << described(design);
    }
  }
}

TEST(NestedVarianceCoverage, sum_of_both_and_transfer_error) {
  for (const Design& design :
       {Design{8, Shape::even, 0.1, 0.08}, Design{8, Shape::uneven, 0.02, 0.08},
        Design{5, Shape::uneven, 0.1, 0, 0.05, 1, 0}}) {
    Counted total, transfer, without_noise;
    for (int set = 0; set < sets; ++set) {
      const auto [v, truth] = simulated(set, design);
      total.count(design.write * design.write + design.read * design.read,
                  v.total_interval(one_sigma), v.total_interval(0.95));
      transfer.count(truth, v.transfer_interval(one_sigma), v.transfer_interval(0.95));
      // The mean square as it is: the noise of the means taken for a transfer error.
      double noise = 0;
      for (const double error : v.mean_error) noise += error * error / design.targets;
      const double all = v.transfer_variance + noise, error = v.transfer_error;
      without_noise.count(truth, {all - error, all + error},
                          {all - 1.96 * error, all + 1.96 * error});
    }
    EXPECT_TRUE(total.covers()) << described(design) << ": " << total.text();
    EXPECT_TRUE(transfer.covers()) << described(design) << ": " << transfer.text();
    if (design.transfer == 0) {
      EXPECT_FALSE(without_noise.covers()) << described(design) << ": " << without_noise.text();
    }
  }
}

TEST(NestedVariance, IntervalsAtZero) {
  int small = 0, above = 0;
  for (int set = 0; set < 500; ++set) {
    const NestedVariance v = simulated(set, {.write = 0}).found;
    small += v.write_probability < 0.05;
    const auto [low, high] = v.write_interval(0.95);
    above += low > 0;
    EXPECT_GT(high, low);  // never empty, however small the estimate
    EXPECT_GT(v.write_interval(one_sigma).second, 0);
    // The interval leaves zero out where the F test does; the integral is good to 3e-4.
    if (std::abs(v.write_probability - 0.05) > 1e-3) {
      EXPECT_EQ(low > 0, v.write_probability < 0.05) << v.write_probability;
    }
  }
  EXPECT_NEAR(small / 500.0, 0.05, 5 * std::sqrt(0.05 * 0.95 / 500));
  EXPECT_NEAR(above / 500.0, 0.05, 5 * std::sqrt(0.05 * 0.95 / 500));
  EXPECT_LT(simulated(1, {.write = 0.2}).found.write_probability, 1e-6);
}

// Many reads: the programming noise's interval is the chi-square one of the cells' means.
TEST(NestedVariance, ManyReadsGiveTheChiSquareInterval) {
  auto random = tests::lab_numbers(1, 42);
  std::vector<double> target, write, value;
  for (int i = 0; i < 3 * 6 * 500; ++i) {
    target.push_back(i / 3000);
    write.push_back(i / 500);
    if (i % 500 == 0) value.push_back(random.normal());
    const double cell = value[static_cast<std::size_t>(i / 500 * 500)];
    if (i % 500 != 0) value.push_back(cell + 1e-4 * random.normal());
  }
  const NestedVariance v = nested_variance(target, write, value);
  // Quantiles of chi-square of 15 degrees of freedom: tables.
  const auto [low, high] = v.write_interval(0.95);
  EXPECT_NEAR(low, v.write_variance * 15 / 27.4884, 1e-4 * low);
  EXPECT_NEAR(high, v.write_variance * 15 / 6.26214, 1e-4 * high);
  EXPECT_NEAR(v.total_interval(0.95).second, high, 1e-4 * high);
}

TEST(NestedVariance, ExactData) {
  const std::vector<double> target = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
  const std::vector<double> write = {1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2};
  std::vector<double> value;
  for (const double t : target) value.push_back(1 + 3 * t);
  const NestedVariance v = nested_variance(target, write, value);
  EXPECT_DOUBLE_EQ(v.gain, 3);
  EXPECT_DOUBLE_EQ(v.offset, 1);
  EXPECT_EQ(v.gain_error, 0);
  EXPECT_EQ(v.write_interval(0.95), std::pair(0.0, 0.0));
  EXPECT_EQ(v.read_interval(0.95), std::pair(0.0, 0.0));
  EXPECT_EQ(v.transfer_interval(0.95), std::pair(v.transfer_variance, v.transfer_variance));
  // Reads without noise: chi-square of the writes alone.
  for (std::size_t i = 0; i < value.size(); ++i) value[i] += write[i] + target[i] * write[i];
  const NestedVariance written = nested_variance(target, write, value);
  EXPECT_NEAR(written.write_interval(0.95).second, written.write_variance * 3 / 0.2157953, 1e-4);
}

// The line by hand: means 0, 2, 1 at 0, 1, 2 with equal weights.
TEST(NestedVariance, LineByHand) {
  const std::vector<double> target = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
  const std::vector<double> write = {1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2};
  const std::vector<double> value = {-.1, .1, .1, -.1, 1.9, 2.1, 2.1, 1.9, 0.9, 1.1, 1.1, 0.9};
  const NestedVariance v = nested_variance(target, write, value);
  EXPECT_NEAR(v.gain, 0.5, 1e-12);
  EXPECT_NEAR(v.offset, 0.5, 1e-12);
  EXPECT_EQ(v.line_dof, 1);
  // Residuals -1/2, 1, -1/2: a mean square of 3/2, over sum (x - 1)^2 = 2.
  EXPECT_NEAR(v.gain_error, std::sqrt(1.5 / 2), 1e-9);
  EXPECT_NEAR(v.offset_error, std::sqrt(1.5 * (1.0 / 3 + 1.0 / 2)), 1e-9);
  EXPECT_NEAR(v.line_covariance, -1.5 / 2, 1e-9);
}

TEST(NestedVariance, TransferErrorIsNotNoise) {
  // No systematic error: the estimate is about zero, where the mean square of the deviations is
  // not.
  double sum = 0, naive = 0;
  for (int set = 0; set < 500; ++set) {
    const auto result = simulated(set, {.gain = 1, .offset = 0}).found;
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
  EXPECT_THROW(nested_variance(one, writes, values).write_interval(0.95), RunError);
  const std::vector<double> same = {1, 1, 1, 1};
  EXPECT_NE(nested_variance(one, same, values).undetermined, "");     // written once
  EXPECT_NE(nested_variance(same, writes, values).undetermined, "");  // one target
}

}  // namespace
}  // namespace attojoule::calibration
