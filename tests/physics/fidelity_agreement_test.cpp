// One dot product through the three fidelities: the same mean and variance where their assumptions
// overlap, and the physical reason where they do not.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "photonics/error.hpp"
#include "photonics/homodyne_receiver.hpp"
#include "photonics/waveform.hpp"
#include "tests/statistics.hpp"

namespace attojoule::photonics {
namespace {

using tests::five_sigma;
using tests::Moments;

struct Vectors {
  std::vector<float> w, x;
  double y = 0, weight_norm2 = 0, input_norm2 = 0, w_fs = 0, x_fs = 0;

  Vectors(std::size_t length, std::uint32_t which) : w(length), x(length) {
    fill_normal({.seed = 31, .sample = which, .read = 0}, 0, w);
    fill_normal({.seed = 31, .sample = which, .read = 1}, 0, x);
    for (std::size_t k = 0; k < length; ++k) x[k] += 0.7f * w[k];
    update();
  }
  Vectors(std::vector<float> weights, std::vector<float> inputs)
      : w(std::move(weights)), x(std::move(inputs)) {
    update();
  }
  void update() {
    for (std::size_t k = 0; k < w.size(); ++k) {
      const double a = static_cast<double>(w[k]), b = static_cast<double>(x[k]);
      y += a * b;
      weight_norm2 += a * a;
      input_norm2 += b * b;
      w_fs = std::max(w_fs, std::abs(a));
      x_fs = std::max(x_fs, std::abs(b));
    }
  }
  DotProduct product() const {
    return {.length = static_cast<std::int64_t>(w.size()),
            .weight_full_scale = w_fs,
            .input_full_scale = x_fs};
  }
  double variance(const VarianceCoefficients& c) const {
    return c.constant + c.weight_norm * weight_norm2 + c.input_norm * input_norm2 +
           c.norm_product * weight_norm2 * input_norm2 + c.signal * y * y;
  }
};

Moments count(const Device& device, Encoding encoding, const OperatingPoint& point,
              const Vectors& v, int trials) {
  const HomodyneCounts counts = compile_homodyne_counts(device, encoding, point, v.product());
  const CountMeans means = counts.means(v.y, v.weight_norm2, v.input_norm2);
  const double gain = counts.gain_of(v.weight_norm2, v.input_norm2);
  const double offset = counts.offset(v.weight_norm2, v.input_norm2);
  const double residual = std::sqrt(v.variance(counts.residual));
  Moments moments;
  for (int trial = 0; trial < trials; ++trial) {
    RandomSequence random({.seed = 32}, static_cast<std::uint64_t>(trial));
    const auto difference = static_cast<double>(sample_skellam(means.plus, means.minus, random));
    moments.add((difference - offset) / gain + residual * random.normal());
  }
  return moments;
}

Moments in_time(const Device& device, Encoding encoding, const OperatingPoint& point,
                const Vectors& v, int trials, int samples = 2) {
  const WaveformReceiver receiver(device, encoding, point, v.product(), samples);
  Moments moments;
  for (int trial = 0; trial < trials; ++trial) {
    RandomSequence random({.seed = 33}, static_cast<std::uint64_t>(trial));
    moments.add(receiver.measure(v.w, v.x, random).estimate);
  }
  return moments;
}

void expect_agreement(const Device& device, Encoding encoding, const OperatingPoint& point,
                      const Vectors& v, int trials, const char* what) {
  const NoiseModel model = compile_noise_model(device, Law::homodyne, encoding, point, v.product());
  const double variance = v.variance(model.variance);
  for (const bool waveform : {false, true}) {
    const Moments m = waveform ? in_time(device, encoding, point, v, trials)
                               : count(device, encoding, point, v, trials);
    EXPECT_NEAR(m.mean(), v.y, five_sigma * m.mean_error()) << what << waveform;
    EXPECT_NEAR(m.variance(), variance, five_sigma * m.variance_error()) << what << waveform;
    EXPECT_GT(std::abs(1.15 * m.variance() - variance), five_sigma * m.variance_error())
        << what << waveform;
  }
}

constexpr int trials = 10000;

TEST(Fidelities, AgreeOnIdealReceiversFromFewToManyPhotons) {
  for (const std::size_t length : {1u, 7u, 64u}) {
    const Vectors v(length, 1);
    for (const double n : {0.3, 5.0, 300.0}) {
      for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
        Device device;
        device.detector.quantum_efficiency = 0.8;
        // Excess kurtosis widens the error of the variance where counts are few.
        const int repeats = n * static_cast<double>(length) < 5 ? 10 * trials : trials;
        expect_agreement(device, encoding, {.photons_per_mac = n}, v, repeats, "ideal");
      }
    }
  }
}

TEST(Fidelities, AgreeOnImperfectReceivers) {
  const Vectors v(48, 2);
  Device device;
  device.detector = {.quantum_efficiency = 0.7, .excess_noise_factor = 1.3, .dark_current_a = 8e-9};
  device.receiver.integration_time_s = 2e-9;
  device.receiver.visibility = 0.9;
  device.receiver.phase_error_rad = 0.3;
  device.receiver.signal_beam_share = 0.3;
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 3e-16;
  device.receiver.voltage_swing_v = 0.3;  // 562 electrons: several reads
  device.adc = {.bits = 6, .full_scale_v = 0.6};
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    expect_agreement(device, encoding, {.photons_per_mac = 20, .repetitions = 2}, v, trials,
                     "integrator");
  }
  device.receiver.voltage_swing_v = device.receiver.capacitance_f = 0;
  device.receiver.kind = ReceiverKind::transimpedance;
  device.receiver.feedback_resistance_ohm = 2e5;
  device.receiver.amplifier_current_noise_a_per_rthz = 2e-13;
  device.adc = {.bits = 7, .full_scale_v = 0.2};
  expect_agreement(device, Encoding::normalised, {.photons_per_mac = 20}, v, trials, "amplifier");
}

