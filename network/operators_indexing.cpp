// Operators that pick, place and count elements by index.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

// An index into an axis; negative ones count from its end.
std::int64_t checked_index(const OperatorCall& call, double wanted, std::int64_t extent) {
  const std::int64_t index = to_index(wanted);
  if (index < -extent || index >= extent) {
    call.fail(fmt::format("index {} of an axis of {}", index, extent),
              "Use the data set that the network was trained for");
  }
  return index < 0 ? index + extent : index;
}

// An array seen as [outer][extent][inner] around one axis.
struct AxisSpan {
  std::int64_t outer = 1;
  std::int64_t extent = 1;
  std::int64_t inner = 1;

  AxisSpan(const Shape& shape, std::int64_t axis) : extent(shape[static_cast<std::size_t>(axis)]) {
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (static_cast<std::int64_t>(i) < axis) outer *= shape[i];
      if (static_cast<std::int64_t>(i) > axis) inner *= shape[i];
    }
  }
  std::size_t at(std::int64_t o, std::int64_t k, std::int64_t i) const {
    return static_cast<std::size_t>((o * extent + k) * inner + i);
  }
};

std::vector<ValueInfo> infer_gather_elements(const OperatorCall& call) {
  const std::int64_t axis = call.axis(call.integer("axis", 0), call.rank(0));
  const Shape& data = call.shape(0);
  const Shape& indices = call.shape(1);
  bool fits = data.size() == indices.size();
  for (std::size_t i = 0; fits && i < data.size(); ++i) {
    fits = static_cast<std::int64_t>(i) == axis || indices[i] <= data[i];
  }
  if (!fits) {
    call.fail(
        fmt::format("indices of shape {} for data of {}", to_string(indices), to_string(data)),
        "The file is inconsistent; export it again");
  }
  return {{call.type(0), indices}};
}

void evaluate_gather_elements(const OperatorCall& call, const InputTensors& in,
                              std::vector<DoubleTensor>& out) {
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", 0), call.rank(0)));
  const Shape strides = row_major_strides(in[0]->shape);
  for_each_index(in[1]->shape, [&](std::size_t flat, const Shape& index) {
    std::int64_t position = 0;
    for (std::size_t i = 0; i < index.size(); ++i) {
      position +=
          strides[i] *
          (i == axis ? checked_index(call, in[1]->values[flat], in[0]->shape[axis]) : index[i]);
    }
    out[0].values[flat] = in[0]->values[static_cast<std::size_t>(position)];
  });
}

std::vector<ValueInfo> infer_gather_nd(const OperatorCall& call) {
  const Shape& data = call.shape(0);
  const Shape& indices = call.shape(1);
  const std::int64_t batch = call.integer("batch_dims", 0);
  const std::int64_t depth = indices.empty() ? 0 : indices.back();
  bool fits = !indices.empty() && batch >= 0 && batch < call.rank(1) && batch < call.rank(0) &&
              depth >= 1 && batch + depth <= call.rank(0);
  for (std::int64_t i = 0; fits && i < batch; ++i) {
    fits = data[static_cast<std::size_t>(i)] == indices[static_cast<std::size_t>(i)];
  }
  if (!fits) {
    call.fail(fmt::format("indices of shape {} for data of {} with {} batch axes",
                          to_string(indices), to_string(data), batch),
              "The file is inconsistent; export it again");
  }
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), data.begin() + batch + depth, data.end());
  return {{call.type(0), shape}};
}

void evaluate_gather_nd(const OperatorCall& call, const InputTensors& in,
                        std::vector<DoubleTensor>& out) {
  const Shape& data = in[0]->shape;
  const Shape& indices = in[1]->shape;
  const auto batch = static_cast<std::size_t>(call.integer("batch_dims", 0));
  const auto depth = static_cast<std::size_t>(indices.back());
  const Shape strides = row_major_strides(data);
  std::int64_t batches = 1;
  for (std::size_t i = 0; i < batch; ++i) batches *= data[i];
  const std::int64_t rows = element_count(indices) / static_cast<std::int64_t>(depth);
  const std::int64_t per_batch = batches == 0 ? 0 : rows / batches;
  std::int64_t slice = 1;
  for (std::size_t i = batch + depth; i < data.size(); ++i) slice *= data[i];
  const std::int64_t batch_size = batches == 0 ? 0 : element_count(data) / batches;
  std::size_t flat = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int64_t position = row / per_batch * batch_size;
    for (std::size_t k = 0; k < depth; ++k) {
      const double wanted = in[1]->values[static_cast<std::size_t>(row) * depth + k];
      position += strides[batch + k] * checked_index(call, wanted, data[batch + k]);
    }
    for (std::int64_t i = 0; i < slice; ++i) {
      out[0].values[flat++] = in[0]->values[static_cast<std::size_t>(position + i)];
    }
  }
}

