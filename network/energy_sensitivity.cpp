#include "network/energy_sensitivity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "photonics/device_parameters.hpp"
#include "photonics/error.hpp"
#include "photonics/read_out.hpp"

namespace attojoule::network {
namespace {

using photonics::Device;
using photonics::DeviceParameter;
using photonics::Law;
using photonics::OperatingPoint;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Derivatives of a layer's joules by ln p (or dB) of every parameter, photons and counts held.
class EnergySlopes {
 public:
  explicit EnergySlopes(std::size_t count) : slopes_(count, 0.0) {}

  void add_layer(const Device& device, const LayerCost& cost) {
    add_laser(device, cost);
    add_electronics(device, cost);
    add_times(device, cost);
  }
  double of(std::size_t parameter) const { return slopes_[parameter]; }

 private:
  double& by(std::string_view key) { return slopes_[photonics::parameter_index(key)]; }

  void add_laser(const Device& device, const LayerCost& cost) {
    const LaserLoad& load = cost.bill.laser;
    if (!(load.power_w > 0)) return;
    const double laser = at(cost.bill.joule, EnergyComponent::laser_wall_plug);
    // All light follows losses and photon energy as it follows the photons.
    const double by_light = at(cost.per_ln_photons, EnergyComponent::laser_wall_plug);
    for (const char* loss :
         {"link.coupling_loss", "link.propagation_loss", "link.modulator_insertion_loss",
          "link.splitting_excess_loss", "link.detector_coupling_loss"}) {
      by(loss) += by_light * std::numbers::ln10 / 10;
    }
    by("laser.wavelength") -= by_light;
    const photonics::Laser& l = device.laser;
    if (l.slope_efficiency_w_per_a == 0) {
      by("laser.wall_plug_efficiency") -= laser;
      return;
    }
    // S ((1 + c) I (V + R I) - c P),  I = I_th + P / slope
    const double power = load.power_w, seconds = load.seconds;
    const double driven = power / l.slope_efficiency_w_per_a;
    const double current = l.threshold_current_a + driven;
    const double heat = seconds * (1 + l.cooling_per_heat);
    const double by_current = heat * (l.junction_voltage_v + 2 * l.series_resistance_ohm * current);
    by("laser.threshold_current") += by_current * l.threshold_current_a;
    by("laser.slope_efficiency") -= by_current * driven;
    by("laser.junction_voltage") += heat * current * l.junction_voltage_v;
    by("laser.series_resistance") += heat * current * current * l.series_resistance_ohm;
    const double supply = current * (l.junction_voltage_v + l.series_resistance_ohm * current);
    by("laser.cooling_per_heat") += seconds * l.cooling_per_heat * (supply - power);
    // The same light in less time: S falls, the power rises.
    by("tile.symbol_rate") -= laser - by_light;
  }

  void add_electronics(const Device& device, const LayerCost& cost) {
    using enum EnergyComponent;
    const EnergyBreakdown& joule = cost.bill.joule;
    const EnergyBreakdown& fixed = cost.bill.static_joule;
    const double symbols = at(joule, modulator) - at(fixed, modulator);
    if (device.modulator.capacitance_f > 0) {
      by("modulator.capacitance") += symbols;
      by("modulator.drive_voltage") += 2 * symbols;
    } else {
      by("modulator.energy_per_symbol") += symbols;
    }
    by("modulator.power") += at(fixed, modulator);
    by("dac.energy_per_conversion") += at(joule, dac);
    by("receiver.energy_per_read") += at(joule, receiver) - at(fixed, receiver);
    by("receiver.power") += at(fixed, receiver);
    by("adc.energy_per_conversion") += at(joule, adc);
    by("digital.energy_per_addition") += at(joule, digital);
    by("memory.energy_per_byte") += at(joule, memory);
    const double sums = 2 * cost.work.partial_sums * device.memory.bytes_per_partial_sum *
                        device.memory.energy_per_byte_j;
    by("memory.bytes_per_partial_sum") += sums;
    by("memory.bytes_per_operand") += at(joule, memory) - sums;
    by("tile.static_power") += at(joule, static_power);
  }

