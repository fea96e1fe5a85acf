// Reading ONNX: what is refused, and that it is refused before anything runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "network/graph.hpp"
#include "network/onnx_import.hpp"
#include "network/operators.hpp"
#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::Shape;
using testing::AllOf;
using testing::HasSubstr;

OnnxModel small_model() {
  OnnxModel model;
  model.input("x", {-1, 2, 4, 4});
  model.node("Conv", {"x", model.random("w", {3, 2, 3, 3}), model.random("b", {3})}, "c");
  model.node("Relu", {"c"}, "r");
  model.node("Reshape", {"r", model.constant("s", {2}, Integers{1, 12})}, "y");
  model.output("y");
  return model;
}

void import_bytes(const std::string& bytes) {
  network::import_onnx(std::as_bytes(std::span(bytes)), "model.onnx");
}

std::string error_of(const OnnxModel& model) {
  try {
    model.import();
  } catch (const DataError& error) {
    return error.what();
  }
  return "(no DataError)";
}

TEST(OnnxImport, reads_names_types_and_shapes) {
  const network::Graph graph = small_model().import();
  EXPECT_EQ(graph.opset, 13);
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.value(graph.inputs[0]).name, "x");
  EXPECT_EQ(graph.value(graph.inputs[0]).shape, (Shape{-1, 2, 4, 4}));
  ASSERT_EQ(graph.nodes.size(), 3u);
  EXPECT_EQ(graph.nodes[0].op, "Conv");
  EXPECT_EQ(graph.describe(graph.nodes[0]), "node 'c' (Conv, opset 13)");
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
}

TEST(OnnxImport, every_truncation_is_refused) {
  const std::string bytes = small_model().bytes();
  ASSERT_NO_THROW(import_bytes(bytes));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_THROW(import_bytes(bytes.substr(0, length)), DataError) << length << " bytes";
  }
}

TEST(OnnxImport, truncation_says_so) {
  const std::string bytes = small_model().bytes();
  try {
    import_bytes(bytes.substr(0, bytes.size() / 2));
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("model.onnx: not a complete ONNX model"),
                                    HasSubstr("Check that the file")));
  }
}

