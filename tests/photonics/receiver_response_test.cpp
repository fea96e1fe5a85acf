// The receiver's differential equations: closed forms, and the order of the steppers on them.
#include "photonics/receiver_response.hpp"

#include <gtest/gtest.h>

#include <boost/numeric/odeint.hpp>
#include <cmath>
#include <numbers>
#include <type_traits>

namespace attojoule::photonics {
namespace {

Receiver leaky(double time_constant_s) {
  Receiver receiver;
  receiver.kind = ReceiverKind::charge_integrator;
  receiver.leak_time_constant_s = time_constant_s;
  return receiver;
}

Receiver amplifier(double bandwidth_hz) {
  Receiver receiver;
  receiver.kind = ReceiverKind::transimpedance;
  receiver.bandwidth_hz = bandwidth_hz;
  return receiver;
}

// Averages over ages by sums, of a whole read and of a slot in it; and the limits.
TEST(CollectedShare, IsTheAverageOverAges) {
  constexpr double duration = 1e-6;
  constexpr int steps = 100000;
  for (const bool leak : {true, false}) {
    const Receiver receiver = leak ? leaky(3e-7) : amplifier(4e5);
    const double rate = leak ? 1 / 3e-7 : 2 * std::numbers::pi * 4e5;
    for (const double youngest : {0.0, 0.4e-6}) {
      double signal = 0, shot = 0;
      for (int i = 0; i < steps; ++i) {
        const double age = youngest + (duration - youngest) * (i + 0.5) / steps;
        const double weight = leak ? std::exp(-rate * age) : 1 - std::exp(-rate * age);
        signal += weight / steps;
        shot += weight * weight / steps;
      }
      const CollectedShare share = collected_share(receiver, youngest, duration);
      EXPECT_NEAR(share.signal, signal, 1e-9) << leak << youngest;
      EXPECT_NEAR(share.shot, shot, 1e-9) << leak << youngest;
      EXPECT_GT(share.shot, share.signal * share.signal);
    }
  }
  EXPECT_EQ(collected_share(Receiver{}, duration).signal, 1);
  EXPECT_EQ(collected_share(Receiver{}, duration).shot, 1);
  EXPECT_NEAR(collected_share(leaky(1), 1e-9).signal, 1, 1e-9);
  EXPECT_NEAR(collected_share(amplifier(1e15), duration).signal, 1, 1e-9);
}

// Steps of any length land on the closed forms: a leaking charge, and a current switched on behind
// one pole and integrated.
TEST(ReceiverResponse, StepsAreExact) {
  for (const double step : {1e-9, 3e-8, 5e-7}) {
    const double tau = 2e-7;
    const ReceiverResponse leaking(leaky(tau), step);
    const ReceiverResponse slow(amplifier(1 / (2 * std::numbers::pi * tau)), step);
    ReceiverResponse::State q, v;
    for (int i = 1; i <= 40; ++i) {
      const double input = i <= 20 ? 100 : 0;  // electrons a step
      leaking.advance(q, input);
      slow.advance(v, input);
      const double on = step * std::min(i, 20), off = step * std::max(i - 20, 0);
      const double rise = -std::expm1(-on / tau);
      EXPECT_NEAR(q.charge / (100 / step * tau * rise * std::exp(-off / tau)), 1, 1e-10);
      EXPECT_NEAR(v.current_electrons / (100 * rise * std::exp(-off / tau)), 1, 1e-10);
      const double arrived = 100 / step * (on - tau * rise - tau * rise * std::expm1(-off / tau));
      EXPECT_NEAR(v.charge / arrived, 1, 1e-9) << step << " " << i;
    }
  }
  const ReceiverResponse ideal(Receiver{}, 1e-9);
  ReceiverResponse::State state;
  ideal.advance(state, 3);
  ideal.advance(state, 4);
  EXPECT_EQ(state.charge, 7);
}

// What is collected over a read of even current is the closed form's share of it.
TEST(ReceiverResponse, CollectsTheSharesOfTheClosedForm) {
  for (const Receiver& receiver : {leaky(2e-7), amplifier(3e6)}) {
    constexpr int steps = 50;
    const ReceiverResponse response(receiver, 1e-8);
    ReceiverResponse::State state;
    for (int i = 0; i < steps; ++i) response.advance(state, 1);
    EXPECT_NEAR(state.charge / steps / collected_share(receiver, steps * 1e-8).signal, 1, 1e-10);
  }
}

// Halving the step divides the error of Odeint's steppers by 2, 16 and 32 (orders 1, 4 and 5).
TEST(ReceiverResponse, ConvergenceOrderOfTheSteppers) {
  using Vector = std::array<double, 2>;
  namespace odeint = boost::numeric::odeint;
  constexpr double pole = 3, leak = 0.7, duration = 2;
  const auto system = [](const Vector& x, Vector& dxdt, double) {
    dxdt = receiver_derivative(x, 1.0, pole, leak);
  };
  // i_f = 1 - e^(-p t); Q from variation of constants.
  const double exact = (1 - std::exp(-leak * duration)) / leak -
                       (std::exp(-pole * duration) - std::exp(-leak * duration)) / (leak - pole);
  const auto error = [&]<class Stepper>(std::type_identity<Stepper>, int steps) {
    Stepper stepper;
    Vector x{0, 0};
    for (int i = 0; i < steps; ++i) stepper.do_step(system, x, 0.0, duration / steps);
    return x[1] - exact;
  };
  const auto ratio = [&](auto stepper, int steps) {
    return error(stepper, steps) / error(stepper, 2 * steps);
  };
  EXPECT_NEAR(ratio(std::type_identity<odeint::euler<Vector>>{}, 400) / 2, 1, 0.05);
  EXPECT_NEAR(ratio(std::type_identity<odeint::runge_kutta4<Vector>>{}, 40) / 16, 1, 0.1);
  EXPECT_NEAR(ratio(std::type_identity<odeint::runge_kutta_dopri5<Vector>>{}, 80) / 32, 1, 0.1);
}

}  // namespace
}  // namespace attojoule::photonics
