// Accuracy of a network over labelled samples, clean and under noise.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "network/program.hpp"

namespace attojoule::network {

// Where samples come from. Both functions are called from several threads at once.
struct SampleSource {
  std::int64_t size = 0;
  std::function<void(std::int64_t index, Program::Lane& lane)> load;
  std::function<int(std::int64_t index)> label;
};

// One pass over samples [first, first + images).
struct PassResult {
  std::vector<std::uint8_t> correct;  // one per sample
  std::vector<float> logits;          // images x outputs, on request
  std::vector<double> losses;         // cross entropy of every sample, nats, on request
  std::vector<ProductRecord> totals;  // one per product, summed over samples in their order

  double accuracy() const;
};

struct PassRequest {
  std::int64_t first = 0;  // the noise of a sample is that of its place in the source
  std::int64_t images = 0;
  std::uint64_t seed = 0;
  bool noisy = false;
  bool statistics = false;
  bool keep_logits = false;
  bool keep_losses = false;  // of the outputs taken as logits
};

// Called now and then from one thread at a time with the samples done so far in this pass.
using Progress = std::function<void(std::int64_t done)>;

// A pass under seed s is the same whatever the number of threads, and whatever else runs before it:
// a run with seeds 7, 8, 9 contains the run with seed 8.
class Evaluator {
 public:
  Evaluator(Program& program, SampleSource source, int threads);

  PassResult run(const PassRequest& request, const Progress& progress);
  const Program& program() const { return program_; }

 private:
  Program& program_;
  SampleSource source_;
  int threads_;
  std::vector<Program::Lane> lanes_;
};

// Mean accuracy over noise seeds with the half width of its 95 % confidence interval, for these
// images (how the accuracy would vary if the noise were drawn again):
//  - noise independent between images and two seeds or more: from the variance of each image's
//    outcome over the seeds, sum_i s_i^2 / (S N^2), normal quantile;
//  - noise shared by a pass (weight noise): from the variance between passes, Student quantile;
//  - one seed: binomial, sqrt(p (1 - p) / N), which also covers the choice of images.
// `ci95_images` is the binomial half width in every case: what another set of N images would add.
struct AccuracyEstimate {
  double mean = 0;
  double ci95 = 0;
  double ci95_images = 0;
};
AccuracyEstimate estimate_accuracy(std::span<const PassResult> passes, bool noise_shared_by_pass);

}  // namespace attojoule::network
