#include "calibration/joint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/LU>

#include <cmath>

#include "calibration/joint_kinds.hpp"
#include "photonics/constants.hpp"
#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using photonics::constants::elementary_charge_c;
using testing::HasSubstr;

// A receiver that a power meter, a voltmeter and a spectrum analyser look at.
struct Bench {
  double responsivity = 0.9, transresistance = 1e4, bandwidth = 5e6, input_noise = 2e-12;
  double excess = 1e-15, meter = 1.03;  // true over indicated power
  double noise_responsivity = 0.9;      // that of the noise measurement: a contradiction if another
  bool current_known = true, noise_known = true;
  double claimed = 1;  // scatter as claimed, over the true one
};

const JointKind& kind_named(const std::string& name, const std::string& y_unit) {
  for (const JointKind& kind : joint_kinds()) {
    if (kind.name == name && kind.y.unit == y_unit) return kind;
  }
  throw RunError("no such kind");
}

JointProblem receiver(int trial, const Bench& bench = {}, bool with_current = true,
                      bool with_monitor = true) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 71);
  JointProblem problem;
  problem.parameters = {
      {.name = "responsivity", .unit = "A/W"},
      {.name = "power_scale", .given = 1, .u = 0.03},
      {.name = "transresistance", .unit = "ohm"},
      {.name = "noise_bandwidth", .unit = "Hz", .given = bench.bandwidth, .u = 0}};
  JointMeasurement current{.name = "current", .kind = "", .formula = {}, .columns = {}, .y = {}};
  JointMeasurement monitor = current, noise = current;
  monitor.name = "monitor";
  noise.name = "noise";
  std::vector<double> p_current, p_monitor, p_noise;
  for (int i = 0; i < 12; ++i) {
    const double power = 5e-6 * i;
    const double light = bench.meter * power;
    const double exact = 2e-9 + bench.responsivity * light;
    const double sigma = std::hypot(0.004 * exact, 1e-9);
    p_current.push_back(power);
    current.y.push_back(exact + sigma * random.normal());
    p_monitor.push_back(power);
    monitor.y.push_back(1e-3 + bench.transresistance * bench.responsivity * light +
                        5e-4 * random.normal());
    const double i_noise = bench.noise_responsivity * light;
    const double variance = bench.bandwidth * bench.transresistance * bench.transresistance *
                            (bench.input_noise * bench.input_noise +
                             2 * elementary_charge_c * i_noise + bench.excess * i_noise * i_noise);
    p_noise.push_back(power);
    noise.y.push_back(variance * tests::variance_factor(random, 500));
  }
  current.y_unit = "A";
  if (bench.current_known) {
    current.relative = 0.004 * bench.claimed;
    current.floor = 1e-9 * bench.claimed;
  } else {
    for (const double y : current.y) current.sigma.push_back(std::hypot(0.004 * y, 1e-9));
    current.scale_sigma = true;
  }
  monitor.y_unit = "V";
  monitor.floor = 5e-4 * bench.claimed;
  noise.y_unit = "V^2";
  noise.nu.assign(noise.y.size(), 500 / (bench.claimed * bench.claimed));
  noise.scale_sigma = !bench.noise_known;
  current.columns = {{"power", p_current}};
  monitor.columns = {{"power", p_monitor}};
  noise.columns = {{"power", p_noise}};
  if (with_current) add_measurement(problem, kind_named("responsivity", "A"), current, {});
  if (with_monitor) add_measurement(problem, kind_named("monitor", "V"), monitor, {});
  add_measurement(problem, kind_named("shot-noise", "V^2"), noise, {});
  guess_starts(problem);
  return problem;
}

// The meter's scale is a constant of the bench; its certificate scatters with the trial.
JointProblem receiver_with_certificate(int trial, Bench bench = {}) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 72);
  bench.meter = 1 + 0.03 * random.normal();
  return receiver(trial, bench);
}

const std::vector<std::string> names{"responsivity", "transresistance", "noise.input_noise",
                                     "noise.excess_noise"};
const std::vector<double> truth{0.9, 1e4, 2e-12, 1e-15};

