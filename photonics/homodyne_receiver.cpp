#include "photonics/homodyne_receiver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "photonics/constants.hpp"
#include "photonics/detector_pair.hpp"
#include "photonics/encoding_error.hpp"
#include "photonics/error.hpp"
#include "photonics/receiver_response.hpp"

namespace attojoule::photonics {

double HomodyneCounts::gain_of(double weight_norm2, double input_norm2) const {
  if (encoding == Encoding::full_scale) return gain;
  const double norms = std::sqrt((norm_scale * weight_norm2 + weight_norm_offset) *
                                 (norm_scale * input_norm2 + input_norm_offset));
  return norms > 0 ? gain / norms : 0;
}

CountMeans HomodyneCounts::means(double y, double weight_norm2, double input_norm2) const {
  const double light =
      light_constant + light_per_weight_norm * weight_norm2 + light_per_input_norm * input_norm2;
  const double signal = std::clamp(gain_of(weight_norm2, input_norm2) * y, -light, light);
  const double unbalanced = offset(weight_norm2, input_norm2);
  const double plus = (light + unbalanced + (1 + imbalance) * signal) / 2;
  const double minus = (light - unbalanced - (1 - imbalance) * signal) / 2;
  return {.plus = dark + std::max(plus, 0.0), .minus = dark + std::max(minus, 0.0)};
}

HomodyneCounts compile_homodyne_counts(const Device& device, Encoding encoding,
                                       const OperatingPoint& point, const DotProduct& product) {
  if (point.integrations != 1) {
    Device longer = device;
    longer.receiver.integration_time_s *= point.integrations;
    OperatingPoint once = point;
    once.integrations = 1;
    return compile_homodyne_counts(longer, encoding, once, product);
  }
  const NoiseModel model = compile_noise_model(device, Law::homodyne, encoding, point, product);
  const Receiver& receiver = device.receiver;
  const double eta = device.detector.quantum_efficiency;
  const double share = receiver.signal_beam_share;
  const double repetitions = point.repetitions;

  HomodyneCounts counts;
  counts.encoding = encoding;
  counts.dark = repetitions * device.detector.dark_current_a * receiver.integration_time_s /
                constants::elementary_charge_c;
  const DetectorPair pair = detector_pair(device);
  // Detected of the light that the share splits: all of it (normalised), or what leaks.
  counts.light_constant =
      (eta + (pair.detected_x - eta) * (2 * share - 1)) * model.photons.constant;
  counts.light_per_weight_norm = pair.detected_w * model.photons.per_weight_norm;
  counts.light_per_input_norm = pair.detected_x * model.photons.per_input_norm;
  counts.imbalance = pair.imbalance;
  counts.offset_constant =
      (pair.offset_x * share + pair.offset_w * (1 - share)) * model.photons.constant;
  counts.offset_per_weight_norm = pair.offset_w * model.photons.per_weight_norm;
  counts.offset_per_input_norm = pair.offset_x * model.photons.per_input_norm;
  const double gain_per_photon = 2 * eta * pair.contrast * std::sqrt(share * (1 - share));
  const double photons = repetitions * point.photons_per_mac;
  counts.gain =
      encoding == Encoding::normalised
          ? gain_per_photon * photons * static_cast<double>(product.length)
          : gain_per_photon * photons / (product.weight_full_scale * product.input_full_scale);

  // Everything in the Gaussian law that the counts do not bring with them.
  const double inverse_gain2 = 1 / (counts.gain * counts.gain);
  const CollectedShare leak = collected_share(
      receiver, receiver.integration_time_s * static_cast<double>(model.slots_per_read) /
                    static_cast<double>(product.length));
  const double leak_gain2 = leak.signal * leak.signal;
  const double leak_excess = leak.shot / leak_gain2;  // >= 1: late charge counts for more
  const double read = (model.reads * read_out(device).variance() / leak_gain2 +
                       2 * counts.dark * (leak_excess - 1)) *
                      inverse_gain2;
  const double excess = (device.detector.excess_noise_factor * leak_excess - 1) * inverse_gain2;
  VarianceCoefficients& residual = counts.residual;
  const VarianceCoefficients offset = offset_intensity_noise(device, encoding, point, product);
  const double constant = read + excess * counts.light_constant;
  if (encoding == Encoding::normalised) {
    const EncodingError encoder = encoding_error(device.modulator);
    residual = at_fixed_light(constant + repetitions * offset.norm_product * inverse_gain2, encoder,
                              product);
    counts.norm_scale = 1 - encoder.leaked_share;
    counts.weight_norm_offset = leaked_norm(encoder, product.length, product.weight_full_scale);
    counts.input_norm_offset = leaked_norm(encoder, product.length, product.input_full_scale);
  } else {
    // Offsets of repeated reads add in squares.
    residual.constant = constant;
    residual.norm_product = repetitions * offset.norm_product * inverse_gain2;
    residual.weight_norm =
        excess * counts.light_per_weight_norm + repetitions * offset.weight_norm * inverse_gain2;
    residual.input_norm =
        excess * counts.light_per_input_norm + repetitions * offset.input_norm * inverse_gain2;
  }
  if (!device.laser.rin_common_to_slots) {
    residual.norm_product += product.slot_unevenness * device.laser.rin_per_hz /
                             (2 * receiver.integration_time_s * repetitions);
  }
  const VarianceCoefficients rounding = drive_rounding(device.modulator, product);
  residual.weight_norm += rounding.weight_norm;
  residual.input_norm += rounding.input_norm;
  residual.signal = model.variance.signal;
  return counts;
}

GaussianDistance gaussian_distance(const HomodyneCounts& counts, double y, double weight_norm2,
                                   double input_norm2) {
  const CountMeans means = counts.means(y, weight_norm2, input_norm2);
  return gaussian_distance(means.plus, means.minus);
}

HomodyneReceiver::HomodyneReceiver(const Device& device, Encoding encoding,
                                   const OperatingPoint& point, const DotProduct& product)
    : device_(device), encoding_(encoding), point_(point), product_(product) {
  compile_noise_model(device, Law::homodyne, encoding, point, product);  // checks everything
  const Modulator& modulator = device.modulator;
  if (std::isfinite(modulator.extinction_ratio_db) || modulator.bias_error_rad != 0 ||
      modulator.bandwidth_hz > 0 || modulator.dac_bits > 0) {
    throw ConfigError(fmt::format(
        "device '{}', modulator: extinction ratio, bias error, bandwidth and DAC bits (the "
        "explicit "
        "receiver has ideal modulators and would ignore them). Remove them, or use the waveform.",
        device.name));
  }
  read_ = read_out(device);
  chunks_ = cut_into_chunks(device, point, product);
  const double slot_s = device.receiver.integration_time_s / static_cast<double>(product.length);
  const double slot_rms = std::sqrt(
      device.laser.rin_per_hz /
      (2 * (device.laser.rin_common_to_slots ? device.receiver.integration_time_s : slot_s)));
  if (slot_rms > 0.2) {
    throw ConfigError(fmt::format(
        "device '{}', laser.rin: {} 1/Hz gives a symbol of {:.3g} s an intensity error of {:.2g} "
        "root mean square (beyond 0.2 intensities would turn negative). Lower laser.rin or raise "
        "receiver.integration_time.",
        device.name, device.laser.rin_per_hz, slot_s, slot_rms));
  }
}

Reading HomodyneReceiver::measure(std::span<const float> weights, std::span<const float> inputs,
                                  RandomSequence& random) const {
  const auto length = static_cast<std::size_t>(product_.length);
  if (weights.size() != length || inputs.size() != length) {
    throw RunError(fmt::format(
        "homodyne receiver: {} weights and {} inputs for a dot product of length {} (each slot "
        "carries one of both). Pass vectors of that length.",
        weights.size(), inputs.size(), length));
  }
  const Receiver& receiver = device_.receiver;
  const double eta = device_.detector.quantum_efficiency;
  const double share = receiver.signal_beam_share;
  const DetectorPair pair = detector_pair(device_);
  const double contrast = pair.contrast;
  const double transmitted = pair.coupler_transmission, reflected = 1 - transmitted;
  const double eta_plus = eta * (1 + pair.imbalance), eta_minus = eta * (1 - pair.imbalance);
  const double slots = static_cast<double>(length);

  // Field amplitudes per unit of x and w, in sqrt(photons).
  double x_field = std::sqrt(share * point_.photons_per_mac);
  double w_field = std::sqrt((1 - share) * point_.photons_per_mac);
  if (encoding_ == Encoding::normalised) {
    double weight_norm2 = 0, input_norm2 = 0;
    for (std::size_t k = 0; k < length; ++k) {
      weight_norm2 += static_cast<double>(weights[k]) * static_cast<double>(weights[k]);
      input_norm2 += static_cast<double>(inputs[k]) * static_cast<double>(inputs[k]);
    }
    // Without a direction there is no field to send; the product is zero.
    if (weight_norm2 == 0 || input_norm2 == 0) return {};
    x_field *= std::sqrt(slots / input_norm2);
    w_field *= std::sqrt(slots / weight_norm2);
  } else {
    x_field /= product_.input_full_scale;
    w_field /= product_.weight_full_scale;
    for (std::size_t k = 0; k < length; ++k) {
      if (std::abs(static_cast<double>(weights[k])) > product_.weight_full_scale ||
          std::abs(static_cast<double>(inputs[k])) > product_.input_full_scale) {
        throw RunError(fmt::format(
            "homodyne receiver: slot {} has weight {} and input {}, full scales {} and {} (a "
            "modulator cannot encode more than its full scale). Raise the full scale.",
            k, weights[k], inputs[k], product_.weight_full_scale, product_.input_full_scale));
      }
    }
  }

  const double dark_per_slot = device_.detector.dark_current_a * receiver.integration_time_s /
                               (constants::elementary_charge_c * slots);
  const bool common = device_.laser.rin_common_to_slots;
  const double duration = receiver.integration_time_s;
  const double slot_s = duration / slots;
  const double rin = std::sqrt(device_.laser.rin_per_hz / (2 * (common ? duration : slot_s)));
  const double excess = device_.detector.excess_noise_factor - 1;
  const bool by_age = receiver.leak_time_constant_s > 0 || receiver.bandwidth_hz > 0;
  const auto fluctuated = [&] { return rin > 0 ? std::max(0.0, 1 + rin * random.normal()) : 1; };
  // Photoelectrons and dark counts of one diode over some slots.
  const auto collect = [&](double light, double dark) {
    light = std::max(light, 0.0);
    double electrons = static_cast<double>(sample_poisson(light + dark, random));
    if (excess > 0) electrons += std::sqrt(excess * light) * random.normal();
    return electrons;
  };

  Reading reading;
  double difference = 0;
  const auto repetitions = static_cast<std::int64_t>(point_.repetitions);
  for (std::int64_t repetition = 0; repetition < repetitions; ++repetition) {
    const double phase =
        pair.phase_variance > 0 ? 1 + std::sqrt(pair.phase_variance) * random.normal() : 1;
    const double shared = common ? fluctuated() : 1;
    for (std::size_t begin = 0; begin < length; begin += static_cast<std::size_t>(chunks_.slots)) {
      const std::size_t end = std::min(length, begin + static_cast<std::size_t>(chunks_.slots));
      double light_plus = 0, light_minus = 0, chunk_offset = 0, plus = 0, minus = 0;
      for (std::size_t k = begin; k < end; ++k) {
        const double intensity = common ? shared : fluctuated();
        const double a = x_field * static_cast<double>(inputs[k]);
        const double b = w_field * static_cast<double>(weights[k]);
        const double interference = phase * intensity * contrast * a * b;
        const double slot_plus = saturated_electrons(
            device_.detector,
            eta_plus * (intensity * (reflected * a * a + transmitted * b * b) + interference),
            slot_s);
        const double slot_minus = saturated_electrons(
            device_.detector,
            eta_minus * (intensity * (transmitted * a * a + reflected * b * b) - interference),
            slot_s);
        reading.photons += intensity * (a * a + b * b);
        chunk_offset += pair.offset_x * a * a + pair.offset_w * b * b;
        if (!by_age) {
          light_plus += slot_plus;
          light_minus += slot_minus;
          continue;
        }
        const double age = static_cast<double>(end - 1 - k) * slot_s;
        const CollectedShare kept = collected_share(receiver, age, age + slot_s);
        const double spread = std::max(0.0, kept.shot - kept.signal * kept.signal);
        for (const bool upper : {true, false}) {
          const double electrons = collect(upper ? slot_plus : slot_minus, dark_per_slot);
          (upper ? reading.electrons_plus : reading.electrons_minus) += electrons;
          (upper ? plus : minus) += kept.signal * electrons +
                                    std::sqrt(spread * std::max(electrons, 0.0)) * random.normal();
        }
      }
      if (!by_age) {
        const double dark = dark_per_slot * static_cast<double>(end - begin);
        plus = collect(light_plus, dark);
        minus = collect(light_minus, dark);
        reading.electrons_plus += plus;
        reading.electrons_minus += minus;
      }
      const ReadCharge read = read_charge(read_, plus, minus, random);
      reading.saturated_reads += read.saturated ? 1 : 0;
      difference +=
          read.electrons /
              collected_share(receiver, slot_s * static_cast<double>(end - begin)).signal -
          chunk_offset;
    }
  }
  const double gain = 2 * eta * contrast * x_field * w_field * point_.repetitions;
  reading.estimate = difference / gain;
  return reading;
}

}  // namespace attojoule::photonics
