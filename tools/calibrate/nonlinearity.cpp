// attojoule calibrate nonlinearity: input-output curves of the channels of an optical nonlinearity.
#include "calibration/nonlinearity.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

using calibration::not_known;

struct Options {
  FitKindOptions common;
  std::string test, input = "before", output = "after", channel = "channel", model = "auto";
};

struct Channel {
  std::vector<double> x, y;
};

std::map<double, Channel> channels_of(const Options& options, const data::LabTable& table) {
  std::map<double, Channel> channels;
  const auto& x =
      table.column(column_or_usual(table, options.input, {"in", "input", "x", "P in"})).values;
  const auto& y =
      table.column(column_or_usual(table, options.output, {"out", "output", "y", "P out"})).values;
  const data::LabColumn* labels =
      table.find(column_or_usual(table, options.channel, {"ch", "pixel", "cell", "neuron"}));
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

// The model that predicts held-out blocks best: more parameters fit better, but do not predict
// better. Models that do not converge on a channel are out.
calibration::CurveModel best_model(const std::map<double, Channel>& channels, std::size_t blocks,
                                   calibration::CalibrationResult& result) {
  auto model = calibration::CurveModel::line;
  double best = 0;
  for (const auto candidate : calibration::curve_models) {
    double squares = 0;
    std::size_t count = 0;
    bool converges = true;
    for (const auto& [label, channel] : channels) {
      const auto error = calibration::block_error(channel.x, channel.y, candidate, blocks);
      converges = converges && error;
      if (!converges) break;
      squares += *error * *error * static_cast<double>(channel.x.size());
      count += channel.x.size();
    }
    const std::string name = "held_out_rms_" + calibration::name_of(candidate);
    if (!converges) {
      result.warnings.push_back(calibration::name_of(candidate) +
                                ": does not converge on a channel, and is not among the models");
      continue;
    }
    const double rms = std::sqrt(squares / static_cast<double>(count));
    result.figures.push_back({name, "1", rms, not_known, 0, not_known, not_known,
                              fmt::format("{} contiguous blocks", blocks)});
    if (best == 0 || rms < best) {
      best = rms;
      model = candidate;
    }
  }
  return model;
}

calibration::CurveModel model_of_name(const std::string& text) {
  std::vector<std::string> names;
  for (const auto candidate : calibration::curve_models) {
    names.push_back(calibration::name_of(candidate));
    if (names.back() == text) return candidate;
  }
  throw ConfigError(
      fmt::format("--model: \"{}\" is unknown. Known: auto, {}.", text, fmt::join(names, ", ")));
}

const char* python_formula(calibration::CurveModel model) {
  using calibration::CurveModel;
  switch (model) {
    case CurveModel::line:
      return "x, a, b: a + b * x";
    case CurveModel::cubic:
      return "x, a, b, c, d: a + b * x + c * x**2 + d * x**3";
    case CurveModel::power:
      return "x, a, b, p: a + b * x**p";
    case CurveModel::saturation:
      return "x, a, b, s: a + b * x / (1 + x * s)";
  }
  return "";
}

int run(const Options& options, const Streams& streams) {
  using calibration::CurveModel;
  using calibration::Estimate;
  const auto train = read_only_file("nonlinearity", options.common);
  const auto channels = channels_of(options, train);
  calibration::CalibrationResult result;
  result.kind = "nonlinearity";
  note_table(result, train);
  const std::size_t blocks =
      options.common.holdout_blocks() > 0 ? options.common.holdout_blocks() : 5;
  const CurveModel model =
      options.model == "auto" ? best_model(channels, blocks, result) : model_of_name(options.model);
  result.model =
      "y / y_max = " +
      std::string(python_formula(model)).substr(std::string(python_formula(model)).find(": ") + 2) +
      ", x relative to x_max";
  result.method = fmt::format("{}, each channel by least squares, scatter from the residuals{}",
                              calibration::name_of(model),
                              options.model == "auto" ? "; model chosen by held-out blocks" : "");
  std::map<double, calibration::ChannelCurve> curves, lines;
  Quality fitted;
  std::vector<Eigen::MatrixXd> parts;
  result.covariance_scaled = true;
  for (const auto& [label, channel] : channels) {
    curves[label] = calibration::fit_curve(label, channel.x, channel.y, model);
    lines[label] = calibration::fit_curve(label, channel.x, channel.y, CurveModel::line);
    const auto& fit = curves[label].fit;
    if (fit.status != calibration::FitStatus::converged) {
      const std::string text = fmt::format("channel {}, model {}: {}; choose another --model",
                                           label, calibration::name_of(model),
                                           fit.message.empty() ? "no convergence" : fit.message);
      if (fit.status == calibration::FitStatus::not_identifiable) {
        not_identifiable(result, text);
      } else {
        result.verdict = calibration::Verdict::no_convergence;
        result.reasons.push_back(text);
      }
      result.parameters.clear();
      return finish(options.common, result, streams);
    }
    for (std::size_t k = 0; k < fit.values.size(); ++k) {
      Estimate estimate{fit.parameters[k].name, "1", fit.values[k], fit.standard_error(k)};
      if (channels.size() > 1) estimate.name += fmt::format("_{:g}", label);
      calibration::set_interval(estimate, fit.dof);
      result.parameters.push_back(estimate);
    }
    parts.push_back(fit.covariance);
    for (const double residual : fit.residuals) fitted.add(residual);
    result.points_used += channel.x.size();
  }
  // Channels are measured each by itself: independent.
  const auto all = static_cast<Eigen::Index>(result.parameters.size());
  result.covariance_a = result.covariance_b = Eigen::MatrixXd::Zero(all, all);
  Eigen::Index at_part = 0;
  for (const auto& part : parts) {
    result.covariance_a.block(at_part, at_part, part.rows(), part.rows()) = part;
    at_part += part.rows();
  }
  result.figures.push_back({"rms_train", "1", fitted.rms(), fitted.error(), 0, not_known, not_known,
                            "of the full scale"});
  const data::LabTable* checked = &train;
  data::LabTable test;
  if (!options.test.empty()) {
    test = data::read_lab_file(options.test, options.common.reading.read_options());
    note_table(result, test);
    checked = &test;
  } else {
    result.warnings.push_back("no --test file: how well the curves predict is not checked");
  }
  using Kind = calibration::PlotSeries::Kind;
  Quality predicted, straight;
  std::size_t beyond = 0;
  calibration::PlotSeries errors{"residual", {}, {}, {}, Kind::points};
  for (const auto& [label, channel] : channels_of(options, *checked)) {
    const auto at = curves.find(label);
    if (at == curves.end()) {
      throw DataError(fmt::format("{}: channel {} is not in {}; give files of one device",
                                  options.test, label, train.file.string()));
    }
    for (std::size_t i = 0; i < channel.x.size(); ++i) {
      const double y = channel.y[i] / at->second.output_scale;
      calibration::ResidualRow row;
      row.place = fmt::format("channel {:g}", label);
      row.x = channel.x[i] / at->second.input_scale;
      row.y = y;
      row.model = calibration::predict(at->second, model, channel.x[i]);
      row.sigma = std::sqrt(at->second.fit.chi2 / at->second.fit.dof);
      row.standardised = (row.y - row.model) / row.sigma;
      row.used = options.test.empty();
      result.residuals.push_back(row);
      predicted.add(row.y - row.model);
      straight.add(y - calibration::predict(lines[label], CurveModel::line, channel.x[i]));
      beyond += channel.x[i] > at->second.input_scale;
      errors.x.push_back(row.x);
      errors.y.push_back(row.y - row.model);
    }
  }
  if (!options.test.empty()) {
    result.figures.push_back({"rms_test", "1", predicted.rms(), predicted.error(), 0, not_known,
                              not_known, "of points that were not fitted, of the full scale"});
  }
  result.figures.push_back({options.test.empty() ? "rms_line_train" : "rms_line_test", "1",
                            straight.rms(), straight.error(), 0, not_known, not_known,
                            "the same of straight lines"});
  for (auto& figure : result.figures) {
    calibration::set_interval(figure, std::numeric_limits<double>::infinity());
  }
  if (beyond > 0) {
    result.warnings.push_back(fmt::format(
        "{} inputs lie above the training set's greatest: the curve is extrapolated there",
        beyond));
  }
  calibration::ResultTable scales{
      "scales", {{"channel", "1", {}}, {"input_scale", "1", {}}, {"output_scale", "1", {}}}};
  calibration::ResultTable record{
      "record", {{"channel", "1", {}}, {"x", "1", {}}, {"y", "1", {}}}, false};
  for (const auto& [label, channel] : channels) {
    scales.columns[0].values.push_back(label);
    scales.columns[1].values.push_back(curves[label].input_scale);
    scales.columns[2].values.push_back(curves[label].output_scale);
    for (std::size_t i = 0; i < channel.x.size(); ++i) {
      record.columns[0].values.push_back(label);
      record.columns[1].values.push_back(channel.x[i] / curves[label].input_scale);
      record.columns[2].values.push_back(channel.y[i] / curves[label].output_scale);
    }
  }
  result.tables.push_back(scales);
  result.tables.push_back(record);
  calibration::PlotSeries curve{calibration::name_of(model), {}, {}, {}, Kind::line};
  calibration::PlotSeries points{
      fmt::format("channel {:g}", channels.begin()->first), {}, {}, {}, Kind::points};
  const auto& first = curves.begin()->second;
  for (int i = 0; i <= 200; ++i) {
    curve.x.push_back(i / 200.0);
    curve.y.push_back(calibration::predict(first, model, i / 200.0 * first.input_scale));
  }
  for (std::size_t i = 0; i < channels.begin()->second.x.size(); ++i) {
    points.x.push_back(channels.begin()->second.x[i] / first.input_scale);
    points.y.push_back(channels.begin()->second.y[i] / first.output_scale);
  }
  result.plots.push_back({"Curve of the first channel",
                          "input / greatest",
                          "output / greatest",
                          false,
                          false,
                          {points, curve}});
  result.plots.push_back({"Residuals of all channels",
                          "input / greatest",
                          "residual / full scale",
                          false,
                          false,
                          {errors}});
  std::vector<std::string> names;
  for (const auto& parameter : first.fit.parameters) names.push_back(parameter.name);
  result.python =
      python_table("record.csv", "channel, x, y") +
      fmt::format(
          "from scipy.optimize import curve_fit\nnames, start = '{}'.split(), [{:.6g}]\nfor k in "
          "np.unique(channel):\n    X, Y = x[channel == k], y[channel == k]\n    p, cov = "
          "curve_fit(lambda {}, X, Y, start, xtol=1e-14, ftol=1e-14, gtol=1e-14, maxfev=10000)\n"
          "    for n, v, u in zip(names, p, np.sqrt(np.diag(cov))):\n        print(n{}, "
          "repr(float(v)), repr(float(u)))\n",
          fmt::join(names, " "), fmt::join(first.fit.values, ", "), python_formula(model),
          channels.size() > 1 ? " + '_%g' % k" : "");
  return finish(options.common, result, streams);
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
      "Parameters: those of every channel's curve; figures rms_train, rms_test, rms_line_test in "
      "units\n"
      "of the full scale. No parameter of a device, so that there is no device.yaml.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable.";
  verb.examples = {
      "attojoule calibrate nonlinearity data/laboratory/nonlinearity.csv --model saturation"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define_files(app);
    app.add_option("--holdout", options->common.holdout,
                   "Blocks by which `auto` chooses: block:K (default block:5)");
    app.add_option("--test", options->test, "Measurements that are predicted");
    app.add_option("--input", options->input, "Column of the input")->capture_default_str();
    app.add_option("--output", options->output, "Column of the output")->capture_default_str();
    app.add_option("--channel", options->channel, "Column of the channel")->capture_default_str();
    app.add_option("--model", options->model, "auto, line, cubic, power or saturation")
        ->capture_default_str();
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
