// Rewrites keep the function of the graph, happen where they must, and not where they may not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "network/graph.hpp"
#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::Shape;

std::vector<std::string> operators(const network::Graph& graph) {
  std::vector<std::string> result;
  for (const auto& node : graph.nodes) result.push_back(node.op);
  return result;
}

std::vector<double> evaluate(const network::Graph& graph, const Inputs& inputs) {
  return PlainNetwork(graph, inputs).output().value.values;
}

// Simplifies, compares the function in double precision, and returns the operators that are left.
std::vector<std::string> simplified(const OnnxModel& model, const Shape& shape,
                                    double tolerance = 1e-6) {
  network::Graph graph = model.bind({shape});
  const Inputs inputs = random_inputs({shape}, 3);
  const auto before = evaluate(graph, inputs);
  network::simplify(graph);
  const auto after = evaluate(graph, inputs);
  double size = 0;
  for (const double value : before) size = std::max(size, std::abs(value));
  EXPECT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    EXPECT_NEAR(after[i], before[i], tolerance * size) << "element " << i;
  }
  return operators(graph);
}

using Names = std::vector<std::string>;

std::vector<std::string> norm_inputs(OnnxModel& model, const std::string& from,
                                     std::int64_t channels, const std::string& tag = "") {
  Reals variance = random_reals(channels, 77);
  for (float& value : variance) value = 0.1f + value * value;
  return {from, model.random("scale" + tag, {channels}), model.random("shift" + tag, {channels}),
          model.random("mean" + tag, {channels}),
          model.constant("variance" + tag, {channels}, variance)};
}

TEST(GraphPasses, one_sigmoid_becomes_two_scores) {
  OnnxModel model;
  model.input("x", {-1, 5});
  model.node("Gemm", {"x", model.random("w", {5, 1}), model.random("b", {1})}, "z");
  model.node("Sigmoid", {"z"}, "y");
  model.output("y");
  network::Graph graph = model.bind({{1, 5}});
  const Inputs inputs = random_inputs({{1, 5}}, 3);
  const double likely = evaluate(graph, inputs).at(0);
  network::score_both_classes(graph);
  network::simplify(graph);
  EXPECT_EQ(operators(graph), (std::vector<std::string>{"Gemm", "Concat"}));
  const auto scores = evaluate(graph, inputs);
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_EQ(scores[0], 0);
  EXPECT_NEAR(std::exp(scores[1]) / (1 + std::exp(scores[1])), likely, 1e-6);
}

TEST(GraphPasses, other_ends_stay_as_they_are) {
  for (const std::int64_t outputs : {1, 2}) {
    OnnxModel model;
    model.input("x", {-1, 5});
    model.node("Gemm", {"x", model.random("w", {5, outputs})}, "z");
    if (outputs == 2) model.node("Sigmoid", {"z"}, "y");
    model.output(outputs == 2 ? "y" : "z");
    network::Graph graph = model.bind({{1, 5}});
    const auto before = operators(graph);
    network::score_both_classes(graph);
    EXPECT_EQ(operators(graph), before);
  }
}

TEST(BatchNormFolding, into_convolutions_with_and_without_bias) {
  for (const bool bias : {false, true}) {
    for (const int groups : {1, 2, 6}) {
      OnnxModel model;
      model.input("x", {1, 6, 5, 5});
      std::vector<std::string> inputs{"x", model.random("w", {6, 6 / groups, 3, 3})};
      if (bias) inputs.push_back(model.random("b", {6}));
      model.node("Conv", inputs, "c", {{"group", groups}});
      model.node("BatchNormalization", norm_inputs(model, "c", 6), "n", {{"epsilon", 1e-3}});
      model.node("Relu", {"n"}, "y");
      model.output("y");
      EXPECT_EQ(simplified(model, {1, 6, 5, 5}), (Names{"Conv", "Relu"})) << groups;
    }
  }
}

