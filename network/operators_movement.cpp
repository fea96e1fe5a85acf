// Operators that move, select or make values without arithmetic.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "network/operators.hpp"

namespace attojoule::network {
// Attributes up to opset 9, inputs after.
std::vector<SliceAxis> slice_axes(const OperatorCall& call) {
  const Shape& input = call.shape(0);
  std::vector<SliceAxis> result;
  for (const std::int64_t extent : input) result.push_back({0, 1, extent});
  const bool inputs = call.has_input(1);
  const auto starts = inputs ? call.constant_integers(1) : call.integers("starts", {});
  const auto ends = inputs ? call.constant_integers(2) : call.integers("ends", {});
  std::vector<std::int64_t> axes;
  for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  if (call.has_input(3)) {
    axes = call.constant_integers(3);
  } else {
    axes = call.integers("axes", axes);
  }
  const auto steps =
      call.has_input(4) ? call.constant_integers(4) : std::vector<std::int64_t>(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    call.fail("starts, ends, axes and steps differ in length", "Export the model again");
  }
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto axis = static_cast<std::size_t>(call.axis(axes[i], call.rank(0)));
    const std::int64_t extent = input[axis];
    const std::int64_t step = steps[i];
    if (step == 0 || step == std::numeric_limits<std::int64_t>::min()) {
      call.fail(fmt::format("step {}", step), "Export the model again");
    }
    const auto wrap = [&](std::int64_t position) {
      return position < 0 ? std::max<std::int64_t>(position, -extent - 1) + extent : position;
    };
    std::int64_t start = wrap(starts[i]);
    std::int64_t end = wrap(ends[i]);
    if (step > 0) {
      start = std::clamp<std::int64_t>(start, 0, extent);
      end = std::clamp<std::int64_t>(end, 0, extent);
      result[axis] = {start, step, end > start ? (end - start - 1) / step + 1 : 0};
    } else {
      start = std::clamp<std::int64_t>(start, -1, extent - 1);
      end = std::clamp<std::int64_t>(end, -1, extent - 1);
      result[axis] = {start, step, start > end ? (start - end - 1) / -step + 1 : 0};
    }
    // A step that is never taken may have any length.
    if (result[axis].count <= 1) result[axis].step = 1;
  }
  return result;
}

std::vector<std::int64_t> split_sizes(const OperatorCall& call, std::int64_t extent) {
  std::vector<std::int64_t> sizes =
      call.has_input(1) ? call.constant_integers(1) : call.integers("split", {});
  if (sizes.empty()) {
    // Equal parts; the last one is smaller where they do not divide (opset 18).
    const auto parts = static_cast<std::int64_t>(call.node().outputs.size());
    const std::int64_t size = (extent + parts - 1) / parts;
    for (std::int64_t i = 0; i < parts; ++i) {
      sizes.push_back(std::max<std::int64_t>(0, std::min(size, extent - i * size)));
    }
  }
  std::int64_t sum = 0;
  for (const std::int64_t size : sizes) {
    if (size < 0 || __builtin_add_overflow(sum, size, &sum)) {
      call.fail("parts of impossible size", "Export the model again");
    }
  }
  if (sum != extent || sizes.size() < call.node().outputs.size()) {
    call.fail(fmt::format("parts that sum to {} of an axis of {}", sum, extent), "Export again");
  }
  return sizes;
}

