// attojoule run: accuracy under noise, and the energy ledger.
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <thread>

#include "network/noise_bits.hpp"
#include "photonics/error.hpp"
#include "photonics/random.hpp"
#include "tools/run_report.hpp"
#include "tools/simulation.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

struct RunOptions {
  std::string experiment, model, data, labels, device, out;
  std::vector<std::string> assignments;
  std::uint64_t seed = 1;
  int threads = 0;
  bool json = false;
  bool logits = false;
  bool noise_bits_check = false;
};

// Samples on which signal and noise power of every layer are measured.
constexpr std::int64_t statistics_images = 64;

std::vector<LayerReport> report_layers(Simulation& simulation,
                                       const std::vector<network::ProductNoise>& noise,
                                       const network::PassResult& statistics,
                                       const std::vector<network::ProductRecord>& totals,
                                       const network::EnergyLedger& ledger, double samples) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const auto& products = simulation.program().products();
  const bool counting = simulation.experiment().law == photonics::Law::counting;
  std::vector<LayerReport> layers;
  for (std::size_t i = 0; i < products.size(); ++i) {
    LayerReport layer;
    layer.name = products[i].name;
    layer.kind = network::to_string(products[i].kind);
    layer.macs = products[i].macs();
    layer.dot_length = products[i].dot_length;
    layer.digital = noise[i].kind == network::NoiseKind::none;
    layer.transmission = nan;
    const auto& seen = statistics.totals[i];
    layer.saturated_fraction = seen.operands > 0 ? seen.saturated / seen.operands : nan;
    if (layer.digital) {
      layer.photons_per_mac = layer.repetitions = layer.snr_db = layer.noise_bits =
          layer.optical_attojoule_per_mac = layer.attojoule_per_mac = nan;
      layers.push_back(layer);
      continue;
    }
    const auto& record = statistics.totals[i];
    const auto macs = static_cast<double>(layer.macs);
    const double outputs =
        static_cast<double>(products[i].outputs()) * static_cast<double>(statistics.correct.size());
    layer.photons_per_mac = simulation.experiment().point.photons_per_mac;
    layer.repetitions = simulation.experiment().point.repetitions;
    layer.snr_db = record.variance > 0 ? 10 * std::log10(record.signal / record.variance) : nan;
    layer.noise_bits = record.variance > 0
                           ? photonics::noise_bits(record.output_high - record.output_low,
                                                   std::sqrt(record.variance / outputs))
                           : nan;
    const auto& energy = ledger.layers[i].joule_per_inference;
    layer.optical_attojoule_per_mac =
        energy[static_cast<std::size_t>(network::EnergyComponent::optical_detected)] / macs * 1e18;
    layer.attojoule_per_mac = network::total(energy) / macs * 1e18;
    if (counting) layer.transmission = totals[i].transmission / samples;
    layers.push_back(layer);
  }
  return layers;
}

std::vector<network::ProductRecord> sum_totals(const std::vector<network::PassResult>& passes) {
  std::vector<network::ProductRecord> totals = passes[0].totals;
  for (std::size_t k = 1; k < passes.size(); ++k) {
    for (std::size_t i = 0; i < totals.size(); ++i) {
      totals[i].photons += passes[k].totals[i].photons;
      totals[i].photons_detected += passes[k].totals[i].photons_detected;
      totals[i].transmission += passes[k].totals[i].transmission;
    }
  }
  return totals;
}

