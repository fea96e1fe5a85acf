#include "photonics/noise_budget.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "photonics/constants.hpp"
#include "photonics/detector_pair.hpp"
#include "photonics/encoding_error.hpp"
#include "photonics/error.hpp"
#include "photonics/read_out.hpp"
#include "photonics/receiver_response.hpp"
#include "photonics/units.hpp"

namespace attojoule::photonics {

double NoiseBudget::snr_db() const {
  return 20 * std::log10(std::abs(signal_electrons) / std::sqrt(variance));
}

double NoiseBudget::bits() const {
  return noise_bits(full_range_electrons, std::sqrt(variance));
}

double NoiseBudget::effective_bits() const {
  // A sine of full range has the variance range^2 / 8.
  const double sndr_db =
      10 * std::log10(full_range_electrons * full_range_electrons / 8 / variance);
  return (sndr_db - 10 * std::log10(1.5)) / (20 * std::log10(2.0));
}

NoiseBudget noise_budget(const Device& device, const OperatingPoint& point,
                         const DotProduct& product, double correlation) {
  const NoiseModel model =
      compile_noise_model(device, Law::homodyne, Encoding::normalised, point, product);
  if (!(std::abs(correlation) <= 1)) {
    throw ConfigError(
        fmt::format("noise budget: a correlation of {} (w . x is at most |w| |x|). Give a number "
                    "between -1 and "
                    "1.",
                    correlation));
  }
  const Receiver& receiver = device.receiver;
  const DetectorPair pair = detector_pair(device);
  const ReadOut read = read_out(device);
  const double duration = receiver.integration_time_s;
  const double length = static_cast<double>(product.length);
  const CollectedShare leak =
      collected_share(receiver, duration * static_cast<double>(model.slots_per_read) / length);
  const double photons = length * point.photons_per_mac;
  const double share = receiver.signal_beam_share;
  const double eta = device.detector.quantum_efficiency;
  const double shot = device.detector.excess_noise_factor * leak.shot;
  const double reads = model.reads / point.repetitions;
  const double rin = device.laser.rin_per_hz / (2 * duration);

  NoiseBudget budget;
  const EncodingError encoder = encoding_error(device.modulator);
  const double kept = 1 - encoder.leaked_share;
  const double all_light =
      (kept + leaked_norm(encoder, product.length, product.weight_full_scale)) *
      (kept + leaked_norm(encoder, product.length, product.input_full_scale));
  const double gain = 2 * eta * pair.contrast * leak.signal * std::sqrt(share * (1 - share)) *
                      photons / std::sqrt(all_light);
  budget.signal_electrons = gain * correlation;
  budget.full_range_electrons = 2 * gain;
  const VarianceCoefficients rounding = drive_rounding(device.modulator, product);
  const double signal2 = budget.signal_electrons * budget.signal_electrons;
  const double offset =
      leak.signal * (pair.offset_x * share + pair.offset_w * (1 - share)) * photons;
  budget.terms = {
      {"shot noise, beam x", shot * pair.detected_x * share * photons},
      {"shot noise, beam w", shot * pair.detected_w * (1 - share) * photons},
      {"dark current",
       leak.shot * 2 * device.detector.dark_current_a * duration / constants::elementary_charge_c},
      {"receiver", reads * read.receiver_noise_electrons * read.receiver_noise_electrons},
      {"converter", reads * read.converter_step_electrons * read.converter_step_electrons / 12},
      {"RIN on the signal",
       rin * (device.laser.rin_common_to_slots ? signal2 : gain * gain * product.slot_unevenness)},
      {"RIN on the offset", offset * offset * rin},
      {"linewidth", signal2 * pair.phase_variance},
      {"DAC", gain * gain * (rounding.weight_norm + rounding.input_norm)},
  };
  for (const NoiseTerm& term : budget.terms) budget.variance += term.variance;
  budget.shot_limited =
      2 * (budget.terms[0].variance + budget.terms[1].variance) >= budget.variance;
  budget.power_w =
      photons * value_in(joule, photon_energy(device.laser.wavelength_m * metre)) / duration;
  return budget;
}

ShotNoiseRange shot_noise_range(const Device& device, const DotProduct& product,
                                double correlation) {
  // Chunks of a full well make the budget a function with steps, and bright light may not fit into
  // the well at all: scan, then bisect between neighbours.
  const auto limited = [&](double photons) {
    return noise_budget(device, {.photons_per_mac = photons}, product, correlation).shot_limited;
  };
  const auto fits = [&](double photons) {
    const double well = read_out(device).full_well_electrons;
    return std::isinf(well) || photons * device.detector.quantum_efficiency * 2 <= well;
  };
  const auto crossing = [&](double low, double high) {
    const bool begin = limited(low);
    for (int i = 0; i < 60; ++i) {
      const double middle = std::sqrt(low * high);
      (limited(middle) == begin ? low : high) = middle;
    }
    return high;
  };
  constexpr double infinite = std::numeric_limits<double>::infinity();
  ShotNoiseRange range{.lower = infinite, .upper = infinite};
  constexpr double smallest = 1e-4;
  bool before = limited(smallest);
  if (before) range.lower = 0;
  for (double photons = smallest; photons < 1e8; photons *= 1.25) {
    const double next = photons * 1.25;
    if (!fits(next)) break;
    const bool now = limited(next);
    if (now && !before && std::isinf(range.lower)) range.lower = crossing(photons, next);
    if (!now && before) range.upper = crossing(photons, next);
    before = now;
  }
  if (before) range.upper = infinite;
  return range;
}

}  // namespace attojoule::photonics
