// Accuracy, layers and ledger of a simulation at operating points: what `run` and `learn` report.
#pragma once

#include <vector>

#include "network/energy_analysis.hpp"
#include "network/evaluation.hpp"
#include "tools/run_report.hpp"
#include "tools/simulation.hpp"

namespace attojoule::tools {

struct RunMeasurement {
  RunReport report;                          // without a curve
  std::vector<network::ProductNoise> noise;  // that the passes ran under
  network::PassResult statistics;            // without noise, of the first samples: what layers see
  network::PassResult clean;                 // outcome of every image, for paired comparisons
  std::vector<network::PassResult> passes;   // under noise, one a seed
};

// Images and seeds of the experiment. The noise is planned first: what is wrong with it is said
// before anything runs. `done` is told the samples done, of images x (1 + seeds); `stage` what
// runs.
RunMeasurement measure_run(Simulation& simulation,
                           const std::vector<network::ProductOperatingPoint>& points, bool logits,
                           const network::Progress& done,
                           const std::function<void(const std::string&)>& stage);

// What the analysis of the bill asks of every layer: its operating points, and what the run saw of
// its operands (correlation, light that arrives in the full-scale encoding).
std::vector<network::LayerQuestion> layer_questions(
    Simulation& simulation, const std::vector<network::ProductOperatingPoint>& points,
    const RunMeasurement& measurement);

// Sum over passes, for the ledger.
std::vector<network::ProductRecord> sum_totals(const std::vector<network::PassResult>& passes);

}  // namespace attojoule::tools
