#include "photonics/detector_pair.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "photonics/constants.hpp"

namespace attojoule::photonics {

DetectorPair detector_pair(const Device& device) {
  const Detector& detector = device.detector;
  const Receiver& receiver = device.receiver;
  const double eta = detector.quantum_efficiency;
  DetectorPair pair;
  pair.coupler_transmission = detector.coupler_transmission;
  pair.imbalance = detector.efficiency_imbalance;
  const double transmitted = pair.coupler_transmission, reflected = 1 - transmitted;
  const double skew = transmitted - reflected;
  const double e = pair.imbalance;
  pair.detected_x = eta * (1 - e * skew);
  pair.detected_w = eta * (1 + e * skew);
  pair.offset_x = eta * (e - skew);
  pair.offset_w = eta * (e + skew);

  const double tau = std::abs(receiver.path_mismatch_s);
  const double duration = receiver.integration_time_s;
  const double rate = 2 * std::numbers::pi * device.laser.linewidth_hz;
  const double variance = rate * tau;
  pair.contrast = receiver.visibility * std::cos(receiver.phase_error_rad) *
                  (2 * std::sqrt(transmitted * reflected)) * std::exp(-variance / 2);
  if (variance > 0) {
    const double ratio = duration >= tau ? tau / duration : duration / tau;
    const double averaged =
        duration >= tau ? variance * ratio * (1 - ratio / 3) : variance * (1 - ratio / 3);
    const double squared =
        duration >= tau ? 2 * ratio / 3 - ratio * ratio / 6 : 1 - 2 * ratio / 3 + ratio * ratio / 6;
    const double slope = std::tan(receiver.phase_error_rad);
    pair.phase_variance = slope * slope * averaged + variance * variance / 2 * squared;
  }
  return pair;
}

double common_mode_rejection_db(const DetectorPair& pair, double share_x) {
  const double offset = pair.offset_x * share_x + pair.offset_w * (1 - share_x);
  const double efficiency = (pair.detected_x + pair.detected_w) / 2;
  return 20 * std::log10(std::abs(offset) / efficiency);
}

double peak_electrons_per_slot(const Device& device, double photons_per_slot) {
  const Receiver& receiver = device.receiver;
  const Detector& detector = device.detector;
  const double share = receiver.signal_beam_share;
  const double interference =
      2 * receiver.visibility * std::cos(receiver.phase_error_rad) * std::sqrt(share * (1 - share));
  const double balanced = detector.quantum_efficiency * photons_per_slot * (1 + interference) / 2;
  // The fuller diode of an unbalanced pair collects (1 + e) max(2T, 2R) of that at most.
  return balanced * (1 + std::abs(detector.efficiency_imbalance)) *
         (2 * std::max(detector.coupler_transmission, 1 - detector.coupler_transmission));
}

double saturated_electrons(const Detector& detector, double electrons, double duration_s) {
  if (detector.saturation_current_a == 0) return electrons;
  return electrons / (1 + electrons * constants::elementary_charge_c /
                              (detector.saturation_current_a * duration_s));
}

VarianceCoefficients offset_intensity_noise(const Device& device, Encoding encoding,
                                            const OperatingPoint& point,
                                            const DotProduct& product) {
  const DetectorPair pair = detector_pair(device);
  const double share = device.receiver.signal_beam_share;
  const double length = static_cast<double>(product.length);
  const double rin = device.laser.rin_per_hz / (2 * device.receiver.integration_time_s);
  const double x = pair.offset_x * share * point.photons_per_mac;
  const double w = pair.offset_w * (1 - share) * point.photons_per_mac;
  VarianceCoefficients c;
  if (encoding == Encoding::normalised) {
    const double offset = (x + w) * length;
    c.norm_product = rin * offset * offset;
    return c;
  }
  const double w_fs2 = product.weight_full_scale * product.weight_full_scale;
  const double x_fs2 = product.input_full_scale * product.input_full_scale;
  c.weight_norm = rin * w * w * length / w_fs2;
  c.input_norm = rin * x * x * length / x_fs2;
  c.norm_product = rin * std::max(0.0, 2 * w * x) / (w_fs2 * x_fs2);
  return c;
}

}  // namespace attojoule::photonics
