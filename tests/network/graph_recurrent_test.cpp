// Recurrent layers as products that tiles run, step by step. Their numbers are compared with ONNX
// Runtime's in tests/golden/operator_reference_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "network/tile_mapping.hpp"
#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::Shape;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t inputs = 5, hidden = 7;

std::int64_t gates_of(const std::string& op) {
  return op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
}

// A layer over [steps][batch][inputs], its last hidden state as the output.
OnnxModel recurrent_model(const std::string& op, std::int64_t steps, const Attributes& attributes,
                          const std::vector<std::string>& more = {""}) {
  OnnxModel model(14);
  const auto direction = attributes.find("direction");
  const bool both =
      direction != attributes.end() && std::get<std::string>(direction->second) == "bidirectional";
  const std::int64_t directions = both ? 2 : 1, rows = gates_of(op) * hidden;
  model.input("x", {steps, 1, inputs});
  std::vector<std::string> given{"x", model.random("w", {directions, rows, inputs}, 0.4f),
                                 model.random("r", {directions, rows, hidden}, 0.4f),
                                 model.random("b", {directions, 2 * rows})};
  given.insert(given.end(), more.begin(), more.end());
  model.nodes(op, given, {"rnn", "last"}, attributes);
  model.output("last");
  return model;
}

std::vector<std::string> names(const network::Program& program) {
  std::vector<std::string> result;
  for (const auto& product : program.products()) result.push_back(product.name);
  return result;
}

TEST(RecurrentLayers, are_one_product_for_the_inputs_and_one_for_every_step) {
  const auto lstm = make_program(recurrent_model("LSTM", 3, {}), {{3, 1, inputs}});
  // The first step has a state of zeros: there is nothing to multiply.
  EXPECT_THAT(names(lstm), ElementsAre("rnn/input", "rnn/step1", "rnn/step2"));
  const auto& input = lstm.products()[0];
  EXPECT_EQ(input.positions, 3);
  EXPECT_EQ(input.channels, 4 * hidden);
  EXPECT_EQ(input.dot_length, inputs);
  EXPECT_EQ(input.macs(), 3 * 4 * hidden * inputs);
  for (const std::size_t step : {1u, 2u}) {
    EXPECT_EQ(lstm.products()[step].positions, 1);
    EXPECT_EQ(lstm.products()[step].channels, 4 * hidden);
    EXPECT_EQ(lstm.products()[step].dot_length, hidden);
  }
  const auto mapped = network::map_product(photonics::Tile{}, lstm.products()[1], 1, 1);
  EXPECT_EQ(mapped.reads, 4 * hidden);
}

TEST(RecurrentLayers, directions_and_gates_have_names_of_their_own) {
  const auto both = make_program(
      recurrent_model("RNN", 2, {{"direction", std::string("bidirectional")}}), {{2, 1, inputs}});
  EXPECT_THAT(names(both), ElementsAre("rnn/forward/input", "rnn/forward/step1",
                                       "rnn/backward/input", "rnn/backward/step0"));
  const auto before = make_program(recurrent_model("GRU", 2, {}), {{2, 1, inputs}});
  EXPECT_THAT(names(before), ElementsAre("rnn/input", "rnn/step1", "rnn/step1/hidden"));
  EXPECT_EQ(before.products()[1].channels, 2 * hidden);
  EXPECT_EQ(before.products()[2].channels, hidden);
  const auto after =
      make_program(recurrent_model("GRU", 2, {{"linear_before_reset", 1}}), {{2, 1, inputs}});
  EXPECT_THAT(names(after), ElementsAre("rnn/input", "rnn/step1"));
  EXPECT_EQ(after.products()[1].channels, 3 * hidden);
}

