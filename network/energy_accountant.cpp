#include "network/energy_accountant.hpp"

#include "photonics/constants.hpp"
#include "photonics/link.hpp"

namespace attojoule::network {

const char* to_string(EnergyComponent component) {
  switch (component) {
    case EnergyComponent::optical_detected:
      return "optical_detected";
    case EnergyComponent::optical_facet:
      return "optical_facet";
    case EnergyComponent::laser_wall_plug:
      return "laser_wall_plug";
    case EnergyComponent::receiver:
      return "receiver";
    case EnergyComponent::adc:
      return "adc";
  }
  return "unknown";
}

bool is_in_total(EnergyComponent component) {
  return component != EnergyComponent::optical_detected &&
         component != EnergyComponent::optical_facet;
}

double total(const EnergyBreakdown& energy) {
  double sum = 0;
  for (const auto component : energy_components) {
    if (is_in_total(component)) sum += energy[static_cast<std::size_t>(component)];
  }
  return sum;
}

double EnergyLedger::attojoule_per_mac(EnergyComponent component) const {
  return macs > 0 ? joule_per_inference[static_cast<std::size_t>(component)] / macs * 1e18 : 0.0;
}

double EnergyLedger::total_attojoule_per_mac() const {
  return macs > 0 ? total(joule_per_inference) / macs * 1e18 : 0.0;
}

EnergyLedger account_energy(const photonics::Device& device, const Program& program,
                            std::span<const ProductNoise> noise,
                            std::span<const ProductRecord> totals, double samples) {
  const double photon_energy = photonics::constants::planck_j_s *
                               photonics::constants::speed_of_light_m_per_s /
                               device.laser.wavelength_m;
  const double transmission = photonics::path_transmission(device.link);
  EnergyLedger ledger;
  const auto& products = program.products();
  for (std::size_t i = 0; i < products.size(); ++i) {
    LayerEnergy layer;
    if (i < noise.size() && noise[i].kind != NoiseKind::none) {
      const auto& models = noise[i].models;
      layer.macs = static_cast<double>(products[i].macs());
      // Channels have equally many outputs: the mean over channels stands for each of them.
      const double share =
          static_cast<double>(products[i].outputs()) / static_cast<double>(models.size());
      double full_scale = 0;
      for (const auto& model : models) {
        layer.reads += model.reads * share;
        full_scale += model.photons.full_scale * share;
      }
      layer.photons_incident = totals[i].photons / samples;
      // The laser sends full-scale light whatever the modulators let through.
      const double facet = full_scale * photon_energy / transmission;
      auto& joule = layer.joule_per_inference;
      const auto set = [&joule](EnergyComponent component, double value) {
        joule[static_cast<std::size_t>(component)] = value;
      };
      set(EnergyComponent::optical_detected, totals[i].photons_detected / samples * photon_energy);
      set(EnergyComponent::optical_facet, facet);
      set(EnergyComponent::laser_wall_plug, facet / device.laser.wall_plug_efficiency);
      set(EnergyComponent::receiver, layer.reads * device.receiver.energy_per_read_j);
      set(EnergyComponent::adc, layer.reads * device.adc.energy_per_conversion_j);
    }
    ledger.macs += layer.macs;
    for (std::size_t k = 0; k < energy_component_count; ++k) {
      ledger.joule_per_inference[k] += layer.joule_per_inference[k];
    }
    ledger.layers.push_back(layer);
  }
  return ledger;
}

}  // namespace attojoule::network
