// Two calibrations of one device compared: which parameters moved.
//
//   d = b - a,   V = C_a + C_b                          independent of each other
//   chi2 = d' V^-1 d                                    all parameters together
//   z_k = d_k / sqrt(V_kk), p_k = P(|z| > |z_k|)        each; Holm's correction for their number
//
// Where a result's uncertainty comes from few degrees of freedom (Estimate::dof), those of the
// difference follow by Welch and Satterthwaite: intervals and p_k by Student's law, and chi2 over
// the number of directions by an F law at the harmonic mean of the parameters' degrees of freedom.
// A device file does not hold them: normal laws.
//
// With instruments in common their errors (type B) are common as well, and cancel as far as they
// are equal: V = A_a + A_b + (1 - D) B_a (1 - D), D_k = u_b,k(b) / u_b,k(a). That needs the two
// types apart, as result.json has them. Directions of V without variance (parameters that depend on
// each other) do not count. Test: tests/calibration/calibration_difference_test.cpp.
#pragma once

#include "calibration/calibrated_values.hpp"

namespace attojoule::calibration {

struct DifferenceOptions {
  bool shared_type_b = false;
  // Probability that calibrations of one device are called different at all.
  double level = 0.01;
};

// Parameters: the differences, with covariance; figures: values, z and p by parameter; rejected
// where they differ. Of a result and a device file the result's device parameters are compared.
// DataError where they share no parameter, units differ, a verdict is not accepted, or the types
// are not apart where they have to be.
CalibrationResult compare_calibrations(const CalibratedValues& a, const CalibratedValues& b,
                                       const DifferenceOptions& options = {});

}  // namespace attojoule::calibration
