#include "tools/calibrate/fit_kind.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include "calibration/report.hpp"
#include "data/device_calibration.hpp"
#include "data/device_file.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

using calibration::CalibrationResult;
using calibration::Estimate;

// Names are the same whatever the writer does with case, blanks, underscores, dashes and dots.
std::string plain(const std::string& name) {
  std::string result;
  for (const char c : name) {
    if (c == ' ' || c == '_' || c == '-' || c == '.') continue;
    result += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return result;
}

bool fits(const data::LabColumn& column, const std::string& unit) {
  const auto have = data::parse_lab_unit(column.unit);
  const auto want = data::parse_lab_unit(unit);
  return have && want && data::same_dimension(*have, *want);
}

// A running number or a time of the rows.
bool counts_rows(const data::LabColumn& column) {
  const std::string name = plain(column.name);
  bool counts = has_dimension(column, "s");
  for (const char* usual : {"sample", "samples", "index", "n", "#", "no", "row", "point", "mjd",
                            "time", "t", "epoch"}) {
    counts = counts || name == usual;
  }
  for (std::size_t i = 1; counts && i < column.values.size(); ++i) {
    counts = column.values[i] > column.values[i - 1];
  }
  return counts;
}

std::string columns_of(const data::LabTable& table) {
  std::string text;
  for (const auto& column : table.columns) {
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", column.name,
                        column.unit.empty() ? "" : " [" + column.unit + "]");
  }
  return text;
}

std::vector<std::vector<std::string>> rows_of(const std::vector<Estimate>& estimates) {
  std::vector<std::vector<std::string>> rows;
  for (const Estimate& e : estimates) {
    const auto text = [](double v, int digits) {
      return std::isfinite(v) ? significant(v, digits) : std::string("-");
    };
    rows.push_back({e.name, text(e.value, 6), text(e.u_a, 2), text(e.u_b, 2),
                    text(e.interval_low, 5), text(e.interval_high, 5), e.unit});
  }
  return rows;
}

std::string text_of(const calibration::ResultTable& table) {
  std::vector<std::string> head;
  for (const auto& column : table.columns) {
    head.push_back(column.unit == "1" ? column.name
                                      : fmt::format("{} [{}]", column.name, column.unit));
  }
  std::vector<std::vector<std::string>> rows(table.rows());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const auto& column : table.columns) {
      rows[i].push_back(!column.texts.empty()             ? column.texts[i]
                        : std::isfinite(column.values[i]) ? significant(column.values[i], 5)
                                                          : "-");
    }
  }
  return format_table(head, rows);
}

}  // namespace

std::vector<Verb> calibrate_fit_kinds() {
  return {calibrate_ptc(),
          calibrate_shot_noise_kind(),
          calibrate_responsivity_kind(),
          calibrate_cmrr(),
          calibrate_visibility(),
          calibrate_mzm(),
          calibrate_ring(),
          calibrate_loss(),
          calibrate_li(),
          calibrate_rin(),
          calibrate_linewidth_kind(),
          calibrate_joint_kind()};
}

void FitKindOptions::define_files(CLI::App& app) {
  app.add_option("files", files, "Measurement files")->required();
  reading.define(app);
  define_output(app);
}

void FitKindOptions::define_range(CLI::App& app) {
  app.add_option("--range", range,
                 "Use only this range of the abscissa: lo:hi in its unit, or 1MHz:20MHz");
}

void FitKindOptions::define(CLI::App& app) {
  app.add_option("files", files, "Measurement files")->required();
  reading.define(app);
  define_range(app);
  app.add_option("--holdout", holdout, "Predict contiguous blocks from the others: block:K");
  auto* known = app.add_flag("--known-sigma", known_sigma,
                             "The standard deviations are known: no scaling by chi2/dof");
  auto* scale = app.add_flag("--scale-sigma", scale_sigma,
                             "Only ratios of the standard deviations are known: scale by chi2/dof");
  known->excludes(scale);
  define_output(app);
}

