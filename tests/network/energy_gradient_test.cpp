// Gradients of the loss in ln E against finite differences of the loss under common random numbers,
// through every operator and every law.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "network/energy_gradient.hpp"
#include "network/range_calibration.hpp"
#include "photonics/error.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::EnergyGradient;
using network::NoiseRequest;
using network::ProductOperatingPoint;
using network::Program;
using network::SampleSource;
using network::Shape;
using photonics::Law;

photonics::Device ideal_device() {
  photonics::Device device;
  device.name = "ideal";
  device.detector.quantum_efficiency = 1;
  device.receiver.kind = photonics::ReceiverKind::ideal;
  return device;
}

struct Case {
  std::string name;
  OnnxModel model;
  std::vector<Shape> shapes;
  int classes = 3;
};

network::Program gradient_program(const Case& c,
                                  const network::QuantisationOptions& quantisation = {},
                                  bool limits_operands = false) {
  network::Graph graph = c.model.bind(c.shapes);
  network::simplify(graph);
  network::ProgramOptions options;
  options.gradients = true;
  options.keep_weights = true;
  options.quantisation = quantisation;
  options.limits_operands = limits_operands;
  return {std::move(graph), options};
}

// Samples of standard normal numbers (or their absolute values), labels in turn.
SampleSource random_source(const Case& c, bool positive = false) {
  SampleSource source;
  source.size = 64;
  source.load = [shapes = c.shapes, positive](std::int64_t index, Program::Lane& lane) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      auto target = lane.input(i);
      const auto values = random_reals(static_cast<std::int64_t>(target.size()),
                                       static_cast<std::uint64_t>(100 + index * 10) + i);
      for (std::size_t k = 0; k < target.size(); ++k) {
        target[k] = positive ? std::abs(values[k]) : values[k];
      }
    }
  };
  source.label = [classes = c.classes](std::int64_t index) {
    return static_cast<int>(index % classes);
  };
  return source;
}

// Two products around an operator, and scores of three classes behind them.
Case around(const std::string& name, const Shape& input,
            const std::function<std::string(OnnxModel&, const std::string&)>& body,
            int opset = 13) {
  Case c{name, OnnxModel(opset), {input}};
  OnnxModel& m = c.model;
  m.input("x", input);
  std::string value = "x";
  if (input.size() == 4) {
    value = m.node("Conv", {"x", m.random("w1", {6, input[1], 3, 3}, 0.4f), m.random("b1", {6})},
                   "conv1", {{"pads", Integers{1, 1, 1, 1}}});
  } else {
    value = m.node("MatMul", {"x", m.random("w1", {input.back(), 6}, 0.5f)}, "matmul1");
  }
  value = body(m, value);
  value = m.node("Flatten", {value}, "flat");
  // The extent is not known here: a reduction over all features by a wide product follows.
  m.output(value);
  const auto graph = m.bind({input});
  const auto features = graph.value(graph.outputs[0]).shape[1];
  m.proto().mutable_graph()->clear_output();
  m.node("Gemm",
         {value, m.random("w2", {features, 3}, 1.0f / std::sqrt(static_cast<float>(features))),
          m.random("b2", {3})},
         "scores");
  m.output("scores");
  return c;
}

struct Check {
  Law law = Law::garg_shot;
  photonics::Encoding encoding = photonics::Encoding::normalised;
  photonics::Device device = ideal_device();
  double energy = 20;
  double step = 0.02;
  double tolerance = 5e-3;  // of the largest derivative
  bool positive = false;
  network::QuantisationOptions quantisation = {};
  double range_share = 1;  // of the inputs' ranges, as full scales: less than 1 clips
};

