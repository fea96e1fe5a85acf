// attojoule calibrate psd: noise density of a sampled signal, or of an analyser's trace.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "calibration/noise_level.hpp"
#include "data/lab_units.hpp"
#include "photonics/error.hpp"
#include "photonics/spectra.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

using calibration::CalibrationResult;
using calibration::not_known;

struct Options {
  FitKindOptions common;
  std::string column, rate, rbw, averaging, noise_bandwidth, impedance;
  std::size_t segment = 0;
};

std::string squared(const std::string& unit) {
  return unit == "1" || unit.empty() ? "1" : unit + "^2";
}

std::pair<double, double> range_in_hertz(const Options& options) {
  constexpr double all = std::numeric_limits<double>::infinity();
  return options.common.parsed_range("Hz").value_or(std::pair{-all, all});
}

// The spectrum as rows of residuals and a plot: measured against the one density that it should
// have.
void describe(CalibrationResult& result, const std::string& title, const std::string& unit,
              bool log_x, double level, double low, double high) {
  const auto& f = result.tables.back().columns[0].values;
  const auto& s = result.tables.back().columns[1].values;
  calibration::PlotSeries line{"mean", {}, {}, {}, calibration::PlotSeries::Kind::line};
  for (std::size_t k = 0; k < f.size(); ++k) {
    if (f[k] < low || f[k] > high) continue;
    line.x.push_back(f[k]);
    line.y.push_back(level);
  }
  result.plots.push_back({title,
                          "frequency [Hz]",
                          "density [" + unit + "]",
                          log_x,
                          true,
                          {{"spectrum", f, s, {}, calibration::PlotSeries::Kind::line}, line}});
}

