#include "calibration/fit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::calibration {
namespace {

using photonics::NoiseDomain;
using photonics::RandomSequence;
using testing::HasSubstr;

RandomSequence numbers(std::uint64_t trial, std::uint64_t seed = 1) {
  return {{.seed = seed, .domain = NoiseDomain::test}, trial};
}

FitProblem line(std::vector<double> x, std::vector<double> y) {
  FitProblem problem;
  problem.parameters = {{.name = "offset", .start = 1}, {.name = "slope", .start = 1}};
  problem.model = Model(
      x.size(), [x]<class T>(const T* p, std::size_t i) -> T { return p[0] + p[1] * T(x[i]); });
  problem.y = std::move(y);
  return problem;
}

TEST(Dual, derivatives_are_those_of_differences) {
  const auto formula = []<class T>(const T* p, std::size_t) -> T {
    using std::atan;
    using std::cos;
    using std::exp;
    using std::log;
    using std::log1p;
    using std::pow;
    using std::sin;
    using std::sqrt;
    using std::tanh;
    return sin(p[0]) * cos(p[1]) / (T(2) + tanh(p[2])) + pow(p[3], p[0]) + sqrt(p[1]) +
           log(p[2]) * atan(p[3]) - exp(-p[4] * p[5]) + log1p(p[6]) + softplus(p[7] - p[8]) -
           softplus(p[8] - p[7]) * p[9];
  };
  const Model model(1, formula);
  // More than Dual::width parameters, so that the passes are put together as well.
  const std::vector<double> p{0.3, 0.7, 1.1, 1.9, 0.4, 0.6, 0.8, 1.2, 0.9, 1.4};
  const Eigen::MatrixXd jacobian = model.jacobian(p);
  EXPECT_TRUE(jacobian.row(0).transpose().isApprox(model.gradient(p, 0), 1e-15));
  for (std::size_t k = 0; k < p.size(); ++k) {
    std::vector<long double> up(p.begin(), p.end()), down = up;
    const long double h = 1e-6L;
    up[k] += h;
    down[k] -= h;
    const auto slope =
        static_cast<double>((formula(up.data(), 0) - formula(down.data(), 0)) / (2 * h));
    EXPECT_NEAR(jacobian(0, static_cast<Eigen::Index>(k)), slope, 1e-10) << k;
  }
}

TEST(Fit, weighted_line_is_the_closed_form) {
  const std::vector<double> x{0, 1, 2, 4, 7, 9}, y{1.1, 2.9, 5.2, 9.1, 14.7, 19.4},
      sigma{0.1, 0.2, 0.1, 0.4, 0.3, 0.5};
  FitProblem problem = line(x, y);
  problem.sigma = sigma;
  problem.convention = SigmaConvention::known;
  double w = 0, wx = 0, wxx = 0, wy = 0, wxy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = 1 / (sigma[i] * sigma[i]);
    w += v;
    wx += v * x[i];
    wxx += v * x[i] * x[i];
    wy += v * y[i];
    wxy += v * x[i] * y[i];
  }
  const double det = w * wxx - wx * wx;
  const Fit known = fit(problem);
  ASSERT_EQ(known.status, FitStatus::converged);
  EXPECT_NEAR(known.value("slope"), (w * wxy - wx * wy) / det, 1e-12);
  EXPECT_NEAR(known.value("offset"), (wxx * wy - wx * wxy) / det, 1e-12);
  EXPECT_NEAR(known.standard_error("slope"), std::sqrt(w / det), 1e-12);
  EXPECT_NEAR(known.covariance(0, 1), -wx / det, 1e-12);
  EXPECT_FALSE(known.covariance_scaled);
  double leverage = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    leverage += known.leverage[i];
    const double expected = (wxx - 2 * x[i] * wx + x[i] * x[i] * w) / det / (sigma[i] * sigma[i]);
    EXPECT_NEAR(known.leverage[i], expected, 1e-12);
  }
  EXPECT_NEAR(leverage, 2, 1e-12);

  problem.convention = SigmaConvention::scale;
  const Fit scaled = fit(problem);
  EXPECT_TRUE(scaled.covariance_scaled);
  EXPECT_NEAR(scaled.standard_error("slope"),
              known.standard_error("slope") * std::sqrt(known.chi2_reduced()), 1e-12);
  // Student's t with 4 degrees of freedom, and the normal law (tables of both).
  EXPECT_NEAR(scaled.coverage_factor(0.95), 2.776445, 1e-6);
  EXPECT_NEAR(known.coverage_factor(0.95), 1.959964, 1e-6);
  EXPECT_NEAR(known.chi2_probability(), std::exp(-known.chi2 / 2) * (1 + known.chi2 / 2), 1e-12);
}

