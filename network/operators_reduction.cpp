// Operators that combine the elements of an axis: sums, pooling, softmax, normalisations.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Which axes are reduced. An attribute up to opset 17 (12 for ReduceSum), an input after.
std::vector<bool> reduced_axes(const OperatorCall& call) {
  const auto rank = static_cast<std::size_t>(call.rank(0));
  std::vector<std::int64_t> axes =
      call.has_input(1) ? call.constant_integers(1) : call.integers("axes", {});
  std::vector<bool> reduced(rank, false);
  if (axes.empty() && call.integer("noop_with_empty_axes", 0) == 0) reduced.assign(rank, true);
  for (const std::int64_t axis : axes) {
    reduced[static_cast<std::size_t>(call.axis(axis, call.rank(0)))] = true;
  }
  return reduced;
}

std::vector<ValueInfo> infer_reduce(const OperatorCall& call) {
  const auto reduced = reduced_axes(call);
  const bool keep = call.integer("keepdims", 1) != 0;
  Shape shape;
  for (std::size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i]) {
      shape.push_back(call.shape(0)[i]);
    } else if (keep) {
      shape.push_back(1);
    }
  }
  return {{call.type(0), shape}};
}

// out = finish(fold over the reduced elements of combine, number of them)
template <class Combine, class Finish>
void reduce(const OperatorCall& call, const InputTensors& in, std::vector<DoubleTensor>& out,
            double start, Combine combine, Finish finish) {
  const auto reduced = reduced_axes(call);
  const Shape& shape = in[0]->shape;
  Shape strides(shape.size(), 0);
  std::int64_t stride = 1;
  std::int64_t count = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (reduced[i]) {
      count *= shape[i];
    } else {
      strides[i] = stride;
      stride *= shape[i];
    }
  }
  std::fill(out[0].values.begin(), out[0].values.end(), start);
  Shape index(shape.size(), 0);
  for (const double value : in[0]->values) {
    std::int64_t position = 0;
    for (std::size_t i = 0; i < index.size(); ++i) position += index[i] * strides[i];
    double& accumulator = out[0].values[static_cast<std::size_t>(position)];
    accumulator = combine(accumulator, value);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  for (double& value : out[0].values) value = finish(value, static_cast<double>(count));
}

// log(exp(a) + exp(b)) without overflow.
double add_in_logarithms(double a, double b) {
  const double larger = std::max(a, b);
  return std::isinf(larger) ? larger : larger + std::log1p(std::exp(-std::abs(a - b)));
}

#define ATTOJOULE_REDUCE(NAME, START, COMBINE, FINISH)                                         \
  Operator {                                                                                   \
    NAME, 1, 2, infer_reduce,                                                                  \
        [](const OperatorCall& call, const InputTensors& in, std::vector<DoubleTensor>& out) { \
          reduce(                                                                              \
              call, in, out, START, [](double a, double x) -> double { return COMBINE; },      \
              [](double a, [[maybe_unused]] double n) -> double { return FINISH; });           \
        }                                                                                      \
  }

std::vector<std::int64_t> pool_kernel(const OperatorCall& call) {
  return call.integers("kernel_shape", {});
}

std::vector<ValueInfo> infer_pool(const OperatorCall& call) {
  if (call.node().op == "MaxPool" && call.integer("storage_order", 0) != 0) {
    call.fail("column-major indices", "Export with storage_order = 0");
  }
  const VolumeGeometry geometry = volume_geometry(call, pool_kernel(call));
  return {{call.type(0), geometry.output_shape(call, geometry.plane.channels)}};
}

// The positions of a window that lie in the input: a window may be far larger than what it looks
// at.
struct WindowRange {
  std::int64_t first = 0;
  std::int64_t last = 0;    // one behind
  std::int64_t padded = 0;  // positions in input or padding; not beyond (ceil_mode)
};

