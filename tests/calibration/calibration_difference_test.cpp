#include "calibration/calibration_difference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <cmath>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

constexpr Eigen::Index n = 4;

// Correlated, and of very different size.
Eigen::MatrixXd covariance_a() {
  Eigen::VectorXd u(n);
  u << 1e-3, 2e-13, 50, 4e-6;
  Eigen::MatrixXd r = Eigen::MatrixXd::Identity(n, n);
  r(0, 1) = r(1, 0) = 0.8;
  r(1, 2) = r(2, 1) = -0.5;
  r(2, 3) = r(3, 2) = 0.3;
  return u.asDiagonal() * r * u.asDiagonal();
}

// One calibration drawn about the truth; `common`: the errors of instruments, in standard
// uncertainties, that calibrations may share.
CalibratedValues calibration_of(int trial, std::uint64_t seed, double common = 0,
                                double moved_sigmas = 0) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), seed);
  CalibratedValues c;
  c.name = "calibration";
  c.kind = "test";
  c.covariance_a = covariance_a();
  Eigen::VectorXd cause(n);  // one instrument acts on all
  cause << 2e-3, 1e-13, 20, 1e-6;
  c.covariance_b = cause * cause.transpose();
  const Eigen::MatrixXd lower = c.covariance_a.llt().matrixL();
  Eigen::VectorXd z(n);
  for (Eigen::Index k = 0; k < n; ++k) z(k) = random.normal();
  const Eigen::VectorXd x = lower * z + common * cause;
  const double truth[] = {0.9, 2e-12, 12000, 3e-4};
  const char* names[] = {"responsivity", "noise", "resistance", "offset"};
  const char* units[] = {"A/W", "A/sqrt(Hz)", "ohm", "V"};
  for (Eigen::Index k = 0; k < n; ++k) {
    Estimate e;
    e.name = names[k];
    e.unit = units[k];
    e.value = truth[k] + x(k);
    e.u_a = std::sqrt(c.covariance_a(k, k));
    e.u_b = std::abs(cause(k));
    // In standard uncertainties of a difference of two.
    if (k == 2) e.value += moved_sigmas * std::sqrt(2 * (e.u_a * e.u_a + e.u_b * e.u_b));
    c.values.push_back(e);
  }
  return c;
}

CalibrationResult independent(int trial, double moved = 0) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 93);
  return compare_calibrations(calibration_of(trial, 91, random.normal()),
                              calibration_of(trial, 92, random.normal(), moved));
}

TEST(CalibrationDifference, equal_devices_differ_as_rarely_as_it_says) {
  constexpr int trials = 2000;
  int different = 0, low = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const auto result = independent(trial);
    if (result.verdict == Verdict::rejected) ++different;
    if (result.chi2_probability < 0.3) ++low;
    ASSERT_EQ(result.dof, n);
  }
  // Two tests (each parameter, all together) at 1 % each, of the same data.
  EXPECT_LT(different / double(trials), 0.02 + tests::binomial_bound(0.02, trials));
  EXPECT_GT(different / double(trials), 0.004);
  EXPECT_NEAR(low / double(trials), 0.3, tests::binomial_bound(0.3, trials));
}

// Calibrations whose covariance of type A is scaled by the scatter of `points`, as fits without
// known standard deviations have it. `told`: the degrees of freedom are in the result.
CalibratedValues scaled_calibration(int trial, std::uint64_t seed, int points, bool told) {
  CalibratedValues c = calibration_of(trial, seed);
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), seed + 1000);
  const double factor = tests::variance_factor(random, points);
  c.covariance_a *= factor;
  c.covariance_b.setZero();
  for (Estimate& e : c.values) {
    e.u_a *= std::sqrt(factor);
    e.u_b = 0;
    if (told) e.dof = points;
  }
  return c;
}

struct DifferenceShares {
  std::vector<double> inside68, inside95;
  double different = 0, low = 0;  // rejected; chi2 in its upper 30 %
};

