// attojoule calibrate nonlinearity: input-output curves of the channels of an optical nonlinearity.
#include "calibration/nonlinearity.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "photonics/error.hpp"
#include "tools/calibrate/kinds.hpp"
#include "tools/calibrate/outcome.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  std::string file, test, input = "before", output = "after", channel = "channel", model = "auto";
  std::size_t blocks = 5;
  FileOptions reading;
  OutcomeOptions outcome;
};

struct Channel {
  std::vector<double> x, y;
};

std::map<double, Channel> channels_of(const Options& options, const data::LabTable& table) {
  std::map<double, Channel> channels;
  const auto& x = table.column(options.input).values;
  const auto& y = table.column(options.output).values;
  const data::LabColumn* labels = table.find(options.channel);
  if (labels == nullptr && options.channel != "channel") table.column(options.channel);
  for (std::size_t i = 0; i < x.size(); ++i) {
    Channel& channel = channels[labels != nullptr ? labels->values[i] : 0];
    channel.x.push_back(x[i]);
    channel.y.push_back(y[i]);
  }
  return channels;
}

struct Quality {
  double squares = 0, fourth = 0;
  std::size_t count = 0;
  void add(double error) {
    squares += error * error;
    fourth += error * error * error * error;
    ++count;
  }
  double rms() const { return std::sqrt(squares / static_cast<double>(count)); }
  // Standard error from the scatter of the squares themselves, whatever the law of the errors.
  double error() const {
    const auto n = static_cast<double>(count);
    const double mean = squares / n;
    return std::sqrt(std::max(fourth / n - mean * mean, 0.0) / n) / (2 * rms());
  }
};

