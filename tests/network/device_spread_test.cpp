// What devices do told from what noise does: known populations, exact zeros, power.
#include "network/device_spread.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"
#include "tests/statistics.hpp"

namespace attojoule::network {
namespace {

using tests::five_sigma;
using tests::Moments;
using Outcomes = std::vector<std::vector<std::uint8_t>>;

photonics::RandomSequence random_of(std::uint64_t seed) {
  return {{seed, photonics::NoiseDomain::test, 0, 0, 0}, 0};
}

// Image i is right on device d where margin_i + device_d + noise_si > 0: the noise is common to all
// devices, as the same seeds make it, so that most of it is no difference between devices.
struct Population {
  std::size_t devices = 12, seeds = 3, images = 60;
  double device_sigma = 0.15;
  double noise_sigma = 0.5;
  double own_noise_sigma = 0.4;  // a device's own answer to the noise
  double pass_sigma = 0;         // noise that a whole pass shares
};

Outcomes draw(const Population& p, photonics::RandomSequence& random) {
  std::vector<double> margin(p.images), noise(p.seeds * p.images), pass(p.seeds);
  for (double& m : margin) m = 0.6 * random.normal() + 0.4;
  for (double& e : noise) e = p.noise_sigma * random.normal();
  for (double& e : pass) e = p.pass_sigma * random.normal();
  Outcomes outcomes;
  for (std::size_t d = 0; d < p.devices; ++d) {
    const double device = p.device_sigma * random.normal();
    for (std::size_t s = 0; s < p.seeds; ++s) {
      outcomes.emplace_back();
      for (std::size_t i = 0; i < p.images; ++i) {
        const double own = p.own_noise_sigma > 0 ? p.own_noise_sigma * random.normal() : 0;
        const double at = margin[i] + device + noise[s * p.images + i] + pass[s] + own;
        outcomes.back().push_back(at > 0 ? 1 : 0);
      }
    }
  }
  return outcomes;
}

// Mean of the estimated device variance over many sets, and the true one: the variance over
// devices of the expected accuracy, given the images. `naive`: that of the observed device means,
// which a wrong program would take.
struct Check {
  Moments estimate, naive, truth;
};

Check many_sets(const Population& p, int sets, std::uint64_t seed) {
  auto random = random_of(seed);
  Check check;
  for (int k = 0; k < sets; ++k) {
    // The images of draw() come first, and are the same again from the same state.
    const auto state = random;
    const auto spread = accuracy_spread(draw(p, random), p.devices, p.pass_sigma > 0);
    check.estimate.add(spread.device_variance);
    Moments observed;
    observed.add_all(spread.device_means);
    check.naive.add(observed.variance());
    auto again = state;
    std::vector<double> margin(p.images);
    for (double& m : margin) m = 0.6 * again.normal() + 0.4;
    const double sigma = std::hypot(std::hypot(p.noise_sigma, p.own_noise_sigma), p.pass_sigma);
    // Expected accuracy over a fine grid of devices.
    double mean = 0, squares = 0, weights = 0;
    for (double z = -6; z <= 6; z += 0.05) {
      double accuracy = 0;
      for (const double m : margin) {
        accuracy += tests::normal_cdf((m + p.device_sigma * z) / sigma) / double(p.images);
      }
      const double weight = std::exp(-z * z / 2);
      weights += weight;
      mean += weight * accuracy;
      squares += weight * accuracy * accuracy;
    }
    check.truth.add(squares / weights - mean * mean / (weights * weights));
  }
  return check;
}

void expect_unbiased(const Check& check, const char* what) {
  const double error = std::hypot(check.estimate.mean_error(), check.truth.mean_error());
  EXPECT_LT(std::abs(check.estimate.mean() - check.truth.mean()), five_sigma * error) << what;
  // Power: the spread of what was measured, taken for that of the devices, is too large by more
  // than the test allows.
  EXPECT_GT(check.naive.mean() - check.truth.mean(), five_sigma * error) << what;
}

TEST(DeviceSpread, the_spread_between_devices_is_found_without_the_noise_in_it) {
  expect_unbiased(many_sets({}, 2000, 1), "common and own noise");
  Population same;
  same.device_sigma = 0;
  const auto none = many_sets(same, 600, 2);
  EXPECT_LT(std::abs(none.estimate.mean()), five_sigma * none.estimate.mean_error());
  EXPECT_GT(none.naive.mean(), five_sigma * none.naive.mean_error());
}

TEST(DeviceSpread, equal_devices_differ_by_exactly_nothing) {
  Population p;
  p.device_sigma = p.own_noise_sigma = 0;
  auto random = random_of(3);
  for (const std::size_t devices : {2UL, 3UL, 7UL, 50UL}) {
    p.devices = devices;
    p.seeds = 3;
    for (const bool shared : {false, true}) {
      const auto spread = accuracy_spread(draw(p, random), devices, shared);
      EXPECT_EQ(spread.device_variance, 0);
      EXPECT_EQ(spread.device_u(), 0);
      EXPECT_EQ(spread.device_ci95(), 0);
      EXPECT_FALSE(spread.resolved());
      EXPECT_GT(spread.noise_u(), 0);
      EXPECT_GT(spread.image_u(), 0);
    }
    std::vector<double> joules;
    for (std::size_t d = 0; d < devices; ++d) {
      for (const double v : {0.1, 0.3, 0.7}) joules.push_back(v);
    }
    const auto spread = value_spread(joules, devices);
    EXPECT_EQ(spread.device_variance, 0);
    EXPECT_EQ(spread.device_variance_high, 0);
    EXPECT_NEAR(spread.mean, 1.1 / 3, 1e-15);
    // Variance of three seeds over 3: what the mean does not know of the noise.
    EXPECT_NEAR(spread.noise_variance, 0.28 / 3 / 3, 1e-15);
  }
}

TEST(DeviceSpread, a_table_computed_by_hand) {
  // Two devices, two seeds: devices differ by 4, seeds by 2, and 1 is left over in a corner.
  const std::vector<double> values{10, 12, 14, 17};
  const auto spread = value_spread(values, 2);
  EXPECT_DOUBLE_EQ(spread.mean, 13.25);
  EXPECT_EQ(spread.device_means, (std::vector<double>{11, 15.5}));
  // MS_device = 2 * ((11-13.25)^2 + (15.5-13.25)^2) = 20.25; MS_rest = 4 * 0.25^2 = 0.25.
  EXPECT_DOUBLE_EQ(spread.device_variance, 10);
  // MS_seed = 2 * 2 * 1.25^2 = 6.25, over four.
  EXPECT_DOUBLE_EQ(spread.noise_variance, 6.25 / 4);
  // The same as whole numbers of hits of one pass each, where passes are the unit.
  Outcomes outcomes;
  for (const double v : values) {
    outcomes.emplace_back(20, 0);
    std::fill_n(outcomes.back().begin(), static_cast<std::size_t>(v), std::uint8_t{1});
  }
  const auto of_hits = accuracy_spread(outcomes, 2, true);
  EXPECT_NEAR(of_hits.mean, 13.25 / 20, 1e-15);
  EXPECT_NEAR(of_hits.device_variance, 10.0 / 400, 1e-15);
  EXPECT_NEAR(of_hits.noise_variance, 6.25 / 4 / 400, 1e-15);
}

// The noise of the grand mean: how it varies when the noise is drawn again for the same devices and
// images. Power: the spread of single passes would be too large.
TEST(DeviceSpread, noise_of_the_mean) {
  for (const double shared : {0.0, 0.3}) {
    Population p;
    p.device_sigma = 0;
    p.pass_sigma = shared;
    p.seeds = 4;
    auto random = random_of(4);
    std::vector<double> margin(p.images);
    for (double& m : margin) m = 0.6 * random.normal() + 0.4;
    Moments mean, estimate;
    for (int k = 0; k < 800; ++k) {
      Outcomes outcomes(p.devices * p.seeds, std::vector<std::uint8_t>(p.images));
      for (std::size_t s = 0; s < p.seeds; ++s) {
        const double pass = p.pass_sigma * random.normal();
        for (std::size_t i = 0; i < p.images; ++i) {
          const double common = p.noise_sigma * random.normal() + pass;
          for (std::size_t d = 0; d < p.devices; ++d) {
            const double own = p.own_noise_sigma * random.normal();
            outcomes[d * p.seeds + s][i] = margin[i] + common + own > 0 ? 1 : 0;
          }
        }
      }
      const auto spread = accuracy_spread(outcomes, p.devices, shared > 0);
      mean.add(spread.mean);
      estimate.add(spread.noise_variance);
    }
    const double error = std::hypot(mean.variance_error(), estimate.mean_error());
    EXPECT_LT(std::abs(mean.variance() - estimate.mean()), five_sigma * error) << shared;
    EXPECT_GT(std::abs(mean.variance() - 2 * estimate.mean()), five_sigma * error) << shared;
  }
}

TEST(DeviceSpread, the_interval_covers) {
  // Normal device effects and noise: 95 % of the intervals hold the true variance.
  auto random = random_of(5);
  constexpr std::size_t devices = 10, seeds = 3;
  constexpr int sets = 4000;
  int inside = 0;
  for (int k = 0; k < sets; ++k) {
    std::vector<double> values;
    for (std::size_t d = 0; d < devices; ++d) {
      const double device = 0.7 * random.normal();
      for (std::size_t s = 0; s < seeds; ++s) values.push_back(device + random.normal());
    }
    const auto spread = value_spread(values, devices);
    inside += spread.device_variance_low <= 0.49 && spread.device_variance_high >= 0.49 ? 1 : 0;
  }
  const double share = double(inside) / sets;
  EXPECT_NEAR(share, 0.95, five_sigma * std::sqrt(0.95 * 0.05 / sets) + 0.01);
}

// Equal means under noise that the devices answer each in its own way: not known to be equal.
TEST(DeviceSpread, noise_can_hide_a_difference) {
  const std::vector<double> values{1, 3, 3, 1};  // two devices, two seeds
  const auto spread = value_spread(values, 2);
  EXPECT_LT(spread.device_variance, 0);
  EXPECT_EQ(spread.device_u(), 0);
  EXPECT_GT(spread.device_variance_high, 0);
  EXPECT_FALSE(spread.resolved());
}

TEST(DeviceSpread, what_cannot_be_told_apart_is_refused) {
  const std::vector<double> one{1, 2}, single{1, 2, 3};
  EXPECT_THROW(value_spread(one, 1), ConfigError);
  EXPECT_THROW(value_spread(single, 3), ConfigError);  // one seed
  EXPECT_THROW(accuracy_spread(Outcomes(4), 2, false), ConfigError);
}

TEST(DeviceSpread, correlation) {
  const std::vector<double> a{1, 2, 3}, b{2, 4, 6}, c{3, 2, 1}, flat{5, 5, 5};
  EXPECT_DOUBLE_EQ(network::correlation(a, b), 1);
  EXPECT_DOUBLE_EQ(network::correlation(a, c), -1);
  EXPECT_TRUE(std::isnan(network::correlation(a, flat)));
}

}  // namespace
}  // namespace attojoule::network
