// Operators that are matrix products: what runs on optical tiles.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

std::vector<std::int64_t> conv_kernel(const OperatorCall& call) {
  const Shape& weights = call.shape(1);
  if (weights.size() < 3) {
    call.fail(fmt::format("weights of shape {}", to_string(weights)), "Export the model again");
  }
  return {weights.begin() + 2, weights.end()};
}

std::vector<ValueInfo> infer_conv(const OperatorCall& call) {
  call.require_reals();
  const Shape& weights = call.shape(1);
  const VolumeGeometry geometry = volume_geometry(call, conv_kernel(call));
  const std::int64_t groups = call.integer("group", 1);
  if (groups < 1 || weights[0] % groups != 0 || weights[1] < 1 ||
      geometry.plane.channels != weights[1] * groups) {
    call.fail(fmt::format("{} input channels, {} groups and weights of shape {} do not fit",
                          geometry.plane.channels, groups, to_string(weights)),
              "Check the input's shape against the model");
  }
  if (call.has_input(2) && element_count(call.shape(2)) != weights[0]) {
    call.fail(fmt::format("{} biases for {} outputs", element_count(call.shape(2)), weights[0]),
              "The file is inconsistent; export it again");
  }
  return {{ElementType::real, geometry.output_shape(call, weights[0])}};
}

void evaluate_conv(const OperatorCall& call, const InputTensors& in,
                   std::vector<DoubleTensor>& out) {
  const auto kernel = conv_kernel(call);
  const VolumeGeometry volume = volume_geometry(call, kernel);
  const WindowGeometry& g = volume.plane;
  const WindowGeometry& deep = volume.depth;
  const std::int64_t planes = deep.input[1];
  const Shape& weights = in[1]->shape;
  const std::int64_t batch = in[0]->shape[0];
  const std::int64_t outputs = weights[0];
  const std::int64_t depth = weights[1];
  const std::int64_t per_group = outputs / call.integer("group", 1);
  std::size_t flat = 0;
  for (std::int64_t n = 0; n < batch; ++n) {
    for (std::int64_t o = 0; o < outputs; ++o) {
      const std::int64_t first = o / per_group * depth;
      const double bias = call.has_input(2) ? in[2]->values[static_cast<std::size_t>(o)] : 0.0;
      for (std::int64_t oz = 0; oz < deep.output[1]; ++oz) {
        for (std::int64_t oy = 0; oy < g.output[0]; ++oy) {
          for (std::int64_t ox = 0; ox < g.output[1]; ++ox) {
            double sum = bias;
            for (std::int64_t c = 0; c < depth * deep.kernel[1]; ++c) {
              const std::int64_t kz = c % deep.kernel[1];
              const std::int64_t z =
                  oz * deep.stride[1] + kz * deep.dilation[1] - deep.pad_begin[1];
              if (z < 0 || z >= planes) continue;
              const std::int64_t plane = (n * g.channels + first + c / deep.kernel[1]) * planes + z;
              for (std::int64_t ky = 0; ky < g.kernel[0]; ++ky) {
                for (std::int64_t kx = 0; kx < g.kernel[1]; ++kx) {
                  const std::int64_t y = oy * g.stride[0] + ky * g.dilation[0] - g.pad_begin[0];
                  const std::int64_t x = ox * g.stride[1] + kx * g.dilation[1] - g.pad_begin[1];
                  if (y < 0 || y >= g.input[0] || x < 0 || x >= g.input[1]) continue;
                  const auto source =
                      static_cast<std::size_t>((plane * g.input[0] + y) * g.input[1] + x);
                  const auto weight = static_cast<std::size_t>(
                      ((o * depth * deep.kernel[1] + c) * g.kernel[0] + ky) * g.kernel[1] + kx);
                  sum += in[0]->values[source] * in[1]->values[weight];
                }
              }
            }
            out[0].values[flat++] = sum;
          }
        }
      }
    }
  }
}

