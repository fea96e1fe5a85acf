// attojoule device: what the hardware does to one dot product, from the laser to the converter.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/device_file.hpp"
#include "data/result_file.hpp"
#include "network/energy_analysis.hpp"
#include "photonics/error.hpp"
#include "photonics/random.hpp"
#include "photonics/units.hpp"
#include "tools/device_budget_draws.hpp"
#include "tools/device_report.hpp"
#include "tools/energy_output.hpp"
#include "tools/lab_files.hpp"
#include "tools/operating_points.hpp"
#include "tools/progress.hpp"
#include "tools/text_table.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

using namespace photonics;

struct DeviceOptions {
  std::string device;
  std::vector<std::string> set;
  DeviceRequest request;
  bool length_is_given = false;
  int samples_per_slot = 16;
  bool json = false;
  std::string out, waveform, lab_files;
  int device_draws = 0;
};

std::string dbm(double power_w) {
  return fmt::format("{:.1f}", dbm_from_power(power_w * watt));
}

data::Provenance provenance_of(const DeviceOptions& options, const Device& device) {
  data::Provenance provenance;
  provenance.command_line = command_line();
  provenance.seed = options.request.seed;
  provenance.rng_contract = rng_contract;
  provenance.config = data::device_to_yaml(device);
  return provenance;
}

// The bill of a tile in full use: as many dot products as it has outputs, at the request's light.
struct TileEnergy {
  network::MatrixProduct product;
  network::EnergyLedger ledger;
  network::EnergyAnalysis analysis;

  TileEnergy(const Device& device, const DeviceRequest& request) {
    product.name = "tile";
    product.channels = device.tile.rows;
    product.positions = device.tile.columns;
    product.dot_length = request.length;
    network::LayerQuestion question;
    question.product = &product;
    question.points = {{.photons_per_mac = request.photons}};
    question.correlation = request.correlation;
    question.crest = request.crest;
    // A laser that is too weak shows in the link budget and is no error here.
    const network::LayerCost cost =
        network::layer_cost(device, product, question.request, question.points);
    ledger = network::ledger_of(std::span(&cost, 1));
    analysis = network::analyse_energy(device, {question}, ledger, published_references());
  }
};

const char* automatic_fidelity(const DeviceReport& report) {
  return report.automatic == Fidelity::analytic ? "analytic" : "counting";
}

nlohmann::ordered_json report_json(const DeviceReport& report) {
  nlohmann::ordered_json object;
  object["device"] = report.device.name;
  object["photons_per_mac"] = report.request.photons;
  object["dot_length"] = report.request.length;
  object["correlation"] = report.request.correlation;
  object["crest"] = report.request.crest;
  object["link"]["facet_power_w"] = report.link.facet_power_w;
  if (std::isfinite(report.link.margin_db)) object["link"]["margin_db"] = report.link.margin_db;
  for (const LinkPoint& p : report.link.points) {
    object["link"]["points"].push_back({{"element", p.element},
                                        {"loss_x_db", p.loss_x_db},
                                        {"loss_w_db", p.loss_w_db},
                                        {"power_x_w", p.power_x_w},
                                        {"power_w_w", p.power_w_w}});
  }
  const NoiseBudget& budget = report.budget;
  for (const NoiseTerm& term : budget.terms) {
    object["noise"]["terms"].push_back({{"name", term.name},
                                        {"electrons_rms", std::sqrt(term.variance)},
                                        {"share", term.variance / budget.variance}});
  }
  object["noise"]["electrons_rms"] = std::sqrt(budget.variance);
  object["noise"]["signal_electrons"] = budget.signal_electrons;
  object["noise"]["power_w"] = budget.power_w;
  object["noise"]["enob"] = budget.effective_bits();
  object["noise"]["noise_bits"] = budget.bits();
  const auto crossing = [&](const char* name, double photons) {
    if (!std::isfinite(photons)) return;
    object["noise"][std::string(name) + "_photons"] = photons;
    object["noise"][std::string(name) + "_w"] = photons * report.power_per_photon_w;
  };
  crossing("shot_limited_above", report.range.lower);
  crossing("shot_limited_below", report.range.upper);
  if (std::isfinite(report.clipping_correlation)) {
    object["noise"]["clipping_correlation"] = report.clipping_correlation;
  }
  object["noise"]["diode_compression"] = report.diode_compression;
  for (const PowerPoint& point : report.sweep) {
    nlohmann::ordered_json entry{{"photons_per_mac", point.photons},
                                 {"power_w", point.budget.power_w},
                                 {"enob", point.budget.effective_bits()},
                                 {"noise_bits", point.budget.bits()}};
    if (budget.signal_electrons != 0) entry["snr_db"] = point.budget.snr_db();
    for (const NoiseTerm& term : point.budget.terms) {
      entry["electrons_rms"][term.name] = std::sqrt(term.variance);
    }
    if (std::isfinite(point.gaussian.kolmogorov)) {
      entry["kolmogorov"] = point.gaussian.kolmogorov;
      entry["total_variation"] = point.gaussian.total_variation;
    }
    object["over_photons"].push_back(entry);
  }
  object["gaussian"] = {{"kolmogorov", report.gaussian.kolmogorov},
                        {"total_variation", report.gaussian.total_variation},
                        {"auto", automatic_fidelity(report)}};
  for (const FidelityRow& row : report.fidelities) {
    object["fidelity"][row.name] = {
        {"bias", row.bias}, {"bias_error", row.bias_error}, {"sigma", row.sigma}};
  }
  for (const LayerPoint& layer : report.layers) {
    nlohmann::ordered_json entry{{"name", layer.name},
                                 {"dot_length", layer.length},
                                 {"photons_per_mac", layer.photons},
                                 {"repetitions", layer.repetitions},
                                 {"integrations", layer.integrations},
                                 {"reads", layer.reads},
                                 {"power_w", layer.budget.power_w},
                                 {"enob", layer.effective_bits},
                                 {"noise_bits", layer.noise_bits},
                                 {"shot_share", layer.shot_share}};
    if (layer.budget.signal_electrons != 0) entry["snr_db"] = layer.snr_db;
    object["layers"].push_back(entry);
  }
  return object;
}

