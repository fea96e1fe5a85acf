// attojoule calibrate psd: noise density of a sampled signal, or of an analyser's trace.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

#include "calibration/noise_level.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"
#include "photonics/spectra.hpp"
#include "tools/calibrate/kinds.hpp"
#include "tools/calibrate/outcome.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  std::string file, column, rate, range, rbw, averaging, noise_bandwidth, impedance;
  std::size_t segment = 0;
  FileOptions reading;
  OutcomeOptions outcome;
};

double quantity(const std::string& text, std::string_view unit, const std::string& option) {
  data::LabTable one;
  one.file = option;
  one.settings["value"] = text;
  try {
    return *data::setting_in(one, "value", unit);
  } catch (const DataError&) {
    throw ConfigError(fmt::format("{}: \"{}\" is no number in [{}]. Write for example {} 1{}.",
                                  option, data::shown_text(text), unit, option, unit));
  }
}

bool has_dimension(const data::LabColumn& column, std::string_view unit) {
  const auto have = data::parse_lab_unit(column.unit);
  return have && !column.unit.empty() && data::same_dimension(*have, *data::parse_lab_unit(unit));
}

std::string squared(const std::string& unit) {
  return unit == "1" || unit.empty() ? "1" : unit + "^2";
}

void of_signal(const Options& options, const data::LabTable& table, Outcome& outcome) {
  double rate = 0;
  std::string name = options.column;
  const data::LabColumn* time = nullptr;
  if (has_dimension(table.columns[0], "s") && table.columns.size() > 1) time = &table.columns[0];
  if (!options.rate.empty()) {
    rate = quantity(options.rate, "Hz", "--rate");
  } else if (time != nullptr) {
    const auto t = data::column_in(table, time->name, "s");
    if (t.size() < 3)
      throw DataError(table.file.string() + ": fewer than three samples; give more");
    rate = static_cast<double>(t.size() - 1) / (t.back() - t.front());
    // A clock written with few digits wobbles; a gap is another matter.
    for (std::size_t i = 1; i < t.size(); ++i) {
      if (std::abs((t[i] - t[i - 1]) * rate - 1) > 0.5) {
        throw DataError(
            fmt::format("{}: the step of {} s is not the mean {} s (a spectrum needs even "
                        "samples); fill or cut "
                        "the gap",
                        data::place_of_row(table, i), t[i] - t[i - 1], 1 / rate));
      }
    }
  } else if (const auto interval = data::setting_in(table, "sample interval", "s")) {
    rate = 1 / *interval;
  } else {
    throw DataError(fmt::format("{}: no time column and no sample interval; pass --rate 1MHz",
                                table.file.string()));
  }
  if (!(rate > 0) || !std::isfinite(rate)) {
    throw DataError(
        fmt::format("{}: a sample rate of {} Hz; pass --rate 1MHz", table.file.string(), rate));
  }
  if (name.empty()) {
    const std::size_t first = time != nullptr ? 1 : 0;
    if (table.columns.size() != first + 1) {
      std::vector<std::string> names;
      for (const auto& column : table.columns) names.push_back(column.name);
      throw ConfigError(fmt::format("--column: {} has several. Name one of {}.", options.file,
                                    data::joined_names(names)));
    }
    name = table.columns[first].name;
  }
  const data::LabColumn& column = table.column(name);
  const auto unit = data::parse_lab_unit(column.unit);
  if (unit && unit->is_level()) {
    throw DataError(
        fmt::format("{}: \"{}\" is in [{}], a level; a spectrum needs the signal itself; "
                    "choose another column",
                    table.file.string(), name, column.unit));
  }
  const std::size_t samples = column.values.size();
  std::size_t segment = options.segment;
  if (segment == 0) {
    segment = 256;
    while (segment * 16 <= samples && segment < 65536) segment *= 2;
    segment = std::min(segment, samples);
  }
  if (segment < 4 || segment > samples) {
    throw ConfigError(fmt::format("--segment: {} samples of {}. Write one from 4 to {}.", segment,
                                  samples, samples));
  }
  const auto spectrum = photonics::welch(column.values, rate, segment);
  const auto [low, high] = parse_range(options.range, "Hz");
  const auto level = calibration::mean_level(spectrum, low, high);
  double mean = 0;
  for (const double value : column.values) mean += value / static_cast<double>(samples);
  double squares = 0;
  for (const double value : column.values) squares += (value - mean) * (value - mean);
  const double bin = rate / static_cast<double>(segment);
  const std::string power_unit = squared(column.unit);
  outcome.parameters.push_back({"density", power_unit + "/Hz", level.density, level.error});
  outcome.parameters.push_back({"rms", column.unit.empty() ? "1" : column.unit,
                                std::sqrt(squares / static_cast<double>(samples))});
  outcome.parameters.push_back({"enbw", "Hz", 1.5 * bin});
  outcome.details["segments"] = spectrum.segments;
  outcome.details["segment"] = segment;
  outcome.details["sample_rate_hz"] = rate;
  outcome.details["bins"] = level.points;
  outcome.details["one_sided"] = true;
  if (level.points >= 16) {
    // White noise scatters by 1 / sqrt(segments): more is structure, which a mean hides.
    double scatter = 0;
    for (std::size_t k = 1; k + 1 < spectrum.density.size(); ++k) {
      if (spectrum.frequency_hz[k] < low || spectrum.frequency_hz[k] > high) continue;
      const double relative = spectrum.density[k] / level.density - 1;
      scatter += relative * relative;
    }
    outcome.chi2_reduced = scatter / static_cast<double>(level.points - 1) *
                           static_cast<double>(spectrum.segments) / (19.0 / 18);
    if (*outcome.chi2_reduced > 2) {
      outcome.verdict = "rejected";
      outcome.warnings.push_back(
          "the density is not flat in the range: its mean describes no white noise; narrow "
          "--range");
    }
  }
  data::LabColumn f, s;
  f.name = "frequency";
  f.unit = "Hz";
  f.values = spectrum.frequency_hz;
  s.name = "density";
  s.unit = power_unit + "/Hz";
  s.values = spectrum.density;
  outcome.plots.push_back({"Welch density of " + name,
                           "frequency [Hz]",
                           "density [" + s.unit + "]",
                           true,
                           true,
                           {{name, f.values, s.values, {}, true}}});
  outcome.residuals = {f, s};
  outcome.python_check = fmt::format(
      "from scipy.signal import welch\nx = ...  # the column \"{}\"\nf, S = welch(x, "
      "fs={}, nperseg={})  # periodic Hann, half overlap, constant detrend, one-sided\n",
      name, rate, segment);
}

