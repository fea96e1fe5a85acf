// Any text as a laboratory's CSV: refused with an error of the project, or read into finite columns
// of one length that are the same after they were written as own CSV and read again. The first byte
// chooses the options.
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "data/lab_file.hpp"
#include "photonics/error.hpp"

namespace {

using namespace attojoule;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check(std::string_view text, const data::LabReadOptions& options) {
  data::LabTable table;
  try {
    table = data::read_lab_text(text, "fuzz.csv", options);
  } catch (const Error&) {
    return;
  }
  require(table.rows() > 0);
  for (const auto& column : table.columns) {
    require(column.values.size() == table.rows());
    for (const double value : column.values) require(std::isfinite(value));
    try {
      data::column_in(table, column.name, "W");
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a refusal is a good answer
    }
  }
  require(table.lines.empty() || table.lines.size() == table.rows());
  try {
    data::setting_in(table, "RBW", "Hz");
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): likewise
  }
  // Names that hold quotes, brackets or line ends cannot be written as they are.
  for (const auto& column : table.columns) {
    if (column.name.find_first_of("\"[]()#!%,;\t\n") != std::string::npos) return;
    if (column.name.find_first_not_of("0123456789.eE+- ") == std::string::npos) return;
    if (column.name.find(" in ") != std::string::npos) return;
  }
  data::LabTable again;
  try {
    again = data::read_lab_text(data::lab_csv_text(table), "again.csv");
  } catch (const Error&) {
    return;  // two columns of one name
  }
  if (again.columns.size() != table.columns.size()) return;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    require(again.columns[i].values.size() == table.rows());
    for (std::size_t k = 0; k < table.rows(); ++k) {
      require(std::bit_cast<std::uint64_t>(again.columns[i].values[k]) ==
              std::bit_cast<std::uint64_t>(table.columns[i].values[k]));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  // Descriptors name files to open.
  if (text.starts_with("v ") || text.find("\nv ") != std::string_view::npos) return 0;
  switch (bytes[0] % 3) {
    case 0:
      check(text, {});
      break;
    case 1:
      check(text, {"t [s], U [V]", {"U=mV"}, ""});
      break;
    default:
      check(text, {"", {"x=dBm"}, ""});
  }
  return 0;
}