void FitKindOptions::define_output(CLI::App& app) {
  app.add_option("--out", out,
                 "Directory for result.json, device.yaml, residuals.csv, report.html, cal.h5");
  app.add_option("--device", device,
                 "Preset or device.yaml that device.yaml starts from (default ideal-shot-noise)");
  app.add_flag("--strict", strict, "Exit code 6 where the model is rejected");
  app.add_flag("--json", json, "result.json on the standard output");
}

std::optional<std::pair<double, double>> quantity_range(const std::string& option,
                                                        const std::string& text,
                                                        const std::string& unit) {
  if (text.empty()) return std::nullopt;
  const auto colon = text.find(':');
  std::pair<double, double> result{-std::numeric_limits<double>::infinity(),
                                   std::numeric_limits<double>::infinity()};
  const auto number = [&](std::string part, double& target) {
    part.erase(0, part.find_first_not_of(' '));
    if (part.empty()) return true;
    char* end = nullptr;
    target = std::strtod(part.c_str(), &end);
    std::string have(end);
    have.erase(0, have.find_first_not_of(' '));
    if (end == part.c_str() || !std::isfinite(target)) return false;
    if (have.empty()) return true;
    const auto from = data::parse_lab_unit(have), to = data::parse_lab_unit(unit);
    if (unit.empty() || !from || !to || !data::same_dimension(*from, *to)) return false;
    target = data::convert(target, *from, *to);
    return true;
  };
  if (colon == std::string::npos || !number(text.substr(0, colon), result.first) ||
      !number(text.substr(colon + 1), result.second) || !(result.first < result.second)) {
    throw ConfigError(fmt::format(
        "{} {}: no range in {} (two numbers or quantities, the first smaller). Write lo:hi, lo: or "
        ":hi.",
        option, data::shown_text(text), unit.empty() || unit == "1" ? "plain numbers" : unit));
  }
  return result;
}

std::optional<std::pair<double, double>> FitKindOptions::parsed_range(
    const std::string& unit) const {
  return quantity_range("--range", range, unit);
}

std::string only_column(const data::LabTable& table, const std::string& given,
                        const std::vector<std::string>& others) {
  if (!given.empty()) return table.column(given).name;
  std::vector<std::string> names, readings;
  for (const auto& column : table.columns) {
    if (std::find(others.begin(), others.end(), column.name) != others.end()) continue;
    names.push_back(column.name);
    if (!counts_rows(column)) readings.push_back(column.name);
  }
  if (names.size() == 1) return names[0];
  if (readings.size() == 1) return readings[0];
  throw ConfigError(fmt::format("--column: {} has {} columns that it could be. Name one of {}.",
                                table.file.string(), names.size(), data::joined_names(names)));
}

std::string column_or_usual(const data::LabTable& table, const std::string& name,
                            const std::vector<std::string>& usual) {
  if (table.find(name) != nullptr) return name;
  std::vector<std::string> found;
  for (const auto& column : table.columns) {
    if (plain(column.name) == plain(name)) return column.name;
    for (const auto& one : usual) {
      if (plain(column.name) == plain(one)) found.push_back(column.name);
    }
  }
  return found.size() == 1 ? found[0] : name;
}

bool has_dimension(const data::LabColumn& column, const std::string& unit) {
  return !column.unit.empty() && fits(column, unit);
}

std::string python_table(const std::string& file, const std::string& names) {
  return fmt::format(
      "import pathlib\nimport numpy as np\nfile = pathlib.Path(__file__).with_name('{}')\n{} = "
      "np.loadtxt(file, delimiter=',', skiprows=1, unpack=True, ndmin=2)\n",
      file, names);
}

