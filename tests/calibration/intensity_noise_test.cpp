#include "calibration/intensity_noise.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

constexpr double q_c = 1.602176634e-19, current_a = 2e-3, load_ohm = 50, rin_per_hz = 3e-15;

// Thermal noise that rises over the band, so that the points' scatter differs.
IntensityNoiseData laser(int trial, double rin = rin_per_hz, int averages = 100) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 101);
  IntensityNoiseData data;
  data.photocurrent_a = current_a;
  data.dc_power_w = current_a * current_a * load_ohm;
  const double s = 1 / std::sqrt(static_cast<double>(averages));
  for (int i = 0; i < 50; ++i) {
    const double f = 1e7 * (1 + i);
    const double thermal = 1e-19 * std::pow(10, 0.06 * i);
    const double shown = thermal + data.dc_power_w * (rin + 2 * q_c / current_a);
    data.frequency_hz.push_back(f);
    data.noise_w_per_hz.push_back(shown * (1 + s * random.normal()));
    data.thermal_w_per_hz.push_back(thermal * (1 + s * random.normal()));
  }
  data.relative_scatter = s;
  return data;
}

TEST(IntensityNoiseCoverage, intervals_cover_as_they_say_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const auto covered = tests::coverage(trials, {"rin"}, {rin_per_hz}, [](int trial) {
    return calibrate_intensity_noise(laser(trial));
  });
  EXPECT_NEAR(covered[0].inside95, 0.95, tests::binomial_bound(0.95, trials));
  EXPECT_NEAR(covered[0].inside68, 0.6827, tests::binomial_bound(0.6827, trials));
  // Half the scatter, as from averages that are not independent, is not covered.
  const auto wrong = tests::coverage(400, {"rin"}, {rin_per_hz}, [](int trial) {
    IntensityNoiseData data = laser(trial);
    data.relative_scatter /= 2;
    return calibrate_intensity_noise(data);
  });
  EXPECT_LT(wrong[0].inside95, 0.8);
}

IntensityNoiseData oscillating(int trial) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 102);
  IntensityNoiseData data;
  data.photocurrent_a = current_a;
  data.dc_power_w = current_a * current_a * load_ohm;
  for (int i = 0; i < 120; ++i) {
    const double f = 1e8 * (1 + i), fr = 5e9, g = 8e9 / (2 * std::numbers::pi);
    const double f2 = f * f, r2 = fr * fr;
    const double rin = (1e-15 * r2 * r2 + 8e-15 * r2 * f2) / (std::pow(r2 - f2, 2) + g * g * f2);
    const double thermal = 2e-20;
    data.frequency_hz.push_back(f);
    data.noise_w_per_hz.push_back((thermal + data.dc_power_w * (rin + 2 * q_c / current_a)) *
                                  (1 + 0.05 * random.normal()));
    data.thermal_w_per_hz.push_back(thermal * (1 + 0.05 * random.normal()));
  }
  data.relative_scatter = 0.05;
  data.relaxation = true;
  return data;
}

TEST(IntensityNoise, relaxation_oscillation) {
  const auto result = calibrate_intensity_noise(oscillating(1));
  EXPECT_EQ(result.verdict, Verdict::accepted);
  const std::vector<std::pair<const char*, double>> truths{
      {"rin", 1e-15}, {"peak", 8e-15}, {"relaxation_frequency", 5e9}, {"damping", 8e9}};
  for (const auto& [name, truth] : truths) {
    const Estimate& e = result.parameter(name);
    EXPECT_NEAR(e.value, truth, 4 * e.combined()) << name;
  }
  IntensityNoiseData white = oscillating(2);
  white.relaxation = false;
  EXPECT_EQ(calibrate_intensity_noise(white).verdict, Verdict::rejected);
  white.relative_scatter = 0;  // nor where the scatter is not known
  EXPECT_EQ(calibrate_intensity_noise(white).verdict, Verdict::rejected);
  // A band that ends far below the peak.
  IntensityNoiseData narrow = oscillating(3);
  narrow.frequency_hz.resize(12);
  narrow.noise_w_per_hz.resize(12);
  narrow.thermal_w_per_hz.resize(12);
  const Verdict verdict = calibrate_intensity_noise(narrow).verdict;
  EXPECT_TRUE(verdict == Verdict::not_identifiable || verdict == Verdict::no_convergence);
}

TEST(IntensityNoise, limits_are_said) {
  IntensityNoiseData data = laser(2);
  data.thermal_w_per_hz.clear();
  const auto unknown = calibrate_intensity_noise(data);
  EXPECT_EQ(unknown.verdict, Verdict::not_identifiable);
  EXPECT_EQ(unknown.exit_code(false), 5);
  EXPECT_EQ(unknown.figures.back().name, "rin_upper_limit");
  const auto buried = calibrate_intensity_noise(laser(3, 1e-18));
  EXPECT_TRUE(buried.device.empty());
  EXPECT_THAT(buried.warnings, testing::Contains(HasSubstr("upper limit")));
  const auto seen = calibrate_intensity_noise(laser(4));
  ASSERT_EQ(seen.device.size(), 1U);
  EXPECT_EQ(seen.device[0].key, "laser.rin");
  // Thermal noise that is too large makes a negative RIN: reported, not clipped.
  IntensityNoiseData wrong = laser(5);
  for (double& v : wrong.thermal_w_per_hz) v *= 100;
  const auto negative = calibrate_intensity_noise(wrong);
  EXPECT_LT(negative.parameter("rin").value, 0);
  EXPECT_EQ(negative.verdict, Verdict::rejected);
  wrong.photocurrent_a = 0;
  EXPECT_THROW(calibrate_intensity_noise(wrong), ConfigError);
}

}  // namespace
}  // namespace attojoule::calibration
