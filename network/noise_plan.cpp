#include "network/noise_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "photonics/error.hpp"
#include "photonics/waveform.hpp"

namespace attojoule::network {
namespace {

// What the device describes and a network's noise has no place for is refused, not left out.
void refuse_unmodelled(const photonics::Device& device, const NoiseRequest& request) {
  const photonics::Modulator& modulator = device.modulator;
  if (std::isfinite(modulator.extinction_ratio_db) || modulator.bias_error_rad != 0 ||
      modulator.bandwidth_hz > 0 || modulator.dac_bits > 0) {
    throw ConfigError(
        fmt::format("device '{}', modulator: extinction ratio, bias error, bandwidth and "
                    "DAC bits have no effect in a network (their errors depend on the "
                    "order of the symbols). Remove them, or look at single dot products "
                    "with `attojoule device`.",
                    device.name));
  }
  const auto& detector = device.detector;
  const bool balanced = detector.efficiency_imbalance == 0 && detector.coupler_transmission == 0.5;
  if (request.fidelity != Fidelity::analytic && !balanced) {
    throw ConfigError(
        fmt::format("device '{}', detector: counts of an unbalanced pair are not drawn in "
                    "networks (their offset is part of the Gaussian law only). Use "
                    "fidelity: analytic.",
                    device.name));
  }
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

bool needs_ranges(photonics::Law law, photonics::Encoding encoding) {
  using photonics::Law;
  return law == Law::garg_thermal ||
         (law == Law::homodyne && encoding == photonics::Encoding::full_scale);
}

std::vector<ProductNoise> plan_noise(const photonics::Device& device, const Program& program,
                                     const NoiseRequest& request) {
  const auto& products = program.products();
  if (request.points.size() != products.size()) {
    throw ConfigError(fmt::format("{} operating points for {} products. Give one for each.",
                                  request.points.size(), products.size()));
  }
  if (needs_ranges(request.law, request.encoding) && request.ranges.size() != products.size()) {
    throw ConfigError(
        "range_data: missing (this law or encoding scales with the range of every layer's inputs). "
        "Name a calibration set: range_data: {file: train.h5, images: 400}.");
  }
  refuse_unmodelled(device, request);
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
      throw ConfigError(
          fmt::format("{}: weight noise of a product without weights (both operands "
                      "are computed). Keep it digital: digital_layers: [{}].",
                      product.name, product.name));
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
        if (request.law == Law::homodyne && request.fidelity != Fidelity::analytic) {
          plan[i].counts.push_back(
              photonics::compile_homodyne_counts(device, request.encoding, point, dot));
        }
      } catch (const ConfigError& error) {
        throw ConfigError(fmt::format("{}: {}", product.name, error.what()));
      }
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
