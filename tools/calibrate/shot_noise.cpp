// attojoule calibrate shot-noise: electronics, shot noise and intensity noise of a photodetector.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

#include "calibration/shot_noise.hpp"
#include "data/lab_units.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

using calibration::ShotNoiseData;

// A log-power average of noise reads low by 10 log10(e^gamma), Euler's gamma = 0.5772; an average
// of the voltage by 10 log10(4 / pi).
constexpr double log_average_db = 2.5068;
constexpr double voltage_average_db = 1.0491;
// The noise bandwidth of an analyser's Gaussian-like filter is 1.05 to 1.13 times its RBW: the
// middle, and the uncertainty of a uniform law over that range.
constexpr double noise_bandwidth_per_rbw = 1.09;
constexpr double noise_bandwidth_uncertainty = 0.04 / 1.09 / 1.7320508;

struct Options {
  FitKindOptions common;
  std::string light, noise, nu_column, sigma_column;
  double samples = 0;
  std::string levels, band, rbw, averaging;
  std::string level_uncertainty, light_scale, noise_scale;
  std::string responsivity, transresistance, feedback_resistance;
  std::string impedance;
};

bool is_level(const data::LabColumn& column) {
  const auto unit = data::parse_lab_unit(column.unit);
  return unit && unit->is_level();
}

// ---- a table: one row a light level ----

// Whether a column is the noise or the light by its name.
const std::vector<std::string> light_names{
    "P",    "power",   "P_LO",  "P_opt",        "optical power",
    "I",    "current", "I_pd",  "photocurrent", "I_ph",
    "V_dc", "level",   "light", "P_in",         "LO power"};
const std::vector<std::string> noise_names{
    "V",   "variance", "var", "noise",   "noise power", "noise variance", "PSD",    "S",
    "S_V", "psd",      "N",   "P_noise", "noise PSD",   "sigma2",         "V_noise"};
const std::vector<std::string> nu_names{"nu", "dof", "degrees of freedom"};
const std::vector<std::string> sample_names{"samples", "n", "n_samples", "averages", "count"};
const std::vector<std::string> sigma_names{"sigma",       "u",     "u_V",         "sigma_V",
                                           "sigma V",     "std",   "uncertainty", "u_noise",
                                           "sigma_noise", "V_err", "err"};

