// Whether a long sample of fill_normal is normal: moments, tails to 5 sigma, chi-square.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "photonics/random.hpp"
#include "tests/statistics.hpp"

namespace attojoule::tests {

// Standardised deviations of what a sample of normal numbers must show.
struct NormalVerdict {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0;
  std::array<double, 5> tails{};  // fraction beyond 1 ... 5 sigma
  double chi_square_probability = 1;

  bool passes() const {
    const auto ok = [](double z) { return std::abs(z) <= five_sigma; };
    return ok(mean) && ok(variance) && ok(skewness) && ok(kurtosis) &&
           std::all_of(tails.begin(), tails.end(), ok) &&
           chi_square_probability > five_sigma_probability;
  }
};

// Streams the sample in pieces: the slow test does not fit in the cache.
inline NormalVerdict judge_normals(std::uint64_t seed, std::size_t count, float scale) {
  constexpr std::size_t piece = 1 << 16;
  constexpr int bins = 120;  // of 0.1 from -6 to 6, ends included in the last ones
  std::vector<double> histogram(bins, 0.0);
  std::array<double, 5> beyond{};
  double s1 = 0, s2 = 0, s3 = 0, s4 = 0;
  std::vector<float> z(piece);
  for (std::size_t at = 0; at < count; at += piece) {
    photonics::fill_normal({.seed = seed}, at, z);
    for (const float value : z) {
      const double x = static_cast<double>(value * scale);
      const double x2 = x * x;
      s1 += x;
      s2 += x2;
      s3 += x2 * x;
      s4 += x2 * x2;
      histogram[static_cast<std::size_t>(std::clamp(std::floor((x + 6) * 10), 0.0, bins - 1.0))] +=
          1;
      const double distance = std::abs(x);
      for (std::size_t k = 0; k < 5 && distance > static_cast<double>(k + 1); ++k) beyond[k] += 1;
    }
  }
  const double n = static_cast<double>(count);
  NormalVerdict verdict;
  // Exact moments of a standard normal sample: E z^2 = 1, z^4 = 3, z^6 = 15, z^8 = 105.
  verdict.mean = s1 / n * std::sqrt(n);
  verdict.variance = (s2 / n - 1) * std::sqrt(n / 2);
  verdict.skewness = s3 / n * std::sqrt(n / 15);
  verdict.kurtosis = (s4 / n - 3) * std::sqrt(n / 96);
  for (std::size_t k = 0; k < 5; ++k) {
    const double p = std::erfc(static_cast<double>(k + 1) / std::numbers::sqrt2);
    verdict.tails[k] = (beyond[k] - n * p) / std::sqrt(n * p * (1 - p));
  }
  std::vector<double> expected(bins);
  for (int i = 0; i < bins; ++i) {
    const double low = i == 0 ? 0 : normal_cdf(-6 + 0.1 * i);
    const double high = i == bins - 1 ? 1 : normal_cdf(-6 + 0.1 * (i + 1));
    expected[static_cast<std::size_t>(i)] = n * (high - low);
  }
  verdict.chi_square_probability = chi_square(histogram, expected).probability;
  return verdict;
}

inline void expect_normal(const NormalVerdict& verdict) {
  EXPECT_LE(std::abs(verdict.mean), five_sigma);
  EXPECT_LE(std::abs(verdict.variance), five_sigma);
  EXPECT_LE(std::abs(verdict.skewness), five_sigma);
  EXPECT_LE(std::abs(verdict.kurtosis), five_sigma);
  for (std::size_t k = 0; k < 5; ++k) {
    EXPECT_LE(std::abs(verdict.tails[k]), five_sigma) << "beyond " << k + 1 << " sigma";
  }
  EXPECT_GT(verdict.chi_square_probability, five_sigma_probability);
}

}  // namespace attojoule::tests
