// attojoule learn: the least energy of every layer or channel at a target accuracy.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <memory>
#include <optional>

#include "data/version.hpp"
#include "photonics/error.hpp"
#include "tools/attribution.hpp"
#include "tools/experiment_options.hpp"
#include "tools/learn_checkpoint.hpp"
#include "tools/learn_report.hpp"
#include "tools/learning.hpp"
#include "tools/run_measurement.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

struct LearnVerbOptions : ExperimentOptions {
  bool attribution = false;
};

// Parts of the work in a thousand, for the bar.
constexpr std::int64_t bar_units = 1000;

int learn(const LearnVerbOptions& options, const CLI::App& app, const Streams& streams) {
  const int threads = threads_of(options);
  ExperimentArguments arguments = experiment_arguments(options, app);
  arguments.learns = true;
  Simulation simulation(read_experiment(arguments), threads);
  const Experiment& experiment = simulation.experiment();
  const bool losses = experiment.learn.target_kind == TargetKind::loss;
  const bool shared = simulation.noise_shared_by_pass();
  if (shared && experiment.seeds < 2) {
    throw ConfigError(
        "evaluation.seeds: 1 (weight noise is drawn once a pass, so that its degradation is "
        "bounded "
        "over passes). Give 2 or more.");
  }
  std::optional<DrawnDevices> drawn;
  if (experiment.device_draws > 0) drawn = draw_devices(experiment);
  const network::Program& program = simulation.program();

  std::optional<data::ResultWriter> writer;
  std::filesystem::path checkpoint;
  LearningIdentity identity;
  if (!options.out.empty()) {
    writer.emplace(options.out, provenance_of(simulation));
    checkpoint = checkpoint_file(options.out);
  }

  ProgressBar bar(streams.err, bar_units);
  const auto progress = [&](const std::string& stage, double share) {
    bar.stage(stage);
    bar.update(static_cast<std::int64_t>(share * bar_units));
  };
  auto last_save = std::chrono::steady_clock::now();
  const auto save = [&](const LearningState& state) {
    constexpr std::chrono::seconds often_enough{2};
    const auto now = std::chrono::steady_clock::now();
    if (checkpoint.empty() || now - last_save < often_enough) return;
    write_checkpoint(checkpoint, identity, state);
    last_save = now;
  };
  Learning learning(simulation, threads, save, progress);
  if (!checkpoint.empty()) {
    identity.config = experiment.resolved;
    identity.model_sha256 = simulation.model_sha256();
    identity.data_sha256 = simulation.dataset().sha256();
    identity.learning_sha256 = learning.data_sha256();
    identity.program = fmt::format("{} {}", data::program_version(), data::git_sha());
    if (auto state = read_checkpoint(checkpoint, identity)) {
      streams.err << "Going on from " << checkpoint.string() << "\n";
      learning.resume(std::move(*state));
    }
  }

  LearnReport report;
  report.settings = experiment.learn;
  report.law = to_string(experiment.law);
  report.encoding = to_string(experiment.encoding);
  report.model_sha256 = simulation.model_sha256();
  report.digital = simulation.digital();
  report.learning_images = learning.learning_images();
  report.search_images = learning.search_images();
  report.search_seeds = learning.search_seeds();
  for (const auto& product : program.products()) {
    report.layers.push_back(product.name);
    report.macs.push_back(static_cast<double>(product.macs()));
  }
  report.outcome = learning.run();
  report.state = learning.state();

  // Judged on the experiment's own data, which learning and search have not seen.
  const auto judge = [&](const std::vector<network::ProductOperatingPoint>& points,
                         const std::string& what, double share) {
    return measure_run(simulation, points, false, {},
                       [&](const std::string& stage) { progress(what + ", " + stage, share); });
  };
  const auto certificate = [&](const RunMeasurement& measurement) {
    const double clean = measurement.clean.accuracy();
    return network::certify(paired(measurement.clean, measurement.passes, losses, shared),
                            Learning::allowed_loss(experiment.learn, clean));
  };
  const RunMeasurement judged = judge(report.outcome.scheduled, "certificate", 0.85);
  report.certificate = certificate(judged);
  report.run = judged.report;
  if (drawn) {
    progress("drawn devices", 0.88);
    report.draws = run_drawn_devices(simulation, report.outcome.scheduled, std::move(*drawn),
                                     {judged.report.clean_accuracy, judged.report.noisy.mean,
                                      judged.report.mean_photons_per_mac, judged.report.energy},
                                     {});
    if (!losses) {
      report.draws->allowed_loss =
          Learning::allowed_loss(experiment.learn, judged.clean.accuracy());
    }
  }
  report.mean = judged.report.mean_photons_per_mac;
  report.total_attojoule_per_mac = judged.report.energy.total_attojoule_per_mac();
  const auto uniform_points = realisable(simulation, report.outcome.uniform);
  const RunMeasurement uniform = judge(uniform_points, "uniform", 0.9);
  report.uniform_certificate = certificate(uniform);
  report.uniform_total_attojoule_per_mac = uniform.report.energy.total_attojoule_per_mac();
  if (report.outcome.schedule_changes) {
    const auto continuous = realisable(simulation, report.outcome.continuous);
    report.continuous_certificate = certificate(judge(continuous, "continuous", 0.93));
  }
  for (const double factor : experiment.learn.curve) {
    progress(fmt::format("curve x {}", factor), 0.95);
    LearnCurvePoint point;
    point.mean_photons_per_mac = factor * report.outcome.continuous_mean;
    const auto accuracy = [&](std::vector<network::ProductOperatingPoint> points, double from) {
      for (auto& product : points) {
        for (auto& p : product) p.photons_per_mac *= point.mean_photons_per_mac / from;
      }
      simulation.set_points(points);
      return network::estimate_accuracy(
          simulation.noisy_passes(simulation.images(), experiment.seeds, false, {}), shared);
    };
    point.learned = accuracy(report.outcome.continuous, report.outcome.continuous_mean);
    point.uniform = accuracy(report.outcome.uniform, report.outcome.uniform_mean);
    report.curve.push_back(point);
  }
  if (options.attribution) {
    report.attribution =
        attribute(simulation, report.outcome.scheduled, [&](std::size_t done, std::size_t all) {
          progress("attribution", 0.95 + 0.05 * static_cast<double>(done) / double(all));
        });
  }
  bar.finish();

  if (writer) {
    write_learn_result(report, *writer);
    writer->commit();
    std::error_code ignored;
    std::filesystem::remove(checkpoint, ignored);
    streams.err << "Results in " << options.out << "\n";
  }
  options.json ? print_learn_json(report, streams.out) : print_learn_table(report, streams.out);
  return 0;
}

}  // namespace

