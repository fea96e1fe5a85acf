#include "network/range_calibration.hpp"

#include <gtest/gtest.h>

#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::InputRange;
using network::RangeMethod;
using network::RangeOptions;

// Sample i of ten holds the values i, i + 0.1, …, i + 99.9; the product sees them as they are.
class RangeCalibration : public ::testing::Test {
 protected:
  RangeCalibration() : program_(make()) {
    source_.size = 10;
    source_.load = [](std::int64_t index, network::Program::Lane& lane) {
      const auto values = lane.input(0);
      for (std::size_t k = 0; k < values.size(); ++k) {
        values[k] = static_cast<float>(index) + 0.1f * static_cast<float>(k);
      }
    };
    source_.label = [](std::int64_t) { return 0; };
  }
  static network::Program make() {
    OnnxModel model;
    model.input("x", {1, 1000});
    model.node("MatMul", {"x", model.random("w", {1000, 2})}, "y");
    model.output("y");
    return make_program(model, {{1, 1000}});
  }
  InputRange range(RangeOptions options, int threads = 1) {
    return network::calibrate_ranges(program_, source_, options, threads).at(0);
  }

  network::Program program_;
  network::SampleSource source_;
};

TEST_F(RangeCalibration, MinMaxSeesTheExtremes) {
  RangeOptions options;
  options.method = RangeMethod::minmax;
  EXPECT_FLOAT_EQ(static_cast<float>(range(options).low), 0.0f);
  EXPECT_FLOAT_EQ(static_cast<float>(range(options).high), 108.9f);
  options.images = 1;
  EXPECT_FLOAT_EQ(static_cast<float>(range(options).high), 99.9f);
}

TEST_F(RangeCalibration, MovingAverageFollowsSampleBySample) {
  RangeOptions options;
  options.method = RangeMethod::ema;
  options.momentum = 0.5;
  double low = 0, high = 99.9;
  for (int i = 0; i < 10; ++i) {
    low += 0.5 * (i - low);
    high += 0.5 * (i + 99.9 - high);
  }
  EXPECT_NEAR(range(options).low, low, 1e-4);
  EXPECT_NEAR(range(options).high, high, 1e-4);
}

TEST_F(RangeCalibration, PercentilesCutBothEnds) {
  RangeOptions options;
  options.percentile = 100;
  EXPECT_NEAR(range(options).high, 108.9, 1e-4);
  options.percentile = 90;  // of values uniform on the samples' overlap
  EXPECT_NEAR(range(options).low, 14.5, 0.2);
  EXPECT_NEAR(range(options).high, 94.4, 0.2);
}

TEST_F(RangeCalibration, ThreadsDoNotMatter) {
  for (const RangeMethod method :
       {RangeMethod::minmax, RangeMethod::ema, RangeMethod::percentile}) {
    RangeOptions options;
    options.method = method;
    const InputRange one = range(options, 1);
    const InputRange three = range(options, 3);
    EXPECT_EQ(one.low, three.low);
    EXPECT_EQ(one.high, three.high);
  }
}

}  // namespace
}  // namespace attojoule::tests
