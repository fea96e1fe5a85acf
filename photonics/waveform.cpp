#include "photonics/waveform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numbers>
#include <numeric>
#include <string_view>

#include "photonics/constants.hpp"
#include "photonics/detector_pair.hpp"
#include "photonics/encoding_error.hpp"
#include "photonics/error.hpp"

namespace attojoule::photonics {

namespace {

// Phase between two paths of one laser, sample by sample: the steps of its walk over the mismatch,
// L whole ones and a fraction f of one more, as if the phase ran straight within a sample. That
// leaves out a variance of f (1 - f) steps, which lowers the contrast.
class PathPhase {
 public:
  PathPhase(double linewidth_hz, double mismatch_s, double step_s) {
    const double lag = std::abs(mismatch_s) / step_s;
    deviation_ = std::sqrt(2 * std::numbers::pi * linewidth_hz * step_s);
    if (lag == 0) deviation_ = 0;
    fraction_ = lag - std::floor(lag);
    contrast_ = std::exp(-deviation_ * deviation_ * fraction_ * (1 - fraction_) / 2);
    if (deviation_ > 0) steps_.assign(static_cast<std::size_t>(lag) + 1, 0.0);
  }
  bool quiet() const { return deviation_ == 0; }
  double contrast() const { return contrast_; }

  void start(RandomSequence& random) {
    for (double& step : steps_) step = deviation_ * random.normal();
    oldest_ = 0;
    sum_ = std::accumulate(steps_.begin(), steps_.end(), 0.0);
  }
  double advance(double normal) {
    const double step = deviation_ * normal;
    sum_ += step - steps_[oldest_];
    steps_[oldest_] = step;
    if (++oldest_ == steps_.size()) oldest_ = 0;
    return sum_ - (1 - fraction_) * steps_[oldest_];
  }

 private:
  double deviation_ = 0;
  double fraction_ = 0;
  double contrast_ = 1;
  double sum_ = 0;
  std::size_t oldest_ = 0;
  std::vector<double> steps_;
};

// Fields of one beam, sample by sample.
class Encoder {
 public:
  Encoder(const MachZehnder& modulator, std::span<const double> left_over, double left_over_slot,
          bool ideal, double full_scale_field)
      : modulator_(modulator),
        left_over_(left_over),
        left_over_slot_(left_over_slot),
        ideal_(ideal),
        full_scale_(full_scale_field),
        before_(ideal ? 0 : modulator.drive(0)),
        target_(before_) {}

  void begin_slot(double value) {
    if (ideal_) {
      settled_ = full_scale_ * value;
      return;
    }
    before_ = target_ + (before_ - target_) * left_over_slot_;
    target_ = modulator_.drive(std::clamp(value, -1.0, 1.0));
    settled_ = full_scale_ * modulator_.field(target_);
  }
  std::complex<double> field(std::size_t sample) const {
    // Below the rounding error of a drive of order 1 nothing is left of the symbol before.
    if (ideal_ || left_over_[sample] < 1e-17) return settled_;
    return full_scale_ * modulator_.field(target_ + (before_ - target_) * left_over_[sample]);
  }

 private:
  const MachZehnder& modulator_;
  std::span<const double> left_over_;
  double left_over_slot_;
  bool ideal_;
  double full_scale_;
  double before_, target_;
  std::complex<double> settled_;
};

// What is drawn at once stays in the first-level cache.
constexpr std::size_t block_size = 512;
using Block = std::array<float, block_size>;

// Numbers of one measurement, by sample of one repetition.
class SampleDraws {
 public:
  SampleDraws(std::uint64_t seed, std::uint32_t repetition) : seed_(seed), read_(repetition) {}

  enum Kind : std::uint32_t { intensity, phase, excess_plus, excess_minus };
  void normal(Kind kind, std::size_t first, std::span<float> out) const {
    fill_normal({.seed = seed_, .domain = NoiseDomain::laser, .layer = kind, .read = read_}, first,
                out);
  }
  void counts(bool plus, std::size_t first, std::span<const float> means,
              std::span<float> out) const {
    const NoiseDomain domain = plus ? NoiseDomain::photon_count : NoiseDomain::photon_count_minus;
    fill_poisson({.seed = seed_, .domain = domain, .read = read_}, first, means, out);
  }

