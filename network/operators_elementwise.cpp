// Operators that act on each element, alone or with a broadcast partner.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

std::vector<ValueInfo> infer_same(const OperatorCall& call) {
  return {{call.type(0), call.shape(0)}};
}

template <class Function>
void apply_unary(const InputTensors& in, std::vector<DoubleTensor>& out, Function function) {
  std::transform(in[0]->values.begin(), in[0]->values.end(), out[0].values.begin(), function);
}

// Position in an input that is broadcast to the output's shape.
class BroadcastIndex {
 public:
  BroadcastIndex(const Shape& input, const Shape& output) : output_(output) {
    const Shape own = row_major_strides(input);
    strides_.assign(output.size(), 0);
    for (std::size_t i = 0; i < input.size(); ++i) {
      const std::size_t axis = output.size() - input.size() + i;
      strides_[axis] = input[i] == 1 ? 0 : own[i];
    }
  }
  std::size_t operator()(std::size_t flat) const {
    std::int64_t position = 0;
    auto rest = static_cast<std::int64_t>(flat);
    for (std::size_t axis = output_.size(); axis-- > 0;) {
      position += (rest % output_[axis]) * strides_[axis];
      rest /= output_[axis];
    }
    return static_cast<std::size_t>(position);
  }

 private:
  const Shape& output_;
  Shape strides_;
};

template <class Function>
void apply_binary(const InputTensors& in, std::vector<DoubleTensor>& out, Function function) {
  const BroadcastIndex a(in[0]->shape, out[0].shape);
  const BroadcastIndex b(in[1]->shape, out[0].shape);
  for (std::size_t i = 0; i < out[0].values.size(); ++i) {
    out[0].values[i] = function(in[0]->values[a(i)], in[1]->values[b(i)]);
  }
}

std::vector<ValueInfo> infer_binary(const OperatorCall& call) {
  return {{call.type(0), broadcast_shape(call, call.shape(0), call.shape(1))}};
}

std::vector<ValueInfo> infer_comparison(const OperatorCall& call) {
  return {{ElementType::boolean, broadcast_shape(call, call.shape(0), call.shape(1))}};
}

std::vector<ValueInfo> infer_variadic(const OperatorCall& call) {
  Shape shape = call.shape(0);
  for (std::size_t i = 1; i < call.input_count(); ++i) {
    shape = broadcast_shape(call, shape, call.shape(i));
  }
  return {{call.type(0), shape}};
}

template <class Function>
void apply_variadic(const InputTensors& in, std::vector<DoubleTensor>& out, Function function) {
  for (std::size_t k = 0; k < in.size(); ++k) {
    const BroadcastIndex index(in[k]->shape, out[0].shape);
    for (std::size_t i = 0; i < out[0].values.size(); ++i) {
      const double value = in[k]->values[index(i)];
      out[0].values[i] = k == 0 ? value : function(out[0].values[i], value);
    }
  }
}

// f(x) without parameters.
#define ATTOJOULE_UNARY(NAME, EXPRESSION)                                                 \
  Operator {                                                                              \
    NAME, 1, 1, infer_same,                                                               \
        [](const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) { \
          apply_unary(in, out, [](double x) -> double { return EXPRESSION; });            \
        }                                                                                 \
  }
#define ATTOJOULE_BINARY(NAME, INFER, EXPRESSION)                                         \
  Operator {                                                                              \
    NAME, 2, 2, INFER,                                                                    \
        [](const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) { \
          apply_binary(in, out, [](double a, double b) -> double { return EXPRESSION; }); \
        }                                                                                 \
  }

std::vector<ValueInfo> infer_clip(const OperatorCall& call) {
  for (const std::size_t bound : {std::size_t{1}, std::size_t{2}}) {
    if (call.has_input(bound) && element_count(call.shape(bound)) != 1) {
      call.fail(
          fmt::format("a bound of shape {} (one number is needed)", to_string(call.shape(bound))),
          "Export the model again");
    }
  }
  return infer_same(call);
}

void evaluate_clip(const OperatorCall& call, const InputTensors& in,
                   std::vector<DoubleTensor>& out) {
  // Bounds are attributes up to opset 10 and inputs after.
  double low = call.real("min", -std::numeric_limits<double>::infinity());
  double high = call.real("max", std::numeric_limits<double>::infinity());
  if (call.has_input(1)) low = in[1]->values.at(0);
  if (call.has_input(2)) high = in[2]->values.at(0);
  apply_unary(in, out, [=](double x) { return std::min(std::max(x, low), high); });
}

