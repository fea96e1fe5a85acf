// What `calibrate joint` and `calibrate validate` share: measurements of a known kind, or of a
// formula of the user, read from laboratory files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calibration/joint.hpp"
#include "calibration/joint_kinds.hpp"
#include "data/config.hpp"
#include "data/lab_file.hpp"

namespace attojoule::tools {

// One measurement as it is asked for.
struct MeasurementRequest {
  std::string name, place;  // place: where it is asked for, in messages
  std::string kind;         // of joint_kinds(); "" with a formula
  std::string formula;      // of the columns' symbols and parameters
  std::string file;
  data::LabReadOptions reading;
  std::map<std::string, std::string> columns;  // symbol (or "y"): column of the file
  std::map<std::string, std::string> units;    // of a formula's symbols and "y": values are in it
  // Scatter, as text with units; sigma and nu: a column, or (nu) a number; samples: nu + 1.
  std::string sigma, relative, floor, nu, samples;
  bool scale_sigma = false;
  std::string range;  // "lo:hi" of the abscissa, in its column's unit
  std::map<std::string, calibration::Expression> parameters;
};

// Reads the file and puts the measurement into the problem; the table, for note_table(). Points
// outside the range go to `outside`. ConfigError and DataError with the request's place.
data::LabTable add_lab_measurement(calibration::JointProblem& problem,
                                   const MeasurementRequest& request,
                                   std::vector<calibration::RejectedPoint>& outside);

// "shot-noise, loss, ..." of joint_kinds(), for help and messages.
std::string joint_kind_names();

// A job file (docs/calibration_fits.md, "Joint fits"); relative paths are those of its folder.
struct JointJob {
  calibration::JointProblem problem;
  std::vector<data::LabTable> tables;
  std::vector<calibration::InputFile> inputs;  // the job, and results that it takes
  std::vector<calibration::RejectedPoint> outside;
  std::vector<std::pair<std::string, std::string>> conditions;
};
JointJob read_joint_job(const std::string& file);

}  // namespace attojoule::tools