TEST(JointCoverage, intervals_cover_as_they_say_and_only_with_the_right_scatter) {
  constexpr int trials = 2000;
  const auto covered = tests::coverage(trials, names, truth, [](int trial) {
    return calibrate_joint(receiver_with_certificate(trial));
  });
  for (std::size_t k = 0; k < names.size(); ++k) {
    EXPECT_NEAR(covered[k].inside95, 0.95, tests::binomial_bound(0.95, trials)) << names[k];
    EXPECT_NEAR(covered[k].inside68, 0.6827, tests::binomial_bound(0.6827, trials)) << names[k];
  }
  // Power: sigmas that are claimed half as large as they are must be seen.
  const auto wrong = tests::coverage(400, names, truth, [](int trial) {
    Bench bench;
    bench.claimed = 0.5;
    return calibrate_joint(receiver_with_certificate(trial, bench));
  });
  EXPECT_LT(wrong[1].inside95, 0.95 - tests::binomial_bound(0.95, 400));
  EXPECT_LT(wrong[2].inside95, 0.95 - tests::binomial_bound(0.95, 400));
}

TEST(JointCoverage, a_scatter_that_is_estimated_covers_with_its_degrees_of_freedom) {
  constexpr int trials = 1000;
  Bench bench;
  bench.current_known = bench.noise_known = false;
  const auto covered = tests::coverage(trials, names, truth, [&](int trial) {
    return calibrate_joint(receiver_with_certificate(trial, bench));
  });
  for (std::size_t k = 0; k < names.size(); ++k) {
    EXPECT_NEAR(covered[k].inside95, 0.95, tests::binomial_bound(0.95, trials)) << names[k];
  }
}

TEST(Joint, finds_the_truth_with_less_uncertainty_than_a_measurement_alone) {
  Bench bench;
  bench.meter = 1;
  const auto problem = receiver(3, bench);
  const auto joint = calibrate_joint(problem);
  ASSERT_EQ(joint.verdict, Verdict::accepted) << joint.reasons.front();
  for (std::size_t k = 0; k < names.size(); ++k) {
    const Estimate& e = joint.parameter(names[k]);
    EXPECT_LT(std::abs(e.value - truth[k]), 3 * e.combined()) << names[k];
  }
  // Noise knows R from the monitor's ratio as well: the transresistance has no type B part.
  EXPECT_GT(joint.parameter("responsivity").u_b, 0.02);
  EXPECT_EQ(joint.parameter("transresistance").u_b, 0);
  // Two measurements of the responsivity with independent scatter.
  JointProblem twice = receiver(4, bench);
  const auto again = receiver(5, bench).measurements.front();
  twice.measurements.push_back(again);
  twice.measurements.back().name = "current2";
  for (auto& parameter : twice.parameters) {
    if (parameter.name == "power_scale") parameter.u = 0;  // exactly: type A alone
  }
  const auto more = calibrate_joint(twice);
  ASSERT_FALSE(more.alternatives.empty());
  const auto& alone = more.alternatives.front();
  EXPECT_EQ(alone.first, "current alone");
  EXPECT_LT(more.parameter("responsivity").u_a, 0.9 * alone.second.front().u_a);
}

TEST(Joint, type_b_does_not_shrink_with_more_points_and_correlates_what_shares_it) {
  const auto result = calibrate_joint(receiver(1));
  EXPECT_NEAR(result.parameter("power_scale").u_b, 0.03, 1e-6);
  const Eigen::MatrixXd c = result.covariance();
  // R s is known far better than R or s.
  EXPECT_LT(c(0, 1) / std::sqrt(c(0, 0) * c(1, 1)), -0.99);
}

TEST(Joint, what_cannot_be_separated_is_named_with_what_would_help) {
  // Without the photocurrent and the bandwidth nothing tells R from Z.
  JointProblem problem = receiver(1, {}, false);
  for (auto& parameter : problem.parameters) {
    if (parameter.name != "noise_bandwidth") continue;
    parameter.given.reset();
    parameter.start = 4e6;
  }
  const auto result = calibrate_joint(problem);
  EXPECT_EQ(result.verdict, Verdict::not_identifiable);
  EXPECT_EQ(result.exit_code(false), 5);
  EXPECT_THAT(result.identifiability, HasSubstr("cannot separate"));
  EXPECT_THAT(result.identifiability, HasSubstr("kind responsivity"));
  // With the bandwidth the noise itself says it: b / a ratio of shot noise to the monitor's slope.
  EXPECT_EQ(calibrate_joint(receiver(1, {}, false)).verdict, Verdict::accepted);
}