std::string lower_plain(const std::string& name) {
  std::string result;
  for (const char c : name) {
    if (c == ' ' || c == '_' || c == '-') continue;
    result += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return result;
}

const data::LabColumn* by_name(const data::LabTable& table, const std::vector<std::string>& names,
                               const std::vector<const data::LabColumn*>& taken) {
  const auto free = [&](const data::LabColumn& column) {
    return std::find(taken.begin(), taken.end(), &column) == taken.end();
  };
  // As written first: "V" and "v", "S" and "s" need not be the same.
  for (const auto& name : names) {
    for (const auto& column : table.columns) {
      if (free(column) && column.name == name) return &column;
    }
  }
  for (const auto& name : names) {
    for (const auto& column : table.columns) {
      if (free(column) && lower_plain(column.name) == lower_plain(name)) return &column;
    }
  }
  return nullptr;
}

const data::LabColumn* named(const data::LabTable& table, const std::string& option,
                             const std::string& name) {
  const auto found = find_column(table, {"", option, name, {}, "1"});
  return table.find(found);
}

void read_rows(const Options& options, const data::LabTable& table, ShotNoiseData& data) {
  std::vector<const data::LabColumn*> taken;
  const auto take = [&](const data::LabColumn* column) {
    if (column != nullptr) taken.push_back(column);
    return column;
  };
  const data::LabColumn* noise =
      options.noise.empty() ? nullptr : take(named(table, "--noise", options.noise));
  const data::LabColumn* light =
      options.light.empty() ? nullptr : take(named(table, "--light", options.light));
  const data::LabColumn* nu = options.nu_column.empty()
                                  ? take(by_name(table, nu_names, taken))
                                  : take(named(table, "--nu", options.nu_column));
  const data::LabColumn* samples =
      nu != nullptr ? nullptr : take(by_name(table, sample_names, taken));
  const data::LabColumn* sigma = options.sigma_column.empty()
                                     ? take(by_name(table, sigma_names, taken))
                                     : take(named(table, "--sigma", options.sigma_column));
  if (light == nullptr) light = take(by_name(table, light_names, taken));
  if (noise == nullptr) noise = take(by_name(table, noise_names, taken));
  // What is left, in order: light stands before noise.
  std::vector<const data::LabColumn*> rest;
  for (const auto& column : table.columns) {
    if (std::find(taken.begin(), taken.end(), &column) == taken.end()) rest.push_back(&column);
  }
  if (light == nullptr && !rest.empty()) {
    light = rest.front();
    rest.erase(rest.begin());
  }
  if (noise == nullptr && !rest.empty()) noise = rest.front();
  if (light == nullptr || noise == nullptr) {
    throw DataError(
        fmt::format("{}: no columns of light and noise (one row is one light level). Name them "
                    "with --light and "
                    "--noise, or head them \"P [mW]\" and \"V [V^2]\".",
                    table.file.string()));
  }
  data.light_unit = light->unit;
  data.noise_unit = noise->unit;
  // Without a unit column_in() says where, and how to give one.
  if (light->unit.empty()) data::column_in(table, light->name, "mW");
  if (noise->unit.empty()) data::column_in(table, noise->name, "V^2");
  if (is_level(*light)) data.light_unit = "mW";
  if (is_level(*noise))
    data.noise_unit = noise->unit.find("/Hz") != std::string::npos ? "W/Hz" : "W";
  // A noise that is a root (V, V/sqrt(Hz)) is not additive: its square is.
  bool root = false;
  if (noise->unit == "V" || noise->unit == "mV" || noise->unit == "uV") root = true;
  if (noise->unit.find("sqrt(Hz)") != std::string::npos ||
      noise->unit.find("rtHz") != std::string::npos) {
    root = true;
  }
  data.light = data::column_in(table, light->name, data.light_unit);
  data.noise = data::column_in(table, noise->name, data.noise_unit);
  if (root) {
    for (double& v : data.noise) v *= v;
    data.noise_unit = "(" + data.noise_unit + ")^2";
  }
  data.light_name = light->name;
  data.noise_name = noise->name;
  if (nu != nullptr) data.nu = nu->values;
  if (samples != nullptr) {
    for (const double n : samples->values) data.nu.push_back(n - 1);
  }
  if (sigma != nullptr && data.nu.empty()) {
    if (sigma->unit.empty() || root) {
      throw DataError(fmt::format(
          "{}: column \"{}\" of the standard deviations has {} (it must be in the noise's unit, "
          "which "
          "must be a variance or power). Head it \"{} [{}]\".",
          table.file.string(), sigma->name, root ? "no meaning beside an amplitude" : "no unit",
          sigma->name, data.noise_unit));
    }
    data.sigma = data::column_in(table, sigma->name, data.noise_unit);
  }
  if (data.nu.empty() && data.sigma.empty()) {
    double n = options.samples;
    for (const char* setting : {"samples", "averages", "n"}) {
      if (n > 0) break;
      if (const auto value = data::setting_in(table, setting, "1")) n = *value;
    }
    if (n > 0) data.nu.assign(table.rows(), n - 1);
    if (const auto value = data::setting_in(table, "nu", "1"); value && data.nu.empty()) {
      data.nu.assign(table.rows(), *value);
    }
  }
  for (std::size_t i = 0; i < table.rows(); ++i) data.places.push_back(place_of_row(table, i));
}

// ---- spectra: one trace a light level ----

struct Band {
  double from = 0, to = 0;
};

double averaging_db(const Options& options, const data::LabTable& table) {
  std::string kind = options.averaging;
  if (kind.empty()) {
    const auto found = table.settings.find("averaging");
    if (found != table.settings.end()) kind = found->second;
  }
  if (kind == "log") return log_average_db;
  if (kind == "voltage") return voltage_average_db;
  if (kind == "power" || kind == "none") return 0;
  throw DataError(fmt::format(
      "{}: the kind of averaging is not in the file (log-averaged noise reads 2.51 dB low). Pass "
      "--averaging log, voltage or power.",
      table.file.string()));
}

void read_traces(const Options& options, const data::LabTable& table, ShotNoiseData& data,
                 std::map<std::string, std::string>& settings) {
  const std::string frequency =
      require_column(table, {"frequency", "--frequency", "", {"frequency", "f"}, "Hz"});
  const std::vector<double> f = data::column_in(table, frequency, "Hz");
  std::vector<const data::LabColumn*> traces;
  for (const auto& column : table.columns) {
    if (column.name != frequency) traces.push_back(&column);
  }
  const std::vector<std::string> levels = split_at(options.levels, ',');
  std::vector<std::pair<const data::LabColumn*, std::string>> lit;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const auto equals = levels[i].find('=');
    if (equals == std::string::npos) {
      if (i >= traces.size()) break;
      lit.emplace_back(traces[i], levels[i]);
    } else {
      lit.emplace_back(named(table, "--levels", levels[i].substr(0, equals)),
                       levels[i].substr(equals + 1));
    }
  }
  if (lit.size() < 3) {
    throw ConfigError(fmt::format(
        "--levels {}: {} levels for {} traces (three terms need three, one of them dark). Write "
        "--levels \"0.5V, 0.2V, 0.1V, 0V\" in the traces' order.",
        options.levels, lit.size(), traces.size()));
  }
  // The unit of the first level that is not 0 is that of the abscissa.
  for (const auto& [trace, text] : lit) {
    std::string unit(text);
    unit.erase(0, unit.find_first_not_of("0123456789.+-eE "));
    if (data.light_unit.empty() && !unit.empty()) data.light_unit = unit;
  }
  double rbw = 0;
  if (!options.rbw.empty()) {
    rbw = option_quantity("--rbw", options.rbw, "Hz");
  } else if (const auto setting = data::setting_in(table, "RBW", "Hz")) {
    rbw = *setting;
  }
  if (!(rbw > 0)) {
    throw DataError(
        fmt::format("{}: RBW not in file (a level is noise in that bandwidth); pass --rbw "
                    "300kHz.",
                    table.file.string()));
  }
  Band band{10 * rbw, f.back()};
  if (!options.band.empty()) {
    const auto parts = split_at(options.band, ':');
    if (parts.size() != 2) {
      throw ConfigError(
          fmt::format("--band {}: no band (noise is averaged over it). Write --band 1MHz:10MHz.",
                      options.band));
    }
    band = {option_quantity("--band", parts[0], "Hz"), option_quantity("--band", parts[1], "Hz")};
  }
  std::vector<std::size_t> bins;
  for (std::size_t i = 0; i < f.size(); ++i) {
    if (f[i] >= band.from && f[i] <= band.to) bins.push_back(i);
  }
  if (bins.size() < 8) {
    throw ConfigError(fmt::format(
        "--band: {} points of the trace between {:g} and {:g} MHz (their scatter is the weight). "
        "Widen the band.",
        bins.size(), band.from / 1e6, band.to / 1e6));
  }
  const double correction = std::pow(10, averaging_db(options, table) / 10);
  double impedance =
      options.impedance.empty() ? 0 : option_quantity("--impedance", options.impedance, "ohm");
  if (const auto setting = data::setting_in(table, "impedance", "ohm"); setting && impedance == 0) {
    impedance = *setting;
  }
  if (!(impedance > 0)) impedance = 50;
  // Points closer than the RBW are not independent.
  const double span = f[bins.back()] - f[bins.front()];
  const double independent = std::min(static_cast<double>(bins.size()), std::max(span / rbw, 8.0));
  data.noise_unit = "V^2/Hz";
  data.noise_name = "S_V";
  data.light_name = "level";
  for (const auto& [trace, text] : lit) {
    const std::vector<double> watt = data::power_in_watt(table, trace->name, impedance);
    double mean = 0, squares = 0;
    for (const std::size_t i : bins) mean += watt[i] / static_cast<double>(bins.size());
    for (std::size_t k = 0; k + 1 < bins.size(); ++k) {
      // Differences of neighbours: the shape of the spectrum is no scatter.
      const double step = std::log(watt[bins[k + 1]] / watt[bins[k]]);
      squares += step * step / 2;
    }
    const double relative2 = squares / static_cast<double>(bins.size() - 1);
    // The mean of exponentials of scattered logarithms is too high by this.
    const double spread = correction > 1 ? std::exp(-relative2 / 2) : 1;
    const double density = mean * correction * spread * impedance / (rbw * noise_bandwidth_per_rbw);
    data.noise.push_back(density);
    data.nu.push_back(2 * independent / relative2);
    const bool zero = std::strtod(text.c_str(), nullptr) == 0;
    data.light.push_back(zero ? 0 : option_quantity("--levels", text, data.light_unit));
    data.places.push_back(fmt::format("{}: {}", table.file.string(), trace->name));
  }
  settings["band"] = fmt::format("{:g}:{:g} MHz", band.from / 1e6, band.to / 1e6);
  settings["noise bandwidth"] = fmt::format("{:g} RBW", noise_bandwidth_per_rbw);
  settings["averaging correction"] = fmt::format("{:.3f} dB", 10 * std::log10(correction));
  data.noise_scale_uncertainty = noise_bandwidth_uncertainty;
}

