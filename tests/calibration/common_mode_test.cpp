#include "calibration/common_mode.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

constexpr double r0 = 0.02, delay_s = 1e-10;

double decibels(double power) {
  return 10 * std::log10(power);
}

// One diode at 0 dB; the tone gets weaker towards the floor, whose points scatter more.
CommonModeData receiver(int trial, double r = r0, double tau = delay_s) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 81);
  CommonModeData data;
  constexpr double floor = 1e-4;
  for (int i = 0; i < 30; ++i) {
    const double f = 1e6 * std::pow(10, 2.5 * i / 29);
    const double ratio = r * r + (1 - r) * std::pow(2 * std::numbers::pi * f * tau, 2);
    const auto read = [&](double power) {
      return power * std::pow(10, 0.03 * random.normal());  // 0.3 dB
    };
    data.frequency_hz.push_back(f);
    data.reference.push_back(read(1 + floor));
    data.both.push_back(read(ratio + floor));
    data.floor.push_back(floor);
  }
  data.sigma_db = 0.3;
  return data;
}

TEST(CommonModeCoverage, intervals_cover_as_they_say_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const auto covered =
      tests::coverage(trials, {"cmrr", "delay_squared"}, {-20 * std::log10(r0), delay_s * delay_s},
                      [](int trial) { return calibrate_common_mode(receiver(trial)); });
  for (const auto& share : covered) {
    EXPECT_NEAR(share.inside95, 0.95, tests::binomial_bound(0.95, trials));
    EXPECT_NEAR(share.inside68, 0.6827, tests::binomial_bound(0.6827, trials));
  }
  // The floor taken off by hand: the points near it scatter more, and nobody says so.
  const auto unweighted = tests::coverage(trials, {"cmrr", "delay_squared"},
                                          {-20 * std::log10(r0), delay_s * delay_s}, [](int trial) {
                                            CommonModeData data = receiver(trial);
                                            for (std::size_t i = 0; i < data.floor.size(); ++i) {
                                              data.both[i] -= data.floor[i];
                                              data.reference[i] -= data.floor[i];
                                            }
                                            data.floor.clear();
                                            return calibrate_common_mode(data);
                                          });
  EXPECT_LT(unweighted[0].inside95, 0.95 - tests::binomial_bound(0.95, trials));
}

TEST(CommonMode, the_reference_is_named_and_makes_6_dB) {
  CommonModeData data = receiver(1);
  const auto one = calibrate_common_mode(data);
  EXPECT_EQ(one.verdict, Verdict::accepted);
  EXPECT_EQ(one.settings.at("reference"), "one diode lit");
  const Estimate& e = one.parameter("imbalance");
  EXPECT_NEAR(e.value, r0 / 2, 4 * e.combined());
  EXPECT_GT(e.u_b, 0);
  EXPECT_NEAR(one.parameter("delay").value, delay_s, 4 * one.parameter("delay").combined());
  for (double& p : data.reference) p *= 4;  // both currents in phase
  data.reference_is = CommonModeReference::in_phase;
  const auto phase = calibrate_common_mode(data);
  EXPECT_NEAR(phase.parameter("cmrr").value, one.parameter("cmrr").value + decibels(4), 1e-3);
  EXPECT_NEAR(phase.parameter("imbalance").value, e.value, 1e-4 * e.value);
}

TEST(CommonMode, readings_at_the_floor_bound_it_only) {
  CommonModeData data = receiver(2);
  for (std::size_t i = 0; i < 10; ++i) data.both[i] = 1.05 * data.floor[i];
  const auto result = calibrate_common_mode(data);
  ASSERT_EQ(result.rejected.size(), 10U);
  EXPECT_THAT(result.rejected[0].reason, HasSubstr("CMRR is above 39"));
  for (double& p : data.both) p = 1.05e-4;
  EXPECT_THROW(calibrate_common_mode(data), DataError);
}

TEST(CommonMode, what_cannot_be_is_refused) {
  CommonModeData adds = receiver(3, 2, 0);
  try {
    calibrate_common_mode(adds);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("photocurrents add"));
  }
  EXPECT_THROW(calibrate_common_mode(receiver(4, 1, 0)), DataError);
  // The delay dominates everywhere.
  EXPECT_EQ(calibrate_common_mode(receiver(5, 1e-5, 2e-9)).verdict, Verdict::not_identifiable);
  // A resonance is neither imbalance nor delay.
  CommonModeData resonant = receiver(6, 0.02, 0);
  for (std::size_t i = 10; i < 20; ++i) resonant.both[i] *= 4;
  EXPECT_EQ(calibrate_common_mode(resonant).verdict, Verdict::rejected);
}

}  // namespace
}  // namespace attojoule::calibration
