#!/usr/bin/env python3
"""Writes the seeds of dataset_fuzz and onnx_fuzz (those of config_fuzz are written by hand).

    /usr/bin/python3 tests/fuzz/make_seeds.py    (Debian: python3-numpy python3-h5py python3-onnx)
"""

import gzip
import pathlib
import struct

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SEEDS = pathlib.Path(__file__).parent / "seeds"


# ---- data sets ----

def hdf5(name, fill):
    file = SEEDS / "dataset_fuzz" / name
    with h5py.File(file, "w", libver="earliest") as h5:
        fill(h5)
    file.write_bytes(b"\0" + file.read_bytes())


def idx(shape, values):
    head = struct.pack(">BBBB", 0, 0, 8, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
    return head + bytes(values)


def pair(name, inputs, labels):
    file = SEEDS / "dataset_fuzz" / name
    file.write_bytes(b"\1" + struct.pack("<H", len(inputs)) + inputs + labels)


def images(h5):
    h5["inputs"] = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    h5["inputs"].attrs.update(scale=1 / 255, mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.3])
    h5["labels"] = np.array([0, 1], dtype=np.int64)
    h5.attrs["classes"] = 2


def text(h5):
    h5["inputs"] = np.array([[5, 6, 7], [8, 9, 0]], dtype=np.int32)
    h5["attention_mask"] = np.array([[1, 1, 1], [1, 1, 0]], dtype=np.float32)
    h5["labels"] = np.array([1, 0], dtype=np.uint8)


def packed(h5):
    h5.create_dataset("inputs", data=np.zeros((4, 64)), chunks=(1, 64), compression="gzip")
    h5["labels"] = np.zeros(4, dtype=np.int16)


def result(h5):
    h5.attrs.update(format="attojoule-result", format_version=1, program_version="0.1.0")
    h5["accuracy/clean"] = 0.5
    h5["accuracy/clean"].attrs.update(units="1", long_name="accuracy")


def data_sets():
    hdf5("images.h5", images)
    hdf5("text.h5", text)
    hdf5("packed.h5", packed)
    hdf5("result.h5", result)
    inputs, labels = idx((2, 2, 2), range(8)), idx((2,), [0, 1])
    pair("plain.idx", inputs, labels)
    pair("gzipped.idx", gzip.compress(inputs, mtime=0), gzip.compress(labels, mtime=0))


# ---- networks ----

RANDOM = np.random.default_rng(1)


def weight(name, *shape, scale=0.5):
    return numpy_helper.from_array((scale * RANDOM.standard_normal(shape)).astype(np.float32), name)


def integers(name, values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def network(name, inputs, nodes, initializers=(), opset=13):
    """nodes: (op, inputs, output, attributes); the last output is the network's."""
    graph = helper.make_graph(
        [helper.make_node(op, ins.split(), [out], **attributes) for op, ins, out, attributes in nodes],
        name,
        [helper.make_tensor_value_info(key, kind, shape) for key, kind, shape in inputs],
        [helper.make_tensor_value_info(nodes[-1][2], TensorProto.FLOAT, None)],
        list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.producer_name = ""
    onnx.save(model, SEEDS / "onnx_fuzz" / f"{name}.onnx")


FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def networks():
    image = [("x", FLOAT, ["N", 2, 6, 6])]
    network("convolution", image, [
        ("Conv", "x w b", "a", dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1])),
        ("BatchNormalization", "a s s m v", "n", {}),
        ("Relu", "n", "r", {}),
        ("MaxPool", "r", "p", dict(kernel_shape=[2, 2], strides=[2, 2])),
        ("Conv", "p d", "q", dict(kernel_shape=[3, 3], group=4, pads=[1, 1, 1, 1])),
        ("Add", "p q", "t", {}),
        ("GlobalAveragePool", "t", "g", {}),
        ("Flatten", "g", "f", {}),
        ("Gemm", "f u c", "y", dict(transB=1))],
        [weight("w", 4, 2, 3, 3), weight("b", 4), weight("s", 4), weight("m", 4),
         numpy_helper.from_array(np.ones(4, np.float32), "v"), weight("d", 4, 1, 3, 3),
         weight("u", 3, 4), weight("c", 3)])
    network("movement", image, [
        ("Pad", "x pads", "p", {}),
        ("Slice", "p starts ends axes", "s", {}),
        ("Transpose", "s", "t", dict(perm=[0, 2, 3, 1])),
        ("Reshape", "t shape", "r", {}),
        ("Concat", "r r", "c", dict(axis=1)),
        ("Unsqueeze", "c first", "u", {}),
        ("Squeeze", "u first", "q", {}),
        ("Gather", "q which", "g", dict(axis=1)),
        ("ReduceMean", "g", "m", dict(axes=[-1], keepdims=1)),
        ("Sub", "g m", "y", {})],
        [integers("pads", [0, 0, 1, 1, 0, 0, 1, 1]), integers("starts", [1, 1]),
         integers("ends", [7, 9223372036854775807]), integers("axes", [2, 3]),
         integers("shape", [0, -1]), integers("first", [0]), integers("which", [0, 5, -1])])
    network("shapes", [("x", FLOAT, ["N", 4])], [
        ("Shape", "x", "s", {}),
        ("ConstantOfShape", "s", "z", {}),
        ("Add", "x z", "a", {}),
        ("Cast", "s", "f", dict(to=FLOAT)),
        ("Expand", "a t", "e", {}),
        ("Mul", "e f", "m", {}),
        ("MatMul", "m w", "y", {})],
        [integers("t", [3, 1, 1]), weight("w", 2, 3)][:1] + [weight("w", 4, 3)])
    network("attention", [("ids", INT64, ["N", 4]), ("mask", FLOAT, ["N", 4])], [
        ("Gather", "table ids", "e", {}),
        ("MatMul", "e wq", "q", {}),
        ("Transpose", "e", "k", dict(perm=[0, 2, 1])),
        ("MatMul", "q k", "s", {}),
        ("Add", "s mask", "a", {}),
        ("Softmax", "a", "p", dict(axis=-1)),
        ("MatMul", "p e", "v", {}),
        ("Erf", "v", "r", {}),
        ("Tanh", "r", "t", {}),
        ("ReduceMean", "t", "y", dict(axes=[1], keepdims=0))],
        [weight("table", 8, 4), weight("wq", 4, 4)])
    network("elementwise", [("x", FLOAT, [1, 3])], [
        ("Sigmoid", "x", "a", {}), ("Exp", "a", "b", {}), ("Sqrt", "b", "c", {}),
        ("Pow", "c two", "d", {}), ("Div", "d c", "e", {}), ("Clip", "e low high", "f", {}),
        ("Neg", "f", "g", {}), ("Abs", "g", "h", {}), ("Greater", "h two", "i", {}),
        ("Where", "i g h", "y", {})],
        [numpy_helper.from_array(np.array(v, np.float32), n)
         for n, v in (("two", 2), ("low", 0), ("high", 6))])


if __name__ == "__main__":
    data_sets()
    networks()
    for folder in sorted(SEEDS.iterdir()):
        print(folder.name, sum(file.stat().st_size for file in folder.iterdir()), "bytes")
