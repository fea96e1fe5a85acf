// attojoule calibrate loss: propagation loss of waveguides by cut-back.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <regex>

#include "calibration/propagation_loss.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  std::string length, transmission, channel, wavelength, sigma;
  std::string window = "10 nm";
  std::string repeatability, length_scale, path_length;
  std::vector<std::string> lengths, exclude;
};

bool has_dimension(const data::LabColumn& column, const char* unit) {
  const auto have = data::parse_lab_unit(column.unit);
  const auto want = data::parse_lab_unit(unit);
  return have && want && data::same_dimension(*have, *want);
}

// In dB of optical power: levels as they are, powers and ratios through 10 log10.
std::vector<double> decibels(const data::LabTable& table, const data::LabColumn& column,
                             std::string& unit) {
  const auto have = data::parse_lab_unit(column.unit);
  if (have && have->is_level()) {
    const bool absolute = has_dimension(column, "dBm");
    unit = absolute ? "dBm" : "dB";
    return data::column_in(table, column.name, unit);
  }
  if (has_dimension(column, "W")) {
    unit = "dBm";
    return data::column_in(table, column.name, "dBm");
  }
  if (column.unit == "%" || has_dimension(column, "1")) {
    unit = "dB";
    std::vector<double> values = column.values;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!(values[i] > 0)) {
        throw DataError(
            fmt::format("{}: transmission {:g} (its logarithm is needed). Remove the row.",
                        place_of_row(table, i), values[i]));
      }
      values[i] = 10 * std::log10(values[i] * (column.unit == "%" ? 0.01 : 1));
    }
    return values;
  }
  throw DataError(fmt::format(
      "{}: column \"{}\" is in {} (a transmission is in dB, dBm, W or a ratio). Name another one "
      "with --transmission.",
      table.file.string(), column.name, column.unit.empty() ? "no unit" : column.unit));
}

// The length of a guide whose sweep is a file of its own: the file's settings, else its name.
double length_of_file(const data::LabTable& table) {
  for (const char* name : {"length", "waveguide length", "guide length", "L"}) {
    if (const auto value = data::setting_in(table, name, "cm")) return *value;
  }
  const std::string name = table.file.stem().string();
  // ..._8612u, 3.5mm, 12000um; the last one in the name, so that a width before it does not count.
  const std::regex pattern(R"((\d+(?:\.\d+)?)\s*(um|u|µm|mm|cm)(?![A-Za-z0-9]))");
  std::smatch found;
  std::string rest = name;
  double length = -1;
  while (std::regex_search(rest, found, pattern)) {
    const std::string unit = found[2];
    const double factor = unit == "mm" ? 0.1 : unit == "cm" ? 1 : 1e-4;
    length = std::stod(found[1]) * factor;
    rest = found.suffix();
  }
  if (length < 0) {
    throw DataError(
        fmt::format("{}: the guide's length is neither in the file (\"# length: 8.6 mm\") nor in "
                    "its name. Pass "
                    "--length-of {}=8.6mm.",
                    table.file.string(), table.file.filename().string()));
  }
  return length;
}

struct Sweep {
  double length_cm;
  std::string place;
  std::vector<double> wavelength_nm, level;
};

