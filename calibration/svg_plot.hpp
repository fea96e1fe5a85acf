// Plots as SVG text, for reports that have to stand on their own.
// Test: tests/tools/calibrate_fits_test.cpp.
#pragma once

#include <string>

#include "calibration/result.hpp"

namespace attojoule::calibration {

// A standalone <svg> element of 640 x 400: axes with round ticks, points with error bars, lines,
// crosses for points that were left out, and a legend where there is more than one series. Values
// that are not finite, or not positive on a logarithmic axis, are left out.
std::string svg_of(const Plot& plot);

// &, <, > and quotes as HTML writes them.
std::string html_escaped(const std::string& text);

}  // namespace attojoule::calibration
