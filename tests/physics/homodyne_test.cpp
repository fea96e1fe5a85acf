// The Gaussian law of photonics/noise_model.hpp against photons counted one dot product at a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"
#include "photonics/homodyne_receiver.hpp"
#include "photonics/noise_model.hpp"
#include "photonics/poisson.hpp"
#include "photonics/random.hpp"
#include "tests/statistics.hpp"

namespace attojoule::photonics {
namespace {

using tests::five_sigma;
using tests::Moments;

struct Vectors {
  std::vector<float> w, x;
  double y = 0, weight_norm2 = 0, input_norm2 = 0;

  Vectors(std::size_t length, std::uint32_t which) : w(length), x(length) {
    fill_normal({.seed = 100, .sample = which, .read = 0}, 0, w);
    fill_normal({.seed = 100, .sample = which, .read = 1}, 0, x);
    update();
  }
  void update() {
    y = weight_norm2 = input_norm2 = 0;
    for (std::size_t k = 0; k < w.size(); ++k) {
      const double a = static_cast<double>(w[k]), b = static_cast<double>(x[k]);
      y += a * b;
      weight_norm2 += a * a;
      input_norm2 += b * b;
    }
  }
  double norms() const { return std::sqrt(weight_norm2 * input_norm2); }
  double correlation() const { return y / norms(); }
  DotProduct product() const {
    const auto largest = [](const std::vector<float>& v) {
      double result = 0;
      for (const float a : v) result = std::max(result, std::abs(static_cast<double>(a)));
      return result;
    };
    return {.length = static_cast<std::int64_t>(w.size()),
            .weight_full_scale = largest(w),
            .input_full_scale = largest(x)};
  }
};

double predicted_variance(const VarianceCoefficients& c, const Vectors& v) {
  return c.constant + c.weight_norm * v.weight_norm2 + c.input_norm * v.input_norm2 +
         c.norm_product * v.weight_norm2 * v.input_norm2 + c.signal * v.y * v.y;
}

struct Trials {
  Moments estimate, difference, photons, detected;
  std::vector<std::int64_t> counts;
  int saturated = 0;
};

Trials run(const Device& device, Encoding encoding, const OperatingPoint& point, const Vectors& v,
           int trials, std::uint32_t which = 0) {
  const HomodyneReceiver receiver(device, encoding, point, v.product());
  Trials result;
  for (int trial = 0; trial < trials; ++trial) {
    RandomSequence random({.seed = 7, .sample = which}, static_cast<std::uint64_t>(trial));
    const Reading reading = receiver.measure(v.w, v.x, random);
    result.estimate.add(reading.estimate);
    result.difference.add(reading.electrons_plus - reading.electrons_minus);
    result.detected.add(reading.electrons_plus + reading.electrons_minus);
    result.photons.add(reading.photons);
    result.counts.push_back(
        static_cast<std::int64_t>(reading.electrons_plus - reading.electrons_minus));
    result.saturated += reading.saturated_reads;
  }
  return result;
}

// Mean and spread of the explicit receiver against the Gaussian law, and the same check against a
// variance ten per cent too large, which must fail.
void expect_law(const Device& device, Encoding encoding, const OperatingPoint& point,
                const Vectors& v, int trials, const char* what) {
  const NoiseModel model = compile_noise_model(device, Law::homodyne, encoding, point, v.product());
  const double variance = predicted_variance(model.variance, v);
  const Trials result = run(device, encoding, point, v, trials);
  const Moments& m = result.estimate;
  EXPECT_EQ(result.saturated, 0) << what;
  EXPECT_NEAR(m.mean(), v.y, five_sigma * m.mean_error()) << what;
  EXPECT_NEAR(m.variance(), variance, five_sigma * m.variance_error()) << what;
  EXPECT_GT(std::abs(m.variance() - 1.1 * variance), five_sigma * m.variance_error()) << what;
  const double photons = model.photons.constant + model.photons.per_weight_norm * v.weight_norm2 +
                         model.photons.per_input_norm * v.input_norm2;
  EXPECT_NEAR(result.photons.mean() / photons, 1, device.laser.rin_per_hz > 0 ? 1e-2 : 1e-9)
      << what;
}

// V1: equal beams, ideal receiver: sigma_y sqrt(eta D n) / (|w||x|) = 1.
TEST(Homodyne, ShotNoiseOfEqualBeams) {
  constexpr int trials = 60000;
  const double bound = five_sigma / std::sqrt(2.0 * trials);  // 1.4 %
  for (const std::size_t length : {64u, 784u, 2048u}) {
    const Vectors v(length, 1);
    for (const double n : {0.1, 1.0, 21.1}) {
      for (const double eta : {0.8, 1.0}) {
        Device device;
        device.detector.quantum_efficiency = eta;
        const Trials result = run(device, Encoding::normalised, {.photons_per_mac = n}, v, trials);
        const double ratio = result.estimate.deviation() *
                             std::sqrt(eta * static_cast<double>(length) * n) / v.norms();
        EXPECT_NEAR(ratio, 1, bound) << length << " " << n << " " << eta;
        EXPECT_GT(std::abs(ratio * std::sqrt(1.1) - 1), bound);
        EXPECT_NEAR(result.estimate.mean(), v.y, five_sigma * result.estimate.mean_error());
      }
    }
  }
}

// V2: strong local oscillator: SNR = 4 eta N_x rho^2 with N_x photons in the weak beam.
TEST(Homodyne, StrongLocalOscillator) {
  Vectors v(64, 2);
  for (std::size_t k = 0; k < v.x.size(); ++k) v.x[k] += v.w[k];  // a clear signal
  v.update();
  Device device;
  device.detector.quantum_efficiency = 0.9;
  device.receiver.signal_beam_share = 1e-3;
  const double signal_photons = 20;
  const double n = signal_photons / 1e-3 / 64;
  constexpr int trials = 100000;
  const Trials result = run(device, Encoding::normalised, {.photons_per_mac = n}, v, trials);
  const double snr = v.y * v.y / result.estimate.variance();
  const double expected = 4 * 0.9 * signal_photons * std::pow(v.correlation(), 2);
  // The exact law has the factor 1 - s = 0.999.
  EXPECT_NEAR(snr / expected, 0.999, five_sigma * std::sqrt(2.0 / trials));
  EXPECT_LT(five_sigma * std::sqrt(2.0 / trials), 0.025);
  EXPECT_GT(std::abs(snr / 1.1 / expected - 0.999), five_sigma * std::sqrt(2.0 / trials));
}

// V3: a share s of the photons in x multiplies sigma by 1 / (2 sqrt(s (1 - s))).
TEST(Homodyne, UnequalBeams) {
  const Vectors v(64, 3);
  constexpr int trials = 100000;
  const double bound = five_sigma / std::sqrt(2.0 * trials);
  for (const double share : {0.05, 0.2, 0.5, 0.9}) {
    Device device;
    device.receiver.signal_beam_share = share;
    const Trials result = run(device, Encoding::normalised, {.photons_per_mac = 2}, v, trials);
    const double ratio = result.estimate.deviation() * std::sqrt(64 * 2.0) / v.norms();
    const double expected = 1 / (2 * std::sqrt(share * (1 - share)));
    EXPECT_NEAR(ratio / expected, 1, bound) << share;
    EXPECT_GT(std::abs(std::sqrt(1.1) * ratio / expected - 1), bound) << share;
  }
}

// V4: the counts are Skellam, third cumulant = mean difference.
TEST(Homodyne, CountsAreSkellam) {
  Vectors v(64, 4);
  for (std::size_t k = 0; k < v.x.size(); ++k) v.x[k] = 0.5f * v.x[k] + v.w[k];
  v.update();
  constexpr int trials = 200000;
  for (const double n : {0.05, 0.5, 5.0}) {
    Device device;
    device.detector.quantum_efficiency = 0.8;
    const OperatingPoint point{.photons_per_mac = n};
    const Trials result = run(device, Encoding::normalised, point, v, trials);
    const CountMeans means =
        compile_homodyne_counts(device, Encoding::normalised, point, v.product())
            .means(v.y, v.weight_norm2, v.input_norm2);
    const auto probability = [&](double scale) {
      const CountLaw law = skellam_law(scale * means.plus, scale * means.minus);
      std::vector<double> observed(law.probability.size(), 0.0), expected(law.probability);
      for (const std::int64_t d : result.counts) {
        observed[static_cast<std::size_t>(d - law.first)] += 1;
      }
      for (double& e : expected) e *= trials;
      return tests::chi_square(observed, expected).probability;
    };
    EXPECT_GT(probability(1), tests::five_sigma_probability) << n;
    EXPECT_LT(probability(1.1), tests::five_sigma_probability) << n;

    // The sixth central moment bounds the error of the third: Gaussian value 15 var^3, generously.
    const Moments& d = result.difference;
    const double error = std::sqrt(15 * std::pow(d.variance(), 3) / trials);
    EXPECT_NEAR(d.third(), means.plus - means.minus, five_sigma * 1.5 * error) << n;
    if (n < 1) {
      EXPECT_GT(d.third(), five_sigma * 1.5 * error) << "the check could not see it";
    }
  }
}

// V5: K repetitions against K-fold integration with receiver noise.
TEST(Homodyne, RepetitionsAndLongerIntegration) {
  const Vectors v(64, 5);
  Device device;
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-15;  // 12.7 electrons, beside sqrt(64) of shot noise
  constexpr int trials = 200000;
  const double bound = five_sigma / std::sqrt(2.0 * trials);  // 0.8 %
  const double once =
      run(device, Encoding::normalised, {.photons_per_mac = 1}, v, trials).estimate.deviation();
  const double repeated =
      run(device, Encoding::normalised, {.photons_per_mac = 1, .repetitions = 4}, v, trials, 1)
          .estimate.deviation();
  const double longer =
      run(device, Encoding::normalised, {.photons_per_mac = 4}, v, trials, 2).estimate.deviation();
  EXPECT_NEAR(repeated / once * 2, 1, bound * std::sqrt(2.0));
  EXPECT_GT(std::abs(repeated / once * 2 * std::sqrt(1.1) - 1), bound * std::sqrt(2.0));
  // Take the shot noise off: what is left is the receiver's and falls as 1/K.
  const double shot = v.norms() / 8;
  const double receiver_once = std::sqrt(once * once - shot * shot);
  const double receiver_longer = std::sqrt(longer * longer - shot * shot / 4);
  EXPECT_NEAR(receiver_longer / receiver_once * 4, 1, 2 * bound);
}

// Every imperfection at once, in both encodings.
TEST(Homodyne, ImperfectReceivers) {
  const Vectors v(100, 6);
  Device device;
  device.detector = {.quantum_efficiency = 0.7, .excess_noise_factor = 1.6, .dark_current_a = 5e-9};
  device.receiver.visibility = 0.85;
  device.receiver.phase_error_rad = 0.4;
  device.receiver.signal_beam_share = 0.3;
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 2e-16;
  device.receiver.voltage_swing_v = 0.4;  // 500 electrons
  device.adc = {.bits = 5.5, .full_scale_v = 0.4};
  constexpr int trials = 100000;
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    const OperatingPoint point{.photons_per_mac = 12, .repetitions = 2};
    const NoiseModel model =
        compile_noise_model(device, Law::homodyne, encoding, point, v.product());
    EXPECT_GT(model.reads, 2);  // the well does cut it
    expect_law(device, encoding, point, v, trials, "charge integrator");
  }
  device.receiver.kind = ReceiverKind::transimpedance;
  device.receiver.capacitance_f = device.receiver.voltage_swing_v = 0;
  device.receiver.feedback_resistance_ohm = 1e5;
  device.adc = {.bits = 5, .full_scale_v = 0.05};
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    expect_law(device, encoding, {.photons_per_mac = 3}, v, trials, "transimpedance");
  }
}

