// Nonlinear least squares with uncertainties that mean something.
//
//   minimise  chi2(p) = sum_i [(y_i - f_i(p)) / sigma_i]^2
//
// Method: Levenberg-Marquardt with column scaling (Moré 1978) and Nielsen's damping rule, the
// damped step from a QR factorisation of the stacked Jacobian (never from normal equations);
// derivatives by automatic differentiation of the model. Chosen over Eigen's unsupported module and
// over Ceres because it reaches all 27 certified problems of NIST StRD from both starts without
// another dependency. Residuals are evaluated in long double: NIST's Lanczos problems have
// residuals of 1e-13 of the data.
//
// Covariance of p: (J' W J)^-1, W = diag(1 / sigma^2), J at the solution. Two conventions:
//   known   sigma_i are standard deviations in absolute units; the covariance is taken as it is
//   scale   only the ratios of sigma_i are known; the covariance is multiplied by chi2 / dof
// Fit::covariance_scaled says which one was used.
//
// Physical bounds are looked at after the fit and reported, never enforced: a clipped fit hides
// that the model or the calibration of an instrument is wrong.
//
// Tests: tests/calibration/nist_strd_test.cpp (certified values and standard errors),
// tests/calibration/fit_test.cpp (derivatives, conventions, coverage, identifiability, profile).
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calibration/dual.hpp"

namespace attojoule::calibration {

// f_i(p), i = 0 .. points-1, for every number type that the fit needs.
class Model {
 public:
  Model() = default;
  // `formula(p, i)`: p is a pointer to parameters of type T; returns T for T = double, long double
  // and Dual. Constants in it must not force another type: write T(0.5) or use p's type.
  template <class Formula>
  Model(std::size_t points, Formula formula)
      : points_(points),
        value_([formula](const double* p, std::size_t i) -> double { return formula(p, i); }),
        long_value_([formula](const long double* p, std::size_t i) -> long double {
          return formula(p, i);
        }),
        dual_([formula](const Dual* p, std::size_t i) -> Dual { return formula(p, i); }) {}

  std::size_t points() const { return points_; }
  double value(std::span<const double> p, std::size_t i) const { return value_(p.data(), i); }
  std::vector<double> values(std::span<const double> p) const;
  // y_i - f_i, formed in long double.
  Eigen::VectorXd residuals(std::span<const double> p, std::span<const double> y) const;
  // d f_i / d p_k, points x parameters.
  Eigen::MatrixXd jacobian(std::span<const double> p) const;
  // d f_i / d p_k of one point.
  Eigen::VectorXd gradient(std::span<const double> p, std::size_t i) const;
  // The same model at the given points only, in that order.
  Model subset(const std::vector<std::size_t>& points) const;

