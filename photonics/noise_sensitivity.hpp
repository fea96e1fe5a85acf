// The variance of a homodyne dot product as a function of its light and of every parameter of the
// device, with derivatives: which light keeps the noise where it is when a part changes.
//
// Relative to |w|^2 |x|^2, for n photons per multiplication, K repetitions, M reads a repetition:
//
//   v = (shot / n + (dark + M read) / n^2 + plateau) / K + drive
//
// shot: both beams. read: receiver and converter. plateau: intensity and phase noise, which more
// light does not lower. drive: rounding of the DACs, which nothing averages. The terms are those of
// noise_budget.hpp over the square of its gain. Derivatives are in closed form, at M held:
//
//   d ln v / d ln p = sum over terms of (term / v) d ln term / d ln p;   d / d dB for decibels.
//
// Validity as noise_model.hpp. Parameters of two modulators' full scales need DotProduct's.
// Tests: tests/photonics/noise_sensitivity_test.cpp, against noise_budget and finite differences.
#pragma once

#include <cstdint>
#include <vector>

#include "photonics/device.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::photonics {

struct NoiseCurve {
  double shot = 0;     // photons
  double dark = 0;     // photons^2
  double read = 0;     // photons^2, of one read
  double plateau = 0;  // 1
  double drive = 0;    // 1

  double variance(double photons, double repetitions, double reads) const;
  // Photons per multiplication at which variance() is this one; infinite where the plateau is
  // above it.
  double photons_for(double variance, double repetitions, double reads) const;
};

// What of the noise depends on the operands.
struct NoiseOperands {
  double correlation = 0;  // root mean square of w.x / (|w| |x|)
  // Share of each beam's full light that arrives: mean square over full scale; 1 where normalised.
  double input_light = 1;
  double weight_light = 1;
};

// product: length and, in units of |w| and |x|, full scales where modulators are not ideal.
// slots_per_read: of one chunk (leak and bandwidth depend on it). The integration time of the
// point's integrations is in it; photons_per_mac and repetitions are not.
NoiseCurve noise_curve(const Device& device, const OperatingPoint& point, const DotProduct& product,
                       const NoiseOperands& operands, std::int64_t slots_per_read);

struct NoiseSlopes {
  double variance = 0;
  double per_ln_photons = 0;  // d ln v / d ln n, negative
  double per_ln_repetitions = 0;
  // In the order of device_parameters(): d ln v / d ln p, or per dB.
  std::vector<double> per_parameter;
};
NoiseSlopes noise_slopes(const Device& device, const OperatingPoint& point,
                         const DotProduct& product, const NoiseOperands& operands,
                         std::int64_t slots_per_read, double reads);

}  // namespace attojoule::photonics
