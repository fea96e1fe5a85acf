// What `attojoule device` finds out about a device, as data: text, JSON and HDF5 show the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/result_file.hpp"
#include "photonics/device.hpp"
#include "photonics/link.hpp"
#include "photonics/noise_budget.hpp"
#include "photonics/poisson.hpp"
#include "photonics/waveform.hpp"

namespace attojoule::tools {

struct DeviceRequest {
  double photons = 50;        // per multiplication, both beams
  std::int64_t length = 512;  // multiplications of the dot product
  double correlation = 0.5;   // w.x / (|w| |x|), of the budget and on average of the trials
  double crest = 4;           // full scale of the modulators over the rms of the values
  int trials = 2000;          // dot products measured a fidelity
  std::uint64_t seed = 1;
};

// One operating point of the sweep over optical power.
struct PowerPoint {
  double photons = 0;
  photonics::NoiseBudget budget;
  // Not a number above 1e7 counts, where it has long fallen below 1e-3 (as 1 / sqrt(counts)).
  photonics::GaussianDistance gaussian;
};

// Errors of a fidelity over fresh random dot products, for |w| = |x| = 1.
struct FidelityRow {
  std::string name;
  double bias = 0;        // mean error
  double bias_error = 0;  // standard error of it
  double sigma = 0;
};

// One layer of a file of operating points, at the mean photons and repetitions of its channels.
struct LayerPoint {
  std::string name;
  std::int64_t length = 0;                         // multiplications of a dot product
  double photons = 0;                              // per multiplication and repetition, mean
  double lowest_photons = 0, highest_photons = 0;  // of the channels
  double repetitions = 1, integrations = 1;        // means
  double reads = 1;                                // of one dot product, repetitions included
  photonics::NoiseBudget budget;                   // of one repetition
  // Of the mean over the repetitions.
  double snr_db = 0, effective_bits = 0, noise_bits = 0;
  double shot_share = 0;  // of the variance
};

// Link and noise at the operating point; nothing is sampled.
struct DeviceBudget {
  photonics::LinkBudget link;
  photonics::NoiseBudget budget;
  photonics::ShotNoiseRange range;  // photons per multiplication
  double power_per_photon_w = 0;    // at the receiver
};

struct DeviceReport : DeviceBudget {
  photonics::Device device;
  DeviceRequest request;
  photonics::DotProduct product;    // full scales for |w| = |x| = 1
  double clipping_correlation = 0;  // from which the converter clips; infinite if never
  double diode_compression = 0;
  std::vector<PowerPoint> sweep;  // four points a decade, as far as a slot fits the full well
  photonics::GaussianDistance gaussian;
  photonics::Fidelity automatic = photonics::Fidelity::analytic;
  std::vector<FidelityRow> fidelities;  // analytic, counting, waveform
  std::vector<LayerPoint> layers;       // of a file of operating points
};

// Operands of trial `trial`: normally distributed with the request's correlation, |w| = |x| = 1,
// cut at full scale (which takes a little off the norms where the crest is small).
struct Operands {
  std::vector<float> w, x;
  double y = 0, weight_norm2 = 0, input_norm2 = 0;
  double slot_squares = 0;  // D sum (w_k x_k)^2
};
Operands draw_operands(const DeviceRequest& request, std::uint64_t trial);

// Throws ConfigError where the request makes no sense or the device cannot do it.
DeviceBudget budget_of_device(const photonics::Device& device, const DeviceRequest& request);
// Likewise. `progress` is told the trials done, of 2 x trials.
DeviceReport report_on_device(const photonics::Device& device, const DeviceRequest& request,
                              const std::function<void(std::int64_t)>& progress);

// What the device does to every layer of a file of operating points. Dot products are as long as
// the file says, or, where it does not, request.length if `length_is_given`. ConfigError naming the
// file where neither says it, for energies that do not count photons at the receiver (laws other
// than homodyne and garg-shot), and naming the layer where the device cannot do it.
std::vector<LayerPoint> report_on_layers(const photonics::Device& device,
                                         const DeviceRequest& request,
                                         const std::filesystem::path& file, bool length_is_given);

// Groups /link, /noise, /sweep, /gaussian, /fidelity (docs/files.md).
void write_device_report(data::ResultWriter& writer, const DeviceReport& report);

// Groups /waveform, the operands of trial 0 in time, and /eye, symbols of equal light and random
// sign.
void write_waveform(data::ResultWriter& writer, const photonics::Device& device,
                    const DeviceRequest& request, int samples_per_slot);

}  // namespace attojoule::tools
