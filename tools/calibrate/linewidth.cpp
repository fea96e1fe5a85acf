// attojoule calibrate linewidth: of a laser, from frequency noise or a beat spectrum.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cmath>
#include <memory>

#include "calibration/laser_linewidth.hpp"
#include "calibration/noise_level.hpp"
#include "data/lab_units.hpp"
#include "photonics/constants.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  CurveOptions columns;
  std::string model = "auto", beat = "self", delay, fibre_length, fibre_index = "1.468";
  std::string carrier_halfwidth, carrier_power, rbw, averages;
};

// Frequency noise that is written as its root (Hz/sqrt(Hz)), or as the phase noise of one sideband
// (dBc/Hz over the offset f: S_nu = 2 f^2 10^(L/10)), in Hz^2/Hz.
void as_frequency_noise(const Options& options, data::LabTable& table) {
  const auto rewrite = [&](data::LabColumn& column, const std::string& what) {
    column.unit = "Hz^2/Hz";
    table.warnings.push_back(fmt::format("\"{}\" is {}", column.name, what));
  };
  for (auto& column : table.columns) {
    if (!options.columns.y.empty() && table.find(options.columns.y) != &column) continue;
    if (has_dimension(column, "Hz/sqrt(Hz)")) {
      column.values = data::column_in(table, column.name, "Hz/sqrt(Hz)");
      for (double& v : column.values) v *= v;
      rewrite(column, "a root of a density: it is squared");
    } else if (column.unit == "dBc/Hz") {
      const std::string offset =
          require_column(table,
                         {"offset frequency",
                          "--frequency",
                          options.columns.x,
                          {"f", "frequency", "freq", "offset", "offset frequency"},
                          "Hz"},
                         {column.name});
      const auto f = data::column_in(table, offset, "Hz");
      for (std::size_t i = 0; i < f.size(); ++i) {
        column.values[i] = 2 * f[i] * f[i] * std::pow(10, column.values[i] / 10);
      }
      rewrite(column, "phase noise of one sideband: S_nu = 2 f^2 L(f)");
    }
  }
}

