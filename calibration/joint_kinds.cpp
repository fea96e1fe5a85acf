#include "calibration/joint_kinds.hpp"

#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "calibration/curve.hpp"
#include "data/lab_units.hpp"
#include "photonics/constants.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using Known = std::map<std::string, double>;
using std::numbers::pi;

double or_else(const Known& known, const std::string& name, double otherwise) {
  const auto found = known.find(name);
  return found == known.end() ? otherwise : found->second;
}

const std::vector<double>& abscissa(const JointMeasurement& m) {
  return m.columns.front().second;
}

// Least squares of y over 1, x, x^2 ...; rows divided by `weight` where there is one.
Eigen::VectorXd polynomial(const std::vector<double>& x, const std::vector<double>& y, int degree,
                           bool relative) {
  const auto n = static_cast<Eigen::Index>(y.size());
  Eigen::MatrixXd rows(n, degree + 1);
  Eigen::VectorXd right(n);
  const double scale = largest_magnitude(x);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const double weight = relative && y[k] > 0 ? 1 / y[k] : 1;
    for (int d = 0; d <= degree; ++d) rows(i, d) = weight * std::pow(x[k] / scale, d);
    right(i) = weight * y[k];
  }
  Eigen::VectorXd p = rows.colPivHouseholderQr().solve(right);
  for (int d = 0; d <= degree; ++d) p(d) /= std::pow(scale, d);
  return p;
}

// Amperes of photocurrent per unit of the abscissa, as far as it is known.
double current_per_power(const Known& known) {
  return or_else(known, "responsivity", 1) * or_else(known, "power_scale", 1) *
         std::pow(10, -or_else(known, "coupling_loss", 0) / 10);
}

Known responsivity_starts(const JointMeasurement& m, const Known& known) {
  const auto p = polynomial(abscissa(m), m.y, 1, false);
  Known without = known;
  without.erase("responsivity");
  return {{"dark_current", p(0)},
          {"responsivity", p(1) / current_per_power(without)},
          {"inverse_saturation_current", 0}};
}

Known monitor_starts(const JointMeasurement& m, const Known& known) {
  const auto p = polynomial(abscissa(m), m.y, 1, false);
  const double z = or_else(known, "transresistance", 0);
  if (z != 0 && known.count("responsivity") == 0) {
    return {{"offset", p(0)}, {"responsivity", p(1) / (z * current_per_power(known))}};
  }
  return {
      {"offset", p(0)}, {"transresistance", p(1) / current_per_power(known)}, {"responsivity", 1}};
}

enum class Light { power, current, monitor };

Known noise_starts(const JointMeasurement& m, const Known& known, Light light) {
  const auto& x = abscissa(m);
  Known starts;
  double per_unit = 1;
  if (light == Light::power) per_unit = current_per_power(known);
  if (light == Light::monitor) {
    const auto least = std::min_element(x.begin(), x.end());
    starts["monitor_offset"] = *least;
    per_unit = 1 / or_else(known, "monitor_resistance", or_else(known, "transresistance", 1));
  }
  const auto p = polynomial(x, m.y, m.y.size() > 3 ? 2 : 1, true);
  double slope = p(1);
  if (!(slope > 0)) slope = std::abs(polynomial(x, m.y, 1, false)(1));
  const double floor = p(0) > 0 ? p(0) : *std::min_element(m.y.begin(), m.y.end());
  // b = B Z^2 2 q di/dx
  const double product = slope / (2 * photonics::constants::elementary_charge_c * per_unit);
  const double z = or_else(known, "transresistance", 0);
  const double bandwidth = or_else(known, "noise_bandwidth", 0);
  double gain = product;
  if (bandwidth > 0 && z == 0) {
    starts["transresistance"] = std::sqrt(product / bandwidth);
  } else if (bandwidth > 0) {
    gain = bandwidth * z * z;
  } else {
    starts["transresistance"] = std::sqrt(product);
    starts["noise_bandwidth"] = z == 0 ? 1 : product / (z * z);
  }
  starts["input_noise"] = std::sqrt(std::max(floor, 1e-6 * largest_magnitude(m.y)) / gain);
  starts["excess_noise"] = p.size() > 2 ? std::max(0.0, p(2) / (gain * per_unit * per_unit)) : 0;
  starts["responsivity"] = 1;
  return starts;
}