void expect_gradient(const Case& c, const Check& check) {
  SCOPED_TRACE(c.name);
  const bool limits = check.encoding == photonics::Encoding::full_scale;
  Program program = gradient_program(c, check.quantisation, limits);
  const SampleSource source = random_source(c, check.positive);
  NoiseRequest law;
  law.law = check.law;
  law.encoding = check.encoding;
  if (network::needs_ranges(check.device, check.law, check.encoding)) {
    network::RangeOptions ranges;
    ranges.method = network::RangeMethod::minmax;
    law.ranges = network::calibrate_ranges(program, source, ranges, 1);
    for (auto& range : law.ranges) {
      range.low *= check.range_share;
      range.high *= check.range_share;
      range.weight_absolute_maximum *= check.range_share;
    }
  }
  EnergyGradient gradient(program, source, check.device, law, 2);
  const auto& products = program.products();
  std::vector<std::int64_t> samples(24);
  std::iota(samples.begin(), samples.end(), 0);

  for (const bool by_channel : {false, true}) {
    std::vector<ProductOperatingPoint> points(products.size());
    std::size_t seed = 0;
    for (std::size_t i = 0; i < products.size(); ++i) {
      const bool dynamic = products[i].kind == network::ProductKind::dynamic;
      const auto count =
          by_channel && !dynamic ? static_cast<std::size_t>(products[i].channels) : 1;
      for (std::size_t k = 0; k < count; ++k) {
        points[i].push_back({check.energy * (1 + 0.1 * static_cast<double>(seed++ % 7)), 1});
      }
    }
    gradient.set_points(points);
    const auto got = gradient.run(samples, 5, by_channel);
    ASSERT_EQ(got.by_log_energy.size(), products.size());
    EXPECT_GT(got.loss, 0);
    std::vector<double> wanted, values;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < products.size(); ++i) {
      ASSERT_EQ(got.by_log_energy[i].size(), points[i].size());
      for (std::size_t k = 0; k < points[i].size(); ++k) {
        if (by_channel && k > 3) break;  // the first channels stand for all
        const auto loss_at = [&](double shift) {
          auto moved = points;
          moved[i][k].photons_per_mac *= std::exp(shift);
          gradient.set_points(moved);
          return gradient.loss(samples, 5, true).loss;
        };
        // Fourth order: the step may be wide enough for losses in single precision.
        const double h = check.step;
        wanted.push_back((8 * (loss_at(h) - loss_at(-h)) - (loss_at(2 * h) - loss_at(-2 * h))) /
                         (12 * h));
        values.push_back(got.by_log_energy[i][k]);
        names.push_back(products[i].name + "[" + std::to_string(k) + "]");
      }
    }
    double largest = 0;
    for (const double value : wanted) largest = std::max(largest, std::abs(value));
    ASSERT_GT(largest, 1e-5) << "nothing to compare";
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      EXPECT_NEAR(values[k], wanted[k], check.tolerance * largest)
          << names[k] << (by_channel ? " by channel" : " by layer");
    }
  }
}

// `smooth`: no activation has a kink, so that finite differences are exact.
Case convolutions(bool smooth) {
  return around("convolutions", {1, 2, 7, 6}, [smooth](OnnxModel& m, const std::string& x) {
    std::string v = m.node(smooth ? "Tanh" : "Relu", {x}, "relu1");
    v = m.node("Conv", {v, m.random("wa", {8, 6, 3, 2}, 0.3f), m.random("ba", {8})}, "strided",
               {{"strides", Integers{2, 1}}, {"pads", Integers{1, 0, 0, 1}}});
    v = smooth ? m.node("Sigmoid", {v}, "clip")
               : m.node("Clip", {v, m.constant("lo", {}, Reals{0}), m.constant("hi", {}, Reals{2})},
                        "clip");
    v = m.node("Conv", {v, m.random("wd", {8, 1, 3, 3}, 0.5f)}, "depthwise",
               {{"group", 8}, {"pads", Integers{1, 1, 1, 1}}});
    v = m.node("Conv", {v, m.random("wg", {4, 4, 1, 1}, 0.5f)}, "grouped", {{"group", 2}});
    v = m.node("Conv", {v, m.random("wl", {4, 4, 2, 2}, 0.5f)}, "dilated",
               {{"dilations", Integers{2, 2}}, {"pads", Integers{1, 1, 1, 1}}});
    return v;
  });
}

Case residuals(bool smooth) {
  return around("residuals", {1, 2, 5, 5}, [smooth](OnnxModel& m, const std::string& x) {
    const std::string r = m.node(smooth ? "Tanh" : "Relu", {x}, "relu1");
    std::string v = m.node("Conv", {r, m.random("wa", {6, 6, 3, 3}, 0.2f), m.random("ba", {6})},
                           "conv2", {{"pads", Integers{1, 1, 1, 1}}});
    v = m.node("Add", {v, r}, "sum1");
    v = m.node(smooth ? "Softplus" : "Relu", {v}, "relu2");
    // The input and the summand of a product are the same value.
    std::string u = m.node("Conv", {v, m.random("wb", {6, 6, 1, 1}, 0.3f)}, "conv3");
    u = m.node("Add", {v, u}, "sum2");
    return m.node("Sub", {u, r}, "difference");
  });
}

