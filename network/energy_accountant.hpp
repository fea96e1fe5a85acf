// What a network's inference costs, layer by layer and component by component.
//
// The photons are those that the noise of the same run was drawn with (ProductRecord::photons), the
// counts those of the tile mapping under the same chunks and repetitions; the accountant
// multiplies, it does not estimate. Components that contain each other (light at the detector, at
// the facet, electricity of the laser) are reported side by side; the total holds each joule once.
// What the device does not describe is zero: unbilled() names it. Equations: layer_cost.hpp. Text:
// docs/physics/energy.md. Tests: tests/network/energy_accountant_test.cpp.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "network/energy_components.hpp"
#include "network/layer_cost.hpp"
#include "network/program.hpp"
#include "photonics/device.hpp"

namespace attojoule::network {

struct LayerEnergy {
  double macs = 0;
  double reads = 0;             // ADC conversions per inference
  double photons_incident = 0;  // per inference
  ProductWork work;
  LayerLight light;
  LaserLoad laser;
  EnergyBreakdown joule_per_inference{};
  EnergyBreakdown static_joule_per_inference{};  // of it: power x time, whatever is computed
};

struct EnergyLedger {
  std::vector<LayerEnergy> layers;  // products, in their order; digital ones cost nothing here
  double macs = 0;                  // of all products that run optically
  double latency_s = 0;             // of all products, one after the other on one tile
  EnergyBreakdown joule_per_inference{};
  EnergyBreakdown static_joule_per_inference{};

  void add(const LayerEnergy& layer);
  double attojoule_per_mac(EnergyComponent component) const;
  double total_attojoule_per_mac() const;
  double total_joule() const { return total(joule_per_inference); }
  double static_joule() const { return total(static_joule_per_inference); }
  double dynamic_joule() const { return total_joule() - static_joule(); }
  double average_power_w() const;  // energy over latency, inference after inference; 0 without any
};

// noise: what the program ran under; totals: its records summed over `samples` inferences.
// Throws ConfigError naming the layer where the laser cannot feed the tile. In builds with
// assertions it ends with verify_ledger().
EnergyLedger account_energy(const photonics::Device& device, const Program& program,
                            std::span<const ProductNoise> noise,
                            std::span<const ProductRecord> totals, double samples);

// The ledger of layers whose cost is known without a run (layer_cost). An empty entry is digital.
EnergyLedger ledger_of(std::span<const LayerCost> costs);

// The identities that a ledger has to fulfil, to 1e-12: components and layers add up, the photons
// that set the noise times h nu are the light that is billed, and the reads of the mapping are
// those of the noise. Throws RunError naming the layer and the two numbers.
void verify_ledger(const photonics::Device& device, const Program& program,
                   std::span<const ProductNoise> noise, std::span<const ProductRecord> totals,
                   double samples, const EnergyLedger& ledger);

// The components that the device does not describe, and that are therefore not billed.
std::vector<EnergyComponent> unbilled(const photonics::Device& device);

}  // namespace attojoule::network
