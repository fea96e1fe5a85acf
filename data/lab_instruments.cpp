// CSV as instruments export it: spectrum and network analysers, oscilloscopes.
//
// Each reader knows one vendor's way to write settings and where the table starts; the rows are
// read by read_rows(). The first lines decide, so that a file of an instrument that is broken
// further down gives that reader's error.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "data/lab_text.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

using Cells = std::vector<std::string_view>;

std::string_view without_hash(std::string_view line) {
  line = trimmed_text(line);
  while (!line.empty() && line.front() == '#') line.remove_prefix(1);
  return trimmed_text(line);
}

// The cells behind the first, without the empty ones at the end.
std::vector<std::string> values_of(const Cells& cells) {
  std::vector<std::string> values(cells.begin() + 1, cells.end());
  while (!values.empty() && values.back().empty()) values.pop_back();
  return values;
}

void check_points(LabTable& table) {
  const auto points = table.settings.find("points");
  double expected = 0;
  if (points == table.settings.end() || !parse_number(points->second, '.', expected)) return;
  if (expected != static_cast<double>(table.rows())) {
    table.warnings.push_back(fmt::format("the header says {} points, the file has {} rows",
                                         points->second, table.rows()));
  }
}

// What noise measurements must know about a trace.
void warn_about_traces(LabTable& table) {
  for (const auto& column : table.columns) {
    for (const char* key : {"detector", "trace type"}) {
      const auto at = column.settings.find(key);
      if (at == column.settings.end()) continue;
      const std::string word = lower_text(at->second);
      const bool peak =
          word.find("peak") != std::string::npos || word.find("pk") != std::string::npos ||
          word.find("max") != std::string::npos || word.find("min") != std::string::npos;
      if (peak) {
        table.warnings.push_back(fmt::format("{}: {} \"{}\" does not read a mean noise power",
                                             column.name, key, at->second));
      }
    }
  }
}

double first_cell(const LabText& text, std::size_t line, char delimiter) {
  double value = 0;
  const auto cells = split_cells(text.lines[line - 1], delimiter);
  if (cells.empty() || !parse_number(cells[0], '.', value)) return std::nan("");
  return value;
}

// The line of the first match of `predicate`, from 1; 0 for none.
template <class Predicate>
std::size_t find_line(const LabText& text, Predicate predicate, std::size_t from = 1) {
  for (std::size_t line = from; line <= text.lines.size(); ++line) {
    if (predicate(text.lines[line - 1])) return line;
  }
  return 0;
}

[[noreturn]] void no_data(const LabText& text, const std::string& what) {
  throw DataError(fmt::format("{}: {} (was the file cut off?); export it again",
                              text.at(std::max<std::size_t>(text.lines.size(), 1)), what));
}

// ---- Siglent ----

void read_siglent_analyser(const LabText& text, LabTable& table) {
  const std::size_t data = find_line(
      text, [](std::string_view line) { return lower_text(without_hash(line)) == "trace data"; });
  if (data == 0) no_data(text, "no line \"Trace Data\"");
  std::vector<std::string> names, types, detectors;
  bool markers = false;
  for (std::size_t line = 1; line < data; ++line) {
    const auto cells = split_cells(without_hash(text.lines[line - 1]), ',');
    const std::string key = lower_text(cells[0]);
    if (key == "marker information" || key == "peak table information") markers = true;
    if (key == "trace name") names = values_of(cells);
    if (key == "trace type") types = values_of(cells);
    if (key == "trace detector") detectors = values_of(cells);
    if (key.starts_with("trace")) markers = false;
    if (cells.size() < 2) {
      // Comments of the author: "RF 4k7 Ohm", "Trace A: modulated laser".
      const std::size_t colon = cells[0].find(':');
      if (colon != std::string_view::npos) {
        add_setting(table.settings, cells[0].substr(0, colon), cells[0].substr(colon + 1));
      }
      continue;
    }
    const bool known_list = key == "trace name" || key == "trace type" || key == "trace detector";
    if (!markers && !known_list) add_setting(table.settings, cells[0], cells[1]);
  }
  std::string unit = "dBm";
  if (const auto at = table.settings.find("Y Axis Unit"); at != table.settings.end()) {
    unit = at->second;
  } else {
    table.warnings.push_back("no \"Y Axis Unit\": dBm is taken");
  }
  const std::size_t first = find_line(
      text,
      [](std::string_view line) {
        const std::string_view body = trimmed_text(line);
        return !body.empty() && body.front() != '#';
      },
      data + 1);
  if (first == 0) no_data(text, "no rows below \"Trace Data\"");
  const auto row = split_cells(text.lines[first - 1], ',');
  TableLayout layout;
  layout.first_line = first;
  layout.columns.push_back(named_column("frequency", "Hz"));
  layout.cell_of.push_back(0);
  if (names.empty()) {
    for (std::size_t i = 1; i < row.size(); ++i) names.push_back(fmt::format("Trace {}", i));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool blank = i < types.size() && lower_text(types[i]) == "blank";
    const bool missing = i + 1 >= row.size() || row[i + 1].empty();
    if (missing) {
      if (!blank) {
        throw DataError(
            fmt::format("{}: {} cells, but the header names {} traces; export the file "
                        "again",
                        text.at(first), row.size(), names.size()));
      }
      table.warnings.push_back(fmt::format("{} is switched off: left out", names[i]));
      continue;
    }
    LabColumn column = named_column(names[i], unit);
    if (i < types.size()) column.settings["trace type"] = types[i];
    if (i < detectors.size()) column.settings["detector"] = detectors[i];
    column.position = static_cast<int>(i) + 2;
    layout.columns.push_back(std::move(column));
    layout.cell_of.push_back(i + 1);
  }
  read_rows(text, std::move(layout), table);
  for (std::size_t line = data; line < first; ++line) {
    double value = 0;
    const auto cells = split_cells(without_hash(text.lines[line - 1]), ',');
    if (cells.size() > 1 && parse_number(cells[0], '.', value)) {
      table.warnings.push_back(
          fmt::format("line {}: a row that was commented out is left out", line));
    }
  }
}