 private:
  std::uint64_t seed_;
  std::uint32_t read_;
};

double largest_magnitude(std::span<const float> values) {
  double largest = 0;
  for (const float v : values) largest = std::max(largest, std::abs(static_cast<double>(v)));
  return largest;
}

void require_within(std::span<const float> values, double full_scale, std::string_view what) {
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (std::abs(static_cast<double>(values[k])) > full_scale * (1 + 1e-6)) {
      throw RunError(
          fmt::format("waveform receiver: slot {} has {} {}, full scale {} (a modulator cannot "
                      "encode more than "
                      "its full scale). Raise the full scale.",
                      k, what, values[k], full_scale));
    }
  }
}

double squared_norm(std::span<const float> values) {
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

// Duration of a sample, after everything about the request has been checked.
double checked_step(const Device& device, Encoding encoding, const OperatingPoint& point,
                    const DotProduct& product, int samples_per_slot) {
  compile_noise_model(device, Law::homodyne, encoding, point, product);
  if (samples_per_slot < 1) {
    throw ConfigError(
        fmt::format("waveform: {} samples per slot (time does not advance). Give at least 1.",
                    samples_per_slot));
  }
  const double duration = device.receiver.integration_time_s;
  const double step_s = duration / static_cast<double>(product.length * samples_per_slot);
  const double rms = std::sqrt(device.laser.rin_per_hz /
                               (2 * (device.laser.rin_common_to_slots ? duration : step_s)));
  if (rms > 0.2) {
    throw ConfigError(fmt::format(
        "device '{}', laser.rin: {} 1/Hz gives a sample of {:.3g} s an intensity error of {:.2g} "
        "root mean square (beyond 0.2 intensities would turn negative). Lower laser.rin or the "
        "samples per slot, or raise receiver.integration_time.",
        device.name, device.laser.rin_per_hz, step_s, rms));
  }
  return step_s;
}

}  // namespace

Fidelity choose_fidelity(const GaussianDistance& distance, double tolerance) {
  return distance.total_variation <= tolerance ? Fidelity::analytic : Fidelity::counting;
}

WaveformReceiver::WaveformReceiver(const Device& device, Encoding encoding,
                                   const OperatingPoint& point, const DotProduct& product,
                                   int samples_per_slot)
    : device_(device),
      encoding_(encoding),
      point_(point),
      product_(product),
      // The photons are those that arrive: insertion loss is behind them.
      modulator_(device.modulator, 0),
      samples_per_slot_(samples_per_slot),
      step_s_(checked_step(device, encoding, point, product, samples_per_slot)),
      response_(device.receiver, step_s_) {
  read_ = read_out(device);
  chunks_ = cut_into_chunks(device, point, product);
  for (int i = 0; i < samples_per_slot; ++i) {
    left_over_.push_back(modulator_.residual((i + 0.5) * step_s_ * second));
  }
  left_over_slot_ = modulator_.residual(samples_per_slot * step_s_ * second);
}

Reading WaveformReceiver::measure(std::span<const float> weights, std::span<const float> inputs,
                                  RandomSequence& random, WaveformTrace* trace) const {
  const auto length = static_cast<std::size_t>(product_.length);
  if (weights.size() != length || inputs.size() != length) {
    throw RunError(fmt::format(
        "waveform: {} weights and {} inputs for a dot product of length {} (each slot carries one "
        "of both). Pass vectors of that length.",
        weights.size(), inputs.size(), length));
  }
  const bool normalised = encoding_ == Encoding::normalised;
  const auto full_scale_of = [&](double of_product, std::span<const float> values) {
    return normalised && of_product == 0 ? largest_magnitude(values) : of_product;
  };
  const double w_fs = full_scale_of(product_.weight_full_scale, weights);
  const double x_fs = full_scale_of(product_.input_full_scale, inputs);
  // Without a direction there is no field to send; the product is zero.
  if (w_fs == 0 || x_fs == 0) return {};
  require_within(weights, w_fs, "weight");
  require_within(inputs, x_fs, "input");

  const Receiver& receiver = device_.receiver;
  const Detector& detector = device_.detector;
  const EncodingError encoder = encoding_error(device_.modulator);
  const double slots = static_cast<double>(length);
  const double duration = receiver.integration_time_s;
  const double slot_s = duration / slots;
  const double weight_norm2 = squared_norm(weights) / (w_fs * w_fs);
  const double input_norm2 = squared_norm(inputs) / (x_fs * x_fs);
  // Full-scale fields in sqrt(photons / s).
  const double share = receiver.signal_beam_share;
  double x_field = std::sqrt(share * point_.photons_per_mac / slot_s);
  double w_field = std::sqrt((1 - share) * point_.photons_per_mac / slot_s);
  if (normalised) {
    const double kept = 1 - encoder.leaked_share;
    const double input_light = kept * input_norm2 + leaked_norm(encoder, product_.length, 1);
    const double weight_light = kept * weight_norm2 + leaked_norm(encoder, product_.length, 1);
    if (input_light == 0 || weight_light == 0) return {};
    x_field *= std::sqrt(slots / input_light);
    w_field *= std::sqrt(slots / weight_light);
  }

  const DetectorPair pair = detector_pair(device_);
  const double transmitted = pair.coupler_transmission, reflected = 1 - transmitted;
  const double eta = detector.quantum_efficiency;
  const double eta_plus = eta * (1 + pair.imbalance), eta_minus = eta * (1 - pair.imbalance);
  const double dark = detector.dark_current_a / constants::elementary_charge_c * step_s_;
  const double excess = detector.excess_noise_factor - 1;
  const bool common = device_.laser.rin_common_to_slots;
  const double rin = std::sqrt(device_.laser.rin_per_hz / (2 * (common ? duration : step_s_)));
  PathPhase path(device_.laser.linewidth_hz, receiver.path_mismatch_s, step_s_);
  const double mixing =
      2 * std::sqrt(transmitted * reflected) * receiver.visibility * path.contrast();
  const Modulator& modulator = device_.modulator;
  const bool ideal =
      !encoder.needs_full_scales() && modulator.bias_error_rad == 0 && modulator.bandwidth_hz == 0;
  const double volts_per_electron =
      receiver.kind == ReceiverKind::transimpedance
          ? receiver.feedback_resistance_ohm * constants::elementary_charge_c / step_s_
      : receiver.kind == ReceiverKind::charge_integrator
          ? constants::elementary_charge_c / receiver.capacitance_f
          : 0;

  Reading reading;
  double difference = 0;
  const std::uint64_t seed = random.bits();
  const auto samples_per_slot = static_cast<std::size_t>(samples_per_slot_);
  const std::size_t samples = length * samples_per_slot;
  const auto chunk = static_cast<std::size_t>(chunks_.slots);
  alignas(64) Block intensities, phases, plus_means, minus_means, plus_counts, minus_counts;
  alignas(64) Block plus_excess, minus_excess;
  const auto repetitions = static_cast<std::int64_t>(point_.repetitions);
  for (std::int64_t repetition = 0; repetition < repetitions; ++repetition) {
    const SampleDraws draws(seed, static_cast<std::uint32_t>(repetition));
    if (trace != nullptr) {
      *trace = {};
      trace->step_s = step_s_;
    }
    const double shared = common && rin > 0 ? std::max(0.0, 1 + rin * random.normal()) : 1;
    if (!path.quiet()) path.start(random);
    Encoder beam_x(modulator_, left_over_, left_over_slot_, ideal, x_field);
    Encoder beam_w(modulator_, left_over_, left_over_slot_, ideal, w_field);
    double in_phase = std::cos(receiver.phase_error_rad);
    double quadrature = std::sin(receiver.phase_error_rad);
    ReceiverResponse::State plus, minus;
    double offset = 0;
    std::size_t slot = 0, in_slot = 0;                          // of the light
    std::size_t read_slot = 0, read_in_slot = 0, in_chunk = 0;  // of the receiver
    for (std::size_t begin = 0; begin < samples; begin += block_size) {
      const std::size_t size = std::min(block_size, samples - begin);
      const auto part = [size](Block& block) { return std::span(block).first(size); };
      if (rin > 0 && !common) draws.normal(SampleDraws::intensity, begin, part(intensities));
      if (!path.quiet()) draws.normal(SampleDraws::phase, begin, part(phases));
      for (std::size_t i = 0; i < size; ++i) {
        if (in_slot == 0) {
          beam_x.begin_slot(static_cast<double>(inputs[slot]) / x_fs);
          beam_w.begin_slot(static_cast<double>(weights[slot]) / w_fs);
        }
        const std::complex<double> a = beam_x.field(in_slot), b = beam_w.field(in_slot);
        if (++in_slot == samples_per_slot) {
          in_slot = 0;
          ++slot;
        }
        if (!path.quiet()) {
          const double angle =
              receiver.phase_error_rad + path.advance(static_cast<double>(phases[i]));
          in_phase = std::cos(angle);
          quadrature = std::sin(angle);
        }
        const double interference =
            mixing * ((a.real() * b.real() + a.imag() * b.imag()) * in_phase -
                      (a.imag() * b.real() - a.real() * b.imag()) * quadrature);
        const double intensity = rin > 0 && !common
                                     ? std::max(0.0, 1 + rin * static_cast<double>(intensities[i]))
                                     : shared;
        const double photons = intensity * step_s_;
        const double power_x = std::norm(a), power_w = std::norm(b);
        const double light_plus =
            eta_plus * photons * (reflected * power_x + transmitted * power_w + interference);
        const double light_minus =
            eta_minus * photons * (transmitted * power_x + reflected * power_w - interference);
        plus_means[i] = static_cast<float>(
            saturated_electrons(detector, std::max(light_plus, 0.0), step_s_) + dark);
        minus_means[i] = static_cast<float>(
            saturated_electrons(detector, std::max(light_minus, 0.0), step_s_) + dark);
        reading.photons += photons * (power_x + power_w);
        if (trace != nullptr) {
          trace->field_x.push_back(a.real());
          trace->field_w.push_back(b.real());
        }
      }
      draws.counts(true, begin, part(plus_means), part(plus_counts));
      draws.counts(false, begin, part(minus_means), part(minus_counts));
      if (excess > 0) {
        draws.normal(SampleDraws::excess_plus, begin, part(plus_excess));
        draws.normal(SampleDraws::excess_minus, begin, part(minus_excess));
      }
      const auto electrons_of = [&](const Block& counts, const Block& means, const Block& normal,
                                    std::size_t i) {
        double electrons = static_cast<double>(counts[i]);
        if (excess > 0) {
          const double light = std::max(static_cast<double>(means[i]) - dark, 0.0);
          electrons += std::sqrt(excess * light) * static_cast<double>(normal[i]);
        }
        return electrons;
      };
      for (std::size_t i = 0; i < size; ++i) {
        const double electrons_plus = electrons_of(plus_counts, plus_means, plus_excess, i);
        const double electrons_minus = electrons_of(minus_counts, minus_means, minus_excess, i);
        reading.electrons_plus += electrons_plus;
        reading.electrons_minus += electrons_minus;
        response_.advance(plus, electrons_plus);
        response_.advance(minus, electrons_minus);
        if (trace != nullptr) {
          trace->electrons_plus.push_back(electrons_plus);
          trace->electrons_minus.push_back(electrons_minus);
          trace->charge.push_back(plus.charge - minus.charge);
          if (volts_per_electron > 0) {
            trace->output_v.push_back(volts_per_electron *
                                      (receiver.kind == ReceiverKind::transimpedance
                                           ? plus.current_electrons - minus.current_electrons
                                           : plus.charge - minus.charge));
          }
        }
        if (++read_in_slot < samples_per_slot) continue;
        read_in_slot = 0;
        const double x = static_cast<double>(inputs[read_slot]) / x_fs;
        const double w = static_cast<double>(weights[read_slot]) / w_fs;
        offset += (pair.offset_x * x * x * x_field * x_field +
                   pair.offset_w * w * w * w_field * w_field) *
                  slot_s;
        ++read_slot;
        if (++in_chunk < chunk && read_slot < length) continue;
        const ReadCharge read = read_charge(read_, plus.charge, minus.charge, random);
        reading.saturated_reads += read.saturated ? 1 : 0;
        const double kept =
            collected_share(receiver, slot_s * static_cast<double>(in_chunk)).signal;
        difference += read.electrons / kept - offset;
        plus = minus = {};
        offset = 0;
        in_chunk = 0;
      }
    }
  }
  const double gain = 2 * eta * pair.contrast * x_field * w_field * slot_s / (x_fs * w_fs);
  reading.estimate = difference / (gain * point_.repetitions) -
                     w_fs * x_fs * leaked_product(encoder, slots, weight_norm2, input_norm2);
  return reading;
}

}  // namespace attojoule::photonics
