// attojoule calibrate visibility: interference fringes.
#include "calibration/visibility.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "data/lab_units.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  CurveOptions columns;
  std::string dark, dark_uncertainty, power_ratio, power_ratio_uncertainty, quantum_efficiency,
      transmission, clearance;
};

bool has_dimension(const std::string& unit, const char* of) {
  const auto have = data::parse_lab_unit(unit), want = data::parse_lab_unit(of);
  return have && want && data::same_dimension(*have, *want);
}

int run(const Options& options, const Streams& streams) {
  const auto table = read_only_file("visibility", options.common);
  const ColumnWish signal_wish{
      "signal",
      "--signal",
      options.columns.y,
      {"I", "current", "photocurrent", "P", "power", "V", "signal", "voltage", "y", "intensity"},
      "A"};
  std::vector<std::string> named;
  if (!signal_wish.given.empty()) named.push_back(find_column(table, signal_wish));
  // The scan keeps its unit, whatever it is; a phase becomes radians.
  ColumnWish scan{"scan", "--scan", options.columns.x, {}, ""};
  if (scan.given.empty()) {
    for (const char* name :
         {"phase", "scan", "position", "delay", "piezo", "drive", "V_piezo", "t", "time", "x"}) {
      if (scan.given.empty() && table.find(name) != nullptr) scan.given = name;
    }
    if (scan.given.empty() && table.columns.size() == 2) scan.given = table.columns[0].name;
    if (scan.given.empty()) {
      throw DataError(
          fmt::format("{}: no column of the scan has a usual name. Name it with --scan "
                      "NAME.",
                      table.file.string()));
    }
  }
  const std::string scan_column = require_column(table, scan, named);
  const std::string scan_unit = table.column(scan_column).unit;
  const LinearSignal signal = linear_signal(table, signal_wish, {scan_column});
  calibration::VisibilityData data;
  data.x_is_phase = has_dimension(scan_unit, "rad");
  std::vector<calibration::RejectedPoint> outside;
  data.curve = read_signal_curve(options.common, options.columns, table, scan_column,
                                 data.x_is_phase     ? "rad"
                                 : scan_unit.empty() ? "1"
                                                     : scan_unit,
                                 signal, outside);
  data.dark = optional_quantity("--dark", options.dark, signal.unit);
  data.dark_uncertainty =
      optional_quantity("--dark-uncertainty", options.dark_uncertainty, signal.unit).value_or(0);
  data.power_ratio = optional_quantity("--power-ratio", options.power_ratio, "1");
  data.power_ratio_uncertainty =
      optional_quantity("--power-ratio-uncertainty", options.power_ratio_uncertainty, "1")
          .value_or(0);
  data.quantum_efficiency =
      optional_quantity("--quantum-efficiency", options.quantum_efficiency, "1");
  data.optical_transmission =
      optional_quantity("--optical-transmission", options.transmission, "1").value_or(1);
  data.clearance_db = optional_quantity("--clearance", options.clearance, "dB");
  auto result = calibration::calibrate_visibility(data, options.common.holdout_blocks());
  result.rejected.insert(result.rejected.end(), outside.begin(), outside.end());
  note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_visibility() {
  Verb verb;
  verb.name = "visibility";
  verb.summary = "Visibility of interference fringes, and the beams' mode overlap";
  verb.description =
      "y = m [1 + V cos(2 pi x / period + phase)] of a scan (voltage, position, time), or of a "
      "phase in\n"
      "rad or deg. --dark takes the detector's dark level off; --power-ratio P_2/P_1 makes the "
      "mode\n"
      "overlap V (1 + k) / (2 sqrt(k)) of it, which the device file takes (receiver.visibility).\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable (too little of "
      "a\n"
      "fringe), 6 model rejected (--strict).";
  verb.examples = {
      "attojoule calibrate visibility data/laboratory/fringes.csv --dark 0.4uA --power-ratio 1.3"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    options->columns.define(app, "--scan", "Column of the scan or phase", "--signal",
                            "Column of the signal");
    app.add_option("--dark", options->dark, "Signal without light, in its unit: 0.2uA");
    app.add_option("--dark-uncertainty", options->dark_uncertainty, "Standard, type B: 0.01uA");
    app.add_option("--power-ratio", options->power_ratio, "Of the two beams, P_2 / P_1");
    app.add_option("--power-ratio-uncertainty", options->power_ratio_uncertainty,
                   "Relative, type B: 2%");
    app.add_option("--quantum-efficiency", options->quantum_efficiency,
                   "Of the photodiodes; gives eta_total");
    app.add_option("--optical-transmission", options->transmission,
                   "Of the way to the diodes, for eta_total");
    app.add_option("--clearance", options->clearance,
                   "Shot noise over electronics, for eta_total: 12dB");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
