// The noise as a curve over light, and its derivatives: against the noise model itself.
#include "photonics/noise_sensitivity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "photonics/device_parameters.hpp"
#include "photonics/read_out.hpp"

namespace attojoule::photonics {
namespace {

constexpr double correlation = 0.3;

Device integrator() {
  Device d;
  d.laser.wall_plug_efficiency = 0.5;
  d.laser.rin_per_hz = 1e-14;
  d.laser.linewidth_hz = 1e6;
  d.modulator.extinction_ratio_db = 20;
  d.modulator.dac_bits = 6;
  d.detector.quantum_efficiency = 0.8;
  d.detector.excess_noise_factor = 1.5;
  d.detector.dark_current_a = 2e-8;
  d.detector.efficiency_imbalance = 0.03;
  d.detector.coupler_transmission = 0.47;
  d.receiver.kind = ReceiverKind::charge_integrator;
  d.receiver.capacitance_f = 2e-15;
  d.receiver.integration_time_s = 5e-9;
  d.receiver.visibility = 0.9;
  d.receiver.phase_error_rad = 0.2;
  d.receiver.signal_beam_share = 0.4;
  d.receiver.path_mismatch_s = 1e-9;
  d.receiver.sample_noise_electrons = 9;
  d.receiver.leak_time_constant_s = 20e-9;
  d.adc.bits = 7;
  d.adc.full_scale_v = 0.8;
  d.tile.accumulation_limit = 50;
  return d;
}

Device amplifier() {
  Device d = integrator();
  d.laser.rin_common_to_slots = false;
  d.receiver.kind = ReceiverKind::transimpedance;
  d.receiver.capacitance_f = 0;
  d.receiver.sample_noise_electrons = 0;
  d.receiver.leak_time_constant_s = 0;
  d.receiver.feedback_resistance_ohm = 2e5;
  d.receiver.amplifier_voltage_noise_v_per_rthz = 2e-9;
  d.receiver.amplifier_current_noise_a_per_rthz = 4e-13;
  d.receiver.input_capacitance_f = 2e-13;
  d.receiver.bandwidth_hz = 2e8;
  d.receiver.path_mismatch_s = 2e-8;  // longer than the integration
  return d;
}

Device sampled_twice() {
  Device d = integrator();
  d.receiver.correlated_double_sampling = true;
  d.receiver.phase_error_rad = 0;
  return d;
}

DotProduct product() {
  DotProduct p;
  p.length = 120;
  p.weight_full_scale = 0.3;
  p.input_full_scale = 0.25;
  return p;
}

// Variance of w.x for |w| = |x| = 1.
double model_variance(const Device& device, const OperatingPoint& point) {
  const auto v =
      compile_noise_model(device, Law::homodyne, Encoding::normalised, point, product()).variance;
  return v.constant + v.weight_norm + v.input_norm + v.norm_product +
         v.signal * correlation * correlation;
}

NoiseSlopes slopes_of(const Device& device, const OperatingPoint& point) {
  const Chunks chunks = cut_into_chunks(device, point, product());
  return noise_slopes(device, point, product(), {.correlation = correlation}, chunks.slots,
                      static_cast<double>(chunks.count));
}

TEST(NoiseSensitivity, CurveIsTheNoiseModel) {
  for (const Device& device : {integrator(), amplifier(), sampled_twice()}) {
    for (const double photons : {3.0, 40.0, 900.0}) {
      for (const double repetitions : {1.0, 4.0}) {
        for (const double integrations : {1.0, 3.0}) {
          const OperatingPoint point{photons, repetitions, integrations};
          const double wanted = model_variance(device, point);
          const Chunks chunks = cut_into_chunks(device, point, product());
          const auto reads = static_cast<double>(chunks.count);
          const NoiseCurve curve =
              noise_curve(device, point, product(), {.correlation = correlation}, chunks.slots);
          EXPECT_NEAR(curve.variance(photons, repetitions, reads), wanted, 1e-10 * wanted);
          EXPECT_NEAR(slopes_of(device, point).variance, wanted, 1e-10 * wanted);
          EXPECT_NEAR(curve.photons_for(wanted, repetitions, reads), photons, 1e-7 * photons);
        }
      }
    }
  }
}

TEST(NoiseSensitivity, NoLightGoesBelowThePlateau) {
  const Device device = integrator();
  const OperatingPoint point{100};
  const NoiseCurve curve = noise_curve(device, point, product(), {.correlation = 1}, 50);
  EXPECT_TRUE(std::isinf(curve.photons_for(0.9 * (curve.plateau + curve.drive), 1, 3)));
  EXPECT_TRUE(std::isfinite(curve.photons_for(1.1 * (curve.plateau + curve.drive), 1, 3)));
}

TEST(NoiseSensitivity, DerivativesEqualFiniteDifferences) {
  int effective = 0;
  for (const Device& device : {integrator(), amplifier(), sampled_twice()}) {
    const OperatingPoint point{50, 2, 2};
    const NoiseSlopes slopes = slopes_of(device, point);
    constexpr double h = 1e-5;
    const auto check = [&](double slope, const auto& moved, const std::string& name) {
      const double difference = std::log(moved(h) / moved(-h)) / (2 * h);
      EXPECT_NEAR(slope, difference, 1e-7 + 1e-6 * std::abs(difference)) << name;
      effective += std::abs(difference) > 1e-6 ? 1 : 0;
    };
    for (std::size_t p = 0; p < device_parameters().size(); ++p) {
      const DeviceParameter& parameter = device_parameters()[p];
      const double value = parameter.in(device);
      if (value == 0) {
        EXPECT_EQ(slopes.per_parameter[p], 0) << parameter.key;
        continue;
      }
      check(
          slopes.per_parameter[p],
          [&](double step) {
            Device changed = device;
            double& target = parameter.of(changed);
            target = is_decibel(parameter) ? target + step : target * std::exp(step);
            return model_variance(changed, point);
          },
          parameter.key);
    }
    check(
        slopes.per_ln_photons,
        [&](double step) {
          OperatingPoint moved = point;
          moved.photons_per_mac *= std::exp(step);
          return model_variance(device, moved);
        },
        "photons");
    // The noise model takes whole repetitions only; the curve does not.
    const Chunks chunks = cut_into_chunks(device, point, product());
    const NoiseCurve curve =
        noise_curve(device, point, product(), {.correlation = correlation}, chunks.slots);
    check(
        slopes.per_ln_repetitions,
        [&](double step) {
          return curve.variance(50, 2 * std::exp(step), static_cast<double>(chunks.count));
        },
        "repetitions");
  }
  EXPECT_GT(effective, 40);
}

TEST(NoiseSensitivity, EveryParameterHasItsOwnKey) {
  for (std::size_t i = 0; i < device_parameters().size(); ++i) {
    EXPECT_EQ(parameter_index(device_parameters()[i].key), i);
  }
  EXPECT_THROW(parameter_index("laser.colour"), std::logic_error);
}

}  // namespace
}  // namespace attojoule::photonics