Known response_starts(const JointMeasurement& m, const Known&) {
  const auto& f = abscissa(m);
  std::vector<std::size_t> order(f.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return f[a] < f[b]; });
  const double level = m.y[order.front()];
  double corner = f[order.back()];
  for (const std::size_t i : order) {
    if (m.y[i] >= level - 3) continue;
    corner = f[i];
    break;
  }
  return {{"level", level}, {"bandwidth", corner}};
}

Known modulator_starts(const JointMeasurement& m, const Known& known) {
  const SinusoidStart s = scan_sinusoid(abscissa(m), m.y);
  const double amplitude = std::hypot(s.cosine, s.sine);
  const double floor = or_else(known, "floor", 0);
  const double most = s.mean + amplitude - floor, least = s.mean - amplitude - floor;
  const double share = std::clamp(least / most, 1e-4, 0.9);
  return {{"half_wave_voltage", pi / s.omega},
          {"extinction_ratio", -10 * std::log10(share)},
          {"insertion_loss", -10 * std::log10(most / or_else(known, "input_power", 1))},
          {"input_power", most * std::pow(10, or_else(known, "insertion_loss", 0) / 10)},
          {"phase", std::atan2(-s.sine, s.cosine)}};
}

Known fringe_starts(const JointMeasurement& m, const Known& known) {
  const SinusoidStart s = scan_sinusoid(abscissa(m), m.y);
  const double ratio = or_else(known, "power_ratio", 1);
  const double visibility = std::hypot(s.cosine, s.sine) / s.mean;
  return {{"period", 2 * pi / s.omega},
          {"mean", s.mean},
          {"phase", std::atan2(-s.sine, s.cosine)},
          {"power_ratio", 1},
          {"mode_overlap", visibility * (1 + ratio) / (2 * std::sqrt(ratio))}};
}

Known loss_starts(const JointMeasurement& m, const Known&) {
  const auto p = polynomial(abscissa(m), m.y, 1, false);
  return {{"intercept", p(0)}, {"propagation_loss", -p(1)}};
}

Known laser_starts(const JointMeasurement& m, const Known&) {
  // The line through the brighter half, and where it meets the darkest level.
  const auto& x = abscissa(m);
  const double dark = *std::min_element(m.y.begin(), m.y.end());
  const double half = 0.5 * (dark + *std::max_element(m.y.begin(), m.y.end()));
  std::vector<double> upper_x, upper_y;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (m.y[i] < half) continue;
    upper_x.push_back(x[i]);
    upper_y.push_back(m.y[i]);
  }
  const auto [from, to] = std::minmax_element(x.begin(), x.end());
  Eigen::VectorXd p = Eigen::VectorXd::Zero(2);
  if (upper_x.size() >= 2) p = polynomial(upper_x, upper_y, 1, false);
  if (!(p(1) > 0)) p(1) = (2 * half - 2 * dark) / (*to - *from);
  return {{"offset", dark},
          {"slope_efficiency", p(1)},
          {"threshold_current", (dark - p(0)) / p(1)},
          {"knee", 0.02 * (*to - *from)}};
}

constexpr const char* photocurrent =
    "responsivity * power_scale * 10^(-coupling_loss / 10) * power";

