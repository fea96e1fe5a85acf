// A single-mode semiconductor laser in time: rate equations of carriers, photons and phase.
//
//   dN/dt   = I/q - N/tau_n - G S                                 + F_N
//   dS/dt   = G S - S/tau_p + R_sp                                + F_S
//   dphi/dt = (alpha/2) (g (N - N_0)/V - 1/tau_p)                 + F_phi
//   g = Gamma v_g a_0,  G = g (N - N_0) / (V (1 + epsilon Gamma S / V)),  R_sp = beta N / tau_n
//   P = (eta_0/2) h nu S / tau_p  at one facet
//
// N carriers in the active volume V, S photons in the mode (density of photons s = Gamma S / V),
// I current, tau_n and tau_p carrier and photon lifetimes, v_g group velocity, a_0 differential
// gain, N_0 = V n_t carriers at transparency, epsilon gain compression, Gamma confinement, beta
// spontaneous emission into the mode, alpha linewidth enhancement, eta_0 share of the photons that
// leaves through the two facets. Particle numbers, so that every event changes them by one.
//
// Langevin forces: each kind of event is a Poisson process of its own rate.
//   injection I/q (N+1), other recombination N/tau_n - R_sp (N-1), spontaneous and stimulated
//   emission R_sp (S + 1) (N-1, S+1), absorption R_sp S - G S (N+1, S-1), loss to the facet looked
//   at f S/tau_p with f = eta_0/2 (S-1, one photon out), other loss (1-f) S/tau_p (S-1)
// which makes <F_S F_S> = 2 R_sp (S + 1) at the steady state. The emitted power is h nu times the
// photons that came out, so that its noise ends in 2 h nu / P at high frequency. The phase has
// <F_phi F_phi> = R_sp / (2 S). Independent of F_N and F_S.
//
// Steady state and linear response are closed forms of the same equations:
//   J = d(dN/dt, dS/dt)/d(N, S),  (2 pi f_r)^2 = det J,  damping gamma = -tr J,
//   threshold I_th = (q V / tau_n) (n_t + 1/(g tau_p)).
//
// Validity: above threshold with many photons (the forces are Gaussian), one mode, no spatial or
// thermal effects, no reflections.
// Sources: Coldren, Corzine and Masanovic, "Diode Lasers and Photonic Integrated Circuits", 2nd
// ed., Wiley 2012, chapter 5; Fatadin, Ives and Wicks, IEEE J. Quantum Electron. 42, 934 (2006);
// Cartledge and Srinivasan, J. Lightwave Technol. 15, 852 (1997).
// Tests: tests/photonics/laser_dynamics_test.cpp (V16). Text: docs/physics/laser.md.
#pragma once

#include <array>
#include <complex>
#include <cstddef>
#include <vector>

#include "photonics/random_sequence.hpp"

namespace attojoule::photonics {

// Defaults: the check set of a 1300 nm bulk laser that the tests' thresholds and resonances belong
// to (tests/photonics/laser_dynamics_test.cpp). Assumptions, not a measured device.
struct LaserParameters {
  double wavelength_m = 1300e-9;
  double active_volume_m3 = 1.5e-16;
  double carrier_lifetime_s = 1e-9;
  double photon_lifetime_s = 3e-12;
  double differential_gain_m2 = 2.5e-20;
  double group_velocity_m_per_s = 8.5e7;
  double transparency_per_m3 = 1e24;
  double gain_compression_m3 = 1e-23;
  double confinement = 0.4;
  double spontaneous_share = 3e-5;   // beta
  double linewidth_enhancement = 5;  // alpha
  double quantum_efficiency = 0.4;   // eta_0, both facets together
};

struct LaserState {
  double carriers = 0;
  double photons = 0;
  double phase_rad = 0;
};

// Sampled at equal steps.
struct LaserTrace {
  double step_s = 0;
  std::vector<double> power_w;  // mean over the step before the sample, one facet
  std::vector<double> carriers;
  std::vector<double> phase_rad;  // unwrapped
};

enum class StochasticScheme { euler_maruyama, heun };

class LaserDynamics {
 public:
  // Throws ConfigError where a parameter is out of its range.
  explicit LaserDynamics(const LaserParameters& parameters);

  double threshold_current_a() const;
  double power_w(double photons) const;

  // Time derivatives of (N, S, phi) [1/s] at a current.
  std::array<double, 3> derivative(const std::array<double, 3>& state, double current_a) const;

  // Exact to rounding, by bisection in N. Current > 0.
  LaserState steady_state(double current_a) const;

  double relaxation_frequency_hz(double current_a) const;  // sqrt(det J) / (2 pi)
  double damping_per_s(double current_a) const;            // -tr J

  // dP/dI [W/A] of a small sinusoidal current of frequency f on top of the bias.
  std::complex<double> modulation_response(double current_a, double frequency_hz) const;

  // Relative intensity noise of the light at one facet [1/Hz, one sided], linearised.
  double rin_per_hz(double current_a, double frequency_hz) const;

  // Linewidth of the frequency noise below the relaxation oscillation, linearised; the phase
  // follows the carriers, and gives R_sp (1 + alpha^2) / (4 pi S) up to gain compression.
  double linewidth_hz(double current_a) const;

  // Deterministic response to a current switched at t = 0 from the steady state at `before_a` (0 =
  // from the dark) to `after_a`, by adaptive Dormand-Prince 5(4) with this relative tolerance.
  // Throws RunError where the integrator does not reach the end.
  LaserTrace switch_on(double before_a, double after_a, double duration_s, double step_s,
                       double tolerance = 1e-9) const;

  // Noise around the steady state, `steps` of fixed size. The step must resolve the relaxation
  // oscillation; 1 ps is 0.3 photon lifetimes. Throws RunError where photons or carriers would turn
  // negative (too close to threshold, or too long a step).
  LaserTrace simulate_noise(double current_a, double step_s, std::size_t steps,
                            StochasticScheme scheme, RandomSequence& random) const;

 private:
  struct Linear;
  Linear linear_response(double current_a) const;
  double gain(double carriers, double photons) const;

  LaserParameters p_;
};

}  // namespace attojoule::photonics
