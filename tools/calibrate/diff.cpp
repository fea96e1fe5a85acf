// attojoule calibrate diff: two calibrations of one device compared.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "calibration/calibration_difference.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/device_kinds.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  std::string a, b, level = "0.01";
  bool shared_type_b = false;
};

int run(const Options& options, const Streams& streams) {
  const double level = option_quantity("--level", options.level, "1");
  if (!(level > 0 && level < 0.5)) {
    throw ConfigError("--level: not between 0 and 0.5 (a probability by chance). Correct it.");
  }
  const auto result = calibration::compare_calibrations(
      calibration::load_calibrated_values(options.a),
      calibration::load_calibrated_values(options.b), {options.shared_type_b, level});
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_diff() {
  Verb verb;
  verb.name = "diff";
  verb.summary = "Two calibrations of one device: which parameters moved";
  verb.description =
      "A and B are device files, or the result.json of calibrations of one kind; of a result and a "
      "device\n"
      "file the device parameters are compared. d = B - A, with the covariances of both: chi2 of "
      "all, and z\n"
      "and p of each, corrected for their number (Holm). --shared-type-b takes out errors of "
      "instruments\n"
      "that both have in common.\n"
      "Exit codes: 0 ok (different or not), 2 usage, 3 bad input or nothing in common, 6 different "
      "(--strict).";
  verb.examples = {
      "attojoule calibrate diff data/laboratory/receiver_device.yaml "
      "data/laboratory/receiver_later.yaml"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("a", options->a, "Earlier device.yaml or result.json")->required();
    app.add_option("b", options->b, "Later one")->required();
    app.add_flag("--shared-type-b", options->shared_type_b,
                 "The same instruments: their errors are common to both");
    app.add_option("--level", options->level, "Probability of a false alarm, over all parameters")
        ->capture_default_str();
    app.add_option("--out", options->common.out,
                   "Directory for result.json, residuals.csv, report.html, cal.h5");
    app.add_flag("--strict", options->common.strict, "Exit code 6 where they differ");
    app.add_flag("--json", options->common.json, "result.json on the standard output");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
