#include "data/lab_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>

#include "data/bytes.hpp"
#include "data/lab_text.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

constexpr std::size_t largest_text = 512u << 20;

bool is_hdf5(const std::vector<std::byte>& bytes) {
  constexpr std::string_view signature = "\x89HDF\r\n\x1a\n";
  return bytes.size() >= signature.size() &&
         std::equal(signature.begin(), signature.end(), bytes.begin(), [](char a, std::byte b) {
           return static_cast<unsigned char>(a) == std::to_integer<unsigned char>(b);
         });
}

// Ports that a name like "amplifier.s2p" states; 0 for ".ts", -1 for no Touchstone name.
int ports_of_name(const std::filesystem::path& file) {
  const std::string extension = lower_text(file.extension().string());
  if (extension == ".ts") return 0;
  if (extension.size() < 4 || extension[1] != 's' || extension.back() != 'p') return -1;
  int ports = 0;
  const char* end = extension.data() + extension.size() - 1;
  const auto parsed = std::from_chars(extension.data() + 2, end, ports);
  return parsed.ec == std::errc{} && parsed.ptr == end && ports > 0 ? ports : -1;
}

bool is_descriptor(const LabText& text) {
  for (const auto& line : text.lines) {
    const std::string_view body = trimmed_text(line);
    if (body.empty() || body.front() == '#') continue;
    const auto words = split_cells(body, ' ');
    return words.size() == 2 && words[0] == "v";
  }
  return false;
}

bool is_option_line(std::string_view line) {
  const std::string body = lower_text(trimmed_text(line));
  if (body.starts_with("[version]")) return true;
  if (!body.starts_with('#')) return false;
  const auto words = split_cells(std::string_view(body).substr(1), ' ');
  // "# GHz S RI R 50": a unit and a parameter at least, and nothing else.
  if (words.size() < 2 || words.size() > 6) return false;
  return (words[0] == "hz" || words[0] == "khz" || words[0] == "mhz" || words[0] == "ghz") &&
         words[1].size() == 1 && std::string_view("syzgh").find(words[1][0]) != std::string::npos;
}

bool looks_like_touchstone(const LabText& text) {
  for (const auto& line : text.lines) {
    const std::string_view body = trimmed_text(line);
    if (body.empty() || body.front() == '!') continue;
    return is_option_line(body);
  }
  return false;
}

void apply_unit_options(const LabReadOptions& options, LabTable& table) {
  for (const std::string& assignment : options.units) {
    const std::size_t equals = assignment.rfind('=');
    if (equals == std::string::npos || equals == 0) {
      throw ConfigError(
          fmt::format("--unit: \"{}\" has no \"=\". Write for example --unit P_LO=mW.",
                      shown_text(assignment)));
    }
    const std::string name = assignment.substr(0, equals);
    const std::string unit = assignment.substr(equals + 1);
    if (!parse_lab_unit(unit)) {
      throw ConfigError(
          fmt::format("--unit: unknown unit \"{}\" in \"{}\". Write an SI unit, or "
                      "dBm, dBm/Hz, DN, e-, photon.",
                      shown_text(unit), shown_text(assignment)));
    }
    const auto column = std::find_if(table.columns.begin(), table.columns.end(),
                                     [&](const LabColumn& c) { return c.name == name; });
    // An option for another one of several files is no mistake.
    if (column == table.columns.end()) continue;
    if (!column->unit.empty() && column->unit != unit) {
      table.warnings.push_back(
          fmt::format("--unit {} replaces the unit [{}] of the file", assignment, column->unit));
    }
    column->unit = unit;
  }
}

std::vector<std::string> column_names(const LabTable& table) {
  std::vector<std::string> names;
  for (const auto& column : table.columns) names.push_back(column.name);
  return names;
}

std::string place_of_column(const LabTable& table, const LabColumn& column) {
  if (column.header_line > 0) return fmt::format("{}:{}", table.file.string(), column.header_line);
  if (!table.lines.empty()) return fmt::format("{}:{}", table.file.string(), table.lines.front());
  return table.file.string();
}

std::string numbered(const LabColumn& column) {
  return column.position > 0 ? fmt::format("column {} \"{}\"", column.position, column.name)
                             : fmt::format("\"{}\"", column.name);
}