// ---- Keysight, Agilent, Hewlett-Packard ----

// X series (N9xxxA/B): "Trace" or "AllTrace", settings, "DATA", rows.
void read_keysight_x(const LabText& text, LabTable& table) {
  const std::size_t data =
      find_line(text, [](std::string_view line) { return trimmed_text(line) == "DATA"; });
  if (data == 0) no_data(text, "no line \"DATA\"");
  std::vector<std::string> names, types, detectors;
  std::string unit, x_unit = "Hz";
  for (std::size_t line = 1; line < data; ++line) {
    const auto cells = split_cells(text.lines[line - 1], ',');
    const std::string key = lower_text(cells[0]);
    if (key == "trace name") {
      names = values_of(cells);
    } else if (key == "trace type") {
      types = values_of(cells);
    } else if (key == "detector") {
      detectors = values_of(cells);
    } else if (key == "y axis units" && cells.size() > 1) {
      unit = cells[1];
    } else if (key == "x axis units" && cells.size() > 1) {
      x_unit = cells[1];
    } else if (line == 3 && cells.size() == 2) {
      table.settings["instrument"] = fmt::format("{} ({})", cells[1], cells[0]);
    } else if (cells.size() == 2 && line > 4) {
      add_setting(table.settings, cells[0], cells[1]);
    }
  }
  if (unit.empty()) {
    throw DataError(
        fmt::format("{}: no \"Y Axis Units\" above the data; add the line, or convert "
                    "the file to \"name [unit]\" columns",
                    text.at(data)));
  }
  if (data == text.lines.size()) no_data(text, "no rows below \"DATA\"");
  const std::size_t traces = split_cells(text.lines[data], ',').size() - 1;
  TableLayout layout;
  layout.first_line = data + 1;
  layout.columns.push_back(named_column(x_unit == "s" ? "time" : "frequency", x_unit));
  for (std::size_t i = 0; i < traces; ++i) {
    LabColumn column =
        named_column(i < names.size() ? names[i] : fmt::format("Trace{}", i + 1), unit);
    if (i < types.size()) column.settings["trace type"] = types[i];
    if (i < detectors.size()) column.settings["detector"] = detectors[i];
    layout.columns.push_back(std::move(column));
  }
  read_rows(text, std::move(layout), table);
}

