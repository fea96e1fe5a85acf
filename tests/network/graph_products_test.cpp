// Transposed convolutions, Einsum and unusual Gemms as products that tiles run: the same function,
// the right dot products, and a refusal where there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "network/tile_mapping.hpp"
#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"
#include "tests/support/rapidcheck.hpp"

namespace attojoule::tests {
namespace {

using network::MatrixProduct;
using network::ProductKind;
using network::Shape;
using testing::ElementsAre;
using testing::HasSubstr;

OnnxModel transposed_model(const Shape& input, const Shape& weights, const Attributes& attributes,
                           bool bias = true) {
  OnnxModel model;
  model.input("x", input);
  std::vector<std::string> inputs{"x", model.random("w", weights, 0.5f)};
  const auto group = attributes.find("group");
  const int groups = group == attributes.end() ? 1 : std::get<int>(group->second);
  if (bias) inputs.push_back(model.random("b", {weights[1] * groups}));
  model.node("ConvTranspose", inputs, "up", attributes);
  model.output("up");
  return model;
}

std::vector<std::int64_t> dot_lengths(const network::Program& program) {
  std::vector<std::int64_t> lengths;
  for (const auto& product : program.products()) lengths.push_back(product.dot_length);
  return lengths;
}

std::int64_t all_macs(const network::Program& program) {
  std::int64_t macs = 0;
  for (const auto& product : program.products()) macs += product.macs();
  return macs;
}

Attributes strides(std::int64_t y, std::int64_t x, Integers pads = {0, 0, 0, 0}) {
  return {{"strides", Integers{y, x}}, {"pads", std::move(pads)}};
}

TEST(TransposedConvolution, dot_products_have_the_taps_of_their_phase) {
  // 4 x 4 window, stride 2: two of four taps reach every output, in both axes.
  const Shape image{1, 5, 6, 7};
  const auto even =
      make_program(transposed_model(image, {5, 3, 4, 4}, strides(2, 2, {1, 1, 1, 1})), {image});
  EXPECT_THAT(dot_lengths(even), ElementsAre(20, 20, 20, 20));
  EXPECT_EQ(even.products()[0].name, "up/phase0.0");
  EXPECT_EQ(even.products()[0].kind, ProductKind::conv);
  // Twice the size each way, and no multiplication of the zeros between the pixels.
  EXPECT_EQ(all_macs(even), (2 * 6) * (2 * 7) * 3 * 5 * 4);
  // 3 x 3, stride 2, padding 1: taps {1} and {0, 2}.
  const auto odd = make_program(transposed_model(image, {5, 3, 3, 3},
                                                 {{"strides", Integers{2, 2}},
                                                  {"pads", Integers{1, 1, 1, 1}},
                                                  {"output_padding", Integers{1, 1}}}),
                                {image});
  EXPECT_THAT(dot_lengths(odd), ElementsAre(5, 10, 10, 20));
  // No stride: a convolution of the mirrored window, named as its node.
  const auto plain = make_program(transposed_model(image, {5, 3, 3, 3}, strides(1, 1)), {image});
  EXPECT_THAT(dot_lengths(plain), ElementsAre(45));
  EXPECT_EQ(plain.products()[0].name, "up");
  // Windows of the stride's size: every output is one pixel's product.
  const auto tiled = make_program(transposed_model(image, {5, 3, 2, 3}, strides(2, 3)), {image});
  EXPECT_THAT(dot_lengths(tiled), ElementsAre(5, 5, 5, 5, 5, 5));
  EXPECT_EQ(all_macs(tiled), 6 * 7 * 5 * 3 * 6);
}

TEST(TransposedConvolution, groups_are_kept) {
  const Shape image{1, 6, 4, 4};
  Attributes attributes = strides(2, 2, {1, 1, 1, 1});
  attributes["group"] = 3;
  const auto program = make_program(transposed_model(image, {6, 2, 4, 4}, attributes), {image});
  for (const MatrixProduct& product : program.products()) {
    EXPECT_EQ(product.kind, ProductKind::grouped);
    EXPECT_EQ(product.groups, 3);
    EXPECT_EQ(product.dot_length, 2 * 4);
    EXPECT_EQ(product.channels, 6);
  }
}

TEST(TransposedConvolution, equals_plain_definition_with_noise_and_statistics) {
  expect_same_as_plain(transposed_model({1, 5, 6, 7}, {5, 3, 4, 4}, strides(2, 2, {1, 1, 1, 1})),
                       {{1, 5, 6, 7}});
  expect_same_as_plain(transposed_model({2, 3, 4, 5}, {3, 4, 3, 5}, strides(3, 2, {0, 2, 1, 1})),
                       {{2, 3, 4, 5}});
  Attributes line{{"strides", Integers{3}}, {"pads", Integers{1, 0}}};
  expect_same_as_plain(transposed_model({1, 3, 9}, {3, 4, 5}, line), {{1, 3, 9}});
  // Taps of 1 in a stride of 3: most outputs are the bias.
  expect_same_as_plain(transposed_model({1, 3, 4, 4}, {3, 2, 1, 1}, strides(3, 3)), {{1, 3, 4, 4}});
}

RC_GTEST_PROP(TransposedConvolution, equals_plain_definition_of_random_geometry, ()) {
  const auto between = [](int low, int high) { return *rc::gen::inRange(low, high + 1); };
  const int groups = between(1, 3);
  const int kernel_y = between(1, 5);
  const int kernel_x = between(1, 5);
  const int stride_y = between(1, 4);
  const int stride_x = between(1, 4);
  const int dilation_y = between(1, 3);
  const int dilation_x = between(1, 3);
  const Shape image{between(1, 2), groups * between(1, 3), between(2, 6), between(2, 6)};
  const int reach_y = (kernel_y - 1) * dilation_y;
  const int reach_x = (kernel_x - 1) * dilation_x;
  Attributes attributes{
      {"group", groups},
      {"strides", Integers{stride_y, stride_x}},
      {"dilations", Integers{dilation_y, dilation_x}},
      {"pads", Integers{between(0, reach_y), between(0, reach_x), between(0, reach_y / 2),
                        between(0, reach_x / 2)}},
      {"output_padding", Integers{between(0, stride_y - 1), between(0, stride_x - 1)}}};
  const Shape weights{image[1], between(1, 3), kernel_y, kernel_x};
  const OnnxModel model = transposed_model(image, weights, attributes, between(0, 1) == 1);
  try {
    model.bind({image});
  } catch (const DataError&) {
    RC_DISCARD("no output is left");
  }
  expect_same_as_plain(model, {image});
  RC_ASSERT(!testing::Test::HasFailure());
}

TEST(TransposedConvolution, normalisation_is_folded_and_refusals_name_the_node) {
  OnnxModel model = transposed_model({1, 4, 3, 3}, {4, 3, 4, 4}, strides(2, 2));
  Reals variance = random_reals(3, 77);
  for (float& value : variance) value = 0.1f + value * value;
  model.node("BatchNormalization",
             {"up", model.random("s", {3}), model.random("t", {3}), model.random("m", {3}),
              model.constant("v", {3}, variance)},
             "norm");
  OnnxModel normalised = model;
  normalised.proto().mutable_graph()->mutable_output(0)->set_name("norm");
  network::Graph graph = normalised.bind({{1, 4, 3, 3}});
  network::simplify(graph);
  for (const auto& node : graph.nodes) EXPECT_NE(node.op, "BatchNormalization");

  OnnxModel computed;
  computed.input("x", {1, 4, 3, 3});
  computed.input("w", {4, 3, 2, 2});
  computed.node("ConvTranspose", {"x", "w"}, "up");
  computed.output("up");
  try {
    make_program(computed, {{1, 4, 3, 3}, {4, 3, 2, 2}});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("node 'up' (ConvTranspose, opset 13): computed weights"));
  }
}

TEST(TransposedConvolution, maps_onto_tiles) {
  const Shape image{1, 8, 5, 5};
  const auto program =
      make_program(transposed_model(image, {8, 6, 4, 4}, strides(2, 2, {1, 1, 1, 1})), {image});
  std::vector<network::ProductMapping> mappings;
  for (const auto& product : program.products()) {
    mappings.push_back(network::map_product(photonics::Tile{}, product, 1, 1));
  }
  const auto total = network::total_mapping(mappings);
  EXPECT_EQ(total.macs, 10 * 10 * 6 * 8 * 4);
  EXPECT_EQ(total.reads, 10 * 10 * 6);  // one read for every output
}

struct EinsumCase {
  std::string equation;
  Shape a, b;
  bool constant = false;
  std::size_t products = 1;
  ProductKind kind = ProductKind::dynamic;
  std::int64_t dot_length = 0;
};

class Einsum : public testing::TestWithParam<EinsumCase> {};

TEST_P(Einsum, is_the_product_that_it_means) {
  const EinsumCase& one = GetParam();
  OnnxModel model;
  model.input("a", one.a);
  std::vector<Shape> shapes{one.a};
  if (one.constant) {
    model.random("b", one.b, 0.5f);
  } else {
    model.input("b", one.b);
    shapes.push_back(one.b);
  }
  model.node("Einsum", {"a", "b"}, "y", {{"equation", one.equation}});
  model.output("y");
  expect_same_as_plain(model, shapes);
  const auto program = make_program(model, shapes);
  ASSERT_EQ(program.products().size(), one.products);
  if (one.products == 0) return;
  EXPECT_EQ(program.products()[0].kind, one.kind);
  EXPECT_EQ(program.products()[0].dot_length, one.dot_length);
  EXPECT_EQ(program.products()[0].name, "y");
}

INSTANTIATE_TEST_SUITE_P(
    Equations, Einsum,
    testing::Values(
        EinsumCase{
            "bhqd,bhkd->bhqk", {1, 2, 5, 4}, {1, 2, 6, 4}, false, 1, ProductKind::dynamic, 4},
        EinsumCase{
            "bqhd,bkhd->bhqk", {1, 5, 2, 4}, {1, 6, 2, 4}, false, 1, ProductKind::dynamic, 4},
        EinsumCase{"bnd,dk->bnk", {1, 5, 6}, {6, 7}, true, 1, ProductKind::dense, 6},
        EinsumCase{"bnd,kd->bnk", {1, 5, 6}, {7, 6}, true, 1, ProductKind::dense, 6},
        EinsumCase{"bnhd,hde->bne", {1, 5, 2, 3}, {2, 3, 7}, true, 1, ProductKind::dense, 6},
        EinsumCase{"bchw,oc->bohw", {1, 4, 3, 5}, {6, 4}, true, 1, ProductKind::dense, 4},
        EinsumCase{"bi,bi->b", {3, 4}, {3, 4}, false, 1, ProductKind::dynamic, 4},
        EinsumCase{"ij,ij->ij", {3, 4}, {3, 4}, false, 0, ProductKind::dynamic, 0},
        EinsumCase{"bc,c->bc", {3, 4}, {4}, true, 0, ProductKind::dynamic, 0}));

TEST(Einsum, what_is_no_product_of_two_is_refused_by_name) {
  for (const auto& [equation, why] :
       std::map<std::string, std::string>{{"ij,jk,kl->il", "a product of 3 operands"},
                                          {"ii,ij,ij->i", "a diagonal"},
                                          {"ij,jk,kl->iz", "'z' is in no input"},
                                          {"ij,jk->ik", "one term for each input"}}) {
    OnnxModel model;
    for (const std::string name : {"a", "b", "c"}) model.input(name, {3, 3});
    model.node("Einsum", {"a", "b", "c"}, "y", {{"equation", equation}});
    model.output("y");
    try {
      make_program(model, {{3, 3}, {3, 3}, {3, 3}});
      ADD_FAILURE() << equation;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("node 'y' (Einsum, opset 13)"));
      EXPECT_THAT(error.what(), HasSubstr(why));
    }
  }
}

TEST(Gemm, of_computed_operands_is_a_noisy_product) {
  OnnxModel model;
  model.input("a", {4, 3});
  model.input("b", {5, 4});
  model.node("Gemm", {"a", "b", model.random("c", {3, 5})}, "y",
             {{"transA", 1}, {"transB", 1}, {"alpha", 0.5}, {"beta", 2.0}});
  model.output("y");
  expect_same_as_plain(model, {{4, 3}, {5, 4}});
  const auto program = make_program(model, {{4, 3}, {5, 4}});
  ASSERT_EQ(program.products().size(), 1u);
  EXPECT_EQ(program.products()[0].kind, ProductKind::dynamic);
  EXPECT_EQ(program.products()[0].dot_length, 4);
}

}  // namespace
}  // namespace attojoule::tests
