// A joint fit: several measurements of one device, with parameters that they share, in one chi2.
//
//   chi2(p) = sum_m sum_i [(y_mi - f_m(x_mi; p)) / sigma_mi]^2          measurements
//           + sum_r (v_r - g_r(p))' C_r^-1 (v_r - g_r(p))               results found elsewhere
//           + sum_k [(p_k - v_k) / u_k]^2                               what is known of a
//           parameter
//
// A parameter that several measurements share (the scale of the power meter, a transresistance) is
// determined by all of them, and separates what none of them separates alone: noise against light
// knows R Z^2 B only, a DC monitor R Z, a photocurrent R.
//
// Scatter: known (sigma, relative and floor, nu degrees of freedom of a variance), or, for a
// measurement of which nothing or only ratios are known, from its residuals about a fit of its own:
// s^2 = RSS / (n - rank), which a contradiction with the others does not inflate.
//
// Uncertainties: C = (J'WJ)^-1 with everything in it. Type A is what the measurements' scatter
// contributes, C (sum_m J_m' W_m J_m) C; type B what the given values and the results' own type B
// do. 95 % intervals use Student's factor at the Welch-Satterthwaite degrees of freedom of the
// measurements whose scatter was estimated.
//
// Checks, each at one in a thousand (rejection_probability):
//   - every measurement's own chi2 (known scatter): its model describes it;
//   - tension: chi2 falls by Delta when a measurement (result, given value) gets parameters of its
//     own, linearised at the solution (a score test; F where a scatter was estimated). Parameters
//     that are not the same in two measurements are found here.
//
// Parameters that the data cannot separate are named (exit code 5), with the kinds of measurement
// that would separate them. Test: tests/calibration/joint_test.cpp.
#pragma once

#include <Eigen/Core>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calibration/expression.hpp"
#include "calibration/result.hpp"

namespace attojoule::calibration {

struct JointParameter {
  std::string name;
  std::string unit = "1";  // values are in this unit, and formulas take them so
  std::string meaning = {};
  double start = not_known;
  std::optional<double> given = {};  // known from elsewhere: exactly (u = 0), or as a type B value
  double u = 0;                      // standard uncertainty of `given`
  std::optional<double> lower = {}, upper = {};  // physical bounds, reported
  std::string device = {};                       // key of device files; "" = none
};

struct JointKind;  // calibration/joint_kinds.hpp

struct JointMeasurement {
  std::string name;
  std::string kind;    // for messages; "" for a formula of the user
  Expression formula;  // of the columns' symbols and the parameters' names
  std::vector<std::pair<std::string, std::vector<double>>> columns;  // the first is the abscissa
  std::vector<double> y;
  std::string x_unit = "1", y_name = "y", y_unit = "1";
  // The scatter of a point: sigma, or hypot(floor, relative f), or f sqrt(2 / nu); none: estimated.
  std::vector<double> sigma = {};
  double relative = 0, floor = 0;
  std::vector<double> nu = {};
  bool scale_sigma = false;  // only the ratios of these are known
  std::vector<std::string> places = {};
  // Of a known kind (add_measurement()): for start values.
  const JointKind* kind_of = nullptr;
  std::map<std::string, Expression> mapping = {};

  bool known() const { return has_weights() && !scale_sigma; }
  bool has_weights() const { return !sigma.empty() || relative > 0 || floor > 0 || !nu.empty(); }
};

// Values with covariances that another calibration found (or a device file holds).
struct JointKnowledge {
  std::string name;
  std::vector<std::string> labels;
  std::vector<Expression> formulas;  // of the parameters
  Eigen::VectorXd values;
  Eigen::MatrixXd covariance_a, covariance_b;
};

struct JointDerived {
  std::string name, unit = "1";
  Expression formula;  // of the parameters
  std::string device = {};
};

struct JointProblem {
  std::string name = {};
  std::vector<JointParameter> parameters;
  std::vector<JointMeasurement> measurements;
  std::vector<JointKnowledge> knowledge = {};
  std::vector<JointDerived> derived = {};
};

// How much one part of the job contradicts the rest.
struct Tension {
  std::string part;
  double delta_chi2 = 0, dof = 0;
  double probability = 1;  // 1 where nothing is shared
  double own_chi2 = 0, own_dof = 0, own_probability = not_known;
  double scatter_factor = 1;  // by which the sigmas were scaled (estimated scatter)
};

struct JointResult {
  CalibrationResult result;
  std::vector<Tension> tensions;  // measurements, knowledge, given values, in that order
};

// Parameters: those that are not exactly given, in their order, then the derived ones. ConfigError
// for a job that makes no sense (unknown names, no start value), DataError for data that do not
// (values that are no numbers, too few points to tell a scatter). Non-convergence and parameters
// that cannot be separated are verdicts.
JointResult fit_joint(const JointProblem& problem, std::size_t holdout_blocks = 0);
CalibrationResult calibrate_joint(const JointProblem& problem, std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
