#include "calibration/resonator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

constexpr double amplitude = 0.97, coupler = 0.985, fsr_hz = 250e9, centre_hz = 193.4e12;

double ring(double f) {
  const double phi = 2 * std::numbers::pi * (f - centre_hz) / fsr_hz;
  const double a = amplitude, r = coupler;
  return (a * a - 2 * r * a * std::cos(phi) + r * r) /
         (1 - 2 * a * r * std::cos(phi) + a * a * r * r);
}

ResonatorData sweep(int trial, double span_hz, int n) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 91);
  ResonatorData data;
  data.curve.y_unit = "W";
  for (int i = 0; i < n; ++i) {
    const double f = centre_hz + span_hz * (i - 0.45 * n) / n;
    const double y = 2e-4 * ring(f);
    data.curve.x.push_back(f);
    data.curve.y.push_back(y + std::hypot(0.01 * y, 2e-7) * random.normal());
  }
  data.curve.relative = 0.01;
  data.curve.floor = 2e-7;
  return data;
}

TEST(ResonatorCoverage, intervals_cover_as_they_say_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const auto one = [](int trial) {
    ResonatorData data = sweep(trial, 24e9, 60);
    data.fsr_hz = fsr_hz;
    data.coupling = Coupling::under;
    return data;
  };
  const std::vector<std::string> names{"frequency", "round_trip_amplitude", "self_coupling"};
  const std::vector<double> truth{centre_hz, amplitude, coupler};
  const auto covered = tests::coverage(trials, names, truth,
                                       [&](int trial) { return calibrate_resonator(one(trial)); });
  for (const auto& share : covered) {
    EXPECT_NEAR(share.inside95, 0.95, tests::binomial_bound(0.95, trials));
    EXPECT_NEAR(share.inside68, 0.6827, tests::binomial_bound(0.6827, trials));
  }
  const auto unweighted = tests::coverage(
      400, {"minimum_transmission"},
      {std::pow((amplitude - coupler) / (1 - amplitude * coupler), 2)}, [&](int trial) {
        ResonatorData data = one(trial);
        data.curve.relative = data.curve.floor = 0;
        return calibrate_resonator(data);
      });
  EXPECT_GT(std::abs(unweighted[0].inside95 - 0.95), tests::binomial_bound(0.95, 400));
}

// Two couplers r and the ring's amplitude a: through or drop port.
ResonatorData add_drop(int trial, bool drop, double a, double r) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 92);
  ResonatorData data;
  data.drop_port = drop;
  data.curve.y_unit = "W";
  for (int i = 0; i < 900; ++i) {
    const double f = centre_hz + 600e9 * (i - 400) / 900;
    const double cosine = std::cos(2 * std::numbers::pi * (f - centre_hz) / fsr_hz);
    const double whole = 1 - 2 * r * r * a * cosine + std::pow(r * r * a, 2);
    const double through = (r * r - 2 * r * r * a * cosine + std::pow(r * a, 2)) / whole;
    const double dropped = std::pow(1 - r * r, 2) * a / whole;
    const double y = 2e-4 * (drop ? dropped : through);
    data.curve.x.push_back(f);
    data.curve.y.push_back(y + std::hypot(0.005 * y, 1e-8) * random.normal());
  }
  data.curve.relative = 0.005;
  data.curve.floor = 1e-8;
  return data;
}

TEST(Resonator, an_add_drop_ring_of_equal_couplers_needs_no_phase) {
  for (const double a : {0.99, 0.95}) {  // more and less than the couplers take
    ResonatorData data = add_drop(1, false, a, 0.97);
    data.equal_couplers = true;
    data.circumference_cm = 0.03;
    data.path_length_cm = 1;
    const auto result = calibrate_resonator(data);
    ASSERT_EQ(result.verdict, Verdict::accepted);
    const auto near = [&](const char* name, double truth) {
      EXPECT_NEAR(result.parameter(name).value, truth, 4 * result.parameter(name).combined())
          << name << " " << a;
      EXPECT_LT(result.parameter(name).combined(), 0.05 * truth);
    };
    near("round_trip_amplitude", a);
    near("self_coupling", 0.97);
    near("propagation_loss", -20 * std::log10(a) / 0.03);
    // Rates add up: 1 / Q = 1 / Q_i + 2 / Q_c.
    EXPECT_NEAR(
        1 / result.parameter("intrinsic_q").value + 2 / result.parameter("coupling_q").value,
        1 / result.parameter("q").value, 1e-9 / result.parameter("q").value);
    ASSERT_EQ(result.device.size(), 1U);
    data.equal_couplers = false;
    EXPECT_THROW(calibrate_resonator(data).parameter("round_trip_amplitude"), ConfigError);
  }
}

