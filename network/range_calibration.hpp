// Ranges of every product's inputs, from samples that are not the test set.
#pragma once

#include <cstdint>
#include <vector>

#include "network/evaluation.hpp"
#include "network/program.hpp"

namespace attojoule::network {

enum class RangeMethod {
  minmax,      // smallest and largest value seen
  ema,         // exponential moving average of each sample's smallest and largest value
  percentile,  // quantiles of all values (both ends), which leave outliers to saturate
};

struct RangeOptions {
  RangeMethod method = RangeMethod::percentile;
  double percentile = 99.99;  // %, (50, 100]; Garg et al. 2021
  double momentum = 0.01;     // weight of a new sample in the average, (0, 1]; PyTorch's observer
  std::int64_t images = 0;    // 0 = all
};

// Runs the program without noise. The result does not depend on the number of threads. Percentiles
// are read from histograms of 4096 bins between the smallest and the largest value.
// Test: tests/network/range_calibration_test.cpp.
std::vector<InputRange> calibrate_ranges(const Program& program, const SampleSource& source,
                                         const RangeOptions& options, int threads);

}  // namespace attojoule::network