TEST(Fit, bounds_are_reported_and_not_enforced) {
  FitProblem problem = line({0, 1, 2, 3}, {0.01, 1.22, 2.39, 3.61});
  problem.parameters[1].upper = 1;
  problem.parameters[1].bound_reason = "energy conservation";
  const Fit result = fit(problem);
  EXPECT_NEAR(result.value("slope"), 1.197, 1e-9);
  ASSERT_EQ(result.bounds_hit.size(), 1U);
  EXPECT_EQ(result.bounds_hit[0].parameter, "slope");
  EXPECT_TRUE(result.bounds_hit[0].above);
  EXPECT_NEAR(result.bounds_hit[0].standard_errors, 0.197 / result.standard_error("slope"), 1e-9);
}

TEST(Fit, fixed_parameters_keep_their_start_and_cost_no_degree_of_freedom) {
  FitProblem problem = line({0, 1, 2, 3}, {1, 3, 5.1, 6.9});
  problem.parameters[0].fixed = true;
  const Fit result = fit(problem);
  EXPECT_EQ(result.value("offset"), 1);
  EXPECT_EQ(result.dof, 3);
  EXPECT_EQ(result.standard_error("offset"), 0);
  EXPECT_NEAR(result.value("slope"), (2 + 2 * 4.1 + 3 * 5.9) / 14, 1e-12);
}

TEST(Fit, what_the_data_cannot_separate_is_said) {
  FitProblem problem;
  problem.parameters = {{.name = "resistance", .start = 3},
                        {.name = "gain", .start = 2},
                        {.name = "offset", .start = 0}};
  problem.model = Model(5, []<class T>(const T* p, std::size_t i) -> T {
    return p[0] * p[1] * T(static_cast<double>(i)) + p[2];
  });
  problem.y = {0.1, 4.9, 10.2, 15.1, 19.8};
  const Fit result = fit(problem);
  EXPECT_EQ(result.status, FitStatus::not_identifiable);
  EXPECT_THAT(result.entangled, testing::UnorderedElementsAre("resistance", "gain"));
  EXPECT_TRUE(std::isnan(result.standard_error("gain")));
  // One of them fixed, the other is determined.
  problem.parameters[0].fixed = true;
  EXPECT_EQ(fit(problem).status, FitStatus::converged);
  // The same place measured over and over.
  EXPECT_EQ(fit(line({2, 2, 2}, {1, 1.1, 0.9})).status, FitStatus::not_identifiable);
}

TEST(Fit, wrong_input_is_refused) {
  EXPECT_THROW(fit(line({1}, {1})), ConfigError);
  EXPECT_THROW(fit(line({1, 2, 3}, {1, 2})), ConfigError);
  EXPECT_THROW(fit(line({1, 2, 3}, {1, 2, std::nan("")})), ConfigError);
  FitProblem problem = line({1, 2, 3}, {1, 2, 3});
  problem.sigma = {1, 0, 1};
  EXPECT_THROW(fit(problem), ConfigError);
}

TEST(Fit, profile_of_a_line_is_its_standard_error_and_of_a_plateau_open) {
  FitProblem problem = line({0, 1, 2, 4, 7, 9}, {1.1, 2.9, 5.2, 9.1, 14.7, 19.4});
  const Fit best = fit(problem);
  const ProfileInterval profile = profile_interval(problem, best, "slope", 1);
  ASSERT_TRUE(profile.lower && profile.upper);
  const double u = best.standard_error("slope");
  EXPECT_NEAR((*profile.upper - best.value("slope")) / u, 1, 1e-5);
  EXPECT_NEAR((best.value("slope") - *profile.lower) / u, 1, 1e-5);

  // y = exp(-x / tau): a decay that the window hardly sees has no upper limit of tau.
  FitProblem decay;
  decay.parameters = {{.name = "tau", .start = 30}};
  decay.model = Model(4, []<class T>(const T* p, std::size_t i) -> T {
    using std::exp;
    return exp(-T(static_cast<double>(i)) / p[0]);
  });
  decay.y = {1.02, 0.93, 0.97, 0.9};
  decay.sigma.assign(4, 0.1);
  decay.convention = SigmaConvention::known;
  const ProfileInterval open = profile_interval(decay, fit(decay), "tau", 4);
  EXPECT_TRUE(open.lower);
  EXPECT_FALSE(open.upper);
}

