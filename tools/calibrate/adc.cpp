// attojoule calibrate adc: effective bits and linearity of a converter from records of a sine wave.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

#include "calibration/converter.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/kinds.hpp"
#include "tools/calibrate/outcome.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  std::string file, column, rate, frequency;
  int bits = 0;
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

int run(const Options& options, const Streams& streams) {
  if (options.bits < 0 || options.bits > 24) {
    throw ConfigError("--bits: not from 1 to 24. Write the converter's resolution.");
  }
  const auto table = data::read_lab_file(options.file, options.reading.read_options());
  const bool timed = table.columns.size() > 1 && [&] {
    const auto unit = data::parse_lab_unit(table.columns[0].unit);
    return unit && !table.columns[0].unit.empty() &&
           data::same_dimension(*unit, *data::parse_lab_unit("s"));
  }();
  double rate = 1;
  bool rate_known = true;
  if (!options.rate.empty()) {
    rate = quantity(options.rate, "Hz", "--rate");
  } else if (timed) {
    const auto t = data::column_in(table, table.columns[0].name, "s");
    rate = static_cast<double>(t.size() - 1) / (t.back() - t.front());
  } else if (const auto interval = data::setting_in(table, "sample interval", "s")) {
    rate = 1 / *interval;
  } else {
    rate_known = false;
  }
  if (!(rate > 0) || !std::isfinite(rate)) throw ConfigError("--rate: not above 0 Hz. Mend it.");
  std::string name = options.column;
  if (name.empty()) {
    const std::size_t first = timed ? 1 : 0;
    if (table.columns.size() != first + 1) {
      std::vector<std::string> names;
      for (const auto& column : table.columns) names.push_back(column.name);
      throw ConfigError(fmt::format("--column: {} has several. Name one of {}.", options.file,
                                    data::joined_names(names)));
    }
    name = table.columns[first].name;
  }
  const auto& y = table.column(name).values;
  double omega = 0;
  if (!options.frequency.empty()) {
    if (!rate_known)
      throw ConfigError("--frequency: the sample rate is not known. Pass --rate, too.");
    omega = 2 * std::numbers::pi * quantity(options.frequency, "Hz", "--frequency") / rate;
    if (!(omega > 0) || omega >= std::numbers::pi) {
      throw ConfigError(
          "--frequency: not between 0 and half the sample rate. Give the alias that the "
          "record shows.");
    }
  }
  const auto fit = calibration::fit_sine(y, omega);
  const auto figures = calibration::converter_figures(fit, options.bits);
  Outcome outcome;
  outcome.kind = "adc";
  outcome.add_input(table);
  const std::string unit = table.column(name).unit.empty() ? "DN" : table.column(name).unit;
  outcome.parameters = {
      {"enob", "bit", figures.enob, figures.enob_error},
      {"sinad", "dB", figures.sinad_db, figures.sinad_error_db},
      {"sfdr", "dB", figures.sfdr_db},
      {"thd", "dB", figures.thd_db},
      {"amplitude", unit, fit.amplitude, fit.amplitude_error},
      {"offset", unit, fit.offset, fit.offset_error},
      {"noise", unit, fit.residual_rms,
       fit.residual_rms / std::sqrt(2.0 * static_cast<double>(y.size()))},
      {"frequency", rate_known ? "Hz" : "1", fit.omega * rate / (2 * std::numbers::pi),
       fit.omega_error * rate / (2 * std::numbers::pi)}};
  outcome.details["enob_reference"] = figures.enob_of_full_scale
                                          ? "full scale of 2^bits codes"
                                          : "range of the sine (pass --bits for the full scale)";
  outcome.details["fit"] = fit.frequency_fitted ? "four parameters" : "three parameters";
  outcome.details["harmonics_db"] = figures.harmonic_db;
  if (options.bits > 0) {
    const double full = std::exp2(options.bits);
    const double share = 2 * fit.amplitude / full;
    outcome.details["amplitude_of_full_scale"] = share;
    if (share < 0.5) {
      outcome.warnings.push_back(fmt::format(
          "the sine fills {:.0f} % of the full scale: noise that grows with the signal is missed",
          100 * share));
    }
    const auto [low, high] = std::minmax_element(y.begin(), y.end());
    if (*high - *low > full - 1 || *low < 0 || *high > full - 1) {
      // Signed codes are shifted by half the full scale.
      if (*high - *low > full - 1) {
        throw DataError(fmt::format("{}: codes from {} to {} do not fit {} bit; mend --bits",
                                    options.file, *low, *high, options.bits));
      }
    }
  }
  data::LabColumn n, r;
  n.name = "sample";
  n.unit = "1";
  r.name = "residual";
  r.unit = unit;
  r.values = fit.residuals;
  PlotSeries against;
  for (std::size_t i = 0; i < y.size(); ++i) {
    n.values.push_back(static_cast<double>(i));
    against.x.push_back(y[i]);
    against.y.push_back(fit.residuals[i]);
  }
  outcome.residuals = {n, r};
  outcome.plots.push_back({"Residuals of the sine fit against the sample's value",
                           name + " [" + unit + "]",
                           "residual [" + unit + "]",
                           false,
                           false,
                           {against}});
  const bool whole = std::all_of(y.begin(), y.end(), [](double v) { return v == std::round(v); });
  if (whole) {
    const auto [low, high] = std::minmax_element(y.begin(), y.end());
    const double codes = *high - *low + 1;
    // Below that a histogram says nothing about single codes.
    if (codes >= 6 && static_cast<double>(y.size()) >= 32 * codes) {
      const auto histogram = calibration::code_histogram(y);
      double dnl = 0, dnl_error = 0, inl = 0;
      for (std::size_t k = 0; k < histogram.dnl.size(); ++k) {
        if (std::abs(histogram.dnl[k]) > std::abs(dnl)) {
          dnl = histogram.dnl[k];
          dnl_error = histogram.dnl_error[k];
        }
        if (std::abs(histogram.inl[k]) > std::abs(inl)) inl = histogram.inl[k];
      }
      outcome.parameters.push_back({"dnl", "LSB", dnl, dnl_error});
      outcome.parameters.push_back({"inl", "LSB", inl});
      outcome.details["first_code"] = histogram.first_code;
      outcome.details["dnl"] = histogram.dnl;
      outcome.details["inl"] = histogram.inl;
      outcome.details["missing_codes"] = histogram.missing;
      PlotSeries d, i;
      d.label = "DNL";
      i.label = "INL";
      i.line = true;
      for (std::size_t k = 0; k < histogram.dnl.size(); ++k) {
        d.x.push_back(histogram.first_code + static_cast<double>(k));
        d.y.push_back(histogram.dnl[k]);
        i.x.push_back(d.x.back());
        i.y.push_back(histogram.inl[k]);
      }
      outcome.plots.push_back({"Linearity", "code", "deviation [LSB]", false, false, {d, i}});
    } else {
      outcome.warnings.push_back(
          fmt::format("{} samples of {} codes are too few for DNL and INL (at least 32 per code)",
                      y.size(), codes));
    }
  } else {
    outcome.warnings.push_back("samples are no whole numbers: no DNL and INL");
  }
  outcome.python_check = fmt::format(
      "import numpy as np\ny = ...  # the column \"{}\"\nt = np.arange(len(y))\nw = {}\nM = "
      "np.c_[np.cos(w*t), np.sin(w*t), np.ones(len(y))]\np = np.linalg.lstsq(M, y, "
      "rcond=None)[0]\nr = "
      "y - M @ p\nprint(20*np.log10(np.hypot(p[0], p[1]) / np.sqrt(2) / np.sqrt(np.mean(r**2))))  "
      "# "
      "SINAD\n",
      name, fit.omega);
  return deliver(outcome, options.outcome, streams);
}

}  // namespace

Verb calibrate_adc() {
  Verb verb;
  verb.name = "adc";
  verb.summary = "Effective bits, distortion and linearity of a converter from a sine record";
  verb.description =
      "Sine fit of IEEE Std 1057 (four parameters; three with --frequency): SINAD, ENOB, THD of\n"
      "harmonics 2 to 10, SFDR. ENOB refers to the full scale of --bits, else to the sine's "
      "range.\n"
      "Codes (whole numbers, 32 samples each at least) also give DNL and INL by the histogram of\n"
      "IEEE Std 1241; the sine must not be coherent with the clock for that.\n"
      "ENOB counts quantisation noise, log2(V / (sigma sqrt(12))); log2(V / sigma) is 1.79 bit "
      "more.";
  verb.examples = {"attojoule calibrate adc data/laboratory/sine_8bit.csv --bits 8"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("file", options->file, "File with the record")->required();
    app.add_option("--column", options->column, "Its column (default: the only one)");
    app.add_option("--bits", options->bits, "Resolution of the converter");
    app.add_option("--rate", options->rate, "Sample rate, where the file has no time column");
    app.add_option("--frequency", options->frequency, "Of the sine, where it is known exactly");
    options->reading.define(app);
    options->outcome.define(app);
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
