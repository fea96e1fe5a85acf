// Rate equations: closed forms, linear theory against simulated noise, and the order of the
// steppers.
#include "photonics/laser_dynamics.hpp"

#include <gtest/gtest.h>

#include <boost/numeric/odeint.hpp>
#include <cmath>
#include <complex>
#include <numbers>

#include "photonics/error.hpp"
#include "photonics/spectra.hpp"
#include "photonics/stochastic_step.hpp"
#include "photonics/units.hpp"
#include "tests/statistics.hpp"

namespace attojoule::photonics {
namespace {

constexpr double pi = std::numbers::pi;

// V16. The target for the damping at 78 mA, 12.9 / ns, is the textbook's 12.876 / ns to three
// digits: the textbook clamps the carriers at threshold, s = Gamma tau_p (I - I_th) / (q V), where
// the equations let gain compression raise them, which costs 0.4 % of the photons. The law of the
// damping is the same, gamma = 1/tau_n + (v_g a_0 s + eps s / tau_p) / (1 + eps s).
TEST(LaserDynamics, ThresholdRelaxationAndDamping) {
  const LaserDynamics laser{LaserParameters{}};
  EXPECT_NEAR(laser.threshold_current_a() / 33.46e-3, 1, 5e-3);
  EXPECT_NEAR(laser.relaxation_frequency_hz(50e-3) / 3.84e9, 1, 5e-3);
  EXPECT_NEAR(laser.relaxation_frequency_hz(78e-3) / 6.26e9, 1, 5e-3);
  EXPECT_NEAR(laser.damping_per_s(50e-3) / 5.47e9, 1, 5e-3);
  constexpr double q = 1.602176634e-19, carrier = 1e-9, photon = 3e-12, eps = 1e-23;
  constexpr double gain = 8.5e7 * 2.5e-20;  // v_g a_0
  const auto damping = [](double s) {
    return 1 / carrier + (gain * s + eps * s / photon) / (1 + eps * s);
  };
  const auto omega2 = [](double s) {
    return (gain * s / photon + eps * s / (carrier * photon)) / (1 + eps * s);
  };
  const double clamped =
      damping(0.4 * photon * (78e-3 - laser.threshold_current_a()) / (q * 1.5e-16));
  EXPECT_NEAR(clamped, 12.876e9, 1e6);
  EXPECT_NEAR(clamped / 12.9e9, 1, 5e-3);
  EXPECT_NEAR(laser.damping_per_s(78e-3) / clamped, 1, 5e-3);
  EXPECT_NEAR(laser.damping_per_s(78e-3), 12.829e9, 1e6);
  // The same law at the photons of the equations' own steady state, without spontaneous emission.
  LaserParameters quiet;
  quiet.spontaneous_share = 1e-9;
  const LaserDynamics silent(quiet);
  for (const double current : {50e-3, 78e-3}) {
    const double s = 0.4 * silent.steady_state(current).photons / 1.5e-16;
    EXPECT_NEAR(silent.damping_per_s(current) / damping(s), 1, 1e-6);
    EXPECT_NEAR(std::pow(2 * pi * silent.relaxation_frequency_hz(current), 2) / omega2(s), 1, 1e-6);
  }
  for (const double current : {50e-3, 78e-3}) {
    const LaserState s = laser.steady_state(current);
    const auto rate = laser.derivative({s.carriers, s.photons, 0}, current);
    EXPECT_LT(std::abs(rate[0]), 1e-9 * current / 1.6e-19);
    EXPECT_LT(std::abs(rate[1]), 1e-9 * current / 1.6e-19);
    const auto slope = [&](std::size_t i, double dn, double ds) {
      const auto up = laser.derivative({s.carriers + dn, s.photons + ds, 0}, current);
      const auto down = laser.derivative({s.carriers - dn, s.photons - ds, 0}, current);
      return (up[i] - down[i]) / (2 * (dn + ds));
    };
    const double dn = 1e-5 * s.carriers, ds = 1e-3 * s.photons;
    const double nn = slope(0, dn, 0), ns = slope(0, 0, ds), sn = slope(1, dn, 0),
                 ss = slope(1, 0, ds);
    EXPECT_NEAR(laser.damping_per_s(current) / -(nn + ss), 1, 1e-4);
    // Eigenvalues of the Jacobian: -gamma / 2 +- j sqrt((2 pi f_r)^2 - gamma^2 / 4).
    const std::complex<double> eigenvalue =
        ((nn + ss) + std::sqrt(std::complex<double>((nn - ss) * (nn - ss) + 4 * ns * sn))) / 2.0;
    EXPECT_NEAR(-2 * eigenvalue.real() / laser.damping_per_s(current), 1, 1e-4);
    EXPECT_NEAR(std::abs(eigenvalue) / (2 * pi * laser.relaxation_frequency_hz(current)), 1, 1e-4);
    EXPECT_NEAR(std::pow(2 * pi * laser.relaxation_frequency_hz(current), 2) / (nn * ss - ns * sn),
                1, 1e-4);
  }
}

// Light above threshold grows by eta_0 h nu / (2 q) per ampere, less gain compression.
TEST(LaserDynamics, LightCurrentLine) {
  const LaserDynamics laser{LaserParameters{}};
  const auto power = [&](double current) {
    return laser.power_w(laser.steady_state(current).photons);
  };
  const double slope = (power(60e-3) - power(50e-3)) / 10e-3;
  EXPECT_NEAR(slope / (0.2 * 0.953725), 1, 0.01);
  EXPECT_NEAR(std::abs(laser.modulation_response(55e-3, 0)) / slope, 1, 1e-3);
  EXPECT_LT(power(30e-3), 0.01 * power(50e-3));
}

// The response to a small step is the linear one: damped oscillation at sqrt(f_r^2 - gamma^2/16
// pi^2).
TEST(LaserDynamics, SmallStepRingsAtTheRelaxationFrequency) {
  const LaserDynamics laser{LaserParameters{}};
  const double step = 1e-12;
  const LaserTrace trace = laser.switch_on(50e-3, 50.01e-3, 4e-9, step);
  const double before = laser.power_w(laser.steady_state(50e-3).photons);
  const double after = laser.power_w(laser.steady_state(50.01e-3).photons);
  const double omega_r = 2 * pi * laser.relaxation_frequency_hz(50e-3);
  const double gamma = laser.damping_per_s(50e-3);
  const double omega = std::sqrt(omega_r * omega_r - gamma * gamma / 4);
  double worst = 0;
  for (std::size_t i = 0; i < trace.power_w.size(); ++i) {
    const double t = static_cast<double>(i) * step;
    const double linear = 1 - std::exp(-gamma * t / 2) *
                                  (std::cos(omega * t) + gamma / (2 * omega) * std::sin(omega * t));
    worst = std::max(worst, std::abs((trace.power_w[i] - before) / (after - before) - linear));
  }
  EXPECT_LT(worst, 5e-3);
}

// From the dark: delay tau_n ln(I / (I - I_th)) until the carriers reach threshold.
TEST(LaserDynamics, TurnOnDelay) {
  const LaserDynamics laser{LaserParameters{}};
  const double current = 60e-3, threshold = laser.threshold_current_a();
  const LaserTrace trace = laser.switch_on(0, current, 5e-9, 1e-12);
  const double end = laser.power_w(laser.steady_state(current).photons);
  std::size_t first = 0;
  while (trace.power_w[first] < end / 2) ++first;
  const double delay = 1e-9 * std::log(current / (current - threshold));
  EXPECT_GT(static_cast<double>(first) * 1e-12, delay);
  EXPECT_LT(static_cast<double>(first) * 1e-12, delay + 0.2e-9);
  EXPECT_NEAR(trace.power_w.back() / end, 1, 1e-3);
}

// Simulated noise against the linear theory: RIN around the relaxation oscillation, its floor 2 h
// nu / P, and the linewidth (1 + alpha^2) R_sp / (4 pi S).
TEST(LaserDynamics, NoiseSpectra) {
  const LaserDynamics laser{LaserParameters{}};
  const double current = 78e-3, step = 1e-12;
  constexpr std::size_t steps = 1 << 21;
  RandomSequence random({.seed = 5, .domain = NoiseDomain::laser}, 0);
  const LaserTrace trace =
      laser.simulate_noise(current, step, steps, StochasticScheme::heun, random);
  const PowerSpectrum rin = rin_spectrum(trace.power_w, 1 / step, 8192);
  const double independent = 1.8 * static_cast<double>(steps) / 8192 / 2;
  for (const double f : {2e9, 6.2e9, 9e9}) {
    const double low = f - 0.5e9, high = f + 0.5e9;
    double expected = 0;
    for (int i = 0; i <= 20; ++i) expected += laser.rin_per_hz(current, low + i * 5e7) / 21;
    const double ratio = mean_density(rin, low, high) / expected;
    const double bound = 5 / std::sqrt(independent * 8) + 0.03;  // 0.03: fixed step of 1 ps
    EXPECT_NEAR(ratio, 1, bound) << f;
    EXPECT_GT(std::abs(1.4 * ratio - 1), bound) << f;
  }
  const double power = laser.power_w(laser.steady_state(current).photons);
  const double floor = value_in(second, shot_noise_rin(1300e-9 * metre, power * watt));
  EXPECT_NEAR(10 * std::log10(mean_density(rin, 300e9, 499e9) / floor), 0, 1);
  // The cavity (53 GHz) still filters its excess noise there; far above only the floor is left.
  EXPECT_NEAR(10 * std::log10(laser.rin_per_hz(current, 4e12) / floor), 0, 0.02);

  const double width = lorentzian_linewidth_hz(
      frequency_noise_spectrum(trace.phase_rad, 1 / step, 1 << 15), 3e7, 6e8);
  const double bound = 5 / std::sqrt(20 * 1.8 * static_cast<double>(steps) / (1 << 15) / 2) + 0.03;
  EXPECT_NEAR(width / laser.linewidth_hz(current), 1, bound);
  EXPECT_LT(bound, 0.2);
  EXPECT_GT(std::abs(1.5 * width / laser.linewidth_hz(current) - 1), bound);
  const LaserState s = laser.steady_state(current);
  const double schawlow = 3e-5 * s.carriers / 1e-9 * 26 / (4 * pi * s.photons);
  EXPECT_NEAR(laser.linewidth_hz(current) / schawlow, 1, 0.1);
}

// V17: var(phi(t) - phi(0)) = 2 pi Delta-nu t, without amplitude-phase coupling and beyond the
// relaxation oscillation.
TEST(LaserDynamics, PhaseDiffusion) {
  LaserParameters parameters;
  parameters.linewidth_enhancement = 0;
  const LaserDynamics laser(parameters);
  // 65536 increments: 5 standard errors of their variance are 2.8 %.
  constexpr std::size_t steps = 1 << 20, lag = 16;
  RandomSequence random({.seed = 6, .domain = NoiseDomain::laser}, 0);
  const LaserTrace trace =
      laser.simulate_noise(50e-3, 1e-12, steps, StochasticScheme::euler_maruyama, random);
  tests::Moments moments;
  for (std::size_t i = lag; i < steps; i += lag) {
    moments.add(trace.phase_rad[i] - trace.phase_rad[i - lag]);
  }
  const double expected = 2 * pi * laser.linewidth_hz(50e-3) * 1e-12 * lag;
  EXPECT_NEAR(moments.variance(), expected, tests::five_sigma * moments.variance_error());
  EXPECT_LT(tests::five_sigma * moments.variance_error(), 0.03 * expected);
  EXPECT_GT(std::abs(1.1 * moments.variance() - expected),
            tests::five_sigma * moments.variance_error());
}

TEST(LaserDynamics, Refuses) {
  LaserParameters parameters;
  parameters.confinement = 1.5;
  EXPECT_THROW(LaserDynamics{parameters}, ConfigError);
  parameters = {};
  parameters.photon_lifetime_s = 0;
  EXPECT_THROW(LaserDynamics{parameters}, ConfigError);
  RandomSequence random({.seed = 6}, 0);
  const LaserDynamics laser{LaserParameters{}};
  EXPECT_THROW(laser.simulate_noise(20e-3, 5e-11, 10000, StochasticScheme::heun, random), RunError);
}

// Deterministic order on the rate equations: halving the step divides the error by 2, 4 and 32.
TEST(StochasticStep, DeterministicOrder) {
  const LaserDynamics laser{LaserParameters{}};
  const LaserState s = laser.steady_state(50e-3);
  using State = std::array<double, 3>;
  const State begin{s.carriers, 1.2 * s.photons, 0};
  const double duration = 0.1e-9;
  const auto drift = [&](const State& x) { return laser.derivative(x, 50e-3); };
  const auto none = [](const State&) { return State{}; };
  const auto finish = [&](int which, int steps) {
    State x = begin;
    const double h = duration / steps;
    boost::numeric::odeint::runge_kutta_dopri5<State> stepper;
    const auto system = [&](const State& y, State& d, double) { d = drift(y); };
    for (int i = 0; i < steps; ++i) {
      if (which == 0) euler_maruyama_step(x, h, drift, none);
      if (which == 1) heun_step(x, h, drift, none);
      if (which == 2) stepper.do_step(system, x, i * h, h);
    }
    return x[1] / s.photons;
  };
  const double exact = finish(2, 4000);
  const int coarse[] = {800, 400, 50};
  const double order[] = {2, 4, 32};
  for (int which = 0; which < 3; ++which) {
    const double ratio =
        (finish(which, coarse[which]) - exact) / (finish(which, 2 * coarse[which]) - exact);
    EXPECT_NEAR(ratio / order[which], 1, 0.1) << which;
  }
}

// The adaptive integrator's error follows its tolerance.
TEST(StochasticStep, AdaptiveToleranceIsReached) {
  const LaserDynamics laser{LaserParameters{}};
  const auto power = [&](double tolerance) {
    return laser.switch_on(0, 60e-3, 1.2e-9, 0.1e-9, tolerance).power_w.back();
  };
  const double exact = power(1e-12);
  EXPECT_LT(std::abs(power(1e-5) / exact - 1), 1e-2);
  EXPECT_LT(std::abs(power(1e-8) / exact - 1), 1e-5);
  EXPECT_GT(std::abs(power(1e-5) - exact), 10 * std::abs(power(1e-8) - exact));
}

// Strong order 1/2 on geometric Brownian motion dx = -x dt / 10 + x dW / 2, along the same
// Wiener paths: a quarter of the step halves the error.
TEST(StochasticStep, StrongOrder) {
  constexpr int paths = 4000;
  for (const bool heun : {false, true}) {
    double error[2] = {0, 0};
    for (int path = 0; path < paths; ++path) {
      RandomSequence random({.seed = 8}, static_cast<std::uint64_t>(path));
      std::array<double, 128> fine{};
      double total = 0;
      for (double& dw : fine) total += dw = random.normal() / std::sqrt(128.0);
      const double exact = std::exp(0.5 * total - 0.125 - 0.1);
      for (int level = 0; level < 2; ++level) {
        const std::size_t stride = level == 0 ? 4 : 1;
        std::array<double, 1> x{1};
        for (std::size_t i = 0; i < 128; i += stride) {
          double dw = 0;
          for (std::size_t j = i; j < i + stride; ++j) dw += fine[j];
          const auto drift = [](const std::array<double, 1>& y) {
            return std::array<double, 1>{-0.1 * y[0]};
          };
          const auto noise = [&](const std::array<double, 1>& y) {
            return std::array<double, 1>{0.5 * y[0] * dw};
          };
          const double h = static_cast<double>(stride) / 128;
          heun ? heun_step(x, h, drift, noise) : euler_maruyama_step(x, h, drift, noise);
        }
        error[level] += (x[0] - exact) * (x[0] - exact);
      }
    }
    const double ratio = std::sqrt(error[0] / error[1]);
    EXPECT_NEAR(ratio, 2, 0.25) << heun;
  }
}

}  // namespace
}  // namespace attojoule::photonics
