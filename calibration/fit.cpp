#include "calibration/fit.hpp"

#include <fmt/format.h>

#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <array>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <numeric>
#include <utility>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

struct Free {
  std::vector<std::size_t> index;  // into all parameters
};

Free free_parameters(const std::vector<Parameter>& parameters) {
  Free result;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].fixed) result.index.push_back(i);
  }
  return result;
}

MatrixXd free_columns(const MatrixXd& jacobian, const Free& free) {
  MatrixXd result(jacobian.rows(), static_cast<Eigen::Index>(free.index.size()));
  for (std::size_t k = 0; k < free.index.size(); ++k) {
    result.col(static_cast<Eigen::Index>(k)) =
        jacobian.col(static_cast<Eigen::Index>(free.index[k]));
  }
  return result;
}

void check(const FitProblem& problem, const Free& free) {
  const std::size_t n = problem.model.points();
  if (problem.y.size() != n || (!problem.sigma.empty() && problem.sigma.size() != n)) {
    throw ConfigError(
        fmt::format("fit: {} measured values and {} standard deviations for a model of {} points "
                    "(one each is needed). Give as many.",
                    problem.y.size(), problem.sigma.size(), n));
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(problem.y[i])) {
      throw ConfigError(fmt::format(
          "fit: point {} is {} (not a number that can be fitted). Leave it out.", i, problem.y[i]));
    }
    if (!problem.sigma.empty() && !(problem.sigma[i] > 0 && std::isfinite(problem.sigma[i]))) {
      throw ConfigError(fmt::format(
          "fit: the standard deviation of point {} is {} (a weight is 1 / sigma^2). Give a "
          "positive number, or leave the point out.",
          i, problem.sigma[i]));
    }
  }
  if (n < free.index.size()) {
    throw ConfigError(
        fmt::format("fit: {} points for {} parameters (not determined). Measure more points or fix "
                    "parameters.",
                    n, free.index.size()));
  }
}

// How a minimum is looked for. The first one is quick and right for well-posed problems; the others
// are for starts from which it runs onto a plateau or along a valley.
struct Strategy {
  double damping;
  // Column scale: the largest norm so far (Moré), or the present one (Marquardt).
  bool growing_scale;
  int iterations;  // times FitOptions::max_iterations
};
constexpr std::array<Strategy, 4> strategies{
    {{1e-3, true, 1}, {100, true, 1}, {1, false, 10}, {1e6, true, 10}}};

struct Minimum {
  std::vector<double> p;
  double cost = 0;
  bool converged = false;
  bool plateau = false;  // a parameter has lost all influence on the way
  int iterations = 0;
};

double squared(const VectorXd& r) {
  return r.allFinite() ? r.squaredNorm() : std::numeric_limits<double>::infinity();
}

