#include "network/plain_adjoint.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numbers>
#include <set>

namespace attojoule::network {
namespace {

struct Adjoint {
  const Graph& graph;
  const OperatorCall call;
  const InputTensors& in;
  const std::vector<DoubleTensor>& out;
  const std::vector<std::vector<double>>& dout;
  std::vector<std::vector<double>>& din;

  const std::vector<double>& x() const { return in[0]->values; }
  const std::vector<double>& y() const { return out[0].values; }
  const std::vector<double>& dy() const { return dout[0]; }
  std::vector<double>& dx() const { return din[0]; }
  bool wants(std::size_t i) const { return i < din.size() && !din[i].empty(); }
};

using Rule = std::function<void(const Adjoint&)>;

// dy/dx from x and y.
Rule unary(double (*slope)(const OperatorCall& call, double x, double y)) {
  return [slope](const Adjoint& a) {
    for (std::size_t i = 0; i < a.x().size(); ++i) {
      a.dx()[i] += a.dy()[i] * slope(a.call, a.x()[i], a.y()[i]);
    }
  };
}

// Calls body(output element, element of the input that is broadcast to it).
template <class Body>
void for_each_broadcast(const Shape& input, const Shape& output, Body body) {
  const Shape own = row_major_strides(input);
  Shape strides(output.size(), 0);
  for (std::size_t i = 0; i < input.size(); ++i) {
    strides[output.size() - input.size() + i] = input[i] == 1 ? 0 : own[i];
  }
  const auto count = static_cast<std::size_t>(element_count(output));
  Shape index(output.size(), 0);
  std::int64_t position = 0;
  for (std::size_t i = 0; i < count; ++i) {
    body(i, static_cast<std::size_t>(position));
    for (std::size_t axis = output.size(); axis-- > 0;) {
      position += strides[axis];
      if (++index[axis] < output[axis]) break;
      position -= strides[axis] * output[axis];
      index[axis] = 0;
    }
  }
}

// The value of every input at every output element.
std::vector<std::vector<double>> broadcast_inputs(const Adjoint& a) {
  std::vector<std::vector<double>> wide(a.in.size());
  for (std::size_t k = 0; k < a.in.size(); ++k) {
    wide[k].resize(a.out[0].values.size());
    for_each_broadcast(a.in[k]->shape, a.out[0].shape, [&](std::size_t i, std::size_t from) {
      wide[k][i] = a.in[k]->values[from];
    });
  }
  return wide;
}

// slope(k, values of the inputs at an output element) = d out / d input k.
Rule broadcast(double (*slope)(std::size_t k, const std::vector<double>& values)) {
  return [slope](const Adjoint& a) {
    const auto wide = broadcast_inputs(a);
    std::vector<double> values(a.in.size());
    for (std::size_t k = 0; k < a.in.size(); ++k) {
      if (!a.wants(k)) continue;
      for_each_broadcast(a.in[k]->shape, a.out[0].shape, [&](std::size_t i, std::size_t to) {
        for (std::size_t j = 0; j < values.size(); ++j) values[j] = wide[j][i];
        a.din[k][to] += a.dy()[i] * slope(k, values);
      });
    }
  };
}

// Of equal inputs the first one counts.
double extremum_slope(std::size_t k, const std::vector<double>& values, bool maximum) {
  const auto best = maximum ? std::max_element(values.begin(), values.end())
                            : std::min_element(values.begin(), values.end());
  return static_cast<std::size_t>(best - values.begin()) == k ? 1.0 : 0.0;
}

// Operators that move elements: what an output holds is found by moving the elements' numbers.
void move(const Adjoint& a) {
  if (a.call.text("reduction", "none") != "none") {
    a.call.fail("the derivative of a scatter that combines elements", "Export without reduction");
  }
  constexpr double base = 1099511627776.0;  // 2^40: above any fill value that means something
  for (std::size_t k = 0; k < a.in.size(); ++k) {
    if (!a.wants(k)) continue;
    std::vector<DoubleTensor> held(a.in.size());
    InputTensors inputs = a.in;
    for (std::size_t j = 0; j < a.in.size(); ++j) {
      if (a.in[j] == nullptr || a.in[j]->type != ElementType::real) continue;
      held[j] = *a.in[j];
      for (std::size_t i = 0; i < held[j].values.size(); ++i) {
        held[j].values[i] = j == k ? base + static_cast<double>(i) : 0.0;
      }
      inputs[j] = &held[j];
    }
    const auto moved = evaluate(a.graph, a.call.node(), inputs);
    for (std::size_t o = 0; o < a.out.size(); ++o) {
      if (a.dout[o].empty()) continue;
      for (std::size_t i = 0; i < moved[o].values.size(); ++i) {
        const double from = moved[o].values[i] - base;
        if (from >= 0) a.din[k][static_cast<std::size_t>(from)] += a.dout[o][i];
      }
    }
  }
}

void where(const Adjoint& a) {
  std::vector<bool> condition(a.out[0].values.size());
  for_each_broadcast(a.in[0]->shape, a.out[0].shape, [&](std::size_t i, std::size_t from) {
    condition[i] = a.in[0]->values[from] != 0;
  });
  for (const std::size_t k : {std::size_t{1}, std::size_t{2}}) {
    if (!a.wants(k)) continue;
    for_each_broadcast(a.in[k]->shape, a.out[0].shape, [&](std::size_t i, std::size_t to) {
      if (condition[i] == (k == 1)) a.din[k][to] += a.dy()[i];
    });
  }
}

// ---- reductions ----

// Calls body(input element, output element that it is reduced to).
template <class Body>
void for_each_reduced(const Adjoint& a, Body body) {
  const Shape& shape = a.in[0]->shape;
  const auto axes = a.call.has_input(1) ? a.call.constant_integers(1) : a.call.integers("axes", {});
  std::vector<bool> reduced(shape.size(), false);
  if (axes.empty() && a.call.integer("noop_with_empty_axes", 0) == 0) {
    reduced.assign(shape.size(), true);
  }
  for (const auto axis : axes) {
    reduced[static_cast<std::size_t>(a.call.axis(axis, a.call.rank(0)))] = true;
  }
  Shape kept = shape;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (reduced[i]) kept[i] = 1;
  }
  for_each_broadcast(kept, shape, body);
}

// d out / dx from x, out and the number of elements that are reduced to one.
Rule reduction(double (*slope)(double x, double out, double count)) {
  return [slope](const Adjoint& a) {
    const double count = static_cast<double>(a.x().size()) /
                         static_cast<double>(std::max<std::size_t>(a.y().size(), 1));
    for_each_reduced(a, [&](std::size_t i, std::size_t o) {
      a.dx()[i] += a.dy()[o] * slope(a.x()[i], a.y()[o], count);
    });
  };
}

// The first element that equals the extremum takes the gradient.
void extremum(const Adjoint& a) {
  std::vector<bool> taken(a.y().size(), false);
  for_each_reduced(a, [&](std::size_t i, std::size_t o) {
    if (taken[o] || a.x()[i] != a.y()[o]) return;
    taken[o] = true;
    a.dx()[i] += a.dy()[o];
  });
}

void product_of_all(const Adjoint& a) {
  // Without dividing by elements that may be 0: the product of the others.
  std::vector<double> zeros(a.y().size(), 0);
  std::vector<double> rest(a.y().size(), 1);
  for_each_reduced(a, [&](std::size_t i, std::size_t o) {
    a.x()[i] == 0 ? zeros[o] += 1 : rest[o] *= a.x()[i];
  });
  for_each_reduced(a, [&](std::size_t i, std::size_t o) {
    const double others =
        zeros[o] == 0 ? rest[o] / a.x()[i] : (zeros[o] == 1 && a.x()[i] == 0 ? rest[o] : 0.0);
    a.dx()[i] += a.dy()[o] * others;
  });
}

// ---- windows ----

void pool(const Adjoint& a) {
  const auto kernel = a.call.integers("kernel_shape", {});
  const WindowGeometry g = window_geometry(a.call, kernel);
  const bool maximum = a.call.node().op == "MaxPool";
  const bool count_padding = a.call.integer("count_include_pad", 0) != 0;
  const std::int64_t planes = a.in[0]->shape[0] * g.channels;
  const std::int64_t size = g.input[0] * g.input[1];
  // Positions of the window at output o whose place is in [0, end).
  const auto taps = [&](std::size_t axis, std::int64_t o, std::int64_t begin, std::int64_t end) {
    std::int64_t count = 0;
    for (std::int64_t k = 0; k < g.kernel[axis]; ++k) {
      const std::int64_t at = o * g.stride[axis] + k * g.dilation[axis] - g.pad_begin[axis];
      count += at >= begin && at < end ? 1 : 0;
    }
    return static_cast<double>(count);
  };
  std::size_t flat = 0;
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    for (std::int64_t oy = 0; oy < g.output[0]; ++oy) {
      for (std::int64_t ox = 0; ox < g.output[1]; ++ox, ++flat) {
        const double gradient = a.dy()[flat];
        double share = gradient;
        if (!maximum) {
          const double inside = taps(0, oy, 0, g.input[0]) * taps(1, ox, 0, g.input[1]);
          const double padded = taps(0, oy, -g.pad_begin[0], g.input[0] + g.pad_end[0]) *
                                taps(1, ox, -g.pad_begin[1], g.input[1] + g.pad_end[1]);
          share = gradient / (count_padding ? padded : inside);
        }
        bool taken = false;
        for (std::int64_t ky = 0; ky < g.kernel[0] && !taken; ++ky) {
          const std::int64_t y = oy * g.stride[0] + ky * g.dilation[0] - g.pad_begin[0];
          if (y < 0 || y >= g.input[0]) continue;
          for (std::int64_t kx = 0; kx < g.kernel[1] && !taken; ++kx) {
            const std::int64_t x = ox * g.stride[1] + kx * g.dilation[1] - g.pad_begin[1];
            if (x < 0 || x >= g.input[1]) continue;
            const auto at = static_cast<std::size_t>(plane * size + y * g.input[1] + x);
            if (maximum && a.x()[at] != a.y()[flat]) continue;
            a.dx()[at] += share;
            taken = maximum;
          }
        }
      }
    }
  }
}

