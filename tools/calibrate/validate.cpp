// attojoule calibrate validate: does a device file predict a measurement that it has not seen?
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <array>
#include <cmath>
#include <memory>

#include "calibration/calibration_difference.hpp"
#include "calibration/device_validation.hpp"
#include "calibration/joint_kinds.hpp"
#include "data/device_calibration.hpp"
#include "data/device_file.hpp"
#include "data/lab_units.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/device_kinds.hpp"
#include "tools/calibrate/fit_kind.hpp"
#include "tools/calibrate/joint_job.hpp"

namespace attojoule::tools {
namespace {

using calibration::Expression;
using calibration::JointKind;
using calibration::JointProblem;

constexpr int validation_failed = 7;
// Values without an uncertainty in the device file are tested as exact: to this share.
constexpr double exact_share = 1e-6;

struct Options {
  FitKindOptions common;
  std::string device, measurement, kind, x, y, level = "0.001";
  std::vector<std::string> parameters;
  std::string sigma, relative, floor, nu, samples;
};

// A value of the device's YAML in base units ("dB" stays).
struct DeviceValue {
  double value = 0;
  std::string unit;
};

std::optional<DeviceValue> device_value(const data::ConfigNode& root, const std::string& key) {
  const auto dot = key.find('.');
  if (dot == std::string::npos) return std::nullopt;
  const std::string section = key.substr(0, dot), name = key.substr(dot + 1);
  if (!root.has(section) || !root.child(section).has(name)) {
    // 0 is not written.
    if (key == "receiver.amplifier_current_noise") return DeviceValue{0, "A/sqrt(Hz)"};
    return std::nullopt;
  }
  const std::string text = root.child(section).text(name);
  char* end = nullptr;
  DeviceValue found;
  found.value = std::strtod(text.c_str(), &end);
  std::string unit(end);
  unit.erase(0, std::min(unit.find_first_not_of(' '), unit.size()));
  const auto parsed = data::parse_lab_unit(unit);
  if (end == text.c_str() || !parsed) return std::nullopt;
  for (const char* base : {"1", "m", "Hz", "s", "K", "V", "A", "ohm", "F", "W", "J", "dB", "rad",
                           "A/W", "W/A", "1/Hz", "V/sqrt(Hz)", "A/sqrt(Hz)"}) {
    const auto to = data::parse_lab_unit(base);
    if (!data::same_dimension(*parsed, *to) || parsed->is_level() != to->is_level()) continue;
    found.value = data::convert(found.value, *parsed, *to);
    found.unit = base;
    return found;
  }
  return std::nullopt;
}

// The device's parameters that formulas name, with what is known of them.
void add_device(JointProblem& problem, const Options& options, const std::vector<std::string>& keys,
                std::vector<std::string>& exact) {
  const data::ConfigNode root = data::ConfigNode::parse(
      data::device_to_yaml(data::load_device(options.device)), options.device);
  const data::DeviceCalibration calibration = data::load_calibration(options.device);
  calibration::JointKnowledge known;
  known.name = "device";
  std::vector<double> values;
  std::vector<std::size_t> calibrated;  // index in the section
  for (std::size_t k = 0; k < calibration.parameters.size(); ++k) {
    const auto& parameter = calibration.parameters[k];
    Expression formula = Expression::name(parameter.key);
    if (parameter.key == "detector.responsivity") {
      formula = Expression::parse(
          "detector.quantum_efficiency * q_e * laser.wavelength / (h_planck * c_light)", "device");
    }
    bool used = true;
    for (const std::string& name : formula.names()) {
      used = used && std::find(keys.begin(), keys.end(), name) != keys.end();
    }
    if (!used) continue;
    const auto unit = data::parse_lab_unit(parameter.unit);
    const double factor = unit && !unit->is_level() ? unit->factor : 1;
    known.labels.push_back(parameter.key);
    known.formulas.push_back(formula);
    values.push_back(parameter.value * factor);
    calibrated.push_back(k);
  }
  const auto from_section = static_cast<Eigen::Index>(values.size());
  for (const std::string& key : keys) {
    const auto value = device_value(root, key);
    calibration::JointParameter parameter;
    parameter.name = key;
    parameter.unit = value->unit;
    parameter.meaning = "of the device";
    parameter.start = value->value;
    problem.parameters.push_back(parameter);
    const bool covered =
        std::any_of(known.formulas.begin(), known.formulas.end(), [&](const Expression& formula) {
          return formula.uses(key) && (formula.names().size() == 1 || key != "laser.wavelength");
        });
    if (covered) continue;
    if (value->value == 0) {
      problem.parameters.back().given = 0;
      continue;
    }
    known.labels.push_back(key);
    known.formulas.push_back(Expression::name(key));
    values.push_back(value->value);
    exact.push_back(key);
  }
  const auto n = static_cast<Eigen::Index>(values.size());
  known.values.resize(n);
  known.covariance_a = known.covariance_b = Eigen::MatrixXd::Zero(n, n);
  const std::size_t all = calibration.parameters.size();
  for (Eigen::Index i = 0; i < n; ++i) {
    known.values(i) = values[static_cast<std::size_t>(i)];
    if (i >= from_section) {
      known.covariance_b(i, i) = std::pow(exact_share * known.values(i), 2);
      continue;
    }
    for (Eigen::Index k = 0; k < from_section; ++k) {
      const std::size_t row = calibrated[static_cast<std::size_t>(i)],
                        column = calibrated[static_cast<std::size_t>(k)];
      const auto factor = [&](std::size_t index) {
        const auto unit = data::parse_lab_unit(calibration.parameters[index].unit);
        return unit && !unit->is_level() ? unit->factor : 1;
      };
      known.covariance_b(i, k) =
          calibration.covariance[row * all + column] * factor(row) * factor(column);
    }
    // Parameters that depend on each other: the share makes the matrix invertible.
    known.covariance_b(i, i) += std::pow(exact_share * known.values(i), 2);
  }
  problem.knowledge = {known};
}

int run_values(const Options& options, double level, const Streams& streams) {
  const auto device = calibration::load_calibrated_values(options.device);
  const auto measured = calibration::load_calibrated_values(options.measurement);
  auto result = calibration::compare_calibrations(device, measured, {false, level});
  result.kind = "validate";
  const int code = finish(options.common, result, streams);
  return result.verdict == calibration::Verdict::rejected ? validation_failed : code;
}

int run(Options options, const Streams& streams) {
  const double level = option_quantity("--level", options.level, "1");
  if (!(level > 0 && level < 0.5)) {
    throw ConfigError("--level: not between 0 and 0.5 (a probability by chance). Correct it.");
  }
  if (options.measurement.ends_with(".json")) return run_values(options, level, streams);
  if (options.kind.empty()) {
    throw ConfigError("--kind: not given (what the file is a measurement of). One of " +
                      joint_kind_names() + "; or pass the result.json of any other calibration.");
  }
  JointProblem problem;
  MeasurementRequest request;
  request.name = request.kind = options.kind;
  request.place = "--kind " + options.kind;
  request.file = options.measurement;
  request.reading = options.common.reading.read_options();
  if (!options.x.empty()) request.columns["x"] = options.x;
  if (!options.y.empty()) request.columns["y"] = options.y;
  request.sigma = options.sigma;
  request.relative = options.relative;
  request.floor = options.floor;
  request.nu = options.nu;
  request.samples = options.samples;
  request.scale_sigma = options.common.scale_sigma;
  request.range = options.common.range;
  for (const std::string& text : options.parameters) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) {
      throw ConfigError(
          fmt::format("--parameter {}: no formula. Write NAME=FORMULA of numbers and "
                      "device keys.",
                      text));
    }
    request.parameters[text.substr(0, equals)] =
        Expression::parse(text.substr(equals + 1), "--parameter " + text.substr(0, equals));
  }
  // What the device says of the kind's parameters; what it does not say is fitted.
  const data::ConfigNode root = data::ConfigNode::parse(
      data::device_to_yaml(data::load_device(options.device)), options.device);
  std::vector<std::string> keys, silent, exact;
  const auto add_keys = [&](const Expression& formula, const std::string& what, bool asked) {
    for (const std::string& key : formula.names()) {
      if (device_value(root, key)) continue;
      if (asked) {
        throw ConfigError(fmt::format(
            "--parameter {}: the device says nothing of '{}'. Name another key, or a number.", what,
            key));
      }
      silent.push_back(fmt::format("{} (the device has no {})", what, key));
      return false;
    }
    for (const std::string& key : formula.names()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
    return true;
  };
  for (const JointKind& kind : calibration::joint_kinds()) {
    if (kind.name != options.kind) continue;
    for (const auto& parameter : kind.parameters) {
      const auto given = request.parameters.find(parameter.name);
      if (given != request.parameters.end()) {
        add_keys(given->second, parameter.name, true);
        continue;
      }
      if (parameter.from_device.empty()) continue;
      const Expression formula = Expression::parse(parameter.from_device, "device");
      if (add_keys(formula, parameter.name, false)) request.parameters[parameter.name] = formula;
    }
  }
  // Several kinds of one name: parameters that the chosen one lacks do not count.
  const data::LabTable table = [&] {
    JointProblem trial;
    std::vector<calibration::RejectedPoint> ignored;
    MeasurementRequest bare = request;
    bare.parameters.clear();
    const auto read = add_lab_measurement(trial, bare, ignored);
    const auto& mapping = trial.measurements.front().mapping;
    for (auto it = request.parameters.begin(); it != request.parameters.end();) {
      const bool asked =
          std::any_of(options.parameters.begin(), options.parameters.end(),
                      [&](const auto& t) { return t.rfind(it->first + "=", 0) == 0; });
      it = !asked && mapping.count(it->first) == 0 ? request.parameters.erase(it) : std::next(it);
    }
    return read;
  }();
  std::vector<std::string> used;
  for (const std::string& key : keys) {
    if (std::any_of(request.parameters.begin(), request.parameters.end(),
                    [&](const auto& entry) { return entry.second.uses(key); })) {
      used.push_back(key);
    }
  }
  if (used.empty()) {
    throw ConfigError(fmt::format(
        "--kind {}: nothing in the device predicts it. Say what does with --parameter "
        "NAME=FORMULA, for example propagation_loss=\"link.propagation_loss / 2\" (2 cm of path).",
        options.kind));
  }
  add_device(problem, options, used, exact);
  std::vector<calibration::RejectedPoint> outside;
  add_lab_measurement(problem, request, outside);
  calibration::guess_starts(problem);
  auto result = calibration::validate_device(problem, level);
  result.rejected.insert(result.rejected.end(), outside.begin(), outside.end());
  result.device.clear();
  for (const std::string& key : exact) {
    result.warnings.push_back(
        fmt::format("{} has no uncertainty in the device file: it is tested as exact", key));
  }
  for (const std::string& item : silent)
    result.warnings.push_back("fitted, not predicted: " + item);
  note_table(result, table);
  result.inputs.insert(result.inputs.begin(),
                       calibration::load_calibrated_values(options.device).input);
  const int code = finish(options.common, result, streams);
  return result.verdict == calibration::Verdict::rejected ? validation_failed : code;
}

}  // namespace

