#include "calibration/laser_linewidth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <complex>
#include <numbers>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;
constexpr double pi = std::numbers::pi;
constexpr double width_hz = 2e5;  // of the laser

// Gamma-distributed points: averages of N power spectra.
double averaged(photonics::RandomSequence& random, double level, int averages) {
  return level * tests::variance_factor(random, 2 * averages);
}

LinewidthData beat(int trial, int averages = 100, int n = 60) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 111);
  LinewidthData data;
  for (int i = 0; i < n; ++i) {
    const double f = 80e6 + 4e6 * (i - 0.5 * n) / n;
    const double x = (f - 80.05e6) / width_hz;  // half width of the beat = the laser's full width
    data.curve.x.push_back(f);
    // A hundred averages are all but Gaussian, and that is quicker to draw.
    const double s = 1 / std::sqrt(static_cast<double>(averages));
    data.curve.y.push_back(1e-9 * (0.002 + 1 / (1 + x * x)) * (1 + s * random.normal()));
  }
  data.curve.relative = 1 / std::sqrt(static_cast<double>(averages));
  return data;
}

TEST(LinewidthCoverage, intervals_cover_as_they_say_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const auto covered = tests::coverage(trials, {"linewidth", "centre"}, {width_hz, 80.05e6},
                                       [](int trial) { return calibrate_linewidth(beat(trial)); });
  for (const auto& share : covered) {
    EXPECT_NEAR(share.inside95, 0.95, tests::binomial_bound(0.95, trials));
    EXPECT_NEAR(share.inside68, 0.6827, tests::binomial_bound(0.6827, trials));
  }
  const auto unweighted = tests::coverage(400, {"linewidth"}, {width_hz}, [](int trial) {
    LinewidthData data = beat(trial);
    data.curve.relative = 0;
    data.curve.floor = 1e-10;  // the same for all points
    data.curve.scale_sigma = true;
    return calibrate_linewidth(data);
  });
  EXPECT_GT(std::abs(unweighted[0].inside95 - 0.95), tests::binomial_bound(0.95, 400));
}

TEST(Linewidth, frequency_noise_and_the_beta_line) {
  auto random = tests::lab_numbers(1, 112);
  LinewidthData data;
  data.model = LineModel::frequency_noise;
  for (int i = 0; i < 80; ++i) {
    const double f = 1e3 * std::pow(10, 4.0 * i / 79);
    data.curve.x.push_back(f);
    data.curve.y.push_back(averaged(random, 1e4 + 5e9 / f, 50));
  }
  data.curve.relative = 1 / std::sqrt(50.0);
  const auto result = calibrate_linewidth(data);
  EXPECT_EQ(result.verdict, Verdict::accepted);
  const Estimate& width = result.parameter("linewidth");
  EXPECT_NEAR(width.value, pi * 1e4, 4 * width.combined());
  EXPECT_NEAR(result.parameter("flicker").value, 5e9, 4 * result.parameter("flicker").combined());
  // Area above the beta line: both terms up to where they cross it, near 1.0e5 Hz.
  double area = 0;
  for (double f = 1e3; f < 3e5; f += 10) {
    const double s = 1e4 + 5e9 / f;
    if (s > 8 * std::log(2.0) / (pi * pi) * f) area += 10 * s;
  }
  EXPECT_NEAR(result.figures[0].value / std::sqrt(8 * std::log(2.0) * area), 1, 0.1);
  // Flicker alone: white noise is not seen.
  for (std::size_t i = 0; i < data.curve.x.size(); ++i) {
    data.curve.x[i] /= 1e5;
    data.curve.y[i] = averaged(random, 1e4 + 5e9 / data.curve.x[i], 50);
  }
  EXPECT_EQ(calibrate_linewidth(data).verdict, Verdict::not_identifiable);
}