  void add_times(const Device& device, const LayerCost& cost) {
    using enum EnergyComponent;
    const double latency = cost.work.latency_s;
    if (!(latency > 0)) return;
    double powered = 0;
    for (const auto component : {modulator, receiver, static_power}) {
      powered += at(cost.bill.static_joule, component);
    }
    const double sending = cost.work.slots / device.tile.symbol_rate_hz / latency;
    by("tile.symbol_rate") -= powered * sending;
    by("tile.read_time") += powered * (1 - sending);
  }

  std::vector<double> slopes_;
};

// Chunks of a point, as layer_cost counts them.
photonics::Chunks chunks_of(const Device& device, const LayerQuestion& layer,
                            const OperatingPoint& point) {
  photonics::DotProduct dot;
  dot.length = layer.product->dot_length;
  return photonics::cut_into_chunks(device, point, dot);
}

double photons_of_same_noise(const Device& changed, const LayerQuestion& layer,
                             const OperatingPoint& point, double variance) {
  const auto dot = dot_product_of(layer);
  const auto operands = operands_of(layer);
  // Light and reads depend on each other. Fewer reads are taken where the light that they need does
  // not bring the others back.
  OperatingPoint moved = point;
  photonics::Chunks chunks = chunks_of(changed, layer, moved);
  bool grown = false;
  for (int round = 0; round < 64; ++round) {
    const auto curve = photonics::noise_curve(changed, point, dot, operands, chunks.slots);
    moved.photons_per_mac =
        curve.photons_for(variance, point.repetitions, static_cast<double>(chunks.count));
    if (!std::isfinite(moved.photons_per_mac)) return nan;
    const photonics::Chunks next = chunks_of(changed, layer, moved);
    if (next.count == chunks.count || (grown && next.count < chunks.count)) break;
    grown = grown || next.count > chunks.count;
    chunks = next;
  }
  return moved.photons_per_mac;
}

LayerCost cost_of(const Device& device, const LayerQuestion& layer) {
  return layer_cost(device, *layer.product, layer.request, layer.points);
}

// Joules of the changed device, or NaN where it cannot run the layers.
double stepped_energy(const Device& device, const Device& changed,
                      std::span<const LayerQuestion> layers, bool hold_noise) {
  try {
    photonics::validate(changed);
    std::vector<std::vector<OperatingPoint>> moved;
    if (hold_noise) moved = points_of_same_noise(device, changed, layers);
    double sum = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (layers[i].product == nullptr) continue;
      const auto& points = hold_noise ? moved[i] : layers[i].points;
      for (const auto& point : points) {
        if (!std::isfinite(point.photons_per_mac)) return nan;
      }
      const LayerCost cost = layer_cost(changed, *layers[i].product, layers[i].request, points);
      if (cost.bill.laser.margin_db < 0) return nan;
      sum += total(cost.bill.joule);
    }
    return sum;
  } catch (const ConfigError&) {
    return nan;
  }
}

// The step that saves energy, and its name; nothing where the parameter is at its best.
std::string take_step(const DeviceParameter& parameter, double slope, Device& device) {
  double& value = parameter.of(device);
  const std::string_view key = parameter.key;
  if (photonics::is_decibel(parameter)) {
    if (slope < 0) {
      value += 1;
      return "1 dB more";
    }
    const double step = std::min(1.0, value);
    value -= step;
    return step == 1 ? "1 dB less" : "none of it";
  }
  if (key == "adc.bits" || key == "modulator.dac_bits") {
    value += slope < 0 ? 1 : -1;
    return slope < 0 ? "1 bit more" : "1 bit less";
  }
  const bool fraction = key == "laser.wall_plug_efficiency" ||
                        key == "detector.quantum_efficiency" || key == "receiver.visibility";
  if (fraction) {
    if (slope > 0 || value >= 1) return "";
    if (value * 1.1 > 1) {
      value = 1;
      return "ideal";
    }
    value *= 1.1;
    return "10 % more";
  }
  if (key == "detector.excess_noise_factor") {
    if (value <= 1) return "";
    value = 1 + (value - 1) / 2;
    return "half way to 1";
  }
  if (key == "detector.coupler_transmission") {
    if (value == 0.5) return "";
    value = 0.5 + (value - 0.5) / 2;
    return "half way to 0.5";
  }
  if (key == "laser.wavelength" || key == "receiver.signal_beam_share") {
    value *= slope < 0 ? 1.1 : 0.9;
    return slope < 0 ? "10 % more" : "10 % less";
  }
  value *= slope < 0 ? 2 : 0.5;
  return slope < 0 ? "double" : "half";
}

double saving(double before, double after) {
  return 1 - after / before;
}

// Whole numbers by a doubling, or by half of a fan-out that is a whole row or column already.
std::string whole_step(const photonics::DeviceCount& count, Device& device, double& value) {
  std::int64_t& number = count.of(device);
  if (std::string_view(count.key) == "tile.fan_out" && number == 0) {
    number = std::max(device.tile.rows, device.tile.columns);
    value = static_cast<double>(number);
    if (number < 2) return "";
    number /= 2;
    return "half";
  }
  if (number == 0) return "";
  value = static_cast<double>(number);
  number *= 2;
  return "double";
}

}  // namespace

