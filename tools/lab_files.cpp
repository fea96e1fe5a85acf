#include "tools/lab_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/device_file.hpp"
#include "data/version.hpp"
#include "photonics/error.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

using calibration::Bench;
using calibration::BenchMeasurement;
using calibration::BenchSeries;

// Kinds that put parameters into a device, in the order in which they build on each other.
constexpr std::array chained{"responsivity", "shot-noise", "ptc", "loss", "mzm", "cmrr",
                             "visibility",   "s21",        "adc", "li",   "rin", "linewidth"};

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.flush();
  if (!stream) {
    throw RunError(fmt::format("{}: cannot be written. Give another --lab-files.", file.string()));
  }
}

std::string shell_word(const std::string& text) {
  return text.find_first_of(" ,;()*?") == std::string::npos ? text : "\"" + text + "\"";
}

std::string command(const BenchMeasurement& m) {
  std::string text = fmt::format("attojoule calibrate {} {}", m.kind, m.file);
  for (const std::string& argument : m.arguments) text += " " + shell_word(argument);
  return text;
}

nlohmann::ordered_json truth(const photonics::Device& device, const Bench& bench,
                             const BenchSeries& series) {
  nlohmann::ordered_json json;
  json["device"] = device.name;
  json["seed"] = bench.seed;
  json["program_version"] = data::program_version();
  json["command_line"] = command_line();
  json["power_meter_reads"] = series.power_meter_reads;
  json["measurements"] = nlohmann::ordered_json::array();
  for (const BenchMeasurement& m : series.measurements) {
    nlohmann::ordered_json entry{
        {"kind", m.kind}, {"file", m.file}, {"arguments", m.arguments}, {"about", m.about}};
    for (const auto& value : m.truth) {
      entry["truth"][value.name] = {{"value", value.value}, {"unit", value.unit}};
    }
    json["measurements"].push_back(entry);
  }
  json["not_measured"] = nlohmann::ordered_json::object();
  for (const auto& [kind, why] : series.not_measured) json["not_measured"][kind] = why;
  return json;
}

std::string readme(const photonics::Device& device, const std::string& source, const Bench& bench,
                   const BenchSeries& series) {
  std::string text = fmt::format(
      "# Laboratory files of {}\n\nSimulated by attojoule {} with seed {}: what a bench would "
      "measure, with the errors of its instruments. `truth.json` holds what is true, and "
      "`device.yaml` the device itself; a calibration should find them within its "
      "uncertainties.\n\n"
      "| file | kind | what |\n|---|---|---|\n",
      device.name, data::program_version(), bench.seed);
  for (const BenchMeasurement& m : series.measurements) {
    text += fmt::format("| `{}` | `{}` | {} |\n", m.file, m.kind, m.about);
  }
  text += fmt::format(
      "\nInstruments: power meter with a scale of {:.1f} % (standard uncertainty; one error for "
      "all "
      "readings) and {:.2f} % repeatability, displays of {} digits, spectrum analyser with RBW "
      "{:g} "
      "kHz, {} log-averaged sweeps, steps of {:g} dB and a gain that drifts {:g} dB from trace to "
      "trace, couplings that repeat to {:g} dB.\n\n## One device from all of it\n\nEvery kind "
      "starts from the device of the one before; the calibrations add up.\n\n```\n",
      100 * bench.power_scale_u, 100 * bench.power_repeatability, bench.meter_digits,
      bench.rbw_hz / 1e3, bench.sweeps, bench.level_step_db, bench.gain_drift_db,
      bench.coupling_repeatability_db);
  std::string before = source;
  std::string rest;
  for (const char* kind : chained) {
    for (const BenchMeasurement& m : series.measurements) {
      if (m.kind != kind) continue;
      text +=
          fmt::format("{} --device {} --out calibrated/{}\n", command(m), shell_word(before), kind);
      before = fmt::format("calibrated/{}/device.yaml", kind);
    }
  }
  for (const BenchMeasurement& m : series.measurements) {
    if (std::find(chained.begin(), chained.end(), m.kind) == chained.end()) {
      rest += command(m) + fmt::format(" --out calibrated/{}\n", m.kind);
    }
  }
  text += "```\n";
  if (!rest.empty())
    text += "\nFigures that no device parameter takes by itself:\n\n```\n" + rest + "```\n";
  if (!series.not_measured.empty()) {
    text += "\nNot measured:\n\n";
    for (const auto& [kind, why] : series.not_measured)
      text += fmt::format("* `{}`: {}\n", kind, why);
  }
  return text;
}

}  // namespace

void write_lab_files(const photonics::Device& device, const std::string& source, const Bench& bench,
                     const std::filesystem::path& folder, bool json, const Streams& streams) {
  const BenchSeries series = calibration::simulate_bench(device, bench);
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem || !std::filesystem::is_directory(folder)) {
    throw RunError(fmt::format("{}: the folder cannot be made ({}). Give another --lab-files.",
                               folder.string(),
                               problem ? problem.message() : "a file has that name"));
  }
  const auto true_values = truth(device, bench, series);
  for (const BenchMeasurement& m : series.measurements) {
    data::write_lab_csv(m.table, folder / m.file);
  }
  write_text(folder / "device.yaml", data::device_to_yaml(device));
  write_text(folder / "README.md", readme(device, source, bench, series));
  write_text(folder / "truth.json", true_values.dump(2) + "\n");
  if (json) {
    streams.out << true_values.dump(2) << "\n";
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const BenchMeasurement& m : series.measurements) rows.push_back({m.file, m.kind, m.about});
  streams.out << format_table({"file", "kind", "what"}, rows);
  for (const auto& [kind, why] : series.not_measured) {
    streams.out << fmt::format("not measured: {} ({})\n", kind, why);
  }
  streams.out << fmt::format("{}: the commands that calibrate a device from these files\n",
                             (folder / "README.md").string());
}

}  // namespace attojoule::tools
