#include "tools/calibrate/joint_job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "calibration/calibrated_values.hpp"
#include "data/bytes.hpp"
#include "data/lab_units.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

using calibration::Expression;
using calibration::JointKind;
using calibration::JointMeasurement;
using calibration::JointParameter;
using calibration::JointProblem;
using calibration::JointRole;

struct RoleValues {
  std::string column, unit;
  std::vector<double> values;
};

// The column of a role; an empty name where the table has none that fits.
RoleValues role_of(const data::LabTable& table, const JointRole& role, const std::string& given,
                   const std::vector<std::string>& taken) {
  RoleValues result;
  ColumnWish wish{role.symbol, "columns: " + role.symbol + ":", given, role.names, role.unit};
  if (role.unit == "signal") {
    wish.unit = "W";
    if (given.empty() && table.columns.size() <= taken.size()) return result;
    const LinearSignal signal = linear_signal(table, wish, taken);
    return {signal.column, signal.unit, signal.values};
  }
  if (role.unit == "scan") {
    // Whatever is scanned: its own unit.
    if (!given.empty()) {
      result.column = table.column(given).name;
    } else {
      for (const auto& column : table.columns) {
        if (std::find(taken.begin(), taken.end(), column.name) == taken.end()) {
          result.column = column.name;
          break;
        }
      }
    }
    if (result.column.empty()) return result;
    const auto& column = table.column(result.column);
    result.unit = column.unit.empty() ? "1" : column.unit;
    result.values = column.values;
    return result;
  }
  std::vector<std::string> units{role.unit};
  if (role.unit == "dB") units = {"dB", "dBm", "dBV"};  // their differences are dB
  for (const std::string& unit : units) {
    wish.unit = unit;
    const std::string found = find_column(table, wish, taken);
    if (found.empty()) continue;
    const auto have = data::parse_lab_unit(table.column(found).unit);
    const auto want = data::parse_lab_unit(unit);
    const bool unitless = table.column(found).unit.empty();
    if (!unitless && !(have && want && data::same_dimension(*have, *want))) continue;
    result.column = found;
    result.unit = role.unit;
    result.values = data::column_in(table, found, unit);
    return result;
  }
  return result;
}

std::string have_columns(const data::LabTable& table) {
  std::string text;
  for (const auto& column : table.columns) {
    text += fmt::format("{}{} [{}]", text.empty() ? "" : ", ", column.name, column.unit);
  }
  return text;
}

// The first kind of that name whose columns the table has.
const JointKind& kind_of(const data::LabTable& table, const MeasurementRequest& request,
                         JointMeasurement& m) {
  bool known = false;
  std::string wanted;
  for (const JointKind& kind : calibration::joint_kinds()) {
    if (kind.name != request.kind) continue;
    known = true;
    for (const auto& [symbol, column] : request.columns) {
      if (symbol != "y" && symbol != kind.y.symbol && symbol != "x" &&
          symbol != kind.columns.front().symbol) {
        continue;
      }
      table.column(column);  // must be there
    }
    const auto given = [&](const JointRole& role, const char* alias) {
      for (const char* key : {role.symbol.c_str(), alias}) {
        const auto found = request.columns.find(key);
        if (found != request.columns.end()) return found->second;
      }
      return std::string();
    };
    const JointRole& x_role = kind.columns.front();
    std::vector<std::string> taken;
    const std::string y_given = given(kind.y, "y"), x_given = given(x_role, "x");
    if (!y_given.empty()) taken.push_back(y_given);
    // An ordinate that the user did not name is looked for first where the abscissa could be
    // anything.
    RoleValues y;
    if (x_role.unit == "scan" || !y_given.empty()) {
      y = role_of(table, kind.y, y_given,
                  x_given.empty() ? std::vector<std::string>{} : std::vector<std::string>{x_given});
      if (y.column.empty()) {
        wanted = fmt::format("{} [{}]", kind.y.symbol, kind.y.unit);
        continue;
      }
      taken = {y.column};
    }
    const RoleValues x = role_of(table, x_role, x_given, taken);
    if (x.column.empty()) {
      wanted = fmt::format("{} [{}]", x_role.symbol, x_role.unit);
      continue;
    }
    if (y.column.empty()) y = role_of(table, kind.y, y_given, {x.column});
    if (y.column.empty()) {
      wanted = fmt::format("{} [{}]", kind.y.symbol, kind.y.unit);
      continue;
    }
    m.columns = {{x_role.symbol, x.values}};
    m.x_unit = x.unit;
    m.y = y.values;
    m.y_name = y.column;
    m.y_unit = y.unit;
    return kind;
  }
  if (!known) {
    throw ConfigError(
        fmt::format("{}: no kind is called '{}' (there are {}). Choose one, or give "
                    "model: with a formula.",
                    request.place, request.kind, joint_kind_names()));
  }
  throw DataError(
      fmt::format("{}: no column of {} (columns: {}). Name it under columns, or head it so.",
                  table.file.string(), wanted, have_columns(table)));
}

