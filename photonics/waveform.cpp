#include "photonics/waveform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "photonics/constants.hpp"
#include "photonics/detector_pair.hpp"
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
    steps_.assign(static_cast<std::size_t>(lag) + 1, 0.0);
  }
  bool quiet() const { return deviation_ == 0; }
  double contrast() const { return contrast_; }

  void start(RandomSequence& random) {
    for (double& step : steps_) step = deviation_ * random.normal();
    oldest_ = 0;
    sum_ = std::accumulate(steps_.begin(), steps_.end(), 0.0);
  }
  double advance(RandomSequence& random) {
    const double step = deviation_ * random.normal();
    sum_ += step - steps_[oldest_];
    steps_[oldest_] = step;
    oldest_ = (oldest_ + 1) % steps_.size();
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

double largest_magnitude(std::span<const float> values) {
  double largest = 0;
  for (const float v : values) largest = std::max(largest, std::abs(static_cast<double>(v)));
  return largest;
}

double squared_norm(std::span<const float> values) {
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
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
      samples_per_slot_(samples_per_slot) {
  compile_noise_model(device, Law::homodyne, encoding, point, product);  // checks everything
  if (samples_per_slot < 1) {
    throw ConfigError(
        fmt::format("waveform: {} samples per slot (time does not advance). Give at least 1.",
                    samples_per_slot));
  }
  read_ = read_out(device);
  chunks_ = cut_into_chunks(device, point, product);
  const double step_s =
      device.receiver.integration_time_s / static_cast<double>(product.length * samples_per_slot);
  const double rms = std::sqrt(device.laser.rin_per_hz / (2 * step_s));
  if (rms > 0.2) {
    throw ConfigError(fmt::format(
        "device '{}', laser.rin: {} 1/Hz gives a sample of {:.3g} s an intensity error of {:.2g} "
        "root mean square (beyond 0.2 intensities would turn negative). Lower laser.rin or the "
        "samples per slot, or raise receiver.integration_time.",
        device.name, device.laser.rin_per_hz, step_s, rms));
  }
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
  const double w_fs = normalised ? largest_magnitude(weights) : product_.weight_full_scale;
  const double x_fs = normalised ? largest_magnitude(inputs) : product_.input_full_scale;
  // Without a direction there is no field to send; the product is zero.
  if (w_fs == 0 || x_fs == 0) return {};

  const Receiver& receiver = device_.receiver;
  const double duration = receiver.integration_time_s;
  const double slot_s = duration / static_cast<double>(length);
  const double step_s = slot_s / samples_per_slot_;
  // Full-scale fields in sqrt(photons / s).
  const double share = receiver.signal_beam_share;
  double x_field = std::sqrt(share * point_.photons_per_mac / slot_s);
  double w_field = std::sqrt((1 - share) * point_.photons_per_mac / slot_s);
  if (normalised) {
    x_field *= x_fs * std::sqrt(static_cast<double>(length) / squared_norm(inputs));
    w_field *= w_fs * std::sqrt(static_cast<double>(length) / squared_norm(weights));
  }

  const DetectorPair pair = detector_pair(device_);
  const double transmitted = pair.coupler_transmission, reflected = 1 - transmitted;
  const double eta = device_.detector.quantum_efficiency;
  const double eta_plus = eta * (1 + pair.imbalance), eta_minus = eta * (1 - pair.imbalance);
  const double dark = device_.detector.dark_current_a / constants::elementary_charge_c * step_s;
  const double excess = device_.detector.excess_noise_factor - 1;
  const double rin = std::sqrt(device_.laser.rin_per_hz / (2 * step_s));
  PathPhase path(device_.laser.linewidth_hz, receiver.path_mismatch_s, step_s);
  const double mixing =
      2 * std::sqrt(transmitted * reflected) * receiver.visibility * path.contrast();
  const double cosine = std::cos(receiver.phase_error_rad);
  const double sine = std::sin(receiver.phase_error_rad);
  const double decay =
      receiver.leak_time_constant_s > 0 ? std::exp(-step_s / receiver.leak_time_constant_s) : 1;
  const double kept = integrator_leak(receiver, step_s).signal;

  const auto collect = [&](double light) {
    light = std::max(light, 0.0);
    double electrons = static_cast<double>(sample_poisson(light + dark, random));
    if (excess > 0) electrons += std::sqrt(excess * light) * random.normal();
    return electrons;
  };

  Reading reading;
  double difference = 0;
  const auto repetitions = static_cast<std::int64_t>(point_.repetitions);
  for (std::int64_t repetition = 0; repetition < repetitions; ++repetition) {
    if (trace != nullptr) {
      *trace = {};
      trace->step_s = step_s;
    }
    double drive_x = modulator_.drive(0), drive_w = drive_x;
    if (!path.quiet()) path.start(random);
    for (std::size_t begin = 0; begin < length; begin += static_cast<std::size_t>(chunks_.slots)) {
      const std::size_t end = std::min(length, begin + static_cast<std::size_t>(chunks_.slots));
      double charge_plus = 0, charge_minus = 0, offset = 0;
      for (std::size_t k = begin; k < end; ++k) {
        const double x = static_cast<double>(inputs[k]) / x_fs;
        const double w = static_cast<double>(weights[k]) / w_fs;
        const double target_x = modulator_.drive(x), target_w = modulator_.drive(w);
        offset += (pair.offset_x * x * x * x_field * x_field +
                   pair.offset_w * w * w * w_field * w_field) *
                  slot_s;
        for (int i = 0; i < samples_per_slot_; ++i) {
          const Time middle = (i + 0.5) * step_s * second;
          const double intensity = rin > 0 ? std::max(0.0, 1 + rin * random.normal()) : 1;
          const std::complex<double> a =
              x_field * modulator_.field(modulator_.settle(drive_x, target_x, middle));
          const std::complex<double> b =
              w_field * modulator_.field(modulator_.settle(drive_w, target_w, middle));
          double in_phase = cosine, quadrature = sine;
          if (!path.quiet()) {
            const double angle = receiver.phase_error_rad + path.advance(random);
            in_phase = std::cos(angle);
            quadrature = std::sin(angle);
          }
          const std::complex<double> beat = a * std::conj(b);
          const double interference = mixing * (beat.real() * in_phase - beat.imag() * quadrature);
          const double photons = intensity * step_s;
          const double power_x = std::norm(a), power_w = std::norm(b);
          const double plus = collect(eta_plus * photons *
                                      (reflected * power_x + transmitted * power_w + interference));
          const double minus = collect(
              eta_minus * photons * (transmitted * power_x + reflected * power_w - interference));
          reading.photons += photons * (power_x + power_w);
          reading.electrons_plus += plus;
          reading.electrons_minus += minus;
          charge_plus = charge_plus * decay + plus * kept;
          charge_minus = charge_minus * decay + minus * kept;
          if (trace != nullptr) {
            trace->field_x.push_back(a.real());
            trace->field_w.push_back(b.real());
            trace->electrons_plus.push_back(plus);
            trace->electrons_minus.push_back(minus);
            trace->charge.push_back(charge_plus - charge_minus);
          }
        }
        drive_x = modulator_.settle(drive_x, target_x, slot_s * second);
        drive_w = modulator_.settle(drive_w, target_w, slot_s * second);
      }
      const ReadCharge read = read_charge(read_, charge_plus, charge_minus, random);
      reading.saturated_reads += read.saturated ? 1 : 0;
      const double leak =
          integrator_leak(receiver, slot_s * static_cast<double>(end - begin)).signal;
      difference += read.electrons / leak - offset;
    }
  }
  const double gain = 2 * eta * pair.contrast * x_field * w_field * slot_s / (x_fs * w_fs);
  reading.estimate = difference / (gain * point_.repetitions);
  return reading;
}

}  // namespace attojoule::photonics