// Slots of equal products, as the coefficients of leak and intensity noise require.
TEST(Fidelities, AgreeOnLeakIntensityNoiseAndLinewidth) {
  const Vectors v(std::vector<float>(32, 0.5f), std::vector<float>(32, -1.0f));
  Device leaky;
  leaky.receiver.kind = ReceiverKind::charge_integrator;
  leaky.receiver.capacitance_f = 1e-16;
  leaky.receiver.leak_time_constant_s = 0.5e-9;
  expect_agreement(leaky, Encoding::normalised, {.photons_per_mac = 30}, v, trials, "leak");
  Device noisy;
  noisy.receiver.integration_time_s = 2e-8;
  noisy.laser.rin_per_hz = 1e-12;
  expect_agreement(noisy, Encoding::full_scale, {.photons_per_mac = 2000}, v, trials, "RIN");
  noisy.laser.rin_common_to_slots = false;
  expect_agreement(noisy, Encoding::full_scale, {.photons_per_mac = 2000}, v, trials, "white RIN");
  Device slow;
  slow.receiver.kind = ReceiverKind::transimpedance;
  slow.receiver.feedback_resistance_ohm = 2e5;
  slow.receiver.integration_time_s = 2e-9;
  slow.receiver.bandwidth_hz = 4e8;  // a fifth of the charge has not come out at the read
  slow.tile.accumulation_limit = 16;
  expect_agreement(slow, Encoding::normalised, {.photons_per_mac = 500}, v, trials, "bandwidth");
  EXPECT_LT(
      compile_homodyne_counts(slow, Encoding::normalised, {.photons_per_mac = 500}, v.product())
          .gain,
      500.5 * 32);
  // The explicit receiver, slot by slot.
  for (const Device& device : {leaky, slow, noisy}) {
    const NoiseModel model = compile_noise_model(device, Law::homodyne, Encoding::normalised,
                                                 {.photons_per_mac = 300}, v.product());
    const HomodyneReceiver receiver(device, Encoding::normalised, {.photons_per_mac = 300},
                                    v.product());
    Moments moments;
    for (int trial = 0; trial < trials; ++trial) {
      RandomSequence random({.seed = 37}, static_cast<std::uint64_t>(trial));
      moments.add(receiver.measure(v.w, v.x, random).estimate);
    }
    EXPECT_NEAR(moments.mean(), v.y, five_sigma * moments.mean_error());
    EXPECT_NEAR(moments.variance(), v.variance(model.variance),
                five_sigma * moments.variance_error());
    EXPECT_GT(std::abs(1.15 * moments.variance() - v.variance(model.variance)),
              five_sigma * moments.variance_error());
  }
  Device wide;
  wide.receiver.integration_time_s = 2e-8;
  wide.receiver.phase_error_rad = 0.5;
  wide.receiver.path_mismatch_s = 2e-9;
  wide.laser.linewidth_hz = 1e6;
  expect_agreement(wide, Encoding::normalised, {.photons_per_mac = 2000}, v, trials, "linewidth");
}

