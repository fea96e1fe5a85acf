// Noise through whole programs: its variance at every output, what it does not depend on, and what
// stays without it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "network/evaluation.hpp"
#include "network/noise_plan.hpp"
#include "photonics/error.hpp"
#include "tests/statistics.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::NoiseKind;
using network::ProductNoise;
using network::Program;
using network::Shape;
using photonics::VarianceCoefficients;

const Program::PassSettings noisy_pass{.noisy = true, .statistics = false, .seed = 1};

ProductNoise gaussian(const VarianceCoefficients& variance) {
  ProductNoise noise;
  noise.kind = NoiseKind::gaussian;
  noise.models.resize(1);
  noise.models[0].variance = variance;
  return noise;
}

// ---- variance ----

// Errors of a known variance: mean square over variance is 1 +- sqrt(2 / n).
struct Ratio {
  double squares = 0;
  double count = 0;
  double mean() const { return squares / count; }
  double standard_errors(double wanted) const {
    return (mean() - wanted) / (wanted * std::sqrt(2 / count));
  }
};

// Runs `samples` times on the same inputs. Every output's mean square error must be its variance
// within five standard errors, all together as well; a variance of 1.1 times that must fail for all
// together. Errors of neighbours must be uncorrelated.
void expect_variances(const Program& program, const Inputs& inputs,
                      const std::vector<double>& variances, int samples) {
  const auto clean = run_clean(program, inputs);
  ASSERT_EQ(clean.size(), variances.size());
  std::vector<Ratio> outputs(clean.size());
  Ratio all;
  double neighbours = 0;
  auto lane = program.make_lane();
  for (int sample = 0; sample < samples; ++sample) {
    const auto noisy =
        run_sample(program, lane, inputs, static_cast<std::uint32_t>(sample), noisy_pass);
    double before = 0;
    for (std::size_t i = 0; i < noisy.size(); ++i) {
      const double error = static_cast<double>(noisy[i]) - clean[i];
      if (variances[i] == 0) {
        // The clean run may add the bias before the products, the noisy one after them.
        ASSERT_LE(std::abs(error), 1e-6 * (1 + std::abs(clean[i]))) << "output " << i;
        continue;
      }
      const double normal = error / std::sqrt(variances[i]);
      for (Ratio* ratio : {&outputs[i], &all}) {
        ratio->squares += normal * normal;
        ratio->count += 1;
      }
      neighbours += normal * before;
      before = normal;
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (variances[i] == 0) continue;
    EXPECT_LT(std::abs(outputs[i].standard_errors(1)), five_sigma)
        << "output " << i << ": variance " << outputs[i].mean() << " of what it must be";
  }
  EXPECT_LT(std::abs(all.standard_errors(1)), five_sigma) << all.mean();
  EXPECT_GT(std::abs(all.standard_errors(1.1)), five_sigma) << "too few samples to tell 1.1 from 1";
  EXPECT_LT(std::abs(neighbours / std::sqrt(all.count)), five_sigma);
}

// The variance of every output of a Conv from its definition: c0 + c_w |w|^2 + c_x |x|^2 +
// c_wx |w|^2 |x|^2 + c_y y^2, where |x|^2 is the convolution of x^2 with ones.
std::vector<double> conv_variances(const Shape& x_shape, const Shape& w_shape,
                                   const Attributes& attributes, const Reals& x, const Reals& w,
                                   const std::vector<VarianceCoefficients>& by_channel) {
  const auto plain = [&](const Reals& input, const Reals& weights) {
    OnnxModel model;
    model.input("x", x_shape);
    model.node("Conv", {"x", model.constant("w", w_shape, weights)}, "y", attributes);
    model.output("y");
    return PlainNetwork(model.bind({x_shape}), {input}).output().value;
  };
  Reals squares = x;
  for (float& value : squares) value *= value;
  const auto norms = plain(squares, Reals(w.size(), 1.0f));
  const auto y = plain(x, w);
  const auto channels = static_cast<std::size_t>(w_shape[0]);
  const std::size_t depth = w.size() / channels;
  const std::size_t positions = y.values.size() / channels / static_cast<std::size_t>(x_shape[0]);
  std::vector<double> variances;
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const std::size_t channel = i / positions % channels;
    double w_norm = 0;
    for (std::size_t k = 0; k < depth; ++k) {
      w_norm += static_cast<double>(w[channel * depth + k]) * w[channel * depth + k];
    }
    const auto& c = by_channel[by_channel.size() == 1 ? 0 : channel];
    variances.push_back(c.constant + c.weight_norm * w_norm + c.input_norm * norms.values[i] +
                        c.norm_product * w_norm * norms.values[i] +
                        c.signal * y.values[i] * y.values[i]);
  }
  return variances;
}

