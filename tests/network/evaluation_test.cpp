// Passes over samples, and what their outcomes say about the accuracy.
#include "network/evaluation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <vector>

#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::AccuracyEstimate;
using network::PassResult;
using testing::HasSubstr;

PassResult outcomes(std::vector<std::uint8_t> correct) {
  PassResult pass;
  pass.correct = std::move(correct);
  return pass;
}

AccuracyEstimate estimate(const std::vector<PassResult>& passes, bool shared = false) {
  return network::estimate_accuracy(passes, shared);
}

constexpr double z = 1.959963984540054;

TEST(AccuracyEstimate, one_seed_is_binomial) {
  const auto result = estimate({outcomes({1, 1, 1, 0})});
  EXPECT_DOUBLE_EQ(result.mean, 0.75);
  EXPECT_DOUBLE_EQ(result.ci95, z * std::sqrt(0.75 * 0.25 / 4));
  EXPECT_DOUBLE_EQ(result.ci95_images, result.ci95);
}

TEST(AccuracyEstimate, several_seeds_use_the_variance_of_each_image) {
  // Image 0 is always right, image 1 in one of two seeds: s^2 = 1/2, over S = 2 seeds and N = 2.
  const auto result = estimate({outcomes({1, 1}), outcomes({1, 0})});
  EXPECT_DOUBLE_EQ(result.mean, 0.75);
  EXPECT_DOUBLE_EQ(result.ci95, z * std::sqrt(0.5 / 2) / 2);
  EXPECT_DOUBLE_EQ(result.ci95_images, z * std::sqrt(0.75 * 0.25 / 2));
}

TEST(AccuracyEstimate, images_without_chance_have_no_interval) {
  const auto result = estimate({outcomes({1, 0, 1}), outcomes({1, 0, 1})});
  EXPECT_DOUBLE_EQ(result.mean, 2.0 / 3);
  EXPECT_EQ(result.ci95, 0);
  EXPECT_GT(result.ci95_images, 0);
}

TEST(AccuracyEstimate, shared_noise_uses_the_variance_of_passes) {
  const auto result =
      estimate({outcomes({1, 1, 1, 1}), outcomes({1, 1, 1, 0}), outcomes({1, 1, 0, 0})}, true);
  EXPECT_DOUBLE_EQ(result.mean, 0.75);
  // Variance of 1, 0.75, 0.5 is 1/16. Student's quantile of 2 degrees of freedom has a closed form:
  // (2 p - 1) / sqrt(2 p (1 - p)), p = 0.975.
  const double student = 0.95 / std::sqrt(2 * 0.975 * 0.025);
  EXPECT_NEAR(result.ci95, student * std::sqrt(1.0 / 16 / 3), 1e-12);
}

TEST(AccuracyEstimate, of_nothing) {
  EXPECT_EQ(estimate({}).mean, 0);
}

// Share of 1000 experiments whose interval, times `factor`, holds the truth.
// The noise of a pass is shared by all its images or not, and so it is taken by the estimator.
double coverage(int seeds, bool shared, bool taken_as_shared, double factor) {
  constexpr int images = 200;
  Reals truth(static_cast<std::size_t>(images));
  photonics::fill_uniform({1, photonics::NoiseDomain::test, 0, 0, 0}, 0, truth);
  double mean = 0;
  for (const float p : truth) mean += static_cast<double>(p) / images;
  constexpr int experiments = 1000;
  int held = 0;
  Reals draws(truth.size());
  for (int e = 0; e < experiments; ++e) {
    std::vector<PassResult> passes;
    for (int s = 0; s < seeds; ++s) {
      photonics::fill_uniform({2, photonics::NoiseDomain::test, static_cast<std::uint32_t>(e),
                               static_cast<std::uint32_t>(s), 0},
                              0, draws);
      PassResult pass;
      // Noise of a pass moves all images alike.
      Reals shift(1);
      photonics::fill_normal({3, photonics::NoiseDomain::test, static_cast<std::uint32_t>(e),
                              static_cast<std::uint32_t>(s), 0},
                             0, shift);
      for (std::size_t i = 0; i < draws.size(); ++i) {
        const double p = 0.25 + 0.5 * truth[i] + (shared ? 0.05 * shift[0] : 0.0);
        pass.correct.push_back(draws[i] < p ? 1 : 0);
      }
      passes.push_back(std::move(pass));
    }
    const auto result = estimate(passes, taken_as_shared);
    if (std::abs(result.mean - (0.25 + 0.5 * mean)) <= factor * result.ci95) ++held;
  }
  return held / static_cast<double>(experiments);
}

// Standard error of a share of 0.95 over 1000 experiments: 0.0069.
TEST(AccuracyEstimate, interval_covers_the_truth) {
  for (const int seeds : {2, 5}) {
    EXPECT_NEAR(coverage(seeds, false, false, 1), 0.95, 0.035) << seeds;
    EXPECT_LT(coverage(seeds, false, false, 0.75), 0.95 - 0.035) << seeds;
  }
  EXPECT_NEAR(coverage(4, true, true, 1), 0.95, 0.035);
  EXPECT_LT(coverage(4, true, true, 0.6), 0.95 - 0.035);
  // What the second formula is there against.
  EXPECT_LT(coverage(4, true, false, 1), 0.95 - 0.035);
}

