// Text as a YAML scalar that ConfigNode reads back to the same text. Test:
// tests/data/device_file_test.cpp, tests/data/device_calibration_test.cpp.
#pragma once

#include <string>

namespace attojoule::data {

// In double quotes; quotes, backslashes and control characters escaped.
std::string yaml_quoted(const std::string& text);

}  // namespace attojoule::data
