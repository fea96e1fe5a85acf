// A network as a graph of ONNX operators: what was in the file, made concrete and simple.
//
// The way of a graph: `import_onnx` (bytes -> nodes and constants) -> `bind_inputs` (concrete
// shapes for one sample, shape inference, constant folding) -> `simplify` (batch normalisation and
// padding folded into products, identities removed) -> `Program` (network/program.hpp).
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "network/tensor.hpp"

namespace attojoule::network {

using ValueId = std::int32_t;
inline constexpr ValueId no_value = -1;  // an optional input that is not given

using Attribute = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>,
                               std::vector<double>, std::vector<std::string>, Tensor>;

struct Value {
  std::string name;
  ElementType type = ElementType::real;
  Shape shape;  // -1 = not known yet
  bool shape_known = false;
  std::optional<Tensor> constant;
};

// Of a node in a branch of an If: it runs where the condition has this value.
struct Guard {
  ValueId condition = no_value;
  bool wanted = true;
};

struct Node {
  std::string op;    // ONNX operator type, e.g. "Conv"
  std::string name;  // unique in the graph, for errors and reports
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::map<std::string, Attribute> attributes;
  // Outer branches first; empty once the inputs are bound. An If reads its condition, then what
  // each of its outputs is in the first branch, then the same in the second.
  std::vector<Guard> guards;
};

struct Graph {
  std::string name;  // of the file, for errors
  int opset = 0;
  std::vector<Value> values;
  std::vector<Node> nodes;  // topologically sorted
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;

  Value& value(ValueId id) { return values[static_cast<std::size_t>(id)]; }
  const Value& value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
  const Tensor* constant(ValueId id) const;  // nullptr if absent or computed
  ValueId add_value(Value value);
  // Nodes that read a value; graph outputs count as one more reader each.
  std::vector<int> count_readers() const;
  // "node 'conv1' (Conv, opset 13)", for messages.
  std::string describe(const Node& node) const;
};

// Parses an ONNX ModelProto. Throws DataError for anything that is not a complete, finite model of
// operators that can run (network/operators.hpp lists them), naming file, node, operator and opset.
Graph import_onnx(std::span<const std::byte> bytes, const std::string& file_name);
// The same from a stream, without holding the file in memory.
Graph import_onnx(std::istream& stream, const std::string& file_name);

// Opens the batch axis of a file that fixes it at more than 1, so that samples can be bound one at
// a time. Throws DataError where the graph works on the batch as a whole (its shapes for one sample
// are not those for N samples divided by N). Test: GraphBatch.*.
void open_batch(Graph& graph);

// Gives every graph input its shape for one sample (batch axis 1), infers every other shape and
// folds what does not depend on the inputs. Of every If the branch that is taken is left. `shapes`
// follows graph.inputs. Throws DataError where a shape contradicts the model, naming both, and
// where the condition of an If depends on the inputs' values.
void bind_inputs(Graph& graph, const std::vector<Shape>& shapes);

// A network of two classes that says how likely the second one is: where the first output is a
// single sigmoid(z), it becomes the scores 0 and z of the classes, whose softmax holds the sigmoid.
// After bind_inputs. Test: GraphPasses.one_sigmoid_becomes_two_scores.
void score_both_classes(Graph& graph);

// Folds batch normalisation into the product before it, zero padding into the convolution after it,
// removes nodes that do nothing at inference, and rewrites products (rewrite_products). The
// function of the graph stays the same to rounding.
void simplify(Graph& graph);

// Brings products into the forms that tiles run (part of simplify): Einsum and Gemm of computed
// operands become stacks of matrices, a transposed convolution one convolution for every phase of
// its stride, a convolution of volumes one of images with more channels, a recurrent layer one
// product for its inputs and one for every step. Throws DataError where a product cannot be brought
// into one. Test: tests/network/graph_products_test.cpp, graph_recurrent_test.cpp,
// graph_volumes_test.cpp.
void rewrite_products(Graph& graph);

// Removes nodes that no output depends on.
void remove_dead_nodes(Graph& graph);

}  // namespace attojoule::network
