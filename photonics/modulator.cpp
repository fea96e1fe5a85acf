#include "photonics/modulator.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "photonics/error.hpp"

namespace attojoule::photonics {

MachZehnder::MachZehnder(const Modulator& modulator, double insertion_loss_db)
    : amplitude_(std::sqrt(transmission_from_loss_db(insertion_loss_db))),
      leakage_(std::pow(10.0, -modulator.extinction_ratio_db / 20)),
      bias_error_rad_(modulator.bias_error_rad),
      pole_per_s_(2 * std::numbers::pi * modulator.bandwidth_hz),
      dac_steps_(modulator.dac_bits > 0 ? std::exp2(modulator.dac_bits) - 2 : 0) {
  Device device;
  device.modulator = modulator;
  device.link.modulator_insertion_loss_db = insertion_loss_db;
  validate(device);
}

double MachZehnder::drive(double value) const {
  if (!(std::abs(value) <= 1)) {
    throw RunError(fmt::format(
        "modulator: {} is outside [-1, 1] (no light is brighter than a fully open modulator's). "
        "Divide by the full scale.",
        value));
  }
  const double exact = 2 / std::numbers::pi * std::acos(value);
  return dac_steps_ > 0 ? std::round(exact / 2 * dac_steps_) / dac_steps_ * 2 : exact;
}

std::complex<double> MachZehnder::field(double drive) const {
  const double theta = std::numbers::pi / 2 * drive + bias_error_rad_;
  return {amplitude_ * std::cos(theta), amplitude_ * leakage_ * std::sin(theta)};
}

double MachZehnder::settle(double before, double target, Time elapsed) const {
  if (pole_per_s_ == 0) return target;
  return target + (before - target) * std::exp(-pole_per_s_ * value_in(second, elapsed));
}

double MachZehnder::residual(Time slot) const {
  return settle(1, 0, slot);
}

double MachZehnder::average_transmission(std::span<const float> values) const {
  if (values.empty()) {
    throw RunError("modulator: no values to average over (a mean of nothing). Pass the data.");
  }
  double sum = 0;
  for (const float value : values) sum += std::norm(field(drive(static_cast<double>(value))));
  return sum / static_cast<double>(values.size());
}

}  // namespace attojoule::photonics
