#include "network/energy_components.hpp"

namespace attojoule::network {

const char* to_string(EnergyComponent component) {
  switch (component) {
    case EnergyComponent::optical_detected:
      return "optical_detected";
    case EnergyComponent::optical_facet:
      return "optical_facet";
    case EnergyComponent::laser_wall_plug:
      return "laser_wall_plug";
    case EnergyComponent::modulator:
      return "modulator";
    case EnergyComponent::dac:
      return "dac";
    case EnergyComponent::receiver:
      return "receiver";
    case EnergyComponent::adc:
      return "adc";
    case EnergyComponent::digital:
      return "digital";
    case EnergyComponent::memory:
      return "memory";
    case EnergyComponent::static_power:
      return "static";
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
    if (is_in_total(component)) sum += at(energy, component);
  }
  return sum;
}

}  // namespace attojoule::network
