#include "calibration/report.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "calibration/svg_plot.hpp"
#include "data/config.hpp"
#include "data/device_file.hpp"
#include "data/result_file.hpp"
#include "data/version.hpp"
#include "data/yaml_text.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json estimate_json(const Estimate& e) {
  Json object;
  object["value"] = number(e.value);
  object["unit"] = e.unit;
  object["u_a"] = number(e.u_a);
  object["u_b"] = number(e.u_b);
  object["interval95"] = {number(e.interval_low), number(e.interval_high)};
  object["interval68"] = {number(e.interval68_low), number(e.interval68_high)};
  if (std::isfinite(e.dof)) object["dof"] = e.dof;
  if (!e.meaning.empty()) object["meaning"] = e.meaning;
  return object;
}

Json estimates_json(const std::vector<Estimate>& estimates) {
  Json object = Json::object();
  for (const Estimate& e : estimates) object[e.name] = estimate_json(e);
  return object;
}

Json matrix_json(const Eigen::MatrixXd& m) {
  Json rows = Json::array();
  for (Eigen::Index i = 0; i < m.rows(); ++i) {
    Json row = Json::array();
    for (Eigen::Index k = 0; k < m.cols(); ++k) row.push_back(number(m(i, k)));
    rows.push_back(row);
  }
  return rows;
}

