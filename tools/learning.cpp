#include "tools/learning.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "network/layer_cost.hpp"
#include "photonics/error.hpp"

namespace attojoule::tools {
namespace {

using Points = std::vector<network::ProductOperatingPoint>;

// Noise seeds of the search: far from those of the certificate (seed, seed + 1, ...), whose images
// are others anyway.
constexpr std::uint64_t search_seed_offset = 0x5EA2C40000000000u;

Points scaled(const Points& points, double factor) {
  Points result = points;
  for (auto& product : result) {
    for (auto& point : product) point.photons_per_mac *= factor;
  }
  return result;
}

// Energies of channels drawn to the mean of their layer: ln E = share ln E_channel + (1 - share) ln
// E_layer.
Points drawn_together(const Points& points, double share) {
  Points result = points;
  for (auto& product : result) {
    double mean = 0;
    for (const auto& point : product) {
      mean += point.photons_per_mac / static_cast<double>(product.size());
    }
    for (auto& point : product) {
      point.photons_per_mac = mean * std::pow(point.photons_per_mac / mean, share);
    }
  }
  return result;
}

void append(network::PassResult& whole, const network::PassResult& part) {
  whole.correct.insert(whole.correct.end(), part.correct.begin(), part.correct.end());
  whole.losses.insert(whole.losses.end(), part.losses.begin(), part.losses.end());
}

network::PassResult first_of(const network::PassResult& pass, std::size_t count) {
  network::PassResult part;
  part.correct.assign(pass.correct.begin(),
                      pass.correct.begin() + static_cast<std::ptrdiff_t>(count));
  if (!pass.losses.empty()) {
    part.losses.assign(pass.losses.begin(),
                       pass.losses.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return part;
}

const char* unit_of(photonics::Law law) {
  return law == photonics::Law::garg_thermal || law == photonics::Law::garg_weight ? "repeats"
                                                                                   : "photons";
}

}  // namespace

network::PairedResults paired(const network::PassResult& clean,
                              const std::vector<network::PassResult>& noisy, bool losses,
                              bool noise_shared) {
  network::PairedResults results;
  results.binary = !losses;
  results.noise_shared_by_pass = noise_shared;
  const auto values = [losses](const network::PassResult& pass) {
    std::vector<double> list;
    if (losses) {
      for (const double loss : pass.losses) list.push_back(-loss);
    } else {
      list.assign(pass.correct.begin(), pass.correct.end());
    }
    return list;
  };
  results.clean = values(clean);
  for (const auto& pass : noisy) results.noisy.push_back(values(pass));
  return results;
}

Points realisable(Simulation& simulation, const Points& points) {
  const Experiment& experiment = simulation.experiment();
  Points result = points;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double most = network::largest_photons_per_mac(
        experiment.device, simulation.program().products()[i], experiment.law, experiment.encoding);
    for (auto& point : result[i]) {
      if (point.photons_per_mac <= most) continue;
      const double repetitions = std::ceil(point.photons_per_mac / most);
      point.photons_per_mac /= repetitions;
      point.repetitions *= repetitions;
    }
  }
  return result;
}

network::CostFunction ledger_cost(const network::Program& program, const photonics::Device& device,
                                  photonics::Law law, photonics::Encoding encoding,
                                  const std::vector<bool>& digital) {
  const bool repeats = law == photonics::Law::garg_thermal || law == photonics::Law::garg_weight;
  network::CostRequest request;
  request.law = law;
  request.encoding = encoding;
  struct Product {
    const network::MatrixProduct* product = nullptr;
    double at_one_photon_cost = 0;  // what is there without light, in joules
    double most = 0;                // photons of one repetition
  };
  std::vector<Product> products;
  double macs = 0;
  double slope = 0;
  for (std::size_t i = 0; i < program.products().size(); ++i) {
    const auto& product = program.products()[i];
    Product own;
    if (digital.empty() || !digital[i]) {
      own.product = &product;
      macs += static_cast<double>(product.macs());
      own.most = network::largest_photons_per_mac(device, product, law, encoding);
      constexpr double faint = 1e-9;
      const photonics::OperatingPoint point{repeats ? 1 : faint, 1, 1};
      const auto cost = network::layer_cost(device, product, request, std::span(&point, 1));
      own.at_one_photon_cost = network::total(cost.bill.joule);
      slope += repeats ? own.at_one_photon_cost : cost.total_per_ln_photons[0] / faint;
    }
    products.push_back(own);
  }
  if (!(slope > 0)) {
    throw ConfigError(
        "learn.objective: total, of a device whose energies do not depend on what is learned "
        "(light "
        "and converters cost nothing). State its energies, such as adc.energy_per_conversion, or "
        "use objective: optical.");
  }
  return [products, macs, repeats, request, device](const Points& points) {
    constexpr double to_attojoule = 1e18;
    network::Cost cost;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Product& own = products[i];
      cost.by_log_energy.emplace_back(points[i].size(), 0.0);
      if (own.product == nullptr) continue;
      auto& slopes = cost.by_log_energy.back();
      const auto channels = static_cast<double>(points[i].size());
      if (repeats) {
        for (std::size_t c = 0; c < points[i].size(); ++c) {
          slopes[c] = own.at_one_photon_cost * points[i][c].photons_per_mac / channels / macs *
                      to_attojoule;
          cost.value += slopes[c];
        }
        continue;
      }
      network::ProductOperatingPoint split;
      for (const auto& point : points[i]) {
        const double n = std::min(point.photons_per_mac, own.most);
        split.push_back({n, point.photons_per_mac / n, 1});
      }
      const auto layer = network::layer_cost(device, *own.product, request, split);
      cost.value +=
          (network::total(layer.bill.joule) - own.at_one_photon_cost) / macs * to_attojoule;
      const double of_repetitions = network::total(layer.per_ln_repetitions);
      double all = 0;
      for (const auto& point : split) all += point.repetitions;
      for (std::size_t c = 0; c < split.size(); ++c) {
        slopes[c] = (split[c].repetitions > 1 ? of_repetitions * split[c].repetitions / all
                                              : layer.total_per_ln_photons[c]) /
                    macs * to_attojoule;
      }
    }
    return cost;
  };
}

struct Learning::Parts {
  data::Dataset dataset;
  LoadedNetwork network;
  network::SampleSource source;
  std::unique_ptr<network::Evaluator> evaluator;  // of the search images
  std::unique_ptr<network::EnergyGradient> gradient;
  network::NoiseRequest law;
  std::vector<bool> digital;
  network::CostFunction cost;
  std::vector<std::int64_t> learning_samples;

