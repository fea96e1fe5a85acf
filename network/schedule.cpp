#include "network/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "network/layer_cost.hpp"
#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

using photonics::Law;
using photonics::NoiseModel;
using photonics::OperatingPoint;

// The sum that the constraint limits, and the cost.
struct Totals {
  double cost = 0;
  double loss = 0;
};

Totals totals(const std::vector<ScheduleGroup>& groups, const std::vector<std::size_t>& chosen) {
  Totals sum;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto& option = groups[g].options[chosen[g]];
    sum.cost += option.cost;
    sum.loss += groups[g].weight * option.variance;
  }
  return sum;
}

std::vector<std::size_t> best_at_multiplier(const std::vector<ScheduleGroup>& groups,
                                            double multiplier) {
  std::vector<std::size_t> chosen(groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t o = 0; o < groups[g].options.size(); ++o) {
      const auto& option = groups[g].options[o];
      const double value = option.cost + multiplier * groups[g].weight * option.variance;
      if (value < least) {
        least = value;
        chosen[g] = o;
      }
    }
  }
  return chosen;
}

// Uses up what the constraint leaves: cheaper options one group at a time, most joules first.
void spend_slack(const std::vector<ScheduleGroup>& groups, double limit,
                 std::vector<std::size_t>& chosen) {
  double slack = limit - totals(groups, chosen).loss;
  constexpr int rounds = 4;
  for (int round = 0; round < rounds; ++round) {
    struct Move {
      double saved = 0;
      std::size_t group = 0, option = 0;
    };
    std::vector<Move> moves;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto& now = groups[g].options[chosen[g]];
      Move best;
      for (std::size_t o = 0; o < groups[g].options.size(); ++o) {
        const auto& option = groups[g].options[o];
        const double more = groups[g].weight * (option.variance - now.variance);
        if (more <= slack && now.cost - option.cost > best.saved) {
          best = {now.cost - option.cost, g, o};
        }
      }
      if (best.saved > 0) moves.push_back(best);
    }
    if (moves.empty()) return;
    std::stable_sort(moves.begin(), moves.end(),
                     [](const Move& a, const Move& b) { return a.saved > b.saved; });
    for (const Move& move : moves) {
      const auto& group = groups[move.group];
      const double more = group.weight * (group.options[move.option].variance -
                                          group.options[chosen[move.group]].variance);
      if (more > slack) continue;
      slack -= more;
      chosen[move.group] = move.option;
    }
  }
}

// Exchanges between two groups, while any makes the whole cheaper. Small cases only.
void exchange_pairs(const std::vector<ScheduleGroup>& groups, double limit,
                    std::vector<std::size_t>& chosen) {
  bool improved = true;
  while (improved) {
    improved = false;
    for (std::size_t a = 0; a < groups.size(); ++a) {
      for (std::size_t b = a + 1; b < groups.size(); ++b) {
        const Totals now = totals(groups, chosen);
        const auto& from_a = groups[a].options[chosen[a]];
        const auto& from_b = groups[b].options[chosen[b]];
        double least = -1e-12 * std::abs(now.cost);
        std::size_t to_a = chosen[a], to_b = chosen[b];
        for (std::size_t i = 0; i < groups[a].options.size(); ++i) {
          for (std::size_t k = 0; k < groups[b].options.size(); ++k) {
            const auto& option_a = groups[a].options[i];
            const auto& option_b = groups[b].options[k];
            const double cost = option_a.cost - from_a.cost + option_b.cost - from_b.cost;
            const double loss = groups[a].weight * (option_a.variance - from_a.variance) +
                                groups[b].weight * (option_b.variance - from_b.variance);
            if (cost < least && now.loss + loss <= limit) {
              least = cost;
              to_a = i;
              to_b = k;
            }
          }
        }
        if (to_a != chosen[a] || to_b != chosen[b]) {
          chosen[a] = to_a;
          chosen[b] = to_b;
          improved = true;
        }
      }
    }
  }
}

photonics::DotProduct dot_product(const MatrixProduct& product, const NoiseRequest& law,
                                  std::size_t index) {
  photonics::DotProduct dot;
  dot.length = product.dot_length;
  dot.weight_full_scale = product.weight_absolute_maximum;
  dot.weight_range = product.weight_high - product.weight_low;
  if (!law.ranges.empty()) {
    const InputRange& range = law.ranges[index];
    dot.input_full_scale = std::max(-range.low, range.high);
    dot.input_range = range.high - range.low;
    if (product.kind == ProductKind::dynamic) {
      dot.weight_full_scale = range.weight_absolute_maximum;
      dot.weight_range = 2 * range.weight_absolute_maximum;
    }
  }
  return dot;
}

