#include "calibration/mach_zehnder_curve.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

constexpr double v_pi = 3.4, most_w = 4e-4, share = 0.01;

// A curve without points, of 1 % and 0.2 uW of noise.
MachZehnderData noisy_curve() {
  MachZehnderData data;
  data.curve.y_unit = "W";
  data.curve.relative = 0.01;
  data.curve.floor = 2e-7;
  data.floor = 0;
  data.input_power = 1e-3;
  return data;
}

template <class Random>
void add_point(MachZehnderData& data, double x, double phi, Random& random) {
  const double y = most_w / 2 * (1 + share + (1 - share) * std::cos(phi));
  data.curve.x.push_back(x);
  data.curve.y.push_back(y +
                         std::hypot(data.curve.relative * y, data.curve.floor) * random.normal());
}

MachZehnderData modulator(int trial, double kappa = 0, double from = -2, double to = 8) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 71);
  MachZehnderData data = noisy_curve();
  data.curve.x_unit = "V";
  constexpr int n = 40;
  for (int i = 0; i < n; ++i) {
    const double volt = from + (to - from) * i / (n - 1), u = volt - 0.5 * (from + to);
    const double phi = 0.9 + std::numbers::pi * u * (1 + kappa * u) / v_pi;
    add_point(data, volt, phi, random);
  }
  return data;
}

TEST(MachZehnderCoverage, intervals_cover_as_they_say_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const std::vector<std::string> names{"half_wave_voltage", "maximum",
                                       "minimum_share",     "phase",
                                       "extinction_ratio",  "insertion_loss"};
  const std::vector<double> truth{v_pi, most_w, share, 0.9, 20, -10 * std::log10(0.4)};
  const auto covered = tests::coverage(
      trials, names, truth, [](int trial) { return calibrate_mach_zehnder(modulator(trial)); });
  for (const auto& one : covered) {
    EXPECT_NEAR(one.inside95, 0.95, tests::binomial_bound(0.95, trials));
    EXPECT_NEAR(one.inside68, 0.6827, tests::binomial_bound(0.6827, trials));
  }
  const auto unweighted =
      tests::coverage(400, {"half_wave_voltage", "minimum_share"}, {v_pi, share}, [](int trial) {
        MachZehnderData data = modulator(trial);
        data.curve.relative = data.curve.floor = 0;
        return calibrate_mach_zehnder(data);
      });
  EXPECT_GT(std::abs(unweighted[1].inside95 - 0.95), tests::binomial_bound(0.95, 400));
}

TEST(MachZehnderCurve, figures_and_bias) {
  MachZehnderData data = modulator(1);
  data.length_cm = 0.3;
  data.bias_v = 3 + (std::numbers::pi - 0.9) * v_pi / std::numbers::pi + 0.1;  // 0.1 V off the null
  const auto result = calibrate_mach_zehnder(data);
  EXPECT_EQ(result.verdict, Verdict::accepted);
  const Estimate& bias = result.parameter("bias_error");
  EXPECT_NEAR(bias.value, 0.5 * std::numbers::pi * 0.1 / v_pi, 4 * bias.combined());
  EXPECT_EQ(result.device.size(), 4U);
  EXPECT_EQ(result.figures.back().name, "half_wave_voltage_length");
  EXPECT_NEAR(result.figures.back().value, 0.3 * v_pi, 0.01);
}

TEST(MachZehnderCurve, a_phase_that_is_not_linear_is_rejected_or_fitted) {
  MachZehnderData data = modulator(2, 0.03);
  const auto straight = calibrate_mach_zehnder(data);
  EXPECT_EQ(straight.verdict, Verdict::rejected);
  EXPECT_THAT(straight.reasons, testing::Contains(HasSubstr("--curved-phase")));
  data.curved_phase = true;
  const auto curved = calibrate_mach_zehnder(data);
  EXPECT_EQ(curved.verdict, Verdict::accepted);
  EXPECT_NEAR(curved.parameter("half_wave_voltage").value, v_pi,
              4 * curved.parameter("half_wave_voltage").combined());
  EXPECT_NEAR(curved.parameter("curvature").value, 0.03, 4 * curved.parameter("curvature").u_a);
}

