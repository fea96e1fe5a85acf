#!/usr/bin/env python3
"""Independent numpy model of two noise laws, for the published network of Wang et al. (2022).

Runs onn_qat_mlp_mnist (784-100-100-10, ReLU) on the 10,000 MNIST test images with fresh noise in
all three layers and prints the accuracy at the operating points of validation targets V9 and V10.
It shares no code with the simulator: agreement of the two is a check of both. The targets are what
the law of the authors' notebook gives for this network, not measurements on their machine.

With W (inputs x outputs), X (one row a sample), D inputs of the layer, n the photons per
multiplication (the same n in every layer):

counting  (Wang et al., Nat. Commun. 13, 123 (2022), notebook; X >= 0; n incident on the weights)
    W~ = (W - min W)/K_W, K_W = max(W) - min(W);  X~ = X/K_X, K_X the largest input of the sample
    n0 = n D/sum_j X~_j;  lambda = n0 X~ W~
    y  = X W + b + K_X K_W (Poisson(lambda) - lambda)/n0
homodyne  (normalised encoding; n counts the photons of both beams, quantum efficiency 1)
    y  = X W + b + |w_i| |x| / sqrt(D n) * Normal(0, 1)

A zero input row carries no light and gets no noise. "Transmission" is the mean detected fraction of
the photons that enter the layer: sum_i,j X~_j W~_ji / (outputs sum_j X~_j), averaged over samples.

Example: tools/dev/reference_noise.py --data "$ATTOJOULE_DATA" --seeds 3
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import h5py
import numpy as np
import onnx
from onnx import numpy_helper


@dataclass(frozen=True)
class Layer:
    weight: np.ndarray  # inputs x outputs
    bias: np.ndarray


Law = Callable[[Layer, np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Target:
    photons: float
    accuracy: float  # percent
    tolerance: float  # points


COUNTING_TARGETS = [
    Target(0.1, 12.8, 1.5),
    Target(0.3981, 31.9, 1.5),
    Target(1, 68.7, 1.5),
    Target(2, 89.9, 0.7),
    Target(3.981, 96.5, 0.7),
    Target(10, 98.3, 0.3),
    Target(100, 98.9, 0.3),
]
HOMODYNE_TARGETS = [
    Target(0.1, 13.1, 1.2),
    Target(0.5, 41.4, 1.2),
    Target(1, 70.2, 1.2),
    Target(2, 90.5, 0.6),
    Target(10, 98.3, 0.3),
    Target(50, 98.8, 0.3),
]
TRANSMISSION = [0.489, 0.428, 0.406]
TRANSMISSION_TOLERANCE = 0.003


def counting_noise(layer: Layer, x: np.ndarray, n: float, rng: np.random.Generator) -> np.ndarray:
    offset = layer.weight.min()
    weight_scale = layer.weight.max() - offset
    input_scale = x.max(axis=1, keepdims=True)
    lit = input_scale[:, 0] > 0
    relative = x[lit] / input_scale[lit]
    photons_per_unit = n * x.shape[1] / relative.sum(axis=1, keepdims=True)
    expected = photons_per_unit * (relative @ ((layer.weight - offset) / weight_scale))
    noise = np.zeros((len(x), layer.weight.shape[1]))
    excess = rng.poisson(expected) - expected
    noise[lit] = input_scale[lit] * weight_scale * excess / photons_per_unit
    return noise


def homodyne_noise(layer: Layer, x: np.ndarray, n: float, rng: np.random.Generator) -> np.ndarray:
    weight_norm = np.linalg.norm(layer.weight, axis=0)
    input_norm = np.linalg.norm(x, axis=1, keepdims=True)
    normal = rng.standard_normal((len(x), layer.weight.shape[1]))
    return input_norm * weight_norm / np.sqrt(x.shape[1] * n) * normal


LAWS: dict[str, tuple[Law, list[Target]]] = {
    "counting": (counting_noise, COUNTING_TARGETS),
    "homodyne": (homodyne_noise, HOMODYNE_TARGETS),
}


def load_layers(path: Path) -> list[Layer]:
    """Every Gemm of the graph in order; any other operator must be a ReLU."""
    graph = onnx.load(str(path)).graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers = []
    for node in graph.node:
        if node.op_type == "Gemm":
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            weight = weights[node.input[1]].astype(np.float64)
            weight = weight.T if attributes.get("transB", 0) else weight
            layers.append(Layer(weight, weights[node.input[2]].astype(np.float64)))
        elif node.op_type != "Relu":
            sys.exit(f"error: {path}: operator {node.op_type} is not part of a ReLU perceptron")
    return layers


def correct(
    layers: list[Layer],
    x: np.ndarray,
    labels: np.ndarray,
    noise: Law | None,
    n: float,
    rng: np.random.Generator,
) -> int:
    for index, layer in enumerate(layers):
        y = x @ layer.weight + layer.bias
        if noise:
            y += noise(layer, x, n, rng)
        x = np.maximum(y, 0) if index + 1 < len(layers) else y
    return int((x.argmax(axis=1) == labels).sum())


def transmissions(layers: list[Layer], x: np.ndarray) -> list[float]:
    result = []
    for layer in layers:
        offset = layer.weight.min()
        relative = (layer.weight - offset) / (layer.weight.max() - offset)
        lit = x.sum(axis=1) > 0
        share = (x[lit] @ relative).mean(axis=1) / x[lit].sum(axis=1)
        result.append(float(share.mean()))
        x = np.maximum(x @ layer.weight + layer.bias, 0)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = os.environ.get("ATTOJOULE_DATA")
    parser.add_argument(
        "--data",
        type=Path,
        default=default,
        required=default is None,
        help="folder with models/onn_qat_mlp_mnist.onnx and datasets/mnist_test.h5",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3, help="independent passes over the test set")
    args = parser.parse_args()

    layers = load_layers(args.data / "models/onn_qat_mlp_mnist.onnx")
    with h5py.File(args.data / "datasets/mnist_test.h5") as file:
        inputs, labels = file["inputs"], file["labels"][...]
        x = (inputs[...] * inputs.attrs["scale"] - inputs.attrs["mean"]) / inputs.attrs["std"]

    bad = 0

    def check(what: str, value: float, target: float, tolerance: float, digits: int) -> None:
        nonlocal bad
        inside = abs(value - target) <= tolerance
        bad += not inside
        print(
            f"{what:34s} {value:8.{digits}f}  target {target:8.{digits}f} +- {tolerance:g}"
            f"{'' if inside else '   OUTSIDE'}",
            flush=True,
        )

    rng = np.random.default_rng(args.seed)
    count = len(labels)
    clean = 100 * correct(layers, x, labels, None, 0, rng) / count
    check("noiseless accuracy [%]", clean, 98.94, 0.02, 2)
    for index, share in enumerate(transmissions(layers, x)):
        name = f"transmission of layer {index + 1}"
        check(name, share, TRANSMISSION[index], TRANSMISSION_TOLERANCE, 4)
    for law, (noise, targets) in LAWS.items():
        for t in targets:
            right = [correct(layers, x, labels, noise, t.photons, rng) for _ in range(args.seeds)]
            name = f"{law}, n = {t.photons:g}: accuracy [%]"
            check(name, 100 * sum(right) / (count * args.seeds), t.accuracy, t.tolerance, 2)
    print(f"{bad} outside their tolerance; {args.seeds} passes over {count} images")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
