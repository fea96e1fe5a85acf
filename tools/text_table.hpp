// Tables for a terminal: right-aligned numbers under their heads.
#pragma once

#include <string>
#include <vector>

namespace attojoule::tools {

// The first column is text and aligned to the left, all others to the right. Rows may be shorter.
std::string format_table(const std::vector<std::string>& head,
                         const std::vector<std::vector<std::string>>& rows);

// A number with `digits` significant digits and without an exponent where it stays readable:
// 0.0123, 12.3, 12300, 1.23e+09.
std::string significant(double value, int digits);

}  // namespace attojoule::tools