namespace {

void copy_values(const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
  out[0].values = in[0]->values;
}

// Axes of Squeeze, Unsqueeze: an attribute up to opset 12, an input after.
std::vector<std::int64_t> axes_of(const OperatorCall& call) {
  if (call.has_input(1)) return call.constant_integers(1);
  return call.integers("axes", {});
}

std::vector<ValueInfo> infer_reshape(const OperatorCall& call) {
  const auto wanted = call.has_input(1) ? call.constant_integers(1) : call.integers("shape", {});
  const Shape& input = call.shape(0);
  const bool zero_is_zero = call.integer("allowzero", 0) != 0;
  Shape shape;
  std::int64_t known = 1;
  std::size_t open = wanted.size();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::int64_t extent = wanted[i];
    if (extent == 0 && !zero_is_zero) {
      if (i >= input.size()) call.fail("a 0 that keeps an axis which is not there", "Export again");
      extent = input[i];
    }
    if (extent == -1) {
      if (open != wanted.size()) call.fail("two open axes", "Export the model again");
      open = i;
    } else if (extent < 0) {
      call.fail(fmt::format("extent {}", extent), "Export the model again");
    } else if (__builtin_mul_overflow(known, extent, &known)) {
      call.fail("a shape of too many elements", "Export the model again");
    }
    shape.push_back(extent);
  }
  const std::int64_t count = element_count(input);
  if (open != wanted.size()) shape[open] = known == 0 ? 0 : count / known;
  if (element_count(shape) != count) {
    call.fail(fmt::format("shape {} cannot hold the {} elements of {}", to_string(shape), count,
                          to_string(input)),
              "Export the model with a dynamic batch axis, or for a batch of 1");
  }
  return {{call.type(0), shape}};
}

std::vector<ValueInfo> infer_flatten(const OperatorCall& call) {
  const Shape& input = call.shape(0);
  const std::int64_t given = call.integer("axis", 1);
  const std::int64_t axis =
      given == call.rank(0) ? given : call.axis(given, std::max<std::int64_t>(call.rank(0), 1));
  const auto middle = input.begin() + std::min<std::int64_t>(axis, call.rank(0));
  return {
      {call.type(0),
       {element_count(Shape(input.begin(), middle)), element_count(Shape(middle, input.end()))}}};
}

std::vector<std::int64_t> permutation_of(const OperatorCall& call) {
  const std::int64_t rank = call.rank(0);
  std::vector<std::int64_t> reversed;
  for (std::int64_t axis = rank; axis-- > 0;) reversed.push_back(axis);
  auto permutation = call.integers("perm", reversed);
  auto sorted = permutation;
  std::sort(sorted.begin(), sorted.end());
  std::reverse(reversed.begin(), reversed.end());
  if (sorted != reversed) call.fail("perm is not a permutation", "Export the model again");
  return permutation;
}

std::vector<ValueInfo> infer_transpose(const OperatorCall& call) {
  Shape shape;
  for (const auto axis : permutation_of(call)) {
    shape.push_back(call.shape(0)[static_cast<std::size_t>(axis)]);
  }
  return {{call.type(0), shape}};
}

void evaluate_transpose(const OperatorCall& call, const InputTensors& in,
                        std::vector<DoubleTensor>& out) {
  const auto permutation = permutation_of(call);
  const Shape strides = row_major_strides(in[0]->shape);
  for_each_index(out[0].shape, [&](std::size_t flat, const Shape& index) {
    std::int64_t position = 0;
    for (std::size_t i = 0; i < index.size(); ++i) {
      position += index[i] * strides[static_cast<std::size_t>(permutation[i])];
    }
    out[0].values[flat] = in[0]->values[static_cast<std::size_t>(position)];
  });
}

std::vector<ValueInfo> infer_squeeze(const OperatorCall& call) {
  const Shape& input = call.shape(0);
  std::vector<bool> drop(input.size(), false);
  const bool given = call.has_input(1) || call.has_attribute("axes");
  for (std::int64_t axis : axes_of(call)) {
    axis = call.axis(axis, call.rank(0));
    if (input[static_cast<std::size_t>(axis)] != 1) {
      call.fail(fmt::format("axis {} of {} is not 1", axis, to_string(input)), "Export again");
    }
    drop[static_cast<std::size_t>(axis)] = true;
  }
  Shape shape;
  for (std::size_t i = 0; i < input.size(); ++i) {
    if (given ? !drop[i] : input[i] != 1) shape.push_back(input[i]);
  }
  return {{call.type(0), shape}};
}

