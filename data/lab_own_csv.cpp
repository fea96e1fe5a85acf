// The program's own CSV and what is near to it: any delimiter, "name [unit]" headers or none,
// "# key: value" settings; mean/variance tables of EMVA 1288; rows instead of columns.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "data/lab_text.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

bool is_comment(std::string_view line) {
  const std::string_view body = trimmed_text(line);
  return body.empty() || body.front() == '#' || body.front() == '!' || body.front() == '%';
}

void read_comment(std::string_view line, LabTable& table) {
  std::string_view body = trimmed_text(line);
  while (!body.empty() && (body.front() == '#' || body.front() == '!' || body.front() == '%')) {
    body.remove_prefix(1);
  }
  body = trimmed_text(body);
  const std::size_t colon = body.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon > 60) return;
  add_setting(table.settings, body.substr(0, colon), body.substr(colon + 1));
}

// The character that splits a row of numbers, and the decimal mark.
struct Marks {
  char delimiter = ',';
  char decimal = '.';
};

bool all_numbers(const std::vector<std::string_view>& cells, char decimal) {
  double value = 0;
  // A delimiter at the end of the line leaves one empty cell.
  const std::size_t count =
      cells.size() > 1 && cells.back().empty() ? cells.size() - 1 : cells.size();
  return count > 0 && std::all_of(cells.begin(), cells.begin() + static_cast<std::ptrdiff_t>(count),
                                  [&](auto cell) { return parse_number(cell, decimal, value); });
}

Marks marks_of(std::string_view line) {
  for (const char delimiter : {';', '\t'}) {
    if (line.find(delimiter) == std::string_view::npos) continue;
    const auto cells = split_cells(line, delimiter);
    if (cells.size() < 2) continue;
    const bool comma = line.find(',') != std::string_view::npos;
    return {delimiter, comma && !all_numbers(cells, '.') ? ',' : '.'};
  }
  if (line.find(',') != std::string_view::npos) return {',', '.'};
  return {' ', '.'};
}

// A row of numbers whatever its marks.
bool is_row(std::string_view line) {
  const Marks marks = marks_of(line);
  return all_numbers(split_cells(line, marks.delimiter), marks.decimal);
}

// Numbers and what programs write where they have none: no header, but a row that cannot be used.
bool is_broken_row(std::string_view line) {
  const Marks marks = marks_of(line);
  double value = 0;
  std::size_t numbers = 0;
  for (const auto cell : split_cells(line, marks.delimiter)) {
    if (parse_number(cell, marks.decimal, value)) {
      ++numbers;
      continue;
    }
    std::string word = lower_text(cell);
    if (word.starts_with('-') || word.starts_with('+')) word.erase(0, 1);
    constexpr std::array words{"inf", "infinity", "nan", "ovl", "ovf", "overload", "n/a", "1.#inf"};
    if (std::find(words.begin(), words.end(), word) == words.end()) return false;
  }
  return numbers > 0;
}

// Columns of labels or times of day beside columns of numbers, in a table that has no row of
// numbers alone: every line below the header has as many cells, and every column is numbers all the
// way down or none.
struct Labelled {
  std::size_t header = 0;          // place in `lines`
  std::set<std::size_t> of_words;  // columns; empty: it is no such table
};

