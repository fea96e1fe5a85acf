// The ONNX operators that a network may use: their shapes, and their meaning in plain loops.
//
// Every operator is defined once, here, in double precision and without any cleverness. The plain
// definition folds constants, runs operators that need no speed, and is what every fast kernel of
// network/program.cpp is compared with (tests/network/reference_test.cpp).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "network/graph.hpp"

namespace attojoule::network {

inline constexpr int min_opset = 7;
inline constexpr int max_opset = 22;

// One node seen by its operator: inputs and attributes with ONNX's defaults, and errors that name
// the node.
class OperatorCall {
 public:
  OperatorCall(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  const Node& node() const { return node_; }
  int opset() const { return graph_.opset; }
  std::size_t input_count() const { return node_.inputs.size(); }
  bool has_input(std::size_t index) const;
  const Shape& shape(std::size_t index) const;  // DataError if the input is absent
  std::int64_t rank(std::size_t index) const;
  ElementType type(std::size_t index) const;
  const Shape& output_shape(std::size_t index) const;

  bool has_attribute(const std::string& name) const { return node_.attributes.contains(name); }
  std::int64_t integer(const std::string& name, std::int64_t fallback) const;
  double real(const std::string& name, double fallback) const;
  std::string text(const std::string& name, const std::string& fallback) const;
  std::vector<std::int64_t> integers(const std::string& name,
                                     std::vector<std::int64_t> fallback) const;
  std::vector<double> reals(const std::string& name) const;       // empty if absent
  std::vector<std::string> texts(const std::string& name) const;  // empty if absent
  const Tensor* tensor(const std::string& name) const;

  // Values of an input that decides shapes: it must not depend on the network's inputs.
  std::vector<std::int64_t> constant_integers(std::size_t index) const;
  double constant_real(std::size_t index, double fallback) const;
  // The same of any type.
  std::vector<double> constant_numbers(std::size_t index) const;
  bool is_constant(std::size_t index) const;
  // The constant behind an input; nullptr if it is absent or computed.
  const Tensor* constant_tensor(std::size_t index) const;
  // DataError unless every input that is given holds real numbers.
  void require_reals() const;

  // The axis as 0 .. rank-1 (negative counts from the end); DataError outside.
  std::int64_t axis(std::int64_t value, std::int64_t rank) const;
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const;

 private:
  const Graph& graph_;
  const Node& node_;
};

struct ValueInfo {
  ElementType type = ElementType::real;
  Shape shape;
};

using InputTensors = std::vector<const DoubleTensor*>;  // nullptr where an input is absent

struct Operator {
  const char* name;
  int min_inputs;
  int max_inputs;
  // Types and shapes of the outputs.
  std::vector<ValueInfo> (*infer)(const OperatorCall&);
  // Fills `outputs`, which have their inferred type and shape.
  void (*evaluate)(const OperatorCall&, const InputTensors& inputs,
                   std::vector<DoubleTensor>& outputs);
};

// nullptr if unknown.
const Operator* find_operator(const std::string& name);
std::vector<const Operator*> all_operators();

// Throws DataError naming node, operator and opset (and the nearest known operator) unless the node
// can run.
void check_supported(const Graph& graph, const Node& node);

// Runs a node in plain loops. Inputs must have the shapes that the graph holds.
std::vector<DoubleTensor> evaluate(const Graph& graph, const Node& node,
                                   const InputTensors& inputs);

// Windows of a convolution or pooling over one or two axes; one-dimensional ones have height 1.
struct WindowGeometry {
  std::int64_t channels = 0;  // of the input
  std::array<std::int64_t, 2> input{1, 1};
  std::array<std::int64_t, 2> kernel{1, 1};
  std::array<std::int64_t, 2> stride{1, 1};
  std::array<std::int64_t, 2> dilation{1, 1};
  std::array<std::int64_t, 2> pad_begin{0, 0};
  std::array<std::int64_t, 2> pad_end{0, 0};
  std::array<std::int64_t, 2> output{1, 1};

  std::int64_t positions() const { return output[0] * output[1]; }
};
// `kernel` without the channel axes. Reads strides, dilations, pads, auto_pad and ceil_mode.
WindowGeometry window_geometry(const OperatorCall& call, std::span<const std::int64_t> kernel);

// The same over one to three axes. `depth` is a window along the first of three, and one of a
// single element where there are fewer; `plane` has the last two.
struct VolumeGeometry {
  WindowGeometry depth;  // as a one-dimensional window: axis 1 of its arrays
  WindowGeometry plane;

