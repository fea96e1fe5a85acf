// ONNX models made in memory, so that a test can have any operator and graph without a file.
#pragma once

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <onnx/onnx_pb.h>
#pragma GCC diagnostic pop

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "network/graph.hpp"
#include "photonics/random.hpp"

namespace attojoule::tests {

using Integers = std::vector<std::int64_t>;
using Reals = std::vector<float>;
using AttributeValue = std::variant<int, double, std::string, Integers, Reals>;
using Attributes = std::map<std::string, AttributeValue>;

// Standard normal numbers, the same for the same seed.
inline Reals random_reals(std::int64_t count, std::uint64_t seed, float scale = 1,
                          float shift = 0) {
  Reals values(static_cast<std::size_t>(count));
  photonics::fill_normal({seed, photonics::NoiseDomain::test, 0, 0, 0}, 0, values);
  for (float& value : values) value = scale * value + shift;
  return values;
}

class OnnxModel {
 public:
  explicit OnnxModel(int opset = 13) {
    model_.set_ir_version(8);
    model_.set_producer_name("attojoule tests");
    auto* import = model_.add_opset_import();
    import->set_domain("");
    import->set_version(opset);
    model_.mutable_graph()->set_name("test");
  }

  // An extent of -1 is left open. The functions return the value's name.
  std::string input(const std::string& name, const network::Shape& shape,
                    int type = onnx::TensorProto::FLOAT) {
    auto* info = model_.mutable_graph()->add_input();
    info->set_name(name);
    auto* tensor = info->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    for (const auto extent : shape) {
      auto* dim = tensor->mutable_shape()->add_dim();
      extent < 0 ? dim->set_dim_param("N") : dim->set_dim_value(extent);
    }
    return name;
  }

  std::string constant(const std::string& name, const network::Shape& shape, const Reals& values) {
    auto* tensor = add_tensor(name, shape, onnx::TensorProto::FLOAT);
    tensor->set_raw_data(values.data(), values.size() * sizeof(float));
    return name;
  }
  std::string constant(const std::string& name, const network::Shape& shape,
                       const Integers& values) {
    auto* tensor = add_tensor(name, shape, onnx::TensorProto::INT64);
    tensor->set_raw_data(values.data(), values.size() * sizeof(std::int64_t));
    return name;
  }
  // Standard normal numbers times `scale`, others for every constant.
  std::string random(const std::string& name, const network::Shape& shape, float scale = 1,
                     float shift = 0) {
    ++seed_;
    return constant(name, shape, random_reals(network::element_count(shape), seed_, scale, shift));
  }

  // The node is named as its first output. An empty input name is an input that is not given.
  std::string node(const std::string& op, const std::vector<std::string>& inputs,
                   const std::string& output, const Attributes& attributes = {}) {
    nodes(op, inputs, {output}, attributes);
    return output;
  }
  void nodes(const std::string& op, const std::vector<std::string>& inputs,
             const std::vector<std::string>& outputs, const Attributes& attributes = {}) {
    auto* node = model_.mutable_graph()->add_node();
    node->set_op_type(op);
    node->set_name(outputs.at(0));
    for (const auto& name : inputs) node->add_input(name);
    for (const auto& name : outputs) node->add_output(name);
    for (const auto& [name, value] : attributes) set(*node->add_attribute(), name, value);
  }

  void output(const std::string& name) {
    auto* info = model_.mutable_graph()->add_output();
    info->set_name(name);
    info->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  }

  onnx::ModelProto& proto() { return model_; }
  std::string bytes() const { return model_.SerializeAsString(); }

  network::Graph import() const {
    const std::string text = bytes();
    return network::import_onnx(std::as_bytes(std::span(text)), "test.onnx");
  }
  // Imported and bound to these input shapes; not simplified.
  network::Graph bind(const std::vector<network::Shape>& shapes) const {
    network::Graph graph = import();
    network::bind_inputs(graph, shapes);
    return graph;
  }

 private:
  onnx::TensorProto* add_tensor(const std::string& name, const network::Shape& shape, int type) {
    auto* tensor = model_.mutable_graph()->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(type);
    for (const auto extent : shape) tensor->add_dims(extent);
    return tensor;
  }

  static void set(onnx::AttributeProto& attribute, const std::string& name,
                  const AttributeValue& value) {
    attribute.set_name(name);
    if (const auto* integer = std::get_if<int>(&value)) {
      attribute.set_type(onnx::AttributeProto::INT);
      attribute.set_i(*integer);
    } else if (const auto* real = std::get_if<double>(&value)) {
      attribute.set_type(onnx::AttributeProto::FLOAT);
      attribute.set_f(static_cast<float>(*real));
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      attribute.set_type(onnx::AttributeProto::STRING);
      attribute.set_s(*text);
    } else if (const auto* integers = std::get_if<Integers>(&value)) {
      attribute.set_type(onnx::AttributeProto::INTS);
      for (const auto i : *integers) attribute.add_ints(i);
    } else if (const auto* reals = std::get_if<Reals>(&value)) {
      attribute.set_type(onnx::AttributeProto::FLOATS);
      for (const auto f : *reals) attribute.add_floats(f);
    }
  }

  onnx::ModelProto model_;
  std::uint64_t seed_ = 1000;
};

}  // namespace attojoule::tests
