#include "calibration/add_drop_ring.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <numbers>

#include "photonics/constants.hpp"

namespace attojoule::calibration {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

// Places of the combined parameters.
enum At : std::size_t { width, frequency, least, baseline, fsr, background, peak, slope };

struct Couplers {
  double amplitude = 0, first = 0, second = 0;
};

// a, r_1 and r_2 of the under-coupled or the over-coupled solution.
Couplers couplers_of(const std::vector<double>& p, bool over) {
  const double product = amplitude_product(p[width], p[fsr]);
  const double difference = std::sqrt(std::max(p[least], 0.0)) * (1 - product);
  const double larger = 0.5 * (difference + std::sqrt(difference * difference + 4 * product));
  const double first = over ? product / larger : larger, rest = product / first;  // r_2 a
  // D = (1 - r_1^2)(1 - r_2^2) a / (1 - p)^2 with a = rest / r_2: a quadratic equation for r_2.
  const double k = p[peak] / p[baseline] * std::pow(1 - product, 2) / (1 - first * first);
  const double second = (std::sqrt(k * k + 4 * rest * rest) - k) / (2 * rest);
  return {rest / second, first, second};
}

void take_over(CalibrationResult& result, const CalibrationResult& port, const std::string& name) {
  const auto of_port = [&](const std::string& text) {
    return fmt::format("{} port: {}", name, text);
  };
  for (const std::string& warning : port.warnings) result.warnings.push_back(of_port(warning));
  for (const std::string& reason : port.reasons) result.reasons.push_back(of_port(reason));
  result.verdict = std::max(result.verdict, port.verdict);
  result.rejected.insert(result.rejected.end(), port.rejected.begin(), port.rejected.end());
  result.residuals.insert(result.residuals.end(), port.residuals.begin(), port.residuals.end());
  for (Plot plot : port.plots) {
    plot.title = fmt::format("{}, {} port", plot.title, name);
    result.plots.push_back(plot);
  }
  result.alternatives.emplace_back(name + " port alone", port.parameters);
}

std::string list_of(const VectorXd& v) {
  return fmt::format("[{}]", fmt::join(v.data(), v.data() + v.size(), ", "));
}

std::string list_of(const MatrixXd& m) {
  std::string text;
  for (Index i = 0; i < m.rows(); ++i) {
    text += (i > 0 ? ", " : "") + list_of(VectorXd(m.row(i)));
  }
  return "[" + text + "]";
}

}  // namespace

