// attojoule calibrate allan: how stable a phase or a frequency is, by averaging time.
#include "calibration/allan.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <memory>
#include <tuple>

#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  std::string column, data = "auto", rate, deviation = "oadev", taus = "octave", nominal;
  double confidence = 0.95;
};

// Every deviation in numpy, of the phase x with sample interval t: the definitions of NIST SP 1065
// written down once more.
constexpr const char* numpy_deviations = R"(
def second(x, m): return x[2*m:] - 2*x[m:-m] + x[:-2*m]
def third(x, m): return x[3*m:] - 3*x[2*m:-m] + 3*x[m:-2*m] - x[:-3*m]
def mean2(d): return np.mean(d**2)
def oadev(x, m): return np.sqrt(mean2(second(x, m)) / 2) / (m*t)
def adev(x, m): return np.sqrt(mean2(second(x, m)[::m]) / 2) / (m*t)
def mdev(x, m):
    d = second(x, m)
    c = np.cumsum(np.r_[0, d])
    return np.sqrt(mean2((c[m:] - c[:-m]) / m) / 2) / (m*t)
def tdev(x, m): return m*t / np.sqrt(3) * mdev(x, m)
def ohdev(x, m): return np.sqrt(mean2(third(x, m)) / 6) / (m*t)
def hdev(x, m): return np.sqrt(mean2(third(x, m)[::m]) / 6) / (m*t)
def totdev(x, m):
    n = len(x)
    e = np.r_[2*x[0] - x[1:][::-1], x, 2*x[-1] - x[:-1][::-1]]
    k = np.arange(1, n - 1) + n - 1
    return np.sqrt(mean2(e[k - m] - 2*e[k] + e[k + m]) / 2) / (m*t)
def theo1(x, m):
    n, h, total = len(x), m // 2, 0
    for d in range(h):
        i = np.arange(n - m)
        total += np.sum(((x[i] - x[i - d + h]) + (x[i + m] - x[i + d + h]))**2) / (h - d)
    return np.sqrt(total / (n - m) / 0.75) / (m*t)
def mtie(x, m): return max(np.ptp(x[i:i + m + 1]) for i in range(len(x) - m))
def tierms(x, m): return np.sqrt(mean2(x[m:] - x[:-m]))
)";

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