TEST(Resonator, a_drop_port_knows_the_width_and_the_product) {
  const auto result = calibrate_resonator(add_drop(2, true, 0.98, 0.97));
  ASSERT_EQ(result.verdict, Verdict::accepted) << testing::PrintToString(result.reasons);
  const auto through = calibrate_resonator(add_drop(2, false, 0.98, 0.97));
  for (const char* name : {"linewidth", "fsr", "q", "finesse"}) {
    EXPECT_NEAR(
        result.parameter(name).value, through.parameter(name).value,
        5 * std::hypot(result.parameter(name).combined(), through.parameter(name).combined()))
        << name;
  }
  const Estimate& product = result.parameter("amplitude_product");
  EXPECT_NEAR(product.value, 0.98 * 0.97 * 0.97, 4 * product.combined());
  EXPECT_TRUE(result.device.empty());
  EXPECT_THAT(result.identifiability, HasSubstr("product of round-trip amplitude"));
  ResonatorData told = add_drop(2, true, 0.98, 0.97);
  told.coupling = Coupling::under;
  EXPECT_THROW(calibrate_resonator(told), ConfigError);
  // A dip is no peak, and a peak no dip.
  for (const bool drop : {false, true}) {
    ResonatorData other = add_drop(2, drop, 0.98, 0.97);
    other.drop_port = !drop;
    const auto refused = calibrate_resonator(other);
    EXPECT_EQ(refused.verdict, Verdict::not_identifiable);
    EXPECT_THAT(refused.identifiability, HasSubstr("--port drop"));
  }
}

TEST(Resonator, several_resonances_give_the_range_and_the_exchange_is_said) {
  ResonatorData data = sweep(1, 800e9, 1200);
  const auto unknown = calibrate_resonator(data);
  EXPECT_EQ(unknown.verdict, Verdict::accepted);
  EXPECT_NEAR(unknown.parameter("fsr").value, fsr_hz, 4 * unknown.parameter("fsr").combined());
  EXPECT_NEAR(unknown.parameter("larger").value, coupler,
              4 * unknown.parameter("larger").combined());
  EXPECT_NEAR(unknown.parameter("smaller").value, amplitude,
              4 * unknown.parameter("smaller").combined());
  EXPECT_THAT(unknown.identifiability, HasSubstr("enter alike"));
  EXPECT_TRUE(unknown.device.empty());
  data.coupling = Coupling::under;
  data.circumference_cm = 0.03;
  data.path_length_cm = 1;
  const auto told = calibrate_resonator(data);
  EXPECT_NEAR(told.parameter("round_trip_amplitude").value, amplitude,
              4 * told.parameter("round_trip_amplitude").combined());
  const Estimate& loss = told.parameter("propagation_loss");
  EXPECT_NEAR(loss.value, -20 * std::log10(amplitude) / 0.03, 4 * loss.combined());
  ASSERT_EQ(told.device.size(), 1U);
  EXPECT_EQ(told.device[0].key, "link.propagation_loss");
}

TEST(Resonator, one_resonance_has_q_but_no_finesse) {
  ResonatorData data = sweep(2, 24e9, 80);
  const auto result = calibrate_resonator(data);
  EXPECT_EQ(result.verdict, Verdict::accepted);
  EXPECT_THROW(result.parameter("finesse"), ConfigError);
  EXPECT_THAT(result.identifiability, HasSubstr("no free spectral range"));
  // Linewidth of the exact ring: sin(pi w / (2 FSR)) = (1 - p) / (2 sqrt p).
  const double p = amplitude * coupler;
  const double w = 2 * fsr_hz / std::numbers::pi * std::asin((1 - p) / (2 * std::sqrt(p)));
  EXPECT_NEAR(result.parameter("linewidth").value, w, 4 * result.parameter("linewidth").combined());
  EXPECT_NEAR(result.parameter("higher_q").value,
              centre_hz / (fsr_hz * (1 - coupler) / (std::numbers::pi)),
              0.1 * result.parameter("higher_q").value);
}

TEST(Resonator, what_the_sweep_cannot_tell_is_said) {
  // A fifth of a width.
  EXPECT_EQ(calibrate_resonator(sweep(3, 0.8e9, 40)).verdict, Verdict::not_identifiable);
  ResonatorData flat = sweep(4, 24e9, 60);
  auto random = tests::lab_numbers(4, 92);
  for (double& y : flat.curve.y) y = 2e-4 * (1 + 0.01 * random.normal());
  EXPECT_EQ(calibrate_resonator(flat).verdict, Verdict::not_identifiable);
  // A doublet is no single resonance.
  ResonatorData split = sweep(5, 24e9, 120);
  for (std::size_t i = 0; i < split.curve.x.size(); ++i) {
    const double f = split.curve.x[i];
    split.curve.y[i] = 1e-4 * (ring(f - 1.6e9) + ring(f + 1.6e9));
  }
  EXPECT_EQ(calibrate_resonator(split).verdict, Verdict::rejected);
}

}  // namespace
}  // namespace attojoule::calibration
