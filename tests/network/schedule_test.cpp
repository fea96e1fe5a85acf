// Learned energies as laser power, integration and repetitions: against all combinations of small
// cases, and against the equations of the levers.
#include "network/schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "network/layer_cost.hpp"
#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::Objective;
using network::ProductOperatingPoint;
using network::Schedule;
using network::ScheduleGroup;
using network::ScheduleRequest;
using photonics::OperatingPoint;

struct Sum {
  double cost = 0, loss = 0;
};

Sum sum_of(const std::vector<ScheduleGroup>& groups, const std::vector<std::size_t>& chosen) {
  Sum sum;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    sum.cost += groups[g].options[chosen[g]].cost;
    sum.loss += groups[g].weight * groups[g].options[chosen[g]].variance;
  }
  return sum;
}

// The cheapest of all combinations that the constraint allows.
double brute_force(const std::vector<ScheduleGroup>& groups) {
  double limit = 0;
  for (const auto& group : groups) limit += group.weight;
  std::vector<std::size_t> chosen(groups.size(), 0);
  double best = 1e300;
  while (true) {
    const Sum sum = sum_of(groups, chosen);
    if (sum.loss <= limit * (1 + 1e-12)) best = std::min(best, sum.cost);
    std::size_t g = 0;
    while (g < groups.size() && ++chosen[g] == groups[g].options.size()) chosen[g++] = 0;
    if (g == groups.size()) return best;
  }
}

std::vector<ScheduleGroup> random_case(photonics::RandomSequence& random) {
  std::vector<ScheduleGroup> groups(2 + static_cast<std::size_t>(random.uniform() * 3));
  for (auto& group : groups) {
    group.weight = std::exp(2 * random.normal());
    const double scale = std::exp(2 * random.normal());
    const auto count = 3 + static_cast<int>(random.uniform() * 6);
    for (int i = 0; i < count; ++i) {
      const double variance = std::exp(-1.4 + 2.8 * random.uniform());
      group.options.push_back(
          {{1, 1, 1}, scale / variance * (0.8 + 0.4 * random.uniform()), variance});
    }
    group.options.push_back({{1, 1, 1}, scale * 1.3, 0.95});
    group.rounded = group.options.size() - 1;
  }
  return groups;
}

TEST(ChooseOptions, never_worse_than_rounded_and_near_the_best_of_all_combinations) {
  photonics::RandomSequence random({17, photonics::NoiseDomain::test, 0, 0, 0}, 0);
  constexpr int cases = 300;
  int best_of_all = 0;
  for (int k = 0; k < cases; ++k) {
    const auto groups = random_case(random);
    const auto chosen = network::choose_options(groups);
    std::vector<std::size_t> rounded;
    double limit = 0, largest = 0;
    for (const auto& group : groups) {
      rounded.push_back(group.rounded);
      limit += group.weight;
    }
    const Sum sum = sum_of(groups, chosen);
    EXPECT_LE(sum.loss, limit * (1 + 1e-9)) << k;
    EXPECT_LE(sum.cost, sum_of(groups, rounded).cost) << k;
    const double best = brute_force(groups);
    EXPECT_GE(sum.cost, best * (1 - 1e-9)) << k;
    best_of_all += sum.cost <= best * (1 + 1e-9);
    largest = std::max(largest, sum.cost / best);
    EXPECT_LE(largest, 1.25) << k;
  }
  // Power: taking the rounded solution would be the best in next to none.
  EXPECT_GE(best_of_all, cases * 85 / 100);
}

// Two dense layers of very different lengths.
OnnxModel model() {
  OnnxModel model;
  model.input("x", {-1, 64});
  model.node("Gemm", {"x", model.random("w1", {64, 16}, 0.2f)}, "fc1");
  model.node("Relu", {"fc1"}, "r1");
  model.node("Gemm", {"r1", model.random("w2", {16, 4}, 0.3f)}, "fc2");
  model.output("fc2");
  return model;
}

struct Case {
  network::Program program = make_program(model(), {{1, 64}});
  ScheduleRequest request;

  Case() {
    request.means.assign(2, {1, 1, 1, 1, 0.3});
    request.law.points = {{OperatingPoint{12, 1, 1}}, {OperatingPoint{70, 1, 1}}};
    request.law.ranges.assign(2, {-3, 3, 0});
  }
  Schedule plan() const { return network::plan_schedule(program, request); }
  // Variance of a product at a point, relative to its learned one, from the compiled model.
  double variance(std::size_t product, const OperatingPoint& point) const {
    photonics::DotProduct dot;
    dot.length = program.products()[product].dot_length;
    const auto at = [&](const OperatingPoint& p) {
      return photonics::compile_noise_model(request.device, request.law.law, request.law.encoding,
                                            p, dot)
          .variance.norm_product;
    };
    return at(point) / at(request.law.points[product][0]);
  }
};