// Handheld N934x: "File:", "System Parameter:", triples of settings, "Trace Data:(Unit:dBm)".
void read_keysight_handheld(const LabText& text, LabTable& table) {
  std::size_t data = 0;
  std::string unit;
  for (std::size_t line = 1; line <= text.lines.size() && data == 0; ++line) {
    const std::string_view body = trimmed_text(text.lines[line - 1]);
    if (body.starts_with("Trace Data")) {
      const std::size_t mark = body.find("Unit:");
      const std::size_t close = body.find(')');
      if (mark == std::string_view::npos || close == std::string_view::npos || close < mark) {
        throw DataError(fmt::format("{}: \"{}\" states no unit; write \"Trace Data:(Unit:dBm)\"",
                                    text.at(line), shown_text(body)));
      }
      unit = body.substr(mark + 5, close - mark - 5);
      data = line;
      break;
    }
    // Name and value alternate; AUTO and MAN say who chose the value before them.
    const auto cells = split_cells(body, ',');
    if (lower_text(cells[0]) == "file:" || lower_text(cells[0]).starts_with("marker")) continue;
    std::vector<std::string_view> words;
    for (const auto cell : cells) {
      if (cell != "AUTO" && cell != "MAN" && !cell.empty()) words.push_back(cell);
    }
    double number = 0;
    if (words.size() % 2 != 0 || (!words.empty() && parse_number(words[0], '.', number))) continue;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
      add_setting(table.settings, words[i], words[i + 1]);
    }
  }
  if (data == 0) no_data(text, "no line \"Trace Data\"");
  if (data + 1 >= text.lines.size()) no_data(text, "no rows below \"Trace Data\"");
  auto names = split_cells(text.lines[data], ',');
  while (!names.empty() && names.back().empty()) names.pop_back();
  TableLayout layout;
  layout.first_line = data + 2;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const NameAndUnit cell = split_header_cell(names[i]);
    LabColumn column = i == 0 ? named_column("frequency", cell.unit.empty() ? "Hz" : cell.unit)
                              : named_column(cell.name, unit);
    const std::size_t open = column.name.find('(');
    if (i > 0 && open != std::string::npos) {
      column.settings["trace type"] = column.name.substr(open + 1, column.name.size() - open - 2);
      column.name.resize(open);
    }
    column.position = static_cast<int>(i) + 1;
    column.header_line = static_cast<int>(data) + 1;
    layout.columns.push_back(std::move(column));
  }
  if (layout.columns.size() < 2) no_data(text, "no trace below \"Trace Data\"");
  read_rows(text, std::move(layout), table);
}

// ESA (E44xx): "Title:", "Model:", …; a header with trace names, one with units, which may lack the
// unit of the levels.
void read_keysight_esa(const LabText& text, LabTable& table) {
  std::size_t header = 0;
  for (std::size_t line = 1; line <= text.lines.size() && header == 0; ++line) {
    const auto cells = split_cells(text.lines[line - 1], ',');
    if (cells.size() > 1 && cells[0].empty() && cells[1].starts_with("Trace")) {
      header = line;
    } else if (cells.size() >= 2 && cells[0].ends_with(':')) {
      add_setting(table.settings, cells[0].substr(0, cells[0].size() - 1), cells[1],
                  cells.size() > 2 ? cells[2] : "");
    }
  }
  if (header == 0) no_data(text, "no line that names the traces");
  if (header + 1 >= text.lines.size()) no_data(text, "no rows below the header");
  const auto names = split_cells(text.lines[header - 1], ',');
  const auto units = split_cells(text.lines[header], ',');
  TableLayout layout;
  layout.first_line = header + 2;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0 && names[i].empty()) continue;
    LabColumn column =
        named_column(i == 0 ? "frequency" : names[i], i < units.size() ? units[i] : "");
    column.position = static_cast<int>(i) + 1;
    column.header_line = static_cast<int>(header);
    layout.columns.push_back(std::move(column));
    layout.cell_of.push_back(i);
  }
  read_rows(text, std::move(layout), table);
  if (std::any_of(table.columns.begin() + 1, table.columns.end(),
                  [](const LabColumn& column) { return column.unit.empty(); })) {
    table.warnings.push_back(
        "the file does not state the unit of the levels (amplitude unit of the "
        "analyser when it was saved): pass --unit \"Trace 1=dBm\"");
  }
}

