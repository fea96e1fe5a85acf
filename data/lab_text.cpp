#include "data/lab_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    std::size_t more = 0;
    if (lead < 0x80) {
      more = 0;
    } else if (lead >= 0xC2 && lead < 0xE0) {
      more = 1;
    } else if (lead >= 0xE0 && lead < 0xF0) {
      more = 2;
    } else if (lead >= 0xF0 && lead < 0xF5) {
      more = 3;
    } else {
      return false;
    }
    if (i + more >= text.size() && more > 0) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

void append_utf8(std::string& text, char32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | (code >> 6));
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0 | (code >> 12));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | (code >> 18));
    text += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  }
}

std::string from_utf16(std::string_view bytes, bool little, const std::string& place) {
  std::string text;
  const auto unit = [&](std::size_t i) {
    const auto a = static_cast<unsigned char>(bytes[i]);
    const auto b = static_cast<unsigned char>(bytes[i + 1]);
    return static_cast<char32_t>(little ? a | (b << 8) : b | (a << 8));
  };
  if (bytes.size() % 2 != 0) {
    throw DataError(place +
                    ": the UTF-16 text ends in the middle of a character; copy the file "
                    "again, or save it as UTF-8");
  }
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    char32_t code = unit(i);
    if (code >= 0xD800 && code < 0xDC00 && i + 3 < bytes.size()) {
      const char32_t low = unit(i + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;
    append_utf8(text, code);
  }
  return text;
}

}  // namespace

std::string LabText::at(std::size_t line) const {
  return fmt::format("{}:{}", place, line);
}
std::string LabText::at(std::size_t line, std::size_t column) const {
  return fmt::format("{}:{}:{}", place, line, column);
}

LabText decode_lab_text(std::string_view bytes, const std::string& place,
                        std::vector<std::string>& warnings) {
  LabText result;
  result.place = place;
  std::string text;
  if (bytes.starts_with("\xFF\xFE")) {
    text = from_utf16(bytes.substr(2), true, place);
  } else if (bytes.starts_with("\xFE\xFF")) {
    text = from_utf16(bytes.substr(2), false, place);
  } else {
    if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
    if (is_utf8(bytes)) {
      text = bytes;
    } else {
      warnings.push_back("the text is no UTF-8: read as ISO 8859-1");
      for (const char c : bytes) append_utf8(text, static_cast<unsigned char>(c));
    }
  }
  // Some instruments end every field with a NUL byte.
  std::size_t control = 0;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    control += code < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\0' && c != '\f';
  }
  if (control > 0) {
    throw DataError(
        fmt::format("{}: the file is no text ({} control characters); give a CSV, "
                    "Touchstone, EMVA descriptor or HDF5 file",
                    place, control));
  }
  result.text.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0' || text[i] == '\f') continue;
    if (text[i] == '\r') {
      // Line ends of the old Macintosh are a lone carriage return.
      const bool with_newline = i + 1 < text.size() && (text[i + 1] == '\n');
      if (!with_newline) result.text += '\n';
      continue;
    }
    result.text += text[i];
  }
  std::string_view rest = result.text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    result.lines.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return result;
}

