#include "photonics/link.hpp"

#include <gtest/gtest.h>

namespace attojoule::photonics {
namespace {

TEST(PathTransmission, LosslessPathKeepsAllLight) {
  EXPECT_EQ(path_transmission({}), 1.0);
}

TEST(PathTransmission, LossesAddInDecibel) {
  Link link;
  link.coupling_loss_db = 1;
  link.propagation_loss_db = 2;
  link.modulator_insertion_loss_db = 3;
  link.splitting_excess_loss_db = 0.5;
  link.detector_coupling_loss_db = 3.5;
  EXPECT_NEAR(path_transmission(link), 0.1, 1e-15);  // 10 dB
}

}  // namespace
}  // namespace attojoule::photonics