TEST(BatchNormFolding, into_gemm_stored_either_way) {
  for (const int transposed : {0, 1}) {
    for (const bool bias : {false, true}) {
      OnnxModel model;
      model.input("x", {2, 7});
      std::vector<std::string> inputs{
          "x", model.random("w", transposed != 0 ? Shape{5, 7} : Shape{7, 5})};
      if (bias) inputs.push_back(model.random("b", {5}));
      model.node("Gemm", inputs, "g", {{"transB", transposed}});
      model.node("BatchNormalization", norm_inputs(model, "g", 5), "y");
      model.output("y");
      EXPECT_EQ(simplified(model, {2, 7}), (Names{"Gemm"}));
    }
  }
}

TEST(BatchNormFolding, twice_in_a_row) {
  OnnxModel model;
  model.input("x", {1, 3, 5, 5});
  model.node("Conv", {"x", model.random("w", {4, 3, 3, 3})}, "c");
  model.node("BatchNormalization", norm_inputs(model, "c", 4, "1"), "n");
  model.node("BatchNormalization", norm_inputs(model, "n", 4, "2"), "y");
  model.output("y");
  EXPECT_EQ(simplified(model, {1, 3, 5, 5}), (Names{"Conv"}));
}

TEST(BatchNormFolding, not_where_the_product_is_read_by_others) {
  OnnxModel model;
  model.input("x", {1, 3, 5, 5});
  model.node("Conv", {"x", model.random("w", {4, 3, 3, 3})}, "c");
  model.node("BatchNormalization", norm_inputs(model, "c", 4), "n");
  model.node("Add", {"n", "c"}, "y");
  model.output("y");
  EXPECT_EQ(simplified(model, {1, 3, 5, 5}), (Names{"Conv", "BatchNormalization", "Add"}));
  expect_same_as_plain(model, {{1, 3, 5, 5}});
}

TEST(BatchNormFolding, not_where_the_product_is_an_output) {
  OnnxModel model;
  model.input("x", {1, 3, 5, 5});
  model.node("Conv", {"x", model.random("w", {4, 3, 3, 3})}, "c");
  model.node("BatchNormalization", norm_inputs(model, "c", 4), "y");
  model.output("y");
  model.output("c");
  EXPECT_EQ(simplified(model, {1, 3, 5, 5}), (Names{"Conv", "BatchNormalization"}));
}

TEST(BatchNormFolding, alone_it_runs_as_it_is) {
  OnnxModel model;
  model.input("x", {1, 70, 4, 3});
  model.node("BatchNormalization", norm_inputs(model, "x", 70), "y");
  model.output("y");
  EXPECT_EQ(simplified(model, {1, 70, 4, 3}), (Names{"BatchNormalization"}));
  expect_same_as_plain(model, {{1, 70, 4, 3}});
}

TEST(BatchNormFolding, shared_weights_are_folded_once_for_each_reader) {
  OnnxModel model;
  model.input("x", {1, 4, 5, 5});
  model.random("w", {4, 4, 3, 3});
  model.node("Conv", {"x", "w"}, "a", {{"pads", Integers{1, 1, 1, 1}}});
  model.node("BatchNormalization", norm_inputs(model, "a", 4), "n");
  model.node("Conv", {"n", "w"}, "y");
  model.output("y");
  EXPECT_EQ(simplified(model, {1, 4, 5, 5}), (Names{"Conv", "Conv"}));
}

TEST(BatchNormFolding, negative_variance_is_refused) {
  OnnxModel model;
  model.input("x", {1, 1, 3, 3});
  model.node("Conv", {"x", model.random("w", {1, 1, 1, 1})}, "c");
  model.random("one", {1});
  model.node("BatchNormalization", {"c", "one", "one", "one", model.constant("v", {1}, Reals{-1})},
             "y");
  model.output("y");
  network::Graph graph = model.bind({{1, 1, 3, 3}});
  try {
    network::simplify(graph);
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("variance -1 of channel 0 is negative"));
  }
}