// Levenberg-Marquardt for fixed weights (1 / sigma).
Minimum minimise(const Model& model, std::span<const double> y, const VectorXd& weight,
                 std::vector<double> p, const Free& free, const FitOptions& options,
                 const Strategy& strategy) {
  const auto m = static_cast<Eigen::Index>(free.index.size());
  const auto n = static_cast<Eigen::Index>(y.size());
  Minimum result;
  VectorXd r = weight.cwiseProduct(model.residuals(p, y));
  double cost = squared(r);
  if (!std::isfinite(cost)) {
    throw ConfigError(
        "fit: the model has no finite value at the start values (nothing can be improved). Give "
        "other start values.");
  }
  VectorXd scale = VectorXd::Zero(m), largest = VectorXd::Zero(m);
  double damping = strategy.damping;
  const int limit = options.max_iterations * strategy.iterations;
  double growth = 2;
  for (result.iterations = 0; result.iterations < limit; ++result.iterations) {
    if (m == 0 || cost == 0) {
      result.converged = true;
      break;
    }
    const MatrixXd jacobian = weight.asDiagonal() * free_columns(model.jacobian(p), free);
    if (!jacobian.allFinite()) break;
    for (Eigen::Index k = 0; k < m; ++k) {
      const double norm = jacobian.col(k).norm();
      largest(k) = std::max(largest(k), norm);
      scale(k) = strategy.growing_scale ? largest(k) : norm;
      if (scale(k) == 0) scale(k) = 1;
    }
    bool moved = false;
    bool stuck = false;
    while (!moved && !stuck) {
      MatrixXd stacked(n + m, m);
      stacked.topRows(n) = jacobian * scale.cwiseInverse().asDiagonal();
      stacked.bottomRows(m) = MatrixXd::Identity(m, m) * std::sqrt(damping);
      VectorXd right = VectorXd::Zero(n + m);
      right.head(n) = r;
      const VectorXd step = stacked.colPivHouseholderQr().solve(right).cwiseQuotient(scale);
      std::vector<double> trial = p;
      double relative = 0;
      for (Eigen::Index k = 0; k < m; ++k) {
        const std::size_t i = free.index[static_cast<std::size_t>(k)];
        trial[i] += step(k);
        // A parameter at zero has no relative size: its step counts by what it does to the model.
        const double size = std::max(std::abs(p[i]), 1e-12 * std::sqrt(cost) / scale(k));
        relative = std::max(relative, std::abs(step(k)) / size);
      }
      const double predicted = cost - (r - jacobian * step).squaredNorm();
      const VectorXd new_r = weight.cwiseProduct(model.residuals(trial, y));
      const double new_cost = squared(new_r);
      const bool tiny = relative < 1e-14 || predicted <= 1e-15 * cost;
      if (new_cost < cost || (tiny && new_cost == cost)) {
        const double gain = predicted > 0 ? (cost - new_cost) / predicted : 1;
        p = trial;
        r = new_r;
        cost = new_cost;
        const double shrink = 2 * gain - 1;
        damping *= std::max(1.0 / 3, 1 - shrink * shrink * shrink);
        damping = std::max(damping, 1e-20);
        growth = 2;
        moved = true;
        if (tiny) result.converged = true;
      } else {
        if (tiny && std::isfinite(new_cost) && damping < 1e-3) {
          // No step that double precision can tell from zero lowers chi2 any more.
          result.converged = true;
          stuck = true;
        }
        damping *= growth;
        growth *= 2;
        if (damping > 1e40 || !std::isfinite(damping)) {
          stuck = true;
          // At the end of a long valley only the gradient can say whether this is the minimum.
          const VectorXd gradient = jacobian.transpose() * r;
          double cosine = 0;
          for (Eigen::Index k = 0; k < m; ++k) {
            const double norm = jacobian.col(k).norm();
            if (norm > 0) cosine = std::max(cosine, std::abs(gradient(k)) / (norm * r.norm()));
          }
          result.converged = cosine < 1e-6;
        }
      }
    }
    if (stuck || result.converged) break;
  }
  if (m > 0) {
    const MatrixXd jacobian = weight.asDiagonal() * free_columns(model.jacobian(p), free);
    const double size =
        weight.cwiseProduct(model.residuals(p, std::vector<double>(y.size()))).norm();
    for (Eigen::Index k = 0; k < m; ++k) {
      // Both: the influence fell, and a change of the parameter by its own size changes nothing.
      const double norm = jacobian.col(k).norm();
      const double change = norm * std::abs(p[free.index[static_cast<std::size_t>(k)]]);
      if (!(norm > 1e-20 * largest(k)) && largest(k) > 0 && !(change > 1e-15 * size)) {
        result.plateau = true;
      }
    }
  }
  result.p = std::move(p);
  result.cost = cost;
  return result;
}

// The first strategy that ends in a minimum; where none does, the lowest point that was found.
Minimum minimise(const Model& model, std::span<const double> y, const VectorXd& weight,
                 const std::vector<double>& start, const Free& free, const FitOptions& options) {
  std::optional<Minimum> best;
  int iterations = 0;
  for (const Strategy& strategy : strategies) {
    Minimum minimum = minimise(model, y, weight, start, free, options, strategy);
    iterations += minimum.iterations;
    const bool good = minimum.converged && !minimum.plateau;
    if (good || !best || minimum.cost < best->cost) best = std::move(minimum);
    if (good) break;
  }
  best->iterations = iterations;
  return *best;
}