  // Of a result with `channels`: [batch][channels], and the axes that the input has.
  Shape output_shape(const OperatorCall& call, std::int64_t channels) const;
};
VolumeGeometry volume_geometry(const OperatorCall& call, std::span<const std::int64_t> kernel);

// Calls visit(flat index, multi index) for every element of a shape in row-major order.
template <class Visit>
void for_each_index(const Shape& shape, Visit visit) {
  Shape index(shape.size(), 0);
  const std::int64_t count = element_count(shape);
  for (std::int64_t flat = 0; flat < count; ++flat) {
    visit(static_cast<std::size_t>(flat), index);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

// A transposed convolution over one or two axes: input pixel i adds W[k] to output pixel
// i * stride + k * dilation - pad_begin. `output` is what is left after cropping.
WindowGeometry transposed_geometry(const OperatorCall& call);

// Two operands (or one) of Einsum with each axis's label; a label of the output is free or, in both
// operands, a batch axis; any other is summed over.
struct EinsumTerms {
  std::vector<std::string> operands;  // one character an axis
  std::string output;
  std::map<char, std::int64_t> extents;
};
EinsumTerms einsum_terms(const OperatorCall& call);

// RNN, GRU and LSTM: extents, and which of their variants a node is.
struct RecurrentForm {
  // 1 (RNN), 3 (GRU: update, reset, hidden) or 4 (LSTM: input, output, forget, cell), in the order
  // of the weights' rows.
  std::int64_t gates = 1;
  std::int64_t steps = 0, batch = 0, inputs = 0, hidden = 0;
  std::int64_t directions = 1;
  bool backward = false;     // the only direction
  bool reset_after = false;  // GRU: the reset gate takes the product's result, not its input
  // Sigmoid, Tanh or Relu: gates, then candidate (GRU, LSTM), then cell's output (LSTM); of every
  // direction in turn.
  std::vector<std::string> activations;

  bool reversed(std::int64_t direction) const {
    return directions == 2 ? direction == 1 : backward;
  }
};
// DataError for what cannot run: peepholes, clipped or coupled gates, other activations, sequences
// of several lengths, a batch axis that comes first.
RecurrentForm recurrent_form(const OperatorCall& call);

// Where Resize and Upsample take an output's element of one axis from.
struct ResizeTap {
  std::int64_t index = 0;
  double weight = 1;
};
// Those of one output element, four at most, in place: an axis may have a million elements.
class ResizeTaps {
 public:
  void push_back(const ResizeTap& tap) { taps_.at(count_++) = tap; }
  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  const ResizeTap& operator[](std::size_t i) const { return taps_[i]; }
  const ResizeTap* begin() const { return taps_.data(); }
  const ResizeTap* end() const { return taps_.data() + count_; }

 private:
  std::array<ResizeTap, 4> taps_{};
  std::size_t count_ = 0;
};
struct ResizeAxis {
  std::vector<ResizeTaps> taps;       // of every output element; empty = extrapolated
  bool is_copy = false;               // every element is the input's of the same index
  bool is_half_pixel_linear = false;  // linear, at (i + 0.5) in / out - 0.5
};
std::vector<ResizeAxis> resize_axes(const OperatorCall& call);
// The order in which axes go from one extent to the other, those that shrink first: no array on the
// way is larger than both ends.
std::vector<std::size_t> shrinking_first(const Shape& from, const Shape& to);

// What Split gives every output of the axis.
std::vector<std::int64_t> split_sizes(const OperatorCall& call, std::int64_t extent);

// QuantizeLinear and DequantizeLinear: the integers that can be stored, from the type of the zero
// point (8-bit unsigned without one).
struct CodeRange {
  std::int64_t lowest = 0;
  std::int64_t highest = 255;
};
CodeRange code_range(const Tensor* zero_point);

// What Slice takes of every axis: `count` elements from `start` on, `step` apart.
struct SliceAxis {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::int64_t count = 0;
};
std::vector<SliceAxis> slice_axes(const OperatorCall& call);

// Shape of two arrays broadcast against each other as in numpy; DataError if they do not fit.
Shape broadcast_shape(const OperatorCall& call, const Shape& a, const Shape& b);

// The operator families, one file each.
std::span<const Operator> elementwise_operators();
std::span<const Operator> movement_operators();
std::span<const Operator> reduction_operators();
std::span<const Operator> product_operators();
std::span<const Operator> einsum_operators();
std::span<const Operator> indexing_operators();
std::span<const Operator> normalisation_operators();
std::span<const Operator> quantisation_operators();
std::span<const Operator> resize_operators();
std::span<const Operator> recurrent_operators();

}  // namespace attojoule::network
