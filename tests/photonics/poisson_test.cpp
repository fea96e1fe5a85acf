#include "photonics/poisson.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <boost/math/special_functions/bessel.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "photonics/error.hpp"
#include "photonics/random.hpp"
#include "tests/photonics/highway_targets.hpp"
#include "tests/statistics.hpp"

namespace attojoule::photonics {
namespace {

using tests::five_sigma;
using tests::Moments;

std::vector<float> counts_of(std::span<const float> means, std::span<const float> z) {
  std::vector<float> counts(z.size());
  poisson_from_normal(means, z, counts);
  return counts;
}

// Exact law that the kernel gives for one mean if z is a perfect normal number: for every count
// value v the smallest z with count(z) >= v, by bisection on float, hence P(N >= v) = Q(z).
struct KernelLaw {
  std::vector<double> value;     // possible counts, ascending
  std::vector<double> at_least;  // P(N >= value)
};

KernelLaw kernel_law(float mean) {
  const double m = static_cast<double>(mean);
  const double spread = std::sqrt(m);
  const double low = std::max(0.0, std::floor(m - 7 * spread - 2));
  const double high = std::ceil(m + 7 * spread + 12);
  KernelLaw law;
  std::vector<float> targets;
  for (float v = static_cast<float>(low); v <= static_cast<float>(high);) {
    law.value.push_back(static_cast<double>(v));
    targets.push_back(v);
    // The next whole number that a float can hold.
    v = std::max(v + 1.0f, std::nextafter(v, std::numeric_limits<float>::max()));
  }
  const std::vector<float> means(targets.size(), mean);
  std::vector<float> below(targets.size(), -6.7f), above(targets.size(), 6.7f);
  const std::vector<float> at_bottom = counts_of(means, below);
  const std::vector<float> at_top = counts_of(means, above);
  for (int step = 0; step < 40; ++step) {
    std::vector<float> middle(targets.size());
    for (std::size_t i = 0; i < middle.size(); ++i) middle[i] = (below[i] + above[i]) / 2;
    const std::vector<float> counts = counts_of(means, middle);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      (counts[i] >= targets[i] ? above : below)[i] = middle[i];
    }
  }
  law.at_least.resize(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    law.at_least[i] = at_bottom[i] >= targets[i] ? 1
                      : at_top[i] < targets[i]   ? 0
                                               : tests::normal_cdf(-static_cast<double>(above[i]));
  }
  return law;
}

double kernel_total_variation(float mean) {
  const KernelLaw law = kernel_law(mean);
  // The exact law with every whole number rounded to float, as the counts are.
  std::vector<double> exact(law.value.size(), 0.0);
  std::size_t i = 0;
  for (auto n = static_cast<std::int64_t>(law.value.front());
       n <= static_cast<std::int64_t>(law.value.back()); ++n) {
    const double rounded = static_cast<double>(static_cast<float>(n));
    while (law.value[i] < rounded) ++i;
    exact[i] += poisson_probability(static_cast<double>(mean), n);
  }
  double distance = 0;
  for (i = 0; i < law.value.size(); ++i) {
    const double next = i + 1 < law.value.size() ? law.at_least[i + 1] : 0;
    distance += std::abs(law.at_least[i] - next - exact[i]) / 2;
  }
  return distance;
}

TEST(PoissonQuantile, TotalVariationIsAsStated) {
  for (const float mean :
       {1e-6f, 1e-3f, 0.1f, 0.4999f, 0.5f, 1.0f, 2.0f, 3.7f, 5.0f, 7.0f, 7.9999f}) {
    EXPECT_LE(kernel_total_variation(mean), 2e-6) << "mean " << mean;
  }
  EXPECT_LE(kernel_total_variation(8.0f), 7.5e-5);
  EXPECT_LE(kernel_total_variation(10.0f), 4e-5);
  EXPECT_LE(kernel_total_variation(20.0f), 7e-6);
  for (const float mean : {33.3f, 100.0f, 1234.5f, 1e4f, 1e5f, 1e6f, 3e7f, 1e8f}) {
    EXPECT_LE(kernel_total_variation(mean), 4e-5) << "mean " << mean;
  }
}

TEST(PoissonQuantile, TheTotalVariationCheckSeesAShiftedMean) {
  const KernelLaw law = kernel_law(100.0f);
  double distance = 0;
  for (std::size_t i = 0; i + 1 < law.value.size(); ++i) {
    distance += std::abs(law.at_least[i] - law.at_least[i + 1] -
                         poisson_probability(100.01, static_cast<std::int64_t>(law.value[i]))) /
                2;
  }
  EXPECT_GT(distance, 2e-4);
}

// Mean and variance from the kernel's own law, where sampling could not see the difference. The
// relative error of a small mean matters: dim outputs are summed over many.
TEST(PoissonQuantile, MeanAndVariance) {
  for (const float mean : {1e-6f, 1e-4f, 0.01f, 0.3f, 0.49f, 0.51f, 1.0f, 4.0f, 7.99f, 8.0f, 12.0f,
                           50.0f, 1e3f, 1e5f}) {
    const KernelLaw law = kernel_law(mean);
    const double m = static_cast<double>(mean);
    double sum = law.value[0], squares = 0;
    for (std::size_t i = 1; i < law.value.size(); ++i) {
      sum += law.at_least[i] * (law.value[i] - law.value[i - 1]);
    }
    for (std::size_t i = 0; i < law.value.size(); ++i) {
      const double next = i + 1 < law.value.size() ? law.at_least[i + 1] : 0;
      squares += (law.at_least[i] - next) * (law.value[i] - m) * (law.value[i] - m);
    }
    EXPECT_NEAR(sum / m, 1, 3e-6) << "mean " << mean;
    EXPECT_NEAR(squares / m, 1, 3e-4) << "mean " << mean;
  }
}

TEST(PoissonQuantile, GrowsWithItsNormalNumber) {
  std::vector<float> z(20000);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = -6.66f + 13.32f * static_cast<float>(i) / 19999;
  for (const float mean : {0.0f, 1e-3f, 0.7f, 3.0f, 7.9f, 8.0f, 9.0f, 30.0f, 1e4f, 1e8f, 1e12f}) {
    const std::vector<float> counts = counts_of(std::vector<float>(z.size(), mean), z);
    EXPECT_TRUE(std::is_sorted(counts.begin(), counts.end())) << "mean " << mean;
    for (const float n : counts) {
      ASSERT_GE(n, 0.0f);
      ASSERT_EQ(n, std::floor(n));
    }
  }
}

const RandomStream counting_stream{.seed = 11, .domain = NoiseDomain::photon_count, .layer = 2};

// Means from 0 to 1e8 side by side, some zero.
std::vector<float> mixed_means(std::size_t count) {
  std::vector<float> means(count);
  fill_uniform({.seed = 12}, 0, means);
  for (std::size_t i = 0; i < count; ++i) {
    means[i] = i % 7 == 0 ? 0.0f : std::pow(10.0f, -4 + 12 * means[i]);
  }
  return means;
}

TEST(FillPoisson, IsTheQuantileOfFillNormal) {
  for (const std::int64_t target : tests::runnable_targets()) {
    const tests::OnlyTarget only(target);
    for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 63u, 64u, 65u, 127u, 1000u}) {
      for (const std::uint64_t first : {0u, 1u, 17u, 63u, 64u, 100u}) {
        const std::vector<float> means = mixed_means(size);
        std::vector<float> z(size), counts(size);
        fill_normal(counting_stream, first, z);
        fill_poisson(counting_stream, first, means, counts);
        ASSERT_EQ(counts, counts_of(means, z)) << hwy::TargetName(target);
      }
    }
  }
}

