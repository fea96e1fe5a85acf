// attojoule calibrate rin: relative intensity noise of a laser.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cmath>
#include <memory>

#include "calibration/intensity_noise.hpp"
#include "calibration/noise_level.hpp"
#include "data/lab_units.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"
#include "tools/calibrate/laser_currents.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  std::string frequency, noise, dark, photocurrent, load = "50ohm", gain, gain_uncertainty;
  std::string photocurrent_uncertainty, rbw, averaging, averages, sigma;
  std::string model = "white";
  LaserCurrentOptions bias;
};

struct Density {
  std::vector<double> values;  // W/Hz, or 1/Hz where it is a RIN already
  bool is_rin = false;
};

bool same(const data::LabColumn& column, const char* unit) {
  const auto have = data::parse_lab_unit(column.unit), want = data::parse_lab_unit(unit);
  return have && want && !column.unit.empty() && data::same_dimension(*have, *want);
}

std::string averaging_of(const Options& options, const data::LabTable& table) {
  if (!options.averaging.empty()) return options.averaging;
  const auto found = table.settings.find("averaging");
  return found == table.settings.end() ? "" : found->second;
}

Density density_of(const Options& options, const data::LabTable& table, const std::string& name,
                   double load_ohm, calibration::IntensityNoiseData& data) {
  const auto& column = table.column(name);
  Density density;
  if (same(column, "dBc/Hz") || same(column, "1/Hz")) {
    density.values = data::column_in(table, name, "1/Hz");
    density.is_rin = true;
    return density;
  }
  if (same(column, "W/Hz")) {
    density.values = data::column_in(table, name, "W/Hz");
    return density;
  }
  if (same(column, "V^2/Hz")) {
    density.values = data::column_in(table, name, "V^2/Hz");
    for (double& v : density.values) v /= load_ohm;
    return density;
  }
  // A trace in a resolution bandwidth.
  density.values = data::power_in_watt(table, name, load_ohm);
  double rbw = optional_quantity("--rbw", options.rbw, "Hz").value_or(0);
  if (!(rbw > 0)) rbw = data::setting_in(table, "RBW", "Hz").value_or(0);
  if (!(rbw > 0)) {
    throw DataError(fmt::format(
        "{}: RBW not in file (a level in {} is noise in that bandwidth); pass --rbw 300kHz.",
        table.file.string(), column.unit));
  }
  const std::string averaging = averaging_of(options, table);
  if (averaging.empty()) {
    throw DataError(fmt::format(
        "{}: the kind of averaging is not in the file (log-averaged noise reads 2.51 dB low). Pass "
        "--averaging log, voltage or power.",
        table.file.string()));
  }
  const double factor = std::pow(10, calibration::averaging_correction_db(averaging) / 10) /
                        (rbw * calibration::gaussian_noise_bandwidth);
  for (double& v : density.values) v *= factor;
  // Real filters are 1.05 to 1.13 RBW wide: a uniform law over that range.
  data.scale_uncertainty = std::hypot(data.scale_uncertainty, 0.04 / 1.09 / std::sqrt(3.0));
  return density;
}

calibration::CalibrationResult fit_spectrum(const Options& options, const data::LabTable& table,
                                            const std::string& photocurrent) {
  const ColumnWish frequency{
      "frequency", "--frequency", options.frequency, {"f", "frequency", "freq"}, "Hz"};
  const std::string f_column = require_column(table, frequency);
  std::string noise = options.noise, dark = options.dark;
  for (const char* name : {"noise", "light", "lit", "S", "PSD", "RIN", "RIN_sys", "level"}) {
    if (noise.empty() && table.find(name) != nullptr) noise = name;
  }
  for (const char* name : {"dark", "thermal", "floor", "background", "no light"}) {
    if (dark.empty() && table.find(name) != nullptr) dark = name;
  }
  if (noise.empty()) {
    throw DataError(
        fmt::format("{}: no column of the noise has a usual name. Name it with --noise "
                    "NAME.",
                    table.file.string()));
  }
  calibration::IntensityNoiseData data;
  const double load = option_quantity("--load", options.load, "ohm");
  if (!(load > 0))
    throw ConfigError("--load: not positive (power is over a resistor). Correct it.");
  const double gain =
      std::pow(10, optional_quantity("--gain", options.gain, "dB").value_or(0) / 10);
  data.scale_uncertainty =
      std::log(10) / 10 *
      optional_quantity("--gain-uncertainty", options.gain_uncertainty, "dB").value_or(0);
  const double given_scale = data.scale_uncertainty;
  Density lit = density_of(options, table, noise, load, data);
  Density unlit;
  const double one_trace = data.scale_uncertainty;
  if (!dark.empty()) {
    data.scale_uncertainty = given_scale;
    unlit = density_of(options, table, dark, load, data);
    if (unlit.is_rin != lit.is_rin) {
      throw DataError(
          fmt::format("{}: \"{}\" is a RIN and \"{}\" is none (they are subtracted). Give "
                      "both in one dimension.",
                      table.file.string(), lit.is_rin ? noise : dark, lit.is_rin ? dark : noise));
    }
  }
  data.scale_uncertainty = one_trace;
  if (photocurrent.empty()) {
    const auto setting = data::setting_in(table, "photocurrent", "A");
    if (!setting) {
      throw DataError(fmt::format(
          "{}: photocurrent not in file (RIN is noise over the power of the light, less shot "
          "noise); pass --photocurrent 1mA.",
          table.file.string()));
    }
    data.photocurrent_a = *setting;
  } else {
    data.photocurrent_a = option_quantity("--photocurrent", photocurrent, "A");
  }
  data.dc_power_w = lit.is_rin ? 1 : data.photocurrent_a * data.photocurrent_a * load * gain;
  data.photocurrent_uncertainty =
      optional_quantity("--photocurrent-uncertainty", options.photocurrent_uncertainty, "1")
          .value_or(0);
  if (!options.sigma.empty()) {
    data.relative_scatter = option_quantity("--sigma", options.sigma, "dB") * std::log(10) / 10;
  } else if (!options.averages.empty()) {
    const double count = option_quantity("--averages", options.averages, "1");
    if (!(count >= 1)) throw ConfigError("--averages: less than one. Give the number of averages.");
    const bool log = averaging_of(options, table) == "log";
    const double single = log ? calibration::log_point_scatter_db * std::log(10) / 10 : 1;
    data.relative_scatter = single / std::sqrt(count);
  } else if (options.common.known_sigma) {
    throw ConfigError(
        "--known-sigma: no standard deviation is given (nothing is known of the scatter). Pass "
        "--averages N or --sigma 0.3dB.");
  }
  data.scale_sigma = options.common.scale_sigma;
  data.relaxation = options.model == "relaxation";
  const std::vector<double> f = values_of(table, f_column, frequency);
  std::vector<calibration::RejectedPoint> outside;
  const auto range = options.common.parsed_range(table.column(f_column).unit);
  const auto& own = table.column(f_column).values;
  for (std::size_t i = 0; i < f.size(); ++i) {
    if (range && (own[i] < range->first || own[i] > range->second)) {
      outside.push_back({place_of_row(table, i), "outside --range"});
      continue;
    }
    data.frequency_hz.push_back(f[i]);
    data.noise_w_per_hz.push_back(lit.values[i]);
    if (!unlit.values.empty()) data.thermal_w_per_hz.push_back(unlit.values[i]);
    data.places.push_back(place_of_row(table, i));
  }
  auto result = calibration::calibrate_intensity_noise(data, options.common.holdout_blocks());
  result.rejected.insert(result.rejected.end(), outside.begin(), outside.end());
  result.settings["photocurrent"] = fmt::format("{:g} A", data.photocurrent_a);
  note_table(result, table);
  return result;
}

