#include "photonics/noise_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "photonics/constants.hpp"
#include "photonics/detector_pair.hpp"
#include "photonics/encoding_error.hpp"
#include "photonics/error.hpp"
#include "photonics/read_out.hpp"
#include "photonics/receiver_response.hpp"

namespace attojoule::photonics {

namespace {

std::string_view name_of(Law law) {
  switch (law) {
    case Law::homodyne:
      return "homodyne";
    case Law::counting:
      return "counting";
    case Law::garg_shot:
      return "garg-shot";
    case Law::garg_thermal:
      return "garg-thermal";
    case Law::garg_weight:
      return "garg-weight";
  }
  return "";
}

void require_operating_point(const OperatingPoint& point) {
  if (!(point.photons_per_mac > 0 && std::isfinite(point.photons_per_mac))) {
    throw ConfigError(fmt::format(
        "operating_point.photons_per_mac: {} photons is not a positive number (the noise grows "
        "without bound as the light goes to zero). Give a value above zero.",
        point.photons_per_mac));
  }
  if (!(point.repetitions >= 1 && std::isfinite(point.repetitions) &&
        point.repetitions == std::floor(point.repetitions))) {
    throw ConfigError(fmt::format(
        "operating_point.repetitions: {} is not a whole number of at least 1 (an operation is done "
        "entirely or not at all). Give 1, 2, 3 ...; finer steps are a matter of photons_per_mac.",
        point.repetitions));
  }
  if (!(point.integrations >= 1 && std::isfinite(point.integrations) &&
        point.integrations == std::floor(point.integrations))) {
    throw ConfigError(fmt::format(
        "operating_point.integrations: {} is not a whole number of at least 1 (it counts whole "
        "integration times of the receiver). Give 1, 2, 3 ...",
        point.integrations));
  }
}

void require_known(double value, std::string_view what, std::string_view who) {
  if (!(value > 0 && std::isfinite(value))) {
    throw ConfigError(fmt::format(
        "matrix product: its {} is {} ({} needs it, as a positive number in the units of the "
        "network). Give range_data, so that it can be measured.",
        what, value, who));
  }
}

void require_range(double value, std::string_view what, std::string_view who) {
  if (!(value >= 0 && std::isfinite(value))) {
    throw ConfigError(fmt::format(
        "matrix product: its {} is not known ({} needs it, as a number of at least 0 in "
        "the units of the network). Give range_data, so that it can be measured.",
        what, who));
  }
}

// Laws without a device in them take only a device without noise of its own.
void require_noiseless_device(const Device& device, Law law, bool quantum_efficiency_allowed) {
  const auto refuse = [&](std::string_view key, double value, std::string_view unit) {
    throw ConfigError(fmt::format(
        "device '{}', {}: {}{}{} has no place in law {} (the law as published knows no such noise "
        "or loss, and it would be ignored). Use law homodyne, or a device that is ideal in it.",
        device.name, key, value, unit.empty() ? "" : " ", unit, name_of(law)));
  };
  const Detector& detector = device.detector;
  const Receiver& receiver = device.receiver;
  if (!quantum_efficiency_allowed && detector.quantum_efficiency != 1) {
    refuse("detector.quantum_efficiency", detector.quantum_efficiency, "");
  }
  if (detector.excess_noise_factor != 1) {
    refuse("detector.excess_noise_factor", detector.excess_noise_factor, "");
  }
  if (detector.dark_current_a != 0) refuse("detector.dark_current", detector.dark_current_a, "A");
  if (device.laser.rin_per_hz != 0) refuse("laser.rin", device.laser.rin_per_hz, "1/Hz");
  if (receiver.kind == ReceiverKind::charge_integrator) {
    refuse("receiver.capacitance", receiver.capacitance_f, "F");
  }
  if (receiver.kind == ReceiverKind::transimpedance) {
    refuse("receiver.feedback_resistance", receiver.feedback_resistance_ohm, "ohm");
  }
  if (receiver.visibility != 1) refuse("receiver.visibility", receiver.visibility, "");
  if (receiver.phase_error_rad != 0) {
    refuse("receiver.phase_error", receiver.phase_error_rad, "rad");
  }
  if (receiver.signal_beam_share != 0.5) {
    refuse("receiver.signal_beam_share", receiver.signal_beam_share, "");
  }
  if (detector.efficiency_imbalance != 0) {
    refuse("detector.efficiency_imbalance", detector.efficiency_imbalance, "");
  }
  if (detector.coupler_transmission != 0.5) {
    refuse("detector.coupler_transmission", detector.coupler_transmission, "");
  }
  if (receiver.path_mismatch_s != 0)
    refuse("receiver.path_mismatch", receiver.path_mismatch_s, "s");
  const Modulator& modulator = device.modulator;
  if (std::isfinite(modulator.extinction_ratio_db)) {
    refuse("modulator.extinction_ratio", modulator.extinction_ratio_db, "dB");
  }
  if (modulator.bias_error_rad != 0)
    refuse("modulator.bias_error", modulator.bias_error_rad, "rad");
  if (modulator.dac_bits != 0) refuse("modulator.dac_bits", modulator.dac_bits, "bit");
  // adc.bits > 0 needs a receiver that is refused above.
}

NoiseModel homodyne_model(const Device& device, Encoding encoding, const OperatingPoint& point,
                          const DotProduct& product) {
  const Detector& detector = device.detector;
  const Receiver& receiver = device.receiver;
  const double eta = detector.quantum_efficiency;
  const double share = receiver.signal_beam_share;
  const double length = static_cast<double>(product.length);
  const double n = point.photons_per_mac;
  const DetectorPair pair = detector_pair(device);

  const ReadOut read = read_out(device);
  const Chunks chunks = cut_into_chunks(device, point, product);
  const CollectedShare leak = collected_share(
      receiver, receiver.integration_time_s * static_cast<double>(chunks.slots) / length);
  const double dark_electrons = leak.shot * 2 * detector.dark_current_a *
                                receiver.integration_time_s / constants::elementary_charge_c;
  // Electrons squared of one dot product that do not depend on its light.
  const double dark_and_read = dark_electrons + static_cast<double>(chunks.count) * read.variance();
  // Counts per unit of w.x for one photon in the two beams.
  const double gain_per_photon =
      2 * eta * pair.contrast * leak.signal * std::sqrt(share * (1 - share));
  const VarianceCoefficients offset = offset_intensity_noise(device, encoding, point, product);
  const double excess = detector.excess_noise_factor * leak.shot;

  const EncodingError encoder = encoding_error(device.modulator);
  const double w_fs = product.weight_full_scale;
  const double x_fs = product.input_full_scale;
  if (encoder.needs_full_scales()) {
    require_known(w_fs, "weight full scale", "a modulator that is not ideal");
    require_known(x_fs, "input full scale", "a modulator that is not ideal");
  }

  NoiseModel model;
  VarianceCoefficients& c = model.variance;
  PhotonCoefficients& photons = model.photons;
  photons.full_scale = length * n;
  if (encoding == Encoding::normalised) {
    const double gain = gain_per_photon * length * n;
    c = at_fixed_light((excess * (eta + (pair.detected_x - eta) * (2 * share - 1)) * length * n +
                        dark_and_read + leak.signal * leak.signal * offset.norm_product) /
                           (gain * gain),
                       encoder, product);
    photons.constant = length * n;
  } else {
    require_known(w_fs, "weight full scale", "encoding full-scale");
    require_known(x_fs, "input full scale", "encoding full-scale");
    const double gain = gain_per_photon * n / (w_fs * x_fs);
    const double n_x = share * n;
    const double n_w = (1 - share) * n;
    const double leaked = encoder.leaked_share;
    photons.per_weight_norm = (1 - leaked) * n_w / (w_fs * w_fs);
    photons.per_input_norm = (1 - leaked) * n_x / (x_fs * x_fs);
    photons.constant = leaked * length * n;
    const double inverse_gain2 = 1 / (gain * gain);
    const double offset_scale = leak.signal * leak.signal * inverse_gain2;
    c.weight_norm = excess * pair.detected_w / (gain * gain) * photons.per_weight_norm +
                    offset.weight_norm * offset_scale;
    c.input_norm = excess * pair.detected_x / (gain * gain) * photons.per_input_norm +
                   offset.input_norm * offset_scale;
    c.norm_product = offset.norm_product * offset_scale;
    c.constant = (dark_and_read +
                  excess * leaked * length * (pair.detected_x * n_x + pair.detected_w * n_w)) /
                 (gain * gain);
  }
  const double rin = device.laser.rin_per_hz / (2 * receiver.integration_time_s);
  c.signal = pair.phase_variance;
  if (device.laser.rin_common_to_slots) {
    c.signal += rin;
  } else {
    c.norm_product += rin * product.slot_unevenness;
  }
  model.reads = static_cast<double>(chunks.count);
  model.slots_per_read = chunks.slots;
  model.clipping_correlation = read.converter_half_range_electrons /
                               (gain_per_photon * static_cast<double>(chunks.slots) * n);
  const double peak = peak_electrons_per_slot(device, n);
  model.diode_compression =
      1 - saturated_electrons(detector, peak, receiver.integration_time_s / length) / peak;
  return model;
}

// Averaging K independent repetitions: variance / K, light and reads times K.
void repeat(NoiseModel& model, double repetitions) {
  VarianceCoefficients& c = model.variance;
  for (double* coefficient :
       {&c.constant, &c.weight_norm, &c.input_norm, &c.norm_product, &c.signal}) {
    *coefficient /= repetitions;
  }
  PhotonCoefficients& p = model.photons;
  for (double* photons : {&p.constant, &p.per_weight_norm, &p.per_input_norm, &p.full_scale}) {
    *photons *= repetitions;
  }
  model.reads *= repetitions;
  model.repetitions *= repetitions;
  model.weight_noise /= std::sqrt(repetitions);
  model.photons_per_multiplication *= repetitions;
}

}  // namespace

NoiseModel compile_noise_model(const Device& device, Law law, Encoding encoding,
                               const OperatingPoint& point, const DotProduct& product) {
  validate(device);
  require_operating_point(point);
  if (product.length < 1) {
    throw ConfigError(fmt::format(
        "matrix product: its dot products have length {} (there is nothing to multiply). Keep this "
        "layer digital.",
        product.length));
  }
  if (law != Law::homodyne && encoding != Encoding::normalised) {
    throw ConfigError(fmt::format(
        "encoding: full-scale does not go with law {} (the law gives every dot product the same "
        "light, whatever its amplitudes). Use encoding normalised, or law homodyne.",
        name_of(law)));
  }

  const double length = static_cast<double>(product.length);
  const double energy = point.photons_per_mac;
  NoiseModel model;
  model.slots_per_read = product.length;
  switch (law) {
    case Law::homodyne:
      if (point.integrations == 1) {
        model = homodyne_model(device, encoding, point, product);
      } else {
        Device longer = device;
        longer.receiver.integration_time_s *= point.integrations;
        model = homodyne_model(longer, encoding, point, product);
        model.repetitions = point.integrations;
      }
      break;
    case Law::counting:
      require_noiseless_device(device, law, true);
      model.photons.constant = model.photons.full_scale = length * energy;
      model.photons_per_multiplication = energy;
      break;
    case Law::garg_shot:
      require_noiseless_device(device, law, false);
      model.variance.norm_product = 1 / (length * energy);
      model.photons.constant = model.photons.full_scale = length * energy;
      break;
    case Law::garg_thermal: {
      require_noiseless_device(device, law, false);
      require_range(product.weight_range, "weight range", "law garg-thermal");
      require_range(product.input_range, "input range", "law garg-thermal");
      const double sigma_at_one = 0.01 * product.weight_range * product.input_range;
      model.variance.constant = sigma_at_one * sigma_at_one * length / energy;
      model.reads = model.repetitions = std::max(energy, 1.0);
      break;
    }
    case Law::garg_weight:
      require_noiseless_device(device, law, false);
      require_range(product.weight_range, "weight range", "law garg-weight");
      model.weight_noise = 0.1 * product.weight_range / std::sqrt(energy);
      model.reads = model.repetitions = std::max(energy, 1.0);
      break;
  }
  model.quantum_efficiency = device.detector.quantum_efficiency;
  repeat(model, point.repetitions);
  if (law == Law::homodyne) {
    // Rounding errors of the drives are the same in every repetition.
    const VarianceCoefficients rounding = drive_rounding(device.modulator, product);
    model.variance.weight_norm += rounding.weight_norm;
    model.variance.input_norm += rounding.input_norm;
  }
  return model;
}

double noise_bits(double output_range, double sigma) {
  if (output_range == 0) return 0;
  return std::log2(output_range / (std::sqrt(12.0) * sigma) + 1);
}

}  // namespace attojoule::photonics
