#include "tools/calibrate/outcome.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "data/version.hpp"
#include "photonics/error.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

constexpr int exit_rejected = 6;

std::pair<double, double> interval_of(const OutcomeParameter& parameter) {
  if (parameter.interval95) return *parameter.interval95;
  const double u = std::hypot(parameter.u_a, parameter.u_b);
  return {parameter.value - 2 * u, parameter.value + 2 * u};
}

// JSON has no NaN and no infinity.
nlohmann::ordered_json number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json as_json(const Outcome& outcome) {
  nlohmann::ordered_json json;
  json["kind"] = outcome.kind;
  json["program_version"] = data::program_version();
  json["command_line"] = command_line();
  json["inputs"] = nlohmann::ordered_json::array();
  for (const auto& input : outcome.inputs) {
    json["inputs"].push_back(
        {{"file", input.file}, {"format", input.format}, {"sha256", input.sha256}});
  }
  json["parameters"] = nlohmann::ordered_json::object();
  for (const auto& parameter : outcome.parameters) {
    const auto [low, high] = interval_of(parameter);
    json["parameters"][parameter.name] = {{"value", number(parameter.value)},
                                          {"unit", parameter.unit},
                                          {"u_a", number(parameter.u_a)},
                                          {"u_b", number(parameter.u_b)},
                                          {"interval95", {number(low), number(high)}}};
  }
  json["chi2_reduced"] =
      outcome.chi2_reduced ? number(*outcome.chi2_reduced) : nlohmann::ordered_json(nullptr);
  json["verdict"] = outcome.verdict;
  json["warnings"] = outcome.warnings;
  for (const auto& [key, value] : outcome.details.items()) json[key] = value;
  json["python_check"] = outcome.python_check;
  return json;
}

std::vector<std::vector<std::string>> parameter_rows(const Outcome& outcome) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& parameter : outcome.parameters) {
    const auto [low, high] = interval_of(parameter);
    rows.push_back({parameter.name, parameter.unit, significant(parameter.value, 6),
                    significant(parameter.u_a, 2), significant(parameter.u_b, 2),
                    fmt::format("{} to {}", significant(low, 5), significant(high, 5))});
  }
  return rows;
}

const std::vector<std::string> parameter_head = {"parameter", "unit", "value",
                                                 "u_A",       "u_B",  "95 %"};

std::string as_text(const Outcome& outcome) {
  std::string text = format_table(parameter_head, parameter_rows(outcome));
  text += "\n";
  if (outcome.chi2_reduced) {
    text += fmt::format("chi2 per degree of freedom: {}\n", significant(*outcome.chi2_reduced, 4));
  }
  text += fmt::format("verdict: {}\n", outcome.verdict);
  return text;
}

std::string as_html(const Outcome& outcome) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>calibrate "
      "{0}</title>\n<style>body{{font-family:sans-serif;max-width:60em;margin:2em "
      "auto}}table{{border-collapse:collapse}}td,th{{border:1px solid "
      "#bbb;padding:.2em .6em;text-align:right}}td:first-child{{text-align:left}}pre{{background:"
      "#f4f4f4;padding:.6em;overflow:auto}}</style></head><body>\n<h1>calibrate {0}</h1>\n",
      html_text(outcome.kind));
  html += fmt::format("<p>Verdict: <b>{}</b>{}</p>\n", html_text(outcome.verdict),
                      outcome.chi2_reduced ? fmt::format(", &chi;&sup2; per degree of freedom {}",
                                                         significant(*outcome.chi2_reduced, 4))
                                           : "");
  html += "<table><tr>";
  for (const auto& head : parameter_head) html += fmt::format("<th>{}</th>", html_text(head));
  html += "</tr>\n";
  for (const auto& row : parameter_rows(outcome)) {
    html += "<tr>";
    for (const auto& cell : row) html += fmt::format("<td>{}</td>", html_text(cell));
    html += "</tr>\n";
  }
  html +=
      "</table>\n<p>u_A: from the scatter of the data; u_B: from what scatter does not show "
      "(scale errors, assumptions). 95 %: k = 2 unless the law is known better.</p>\n";
  if (!outcome.warnings.empty()) {
    html += "<h2>Warnings</h2>\n<ul>\n";
    for (const auto& warning : outcome.warnings) {
      html += fmt::format("<li>{}</li>\n", html_text(warning));
    }
    html += "</ul>\n";
  }
  for (const auto& plot : outcome.plots) html += fmt::format("<p>{}</p>\n", svg_plot(plot));
  html += "<h2>Inputs</h2>\n<ul>\n";
  for (const auto& input : outcome.inputs) {
    html += fmt::format("<li>{} ({}), sha256 {}</li>\n", html_text(input.file),
                        html_text(input.format), input.sha256);
  }
  html += "</ul>\n";
  if (!outcome.python_check.empty()) {
    html += fmt::format("<h2>Check it in Python</h2>\n<pre>{}</pre>\n",
                        html_text(outcome.python_check));
  }
  html += fmt::format("<p>{} &middot; attojoule {}</p>\n</body></html>\n",
                      html_text(command_line()), data::program_version());
  return html;
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::path temporary = file;
  temporary += ".part";
  std::error_code problem;
  {
    std::ofstream stream(temporary, std::ios::binary);
    stream << text;
    stream.flush();
    if (!stream) problem = std::make_error_code(std::errc::io_error);
  }
  if (!problem) std::filesystem::rename(temporary, file, problem);
  if (problem) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw RunError(fmt::format("{}: cannot be written ({}). Give another --out.", file.string(),
                               problem.message()));
  }
}

}  // namespace