void print_layers(const DeviceReport& report, const std::string& file, std::ostream& out) {
  std::vector<std::vector<std::string>> rows;
  for (const LayerPoint& l : report.layers) {
    const bool spread = l.highest_photons > l.lowest_photons;
    rows.push_back({l.name, std::to_string(l.length), significant(l.photons, 3),
                    spread ? fmt::format("{} to {}", significant(l.lowest_photons, 2),
                                         significant(l.highest_photons, 2))
                           : "",
                    significant(l.repetitions, 3), significant(l.reads, 3), dbm(l.budget.power_w),
                    l.budget.signal_electrons != 0 ? fmt::format("{:.1f}", l.snr_db) : "-",
                    fmt::format("{:.2f}", l.effective_bits), fmt::format("{:.2f}", l.noise_bits),
                    fmt::format("{:.1f}", 100 * l.shot_share)});
  }
  out << "\nLayers of " << file << " (means over channels; repetitions averaged)\n"
      << format_table({"layer", "D", "photons/MAC", "channels", "K", "reads", "dBm", "SNR [dB]",
                       "ENOB", "noise bits", "% shot"},
                      rows);
}

void print_link(const DeviceReport& report, std::ostream& out) {
  std::vector<std::vector<std::string>> rows;
  for (const LinkPoint& p : report.link.points) {
    rows.push_back({p.element, fmt::format("{:.2f}", p.loss_x_db), dbm(p.power_x_w),
                    fmt::format("{:.2f}", p.loss_w_db), dbm(p.power_w_w)});
  }
  out << "Link budget; values of a crest of " << significant(report.request.crest, 3) << "\n"
      << format_table({"behind", "x [dB]", "x [dBm]", "w [dB]", "w [dBm]"}, rows)
      << fmt::format(
             "both transmitters {} dBm at the facet, margin {}\n\n", dbm(report.link.facet_power_w),
             std::isfinite(report.link.margin_db) ? fmt::format("{:.1f} dB", report.link.margin_db)
                                                  : "unlimited");
}

void print_crossovers(const DeviceReport& report, std::ostream& out) {
  const auto [lower, upper] = report.range;
  const auto point = [&](double photons) {
    return fmt::format("{} dBm ({} photons/MAC)", dbm(photons * report.power_per_photon_w),
                       significant(photons, 3));
  };
  if (std::isinf(lower)) {
    out << "shot noise is the larger part at no power\n";
  } else {
    out << "shot-noise limited " << (lower > 0 ? "above " + point(lower) : "at any low power")
        << (std::isfinite(upper) ? ", below " + point(upper) : "") << "\n";
  }
}

