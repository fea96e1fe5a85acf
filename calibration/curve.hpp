// A measured curve y(x) with what is known of the scatter of its points, and what every kind that
// fits one does with it: weights, checks, a comparison with a richer model, residuals, plots and
// the check with scipy.
//
//   sigma_i        given for every point, or
//   sigma_i^2 = floor^2 + (relative f_i)^2   of the model f_i (iteratively reweighted: weights from
//                  the data themselves prefer the points that came out low), or
//   not known      all the same; the covariance is then scaled by chi2 / dof
//
// A model whose scatter is not known cannot be tested by chi2. It is compared with a richer one,
// F = [(chi2_1 - chi2_2) / (m_2 - m_1)] / (chi2_2 / dof_2); where that is better by more than one
// chance in a thousand *and* by more than 1 % of the range of y (rms), the model is rejected.
// Test: tests/calibration/curve_test.cpp and those of the kinds.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "calibration/result.hpp"

namespace attojoule::calibration {

struct CurveData {
  std::vector<double> x, y;
  std::string x_name = "x", y_name = "y", x_unit = "1", y_unit = "1";
  std::vector<double> sigma;       // standard deviations, in y's unit; empty: see below
  double relative = 0, floor = 0;  // of the model; both 0: nothing is known
  bool scale_sigma = false;        // only the ratios of the sigmas are known
  std::vector<std::string> places;

  bool weighted() const { return !sigma.empty() || relative > 0 || floor > 0; }
  bool known() const { return weighted() && !scale_sigma; }
  std::string place(std::size_t i) const;
};

// Relative rms by which a richer model must be better for a model to count as wrong.
inline constexpr double material_misfit = 0.01;

inline constexpr double largest_scatter = 0.15, material_relative = 0.3;

// All points, or DataError: fewer than `least`, values that are no numbers, sigmas that are not
// positive. `why` ends the message: "a line with a check needs 3".
std::vector<std::size_t> all_points(const std::string& kind, const CurveData& data,
                                    std::size_t least, const std::string& why);
double largest_magnitude(const std::vector<double>& values);

// y / y_scale, weights and convention of these points; parameters and model are the caller's.
FitProblem curve_problem(const CurveData& data, const std::vector<std::size_t>& points,
                         double y_scale);

// How the scatter was taken, for CalibrationResult::method.
std::string weighting_of(const CurveData& data);

struct RicherModel {
  bool significant = false;  // at one in a thousand
  bool material = false;     // by more than material_misfit of the range of y
  double rms_share = 0;      // of the range of y
  Fit fit;
};
// `richer`: the same points, with parameters added. Weighted as `plain` ended up.
RicherModel compare_richer(const Fit& plain, FitProblem richer);
// Rejects (material), warns (significant only), or does nothing.
void judge_richer(CalibrationResult& result, const RicherModel& comparison,
                  const std::string& problem);

// Residuals that go together, over the abscissa or in the order measured, are no scatter: the model
// misses a structure, or something drifted. Where the scatter is not known (chi2 tests the other
// case), a correlation of neighbours beyond chance (one in two thousand) warns, with by how much
// the type A uncertainties are too small; where the common part of neighbours has a root mean
// square above `material` of the range of y, or for a scatter in proportion to the model above
// material_relative of it, it rejects. Needs 15 points.
//
// Where the scatter is not known, residuals above largest_scatter of the range reject whatever
// their order: noise of that size hides any other shape. A third of it warns.
void judge_structure(CalibrationResult& result, const CurveData& data,
                     const std::vector<std::size_t>& points, const Fit& best, double y_scale,
                     double material = material_misfit);

// Residual rows, a plot of the curve with `line` (in user units; finely drawn over the range of x)
// and one of the residuals, over the logarithm of x where the points are spaced so. Points that are
// not in `points` are drawn as left out.
void describe_curve(CalibrationResult& result, const CurveData& data,
                    const std::vector<std::size_t>& points, const Fit& best, double y_scale,
                    const std::function<double(double)>& line, const std::string& title);

// Python, after `import numpy as np`, that has the named columns as arrays. Many points become a
// table `record` of the result, which the script reads from record.csv beside it.
using PythonColumns = std::vector<std::pair<std::string, std::vector<double>>>;
std::string python_arrays(CalibrationResult& result, const PythonColumns& columns);

// The same fit with scipy: `formula` is a Python expression of x and the named parameters. Prints
// "NAME VALUE STANDARD_ERROR" a line.
std::string scipy_check(CalibrationResult& result, const CurveData& data,
                        const std::vector<std::size_t>& points, const Fit& best, double y_scale,
                        const std::vector<std::string>& names, const std::vector<double>& start,
                        const std::string& formula);

void add_hold_out(CalibrationResult& result, const FitProblem& problem, std::size_t blocks,
                  double y_scale);

// Best a + b cos(w x) + c sin(w x) by a scan over w: start values that no local minimum misleads.
// Frequencies from a quarter of a turn over the range of x to half a turn a step.
// Fewer points a turn than this: what the sweep shows may be the alias of a finer fringe.
inline constexpr double least_points_a_turn = 2.5;
// Points of distinct x a turn of angular frequency omega.
double points_a_turn(const std::vector<double>& x, double omega);

struct SinusoidStart {
  double omega = 0, mean = 0, cosine = 0, sine = 0;
  double explained = 0;  // share of the variance about the mean
};
SinusoidStart scan_sinusoid(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace attojoule::calibration
