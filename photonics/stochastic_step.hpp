// One step of a stochastic differential equation dx = a(x) dt + sum_c b_c(x) dW_c (Ito) at fixed
// step size. W_c are independent Wiener processes.
//
//   euler_maruyama_step   x' = x + a(x) h + b(x) dW             deterministic order 1
//   heun_step             x' = x + (a(x) + a(x~)) h / 2 + b(x) dW,  x~ = the Euler step
//                                                               deterministic order 2
//
// Heun's corrector acts on the drift alone: averaging the noise amplitude too would turn the
// equation into Stratonovich's. Both have strong order 1/2 for noise that depends on the state (1
// for additive noise). Adaptive Runge-Kutta methods are wrong here: a rejected step would select
// among the noise. Source: Kloeden and Platen, "Numerical Solution of Stochastic Differential
// Equations", Springer 1992, chapters 10 and 15.
// Test: tests/photonics/laser_dynamics_test.cpp, StochasticStep.*.
#pragma once

#include <array>
#include <cstddef>

namespace attojoule::photonics {

// `drift(x)` returns a(x); `noise(x)` returns sum_c b_c(x) dW_c for the increments of this step.
template <std::size_t Size, class Drift, class Noise>
void euler_maruyama_step(std::array<double, Size>& x, double step, Drift&& drift, Noise&& noise) {
  const std::array<double, Size> a = drift(x);
  const std::array<double, Size> b = noise(x);
  for (std::size_t i = 0; i < Size; ++i) x[i] += a[i] * step + b[i];
}

template <std::size_t Size, class Drift, class Noise>
void heun_step(std::array<double, Size>& x, double step, Drift&& drift, Noise&& noise) {
  const std::array<double, Size> a = drift(x);
  const std::array<double, Size> b = noise(x);
  std::array<double, Size> predicted = x;
  for (std::size_t i = 0; i < Size; ++i) predicted[i] += a[i] * step + b[i];
  const std::array<double, Size> a_predicted = drift(predicted);
  for (std::size_t i = 0; i < Size; ++i) x[i] += (a[i] + a_predicted[i]) * step / 2 + b[i];
}

}  // namespace attojoule::photonics