  Parts(data::Dataset set, LoadedNetwork loaded)
      : dataset(std::move(set)), network(std::move(loaded)) {
    source = source_of(dataset, network.input_sources);
  }
};

Learning::Learning(Simulation& simulation, int threads,
                   std::function<void(const LearningState&)> save,
                   std::function<void(const std::string&, double)> progress)
    : simulation_(simulation),
      settings_(simulation.experiment().learn),
      threads_(threads),
      save_(std::move(save)),
      progress_(std::move(progress)) {
  const Experiment& experiment = simulation.experiment();
  if (!experiment.range_data) {
    throw ConfigError(
        "range_data: missing (energies are learned and searched on data that the result is not "
        "judged on). Name a training set: range_data: {file: train.h5}.");
  }
  data::Dataset dataset = data::Dataset::open(*experiment.range_data);
  if (dataset.sha256() == simulation.dataset().sha256()) {
    throw ConfigError(fmt::format(
        "range_data: {} is the file that the result is judged on (the certificate would "
        "be about data that was learned from). Name another one.",
        dataset.file().string()));
  }
  network::ProgramOptions options = simulation.program_options();
  options.gradients = true;
  LoadedNetwork loaded = load_network(experiment.model, dataset, options);
  parts_ = std::make_unique<Parts>(std::move(dataset), std::move(loaded));
  network::Program& program = parts_->network.program;
  const std::int64_t all = parts_->dataset.size();
  require_labels(parts_->dataset, all, program.output_size());

  // Ratios of energies are learned from few images; what the search needs is a narrow bound. Up to
  // 4000 images judge it, after 1000 to learn from (half of a small set).
  constexpr std::int64_t enough = 4000, least_learned = 1000;
  const std::int64_t left = std::max(all - least_learned, (all + 1) / 2);
  const std::int64_t searched =
      settings_.search_images > 0 ? settings_.search_images : std::min(enough, left);
  const std::int64_t learned =
      settings_.learning_images > 0 ? settings_.learning_images : all - searched;
  if (searched < 1 || learned < 1 || searched + learned > all) {
    throw ConfigError(fmt::format(
        "range_data: {} samples for {} to learn from and {} to search with (they must not "
        "be the same ones). Give more, or less in learn.learning_images and "
        "learn.search_images.",
        all, learned, searched));
  }
  learning_images_ = learned;
  search_images_ = searched;
  // Of few images each is asked more often: the bound that the search holds narrows, at the passes
  // that a large set takes.
  constexpr std::int64_t passes = enough, most_seeds = 8, least_seeds = 2;
  const std::int64_t seeds =
      std::clamp((passes + searched - 1) / searched, least_seeds, most_seeds);
  search_seeds_ = settings_.search_seeds > 0          ? settings_.search_seeds
                  : simulation.noise_shared_by_pass() ? static_cast<int>(most_seeds)
                                                      : static_cast<int>(seeds);
  for (std::int64_t i = 0; i < learned; ++i) parts_->learning_samples.push_back(i);
  parts_->digital = simulation.digital();
  parts_->law = simulation.noise_request();
  parts_->law.fidelity = network::Fidelity::analytic;
  parts_->evaluator = std::make_unique<network::Evaluator>(program, parts_->source, threads_);
  parts_->gradient = std::make_unique<network::EnergyGradient>(
      program, parts_->source, experiment.device, parts_->law, threads_);
  // Where a schedule is planned, its reads and symbols are weighed there: energies are learned for
  // light, at whose optimum the loss's slopes are those of the light (network/schedule.hpp).
  parts_->cost = settings_.objective == network::Objective::total && !plans_schedule()
                     ? ledger_cost(program, experiment.device, experiment.law, experiment.encoding,
                                   parts_->digital)
                     : network::mean_energy_cost(program, parts_->digital);
}

Learning::~Learning() = default;

const std::string& Learning::data_sha256() const {
  return parts_->dataset.sha256();
}

void Learning::resume(LearningState state) {
  state_ = std::move(state);
}

double Learning::allowed_loss(const LearnSettings& settings, double clean) {
  constexpr double percent = 100;
  switch (settings.target_kind) {
    case TargetKind::points:
      return settings.target / percent;
    case TargetKind::relative:
      return clean * settings.target / percent;
    case TargetKind::loss:
      return settings.target;
    case TargetKind::accuracy:
      break;
  }
  const double allowed = clean - settings.target / percent;
  if (!(allowed > 0)) {
    throw TargetError(fmt::format(
        "learn.min_accuracy_percent: {} is out of reach (the network has {:.2f} % without "
        "any noise). Ask for less, or use a better network.",
        settings.target, clean * percent));
  }
  return allowed;
}

double Learning::mean(const Points& points) const {
  return mean_photons_per_mac(parts_->network.program, points, parts_->digital);
}

SearchPoint Learning::measure(const Points& points, bool whole) {
  network::Program& program = parts_->network.program;
  const Experiment& experiment = simulation_.experiment();
  const bool losses = settings_.target_kind == TargetKind::loss;
  const bool shared = simulation_.noise_shared_by_pass();
  network::NoiseRequest request = parts_->law;
  request.fidelity = experiment.fidelity;
  request.points = points;
  const auto noise = network::plan_noise(experiment.device, program, request);
  program.set_noise(noise);

  SearchPoint point;
  point.mean_photons_per_mac = mean(points);
  point.seeds = search_seeds_;
  std::vector<network::PassResult> passes(static_cast<std::size_t>(search_seeds_));
  constexpr std::int64_t first_block = 100;
  std::int64_t done = 0;
  while (done < search_images_) {
    const std::int64_t block =
        whole ? search_images_ : std::min(search_images_ - done, std::max(first_block, done));
    for (int s = 0; s < search_seeds_; ++s) {
      network::PassRequest pass;
      pass.first = learning_images_ + done;
      pass.images = block;
      pass.seed = experiment.seed + search_seed_offset + static_cast<std::uint64_t>(s);
      pass.noisy = true;
      pass.keep_losses = losses;
      program.perturb_weights(pass.seed);
      append(passes[static_cast<std::size_t>(s)], parts_->evaluator->run(pass, {}));
    }
    done += block;
    const auto certificate = network::certify(
        paired(first_of(clean_, static_cast<std::size_t>(done)), passes, losses, shared), target_);
    const auto images = static_cast<double>(done);
    // What the bound would be on all images, and how far it may still move.
    const double all = static_cast<double>(search_images_);
    const double reach = (certificate.upper95 - certificate.degradation) * std::sqrt(images / all);
    point.degradation = certificate.degradation;
    // Few images cannot rule out a loss however much light there is: a margin of more than half of
    // the target would buy nothing but light. Where what they changed scatters by more than the
    // target, they have not seen enough of it to tell a loss from luck.
    constexpr double most_margin = 0.5, normal_quantile_95 = 1.645;
    const double scatter =
        normal_quantile_95 * certificate.standard_error * std::sqrt(images / all) - target_;
    double margin = std::min(reach, most_margin * target_);
    if (certificate.degradation + margin <= target_) {
      margin = std::min(reach, std::max(margin, scatter));
    }
    point.criterion = certificate.degradation + (settings_.bound ? margin : 0);
    point.upper95 = certificate.degradation + reach;
    point.images = done;
    if (done == search_images_) break;
    const double least_error =
        losses ? 0 : std::sqrt(std::max(certificate.lost + certificate.gained, 2.0)) / images;
    const double error =
        std::max(certificate.standard_error, least_error) * std::sqrt(1 - images / all);
    constexpr double certain = 3;  // standard errors
    if (std::abs(point.criterion - target_) > certain * error) break;
  }
  restore_weights(program, {});
  return point;
}

network::SearchOptions Learning::search_options(double first, double growth) const {
  network::SearchOptions options;
  options.target = target_;
  options.first = first;
  options.growth = growth;
  return options;
}

double Learning::most_uniform_photons() const {
  const Experiment& experiment = simulation_.experiment();
  const auto& products = parts_->network.program.products();
  double most = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < products.size(); ++i) {
    if (!parts_->digital.empty() && parts_->digital[i]) continue;
    most = std::min(most, network::largest_photons_per_mac(experiment.device, products[i],
                                                           experiment.law, experiment.encoding));
  }
  return most * static_cast<double>(settings_.levers.max_repetitions);
}

