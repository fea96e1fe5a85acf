// Sine fit and histogram: an ideal quantiser, a converter with known steps, coverage.
#include "calibration/converter.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::calibration {
namespace {

using std::numbers::pi;

std::vector<double> sine(std::size_t n, double amplitude, double omega, double phase, double offset,
                         double noise, std::uint64_t stream) {
  photonics::RandomSequence random({.seed = 31}, stream);
  std::vector<double> y(n);
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = offset + amplitude * std::cos(omega * static_cast<double>(i) + phase) +
           (noise > 0 ? noise * random.normal() : 0);
  }
  return y;
}

TEST(Converter, ExactSine) {
  for (const double omega : {0.0123, 0.7, 1.9, 3.05}) {
    const auto y = sine(2000, 3, omega, 0.4, -1, 0, 0);
    const SineFit four = fit_sine(y, 0);
    EXPECT_NEAR(four.omega, omega, 1e-11) << omega;
    EXPECT_NEAR(four.amplitude, 3, 1e-8);
    EXPECT_NEAR(four.offset, -1, 1e-8);
    EXPECT_NEAR(std::remainder(four.phase - 0.4, 2 * pi), 0, 1e-7);
    EXPECT_LT(four.residual_rms, 1e-8);
    EXPECT_NEAR(fit_sine(y, omega).amplitude, 3, 1e-12);
  }
}

// Quantisation noise of an ideal converter: LSB / sqrt(12), so ENOB is its number of bits, and
// SINAD 6.02 N + 1.76 dB at full scale.
TEST(Converter, IdealQuantiser) {
  auto y = sine(1 << 16, 511.5, 1.0371, 0.2, 511.5, 0, 0);
  for (double& v : y) v = std::round(v);
  const SineFit fit = fit_sine(y, 0);
  const ConverterFigures figures = converter_figures(fit, 10);
  EXPECT_NEAR(figures.enob, 10, 0.02);
  EXPECT_NEAR(figures.sinad_db, 6.0206 * 10 + 1.76, 0.12);
  EXPECT_NEAR(converter_figures(fit, 0).enob,
              std::log2(1023 / (fit.residual_rms * std::sqrt(12.0))), 1e-4);
  EXPECT_GT(figures.sfdr_db, 70);
  const CodeHistogram histogram = code_histogram(y);
  for (std::size_t k = 0; k < histogram.dnl.size(); ++k) {
    EXPECT_LT(std::abs(histogram.dnl[k]), 0.35) << k;  // 64 samples a code, a low-discrepancy phase
  }
}

TEST(Converter, HarmonicsAndSpurs) {
  auto y = sine(8192, 1, 0.8, 0, 0, 1e-6, 1);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double t = static_cast<double>(i);
    // Third harmonic at -60 dB (2.4 rad), fifth at -70 dB (4.0 rad, seen at 2 pi - 4.0), a spur at
    // -50 dB.
    y[i] += 1e-3 * std::cos(2.4 * t) + std::pow(10, -3.5) * std::sin(4.0 * t) +
            std::pow(10, -2.5) * std::cos(1.234 * t + 1);
  }
  const ConverterFigures figures = converter_figures(fit_sine(y, 0), 0);
  EXPECT_NEAR(figures.harmonic_db[1], -60, 0.1);
  EXPECT_NEAR(figures.harmonic_db[3], -70, 0.1);
  EXPECT_NEAR(figures.thd_db, 10 * std::log10(1e-6 + 1e-7), 0.1);
  EXPECT_NEAR(figures.sfdr_db, 50, 0.1);
  EXPECT_NEAR(figures.spur_omega, 1.234, 1e-4);
}