void combine(const OperatorCall& call, double& target, double update) {
  const std::string reduction = call.text("reduction", "none");
  if (reduction == "add") {
    target += update;
  } else if (reduction == "mul") {
    target *= update;
  } else if (reduction == "max") {
    target = std::max(target, update);
  } else if (reduction == "min") {
    target = std::min(target, update);
  } else {
    target = update;
  }
}

void check_reduction(const OperatorCall& call) {
  const std::string reduction = call.text("reduction", "none");
  static constexpr std::array known{"none", "add", "mul", "max", "min"};
  if (std::find(known.begin(), known.end(), reduction) == known.end()) {
    call.fail(fmt::format("reduction '{}' (known: {})", reduction, fmt::join(known, ", ")),
              "Export the model again");
  }
}

std::vector<ValueInfo> infer_scatter_elements(const OperatorCall& call) {
  check_reduction(call);
  const Shape& data = call.shape(0);
  const Shape& indices = call.shape(1);
  const std::int64_t axis = call.axis(call.integer("axis", 0), call.rank(0));
  bool fits = indices == call.shape(2) && indices.size() == data.size();
  for (std::size_t i = 0; fits && i < data.size(); ++i) {
    fits = static_cast<std::int64_t>(i) == axis || indices[i] <= data[i];
  }
  if (!fits) {
    call.fail(fmt::format("indices of shape {} and updates of {} for data of {}",
                          to_string(indices), to_string(call.shape(2)), to_string(data)),
              "The file is inconsistent; export it again");
  }
  return {{call.type(0), data}};
}

void evaluate_scatter_elements(const OperatorCall& call, const InputTensors& in,
                               std::vector<DoubleTensor>& out) {
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", 0), call.rank(0)));
  const Shape strides = row_major_strides(in[0]->shape);
  out[0].values = in[0]->values;
  for_each_index(in[1]->shape, [&](std::size_t flat, const Shape& index) {
    std::int64_t position = 0;
    for (std::size_t i = 0; i < index.size(); ++i) {
      position +=
          strides[i] *
          (i == axis ? checked_index(call, in[1]->values[flat], in[0]->shape[axis]) : index[i]);
    }
    combine(call, out[0].values[static_cast<std::size_t>(position)], in[2]->values[flat]);
  });
}

std::vector<ValueInfo> infer_scatter_nd(const OperatorCall& call) {
  check_reduction(call);
  const Shape& data = call.shape(0);
  const Shape& indices = call.shape(1);
  const std::int64_t depth = indices.empty() ? 0 : indices.back();
  Shape wanted;
  if (depth >= 1 && depth <= call.rank(0)) {
    wanted.assign(indices.begin(), indices.end() - 1);
    wanted.insert(wanted.end(), data.begin() + depth, data.end());
  }
  if (depth < 1 || depth > call.rank(0) || call.shape(2) != wanted) {
    call.fail(fmt::format("indices of shape {} and updates of {} for data of {}",
                          to_string(indices), to_string(call.shape(2)), to_string(data)),
              "The file is inconsistent; export it again");
  }
  return {{call.type(0), data}};
}

void evaluate_scatter_nd(const OperatorCall& call, const InputTensors& in,
                         std::vector<DoubleTensor>& out) {
  const Shape& data = in[0]->shape;
  const auto depth = static_cast<std::size_t>(in[1]->shape.back());
  const Shape strides = row_major_strides(data);
  std::int64_t slice = 1;
  for (std::size_t i = depth; i < data.size(); ++i) slice *= data[i];
  out[0].values = in[0]->values;
  const std::size_t rows = in[1]->values.size() / depth;
  for (std::size_t row = 0; row < rows; ++row) {
    std::int64_t position = 0;
    for (std::size_t k = 0; k < depth; ++k) {
      position += strides[k] * checked_index(call, in[1]->values[row * depth + k], data[k]);
    }
    for (std::int64_t i = 0; i < slice; ++i) {
      combine(call, out[0].values[static_cast<std::size_t>(position + i)],
              in[2]->values[row * static_cast<std::size_t>(slice) + static_cast<std::size_t>(i)]);
    }
  }
}