// What the Jacobian at the solution says about the parameters.
void analyse(Fit& fit, const FitProblem& problem, const Free& free, const VectorXd& weight,
             const FitOptions& options) {
  const auto m = static_cast<Eigen::Index>(free.index.size());
  const std::size_t n = problem.y.size();
  const auto all = static_cast<Eigen::Index>(fit.parameters.size());
  fit.model_values = problem.model.values(fit.values);
  const VectorXd residual = problem.model.residuals(fit.values, problem.y);
  const VectorXd weighted = weight.cwiseProduct(residual);
  fit.residuals.assign(residual.data(), residual.data() + residual.size());
  fit.sigma.resize(n);
  for (std::size_t i = 0; i < n; ++i) fit.sigma[i] = 1 / weight(static_cast<Eigen::Index>(i));
  fit.chi2 = weighted.squaredNorm();
  fit.residual_sum_of_squares = residual.squaredNorm();
  fit.dof = static_cast<double>(n) - static_cast<double>(m);
  fit.covariance = MatrixXd::Zero(all, all);
  fit.leverage.assign(n, 0);
  fit.standardised.assign(n, std::numeric_limits<double>::quiet_NaN());
  fit.covariance_scaled = problem.convention == SigmaConvention::scale;
  if (m == 0) return;

  MatrixXd jacobian = weight.asDiagonal() * free_columns(problem.model.jacobian(fit.values), free);
  VectorXd norm = jacobian.colwise().norm();
  fit.entangled.clear();
  for (Eigen::Index k = 0; k < m; ++k) {
    if (!(norm(k) > 0)) {
      fit.entangled.push_back(fit.parameters[free.index[static_cast<std::size_t>(k)]].name);
      norm(k) = 1;
    }
  }
  jacobian = jacobian * norm.cwiseInverse().asDiagonal();
  const Eigen::JacobiSVD<MatrixXd> svd(jacobian, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const VectorXd& values = svd.singularValues();
  fit.condition =
      values(m - 1) > 0 ? values(0) / values(m - 1) : std::numeric_limits<double>::infinity();
  if (fit.entangled.empty()) {
    // The direction that the data say least about, by its larger components.
    const VectorXd direction = svd.matrixV().col(m - 1).cwiseAbs();
    for (Eigen::Index k = 0; k < m; ++k) {
      if (direction(k) > 0.1 * direction.maxCoeff()) {
        fit.entangled.push_back(fit.parameters[free.index[static_cast<std::size_t>(k)]].name);
      }
    }
  }
  if (!(fit.condition < options.condition_limit)) {
    fit.status = FitStatus::not_identifiable;
    fit.message = fmt::format("the data cannot separate {} (condition number {:.1e})",
                              fmt::join(fit.entangled, ", "), fit.condition);
    fit.covariance.setConstant(std::numeric_limits<double>::quiet_NaN());
    return;
  }
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    fit.leverage[i] = svd.matrixU().row(row).squaredNorm();
    if (fit.leverage[i] < 1 - 1e-9) {
      fit.standardised[i] = weighted(row) / std::sqrt(1 - fit.leverage[i]);
    }
  }
  MatrixXd half =
      norm.cwiseInverse().asDiagonal() * svd.matrixV() * values.cwiseInverse().asDiagonal();
  MatrixXd covariance = half * half.transpose();
  if (fit.covariance_scaled) {
    covariance *= fit.dof > 0 ? fit.chi2 / fit.dof : std::numeric_limits<double>::quiet_NaN();
  }
  for (Eigen::Index a = 0; a < m; ++a) {
    for (Eigen::Index b = 0; b < m; ++b) {
      fit.covariance(static_cast<Eigen::Index>(free.index[static_cast<std::size_t>(a)]),
                     static_cast<Eigen::Index>(free.index[static_cast<std::size_t>(b)])) =
          covariance(a, b);
    }
  }
  fit.bounds_hit.clear();
  for (const std::size_t i : free.index) {
    const Parameter& parameter = fit.parameters[i];
    const double value = fit.values[i];
    const bool above = value > parameter.upper;
    if (above || value < parameter.lower) {
      const double bound = above ? parameter.upper : parameter.lower;
      fit.bounds_hit.push_back({parameter.name, value, bound, above,
                                std::abs(value - bound) / fit.standard_error(i),
                                parameter.bound_reason});
    }
  }
}

