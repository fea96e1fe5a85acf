#include "calibration/joint.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/SVD>
#include <algorithm>
#include <array>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>

#include "calibration/joint_kinds.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr std::size_t most_names = 32;  // in one formula
// Share of the largest singular value below which a direction counts as not determined: half of a
// double's digits, as FitOptions::condition_limit.
constexpr double rank_limit = 1e-8;

// A formula whose names are bound to columns, free parameters or constants.
struct BoundFormula {
  Expression formula;
  struct Name {
    enum class What { column, parameter, constant } what = What::constant;
    std::size_t index = 0;
    double value = 0;  // of a constant; the scale of a parameter
  };
  std::vector<Name> names;

  template <class T>
  T evaluate(const T* p, const std::vector<std::pair<std::string, std::vector<double>>>* columns,
             std::size_t row) const {
    std::array<T, most_names> values;
    for (std::size_t k = 0; k < names.size(); ++k) {
      const Name& name = names[k];
      switch (name.what) {
        case Name::What::column:
          values[k] = T((*columns)[name.index].second[row]);
          break;
        case Name::What::parameter:
          values[k] = p[name.index] * T(name.value);
          break;
        case Name::What::constant:
          values[k] = T(name.value);
          break;
      }
    }
    return formula.evaluate(values.data());
  }
};

// One row of the whole problem.
struct Row {
  std::size_t part = 0;  // measurements, then knowledge, then given parameters
  std::size_t index = 0;
};

struct Part {
  enum class Kind { measurement, knowledge, given } kind = Kind::measurement;
  std::string name;
  std::size_t index = 0;             // in the problem's list
  std::size_t first = 0, count = 0;  // rows
  bool known = true;                 // its scatter
  double factor = 1;                 // of the sigmas
  double dof = 0, own_chi2 = 0;
  Index rank = 0;
  double measured_scale = 1;  // |y|, where nothing is known of the scatter
};

struct Job {
  JointProblem problem;
  std::vector<std::size_t> free;  // index of a parameter in problem.parameters
  std::vector<double> scale;      // of each free parameter
  std::vector<BoundFormula> of_measurement;
  std::vector<std::vector<BoundFormula>> of_knowledge;
  std::vector<MatrixXd> whitening;  // L^-1 of each knowledge
  std::vector<Part> parts;
  std::vector<Row> rows;

  template <class T>
  T model(const T* p, std::size_t i) const {
    const Row& row = rows[i];
    const Part& part = parts[row.part];
    switch (part.kind) {
      case Part::Kind::measurement:
        return of_measurement[part.index].evaluate(p, &problem.measurements[part.index].columns,
                                                   row.index);
      case Part::Kind::knowledge: {
        T sum(0);
        const MatrixXd& white = whitening[part.index];
        for (std::size_t k = 0; k <= row.index; ++k) {
          sum = sum + T(white(static_cast<Index>(row.index), static_cast<Index>(k))) *
                          of_knowledge[part.index][k].evaluate(p, nullptr, 0);
        }
        return sum;
      }
      case Part::Kind::given:
        break;
    }
    return p[part.index] * T(scale[part.index]);
  }
  double value(std::size_t i) const {
    const Row& row = rows[i];
    const Part& part = parts[row.part];
    if (part.kind == Part::Kind::measurement) return problem.measurements[part.index].y[row.index];
    if (part.kind == Part::Kind::knowledge) {
      return (whitening[part.index] *
              problem.knowledge[part.index].values)(static_cast<Index>(row.index));
    }
    return *problem.parameters[free[part.index]].given;
  }
  double sigma(double model, std::size_t i) const {
    const Row& row = rows[i];
    const Part& part = parts[row.part];
    if (part.kind == Part::Kind::knowledge) return 1;
    if (part.kind == Part::Kind::given) return problem.parameters[free[part.index]].u;
    const JointMeasurement& m = problem.measurements[part.index];
    if (!m.sigma.empty()) return part.factor * m.sigma[row.index];
    if (!m.nu.empty()) {
      return part.factor * std::max(std::abs(model), 1e-9 * part.measured_scale) *
             std::sqrt(2 / m.nu[row.index]);
    }
    if (m.relative > 0 || m.floor > 0) {
      return part.factor * std::hypot(m.relative * model,
                                      std::max(m.floor, 1e-6 * m.relative * part.measured_scale));
    }
    return part.factor * part.measured_scale;
  }
};