void global_pool(const Adjoint& a) {
  const bool maximum = a.call.node().op == "GlobalMaxPool";
  const std::size_t count = a.x().size() / std::max<std::size_t>(a.y().size(), 1);
  for (std::size_t plane = 0; plane < a.y().size(); ++plane) {
    for (std::size_t i = plane * count; i < (plane + 1) * count; ++i) {
      if (!maximum) {
        a.dx()[i] += a.dy()[plane] / static_cast<double>(count);
      } else if (a.x()[i] == a.y()[plane]) {
        a.dx()[i] += a.dy()[plane];
        break;
      }
    }
  }
}

// ---- normalisations ----

void softmax(const Adjoint& a) {
  const bool logarithm = a.call.node().op == "LogSoftmax";
  const bool one_axis = a.call.opset() >= 13;
  const auto axis = static_cast<std::size_t>(
      a.call.axis(a.call.integer("axis", one_axis ? -1 : 1), a.call.rank(0)));
  const Shape& shape = a.in[0]->shape;
  std::size_t outer = 1, extent = 1, inner = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    std::size_t& part = i < axis ? outer : (i == axis || !one_axis ? extent : inner);
    part *= static_cast<std::size_t>(shape[i]);
  }
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t i = 0; i < inner; ++i) {
      const auto at = [&](std::size_t k) { return (o * extent + k) * inner + i; };
      double sum = 0;
      for (std::size_t k = 0; k < extent; ++k) {
        sum += logarithm ? a.dy()[at(k)] : a.dy()[at(k)] * a.y()[at(k)];
      }
      for (std::size_t k = 0; k < extent; ++k) {
        const double gradient = a.dy()[at(k)];
        const double y = a.y()[at(k)];
        a.dx()[at(k)] += logarithm ? gradient - std::exp(y) * sum : y * (gradient - sum);
      }
    }
  }
}

