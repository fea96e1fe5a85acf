// A calibration's files: result.json, device.yaml, residuals.csv, report.html, check.py and cal.h5
// in one directory, each written under a temporary name and renamed, so that none is ever half
// there. Formats for users: docs/calibration_fits.md. Test: tests/tools/calibrate_fits_test.cpp.
#pragma once

#include <filesystem>
#include <string>

#include "calibration/result.hpp"

namespace attojoule::calibration {

// Numbers that are not known are null.
std::string result_json(const CalibrationResult& result);
std::string residuals_csv(const CalibrationResult& result);
std::string report_html(const CalibrationResult& result);
// Parameters, uncertainties and covariance as a device file that the simulator loads: `base` (the
// YAML of a whole device) with the fitted values in place of its own, and a section `calibration`.
// Empty where the result has no device parameter, or no value that can be trusted (verdict).
std::string device_yaml(const CalibrationResult& result, const std::string& base_yaml);

struct WriteOptions {
  std::string command_line;
  std::string base_device_yaml;
};
// Creates `directory`. RunError where it cannot be written.
void write_calibration(const CalibrationResult& result, const std::filesystem::path& directory,
                       const WriteOptions& options);

}  // namespace attojoule::calibration
