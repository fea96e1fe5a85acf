// Quantities whose dimension the compiler checks, and the elementary formulas of optical detection.
//
// Boost.Units in SI, aliased here once. Public device interfaces take and return these; inner loops
// and parameter structs hold plain SI doubles with the unit in their name, and cross over by
// `1550e-9 * metre` in one direction and `value_in(metre, wavelength)` in the other.
// Temperatures are absolute (kelvin). Spectral densities are one sided.
// Test: tests/photonics/units_test.cpp.
#pragma once

#include <boost/units/quantity.hpp>
#include <boost/units/systems/si/capacitance.hpp>
#include <boost/units/systems/si/current.hpp>
#include <boost/units/systems/si/dimensionless.hpp>
#include <boost/units/systems/si/electric_charge.hpp>
#include <boost/units/systems/si/electric_potential.hpp>
#include <boost/units/systems/si/energy.hpp>
#include <boost/units/systems/si/frequency.hpp>
#include <boost/units/systems/si/length.hpp>
#include <boost/units/systems/si/power.hpp>
#include <boost/units/systems/si/resistance.hpp>
#include <boost/units/systems/si/temperature.hpp>
#include <boost/units/systems/si/time.hpp>

namespace attojoule::photonics {

namespace si = boost::units::si;
template <class Unit>
using Quantity = boost::units::quantity<Unit, double>;

using Length = Quantity<si::length>;
using Time = Quantity<si::time>;
using Frequency = Quantity<si::frequency>;
using Power = Quantity<si::power>;
using Energy = Quantity<si::energy>;
using Current = Quantity<si::current>;
using Charge = Quantity<si::electric_charge>;
using Voltage = Quantity<si::electric_potential>;
using Resistance = Quantity<si::resistance>;
using Capacitance = Quantity<si::capacitance>;
using Temperature = Quantity<si::temperature>;

// Two-dimensional spectral densities: a square per unit of frequency.
using CurrentNoiseDensity = Quantity<boost::units::multiply_typeof_helper<
    boost::units::multiply_typeof_helper<si::current, si::current>::type, si::time>::type>;
using RelativeIntensityNoise = Quantity<si::time>;  // [1/Hz], dimensionally a time

inline const Length metre = 1.0 * si::metre;
inline const Time second = 1.0 * si::second;
inline const Frequency hertz = 1.0 * si::hertz;
inline const Power watt = 1.0 * si::watt;
inline const Energy joule = 1.0 * si::joule;
inline const Current ampere = 1.0 * si::ampere;
inline const Charge coulomb = 1.0 * si::coulomb;
inline const Voltage volt = 1.0 * si::volt;
inline const Resistance ohm = 1.0 * si::ohm;
inline const Capacitance farad = 1.0 * si::farad;
inline const Temperature kelvin = 1.0 * si::kelvin;
inline const CurrentNoiseDensity ampere2_per_hertz = 1.0 * si::ampere * si::ampere * si::second;

// The number that a quantity holds, counted in SI units of its own dimension.
template <class Unit>
constexpr double value_in(const Quantity<Unit>& unit, const Quantity<Unit>& quantity) {
  return quantity.value() / unit.value();
}

// Energy of one photon: h c / lambda (vacuum wavelength > 0). 0.12816 aJ at 1550 nm.
// Throws ConfigError where the wavelength is not positive.
Energy photon_energy(Length wavelength);

// Power ratio to one milliwatt on a decibel scale: P = 1 mW * 10^(dBm / 10).
Power power_from_dbm(double dbm);
// Throws ConfigError where the power is not positive: its logarithm does not exist.
double dbm_from_power(Power power);

// Fraction of the power that a loss >= 0 dB lets through: 10^(-loss / 10).
double transmission_from_loss_db(double loss_db);

// Reset (kTC) noise of a capacitor in electrons, root mean square: sqrt(k_B T C) / q.
// 127 electrons at 100 fF and 300 K. Source: any text on image sensors, from the equipartition
// theorem <C V^2>/2 = k_B T/2.
double ktc_noise_electrons(Temperature temperature, Capacitance capacitance);

// Shot noise of a current of independent charges: S_I = 2 q I, one sided (Schottky 1918).
CurrentNoiseDensity shot_noise_density(Current current);

// Thermal noise current of a resistor: S_I = 4 k_B T / R, one sided (Johnson 1928, Nyquist 1928);
// valid for h f << k_B T. 18.2 pA/sqrt(Hz) across 50 ohm at 300 K.
CurrentNoiseDensity johnson_noise_density(Temperature temperature, Resistance resistance);

// Root mean square electrons that a transimpedance amplifier's feedback resistor adds to an
// integration of length T (noise bandwidth of integrate-and-dump: 1/(2T)):
// (T / q) sqrt(4 k_B Theta / (R_f 2 T)) = sqrt(2 k_B Theta T / R_f) / q.
double transimpedance_noise_electrons(Temperature temperature, Resistance feedback,
                                      Time integration);

// Relative intensity noise of light in a coherent state: 2 h nu / P, one sided. The least that a
// laser can have: -155.9 dBc/Hz at 1 mW and 1550 nm.
RelativeIntensityNoise shot_noise_rin(Length wavelength, Power power);

}  // namespace attojoule::photonics
