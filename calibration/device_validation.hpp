// Does a calibrated device predict a measurement that it was not calibrated with?
//
// The device's parameters, with their covariance, and the measurement are one joint fit
// (calibration/joint.hpp); what the device says nothing of (a phase, a dark current) is fitted.
//
//   prediction   at the device's values, the rest fitted: residuals over their standard deviation
//                (scatter, the device's covariance, less what the fit takes up), coverage of the 95
//                % bands
//   device test  chi2 falls by Delta when the measurement gets device parameters of its own:
//                Delta ~ chi2 of as many degrees of freedom as the measurement determines of them
//                (F where the scatter is estimated)
//   model test   chi2 about the measurement's own fit, where its scatter is known
//   blame        each parameter k shifted by s_k alone, the others as calibrated: s_k +- u
//
// Not more than these: parameters that the measurement does not depend on are not tested.
// Test: tests/calibration/device_validation_test.cpp.
#pragma once

#include "calibration/joint.hpp"

namespace attojoule::calibration {

// `problem`: one measurement, and the device as the only knowledge. Verdict rejected where the
// prediction fails with a probability below `level`; not_identifiable where the measurement tells
// nothing of the device.
CalibrationResult validate_device(const JointProblem& problem,
                                  double level = rejection_probability);

}  // namespace attojoule::calibration
