#include "calibration/device_validation.hpp"

#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using Eigen::Index;

struct Shift {
  std::string label;
  double value = 0, u = not_known, device = 0;
};

// The shift of each of the device's values that the measurement asks for.
std::vector<Shift> shifts_of(const JointProblem& problem) {
  std::vector<Shift> shifts;
  const JointKnowledge& device = problem.knowledge.front();
  for (std::size_t k = 0; k < device.labels.size(); ++k) {
    JointProblem shifted = problem;
    JointParameter shift;
    shift.name = "shift_of_" + device.labels[k];
    shift.start = 0;
    shifted.parameters.push_back(shift);
    auto& formula = shifted.knowledge.front().formulas[k];
    const double at = device.values(static_cast<Index>(k));
    // In units of the value: a shift of order one has a scale of its own.
    const double scale = at != 0 ? std::abs(at) : 1;
    formula = Expression::parse(fmt::format("own_ + {:.17g} * shift_", scale), "shift")
                  .substituted({{"own_", formula}, {"shift_", Expression::name(shift.name)}});
    const JointResult joint = fit_joint(shifted);
    if (joint.result.verdict == Verdict::not_identifiable ||
        joint.result.verdict == Verdict::no_convergence) {
      continue;
    }
    const Estimate& e = joint.result.parameter(shift.name);
    // Knowledge = own value + shift: the measurement's value is that much lower.
    shifts.push_back({device.labels[k], -scale * e.value, scale * e.combined(), at});
  }
  return shifts;
}