int run(const Options& options, const Streams& streams) {
  auto table = read_only_file("linewidth", options.common);
  as_frequency_noise(options, table);
  const ColumnWish frequency{
      "frequency", "--frequency", options.columns.x, {"f", "frequency", "freq", "offset"}, "Hz"};
  std::vector<std::string> named;
  if (!options.columns.y.empty()) {
    named.push_back(find_column(table, {"", "--spectrum", options.columns.y, {}, "1"}));
  }
  const std::string f_column = require_column(table, frequency, named);
  // A frequency noise has a dimension of its own; everything else is a spectrum.
  std::string noise_column = named.empty() ? "" : named[0];
  const auto is_frequency_noise = [&](const data::LabColumn& column) {
    const auto have = data::parse_lab_unit(column.unit), want = data::parse_lab_unit("Hz^2/Hz");
    return have && want && !column.unit.empty() && data::same_dimension(*have, *want) &&
           column.name != f_column;
  };
  if (noise_column.empty()) {
    for (const auto& column : table.columns) {
      if (is_frequency_noise(column)) noise_column = column.name;
    }
  }
  calibration::LinewidthData data;
  std::vector<calibration::RejectedPoint> outside;
  CurveOptions columns = options.columns;
  columns.x = f_column;
  double averages = 0;
  if (!options.averages.empty()) {
    averages = option_quantity("--averages", options.averages, "1");
    if (!(averages >= 1)) {
      throw ConfigError("--averages: less than one. Give the number of averages.");
    }
  }
  const bool frequency_noise =
      !noise_column.empty() && is_frequency_noise(table.column(noise_column));
  if (frequency_noise) {
    if (options.model != "auto") {
      throw ConfigError(
          fmt::format("--model {}: \"{}\" is a frequency noise (its model is white and flicker "
                      "noise). Leave it "
                      "out.",
                      options.model, noise_column));
    }
    columns.y = noise_column;
    data.curve =
        read_curve(options.common, columns, table, frequency,
                   {"frequency noise", "--spectrum", noise_column, {}, "Hz^2/Hz"}, outside);
    data.model = calibration::LineModel::frequency_noise;
  } else {
    const LinearSignal signal = linear_signal(table,
                                              {"spectrum",
                                               "--spectrum",
                                               options.columns.y,
                                               {"level", "P", "power", "spectrum", "S"},
                                               "dBm"},
                                              {f_column});
    data.curve = read_signal_curve(options.common, columns, table, f_column, "Hz", signal, outside);
    data.resolution_hz = optional_quantity("--rbw", options.rbw, "Hz").value_or(0);
    if (!(data.resolution_hz > 0)) {
      data.resolution_hz = data::setting_in(table, "RBW", "Hz").value_or(0);
    }
    data.delay_s = optional_quantity("--delay", options.delay, "s");
    if (const auto length = optional_quantity("--fibre-length", options.fibre_length, "m")) {
      if (data.delay_s) {
        throw ConfigError("--fibre-length beside --delay: two statements of one. Keep one.");
      }
      data.delay_s = *length * option_quantity("--fibre-index", options.fibre_index, "1") /
                     photonics::constants::speed_of_light_m_per_s;
    }
    const std::string model = options.model != "auto" ? options.model
                              : data.delay_s          ? "short-delay"
                                                      : "lorentz";
    data.model = model == "voigt"         ? calibration::LineModel::voigt
                 : model == "short-delay" ? calibration::LineModel::short_delay
                                          : calibration::LineModel::lorentz;
    data.width_factor = options.beat == "self" ? 2 : 1;
    data.carrier_halfwidth_hz =
        optional_quantity("--carrier-halfwidth", options.carrier_halfwidth, "Hz")
            .value_or(3 * data.resolution_hz);
    if (!options.carrier_power.empty()) {
      if (!(data.resolution_hz > 0)) {
        throw DataError(fmt::format(
            "{}: RBW not in file (a carrier's power against a level in that bandwidth); pass --rbw "
            "300Hz.",
            table.file.string()));
      }
      // The spectrum is in power per noise bandwidth.
      const double power =
          signal.is_ratio
              ? std::pow(10, option_quantity("--carrier-power", options.carrier_power, "dB") / 10)
              : option_quantity("--carrier-power", options.carrier_power, signal.unit);
      data.carrier_power = power * data.resolution_hz * calibration::gaussian_noise_bandwidth;
    }
  }
  if (averages > 0) {
    const auto setting = table.settings.find("averaging");
    const bool log =
        !frequency_noise && setting != table.settings.end() && setting->second == "log";
    data.curve.relative =
        (log ? calibration::log_point_scatter_db * std::log(10) / 10 : 1) / std::sqrt(averages);
  }
  auto result = calibration::calibrate_linewidth(data, options.common.holdout_blocks());
  result.rejected.insert(result.rejected.end(), outside.begin(), outside.end());
  if (!frequency_noise && !(data.resolution_hz > 0)) {
    result.warnings.push_back(
        "RBW not in file: whether the line is wider than the analyser's filter is not checked; "
        "pass --rbw 10kHz");
  }
  if (data.delay_s) result.settings["delay"] = fmt::format("{:g} s", *data.delay_s);
  note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_linewidth_kind() {
  Verb verb;
  verb.name = "linewidth";
  verb.summary = "Linewidth of a laser from frequency noise or a beat spectrum";
  verb.description =
      "A column in Hz^2/Hz (Hz/sqrt(Hz); dBc/Hz of phase noise) is a frequency noise: h0 + flicker "
      "/ f, linewidth = pi h0, and the "
      "beta-line\n"
      "width. Anything else (dBm, W, dB, 1) is the spectrum of a beat: Lorentzian, --model voigt, "
      "or with\n"
      "--delay the expression for delays below the coherence time. A delayed self-heterodyne beat "
      "is twice\n"
      "as wide as the laser; --beat reference is as wide.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable, 6 model\n"
      "rejected (--strict).";
  verb.examples = {
      "attojoule calibrate linewidth data/laboratory/beat.csv --averages 100",
      "attojoule calibrate linewidth data/laboratory/frequency_noise.csv --averages 50"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    options->columns.define(app, "--frequency", "Column of the frequency", "--spectrum",
                            "Column of the frequency noise or the spectrum");
    app.add_option("--model", options->model, "auto, lorentz, voigt or short-delay")
        ->check(CLI::IsMember({"auto", "lorentz", "voigt", "short-delay"}))
        ->capture_default_str();
    app.add_option("--beat", options->beat,
                   "self (delayed copy) or reference (a much narrower laser)")
        ->check(CLI::IsMember({"self", "reference"}))
        ->capture_default_str();
    app.add_option("--delay", options->delay, "Of the delayed copy: 5us");
    app.add_option("--fibre-length", options->fibre_length, "Gives the delay: 1km");
    app.add_option("--fibre-index", options->fibre_index, "Group index of the fibre")
        ->capture_default_str();
    app.add_option("--carrier-halfwidth", options->carrier_halfwidth,
                   "Short delay: left out about the centre (default 3 RBW)");
    app.add_option("--carrier-power", options->carrier_power,
                   "Short delay: level of the carrier; fixes the amplitude: -20dBm");
    app.add_option("--rbw", options->rbw, "Resolution bandwidth, where the file has none");
    app.add_option("--averages", options->averages, "Averages behind each point: its scatter");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