 private:
  std::size_t points_ = 0;
  std::function<double(const double*, std::size_t)> value_;
  std::function<long double(const long double*, std::size_t)> long_value_;
  std::function<Dual(const Dual*, std::size_t)> dual_;
};

struct Parameter {
  std::string name = {};
  double start = 0;
  std::string unit = {};
  bool fixed = false;  // keeps its start; not counted as a parameter of the fit
  // Where physics ends (never enforced) and why, e.g. "energy conservation: eta <= 1".
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  std::string bound_reason = {};
};

enum class SigmaConvention { known, scale };

struct FitProblem {
  std::vector<Parameter> parameters;
  Model model;
  std::vector<double> y;
  // Standard deviations, > 0; empty: all 1 (then only SigmaConvention::scale makes sense).
  std::vector<double> sigma;
  // Iteratively reweighted: standard deviation of point i where the model says f_i. Replaces
  // `sigma`. An estimate of a variance V from nu degrees of freedom has sigma = V sqrt(2 / nu), and
  // V must be the model's: weights from the data themselves prefer the points that came out low.
  std::function<double(double model, std::size_t i)> sigma_of_model;
  SigmaConvention convention = SigmaConvention::scale;
};

struct FitOptions {
  int max_iterations = 2000;  // of the quick strategy; the thorough ones take ten times as many
  int max_reweightings = 100;
  // Condition number of the column-scaled weighted Jacobian from which the parameters count as not
  // separable: from there half of a double's digits are gone before the data say anything.
  double condition_limit = 1e8;
};

enum class FitStatus { converged, no_convergence, not_identifiable };

struct BoundHit {
  std::string parameter;
  double value = 0, bound = 0;
  bool above = false;
  double standard_errors = 0;  // how far beyond the bound, in standard errors
  std::string reason;
};

struct Fit {
  FitStatus status = FitStatus::no_convergence;
  std::string message;  // of a status other than converged: what cannot be determined, and why
  int iterations = 0;
  int reweightings = 0;
  std::vector<Parameter> parameters;  // as they were asked for
  std::vector<double> values;         // fixed ones as well
  Eigen::MatrixXd covariance;         // of all parameters; zero rows for fixed ones
  bool covariance_scaled = false;     // by chi2 / dof
  double chi2 = 0;                    // with the sigmas of the last weighting
  double dof = 0;                     // points - free parameters
  double residual_sum_of_squares = 0;
  std::vector<double> sigma;           // used, per point
  std::vector<double> model_values;    // f_i
  std::vector<double> residuals;       // y - f
  std::vector<double> leverage;        // diagonal of the hat matrix, 0 .. 1, sum = parameters
  std::vector<double> standardised;    // residual / (sigma sqrt(1 - leverage)); NaN at leverage 1
  double condition = 0;                // of the column-scaled weighted Jacobian
  std::vector<std::string> entangled;  // parameters of the least determined combination
  std::vector<BoundHit> bounds_hit;

  std::size_t index(const std::string& name) const;
  double value(const std::string& name) const { return values[index(name)]; }
  double standard_error(std::size_t i) const;
  double standard_error(const std::string& name) const { return standard_error(index(name)); }
  double chi2_reduced() const {
    return dof > 0 ? chi2 / dof : std::numeric_limits<double>::quiet_NaN();
  }
  // P(chi-square of dof > chi2): small where the model does not describe the data. Means something
  // for known sigmas only; NaN without degrees of freedom.
  double chi2_probability() const;
  // Student's (scale) or normal (known) factor k with P(|t| < k) = probability.
  double coverage_factor(double probability) const;
  // Standard error of the model's prediction at a point of gradient g.
  double prediction_error(const Eigen::VectorXd& gradient) const;
};

// Throws ConfigError where sizes disagree, sigma is not positive, start values give no number, or
// there are fewer points than parameters. Non-convergence is a status, not an exception.
Fit fit(const FitProblem& problem, const FitOptions& options = {});

// Profile likelihood of one parameter: the values left and right of the minimum where chi2,
// minimised over all other parameters, has risen by `rise` (times chi2/dof in the scale
// convention). Empty where it does not rise that far within 40 standard errors: then the data do
// not bound the parameter.
struct ProfileInterval {
  std::optional<double> lower, upper;
};
ProfileInterval profile_interval(const FitProblem& problem, const Fit& best,
                                 const std::string& parameter, double rise,
                                 const FitOptions& options = {});

// Hold-out by contiguous blocks: the points, in the order measured, are cut into `blocks`; each
// block is predicted from a fit to the others. Blocks and not random points, because drift is
// shared by neighbours and would leak into the prediction.
struct HoldOut {
  std::vector<double> prediction,
      error;                  // per point; error: of the prediction plus the point's own
  double rms = 0;             // of (y - prediction), in units of y
  double chi2_per_point = 0;  // mean of [(y - prediction) / error]^2
  double coverage95 = 0;      // share of points inside their 95 % prediction band
  std::size_t points = 0;
  std::string how = "each predicted from the other blocks";  // for reports
};
// Throws ConfigError where a block's complement has too few points, RunError where one does not
// converge.
HoldOut hold_out_blocks(const FitProblem& problem, std::size_t blocks,
                        const FitOptions& options = {});

// The problem restricted to the given points, in that order.
FitProblem select_points(const FitProblem& problem, const std::vector<std::size_t>& points);

}  // namespace attojoule::calibration
