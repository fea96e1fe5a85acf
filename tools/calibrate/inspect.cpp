// attojoule calibrate inspect: what a file of measurements holds, before anything is fitted to it.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/calibrate/kinds.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  std::vector<std::string> files;
  FileOptions reading;
  bool json = false;
};

nlohmann::ordered_json as_json(const data::LabTable& table) {
  nlohmann::ordered_json object;
  object["file"] = table.file.string();
  object["format"] = table.format;
  object["sha256"] = table.sha256;
  object["rows"] = table.rows();
  object["columns"] = nlohmann::ordered_json::array();
  for (const auto& column : table.columns) {
    const auto [least, greatest] = std::minmax_element(column.values.begin(), column.values.end());
    nlohmann::ordered_json entry;
    entry["name"] = column.name;
    entry["unit"] = column.unit;
    entry["min"] = *least;
    entry["max"] = *greatest;
    if (!column.settings.empty()) entry["settings"] = column.settings;
    object["columns"].push_back(entry);
  }
  object["settings"] = table.settings;
  object["warnings"] = table.warnings;
  return object;
}

std::string as_text(const data::LabTable& table) {
  std::string text = fmt::format("{}: {}, {} rows\nsha256 {}\n\n", table.file.string(),
                                 table.format, table.rows(), table.sha256);
  std::vector<std::vector<std::string>> rows;
  for (const auto& column : table.columns) {
    const auto [least, greatest] = std::minmax_element(column.values.begin(), column.values.end());
    std::string notes;
    for (const auto& [name, value] : column.settings) {
      notes += fmt::format("{}{} {}", notes.empty() ? "" : ", ", name, value);
    }
    rows.push_back({column.name, column.unit.empty() ? "none" : column.unit, significant(*least, 6),
                    significant(*greatest, 6), notes});
  }
  text += format_table({"column", "unit", "least", "greatest", "trace"}, rows);
  if (!table.settings.empty()) text += "\nSettings:\n";
  for (const auto& [name, value] : table.settings) text += fmt::format("  {}: {}\n", name, value);
  if (!table.warnings.empty()) text += "\nWarnings:\n";
  for (const auto& warning : table.warnings) text += fmt::format("  {}\n", warning);
  return text;
}

int run(const Options& options, const Streams& streams) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < options.files.size(); ++i) {
    const auto table = data::read_lab_file(options.files[i], options.reading.read_options());
    if (options.json) {
      all.push_back(as_json(table));
    } else {
      streams.out << (i > 0 ? "\n" : "") << as_text(table);
    }
  }
  if (options.json) streams.out << (all.size() == 1 ? all[0] : all).dump(2) << "\n";
  return 0;
}

}  // namespace

Verb calibrate_inspect() {
  Verb verb;
  verb.name = "inspect";
  verb.summary = "Shows format, columns, units, settings and warnings of measurement files";
  verb.description =
      "Reads each file as every other kind would, and shows what was understood. Nothing is\n"
      "guessed in silence: what had to be assumed or left out stands under Warnings.\n"
      "Exit codes: 0 ok, 2 usage, 3 the file cannot be read (with its place and a remedy).";
  verb.examples = {"attojoule calibrate inspect data/laboratory/own_with_units.csv --json"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("files", options->files, "Measurement files")->required();
    options->reading.define(app);
    app.add_flag("--json", options->json, "One JSON object (a list of them for several files)");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
