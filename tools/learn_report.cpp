#include "tools/learn_report.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/operating_point_file.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

using network::Certificate;
using nlohmann::ordered_json;
using Points = std::vector<network::ProductOperatingPoint>;

ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

bool is_loss(const LearnReport& report) {
  return report.settings.target_kind == TargetKind::loss;
}

ordered_json to_json(const Certificate& c) {
  return {{"degradation", number(c.degradation)},
          {"upper95", number(c.upper95)},
          {"lower95", number(c.lower95)},
          {"target", c.target},
          {"holds", c.holds()},
          {"verdict", network::to_string(c.verdict)},
          {"standard_error", number(c.standard_error)},
          {"images", c.images},
          {"seeds", c.seeds},
          {"images_needed", number(c.images_needed)},
          {"seeds_needed", number(c.seeds_needed)}};
}

// Mean over channels, repetitions included, and of the repetitions and integrations.
struct LayerMeans {
  double photons = 0, repetitions = 0, integrations = 0;
};

LayerMeans means_of(const network::ProductOperatingPoint& points) {
  LayerMeans means;
  const auto channels = static_cast<double>(points.size());
  for (const auto& point : points) {
    means.photons += point.photons_per_mac * point.repetitions / channels;
    means.repetitions += point.repetitions / channels;
    means.integrations += point.integrations / channels;
  }
  return means;
}

std::string decision(const Certificate& c) {
  if (c.verdict == network::Verdict::holds) return "holds";
  if (c.verdict == network::Verdict::fails) return "fails";
  // Where the estimate meets the target, rounding makes of "infinitely many" a number.
  constexpr double nobody_has = 1e9;
  std::string more;
  if (c.images_needed < nobody_has) {
    more = fmt::format("about {} images", significant(c.images_needed, 3));
  }
  if (c.seeds_needed < nobody_has) {
    more += fmt::format("{}about {} seeds", more.empty() ? "" : ", or ",
                        significant(c.seeds_needed, 3));
  }
  return more.empty() ? "cannot be decided by more images or more seeds alone"
                      : "cannot be decided; " + more + " would";
}

std::string certificate_line(const LearnReport& report, const Certificate& c) {
  const double scale = is_loss(report) ? 1 : 100;
  const char* unit = is_loss(report) ? "nats" : "points";
  return fmt::format("{:.2f} {} lost, at most {:.2f} with 95 % confidence; target {:.4g}: {}",
                     c.degradation * scale, unit, c.upper95 * scale, c.target * scale, decision(c));
}

// Where more is lost than the target, and more than on the search images: the `search_target` that
// would hold the target if what both lose kept its ratio.
std::optional<double> smaller_search_target(const LearnReport& report) {
  const auto& settings = report.settings;
  const double here = report.certificate.degradation, there = report.outcome.check.degradation;
  if (!(here > report.certificate.target) || !(there > 0) || !(there < here)) return {};
  const double share = there / here * report.certificate.target / report.outcome.target;
  if (!(share < 1)) return {};
  if (settings.target_kind == TargetKind::accuracy) {  // that is to remain
    return 100 * (report.outcome.clean - report.outcome.target * share);
  }
  return settings.search_target.value_or(settings.target) * share;
}

// What step `index` of a round was.
const char* kind_of_step(network::LearnMethod method, std::size_t index) {
  const auto rounds = static_cast<std::size_t>(network::LearnOptions{}.curvature_rounds);
  if (method == network::LearnMethod::gradient || index >= rounds) return "gradient";
  return index == 0 ? "clean" : "noisy";
}

void print_attribution(const Attribution& a, std::ostream& out) {
  std::vector<std::string> head{"layer", "alone"};
  for (const auto& source : a.sources) head.push_back("without " + source);
  const auto cell = [](const AttributionEntry& e) {
    return fmt::format("{:.2f} ± {:.2f}", e.cost * 100, 1.96 * e.standard_error * 100);
  };
  std::vector<std::vector<std::string>> rows;
  for (std::size_t l = 0; l < a.layers.size(); ++l) {
    rows.push_back({a.layers[l], cell(a.alone[l])});
    for (const auto& entry : a.without[l]) rows.back().push_back(cell(entry));
  }
  rows.push_back({"all layers", ""});
  for (const auto& entry : a.whole) rows.back().push_back(cell(entry));
  out << fmt::format(
             "\nPoints of accuracy that noise costs (95 % over {} images, {} seeds): a layer's\n"
             "alone, and gained back when only that noise is taken away:\n",
             a.images, a.seeds)
      << format_table(head, rows);
}

}  // namespace