std::vector<JointKind> make_kinds() {
  const auto formula = [](const std::string& text) { return Expression::parse(text, "kind"); };
  const JointRole power{"power", "W", {"P", "power", "P_LO", "optical power", "light"}};
  const JointKindParameter responsivity{
      "responsivity",
      "A/W",
      "photocurrent per optical power",
      {},
      "detector.quantum_efficiency * q_e * laser.wavelength / (h_planck * c_light)",
      0.0,
      {}};
  const JointKindParameter scale{"power_scale", "1", "true over indicated power", 1.0, "", 0.0, {}};
  const JointKindParameter coupling{"coupling_loss", "dB", "power meter to diode", 0.0, "", {}, {}};
  const JointKindParameter resistance{"transresistance",
                                      "ohm",
                                      "output voltage per photocurrent",
                                      {},
                                      "receiver.feedback_resistance",
                                      {},
                                      {}};
  std::vector<JointKind> kinds;
  kinds.push_back(
      {"responsivity",
       "photocurrent against optical power",
       {power},
       {"current", "A", {"I", "current", "photocurrent", "I_PD"}},
       formula(fmt::format("dark_current + {0} / (1 + {0} * inverse_saturation_current)",
                           photocurrent)),
       {responsivity,
        scale,
        coupling,
        {"dark_current", "A", "current without light", {}, "", {}, {}},
        {"inverse_saturation_current", "1/A", "1 / saturation current", 0.0, "", 0.0, {}}},
       responsivity_starts});
  kinds.push_back({"monitor",
                   "DC output voltage against optical power",
                   {power},
                   {"voltage", "V", {"V", "voltage", "V_DC", "monitor", "output"}},
                   formula(fmt::format("offset + transresistance * {}", photocurrent)),
                   {responsivity,
                    scale,
                    coupling,
                    resistance,
                    {"offset", "V", "voltage without light", {}, "", {}, {}}},
                   monitor_starts});
  for (const bool density : {true, false}) {
    for (const Light light : {Light::power, Light::current, Light::monitor}) {
      JointKind kind;
      kind.name = "shot-noise";
      kind.meaning = "noise against light";
      std::string current = photocurrent;
      kind.columns = {power};
      if (light == Light::power) {
        kind.parameters = {responsivity, scale, coupling};
      } else if (light == Light::current) {
        kind.columns = {{"current", "A", {"I", "current", "photocurrent", "I_PD"}}};
        current = "current";
      } else {
        kind.columns = {{"monitor", "V", {"V", "monitor", "V_DC", "voltage"}}};
        current = "(monitor - monitor_offset) / monitor_resistance";
        kind.parameters = {
            {"monitor_offset", "V", "monitor's voltage without light", 0.0, "", {}, {}},
            {"monitor_resistance",
             "ohm",
             "monitor's voltage per photocurrent",
             {},
             "receiver.feedback_resistance",
             {},
             {}}};
      }
      const std::vector<std::string> names{"variance", "noise", "V2", "S", "PSD", "density"};
      kind.y =
          density ? JointRole{"density", "V^2/Hz", names} : JointRole{"variance", "V^2", names};
      kind.formula = formula(fmt::format(
          "{}transresistance^2 * (input_noise^2 + 2 * q_e * ({}) + excess_noise * ({})^2)",
          density ? "" : "noise_bandwidth * ", current, current));
      kind.parameters.push_back(resistance);
      if (!density) {
        kind.parameters.push_back(
            {"noise_bandwidth", "Hz", "equivalent noise bandwidth", {}, "", 0.0, {}});
      }
      kind.parameters.push_back(
          {"input_noise",
           "A/sqrt(Hz)",
           "input-referred current noise of the electronics",
           {},
           "sqrt(4 * k_boltzmann * receiver.temperature / receiver.feedback_resistance + "
           "receiver.amplifier_current_noise^2)",
           {},
           {}});
      kind.parameters.push_back(
          {"excess_noise", "1/Hz", "RIN times the imbalance squared", {}, "", 0.0, {}});
      kind.starts = [light](const JointMeasurement& m, const Known& known) {
        return noise_starts(m, known, light);
      };
      kinds.push_back(kind);
    }
  }
  kinds.push_back({"response",
                   "level of the response against frequency (one pole)",
                   {{"frequency", "Hz", {"f", "frequency", "freq"}}},
                   {"response", "dB", {"S21", "response", "H", "level", "gain"}},
                   formula("level - 10 * log10(1 + (frequency / bandwidth)^2)"),
                   {{"level", "dB", "response at low frequency", {}, "", {}, {}},
                    {"bandwidth", "Hz", "3 dB electrical", {}, "receiver.bandwidth", 0.0, {}}},
                   response_starts});
  kinds.push_back(
      {"mzm",
       "transmission of a Mach-Zehnder modulator against voltage",
       {{"bias", "V", {"V", "voltage", "bias", "V_bias", "drive", "V_drive"}}},
       {"transmitted", "signal", {"P", "power", "T", "transmission", "P_out", "I"}},
       formula("input_power * 10^(-insertion_loss / 10) * ((1 + 10^(-extinction_ratio / "
               "10)) + (1 - 10^(-extinction_ratio / 10)) * cos(phase + pi * bias / "
               "half_wave_voltage)) / 2 + floor"),
       {{"half_wave_voltage", "V", "V_pi", {}, "modulator.half_wave_voltage", {}, {}},
        {"extinction_ratio",
         "dB",
         "most over least light, optical",
         {},
         "modulator.extinction_ratio",
         {},
         {}},
        {"insertion_loss",
         "dB",
         "at most transmission",
         {},
         "link.modulator_insertion_loss",
         0.0,
         {}},
        {"input_power", "signal", "before the modulator", 1.0, "", {}, {}},
        {"phase", "rad", "at 0 V", {}, "", {}, {}},
        {"floor", "signal", "detector's level without light", 0.0, "", {}, {}}},
       modulator_starts});
  kinds.push_back(
      {"visibility",
       "interference fringes against a scan",
       {{"scan", "scan", {"x", "scan", "piezo", "phase", "delay", "t", "V"}}},
       {"fringe", "signal", {"y", "signal", "I", "P", "photocurrent"}},
       formula("mean * (1 + mode_overlap * 2 * sqrt(power_ratio) / (1 + power_ratio) * "
               "cos(2 * pi * scan / period + phase))"),
       {{"mode_overlap", "1", "overlap of the two beams", {}, "receiver.visibility", 0.0, 1.0},
        {"power_ratio", "1", "of the two beams", {}, "", 0.0, {}},
        {"mean", "signal", "mean signal above darkness", {}, "", {}, {}},
        {"phase", "rad", "at 0", {}, "", {}, {}},
        {"period", "scan", "of the scan", {}, "", 0.0, {}}},
       fringe_starts});
  kinds.push_back({"loss",
                   "transmission of guides against length",
                   {{"length", "cm", {"L", "length", "path"}}},
                   {"transmission", "dB", {"T", "transmission", "IL", "P", "power"}},
                   formula("intercept - propagation_loss * length"),
                   {{"propagation_loss", "dB/cm", "of the guide", {}, "", 0.0, {}},
                    {"intercept", "dB", "both couplings", {}, "", {}, {}}},
                   loss_starts});
  kinds.push_back(
      {"li",
       "laser's power against current",
       {{"drive", "A", {"I", "current", "drive current"}}},
       {"emitted", "W", {"P", "power", "optical power"}},
       formula("offset + slope_efficiency * knee * softplus((drive - threshold_current) / knee)"),
       {{"slope_efficiency", "W/A", "above threshold", {}, "laser.slope_efficiency", 0.0, {}},
        {"threshold_current", "A", "threshold", {}, "laser.threshold_current", 0.0, {}},
        {"knee", "A", "width of the knee", {}, "", 0.0, {}},
        {"offset", "W", "power meter's offset", {}, "", {}, {}}},
       laser_starts});
  return kinds;
}

