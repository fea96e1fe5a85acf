#include "network/operator_notes.hpp"

#include <array>

namespace attojoule::network {
namespace {

constexpr OperatorWays product{.product = true};
constexpr OperatorWays fused_kernel{.fused = true, .kernel = true};
constexpr OperatorWays fused_onednn{.fused = true, .onednn = true};
constexpr OperatorWays view{.view = true};
constexpr OperatorWays onednn{.onednn = true};
constexpr OperatorWays onednn_or_plain{.onednn = true, .plain = true};
constexpr OperatorWays kernel{.kernel = true};
constexpr OperatorWays kernel_or_plain{.kernel = true, .plain = true};
constexpr OperatorWays fused_kernel_or_plain{.fused = true, .kernel = true, .plain = true};
constexpr OperatorWays fused_or_plain{.fused = true, .plain = true};
constexpr OperatorWays plain{.plain = true};
constexpr OperatorWays folded{.folded = true};

constexpr const char* windows = "one to three dimensions";
constexpr const char* constant_axes =
    "axes known beforehand (attribute up to opset 17, input after)";

constexpr std::array notes{
    OperatorNote{"Abs", 1, onednn, ""},
    OperatorNote{"Acos", 7, plain, ""},
    OperatorNote{"Acosh", 9, plain, ""},
    OperatorNote{"Add", 1, fused_kernel,
                 "as the bias or the residual sum of a product it costs no pass of its own"},
    OperatorNote{"And", 1, plain, ""},
    OperatorNote{"ArgMax", 1, plain, ""},
    OperatorNote{"ArgMin", 1, plain, ""},
    OperatorNote{"Asin", 7, plain, ""},
    OperatorNote{"Asinh", 9, plain, ""},
    OperatorNote{"Atan", 7, plain, ""},
    OperatorNote{"Atanh", 9, plain, ""},
    OperatorNote{"AveragePool", 1, onednn_or_plain, windows},
    OperatorNote{
        "BatchNormalization",
        1,
        {.plain = true, .folded = true},
        "inference only; behind Conv, ConvTranspose or Gemm it becomes part of their weights"},
    OperatorNote{"Cast",
                 1,
                 {.view = true, .plain = true},
                 "integers do not wrap around; element types: see below"},
    OperatorNote{"CastLike", 15, plain, ""},
    OperatorNote{"Ceil", 1, plain, ""},
    OperatorNote{"Celu", 12, plain, ""},
    OperatorNote{"Clip", 1, fused_onednn, "bounds are single numbers"},
    OperatorNote{"Concat", 1, kernel, ""},
    OperatorNote{"Constant", 1, folded, "numbers only"},
    OperatorNote{"ConstantOfShape", 9, folded, "shape known beforehand"},
    OperatorNote{"Conv", 1, product, "one to three dimensions; constant weights"},
    OperatorNote{"ConvTranspose", 1, product,
                 "one and two dimensions; constant weights. One convolution for every phase of the "
                 "stride (NODE/phase0.0 …), each with its own dot product length"},
    OperatorNote{"Cos", 7, plain, ""},
    OperatorNote{"Cosh", 9, plain, ""},
    OperatorNote{"CumSum", 11, plain, "axis known beforehand"},
    OperatorNote{"DepthToSpace", 1, kernel, ""},
    OperatorNote{"DequantizeLinear", 10, plain, "no block-wise scales"},
    OperatorNote{"Div", 1, fused_kernel_or_plain, ""},
    OperatorNote{"Dropout", 1, folded, "inference only: nothing is dropped"},
    OperatorNote{
        "Einsum",
        12,
        {.product = true, .view = true, .kernel = true, .plain = true},
        "one or two operands, no label twice in a term. Two operands whose sum has products "
        "run as MatMul; without a sum as Mul"},
    OperatorNote{"Elu", 1, onednn, ""},
    OperatorNote{"Equal", 1, plain, ""},
    OperatorNote{"Erf", 9, fused_kernel, ""},
    OperatorNote{"Exp", 1, onednn, ""},
    OperatorNote{"Expand", 8, view, "shape known beforehand"},
    OperatorNote{"EyeLike", 9, folded, ""},
    OperatorNote{"Flatten", 1, view, ""},
    OperatorNote{"Floor", 1, plain, ""},
    OperatorNote{"GRU", 1, product,
                 "as RNN; with a reset gate before the product (linear_before_reset 0) a step has "
                 "two, NODE/step0 and NODE/step0/hidden"},
    OperatorNote{"Gather", 1, kernel_or_plain, ""},
    OperatorNote{"GatherElements", 11, plain, ""},
    OperatorNote{"GatherND", 11, plain, ""},
    OperatorNote{"Gelu", 20, onednn,
                 "both forms; spelled out by older exporters it is found again"},
    OperatorNote{"Gemm", 1, product,
                 "of two computed operands, transposed or with a computed bias it runs as MatMul"},
    OperatorNote{"GlobalAveragePool", 1, onednn, windows},
    OperatorNote{"GlobalMaxPool", 1, onednn, windows},
    OperatorNote{"Greater", 1, plain, ""},
    OperatorNote{"GreaterOrEqual", 12, plain, ""},
    OperatorNote{"GroupNormalization", 18, plain,
                 "one scale for each group up to opset 20, for each channel after"},
    OperatorNote{"HardSigmoid", 1, onednn, ""},
    OperatorNote{"HardSwish", 14, onednn, ""},
    OperatorNote{"Identity", 1, folded, ""},
    OperatorNote{"InstanceNormalization", 1, plain, ""},
    OperatorNote{"IsInf", 10, plain, ""},
    OperatorNote{"IsNaN", 9, plain, ""},
    OperatorNote{"LRN", 1, plain, ""},
    OperatorNote{"LSTM", 1, product, "as RNN; no peepholes, no coupled gates"},
    OperatorNote{"LayerNormalization", 17, onednn_or_plain,
                 "its decomposed form runs as the operators that it is made of"},
    OperatorNote{"LeakyRelu", 1, onednn, ""},
    OperatorNote{"Less", 1, plain, ""},
    OperatorNote{"LessOrEqual", 12, plain, ""},
    OperatorNote{"Log", 1, onednn, ""},
    OperatorNote{"LogSoftmax", 1, plain, "one axis from opset 13, all from `axis` on before"},
    OperatorNote{"LpNormalization", 1, plain, ""},
    OperatorNote{
        "MatMul", 1, product,
        "a constant matrix on the right is a dense layer; two computed operands (attention), "
        "a constant stack or a constant on the left are a product of two operands, both of "
        "which are modulated anew"},
    OperatorNote{"Max", 1, kernel_or_plain, ""},
    OperatorNote{"MaxPool", 1, onednn_or_plain, "one to three dimensions; no indices"},
    OperatorNote{"Mean", 1, plain, ""},
    OperatorNote{"Min", 1, kernel_or_plain, ""},
    OperatorNote{"Mish", 18, onednn, ""},
    OperatorNote{"Mod", 10, plain, ""},
    OperatorNote{"Mul", 1, fused_kernel, ""},
    OperatorNote{"Neg", 1, onednn, ""},
    OperatorNote{"NonZero", 9, folded, "of constants only: the shape would depend on the input"},
    OperatorNote{"Not", 1, plain, ""},
    OperatorNote{"OneHot", 9, plain, "depth known beforehand"},
    OperatorNote{"Or", 1, plain, ""},
    OperatorNote{"PRelu", 1, plain, ""},
    OperatorNote{"Pad",
                 1,
                 {.kernel = true, .plain = true, .folded = true},
                 "constant, reflect, edge; pads known beforehand; zeros before a Conv become its "
                 "padding"},
    OperatorNote{"Pow", 1, fused_kernel, ""},
    OperatorNote{"QuantizeLinear", 10, plain, "8, 16 or 32 bits; constant zero point"},
    OperatorNote{
        "RNN", 1, product,
        "one product for the inputs of all steps (NODE/input) and one for each step "
        "(NODE/step0 …; of two directions NODE/forward/… and NODE/backward/…), each with an "
        "operating point of its own; a weight-stationary tile is programmed for every step; up to "
        "4096 steps; constant weights; Sigmoid, Tanh and "
        "Relu; no sequence lengths, no clipping, no layout 1"},
    OperatorNote{"Range", 11, folded, "bounds known beforehand"},
    OperatorNote{"Reciprocal", 1, plain, ""},
    OperatorNote{"ReduceL1", 1, plain, constant_axes},
    OperatorNote{"ReduceL2", 1, plain, constant_axes},
    OperatorNote{"ReduceLogSum", 1, plain, constant_axes},
    OperatorNote{"ReduceLogSumExp", 1, plain, constant_axes},
    OperatorNote{"ReduceMax", 1, plain, constant_axes},
    OperatorNote{"ReduceMean", 1, fused_or_plain, constant_axes},
    OperatorNote{"ReduceMin", 1, plain, constant_axes},
    OperatorNote{"ReduceProd", 1, plain, constant_axes},
    OperatorNote{"ReduceSum", 1, plain,
                 "axes known beforehand (attribute up to opset 12, input after)"},
    OperatorNote{"ReduceSumSquare", 1, plain, constant_axes},
    OperatorNote{"Relu", 1, fused_onednn, ""},
    OperatorNote{"Reshape", 1, view, "shape known beforehand"},
    OperatorNote{
        "Resize",
        10,
        {.onednn = true, .kernel = true, .plain = true},
        "nearest, linear, cubic; all coordinate modes up to opset 18; scales and sizes known "
        "beforehand; no antialiasing. Fast: nearest by whole factors, linear with half_pixel"},
    OperatorNote{"Round", 11, plain, "half to even"},
    OperatorNote{"Scatter", 9, plain, ""},
    OperatorNote{"ScatterElements", 11, plain, ""},
    OperatorNote{"ScatterND", 11, plain, ""},
    OperatorNote{"Selu", 1, plain, ""},
    OperatorNote{"Shape", 1, folded, ""},
    OperatorNote{"Shrink", 9, plain, ""},
    OperatorNote{"Sigmoid", 1, fused_onednn, ""},
    OperatorNote{"Sign", 9, plain, ""},
    OperatorNote{"Sin", 7, plain, ""},
    OperatorNote{"Sinh", 9, plain, ""},
    OperatorNote{"Size", 1, folded, ""},
    OperatorNote{"Slice", 1, view,
                 "bounds known beforehand (attributes up to opset 9, inputs after)"},
    OperatorNote{"Softmax", 1, onednn_or_plain,
                 "one axis from opset 13, all from `axis` on before; fast over the last axis"},
    OperatorNote{"Softplus", 1, onednn, ""},
    OperatorNote{"Softsign", 1, plain, ""},
    OperatorNote{"SpaceToDepth", 1, plain, ""},
    OperatorNote{"Split", 1, view, "sizes known beforehand"},
    OperatorNote{"Sqrt", 1, fused_onednn, ""},
    OperatorNote{"Squeeze", 1, view, "axes known beforehand"},
    OperatorNote{"Sub", 1, fused_kernel, ""},
    OperatorNote{"Sum", 1, plain, ""},
    OperatorNote{"Tan", 7, plain, ""},
    OperatorNote{"Tanh", 1, onednn, ""},
    OperatorNote{"ThresholdedRelu", 10, plain, ""},
    OperatorNote{"Tile", 1, plain, "repeats known beforehand"},
    OperatorNote{"TopK", 1, plain, "K known beforehand"},
    OperatorNote{"Transpose", 1, view, ""},
    OperatorNote{"Trilu", 14, plain, "diagonal known beforehand"},
    OperatorNote{"Unsqueeze", 1, view, "axes known beforehand"},
    OperatorNote{"Upsample", 7, {.kernel = true, .plain = true}, "nearest and linear"},
    OperatorNote{"Where", 9, plain, ""},
    OperatorNote{"Xor", 1, plain, ""},
};

}  // namespace

std::span<const OperatorNote> operator_notes() {
  return notes;
}

}  // namespace attojoule::network
