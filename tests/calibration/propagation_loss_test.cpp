#include "calibration/propagation_loss.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"

namespace attojoule::calibration {
namespace {

using testing::HasSubstr;

CutbackData guides(int trial, double scatter = 0.2) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 31);
  CutbackData data;
  for (const double length : {0.0, 0.5, 1.0, 2.0, 3.0, 4.5}) {
    data.length_cm.push_back(length);
    data.transmission_db.push_back(-9 - 2.3 * length + scatter * random.normal());
    data.places.push_back("guide" + std::to_string(data.places.size()) + ".csv");
  }
  return data;
}

TEST(PropagationLossCoverage, intervals_cover_as_they_say) {
  constexpr int trials = 4000;
  const auto covered =
      tests::coverage(trials, {"propagation_loss", "intercept"}, {2.3, -9},
                      [](int trial) { return calibrate_propagation_loss(guides(trial)); });
  for (const auto& share : covered) {
    EXPECT_NEAR(share.inside95, 0.95, tests::binomial_bound(0.95, trials));
  }
}

// Guides that were measured with unequal care, and are weighted so.
CutbackData unequal_guides(int trial) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 32);
  CutbackData data;
  data.length_cm = {0, 0.5, 1, 2, 3, 4.5};
  data.sigma_db = {0.03, 0.03, 0.06, 0.1, 0.2, 0.3};
  for (std::size_t i = 0; i < 6; ++i) {
    data.transmission_db.push_back(-9 - 2.3 * data.length_cm[i] +
                                   data.sigma_db[i] * random.normal());
  }
  return data;
}

TEST(PropagationLossCoverage, known_scatter_covers_and_only_with_the_weights) {
  constexpr int trials = 2000;
  const std::vector<std::string> names{"propagation_loss", "intercept"};
  const auto covered = tests::coverage(trials, names, {2.3, -9}, [](int trial) {
    return calibrate_propagation_loss(unequal_guides(trial));
  });
  const auto unweighted = tests::coverage(trials, names, {2.3, -9}, [](int trial) {
    CutbackData data = unequal_guides(trial);
    data.sigma_db.clear();
    return calibrate_propagation_loss(data);
  });
  for (std::size_t k = 0; k < names.size(); ++k) {
    EXPECT_NEAR(covered[k].inside95, 0.95, tests::binomial_bound(0.95, trials)) << names[k];
    EXPECT_NEAR(covered[k].inside68, 0.6827, tests::binomial_bound(0.6827, trials)) << names[k];
    EXPECT_GT(std::abs(unweighted[k].inside95 - 0.95), tests::binomial_bound(0.95, trials))
        << names[k];
  }
}

TEST(PropagationLoss, an_off_guide_is_named_and_rejects) {
  CutbackData data = guides(1);
  data.transmission_db[3] -= 2.5;
  const auto result = calibrate_propagation_loss(data);
  EXPECT_EQ(result.verdict, Verdict::rejected);
  ASSERT_FALSE(result.reasons.empty());
  EXPECT_THAT(result.reasons[0], HasSubstr("guide3.csv"));
  EXPECT_TRUE(result.device.empty() || data.path_length_cm > 0);
  EXPECT_EQ(calibrate_propagation_loss(guides(1)).verdict, Verdict::accepted);
}

TEST(PropagationLoss, known_scatter_that_is_too_small_rejects) {
  CutbackData data = guides(2, 0.4);
  data.sigma_db.assign(6, 0.02);
  EXPECT_EQ(calibrate_propagation_loss(data).verdict, Verdict::rejected);
  data.sigma_db.assign(6, 0.4);
  EXPECT_EQ(calibrate_propagation_loss(data).verdict, Verdict::accepted);
}

TEST(PropagationLoss, one_length_cannot_separate_the_couplings) {
  CutbackData data = guides(3);
  data.length_cm.assign(6, 1.0);
  const auto result = calibrate_propagation_loss(data);
  EXPECT_EQ(result.exit_code(false), 5);
  EXPECT_THAT(result.identifiability, HasSubstr("1 different lengths"));
  data.length_cm.resize(2);
  data.transmission_db.resize(2);
  EXPECT_THROW(calibrate_propagation_loss(data), DataError);
}

TEST(PropagationLoss, type_b_of_the_length_scale_stays_apart) {
  CutbackData data = guides(4);
  data.length_scale_uncertainty = 0.05;
  const Estimate e = calibrate_propagation_loss(data).parameter("propagation_loss");
  EXPECT_NEAR(e.u_b, 0.05 * e.value, 1e-12);
  EXPECT_NEAR(e.combined(), std::hypot(e.u_a, e.u_b), 1e-15);
}

}  // namespace
}  // namespace attojoule::calibration
