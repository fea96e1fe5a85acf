// Normalisations over the pixels of a channel, of groups of channels, and across channels.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

void require_image(const OperatorCall& call) {
  call.require_reals();
  if (call.rank(0) < 3) {
    call.fail(fmt::format("an input of shape {} (channels and pixels are needed)",
                          to_string(call.shape(0))),
              "Check the input's shape against the model");
  }
}

std::vector<ValueInfo> infer_instance_norm(const OperatorCall& call) {
  require_image(call);
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    if (element_count(call.shape(i)) != call.shape(0)[1]) {
      call.fail(fmt::format("input {} of shape {} for {} channels", i, to_string(call.shape(i)),
                            call.shape(0)[1]),
                "The file is inconsistent; export it again");
    }
  }
  return {{call.type(0), call.shape(0)}};
}

// GroupNormalization has a scale and a bias for every group up to opset 20, for every channel
// after.
bool scales_channels(const OperatorCall& call) {
  return call.opset() >= 21;
}

std::vector<ValueInfo> infer_group_norm(const OperatorCall& call) {
  require_image(call);
  const std::int64_t groups = call.integer("num_groups", 0);
  if (groups < 1 || call.shape(0)[1] % groups != 0) {
    call.fail(fmt::format("{} groups of {} channels", groups, call.shape(0)[1]),
              "The file is inconsistent; export it again");
  }
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    const std::int64_t wanted = scales_channels(call) ? call.shape(0)[1] : groups;
    if (element_count(call.shape(i)) != wanted) {
      call.fail(fmt::format("input {} of shape {} (one number for each {} in opset {}: {})", i,
                            to_string(call.shape(i)), scales_channels(call) ? "channel" : "group",
                            call.opset(), wanted),
                "Export with opset 21 or InstanceNormalization and Mul");
    }
  }
  return {{call.type(0), call.shape(0)}};
}

// Rows of `extent` elements to mean 0 and variance 1; then scale and shift of each row's group.
void normalise_rows(const DoubleTensor& x, std::size_t extent, double epsilon,
                    const DoubleTensor& scale, const DoubleTensor& shift, DoubleTensor& y) {
  const std::size_t groups = scale.values.size();
  const std::size_t rows = extent == 0 ? 0 : x.values.size() / extent;
  const auto count = static_cast<double>(extent);
  for (std::size_t row = 0; row < rows; ++row) {
    const double* from = x.values.data() + row * extent;
    double mean = 0;
    for (std::size_t i = 0; i < extent; ++i) mean += from[i] / count;
    double variance = 0;
    for (std::size_t i = 0; i < extent; ++i) {
      variance += (from[i] - mean) * (from[i] - mean) / count;
    }
    const double factor = scale.values[row % groups] / std::sqrt(variance + epsilon);
    for (std::size_t i = 0; i < extent; ++i) {
      y.values[row * extent + i] = (from[i] - mean) * factor + shift.values[row % groups];
    }
  }
}

std::size_t elements_after(const Shape& shape, std::size_t axis) {
  std::size_t count = 1;
  for (std::size_t i = axis; i < shape.size(); ++i) count *= static_cast<std::size_t>(shape[i]);
  return count;
}

void evaluate_instance_norm(const OperatorCall& call, const InputTensors& in,
                            std::vector<DoubleTensor>& out) {
  normalise_rows(*in[0], elements_after(in[0]->shape, 2), call.real("epsilon", 1e-5), *in[1],
                 *in[2], out[0]);
}

void evaluate_group_norm(const OperatorCall& call, const InputTensors& in,
                         std::vector<DoubleTensor>& out) {
  const auto groups = static_cast<std::size_t>(call.integer("num_groups", 1));
  const std::size_t extent = elements_after(in[0]->shape, 1) / groups;
  const double epsilon = call.real("epsilon", 1e-5);
  if (!scales_channels(call)) {
    normalise_rows(*in[0], extent, epsilon, *in[1], *in[2], out[0]);
    return;
  }
  normalise_rows(*in[0], extent, epsilon, {ElementType::real, {1}, {1}},
                 {ElementType::real, {1}, {0}}, out[0]);
  const std::size_t pixels = elements_after(in[0]->shape, 2);
  for (std::size_t i = 0; i < out[0].values.size(); ++i) {
    const std::size_t c = i / pixels % in[1]->values.size();
    out[0].values[i] = out[0].values[i] * in[1]->values[c] + in[2]->values[c];
  }
}