// A damaged byte may be a valid model; it may never be anything but a model or a DataError.
TEST(OnnxImport, every_damaged_byte_is_survived) {
  const std::string bytes = small_model().bytes();
  int refused = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      try {
        network::Graph graph =
            network::import_onnx(std::as_bytes(std::span(damaged)), "model.onnx");
        network::bind_inputs(graph, {{1, 2, 4, 4}});
        make_program(std::move(graph));
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(OnnxImport, unknown_operator_names_node_operator_opset_and_nearest) {
  OnnxModel model = small_model();
  model.proto().mutable_graph()->mutable_node(1)->set_op_type("Rellu");
  EXPECT_THAT(error_of(model),
              AllOf(HasSubstr("test.onnx: node 'r' (Rellu, opset 13)"),
                    HasSubstr("operator 'Rellu' of opset 13 is not supported"),
                    HasSubstr("nearest: Relu"), HasSubstr("attojoule help operators")));
}

TEST(OnnxImport, unknown_domain) {
  OnnxModel model = small_model();
  model.proto().mutable_graph()->mutable_node(1)->set_domain("com.microsoft");
  EXPECT_THAT(error_of(model), AllOf(HasSubstr("node 'r'"), HasSubstr("domain 'com.microsoft'")));
}

// x (1 x D) -> If(D == 4) -> Gemm by w4, else Gemm by w3 behind a Relu, as a tracer writes what it
// did not know. `condition_of_values` makes the condition depend on x itself.
OnnxModel branching_model(bool condition_of_values) {
  OnnxModel model;
  model.input("x", {-1, -1});
  model.random("w4", {4, 2});
  if (condition_of_values) {
    model.node("ReduceMax", {"x"}, "most");
    model.node("Reshape", {"most", model.constant("scalar", {1}, Integers{1})}, "extent");
    model.node("Greater", {"extent", model.constant("limit", {1}, Reals{0})}, "condition");
  } else {
    model.node("Shape", {"x"}, "shape");
    model.node("Gather", {"shape", model.constant("one", {}, Integers{1})}, "extent");
    model.node("Equal", {"extent", model.constant("four", {}, Integers{4})}, "condition");
  }
  model.node("If", {"condition"}, "y");
  auto* node = model.proto().mutable_graph()->mutable_node(model.proto().graph().node_size() - 1);
  const auto branch = [&](const std::string& name) {
    auto* attribute = node->add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::GRAPH);
    attribute->mutable_g()->set_name(name);
    return attribute->mutable_g();
  };
  const auto add = [](onnx::GraphProto* graph, const std::string& op,
                      const std::vector<std::string>& inputs, const std::string& output) {
    auto* inner = graph->add_node();
    inner->set_op_type(op);
    for (const auto& input : inputs) inner->add_input(input);
    inner->add_output(output);
  };
  // The names of one branch mean something else in the other.
  auto* first = branch("then_branch");
  add(first, "Gemm", {"x", "w4"}, "own");
  first->add_output()->set_name("own");
  auto* second = branch("else_branch");
  OnnxModel constants;
  constants.constant("w3", {3, 2}, Reals{1, -1, 0.5f, 2, 0.25f, 1});
  *second->add_initializer() = constants.proto().graph().initializer(0);
  add(second, "Gemm", {"x", "w3"}, "own");
  add(second, "Relu", {"own"}, "rectified");
  second->add_output()->set_name("rectified");
  model.output("y");
  return model;
}

TEST(OnnxImport, of_an_if_the_branch_is_left_that_the_shapes_take) {
  const OnnxModel model = branching_model(false);
  const auto operators = [](const network::Graph& graph) {
    std::vector<std::string> names;
    for (const auto& node : graph.nodes) names.push_back(node.op);
    return names;
  };
  EXPECT_THAT(operators(model.bind({{1, 4}})), testing::ElementsAre("Gemm"));
  EXPECT_THAT(operators(model.bind({{1, 3}})), testing::ElementsAre("Gemm", "Relu"));
  // The numbers are those of the branch.
  const Reals x{1, -2, 3};
  const auto logits = run_clean(make_program(model, {{1, 3}}), {x});
  EXPECT_THAT(logits, testing::ElementsAre(testing::FloatNear(0.75f, 1e-6f), 0.0f));
}

TEST(OnnxImport, if_that_depends_on_values_is_refused) {
  const OnnxModel model = branching_model(true);
  try {
    model.bind({{1, 4}});
    FAIL() << "bound";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("node 'y' (If, opset 13)"),
                                    HasSubstr("depends on the input's values")));
  }
}

TEST(OnnxImport, if_without_a_branch_is_refused) {
  OnnxModel model = branching_model(false);
  auto* node = model.proto().mutable_graph()->mutable_node(model.proto().graph().node_size() - 1);
  node->mutable_attribute(1)->set_name("otherwise");
  EXPECT_THAT(error_of(model), HasSubstr("has no else_branch of 1 outputs"));
}

// As scikit-learn's converter writes a classifier: the scores, and the names of the classes that
// are looked up by them.
TEST(OnnxImport, names_of_classes_are_left_out) {
  OnnxModel model;
  model.input("x", {-1, 4});
  model.node("Gemm", {"x", model.random("w", {4, 3})}, "scores");
  model.node("ArgMax", {"scores"}, "best");
  auto* names = model.proto().mutable_graph()->add_initializer();
  names->set_name("classes");
  names->set_data_type(onnx::TensorProto::STRING);
  names->add_dims(3);
  for (const char* name : {"cat", "dog", "owl"}) names->add_string_data(name);
  model.node("ArrayFeatureExtractor", {"classes", "best"}, "name");
  model.node("ZipMap", {"scores"}, "dictionary");
  for (int i = 2; i < 4; ++i) {
    model.proto().mutable_graph()->mutable_node(i)->set_domain("ai.onnx.ml");
  }
  model.node("Identity", {"name"}, "label");
  OnnxModel only_names = model;
  model.output("label");
  model.output("dictionary");
  const network::Graph graph = model.bind({{1, 4}});
  ASSERT_EQ(graph.outputs.size(), 1u);
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].op, "Gemm");
  only_names.output("label");
  EXPECT_THAT(error_of(only_names),
              AllOf(HasSubstr("no output holds numbers"), HasSubstr("Export the scores")));
}

