// The derivative of every operator that has one, in plain loops: what network/operators.hpp is for
// values. Internal to network/.
//
// Test: tests/network/plain_adjoint_test.cpp (finite differences of the operator's definition).
#pragma once

#include <vector>

#include "network/operators.hpp"

namespace attojoule::network {

// Whether a change of an input changes the outputs by steps only (rounding, comparisons, casts to
// integers): no gradient passes.
bool is_step_function(const Graph& graph, const Node& node);

// Whether an input can have a gradient: real numbers, and the codes that DequantizeLinear reads.
bool carries_gradient(const Graph& graph, const Node& node, std::size_t input);

// Whether add_plain_adjoint knows the operator.
bool has_plain_adjoint(const Node& node);

// Adds the gradient of every input to `input_gradients` where that is not empty: element counts of
// the inputs. `outputs` are those of evaluate(); `output_gradients` has their element counts, or is
// empty where an output has no gradient. At a kink the derivative is that of one side.
// Throws DataError naming the node where the operator has no derivative.
void add_plain_adjoint(const Graph& graph, const Node& node, const InputTensors& inputs,
                       const std::vector<DoubleTensor>& outputs,
                       const std::vector<std::vector<double>>& output_gradients,
                       std::vector<std::vector<double>>& input_gradients);

}  // namespace attojoule::network