// FieldFox and PNA: "! …" comments, BEGIN [name], [header], rows, END.
void read_keysight_begin(const LabText& text, LabTable& table) {
  const std::size_t begin = find_line(
      text, [](std::string_view line) { return trimmed_text(line).starts_with("BEGIN"); });
  if (begin == 0) no_data(text, "no line \"BEGIN\"");
  std::string x_unit = "Hz", unit;
  for (std::size_t line = 1; line < begin; ++line) {
    std::string_view body = trimmed_text(text.lines[line - 1]);
    while (!body.empty() && body.front() == '!') body.remove_prefix(1);
    body = trimmed_text(body);
    if (body.starts_with("FREQ UNIT ")) x_unit = body.substr(10);
    if (body.starts_with("DATA UNIT ")) unit = body.substr(10);
    constexpr std::array known = {"MODEL",      "SERIAL", "NAME",      "TIMESTAMP", "RES BW",
                                  "START FREQ", "VBW",    "STOP FREQ", "DETECTOR"};
    for (const std::string_view key : known) {
      if (body.starts_with(key) && body.size() > key.size() && body[key.size()] == ' ') {
        add_setting(table.settings, key, body.substr(key.size() + 1));
      }
    }
    if (const std::size_t colon = body.find(": "); colon != std::string_view::npos && colon < 40) {
      add_setting(table.settings, body.substr(0, colon), body.substr(colon + 2));
    }
  }
  const std::size_t end = find_line(
      text, [](std::string_view line) { return trimmed_text(line) == "END"; }, begin + 1);
  if (end == 0) no_data(text, "\"BEGIN\" without \"END\"");
  if (end == begin + 1) no_data(text, "no rows between \"BEGIN\" and \"END\"");
  TableLayout layout;
  layout.first_line = begin + 1;
  layout.end_line = end;
  const auto cells = split_cells(text.lines[begin], ',');
  const bool headed = std::isnan(first_cell(text, begin + 1, ','));
  if (headed) ++layout.first_line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    LabColumn column;
    if (headed) {
      const NameAndUnit cell = split_header_cell(cells[i]);
      column = named_column(cell.name, cell.unit);
      // "S11(DB)", "S11(DEG)": one name, two quantities.
      if (lower_text(cell.name) == "freq") column.name = "frequency";
      if (i > 0) column.name = std::string(cells[i]);
      column.header_line = static_cast<int>(begin) + 1;
    } else {
      column = i == 0 ? named_column("frequency", x_unit)
                      : named_column(fmt::format("Trace {}", i), unit);
    }
    column.position = static_cast<int>(i) + 1;
    layout.columns.push_back(std::move(column));
  }
  read_rows(text, std::move(layout), table);
  if (find_line(
          text, [](std::string_view line) { return trimmed_text(line).starts_with("BEGIN"); },
          end + 1) != 0) {
    table.warnings.push_back("only the first BEGIN … END block is read");
  }
}

// Oscilloscopes with a line of names and one of units ("x-axis,1,2" / "second,Volt,Volt").
void read_named_scope(const LabText& text, std::size_t header, std::string_view prefix,
                      LabTable& table) {
  if (header + 1 >= text.lines.size()) no_data(text, "no rows below the header");
  const auto names = split_cells(text.lines[header - 1], ',');
  const auto units = split_cells(text.lines[header], ',');
  TableLayout layout;
  layout.first_line = header + 2;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0 && names[i].empty()) continue;
    LabColumn column = named_column(i == 0 ? "time" : fmt::format("{}{}", prefix, names[i]),
                                    i < units.size() ? units[i] : "");
    if (!parse_lab_unit(column.unit)) {
      throw DataError(fmt::format("{}: unknown unit \"{}\"; mend the line",
                                  text.at(header + 1, i + 1), shown_text(column.unit)));
    }
    if (i == 0 && column.unit == "Hz") column.name = "frequency";
    column.position = static_cast<int>(i) + 1;
    column.header_line = static_cast<int>(header);
    layout.columns.push_back(std::move(column));
    layout.cell_of.push_back(i);
  }
  read_rows(text, std::move(layout), table);
}

// ---- Rohde & Schwarz ----