int run(const Options& options, const Streams& streams) {
  if (options.common.files.size() != 1) {
    throw ConfigError("shot-noise: more than one file (one holds all light levels). Give one.");
  }
  const auto table =
      data::read_lab_file(options.common.files[0], options.common.reading.read_options());
  ShotNoiseData data;
  std::map<std::string, std::string> settings;
  std::size_t level_columns = 0;
  for (const auto& column : table.columns) level_columns += is_level(column) ? 1 : 0;
  if (!options.levels.empty()) {
    read_traces(options, table, data, settings);
  } else if (level_columns >= 2) {
    throw ConfigError(fmt::format(
        "{}: {} traces and no light levels (noise is fitted against light). Pass --levels \"0.5V, "
        "0.2V, 0.1V, 0V\" in the traces' order.",
        table.file.string(), level_columns));
  } else {
    read_rows(options, table, data);
  }
  if (const auto range = options.common.parsed_range(data.light_unit)) {
    ShotNoiseData part = data;
    part.light.clear();
    part.noise.clear();
    part.nu.clear();
    part.sigma.clear();
    part.places.clear();
    for (std::size_t i = 0; i < data.light.size(); ++i) {
      if (data.light[i] < range->first || data.light[i] > range->second) continue;
      part.light.push_back(data.light[i]);
      part.noise.push_back(data.noise[i]);
      if (!data.nu.empty()) part.nu.push_back(data.nu[i]);
      if (!data.sigma.empty()) part.sigma.push_back(data.sigma[i]);
      part.places.push_back(data.places[i]);
    }
    data = part;
  }
  if (!options.level_uncertainty.empty()) {
    data.light_uncertainty =
        option_quantity("--light-uncertainty", options.level_uncertainty, data.light_unit);
  }
  if (!options.light_scale.empty()) {
    data.light_scale_uncertainty =
        option_quantity("--light-scale-uncertainty", options.light_scale, "1");
  }
  if (!options.noise_scale.empty()) {
    data.noise_scale_uncertainty =
        option_quantity("--noise-scale-uncertainty", options.noise_scale, "1");
  }
  const auto dimension = [&](const char* unit) {
    const auto have = data::parse_lab_unit(data.light_unit), want = data::parse_lab_unit(unit);
    return have && want && data::same_dimension(*have, *want);
  };
  const auto in_si = [&](const char* unit) {
    return data::convert(1, *data::parse_lab_unit(data.light_unit), *data::parse_lab_unit(unit));
  };
  if (dimension("A")) data.current_per_light = in_si("A");
  if (!options.responsivity.empty()) {
    if (!dimension("W")) {
      throw ConfigError(fmt::format(
          "--responsivity: the abscissa is in {} (it makes a current of a power). Leave it out.",
          data.light_unit));
    }
    data.current_per_light =
        option_quantity("--responsivity", options.responsivity, "A/W") * in_si("W");
  }
  if (!options.transresistance.empty()) {
    if (!dimension("V")) {
      throw ConfigError(fmt::format(
          "--transresistance: the abscissa is in {} (it makes a current of a monitor's voltage). "
          "Leave it out.",
          data.light_unit));
    }
    const double ohm = option_quantity("--transresistance", options.transresistance, "ohm");
    data.current_per_light = in_si("V") / ohm;
    data.feedback_resistance_ohm = ohm;
  }
  if (!options.feedback_resistance.empty()) {
    data.feedback_resistance_ohm =
        option_quantity("--feedback-resistance", options.feedback_resistance, "ohm");
  }
  calibration::ShotNoiseOptions fit_options;
  fit_options.holdout_blocks = options.common.holdout_blocks();
  if (options.common.scale_sigma) fit_options.convention = calibration::SigmaConvention::scale;
  if (options.common.known_sigma && data.nu.empty() && data.sigma.empty()) {
    throw ConfigError(
        "--known-sigma: neither degrees of freedom nor standard deviations are given (nothing is "
        "known of the scatter). Pass --samples N, or a column nu.");
  }
  auto result = calibration::calibrate_shot_noise(data, fit_options);
  result.settings.insert(settings.begin(), settings.end());
  note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_shot_noise_kind() {
  Verb verb;
  verb.name = "shot-noise";
  verb.summary = "Noise against light: electronics, shot noise, intensity noise";
  verb.description =
      "V(P) = a + b P + c P^2 by reweighted least squares: a electronics, b shot noise, c "
      "intensity\n"
      "noise that the receiver does not reject. FILE has one row a light level: light (power,\n"
      "photocurrent or a DC monitor's voltage) and noise (variance, power or spectral density), "
      "and\n"
      "may have a column nu, samples, or sigma. Or FILE holds spectrum-analyser traces, one a "
      "light\n"
      "level, with --levels. Points that bend downwards (saturation) are left out and named.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable, 6 model\n"
      "rejected (--strict).";
  verb.examples = {
      "attojoule calibrate shot-noise data/laboratory/shot_noise.csv --responsivity 0.95A/W"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    app.add_option("--light", options->light, "Column of the light");
    app.add_option("--noise", options->noise, "Column of the noise");
    app.add_option("--samples", options->samples,
                   "Samples behind each variance: sigma = V sqrt(2/(N-1))")
        ->check(CLI::Range(2.0, 1e15));
    app.add_option("--nu", options->nu_column, "Column of the degrees of freedom");
    app.add_option("--sigma", options->sigma_column, "Column of the standard deviations");
    app.add_option("--levels", options->levels,
                   "Light of every trace: \"0.5V, 0.2V, 0.1V, 0V\" or \"Trace A=0.5V, ...\"");
    app.add_option("--band", options->band, "Band of the traces that is averaged: 1MHz:10MHz");
    app.add_option("--rbw", options->rbw, "Resolution bandwidth, where the file has none");
    app.add_option("--averaging", options->averaging,
                   "log, voltage or power, where the file does not say")
        ->check(CLI::IsMember({"log", "voltage", "power", "none"}));
    app.add_option("--impedance", options->impedance, "Of the analyser's input (default 50 ohm)");
    app.add_option("--light-uncertainty", options->level_uncertainty,
                   "Standard uncertainty of each light level, in its unit: 5mV");
    app.add_option("--light-scale-uncertainty", options->light_scale,
                   "Of the light's scale, type B: 2%");
    app.add_option("--noise-scale-uncertainty", options->noise_scale,
                   "Of the noise's scale, type B: 2% (traces: of the noise bandwidth)");
    app.add_option("--responsivity", options->responsivity,
                   "Makes a photocurrent of a power: 0.95A/W; then i_n follows");
    app.add_option("--transresistance", options->transresistance,
                   "Makes a photocurrent of a monitor's voltage: 33kOhm; also R_F");
    app.add_option("--feedback-resistance", options->feedback_resistance,
                   "R_F, whose Johnson noise i_n cannot be below");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
