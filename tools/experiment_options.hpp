// The command-line options that name an experiment, common to the verbs that run one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/result_file.hpp"
#include "tools/experiment.hpp"
#include "tools/simulation.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {

struct ExperimentOptions {
  std::string experiment, model, data, labels, device, out;
  std::vector<std::string> assignments;
  std::uint64_t seed = 1;
  int threads = 0;  // 0 = all cores
  bool json = false;
  std::int64_t device_draws = 0;
};

// What the verb says of its own of some options; the others read the same everywhere.
struct ExperimentOptionHelp {
  const char* data;
  const char* out;
  const char* device_draws;
};

// Adds the options to the verb; `options` must live as long as `app`.
void add_experiment_options(CLI::App& app, ExperimentOptions& options,
                            const ExperimentOptionHelp& help);

// Whether neither file nor network nor data are named: the default experiment runs.
bool runs_default_experiment(const ExperimentOptions& options);

// As read_experiment() takes them, after parsing.
ExperimentArguments experiment_arguments(const ExperimentOptions& options, const CLI::App& app);

int threads_of(const ExperimentOptions& options);

// Where a result of `simulation` comes from.
data::Provenance provenance_of(const Simulation& simulation);

}  // namespace attojoule::tools