void formula_columns(const data::LabTable& table, const MeasurementRequest& request,
                     JointMeasurement& m) {
  const auto read = [&](const std::string& symbol, const std::string& name) {
    const auto unit = request.units.find(symbol);
    const auto& column = table.column(name);
    RoleValues result;
    result.column = column.name;
    result.unit =
        unit != request.units.end() ? unit->second : (column.unit.empty() ? "1" : column.unit);
    result.values =
        unit != request.units.end() ? data::column_in(table, name, unit->second) : column.values;
    return result;
  };
  m.formula = Expression::parse(request.formula, request.place);
  for (const auto& [symbol, name] : request.columns) {
    const RoleValues values = read(symbol, name);
    if (symbol == "y") {
      m.y = values.values;
      m.y_name = values.column;
      m.y_unit = values.unit;
    } else {
      if (m.columns.empty()) m.x_unit = values.unit;
      m.columns.emplace_back(symbol, values.values);
      if (!m.formula.uses(symbol)) {
        throw ConfigError(fmt::format(
            "{}: the formula does not use the column {} (it would not matter). Remove it.",
            request.place, symbol));
      }
    }
  }
  if (m.y.empty()) {
    throw ConfigError(fmt::format(
        "{}: a formula needs its ordinate (what it describes). Add y: COLUMN to columns.",
        request.place));
  }
}

bool is_number(const std::string& text, double& value) {
  char* end = nullptr;
  value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && std::isfinite(value);
}

void read_scatter(const data::LabTable& table, const MeasurementRequest& request,
                  JointMeasurement& m) {
  if (!request.sigma.empty()) m.sigma = data::column_in(table, request.sigma, m.y_unit);
  if (!request.relative.empty()) {
    m.relative = request.relative.ends_with("dB")
                     ? option_quantity(request.place + ": relative", request.relative, "dB") *
                           std::log(10) / 10
                     : option_quantity(request.place + ": relative", request.relative, "1");
  }
  if (!request.floor.empty()) {
    m.floor = option_quantity(request.place + ": floor", request.floor, m.y_unit);
  }
  double value = 0;
  std::string samples = request.samples;
  const auto setting = table.settings.find("samples");
  const bool nothing = request.sigma.empty() && request.relative.empty() && request.floor.empty() &&
                       request.nu.empty() && samples.empty();
  if (nothing && m.kind == "shot-noise" && setting != table.settings.end()) {
    samples = setting->second;
  }
  if (!samples.empty()) {
    if (!is_number(samples, value) || !(value >= 2)) {
      throw ConfigError(
          fmt::format("{}: samples: {} (two or more values make a variance). Write "
                      "their number.",
                      request.place, samples));
    }
    m.nu.assign(m.y.size(), value - 1);
  } else if (!request.nu.empty()) {
    if (is_number(request.nu, value)) {
      m.nu.assign(m.y.size(), value);
    } else {
      m.nu = data::column_in(table, request.nu, "1");
    }
  }
  const int statements =
      (m.sigma.empty() ? 0 : 1) + (m.nu.empty() ? 0 : 1) + (m.relative > 0 || m.floor > 0 ? 1 : 0);
  if (statements > 1) {
    throw ConfigError(fmt::format(
        "{}: sigma, relative with floor, and nu or samples are statements about one scatter. Keep "
        "one.",
        request.place));
  }
  if (m.relative < 0 || m.floor < 0) {
    throw ConfigError(
        fmt::format("{}: a negative standard deviation. Give it positive.", request.place));
  }
  m.scale_sigma = request.scale_sigma;
}

}  // namespace