Case attention(int opset = 13) {
  Case c{"attention", OnnxModel(opset), {{1, 5, 8}}};
  OnnxModel& m = c.model;
  m.input("x", {1, 5, 8});
  const auto heads = [&](const std::string& name, bool transposed) {
    std::string v = m.node("MatMul", {"x", m.random("w" + name, {8, 8}, 0.4f)}, name);
    v = m.node("Add", {v, m.random("b" + name, {8}, 0.3f)}, name + "b");
    v = m.node("Reshape", {v, m.constant("s" + name, {4}, Integers{1, 5, 2, 4})}, name + "r");
    return m.node("Transpose", {v}, name + "t",
                  {{"perm", transposed ? Integers{0, 2, 3, 1} : Integers{0, 2, 1, 3}}});
  };
  std::string v = m.node("MatMul", {heads("q", false), heads("k", true)}, "qk");
  v = m.node("Div", {v, m.constant("scale", {}, Reals{2})}, "scaled");
  v = m.node("Softmax", {v}, "softmax", {{"axis", -1}});
  v = m.node("MatMul", {v, heads("v", false)}, "pv");
  v = m.node("Transpose", {v}, "back", {{"perm", Integers{0, 2, 1, 3}}});
  v = m.node("Reshape", {v, m.constant("joined", {3}, Integers{1, 5, 8})}, "join");
  v = m.node("MatMul", {v, m.random("wo", {8, 8}, 0.4f)}, "out");
  v = m.node("Add", {v, "x"}, "residual");
  v = m.node("Slice",
             {v, m.constant("from", {1}, Integers{0}), m.constant("to", {1}, Integers{1}),
              m.constant("axes", {1}, Integers{1})},
             "first");
  v = m.node("Reshape", {v, m.constant("row", {2}, Integers{1, 8})}, "vector");
  m.node("Gemm", {v, m.random("wc", {8, 3}, 0.5f), m.random("bc", {3})}, "scores");
  m.output("scores");
  return c;
}

Case mlp() {
  return around("mlp", {1, 9}, [](OnnxModel& m, const std::string& x) {
    std::string v = m.node("Relu", {x}, "relu1");
    v = m.node("Gemm", {v, m.random("w", {7, 6}, 0.5f), m.random("b", {7})}, "hidden",
               {{"transB", 1}, {"alpha", 0.7}});
    return m.node("Relu", {v}, "relu2");
  });
}

TEST(EnergyGradient, shot_noise_of_every_kind_of_product) {
  for (const Case& c : {convolutions(true), residuals(true), attention()}) expect_gradient(c, {});
}

// Clamps that are fused into products: a finite step crosses some of their kinks.
TEST(EnergyGradient, fused_clamps) {
  for (const Case& c : {convolutions(false), residuals(false), mlp()}) {
    expect_gradient(c, {.step = 1e-3, .tolerance = 3e-2});
  }
}

// ---- operators between two products ----

using Body = std::function<std::string(OnnxModel&, const std::string&)>;

Body unary(const std::string& op, const Attributes& attributes = {}) {
  return [=](OnnxModel& m, const std::string& x) { return m.node(op, {x}, "op", attributes); };
}

// Values in [0.3, 2.3].
std::string positive(OnnxModel& m, const std::string& x) {
  const std::string s = m.node("Sigmoid", {x}, "positive_s");
  const std::string two = m.node("Mul", {s, m.constant("two", {}, Reals{2})}, "positive_m");
  return m.node("Add", {two, m.constant("third", {}, Reals{0.3f})}, "positive");
}

Body positive_unary(const std::string& op) {
  return [=](OnnxModel& m, const std::string& x) { return m.node(op, {positive(m, x)}, "op"); };
}

struct Named {
  std::string name;
  Shape input;
  Body body;
  int opset = 13;
};