std::vector<ValueInfo> infer_conv_transpose(const OperatorCall& call) {
  call.require_reals();
  const WindowGeometry geometry = transposed_geometry(call);
  const Shape& weights = call.shape(1);
  const std::int64_t groups = call.integer("group", 1);
  const std::int64_t channels = weights[1] * groups;
  if (call.has_input(2) && element_count(call.shape(2)) != channels) {
    call.fail(fmt::format("{} biases for {} outputs", element_count(call.shape(2)), channels),
              "The file is inconsistent; export it again");
  }
  Shape shape{call.shape(0)[0], channels};
  if (call.rank(0) == 4) shape.push_back(geometry.output[0]);
  shape.push_back(geometry.output[1]);
  return {{ElementType::real, shape}};
}

void evaluate_conv_transpose(const OperatorCall& call, const InputTensors& in,
                             std::vector<DoubleTensor>& out) {
  const WindowGeometry g = transposed_geometry(call);
  const std::int64_t groups = call.integer("group", 1);
  const std::int64_t batch = in[0]->shape[0];
  const std::int64_t depth = g.channels / groups;
  const std::int64_t per_group = in[1]->shape[1];
  const std::int64_t outputs = per_group * groups;
  for (std::size_t i = 0; i < out[0].values.size(); ++i) {
    const auto channel = static_cast<std::int64_t>(i) / g.positions() % outputs;
    out[0].values[i] = call.has_input(2) ? in[2]->values[static_cast<std::size_t>(channel)] : 0.0;
  }
  // Every input pixel is spread over the outputs that it reaches.
  for (std::int64_t n = 0; n < batch; ++n) {
    for (std::int64_t c = 0; c < g.channels; ++c) {
      for (std::int64_t iy = 0; iy < g.input[0]; ++iy) {
        for (std::int64_t ix = 0; ix < g.input[1]; ++ix) {
          const double x = in[0]->values[static_cast<std::size_t>(
              ((n * g.channels + c) * g.input[0] + iy) * g.input[1] + ix)];
          for (std::int64_t m = 0; m < per_group; ++m) {
            for (std::int64_t ky = 0; ky < g.kernel[0]; ++ky) {
              const std::int64_t oy = iy * g.stride[0] + ky * g.dilation[0] - g.pad_begin[0];
              if (oy < 0 || oy >= g.output[0]) continue;
              for (std::int64_t kx = 0; kx < g.kernel[1]; ++kx) {
                const std::int64_t ox = ix * g.stride[1] + kx * g.dilation[1] - g.pad_begin[1];
                if (ox < 0 || ox >= g.output[1]) continue;
                const std::int64_t o = c / depth * per_group + m;
                const auto target = static_cast<std::size_t>(
                    ((n * outputs + o) * g.output[0] + oy) * g.output[1] + ox);
                const auto weight = static_cast<std::size_t>(
                    ((c * per_group + m) * g.kernel[0] + ky) * g.kernel[1] + kx);
                out[0].values[target] += x * in[1]->values[weight];
              }
            }
          }
        }
      }
    }
  }
}

struct GemmShape {
  std::int64_t rows, columns, depth;
  bool transpose_a, transpose_b;
};

GemmShape gemm_shape(const OperatorCall& call) {
  const Shape& a = call.shape(0);
  const Shape& b = call.shape(1);
  if (a.size() != 2 || b.size() != 2) {
    call.fail(fmt::format("operands of shape {} and {}", to_string(a), to_string(b)),
              "Gemm takes matrices; check the input's shape against the model");
  }
  GemmShape shape{};
  shape.transpose_a = call.integer("transA", 0) != 0;
  shape.transpose_b = call.integer("transB", 0) != 0;
  shape.rows = a[shape.transpose_a ? 1 : 0];
  shape.depth = a[shape.transpose_a ? 0 : 1];
  shape.columns = b[shape.transpose_b ? 0 : 1];
  if (b[shape.transpose_b ? 1 : 0] != shape.depth) {
    call.fail(fmt::format("operands of shape {} and {} do not fit", to_string(a), to_string(b)),
              "Check the input's shape against the model");
  }
  return shape;
}

std::vector<ValueInfo> infer_gemm(const OperatorCall& call) {
  call.require_reals();
  const GemmShape shape = gemm_shape(call);
  const Shape result{shape.rows, shape.columns};
  if (call.has_input(2) && broadcast_shape(call, result, call.shape(2)) != result) {
    call.fail(fmt::format("bias of shape {} for a result of {}", to_string(call.shape(2)),
                          to_string(result)),
              "The file is inconsistent; export it again");
  }
  return {{ElementType::real, result}};
}