std::string joint_kind_names() {
  std::string text, last;
  for (const JointKind& kind : calibration::joint_kinds()) {
    if (kind.name == last) continue;
    text += (text.empty() ? "" : ", ") + kind.name;
    last = kind.name;
  }
  return text;
}

data::LabTable add_lab_measurement(JointProblem& problem, const MeasurementRequest& request,
                                   std::vector<calibration::RejectedPoint>& outside) {
  const data::LabTable table = data::read_lab_file(request.file, request.reading);
  JointMeasurement m;
  m.name = request.name;
  const JointKind* kind = nullptr;
  std::string x_column;
  if (request.formula.empty()) {
    kind = &kind_of(table, request, m);
    m.kind = kind->name;
  } else {
    formula_columns(table, request, m);
  }
  read_scatter(table, request, m);
  for (std::size_t i = 0; i < m.y.size(); ++i) m.places.push_back(place_of_row(table, i));
  FitKindOptions range;
  range.range = request.range;
  if (const auto limits = range.parsed_range(""); limits && !m.columns.empty()) {
    JointMeasurement kept = m;
    for (auto& [symbol, values] : kept.columns) values.clear();
    kept.y.clear();
    kept.sigma.clear();
    kept.nu.clear();
    kept.places.clear();
    for (std::size_t i = 0; i < m.y.size(); ++i) {
      const double x = m.columns.front().second[i];
      if (x < limits->first || x > limits->second) {
        outside.push_back({m.places[i], "outside range"});
        continue;
      }
      for (std::size_t c = 0; c < m.columns.size(); ++c) {
        kept.columns[c].second.push_back(m.columns[c].second[i]);
      }
      kept.y.push_back(m.y[i]);
      if (!m.sigma.empty()) kept.sigma.push_back(m.sigma[i]);
      if (!m.nu.empty()) kept.nu.push_back(m.nu[i]);
      kept.places.push_back(m.places[i]);
    }
    m = kept;
  }
  if (kind != nullptr) {
    try {
      calibration::add_measurement(problem, *kind, m, request.parameters);
    } catch (const ConfigError& error) {
      throw ConfigError(request.place + ": " + error.what());
    }
  } else {
    problem.measurements.push_back(m);
  }
  return table;
}