TEST(FillPoisson, TargetsWithFusedMultiplyAddGiveTheSameCounts) {
  const std::vector<float> means = mixed_means(1 << 17);
  std::vector<float> reference;
  for (const std::int64_t target : tests::runnable_targets()) {
    if (!tests::has_fused_multiply_add(target)) continue;
    const tests::OnlyTarget only(target);
    std::vector<float> counts(means.size());
    fill_poisson(counting_stream, 3, means, counts);
    if (reference.empty()) reference = counts;
    ASSERT_EQ(counts, reference) << hwy::TargetName(target);
  }
}

// Without a fused multiply-add a count can change by the rounding of its normal number.
TEST(FillPoisson, OtherTargetsAreCloseInUnitsOfTheSpread) {
  const std::vector<float> means = mixed_means(1 << 17);
  std::vector<float> reference(means.size());
  fill_poisson(counting_stream, 3, means, reference);
  for (const std::int64_t target : tests::runnable_targets()) {
    const tests::OnlyTarget only(target);
    std::vector<float> counts(means.size());
    fill_poisson(counting_stream, 3, means, counts);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      ASSERT_NEAR(counts[i], reference[i],
                  1 + normal_tolerance_without_fma * std::sqrt(means[i]) + means[i] * 1.2e-7f)
          << hwy::TargetName(target) << " mean " << means[i];
    }
  }
}