TEST(PaddingFolding, zeros_become_the_convolutions_own_padding) {
  for (const int opset : {10, 13}) {
    OnnxModel model(opset);
    model.input("x", {1, 3, 5, 6});
    const Integers pads{0, 0, 1, 2, 0, 0, 0, 1};
    if (opset == 10) {
      model.node("Pad", {"x"}, "p", {{"pads", pads}});
    } else {
      model.node("Pad", {"x", model.constant("pads", {8}, pads)}, "p");
    }
    model.node("Conv", {"p", model.random("w", {4, 3, 3, 3})}, "y",
               {{"pads", Integers{1, 0, 0, 1}}, {"strides", Integers{2, 1}}});
    model.output("y");
    EXPECT_EQ(simplified(model, {1, 3, 5, 6}, 0), (Names{"Conv"}));
  }
}

TEST(PaddingFolding, one_padding_for_several_convolutions) {
  OnnxModel model;
  model.input("x", {1, 3, 5, 5});
  model.node("Pad", {"x", model.constant("pads", {8}, Integers{0, 0, 1, 1, 0, 0, 1, 1})}, "p");
  model.node("Conv", {"p", model.random("w", {4, 3, 3, 3})}, "a");
  model.node("Conv", {"p", model.random("v", {4, 3, 3, 3})}, "b");
  model.node("Add", {"a", "b"}, "y");
  model.output("y");
  EXPECT_EQ(simplified(model, {1, 3, 5, 5}, 0), (Names{"Conv", "Conv", "Add"}));
}

TEST(PaddingFolding, not_where_the_function_would_change) {
  struct Case {
    const char* why;
    Integers pads;
    float fill;
    Attributes pad_attributes, conv_attributes;
  };
  const std::vector<Case> cases{
      {"fill", {0, 0, 1, 1, 0, 0, 1, 1}, 0.5f, {}, {}},
      {"channels", {0, 1, 1, 1, 0, 0, 1, 1}, 0, {}, {}},
      {"crop", {0, 0, -1, 1, 0, 0, 1, 1}, 0, {}, {}},
      {"mode", {0, 0, 1, 1, 0, 0, 1, 1}, 0, {{"mode", std::string("edge")}}, {}},
      {"auto_pad",
       {0, 0, 1, 1, 0, 0, 1, 1},
       0,
       {},
       {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Integers{2, 2}}}}};
  for (const Case& one : cases) {
    OnnxModel model;
    model.input("x", {1, 3, 5, 5});
    model.node(
        "Pad",
        {"x", model.constant("pads", {8}, one.pads), model.constant("v", {}, Reals{one.fill})}, "p",
        one.pad_attributes);
    const std::int64_t channels = 3 + one.pads[1];
    model.node("Conv", {"p", model.random("w", {4, channels, 3, 3})}, "y", one.conv_attributes);
    model.output("y");
    EXPECT_EQ(simplified(model, {1, 3, 5, 5}, 0), (Names{"Pad", "Conv"})) << one.why;
    expect_same_as_plain(model, {{1, 3, 5, 5}});
  }
}

TEST(PaddingFolding, not_where_others_see_the_padding) {
  OnnxModel model;
  model.input("x", {1, 3, 5, 5});
  model.node("Pad", {"x", model.constant("pads", {8}, Integers{0, 0, 1, 1, 0, 0, 1, 1})}, "p");
  model.node("Conv", {"p", model.random("w", {3, 3, 1, 1})}, "c");
  model.node("Add", {"c", "p"}, "y");
  model.output("y");
  EXPECT_EQ(simplified(model, {1, 3, 5, 5}, 0), (Names{"Pad", "Conv", "Add"}));
}

