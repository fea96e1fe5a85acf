// Learning the energies of products: closed forms, targets, restarts, and what is better than
// uniform.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "network/precision_learner.hpp"
#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::CurvatureResult;
using network::EnergyGradient;
using network::Granularity;
using network::LearnMethod;
using network::LearnOptions;
using network::PrecisionLearner;
using network::ProductOperatingPoint;
using network::Program;
using photonics::Law;

// A network of two layers that matter unequally, with 256 samples of random inputs that are
// labelled by the network itself (so that it is right about most).
struct Toy {
  explicit Toy(Law law = Law::garg_shot, int threads = 1) : program(make()) {
    source.size = 256;
    source.load = [](std::int64_t index, Program::Lane& lane) {
      const auto values = random_reals(12, 40 + static_cast<std::uint64_t>(index));
      std::copy(values.begin(), values.end(), lane.input(0).begin());
    };
    auto lane = program.make_lane();
    std::vector<int> labels;
    for (std::int64_t i = 0; i < source.size; ++i) {
      source.load(i, lane);
      const auto scores = program.run(lane, 0, {}, {});
      labels.push_back(
          static_cast<int>(std::max_element(scores.begin(), scores.end()) - scores.begin()));
    }
    source.label = [labels](std::int64_t index) { return labels[static_cast<std::size_t>(index)]; };
    network::NoiseRequest request;
    request.law = law;
    photonics::Device device;
    gradient.emplace(program, source, device, request, threads);
    cost = network::mean_energy_cost(program, {});
    samples.resize(256);
    std::iota(samples.begin(), samples.end(), 0);
  }

  static Program make() {
    OnnxModel m;
    m.input("x", {1, 12});
    m.node("Gemm", {"x", m.random("w1", {12, 16}, 0.4f), m.random("b1", {16}, 0.2f)}, "first");
    m.node("Tanh", {"first"}, "tanh");
    m.node("Gemm", {"tanh", m.random("w2", {16, 4}, 1.0f), m.random("b2", {4})}, "second");
    m.output("second");
    network::Graph graph = m.bind({{1, 12}});
    network::simplify(graph);
    network::ProgramOptions options;
    options.gradients = true;
    options.keep_weights = true;
    return {std::move(graph), options};
  }

  PrecisionLearner learner(const LearnOptions& options) {
    return {*gradient, options, samples, cost};
  }
  static void finish(PrecisionLearner& learner) {
    while (!learner.finished()) learner.step();
  }
  // Mean loss at these points over all samples and some seeds.
  double loss(const std::vector<ProductOperatingPoint>& points, int seeds = 20) {
    gradient->set_points(points);
    double sum = 0;
    for (int seed = 0; seed < seeds; ++seed) {
      sum += gradient->loss(samples, 1000 + static_cast<std::uint64_t>(seed), true).loss / seeds;
    }
    return sum;
  }

  Program program;
  network::SampleSource source;
  std::optional<EnergyGradient> gradient;
  network::CostFunction cost;
  std::vector<std::int64_t> samples;
};

LearnOptions options_of(LearnMethod method, double target, Granularity granularity,
                        Law law = Law::garg_shot) {
  LearnOptions options = network::default_options(method, law);
  options.target = target;
  options.granularity = granularity;
  options.curvature_samples = 256;
  return options;
}

TEST(PrecisionLearner, paper_defaults) {
  const auto shot = network::default_options(LearnMethod::gradient, Law::garg_shot);
  EXPECT_EQ(shot.steps, 1500);
  EXPECT_EQ(shot.batch, 32);
  EXPECT_EQ(shot.learning_rate, 0.01);
  EXPECT_EQ(shot.lambda, 2);
  EXPECT_TRUE(shot.penalty);
  EXPECT_EQ(network::default_options(LearnMethod::gradient, Law::garg_thermal).lambda, 8);
  EXPECT_EQ(network::default_options(LearnMethod::gradient, Law::garg_weight).lambda, 8);
}

