// attojoule run: accuracy under noise, and the energy ledger.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "network/noise_bits.hpp"
#include "photonics/error.hpp"
#include "tools/device_draws.hpp"
#include "tools/energy_output.hpp"
#include "tools/experiment_options.hpp"
#include "tools/run_measurement.hpp"
#include "tools/run_report.hpp"
#include "tools/simulation.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

struct RunOptions : ExperimentOptions {
  bool logits = false;
  bool noise_bits_check = false;
};

int run(const RunOptions& options, const CLI::App& app, const Streams& streams) {
  std::string out = options.out;
  if (out.empty() && runs_default_experiment(options)) out = "run.h5";
  Simulation simulation(read_experiment(experiment_arguments(options, app)), threads_of(options));
  const Experiment& experiment = simulation.experiment();
  std::optional<DrawnDevices> drawn;
  if (experiment.device_draws > 0) drawn = draw_devices(experiment);
  std::optional<data::ResultWriter> writer;
  if (!out.empty()) writer.emplace(out, provenance_of(simulation));

  const std::int64_t images = simulation.images();
  const std::int64_t curve_images = experiment.curve_images > 0 ? experiment.curve_images : images;
  const int curve_seeds = experiment.curve_seeds > 0 ? experiment.curve_seeds : experiment.seeds;
  const auto point_work = curve_images * curve_seeds;
  std::int64_t before = 0;
  ProgressBar bar(streams.err,
                  images * (1 + experiment.seeds + (options.noise_bits_check ? 1 : 0)) +
                      images * experiment.seeds * experiment.device_draws +
                      point_work * static_cast<std::int64_t>(experiment.curve.size()));
  const auto progress = [&](std::int64_t done) { bar.update(before + done); };
  RunMeasurement measurement =
      measure_run(simulation, simulation.points(), options.logits, progress,
                  [&](const std::string& name) { bar.stage(name); });
  RunReport& report = measurement.report;
  before += images * (1 + experiment.seeds);
  report.analysis = network::analyse_energy(
      experiment.device, layer_questions(simulation, simulation.points(), measurement),
      report.energy, published_references());
  report.curve_images = curve_images;
  report.curve_seeds = curve_seeds;

  if (options.noise_bits_check) {
    bar.stage("rounded");
    simulation.program().set_noise(network::plan_rounding(
        simulation.program(), measurement.noise, measurement.statistics.totals,
        static_cast<double>(measurement.statistics.correct.size())));
    simulation.program().perturb_weights(experiment.seed);  // back to what the file says
    network::PassRequest rounded;
    rounded.images = report.images;
    rounded.noisy = true;
    report.rounded_accuracy = simulation.evaluator().run(rounded, progress).accuracy();
    before += report.images;
  }

  for (const double photons : experiment.curve) {
    bar.stage(fmt::format("{} photons/MAC", photons));
    const auto& planned = simulation.set_points(simulation.points_at(photons));
    const auto point = simulation.noisy_passes(curve_images, curve_seeds, false, progress);
    before += point_work;
    const auto ledger = network::account_energy(experiment.device, simulation.program(), planned,
                                                sum_totals(point), static_cast<double>(point_work));
    report.curve.push_back({photons,
                            ledger.attojoule_per_mac(network::EnergyComponent::optical_detected),
                            network::estimate_accuracy(point, simulation.noise_shared_by_pass())});
  }
  std::optional<DeviceDrawsReport> draws;
  if (drawn) {
    bar.stage("drawn devices");
    draws = run_drawn_devices(
        simulation, simulation.points(), *drawn,
        {report.clean_accuracy, report.noisy.mean, report.mean_photons_per_mac, report.energy},
        progress);
  }
  bar.finish();

  if (writer) {
    write_result(report, *writer);
    if (draws) write_device_draws(*draws, *writer);
    writer->commit();
    streams.err << "Results in " << out << "\n";
  }
  if (options.json) {
    auto json = run_json(report);
    if (draws) json["calibration"] = device_draws_json(*draws);
    streams.out << json.dump(2) << "\n";
  } else {
    print_table(report, streams.out);
    if (draws) print_device_draws(*draws, streams.out);
  }
  return 0;
}

}  // namespace

Verb run_verb() {
  Verb verb;
  verb.name = "run";
  verb.summary = "Accuracy of a network under the hardware's noise, and its energy ledger";
  verb.description =
      "Runs an ONNX network on labelled data, without noise and under the noise of the device at\n"
      "its operating point, and reports accuracy and energy per layer and component. Everything "
      "can\n"
      "be said in a YAML file, with --set, or both (--set goes over the file). Without arguments "
      "it\n"
      "runs the shipped network on Fashion-MNIST and writes run.h5.\n"
      "Noise seed i of a run with seed s is seed s + i.";
  verb.examples = {
      "attojoule run",
      "attojoule run --set operating_point.photons_per_mac=5 --set evaluation.images=200 --json",
      "attojoule run --set receiver.kind=charge-integrator --set receiver.capacitance=1fF "
      "--set evaluation.images=200 --out run.h5"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<RunOptions>();
    add_experiment_options(
        app, *options,
        {"Labelled inputs (HDF5 or IDX)", "Result file (HDF5)",
         "Also on this many devices drawn from the calibration in the device's file"});
    app.add_flag("--noise-bits-check", options->noise_bits_check,
                 "Also without noise, every output rounded to its noise bits");
    app.add_flag("--logits", options->logits, "Store the network's outputs in the result file");
    return [options, &app](const Streams& streams) { return run(*options, app, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