void evaluate_leaky_relu(const OperatorCall& call, const InputTensors& in,
                         std::vector<DoubleTensor>& out) {
  const double slope = call.real("alpha", 0.01);
  apply_unary(in, out, [=](double x) { return x < 0 ? slope * x : x; });
}

void evaluate_elu(const OperatorCall& call, const InputTensors& in,
                  std::vector<DoubleTensor>& out) {
  const double alpha = call.real("alpha", 1);
  apply_unary(in, out, [=](double x) { return x < 0 ? alpha * std::expm1(x) : x; });
}

void evaluate_selu(const OperatorCall& call, const InputTensors& in,
                   std::vector<DoubleTensor>& out) {
  // Klambauer et al. 2017, as ONNX states the defaults.
  const double alpha = call.real("alpha", 1.67326319217681884765625);
  const double gamma = call.real("gamma", 1.05070102214813232421875);
  apply_unary(in, out, [=](double x) { return gamma * (x > 0 ? x : alpha * std::expm1(x)); });
}

void evaluate_hard_sigmoid(const OperatorCall& call, const InputTensors& in,
                           std::vector<DoubleTensor>& out) {
  const double alpha = call.real("alpha", 0.2);
  const double beta = call.real("beta", 0.5);
  apply_unary(in, out, [=](double x) { return std::clamp(alpha * x + beta, 0.0, 1.0); });
}

bool is_tanh_gelu(const OperatorCall& call) {
  return call.text("approximate", "none") == "tanh";
}

std::vector<ValueInfo> infer_gelu(const OperatorCall& call) {
  const std::string approximate = call.text("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    call.fail(fmt::format("approximate = '{}'", approximate), "Use none or tanh");
  }
  return infer_same(call);
}

// Hendrycks and Gimpel 2016: x times the normal distribution, or its approximation by tanh.
void evaluate_gelu(const OperatorCall& call, const InputTensors& in,
                   std::vector<DoubleTensor>& out) {
  if (is_tanh_gelu(call)) {
    apply_unary(in, out, [](double x) {
      const double inner = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
      return x / 2 * (1 + std::tanh(inner * (x + 0.044715 * x * x * x)));
    });
  } else {
    apply_unary(in, out, [](double x) { return x / 2 * (1 + std::erf(x / std::numbers::sqrt2)); });
  }
}

void evaluate_celu(const OperatorCall& call, const InputTensors& in,
                   std::vector<DoubleTensor>& out) {
  const double alpha = call.real("alpha", 1);
  apply_unary(in, out, [=](double x) {
    return std::max(x, 0.0) + std::min(0.0, alpha * std::expm1(x / alpha));
  });
}

void evaluate_thresholded_relu(const OperatorCall& call, const InputTensors& in,
                               std::vector<DoubleTensor>& out) {
  const double alpha = call.real("alpha", 1);
  apply_unary(in, out, [=](double x) { return x > alpha ? x : 0.0; });
}

void evaluate_shrink(const OperatorCall& call, const InputTensors& in,
                     std::vector<DoubleTensor>& out) {
  const double lambda = call.real("lambd", 0.5);
  const double bias = call.real("bias", 0);
  apply_unary(in, out, [=](double x) {
    if (x < -lambda) return x + bias;
    return x > lambda ? x - bias : 0.0;
  });
}

// The sign of the divisor, or of the dividend with fmod = 1.
void evaluate_mod(const OperatorCall& call, const InputTensors& in,
                  std::vector<DoubleTensor>& out) {
  const bool dividend = call.integer("fmod", 0) != 0;
  if (out[0].type != ElementType::real) {
    const auto& divisors = in[1]->values;
    if (std::find(divisors.begin(), divisors.end(), 0.0) != divisors.end()) {
      call.fail("an integer division by zero", "Check the exported graph");
    }
  }
  apply_binary(in, out, [=](double a, double b) {
    const double rest = std::fmod(a, b);
    return !dividend && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  });
}

void evaluate_mean(const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
  apply_variadic(in, out, std::plus<double>());
  for (double& value : out[0].values) value /= static_cast<double>(in.size());
}

std::vector<ValueInfo> infer_test(const OperatorCall& call) {
  return {{ElementType::boolean, call.shape(0)}};
}

std::vector<ValueInfo> infer_cast_like(const OperatorCall& call) {
  return {{call.type(1), call.shape(0)}};
}