void Outcome::add_input(const data::LabTable& table) {
  inputs.push_back({table.file.string(), table.format, table.sha256});
  for (const auto& warning : table.warnings) {
    warnings.push_back(fmt::format("{}: {}", table.file.filename().string(), warning));
  }
}

const OutcomeParameter& Outcome::parameter(const std::string& name) const {
  const auto at = std::find_if(parameters.begin(), parameters.end(),
                               [&](const OutcomeParameter& p) { return p.name == name; });
  if (at == parameters.end()) throw std::logic_error("no parameter " + name);
  return *at;
}

void OutcomeOptions::define(CLI::App& app) {
  app.add_option("--out", out,
                 "Folder for result.json, residuals.csv and report.html (default: none written)");
  app.add_flag("--json", json, "Print result.json instead of a table");
  app.add_flag("--strict", strict, "Exit code 6 where the model is rejected by the data");
}

int deliver(const Outcome& outcome, const OutcomeOptions& options, const Streams& streams) {
  const auto json = as_json(outcome);
  if (!options.out.empty()) {
    const std::filesystem::path folder = options.out;
    std::error_code problem;
    std::filesystem::create_directories(folder, problem);
    if (problem) {
      throw RunError(fmt::format("{}: the folder cannot be made ({}). Give another --out.",
                                 folder.string(), problem.message()));
    }
    if (!outcome.residuals.empty()) {
      data::LabTable table;
      table.file = outcome.inputs.empty() ? "" : outcome.inputs.front().file;
      table.format = outcome.inputs.empty() ? "" : outcome.inputs.front().format;
      table.sha256 = outcome.inputs.empty() ? "" : outcome.inputs.front().sha256;
      table.columns = outcome.residuals;
      data::write_lab_csv(table, folder / "residuals.csv");
    }
    write_text(folder / "report.html", as_html(outcome));
    write_text(folder / "result.json", json.dump(2) + "\n");
  }
  streams.out << (options.json ? json.dump(2) + "\n" : as_text(outcome));
  for (const auto& warning : outcome.warnings) streams.err << "warning: " << warning << "\n";
  return options.strict && outcome.verdict != "accepted" ? exit_rejected : 0;
}

std::pair<double, double> parse_range(const std::string& text, std::string_view unit) {
  std::pair<double, double> range{-std::numeric_limits<double>::infinity(),
                                  std::numeric_limits<double>::infinity()};
  if (text.empty()) return range;
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    throw ConfigError(
        fmt::format("--range: \"{}\" has no colon. Write for example --range "
                    "1{}:2{}.",
                    data::shown_text(text), unit, unit));
  }
  const auto end = [&](const std::string& part, double missing) {
    if (part.find_first_not_of(" \t") == std::string::npos) return missing;
    data::LabTable one;
    one.file = "--range";
    one.settings["range"] = part;
    try {
      return *data::setting_in(one, "range", unit);
    } catch (const DataError&) {
      throw ConfigError(
          fmt::format("--range: \"{}\" is no number in [{}]. Write for example "
                      "--range 1{}:2{}.",
                      data::shown_text(part), unit, unit, unit));
    }
  };
  range.first = end(text.substr(0, colon), range.first);
  range.second = end(text.substr(colon + 1), range.second);
  if (!(range.first < range.second)) {
    throw ConfigError(
        fmt::format("--range: \"{}\" is empty (its ends are in the wrong order). Swap "
                    "them.",
                    data::shown_text(text)));
  }
  return range;
}

std::string choose_column(const data::LabTable& table, const std::string& name,
                          std::string_view unit, const std::string& option,
                          const std::string& what) {
  if (!name.empty()) return table.column(name).name;
  const auto wanted = data::parse_lab_unit(unit);
  std::vector<std::string> fitting;
  for (const auto& column : table.columns) {
    const auto have = data::parse_lab_unit(column.unit);
    if (have && !column.unit.empty() && data::same_dimension(*have, *wanted)) {
      fitting.push_back(column.name);
    }
  }
  if (fitting.size() == 1) return fitting.front();
  std::vector<std::string> all;
  for (const auto& column : table.columns) all.push_back(column.name);
  throw DataError(fmt::format("{}: {} columns could be {} in [{}]; name it with {} (columns: {})",
                              table.file.string(), fitting.size(), what, unit, option,
                              data::joined_names(all)));
}

}  // namespace attojoule::tools
