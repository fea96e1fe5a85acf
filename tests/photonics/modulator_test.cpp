// The Mach-Zehnder encoder against its closed forms (V17).
#include "photonics/modulator.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "photonics/error.hpp"

namespace attojoule::photonics {
namespace {

TEST(Modulator, ExtinctionRatio) {
  for (const double er : {10.0, 25.0, 40.0}) {
    const MachZehnder modulator({.extinction_ratio_db = er}, 3);
    const double largest = std::norm(modulator.field(0));
    const double smallest = std::norm(modulator.field(1));
    EXPECT_NEAR(smallest / largest, std::pow(10.0, -er / 10), 1e-9);
    EXPECT_NEAR(largest, std::pow(10.0, -0.3), 1e-12);
  }
}

TEST(Modulator, EncodesTheValueOnTheRealPart) {
  const MachZehnder ideal({}, 0);
  for (int i = -10; i <= 10; ++i) {
    const double v = i / 10.0;
    const auto field = ideal.field(ideal.drive(v));
    EXPECT_NEAR(field.real(), v, 1e-15);
    EXPECT_EQ(field.imag(), 0);
  }
  EXPECT_NEAR(ideal.drive(-1), 2, 1e-15);
  EXPECT_THROW(ideal.drive(1.0001), RunError);
}

TEST(Modulator, ProductOfTwoFieldsErrsByTheLeakage) {
  const MachZehnder modulator({.extinction_ratio_db = 20}, 0);
  for (const double a : {-0.9, -0.2, 0.0, 0.6}) {
    for (const double b : {-0.5, 0.1, 1.0}) {
      const double product =
          (modulator.field(modulator.drive(a)) * std::conj(modulator.field(modulator.drive(b))))
              .real();
      const double s1 = std::sqrt(1 - a * a), s2 = std::sqrt(1 - b * b);
      EXPECT_NEAR(product - a * b, 0.01 * s1 * s2, 1e-12);
    }
  }
}

TEST(Modulator, ResidualOfThePreviousSymbol) {
  const double bandwidth = 2e9, slot = 100e-12;
  const MachZehnder modulator({.bandwidth_hz = bandwidth}, 0);
  const double expected = std::exp(-2 * std::numbers::pi * bandwidth * slot);
  EXPECT_NEAR(modulator.residual(slot * second), expected, 1e-12);
  // Two half slots are one slot.
  const double half = modulator.settle(0.3, 1.7, slot / 2 * second);
  EXPECT_NEAR(modulator.settle(half, 1.7, slot / 2 * second),
              modulator.settle(0.3, 1.7, slot * second), 1e-15);
  EXPECT_NEAR(modulator.settle(0.3, 1.7, slot * second), 1.7 - 1.4 * expected, 1e-15);
  EXPECT_EQ(MachZehnder({}, 0).residual(slot * second), 0);
}

// Uniform data: <v^2> = 1/3 of the light passes; a Gaussian's share follows from its variance.
TEST(Modulator, AverageTransmission) {
  std::vector<float> uniform;
  for (int i = 0; i < 20000; ++i) uniform.push_back(static_cast<float>((i + 0.5) / 10000 - 1));
  EXPECT_NEAR(MachZehnder({}, 0).average_transmission(uniform), 1.0 / 3, 1e-6);
  EXPECT_NEAR(MachZehnder({.extinction_ratio_db = 10}, 3).average_transmission(uniform),
              std::pow(10.0, -0.3) * (1.0 / 3 + 0.1 * 2 / 3), 1e-6);
  EXPECT_THROW(MachZehnder({}, 0).average_transmission({}), RunError);
}

TEST(Modulator, BiasErrorAndConverter) {
  const MachZehnder biased({.bias_error_rad = 0.02}, 0);
  EXPECT_NEAR(biased.field(biased.drive(0)).real(), -std::sin(0.02), 1e-15);
  const MachZehnder coarse({.dac_bits = 6}, 0);
  double worst = 0;
  for (int i = -1000; i <= 1000; ++i) {
    const double v = i / 1000.0;
    worst = std::max(worst, std::abs(coarse.field(coarse.drive(v)).real() - v));
  }
  EXPECT_NEAR(coarse.field(coarse.drive(0)).real(), 0, 1e-16);
  const double half_step = std::numbers::pi / 62 / 2;  // of theta
  EXPECT_LE(worst, half_step);
  EXPECT_GT(worst, 0.9 * half_step);
}

TEST(Modulator, RefusesBadParameters) {
  EXPECT_THROW(MachZehnder({.extinction_ratio_db = 0}, 0), ConfigError);
  EXPECT_THROW(MachZehnder({.bandwidth_hz = -1}, 0), ConfigError);
  EXPECT_THROW(MachZehnder({.dac_bits = 40}, 0), ConfigError);
  EXPECT_THROW(MachZehnder({.dac_bits = 1}, 0), ConfigError);
  EXPECT_THROW(MachZehnder({.half_wave_voltage_v = -1}, 0), ConfigError);
  EXPECT_THROW(MachZehnder({}, -1), ConfigError);
}

}  // namespace
}  // namespace attojoule::photonics
