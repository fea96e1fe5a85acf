// The measurements that a joint fit and a validation know by name: the equation of each, its
// columns and its parameters, with how a device file predicts them.
//
//   responsivity  I = dark_current + i / (1 + i / I_sat),  i = responsivity P, P = power_scale
//                 10^(-coupling_loss / 10) power
//   monitor       V = offset + transresistance i
//   shot-noise    S = transresistance^2 (input_noise^2 + 2 q i + excess_noise i^2)     [V^2/Hz]
//                 or noise_bandwidth times that [V^2], over power, a photocurrent i, or a DC
//                 monitor's voltage = monitor_offset + monitor_resistance i
//   response      10 log10 |H|^2 = level - 10 log10(1 + (f / bandwidth)^2)            [dB]
//   mzm           T = T_max [(1 + q) + (1 - q) cos(phase + pi V / half_wave_voltage)] / 2 + floor,
//                 T_max = input_power 10^(-insertion_loss / 10), q = 10^(-extinction_ratio / 10)
//   visibility    y = mean [1 + V cos(2 pi x / period + phase)],
//                 V = mode_overlap 2 sqrt(power_ratio) / (1 + power_ratio)
//   loss          T = intercept - propagation_loss L                                  [dB]
//   li            P = offset + slope_efficiency w softplus((I - threshold_current) / w), w = knee
//
// power_scale is the true over the indicated power: the same parameter in every measurement with
// the same power meter. Sources and validity: the headers of the kinds of the same name.
// Test: tests/calibration/joint_test.cpp.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calibration/joint.hpp"

namespace attojoule::calibration {

struct JointRole {
  std::string symbol;              // in the formula
  std::string unit;                // of the values; "signal": a power, current, voltage or ratio
  std::vector<std::string> names;  // usual ones of the column
};

struct JointKindParameter {
  std::string name, unit, meaning;
  std::optional<double> standard = {};  // its value where the job says nothing; none: it is fitted
  std::string from_device = {};         // formula of device keys, in `unit`; "" = no device says
  std::optional<double> lower = {}, upper = {};
};

struct JointKind {
  std::string name, meaning;
  std::vector<JointRole> columns;  // the abscissa
  JointRole y;
  Expression formula;
  std::vector<JointKindParameter> parameters;
  // Start values for parameters that have none: by name, from the points and what is known of the
  // others.
  std::function<std::map<std::string, double>(const JointMeasurement&,
                                              const std::map<std::string, double>& known)>
      starts;
};

// Several of one name differ in what the abscissa or the ordinate is; the first fitting one is
// meant.
const std::vector<JointKind>& joint_kinds();

// Puts a measurement of a kind into the problem: `mapping` gives the kind's parameters as formulas
// of the problem's parameters. What it leaves out is the problem's parameter of that name, else the
// kind's standard value, else a new parameter MEASUREMENT.NAME. ConfigError for names that the kind
// does not have.
void add_measurement(JointProblem& problem, const JointKind& kind, JointMeasurement measurement,
                     const std::map<std::string, Expression>& mapping);

// The start values of parameters that have none, from the measurements of known kinds in turn.
// Called once all are in. What stays without one is found by fit_joint().
void guess_starts(JointProblem& problem);

}  // namespace attojoule::calibration