std::string list_of(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

BoundFormula bound_to(
    const Job& job, const Expression& formula, const std::string& place,
    const std::vector<std::pair<std::string, std::vector<double>>>* columns = nullptr) {
  BoundFormula bound;
  bound.formula = formula;
  if (formula.names().size() > most_names) {
    throw ConfigError(
        fmt::format("{}: {} names in one formula (at most {}). Split the measurement.", place,
                    formula.names().size(), most_names));
  }
  for (const std::string& name : formula.names()) {
    BoundFormula::Name entry;
    bool found = false;
    for (std::size_t k = 0; columns != nullptr && k < columns->size() && !found; ++k) {
      if ((*columns)[k].first != name) continue;
      entry = {BoundFormula::Name::What::column, k, 0};
      found = true;
    }
    for (std::size_t k = 0; k < job.problem.parameters.size() && !found; ++k) {
      const JointParameter& parameter = job.problem.parameters[k];
      if (parameter.name != name) continue;
      const auto at = std::find(job.free.begin(), job.free.end(), k);
      if (at == job.free.end()) {
        entry = {BoundFormula::Name::What::constant, 0, *parameter.given};
      } else {
        const auto index = static_cast<std::size_t>(at - job.free.begin());
        entry = {BoundFormula::Name::What::parameter, index, job.scale[index]};
      }
      found = true;
    }
    if (!found) {
      std::vector<std::string> have;
      for (std::size_t k = 0; columns != nullptr && k < columns->size(); ++k) {
        have.push_back((*columns)[k].first);
      }
      for (const auto& parameter : job.problem.parameters) have.push_back(parameter.name);
      throw ConfigError(
          fmt::format("{}: nothing is called '{}' in \"{}\" (there are: {}). Declare it under "
                      "parameters, or correct the name.",
                      place, name, formula.text(), list_of(have)));
    }
    bound.names.push_back(entry);
  }
  return bound;
}

void check_measurement(const JointMeasurement& m) {
  const std::size_t n = m.y.size();
  if (n == 0) throw DataError(fmt::format("{}: no points. Give a file that has some.", m.name));
  for (const auto& [symbol, values] : m.columns) {
    if (values.size() != n) {
      throw ConfigError(fmt::format("{}: {} values of {} for {} of {}. Give as many.", m.name,
                                    values.size(), symbol, n, m.y_name));
    }
  }
  if ((!m.sigma.empty() && m.sigma.size() != n) || (!m.nu.empty() && m.nu.size() != n)) {
    throw ConfigError(fmt::format(
        "{}: standard deviations or degrees of freedom of another number than the points. Give one "
        "for each.",
        m.name));
  }
  const auto place = [&](std::size_t i) {
    return i < m.places.size() ? m.places[i] : fmt::format("{}, point {}", m.name, i + 1);
  };
  for (std::size_t i = 0; i < n; ++i) {
    bool finite = std::isfinite(m.y[i]);
    for (const auto& [symbol, values] : m.columns) finite = finite && std::isfinite(values[i]);
    if (!finite) {
      throw DataError(
          fmt::format("{}: {} or an abscissa is no number. Remove the row.", place(i), m.y_name));
    }
    if (!m.sigma.empty() && !(m.sigma[i] > 0 && std::isfinite(m.sigma[i]))) {
      throw DataError(
          fmt::format("{}: standard deviation {:g} {} (it must be positive). Correct "
                      "the row.",
                      place(i), m.sigma[i], m.y_unit));
    }
    if (!m.nu.empty() && !(m.nu[i] > 0)) {
      throw DataError(
          fmt::format("{}: {:g} degrees of freedom (positive ones make a variance). "
                      "Correct the row.",
                      place(i), m.nu[i]));
    }
  }
}

std::shared_ptr<Job> make_job(const JointProblem& problem) {
  auto job = std::make_shared<Job>();
  job->problem = problem;
  for (std::size_t k = 0; k < problem.parameters.size(); ++k) {
    JointParameter& parameter = job->problem.parameters[k];
    for (std::size_t j = 0; j < k; ++j) {
      if (problem.parameters[j].name == parameter.name) {
        throw ConfigError(
            fmt::format("parameter {}: there are two of that name. Rename one.", parameter.name));
      }
    }
    if (parameter.given && !(parameter.u >= 0)) {
      throw ConfigError(
          fmt::format("parameter {}: an uncertainty of {:g} {} (it is positive). "
                      "Correct it.",
                      parameter.name, parameter.u, parameter.unit));
    }
    if (parameter.given && parameter.u == 0) continue;
    if (!std::isfinite(parameter.start)) parameter.start = parameter.given.value_or(not_known);
    if (!std::isfinite(parameter.start)) {
      throw ConfigError(
          fmt::format("parameter {}: no start value (it cannot be told from the measurements' "
                      "kinds). Give start: with its unit, or value:.",
                      parameter.name));
    }
    job->free.push_back(k);
    const double size = std::max(std::abs(parameter.start), parameter.given ? parameter.u : 0.0);
    job->scale.push_back(size > 0 ? size : 1);
  }
  std::vector<bool> used(job->free.size(), false);
  const auto mark = [&](const BoundFormula& formula) {
    for (const auto& name : formula.names) {
      if (name.what == BoundFormula::Name::What::parameter) used[name.index] = true;
    }
  };
  for (std::size_t k = 0; k < problem.measurements.size(); ++k) {
    const JointMeasurement& m = problem.measurements[k];
    check_measurement(m);
    job->of_measurement.push_back(
        bound_to(*job, m.formula, fmt::format("measurement {}", m.name), &m.columns));
    mark(job->of_measurement.back());
    Part part;
    part.name = m.name;
    part.index = k;
    part.first = job->rows.size();
    part.count = m.y.size();
    part.known = m.known();
    part.measured_scale = 0;
    for (const double y : m.y) part.measured_scale = std::max(part.measured_scale, std::abs(y));
    if (!(part.measured_scale > 0)) part.measured_scale = 1;
    for (std::size_t i = 0; i < part.count; ++i) job->rows.push_back({job->parts.size(), i});
    job->parts.push_back(part);
  }
  for (std::size_t k = 0; k < problem.knowledge.size(); ++k) {
    const JointKnowledge& known = problem.knowledge[k];
    const auto n = static_cast<Index>(known.formulas.size());
    const MatrixXd covariance = known.covariance_a + known.covariance_b;
    const Eigen::LLT<MatrixXd> factor(covariance);
    if (covariance.rows() != n || known.values.size() != n || factor.info() != Eigen::Success ||
        !covariance.allFinite() || !known.values.allFinite()) {
      throw DataError(
          fmt::format("result {}: the covariance of {} cannot be inverted (values that depend on "
                      "each other, or without uncertainty). Take fewer of its values.",
                      known.name, list_of(known.labels)));
    }
    MatrixXd inverse = MatrixXd::Identity(n, n);
    factor.matrixL().solveInPlace(inverse);
    job->whitening.push_back(inverse);
    std::vector<BoundFormula> bound;
    for (std::size_t i = 0; i < known.formulas.size(); ++i) {
      bound.push_back(bound_to(*job, known.formulas[i],
                               fmt::format("result {}: {}", known.name, known.labels[i])));
      mark(bound.back());
    }
    job->of_knowledge.push_back(bound);
    Part part;
    part.kind = Part::Kind::knowledge;
    part.name = known.name;
    part.index = k;
    part.first = job->rows.size();
    part.count = known.formulas.size();
    for (std::size_t i = 0; i < part.count; ++i) job->rows.push_back({job->parts.size(), i});
    job->parts.push_back(part);
  }
  for (std::size_t k = 0; k < job->free.size(); ++k) {
    const JointParameter& parameter = job->problem.parameters[job->free[k]];
    if (!used[k]) {
      throw ConfigError(
          fmt::format("parameter {}: no measurement depends on it (it cannot be found). Remove it, "
                      "or use it in a formula.",
                      parameter.name));
    }
    if (!parameter.given) continue;
    Part part;
    part.kind = Part::Kind::given;
    part.name = parameter.name + " as given";
    part.index = k;
    part.first = job->rows.size();
    part.count = 1;
    job->rows.push_back({job->parts.size(), 0});
    job->parts.push_back(part);
  }
  return job;
}

FitProblem fit_problem(const std::shared_ptr<Job>& job) {
  FitProblem problem;
  for (std::size_t k = 0; k < job->free.size(); ++k) {
    const JointParameter& parameter = job->problem.parameters[job->free[k]];
    Parameter entry{
        .name = parameter.name, .start = parameter.start / job->scale[k], .unit = parameter.unit};
    if (parameter.lower) entry.lower = *parameter.lower / job->scale[k];
    if (parameter.upper) entry.upper = *parameter.upper / job->scale[k];
    problem.parameters.push_back(entry);
  }
  problem.model = Model(job->rows.size(), [job]<class T>(const T* p, std::size_t i) -> T {
    return job->model(p, i);
  });
  for (std::size_t i = 0; i < job->rows.size(); ++i) problem.y.push_back(job->value(i));
  problem.sigma_of_model = [job](double model, std::size_t i) { return job->sigma(model, i); };
  problem.convention = SigmaConvention::known;
  return problem;
}

struct Projection {
  Index rank = 0;
  double explained = 0;  // squared length of r inside the columns' space
};

Projection project(const MatrixXd& jacobian, const VectorXd& residual) {
  MatrixXd scaled = jacobian;
  for (Index k = 0; k < scaled.cols(); ++k) {
    const double size = scaled.col(k).norm();
    if (size > 0) scaled.col(k) /= size;
  }
  const Eigen::JacobiSVD<MatrixXd> svd(scaled, Eigen::ComputeThinU);
  Projection result;
  const VectorXd& values = svd.singularValues();
  while (result.rank < values.size() && values(result.rank) > rank_limit * values(0) &&
         values(result.rank) > 0) {
    ++result.rank;
  }
  result.explained = (svd.matrixU().leftCols(result.rank).transpose() * residual).squaredNorm();
  return result;
}

// Jacobian and residuals in standard deviations at the solution.
struct Whitened {
  MatrixXd jacobian;
  VectorXd residual;
};

Whitened whiten(const FitProblem& problem, const Fit& best) {
  Whitened w;
  w.jacobian = problem.model.jacobian(best.values);
  w.residual = problem.model.residuals(best.values, problem.y);
  for (Index i = 0; i < w.residual.size(); ++i) {
    const double sigma = best.sigma[static_cast<std::size_t>(i)];
    w.jacobian.row(i) /= sigma;
    w.residual(i) /= sigma;
  }
  return w;
}

// chi2 and degrees of freedom of every part about a fit of its own, linearised.
void own_fits(Job& job, const Whitened& w) {
  for (Part& part : job.parts) {
    const auto first = static_cast<Index>(part.first), count = static_cast<Index>(part.count);
    const VectorXd r = w.residual.segment(first, count);
    const Projection own = project(w.jacobian.middleRows(first, count), r);
    part.rank = own.rank;
    part.dof = static_cast<double>(count - own.rank);
    part.own_chi2 = std::max(0.0, r.squaredNorm() - own.explained);
  }
}

Fit solve(const std::shared_ptr<Job>& job, FitProblem& problem) {
  Fit best = fit(problem);
  for (int round = 0; round < 40; ++round) {
    if (best.status != FitStatus::converged) return best;
    own_fits(*job, whiten(problem, best));
    double change = 0;
    for (Part& part : job->parts) {
      if (part.kind != Part::Kind::measurement || part.known) continue;
      if (!(part.dof >= 1)) {
        throw DataError(fmt::format(
            "measurement {}: {} points for {} parameters, and no known scatter (nothing "
            "tells how far to trust them). Give sigma, relative, floor or nu.",
            part.name, part.count, part.rank));
      }
      // Data without any scatter (made up, or digits cut off) still weigh finitely.
      const double wanted = std::max(part.factor * std::sqrt(part.own_chi2 / part.dof), 1e-12);
      change = std::max(change, std::abs(wanted / part.factor - 1));
      part.factor = wanted;
    }
    if (change < 1e-6) return best;
    for (std::size_t k = 0; k < best.values.size(); ++k)
      problem.parameters[k].start = best.values[k];
    best = fit(problem);
  }
  best.status = FitStatus::no_convergence;
  best.message = "the estimated scatters of the measurements do not settle";
  return best;
}

double tail(double delta, double dof, double estimated_dof) {
  if (!(dof > 0) || !(delta > 0)) return 1;
  if (std::isfinite(estimated_dof)) {
    return boost::math::cdf(
        boost::math::complement(boost::math::fisher_f(dof, estimated_dof), delta / dof));
  }
  return boost::math::cdf(boost::math::complement(boost::math::chi_squared(dof), delta));
}

std::vector<Tension> tensions_of(const Job& job, const Whitened& w) {
  const double all = w.residual.squaredNorm();
  double estimated_dof = std::numeric_limits<double>::infinity();
  for (const Part& part : job.parts) {
    if (!part.known) estimated_dof = std::min(estimated_dof, part.dof);
  }
  std::vector<Tension> tensions;
  for (const Part& part : job.parts) {
    Tension t;
    t.part = part.name;
    t.own_chi2 = part.own_chi2;
    t.own_dof = part.dof;
    t.scatter_factor = part.factor;
    if (part.kind == Part::Kind::measurement && part.known && part.dof > 0) {
      t.own_probability = tail(part.own_chi2, part.dof, not_known);
    }
    const auto first = static_cast<Index>(part.first), count = static_cast<Index>(part.count);
    const Index rest = w.residual.size() - count;
    if (rest > 0) {
      MatrixXd jacobian(rest, w.jacobian.cols());
      VectorXd residual(rest);
      jacobian << w.jacobian.topRows(first), w.jacobian.bottomRows(rest - first);
      residual << w.residual.head(first), w.residual.tail(rest - first);
      const Projection others = project(jacobian, residual);
      const Projection whole = project(w.jacobian, w.residual);
      const double separate = part.own_chi2 + residual.squaredNorm() - others.explained;
      t.dof = static_cast<double>(part.rank + others.rank - whole.rank);
      t.delta_chi2 = t.dof > 0 ? std::max(0.0, all - separate) : 0;
      t.probability = tail(t.delta_chi2, t.dof, estimated_dof);
    }
    tensions.push_back(t);
  }
  return tensions;
}

// Covariances in the parameters' units, by cause.
struct Causes {
  MatrixXd a, b;
  std::vector<std::pair<MatrixXd, double>> estimated;  // of a: from scatters with so many dof
};

Causes causes_of(const Job& job, const Whitened& w, const MatrixXd& covariance) {
  const Index n = covariance.rows();
  Causes causes{MatrixXd::Zero(n, n), MatrixXd::Zero(n, n), {}};
  VectorXd scale(n);
  for (Index k = 0; k < n; ++k) scale(k) = job.scale[static_cast<std::size_t>(k)];
  for (const Part& part : job.parts) {
    const MatrixXd j =
        w.jacobian.middleRows(static_cast<Index>(part.first), static_cast<Index>(part.count));
    const MatrixXd gain = scale.asDiagonal() * covariance * j.transpose();
    if (part.kind == Part::Kind::measurement) {
      const MatrixXd share = gain * gain.transpose();
      causes.a += share;
      if (!part.known) causes.estimated.emplace_back(share, part.dof);
    } else if (part.kind == Part::Kind::knowledge) {
      const JointKnowledge& known = job.problem.knowledge[part.index];
      const MatrixXd& white = job.whitening[part.index];
      causes.a += gain * white * known.covariance_a * white.transpose() * gain.transpose();
      causes.b += gain * white * known.covariance_b * white.transpose() * gain.transpose();
    } else {
      causes.b += gain * gain.transpose();
    }
  }
  return causes;
}

double effective_dof(double variance_a, const std::vector<std::pair<double, double>>& estimated) {
  double sum = 0;
  for (const auto& [variance, dof] : estimated) sum += variance * variance / dof;
  return sum > 0 ? variance_a * variance_a / sum : std::numeric_limits<double>::infinity();
}

// An estimate whose variance is g' C g.
void set_uncertainty(Estimate& e, const VectorXd& g, const Causes& causes) {
  const double a = std::max(0.0, g.dot(causes.a * g));
  e.u_a = std::sqrt(a);
  e.u_b = std::sqrt(std::max(0.0, g.dot(causes.b * g)));
  // A billionth of the other type is rounding.
  if (e.u_a < 1e-9 * e.u_b) e.u_a = 0;
  if (e.u_b < 1e-9 * e.u_a) e.u_b = 0;
  std::vector<std::pair<double, double>> estimated;
  for (const auto& [matrix, dof] : causes.estimated) {
    estimated.emplace_back(std::max(0.0, g.dot(matrix * g)), dof);
  }
  set_interval(e, effective_dof(a, estimated));
}

std::string place_of(const Job& job, const Part& part, std::size_t i) {
  if (part.kind == Part::Kind::measurement) {
    const auto& places = job.problem.measurements[part.index].places;
    return i < places.size() ? places[i] : fmt::format("{}:{}", part.name, i + 1);
  }
  if (part.kind == Part::Kind::knowledge) {
    return fmt::format("{}: {}", part.name, job.problem.knowledge[part.index].labels[i]);
  }
  return part.name;
}

void describe(CalibrationResult& result, const Job& job, const Fit& best) {
  std::vector<double> p = best.values;
  for (std::size_t s = 0; s < job.parts.size(); ++s) {
    const Part& part = job.parts[s];
    PlotSeries off{"residual", {}, {}, {}, PlotSeries::Kind::points};
    PlotSeries measured{"measured", {}, {}, {}, PlotSeries::Kind::points};
    PlotSeries line{"joint fit", {}, {}, {}, PlotSeries::Kind::line};
    std::vector<std::pair<double, double>> curve;
    for (std::size_t i = 0; i < part.count; ++i) {
      const std::size_t k = part.first + i;
      ResidualRow row;
      row.place = place_of(job, part, i);
      if (part.kind == Part::Kind::measurement) {
        row.x = job.problem.measurements[part.index].columns.empty()
                    ? static_cast<double>(i + 1)
                    : job.problem.measurements[part.index].columns.front().second[i];
      }
      row.y = job.value(k);
      row.model = best.model_values[k];
      row.sigma = best.sigma[k];
      row.standardised = best.standardised[k];
      row.leverage = best.leverage[k];
      measured.x.push_back(row.x);
      measured.y.push_back(row.y);
      measured.error.push_back(row.sigma);
      off.x.push_back(row.x);
      off.y.push_back(row.standardised);
      curve.emplace_back(row.x, row.model);
      result.residuals.push_back(row);
    }
    if (part.kind != Part::Kind::measurement) continue;
    const JointMeasurement& m = job.problem.measurements[part.index];
    // Finely drawn where the abscissa is all that changes.
    if (m.columns.size() == 1) {
      const auto& x = m.columns.front().second;
      const auto [from, to] = std::minmax_element(x.begin(), x.end());
      for (int k = 0; k <= 600; ++k) {
        const std::vector<std::pair<std::string, std::vector<double>>> at{
            {m.columns.front().first, {*from + (*to - *from) * k / 600}}};
        line.x.push_back(at.front().second.front());
        line.y.push_back(job.of_measurement[part.index].evaluate(p.data(), &at, 0));
      }
    } else {
      std::sort(curve.begin(), curve.end());
      for (const auto& [x, y] : curve) {
        line.x.push_back(x);
        line.y.push_back(y);
      }
    }
    const std::string x_label =
        m.columns.empty() ? "point" : fmt::format("{} [{}]", m.columns.front().first, m.x_unit);
    const bool decades = !m.columns.empty() && m.kind == "response";
    result.plots.push_back({m.name,
                            x_label,
                            fmt::format("{} [{}]", m.y_name, m.y_unit),
                            decades,
                            false,
                            {measured, line}});
    result.plots.push_back(
        {m.name + ": residuals", x_label, "standardised residual", decades, false, {off}});
  }
}

std::string python_name(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

std::string numbers(const std::vector<double>& values) {
  return fmt::format("np.array([{}])", fmt::join(values, ", "));
}

std::string scipy_check(const Job& job, const Fit& best) {
  std::string text =
      "import numpy as np\nfrom scipy.optimize import least_squares\n# The same chi2, with the "
      "standard deviations of the last reweighting.\n";
  std::vector<std::string> names;
  std::vector<double> start, scale;
  for (std::size_t k = 0; k < job.free.size(); ++k) {
    names.push_back(python_name(job.problem.parameters[job.free[k]].name));
    const double value = best.values[k] * job.scale[k];
    scale.push_back(value != 0 ? std::abs(value) : job.scale[k]);
    start.push_back(value / scale.back() + 0.001);
  }
  for (const JointParameter& parameter : job.problem.parameters) {
    if (parameter.given && parameter.u == 0) {
      text += fmt::format("{} = {:.17g}\n", python_name(parameter.name), *parameter.given);
    }
  }
  std::string terms;
  for (const Part& part : job.parts) {
    std::vector<double> y, sigma;
    for (std::size_t i = part.first; i < part.first + part.count; ++i) {
      y.push_back(job.value(i));
      sigma.push_back(best.sigma[i]);
    }
    if (part.kind == Part::Kind::measurement) {
      const JointMeasurement& m = job.problem.measurements[part.index];
      // A function for each, whose columns cannot be mixed up with another's.
      std::vector<std::string> columns;
      for (const auto& [symbol, values] : m.columns) columns.push_back(python_name(symbol));
      text += fmt::format("# {}\ndef model_{}(p):\n    {}, = p\n", m.name, part.index,
                          fmt::join(names, ", "));
      for (std::size_t c = 0; c < columns.size(); ++c) {
        text += fmt::format("    {} = {}\n", columns[c], numbers(m.columns[c].second));
      }
      text += fmt::format("    return {}\n", m.formula.python());
      text += fmt::format("y_{0} = {1}\nsigma_{0} = {2}\n", part.index, numbers(y), numbers(sigma));
      terms += fmt::format("        (model_{0}(p) - y_{0}) / sigma_{0},\n", part.index);
    } else if (part.kind == Part::Kind::knowledge) {
      const JointKnowledge& known = job.problem.knowledge[part.index];
      std::vector<std::string> formulas;
      for (const Expression& f : known.formulas) formulas.push_back(f.python());
      std::vector<std::string> rows;
      const MatrixXd covariance = known.covariance_a + known.covariance_b;
      for (Index i = 0; i < covariance.rows(); ++i) {
        std::vector<double> row;
        for (Index k = 0; k < covariance.cols(); ++k) row.push_back(covariance(i, k));
        rows.push_back(fmt::format("[{:.17g}]", fmt::join(row, ", ")));
      }
      text += fmt::format(
          "# {0}\ndef known_{1}(p):\n    {2}, = p\n    return np.array([{3}])\nv_{1} = {4}\n"
          "L_{1} = np.linalg.inv(np.linalg.cholesky(np.array([{5}])))\n",
          known.name, part.index, fmt::join(names, ", "), fmt::join(formulas, ", "),
          numbers({known.values.data(), known.values.data() + known.values.size()}),
          fmt::join(rows, ", "));
      terms += fmt::format("        L_{0} @ (known_{0}(p) - v_{0}),\n", part.index);
    } else {
      terms += fmt::format("        [(p[{}] - {:.17g}) / {:.17g}],\n", part.index, y[0], sigma[0]);
    }
  }
  text += fmt::format(
      "scale = {}\ndef residuals(q):\n    p = q * scale\n    return np.concatenate([\n{}    ])\n"
      "fit = least_squares(residuals, {}, jac='3-point', xtol=1e-15, ftol=1e-15, gtol=1e-15)\n"
      "# Columns of one length: the inverse of a matrix that is not badly scaled.\n"
      "size = np.linalg.norm(fit.jac, axis=0)\nQ, R = np.linalg.qr(fit.jac / size)\n"
      "error = np.linalg.norm(np.linalg.inv(R), axis=1) / size\n"
      "for n, v, s in zip('{}'.split(), fit.x * scale, error * scale):\n"
      "    print(n, repr(float(v)), repr(float(s)))\n",
      numbers(scale), terms, numbers(start), fmt::join(names, " "));
  return text;
}

// Which kinds of measurement depend on some of the entangled parameters and not on all of them.
std::string what_would_help(const Job& job, const std::vector<std::string>& entangled) {
  std::vector<std::string> plain;
  for (const std::string& name : entangled) plain.push_back(name.substr(name.rfind('.') + 1));
  std::vector<std::string> kinds;
  for (const JointKind& kind : joint_kinds()) {
    std::size_t shared = 0;
    for (const std::string& name : plain) {
      for (const auto& parameter : kind.parameters) {
        if (parameter.name == name && !parameter.standard) ++shared;
      }
    }
    const bool there = std::any_of(job.problem.measurements.begin(), job.problem.measurements.end(),
                                   [&](const JointMeasurement& m) { return m.kind == kind.name; });
    if (shared > 0 && shared < plain.size() && !there &&
        std::find(kinds.begin(), kinds.end(), kind.name) == kinds.end()) {
      kinds.push_back(kind.name);
    }
  }
  std::string text = fmt::format("give the value of one of them (value:, u:)");
  if (!kinds.empty()) {
    text += fmt::format(", or add a measurement that has some of them and not the others (kind {})",
                        fmt::join(kinds, ", "));
  } else {
    text += ", or add a measurement that has some of them and not the others";
  }
  return text;
}

// The parameters of the least determined combination where it is not determined at all.
std::vector<std::string> null_space(const FitProblem& problem) {
  std::vector<double> start;
  for (const Parameter& parameter : problem.parameters) start.push_back(parameter.start);
  MatrixXd jacobian = problem.model.jacobian(start);
  for (Index i = 0; i < jacobian.rows(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    jacobian.row(i) /= problem.sigma_of_model(problem.model.value(start, k), k);
  }
  for (Index k = 0; k < jacobian.cols(); ++k) {
    const double size = jacobian.col(k).norm();
    if (size > 0) jacobian.col(k) /= size;
  }
  // Rows of zeros: a measurement may have fewer points than parameters.
  const Index rows = std::max(jacobian.rows(), jacobian.cols());
  MatrixXd square = MatrixXd::Zero(rows, jacobian.cols());
  square.topRows(jacobian.rows()) = jacobian;
  const Eigen::JacobiSVD<MatrixXd> svd(square, Eigen::ComputeThinV);
  const VectorXd& values = svd.singularValues();
  std::vector<std::string> names;
  if (values(values.size() - 1) > rank_limit * values(0)) return names;
  // Every parameter with a share in any of the directions that are not determined.
  for (Index k = 0; k < jacobian.cols(); ++k) {
    double share = 0;
    for (Index d = 0; d < values.size(); ++d) {
      if (values(d) <= rank_limit * values(0)) share += std::pow(svd.matrixV()(k, d), 2);
    }
    if (share > 1e-6) names.push_back(problem.parameters[static_cast<std::size_t>(k)].name);
  }
  return names;
}

// The estimates of each measurement alone, for those that share a parameter with another.
void fits_alone(CalibrationResult& result, const Job& job) {
  const JointProblem& problem = job.problem;
  std::map<std::string, int> users;
  for (const JointMeasurement& m : problem.measurements) {
    for (const std::string& name : m.formula.names()) ++users[name];
  }
  Plot plot{"Alone against joint",
            "",
            "difference, standard uncertainties of the joint fit",
            false,
            false,
            {}};
  std::vector<std::string> shared;
  for (const Estimate& e : result.parameters) {
    if (users[e.name] > 1) shared.push_back(e.name);
  }
  plot.rows = shared;
  PlotSeries together{"joint", {}, {}, {}, PlotSeries::Kind::points};
  for (std::size_t k = 0; k < shared.size(); ++k) {
    together.x.push_back(static_cast<double>(k + 1));
    together.y.push_back(0);
    together.error.push_back(1);
  }
  plot.series.push_back(together);
  for (std::size_t m = 0; m < problem.measurements.size(); ++m) {
    const JointMeasurement& measurement = problem.measurements[m];
    JointProblem alone;
    alone.measurements = {measurement};
    bool any = false;
    for (const JointParameter& parameter : problem.parameters) {
      if (!measurement.formula.uses(parameter.name)) continue;
      alone.parameters.push_back(parameter);
      for (const Estimate& e : result.parameters) {
        if (e.name == parameter.name) alone.parameters.back().start = e.value;
      }
      any = any || users[parameter.name] > 1;
    }
    if (!any || problem.measurements.size() < 2) continue;
    const auto own = make_job(alone);
    if (own->free.empty()) continue;
    FitProblem fitted = fit_problem(own);
    // What it cannot separate is seen at the solution; no minimum has to be looked for.
    const std::vector<std::string> entangled = null_space(fitted);
    if (!entangled.empty()) {
      result.identifiability +=
          fmt::format(" {} alone cannot separate {}.", measurement.name, list_of(entangled));
      continue;
    }
    const Fit best = solve(own, fitted);
    if (best.status != FitStatus::converged) continue;
    const Causes causes = causes_of(*own, whiten(fitted, best), best.covariance);
    std::vector<Estimate> estimates;
    PlotSeries series{measurement.name, {}, {}, {}, PlotSeries::Kind::points};
    for (std::size_t k = 0; k < own->free.size(); ++k) {
      const JointParameter& parameter = alone.parameters[own->free[k]];
      Estimate e;
      e.name = parameter.name;
      e.unit = parameter.unit;
      e.value = best.values[k] * own->scale[k];
      set_uncertainty(
          e, VectorXd::Unit(static_cast<Index>(own->free.size()), static_cast<Index>(k)), causes);
      estimates.push_back(e);
      const auto at = std::find(shared.begin(), shared.end(), parameter.name);
      if (at == shared.end()) continue;
      const Estimate& joint = result.parameter(parameter.name);
      series.x.push_back(static_cast<double>(at - shared.begin()) + 1 +
                         0.1 * static_cast<double>(plot.series.size()));
      series.y.push_back((e.value - joint.value) / joint.combined());
      series.error.push_back(e.combined() / joint.combined());
    }
    result.alternatives.emplace_back(measurement.name + " alone", estimates);
    plot.series.push_back(series);
  }
  if (plot.series.size() > 1) result.plots.insert(result.plots.begin(), plot);
}

// Blocks of every measurement predicted from the rest of all of them.
HoldOut hold_out(const Job& job, const FitProblem& problem, std::size_t blocks) {
  HoldOut held;
  double chi2 = 0;
  std::size_t inside = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    std::vector<std::size_t> kept, out;
    for (const Part& part : job.parts) {
      for (std::size_t i = 0; i < part.count; ++i) {
        const bool here = part.kind == Part::Kind::measurement && i * blocks / part.count == block;
        (here ? out : kept).push_back(part.first + i);
      }
    }
    if (out.empty()) continue;
    FitProblem rest = select_points(problem, kept);
    rest.sigma_of_model = [&](double model, std::size_t i) {
      return problem.sigma_of_model(model, kept[i]);
    };
    if (kept.size() < rest.parameters.size()) {
      throw ConfigError("--holdout: too few points are left. Ask for more blocks.");
    }
    const Fit best = fit(rest);
    if (best.status != FitStatus::converged) {
      throw RunError(fmt::format(
          "--holdout: without block {} of {} the fit has no minimum ({}). Ask for more blocks.",
          block + 1, blocks, best.message));
    }
    for (const std::size_t i : out) {
      const double model = problem.model.value(best.values, i);
      const double own = problem.sigma_of_model(model, i);
      const double error =
          std::hypot(own, best.prediction_error(problem.model.gradient(best.values, i)));
      held.prediction.push_back(model);
      held.error.push_back(error);
      const double off = (problem.y[i] - model) / error;
      chi2 += off * off;
      if (std::abs(off) < 1.959964) ++inside;
      ++held.points;
    }
  }
  held.chi2_per_point = chi2 / static_cast<double>(held.points);
  held.rms = std::sqrt(held.chi2_per_point);  // measurements have different units
  held.coverage95 = static_cast<double>(inside) / static_cast<double>(held.points);
  return held;
}

Estimate figure(const std::string& name, double value, const std::string& meaning) {
  Estimate e;
  e.name = name;
  e.unit = "1";
  e.value = value;
  e.meaning = meaning;
  return e;
}

void judge(JointResult& joint, const Job& job) {
  CalibrationResult& result = joint.result;
  std::size_t worst = joint.tensions.size();
  for (std::size_t k = 0; k < joint.tensions.size(); ++k) {
    const Tension& t = joint.tensions[k];
    if (job.parts[k].kind == Part::Kind::measurement) {
      if (std::isfinite(t.own_probability)) {
        result.figures.push_back(
            figure(t.part + ": chi2/dof", t.own_chi2 / t.own_dof,
                   fmt::format("about its own fit, {:g} degrees of freedom", t.own_dof)));
        if (t.own_probability < rejection_probability) {
          reject(result, fmt::format("measurement {}: its model does not describe it, whatever its "
                                     "parameters (chi2/dof {:.3g}, {:g} degrees of freedom)",
                                     t.part, t.own_chi2 / t.own_dof, t.own_dof));
        }
      } else if (!job.parts[k].known) {
        result.warnings.push_back(
            fmt::format("measurement {}: its scatter is taken from its residuals ({:g} degrees of "
                        "freedom), so chi2 cannot test its model",
                        t.part, t.own_dof));
      }
    }
    if (t.dof > 0) {
      result.figures.push_back(
          figure(t.part + ": tension", t.probability,
                 fmt::format("probability of so much contradiction to the rest by chance (chi2 "
                             "{:.3g}, {:g} degrees of freedom)",
                             t.delta_chi2, t.dof)));
      if (t.probability < rejection_probability &&
          (worst == joint.tensions.size() || t.probability < joint.tensions[worst].probability)) {
        worst = k;
      }
    }
  }
  if (worst < joint.tensions.size()) {
    const Tension& t = joint.tensions[worst];
    reject(result,
           fmt::format("the measurements contradict each other: most of all {} the others (chi2 "
                       "{:.3g} for {:g} degrees of freedom, probability {:.1e}): a parameter that "
                       "they share is not the same, or an uncertainty is too small",
                       t.part, t.delta_chi2, t.dof, t.probability));
  }
}

}  // namespace

JointResult fit_joint(const JointProblem& asked, std::size_t holdout_blocks) {
  if (asked.measurements.empty() && asked.knowledge.empty()) {
    throw ConfigError("joint: no measurements. List some under measurements.");
  }
  const auto job = make_job(asked);
  if (job->free.empty()) {
    throw ConfigError("joint: every parameter is given exactly. Leave one open.");
  }
  FitProblem problem = fit_problem(job);
  if (problem.y.size() < problem.parameters.size()) {
    throw DataError(fmt::format("joint: {} values for {} parameters. Measure more.",
                                problem.y.size(), problem.parameters.size()));
  }
  JointResult joint;
  CalibrationResult& result = joint.result;
  result.kind = "joint";
  std::vector<std::string> equations, methods;
  for (const JointMeasurement& m : asked.measurements) {
    equations.push_back(fmt::format("{}: {} = {}", m.name, m.y_name, m.formula.text()));
  }
  for (const JointKnowledge& k : asked.knowledge) {
    for (std::size_t i = 0; i < k.formulas.size(); ++i) {
      equations.push_back(fmt::format("{}: {} = {}", k.name, k.labels[i], k.formulas[i].text()));
    }
  }
  result.model = fmt::format("{}", fmt::join(equations, "; "));
  result.method =
      "one chi2 of all measurements, results and given values; reweighted where the "
      "scatter depends on the model";
  Fit best = solve(job, problem);
  if (best.status == FitStatus::not_identifiable) {
    best.message = fmt::format("cannot separate {}: {}", list_of(best.entangled),
                               what_would_help(*job, best.entangled));
  }
  std::vector<std::string> meanings;
  for (const std::size_t k : job->free) meanings.push_back(job->problem.parameters[k].meaning);
  const Fit in_own_units = in_units(best, job->scale);
  // Whether the model holds is judged below, by parts.
  Fit unjudged = in_own_units;
  unjudged.covariance_scaled = true;
  adopt(result, unjudged, meanings);
  result.covariance_scaled = false;
  result.chi2_probability = not_known;
  result.points_used = 0;
  for (const Part& part : job->parts) {
    if (part.kind == Part::Kind::measurement) result.points_used += part.count;
  }
  if (best.status != FitStatus::converged) return joint;
  const Whitened w = whiten(problem, best);
  own_fits(*job, w);
  joint.tensions = tensions_of(*job, w);
  Causes causes = causes_of(*job, w, best.covariance);
  bool all_known = true;
  for (const Part& part : job->parts) all_known = all_known && part.known;
  if (all_known) result.chi2_probability = best.chi2_probability();
  const auto n = static_cast<Index>(job->free.size());
  result.covariance_a = causes.a;
  result.covariance_b = causes.b;
  for (Index k = 0; k < n; ++k) {
    set_uncertainty(result.parameters[static_cast<std::size_t>(k)], VectorXd::Unit(n, k), causes);
  }
  judge(joint, *job);
  fits_alone(result, *job);
  for (std::size_t k = 0; k < job->free.size(); ++k) {
    const JointParameter& parameter = job->problem.parameters[job->free[k]];
    if (!parameter.device.empty()) {
      result.device.push_back({parameter.device, parameter.unit, parameter.name, 1});
    }
    if (parameter.given) {
      result.settings[parameter.name + " as given"] =
          fmt::format("{:g} +- {:g} {}", *parameter.given, parameter.u, parameter.unit);
    }
  }
  for (const JointParameter& parameter : job->problem.parameters) {
    if (parameter.given && parameter.u == 0) {
      result.settings[parameter.name] =
          fmt::format("{:g} {} (exactly)", *parameter.given, parameter.unit);
    }
  }
  // Derived parameters join the covariance: gradients of their formulas.
  for (const JointDerived& derived : asked.derived) {
    const BoundFormula bound =
        bound_to(*job, derived.formula, fmt::format("derived {}", derived.name));
    Model model(1, [bound]<class T>(const T* p, std::size_t) -> T {
      return bound.evaluate(p, nullptr, 0);
    });
    const auto count = static_cast<Index>(result.parameters.size());
    VectorXd gradient = VectorXd::Zero(n);
    const VectorXd scaled = model.gradient(best.values, 0);
    for (Index k = 0; k < n; ++k) gradient(k) = scaled(k) / job->scale[static_cast<std::size_t>(k)];
    Estimate e;
    e.name = derived.name;
    e.unit = derived.unit;
    e.meaning = derived.formula.text();
    e.value = model.value(best.values, 0);
    if (!std::isfinite(e.value)) {
      throw ConfigError(fmt::format("derived {}: \"{}\" is no number at the solution. Correct it.",
                                    derived.name, e.meaning));
    }
    set_uncertainty(e, gradient, causes);
    MatrixXd map = MatrixXd::Zero(count + 1, count);
    map.topRows(count).setIdentity();
    map.row(count).head(n) = gradient.transpose();
    result.covariance_a = (map * result.covariance_a * map.transpose()).eval();
    result.covariance_b = (map * result.covariance_b * map.transpose()).eval();
    result.parameters.push_back(e);
    if (!derived.device.empty()) {
      result.device.push_back({derived.device, derived.unit, derived.name, 1});
    }
  }
  describe(result, *job, best);
  result.python = scipy_check(*job, best);
  if (holdout_blocks > 0) {
    result.settings["held-out rms"] = "in standard uncertainties of the prediction";
  }
  if (holdout_blocks > 0) result.hold_out = hold_out(*job, problem, holdout_blocks);
  return joint;
}

CalibrationResult calibrate_joint(const JointProblem& problem, std::size_t holdout_blocks) {
  return fit_joint(problem, holdout_blocks).result;
}

}  // namespace attojoule::calibration
