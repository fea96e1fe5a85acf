// attojoule calibrate allan: how stable a phase or a frequency is, by averaging time.
#include "calibration/allan.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/kinds.hpp"
#include "tools/calibrate/outcome.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  std::string file, column, data = "phase", rate = "1Hz", deviation = "oadev", taus = "octave",
                            nominal;
  double confidence = 0.95;
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

std::string law_name(int alpha) {
  switch (alpha) {
    case 2:
      return "white phase";
    case 1:
      return "flicker phase";
    case 0:
      return "white frequency";
    case -1:
      return "flicker frequency";
    case -2:
      return "random-walk frequency";
    default:
      return "steeper than a random walk of the frequency";
  }
}

int run(const Options& options, const Streams& streams) {
  const auto kind = calibration::stability_of_name(options.deviation);
  if (!kind) {
    throw ConfigError(fmt::format("--deviation: \"{}\" is unknown. Known: {}.",
                                  data::shown_text(options.deviation),
                                  data::joined_names(calibration::stability_names())));
  }
  if (!(options.confidence > 0 && options.confidence < 1)) {
    throw ConfigError("--confidence: not between 0 and 1. Write for example 0.683.");
  }
  const double rate = quantity(options.rate, "Hz", "--rate");
  if (!(rate > 0)) throw ConfigError("--rate: not above 0 Hz. Write for example --rate 1Hz.");
  const auto table = data::read_lab_file(options.file, options.reading.read_options());
  const std::string name = !options.column.empty()     ? options.column
                           : table.columns.size() == 1 ? table.columns[0].name
                                                       : std::string();
  if (name.empty()) {
    std::vector<std::string> names;
    for (const auto& column : table.columns) names.push_back(column.name);
    throw ConfigError(fmt::format("--column: {} has {} columns. Name one of {}.", options.file,
                                  names.size(), data::joined_names(names)));
  }
  const data::LabColumn& column = table.column(name);
  std::vector<double> x;
  Outcome outcome;
  std::string snippet;
  if (options.data == "phase") {
    // Phase without a unit counts in seconds, as time interval files do.
    x = column.unit.empty() || column.unit == "1" ? column.values
                                                  : data::column_in(table, name, "s");
  } else if (options.data == "frequency") {
    const bool plain = column.unit.empty() || column.unit == "1";
    std::vector<double> y = plain ? column.values : data::column_in(table, name, "Hz");
    double nominal = 0;
    double mean = 0;
    for (const double value : y) mean += value / static_cast<double>(y.size());
    if (!options.nominal.empty()) {
      nominal = quantity(options.nominal, "Hz", "--nominal");
    } else if (!plain || std::abs(mean) > 1e3) {
      nominal = mean;
      outcome.warnings.push_back(fmt::format(
          "fractional frequency is taken relative to the mean, {} Hz (give --nominal for another)",
          mean));
    }
    if (nominal != 0) {
      for (double& value : y) value = (value - nominal) / nominal;
    }
    x = calibration::phase_from_frequency(y, 1 / rate);
  } else {
    throw ConfigError(
        fmt::format("--data: \"{}\" is neither phase nor frequency. Write one of them.",
                    data::shown_text(options.data)));
  }
  const auto curve =
      calibration::stability_curve(*kind, x, 1 / rate, {options.taus, options.confidence});
  if (curve.empty()) {
    throw DataError(fmt::format("{}: {} phase points are too few for {}; give a longer record",
                                options.file, x.size(), options.deviation));
  }
  outcome.kind = "allan";
  outcome.add_input(table);
  const bool time = *kind == calibration::Stability::tdev ||
                    *kind == calibration::Stability::mtie ||
                    *kind == calibration::Stability::tierms;
  const std::string unit = time ? "s" : "1";
  const auto point_parameter = [&](const std::string& parameter,
                                   const calibration::StabilityPoint& point) {
    OutcomeParameter entry{parameter, unit, point.deviation};
    if (point.edf > 0) {
      // Relative standard error of a deviation from edf degrees of freedom.
      entry.u_a = point.deviation / std::sqrt(2 * point.edf);
      if (options.confidence == 0.95) entry.interval95 = {point.lower, point.upper};
    }
    return entry;
  };
  const auto least = std::min_element(curve.begin(), curve.end(), [](const auto& a, const auto& b) {
    return a.deviation < b.deviation;
  });
  outcome.parameters.push_back(point_parameter(options.deviation + "_tau0", curve.front()));
  outcome.parameters.push_back(point_parameter(options.deviation + "_min", *least));
  outcome.parameters.push_back({"tau_min", "s", least->tau_s});
  if (least == std::prev(curve.end())) {
    outcome.warnings.push_back(
        "the deviation still falls at the longest averaging time: its floor "
        "is not reached");
  }
  auto& details = outcome.details["curve"];
  details = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> rows;
  data::LabColumn m, tau, deviation, low, high, alpha;
  m.name = "m";
  m.unit = alpha.unit = "1";
  tau.name = "tau";
  tau.unit = "s";
  deviation.name = options.deviation;
  low.name = "lower";
  high.name = "upper";
  alpha.name = "alpha";
  deviation.unit = low.unit = high.unit = unit;
  PlotSeries series;
  series.label = options.deviation;
  for (const auto& point : curve) {
    nlohmann::ordered_json entry = {{"m", point.m},
                                    {"tau_s", point.tau_s},
                                    {"deviation", point.deviation},
                                    {"terms", point.terms},
                                    {"alpha", point.alpha}};
    const bool bounded = point.edf > 0;
    if (bounded) {
      entry["edf"] = point.edf;
      entry["lower"] = point.lower;
      entry["upper"] = point.upper;
    }
    details.push_back(entry);
    rows.push_back({std::to_string(point.m), significant(point.tau_s, 6),
                    significant(point.deviation, 6), bounded ? significant(point.lower, 5) : "-",
                    bounded ? significant(point.upper, 5) : "-", std::to_string(point.terms),
                    law_name(point.alpha)});
    m.values.push_back(static_cast<double>(point.m));
    tau.values.push_back(point.tau_s);
    deviation.values.push_back(point.deviation);
    low.values.push_back(bounded ? point.lower : point.deviation);
    high.values.push_back(bounded ? point.upper : point.deviation);
    alpha.values.push_back(point.alpha);
    series.x.push_back(point.tau_s);
    series.y.push_back(point.deviation);
    if (bounded) series.error.push_back((point.upper - point.lower) / 2);
  }
  outcome.residuals = {m, tau, deviation, low, high, alpha};
  outcome.details["confidence"] = options.confidence;
  outcome.plots.push_back({fmt::format("{} of {}", options.deviation, name),
                           "averaging time [s]",
                           fmt::format("{} [{}]", options.deviation, unit),
                           true,
                           true,
                           {series}});
  outcome.verdict = "accepted";
  outcome.python_check = fmt::format(
      "import numpy as np\nx = ...  # phase [s], every {} s: the column \"{}\"{}\nm = {}\nd = "
      "x[2*m:] "
      "- 2*x[m:-m] + x[:-2*m]\nprint(np.sqrt(np.mean(d**2) / 2) / (m * {}))  # oadev at m\n",
      1 / rate, name, options.data == "frequency" ? ", summed up" : "", curve.front().m, 1 / rate);
  if (!options.outcome.json) {
    streams.out << format_table(
                       {"m", "tau [s]", options.deviation, "lower", "upper", "terms", "noise"},
                       rows)
                << "\n";
  }
  return deliver(outcome, options.outcome, streams);
}

}  // namespace