void refuse_computed_parameters(const Adjoint& a) {
  for (std::size_t k = 1; k < a.din.size(); ++k) {
    if (!a.wants(k)) continue;
    a.call.fail("the derivative of a computed scale, shift or statistic",
                "Export it as a constant");
  }
}

// dx += d/dx of (x - mean) / sqrt(variance + epsilon), times dy, over one row.
void add_row_norm(const double* x, const double* dy, std::size_t extent, double epsilon,
                  double* dx) {
  const auto count = static_cast<double>(extent);
  double mean = 0;
  for (std::size_t i = 0; i < extent; ++i) mean += x[i];
  mean /= count;
  double variance = 0;
  for (std::size_t i = 0; i < extent; ++i) variance += (x[i] - mean) * (x[i] - mean);
  const double inverse = 1 / std::sqrt(variance / count + epsilon);
  double sum = 0;
  double sum_x = 0;
  for (std::size_t i = 0; i < extent; ++i) {
    sum += dy[i];
    sum_x += dy[i] * (x[i] - mean) * inverse;
  }
  for (std::size_t i = 0; i < extent; ++i) {
    dx[i] += inverse * (dy[i] - sum / count - (x[i] - mean) * inverse * sum_x / count);
  }
}

void layer_norm(const Adjoint& a) {
  refuse_computed_parameters(a);
  for (std::size_t o = 1; o < a.dout.size(); ++o) {
    if (!a.dout[o].empty()) {
      a.call.fail("the derivative of mean and deviation as outputs", "Export without them");
    }
  }
  const auto axis =
      static_cast<std::size_t>(a.call.axis(a.call.integer("axis", -1), a.call.rank(0)));
  std::size_t extent = 1;
  for (std::size_t i = axis; i < a.in[0]->shape.size(); ++i) {
    extent *= static_cast<std::size_t>(a.in[0]->shape[i]);
  }
  std::vector<double> scaled(extent);
  for (std::size_t row = 0; row + extent <= a.x().size() && extent > 0; row += extent) {
    for (std::size_t i = 0; i < extent; ++i) scaled[i] = a.dy()[row + i] * a.in[1]->values[i];
    add_row_norm(a.x().data() + row, scaled.data(), extent, a.call.real("epsilon", 1e-5),
                 a.dx().data() + row);
  }
}

