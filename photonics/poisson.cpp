#include "photonics/poisson.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <numbers>

#include "photonics/error.hpp"

namespace attojoule::photonics {

namespace {

constexpr double largest_mean = 1e12;
constexpr double rejection_mean = 10;

// std::lgamma writes a global sign and is not safe in threads; this one is.
double log_factorial(double n) {
  return boost::math::lgamma(n + 1);
}

void require_mean(double mean) {
  if (!(mean >= 0 && mean <= largest_mean)) {
    throw RunError(fmt::format(
        "Poisson mean: {} is not in [0, {}] (a mean number of counts is finite and not negative). "
        "Check the photon numbers that led to it.",
        mean, largest_mean));
  }
}

double normal_cdf(double z) {
  return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

}  // namespace

double poisson_probability(double mean, std::int64_t n) {
  if (n < 0) return 0;
  if (mean == 0) return n == 0 ? 1 : 0;
  const double k = static_cast<double>(n);
  return std::exp(k * std::log(mean) - mean - log_factorial(k));
}

std::int64_t sample_poisson_by_inversion(double mean, RandomSequence& random) {
  double u = random.uniform();
  double p = std::exp(-mean);
  std::int64_t n = 0;
  // p reaches zero where u lies above the rounding error of the summed probabilities.
  while (u > p && p > 0) {
    u -= p;
    ++n;
    p *= mean / static_cast<double>(n);
  }
  return n;
}

std::int64_t sample_poisson_by_rejection(double mean, RandomSequence& random) {
  const double b = 0.931 + 2.53 * std::sqrt(mean);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double squeeze = 0.9277 - 3.6224 / (b - 2);
  const double log_mean = std::log(mean);
  while (true) {
    const double u = random.uniform() - 0.5;
    const double v = random.uniform();
    const double s = 0.5 - std::abs(u);
    const double n = std::floor((2 * a / s + b) * u + mean + 0.43);
    if (s >= 0.07 && v <= squeeze) return static_cast<std::int64_t>(n);
    if (n < 0 || (s < 0.013 && v > s)) continue;
    const double log_hat = std::log(v * inverse_alpha / (a / (s * s) + b));
    if (log_hat <= n * log_mean - mean - log_factorial(n)) return static_cast<std::int64_t>(n);
  }
}

std::int64_t sample_poisson(double mean, RandomSequence& random) {
  require_mean(mean);
  return mean < rejection_mean ? sample_poisson_by_inversion(mean, random)
                               : sample_poisson_by_rejection(mean, random);
}

std::int64_t sample_skellam(double mu_plus, double mu_minus, RandomSequence& random) {
  const std::int64_t plus = sample_poisson(mu_plus, random);
  return plus - sample_poisson(mu_minus, random);
}

CountLaw skellam_law(double mu_plus, double mu_minus) {
  require_mean(mu_plus);
  require_mean(mu_minus);
  const double mean = mu_plus - mu_minus;
  const double sigma = std::sqrt(mu_plus + mu_minus);
  // 10 sigma and 40 counts leave out less than 1e-20 on either side for any mean.
  const auto last = static_cast<std::int64_t>(std::ceil(mean + 10 * sigma + 40));
  auto first = static_cast<std::int64_t>(std::floor(mean - 10 * sigma - 40));
  if (mu_minus == 0) first = std::max<std::int64_t>(first, 0);

  // q_k for k = smallest .. largest in |count|.
  const std::int64_t largest = std::max(std::abs(first), std::abs(last));
  const std::int64_t smallest =
      first <= 0 && last >= 0 ? 0 : std::min(std::abs(first), std::abs(last));
  const double product = mu_plus * mu_minus;
  const auto start = largest + static_cast<std::int64_t>(10 * sigma) + 40;
  std::vector<double> q(static_cast<std::size_t>(largest - smallest + 1));
  // The fixed point of the recurrence at k = start; its error dies out on the way down.
  const double k_start = static_cast<double>(start) + 1;
  double next = 2 / (k_start + std::sqrt(k_start * k_start + 4 * product));
  for (std::int64_t k = start; k >= smallest; --k) {
    next = 1 / (static_cast<double>(k) + 1 + product * next);
    if (k <= largest) q[static_cast<std::size_t>(k - smallest)] = next;
  }

  CountLaw law{.first = first,
               .probability = std::vector<double>(static_cast<std::size_t>(last - first + 1))};
  auto& p = law.probability;
  const auto ratio_up = [&](std::int64_t k) {  // P(k + 1) / P(k)
    return k >= 0 ? mu_plus * q[static_cast<std::size_t>(k - smallest)]
                  : 1 / (mu_minus * q[static_cast<std::size_t>(-k - 1 - smallest)]);
  };
  // Outwards from the centre, so that nothing overflows and small probabilities stay accurate.
  const auto centre =
      std::clamp(static_cast<std::int64_t>(std::llround(mean)), first, last) - first;
  p[static_cast<std::size_t>(centre)] = 1;
  for (auto i = centre; i + 1 < static_cast<std::int64_t>(p.size()); ++i) {
    p[static_cast<std::size_t>(i + 1)] = p[static_cast<std::size_t>(i)] * ratio_up(first + i);
  }
  for (auto i = centre; i > 0; --i) {
    const double ratio = ratio_up(first + i - 1);
    p[static_cast<std::size_t>(i - 1)] =
        std::isfinite(ratio) && ratio > 0 ? p[static_cast<std::size_t>(i)] / ratio : 0;
  }
  double sum = 0;
  for (const double value : p) sum += value;
  for (double& value : p) value /= sum;
  return law;
}

GaussianDistance gaussian_distance(double mu_plus, double mu_minus) {
  const double mean = mu_plus - mu_minus;
  const double sigma = std::sqrt(mu_plus + mu_minus);
  if (sigma == 0) return {};  // both laws are the point 0
  const CountLaw law = skellam_law(mu_plus, mu_minus);
  GaussianDistance distance;
  double cumulative = 0;
  double outside = 1;  // Gaussian mass of the counts that the law leaves out
  for (std::size_t i = 0; i < law.probability.size(); ++i) {
    const double k = static_cast<double>(law.first) + static_cast<double>(i);
    const double gaussian = normal_cdf((k - mean) / sigma);
    distance.kolmogorov = std::max(distance.kolmogorov, std::abs(gaussian - cumulative));
    cumulative += law.probability[i];
    distance.kolmogorov = std::max(distance.kolmogorov, std::abs(gaussian - cumulative));
    const double mass = normal_cdf((k + 0.5 - mean) / sigma) - normal_cdf((k - 0.5 - mean) / sigma);
    distance.total_variation += std::abs(law.probability[i] - mass) / 2;
    outside -= mass;
  }
  distance.total_variation += std::max(outside, 0.0) / 2;
  return distance;
}

}  // namespace attojoule::photonics