struct ConvNoise {
  const char* name;
  Shape input, weights;
  Attributes attributes;
};

void PrintTo(const ConvNoise& conv, std::ostream* out) {
  *out << conv.name;
}

class ConvVariance : public testing::TestWithParam<ConvNoise> {
 protected:
  void check(const std::vector<VarianceCoefficients>& by_channel, int samples) {
    const ConvNoise& conv = GetParam();
    OnnxModel model;
    model.input("x", conv.input);
    const Reals w = random_reals(network::element_count(conv.weights), 8);
    model.node("Conv",
               {"x", model.constant("w", conv.weights, w), model.random("b", {conv.weights[0]})},
               "y", conv.attributes);
    model.output("y");
    Program program = make_program(model, {conv.input});
    ProductNoise noise;
    noise.kind = NoiseKind::gaussian;
    for (const auto& variance : by_channel) noise.models.emplace_back().variance = variance;
    program.set_noise({noise});
    const Inputs inputs = random_inputs({conv.input}, 3);
    expect_variances(
        program, inputs,
        conv_variances(conv.input, conv.weights, conv.attributes, inputs[0], w, by_channel),
        samples);
  }
};

TEST_P(ConvVariance, shot_noise_of_every_patch) {
  check({{.norm_product = 0.04}}, 2000);
}

TEST_P(ConvVariance, all_coefficients) {
  check({{.constant = 0.5,
          .weight_norm = 0.05,
          .input_norm = 0.03,
          .norm_product = 0.02,
          .signal = 0.01}},
        2000);
}