void of_trace(const Options& options, const data::LabTable& table, Outcome& outcome) {
  const auto [low, high] = parse_range(options.range, "Hz");
  std::string name = options.column;
  if (name.empty()) {
    if (table.columns.size() != 2) {
      std::vector<std::string> names;
      for (const auto& column : table.columns) names.push_back(column.name);
      throw ConfigError(fmt::format("--column: {} has several traces. Name one of {}.",
                                    options.file, data::joined_names(names)));
    }
    name = table.columns[1].name;
  }
  double rbw = 0;
  if (!options.rbw.empty()) {
    rbw = quantity(options.rbw, "Hz", "--rbw");
  } else if (const auto setting = data::setting_in(table, "RBW", "Hz")) {
    rbw = *setting;
  } else {
    throw DataError(table.file.string() + ": RBW not in file; pass --rbw 300kHz");
  }
  if (!(rbw > 0)) throw ConfigError("--rbw: not above 0 Hz. Write for example --rbw 300kHz.");
  std::string averaging = options.averaging;
  if (averaging.empty()) {
    const auto at = table.settings.find("averaging");
    if (at == table.settings.end()) {
      throw DataError(table.file.string() +
                      ": averaging type not in file; pass --averaging log, voltage or power");
    }
    averaging = at->second;
  }
  const double correction = calibration::averaging_correction_db(averaging);
  // Where the file states a 6 dB bandwidth (EMC filters), so does the factor.
  const auto filter = table.settings.find("RBW Filter BW");
  const bool six = filter != table.settings.end() && filter->second.starts_with("6");
  double factor =
      six ? calibration::gaussian_6db_noise_bandwidth : calibration::gaussian_noise_bandwidth;
  // Real filters lie between 1.05 and 1.13 of the 3 dB bandwidth: a rectangular law.
  double factor_error = (1.13 - 1.05) / std::sqrt(12.0) / 1.0645;
  if (!options.noise_bandwidth.empty()) {
    factor = quantity(options.noise_bandwidth, "Hz", "--noise-bandwidth") / rbw;
    factor_error = 0;
  }
  const double impedance =
      options.impedance.empty() ? 0 : quantity(options.impedance, "ohm", "--impedance");
  const auto frequency = data::column_in(table, table.columns[0].name, "Hz");
  const auto power = data::power_in_watt(table, name, impedance);
  std::vector<double> chosen;
  data::LabColumn f, s;
  f.name = "frequency";
  f.unit = "Hz";
  s.name = "density";
  s.unit = "W/Hz";
  const double scale = std::pow(10.0, correction / 10) / (factor * rbw);
  for (std::size_t i = 0; i < power.size(); ++i) {
    f.values.push_back(frequency[i]);
    s.values.push_back(power[i] * scale);
    if (frequency[i] >= low && frequency[i] <= high) chosen.push_back(power[i]);
  }
  if (chosen.size() < 2) {
    throw ConfigError(fmt::format("--range: {} points of the trace lie in \"{}\". Widen it.",
                                  chosen.size(), options.range));
  }
  const auto level = calibration::trace_level(chosen, averaging, factor * rbw);
  // Points closer than the filter's bandwidth share their noise.
  const double spacing =
      std::abs(frequency.back() - frequency.front()) / static_cast<double>(frequency.size() - 1);
  const double shared = std::max(1.0, factor * rbw / spacing);
  outcome.parameters.push_back({"density", "W/Hz", level.density, level.error * std::sqrt(shared),
                                level.density * factor_error});
  const double db = 10 / std::log(10.0);
  outcome.parameters.push_back({"level", "dBm/Hz", 10 * std::log10(level.density / 1e-3),
                                db * level.error * std::sqrt(shared) / level.density,
                                db * factor_error});
  outcome.parameters.push_back({"enbw", "Hz", factor * rbw, 0, factor * rbw * factor_error});
  outcome.details["averaging"] = averaging;
  outcome.details["averaging_correction_db"] = correction;
  outcome.details["rbw_hz"] = rbw;
  outcome.details["points"] = chosen.size();
  if (averaging == "log") {
    double mean = 0, squares = 0;
    for (const double p : chosen) mean += 10 * std::log10(p) / static_cast<double>(chosen.size());
    for (const double p : chosen) squares += std::pow(10 * std::log10(p) - mean, 2);
    const double scatter = std::sqrt(squares / static_cast<double>(chosen.size() - 1));
    outcome.details["scatter_db"] = scatter;
    // One read-out of noise scatters by 5.57 dB; averaging makes that less, structure more.
    if (scatter > 1.3 * calibration::log_point_scatter_db) {
      outcome.verdict = "rejected";
      outcome.warnings.push_back(
          fmt::format("points scatter by {:.2f} dB, noise by 5.57 dB at most: the trace is not "
                      "flat in the range "
                      "(narrow --range)",
                      scatter));
    }
  }
  const auto detector = table.column(name).settings.find("detector");
  if (detector != table.column(name).settings.end()) {
    outcome.details["detector"] = detector->second;
  }
  outcome.plots.push_back({"Noise density of " + name,
                           "frequency [Hz]",
                           "density [W/Hz]",
                           false,
                           true,
                           {{name, f.values, s.values, {}, true}}});
  outcome.residuals = {f, s};
  outcome.python_check = fmt::format(
      "import numpy as np\np = ...  # \"{}\" in dBm, within the range\nprint(np.{})\n", name,
      averaging == "log"
          ? fmt::format("mean(p) + {:.4f} - 10*np.log10({})", correction, factor * rbw)
          : fmt::format("log10(np.mean(10**(p/{}))) * {} + {:.4f} - 10*np.log10({})",
                        averaging == "voltage" ? 20 : 10, averaging == "voltage" ? 20 : 10,
                        correction, factor * rbw));
}