std::vector<Named> operators() {
  const Shape image{1, 2, 6, 6};
  const Shape rows{1, 4, 5};
  std::vector<Named> all;
  for (const std::string op :
       {"Relu", "LeakyRelu", "Sigmoid", "Tanh", "Exp", "Abs", "Elu", "Erf", "Cos", "Sin", "Neg",
        "Softplus", "Softsign", "Selu", "HardSigmoid", "Identity"}) {
    all.push_back({op, rows, unary(op)});
  }
  all.push_back({"HardSwish", rows, unary("HardSwish"), 14});
  all.push_back({"Gelu", rows, unary("Gelu"), 20});
  all.push_back({"Gelu by tanh", rows, unary("Gelu", {{"approximate", std::string("tanh")}}), 20});
  for (const std::string op : {"Sqrt", "Log", "Reciprocal"}) {
    all.push_back({op, rows, positive_unary(op)});
  }
  for (const std::string op : {"Add", "Sub", "Mul", "Div", "Min", "Max", "Sum"}) {
    all.push_back({op + " of two values", rows, [=](OnnxModel& m, const std::string& x) {
                     return m.node(op, {x, positive(m, x)}, "op");
                   }});
    all.push_back({op + " with a row", rows, [=](OnnxModel& m, const std::string& x) {
                     const std::string row =
                         m.node("ReduceMean", {positive(m, x)}, "row", {{"axes", Integers{1}}});
                     const std::string first = m.node(op, {x, row}, "first");
                     return m.node(op, {row, m.node("Sigmoid", {first}, "sigmoid")}, "op");
                   }});
  }
  all.push_back({"Sum of three", rows, [](OnnxModel& m, const std::string& x) {
                   return m.node("Sum", {x, positive(m, x), m.random("c", {6})}, "op");
                 }});
  all.push_back({"Max of three", rows, [](OnnxModel& m, const std::string& x) {
                   return m.node("Max", {x, positive(m, x), m.random("c", {6})}, "op");
                 }});
  all.push_back({"Pow", rows, [](OnnxModel& m, const std::string& x) {
                   return m.node("Pow", {positive(m, x), m.constant("p", {}, Reals{2.5f})}, "op");
                 }});
  all.push_back({"Pow of a computed exponent", rows, [](OnnxModel& m, const std::string& x) {
                   return m.node("Pow", {positive(m, x), m.node("Tanh", {x}, "exponent")}, "op");
                 }});
  all.push_back({"PRelu", rows, [](OnnxModel& m, const std::string& x) {
                   return m.node("PRelu", {x, m.random("slope", {6})}, "op");
                 }});
  all.push_back({"Where", rows, [](OnnxModel& m, const std::string& x) {
                   const std::string condition =
                       m.node("Greater", {x, m.constant("zero", {}, Reals{0.1f})}, "condition");
                   return m.node("Where", {condition, positive(m, x), x}, "op");
                 }});
  for (const std::string op : {"ReduceMean", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceMax",
                               "ReduceMin", "ReduceProd"}) {
    all.push_back({op, rows, [=](OnnxModel& m, const std::string& x) {
                     return m.node(op, {x}, "op", {{"axes", Integers{1}}, {"keepdims", 0}});
                   }});
  }
  all.push_back({"ReduceSum", rows, [](OnnxModel& m, const std::string& x) {
                   return m.node("ReduceSum", {x, m.constant("a", {1}, Integers{2})}, "op");
                 }});
  for (const std::string op : {"Softmax", "LogSoftmax"}) {
    all.push_back({op, rows, unary(op, {{"axis", -1}})});
    all.push_back({op + " of an inner axis", rows, unary(op, {{"axis", 1}})});
    all.push_back({op + " of old opsets", rows, unary(op, {{"axis", 1}}), 11});
  }
  all.push_back({"LayerNormalization", rows,
                 [](OnnxModel& m, const std::string& x) {
                   return m.node("LayerNormalization",
                                 {x, m.random("scale", {6}, 0.3f, 1), m.random("shift", {6})},
                                 "op");
                 },
                 17});
  all.push_back({"LayerNormalization of two axes", rows,
                 [](OnnxModel& m, const std::string& x) {
                   return m.node("LayerNormalization", {x, m.random("scale", {4, 6}, 0.3f, 1)},
                                 "op", {{"axis", 1}});
                 },
                 17});
  all.push_back(
      {"layer normalisation in parts", rows, [](OnnxModel& m, const std::string& x) {
         const Attributes last{{"axes", Integers{-1}}};
         const std::string mean = m.node("ReduceMean", {x}, "mean", last);
         const std::string d = m.node("Sub", {x, mean}, "deviation");
         const std::string square = m.node("Pow", {d, m.constant("two", {}, Reals{2})}, "square");
         const std::string v = m.node("ReduceMean", {square}, "variance", last);
         const std::string e = m.node("Add", {v, m.constant("eps", {}, Reals{1e-5f})}, "regular");
         return m.node("Div", {d, m.node("Sqrt", {e}, "root")}, "op");
       }});
  all.push_back({"BatchNormalization", image, [](OnnxModel& m, const std::string& x) {
                   // Behind a Relu, so that it cannot be folded into the product before it.
                   return m.node(
                       "BatchNormalization",
                       {m.node("Relu", {x}, "relu"), m.random("scale", {6}), m.random("shift", {6}),
                        m.random("mean", {6}), m.constant("variance", {6}, Reals(6, 0.7f))},
                       "op");
                 }});
  for (const std::string op : {"MaxPool", "AveragePool"}) {
    all.push_back(
        {op, image, unary(op, {{"kernel_shape", Integers{3, 2}}, {"strides", Integers{2, 2}}})});
    all.push_back({op + " with padding", image,
                   unary(op, {{"kernel_shape", Integers{3, 3}},
                              {"strides", Integers{2, 1}},
                              {"pads", Integers{1, 1, 1, 0}},
                              {"ceil_mode", 1}})});
  }
  all.push_back({"AveragePool that counts its padding", image,
                 unary("AveragePool", {{"kernel_shape", Integers{3, 3}},
                                       {"pads", Integers{1, 1, 1, 1}},
                                       {"count_include_pad", 1}})});
  all.push_back(
      {"MaxPool with dilation", image,
       unary("MaxPool", {{"kernel_shape", Integers{2, 2}}, {"dilations", Integers{2, 2}}})});
  all.push_back({"GlobalAveragePool", image, unary("GlobalAveragePool")});
  all.push_back({"GlobalMaxPool", image, unary("GlobalMaxPool")});
  all.push_back({"Transpose", image, unary("Transpose", {{"perm", Integers{0, 3, 1, 2}}})});
  all.push_back({"Slice backwards", image, [](OnnxModel& m, const std::string& x) {
                   return m.node("Slice",
                                 {x, m.constant("f", {2}, Integers{-1, 0}),
                                  m.constant("t", {2}, Integers{-100, 5}),
                                  m.constant("a", {2}, Integers{1, 3}),
                                  m.constant("s", {2}, Integers{-2, 2})},
                                 "op");
                 }});
  all.push_back(
      {"Concat and Slice", image, [](OnnxModel& m, const std::string& x) {
         const std::string part =
             m.node("Slice",
                    {x, m.constant("f", {1}, Integers{1}), m.constant("t", {1}, Integers{4}),
                     m.constant("a", {1}, Integers{1})},
                    "part");
         return m.node("Concat", {m.node("Tanh", {x}, "tanh"), part, x}, "op", {{"axis", 1}});
       }});
  all.push_back({"Split", image, [](OnnxModel& m, const std::string& x) {
                   m.nodes("Split", {x}, {"one", "two"}, {{"axis", 1}});
                   return m.node("Mul", {"one", "two"}, "op");
                 }});
  all.push_back(
      {"Pad and Tile", image, [](OnnxModel& m, const std::string& x) {
         const std::string padded =
             m.node("Pad",
                    {x, m.constant("pads", {8}, Integers{0, 1, 0, 2, 0, 0, 1, 0}),
                     m.constant("fill", {}, Reals{1.5f})},
                    "padded");
         return m.node("Tile", {padded, m.constant("n", {4}, Integers{1, 2, 1, 1})}, "op");
       }});
  all.push_back({"Pad by reflection", image, [](OnnxModel& m, const std::string& x) {
                   return m.node("Pad",
                                 {x, m.constant("pads", {8}, Integers{0, 0, 1, 2, 0, 0, 1, 1})},
                                 "op", {{"mode", std::string("reflect")}});
                 }});
  all.push_back(
      {"Expand", rows, [](OnnxModel& m, const std::string& x) {
         const std::string row = m.node("ReduceMean", {x}, "row", {{"axes", Integers{1}}});
         return m.node("Expand", {row, m.constant("to", {3}, Integers{1, 3, 6})}, "op");
       }});
  all.push_back(
      {"Gather of computed rows", rows, [](OnnxModel& m, const std::string& x) {
         return m.node("Gather", {x, m.constant("i", {3}, Integers{2, 0, 2})}, "op", {{"axis", 1}});
       }});
  all.push_back({"Conv and pooling of volumes", image, [](OnnxModel& m, const std::string& x) {
                   // 6 channels of an image as 2 channels of 3 layers.
                   std::string v = m.node(
                       "Reshape", {x, m.constant("to", {5}, Integers{1, 2, 3, 6, 6})}, "volume");
                   v = m.node("Conv", {v, m.random("wv", {3, 2, 2, 3, 2}, 0.4f)}, "op",
                              {{"pads", Integers{1, 0, 1, 0, 1, 0}}});
                   return m.node("AveragePool", {v}, "pool", {{"kernel_shape", Integers{2, 2, 3}}});
                 }});
  for (const char* op : {"RNN", "GRU", "LSTM"}) {
    all.push_back(
        {op, rows, [op](OnnxModel& m, const std::string& x) {
           const std::int64_t gates = *op == 'L' ? 4 : *op == 'G' ? 3 : 1;
           const std::string v = m.node("Transpose", {x}, "steps", {{"perm", Integers{1, 0, 2}}});
           return m.node(
               op,
               {v, m.random("wi", {1, gates * 4, 6}, 0.5f), m.random("wr", {1, gates * 4, 4}, 0.5f),
                m.random("wb", {1, gates * 8}, 0.5f)},
               "op");
         }});
  }
  all.push_back({"Squeeze, Unsqueeze and Cast", rows, [](OnnxModel& m, const std::string& x) {
                   std::string v = m.node("Unsqueeze", {x, m.constant("a", {1}, Integers{2})}, "u");
                   v = m.node("Squeeze", {v, m.constant("b", {1}, Integers{0})}, "s");
                   v = m.node("Cast", {v}, "cast", {{"to", 1}});
                   return m.node("Unsqueeze", {v, m.constant("c", {1}, Integers{0})}, "op");
                 }});
  return all;
}