int run(const Options& options, const Streams& streams) {
  using calibration::CurveModel;
  const auto train = data::read_lab_file(options.file, options.reading.read_options());
  const auto channels = channels_of(options, train);
  Outcome outcome;
  outcome.kind = "nonlinearity";
  outcome.add_input(train);
  CurveModel model = CurveModel::power;
  if (options.model == "auto") {
    // By prediction of held-out blocks: more parameters fit better, but do not predict better.
    double best = 0;
    for (const CurveModel candidate : calibration::curve_models) {
      double squares = 0;
      std::size_t count = 0;
      for (const auto& [label, channel] : channels) {
        const double error =
            calibration::block_error(channel.x, channel.y, candidate, options.blocks);
        squares += error * error * static_cast<double>(channel.x.size());
        count += channel.x.size();
      }
      const double rms = std::sqrt(squares / static_cast<double>(count));
      outcome.details["held_out_rms"][calibration::name_of(candidate)] = rms;
      if (best == 0 || rms < best) {
        best = rms;
        model = candidate;
      }
    }
  } else {
    bool known = false;
    std::vector<std::string> names;
    for (const CurveModel candidate : calibration::curve_models) {
      names.push_back(calibration::name_of(candidate));
      if (names.back() == options.model) {
        model = candidate;
        known = true;
      }
    }
    if (!known) {
      throw ConfigError(fmt::format("--model: \"{}\" is unknown. Known: auto, {}.", options.model,
                                    fmt::join(names, ", ")));
    }
  }
  outcome.details["model"] = calibration::name_of(model);
  std::map<double, calibration::ChannelCurve> curves, lines;
  Quality fitted;
  auto& list = outcome.details["channels"] = nlohmann::ordered_json::array();
  for (const auto& [label, channel] : channels) {
    curves[label] = calibration::fit_curve(label, channel.x, channel.y, model);
    lines[label] = calibration::fit_curve(label, channel.x, channel.y, CurveModel::line);
    const auto& curve = curves[label];
    nlohmann::ordered_json entry = {{"channel", label},
                                    {"input_scale", curve.input_scale},
                                    {"output_scale", curve.output_scale}};
    for (std::size_t k = 0; k < curve.fit.values.size(); ++k) {
      entry["parameters"][curve.fit.parameters[k].name] = {{"value", curve.fit.values[k]},
                                                           {"u_a", curve.fit.standard_error(k)}};
    }
    list.push_back(entry);
    for (const double residual : curve.fit.residuals) fitted.add(residual);
  }
  outcome.parameters.push_back({"rms_train", "1", fitted.rms(), fitted.error()});
  const data::LabTable* checked = &train;
  data::LabTable test;
  if (!options.test.empty()) {
    test = data::read_lab_file(options.test, options.reading.read_options());
    outcome.add_input(test);
    checked = &test;
  } else {
    outcome.warnings.push_back("no --test file: how well the curves predict is not checked");
  }
  Quality predicted, straight;
  data::LabColumn label_column, x_column, y_column, f_column;
  label_column.name = "channel";
  x_column.name = "input";
  y_column.name = "output";
  f_column.name = "residual";
  label_column.unit = x_column.unit = y_column.unit = f_column.unit = "1";
  std::size_t beyond = 0;
  PlotSeries errors;
  for (const auto& [label, channel] : channels_of(options, *checked)) {
    const auto at = curves.find(label);
    if (at == curves.end()) {
      throw DataError(fmt::format("{}: channel {} is not in {}; give files of one device",
                                  options.test, label, options.file));
    }
    for (std::size_t i = 0; i < channel.x.size(); ++i) {
      const double y = channel.y[i] / at->second.output_scale;
      const double error = y - calibration::predict(at->second, model, channel.x[i]);
      predicted.add(error);
      straight.add(y - calibration::predict(lines[label], CurveModel::line, channel.x[i]));
      beyond += channel.x[i] > at->second.input_scale;
      label_column.values.push_back(label);
      x_column.values.push_back(channel.x[i] / at->second.input_scale);
      y_column.values.push_back(y);
      f_column.values.push_back(error);
    }
  }
  errors.x = x_column.values;
  errors.y = f_column.values;
  const std::string which = options.test.empty() ? "train" : "test";
  if (!options.test.empty()) {
    outcome.parameters.push_back({"rms_test", "1", predicted.rms(), predicted.error()});
  }
  outcome.parameters.push_back({"rms_line_" + which, "1", straight.rms(), straight.error()});
  if (beyond > 0) {
    outcome.warnings.push_back(fmt::format(
        "{} inputs lie above the training set's greatest: the curve is extrapolated there",
        beyond));
  }
  outcome.residuals = {label_column, x_column, y_column, f_column};
  PlotSeries curve;
  curve.line = true;
  curve.label = calibration::name_of(model);
  PlotSeries points;
  points.label = fmt::format("channel {}", channels.begin()->first);
  const auto& first = curves.begin()->second;
  for (int i = 0; i <= 200; ++i) {
    curve.x.push_back(i / 200.0);
    curve.y.push_back(calibration::predict(first, model, i / 200.0 * first.input_scale));
  }
  for (std::size_t i = 0; i < channels.begin()->second.x.size(); ++i) {
    points.x.push_back(channels.begin()->second.x[i] / first.input_scale);
    points.y.push_back(channels.begin()->second.y[i] / first.output_scale);
  }
  outcome.plots.push_back({"Curve of the first channel",
                           "input / greatest",
                           "output / greatest",
                           false,
                           false,
                           {points, curve}});
  outcome.plots.push_back({"Residuals of all channels",
                           "input / greatest",
                           "residual / full scale",
                           false,
                           false,
                           {errors}});
  outcome.python_check = fmt::format(
      "import numpy as np\nfrom scipy.optimize import curve_fit\nx, y = ..., ...  # \"{}\", \"{}\" "
      "of "
      "one channel over their greatest\nprint(curve_fit(lambda x, a, b, c: {}, x, y, [0.01, 1, "
      "0.5]))\n",
      options.input, options.output,
      model == CurveModel::power        ? "a + b*x**c"
      : model == CurveModel::saturation ? "a + b*x/(1 + c*x)"
                                        : "a + b*x  # (see the report for the model)");
  return deliver(outcome, options.outcome, streams);
}

}  // namespace

Verb calibrate_nonlinearity() {
  Verb verb;
  verb.name = "nonlinearity";
  verb.summary = "Input-output curves of the channels of an optical nonlinearity";
  verb.description =
      "Each channel is scaled by its greatest input and output of the first file and fitted by a "
      "line,\n"
      "cubic, power law (a + b x^p) or saturation (a + b x / (1 + x/s)); `auto` takes the model "
      "that\n"
      "predicts held-out contiguous blocks best. A second file (--test) says how well it "
      "predicts.\n"
      "result.json: rms_train, rms_test, rms_line_test in units of the full scale; `channels` "
      "holds\n"
      "every curve's parameters.";
  verb.examples = {
      "attojoule calibrate nonlinearity data/laboratory/nonlinearity.csv --model saturation"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("file", options->file, "Measurements that are fitted")->required();
    app.add_option("--test", options->test, "Measurements that are predicted");
    app.add_option("--input", options->input, "Column of the input")->capture_default_str();
    app.add_option("--output", options->output, "Column of the output")->capture_default_str();
    app.add_option("--channel", options->channel, "Column of the channel")->capture_default_str();
    app.add_option("--model", options->model, "auto, line, cubic, power or saturation")
        ->capture_default_str();
    options->reading.define(app);
    options->outcome.define(app);
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