TEST(IdentityRemoval, chains_are_removed_whole) {
  OnnxModel model;
  model.input("x", {1, 4});
  model.node("Gemm", {"x", model.random("w", {4, 4})}, "g");
  model.node("Identity", {"g"}, "a");
  model.node("Dropout", {"a"}, "b");
  model.node("Cast", {"b"}, "c", {{"to", 1}});
  model.node("BatchNormalization", norm_inputs(model, "c", 4), "n");
  model.node("Identity", {"n"}, "y");
  model.output("y");
  EXPECT_EQ(simplified(model, {1, 4}), (Names{"Gemm"}));
}

TEST(IdentityRemoval, a_network_may_end_or_consist_of_them) {
  for (const int count : {1, 2, 3}) {
    OnnxModel model;
    model.input("x", {1, 4});
    std::string last = "x";
    for (int i = 0; i < count; ++i) last = model.node("Identity", {last}, "i" + std::to_string(i));
    model.output(last);
    simplified(model, {1, 4}, 0);
    expect_same_as_plain(model, {{1, 4}});
  }
}

TEST(IdentityRemoval, a_mask_that_is_read_keeps_its_dropout) {
  OnnxModel model;
  model.input("x", {1, 4});
  model.nodes("Dropout", {"x"}, {"d", "mask"});
  model.node("Cast", {"mask"}, "m", {{"to", 1}});
  model.node("Add", {"d", "m"}, "y");
  model.output("y");
  simplified(model, {1, 4}, 0);
  const Inputs inputs{{1, 2, 3, 4}};
  EXPECT_EQ(run_clean(make_program(model, {{1, 4}}), inputs), (Reals{2, 3, 4, 5}));
}

TEST(DeadNodes, are_removed) {
  OnnxModel model;
  model.input("x", {1, 4});
  model.node("Tanh", {"x"}, "unused");
  model.node("Abs", {"unused"}, "unused_too");
  model.node("Relu", {"x"}, "y");
  model.output("y");
  EXPECT_EQ(operators(model.bind({{1, 4}})), (Names{"Relu"}));
}

// A file for a batch of 8 whose last layers see `shape` after a Reshape.
OnnxModel fixed_batch(const Integers& shape, const Shape& weights) {
  OnnxModel model;
  model.input("x", {8, 3, 4, 4});
  model.node("Conv", {"x", model.random("w", {6, 3, 3, 3})}, "c");
  model.node("Reshape", {"c", model.constant("shape", {2}, shape)}, "r");
  model.node("MatMul", {"r", model.random("v", weights)}, "y");
  model.output("y");
  return model;
}

TEST(GraphBatch, is_opened_where_every_array_is_of_samples) {
  network::Graph graph = fixed_batch({-1, 24}, {24, 5}).import();
  network::open_batch(graph);
  EXPECT_EQ(graph.value(graph.inputs[0]).shape, (Shape{-1, 3, 4, 4}));
  network::bind_inputs(graph, {{1, 3, 4, 4}});
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{1, 5}));
}

TEST(GraphBatch, is_refused_where_the_graph_works_on_all_of_it) {
  // 24 numbers of one sample fit eight rows of 3, but are not what they were; 8 rows of 24 do not
  // fit.
  for (const auto& [shape, weights] :
       std::vector<std::pair<Integers, Shape>>{{{8, -1}, {24, 5}}, {{8, 24}, {24, 5}}}) {
    network::Graph graph = fixed_batch(shape, weights).import();
    try {
      network::open_batch(graph);
      ADD_FAILURE() << "shape begins with " << shape[0];
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find("the file fixes a batch of 8"), std::string::npos);
    }
  }
  OnnxModel mixed;  // a sum over the batch axis
  mixed.input("x", {8, 5});
  mixed.node("ReduceMean", {"x"}, "y", {{"axes", Integers{0}}});
  mixed.output("y");
  network::Graph graph = mixed.import();
  EXPECT_THROW(network::open_batch(graph), DataError);
}

}  // namespace
}  // namespace attojoule::tests
