#include "network/precision_learner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "photonics/error.hpp"
#include "photonics/random.hpp"

namespace attojoule::network {
namespace {

// Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015: the authors' defaults.
constexpr double first_decay = 0.9;
constexpr double second_decay = 0.999;
constexpr double adam_epsilon = 1e-8;

// Share of a layer's mean that every channel's curvature is mixed with: a channel in which no
// sample happened to matter would get no light at all.
constexpr double curvature_shrinkage = 0.02;

// One seed for every pass of a learner (the golden ratio's multiples are far apart).
std::uint64_t pass_seed(std::uint64_t seed, std::uint64_t pass) {
  return seed + (pass + 1) * 0x9E3779B97F4A7C15u;
}

using Table = std::vector<std::vector<double>>;

template <class Function>
void for_each(const Table& table, Function function) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    for (std::size_t c = 0; c < table[i].size(); ++c) function(i, c);
  }
}

Table zeros_like(const Table& table) {
  Table zeros = table;
  for (auto& row : zeros) std::fill(row.begin(), row.end(), 0.0);
  return zeros;
}

bool same_shape(const Table& a, const Table& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].size() != b[i].size()) return false;
  }
  return true;
}

std::vector<ProductOperatingPoint> to_points(const Table& log_energy) {
  std::vector<ProductOperatingPoint> points(log_energy.size());
  for_each(log_energy, [&](std::size_t i, std::size_t c) {
    points[i].push_back({std::exp(log_energy[i][c]), 1});
  });
  return points;
}

// ln E moved by `shift`, within the bounds.
Table shifted(const Table& log_energy, double shift, double low, double high) {
  Table moved = log_energy;
  for_each(log_energy, [&](std::size_t i, std::size_t c) {
    moved[i][c] = std::clamp(log_energy[i][c] + shift, low, high);
  });
  return moved;
}

// The same ratios of energies, at a cost of exactly `target`: Newton's method on ln C over the
// shift of ln E, kept inside a bracket that halves.
Table at_cost(const Table& log_energy, const CostFunction& cost, const LearnOptions& options) {
  const double low = std::log(options.lowest_energy);
  const double high = std::log(options.highest_energy);
  double smallest = high;
  double largest = low;
  for_each(log_energy, [&](std::size_t i, std::size_t c) {
    smallest = std::min(smallest, log_energy[i][c]);
    largest = std::max(largest, log_energy[i][c]);
  });
  double below = low - largest;
  double above = high - smallest;
  double shift = std::clamp(0.0, below, above);
  Table moved;
  for (int i = 0; i < 200; ++i) {
    moved = shifted(log_energy, shift, low, high);
    const Cost at = cost(to_points(moved));
    const double excess = std::log(at.value / options.target);
    if (std::abs(excess) < 1e-12) return moved;
    (excess > 0 ? above : below) = shift;
    double slope = 0;
    for_each(moved, [&](std::size_t p, std::size_t c) {
      const bool free = moved[p][c] > low && moved[p][c] < high;
      if (free) slope += at.by_log_energy[p][c] / at.value;
    });
    const double newton = shift - excess / slope;
    const double before = shift;
    shift = slope > 0 && newton > below && newton < above ? newton : 0.5 * (below + above);
    if (std::abs(shift - before) < 1e-15 * std::max(1.0, std::abs(shift))) break;
  }
  const double reached = cost(to_points(moved)).value;
  if (std::abs(std::log(reached / options.target)) < 1e-6) return moved;
  throw TargetError(fmt::format(
      "learn: a cost of {:.6g} is out of reach (the energies that the bounds {:.3g} to {:.3g} "
      "allow cost {:.6g} at the nearest). Ask for another target.",
      options.target, options.lowest_energy, options.highest_energy, reached));
}

void require(bool holds, const char* key, const std::string& value, const char* range) {
  if (holds) return;
  throw ConfigError(fmt::format("learn.{}: {} is out of range. Give {}.", key, value, range));
}

}  // namespace