TEST_P(ConvVariance, every_channel_its_own) {
  std::vector<VarianceCoefficients> by_channel;
  for (std::int64_t c = 0; c < GetParam().weights[0]; ++c) {
    const double k = static_cast<double>(c);
    by_channel.push_back({.constant = 0.1 * k, .norm_product = c % 3 == 1 ? 0.02 * k : 0.0});
  }
  check(by_channel, 2000);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ConvVariance,
    testing::Values(
        ConvNoise{"padded", {1, 3, 5, 4}, {5, 3, 3, 3}, {{"pads", Integers{1, 1, 1, 1}}}},
        ConvNoise{"strided",
                  {1, 2, 7, 6},
                  {3, 2, 3, 3},
                  {{"pads", Integers{1, 0, 0, 1}}, {"strides", Integers{2, 2}}}},
        ConvNoise{"dilated",
                  {1, 2, 6, 6},
                  {3, 2, 2, 3},
                  {{"pads", Integers{1, 2, 1, 2}}, {"dilations", Integers{2, 2}}}},
        ConvNoise{
            "grouped", {1, 6, 4, 4}, {4, 3, 3, 3}, {{"group", 2}, {"pads", Integers{1, 1, 1, 1}}}},
        ConvNoise{"depthwise",
                  {1, 5, 5, 4},
                  {5, 1, 3, 3},
                  {{"group", 5}, {"pads", Integers{1, 1, 1, 1}}}},
        ConvNoise{"multiplier",
                  {1, 2, 4, 4},
                  {6, 1, 3, 3},
                  {{"group", 2}, {"pads", Integers{1, 1, 1, 1}}}},
        ConvNoise{"pointwise", {1, 7, 4, 3}, {4, 7, 1, 1}, {}},
        ConvNoise{"pointwise_strided", {1, 7, 5, 5}, {4, 7, 1, 1}, {{"strides", Integers{2, 2}}}},
        ConvNoise{"one_dimension", {1, 3, 11}, {4, 3, 4}, {{"pads", Integers{2, 1}}}},
        ConvNoise{"batch", {2, 3, 4, 4}, {3, 3, 3, 3}, {{"pads", Integers{1, 1, 1, 1}}}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(DenseVariance, rows_of_a_matrix) {
  for (const bool transposed : {false, true}) {
    OnnxModel model;
    model.input("x", {4, 9});
    const Reals w = random_reals(9 * 5, 8);
    model.node("Gemm", {"x", model.constant("w", transposed ? Shape{5, 9} : Shape{9, 5}, w)}, "y",
               {{"transB", transposed ? 1 : 0}, {"alpha", 0.5}});
    model.output("y");
    Program program = make_program(model, {{4, 9}});
    const VarianceCoefficients c{.constant = 0.1, .input_norm = 0.02, .norm_product = 0.05};
    program.set_noise({gaussian(c)});
    const Inputs inputs = random_inputs({{4, 9}}, 3);
    std::vector<double> variances;
    for (std::size_t row = 0; row < 4; ++row) {
      for (std::size_t channel = 0; channel < 5; ++channel) {
        double x_norm = 0, w_norm = 0;
        for (std::size_t k = 0; k < 9; ++k) {
          const double weight = 0.5 * w[transposed ? channel * 9 + k : k * 5 + channel];
          x_norm += static_cast<double>(inputs[0][row * 9 + k]) * inputs[0][row * 9 + k];
          w_norm += weight * weight;
        }
        variances.push_back(c.constant + c.input_norm * x_norm + c.norm_product * w_norm * x_norm);
      }
    }
    expect_variances(program, inputs, variances, 3000);
  }
}

TEST(DynamicVariance, both_operands_computed) {
  for (const bool transposed : {false, true}) {  // the right operand is a view of its transpose
    OnnxModel model;
    model.input("a", {2, 3, 7});
    model.input("b", transposed ? Shape{2, 4, 7} : Shape{2, 7, 4});
    std::string right = "b";
    if (transposed) right = model.node("Transpose", {"b"}, "t", {{"perm", Integers{0, 2, 1}}});
    model.node("MatMul", {"a", right}, "y");
    model.output("y");
    const std::vector<Shape> shapes{{2, 3, 7}, transposed ? Shape{2, 4, 7} : Shape{2, 7, 4}};
    Program program = make_program(model, shapes);
    const VarianceCoefficients c{.constant = 0.2,
                                 .weight_norm = 0.03,
                                 .input_norm = 0.05,
                                 .norm_product = 0.02,
                                 .signal = 0.04};
    program.set_noise({gaussian(c)});
    const Inputs inputs = random_inputs(shapes, 3);
    const auto clean = run_clean(program, inputs);
    std::vector<double> variances;
    for (std::size_t n = 0; n < 2; ++n) {
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 4; ++j) {
          double x_norm = 0, w_norm = 0;
          for (std::size_t k = 0; k < 7; ++k) {
            const double x = inputs[0][(n * 3 + i) * 7 + k];
            const double w = inputs[1][transposed ? (n * 4 + j) * 7 + k : (n * 7 + k) * 4 + j];
            x_norm += x * x;
            w_norm += w * w;
          }
          const double y = clean[variances.size()];
          variances.push_back(c.constant + c.weight_norm * w_norm + c.input_norm * x_norm +
                              c.norm_product * w_norm * x_norm + c.signal * y * y);
        }
      }
    }
    expect_variances(program, inputs, variances, 3000);
  }
}

// From a device and photons per MAC to the output: sigma = |w| |x| / sqrt(eta D n).
TEST(PlannedVariance, homodyne_receiver_of_a_given_efficiency) {
  const Shape shape{1, 3, 5, 5};
  OnnxModel model;
  model.input("x", shape);
  const Reals w = random_reals(4 * 27, 8);
  const Attributes attributes{{"pads", Integers{1, 1, 1, 1}}};
  model.node("Conv", {"x", model.constant("w", {4, 3, 3, 3}, w)}, "y", attributes);
  model.output("y");
  Program program = make_program(model, {shape});
  photonics::Device device;
  device.detector.quantum_efficiency = 0.8;
  network::NoiseRequest request;
  request.points = {{{.photons_per_mac = 3, .repetitions = 2}}};
  program.set_noise(network::plan_noise(device, program, request));
  const Inputs inputs = random_inputs({shape}, 3);
  const double product = 1 / (0.8 * 27 * 3 * 2);
  expect_variances(
      program, inputs,
      conv_variances(shape, {4, 3, 3, 3}, attributes, inputs[0], w, {{.norm_product = product}}),
      2000);
}

// Photon counting: variance (K_W S)^2 t / (eta n D) with t the transmission of the output.
TEST(PlannedVariance, photon_counting_of_a_given_efficiency) {
  for (const double efficiency : {1.0, 0.4}) {
    OnnxModel model;
    model.input("x", {2, 12});
    const Reals w = random_reals(12 * 5, 8);
    model.node("Gemm", {"x", model.constant("w", {12, 5}, w)}, "y");
    model.output("y");
    Program program = make_program(model, {{2, 12}});
    photonics::Device device;
    device.detector.quantum_efficiency = efficiency;
    network::NoiseRequest request;
    request.law = photonics::Law::counting;
    request.points = {{{.photons_per_mac = 200, .repetitions = 1}}};
    program.set_noise(network::plan_noise(device, program, request));
    Reals x = random_reals(24, 3);
    for (float& value : x) value = std::abs(value);
    const auto [low, high] = std::minmax_element(w.begin(), w.end());
    const double span = static_cast<double>(*high) - *low;
    std::vector<double> variances;
    double transmission = 0;
    for (std::size_t row = 0; row < 2; ++row) {
      for (std::size_t channel = 0; channel < 5; ++channel) {
        double sum = 0, light = 0;
        for (std::size_t k = 0; k < 12; ++k) {
          sum += x[row * 12 + k];
          light += x[row * 12 + k] * (static_cast<double>(w[k * 5 + channel]) - *low) / span;
        }
        variances.push_back(span * sum * span * light / (efficiency * 200 * 12));
        transmission += light / sum;
      }
    }
    expect_variances(program, {x}, variances, 4000);
    auto lane = program.make_lane();
    std::vector<network::ProductRecord> records(1);
    run_sample(program, lane, {x}, 0, noisy_pass, records);
    EXPECT_NEAR(records[0].photons, 200.0 * 12 * 10, 1e-6);
    EXPECT_NEAR(records[0].photons_detected, efficiency * 200.0 * 12 * transmission, 0.01);
    EXPECT_NEAR(records[0].transmission, transmission / 10, 1e-5);
  }
}

TEST(PlannedVariance, statistics_report_the_same_variance) {
  OnnxModel model;
  model.input("x", {3, 9});
  model.node("Gemm", {"x", model.random("w", {9, 5}), model.random("b", {5})}, "y");
  model.output("y");
  Program program = make_program(model, {{3, 9}});
  program.set_noise({shot_noise(0.05)});
  const Inputs inputs = random_inputs({{3, 9}}, 3);
  const auto lane_run = [&](bool noisy) {
    auto lane = program.make_lane();
    std::vector<network::ProductRecord> records(1);
    run_sample(program, lane, inputs, 0, {.noisy = noisy, .statistics = true, .seed = 1}, records);
    return records[0];
  };
  const auto& product = program.products()[0];
  double variance = 0, signal = 0;
  const Reals w = random_reals(45, 1001);
  for (std::size_t row = 0; row < 3; ++row) {
    double x_norm = 0;
    for (std::size_t k = 0; k < 9; ++k) x_norm += std::pow(inputs[0][row * 9 + k], 2);
    for (std::size_t c = 0; c < 5; ++c) {
      double y = 0;
      for (std::size_t k = 0; k < 9; ++k) y += inputs[0][row * 9 + k] * w[k * 5 + c];
      variance += 0.05 * product.weight_norms[c] * x_norm;
      signal += y * y;
    }
  }
  for (const bool noisy : {false, true}) {
    const auto record = lane_run(noisy);
    EXPECT_NEAR(record.variance, variance, 1e-5 * variance);
    EXPECT_NEAR(record.signal, signal, 1e-5 * signal);
    const auto [low, high] = std::minmax_element(inputs[0].begin(), inputs[0].end());
    EXPECT_EQ(record.input_low, *low);
    EXPECT_EQ(record.input_high, *high);
  }
}

// ---- what the noise depends on ----

// Convolutions of all kinds, attention and a classifier.
OnnxModel mixed_network() {
  OnnxModel model;
  model.input("x", {1, 4, 6, 6});
  model.node("Conv", {"x", model.random("w1", {8, 4, 3, 3}, 0.2f), model.random("b1", {8})}, "conv",
             {{"pads", Integers{1, 1, 1, 1}}});
  model.node("Relu", {"conv"}, "r1");
  model.node("Conv", {"r1", model.random("w2", {8, 1, 3, 3}, 0.4f)}, "depthwise",
             {{"group", 8}, {"pads", Integers{1, 1, 1, 1}}});
  model.node("Conv", {"depthwise", model.random("w3", {8, 4, 1, 1}, 0.4f)}, "grouped",
             {{"group", 2}});
  model.node("Add", {"grouped", "r1"}, "sum");
  model.node("Clip",
             {"sum", model.constant("low", {}, Reals{0}), model.constant("high", {}, Reals{6})},
             "r2");
  model.node("Reshape", {"r2", model.constant("s1", {3}, Integers{1, 8, 36})}, "rows");
  model.node("Transpose", {"rows"}, "columns", {{"perm", Integers{0, 2, 1}}});
  model.node("MatMul", {"rows", "columns"}, "dynamic");
  model.node("Softmax", {"dynamic"}, "soft", {{"axis", 2}});
  model.node("Flatten", {"soft"}, "flat");
  model.node("Gemm", {"flat", model.random("w4", {64, 5})}, "dense");
  model.output("dense");
  return model;
}

const Shape mixed_shape{1, 4, 6, 6};

network::SampleSource mixed_source(std::int64_t size) {
  network::SampleSource source;
  source.size = size;
  source.load = [](std::int64_t index, Program::Lane& lane) {
    const Reals x = random_reals(4 * 36, 500 + static_cast<std::uint64_t>(index));
    std::copy(x.begin(), x.end(), lane.input(0).begin());
  };
  source.label = [](std::int64_t) { return 0; };
  return source;
}

std::vector<ProductNoise> mixed_noise() {
  auto noise = std::vector<ProductNoise>(5, shot_noise(0.01));
  for (auto& one : noise) {
    one.models[0].photons = {.constant = 3, .per_weight_norm = 0.1, .per_input_norm = 0.7};
    one.models[0].variance.constant = 0.001;
  }
  return noise;
}

TEST(NoiseInvariance, threads_change_no_bit) {
  Program program = make_program(mixed_network(), {mixed_shape});
  program.set_noise(mixed_noise());
  network::PassRequest request;
  request.images = 60;
  request.seed = 7;
  request.noisy = true;
  request.statistics = true;
  request.keep_logits = true;
  const auto one = network::Evaluator(program, mixed_source(60), 1).run(request, {});
  for (const int threads : {2, 4}) {
    const auto more = network::Evaluator(program, mixed_source(60), threads).run(request, {});
    EXPECT_EQ(more.logits, one.logits);
    ASSERT_EQ(more.totals.size(), one.totals.size());
    for (std::size_t i = 0; i < one.totals.size(); ++i) {
      EXPECT_EQ(more.totals[i].photons, one.totals[i].photons);
      EXPECT_EQ(more.totals[i].variance, one.totals[i].variance);
      EXPECT_EQ(more.totals[i].signal, one.totals[i].signal);
    }
  }
}

TEST(NoiseInvariance, order_of_samples_and_memory_change_no_bit) {
  Program program = make_program(mixed_network(), {mixed_shape});
  program.set_noise(mixed_noise());
  network::PassRequest request;
  request.images = 12;
  request.seed = 7;
  request.noisy = true;
  request.keep_logits = true;
  const auto pass = network::Evaluator(program, mixed_source(12), 1).run(request, {});
  auto lane = program.make_lane();
  for (const int index : {11, 3, 0, 7, 3}) {
    const auto sample = static_cast<std::uint32_t>(index);
    const Inputs inputs{random_reals(4 * 36, 500 + sample)};
    const auto alone =
        run_sample(program, lane, inputs, sample, {.noisy = true, .statistics = false, .seed = 7});
    const auto first = pass.logits.begin() + index * 5;
    EXPECT_EQ(alone, Reals(first, first + 5)) << index;
  }
  // Statistics only look.
  std::vector<network::ProductRecord> records(5);
  const Inputs inputs{random_reals(4 * 36, 500)};
  EXPECT_EQ(
      run_sample(program, lane, inputs, 0, {.noisy = true, .statistics = true, .seed = 7}, records),
      Reals(pass.logits.begin(), pass.logits.begin() + 5));
}

TEST(NoiseInvariance, seeds_samples_and_products_have_noise_of_their_own) {
  Program program = make_program(mixed_network(), {mixed_shape});
  const Inputs inputs{random_reals(4 * 36, 500)};
  program.set_noise(mixed_noise());
  auto lane = program.make_lane();
  const auto run = [&](std::uint64_t seed, std::uint32_t sample) {
    return run_sample(program, lane, inputs, sample,
                      {.noisy = true, .statistics = false, .seed = seed});
  };
  const auto base = run(1, 0);
  EXPECT_EQ(run(1, 0), base);
  EXPECT_NE(run(2, 0), base);
  EXPECT_NE(run(std::uint64_t{1} << 40, 0), base);
  EXPECT_NE(run(1, 1), base);
  // Two equal products, one input: the difference of their outputs is the difference of their
  // noise.
  OnnxModel twins;
  twins.input("x", {1, 9});
  twins.random("w", {9, 16});
  twins.node("MatMul", {"x", "w"}, "a");
  twins.node("MatMul", {"x", "w"}, "b");
  twins.node("Sub", {"a", "b"}, "y");
  twins.output("y");
  Program two = make_program(twins, {{1, 9}});
  two.set_noise({shot_noise(0.01), shot_noise(0.01)});
  auto other_lane = two.make_lane();
  for (const float value : run_sample(two, other_lane, random_inputs({{1, 9}}, 1), 0, noisy_pass)) {
    EXPECT_NE(value, 0);
  }
}

// Switching the noise of one product off leaves the draws of the others as they are.
TEST(NoiseInvariance, products_are_paired) {
  OnnxModel model;
  model.input("x", {1, 9});
  model.node("Gemm", {"x", model.random("w", {9, 16})}, "a");
  model.node("Gemm", {"x", model.random("v", {9, 16})}, "b");
  model.node("Concat", {"a", "b"}, "y", {{"axis", 1}});
  model.output("y");
  Program program = make_program(model, {{1, 9}});
  const Inputs inputs = random_inputs({{1, 9}}, 1);
  auto lane = program.make_lane();
  program.set_noise({shot_noise(0.01), shot_noise(0.01)});
  const auto both = run_sample(program, lane, inputs, 0, noisy_pass);
  program.set_noise({ProductNoise{}, shot_noise(0.01)});
  const auto second = run_sample(program, lane, inputs, 0, noisy_pass);
  const auto clean = run_clean(program, inputs);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(second[i], clean[i]);
    EXPECT_NE(both[i], clean[i]);
    EXPECT_EQ(second[16 + i], both[16 + i]);
  }
}

