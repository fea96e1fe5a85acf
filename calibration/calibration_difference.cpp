#include "calibration/calibration_difference.hpp"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

#include "data/lab_units.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

// The device parameters of a result, as a device file would hold them.
CalibratedValues as_device(const CalibratedValues& result) {
  CalibratedValues device = result;
  const auto n = static_cast<Index>(result.device.size());
  MatrixXd map = MatrixXd::Zero(n, static_cast<Index>(result.values.size()));
  device.values.clear();
  for (Index i = 0; i < n; ++i) {
    const DeviceEntry& entry = result.device[static_cast<std::size_t>(i)];
    const std::size_t k = result.find(entry.parameter);
    Estimate e = result.values.at(k);
    e.name = entry.key;
    e.unit = entry.unit;
    e.value *= entry.factor;
    e.u_a *= std::abs(entry.factor);
    e.u_b *= std::abs(entry.factor);
    device.values.push_back(e);
    map(i, static_cast<Index>(k)) = entry.factor;
  }
  device.covariance_a = map * result.covariance_a * map.transpose();
  device.covariance_b = map * result.covariance_b * map.transpose();
  return device;
}

std::string names_of(const CalibratedValues& values) {
  std::string text;
  for (const Estimate& e : values.values) text += (text.empty() ? "" : ", ") + e.name;
  return text.empty() ? "nothing" : text;
}

double unit_factor(const CalibratedValues& a, const CalibratedValues& b, const Estimate& from,
                   const Estimate& to) {
  if (from.unit == to.unit) return 1;
  const auto have = data::parse_lab_unit(from.unit), want = data::parse_lab_unit(to.unit);
  if (!have || !want || !data::same_dimension(*have, *want) || have->is_level()) {
    throw DataError(
        fmt::format("{}: {} is in {}, in {} it is in {} (they cannot be subtracted). "
                    "Compare calibrations of one kind.",
                    b.name, from.name, from.unit, a.name, to.unit));
  }
  return have->factor / want->factor;
}

// Beyond this many degrees of freedom Student's law is the normal one to all digits shown.
constexpr double many = 1e9;

double two_sided(double z, double dof) {
  if (std::isnan(z)) return 1;
  const double at = std::abs(z);
  return dof < many ? 2 * cdf(complement(boost::math::students_t(dof), at))
                    : 2 * cdf(complement(boost::math::normal(), at));
}

// P(larger chi2) of m directions whose variances have `dof` degrees of freedom.
double joint_probability(double chi2, double m, double dof) {
  return dof < many ? cdf(complement(boost::math::fisher_f(m, dof), chi2 / m))
                    : cdf(complement(boost::math::chi_squared(m), chi2));
}

// Welch and Satterthwaite: u of a difference of two independent estimates.
double difference_dof(double u, double u1, double dof1, double u2, double dof2) {
  const double reciprocal = std::pow(u1 / u, 4) / dof1 + std::pow(u2 / u, 4) / dof2;
  return reciprocal > 0 ? 1 / reciprocal : std::numeric_limits<double>::infinity();
}

MatrixXd pick(const MatrixXd& from, const std::vector<std::size_t>& rows, const VectorXd& factor) {
  MatrixXd result(static_cast<Index>(rows.size()), static_cast<Index>(rows.size()));
  for (Index i = 0; i < result.rows(); ++i) {
    for (Index k = 0; k < result.cols(); ++k) {
      result(i, k) = factor(i) * factor(k) *
                     from(static_cast<Index>(rows[static_cast<std::size_t>(i)]),
                          static_cast<Index>(rows[static_cast<std::size_t>(k)]));
    }
  }
  return result;
}

std::string numpy_of(const MatrixXd& m) {
  std::string text = "np.array([";
  for (Index i = 0; i < m.rows(); ++i) {
    std::vector<double> row;
    for (Index k = 0; k < m.cols(); ++k) row.push_back(m(i, k));
    text += fmt::format("{}[{}]", i > 0 ? ", " : "", fmt::join(row, ", "));
  }
  return text + "])";
}

}  // namespace

