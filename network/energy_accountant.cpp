#include "network/energy_accountant.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "photonics/error.hpp"
#include "photonics/units.hpp"

namespace attojoule::network {
namespace {

// The mapping's view of the models that the noise was drawn with.
std::vector<ChannelRun> channel_runs(const ProductNoise& noise) {
  std::vector<ChannelRun> runs;
  runs.reserve(noise.models.size());
  for (const auto& model : noise.models) {
    runs.push_back({model.reads / model.repetitions, model.repetitions});
  }
  return runs;
}

void require_equal(std::string_view layer, std::string_view what, double got, double wanted) {
  constexpr double tolerance = 1e-12;
  if (std::abs(got - wanted) <= tolerance * std::max(std::abs(got), std::abs(wanted))) return;
  throw RunError(fmt::format(
      "energy ledger, {}: {} are {:.17g} and {:.17g} (they are the same by definition). This is a "
      "mistake in the program: report it with the command that shows it.",
      layer, what, got, wanted));
}

}  // namespace

void EnergyLedger::add(const LayerEnergy& layer) {
  macs += layer.macs;
  latency_s += layer.work.latency_s;
  for (std::size_t k = 0; k < energy_component_count; ++k) {
    joule_per_inference[k] += layer.joule_per_inference[k];
    static_joule_per_inference[k] += layer.static_joule_per_inference[k];
  }
  layers.push_back(layer);
}

double EnergyLedger::attojoule_per_mac(EnergyComponent component) const {
  return macs > 0 ? at(joule_per_inference, component) / macs * 1e18 : 0.0;
}

double EnergyLedger::total_attojoule_per_mac() const {
  return macs > 0 ? total_joule() / macs * 1e18 : 0.0;
}

double EnergyLedger::average_power_w() const {
  return latency_s > 0 ? total_joule() / latency_s : 0.0;
}

EnergyLedger account_energy(const photonics::Device& device, const Program& program,
                            std::span<const ProductNoise> noise,
                            std::span<const ProductRecord> totals, double samples) {
  EnergyLedger ledger;
  const auto& products = program.products();
  for (std::size_t i = 0; i < products.size(); ++i) {
    LayerEnergy layer;
    if (i < noise.size() && noise[i].kind != NoiseKind::none) {
      const auto& models = noise[i].models;
      layer.work = work_of(device.tile, products[i], channel_runs(noise[i]));
      layer.macs = layer.work.macs;
      layer.reads = layer.work.reads;
      // Channels have equally many outputs: the mean over channels stands for each of them.
      const double share =
          static_cast<double>(products[i].outputs()) / static_cast<double>(models.size());
      for (const auto& model : models) layer.light.full_scale += model.photons.full_scale * share;
      layer.photons_incident = totals[i].photons / samples;
      layer.light.detected = totals[i].photons_detected / samples;
      const LayerBill bill = bill_work(device, layer.work, layer.light);
      require_feedable(device, products[i].name, bill.laser);
      layer.laser = bill.laser;
      layer.joule_per_inference = bill.joule;
      layer.static_joule_per_inference = bill.static_joule;
    }
    ledger.add(layer);
  }
#ifndef NDEBUG
  verify_ledger(device, program, noise, totals, samples, ledger);
#endif
  return ledger;
}

EnergyLedger ledger_of(std::span<const LayerCost> costs) {
  EnergyLedger ledger;
  for (const LayerCost& cost : costs) {
    LayerEnergy layer;
    layer.macs = cost.work.macs;
    layer.reads = cost.work.reads;
    layer.photons_incident = cost.light.full_scale;
    layer.work = cost.work;
    layer.light = cost.light;
    layer.laser = cost.bill.laser;
    layer.joule_per_inference = cost.bill.joule;
    layer.static_joule_per_inference = cost.bill.static_joule;
    ledger.add(layer);
  }
  return ledger;
}

void verify_ledger(const photonics::Device& device, const Program& program,
                   std::span<const ProductNoise> noise, std::span<const ProductRecord> totals,
                   double samples, const EnergyLedger& ledger) {
  const double photon_j = photonics::value_in(
      photonics::joule, photonics::photon_energy(device.laser.wavelength_m * photonics::metre));
  const auto& products = program.products();
  EnergyBreakdown sum{};
  double sum_of_totals = 0;
  for (std::size_t i = 0; i < ledger.layers.size(); ++i) {
    const LayerEnergy& layer = ledger.layers[i];
    for (std::size_t k = 0; k < energy_component_count; ++k) sum[k] += layer.joule_per_inference[k];
    sum_of_totals += total(layer.joule_per_inference);
    if (i >= noise.size() || noise[i].kind == NoiseKind::none) continue;
    const std::string& name = products[i].name;
    const double share =
        static_cast<double>(products[i].outputs()) / static_cast<double>(noise[i].models.size());
    double reads = 0, constant = 0;
    bool fixed_light = true;
    for (const auto& model : noise[i].models) {
      reads += model.reads * share;
      constant += model.photons.constant * share;
      fixed_light &= model.photons.per_input_norm == 0 && model.photons.per_weight_norm == 0;
    }
    require_equal(name, "reads of the mapping and of the noise", layer.work.reads, reads);
    if (fixed_light) {
      require_equal(name, "photons recorded and photons of the noise", layer.photons_incident,
                    constant);
    }
    if (noise[i].kind != NoiseKind::photon_counting) {
      require_equal(name, "photons detected and quantum efficiency x photons",
                    totals[i].photons_detected / samples,
                    layer.photons_incident * device.detector.quantum_efficiency);
    }
    require_equal(name, "light billed and h nu x photons",
                  at(layer.joule_per_inference, EnergyComponent::optical_detected),
                  totals[i].photons_detected / samples * photon_j);
  }
  for (const auto component : energy_components) {
    require_equal("all layers", fmt::format("total and sum of {}", to_string(component)),
                  at(ledger.joule_per_inference, component), at(sum, component));
  }
  require_equal("all layers", "sums over components and over layers", ledger.total_joule(),
                sum_of_totals);
}

std::vector<EnergyComponent> unbilled(const photonics::Device& device) {
  using enum EnergyComponent;
  std::vector<EnergyComponent> result;
  const auto add = [&result](EnergyComponent component, double price) {
    if (price == 0) result.push_back(component);
  };
  add(modulator, energy_per_symbol_j(device.modulator) + device.modulator.power_w);
  add(dac, device.dac.energy_per_conversion_j);
  add(receiver, device.receiver.energy_per_read_j + device.receiver.power_w);
  add(adc, device.adc.energy_per_conversion_j);
  add(digital, device.digital.energy_per_addition_j);
  add(memory, device.memory.energy_per_byte_j);
  add(static_power, device.tile.static_power_w);
  return result;
}

}  // namespace attojoule::network