void of_signal(const Options& options, const data::LabTable& table, CalibrationResult& result) {
  double rate = 0;
  const data::LabColumn* time = nullptr;
  if (has_dimension(table.columns[0], "s") && table.columns.size() > 1) time = &table.columns[0];
  if (!options.rate.empty()) {
    rate = option_quantity("--rate", options.rate, "Hz");
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
  std::vector<std::string> others;
  if (time != nullptr) others.push_back(time->name);
  const std::string name = only_column(table, options.column, others);
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
  const auto [low, high] = range_in_hertz(options);
  const auto level = calibration::mean_level(spectrum, low, high);
  double mean = 0;
  for (const double value : column.values) mean += value / static_cast<double>(samples);
  double squares = 0;
  for (const double value : column.values) squares += (value - mean) * (value - mean);
  const double rms = std::sqrt(squares / static_cast<double>(samples));
  const double bin = rate / static_cast<double>(segment);
  const std::string own_unit = column.unit.empty() ? "1" : column.unit;
  const std::string unit_of_density = squared(own_unit) + "/Hz";
  result.method = fmt::format(
      "Welch as scipy.signal.welch (periodic Hann, half overlap, constant detrend, one-sided), {} "
      "segments of {} samples; mean of {} bins",
      spectrum.segments, segment, level.points);
  result.model = "S(f) = density, white in the range";
  append_separate(result, {"density", unit_of_density, level.density, level.error, 0, not_known,
                           not_known, "mean in the range, one-sided"});
  // Variance of a Gaussian signal's mean square: the integral of S^2 over the record's length. The
  // square of an estimated density is large by 1 + 1 / segments.
  double integral = 0;
  for (const double density : spectrum.density) integral += density * density * bin;
  integral /= 1 + 19.0 / 18 / static_cast<double>(spectrum.segments);
  calibration::Estimate of_rms{
      "rms", own_unit,  rms,       not_known,
      0,     not_known, not_known, "of the whole record; its error that of Gaussian noise"};
  if (rms > 0) of_rms.u_a = std::sqrt(integral * rate / static_cast<double>(samples)) / (2 * rms);
  calibration::set_interval(of_rms, std::numeric_limits<double>::infinity());
  result.figures.push_back(of_rms);
  result.figures.push_back({"enbw", "Hz", 1.5 * bin, not_known, 0, not_known, not_known,
                            "noise bandwidth of a line, 1.5 bins"});
  result.settings["sample rate"] = fmt::format("{:.12g} Hz", rate);
  result.settings["segment"] = std::to_string(segment);
  result.settings["segments"] = std::to_string(spectrum.segments);
  result.points_used = level.points;
  const double scatter = 1 / std::sqrt(static_cast<double>(spectrum.segments) / (19.0 / 18));
  result.chi2 = 0;
  for (std::size_t k = 0; k < spectrum.density.size(); ++k) {
    calibration::ResidualRow row;
    row.place = fmt::format("bin {}", k);
    row.x = spectrum.frequency_hz[k];
    row.y = spectrum.density[k];
    row.model = level.density;
    row.sigma = level.density * scatter;
    row.standardised = (row.y - row.model) / row.sigma;
    row.used = k > 0 && k + 1 < spectrum.density.size() && row.x >= low && row.x <= high;
    if (row.used) result.chi2 += row.standardised * row.standardised;
    result.residuals.push_back(row);
  }
  result.dof = static_cast<double>(level.points) - 1;
  // Neighbouring bins share data, so that chi2 has no probability of its own; twice the scatter of
  // white noise over 16 bins and more is structure, which a mean hides.
  if (level.points >= 16 && result.chi2_reduced() > 2) {
    reject(
        result,
        fmt::format("the density is not flat in the range (it scatters {:.2g} times as "
                    "white noise, in squares): its mean describes no white noise; narrow --range",
                    result.chi2_reduced()));
  }
  result.tables.push_back(
      {"spectrum",
       {{"frequency", "Hz", spectrum.frequency_hz}, {"density", unit_of_density, spectrum.density}},
       false});
  describe(result, "Welch density of " + name, unit_of_density, true, level.density, low, high);
  result.tables.push_back({"record", {{"signal", own_unit, column.values}}, false});
  const auto bound = [](double f) {
    return std::isfinite(f) ? fmt::format("{:.17g}", f)
           : f < 0          ? std::string("-np.inf")
                            : std::string("np.inf");
  };
  result.python =
      python_table("record.csv", "(x,)") +
      fmt::format(
          "from scipy.signal import welch\nf, S = welch(x, fs={:.17g}, nperseg={})\nband = "
          "(f[1:-1] >= {}) & (f[1:-1] <= {})\nprint('density', "
          "repr(float(np.mean(S[1:-1][band]))), 'nan')\n",
          rate, segment, bound(low), bound(high));
}

void of_trace(const Options& options, const data::LabTable& table, CalibrationResult& result) {
  const auto [low, high] = range_in_hertz(options);
  const std::string name = only_column(table, options.column, {table.columns[0].name});
  double rbw = 0;
  if (!options.rbw.empty()) {
    rbw = option_quantity("--rbw", options.rbw, "Hz");
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
    factor = option_quantity("--noise-bandwidth", options.noise_bandwidth, "Hz") / rbw;
    factor_error = 0;
  }
  const double impedance = optional_quantity("--impedance", options.impedance, "ohm").value_or(0);
  const auto frequency = data::column_in(table, table.columns[0].name, "Hz");
  const auto power = data::power_in_watt(table, name, impedance);
  std::vector<double> chosen, density;
  const double scale = std::pow(10.0, correction / 10) / (factor * rbw);
  for (std::size_t i = 0; i < power.size(); ++i) {
    density.push_back(power[i] * scale);
    if (frequency[i] >= low && frequency[i] <= high) chosen.push_back(power[i]);
  }
  if (chosen.size() < 2) {
    throw ConfigError(fmt::format("--range: {} points of the trace lie in \"{}\". Widen it.",
                                  chosen.size(), options.common.range));
  }
  const auto level = calibration::trace_level(chosen, averaging, factor * rbw);
  // Points closer than the filter's bandwidth share their noise.
  const double spacing =
      std::abs(frequency.back() - frequency.front()) / static_cast<double>(frequency.size() - 1);
  const double shared = std::max(1.0, factor * rbw / spacing);
  result.method = fmt::format(
      "mean of {} points of a {}-averaged trace, {:+.4f} dB for the averaging, over a noise "
      "bandwidth of {:.4f} RBW",
      chosen.size(), averaging, correction, factor);
  result.model = "S(f) = density, white in the range";
  append_separate(result, {"density", "W/Hz", level.density, level.error * std::sqrt(shared), 0,
                           not_known, not_known, "mean in the range"});
  if (factor_error > 0) {
    add_type_b(result, {level.density * factor_error}, "noise bandwidth of the filter");
  } else {
    calibration::set_interval(result.parameters[0], std::numeric_limits<double>::infinity());
  }
  append_derived(result, "level", "dBm/Hz", "the same as a level",
                 [](const std::vector<double>& p) { return 10 * std::log10(p[0] / 1e-3); });
  calibration::Estimate enbw{
      "enbw",    "Hz",      factor * rbw,     not_known, factor * rbw * factor_error,
      not_known, not_known, "noise bandwidth"};
  if (factor_error > 0) enbw.u_a = 0;
  calibration::set_interval(enbw, std::numeric_limits<double>::infinity());
  result.figures.push_back(enbw);
  result.settings["averaging used"] = averaging;
  result.settings["averaging correction"] = fmt::format("{:.4f} dB", correction);
  result.settings["RBW used"] = fmt::format("{:g} Hz", rbw);
  result.points_used = chosen.size();
  const double point_error = level.error * std::sqrt(static_cast<double>(chosen.size()));
  for (std::size_t i = 0; i < power.size(); ++i) {
    calibration::ResidualRow row;
    row.place = data::place_of_row(table, i);
    row.x = frequency[i];
    row.y = density[i];
    row.model = level.density;
    row.sigma = point_error;
    row.standardised = (row.y - row.model) / row.sigma;
    row.used = frequency[i] >= low && frequency[i] <= high;
    result.residuals.push_back(row);
  }
  if (averaging == "log") {
    double mean = 0, squares = 0;
    for (const double p : chosen) mean += 10 * std::log10(p) / static_cast<double>(chosen.size());
    for (const double p : chosen) squares += std::pow(10 * std::log10(p) - mean, 2);
    const double scatter = std::sqrt(squares / static_cast<double>(chosen.size() - 1));
    result.figures.push_back({"scatter", "dB", scatter,
                              scatter / std::sqrt(2.0 * static_cast<double>(chosen.size() - 1)), 0,
                              not_known, not_known,
                              "of a point; noise scatters by 5.57 / sqrt(N)"});
    // One read-out of noise scatters by 5.57 dB; averaging makes that less, structure more.
    if (scatter > 1.3 * calibration::log_point_scatter_db) {
      reject(result, fmt::format("points scatter by {:.2f} dB, noise by 5.57 dB at most: the trace "
                                 "is not flat in the range (narrow --range)",
                                 scatter));
    }
  }
  const auto detector = table.column(name).settings.find("detector");
  if (detector != table.column(name).settings.end()) result.settings["detector"] = detector->second;
  result.tables.push_back(
      {"spectrum", {{"frequency", "Hz", frequency}, {"density", "W/Hz", density}}, false});
  describe(result, "Noise density of " + name, "W/Hz", false, level.density, low, high);
  result.tables.push_back({"record", {{"power", "W", chosen}}, false});
  const char* mean = averaging == "log"       ? "np.exp(np.mean(np.log(p)))"
                     : averaging == "voltage" ? "np.mean(np.sqrt(p))**2"
                                              : "np.mean(p)";
  result.python = python_table("record.csv", "(p,)") +
                  fmt::format(
                      "S = {} * 10**({:.17g} / 10) / {:.17g}  # {} averaging, noise "
                      "bandwidth\nprint('density', repr(float(S)), 'nan')\nprint('level', "
                      "repr(float(10 * np.log10(S / 1e-3))), 'nan')\n",
                      mean, correction, factor * rbw, averaging);
}

int run(const Options& options, const Streams& streams) {
  const auto table = read_only_file("psd", options.common);
  CalibrationResult result;
  result.kind = "psd";
  has_dimension(table.columns[0], "Hz") && table.columns.size() > 1
      ? of_trace(options, table, result)
      : of_signal(options, table, result);
  note_table(result, table);
  return finish(options.common, result, streams);
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
      "Parameters: density, and level [dBm/Hz] of a trace; figures rms, enbw; spectrum.csv. A\n"
      "density is no parameter of a device, so that there is no device.yaml.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 6 not flat (--strict).";
  verb.examples = {
      "attojoule calibrate psd data/laboratory/noise.csv --segment 64 --range 1kHz:40kHz"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define_files(app);
    options->common.define_range(app);
    app.add_option("--column", options->column, "Its column (default: the only one)");
    app.add_option("--rate", options->rate, "Sample rate, where the file has no time column");
    app.add_option("--segment", options->segment, "Samples per segment (default: by the length)");
    app.add_option("--rbw", options->rbw, "Resolution bandwidth, where the file has none");
    app.add_option("--averaging", options->averaging, "log, voltage or power, likewise");
    app.add_option("--noise-bandwidth", options->noise_bandwidth,
                   "Noise bandwidth of the filter, where it is known");
    app.add_option("--impedance", options->impedance,
                   "Of the analyser's input, for levels in dBuV");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
