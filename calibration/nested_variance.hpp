// What scatters a weight: writing it, reading it, or the transfer itself.
//
// Every target s is written C times, every written value read R times (numbers may differ):
//
//   y_scr = m_s + p_sc + e_scr        p: programming noise, e: read noise
//   MS_read  = sum (y_scr - mean_sc)^2 / (N - cells)                  -> sigma_read^2
//   MS_write = sum n_sc (mean_sc - mean_s)^2 / (cells - targets)      -> sigma_read^2 + n0
//   sigma_p^2
//   m_s = offset + gain s + d_s       d: systematic transfer error about a line, variance tau^2
//
// n0 is R where all R are equal. The transfer error against the target itself is m_s - s: its root
// mean square over the targets, less what the noise of the means contributes.
//
// Intervals, for normal noises and any numbers of writes and reads:
//
//   sigma_read   chi-square.
//   sigma_p      The cells' sum of squares with the weights of the truth,
//                h(x, r) = sum (mean_sc - mean_s)^2 / (x + r / n_sc) at x = sigma_p^2 and
//                r = sigma_read^2, is chi-square of `dof_write`, whatever the design (Wald 1940);
//                r is SS_read over a chi-square. Together they are a generalized pivot of x
//                (Weerahandi 1993; Arendacka 2005): exact where reads are many, where x is large
//                and, at x = 0, where it is the F test; close to it between (the test counts).
//   sum of both  The same pivot, x + r.
//   transfer     Q = sum (mean_s - s)^2 over c is noncentral chi-square, c and its degrees of
//                freedom by two moments (exact in even designs), c itself by Satterthwaite.
//   line         Random effects: weights 1 / (tau^2 + v_s), v_s the noise of a mean, tau^2 from
//                chi2 = targets - 2 where that is above zero (Paule and Mandel 1982). Variances
//                times chi2 / (targets - 2), also below one, and Student's law of targets - 2
//                degrees of freedom (Knapp and Hartung 2003): exact in even designs with or
//                without transfer error, where a factor max(1, chi2 / dof) covers too much. With
//                two targets nothing shows the transfer's own error: noise alone, Satterthwaite.
//
// A variance that is not resolved has its tail on one side: at zero the interval leaves out only
// data that are too large, and the tails become equal within few resolutions. So it covers at zero
// what it says, is never empty (Feldman and Cousins 1998, with another order), and its 95 %
// interval leaves out zero where the F test's probability is below 5 %.
// Test: tests/calibration/nested_variance_test.cpp (hand-computed table, coverage).
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace attojoule::calibration {

struct NestedVariance {
  // What this design cannot tell apart and what would; then only the counts are there.
  std::string undetermined;
  std::size_t targets = 0, cells = 0, readings = 0;
  double n0 = 0;  // readings per cell that count
  double ms_read = 0, ms_write = 0;
  double dof_read = 0, dof_write = 0;
  double read_variance = 0, write_variance = 0;  // unbiased: the latter may come out negative
  double write_error = 0, read_error = 0;        // standard, of the variances
  double write_probability = 1;                  // of an F as large without programming noise
  // Per target, in the order of the targets' values.
  std::vector<double> target, mean, mean_error;
  // Line mean = offset + gain target, with the degrees of freedom of its errors.
  double gain = 1, gain_error = 0, offset = 0, offset_error = 0, line_covariance = 0;
  double line_dof = 0;
  double line_variance = 0;      // tau^2
  double transfer_variance = 0;  // <(mean - target)^2> less its noise; may come out negative
  double transfer_error = 0;     // standard, of the variance
  double residual_variance = 0;  // the same about the line

  // Confidence intervals of variances, not below zero; 0 < probability < 1. RunError where
  // `undetermined` is not empty.
  std::pair<double, double> read_interval(double probability) const;
  std::pair<double, double> write_interval(double probability) const;
  std::pair<double, double> total_interval(double probability) const;  // of the sum of both
  std::pair<double, double> transfer_interval(double probability) const;

  // Cells of one target with as many reads each.
  struct Group {
    double reads = 0, cells = 0, mean = 0;
  };
  // What h needs: squares about the mean of a group, by the group's reads; groups of targets that
  // have several; the variance of the targets' means is mean_write sigma_p^2 + mean_read
  // sigma_read^2.
  std::map<double, double> squares;
  std::vector<std::vector<Group>> uneven;
  std::vector<double> mean_write, mean_read;
};

// All of one length; write and read are labels (write counts within its target). Where nothing was
// written or read twice, or there are fewer than two targets, `undetermined` says so.
NestedVariance nested_variance(std::span<const double> target, std::span<const double> write,
                               std::span<const double> value);

}  // namespace attojoule::calibration