// So many digits, zeros at the end as well: they are known.
std::string with_digits(double value, int digits) {
  if (value == 0) return "0";
  std::string text = fmt::format("{:#.{}g}", value, digits);
  const auto point = static_cast<int>(text.find('.'));
  if (point - (value < 0 ? 1 : 0) >= digits && text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

// value and uncertainty to the digits that mean something: "0.28006(12)" is too terse for a page.
std::string shown(double value, double u) {
  if (!std::isfinite(value)) return "not determined";
  if (!(u > 0) || !std::isfinite(u)) return fmt::format("{:.6g}", value);
  const int digits =
      std::clamp(static_cast<int>(std::floor(std::log10(std::max(std::abs(value), u))) -
                                  std::floor(std::log10(u))) +
                     2,
                 2, 15);
  return with_digits(value, digits);
}

std::string short_number(double value) {
  return std::isfinite(value) ? with_digits(value, 2) : "not known";
}

// A table that is longer than a page is folded.
std::string folded(const std::string& table, std::size_t rows, const char* what) {
  constexpr std::size_t page = 40;
  if (rows <= page) return table;
  return fmt::format("<details><summary>{} {}</summary>\n{}</details>\n", rows, what, table);
}

std::string rows_html(const std::vector<Estimate>& estimates) {
  std::string html;
  for (const Estimate& e : estimates) {
    // A figure without any uncertainty (a probability, a count) says nothing of one.
    const bool bare = !std::isfinite(e.u_a) && e.u_b == 0 && std::isfinite(e.value);
    html += fmt::format(
        "<tr><td><b>{}</b></td><td class=\"n\">{}</td><td class=\"n\">{}</td>"
        "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
        html_escaped(e.name), shown(e.value, e.combined()), bare ? "" : short_number(e.u_a),
        bare ? "" : short_number(e.u_b),
        std::isfinite(e.interval_low) ? shown(e.interval_low, e.combined()) + " &hellip; " +
                                            shown(e.interval_high, e.combined())
                                      : "",
        e.unit == "1" ? "" : html_escaped(with_superscripts(e.unit)), html_escaped(e.meaning));
  }
  return html;
}

constexpr const char* table_head =
    "<tr><th>name</th><th>value</th><th>u type A</th><th>u type B</th><th>95 % interval</th>"
    "<th>unit</th><th>what</th></tr>\n";

std::string estimates_html(const std::vector<Estimate>& estimates) {
  return folded(fmt::format("<table>\n{}{}</table>\n", table_head, rows_html(estimates)),
                estimates.size(), "values");
}

std::string list_html(const std::string& title, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string html = fmt::format("<h2>{}</h2>\n<ul>\n", title);
  for (const auto& item : items) html += "<li>" + html_escaped(item) + "</li>\n";
  return html + "</ul>\n";
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// Quantities that devices describe in one of two ways: a value of the first in place of the second.
constexpr std::array other_descriptions{
    std::pair{"laser.slope_efficiency", "laser.wall_plug_efficiency"},
    std::pair{"detector.responsivity", "detector.quantum_efficiency"},
    std::pair{"detector.quantum_efficiency", "detector.responsivity"}};

// The device's sections without the other description of `key`.
data::ConfigNode without_other_description(const data::ConfigNode& root, const std::string& key) {
  std::string other;
  for (const auto& [one, second] : other_descriptions) {
    if (key == one) other = second;
  }
  if (other.empty()) return root;
  data::ConfigNode result;
  for (const std::string& name : root.keys()) {
    const data::ConfigNode node = root.child(name);
    if (!node.is_map()) {
      result.set(name + "=" + data::yaml_quoted(node.text()));
      continue;
    }
    for (const std::string& item : node.keys()) {
      const std::string path = name + "." + item;
      if (path != other) result.set(path + "=" + data::yaml_quoted(node.text(item)));
    }
  }
  return result;
}

std::string csv_number(double v) {
  return std::isfinite(v) ? fmt::format("{:.17g}", v) : "";
}

std::string table_csv(const ResultTable& table) {
  std::string text;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    text +=
        fmt::format("{}{} [{}]", c > 0 ? "," : "", table.columns[c].name, table.columns[c].unit);
  }
  text += "\n";
  for (std::size_t row = 0; row < table.rows(); ++row) {
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      const auto& column = table.columns[c];
      if (c > 0) text += ",";
      text += column.texts.empty() ? csv_number(column.values[row]) : csv_cell(column.texts[row]);
    }
    text += "\n";
  }
  return text;
}

Json table_json(const ResultTable& table) {
  Json object = Json::object();
  for (const auto& column : table.columns) {
    Json values = Json::array();
    for (const double v : column.values) values.push_back(number(v));
    if (!column.texts.empty()) values = column.texts;
    object[column.name] = {{"unit", column.unit}, {"values", values}};
  }
  return object;
}

std::string table_html(const ResultTable& table) {
  std::string html = "<table>\n<tr>";
  for (const auto& column : table.columns) {
    html += fmt::format(
        "<th>{}{}</th>", html_escaped(column.name),
        column.unit == "1" ? "" : " [" + html_escaped(with_superscripts(column.unit)) + "]");
  }
  html += "</tr>\n";
  for (std::size_t row = 0; row < table.rows(); ++row) {
    html += "<tr>";
    for (const auto& column : table.columns) {
      const std::string cell = !column.texts.empty() ? html_escaped(column.texts[row])
                               : std::isfinite(column.values[row])
                                   ? fmt::format("{:.6g}", column.values[row])
                                   : "not known";
      html += fmt::format("<td class=\"n\">{}</td>", cell);
    }
    html += "</tr>\n";
  }
  return fmt::format("<h2>Table: {}</h2>\n{}", html_escaped(table.name),
                     folded(html + "</table>\n", table.rows(), "rows"));
}

// Data sets /calibration/tables/NAME/COLUMN.
void write_table(data::ResultWriter& writer, const ResultTable& table) {
  const std::string group = "/calibration/tables/" + table.name + "/";
  std::vector<double> index(table.rows());
  for (std::size_t i = 0; i < index.size(); ++i) index[i] = static_cast<double>(i);
  writer.axis(group + "row", index, "1", "row");
  for (const auto& column : table.columns) {
    const std::string path = group + column.name;
    if (column.texts.empty()) {
      writer.write(path, column.values, {group + "row"}, column.unit, column.name);
    } else {
      writer.write(path, column.texts, {group + "row"}, column.name);
    }
  }
}

bool has_device_values(const CalibrationResult& result) {
  return !result.device.empty() && result.verdict == Verdict::accepted;
}

}  // namespace