void print_learn_table(const LearnReport& report, std::ostream& out) {
  const bool repeats = report.law == "garg-thermal" || report.law == "garg-weight";
  const std::string unit = repeats ? "repeats/MAC" : "photons/MAC";
  const auto& outcome = report.outcome;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    if (report.digital[i]) {
      rows.push_back({report.layers[i], significant(report.macs[i], 4), "digital", "", "", ""});
      continue;
    }
    const LayerMeans scheduled = means_of(outcome.scheduled[i]);
    rows.push_back({report.layers[i], significant(report.macs[i], 4),
                    significant(means_of(outcome.continuous[i]).photons, 4),
                    significant(scheduled.photons, 4), significant(scheduled.repetitions, 3),
                    significant(scheduled.integrations, 3)});
  }
  out << fmt::format(
             "Energies learned by `{}` per {}, objective {} ({} samples learned from, {} x {} "
             "searched with):\n",
             to_string(report.settings.method), to_string(report.settings.granularity),
             to_string(report.settings.objective), report.learning_images, report.search_images,
             report.search_seeds)
      << format_table(
             {"layer", "MACs", "learned " + unit, "set " + unit, "repeats", "integrations"}, rows)
      << "\n";
  print_table(report.run, out);
  out << fmt::format(
      "\nmean      {} {} (uniform {}): {:.1f} % saved; continuous {}: {:.1f} %\n"
      "total     {} aJ/MAC (uniform {})\n"
      "lost      {}\n"
      "uniform   {}\n",
      significant(report.mean, 4), unit, significant(outcome.uniform_mean, 4),
      report.saving() * 100, significant(outcome.continuous_mean, 4),
      report.continuous_saving() * 100, significant(report.total_attojoule_per_mac, 4),
      significant(report.uniform_total_attojoule_per_mac, 4),
      certificate_line(report, report.certificate),
      certificate_line(report, report.uniform_certificate));
  if (report.settings.bound && outcome.check.upper95 > outcome.target) {
    out << fmt::format(
        "search    {} images and {} seeds cannot rule out {:.2f} {} lost: give more in "
        "range_data\n",
        report.search_images, report.search_seeds,
        outcome.check.upper95 * (is_loss(report) ? 1 : 100), is_loss(report) ? "nats" : "points");
  }
  if (const auto less = smaller_search_target(report)) {
    const double scale = is_loss(report) ? 1 : 100;
    out << fmt::format(
        "search    {:.2f} {} were lost on the search images, {:.2f} here: search with samples that "
        "the network was not trained on, or for less (learn.search_target: {})\n",
        outcome.check.degradation * scale, is_loss(report) ? "nats" : "points",
        report.certificate.degradation * scale, significant(*less, 2));
  }
  if (!report.curve.empty()) {
    std::vector<std::vector<std::string>> points;
    const auto cell = [](const network::AccuracyEstimate& e) {
      return fmt::format("{:.2f} ± {:.2f}", e.mean * 100, e.ci95 * 100);
    };
    for (const auto& point : report.curve) {
      points.push_back(
          {significant(point.mean_photons_per_mac, 4), cell(point.learned), cell(point.uniform)});
    }
    out << "\nAccuracy at the same mean:\n"
        << format_table({unit, "learned %", "uniform %"}, points);
  }
  if (report.attribution) print_attribution(*report.attribution, out);
  if (report.draws) print_device_draws(*report.draws, out);
}

