// attojoule calibrate joint: several measurements of one device with shared parameters.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "calibration/joint.hpp"
#include "tools/calibrate/fit_kind.hpp"
#include "tools/calibrate/joint_job.hpp"

namespace attojoule::tools {
namespace {

int run(const FitKindOptions& options, const std::string& file, const Streams& streams) {
  JointJob job = read_joint_job(file);
  auto result = calibration::calibrate_joint(job.problem, options.holdout_blocks());
  result.rejected.insert(result.rejected.end(), job.outside.begin(), job.outside.end());
  for (const data::LabTable& table : job.tables) note_table(result, table);
  result.inputs.insert(result.inputs.begin(), job.inputs.begin(), job.inputs.end());
  result.device_conditions = job.conditions;
  if (!job.problem.name.empty()) result.settings["name"] = job.problem.name;
  return finish(options, result, streams);
}

}  // namespace

Verb calibrate_joint_kind() {
  Verb verb;
  verb.name = "joint";
  verb.summary = "Several measurements of one device in one chi2, with shared parameters";
  verb.description =
      "JOB.yaml lists parameters, measurements (kinds " + joint_kind_names() +
      ",\n"
      "or formulas), results of other calibrations and derived quantities: "
      "docs/calibration_fits.md,\n"
      "\"Joint fits\". A parameter of one name is shared; values known from elsewhere have value: "
      "and\n"
      "u: (type B). Measurements that contradict each other reject, and the one that does is "
      "named.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable (which "
      "parameters,\n"
      "and what would separate them), 6 model rejected (--strict).";
  verb.examples = {"attojoule calibrate joint data/laboratory/receiver.yaml"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<FitKindOptions>();
    auto job = std::make_shared<std::string>();
    app.add_option("job", *job, "JOB.yaml")->required();
    options->define_output(app);
    app.add_option("--holdout", options->holdout,
                   "Predict contiguous blocks of every measurement from the others: block:K");
    return [options, job](const Streams& streams) { return run(*options, *job, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