// y = x / norm over one axis.
void lp_norm(const Adjoint& a) {
  const auto axis =
      static_cast<std::size_t>(a.call.axis(a.call.integer("axis", -1), a.call.rank(0)));
  const bool absolute = a.call.integer("p", 2) == 1;
  const Shape& shape = a.in[0]->shape;
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= static_cast<std::size_t>(shape[i]);
  const auto extent = static_cast<std::size_t>(shape[axis]);
  for (std::size_t row = 0; row * extent < a.x().size(); ++row) {
    const auto at = [&](std::size_t k) { return (row / inner * extent + k) * inner + row % inner; };
    double norm = 0;
    double along = 0;
    for (std::size_t k = 0; k < extent; ++k) {
      const double x = a.x()[at(k)];
      norm += absolute ? std::abs(x) : x * x;
      along += a.dy()[at(k)] * a.y()[at(k)];
    }
    if (!absolute) norm = std::sqrt(norm);
    if (norm == 0) continue;
    for (std::size_t k = 0; k < extent; ++k) {
      const double x = a.x()[at(k)];
      const double by_x = absolute ? (x > 0 ? 1.0 : (x < 0 ? -1.0 : 0.0)) : x / norm;
      a.dx()[at(k)] += (a.dy()[at(k)] - along * by_x) / norm;
    }
  }
}

void batch_norm(const Adjoint& a) {
  for (std::size_t k = 1; k < a.din.size(); ++k) {
    if (a.wants(k))
      a.call.fail("the derivative of computed statistics", "Export them as constants");
  }
  const double epsilon = a.call.real("epsilon", 1e-5);
  const auto channels = static_cast<std::size_t>(a.in[0]->shape[1]);
  std::size_t inner = 1;
  for (std::size_t i = 2; i < a.in[0]->shape.size(); ++i) {
    inner *= static_cast<std::size_t>(a.in[0]->shape[i]);
  }
  for (std::size_t i = 0; i < a.x().size(); ++i) {
    const std::size_t c = i / inner % channels;
    a.dx()[i] += a.dy()[i] * a.in[1]->values[c] / std::sqrt(a.in[4]->values[c] + epsilon);
  }
}

