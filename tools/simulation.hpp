// An experiment made ready to run: files read, network built, noise planned.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "network/energy_accountant.hpp"
#include "network/evaluation.hpp"
#include "network/noise_plan.hpp"
#include "network/program.hpp"
#include "tools/experiment.hpp"
#include "tools/progress.hpp"

namespace attojoule::tools {

// A program, and which array of the data set feeds each of its inputs: -1 = `inputs`, else a named
// input.
struct LoadedNetwork {
  network::Program program;
  std::vector<int> input_sources;
};

// Reads an ONNX file and builds its program for samples of the data set.
LoadedNetwork load_network(const std::filesystem::path& model, const data::Dataset& dataset,
                           const network::ProgramOptions& options);

class Simulation {
 public:
  Simulation(Experiment experiment, int threads);

  // Plans the noise of every product at `photons_per_mac` (the experiment's other settings hold)
  // and hands it to the program.
  const std::vector<network::ProductNoise>& set_operating_point(double photons_per_mac);

  const Experiment& experiment() const { return experiment_; }
  const data::Dataset& dataset() const { return dataset_; }
  network::Program& program() { return network_->program; }
  network::Evaluator& evaluator() { return *evaluator_; }
  std::int64_t images() const { return images_; }
  const std::string& model_sha256() const { return model_sha256_; }
  const std::vector<bool>& digital() const { return digital_; }

  // Noisy passes with seeds seed, seed + 1, …; `done` is told the samples done in all passes.
  std::vector<network::PassResult> noisy_passes(std::int64_t images, int seeds, bool keep_logits,
                                                const network::Progress& done);
  bool noise_shared_by_pass() const;

 private:
  void calibrate_ranges();

  Experiment experiment_;
  data::Dataset dataset_;
  std::string model_sha256_;
  std::unique_ptr<LoadedNetwork> network_;
  std::unique_ptr<network::Evaluator> evaluator_;
  std::int64_t images_ = 0;
  int threads_;
  std::vector<bool> digital_;
  std::vector<network::InputRange> ranges_;
  std::vector<network::ProductNoise> noise_;
};

}  // namespace attojoule::tools
