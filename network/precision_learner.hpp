// Learns the energy of every product (or output channel) that a network needs at a given mean.
//
// Objective. `gradient` is the method of Garg et al. 2021 (arXiv:2102.06365):
//
//   L = CE + lambda max(0, ln C(E) - ln C_target),   C = mean energy = sum_l M_l mean_c E_lc / sum
//   M_l
//
// over ln E by Adam, with the gradient of network/energy_gradient.hpp; M_l = multiplications of
// product l. Any cost may stand for the mean energy (CostFunction), such as the joules of an energy
// ledger.
//
// `sensitivity` solves min sum c_lc / E_lc at C(E) = C_target in closed form: for the mean energy
// E_lc ~ sqrt(c_lc / M_lc), M_lc = multiplications of the channel; for a general cost the
// stationary point of d(loss)/d ln E = -mu dC/d ln E. c is measured around the clean network, then
// again under the noise of the energies found (LearnOptions::curvature_rounds), where the loss is
// no longer quadratic in the noise. `trust` compares what the model says of the loss with what is
// measured.
//
// `hybrid` starts from `sensitivity` and goes on with gradient steps that keep the cost at its
// target (the gradient is projected; no lambda), with a learning rate that falls to zero.
//
// Tests: tests/network/precision_learner_test.cpp. Text: docs/physics/precision_learning.md.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "network/energy_gradient.hpp"

namespace attojoule::network {

enum class LearnMethod { gradient, sensitivity, hybrid };
enum class Granularity { layer, channel };

// A cost of operating points and its derivatives.
struct Cost {
  double value = 0;                                // > 0
  std::vector<std::vector<double>> by_log_energy;  // d cost / d ln E, shaped as the points
};
using CostFunction = std::function<Cost(const std::vector<ProductOperatingPoint>& points)>;

// Mean energy over all multiplications of products that are not digital, C above.
CostFunction mean_energy_cost(const Program& program, const std::vector<bool>& digital);

struct LearnOptions {
  LearnMethod method = LearnMethod::gradient;
  Granularity granularity = Granularity::layer;
  double target = 0;  // of the cost, > 0 (mean photons per multiplication, or mean repeats)
  std::uint64_t seed = 0;
  // Gradient steps. Defaults of `gradient` are the paper's; default_options gives those of a
  // method.
  int steps = 1500;
  int batch = 32;
  double learning_rate = 0.01;
  bool rate_falls = false;  // to zero along half a cosine
  double lambda = 2;        // 2 for shot noise, 8 for thermal and weight noise
  bool penalty = true;      // the paper's penalty; else the cost is held at its target
  double average = 0;       // result = mean of ln E over this last share of the steps; 0 = last
  // Sensitivity.
  std::int64_t curvature_samples = 512;  // of each round
  int curvature_rounds = 3;              // the first clean, the others under noise
  double trust_factor = 2;               // predicted and measured loss may differ by this factor
  // ln E stays within this range.
  double lowest_energy = 1e-4;
  double highest_energy = 1e9;
};

// The options of a method under a law, with the paper's where it gives any.
LearnOptions default_options(LearnMethod method, photonics::Law law);

struct LearnStep {
  std::int64_t step = 0;
  double loss = 0;      // cross entropy of the step's batch
  double accuracy = 0;  // of the step's batch
  double cost = 0;      // of the energies that the step started from
};

// Quadratic model against measurement.
struct TrustCheck {
  double predicted = 0;       // loss increase, nats
  double measured = 0;        // with the same samples and noise
  double standard_error = 0;  // of `measured`
  bool holds = false;         // within trust_factor of each other, or within 2 standard errors
};

// All that a learner is made of besides its options: written to a file and restored, it goes on as
// if it had never stopped, bit for bit.
struct LearnState {
  std::int64_t step = 0;                        // gradient steps done
  int round = 0;                                // curvature rounds done
  double passes = 0;                            // EnergyGradient::passes of all that was done
  std::vector<std::vector<double>> log_energy;  // shaped by the granularity
  std::vector<std::vector<double>> first_moment, second_moment;
  std::vector<std::vector<double>> sum;  // of ln E over the averaged steps
  std::int64_t summed = 0;
  std::vector<LearnStep> history;
  TrustCheck trust;
};

class PrecisionLearner {
 public:
  // `samples`: indices that may be learned from. Starts from the uniform energy whose cost is the
  // target. Throws ConfigError for options out of range or a target that no energy in the bounds
  // reaches.
  PrecisionLearner(EnergyGradient& gradient, LearnOptions options,
                   std::vector<std::int64_t> samples, CostFunction cost);

  // Starts from these energies (scaled to the target) instead: a warm start. Before any step.
  void start_from(const std::vector<ProductOperatingPoint>& points);
  // Goes on from a saved state. Throws DataError where its shape is not this network's.
  void restore(LearnState state);
  const LearnState& state() const { return state_; }
  const LearnOptions& options() const { return options_; }

  // Curvature rounds and gradient steps together.
  std::int64_t total_steps() const;
  std::int64_t done_steps() const;
  bool finished() const { return done_steps() >= total_steps(); }
  // One curvature round or one gradient step.
  LearnStep step();

  // The energies learned so far, scaled so that the cost is exactly the target (within the bounds
  // of ln E).
  std::vector<ProductOperatingPoint> points() const;
  std::vector<ProductOperatingPoint> uniform_points() const;

 private:
  std::vector<std::int64_t> draw(std::int64_t first, std::int64_t count);
  LearnStep curvature_round();
  void check_trust(const std::vector<std::int64_t>& samples, const CurvatureResult& curvature);
  LearnStep gradient_step();

  EnergyGradient& gradient_;
  LearnOptions options_;
  std::vector<std::int64_t> samples_;
  CostFunction cost_;
  LearnState state_;
  std::int64_t epoch_ = -1;         // that order_ is of; made anew where it is needed
  std::vector<std::size_t> order_;  // of samples_
};

}  // namespace attojoule::network
