// attojoule calibrate ptc: gain, quantum efficiency and dark noise from mean and variance.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "calibration/photon_transfer.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  std::string method = "emva";
  double pixels = 0;
  std::string photon_scale;
  std::string photons, mean, variance, dark_mean, dark_variance, exposure;
};

int run(const Options& options, const Streams& streams) {
  if (options.common.files.size() != 1) {
    throw ConfigError("ptc: more than one file (one table holds all exposures). Give one.");
  }
  const auto table =
      data::read_lab_file(options.common.files[0], options.common.reading.read_options());
  const ColumnWish mean{
      "mean", "--mean", options.mean, {"u_y", "mean", "mu_y", "signal", "mean signal"}, "DN"};
  const ColumnWish variance{"temporal variance",
                            "--variance",
                            options.variance,
                            {"s2_y", "variance", "var", "sigma2_y", "temporal variance"},
                            "DN^2"};
  const ColumnWish dark_mean{"dark mean",
                             "--dark-mean",
                             options.dark_mean,
                             {"u_ydark", "dark mean", "mean dark", "mu_ydark", "dark", "u_dark"},
                             "DN"};
  const ColumnWish dark_variance{
      "dark variance",
      "--dark-variance",
      options.dark_variance,
      {"s2_ydark", "dark variance", "variance dark", "var dark", "dark var", "s2_dark"},
      "DN^2"};
  const ColumnWish photons{"photons per pixel",
                           "--photons",
                           options.photons,
                           {"u_p", "photons", "mu_p", "photons per pixel"},
                           "photon"};
  const ColumnWish exposure{"exposure time",
                            "--exposure",
                            options.exposure,
                            {"texp", "exposure", "exposure time", "t", "time"},
                            "s"};
  calibration::PhotonTransferData data;
  const std::string mean_column = require_column(table, mean);
  const std::string variance_column = require_column(table, variance);
  const std::string dark_mean_column = require_column(table, dark_mean, {mean_column});
  const std::string dark_variance_column = require_column(table, dark_variance, {variance_column});
  data.mean_dn = values_of(table, mean_column, mean);
  data.variance_dn2 = values_of(table, variance_column, variance);
  data.dark_mean_dn = values_of(table, dark_mean_column, dark_mean);
  data.dark_variance_dn2 = values_of(table, dark_variance_column, dark_variance);
  if (const std::string column = find_column(table, photons); !column.empty()) {
    data.photons = values_of(table, column, photons);
  }
  if (const std::string column = find_column(table, exposure); !column.empty()) {
    data.exposure_s = values_of(table, column, exposure);
  }
  if (options.pixels > 0) {
    data.pixels = options.pixels;
  } else if (const auto pixels = data::setting_in(table, "pixels", "1")) {
    data.pixels = *pixels;
  }
  if (!options.photon_scale.empty()) {
    data.photon_scale_uncertainty =
        option_quantity("--photon-scale-uncertainty", options.photon_scale, "1");
  }
  for (std::size_t i = 0; i < table.rows(); ++i) data.places.push_back(place_of_row(table, i));
  if (!options.common.range.empty() || !options.common.holdout.empty()) {
    throw ConfigError(
        "ptc: --range and --holdout (the standard sets the range by the saturation). Leave them "
        "out.");
  }
  const auto method = options.method == "weighted"    ? calibration::PtcMethod::weighted
                      : options.method == "nonlinear" ? calibration::PtcMethod::nonlinear
                                                      : calibration::PtcMethod::emva;
  auto result = calibration::calibrate_photon_transfer(data, method);
  note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_ptc() {
  Verb verb;
  verb.name = "ptc";
  verb.summary = "Photon transfer: gain, quantum efficiency, dark noise from mean and variance";
  verb.description =
      "sigma_y^2 - sigma_dark^2 = K (mu_y - mu_dark),  mu_y - mu_dark = R mu_p,  eta = R / K,\n"
      "sigma_d = sqrt(sigma_y.dark^2 - 1/12) / K  (EMVA 1288). Prints K [DN/e-], R [DN/photon],\n"
      "eta, sigma_d [e-] by three methods: emva (the standard's lines, the default), weighted\n"
      "(right weights) and nonlinear (mean and variance together, curved response).\n"
      "Columns: u_y and s2_y (light), u_ydark and s2_ydark (dark), u_p (photons), texp.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable, 6 model\n"
      "rejected (--strict).";
  verb.examples = {"attojoule calibrate ptc data/laboratory/photon_transfer.csv --json"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    app.add_option("--method", options->method, "emva (default), weighted or nonlinear")
        ->check(CLI::IsMember({"emva", "weighted", "nonlinear"}));
    app.add_option("--pixels", options->pixels,
                   "Pixels of an image: degrees of freedom of a variance (default: setting "
                   "`pixels`, else from the dark variances)")
        ->check(CLI::PositiveNumber);
    app.add_option("--photon-scale-uncertainty", options->photon_scale,
                   "Standard uncertainty of the radiometer's scale, type B: 2%");
    app.add_option("--mean", options->mean, "Column of the means");
    app.add_option("--variance", options->variance, "Column of the temporal variances");
    app.add_option("--dark-mean", options->dark_mean, "Column of the dark means");
    app.add_option("--dark-variance", options->dark_variance, "Column of the dark variances");
    app.add_option("--photons", options->photons, "Column of the photons per pixel");
    app.add_option("--exposure", options->exposure, "Column of the exposure times");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