// "name;value;unit" lines, "Trace N:", x-Unit, y-Unit, Values, rows; further traces add a column.
void read_rohde_schwarz(const LabText& text, LabTable& table) {
  std::size_t line = 1;
  char decimal = '.';
  bool any = false;
  while (line <= text.lines.size()) {
    std::string trace, x_unit, y_unit;
    std::map<std::string, std::string> settings;
    double count = 0;
    std::size_t values_line = 0;
    for (; line <= text.lines.size(); ++line) {
      const auto cells = split_cells(text.lines[line - 1], ';');
      std::string key = lower_text(cells[0]);
      if (key.empty()) continue;
      if (key.ends_with(':')) key.pop_back();
      const std::string_view value = cells.size() > 1 ? cells[1] : std::string_view();
      if (key.starts_with("trace ") && key != "trace mode") {
        trace = fmt::format("Trace {}", key.substr(6));
      } else if (key == "x-unit") {
        x_unit = value;
      } else if (key == "y-unit") {
        y_unit = value;
      } else if (key == "values") {
        if (!parse_number(value, '.', count) || count < 1) {
          throw DataError(fmt::format("{}: \"Values\" is \"{}\"; write the number of rows",
                                      text.at(line), shown_text(value)));
        }
        values_line = line;
        ++line;
        break;
      } else if (key == "trace mode") {
        settings["trace type"] = value;
      } else if (key == "detector") {
        settings["detector"] = value;
      } else if (cells.size() > 1) {
        add_setting(table.settings, key == "type" ? "instrument" : cells[0], value,
                    cells.size() > 2 ? cells[2] : "");
      }
    }
    if (values_line == 0) break;
    if (y_unit.empty()) {
      throw DataError(
          fmt::format("{}: no \"y-Unit\" above the values; add the line \"y-Unit;dBm;\"",
                      text.at(values_line)));
    }
    TableLayout layout;
    layout.delimiter = ';';
    layout.first_line = line;
    // A line may end with a semicolon.
    std::size_t rows = 0, last = line;
    while (last <= text.lines.size() && rows < static_cast<std::size_t>(count)) {
      if (!trimmed_text(text.lines[last - 1]).empty()) ++rows;
      ++last;
    }
    if (rows < static_cast<std::size_t>(count)) {
      no_data(text, fmt::format("{} rows, line {} announces {}", rows, values_line, count));
    }
    layout.end_line = last;
    if (line <= text.lines.size() && text.lines[line - 1].find(',') != std::string_view::npos) {
      decimal = ',';
    }
    layout.decimal = decimal;
    layout.columns.push_back(
        named_column(x_unit == "s" ? "time" : "frequency", x_unit.empty() ? "Hz" : x_unit));
    layout.columns.push_back(named_column(trace.empty() ? "Trace 1" : trace, y_unit));
    auto row = split_cells(text.lines[line - 1], ';');
    while (row.size() > 1 && row.back().empty()) row.pop_back();
    if (row.size() > 2) {
      // The auto-peak detector writes a greatest and a least value.
      layout.columns.push_back(named_column(layout.columns.back().name + " (min)", y_unit));
    }
    for (auto& column : layout.columns) column.settings = settings;
    layout.columns.front().settings.clear();
    LabTable part;
    read_rows(text, std::move(layout), part);
    if (!any) {
      table.columns = std::move(part.columns);
      table.lines = std::move(part.lines);
      any = true;
    } else {
      if (part.columns.front().values != table.columns.front().values) {
        throw DataError(
            fmt::format("{}: {} has another {} axis than the trace before; export the "
                        "traces to files of their own",
                        text.at(values_line), trace, part.columns.front().name));
      }
      for (std::size_t i = 1; i < part.columns.size(); ++i) {
        table.columns.push_back(std::move(part.columns[i]));
      }
    }
    line = last;
  }
  if (!any) no_data(text, "no line \"Values\"");
}

// ---- Tektronix ----