TEST(RecurrentLayers, steps_share_their_weights_unless_each_has_errors_of_its_own) {
  const auto bytes = [](std::int64_t steps, bool keep) {
    return make_program(recurrent_model("LSTM", steps, {}), {{steps, 1, inputs}}, keep)
        .weight_bytes();
  };
  EXPECT_EQ(bytes(40, false), bytes(4, false));
  EXPECT_GT(bytes(40, true), bytes(4, true));
}

TEST(RecurrentLayers, noise_of_an_early_step_reaches_the_end) {
  network::Program program = make_program(recurrent_model("GRU", 6, {}), {{6, 1, inputs}});
  const Inputs x = random_inputs({{6, 1, inputs}}, 3);
  const auto clean = run_clean(program, x);
  std::vector<network::ProductNoise> noise(program.products().size(), shot_noise(0));
  noise[1] = shot_noise(1e-2);
  program.set_noise(noise);
  auto lane = program.make_lane();
  const auto noisy = run_sample(program, lane, x, 0, {.noisy = true, .seed = 1});
  double moved = 0;
  for (std::size_t i = 0; i < clean.size(); ++i) moved += std::abs(noisy[i] - clean[i]);
  EXPECT_GT(moved, 1e-5);
}

TEST(RecurrentLayers, variants_that_cannot_run_are_refused_by_name) {
  const auto refused = [](OnnxModel model, const std::string& problem, Shape shape = {3, 1, inputs},
                          std::vector<Shape> others = {}) {
    std::vector<Shape> shapes{std::move(shape)};
    shapes.insert(shapes.end(), others.begin(), others.end());
    try {
      make_program(model, shapes);
      FAIL() << problem;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("node 'rnn' ("));
      EXPECT_THAT(error.what(), HasSubstr(problem));
    }
  };
  refused(recurrent_model("LSTM", 3, {{"clip", 2.0}}), "clipped gates");
  refused(recurrent_model("LSTM", 3, {{"layout", 1}}), "layout 1");
  refused(recurrent_model("LSTM", 3, {{"input_forget", 1}}), "coupled");
  refused(recurrent_model("LSTM", 3, {{"direction", std::string("sideways")}}), "'sideways'");
  refused(recurrent_model("LSTM", 3, {{"hidden_size", 8}}), "input 1 of shape");
  refused(recurrent_model("RNN", 4097, {}), "4097 steps", {4097, 1, inputs});
  refused(recurrent_model("LSTM", 3, {{"hidden_size", -1}}), "-1 units");
  refused(recurrent_model("LSTM", 3, {{"hidden_size", 1 << 30}}), "1 to 1048576 units");

  OnnxModel peepholes = recurrent_model("LSTM", 3, {}, {"", "", "", "p"});
  peepholes.random("p", {1, 3 * hidden});
  refused(peepholes, "peepholes");
  OnnxModel lengths = recurrent_model("LSTM", 3, {}, {"lengths"});
  lengths.constant("lengths", {1}, Integers{2});
  refused(lengths, "several lengths");
  OnnxModel whole = recurrent_model("LSTM", 3, {}, {"lengths"});
  whole.constant("lengths", {1}, Integers{3});
  EXPECT_EQ(make_program(whole, {{3, 1, inputs}}).products().size(), 3u);

  OnnxModel activation = recurrent_model("RNN", 3, {});
  auto* names = activation.proto().mutable_graph()->mutable_node(0)->add_attribute();
  names->set_name("activations");
  names->set_type(onnx::AttributeProto::STRINGS);
  names->add_strings("Affine");
  refused(activation, "activation 'Affine'");
  names->add_strings("Tanh");
  refused(activation, "does not name 1 functions");

  OnnxModel computed(14);
  computed.input("x", {3, 1, inputs});
  computed.input("w", {1, hidden, inputs});
  computed.nodes("RNN", {"x", "w", computed.random("r", {1, hidden, hidden})}, {"rnn"}, {});
  computed.output("rnn");
  refused(computed, "computed weights", {3, 1, inputs}, {{1, hidden, inputs}});
}

}  // namespace
}  // namespace attojoule::tests