VectorXd weights_of(const FitProblem& problem, std::span<const double> p) {
  const std::size_t n = problem.y.size();
  VectorXd weight = VectorXd::Ones(static_cast<Eigen::Index>(n));
  for (std::size_t i = 0; i < n; ++i) {
    double sigma = problem.sigma.empty() ? 1 : problem.sigma[i];
    if (problem.sigma_of_model) {
      sigma = problem.sigma_of_model(problem.model.value(p, i), i);
      if (!(sigma > 0 && std::isfinite(sigma))) {
        // On the way a trial model may be unphysical (a negative variance); the data stand in.
        sigma = problem.sigma_of_model(problem.y[i], i);
      }
      if (!(sigma > 0 && std::isfinite(sigma))) {
        throw ConfigError(fmt::format(
            "fit: point {} has neither in the model nor in the data a value from which a standard "
            "deviation follows. Leave it out.",
            i));
      }
    }
    weight(static_cast<Eigen::Index>(i)) = 1 / sigma;
  }
  return weight;
}

}  // namespace

std::vector<double> Model::values(std::span<const double> p) const {
  std::vector<double> result(points_);
  for (std::size_t i = 0; i < points_; ++i) result[i] = value_(p.data(), i);
  return result;
}

VectorXd Model::residuals(std::span<const double> p, std::span<const double> y) const {
  const std::vector<long double> q(p.begin(), p.end());
  VectorXd result(static_cast<Eigen::Index>(points_));
  for (std::size_t i = 0; i < points_; ++i) {
    result(static_cast<Eigen::Index>(i)) =
        static_cast<double>(static_cast<long double>(y[i]) - long_value_(q.data(), i));
  }
  return result;
}

MatrixXd Model::jacobian(std::span<const double> p) const {
  MatrixXd result(static_cast<Eigen::Index>(points_), static_cast<Eigen::Index>(p.size()));
  std::vector<Dual> q(p.size());
  for (std::size_t first = 0; first < p.size(); first += Dual::width) {
    const std::size_t last = std::min(first + Dual::width, p.size());
    for (std::size_t k = 0; k < p.size(); ++k) {
      q[k] = k >= first && k < last ? Dual(p[k], k - first) : Dual(p[k]);
    }
    for (std::size_t i = 0; i < points_; ++i) {
      const Dual f = dual_(q.data(), i);
      for (std::size_t k = first; k < last; ++k) {
        result(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(k)) = f.d[k - first];
      }
    }
  }
  return result;
}

VectorXd Model::gradient(std::span<const double> p, std::size_t i) const {
  VectorXd result(static_cast<Eigen::Index>(p.size()));
  std::vector<Dual> q(p.size());
  for (std::size_t first = 0; first < p.size(); first += Dual::width) {
    const std::size_t last = std::min(first + Dual::width, p.size());
    for (std::size_t k = 0; k < p.size(); ++k) {
      q[k] = k >= first && k < last ? Dual(p[k], k - first) : Dual(p[k]);
    }
    const Dual f = dual_(q.data(), i);
    for (std::size_t k = first; k < last; ++k) {
      result(static_cast<Eigen::Index>(k)) = f.d[k - first];
    }
  }
  return result;
}

Model Model::subset(const std::vector<std::size_t>& points) const {
  Model part;
  part.points_ = points.size();
  part.value_ = [f = value_, points](const double* p, std::size_t i) { return f(p, points[i]); };
  part.long_value_ = [f = long_value_, points](const long double* p, std::size_t i) {
    return f(p, points[i]);
  };
  part.dual_ = [f = dual_, points](const Dual* p, std::size_t i) { return f(p, points[i]); };
  return part;
}

std::size_t Fit::index(const std::string& name) const {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].name == name) return i;
  }
  throw ConfigError(fmt::format("fit: no parameter is called '{}'. Check the name.", name));
}

double Fit::standard_error(std::size_t i) const {
  const auto k = static_cast<Eigen::Index>(i);
  return std::sqrt(covariance(k, k));
}