double mean_in(const Sweep& sweep, double from, double to, std::size_t& count) {
  double sum = 0;
  count = 0;
  for (std::size_t i = 0; i < sweep.level.size(); ++i) {
    if (sweep.wavelength_nm[i] < from || sweep.wavelength_nm[i] > to) continue;
    sum += sweep.level[i];
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : std::nan("");
}

void read_sweeps(const Options& options, const std::vector<data::LabTable>& tables,
                 calibration::CutbackData& data, std::map<std::string, std::string>& settings) {
  std::vector<Sweep> sweeps;
  std::map<std::string, std::string> given;
  for (const auto& text : options.lengths) {
    const auto equals = text.rfind('=');
    if (equals == std::string::npos) {
      throw ConfigError(
          fmt::format("--length-of {}: no length. Write --length-of FILE=8.6mm.", text));
    }
    given[text.substr(0, equals)] = text.substr(equals + 1);
  }
  // One channel for all files: the brightest of the first one, unless it is named.
  std::string channel = options.channel.empty() ? options.transmission : options.channel;
  for (const auto& table : tables) {
    const ColumnWish wave{
        "wavelength", "--wavelength-column", "", {"wavelength", "lambda", "wl"}, "nm"};
    const std::string wavelength = require_column(table, wave);
    if (channel.empty()) {
      double best = -1e300;
      for (const auto& column : table.columns) {
        if (column.name == wavelength) continue;
        std::vector<double> sorted = column.values;
        std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
        if (sorted[sorted.size() / 2] > best) {
          best = sorted[sorted.size() / 2];
          channel = column.name;
        }
      }
    }
    const auto& column = table.column(channel);
    Sweep sweep;
    sweep.place = table.file.filename().string();
    const auto found = given.find(sweep.place);
    sweep.length_cm = found != given.end() ? option_quantity("--length-of", found->second, "cm")
                                           : length_of_file(table);
    sweep.wavelength_nm = data::column_in(table, wavelength, "nm");
    sweep.level = decibels(table, column, data.transmission_unit);
    sweeps.push_back(sweep);
  }
  std::stable_sort(sweeps.begin(), sweeps.end(),
                   [](const Sweep& a, const Sweep& b) { return a.length_cm < b.length_cm; });
  const double window = option_quantity("--window", options.window, "nm");
  double centre = 0;
  if (!options.wavelength.empty()) {
    centre = option_quantity("--wavelength", options.wavelength, "nm");
  } else {
    // Where the shortest guide transmits most: the middle of the couplers' band.
    double best = -1e300;
    const Sweep& first = sweeps.front();
    for (const double at : first.wavelength_nm) {
      std::size_t count = 0;
      const double level = mean_in(first, at - window / 2, at + window / 2, count);
      if (level > best && at - window / 2 >= first.wavelength_nm.front() - 1e-9 &&
          at + window / 2 <= first.wavelength_nm.back() + 1e-9) {
        best = level;
        centre = at;
      }
    }
  }
  for (const Sweep& sweep : sweeps) {
    std::size_t count = 0;
    const double level = mean_in(sweep, centre - window / 2, centre + window / 2, count);
    if (count == 0) {
      throw DataError(fmt::format(
          "{}: no point within {:g} nm of {:g} nm (the transmission is averaged there). Choose "
          "another --wavelength or --window.",
          sweep.place, window / 2, centre));
    }
    data.length_cm.push_back(sweep.length_cm);
    data.transmission_db.push_back(level);
    data.places.push_back(sweep.place);
  }
  settings["channel"] = channel;
  settings["wavelength"] = fmt::format("{:.6g} nm +- {:g} nm", centre, window / 2);
}

void read_rows(const Options& options, const data::LabTable& table,
               calibration::CutbackData& data) {
  const ColumnWish length{"length",
                          "--length",
                          options.length,
                          {"length", "L", "waveguide length", "guide length", "z", "distance"},
                          "cm"};
  const std::string length_column = require_column(table, length);
  data.length_cm = values_of(table, length_column, length);
  const data::LabColumn* found = nullptr;
  bool is_loss = false;
  const auto plain_lower = [](std::string text) {
    for (char& c : text) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      if (c == '_' || c == '-') c = ' ';
    }
    return text;
  };
  if (!options.transmission.empty()) {
    found = table.find(
        find_column(table, {"transmission", "--transmission", options.transmission, {}, "dB"}));
  }
  if (found == nullptr) {
    for (const char* name :
         {"transmission", "T", "power", "P", "output power", "P out", "P_out", "insertion loss",
          "loss", "IL", "attenuation", "total loss", "level"}) {
      for (const auto& column : table.columns) {
        if (found == nullptr && column.name != length_column &&
            plain_lower(column.name) == plain_lower(name)) {
          found = &column;
        }
      }
    }
  }
  const ColumnWish sigma{"standard deviation",
                         "--sigma",
                         options.sigma,
                         {"sigma", "u", "std", "uncertainty", "err", "error"},
                         "dB"};
  if (found == nullptr) {
    std::vector<std::string> levels;
    for (const auto& column : table.columns) {
      const auto unit = data::parse_lab_unit(column.unit);
      const bool is_scatter = std::find(sigma.names.begin(), sigma.names.end(),
                                        plain_lower(column.name)) != sigma.names.end();
      if (column.name != length_column && column.name != options.sigma && !is_scatter && unit &&
          (unit->is_level() || has_dimension(column, "W"))) {
        levels.push_back(column.name);
      }
    }
    if (levels.size() > 1) {
      throw DataError(fmt::format(
          "{}: {} could each be the transmission (two polarisations or channels have losses of "
          "their own). Name one with --transmission.",
          table.file.string(), data::joined_names(levels)));
    }
    if (!levels.empty()) found = &table.column(levels[0]);
  }
  if (found == nullptr) {
    throw DataError(fmt::format(
        "{}: no column of the transmission (in dB, dBm or W). Name it with --transmission NAME, or "
        "head it \"transmission [dB]\".",
        table.file.string()));
  }
  data.transmission_db = decibels(table, *found, data.transmission_unit);
  const std::string name = plain_lower(found->name);
  is_loss = name.find("loss") != std::string::npos || name == "il" ||
            name.find("attenuation") != std::string::npos;
  // A loss counts up where a transmission counts down. Some write losses as negative dB: then they
  // are transmissions.
  double mean = 0;
  for (const double t : data.transmission_db) mean += t;
  if (is_loss && mean > 0) {
    for (double& t : data.transmission_db) t = -t;
  }
  const std::vector<std::string> taken{length_column, found->name};
  for (const auto& candidate : table.columns) {
    // Only by name: another column in dB is another channel.
    for (const auto& usual : sigma.names) {
      if (plain_lower(candidate.name) == usual && candidate.name != found->name) {
        data.sigma_db = data::column_in(table, candidate.name, "dB");
      }
    }
  }
  if (!options.sigma.empty()) {
    data.sigma_db = values_of(table, require_column(table, sigma, taken), sigma);
  }
  for (std::size_t i = 0; i < table.rows(); ++i) data.places.push_back(place_of_row(table, i));
}