CostFunction mean_energy_cost(const Program& program, const std::vector<bool>& digital) {
  std::vector<double> macs;
  double total = 0;
  for (std::size_t i = 0; i < program.products().size(); ++i) {
    const bool counts = digital.empty() || !digital[i];
    macs.push_back(counts ? static_cast<double>(program.products()[i].macs()) : 0.0);
    total += macs.back();
  }
  if (total == 0) {
    throw ConfigError(
        "learn: every product of the network is digital (there is no light to learn). Remove some "
        "from digital_layers.");
  }
  return [macs, total](const std::vector<ProductOperatingPoint>& points) {
    Cost cost;
    cost.by_log_energy.resize(points.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double share = macs[i] / total / static_cast<double>(points[i].size());
      for (const auto& point : points[i]) {
        cost.by_log_energy[i].push_back(share * point.photons_per_mac);
        cost.value += share * point.photons_per_mac;
      }
    }
    return cost;
  };
}

LearnOptions default_options(LearnMethod method, photonics::Law law) {
  LearnOptions options;
  options.method = method;
  if (law == photonics::Law::garg_thermal || law == photonics::Law::garg_weight) {
    options.lambda = 8;
  }
  if (method == LearnMethod::hybrid) {
    options.steps = 150;
    options.learning_rate = 0.03;
    options.rate_falls = true;
    options.penalty = false;
    options.average = 0.3;
  }
  return options;
}

PrecisionLearner::PrecisionLearner(EnergyGradient& gradient, LearnOptions options,
                                   std::vector<std::int64_t> samples, CostFunction cost)
    : gradient_(gradient), options_(options), samples_(std::move(samples)), cost_(std::move(cost)) {
  const auto text = [](auto value) { return fmt::format("{}", value); };
  require(options.target > 0, "target", text(options.target), "a number above 0");
  require(options.steps >= 0, "steps", text(options.steps), "0 or more");
  require(options.batch >= 1, "batch", text(options.batch), "1 or more");
  require(options.learning_rate > 0, "learning_rate", text(options.learning_rate),
          "a number above 0");
  require(options.lambda >= 0, "lambda", text(options.lambda), "0 or more");
  require(options.average >= 0 && options.average <= 1, "average", text(options.average), "0 to 1");
  require(options.curvature_samples >= 1, "curvature_samples", text(options.curvature_samples),
          "1 or more");
  require(options.curvature_rounds >= 1, "curvature_rounds", text(options.curvature_rounds),
          "1 or more");
  require(options.trust_factor > 1, "trust_factor", text(options.trust_factor), "a number above 1");
  require(options.lowest_energy > 0 && options.lowest_energy < options.highest_energy,
          "lowest_energy", text(options.lowest_energy),
          "a number above 0 and below highest_energy");
  require(!samples_.empty(), "samples", "0", "1 or more");
  for (const std::int64_t sample : samples_) {
    require(sample >= 0 && sample < gradient.source().size, "samples", text(sample),
            "indices of the data set");
  }
  for (const MatrixProduct& product : gradient.program().products()) {
    const bool by_channel =
        options.granularity == Granularity::channel && product.kind != ProductKind::dynamic;
    state_.log_energy.emplace_back(
        by_channel ? static_cast<std::size_t>(product.channels) : std::size_t{1},
        std::log(options.target));
  }
  state_.log_energy = at_cost(state_.log_energy, cost_, options_);
  state_.first_moment = state_.second_moment = state_.sum = zeros_like(state_.log_energy);
}

void PrecisionLearner::start_from(const std::vector<ProductOperatingPoint>& points) {
  Table start = state_.log_energy;
  if (points.size() != start.size()) {
    throw ConfigError(fmt::format("learn: {} operating points to start from, for {} products.",
                                  points.size(), start.size()));
  }
  for (std::size_t i = 0; i < start.size(); ++i) {
    if (points[i].size() != 1 && start[i].size() != 1 && points[i].size() != start[i].size()) {
      throw ConfigError(fmt::format(
          "{}: {} operating points to start from, for {} channels. Give one, or one for each.",
          gradient_.program().products()[i].name, points[i].size(), start[i].size()));
    }
    if (start[i].size() == 1) {
      double mean = 0;
      for (const auto& point : points[i]) mean += point.photons_per_mac;
      start[i][0] = std::log(mean / static_cast<double>(points[i].size()));
      continue;
    }
    for (std::size_t c = 0; c < start[i].size(); ++c) {
      start[i][c] = std::log(points[i][points[i].size() == 1 ? 0 : c].photons_per_mac);
    }
  }
  state_.log_energy = at_cost(start, cost_, options_);
}

void PrecisionLearner::restore(LearnState state) {
  for (const Table* table :
       {&state.log_energy, &state.first_moment, &state.second_moment, &state.sum}) {
    if (!same_shape(*table, state_.log_energy)) {
      throw DataError(
          "learn: a saved state of another network or granularity. Start again without it.");
    }
  }
  state_ = std::move(state);
}

