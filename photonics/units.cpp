#include "photonics/units.hpp"

#include <fmt/format.h>

#include <cmath>

#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::photonics {

namespace {

void require_positive(double value, const char* name, const char* unit) {
  if (!(value > 0) || !std::isfinite(value)) {
    throw ConfigError(fmt::format(
        "{}: {} {} is not a positive number (the formula divides by it or takes its logarithm). "
        "Give a value above zero.",
        name, value, unit));
  }
}

}  // namespace

Energy photon_energy(Length wavelength) {
  require_positive(wavelength.value(), "wavelength", "m");
  return constants::planck_j_s * constants::speed_of_light_m_per_s / wavelength.value() * joule;
}

Power power_from_dbm(double dbm) {
  return 1e-3 * std::pow(10.0, dbm / 10) * watt;
}

double dbm_from_power(Power power) {
  require_positive(power.value(), "optical power", "W");
  return 10 * std::log10(power.value() / 1e-3);
}

double transmission_from_loss_db(double loss_db) {
  return std::pow(10.0, -loss_db / 10);
}

double ktc_noise_electrons(Temperature temperature, Capacitance capacitance) {
  return std::sqrt(constants::boltzmann_j_per_k * temperature.value() * capacitance.value()) /
         constants::elementary_charge_c;
}

CurrentNoiseDensity shot_noise_density(Current current) {
  return 2 * constants::elementary_charge_c * current.value() * ampere2_per_hertz;
}

CurrentNoiseDensity johnson_noise_density(Temperature temperature, Resistance resistance) {
  require_positive(resistance.value(), "resistance", "ohm");
  return 4 * constants::boltzmann_j_per_k * temperature.value() / resistance.value() *
         ampere2_per_hertz;
}

double transimpedance_noise_electrons(Temperature temperature, Resistance feedback,
                                      Time integration) {
  const double density = johnson_noise_density(temperature, feedback).value();
  const double bandwidth_hz = 1 / (2 * integration.value());
  return integration.value() / constants::elementary_charge_c * std::sqrt(density * bandwidth_hz);
}

RelativeIntensityNoise shot_noise_rin(Length wavelength, Power power) {
  require_positive(power.value(), "optical power", "W");
  return 2 * photon_energy(wavelength).value() / power.value() * second;
}

}  // namespace attojoule::photonics
