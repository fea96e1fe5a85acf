// The budget is the Gaussian law, taken apart.
#include "photonics/noise_budget.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "photonics/error.hpp"

namespace attojoule::photonics {
namespace {

Device imperfect() {
  Device device;
  device.laser.rin_per_hz = 1e-14;
  device.laser.linewidth_hz = 1e6;
  device.detector = {.quantum_efficiency = 0.7,
                     .excess_noise_factor = 1.3,
                     .dark_current_a = 1e-9,
                     .efficiency_imbalance = 0.05,
                     .coupler_transmission = 0.48};
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-14;
  device.receiver.voltage_swing_v = 0.1;
  device.receiver.leak_time_constant_s = 3e-9;
  device.receiver.path_mismatch_s = 1e-11;
  device.receiver.phase_error_rad = 0.1;
  device.receiver.signal_beam_share = 0.4;
  device.adc = {.bits = 6, .full_scale_v = 0.1};
  device.modulator.extinction_ratio_db = 20;
  device.modulator.dac_bits = 7;
  return device;
}

TEST(NoiseBudget, TermsAddUpToTheLaw) {
  const DotProduct product{
      .length = 100, .weight_full_scale = 0.3, .input_full_scale = 0.4, .slot_unevenness = 1.7};
  Device device = imperfect();
  for (const bool common : {true, false}) {
    device.laser.rin_common_to_slots = common;
    for (const double n : {0.5, 20.0, 300.0}) {
      const OperatingPoint point{.photons_per_mac = n};
      const NoiseBudget budget = noise_budget(device, point, product, 0.6);
      const VarianceCoefficients c =
          compile_noise_model(device, Law::homodyne, Encoding::normalised, point, product).variance;
      // For |w| = |x| = 1: y = 0.6.
      const double gain = budget.signal_electrons / 0.6;
      const double variance =
          c.constant + c.weight_norm + c.input_norm + c.norm_product + c.signal * 0.36;
      EXPECT_NEAR(budget.variance / (variance * gain * gain), 1, 1e-12) << n;
      EXPECT_NEAR(budget.full_range_electrons / (2 * gain), 1, 1e-12);
      for (const NoiseTerm& term : budget.terms) EXPECT_GT(term.variance, 0) << term.name;
    }
  }
}

// Noise bits and ENOB of one and the same noise: the rounding error of B bits over the range, and a
// sine that fills it; one bit more for four times the light.
TEST(NoiseBudget, BitsOfAnOutput) {
  const auto budget = [](double n) {
    return noise_budget(Device{}, {.photons_per_mac = n}, {.length = 64}, 0.5);
  };
  const double sigma = std::sqrt(640.0);
  EXPECT_NEAR(budget(10).bits(), std::log2(1280 / (std::sqrt(12.0) * sigma) + 1), 1e-12);
  // (SNDR - 1.76) / 6.02
  EXPECT_NEAR(budget(10).effective_bits(), (10 * std::log10(640.0 * 640 / 2 / 640) - 1.76) / 6.02,
              2e-3);
  EXPECT_NEAR(budget(4e4).effective_bits() - budget(1e4).effective_bits(), 1, 1e-9);
  EXPECT_NEAR(budget(4e4).bits() - budget(1e4).bits(), 1, 1e-2);
}

TEST(NoiseBudget, IdealReceiver) {
  const NoiseBudget budget = noise_budget(Device{}, {.photons_per_mac = 10}, {.length = 64}, 1);
  EXPECT_TRUE(budget.shot_limited);
  EXPECT_NEAR(budget.variance, 640, 1e-9);
  EXPECT_NEAR(budget.snr_db(), 10 * std::log10(640.0), 1e-9);  // eta D n rho^2
  EXPECT_NEAR(budget.power_w / (640 * 0.1281578e-18 / 1e-9), 1, 1e-6);
  EXPECT_EQ(shot_noise_range(Device{}, {.length = 64}, 1).lower, 0);
  EXPECT_TRUE(std::isinf(shot_noise_range(Device{}, {.length = 64}, 1).upper));
}

// Shot noise D n meets reset noise sigma^2 at n = sigma^2 / D, and intensity noise (D n rho)^2 RIN
// / 2T at n = 2T / (RIN D rho^2).
TEST(NoiseBudget, Crossovers) {
  Device device;
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-15;
  device.laser.rin_per_hz = 1e-15;
  const double reset = 1.380649e-23 * 300 * 1e-15 / std::pow(1.602176634e-19, 2);
  const ShotNoiseRange range = shot_noise_range(device, {.length = 64}, 1);
  EXPECT_NEAR(range.lower / (reset / 64), 1, 1e-3);
  EXPECT_NEAR(range.upper / (2e-9 / 1e-15 / 64), 1, 1e-3);
  device.receiver.capacitance_f = 1e-5;
  EXPECT_TRUE(std::isinf(shot_noise_range(device, {.length = 64}, 1).lower));
}

TEST(NoiseBudget, Refuses) {
  EXPECT_THROW(noise_budget(Device{}, {.photons_per_mac = 1}, {.length = 4}, 1.1), ConfigError);
  EXPECT_THROW(noise_budget(Device{}, {.photons_per_mac = 0}, {.length = 4}, 1), ConfigError);
}

}  // namespace
}  // namespace attojoule::photonics
