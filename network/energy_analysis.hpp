// What to make of a bill: what dominates each layer and where that changes, what would lower
// the total, and how it stands beside digital electronics, thermodynamics and the quantum limit.
//
// Standard quantum limit: the light of an ideal receiver (no loss, every photon detected, nothing
// but shot noise, equal beams) with the same noise, and so the same accuracy:
//   n_SQL = 1 / (D v) photons per multiplication,  v = Var[y] / (|w|^2 |x|^2) of this device.
// Landauer: k_B T ln 2 for each bit that is erased; an irreversible multiplication of b bits by an
// array of b^2 full adders (3 bits in, 2 out) erases at least one in each. A reversible one erases
// nothing, so this bounds usual logic, not physics.
// Text: docs/physics/energy.md. Tests: tests/network/energy_analysis_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "network/energy_accountant.hpp"
#include "network/energy_crossover.hpp"
#include "network/energy_sensitivity.hpp"

namespace attojoule::network {

// A line beside the bill.
struct ReferenceLine {
  std::string name;
  std::string group;   // "limit", "digital", "optical"
  std::string counts;  // what it counts: light_detected, total, arithmetic, chip, bit
  double attojoule_per_mac = 0;
  int year = 0;
  std::string basis;  // measured, modelled, claimed
  std::string citation;
  std::string note;
};

struct LayerAnalysis {
  std::string name;
  bool digital = false;
  EnergyComponent dominant = EnergyComponent::optical_detected;
  double dominant_share = 0;  // of the total
  double quantum_limit_photons =
      0;  // n_SQL, repetitions included; NaN where the law knows no light
  std::vector<Crossover> crossovers;
};

struct EnergyAnalysis {
  std::vector<EnergyComponent> not_billed;
  std::vector<LayerAnalysis> layers;  // as in the ledger
  std::vector<ParameterSensitivity> sensitivities;
  std::vector<ReferenceLine> references;  // by energy
};

// ledger: of the same layers. published: lines of data::ComponentLibrary, as its user reads them.
// Throws ConfigError as layer_cost does.
EnergyAnalysis analyse_energy(const photonics::Device& device,
                              const std::vector<LayerQuestion>& layers, const EnergyLedger& ledger,
                              std::vector<ReferenceLine> published);

// The bill without a run, from the layers' operating points. Throws ConfigError naming the layer
// and the missing dB where the laser cannot feed it.
EnergyLedger ledger_of(const photonics::Device& device, const std::vector<LayerQuestion>& layers);

// J of an irreversible multiplication of b-bit numbers at a temperature.
double landauer_energy_j(int bits, double temperature_k);

// n_SQL at the layer's points, mean over channels.
double quantum_limit_photons(const photonics::Device& device, const LayerQuestion& layer);

}  // namespace attojoule::network
