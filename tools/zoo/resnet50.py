#!/usr/bin/env python3
"""Writes ResNet-50 as ONNX with seeded random weights: the right graph for mapping and speed.

The graph is that of He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), with the
stride in the 3x3 convolution of a bottleneck (as torchvision has it): 53 convolutions, one dense
layer, 4.09 GMAC at 224 x 224. Batch norm is folded. Weights are He-initialised, so that activations
keep their size; accuracy means nothing. For a trained network see docs/models.md.

usage: resnet50.py OUT.onnx [--seed N] [--size PIXELS]
"""
import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """Collects nodes and weights; values are named after the node that makes them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, array: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, op: str, name: str, inputs: list[str], **attributes) -> str:
        self.nodes.append(helper.make_node(op, inputs, [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def conv(self, name: str, x: str, channels_in: int, channels_out: int, kernel: int,
             stride: int = 1, gain: float = 2.0) -> str:
        """Convolution with padding (kernel - 1) / 2 and weights of variance gain / fan-in."""
        fan_in = channels_in * kernel * kernel
        weight = self.rng.normal(0, np.sqrt(gain / fan_in),
                                 (channels_out, channels_in, kernel, kernel))
        pad = (kernel - 1) // 2
        return self.node("Conv", name,
                         [x, self.constant(f"{name}.weight", weight),
                          self.constant(f"{name}.bias", self.rng.normal(0, 0.1, channels_out))],
                         kernel_shape=[kernel, kernel], strides=[stride, stride],
                         pads=[pad, pad, pad, pad])


def build(seed: int, size: int) -> onnx.ModelProto:
    b = Builder(seed)
    x = b.node("Relu", "relu", [b.conv("conv1", "input", 3, 64, 7, 2)])
    x = b.node("MaxPool", "maxpool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], start=1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            skip = x
            y = b.node("Relu", f"{name}.relu1", [b.conv(f"{name}.conv1", x, channels, width, 1)])
            y = b.node("Relu", f"{name}.relu2",
                       [b.conv(f"{name}.conv2", y, width, width, 3, stride)])
            # The branch adds little to the stream, as in a trained network.
            y = b.conv(f"{name}.conv3", y, width, 4 * width, 1, gain=0.2)
            if block == 0:
                skip = b.conv(f"{name}.downsample", x, channels, 4 * width, 1, stride, gain=1.0)
            x = b.node("Relu", f"{name}.relu3", [b.node("Add", f"{name}.add", [y, skip])])
            channels = 4 * width
    x = b.node("Flatten", "flatten", [b.node("GlobalAveragePool", "avgpool", [x])], axis=1)
    weight = b.rng.normal(0, np.sqrt(1 / channels), (1000, channels))
    b.nodes.append(helper.make_node(
        "Gemm", [x, b.constant("fc.weight", weight), b.constant("fc.bias", np.zeros(1000))],
        ["logits"], name="fc", transB=1))
    graph = helper.make_graph(
        b.nodes, "resnet50",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, size, size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1000])], b.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)],
                              producer_name="attojoule tools/zoo/resnet50.py")
    model.ir_version = 7
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=224)
    arguments = parser.parse_args()
    onnx.save(build(arguments.seed, arguments.size), arguments.out)


if __name__ == "__main__":
    main()