// Few photons: the mean and variance still agree (above), the law does not. A count is zero with a
// probability that no Gaussian has, and `auto` leaves the Gaussian.
TEST(Fidelities, FewPhotonsAreNotGaussian) {
  const Vectors v(4, 3);
  const OperatingPoint few{.photons_per_mac = 0.05}, many{.photons_per_mac = 5000};
  const WaveformReceiver receiver(Device{}, Encoding::normalised, few, v.product());
  int dark = 0;
  for (int trial = 0; trial < trials; ++trial) {
    RandomSequence random({.seed = 34}, static_cast<std::uint64_t>(trial));
    const Reading reading = receiver.measure(v.w, v.x, random);
    dark += reading.electrons_plus + reading.electrons_minus == 0 ? 1 : 0;
  }
  const double expected = std::exp(-0.2);
  const double bound = five_sigma * std::sqrt(expected * (1 - expected) / trials);
  EXPECT_NEAR(static_cast<double>(dark) / trials, expected, bound);
  EXPECT_GT(std::abs(1.1 * dark / trials - expected), bound);
  const auto fidelity = [&](const OperatingPoint& point) {
    const HomodyneCounts counts =
        compile_homodyne_counts(Device{}, Encoding::normalised, point, v.product());
    return choose_fidelity(gaussian_distance(counts, v.y, v.weight_norm2, v.input_norm2));
  };
  EXPECT_EQ(fidelity(few), Fidelity::counting);
  EXPECT_EQ(fidelity(many), Fidelity::analytic);
}

// Inter-symbol interference: drives that alternate between 1 and -1 never arrive. The mean is that
// of the cosine along the exponential, which only the waveform knows.
TEST(Fidelities, SlowModulatorsLoseContrast) {
  constexpr std::size_t length = 64;
  std::vector<float> alternating(length), ones(length, 1.0f);
  for (std::size_t k = 0; k < length; ++k) alternating[k] = k % 2 == 0 ? 1.0f : -1.0f;
  const Vectors v(alternating, alternating);
  const double slot = 1e-9 / length;
  Device device;
  const OperatingPoint point{.photons_per_mac = 1e5};
  const Moments fast = in_time(device, Encoding::full_scale, point, v, 200);
  EXPECT_NEAR(fast.mean(), v.y, five_sigma * fast.mean_error());
  device.modulator.bandwidth_hz = 0.3 / slot;
  const Moments slow = in_time(device, Encoding::full_scale, point, v, 200, 16);
  // Drives from 1 (rest) through 0 and 2 in turn; both beams the same, hence cos^2.
  double expected = 0, drive = 1;
  constexpr int steps = 2000;
  for (std::size_t k = 0; k < length; ++k) {
    const double target = k % 2 == 0 ? 0 : 2;
    for (int i = 0; i < steps; ++i) {
      const double u = std::exp(-2 * std::numbers::pi * 0.3 * (i + 0.5) / steps);
      const double c = std::cos(std::numbers::pi / 2 * (target + (drive - target) * u));
      expected += c * c / steps;
    }
    drive = target + (drive - target) * std::exp(-2 * std::numbers::pi * 0.3);
  }
  EXPECT_NEAR(slow.mean() / expected, 1, 2e-3 + five_sigma * slow.mean_error() / expected);
  EXPECT_LT(expected, 0.8 * v.y);
}

// A converter that is too small clips the mean; the Gaussian law says from where.
TEST(Fidelities, ConvertersSaturate) {
  const Vectors v(std::vector<float>(16, 1.0f), std::vector<float>(16, 1.0f));
  Device device;
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-14;
  device.adc = {.bits = 6, .full_scale_v = 0.02};  // +- 624 electrons of 1600
  const OperatingPoint point{.photons_per_mac = 100};
  const NoiseModel model =
      compile_noise_model(device, Law::homodyne, Encoding::normalised, point, v.product());
  EXPECT_LT(model.clipping_correlation, 1);
  const Moments m = in_time(device, Encoding::normalised, point, v, 100);
  EXPECT_NEAR(m.mean() / v.y, model.clipping_correlation, 0.02);
}