// ---- what stays without noise ----

TEST(WithoutNoise, zero_coefficients_are_the_clean_pass_bit_for_bit) {
  Program program = make_program(mixed_network(), {mixed_shape});
  const Inputs inputs{random_reals(4 * 36, 500)};
  const auto clean = run_clean(program, inputs);
  auto lane = program.make_lane();
  program.set_noise(std::vector<ProductNoise>(5, gaussian({})));
  EXPECT_EQ(run_sample(program, lane, inputs, 0, noisy_pass), clean);
  program.set_noise(std::vector<ProductNoise>(5));  // all digital
  EXPECT_EQ(run_sample(program, lane, inputs, 0, noisy_pass), clean);
  program.set_noise({});
  EXPECT_EQ(run_sample(program, lane, inputs, 0, noisy_pass), clean);
  program.set_noise(mixed_noise());
  EXPECT_NE(run_sample(program, lane, inputs, 0, noisy_pass), clean);
  EXPECT_EQ(run_sample(program, lane, inputs, 0, {}), clean);  // not asked for
}

TEST(WithoutNoise, noise_must_fit_the_program) {
  Program program = make_program(mixed_network(), {mixed_shape});
  EXPECT_THROW(program.set_noise(std::vector<ProductNoise>(4, shot_noise(1))), ConfigError);
  auto noise = mixed_noise();
  noise[0].models.resize(7);  // of 8 channels
  EXPECT_THROW(program.set_noise(noise), ConfigError);
  noise = mixed_noise();
  noise[0].models.resize(8);
  EXPECT_NO_THROW(program.set_noise(noise));
  noise = mixed_noise();
  noise[3].models.resize(8);  // a product of two computed operands takes one
  EXPECT_THROW(program.set_noise(noise), ConfigError);
  noise = mixed_noise();
  noise[3].kind = NoiseKind::photon_counting;
  EXPECT_THROW(program.set_noise(noise), ConfigError);
  // What was refused has not been taken.
  program.set_noise({});
  EXPECT_THROW(program.set_noise(std::vector<ProductNoise>(4, shot_noise(1))), ConfigError);
  const Inputs inputs{random_reals(4 * 36, 500)};
  auto lane = program.make_lane();
  EXPECT_EQ(run_sample(program, lane, inputs, 0, noisy_pass), run_clean(program, inputs));
}