TEST(Linewidth, voigt_tells_slow_noise_from_the_line) {
  auto random = tests::lab_numbers(2, 113);
  LinewidthData data;
  for (int i = 0; i < 200; ++i) {
    const double f = 10e6 * (i - 100) / 100;
    // Convolution of the Lorentzian with a Gaussian, by a sum over the Gaussian.
    double sum = 0;
    for (int k = -60; k <= 60; ++k) {
      const double z = 0.1 * k, x = (f - z * 1e6) / 4e5;
      sum += 0.1 * std::exp(-z * z / 2) / std::sqrt(2 * pi) / (1 + x * x);
    }
    data.curve.x.push_back(f);
    data.curve.y.push_back(averaged(random, 1e-9 * (0.001 + sum), 200));
  }
  data.curve.relative = 1 / std::sqrt(200.0);
  EXPECT_EQ(calibrate_linewidth(data).verdict, Verdict::rejected);
  data.model = LineModel::voigt;
  const auto result = calibrate_linewidth(data);
  EXPECT_EQ(result.verdict, Verdict::accepted);
  EXPECT_NEAR(result.parameter("linewidth").value, 4e5,
              4 * result.parameter("linewidth").combined());
  const Estimate& gauss = result.parameter("gaussian_width");
  EXPECT_NEAR(gauss.value, 0.5e6, 4 * gauss.combined());
}

LinewidthData short_delay(int trial, double tau, double width) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 114);
  LinewidthData data;
  data.model = LineModel::short_delay;
  data.delay_s = tau;
  data.carrier_halfwidth_hz = 4e3;
  for (int i = 0; i < 401; ++i) {
    const double x = 2e6 * (i - 200) / 200, d = width;
    const double decay = std::exp(-2 * pi * tau * d);
    const double sinc = x != 0 ? std::sin(2 * pi * x * tau) / x : 2 * pi * tau;
    double level = 1 / (pi * d) * d * d / (d * d + x * x) *
                   (1 - decay * (std::cos(2 * pi * x * tau) + d * sinc));
    level += 1e-12 + (i == 200 ? decay / 1e3 : 0);
    data.curve.x.push_back(80e6 + x);
    data.curve.y.push_back(averaged(random, level, 100));
  }
  data.curve.relative = 0.1;
  return data;
}

TEST(Linewidth, delays_below_the_coherence_time) {
  LinewidthData data = short_delay(3, 3e-6, 5e4);  // pi tau D = 0.47
  const auto result = calibrate_linewidth(data);
  EXPECT_EQ(result.verdict, Verdict::accepted);
  EXPECT_NEAR(result.parameter("linewidth").value, 5e4,
              4 * result.parameter("linewidth").combined());
  data.model = LineModel::lorentz;
  EXPECT_NE(calibrate_linewidth(data).verdict, Verdict::accepted);
  // Far below: only with the carrier's power.
  LinewidthData narrow = short_delay(4, 3e-6, 50);
  EXPECT_NE(calibrate_linewidth(narrow).verdict, Verdict::accepted);
  narrow.carrier_power = std::exp(-2 * pi * 3e-6 * 50);
  const auto told = calibrate_linewidth(narrow);
  EXPECT_EQ(told.verdict, Verdict::accepted);
  EXPECT_NEAR(told.parameter("linewidth").value, 50, 4 * told.parameter("linewidth").combined());
}

TEST(Linewidth, what_the_spectrum_cannot_tell_is_said) {
  LinewidthData data = beat(5);
  data.resolution_hz = 3e5;
  EXPECT_EQ(calibrate_linewidth(data).verdict, Verdict::not_identifiable);
  data.resolution_hz = 3e3;
  EXPECT_EQ(calibrate_linewidth(data).verdict, Verdict::accepted);
  data.width_factor = 1;
  EXPECT_NEAR(calibrate_linewidth(data).parameter("linewidth").value, 2 * width_hz, 0.1 * width_hz);
  data.model = LineModel::short_delay;
  EXPECT_THROW(calibrate_linewidth(data), ConfigError);
}

}  // namespace
}  // namespace attojoule::calibration