void evaluate_gemm(const OperatorCall& call, const InputTensors& in,
                   std::vector<DoubleTensor>& out) {
  const GemmShape g = gemm_shape(call);
  const double alpha = call.real("alpha", 1);
  const double beta = call.real("beta", 1);
  Shape bias_shape{1, 1};
  if (call.has_input(2)) {
    const Shape& given = in[2]->shape;
    for (std::size_t i = 0; i < given.size(); ++i) bias_shape[2 - given.size() + i] = given[i];
  }
  for (std::int64_t i = 0; i < g.rows; ++i) {
    for (std::int64_t j = 0; j < g.columns; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < g.depth; ++k) {
        const std::int64_t a = g.transpose_a ? k * g.rows + i : i * g.depth + k;
        const std::int64_t b = g.transpose_b ? j * g.depth + k : k * g.columns + j;
        sum +=
            in[0]->values[static_cast<std::size_t>(a)] * in[1]->values[static_cast<std::size_t>(b)];
      }
      sum *= alpha;
      if (call.has_input(2)) {
        const std::int64_t row = bias_shape[0] == 1 ? 0 : i;
        const std::int64_t column = bias_shape[1] == 1 ? 0 : j;
        sum += beta * in[2]->values[static_cast<std::size_t>(row * bias_shape[1] + column)];
      }
      out[0].values[static_cast<std::size_t>(i * g.columns + j)] = sum;
    }
  }
}

std::vector<ValueInfo> infer_matmul(const OperatorCall& call) {
  call.require_reals();
  Shape a = call.shape(0);
  Shape b = call.shape(1);
  if (a.empty() || b.empty()) call.fail("a scalar operand", "Export the model again");
  const bool row = a.size() == 1;
  const bool column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  if (a.back() != b[b.size() - 2]) {
    call.fail(fmt::format("operands of shape {} and {} do not fit", to_string(call.shape(0)),
                          to_string(call.shape(1))),
              "Check the input's shape against the model");
  }
  Shape shape = broadcast_shape(call, Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  if (!row) shape.push_back(a[a.size() - 2]);
  if (!column) shape.push_back(b.back());
  return {{ElementType::real, shape}};
}

void evaluate_matmul(const OperatorCall& call, const InputTensors& in,
                     std::vector<DoubleTensor>& out) {
  Shape a = in[0]->shape;
  Shape b = in[1]->shape;
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  const std::int64_t rows = a[a.size() - 2];
  const std::int64_t depth = a.back();
  const std::int64_t columns = b.back();
  const Shape a_outer(a.begin(), a.end() - 2);
  const Shape b_outer(b.begin(), b.end() - 2);
  const Shape outer = broadcast_shape(call, a_outer, b_outer);
  const auto matrix_of = [&](const Shape& own, std::int64_t flat) {
    std::int64_t position = 0;
    std::int64_t stride = 1;
    for (std::size_t i = 0; i < outer.size(); ++i) {
      const std::size_t axis = outer.size() - 1 - i;
      const std::int64_t index = flat % outer[axis];
      flat /= outer[axis];
      if (i < own.size()) {
        const std::int64_t extent = own[own.size() - 1 - i];
        if (extent != 1) position += index * stride;
        stride *= extent;
      }
    }
    return position;
  };
  const std::int64_t count = element_count(outer);
  std::size_t flat = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    const double* left = in[0]->values.data() + matrix_of(a_outer, n) * rows * depth;
    const double* right = in[1]->values.data() + matrix_of(b_outer, n) * depth * columns;
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        double sum = 0;
        for (std::int64_t k = 0; k < depth; ++k)
          sum += left[i * depth + k] * right[k * columns + j];
        out[0].values[flat++] = sum;
      }
    }
  }
}

const std::array operators{
    Operator{"Conv", 2, 3, infer_conv, evaluate_conv},
    Operator{"ConvTranspose", 2, 3, infer_conv_transpose, evaluate_conv_transpose},
    Operator{"Gemm", 2, 3, infer_gemm, evaluate_gemm},
    Operator{"MatMul", 2, 2, infer_matmul, evaluate_matmul},
};

}  // namespace

