// Any bytes as an ONNX model: refused with an error of the project, or built and run on zeros.
//
// Most changes of bytes make no ONNX model at all: three in four inputs are changed as models
// instead (operators, attributes, shapes, edges, integer constants).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <onnx/onnx_pb.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "network/graph.hpp"
#include "network/operators.hpp"
#include "network/program.hpp"
#include "photonics/error.hpp"

namespace {

using namespace attojoule;

// The declared shape, with 1 for what is left open; false where that is too large to be tried.
bool guess_shapes(const network::Graph& graph, std::vector<network::Shape>& shapes) {
  constexpr std::int64_t most = 1'000'000;
  std::int64_t all = 0;
  for (const network::ValueId id : graph.inputs) {
    network::Shape shape = graph.value(id).shape;
    for (auto& extent : shape) extent = extent < 0 ? 1 : extent;
    std::int64_t count = 1;
    for (const std::int64_t extent : shape) {
      if (__builtin_mul_overflow(count, extent, &count)) return false;
    }
    if (count > most || (all += count) > most) return false;
    shapes.push_back(std::move(shape));
  }
  return true;
}

// A network may be large, and then it takes its time: only what should be quick is run.
bool is_slow(const network::Program& program) {
  constexpr std::size_t most_bytes = std::size_t{32} << 20;
  constexpr std::int64_t most_operations = 10'000'000;
  std::int64_t operations = 0;
  for (const auto& product : program.products()) {
    if (__builtin_add_overflow(operations, product.macs(), &operations)) return true;
  }
  for (const auto& operation : program.digital_operations()) operations += operation.elements;
  return program.arena_bytes() > most_bytes || operations > most_operations;
}

void build_and_run(std::span<const std::byte> bytes) {
  network::Graph graph = network::import_onnx(bytes, "fuzz.onnx");
  std::vector<network::Shape> shapes;
  if (!guess_shapes(graph, shapes)) return;
  network::bind_inputs(graph, shapes);
  network::simplify(graph);
  const network::Program program(std::move(graph), {});
  if (is_slow(program)) return;
  network::Program::Lane lane = program.make_lane();
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::span<float> input = lane.input(i);
    std::fill(input.begin(), input.end(), 0.0f);
  }
  std::vector<network::ProductRecord> records(program.products().size());
  const auto outputs = program.run(lane, 0, {false, true, 0}, records);
  if (static_cast<std::int64_t>(outputs.size()) != program.output_size()) __builtin_trap();
}

// Changes one thing of a model.
class ModelMutator {
 public:
  ModelMutator(onnx::ModelProto& model, unsigned seed)
      : graph_(*model.mutable_graph()), state_(seed) {}

  void run() {
    onnx::NodeProto& node = *graph_.mutable_node(below(graph_.node_size()));
    switch (below(8)) {
      case 0:
        change_operator(node);
        break;
      case 1:
        change_attribute(node);
        break;
      case 2:
        add_attribute(node);
        break;
      case 3:
        change_edge(node);
        break;
      case 4:
        change_constant();
        break;
      case 5:
        change_input();
        break;
      case 6:
        graph_.mutable_node()->SwapElements(below(graph_.node_size()), below(graph_.node_size()));
        break;
      default:
        insert_node(node);
        break;
    }
  }

