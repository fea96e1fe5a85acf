#!/usr/bin/env python3
"""Writes small networks with the outputs of another runtime (tests/golden/operators.h5).

Each case is an ONNX model of one operator, of a few in an exporter's style, or a random network; its
inputs are normal random numbers; its output is ONNX Runtime's in float32 without graph optimisation.
A group of the file holds
  model    uint8        the ONNX bytes
  input0…  float32      its inputs, in the graph's order (integers, too)
  output   float32      the first output
and the attribute `what`. The root attribute `version` is the runtime's. Cases that the runtime cannot
run are an error. Neither ONNX Runtime nor a current onnx is a Debian package: run this with the
interpreter of a virtual environment in which onnxruntime, onnx (IR up to 9), numpy and h5py are
installed, or let --venv make one.

Example: tools/dev/reference_operators.py --venv /tmp/reference
         tools/dev/reference_operators.py --seed 7 --random 2000 --out /tmp/more.h5   (and then
         ATTOJOULE_OPERATOR_CASES=/tmp/more.h5 operator_reference_test)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx

ROOT = Path(__file__).resolve().parents[2]


class Model:
    """One graph in the making. Values are names."""

    def __init__(self, what: str, opset: int, rng: np.random.Generator) -> None:
        self.what = what
        self.opset = opset
        self.rng = rng
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.values: list[np.ndarray] = []
        self.functions: list[onnx.FunctionProto] = []
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def input(self, shape: list[int], values: np.ndarray | None = None) -> str:
        import numpy as np
        from onnx import TensorProto, helper

        name = f"in{len(self.inputs)}"
        if values is None:
            values = self.rng.standard_normal(shape).astype(np.float32)
        kind = TensorProto.FLOAT if values.dtype == np.float32 else TensorProto.INT64
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        self.values.append(values)
        return name

    def const(self, array: Any, dtype: str | None = None) -> str:
        import numpy as np
        from onnx import numpy_helper

        array = np.asarray(array)
        if dtype:
            array = array.astype(dtype)
        elif array.dtype == np.float64:
            array = array.astype(np.float32)
        name = self.name()
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def random(self, shape: list[int], scale: float = 1.0, shift: float = 0.0) -> str:
        return self.const(scale * self.rng.standard_normal(shape) + shift)

    def node(self, op: str, inputs: list[str], outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        from onnx import helper

        names = [self.name() for _ in range(outputs)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(
            helper.make_node(op, inputs, names, name=names[0], domain=domain, **attributes)
        )
        return names[0] if outputs == 1 else names

    def model(self, output: str) -> onnx.ModelProto:
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            self.nodes,
            "case",
            self.inputs,
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.weights,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(f.domain, 1) for f in self.functions[:1]]
        model = helper.make_model(graph, opset_imports=opsets, functions=self.functions)
        model.ir_version = 8 if self.opset < 19 else 10
        return model


class Suite:
    def __init__(self, seed: int) -> None:
        import numpy as np

        self.rng = np.random.default_rng(seed)
        self.cases: list[tuple[Model, str]] = []

    def start(self, what: str, opset: int = 13) -> Model:
        return Model(what, opset, self.rng)

    def end(self, model: Model, output: str) -> None:
        self.cases.append((model, output))

    def one(self, op: str, shape: list[int], more: Any = (), opset: int = 13, real: bool = True,
            outputs: int = 1, which: int = 0, what: str = "", x: Any = None, **attributes: Any) -> None:
        """A node of `op` on a random input; `more` are arrays, or None where an input is not given."""
        import numpy as np

        model = self.start(f"{op} {what or ' '.join(f'{k}={v}' for k, v in attributes.items())}", opset)
        inputs = [model.input(shape, x)]
        inputs += ["" if array is None else model.const(array) for array in more]
        result = model.node(op, inputs, outputs, **attributes)
        if outputs > 1:
            result = result[which]
        if not real:
            result = model.node("Cast", [result], to=1)
        del np
        self.end(model, result)


# ---- single operators ----


def elementwise(suite: Suite) -> None:
    import numpy as np

    rng = suite.rng
    for op in ["Abs", "Atan", "Asinh", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "HardSwish", "Mish",
               "Neg", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Tan", "Tanh"]:
        suite.one(op, [2, 3, 7], opset=18 if op == "Mish" else 14)
    half = rng.uniform(-0.9, 0.9, [3, 5]).astype(np.float32)
    for op in ["Acos", "Asin", "Atanh"]:
        suite.one(op, [3, 5], x=half)
    large = (1 + rng.random([3, 5])).astype(np.float32)
    for op in ["Acosh", "Log", "Sqrt", "Reciprocal"]:
        suite.one(op, [3, 5], x=large)
    for alpha in [0.3, 1.0, 2.0]:
        suite.one("Celu", [2, 9], alpha=alpha)
        suite.one("Elu", [2, 9], alpha=alpha)
        suite.one("LeakyRelu", [2, 9], alpha=alpha / 10)
        suite.one("ThresholdedRelu", [2, 9], alpha=alpha)
    suite.one("Selu", [2, 9])
    suite.one("Selu", [2, 9], alpha=1.2, gamma=0.9)
    suite.one("HardSigmoid", [2, 9])
    suite.one("HardSigmoid", [1, 4, 5, 5], alpha=1 / 6, beta=0.5)
    suite.one("Shrink", [2, 9], lambd=0.4, bias=0.1)
    suite.one("PRelu", [1, 4, 5, 3], [rng.standard_normal([4, 1, 1])], what="channels")
    suite.one("PRelu", [2, 6], [rng.standard_normal([6])], what="vector")
    for op in ["Add", "Sub", "Mul", "Div", "Min", "Max", "Mean", "Sum", "Pow"]:
        other = 0.5 + rng.random([3, 1])
        x = (0.5 + rng.random([2, 3, 5])).astype(np.float32)
        suite.one(op, [2, 3, 5], [other], x=x, what="broadcast")
    suite.one("Mod", [3, 5], [np.float32(0.7)], fmod=1)
    whole = np.arange(-7, 8).reshape(3, 5)
    suite.one("Mod", [3, 5], [np.int64(4)], x=whole, real=False, what="integers")
    suite.one("Mod", [3, 5], [np.int64(-4)], x=whole, real=False, what="negative divisor")
    suite.one("Div", [3, 5], [np.int64(4)], x=whole, real=False, what="integers")
    for op in ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]:
        suite.one(op, [3, 5], [np.zeros([5])], real=False, opset=16)
    for op in ["And", "Or", "Xor"]:
        m = suite.start(op)
        a = m.node("Greater", [m.input([3, 5]), m.const(0.0)])
        b = m.node("Less", [m.input([5]), m.const(0.3)])
        suite.end(m, m.node("Cast", [m.node(op, [a, b])], to=1))
    special = np.array([[1, np.inf, -np.inf, np.nan, 0]], np.float32)
    m = suite.start("IsNaN, IsInf")
    x = m.node("Div", [m.input([1, 4], np.array([[1, -1, 0, 2]], np.float32)), m.const([[0, 0, 0, 1]], "float32")])
    nan, up, any_ = m.node("IsNaN", [x]), m.node("IsInf", [x], detect_negative=0), m.node("IsInf", [x])
    casts = [m.node("Cast", [v], to=1) for v in (nan, up, any_)]
    suite.end(m, m.node("Concat", casts, axis=1))
    del special
    m = suite.start("Where")
    x = m.input([2, 3, 4])
    c = m.node("Greater", [x, m.const(0.1)])
    suite.end(m, m.node("Where", [c, x, m.random([3, 1])]))
    for to in [6, 7, 9]:
        m = suite.start(f"Cast to {to}")
        suite.end(m, m.node("Cast", [m.node("Cast", [m.node("Mul", [m.input([3, 5]), m.const(3.0)])], to=to)], to=1))
    m = suite.start("CastLike", 15)
    suite.end(m, m.node("Cast", [m.node("CastLike", [m.node("Mul", [m.input([9]), m.const(3.0)]),
                                                     m.const([1], "int64")])], to=1))
    for opset, more, attributes in [(7, [], {"min": -0.5, "max": 0.7}), (12, [np.float32(-0.5), None], {}),
                                    (13, [None, np.float32(0.7)], {}), (13, [np.float32(0), np.float32(6)], {})]:
        suite.one("Clip", [3, 5], more, opset=opset, **attributes)


def movement(suite: Suite) -> None:
    import numpy as np

    rng = suite.rng
    i64 = np.int64
    for mode in ["DCR", "CRD"]:
        suite.one("DepthToSpace", [1, 12, 3, 5], blocksize=2, mode=mode)
        suite.one("DepthToSpace", [2, 18, 2, 3], blocksize=3, mode=mode)
    suite.one("SpaceToDepth", [1, 3, 4, 6], blocksize=2)
    suite.one("SpaceToDepth", [2, 2, 6, 9], blocksize=3)
    m = suite.start("DepthToSpace of channels-last data")
    y = m.node("Conv", [m.input([1, 3, 5, 6]), m.random([8, 3, 3, 3])])
    suite.end(m, m.node("DepthToSpace", [y], blocksize=2, mode="CRD"))
    for k in [-2, 0, 1]:
        for upper in [0, 1]:
            suite.one("Trilu", [2, 4, 5], [i64(k)], opset=14, upper=upper, what=f"k={k} upper={upper}")
    suite.one("Trilu", [5, 3], opset=14)
    for exclusive in [0, 1]:
        for reverse in [0, 1]:
            suite.one("CumSum", [3, 5], [i64(1)], exclusive=exclusive, reverse=reverse)
    suite.one("CumSum", [2, 3, 4], [np.int32(-2)], what="axis -2")
    index = rng.integers(-3, 3, [4, 2])
    suite.one("GatherElements", [4, 3], [index], axis=1)
    suite.one("GatherElements", [3, 5, 2], [rng.integers(0, 3, [2, 4, 2])], axis=0)
    suite.one("GatherND", [3, 4, 5], [rng.integers(0, 3, [2, 2])])
    suite.one("GatherND", [3, 4, 5], [rng.integers(0, 4, [3, 2, 1])], batch_dims=1)
    suite.one("GatherND", [2, 3, 4], [np.array([[[1], [0]], [[2], [1]]])], batch_dims=1, what="batch")
    suite.one("Gather", [4, 5], [rng.integers(-5, 5, [2, 3])], axis=1)
    suite.one("Gather", [4, 5], [i64(2)], axis=0)
    for reduction, opset in [(None, 13), ("add", 16), ("mul", 16), ("max", 18), ("min", 18)]:
        suite.one("ScatterND", [4, 3], [np.array([[1], [3], [1]]), rng.standard_normal([3, 3]).astype(np.float32)]
                  if reduction else [np.array([[1], [3]]), rng.standard_normal([2, 3])],
                  opset=opset, reduction=reduction)
        rows = np.array([[0, 2, 0, 1], [2, 0, 2, 2]]) if reduction else np.array([[0, 2, 0, 1], [2, 0, 2, 2]])
        suite.one("ScatterElements", [3, 4], [rows, rng.standard_normal([2, 4])], opset=opset, axis=0,
                  reduction=reduction)
    suite.one("Scatter", [3, 4], [np.array([[1, 3]]), rng.standard_normal([1, 2])], opset=9, axis=1)
    m = suite.start("OneHot")
    x = m.input([2, 3], rng.integers(-4, 4, [2, 3]))
    suite.end(m, m.node("OneHot", [x, m.const(5, "int64"), m.const([0.2, 1.5], "float32")], axis=1))
    m = suite.start("OneHot last axis")
    x = m.input([4], rng.integers(0, 9, [4]))
    suite.end(m, m.node("OneHot", [x, m.const([6], "int64"), m.const([0, 1], "float32")]))
    m = suite.start("NonZero of a constant")
    where = m.node("NonZero", [m.const([[1, 0, 2], [0, 3, 0]], "float32")])
    suite.end(m, m.node("GatherND", [m.input([2, 3]), m.node("Transpose", [where], perm=[1, 0])]))
    m = suite.start("EyeLike, Size")
    x = m.input([3, 4])
    size = m.node("Cast", [m.node("Size", [x])], to=1)
    suite.end(m, m.node("Add", [m.node("Mul", [m.node("EyeLike", [x], k=1), size]), x]))
    for op in ["ArgMax", "ArgMin"]:
        suite.one(op, [3, 5, 4], axis=1, real=False)
        suite.one(op, [3, 5, 4], axis=-1, keepdims=0, real=False)
        ties = np.array([[1, 3, 3, 1, 2]], np.float32)
        suite.one(op, [1, 5], axis=1, select_last_index=1, real=False, x=ties)
    for largest in [0, 1]:
        for which in [0, 1]:
            suite.one("TopK", [3, 6], [np.array([4])], axis=-1, largest=largest, outputs=2, which=which,
                      real=which == 0)
    suite.one("TopK", [4, 3], [np.array([2])], axis=0, outputs=2, opset=10)
    suite.one("Tile", [2, 3], [np.array([2, 3])])
    suite.one("Squeeze", [2, 1, 3, 1], [np.array([1])])
    suite.one("Squeeze", [2, 1, 3, 1], opset=11, axes=[-1])
    m = suite.start("Identity and Dropout between layers", 12)
    y = m.node("Dropout", [m.node("Relu", [m.node("Identity", [m.input([2, 3])])])])
    suite.end(m, m.node("Gemm", [y, m.random([3, 4])]))
    m = suite.start("Gather of rows of a table by the input")
    suite.end(m, m.node("Gather", [m.random([7, 4]), m.input([3], rng.integers(-7, 7, [3]))], axis=0))
    m = suite.start("Pad before a convolution, ReLU6 after it")
    y = m.node("Pad", [m.input([1, 2, 5, 5]), m.const([0, 0, 1, 0, 0, 0, 2, 1])])
    y = m.node("Conv", [y, m.random([3, 2, 3, 3]), m.random([3])], pads=[0, 1, 0, 1])
    suite.end(m, m.node("Clip", [y, m.const(0.0), m.const(6.0)]))
    m = suite.start("Not of the input")
    below = m.node("Less", [m.input([3, 4]), m.const(0.1)])
    suite.end(m, m.node("Cast", [m.node("Not", [below])], to=1))
    for op in ["Max", "Min"]:
        suite.one(op, [2, 3], [rng.standard_normal([3]), rng.standard_normal([2, 1])], what="of three")
    m = suite.start("Positions: Shape, Range, ConstantOfShape, Constant, Not")
    x = m.input([5, 4])
    rows = m.node("Gather", [m.node("Shape", [x]), m.const(0, "int64")], axis=0)
    steps = m.node("Range", [m.const(0, "int64"), rows, m.const(1, "int64")])
    even = m.node("Equal", [m.node("Mod", [steps, m.const(2, "int64")]), m.const(0, "int64")])
    odd = m.node("Unsqueeze", [m.node("Not", [even]), m.const([1])])
    half = m.node("Constant", [], value_float=0.5)
    zeros = m.node("ConstantOfShape", [m.node("Shape", [x])])
    suite.end(m, m.node("Where", [odd, m.node("Add", [x, half]), zeros]))
    suite.one("Expand", [3, 1], [np.array([2, 1, 4])])
    for opset, attributes in [(11, {"split": [2, 1, 3]}), (11, {})]:
        m = suite.start(f"Split {attributes}", opset)
        parts = m.node("Split", [m.input([2, 6])], 3, axis=1, **attributes)
        suite.end(m, m.node("Concat", [parts[2], parts[0], parts[1]], axis=1))
    m = suite.start("Split uneven", 18)
    parts = m.node("Split", [m.input([7, 2])], 3, axis=0, num_outputs=3)
    suite.end(m, m.node("Concat", [parts[2], parts[0], parts[1]], axis=0))
    m = suite.start("Split into a sum (gated unit)")
    y = m.node("Conv", [m.input([1, 3, 6, 5]), m.random([8, 3, 3, 3])])
    a, b = m.node("Split", [y], 2, axis=1)
    suite.end(m, m.node("Mul", [a, m.node("Sigmoid", [b])]))
    for mode in ["constant", "reflect", "edge"]:
        suite.one("Pad", [1, 2, 4, 5], [np.array([0, 0, 1, 2, 0, 0, 2, 1])], mode=mode)
    suite.one("Pad", [3, 4], [np.array([1, -1, 0, 2]), np.float32(1.5)], what="crop, value")
    suite.one("Pad", [3, 4], opset=10, pads=[1, 0, 0, 2], value=-2.0)
    suite.one("Pad", [3, 4], [np.array([1, 2]), None, np.array([1])], opset=18, what="axes")
    for start, end, axes, step in [([1], [4], [0], [1]), ([-2], [-9], [1], [-1]), ([0, 1], [9, 9], [0, 1], [2, 3])]:
        suite.one("Slice", [5, 6], [np.array(start), np.array(end), np.array(axes), np.array(step)])
    suite.one("Slice", [5, 6], opset=9, starts=[1, -3], ends=[4, 9], axes=[0, 1])


def resizing(suite: Suite) -> None:
    import numpy as np

    none = np.zeros([0], np.float32)
    shape = [1, 2, 5, 4]
    coordinates = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
    scales = [[1, 1, 2, 2], [1, 1, 3, 2], [1, 1, 1.5, 2.3], [1, 1, 0.6, 0.5], [1, 1, 0.4, 1]]
    for opset in [11, 13, 18]:
        for coordinate in coordinates + (["tf_half_pixel_for_nn"] if opset < 13 else []):
            for scale in scales if opset == 13 else scales[:1] + scales[2:4]:
                factor = np.array(scale, np.float32)
                for rounding in roundings if opset == 13 else roundings[:1]:
                    suite.one("Resize", shape, [none, factor], opset=opset, mode="nearest",
                              coordinate_transformation_mode=coordinate, nearest_mode=rounding,
                              what=f"nearest {coordinate} {rounding} {scale}")
                if coordinate == "tf_half_pixel_for_nn":
                    continue
                suite.one("Resize", shape, [none, factor], opset=opset, mode="linear",
                          coordinate_transformation_mode=coordinate, what=f"linear {coordinate} {scale}")
                suite.one("Resize", shape, [none, factor], opset=opset, mode="cubic",
                          coordinate_transformation_mode=coordinate, what=f"cubic {coordinate} {scale}")
        sizes = [[1, 2, 10, 8], [1, 2, 7, 9], [1, 2, 3, 2], [1, 2, 1, 1], [1, 2, 5, 4]]
        for size in sizes if opset == 11 else []:
            for coordinate in coordinates:
                for mode in ["nearest", "linear", "cubic"]:
                    suite.one("Resize", shape, [none, none, np.array(size)], opset=opset, mode=mode,
                              coordinate_transformation_mode=coordinate,
                              what=f"{mode} {coordinate} to {size}")
    for exclude, a in [(1, -0.5), (0, -0.5), (1, -0.75)]:
        suite.one("Resize", shape, [none, np.array([1, 1, 2, 1.7], np.float32)], mode="cubic",
                  exclude_outside=exclude, cubic_coeff_a=a)
    region = np.array([0, 0, 0.2, -0.3, 1, 1, 0.9, 1.2], np.float32)
    for mode in ["nearest", "linear"]:
        suite.one("Resize", shape, [region, None, np.array([1, 2, 6, 7])], mode=mode,
                  coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=7.5,
                  what=f"crop {mode}")
    suite.one("Resize", shape, [None, np.array([2, 3], np.float32)], opset=18, axes=[2, 3], mode="nearest",
              what="axes")
    suite.one("Resize", shape, [None, None, np.array([7, 9])], opset=18, axes=[2, 3], mode="linear", what="axes")
    for policy in ["not_larger", "not_smaller"]:
        suite.one("Resize", shape, [None, None, np.array([9, 9])], opset=18, axes=[2, 3], mode="nearest",
                  keep_aspect_ratio_policy=policy)
    suite.one("Resize", [2, 3, 7], [none, np.array([1, 1, 2], np.float32)], mode="nearest", what="3 axes")
    for scale in [[1, 1, 2, 2], [1, 1, 2, 3], [1, 1, 1.5, 1.5]]:
        for mode in ["nearest", "linear"]:
            factor = np.array(scale, np.float32)
            suite.one("Upsample", shape, opset=7, mode=mode, scales=[float(s) for s in scale])
            suite.one("Upsample", shape, [factor], opset=9, mode=mode, what=f"{mode} {scale}")
            suite.one("Resize", shape, [factor], opset=10, mode=mode, what=f"{mode} {scale}")
    suite.one("Resize", shape, [np.array([1, 1, 0.5, 0.6], np.float32)], opset=10, mode="nearest", what="smaller")
    m = suite.start("Resize of channels-last data, nearest and linear")
    y = m.node("Conv", [m.input([1, 3, 6, 5]), m.random([4, 3, 3, 3])])
    up = m.node("Resize", [y, m.const(none), m.const([1, 1, 2, 2], "float32")], mode="nearest")
    lin = m.node("Resize", [y, m.const(none), m.const([1, 1, 2, 2], "float32")], mode="linear",
                 coordinate_transformation_mode="pytorch_half_pixel")
    suite.end(m, m.node("Add", [up, lin]))


def products(suite: Suite) -> None:
    import numpy as np

    rng = suite.rng

    def transposed(shape: list[int], out: int, kernel: list[int], group: int = 1, bias: bool = True,
                   opset: int = 11, **attributes: Any) -> None:
        weight = 0.5 * rng.standard_normal([shape[1], out // group, *kernel])
        more = [weight] + ([rng.standard_normal([out])] if bias else [])
        suite.one("ConvTranspose", shape, more, opset=opset, group=group,
                  what=f"{shape} k={kernel} g={group} {attributes}", **attributes)

    for kernel in [1, 2, 3, 4, 5]:
        for stride in [1, 2, 3]:
            for pad in [0, 1]:
                transposed([1, 3, 4, 5], 2, [kernel, kernel], strides=[stride, stride],
                           pads=[pad] * 4, bias=kernel % 2 == 0)
    transposed([1, 4, 3, 3], 6, [4, 4], group=2, strides=[2, 2], pads=[1, 1, 1, 1])
    transposed([2, 4, 3, 3], 4, [3, 3], group=4, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    transposed([1, 3, 4, 5], 2, [3, 2], strides=[2, 3], pads=[1, 0, 0, 1], output_padding=[1, 2])
    transposed([1, 3, 4, 5], 2, [3, 3], strides=[2, 2], dilations=[2, 2])
    transposed([1, 3, 4, 5], 2, [3, 3], strides=[3, 3], dilations=[2, 2], pads=[2, 1, 1, 2])
    transposed([1, 3, 4, 5], 2, [3, 3], strides=[4, 2], dilations=[2, 3])
    for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        transposed([1, 3, 4, 5], 2, [3, 3], strides=[2, 2], auto_pad=auto)
        transposed([1, 3, 4, 5], 2, [4, 5], strides=[3, 2], auto_pad=auto)
    transposed([1, 3, 4, 5], 2, [3, 3], strides=[2, 2], output_shape=[8, 10])
    transposed([1, 3, 4, 5], 2, [3, 3], strides=[2, 2], output_shape=[10, 12], output_padding=[1, 1])
    transposed([1, 3, 6], 4, [4], strides=[2], pads=[1, 1])
    transposed([1, 3, 6], 4, [3], strides=[3], pads=[0, 1], output_padding=[2])
    transposed([1, 8, 1, 1], 4, [4, 4])
    m = suite.start("ConvTranspose, BatchNormalization, Relu")
    y = m.node("ConvTranspose", [m.input([1, 4, 5, 3]), m.random([4, 3, 4, 4]), m.random([6])], group=2,
               strides=[2, 2], pads=[1, 1, 1, 1])
    y = m.node("BatchNormalization", [y, m.random([6]), m.random([6]), m.random([6]),
                                      m.const(0.3 + rng.random([6]))])
    suite.end(m, m.node("Relu", [y]))

    def einsum(equation: str, a: list[int], b: list[int] | None = None, constant: str = "") -> None:
        m = suite.start(f"Einsum {equation} {constant}")
        first = m.random(a) if constant == "first" else m.input(a)
        inputs = [first]
        if b is not None:
            inputs.append(m.random(b) if constant == "second" else m.input(b))
        suite.end(m, m.node("Einsum", inputs, equation=equation))

    einsum("bhqd,bhkd->bhqk", [1, 2, 5, 4], [1, 2, 6, 4])
    einsum("bhqk,bhkd->bhqd", [1, 2, 5, 6], [1, 2, 6, 4])
    einsum("bqhd,bkhd->bhqk", [2, 5, 3, 4], [2, 6, 3, 4])
    einsum("bnd,dk->bnk", [1, 5, 6], [6, 7], "second")
    einsum("oi,bi->bo", [5, 6], [3, 6], "first")
    einsum("bchw,oc->bohw", [1, 4, 3, 5], [6, 4], "second")
    einsum("nhd,hde->ne", [4, 3, 5], [3, 5, 7], "second")
    einsum("nhd,hde->nhe", [4, 3, 5], [3, 5, 7], "second")
    einsum("...ij,...jk->...ik", [2, 3, 4, 5], [1, 3, 5, 6])
    einsum("ij,jk", [3, 4], [4, 5])
    einsum("ij->ji", [3, 4])
    einsum("bij->b", [2, 3, 4])
    einsum("ij,ij->ij", [3, 4], [3, 4])
    einsum("i,j->ij", [3], [4])
    einsum("bi,bi->b", [3, 4], [3, 4])
    einsum("bij,bk->bik", [2, 3, 4], [2, 5])
    einsum("bc,c->bc", [2, 3], [3], "second")
    for flags in [{}, {"transA": 1}, {"transB": 1}, {"transA": 1, "transB": 1, "alpha": 0.5}]:
        a = [4, 3] if "transA" in flags else [3, 4]
        b = [5, 4] if "transB" in flags else [4, 5]
        m = suite.start(f"Gemm computed {flags}")
        suite.end(m, m.node("Gemm", [m.input(a), m.input(b)], **flags))
        m = suite.start(f"Gemm constant {flags}")
        suite.end(m, m.node("Gemm", [m.input(a), m.random(b), m.random([3, 5])], beta=0.7, **flags))
    for a, b in [([2, 3, 4], [4, 5]), ([3, 4], [2, 4, 5]), ([2, 1, 3, 4], [1, 3, 4, 2]), ([4], [4, 3])]:
        m = suite.start(f"MatMul {a} {b}")
        suite.end(m, m.node("MatMul", [m.input(a), m.input(b)]))
    for auto in ["SAME_UPPER", "SAME_LOWER"]:
        suite.one("Conv", [1, 4, 7, 6], [rng.standard_normal([6, 2, 3, 4])], group=2, strides=[2, 3], auto_pad=auto)


def normalisation(suite: Suite) -> None:
    rng = suite.rng

    def vectors(n: int, count: int = 2) -> list[Any]:
        return [rng.standard_normal([n]) for _ in range(count)]

    suite.one("InstanceNormalization", [2, 3, 4, 5], vectors(3))
    suite.one("InstanceNormalization", [1, 6, 9], vectors(6), epsilon=0.01)
    suite.one("GroupNormalization", [2, 6, 4, 5], vectors(3), opset=18, num_groups=3)
    suite.one("GroupNormalization", [1, 8, 7], vectors(2), opset=18, num_groups=2, epsilon=0.01)
    for size in [1, 3, 5]:
        suite.one("LRN", [1, 7, 3, 4], size=size, alpha=0.3, beta=0.6, bias=1.5)
    for p in [1, 2]:
        suite.one("LpNormalization", [2, 3, 4], axis=1, p=p)
    suite.one("LayerNormalization", [2, 3, 8], vectors(8), opset=17, axis=-1, epsilon=1e-3)
    suite.one("LayerNormalization", [2, 3, 8], [rng.standard_normal([3, 8])], opset=17, axis=1)
    suite.one("BatchNormalization", [2, 4, 3, 3], [*vectors(4, 3), 0.2 + rng.random([4])], opset=15)
    for op in ["Softmax", "LogSoftmax"]:
        for opset, axis in [(9, None), (11, 2), (13, 1), (13, None)]:
            suite.one(op, [2, 3, 4], opset=opset, axis=axis)
    for op in ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
               "ReduceLogSumExp"]:
        suite.one(op, [2, 3, 4], axes=[1], keepdims=0)
        suite.one(op, [2, 3, 4], axes=[0, -1])
        suite.one(op, [2, 3, 4], [[-1]], opset=18, keepdims=0)
        suite.one(op, [2, 3, 4], opset=18)
    suite.one("ReduceLogSum", [2, 5], axes=[1], x=(0.1 + rng.random([2, 5])).astype("float32"))
    suite.one("ReduceSum", [2, 3, 4], [[1, 2]], keepdims=0)
    suite.one("ReduceSum", [2, 3, 4], opset=11, axes=[0])
    for attributes in [{"kernel_shape": [3, 3], "strides": [2, 2]}, {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1]},
                       {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]}]:
        suite.one("MaxPool", [1, 3, 8, 7], **attributes)
        suite.one("AveragePool", [1, 3, 8, 7], **attributes)
        suite.one("AveragePool", [1, 3, 8, 7], count_include_pad=1, **attributes)
    suite.one("MaxPool", [1, 3, 9, 9], kernel_shape=[2, 2], dilations=[2, 3])
    suite.one("GlobalMaxPool", [2, 3, 4, 5])
    suite.one("GlobalAveragePool", [2, 3, 4, 5])


def quantised(suite: Suite) -> None:
    import numpy as np

    rng = suite.rng
    for kind, zero in [("uint8", 3), ("int8", -5), ("int8", 0)]:
        m = suite.start(f"QuantizeLinear, DequantizeLinear {kind} {zero}")
        x = m.node("Mul", [m.input([3, 40]), m.const(3.0)])
        scale, point = m.const(np.float32(0.02)), m.const(zero, kind)
        q = m.node("QuantizeLinear", [x, scale, point])
        suite.end(m, m.node("DequantizeLinear", [q, scale, point]))
        m = suite.start(f"QuantizeLinear {kind} {zero}")
        q = m.node("QuantizeLinear", [m.input([3, 40]), m.const(np.float32(0.031)), m.const(zero, kind)])
        suite.end(m, m.node("Cast", [q], to=1))
    m = suite.start("QuantizeLinear per channel")
    scales, points = m.const(0.01 + 0.02 * rng.random([4])), m.const([0, 3, 100, 255], "uint8")
    q = m.node("QuantizeLinear", [m.input([2, 4, 3]), scales, points], axis=1)
    suite.end(m, m.node("DequantizeLinear", [q, scales, points], axis=1))
    m = suite.start("QuantizeLinear without zero point")
    q = m.node("QuantizeLinear", [m.input([2, 40]), m.const(np.float32(0.02))])
    suite.end(m, m.node("DequantizeLinear", [q, m.const(np.float32(0.02))]))
    # As converters write a quantised convolution down: every operand goes through its codes.
    m = suite.start("Quantised convolution and dense layer (QDQ)")

    def through(x: str, scale: float, zero: int) -> str:
        s, z = m.const(np.float32(scale)), m.const(zero, "uint8")
        return m.node("DequantizeLinear", [m.node("QuantizeLinear", [x, s, z]), s, z])

    x = through(m.input([1, 3, 6, 6]), 0.03, 128)
    weight = m.node("DequantizeLinear", [m.const(rng.integers(-127, 128, [4, 3, 3, 3]), "int8"),
                                         m.const(0.005 + 0.01 * rng.random([4])), m.const([0] * 4, "int8")], axis=0)
    bias = m.node("DequantizeLinear", [m.const(rng.integers(-2000, 2000, [4]), "int32"), m.const([3e-4] * 4, "float32")],
                  axis=0)
    y = m.node("Relu", [m.node("Conv", [x, weight, bias], pads=[1, 1, 1, 1])])
    y = through(y, 0.05, 0)
    y = m.node("Reshape", [y, m.const([1, -1], "int64")])
    dense = m.node("DequantizeLinear", [m.const(rng.integers(-127, 128, [5, 144]), "int8"), m.const(np.float32(0.004)),
                                        m.const(0, "int8")])
    suite.end(m, m.node("Gemm", [y, dense], transB=1))


# ---- exporters' styles ----


def styles(suite: Suite) -> None:
    import numpy as np
    from onnx import helper

    rng = suite.rng
    # tf2onnx: images in NHWC, a Transpose around every convolution, biases added in NHWC.
    m = suite.start("tf2onnx: NHWC sandwiches")
    x = m.input([1, 8, 8, 3])
    for channels, out, stride in [(3, 6, 1), (6, 8, 2)]:
        y = m.node("Transpose", [x], perm=[0, 3, 1, 2])
        y = m.node("Conv", [y, m.random([out, channels, 3, 3], 0.4)], auto_pad="SAME_UPPER", strides=[stride] * 2)
        y = m.node("Transpose", [y], perm=[0, 2, 3, 1])
        y = m.node("Add", [y, m.random([out])])
        x = m.node("Clip", [y, m.const(0.0), m.const(6.0)])
    y = m.node("Transpose", [x], perm=[0, 3, 1, 2])
    y = m.node("MaxPool", [y], kernel_shape=[2, 2], strides=[2, 2])
    y = m.node("Transpose", [y], perm=[0, 2, 3, 1])
    shape = m.node("Concat", [m.node("Slice", [m.node("Shape", [y]), m.const([0]), m.const([1])]), m.const([-1])], axis=0)
    y = m.node("MatMul", [m.node("Reshape", [y, shape]), m.random([32, 5])])
    suite.end(m, m.node("Softmax", [m.node("Add", [y, m.random([5])])], axis=-1))
    # tf2onnx: mean over pixels, squeeze-and-excite with HardSigmoid, depthwise convolution.
    m = suite.start("tf2onnx: depthwise, squeeze and excite")
    y = m.node("Transpose", [m.input([1, 6, 6, 4])], perm=[0, 3, 1, 2])
    y = m.node("Conv", [y, m.random([4, 1, 3, 3])], group=4, pads=[1, 1, 1, 1])
    s = m.node("ReduceMean", [y], axes=[2, 3], keepdims=1)
    s = m.node("Relu", [m.node("Conv", [s, m.random([2, 4, 1, 1]), m.random([2])])])
    s = m.node("HardSigmoid", [m.node("Conv", [s, m.random([4, 2, 1, 1]), m.random([4])])], alpha=1 / 6)
    y = m.node("Transpose", [m.node("Mul", [y, s])], perm=[0, 2, 3, 1])
    suite.end(m, m.node("ReduceMean", [y], axes=[1, 2], keepdims=0))
    # PyTorch's tracing exporter: shapes gathered one by one, GroupNorm by Reshape, Upsample by sizes.
    m = suite.start("torch legacy: computed shapes, group norm, upsampling", 11)
    x = m.input([1, 4, 5, 6])
    y = m.node("Conv", [x, m.random([6, 4, 3, 3]), m.random([6])], pads=[1, 1, 1, 1])
    y = m.node("Reshape", [y, m.const([0, 3, -1])])
    y = m.node("InstanceNormalization", [y, m.const(np.ones(3)), m.const(np.zeros(3))], epsilon=1e-5)
    y = m.node("Reshape", [y, m.node("Shape", [x])]) if False else m.node("Reshape", [y, m.const([1, 6, 5, 6])])
    y = m.node("Add", [m.node("Mul", [y, m.random([6, 1, 1])]), m.random([6, 1, 1])])
    y = m.node("Mul", [y, m.node("Sigmoid", [y])])
    sizes = []
    for axis in (2, 3):
        one = m.node("Gather", [m.node("Shape", [y]), m.const(axis, "int64")], axis=0)
        one = m.node("Floor", [m.node("Mul", [m.node("Cast", [one], to=1), m.const(2.0)])])
        sizes.append(m.node("Unsqueeze", [m.node("Cast", [one], to=7)], axes=[0]))
    sizes = m.node("Concat", sizes, axis=0)
    head = m.node("Slice", [m.node("Shape", [y]), m.const([0]), m.const([2]), m.const([0])])
    sizes = m.node("Concat", [head, sizes], axis=0)
    up = m.node("Resize", [y, m.const(np.zeros([0], np.float32)), m.const(np.zeros([0], np.float32)), sizes],
                mode="linear", coordinate_transformation_mode="pytorch_half_pixel")
    suite.end(m, up)
    # PyTorch's tracing exporter: attention with expand, where and masked fill.
    m = suite.start("torch legacy: masked attention", 13)
    x = m.input([1, 6, 8])
    mask = m.input([1, 6], np.array([[1, 1, 1, 1, 0, 0]]))
    heads = []
    for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        y = m.node("Add", [m.node("MatMul", [x, m.random([8, 8], 0.4)]), m.random([8])])
        y = m.node("Reshape", [y, m.const([1, 6, 2, 4])])
        heads.append(m.node("Transpose", [y], perm=perm))
    scores = m.node("Div", [m.node("MatMul", [heads[0], heads[1]]), m.const(2.0)])
    wide = m.node("Unsqueeze", [m.node("Unsqueeze", [mask, m.const([1])]), m.const([2])])
    wide = m.node("Expand", [wide, m.const([1, 1, 6, 6])])
    scores = m.node("Where", [m.node("Equal", [wide, m.const(0, "int64")]), m.const(np.float32(-3.4e38)), scores])
    y = m.node("MatMul", [m.node("Softmax", [scores], axis=-1), heads[2]])
    y = m.node("Reshape", [m.node("Transpose", [y], perm=[0, 2, 1, 3]), m.const([1, 6, 8])])
    y = m.node("Add", [y, x])
    centred = m.node("Sub", [y, m.node("ReduceMean", [y], axes=[-1])])
    variance = m.node("ReduceMean", [m.node("Pow", [centred, m.const(2.0)])], axes=[-1])
    y = m.node("Div", [centred, m.node("Sqrt", [m.node("Add", [variance, m.const(1e-5)])])])
    y = m.node("Add", [m.node("Mul", [y, m.random([8])]), m.random([8])])
    g = m.node("MatMul", [y, m.random([8, 16], 0.4)])
    g = m.node("Mul", [m.node("Mul", [g, m.node("Add", [m.node("Erf", [m.node("Div", [g, m.const(1.4142135)])]),
                                                      m.const(1.0)])]), m.const(0.5)])
    y = m.node("Add", [m.node("MatMul", [g, m.random([16, 8], 0.4)]), y])
    suite.end(m, m.node("Gather", [y, m.const(0, "int64")], axis=1))
    # PyTorch's dynamo exporter: model-local functions, axes and shapes as inputs, opset 18.
    m = suite.start("torch dynamo: functions", 18)
    domain = "pkg.torch.test"
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(domain, 1)]
    m.functions = [
        helper.make_function(
            domain, "gelu", ["x"], ["y"],
            [helper.make_node("Constant", [], ["half"], value_float=0.5),
             helper.make_node("Constant", [], ["one"], value_float=1.0),
             helper.make_node("Constant", [], ["root"], value_float=0.70710678),
             helper.make_node("Mul", ["x", "root"], ["a"]), helper.make_node("Erf", ["a"], ["b"]),
             helper.make_node("Add", ["b", "one"], ["c"]), helper.make_node("Mul", ["x", "c"], ["d"]),
             helper.make_node("Mul", ["d", "half"], ["y"])], opsets),
        helper.make_function(
            domain, "linear", ["x", "w", "b"], ["y"],
            [helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]), helper.make_node("MatMul", ["x", "t"], ["p"]),
             helper.make_node("Add", ["p", "b"], ["y"])], opsets),
        helper.make_function(
            domain, "block", ["x", "w", "b"], ["y"],
            [helper.make_node("linear", ["x", "w", "b"], ["l"], domain=domain),
             helper.make_node("gelu", ["l"], ["g"], domain=domain),
             leaky(helper)], opsets, ["slope"]),
    ]
    y = m.node("block", [m.input([2, 6]), m.random([7, 6]), m.random([7])], domain=domain, slope=0.25)
    y = m.node("block", [y, m.random([5, 7]), m.random([5])], domain=domain, slope=0.5)
    suite.end(m, m.node("ReduceMean", [y, m.const([-1])], keepdims=0))
    m = suite.start("torch dynamo: pooling, split, view", 18)
    y = m.node("Conv", [m.input([1, 3, 8, 8]), m.random([6, 3, 3, 3]), m.random([6])], pads=[1, 1, 1, 1],
               auto_pad="NOTSET", group=1, strides=[1, 1], dilations=[1, 1])
    a, b, c = m.node("Split", [y, m.const([2, 2, 2])], 3, axis=1)
    y = m.node("Concat", [m.node("Mul", [a, m.node("Sigmoid", [b])]), c], axis=1)
    y = m.node("ReduceMean", [y, m.const([-1, -2])], keepdims=1)
    y = m.node("Reshape", [y, m.const([1, 4])], allowzero=1)
    suite.end(m, m.node("Gemm", [y, m.random([3, 4]), m.random([3])], alpha=1.0, beta=1.0, transB=1))


def leaky(helper: Any) -> Any:
    """LeakyRelu whose slope is an attribute of the function around it."""
    node = helper.make_node("LeakyRelu", ["g"], ["y"])
    attribute = node.attribute.add()
    attribute.name = "alpha"
    attribute.type = 1
    attribute.ref_attr_name = "slope"
    return node


def random_network(suite: Suite, number: int) -> None:
    """A chain of random operators over images and then vectors."""
    rng = suite.rng
    m = suite.start(f"random network {number}", int(rng.choice([11, 13, 15, 18])))
    channels, height, width = (int(rng.integers(1, 7)), int(rng.integers(4, 10)), int(rng.integers(4, 10)))
    x = m.input([1, channels, height, width])
    for _ in range(int(rng.integers(2, 7))):
        kind = rng.choice(["conv", "depthwise", "transpose", "pool", "unary", "residual", "gate", "resize", "norm"])
        if kind == "conv":
            out, kernel = int(rng.integers(1, 9)), int(rng.choice([1, 2, 3]))
            if min(height, width) < kernel:
                continue
            stride, pad = int(rng.choice([1, 1, 2])), int(rng.integers(0, 2))
            x = m.node("Conv", [x, m.random([out, channels, kernel, kernel], 0.5), m.random([out])],
                       strides=[stride] * 2, pads=[pad] * 4)
            channels = out
            height, width = ((n + 2 * pad - kernel) // stride + 1 for n in (height, width))
        elif kind == "depthwise":
            x = m.node("Conv", [x, m.random([channels, 1, 3, 3], 0.5)], group=channels, pads=[1] * 4)
        elif kind == "transpose" and height * width < 150:
            out, kernel = int(rng.integers(1, 6)), int(rng.choice([2, 3, 4]))
            x = m.node("ConvTranspose", [x, m.random([channels, out, kernel, kernel], 0.5), m.random([out])],
                       strides=[2, 2])
            channels = out
            height, width = ((n - 1) * 2 + kernel for n in (height, width))
        elif kind == "pool" and min(height, width) >= 2:
            x = m.node(str(rng.choice(["MaxPool", "AveragePool"])), [x], kernel_shape=[2, 2], strides=[2, 2])
            height, width = height // 2, width // 2
        elif kind == "unary":
            op = str(rng.choice(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "Softplus", "HardSigmoid", "Softsign"]))
            x = m.node(op, [x])
        elif kind == "residual":
            y = m.node("Conv", [x, m.random([channels, channels, 3, 3], 0.3), m.random([channels])], pads=[1] * 4)
            if rng.random() < 0.5:
                y = m.node("Relu", [y])
            x = m.node("Add", [x, y] if rng.random() < 0.5 else [y, x])
        elif kind == "gate":
            s = m.node("GlobalAveragePool", [x])
            s = m.node("Sigmoid", [m.node("Conv", [s, m.random([channels, channels, 1, 1])])])
            x = m.node("Mul", [x, s])
        elif kind == "resize" and height * width < 150:
            mode = str(rng.choice(["nearest", "linear"]))
            x = m.node("Resize", [x, "", m.const([1, 1, 2, 2], "float32")] if m.opset >= 13 else
                       [x, m.const([], "float32"), m.const([1, 1, 2, 2], "float32")], mode=mode)
            height, width = 2 * height, 2 * width
        elif kind == "norm":
            x = m.node("BatchNormalization", [x, m.random([channels]), m.random([channels]), m.random([channels]),
                                              m.const(0.3 + rng.random([channels]))])
    x = m.node("Flatten", [x], axis=1)
    outputs = int(rng.integers(2, 9))
    x = m.node("Gemm", [x, m.random([outputs, channels * height * width], 0.2), m.random([outputs])], transB=1)
    suite.end(m, m.node("Softmax", [x], axis=-1) if rng.random() < 0.3 else x)


def newer(suite: Suite) -> None:
    """What opsets 19 to 22 added or changed. Drawn last: older cases keep their numbers."""
    rng = suite.rng
    for approximate in ["none", "tanh"]:
        suite.one("Gelu", [2, 3, 5], opset=20, approximate=approximate)
    suite.one("Gelu", [1, 4, 3, 3], opset=22)
    for opset in [21, 22]:
        suite.one("GroupNormalization", [2, 6, 4, 5], [rng.standard_normal([6]) for _ in range(2)],
                  opset=opset, num_groups=3)
    suite.one("AveragePool", [1, 2, 9, 8], opset=19, kernel_shape=[3, 2], dilations=[2, 3])
    suite.one("AveragePool", [1, 2, 9, 8], opset=22, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    suite.one("Resize", [1, 2, 4, 5], [[], [1.0, 1.0, 2.0, 2.0]], opset=19, mode="nearest",
              coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    suite.one("ReduceMax", [2, 3, 4], [[-1]], opset=20, keepdims=0)
    suite.one("Conv", [1, 3, 6, 6], [rng.standard_normal([4, 3, 3, 3])], opset=22, pads=[1, 1, 1, 1])


def recurrent(suite: Suite) -> None:
    """RNN, GRU and LSTM. Drawn after all others."""
    rng = suite.rng
    steps, inputs, hidden = 5, 4, 3

    def layer(op: str, batch: int = 1, directions: int = 1, bias: bool = True, state: bool = False,
              which: int = 0, steps: int = steps, opset: int = 14, **attributes: Any) -> None:
        rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[op] * hidden
        more = [0.5 * rng.standard_normal([directions, rows, inputs]),
                0.5 * rng.standard_normal([directions, rows, hidden]),
                rng.standard_normal([directions, 2 * rows]) if bias else None]
        if state:
            more += [None, rng.standard_normal([directions, batch, hidden])]
            if op == "LSTM":
                more.append(rng.standard_normal([directions, batch, hidden]))
        outputs = 3 if op == "LSTM" else 2
        what = f"batch={batch} directions={directions} bias={bias} state={state} output={which} steps={steps} "
        what += " ".join(f"{k}={v}" for k, v in attributes.items())
        suite.one(op, [steps, batch, inputs], more, opset=opset, outputs=outputs, which=which, what=what,
                  hidden_size=hidden, **attributes)

    for op in ["LSTM", "GRU", "RNN"]:
        layer(op)
        layer(op, batch=2, bias=False)
        layer(op, state=True, batch=3)
        layer(op, direction="reverse", which=1)
        layer(op, direction="bidirectional", directions=2, batch=2)
        layer(op, direction="bidirectional", directions=2, state=True, which=1, opset=7)
        layer(op, steps=1, opset=22)
        layer(op, steps=1, state=True, direction="reverse")
    layer("LSTM", which=2, opset=11)
    layer("LSTM", state=True, which=2, direction="bidirectional", directions=2, batch=2)
    layer("LSTM", activations=["Sigmoid", "Relu", "Tanh"])
    layer("RNN", activations=["Relu"], state=True)
    layer("RNN", activations=["Sigmoid", "Tanh"], direction="bidirectional", directions=2)
    for state in [False, True]:
        layer("GRU", linear_before_reset=1, state=state)
        layer("GRU", linear_before_reset=1, state=state, bias=False, direction="bidirectional", directions=2)
    layer("GRU", linear_before_reset=1, steps=1)
    layer("GRU", activations=["Sigmoid", "Relu"])

    # As PyTorch writes two layers of a module whose batch comes first: a state of zeros that is made
    # from the input's shape, the last step, a dense layer.
    for op in ["LSTM", "GRU"]:
        model = suite.start(f"{op} module, two layers, batch first", 14)
        x = model.input([1, 6, inputs])
        shape = model.node("Shape", [x])
        batch = model.node("Gather", [shape, model.const(0, "int64")], axis=0)
        batch = model.node("Unsqueeze", [batch, model.const([0], "int64")])
        extents = model.node("Concat", [model.const([1], "int64"), batch, model.const([hidden], "int64")], axis=0)
        zeros = model.node("Expand", [model.const([[[0.0]]]), extents])
        value = model.node("Transpose", [x], perm=[1, 0, 2])
        width = inputs
        for _ in range(2):
            rows = (4 if op == "LSTM" else 3) * hidden
            weights = [model.random([1, rows, width], 0.6), model.random([1, rows, hidden], 0.6),
                       model.random([1, 2 * rows], 0.5)]
            states = ["", zeros, zeros] if op == "LSTM" else ["", zeros]
            more = {} if op == "LSTM" else {"linear_before_reset": 1}
            y = model.node(op, [value, *weights, *states], 3 if op == "LSTM" else 2, hidden_size=hidden, **more)
            value = model.node("Squeeze", [y[0], model.const([1], "int64")])
            width = hidden
        value = model.node("Transpose", [value], perm=[1, 0, 2])
        last = model.node("Gather", [value, model.const(-1, "int64")], axis=1)
        suite.end(model, model.node("Gemm", [last, model.random([hidden, 5]), model.random([5])]))


def volumes(suite: Suite) -> None:
    """Windows over three axes. Drawn after all others."""
    rng = suite.rng

    def conv(shape: list[int], weights: list[int], bias: bool = True, **attributes: Any) -> None:
        more = [rng.standard_normal(weights)] + ([rng.standard_normal(weights[:1])] if bias else [])
        suite.one("Conv", shape, more, **attributes)

    conv([1, 3, 5, 6, 7], [4, 3, 3, 3, 3])
    conv([2, 2, 6, 5, 4], [3, 2, 2, 3, 1], bias=False, pads=[1, 1, 0, 0, 1, 2])
    conv([1, 4, 7, 8, 6], [6, 2, 3, 2, 3], group=2, strides=[2, 1, 2], pads=[1, 0, 1, 1, 1, 0])
    conv([1, 4, 6, 6, 6], [4, 1, 3, 3, 3], group=4, auto_pad="SAME_UPPER", strides=[2, 2, 2])
    conv([1, 2, 9, 9, 8], [3, 2, 2, 3, 2], dilations=[3, 2, 1])
    conv([1, 3, 4, 4, 4], [5, 3, 1, 1, 1])
    conv([1, 2, 3, 4, 5], [3, 2, 3, 4, 5])
    for op in ["MaxPool", "AveragePool"]:
        suite.one(op, [2, 3, 6, 7, 8], kernel_shape=[2, 3, 2])
        suite.one(op, [1, 2, 7, 7, 7], kernel_shape=[3, 2, 3], strides=[2, 2, 1], pads=[1, 0, 1, 1, 1, 1])
        suite.one(op, [1, 2, 7, 8, 7], kernel_shape=[2, 2, 2], strides=[2, 2, 2], ceil_mode=1)
        suite.one(op, [1, 2, 5, 5, 6], kernel_shape=[3, 3, 3], auto_pad="SAME_LOWER")
    suite.one("AveragePool", [1, 2, 5, 6, 7], kernel_shape=[3, 3, 2], pads=[1, 1, 1, 1, 0, 0], count_include_pad=1)
    suite.one("MaxPool", [1, 2, 9, 9, 9], kernel_shape=[2, 3, 2], dilations=[2, 1, 3])
    for op in ["GlobalAveragePool", "GlobalMaxPool"]:
        suite.one(op, [2, 3, 4, 5, 6])

    model = suite.start("volumes: two blocks with batch normalisation and a residual sum", 13)
    x = model.input([1, 2, 6, 8, 8])
    value, width = x, 2
    for _ in range(2):
        value = model.node("Conv", [value, model.random([6, width, 3, 3, 3], 0.2)], pads=[1] * 6)
        statistics = [model.random([6]), model.random([6]), model.random([6]), model.const(rng.uniform(0.5, 2, 6))]
        value = model.node("BatchNormalization", [value, *statistics])
        value = model.node("Relu", [value])
        skip = model.node("Conv", [value, model.random([6, 6, 1, 1, 1], 0.3), model.random([6])])
        value = model.node("Add", [value, skip])
        value = model.node("MaxPool", [value], kernel_shape=[2, 2, 2], strides=[2, 2, 2])
        width = 6
    value = model.node("Flatten", [model.node("GlobalAveragePool", [value])])
    suite.end(model, model.node("Gemm", [value, model.random([6, 4]), model.random([4])]))


def write(suite: Suite, out: Path) -> None:
    import h5py
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4

    def store(group: h5py.Group, name: str, values: np.ndarray) -> None:
        packed = {"compression": "gzip", "compression_opts": 9} if values.nbytes > 4096 else {}
        group.create_dataset(name, data=values, track_times=False, **packed)

    failed = 0
    with h5py.File(out, "w", libver=("v108", "v108")) as file:
        file.attrs["runtime"] = "ONNX Runtime, CPU, float32, no graph optimisation"
        file.attrs["version"] = ort.__version__
        for number, (model, output) in enumerate(suite.cases):
            text = model.model(output).SerializeToString()
            feed = {info.name: value for info, value in zip(model.inputs, model.values)}
            try:
                session = ort.InferenceSession(text, options, providers=["CPUExecutionProvider"])
                result = session.run(None, feed)[0]
            except Exception as error:  # noqa: BLE001: whatever the runtime throws is reported
                failed += 1
                print(f"{model.what} (opset {model.opset}): {str(error)[:300]}", file=sys.stderr)
                continue
            group = file.create_group(f"{number:04d}")
            group.attrs["what"] = f"{model.what} (opset {model.opset})"
            store(group, "model", np.frombuffer(text, np.uint8))
            for k, value in enumerate(model.values):
                store(group, f"input{k}", np.atleast_1d(value).astype(np.float32))
            store(group, "output", np.atleast_1d(result).astype(np.float32))
    print(f"{len(suite.cases) - failed} cases, {failed} that the runtime cannot run, {out.stat().st_size} bytes")
    if failed:
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "tests/golden/operators.h5")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=40, help="how many random networks")
    parser.add_argument("--only-random", action="store_true")
    parser.add_argument("--venv", type=Path, help="make this virtual environment and use it")
    args = parser.parse_args()
    if args.venv:
        python = args.venv / "bin/python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(args.venv)], check=True)
            packages = ["onnxruntime", "onnx<1.18", "numpy", "h5py"]
            subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        rest = [a for i, a in enumerate(sys.argv[1:], 1) if a != "--venv" and sys.argv[i - 1] != "--venv"]
        os.execv(python, [str(python), __file__, *rest])
    suite = Suite(args.seed)
    if not args.only_random:
        for family in (elementwise, movement, resizing, products, normalisation, quantised, styles):
            family(suite)
    for number in range(args.random):
        random_network(suite, number)
    if not args.only_random:
        newer(suite)
        recurrent(suite)
        volumes(suite)
    write(suite, args.out)


if __name__ == "__main__":
    main()
