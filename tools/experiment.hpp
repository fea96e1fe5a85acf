// One experiment as the user states it: YAML file, --set assignments and flags in one structure.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/config.hpp"
#include "data/dataset.hpp"
#include "network/noise_plan.hpp"
#include "network/range_calibration.hpp"
#include "photonics/device.hpp"
#include "photonics/noise_model.hpp"
#include "tools/learn_settings.hpp"

namespace attojoule::tools {

// What stays the same where a drawn device differs from the calibrated values: the light at its
// receivers (somebody readjusts the laser), or the power of its laser (nobody does).
enum class HeldLight { at_receiver, at_laser };

struct Experiment {
  std::filesystem::path model;
  data::DatasetOptions data;
  std::optional<data::DatasetOptions> range_data;
  network::RangeOptions range_options;
  int weight_bits = 0;  // quantisation; 0 = float
  int activation_bits = 0;
  bool winograd = false;  // convolution: winograd (network::ProgramOptions)
  photonics::Device device;
  // Where it comes from, as load_device() takes it: devices drawn from its calibration start there.
  std::string device_source;
  std::vector<std::string> device_assignments;
  std::int64_t device_draws = 0;  // devices drawn; 0 = none (tools/device_draws.hpp)
  HeldLight held_light = HeldLight::at_receiver;  // of drawn devices
  photonics::Law law = photonics::Law::homodyne;
  photonics::Encoding encoding = photonics::Encoding::normalised;
  network::Fidelity fidelity = network::Fidelity::analytic;
  bool garg_grouped_dot_length = false;  // network::NoiseRequest
  std::vector<std::string> digital_layers;
  photonics::OperatingPoint point;
  std::filesystem::path
      point_file;  // points of every layer instead (data/operating_point_file.hpp)
  LearnSettings learn;
  bool learns = false;      // whether the section `learn` has a meaning here
  std::int64_t images = 0;  // 0 = all
  int seeds = 3;
  int batch = 0;                  // accepted for scripts; results do not depend on it
  std::vector<double> curve;      // photons per MAC of the accuracy curve
  std::int64_t curve_images = 0;  // 0 = as images
  int curve_seeds = 0;            // 0 = as seeds
  std::uint64_t seed = 1;
  std::string resolved;  // everything above as YAML, for the result file
};

// What the command line may say; it goes over the file's word.
struct ExperimentArguments {
  std::filesystem::path file;  // empty: everything from the flags
  std::string model, data, labels, device;
  std::vector<std::string> assignments;  // --set key=value
  bool learns = false;                   // the verb finds the operating point itself
  std::optional<std::uint64_t> seed;
};

// Paths in a file are relative to the file. Throws ConfigError with place, value, unit and remedy.
Experiment read_experiment(const ExperimentArguments& arguments);

// The experiment that runs when none is named: the shipped network on Fashion-MNIST.
std::filesystem::path default_experiment_file();

const char* to_string(photonics::Law law);
const char* to_string(photonics::Encoding encoding);
const char* to_string(HeldLight held);  // "receiver", "laser"

}  // namespace attojoule::tools