Labelled labelled_table(const LabText& text, const std::vector<std::size_t>& lines) {
  for (std::size_t h = 0; h + 2 < lines.size(); ++h) {
    const Marks marks = marks_of(text.lines[lines[h + 1] - 1]);
    const auto names = split_cells(text.lines[lines[h] - 1], marks.delimiter);
    std::vector<std::size_t> numbers(names.size());
    bool even = true;
    for (std::size_t k = h + 1; k < lines.size() && even; ++k) {
      const auto cells = split_cells(text.lines[lines[k] - 1], marks.delimiter);
      even = cells.size() == names.size();
      double value = 0;
      for (std::size_t c = 0; even && c < cells.size(); ++c) {
        numbers[c] += parse_number(cells[c], marks.decimal, value) ? 1 : 0;
      }
    }
    const std::size_t rows = lines.size() - h - 1;
    Labelled table{h, {}};
    for (std::size_t c = 0; c < numbers.size(); ++c) {
      even = even && (numbers[c] == 0 || numbers[c] == rows) && !names[c].empty();
      if (numbers[c] == 0) table.of_words.insert(c);
    }
    if (even && !table.of_words.empty() && numbers.size() >= table.of_words.size() + 2) {
      return table;
    }
  }
  return {};
}

// The cells that are no words.
std::vector<std::string_view> without(const std::vector<std::string_view>& cells,
                                      const std::set<std::size_t>& of_words) {
  std::vector<std::string_view> kept;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    if (!of_words.contains(c)) kept.push_back(cells[c]);
  }
  return kept;
}

// The unit of a name that ends in one, "power_mW", "f GHz": short suffixes that are
// subscripts as often as units (V_cm, P_s, R_F) count behind a word that says what is measured.
std::string unit_at_end(std::string_view name, std::string& stem) {
  const std::size_t at = name.find_last_of("_ ");
  if (at == std::string_view::npos || at == 0 || at + 1 == name.size()) return "";
  const std::string unit(name.substr(at + 1));
  stem = std::string(trimmed_text(name.substr(0, at)));
  constexpr std::array plain{"mW",  "uW",  "nW",  "pW",   "dBm", "dB", "dBc", "mA",
                             "uA",  "nA",  "pA",  "mV",   "uV",  "Hz", "kHz", "MHz",
                             "GHz", "THz", "ohm", "kohm", "µW",  "µA", "µm",  "µV"};
  if (std::find(plain.begin(), plain.end(), unit) != plain.end()) return unit;
  const std::string word = lower_text(stem);
  const auto has = [&](std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](const char* one) { return word.find(one) != std::string::npos; });
  };
  if (unit == "W" && has({"power", "light"})) return unit;
  if (unit == "V" && has({"volt", "bias", "drive", "signal"})) return unit;
  if (unit == "A" && has({"current"})) return unit;
  const bool is_time = unit == "s" || unit == "ms" || unit == "us" || unit == "ns" || unit == "ps";
  if (is_time && (word == "t" || has({"time", "exposure", "delay"}))) return unit;
  const bool is_length =
      unit == "m" || unit == "cm" || unit == "mm" || unit == "um" || unit == "nm";
  if (is_length &&
      (word == "l" || word == "wl" || has({"length", "distance", "lambda", "position"}))) {
    return unit;
  }
  return "";
}

// Takes units out of names that end in one, with a warning. Two columns of one quantity
// (P_mW, P_dBm) keep their names.
void take_units_at_ends(const LabReadOptions& options, std::vector<LabColumn>& columns,
                        LabTable& table) {
  std::vector<std::string> stems, all;
  for (const auto& column : columns) {
    std::string stem;
    const bool given =
        std::any_of(options.units.begin(), options.units.end(),
                    [&](const std::string& one) { return one.starts_with(column.name + "="); });
    const std::string unit =
        column.unit.empty() && !given ? unit_at_end(column.name, stem) : std::string();
    stems.push_back(unit.empty() ? "" : stem);
    all.push_back(unit.empty() ? column.name : stem);
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (stems[i].empty()) continue;
    LabColumn& column = columns[i];
    column.unit = column.name.substr(column.name.find_last_of("_ ") + 1);
    table.warnings.push_back(
        fmt::format("column \"{}\": its unit {} is taken from its name", column.name, column.unit));
    if (std::count(all.begin(), all.end(), stems[i]) == 1) column.name = stems[i];
  }
}

