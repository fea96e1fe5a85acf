#include "calibration/resonator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "calibration/add_drop_ring.hpp"
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

// Resonances over 4 THz of a guide whose group index changes: FSR 250 GHz, `slope` of it more from
// one to the next.
ResonatorData wide(int trial, double slope) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 93);
  ResonatorData data;
  data.curve.y_unit = "W";
  const double a = amplitude, r = coupler;
  for (int i = 0; i < 4000; ++i) {
    const double f = centre_hz + 4e12 * (i - 2000) / 4000 + 30e9;
    const double n = (f - centre_hz) / fsr_hz;
    const double cosine = std::cos(2 * std::numbers::pi * n * (1 - 0.5 * slope * n));
    const double y =
        (a * a - 2 * r * a * cosine + r * r) / (1 - 2 * a * r * cosine + a * a * r * r);
    data.curve.x.push_back(f);
    data.curve.y.push_back(1e-3 * y * (1 + 0.005 * random.normal()));
  }
  data.curve.relative = 0.005;
  return data;
}

TEST(Resonator, a_wide_sweep_tells_the_dispersion) {
  // Half a width, and a dozen of widths, off even spacing at the ends of the sweep.
  for (const double slope : {0.0002, -0.002}) {
    ResonatorData data = wide(1, slope);
    data.coupling = Coupling::under;
    const auto result = calibrate_resonator(data);
    ASSERT_EQ(result.verdict, Verdict::accepted) << testing::PrintToString(result.reasons);
    for (const auto& [name, truth] :
         {std::pair{"fsr", fsr_hz}, std::pair{"fsr_slope", slope},
          std::pair{"frequency", centre_hz}, std::pair{"round_trip_amplitude", amplitude},
          std::pair{"self_coupling", coupler}}) {
      const Estimate& e = result.parameter(name);
      EXPECT_NEAR(e.value, truth, 4 * e.combined()) << name << " " << slope;
    }
    EXPECT_LT(result.parameter("fsr_slope").combined(), 1e-5);
  }
  // Without dispersion there is none to find.
  EXPECT_THROW(calibrate_resonator(wide(2, 0)).parameter("fsr_slope"), ConfigError);
}

AddDropData both_ports(int trial, double r1, double r2, double a, double drop_scale = 1,
                       double drop_shift_hz = 0) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 94);
  AddDropData data;
  for (int i = 0; i < 400; ++i) {
    const double f = centre_hz + 400e9 * (i - 120) / 400;
    const double p = r1 * r2 * a;
    const auto whole = [&](double at) {
      return 1 - 2 * p * std::cos(2 * std::numbers::pi * (at - centre_hz) / fsr_hz) + p * p;
    };
    const double cosine = std::cos(2 * std::numbers::pi * (f - centre_hz) / fsr_hz);
    const double through = (std::pow(r2 * a, 2) - 2 * p * cosine + r1 * r1) / whole(f);
    const double drop = drop_scale * (1 - r1 * r1) * (1 - r2 * r2) * a / whole(f - drop_shift_hz);
    for (auto [curve, y] : {std::pair{&data.through, through}, std::pair{&data.drop, drop}}) {
      y *= 2e-4;
      curve->x.push_back(f);
      curve->y.push_back(y + std::hypot(0.005 * y, 1e-8) * random.normal());
    }
  }
  for (CurveData* curve : {&data.through, &data.drop}) {
    curve->y_unit = "W";
    curve->relative = 0.005;
    curve->floor = 1e-8;
  }
  return data;
}

TEST(AddDropRing, both_ports_tell_unlike_couplers_and_the_loss) {
  constexpr int trials = 120;
  const std::vector<std::string> names{"linewidth", "round_trip_amplitude", "self_coupling",
                                       "second_self_coupling", "propagation_loss"};
  const double p = 0.97 * 0.985 * 0.99;
  const double width = 2 * fsr_hz / std::numbers::pi * std::asin((1 - p) / (2 * std::sqrt(p)));
  const auto covered = tests::coverage(
      trials, names, {width, 0.99, 0.97, 0.985, -20 * std::log10(0.99) / 0.03}, [](int trial) {
        AddDropData data = both_ports(trial, 0.97, 0.985, 0.99);
        data.coupling = Coupling::over;  // 0.985 * 0.99 > 0.97
        data.circumference_cm = 0.03;
        return calibrate_add_drop(data);
      });
  for (const auto& one : covered) {
    EXPECT_NEAR(one.inside95, 0.95, tests::binomial_bound(0.95, trials));
  }
}

TEST(AddDropRing, what_is_not_told_is_not_given) {
  AddDropData data = both_ports(1, 0.97, 0.985, 0.99);
  data.path_length_cm = 1;
  data.circumference_cm = 0.03;
  const auto unknown = calibrate_add_drop(data);
  EXPECT_EQ(unknown.verdict, Verdict::accepted) << testing::PrintToString(unknown.reasons);
  EXPECT_THROW(unknown.parameter("round_trip_amplitude"), ConfigError);
  EXPECT_THAT(unknown.identifiability, HasSubstr("--coupling"));
  EXPECT_TRUE(unknown.device.empty());
  ASSERT_EQ(unknown.figures.size(), 2U);
  // Told wrongly it is another ring with the same two curves.
  data.coupling = Coupling::under;
  const auto wrong = calibrate_add_drop(data);
  EXPECT_EQ(wrong.verdict, Verdict::accepted);
  EXPECT_NEAR(wrong.parameter("self_coupling").value, 0.985 * 0.99, 1e-4);
  EXPECT_EQ(wrong.device.size(), 1U);
  // A loss behind one port that nobody told is a loss of the ring, up to its uncertainty.
  AddDropData lossy = both_ports(3, 0.97, 0.985, 0.99, std::pow(10, -0.03));
  lossy.coupling = Coupling::over;
  lossy.ratio_uncertainty_db = 0.3;
  const Estimate a = calibrate_add_drop(lossy).parameter("round_trip_amplitude");
  EXPECT_NEAR(a.value, 0.99, 2 * a.combined());
  EXPECT_GT(a.u_b, 3 * a.u_a);
}

TEST(AddDropRing, ports_that_contradict_each_other_are_refused) {
  // The ring was warmer in the second sweep; and a drop port that gives more than goes in.
  const auto warm = calibrate_add_drop(both_ports(1, 0.97, 0.985, 0.99, 1, 0.5e9));
  EXPECT_EQ(warm.verdict, Verdict::rejected);
  EXPECT_THAT(warm.reasons, testing::Contains(HasSubstr("the two ports disagree")));
  const auto bright = calibrate_add_drop(both_ports(1, 0.97, 0.985, 0.99, 2));
  EXPECT_EQ(bright.verdict, Verdict::rejected);
  EXPECT_THAT(bright.reasons, testing::Contains(HasSubstr("energy conservation")));
}

}  // namespace
}  // namespace attojoule::calibration
