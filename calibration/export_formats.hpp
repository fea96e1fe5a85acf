// Calibrated values, with uncertainties and covariance, as other programs read them.
//
//   csv       name, unit, value, u_a, u_b, u, interval and a column of the correlation for each
//   json      {"parameters": [...], "covariance": [[...]]}, units as in the input
//   markdown  a table with values as 0.9380(28)
//   latex     the same for siunitx: \SI{0.9380 +- 0.0028}{A/W}
//   python    a module: names, values, covariance; draws with numpy, correlated values of the
//             package uncertainties, start values of lmfit where these are installed
//   matlab    a script (also Octave): struct with names, values, covariance
//   draws     CSV of values drawn from the covariance (Cholesky factor, RandomSequence of a seed)
//
// Numbers are written with 17 digits where a program reads them; markdown and latex round the
// uncertainty up to two digits. Test: tests/calibration/export_formats_test.cpp, and
// tests/tools/calibrate_export_test.py for what Python reads.
#pragma once

#include <cstdint>
#include <string>

#include "calibration/calibrated_values.hpp"

namespace attojoule::calibration {

// 0.93798 +- 0.02815 -> "0.938(29)"; without an uncertainty 6 digits.
std::string concise(double value, double u);

// `format`: one of the above but draws. ConfigError for another one.
std::string exported(const CalibratedValues& values, const std::string& format);

// `count` draws as CSV with units in the header. ConfigError where there is nothing to draw, or the
// covariance is none.
std::string drawn_csv(const CalibratedValues& values, std::size_t count, std::uint64_t seed);

}  // namespace attojoule::calibration