double Fit::chi2_probability() const {
  if (!(dof > 0)) return std::numeric_limits<double>::quiet_NaN();
  return boost::math::gamma_q(dof / 2, chi2 / 2);
}

double Fit::coverage_factor(double probability) const {
  const double quantile = (1 + probability) / 2;
  if (!covariance_scaled) return boost::math::quantile(boost::math::normal(), quantile);
  if (!(dof > 0)) return std::numeric_limits<double>::quiet_NaN();
  return boost::math::quantile(boost::math::students_t(dof), quantile);
}

double Fit::prediction_error(const VectorXd& gradient) const {
  return std::sqrt(gradient.dot(covariance * gradient));
}

Fit fit(const FitProblem& problem, const FitOptions& options) {
  const Free free = free_parameters(problem.parameters);
  check(problem, free);
  Fit result;
  result.parameters = problem.parameters;
  for (const Parameter& parameter : problem.parameters) result.values.push_back(parameter.start);

  VectorXd weight;
  bool settled = !problem.sigma_of_model;
  const int rounds = problem.sigma_of_model ? options.max_reweightings : 1;
  bool converged = false, plateau = false;
  for (int round = 0; round < rounds; ++round) {
    if (problem.sigma_of_model && round == 0) {
      // The first weights come from the data: the start values may be far off.
      weight = VectorXd(static_cast<Eigen::Index>(problem.y.size()));
      const std::vector<double> start = problem.model.values(result.values);
      for (std::size_t i = 0; i < problem.y.size(); ++i) {
        double sigma = problem.sigma_of_model(problem.y[i], i);
        if (!(sigma > 0 && std::isfinite(sigma))) sigma = problem.sigma_of_model(start[i], i);
        if (!(sigma > 0 && std::isfinite(sigma))) {
          throw ConfigError(
              fmt::format("fit: no standard deviation follows from point {} ({}). Leave it out.", i,
                          problem.y[i]));
        }
        weight(static_cast<Eigen::Index>(i)) = 1 / sigma;
      }
    } else {
      weight = weights_of(problem, result.values);
    }
    const Minimum minimum =
        minimise(problem.model, problem.y, weight, result.values, free, options);
    result.iterations += minimum.iterations;
    result.reweightings = round;
    converged = minimum.converged;
    plateau = minimum.plateau;
    if (!problem.sigma_of_model) {
      result.values = minimum.p;
      break;
    }
    // Settled when the change is nothing in units of what the data can tell.
    const VectorXd before = weight.cwiseProduct(problem.model.residuals(result.values, problem.y));
    const VectorXd after = weight.cwiseProduct(problem.model.residuals(minimum.p, problem.y));
    const double change = (before - after).norm();
    result.values = minimum.p;
    if (round > 0 && change < 1e-10 * std::max(1.0, after.norm())) {
      settled = true;
      break;
    }
  }
  result.status = converged && settled ? FitStatus::converged : FitStatus::no_convergence;
  if (result.status == FitStatus::no_convergence) {
    result.message = fmt::format("no minimum found in {} iterations", result.iterations);
  }
  if (problem.sigma_of_model) weight = weights_of(problem, result.values);
  analyse(result, problem, free, weight, options);
  if (plateau && result.status == FitStatus::converged) {
    result.status = FitStatus::not_identifiable;
    result.message =
        fmt::format("the best model found does not depend on all of its parameters ({})",
                    fmt::join(result.entangled, ", "));
  }
  return result;
}

FitProblem select_points(const FitProblem& problem, const std::vector<std::size_t>& points) {
  FitProblem part = problem;
  const Model whole = problem.model;
  part.model = whole.subset(points);
  part.y.clear();
  part.sigma.clear();
  for (const std::size_t i : points) {
    part.y.push_back(problem.y[i]);
    if (!problem.sigma.empty()) part.sigma.push_back(problem.sigma[i]);
  }
  if (problem.sigma_of_model) {
    part.sigma_of_model = [rule = problem.sigma_of_model, points](double model, std::size_t i) {
      return rule(model, points[i]);
    };
  }
  return part;
}

