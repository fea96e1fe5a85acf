// attojoule calibrate li: threshold and slope of a laser diode.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "calibration/light_current.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  std::string current, power, sigma, power_scale, current_scale;
  bool keep_rollover = false;
};

int run(const Options& options, const Streams& streams) {
  if (options.common.files.size() != 1) {
    throw ConfigError("li: more than one file (one sweep is fitted). Give one.");
  }
  const auto table =
      data::read_lab_file(options.common.files[0], options.common.reading.read_options());
  const ColumnWish current{"current",
                           "--current",
                           options.current,
                           {"I", "current", "laser current", "drive current", "I_LD", "I_laser",
                            "I_drive", "bias current", "bias"},
                           "A"};
  const ColumnWish power{"optical power",
                         "--power",
                         options.power,
                         {"P", "power", "optical power", "P_opt", "L", "light", "P_out",
                          "output power", "light output"},
                         "W"};
  const ColumnWish sigma{"standard deviation",
                         "--sigma",
                         options.sigma,
                         {"sigma", "sigma_P", "u_P", "std", "err"},
                         "W"};
  const std::string current_column = require_column(table, current);
  const std::string power_column = require_column(table, power, {current_column});
  calibration::LightCurrentData data;
  std::vector<double> x = values_of(table, current_column, current);
  std::vector<double> y = values_of(table, power_column, power);
  std::vector<double> s;
  if (!options.sigma.empty()) s = values_of(table, require_column(table, sigma), sigma);
  const auto range = options.common.parsed_range(table.column(current_column).unit);
  const auto& own_unit = table.column(current_column).values;  // --range is in the column's unit
  std::size_t outside = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (range && (own_unit[i] < range->first || own_unit[i] > range->second)) {
      ++outside;
      continue;
    }
    data.current_a.push_back(x[i]);
    data.power_w.push_back(y[i]);
    if (!s.empty()) data.sigma_w.push_back(s[i]);
    data.places.push_back(place_of_row(table, i));
  }
  if (options.common.scale_sigma) data.sigma_w.clear();
  if (options.common.known_sigma && data.sigma_w.empty()) {
    throw ConfigError(
        "--known-sigma: no standard deviations are given (nothing is known of the scatter). Pass "
        "--sigma COLUMN.");
  }
  data.keep_rollover = options.keep_rollover;
  if (!options.power_scale.empty()) {
    data.power_scale_uncertainty =
        option_quantity("--power-scale-uncertainty", options.power_scale, "1");
  }
  if (!options.current_scale.empty()) {
    data.current_scale_uncertainty =
        option_quantity("--current-scale-uncertainty", options.current_scale, "1");
  }
  auto result = calibration::calibrate_light_current(data, options.common.holdout_blocks());
  if (outside > 0) {
    result.warnings.push_back(fmt::format("{} points outside --range are not used", outside));
  }
  note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_li() {
  Verb verb;
  verb.name = "li";
  verb.summary = "Light-current line of a laser diode: threshold and slope";
  verb.description =
      "P = P_0 + s I + eta w ln(1 + exp((I - I_th) / w)): threshold_current [A] and\n"
      "slope_efficiency [W/A], with the knee's width where the current steps resolve it. Points "
      "of\n"
      "thermal roll-over are left out and named (--keep-rollover).\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable, 6 model\n"
      "rejected (--strict).";
  verb.examples = {"attojoule calibrate li data/laboratory/light_current.csv"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    app.add_option("--current", options->current, "Column of the current");
    app.add_option("--power", options->power, "Column of the optical power");
    app.add_option("--sigma", options->sigma, "Column of the power's standard deviations");
    app.add_option("--power-scale-uncertainty", options->power_scale,
                   "Of the power meter's scale, type B: 3%");
    app.add_option("--current-scale-uncertainty", options->current_scale, "Type B: 0.1%");
    app.add_flag("--keep-rollover", options->keep_rollover, "Fit the roll-over as well");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
