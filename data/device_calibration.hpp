// The section `calibration` of a device file: what was measured of the device, with uncertainty,
// and devices drawn from it.
//
//   calibration:
//     source: "attojoule calibrate responsivity, pd.csv (sha256 …)"
//     parameters:
//       - {key: detector.quantum_efficiency, unit: "1", value: 0.81, u_a: 0.002, u_b: 0.01}
//     covariance:            # of the parameters in that order, in their units, types A and B
//       - [0.000104]
//
// A draw is x = mu + L z with the Cholesky factor L of the covariance and standard normal z, each
// drawn device a pure function of (seed, index). Draws that the device's physics refuses (an
// efficiency above 1) are drawn anew; `refused` counts them, so that a posterior that lies outside
// of physics is seen and not clipped. Test: tests/data/device_calibration_test.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/config.hpp"
#include "photonics/device.hpp"

namespace attojoule::data {

struct DeviceCalibration {
  struct Parameter {
    std::string key;   // "detector.quantum_efficiency"
    std::string unit;  // "1" for a pure number
    double value = 0, u_a = 0, u_b = 0;
  };
  std::string source;
  std::vector<Parameter> parameters;
  std::vector<double> covariance;  // row-major, parameters x parameters
};

// Reads the section (of a device file's root); empty parameters where there is none. ConfigError
// with its place where the covariance has another size, or is not symmetric or not positive
// semidefinite.
DeviceCalibration read_calibration(const ConfigNode& root);

// Of a preset's name or a file's path, as load_device() takes it.
DeviceCalibration load_calibration(const std::string& name_or_path);

// The section as YAML, "calibration:" and all, numbers bit for bit; "" where there is nothing.
std::string calibration_to_yaml(const DeviceCalibration& calibration);

// Two calibrations of one device: their parameters are independent of each other, and what `later`
// measured again replaces `earlier` (with its correlations). Sources are joined.
DeviceCalibration combine(const DeviceCalibration& earlier, const DeviceCalibration& later);

struct DeviceDraws {
  std::vector<photonics::Device> devices;
  std::vector<std::vector<double>> values;  // of the parameters, per device
  std::uint64_t refused = 0;
};

// ConfigError where the file has no section `calibration`, or more than nine draws in ten are
// refused. `overrides` as load_device() takes them; they win over the draws.
DeviceDraws draw_devices(const std::string& name_or_path, const std::vector<std::string>& overrides,
                         std::size_t count, std::uint64_t seed);

}  // namespace attojoule::data