TEST(Joint, tension_is_found_where_a_parameter_is_not_the_same_and_only_there) {
  int rejected = 0, false_alarms = 0;
  constexpr int trials = 300;
  // Noise and monitor tell the responsivity without the photocurrent: eight of their uncertainties.
  const Estimate without = calibrate_joint(receiver(0, {}, false)).parameter("responsivity");
  Bench moved;
  moved.noise_responsivity = 0.9 + 8 * without.u_a;
  for (int trial = 0; trial < trials; ++trial) {
    if (calibrate_joint(receiver(trial, moved)).verdict == Verdict::rejected) ++rejected;
    if (calibrate_joint(receiver(trial)).verdict != Verdict::accepted) ++false_alarms;
  }
  EXPECT_GT(rejected, 0.9 * trials);
  // Seven tests at 1/1000 each.
  EXPECT_LT(false_alarms, 0.007 * trials + 5 * std::sqrt(0.007 * trials));
  const JointResult joint = fit_joint(receiver(0, moved));
  EXPECT_THAT(joint.result.reasons.front(), HasSubstr("contradict each other"));
}

TEST(Joint, tension_is_uniform_where_nothing_is_wrong) {
  int low = 0;
  constexpr int trials = 600;
  for (int trial = 0; trial < trials; ++trial) {
    const JointResult joint = fit_joint(receiver(trial));
    if (joint.tensions[2].probability < 0.25) ++low;
    EXPECT_GT(joint.tensions[2].dof, 0);
  }
  EXPECT_NEAR(low / double(trials), 0.25, 5 * std::sqrt(0.25 * 0.75 / trials));
}

TEST(Joint, results_of_other_calibrations_join_with_their_covariance) {
  // The mean of two correlated values with covariance C: known in closed form.
  JointProblem problem;
  problem.parameters = {{.name = "x", .start = 1}};
  JointKnowledge known;
  known.name = "two";
  known.labels = {"a", "b"};
  known.formulas = {Expression::name("x"), Expression::parse("2 * x", "test")};
  known.values = Eigen::Vector2d(1.0, 2.4);
  known.covariance_a = (Eigen::Matrix2d() << 0.04, 0.01, 0.01, 0.09).finished();
  known.covariance_b = (Eigen::Matrix2d() << 0.01, 0.02, 0.02, 0.04).finished();
  problem.knowledge = {known};
  problem.derived = {{"y", "1", Expression::parse("x^2", "test"), ""}};
  const auto result = calibrate_joint(problem);
  const Eigen::Vector2d g(1, 2);
  const Eigen::Matrix2d weight = (known.covariance_a + known.covariance_b).inverse();
  const double variance = 1 / g.dot(weight * g);
  const Eigen::Vector2d gain = variance * (weight * g);
  EXPECT_NEAR(result.parameter("x").value, gain.dot(known.values), 1e-9);
  EXPECT_NEAR(result.parameter("x").u_a, std::sqrt(gain.dot(known.covariance_a * gain)), 1e-9);
  EXPECT_NEAR(result.parameter("x").u_b, std::sqrt(gain.dot(known.covariance_b * gain)), 1e-9);
  const double x = result.parameter("x").value;
  EXPECT_NEAR(result.parameter("y").value, x * x, 1e-12);
  EXPECT_NEAR(result.parameter("y").u_a, 2 * x * result.parameter("x").u_a, 1e-9);
  EXPECT_NEAR(result.covariance()(0, 1), 2 * x * result.covariance()(0, 0), 1e-9);
}

TEST(Joint, jobs_that_make_no_sense_are_refused) {
  const auto refused = [](JointProblem problem, const std::string& part) {
    try {
      calibrate_joint(problem);
      ADD_FAILURE() << part;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  };
  refused({}, "no measurements");
  JointProblem problem = receiver(1);
  problem.parameters.push_back({.name = "unused", .start = 1});
  refused(problem, "no measurement depends on it");
  problem = receiver(1);
  problem.parameters.push_back(problem.parameters.front());
  refused(problem, "two of that name");
  problem = receiver(1);
  problem.parameters.front().start = not_known;
  refused(problem, "no start value");
  problem = receiver(1);
  problem.measurements[0].y[3] = not_known;
  refused(problem, "current, point 4");
  problem = receiver(1);
  problem.measurements[0].formula = Expression::parse("respnsivity * power", "test");
  refused(problem, "nothing is called 'respnsivity'");
  problem = receiver(1);
  auto& few = problem.measurements[0];
  few.y.resize(2);
  few.columns[0].second.resize(2);
  few.relative = few.floor = 0;
  refused(problem, "no known scatter");
}

}  // namespace
}  // namespace attojoule::calibration
