// attojoule calibrate ring: transmission of a ring resonator.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

#include "calibration/resonator.hpp"
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
  std::string coupling = "unknown", port = "through";
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
  const LinearSignal signal = linear_signal(table, signal_wish, {x_column});
  calibration::ResonatorData data;
  std::vector<calibration::RejectedPoint> outside;
  data.curve = read_signal_curve(options.common, options.columns, table, x_column,
                                 is_wavelength ? "m" : "Hz", signal, outside);
  double middle = 0;
  for (double& x : data.curve.x) {
    if (is_wavelength) x = c / x;
    middle += x / static_cast<double>(data.curve.x.size());
  }
  data.curve.x_name = "frequency";
  data.curve.x_unit = "Hz";
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
      "the width only.\n"
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
