#include "network/tensor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "photonics/error.hpp"

namespace attojoule::network {

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0) throw DataError(fmt::format("shape {}: negative extent", to_string(shape)));
    if (__builtin_mul_overflow(count, extent, &count)) {
      throw DataError(fmt::format("shape {}: more elements than 64 bits count", to_string(shape)));
    }
  }
  return count;
}

std::string to_string(const Shape& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

const char* to_string(ElementType type) {
  switch (type) {
    case ElementType::real:
      return "real";
    case ElementType::integer:
      return "integer";
    case ElementType::boolean:
      return "boolean";
  }
  return "unknown";
}

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

DoubleTensor to_double(const Tensor& tensor) {
  DoubleTensor result{tensor.type, tensor.shape, {}};
  if (tensor.type == ElementType::real) {
    result.values.assign(tensor.reals.begin(), tensor.reals.end());
  } else {
    result.values.resize(tensor.integers.size());
    std::transform(tensor.integers.begin(), tensor.integers.end(), result.values.begin(),
                   [](std::int64_t value) { return static_cast<double>(value); });
  }
  return result;
}

Tensor to_tensor(const DoubleTensor& tensor) {
  Tensor result{tensor.type, tensor.shape, {}, {}};
  if (tensor.type == ElementType::real) {
    result.reals.resize(tensor.values.size());
    std::transform(tensor.values.begin(), tensor.values.end(), result.reals.begin(),
                   [](double value) { return static_cast<float>(value); });
  } else {
    result.integers.resize(tensor.values.size());
    std::transform(tensor.values.begin(), tensor.values.end(), result.integers.begin(), to_index);
  }
  return result;
}

}  // namespace attojoule::network
