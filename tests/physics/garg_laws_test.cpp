// The noise laws of Garg et al., arXiv:2102.06365, as compile_noise_model gives them.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "photonics/noise_model.hpp"
#include "photonics/random.hpp"
#include "tests/statistics.hpp"

namespace attojoule::photonics {
namespace {

NoiseModel model_of(Law law, double energy, const DotProduct& product) {
  return compile_noise_model({}, law, Encoding::normalised, {.photons_per_mac = energy}, product);
}

// V6: sigma / (R_w R_x) for D = 576.
TEST(GargThermal, PublishedFormula) {
  const DotProduct product{.length = 576, .weight_range = 1.7, .input_range = 0.4};
  const struct {
    double energy, expected;
  } cases[] = {{1, 0.24}, {10, 0.0759}, {100, 0.024}, {1000, 0.00759}};
  for (const auto& c : cases) {
    const double sigma =
        std::sqrt(model_of(Law::garg_thermal, c.energy, product).variance.constant) / (1.7 * 0.4);
    EXPECT_NEAR(sigma, c.expected, 0.01 * c.expected);
    EXPECT_GT(std::abs(std::sqrt(1.1) * sigma - c.expected), 0.01 * c.expected);
  }
}

// V7: every weight gets noise of standard deviation 0.1 R_w / sqrt(E).
TEST(GargWeight, PublishedFormula) {
  constexpr std::size_t samples = 1 << 18;
  for (const double energy : {1.0, 9.0, 50.0}) {
    const NoiseModel model =
        model_of(Law::garg_weight, energy, {.length = 576, .weight_range = 1.7});
    std::vector<float> noise(samples);
    fill_normal({.seed = 3, .domain = NoiseDomain::weight_read}, 0, noise);
    tests::Moments weights;
    for (const float z : noise) weights.add(0.3 + model.weight_noise * static_cast<double>(z));
    const double expected = 0.1 * 1.7 / std::sqrt(energy);
    const double bound = tests::five_sigma / std::sqrt(2.0 * samples);  // 0.7 %
    EXPECT_NEAR(weights.deviation() / expected, 1, bound);
    EXPECT_GT(std::abs(std::sqrt(1.1) * weights.deviation() / expected - 1), bound);
  }
}

// The shot law is the ideal receiver of the homodyne law.
TEST(GargShot, IsTheIdealHomodyneReceiver) {
  for (const std::int64_t length : {1, 9, 576, 4608}) {
    for (const double photons : {0.5, 12.5, 163.3}) {
      const NoiseModel garg = model_of(Law::garg_shot, photons, {.length = length});
      const NoiseModel homodyne = model_of(Law::homodyne, photons, {.length = length});
      EXPECT_NEAR(garg.variance.norm_product / homodyne.variance.norm_product, 1, 1e-12);
      EXPECT_EQ(garg.photons.constant, homodyne.photons.constant);
      EXPECT_NEAR(garg.variance.norm_product, 1 / (static_cast<double>(length) * photons), 1e-15);
    }
  }
}

}  // namespace
}  // namespace attojoule::photonics
