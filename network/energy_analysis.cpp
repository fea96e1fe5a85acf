#include "network/energy_analysis.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "photonics/constants.hpp"
#include "photonics/units.hpp"

namespace attojoule::network {
namespace {

using photonics::Law;

constexpr double room_temperature_k = 300;
constexpr double attojoule = 1e-18;

// Photons of the limit times h nu, a MAC of the whole network.
double quantum_limit_attojoule(const photonics::Device& device,
                               const std::vector<LayerQuestion>& layers,
                               const std::vector<LayerAnalysis>& analyses) {
  double photons = 0, macs = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].product == nullptr) continue;
    const auto own = static_cast<double>(layers[i].product->macs());
    photons += own * analyses[i].quantum_limit_photons;
    macs += own;
  }
  const double photon_j = photonics::value_in(
      photonics::joule, photonics::photon_energy(device.laser.wavelength_m * photonics::metre));
  return photons / macs * photon_j / attojoule;
}

}  // namespace

double landauer_energy_j(int bits, double temperature_k) {
  return static_cast<double>(bits) * bits * photonics::constants::boltzmann_j_per_k *
         temperature_k * std::numbers::ln2;
}

double quantum_limit_photons(const photonics::Device& device, const LayerQuestion& layer) {
  const Law law = layer.request.law;
  if (law == Law::garg_thermal || law == Law::garg_weight) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  double sum = 0;
  for (const auto& point : layer.points) {
    double variance = noise_slopes_of(device, layer, point).variance;
    if (layer.request.encoding == photonics::Encoding::full_scale) {
      // v is relative to operands of full scale; the limit is for those that there are.
      variance /= layer.request.mean_square_input * layer.request.mean_square_weight;
    }
    sum += 1 / (static_cast<double>(layer.product->dot_length) * variance);
  }
  return sum / static_cast<double>(layer.points.size());
}

EnergyLedger ledger_of(const photonics::Device& device, const std::vector<LayerQuestion>& layers) {
  std::vector<LayerCost> costs;
  for (const LayerQuestion& layer : layers) {
    if (layer.product == nullptr) {
      costs.emplace_back();
      continue;
    }
    costs.push_back(layer_cost(device, *layer.product, layer.request, layer.points));
    require_feedable(device, layer.product->name, costs.back().bill.laser);
  }
  return ledger_of(costs);
}

EnergyAnalysis analyse_energy(const photonics::Device& device,
                              const std::vector<LayerQuestion>& layers, const EnergyLedger& ledger,
                              std::vector<ReferenceLine> published) {
  EnergyAnalysis analysis;
  analysis.not_billed = unbilled(device);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    LayerAnalysis layer;
    layer.digital = layers[i].product == nullptr;
    if (!layer.digital) {
      layer.name = layers[i].product->name;
      const EnergyBreakdown& joule = ledger.layers[i].joule_per_inference;
      layer.dominant = dominant_component(joule);
      layer.dominant_share = total(joule) > 0 ? at(joule, layer.dominant) / total(joule) : 0;
      layer.quantum_limit_photons = quantum_limit_photons(device, layers[i]);
      layer.crossovers = energy_crossovers(device, layers[i]);
    }
    analysis.layers.push_back(std::move(layer));
  }
  analysis.sensitivities = energy_sensitivities(device, layers);

  analysis.references = std::move(published);
  const double limit = quantum_limit_attojoule(device, layers, analysis.layers);
  if (std::isfinite(limit)) {
    analysis.references.push_back(
        {.name = "standard-quantum-limit",
         .group = "limit",
         .counts = "light_detected",
         .attojoule_per_mac = limit,
         .year = 2019,
         .basis = "modelled",
         .citation =
             "this noise from an ideal receiver; Hamerly et al., Phys. Rev. X 9, 021032 (2019)",
         .note = "light alone, at the same noise and so the same accuracy as this device"});
  }
  const char* landauer = "Landauer, IBM J. Res. Dev. 5, 183 (1961): k_B T ln 2 a bit at 300 K";
  analysis.references.push_back(
      {.name = "landauer-bit",
       .group = "limit",
       .counts = "bit",
       .attojoule_per_mac = landauer_energy_j(1, room_temperature_k) / attojoule,
       .year = 1961,
       .basis = "modelled",
       .citation = landauer,
       .note = "of one erased bit"});
  analysis.references.push_back(
      {.name = "landauer-int8",
       .group = "limit",
       .counts = "arithmetic",
       .attojoule_per_mac = landauer_energy_j(8, room_temperature_k) / attojoule,
       .year = 1961,
       .basis = "modelled",
       .citation = landauer,
       .note = "64 full adders of an array multiplier, one erased bit each; "
               "reversible logic may do with less"});
  std::stable_sort(analysis.references.begin(), analysis.references.end(),
                   [](const ReferenceLine& a, const ReferenceLine& b) {
                     return a.attojoule_per_mac < b.attojoule_per_mac;
                   });
  return analysis;
}

}  // namespace attojoule::network
