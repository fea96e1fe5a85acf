#include "network/layer_cost.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "photonics/error.hpp"
#include "photonics/laser.hpp"
#include "photonics/link.hpp"
#include "photonics/read_out.hpp"
#include "photonics/units.hpp"

namespace attojoule::network {
namespace {

using photonics::Device;

// Receivers that share a transmitter's light, averaged over the two beams by their photons.
double fan_out(const Device& device) {
  const photonics::Tile& tile = device.tile;
  const auto limited = [&tile](std::int64_t receivers) {
    return static_cast<double>(tile.fan_out > 0 ? std::min(tile.fan_out, receivers) : receivers);
  };
  const double share = device.receiver.signal_beam_share;
  return share * limited(tile.rows) + (1 - share) * limited(tile.columns);
}

double laser_seconds(const Device& device, const ProductWork& work) {
  const double rate = device.tile.symbol_rate_hz;
  return device.laser.count > 0 ? static_cast<double>(device.laser.count) * work.slots / rate
                                : work.multiplications / (rate * fan_out(device));
}

// Electricity of a laser that emits this power, cooling included, whatever its largest power.
double electrical_power(const photonics::Laser& laser, double optical_w) {
  photonics::Laser unlimited = laser;
  unlimited.maximum_power_w = 0;
  const auto bias = photonics::bias_for_power(unlimited, optical_w * photonics::watt);
  return bias.electrical_w + bias.cooling_w;
}

// d electricity / d light at this power.
double marginal_electricity(const photonics::Laser& laser, double optical_w) {
  const double slope = laser.slope_efficiency_w_per_a;
  if (slope == 0) return 1 / laser.wall_plug_efficiency;
  const double current = laser.threshold_current_a + optical_w / slope;
  const double supply =
      (laser.junction_voltage_v + 2 * laser.series_resistance_ohm * current) / slope;
  return supply + laser.cooling_per_heat * (supply - 1);
}

LaserLoad laser_load(const Device& device, double seconds, double facet_j) {
  LaserLoad load;
  load.margin_db = std::numeric_limits<double>::infinity();
  if (!(facet_j > 0)) return load;
  load.seconds = seconds;
  load.power_w = facet_j / seconds;
  load.wall_plug_efficiency = load.power_w / electrical_power(device.laser, load.power_w);
  if (device.laser.maximum_power_w > 0) {
    load.margin_db = 10 * std::log10(device.laser.maximum_power_w / load.power_w);
  }
  return load;
}

double photon_energy_j(const Device& device) {
  return photonics::value_in(
      photonics::joule, photonics::photon_energy(device.laser.wavelength_m * photonics::metre));
}

double symbols(const ProductWork& work) {
  return work.input_symbols + work.weight_symbols + work.programmed_weights;
}

double bytes(const Device& device, const ProductWork& work, double results) {
  return (work.input_values + work.weight_values + results) * device.memory.bytes_per_operand +
         2 * work.partial_sums * device.memory.bytes_per_partial_sum;
}

// What one operating point means to the mapping.
ChannelRun channel_run(const Device& device, const MatrixProduct& product,
                       const CostRequest& request, const photonics::OperatingPoint& point) {
  using photonics::Law;
  ChannelRun run{.chunks = 1, .repetitions = point.repetitions};
  if (request.law == Law::garg_thermal || request.law == Law::garg_weight) {
    run.repetitions *= std::max(point.photons_per_mac, 1.0);  // the paper's E counts repeats
  } else if (request.law == Law::homodyne) {
    photonics::DotProduct dot;
    dot.length = product.dot_length;
    run.chunks = static_cast<double>(photonics::cut_into_chunks(device, point, dot).count);
    // Integrating m times longer is m times the symbols and slots, for the same light and reads.
    run.repetitions *= point.integrations;
    run.chunks /= point.integrations;
  }
  return run;
}

}  // namespace

double energy_per_symbol_j(const photonics::Modulator& modulator) {
  return modulator.capacitance_f > 0
             ? modulator.capacitance_f * modulator.drive_voltage_v * modulator.drive_voltage_v / 4
             : modulator.energy_per_symbol_j;
}

double modulator_count(const photonics::Tile& tile) {
  const auto transmitters = [&tile](std::int64_t lines, std::int64_t receivers) {
    const std::int64_t each =
        tile.fan_out > 0 ? (receivers + tile.fan_out - 1) / tile.fan_out : std::int64_t{1};
    return static_cast<double>(lines * each);
  };
  const auto wavelengths = static_cast<double>(tile.wavelengths);
  const double inputs = transmitters(tile.columns, tile.rows) * wavelengths;
  return tile.dataflow == photonics::Dataflow::weight_stationary
             ? inputs + static_cast<double>(tile.rows * tile.columns)
             : inputs + transmitters(tile.rows, tile.columns) * wavelengths;
}

double receiver_count(const photonics::Tile& tile) {
  return static_cast<double>(tile.rows) *
         static_cast<double>(tile.dataflow == photonics::Dataflow::weight_stationary
                                 ? tile.wavelengths
                                 : tile.columns);
}

LayerBill bill_work(const Device& device, const ProductWork& work, const LayerLight& light) {
  using enum EnergyComponent;
  const double photon_j = photon_energy_j(device);
  const double time = work.latency_s;
  LayerBill bill;
  EnergyBreakdown& joule = bill.joule;
  EnergyBreakdown& fixed = bill.static_joule;
  at(joule, optical_detected) = light.detected * photon_j;
  // The laser sends full-scale light whatever the modulators let through.
  const double facet = light.full_scale * photon_j / photonics::path_transmission(device.link);
  at(joule, optical_facet) = facet;
  bill.laser = laser_load(device, laser_seconds(device, work), facet);
  if (facet > 0) {
    at(joule, laser_wall_plug) = device.laser.slope_efficiency_w_per_a > 0
                                     ? facet / bill.laser.wall_plug_efficiency
                                     : facet / device.laser.wall_plug_efficiency;
    // At threshold a laser emits nothing and already draws this.
    if (device.laser.slope_efficiency_w_per_a > 0) {
      at(fixed, laser_wall_plug) = bill.laser.seconds * electrical_power(device.laser, 0);
    }
  }
  at(fixed, modulator) = modulator_count(device.tile) * device.modulator.power_w * time;
  at(joule, modulator) =
      symbols(work) * energy_per_symbol_j(device.modulator) + at(fixed, modulator);
  at(joule, dac) = symbols(work) * device.dac.energy_per_conversion_j;
  at(fixed, receiver) = receiver_count(device.tile) * device.receiver.power_w * time;
  at(joule, receiver) = work.reads * device.receiver.energy_per_read_j + at(fixed, receiver);
  at(joule, adc) = work.reads * device.adc.energy_per_conversion_j;
  at(joule, digital) = work.partial_sums * device.digital.energy_per_addition_j;
  const double results = work.reads - work.partial_sums;
  at(joule, memory) = bytes(device, work, results) * device.memory.energy_per_byte_j;
  at(fixed, static_power) = device.tile.static_power_w * time;
  at(joule, static_power) = at(fixed, static_power);
  return bill;
}

LayerCost layer_cost(const Device& device, const MatrixProduct& product, const CostRequest& request,
                     std::span<const photonics::OperatingPoint> points) {
  using enum EnergyComponent;
  using photonics::Law;
  const auto channels = static_cast<std::size_t>(product.channels);
  if (points.size() != 1 && points.size() != channels) {
    throw ConfigError(
        fmt::format("{}: {} operating points for {} output channels. Give one, or one for each.",
                    product.name, points.size(), product.channels));
  }
  std::vector<ChannelRun> runs;
  runs.reserve(points.size());
  for (const auto& point : points) runs.push_back(channel_run(device, product, request, point));

  LayerCost cost;
  cost.work = work_of(device.tile, product, runs);
  // Garg's thermal and weight laws know no light.
  const bool lit = request.law != Law::garg_thermal && request.law != Law::garg_weight;
  const double multiplications_of_point =
      static_cast<double>(product.macs()) / static_cast<double>(points.size());
  std::vector<double> photons;
  for (const auto& point : points) {
    photons.push_back(lit ? multiplications_of_point * point.photons_per_mac * point.repetitions
                          : 0.0);
    cost.light.full_scale += photons.back();
  }
  const double share = device.receiver.signal_beam_share;
  const double arriving =
      request.encoding == photonics::Encoding::full_scale
          ? share * request.mean_square_input + (1 - share) * request.mean_square_weight
          : 1.0;
  cost.light.detected = cost.light.full_scale * arriving * device.detector.quantum_efficiency;
  cost.bill = bill_work(device, cost.work, cost.light);

  const EnergyBreakdown& joule = cost.bill.joule;
  at(cost.per_ln_photons, optical_detected) = at(joule, optical_detected);
  at(cost.per_ln_photons, optical_facet) = at(joule, optical_facet);
  const double marginal = marginal_electricity(device.laser, cost.bill.laser.power_w);
  at(cost.per_ln_photons, laser_wall_plug) = at(joule, optical_facet) * marginal;
  for (const double own : photons) {
    cost.total_per_ln_photons.push_back(cost.light.full_scale > 0
                                            ? at(cost.per_ln_photons, laser_wall_plug) * own /
                                                  cost.light.full_scale
                                            : 0.0);
  }

  // Everything is done K times as often but what the weights of a weight-stationary tile take
  // once, and the result, which is written once.
  cost.per_ln_repetitions = joule;
  const ProductWork& work = cost.work;
  const bool held = device.tile.dataflow == photonics::Dataflow::weight_stationary;
  at(cost.per_ln_repetitions, modulator) -=
      work.programmed_weights * energy_per_symbol_j(device.modulator);
  at(cost.per_ln_repetitions, dac) -= work.programmed_weights * device.dac.energy_per_conversion_j;
  // Partial sums are reads - results.
  at(cost.per_ln_repetitions, digital) = work.reads * device.digital.energy_per_addition_j;
  const double operands = work.input_values + (held ? 0.0 : work.weight_values);
  at(cost.per_ln_repetitions, memory) = (operands * device.memory.bytes_per_operand +
                                         2 * work.reads * device.memory.bytes_per_partial_sum) *
                                        device.memory.energy_per_byte_j;
  return cost;
}

void require_feedable(const Device& device, const std::string& layer, const LaserLoad& load) {
  if (!(load.margin_db < 0)) return;
  throw ConfigError(fmt::format(
      "{}: laser.maximum_power: each laser must emit {:.4g} W at the facet and gives {:.4g} W (for "
      "the light of {:.4g} receivers behind the path's losses {:.2f} dB are missing). Lower "
      "operating_point.photons_per_mac, tile.fan_out, tile.symbol_rate or the losses of the link, "
      "or use more lasers or a stronger one.",
      layer, load.power_w, device.laser.maximum_power_w, fan_out(device), -load.margin_db));
}

}  // namespace attojoule::network