void print_noise(const DeviceReport& report, std::ostream& out) {
  const NoiseBudget& budget = report.budget;
  std::vector<std::vector<std::string>> rows;
  for (const NoiseTerm& term : budget.terms) {
    rows.push_back({term.name, significant(std::sqrt(term.variance), 3),
                    fmt::format("{:.1f}", 100 * term.variance / budget.variance)});
  }
  rows.push_back({"all", significant(std::sqrt(budget.variance), 3), "100.0"});
  out << "Noise budget\n" << format_table({"term", "electrons rms", "% of variance"}, rows);
  out << fmt::format(
      "signal {} electrons, {}, ENOB {:.2f}, {} dBm at the receiver\n",
      significant(budget.signal_electrons, 4),
      budget.signal_electrons != 0 ? fmt::format("SNR {:.1f} dB", budget.snr_db()) : "no signal",
      budget.effective_bits(), dbm(budget.power_w));
  print_crossovers(report, out);
  if (report.clipping_correlation < 1) {
    out << fmt::format("the converter clips from a correlation of {} on\n",
                       significant(report.clipping_correlation, 2));
  }
  if (report.diode_compression > 0.01) {
    out << fmt::format("a diode loses up to {:.1f} % of its current to saturation\n",
                       100 * report.diode_compression);
  }
}

void print_sweep(const DeviceReport& report, std::ostream& out) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < report.sweep.size(); i += 4) {  // every decade
    const PowerPoint& p = report.sweep[i];
    const auto known = [](double value) {
      return std::isfinite(value) ? significant(value, 2) : std::string("-");
    };
    rows.push_back({significant(p.photons, 3), dbm(p.budget.power_w),
                    p.budget.signal_electrons != 0 ? fmt::format("{:.1f}", p.budget.snr_db()) : "-",
                    fmt::format("{:.2f}", p.budget.effective_bits()),
                    fmt::format("{:.2f}", p.budget.bits()), known(p.gaussian.kolmogorov),
                    known(p.gaussian.total_variation)});
  }
  out << "\nOver optical power\n"
      << format_table({"photons/MAC", "dBm", "SNR [dB]", "ENOB", "noise bits", "Kolmogorov",
                       "total variation"},
                      rows)
      << fmt::format(
             "Gaussian against counts at {} photons/MAC: Kolmogorov {}, total variation {}; `auto` "
             "takes {}\n\n",
             significant(report.request.photons, 3), significant(report.gaussian.kolmogorov, 2),
             significant(report.gaussian.total_variation, 2), automatic_fidelity(report));
}

void print_fidelities(const DeviceReport& report, std::ostream& out) {
  std::vector<std::vector<std::string>> rows;
  for (const FidelityRow& row : report.fidelities) {
    rows.push_back({row.name, significant(row.bias, 2), significant(row.bias_error, 2),
                    significant(row.sigma, 4)});
  }
  out << "Errors of random dot products, |w| = |x| = 1\n"
      << format_table({"fidelity", "mean", "its error", "sigma"}, rows)
      << fmt::format("{} dot products; standard error of sigma {:.1f} %\n", report.request.trials,
                     100 / std::sqrt(2.0 * report.request.trials));
}

