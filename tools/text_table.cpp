#include "tools/text_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attojoule::tools {

std::string format_table(const std::vector<std::string>& head,
                         const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& text : head) widths.push_back(text.size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) text += "  ";
      text += i == 0 ? fmt::format("{:<{}}", cells[i], widths[i])
                     : fmt::format("{:>{}}", cells[i], widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  std::string result = line(head);
  std::size_t width = 0;
  for (const std::size_t column : widths) width += column + 2;
  result += std::string(width - 2, '-') + "\n";
  for (const auto& row : rows) result += line(row);
  return result;
}

std::string significant(double value, int digits) {
  if (value == 0) return "0";
  if (!std::isfinite(value)) return fmt::format("{}", value);
  const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value))));
  if (exponent < -4 || exponent > 6 || exponent >= digits + 3)
    return fmt::format("{:.{}e}", value, digits - 1);
  return fmt::format("{:.{}f}", value, std::max(0, digits - 1 - exponent));
}

}  // namespace attojoule::tools
