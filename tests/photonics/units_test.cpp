#include "photonics/units.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::photonics {
namespace {

constexpr double attojoule_j = 1e-18;

// The constants are exact; c = 299792458 m/s, h, q and k_B as the SI defines them.
static_assert(constants::planck_j_s == 6.62607015e-34);
static_assert(constants::speed_of_light_m_per_s == 299792458);
static_assert(constants::elementary_charge_c == 1.602176634e-19);
static_assert(constants::boltzmann_j_per_k == 1.380649e-23);

// V12 of the validation plan.
TEST(PhotonEnergy, AtTelecomWavelength) {
  const double energy = value_in(joule, photon_energy(1550e-9 * metre)) / attojoule_j;
  EXPECT_NEAR(energy, 0.12816, 0.12816 * 2e-5);
  EXPECT_NEAR(12.5 * energy, 1.60, 1.60 * 2e-3);
  EXPECT_NEAR(21.1 * energy, 2.70, 2.70 * 2e-3);
  EXPECT_GT(std::abs(1.1 * energy - 0.12816), 0.12816 * 2e-3);
}

TEST(PhotonEnergy, IsInverseToTheWavelength) {
  EXPECT_DOUBLE_EQ(photon_energy(775e-9 * metre).value(),
                   2 * photon_energy(1550e-9 * metre).value());
  EXPECT_THROW(photon_energy(0.0 * metre), ConfigError);
  EXPECT_THROW(photon_energy(-1.0 * metre), ConfigError);
}

TEST(Decibels, RoundTrip) {
  EXPECT_DOUBLE_EQ(value_in(watt, power_from_dbm(0)), 1e-3);
  EXPECT_NEAR(value_in(watt, power_from_dbm(3)), 1.99526e-3, 1e-8);
  for (const double dbm : {-60.0, -3.0, 0.0, 17.0}) {
    EXPECT_NEAR(dbm_from_power(power_from_dbm(dbm)), dbm, 1e-12);
  }
  EXPECT_DOUBLE_EQ(transmission_from_loss_db(10), 0.1);
  EXPECT_DOUBLE_EQ(transmission_from_loss_db(0), 1);
  EXPECT_THROW(dbm_from_power(0.0 * watt), ConfigError);
}

// V15: kTC, 2qI, 4kT/R, 2 h nu / P.
TEST(ReceiverNoise, ResetNoiseOfACapacitor) {
  const struct {
    double capacitance_f, electrons;
  } cases[] = {{1e-15, 12.7}, {10e-15, 40.2}, {100e-15, 127}, {1e-12, 402}, {10e-12, 1270}};
  for (const auto& c : cases) {
    EXPECT_NEAR(ktc_noise_electrons(300.0 * kelvin, c.capacitance_f * farad), c.electrons,
                c.electrons * 5e-3);
  }
}

TEST(ReceiverNoise, ShotNoiseOfACurrent) {
  // 1 mA: 17.9 pA/sqrt(Hz).
  const double density = value_in(ampere2_per_hertz, shot_noise_density(1e-3 * ampere));
  EXPECT_NEAR(std::sqrt(density), 17.9e-12, 0.01 * 17.9e-12);
}

TEST(ReceiverNoise, JohnsonNoiseOfAResistor) {
  const double density =
      value_in(ampere2_per_hertz, johnson_noise_density(300.0 * kelvin, 50.0 * ohm));
  EXPECT_NEAR(std::sqrt(density), 18.2e-12, 0.01 * 18.2e-12);
  EXPECT_THROW(johnson_noise_density(300.0 * kelvin, 0.0 * ohm), ConfigError);
}

TEST(ReceiverNoise, TransimpedanceElectronsOfAnIntegration) {
  const double expected = std::sqrt(2 * constants::boltzmann_j_per_k * 300 * 1e-9 / 5e3) /
                          constants::elementary_charge_c;
  EXPECT_NEAR(transimpedance_noise_electrons(300.0 * kelvin, 5e3 * ohm, 1e-9 * second), expected,
              1e-9 * expected);
}

TEST(LaserNoise, ShotNoiseFloor) {
  const double rin = value_in(second, shot_noise_rin(1550e-9 * metre, 1e-3 * watt));
  EXPECT_NEAR(10 * std::log10(rin), -155.9, 0.05);
  // The light's own shot noise, seen as a photocurrent of quantum efficiency 1.
  const double current =
      1e-3 / photon_energy(1550e-9 * metre).value() * constants::elementary_charge_c;
  EXPECT_NEAR(rin * current * current, shot_noise_density(current * ampere).value(),
              1e-12 * rin * current * current);
}

}  // namespace
}  // namespace attojoule::photonics
