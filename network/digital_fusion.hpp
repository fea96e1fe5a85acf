// Functions that exporters spell out as several nodes, found again: one step instead of many passes
// over memory.
//
//   gelu        x/2 (1 + erf(x / sqrt 2)), with the factors in any of the usual orders
//   layer_norm  (x - m) / sqrt(mean (x - m)^2 + epsilon) scale + shift over the last axis, m = mean
//   x swish       x sigmoid(x)
//
// A function is taken as one only if nobody else reads what lies between.
// Tests: tests/network/digital_fusion_test.cpp.
#pragma once

#include <vector>

#include "network/graph.hpp"

namespace attojoule::network {

enum class FusedFunction { gelu, layer_norm, swish };

struct DigitalFusion {
  FusedFunction function = FusedFunction::gelu;
  std::vector<int> nodes;    // ascending; the last one's output is the function's
  ValueId input = no_value;  // x
  ValueId scale = no_value;  // layer_norm: constants of the last axis, or none
  ValueId shift = no_value;
  double epsilon = 0;
};

std::vector<DigitalFusion> find_digital_fusions(const Graph& graph);

}  // namespace attojoule::network