photonics::DotProduct dot_product_of(const LayerQuestion& layer) {
  photonics::DotProduct dot;
  dot.length = layer.product->dot_length;
  dot.weight_full_scale = dot.input_full_scale =
      layer.crest / std::sqrt(static_cast<double>(dot.length));
  return dot;
}

photonics::NoiseOperands operands_of(const LayerQuestion& layer) {
  photonics::NoiseOperands operands;
  operands.correlation = std::isnan(layer.correlation)
                             ? 1 / std::sqrt(static_cast<double>(layer.product->dot_length))
                             : layer.correlation;
  if (layer.request.encoding == photonics::Encoding::full_scale) {
    operands.input_light = layer.request.mean_square_input;
    operands.weight_light = layer.request.mean_square_weight;
    // Of the signal of full-scale operands.
    operands.correlation *= std::sqrt(operands.input_light * operands.weight_light);
  }
  return operands;
}

photonics::NoiseSlopes noise_slopes_of(const Device& device, const LayerQuestion& layer,
                                       const OperatingPoint& point) {
  if (layer.request.law == Law::homodyne) {
    const auto chunks = chunks_of(device, layer, point);
    return photonics::noise_slopes(device, point, dot_product_of(layer), operands_of(layer),
                                   chunks.slots, static_cast<double>(chunks.count));
  }
  photonics::NoiseSlopes slopes;
  slopes.variance = 1 / (static_cast<double>(layer.product->dot_length) * point.photons_per_mac *
                         point.repetitions);
  slopes.per_ln_photons = slopes.per_ln_repetitions = -1;
  slopes.per_parameter.assign(photonics::device_parameters().size(), 0);
  if (layer.request.law == Law::counting) {
    slopes.variance /= device.detector.quantum_efficiency;
    slopes.per_parameter[photonics::parameter_index("detector.quantum_efficiency")] = -1;
  }
  return slopes;
}

double total_energy_j(const Device& device, std::span<const LayerQuestion> layers) {
  double sum = 0;
  for (const LayerQuestion& layer : layers) {
    if (layer.product != nullptr) sum += total(cost_of(device, layer).bill.joule);
  }
  return sum;
}