std::int64_t PrecisionLearner::total_steps() const {
  const int rounds = options_.method == LearnMethod::gradient ? 0 : options_.curvature_rounds;
  const int steps = options_.method == LearnMethod::sensitivity ? 0 : options_.steps;
  return rounds + steps;
}

std::int64_t PrecisionLearner::done_steps() const {
  return state_.round + state_.step;
}

LearnStep PrecisionLearner::step() {
  if (finished()) throw RunError("learn: a step after the last one.");
  const bool rounds = options_.method != LearnMethod::gradient;
  const LearnStep done =
      rounds && state_.round < options_.curvature_rounds ? curvature_round() : gradient_step();
  state_.history.push_back(done);
  return done;
}

// Samples [first, first + count) of an endless sequence of shuffled epochs.
std::vector<std::int64_t> PrecisionLearner::draw(std::int64_t first, std::int64_t count) {
  const auto size = static_cast<std::int64_t>(samples_.size());
  std::vector<std::int64_t> drawn;
  while (static_cast<std::int64_t>(drawn.size()) < count) {
    const std::int64_t at = first + static_cast<std::int64_t>(drawn.size());
    const std::int64_t epoch = at / size;
    if (epoch != epoch_ || order_.empty()) {
      std::vector<float> keys(samples_.size());
      photonics::fill_uniform({options_.seed, photonics::NoiseDomain::learning, 1,
                               static_cast<std::uint32_t>(epoch), 0},
                              0, keys);
      order_.resize(samples_.size());
      std::iota(order_.begin(), order_.end(), std::size_t{0});
      std::stable_sort(order_.begin(), order_.end(),
                       [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
      epoch_ = epoch;
    }
    drawn.push_back(samples_[order_[static_cast<std::size_t>(at % size)]]);
  }
  return drawn;
}

LearnStep PrecisionLearner::curvature_round() {
  const bool by_channel = options_.granularity == Granularity::channel;
  const int round = state_.round;
  const auto count = std::min<std::int64_t>(options_.curvature_samples,
                                            static_cast<std::int64_t>(samples_.size()));
  const auto samples = draw(round * count, count);
  const double passes = gradient_.passes();
  const Cost start_cost = cost_(to_points(state_.log_energy));
  gradient_.set_points(to_points(state_.log_energy));
  CurvatureResult curvature = gradient_.curvature(
      samples, pass_seed(options_.seed, static_cast<std::uint64_t>(round)), by_channel, round > 0);
  for (std::size_t i = 0; i < curvature.coefficients.size(); ++i) {
    auto& row = curvature.coefficients[i];
    const double mean = std::accumulate(row.begin(), row.end(), 0.0) /
                        static_cast<double>(std::max<std::size_t>(row.size(), 1));
    for (double& c : row) c += curvature_shrinkage * (mean - c);
  }
  // c / E = mu dC/d ln E. For a cost that is linear in E one turn is exact; others converge.
  Table energies = state_.log_energy;
  for (int turn = 0; turn < 20; ++turn) {
    const Cost cost = cost_(to_points(energies));
    Table next = energies;
    double change = 0;
    for_each(energies, [&](std::size_t i, std::size_t c) {
      const double price = cost.by_log_energy[i][c] / std::exp(energies[i][c]);
      const double coefficient = curvature.coefficients[i][c];
      // What costs nothing, or matters to nothing, is kept.
      if (price > 0 && coefficient > 0) next[i][c] = 0.5 * std::log(coefficient / price);
    });
    next = at_cost(next, cost_, options_);
    for_each(next, [&](std::size_t i, std::size_t c) {
      change = std::max(change, std::abs(next[i][c] - energies[i][c]));
    });
    energies = std::move(next);
    if (change < 1e-9) break;
  }
  state_.log_energy = std::move(energies);
  ++state_.round;
  if (state_.round == options_.curvature_rounds) check_trust(samples, curvature);
  state_.passes += gradient_.passes() - passes;
  return {done_steps(), curvature.loss, curvature.accuracy, start_cost.value};
}

void PrecisionLearner::check_trust(const std::vector<std::int64_t>& samples,
                                   const CurvatureResult& curvature) {
  TrustCheck& trust = state_.trust;
  trust = {};
  for_each(curvature.coefficients, [&](std::size_t i, std::size_t c) {
    trust.predicted += curvature.coefficients[i][c] / std::exp(state_.log_energy[i][c]);
  });
  gradient_.set_points(to_points(state_.log_energy));
  const std::uint64_t seed = pass_seed(options_.seed, 1u << 20);
  const GradientResult clean = gradient_.loss(samples, seed, false);
  const GradientResult noisy = gradient_.loss(samples, seed, true);
  const auto count = static_cast<double>(samples.size());
  trust.measured = noisy.loss - clean.loss;
  double squares = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double difference = noisy.losses[i] - clean.losses[i] - trust.measured;
    squares += difference * difference;
  }
  trust.standard_error = std::sqrt(squares / std::max(count - 1, 1.0) / count);
  const double high = trust.measured + 2 * trust.standard_error;
  const double low = trust.measured - 2 * trust.standard_error;
  trust.holds = trust.predicted <= options_.trust_factor * std::max(high, 0.0) &&
                trust.predicted >= low / options_.trust_factor;
}

LearnStep PrecisionLearner::gradient_step() {
  const bool by_channel = options_.granularity == Granularity::channel;
  const double passes = gradient_.passes();
  const auto points = to_points(state_.log_energy);
  const Cost cost = cost_(points);
  gradient_.set_points(points);
  const auto samples = draw(state_.step * options_.batch, options_.batch);
  GradientResult result = gradient_.run(
      samples, pass_seed(options_.seed, (1u << 21) + static_cast<std::uint64_t>(state_.step)),
      by_channel);
  Table& g = result.by_log_energy;
  if (options_.penalty) {
    const bool above = cost.value > options_.target;
    for_each(g, [&](std::size_t i, std::size_t c) {
      if (above) g[i][c] += options_.lambda * cost.by_log_energy[i][c] / cost.value;
    });
  } else {
    // ln E = theta + s(theta) with s such that the cost is the target.
    double slope = 0;
    double along = 0;
    for_each(g, [&](std::size_t i, std::size_t c) {
      slope += cost.by_log_energy[i][c];
      along += g[i][c];
    });
    for_each(g, [&](std::size_t i, std::size_t c) {
      if (slope > 0) g[i][c] -= cost.by_log_energy[i][c] / slope * along;
    });
  }
  const auto t = static_cast<double>(state_.step + 1);
  double rate = options_.learning_rate;
  if (options_.rate_falls) {
    rate *= 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(state_.step) /
                                static_cast<double>(options_.steps)));
  }
  const double low = std::log(options_.lowest_energy);
  const double high = std::log(options_.highest_energy);
  for_each(g, [&](std::size_t i, std::size_t c) {
    double& m = state_.first_moment[i][c];
    double& v = state_.second_moment[i][c];
    m = first_decay * m + (1 - first_decay) * g[i][c];
    v = second_decay * v + (1 - second_decay) * g[i][c] * g[i][c];
    const double m_hat = m / (1 - std::pow(first_decay, t));
    const double v_hat = v / (1 - std::pow(second_decay, t));
    double& energy = state_.log_energy[i][c];
    energy = std::clamp(energy - rate * m_hat / (std::sqrt(v_hat) + adam_epsilon), low, high);
  });
  if (!options_.penalty) state_.log_energy = at_cost(state_.log_energy, cost_, options_);
  ++state_.step;
  const double first_averaged = (1 - options_.average) * static_cast<double>(options_.steps);
  if (options_.average > 0 && static_cast<double>(state_.step) > first_averaged) {
    for_each(g, [&](std::size_t i, std::size_t c) { state_.sum[i][c] += state_.log_energy[i][c]; });
    ++state_.summed;
  }
  state_.passes += gradient_.passes() - passes;
  return {done_steps(), result.loss, result.accuracy, cost.value};
}

std::vector<ProductOperatingPoint> PrecisionLearner::points() const {
  Table result = state_.log_energy;
  if (state_.summed > 0) {
    for_each(result, [&](std::size_t i, std::size_t c) {
      result[i][c] = state_.sum[i][c] / static_cast<double>(state_.summed);
    });
  }
  return to_points(at_cost(result, cost_, options_));
}

std::vector<ProductOperatingPoint> PrecisionLearner::uniform_points() const {
  Table uniform(state_.log_energy.size(), std::vector<double>{std::log(options_.target)});
  return to_points(at_cost(uniform, cost_, options_));
}

}  // namespace attojoule::network