const JointParameter* find(const JointProblem& problem, const std::string& name) {
  for (const JointParameter& parameter : problem.parameters) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

// The unknown of g(x) = wanted by Newton's method from 1; nullopt where it does not get there.
std::optional<double> solve_for(const Expression& formula, const std::string& unknown,
                                const Known& known, double wanted) {
  double x = 1;
  for (int round = 0; round < 60; ++round) {
    std::vector<Dual> values;
    for (const std::string& name : formula.names()) {
      values.push_back(name == unknown ? Dual(x, 0) : Dual(known.at(name)));
    }
    const Dual f = formula.evaluate(values.data());
    if (!std::isfinite(f.v) || f.d[0] == 0) return std::nullopt;
    const double step = (wanted - f.v) / f.d[0];
    x += step;
    if (std::abs(step) <= 1e-9 * std::abs(x)) return x;
  }
  return std::nullopt;
}

}  // namespace

const std::vector<JointKind>& joint_kinds() {
  static const std::vector<JointKind> kinds = make_kinds();
  return kinds;
}

void add_measurement(JointProblem& problem, const JointKind& kind, JointMeasurement measurement,
                     const std::map<std::string, Expression>& mapping) {
  for (const auto& [name, formula] : mapping) {
    if (std::none_of(
            kind.parameters.begin(), kind.parameters.end(),
            [&, wanted = name](const auto& parameter) { return parameter.name == wanted; })) {
      std::vector<std::string> have;
      for (const auto& parameter : kind.parameters) have.push_back(parameter.name);
      throw ConfigError(
          fmt::format("measurement {}: kind {} has no parameter '{}' here (it has {}). Correct it.",
                      measurement.name, kind.name, name, fmt::join(have, ", ")));
    }
  }
  const auto unit_of = [&](const std::string& unit) {
    if (unit == "signal") return measurement.y_unit;
    return unit == "scan" ? measurement.x_unit : unit;
  };
  std::map<std::string, Expression> formulas;
  for (const JointKindParameter& parameter : kind.parameters) {
    const auto mapped = mapping.find(parameter.name);
    std::string own = parameter.name;
    if (mapped != mapping.end()) {
      formulas[parameter.name] = mapped->second;
      continue;
    }
    if (find(problem, parameter.name) == nullptr) {
      if (parameter.standard) {
        formulas[parameter.name] = Expression::number(*parameter.standard);
        continue;
      }
      own = measurement.name + "." + parameter.name;
      std::replace_if(
          own.begin(), own.end(), [](char c) { return c == ' ' || c == '-'; }, '_');
      JointParameter created;
      created.name = own;
      created.unit = unit_of(parameter.unit);
      created.meaning = parameter.meaning;
      created.lower = parameter.lower;
      created.upper = parameter.upper;
      problem.parameters.push_back(created);
    }
    formulas[parameter.name] = Expression::name(own);
  }
  // Formulas take a kind's parameters in the kind's units.
  for (const JointKindParameter& parameter : kind.parameters) {
    Expression& formula = formulas.at(parameter.name);
    if (formula.names().size() != 1 || formula.text() != formula.names().front()) continue;
    for (JointParameter& own : problem.parameters) {
      if (own.name != formula.names().front()) continue;
      const std::string wanted = unit_of(parameter.unit);
      if (own.unit == wanted) continue;
      const auto from = data::parse_lab_unit(own.unit), to = data::parse_lab_unit(wanted);
      if (!from || !to || !data::same_dimension(*from, *to) || from->is_level() || to->is_level()) {
        throw ConfigError(
            fmt::format("parameter {} is in {} (measurement {} takes {} in {}). Declare that unit.",
                        own.name, own.unit, measurement.name, parameter.name, wanted));
      }
      if (from->factor != to->factor) {
        formula =
            Expression::parse(fmt::format("scaled_ * {:.17g}", from->factor / to->factor), "unit")
                .substituted({{"scaled_", Expression::name(own.name)}});
      }
    }
  }
  // A job's parameter that stands for the kind's has its meaning, unit check and bounds.
  for (const JointKindParameter& parameter : kind.parameters) {
    const Expression& formula = formulas.at(parameter.name);
    if (formula.names().size() != 1 || formula.text() != formula.names().front()) continue;
    for (JointParameter& own : problem.parameters) {
      if (own.name != formula.names().front()) continue;
      if (own.meaning.empty()) own.meaning = parameter.meaning;
      if (!own.lower) own.lower = parameter.lower;
      if (!own.upper) own.upper = parameter.upper;
    }
  }
  measurement.kind = kind.name;
  measurement.formula = kind.formula.substituted(formulas);
  measurement.mapping = formulas;
  measurement.kind_of = &kind;
  problem.measurements.push_back(std::move(measurement));
}