std::vector<std::vector<OperatingPoint>> points_of_same_noise(
    const Device& device, const Device& changed, std::span<const LayerQuestion> layers) {
  std::vector<std::vector<OperatingPoint>> result;
  for (const LayerQuestion& layer : layers) {
    result.push_back(layer.points);
    if (layer.product == nullptr) continue;
    for (OperatingPoint& point : result.back()) {
      if (layer.request.law == Law::counting) {
        point.photons_per_mac *=
            device.detector.quantum_efficiency / changed.detector.quantum_efficiency;
      } else if (layer.request.law == Law::homodyne) {
        const auto chunks = chunks_of(device, layer, point);
        const double variance = photonics::noise_curve(device, point, dot_product_of(layer),
                                                       operands_of(layer), chunks.slots)
                                    .variance(point.photons_per_mac, point.repetitions,
                                              static_cast<double>(chunks.count));
        point.photons_per_mac = photons_of_same_noise(changed, layer, point, variance);
      }
    }
  }
  return result;
}

std::vector<ParameterSensitivity> energy_sensitivities(const Device& device,
                                                       std::span<const LayerQuestion> layers) {
  const auto parameters = photonics::device_parameters();
  EnergySlopes slopes(parameters.size());
  std::vector<double> by_light(parameters.size(), 0.0);  // what following the noise adds
  double energy = 0;
  for (const LayerQuestion& layer : layers) {
    if (layer.product == nullptr) continue;
    const LayerCost cost = cost_of(device, layer);
    energy += total(cost.bill.joule);
    slopes.add_layer(device, cost);
    for (std::size_t c = 0; c < layer.points.size(); ++c) {
      const auto noise = noise_slopes_of(device, layer, layer.points[c]);
      for (std::size_t p = 0; p < parameters.size(); ++p) {
        if (noise.per_parameter[p] == 0) continue;
        by_light[p] -= cost.total_per_ln_photons[c] * noise.per_parameter[p] / noise.per_ln_photons;
      }
    }
  }
  std::vector<ParameterSensitivity> result;
  if (!(energy > 0)) return result;
  const auto add = [&](ParameterSensitivity entry, const Device& changed) {
    if (entry.at_fixed_point == 0 && entry.at_fixed_noise == 0) return;
    if (!entry.step.empty()) {
      entry.saving_at_fixed_point = saving(energy, stepped_energy(device, changed, layers, false));
      entry.saving_at_fixed_noise = saving(energy, stepped_energy(device, changed, layers, true));
    } else {
      entry.saving_at_fixed_point = entry.saving_at_fixed_noise = 0;
    }
    result.push_back(std::move(entry));
  };
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    ParameterSensitivity entry;
    entry.key = parameters[p].key;
    entry.unit = parameters[p].unit;
    entry.value = parameters[p].in(device);
    entry.decibel = photonics::is_decibel(parameters[p]);
    if ((entry.value == 0 && !entry.decibel) || !std::isfinite(entry.value)) continue;
    entry.at_fixed_point = slopes.of(p) / energy;
    entry.at_fixed_noise = (slopes.of(p) + by_light[p]) / energy;
    Device changed = device;
    // A loss that is not there cannot be lowered.
    if (!(entry.decibel && entry.value == 0)) {
      entry.step = take_step(parameters[p], entry.at_fixed_noise, changed);
    }
    add(entry, changed);
  }
  for (const auto& count : photonics::device_counts()) {
    ParameterSensitivity entry;
    Device changed = device;
    entry.step = whole_step(count, changed, entry.value);
    if (entry.step.empty()) continue;
    entry.key = count.key;
    entry.whole = true;
    const double sign = entry.step == "half" ? -1 : 1;
    const double point = stepped_energy(device, changed, layers, false);
    const double noise = stepped_energy(device, changed, layers, true);
    entry.at_fixed_point = sign * std::log2(point / energy);
    entry.at_fixed_noise = sign * std::log2(noise / energy);
    if (std::isnan(point) && std::isnan(noise)) continue;
    add(entry, changed);
  }
  std::stable_sort(result.begin(), result.end(), [](const auto& a, const auto& b) {
    const auto rank = [](const ParameterSensitivity& s) {
      return std::isnan(s.saving_at_fixed_noise) ? -1e300 : s.saving_at_fixed_noise;
    };
    return rank(a) > rank(b);
  });
  return result;
}

}  // namespace attojoule::network