LabUnit unit_of(const LabTable& table, const LabColumn& column, const LabUnit& wanted,
                std::string_view wanted_text) {
  const auto unit = parse_lab_unit(column.unit);
  if (!unit) {
    throw DataError(fmt::format("{}: {} has an unknown unit \"{}\"; pass --unit {}={}",
                                place_of_column(table, column), numbered(column),
                                shown_text(column.unit), column.name, example_unit(wanted)));
  }
  if (column.unit.empty() && !same_dimension(*unit, wanted)) {
    std::string example = example_unit(wanted);
    if (example.empty()) example = wanted_text;
    throw DataError(fmt::format("{}: {} has no unit; write \"{} [{}]\" or pass --unit {}={}",
                                place_of_column(table, column), numbered(column), column.name,
                                example, column.name, example));
  }
  if (!same_dimension(*unit, wanted)) {
    const auto per_hertz = parse_lab_unit("1/Hz");
    LabUnit density = wanted;
    for (std::size_t i = 0; i < density.half_powers.size(); ++i) {
      density.half_powers[i] += per_hertz->half_powers[i];
    }
    const bool is_density = same_dimension(*unit, density);
    throw DataError(fmt::format(
        "{}: {} is in [{}], where {} is needed{}; choose another column or mend its unit",
        place_of_column(table, column), numbered(column), column.unit,
        wanted_text == "1" ? std::string("a plain number") : fmt::format("[{}]", wanted_text),
        is_density ? " (a density per hertz is no power: multiply by the noise bandwidth)" : ""));
  }
  return *unit;
}

}  // namespace

const LabColumn* LabTable::find(std::string_view name) const {
  const auto at = std::find_if(columns.begin(), columns.end(),
                               [&](const LabColumn& column) { return column.name == name; });
  if (at != columns.end()) return &*at;
  // As the file writes it, where the unit was taken out of the name: "power_mW".
  for (const LabColumn& column : columns) {
    if (column.unit.empty() || name.size() != column.name.size() + 1 + column.unit.size()) continue;
    const char between = name[column.name.size()];
    if (name.starts_with(column.name) && name.ends_with(column.unit) &&
        (between == '_' || between == ' ')) {
      return &column;
    }
  }
  return nullptr;
}

const LabColumn& LabTable::column(std::string_view name) const {
  if (const LabColumn* found = find(name)) return *found;
  const auto names = column_names(*this);
  const std::string nearest = nearest_name(name, names);
  throw DataError(fmt::format("{}: no column \"{}\" (columns: {}); {}", file.string(),
                              shown_text(name), joined_names(names),
                              nearest.empty() ? "name one of them, or rename with --columns"
                                              : fmt::format("did you mean \"{}\"?", nearest)));
}

LabTable read_lab_text(std::string_view bytes, const std::filesystem::path& file,
                       const LabReadOptions& options) {
  LabTable table;
  table.file = file;
  if (bytes.size() > largest_text) {
    throw DataError(fmt::format("{}: {} MiB of text (at most {}); convert it to HDF5, or cut it",
                                file.string(), bytes.size() >> 20, largest_text >> 20));
  }
  const LabText text = decode_lab_text(bytes, file.string(), table.warnings);
  const int ports = ports_of_name(file);
  const bool touchstone = ports >= 0 || looks_like_touchstone(text);
  if (!options.group.empty() && !touchstone) {
    throw ConfigError(
        fmt::format("--group: {} is no HDF5 file. Leave the option out.", file.string()));
  }
  if (touchstone) {
    read_touchstone(text, std::max(ports, 0), options.group, table);
  } else if (is_descriptor(text)) {
    read_emva_descriptor(text, table);
  } else if (!options.columns.empty() || !read_instrument_csv(text, table)) {
    read_own_csv(text, options, table);
  }
  apply_unit_options(options, table);
  return table;
}

LabTable read_lab_file(const std::filesystem::path& file, const LabReadOptions& options) {
  const std::vector<std::byte> bytes = read_file(file);
  LabTable table;
  if (is_hdf5(bytes)) {
    table.file = file;
    read_lab_hdf5(file, options.group, table);
    apply_unit_options(options, table);
  } else {
    table = read_lab_text(
        std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), file, options);
  }
  table.sha256 = sha256_of_file(file);
  return table;
}

std::vector<double> column_in(const LabTable& table, std::string_view name, std::string_view unit) {
  const LabColumn& column = table.column(name);
  const auto wanted = parse_lab_unit(unit);
  if (!wanted) throw std::logic_error(fmt::format("column_in: no unit \"{}\"", unit));
  const LabUnit have = unit_of(table, column, *wanted, unit);
  std::vector<double> values;
  values.reserve(column.values.size());
  for (std::size_t i = 0; i < column.values.size(); ++i) {
    const double value = convert(column.values[i], have, *wanted);
    if (!std::isfinite(value)) {
      throw DataError(
          fmt::format("{}: {} = {} {} cannot be expressed in [{}]; correct or delete "
                      "the row",
                      place_of_row(table, i), column.name, column.values[i], column.unit, unit));
    }
    values.push_back(value);
  }
  return values;
}