std::vector<ValueInfo> infer_unsqueeze(const OperatorCall& call) {
  const auto axes = axes_of(call);
  const std::int64_t rank = call.rank(0) + static_cast<std::int64_t>(axes.size());
  std::vector<bool> fresh(static_cast<std::size_t>(rank), false);
  for (const std::int64_t axis : axes) {
    fresh[static_cast<std::size_t>(call.axis(axis, rank))] = true;
  }
  if (std::count(fresh.begin(), fresh.end(), true) != static_cast<std::ptrdiff_t>(axes.size())) {
    call.fail("an axis is named twice", "Export the model again");
  }
  Shape shape;
  std::size_t next = 0;
  for (const bool is_fresh : fresh) shape.push_back(is_fresh ? 1 : call.shape(0)[next++]);
  return {{call.type(0), shape}};
}

std::vector<ValueInfo> infer_concat(const OperatorCall& call) {
  Shape shape = call.shape(0);
  const std::int64_t axis = call.axis(call.integer("axis", 1), call.rank(0));
  for (std::size_t i = 1; i < call.input_count(); ++i) {
    const Shape& other = call.shape(i);
    bool fits = other.size() == shape.size();
    for (std::size_t k = 0; fits && k < shape.size(); ++k) {
      fits = static_cast<std::int64_t>(k) == axis || other[k] == shape[k];
    }
    if (!fits) {
      call.fail(fmt::format("shapes {} and {} do not fit", to_string(shape), to_string(other)),
                "Check the input's shape against the model");
    }
    auto& extent = shape[static_cast<std::size_t>(axis)];
    if (__builtin_add_overflow(extent, other[static_cast<std::size_t>(axis)], &extent)) {
      call.fail("parts of impossible size", "Export the model again");
    }
  }
  return {{call.type(0), shape}};
}

void evaluate_concat(const OperatorCall& call, const InputTensors& in,
                     std::vector<DoubleTensor>& out) {
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", 1), call.rank(0)));
  const Shape strides = row_major_strides(out[0].shape);
  std::int64_t start = 0;
  for (const DoubleTensor* part : in) {
    for_each_index(part->shape, [&](std::size_t flat, const Shape& index) {
      std::int64_t position = start * strides[axis];
      for (std::size_t i = 0; i < index.size(); ++i) position += index[i] * strides[i];
      out[0].values[static_cast<std::size_t>(position)] = part->values[flat];
    });
    start += part->shape[axis];
  }
}

std::vector<ValueInfo> infer_split(const OperatorCall& call) {
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", 0), call.rank(0)));
  std::vector<ValueInfo> result;
  for (const std::int64_t size : split_sizes(call, call.shape(0)[axis])) {
    Shape shape = call.shape(0);
    shape[axis] = size;
    result.push_back({call.type(0), shape});
  }
  return result;
}

void evaluate_split(const OperatorCall& call, const InputTensors& in,
                    std::vector<DoubleTensor>& out) {
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", 0), call.rank(0)));
  const Shape strides = row_major_strides(in[0]->shape);
  std::int64_t start = 0;
  for (DoubleTensor& part : out) {
    for_each_index(part.shape, [&](std::size_t flat, const Shape& index) {
      std::int64_t position = start * strides[axis];
      for (std::size_t i = 0; i < index.size(); ++i) position += index[i] * strides[i];
      part.values[flat] = in[0]->values[static_cast<std::size_t>(position)];
    });
    start += part.shape[axis];
  }
}

std::vector<ValueInfo> infer_slice(const OperatorCall& call) {
  Shape shape;
  for (const SliceAxis& axis : slice_axes(call)) shape.push_back(axis.count);
  return {{call.type(0), shape}};
}

void evaluate_slice(const OperatorCall& call, const InputTensors& in,
                    std::vector<DoubleTensor>& out) {
  const auto axes = slice_axes(call);
  const Shape strides = row_major_strides(in[0]->shape);
  for_each_index(out[0].shape, [&](std::size_t flat, const Shape& index) {
    std::int64_t position = 0;
    for (std::size_t i = 0; i < index.size(); ++i) {
      position += (axes[i].start + index[i] * axes[i].step) * strides[i];
    }
    out[0].values[flat] = in[0]->values[static_cast<std::size_t>(position)];
  });
}