TEST(Homodyne, ExplicitReceiverSaturates) {
  Vectors v(16, 7);
  v.w.assign(16, 1.0f);
  v.x.assign(16, 1.0f);
  v.update();
  Device device;
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-14;
  device.adc = {.bits = 6, .full_scale_v = 0.02};  // +- 624 electrons
  const OperatingPoint point{.photons_per_mac = 100};
  const NoiseModel model =
      compile_noise_model(device, Law::homodyne, Encoding::normalised, point, v.product());
  EXPECT_LT(model.clipping_correlation, v.correlation());
  const Trials result = run(device, Encoding::normalised, point, v, 100);
  EXPECT_EQ(result.saturated, 100);
  EXPECT_NEAR(result.estimate.mean(), v.y * 624.15 / 1600, 0.02 * v.y);
}

// V17: intensity noise on the signal at perfect balance, sigma_y / |y| = sqrt(RIN / (2 T)): of any
// slots where they share one error, and of equal slots where each has its own.
TEST(Homodyne, IntensityNoiseOnTheSignal) {
  for (const bool common : {true, false}) {
    Vectors v(64, 8);
    for (std::size_t k = 0; k < v.w.size(); ++k) {
      if (common) {
        v.x[k] += v.w[k];
      } else {
        v.x[k] = v.w[k] = k % 2 == 0 ? 0.5f : -0.5f;
      }
    }
    v.update();
    Device device;
    device.laser.rin_per_hz = 1e-13;
    device.laser.rin_common_to_slots = common;
    device.receiver.integration_time_s = 1e-8;
    const double expected = std::sqrt(1e-13 / 2e-8);
    constexpr int trials = 100000;
    // So much light that counting noise is 5 % of the intensity noise's variance, and taken off.
    const double n = std::pow(v.norms() / (v.y * expected), 2) / 64 * 20;
    const Trials result = run(device, Encoding::normalised, {.photons_per_mac = n}, v, trials);
    const double shot = v.norms() / std::sqrt(64 * n);
    const double excess = std::sqrt(result.estimate.variance() - shot * shot) / std::abs(v.y);
    const double bound = 1.1 * five_sigma / std::sqrt(2.0 * trials);
    EXPECT_NEAR(excess / expected, 1, bound) << common;
    EXPECT_GT(std::abs(excess / expected * std::sqrt(1.1) - 1), bound) << common;
    if (common) {
      expect_law(device, Encoding::normalised, {.photons_per_mac = n}, v, trials, "shared error");
    }
  }
}

