#include "calibration/result.hpp"

#include <fmt/format.h>

#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

double type_a_dof(const CalibrationResult& result) {
  return result.covariance_scaled ? result.dof : std::numeric_limits<double>::infinity();
}

}  // namespace

double Estimate::combined() const {
  return std::sqrt(u_a * u_a + u_b * u_b);
}

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::accepted:
      return "accepted";
    case Verdict::rejected:
      return "rejected";
    case Verdict::not_identifiable:
      return "not-identifiable";
    case Verdict::no_convergence:
      return "no-convergence";
  }
  return "rejected";
}

std::vector<RejectedPoint> grouped(const std::vector<RejectedPoint>& rejected) {
  constexpr std::size_t few = 5;
  std::vector<RejectedPoint> entries;
  for (std::size_t i = 0; i < rejected.size();) {
    std::size_t end = i;
    while (end < rejected.size() && rejected[end].reason == rejected[i].reason) ++end;
    if (end - i > few) {
      entries.push_back(
          {fmt::format("{} to {} ({} points)", rejected[i].place, rejected[end - 1].place, end - i),
           rejected[i].reason});
    } else {
      entries.insert(entries.end(), rejected.begin() + static_cast<std::ptrdiff_t>(i),
                     rejected.begin() + static_cast<std::ptrdiff_t>(end));
    }
    i = end;
  }
  return entries;
}

const Estimate& CalibrationResult::parameter(const std::string& name) const {
  for (const Estimate& estimate : parameters) {
    if (estimate.name == name) return estimate;
  }
  throw ConfigError(fmt::format(
      "{}: no parameter is called '{}' (the model has others). Check the name.", kind, name));
}

int CalibrationResult::exit_code(bool strict) const {
  switch (verdict) {
    case Verdict::accepted:
      return 0;
    case Verdict::rejected:
      return strict ? 6 : 0;
    case Verdict::not_identifiable:
      return 5;
    case Verdict::no_convergence:
      return 4;
  }
  return 0;
}

void set_interval(Estimate& estimate, double dof) {
  const double u = estimate.combined();
  estimate.dof = std::numeric_limits<double>::infinity();
  if (std::isnan(dof) || dof <= 0) {
    estimate.dof = not_known;
  } else if (std::isfinite(dof) && estimate.u_a > 0) {
    estimate.dof = dof * std::pow(u / estimate.u_a, 4);
  }
  const auto factor = [&](double probability) {
    const double tail = (1 - probability) / 2;
    if (std::isnan(estimate.dof)) return not_known;
    if (estimate.dof >= 1e6) return quantile(complement(boost::math::normal(), tail));
    return quantile(complement(boost::math::students_t(estimate.dof), tail));
  };
  const double k95 = factor(0.95), k68 = factor(one_sigma);
  estimate.interval_low = estimate.value - k95 * u;
  estimate.interval_high = estimate.value + k95 * u;
  estimate.interval68_low = estimate.value - k68 * u;
  estimate.interval68_high = estimate.value + k68 * u;
}

void reject(CalibrationResult& result, const std::string& reason) {
  if (result.verdict == Verdict::accepted) result.verdict = Verdict::rejected;
  result.reasons.push_back(reason);
}

void not_identifiable(CalibrationResult& result, const std::string& statement) {
  result.verdict = Verdict::not_identifiable;
  result.identifiability = statement;
  result.reasons.push_back(statement);
}

Fit in_units(Fit fit, const std::vector<double>& factors) {
  for (std::size_t k = 0; k < factors.size(); ++k) {
    fit.values[k] *= factors[k];
    for (std::size_t j = 0; j < factors.size(); ++j) {
      fit.covariance(static_cast<Eigen::Index>(k), static_cast<Eigen::Index>(j)) *=
          factors[k] * factors[j];
    }
  }
  for (BoundHit& hit : fit.bounds_hit) {
    hit.value *= factors[fit.index(hit.parameter)];
    hit.bound *= factors[fit.index(hit.parameter)];
  }
  return fit;
}