int run(const Options& options, const Streams& streams) {
  const auto table = data::read_lab_file(options.file, options.reading.read_options());
  Outcome outcome;
  outcome.kind = "psd";
  outcome.add_input(table);
  has_dimension(table.columns[0], "Hz") && table.columns.size() > 1
      ? of_trace(options, table, outcome)
      : of_signal(options, table, outcome);
  return deliver(outcome, options.outcome, streams);
}

}  // namespace

Verb calibrate_psd() {
  Verb verb;
  verb.name = "psd";
  verb.summary = "Noise density of a sampled signal (Welch) or of a spectrum analyser's trace";
  verb.description =
      "A signal over time: Welch's method as scipy.signal.welch has it (periodic Hann window, "
      "half\n"
      "overlap, constant detrend, one-sided; a line has a noise bandwidth of 1.5 bins). A trace "
      "over\n"
      "frequency: powers over the noise bandwidth (1.0645 RBW for Gaussian filters, 1.05 to 1.13 "
      "in\n"
      "the field, which is u_B), corrected by 2.51 dB where noise was log-averaged and by 1.05 dB\n"
      "where it was voltage-averaged. Only flat stretches have one density: choose with --range.\n"
      "result.json: density, and rms or level [dBm/Hz], enbw; residuals.csv has the spectrum.";
  verb.examples = {
      "attojoule calibrate psd data/laboratory/noise.csv --segment 64 --range 1kHz:40kHz"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("file", options->file, "File with the signal or trace")->required();
    app.add_option("--column", options->column, "Its column (default: the only one)");
    app.add_option("--rate", options->rate, "Sample rate, where the file has no time column");
    app.add_option("--segment", options->segment, "Samples per segment (default: by the length)");
    app.add_option("--range", options->range, "Frequencies of the mean density: 1MHz:20MHz");
    app.add_option("--rbw", options->rbw, "Resolution bandwidth, where the file has none");
    app.add_option("--averaging", options->averaging, "log, voltage or power, likewise");
    app.add_option("--noise-bandwidth", options->noise_bandwidth,
                   "Noise bandwidth of the filter, where it is known");
    app.add_option("--impedance", options->impedance,
                   "Of the analyser's input, for levels in dBuV");
    options->reading.define(app);
    options->outcome.define(app);
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
