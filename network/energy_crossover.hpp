// Which component of a layer costs most, and where another one takes over.
//
// Levers, each alone with the others held: photons per multiplication, length of the dot product
// (the number of outputs held), fan-out, energy of an ADC conversion. The layer is billed anew
// along each of them, up to a factor of 1e4 to both sides: whole numbers stay whole, and what jumps
// (reads of a full well, blocks of the tile) jumps. The nearest change on either side is given.
// Components are those of the total; laser_wall_plug stands for all light.
// Test: tests/network/energy_analysis_test.cpp.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "network/energy_sensitivity.hpp"

namespace attojoule::network {

// The largest part of the total. optical_detected where the total is zero.
EnergyComponent dominant_component(const EnergyBreakdown& joule);

struct Crossing {
  double value = std::numeric_limits<double>::quiet_NaN();  // of the lever; NaN: no change
  EnergyComponent becomes = EnergyComponent::laser_wall_plug;
};

struct Crossover {
  std::string lever;  // "photons_per_mac", "dot_length", "fan_out", "adc.energy_per_conversion"
  std::string unit;
  double value = 0;  // where the layer is; mean over channels
  Crossing below, above;
};

std::vector<Crossover> energy_crossovers(const photonics::Device& device,
                                         const LayerQuestion& layer);

}  // namespace attojoule::network