int describe(const DeviceOptions& options, const Streams& streams) {
  const DeviceAssignments assignments =
      split_assignments(options.set, "--photons and --dot-length");
  if (!assignments.digital_layers.empty()) {
    throw ConfigError("digital_layers: a device has no layers. Leave it out.");
  }
  const Device device = data::load_device(options.device, assignments.device);
  if (!options.lab_files.empty()) {
    calibration::Bench bench;
    bench.seed = options.request.seed;
    write_lab_files(device, options.device, bench, options.lab_files, options.json, streams);
    return 0;
  }
  std::optional<BudgetDrawsReport> draws;
  if (options.device_draws > 0) {
    draws = budget_of_drawn_devices(
        device, options.request,
        draw_devices(options.device, assignments.device,
                     static_cast<std::size_t>(options.device_draws), options.request.seed));
  }
  // Refused before anything is measured.
  std::vector<LayerPoint> layers;
  if (!assignments.point_file.empty()) {
    layers =
        report_on_layers(device, options.request, assignments.point_file, options.length_is_given);
  }
  // Files first: a result that cannot be written must not cost a measurement.
  std::optional<data::ResultWriter> out_file, waveform_file;
  if (!options.out.empty()) out_file.emplace(options.out, provenance_of(options, device));
  if (!options.waveform.empty()) {
    waveform_file.emplace(options.waveform, provenance_of(options, device));
    write_waveform(*waveform_file, device, options.request, options.samples_per_slot);
  }
  ProgressBar progress(streams.err, options.request.trials);
  progress.stage("dot products");
  DeviceReport report =
      report_on_device(device, options.request, [&](std::int64_t done) { progress.update(done); });
  report.layers = std::move(layers);
  progress.finish();
  const TileEnergy energy(device, options.request);
  if (out_file) {
    write_device_report(*out_file, report);
    if (draws) write_budget_draws(*draws, *out_file);
    const std::vector<std::string> names{energy.product.name};
    out_file->axis("/layers/name", names, "a tile in full use");
    const std::vector<std::int64_t> macs{energy.product.macs()};
    out_file->write("/layers/macs", macs, {"/layers/name"}, "MAC", "multiplications of the tile");
    write_ledger(energy.ledger, *out_file);
    write_analysis(energy.analysis, *out_file);
    out_file->commit();
  }
  if (waveform_file) waveform_file->commit();
  if (options.json) {
    auto json = report_json(report);
    json["energy"] = ledger_json(energy.ledger);
    add_analysis(energy.analysis, json["energy"]);
    if (draws) json["calibration"] = budget_draws_json(*draws);
    streams.out << json.dump(2) << "\n";
    return 0;
  }
  streams.out << fmt::format("{}: {} photons/MAC, dot length {}, correlation {}\n\n", device.name,
                             significant(options.request.photons, 3), options.request.length,
                             significant(options.request.correlation, 3));
  print_link(report, streams.out);
  print_noise(report, streams.out);
  print_sweep(report, streams.out);
  print_fidelities(report, streams.out);
  if (!report.layers.empty()) {
    print_layers(report, assignments.point_file.string(), streams.out);
  }
  if (draws) print_budget_draws(*draws, streams.out);
  streams.out << fmt::format("\nEnergy of {} x {} dot products on the tile\n", device.tile.rows,
                             device.tile.columns);
  print_ledger(energy.ledger, streams.out);
  print_analysis(energy.ledger, energy.analysis, streams.out);
  return 0;
}

}  // namespace

Verb device_verb() {
  Verb verb;
  verb.name = "device";
  verb.summary = "Link budget, noise budget and fidelity cross-check of a device";
  verb.description =
      "Follows the light of one dot product from the laser's facet to the photodiode, lists every\n"
      "noise term, says between which powers shot noise dominates and whether a Gaussian will do\n"
      "over optical power, and measures random dot products at the three fidelities. Last the "
      "bill\n"
      "of a tile in full use, what dominates it, and what would lower it. With\n"
      "--set operating_point.file=FILE it also lists what it does to every layer of that file, at\n"
      "the photons and repetitions that `learn` found.\n"
      "tools/plots/device.py draws what --out and --waveform write.";
  verb.examples = {"attojoule device ideal-shot-noise",
                   "attojoule device ideal-shot-noise --photons 0.2 --dot-length 16 --json",
                   "attojoule device silicon-photonics-conservative --lab-files lab --seed 3"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<DeviceOptions>();
    DeviceRequest& request = options->request;
    app.add_option("device", options->device, "Preset's name, or a device.yaml")->required();
    app.add_option("--set", options->set,
                   "Overrides a value: receiver.capacitance=1pF; "
                   "operating_point.file=FILE adds the layers of `learn`'s result");
    app.add_option("--photons", request.photons, "Photons per multiplication, both beams")
        ->capture_default_str();
    app.add_option("--dot-length", request.length, "Multiplications of the dot product")
        ->capture_default_str();
    app.add_option("--correlation", request.correlation, "w.x / (|w||x|)")->capture_default_str();
    app.add_option("--crest", request.crest, "Modulators' full scale over the values' rms")
        ->capture_default_str();
    app.add_option("--trials", request.trials, "Random dot products measured a fidelity")
        ->capture_default_str();
    app.add_option("--seed", request.seed, "Of the random numbers")->capture_default_str();
    app.add_option("--out", options->out, "Writes all tables, finer in power (HDF5)");
    app.add_option("--waveform", options->waveform, "Writes one dot product in time (HDF5)");
    app.add_option("--device-draws", options->device_draws,
                   "Budgets also over this many devices drawn from the calibration in the file")
        ->check(CLI::Range(2, 100000));
    app.add_option("--lab-files", options->lab_files,
                   "Instead of a report: a folder of what a bench would measure of the device, for "
                   "attojoule calibrate");
    app.add_option("--samples-per-slot", options->samples_per_slot, "Of --waveform")
        ->capture_default_str();
    app.add_flag("--json", options->json, "One JSON object instead of text");
    return [options, &app](const Streams& streams) {
      options->length_is_given = app.count("--dot-length") > 0;
      return describe(*options, streams);
    };
  };
  return verb;
}

}  // namespace attojoule::tools