TEST(WithoutNoise, negative_light_is_refused_under_counting) {
  OnnxModel model;
  model.input("x", {1, 2});
  model.node("Gemm", {"x", model.random("w", {2, 2})}, "y");
  model.output("y");
  Program program = make_program(model, {{1, 2}});
  ProductNoise noise;
  noise.kind = NoiseKind::photon_counting;
  noise.models.resize(1);
  noise.models[0].photons_per_multiplication = 10;
  program.set_noise({noise});
  auto lane = program.make_lane();
  EXPECT_NO_THROW(run_sample(program, lane, {{0, 1}}, 0, noisy_pass));
  EXPECT_THROW(run_sample(program, lane, {{1, -0.001f}}, 0, noisy_pass), DataError);
  EXPECT_NO_THROW(run_sample(program, lane, {{1, -0.001f}}, 0, {}));
}

// ---- noise of the weights ----

// Unit vectors read the weights out.
Reals read_weights(const Program& program, std::int64_t inputs, std::int64_t outputs) {
  auto lane = program.make_lane();
  Reals weights;
  for (std::int64_t k = 0; k < inputs; ++k) {
    Inputs one{Reals(static_cast<std::size_t>(inputs), 0.0f)};
    one[0][static_cast<std::size_t>(k)] = 1;
    const auto row = run_sample(program, lane, one, 0, noisy_pass);
    EXPECT_EQ(row.size(), static_cast<std::size_t>(outputs));
    weights.insert(weights.end(), row.begin(), row.end());
  }
  return weights;
}