// SignalVu and spectrum analysers: [sections], "name,value,unit" lines, [Traces], rows of level and
// frequency.
void read_tektronix_spectrum(const LabText& text, LabTable& table) {
  table.settings["instrument"] = "Tektronix spectrum analyser";
  std::size_t line = 1;
  std::string section;
  bool any = false, selected = false;
  std::string trace_name;
  std::map<std::string, std::map<std::string, std::string>> trace_settings;
  while (line <= text.lines.size()) {
    const std::string_view body = trimmed_text(text.lines[line - 1]);
    if (body.starts_with('[')) {
      section = lower_text(body);
      ++line;
      if (section == "[trace parameters]" && line <= text.lines.size()) {
        trace_name = trimmed_text(text.lines[line - 1]);
        selected = false;
      }
      if (section != "[trace]") continue;
      // [Trace]: name,,unit; NumberPoints; XStart; XStop; rows.
      if (line > text.lines.size()) break;
      const auto head = split_cells(text.lines[line - 1], ',');
      const std::string name(head[0]);
      const std::string unit(head.size() > 2 ? head[2] : std::string_view());
      const std::size_t head_line = line;
      double points = 0;
      double value = 0;
      for (++line; line <= text.lines.size(); ++line) {
        const auto cells = split_cells(text.lines[line - 1], ',');
        if (parse_number(cells[0], '.', value)) break;
        if (lower_text(cells[0]) == "numberpoints" && cells.size() > 1) {
          parse_number(cells[1], '.', points);
        }
        if (cells.size() > 1) add_setting(table.settings, cells[0], cells[1]);
      }
      if (line > text.lines.size()) no_data(text, fmt::format("no rows of \"{}\"", name));
      if (!parse_lab_unit(unit) || unit.empty()) {
        throw DataError(fmt::format("{}: unknown unit \"{}\" of \"{}\"; mend the line",
                                    text.at(head_line), shown_text(unit), shown_text(name)));
      }
      std::size_t end = line;
      while (end <= text.lines.size() &&
             parse_number(split_cells(text.lines[end - 1], ',')[0], '.', value)) {
        ++end;
      }
      const auto rows = static_cast<double>(end - line);
      if (points > 0 && rows != points) {
        throw DataError(
            fmt::format("{}: {} rows of \"{}\", NumberPoints says {} (was the file cut "
                        "off?); export it again",
                        text.at(end - 1), rows, shown_text(name), points));
      }
      TableLayout layout;
      layout.first_line = line;
      layout.end_line = end;
      layout.columns.push_back(named_column("frequency", "Hz"));
      layout.columns.push_back(named_column(name, unit));
      layout.columns[1].settings = trace_settings[name];
      layout.cell_of = {1, 0};
      LabTable part;
      read_rows(text, std::move(layout), part);
      if (!any) {
        table.columns = std::move(part.columns);
        table.lines = std::move(part.lines);
        any = true;
      } else if (part.columns[0].values == table.columns[0].values) {
        table.columns.push_back(std::move(part.columns[1]));
      } else {
        table.warnings.push_back(fmt::format("\"{}\" has another frequency axis: left out", name));
      }
      line = end;
      continue;
    }
    const auto cells = split_cells(body, ',');
    if (cells.size() > 1 && !cells[0].empty()) {
      if (section == "[parameters]" || section == "[global parameters]") {
        add_setting(table.settings, cells[0], cells[1], cells.size() > 2 ? cells[2] : "");
      } else if (section == "[trace parameters]") {
        const std::string key = lower_text(cells[0]);
        if (key == "selected") selected = cells[1] == "true";
        if (selected && key == "function") trace_settings[trace_name]["trace type"] = cells[1];
        if (selected && key == "detection") trace_settings[trace_name]["detector"] = cells[1];
      } else if (section == "[results]") {
        add_setting(table.settings, cells[0], cells[1], cells.size() > 2 ? cells[2] : "");
      }
    }
    ++line;
  }
  if (!any) no_data(text, "no section [Trace] with rows");
}

// Oscilloscopes. Older ones (TDS, TPS) write settings into the first cells of the rows; newer ones
// (MSO, DPO, MDO) above a header "TIME,CH1,…".
void read_tektronix_scope(const LabText& text, LabTable& table) {
  const auto first = split_cells(text.lines[0], ',');
  double value = 0;
  const bool beside =
      first.size() >= 5 && parse_number(first[3], '.', value) && parse_number(first[4], '.', value);
  std::vector<std::string> vertical, sources;
  std::string horizontal = "s";
  const auto note = [&](const Cells& cells) {
    const std::string key = lower_text(cells[0]);
    if (cells.size() < 2 || key.empty()) return;
    if (key == "vertical units") vertical = {std::string(cells[1])};
    if (key == "horizontal units") horizontal = cells[1];
    if (key == "source") sources = {std::string(cells[1])};
    add_setting(table.settings, cells[0], cells[1]);
  };
  TableLayout layout;
  if (beside) {
    for (const auto& line : text.lines) {
      const auto cells = split_cells(line, ',');
      if (cells[0].empty()) break;
      note(cells);
    }
    layout.first_line = 1;
    layout.cell_of = {3, 4};
    layout.columns.push_back(named_column("time", horizontal));
    layout.columns.push_back(
        named_column(sources.empty() ? "CH1" : sources[0], vertical.empty() ? "" : vertical[0]));
  } else {
    std::size_t header = 0;
    for (std::size_t line = 1; line <= text.lines.size() && header == 0; ++line) {
      const auto cells = split_cells(text.lines[line - 1], ',');
      if (lower_text(cells[0]) == "time") {
        header = line;
        break;
      }
      note(cells);
      if (lower_text(cells[0]) == "vertical units") vertical = values_of(cells);
    }
    if (header == 0) no_data(text, "no header \"TIME,…\"");
    const auto names = split_cells(text.lines[header - 1], ',');
    layout.first_line = header + 1;
    std::string unit = horizontal;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i > 0 && names[i].empty()) continue;
      // Units stand above their columns. A "CH1 Peak Detect" column follows CH1 in envelope mode,
      // and has its unit; so has a channel without one.
      if (i == 1) unit.clear();
      if (i > 0 && i <= vertical.size() && !vertical[i - 1].empty()) unit = vertical[i - 1];
      LabColumn column = named_column(i == 0 ? "time" : names[i], unit);
      column.position = static_cast<int>(i) + 1;
      column.header_line = static_cast<int>(header);
      layout.columns.push_back(std::move(column));
      layout.cell_of.push_back(i);
    }
  }
  for (auto& column : layout.columns) {
    if (!parse_lab_unit(column.unit)) {
      throw DataError(fmt::format("{}: unknown unit \"{}\" of {}; mend \"Vertical Units\"",
                                  text.at(1), shown_text(column.unit), column.name));
    }
  }
  read_rows(text, std::move(layout), table);
  if (table.columns.size() > 1 && table.columns[1].unit.empty()) {
    table.warnings.push_back("no \"Vertical Units\" in the file: pass --unit CH1=V");
  }
}