WindowRange window_range(const WindowGeometry& g, std::size_t axis, std::int64_t output) {
  // Position k of the window looks at origin + k * dilation.
  const std::int64_t origin = output * g.stride[axis] - g.pad_begin[axis];
  const std::int64_t dilation = g.dilation[axis];
  // Positions whose place is below `end`.
  const auto below = [&](std::int64_t end) {
    const std::int64_t count = end <= origin ? 0 : (end - origin + dilation - 1) / dilation;
    return std::min(count, g.kernel[axis]);
  };
  WindowRange range;
  range.first = below(0);
  range.last = std::max(range.first, below(g.input[axis]));
  range.padded = below(g.input[axis] + g.pad_end[axis]);
  return range;
}

void evaluate_pool(const OperatorCall& call, const InputTensors& in,
                   std::vector<DoubleTensor>& out) {
  const auto kernel = pool_kernel(call);
  const VolumeGeometry volume = volume_geometry(call, kernel);
  const WindowGeometry& g = volume.plane;
  const WindowGeometry& deep = volume.depth;
  const bool maximum = call.node().op == "MaxPool";
  const bool count_padding = call.integer("count_include_pad", 0) != 0;
  const std::int64_t volumes = in[0]->shape[0] * g.channels;
  const auto extent = [count_padding](const WindowRange& range) {
    return static_cast<double>(count_padding ? range.padded : range.last - range.first);
  };
  std::size_t flat = 0;
  for (std::int64_t v = 0; v < volumes; ++v) {
    const double* source = in[0]->values.data() + v * deep.input[1] * g.input[0] * g.input[1];
    for (std::int64_t oz = 0; oz < deep.output[1]; ++oz) {
      for (std::int64_t oy = 0; oy < g.output[0]; ++oy) {
        for (std::int64_t ox = 0; ox < g.output[1]; ++ox) {
          const WindowRange layers = window_range(deep, 1, oz);
          const WindowRange rows = window_range(g, 0, oy);
          const WindowRange columns = window_range(g, 1, ox);
          double result = maximum ? -infinity : 0;
          for (std::int64_t kz = layers.first; kz < layers.last; ++kz) {
            const std::int64_t z = oz * deep.stride[1] + kz * deep.dilation[1] - deep.pad_begin[1];
            for (std::int64_t ky = rows.first; ky < rows.last; ++ky) {
              const std::int64_t y = oy * g.stride[0] + ky * g.dilation[0] - g.pad_begin[0];
              for (std::int64_t kx = columns.first; kx < columns.last; ++kx) {
                const std::int64_t x = ox * g.stride[1] + kx * g.dilation[1] - g.pad_begin[1];
                const double value = source[(z * g.input[0] + y) * g.input[1] + x];
                result = maximum ? std::max(result, value) : result + value;
              }
            }
          }
          const double count = extent(layers) * extent(rows) * extent(columns);
          out[0].values[flat++] = maximum ? result : result / count;
        }
      }
    }
  }
}

std::vector<ValueInfo> infer_global_pool(const OperatorCall& call) {
  Shape shape = call.shape(0);
  if (shape.size() < 3) call.fail("an input of fewer than 3 axes", "Export the model again");
  std::fill(shape.begin() + 2, shape.end(), 1);
  return {{call.type(0), shape}};
}

void evaluate_global_pool(const OperatorCall& call, const InputTensors& in,
                          std::vector<DoubleTensor>& out) {
  const bool maximum = call.node().op == "GlobalMaxPool";
  const std::size_t count = in[0]->values.size() / std::max<std::size_t>(out[0].values.size(), 1);
  for (std::size_t plane = 0; plane < out[0].values.size(); ++plane) {
    const double* source = in[0]->values.data() + plane * count;
    double result = maximum ? -infinity : 0;
    for (std::size_t i = 0; i < count; ++i) {
      result = maximum ? std::max(result, source[i]) : result + source[i];
    }
    out[0].values[plane] = maximum ? result : result / static_cast<double>(count);
  }
}

