// The lines of the energy ledger, and sums over them.
#pragma once

#include <array>
#include <cstddef>

namespace attojoule::network {

enum class EnergyComponent {
  optical_detected,  // photons that became electrons, times h nu
  optical_facet,     // light at the laser's facet: full-scale photons / path transmission
  laser_wall_plug,   // electricity of the laser: bias and cooling included where described
  modulator,         // symbols, and the power that modulators draw all the time
  dac,               // conversions, one per symbol and transmitter
  receiver,          // amplifier and reset, per read, and the power that amplifiers draw
  adc,               // conversions, one per read
  digital,           // additions of partial sums and repetitions
  memory,            // bytes of operands, results and partial sums
  static_power,      // what the tile draws besides, whatever it does
};
inline constexpr std::array energy_components{EnergyComponent::optical_detected,
                                              EnergyComponent::optical_facet,
                                              EnergyComponent::laser_wall_plug,
                                              EnergyComponent::modulator,
                                              EnergyComponent::dac,
                                              EnergyComponent::receiver,
                                              EnergyComponent::adc,
                                              EnergyComponent::digital,
                                              EnergyComponent::memory,
                                              EnergyComponent::static_power};
inline constexpr std::size_t energy_component_count = energy_components.size();

// As JSON and HDF5 spell it: "optical_detected", ..., "static".
const char* to_string(EnergyComponent component);
// Whether the total counts it (and not something that contains it): all but the two optical ones,
// which are part of laser_wall_plug.
bool is_in_total(EnergyComponent component);

// Joules of each component.
using EnergyBreakdown = std::array<double, energy_component_count>;
inline double& at(EnergyBreakdown& energy, EnergyComponent component) {
  return energy[static_cast<std::size_t>(component)];
}
inline double at(const EnergyBreakdown& energy, EnergyComponent component) {
  return energy[static_cast<std::size_t>(component)];
}
// Each joule once.
double total(const EnergyBreakdown& energy);

}  // namespace attojoule::network