// Steps of a converter that are known: code 20 is half as wide as it should be.
TEST(Converter, KnownStep) {
  constexpr std::size_t n = 1 << 19;
  const auto y = sine(n, 34, std::sqrt(2.0), 0.1, 31.5, 0, 0);
  std::vector<double> codes(n);
  for (std::size_t i = 0; i < n; ++i) {
    double code = std::clamp(std::floor(y[i] + 0.5), 0.0, 63.0);
    // The step from 20 to 21 lies at 20.0 instead of 20.5.
    if (y[i] >= 20.0 && y[i] < 20.5) code = 21;
    codes[i] = code;
  }
  const CodeHistogram histogram = code_histogram(codes);
  const auto dnl = [&](int code) {
    return histogram.dnl.at(static_cast<std::size_t>(code - histogram.first_code));
  };
  EXPECT_NEAR(dnl(20), -0.5, 0.02);
  EXPECT_NEAR(dnl(21), 0.5, 0.02);
  EXPECT_NEAR(dnl(30), 0, 0.02);
  EXPECT_TRUE(histogram.missing.empty());
  for (double& code : codes) code = code == 40 ? 41 : code;
  const CodeHistogram missing = code_histogram(codes);
  EXPECT_EQ(missing.missing, std::vector<int>{40});
  EXPECT_NEAR(missing.dnl.at(static_cast<std::size_t>(40 - missing.first_code)), -1, 1e-12);
}

TEST(Converter, Coverage) {
  constexpr int sets = 2000;
  int amplitude68 = 0, amplitude95 = 0, omega95 = 0, offset95 = 0, sinad95 = 0, doubled = 0;
  int omega68 = 0, offset68 = 0, sinad68 = 0;
  for (int set = 0; set < sets; ++set) {
    const auto stream = static_cast<std::uint64_t>(set);
    const double omega = 0.3 + 0.001 * static_cast<double>(set % 997);
    const auto y = sine(256, 1, omega, 0.01 * static_cast<double>(set), 0.2, 0.05, stream);
    const SineFit fit = fit_sine(y, 0);
    amplitude68 += std::abs(fit.amplitude - 1) < fit.amplitude_error;
    amplitude95 += std::abs(fit.amplitude - 1) < 1.97 * fit.amplitude_error;
    omega95 += std::abs(fit.omega - omega) < 1.97 * fit.omega_error;
    offset95 += std::abs(fit.offset - 0.2) < 1.97 * fit.offset_error;
    omega68 += std::abs(fit.omega - omega) < fit.omega_error;
    offset68 += std::abs(fit.offset - 0.2) < fit.offset_error;
    const auto figures = converter_figures(fit, 0);
    const double truth = 20 * std::log10(1 / (std::sqrt(2.0) * 0.05));
    // The four fitted parameters lower the residuals' mean square by 4 / 256: 0.068 dB.
    const double off = std::abs(figures.sinad_db - 10 * std::log10(256.0 / 252) - truth);
    sinad68 += off < figures.sinad_error_db;
    sinad95 += off < 1.96 * figures.sinad_error_db;
    doubled += std::abs(fit.amplitude - 1) < 2 * 1.97 * fit.amplitude_error;
  }
  const double total = sets;
  const double b68 = 3 * std::sqrt(0.683 * 0.317 / sets), b95 = 3 * std::sqrt(0.95 * 0.05 / sets);
  EXPECT_NEAR(amplitude68 / total, 0.683, b68);
  EXPECT_NEAR(amplitude95 / total, 0.95, b95);
  EXPECT_NEAR(omega68 / total, 0.683, b68);
  EXPECT_NEAR(offset68 / total, 0.683, b68);
  EXPECT_NEAR(sinad68 / total, 0.683, b68);
  EXPECT_NEAR(omega95 / total, 0.95, b95);
  EXPECT_NEAR(offset95 / total, 0.95, b95);
  EXPECT_NEAR(sinad95 / total, 0.95, b95);
  EXPECT_GT(doubled / total, 0.95 + b95) << "power check: twice the error covers too much";
}

TEST(Converter, Refusals) {
  EXPECT_THROW(fit_sine(std::vector<double>(7, 1.0), 0), DataError);
  EXPECT_THROW(fit_sine(std::vector<double>(100, 1.0), 0), DataError);
  EXPECT_THROW(code_histogram(std::vector<double>{1, 2, 3}), RunError);
  EXPECT_THROW(code_histogram(std::vector<double>{1, 2.5, 3, 4, 5, 6, 7}), RunError);
  EXPECT_THROW(code_histogram(std::vector<double>{1, 1e9}), RunError);
}

}  // namespace
}  // namespace attojoule::calibration