std::vector<ValueInfo> infer_cast(const OperatorCall& call) {
  // Codes of onnx.proto's TensorProto.DataType: 1 float, 9 bool, 10 half, 11 double, else integers.
  switch (call.integer("to", 1)) {
    case 1:
    case 10:
    case 11:
      return {{ElementType::real, call.shape(0)}};
    case 9:
      return {{ElementType::boolean, call.shape(0)}};
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 12:
      return {{ElementType::integer, call.shape(0)}};
    default:
      call.fail(fmt::format("a cast to element type {}", call.integer("to", 1)),
                "Use float32, int64 or bool");
  }
}

void evaluate_cast(const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
  const ElementType type = out[0].type;
  apply_unary(in, out, [=](double x) {
    if (type == ElementType::boolean) return x != 0 ? 1.0 : 0.0;
    return type == ElementType::integer ? std::trunc(x) : x;
  });
}

std::vector<ValueInfo> infer_dropout(const OperatorCall& call) {
  return {{call.type(0), call.shape(0)}, {ElementType::boolean, call.shape(0)}};
}

void evaluate_dropout(const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
  out[0].values = in[0]->values;  // inference: nothing is dropped
  if (out.size() > 1) std::fill(out[1].values.begin(), out[1].values.end(), 1.0);
}

std::vector<ValueInfo> infer_where(const OperatorCall& call) {
  const Shape both = broadcast_shape(call, call.shape(1), call.shape(2));
  return {{call.type(1), broadcast_shape(call, call.shape(0), both)}};
}

void evaluate_where(const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
  const BroadcastIndex condition(in[0]->shape, out[0].shape);
  const BroadcastIndex a(in[1]->shape, out[0].shape);
  const BroadcastIndex b(in[2]->shape, out[0].shape);
  for (std::size_t i = 0; i < out[0].values.size(); ++i) {
    out[0].values[i] = in[0]->values[condition(i)] != 0 ? in[1]->values[a(i)] : in[2]->values[b(i)];
  }
}

void evaluate_div(const OperatorCall& call, const InputTensors& in,
                  std::vector<DoubleTensor>& out) {
  if (out[0].type == ElementType::real) {
    apply_binary(in, out, [](double a, double b) { return a / b; });
    return;
  }
  const auto& divisors = in[1]->values;
  if (std::find(divisors.begin(), divisors.end(), 0.0) != divisors.end()) {
    call.fail("an integer division by zero", "Check the exported graph");
  }
  apply_binary(in, out, [](double a, double b) { return std::trunc(a / b); });
}

constexpr int any_number = 1 << 20;