std::vector<ValueInfo> infer_gather(const OperatorCall& call) {
  const Shape& data = call.shape(0);
  const auto axis = call.axis(call.integer("axis", 0), call.rank(0));
  Shape shape(data.begin(), data.begin() + axis);
  shape.insert(shape.end(), call.shape(1).begin(), call.shape(1).end());
  shape.insert(shape.end(), data.begin() + axis + 1, data.end());
  return {{call.type(0), shape}};
}

void evaluate_gather(const OperatorCall& call, const InputTensors& in,
                     std::vector<DoubleTensor>& out) {
  const Shape& data = in[0]->shape;
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", 0), call.rank(0)));
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= data[i];
  for (std::size_t i = axis + 1; i < data.size(); ++i) inner *= data[i];
  const std::int64_t extent = data[axis];
  std::size_t flat = 0;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const double wanted : in[1]->values) {
      std::int64_t index = to_index(wanted);
      if (index < -extent || index >= extent) {
        call.fail(fmt::format("index {} of an axis of {}", index, extent),
                  "Use the data set (vocabulary) that the network was trained for");
      }
      if (index < 0) index += extent;
      for (std::int64_t i = 0; i < inner; ++i) {
        out[0].values[flat++] =
            in[0]->values[static_cast<std::size_t>((o * extent + index) * inner + i)];
      }
    }
  }
}

std::vector<ValueInfo> infer_expand(const OperatorCall& call) {
  return {{call.type(0), broadcast_shape(call, call.shape(0), call.constant_integers(1))}};
}

void evaluate_expand(const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
  const Shape& shape = in[0]->shape;
  const Shape strides = row_major_strides(shape);
  const std::size_t lead = out[0].shape.size() - shape.size();
  for_each_index(out[0].shape, [&](std::size_t flat, const Shape& index) {
    std::int64_t position = 0;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] != 1) position += index[lead + i] * strides[i];
    }
    out[0].values[flat] = in[0]->values[static_cast<std::size_t>(position)];
  });
}

// Padding of every axis, begins then ends. An attribute up to opset 10, an input after.
std::vector<std::int64_t> pads_of(const OperatorCall& call) {
  const auto rank = static_cast<std::size_t>(call.rank(0));
  auto pads = call.has_input(1) ? call.constant_integers(1) : call.integers("pads", {});
  if (call.has_input(3)) {
    const auto axes = call.constant_integers(3);
    if (pads.size() != 2 * axes.size()) call.fail("pads do not match axes", "Export again");
    std::vector<std::int64_t> all(2 * rank, 0);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto axis = static_cast<std::size_t>(call.axis(axes[i], call.rank(0)));
      all[axis] = pads[i];
      all[rank + axis] = pads[axes.size() + i];
    }
    pads = all;
  }
  if (pads.size() != 2 * rank) {
    call.fail(fmt::format("{} pads for {} axes", pads.size(), rank), "Export the model again");
  }
  return pads;
}

std::vector<ValueInfo> infer_pad(const OperatorCall& call) {
  const std::string mode = call.text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge") {
    call.fail(fmt::format("mode '{}'", mode), "Use constant, reflect or edge");
  }
  if (call.has_input(2) && element_count(call.shape(2)) != 1) {
    call.fail(
        fmt::format("a fill value of shape {} (one number is needed)", to_string(call.shape(2))),
        "Export the model again");
  }
  const auto pads = pads_of(call);
  Shape shape = call.shape(0);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::int64_t begin = pads[i];
    const std::int64_t end = pads[shape.size() + i];
    constexpr std::int64_t largest = 1 << 20;
    if (std::max(begin, end) > largest || std::min(begin, end) < -largest) {
      call.fail(fmt::format("padding {} and {}", begin, end), "Export the model again");
    }
    if (mode == "reflect" && std::max(begin, end) >= std::max<std::int64_t>(shape[i], 1)) {
      call.fail(fmt::format("reflection of {} in an axis of {}", std::max(begin, end), shape[i]),
                "Export the model again");
    }
    shape[i] += begin + end;
    if (shape[i] < 0 || (mode == "edge" && call.shape(0)[i] == 0)) {
      call.fail("cropping of more than there is", "Export the model again");
    }
  }
  return {{call.type(0), shape}};
}