void print_learn_json(const LearnReport& report, std::ostream& out) {
  ordered_json json = run_json(report.run);
  const auto& outcome = report.outcome;
  ordered_json learn{
      {"method", to_string(report.settings.method)},
      {"granularity", to_string(report.settings.granularity)},
      {"objective", to_string(report.settings.objective)},
      {"mean_photons_per_mac", report.mean},
      {"uniform_mean_photons_per_mac", outcome.uniform_mean},
      {"saving", report.saving()},
      {"certificate", to_json(report.certificate)},
      {"uniform_certificate", to_json(report.uniform_certificate)},
      {"continuous",
       {{"mean_photons_per_mac", outcome.continuous_mean}, {"saving", report.continuous_saving()}}},
      {"schedule",
       {{"cost", outcome.schedule.cost},
        {"rounded_cost", outcome.schedule.rounded_cost},
        {"continuous_cost", outcome.schedule.continuous_cost},
        {"predicted_loss", outcome.schedule.predicted_loss}}},
      {"total_attojoule_per_mac", report.total_attojoule_per_mac},
      {"uniform_total_attojoule_per_mac", report.uniform_total_attojoule_per_mac},
      {"passes", outcome.passes},
      {"learning_passes", outcome.learning_passes},
      {"learning_images", report.learning_images},
      {"search_images", report.search_images},
      {"search_seeds", report.search_seeds},
      {"search",
       {{"target", outcome.target},
        {"clean_accuracy", outcome.clean},
        {"degradation", outcome.check.degradation},
        {"criterion", outcome.check.criterion},
        {"upper95", outcome.check.upper95},
        {"images", outcome.check.images},
        {"seeds", outcome.check.seeds}}}};
  if (report.continuous_certificate) {
    learn["continuous"]["certificate"] = to_json(*report.continuous_certificate);
  }
  learn["layers"] = ordered_json::array();
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    if (report.digital[i]) continue;
    const LayerMeans set = means_of(outcome.scheduled[i]);
    learn["layers"].push_back({{"name", report.layers[i]},
                               {"learned_photons_per_mac", means_of(outcome.continuous[i]).photons},
                               {"photons_per_mac", set.photons},
                               {"repetitions", set.repetitions},
                               {"integrations", set.integrations}});
  }
  for (const auto& point : report.curve) {
    learn["curve"].push_back({{"mean_photons_per_mac", point.mean_photons_per_mac},
                              {"learned", point.learned.mean},
                              {"learned_ci95", point.learned.ci95},
                              {"uniform", point.uniform.mean},
                              {"uniform_ci95", point.uniform.ci95}});
  }
  if (report.attribution) {
    const Attribution& a = *report.attribution;
    ordered_json rows = ordered_json::array();
    for (std::size_t l = 0; l < a.layers.size(); ++l) {
      ordered_json row{{"name", a.layers[l]},
                       {"alone", a.alone[l].cost},
                       {"alone_standard_error", a.alone[l].standard_error}};
      for (std::size_t s = 0; s < a.sources.size(); ++s) {
        row["without"][a.sources[s]] = {{"gain", a.without[l][s].cost},
                                        {"standard_error", a.without[l][s].standard_error}};
      }
      rows.push_back(row);
    }
    learn["attribution"] = rows;
  }
  json["learn"] = learn;
  if (report.draws) json["calibration"] = device_draws_json(*report.draws);
  out << json.dump(2) << "\n";
}

