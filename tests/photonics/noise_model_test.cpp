#include "photonics/noise_model.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"
#include "photonics/read_out.hpp"

namespace attojoule::photonics {
namespace {

constexpr double q = constants::elementary_charge_c;

Device integrator(double capacitance_f, double swing_v = 0) {
  Device device;
  device.name = "integrator";
  device.receiver.kind = ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = capacitance_f;
  device.receiver.voltage_swing_v = swing_v;
  return device;
}

Device transimpedance(double feedback_ohm) {
  Device device;
  device.name = "tia";
  device.receiver.kind = ReceiverKind::transimpedance;
  device.receiver.feedback_resistance_ohm = feedback_ohm;
  return device;
}

const DotProduct product{.length = 256,
                         .weight_full_scale = 0.7,
                         .input_full_scale = 3,
                         .weight_range = 1.3,
                         .input_range = 3};

NoiseModel homodyne(const Device& device, Encoding encoding, double photons,
                    double repetitions = 1) {
  return compile_noise_model(device, Law::homodyne, encoding,
                             {.photons_per_mac = photons, .repetitions = repetitions}, product);
}

double variance(const NoiseModel& model, double w2, double x2, double y) {
  const VarianceCoefficients& c = model.variance;
  return c.constant + c.weight_norm * w2 + c.input_norm * x2 + c.norm_product * w2 * x2 +
         c.signal * y * y;
}

TEST(ReadOut, ElectronsOfEachReceiver) {
  EXPECT_EQ(read_out({}).variance(), 0);
  EXPECT_TRUE(std::isinf(read_out({}).full_well_electrons));

  Device device = integrator(1e-13, 0.8);
  device.adc = {.bits = 8, .full_scale_v = 0.5};
  ReadOut read = read_out(device);
  EXPECT_NEAR(read.receiver_noise_electrons, 127, 0.5);
  EXPECT_NEAR(read.full_well_electrons, 1e-13 * 0.8 / q, 1e-6);
  EXPECT_NEAR(read.converter_step_electrons, 0.5 / 256 * 1e-13 / q, 1e-9);
  EXPECT_NEAR(read.converter_half_range_electrons, 0.25 * 1e-13 / q, 1e-6);
  EXPECT_NEAR(
      read.variance(),
      std::pow(read.receiver_noise_electrons, 2) + std::pow(read.converter_step_electrons, 2) / 12,
      1e-9);

  device = transimpedance(1e4);
  device.receiver.integration_time_s = 2e-9;
  device.adc = {.bits = 6, .full_scale_v = 0.4};
  read = read_out(device);
  EXPECT_NEAR(read.receiver_noise_electrons,
              std::sqrt(2 * constants::boltzmann_j_per_k * 300 * 2e-9 / 1e4) / q, 1e-6);
  EXPECT_NEAR(read.converter_step_electrons, 0.4 / 64 * 2e-9 / (q * 1e4), 1e-9);
  EXPECT_TRUE(std::isinf(read.full_well_electrons));
}

// Equal beams, ideal receiver: |w||x| / sqrt(eta D n).
TEST(HomodyneModel, NormalisedClosedForm) {
  Device device;
  device.detector.quantum_efficiency = 0.8;
  const NoiseModel model = homodyne(device, Encoding::normalised, 5);
  EXPECT_NEAR(model.variance.norm_product, 1 / (0.8 * 256 * 5), 1e-15);
  EXPECT_EQ(model.variance.constant, 0);
  EXPECT_EQ(model.variance.weight_norm, 0);
  EXPECT_EQ(model.variance.input_norm, 0);
  EXPECT_EQ(model.variance.signal, 0);
  EXPECT_EQ(model.photons.constant, 256 * 5);
  EXPECT_EQ(model.photons.full_scale, 256 * 5);
  EXPECT_EQ(model.quantum_efficiency, 0.8);
  EXPECT_EQ(model.reads, 1);
  EXPECT_EQ(model.slots_per_read, 256);
  EXPECT_TRUE(std::isinf(model.clipping_correlation));
}

TEST(HomodyneModel, FullScaleClosedForm) {
  Device device;
  device.detector = {.quantum_efficiency = 0.7, .excess_noise_factor = 1.5};
  device.receiver.visibility = 0.9;
  device.receiver.phase_error_rad = 0.3;
  device.receiver.signal_beam_share = 0.2;
  const double n = 40, n_x = 8, n_w = 32;
  const double contrast2 = std::pow(0.9 * std::cos(0.3), 2);
  const NoiseModel model = homodyne(device, Encoding::full_scale, n);
  EXPECT_NEAR(model.variance.weight_norm / (1.5 * 9 / (4 * 0.7 * contrast2 * n_x)), 1, 1e-12);
  EXPECT_NEAR(model.variance.input_norm / (1.5 * 0.49 / (4 * 0.7 * contrast2 * n_w)), 1, 1e-12);
  EXPECT_EQ(model.variance.norm_product, 0);
  EXPECT_NEAR(model.photons.per_weight_norm, n_w / 0.49, 1e-12);
  EXPECT_NEAR(model.photons.per_input_norm, n_x / 9, 1e-12);
  EXPECT_EQ(model.photons.constant, 0);
  EXPECT_EQ(model.photons.full_scale, 256 * n);
}

// The two encodings agree where every amplitude is at full scale: same light, same variance.
TEST(HomodyneModel, EncodingsAgreeAtFullScale) {
  Device device = integrator(1e-14);
  device.detector = {.quantum_efficiency = 0.9, .excess_noise_factor = 1.2, .dark_current_a = 1e-8};
  device.laser.rin_per_hz = 1e-14;
  device.receiver.visibility = 0.8;
  device.receiver.signal_beam_share = 0.3;
  device.adc = {.bits = 6, .full_scale_v = 0.1};
  const double w2 = 256 * 0.49, x2 = 256 * 9;
  const NoiseModel a = homodyne(device, Encoding::normalised, 7);
  const NoiseModel b = homodyne(device, Encoding::full_scale, 7);
  EXPECT_NEAR(variance(a, w2, x2, 11) / variance(b, w2, x2, 11), 1, 1e-12);
  EXPECT_NEAR(b.photons.per_weight_norm * w2 + b.photons.per_input_norm * x2, a.photons.constant,
              1e-9);
  EXPECT_DOUBLE_EQ(a.clipping_correlation, b.clipping_correlation);
}

TEST(HomodyneModel, DarkAndReadNoiseAddUpInElectrons) {
  Device device = integrator(1e-14);
  device.detector.dark_current_a = 1e-7;
  const double n = 2, photons = 256 * n;
  const double dark = 2 * 1e-7 * 1e-9 / q;
  const double ktc = constants::boltzmann_j_per_k * 300 * 1e-14 / (q * q);
  const NoiseModel model = homodyne(device, Encoding::normalised, n);
  EXPECT_NEAR(model.variance.norm_product * photons * photons, photons + dark + ktc, 1e-6);
}

TEST(HomodyneModel, IntensityNoiseOnTheSignal) {
  Device device;
  device.laser.rin_per_hz = 2e-14;
  device.receiver.integration_time_s = 5e-9;
  EXPECT_NEAR(homodyne(device, Encoding::normalised, 1).variance.signal, 2e-14 / 1e-8, 1e-20);
  EXPECT_NEAR(homodyne(device, Encoding::full_scale, 1, 4).variance.signal, 2e-14 / 1e-8 / 4,
              1e-20);
}

// Repeating K times: every variance / K, light and reads times K. Integrating K times longer (K
// times the photons in one read) leaves the read noise in the sum once: its variance falls as K^-2.
TEST(HomodyneModel, RepetitionAgainstLongerIntegration) {
  const Device device = integrator(1e-13);
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    const double w2 = 20, x2 = 300;
    const double once = variance(homodyne(device, encoding, 3), w2, x2, 0);
    const NoiseModel repeated = homodyne(device, encoding, 3, 16);
    EXPECT_NEAR(variance(repeated, w2, x2, 0) / once, 1.0 / 16, 1e-12);
    EXPECT_EQ(repeated.reads, 16);
    const NoiseModel longer = homodyne(device, encoding, 48);
    const double shot = variance(homodyne({}, encoding, 3), w2, x2, 0);
    EXPECT_NEAR(variance(longer, w2, x2, 0), shot / 16 + (once - shot) / 256, 1e-12 * once);
    EXPECT_EQ(longer.reads, 1);
    EXPECT_EQ(longer.photons.full_scale, repeated.photons.full_scale);
  }
}

TEST(HomodyneModel, FullWellCutsTheDotProduct) {
  // 100 aF and 0.5 V hold 312 electrons; a slot of 3 photons can put 3 on one diode: 104 slots.
  Device device = integrator(1e-16, 0.5);
  NoiseModel model = homodyne(device, Encoding::full_scale, 3);
  EXPECT_EQ(model.slots_per_read, 104);
  EXPECT_EQ(model.reads, 3);
  const double read = read_out(device).variance();
  const double gain = 3 / (0.7 * 3);
  EXPECT_NEAR(model.variance.constant, 3 * read / (gain * gain), 1e-12);
  EXPECT_EQ(homodyne(device, Encoding::full_scale, 3, 5).reads, 15);
  // Unequal beams and dark current: (1 + 2 V sqrt(s(1-s))) / 2 of the light, plus the dark
  // electrons.
  device.receiver.signal_beam_share = 0.1;
  device.detector.dark_current_a = 256 * q / 1e-9;  // one electron a slot
  model = homodyne(device, Encoding::normalised, 3);
  EXPECT_EQ(model.slots_per_read, static_cast<int>(312.0 / (3 * (1 + 0.6) / 2 + 1)));
  // One symbol alone is too much.
  EXPECT_THROW(homodyne(device, Encoding::normalised, 400), ConfigError);
  // No limit without a voltage swing.
  EXPECT_EQ(homodyne(integrator(1e-16), Encoding::normalised, 400).reads, 1);
}

TEST(HomodyneModel, ClippingCorrelation) {
  Device device = integrator(1e-15);
  device.adc = {.bits = 8, .full_scale_v = 0.1};
  // Half range: 0.05 V * 1 fF / q = 312 electrons; full correlation gives D n = 2560.
  EXPECT_NEAR(homodyne(device, Encoding::normalised, 10).clipping_correlation, 312.08 / 2560, 1e-5);
}

// Switching every imperfection off gives the ideal receiver to the last bit.
TEST(HomodyneModel, IdealLimit) {
  Device device;
  device.detector.excess_noise_factor = 1;
  device.detector.dark_current_a = 0;
  const NoiseModel ideal = homodyne({}, Encoding::full_scale, 9);
  const NoiseModel limit = homodyne(device, Encoding::full_scale, 9);
  EXPECT_EQ(limit.variance.weight_norm, ideal.variance.weight_norm);
  device = integrator(1e-30);
  EXPECT_LT(homodyne(device, Encoding::full_scale, 9).variance.constant, 1e-12);
}

RC_GTEST_PROP(HomodyneProperty, EveryImperfectionOnlyAddsNoise, ()) {
  const auto unit = [] { return *rc::gen::inRange(1, 1000) / 1000.0; };
  Device device = integrator(unit() * 1e-13);
  device.detector = {.quantum_efficiency = unit(),
                     .excess_noise_factor = 1 + unit(),
                     .dark_current_a = unit() * 1e-7};
  device.receiver.visibility = unit();
  device.receiver.phase_error_rad = unit();
  device.receiver.signal_beam_share = unit() * 0.999;
  device.laser.rin_per_hz = unit() * 1e-13;
  const double n = unit() * 100, w2 = unit() * 10, x2 = unit() * 100;
  const double y = std::sqrt(w2 * x2) * unit();
  for (const Encoding encoding : {Encoding::normalised, Encoding::full_scale}) {
    const double ideal_share = variance(homodyne({}, Encoding::normalised, n), w2, x2, y);
    const double real = variance(homodyne(device, encoding, n), w2, x2, y);
    RC_ASSERT(std::isfinite(real));
    if (encoding == Encoding::normalised) RC_ASSERT(real >= ideal_share * (1 - 1e-12));
    const double more_light = variance(homodyne(device, encoding, 2 * n), w2, x2, y);
    RC_ASSERT(more_light < real);
  }
}

TEST(OtherLaws, Coefficients) {
  const OperatingPoint point{.photons_per_mac = 25, .repetitions = 4};
  NoiseModel model = compile_noise_model({}, Law::garg_shot, Encoding::normalised, point, product);
  EXPECT_DOUBLE_EQ(model.variance.norm_product, 1.0 / (256 * 25 * 4));
  EXPECT_EQ(model.photons.constant, 256 * 25 * 4);

  model = compile_noise_model({}, Law::garg_thermal, Encoding::normalised, point, product);
  EXPECT_NEAR(model.variance.constant, std::pow(0.01 * 1.3 * 3, 2) * 256 / 100, 1e-15);
  EXPECT_EQ(model.photons.constant, 0);
  EXPECT_EQ(model.reads, 100);

  model = compile_noise_model({}, Law::garg_weight, Encoding::normalised, point, product);
  EXPECT_NEAR(model.weight_noise, 0.1 * 1.3 / 10, 1e-15);
  EXPECT_TRUE(model.variance.is_zero());

  Device device;
  device.detector.quantum_efficiency = 0.5;
  model = compile_noise_model(device, Law::counting, Encoding::normalised, point, product);
  EXPECT_TRUE(model.variance.is_zero());
  EXPECT_EQ(model.photons_per_multiplication, 100);
  EXPECT_EQ(model.photons.constant, 25600);
  EXPECT_EQ(model.quantum_efficiency, 0.5);
  EXPECT_EQ(model.reads, 4);
}

TEST(OtherLaws, RefuseADeviceWithNoiseOfItsOwn) {
  const OperatingPoint point{.photons_per_mac = 25};
  const auto refused = [&](const Device& device, Law law) {
    try {
      compile_noise_model(device, law, Encoding::normalised, point, product);
    } catch (const ConfigError& error) {
      return std::string(error.what()).find("has no place in law") != std::string::npos;
    }
    return false;
  };
  for (const Law law : {Law::counting, Law::garg_shot, Law::garg_thermal, Law::garg_weight}) {
    EXPECT_FALSE(refused({}, law));
    EXPECT_TRUE(refused(integrator(1e-13), law));
    EXPECT_TRUE(refused(transimpedance(1e4), law));
    Device device;
    device.detector.dark_current_a = 1e-9;
    EXPECT_TRUE(refused(device, law));
    device = {};
    device.detector.excess_noise_factor = 2;
    EXPECT_TRUE(refused(device, law));
    device = {};
    device.laser.rin_per_hz = 1e-15;
    EXPECT_TRUE(refused(device, law));
    device = {};
    device.receiver.visibility = 0.9;
    EXPECT_TRUE(refused(device, law));
    device = {};
    device.receiver.phase_error_rad = 0.1;
    EXPECT_TRUE(refused(device, law));
    device = {};
    device.receiver.signal_beam_share = 0.4;
    EXPECT_TRUE(refused(device, law));
    device = {};
    device.detector.quantum_efficiency = 0.9;
    EXPECT_EQ(refused(device, law), law != Law::counting);
    // Losses and energies are the ledger's business.
    device = {};
    device.link.coupling_loss_db = 3;
    device.laser.wall_plug_efficiency = 0.2;
    device.adc.energy_per_conversion_j = 1e-12;
    EXPECT_FALSE(refused(device, law));
  }
}

TEST(CompileNoiseModel, RefusesWhatMakesNoSense) {
  const auto message = [](Law law, Encoding encoding, const OperatingPoint& point,
                          const DotProduct& dot) -> std::string {
    try {
      compile_noise_model({}, law, encoding, point, dot);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  const auto starts = [](const std::string& text, const char* place) {
    return text.rfind(place, 0) == 0 && text.find("). ") != std::string::npos;
  };
  for (const double photons : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_TRUE(
        starts(message(Law::homodyne, Encoding::normalised, {.photons_per_mac = photons}, product),
               "operating_point.photons_per_mac: "));
  }
  for (const double repetitions : {0.0, 1.5, -2.0, std::nan("")}) {
    EXPECT_TRUE(starts(message(Law::homodyne, Encoding::normalised,
                               {.photons_per_mac = 1, .repetitions = repetitions}, product),
                       "operating_point.repetitions: "));
  }
  const OperatingPoint point{.photons_per_mac = 1};
  EXPECT_TRUE(starts(message(Law::homodyne, Encoding::normalised, point, {}), "matrix product: "));
  EXPECT_TRUE(starts(message(Law::homodyne, Encoding::full_scale, point, {.length = 3}),
                     "matrix product: its weight full scale"));
  EXPECT_TRUE(starts(
      message(Law::homodyne, Encoding::full_scale, point, {.length = 3, .weight_full_scale = 1}),
      "matrix product: its input full scale"));
  EXPECT_TRUE(starts(
      message(Law::garg_thermal, Encoding::normalised, point, {.length = 3, .weight_range = 1}),
      "matrix product: its input range"));
  EXPECT_TRUE(starts(message(Law::garg_weight, Encoding::normalised, point, {.length = 3}),
                     "matrix product: its weight range"));
  for (const double range : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_TRUE(starts(message(Law::garg_weight, Encoding::normalised, point,
                               {.length = 3, .weight_range = range}),
                       "matrix product: its weight range is not known"));
  }
  // A channel that was pruned away never changes: it has no noise, and is no error.
  const DotProduct dead{.length = 3, .weight_range = 0, .input_range = 1};
  EXPECT_EQ(message(Law::garg_thermal, Encoding::normalised, point, dead), "");
  EXPECT_EQ(message(Law::garg_weight, Encoding::normalised, point, dead), "");
  EXPECT_TRUE(starts(message(Law::garg_shot, Encoding::full_scale, point, product), "encoding: "));
  EXPECT_EQ(message(Law::homodyne, Encoding::normalised, point, {.length = 3}), "");
}

// V8 of the validation plan.
TEST(NoiseBits, StepOfAQuantiserIsItsRoundingError) {
  EXPECT_NEAR(noise_bits(1, 1.132e-3), 8, 0.001);
  EXPECT_NEAR(noise_bits(1, 1.924e-2), 4, 0.001);
  for (const double bits : {1.0, 4.0, 8.0, 12.0}) {
    const double step = 5 / (std::exp2(bits) - 1);
    EXPECT_NEAR(noise_bits(5, step / std::sqrt(12.0)), bits, 1e-12);
  }
  // Four times the energy halves sigma.
  EXPECT_NEAR(noise_bits(1, 1e-4) - noise_bits(1, 2e-4), 1, 0.02);
  EXPECT_GT(std::abs(noise_bits(1, 1.1 * 1.132e-3) - 8), 0.02);
  EXPECT_TRUE(std::isinf(noise_bits(1, 0)));
  EXPECT_EQ(noise_bits(0, 1), 0);
}

}  // namespace
}  // namespace attojoule::photonics
