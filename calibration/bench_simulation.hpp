// Measurements that a bench would take of a device, with what instruments do to them: what
// `attojoule calibrate` reads, made from the device that it should find. For teaching, and for
// tests that close the loop from device to device.
//
// Light and currents come from the device's own parameters and models (photonics/); the instruments
// add
//
//   power meter        a scale error that is the same for every reading (drawn with
//                      power_scale_u, type B: more readings do not shrink it), repeatability,
//                      a display of so many digits
//   current meter      repeatability, an offset noise, digits
//   spectrum analyser  noise bandwidth 1.0645 RBW of its Gaussian filter, the average of N sweeps
//   of
//                      log power (2.51 dB low, scatter 5.57 dB / sqrt(N) a point), its own noise
//                      floor, steps of 0.01 dB, a gain that drifts from trace to trace
//   couplings          every waveguide of a cut-back is coupled anew
//
// Every measurement has random numbers of its own (seed, domain `lab`, number of the measurement),
// so that leaving one out does not change another. `truth` is what a perfect calibration would
// find, in the names and units of the kind's parameters.
//
// Not simulated: line spectra and pick-up, 1/f noise, mode hops, reflections, temperature.
// Sources: Agilent application note 1303 (noise through log averaging, noise bandwidth); as the
// kinds. Test: tests/tools/lab_files_test.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/lab_file.hpp"
#include "photonics/device.hpp"

namespace attojoule::calibration {

// Assumptions: mid-range instruments; data sheets state their like.
struct Bench {
  std::uint64_t seed = 1;
  double power_scale_u = 0.015;        // standard uncertainty of the power meter's scale
  double power_repeatability = 0.001;  // relative, each reading
  int meter_digits = 5;                // of both meters' displays
  double current_repeatability = 0.001;
  double current_noise_a = 0.5e-9;
  double coupling_repeatability_db = 0.1;
  double rbw_hz = 300e3;
  int sweeps = 200;  // log averages of a trace
  double level_step_db = 0.01;
  double gain_drift_db = 0.003;              // from one trace to the next, a random walk
  double analyser_floor_w_per_hz = 3.2e-20;  // -165 dBm/Hz, preamplifier on
  double input_impedance_ohm = 50;
  double pixels = 40000;          // reads behind each variance of a photon transfer
  double photon_scale_u = 0.015;  // of the radiometer
  int record_samples = 4096;      // of the converter
  // Of the bench's own drive and reading, in weights of -1 .. 1.
  double weight_write_sigma = 2e-3, weight_read_sigma = 1e-3;
};

struct TrueValue {
  std::string name, unit;
  double value = 0;
};

struct BenchMeasurement {
  std::string kind;  // of attojoule calibrate
  std::string file;  // "shot_noise.csv"
  data::LabTable table;
  std::vector<std::string> arguments;  // behind the file: what the bench knows of itself
  std::vector<TrueValue> truth;
  std::string about;  // one line
};

struct BenchSeries {
  std::vector<BenchMeasurement> measurements;
  std::vector<std::pair<std::string, std::string>> not_measured;  // kind, and why not
  double power_meter_reads = 1;  // reading over truth: what nobody at the bench knows
};

// Every measurement that this device allows, for the kinds that there are. ConfigError where the
// device fails validate().
BenchSeries simulate_bench(const photonics::Device& device, const Bench& bench);

}  // namespace attojoule::calibration