// Drift: neighbouring points share it. A random split would hide it; blocks show it.
TEST(HoldOut, blocks_show_drift_and_accept_a_right_model) {
  std::vector<double> x, right, drifting;
  RandomSequence random = numbers(3);
  for (int i = 0; i < 200; ++i) {
    x.push_back(std::fmod(i * 0.618034, 1.0));  // the order measured is not the order in x
    const double noise = 0.02 * random.normal();
    right.push_back(1 + 2 * x.back() + noise);
    drifting.push_back(right.back() + 0.1 * std::sin(2 * std::numbers::pi * i / 200.0));
  }
  FitProblem problem = line(x, right);
  problem.sigma.assign(x.size(), 0.02);
  problem.convention = SigmaConvention::known;
  const HoldOut good = hold_out_blocks(problem, 5);
  EXPECT_NEAR(good.chi2_per_point, 1, 5 * std::sqrt(2.0 / 200));
  EXPECT_NEAR(good.coverage95, 0.95, 5 * std::sqrt(0.95 * 0.05 / 200));
  problem.y = drifting;
  const HoldOut bad = hold_out_blocks(problem, 5);
  EXPECT_GT(bad.chi2_per_point, 5);
  EXPECT_LT(bad.coverage95, 0.6);
  EXPECT_THROW(hold_out_blocks(problem, 1), ConfigError);
}

struct Coverage {
  double inside68 = 0, inside95 = 0;
};

// Variance estimates (chi-square of nu degrees of freedom) of the law a + b P + c P^2.
std::array<Coverage, 3> noise_law_coverage(int trials, bool reweighted) {
  constexpr double nu = 200;
  const std::array<double, 3> truth{1.0, 0.6, 0.02};
  std::vector<double> power;
  for (int i = 0; i < 12; ++i) power.push_back(0.4 * i * i);
  std::array<Coverage, 3> coverage;
  for (int trial = 0; trial < trials; ++trial) {
    RandomSequence random = numbers(static_cast<std::uint64_t>(trial), 11);
    FitProblem problem;
    problem.parameters = {
        {.name = "a", .start = 1}, {.name = "b", .start = 1}, {.name = "c", .start = 0}};
    problem.model = Model(power.size(), [&power]<class T>(const T* p, std::size_t i) -> T {
      return p[0] + T(power[i]) * (p[1] + T(power[i]) * p[2]);
    });
    for (const double x : power) {
      double squares = 0;
      for (int k = 0; k < static_cast<int>(nu); ++k) {
        const double z = random.normal();
        squares += z * z;
      }
      problem.y.push_back((truth[0] + x * (truth[1] + x * truth[2])) * squares / nu);
    }
    if (reweighted) {
      problem.sigma_of_model = [](double model, std::size_t) { return model * std::sqrt(2 / nu); };
      problem.convention = SigmaConvention::known;
    }
    const Fit result = fit(problem);
    for (std::size_t k = 0; k < 3; ++k) {
      const double off = std::abs(result.values[k] - truth[k]) / result.standard_error(k);
      coverage[k].inside68 += (off < result.coverage_factor(0.6827)) / static_cast<double>(trials);
      coverage[k].inside95 += (off < result.coverage_factor(0.95)) / static_cast<double>(trials);
    }
  }
  return coverage;
}

TEST(FitCoverage, reweighted_intervals_cover_as_they_say_and_unweighted_ones_do_not) {
  constexpr int trials = 2000;
  const auto bound = [](double p) { return 3 * std::sqrt(p * (1 - p) / trials); };
  for (const Coverage& c : noise_law_coverage(trials, true)) {
    EXPECT_NEAR(c.inside68, 0.6827, bound(0.6827));
    EXPECT_NEAR(c.inside95, 0.95, bound(0.95));
  }
  // Power: without weights the same check fails, for every parameter.
  for (const Coverage& c : noise_law_coverage(trials, false)) {
    EXPECT_GT(std::abs(c.inside95 - 0.95), bound(0.95)) << c.inside95;
  }
}

}  // namespace
}  // namespace attojoule::calibration
