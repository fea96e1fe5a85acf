#include "calibration/responsivity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

constexpr double truth_a_per_w = 0.9, dark_a = 4e-9;

// Powers over three decades with a relative scatter: what weights are for.
ResponsivityData diode(int trial, double saturation_a = 0) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 51);
  ResponsivityData data;
  for (int i = 0; i < 16; ++i) {
    const double power = i < 2 ? 0 : 1e-6 * std::pow(10, 3.0 * (i - 2) / 13);
    double current = truth_a_per_w * power;
    if (saturation_a > 0) current /= 1 + current / saturation_a;
    current += dark_a;
    data.curve.x.push_back(power);
    data.curve.y.push_back(current + std::hypot(0.01 * current, 2e-9) * random.normal());
  }
  data.curve.relative = 0.01;
  data.curve.floor = 2e-9;
  data.wavelength_m = 1550e-9;
  return data;
}

TEST(ResponsivityCoverage, intervals_cover_as_they_say_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const std::vector<std::string> names{"responsivity", "dark_current", "eta"};
  const double eta = truth_a_per_w * 6.62607015e-34 * 299792458 / (1.602176634e-19 * 1550e-9);
  const std::vector<double> truth{truth_a_per_w, dark_a, eta};
  const auto covered = tests::coverage(
      trials, names, truth, [](int trial) { return calibrate_responsivity(diode(trial)); });
  for (const auto& share : covered) {
    EXPECT_NEAR(share.inside95, 0.95, tests::binomial_bound(0.95, trials));
    EXPECT_NEAR(share.inside68, 0.6827, tests::binomial_bound(0.6827, trials));
  }
  const auto unweighted = tests::coverage(400, names, truth, [](int trial) {
    ResponsivityData data = diode(trial);
    data.curve.relative = data.curve.floor = 0;
    return calibrate_responsivity(data);
  });
  EXPECT_GT(std::abs(unweighted[0].inside95 - 0.95), tests::binomial_bound(0.95, 400));
  EXPECT_GT(std::abs(unweighted[1].inside95 - 0.95), tests::binomial_bound(0.95, 400));
}

TEST(Responsivity, saturated_points_are_left_out_and_named_or_fitted) {
  ResponsivityData data = diode(1, 3e-3);
  const auto cut = calibrate_responsivity(data);
  EXPECT_EQ(cut.verdict, Verdict::accepted);
  ASSERT_GE(cut.rejected.size(), 2U);
  EXPECT_THAT(cut.rejected.back().reason, HasSubstr("saturation"));
  data.saturation = true;
  const auto fitted = calibrate_responsivity(data);
  EXPECT_EQ(fitted.verdict, Verdict::accepted);
  EXPECT_TRUE(fitted.rejected.empty());
  const Estimate& saturation = fitted.parameter("saturation_current");
  EXPECT_NEAR(saturation.value, 3e-3, 3 * saturation.combined());
  EXPECT_NEAR(fitted.parameter("responsivity").value, truth_a_per_w,
              3 * fitted.parameter("responsivity").combined());
}

TEST(Responsivity, type_b_does_not_shrink_with_points) {
  ResponsivityData data = diode(2);
  data.power_scale_uncertainty = 0.03;
  data.coupling_loss_db = 1;
  data.coupling_loss_uncertainty_db = 0.1;
  const auto result = calibrate_responsivity(data);
  const Estimate& r = result.parameter("responsivity");
  EXPECT_NEAR(r.u_b / r.value, std::hypot(0.03, 0.1 * std::log(10) / 10), 1e-9);
  EXPECT_NEAR(r.value, truth_a_per_w * std::pow(10, 0.1), 4 * r.u_a);
  EXPECT_GT(result.parameter("eta").u_b, 0.03 * result.parameter("eta").value);
}

TEST(Responsivity, bounds_are_reported_and_not_clipped) {
  ResponsivityData data = diode(3);
  for (double& y : data.curve.y) y *= 1.6;
  const auto result = calibrate_responsivity(data);
  EXPECT_GT(result.parameter("eta").value, 1.1);
  EXPECT_EQ(result.verdict, Verdict::rejected);
  ASSERT_FALSE(result.bounds_hit.empty());
  EXPECT_THAT(result.bounds_hit[0].reason, HasSubstr("energy conservation"));
  // The meter's scale may be that wrong: then it is a warning.
  data.power_scale_uncertainty = 0.3;
  const auto doubtful = calibrate_responsivity(data);
  EXPECT_EQ(doubtful.verdict, Verdict::accepted);
  EXPECT_THAT(doubtful.warnings, testing::Contains(HasSubstr("eta")));
}

TEST(Responsivity, what_cannot_be_is_refused) {
  ResponsivityData dark = diode(4);
  auto random = tests::lab_numbers(4, 52);
  for (double& y : dark.curve.y) y = dark_a + 2e-9 * random.normal();
  try {
    calibrate_responsivity(dark);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("photocurrent equals dark current: not contacted, or no light"));
  }
  ResponsivityData same = diode(5);
  for (double& x : same.curve.x) x = 1e-3;
  EXPECT_EQ(calibrate_responsivity(same).verdict, Verdict::not_identifiable);
  // A source meter's sign is turned, and said.
  ResponsivityData reverse = diode(6);
  for (double& y : reverse.curve.y) y = -y;
  const auto turned = calibrate_responsivity(reverse);
  EXPECT_NEAR(turned.parameter("responsivity").value, truth_a_per_w, 0.01);
  EXPECT_THAT(turned.warnings, testing::Contains(HasSubstr("sign is turned")));
  // A current that goes with the square of the light is no photodiode.
  ResponsivityData square = diode(7);
  for (std::size_t i = 0; i < square.curve.x.size(); ++i) {
    square.curve.y[i] += 400 * square.curve.x[i] * square.curve.x[i];
  }
  EXPECT_EQ(calibrate_responsivity(square).verdict, Verdict::rejected);
  square.curve.relative = square.curve.floor = 0;  // nor where the scatter is not known
  EXPECT_EQ(calibrate_responsivity(square).verdict, Verdict::rejected);
}

}  // namespace
}  // namespace attojoule::calibration
