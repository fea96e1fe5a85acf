// attojoule calibrate ring: transmission of a ring resonator.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

#include "calibration/add_drop_ring.hpp"
#include "data/lab_units.hpp"
#include "photonics/constants.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  CurveOptions columns;
  std::string fsr, circumference, group_index, path_length;
  std::string coupling = "unknown", port = "through", drop, port_ratio_uncertainty;
  bool equal_couplers = false;
};

int run(const Options& options, const Streams& streams) {
  constexpr double c = photonics::constants::speed_of_light_m_per_s;
  const auto table = read_only_file("ring", options.common);
  const ColumnWish signal_wish{
      "transmission",
      "--power",
      options.columns.y,
      {"T", "transmission", "through", "drop", "P", "power", "level", "I", "photocurrent"},
      "W"};
  std::vector<std::string> named;
  if (!signal_wish.given.empty()) named.push_back(find_column(table, signal_wish));
  // Over frequency or over wavelength; the fit is over frequency.
  const ColumnWish frequency{
      "frequency", "--abscissa", options.columns.x, {"f", "frequency", "nu"}, "Hz"};
  const ColumnWish wavelength{
      "wavelength", "--abscissa", options.columns.x, {"wavelength", "lambda", "wl"}, "nm"};
  ColumnWish by_frequency = frequency, by_wavelength = wavelength;
  std::string x_column;
  bool is_wavelength = false;
  if (!options.columns.x.empty()) {
    x_column = require_column(table, frequency);
    const auto unit = data::parse_lab_unit(table.column(x_column).unit);
    is_wavelength = unit && data::same_dimension(*unit, *data::parse_lab_unit("nm"));
  } else {
    x_column = find_column(table, by_frequency, named);
    if (x_column.empty()) {
      x_column = require_column(table, by_wavelength, named);
      is_wavelength = true;
    }
  }
  const auto over_frequency = [&](calibration::CurveData curve) {
    for (double& x : curve.x) {
      if (is_wavelength) x = c / x;
    }
    curve.x_name = "frequency";
    curve.x_unit = "Hz";
    return curve;
  };
  const LinearSignal signal = linear_signal(table, signal_wish, {x_column});
  calibration::ResonatorData data;
  std::vector<calibration::RejectedPoint> outside;
  const char* unit = is_wavelength ? "m" : "Hz";
  data.curve = over_frequency(
      read_signal_curve(options.common, options.columns, table, x_column, unit, signal, outside));
  double middle = 0;
  for (const double x : data.curve.x) middle += x / static_cast<double>(data.curve.x.size());
  if (!options.fsr.empty()) {
    const auto is_length = options.fsr.ends_with("m");
    data.fsr_hz = is_length ? option_quantity("--fsr", options.fsr, "m") * middle * middle / c
                            : option_quantity("--fsr", options.fsr, "Hz");
  }
  data.circumference_cm = optional_quantity("--circumference", options.circumference, "cm");
  data.group_index = optional_quantity("--group-index", options.group_index, "1");
  data.path_length_cm = optional_quantity("--path-length", options.path_length, "cm");
  data.coupling = options.coupling == "under"  ? calibration::Coupling::under
                  : options.coupling == "over" ? calibration::Coupling::over
                                               : calibration::Coupling::unknown;
  data.drop_port = options.port == "drop";
  data.equal_couplers = options.equal_couplers;
  if (options.drop.empty() && !options.port_ratio_uncertainty.empty()) {
    throw ConfigError(
        "--port-ratio-uncertainty: one port only (there is no ratio). Name the other one with "
        "--drop.");
  }
  if (!options.drop.empty()) {
    if (data.drop_port || data.equal_couplers || data.group_index) {
      throw ConfigError(
          "--drop beside --port drop, --equal-couplers or --group-index: the two ports give both "
          "couplers. Leave these out.");
    }
    if (!options.columns.sigma.empty()) {
      throw ConfigError(
          "--sigma beside --drop: one column cannot be the scatter of both ports. Pass --relative "
          "and --floor.");
    }
    const ColumnWish drop_wish{"drop port", "--drop", options.drop, {}, "W"};
    const LinearSignal drop = linear_signal(table, drop_wish, {x_column, signal.column});
    if (drop.unit != signal.unit) {
      throw DataError(fmt::format(
          "{}: \"{}\" and \"{}\" are in different dimensions (their ratio is wanted). Name others "
          "with --power and --drop.",
          table.file.string(), signal.column, drop.column));
    }
    std::vector<calibration::RejectedPoint> same_rows;
    calibration::AddDropData both{
        data.curve,
        over_frequency(read_signal_curve(options.common, options.columns, table, x_column, unit,
                                         drop, same_rows)),
        data.fsr_hz,
        data.coupling,
        optional_quantity("--port-ratio-uncertainty", options.port_ratio_uncertainty, "dB")
            .value_or(0),
        data.circumference_cm,
        data.path_length_cm};
    auto result = calibration::calibrate_add_drop(both, options.common.holdout_blocks());
    result.rejected.insert(result.rejected.end(), outside.begin(), outside.end());
    note_table(result, table);
    return finish(options.common, result, streams);
  }
  auto result = calibration::calibrate_resonator(data, options.common.holdout_blocks());
  result.rejected.insert(result.rejected.end(), outside.begin(), outside.end());
  note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_ring() {
  Verb verb;
  verb.name = "ring";
  verb.summary = "Ring resonator, all-pass or add-drop: linewidth, Q, coupling and loss";
  verb.description =
      "T = B (M + X) / (1 + X) over frequency or wavelength, in dB, dBm, W or as a ratio: "
      "linewidth [Hz],\n"
      "q, minimum_transmission; with several resonances in the sweep, or --fsr, fsr, finesse and "
      "the two\n"
      "amplitudes. Round-trip amplitude and self-coupling cannot be told apart by a transmission: "
      "they are\n"
      "`larger` and `smaller` unless --coupling says which. Then propagation_loss follows from\n"
      "--circumference or --group-index, and with --path-length a device file. An add-drop ring: "
      "the\n"
      "through port with --equal-couplers tells them apart; --port drop fits a peak, which knows "
      "the width only;\n"
      "--drop COLUMN fits both ports: second_self_coupling as well, for unlike couplers. Four "
      "resonances and\n"
      "more that are not equally spaced get an FSR linear in the frequency (fsr_slope).\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable, 6 model\n"
      "rejected (--strict).";
  verb.examples = {
      "attojoule calibrate ring data/laboratory/ring.csv --relative 0.5% --coupling under "
      "--circumference 0.3mm --path-length 1cm"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    options->columns.define(app, "--abscissa", "Column of the frequency or wavelength", "--power",
                            "Column of the transmission or power");
    app.add_option("--fsr", options->fsr,
                   "Free spectral range, where the sweep holds one resonance: 250GHz or 2nm");
    app.add_option("--coupling", options->coupling, "unknown, under (a < r) or over (a > r)")
        ->check(CLI::IsMember({"unknown", "under", "over"}))
        ->capture_default_str();
    app.add_option("--port", options->port, "through (a dip) or drop (a peak)")
        ->check(CLI::IsMember({"through", "drop"}))
        ->capture_default_str();
    app.add_option("--drop", options->drop,
                   "Column of the drop port, fitted together with the through port");
    app.add_option("--port-ratio-uncertainty", options->port_ratio_uncertainty,
                   "Of the losses behind the two ports, type B: 0.2dB");
    app.add_flag("--equal-couplers", options->equal_couplers,
                 "Through port of an add-drop ring of two equal couplers");
    app.add_option("--circumference", options->circumference, "Of the ring: 0.3mm");
    app.add_option("--group-index", options->group_index, "Of the waveguide: 4.2");
    app.add_option("--path-length", options->path_length,
                   "Of the device's waveguides, for link.propagation_loss: 2cm");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
