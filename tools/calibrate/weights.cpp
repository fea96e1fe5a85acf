// attojoule calibrate weights: what scatters a weight, and how far it is from its target.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

#include "calibration/nested_variance.hpp"
#include "data/lab_units.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/kinds.hpp"
#include "tools/calibrate/outcome.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  std::string file, target = "target", write = "write", value = "value";
  double full_scale = 0;
  FileOptions reading;
  OutcomeOptions outcome;
};

// A variance as a standard deviation, with its interval; one that came out negative is zero with an
// upper limit, and said so.
OutcomeParameter deviation(const std::string& name, const std::string& unit, double variance,
                           double error, double low, double high, Outcome& outcome) {
  OutcomeParameter parameter{name, unit, std::sqrt(std::max(variance, 0.0))};
  parameter.u_a = variance > 0 ? error / (2 * std::sqrt(variance)) : 0;
  parameter.interval95 = {std::sqrt(std::max(low, 0.0)), std::sqrt(std::max(high, 0.0))};
  if (!(variance > 0)) {
    outcome.warnings.push_back(fmt::format(
        "{}: the estimate of its variance is {:.3g} (not above zero: not resolved in this design); "
        "only the upper limit of the interval says something",
        name, variance));
  }
  return parameter;
}

int run(const Options& options, const Streams& streams) {
  const auto table = data::read_lab_file(options.file, options.reading.read_options());
  const data::LabColumn& value = table.column(options.value);
  const std::string unit = value.unit.empty() ? "1" : value.unit;
  // Both in the unit of the measured value.
  const auto targets = data::column_in(table, options.target, unit);
  const auto values = data::column_in(table, options.value, unit);
  const auto& writes = table.column(options.write).values;
  const auto result = calibration::nested_variance(targets, writes, values);
  const double full =
      options.full_scale > 0 ? options.full_scale : result.target.back() - result.target.front();
  Outcome outcome;
  outcome.kind = "weights";
  outcome.add_input(table);
  auto& parameters = outcome.parameters;
  parameters.push_back(deviation("sigma_programming", unit, result.write_variance,
                                 result.write_error, result.write_lower, result.write_upper,
                                 outcome));
  parameters.push_back(deviation("sigma_read", unit, result.read_variance, result.read_error,
                                 result.read_lower, result.read_upper, outcome));
  parameters.push_back(deviation("rms_transfer_error", unit, result.transfer_variance,
                                 result.transfer_error,
                                 result.transfer_variance - 2 * result.transfer_error,
                                 result.transfer_variance + 2 * result.transfer_error, outcome));
  parameters.push_back({"gain", "1", result.gain, result.gain_error});
  parameters.push_back({"offset", unit, result.offset, result.offset_error});
  const double total = std::max(result.write_variance, 0.0) + result.read_variance;
  const double relative =
      std::hypot(result.write_error, result.read_error) / (2 * std::max(total, 1e-300));
  const double bits = std::log2(full / std::sqrt(total));
  parameters.push_back({"bits_sigma", "bit", bits, relative / std::log(2.0)});
  parameters.push_back(
      {"bits_quantiser", "bit", bits - std::log2(std::sqrt(12.0)), relative / std::log(2.0)});
  outcome.details["full_scale"] = full;
  outcome.details["bits_sigma_is"] = "log2(full scale / sigma)";
  outcome.details["bits_quantiser_is"] = "log2(full scale / (sigma sqrt(12)))";
  outcome.details["programming_variance"] = result.write_variance;
  outcome.details["read_variance"] = result.read_variance;
  outcome.details["transfer_variance"] = result.transfer_variance;
  outcome.details["variance_about_line"] = result.residual_variance;
  outcome.details["targets"] = result.targets;
  outcome.details["writes"] = result.cells;
  outcome.details["readings"] = result.readings;
  outcome.details["mean_squares"] = {{"write", result.ms_write},
                                     {"write_dof", result.dof_write},
                                     {"read", result.ms_read},
                                     {"read_dof", result.dof_read},
                                     {"probability_without_programming", result.write_probability}};
  data::LabColumn t, m, u, d;
  t.name = "target";
  m.name = "mean";
  u.name = "u_mean";
  d.name = "residual";
  t.unit = m.unit = u.unit = d.unit = unit;
  PlotSeries points, line;
  points.label = "mean - target";
  line.label = "line - target";
  line.line = true;
  for (std::size_t i = 0; i < result.targets; ++i) {
    t.values.push_back(result.target[i]);
    m.values.push_back(result.mean[i]);
    u.values.push_back(result.mean_error[i]);
    d.values.push_back(result.mean[i] - result.target[i]);
    points.x.push_back(result.target[i]);
    points.y.push_back(d.values.back());
    points.error.push_back(2 * result.mean_error[i]);
    line.x.push_back(result.target[i]);
    line.y.push_back(result.offset + (result.gain - 1) * result.target[i]);
  }
  outcome.residuals = {t, m, u, d};
  outcome.plots.push_back({"Systematic transfer error",
                           "target [" + unit + "]",
                           "deviation [" + unit + "]",
                           false,
                           false,
                           {points, line}});
  outcome.python_check = fmt::format(
      "import numpy as np\ny = ...  # {} as an array [target, write, read]\nS, C, R = "
      "y.shape\nms_read = "
      "y.var(axis=2, ddof=1).mean()\nms_write = R * y.mean(axis=2).var(axis=1, ddof=1).mean()\n"
      "print(np.sqrt(ms_read), np.sqrt((ms_write - ms_read) / R))  # read, programming\n",
      options.value);
  return deliver(outcome, options.outcome, streams);
}

}  // namespace

Verb calibrate_weights() {
  Verb verb;
  verb.name = "weights";
  verb.summary = "Programming noise, read noise and transfer error of weights";
  verb.description =
      "Every target is written several times (column `write`, a number), every written value read\n"
      "several times (further rows). A nested analysis of variance separates programming noise, "
      "read\n"
      "noise and the systematic transfer error (mean against target, and against a line: gain,\n"
      "offset). Intervals: chi-square, and modified large-sample for the programming noise.\n"
      "Bits are given as log2(full scale / sigma) and, 1.79 less, log2(full scale / (sigma "
      "sqrt(12))).";
  verb.examples = {"attojoule calibrate weights data/laboratory/weights.csv"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("file", options->file, "File with one reading per row")->required();
    app.add_option("--target", options->target, "Column of the commanded weight")
        ->capture_default_str();
    app.add_option("--write", options->write, "Column that numbers the writes")
        ->capture_default_str();
    app.add_option("--value", options->value, "Column of the measured weight")
        ->capture_default_str();
    app.add_option("--full-scale", options->full_scale,
                   "For the bits, in the unit of the value (default: range of the targets)");
    options->reading.define(app);
    options->outcome.define(app);
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
