#include "calibration/light_current.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;
using testing::Not;

LightCurrentData laser(int trial, double knee_a = 2e-3) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 41);
  LightCurrentData data;
  for (int i = 0; i <= 120; ++i) {
    const double current = 0.5e-3 * i;
    const double over = (current - 12e-3) / knee_a;
    const double soft = over > 0 ? over + std::log1p(std::exp(-over)) : std::log1p(std::exp(over));
    data.current_a.push_back(current);
    data.power_w.push_back(0.002 * current + 0.3 * knee_a * soft + 2e-5 * random.normal());
  }
  return data;
}

TEST(LightCurrentCoverage, intervals_cover_as_they_say) {
  constexpr int trials = 2000;
  const auto covered =
      tests::coverage(trials, {"threshold_current", "slope_efficiency"}, {12e-3, 0.302},
                      [](int trial) { return calibrate_light_current(laser(trial)); });
  for (const auto& share : covered) {
    EXPECT_NEAR(share.inside95, 0.95, tests::binomial_bound(0.95, trials));
  }
}

// A power meter whose scatter goes with the power, and a sweep that is weighted so.
LightCurrentData weighted_laser(int trial) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 42);
  LightCurrentData data;
  for (int i = 0; i <= 60; ++i) data.current_a.push_back(1e-3 * i);
  data.power_w.resize(61);
  for (std::size_t i = 0; i < data.power_w.size(); ++i) {
    const double over = (data.current_a[i] - 12e-3) / 2e-3;
    const double soft = over > 0 ? over + std::log1p(std::exp(-over)) : std::log1p(std::exp(over));
    const double truth = 0.002 * data.current_a[i] + 0.3 * 2e-3 * soft;
    data.sigma_w.push_back(1e-6 + 0.01 * truth);
    data.power_w[i] = truth + data.sigma_w.back() * random.normal();
  }
  return data;
}

TEST(LightCurrentCoverage, known_scatter_covers_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const std::vector<std::string> names{"threshold_current", "slope_efficiency"};
  const auto covered = tests::coverage(trials, names, {12e-3, 0.302}, [](int trial) {
    return calibrate_light_current(weighted_laser(trial));
  });
  const auto unweighted = tests::coverage(trials, names, {12e-3, 0.302}, [](int trial) {
    LightCurrentData data = weighted_laser(trial);
    data.sigma_w.clear();
    return calibrate_light_current(data);
  });
  for (std::size_t k = 0; k < names.size(); ++k) {
    EXPECT_NEAR(covered[k].inside95, 0.95, tests::binomial_bound(0.95, trials)) << names[k];
    EXPECT_NEAR(covered[k].inside68, 0.6827, tests::binomial_bound(0.6827, trials)) << names[k];
    EXPECT_GT(std::abs(unweighted[k].inside95 - 0.95), tests::binomial_bound(0.95, trials))
        << names[k];
  }
}

TEST(LightCurrent, rollover_is_left_out_and_named) {
  LightCurrentData data = laser(1);
  for (std::size_t i = 0; i < data.current_a.size(); ++i) {
    const double over = std::max(0.0, data.current_a[i] - 40e-3);
    data.power_w[i] -= 8 * over * over;
  }
  const auto result = calibrate_light_current(data);
  EXPECT_EQ(result.verdict, Verdict::accepted);
  EXPECT_GE(result.rejected.size(), 5U);
  EXPECT_EQ(result.rejected.back().reason, "thermal roll-over");
  EXPECT_NEAR(result.parameter("slope_efficiency").value, 0.302, 0.004);
}

TEST(LightCurrent, a_knee_that_the_steps_do_not_resolve_is_said) {
  // Steps of 3.5 mA, the threshold between two of them.
  const LightCurrentData fine = laser(2, 1e-5);
  LightCurrentData coarse;
  for (std::size_t i = 0; i < fine.current_a.size(); i += 7) {
    coarse.current_a.push_back(fine.current_a[i]);
    coarse.power_w.push_back(fine.power_w[i]);
  }
  const auto result = calibrate_light_current(coarse);
  EXPECT_EQ(result.verdict, Verdict::accepted);
  EXPECT_THAT(result.warnings, testing::Contains(HasSubstr("knee is narrower")));
  const Estimate& threshold = result.parameter("threshold_current");
  EXPECT_NEAR(threshold.value, 12e-3, 4 * threshold.u_a);
}

TEST(LightCurrent, what_is_no_laser_is_rejected) {
  LightCurrentData led = laser(3);
  for (std::size_t i = 0; i < led.current_a.size(); ++i) led.power_w[i] = 0.05 * led.current_a[i];
  EXPECT_EQ(calibrate_light_current(led).verdict, Verdict::rejected);
  LightCurrentData kinked = laser(4);
  for (std::size_t i = 75; i < 96; ++i) kinked.power_w[i] *= 0.7;
  EXPECT_EQ(calibrate_light_current(kinked).verdict, Verdict::rejected);
  LightCurrentData swapped = laser(5);
  std::reverse(swapped.power_w.begin(), swapped.power_w.end());
  EXPECT_THROW(calibrate_light_current(swapped), DataError);
  LightCurrentData few = laser(6);
  few.current_a.resize(5);
  few.power_w.resize(5);
  EXPECT_THROW(calibrate_light_current(few), DataError);
}

TEST(LightCurrent, a_hundred_thousand_points_are_no_other_laser) {
  LightCurrentData data;
  auto random = tests::lab_numbers(3, 43);
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double current = 60e-3 * (n - 1 - i) / (n - 1);
    // From 45 mA on it heats up.
    const double hot = std::max(current - 45e-3, 0.0);
    data.current_a.push_back(current);
    data.power_w.push_back(0.3 * (std::max(current - 12e-3, 0.0) - 15 * hot * hot) +
                           2e-5 * random.normal());
  }
  const auto result = calibrate_light_current(data);
  ASSERT_EQ(result.verdict, Verdict::accepted) << testing::PrintToString(result.reasons);
  EXPECT_GT(result.rejected.size(), 15000U);
  // Roll-over sets in gradually: what is left of it is more than the scatter of so many points.
  EXPECT_NEAR(result.parameter("threshold_current").value, 12e-3, 2e-5);
  EXPECT_NEAR(result.parameter("slope_efficiency").value, 0.3, 1e-3);
}

TEST(LightCurrent, a_kink_is_said) {
  LightCurrentData data = laser(4, 0.3e-3);
  EXPECT_THAT(calibrate_light_current(data).warnings,
              Not(testing::Contains(HasSubstr("go together"))));
  for (std::size_t i = 0; i < data.current_a.size(); ++i) {
    if (data.current_a[i] > 35e-3) data.power_w[i] *= 0.96;  // a mode hop
  }
  EXPECT_THAT(calibrate_light_current(data).warnings, testing::Contains(HasSubstr("go together")));
}

}  // namespace
}  // namespace attojoule::calibration