 private:
  int below(int count) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return count <= 0 ? 0 : static_cast<int>((state_ >> 33U) % static_cast<std::uint64_t>(count));
  }

  std::int64_t number() {
    constexpr std::array<std::int64_t, 24> telling = {0,
                                                      1,
                                                      -1,
                                                      2,
                                                      -2,
                                                      3,
                                                      4,
                                                      5,
                                                      6,
                                                      7,
                                                      8,
                                                      -3,
                                                      16,
                                                      17,
                                                      64,
                                                      100,
                                                      1000,
                                                      65536,
                                                      1 << 20,
                                                      std::int64_t{1} << 31,
                                                      std::int64_t{1} << 32,
                                                      std::int64_t{1} << 62,
                                                      std::numeric_limits<std::int64_t>::max(),
                                                      std::numeric_limits<std::int64_t>::min()};
    // The small ones most often.
    return telling[static_cast<std::size_t>(
        below(below(2) == 0 ? 12 : static_cast<int>(telling.size())))];
  }

  std::string any_value() {
    std::vector<std::string> names;
    for (const auto& input : graph_.input()) names.push_back(input.name());
    for (const auto& constant : graph_.initializer()) names.push_back(constant.name());
    for (const auto& node : graph_.node()) {
      for (const auto& output : node.output()) names.push_back(output);
    }
    return names.empty() ? ""
                         : names[static_cast<std::size_t>(below(static_cast<int>(names.size())))];
  }

  std::string any_operator() {
    const auto all = network::all_operators();
    return std::string(all[static_cast<std::size_t>(below(static_cast<int>(all.size())))]->name);
  }

  void change_operator(onnx::NodeProto& node) { node.set_op_type(any_operator()); }

  void fill(onnx::AttributeProto& attribute) {
    switch (below(4)) {
      case 0:
        attribute.set_type(onnx::AttributeProto::INT);
        attribute.set_i(number());
        break;
      case 1:
        attribute.set_type(onnx::AttributeProto::FLOAT);
        attribute.set_f(static_cast<float>(number()));
        break;
      default:
        attribute.set_type(onnx::AttributeProto::INTS);
        attribute.clear_ints();
        for (int i = 1 + below(4); i > 0; --i) attribute.add_ints(number());
        break;
    }
  }

  void change_attribute(onnx::NodeProto& node) {
    if (node.attribute_size() == 0) return add_attribute(node);
    onnx::AttributeProto& attribute = *node.mutable_attribute(below(node.attribute_size()));
    if (attribute.ints_size() > 0 && below(4) != 0) {
      attribute.set_ints(below(attribute.ints_size()), number());
    } else if (attribute.type() == onnx::AttributeProto::INT && below(4) != 0) {
      attribute.set_i(number());
    } else {
      fill(attribute);
    }
  }

  void add_attribute(onnx::NodeProto& node) {
    constexpr std::array names = {"axis",       "axes",       "keepdims",
                                  "perm",       "pads",       "strides",
                                  "group",      "dilations",  "kernel_shape",
                                  "ceil_mode",  "transA",     "transB",
                                  "to",         "mode",       "auto_pad",
                                  "alpha",      "beta",       "epsilon",
                                  "split",      "allowzero",  "shape",
                                  "batch_dims", "min",        "max",
                                  "value_int",  "value_ints", "count_include_pad"};
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(names[static_cast<std::size_t>(below(static_cast<int>(names.size())))]);
    fill(attribute);
  }

  void change_edge(onnx::NodeProto& node) {
    if (node.input_size() > 0 && below(4) != 0) {
      node.set_input(below(node.input_size()), below(16) == 0 ? "" : any_value());
    } else {
      node.add_input(any_value());
    }
  }

  void change_constant() {
    if (graph_.initializer_size() == 0) return change_input();
    onnx::TensorProto& tensor = *graph_.mutable_initializer(below(graph_.initializer_size()));
    std::string& raw = *tensor.mutable_raw_data();
    if (tensor.data_type() == onnx::TensorProto::INT64 && raw.size() >= 8) {
      const std::int64_t value = number();
      std::memcpy(raw.data() + 8 * below(static_cast<int>(raw.size() / 8)), &value, 8);
    } else if (tensor.dims_size() > 0) {
      // The same numbers in another shape.
      const int axis = below(tensor.dims_size());
      if (below(2) == 0) {
        tensor.mutable_dims()->SwapElements(axis, below(tensor.dims_size()));
      } else if (below(2) == 0) {
        tensor.add_dims(1);
      } else {
        tensor.set_dims(axis, number());
      }
    }
  }

  void change_input() {
    if (graph_.input_size() == 0) return;
    auto& type =
        *graph_.mutable_input(below(graph_.input_size()))->mutable_type()->mutable_tensor_type();
    auto& shape = *type.mutable_shape();
    if (shape.dim_size() > 0 && below(4) != 0) {
      shape.mutable_dim(below(shape.dim_size()))->set_dim_value(number());
    } else if (below(2) == 0) {
      shape.add_dim()->set_dim_value(number());
    } else {
      type.set_elem_type(1 + below(12));
    }
  }

  // A node between the given one and its readers.
  void insert_node(onnx::NodeProto& before) {
    if (before.output_size() == 0) return;
    const std::string taken = before.output(0);
    const std::string fresh = taken + "_" + std::to_string(below(1 << 20));
    before.set_output(0, fresh);
    onnx::NodeProto& node = *graph_.add_node();
    node.set_op_type(any_operator());
    node.add_input(fresh);
    if (below(2) == 0) node.add_input(any_value());
    node.add_output(taken);
    // From the end to behind the given one: the list is sorted by dependence.
    int position = graph_.node_size() - 1;
    while (position > 0 && graph_.node(position - 1).output_size() > 0 &&
           graph_.node(position - 1).output(0) != fresh) {
      graph_.mutable_node()->SwapElements(position, position - 1);
      --position;
    }
  }

  onnx::GraphProto& graph_;
  std::uint64_t state_;
};

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size,
                                               std::size_t most, unsigned seed) {
  onnx::ModelProto model;
  if (seed % 4 == 0 || !model.ParseFromArray(bytes, static_cast<int>(size)) || !model.has_graph() ||
      model.graph().node_size() == 0) {
    return LLVMFuzzerMutate(bytes, size, most);
  }
  ModelMutator(model, seed).run();
  const std::string text = model.SerializeAsString();
  if (text.size() > most) return LLVMFuzzerMutate(bytes, size, most);
  std::memcpy(bytes, text.data(), text.size());
  return text.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  try {
    build_and_run(std::as_bytes(std::span(bytes, size)));
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a refusal is a good answer
  }
  return 0;
}
