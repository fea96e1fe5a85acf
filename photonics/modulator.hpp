// A Mach-Zehnder modulator that writes one signed number on the amplitude of light.
//
//   field at the output   E = sqrt(L) (cos theta + j r sin theta),  theta = pi V / (2 V_pi) +
//   theta_0 r = 10^(-ER/20): smallest over largest field; smallest over largest power = r^2 =
//   10^(-ER/10) drive for a value v in [-1, 1]:  V = (2 V_pi / pi) acos(v),  0 <= V <= 2 V_pi
//
// Push-pull drive. L insertion loss as a power transmission, ER extinction ratio in dB of power,
// theta_0 bias error, V_pi voltage from full to least power. The DAC rounds V to one of 2^b - 1
// evenly spaced levels of [0, 2 V_pi], of which one is V_pi: a zero is sent as a zero. The
// electrical path is one pole of bandwidth f: in a slot of T_s
//
//   V(t) = V_k + (V_before - V_k) e^(-2 pi f t),  left over at the slot's end: e^(-2 pi f T_s)
//
// which is the share of the previous symbol in the next one (inter-symbol interference).
// The real part of a product of two fields is L (v_1 v_2 + r^2 s_1 s_2), s = sin theta: the leakage
// in quadrature beats with that of the other arm.
//
// Validity: travelling-wave effects, chirp beyond r and unequal arms over voltage (depletion
// modulators) are not modelled. Energies: C V^2 / 4 a symbol for a capacitive load that takes
// random values of two levels. Source: Koyama and Iga, J. Lightwave Technol. 6, 87 (1988). Test:
// tests/photonics/modulator_test.cpp (V17). Text: docs/physics/modulator.md.
#pragma once

#include <complex>
#include <span>

#include "photonics/device.hpp"
#include "photonics/units.hpp"

namespace attojoule::photonics {

class MachZehnder {
 public:
  // `insertion_loss_db` is link.modulator_insertion_loss_db. Throws ConfigError where a parameter
  // is out of range.
  MachZehnder(const Modulator& modulator, double insertion_loss_db);

  // Drive in units of V_pi, 0 ... 2, that encodes a value in [-1, 1], rounded by the DAC.
  // Throws RunError where |value| > 1.
  double drive(double value) const;

  // Output over input field for a drive in units of V_pi. The real part carries the value.
  std::complex<double> field(double drive) const;

  // Drive after `elapsed` of a slot that started at `before` and aims at `target`.
  double settle(double before, double target, Time elapsed) const;

  // Share of the previous symbol's drive at the end of a slot: e^(-2 pi f T_s); 0 without a pole.
  double residual(Time slot) const;

  // Mean output over input power of settled symbols with these values, insertion loss included:
  // L (mean cos^2 + r^2 mean sin^2). What a link budget loses to the data.
  double average_transmission(std::span<const float> values) const;

 private:
  double amplitude_;  // sqrt(L)
  double leakage_;    // r
  double bias_error_rad_;
  double pole_per_s_;  // 2 pi f; 0 = no pole
  double dac_steps_;   // 2^b - 2; 0 = continuous
};

}  // namespace attojoule::photonics