namespace {

// "3 %" is relative to the value, whatever its unit.
double uncertainty_of(const std::string& place, const std::string& text, double value,
                      const std::string& unit) {
  if (text.ends_with("%")) return std::abs(value) * option_quantity(place, text, "1");
  return option_quantity(place, text, unit);
}

std::string unit_in(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  std::string unit(end);
  unit.erase(0, std::min(unit.find_first_not_of(' '), unit.size()));
  return unit.empty() || unit == "%" ? "1" : unit;
}

std::string unit_of_kinds(const std::string& name) {
  for (const JointKind& kind : calibration::joint_kinds()) {
    for (const auto& parameter : kind.parameters) {
      if (parameter.name == name && parameter.unit != "signal" && parameter.unit != "scan") {
        return parameter.unit;
      }
    }
  }
  return "";
}

JointParameter read_parameter(const std::string& name, const data::ConfigNode& node) {
  JointParameter parameter;
  parameter.name = name;
  parameter.unit = node.text_or("unit", "");
  const std::string value = node.text_or("value", ""), start = node.text_or("start", "");
  if (parameter.unit.empty()) parameter.unit = unit_of_kinds(name);
  if (parameter.unit.empty()) {
    parameter.unit = unit_in(!value.empty() ? value : start);
  }
  if (!data::parse_lab_unit(parameter.unit)) {
    node.fail(fmt::format("unit {} of {} is unknown", parameter.unit, name),
              "Write it as in a column's header");
  }
  const std::string place = node.place() + ": " + name;
  if (!value.empty()) {
    parameter.given = option_quantity(place + ": value", value, parameter.unit);
    const std::string u = node.text_or("u", "");
    if (!u.empty()) {
      parameter.u = uncertainty_of(place + ": u", u, *parameter.given, parameter.unit);
      if (!(parameter.u > 0)) node.fail("u is not positive", "Leave it out for an exact value");
    }
  } else if (node.has("u")) {
    node.fail("u without value", "Give the value that is uncertain by it");
  }
  if (!start.empty()) parameter.start = option_quantity(place + ": start", start, parameter.unit);
  const std::string lower = node.text_or("lower", ""), upper = node.text_or("upper", "");
  if (!lower.empty()) parameter.lower = option_quantity(place + ": lower", lower, parameter.unit);
  if (!upper.empty()) parameter.upper = option_quantity(place + ": upper", upper, parameter.unit);
  parameter.meaning = node.text_or("meaning", "");
  parameter.device = node.text_or("device", "");
  node.finish();
  return parameter;
}

std::filesystem::path beside(const std::filesystem::path& job, const std::string& file) {
  const std::filesystem::path path(file);
  return path.is_absolute() ? path : job.parent_path() / path;
}

// Values and covariances of a result.json or of the section `calibration` of a device file.
calibration::JointKnowledge read_knowledge(const std::filesystem::path& job,
                                           const data::ConfigNode& node,
                                           std::vector<calibration::InputFile>& inputs) {
  calibration::JointKnowledge known;
  const std::filesystem::path file = beside(job, node.text("file"));
  known.name = node.text_or("name", file.parent_path().filename().string());
  const data::ConfigNode values = node.child("values");
  std::vector<std::string> names = values.keys();
  if (names.empty()) values.fail("values is empty", "Give NAME: formula for some of the results");
  const calibration::CalibratedValues found = calibration::load_calibrated_values(file.string());
  if (found.verdict != "accepted") {
    throw DataError(fmt::format(
        "{}: the verdict is {} (its values are not to be trusted). Mend that calibration first.",
        file.string(), found.verdict));
  }
  std::vector<std::size_t> at;
  for (const std::string& name : names) {
    at.push_back(found.find(name));
    if (at.back() < found.values.size()) continue;
    std::vector<std::string> have;
    for (const auto& e : found.values) have.push_back(e.name);
    values.fail(fmt::format("{} has no '{}' (it has {})", file.string(), name,
                            have.empty() ? "nothing" : fmt::format("{}", fmt::join(have, ", "))),
                "Choose one of these");
  }
  const auto n = static_cast<Eigen::Index>(names.size());
  known.values.resize(n);
  known.covariance_a.resize(n, n);
  known.covariance_b.resize(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    known.labels.push_back(names[k]);
    known.formulas.push_back(
        Expression::parse(values.text(names[k]), values.place() + ": " + names[k]));
    known.values(i) = found.values[at[k]].value;
    for (Eigen::Index j = 0; j < n; ++j) {
      const auto row = static_cast<Eigen::Index>(at[k]),
                 column = static_cast<Eigen::Index>(at[static_cast<std::size_t>(j)]);
      known.covariance_a(i, j) = found.covariance_a(row, column);
      known.covariance_b(i, j) = found.covariance_b(row, column);
    }
  }
  values.finish();
  node.finish();
  inputs.push_back(found.input);
  return known;
}

MeasurementRequest read_request(const std::filesystem::path& job, const data::ConfigNode& node,
                                std::size_t index) {
  MeasurementRequest request;
  request.place = node.place();
  request.kind = node.text_or("kind", "");
  request.formula = node.text_or("model", "");
  if (request.kind.empty() == request.formula.empty()) {
    node.fail("a measurement has either a kind or a model",
              "Give kind: (" + joint_kind_names() + ") or model: with a formula");
  }
  request.name = node.text_or(
      "name", request.kind.empty() ? fmt::format("measurement{}", index + 1) : request.kind);
  request.file = beside(job, node.text("file")).string();
  request.reading.columns = node.text_or("header", "");
  request.reading.group = node.text_or("group", "");
  for (const char* key : {"columns", "units", "parameters"}) {
    if (!node.has(key)) continue;
    const data::ConfigNode map = node.child(key);
    for (const std::string& name : map.keys()) {
      const std::string text = map.text(name);
      if (key == std::string("columns")) {
        request.columns[name] = text;
      } else if (key == std::string("units")) {
        request.units[name] = text;
      } else {
        request.parameters[name] = Expression::parse(text, map.place() + ": " + name);
      }
    }
  }
  // For a kind, units are those of columns that have none in the file.
  if (request.formula.empty()) {
    for (const auto& [name, unit] : request.units) {
      request.reading.units.push_back(name + "=" + unit);
    }
    request.units.clear();
  } else if (!request.parameters.empty()) {
    node.fail("parameters beside a model (its formula names them itself)", "Remove them");
  }
  request.sigma = node.text_or("sigma", "");
  request.relative = node.text_or("relative", "");
  request.floor = node.text_or("floor", "");
  request.nu = node.text_or("nu", "");
  request.samples = node.text_or("samples", "");
  request.scale_sigma = node.boolean_or("scale_sigma", false);
  request.range = node.text_or("range", "");
  node.finish();
  return request;
}

}  // namespace