void evaluate_pad(const OperatorCall& call, const InputTensors& in,
                  std::vector<DoubleTensor>& out) {
  const std::string mode = call.text("mode", "constant");
  const auto pads = pads_of(call);
  double fill = call.real("value", 0);
  if (call.has_input(2)) fill = in[2]->values.at(0);
  const Shape& shape = in[0]->shape;
  const Shape strides = row_major_strides(shape);
  for_each_index(out[0].shape, [&](std::size_t flat, const Shape& index) {
    std::int64_t position = 0;
    bool inside = true;
    for (std::size_t i = 0; i < index.size(); ++i) {
      std::int64_t source = index[i] - pads[i];
      if (mode == "reflect") {
        if (source < 0) source = -source;
        if (source >= shape[i]) source = 2 * (shape[i] - 1) - source;
      } else if (mode == "edge") {
        source = std::clamp<std::int64_t>(source, 0, shape[i] - 1);
      }
      inside = inside && source >= 0 && source < shape[i];
      position += source * strides[i];
    }
    out[0].values[flat] = inside ? in[0]->values[static_cast<std::size_t>(position)] : fill;
  });
}

std::vector<ValueInfo> infer_shape(const OperatorCall& call) {
  const std::int64_t rank = call.rank(0);
  const auto bound = [&](std::int64_t value) {
    return std::clamp<std::int64_t>(value < 0 ? value + rank : value, 0, rank);
  };
  const std::int64_t start = bound(call.integer("start", 0));
  const std::int64_t end = bound(call.integer("end", rank));
  return {{ElementType::integer, {std::max<std::int64_t>(0, end - start)}}};
}

void evaluate_shape(const OperatorCall& call, const InputTensors&, std::vector<DoubleTensor>& out) {
  const std::int64_t rank = call.rank(0);
  std::int64_t start = call.integer("start", 0);
  start = std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
  for (std::size_t i = 0; i < out[0].values.size(); ++i) {
    out[0].values[i] = static_cast<double>(call.shape(0)[static_cast<std::size_t>(start) + i]);
  }
}

DoubleTensor constant_of(const OperatorCall& call) {
  if (const Tensor* tensor = call.tensor("value")) return to_double(*tensor);
  if (call.has_attribute("value_float")) {
    return {ElementType::real, {}, {call.real("value_float", 0)}};
  }
  if (call.has_attribute("value_int")) {
    return {ElementType::integer, {}, {static_cast<double>(call.integer("value_int", 0))}};
  }
  if (call.has_attribute("value_ints")) {
    const auto values = call.integers("value_ints", {});
    return {ElementType::integer,
            {static_cast<std::int64_t>(values.size())},
            {values.begin(), values.end()}};
  }
  const auto found = call.node().attributes.find("value_floats");
  if (found != call.node().attributes.end()) {
    if (const auto* values = std::get_if<std::vector<double>>(&found->second)) {
      return {ElementType::real, {static_cast<std::int64_t>(values->size())}, *values};
    }
  }
  call.fail("a constant without a numeric value", "Export the model again");
}

std::vector<ValueInfo> infer_constant(const OperatorCall& call) {
  const DoubleTensor value = constant_of(call);
  return {{value.type, value.shape}};
}

void evaluate_constant(const OperatorCall& call, const InputTensors&,
                       std::vector<DoubleTensor>& out) {
  out[0] = constant_of(call);
}