Verb calibrate_validate() {
  Verb verb;
  verb.name = "validate";
  verb.summary = "Does a device file predict a measurement that it has not seen?";
  verb.description =
      "The device's values, with their covariance, predict the measurement; what the device does "
      "not\n"
      "say (a phase, a dark current) is fitted. Kinds: " +
      joint_kind_names() +
      ".\n"
      "Or DATA is the result.json of any other calibration of held-out data: its device parameters "
      "are\n"
      "compared. --parameter NAME=FORMULA says how a kind's parameter follows from the device's "
      "keys.\n"
      "Exit codes: 0 predicted, 2 usage, 3 bad input, 4 no convergence, 5 the measurement tells "
      "nothing\n"
      "of the device, 7 validation failed.";
  verb.examples = {
      "attojoule calibrate validate data/laboratory/receiver_device.yaml "
      "data/laboratory/receiver_check.csv --kind response --floor 0.05dB"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("device", options->device, "Preset or device.yaml")->required();
    app.add_option("data", options->measurement, "Measurement file, or a result.json")->required();
    options->common.reading.define(app);
    app.add_option("--kind", options->kind, "Of the measurement");
    app.add_option("--abscissa", options->x, "Its column, where the name is not a usual one");
    app.add_option("--ordinate", options->y, "Likewise");
    app.add_option("--parameter", options->parameters,
                   "A kind's parameter from device keys: NAME=FORMULA (repeatable)")
        ->allow_extra_args(false);
    app.add_option("--sigma", options->sigma, "Column of the standard deviations");
    app.add_option("--relative", options->relative,
                   "Known scatter, proportional to the model: 0.5%");
    app.add_option("--floor", options->floor, "Known scatter that does not depend on it: 2nA");
    app.add_option("--nu", options->nu, "Degrees of freedom of variances: a number or a column");
    app.add_option("--samples", options->samples, "Samples behind each variance");
    app.add_flag("--scale-sigma", options->common.scale_sigma,
                 "Only ratios of the standard deviations are known");
    app.add_option("--range", options->common.range, "Of the abscissa, in base units: lo:hi");
    app.add_option("--level", options->level, "Probability of a false alarm")
        ->capture_default_str();
    app.add_option("--out", options->common.out,
                   "Directory for result.json, residuals.csv, report.html, cal.h5");
    app.add_flag("--json", options->common.json, "result.json on the standard output");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
