#include "calibration/shot_noise.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

constexpr double true_a = 2e-6, true_b = 3e-6, true_c = 6e-8;

ShotNoiseData measurement(int trial, int nu = 400, std::uint64_t seed = 5) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), seed);
  ShotNoiseData data;
  data.light_unit = "mW";
  data.noise_unit = "V^2";
  for (int i = 0; i < 14; ++i) {
    const double p = 0.12 * i * i;
    data.light.push_back(p);
    data.noise.push_back((true_a + p * (true_b + p * true_c)) * tests::variance_factor(random, nu));
    data.nu.push_back(nu);
  }
  return data;
}

TEST(ShotNoiseCoverage, intervals_cover_as_they_say_and_unweighted_ones_do_not) {
  constexpr int trials = 2000;
  const auto covered =
      tests::coverage(trials, {"a", "b", "c"}, {true_a, true_b, true_c},
                      [](int trial) { return calibrate_shot_noise(measurement(trial), {}); });
  for (const auto& share : covered) {
    EXPECT_NEAR(share.inside95, 0.95, tests::binomial_bound(0.95, trials));
    EXPECT_NEAR(share.inside68, 0.6827, tests::binomial_bound(0.6827, trials));
  }
  // Power: equal standard deviations, as if nothing were known of variances.
  const auto unweighted =
      tests::coverage(trials, {"a", "b", "c"}, {true_a, true_b, true_c}, [](int trial) {
        ShotNoiseData data = measurement(trial);
        data.nu.clear();
        data.sigma.assign(data.light.size(), 2e-6);
        return calibrate_shot_noise(data, {.convention = SigmaConvention::scale});
      });
  EXPECT_GT(unweighted[0].inside95, 0.99);
  EXPECT_LT(unweighted[2].inside95, 0.9);
}

TEST(ShotNoise, scatter_from_the_data_covers_too) {
  constexpr int trials = 2000;
  const auto covered =
      tests::coverage(trials, {"a", "b", "c"}, {true_a, true_b, true_c}, [](int trial) {
        ShotNoiseData data = measurement(trial);
        data.nu.clear();
        return calibrate_shot_noise(data, {});
      });
  for (const auto& share : covered) {
    EXPECT_NEAR(share.inside95, 0.95, tests::binomial_bound(0.95, trials));
  }
}

TEST(ShotNoise, saturated_points_are_left_out_and_named) {
  ShotNoiseData data = measurement(1, 4000);
  data.noise[12] *= 0.8;
  data.noise[13] *= 0.6;
  for (int i = 0; i < 14; ++i) data.places.push_back("data.csv:" + std::to_string(i + 2));
  const auto result = calibrate_shot_noise(data, {});
  EXPECT_EQ(result.verdict, Verdict::accepted);
  ASSERT_GE(result.rejected.size(), 2U);
  EXPECT_EQ(result.rejected.back().place, "data.csv:15");
  EXPECT_THAT(result.rejected.back().reason, HasSubstr("saturation"));
  EXPECT_NEAR(result.parameter("b").value, true_b, 3 * result.parameter("b").u_a);
}

TEST(ShotNoise, a_wrong_model_is_rejected) {
  // A resonance: noise that grows with the third power of the light.
  ShotNoiseData data = measurement(2, 20000);
  for (std::size_t i = 0; i < data.light.size(); ++i) {
    data.noise[i] += 5e-8 * std::pow(data.light[i], 3);
  }
  EXPECT_EQ(calibrate_shot_noise(data, {}).verdict, Verdict::rejected);
  data.nu.clear();  // the cubic term's own test
  EXPECT_EQ(calibrate_shot_noise(data, {}).verdict, Verdict::rejected);
}

TEST(ShotNoise, a_degenerate_design_is_not_identifiable) {
  ShotNoiseData data = measurement(3);
  for (std::size_t i = 0; i < data.light.size(); ++i) data.light[i] = i < 7 ? 1.0 : 2.0;
  for (std::size_t i = 0; i < data.light.size(); ++i) {
    data.noise[i] = (true_a + true_b * data.light[i]) * (1 + 0.01 * static_cast<double>(i % 3));
  }
  const auto result = calibrate_shot_noise(data, {});
  EXPECT_EQ(result.verdict, Verdict::not_identifiable);
  EXPECT_EQ(result.exit_code(false), 5);
  EXPECT_THAT(result.identifiability, HasSubstr("2 different light levels"));
}

TEST(ShotNoise, swapped_traces_are_told) {
  ShotNoiseData data = measurement(4);
  std::reverse(data.light.begin(), data.light.end());
  try {
    calibrate_shot_noise(data, {});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("variance falls with power (t = -"));
  }
}

TEST(ShotNoise, input_noise_below_the_johnson_limit_is_an_error) {
  // P_eq = 0.01 V over 33 kOhm: 0.31 pA/sqrt(Hz), below the 0.71 of that resistor.
  ShotNoiseData data;
  data.light_unit = "V";
  data.noise_unit = "V^2/Hz";
  data.light = {0.5, 0.2, 0.1, 0};
  for (const double v : data.light) data.noise.push_back(1e-14 + 1e-12 * v);
  data.nu.assign(4, 1e4);
  data.current_per_light = 1 / 33e3;
  data.feedback_resistance_ohm = 33e3;
  try {
    calibrate_shot_noise(data, {});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(
        error.what(),
        HasSubstr("input noise 0.31 pA/sqrt(Hz) is below the Johnson limit 0.71 of 33 kOhm"));
  }
  data.feedback_resistance_ohm.reset();
  EXPECT_NEAR(calibrate_shot_noise(data, {}).parameter("i_n").value,
              std::sqrt(2 * 1.602176634e-19 * 0.01 / 33e3), 1e-17);
}

// scipy.optimize.curve_fit(sigma=y sqrt(2/nu) of the converged model, absolute_sigma=True), scipy
// 1.10.1, on this very table.
TEST(ShotNoise, agrees_with_scipy) {
  ShotNoiseData data;
  data.light_unit = "mW";
  data.noise_unit = "V^2";
  data.light = {0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3};
  data.noise = {2.05e-6, 2.28e-6, 2.95e-6, 4.02e-6, 6.71e-6, 1.16e-5, 2.35e-5};
  data.nu.assign(7, 500);
  const auto result = calibrate_shot_noise(data, {});
  const std::vector<double> scipy{2.030716965e-6, 2.897369493e-6, 0.07904425613e-6},
      errors{0.095105171e-6, 0.27800147e-6, 0.064570191e-6};
  const char* names[] = {"a", "b", "c"};
  for (std::size_t k = 0; k < 3; ++k) {
    const Estimate& e = result.parameter(names[k]);
    EXPECT_NEAR(e.value / scipy[k], 1, 1e-6) << e.name;
    EXPECT_NEAR(e.u_a / errors[k], 1, 1e-4) << e.name;
  }
}

}  // namespace
}  // namespace attojoule::calibration
