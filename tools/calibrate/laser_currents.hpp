// Spectra of a laser at several bias currents, one file each: what `rin --model relaxation` and
// `s21 --laser` share.
#pragma once

#include <string>
#include <vector>

#include "calibration/result.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {

struct LaserCurrentOptions {
  std::string currents, threshold, threshold_uncertainty;
  void define(CLI::App& app);
};

// The bias current [A] of each file: of the list, or of the file's setting "bias current".
// ConfigError where the list has another length, DataError where a file says nothing.
std::vector<double> bias_currents(const LaserCurrentOptions& options,
                                  const std::vector<data::LabTable>& tables);

// One quantity for each of `count` files: a list of that length, or one for all. ConfigError.
std::vector<std::string> one_for_each(const std::string& option, const std::string& text,
                                      std::size_t count);

// Both laws of the laser's dynamics (calibration/relaxation_oscillation.hpp) from the results of
// the files, which have the parameters relaxation_frequency and damping. Files that could not tell
// them are left out and named; one whose model was rejected rejects.
calibration::CalibrationResult over_currents(
    const std::string& kind, const LaserCurrentOptions& options, bool scale_sigma,
    const std::vector<data::LabTable>& tables,
    const std::vector<calibration::CalibrationResult>& results);

}  // namespace attojoule::tools