ProfileInterval profile_interval(const FitProblem& problem, const Fit& best,
                                 const std::string& parameter, double rise,
                                 const FitOptions& options) {
  const std::size_t k = best.index(parameter);
  FitProblem profiled = problem;
  // Weights stay those of the best fit: a profile compares one chi2 with itself.
  profiled.sigma = best.sigma;
  profiled.sigma_of_model = nullptr;
  profiled.parameters[k].fixed = true;
  const double unit = best.covariance_scaled ? best.chi2_reduced() : 1;
  const double target = rise * unit;
  double step = best.standard_error(k);
  if (!(step > 0) || !std::isfinite(step)) {
    step = std::max(std::abs(best.values[k]) * 0.1, std::numeric_limits<double>::min());
  }
  std::vector<double> warm;
  const auto excess = [&](double value) {
    for (std::size_t i = 0; i < best.values.size(); ++i) profiled.parameters[i].start = warm[i];
    profiled.parameters[k].start = value;
    try {
      const Fit constrained = fit(profiled, options);
      warm = constrained.values;
      return constrained.chi2 - best.chi2 - target;
    } catch (const ConfigError&) {
      return std::numeric_limits<double>::infinity();  // outside of where the model has a value
    }
  };
  ProfileInterval result;
  for (const int side : {-1, 1}) {
    warm = best.values;
    double inside = 0, outside = 0;
    bool found = false;
    for (double distance = std::sqrt(rise) / 2; distance <= 40; distance *= 1.5) {
      const double at = side * distance * step;
      if (excess(best.values[k] + at) > 0) {
        outside = at;
        found = true;
        break;
      }
      inside = at;
    }
    if (!found) continue;
    for (int i = 0; i < 60 && std::abs(outside - inside) > 1e-7 * std::abs(outside); ++i) {
      const double middle = 0.5 * (inside + outside);
      (excess(best.values[k] + middle) > 0 ? outside : inside) = middle;
    }
    (side < 0 ? result.lower : result.upper) = best.values[k] + 0.5 * (inside + outside);
  }
  return result;
}

HoldOut hold_out_blocks(const FitProblem& problem, std::size_t blocks, const FitOptions& options) {
  const std::size_t n = problem.y.size();
  if (blocks < 2 || blocks > n) {
    throw ConfigError(fmt::format(
        "hold-out: {} blocks of {} points (each needs a point, and another block to learn from). "
        "Choose 2 to {}.",
        blocks, n, n));
  }
  HoldOut result;
  result.points = n;
  result.prediction.resize(n);
  result.error.resize(n);
  double squares = 0, chi2 = 0;
  std::size_t inside = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t first = block * n / blocks, last = (block + 1) * n / blocks;
    std::vector<std::size_t> rest;
    for (std::size_t i = 0; i < n; ++i) {
      if (i < first || i >= last) rest.push_back(i);
    }
    const Fit part = fit(select_points(problem, rest), options);
    if (part.status != FitStatus::converged) {
      throw RunError(fmt::format(
          "hold-out: without block {} of {} {} (the other blocks do not determine the model). Use "
          "more blocks.",
          block + 1, blocks, part.message));
    }
    const double k95 = part.coverage_factor(0.95);
    const double scale = part.covariance_scaled ? std::sqrt(part.chi2_reduced()) : 1;
    for (std::size_t i = first; i < last; ++i) {
      const double f = problem.model.value(part.values, i);
      double own = problem.sigma.empty() ? 1 : problem.sigma[i];
      if (problem.sigma_of_model) own = problem.sigma_of_model(f, i);
      own *= scale;
      const double error =
          std::hypot(own, part.prediction_error(problem.model.gradient(part.values, i)));
      result.prediction[i] = f;
      result.error[i] = error;
      const double deviation = problem.y[i] - f;
      squares += deviation * deviation;
      chi2 += deviation * deviation / (error * error);
      if (std::abs(deviation) <= k95 * error) ++inside;
    }
  }
  result.rms = std::sqrt(squares / static_cast<double>(n));
  result.chi2_per_point = chi2 / static_cast<double>(n);
  result.coverage95 = static_cast<double>(inside) / static_cast<double>(n);
  return result;
}

}  // namespace attojoule::calibration