double variance_of(const NoiseModel& model, const VarianceMeans& means) {
  if (model.weight_noise > 0) return model.weight_noise * model.weight_noise;
  if (model.photons_per_multiplication > 0) return 1 / model.photons_per_multiplication;
  const auto& c = model.variance;
  const std::array coefficients{c.constant, c.weight_norm, c.input_norm, c.norm_product, c.signal};
  double sum = 0;
  for (std::size_t k = 0; k < means.size(); ++k) sum += coefficients[k] * means[k];
  return sum;
}

bool counts_repeats(Law law) {
  return law == Law::garg_thermal || law == Law::garg_weight;
}

// One group's product at a point: the cost of its outputs and the variance, or nothing where the
// device cannot do it (one symbol that overfills the well).
class Group {
 public:
  Group(const Program& program, const ScheduleRequest& request, std::size_t product,
        std::size_t groups_of_product)
      : request_(request),
        product_(program.products()[product]),
        dot_(dot_product(product_, request.law, product)),
        means_(request.means[product]),
        outputs_(static_cast<double>(product_.outputs()) / static_cast<double>(groups_of_product)),
        largest_(largest_photons_per_mac(request.device, product_, request.law.law,
                                         request.law.encoding)) {}

  double variance(const OperatingPoint& point) const {
    return variance_of(photonics::compile_noise_model(request_.device, request_.law.law,
                                                      request_.law.encoding, point, dot_),
                       means_);
  }
  double cost(const OperatingPoint& point) const {
    return operating_cost(request_.device, product_, outputs_, point, request_.law.law,
                          request_.law.encoding, request_.objective);
  }
  double largest() const { return largest_; }
  const MatrixProduct& product() const { return product_; }

  // The settings around a learned energy, at which the cost has this slope over its logarithm.
  ScheduleGroup options(double energy, double cost_slope) const;

 private:
  void add(ScheduleGroup& group, const OperatingPoint& point, double reference) const {
    ScheduleOption option;
    option.point = point;
    try {
      option.variance = variance(point) / reference;
    } catch (const ConfigError&) {
      return;  // the well does not hold one symbol of that light
    }
    // Of settings that cost the same, the one with the fewest symbols.
    constexpr double tie = 1e-12;
    option.cost = cost(point) * (1 + tie * (point.repetitions * point.integrations - 1));
    group.options.push_back(option);
  }
  std::vector<double> powers(double energy, double most) const;

  const ScheduleRequest& request_;
  const MatrixProduct& product_;
  photonics::DotProduct dot_;
  VarianceMeans means_;
  double outputs_;
  double largest_;
};