std::size_t FitKindOptions::holdout_blocks() const {
  if (holdout.empty()) return 0;
  char* end = nullptr;
  const bool block = holdout.rfind("block:", 0) == 0;
  const long count = block ? std::strtol(holdout.c_str() + 6, &end, 10) : 0;
  if (!block || *end != '\0' || count < 2 || count > 1000) {
    throw ConfigError(fmt::format(
        "--holdout {}: unknown (points are held out in contiguous blocks). Write block:5.",
        holdout));
  }
  return static_cast<std::size_t>(count);
}

std::string find_column(const data::LabTable& table, const ColumnWish& wish,
                        const std::vector<std::string>& taken) {
  const auto free = [&](const data::LabColumn& column) {
    return std::find(taken.begin(), taken.end(), column.name) == taken.end();
  };
  if (!wish.given.empty()) {
    for (const auto& column : table.columns) {
      if (column.name == wish.given) return column.name;
    }
    if (const auto* column = table.find(wish.given)) return column->name;
    for (const auto& column : table.columns) {
      if (plain(column.name) == plain(wish.given)) return column.name;
    }
    throw DataError(fmt::format("{}: no column is called '{}' ({} {}). There are: {}.",
                                table.file.string(), wish.given, wish.option, wish.given,
                                columns_of(table)));
  }
  for (const std::string& name : wish.names) {
    for (const auto& column : table.columns) {
      if (free(column) && plain(column.name) == plain(name) &&
          (column.unit.empty() || fits(column, wish.unit))) {
        return column.name;
      }
    }
  }
  std::string only;
  for (const auto& column : table.columns) {
    if (!free(column) || column.unit.empty() || !fits(column, wish.unit)) continue;
    if (!only.empty()) return "";  // two of a dimension: not for us to choose
    only = column.name;
  }
  return only;
}

std::string require_column(const data::LabTable& table, const ColumnWish& wish,
                           const std::vector<std::string>& taken) {
  const std::string found = find_column(table, wish, taken);
  if (!found.empty()) return found;
  const std::string example =
      wish.names.empty() ? wish.role : fmt::format("{} [{}]", wish.names.front(), wish.unit);
  if (table.find("column_1") != nullptr) {
    throw DataError(fmt::format(
        "{}: the file has no header (which column is the {}?). Name its {} columns with --columns "
        "\"{}, …\".",
        table.file.string(), wish.role, table.columns.size(), example));
  }
  throw DataError(
      fmt::format("{}: no column of the {} (columns: {}). Name it with {} NAME, or head it \"{}\".",
                  table.file.string(), wish.role, columns_of(table), wish.option, example));
}

std::vector<double> values_of(const data::LabTable& table, const std::string& column,
                              const ColumnWish& wish) {
  return data::column_in(table, column, wish.unit);
}

double option_quantity(const std::string& option, const std::string& text,
                       const std::string& unit) {
  const char* begin = text.c_str();
  char* end = nullptr;
  const double value = std::strtod(begin, &end);
  std::string have(end);
  have.erase(0, have.find_first_not_of(' '));
  const bool percent = have == "%" && unit == "1";
  const auto from = data::parse_lab_unit(percent ? "1" : have);
  const auto to = data::parse_lab_unit(unit);
  if (end == begin || !std::isfinite(value) || !from || !to || !data::same_dimension(*from, *to)) {
    throw ConfigError(fmt::format(
        "{} {}: no quantity in {} (a number with its unit is needed). "
        "Write for example {} {}.",
        option, text, unit == "1" ? "% or parts" : unit, option, unit == "1" ? "2%" : "1" + unit));
  }
  return data::convert(value, *from, *to) * (percent ? 0.01 : 1);
}

std::optional<double> optional_quantity(const std::string& option, const std::string& text,
                                        const std::string& unit) {
  if (text.empty()) return std::nullopt;
  return option_quantity(option, text, unit);
}

data::LabTable read_only_file(const std::string& kind, const FitKindOptions& options) {
  if (options.files.size() != 1) {
    throw ConfigError(fmt::format("{}: {} files (one measurement is fitted). Give one.", kind,
                                  options.files.size()));
  }
  return data::read_lab_file(options.files[0], options.reading.read_options());
}

