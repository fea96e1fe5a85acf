// The link budget: powers fixed by photons, element by element.
#include "photonics/link.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "photonics/error.hpp"

namespace attojoule::photonics {
namespace {

TEST(Link, PathTransmission) {
  EXPECT_EQ(path_transmission({}), 1);
  EXPECT_NEAR(path_transmission({1, 2, 3, 0.5, 3.5}), 0.1, 1e-15);
}

Device lossy() {
  Device device;
  device.link = {.coupling_loss_db = 1.5,
                 .propagation_loss_db = 2,
                 .modulator_insertion_loss_db = 4,
                 .splitting_excess_loss_db = 0.7,
                 .detector_coupling_loss_db = 1};
  device.receiver.integration_time_s = 1e-7;
  device.receiver.signal_beam_share = 0.2;
  device.tile.rows = 32;
  device.tile.columns = 8;
  device.laser.maximum_power_w = 1;
  return device;
}

// The light at the photodiode is that of the noise model: photons x h nu / T, whatever the path.
TEST(Link, PowerAtThePhotodiodeIsThePhotons) {
  const LinkBudget budget = link_budget(lossy(), {.photons_per_mac = 50}, {.length = 100}, {});
  const double total = 50 * 100 * 0.1281578e-18 / 1e-7;
  EXPECT_NEAR(budget.points.back().power_x_w / (0.2 * total), 1, 1e-6);
  EXPECT_NEAR(budget.points.back().power_w_w / (0.8 * total), 1, 1e-6);
  EXPECT_EQ(budget.points.back().element, "photodiode");
  EXPECT_EQ(budget.fan_out_x, 32);
  EXPECT_EQ(budget.fan_out_w, 8);
  const double facet = total * (0.2 * 32 + 0.8 * 8) / path_transmission(lossy().link);
  EXPECT_NEAR(budget.facet_power_w / facet, 1, 1e-6);
  EXPECT_NEAR(budget.margin_db, -10 * std::log10(facet), 1e-5);
}

TEST(Link, EveryPointFollowsFromTheOneBefore) {
  const LinkBudget budget = link_budget(lossy(), {.photons_per_mac = 5}, {.length = 64},
                                        {.mean_square_x = 0.25, .mean_square_w = 0.1});
  double sum_x = 0;
  for (std::size_t i = 1; i < budget.points.size(); ++i) {
    const LinkPoint& p = budget.points[i];
    sum_x += p.loss_x_db;
    EXPECT_NEAR(10 * std::log10(budget.points[i - 1].power_x_w / p.power_x_w), p.loss_x_db, 1e-9);
    EXPECT_NEAR(10 * std::log10(budget.points[i - 1].power_w_w / p.power_w_w), p.loss_w_db, 1e-9);
  }
  EXPECT_NEAR(sum_x, 9.2 + 10 * std::log10(32.0) + 10 * std::log10(4.0), 1e-9);
  EXPECT_NEAR(budget.points.front().power_x_w + budget.points.front().power_w_w,
              budget.facet_power_w, 1e-12 * budget.facet_power_w);
}

TEST(Link, FanOutAndUnlimitedLaser) {
  Device device = lossy();
  device.tile.fan_out = 4;
  device.laser.maximum_power_w = 0;
  const LinkBudget budget = link_budget(device, {.photons_per_mac = 1}, {.length = 1}, {});
  EXPECT_EQ(budget.fan_out_x, 4);
  EXPECT_EQ(budget.fan_out_w, 4);
  EXPECT_TRUE(std::isinf(budget.margin_db));
}

TEST(Link, RefusesNonsense) {
  EXPECT_THROW(link_budget(lossy(), {.photons_per_mac = 0}, {.length = 1}, {}), ConfigError);
  EXPECT_THROW(link_budget(lossy(), {.photons_per_mac = 1}, {.length = 0}, {}), ConfigError);
  EXPECT_THROW(link_budget(lossy(), {.photons_per_mac = 1}, {.length = 1}, {.mean_square_x = 1.1}),
               ConfigError);
  EXPECT_THROW(link_budget(lossy(), {.photons_per_mac = 1}, {.length = 1}, {.mean_square_w = 0}),
               ConfigError);
}

}  // namespace
}  // namespace attojoule::photonics