class EnergyGradientOperator : public testing::TestWithParam<Named> {};

void PrintTo(const Named& named, std::ostream* out) {
  *out << named.name;
}

TEST_P(EnergyGradientOperator, finite_differences) {
  const Named& named = GetParam();
  // Piecewise functions have kinks that a finite step meets now and then.
  expect_gradient(around(named.name, named.input, named.body, named.opset),
                  {.energy = 60, .step = 0.01, .tolerance = 2e-2});
}

INSTANTIATE_TEST_SUITE_P(All, EnergyGradientOperator, testing::ValuesIn(operators()),
                         [](const testing::TestParamInfo<Named>& named) {
                           std::string name = named.param.name;
                           for (char& letter : name) {
                             if (std::isalnum(static_cast<unsigned char>(letter)) == 0)
                               letter = '_';
                           }
                           return name;
                         });

// ---- laws ----

photonics::Device real_device() {
  photonics::Device device = ideal_device();
  device.detector.quantum_efficiency = 0.8;
  device.detector.dark_current_a = 1e-9;
  device.detector.coupler_transmission = 0.48;
  device.laser.rin_per_hz = 1e-11;
  device.receiver.kind = photonics::ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-17;
  device.receiver.integration_time_s = 1e-9;
  device.receiver.visibility = 0.95;
  return device;
}

