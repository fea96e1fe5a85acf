#include "photonics/laser_dynamics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/numeric/odeint.hpp>
#include <cmath>
#include <numbers>
#include <string_view>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"
#include "photonics/stochastic_step.hpp"

namespace attojoule::photonics {

namespace {

using constants::elementary_charge_c;

void require_positive(double value, std::string_view name, bool zero_allowed) {
  if (!std::isfinite(value) || value < 0 || (value == 0 && !zero_allowed)) {
    throw ConfigError(fmt::format(
        "laser parameters: {} is {} (the rate equations need it {}). Correct the value.", name,
        value, zero_allowed ? "zero or positive" : "positive"));
  }
}

}  // namespace

// Steady state, Jacobian, and the effect and rate of every kind of event.
struct LaserDynamics::Linear {
  struct Channel {
    double carriers, photons, emitted;  // change by one event
    double rate;
  };
  LaserState state;
  double nn, ns, sn, ss;  // Jacobian of (N, S)
  double phase_n;         // d(dphi/dt)/dN
  double emission_rate;   // of the facet, per photon in the mode
  std::array<Channel, 6> channels;

  // (i omega - J)^-1 (n, s).
  std::array<std::complex<double>, 2> solve(double omega, std::complex<double> n,
                                            std::complex<double> s) const {
    const std::complex<double> a(-nn, omega), d(-ss, omega);
    const std::complex<double> determinant = a * d - ns * sn;
    return {(d * n + ns * s) / determinant, (a * s + sn * n) / determinant};
  }
};

LaserDynamics::LaserDynamics(const LaserParameters& parameters) : p_(parameters) {
  require_positive(p_.wavelength_m, "wavelength_m", false);
  require_positive(p_.active_volume_m3, "active_volume_m3", false);
  require_positive(p_.carrier_lifetime_s, "carrier_lifetime_s", false);
  require_positive(p_.photon_lifetime_s, "photon_lifetime_s", false);
  require_positive(p_.differential_gain_m2, "differential_gain_m2", false);
  require_positive(p_.group_velocity_m_per_s, "group_velocity_m_per_s", false);
  require_positive(p_.transparency_per_m3, "transparency_per_m3", false);
  require_positive(p_.gain_compression_m3, "gain_compression_m3", true);
  require_positive(p_.confinement, "confinement", false);
  require_positive(p_.spontaneous_share, "spontaneous_share", false);
  require_positive(p_.quantum_efficiency, "quantum_efficiency", false);
  if (!std::isfinite(p_.linewidth_enhancement) || p_.confinement > 1 || p_.spontaneous_share > 1 ||
      p_.quantum_efficiency > 1) {
    throw ConfigError(
        "laser parameters: confinement, spontaneous_share or quantum_efficiency is above 1, or "
        "linewidth_enhancement is not finite (they are shares of a whole). Correct the value.");
  }
}

double LaserDynamics::threshold_current_a() const {
  const double gain_per_density =
      p_.confinement * p_.group_velocity_m_per_s * p_.differential_gain_m2;
  return elementary_charge_c * p_.active_volume_m3 / p_.carrier_lifetime_s *
         (p_.transparency_per_m3 + 1 / (gain_per_density * p_.photon_lifetime_s));
}

double LaserDynamics::power_w(double photons) const {
  const double photon_energy_j =
      constants::planck_j_s * constants::speed_of_light_m_per_s / p_.wavelength_m;
  return p_.quantum_efficiency / 2 * photon_energy_j * photons / p_.photon_lifetime_s;
}

double LaserDynamics::gain(double carriers, double photons) const {
  const double per_carrier =
      p_.confinement * p_.group_velocity_m_per_s * p_.differential_gain_m2 / p_.active_volume_m3;
  const double compression =
      1 + p_.gain_compression_m3 * p_.confinement * photons / p_.active_volume_m3;
  return per_carrier * (carriers - p_.transparency_per_m3 * p_.active_volume_m3) / compression;
}

std::array<double, 3> LaserDynamics::derivative(const std::array<double, 3>& state,
                                                double current_a) const {
  const auto [carriers, photons, phase] = state;
  const double stimulated = gain(carriers, photons) * photons;
  const double spontaneous = p_.spontaneous_share * carriers / p_.carrier_lifetime_s;
  return {current_a / elementary_charge_c - carriers / p_.carrier_lifetime_s - stimulated,
          stimulated - photons / p_.photon_lifetime_s + spontaneous,
          p_.linewidth_enhancement / 2 * (gain(carriers, 0) - 1 / p_.photon_lifetime_s)};
}

LaserState LaserDynamics::steady_state(double current_a) const {
  require_positive(current_a, "current", false);
  // dN/dt = dS/dt = 0 gives S for each N; what is left grows with N from below to above zero.
  const double injected = current_a / elementary_charge_c;
  const auto photons_for = [&](double carriers) {
    return p_.photon_lifetime_s *
           (injected - carriers * (1 - p_.spontaneous_share) / p_.carrier_lifetime_s);
  };
  double low = 0;
  double high = injected * p_.carrier_lifetime_s / (1 - p_.spontaneous_share);
  for (int i = 0; i < 200; ++i) {
    const double middle = low + (high - low) / 2;
    (derivative({middle, photons_for(middle), 0}, current_a)[1] < 0 ? low : high) = middle;
  }
  return {.carriers = low, .photons = photons_for(low), .phase_rad = 0};
}

LaserDynamics::Linear LaserDynamics::linear_response(double current_a) const {
  Linear linear;
  linear.state = steady_state(current_a);
  const double n = linear.state.carriers, s = linear.state.photons;
  const double compression_per_photon =
      p_.gain_compression_m3 * p_.confinement / p_.active_volume_m3;
  const double compression = 1 + compression_per_photon * s;
  const double uncompressed_slope =
      p_.confinement * p_.group_velocity_m_per_s * p_.differential_gain_m2 / p_.active_volume_m3;
  const double g = gain(n, s);
  const double gain_n = uncompressed_slope / compression;
  const double gain_s = -g * compression_per_photon / compression;
  linear.nn = -1 / p_.carrier_lifetime_s - gain_n * s;
  linear.ns = -(g + gain_s * s);
  linear.sn = gain_n * s + p_.spontaneous_share / p_.carrier_lifetime_s;
  linear.ss = g + gain_s * s - 1 / p_.photon_lifetime_s;
  linear.phase_n = p_.linewidth_enhancement / 2 * uncompressed_slope;
  linear.emission_rate = p_.quantum_efficiency / 2 / p_.photon_lifetime_s;
  const double spontaneous = p_.spontaneous_share * n / p_.carrier_lifetime_s;
  linear.channels = {{
      {1, 0, 0, current_a / elementary_charge_c},
      {-1, 0, 0, n / p_.carrier_lifetime_s - spontaneous},
      {-1, 1, 0, spontaneous * (s + 1)},
      {1, -1, 0, std::max(0.0, spontaneous * s - g * s)},
      {0, -1, 1, s * linear.emission_rate},
      {0, -1, 0, s * (1 / p_.photon_lifetime_s - linear.emission_rate)},
  }};
  return linear;
}

double LaserDynamics::relaxation_frequency_hz(double current_a) const {
  const Linear l = linear_response(current_a);
  return std::sqrt(l.nn * l.ss - l.ns * l.sn) / (2 * std::numbers::pi);
}

double LaserDynamics::damping_per_s(double current_a) const {
  const Linear l = linear_response(current_a);
  return -(l.nn + l.ss);
}

std::complex<double> LaserDynamics::modulation_response(double current_a,
                                                        double frequency_hz) const {
  const Linear l = linear_response(current_a);
  return power_w(1) * l.solve(2 * std::numbers::pi * frequency_hz, 1 / elementary_charge_c, 0)[1];
}

double LaserDynamics::rin_per_hz(double current_a, double frequency_hz) const {
  const Linear l = linear_response(current_a);
  const double flux = l.emission_rate * l.state.photons;
  double density = 0;
  for (const auto& channel : l.channels) {
    const auto response =
        l.solve(2 * std::numbers::pi * frequency_hz, channel.carriers, channel.photons);
    // A Poisson process of rate r has the one-sided density 2 r.
    density += 2 * channel.rate * std::norm(l.emission_rate * response[1] + channel.emitted);
  }
  return density / (flux * flux);
}

double LaserDynamics::linewidth_hz(double current_a) const {
  const Linear l = linear_response(current_a);
  const double spontaneous = p_.spontaneous_share * l.state.carriers / p_.carrier_lifetime_s;
  double density = spontaneous / (2 * l.state.photons);  // two sided, (rad/s)^2/Hz, at f = 0
  for (const auto& channel : l.channels) {
    density +=
        channel.rate * std::norm(l.phase_n * l.solve(0, channel.carriers, channel.photons)[0]);
  }
  return density / (2 * std::numbers::pi);
}

LaserTrace LaserDynamics::switch_on(double before_a, double after_a, double duration_s,
                                    double step_s, double tolerance) const {
  require_positive(after_a, "current", false);
  require_positive(step_s, "step", false);
  require_positive(tolerance, "tolerance", false);
  const LaserState begin = before_a > 0 ? steady_state(before_a) : LaserState{};
  // Scaled by the final steady state, so that one tolerance fits carriers and photons.
  const LaserState end = steady_state(after_a);
  const std::array<double, 3> unit{end.carriers, end.photons, 1};
  using State = std::array<double, 3>;
  State state{begin.carriers / unit[0], begin.photons / unit[1], 0};
  const auto system = [&](const State& x, State& dxdt, double) {
    const State physical{x[0] * unit[0], x[1] * unit[1], x[2]};
    dxdt = derivative(physical, after_a);
    dxdt[0] /= unit[0];
    dxdt[1] /= unit[1];
  };
  namespace odeint = boost::numeric::odeint;
  const auto steps = static_cast<std::size_t>(std::llround(duration_s / step_s));
  LaserTrace trace;
  trace.step_s = step_s;
  const auto stepper =
      odeint::make_dense_output(tolerance * 1e-3, tolerance, odeint::runge_kutta_dopri5<State>());
  try {
    odeint::integrate_const(stepper, system, state, 0.0,
                            (static_cast<double>(steps) + 0.5) * step_s, step_s,
                            [&](const State& x, double) {
                              trace.carriers.push_back(x[0] * unit[0]);
                              trace.power_w.push_back(power_w(x[1] * unit[1]));
                              trace.phase_rad.push_back(x[2]);
                            });
  } catch (const odeint::no_progress_error& error) {
    throw RunError(fmt::format(
        "laser rate equations: {} (the adaptive stepper cannot reach the tolerance {}). Raise the "
        "tolerance.",
        error.what(), tolerance));
  }
  return trace;
}

LaserTrace LaserDynamics::simulate_noise(double current_a, double step_s, std::size_t steps,
                                         StochasticScheme scheme, RandomSequence& random) const {
  const LaserState steady = steady_state(current_a);
  const double photon_energy_j =
      constants::planck_j_s * constants::speed_of_light_m_per_s / p_.wavelength_m;
  const double facet = p_.quantum_efficiency / 2 / p_.photon_lifetime_s;
  const double other = 1 / p_.photon_lifetime_s - facet;
  // N, S, phase, photons out.
  using State = std::array<double, 4>;
  State state{steady.carriers, steady.photons, 0, 0};
  const auto drift = [&](const State& x) {
    const auto d = derivative({x[0], x[1], x[2]}, current_a);
    return State{d[0], d[1], d[2], facet * x[1]};
  };
  const auto noise = [&](const State& x) {
    const double spontaneous = p_.spontaneous_share * x[0] / p_.carrier_lifetime_s;
    const double recombination = x[0] / p_.carrier_lifetime_s - spontaneous;
    const double absorption = std::max(0.0, (spontaneous - gain(x[0], x[1])) * x[1]);
    const auto force = [&](double rate) { return std::sqrt(rate * step_s) * random.normal(); };
    // Injection and other recombination both change N alone: one draw for the two.
    const double n = force(current_a / elementary_charge_c + recombination);
    const double emitted = force(spontaneous * (x[1] + 1));
    const double absorbed = force(absorption);
    const double out = force(facet * x[1]);
    const double lost = force(other * x[1]);
    return State{n - emitted + absorbed, emitted - absorbed - out - lost,
                 force(spontaneous / (2 * x[1])), out};
  };
  LaserTrace trace;
  trace.step_s = step_s;
  trace.power_w.reserve(steps);
  trace.carriers.reserve(steps);
  trace.phase_rad.reserve(steps);
  for (std::size_t i = 0; i < steps; ++i) {
    state[3] = 0;
    if (scheme == StochasticScheme::heun) {
      heun_step(state, step_s, drift, noise);
    } else {
      euler_maruyama_step(state, step_s, drift, noise);
    }
    if (!(state[0] > 0 && state[1] > 0)) {
      throw RunError(fmt::format(
          "laser noise: {} carriers and {} photons after {} steps of {} s (numbers below zero mean "
          "nothing). Shorten the step, or bias the laser further above its threshold of {} A.",
          state[0], state[1], i + 1, step_s, threshold_current_a()));
    }
    trace.power_w.push_back(photon_energy_j * state[3] / step_s);
    trace.carriers.push_back(state[0]);
    trace.phase_rad.push_back(state[2]);
  }
  return trace;
}

}  // namespace attojoule::photonics
