// Any text as a Touchstone file: refused with an error of the project, or read into finite columns.
// The first byte chooses the name, which says the number of ports.
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  constexpr const char* names[] = {"a.ts", "a.s1p", "a.s2p", "a.s3p", "a.s4p", "a.s12p", "a.s64p"};
  for (const char* group : {"", "noise"}) {
    data::LabTable table;
    try {
      table = data::read_lab_text(text, names[bytes[0] % 7], {"", {}, group});
    } catch (const Error&) {
      continue;
    }
    require(table.rows() > 0 && table.lines.size() == table.rows());
    for (const auto& column : table.columns) {
      require(column.values.size() == table.rows());
      for (const double value : column.values) require(!std::isnan(value));
    }
  }
  return 0;
}
