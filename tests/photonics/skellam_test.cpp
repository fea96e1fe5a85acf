// Differences of counts from one normal number, against the exact law.
#include "photonics/skellam.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "photonics/error.hpp"
#include "photonics/poisson.hpp"
#include "photonics/random.hpp"
#include "tests/statistics.hpp"

namespace attojoule::photonics {
namespace {

double difference_at(double total, double difference, double z) {
  const float s = static_cast<float>(total), d = static_cast<float>(difference);
  const float normal = static_cast<float>(z);
  float deviation = 0;
  skellam_from_normal(std::span(&s, 1), std::span(&d, 1), std::span(&normal, 1),
                      std::span(&deviation, 1));
  return static_cast<double>(deviation) + static_cast<double>(d);
}

// Total variation between the kernel's law and a law that is given, by searching the z at which
// each count begins.
double total_variation(double total, double difference, const CountLaw& law) {
  double distance = 0, below = 0;
  for (std::size_t i = 0; i < law.probability.size(); ++i) {
    const double count = static_cast<double>(law.first) + static_cast<double>(i);
    double low = -6.7, high = 6.7;
    if (difference_at(total, difference, high) > count + 0.5) {
      for (int step = 0; step < 40; ++step) {
        const double middle = (low + high) / 2;
        (difference_at(total, difference, middle) > count + 0.5 ? high : low) = middle;
      }
    }
    const double cumulative = 0.5 * std::erfc(-high / std::numbers::sqrt2);
    distance += std::abs(law.probability[i] - (cumulative - below)) / 2;
    below = cumulative;
  }
  return distance;
}

TEST(Skellam, TotalVariationFromTheExactLaw) {
  for (const double total : {32.0, 50.0, 200.0, 3000.0}) {
    for (const double rho : {0.0, 0.3, -0.7, 0.95, 1.0}) {
      const double difference = rho * total;
      const CountLaw law = skellam_law((total + difference) / 2, (total - difference) / 2);
      EXPECT_LT(total_variation(total, difference, law), 1e-4) << total << " " << rho;
      // A variance a hundredth too large is seen.
      const CountLaw wrong = skellam_law((1.01 * total + difference) / 2,
                                         std::max(0.0, 1.01 * total - difference) / 2);
      EXPECT_GT(total_variation(total, difference, wrong), 1e-3);
    }
  }
}

// Whole numbers after the difference is added back, also of large means that are no whole numbers.
TEST(Skellam, CountsAreWhole) {
  std::vector<float> normal(1001);
  fill_normal({.seed = 3}, 0, normal);
  for (const float difference : {0.25f, -17.5f, 1234567.5f}) {
    const std::vector<float> totals(normal.size(), 2e6f), differences(normal.size(), difference);
    std::vector<float> deviations(normal.size());
    skellam_from_normal(totals, differences, normal, deviations);
    for (const float deviation : deviations) {
      const double count = static_cast<double>(deviation) + static_cast<double>(difference);
      EXPECT_EQ(count, std::round(count));
    }
  }
}

// Mean, variance and third cumulant of a million draws.
TEST(Skellam, MomentsOfDraws) {
  constexpr std::size_t count = 1 << 20;
  std::vector<float> normal(count), deviations(count);
  fill_normal({.seed = 4}, 0, normal);
  const std::vector<float> totals(count, 90.0f), differences(count, 60.3f);
  skellam_from_normal(totals, differences, normal, deviations);
  tests::Moments moments;
  double third = 0;
  for (const float deviation : deviations) {
    moments.add(static_cast<double>(deviation));
    third += std::pow(static_cast<double>(deviation), 3) / count;
  }
  EXPECT_NEAR(moments.mean(), 0, tests::five_sigma * moments.mean_error());
  EXPECT_NEAR(moments.variance(), 90, tests::five_sigma * moments.variance_error());
  // Variance of the third power of a normal number: 15 sigma^6.
  const double error = tests::five_sigma * std::sqrt(15.0 / count) * std::pow(90.0, 1.5);
  EXPECT_NEAR(third, 60.3, error);
  EXPECT_GT(60.3, error);
}

TEST(Skellam, Refuses) {
  std::vector<float> two(2, 40.0f), one(1, 40.0f), few(2, 10.0f);
  EXPECT_THROW(skellam_from_normal(two, one, two, two), RunError);
  EXPECT_THROW(skellam_from_normal(few, two, two, two), RunError);
}

}  // namespace
}  // namespace attojoule::photonics