std::vector<ValueInfo> infer_same(const OperatorCall& call) {
  return {{call.type(0), call.shape(0)}};
}

struct AxisSpan {
  std::int64_t outer = 1;
  std::int64_t extent = 1;
  std::int64_t inner = 1;
};

// Softmax works on one axis from opset 13 on, and on all axes from `axis` to the last before.
AxisSpan softmax_span(const OperatorCall& call) {
  const Shape& shape = call.shape(0);
  const bool one_axis = call.opset() >= 13;
  const std::int64_t axis = call.axis(call.integer("axis", one_axis ? -1 : 1), call.rank(0));
  AxisSpan span;
  for (std::int64_t i = 0; i < call.rank(0); ++i) {
    const std::int64_t extent = shape[static_cast<std::size_t>(i)];
    if (i < axis) {
      span.outer *= extent;
    } else if (i == axis || !one_axis) {
      span.extent *= extent;
    } else {
      span.inner *= extent;
    }
  }
  return span;
}

void evaluate_softmax(const OperatorCall& call, const InputTensors& in,
                      std::vector<DoubleTensor>& out) {
  const bool logarithm = call.node().op == "LogSoftmax";
  const AxisSpan span = softmax_span(call);
  for (std::int64_t o = 0; o < span.outer; ++o) {
    for (std::int64_t i = 0; i < span.inner; ++i) {
      const auto at = [&](std::int64_t k) {
        return static_cast<std::size_t>((o * span.extent + k) * span.inner + i);
      };
      double largest = -infinity;
      for (std::int64_t k = 0; k < span.extent; ++k) {
        largest = std::max(largest, in[0]->values[at(k)]);
      }
      double sum = 0;
      for (std::int64_t k = 0; k < span.extent; ++k)
        sum += std::exp(in[0]->values[at(k)] - largest);
      for (std::int64_t k = 0; k < span.extent; ++k) {
        const double shifted = in[0]->values[at(k)] - largest;
        out[0].values[at(k)] = logarithm ? shifted - std::log(sum) : std::exp(shifted) / sum;
      }
    }
  }
}

std::vector<ValueInfo> infer_layer_norm(const OperatorCall& call) {
  call.require_reals();
  const std::int64_t axis = call.axis(call.integer("axis", -1), call.rank(0));
  const Shape& input = call.shape(0);
  const std::int64_t extent = element_count(Shape(input.begin() + axis, input.end()));
  for (std::size_t i = 1; i < 3; ++i) {
    if (!call.has_input(i) || element_count(call.shape(i)) == extent) continue;
    call.fail(fmt::format("{} of shape {} for {} normalised elements", i == 1 ? "scale" : "bias",
                          to_string(call.shape(i)), extent),
              "Export the model again");
  }
  Shape statistics = input;
  std::fill(statistics.begin() + axis, statistics.end(), 1);
  return {{call.type(0), call.shape(0)},
          {ElementType::real, statistics},
          {ElementType::real, statistics}};
}

void evaluate_layer_norm(const OperatorCall& call, const InputTensors& in,
                         std::vector<DoubleTensor>& out) {
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", -1), call.rank(0)));
  const double epsilon = call.real("epsilon", 1e-5);
  std::size_t extent = 1;
  for (std::size_t i = axis; i < in[0]->shape.size(); ++i) {
    extent *= static_cast<std::size_t>(in[0]->shape[i]);
  }
  const std::size_t rows = extent == 0 ? 0 : in[0]->values.size() / extent;
  for (std::size_t row = 0; row < rows; ++row) {
    const double* x = in[0]->values.data() + row * extent;
    double mean = 0;
    for (std::size_t i = 0; i < extent; ++i) mean += x[i];
    mean /= static_cast<double>(extent);
    double variance = 0;
    for (std::size_t i = 0; i < extent; ++i) variance += (x[i] - mean) * (x[i] - mean);
    variance /= static_cast<double>(extent);
    const double inverse = 1 / std::sqrt(variance + epsilon);
    for (std::size_t i = 0; i < extent; ++i) {
      out[0].values[row * extent + i] =
          (x[i] - mean) * inverse * in[1]->values[i] + (call.has_input(2) ? in[2]->values[i] : 0.0);
    }
    if (out.size() > 1) out[1].values[row] = mean;
    if (out.size() > 2) out[2].values[row] = inverse;
  }
}