void check_bound(CalibrationResult& result, const Estimate& estimate, double bound, bool above,
                 const std::string& reason) {
  if (result.verdict == Verdict::not_identifiable || result.verdict == Verdict::no_convergence) {
    return;
  }
  const double beyond = above ? estimate.value - bound : bound - estimate.value;
  if (!(beyond > 0)) return;
  const double errors = beyond / estimate.combined();
  result.bounds_hit.push_back({estimate.name, estimate.value, bound, above, errors, reason});
  const std::string text = fmt::format(
      "{} = {:.6g} is {} its physical bound {:.6g} by {:.3g} standard uncertainties "
      "({})",
      estimate.name, estimate.value, above ? "above" : "below", bound, errors, reason);
  if (errors > 3 || std::isnan(errors)) {
    reject(result, text);
  } else {
    result.warnings.push_back(text);
  }
}

void adopt(CalibrationResult& result, const Fit& fit, const std::vector<std::string>& meanings) {
  const auto n = static_cast<Eigen::Index>(fit.parameters.size());
  result.parameters.clear();
  result.covariance_a = fit.covariance;
  result.covariance_b = Eigen::MatrixXd::Zero(n, n);
  result.covariance_scaled = fit.covariance_scaled;
  result.chi2 = fit.chi2;
  result.dof = fit.dof;
  // With the scatter of the data as their standard deviation, chi2 cannot tell a wrong model.
  result.chi2_probability = fit.covariance_scaled ? not_known : fit.chi2_probability();
  result.condition = fit.condition;
  result.bounds_hit = fit.bounds_hit;
  result.points_used = fit.residuals.size();
  for (std::size_t i = 0; i < fit.parameters.size(); ++i) {
    Estimate estimate;
    estimate.name = fit.parameters[i].name;
    estimate.unit = fit.parameters[i].unit.empty() ? "1" : fit.parameters[i].unit;
    estimate.value = fit.values[i];
    estimate.u_a = fit.standard_error(i);
    estimate.meaning = i < meanings.size() ? meanings[i] : "";
    set_interval(estimate, type_a_dof(result));
    result.parameters.push_back(estimate);
  }
  switch (fit.status) {
    case FitStatus::converged:
      result.identifiability = fmt::format(
          "All parameters are determined (condition number {:.3g}; the least determined "
          "combination "
          "is of {}).",
          fit.condition, fmt::join(fit.entangled, ", "));
      break;
    case FitStatus::not_identifiable:
      result.verdict = Verdict::not_identifiable;
      result.identifiability = fit.message;
      result.reasons.push_back(fit.message);
      return;
    case FitStatus::no_convergence:
      result.verdict = Verdict::no_convergence;
      result.identifiability = fit.message;
      result.reasons.push_back(fit.message);
      return;
  }
  if (result.chi2_probability < rejection_probability) {
    reject(result,
           fmt::format("chi2/dof = {:.3g} for {:g} degrees of freedom (probability {:.1e}): "
                       "the model does not describe the data within their known scatter",
                       fit.chi2_reduced(), fit.dof, result.chi2_probability));
  }
  for (const BoundHit& hit : fit.bounds_hit) {
    const std::string text =
        fmt::format("{} = {:.6g} is {} its physical bound {:g} by {:.3g} standard errors{}",
                    hit.parameter, hit.value, hit.above ? "above" : "below", hit.bound,
                    hit.standard_errors, hit.reason.empty() ? "" : " (" + hit.reason + ")");
    // Within two standard errors the bound and the data agree.
    if (hit.standard_errors > 3) {
      reject(result, text);
    } else {
      result.warnings.push_back(text);
    }
  }
}