CalibrationResult compare_calibrations(const CalibratedValues& first,
                                       const CalibratedValues& second,
                                       const DifferenceOptions& options) {
  for (const CalibratedValues* values : {&first, &second}) {
    if (values->verdict != "accepted") {
      throw DataError(fmt::format(
          "{}: the verdict is {} (its values are not to be trusted). Mend that calibration first.",
          values->name, values->verdict));
    }
    if (options.shared_type_b && !values->types_apart) {
      throw DataError(
          fmt::format("{}: a device file holds types A and B in one covariance (common errors "
                      "cannot be taken out). Compare the result.json of both.",
                      values->name));
    }
  }
  const bool mixed = first.is_device() != second.is_device();
  const CalibratedValues a = mixed && !first.is_device() ? as_device(first) : first;
  const CalibratedValues b = mixed && !second.is_device() ? as_device(second) : second;
  std::vector<std::size_t> of_a, of_b;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const std::size_t k = b.find(a.values[i].name);
    if (k == b.values.size()) continue;
    of_a.push_back(i);
    of_b.push_back(k);
  }
  if (of_a.empty()) {
    throw DataError(fmt::format(
        "{}, {}: no calibrated parameter in common ({} has {}; {} has {}). Compare calibrations of "
        "one kind.",
        first.name, second.name, first.name, names_of(a), second.name, names_of(b)));
  }
  const auto n = static_cast<Index>(of_a.size());
  VectorXd ones = VectorXd::Ones(n), factor(n), difference(n), keep(n), dof(n);
  CalibrationResult result;
  result.kind = "diff";
  result.model = "d = b - a, chi2 = d' V^-1 d";
  result.method = options.shared_type_b
                      ? "type B errors common to both, type A independent; Holm's correction"
                      : "both independent; Holm's correction for the number of parameters";
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const Estimate &x = a.values[of_a[k]], &y = b.values[of_b[k]];
    factor(i) = unit_factor(a, b, y, x);
    difference(i) = y.value * factor(i) - x.value;
    keep(i) = options.shared_type_b && x.u_b > 0 ? 1 - y.u_b * factor(i) / x.u_b : 1;
  }
  result.covariance_a = pick(a.covariance_a, of_a, ones) + pick(b.covariance_a, of_b, factor);
  result.covariance_b =
      options.shared_type_b
          ? MatrixXd(keep.asDiagonal() * pick(a.covariance_b, of_a, ones) * keep.asDiagonal())
          : MatrixXd(pick(a.covariance_b, of_a, ones) + pick(b.covariance_b, of_b, factor));
  const MatrixXd v = result.covariance();
  if (!v.allFinite() || !difference.allFinite()) {
    throw DataError(fmt::format("{}, {}: values or covariances that are no numbers. Mend them.",
                                first.name, second.name));
  }
  // chi2 over the directions that vary, of the correlation matrix.
  VectorXd u = v.diagonal().cwiseSqrt();
  std::vector<Index> varying;
  double reciprocal = 0;
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const Estimate &x = a.values[of_a[k]], &y = b.values[of_b[k]];
    dof(i) = std::numeric_limits<double>::infinity();
    if (!(u(i) > 0)) continue;
    dof(i) = difference_dof(u(i), x.combined(), x.dof, y.combined() * factor(i), y.dof);
    reciprocal += 1 / dof(i);
    varying.push_back(i);
  }
  // All together: to first order chi2 grows with the mean of 1 / dof.
  const double joint_dof = reciprocal > 0 ? static_cast<double>(varying.size()) / reciprocal
                                          : std::numeric_limits<double>::infinity();
  const auto m = static_cast<Index>(varying.size());
  MatrixXd correlation(m, m);
  VectorXd z(m);
  for (Index i = 0; i < m; ++i) {
    const Index at = varying[static_cast<std::size_t>(i)];
    z(i) = difference(at) / u(at);
    for (Index k = 0; k < m; ++k) {
      const Index other = varying[static_cast<std::size_t>(k)];
      correlation(i, k) = v(at, other) / (u(at) * u(other));
    }
  }
  result.chi2 = 0;
  result.dof = 0;
  if (m > 0) {
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(correlation);
    for (Index i = 0; i < m; ++i) {
      // Rounding of parameters that depend on each other exactly.
      if (eigen.eigenvalues()(i) < 1e-9) continue;
      result.chi2 += std::pow(eigen.eigenvectors().col(i).dot(z), 2) / eigen.eigenvalues()(i);
      result.dof += 1;
    }
    result.chi2_probability = joint_probability(result.chi2, result.dof, joint_dof);
  }
  PlotSeries points{"b - a", {}, {}, {}, PlotSeries::Kind::points};
  std::vector<std::pair<double, Index>> by_probability;
  std::vector<std::string> rows;
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const Estimate &x = a.values[of_a[k]], &y = b.values[of_b[k]];
    Estimate d;
    d.name = x.name;
    d.unit = x.unit;
    d.value = difference(i);
    d.u_a = std::sqrt(std::max(0.0, result.covariance_a(i, i)));
    d.u_b = std::sqrt(std::max(0.0, result.covariance_b(i, i)));
    d.meaning = fmt::format("{:.8g} - {:.8g}", y.value * factor(i), x.value);
    // `dof` is that of u, set_interval() asks for that of its type A part.
    set_interval(d, d.u_a > 0 ? dof(i) * std::pow(d.u_a / d.combined(), 4) : dof(i));
    result.parameters.push_back(d);
    double score = not_known;
    if (u(i) > 0) score = difference(i) / u(i);
    by_probability.emplace_back(
        u(i) > 0 ? two_sided(score, dof(i)) : (difference(i) != 0 ? 0.0 : 1.0), i);
    points.x.push_back(static_cast<double>(i + 1));
    points.y.push_back(score);
    points.error.push_back(1);
    rows.push_back(x.name);
    ResidualRow row;
    row.place = x.name;
    row.x = static_cast<double>(i + 1);
    row.y = y.value * factor(i);
    row.model = x.value;
    row.sigma = u(i);
    row.standardised = score;
    result.residuals.push_back(row);
  }
  std::sort(by_probability.begin(), by_probability.end());
  double least = 0;
  std::vector<double> adjusted(of_a.size(), 1);
  for (std::size_t rank = 0; rank < by_probability.size(); ++rank) {
    const auto [p, i] = by_probability[rank];
    least = std::max(least, std::min(1.0, p * static_cast<double>(by_probability.size() - rank)));
    adjusted[static_cast<std::size_t>(i)] = least;
  }
  std::vector<std::string> moved;
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    Estimate figure;
    figure.unit = "1";
    figure.name = result.parameters[k].name + ": p";
    figure.value = adjusted[k];
    figure.meaning =
        u(i) > 0 ? fmt::format(
                       "probability of so large a difference by chance, corrected for {} "
                       "parameters; {:.2f} standard uncertainties{}",
                       n, difference(i) / u(i),
                       dof(i) < many ? fmt::format(" of {:.3g} degrees of freedom", dof(i)) : "")
                 : "neither calibration gives an uncertainty";
    result.figures.push_back(figure);
    if (adjusted[k] >= options.level) continue;
    moved.push_back(result.parameters[k].name);
    reject(result,
           fmt::format("{} moved by {:.4g} {}{}", moved.back(), difference(i),
                       result.parameters[k].unit,
                       u(i) > 0 ? fmt::format(" ({:.1f} standard uncertainties, p = {:.2g})",
                                              difference(i) / u(i), adjusted[k])
                                : " (no uncertainty is given)"));
  }
  if (moved.empty() && result.dof > 0 && result.chi2_probability < options.level) {
    reject(result, fmt::format("the parameters moved together (chi2 {:.3g} for {:g} of them, "
                               "probability {:.1e}), no single one beyond doubt",
                               result.chi2, result.dof, result.chi2_probability));
  }
  result.points_used = of_a.size();
  // The power of the test: what it would have found.
  const boost::math::normal law;
  const double tail = options.level / (2 * static_cast<double>(n));
  const double threshold = joint_dof < many
                               ? quantile(complement(boost::math::students_t(joint_dof), tail))
                               : quantile(complement(law, tail));
  result.identifiability = fmt::format(
      "{} at the level {:g}. A parameter moved by {:.1f} standard uncertainties of the difference "
      "is found with 90 % probability.",
      result.verdict == Verdict::accepted ? "No difference" : "Different", options.level,
      threshold + boost::math::quantile(law, 0.9));
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (b.find(a.values[i].name) == b.values.size()) {
      result.warnings.push_back(fmt::format("{} is in {} alone", a.values[i].name, first.name));
    }
  }
  for (const Estimate& e : b.values) {
    if (a.find(e.name) == a.values.size()) {
      result.warnings.push_back(fmt::format("{} is in {} alone", e.name, second.name));
    }
  }
  result.inputs = {first.input, second.input};
  result.plots.push_back(
      {"Differences", "", "difference, standard uncertainties", false, false, {points}, rows});
  std::vector<double> values(difference.data(), difference.data() + n), dofs;
  for (const double d : dof) dofs.push_back(std::min(d, many));
  result.python = fmt::format(
      "import numpy as np\nfrom scipy.stats import f, t\nd = np.array([{}])\nV = {}\n"
      "nu = np.array([{}])\n"
      "u = np.sqrt(np.diag(V))\nuse = u > 0\nz = d[use] / u[use]\nR = V[np.ix_(use, use)] / "
      "np.outer(u[use], u[use])\nstatistic = z @ np.linalg.pinv(R, 1e-9, hermitian=True) @ z\n"
      "dof = np.linalg.matrix_rank(R, 1e-9, hermitian=True)\n"
      "p = f.sf(statistic / dof, dof, 1 / np.mean(1 / nu[use]))\n"
      "print('chi2', statistic, 'dof', dof, 'p', p)\n"
      "for name, x, own in zip('{}'.split(), z, nu[use]):\n"
      "    print(name, x, 2 * t.sf(abs(x), own))\n",
      fmt::join(values, ", "), numpy_of(v), fmt::join(dofs, ", "), [&] {
        std::string text;
        for (const Index i : varying) {
          text += result.parameters[static_cast<std::size_t>(i)].name + " ";
        }
        return text;
      }());
  return result;
}

}  // namespace attojoule::calibration
