// From a device and an operating point to the noise of every product of a network.
#pragma once

#include <string>
#include <vector>

#include "network/program.hpp"
#include "photonics/device.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::network {

// Operating point of one product: one for all output channels, or one for each.
using ProductOperatingPoint = std::vector<photonics::OperatingPoint>;

enum class Fidelity {
  analytic,   // Gaussian of the receiver's variance
  counting,   // exact Poisson counts on both diodes, Gaussian receiver noise
  automatic,  // counting where the Gaussian is too far from the counts (photonics::choose_fidelity)
};

struct NoiseRequest {
  photonics::Law law = photonics::Law::homodyne;
  photonics::Encoding encoding = photonics::Encoding::normalised;
  Fidelity fidelity = Fidelity::analytic;  // of Law::homodyne
  // Law::garg_shot: as the code of Garg et al. 2021, which takes k^2 C_in for the length D of a
  // grouped convolution's dot product and not k^2 C_in / groups. Its noise is then too small by
  // sqrt(groups) for the light that is billed.
  bool garg_grouped_dot_length = false;
  std::vector<ProductOperatingPoint> points;  // one per product
  std::vector<bool> digital;                  // products without noise; empty = none
  std::vector<InputRange> ranges;             // one per product, or empty if nothing needs them
};

// Whether the law, the encoding or the device's modulators (extinction ratio, DAC) need the ranges
// of inputs, and so a calibration set.
bool needs_ranges(const photonics::Device& device, photonics::Law law,
                  photonics::Encoding encoding);

// Throws ConfigError naming the product where the law does not apply to it, and for what a
// network's noise cannot hold and would ignore: a bias error of the modulators, a bandwidth that
// takes more than a hundredth of a symbol of tile.symbol_rate to settle, and diodes that lose more
// than a hundredth of their current to saturation at the operating point.
std::vector<ProductNoise> plan_noise(const photonics::Device& device, const Program& program,
                                     const NoiseRequest& request);

// Marks the products named in `names`; ConfigError for a name that is no product, with the nearest.
std::vector<bool> find_digital_products(const Program& program,
                                        const std::vector<std::string>& names);

}  // namespace attojoule::network