// Of even times beside the readings [s].
std::optional<double> step_of_time_column(const data::LabTable& table,
                                          const std::string& readings) {
  for (const auto& column : table.columns) {
    if (column.name == readings || !has_dimension(column, "s")) continue;
    const auto t = data::column_in(table, column.name, "s");
    if (t.size() < 2) continue;
    std::vector<double> differences;
    for (std::size_t i = 1; i < t.size(); ++i) differences.push_back(t[i] - t[i - 1]);
    const auto middle = differences.begin() + static_cast<std::ptrdiff_t>(differences.size() / 2);
    std::nth_element(differences.begin(), middle, differences.end());
    const double step = *middle;
    for (std::size_t i = 1; i < t.size(); ++i) {
      if (!(std::abs(t[i] - t[i - 1] - step) < 0.01 * std::abs(step))) {
        throw DataError(
            fmt::format("{}: {} steps by {:.4g} s where most steps are {:.4g} s (a deviation needs "
                        "even times). "
                        "Fill the gap, or cut the record there.",
                        place_of_row(table, i), column.name, t[i] - t[i - 1], step));
      }
    }
    if (step > 0) return step;
  }
  return std::nullopt;
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
  double rate = optional_quantity("--rate", options.rate, "Hz").value_or(1);
  if (!(rate > 0)) throw ConfigError("--rate: not above 0 Hz. Write for example --rate 1Hz.");
  const auto table = read_only_file("allan", options.common);
  const std::string name = only_column(table, options.column, {});
  const data::LabColumn& column = table.column(name);
  if (options.rate.empty()) {
    if (const auto step = step_of_time_column(table, name)) rate = 1 / *step;
  }
  std::vector<double> x;
  calibration::CalibrationResult result;
  std::string kind_of_data = options.data;
  if (kind_of_data == "auto") {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const bool frequency = has_dimension(column, "Hz") || lower.find("freq") != std::string::npos;
    kind_of_data = frequency ? "frequency" : "phase";
    if (frequency) {
      result.warnings.push_back(
          fmt::format("\"{}\" is taken as a frequency (--data phase for the other)", name));
    }
  }
  if (kind_of_data == "phase") {
    // Phase without a unit counts in seconds, as time interval files do.
    x = column.unit.empty() || column.unit == "1" ? column.values
                                                  : data::column_in(table, name, "s");
  } else if (kind_of_data == "frequency") {
    const bool plain = column.unit.empty() || column.unit == "1";
    std::vector<double> y = plain ? column.values : data::column_in(table, name, "Hz");
    double nominal = 0;
    double mean = 0;
    for (const double value : y) mean += value / static_cast<double>(y.size());
    if (!options.nominal.empty()) {
      nominal = option_quantity("--nominal", options.nominal, "Hz");
    } else if (!plain || std::abs(mean) > 1e3) {
      nominal = mean;
      result.warnings.push_back(fmt::format(
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
                                table.file.string(), x.size(), options.deviation));
  }
  result.kind = "allan";
  const bool time = *kind == calibration::Stability::tdev ||
                    *kind == calibration::Stability::mtie ||
                    *kind == calibration::Stability::tierms;
  const std::string unit = time ? "s" : "1";
  result.method = fmt::format(
      "{} by NIST SP 1065; power law by lag-1 autocorrelation, {:g} % intervals by chi-square with "
      "its equivalent degrees of freedom",
      options.deviation, 100 * options.confidence);
  result.model = options.deviation + "(tau), tau = m tau_0";
  const auto least = std::min_element(curve.begin(), curve.end(), [](const auto& a, const auto& b) {
    return a.deviation < b.deviation;
  });
  const auto append = [&](const char* suffix, const calibration::StabilityPoint& point) {
    calibration::Estimate entry{options.deviation + suffix, unit, point.deviation};
    entry.meaning = fmt::format("at tau = {:.6g} s", point.tau_s);
    if (point.edf > 0) {
      // Relative standard error of a deviation from edf degrees of freedom.
      entry.u_a = point.deviation / std::sqrt(2 * point.edf);
      std::tie(entry.interval_low, entry.interval_high) =
          calibration::stability_interval(point, 0.95);
      std::tie(entry.interval68_low, entry.interval68_high) =
          calibration::stability_interval(point, calibration::one_sigma);
    }
    append_separate(result, entry);
  };
  append("_tau0", curve.front());
  append("_min", *least);
  result.figures.push_back({"tau_min", "s", least->tau_s, calibration::not_known, 0,
                            calibration::not_known, calibration::not_known,
                            "averaging time of the least deviation"});
  if (least == std::prev(curve.end())) {
    result.warnings.push_back(
        "the deviation still falls at the longest averaging time: its floor "
        "is not reached");
  }
  using Column = calibration::ResultTable::Column;
  Column m{"m", "1", {}}, tau{"tau", "s", {}}, deviation{options.deviation, unit, {}};
  Column low{"lower", unit, {}}, high{"upper", unit, {}}, terms{"terms", "1", {}};
  Column edf{"edf", "1", {}}, alpha{"alpha", "1", {}}, law{"noise", "1", {}};
  calibration::PlotSeries series{
      options.deviation, {}, {}, {}, calibration::PlotSeries::Kind::points};
  calibration::PlotSeries upper{"95 %", {}, {}, {}, calibration::PlotSeries::Kind::line};
  calibration::PlotSeries lower{"95 %", {}, {}, {}, calibration::PlotSeries::Kind::line};
  for (const auto& point : curve) {
    const bool bounded = point.edf > 0;
    m.values.push_back(static_cast<double>(point.m));
    tau.values.push_back(point.tau_s);
    deviation.values.push_back(point.deviation);
    low.values.push_back(bounded ? point.lower : calibration::not_known);
    high.values.push_back(bounded ? point.upper : calibration::not_known);
    terms.values.push_back(static_cast<double>(point.terms));
    edf.values.push_back(bounded ? point.edf : calibration::not_known);
    alpha.values.push_back(point.alpha);
    law.texts.push_back(law_name(point.alpha));
    series.x.push_back(point.tau_s);
    series.y.push_back(point.deviation);
    if (bounded) {
      upper.x.push_back(point.tau_s);
      upper.y.push_back(point.upper);
      lower.x.push_back(point.tau_s);
      lower.y.push_back(point.lower);
    }
    calibration::ResidualRow row;
    row.place = fmt::format("m = {}", point.m);
    row.x = point.tau_s;
    row.y = point.deviation;
    if (bounded) row.sigma = point.deviation / std::sqrt(2 * point.edf);
    result.residuals.push_back(row);
  }
  result.points_used = x.size();
  calibration::Plot plot{fmt::format("{} of {}", options.deviation, name),
                         "averaging time [s]",
                         fmt::format("{} [{}]", options.deviation, unit),
                         true,
                         true,
                         {series}};
  if (!upper.x.empty()) {
    plot.series.push_back(upper);
    plot.series.push_back(lower);
  }
  result.plots.push_back(plot);
  result.tables.push_back({"curve", {m, tau, deviation, low, high, terms, edf, alpha, law}});
  result.tables.push_back({"record", {{"phase", "s", x}}, false});
  result.settings["confidence"] = fmt::format("{:g}", options.confidence);
  result.settings["sample interval used"] = fmt::format("{:.12g} s", 1 / rate);
  result.python = python_table("record.csv", "(x,)") + fmt::format("t = {:.17g}", 1 / rate) +
                  numpy_deviations +
                  fmt::format(
                      "print('{0}_tau0', repr(float({0}(x, {1}))), 'nan')\nprint('{0}_min', "
                      "repr(float({0}(x, {2}))), 'nan')\n",
                      options.deviation, curve.front().m, least->m);
  note_table(result, table);
  return finish(options.common, result, streams);
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
      "Parameters: DEV_tau0, DEV_min; figure tau_min; the table `curve` has every averaging time.\n"
      "No parameter of a device, so that there is no device.yaml.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input.";
  verb.examples = {
      "attojoule calibrate allan data/laboratory/phase.csv --rate 1Hz --deviation mdev"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define_files(app);
    app.add_option("--column", options->column, "Its column (default: the only one)");
    app.add_option("--data", options->data, "phase or frequency")->capture_default_str();
    app.add_option("--rate", options->rate,
                   "Samples per time (default: of a column of times, else 1Hz)");
    app.add_option("--nominal", options->nominal,
                   "Frequency that a frequency record is relative to");
    app.add_option("--deviation", options->deviation, "Which deviation")->capture_default_str();
    app.add_option("--taus", options->taus, "octave, decade or all")->capture_default_str();
    app.add_option("--confidence", options->confidence, "Of the intervals")->capture_default_str();
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
