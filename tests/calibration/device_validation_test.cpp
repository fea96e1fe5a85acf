#include "calibration/device_validation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "calibration/joint_kinds.hpp"
#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

constexpr double v_pi = 3.4, extinction_db = 22, loss_db = 3;
constexpr double u_v_pi = 0.01, u_extinction = 0.4, u_loss = 0.05;

const JointKind& modulator() {
  for (const JointKind& kind : joint_kinds()) {
    if (kind.name == "mzm") return kind;
  }
  throw RunError("no such kind");
}

// A modulator whose device file is right within its uncertainties, but for v_pi, which is off by so
// many of them; a transfer curve of it. `curved`: a phase that the model does not know.
JointProblem bench(int trial, double moved = 0, bool known = true, double curved = 0) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 81);
  JointProblem problem;
  JointKnowledge device;
  device.name = "device";
  device.labels = {"modulator.half_wave_voltage", "modulator.extinction_ratio",
                   "link.modulator_insertion_loss"};
  // V_pi and insertion loss are correlated in the device file.
  const double rho = 0.6;
  const double z0 = random.normal(), z1 = random.normal(), z2 = random.normal();
  device.values = Eigen::Vector3d(v_pi + u_v_pi * (z0 + moved), extinction_db + u_extinction * z1,
                                  loss_db + u_loss * (rho * z0 + std::sqrt(1 - rho * rho) * z2));
  device.covariance_a = Eigen::Matrix3d::Zero();
  device.covariance_b =
      Eigen::Vector3d(u_v_pi * u_v_pi, u_extinction * u_extinction, u_loss * u_loss).asDiagonal();
  device.covariance_b(0, 2) = device.covariance_b(2, 0) = rho * u_v_pi * u_loss;
  const char* units[] = {"V", "dB", "dB"};
  for (std::size_t k = 0; k < 3; ++k) {
    device.formulas.push_back(Expression::name(device.labels[k]));
    problem.parameters.push_back({.name = device.labels[k],
                                  .unit = units[k],
                                  .start = device.values(static_cast<Eigen::Index>(k))});
  }
  problem.knowledge = {device};
  JointMeasurement curve{.name = "curve", .kind = "", .formula = {}, .columns = {}, .y = {}};
  std::vector<double> volts;
  const double q = std::pow(10, -extinction_db / 10), most = std::pow(10, -loss_db / 10);
  for (int i = 0; i < 60; ++i) {
    const double v = -2 + 0.1 * i;
    const double phase = 0.4 + std::numbers::pi * v / v_pi + curved * v * v;
    const double t = most * ((1 + q) + (1 - q) * std::cos(phase)) / 2;
    volts.push_back(v);
    curve.y.push_back(t + std::hypot(0.01 * t, 5e-4) * random.normal());
  }
  curve.columns = {{"bias", volts}};
  if (known) {
    curve.relative = 0.01;
    curve.floor = 5e-4;
  } else {
    for (const double y : curve.y) curve.sigma.push_back(std::hypot(0.01 * y, 5e-4));
    curve.scale_sigma = true;
  }
  add_measurement(problem, modulator(), curve,
                  {{"half_wave_voltage", Expression::name(device.labels[0])},
                   {"extinction_ratio", Expression::name(device.labels[1])},
                   {"insertion_loss", Expression::name(device.labels[2])}});
  guess_starts(problem);
  return problem;
}

double figure(const CalibrationResult& result, const std::string& name) {
  for (const Estimate& e : result.figures) {
    if (e.name == name) return e.value;
  }
  return not_known;
}

TEST(DeviceValidation, a_right_device_fails_as_rarely_as_it_says_and_its_bands_cover) {
  constexpr int trials = 150;
  int low = 0, failed = 0;
  double coverage = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const auto result = validate_device(bench(trial));
    if (figure(result, "device test") < 0.3) ++low;
    if (result.verdict != Verdict::accepted) ++failed;
    ASSERT_TRUE(result.hold_out);
    coverage += result.hold_out->coverage95 / trials;
  }
  EXPECT_NEAR(low / double(trials), 0.3, tests::binomial_bound(0.3, trials));
  EXPECT_LT(failed, 6);  // two tests at 1/1000 each
  // Points of one curve share the device's error: their mean coverage over devices is 95 %.
  EXPECT_NEAR(coverage, 0.95, 0.015);
}

// A waveguide whose loss in the device file is right within its uncertainty, and a cut-back of it:
// the cheapest fit there is, so that thousands of devices can be tried.
JointProblem guide(int trial, double told_scatter_db = 0.1) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 82);
  constexpr double alpha = 2.3, u_alpha = 0.05, scatter_db = 0.1;
  JointProblem problem;
  JointKnowledge device;
  device.name = "device";
  device.labels = {"link.propagation_loss"};
  device.values = Eigen::VectorXd::Constant(1, alpha + u_alpha * random.normal());
  device.covariance_a = Eigen::MatrixXd::Zero(1, 1);
  device.covariance_b = Eigen::MatrixXd::Constant(1, 1, u_alpha * u_alpha);
  device.formulas = {Expression::name(device.labels[0])};
  problem.parameters = {{.name = device.labels[0], .unit = "dB/cm", .start = device.values(0)}};
  problem.knowledge = {device};
  JointMeasurement cutback{.name = "cutback", .kind = "", .formula = {}, .columns = {}, .y = {}};
  std::vector<double> lengths;
  for (int i = 0; i < 8; ++i) {
    lengths.push_back(0.4 * i);
    cutback.y.push_back(-9 - alpha * lengths.back() + scatter_db * random.normal());
  }
  cutback.columns = {{"length", lengths}};
  cutback.floor = told_scatter_db;
  for (const JointKind& kind : joint_kinds()) {
    if (kind.name == "loss") {
      add_measurement(problem, kind, cutback,
                      {{"propagation_loss", Expression::name(device.labels[0])}});
    }
  }
  guess_starts(problem);
  return problem;
}