int run(const Options& options, const Streams& streams) {
  calibration::CutbackData data;
  std::map<std::string, std::string> settings;
  std::vector<data::LabTable> tables;
  std::vector<calibration::RejectedPoint> excluded;
  for (const auto& file : options.common.files) {
    const std::string name = std::filesystem::path(file).filename().string();
    if (std::find(options.exclude.begin(), options.exclude.end(), name) != options.exclude.end()) {
      excluded.push_back({name, "--exclude"});
      continue;
    }
    tables.push_back(data::read_lab_file(file, options.common.reading.read_options()));
  }
  if (tables.empty()) throw ConfigError("loss: every file is excluded. Leave some.");
  if (tables.size() == 1) {
    read_rows(options, tables.front(), data);
  } else {
    read_sweeps(options, tables, data, settings);
  }
  if (!options.repeatability.empty()) {
    data.repeatability_db = option_quantity("--repeatability", options.repeatability, "dB");
  }
  if (!options.length_scale.empty()) {
    data.length_scale_uncertainty =
        option_quantity("--length-scale-uncertainty", options.length_scale, "1");
  }
  if (!options.path_length.empty()) {
    data.path_length_cm = option_quantity("--path-length", options.path_length, "cm");
  }
  if (options.common.scale_sigma) data.sigma_db.clear();
  if (options.common.known_sigma && data.sigma_db.empty()) {
    data.sigma_db.assign(data.length_cm.size(), data.repeatability_db);
  }
  if (!options.common.holdout.empty()) {
    throw ConfigError("loss: --holdout (a few guides have no blocks). Leave it out.");
  }
  if (const auto range = options.common.parsed_range("cm")) {
    for (std::size_t i = data.length_cm.size(); i-- > 0;) {
      if (data.length_cm[i] >= range->first && data.length_cm[i] <= range->second) continue;
      const auto at = static_cast<std::ptrdiff_t>(i);
      excluded.push_back({data.places[i], "outside --range (in cm)"});
      data.length_cm.erase(data.length_cm.begin() + at);
      data.transmission_db.erase(data.transmission_db.begin() + at);
      data.places.erase(data.places.begin() + at);
      if (!data.sigma_db.empty()) data.sigma_db.erase(data.sigma_db.begin() + at);
    }
  }
  auto result = calibration::calibrate_propagation_loss(data);
  result.rejected.insert(result.rejected.end(), excluded.begin(), excluded.end());
  result.settings.insert(settings.begin(), settings.end());
  for (const auto& table : tables) note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_loss() {
  Verb verb;
  verb.name = "loss";
  verb.summary = "Cut-back: propagation loss from guides of different length";
  verb.description =
      "T = T_0 - alpha L. One FILE with a row a guide (length, and transmission in dB, dBm or W, "
      "or\n"
      "insertion loss in dB), or one wavelength sweep a guide with the length in the file (\"#\n"
      "length: 8.6 mm\") or in its name (..._8612u.csv): averaged over --window around the\n"
      "wavelength where the shortest guide transmits most. A guide off the line rejects the "
      "model.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 5 not identifiable, 6 model rejected (--strict).";
  verb.examples = {"attojoule calibrate loss data/laboratory/cutback.csv --path-length 2cm"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    app.add_option("--length", options->length, "Column of the lengths");
    app.add_option("--transmission", options->transmission, "Column of the transmission or loss");
    app.add_option("--sigma", options->sigma, "Column of the standard deviations [dB]");
    app.add_option("--channel", options->channel,
                   "Column of the sweeps (default: the brightest of the first file)");
    app.add_option("--wavelength", options->wavelength, "Middle of the averaged window: 1310nm");
    app.add_option("--window", options->window, "Width of the averaged window (default 10 nm)");
    app.add_option("--length-of", options->lengths, "Length of a sweep's guide: FILE=8.6mm")
        ->allow_extra_args(false);
    app.add_option("--exclude", options->exclude, "Leave out a file of this name (repeatable)")
        ->allow_extra_args(false);
    app.add_option("--repeatability", options->repeatability,
                   "Standard deviation of a coupling done anew (default 0.5dB)");
    app.add_option("--length-scale-uncertainty", options->length_scale, "Type B: 0.1%");
    app.add_option("--path-length", options->path_length,
                   "Length of the device's path on the chip: gives link.propagation_loss");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