std::vector<NameAndUnit> parse_columns_option(const std::string& option) {
  std::vector<NameAndUnit> result;
  for (const auto cell : split_cells(option, ',')) {
    NameAndUnit column = split_header_cell(cell);
    if (column.name.empty()) {
      throw ConfigError(
          fmt::format("--columns: \"{}\" has a column without a name. Write for "
                      "example --columns \"I [A], P [W]\".",
                      shown_text(option)));
    }
    if (!parse_lab_unit(column.unit)) {
      throw ConfigError(
          fmt::format("--columns: unknown unit \"{}\" of \"{}\". Write for example "
                      "\"{} [mW]\".",
                      shown_text(column.unit), column.name, column.name));
    }
    result.push_back(std::move(column));
  }
  return result;
}

// Every line a name and the values of one quantity, as silicon photonic probe stations write.
bool read_row_wise(const LabText& text, LabTable& table) {
  std::vector<LabColumn> columns;
  std::vector<std::size_t> lines;
  bool tagged = false;
  for (std::size_t line = 1; line <= text.lines.size(); ++line) {
    if (is_comment(text.lines[line - 1])) {
      tagged = tagged || text.lines[line - 1].find("Metric Tag") != std::string_view::npos;
      continue;
    }
    const auto cells = split_cells(text.lines[line - 1], ',');
    double value = 0;
    if (cells.size() < 4 || cells[0].empty() || parse_number(cells[0], '.', value)) return false;
    if (columns.empty() && !parse_number(cells[1], '.', value)) return false;
    LabColumn column;
    const NameAndUnit header = split_header_cell(cells[0]);
    column.name = header.name;
    column.unit = header.unit;
    column.position = static_cast<int>(columns.size()) + 1;
    column.header_line = static_cast<int>(line);
    for (std::size_t i = 1; i < cells.size(); ++i) {
      if (!parse_number(cells[i], '.', value)) {
        if (columns.size() < 2 && !tagged) return false;
        throw DataError(fmt::format("{}: \"{}\" in row \"{}\" is no finite number; mend the cell",
                                    text.at(line, i + 1), shown_text(cells[i]), column.name));
      }
      column.values.push_back(value);
    }
    if (!columns.empty() && column.values.size() != columns.front().values.size()) {
      throw DataError(
          fmt::format("{}: {} values of \"{}\", {} expected (as in line {}); is the row "
                      "cut off?",
                      text.at(line), column.values.size(), column.name,
                      columns.front().values.size(), lines.front()));
    }
    columns.push_back(std::move(column));
    lines.push_back(line);
  }
  if (columns.size() < 2 && !(tagged && !columns.empty())) return false;
  table.format = "siepic-csv";
  table.columns = std::move(columns);
  for (const auto& line : text.lines) {
    if (is_comment(line)) read_comment(line, table);
  }
  if (tagged) {
    for (auto& column : table.columns) {
      if (!column.unit.empty()) continue;
      column.unit = column.name == "wavelength" ? "nm" : "dBm";
      table.warnings.push_back(fmt::format(
          "the file does not write the unit of \"{}\": {} is taken, as this format has it",
          column.name, column.unit));
    }
  }
  return true;
}

bool is_emva_table(const LabTable& table) {
  const auto has = [&](const char* name) { return table.find(name) != nullptr; };
  return has("u_p") && has("u_y") && has("s2_y") && has("u_ydark") && has("s2_ydark");
}

}  // namespace

