// What scatters a weight: writing it, reading it, or the transfer itself.
//
// Every target s is written C times, every written value read R times (numbers may differ):
//
//   y_scr = m_s + p_sc + e_scr        p: programming noise, e: read noise
//   MS_read  = sum (y_scr - mean_sc)^2 / (N - cells)                  -> sigma_read^2
//   MS_write = sum n_sc (mean_sc - mean_s)^2 / (cells - targets)      -> sigma_read^2 + n0
//   sigma_p^2
//
// n0 is R where all R are equal. The systematic transfer error is m_s against the target: its
// root mean square over the targets, less what the noise of the means contributes.
// Intervals: chi-square for reading; modified large-sample for programming (Ting, Burdick,
// Graybill, Jeyaratnam and Lu, J. Stat. Comput. Simul. 35, 135 (1990)), exact enough for few
// degrees of freedom, where a normal interval is not. Test:
// tests/calibration/nested_variance_test.cpp (hand-computed table, coverage over 2,000 sets).
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace attojoule::calibration {

struct NestedVariance {
  // What this design cannot tell apart and what would; then only the counts are there.
  std::string undetermined;
  std::size_t targets = 0, cells = 0, readings = 0;
  double n0 = 0;  // readings per cell that count
  double ms_read = 0, ms_write = 0;
  double dof_read = 0, dof_write = 0;
  double read_variance = 0, read_lower = 0, read_upper = 0;  // 95 %
  double write_variance = 0, write_lower = 0, write_upper = 0;
  double write_error = 0, read_error = 0;  // standard, of the variances
  double write_probability = 1;            // of an F as large without programming noise
  // Per target, in the order of the targets' values.
  std::vector<double> target, mean, mean_error;
  // Line mean = offset + gain target, weighted; and deviations from target and from the line.
  double gain = 1, gain_error = 0, offset = 0, offset_error = 0;
  double transfer_variance = 0;  // <(mean - target)^2> less its noise; may come out negative
  double transfer_error = 0;     // standard, of the variance
  double residual_variance = 0;  // the same about the line
};

// All of one length; write and read are labels (write counts within its target). Where nothing was
// written or read twice, or there are fewer than two targets, `undetermined` says so.
NestedVariance nested_variance(std::span<const double> target, std::span<const double> write,
                               std::span<const double> value);

}  // namespace attojoule::calibration
