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
  std::string sha256;  // of the model's files
};

// Reads an ONNX file and builds its program for samples of the data set.
LoadedNetwork load_network(const std::filesystem::path& model, const data::Dataset& dataset,
                           const network::ProgramOptions& options);

// Samples of a data set, for a network whose inputs take its arrays in the order of `sources`.
// Refers to the data set.
network::SampleSource source_of(const data::Dataset& dataset, const std::vector<int>& sources);

// Throws DataError where one of the first `samples` labels is no output of the network.
void require_labels(const data::Dataset& dataset, std::int64_t samples, std::int64_t outputs);

// Takes the weight noise of the last pass off (Program::perturb_weights) and sets this noise again.
void restore_weights(network::Program& program, const std::vector<network::ProductNoise>& noise);

// Photons per multiplication, repetitions included, averaged over the multiplications of all
// products that are not digital (channels of a product count alike). Garg's thermal and weight
// laws: repeats.
double mean_photons_per_mac(const network::Program& program,
                            const std::vector<network::ProductOperatingPoint>& points,
                            const std::vector<bool>& digital);

class Simulation {
 public:
  Simulation(Experiment experiment, int threads);

  // The experiment's operating point of every product: one for all, or those of the file.
  const std::vector<network::ProductOperatingPoint>& points() const { return points_; }
  // The same with the light scaled so that the mean over multiplications is `photons_per_mac`.
  std::vector<network::ProductOperatingPoint> points_at(double photons_per_mac) const;
  // Plans the noise of every product at these points and hands it to the program.
  const std::vector<network::ProductNoise>& set_points(
      const std::vector<network::ProductOperatingPoint>& points);
  // Law, encoding, ranges and digital products as plan_noise takes them.
  network::NoiseRequest noise_request() const;

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
  // The same under this noise, which stays set.
  std::vector<network::PassResult> passes_under(const std::vector<network::ProductNoise>& noise,
                                                std::int64_t images, int seeds, bool keep_logits,
                                                const network::Progress& done);
  bool noise_shared_by_pass() const;
  // What the program was built with, ranges included.
  const network::ProgramOptions& program_options() const { return program_options_; }

 private:
  void calibrate_ranges();
  void resolve_points();

  Experiment experiment_;
  data::Dataset dataset_;
  std::string model_sha256_;
  std::unique_ptr<LoadedNetwork> network_;
  std::unique_ptr<network::Evaluator> evaluator_;
  std::int64_t images_ = 0;
  int threads_;
  network::ProgramOptions program_options_;
  std::vector<bool> digital_;
  std::vector<network::InputRange> ranges_;
  std::vector<network::ProductOperatingPoint> points_;
  std::vector<network::ProductNoise> noise_;
};

}  // namespace attojoule::tools
