#include "photonics/receiver_response.hpp"

#include <fmt/format.h>

#include <boost/numeric/odeint.hpp>
#include <cmath>
#include <numbers>

#include "photonics/error.hpp"

namespace attojoule::photonics {

namespace {

// Mean of e^(-rate u) over [from, to].
double mean_exponential(double rate, double from, double to) {
  const double span = rate * (to - from);
  const double start = std::exp(-rate * from);
  return span > 0 ? -start * std::expm1(-span) / span : start;
}

}  // namespace

CollectedShare collected_share(const Receiver& receiver, double youngest_s, double oldest_s) {
  if (receiver.leak_time_constant_s > 0) {
    const double rate = 1 / receiver.leak_time_constant_s;
    return {.signal = mean_exponential(rate, youngest_s, oldest_s),
            .shot = mean_exponential(2 * rate, youngest_s, oldest_s)};
  }
  if (receiver.bandwidth_hz > 0) {
    const double rate = 2 * std::numbers::pi * receiver.bandwidth_hz;
    const double missing = mean_exponential(rate, youngest_s, oldest_s);
    return {.signal = 1 - missing,
            .shot = 1 - 2 * missing + mean_exponential(2 * rate, youngest_s, oldest_s)};
  }
  return {};
}

CollectedShare collected_share(const Receiver& receiver, double duration_s) {
  return collected_share(receiver, 0, duration_s);
}

std::array<double, 2> receiver_derivative(const std::array<double, 2>& state, double current,
                                          double pole_per_s, double leak_per_s) {
  return {pole_per_s * (current - state[0]), state[0] - leak_per_s * state[1]};
}

ReceiverResponse::ReceiverResponse(const Receiver& receiver, double step_s) {
  const double pole = 2 * std::numbers::pi * receiver.bandwidth_hz;
  const double leak = receiver.leak_time_constant_s > 0 ? 1 / receiver.leak_time_constant_s : 0;
  if (pole == 0 && leak == 0) return;
  // In units of the step, so that electrons a step are a current.
  using Vector = std::array<double, 2>;
  const auto finish = [&](Vector state, double current) {
    const auto system = [&](const Vector& x, Vector& dxdt, double) {
      if (pole > 0) {
        dxdt = receiver_derivative(x, current, pole * step_s, leak * step_s);
      } else {
        dxdt = {0, current - leak * step_s * x[1]};
      }
    };
    namespace odeint = boost::numeric::odeint;
    constexpr double tolerance = 1e-13;
    try {
      odeint::integrate_adaptive(
          odeint::make_controlled(tolerance, tolerance, odeint::runge_kutta_dopri5<Vector>()),
          system, state, 0.0, 1.0, 0.01);
    } catch (const odeint::no_progress_error& error) {
      throw RunError(
          fmt::format("receiver response: {} (a step of {} s at a bandwidth of {} Hz and a leak of "
                      "{} s cannot be integrated). Take more samples a slot.",
                      error.what(), step_s, receiver.bandwidth_hz, receiver.leak_time_constant_s));
    }
    return state;
  };
  const Vector from_input = finish({0, 0}, 1);
  charge_from_input_ = from_input[1];
  charge_from_charge_ = finish({0, 1}, 0)[1];
  if (pole > 0) {
    const Vector from_current = finish({1, 0}, 0);
    current_from_input_ = from_input[0];
    current_from_current_ = from_current[0];
    charge_from_current_ = from_current[1];
  }
}

}  // namespace attojoule::photonics
