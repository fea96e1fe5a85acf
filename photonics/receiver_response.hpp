// What is left at the read of a charge that a diode released earlier: the receiver in time.
//
//   amplifier    d i_f/dt = 2 pi f (i - i_f)         one pole; without one i_f = i
//   integrator   d Q/dt   = i_f - Q / tau_l          leak; without one tau_l is infinite
//
// i current of the diodes, i_f behind the transimpedance amplifier, Q integrated charge, f
// bandwidth of the amplifier, tau_l time constant of the leak. A charge of age u at the read counts
//
//   h(u) = e^(-u / tau_l)      charge integrator with leak
//   h(u) = 1 - e^(-2 pi f u)   transimpedance amplifier, its output integrated
//
// and a read of duration T that starts at rest collects, of charge released evenly,
//   A = (1/T) int_0^T h du     of the signal,   B = (1/T) int_0^T h^2 du     of the shot noise:
//   leak        A = (tau/T)(1 - e^(-T/tau)),      B = (tau/2T)(1 - e^(-2T/tau))
//   amplifier   A = 1 - (tau/T)(1 - e^(-T/tau)),  B = 1 - (2 tau/T)(1 - e^(-T/tau))
//                 + (tau/2T)(1 - e^(-2T/tau)),    tau = 1 / (2 pi f)
//
// Validity: the Gaussian law takes one pair A, B for all reads of a dot product, those of its
// longest chunk, and so do slots of unequal products err (an error of the value). Reads far enough
// apart that the amplifier comes to rest. The noise of an amplifier is that of its bandwidth 1/(2T)
// of integration (read_out.hpp), for 2 pi f T >> 1. Test:
// tests/photonics/receiver_response_test.cpp. Text: docs/physics/receiver.md.
#pragma once

#include <array>

#include "photonics/device.hpp"

namespace attojoule::photonics {

// Averages of h and h^2 over ages from `youngest_s` to `oldest_s`.
struct CollectedShare {
  double signal = 1;  // A
  double shot = 1;    // B
};
CollectedShare collected_share(const Receiver& receiver, double youngest_s, double oldest_s);
// Over a whole read.
CollectedShare collected_share(const Receiver& receiver, double duration_s);

// The equations above in steps of fixed length, exact for a current that is constant in each step:
// they are linear, so that Boost.Odeint (Dormand-Prince 5(4), relative tolerance 1e-12) integrates
// the three unit states over one step once, and every step is a product with what came out.
class ReceiverResponse {
 public:
  // The receiver must have passed validate(); step > 0. Throws RunError where the integrator does
  // not reach the end of the step.
  ReceiverResponse(const Receiver& receiver, double step_s);

  struct State {
    double current_electrons = 0;  // i_f times the step
    double charge = 0;             // Q, electrons
  };
  // `electrons` are released evenly over the step.
  void advance(State& state, double electrons) const {
    const double current = state.current_electrons;
    state.current_electrons = current_from_current_ * current + current_from_input_ * electrons;
    state.charge = charge_from_charge_ * state.charge + charge_from_current_ * current +
                   charge_from_input_ * electrons;
  }

 private:
  double current_from_current_ = 0, current_from_input_ = 1;
  double charge_from_charge_ = 1, charge_from_current_ = 0, charge_from_input_ = 1;
};

// Right-hand side for (i_f, Q) at a constant current, in the units of the header (electrons, s).
// `pole_per_s` = 2 pi f > 0; `leak_per_s` = 1 / tau_l >= 0.
std::array<double, 2> receiver_derivative(const std::array<double, 2>& state, double current,
                                          double pole_per_s, double leak_per_s);

}  // namespace attojoule::photonics