std::vector<ValueInfo> infer_one_hot(const OperatorCall& call) {
  const double depth = call.constant_real(1, 0);
  if (!(depth >= 1) || depth > 1e9) {
    call.fail(fmt::format("depth {}", depth), "Export the model again");
  }
  if (element_count(call.shape(2)) != 2) call.fail("needs two values", "Export the model again");
  Shape shape = call.shape(0);
  const std::int64_t axis = call.axis(call.integer("axis", -1), call.rank(0) + 1);
  shape.insert(shape.begin() + axis, static_cast<std::int64_t>(depth));
  return {{call.type(2), shape}};
}

void evaluate_one_hot(const OperatorCall& call, const InputTensors& in,
                      std::vector<DoubleTensor>& out) {
  const AxisSpan span(out[0].shape, call.axis(call.integer("axis", -1), call.rank(0) + 1));
  std::fill(out[0].values.begin(), out[0].values.end(), in[2]->values.at(0));
  for (std::int64_t o = 0; o < span.outer; ++o) {
    for (std::int64_t i = 0; i < span.inner; ++i) {
      std::int64_t hot = to_index(in[0]->values[static_cast<std::size_t>(o * span.inner + i)]);
      if (hot < 0) hot += span.extent;
      // Out of range is no error of ONNX: such a row is all off.
      if (hot >= 0 && hot < span.extent) out[0].values[span.at(o, hot, i)] = in[2]->values.at(1);
    }
  }
}

// The shape is the number of elements that are not zero: known only of constants.
std::vector<std::size_t> nonzero_positions(const OperatorCall& call) {
  const auto values = call.constant_numbers(0);
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0) positions.push_back(i);
  }
  return positions;
}

std::vector<ValueInfo> infer_nonzero(const OperatorCall& call) {
  return {{ElementType::integer,
           {call.rank(0), static_cast<std::int64_t>(nonzero_positions(call).size())}}};
}

void evaluate_nonzero(const OperatorCall& call, const InputTensors& in,
                      std::vector<DoubleTensor>& out) {
  const auto positions = nonzero_positions(call);
  const Shape strides = row_major_strides(in[0]->shape);
  for (std::size_t axis = 0; axis < strides.size(); ++axis) {
    for (std::size_t k = 0; k < positions.size(); ++k) {
      out[0].values[axis * positions.size() + k] = static_cast<double>(
          static_cast<std::int64_t>(positions[k]) / strides[axis] % in[0]->shape[axis]);
    }
  }
}

std::vector<ValueInfo> infer_trilu(const OperatorCall& call) {
  if (call.rank(0) < 2) call.fail("an input without rows", "Export the model again");
  if (call.has_input(1)) call.constant_real(1, 0);
  return {{call.type(0), call.shape(0)}};
}

void evaluate_trilu(const OperatorCall& call, const InputTensors& in,
                    std::vector<DoubleTensor>& out) {
  const std::int64_t k = call.has_input(1) ? to_index(in[1]->values.at(0)) : 0;
  const bool upper = call.integer("upper", 1) != 0;
  for_each_index(in[0]->shape, [&](std::size_t flat, const Shape& index) {
    const std::int64_t diagonal = index[index.size() - 1] - index[index.size() - 2];
    const bool kept = upper ? diagonal >= k : diagonal <= k;
    out[0].values[flat] = kept ? in[0]->values[flat] : 0.0;
  });
}

std::vector<ValueInfo> infer_cumulative_sum(const OperatorCall& call) {
  call.axis(to_index(call.constant_real(1, 0)), call.rank(0));
  return {{call.type(0), call.shape(0)}};
}

void evaluate_cumulative_sum(const OperatorCall& call, const InputTensors& in,
                             std::vector<DoubleTensor>& out) {
  const AxisSpan span(in[0]->shape, call.axis(to_index(in[1]->values.at(0)), call.rank(0)));
  const bool exclusive = call.integer("exclusive", 0) != 0;
  const bool reverse = call.integer("reverse", 0) != 0;
  for (std::int64_t o = 0; o < span.outer; ++o) {
    for (std::int64_t i = 0; i < span.inner; ++i) {
      double sum = 0;
      for (std::int64_t n = 0; n < span.extent; ++n) {
        const std::size_t at = span.at(o, reverse ? span.extent - 1 - n : n, i);
        out[0].values[at] = exclusive ? sum : sum + in[0]->values[at];
        sum += in[0]->values[at];
      }
    }
  }
}

