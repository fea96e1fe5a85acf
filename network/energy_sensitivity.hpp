// What would lower the energy of a network: how its bill follows every parameter of the device.
//
//   fixed point   photons at the receivers, repetitions and reads stay what they are
//   fixed noise   the light of every layer (or channel) follows, so that its variance stays
//
//   e_p = d ln E / d ln p |point = sum over layers of (dE_l / d ln p) / E
//   at fixed noise, a layer's photons follow as
//   d ln n / d ln p = - (d ln v / d ln p) / (d ln v / d ln n),   v of photonics::noise_slopes,
//   which adds (dE_l / d ln n) (d ln n / d ln p); per decibel where p is one.
//
// Prices, losses, times and everything that noise depends on are differentiated in closed form.
// Whole numbers (rows, columns, wavelengths, fan-out, lasers, accumulation limit) make counts jump:
// theirs is the slope ln(E(2p) / E(p)) / ln 2 of a doubling. Beside the derivative stands what a
// named step saves ("1 dB less"), from a new bill with new counts, exact and not extrapolated.
//
// Operands: correlation and crest are assumptions where nothing was measured (LayerQuestion).
// adc.bits changes the converter's noise at its price, not the price itself.
// Tests: tests/network/energy_sensitivity_test.cpp, against finite differences.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "network/layer_cost.hpp"
#include "network/matrix_product.hpp"
#include "photonics/noise_sensitivity.hpp"

namespace attojoule::network {

// A product that runs on the tile, with what its noise depends on.
struct LayerQuestion {
  const MatrixProduct* product = nullptr;         // nullptr: digital, costs nothing
  CostRequest request;                            // law, encoding, mean squares over full scale
  std::vector<photonics::OperatingPoint> points;  // one, or one for each channel
  // Root mean square of w.x / (|w| |x|); NaN = that of independent operands, 1 / sqrt(D).
  double correlation = 0;
  // Modulators' full scale over the root mean square of the values, where modulators are not ideal.
  double crest = 4;
};

// The layer's dot product, and its operands, as noise_sensitivity.hpp takes them.
photonics::DotProduct dot_product_of(const LayerQuestion& layer);
photonics::NoiseOperands operands_of(const LayerQuestion& layer);
// Relative variance at a point of the layer, and its slopes; the published laws, which know no
// device, have v = 1 / (n K) (garg-shot), 1 / (eta n K) (counting), 1 / (n K) of repeats.
photonics::NoiseSlopes noise_slopes_of(const photonics::Device& device, const LayerQuestion& layer,
                                       const photonics::OperatingPoint& point);

struct ParameterSensitivity {
  std::string key;
  std::string unit;  // SI; empty for whole numbers
  double value = 0;
  bool decibel = false;
  bool whole = false;
  double at_fixed_point = 0;  // d ln E / d ln p, or per dB
  double at_fixed_noise = 0;  // NaN where no light can hold the noise
  std::string step;           // "1 dB less", "half", ...: the direction that saves
  // 1 - E(stepped) / E; NaN where the stepped device cannot run the network.
  double saving_at_fixed_point = 0;
  double saving_at_fixed_noise = 0;
};

// Sorted by what their step saves at fixed noise, most first; parameters without any effect are
// left out. Throws ConfigError as layer_cost does.
std::vector<ParameterSensitivity> energy_sensitivities(const photonics::Device& device,
                                                       std::span<const LayerQuestion> layers);

// Total of the bill, J per inference.
double total_energy_j(const photonics::Device& device, std::span<const LayerQuestion> layers);

// The operating points at which `changed` has the noise that `device` has at the layers' points.
// NaN photons where no light does it.
std::vector<std::vector<photonics::OperatingPoint>> points_of_same_noise(
    const photonics::Device& device, const photonics::Device& changed,
    std::span<const LayerQuestion> layers);

}  // namespace attojoule::network