// Rows of elements to mean 0 and variance 1; one scale for each row's group, or each channel.
void group_norm(const Adjoint& a) {
  refuse_computed_parameters(a);
  const bool instance = a.call.node().op == "InstanceNormalization";
  const auto channels = static_cast<std::size_t>(a.in[0]->shape[1]);
  const std::size_t groups =
      instance ? channels : static_cast<std::size_t>(a.call.integer("num_groups", 1));
  const auto samples = static_cast<std::size_t>(a.in[0]->shape[0]);
  const std::size_t rows = samples * groups;
  const std::size_t extent = rows == 0 ? 0 : a.x().size() / rows;
  const std::vector<double>& scales = a.in[1]->values;
  const std::size_t per_scale = a.x().size() / std::max<std::size_t>(samples * scales.size(), 1);
  std::vector<double> scaled(extent);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < extent; ++i) {
      const std::size_t at = row * extent + i;
      scaled[i] = a.dy()[at] * scales[at / per_scale % scales.size()];
    }
    add_row_norm(a.x().data() + row * extent, scaled.data(), extent, a.call.real("epsilon", 1e-5),
                 a.dx().data() + row * extent);
  }
}

// y = x (b + k sum of x^2 over the channels around)^-beta
void local_response_norm(const Adjoint& a) {
  const std::int64_t size = a.call.integer("size", 1);
  const double factor = a.call.real("alpha", 1e-4) / static_cast<double>(size);
  const double beta = a.call.real("beta", 0.75);
  const double bias = a.call.real("bias", 1);
  const std::int64_t channels = a.in[0]->shape[1];
  std::int64_t pixels = 1;
  for (std::size_t i = 2; i < a.in[0]->shape.size(); ++i) pixels *= a.in[0]->shape[i];
  for (std::int64_t n = 0; n < a.in[0]->shape[0]; ++n) {
    for (std::int64_t i = 0; i < pixels; ++i) {
      const auto at = [&](std::int64_t c) {
        return static_cast<std::size_t>((n * channels + c) * pixels + i);
      };
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t first = std::max<std::int64_t>(0, c - (size - 1) / 2);
        const std::int64_t last = std::min(channels - 1, c + size / 2);
        double sum = bias;
        for (std::int64_t k = first; k <= last; ++k) {
          sum += factor * a.x()[at(k)] * a.x()[at(k)];
        }
        const double dy = a.dy()[at(c)];
        a.dx()[at(c)] += dy * std::pow(sum, -beta);
        const double by_sum = -beta * dy * a.x()[at(c)] * std::pow(sum, -beta - 1);
        for (std::int64_t k = first; k <= last; ++k) {
          a.dx()[at(k)] += by_sum * 2 * factor * a.x()[at(k)];
        }
      }
    }
  }
}

// ---- operators that are linear in their input ----

// The adjoint of a running sum is one from the other end.
void cumulative_sum(const Adjoint& a) {
  Node node = a.call.node();
  node.attributes["reverse"] = std::int64_t{1} - a.call.integer("reverse", 0);
  DoubleTensor gradient = *a.in[0];
  gradient.values = a.dy();
  InputTensors inputs = a.in;
  inputs[0] = &gradient;
  const auto result = evaluate(a.graph, node, inputs);
  for (std::size_t i = 0; i < a.dx().size(); ++i) a.dx()[i] += result[0].values[i];
}

// Axis by axis, what an output element is made of gets its gradient.
void resize(const Adjoint& a) {
  const auto axes = resize_axes(a.call);
  std::vector<double> gradient = a.dy();
  Shape shape = a.out[0].shape;
  for (const std::size_t axis : shrinking_first(shape, a.in[0]->shape)) {
    if (axes[axis].is_copy) continue;
    Shape narrow = shape;
    narrow[axis] = a.in[0]->shape[axis];
    std::vector<double> before(static_cast<std::size_t>(element_count(narrow)), 0.0);
    std::int64_t inner = 1;
    for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
    const std::int64_t outer =
        element_count(shape) / std::max<std::int64_t>(inner * shape[axis], 1);
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t k = 0; k < shape[axis]; ++k) {
        for (const ResizeTap& tap : axes[axis].taps[static_cast<std::size_t>(k)]) {
          for (std::int64_t i = 0; i < inner; ++i) {
            before[static_cast<std::size_t>((o * narrow[axis] + tap.index) * inner + i)] +=
                tap.weight * gradient[static_cast<std::size_t>((o * shape[axis] + k) * inner + i)];
          }
        }
      }
    }
    gradient = std::move(before);
    shape = narrow;
  }
  for (std::size_t i = 0; i < a.dx().size(); ++i) a.dx()[i] += gradient[i];
}

