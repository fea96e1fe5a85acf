#include "tools/experiment_options.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <thread>

#include "photonics/random.hpp"

namespace attojoule::tools {

void add_experiment_options(CLI::App& app, ExperimentOptions& options,
                            const ExperimentOptionHelp& help) {
  app.add_option("experiment", options.experiment, "Experiment file (YAML)");
  app.add_option("--model", options.model, "Network (ONNX)");
  app.add_option("--data", options.data, help.data);
  app.add_option("--labels", options.labels, "Labels of an IDX data set");
  app.add_option("--device", options.device, "Preset name or device file (YAML)");
  app.add_option("--set", options.assignments, "KEY=VALUE, any key of the experiment or device")
      ->allow_extra_args(false);
  app.add_option("--seed", options.seed, "Seed of the noise")->check(CLI::NonNegativeNumber);
  app.add_option("--threads", options.threads, "Threads; default: all cores")
      ->check(CLI::Range(1, 4096));
  app.add_option("--out", options.out, help.out);
  app.add_flag("--json", options.json, "One JSON object instead of tables");
  app.add_option("--device-draws", options.device_draws, help.device_draws)
      ->check(CLI::Range(2, 100000));
}

bool runs_default_experiment(const ExperimentOptions& options) {
  return options.experiment.empty() && options.model.empty() && options.data.empty();
}

ExperimentArguments experiment_arguments(const ExperimentOptions& options, const CLI::App& app) {
  ExperimentArguments arguments;
  arguments.file = options.experiment;
  arguments.model = options.model;
  arguments.data = options.data;
  arguments.labels = options.labels;
  arguments.device = options.device;
  arguments.assignments = options.assignments;
  if (app.count("--device-draws") > 0) {
    arguments.assignments.push_back(
        fmt::format("evaluation.device_draws={}", options.device_draws));
  }
  if (app.count("--seed") > 0) arguments.seed = options.seed;
  if (runs_default_experiment(options)) arguments.file = default_experiment_file();
  return arguments;
}

int threads_of(const ExperimentOptions& options) {
  if (options.threads > 0) return options.threads;
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

data::Provenance provenance_of(const Simulation& simulation) {
  data::Provenance provenance;
  provenance.command_line = command_line();
  provenance.seed = simulation.experiment().seed;
  provenance.rng_contract = photonics::rng_contract;
  provenance.config = simulation.experiment().resolved;
  provenance.model_sha256 = simulation.model_sha256();
  provenance.dataset_sha256 = simulation.dataset().sha256();
  return provenance;
}

}  // namespace attojoule::tools