TEST(FillPoisson, NoLightGivesNoCounts) {
  const std::vector<float> means(1000, 0.0f);
  std::vector<float> counts(1000, -1.0f);
  fill_poisson(counting_stream, 5, means, counts);
  EXPECT_TRUE(std::all_of(counts.begin(), counts.end(), [](float n) { return n == 0; }));
}

TEST(FillPoisson, RefusesMeansThatAreNoMeans) {
  for (const float bad : {-1e-6f, std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(), 2e12f}) {
    for (const std::size_t at : {0u, 70u, 199u}) {
      std::vector<float> means(200, 20.0f), counts(200);
      means[at] = bad;
      EXPECT_THROW(fill_poisson(counting_stream, 3, means, counts), RunError);
    }
  }
  std::vector<float> means(3, 1.0f), counts(4);
  EXPECT_THROW(fill_poisson(counting_stream, 0, means, counts), RunError);
}

RC_GTEST_PROP(PoissonProperty, CuttingARangeChangesNothing, ()) {
  const auto first = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 33);
  const auto size = *rc::gen::inRange<std::size_t>(0, 500);
  const std::vector<float> means = mixed_means(size);
  std::vector<float> whole(size), pieces(size);
  fill_poisson(counting_stream, first, means, whole);
  for (std::size_t at = 0; at < size;) {
    const std::size_t piece = std::min(*rc::gen::inRange<std::size_t>(1, 150), size - at);
    fill_poisson(counting_stream, first + at, std::span(means).subspan(at, piece),
                 std::span(pieces).subspan(at, piece));
    at += piece;
  }
  RC_ASSERT(pieces == whole);
}

// ---- Sampled laws -----------------------------------------------------------------------------

template <class Draw>
tests::ChiSquare chi_square_of(const CountLaw& law, int samples, Draw draw) {
  std::vector<double> observed(law.probability.size(), 0.0), expected(law.probability.size());
  for (int i = 0; i < samples; ++i) {
    const auto index = static_cast<std::int64_t>(draw(i)) - law.first;
    const auto last = static_cast<std::int64_t>(observed.size()) - 1;
    observed[static_cast<std::size_t>(std::clamp<std::int64_t>(index, 0, last))] += 1;
  }
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = law.probability[i] * samples;
  return tests::chi_square(observed, expected);
}

TEST(PoissonLaw, FillPoissonPassesChiSquareAndAWrongMeanDoesNot) {
  constexpr int samples = 1 << 20;
  for (const double mean : {0.05, 0.5, 2.0, 7.5, 8.0, 15.0, 100.0, 5000.0}) {
    std::vector<float> counts(samples);
    const std::vector<float> means(samples, static_cast<float>(mean));
    fill_poisson({.seed = 21}, 0, means, counts);
    const auto draw = [&](int i) { return counts[static_cast<std::size_t>(i)]; };
    const double exact_mean = static_cast<double>(means[0]);
    EXPECT_GT(chi_square_of(skellam_law(exact_mean, 0), samples, draw).probability,
              tests::five_sigma_probability)
        << "mean " << mean;
    EXPECT_LT(chi_square_of(skellam_law(exact_mean * 1.1, 0), samples, draw).probability,
              tests::five_sigma_probability)
        << "mean " << mean;
  }
}

TEST(PoissonLaw, ExactSamplersPassChiSquareAndAWrongMeanDoesNot) {
  constexpr int samples = 1 << 18;
  for (const double mean : {0.3, 4.0, 9.99, 10.0, 25.0, 300.0, 1e4}) {
    RandomSequence random({.seed = 22}, static_cast<std::uint64_t>(mean * 100));
    const auto draw = [&](int) { return sample_poisson(mean, random); };
    EXPECT_GT(chi_square_of(skellam_law(mean, 0), samples, draw).probability,
              tests::five_sigma_probability)
        << "mean " << mean;
    EXPECT_LT(chi_square_of(skellam_law(mean * 1.1, 0), samples, draw).probability,
              tests::five_sigma_probability)
        << "mean " << mean;
  }
}

// The two exact methods agree where both apply.
TEST(PoissonLaw, InversionAndRejectionAgree) {
  constexpr int samples = 1 << 18;
  RandomSequence random({.seed = 23}, 0);
  const auto draw = [&](int) { return sample_poisson_by_inversion(40, random); };
  EXPECT_GT(chi_square_of(skellam_law(40, 0), samples, draw).probability,
            tests::five_sigma_probability);
}

