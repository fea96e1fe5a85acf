// Modulators that are not ideal, in the law that a network uses, against fields in time.
#include "photonics/encoding_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "photonics/homodyne_receiver.hpp"
#include "photonics/modulator.hpp"
#include "photonics/waveform.hpp"
#include "tests/statistics.hpp"

namespace attojoule::photonics {
namespace {

using tests::five_sigma;
using tests::Moments;

constexpr std::size_t length = 96;
constexpr double full_scale = 4;  // standard deviations of the values

struct Values {
  std::vector<float> w = std::vector<float>(length), x = w;
  double y = 0, weight_norm2 = 0, input_norm2 = 0;

  explicit Values(std::uint32_t which) {
    fill_normal({.seed = 71, .sample = which, .read = 0}, 0, w);
    fill_normal({.seed = 71, .sample = which, .read = 1}, 0, x);
    for (std::size_t k = 0; k < length; ++k) {
      w[k] = std::clamp(w[k], -3.99f, 3.99f);
      x[k] = std::clamp(x[k], -3.99f, 3.99f);
      const double a = static_cast<double>(w[k]), b = static_cast<double>(x[k]);
      y += a * b;
      weight_norm2 += a * a;
      input_norm2 += b * b;
    }
  }
  double variance(const VarianceCoefficients& c) const {
    return c.constant + c.weight_norm * weight_norm2 + c.input_norm * input_norm2 +
           c.norm_product * weight_norm2 * input_norm2 + c.signal * y * y;
  }
};

const DotProduct product{
    .length = length, .weight_full_scale = full_scale, .input_full_scale = full_scale};

// Errors of fresh values through the waveform, and what the Gaussian law and the counts expect.
struct Comparison {
  Moments error;
  double expected = 0, counted = 0;
};

Comparison compare(const Device& device, Encoding encoding, const OperatingPoint& point,
                   int trials) {
  const WaveformReceiver receiver(device, encoding, point, product, 1);
  const NoiseModel model = compile_noise_model(device, Law::homodyne, encoding, point, product);
  const HomodyneCounts counts = compile_homodyne_counts(device, encoding, point, product);
  Comparison result;
  for (int trial = 0; trial < trials; ++trial) {
    const Values v(static_cast<std::uint32_t>(trial));
    RandomSequence random({.seed = 72}, static_cast<std::uint64_t>(trial));
    result.error.add(receiver.measure(v.w, v.x, random).estimate - v.y);
    result.expected += v.variance(model.variance) / trials;
    const CountMeans means = counts.means(v.y, v.weight_norm2, v.input_norm2);
    const double gain = counts.gain_of(v.weight_norm2, v.input_norm2);
    result.counted +=
        ((means.plus + means.minus) / (gain * gain) + v.variance(counts.residual)) / trials;
  }
  return result;
}

constexpr int trials = 10000;

// Leaked light: at 15 dB and a quarter of full scale half as much light again. The law without it
// fails by far more than the bound.
TEST(EncodingError, LeakedLightIsShotNoise) {
  Device device;
  device.modulator.extinction_ratio_db = 15;
  device.receiver.signal_beam_share = 0.4;
  device.detector.quantum_efficiency = 0.8;
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-16;
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    const OperatingPoint point{.photons_per_mac = encoding == Encoding::normalised ? 20.0 : 300.0,
                               .repetitions = 2};
    const Comparison c = compare(device, encoding, point, trials);
    const double bound = five_sigma * c.error.variance_error();
    EXPECT_NEAR(c.error.variance(), c.expected, bound) << static_cast<int>(encoding);
    EXPECT_NEAR(c.counted / c.expected, 1, 1e-9) << static_cast<int>(encoding);
    Device ideal = device;
    ideal.modulator = {};
    const NoiseModel model = compile_noise_model(ideal, Law::homodyne, encoding, point, product);
    EXPECT_GT(c.error.variance() - Values(1).variance(model.variance), 2 * bound);
  }
}

// Light: what the model bills is what arrives.
TEST(EncodingError, LeakedPhotonsAreCounted) {
  Device device;
  device.modulator.extinction_ratio_db = 15;
  const Values v(3);
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    const OperatingPoint point{.photons_per_mac = 300};
    const WaveformReceiver receiver(device, encoding, point, product, 1);
    RandomSequence random({.seed = 73}, 0);
    const PhotonCoefficients photons =
        compile_noise_model(device, Law::homodyne, encoding, point, product).photons;
    const double expected = photons.constant + photons.per_weight_norm * v.weight_norm2 +
                            photons.per_input_norm * v.input_norm2;
    EXPECT_NEAR(receiver.measure(v.w, v.x, random).photons / expected, 1, 1e-6);
  }
}

// The leaked product less what the norms tell of it: the header's mean and spread.
TEST(EncodingError, LeakedProductFollowsFromTheNorms) {
  const MachZehnder modulator({.extinction_ratio_db = 20}, 0);
  const EncodingError error = encoding_error({.extinction_ratio_db = 20});
  EXPECT_NEAR(error.leaked_share, 0.01, 1e-15);
  Moments left, whole;
  for (std::uint32_t trial = 0; trial < 2000; ++trial) {
    const Values v(trial);
    double sum = 0;
    for (std::size_t k = 0; k < length; ++k) {
      const auto a = modulator.field(modulator.drive(static_cast<double>(v.w[k]) / full_scale));
      const auto b = modulator.field(modulator.drive(static_cast<double>(v.x[k]) / full_scale));
      sum += (a * std::conj(b)).real();
    }
    const double scale = full_scale * full_scale;
    const double leaked = sum - v.y / scale;
    whole.add(leaked);
    left.add(leaked - leaked_product(error, length, v.weight_norm2 / scale, v.input_norm2 / scale));
  }
  const double d = length;
  EXPECT_NEAR(whole.mean() / (0.01 * d), 0.94, 0.01);
  EXPECT_LT(std::abs(left.mean()) / (0.01 * d), 3e-3);
  EXPECT_LT(std::sqrt(left.variance()) / (0.01 * std::sqrt(d)), 3e-2);
}

// Rounded drives: the bound holds, and is a bound by less than the values' share of full scale.
TEST(EncodingError, DacRounding) {
  Device device;
  device.modulator.dac_bits = 6;
  const OperatingPoint point{.photons_per_mac = 1e7};  // no noise to speak of
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    const Comparison c = compare(device, encoding, point, trials);
    const double bound = five_sigma * c.error.variance_error();
    EXPECT_NEAR(c.error.mean(), 0, five_sigma * c.error.mean_error());
    EXPECT_LT(c.error.variance(), c.expected + bound);
    // s^2 = 1 - v^2 = 15/16 on average.
    EXPECT_NEAR(c.error.variance(), c.expected * 15 / 16, bound);
    EXPECT_GT(std::abs(1.1 * c.error.variance() - c.expected * 15 / 16), bound);
    // Repetition does not average it.
    const Comparison twice =
        compare(device, encoding, {.photons_per_mac = 1e7, .repetitions = 4}, 1000);
    EXPECT_NEAR(twice.error.variance(), twice.expected * 15 / 16,
                five_sigma * twice.error.variance_error());
  }
}

TEST(EncodingError, IdealModulatorsChangeNothing) {
  const EncodingError none = encoding_error({});
  EXPECT_FALSE(none.needs_full_scales());
  const VarianceCoefficients c = at_fixed_light(3, none, {.length = 4});
  EXPECT_EQ(c.norm_product, 3);
  EXPECT_EQ(c.constant + c.weight_norm + c.input_norm, 0);
}

}  // namespace
}  // namespace attojoule::photonics
