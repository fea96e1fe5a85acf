// Constants of nature. All are exact by the definition of the SI since 20 May 2019
// (BIPM, "The International System of Units", 9th edition, 2019, section 2.2).
// Test: tests/photonics/units_test.cpp.
#pragma once

namespace attojoule::photonics::constants {

inline constexpr double planck_j_s = 6.62607015e-34;            // h  [J s]
inline constexpr double speed_of_light_m_per_s = 299792458.0;   // c  [m/s]
inline constexpr double elementary_charge_c = 1.602176634e-19;  // q  [C]
inline constexpr double boltzmann_j_per_k = 1.380649e-23;       // k_B [J/K]

}  // namespace attojoule::photonics::constants