void Learning::out_of_reach(const std::vector<SearchPoint>& log) const {
  const SearchPoint& last = log.back();
  const double most = most_uniform_photons();
  const std::string power =
      std::isfinite(most)
          ? fmt::format(
                "laser.maximum_power gives {:.3g} photons per multiplication in the {} "
                "repetitions that learn.max_repetitions allows, ",
                most, settings_.levers.max_repetitions)
          : "";
  const bool losses = settings_.target_kind == TargetKind::loss;
  const double scale = losses ? 1 : 100;
  const char* unit = losses ? "nats" : "points";
  throw TargetError(fmt::format(
      "learn: the target of {:.4g} {} lost is out of reach ({:.4g} are lost at {:.3g} {} "
      "per multiplication, and up to {:.4g} cannot be ruled out with {} images and {} "
      "seeds: {}some noise of the device does not fall with the light, or the images are "
      "too few). Allow more, improve the device, or give more images or seeds.",
      target_ * scale, unit, last.degradation * scale, last.mean_photons_per_mac,
      unit_of(simulation_.experiment().law), last.criterion * scale, last.images, last.seeds,
      power));
}

std::optional<SearchPoint> Learning::search(const Points& shape,
                                            const network::SearchOptions& options,
                                            std::vector<SearchPoint>& log, const std::string& stage,
                                            double share_before, double share, bool baseline) {
  network::LeastEnergySearch state(options);
  const double shape_mean = mean(shape);
  for (const auto& point : log) state.report({point.mean_photons_per_mac, point.criterion});
  while (const auto energy = state.next()) {
    const double expected = 1 - std::exp(-static_cast<double>(log.size()) / 4);
    progress_(
        fmt::format("{}: {:.4g} {}/MAC", stage, *energy, unit_of(simulation_.experiment().law)),
        share_before + share * expected);
    const Points points = scaled(shape, *energy / shape_mean);
    // Learned energies become a schedule later; the baseline has to run as it is.
    SearchPoint point = measure(baseline ? realisable(simulation_, points) : points, false);
    point.mean_photons_per_mac = *energy;  // as the search counts, free of rounding
    log.push_back(point);
    state.report({*energy, point.criterion});
    save_(state_);
  }
  const auto best = state.best();
  if (!best) return {};
  return log[*best];
}