CalibrationResult calibrate_add_drop(const AddDropData& data, std::size_t holdout_blocks) {
  ResonatorData one;
  one.curve = data.through;
  one.fsr_hz = data.fsr_hz;
  ResonatorData other = one;
  other.curve = data.drop;
  other.drop_port = true;
  const CalibrationResult through = calibrate_resonator(one, holdout_blocks);
  const CalibrationResult drop = calibrate_resonator(other, holdout_blocks);
  CalibrationResult result;
  result.kind = "ring";
  result.method = through.method + "; both ports, combined by generalised least squares";
  result.model =
      "through = P0 (M + X) / (1 + X), drop = P0 D / (1 + X), X = sin^2(pi (f - f0) / FSR) / "
      "sin^2(pi w / (2 FSR))";
  take_over(result, through, "through");
  take_over(result, drop, "drop");
  result.points_used = through.points_used + drop.points_used;
  if (result.verdict == Verdict::no_convergence || result.verdict == Verdict::not_identifiable) {
    result.identifiability =
        through.verdict == result.verdict ? through.identifiability : drop.identifiability;
    return result;
  }
  const auto has = [](const CalibrationResult& port, const char* name) {
    return std::any_of(port.parameters.begin(), port.parameters.end(),
                       [&](const Estimate& e) { return e.name == name; });
  };
  if (!has(through, "fsr") || !has(drop, "fsr")) {
    not_identifiable(
        result,
        "cannot separate round-trip amplitude and couplings: one resonance has no free "
        "spectral range; sweep over several, or pass --fsr");
    return result;
  }
  if (has(through, "fsr_slope") != has(drop, "fsr_slope")) {
    reject(result,
           "one port's resonances disperse and the other's do not: narrow --range for both");
    return result;
  }
  // Columns: what each port's parameters are in the combined ones. In units of the through port's
  // values, frequencies from its resonance on.
  std::vector<Parameter> parameters{{.name = "linewidth", .unit = "Hz"},
                                    {.name = "frequency", .unit = "Hz"},
                                    {.name = "minimum_transmission"},
                                    {.name = "baseline", .unit = data.through.y_unit},
                                    {.name = "fsr", .unit = "Hz"},
                                    {.name = "background"},
                                    {.name = "peak", .unit = data.drop.y_unit}};
  if (has(through, "fsr_slope")) parameters.push_back({.name = "fsr_slope"});
  const auto count = static_cast<Index>(parameters.size());
  const double f0 = through.parameter("frequency").value;
  const double range = through.parameter("fsr").value;
  const double w0 = through.parameter("linewidth").value;
  const auto unit_of = [&](const std::string& name) {
    if (name == "linewidth" || name == "frequency" || name == "fsr") return w0;
    if (name == "baseline") return through.parameter("baseline").value;
    if (name == "peak") return drop.parameter("peak").value;
    return 1.0;
  };
  const bool fixed_range = !(through.parameter("fsr").u_a > 0);
  MatrixXd normal = MatrixXd::Zero(count, count);
  VectorXd right = VectorXd::Zero(count);
  struct Port {
    MatrixXd design, weight;
    VectorXd value;
  };
  std::vector<Port> ports;
  for (const CalibrationResult* port : {&through, &drop}) {
    std::vector<std::pair<std::size_t, std::size_t>> shared;  // theirs, ours
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      if (parameters[k].name == "fsr" && fixed_range) continue;
      for (std::size_t i = 0; i < port->parameters.size(); ++i) {
        if (port->parameters[i].name == parameters[k].name) shared.emplace_back(i, k);
      }
    }
    const auto m = static_cast<Index>(shared.size());
    Port equations{MatrixXd::Zero(m, count), MatrixXd(m, m), VectorXd(m)};
    for (Index i = 0; i < m; ++i) {
      const auto [theirs, ours] = shared[static_cast<std::size_t>(i)];
      const Estimate& e = port->parameters[theirs];
      double value = e.value;
      if (e.name == "frequency") {
        // Ports may name different resonances.
        value -= f0;
        value -= std::round(value / range) * range;
      }
      equations.value(i) = value / unit_of(e.name);
      equations.design(i, static_cast<Index>(ours)) = 1;
      for (Index j = 0; j < m; ++j) {
        const auto others = shared[static_cast<std::size_t>(j)].first;
        equations.weight(i, j) =
            port->covariance_a(static_cast<Index>(theirs), static_cast<Index>(others)) /
            (unit_of(e.name) * unit_of(port->parameters[others].name));
      }
    }
    equations.weight = equations.weight.ldlt().solve(MatrixXd::Identity(m, m)).eval();
    normal += equations.design.transpose() * equations.weight * equations.design;
    right += equations.design.transpose() * equations.weight * equations.value;
    ports.push_back(equations);
  }
  if (fixed_range) {
    normal(fsr, fsr) = 1;
    right(fsr) = range / w0;
  }
  const Eigen::LDLT<MatrixXd> solver(normal);
  const VectorXd solution = solver.solve(right);
  MatrixXd covariance = solver.solve(MatrixXd::Identity(count, count));
  double contradiction = 0;
  Index equations = 0;
  for (const Port& port : ports) {
    const VectorXd off = port.value - port.design * solution;
    contradiction += off.dot(port.weight * off);
    equations += off.size();
  }
  const auto shared = static_cast<double>(equations - (fixed_range ? count - 1 : count));
  Fit fit;
  fit.status = FitStatus::converged;
  fit.parameters = parameters;
  if (fixed_range) {
    covariance.row(fsr).setZero();
    covariance.col(fsr).setZero();
  }
  fit.covariance = covariance;
  fit.covariance_scaled = through.covariance_scaled;
  fit.chi2 = through.chi2 + drop.chi2 + (fit.covariance_scaled ? 0 : contradiction);
  fit.dof = through.dof + drop.dof + (fit.covariance_scaled ? 0 : shared);
  std::vector<double> factors;
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    fit.values.push_back(solution(static_cast<Index>(k)));
    factors.push_back(unit_of(parameters[k].name));
  }
  fit = in_units(fit, factors);
  fit.values[frequency] += f0;
  fit.condition = through.condition;
  const std::size_t points = result.points_used;
  adopt(result, fit,
        {"full width at half depth", "of the through port's resonance",
         "least over baseline, through", "far from the resonance, through",
         fixed_range ? "free spectral range, given" : "free spectral range",
         "far from the resonance over the peak, drop", "at the resonance, drop",
         "relative change of the FSR from one resonance to the next higher one"});
  result.points_used = points;
  result.identifiability =
      "Width over FSR, dip and peak give round-trip amplitude and both couplers.";
  const double chance =
      boost::math::cdf(boost::math::complement(boost::math::chi_squared(shared), contradiction));
  if (chance < rejection_probability) {
    reject(result, fmt::format("the two ports disagree in width, frequency or FSR (chi2 {:.3g} for "
                               "{:g} of them, probability {:.1e}): the ring drifted between the "
                               "sweeps, or they are not of one ring",
                               contradiction, shared, chance));
  }
  if (data.ratio_uncertainty_db > 0) {
    std::vector<double> change(result.parameters.size(), 0);
    change[peak] = result.parameters[peak].value * std::log(10) / 10 * data.ratio_uncertainty_db;
    add_type_b(result, change,
               fmt::format("losses behind the two ports {:g} dB", data.ratio_uncertainty_db));
  }
  append_derived(result, "q", "1", "loaded quality factor",
                 [](const std::vector<double>& p) { return p[frequency] / p[width]; });
  append_derived(result, "finesse", "1", "FSR over linewidth",
                 [](const std::vector<double>& p) { return p[fsr] / p[width]; });
  const Estimate energy = derived(result, "energy", "1", "", [](const std::vector<double>& p) {
    return p[least] + p[peak] / p[baseline];
  });
  check_bound(
      result, energy, 1, true,
      "energy conservation: both ports together give more than goes in; their losses differ "
      "(--port-ratio-uncertainty)");
  if (data.coupling == Coupling::unknown) {
    for (const bool over : {false, true}) {
      result.figures.push_back(
          derived(result, over ? "round_trip_amplitude_if_over" : "round_trip_amplitude_if_under",
                  "1", over ? "if over-coupled (r2 a > r1)" : "if under-coupled (r2 a < r1)",
                  [over](const std::vector<double>& p) { return couplers_of(p, over).amplitude; }));
    }
    result.identifiability +=
        " The dip does not tell an under-coupled ring (r2 a < r1) from an over-coupled one: both "
        "values of a stand among the figures, and no couplers are given (--coupling under or "
        "over).";
    return result;
  }
  const bool is_over = data.coupling == Coupling::over;
  append_derived(result, "round_trip_amplitude", "1", "a of the ring's guide",
                 [=](const std::vector<double>& p) { return couplers_of(p, is_over).amplitude; });
  check_bound(result, result.parameters.back(), 1, true, "a guide does not amplify");
  append_derived(result, "self_coupling", "1", "r of the through port's coupler",
                 [=](const std::vector<double>& p) { return couplers_of(p, is_over).first; });
  append_derived(result, "second_self_coupling", "1", "r of the drop port's coupler",
                 [=](const std::vector<double>& p) { return couplers_of(p, is_over).second; });
  if (data.circumference_cm) {
    const double length = *data.circumference_cm;
    append_derived(result, "propagation_loss", "dB/cm", "of the ring's waveguide",
                   [=](const std::vector<double>& p) {
                     return -20 * std::log10(couplers_of(p, is_over).amplitude) / length;
                   });
    if (data.path_length_cm) {
      result.device.push_back(
          {"link.propagation_loss", "dB", "propagation_loss", *data.path_length_cm});
    }
  }
  // The combination once more; what each port gave is taken as it is.
  VectorXd unit(count);
  for (Index k = 0; k < count; ++k) unit(k) = factors[static_cast<std::size_t>(k)];
  std::string names;
  for (const Parameter& parameter : parameters) names += parameter.name + " ";
  result.python = fmt::format(
      "import numpy as np\n# What each port's fit gave, in the units below: values x, inverse "
      "covariance W, and which of them is what (H)\nunit = np.array({})\nshift = np.array({})\nH = "
      "[np.array({}), np.array({})]\nW = [np.array({}), np.array({})]\nx = [np.array({}), "
      "np.array({})]\nN = sum(h.T @ w @ h for h, w in zip(H, W))\nfree = np.diag(N) > 0\np = "
      "shift.copy()\nb = sum(h.T @ w @ v for h, w, v in zip(H, W, x))\nC = "
      "np.linalg.inv(N[np.ix_(free, free)])\np[free] += (C @ b[free]) * unit[free]\nu = "
      "np.zeros(len(p))\nu[free] = np.sqrt(np.diag(C)) * unit[free]\nfor n, v, s in "
      "zip('{}'.split(), p, u):\n    print(n, repr(float(v)), repr(float(s)))\n",
      list_of(unit),
      [&] {
        VectorXd shift = VectorXd::Zero(count);
        shift(frequency) = f0;
        if (fixed_range) shift(fsr) = range;
        return list_of(shift);
      }(),
      list_of(ports[0].design), list_of(ports[1].design), list_of(ports[0].weight),
      list_of(ports[1].weight), list_of(ports[0].value), list_of(ports[1].value), names);
  return result;
}

}  // namespace attojoule::calibration