void CurveOptions::define(CLI::App& app, const std::string& x_option, const std::string& x_help,
                          const std::string& y_option, const std::string& y_help) {
  app.add_option(x_option, x, x_help);
  app.add_option(y_option, y, y_help);
  app.add_option("--sigma", sigma, "Column of the standard deviations");
  app.add_option("--relative", relative,
                 "Known scatter, proportional to the model: 0.5% (or 0.02dB)");
  app.add_option("--floor", floor, "Known scatter that does not depend on it, with its unit");
}

void read_weights(const FitKindOptions& options, const CurveOptions& columns,
                  calibration::CurveData& curve) {
  if (!columns.relative.empty()) {
    // Small ratios in decibels: d(10 log10 y) = (10 / ln 10) dy / y.
    curve.relative = columns.relative.ends_with("dB")
                         ? option_quantity("--relative", columns.relative, "dB") * std::log(10) / 10
                         : option_quantity("--relative", columns.relative, "1");
  }
  if (!columns.floor.empty()) {
    curve.floor = option_quantity("--floor", columns.floor, curve.y_unit);
  }
  if (curve.relative < 0 || curve.floor < 0) {
    throw ConfigError(
        "--relative, --floor: a negative standard deviation (there is none). Give it positive.");
  }
  if (!curve.sigma.empty() && (curve.relative > 0 || curve.floor > 0)) {
    throw ConfigError(
        "--sigma beside --relative or --floor: two statements about one scatter. Keep one.");
  }
  curve.scale_sigma = options.scale_sigma;
  if (options.known_sigma && !curve.weighted()) {
    throw ConfigError(
        "--known-sigma: no standard deviations are given (nothing is known of the scatter). Pass "
        "--sigma COLUMN, or --relative and --floor.");
  }
}

namespace {

// The rows inside --range, with weights.
calibration::CurveData curve_of(const FitKindOptions& options, const CurveOptions& columns,
                                const data::LabTable& table, calibration::CurveData all,
                                std::vector<calibration::RejectedPoint>& outside) {
  calibration::CurveData curve = all;
  curve.x.clear();
  curve.y.clear();
  curve.sigma.clear();
  const auto range = options.parsed_range(table.column(all.x_name).unit);
  const auto& own_unit = table.column(all.x_name).values;  // --range is in the column's unit
  for (std::size_t i = 0; i < all.x.size(); ++i) {
    if (range && (own_unit[i] < range->first || own_unit[i] > range->second)) {
      outside.push_back({place_of_row(table, i), "outside --range"});
      continue;
    }
    curve.x.push_back(all.x[i]);
    curve.y.push_back(all.y[i]);
    if (!all.sigma.empty()) curve.sigma.push_back(all.sigma[i]);
    curve.places.push_back(place_of_row(table, i));
  }
  read_weights(options, columns, curve);
  return curve;
}

}  // namespace

calibration::CurveData read_curve(const FitKindOptions& options, const CurveOptions& columns,
                                  const data::LabTable& table, ColumnWish x, ColumnWish y,
                                  std::vector<calibration::RejectedPoint>& outside) {
  x.given = columns.x;
  y.given = columns.y;
  calibration::CurveData all;
  // What the user named is taken; it cannot be guessed for the other axis.
  std::vector<std::string> named;
  if (!y.given.empty()) named.push_back(require_column(table, y));
  all.x_name = require_column(table, x, named);
  all.y_name = require_column(table, y, {all.x_name});
  all.x_unit = x.unit;
  all.y_unit = y.unit;
  all.x = values_of(table, all.x_name, x);
  all.y = values_of(table, all.y_name, y);
  if (!columns.sigma.empty()) {
    const ColumnWish sigma{"standard deviation", "--sigma", columns.sigma, {}, y.unit};
    all.sigma = values_of(table, require_column(table, sigma), sigma);
  }
  return curve_of(options, columns, table, all, outside);
}