// The values that were chosen, at the places that the second output names.
void top_k(const Adjoint& a) {
  if (a.dout[0].empty()) return;
  const auto axis =
      static_cast<std::size_t>(a.call.axis(a.call.integer("axis", -1), a.call.rank(0)));
  const Shape& out = a.out[0].shape;
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < out.size(); ++i) inner *= static_cast<std::size_t>(out[i]);
  const auto kept = static_cast<std::size_t>(out[axis]);
  const auto extent = static_cast<std::size_t>(a.in[0]->shape[axis]);
  const auto chosen = evaluate(a.graph, a.call.node(), a.in);
  for (std::size_t i = 0; i < a.dy().size(); ++i) {
    const std::size_t row = i / inner / kept;
    const auto index = static_cast<std::size_t>(chosen[1].values[i]);
    a.dx()[(row * extent + index) * inner + i % inner] += a.dy()[i];
  }
}

// Straight through: a quantiser is taken for the identity inside its range, and for a constant
// outside. Scales (input 1) are constants.
void quantise(const Adjoint& a) {
  const bool back = a.call.node().op == "DequantizeLinear";
  if (a.wants(1)) a.call.fail("the derivative of a computed scale", "Export it as a constant");
  const Shape& shape = a.in[0]->shape;
  const auto& scales = a.in[1]->values;
  std::size_t inner = 1;
  if (scales.size() > 1) {
    const auto axis =
        static_cast<std::size_t>(a.call.axis(a.call.integer("axis", 1), a.call.rank(0)));
    for (std::size_t i = axis + 1; i < shape.size(); ++i) {
      inner *= static_cast<std::size_t>(shape[i]);
    }
  }
  const CodeRange range = back ? CodeRange{} : code_range(a.call.constant_tensor(2));
  for (std::size_t i = 0; i < a.dx().size(); ++i) {
    const double scale = scales[scales.size() == 1 ? 0 : i / inner % scales.size()];
    const bool inside = back || (a.y()[i] > static_cast<double>(range.lowest) &&
                                 a.y()[i] < static_cast<double>(range.highest));
    if (inside) a.dx()[i] += back ? a.dy()[i] * scale : a.dy()[i] / scale;
  }
}

// Functions of each element, by central differences of the definition in double precision: relative
// errors of about 1e-9.
void elementwise(const Adjoint& a) {
  DoubleTensor moved = *a.in[0];
  InputTensors inputs = a.in;
  inputs[0] = &moved;
  const auto step = [](double x) { return 1e-5 * std::max(1.0, std::abs(x)); };
  for (std::size_t i = 0; i < a.x().size(); ++i) moved.values[i] = a.x()[i] + step(a.x()[i]);
  const auto above = evaluate(a.graph, a.call.node(), inputs);
  for (std::size_t i = 0; i < a.x().size(); ++i) moved.values[i] = a.x()[i] - step(a.x()[i]);
  const auto below = evaluate(a.graph, a.call.node(), inputs);
  for (std::size_t i = 0; i < a.x().size(); ++i) {
    const double slope = (above[0].values[i] - below[0].values[i]) / (2 * step(a.x()[i]));
    a.dx()[i] += a.dy()[i] * slope;
  }
}

double logistic(double x) {
  return 1 / (1 + std::exp(-x));
}
double sign(double x) {
  return x > 0 ? 1.0 : (x < 0 ? -1.0 : 0.0);
}

void mean_of_inputs(const Adjoint& a) {
  for (std::size_t k = 0; k < a.in.size(); ++k) {
    if (!a.wants(k)) continue;
    for_each_broadcast(a.in[k]->shape, a.out[0].shape, [&](std::size_t i, std::size_t to) {
      a.din[k][to] += a.dy()[i] / static_cast<double>(a.in.size());
    });
  }
}

using Call = const OperatorCall&;
using Values = const std::vector<double>&;

