// Unbalanced couplers and diodes, linewidth with a path mismatch, leak and amplifier noise.
#include "photonics/detector_pair.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"
#include "photonics/homodyne_receiver.hpp"
#include "photonics/read_out.hpp"
#include "tests/statistics.hpp"

namespace attojoule::photonics {
namespace {

using tests::five_sigma;
using tests::Moments;

constexpr std::size_t length = 32;

struct Vectors {
  std::vector<float> w, x;
  double y = 0, weight_norm2 = 0, input_norm2 = 0;
};

// Slots of equal size; sign = -1 turns the product round.
Vectors equal_slots(float sign) {
  Vectors v{.w = std::vector<float>(length, 0.5f), .x = std::vector<float>(length, 0.5f * sign)};
  v.y = static_cast<double>(sign) * 8;
  v.weight_norm2 = v.input_norm2 = 8;
  return v;
}

constexpr DotProduct product{.length = length, .weight_full_scale = 1, .input_full_scale = 0.8};

double law(const VarianceCoefficients& c, const Vectors& v) {
  return c.constant + c.weight_norm * v.weight_norm2 + c.input_norm * v.input_norm2 +
         c.norm_product * v.weight_norm2 * v.input_norm2 + c.signal * v.y * v.y;
}

struct Trials {
  Moments estimate, difference;
};

Trials run(const Device& device, Encoding encoding, double n, const Vectors& v, int trials) {
  const HomodyneReceiver receiver(device, encoding, {.photons_per_mac = n}, product);
  Trials result;
  for (int trial = 0; trial < trials; ++trial) {
    RandomSequence random({.seed = 21}, static_cast<std::uint64_t>(trial));
    const Reading reading = receiver.measure(v.w, v.x, random);
    result.estimate.add(reading.estimate);
    result.difference.add(reading.electrons_plus - reading.electrons_minus);
  }
  return result;
}

Device unbalanced() {
  Device device;
  device.detector.quantum_efficiency = 0.8;
  device.detector.efficiency_imbalance = 0.1;
  device.detector.coupler_transmission = 0.55;
  device.receiver.signal_beam_share = 0.3;
  return device;
}

TEST(DetectorPair, BalancedIsExactlyTheIdealReceiver) {
  const DetectorPair pair = detector_pair(Device{});
  EXPECT_EQ(pair.contrast, 1);
  EXPECT_EQ(pair.detected_x, 1);
  EXPECT_EQ(pair.detected_w, 1);
  EXPECT_EQ(pair.offset_x, 0);
  EXPECT_EQ(pair.offset_w, 0);
  EXPECT_EQ(pair.phase_variance, 0);
  EXPECT_TRUE(std::isinf(common_mode_rejection_db(pair, 0.5)));
}

// V17: the offset delta = (eta+ T - eta- R) N_w + (eta+ R - eta- T) N_x, within 2 %, and the CMRR.
TEST(DetectorPair, OffsetOfAnUnbalancedPair) {
  constexpr int trials = 20000;
  for (const double e : {0.1, -0.05}) {
    for (const double t : {0.45, 0.6}) {
      Device device = unbalanced();
      device.detector.efficiency_imbalance = e;
      device.detector.coupler_transmission = t;
      const double plus = 0.8 * (1 + e), minus = 0.8 * (1 - e), r = 1 - t;
      const double n_x = 0.3 * 400 * length, n_w = 0.7 * 400 * length;
      const double expected = (plus * t - minus * r) * n_w + (plus * r - minus * t) * n_x;
      // Both signs of the product: the signal goes, the offset stays.
      const Trials up = run(device, Encoding::normalised, 400, equal_slots(1), trials);
      const Trials down = run(device, Encoding::normalised, 400, equal_slots(-1), trials);
      const double offset = (up.difference.mean() + down.difference.mean()) / 2;
      EXPECT_NEAR(offset / expected, 1, 0.02);
      EXPECT_GT(std::abs(1.1 * offset / expected - 1), 0.02);
      EXPECT_LT(five_sigma * up.difference.mean_error() / std::abs(expected), 0.02);
      EXPECT_NEAR(common_mode_rejection_db(detector_pair(device), 0.3),
                  20 * std::log10(std::abs(expected) / (0.8 * (n_x + n_w))), 0.15);
      EXPECT_NEAR(up.estimate.mean(), 8, five_sigma * up.estimate.mean_error());
    }
  }
}

// The variance, averaged over the signs of the product: its parts linear in y have no coefficient.
TEST(DetectorPair, VarianceOfAnUnbalancedPair) {
  constexpr int trials = 100000;
  Device device = unbalanced();
  for (const double rin : {0.0, 2e-12}) {
    device.laser.rin_per_hz = rin;
    const NoiseModel model = compile_noise_model(device, Law::homodyne, Encoding::normalised,
                                                 {.photons_per_mac = 40}, product);
    const Trials up = run(device, Encoding::normalised, 40, equal_slots(1), trials);
    const Trials down = run(device, Encoding::normalised, 40, equal_slots(-1), trials);
    const double variance = (up.estimate.variance() + down.estimate.variance()) / 2;
    const double error =
        std::hypot(up.estimate.variance_error(), down.estimate.variance_error()) / 2;
    const double expected = law(model.variance, equal_slots(1));
    EXPECT_NEAR(variance, expected, five_sigma * error) << rin;
    EXPECT_GT(std::abs(1.1 * variance - expected), five_sigma * error) << rin;
    // What is linear in y is there: the signal adds to the offset or takes from it.
    if (rin > 0) {
      EXPECT_GT(up.estimate.variance() - down.estimate.variance(), five_sigma * error);
    }
  }
  // full_scale without intensity noise: exact.
  device.laser.rin_per_hz = 0;
  const NoiseModel model = compile_noise_model(device, Law::homodyne, Encoding::full_scale,
                                               {.photons_per_mac = 40}, product);
  const Trials up = run(device, Encoding::full_scale, 40, equal_slots(1), trials);
  const Trials down = run(device, Encoding::full_scale, 40, equal_slots(-1), trials);
  const double error = std::hypot(up.estimate.variance_error(), down.estimate.variance_error()) / 2;
  const double variance = (up.estimate.variance() + down.estimate.variance()) / 2;
  EXPECT_NEAR(variance, law(model.variance, equal_slots(1)), five_sigma * error);
  EXPECT_GT(std::abs(1.1 * variance - law(model.variance, equal_slots(1))), five_sigma * error);
}

// Counts and the rest add up to the Gaussian law, to rounding.
TEST(DetectorPair, CountsAndResidualAreTheGaussianLaw) {
  Device device = unbalanced();
  device.laser.rin_per_hz = 1e-13;
  device.laser.linewidth_hz = 1e6;
  device.detector.dark_current_a = 1e-9;
  device.detector.excess_noise_factor = 1.2;
  device.receiver.path_mismatch_s = 1e-11;
  device.receiver.phase_error_rad = 0.2;
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-15;
  device.receiver.leak_time_constant_s = 2e-9;
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    const OperatingPoint point{.photons_per_mac = 7, .repetitions = 3};
    const NoiseModel model = compile_noise_model(device, Law::homodyne, encoding, point, product);
    const HomodyneCounts counts = compile_homodyne_counts(device, encoding, point, product);
    const Vectors v = equal_slots(1);
    const CountMeans up = counts.means(v.y, 8, 8), down = counts.means(-v.y, 8, 8);
    const double gain = counts.gain_of(8, 8);
    const double counted = (up.plus + up.minus + down.plus + down.minus) / 2 / (gain * gain);
    EXPECT_NEAR((counted + law(counts.residual, v)) / law(model.variance, v), 1, 1e-12);
    EXPECT_NEAR((up.plus - up.minus - counts.offset(8, 8)) / gain, v.y, 1e-12 * v.y);
  }
}

// Averages of the phase between two paths of one laser, walked in steps.
TEST(DetectorPair, LinewidthWithAPathMismatch) {
  constexpr int trials = 20000;
  constexpr double rate = 2 * std::numbers::pi * 5e6;  // 5 MHz
  constexpr int mismatch = 40;
  constexpr double step = 2.5e-11;  // tau = 1 ns
  for (const int window : {20, 160}) {
    Moments phase, square;
    for (int trial = 0; trial < trials; ++trial) {
      RandomSequence random({.seed = 22}, static_cast<std::uint64_t>(trial));
      std::vector<double> walk(static_cast<std::size_t>(window + mismatch + 1), 0.0);
      for (std::size_t i = 1; i < walk.size(); ++i) {
        walk[i] = walk[i - 1] + std::sqrt(rate * step) * random.normal();
      }
      double mean = 0, mean_square = 0;
      for (std::size_t i = 0; i <= static_cast<std::size_t>(window); ++i) {
        const double weight = i == 0 || i == static_cast<std::size_t>(window) ? 0.5 : 1;
        const double delta = walk[i + mismatch] - walk[i];
        mean += weight * delta / window;
        mean_square += weight * delta * delta / 2 / window;
      }
      phase.add(mean);
      square.add(mean_square);
    }
    Device device;
    device.laser.linewidth_hz = 5e6;
    device.receiver.path_mismatch_s = mismatch * step;
    device.receiver.integration_time_s = window * step;
    const double around_zero = detector_pair(device).phase_variance;
    device.receiver.phase_error_rad = std::numbers::pi / 4;  // tan = 1
    const double averaged = detector_pair(device).phase_variance - around_zero;
    EXPECT_NEAR(phase.variance(), averaged, five_sigma * phase.variance_error()) << window;
    EXPECT_GT(std::abs(1.1 * phase.variance() - averaged), five_sigma * phase.variance_error());
    // Sampling in 40 steps costs up to 1 %.
    EXPECT_NEAR(square.variance() / around_zero, 1,
                0.01 + five_sigma * square.variance_error() / around_zero)
        << window;
    EXPECT_NEAR(detector_pair(device).contrast,
                std::cos(std::numbers::pi / 4) * std::exp(-rate * 1e-9 / 2), 1e-12);
  }
  // T >> tau: 2 pi Delta-nu tau^2 / T.
  Device device;
  device.laser.linewidth_hz = 1e3;
  device.receiver.path_mismatch_s = 1e-12;
  device.receiver.integration_time_s = 1e-8;
  device.receiver.phase_error_rad = std::numbers::pi / 4;
  EXPECT_NEAR(detector_pair(device).phase_variance / (2 * std::numbers::pi * 1e3 * 1e-16), 1, 1e-3);
}

// V15: kTC from 1 fF to 10 pF; what double sampling removes and brings.
TEST(ReadOutNoise, ResetNoiseAndCorrelatedDoubleSampling) {
  const double expected[] = {12.7, 40.2, 127, 402, 1270};
  double capacitance = 1e-15;
  for (const double electrons : expected) {
    Device device;
    device.receiver.kind = ReceiverKind::charge_integrator;
    device.receiver.capacitance_f = capacitance;
    EXPECT_NEAR(read_out(device).receiver_noise_electrons / electrons, 1, 0.01);
    const double reset = read_out(device).receiver_noise_electrons;
    device.receiver.sample_noise_electrons = 5;
    EXPECT_NEAR(read_out(device).variance(), reset * reset + 25, 1e-9 * reset * reset);
    device.receiver.correlated_double_sampling = true;
    EXPECT_NEAR(read_out(device).variance(), 50, 1e-9);
    capacitance *= 10;
  }
}

TEST(ReadOutNoise, TransimpedanceAmplifier) {
  Device device;
  device.receiver.kind = ReceiverKind::transimpedance;
  device.receiver.feedback_resistance_ohm = 1e4;
  device.receiver.integration_time_s = 1e-9;
  const double johnson = read_out(device).variance();
  const double per_ampere2 = std::pow(1e-9 / constants::elementary_charge_c, 2) * 0.5e9;
  EXPECT_NEAR(johnson / (4 * 1.380649e-23 * 300 / 1e4 * per_ampere2), 1, 1e-12);
  device.receiver.amplifier_current_noise_a_per_rthz = 2e-12;
  EXPECT_NEAR((read_out(device).variance() - johnson) / (4e-24 * per_ampere2), 1, 1e-9);
  device.receiver.amplifier_current_noise_a_per_rthz = 0;
  device.receiver.amplifier_voltage_noise_v_per_rthz = 3e-9;
  device.receiver.input_capacitance_f = 1e-13;
  const double slope = 2 * std::numbers::pi * 1e-13 * 0.5e9;
  EXPECT_NEAR(
      (read_out(device).variance() - johnson) / (9e-18 * (1e-8 + slope * slope / 3) * per_ampere2),
      1, 1e-9);
}

TEST(DetectorPair, RefusesNonsense) {
  Device device;
  device.detector.efficiency_imbalance = 0.1;  // an efficiency of 1.1
  EXPECT_THROW(validate(device), ConfigError);
  device = {};
  device.detector.coupler_transmission = 1;
  EXPECT_THROW(validate(device), ConfigError);
  device = {};
  device.receiver.leak_time_constant_s = 1e-6;  // no integrator
  EXPECT_THROW(validate(device), ConfigError);
  device = {};
  device.receiver.amplifier_current_noise_a_per_rthz = 1e-12;  // no amplifier
  EXPECT_THROW(validate(device), ConfigError);
  device = unbalanced();
  EXPECT_THROW(compile_noise_model(device, Law::counting, Encoding::normalised,
                                   {.photons_per_mac = 1}, product),
               ConfigError);
  device = {};
  device.receiver.bandwidth_hz = 1e9;  // no amplifier
  EXPECT_THROW(validate(device), ConfigError);
  device = {};
  device.detector.saturation_current_a = -1;
  EXPECT_THROW(validate(device), ConfigError);
  device = {};
  device.modulator.dac_bits = 6;  // the explicit receiver has ideal modulators
  EXPECT_THROW(HomodyneReceiver(device, Encoding::full_scale, {.photons_per_mac = 1},
                                {.length = 4, .weight_full_scale = 1, .input_full_scale = 1}),
               ConfigError);
}

}  // namespace
}  // namespace attojoule::photonics