LinearSignal linear_signal(const data::LabTable& table, const ColumnWish& wish,
                           const std::vector<std::string>& taken) {
  LinearSignal signal;
  const auto dimension_of = [](const data::LabColumn& column) -> std::string {
    if (column.unit == "%" || column.unit == "1") return "1";
    const auto have = data::parse_lab_unit(column.unit);
    if (!have || column.unit.empty()) return "";
    for (const char* unit : {"W", "A", "V", "dB"}) {
      if (data::same_dimension(*have, *data::parse_lab_unit(unit))) {
        return unit == std::string("dB") ? "1" : unit;
      }
    }
    return "";
  };
  if (!wish.given.empty()) {
    signal.column = find_column(table, wish, taken);
  } else {
    const auto free = [&](const data::LabColumn& column) {
      return std::find(taken.begin(), taken.end(), column.name) == taken.end();
    };
    for (const auto& name : wish.names) {
      for (const auto& column : table.columns) {
        if (signal.column.empty() && free(column) && plain(column.name) == plain(name)) {
          signal.column = column.name;
        }
      }
    }
    if (signal.column.empty()) {
      std::vector<std::string> possible;
      for (const auto& column : table.columns) {
        if (free(column) && !dimension_of(column).empty()) possible.push_back(column.name);
      }
      if (possible.size() == 1) signal.column = possible[0];
    }
  }
  if (signal.column.empty()) {
    throw DataError(fmt::format(
        "{}: no column of the {} (columns: {}). Name it with {} NAME, or head it \"{} [mW]\".",
        table.file.string(), wish.role, columns_of(table), wish.option, wish.names.front()));
  }
  const auto& column = table.column(signal.column);
  if (column.unit.empty()) data::column_in(table, column.name, "W");  // says how to give a unit
  signal.unit = dimension_of(column);
  if (signal.unit.empty()) {
    throw DataError(fmt::format(
        "{}: column \"{}\" is in {} (the {} is a power, photocurrent, voltage or ratio: W, dBm, A, "
        "V, dB, %, 1). Name another one with {}.",
        table.file.string(), column.name, column.unit, wish.role, wish.option));
  }
  signal.is_ratio = signal.unit == "1";
  const auto own = data::parse_lab_unit(column.unit);
  signal.from_level = own && own->is_level();
  if (signal.is_ratio) {
    signal.values = column.values;
    for (double& v : signal.values) {
      if (column.unit == "%") v /= 100;
      if (signal.from_level) v = std::pow(10, v / 10);
    }
  } else {
    signal.values = data::column_in(table, column.name, signal.unit);
  }
  return signal;
}

calibration::CurveData read_signal_curve(const FitKindOptions& options, const CurveOptions& columns,
                                         const data::LabTable& table, const std::string& x_column,
                                         const std::string& x_unit, const LinearSignal& signal,
                                         std::vector<calibration::RejectedPoint>& outside) {
  calibration::CurveData all;
  all.x_name = x_column;
  all.y_name = signal.column;
  all.x_unit = x_unit;
  all.y_unit = signal.unit;
  all.x = data::column_in(table, x_column, x_unit);
  all.y = signal.values;
  if (!columns.sigma.empty()) {
    const ColumnWish wish{"standard deviation", "--sigma", columns.sigma, {}, "1"};
    const auto& column = table.column(require_column(table, wish));
    if (signal.from_level || column.unit == "dB") {
      // Small ratios in decibels: d(10 log10 y) = (10 / ln 10) dy / y.
      all.sigma = data::column_in(table, column.name, "dB");
      for (std::size_t i = 0; i < all.sigma.size(); ++i) {
        all.sigma[i] *= std::log(10) / 10 * std::abs(all.y[i]);
      }
    } else if (signal.is_ratio) {
      all.sigma = column.values;
      for (double& s : all.sigma) s *= column.unit == "%" ? 0.01 : 1;
    } else {
      all.sigma = data::column_in(table, column.name, signal.unit);
    }
  }
  return curve_of(options, columns, table, all, outside);
}