void add_type_b(CalibrationResult& result, const std::vector<double>& change,
                const std::string& cause) {
  const auto n = static_cast<Eigen::Index>(result.parameters.size());
  Eigen::VectorXd column(n);
  for (Eigen::Index i = 0; i < n; ++i) column(i) = change[static_cast<std::size_t>(i)];
  result.covariance_b += column * column.transpose();
  for (Eigen::Index i = 0; i < n; ++i) {
    Estimate& estimate = result.parameters[static_cast<std::size_t>(i)];
    const double share = estimate.u_a / estimate.combined();
    const double of_type_a =
        std::isfinite(estimate.dof) ? estimate.dof * std::pow(share, 4) : type_a_dof(result);
    estimate.u_b = std::sqrt(result.covariance_b(i, i));
    set_interval(estimate, of_type_a);
  }
  result.settings["type B"] += (result.settings["type B"].empty() ? "" : "; ") + cause;
}

namespace {

Eigen::VectorXd gradient_of(const CalibrationResult& result,
                            const std::function<double(const std::vector<double>&)>& formula) {
  std::vector<double> p;
  for (const Estimate& estimate : result.parameters) p.push_back(estimate.value);
  Eigen::VectorXd gradient(static_cast<Eigen::Index>(p.size()));
  for (std::size_t i = 0; i < p.size(); ++i) {
    // A step of a hundredth of the uncertainty: far above rounding, well inside where f is linear.
    double h = 0.01 * result.parameters[i].combined();
    if (!(h > 1e-7 * std::abs(p[i]))) h = std::max(1e-7 * std::abs(p[i]), 1e-300);
    std::vector<double> up = p, down = p;
    up[i] += h;
    down[i] -= h;
    gradient(static_cast<Eigen::Index>(i)) = (formula(up) - formula(down)) / (up[i] - down[i]);
  }
  return gradient;
}

}  // namespace

Estimate derived(const CalibrationResult& result, const std::string& name, const std::string& unit,
                 const std::string& meaning,
                 const std::function<double(const std::vector<double>&)>& formula) {
  std::vector<double> p;
  for (const Estimate& estimate : result.parameters) p.push_back(estimate.value);
  Estimate value;
  value.name = name;
  value.unit = unit;
  value.meaning = meaning;
  value.value = formula(p);
  const Eigen::VectorXd gradient = gradient_of(result, formula);
  value.u_a = std::sqrt(std::max(0.0, gradient.dot(result.covariance_a * gradient)));
  value.u_b = std::sqrt(std::max(0.0, gradient.dot(result.covariance_b * gradient)));
  set_interval(value, type_a_dof(result));
  return value;
}

std::size_t ResultTable::rows() const {
  if (columns.empty()) return 0;
  return columns[0].texts.empty() ? columns[0].values.size() : columns[0].texts.size();
}

void append_separate(CalibrationResult& result, Estimate estimate) {
  if (!std::isfinite(estimate.interval_low)) {
    set_interval(estimate, std::numeric_limits<double>::infinity());
  }
  const auto n = static_cast<Eigen::Index>(result.parameters.size());
  for (auto* covariance : {&result.covariance_a, &result.covariance_b}) {
    const bool is_a = covariance == &result.covariance_a;
    const double u = is_a ? estimate.u_a : estimate.u_b;
    covariance->conservativeResize(n + 1, n + 1);
    covariance->row(n).setConstant(is_a ? not_known : 0);
    covariance->col(n).setConstant(is_a ? not_known : 0);
    (*covariance)(n, n) = u * u;
  }
  result.parameters.push_back(std::move(estimate));
}

void append_derived(CalibrationResult& result, const std::string& name, const std::string& unit,
                    const std::string& meaning,
                    const std::function<double(const std::vector<double>&)>& formula) {
  const Estimate estimate = derived(result, name, unit, meaning, formula);
  const auto n = static_cast<Eigen::Index>(result.parameters.size());
  Eigen::MatrixXd map = Eigen::MatrixXd::Zero(n + 1, n);
  map.topRows(n).setIdentity();
  map.row(n) = gradient_of(result, formula).transpose();
  result.covariance_a = map * result.covariance_a * map.transpose();
  result.covariance_b = map * result.covariance_b * map.transpose();
  result.parameters.push_back(estimate);
}

}  // namespace attojoule::calibration