std::vector<ValueInfo> infer_constant_of_shape(const OperatorCall& call) {
  const Tensor* value = call.tensor("value");
  const auto shape = call.constant_integers(0);
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent < 0; })) {
    call.fail(fmt::format("shape {}", to_string(shape)), "Export the model again");
  }
  if (value != nullptr && value->size() != 1) call.fail("value is not one number", "Export again");
  return {{value != nullptr ? value->type : ElementType::real, shape}};
}

void evaluate_constant_of_shape(const OperatorCall& call, const InputTensors&,
                                std::vector<DoubleTensor>& out) {
  const Tensor* value = call.tensor("value");
  const double fill = value != nullptr ? to_double(*value).values.at(0) : 0.0;
  std::fill(out[0].values.begin(), out[0].values.end(), fill);
}

std::vector<ValueInfo> infer_range(const OperatorCall& call) {
  const double start = call.constant_real(0, 0);
  const double limit = call.constant_real(1, 0);
  const double delta = call.constant_real(2, 1);
  const double count = std::ceil((limit - start) / delta);
  if (!std::isfinite(count) || count > 1e9) {
    call.fail(fmt::format("range from {} to {} by {}", start, limit, delta), "Export again");
  }
  return {{call.type(0), {std::max<std::int64_t>(0, static_cast<std::int64_t>(count))}}};
}

void evaluate_range(const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
  for (std::size_t i = 0; i < out[0].values.size(); ++i) {
    out[0].values[i] = in[0]->values.at(0) + static_cast<double>(i) * in[2]->values.at(0);
  }
}

std::vector<ValueInfo> infer_tile(const OperatorCall& call) {
  const auto repeats = call.constant_integers(1);
  Shape shape = call.shape(0);
  if (repeats.size() != shape.size()) call.fail("repeats do not match the axes", "Export again");
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (repeats[i] < 0 || __builtin_mul_overflow(shape[i], repeats[i], &shape[i])) {
      call.fail(fmt::format("repeats {}", repeats[i]), "Export the model again");
    }
  }
  return {{call.type(0), shape}};
}

void evaluate_tile(const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
  const Shape& shape = in[0]->shape;
  const Shape strides = row_major_strides(shape);
  for_each_index(out[0].shape, [&](std::size_t flat, const Shape& index) {
    std::int64_t position = 0;
    for (std::size_t i = 0; i < shape.size(); ++i) position += (index[i] % shape[i]) * strides[i];
    out[0].values[flat] = in[0]->values[static_cast<std::size_t>(position)];
  });
}

constexpr int any_number = 1 << 20;

const std::array operators{
    Operator{"Concat", 1, any_number, infer_concat, evaluate_concat},
    Operator{"Constant", 0, 0, infer_constant, evaluate_constant},
    Operator{"ConstantOfShape", 1, 1, infer_constant_of_shape, evaluate_constant_of_shape},
    Operator{"Expand", 2, 2, infer_expand, evaluate_expand},
    Operator{"Flatten", 1, 1, infer_flatten, copy_values},
    Operator{"Gather", 2, 2, infer_gather, evaluate_gather},
    Operator{"Pad", 1, 4, infer_pad, evaluate_pad},
    Operator{"Range", 3, 3, infer_range, evaluate_range},
    Operator{"Reshape", 1, 2, infer_reshape, copy_values},
    Operator{"Shape", 1, 1, infer_shape, evaluate_shape},
    Operator{"Slice", 1, 5, infer_slice, evaluate_slice},
    Operator{"Split", 1, 2, infer_split, evaluate_split},
    Operator{"Squeeze", 1, 2, infer_squeeze, copy_values},
    Operator{"Tile", 2, 2, infer_tile, evaluate_tile},
    Operator{"Transpose", 1, 1, infer_transpose, evaluate_transpose},
    Operator{"Unsqueeze", 1, 2, infer_unsqueeze, copy_values},
};

}  // namespace

std::span<const Operator> movement_operators() {
  return operators;
}

}  // namespace attojoule::network