struct WeightNoise : testing::Test {
  static constexpr std::int64_t inputs = 128, outputs = 100;
  Reals weights = random_reals(inputs * outputs, 8, 0.3f);
  Program program = [this] {
    OnnxModel model;
    model.input("x", {1, inputs});
    model.node("Gemm", {"x", model.constant("w", {inputs, outputs}, weights)}, "y");
    model.output("y");
    return make_program(model, {{1, inputs}}, true);
  }();

  void plan(double energy) {
    network::NoiseRequest request;
    request.law = photonics::Law::garg_weight;
    request.points = {{{.photons_per_mac = energy, .repetitions = 1}}};
    program.set_noise(network::plan_noise(photonics::Device{}, program, request));
  }
};

// Garg's laws scale with a channel's range of weights: one whose weights are all 0, as pruning
// leaves it, has no noise and its neighbours have theirs.
TEST(DeadChannels, have_no_noise_under_the_range_laws) {
  constexpr std::int64_t inputs = 32;
  OnnxModel model;
  model.input("x", {1, inputs});
  Reals weights = random_reals(2 * inputs, 8, 0.3f);
  for (std::int64_t k = 0; k < inputs; ++k) weights[static_cast<std::size_t>(2 * k + 1)] = 0;
  model.node("Gemm", {"x", model.constant("w", {inputs, 2}, weights)}, "y");
  model.output("y");
  Program program = make_program(model, {{1, inputs}}, true);
  const Inputs given = random_inputs({{1, inputs}}, 3);
  for (const auto law : {photonics::Law::garg_thermal, photonics::Law::garg_weight}) {
    network::NoiseRequest request;
    request.law = law;
    request.points = {{{.photons_per_mac = 1, .repetitions = 1}}};
    request.ranges = {{.low = -1, .high = 1}};
    program.set_noise(network::plan_noise(photonics::Device{}, program, request));
    program.perturb_weights(5);
    auto lane = program.make_lane();
    const auto noisy = run_sample(program, lane, given, 0, {true, false, 5});
    EXPECT_EQ(noisy[1], 0.0f);
    program.set_noise({});
    program.perturb_weights(5);
    EXPECT_NE(noisy[0], run_sample(program, lane, given, 0, {})[0]);
  }
}

