// What `attojoule learn` found, as a table, JSON and HDF5.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "data/result_file.hpp"
#include "network/certificate.hpp"
#include "tools/attribution.hpp"
#include "tools/device_draws.hpp"
#include "tools/learning.hpp"
#include "tools/run_report.hpp"

namespace attojoule::tools {

// Accuracy at multiples of the learned energies, and at uniform energies of the same mean.
struct LearnCurvePoint {
  double mean_photons_per_mac = 0;
  network::AccuracyEstimate learned, uniform;
};

struct LearnReport {
  LearnSettings settings;
  std::string law, encoding, model_sha256;
  std::vector<std::string> layers;
  std::vector<double> macs;  // of every layer
  std::vector<bool> digital;
  std::int64_t learning_images = 0, search_images = 0;
  int search_seeds = 0;
  LearningOutcome outcome;
  LearningState state;
  RunReport run;                                               // at the schedule, on the test data
  network::Certificate certificate;                            // of the schedule
  network::Certificate uniform_certificate;                    // of the uniform baseline
  std::optional<network::Certificate> continuous_certificate;  // where the schedule differs
  double mean = 0;                                             // photons per MAC of the schedule
  double total_attojoule_per_mac = 0;                          // ledger of the schedule
  double uniform_total_attojoule_per_mac = 0;                  // and of the uniform baseline
  std::vector<LearnCurvePoint> curve;
  std::optional<Attribution> attribution;
  std::optional<DeviceDrawsReport> draws;  // the schedule on devices drawn from a calibration

  double saving() const { return 1 - mean / outcome.uniform_mean; }
  double continuous_saving() const { return 1 - outcome.continuous_mean / outcome.uniform_mean; }
};

void print_learn_table(const LearnReport& report, std::ostream& out);
void print_learn_json(const LearnReport& report, std::ostream& out);
void write_learn_result(const LearnReport& report, data::ResultWriter& writer);

}  // namespace attojoule::tools