// V13: E ~ sqrt(c / M) with the curvature that is measured, at the target exactly.
TEST(PrecisionLearner, sensitivity_is_the_closed_form) {
  for (const auto granularity : {Granularity::layer, Granularity::channel}) {
    Toy toy;
    LearnOptions options = options_of(LearnMethod::sensitivity, 100, granularity);
    options.curvature_rounds = 1;
    auto learner = toy.learner(options);
    Toy::finish(learner);
    const auto points = learner.points();
    EXPECT_NEAR(toy.cost(points).value, 100, 1e-9);
    // The same curvature again, with the labels' seed of the learner's first round.
    const bool by_channel = granularity == Granularity::channel;
    std::vector<std::vector<double>> mean(2);
    constexpr int draws = 50;
    for (int draw = 0; draw < draws; ++draw) {
      toy.gradient->set_points(learner.uniform_points());
      const auto c =
          toy.gradient->curvature(toy.samples, static_cast<std::uint64_t>(draw), by_channel);
      for (std::size_t i = 0; i < 2; ++i) {
        mean[i].resize(c.coefficients[i].size());
        for (std::size_t k = 0; k < mean[i].size(); ++k) {
          mean[i][k] += c.coefficients[i][k] / draws;
        }
      }
    }
    // Ratio of the two layers' energies (of their first channels): from sampled curvature, whose
    // spread over draws is some percent.
    const auto& products = toy.program.products();
    const auto weight = [&](std::size_t i) {
      return static_cast<double>(products[i].macs()) / static_cast<double>(mean[i].size());
    };
    const double wanted = std::sqrt(mean[0][0] / weight(0)) / std::sqrt(mean[1][0] / weight(1));
    const double got = points[0][0].photons_per_mac / points[1][0].photons_per_mac;
    EXPECT_NEAR(got / wanted, 1, by_channel ? 0.12 : 0.06);
  }
}

// The learned energies of two layers: where the loss is quadratic in the noise, the minimum over
// the ratio of energies at a given mean is the closed form, found here by a scan of the loss
// itself.
TEST(PrecisionLearner, gradient_finds_the_optimum_of_two_layers) {
  Toy toy;
  const double target = 60;
  LearnOptions options = options_of(LearnMethod::gradient, target, Granularity::layer);
  options.steps = 1500;
  options.batch = 256;
  options.learning_rate = 0.02;
  options.rate_falls = true;
  options.penalty = false;
  options.average = 0.3;
  auto learner = toy.learner(options);
  Toy::finish(learner);
  // Closed form from the curvature under the noise at the learned point, over many draws.
  const auto points = learner.points();
  toy.gradient->set_points(points);
  double c[2] = {0, 0};
  for (int draw = 0; draw < 400; ++draw) {
    const auto gradient =
        toy.gradient->run(toy.samples, 5000 + static_cast<std::uint64_t>(draw), false);
    for (std::size_t i = 0; i < 2; ++i) {
      c[i] -= gradient.by_log_energy[i][0] * points[i][0].photons_per_mac / 400;
    }
  }
  ASSERT_GT(c[0], 0);
  ASSERT_GT(c[1], 0);
  const auto& products = toy.program.products();
  const double m[2] = {static_cast<double>(products[0].macs()),
                       static_cast<double>(products[1].macs())};
  const double wanted = std::sqrt(c[0] / m[0] / (c[1] / m[1]));
  const double got = points[0][0].photons_per_mac / points[1][0].photons_per_mac;
  EXPECT_NEAR(got / wanted, 1, 0.02);
  EXPECT_NEAR(toy.cost(points).value, target, 1e-9 * target);
  EXPECT_GT(std::abs(std::log(got)), 0.1) << "the toy must not be uniform";
}

// V14: at equal mean energy, learned is better than uniform, for every seed; and the mean energy is
// the target.
TEST(PrecisionLearner, learned_beats_uniform) {
  for (const auto method : {LearnMethod::sensitivity, LearnMethod::hybrid}) {
    for (const auto law : {Law::garg_shot, Law::garg_weight}) {
      int better = 0;
      for (std::uint64_t seed = 0; seed < 6; ++seed) {
        Toy toy(law);
        LearnOptions options =
            options_of(method, law == Law::garg_shot ? 20 : 3, Granularity::channel, law);
        options.seed = seed;
        auto learner = toy.learner(options);
        Toy::finish(learner);
        EXPECT_NEAR(toy.cost(learner.points()).value, options.target, 1e-6 * options.target);
        better += toy.loss(learner.points()) < toy.loss(learner.uniform_points()) ? 1 : 0;
      }
      EXPECT_EQ(better, 6);
    }
  }
}

// The paper's penalty alone brings the mean energy to its target, within 2 %.
TEST(PrecisionLearner, penalty_reaches_the_target) {
  Toy toy;
  LearnOptions options = options_of(LearnMethod::gradient, 30, Granularity::layer);
  options.steps = 400;
  auto learner = toy.learner(options);
  // From twice the target.
  std::vector<ProductOperatingPoint> twice(2, ProductOperatingPoint{{60, 1}});
  network::LearnState state = learner.state();
  for (auto& row : state.log_energy) row.assign(row.size(), std::log(60.0));
  learner.restore(state);
  Toy::finish(learner);
  EXPECT_NEAR(learner.state().history.back().cost, 30, 0.6);
}