TEST(EnergyGradient, homodyne_law_with_all_its_coefficients) {
  for (const auto encoding : {photonics::Encoding::normalised, photonics::Encoding::full_scale}) {
    Check check{.law = Law::homodyne, .encoding = encoding, .device = real_device()};
    check.energy = encoding == photonics::Encoding::full_scale ? 400 : 40;
    for (const Case& c : {convolutions(true), residuals(true), attention()})
      expect_gradient(c, check);
  }
}

// A third of the range as full scale: the gradient stops at clipped operands.
TEST(EnergyGradient, operands_clipped_at_full_scale) {
  Check check{.law = Law::homodyne,
              .encoding = photonics::Encoding::full_scale,
              .device = real_device(),
              .energy = 200,
              .step = 0.004,  // differences cross kinks in proportion to it
              .range_share = 0.3};
  for (const Case& c : {convolutions(true), residuals(true), attention()})
    expect_gradient(c, check);
}

TEST(EnergyGradient, thermal_noise) {
  for (const Case& c : {convolutions(true), attention()}) {
    expect_gradient(c, {.law = Law::garg_thermal, .energy = 2});
  }
}

TEST(EnergyGradient, weight_noise) {
  for (const Case& c : {convolutions(true), residuals(true)}) {
    expect_gradient(c, {.law = Law::garg_weight, .energy = 2});
  }
}