void write_learn_result(const LearnReport& report, data::ResultWriter& writer) {
  write_result(report.run, writer);
  if (report.draws) write_device_draws(*report.draws, writer);
  const auto& outcome = report.outcome;
  data::OperatingPointTable table;
  table.model_sha256 = report.model_sha256;
  table.law = report.law;
  table.encoding = report.encoding;
  std::vector<double> macs, learned, set, repetitions, integrations, continuous_points;
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    if (report.digital[i]) continue;
    table.layers.push_back(
        {report.layers[i], outcome.scheduled[i], report.run.layers[i].dot_length});
    macs.push_back(report.macs[i]);
    const LayerMeans means = means_of(outcome.scheduled[i]);
    learned.push_back(means_of(outcome.continuous[i]).photons);
    set.push_back(means.photons);
    repetitions.push_back(means.repetitions);
    integrations.push_back(means.integrations);
    for (const auto& point : outcome.continuous[i]) {
      continuous_points.push_back(point.photons_per_mac);
    }
  }
  data::write_operating_points(writer, table);
  writer.write("/learn/point/learned_photons_per_mac", continuous_points, {"/learn/point/index"},
               "photon/MAC", "learned photons per multiplication, before the schedule");
  const data::AxisPaths by_layer{"/learn/layers/name"};
  writer.write("/learn/layers/macs", macs, by_layer, "MAC", "multiplications of one inference");
  writer.write("/learn/layers/learned_photons_per_mac", learned, by_layer, "photon/MAC",
               "learned photons per multiplication, mean over channels");
  writer.write("/learn/layers/photons_per_mac", set, by_layer, "photon/MAC",
               "photons per multiplication of the schedule, repetitions included");
  writer.write("/learn/layers/repetitions", repetitions, by_layer, "1", "mean repetitions");
  writer.write("/learn/layers/integrations", integrations, by_layer, "1",
               "mean lengthening of the integration");

  const auto scalar = [&](const char* name, double value, const char* units, const char* what) {
    writer.scalar(std::string("/learn/") + name, value, units, what);
  };
  writer.scalar("/learn/method", std::string(to_string(report.settings.method)), "method");
  writer.scalar("/learn/granularity", std::string(to_string(report.settings.granularity)),
                "what has an energy of its own");
  writer.scalar("/learn/objective", std::string(to_string(report.settings.objective)),
                "what is least");
  scalar("mean_photons_per_mac", report.mean, "photon/MAC", "mean of the schedule");
  scalar("uniform_mean_photons_per_mac", outcome.uniform_mean, "photon/MAC",
         "least uniform energy within the target");
  scalar("continuous_mean_photons_per_mac", outcome.continuous_mean, "photon/MAC",
         "mean of the learned energies before the schedule");
  scalar("saving", report.saving(), "1", "1 - mean / uniform mean");
  scalar("total_attojoule_per_mac", report.total_attojoule_per_mac, "aJ", "ledger of the schedule");
  scalar("uniform_total_attojoule_per_mac", report.uniform_total_attojoule_per_mac, "aJ",
         "ledger of the uniform energies");
  scalar("passes", outcome.passes, "1", "passes of single samples that it took");
  scalar("learning_passes", outcome.learning_passes, "1",
         "of them those of learning, forward and backward");
  scalar("learning_images", static_cast<double>(report.learning_images), "1",
         "samples of range_data that were learned from");
  scalar("search_images", static_cast<double>(report.search_images), "1",
         "samples of range_data that were searched with");
  scalar("search_seeds", report.search_seeds, "1", "noise seeds of the search");
  scalar("search_target", outcome.target, is_loss(report) ? "nat" : "1",
         "what the search may lose on its samples");
  scalar("search_clean_accuracy", outcome.clean, "1", "of the samples searched with, noiseless");
  const auto write_certificate = [&](const std::string& group, const Certificate& c) {
    const char* unit = is_loss(report) ? "nat" : "1";
    writer.scalar(group + "/degradation", c.degradation, unit, "lost to the noise");
    writer.scalar(group + "/upper95", c.upper95, unit, "one-sided 95 % bound from above");
    writer.scalar(group + "/lower95", c.lower95, unit, "one-sided 95 % bound from below");
    writer.scalar(group + "/target", c.target, unit, "what may be lost");
    writer.scalar(group + "/holds", c.holds() ? 1.0 : 0.0, "1", "1 if the target is held");
    writer.scalar(group + "/verdict", std::string(network::to_string(c.verdict)),
                  "holds, fails or undecided");
    writer.scalar(group + "/images", static_cast<double>(c.images), "1", "images");
    writer.scalar(group + "/seeds", c.seeds, "1", "noise seeds");
  };
  write_certificate("/learn/certificate", report.certificate);
  write_certificate("/learn/uniform_certificate", report.uniform_certificate);
  if (report.continuous_certificate) {
    write_certificate("/learn/continuous_certificate", *report.continuous_certificate);
  }

  std::vector<double> step, loss, accuracy, cost, round;
  std::vector<std::string> kind;
  for (std::size_t r = 0; r < report.state.rounds.size(); ++r) {
    const auto& history = report.state.rounds[r].learner.history;
    for (std::size_t i = 0; i < history.size(); ++i) {
      const auto& s = history[i];
      kind.emplace_back(kind_of_step(report.settings.method, i));
      step.push_back(static_cast<double>(step.size()));
      loss.push_back(s.loss);
      accuracy.push_back(s.accuracy);
      cost.push_back(s.cost);
      round.push_back(static_cast<double>(r + 1));
    }
  }
  const data::AxisPaths by_step{"/learn/history/step"};
  writer.axis("/learn/history/step", step, "1", "curvature round or gradient step");
  writer.write("/learn/history/kind", kind, by_step,
               "clean: curvature without noise, noisy: curvature under it, gradient: a step");
  writer.write("/learn/history/round", round, by_step, "1", "round of learning and searching");
  writer.write("/learn/history/loss", loss, by_step, "nat", "cross entropy of the step's samples");
  writer.write("/learn/history/accuracy", accuracy, by_step, "1", "accuracy of the step's samples");
  writer.write("/learn/history/cost", cost, by_step,
               report.settings.objective == network::Objective::total ? "aJ" : "photon/MAC",
               "cost of the energies that the step started from");

  std::vector<double> trial, stage, mean, degradation, criterion, images;
  const auto add = [&](const std::vector<SearchPoint>& points, double number_of_stage) {
    for (const auto& p : points) {
      trial.push_back(static_cast<double>(trial.size()));
      stage.push_back(number_of_stage);
      mean.push_back(p.mean_photons_per_mac);
      degradation.push_back(p.degradation);
      criterion.push_back(p.criterion);
      images.push_back(static_cast<double>(p.images));
    }
  };
  add(report.state.uniform, 0);
  for (std::size_t r = 0; r < report.state.rounds.size(); ++r) {
    add(report.state.rounds[r].search, static_cast<double>(r + 1));
  }
  const data::AxisPaths by_trial{"/learn/search/trial"};
  const char* lost_unit = is_loss(report) ? "nat" : "1";
  writer.axis("/learn/search/trial", trial, "1", "measurement of the search");
  writer.write("/learn/search/round", stage, by_trial, "1", "0 = uniform energies, else the round");
  writer.write("/learn/search/mean_photons_per_mac", mean, by_trial, "photon/MAC", "mean energy");
  writer.write("/learn/search/degradation", degradation, by_trial, lost_unit,
               "lost on the search images");
  writer.write("/learn/search/criterion", criterion, by_trial, lost_unit,
               "what is compared with the target");
  writer.write("/learn/search/images", images, by_trial, "1", "images it took");

  if (!report.curve.empty()) {
    std::vector<double> photons, a, a_ci, b, b_ci;
    for (const auto& point : report.curve) {
      photons.push_back(point.mean_photons_per_mac);
      a.push_back(point.learned.mean);
      a_ci.push_back(point.learned.ci95);
      b.push_back(point.uniform.mean);
      b_ci.push_back(point.uniform.ci95);
    }
    const data::AxisPaths by_mean{"/learn/curve/mean_photons_per_mac"};
    writer.axis("/learn/curve/mean_photons_per_mac", photons, "photon/MAC", "mean energy");
    writer.write("/learn/curve/learned", a, by_mean, "1", "accuracy of the learned ratios");
    writer.write("/learn/curve/learned_ci95", a_ci, by_mean, "1", "half width over the noise");
    writer.write("/learn/curve/uniform", b, by_mean, "1", "accuracy of uniform energies");
    writer.write("/learn/curve/uniform_ci95", b_ci, by_mean, "1", "half width over the noise");
  }
  if (report.attribution) {
    const Attribution& a = *report.attribution;
    writer.axis("/learn/attribution/layer", a.layers, "node of the network");
    writer.axis("/learn/attribution/source", a.sources, "noise that is taken away");
    std::vector<double> gain, error, alone, alone_error, whole, whole_error;
    for (std::size_t l = 0; l < a.layers.size(); ++l) {
      alone.push_back(a.alone[l].cost);
      alone_error.push_back(a.alone[l].standard_error);
      for (const auto& entry : a.without[l]) {
        gain.push_back(entry.cost);
        error.push_back(entry.standard_error);
      }
    }
    for (const auto& entry : a.whole) {
      whole.push_back(entry.cost);
      whole_error.push_back(entry.standard_error);
    }
    const data::AxisPaths by_both{"/learn/attribution/layer", "/learn/attribution/source"};
    const data::AxisPaths by_own{"/learn/attribution/layer"};
    const data::AxisPaths by_source{"/learn/attribution/source"};
    writer.write("/learn/attribution/gain", gain, by_both, "1",
                 "accuracy gained without this noise of this layer");
    writer.write("/learn/attribution/gain_error", error, by_both, "1", "standard error");
    writer.write("/learn/attribution/alone", alone, by_own, "1",
                 "accuracy lost to the noise of this layer alone");
    writer.write("/learn/attribution/alone_error", alone_error, by_own, "1", "standard error");
    writer.write("/learn/attribution/whole", whole, by_source, "1",
                 "accuracy gained without this noise in all layers");
    writer.write("/learn/attribution/whole_error", whole_error, by_source, "1", "standard error");
  }
}

}  // namespace attojoule::tools