TEST(PrecisionLearner, stopped_and_restored_is_the_same_bit_for_bit) {
  for (const auto method : {LearnMethod::gradient, LearnMethod::hybrid}) {
    LearnOptions options = options_of(method, 30, Granularity::channel);
    options.steps = 20;
    options.batch = 100;  // epochs end within batches
    Toy whole_toy;
    auto whole = whole_toy.learner(options);
    Toy::finish(whole);
    Toy first_toy(Law::garg_shot, 2);
    auto first = first_toy.learner(options);
    for (int i = 0; i < 9; ++i) first.step();
    const network::LearnState saved = first.state();
    Toy second_toy(Law::garg_shot, 3);
    auto second = second_toy.learner(options);
    second.restore(saved);
    EXPECT_EQ(second.done_steps(), 9);
    Toy::finish(second);
    EXPECT_EQ(second.state().log_energy, whole.state().log_energy);
    EXPECT_EQ(second.state().second_moment, whole.state().second_moment);
    EXPECT_EQ(second.state().passes, whole.state().passes);
    ASSERT_EQ(second.state().history.size(), whole.state().history.size());
    for (std::size_t i = 0; i < second.state().history.size(); ++i) {
      EXPECT_EQ(second.state().history[i].loss, whole.state().history[i].loss);
    }
    const auto a = second.points();
    const auto b = whole.points();
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t c = 0; c < a[i].size(); ++c) {
        EXPECT_EQ(a[i][c].photons_per_mac, b[i][c].photons_per_mac);
      }
    }
  }
}

TEST(PrecisionLearner, trust_check_tells_little_noise_from_much) {
  for (const bool little : {true, false}) {
    Toy toy;
    LearnOptions options =
        options_of(LearnMethod::sensitivity, little ? 200 : 0.05, Granularity::layer);
    options.curvature_rounds = 1;
    auto learner = toy.learner(options);
    Toy::finish(learner);
    const auto& trust = learner.state().trust;
    EXPECT_EQ(trust.holds, little)
        << trust.predicted << " against " << trust.measured << " +- " << trust.standard_error;
  }
}

// Any cost will do: one in which the second layer is ten times dearer gives it less.
TEST(PrecisionLearner, learns_under_a_cost_of_ones_own) {
  Toy toy;
  const auto priced = [&](double price) {
    network::CostFunction cost = [price](const std::vector<ProductOperatingPoint>& points) {
      // A floor that no energy changes, as of converters.
      network::Cost result;
      result.value = 50;
      const double prices[2] = {1, price};
      for (std::size_t i = 0; i < 2; ++i) {
        result.by_log_energy.emplace_back();
        for (const auto& point : points[i]) {
          const double own =
              prices[i] * point.photons_per_mac / static_cast<double>(points[i].size());
          result.by_log_energy[i].push_back(own);
          result.value += own;
        }
      }
      return result;
    };
    LearnOptions options = options_of(LearnMethod::sensitivity, 150, Granularity::layer);
    options.curvature_rounds = 1;
    PrecisionLearner learner(*toy.gradient, options, toy.samples, cost);
    Toy::finish(learner);
    EXPECT_NEAR(cost(learner.points()).value, 150, 1e-6);
    return learner.points()[0][0].photons_per_mac / learner.points()[1][0].photons_per_mac;
  };
  EXPECT_NEAR(priced(10) / priced(1), std::sqrt(10.0), 1e-6);
}

TEST(PrecisionLearner, warm_start_is_scaled_to_the_target) {
  Toy toy;
  auto learner = toy.learner(options_of(LearnMethod::gradient, 30, Granularity::channel));
  learner.start_from({ProductOperatingPoint{{5, 1}}, ProductOperatingPoint{{10, 1}}});
  const auto points = learner.points();
  EXPECT_NEAR(toy.cost(points).value, 30, 1e-9);
  EXPECT_NEAR(points[1][0].photons_per_mac / points[0][0].photons_per_mac, 2, 1e-9);
}

TEST(PrecisionLearner, errors) {
  Toy toy;
  LearnOptions options = options_of(LearnMethod::gradient, 30, Granularity::layer);
  options.target = 0;
  EXPECT_THROW(toy.learner(options), ConfigError);
  options.target = 1e12;  // above the bounds of ln E
  EXPECT_THROW(toy.learner(options), TargetError);
  options.target = 30;
  auto learner = toy.learner(options);
  network::LearnState other = learner.state();
  other.log_energy[0].push_back(1);
  EXPECT_THROW(learner.restore(other), DataError);
  EXPECT_THROW(PrecisionLearner(*toy.gradient, options, {}, toy.cost), ConfigError);
  EXPECT_THROW(PrecisionLearner(*toy.gradient, options, {256}, toy.cost), ConfigError);
  EXPECT_THROW(network::mean_energy_cost(toy.program, {true, true}), ConfigError);
}

}  // namespace
}  // namespace attojoule::tests