// Counts have no derivative, but their mean loss has one: the Gaussian stand-in must agree with it
// where the counts are many (about 50 an output here), up to its own error of some percent.
TEST(EnergyGradient, counting_law_on_average) {
  const Case c = mlp();
  Program program = gradient_program(c);
  NoiseRequest law;
  law.law = Law::counting;
  EnergyGradient gradient(program, random_source(c, true), ideal_device(), law, 1);
  std::vector<std::int64_t> samples(24);
  std::iota(samples.begin(), samples.end(), 0);
  constexpr int seeds = 400;
  const std::vector<double> energies{12, 15, 18};
  const auto points_at = [&](std::size_t moved, double shift) {
    std::vector<ProductOperatingPoint> points;
    for (std::size_t i = 0; i < energies.size(); ++i) {
      points.push_back({{energies[i] * (i == moved ? std::exp(shift) : 1.0), 1}});
    }
    return points;
  };
  const auto mean_loss = [&](std::size_t moved, double shift) {
    gradient.set_points(points_at(moved, shift));
    double sum = 0;
    for (int seed = 0; seed < seeds; ++seed) {
      sum += gradient.loss(samples, static_cast<std::uint64_t>(seed), true).loss / seeds;
    }
    return sum;
  };
  std::vector<double> got(3, 0.0);
  gradient.set_points(points_at(0, 0));
  for (int seed = 0; seed < seeds; ++seed) {
    const auto one = gradient.run(samples, static_cast<std::uint64_t>(seed), false);
    for (std::size_t i = 0; i < 3; ++i) got[i] += one.by_log_energy[i][0] / seeds;
  }
  double largest = 0;
  std::vector<double> wanted;
  for (std::size_t i = 0; i < 3; ++i) {
    wanted.push_back((mean_loss(i, 0.2) - mean_loss(i, -0.2)) / 0.4);
    largest = std::max(largest, std::abs(wanted[i]));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LT(wanted[i], 0) << "more light, less loss";
    EXPECT_NEAR(got[i], wanted[i], 0.15 * largest) << i;
  }
}

TEST(EnergyGradient, digital_products_have_none) {
  const Case c = mlp();
  Program program = gradient_program(c);
  NoiseRequest law;
  law.law = Law::garg_shot;
  law.digital = {false, true, false};
  EnergyGradient gradient(program, random_source(c), ideal_device(), law, 1);
  gradient.set_points(std::vector<ProductOperatingPoint>(3, ProductOperatingPoint{{10, 1}}));
  const std::vector<std::int64_t> samples{0, 1, 2, 3};
  const auto result = gradient.run(samples, 1, true);
  EXPECT_THAT(result.by_log_energy[1], testing::Each(0.0));
  EXPECT_THAT(result.by_log_energy[0], testing::Contains(testing::Ne(0.0)));
}

TEST(EnergyGradient, threads_do_not_change_a_bit) {
  const Case c = convolutions(false);
  NoiseRequest law;
  law.law = Law::garg_shot;
  std::vector<std::int64_t> samples(40);
  std::iota(samples.begin(), samples.end(), 3);
  std::optional<network::GradientResult> first;
  for (const int threads : {1, 2, 3}) {
    Program program = gradient_program(c);
    EnergyGradient gradient(program, random_source(c), ideal_device(), law, threads);
    gradient.set_points(std::vector<ProductOperatingPoint>(program.products().size(),
                                                           ProductOperatingPoint{{10, 1}}));
    auto result = gradient.run(samples, 1, true);
    if (!first) first = result;
    EXPECT_EQ(result.loss, first->loss);
    EXPECT_EQ(result.by_log_energy, first->by_log_energy);
  }
}