std::vector<std::string> split_at(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text + at) {
    if (c != at) {
      part += c;
      continue;
    }
    const auto first = part.find_first_not_of(' ');
    if (first != std::string::npos) {
      parts.push_back(part.substr(first, part.find_last_not_of(' ') - first + 1));
    }
    part.clear();
  }
  return parts;
}

std::vector<std::string> comma_separated(const std::string& text) {
  return split_at(text, ',');
}

calibration::InputFile input_of(const data::LabTable& table) {
  return {table.file.string(), table.sha256, table.format};
}

void note_table(CalibrationResult& result, const data::LabTable& table) {
  result.inputs.push_back(input_of(table));
  for (const auto& warning : table.warnings) {
    // Files of one series say the same.
    if (std::find(result.warnings.begin(), result.warnings.end(), warning) ==
        result.warnings.end()) {
      result.warnings.push_back(warning);
    }
  }
  for (const auto& [name, value] : table.settings) result.settings.emplace(name, value);
}

int finish(const FitKindOptions& options, const CalibrationResult& result, const Streams& streams) {
  std::vector<std::string> left_out;
  if (!options.out.empty()) {
    left_out = calibration::write_calibration(
        result, options.out,
        {command_line(), data::device_to_yaml(data::load_device(options.device)),
         data::load_calibration(options.device)});
  }
  if (options.json) {
    streams.out << calibration::result_json(result, left_out);
  } else {
    const std::vector<std::string> head{"parameter", "value", "u type A", "u type B",
                                        "95 % from", "to",    "unit"};
    streams.out << fmt::format("{}: {}\nmodel: {}\nmethod: {}\n\n", result.kind,
                               name_of(result.verdict), result.model, result.method);
    streams.out << format_table(head, rows_of(result.parameters));
    if (!result.figures.empty()) streams.out << "\n" << format_table(head, rows_of(result.figures));
    for (const auto& [method, estimates] : result.alternatives) {
      streams.out << "\nmethod " << method << "\n" << format_table(head, rows_of(estimates));
    }
    streams.out << fmt::format("\n{} points used, {} left out", result.points_used,
                               result.rejected.size());
    if (std::isfinite(result.chi2_reduced())) {
      streams.out << fmt::format("; chi2/dof {} ({:g} degrees of freedom)",
                                 significant(result.chi2_reduced(), 3), result.dof);
    }
    // Without a chi2 nothing was fitted.
    if (std::isfinite(result.chi2_reduced())) {
      streams.out << fmt::format("\ntype A covariance {}", result.covariance_scaled
                                                               ? "scaled by the data's own scatter"
                                                               : "from known sigmas, not scaled");
    }
    streams.out << "\n";
    if (!result.identifiability.empty()) streams.out << result.identifiability << "\n";
    for (const auto& table : result.tables) {
      if (table.in_report) streams.out << "\n" << table.name << "\n" << text_of(table);
    }
    if (result.hold_out) {
      streams.out << fmt::format("held out, {}: rms {}, {:.1f} % inside their 95 % bands\n",
                                 result.hold_out->how, significant(result.hold_out->rms, 3),
                                 100 * result.hold_out->coverage95);
    }
    for (const auto& point : calibration::grouped(result.rejected)) {
      streams.out << fmt::format("left out: {} ({})\n", point.place, point.reason);
    }
  }
  for (const auto& warning : result.warnings) streams.err << "warning: " << warning << "\n";
  for (const auto& item : left_out) {
    streams.err << "warning: device.yaml without " << item << "\n";
  }
  for (const auto& reason : result.reasons) {
    streams.err << fmt::format("attojoule: {}: {}\n", result.kind, reason);
  }
  return result.exit_code(options.strict);
}

}  // namespace attojoule::tools
