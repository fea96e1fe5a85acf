// The section `calibration` of a device file: read, written, combined, drawn from.
#include "data/device_calibration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"
#include "tests/statistics.hpp"

namespace attojoule::data {
namespace {

using testing::HasSubstr;

DeviceCalibration loss_and_efficiency() {
  return {"cut-back \"A\"\\B, π",
          {{"link.propagation_loss", "dB", 2.25, 0.03, 0.01},
           {"detector.quantum_efficiency", "1", 0.8, 0.01, 0}},
          {0.001, -0.0002, -0.0002, 0.0001}};
}

DeviceCalibration read_back(const DeviceCalibration& calibration) {
  return read_calibration(ConfigNode::parse(calibration_to_yaml(calibration), "test"));
}

TEST(DeviceCalibration, is_read_back_bit_for_bit) {
  const auto calibration = loss_and_efficiency();
  const auto back = read_back(calibration);
  EXPECT_EQ(back.source, calibration.source);
  EXPECT_EQ(back.covariance, calibration.covariance);
  ASSERT_EQ(back.parameters.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back.parameters[i].key, calibration.parameters[i].key);
    EXPECT_EQ(back.parameters[i].unit, calibration.parameters[i].unit);
    EXPECT_EQ(back.parameters[i].value, calibration.parameters[i].value);
    EXPECT_EQ(back.parameters[i].u_a, calibration.parameters[i].u_a);
    EXPECT_EQ(back.parameters[i].u_b, calibration.parameters[i].u_b);
  }
  EXPECT_EQ(calibration_to_yaml({}), "");
}

TEST(DeviceCalibration, combined_ones_are_independent_and_the_later_word_counts) {
  const DeviceCalibration later{
      "meter", {{"detector.quantum_efficiency", "1", 0.82, 0.004, 0}}, {0.000016}};
  const auto both = combine(loss_and_efficiency(), later);
  ASSERT_EQ(both.parameters.size(), 2u);
  EXPECT_EQ(both.parameters[0].key, "link.propagation_loss");
  EXPECT_EQ(both.parameters[1].value, 0.82);
  EXPECT_EQ(both.covariance, (std::vector<double>{0.001, 0, 0, 0.000016}));
  EXPECT_THAT(both.source, HasSubstr("cut-back"));
  EXPECT_THAT(both.source, HasSubstr("meter"));
  // All measured again: nothing of the earlier one is left, its source neither.
  const auto again = combine(later, loss_and_efficiency());
  EXPECT_EQ(again.covariance, loss_and_efficiency().covariance);
  EXPECT_EQ(again.source, loss_and_efficiency().source);
  EXPECT_EQ(combine({}, later).covariance, later.covariance);
}

TEST(DeviceCalibration, draws_have_the_covariance) {
  const TemporaryFolder folder;
  const auto file = folder.write("device.yaml",
                                 "link: {propagation_loss: 2.25 dB}\n"
                                 "detector: {quantum_efficiency: 0.8}\n" +
                                     calibration_to_yaml(loss_and_efficiency()));
  constexpr std::size_t count = 4000;
  const auto draws = draw_devices(file.string(), {}, count, 1);
  EXPECT_EQ(draws.refused, 0u);
  tests::Moments loss, efficiency;
  double product = 0;
  for (std::size_t i = 0; i < count; ++i) {
    loss.add(draws.values[i][0]);
    efficiency.add(draws.values[i][1]);
    product += (draws.values[i][0] - 2.25) * (draws.values[i][1] - 0.8) / count;
    EXPECT_EQ(draws.devices[i].link.propagation_loss_db, draws.values[i][0]);
    EXPECT_EQ(draws.devices[i].detector.quantum_efficiency, draws.values[i][1]);
  }
  constexpr double five = tests::five_sigma;
  EXPECT_LT(std::abs(loss.mean() - 2.25), five * loss.mean_error());
  EXPECT_LT(std::abs(loss.variance() - 0.001), five * loss.variance_error());
  EXPECT_LT(std::abs(efficiency.variance() - 0.0001), five * efficiency.variance_error());
  // Correlation -0.632: standard error sqrt((1 + r^2) v v / n). Power: 0 is far outside.
  const double error = std::sqrt((1 + 0.4) * 0.001 * 0.0001 / count);
  EXPECT_LT(std::abs(product + 0.0002), five * error);
  EXPECT_GT(std::abs(product), five * error);
}

TEST(DeviceCalibration, what_has_no_random_numbers_is_refused_with_its_place) {
  auto calibration = loss_and_efficiency();
  calibration.covariance = {0.001, 0.002, 0.002, 0.0001};
  EXPECT_THROW(read_back(calibration), ConfigError);
  calibration.covariance = {0.001, 0.0001, 0.0002, 0.0001};
  EXPECT_THROW(read_back(calibration), ConfigError);
  calibration.covariance = {0.001, 0, 0, 0};
  EXPECT_EQ(read_back(calibration).covariance, calibration.covariance);
}

}  // namespace
}  // namespace attojoule::data