std::vector<ValueInfo> infer_arg_extreme(const OperatorCall& call) {
  Shape shape = call.shape(0);
  const std::int64_t axis = call.axis(call.integer("axis", 0), call.rank(0));
  if (shape[static_cast<std::size_t>(axis)] < 1) {
    call.fail("an axis without elements", "Check the input's shape against the model");
  }
  if (call.integer("keepdims", 1) != 0) {
    shape[static_cast<std::size_t>(axis)] = 1;
  } else {
    shape.erase(shape.begin() + axis);
  }
  return {{ElementType::integer, shape}};
}

void evaluate_arg_extreme(const OperatorCall& call, const InputTensors& in,
                          std::vector<DoubleTensor>& out) {
  const AxisSpan span(in[0]->shape, call.axis(call.integer("axis", 0), call.rank(0)));
  const double sign = call.node().op == "ArgMax" ? 1 : -1;
  const bool last = call.integer("select_last_index", 0) != 0;
  for (std::int64_t o = 0; o < span.outer; ++o) {
    for (std::int64_t i = 0; i < span.inner; ++i) {
      std::int64_t best = 0;
      for (std::int64_t k = 1; k < span.extent; ++k) {
        const double challenger = sign * in[0]->values[span.at(o, k, i)];
        const double holder = sign * in[0]->values[span.at(o, best, i)];
        if (last ? challenger >= holder : challenger > holder) best = k;
      }
      out[0].values[static_cast<std::size_t>(o * span.inner + i)] = static_cast<double>(best);
    }
  }
}

std::vector<ValueInfo> infer_top_k(const OperatorCall& call) {
  // An attribute in opset 1 only.
  const double wanted = call.constant_real(1, 0);
  Shape shape = call.shape(0);
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", -1), call.rank(0)));
  if (!(wanted >= 0) || wanted > static_cast<double>(shape[axis])) {
    call.fail(fmt::format("the largest {} of {}", wanted, shape[axis]), "Export the model again");
  }
  shape[axis] = static_cast<std::int64_t>(wanted);
  return {{call.type(0), shape}, {ElementType::integer, shape}};
}

void evaluate_top_k(const OperatorCall& call, const InputTensors& in,
                    std::vector<DoubleTensor>& out) {
  const std::int64_t axis = call.axis(call.integer("axis", -1), call.rank(0));
  const AxisSpan span(in[0]->shape, axis);
  const AxisSpan target(out[0].shape, axis);
  const double sign = call.integer("largest", 1) != 0 ? 1 : -1;
  std::vector<std::int64_t> order(static_cast<std::size_t>(span.extent));
  for (std::int64_t o = 0; o < span.outer; ++o) {
    for (std::int64_t i = 0; i < span.inner; ++i) {
      std::iota(order.begin(), order.end(), std::int64_t{0});
      // Of equal values the one with the lower index comes first, as ONNX asks.
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return sign * in[0]->values[span.at(o, a, i)] > sign * in[0]->values[span.at(o, b, i)];
      });
      for (std::int64_t k = 0; k < target.extent; ++k) {
        const std::int64_t chosen = order[static_cast<std::size_t>(k)];
        out[0].values[target.at(o, k, i)] = in[0]->values[span.at(o, chosen, i)];
        if (out.size() > 1) out[1].values[target.at(o, k, i)] = static_cast<double>(chosen);
      }
    }
  }
}

std::vector<ValueInfo> infer_depth_to_space(const OperatorCall& call) {
  const Shape& x = call.shape(0);
  const std::int64_t block = call.integer("blocksize", 0);
  const std::string mode = call.text("mode", "DCR");
  constexpr std::int64_t largest = 1 << 10;
  if (x.size() != 4 || block < 1 || block > largest || x[1] % (block * block) != 0 ||
      (mode != "DCR" && mode != "CRD")) {
    call.fail(fmt::format("blocks of {} (mode {}) of an input of {}", block, mode, to_string(x)),
              "The file is inconsistent; export it again");
  }
  return {{call.type(0), {x[0], x[1] / (block * block), x[2] * block, x[3] * block}}};
}

void evaluate_depth_to_space(const OperatorCall& call, const InputTensors& in,
                             std::vector<DoubleTensor>& out) {
  const std::int64_t block = call.integer("blocksize", 1);
  const bool depth_first = call.text("mode", "DCR") == "DCR";
  const Shape& shape = out[0].shape;
  const Shape strides = row_major_strides(in[0]->shape);
  for_each_index(shape, [&](std::size_t flat, const Shape& index) {
    const std::int64_t within = index[2] % block * block + index[3] % block;
    const std::int64_t channel =
        depth_first ? within * shape[1] + index[1] : index[1] * block * block + within;
    out[0].values[flat] = in[0]->values[static_cast<std::size_t>(
        index[0] * strides[0] + channel * strides[1] + index[2] / block * strides[2] +
        index[3] / block * strides[3])];
  });
}