int run(const Options& options, const Streams& streams) {
  const auto& files = options.common.files;
  const auto photocurrents = one_for_each("--photocurrent", options.photocurrent, files.size());
  if (files.size() == 1) {
    const auto table = read_only_file("rin", options.common);
    return finish(options.common, fit_spectrum(options, table, photocurrents[0]), streams);
  }
  if (options.model != "relaxation") {
    throw ConfigError(
        fmt::format("rin: {} files (one spectrum is fitted). Give one, or --model relaxation for "
                    "spectra at several bias currents.",
                    files.size()));
  }
  if (!options.common.holdout.empty()) {
    throw ConfigError(
        "--holdout: several files (blocks are cut out of one). Fit one file with it first.");
  }
  std::vector<data::LabTable> tables;
  std::vector<calibration::CalibrationResult> results;
  for (std::size_t i = 0; i < files.size(); ++i) {
    tables.push_back(data::read_lab_file(files[i], options.common.reading.read_options()));
    results.push_back(fit_spectrum(options, tables.back(), photocurrents[i]));
  }
  auto result = over_currents("rin", options.bias, options.common.scale_sigma, tables, results);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_rin() {
  Verb verb;
  verb.name = "rin";
  verb.summary = "Relative intensity noise of a laser, less thermal and shot noise";
  verb.description =
      "RIN = S / P_el - N_th / P_el - 2 q / I, P_el = I^2 R_L: columns frequency, noise, and dark "
      "(without\n"
      "light) in dBm/Hz, W/Hz, V^2/Hz, dBc/Hz, or as a trace in dBm with its RBW. Without a dark "
      "trace the\n"
      "level is an upper limit and the exit code 5; within 1 dB of thermal and shot noise an upper "
      "limit\n"
      "as well. --model relaxation fits the relaxation oscillation: relaxation_frequency, "
      "damping;\n"
      "with one file a bias current (--currents, or \"# bias current: 30 mA\" in the files) the "
      "laws over\n"
      "it: f_r = D sqrt(I - I_th), gamma = K f_r^2 + gamma_0, and the bandwidth that damping "
      "allows.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable, 6 model\n"
      "rejected (--strict).";
  verb.examples = {
      "attojoule calibrate rin data/laboratory/rin.csv --photocurrent 2mA --averages 100"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    app.add_option("--frequency", options->frequency, "Column of the frequency");
    app.add_option("--noise", options->noise, "Column of the noise with light");
    app.add_option("--dark", options->dark, "Column of the noise without light");
    app.add_option("--photocurrent", options->photocurrent,
                   "Where the file does not say: 1mA, or one for each file: \"1mA, 1.4mA\"");
    app.add_option("--photocurrent-uncertainty", options->photocurrent_uncertainty,
                   "Relative, type B: 1%");
    app.add_option("--load", options->load, "Resistor that the photocurrent flows through")
        ->capture_default_str();
    app.add_option("--gain", options->gain, "Between that resistor and the analyser: 20dB");
    app.add_option("--gain-uncertainty", options->gain_uncertainty, "Of it, type B: 0.2dB");
    app.add_option("--rbw", options->rbw, "Of a trace in dBm, where the file has none");
    app.add_option("--averaging", options->averaging, "Of such a trace: log, voltage or power")
        ->check(CLI::IsMember({"log", "voltage", "power", "none"}));
    app.add_option("--averages", options->averages, "Averages behind each point: its scatter");
    app.add_option("--sigma", options->sigma, "Known scatter of a point instead: 0.3dB");
    app.add_option("--model", options->model, "white or relaxation")
        ->check(CLI::IsMember({"white", "relaxation"}))
        ->capture_default_str();
    options->bias.define(app);
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