template <class Compare>
DifferenceShares shares_of(int trials, double moved, const Compare& compare) {
  DifferenceShares shares{std::vector<double>(n), std::vector<double>(n)};
  for (int trial = 0; trial < trials; ++trial) {
    const CalibrationResult result = compare(trial);
    for (std::size_t k = 0; k < n; ++k) {
      const Estimate& e = result.parameters[k];
      const double truth = k == 2 ? moved : 0;
      shares.inside68[k] +=
          (e.interval68_low <= truth && truth <= e.interval68_high) / double(trials);
      shares.inside95[k] += (e.interval_low <= truth && truth <= e.interval_high) / double(trials);
    }
    shares.different += (result.verdict == Verdict::rejected) / double(trials);
    shares.low += (result.chi2_probability < 0.3) / double(trials);
  }
  return shares;
}

TEST(CalibrationDifferenceCoverage, intervals_of_differences_cover_as_they_say) {
  constexpr int trials = 2000;
  const auto covers = [](const DifferenceShares& shares) {
    bool all = true;
    for (std::size_t k = 0; k < n; ++k) {
      all = all &&
            std::abs(shares.inside68[k] - one_sigma) < tests::binomial_bound(one_sigma, trials) &&
            std::abs(shares.inside95[k] - 0.95) < tests::binomial_bound(0.95, trials);
    }
    return all;
  };
  const auto text = [](const DifferenceShares& shares) {
    std::string numbers;
    for (std::size_t k = 0; k < n; ++k) {
      numbers +=
          std::to_string(shares.inside68[k]) + " " + std::to_string(shares.inside95[k]) + "; ";
    }
    return numbers;
  };
  // With a shift, both types of uncertainty and instruments of their own.
  const double shift = 3 * std::sqrt(2 * (50 * 50 + 20 * 20));
  const auto plain = shares_of(trials, shift, [](int t) { return independent(t, 3); });
  EXPECT_TRUE(covers(plain)) << text(plain);
  // The same instruments: their errors cancel, and the interval without being told is too wide.
  const auto common = [](int trial, bool shared) {
    auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 94);
    const double error = random.normal();
    return compare_calibrations(calibration_of(trial, 95, error), calibration_of(trial, 96, error),
                                {.shared_type_b = shared});
  };
  const auto shared = shares_of(trials, 0, [&](int t) { return common(t, true); });
  EXPECT_TRUE(covers(shared)) << text(shared);
  EXPECT_FALSE(covers(shares_of(trials, 0, [&](int t) { return common(t, false); })));
  // Few degrees of freedom, as many in both and not.
  for (const int others : {8, 16}) {
    const auto few = [&](int t, bool told) {
      return compare_calibrations(scaled_calibration(t, 81, 8, told),
                                  scaled_calibration(t, 82, others, told));
    };
    const auto student = shares_of(trials, 0, [&](int t) { return few(t, true); });
    EXPECT_TRUE(covers(student)) << others << ": " << text(student);
    EXPECT_LT(student.different, 0.02 + tests::binomial_bound(0.02, trials)) << others;
    EXPECT_NEAR(student.low, 0.3, tests::binomial_bound(0.3, trials)) << others;
    // Power: taken as normal they cover too little, and differ too often.
    const auto normal = shares_of(trials, 0, [&](int t) { return few(t, false); });
    EXPECT_FALSE(covers(normal)) << others << ": " << text(normal);
    EXPECT_GT(normal.different, 0.02 + tests::binomial_bound(0.02, trials)) << others;
  }
}

TEST(CalibrationDifference, a_moved_parameter_is_found_and_named_and_no_other) {
  constexpr int trials = 500;
  int found = 0, others = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const auto result = independent(trial, 5);
    for (const auto& reason : result.reasons) {
      if (reason.find("resistance moved") == 0)
        ++found;
      else if (reason.find(" moved by") != std::string::npos)
        ++others;
    }
  }
  // P(z > 5 - 3.02) of four parameters at 1 %: 97.6 %.
  EXPECT_NEAR(found / double(trials), 0.976, tests::binomial_bound(0.976, trials));
  EXPECT_LT(others / double(trials), 0.01 + tests::binomial_bound(0.01, trials));
}

