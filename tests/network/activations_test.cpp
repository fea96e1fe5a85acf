// Element functions against the C library in double precision, on every instruction set.
#include "network/activations.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/photonics/highway_targets.hpp"

namespace attojoule::tests {
namespace {

// Both signs, from tiny to where the functions saturate; a length that is no multiple of a vector.
std::vector<float> arguments() {
  std::vector<float> x{0.0f, -0.0f, 0.5f, std::nextafter(0.5f, 0.0f), 1e-30f, 30.0f, 1e30f};
  for (int i = 1; i <= 4000; ++i) x.push_back(static_cast<float>(i) * 0.00171f);
  for (int i = 1; i <= 60; ++i) x.push_back(std::ldexp(1.3f, -i));
  const std::size_t half = x.size();
  for (std::size_t i = 0; i < half; ++i) x.push_back(-x[i]);
  return x;
}

TEST(Activations, error_function) {
  const auto x = arguments();
  for (const std::int64_t target : runnable_targets()) {
    const OnlyTarget only(target);
    std::vector<float> y(x.size());
    network::error_function(x.data(), static_cast<std::int64_t>(x.size()), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double wanted = std::erf(static_cast<double>(x[i]));
      ASSERT_NEAR(y[i], wanted, 3e-7 * std::abs(wanted)) << x[i] << hwy::TargetName(target);
    }
  }
}

TEST(Activations, gelu) {
  const auto x = arguments();
  for (const std::int64_t target : runnable_targets()) {
    const OnlyTarget only(target);
    std::vector<float> y(x.size());
    network::gelu(x.data(), static_cast<std::int64_t>(x.size()), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double value = x[i];
      const double wanted = 0.5 * value * std::erfc(-value * std::sqrt(0.5));
      ASSERT_NEAR(y[i], wanted, 2e-7 * (1 + std::abs(value))) << x[i] << hwy::TargetName(target);
    }
  }
}

TEST(Activations, any_length_in_place) {
  const auto x = arguments();
  for (std::int64_t count = 0; count < 40; ++count) {
    std::vector<float> separate(static_cast<std::size_t>(count) + 1, 7.0f);
    network::gelu(x.data(), count, separate.data());
    std::vector<float> over(x.begin(), x.begin() + count);
    over.push_back(7.0f);
    network::gelu(over.data(), count, over.data());
    EXPECT_EQ(over, separate) << count;
    EXPECT_EQ(over.back(), 7.0f);
  }
}

}  // namespace
}  // namespace attojoule::tests