// Slots that follow one another under white intensity noise add in squares, (RIN / 2T) D sum (w_k
// x_k)^2, which for mixed signs is far above (RIN / 2T) y^2; the law takes its ratio to |w|^2
// |x|^2.
TEST(Homodyne, WhiteIntensityNoiseOfUnequalSlots) {
  const Vectors v(64, 9);
  Device device;
  device.laser.rin_per_hz = 1e-13;
  device.laser.rin_common_to_slots = false;
  device.receiver.integration_time_s = 1e-8;
  double squares = 0;
  for (std::size_t k = 0; k < v.w.size(); ++k) {
    squares += std::pow(static_cast<double>(v.w[k]) * static_cast<double>(v.x[k]), 2);
  }
  const double n = 1e6;
  constexpr int trials = 50000;
  const Trials result = run(device, Encoding::normalised, {.photons_per_mac = n}, v, trials);
  const double shot2 = v.weight_norm2 * v.input_norm2 / (64 * n);
  const double expected = 1e-13 / 2e-8 * 64 * squares + shot2;
  EXPECT_NEAR(result.estimate.variance(), expected, five_sigma * result.estimate.variance_error());
  EXPECT_GT(64 * squares, 4 * v.y * v.y);
  DotProduct product = v.product();
  product.slot_unevenness = 64 * squares / (v.weight_norm2 * v.input_norm2);
  const NoiseModel model = compile_noise_model(device, Law::homodyne, Encoding::normalised,
                                               {.photons_per_mac = n}, product);
  EXPECT_NEAR(predicted_variance(model.variance, v) / expected, 1, 1e-12);
  const HomodyneCounts counts =
      compile_homodyne_counts(device, Encoding::normalised, {.photons_per_mac = n}, product);
  EXPECT_NEAR(predicted_variance(counts.residual, v) / (expected - shot2), 1, 1e-9);
  // Unknown slots: 1, right on average for operands whose squares are uncorrelated.
  double average = 0;
  constexpr int vectors = 4000;
  for (std::uint32_t i = 0; i < vectors; ++i) {
    const Vectors u(64, 100 + i);
    double sum = 0;
    for (std::size_t k = 0; k < u.w.size(); ++k) {
      sum += std::pow(static_cast<double>(u.w[k]) * static_cast<double>(u.x[k]), 2);
    }
    average += 64 * sum / (u.weight_norm2 * u.input_norm2) / vectors;
  }
  EXPECT_NEAR(average, DotProduct{}.slot_unevenness, 0.02);
}

