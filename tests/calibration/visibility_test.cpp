#include "calibration/visibility.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

// Three periods, scatter proportional to the light over a small floor.
VisibilityData fringes(int trial, double visibility = 0.9, double turns = 3) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 61);
  VisibilityData data;
  for (int i = 0; i < 60; ++i) {
    const double x = turns * 2.0 * i / 60;
    const double y = 5 * (1 + visibility * std::cos(std::numbers::pi * x + 0.8));
    data.curve.x.push_back(x);
    data.curve.y.push_back(y + std::hypot(0.03 * y, 0.02) * random.normal());
  }
  data.curve.relative = 0.03;
  data.curve.floor = 0.02;
  data.dark = 0;
  return data;
}

TEST(VisibilityCoverage, intervals_cover_as_they_say_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const std::vector<std::string> names{"visibility", "mean", "phase", "period"};
  const std::vector<double> truth{0.9, 5, 0.8, 2};
  const auto covered = tests::coverage(
      trials, names, truth, [](int trial) { return calibrate_visibility(fringes(trial)); });
  for (const auto& share : covered) {
    EXPECT_NEAR(share.inside95, 0.95, tests::binomial_bound(0.95, trials));
    EXPECT_NEAR(share.inside68, 0.6827, tests::binomial_bound(0.6827, trials));
  }
  const auto unweighted = tests::coverage(400, names, truth, [](int trial) {
    VisibilityData data = fringes(trial);
    data.curve.relative = data.curve.floor = 0;
    return calibrate_visibility(data);
  });
  EXPECT_GT(std::abs(unweighted[0].inside95 - 0.95), tests::binomial_bound(0.95, 400));
}

TEST(Visibility, of_an_inverting_amplifier_is_the_same_and_a_power_is_not_negative) {
  VisibilityData data = fringes(3);
  data.curve.y_unit = "V";
  const Estimate upright = calibrate_visibility(data).parameter("visibility");
  for (double& y : data.curve.y) y = -y;
  const auto inverted = calibrate_visibility(data);
  EXPECT_EQ(inverted.verdict, Verdict::accepted) << testing::PrintToString(inverted.reasons);
  EXPECT_NEAR(inverted.parameter("visibility").value, upright.value, 1e-6);
  EXPECT_THAT(inverted.warnings, testing::Contains(HasSubstr("inverts")));
  data.curve.y_unit = "W";
  EXPECT_EQ(calibrate_visibility(data).verdict, Verdict::rejected);
}

TEST(Visibility, overlap_needs_the_powers_and_the_dark_level) {
  VisibilityData data = fringes(1, 0.6);
  EXPECT_TRUE(calibrate_visibility(data).device.empty());
  data.power_ratio = 9;  // 2 sqrt 9 / 10 = 0.6: the modes overlap wholly
  data.power_ratio_uncertainty = 0.02;
  const auto result = calibrate_visibility(data);
  const Estimate& overlap = result.parameter("mode_overlap");
  EXPECT_NEAR(overlap.value, 1, 3 * overlap.combined());
  EXPECT_NEAR(overlap.u_b, overlap.value * 0.02 * 0.4, 1e-6);
  ASSERT_EQ(result.device.size(), 1U);
  EXPECT_EQ(result.device[0].key, "receiver.visibility");
  // An offset that is not taken off lowers the visibility.
  VisibilityData offset = fringes(2);
  for (double& y : offset.curve.y) y += 1;
  offset.curve.relative = offset.curve.floor = 0;
  offset.dark.reset();
  const auto wrong = calibrate_visibility(offset);
  EXPECT_NEAR(wrong.parameter("visibility").value, 0.9 * 5 / 6, 0.01);
  EXPECT_THAT(wrong.identifiability, HasSubstr("dark"));
  offset.dark = 1;
  EXPECT_NEAR(calibrate_visibility(offset).parameter("visibility").value, 0.9, 0.01);
}

TEST(Visibility, total_efficiency_of_homodyne_detection) {
  VisibilityData data = fringes(3);
  data.power_ratio = 1;
  data.quantum_efficiency = 0.8;
  data.optical_transmission = 0.95;
  data.clearance_db = 10;
  const auto result = calibrate_visibility(data);
  const double v = result.parameter("mode_overlap").value;
  ASSERT_EQ(result.figures.size(), 1U);
  EXPECT_NEAR(result.figures[0].value, 0.8 * v * v * 0.95 * 0.9, 1e-12);
}

TEST(Visibility, what_the_scan_cannot_tell_is_said) {
  // A tenth of a fringe.
  EXPECT_EQ(calibrate_visibility(fringes(4, 0.9, 0.1)).verdict, Verdict::not_identifiable);
  VisibilityData noise = fringes(5, 0);
  noise.curve.relative = noise.curve.floor = 0;
  EXPECT_EQ(calibrate_visibility(noise).verdict, Verdict::not_identifiable);
  // Deeper than to darkness: the dark level is wrong.
  VisibilityData deep = fringes(6, 1.0);
  deep.dark = 0.5;
  deep.curve.relative = deep.curve.floor = 0;
  const auto result = calibrate_visibility(deep);
  EXPECT_GT(result.parameter("visibility").value, 1.05);
  EXPECT_EQ(result.verdict, Verdict::rejected);
  ASSERT_FALSE(result.bounds_hit.empty());
  // A stretched scan is no sinusoid.
  VisibilityData bent = fringes(7);
  for (double& x : bent.curve.x) x = x + 0.02 * x * x;
  EXPECT_EQ(calibrate_visibility(bent).verdict, Verdict::rejected);
  VisibilityData clipped = fringes(8);
  for (double& y : clipped.curve.y) y = std::min(y, 7.0);
  clipped.curve.relative = clipped.curve.floor = 0;
  EXPECT_EQ(calibrate_visibility(clipped).verdict, Verdict::rejected);
  VisibilityData still = fringes(9);
  for (double& x : still.curve.x) x = 1;
  EXPECT_THROW(calibrate_visibility(still), DataError);
}

TEST(Visibility, a_known_phase_needs_no_period) {
  VisibilityData data = fringes(10);
  for (double& x : data.curve.x) x *= std::numbers::pi;
  data.x_is_phase = true;
  const auto result = calibrate_visibility(data);
  EXPECT_EQ(result.verdict, Verdict::accepted);
  EXPECT_NEAR(result.parameter("visibility").value, 0.9,
              4 * result.parameter("visibility").combined());
  EXPECT_NEAR(result.parameter("phase").value, 0.8, 4 * result.parameter("phase").combined());
}

}  // namespace
}  // namespace attojoule::calibration