void Learning::learn_round(std::size_t index, double cost, const Points* start, double share_before,
                           double share) {
  LearningRound& round = state_.rounds[index];
  network::LearnOptions options =
      network::default_options(settings_.method, simulation_.experiment().law);
  options.granularity = settings_.granularity;
  options.target = cost;
  options.seed = simulation_.experiment().seed + index;
  options.batch = settings_.batch;
  if (settings_.steps > 0) options.steps = settings_.steps;
  if (settings_.learning_rate > 0) options.learning_rate = settings_.learning_rate;
  if (settings_.curvature_images > 0) options.curvature_samples = settings_.curvature_images;
  network::PrecisionLearner learner(*parts_->gradient, options, parts_->learning_samples,
                                    parts_->cost);
  const bool begun = learner.total_steps() > 0 && round.learner.history.size() > 0;
  if (begun) {
    learner.restore(round.learner);
  } else if (start != nullptr) {
    learner.start_from(*start);
  }
  while (!learner.finished()) {
    progress_(fmt::format("round {}: learning", index + 1),
              share_before + share * static_cast<double>(learner.done_steps()) /
                                 static_cast<double>(learner.total_steps()));
    learner.step();
    round.learner = learner.state();
    // Thirds of passes, free of the rounding that depends on where a run was stopped.
    round.learner.passes = std::round(3 * round.learner.passes) / 3;
    save_(state_);
  }
  restore_weights(parts_->network.program, {});
  round.points = learner.points();
  round.learned = true;
  save_(state_);
}