int run(const RunOptions& options, const CLI::App& app, const Streams& streams) {
  ExperimentArguments arguments;
  arguments.file = options.experiment;
  arguments.model = options.model;
  arguments.data = options.data;
  arguments.labels = options.labels;
  arguments.device = options.device;
  arguments.assignments = options.assignments;
  if (app.count("--seed") > 0) arguments.seed = options.seed;
  std::string out = options.out;
  if (options.experiment.empty() && options.model.empty() && options.data.empty()) {
    arguments.file = default_experiment_file();
    if (out.empty()) out = "run.h5";
  }
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));

  Simulation simulation(read_experiment(arguments), threads);
  const Experiment& experiment = simulation.experiment();
  std::optional<data::ResultWriter> writer;
  if (!out.empty()) {
    data::Provenance provenance;
    provenance.command_line = command_line();
    provenance.seed = experiment.seed;
    provenance.rng_contract = photonics::rng_contract;
    provenance.config = experiment.resolved;
    provenance.model_sha256 = simulation.model_sha256();
    provenance.dataset_sha256 = simulation.dataset().sha256();
    writer.emplace(out, provenance);
  }

  RunReport report;
  report.model = experiment.model.filename().string();
  report.device = experiment.device.name;
  report.images = simulation.images();
  report.seeds = experiment.seeds;
  report.curve_images = experiment.curve_images > 0 ? experiment.curve_images : simulation.images();
  report.curve_seeds = experiment.curve_seeds > 0 ? experiment.curve_seeds : experiment.seeds;
  report.outputs = simulation.program().output_size();
  for (const auto& product : simulation.program().products()) report.macs += product.macs();

  const auto point_work = report.curve_images * report.curve_seeds;
  ProgressBar bar(streams.err,
                  report.images * (1 + report.seeds + (options.noise_bits_check ? 1 : 0)) +
                      point_work * static_cast<std::int64_t>(experiment.curve.size()));
  std::int64_t before = 0;
  const auto progress = [&](std::int64_t done) { bar.update(before + done); };

  // The noise is planned first: what is wrong with it is said before anything runs.
  auto noise = simulation.set_operating_point(experiment.point.photons_per_mac);
  bar.stage("without noise");
  network::PassRequest clean;
  clean.images = report.images;
  clean.keep_logits = options.logits;
  network::PassResult clean_pass = simulation.evaluator().run(clean, progress);
  report.clean_accuracy = clean_pass.accuracy();
  report.clean_logits = std::move(clean_pass.logits);
  before += report.images;

  network::PassRequest statistics;
  statistics.images = std::min(report.images, statistics_images);
  statistics.statistics = true;
  const network::PassResult statistics_pass = simulation.evaluator().run(statistics, {});

  bar.stage("under noise");
  auto passes = simulation.noisy_passes(report.images, report.seeds, options.logits, progress);
  before += report.images * report.seeds;
  report.noisy = network::estimate_accuracy(passes, simulation.noise_shared_by_pass());
  report.noisy_logits = std::move(passes[0].logits);
  const double samples = static_cast<double>(report.images) * report.seeds;
  const auto totals = sum_totals(passes);
  report.energy =
      network::account_energy(experiment.device, simulation.program(), noise, totals, samples);
  report.layers = report_layers(simulation, noise, statistics_pass, totals, report.energy, samples);

  if (options.noise_bits_check) {
    bar.stage("rounded");
    simulation.program().set_noise(network::plan_rounding(simulation.program(), noise,
                                                          statistics_pass.totals,
                                                          static_cast<double>(statistics.images)));
    simulation.program().perturb_weights(experiment.seed);  // back to what the file says
    network::PassRequest rounded;
    rounded.images = report.images;
    rounded.noisy = true;
    report.rounded_accuracy = simulation.evaluator().run(rounded, progress).accuracy();
    before += report.images;
  }

  for (const double photons : experiment.curve) {
    bar.stage(fmt::format("{} photons/MAC", photons));
    const auto& planned = simulation.set_operating_point(photons);
    const auto point =
        simulation.noisy_passes(report.curve_images, report.curve_seeds, false, progress);
    before += point_work;
    const auto ledger = network::account_energy(experiment.device, simulation.program(), planned,
                                                sum_totals(point), static_cast<double>(point_work));
    report.curve.push_back({photons,
                            ledger.attojoule_per_mac(network::EnergyComponent::optical_detected),
                            network::estimate_accuracy(point, simulation.noise_shared_by_pass())});
  }
  bar.finish();

  if (writer) {
    write_result(report, *writer);
    writer->commit();
    streams.err << "Results in " << out << "\n";
  }
  options.json ? print_json(report, streams.out) : print_table(report, streams.out);
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
    app.add_option("experiment", options->experiment, "Experiment file (YAML)");
    app.add_option("--model", options->model, "Network (ONNX)");
    app.add_option("--data", options->data, "Labelled inputs (HDF5 or IDX)");
    app.add_option("--labels", options->labels, "Labels of an IDX data set");
    app.add_option("--device", options->device, "Preset name or device file (YAML)");
    app.add_option("--set", options->assignments, "KEY=VALUE, any key of the experiment or device")
        ->allow_extra_args(false);
    app.add_option("--seed", options->seed, "Seed of the noise")->check(CLI::NonNegativeNumber);
    app.add_option("--threads", options->threads, "Threads; default: all cores")
        ->check(CLI::Range(1, 4096));
    app.add_option("--out", options->out, "Result file (HDF5)");
    app.add_flag("--json", options->json, "One JSON object instead of tables");
    app.add_flag("--noise-bits-check", options->noise_bits_check,
                 "Also without noise, every output rounded to its noise bits");
    app.add_flag("--logits", options->logits, "Store the network's outputs in the result file");
    return [options, &app](const Streams& streams) { return run(*options, app, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