WindowGeometry transposed_geometry(const OperatorCall& call) {
  const Shape& input = call.shape(0);
  const Shape& weights = call.shape(1);
  const std::size_t axes = input.size() < 2 ? 0 : input.size() - 2;
  if (axes < 1 || axes > 2 || weights.size() != input.size()) {
    call.fail(fmt::format("an input of shape {} and weights of {} (one- and two-dimensional "
                          "windows are supported)",
                          to_string(input), to_string(weights)),
              "Rewrite the model");
  }
  const std::int64_t groups = call.integer("group", 1);
  if (groups < 1 || input[1] % groups != 0 || weights[0] != input[1] || weights[1] < 1) {
    call.fail(fmt::format("{} input channels, {} groups and weights of shape {} do not fit",
                          input[1], groups, to_string(weights)),
              "Check the input's shape against the model");
  }
  const auto strides = call.integers("strides", std::vector<std::int64_t>(axes, 1));
  const auto dilations = call.integers("dilations", std::vector<std::int64_t>(axes, 1));
  const auto pads = call.integers("pads", std::vector<std::int64_t>(2 * axes, 0));
  const auto extra = call.integers("output_padding", std::vector<std::int64_t>(axes, 0));
  const auto wanted = call.integers("output_shape", {});
  const std::string auto_pad = call.text("auto_pad", "NOTSET");
  if (strides.size() != axes || dilations.size() != axes || pads.size() != 2 * axes ||
      extra.size() != axes || (!wanted.empty() && wanted.size() < axes)) {
    call.fail("strides, dilations, pads or output shape do not match the kernel's axes",
              "The file is inconsistent; export it again");
  }
  if (auto_pad != "NOTSET" && auto_pad != "VALID" && auto_pad != "SAME_UPPER" &&
      auto_pad != "SAME_LOWER") {
    call.fail(fmt::format("auto_pad '{}' is unknown", auto_pad), "Export the model again");
  }
  WindowGeometry geometry;
  geometry.channels = input[1];
  for (std::size_t i = 0; i < axes; ++i) {
    const std::size_t axis = i + 2 - axes;
    constexpr std::int64_t largest = 1 << 12;
    const std::int64_t kernel = weights[2 + i];
    for (const std::int64_t value : {kernel, strides[i], dilations[i]}) {
      if (value >= 1 && value <= largest) continue;
      call.fail(fmt::format("kernel {}, stride {}, dilation {} (each must be 1 to {})", kernel,
                            strides[i], dilations[i], largest),
                "Export the model again");
    }
    if (extra[i] < 0 || extra[i] > largest || pads[i] < 0 || pads[axes + i] < 0 ||
        std::max(pads[i], pads[axes + i]) > largest || input[2 + i] < 1 ||
        input[2 + i] > (std::int64_t{1} << 20)) {
      call.fail(fmt::format("padding {} and {}, output padding {}, axis of {}", pads[i],
                            pads[axes + i], extra[i], input[2 + i]),
                "Export the model again");
    }
    const std::int64_t whole =
        strides[i] * (input[2 + i] - 1) + extra[i] + (kernel - 1) * dilations[i] + 1;
    std::int64_t begin = pads[i];
    std::int64_t end = pads[axes + i];
    std::int64_t out = whole - begin - end;
    const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
    if (!wanted.empty() || same) {
      out = wanted.empty() ? input[2 + i] * strides[i] : wanted[wanted.size() - axes + i];
      const std::int64_t total = std::max<std::int64_t>(0, whole - out);
      begin = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      end = total - begin;
    } else if (auto_pad == "VALID") {
      begin = end = 0;
      out = whole;
    }
    if (out < 1 || out > whole + largest) {
      call.fail(fmt::format("an output axis of {} from an input of {}", out, input[2 + i]),
                "Check the input's shape against the model");
    }
    geometry.input[axis] = input[2 + i];
    geometry.kernel[axis] = kernel;
    geometry.stride[axis] = strides[i];
    geometry.dilation[axis] = dilations[i];
    geometry.pad_begin[axis] = begin;
    geometry.pad_end[axis] = end;
    geometry.output[axis] = out;
  }
  return geometry;
}

std::span<const Operator> product_operators() {
  return operators;
}

}  // namespace attojoule::network
