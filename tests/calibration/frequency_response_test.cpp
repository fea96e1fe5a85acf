// Bandwidth, poles and delay in closed form; coverage; the author's figures for real
// photodetectors.
#include "calibration/frequency_response.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "data/lab_file.hpp"
#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"
#include "tests/support/assets.hpp"

namespace attojoule::calibration {
namespace {

using std::numbers::pi;

struct Sweep {
  std::vector<double> f, level, phase;
};

Sweep one_pole(std::size_t n, double corner, double noise_db, std::uint64_t stream) {
  photonics::RandomSequence random({.seed = 47}, stream);
  Sweep sweep;
  for (std::size_t i = 0; i < n; ++i) {
    const double f = 5e9 * static_cast<double>(i + 1) / static_cast<double>(n);
    const std::complex<double> h =
        2.0 / std::complex<double>(1, f / corner) * std::polar(1.0, -2 * pi * f * 3e-9);
    sweep.f.push_back(f);
    sweep.level.push_back(20 * std::log10(std::abs(h)) + noise_db * random.normal());
    sweep.phase.push_back(std::arg(h));
  }
  return sweep;
}

TEST(FrequencyResponse, OnePole) {
  const Sweep sweep = one_pole(1000, 2e9, 0, 0);
  // The reference is the level at zero but for (f / fc)^2.
  const auto at = bandwidth(sweep.f, sweep.level, 5e6, 5e6, 10 * std::log10(2.0));
  ASSERT_TRUE(at);
  EXPECT_NEAR(at->frequency_hz, 2e9, 2e9 * 1e-4);
  const Fit fit = fit_low_pass(sweep.f, sweep.level, LowPass::one_pole, 1e9);
  ASSERT_EQ(fit.status, FitStatus::converged);
  EXPECT_NEAR(fit.value("f1"), 2e9, 1);
  EXPECT_NEAR(fit.value("gain"), 20 * std::log10(2.0), 1e-9);
  EXPECT_NEAR(model_bandwidth(fit, LowPass::one_pole, 10 * std::log10(2.0)).frequency_hz, 2e9, 100);
  EXPECT_FALSE(bandwidth(sweep.f, sweep.level, 5e6, 5e6, 40));
  // tau = 3 ns + 1 / (2 pi fc) / (1 + (f / fc)^2).
  const auto delay = group_delay(sweep.f, sweep.phase, 3);
  for (const std::size_t i : {1u, 300u, 900u}) {
    const double x = sweep.f[i] / 2e9;
    EXPECT_NEAR(delay[i], 3e-9 + 1 / (2 * pi * 2e9) / (1 + x * x), 2e-14) << i;
  }
}

TEST(FrequencyResponse, ComplexPair) {
  std::vector<double> f, level;
  for (int i = 1; i <= 400; ++i) {
    f.push_back(1e6 * i);
    const double x = f.back() / 150e6;
    level.push_back(-20 - 10 * std::log10(std::pow(1 - x * x, 2) + std::pow(x / 1.3, 2)));
  }
  const Fit fit = fit_low_pass(f, level, LowPass::complex_pair, 200e6);
  ASSERT_EQ(fit.status, FitStatus::converged);
  EXPECT_NEAR(fit.value("f0"), 150e6, 10);
  EXPECT_NEAR(std::abs(fit.value("Q")), 1.3, 1e-6);
  const double q2 = 1 / (1.3 * 1.3);
  // |H|^2 = 1/2: x^4 - (2 - 1/Q^2) x^2 - 1 = 0.
  const double x2 = ((2 - q2) + std::sqrt((2 - q2) * (2 - q2) + 4)) / 2;
  EXPECT_NEAR(model_bandwidth(fit, LowPass::complex_pair, 10 * std::log10(2.0)).frequency_hz,
              150e6 * std::sqrt(x2), 100);
}

TEST(FrequencyResponse, Coverage) {
  constexpr int sets = 2000;
  int pole68 = 0, pole95 = 0, model95 = 0, halved = 0;
  for (int set = 0; set < sets; ++set) {
    const Sweep sweep = one_pole(60, 2e9, 0.1, static_cast<std::uint64_t>(set));
    const Fit fit = fit_low_pass(sweep.f, sweep.level, LowPass::one_pole, 1.5e9);
    ASSERT_EQ(fit.status, FitStatus::converged) << set;
    const double off = std::abs(fit.value("f1") - 2e9), error = fit.standard_error("f1");
    pole68 += off < error * fit.coverage_factor(0.683);
    pole95 += off < error * fit.coverage_factor(0.95);
    halved += off < error / 2 * fit.coverage_factor(0.95);
    const auto at = model_bandwidth(fit, LowPass::one_pole, 10 * std::log10(2.0));
    model95 += std::abs(at.frequency_hz - 2e9) < at.error_hz * fit.coverage_factor(0.95);
  }
  const double total = sets;
  const double b68 = 3 * std::sqrt(0.683 * 0.317 / sets), b95 = 3 * std::sqrt(0.95 * 0.05 / sets);
  EXPECT_NEAR(pole68 / total, 0.683, b68);
  EXPECT_NEAR(pole95 / total, 0.95, b95);
  EXPECT_NEAR(model95 / total, 0.95, b95);
  EXPECT_LT(halved / total, 0.95 - b95) << "power check";
}

// Figures of the author of the measurements (README of the data set).
TEST(FrequencyResponse, Photodetectors) {
  ATTOJOULE_ASSET(file, "lab/photodetector_traces/OPA657_S5793_10kOhm.csv");
  struct Case {
    const char* name;
    const char* trace;
    double megahertz;
  };
  for (const Case& one : {Case{"OPA657_S5793_10kOhm.csv", "Trace A", 62.7},
                          Case{"OPA818_FGA01FC_4k7.csv", "Trace A", 214},
                          Case{"OPA818_FD80FC_5k1.csv", "Trace A", 246},
                          Case{"2022-11-16_opa818_fd80fc_5k1.csv", "Trace C", 290},
                          Case{"OPA657_S5791_1MOhm.csv", "Trace D", 3.7}}) {
    const auto table = data::read_lab_file(file.parent_path() / one.name);
    const auto f = data::column_in(table, "frequency", "Hz");
    const auto level = data::column_in(table, one.trace, "dBm");
    const auto at = bandwidth(f, level, 0.02 * f.back(), 0.1 * f.back(), 3.0103);
    ASSERT_TRUE(at) << one.name;
    EXPECT_NEAR(at->frequency_hz / (one.megahertz * 1e6), 1, 0.1) << one.name;
  }
}

TEST(FrequencyResponse, Refusals) {
  const std::vector<double> few(4, 1.0), f = {1, 2, 3, 4, 5, 6, 7, 7}, level(8, 0.0);
  EXPECT_THROW(bandwidth(few, few, 0, 1, 3), DataError);
  EXPECT_THROW(bandwidth(f, level, 0, 10, 3), DataError);
  const std::vector<double> rising = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_THROW(bandwidth(rising, level, 20, 30, 3), ConfigError);
  EXPECT_THROW(group_delay(rising, level, 4), RunError);
}

}  // namespace
}  // namespace attojoule::calibration