void write_whole(const std::filesystem::path& target, const std::string& text) {
  std::filesystem::path temporary = target;
  temporary += fmt::format(".{}.part", getpid());
  const auto fail = [&](const char* what) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw RunError(
        fmt::format("{}: {} (disk full, or no permission). Free space, or choose another --out.",
                    target.string(), what));
  };
  {
    std::ofstream out(temporary, std::ios::binary);
    out << text;
    out.close();
    if (!out) fail("cannot be written");
  }
  std::error_code error;
  std::filesystem::rename(temporary, target, error);
  if (error) fail("cannot be put in place");
}

std::string result_json(const CalibrationResult& result, const std::vector<std::string>& left_out) {
  Json object;
  object["format"] = "attojoule-calibration";
  object["format_version"] = 1;
  object["program_version"] = data::program_version();
  object["git_sha"] = data::git_sha();
  object["kind"] = result.kind;
  object["method"] = result.method;
  object["model"] = result.model;
  object["verdict"] = name_of(result.verdict);
  object["reasons"] = result.reasons;
  object["warnings"] = result.warnings;
  object["parameters"] = estimates_json(result.parameters);
  Json names = Json::array();
  for (const Estimate& e : result.parameters) names.push_back(e.name);
  object["covariance"] = {{"parameters", names},
                          {"matrix", matrix_json(result.covariance())},
                          {"type_a", matrix_json(result.covariance_a)},
                          {"type_b", matrix_json(result.covariance_b)},
                          {"type_a_scaled_by_chi2_reduced", result.covariance_scaled}};
  object["chi2"] = number(result.chi2);
  object["degrees_of_freedom"] = number(result.dof);
  object["chi2_reduced"] = number(result.chi2_reduced());
  object["chi2_probability"] = number(result.chi2_probability);
  object["points"] = {{"used", result.points_used}, {"rejected", result.rejected.size()}};
  object["rejected_points"] = Json::array();
  for (const RejectedPoint& point : result.rejected) {
    object["rejected_points"].push_back({{"place", point.place}, {"reason", point.reason}});
  }
  object["bounds_hit"] = Json::array();
  for (const BoundHit& hit : result.bounds_hit) {
    object["bounds_hit"].push_back({{"parameter", hit.parameter},
                                    {"value", number(hit.value)},
                                    {"bound", number(hit.bound)},
                                    {"standard_errors", number(hit.standard_errors)},
                                    {"reason", hit.reason}});
  }
  object["identifiability"] = {{"condition_number", number(result.condition)},
                               {"statement", result.identifiability}};
  if (result.hold_out) {
    object["hold_out"] = {{"points", result.hold_out->points},
                          {"rms", number(result.hold_out->rms)},
                          {"chi2_per_point", number(result.hold_out->chi2_per_point)},
                          {"coverage95", number(result.hold_out->coverage95)}};
  }
  object["figures"] = estimates_json(result.figures);
  object["methods"] = Json::object();
  for (const auto& [method, estimates] : result.alternatives) {
    object["methods"][method] = estimates_json(estimates);
  }
  object["tables"] = Json::object();
  for (const ResultTable& table : result.tables) {
    if (table.in_report) object["tables"][table.name] = table_json(table);
  }
  object["inputs"] = Json::array();
  for (const InputFile& input : result.inputs) {
    object["inputs"].push_back(
        {{"file", input.path}, {"format", input.format}, {"sha256", input.sha256}});
  }
  object["settings"] = result.settings;
  Json device;
  device["parameters"] = Json::array();
  for (const DeviceEntry& entry : result.device) {
    device["parameters"].push_back({{"key", entry.key},
                                    {"unit", entry.unit},
                                    {"parameter", entry.parameter},
                                    {"factor", entry.factor}});
  }
  device["conditions"] = Json::object();
  for (const auto& [key, value] : result.device_conditions) device["conditions"][key] = value;
  device["left_out"] = left_out;
  object["device"] = device;
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string residuals_csv(const CalibrationResult& result) {
  std::string text = "place,x,y,model,sigma,residual,standardised,leverage,used\n";
  const auto cell = csv_number;
  for (const ResidualRow& row : result.residuals) {
    text += fmt::format("{},{},{},{},{},{},{},{},{}\n", csv_cell(row.place), cell(row.x),
                        cell(row.y), cell(row.model), cell(row.sigma), cell(row.y - row.model),
                        cell(row.standardised), cell(row.leverage), row.used ? 1 : 0);
  }
  return text;
}

std::string report_html(const CalibrationResult& result) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<style>body{{font-family:sans-serif;max-width:76em;margin:2em auto;padding:0 1em;"
      "line-height:1.4}}table{{border-collapse:collapse}}td,th{{border:1px solid #bbb;"
      "padding:.3em .6em;text-align:left}}td "
      "code{{overflow-wrap:anywhere}}td.n{{white-space:nowrap}}pre{{background:#f4f4f4;padding:1em;"
      "overflow-x:auto}}"
      ".accepted{{color:#006b3c}}.rejected,.not-identifiable,.no-convergence{{color:#b00020}}"
      "</style></head><body>\n<h1>{0}</h1>\n",
      html_escaped("attojoule calibrate " + result.kind));
  html += fmt::format("<p>Verdict: <b class=\"{0}\">{0}</b></p>\n", name_of(result.verdict));
  html += list_html("Reasons", result.reasons);
  html += list_html("Warnings", result.warnings);
  html += fmt::format("<h2>Model</h2>\n<p><code>{}</code></p>\n<p>Method: {}</p>\n",
                      html_escaped(result.model), html_escaped(result.method));
  html += fmt::format("<h2>Parameters</h2>\n{}", estimates_html(result.parameters));
  html +=
      fmt::format("<p>{} points used, {} left out.", result.points_used, result.rejected.size());
  // Without a chi2 nothing was fitted.
  if (std::isfinite(result.chi2_reduced())) {
    html += fmt::format(" chi2/dof {:.4g} ({:g} degrees of freedom). Type A covariance {}.",
                        result.chi2_reduced(), result.dof,
                        result.covariance_scaled
                            ? "scaled by chi2/dof (only ratios of the sigmas are known)"
                            : "not scaled (known sigmas)");
  }
  html += fmt::format(" {}</p>\n", html_escaped(result.identifiability));
  if (!result.figures.empty()) {
    html += fmt::format("<h2>Figures</h2>\n{}", estimates_html(result.figures));
  }
  for (const auto& [method, estimates] : result.alternatives) {
    html += fmt::format("<h2>Method {}</h2>\n{}", html_escaped(method), estimates_html(estimates));
  }
  if (result.hold_out) {
    html += fmt::format(
        "<h2>Held-out points</h2>\n<p>{} points, {}: rms {:.4g}, "
        "chi2 per point {:.3g}, {:.1f} % inside their 95 % bands.</p>\n",
        result.hold_out->points, result.hold_out->how, result.hold_out->rms,
        result.hold_out->chi2_per_point, 100 * result.hold_out->coverage95);
  }
  for (const ResultTable& table : result.tables) {
    if (table.in_report) html += table_html(table);
  }
  if (!result.plots.empty()) html += "<h2>Plots</h2>\n";
  for (const Plot& plot : result.plots) html += svg_of(plot);
  if (!result.rejected.empty()) {
    html += "<h2>Points left out</h2>\n<table>\n<tr><th>place</th><th>why</th></tr>\n";
    for (const RejectedPoint& point : grouped(result.rejected)) {
      html += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", html_escaped(point.place),
                          html_escaped(point.reason));
    }
    html += "</table>\n";
  }
  html += "<h2>Inputs</h2>\n<table>\n<tr><th>file</th><th>format</th><th>sha256</th></tr>\n";
  for (const InputFile& input : result.inputs) {
    html += fmt::format("<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>\n",
                        html_escaped(input.path), html_escaped(input.format), input.sha256);
  }
  html += "</table>\n";
  if (!result.settings.empty()) {
    html += "<h2>Settings</h2>\n<table>\n";
    for (const auto& [name, value] : result.settings) {
      html +=
          fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", html_escaped(name), html_escaped(value));
    }
    html += "</table>\n";
  }
  if (!result.python.empty()) {
    html += fmt::format("<h2>Check in Python</h2>\n<pre>{}</pre>\n", html_escaped(result.python));
  }
  html += fmt::format("<p>Written by attojoule {} ({}).</p>\n</body></html>\n",
                      data::program_version(), data::git_sha());
  return html;
}

