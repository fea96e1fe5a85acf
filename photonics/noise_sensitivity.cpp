#include "photonics/noise_sensitivity.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "photonics/constants.hpp"
#include "photonics/detector_pair.hpp"
#include "photonics/device_parameters.hpp"
#include "photonics/encoding_error.hpp"
#include "photonics/read_out.hpp"
#include "photonics/receiver_response.hpp"

namespace attojoule::photonics {
namespace {

enum Term { shot_x, shot_w, dark, receiver, converter, rin_signal, rin_offset, linewidth, drive };
constexpr std::size_t term_count = 9;
using Terms = std::array<double, term_count>;

// The gain of one photon per multiplication and the terms of the variance at n = 1 and one read,
// all in electrons; rin_signal, linewidth and drive are relative to the signal and have no gain.
struct Model {
  double gain = 0;
  Terms terms{};
};

Device integrated(const Device& device, const OperatingPoint& point) {
  Device longer = device;
  longer.receiver.integration_time_s *= point.integrations;
  return longer;
}

bool over_gain(std::size_t term) {
  return term != rin_signal && term != linewidth && term != drive;
}

CollectedShare share_of(const Device& device, const DotProduct& product, std::int64_t slots) {
  return collected_share(device.receiver, device.receiver.integration_time_s *
                                              static_cast<double>(slots) /
                                              static_cast<double>(product.length));
}

double all_light(const EncodingError& encoder, const DotProduct& product, double full_scale) {
  return 1 - encoder.leaked_share + leaked_norm(encoder, product.length, full_scale);
}

double offset_per_photon(const DetectorPair& pair, double share, const NoiseOperands& operands) {
  return pair.offset_x * share * operands.input_light +
         pair.offset_w * (1 - share) * operands.weight_light;
}

Model model_of(const Device& device, const DotProduct& product, const NoiseOperands& operands,
               std::int64_t slots) {
  const DetectorPair pair = detector_pair(device);
  const CollectedShare leak = share_of(device, product, slots);
  const EncodingError encoder = encoding_error(device.modulator);
  const ReadOut read = read_out(device);
  const double share = device.receiver.signal_beam_share;
  const double duration = device.receiver.integration_time_s;
  const double length = static_cast<double>(product.length);
  const double rin = device.laser.rin_per_hz / (2 * duration);
  const double shot = device.detector.excess_noise_factor * leak.shot * length;
  const double offset = leak.signal * offset_per_photon(pair, share, operands) * length;
  const double signal2 = operands.correlation * operands.correlation;
  const VarianceCoefficients rounding = drive_rounding(device.modulator, product);
  Model model;
  model.gain = 2 * device.detector.quantum_efficiency * pair.contrast * leak.signal *
               std::sqrt(share * (1 - share)) * length /
               std::sqrt(all_light(encoder, product, product.weight_full_scale) *
                         all_light(encoder, product, product.input_full_scale));
  model.terms = {
      shot * pair.detected_x * share * operands.input_light,
      shot * pair.detected_w * (1 - share) * operands.weight_light,
      leak.shot * 2 * device.detector.dark_current_a * duration / constants::elementary_charge_c,
      read.receiver_noise_electrons * read.receiver_noise_electrons,
      read.converter_step_electrons * read.converter_step_electrons / 12,
      rin * (device.laser.rin_common_to_slots ? signal2 : product.slot_unevenness),
      offset * offset * rin,
      signal2 * pair.phase_variance,
      rounding.weight_norm + rounding.input_norm};
  return model;
}

// Derivatives of the logarithm of every term, and of the gain, by one parameter.
struct Change {
  double gain = 0;
  Terms terms{};
};

using Changes = std::vector<Change>;

Change& by(Changes& changes, std::string_view key) {
  return changes[parameter_index(key)];
}

void add_pair(const Device& device, const DetectorPair& pair, const NoiseOperands& operands,
              Changes& changes) {
  const double share = device.receiver.signal_beam_share;
  const double e = pair.imbalance;
  const double t = pair.coupler_transmission;
  const double skew = 2 * t - 1;
  Change& efficiency = by(changes, "detector.quantum_efficiency");
  efficiency.gain = 1;
  efficiency.terms[shot_x] = efficiency.terms[shot_w] = 1;
  efficiency.terms[rin_offset] = 2;
  by(changes, "detector.excess_noise_factor").terms[shot_x] = 1;
  by(changes, "detector.excess_noise_factor").terms[shot_w] = 1;
  by(changes, "detector.dark_current").terms[dark] = 1;

  // Offsets over the quantum efficiency: (e - skew) of x and (e + skew) of w.
  const double x = share * operands.input_light, w = (1 - share) * operands.weight_light;
  const double offset = (e - skew) * x + (e + skew) * w;
  const double inverse = offset != 0 ? 1 / offset : 0;
  Change& imbalance = by(changes, "detector.efficiency_imbalance");
  imbalance.terms[shot_x] = -e * skew / (1 - e * skew);
  imbalance.terms[shot_w] = e * skew / (1 + e * skew);
  imbalance.terms[rin_offset] = 2 * e * (x + w) * inverse;
  Change& coupler = by(changes, "detector.coupler_transmission");
  coupler.gain = (1 - 2 * t) / (2 * (1 - t));
  coupler.terms[shot_x] = -2 * t * e / (1 - e * skew);
  coupler.terms[shot_w] = 2 * t * e / (1 + e * skew);
  coupler.terms[rin_offset] = 2 * 2 * t * (w - x) * inverse;
  Change& beam = by(changes, "receiver.signal_beam_share");
  beam.gain = (1 - 2 * share) / (2 * (1 - share));
  beam.terms[shot_x] = 1;
  beam.terms[shot_w] = -share / (1 - share);
  beam.terms[rin_offset] =
      2 * share * ((e - skew) * operands.input_light - (e + skew) * operands.weight_light) *
      inverse;

  by(changes, "receiver.visibility").gain = 1;
  const double phase = device.receiver.phase_error_rad;
  const double slope = std::tan(phase);
  Change& static_phase = by(changes, "receiver.phase_error");
  static_phase.gain = -phase * slope;

  const double tau = std::abs(device.receiver.path_mismatch_s);
  const double duration = device.receiver.integration_time_s;
  const double variance = 2 * std::numbers::pi * device.laser.linewidth_hz * tau;
  if (!(variance > 0)) return;
  Change& width = by(changes, "laser.linewidth");
  Change& mismatch = by(changes, "receiver.path_mismatch");
  width.gain = mismatch.gain = -variance / 2;
  if (pair.phase_variance == 0) return;
  // As detector_pair has it: linear + quadratic, functions of the variance and of a ratio <= 1.
  const bool slow = duration >= tau;
  const double ratio = slow ? tau / duration : duration / tau;
  const double averaged = slow ? variance * ratio * (1 - ratio / 3) : variance * (1 - ratio / 3);
  const double squared =
      slow ? 2 * ratio / 3 - ratio * ratio / 6 : 1 - 2 * ratio / 3 + ratio * ratio / 6;
  const double linear = slope * slope * averaged / pair.phase_variance;  // share
  const double quadratic = variance * variance / 2 * squared / pair.phase_variance;
  const double averaged_by_ratio = (slow ? 1.0 : 0.0) - ratio / 3 / (1 - ratio / 3);
  const double squared_by_ratio =
      (slow ? 2 * ratio / 3 - ratio * ratio / 3 : -2 * ratio / 3 + ratio * ratio / 3) / squared;
  const double by_variance = linear + 2 * quadratic;
  const double by_ratio = linear * averaged_by_ratio + quadratic * squared_by_ratio;
  const double sign = slow ? 1 : -1;
  width.terms[linewidth] = by_variance;
  mismatch.terms[linewidth] = by_variance + sign * by_ratio;
  by(changes, "receiver.integration_time").terms[linewidth] = -sign * by_ratio;
  static_phase.terms[linewidth] = slope != 0 ? linear * 2 * phase * (1 + slope * slope) / slope : 0;
}

void add_read_out(const Device& device, Changes& changes) {
  const Receiver& r = device.receiver;
  Change& time = by(changes, "receiver.integration_time");
  Change& capacitance = by(changes, "receiver.capacitance");
  Change& resistance = by(changes, "receiver.feedback_resistance");
  const double total =
      read_out(device).receiver_noise_electrons * read_out(device).receiver_noise_electrons;
  if (r.kind == ReceiverKind::charge_integrator) {
    const double samples = r.sample_noise_electrons * r.sample_noise_electrons *
                           (r.correlated_double_sampling ? 2 : 1);
    const double sampled = total > 0 ? samples / total : 0;
    by(changes, "receiver.sample_noise_electrons").terms[receiver] = 2 * sampled;
    const double reset = r.correlated_double_sampling ? 0 : 1 - sampled;
    by(changes, "receiver.temperature").terms[receiver] = reset;
    capacitance.terms[receiver] = reset;
    capacitance.terms[converter] = 2;  // electrons a volt
  }
  if (r.kind == ReceiverKind::transimpedance && total > 0) {
    const double charge2 = constants::elementary_charge_c * constants::elementary_charge_c;
    const double scale = r.integration_time_s / (2 * charge2);
    const double current2 =
        r.amplifier_current_noise_a_per_rthz * r.amplifier_current_noise_a_per_rthz;
    const double voltage2 =
        r.amplifier_voltage_noise_v_per_rthz * r.amplifier_voltage_noise_v_per_rthz;
    const double slope = 2 * std::numbers::pi * r.input_capacitance_f;
    const double amplifier = scale * current2 / total;
    const double over_resistor =
        scale * voltage2 / (r.feedback_resistance_ohm * r.feedback_resistance_ohm) / total;
    const double over_capacitor = scale * voltage2 * slope * slope /
                                  (12 * r.integration_time_s * r.integration_time_s) / total;
    const double johnson = 1 - amplifier - over_resistor - over_capacitor;
    time.terms[receiver] = johnson + amplifier + over_resistor - over_capacitor;
    by(changes, "receiver.temperature").terms[receiver] = johnson;
    resistance.terms[receiver] = -johnson - 2 * over_resistor;
    by(changes, "receiver.amplifier_current_noise").terms[receiver] = 2 * amplifier;
    by(changes, "receiver.amplifier_voltage_noise").terms[receiver] =
        2 * (over_resistor + over_capacitor);
    by(changes, "receiver.input_capacitance").terms[receiver] = 2 * over_capacitor;
  }
  if (r.kind == ReceiverKind::transimpedance) {
    time.terms[converter] = 2;
    resistance.terms[converter] = -2;
  }
  by(changes, "adc.bits").terms[converter] = -2 * std::numbers::ln2 * device.adc.bits;
  by(changes, "adc.full_scale").terms[converter] = 2;
}

// d ln m / d ln z of m = (1 - e^-z) / z.
double mean_slope(double z) {
  return z > 0 ? z * std::exp(-z) / -std::expm1(-z) - 1 : 0;
}
double mean_value(double z) {
  return z > 0 ? -std::expm1(-z) / z : 1;
}

void add_leak(const Device& device, const DotProduct& product, std::int64_t slots,
              Changes& changes) {
  const Receiver& r = device.receiver;
  const double duration =
      r.integration_time_s * static_cast<double>(slots) / static_cast<double>(product.length);
  double signal = 0, shot = 0;  // d ln A, d ln B by ln z
  double time = 1, own = 0;
  const char* key = nullptr;
  if (r.leak_time_constant_s > 0) {
    const double z = duration / r.leak_time_constant_s;
    signal = mean_slope(z);
    shot = mean_slope(2 * z);
    key = "receiver.leak_time_constant";
    own = -1;
  } else if (r.bandwidth_hz > 0) {
    const double z = 2 * std::numbers::pi * r.bandwidth_hz * duration;
    const double once = mean_value(z) * mean_slope(z),
                 twice = mean_value(2 * z) * mean_slope(2 * z);
    const CollectedShare share = collected_share(r, duration);
    signal = -once / share.signal;
    shot = (-2 * once + twice) / share.shot;
    key = "receiver.bandwidth";
    own = 1;
  } else {
    return;
  }
  const auto apply = [&](Change& change, double factor) {
    change.gain += factor * signal;
    change.terms[rin_offset] += factor * 2 * signal;
    for (const Term term : {shot_x, shot_w, dark}) change.terms[term] += factor * shot;
  };
  apply(by(changes, "receiver.integration_time"), time);
  apply(by(changes, key), own);
}

void add_encoder(const Device& device, const DotProduct& product, Changes& changes) {
  const EncodingError encoder = encoding_error(device.modulator);
  if (encoder.leaked_share > 0) {
    const double per_db = -encoder.leaked_share * std::numbers::ln10 / 10;
    const auto slope = [&](double full_scale) {
      return (static_cast<double>(product.length) * full_scale * full_scale - 1) /
             all_light(encoder, product, full_scale);
    };
    by(changes, "modulator.extinction_ratio").gain =
        -(slope(product.weight_full_scale) + slope(product.input_full_scale)) / 2 * per_db;
  }
  const double bits = device.modulator.dac_bits;
  if (bits > 0) {
    by(changes, "modulator.dac_bits").terms[drive] =
        -2 * std::numbers::ln2 * bits * std::exp2(bits) / (std::exp2(bits) - 2);
  }
}

}  // namespace

double NoiseCurve::variance(double photons, double repetitions, double reads) const {
  return (shot / photons + (dark + reads * read) / (photons * photons) + plateau) / repetitions +
         drive;
}

double NoiseCurve::photons_for(double variance, double repetitions, double reads) const {
  const double rest = (variance - drive) * repetitions - plateau;
  if (!(rest > 0)) return std::numeric_limits<double>::infinity();
  return (shot + std::sqrt(shot * shot + 4 * rest * (dark + reads * read))) / (2 * rest);
}

NoiseCurve noise_curve(const Device& device, const OperatingPoint& point, const DotProduct& product,
                       const NoiseOperands& operands, std::int64_t slots_per_read) {
  const Model model = model_of(integrated(device, point), product, operands, slots_per_read);
  const double gain2 = model.gain * model.gain;
  const Terms& t = model.terms;
  return {.shot = (t[shot_x] + t[shot_w]) / gain2,
          .dark = t[dark] / gain2,
          .read = (t[receiver] + t[converter]) / gain2,
          .plateau = t[rin_signal] + t[rin_offset] / gain2 + t[linewidth],
          .drive = t[drive]};
}

NoiseSlopes noise_slopes(const Device& device, const OperatingPoint& point,
                         const DotProduct& product, const NoiseOperands& operands,
                         std::int64_t slots_per_read, double reads) {
  const Device longer = integrated(device, point);
  const Model model = model_of(longer, product, operands, slots_per_read);
  const double n = point.photons_per_mac;
  // Shares of the variance, at this light.
  Terms share = model.terms;
  constexpr std::array<double, term_count> power{1, 1, 2, 2, 2, 0, 0, 0, 0};
  double sum = 0;
  for (std::size_t t = 0; t < term_count; ++t) {
    if (over_gain(t)) share[t] /= model.gain * model.gain;
    share[t] /= std::pow(n, power[t]);
    if (t == receiver || t == converter) share[t] *= reads;
    if (t != drive) share[t] /= point.repetitions;
    sum += share[t];
  }
  NoiseSlopes slopes;
  slopes.variance = sum;
  slopes.per_parameter.assign(device_parameters().size(), 0);
  if (!(sum > 0)) return slopes;
  for (double& value : share) value /= sum;
  for (std::size_t t = 0; t < term_count; ++t) slopes.per_ln_photons -= power[t] * share[t];
  slopes.per_ln_repetitions = share[drive] - 1;

  Changes changes(device_parameters().size());
  Change& time = by(changes, "receiver.integration_time");
  time.terms[dark] = 1;
  time.terms[rin_signal] = time.terms[rin_offset] = -1;
  by(changes, "laser.rin").terms[rin_signal] = 1;
  by(changes, "laser.rin").terms[rin_offset] = 1;
  add_pair(longer, detector_pair(longer), operands, changes);
  add_read_out(longer, changes);
  add_leak(longer, product, slots_per_read, changes);
  add_encoder(longer, product, changes);
  for (std::size_t p = 0; p < changes.size(); ++p) {
    for (std::size_t t = 0; t < term_count; ++t) {
      slopes.per_parameter[p] +=
          share[t] * (changes[p].terms[t] - (over_gain(t) ? 2 * changes[p].gain : 0));
    }
  }
  return slopes;
}

}  // namespace attojoule::photonics
