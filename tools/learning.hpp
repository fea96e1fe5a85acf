// Least energy at a target accuracy, for one experiment: learning, searching, schedule,
// certificate.
//
//   1. the clean network on the search images: what may be lost
//   2. uniform: the least energy that is the same for every multiplication (the baseline)
//   3. rounds of learning at a mean energy (network/precision_learner.hpp, warm start from the
//   round
//      before) and searching the least multiple of what was learned; the cheapest round counts.
//      Energies of channels are learned from few images and can be too far apart: energies drawn
//      halfway and wholly to the mean of their layer are tried as well, and kept where they need
//      less
//   4. the schedule that the hardware can run (network/schedule.hpp), checked on the search images
//   5. the certificate (network/certificate.hpp) on the experiment's own data, which nothing before
//      has seen
//
// Learning images and search images are disjoint parts of range_data. Every measurement of the
// search takes the same images and noise (common random numbers), in blocks of growing size, and
// stops where the rest can hardly change its verdict.
//
// All that was measured and learned is in LearningState; with a state from a file everything goes
// on as if it had never stopped. Tests: tests/tools/learn_verb_test.cpp.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "network/certificate.hpp"
#include "network/energy_search.hpp"
#include "network/precision_learner.hpp"
#include "tools/simulation.hpp"

namespace attojoule::tools {

// One measurement of the search.
struct SearchPoint {
  double mean_photons_per_mac = 0;
  double degradation = 0;  // fraction (nats where the target is a loss)
  double criterion = 0;    // what is compared with the target: bound or mean, for all images
  std::int64_t images = 0;
  int seeds = 0;
  double upper95 = 0;  // the bound whose margin the criterion may cut; not in checkpoints
};

struct LearningRound {
  double cost = 0;              // what the learner was held to
  network::LearnState learner;  // at its last step
  bool learned = false;
  std::vector<network::ProductOperatingPoint> points;  // at that cost
  std::vector<SearchPoint> search;                     // over multiples of them
  std::vector<std::vector<SearchPoint>> tempered;      // per channel: and of those drawn together
};

struct LearningState {
  std::vector<SearchPoint> uniform;
  std::vector<LearningRound> rounds;
};

struct LearningOutcome {
  double target = 0;  // of the search, fraction (nats)
  double clean = 0;   // accuracy on the search images
  double uniform_mean = 0;
  double continuous_mean = 0;  // learned, before the schedule
  std::vector<network::ProductOperatingPoint> uniform, continuous, scheduled;
  network::Schedule schedule;
  bool schedule_changes = false;  // whether it differs from the continuous energies
  SearchPoint check;              // of the schedule on the search images
  int best_round = 0;
  double passes = 0;  // of single samples: forward and backward of learning, and the search's
  double learning_passes = 0;  // the former alone
};

class Learning {
 public:
  // `save` is told of a new state now and then.
  Learning(Simulation& simulation, int threads, std::function<void(const LearningState&)> save,
           std::function<void(const std::string& stage, double share)> progress);
  ~Learning();

  void resume(LearningState state);
  // Throws TargetError where the target is out of reach.
  LearningOutcome run();
  const LearningState& state() const { return state_; }

  const std::string& data_sha256() const;  // of range_data
  std::int64_t learning_images() const { return learning_images_; }
  std::int64_t search_images() const { return search_images_; }
  int search_seeds() const { return search_seeds_; }

  // What may be lost (fraction; nats for a loss) of a clean result. Throws TargetError where the
  // clean network is below the accuracy asked for.
  static double allowed_loss(const LearnSettings& settings, double clean);

 private:
  struct Parts;
  using Points = std::vector<network::ProductOperatingPoint>;

  // Nothing where no trial met the target.
  std::optional<SearchPoint> search(const Points& shape, const network::SearchOptions& options,
                                    std::vector<SearchPoint>& log, const std::string& stage,
                                    double share_before, double share, bool baseline = false);
  SearchPoint measure(const Points& points, bool whole);
  void learn_round(std::size_t index, double cost, const Points* start, double share_before,
                   double share);
  bool plans_schedule() const;                       // of power, integration and whole repetitions
  double ledger_joules(const Points& points) const;  // per inference, of the analog products
  void plan_hardware(LearningOutcome& outcome);
  void plan_hardware(LearningOutcome& outcome, network::Objective objective);
  network::SearchOptions search_options(double first, double growth) const;
  // That laser.maximum_power and the repetitions that are allowed give every product; infinite
  // without a limit.
  double most_uniform_photons() const;
  [[noreturn]] void out_of_reach(const std::vector<SearchPoint>& log) const;
  double mean(const Points& points) const;

  Simulation& simulation_;
  const LearnSettings settings_;
  int threads_;
  std::function<void(const LearningState&)> save_;
  std::function<void(const std::string&, double)> progress_;
  std::unique_ptr<Parts> parts_;
  LearningState state_;
  std::int64_t learning_images_ = 0;
  std::int64_t search_images_ = 0;
  int search_seeds_ = 0;
  double target_ = 0;
  network::PassResult clean_;
};

// The result of paired passes as the certificate takes it: right or wrong, or minus the loss.
network::PairedResults paired(const network::PassResult& clean,
                              const std::vector<network::PassResult>& noisy, bool losses,
                              bool noise_shared);

// The same light in repetitions that laser.maximum_power can send: n / K at K = ceil(n / largest
// n).
std::vector<network::ProductOperatingPoint> realisable(
    Simulation& simulation, const std::vector<network::ProductOperatingPoint>& points);

// Cost of operating points for Objective::total, in aJ per multiplication: what grows with the
// energies - the laser's electricity, and reads and symbols of repetitions where E is more than the
// laser gives at once (repeats, for Garg's laws). Costs that are there at any energy are left out.
network::CostFunction ledger_cost(const network::Program& program, const photonics::Device& device,
                                  photonics::Law law, photonics::Encoding encoding,
                                  const std::vector<bool>& digital);

}  // namespace attojoule::tools
