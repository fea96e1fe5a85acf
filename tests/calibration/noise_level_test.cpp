// Noise densities: corrections of analysers in closed form and by simulation, coverage.
#include "calibration/noise_level.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::calibration {
namespace {

double five_errors(const NoiseLevel& level) {
  return 5 * level.error;
}

TEST(NoiseLevel, Corrections) {
  EXPECT_NEAR(averaging_correction_db("log"), 2.5068, 1e-4);
  EXPECT_NEAR(averaging_correction_db("voltage"), 1.0491, 1e-4);
  EXPECT_EQ(averaging_correction_db("power"), 0);
  EXPECT_THROW(averaging_correction_db("video"), ConfigError);
  // Full widths at half maximum of a Gaussian power response, and at a quarter.
  EXPECT_NEAR(gaussian_noise_bandwidth, std::sqrt(std::numbers::pi / (4 * std::numbers::ln2)),
              1e-4);
  EXPECT_NEAR(gaussian_6db_noise_bandwidth, std::sqrt(std::numbers::pi / (8 * std::numbers::ln2)),
              1e-4);
}

// The envelope of noise has an exponentially distributed power: its dB read low, and scatter.
TEST(NoiseLevel, EveryAveragingFindsThePower) {
  photonics::RandomSequence random({.seed = 5}, 0);
  constexpr std::size_t count = 200'000;
  std::vector<double> power(count);
  double log_sum = 0, log_squares = 0;
  for (double& p : power) {
    const double i = random.normal(), q = random.normal();
    p = 3e-12 * (i * i + q * q) / 2;
    const double db = 10 * std::log10(p);
    log_sum += db;
    log_squares += db * db;
  }
  for (const char* averaging : {"log", "voltage", "power"}) {
    const NoiseLevel level = trace_level(power, averaging, 1000);
    EXPECT_NEAR(level.density, 3e-15, five_errors(level)) << averaging;
    // Without its correction the level would be off by far more.
    if (averaging != std::string("power")) {
      const double factor = std::pow(10.0, averaging_correction_db(averaging) / 10);
      EXPECT_GT(std::abs(level.density / factor - 3e-15), five_errors(level)) << averaging;
    }
  }
  const double mean = log_sum / count;
  EXPECT_NEAR(std::sqrt(log_squares / count - mean * mean), log_point_scatter_db, 0.05);
}

TEST(NoiseLevel, CoverageOfTheMeanOfAWelchSpectrum) {
  constexpr int sets = 2000;
  for (const bool single_bin : {false, true}) {
    int inside68 = 0, inside95 = 0, naive = 0;
    for (int set = 0; set < sets; ++set) {
      photonics::RandomSequence random({.seed = 23}, static_cast<std::uint64_t>(set));
      std::vector<double> signal(4096);
      for (double& v : signal) v = random.normal();
      const auto spectrum = photonics::welch(signal, 2, 64);
      const NoiseLevel level =
          single_bin ? mean_level(spectrum, 0.49, 0.51) : mean_level(spectrum, 0.2, 0.8);
      ASSERT_EQ(level.points, single_bin ? 1u : 19u);
      // Two-sided density 1 / rate, doubled: 1.
      const double off = std::abs(level.density - 1);
      // The error is relative to the density, so compare with the one of the true density.
      const double error = level.error / level.density;
      inside68 += off < error;
      inside95 += off < 1.96 * error;
      const double blind = 1 / std::sqrt(static_cast<double>(spectrum.segments * level.points));
      naive += off < blind;
    }
    const double b68 = 3 * std::sqrt(0.683 * 0.317 / sets), b95 = 3 * std::sqrt(0.95 * 0.05 / sets);
    EXPECT_NEAR(inside68 / static_cast<double>(sets), 0.683, b68) << single_bin;
    EXPECT_NEAR(inside95 / static_cast<double>(sets), 0.95, b95) << single_bin;
    // As if all bins and segments were independent: too narrow, where many bins are averaged.
    if (!single_bin) {
      EXPECT_LT(naive / static_cast<double>(sets), 0.683 - b68);
    }
  }
}

TEST(NoiseLevel, Refusals) {
  EXPECT_THROW(trace_level(std::vector<double>{1}, "log", 1), ConfigError);
  EXPECT_THROW(trace_level(std::vector<double>{1, 0}, "log", 1), DataError);
  const auto spectrum = photonics::welch(std::vector<double>(64, 1.0), 1, 16);
  EXPECT_THROW(mean_level(spectrum, 5, 6), ConfigError);
}

}  // namespace
}  // namespace attojoule::calibration