// The measurement as the device's values predict it, what it says nothing of fitted.
void predict(CalibrationResult& result, const JointProblem& problem) {
  const JointMeasurement& m = problem.measurements.front();
  const JointKnowledge& device = problem.knowledge.front();
  JointProblem fixed = problem;
  fixed.knowledge.clear();
  bool free = false;
  std::vector<JointParameter> kept;
  for (JointParameter& parameter : fixed.parameters) {
    if (!m.formula.uses(parameter.name)) continue;
    for (std::size_t k = 0; k < device.formulas.size(); ++k) {
      // Knowledge of a formula does not fix one of its parameters.
      if (device.formulas[k].text() != parameter.name) continue;
      parameter.given = device.values(static_cast<Index>(k));
      parameter.u = 0;
    }
    if (!parameter.given || parameter.u > 0) free = true;
    kept.push_back(parameter);
  }
  fixed.parameters = kept;
  std::vector<std::pair<std::string, double>> values;
  std::vector<double> own_sigma;
  if (free) {
    const CalibrationResult fitted = calibrate_joint(fixed);
    if (fitted.verdict == Verdict::not_identifiable || fitted.verdict == Verdict::no_convergence) {
      result.warnings.push_back("no prediction at the device's values: " + fitted.identifiability);
      return;
    }
    for (const Estimate& e : fitted.parameters) values.emplace_back(e.name, e.value);
  }
  for (const JointParameter& parameter : fixed.parameters) {
    if (parameter.given) values.emplace_back(parameter.name, *parameter.given);
  }
  const auto value_of = [&](const std::string& name, std::size_t row) {
    for (const auto& [symbol, column] : m.columns) {
      if (symbol == name) return column[row];
    }
    for (const auto& [own, value] : values) {
      if (own == name) return value;
    }
    throw RunError("validate: no value of " + name);
  };
  HoldOut held;
  double chi2 = 0;
  std::size_t inside = 0;
  PlotSeries measured{"measured", {}, {}, {}, PlotSeries::Kind::points};
  PlotSeries line{"predicted", {}, {}, {}, PlotSeries::Kind::line};
  PlotSeries low{"95 %", {}, {}, {}, PlotSeries::Kind::line};
  PlotSeries high{"95 %", {}, {}, {}, PlotSeries::Kind::line};
  PlotSeries off{"off", {}, {}, {}, PlotSeries::Kind::points};
  std::vector<std::size_t> order(m.y.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (!m.columns.empty()) {
    const auto& x = m.columns.front().second;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  }
  const Eigen::MatrixXd covariance = device.covariance_a + device.covariance_b;
  const auto derivative = [&](const std::string& by, std::size_t i) {
    std::vector<Dual> dual;
    for (const std::string& name : m.formula.names()) {
      const double v = value_of(name, i);
      dual.push_back(name == by ? Dual(v, 0) : Dual(v));
    }
    return m.formula.evaluate(dual.data()).d[0];
  };
  // What was fitted to these very points follows them: it takes up a part of their scatter and of
  // the device's error. With G, J the derivatives by the device's and the fitted values and M = 1 -
  // J (J'WJ)^-1 J'W, the residuals vary by M (V + G C G') M'.
  const auto n_points = static_cast<Index>(m.y.size());
  Eigen::MatrixXd by_device = Eigen::MatrixXd::Zero(n_points, covariance.rows());
  std::vector<std::string> fitted_names;
  for (const auto& [name, value] : values) {
    const bool given = std::any_of(fixed.parameters.begin(), fixed.parameters.end(),
                                   [&, own = name](const JointParameter& parameter) {
                                     return parameter.name == own && parameter.given;
                                   });
    if (!given && m.formula.uses(name)) fitted_names.push_back(name);
  }
  Eigen::MatrixXd by_fitted(n_points, static_cast<Index>(fitted_names.size()));
  Eigen::VectorXd sigma(n_points), model(n_points);
  for (std::size_t i = 0; i < m.y.size(); ++i) {
    const auto row = static_cast<Index>(i);
    model(row) = m.formula.evaluate([&](const std::string& name) { return value_of(name, i); });
    sigma(row) = result.residuals[i].sigma;
    if (m.known() && !m.nu.empty()) sigma(row) = std::abs(model(row)) * std::sqrt(2 / m.nu[i]);
    for (std::size_t k = 0; k < device.formulas.size(); ++k) {
      const std::string key = device.formulas[k].text();
      if (m.formula.uses(key)) by_device(row, static_cast<Index>(k)) = derivative(key, i);
    }
    for (std::size_t k = 0; k < fitted_names.size(); ++k) {
      by_fitted(row, static_cast<Index>(k)) = derivative(fitted_names[k], i);
    }
  }
  const Eigen::VectorXd weight = sigma.cwiseInverse();
  Eigen::MatrixXd left = by_device;  // M G
  Eigen::VectorXd leverage = Eigen::VectorXd::Zero(n_points);
  if (!fitted_names.empty()) {
    // An orthonormal basis of the weighted columns: W^(1/2) J = Q R.
    const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(weight.asDiagonal() * by_fitted);
    const Eigen::MatrixXd basis =
        qr.householderQ() * Eigen::MatrixXd::Identity(n_points, qr.rank());
    const Eigen::MatrixXd weighted = weight.asDiagonal() * by_device;
    left = sigma.asDiagonal() * (weighted - basis * (basis.transpose() * weighted));
    leverage = basis.rowwise().squaredNorm();
  }
  for (const std::size_t i : order) {
    const auto row = static_cast<Index>(i);
    const double model_i = model(row);
    const double error = std::sqrt(sigma(row) * sigma(row) * std::max(1 - leverage(row), 1e-12) +
                                   left.row(row).dot(covariance * left.row(row).transpose()));
    held.prediction.push_back(model_i);
    held.error.push_back(error);
    const double z = (m.y[i] - model_i) / error;
    chi2 += z * z;
    if (std::abs(z) < 1.959964) ++inside;
    ++held.points;
    held.rms += std::pow(m.y[i] - model_i, 2);
    const double x = m.columns.empty() ? static_cast<double>(i) : m.columns.front().second[i];
    measured.x.push_back(x);
    measured.y.push_back(m.y[i]);
    line.x.push_back(x);
    line.y.push_back(model_i);
    low.x.push_back(x);
    low.y.push_back(model_i - 1.959964 * error);
    high.x.push_back(x);
    high.y.push_back(model_i + 1.959964 * error);
    off.x.push_back(x);
    off.y.push_back(z);
  }
  const auto n = static_cast<double>(held.points);
  held.rms = std::sqrt(held.rms / n);
  held.chi2_per_point = chi2 / n;
  held.coverage95 = static_cast<double>(inside) / n;
  held.how = "each predicted at the device's values";
  result.hold_out = held;
  const std::string x_label =
      m.columns.empty() ? "point" : fmt::format("{} [{}]", m.columns.front().first, m.x_unit);
  const bool decades = m.kind == "response";
  result.plots.insert(
      result.plots.begin(),
      {{"Prediction of the device",
        x_label,
        fmt::format("{} [{}]", m.y_name, m.y_unit),
        decades,
        false,
        {measured, line, low, high}},
       {"Measured less predicted", x_label, "standard uncertainties", decades, false, {off}}});
}

}  // namespace

