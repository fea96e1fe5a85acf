// Units as laboratories write them: what a column of a measurement file is counted in.
//
// A unit is a product of powers of symbols with SI prefixes ("nA/sqrt(Hz)", "V^2/Hz", "DN/e-",
// "dB/cm"), or a level in decibels: "dBm", "dBm/Hz", "dBuV", "dBc/Hz", "dB". Powers count 10 dB a
// decade, voltages, currents and fields 20. A plain "dB" is a ratio of powers (10 dB a decade);
// whether of electrical or of optical powers no unit can tell: 3 dB electrical are 1.5 dB optical
// behind a photodiode, whose current follows the optical power.
// Tests: tests/data/lab_units_test.cpp.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace attojoule::data {

// What counts as a dimension of its own. Digital numbers, electrons, photons and decibels (as in
// dB/cm) are none to the SI, but must not be mixed up. Watts are volts times amperes.
enum class LabBase {
  metre,
  second,
  ampere,
  volt,
  kelvin,
  radian,
  digital_number,
  electron,
  photon,
  decibel
};
inline constexpr int lab_base_count = 10;

struct LabUnit {
  double factor = 1;      // SI value of one unit; for a level, of 0 dB
  double per_decade = 0;  // 0: linear; 10 or 20: decibels for each factor of ten
  std::array<int, lab_base_count> half_powers{};  // of every base, times two
  bool is_level() const { return per_decade > 0; }
};

// nullopt for what is no unit. "" and "1" are the number one.
std::optional<LabUnit> parse_lab_unit(std::string_view text);

bool same_dimension(const LabUnit& a, const LabUnit& b);

// A value in `from` expressed in `to`, of the same dimension: through the SI value, levels through
// their power or amplitude. The level of a value that is not positive is NaN.
double convert(double value, const LabUnit& from, const LabUnit& to);

// The unit of that dimension that a user would write ("mW"), for messages; empty if there is none.
std::string example_unit(const LabUnit& unit);

}  // namespace attojoule::data
