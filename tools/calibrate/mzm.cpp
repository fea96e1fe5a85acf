// attojoule calibrate mzm: transfer curve of a Mach-Zehnder modulator.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "calibration/mach_zehnder_curve.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  CurveOptions columns;
  std::string floor, floor_uncertainty, input_power, transmission_uncertainty, bias, length;
  std::string heater_power;
  bool curved_phase = false, heater = false;
};

int run(const Options& options, const Streams& streams) {
  const auto table = read_only_file("mzm", options.common);
  const ColumnWish voltage{"voltage",
                           "--voltage",
                           "",
                           {"V", "voltage", "bias", "V_bias", "bias voltage", "drive", "V_drive"},
                           "V"};
  const ColumnWish power{"power or transmission",
                         "--power",
                         options.columns.y,
                         {"P", "power", "T", "transmission", "P_out", "output power",
                          "optical power", "I", "photocurrent", "signal"},
                         "W"};
  // A column of that name is taken where no voltage is named or found.
  std::string heater_power = options.heater_power;
  if (heater_power.empty() && options.columns.x.empty() && !options.heater &&
      find_column(table, voltage).empty()) {
    for (const char* name : {"heater power", "P_heater", "electrical power", "P_el"}) {
      const std::string found = column_or_usual(table, name, {});
      if (heater_power.empty() && table.find(found) != nullptr) heater_power = found;
    }
  }
  const bool over_power = !heater_power.empty();
  ColumnWish x = over_power ? ColumnWish{"heater's power", "--heater-power", "", {}, "W"} : voltage;
  x.given = over_power ? heater_power : options.columns.x;
  std::vector<std::string> named;
  if (!power.given.empty()) named.push_back(find_column(table, power));
  const std::string x_column = require_column(table, x, named);
  if (over_power && (options.heater || !options.columns.x.empty())) {
    throw ConfigError(
        "--heater-power beside --heater or --voltage: the phase goes with the power or with the "
        "square of the voltage. Keep one.");
  }
  const LinearSignal signal = linear_signal(table, power, {x_column});
  const bool is_ratio = signal.is_ratio;
  calibration::MachZehnderData data;
  std::vector<calibration::RejectedPoint> outside;
  data.curve =
      read_signal_curve(options.common, options.columns, table, x_column, x.unit, signal, outside);
  data.shifter = over_power       ? calibration::PhaseShifter::heater_power
                 : options.heater ? calibration::PhaseShifter::heater_voltage
                                  : calibration::PhaseShifter::voltage;
  const std::string y_unit = signal.unit;
  data.floor = optional_quantity("--floor-level", options.floor, y_unit);
  data.floor_uncertainty =
      optional_quantity("--floor-level-uncertainty", options.floor_uncertainty, y_unit).value_or(0);
  if (is_ratio) {
    if (!options.input_power.empty()) {
      throw ConfigError(
          "--input-power: the curve is a ratio already (the power would divide it again). Leave it "
          "out.");
    }
    data.input_power = 1;
  } else if (!options.input_power.empty()) {
    data.input_power = option_quantity("--input-power", options.input_power, y_unit);
    if (!(*data.input_power > 0)) {
      throw ConfigError(fmt::format("--input-power {}: not positive (light goes in). Correct it.",
                                    options.input_power));
    }
  }
  data.transmission_uncertainty_db =
      optional_quantity("--transmission-uncertainty", options.transmission_uncertainty, "dB")
          .value_or(0);
  data.bias_v = optional_quantity("--bias", options.bias, x.unit);
  data.length_cm = optional_quantity("--length", options.length, "cm");
  data.curved_phase = options.curved_phase;
  auto result = calibration::calibrate_mach_zehnder(data, options.common.holdout_blocks());
  result.rejected.insert(result.rejected.end(), outside.begin(), outside.end());
  note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_mzm() {
  Verb verb;
  verb.name = "mzm";
  verb.summary = "Mach-Zehnder modulator: V_pi, extinction ratio, insertion loss";
  verb.description =
      "T = T_max [(1+q) + (1-q) cos phi(V)] / 2 on linear power (dB are converted): "
      "half_wave_voltage\n"
      "[V], extinction_ratio = -10 log10 q [dB, optical], maximum, phase. The curve is a power, a\n"
      "photocurrent or voltage, or a ratio (dB, %, 1); a ratio, or --input-power, gives "
      "insertion_loss.\n"
      "--curved-phase fits phi quadratic in V (depletion modulators). A heater's phase goes with "
      "its power:\n"
      "--heater takes V^2, --heater-power COLUMN what was measured (half_wave_power [W]). "
      "--floor-level takes\n"
      "the dark level off, without which the extinction ratio is that of light and darkness "
      "together.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable (sweep too "
      "short),\n"
      "6 model rejected (--strict).";
  verb.examples = {
      "attojoule calibrate mzm data/laboratory/mzm.csv --input-power 1mW --floor-level 0.2uW "
      "--relative 0.5% --floor 0.2uW"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    options->columns.define(app, "--voltage", "Column of the voltage", "--power",
                            "Column of the power or transmission");
    app.add_option("--floor-level", options->floor, "Detector's level without light: 0.2uW");
    app.add_option("--floor-level-uncertainty", options->floor_uncertainty, "Standard, type B");
    app.add_option("--input-power", options->input_power, "Before the modulator: 1mW");
    app.add_option("--transmission-uncertainty", options->transmission_uncertainty,
                   "Of the insertion loss, type B: 0.2dB");
    app.add_option("--bias", options->bias, "Operating bias, for bias_error: 2.1V");
    app.add_option("--length", options->length, "Of the phase shifter, for V_pi L: 3mm");
    app.add_flag("--curved-phase", options->curved_phase, "Phase quadratic in the voltage");
    app.add_flag("--heater", options->heater,
                 "The voltage is a heater's: phase linear in its square");
    app.add_option("--heater-power", options->heater_power,
                   "Column of a heater's power, in place of the voltage");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