TEST(DeviceValidationCoverage,
     probabilities_and_bands_are_what_they_say_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const auto shares = [&](double told_scatter_db) {
    struct Shares {
      double device_low = 0, device_lowest = 0, model_low = 0, inside95 = 0;
    } found;
    for (int trial = 0; trial < trials; ++trial) {
      const auto result = validate_device(guide(trial, told_scatter_db));
      found.device_low += (figure(result, "device test") < 0.3173) / double(trials);
      found.device_lowest += (figure(result, "device test") < 0.05) / double(trials);
      found.model_low += (figure(result, "model test") < 0.05) / double(trials);
      found.inside95 += result.hold_out->coverage95 / trials;
    }
    return found;
  };
  const auto right = shares(0.1);
  EXPECT_NEAR(right.device_low, 0.3173, tests::binomial_bound(0.3173, trials));
  EXPECT_NEAR(right.device_lowest, 0.05, tests::binomial_bound(0.05, trials));
  EXPECT_NEAR(right.model_low, 0.05, tests::binomial_bound(0.05, trials));
  // Points of a curve share the device's error: the mean over devices varies more than points do.
  EXPECT_NEAR(right.inside95, 0.95, tests::binomial_bound(0.95, trials));
  // Half the scatter.
  const auto wrong = shares(0.05);
  EXPECT_GT(wrong.model_low, 0.05 + tests::binomial_bound(0.05, trials));
  EXPECT_LT(wrong.inside95, 0.95 - tests::binomial_bound(0.95, trials));
}

TEST(DeviceValidation, a_parameter_that_is_off_is_found_as_often_as_its_uncertainty_allows) {
  constexpr int trials = 60;
  int failed = 0, slightly = 0, named = 0;
  for (int trial = 0; trial < trials; ++trial) {
    // Three degrees of freedom at 1/1000: six standard uncertainties fail nearly always, one and a
    // half hardly ever.
    const auto result = validate_device(bench(trial, 6));
    if (result.verdict == Verdict::rejected) ++failed;
    if (!result.reasons.empty() &&
        result.reasons.front().find("most of all modulator.half_wave_voltage") !=
            std::string::npos) {
      ++named;
    }
    if (validate_device(bench(trial, 1.5)).verdict == Verdict::rejected) ++slightly;
  }
  EXPECT_GT(failed, 0.95 * trials);
  EXPECT_GT(named, 0.85 * trials);
  EXPECT_LT(slightly, 0.1 * trials);
  const auto result = validate_device(bench(0, 6));
  // The shift that the data ask for is what was moved, with the sign that mends it.
  for (const Estimate& e : result.figures) {
    if (e.name != "modulator.half_wave_voltage: shift") continue;
    EXPECT_NEAR(e.value, -6 * u_v_pi, 4 * e.u_a);
    EXPECT_EQ(e.unit, "V");
  }
}

TEST(DeviceValidation, a_scatter_that_is_not_known_is_estimated) {
  constexpr int trials = 80;
  int low = 0, failed = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const auto result = validate_device(bench(trial, 0, false));
    if (figure(result, "device test") < 0.3) ++low;
    EXPECT_TRUE(std::isnan(figure(result, "model test")));
    if (trial < 40 && validate_device(bench(trial, 6, false)).verdict == Verdict::rejected) {
      ++failed;
    }
  }
  EXPECT_NEAR(low / double(trials), 0.3, tests::binomial_bound(0.3, trials));
  EXPECT_GT(failed, 36);
}

TEST(DeviceValidation, a_model_that_is_wrong_is_not_blamed_on_the_device_alone) {
  const auto result = validate_device(bench(3, 0, true, 0.03));
  EXPECT_EQ(result.verdict, Verdict::rejected);
  EXPECT_THAT(result.reasons.back(), HasSubstr("whatever the device's parameters"));
}

TEST(DeviceValidation, a_measurement_that_tells_nothing_of_the_device_says_so) {
  JointProblem problem = bench(1);
  // One parameter of the device, that does not enter.
  for (auto& formula : problem.knowledge.front().formulas) {
    formula = Expression::name("unseen");
    break;
  }
  problem.knowledge.front().labels = {"unseen"};
  problem.knowledge.front().formulas.resize(1);
  problem.knowledge.front().values = Eigen::VectorXd::Constant(1, 1.0);
  problem.knowledge.front().covariance_a = Eigen::MatrixXd::Zero(1, 1);
  problem.knowledge.front().covariance_b = Eigen::MatrixXd::Constant(1, 1, 0.01);
  problem.parameters.push_back({.name = "unseen", .start = 1});
  const auto result = validate_device(problem);
  EXPECT_EQ(result.verdict, Verdict::not_identifiable);
  EXPECT_EQ(result.exit_code(false), 5);
}

}  // namespace
}  // namespace attojoule::calibration