// The counting fidelity as a network runs it: two Poisson numbers an output from two streams, and a
// Gaussian for the rest.
TEST(Homodyne, NetworkCountsAgreeWithTheGaussianLaw) {
  const Vectors v(100, 10);
  Device device;
  device.detector = {.quantum_efficiency = 0.7, .excess_noise_factor = 1.3, .dark_current_a = 5e-9};
  device.laser.rin_per_hz = 1e-12;
  device.receiver.visibility = 0.9;
  device.receiver.signal_beam_share = 0.4;
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 2e-16;
  constexpr std::size_t trials = 1 << 19;
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    for (const double n : {0.2, 4.0}) {
      const OperatingPoint point{.photons_per_mac = n, .repetitions = 3};
      const HomodyneCounts counts = compile_homodyne_counts(device, encoding, point, v.product());
      const CountMeans means = counts.means(v.y, v.weight_norm2, v.input_norm2);
      const double gain = counts.gain_of(v.weight_norm2, v.input_norm2);
      const double residual = std::sqrt(predicted_variance(counts.residual, v));
      std::vector<float> plus(trials), minus(trials), rest(trials);
      RandomStream stream{.seed = 31, .domain = NoiseDomain::photon_count};
      fill_poisson(stream, 0, std::vector<float>(trials, static_cast<float>(means.plus)), plus);
      stream.domain = NoiseDomain::photon_count_minus;
      fill_poisson(stream, 0, std::vector<float>(trials, static_cast<float>(means.minus)), minus);
      stream.domain = NoiseDomain::read_out;
      fill_normal(stream, 0, rest);
      Moments estimate;
      for (std::size_t i = 0; i < trials; ++i) {
        estimate.add((static_cast<double>(plus[i]) - static_cast<double>(minus[i])) / gain +
                     residual * static_cast<double>(rest[i]));
      }
      const double variance = predicted_variance(
          compile_noise_model(device, Law::homodyne, encoding, point, v.product()).variance, v);
      EXPECT_NEAR(estimate.mean(), v.y, five_sigma * estimate.mean_error());
      EXPECT_NEAR(estimate.variance(), variance, five_sigma * estimate.variance_error());
      EXPECT_GT(std::abs(estimate.variance() - 1.1 * variance),
                five_sigma * estimate.variance_error());
      // Exact identity behind it.
      const double exact = (means.plus + means.minus) / (gain * gain) + residual * residual;
      EXPECT_NEAR(exact / variance, 1, 1e-12);
    }
  }
}