std::vector<ValueInfo> infer_batch_norm(const OperatorCall& call) {
  call.require_reals();
  if (call.rank(0) < 2) call.fail("an input of fewer than 2 axes", "Export the model again");
  for (std::size_t i = 1; i < 5; ++i) {
    if (element_count(call.shape(i)) != call.shape(0)[1]) {
      call.fail(fmt::format("input {} of shape {} for {} channels", i, to_string(call.shape(i)),
                            call.shape(0)[1]),
                "Export the model again");
    }
  }
  if (call.integer("training_mode", 0) != 0) {
    call.fail("training mode", "Export the model for inference (model.eval())");
  }
  return {{call.type(0), call.shape(0)}};
}

void evaluate_batch_norm(const OperatorCall& call, const InputTensors& in,
                         std::vector<DoubleTensor>& out) {
  const double epsilon = call.real("epsilon", 1e-5);
  const auto channels = static_cast<std::size_t>(in[0]->shape[1]);
  std::size_t inner = 1;
  for (std::size_t i = 2; i < in[0]->shape.size(); ++i) {
    inner *= static_cast<std::size_t>(in[0]->shape[i]);
  }
  for (std::size_t i = 0; i < out[0].values.size(); ++i) {
    const std::size_t c = i / inner % channels;
    out[0].values[i] = (in[0]->values[i] - in[3]->values[c]) /
                           std::sqrt(in[4]->values[c] + epsilon) * in[1]->values[c] +
                       in[2]->values[c];
  }
}

const std::array operators{
    ATTOJOULE_REDUCE("ReduceMean", 0.0, a + x, a / n),
    ATTOJOULE_REDUCE("ReduceSum", 0.0, a + x, a),
    ATTOJOULE_REDUCE("ReduceSumSquare", 0.0, a + x * x, a),
    ATTOJOULE_REDUCE("ReduceLogSum", 0.0, a + x, std::log(a)),
    ATTOJOULE_REDUCE("ReduceLogSumExp", -infinity, add_in_logarithms(a, x), a),
    ATTOJOULE_REDUCE("ReduceMax", -infinity, std::max(a, x), a),
    ATTOJOULE_REDUCE("ReduceMin", infinity, std::min(a, x), a),
    ATTOJOULE_REDUCE("ReduceProd", 1.0, a* x, a),
    ATTOJOULE_REDUCE("ReduceL1", 0.0, a + std::abs(x), a),
    ATTOJOULE_REDUCE("ReduceL2", 0.0, a + x * x, std::sqrt(a)),
    Operator{"MaxPool", 1, 1, infer_pool, evaluate_pool},
    Operator{"AveragePool", 1, 1, infer_pool, evaluate_pool},
    Operator{"GlobalAveragePool", 1, 1, infer_global_pool, evaluate_global_pool},
    Operator{"GlobalMaxPool", 1, 1, infer_global_pool, evaluate_global_pool},
    Operator{"Softmax", 1, 1, infer_same, evaluate_softmax},
    Operator{"LogSoftmax", 1, 1, infer_same, evaluate_softmax},
    Operator{"LayerNormalization", 2, 3, infer_layer_norm, evaluate_layer_norm},
    Operator{"BatchNormalization", 5, 5, infer_batch_norm, evaluate_batch_norm},
};

#undef ATTOJOULE_REDUCE

}  // namespace

std::span<const Operator> reduction_operators() {
  return operators;
}

}  // namespace attojoule::network