TEST(EnergyGradient, outputs_are_those_of_the_fast_program) {
  for (const Case& c : {convolutions(false), residuals(false), attention(), mlp()}) {
    SCOPED_TRACE(c.name);
    network::Graph graph = c.model.bind(c.shapes);
    Program fast = make_program(graph);
    Program slow = gradient_program(c);
    const Inputs inputs = random_inputs(c.shapes, 3);
    const auto noise = std::vector<network::ProductNoise>(fast.products().size(), shot_noise(1e-3));
    fast.set_noise(noise);
    slow.set_noise(noise);
    for (const bool noisy : {false, true}) {
      const Program::PassSettings settings{.noisy = noisy, .statistics = false, .seed = 4};
      auto fast_lane = fast.make_lane();
      auto slow_lane = slow.make_lane();
      const auto wanted = run_sample(fast, fast_lane, inputs, 7, settings);
      const auto got = run_sample(slow, slow_lane, inputs, 7, settings);
      ASSERT_EQ(got.size(), wanted.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i], wanted[i], 1e-5 * (1 + std::abs(wanted[i])));
      }
    }
  }
}

// ---- curvature ----

// The increase of the loss under little noise, averaged over many draws, is what the curvature
// says.
TEST(EnergyGradient, curvature_predicts_the_loss_of_little_noise) {
  const Case c = mlp();
  Program program = gradient_program(c);
  // Labels of the network itself: the Gauss-Newton part is the whole Hessian on average.
  NoiseRequest law;
  law.law = Law::garg_shot;
  SampleSource source = random_source(c);
  EnergyGradient gradient(program, source, ideal_device(), law, 2);
  const std::vector<ProductOperatingPoint> points(3, ProductOperatingPoint{{300, 1}});
  gradient.set_points(points);
  std::vector<std::int64_t> samples;
  for (int i = 0; i < 64; ++i) samples.push_back(i);
  double predicted = 0;
  constexpr int draws = 200;
  for (int seed = 0; seed < draws; ++seed) {
    const auto curvature = gradient.curvature(samples, static_cast<std::uint64_t>(seed), true);
    for (std::size_t i = 0; i < 3; ++i) {
      for (const double value : curvature.coefficients[i]) {
        ASSERT_GE(value, 0);
        predicted += value / 300 / draws;
      }
    }
  }
  EXPECT_GT(predicted, 0);
  // Expected cross entropy under the clean network's own softmax, noisy minus clean.
  auto lane = program.make_lane();
  double measured = 0;
  const auto softmax = [](std::span<const float> logits) {
    double sum = 0;
    std::vector<double> p;
    for (const float value : logits) sum += p.emplace_back(std::exp(static_cast<double>(value)));
    for (double& value : p) value /= sum;
    return p;
  };
  for (const auto sample : samples) {
    source.load(sample, lane);
    const auto clean = softmax(program.run(lane, 0, {}, {}));
    for (int seed = 0; seed < draws; ++seed) {
      source.load(sample, lane);
      const auto noisy = softmax(program.run(
          lane, static_cast<std::uint32_t>(sample),
          {.noisy = true, .statistics = false, .seed = static_cast<std::uint64_t>(seed)}, {}));
      for (std::size_t k = 0; k < clean.size(); ++k) {
        measured += clean[k] * std::log(clean[k] / noisy[k]) / draws / 64;
      }
    }
  }
  // Second order in the noise: the next order is of relative size 1 / E times a constant.
  EXPECT_NEAR(predicted, measured, 0.1 * measured);
}

// ---- errors ----

TEST(EnergyGradient, refuses_a_program_that_keeps_nothing) {
  const Case c = mlp();
  Program program = make_program(c.model, c.shapes);
  EXPECT_THROW(EnergyGradient(program, random_source(c), ideal_device(), {}, 1), ConfigError);
}

TEST(EnergyGradient, refuses_labels_that_are_no_output) {
  const Case c = mlp();
  Program program = gradient_program(c);
  SampleSource source = random_source(c);
  source.label = [](std::int64_t) { return 3; };
  NoiseRequest law;
  law.law = Law::garg_shot;
  EnergyGradient gradient(program, source, ideal_device(), law, 1);
  gradient.set_points(std::vector<ProductOperatingPoint>(3, ProductOperatingPoint{{10, 1}}));
  const std::vector<std::int64_t> samples{0};
  EXPECT_THROW(gradient.run(samples, 1, true), DataError);
}

}  // namespace
}  // namespace attojoule::tests