DeviceText device_yaml(const CalibrationResult& result, const std::string& base_yaml,
                       const data::DeviceCalibration& base_calibration) {
  DeviceText text;
  if (!has_device_values(result)) return text;
  std::string yaml = base_yaml;
  for (const auto& [key, value] : result.device_conditions) {
    data::ConfigNode root = data::ConfigNode::parse(yaml, "base device");
    root.set(key + "=" + value);
    yaml = root.dump();
  }
  std::vector<std::pair<Eigen::Index, double>> taken;  // which parameter, times what
  data::DeviceCalibration own;
  // A value may need another one that is set after it (a transimpedance amplifier its resistor):
  // what is refused is tried again while anything else is taken.
  std::vector<DeviceEntry> waiting = result.device;
  for (bool progress = true; progress && !waiting.empty();) {
    progress = false;
    text.left_out.clear();
    std::vector<DeviceEntry> refused;
    for (const DeviceEntry& entry : waiting) {
      result.parameter(entry.parameter);  // must be there
      std::size_t k = 0;
      while (result.parameters[k].name != entry.parameter) ++k;
      const Estimate& e = result.parameters[k];
      const double value = e.value * entry.factor;
      try {
        data::ConfigNode root =
            without_other_description(data::ConfigNode::parse(yaml, "base device"), entry.key);
        root.set(fmt::format("{}={:.17g}{}", entry.key, value,
                             entry.unit == "1" ? "" : " " + entry.unit));
        const std::string next = root.dump();
        data::parse_device(next, "device.yaml");
        yaml = next;
      } catch (const ConfigError& error) {
        text.left_out.push_back(fmt::format("{} ({})", entry.key, one_line(error.what())));
        refused.push_back(entry);
        continue;
      }
      progress = true;
      taken.emplace_back(static_cast<Eigen::Index>(k), entry.factor);
      own.parameters.push_back({entry.key, entry.unit, value, e.u_a * std::abs(entry.factor),
                                e.u_b * std::abs(entry.factor)});
    }
    waiting = refused;
  }
  if (taken.empty()) return text;
  const Eigen::MatrixXd all = result.covariance();
  text.yaml = "# Written by attojoule calibrate " + result.kind + ".\n";
  for (const std::string& item : text.left_out) text.yaml += "# left out: " + item + "\n";
  text.yaml += yaml;
  if (!text.yaml.ends_with("\n")) text.yaml += "\n";
  own.source = "attojoule calibrate " + result.kind;
  for (const InputFile& input : result.inputs) {
    own.source +=
        fmt::format(", {} (sha256 {})", std::filesystem::path(input.path).filename().string(),
                    input.sha256.substr(0, 16));
  }
  // Elements, not a product of matrices: a covariance that is not known concerns others.
  for (const auto& [i, factor] : taken) {
    for (const auto& [k, other_factor] : taken) {
      own.covariance.push_back(all(i, k) * factor * other_factor);
    }
  }
  text.yaml += data::calibration_to_yaml(data::combine(base_calibration, own));
  return text;
}