TEST(OnnxImport, opset_outside_the_range) {
  for (const int opset : {0, 6, 23, 1000}) {
    const OnnxModel model(opset);
    OnnxModel full = small_model();
    full.proto().mutable_opset_import(0)->set_version(opset);
    EXPECT_THAT(error_of(full), HasSubstr("opset " + std::to_string(opset) + " is outside 7 to"));
  }
  OnnxModel none = small_model();
  none.proto().clear_opset_import();
  EXPECT_THAT(error_of(none), HasSubstr("opset 0"));
  for (const int opset : {network::min_opset, network::max_opset}) {
    OnnxModel full = small_model();
    full.proto().mutable_opset_import(0)->set_version(opset);
    EXPECT_NO_THROW(full.import());
  }
}

TEST(OnnxImport, weights_must_be_finite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    OnnxModel model;
    model.input("x", {1, 3});
    model.node("Gemm", {"x", model.constant("w", {3, 2}, Reals{1, 2, 3, bad, 5, 6})}, "y");
    model.output("y");
    EXPECT_THAT(error_of(model), AllOf(HasSubstr("initializer 'w': element 3 is "),
                                       HasSubstr(std::isnan(bad) ? "nan" : "inf")));
  }
}

TEST(OnnxImport, external_data) {
  OnnxModel model = small_model();
  auto* tensor = model.proto().mutable_graph()->mutable_initializer(0);
  tensor->clear_raw_data();
  tensor->set_data_location(onnx::TensorProto::EXTERNAL);
  EXPECT_THAT(error_of(model), AllOf(HasSubstr("initializer 'w'"), HasSubstr("external data")));
}

