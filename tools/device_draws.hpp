// A run on devices drawn from a calibration: how much of accuracy and energy is not known because
// the device is not known better.
//
// Every drawn device runs the same images under the same noise seeds, at the same operating points.
// The clean network does not depend on the device and is not run again. What differs between the
// devices beyond the noise is the calibration's part (network/device_spread.hpp). Devices that
// physics refuses are drawn anew (data/device_calibration.hpp); devices that exist but cannot run
// these points (a laser too weak, diodes that saturate) are counted and left out.
//
// Held light: the operating points say photons at the receivers. Either they stay, and what a
// lossier path costs is paid by the laser; or the laser's power stays, and the photons follow the
// path: n_d = n T_d lambda_d / (T lambda), T the transmission of the path (photonics/link.hpp).
// Tests: tests/tools/device_draws_test.cpp. Text: docs/calibration_fits.md.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "data/result_file.hpp"
#include "network/device_spread.hpp"
#include "tools/drawn_devices.hpp"
#include "tools/simulation.hpp"

namespace attojoule::tools {

// Accuracy, or energy per MAC of a component, over the devices.
struct SpreadOverDevices {
  std::string name, unit, long_name;
  double calibrated = 0;  // at the calibration's own values
  network::DeviceSpread spread;
  std::vector<double> correlations;  // with every parameter; NaN where one does not vary
};

struct DeviceDrawsReport {
  DrawnDevices drawn;
  HeldLight held = HeldLight::at_receiver;
  std::int64_t images = 0;
  double clean_accuracy = 0;
  // What a learned operating point may lose; then the devices that lose no more are counted.
  std::optional<double> allowed_loss;
  SpreadOverDevices accuracy;
  std::vector<double> accuracy_by_seed;   // devices x seeds
  SpreadOverDevices photons;              // per MAC, at the receivers
  std::vector<SpreadOverDevices> energy;  // of every component, and last the total; aJ/MAC
  std::size_t within_allowed_loss() const;
  // Half width of 95 % of what one such device does on other images: calibration, noise, images.
  double combined_ci95() const;
};

// What was found for the device with the calibration's own values, at the same points.
struct CalibratedValues {
  double clean_accuracy = 0, accuracy = 0, photons_per_mac = 0;
  network::EnergyLedger energy;
};

// As many devices as the experiment asks for.
DrawnDevices draw_devices(const Experiment& experiment);

// `done` is told the samples done, of devices x seeds x images.
DeviceDrawsReport run_drawn_devices(Simulation& simulation,
                                    const std::vector<network::ProductOperatingPoint>& points,
                                    DrawnDevices drawn, const CalibratedValues& calibrated,
                                    const network::Progress& done);

void print_device_draws(const DeviceDrawsReport& report, std::ostream& out);
// The object below the key `calibration`.
nlohmann::ordered_json device_draws_json(const DeviceDrawsReport& report);
// The group /calibration.
void write_device_draws(const DeviceDrawsReport& report, data::ResultWriter& writer);

}  // namespace attojoule::tools
