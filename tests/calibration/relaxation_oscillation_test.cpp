#include "calibration/relaxation_oscillation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr double d_factor = 40e9, k_factor = 0.3e-9, damping_offset = 4e9, threshold = 12e-3;
const std::vector<std::string> names{"d_factor", "k_factor", "damping_offset", "threshold_current"};
const std::vector<double> truth{d_factor, k_factor, damping_offset, threshold};

// Six currents; f_r known to 0.5 %, gamma to 3 %, correlated as a fit leaves them.
RelaxationData laser(int trial) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 140);
  RelaxationData data;
  for (const double current : {16e-3, 20e-3, 25e-3, 32e-3, 40e-3, 50e-3}) {
    RelaxationPoint p;
    p.current_a = current;
    const double f = d_factor * std::sqrt(current - threshold);
    const double g = damping_offset + k_factor * f * f;
    p.frequency_error_hz = 0.005 * f;
    p.damping_error_per_s = 0.03 * g;
    p.correlation = 0.6;
    const double a = random.normal(), b = random.normal();
    p.frequency_hz = f + p.frequency_error_hz * a;
    p.damping_per_s = g + p.damping_error_per_s *
                              (p.correlation * a + std::sqrt(1 - std::pow(p.correlation, 2)) * b);
    p.place = "spectrum";
    data.points.push_back(p);
  }
  return data;
}

TEST(RelaxationOscillationCoverage, intervals_cover_as_they_say_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const auto covered = tests::coverage(trials, names, truth, [](int trial) {
    return calibrate_relaxation_oscillation(laser(trial));
  });
  for (std::size_t k = 0; k < names.size(); ++k) {
    EXPECT_NEAR(covered[k].inside95, 0.95, tests::binomial_bound(0.95, trials)) << names[k];
    EXPECT_NEAR(covered[k].inside68, 0.6827, tests::binomial_bound(0.6827, trials)) << names[k];
  }
  // All points alike, and independent: the relative errors of a plot read by eye.
  const auto wrong = tests::coverage(trials, names, truth, [](int trial) {
    RelaxationData data = laser(trial);
    for (RelaxationPoint& p : data.points) {
      p.frequency_error_hz = 0.005 * 5e9;
      p.damping_error_per_s = 0.03 * 1.2e10;
      p.correlation = 0;
    }
    return calibrate_relaxation_oscillation(data);
  });
  int wrong_ones = 0;
  for (const auto& one : wrong) {
    wrong_ones += std::abs(one.inside95 - 0.95) > tests::binomial_bound(0.95, trials);
  }
  EXPECT_GE(wrong_ones, 2);
}

TEST(RelaxationOscillation, a_known_threshold_helps_and_its_uncertainty_is_type_b) {
  RelaxationData data = laser(1);
  const auto fitted = calibrate_relaxation_oscillation(data);
  EXPECT_EQ(fitted.verdict, Verdict::accepted);
  EXPECT_NEAR(fitted.figures.front().value,
              2 * std::numbers::sqrt2 * std::numbers::pi / fitted.parameter("k_factor").value, 1);
  data.threshold_a = threshold;
  data.threshold_uncertainty_a = 0.1e-3;
  const auto given = calibrate_relaxation_oscillation(data);
  EXPECT_LT(given.parameter("d_factor").u_a, 0.7 * fitted.parameter("d_factor").u_a);
  EXPECT_EQ(given.parameter("threshold_current").u_a, 0);
  EXPECT_EQ(given.parameter("threshold_current").u_b, 0.1e-3);
  // d ln D = d I_th / (2 (I - I_th)) of the currents that decide, 4 to 38 mA above threshold.
  const double share = given.parameter("d_factor").u_b / given.parameter("d_factor").value;
  EXPECT_GT(share, 0.1 / (2 * 38));
  EXPECT_LT(share, 0.1 / (2 * 4));
}

TEST(RelaxationOscillation, the_law_that_fails_is_named) {
  // Heating: the relaxation frequency bends down at high currents, the damping still follows it.
  RelaxationData hot = laser(2);
  for (RelaxationPoint& p : hot.points) {
    const double bend = 1 - 4 * std::max(p.current_a - 0.03, 0.0);
    p.damping_per_s += k_factor * std::pow(p.frequency_hz, 2) * (bend * bend - 1);
    p.frequency_hz *= bend;
  }
  const auto bent = calibrate_relaxation_oscillation(hot);
  EXPECT_EQ(bent.verdict, Verdict::rejected);
  EXPECT_THAT(bent.reasons, Contains(HasSubstr("f_r does not go with sqrt(I - I_th)")));
  EXPECT_THAT(bent.reasons, testing::Not(Contains(HasSubstr("the damping does not"))));
  ASSERT_EQ(bent.alternatives.size(), 1U);
  const Estimate& alone = bent.alternatives[0].second[0];
  EXPECT_NEAR(alone.value, k_factor, 4 * alone.u_a);
  RelaxationData poles = laser(3);
  for (RelaxationPoint& p : poles.points) p.damping_per_s += 3e9 * std::pow(p.current_a / 0.03, 4);
  const auto damped = calibrate_relaxation_oscillation(poles);
  EXPECT_THAT(damped.reasons, Contains(HasSubstr("the damping does not go with f_r^2")));
}

TEST(RelaxationOscillation, what_cannot_be_is_refused) {
  RelaxationData data = laser(4);
  data.points.resize(2);
  EXPECT_THROW(calibrate_relaxation_oscillation(data), DataError);
  data = laser(4);
  for (RelaxationPoint& p : data.points) p.current_a = 20e-3;  // one current, six times
  EXPECT_THROW(calibrate_relaxation_oscillation(data), DataError);
  data = laser(4);
  data.threshold_a = 18e-3;
  EXPECT_THROW(calibrate_relaxation_oscillation(data), DataError);
  data = laser(4);
  data.points[1].damping_error_per_s = 0;
  EXPECT_THROW(calibrate_relaxation_oscillation(data), DataError);
  data = laser(4);
  data.points[1].current_a = -1e-3;
  EXPECT_THROW(calibrate_relaxation_oscillation(data), DataError);
}

}  // namespace
}  // namespace attojoule::calibration
