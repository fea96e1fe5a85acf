// What a calibration found, read back: from the result.json of `attojoule calibrate`, or from the
// section `calibration` of a device file.
//
// A device file holds one covariance of types A and B together; only the variances of its
// parameters are known by type. covariance_a is then zero and covariance_b all of it, and
// `types_apart` false. Test: tests/calibration/calibration_difference_test.cpp.
#pragma once

#include <Eigen/Core>
#include <string>
#include <vector>

#include "calibration/result.hpp"

namespace attojoule::calibration {

struct CalibratedValues {
  std::string name;  // as it was asked for
  std::string kind;  // of a result; "device" of a device file
  std::string verdict = "accepted";
  std::vector<Estimate> values;
  Eigen::MatrixXd covariance_a, covariance_b;
  bool types_apart = true;
  std::vector<DeviceEntry> device;  // of a result
  std::vector<std::pair<std::string, std::string>> device_conditions;
  InputFile input;

  bool is_device() const { return kind == "device"; }
  Eigen::MatrixXd covariance() const { return covariance_a + covariance_b; }
  // values.size() where there is none.
  std::size_t find(const std::string& value) const;
};

// A path that ends in .json is a result, anything else a device file or preset. DataError for what
// cannot be read or is no such file; a device without the section has no values.
CalibratedValues load_calibrated_values(const std::string& name_or_path);

}  // namespace attojoule::calibration