std::vector<double> power_in_watt(const LabTable& table, std::string_view name,
                                  double impedance_ohm) {
  const LabColumn& column = table.column(name);
  const auto unit = parse_lab_unit(column.unit);
  const auto volt = parse_lab_unit("V");
  if (!unit || !same_dimension(*unit, *volt) || column.unit.empty()) {
    return column_in(table, name, "W");
  }
  const double resistance = setting_in(table, "impedance", "ohm").value_or(impedance_ohm);
  if (!(resistance > 0)) {
    throw DataError(
        fmt::format("{}: {} is a voltage in [{}], and the input's impedance is not in "
                    "the file; pass --impedance 50ohm",
                    place_of_column(table, column), numbered(column), column.unit));
  }
  std::vector<double> values = column_in(table, name, "V");
  for (double& value : values) value *= value / resistance;
  return values;
}

std::optional<double> setting_in(const LabTable& table, const std::string& name,
                                 std::string_view unit) {
  const auto at = table.settings.find(name);
  if (at == table.settings.end()) return std::nullopt;
  const auto wanted = parse_lab_unit(unit);
  if (!wanted) throw std::logic_error(fmt::format("setting_in: no unit \"{}\"", unit));
  std::string_view text = at->second;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto rest = trimmed_text(text.substr(static_cast<std::size_t>(parsed.ptr - text.data())));
  const auto have = parse_lab_unit(rest);
  if (parsed.ec != std::errc{} || !std::isfinite(value) || !have ||
      !same_dimension(*have, *wanted)) {
    throw DataError(
        fmt::format("{}: setting \"{}\" is \"{}\", where a number in [{}] is needed; "
                    "mend the file, or give the value as an option",
                    table.file.string(), name, shown_text(at->second), unit));
  }
  return convert(value, *have, *wanted);
}

std::string place_of_row(const LabTable& table, std::size_t row) {
  if (row < table.lines.size()) {
    return fmt::format("{}:{}", table.file.string(), table.lines[row]);
  }
  return fmt::format("{}: row {}", table.file.string(), row + 1);
}

std::string lab_csv_text(const LabTable& table) {
  std::string text;
  if (!table.file.empty()) {  // a table that came from nowhere has no source
    text = fmt::format("# converted from: {} ({})\n# sha256 of the source: {}\n",
                       table.file.filename().string(), table.format, table.sha256);
  }
  const auto one_line = [](std::string value) {
    for (char& c : value) c = c == '\n' || c == '\r' ? ' ' : c;
    return value;
  };
  for (const auto& [name, value] : table.settings) {
    text += fmt::format("# {}: {}\n", one_line(name), one_line(value));
  }
  for (const auto& column : table.columns) {
    for (const auto& [name, value] : column.settings) {
      text += fmt::format("# {} of {}: {}\n", name, one_line(column.name), one_line(value));
    }
  }
  for (const auto& warning : table.warnings) text += fmt::format("# {}\n", one_line(warning));
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto& column = table.columns[i];
    const std::string cell =
        column.unit.empty() ? column.name : fmt::format("{} [{}]", column.name, column.unit);
    text += (i > 0 ? "," : "") + (cell.find(',') == std::string::npos ? cell : "\"" + cell + "\"");
  }
  text += '\n';
  for (std::size_t row = 0; row < table.rows(); ++row) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      text += fmt::format("{}{}", i > 0 ? "," : "", table.columns[i].values[row]);
    }
    text += '\n';
  }
  return text;
}

void write_lab_csv(const LabTable& table, const std::filesystem::path& file) {
  const std::string text = lab_csv_text(table);
  std::filesystem::path temporary = file;
  temporary += ".part";
  {
    std::ofstream stream(temporary, std::ios::binary);
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
    stream.flush();
    if (!stream) {
      std::error_code ignored;
      std::filesystem::remove(temporary, ignored);
      throw RunError(
          fmt::format("{}: cannot be written (folder missing, or disk full). Give "
                      "another --out.",
                      file.string()));
    }
  }
  std::error_code problem;
  std::filesystem::rename(temporary, file, problem);
  if (problem) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw RunError(fmt::format("{}: cannot be replaced ({}). Give another --out.", file.string(),
                               problem.message()));
  }
}

}  // namespace attojoule::data