const std::array operators{
    ATTOJOULE_UNARY("Abs", std::abs(x)),
    ATTOJOULE_UNARY("Acos", std::acos(x)),
    ATTOJOULE_UNARY("Acosh", std::acosh(x)),
    ATTOJOULE_UNARY("Asin", std::asin(x)),
    ATTOJOULE_UNARY("Asinh", std::asinh(x)),
    ATTOJOULE_UNARY("Atan", std::atan(x)),
    ATTOJOULE_UNARY("Atanh", std::atanh(x)),
    ATTOJOULE_UNARY("Cosh", std::cosh(x)),
    ATTOJOULE_UNARY("Mish", x* std::tanh(std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))))),
    ATTOJOULE_UNARY("Sinh", std::sinh(x)),
    ATTOJOULE_UNARY("Tan", std::tan(x)),
    ATTOJOULE_UNARY("Ceil", std::ceil(x)),
    ATTOJOULE_UNARY("Cos", std::cos(x)),
    ATTOJOULE_UNARY("Erf", std::erf(x)),
    ATTOJOULE_UNARY("Exp", std::exp(x)),
    ATTOJOULE_UNARY("Floor", std::floor(x)),
    ATTOJOULE_UNARY("HardSwish", x* std::clamp(x / 6 + 0.5, 0.0, 1.0)),
    ATTOJOULE_UNARY("Identity", x),
    ATTOJOULE_UNARY("Log", std::log(x)),
    ATTOJOULE_UNARY("Neg", -x),
    ATTOJOULE_UNARY("Not", x == 0 ? 1.0 : 0.0),
    ATTOJOULE_UNARY("Reciprocal", 1 / x),
    ATTOJOULE_UNARY("Relu", std::max(x, 0.0)),
    ATTOJOULE_UNARY("Round", std::nearbyint(x)),
    ATTOJOULE_UNARY("Sigmoid", 1 / (1 + std::exp(-x))),
    ATTOJOULE_UNARY("Sign", (x > 0 ? 1.0 : 0.0) - (x < 0 ? 1.0 : 0.0)),
    ATTOJOULE_UNARY("Sin", std::sin(x)),
    ATTOJOULE_UNARY("Softplus", std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)))),
    ATTOJOULE_UNARY("Softsign", x / (1 + std::abs(x))),
    ATTOJOULE_UNARY("Sqrt", std::sqrt(x)),
    ATTOJOULE_UNARY("Tanh", std::tanh(x)),
    ATTOJOULE_BINARY("Add", infer_binary, a + b),
    ATTOJOULE_BINARY("Sub", infer_binary, a - b),
    ATTOJOULE_BINARY("Mul", infer_binary, a* b),
    ATTOJOULE_BINARY("Pow", infer_binary, std::pow(a, b)),
    ATTOJOULE_BINARY("PRelu", infer_binary, a < 0 ? a * b : a),
    ATTOJOULE_BINARY("Equal", infer_comparison, a == b ? 1.0 : 0.0),
    ATTOJOULE_BINARY("Greater", infer_comparison, a > b ? 1.0 : 0.0),
    ATTOJOULE_BINARY("GreaterOrEqual", infer_comparison, a >= b ? 1.0 : 0.0),
    ATTOJOULE_BINARY("Less", infer_comparison, a < b ? 1.0 : 0.0),
    ATTOJOULE_BINARY("LessOrEqual", infer_comparison, a <= b ? 1.0 : 0.0),
    ATTOJOULE_BINARY("And", infer_comparison, a != 0 && b != 0 ? 1.0 : 0.0),
    ATTOJOULE_BINARY("Or", infer_comparison, a != 0 || b != 0 ? 1.0 : 0.0),
    ATTOJOULE_BINARY("Xor", infer_comparison, (a != 0) != (b != 0) ? 1.0 : 0.0),
    Operator{"IsInf", 1, 1, infer_test,
             [](const OperatorCall& call, const InputTensors& in, std::vector<DoubleTensor>& out) {
               const bool above = call.integer("detect_positive", 1) != 0;
               const bool below = call.integer("detect_negative", 1) != 0;
               apply_unary(in, out, [=](double x) {
                 return std::isinf(x) && (x > 0 ? above : below) ? 1.0 : 0.0;
               });
             }},
    Operator{"IsNaN", 1, 1, infer_test,
             [](const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
               apply_unary(in, out, [](double x) { return std::isnan(x) ? 1.0 : 0.0; });
             }},
    Operator{"Gelu", 1, 1, infer_gelu, evaluate_gelu},
    Operator{"Celu", 1, 1, infer_same, evaluate_celu},
    Operator{"ThresholdedRelu", 1, 1, infer_same, evaluate_thresholded_relu},
    Operator{"Shrink", 1, 1, infer_same, evaluate_shrink},
    Operator{"Mod", 2, 2, infer_binary, evaluate_mod},
    Operator{"Mean", 1, any_number, infer_variadic, evaluate_mean},
    Operator{"CastLike", 2, 2, infer_cast_like, evaluate_cast},
    Operator{"Div", 2, 2, infer_binary, evaluate_div},
    Operator{"Min", 1, any_number, infer_variadic,
             [](const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
               apply_variadic(in, out, [](double a, double b) { return std::min(a, b); });
             }},
    Operator{"Max", 1, any_number, infer_variadic,
             [](const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
               apply_variadic(in, out, [](double a, double b) { return std::max(a, b); });
             }},
    Operator{"Sum", 1, any_number, infer_variadic,
             [](const OperatorCall&, const InputTensors& in, std::vector<DoubleTensor>& out) {
               apply_variadic(in, out, std::plus<double>());
             }},
    Operator{"Clip", 1, 3, infer_clip, evaluate_clip},
    Operator{"LeakyRelu", 1, 1, infer_same, evaluate_leaky_relu},
    Operator{"Elu", 1, 1, infer_same, evaluate_elu},
    Operator{"Selu", 1, 1, infer_same, evaluate_selu},
    Operator{"HardSigmoid", 1, 1, infer_same, evaluate_hard_sigmoid},
    Operator{"Cast", 1, 1, infer_cast, evaluate_cast},
    Operator{"Dropout", 1, 3, infer_dropout, evaluate_dropout},
    Operator{"Where", 3, 3, infer_where, evaluate_where},
};

#undef ATTOJOULE_UNARY
#undef ATTOJOULE_BINARY

}  // namespace

std::span<const Operator> elementwise_operators() {
  return operators;
}

}  // namespace attojoule::network
