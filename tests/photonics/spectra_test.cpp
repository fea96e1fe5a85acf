// Welch spectra against stored vectors of scipy, and what is extracted from them.
#include "photonics/spectra.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <numbers>
#include <sstream>
#include <string>
#include <tuple>

#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::photonics {
namespace {

// The signal of tests/photonics/vectors/welch.py.
std::vector<double> computed_signal(std::size_t count) {
  std::vector<double> x(count);
  for (std::size_t j = 0; j < count; ++j) {
    const double t = static_cast<double>(j);
    const double golden = t * 0.6180339887498949;
    x[j] = golden - std::floor(golden) + std::sin(0.37 * t) / 2 + 3;
  }
  return x;
}

// V23.
TEST(Spectra, WelchEqualsScipy) {
  std::ifstream file(std::string(ATTOJOULE_SOURCE_DIR) + "/tests/photonics/vectors/welch.csv");
  ASSERT_TRUE(file);
  std::map<std::tuple<std::size_t, std::size_t, double>, std::vector<double>> cases;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::replace(line.begin(), line.end(), ',', ' ');
    std::istringstream fields(line);
    std::size_t count = 0, segment = 0, bin = 0;
    double rate = 0, density = 0;
    fields >> count >> segment >> rate >> bin >> density;
    cases[{count, segment, rate}].push_back(density);
  }
  ASSERT_EQ(cases.size(), 5u);
  for (const auto& [key, expected] : cases) {
    const auto& [count, segment, rate] = key;
    const PowerSpectrum spectrum = welch(computed_signal(count), rate, segment);
    ASSERT_EQ(spectrum.density.size(), expected.size()) << count << " " << segment;
    for (std::size_t k = 0; k < expected.size(); ++k) {
      EXPECT_NEAR(spectrum.density[k] / expected[k], 1, 1e-12)
          << count << " samples, segment " << segment << ", bin " << k;
      EXPECT_DOUBLE_EQ(spectrum.frequency_hz[k],
                       static_cast<double>(k) * rate / static_cast<double>(segment));
    }
  }
}

// White noise of variance s^2 has the density 2 s^2 / f_s.
TEST(Spectra, WhiteNoiseAndWhiteFrequencyNoise) {
  constexpr std::size_t count = 1 << 18;
  constexpr double rate = 1e9, linewidth = 2e6;
  RandomSequence random({.seed = 11}, 0);
  std::vector<double> power(count), phase(count);
  const double step = std::sqrt(2 * std::numbers::pi * linewidth / rate);
  for (std::size_t j = 0; j < count; ++j) {
    power[j] = 2 + 0.02 * random.normal();
    phase[j] = (j > 0 ? phase[j - 1] : 0) + step * random.normal();
  }
  // Welch's scatter: 1 / sqrt(independent values averaged), one per two samples.
  const double bound = 5 / std::sqrt(0.8 * count / 2);
  const PowerSpectrum rin = rin_spectrum(power, rate, 1024);
  const double level = mean_density(rin, 1e6, 499e6) / (2 * 1e-4 / rate);
  EXPECT_NEAR(level, 1, bound);
  EXPECT_GT(std::abs(1.1 * level - 1), bound);
  const double width =
      lorentzian_linewidth_hz(frequency_noise_spectrum(phase, rate, 1024), 1e6, 499e6) / linewidth;
  EXPECT_NEAR(width, 1, bound);
  EXPECT_GT(std::abs(1.1 * width - 1), bound);
}

TEST(Spectra, RefusesWhatItCannotAnalyse) {
  const std::vector<double> x(10, 1.0);
  EXPECT_THROW(welch(x, 1, 11), RunError);
  EXPECT_THROW(welch(x, 1, 1), RunError);
  EXPECT_THROW(welch(x, 0, 4), RunError);
  EXPECT_THROW(mean_density(welch(x, 1, 4), 0.6, 0.7), RunError);
}

}  // namespace
}  // namespace attojoule::photonics
