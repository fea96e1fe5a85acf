// A calibration's files: result.json, device.yaml, residuals.csv, report.html, check.py, cal.h5 and
// a file NAME.csv of every table in one directory, each written under a temporary name and renamed,
// so that none is ever half there. Formats for users: docs/calibration_fits.md. Test:
// tests/calibration/report_test.cpp.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "calibration/result.hpp"
#include "data/device_calibration.hpp"

namespace attojoule::calibration {

// The text under a temporary name, then renamed: never half there. RunError where it cannot be.
void write_whole(const std::filesystem::path& target, const std::string& text);

// Numbers that are not known are null. `left_out`: what device.yaml does not take, key and reason.
std::string result_json(const CalibrationResult& result,
                        const std::vector<std::string>& left_out = {});
std::string residuals_csv(const CalibrationResult& result);
std::string report_html(const CalibrationResult& result);
// Parameters, uncertainties and covariance as a device file that the simulator loads: `base` (the
// YAML of a whole device, without that section) with the fitted values in place of its own, and a
// section `calibration`: that of the base, where it had one, with this result's parameters beside
// its own (data::combine()). A value that another description of the same thing forbids replaces
// that one (a slope efficiency replaces a wall-plug efficiency); what the base device cannot take
// is left out, and said. Empty text where the result has no device parameter, or no value that can
// be trusted (verdict), or the device takes none of them.
struct DeviceText {
  std::string yaml;
  std::vector<std::string> left_out;  // key and reason
};
DeviceText device_yaml(const CalibrationResult& result, const std::string& base_yaml,
                       const data::DeviceCalibration& base_calibration);

struct WriteOptions {
  std::string command_line;
  std::string base_device_yaml;
  data::DeviceCalibration base_calibration;
};
// Creates `directory`. RunError where it cannot be written. Gives what was left out of device.yaml.
std::vector<std::string> write_calibration(const CalibrationResult& result,
                                           const std::filesystem::path& directory,
                                           const WriteOptions& options);

}  // namespace attojoule::calibration