std::vector<ValueInfo> infer_lrn(const OperatorCall& call) {
  require_image(call);
  if (call.integer("size", 0) < 1) call.fail("size below 1", "Export the model again");
  return {{call.type(0), call.shape(0)}};
}

// y = x / (bias + alpha / size * sum of x^2 over the channels around)^beta
void evaluate_lrn(const OperatorCall& call, const InputTensors& in,
                  std::vector<DoubleTensor>& out) {
  const std::int64_t size = call.integer("size", 1);
  const double alpha = call.real("alpha", 1e-4) / static_cast<double>(size);
  const double beta = call.real("beta", 0.75);
  const double bias = call.real("bias", 1);
  const std::int64_t channels = in[0]->shape[1];
  const auto pixels = static_cast<std::int64_t>(elements_after(in[0]->shape, 2));
  const auto at = [&](std::int64_t n, std::int64_t c, std::int64_t i) {
    return static_cast<std::size_t>((n * channels + c) * pixels + i);
  };
  for (std::int64_t n = 0; n < in[0]->shape[0]; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t first = std::max<std::int64_t>(0, c - (size - 1) / 2);
      const std::int64_t last =
          size > 2 * channels ? channels - 1 : std::min(channels - 1, c + size / 2);
      for (std::int64_t i = 0; i < pixels; ++i) {
        double squares = 0;
        for (std::int64_t k = first; k <= last; ++k) {
          const double x = in[0]->values[at(n, k, i)];
          squares += x * x;
        }
        out[0].values[at(n, c, i)] =
            in[0]->values[at(n, c, i)] / std::pow(bias + alpha * squares, beta);
      }
    }
  }
}

std::vector<ValueInfo> infer_lp_norm(const OperatorCall& call) {
  call.require_reals();
  const std::int64_t power = call.integer("p", 2);
  if (power != 1 && power != 2) {
    call.fail(fmt::format("p = {}", power), "1 and 2 are supported");
  }
  call.axis(call.integer("axis", -1), call.rank(0));
  return {{call.type(0), call.shape(0)}};
}

void evaluate_lp_norm(const OperatorCall& call, const InputTensors& in,
                      std::vector<DoubleTensor>& out) {
  const bool squares = call.integer("p", 2) == 2;
  const Shape& shape = in[0]->shape;
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", -1), call.rank(0)));
  const auto extent = static_cast<std::size_t>(shape[axis]);
  const std::size_t inner = elements_after(shape, axis + 1);
  const std::size_t rows = extent * inner == 0 ? 0 : in[0]->values.size() / extent;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t start = row / inner * extent * inner + row % inner;
    double norm = 0;
    for (std::size_t k = 0; k < extent; ++k) {
      const double x = in[0]->values[start + k * inner];
      norm += squares ? x * x : std::abs(x);
    }
    if (squares) norm = std::sqrt(norm);
    for (std::size_t k = 0; k < extent; ++k) {
      const double x = in[0]->values[start + k * inner];
      out[0].values[start + k * inner] = norm == 0 ? 0.0 : x / norm;
    }
  }
}

const std::array operators{
    Operator{"GroupNormalization", 3, 3, infer_group_norm, evaluate_group_norm},
    Operator{"InstanceNormalization", 3, 3, infer_instance_norm, evaluate_instance_norm},
    Operator{"LRN", 1, 1, infer_lrn, evaluate_lrn},
    Operator{"LpNormalization", 1, 1, infer_lp_norm, evaluate_lp_norm},
};

}  // namespace

std::span<const Operator> normalisation_operators() {
  return operators;
}

}  // namespace attojoule::network