bool Learning::plans_schedule() const {
  const photonics::Law law = simulation_.experiment().law;
  const bool repeats = law == photonics::Law::garg_thermal || law == photonics::Law::garg_weight;
  return settings_.schedule == ScheduleKind::hardware ||
         (settings_.schedule == ScheduleKind::automatic && !repeats);
}

double Learning::ledger_joules(const Points& points) const {
  const Experiment& experiment = simulation_.experiment();
  const auto& products = parts_->network.program.products();
  double joules = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!parts_->digital.empty() && parts_->digital[i]) continue;
    const double outputs =
        static_cast<double>(products[i].outputs()) / static_cast<double>(points[i].size());
    for (const auto& point : points[i]) {
      joules +=
          network::operating_cost(experiment.device, products[i], outputs, point, experiment.law,
                                  experiment.encoding, network::Objective::total);
    }
  }
  return joules;
}

// The objective's schedule. For the total also the one for light: each is right by its model of the
// loss, and the one that takes fewer joules at the target is kept.
void Learning::plan_hardware(LearningOutcome& outcome) {
  plan_hardware(outcome, settings_.objective);
  if (settings_.objective != network::Objective::total) return;
  LearningOutcome light = outcome;
  plan_hardware(light, network::Objective::optical);
  const double joules = ledger_joules(light.scheduled);
  if (joules >= ledger_joules(outcome.scheduled)) return;
  light.schedule.cost = joules;
  light.schedule.rounded_cost = outcome.schedule.rounded_cost;
  light.schedule.continuous_cost = outcome.schedule.continuous_cost;
  outcome = std::move(light);
}