void guess_starts(JointProblem& problem) {
  for (const JointMeasurement& m : problem.measurements) {
    if (m.kind_of == nullptr) continue;
    Known known;
    for (const JointParameter& parameter : problem.parameters) {
      if (parameter.given) {
        known[parameter.name] = *parameter.given;
      } else if (std::isfinite(parameter.start)) {
        known[parameter.name] = parameter.start;
      }
    }
    const auto unknown_of = [&](const Expression& formula) {
      std::vector<std::string> unknown;
      for (const std::string& name : formula.names()) {
        if (known.count(name) == 0) unknown.push_back(name);
      }
      return unknown;
    };
    Known of_kind;
    for (const auto& [name, formula] : m.mapping) {
      if (!unknown_of(formula).empty()) continue;
      of_kind[name] = formula.evaluate([&](const std::string& own) { return known.at(own); });
    }
    if (m.y.empty()) continue;
    for (const auto& [name, value] : m.kind_of->starts(m, of_kind)) {
      const auto mapped = m.mapping.find(name);
      if (mapped == m.mapping.end() || !std::isfinite(value)) continue;
      const std::vector<std::string> unknown = unknown_of(mapped->second);
      if (unknown.size() != 1) continue;
      const auto start = solve_for(mapped->second, unknown.front(), known, value);
      if (!start) continue;
      for (JointParameter& parameter : problem.parameters) {
        if (parameter.name == unknown.front()) parameter.start = *start;
      }
      known[unknown.front()] = *start;
    }
  }
}

}  // namespace attojoule::calibration
