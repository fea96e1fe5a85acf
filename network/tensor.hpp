// Values of a network as the graph knows them: a shape, an element type and, for constants,
// numbers.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace attojoule::network {

using Shape = std::vector<std::int64_t>;

enum class ElementType { real, integer, boolean };

// Product of the extents; 1 for a scalar. Throws DataError on a negative extent or overflow.
std::int64_t element_count(const Shape& shape);
// "1x3x224x224"; "scalar" for no axes.
std::string to_string(const Shape& shape);
const char* to_string(ElementType type);
// Row-major strides in elements.
Shape row_major_strides(const Shape& shape);

// A constant of the graph: weights as float, indices and shapes as 64-bit integers.
struct Tensor {
  ElementType type = ElementType::real;
  Shape shape;
  std::vector<float> reals;            // type real
  std::vector<std::int64_t> integers;  // type integer or boolean (0 or 1)
  // How the file stores the integers: the zero point of a quantiser says by its type what the
  // codes are. Lost by what is computed from them.
  int stored_bits = 64;
  bool stored_signed = true;

  std::int64_t size() const {
    return static_cast<std::int64_t>(type == ElementType::real ? reals.size() : integers.size());
  }
};

// A value in double precision whatever its type: what operators are evaluated on outside the fast
// path. Integers up to 2^53 are exact.
struct DoubleTensor {
  ElementType type = ElementType::real;
  Shape shape;
  std::vector<double> values;  // row-major
};

DoubleTensor to_double(const Tensor& tensor);
Tensor to_tensor(const DoubleTensor& tensor);

// The integer nearest to a double that holds one, clamped to what a double holds exactly: ONNX
// writes "to the end" as the largest 64-bit integer.
inline std::int64_t to_index(double value) {
  constexpr double bound = 9007199254740992.0;  // 2^53
  if (!(value > -bound)) return -static_cast<std::int64_t>(bound);
  if (!(value < bound)) return static_cast<std::int64_t>(bound);
  return static_cast<std::int64_t>(value);
}

}  // namespace attojoule::network