std::vector<ValueInfo> infer_space_to_depth(const OperatorCall& call) {
  const Shape& x = call.shape(0);
  const std::int64_t block = call.integer("blocksize", 0);
  constexpr std::int64_t largest = 1 << 10;
  if (x.size() != 4 || block < 1 || block > largest || x[2] % block != 0 || x[3] % block != 0) {
    call.fail(fmt::format("blocks of {} of an input of {}", block, to_string(x)),
              "The file is inconsistent; export it again");
  }
  return {{call.type(0), {x[0], x[1] * block * block, x[2] / block, x[3] / block}}};
}

void evaluate_space_to_depth(const OperatorCall& call, const InputTensors& in,
                             std::vector<DoubleTensor>& out) {
  const std::int64_t block = call.integer("blocksize", 1);
  const std::int64_t channels = in[0]->shape[1];
  const Shape strides = row_major_strides(in[0]->shape);
  for_each_index(out[0].shape, [&](std::size_t flat, const Shape& index) {
    const std::int64_t within = index[1] / channels;
    out[0].values[flat] = in[0]->values[static_cast<std::size_t>(
        index[0] * strides[0] + index[1] % channels * strides[1] +
        (index[2] * block + within / block) * strides[2] +
        (index[3] * block + within % block) * strides[3])];
  });
}

std::vector<ValueInfo> infer_eye_like(const OperatorCall& call) {
  if (call.rank(0) != 2) call.fail("an input that is no matrix", "Export the model again");
  ElementType type = call.type(0);
  if (call.has_attribute("dtype")) {
    const std::int64_t code = call.integer("dtype", 1);
    const bool real = code == 1 || code == 10 || code == 11;
    type = real ? ElementType::real : code == 9 ? ElementType::boolean : ElementType::integer;
  }
  return {{type, call.shape(0)}};
}

void evaluate_eye_like(const OperatorCall& call, const InputTensors&,
                       std::vector<DoubleTensor>& out) {
  const std::int64_t k = call.integer("k", 0);
  for_each_index(out[0].shape, [&](std::size_t flat, const Shape& index) {
    out[0].values[flat] = index[1] - index[0] == k ? 1.0 : 0.0;
  });
}

std::vector<ValueInfo> infer_size(const OperatorCall& call) {
  call.shape(0);
  return {{ElementType::integer, {}}};
}

void evaluate_size(const OperatorCall& call, const InputTensors&, std::vector<DoubleTensor>& out) {
  out[0].values.at(0) = static_cast<double>(element_count(call.shape(0)));
}

const std::array operators{
    Operator{"ArgMax", 1, 1, infer_arg_extreme, evaluate_arg_extreme},
    Operator{"ArgMin", 1, 1, infer_arg_extreme, evaluate_arg_extreme},
    Operator{"CumSum", 2, 2, infer_cumulative_sum, evaluate_cumulative_sum},
    Operator{"DepthToSpace", 1, 1, infer_depth_to_space, evaluate_depth_to_space},
    Operator{"EyeLike", 1, 1, infer_eye_like, evaluate_eye_like},
    Operator{"GatherElements", 2, 2, infer_gather_elements, evaluate_gather_elements},
    Operator{"GatherND", 2, 2, infer_gather_nd, evaluate_gather_nd},
    Operator{"NonZero", 1, 1, infer_nonzero, evaluate_nonzero},
    Operator{"OneHot", 3, 3, infer_one_hot, evaluate_one_hot},
    Operator{"Scatter", 3, 3, infer_scatter_elements, evaluate_scatter_elements},
    Operator{"ScatterElements", 3, 3, infer_scatter_elements, evaluate_scatter_elements},
    Operator{"ScatterND", 3, 3, infer_scatter_nd, evaluate_scatter_nd},
    Operator{"Size", 1, 1, infer_size, evaluate_size},
    Operator{"SpaceToDepth", 1, 1, infer_space_to_depth, evaluate_space_to_depth},
    Operator{"TopK", 2, 2, infer_top_k, evaluate_top_k},
    Operator{"Trilu", 1, 2, infer_trilu, evaluate_trilu},
};

}  // namespace

std::span<const Operator> indexing_operators() {
  return operators;
}

}  // namespace attojoule::network