void read_own_csv(const LabText& text, const LabReadOptions& options, LabTable& table) {
  table.format = "attojoule-csv";
  if (options.columns.empty() && read_row_wise(text, table)) return;

  std::size_t header = 0, first_row = 0;
  std::set<std::size_t> of_words;
  std::vector<std::size_t> before;  // lines above the first row that are neither
  for (std::size_t line = 1; line <= text.lines.size(); ++line) {
    if (is_comment(text.lines[line - 1])) continue;
    if (is_row(text.lines[line - 1]) || (!before.empty() && is_broken_row(text.lines[line - 1]))) {
      first_row = line;
      break;
    }
    before.push_back(line);
  }
  if (first_row == 0) {
    if (before.empty()) throw DataError(text.place + ": the file is empty; give one with data");
    const Labelled labelled = labelled_table(text, before);
    of_words = labelled.of_words;
    if (of_words.empty()) {
      throw DataError(fmt::format(
          "{}: no row of numbers below the header; give a file with data, numbers written with a "
          "decimal point",
          text.at(before.front())));
    }
    first_row = before[labelled.header + 1];
    before.resize(labelled.header + 1);
  }
  const Marks marks = marks_of(text.lines[first_row - 1]);
  auto row = split_cells(text.lines[first_row - 1], marks.delimiter);
  const std::size_t cells_of_row = row.size();
  row = without(row, of_words);
  if (row.size() > 1 && row.back().empty()) row.pop_back();
  if (marks.decimal == ',') table.warnings.push_back("numbers are written with a decimal comma");

  TableLayout layout;
  layout.first_line = first_row;
  layout.delimiter = marks.delimiter;
  layout.decimal = marks.decimal;
  for (std::size_t c = 0; !of_words.empty() && c < cells_of_row; ++c) {
    if (!of_words.contains(c)) layout.cell_of.push_back(c);
  }
  if (!options.columns.empty()) {
    const auto columns = parse_columns_option(options.columns);
    if (columns.size() != row.size()) {
      throw ConfigError(fmt::format("--columns names {} columns, but {} has {}. Name each of them.",
                                    columns.size(), text.at(first_row), row.size()));
    }
    for (const auto& column : columns)
      layout.columns.push_back(named_column(column.name, column.unit));
    if (!before.empty()) {
      table.warnings.push_back(
          fmt::format("--columns replaces the header of line {}{}", before.back(),
                      before.size() > 1 ? fmt::format(" ({} lines skipped)", before.size()) : ""));
    }
  } else if (before.empty()) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      layout.columns.push_back(named_column(fmt::format("column_{}", i + 1), ""));
    }
    table.warnings.push_back(
        "the file has no header: name its columns with --columns "
        "\"NAME [UNIT], …\"");
  } else {
    header = before.back();
    std::vector<std::string_view> units;
    // The line below the names may hold the units alone.
    if (before.size() >= 2) {
      const auto cells = split_cells(text.lines[header - 1], marks.delimiter);
      const auto above = split_cells(text.lines[before[before.size() - 2] - 1], marks.delimiter);
      if (above.size() == cells.size() &&
          std::all_of(cells.begin(), cells.end(), [](std::string_view cell) {
            if (cell.starts_with('[') && cell.ends_with(']')) {
              cell = cell.substr(1, cell.size() - 2);
            }
            return parse_lab_unit(cell).has_value();
          })) {
        units = cells;
        header = before[before.size() - 2];
      }
    }
    for (const std::size_t line : before) {
      if (line == header || (line > header && !units.empty())) continue;
      const auto cells = split_cells(text.lines[line - 1], marks.delimiter);
      if (cells.size() >= 2 && !cells[0].empty()) {
        add_setting(table.settings, cells[0], cells[1], cells.size() > 2 ? cells[2] : "");
      } else {
        table.warnings.push_back(fmt::format("line {} is neither header nor data: \"{}\"", line,
                                             shown_text(trimmed_text(text.lines[line - 1]))));
      }
    }
    auto names = split_cells(text.lines[header - 1], marks.delimiter);
    if (marks.delimiter == ' ') {
      // "I [mA]" is one name although a blank splits it.
      std::vector<std::string_view> merged;
      const std::string_view line = text.lines[header - 1];
      for (const auto name : names) {
        if (name.starts_with('[') && !merged.empty()) {
          const auto start = static_cast<std::size_t>(merged.back().data() - line.data());
          const auto end = static_cast<std::size_t>(name.data() - line.data()) + name.size();
          merged.back() = line.substr(start, end - start);
        } else {
          merged.push_back(name);
        }
      }
      names = merged;
    }
    if (names.size() == cells_of_row) {
      for (const std::size_t c : of_words) {
        table.warnings.push_back(
            fmt::format("column \"{}\" holds no numbers: left out", shown_text(names[c])));
      }
      names = without(names, of_words);
    }
    if (names.size() > 1 && names.back().empty()) names.pop_back();
    if (names.size() != row.size()) {
      throw DataError(
          fmt::format("{}: {} names, but {} numbers in line {}; name every column, or "
                      "pass --columns \"NAME [UNIT], …\"",
                      text.at(header), names.size(), row.size(), first_row));
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < names.size(); ++i) {
      NameAndUnit column = split_header_cell(names[i]);
      if (column.unit.empty() && i < units.size()) {
        std::string_view unit = units[i];
        if (unit.starts_with('[') && unit.ends_with(']')) unit = unit.substr(1, unit.size() - 2);
        column.unit = unit;
      }
      if (column.name.empty()) column.name = fmt::format("column_{}", i + 1);
      // "S21(DB),S21(DEG)" of a network analyser: level and phase of one thing.
      const auto unit = parse_lab_unit(column.unit);
      if (seen.contains(column.name) && !column.unit.empty() && unit &&
          same_dimension(*unit, *parse_lab_unit("rad"))) {
        const std::string told = fmt::format("{} ({})", column.name, column.unit);
        table.warnings.push_back(
            fmt::format("column {} is the second one called \"{}\": it is \"{}\"", i + 1,
                        shown_text(column.name), shown_text(told)));
        column.name = told;
      }
      if (!seen.insert(column.name).second) {
        throw DataError(
            fmt::format("{}: two columns are called \"{}\"; rename one, or pass "
                        "--columns \"NAME [UNIT], …\"",
                        text.at(header, i + 1), shown_text(column.name)));
      }
      if (!parse_lab_unit(column.unit)) {
        throw DataError(fmt::format(
            "{}: column {} \"{}\" has an unknown unit \"{}\"; write an SI unit, or dBm, dBm/Hz, "
            "DN, "
            "e-, photon, as \"{} [mW]\"",
            text.at(header), i + 1, shown_text(column.name), shown_text(column.unit), column.name));
      }
      layout.columns.push_back(named_column(column.name, column.unit));
    }
    take_units_at_ends(options, layout.columns, table);
  }
  for (std::size_t i = 0; i < layout.columns.size(); ++i) {
    layout.columns[i].position = static_cast<int>(i) + 1;
    layout.columns[i].header_line = static_cast<int>(header);
  }
  for (std::size_t line = 1; line <= text.lines.size(); ++line) {
    const std::string_view body = trimmed_text(text.lines[line - 1]);
    if (!body.empty() && is_comment(body)) read_comment(body, table);
  }
  read_rows(text, std::move(layout), table);
  if (!is_emva_table(table)) return;
  table.format = "emva-table";
  // The standard names these quantities, and with them their units.
  for (auto& column : table.columns) {
    if (!column.unit.empty()) continue;
    for (const auto& [name, unit] : {std::pair{"u_p", "photon"},
                                     {"u_y", "DN"},
                                     {"s2_y", "DN^2"},
                                     {"u_ydark", "DN"},
                                     {"s2_ydark", "DN^2"}}) {
      const bool named =
          std::any_of(options.units.begin(), options.units.end(),
                      [&](const std::string& one) { return one.starts_with(column.name + "="); });
      if (column.name != name || named) continue;
      column.unit = unit;
      table.warnings.push_back(
          fmt::format("column \"{}\" has no unit: {} is taken, as EMVA 1288 has it", name, unit));
    }
  }
}

}  // namespace attojoule::data
