// The bound on the degradation: coverage by simulation, small counts, verdicts.
#include "network/certificate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"
#include "tests/statistics.hpp"

namespace attojoule::network {
namespace {

photonics::RandomSequence random_of(std::uint64_t seed) {
  return {{seed, photonics::NoiseDomain::test, 0, 0, 0}, 0};
}

// A network whose image i is lost with probability p_i under noise: a share of images is fragile,
// each with its own probability, so that seeds of one image are correlated.
struct Population {
  double clean_accuracy = 0.9;
  double fragile = 0.1;          // share of images that noise can change
  double lost_of_fragile = 0.3;  // mean probability of a right fragile image to be lost
  double gained_of_fragile = 0.15;
  double spread_of_passes = 0;  // weight noise: standard deviation of a pass's common factor

  double degradation() const {
    return fragile * (clean_accuracy * lost_of_fragile - (1 - clean_accuracy) * gained_of_fragile);
  }
};

PairedResults draw(const Population& population, std::size_t images, std::size_t seeds,
                   photonics::RandomSequence& random) {
  PairedResults results;
  results.noise_shared_by_pass = population.spread_of_passes > 0;
  std::vector<double> pass_factor(seeds, 1);
  for (double& factor : pass_factor) {
    factor = std::max(0.0, 1 + population.spread_of_passes * random.normal());
  }
  results.noisy.assign(seeds, std::vector<double>(images));
  for (std::size_t i = 0; i < images; ++i) {
    const bool right = random.uniform() < population.clean_accuracy;
    results.clean.push_back(right ? 1 : 0);
    const bool fragile = random.uniform() < population.fragile;
    // Uniform in [0, 2 mean]: the mean is as stated.
    const double mean = right ? population.lost_of_fragile : population.gained_of_fragile;
    const double flip = fragile ? 2 * mean * random.uniform() : 0;
    for (std::size_t s = 0; s < seeds; ++s) {
      const bool flipped = random.uniform() < flip * pass_factor[s];
      results.noisy[s][i] = right != flipped ? 1 : 0;
    }
  }
  return results;
}

// Share of `trials` whose upper (or lower) bound covers the true degradation.
double coverage(const Population& population, std::size_t images, std::size_t seeds, int trials,
                bool upper, std::uint64_t seed) {
  auto random = random_of(seed);
  int covered = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const Certificate certificate = certify(draw(population, images, seeds, random), 0.02);
    covered += upper ? population.degradation() <= certificate.upper95
                     : certificate.lower95 <= population.degradation();
  }
  return static_cast<double>(covered) / trials;
}

class CertificateCoverage : public testing::TestWithParam<std::tuple<int, int>> {};

// 95 % or more, for many changed images and few, for one seed and several. Five standard errors of
// a coverage of 95 % over 4000 trials are 1.7 points.
TEST_P(CertificateCoverage, at_least_nominal_for_images_and_noise_together) {
  const auto [images, seeds] = GetParam();
  constexpr int trials = 4000;
  const double slack = 5 * std::sqrt(0.95 * 0.05 / trials);
  for (const double fragile : {0.01, 0.05, 0.2}) {
    Population population;
    population.fragile = fragile;
    for (const bool upper : {true, false}) {
      const double share = coverage(population, static_cast<std::size_t>(images),
                                    static_cast<std::size_t>(seeds), trials, upper, 11);
      EXPECT_GE(share, 0.95 - slack) << images << " images, " << seeds << " seeds, fragile "
                                     << fragile << (upper ? ", upper" : ", lower");
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Sizes, CertificateCoverage,
                         testing::Combine(testing::Values(50, 400), testing::Values(1, 3)));

// Not so wide that it says nothing: with many changed images the bound is close to nominal.
TEST(Certificate, is_not_much_wider_than_it_has_to_be) {
  Population population;
  population.fragile = 0.3;
  const double share = coverage(population, 1000, 3, 2000, true, 5);
  EXPECT_LE(share, 0.975);
}

// Power: the bound of a normal interval on independent accuracies would miss what the test of
// coverage finds. A bound on half of the standard error must fall through it.
TEST(Certificate, coverage_test_rejects_a_bound_that_is_too_tight) {
  Population population;
  auto random = random_of(3);
  constexpr int trials = 4000;
  int covered = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const Certificate c = certify(draw(population, 400, 3, random), 0.02);
    covered += population.degradation() <= c.degradation + 1.645 * 0.75 * c.standard_error;
  }
  EXPECT_LT(covered / double(trials), 0.95 - 5 * std::sqrt(0.95 * 0.05 / trials));
}

// Wald's interval shrinks to nothing where nothing was seen; this one does not.
TEST(Certificate, few_or_no_changed_images_leave_a_bound) {
  PairedResults results;
  results.clean.assign(100, 1);
  results.noisy.assign(1, results.clean);
  const Certificate none = certify(results, 0.02);
  EXPECT_EQ(none.degradation, 0);
  // The exact binomial bound for 0 of 100 is 1 - 0.05^(1/100) = 2.95 %.
  EXPECT_GE(none.upper95, 0.0295);
  EXPECT_LE(none.upper95, 0.045);
  EXPECT_EQ(none.verdict, Verdict::undecided);
  results.noisy[0][7] = 0;
  EXPECT_GT(certify(results, 0.02).upper95, none.upper95);
}

// Tango's published example: 44 pairs, discordant counts 5 and 0 (Stat. Med. 17, 891, 1998 treats
// such tables); here against the defining equation, solved by a plain scan.
TEST(Certificate, score_bound_solves_its_equation) {
  const double b = 12, c = 4, n = 50, z = 1.6448536269514722;
  const auto statistic = [&](double delta) {
    const double A = 2 * n, B = -b - c + (2 * n - b + c) * delta, C = -c * delta * (1 - delta);
    const double q = (std::sqrt(B * B - 4 * A * C) - B) / (2 * A);
    return (b - c - n * delta) / std::sqrt(n * (2 * q + delta * (1 - delta)));
  };
  const double upper = paired_score_bound(b, c, n, 0, true);
  const double lower = paired_score_bound(b, c, n, 0, false);
  EXPECT_NEAR(statistic(upper), -z, 1e-6);
  EXPECT_NEAR(statistic(lower), z, 1e-6);
  EXPECT_LT(lower, 0.16);
  EXPECT_GT(upper, 0.16);
  // Exchanging the two mirrors the interval.
  EXPECT_NEAR(paired_score_bound(c, b, n, 0, false), -upper, 1e-9);
}

TEST(Certificate, more_seeds_tighten_it_down_to_the_images) {
  Population population;
  population.fragile = 0.3;
  auto random = random_of(9);
  double one = 0, many = 0;
  for (int trial = 0; trial < 20; ++trial) {
    one += certify(draw(population, 500, 1, random), 0.02).standard_error;
    many += certify(draw(population, 500, 16, random), 0.02).standard_error;
  }
  EXPECT_LT(many, 0.75 * one);
  EXPECT_GT(many, 0.3 * one);  // not sixteen times the images
}

TEST(Certificate, shared_noise_is_bounded_over_passes) {
  Population population;
  population.fragile = 0.3;
  population.spread_of_passes = 0.5;
  constexpr int trials = 2000;
  const double share = coverage(population, 400, 5, trials, true, 21);
  EXPECT_GE(share, 0.95 - 5 * std::sqrt(0.95 * 0.05 / trials));
  // As if independent, the passes' common factor would be missed.
  auto random = random_of(22);
  int covered = 0;
  for (int trial = 0; trial < trials; ++trial) {
    PairedResults results = draw(population, 400, 5, random);
    results.noise_shared_by_pass = false;
    covered += population.degradation() <= certify(results, 0.02).upper95;
  }
  EXPECT_LT(covered / double(trials), 0.95 - 5 * std::sqrt(0.95 * 0.05 / trials));
}

TEST(Certificate, verdicts_and_what_would_decide) {
  Population population;
  population.fragile = 0.1;  // degradation 2.55 points
  auto random = random_of(31);
  const PairedResults results = draw(population, 300, 2, random);
  const Certificate first = certify(results, 0.02);
  EXPECT_TRUE(certify(results, first.upper95 + 1e-9).holds());
  EXPECT_EQ(certify(results, first.lower95 - 1e-9).verdict, Verdict::fails);
  const double between = first.degradation + 0.5 * (first.upper95 - first.degradation);
  const Certificate open = certify(results, between);
  ASSERT_EQ(open.verdict, Verdict::undecided);
  EXPECT_GT(open.images_needed, 300);
  // Half the distance takes about four times the images.
  EXPECT_NEAR(open.images_needed, 4 * 300, 300);
  // What was said is enough: data of that size with the same degradation decide.
  PairedResults more = results;
  const auto copies = static_cast<int>(std::ceil(open.images_needed / 300));
  for (int copy = 1; copy < copies; ++copy) {
    more.clean.insert(more.clean.end(), results.clean.begin(), results.clean.end());
    for (std::size_t s = 0; s < more.noisy.size(); ++s) {
      more.noisy[s].insert(more.noisy[s].end(), results.noisy[s].begin(), results.noisy[s].end());
    }
  }
  EXPECT_TRUE(certify(more, between).holds());
}

TEST(Certificate, losses_are_bounded_like_any_paired_measure) {
  PairedResults results;
  results.binary = false;
  auto random = random_of(41);
  results.noisy.resize(2);
  for (int i = 0; i < 200; ++i) {
    results.clean.push_back(-1);
    for (auto& pass : results.noisy) pass.push_back(-1.1 + 0.2 * random.normal());
  }
  const Certificate certificate = certify(results, 0.15);
  EXPECT_NEAR(certificate.degradation, 0.1, 0.03);
  EXPECT_NEAR(certificate.standard_error, 0.2 / std::sqrt(400.0), 0.002);
  EXPECT_NEAR(certificate.upper95 - certificate.degradation, 1.65 * certificate.standard_error,
              0.01 * certificate.standard_error);
  EXPECT_TRUE(certificate.holds());
}

TEST(Certificate, refuses_what_cannot_be_bounded) {
  PairedResults results;
  EXPECT_THROW(certify(results, 0.02), ConfigError);
  results.clean = {1, 1};
  results.noisy = {{1, 0}};
  results.noise_shared_by_pass = true;
  EXPECT_THROW(certify(results, 0.02), ConfigError);
}

}  // namespace
}  // namespace attojoule::network
