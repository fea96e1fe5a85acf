#include "data/lab_units.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>

namespace attojoule::data {
namespace {

double converted(double value, const std::string& from, const std::string& to) {
  const auto a = parse_lab_unit(from), b = parse_lab_unit(to);
  if (!a || !b || !same_dimension(*a, *b)) return std::nan("");
  return convert(value, *a, *b);
}

TEST(LabUnits, ProductsPowersAndPrefixes) {
  EXPECT_DOUBLE_EQ(converted(3, "mW", "W"), 3e-3);
  EXPECT_DOUBLE_EQ(converted(2, "nA/sqrt(Hz)", "A/sqrt(Hz)"), 2e-9);
  EXPECT_DOUBLE_EQ(converted(2, "nA/√Hz", "A/sqrt(Hz)"), 2e-9);
  EXPECT_DOUBLE_EQ(converted(2, "nV^2/Hz", "V^2/Hz"), 2e-18);
  EXPECT_DOUBLE_EQ(converted(5, "V·A", "W"), 5);
  EXPECT_DOUBLE_EQ(converted(5, "kΩ", "ohm"), 5000);
  EXPECT_DOUBLE_EQ(converted(5, "µA", "uA"), 5);
  EXPECT_DOUBLE_EQ(converted(5, "dB/cm", "dB/m"), 500);
  EXPECT_DOUBLE_EQ(converted(180, "deg", "rad"), std::numbers::pi);
  EXPECT_DOUBLE_EQ(converted(50, "%", "1"), 0.5);
  EXPECT_DOUBLE_EQ(converted(7, "Volt", "V"), 7);
  EXPECT_DOUBLE_EQ(converted(7, "MHZ", "Hz"), 7e6);
  EXPECT_DOUBLE_EQ(converted(7, "mV²", "V^2"), 7e-6);
  EXPECT_DOUBLE_EQ(converted(7, "DN/e-", "DN/e-"), 7);
  EXPECT_DOUBLE_EQ(converted(7, "A s", "C"), 7);
}

TEST(LabUnits, Levels) {
  EXPECT_DOUBLE_EQ(converted(0, "dBm", "W"), 1e-3);
  EXPECT_NEAR(converted(-3, "dBm", "mW"), 0.50118723362727, 1e-14);
  EXPECT_DOUBLE_EQ(converted(1e-3, "W", "dBm"), 0);
  EXPECT_DOUBLE_EQ(converted(20, "dBuV", "uV"), 10);  // 20 dB a decade of a voltage
  EXPECT_DOUBLE_EQ(converted(20, "dB", "1"), 100);    // 10 dB a decade of a power
  EXPECT_DOUBLE_EQ(converted(-150, "dBc/Hz", "1/Hz"), 1e-15);
  EXPECT_DOUBLE_EQ(converted(-130, "dBm/Hz", "W/Hz"), 1e-16);
  EXPECT_DOUBLE_EQ(converted(30, "dBm", "dBW"), 0);
  EXPECT_TRUE(std::isnan(converted(-1, "W", "dBm")));  // no level of a negative power
}

// A power and its density, photons and electrons, digital numbers and plain numbers are different.
TEST(LabUnits, DimensionsAreNotMixedUp) {
  for (const auto& [a, b] :
       {std::pair{"dBm", "dBm/Hz"}, std::pair{"photon", "e-"}, std::pair{"DN", "1"},
        std::pair{"dBuV", "dBm"}, std::pair{"V", "V^2"}, std::pair{"A/sqrt(Hz)", "A/Hz"},
        std::pair{"dB/cm", "1/cm"}, std::pair{"rad", "1"}}) {
    EXPECT_TRUE(std::isnan(converted(1, a, b))) << a << " " << b;
  }
}

TEST(LabUnits, WhatIsNone) {
  for (const char* text : {"mWW", "VIEW", "W/", "/W", "()", "sqrt(", "sqrt(W", "x", "V^", "V^0.3",
                           "V^99", "√", "V**", "dBq", "-", "W//Hz", "((((((V))))))", "1.5"}) {
    EXPECT_FALSE(parse_lab_unit(text)) << text;
  }
}

}  // namespace
}  // namespace attojoule::data
