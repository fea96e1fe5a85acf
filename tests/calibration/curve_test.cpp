// What the kinds that fit a curve share: start values of fringes, Python with the data in it.
#include "calibration/curve.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

TEST(Sinusoid, few_turns_and_many_are_found_among_a_hundred_thousand_points) {
  for (const double turns : {0.6, 3.2, 41.7, 5021.3}) {
    auto random = tests::lab_numbers(1, 61);
    std::vector<double> x, y;
    constexpr int n = 100000;
    for (int i = 0; i < n; ++i) {
      x.push_back(5 - 2.0 * i / n);  // a descending sweep
      const double phase = 2 * std::numbers::pi * turns * (x.back() - 3) / 2;
      y.push_back(1 + 0.4 * std::cos(phase + 0.7) + 0.2 * random.normal());
    }
    const SinusoidStart start = scan_sinusoid(x, y);
    // To a quarter of a turn over the range, from where the fit goes on by itself.
    EXPECT_NEAR(start.omega * 2 / (2 * std::numbers::pi), turns, 0.2);
    if (turns > 1) {
      EXPECT_NEAR(start.explained, 0.08 / (0.08 + 0.04), 0.1);
    }
  }
}

TEST(PythonArrays, are_short_and_exact) {
  CalibrationResult result;
  EXPECT_EQ(python_arrays(result, {{"x", {0.1, 1e-15, 0.3}}, {"y", {1, 2, 3}}}),
            "x = np.array([0.1, 1e-15, 0.3])\ny = np.array([1, 2, 3])\n");
  EXPECT_TRUE(result.tables.empty());
  const std::vector<double> many(3000, 0.1);
  EXPECT_THAT(python_arrays(result, {{"x", many}, {"y", many}}), HasSubstr("x, y = np.loadtxt"));
  ASSERT_EQ(result.tables.size(), 1U);
  EXPECT_EQ(result.tables[0].rows(), 3000U);
}

TEST(DescribeCurve, a_sweep_by_decades_is_drawn_by_decades) {
  for (const bool decades : {true, false}) {
    CurveData data;
    for (int i = 0; i < 40; ++i) {
      data.x.push_back(decades ? std::pow(10, 0.1 * i) : 1 + 250.0 * i);
      data.y.push_back(2);
    }
    FitProblem problem = curve_problem(data, all_points("test", data, 3, ""), 1);
    problem.parameters = {{.name = "level", .start = 1}};
    problem.model = Model(40, []<class T>(const T* p, std::size_t) -> T { return p[0]; });
    CalibrationResult result;
    std::vector<std::size_t> points = all_points("test", data, 3, "");
    describe_curve(
        result, data, points, fit(problem), 1, [](double) { return 2; }, "Level");
    ASSERT_EQ(result.plots.size(), 2U);
    EXPECT_EQ(result.plots[0].log_x, decades);
    EXPECT_EQ(result.plots[1].log_x, decades);
    // The points themselves are part of the line.
    const auto& x = result.plots[0].series[1].x;
    for (const double at : data.x) EXPECT_NE(std::find(x.begin(), x.end(), at), x.end());
  }
}

}  // namespace
}  // namespace attojoule::calibration