TEST(MachZehnderCurve, extinction_below_the_noise_is_a_lower_limit) {
  MachZehnderData data = modulator(3);
  data.curve.relative = 0;
  data.curve.floor = 1e-5;
  auto random = tests::lab_numbers(3, 72);
  for (double& y : data.curve.y) y += 1e-5 * random.normal() - share * most_w;
  const auto result = calibrate_mach_zehnder(data);
  EXPECT_THROW(result.parameter("extinction_ratio"), ConfigError);
  EXPECT_EQ(result.figures.front().name, "extinction_ratio_lower_limit");
  EXPECT_GT(result.figures.front().value, 12);
}

TEST(MachZehnderCurve, what_the_sweep_cannot_tell_is_said) {
  // A third of V_pi about quadrature, and one voltage.
  EXPECT_EQ(calibrate_mach_zehnder(modulator(4, 0, 3.2, 4.3)).verdict, Verdict::not_identifiable);
  MachZehnderData still = modulator(5);
  for (double& v : still.curve.x) v = 1;
  EXPECT_EQ(calibrate_mach_zehnder(still).verdict, Verdict::not_identifiable);
  // More light out than in.
  MachZehnderData gain = modulator(6);
  gain.input_power = 1e-4;
  const auto result = calibrate_mach_zehnder(gain);
  EXPECT_EQ(result.verdict, Verdict::rejected);
  EXPECT_NEAR(result.parameter("insertion_loss").value, -6.02, 0.1);
}

// A heater of 800 ohm that needs 20 mW for a phase of pi: over its voltage, 4 V, or its power.
MachZehnderData heater(int trial, PhaseShifter shifter, double warming = 0) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 72);
  MachZehnderData data = noisy_curve();
  data.shifter = shifter;
  for (int i = 0; i <= 120; ++i) {
    const double volt = 0.08 * i;
    // Resistance that rises with the power takes less of it.
    const double power = volt * volt / 800 / (1 + warming * volt * volt);
    const double phi = 0.7 + std::numbers::pi * power / 20e-3;
    add_point(data, shifter == PhaseShifter::heater_power ? power : volt, phi, random);
  }
  return data;
}

TEST(MachZehnderCurve, a_heater_turns_the_phase_with_its_power) {
  const auto near = [](const Estimate& e, double truth) {
    EXPECT_NEAR(e.value, truth, 4 * e.combined()) << e.name;
    EXPECT_LT(e.combined(), 0.05 * std::abs(truth)) << e.name;
  };
  const auto by_voltage = calibrate_mach_zehnder(heater(1, PhaseShifter::heater_voltage));
  ASSERT_EQ(by_voltage.verdict, Verdict::accepted) << testing::PrintToString(by_voltage.reasons);
  near(by_voltage.parameter("half_wave_voltage"), 4);
  near(by_voltage.parameter("phase"), 0.7);
  near(by_voltage.parameter("extinction_ratio"), 20);
  const auto by_power = calibrate_mach_zehnder(heater(2, PhaseShifter::heater_power, 0.003));
  ASSERT_EQ(by_power.verdict, Verdict::accepted) << testing::PrintToString(by_power.reasons);
  near(by_power.parameter("half_wave_power"), 20e-3);
  for (const auto& figure : by_power.figures) {
    if (figure.name == "power_of_minimum") near(figure, 20e-3 * (3 - 0.7 / std::numbers::pi));
  }
  // The simulator drives no heater: its voltage must not become a modulator's.
  for (const auto* result : {&by_voltage, &by_power}) {
    EXPECT_EQ(result->device.size(), 2U);
    for (const auto& entry : result->device) EXPECT_NE(entry.key, "modulator.half_wave_voltage");
  }
}

TEST(MachZehnderCurve, a_heater_taken_for_another_one_is_refused) {
  // As a plain voltage, and over V^2 although the resistance rises.
  MachZehnderData plain = heater(1, PhaseShifter::heater_voltage);
  plain.shifter = PhaseShifter::voltage;
  for (const bool known : {true, false}) {
    if (!known) plain.curve.relative = plain.curve.floor = 0;
    const auto refused = calibrate_mach_zehnder(plain);
    EXPECT_NE(refused.verdict, Verdict::accepted);
    EXPECT_FALSE(refused.reasons.empty());
  }
  MachZehnderData warm = heater(1, PhaseShifter::heater_voltage, 0.003);
  const auto refused = calibrate_mach_zehnder(warm);
  EXPECT_NE(refused.verdict, Verdict::accepted);
  EXPECT_THAT(refused.reasons, testing::Contains(HasSubstr("--heater-power")));
  warm.length_cm = 1;
  EXPECT_THROW(calibrate_mach_zehnder(warm), ConfigError);
}

}  // namespace
}  // namespace attojoule::calibration