TEST(OnnxImport, external_data_is_asked_for_and_equals_data_inside) {
  OnnxModel model = small_model();
  const network::Graph inside = model.import();
  auto* tensor = model.proto().mutable_graph()->mutable_initializer(0);
  const std::string weights = tensor->raw_data();
  ASSERT_FALSE(weights.empty());
  tensor->clear_raw_data();
  tensor->set_data_location(onnx::TensorProto::EXTERNAL);
  const auto say = [&](const std::string& key, const std::string& value) {
    auto* entry = tensor->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  };
  say("location", "weights.bin");
  say("offset", "64");
  say("length", std::to_string(weights.size()));
  const auto import = [&](const network::ExternalWeightReader& reader) {
    std::istringstream stream(model.proto().SerializeAsString());
    return network::import_onnx(stream, "test.onnx", reader);
  };
  const network::Graph outside =
      import([&](const std::string& location, std::uint64_t offset, auto length) {
        EXPECT_EQ(location, "weights.bin");
        EXPECT_EQ(offset, 64U);
        EXPECT_EQ(length, weights.size());
        return weights;
      });
  ASSERT_EQ(outside.values.size(), inside.values.size());
  EXPECT_EQ(outside.values[0].constant->reals, inside.values[0].constant->reals);
  const auto problem_of = [&](const network::ExternalWeightReader& reader) {
    try {
      import(reader);
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(problem_of([&](auto&&...) { return weights.substr(1); }),
              HasSubstr("initializer 'w'"));
  tensor->mutable_external_data(1)->set_value("64x");
  EXPECT_THAT(problem_of([&](auto&&...) { return weights; }),
              AllOf(HasSubstr("initializer 'w'"), HasSubstr("offset '64x'")));
}

TEST(OnnxImport, tensors_that_do_not_hold_what_they_claim) {
  const auto with = [](auto change) {
    OnnxModel model = small_model();
    change(*model.proto().mutable_graph()->mutable_initializer(0));
    return error_of(model);
  };
  EXPECT_THAT(with([](auto& t) { t.set_dims(0, 4); }), HasSubstr("bytes where its shape needs"));
  EXPECT_THAT(with([](auto& t) { t.set_dims(0, -1); }), HasSubstr("negative extent"));
  EXPECT_THAT(with([](auto& t) {
                t.set_dims(0, std::int64_t{1} << 40);
                t.set_dims(1, std::int64_t{1} << 40);
              }),
              HasSubstr("more elements"));
  EXPECT_THAT(with([](auto& t) { t.set_dims(0, std::int64_t{1} << 40); }), HasSubstr("claims"));
  EXPECT_THAT(with([](auto& t) { t.set_data_type(onnx::TensorProto::STRING); }),
              HasSubstr("STRING"));
  EXPECT_THAT(with([](auto& t) { t.set_data_type(999); }), HasSubstr("999"));
  EXPECT_THAT(with([](auto& t) {
                t.clear_raw_data();
                t.add_float_data(1);
              }),
              HasSubstr("1 numbers where its shape needs 54"));
}

TEST(OnnxImport, every_element_type_of_constants) {
  // x + c for c = [1, 2] stored in each type, as raw bytes and as a field.
  const auto sum_with = [](auto fill) {
    OnnxModel model;
    model.input("x", {2});
    auto* tensor = model.proto().mutable_graph()->add_initializer();
    tensor->set_name("c");
    tensor->add_dims(2);
    fill(*tensor);
    model.node("Cast", {"c"}, "f", {{"to", 1}});
    model.node("Add", {"x", "f"}, "y");
    model.output("y");
    return run_clean(make_program(model, {{2}}), {{0, 0}});
  };
  const auto field = [&](int type, auto add) {
    return sum_with([&](onnx::TensorProto& t) {
      t.set_data_type(type);
      for (const int value : {1, 2}) add(t, value);
    });
  };
  const auto raw = [&](int type, auto sample) {
    return sum_with([&](onnx::TensorProto& t) {
      t.set_data_type(type);
      const decltype(sample) values[2] = {1, 2};
      t.set_raw_data(values, sizeof values);
    });
  };
  const Reals wanted{1, 2};
  using T = onnx::TensorProto;
  const auto int32_field = [](T& t, int v) { t.add_int32_data(v); };
  EXPECT_EQ(field(T::FLOAT, [](T& t, int v) { t.add_float_data(static_cast<float>(v)); }), wanted);
  EXPECT_EQ(field(T::DOUBLE, [](T& t, int v) { t.add_double_data(v); }), wanted);
  EXPECT_EQ(field(T::INT64, [](T& t, int v) { t.add_int64_data(v); }), wanted);
  EXPECT_EQ(field(T::UINT32, [](T& t, int v) { t.add_uint64_data(static_cast<unsigned>(v)); }),
            wanted);
  for (const int type : {T::INT32, T::INT16, T::UINT16, T::INT8, T::UINT8}) {
    EXPECT_EQ(field(type, int32_field), wanted) << type;
  }
  EXPECT_EQ(field(T::BOOL, int32_field), wanted);
  EXPECT_EQ(field(T::FLOAT16, [](T& t, int v) { t.add_int32_data(v == 1 ? 0x3c00 : 0x4000); }),
            wanted);
  EXPECT_EQ(raw(T::FLOAT, 1.0f), wanted);
  EXPECT_EQ(raw(T::DOUBLE, 1.0), wanted);
  EXPECT_EQ(raw(T::INT64, std::int64_t{1}), wanted);
  EXPECT_EQ(raw(T::INT32, std::int32_t{1}), wanted);
  EXPECT_EQ(raw(T::UINT32, std::uint32_t{1}), wanted);
  EXPECT_EQ(raw(T::INT16, std::int16_t{1}), wanted);
  EXPECT_EQ(raw(T::UINT16, std::uint16_t{1}), wanted);
  EXPECT_EQ(raw(T::INT8, std::int8_t{1}), wanted);
  EXPECT_EQ(raw(T::UINT8, std::uint8_t{1}), wanted);
}

TEST(OnnxImport, half_precision) {
  const std::vector<std::pair<int, float>> halves{{0x0000, 0.0f},
                                                  {0x0001, std::ldexp(1.0f, -24)},
                                                  {0x03ff, std::ldexp(1023.0f, -24)},
                                                  {0x0400, std::ldexp(1.0f, -14)},
                                                  {0x3555, 0.333251953125f},
                                                  {0x7bff, 65504.0f},
                                                  {0xc000, -2.0f}};
  OnnxModel model;
  const auto count = static_cast<std::int64_t>(halves.size());
  model.input("x", {count});
  auto* tensor = model.proto().mutable_graph()->add_initializer();
  tensor->set_name("c");
  tensor->add_dims(count);
  tensor->set_data_type(onnx::TensorProto::FLOAT16);
  Reals wanted;
  for (const auto& [bits, value] : halves) {
    tensor->add_int32_data(bits);
    wanted.push_back(value);
  }
  model.node("Add", {"x", "c"}, "y");
  model.output("y");
  EXPECT_EQ(run_clean(make_program(model, {{count}}), {Reals(halves.size(), 0.0f)}), wanted);
}

TEST(OnnxImport, values_must_come_before_they_are_read) {
  OnnxModel forward;
  forward.input("x", {1});
  forward.node("Relu", {"b"}, "a");
  forward.node("Relu", {"x"}, "b");
  forward.output("a");
  EXPECT_THAT(error_of(forward), AllOf(HasSubstr("node 'a'"), HasSubstr("reads 'b'")));
  OnnxModel cycle;
  cycle.input("x", {1});
  cycle.node("Add", {"x", "b"}, "a");
  cycle.node("Relu", {"a"}, "b");
  cycle.output("b");
  EXPECT_THAT(error_of(cycle), HasSubstr("reads 'b', which no earlier node computes"));
  OnnxModel itself;
  itself.input("x", {1});
  itself.node("Add", {"x", "a"}, "a");
  itself.output("a");
  EXPECT_THAT(error_of(itself), HasSubstr("reads 'a'"));
}

TEST(OnnxImport, values_are_defined_once) {
  OnnxModel twice;
  twice.input("x", {1});
  twice.node("Relu", {"x"}, "y");
  twice.node("Abs", {"x"}, "y");
  twice.output("y");
  EXPECT_THAT(error_of(twice), HasSubstr("value 'y' is defined twice"));
  OnnxModel constants = small_model();
  constants.random("w", {1});
  EXPECT_THAT(error_of(constants), HasSubstr("value 'w' is defined twice"));
  OnnxModel over_input;
  over_input.input("x", {1});
  over_input.node("Relu", {"x"}, "x");
  over_input.output("x");
  EXPECT_THAT(error_of(over_input), HasSubstr("value 'x' is defined twice"));
}

TEST(OnnxImport, node_names_become_unique) {
  OnnxModel model;
  model.input("x", {1, 2});
  model.node("Gemm", {"x", model.random("v", {2, 2})}, "a");
  model.node("Gemm", {"a", model.random("w", {2, 2})}, "y");
  model.output("y");
  for (auto& node : *model.proto().mutable_graph()->mutable_node()) node.set_name("same");
  const network::Program program = make_program(model, {{1, 2}});
  EXPECT_NE(program.products()[0].name, program.products()[1].name);
  for (auto& node : *model.proto().mutable_graph()->mutable_node()) node.clear_name();
  const network::Program unnamed = make_program(model, {{1, 2}});
  EXPECT_EQ(unnamed.products()[0].name, "a");
}

TEST(OnnxImport, incomplete_graphs) {
  const auto with = [](auto change) {
    OnnxModel model = small_model();
    change(*model.proto().mutable_graph());
    return error_of(model);
  };
  EXPECT_THAT(with([](auto& g) { g.clear_node(); }), HasSubstr("no nodes"));
  EXPECT_THAT(with([](auto& g) { g.clear_output(); }), HasSubstr("no outputs"));
  EXPECT_THAT(with([](auto& g) { g.mutable_output(0)->set_name("z"); }), HasSubstr("output 'z'"));
  EXPECT_THAT(with([](auto& g) { g.mutable_node(0)->clear_output(); }), HasSubstr("no output"));
  EXPECT_THAT(with([](auto& g) { g.mutable_node(0)->clear_input(); }), HasSubstr("0 inputs"));
  EXPECT_THAT(with([](auto& g) { g.mutable_node(0)->set_input(1, ""); }),
              HasSubstr("input 1 is missing"));
  EXPECT_THAT(with([](auto& g) { g.mutable_node(1)->add_input("x"); }),
              HasSubstr("2 inputs where"));
  EXPECT_THAT(with([](auto& g) { g.clear_input(); }), HasSubstr("no inputs"));
  EXPECT_THAT(with([](auto& g) { g.mutable_input(0)->clear_type(); }), HasSubstr("not a tensor"));
  EXPECT_THAT(with([](auto& g) { g.add_sparse_initializer(); }), HasSubstr("sparse"));
  EXPECT_THAT(with([](auto& g) {
                auto* attribute = g.mutable_node(1)->add_attribute();
                attribute->set_name("body");
                attribute->set_type(onnx::AttributeProto::GRAPH);
              }),
              HasSubstr("attribute 'body'"));
  OnnxModel empty;
  empty.proto().clear_graph();
  EXPECT_THAT(error_of(empty), HasSubstr("no graph"));
}

TEST(OnnxImport, initializer_that_is_also_an_input_is_a_constant) {
  OnnxModel model = small_model();
  model.input("w", {3, 2, 3, 3});
  EXPECT_EQ(model.import().inputs.size(), 1u);
}

// ---- binding ----

std::string bind_error(const OnnxModel& model, const std::vector<Shape>& shapes) {
  try {
    model.bind(shapes);
  } catch (const DataError& error) {
    return error.what();
  }
  return "(no DataError)";
}

TEST(BindInputs, wrong_shape_names_both) {
  const OnnxModel model = small_model();
  EXPECT_THAT(bind_error(model, {{1, 3, 4, 4}}),
              AllOf(HasSubstr("input 'x' takes shape ?x2x4x4"), HasSubstr("the data has 1x3x4x4")));
  EXPECT_THAT(bind_error(model, {{1, 2, 16}}), HasSubstr("the data has 1x2x16"));
  EXPECT_THAT(bind_error(model, {}), HasSubstr("has 1 inputs, the data gives 0"));
}

TEST(BindInputs, output_that_ignores_the_input) {
  OnnxModel model;
  model.input("x", {1});
  model.node("Relu", {model.constant("c", {1}, Reals{1})}, "y");
  model.output("y");
  EXPECT_THAT(bind_error(model, {{1}}), HasSubstr("does not depend on the input"));
}

// A file of a few bytes may not make the program allocate what no network needs.
TEST(BindInputs, values_that_are_too_large) {
  const auto with = [](const std::string& op, std::vector<std::string> inputs, OnnxModel& model) {
    model.node(op, inputs, "big");
    model.node("ReduceMax", {"big"}, "m");
    model.node("Cast", {"m"}, "f", {{"to", 1}});
    model.node("Add", {"x", "f"}, "y");
    model.output("y");
    return bind_error(model, {{1}});
  };
  for (const std::int64_t side : {std::int64_t{1} << 31, std::int64_t{40000}}) {
    OnnxModel expand;
    expand.input("x", {1});
    expand.constant("s", {2}, Integers{side, side});
    EXPECT_THAT(with("Expand", {expand.constant("one", {}, Reals{1}), "s"}, expand),
                HasSubstr("too large"));
    OnnxModel filled;
    filled.input("x", {1});
    filled.constant("s", {2}, Integers{side, side});
    EXPECT_THAT(with("ConstantOfShape", {"s"}, filled), HasSubstr("too large"));
  }
  OnnxModel range;
  range.input("x", {1});
  range.constant("zero", {}, Integers{0});
  range.constant("one", {}, Integers{1});
  range.constant("end", {}, Integers{900000000});
  EXPECT_THAT(with("Range", {"zero", "end", "one"}, range), HasSubstr("too large"));
}

}  // namespace
}  // namespace attojoule::tests