// Nothing limits the light: the learned energies are the schedule.
TEST(Schedule, without_limits_it_is_the_learned_solution) {
  const Case free;
  const Schedule schedule = free.plan();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(schedule.points[i][0].photons_per_mac,
                free.request.law.points[i][0].photons_per_mac, 1e-9);
    EXPECT_EQ(schedule.points[i][0].repetitions, 1);
  }
  EXPECT_NEAR(schedule.cost, schedule.continuous_cost, 1e-9 * schedule.cost);
}

TEST(Schedule, a_weak_laser_takes_repetitions_and_stays_within_its_power) {
  Case weak;
  auto& device = weak.request.device;
  device.laser.maximum_power_w = 1;
  const double largest =
      network::largest_photons_per_mac(device, weak.program.products()[0], photonics::Law::homodyne,
                                       photonics::Encoding::normalised);
  device.laser.maximum_power_w = 20 / largest;  // 20 photons a multiplication
  weak.request.levers.power_bits = 4;
  const Schedule schedule = weak.plan();
  double loss = 0, weights = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const OperatingPoint& point = schedule.points[i][0];
    EXPECT_LE(point.photons_per_mac, 20 * (1 + 1e-9));
    const double step = point.photons_per_mac / 20 * 16;
    EXPECT_NEAR(step, std::round(step), 1e-9);
    const double weight = static_cast<double>(weak.program.products()[i].macs()) *
                          weak.request.law.points[i][0].photons_per_mac;
    loss += weight * weak.variance(i, point);
    weights += weight;
  }
  EXPECT_GT(schedule.points[1][0].repetitions, 1);
  EXPECT_LE(loss, weights * (1 + 1e-6));
  EXPECT_LE(schedule.cost, schedule.rounded_cost * (1 + 1e-12));
  EXPECT_NEAR(schedule.predicted_loss, loss / weights, 1e-6);
}

// Longer integration takes light at the same power without more reads or receiver noise.
TEST(Schedule, integration_saves_reads_where_reads_cost) {
  Case slow;
  auto& device = slow.request.device;
  device.receiver.kind = photonics::ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-14;
  device.adc.energy_per_conversion_j = 1e-12;
  device.laser.maximum_power_w = 1;
  const double largest =
      network::largest_photons_per_mac(device, slow.program.products()[0], photonics::Law::homodyne,
                                       photonics::Encoding::normalised);
  device.laser.maximum_power_w = 10 / largest;
  slow.request.objective = Objective::total;
  const Schedule repeated = slow.plan();
  slow.request.levers.max_integrations = 16;
  const Schedule integrated = slow.plan();
  EXPECT_GT(repeated.points[1][0].repetitions, 1);
  EXPECT_GT(integrated.points[1][0].integrations, 1);
  EXPECT_EQ(integrated.points[1][0].repetitions, 1);
  EXPECT_LT(integrated.cost, 0.6 * repeated.cost);
}

// With a converter of 1 pJ a read of the short layer costs 625 times its light's energy: the total
// objective takes light where the optical one takes reads.
TEST(Schedule, total_and_optical_objectives_differ_where_reads_cost) {
  Case costly;
  auto& device = costly.request.device;
  device.adc.energy_per_conversion_j = 1e-12;
  device.laser.maximum_power_w = 1;
  const double largest =
      network::largest_photons_per_mac(device, costly.program.products()[0],
                                       photonics::Law::homodyne, photonics::Encoding::normalised);
  device.laser.maximum_power_w = 40 / largest;
  const Schedule optical = costly.plan();
  costly.request.objective = Objective::total;
  const Schedule total = costly.plan();
  const auto joules = [&](const Schedule& schedule) {
    double sum = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto& product = costly.program.products()[i];
      sum += network::operating_cost(device, product, static_cast<double>(product.outputs()),
                                     schedule.points[i][0], photonics::Law::homodyne,
                                     photonics::Encoding::normalised, Objective::total);
    }
    return sum;
  };
  EXPECT_NEAR(joules(total), total.cost, 1e-9 * total.cost);
  EXPECT_LT(joules(total), 0.95 * joules(optical));
  EXPECT_LT(total.points[1][0].repetitions, optical.points[1][0].repetitions);
}