// Photons of one repetition that may be set, near `energy` and below it where it takes repetitions.
std::vector<double> Group::powers(double energy, double most) const {
  std::vector<double> values;
  constexpr int per_octave = 8, octaves_up = 2, octaves_down = 6;
  const double steps = std::exp2(request_.levers.power_bits);
  for (int i = -octaves_down * per_octave; i <= octaves_up * per_octave; ++i) {
    // Fine near the learned energy, octaves further below.
    if (i < -per_octave && i % per_octave != 0) continue;
    double n = energy * std::exp2(static_cast<double>(i) / per_octave);
    if (request_.levers.power_bits > 0) n = std::ceil(n / most * steps - 1e-9) * most / steps;
    if (n <= most * (1 + 1e-12)) values.push_back(std::min(n, most));
  }
  if (std::isfinite(most)) values.push_back(most);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

ScheduleGroup Group::options(double energy, double cost_slope) const {
  ScheduleGroup group;
  const double reference = variance({energy, 1, 1});
  constexpr double widest = 4;  // of variances looked at, on both sides
  if (counts_repeats(request_.law.law)) {
    const auto most = static_cast<double>(request_.levers.max_repetitions);
    double last = 0;
    for (double e = std::max(std::floor(energy / widest), 1.0); e <= energy * widest + 1;
         e = std::max(e + 1, std::floor(e * 1.04))) {
      if (e > most || e == last) break;
      add(group, {e, 1, 1}, reference);
      last = e;
    }
    if (std::ceil(energy) <= most) add(group, {std::max(std::ceil(energy), 1.0), 1, 1}, reference);
  } else {
    const auto most_repetitions = static_cast<double>(request_.levers.max_repetitions);
    // A weight-stationary tile reads every slot: there is nothing to integrate over.
    const bool integrates = request_.law.law == Law::homodyne &&
                            request_.device.tile.dataflow == photonics::Dataflow::output_stationary;
    for (std::int64_t m = 1; m <= (integrates ? request_.levers.max_integrations : 1); m *= 2) {
      const auto lengthened = static_cast<double>(m);
      for (const double n : powers(energy, largest_ * lengthened)) {
        double once = 0;
        try {
          once = variance({n, 1, lengthened}) / reference;
        } catch (const ConfigError&) {
          continue;
        }
        // Repetitions that bring the variance to a quarter, ... four times the learned one.
        double last = 0;
        for (double factor = 1 / widest; factor <= widest; factor *= std::exp2(0.25)) {
          const double repetitions = std::max(std::ceil(once * factor - 1e-9), 1.0);
          if (repetitions == last || repetitions > most_repetitions) continue;
          last = repetitions;
          if (once / repetitions > widest) continue;
          add(group, {n, repetitions, lengthened}, reference);
        }
      }
    }
  }
  // Only what nothing beats in both; the rounded solution is the cheapest that is good enough
  // alone.
  std::vector<std::size_t> order(group.options.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto& x = group.options[a];
    const auto& y = group.options[b];
    return x.cost != y.cost ? x.cost < y.cost : x.variance < y.variance;
  });
  std::vector<ScheduleOption> kept;
  for (const std::size_t index : order) {
    const auto& option = group.options[index];
    if (kept.empty() || option.variance < kept.back().variance) kept.push_back(option);
  }
  group.options = std::move(kept);
  constexpr double rounding = 1 + 1e-9;
  group.rounded = group.options.size();
  for (std::size_t o = 0; o < group.options.size(); ++o) {
    if (group.options[o].variance <= rounding) {
      group.rounded = o;
      break;
    }
  }
  if (group.rounded == group.options.size()) {
    throw TargetError(fmt::format(
        "{}: no setting reaches the variance of {:.4g} {} per multiplication (laser.maximum_power "
        "gives {:.4g} of them, with at most {} repetitions and {} integrations of that). Raise "
        "laser.maximum_power, learn.max_repetitions or learn.max_integrations, or allow more "
        "degradation.",
        product_.name, energy, counts_repeats(request_.law.law) ? "repeats" : "photons", largest_,
        request_.levers.max_repetitions, request_.levers.max_integrations));
  }
  // The loss's slope at the optimum is that of the cost.
  const double step = 0.01;
  const double up = energy * std::exp(step), down = energy * std::exp(-step);
  const double variance_slope =
      std::log(variance({down, 1, 1}) / variance({up, 1, 1})) / (2 * step);
  group.weight = variance_slope > 0 ? cost_slope / variance_slope : 0;
  return group;
}

}  // namespace

std::vector<std::size_t> choose_options(const std::vector<ScheduleGroup>& groups) {
  std::vector<std::size_t> best;
  double limit = 0;
  for (const auto& group : groups) {
    best.push_back(group.rounded);
    limit += group.weight;
  }
  // Rounding of sums must not make the rounded solution infeasible.
  limit = std::max(limit, totals(groups, best).loss);
  std::vector<std::vector<std::size_t>> candidates{best};
  double low = 0, high = 0;
  for (const auto& group : groups) {
    for (const auto& option : group.options) high = std::max(high, option.cost);
  }
  double least_weight = std::numeric_limits<double>::infinity();
  for (const auto& group : groups) {
    if (group.weight > 0) least_weight = std::min(least_weight, group.weight);
  }
  high = std::isfinite(least_weight) ? high / least_weight * 1e6 : 0;
  // The loss falls as the multiplier grows: the smallest feasible one is the cheapest.
  constexpr int halvings = 200;
  for (int i = 0; i < halvings && high > low; ++i) {
    const double middle = low > 0 ? std::sqrt(low * high) : high * 1e-3;
    if (middle <= low || middle >= high) break;
    auto chosen = best_at_multiplier(groups, middle);
    if (totals(groups, chosen).loss <= limit) {
      high = middle;
      candidates.push_back(std::move(chosen));
    } else {
      low = middle;
    }
    if (low > 0 && high / low < 1 + 1e-12) break;
    if (high < 1e-300) break;
  }
  if (candidates.size() > 3) candidates.erase(candidates.begin() + 1, candidates.end() - 2);
  std::size_t options = 0;
  for (const auto& group : groups) options += group.options.size();
  constexpr std::size_t small = 600;
  double least = std::numeric_limits<double>::infinity();
  for (auto& chosen : candidates) {
    spend_slack(groups, limit, chosen);
    if (options <= small) exchange_pairs(groups, limit, chosen);
    const double cost = totals(groups, chosen).cost;
    if (cost < least) {
      least = cost;
      best = chosen;
    }
  }
  return best;
}

