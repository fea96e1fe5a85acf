// What `attojoule run` found, and the three ways it is said: a table, JSON, HDF5.
#pragma once

#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "data/result_file.hpp"
#include "network/energy_accountant.hpp"
#include "network/energy_analysis.hpp"
#include "network/evaluation.hpp"
#include "tools/experiment.hpp"

namespace attojoule::tools {

struct LayerReport {
  std::string name;
  std::string kind;
  bool digital = false;
  std::int64_t macs = 0;  // per sample
  std::int64_t dot_length = 0;
  // NaN where the layer is digital.
  double photons_per_mac = 0;  // mean over channels; Garg's thermal and weight laws: repeats E
  double repetitions = 0;
  double snr_db = 0;  // signal power / noise power of the outputs
  double noise_bits = 0;
  double optical_attojoule_per_mac = 0;  // detected
  double attojoule_per_mac = 0;          // all components
  double transmission = 0;               // law: counting; NaN otherwise
  // Of the computed operands, those beyond the quantiser's range or full scale; NaN where there is
  // neither.
  double saturated_fraction = 0;
};

struct CurvePoint {
  double photons_per_mac = 0;
  double optical_attojoule_per_mac = 0;
  network::AccuracyEstimate accuracy;
};

struct RunReport {
  std::string model;
  std::string device;
  std::int64_t images = 0;
  int seeds = 0;
  std::int64_t curve_images = 0;
  int curve_seeds = 0;
  double clean_accuracy = 0;
  network::AccuracyEstimate noisy;
  double rounded_accuracy = std::numeric_limits<double>::quiet_NaN();  // --noise-bits-check
  std::int64_t macs = 0;            // of all products, per sample
  double mean_photons_per_mac = 0;  // of products that are not digital, repetitions included
  std::vector<LayerReport> layers;
  network::EnergyLedger energy;
  std::optional<network::EnergyAnalysis> analysis;
  std::vector<CurvePoint> curve;
  std::int64_t outputs = 0;
  std::vector<float> clean_logits;  // images x outputs, on request
  std::vector<float> noisy_logits;
};

void print_table(const RunReport& report, std::ostream& out);
nlohmann::ordered_json run_json(const RunReport& report);
void write_result(const RunReport& report, data::ResultWriter& writer);

}  // namespace attojoule::tools