// The paper's thermal and weight laws count repeats: whole, at least one, and together no worse
// than rounding every layer up.
class RepeatLaw : public testing::TestWithParam<photonics::Law> {};
TEST_P(RepeatLaw, repeats_become_whole) {
  Case repeats;
  repeats.request.law.law = GetParam();
  repeats.request.law.points = {{OperatingPoint{2.4, 1, 1}}, {OperatingPoint{7.6, 1, 1}}};
  const Schedule schedule = repeats.plan();
  double loss = 0, weights = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const double e = schedule.points[i][0].photons_per_mac;
    EXPECT_EQ(e, std::round(e));
    EXPECT_GE(e, 1);
    const double learned = repeats.request.law.points[i][0].photons_per_mac;
    const double weight = static_cast<double>(repeats.program.products()[i].macs()) * learned;
    loss += weight * learned / e;
    weights += weight;
  }
  EXPECT_LE(loss, weights * (1 + 1e-6));
  EXPECT_LE(schedule.cost, 64 * 16 * 3 + 16 * 4 * 8);  // rounded up: 3 and 8
}
INSTANTIATE_TEST_SUITE_P(Laws, RepeatLaw,
                         testing::Values(photonics::Law::garg_thermal,
                                         photonics::Law::garg_weight));

TEST(Schedule, what_no_setting_reaches_is_a_target_error) {
  Case weak;
  weak.request.device.laser.maximum_power_w = 1e-12;
  weak.request.levers.max_repetitions = 4;
  try {
    weak.plan();
    FAIL() << "no error";
  } catch (const TargetError& error) {
    EXPECT_NE(std::string(error.what()).find("fc1: no setting reaches"), std::string::npos)
        << error.what();
  }
}

TEST(Schedule, total_of_a_device_without_energies_is_refused) {
  Case nothing;
  nothing.request.objective = Objective::total;
  nothing.request.law.law = photonics::Law::garg_thermal;
  EXPECT_THROW(nothing.plan(), ConfigError);
}

// A longer integration is the same light at less power: shot noise stays, a transimpedance
// amplifier's noise grows with the time, and symbols (not reads) multiply.
TEST(Integrations, are_more_symbols_and_not_more_reads) {
  const Case some;
  const auto& product = some.program.products()[0];
  photonics::Device device;
  device.receiver.kind = photonics::ReceiverKind::transimpedance;
  device.receiver.feedback_resistance_ohm = 1e4;
  photonics::DotProduct dot;
  dot.length = product.dot_length;
  const auto model = [&](const OperatingPoint& point) {
    return photonics::compile_noise_model(device, photonics::Law::homodyne,
                                          photonics::Encoding::normalised, point, dot);
  };
  const auto once = model({50, 1, 1}), longer = model({50, 1, 4});
  EXPECT_EQ(once.reads, longer.reads);
  EXPECT_EQ(once.photons.constant, longer.photons.constant);
  EXPECT_EQ(longer.repetitions, 4 * once.repetitions);
  // Var = (eta D n + sigma_e^2) / gain^2, sigma_e^2 ~ T.
  const double shot = 1.0 / (64 * 50);
  EXPECT_NEAR((longer.variance.norm_product - shot) / (once.variance.norm_product - shot), 4, 1e-9);
  network::CostRequest request;
  const OperatingPoint a{50, 1, 1}, b{50, 1, 4};
  const auto cost_once = network::layer_cost(device, product, request, std::span(&a, 1));
  const auto cost_longer = network::layer_cost(device, product, request, std::span(&b, 1));
  EXPECT_DOUBLE_EQ(cost_longer.work.reads, cost_once.work.reads);
  EXPECT_DOUBLE_EQ(cost_longer.work.input_symbols, 4 * cost_once.work.input_symbols);
  EXPECT_NEAR(cost_longer.bill.laser.power_w, cost_once.bill.laser.power_w / 4,
              1e-12 * cost_once.bill.laser.power_w);
}

TEST(VarianceMeans, are_those_of_the_noise_pass) {
  Case some;
  Inputs inputs = random_inputs({{8, 64}}, 3);
  network::SampleSource source;
  source.size = 8;
  source.label = [](std::int64_t) { return 0; };
  source.load = [&](std::int64_t i, network::Program::Lane& lane) {
    std::copy_n(inputs[0].begin() + i * 64, 64, lane.input(0).begin());
  };
  network::Evaluator evaluator(some.program, source, 1);
  const auto means = network::measure_variance_means(some.program, evaluator, 8);
  double weights = 0, norms = 0;
  for (const double norm : some.program.products()[0].weight_norms) weights += norm / 16;
  for (const float x : inputs[0]) norms += static_cast<double>(x) * x / 8;
  EXPECT_NEAR(means[0][0], 1, 1e-9);
  EXPECT_NEAR(means[0][1], weights, 1e-5 * weights);
  EXPECT_NEAR(means[0][2], norms, 1e-5 * norms);
  EXPECT_NEAR(means[0][3], weights * norms, 1e-5 * weights * norms);
  EXPECT_GT(means[0][4], 0);
}

}  // namespace
}  // namespace attojoule::tests