TEST(Homodyne, DarkOperandsGiveZero) {
  Vectors v(8, 11);
  v.x.assign(8, 0.0f);
  v.update();
  const OperatingPoint point{.photons_per_mac = 5};
  const DotProduct product{.length = 8, .weight_full_scale = 10, .input_full_scale = 10};
  const HomodyneCounts counts = compile_homodyne_counts({}, Encoding::normalised, point, product);
  EXPECT_EQ(counts.gain_of(v.weight_norm2, v.input_norm2), 0);
  RandomSequence random({.seed = 1}, 0);
  const HomodyneReceiver receiver({}, Encoding::normalised, point, product);
  const Reading reading = receiver.measure(v.w, v.x, random);
  EXPECT_EQ(reading.estimate, 0);
  EXPECT_EQ(reading.photons, 0);
}

TEST(Homodyne, RefusesWhatItCannotSend) {
  const OperatingPoint point{.photons_per_mac = 5};
  const HomodyneReceiver receiver({}, Encoding::full_scale, point,
                                  {.length = 2, .weight_full_scale = 1, .input_full_scale = 1});
  RandomSequence random({.seed = 1}, 0);
  const std::vector<float> fits = {1, -1}, too_large = {0, 1.5f}, too_long = {0, 0, 0};
  EXPECT_NO_THROW(receiver.measure(fits, fits, random));
  EXPECT_THROW(receiver.measure(fits, too_large, random), RunError);
  EXPECT_THROW(receiver.measure(too_large, fits, random), RunError);
  EXPECT_THROW(receiver.measure(fits, too_long, random), RunError);
  Device noisy;
  noisy.laser.rin_per_hz = 1e-9;
  EXPECT_THROW(HomodyneReceiver(noisy, Encoding::normalised, point, {.length = 2}), ConfigError);
}

// Where the Gaussian law stops: a dot product of a few photons.
TEST(Homodyne, GaussianValidity) {
  const Vectors v(64, 12);
  const auto distance = [&](double n) {
    const HomodyneCounts counts =
        compile_homodyne_counts({}, Encoding::normalised, {.photons_per_mac = n}, v.product());
    return gaussian_distance(counts, v.y, v.weight_norm2, v.input_norm2).kolmogorov;
  };
  EXPECT_GT(distance(0.02), 0.1);
  EXPECT_LT(distance(100), 0.003);
  EXPECT_NEAR(distance(400) / distance(100), 0.5, 0.01);
}

}  // namespace
}  // namespace attojoule::photonics