std::string_view trimmed_text(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string lower_text(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::vector<std::string_view> split_cells(std::string_view line, char delimiter) {
  std::vector<std::string_view> cells;
  if (delimiter == ' ') {
    std::size_t at = 0;
    while (true) {
      at = line.find_first_not_of(" \t", at);
      if (at == std::string_view::npos) return cells;
      const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
      cells.push_back(line.substr(at, end - at));
      at = end;
    }
  }
  std::size_t start = 0;
  bool quoted = false;
  const auto add = [&](std::size_t end) {
    std::string_view cell = trimmed_text(line.substr(start, end - start));
    if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"') {
      cell = trimmed_text(cell.substr(1, cell.size() - 2));
    }
    cells.push_back(cell);
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (line[i] == delimiter && !quoted) {
      add(i);
      start = i + 1;
    }
  }
  add(line.size());
  return cells;
}

bool parse_number(std::string_view cell, char decimal, double& value) {
  cell = trimmed_text(cell);
  if (cell.starts_with('+')) cell.remove_prefix(1);
  if (cell.empty() || cell.size() > 64 || cell.front() == '+') return false;
  std::string copy;
  if (decimal == ',' && cell.find(',') != std::string_view::npos) {
    if (cell.find('.') != std::string_view::npos) return false;
    copy = cell;
    *std::find(copy.begin(), copy.end(), ',') = '.';
    cell = copy;
  }
  // from_chars also reads "inf" and "nan".
  if (cell.find_first_of("0123456789") == std::string_view::npos) return false;
  const auto parsed = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (parsed.ptr != cell.data() + cell.size()) {
    // Fortran writes 1.5D-3.
    std::string again(cell);
    const auto mark = again.find_first_of("dD");
    if (mark == std::string::npos) return false;
    again[mark] = 'e';
    const auto retried = std::from_chars(again.data(), again.data() + again.size(), value);
    return retried.ec == std::errc{} && retried.ptr == again.data() + again.size() &&
           std::isfinite(value);
  }
  return parsed.ec == std::errc{} && std::isfinite(value);
}

NameAndUnit split_header_cell(std::string_view cell) {
  cell = trimmed_text(cell);
  if (cell.ends_with(']')) {
    const std::size_t open = cell.rfind('[');
    if (open != std::string_view::npos && open > 0) {
      return {std::string(trimmed_text(cell.substr(0, open))),
              std::string(trimmed_text(cell.substr(open + 1, cell.size() - open - 2)))};
    }
  }
  if (cell.ends_with(')')) {
    const std::size_t open = cell.find('(');
    if (open != std::string_view::npos && open > 0) {
      const std::string_view inside = trimmed_text(cell.substr(open + 1, cell.size() - open - 2));
      if (!inside.empty() && parse_lab_unit(inside)) {
        return {std::string(trimmed_text(cell.substr(0, open))), std::string(inside)};
      }
    }
  }
  if (const std::size_t in = cell.rfind(" in "); in != std::string_view::npos && in > 0) {
    const std::string_view unit = trimmed_text(cell.substr(in + 4));
    if (!unit.empty() && parse_lab_unit(unit)) {
      return {std::string(trimmed_text(cell.substr(0, in))), std::string(unit)};
    }
  }
  // "I/mA", as ISO 80000-1 writes it. "A/W", "V/V" and "gain A/W" end in a unit as a whole.
  const std::size_t blank = cell.rfind(' ');
  const std::string_view last = blank == std::string_view::npos ? cell : cell.substr(blank + 1);
  const bool is_quotient = last.find('/') != std::string_view::npos && parse_lab_unit(last);
  if (const std::size_t slash = cell.find('/');
      slash != std::string_view::npos && slash > 0 && !is_quotient) {
    const std::string_view name = trimmed_text(cell.substr(0, slash));
    const std::string_view unit = trimmed_text(cell.substr(slash + 1));
    if (!name.empty() && !unit.empty() && parse_lab_unit(unit)) {
      return {std::string(name), std::string(unit)};
    }
  }
  return {std::string(cell), ""};
}

namespace {

struct SettingName {
  std::string_view spelling;  // in lower case
  std::string_view name;
  std::string_view unit;
};
constexpr std::array setting_names = {
    SettingName{"rbw", "RBW", "Hz"},
    SettingName{"resolution bandwidth", "RBW", "Hz"},
    SettingName{"res bw", "RBW", "Hz"},
    SettingName{"vbw", "VBW", "Hz"},
    SettingName{"video bandwidth", "VBW", "Hz"},
    SettingName{"average type", "averaging", ""},
    SettingName{"averaging", "averaging", ""},
    SettingName{"detector", "detector", ""},
    SettingName{"trace detector", "detector", ""},
    SettingName{"detection", "detector", ""},
    SettingName{"impedance", "impedance", "ohm"},
    SettingName{"start frequency", "start frequency", "Hz"},
    SettingName{"start freq", "start frequency", "Hz"},
    SettingName{"stop frequency", "stop frequency", "Hz"},
    SettingName{"stop freq", "stop frequency", "Hz"},
    SettingName{"center frequency", "centre frequency", "Hz"},
    SettingName{"center freq", "centre frequency", "Hz"},
    SettingName{"span", "span", "Hz"},
    SettingName{"span freq", "span", "Hz"},
    SettingName{"sweep time", "sweep time", "s"},
    SettingName{"sweep time(s)", "sweep time", "s"},
    SettingName{"swt", "sweep time", "s"},
    SettingName{"number of points", "points", ""},
    SettingName{"num points", "points", ""},
    SettingName{"numberpoints", "points", ""},
    SettingName{"record length", "points", ""},
    SettingName{"values", "points", ""},
    SettingName{"machine module", "instrument", ""},
    SettingName{"model", "instrument", ""},
    SettingName{"model number", "instrument", ""},
    SettingName{"instrument", "instrument", ""},
    SettingName{"reference level", "reference level", ""},
    SettingName{"ref level", "reference level", ""},
    SettingName{"ref", "reference level", ""},
    SettingName{"attenuation", "attenuation", "dB"},
    SettingName{"rf att", "attenuation", "dB"},
    SettingName{"rf attenuation", "attenuation", "dB"},
    SettingName{"preamp state", "preamplifier", ""},
    SettingName{"preamp", "preamplifier", ""},
    SettingName{"preamplifier", "preamplifier", ""},
    SettingName{"sample interval", "sample interval", "s"},
    SettingName{"sweep count", "averages", ""},
    SettingName{"average count", "averages", ""},
};

std::string averaging_kind(std::string_view text) {
  const std::string word = lower_text(text);
  if (word.find("log") != std::string::npos || word.find("video") != std::string::npos) {
    return "log";
  }
  if (word.find("volt") != std::string::npos) return "voltage";
  if (word.find("pow") != std::string::npos || word.find("pwr") != std::string::npos ||
      word.find("rms") != std::string::npos) {
    return "power";
  }
  if (word == "none" || word == "off") return "none";
  return std::string(text);
}

}  // namespace

void add_setting(std::map<std::string, std::string>& settings, std::string_view name,
                 std::string_view value, std::string_view unit) {
  name = trimmed_text(name);
  while (name.ends_with(':')) name.remove_suffix(1);
  value = trimmed_text(value);
  if (name.empty() || value.empty()) return;
  const std::string spelling = lower_text(name);
  std::string_view key = name;
  for (const SettingName& known : setting_names) {
    if (spelling != known.spelling) continue;
    key = known.name;
    double number = 0;
    if (unit.empty() && !known.unit.empty() && parse_number(value, '.', number)) {
      settings.insert_or_assign(std::string(key), fmt::format("{} {}", number, known.unit));
      return;
    }
    if (known.name == "averaging") {
      settings.insert_or_assign(std::string(key), averaging_kind(value));
      return;
    }
  }
  settings.insert_or_assign(std::string(key),
                            unit.empty() || trimmed_text(unit).empty()
                                ? std::string(value)
                                : fmt::format("{} {}", value, trimmed_text(unit)));
}

LabColumn named_column(std::string_view name, std::string_view unit) {
  LabColumn column;
  column.name = name;
  column.unit = unit;
  return column;
}

void read_rows(const LabText& text, TableLayout layout, LabTable& table) {
  const std::size_t count = layout.columns.size();
  const std::size_t end = layout.end_line == 0 ? text.lines.size() + 1 : layout.end_line;
  if (layout.cell_of.empty()) {
    for (std::size_t i = 0; i < count; ++i) layout.cell_of.push_back(i);
  }
  const std::size_t needed = 1 + *std::max_element(layout.cell_of.begin(), layout.cell_of.end());
  std::size_t width = 0;  // of the first row
  std::size_t first_row = 0;
  for (std::size_t line = layout.first_line; line < end; ++line) {
    const std::string_view body = trimmed_text(text.lines[line - 1]);
    if (body.empty()) continue;
    if (layout.skip_comments && (body.front() == '#' || body.front() == '!')) continue;
    const auto cells = split_cells(text.lines[line - 1], layout.delimiter);
    if (width == 0) {
      width = cells.size();
      first_row = line;
    }
    if (cells.size() < needed || cells.size() != width) {
      throw DataError(fmt::format(
          "{}: {} cells, {} expected (as in {}); complete the row, or delete it{}", text.at(line),
          cells.size(), std::max(needed, width),
          line == first_row ? std::string("the header") : fmt::format("line {}", first_row),
          line + 1 == end || line == text.lines.size() ? " (was the file cut off?)" : ""));
    }
    for (std::size_t i = 0; i < count; ++i) {
      double value = 0;
      const std::string_view cell = cells[layout.cell_of[i]];
      if (!parse_number(cell, layout.decimal, value)) {
        const bool comma = cell.find(',') != std::string_view::npos;
        throw DataError(fmt::format(
            "{}: {} in column \"{}\"; {}", text.at(line, layout.cell_of[i] + 1),
            cell.empty() ? std::string("an empty cell")
                         : fmt::format("\"{}\" is no finite number", shown_text(cell)),
            layout.columns[i].name,
            comma ? "write numbers with a decimal point" : "mend the cell, or delete the row"));
      }
      // SCPI instruments return 9.9E37 for an overload and 9.91E37 for no number.
      if (std::abs(value) >= 9.8e37 && std::abs(value) < 9.95e37) {
        throw DataError(fmt::format(
            "{}: \"{}\" in column \"{}\" is an instrument's sign for an overload or for no "
            "reading; delete the row, or measure again in another range",
            text.at(line, layout.cell_of[i] + 1), shown_text(cell), layout.columns[i].name));
      }
      layout.columns[i].values.push_back(value);
    }
    table.lines.push_back(static_cast<int>(line));
  }
  if (table.lines.empty()) {
    throw DataError(fmt::format("{}: no rows of numbers; is this the right file?",
                                text.at(std::min(layout.first_line, text.lines.size()))));
  }
  table.columns = std::move(layout.columns);
}

void drop_placeholder_traces(LabTable& table) {
  const auto is_placeholder = [](double value) {
    // -1000 dBm in dBm, dBuV (+106.99), dBmV (+46.99), dBV (-13.01).
    constexpr std::array shifts = {0.0, 106.98970004336019, 46.98970004336019, -13.010299956639813};
    if (std::abs(value + 2147.48) < 0.01) return true;
    return std::any_of(shifts.begin(), shifts.end(),
                       [&](double shift) { return std::abs(value + 1000 - shift) < 1e-4; });
  };
  std::vector<LabColumn> kept;
  for (auto& column : table.columns) {
    const auto empty = std::count_if(column.values.begin(), column.values.end(), is_placeholder);
    if (empty == 0 || &column == &table.columns.front()) {
      kept.push_back(std::move(column));
      continue;
    }
    const auto all = column.values.size();
    table.warnings.push_back(
        static_cast<std::size_t>(empty) == all
            ? fmt::format("{} is empty (every value is the analyser's placeholder {}): left out",
                          column.name, column.values.front())
            : fmt::format("{} is incomplete ({} of {} points are the analyser's placeholder): "
                          "left out",
                          column.name, empty, all));
  }
  table.columns = std::move(kept);
}

}  // namespace attojoule::data
