// attojoule calibrate export: calibrated values for other programs.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <filesystem>
#include <memory>

#include "calibration/calibrated_values.hpp"
#include "calibration/export_formats.hpp"
#include "calibration/report.hpp"
#include "data/device_calibration.hpp"
#include "data/device_file.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/device_kinds.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  std::string file, format = "csv", out, device = "ideal-shot-noise";
  std::int64_t count = 1000;
  std::uint64_t seed = 1;
};

// A result's device parameters over another device, as the calibration itself would have written.
std::string device_text(const Options& options, const calibration::CalibratedValues& values,
                        const Streams& streams) {
  if (values.is_device()) {
    throw ConfigError(
        fmt::format("--format device: {} is a device file already. Give a "
                    "result.json.",
                    options.file));
  }
  calibration::CalibrationResult result;
  result.kind = values.kind;
  result.parameters = values.values;
  result.covariance_a = values.covariance_a;
  result.covariance_b = values.covariance_b;
  result.device = values.device;
  result.device_conditions = values.device_conditions;
  result.inputs = {values.input};
  if (values.verdict != "accepted") {
    throw DataError(
        fmt::format("{}: the verdict is {} (such values go into no device). Mend that "
                    "calibration first.",
                    options.file, values.verdict));
  }
  const auto text =
      calibration::device_yaml(result, data::device_to_yaml(data::load_device(options.device)),
                               data::load_calibration(options.device));
  for (const auto& item : text.left_out) {
    streams.err << "warning: device.yaml without " << item << "\n";
  }
  if (text.yaml.empty()) {
    throw DataError(fmt::format(
        "{}: none of its parameters goes into the device {} (see the warnings). Choose another "
        "--device.",
        options.file, options.device));
  }
  return text.yaml;
}

int run(const Options& options, const Streams& streams) {
  if (options.count < 1 || options.count > 10'000'000) {
    throw ConfigError(
        fmt::format("--count {}: not between 1 and 10,000,000. Correct it.", options.count));
  }
  const auto values = calibration::load_calibrated_values(options.file);
  std::string text;
  if (options.format == "draws") {
    text = calibration::drawn_csv(values, static_cast<std::size_t>(options.count), options.seed);
  } else if (options.format == "device") {
    text = device_text(options, values, streams);
  } else {
    text = calibration::exported(values, options.format);
  }
  if (values.verdict != "accepted") {
    streams.err << fmt::format("warning: {}: the verdict is {}\n", options.file, values.verdict);
  }
  if (options.out.empty()) {
    streams.out << text;
  } else {
    calibration::write_whole(options.out, text);
  }
  return 0;
}

}  // namespace

Verb calibrate_export() {
  Verb verb;
  verb.name = "export";
  verb.summary = "Calibrated values, with covariance, for other programs";
  verb.description =
      "FILE is a device file or the result.json of a calibration. Formats: csv, json, markdown and "
      "latex\n"
      "(0.938(29)), python (a module for numpy, uncertainties and lmfit), matlab (and Octave), "
      "draws "
      "(CSV\n"
      "of values drawn from the covariance), device (a result's device parameters over --device).\n"
      "Exit codes: 0 ok, 1 cannot be written, 2 usage or nothing to export, 3 bad input.";
  verb.examples = {
      "attojoule calibrate export data/laboratory/receiver_device.yaml --format markdown"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("file", options->file, "device.yaml or result.json")->required();
    app.add_option("--format", options->format, "What to write")
        ->check(CLI::IsMember(
            {"csv", "json", "markdown", "latex", "python", "matlab", "draws", "device"}))
        ->capture_default_str();
    app.add_option("--out", options->out, "File; the standard output where not given");
    app.add_option("--count", options->count, "Of draws")->capture_default_str();
    app.add_option("--seed", options->seed, "Of draws")->capture_default_str();
    app.add_option("--device", options->device, "That a device file starts from")
        ->capture_default_str();
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
