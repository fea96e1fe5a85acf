#include "network/energy_crossover.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

using photonics::Device;

constexpr double reach = 1e4;  // factor to both sides

// The dominant component at a value of the lever; nothing where the layer cannot be billed there.
using Dominant = std::function<std::optional<EnergyComponent>(double value)>;

// The change nearest to `from` on the way to `to`, closed in on between neighbours of the scan.
Crossing search(double from, double to, bool whole, const Dominant& dominant) {
  const auto begin = dominant(from);
  if (!begin || from == to) return {};
  constexpr double steps_a_decade = 16;
  const double factor = std::pow(10.0, (to > from ? 1 : -1) / steps_a_decade);
  double near = from;
  while (near != to) {
    double far = near * factor;
    if (whole)
      far = to > from ? std::max(std::ceil(far), near + 1) : std::min(std::floor(far), near - 1);
    if (to > from ? far > to : far < to) far = to;
    const auto other = dominant(far);
    if (!other) return {};
    if (*other == *begin) {
      near = far;
      continue;
    }
    for (int i = 0; i < 100; ++i) {
      double middle = std::sqrt(near * far);
      if (whole) middle = std::floor((near + far) / 2);
      if (middle == near || middle == far) break;
      const auto there = dominant(middle);
      if (!there) return {};
      (*there == *begin ? near : far) = middle;
    }
    return {.value = far, .becomes = *dominant(far)};
  }
  return {};
}

}  // namespace

EnergyComponent dominant_component(const EnergyBreakdown& joule) {
  EnergyComponent best = EnergyComponent::optical_detected;
  double most = 0;
  for (const auto component : energy_components) {
    if (is_in_total(component) && at(joule, component) > most) {
      most = at(joule, component);
      best = component;
    }
  }
  return best;
}

std::vector<Crossover> energy_crossovers(const Device& device, const LayerQuestion& layer) {
  const auto bill =
      [&](const Device& d, const MatrixProduct& product,
          const std::vector<photonics::OperatingPoint>& points) -> std::optional<EnergyComponent> {
    try {
      return dominant_component(layer_cost(d, product, layer.request, points).bill.joule);
    } catch (const ConfigError&) {
      return std::nullopt;  // a full well that one symbol overfills
    }
  };
  std::vector<Crossover> result;
  const auto add = [&](const char* lever, const char* unit, double value, double low, double high,
                       bool whole, const Dominant& dominant) {
    if (!(value > 0)) return;
    result.push_back({.lever = lever,
                      .unit = unit,
                      .value = value,
                      .below = search(value, low, whole, dominant),
                      .above = search(value, high, whole, dominant)});
  };

  double photons = 0;
  for (const auto& point : layer.points) {
    photons += point.photons_per_mac / static_cast<double>(layer.points.size());
  }
  add("photons_per_mac", "photon", photons, photons / reach, photons * reach, false,
      [&](double value) {
        auto points = layer.points;
        for (auto& point : points) point.photons_per_mac *= value / photons;
        return bill(device, *layer.product, points);
      });
  const auto length = static_cast<double>(layer.product->dot_length);
  add("dot_length", "", length, 1, std::round(length * reach), true, [&](double value) {
    MatrixProduct product = *layer.product;
    product.dot_length = static_cast<std::int64_t>(value);
    return bill(device, product, layer.points);
  });
  const std::int64_t widest = std::max(device.tile.rows, device.tile.columns);
  const std::int64_t fan_out =
      device.tile.fan_out > 0 ? std::min(device.tile.fan_out, widest) : widest;
  add("fan_out", "", static_cast<double>(fan_out), 1, static_cast<double>(widest), true,
      [&](double value) {
        Device changed = device;
        changed.tile.fan_out = static_cast<std::int64_t>(value);
        return bill(changed, *layer.product, layer.points);
      });
  const double adc = device.adc.energy_per_conversion_j;
  add("adc.energy_per_conversion", "J", adc, adc / reach, adc * reach, false, [&](double value) {
    Device changed = device;
    changed.adc.energy_per_conversion_j = value;
    return bill(changed, *layer.product, layer.points);
  });
  return result;
}

}  // namespace attojoule::network
