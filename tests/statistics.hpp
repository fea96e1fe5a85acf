// What the statistical tests share: estimators with their own standard errors, and a chi-square
// test with pooled bins. A bound is 5 standard errors: a correct program fails one such check
// in 1.7 million, and with the fixed seeds of the tests never.
#pragma once

#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace attojoule::tests {

inline constexpr double five_sigma = 5;
// Two-sided probability of a normal number beyond 5 sigma.
inline constexpr double five_sigma_probability = 5.733e-7;

// Estimates of the central moments of a sample.
class Moments {
 public:
  void add(double x) {
    ++count_;
    const double n = static_cast<double>(count_);
    const double delta = x - mean_;
    const double step = delta / n;
    const double step2 = step * step;
    const double term = delta * step * (n - 1);
    mean_ += step;
    m4_ += term * step2 * (n * n - 3 * n + 3) + 6 * step2 * m2_ - 4 * step * m3_;
    m3_ += term * step * (n - 2) - 3 * step * m2_;
    m2_ += term;
  }
  template <class Range>
  void add_all(const Range& range) {
    for (const auto x : range) add(static_cast<double>(x));
  }

  double count() const { return static_cast<double>(count_); }
  double mean() const { return mean_; }
  double variance() const { return m2_ / (count() - 1); }
  double deviation() const { return std::sqrt(variance()); }
  double third() const { return m3_ / count(); }
  double fourth() const { return m4_ / count(); }
  double skewness() const { return third() / std::pow(variance(), 1.5); }
  double excess_kurtosis() const { return fourth() / (variance() * variance()) - 3; }

  double mean_error() const { return std::sqrt(variance() / count()); }
  // Standard errors of the variance and the standard deviation, from the sample's own fourth
  // moment.
  double variance_error() const {
    return std::sqrt(std::max(fourth() - variance() * variance(), 0.0) / count());
  }
  double deviation_error() const { return variance_error() / (2 * deviation()); }

 private:
  std::size_t count_ = 0;
  double mean_ = 0, m2_ = 0, m3_ = 0, m4_ = 0;
};

struct ChiSquare {
  double value = 0;
  double degrees_of_freedom = 0;
  double probability = 1;  // of a larger value if the law is right
};

// Pearson's test of observed against expected counts. Neighbouring bins are pooled until each
// expects at least ten.
inline ChiSquare chi_square(std::span<const double> observed, std::span<const double> expected) {
  std::vector<double> o, e;
  double pooled_o = 0, pooled_e = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    pooled_o += observed[i];
    pooled_e += expected[i];
    if (pooled_e >= 10) {
      o.push_back(pooled_o);
      e.push_back(pooled_e);
      pooled_o = pooled_e = 0;
    }
  }
  if (!e.empty()) {
    o.back() += pooled_o;
    e.back() += pooled_e;
  }
  ChiSquare result;
  for (std::size_t i = 0; i < e.size(); ++i) {
    result.value += (o[i] - e[i]) * (o[i] - e[i]) / e[i];
  }
  result.degrees_of_freedom = static_cast<double>(e.size()) - 1;
  result.probability = boost::math::gamma_q(result.degrees_of_freedom / 2, result.value / 2);
  return result;
}

inline double normal_cdf(double z) {
  return 0.5 * std::erfc(-z / std::sqrt(2.0));
}

}  // namespace attojoule::tests