std::vector<std::string> write_calibration(const CalibrationResult& result,
                                           const std::filesystem::path& directory,
                                           const WriteOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error || !std::filesystem::is_directory(directory)) {
    throw RunError(
        fmt::format("{}: is no directory and cannot be made one ({}). Choose another "
                    "--out.",
                    directory.string(), error ? error.message() : "a file has that name"));
  }
  data::Provenance provenance;
  provenance.command_line = options.command_line;
  provenance.config = result.kind + ": " + result.method;
  for (const InputFile& input : result.inputs) {
    provenance.dataset_sha256 += (provenance.dataset_sha256.empty() ? "" : ",") + input.sha256;
  }
  data::ResultWriter writer(directory / "cal.h5", provenance);
  const std::string names_axis = "/calibration/parameter";
  std::vector<std::string> names, units;
  std::vector<double> values, u_a, u_b, low, high, low68, high68;
  for (const Estimate& e : result.parameters) {
    names.push_back(e.name);
    units.push_back(e.unit);
    values.push_back(e.value);
    u_a.push_back(e.u_a);
    u_b.push_back(e.u_b);
    low.push_back(e.interval_low);
    high.push_back(e.interval_high);
    low68.push_back(e.interval68_low);
    high68.push_back(e.interval68_high);
  }
  if (!names.empty()) {
    writer.axis(names_axis, names, "parameter");
    writer.write("/calibration/unit", units, {names_axis}, "unit of the parameter");
    writer.write("/calibration/value", values, {names_axis}, "1", "in the parameter's unit");
    writer.write("/calibration/u_a", u_a, {names_axis}, "1", "standard uncertainty, type A");
    writer.write("/calibration/u_b", u_b, {names_axis}, "1", "standard uncertainty, type B");
    writer.write("/calibration/interval95_low", low, {names_axis}, "1", "95 % interval, lower end");
    writer.write("/calibration/interval95_high", high, {names_axis}, "1",
                 "95 % interval, upper end");
    writer.write("/calibration/interval68_low", low68, {names_axis}, "1",
                 "68.27 % interval, lower end");
    writer.write("/calibration/interval68_high", high68, {names_axis}, "1",
                 "68.27 % interval, upper end");
    const Eigen::MatrixXd covariance = result.covariance();
    std::vector<std::string> others = names;
    writer.axis("/calibration/parameter_2", others, "parameter");
    std::vector<double> flat;
    for (Eigen::Index i = 0; i < covariance.rows(); ++i) {
      for (Eigen::Index k = 0; k < covariance.cols(); ++k) flat.push_back(covariance(i, k));
    }
    writer.write("/calibration/covariance", flat, {names_axis, "/calibration/parameter_2"}, "1",
                 "covariance, types A and B");
  }
  writer.scalar("/calibration/kind", result.kind, "kind of calibration");
  writer.scalar("/calibration/verdict", std::string(name_of(result.verdict)), "verdict");
  writer.scalar("/calibration/chi2", result.chi2, "1", "chi-square");
  writer.scalar("/calibration/degrees_of_freedom", result.dof, "1", "degrees of freedom");
  if (!result.residuals.empty()) {
    std::vector<double> index, x, y, model, sigma;
    for (const ResidualRow& row : result.residuals) {
      index.push_back(static_cast<double>(index.size()));
      x.push_back(row.x);
      y.push_back(row.y);
      model.push_back(row.model);
      sigma.push_back(row.sigma);
    }
    writer.axis("/calibration/point", index, "1", "point");
    writer.write("/calibration/x", x, {"/calibration/point"}, "1", "abscissa");
    writer.write("/calibration/y", y, {"/calibration/point"}, "1", "measured");
    writer.write("/calibration/model", model, {"/calibration/point"}, "1", "fitted");
    writer.write("/calibration/sigma", sigma, {"/calibration/point"}, "1",
                 "standard deviation used");
  }
  for (const ResultTable& table : result.tables) write_table(writer, table);
  // A device file of an earlier run must not stand beside a result that has none.
  const DeviceText device = device_yaml(result, options.base_device_yaml, options.base_calibration);
  if (device.yaml.empty()) {
    std::filesystem::remove(directory / "device.yaml", error);
  } else {
    write_whole(directory / "device.yaml", device.yaml);
  }
  write_whole(directory / "residuals.csv", residuals_csv(result));
  write_whole(directory / "report.html", report_html(result));
  for (const ResultTable& table : result.tables) {
    write_whole(directory / (table.name + ".csv"), table_csv(table));
  }
  if (result.python.empty()) {
    std::filesystem::remove(directory / "check.py", error);
  } else {
    write_whole(directory / "check.py", result.python);
  }
  writer.commit();
  write_whole(directory / "result.json", result_json(result, device.left_out));
  return device.left_out;
}

}  // namespace attojoule::calibration