CalibrationResult validate_device(const JointProblem& problem, double level) {
  if (problem.measurements.size() != 1 || problem.knowledge.size() != 1) {
    throw ConfigError("validate: one measurement and one device are compared. Give both.");
  }
  const JointResult joint = fit_joint(problem);
  CalibrationResult result = joint.result;
  result.kind = "validate";
  result.method = "the device's values with their covariance, and the measurement, in one chi2";
  if (result.verdict == Verdict::not_identifiable || result.verdict == Verdict::no_convergence) {
    return result;
  }
  // Judged anew, in words of a validation.
  result.verdict = Verdict::accepted;
  result.reasons.clear();
  result.figures.clear();
  const Tension& measurement = joint.tensions.front();
  const Tension& device = joint.tensions[1];
  const auto figure = [&](const std::string& name, double value, const std::string& meaning) {
    Estimate e;
    e.name = name;
    e.unit = "1";
    e.value = value;
    e.meaning = meaning;
    result.figures.push_back(e);
  };
  if (!(device.dof > 0)) {
    not_identifiable(result,
                     "the measurement determines nothing that the device says (what is "
                     "fitted beside it explains everything); measure something else");
    return result;
  }
  figure("device test", device.probability,
         fmt::format("probability of so large a deviation of the device by chance (chi2 {:.3g}, "
                     "{:g} degrees of freedom)",
                     device.delta_chi2, device.dof));
  if (std::isfinite(measurement.own_probability)) {
    figure("model test", measurement.own_probability,
           fmt::format("of the measurement about its own fit (chi2/dof {:.3g}, {:g} degrees of "
                       "freedom)",
                       measurement.own_chi2 / measurement.own_dof, measurement.own_dof));
  }
  predict(result, problem);
  std::vector<Shift> shifts = shifts_of(problem);
  PlotSeries asked{"asked for", {}, {}, {}, PlotSeries::Kind::points};
  std::vector<std::string> rows;
  const Shift* worst = nullptr;
  for (std::size_t k = 0; k < shifts.size(); ++k) {
    const Shift& s = shifts[k];
    Estimate e;
    e.name = s.label + ": shift";
    e.unit = "1";
    for (const JointParameter& parameter : problem.parameters) {
      if (parameter.name == s.label) e.unit = parameter.unit;
    }
    e.value = s.value;
    e.u_a = s.u;
    e.meaning = fmt::format(
        "that the measurement asks for ({:.1f} standard uncertainties), the "
        "other parameters as calibrated; the device says {:.6g}",
        s.value / s.u, s.device);
    set_interval(e, std::numeric_limits<double>::infinity());
    result.figures.push_back(e);
    asked.x.push_back(static_cast<double>(k + 1));
    asked.y.push_back(s.value / s.u);
    asked.error.push_back(1);
    rows.push_back(s.label);
    if (worst == nullptr || std::abs(s.value / s.u) > std::abs(worst->value / worst->u)) {
      worst = &s;
    }
  }
  if (!shifts.empty()) {
    result.plots.push_back({"Shifts that the measurement asks for",
                            "",
                            "standard uncertainties",
                            false,
                            false,
                            {asked},
                            rows});
  }
  if (device.probability < level) {
    std::string text = fmt::format(
        "the device does not predict the measurement (chi2 {:.3g} for {:g} degrees of freedom, "
        "probability {:.1e})",
        device.delta_chi2, device.dof, device.probability);
    if (worst != nullptr) {
      text += fmt::format(
          "; most of all {}: the device says {:.5g}, the measurement asks for "
          "{:.5g} ({:.1f} standard uncertainties)",
          worst->label, worst->device, worst->device + worst->value,
          std::abs(worst->value / worst->u));
    }
    reject(result, text);
  }
  if (measurement.own_probability < level) {
    reject(result, fmt::format("the model does not describe the measurement, whatever the "
                               "device's parameters (chi2/dof {:.3g}, {:g} degrees of freedom)",
                               measurement.own_chi2 / measurement.own_dof, measurement.own_dof));
  }
  return result;
}

}  // namespace attojoule::calibration