TEST(PoissonLaw, LargeMeans) {
  for (const double mean : {1e8, 1e12}) {
    RandomSequence random({.seed = 24}, 0);
    Moments moments;
    for (int i = 0; i < 100000; ++i) {
      moments.add((static_cast<double>(sample_poisson(mean, random)) - mean) / std::sqrt(mean));
    }
    EXPECT_NEAR(moments.mean(), 0, five_sigma * moments.mean_error());
    EXPECT_NEAR(moments.variance(), 1, five_sigma * moments.variance_error());
    EXPECT_GT(1.1 * moments.variance() - 1, five_sigma * moments.variance_error());
  }
}

TEST(PoissonLaw, RefusesMeansThatAreNoMeans) {
  RandomSequence random({}, 0);
  EXPECT_THROW(sample_poisson(-1, random), RunError);
  EXPECT_THROW(sample_poisson(std::nan(""), random), RunError);
  EXPECT_THROW(sample_skellam(1, 1e13, random), RunError);
  EXPECT_THROW(skellam_law(-1, 1), RunError);
}

TEST(SkellamLaw, AgreesWithTheBesselFormula) {
  for (const auto& [plus, minus] : std::vector<std::pair<double, double>>{
           {0.3, 0.2}, {1, 1}, {7, 0.01}, {0.01, 7}, {30, 12}, {200, 210}, {3, 300}}) {
    const CountLaw law = skellam_law(plus, minus);
    for (std::size_t i = 0; i < law.probability.size(); ++i) {
      const double k = static_cast<double>(law.first) + static_cast<double>(i);
      const double z = 2 * std::sqrt(plus * minus);
      const double bessel = boost::math::cyl_bessel_i(std::abs(k), z);
      const double expected = std::exp(-plus - minus + k / 2 * std::log(plus / minus)) * bessel;
      if (!(bessel > 1e-290 && std::isfinite(expected))) continue;  // denormal or overflowed
      ASSERT_NEAR(law.probability[i], expected, 1e-12 * expected + 1e-30)
          << plus << " " << minus << " k " << k;
    }
  }
}

TEST(SkellamLaw, WithoutMinusCountsIsPoisson) {
  for (const double mean : {0.0, 0.1, 5.0, 1000.0}) {
    const CountLaw law = skellam_law(mean, 0);
    const CountLaw mirrored = skellam_law(0, mean);
    for (std::size_t i = 0; i < law.probability.size(); ++i) {
      const std::int64_t n = law.first + static_cast<std::int64_t>(i);
      ASSERT_NEAR(law.probability[i], poisson_probability(mean, n), 1e-11);
      const auto mirror = -n - mirrored.first;
      if (mirror < 0) continue;
      ASSERT_NEAR(mirrored.probability[static_cast<std::size_t>(mirror)], law.probability[i],
                  1e-15);
    }
  }
}

TEST(GaussianDistance, FallsWithTheSquareRootOfTheCounts) {
  // Leading order: half the largest step of the distribution function.
  for (const double mean : {1e3, 1e4, 1e6}) {
    const GaussianDistance distance = gaussian_distance(mean, mean);
    const double sigma = std::sqrt(2 * mean);
    EXPECT_NEAR(distance.kolmogorov * 2 * std::sqrt(2 * std::numbers::pi) * sigma, 1, 0.01);
    EXPECT_LT(distance.total_variation, distance.kolmogorov);
  }
  // Symmetric: the skewness vanishes and the rounded Gaussian is wrong in order 1 / sigma^2.
  EXPECT_NEAR(
      gaussian_distance(4000, 4000).total_variation / gaussian_distance(1000, 1000).total_variation,
      0.25, 0.01);
  // One diode dark: order 1 / sigma.
  EXPECT_NEAR(
      gaussian_distance(4000, 0).total_variation / gaussian_distance(1000, 0).total_variation, 0.5,
      0.01);
}

TEST(GaussianDistance, IsLargeForAFewPhotons) {
  EXPECT_GT(gaussian_distance(0.5, 0.5).kolmogorov, 0.15);
  EXPECT_GT(gaussian_distance(0.05, 0.05).total_variation, 0.02);
  EXPECT_EQ(gaussian_distance(0, 0).kolmogorov, 0);
}

}  // namespace
}  // namespace attojoule::photonics
