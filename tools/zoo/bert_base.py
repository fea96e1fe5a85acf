#!/usr/bin/env python3
"""Writes BERT-base as ONNX with seeded random weights: the right graph for mapping and speed.

The encoder of Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (NAACL 2019), with
the pooler and a classifier of two classes behind it: 12 layers of width 768, 12 heads, feed-forward
width 3072, layer normalisation after each residual sum, GELU by Erf. As exporters write it: queries, keys
and values apart, shapes computed from the input, a mask that is added to the scores. 98 matrix products,
attention's 24 products of two computed operands among them; 11.17 GMAC for 128 tokens. Weights are normal
with a standard deviation of 0.02, as BERT is initialised; accuracy means nothing. For a trained network
see docs/models.md. The file has 438 MB, 94 of them word embeddings (--vocabulary).

Inputs: input_ids, attention_mask, token_type_ids, int64, N x T, T up to 512. Output: logits, N x 2.

usage: bert_base.py OUT.onnx [--seed N] [--layers N] [--vocabulary N]
"""

from __future__ import annotations

import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEADS, INNER, POSITIONS = 768, 12, 3072, 512


class Builder:
    """Collects nodes and weights; values are named after the node that makes them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, array: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def normal(self, name: str, shape: tuple[int, ...]) -> str:
        return self.constant(name, self.rng.standard_normal(shape, dtype=np.float32) * np.float32(0.02))

    def number(self, name: str, value: float) -> str:
        return self.constant(name, np.float32(value))

    def integers(self, name: str, values: list[int]) -> str:
        return self.constant(name, np.array(values, np.int64))

    def node(self, op: str, name: str, inputs: list[str], **attributes) -> str:
        self.nodes.append(helper.make_node(op, inputs, [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def dense(self, name: str, x: str, width_in: int, width_out: int) -> str:
        y = self.node("MatMul", name, [x, self.normal(f"{name}.weight", (width_in, width_out))])
        bias = self.constant(f"{name}.bias", np.zeros(width_out, np.float32))
        return self.node("Add", f"{name}.add", [bias, y])

    def layer_norm(self, name: str, x: str) -> str:
        scale = self.constant(f"{name}.weight", np.ones(WIDTH, np.float32))
        bias = self.constant(f"{name}.bias", np.zeros(WIDTH, np.float32))
        return self.node("LayerNormalization", name, [x, scale, bias], axis=-1, epsilon=1e-12)


def attention(b: Builder, name: str, x: str, mask: str, rows: str, flat: str) -> str:
    """`rows`: shape N x T x heads x width of a head; `flat`: N x T x width."""

    def heads(part: str, order: list[int]) -> str:
        y = b.dense(f"{name}.{part}", x, WIDTH, WIDTH)
        y = b.node("Reshape", f"{name}.{part}.split", [y, rows])
        return b.node("Transpose", f"{name}.{part}.heads", [y], perm=order)

    query, key = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1])
    value = heads("value", [0, 2, 1, 3])
    scores = b.node("MatMul", f"{name}.scores", [query, key])
    scores = b.node("Div", f"{name}.scale", [scores, b.number(f"{name}.root", (WIDTH // HEADS) ** 0.5)])
    weights = b.node("Softmax", f"{name}.softmax", [b.node("Add", f"{name}.mask", [scores, mask])], axis=-1)
    y = b.node("MatMul", f"{name}.mix", [weights, value])
    y = b.node("Transpose", f"{name}.turn", [y], perm=[0, 2, 1, 3])
    y = b.node("Reshape", f"{name}.join", [y, flat])
    return b.dense(f"{name}.output", y, WIDTH, WIDTH)


def gelu(b: Builder, name: str, x: str) -> str:
    y = b.node("Erf", f"{name}.erf", [b.node("Div", f"{name}.div", [x, b.number(f"{name}.root2", 2**0.5)])])
    y = b.node("Mul", f"{name}.mul", [x, b.node("Add", f"{name}.add", [y, b.number(f"{name}.one", 1)])])
    return b.node("Mul", f"{name}.half", [y, b.number(f"{name}.0.5", 0.5)])


def build(seed: int, layers: int, vocabulary: int) -> onnx.ModelProto:
    b = Builder(seed)
    shape = b.node("Shape", "shape", ["input_ids"])
    tokens = b.node("Slice", "tokens", [shape, b.integers("one", [1]), b.integers("two", [2])])
    rows = b.node("Concat", "rows", [shape, b.integers("head_shape", [HEADS, WIDTH // HEADS])], axis=0)
    flat = b.node("Concat", "flat", [shape, b.integers("width", [WIDTH])], axis=0)

    positions = b.node("Slice", "positions", [b.integers("all_positions", list(range(POSITIONS))),
                                              b.integers("zero", [0]), tokens])
    words = b.node("Gather", "embeddings.word", [b.normal("embeddings.word.weight", (vocabulary, WIDTH)), "input_ids"])
    kinds = b.node("Gather", "embeddings.type", [b.normal("embeddings.type.weight", (2, WIDTH)), "token_type_ids"])
    places = b.node("Gather", "embeddings.position",
                    [b.normal("embeddings.position.weight", (POSITIONS, WIDTH)), positions])
    x = b.node("Add", "embeddings.add", [b.node("Add", "embeddings.sum", [words, kinds]), places])
    x = b.layer_norm("embeddings.norm", x)

    mask = b.node("Unsqueeze", "mask.wide", ["attention_mask", b.integers("mask.axes", [1, 2])])
    mask = b.node("Sub", "mask.not", [b.number("mask.one", 1), b.node("Cast", "mask.real", [mask], to=TensorProto.FLOAT)])
    mask = b.node("Mul", "mask.scores", [mask, b.number("mask.lowest", -3.4e38)])

    for layer in range(layers):
        name = f"layer{layer}"
        y = attention(b, f"{name}.attention", x, mask, rows, flat)
        x = b.layer_norm(f"{name}.attention.norm", b.node("Add", f"{name}.attention.sum", [y, x]))
        y = gelu(b, f"{name}.gelu", b.dense(f"{name}.intermediate", x, WIDTH, INNER))
        y = b.dense(f"{name}.output", y, INNER, WIDTH)
        x = b.layer_norm(f"{name}.norm", b.node("Add", f"{name}.sum", [y, x]))

    first = b.node("Gather", "first", [x, b.constant("first.index", np.array(0, np.int64))], axis=1)
    for name, width in (("pooler", WIDTH), ("classifier", 2)):
        inputs = [first, b.normal(f"{name}.weight", (width, WIDTH)),
                  b.constant(f"{name}.bias", np.zeros(width, np.float32))]
        first = b.node("Gemm", name, inputs, transB=1)
        if name == "pooler":
            first = b.node("Tanh", "pooler.tanh", [first])
    b.node("Identity", "logits", [first])
    b.nodes[-1].output[0] = "logits"
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["N", "T"])
              for name in ("input_ids", "attention_mask", "token_type_ids")]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])]
    graph = helper.make_graph(b.nodes, "bert_base", inputs, outputs, b.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                              producer_name="attojoule tools/zoo/bert_base.py")
    model.ir_version = 8
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--vocabulary", type=int, default=30522)
    arguments = parser.parse_args()
    onnx.save(build(arguments.seed, arguments.layers, arguments.vocabulary), arguments.out)


if __name__ == "__main__":
    main()