// ---- LeCroy ----

// "LECROY…,…,Waveform"; "Segments,n,SegmentSize,m"; one line a segment; "Time,Ampl"; rows.
void read_lecroy(const LabText& text, LabTable& table, char delimiter) {
  const auto first = split_cells(text.lines[0], delimiter);
  table.settings["instrument"] = first[0];
  std::size_t header = 0;
  double segments = 1, size = 0;
  for (std::size_t line = 2; line <= text.lines.size(); ++line) {
    const auto cells = split_cells(text.lines[line - 1], delimiter);
    const std::string key = lower_text(cells[0]);
    if (key == "segments" && cells.size() >= 4) {
      if (!parse_number(cells[1], '.', segments) || !parse_number(cells[3], '.', size)) {
        throw DataError(
            fmt::format("{}: \"{}\" has no numbers of segments and samples; export the "
                        "file again",
                        text.at(line), shown_text(text.lines[line - 1])));
      }
    }
    if (key.starts_with("#1") && cells.size() > 1) table.settings["trigger time"] = cells[1];
    if (key == "time") {
      header = line;
      break;
    }
  }
  if (header == 0) no_data(text, "no header \"Time,Ampl\"");
  if (segments > 1) {
    table.warnings.push_back(fmt::format("{} segments follow each other in the columns", segments));
  }
  if (size > 0) table.settings["points"] = fmt::format("{}", segments * size);
  const auto names = split_cells(text.lines[header - 1], delimiter);
  TableLayout layout;
  layout.first_line = header + 1;
  layout.delimiter = delimiter;
  if (delimiter == ';') layout.decimal = ',';
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool time = lower_text(names[i]) == "time";
    LabColumn column =
        named_column(time ? "time" : names[i], time                             ? "s"
                                               : lower_text(names[i]) == "ampl" ? "V"
                                                                                : "");
    column.position = static_cast<int>(i) + 1;
    column.header_line = static_cast<int>(header);
    layout.columns.push_back(std::move(column));
  }
  read_rows(text, std::move(layout), table);
  table.warnings.push_back("the format does not write the unit of \"Ampl\": V is taken");
}

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.starts_with(word); });
}

bool has_line(const LabText& text, std::size_t within, std::string_view start) {
  const std::size_t last = std::min(within, text.lines.size());
  for (std::size_t i = 0; i < last; ++i) {
    if (lower_text(without_hash(text.lines[i])).starts_with(start)) return true;
  }
  return false;
}