// Garg et al.: every weight + 0.1 R_w / sqrt(E) N(0, 1), R_w the range of its output's weights.
TEST_F(WeightNoise, has_the_standard_deviation_of_the_law) {
  plan(4);
  program.perturb_weights(5);
  const Reals perturbed = read_weights(program, inputs, outputs);
  Ratio all;
  Moments errors;
  for (std::int64_t c = 0; c < outputs; ++c) {
    float low = weights[static_cast<std::size_t>(c)], high = low;
    for (std::int64_t k = 0; k < inputs; ++k) {
      low = std::min(low, weights[static_cast<std::size_t>(k * outputs + c)]);
      high = std::max(high, weights[static_cast<std::size_t>(k * outputs + c)]);
    }
    const double sigma = 0.1 * (static_cast<double>(high) - low) / std::sqrt(4.0);
    for (std::int64_t k = 0; k < inputs; ++k) {
      const auto i = static_cast<std::size_t>(k * outputs + c);
      const double normal = (static_cast<double>(perturbed[i]) - weights[i]) / sigma;
      all.squares += normal * normal;
      all.count += 1;
      errors.add(normal);
    }
  }
  EXPECT_LT(std::abs(all.standard_errors(1)), five_sigma) << all.mean();
  EXPECT_GT(std::abs(all.standard_errors(1.1)), five_sigma);
  EXPECT_LT(std::abs(errors.mean()), five_sigma * errors.mean_error());
}