// The schedule, at energies raised in small steps until it meets the target as well.
void Learning::plan_hardware(LearningOutcome& outcome, network::Objective objective) {
  network::Program& program = parts_->network.program;
  network::ScheduleRequest request;
  request.device = simulation_.experiment().device;
  request.law = parts_->law;
  request.objective = objective;
  request.levers = settings_.levers;
  constexpr std::int64_t statistics_images = 16;
  request.means = network::measure_variance_means(program, *parts_->evaluator,
                                                  std::min(learning_images_, statistics_images));
  constexpr double raise = 1.03;
  constexpr int tries = 20;
  for (int i = 0;; ++i) {
    request.law.points = scaled(outcome.continuous, std::pow(raise, i));
    request.cost_slopes = parts_->cost(request.law.points).by_log_energy;
    outcome.schedule = network::plan_schedule(program, request);
    outcome.scheduled = outcome.schedule.points;
    outcome.check = measure(outcome.scheduled, true);
    if (outcome.check.criterion <= target_) break;
    if (i == tries) out_of_reach({outcome.check});
  }
}

LearningOutcome Learning::run() {
  const Experiment& experiment = simulation_.experiment();
  network::Program& program = parts_->network.program;
  LearningOutcome outcome;
  const bool losses = settings_.target_kind == TargetKind::loss;
  progress_("without noise", 0);
  network::PassRequest clean;
  clean.first = learning_images_;
  clean.images = search_images_;
  clean.keep_losses = losses;
  clean_ = parts_->evaluator->run(clean, {});
  outcome.clean = clean_.accuracy();
  LearnSettings of_search = settings_;
  of_search.target = settings_.search_target.value_or(settings_.target);
  target_ = outcome.target = allowed_loss(of_search, outcome.clean);

  const Points one(program.products().size(), {photonics::OperatingPoint{1, 1, 1}});
  const bool repeats = experiment.law == photonics::Law::garg_thermal ||
                       experiment.law == photonics::Law::garg_weight;
  constexpr double usual_photons = 50, usual_repeats = 4;
  auto of_uniform = search_options(repeats ? usual_repeats : usual_photons, 4);
  of_uniform.highest = std::min(of_uniform.highest, most_uniform_photons());
  of_uniform.first = std::clamp(of_uniform.first, of_uniform.lowest, of_uniform.highest);
  const auto uniform = search(one, of_uniform, state_.uniform, "uniform", 0, 0.2, true);
  if (!uniform) out_of_reach(state_.uniform);
  outcome.uniform_mean = uniform->mean_photons_per_mac;
  outcome.uniform = scaled(one, outcome.uniform_mean);

  // What was learned has to need less than uniform energies do.
  Points best = outcome.uniform;
  double best_mean = outcome.uniform_mean;
  for (std::size_t r = 0; r < static_cast<std::size_t>(settings_.rounds); ++r) {
    const double share = 0.6 / settings_.rounds;
    const double before = 0.2 + share * static_cast<double>(r);
    if (state_.rounds.size() <= r) {
      state_.rounds.emplace_back();
      // Networks save a half to nine tenths against uniform energies: a third is a fair beginning.
      // Energies that hardly any target needs stay above the learner's least.
      constexpr double expected_share = 1.0 / 3, of_least = 2;
      const double least = of_least * network::LearnOptions{}.lowest_energy;
      const double share_of_best = std::max(r == 0 ? expected_share : 1.0, least / best_mean);
      state_.rounds[r].cost = parts_->cost(scaled(best, share_of_best)).value;
    }
    if (!state_.rounds[r].learned) {
      learn_round(r, state_.rounds[r].cost, r == 0 ? nullptr : &best, before, share * 0.6);
    }
    const Points shape = state_.rounds[r].points;
    const double start = r == 0 ? mean(shape) : best_mean;
    const auto options = search_options(std::clamp(start, 1e-3, 1e8), r == 0 ? 2 : 1.15);
    const auto found =
        search(shape, options, state_.rounds[r].search, fmt::format("round {}: searching", r + 1),
               before + share * 0.6, share * 0.4);
    const auto keep = [&](const Points& from, double energy) {
      const Points points = scaled(from, energy / mean(from));
      if (!(parts_->cost(points).value < parts_->cost(best).value)) return;
      best = points;
      best_mean = energy;
      outcome.best_round = static_cast<int>(r);
    };
    // What was learned may not reach a target that single images decide; what was found before
    // does.
    if (found) keep(shape, found->mean_photons_per_mac);
    if (settings_.granularity != network::Granularity::channel) continue;
    // Halfway, and all the way: a first trial a little below what is known decides whether to go
    // on.
    constexpr std::array shares{0.5, 0.0};
    auto& logs = state_.rounds[r].tempered;
    for (std::size_t k = 0; k < shares.size(); ++k) {
      if (logs.size() <= k) logs.emplace_back();
      const Points other = drawn_together(shape, shares[k]);
      auto below = search_options(best_mean / 1.03, 1.15);
      if (logs[k].empty()) {
        SearchPoint trial = measure(scaled(other, below.first / mean(other)), false);
        trial.mean_photons_per_mac = below.first;
        logs[k].push_back(trial);
        save_(state_);
      }
      below.first = logs[k][0].mean_photons_per_mac;
      if (logs[k][0].criterion > target_) continue;
      const auto better = search(other, below, logs[k], fmt::format("round {}: searching", r + 1),
                                 before + share, 0);
      if (better) keep(other, better->mean_photons_per_mac);
    }
  }
  outcome.continuous = best;
  outcome.continuous_mean = best_mean;

  progress_("schedule", 0.8);
  const bool hardware = plans_schedule();
  if (hardware) {
    plan_hardware(outcome);
  } else {
    outcome.scheduled = realisable(simulation_, best);
    outcome.check = measure(outcome.scheduled, true);
    outcome.schedule.points = outcome.scheduled;
    outcome.schedule.cost = outcome.schedule.rounded_cost = outcome.schedule.continuous_cost =
        parts_->cost(best).value;
  }
  if (hardware && repeats) {
    // Whole repeats for the baseline, too.
    for (auto& product : outcome.uniform) {
      for (auto& point : product) point.photons_per_mac = std::ceil(point.photons_per_mac);
    }
    outcome.uniform_mean = mean(outcome.uniform);
  }
  const double scheduled_mean = mean(outcome.scheduled);
  outcome.schedule_changes = std::abs(scheduled_mean - best_mean) > 1e-9 * best_mean;
  const auto searched = [](const std::vector<SearchPoint>& points) {
    double passes = 0;
    for (const auto& point : points) {
      passes += static_cast<double>(point.images) * point.seeds;
    }
    return passes;
  };
  outcome.passes = searched(state_.uniform);
  for (const auto& round : state_.rounds) {
    outcome.learning_passes += round.learner.passes;
    outcome.passes += searched(round.search) + round.learner.passes;
    for (const auto& log : round.tempered) outcome.passes += searched(log);
  }
  return outcome;
}

}  // namespace attojoule::tools