Verb learn_verb() {
  Verb verb;
  verb.name = "learn";
  verb.summary =
      "The least energy of every layer or channel at a target accuracy, with a certificate";
  verb.description =
      "Learns how much light (or how many repeats) each layer or output channel needs so that the\n"
      "noise costs no more accuracy than the target, at least energy; turns that into laser "
      "power,\n"
      "integration and whole repetitions; and certifies the result on the experiment's own data "
      "with\n"
      "a paired 95 % bound. Learning and searching use `range_data` only. The section `learn` of "
      "the\n"
      "experiment says how (docs/files.md); `attojoule run --set operating_point.file=FILE` loads "
      "the\n"
      "result. With --out, a run that was killed goes on from FILE.checkpoint, with the same "
      "result.\n"
      "Exit code 4: the target is out of reach. A certificate that does not hold is no error.";
  verb.examples = {
      "attojoule learn --set learn.method=sensitivity --set learn.search_images=300 "
      "--set evaluation.images=300 --set evaluation.seeds=2 --out learned.h5"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<LearnVerbOptions>();
    add_experiment_options(
        app, *options,
        {"Labelled inputs to judge the result on (HDF5 or IDX)",
         "Result file (HDF5); its checkpoint is kept beside it",
         "Also judges the result on this many devices drawn from the calibration in the device's "
         "file"});
    app.add_flag("--attribution", options->attribution,
                 "Also which layer's noise, and which source, costs how much accuracy");
    return [options, &app](const Streams& streams) { return learn(*options, app, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