JointJob read_joint_job(const std::string& file) {
  JointJob job;
  const data::ConfigNode root = data::ConfigNode::load(file);
  job.inputs.push_back({file, data::sha256_of_file(file), "attojoule-joint-job"});
  job.problem.name = root.text_or("name", "");
  if (root.has("parameters")) {
    const data::ConfigNode parameters = root.child("parameters");
    for (const std::string& name : parameters.keys()) {
      const data::ConfigNode node = parameters.child(name);
      if (!node.is_map()) {
        node.fail(fmt::format("{} is no section", name),
                  "Write " + name + ": {unit: A/W} or {value: 1, u: 3 %}");
      }
      const Expression as_name = Expression::parse(name, node.place());
      if (as_name.names() != std::vector<std::string>{name}) {
        node.fail(fmt::format("'{}' cannot be a name (constants and formulas cannot)", name),
                  "Choose a word");
      }
      job.problem.parameters.push_back(read_parameter(name, node));
    }
  }
  std::size_t index = 0;
  std::vector<std::string> names;
  if (root.has("measurements")) {
    for (const data::ConfigNode& node : root.child("measurements").items()) {
      MeasurementRequest request = read_request(file, node, index++);
      // Two of one kind: receiver, receiver2.
      const std::string wanted = request.name;
      for (int k = 2; std::find(names.begin(), names.end(), request.name) != names.end(); ++k) {
        request.name = fmt::format("{}{}", wanted, k);
      }
      names.push_back(request.name);
      job.tables.push_back(add_lab_measurement(job.problem, request, job.outside));
    }
  }
  if (root.has("results")) {
    for (const data::ConfigNode& node : root.child("results").items()) {
      job.problem.knowledge.push_back(read_knowledge(file, node, job.inputs));
    }
  }
  if (root.has("derived")) {
    const data::ConfigNode derived = root.child("derived");
    for (const std::string& name : derived.keys()) {
      const data::ConfigNode node = derived.child(name);
      calibration::JointDerived entry;
      entry.name = name;
      entry.formula = Expression::parse(node.text("formula"), node.place() + ": formula");
      entry.unit = node.text_or("unit", "1");
      entry.device = node.text_or("device", "");
      node.finish();
      job.problem.derived.push_back(entry);
    }
  }
  if (root.has("conditions")) {
    const data::ConfigNode conditions = root.child("conditions");
    for (const std::string& key : conditions.keys()) {
      job.conditions.emplace_back(key, conditions.text(key));
    }
  }
  root.finish();
  calibration::guess_starts(job.problem);
  return job;
}

}  // namespace attojoule::tools