Verb calibrate_allan() {
  Verb verb;
  verb.name = "allan";
  verb.summary = "Allan deviation and its relatives of a phase or frequency record";
  verb.description =
      "Deviations adev, oadev, mdev, tdev, hdev, ohdev, totdev, theo1, mtie, tierms over "
      "averaging\n"
      "times (NIST SP 1065), with the power law of the noise identified at each (lag-1\n"
      "autocorrelation) and chi-square intervals from its equivalent degrees of freedom. The "
      "phase\n"
      "is in seconds; a frequency record in hertz is divided by --nominal, or by its mean.\n"
      "result.json: parameters DEV_tau0, DEV_min, tau_min; `curve` has every averaging time.";
  verb.examples = {
      "attojoule calibrate allan data/laboratory/phase.csv --rate 1Hz --deviation mdev"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("file", options->file, "File with the record")->required();
    app.add_option("--column", options->column, "Its column (default: the only one)");
    app.add_option("--data", options->data, "phase or frequency")->capture_default_str();
    app.add_option("--rate", options->rate, "Samples per time")->capture_default_str();
    app.add_option("--nominal", options->nominal,
                   "Frequency that a frequency record is relative to");
    app.add_option("--deviation", options->deviation, "Which deviation")->capture_default_str();
    app.add_option("--taus", options->taus, "octave, decade or all")->capture_default_str();
    app.add_option("--confidence", options->confidence, "Of the intervals")->capture_default_str();
    options->reading.define(app);
    options->outcome.define(app);
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