// Diodes that saturate lose what i / (1 + i / i_sat) takes, slot by slot: in time and photon by
// photon alike, and the Gaussian law says how much the fuller one can lose.
TEST(Fidelities, DiodesSaturate) {
  const Vectors v(std::vector<float>(16, 1.0f), std::vector<float>(16, 1.0f));
  Device device;
  const double slot = 1e-9 / 16, photons = 2e4;
  device.detector.saturation_current_a = 4 * photons * 1.602176634e-19 / slot;
  const OperatingPoint point{.photons_per_mac = photons};
  const NoiseModel model =
      compile_noise_model(device, Law::homodyne, Encoding::normalised, point, v.product());
  // All light on the plus diode: 1 / (1 + 1/4) of it comes out.
  EXPECT_NEAR(model.diode_compression, 0.2, 1e-9);
  const HomodyneReceiver receiver(device, Encoding::normalised, point, v.product());
  Moments photon_by_photon;
  for (int trial = 0; trial < 200; ++trial) {
    RandomSequence random({.seed = 38}, static_cast<std::uint64_t>(trial));
    photon_by_photon.add(receiver.measure(v.w, v.x, random).estimate);
  }
  const Moments m = in_time(device, Encoding::normalised, point, v, 200);
  EXPECT_NEAR(m.mean() / v.y, 0.8, five_sigma * m.mean_error() / v.y);
  EXPECT_NEAR(photon_by_photon.mean() / v.y, 0.8, five_sigma * photon_by_photon.mean_error() / v.y);
  EXPECT_LT(five_sigma * m.mean_error() / v.y, 0.01);
  // Orthogonal vectors load both diodes alike, and their difference stays right.
  std::vector<float> alternating(16);
  for (std::size_t k = 0; k < 16; ++k) alternating[k] = k % 2 == 0 ? 1.0f : -1.0f;
  const Vectors orthogonal(std::vector<float>(16, 1.0f), alternating);
  const Moments even = in_time(device, Encoding::normalised, point, orthogonal, 200);
  EXPECT_NEAR(even.mean(), 0, five_sigma * even.mean_error());
}

TEST(Fidelities, TraceHoldsTheReading) {
  const Vectors v(10, 5);
  const WaveformReceiver receiver(Device{}, Encoding::normalised, {.photons_per_mac = 40},
                                  v.product(), 8);
  RandomSequence random({.seed = 35}, 0), again({.seed = 35}, 0);
  WaveformTrace trace;
  const Reading reading = receiver.measure(v.w, v.x, random, &trace);
  EXPECT_EQ(receiver.measure(v.w, v.x, again).estimate, reading.estimate);
  ASSERT_EQ(trace.charge.size(), 80u);
  double plus = 0;
  for (const double n : trace.electrons_plus) plus += n;
  EXPECT_EQ(plus, reading.electrons_plus);
  EXPECT_NEAR(trace.charge.back(), reading.electrons_plus - reading.electrons_minus, 1e-9);
  EXPECT_DOUBLE_EQ(trace.step_s, 1e-9 / 80);
}

TEST(Fidelities, WaveformRefuses) {
  const DotProduct product{.length = 4, .weight_full_scale = 1, .input_full_scale = 1};
  EXPECT_THROW(WaveformReceiver(Device{}, Encoding::normalised, {.photons_per_mac = 1}, product, 0),
               ConfigError);
  Device device;
  device.laser.rin_per_hz = 1e-9;
  EXPECT_THROW(WaveformReceiver(device, Encoding::normalised, {.photons_per_mac = 1}, product),
               ConfigError);
  const WaveformReceiver receiver(Device{}, Encoding::full_scale, {.photons_per_mac = 1}, product);
  RandomSequence random({.seed = 36}, 0);
  const std::vector<float> four(4, 0.5f), three(3, 0.5f), large(4, 1.5f);
  EXPECT_THROW(receiver.measure(four, three, random), RunError);
  EXPECT_THROW(receiver.measure(large, four, random), RunError);
}

}  // namespace
}  // namespace attojoule::photonics