TEST(CalibrationDifference, common_errors_of_instruments_cancel_where_it_is_said) {
  constexpr int trials = 1000;
  int low_common = 0, low_alone = 0;
  for (int trial = 0; trial < trials; ++trial) {
    auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 94);
    const double common = random.normal();
    const auto a = calibration_of(trial, 95, common), b = calibration_of(trial, 96, common);
    const auto shared = compare_calibrations(a, b, {.shared_type_b = true});
    if (shared.chi2_probability < 0.3) ++low_common;
    EXPECT_EQ(shared.parameters[0].u_b, 0);
    if (compare_calibrations(a, b).chi2_probability < 0.3) ++low_alone;
  }
  EXPECT_NEAR(low_common / double(trials), 0.3, tests::binomial_bound(0.3, trials));
  // Power: not told, the test is too kind.
  EXPECT_LT(low_alone / double(trials), 0.3 - tests::binomial_bound(0.3, trials));
}

TEST(CalibrationDifference, chi2_is_that_of_the_covariance_and_dependent_parameters_count_once) {
  auto a = calibration_of(1, 97), b = calibration_of(2, 98);
  const auto plain = compare_calibrations(a, b);
  const Eigen::MatrixXd v = a.covariance() + b.covariance();
  Eigen::VectorXd d(n);
  for (Eigen::Index k = 0; k < n; ++k) {
    d(k) =
        b.values[static_cast<std::size_t>(k)].value - a.values[static_cast<std::size_t>(k)].value;
  }
  const Eigen::VectorXd s = v.diagonal().cwiseSqrt().cwiseInverse();
  const Eigen::MatrixXd r = s.asDiagonal() * v * s.asDiagonal();
  const Eigen::VectorXd z = s.cwiseProduct(d);
  EXPECT_NEAR(plain.chi2, z.dot(r.llt().solve(z)), 1e-9 * plain.chi2);
  // The same parameter again, in another unit of another name.
  for (CalibratedValues* c : {&a, &b}) {
    Eigen::MatrixXd map = Eigen::MatrixXd::Zero(n + 1, n);
    map.topRows(n).setIdentity();
    map(n, 0) = 1000;
    c->covariance_a = (map * c->covariance_a * map.transpose()).eval();
    c->covariance_b = (map * c->covariance_b * map.transpose()).eval();
    Estimate e = c->values[0];
    e.name = "again";
    e.value *= 1000;
    c->values.push_back(e);
  }
  const auto twice = compare_calibrations(a, b);
  EXPECT_EQ(twice.dof, n);
  EXPECT_NEAR(twice.chi2, plain.chi2, 1e-6 * plain.chi2);
}

TEST(CalibrationDifference, units_are_converted_and_what_cannot_be_compared_is_refused) {
  const auto a = calibration_of(1, 99);
  auto b = a;
  b.values[0].unit = "mA/W";
  b.values[0].value *= 1000;
  b.covariance_a.row(0) *= 1000;
  b.covariance_a.col(0) *= 1000;
  b.covariance_b.row(0) *= 1000;
  b.covariance_b.col(0) *= 1000;
  const auto same = compare_calibrations(a, b);
  EXPECT_NEAR(same.parameters[0].value, 0, 1e-12);
  EXPECT_NEAR(same.chi2, 0, 1e-12);
  const auto refused = [&](const CalibratedValues& x, const CalibratedValues& y,
                           const DifferenceOptions& options, const std::string& part) {
    try {
      compare_calibrations(x, y, options);
      ADD_FAILURE() << part;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  };
  b.values[0].unit = "V";
  refused(a, b, {}, "they cannot be subtracted");
  b = a;
  for (auto& e : b.values) e.name += "2";
  refused(a, b, {}, "no calibrated parameter in common");
  b = a;
  b.verdict = "rejected";
  refused(a, b, {}, "the verdict is rejected");
  b = a;
  b.types_apart = false;
  refused(a, b, {.shared_type_b = true}, "Compare the result.json of both");
  // No uncertainty on either side: any difference is one.
  auto exact = a, moved = a;
  exact.covariance_a.setZero();
  exact.covariance_b.setZero();
  moved = exact;
  EXPECT_EQ(compare_calibrations(exact, moved).verdict, Verdict::accepted);
  moved.values[1].value *= 1.001;
  EXPECT_EQ(compare_calibrations(exact, moved).verdict, Verdict::rejected);
}

}  // namespace
}  // namespace attojoule::calibration
