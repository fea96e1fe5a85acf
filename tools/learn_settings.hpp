// The section `learn:` of an experiment: how the energy of every layer is learned, and to what end.
// For users: docs/files.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "data/config.hpp"
#include "network/precision_learner.hpp"
#include "network/schedule.hpp"

namespace attojoule::tools {

// What may be lost, in one of these ways.
enum class TargetKind {
  points,    // accuracy, in percentage points
  relative,  // accuracy, in percent of the clean accuracy
  accuracy,  // accuracy under noise of at least this many percent
  loss,      // cross entropy, in nats
};

// Whether the learned energies are turned into what hardware can set. Garg's thermal and weight
// laws, whose E counts repeats, are published with any E above 0: `automatic` leaves them at that.
enum class ScheduleKind { automatic, hardware, continuous };

struct LearnSettings {
  network::LearnMethod method = network::LearnMethod::hybrid;
  network::Granularity granularity = network::Granularity::channel;
  network::Objective objective = network::Objective::optical;
  TargetKind target_kind = TargetKind::points;
  double target = 2;  // in the unit of its kind
  // What the search may lose on its own samples, in the same unit: less than the target where the
  // network was trained on them and is surer of them than of others. The target if not given.
  std::optional<double> search_target;
  // Whether the search holds the upper 95 % bound of the degradation within the target, or its
  // mean.
  bool bound = true;
  // Samples of range_data: the last ones judge the search, the others are learned from; 0 = by the
  // size of the set.
  std::int64_t learning_images = 0;
  std::int64_t search_images = 0;
  // 0 = 4000 passes together, 2 to 8 seeds; 8 where the noise is shared by a pass.
  int search_seeds = 0;
  int rounds = 2;  // of learning and searching
  int steps = 0;   // gradient steps of a round; 0 = the method's
  int batch = 32;
  double learning_rate = 0;           // 0 = the method's
  std::int64_t curvature_images = 0;  // of a curvature round; 0 = the method's
  ScheduleKind schedule = ScheduleKind::automatic;
  network::Levers levers;
  std::vector<double> curve;  // mean energies over the learned one, at which accuracy is measured
};

// Throws ConfigError at the place of what is wrong.
LearnSettings read_learn_settings(const data::ConfigNode& node);
std::string to_yaml(const LearnSettings& settings);  // a flow mapping that reads back the same

const char* to_string(network::LearnMethod method);
const char* to_string(network::Granularity granularity);
const char* to_string(network::Objective objective);

}  // namespace attojoule::tools
