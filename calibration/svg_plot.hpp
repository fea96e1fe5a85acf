// Plots as SVG text, for reports that have to stand on their own.
// Test: tests/calibration/report_test.cpp.
#pragma once

#include <string>

#include "calibration/result.hpp"

namespace attojoule::calibration {

// A standalone <svg> element, 640 wide: axes with round ticks, points with error bars, lines,
// crosses for points that were left out, and a legend where there is more than one name of series.
// A unit at the end of a label, "f [Hz]", gets the prefix or power of ten that keeps the ticks
// short. Values that are not finite, or not positive on a logarithmic axis, are left out; of lines
// and points closer than pixels some stand for all.
std::string svg_of(const Plot& plot);

// Powers in a unit or formula as raised digits: "V^2/Hz" becomes "V²/Hz".
std::string with_superscripts(const std::string& text);

// &, <, > and quotes as HTML writes them.
std::string html_escaped(const std::string& text);

}  // namespace attojoule::calibration
