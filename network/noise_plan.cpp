#include "network/noise_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "photonics/encoding_error.hpp"
#include "photonics/error.hpp"
#include "photonics/waveform.hpp"

namespace attojoule::network {
namespace {

// What the device describes and a network's noise has no place for is refused, not left out.
void refuse_unmodelled(const photonics::Device& device, photonics::Law law) {
  const photonics::Modulator& modulator = device.modulator;
  if (modulator.bias_error_rad != 0) {
    throw ConfigError(fmt::format(
        "device '{}', modulator.bias_error: {} rad (it adds a multiple of the sums of w "
        "and x to every output, which no noise describes). Remove it, or look at single "
        "dot products with `attojoule device`.",
        device.name, modulator.bias_error_rad));
  }
  const double settling =
      modulator.bandwidth_hz > 0
          ? device.tile.symbol_rate_hz / (2 * std::numbers::pi * modulator.bandwidth_hz)
          : 0;
  if (settling > 0.01) {
    throw ConfigError(fmt::format(
        "device '{}', modulator.bandwidth: {} Hz take {:.2g} % of a symbol to settle at "
        "tile.symbol_rate {} Hz (above 1 % a symbol is mixed with the one before, whose value is "
        "no "
        "noise). Raise it, lower the symbol rate, or look at single dot products with `attojoule "
        "device`.",
        device.name, modulator.bandwidth_hz, 100 * settling, device.tile.symbol_rate_hz));
  }
  if (law != photonics::Law::homodyne && device.detector.saturation_current_a > 0) {
    throw ConfigError(fmt::format(
        "device '{}', detector.saturation_current: {} A has no place in this law (it would be "
        "ignored). Use law homodyne, or remove it.",
        device.name, device.detector.saturation_current_a));
  }
}

void refuse_saturation(const photonics::Device& device, const photonics::NoiseModel& model) {
  if (!(model.diode_compression > 0.01)) return;
  throw ConfigError(fmt::format(
      "device '{}', detector.saturation_current: {} A takes {:.2g} % of the photocurrent at this "
      "light (above 1 % the product bends, which no noise describes). Lower "
      "operating_point.photons_per_mac or raise receiver.integration_time.",
      device.name, device.detector.saturation_current_a, 100 * model.diode_compression));
}

// Counts instead of the Gaussian where that is asked for, or needed.
void choose_fidelity(Fidelity fidelity, const MatrixProduct& product, ProductNoise& noise) {
  if (noise.counts.empty()) return;
  bool count = fidelity == Fidelity::counting;
  if (fidelity == Fidelity::automatic) {
    // Operands of any norm have the same light in the normalised encoding; in the full-scale one, a
    // vector of half the full scale stands for all.
    for (const auto& law : noise.counts) {
      const auto length = static_cast<double>(product.dot_length);
      const bool normalised = law.encoding == photonics::Encoding::normalised;
      const double weight_norm = normalised ? 1.0
                                            : length * product.weight_absolute_maximum *
                                                  product.weight_absolute_maximum / 4;
      const auto distance = photonics::gaussian_distance(law, 0.0, weight_norm, 1.0);
      count = count || photonics::choose_fidelity(distance) == photonics::Fidelity::counting;
    }
  }
  if (count) {
    noise.kind = NoiseKind::photoelectron_counting;
  } else {
    noise.counts.clear();
  }
}

}  // namespace

bool needs_ranges(const photonics::Device& device, photonics::Law law,
                  photonics::Encoding encoding) {
  using photonics::Law;
  return law == Law::garg_thermal ||
         (law == Law::homodyne &&
          (encoding == photonics::Encoding::full_scale ||
           photonics::encoding_error(device.modulator).needs_full_scales()));
}

std::vector<ProductNoise> plan_noise(const photonics::Device& device, const Program& program,
                                     const NoiseRequest& request) {
  const auto& products = program.products();
  if (request.points.size() != products.size()) {
    throw ConfigError(fmt::format("{} operating points for {} products. Give one for each.",
                                  request.points.size(), products.size()));
  }
  if (needs_ranges(device, request.law, request.encoding) &&
      request.ranges.size() != products.size()) {
    throw ConfigError(
        "range_data: missing (this law, encoding or modulator scales with the range of every "
        "layer's "
        "inputs). "
        "Name a calibration set: range_data: {file: train.h5, images: 400}.");
  }
  refuse_unmodelled(device, request.law);
  std::vector<ProductNoise> plan(products.size());
  for (std::size_t i = 0; i < products.size(); ++i) {
    const MatrixProduct& product = products[i];
    if (!request.digital.empty() && request.digital[i]) continue;
    const auto channels = static_cast<std::size_t>(product.channels);
    const ProductOperatingPoint& points = request.points[i];
    const bool dynamic = product.kind == ProductKind::dynamic;
    if (points.size() != 1 && (dynamic || points.size() != channels)) {
      throw ConfigError(
          fmt::format("{}: {} operating points for {} output channels. Give one, or "
                      "one for each.",
                      product.name, points.size(), channels));
    }
    photonics::DotProduct dot;
    dot.length = product.dot_length;
    dot.weight_full_scale = product.weight_absolute_maximum;
    dot.weight_range = product.weight_high - product.weight_low;
    if (!request.ranges.empty()) {
      const InputRange& range = request.ranges[i];
      dot.input_full_scale = std::max(-range.low, range.high);
      dot.input_range = range.high - range.low;
      if (dynamic) {
        dot.weight_full_scale = range.weight_absolute_maximum;
        dot.weight_range = 2 * range.weight_absolute_maximum;
      }
    }
    using photonics::Law;
    if (dynamic && request.law == Law::garg_weight) {
      std::vector<std::string> names;
      for (std::size_t k = 0; k < products.size(); ++k) {
        const bool analog = request.digital.empty() || !request.digital[k];
        if (analog && products[k].kind == ProductKind::dynamic) names.push_back(products[k].name);
      }
      throw ConfigError(
          fmt::format("{}: weight noise of a product without weights (both operands "
                      "are computed). Keep all such digital: digital_layers: [{}].",
                      product.name, fmt::join(names, ", ")));
    }
    plan[i].kind = request.law == Law::counting ? NoiseKind::photon_counting : NoiseKind::gaussian;
    // Garg's weight and thermal laws take each channel's own weight range.
    const bool by_channel =
        !dynamic && (request.law == Law::garg_weight || request.law == Law::garg_thermal);
    const std::size_t models = by_channel ? channels : points.size();
    for (std::size_t c = 0; c < models; ++c) {
      if (by_channel) dot.weight_range = product.weight_highs[c] - product.weight_lows[c];
      try {
        const auto& point = points[points.size() == 1 ? 0 : c];
        plan[i].models.push_back(
            photonics::compile_noise_model(device, request.law, request.encoding, point, dot));
        refuse_saturation(device, plan[i].models.back());
        if (request.law == Law::homodyne && request.fidelity != Fidelity::analytic) {
          plan[i].counts.push_back(
              photonics::compile_homodyne_counts(device, request.encoding, point, dot));
        }
      } catch (const ConfigError& error) {
        throw ConfigError(fmt::format("{}: {}", product.name, error.what()));
      }
    }
    if (request.garg_grouped_dot_length && request.law == Law::garg_shot) {
      for (auto& model : plan[i].models) {
        model.variance.norm_product /= static_cast<double>(product.groups);
      }
    }
    if (request.law == Law::homodyne && request.encoding == photonics::Encoding::full_scale) {
      plan[i].input_full_scale = dot.input_full_scale;
      if (dynamic) plan[i].weight_full_scale = dot.weight_full_scale;
    }
    choose_fidelity(request.fidelity, product, plan[i]);
  }
  return plan;
}

std::vector<bool> find_digital_products(const Program& program,
                                        const std::vector<std::string>& names) {
  const auto& products = program.products();
  std::vector<bool> digital(products.size(), false);
  for (const std::string& name : names) {
    bool found = false;
    for (std::size_t i = 0; i < products.size(); ++i) {
      if (products[i].name != name) continue;
      digital[i] = true;
      found = true;
    }
    if (!found) {
      std::vector<std::string> known;
      for (const auto& product : products) known.push_back(product.name);
      throw ConfigError(
          fmt::format("digital_layers: '{}' is no matrix product of this network. "
                      "Products: {}.",
                      name, fmt::join(known, ", ")));
    }
  }
  return digital;
}

}  // namespace attojoule::network
