// What a network's inference costs, layer by layer and component by component.
//
// The photons are those that the noise of the same run was drawn with (ProductRecord::photons); the
// accountant multiplies, it does not estimate. Components that contain each other (light at the
// detector, at the facet, electricity of the laser) are reported side by side; the total holds each
// joule once: laser wall plug + receiver + ADC. Modulators, DACs, memory and digital operations are
// not billed yet. Tests: tests/network/energy_accountant_test.cpp.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "network/program.hpp"
#include "photonics/device.hpp"

namespace attojoule::network {

enum class EnergyComponent {
  optical_detected,  // photons that became electrons, times h nu
  optical_facet,     // light at the laser's facet: full-scale photons / path transmission
  laser_wall_plug,   // electricity of the laser: facet / wall-plug efficiency
  receiver,          // amplifier and reset, per read
  adc,               // conversions, one per read
};
inline constexpr std::array energy_components{
    EnergyComponent::optical_detected, EnergyComponent::optical_facet,
    EnergyComponent::laser_wall_plug, EnergyComponent::receiver, EnergyComponent::adc};
inline constexpr std::size_t energy_component_count = energy_components.size();
const char* to_string(EnergyComponent component);
// Whether the total counts it (and not something that contains it).
bool is_in_total(EnergyComponent component);

// Joules per inference of each component.
using EnergyBreakdown = std::array<double, energy_component_count>;
double total(const EnergyBreakdown& energy);

struct LayerEnergy {
  double macs = 0;
  double reads = 0;             // ADC conversions per inference
  double photons_incident = 0;  // per inference
  EnergyBreakdown joule_per_inference{};
};

struct EnergyLedger {
  std::vector<LayerEnergy> layers;  // products, in their order; digital ones cost nothing here
  double macs = 0;                  // of all products that run optically
  EnergyBreakdown joule_per_inference{};

  double attojoule_per_mac(EnergyComponent component) const;
  double total_attojoule_per_mac() const;
};

// noise: what the program ran under; totals: its records summed over `samples` inferences.
EnergyLedger account_energy(const photonics::Device& device, const Program& program,
                            std::span<const ProductNoise> noise,
                            std::span<const ProductRecord> totals, double samples);

}  // namespace attojoule::network
