#include "photonics/read_out.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "photonics/constants.hpp"
#include "photonics/detector_pair.hpp"
#include "photonics/error.hpp"
#include "photonics/units.hpp"

namespace attojoule::photonics {

namespace {

double amplifier_noise_electrons(const Receiver& receiver) {
  const double bandwidth_hz = 1 / (2 * receiver.integration_time_s);
  const double slope = 2 * std::numbers::pi * receiver.input_capacitance_f;
  const double admittance2 =
      1 / (receiver.feedback_resistance_ohm * receiver.feedback_resistance_ohm) +
      slope * slope * bandwidth_hz * bandwidth_hz / 3;
  return receiver.integration_time_s / constants::elementary_charge_c * std::sqrt(bandwidth_hz) *
         std::hypot(receiver.amplifier_current_noise_a_per_rthz,
                    receiver.amplifier_voltage_noise_v_per_rthz * std::sqrt(admittance2));
}

}  // namespace

ReadOut read_out(const Device& device) {
  const Receiver& receiver = device.receiver;
  ReadOut result;
  double electrons_per_volt = 0;
  if (receiver.kind == ReceiverKind::charge_integrator) {
    electrons_per_volt = receiver.capacitance_f / constants::elementary_charge_c;
    result.receiver_noise_electrons =
        receiver.correlated_double_sampling
            ? std::numbers::sqrt2 * receiver.sample_noise_electrons
            : std::hypot(ktc_noise_electrons(receiver.temperature_k * kelvin,
                                             receiver.capacitance_f * farad),
                         receiver.sample_noise_electrons);
    if (receiver.voltage_swing_v > 0) {
      result.full_well_electrons = electrons_per_volt * receiver.voltage_swing_v;
    }
  } else if (receiver.kind == ReceiverKind::transimpedance) {
    electrons_per_volt = receiver.integration_time_s /
                         (constants::elementary_charge_c * receiver.feedback_resistance_ohm);
    result.receiver_noise_electrons =
        std::hypot(transimpedance_noise_electrons(receiver.temperature_k * kelvin,
                                                  receiver.feedback_resistance_ohm * ohm,
                                                  receiver.integration_time_s * second),
                   amplifier_noise_electrons(receiver));
  }
  if (device.adc.bits > 0) {
    const double range_electrons = device.adc.full_scale_v * electrons_per_volt;
    result.converter_step_electrons = range_electrons / std::exp2(device.adc.bits);
    result.converter_half_range_electrons = range_electrons / 2;
  }
  return result;
}

ReadCharge read_charge(const ReadOut& read, double plus, double minus, RandomSequence& random) {
  ReadCharge result;
  result.saturated = std::max(plus, minus) > read.full_well_electrons;
  double charge =
      std::min(plus, read.full_well_electrons) - std::min(minus, read.full_well_electrons);
  if (read.receiver_noise_electrons > 0) charge += read.receiver_noise_electrons * random.normal();
  if (read.converter_step_electrons > 0) {
    const double half_range = read.converter_half_range_electrons;
    result.saturated |= std::abs(charge) > half_range;
    charge = std::clamp(charge, -half_range, half_range);
    charge = read.converter_step_electrons * std::round(charge / read.converter_step_electrons);
  }
  result.electrons = charge;
  return result;
}

Chunks cut_into_chunks(const Device& device, const OperatingPoint& point,
                       const DotProduct& product) {
  const auto cut = [&product](std::int64_t slots) {
    return Chunks{.slots = slots, .count = (product.length + slots - 1) / slots};
  };
  // A weight-stationary tile sums its columns in one slot: a read covers them, no more and no less.
  const bool held = device.tile.dataflow == Dataflow::weight_stationary;
  const std::int64_t limit = held ? device.tile.columns : device.tile.accumulation_limit;
  const std::int64_t longest = limit > 0 ? std::min(limit, product.length) : product.length;
  const double well = read_out(device).full_well_electrons;
  if (std::isinf(well)) return cut(longest);

  const double dark_per_slot = device.detector.dark_current_a * device.receiver.integration_time_s /
                               constants::elementary_charge_c / static_cast<double>(product.length);
  const double light_per_slot = peak_electrons_per_slot(device, point.photons_per_mac);
  const double slots = std::floor(well / (light_per_slot + dark_per_slot));
  if (slots < 1) {
    throw ConfigError(fmt::format(
        "device '{}', receiver.voltage_swing: the full well holds {:.4g} electrons, but one symbol "
        "of {:.4g} photons can put {:.4g} on one diode (a read cannot be shorter than a symbol). "
        "Lower operating_point.photons_per_mac, or raise receiver.capacitance or "
        "receiver.voltage_swing.",
        device.name, well, point.photons_per_mac, light_per_slot + dark_per_slot));
  }
  if (held && slots < static_cast<double>(longest)) {
    throw ConfigError(fmt::format(
        "device '{}', receiver.voltage_swing: the full well holds the light of {:.0f} "
        "multiplications of {:.4g} photons, but a read of this weight-stationary tile covers {} "
        "(the columns are summed before anything is read). Lower operating_point.photons_per_mac "
        "or tile.columns, or raise receiver.capacitance or receiver.voltage_swing.",
        device.name, slots, point.photons_per_mac, longest));
  }
  return cut(static_cast<std::int64_t>(std::min(slots, static_cast<double>(longest))));
}

}  // namespace attojoule::photonics