// The bounds of Clip: attributes before opset 11, inputs after.
double clip_bound(Call call, std::size_t input, const char* attribute, double fallback) {
  return call.constant_real(input, call.real(attribute, fallback));
}

const std::map<std::string, Rule>& rules() {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  static const std::map<std::string, Rule> table{
      {"Abs", unary([](Call, double x, double) { return sign(x); })},
      {"Cos", unary([](Call, double x, double) { return -std::sin(x); })},
      {"Erf", unary([](Call, double x, double) {
         return 2 * std::numbers::inv_sqrtpi * std::exp(-x * x);
       })},
      {"Exp", unary([](Call, double, double y) { return y; })},
      {"Gelu", unary([](Call call, double x, double) {
         if (call.text("approximate", "none") == "tanh") {
           const double inner = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
           const double t = std::tanh(inner * (x + 0.044715 * x * x * x));
           return (1 + t) / 2 + x / 2 * (1 - t * t) * inner * (1 + 3 * 0.044715 * x * x);
         }
         const double density =
             std::exp(-x * x / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
         return (1 + std::erf(x / std::numbers::sqrt2)) / 2 + x * density;
       })},
      {"HardSwish",
       unary([](Call, double x, double) { return x <= -3 ? 0.0 : (x >= 3 ? 1.0 : x / 3 + 0.5); })},
      {"Log", unary([](Call, double x, double) { return 1 / x; })},
      {"Neg", unary([](Call, double, double) { return -1.0; })},
      {"Reciprocal", unary([](Call, double, double y) { return -y * y; })},
      {"Relu", unary([](Call, double x, double) { return x > 0 ? 1.0 : 0.0; })},
      {"Sigmoid", unary([](Call, double, double y) { return y * (1 - y); })},
      {"Sin", unary([](Call, double x, double) { return std::cos(x); })},
      {"Softplus", unary([](Call, double x, double) { return logistic(x); })},
      {"Softsign",
       unary([](Call, double x, double) { return 1 / ((1 + std::abs(x)) * (1 + std::abs(x))); })},
      {"Sqrt", unary([](Call, double, double y) { return 0.5 / y; })},
      {"Tanh", unary([](Call, double, double y) { return 1 - y * y; })},
      {"LeakyRelu",
       unary([](Call call, double x, double) { return x > 0 ? 1.0 : call.real("alpha", 0.01); })},
      {"Elu", unary([](Call call, double x, double y) {
         return x > 0 ? 1.0 : y + call.real("alpha", 1);
       })},
      {"Selu", unary([](Call call, double x, double y) {
         const double alpha = call.real("alpha", 1.67326319217681884765625);
         const double gamma = call.real("gamma", 1.05070102214813232421875);
         return x > 0 ? gamma : y + gamma * alpha;
       })},
      {"HardSigmoid", unary([](Call call, double, double y) {
         return y > 0 && y < 1 ? call.real("alpha", 0.2) : 0.0;
       })},
      {"Clip", unary([](Call call, double x, double) {
         const bool inside =
             x > clip_bound(call, 1, "min", -infinity) && x < clip_bound(call, 2, "max", infinity);
         return inside ? 1.0 : 0.0;
       })},
      {"Add", broadcast([](std::size_t, Values) { return 1.0; })},
      {"Sum", broadcast([](std::size_t, Values) { return 1.0; })},
      {"Sub", broadcast([](std::size_t k, Values) { return k == 0 ? 1.0 : -1.0; })},
      {"Mul", broadcast([](std::size_t k, Values v) { return v[1 - k]; })},
      {"Div", broadcast([](std::size_t k, Values v) {
         return k == 0 ? 1 / v[1] : -v[0] / (v[1] * v[1]);
       })},
      {"Pow", broadcast([](std::size_t k, Values v) {
         if (k == 0) return v[1] == 0 ? 0.0 : v[1] * std::pow(v[0], v[1] - 1);
         return v[0] > 0 ? std::pow(v[0], v[1]) * std::log(v[0]) : 0.0;
       })},
      {"PRelu", broadcast([](std::size_t k, Values v) {
         if (k == 0) return v[0] < 0 ? v[1] : 1.0;
         return v[0] < 0 ? v[0] : 0.0;
       })},
      {"Min", broadcast([](std::size_t k, Values v) { return extremum_slope(k, v, false); })},
      {"Max", broadcast([](std::size_t k, Values v) { return extremum_slope(k, v, true); })},
      {"Where", where},
      {"Cast", move},
      {"Concat", move},
      {"Dropout", move},
      {"Expand", move},
      {"Flatten", move},
      {"Gather", move},
      {"Identity", move},
      {"Pad", move},
      {"Reshape", move},
      {"Slice", move},
      {"Split", move},
      {"Squeeze", move},
      {"Tile", move},
      {"Transpose", move},
      {"Unsqueeze", move},
      {"ReduceMean", reduction([](double, double, double count) { return 1 / count; })},
      {"ReduceSum", reduction([](double, double, double) { return 1.0; })},
      {"ReduceSumSquare", reduction([](double x, double, double) { return 2 * x; })},
      {"ReduceL1", reduction([](double x, double, double) { return sign(x); })},
      {"ReduceL2",
       reduction([](double x, double out, double) { return out == 0 ? 0.0 : x / out; })},
      {"CumSum", cumulative_sum},
      {"DepthToSpace", move},
      {"DequantizeLinear", quantise},
      {"GatherElements", move},
      {"GatherND", move},
      {"GroupNormalization", group_norm},
      {"InstanceNormalization", group_norm},
      {"LRN", local_response_norm},
      {"LpNormalization", lp_norm},
      {"QuantizeLinear", quantise},
      {"Resize", resize},
      {"Scatter", move},
      {"ScatterElements", move},
      {"ScatterND", move},
      {"SpaceToDepth", move},
      {"TopK", top_k},
      {"Trilu", move},
      {"Upsample", resize},
      {"ReduceLogSum", reduction([](double, double out, double) { return std::exp(-out); })},
      {"ReduceLogSumExp",
       reduction([](double x, double out, double) { return std::exp(x - out); })},
      {"Mean", mean_of_inputs},
      {"Acos", elementwise},
      {"Acosh", elementwise},
      {"Asin", elementwise},
      {"Asinh", elementwise},
      {"Atan", elementwise},
      {"Atanh", elementwise},
      {"Celu", elementwise},
      {"Cosh", elementwise},
      {"Mish", elementwise},
      {"Shrink", elementwise},
      {"Sinh", elementwise},
      {"Tan", elementwise},
      {"ThresholdedRelu", elementwise},
      {"ReduceMax", extremum},
      {"ReduceMin", extremum},
      {"ReduceProd", product_of_all},
      {"MaxPool", pool},
      {"AveragePool", pool},
      {"GlobalAveragePool", global_pool},
      {"GlobalMaxPool", global_pool},
      {"Softmax", softmax},
      {"LogSoftmax", softmax},
      {"LayerNormalization", layer_norm},
      {"BatchNormalization", batch_norm},
  };
  return table;
}

}  // namespace