double largest_photons_per_mac(const photonics::Device& device, const MatrixProduct& product,
                               Law law, photonics::Encoding encoding) {
  if (!(device.laser.maximum_power_w > 0) || counts_repeats(law)) {
    return std::numeric_limits<double>::infinity();
  }
  CostRequest request;
  request.law = law == Law::homodyne ? Law::garg_shot : law;  // without the full well
  request.encoding = encoding;
  const OperatingPoint one{1, 1, 1};
  const LayerCost cost = layer_cost(device, product, request, std::span(&one, 1));
  constexpr double below_rounding = 1 - 1e-12;  // the ledger refuses a hair too much
  return std::pow(10.0, cost.bill.laser.margin_db / 10) * below_rounding;
}

double operating_cost(const photonics::Device& device, const MatrixProduct& product, double outputs,
                      const OperatingPoint& point, Law law, photonics::Encoding encoding,
                      Objective objective) {
  if (objective == Objective::optical) {
    return outputs * static_cast<double>(product.dot_length) * point.photons_per_mac *
           point.repetitions;
  }
  CostRequest request;
  request.law = law;
  request.encoding = encoding;
  const LayerCost cost = layer_cost(device, product, request, std::span(&point, 1));
  return total(cost.bill.joule) * outputs / static_cast<double>(product.outputs());
}

std::vector<VarianceMeans> measure_variance_means(Program& program, Evaluator& evaluator,
                                                  std::int64_t images) {
  std::vector<VarianceMeans> means(program.products().size());
  for (std::size_t k = 0; k < VarianceMeans{}.size(); ++k) {
    std::vector<ProductNoise> noise(program.products().size());
    for (auto& one : noise) {
      one.kind = NoiseKind::gaussian;
      one.models.resize(1);
      auto& c = one.models[0].variance;
      double* const coefficients[] = {&c.constant, &c.weight_norm, &c.input_norm, &c.norm_product,
                                      &c.signal};
      *coefficients[k] = 1;
    }
    program.set_noise(std::move(noise));
    PassRequest request;
    request.images = images;
    request.statistics = true;
    const PassResult pass = evaluator.run(request, {});
    for (std::size_t i = 0; i < means.size(); ++i) {
      means[i][k] =
          pass.totals[i].variance /
          (static_cast<double>(images) * static_cast<double>(program.products()[i].outputs()));
    }
  }
  program.set_noise({});
  return means;
}

Schedule plan_schedule(const Program& program, const ScheduleRequest& request) {
  const auto& products = program.products();
  std::vector<ScheduleGroup> groups;
  Schedule schedule;
  schedule.points = request.law.points;
  if (request.levers.power_bits > 0 && !(request.device.laser.maximum_power_w > 0)) {
    throw ConfigError(
        "learn.power_bits: no largest power to take steps of (laser.maximum_power is not given). "
        "Give it, or leave power_bits out.");
  }
  for (std::size_t i = 0; i < products.size(); ++i) {
    if (!request.law.digital.empty() && request.law.digital[i]) continue;
    const auto& learned = request.law.points[i];
    const Group group(program, request, i, learned.size());
    for (std::size_t c = 0; c < learned.size(); ++c) {
      const auto& point = learned[c];
      const double slope = request.cost_slopes.empty()
                               ? static_cast<double>(products[i].macs()) * point.photons_per_mac /
                                     static_cast<double>(learned.size())
                               : request.cost_slopes[i][c];
      groups.push_back(group.options(point.photons_per_mac, slope));
      schedule.continuous_cost += group.cost(point);
    }
  }
  double weights = 0;
  for (const auto& group : groups) weights += group.weight;
  if (request.objective == Objective::total && !(schedule.continuous_cost > 0)) {
    throw ConfigError(
        "learn.objective: total, of a device without energies (light, converters and receivers "
        "cost "
        "nothing). State adc.energy_per_conversion and the others, or use objective: optical.");
  }
  const auto chosen = choose_options(groups);
  std::size_t next = 0;
  for (std::size_t i = 0; i < products.size(); ++i) {
    if (!request.law.digital.empty() && request.law.digital[i]) continue;
    for (auto& point : schedule.points[i]) {
      const auto& group = groups[next];
      const auto& option = group.options[chosen[next]];
      point = option.point;
      schedule.rounded_cost += group.options[group.rounded].cost;
      ++next;
    }
  }
  const Totals sum = totals(groups, chosen);
  schedule.cost = sum.cost;
  schedule.predicted_loss = weights > 0 ? sum.loss / weights : 0;
  return schedule;
}

}  // namespace attojoule::network
