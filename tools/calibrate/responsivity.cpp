// attojoule calibrate responsivity: photocurrent against optical power.
#include "calibration/responsivity.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  CurveOptions columns;
  std::string wavelength, coupling_loss, coupling_loss_uncertainty, power_scale, current_scale;
  bool saturation = false;
};

int run(const Options& options, const Streams& streams) {
  const auto table = read_only_file("responsivity", options.common);
  calibration::ResponsivityData data;
  std::vector<calibration::RejectedPoint> outside;
  data.curve =
      read_curve(options.common, options.columns, table,
                 {"optical power",
                  "--power",
                  "",
                  {"P", "power", "optical power", "P_opt", "P_in", "input power", "P_LO", "light"},
                  "W"},
                 {"photocurrent",
                  "--current",
                  "",
                  {"I", "current", "photocurrent", "I_ph", "I_pd", "diode current", "I_diode"},
                  "A"},
                 outside);
  data.wavelength_m = optional_quantity("--wavelength", options.wavelength, "m");
  if (!data.wavelength_m) data.wavelength_m = data::setting_in(table, "wavelength", "m");
  data.coupling_loss_db =
      optional_quantity("--coupling-loss", options.coupling_loss, "dB").value_or(0);
  data.coupling_loss_uncertainty_db =
      optional_quantity("--coupling-loss-uncertainty", options.coupling_loss_uncertainty, "dB")
          .value_or(0);
  data.power_scale_uncertainty =
      optional_quantity("--power-scale-uncertainty", options.power_scale, "1").value_or(0);
  data.current_scale_uncertainty =
      optional_quantity("--current-scale-uncertainty", options.current_scale, "1").value_or(0);
  data.saturation = options.saturation;
  auto result = calibration::calibrate_responsivity(data, options.common.holdout_blocks());
  result.rejected.insert(result.rejected.end(), outside.begin(), outside.end());
  note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_responsivity_kind() {
  Verb verb;
  verb.name = "responsivity";
  verb.summary = "Responsivity and quantum efficiency from photocurrent against optical power";
  verb.description =
      "I = I_dark + R P: responsivity [A/W], dark_current [A], and eta = R h c / (q lambda) where "
      "the\n"
      "wavelength is known (\"# wavelength: 1550 nm\" in the file, or --wavelength). The power is "
      "that\n"
      "of the meter; --coupling-loss takes it to the diode. Points that bend downwards "
      "(saturation) are\n"
      "left out and named; --saturation fits I_dark + R P / (1 + R P / I_sat) instead.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable, 6 model\n"
      "rejected (--strict).";
  verb.examples = {
      "attojoule calibrate responsivity data/laboratory/responsivity.csv --relative 0.5% --floor "
      "2nA --power-scale-uncertainty 2%"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    options->columns.define(app, "--power", "Column of the optical power", "--current",
                            "Column of the photocurrent");
    app.add_option("--wavelength", options->wavelength, "Where the file does not say: 1550nm");
    app.add_option("--coupling-loss", options->coupling_loss,
                   "Optical loss from the power meter to the diode: 1.2dB");
    app.add_option("--coupling-loss-uncertainty", options->coupling_loss_uncertainty,
                   "Standard uncertainty of it, type B: 0.1dB");
    app.add_option("--power-scale-uncertainty", options->power_scale,
                   "Of the power meter's scale, type B: 3%");
    app.add_option("--current-scale-uncertainty", options->current_scale,
                   "Of the current meter's scale, type B: 0.1%");
    app.add_flag("--saturation", options->saturation, "Fit the saturation current as well");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