// ---- passes ----

OnnxModel network_of_six() {
  OnnxModel model;
  model.input("x", {1, 6});
  model.node("Gemm", {"x", model.random("w", {6, 5})}, "fc1");
  model.node("Relu", {"fc1"}, "r");
  model.node("Gemm", {"r", model.random("v", {5, 3})}, "fc2");
  model.output("fc2");
  return model;
}

network::SampleSource source_of(std::int64_t size) {
  network::SampleSource source;
  source.size = size;
  source.load = [](std::int64_t index, network::Program::Lane& lane) {
    const Reals x = random_reals(6, 1000 + static_cast<std::uint64_t>(index));
    std::copy(x.begin(), x.end(), lane.input(0).begin());
  };
  source.label = [](std::int64_t index) { return static_cast<int>(index % 3); };
  return source;
}

TEST(Evaluator, counts_what_is_right) {
  network::Program program = make_program(network_of_six(), {{1, 6}});
  network::Evaluator evaluator(program, source_of(50), 2);
  network::PassRequest request;
  request.images = 40;
  request.keep_logits = true;
  const auto pass = evaluator.run(request, {});
  ASSERT_EQ(pass.correct.size(), 40u);
  ASSERT_EQ(pass.logits.size(), 120u);
  int right = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    const auto wanted = run_clean(program, {random_reals(6, 1000 + i)});
    for (std::size_t k = 0; k < 3; ++k) ASSERT_EQ(pass.logits[3 * i + k], wanted[k]);
    const auto best = std::max_element(wanted.begin(), wanted.end()) - wanted.begin();
    const bool hit = best == static_cast<int>(i % 3);
    EXPECT_EQ(pass.correct[i], hit ? 1 : 0);
    right += hit ? 1 : 0;
  }
  EXPECT_DOUBLE_EQ(pass.accuracy(), right / 40.0);
}

TEST(Evaluator, records_are_summed_over_samples) {
  network::Program program = make_program(network_of_six(), {{1, 6}});
  auto noise = std::vector<network::ProductNoise>(2, shot_noise(0.01));
  for (auto& one : noise) one.models[0].photons.constant = 7;
  program.set_noise(noise);
  network::Evaluator evaluator(program, source_of(1100), 2);
  network::PassRequest request;
  request.images = 1100;  // more than one block of sums
  request.noisy = true;
  request.statistics = true;
  const auto pass = evaluator.run(request, {});
  ASSERT_EQ(pass.totals.size(), 2u);
  EXPECT_NEAR(pass.totals[0].photons, 7.0 * 5 * 1100, 1e-6);
  EXPECT_NEAR(pass.totals[1].photons, 7.0 * 3 * 1100, 1e-6);
  double low = 0;
  for (std::uint64_t i = 0; i < 1100; ++i) {
    for (const float x : random_reals(6, 1000 + i)) low = std::min<double>(low, x);
  }
  EXPECT_EQ(pass.totals[0].input_low, low);
  EXPECT_EQ(pass.totals[1].input_low, 0);  // behind the Relu
}

TEST(Evaluator, progress_reaches_the_end_and_never_falls) {
  network::Program program = make_program(network_of_six(), {{1, 6}});
  network::Evaluator evaluator(program, source_of(700), 4);
  network::PassRequest request;
  request.images = 700;
  std::vector<std::int64_t> seen;
  evaluator.run(request, [&](std::int64_t done) { seen.push_back(done); });
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), 700);
}

TEST(Evaluator, refuses_images_that_are_not_there) {
  network::Program program = make_program(network_of_six(), {{1, 6}});
  network::Evaluator evaluator(program, source_of(5), 1);
  for (const std::int64_t images : {0, -1, 6}) {
    network::PassRequest request;
    request.images = images;
    EXPECT_THROW(evaluator.run(request, {}), ConfigError) << images;
  }
}

TEST(Evaluator, errors_of_any_thread_arrive) {
  network::Program program = make_program(network_of_six(), {{1, 6}});
  auto source = source_of(100);
  const auto load = source.load;
  source.load = [load](std::int64_t index, network::Program::Lane& lane) {
    if (index == 63) throw DataError("sample 63 is broken");
    load(index, lane);
  };
  for (const int threads : {1, 4}) {
    network::Evaluator evaluator(program, source, threads);
    network::PassRequest request;
    request.images = 100;
    try {
      evaluator.run(request, {});
      ADD_FAILURE() << "no error with " << threads << " threads";
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("sample 63"));
    }
    request.images = 60;  // and the evaluator goes on
    EXPECT_NO_THROW(evaluator.run(request, {}));
  }
}

}  // namespace
}  // namespace attojoule::tests
