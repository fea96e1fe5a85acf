// QuantizeLinear and DequantizeLinear: how converters write down a quantised network in float.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

// Elements that share one scale: `inner` in a row, `channels` times.
struct ChannelWalk {
  std::size_t channels = 1;
  std::size_t inner = 1;

  ChannelWalk(const OperatorCall& call, const Shape& shape, const Shape& scales) {
    if (element_count(scales) == 1) return;
    const auto axis = static_cast<std::size_t>(
        call.axis(call.integer("axis", 1), static_cast<std::int64_t>(shape.size())));
    channels = static_cast<std::size_t>(shape[axis]);
    for (std::size_t i = axis + 1; i < shape.size(); ++i) {
      inner *= static_cast<std::size_t>(shape[i]);
    }
  }
  std::size_t operator()(std::size_t flat) const { return flat / inner % channels; }
};

void check_scales(const OperatorCall& call) {
  const Shape& scales = call.shape(1);
  const std::int64_t count = element_count(scales);
  if (count != 1) {
    const std::int64_t axis = call.axis(call.integer("axis", 1), call.rank(0));
    if (scales.size() != 1 || call.shape(0)[static_cast<std::size_t>(axis)] != count) {
      call.fail(fmt::format("scales of shape {} for an input of {} (one for all, or one for each "
                            "index of axis {})",
                            to_string(scales), to_string(call.shape(0)), axis),
                "Export without block-wise quantisation");
    }
  }
  if (call.has_input(2) && element_count(call.shape(2)) != count) {
    call.fail(fmt::format("{} zero points for {} scales", element_count(call.shape(2)), count),
              "The file is inconsistent; export it again");
  }
}

std::vector<ValueInfo> infer_quantise(const OperatorCall& call) {
  check_scales(call);
  if (!call.has_input(2) && call.integer("output_dtype", 0) != 0) {
    call.fail("a type of codes without a zero point", "Export with zero points");
  }
  if (call.has_input(2) && call.constant_tensor(2) == nullptr) {
    call.fail("a computed zero point (its type says which integers there are)",
              "Export with constant zero points");
  }
  return {{ElementType::integer, call.shape(0)}};
}

void evaluate_quantise(const OperatorCall& call, const InputTensors& in,
                       std::vector<DoubleTensor>& out) {
  const CodeRange range = code_range(call.constant_tensor(2));
  const ChannelWalk channel(call, in[0]->shape, in[1]->shape);
  for (std::size_t i = 0; i < out[0].values.size(); ++i) {
    const std::size_t c = channel(i);
    const double zero = call.has_input(2) ? in[2]->values[c] : 0.0;
    // The quotient in single precision, as runtimes form it: it decides between two codes.
    const auto steps = static_cast<float>(in[0]->values[i]) / static_cast<float>(in[1]->values[c]);
    out[0].values[i] =
        std::clamp(std::nearbyint(static_cast<double>(steps)) + zero,
                   static_cast<double>(range.lowest), static_cast<double>(range.highest));
  }
}

std::vector<ValueInfo> infer_dequantise(const OperatorCall& call) {
  check_scales(call);
  return {{ElementType::real, call.shape(0)}};
}

void evaluate_dequantise(const OperatorCall& call, const InputTensors& in,
                         std::vector<DoubleTensor>& out) {
  const ChannelWalk channel(call, in[0]->shape, in[1]->shape);
  for (std::size_t i = 0; i < out[0].values.size(); ++i) {
    const std::size_t c = channel(i);
    const double zero = call.has_input(2) ? in[2]->values[c] : 0.0;
    out[0].values[i] = (in[0]->values[i] - zero) * in[1]->values[c];
  }
}

const std::array operators{
    Operator{"DequantizeLinear", 2, 3, infer_dequantise, evaluate_dequantise},
    Operator{"QuantizeLinear", 2, 3, infer_quantise, evaluate_quantise},
};

}  // namespace

CodeRange code_range(const Tensor* zero_point) {
  if (zero_point == nullptr) return {};
  const int bits = std::min(zero_point->stored_bits, 32);
  if (!zero_point->stored_signed) return {0, (std::int64_t{1} << bits) - 1};
  return {-(std::int64_t{1} << (bits - 1)), (std::int64_t{1} << (bits - 1)) - 1};
}

std::span<const Operator> quantisation_operators() {
  return operators;
}

}  // namespace attojoule::network