bool is_step_function(const Graph& graph, const Node& node) {
  static const std::set<std::string> steps{"Ceil", "Floor", "Round",
                                           "Sign", "Shape", "ConstantOfShape"};
  if (steps.contains(node.op)) return true;
  if (node.op == "QuantizeLinear") return false;  // straight through
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
    return id == no_value || graph.value(id).type != ElementType::real;
  });
}

bool carries_gradient(const Graph& graph, const Node& node, std::size_t input) {
  const ValueId id = node.inputs[input];
  if (id == no_value) return false;
  // Codes stand for the reals that they were made of.
  if (node.op == "DequantizeLinear" && input == 0) return true;
  return graph.value(id).type == ElementType::real;
}

bool has_plain_adjoint(const Node& node) {
  return rules().contains(node.op);
}

void add_plain_adjoint(const Graph& graph, const Node& node, const InputTensors& inputs,
                       const std::vector<DoubleTensor>& outputs,
                       const std::vector<std::vector<double>>& output_gradients,
                       std::vector<std::vector<double>>& input_gradients) {
  const auto found = rules().find(node.op);
  const OperatorCall call(graph, node);
  if (found == rules().end()) {
    call.fail("an operator without a derivative", "Keep noisy products behind it, or replace it");
  }
  found->second(Adjoint{graph, call, inputs, outputs, output_gradients, input_gradients});
}

}  // namespace attojoule::network