TEST_F(WeightNoise, is_one_draw_for_each_seed) {
  plan(4);
  program.perturb_weights(5);
  const Reals five = read_weights(program, inputs, outputs);
  program.perturb_weights(6);
  EXPECT_NE(read_weights(program, inputs, outputs), five);
  program.perturb_weights(5);
  EXPECT_EQ(read_weights(program, inputs, outputs), five);
}

TEST_F(WeightNoise, goes_when_it_is_switched_off) {
  const Reals before = read_weights(program, inputs, outputs);
  EXPECT_EQ(before, weights);
  plan(4);
  program.perturb_weights(5);
  EXPECT_NE(read_weights(program, inputs, outputs), before);
  program.set_noise({gaussian({})});  // sigma = 0
  program.perturb_weights(5);
  EXPECT_EQ(read_weights(program, inputs, outputs), before);
  plan(4);
  program.perturb_weights(5);
  program.set_noise({});  // digital again
  program.perturb_weights(5);
  EXPECT_EQ(read_weights(program, inputs, outputs), before);
}

TEST_F(WeightNoise, needs_kept_weights) {
  OnnxModel model;
  model.input("x", {1, 2});
  model.node("Gemm", {"x", model.random("w", {2, 2})}, "y");
  model.output("y");
  Program without = make_program(model, {{1, 2}});
  ProductNoise noise = gaussian({});
  noise.models[0].weight_noise = 0.1;
  without.set_noise({noise});
  EXPECT_THROW(without.perturb_weights(1), RunError);
}

TEST(WeightNoiseOfConvolutions, every_kernel_is_perturbed) {
  const Shape shape{1, 4, 5, 5};
  OnnxModel model;
  model.input("x", shape);
  const Reals w = random_reals(6 * 2 * 9, 8);
  model.node("Conv", {"x", model.constant("w", {6, 2, 3, 3}, w)}, "y", {{"group", 2}});
  model.output("y");
  Program program = make_program(model, {shape}, true);
  ProductNoise noise = gaussian({});
  noise.models.resize(6);
  for (std::size_t c = 0; c < 6; ++c) noise.models[c].weight_noise = 0.1 * static_cast<double>(c);
  program.set_noise({noise});
  program.perturb_weights(3);
  // The draw of weight i is element i of its stream, as the file stores the weights.
  Reals normal(w.size());
  photonics::fill_normal({3, photonics::NoiseDomain::weight_read, 0, 0, 0}, 0, normal);
  Reals wanted_weights = w;
  for (std::size_t i = 0; i < w.size(); ++i) {
    wanted_weights[i] += 0.1f * static_cast<float>(i / 18) * normal[i];
  }
  OnnxModel wanted;
  wanted.input("x", shape);
  wanted.node("Conv", {"x", wanted.constant("w", {6, 2, 3, 3}, wanted_weights)}, "y",
              {{"group", 2}});
  wanted.output("y");
  const Inputs inputs = random_inputs({shape}, 1);
  const network::Graph graph = wanted.bind({shape});
  expect_near(run_clean(program, inputs), PlainNetwork(graph, inputs).output(), "perturbed");
}

}  // namespace
}  // namespace attojoule::tests