// Siglent oscilloscopes: settings with a channel before the value ("Vertical Units,CH1:V"),
// "Source, CH1", "Second,Volt".
bool read_siglent_scope(const LabText& text, LabTable& table) {
  if (!has_line(text, 12, "record length,analog:") && !has_line(text, 30, "vertical units,ch")) {
    return false;
  }
  std::size_t header = 0;
  for (std::size_t line = 1; line <= text.lines.size(); ++line) {
    const auto cells = split_cells(text.lines[line - 1], ',');
    if (lower_text(cells[0]) == "second" || lower_text(cells[0]) == "time") {
      header = line;
      break;
    }
    if (cells.size() < 2) continue;
    std::string_view value = cells[1];
    if (const std::size_t colon = value.find(':'); colon != std::string_view::npos) {
      value = value.substr(colon + 1);
    }
    add_setting(table.settings, cells[0], value);
  }
  if (header == 0) no_data(text, "no header \"Second,Volt\"");
  const auto names = split_cells(text.lines[header - 1], ',');
  Cells sources;
  if (header > 1) {
    const auto above = split_cells(text.lines[header - 2], ',');
    if (lower_text(above[0]) == "source") sources = above;
  }
  std::string unit = "V";
  if (const auto at = table.settings.find("Vertical Units"); at != table.settings.end()) {
    unit = at->second;
  }
  TableLayout layout;
  layout.first_line = header + 1;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0 && names[i].empty()) continue;
    const bool named_unit = i > 0 && parse_lab_unit(names[i]) && !names[i].empty();
    LabColumn column =
        i == 0 ? named_column("time", "s")
               : named_column(i < sources.size() && !sources[i].empty() ? std::string(sources[i])
                                                                        : fmt::format("CH{}", i),
                              named_unit ? std::string(names[i]) : unit);
    column.position = static_cast<int>(i) + 1;
    column.header_line = static_cast<int>(header);
    layout.columns.push_back(std::move(column));
    layout.cell_of.push_back(i);
  }
  read_rows(text, std::move(layout), table);
  return true;
}

// Returns the vendor; empty for none.
std::string read_vendor(const LabText& text, LabTable& table) {
  if (text.lines.empty()) return {};
  const std::string_view first = trimmed_text(text.lines[0]);
  const std::string lower = lower_text(first);
  const std::string second = text.lines.size() > 1 ? lower_text(trimmed_text(text.lines[1])) : "";
  if (has_line(text, 80, "machine module,") && has_line(text, 200, "trace name,")) {
    read_siglent_analyser(text, table);
    return "siglent";
  }
  if (read_siglent_scope(text, table)) return "siglent";
  if ((lower == "trace" || lower == "alltrace") && has_line(text, 60, "number of points,")) {
    read_keysight_x(text, table);
    return "keysight";
  }
  if (lower.starts_with("file:") && second.starts_with("system parameter")) {
    read_keysight_handheld(text, table);
    return "keysight";
  }
  if (has_line(text, 4, "title:") && has_line(text, 6, "model:")) {
    read_keysight_esa(text, table);
    return "keysight";
  }
  if (starts_with_any(lower, {"! filetype csv", "!filetype csv", "!csv "})) {
    read_keysight_begin(text, table);
    return "keysight";
  }
  if (lower.starts_with("x-axis,")) {
    read_named_scope(text, 1, "CH", table);
    return "keysight";
  }
  if (lower.starts_with("type;") && second.starts_with("version;")) {
    read_rohde_schwarz(text, table);
    return "rohde-schwarz";
  }
  if (lower.starts_with("in s,") || lower.starts_with("time in s,")) {
    LabReadOptions none;
    std::string header(first);
    // "in s,CH1 in V": the time has no name.
    LabText named = text;
    if (lower.starts_with("in s,")) {
      header = "time [s]" + header.substr(4);
      named.lines[0] = header;
    }
    read_own_csv(named, none, table);
    if (!table.columns.empty() && lower_text(table.columns[0].name) == "time") {
      table.columns[0].name = "time";
    }
    return "rohde-schwarz";
  }
  if (has_line(text, 10, "[global parameters]")) {
    read_tektronix_spectrum(text, table);
    return "tektronix";
  }
  if (starts_with_any(lower, {"record length,"}) ||
      (lower.starts_with("model,") && has_line(text, 40, "waveform type,")) ||
      (lower.starts_with("model,") && has_line(text, 60, "horizontal units,"))) {
    read_tektronix_scope(text, table);
    return "tektronix";
  }
  if (lower.starts_with("lecroy")) {
    read_lecroy(
        text, table,
        first.find(';') != std::string_view::npos && first.find(',') == std::string_view::npos ? ';'
        : first.find(',') != std::string_view::npos                                            ? ','
                                                    : '\t');
    return "lecroy";
  }
  return {};
}

}  // namespace

bool read_instrument_csv(const LabText& text, LabTable& table) {
  const std::string vendor = read_vendor(text, table);
  if (vendor.empty()) return false;
  table.format = vendor;
  drop_placeholder_traces(table);
  if (table.columns.size() < 2) {
    throw DataError(
        fmt::format("{}: every trace is empty; export the file with a trace switched on",
                    text.at(table.lines.front())));
  }
  check_points(table);
  warn_about_traces(table);
  return true;
}

}  // namespace attojoule::data
