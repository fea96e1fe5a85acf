#!/usr/bin/env python3
"""Writes the reference gradients that tests compare with (tests/golden/gradients/*.json).

An independent implementation of the gradient of the loss in the energies: the network in PyTorch in
double precision (autograd), with the noise of Garg's shot law in every matrix product,

  y_i + |w_i| |x| z_i / sqrt(D E),   z_i standard normal

where z is computed here, in numpy, from the counter-based generator that docs/physics and
photonics/random.hpp describe: Philox4x32-10 with key = seed and counter = (block, sample, domain << 24 |
product, 0), and a Box-Muller transform. A file holds the samples, the seed, the energies of every product
(one for all its channels), the mean loss and its derivative in ln E of every channel.

Needs Debian's python3-torch, python3-onnx and python3-h5py.
Example: tools/dev/reference_gradients.py --data "$ATTOJOULE_DATA"
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
DETECTION = 1  # photonics::NoiseDomain::detection


@dataclass(frozen=True)
class Case:
    model: str
    dataset: str
    samples: tuple[int, ...]
    energy: float  # of the first product; the others follow in a pattern


CASES = [
    Case("onn_qat_mlp_mnist", "mnist_test.h5", (0, 3, 247, 9000), 3.0),
    Case("resnet20_cifar10", "cifar10_test1000.h5", (0, 7, 52), 15.0),
    Case("tiny_sentiment_sst2", "sst2_dev.h5", (1, 5, 300), 12.0),
]


def philox(seed: int, blocks: np.ndarray, sample: int, product: int) -> list[np.ndarray]:
    """The four words of every block (Salmon et al. 2011)."""
    mask = np.uint64(0xFFFFFFFF)
    counter = [blocks.astype(np.uint64)] + [
        np.full(blocks.shape, value, np.uint64) for value in (sample, DETECTION << 24 | product, 0)
    ]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a = counter[0] * np.uint64(0xD2511F53)
        b = counter[2] * np.uint64(0xCD9E8D57)
        counter = [
            (b >> np.uint64(32)) ^ counter[1] ^ np.uint64(key[0]),
            b & mask,
            (a >> np.uint64(32)) ^ counter[3] ^ np.uint64(key[1]),
            a & mask,
        ]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def normals(seed: int, sample: int, product: int, count: int) -> np.ndarray:
    """Elements 0 .. count-1: element 64 g + 16 w + l comes from word w of block 16 g + l."""
    groups = (count + 63) // 64
    words = philox(seed, np.arange(16 * groups), sample, product)
    result = np.empty((groups, 4, 16))
    for pair in (0, 2):
        radius_word, angle_word = words[pair], words[pair + 1]
        u = ((radius_word >> np.uint64(1)).astype(np.float32) + np.float32(0.5)).astype(float)
        radius = np.sqrt(-np.log(u / 2.0**31))
        angle = angle_word.astype(np.uint32).view(np.int32) / 2.0**31 * math.pi / 4
        first = radius * (np.cos(angle) - np.sin(angle))
        second = radius * (np.cos(angle) + np.sin(angle))
        first = np.where(radius_word & np.uint64(1), -first, first)
        second = np.where(angle_word & np.uint64(1), -second, second)
        result[:, pair] = first.reshape(groups, 16)
        result[:, pair + 1] = second.reshape(groups, 16)
    return result.reshape(-1)[:count]


class Network:
    """An ONNX graph in PyTorch, with noise in its products. `log_energy`: one array a product."""

    def __init__(self, path: Path):
        self.graph = onnx.load(str(path)).graph
        self.constants = {t.name: self.tensor(t) for t in self.graph.initializer}
        self.products = [n for n in self.graph.node if n.op_type in ("Conv", "Gemm", "MatMul")]

    @staticmethod
    def tensor(proto: onnx.TensorProto) -> torch.Tensor:
        value = torch.from_numpy(numpy_helper.to_array(proto).copy())
        return value.double() if value.is_floating_point() else value

    def run(self, feed: dict[str, torch.Tensor], log_energy: list[torch.Tensor], noise) -> torch.Tensor:
        self.log_energy, self.noise = log_energy, noise
        values = dict(self.constants)
        values.update(feed)
        for node in self.graph.node:
            inputs = [values[name] if name else None for name in node.input]
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            result = getattr(self, node.op_type)(node, attributes, *inputs)
            outputs = result if isinstance(result, (list, tuple)) else [result]
            values.update(zip(node.output, outputs))
        return values[self.graph.output[0].name]

    # ---- products: y is positions x channels ----

    def noisy(self, node, y, weight_norm2, input_norm2, length):
        """Adds noise; y has its output channels last, in the order of the random elements."""
        product = self.products.index(node)
        if self.log_energy[product] is None:
            self.sizes[product] = y.shape[-1] if node.input[1] in self.constants else 1
            return y
        z = torch.from_numpy(self.noise(product, y.numel())).reshape(y.shape)
        variance = weight_norm2 * input_norm2 / length * torch.exp(-self.log_energy[product])
        # The root's derivative at 0 is infinite; there is no noise there.
        sigma = torch.where(variance > 0, torch.sqrt(torch.where(variance > 0, variance, 1.0)), 0.0)
        return y + sigma * z

    def Conv(self, node, a, x, w, b=None):  # noqa: N802 (named as the operator)
        pads = a.get("pads", [0, 0, 0, 0])
        assert pads[:2] == pads[2:] and a.get("group", 1) == 1
        how = {"stride": a.get("strides", [1, 1]), "padding": pads[:2], "dilation": a.get("dilations", [1, 1])}
        y = F.conv2d(x, w, None, **how).permute(0, 2, 3, 1)
        ones = torch.ones_like(w[:1])
        norms = F.conv2d(x * x, ones, None, **how).permute(0, 2, 3, 1)
        y = self.noisy(node, y, (w * w).sum((1, 2, 3)), norms, w[0].numel())
        return (y if b is None else y + b).permute(0, 3, 1, 2)

    def Gemm(self, node, a, x, w, b=None):  # noqa: N802
        w = a.get("alpha", 1.0) * (w if a.get("transB", 0) else w.T)
        y = self.noisy(node, x @ w.T, (w * w).sum(1), (x * x).sum(-1, keepdim=True), w.shape[1])
        return y if b is None else y + a.get("beta", 1.0) * b

    def MatMul(self, node, a, x, w):  # noqa: N802
        norms = (w * w).sum(-2, keepdim=True)
        return self.noisy(node, x @ w, norms, (x * x).sum(-1, keepdim=True), x.shape[-1])

    # ---- the rest ----

    def Relu(self, node, a, x): return F.relu(x)  # noqa: N802
    def Tanh(self, node, a, x): return torch.tanh(x)  # noqa: N802
    def Erf(self, node, a, x): return torch.erf(x)  # noqa: N802
    def Sqrt(self, node, a, x): return torch.sqrt(x)  # noqa: N802
    def Add(self, node, a, x, y): return x + y  # noqa: N802
    def Sub(self, node, a, x, y): return x - y  # noqa: N802
    def Mul(self, node, a, x, y): return x * y  # noqa: N802
    def Div(self, node, a, x, y): return x / y  # noqa: N802
    def Pow(self, node, a, x, y): return x**y  # noqa: N802
    def Identity(self, node, a, x): return x  # noqa: N802
    def Softmax(self, node, a, x): return torch.softmax(x, a.get("axis", -1))  # noqa: N802
    def Transpose(self, node, a, x): return x.permute(a["perm"])  # noqa: N802
    def Flatten(self, node, a, x): return x.flatten(a.get("axis", 1))  # noqa: N802
    def Constant(self, node, a): return self.tensor(a["value"])  # noqa: N802
    def GlobalAveragePool(self, node, a, x): return x.mean((2, 3), keepdim=True)  # noqa: N802

    def Gather(self, node, a, x, index):  # noqa: N802
        axis = a.get("axis", 0)
        return torch.index_select(x, axis, index.reshape(-1).long()).reshape(
            x.shape[:axis] + index.shape + x.shape[axis + 1 :])

    def ReduceMean(self, node, a, x):  # noqa: N802
        return x.mean(a["axes"], keepdim=bool(a.get("keepdims", 1)))

    def Reshape(self, node, a, x, shape):  # noqa: N802
        return x.reshape([x.shape[i] if s == 0 else int(s) for i, s in enumerate(shape)])

    def Unsqueeze(self, node, a, x, axes=None):  # noqa: N802
        for axis in a.get("axes", axes):
            x = x.unsqueeze(int(axis))
        return x

    def Squeeze(self, node, a, x, axes=None):  # noqa: N802
        for axis in sorted((int(i) for i in a.get("axes", axes)), reverse=True):
            x = x.squeeze(axis)
        return x

    def Pad(self, node, a, x, pads, value=None):  # noqa: N802
        rank = x.dim()
        pads = [int(p) for p in pads]
        flat = [side for axis in reversed(range(rank)) for side in (pads[axis], pads[axis + rank])]
        return F.pad(x, flat, value=0.0 if value is None else float(value))

    def Slice(self, node, a, x, starts, ends, axes, steps=None):  # noqa: N802
        index = [slice(None)] * x.dim()
        for i, axis in enumerate(axes):
            step = 1 if steps is None else int(steps[i])
            index[int(axis)] = slice(int(starts[i]), int(ends[i]), step)
        return x[tuple(index)]

    def channels(self, feed: dict[str, torch.Tensor]) -> list[int]:
        """Output channels of every product (1 where both operands are computed)."""
        self.sizes: dict[int, int] = {}
        with torch.no_grad():
            self.run(feed, [None] * len(self.products), None)
        return [self.sizes[i] for i in range(len(self.products))]


def load(case: Case, data: Path, network: Network, sample: int) -> tuple[dict[str, torch.Tensor], int]:
    with h5py.File(data / "datasets" / case.dataset) as file:
        inputs = file["inputs"]
        raw = inputs[sample : sample + 1].astype(float)
        shape = (1, -1) + (1,) * (raw.ndim - 2)
        attributes = inputs.attrs
        mean = np.asarray(attributes.get("mean", [0.0]), float).reshape(shape)
        std = np.asarray(attributes.get("std", [1.0]), float).reshape(shape)
        x = (raw * float(attributes.get("scale", 1.0)) - mean) / std
        # What a network is given is single precision.
        feed = {network.graph.input[0].name: torch.from_numpy(x.astype(np.float32)).double()}
        for value in network.graph.input[1:]:
            name = value.name if value.name in file else "attention_mask"
            feed[value.name] = torch.from_numpy(file[name][sample : sample + 1].astype(float))
        return feed, int(file["labels"][sample])


def gradients(case: Case, data: Path) -> dict:
    seed = 11
    path = data / "models" / f"{case.model}.onnx"
    network = Network(path)
    channels = network.channels(load(case, data, network, case.samples[0])[0])
    energies = [case.energy * (1 + 0.25 * (i % 5)) for i in range(len(channels))]
    log_energy = [torch.full((n,), math.log(e), dtype=torch.float64, requires_grad=True)
                  for n, e in zip(channels, energies)]
    loss = 0.0
    for sample in case.samples:
        feed, label = load(case, data, network, sample)
        scores = network.run(feed, log_energy, lambda product, count: normals(seed, sample, product, count))
        one = F.cross_entropy(scores.reshape(1, -1), torch.tensor([label])) / len(case.samples)
        one.backward()
        loss += float(one)
    return {
        "command": f"tools/dev/reference_gradients.py --only {case.model}",
        "runtime": f"PyTorch {torch.__version__}, float64",
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "dataset": case.dataset,
        "seed": seed,
        "samples": list(case.samples),
        "products": [node.name for node in network.products],
        "energies": energies,
        "loss": loss,
        "by_log_energy": [[float(f"{g:.9g}") for g in values.grad] for values in log_energy],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory with datasets/ and models/")
    parser.add_argument("--only", help="one model")
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "golden" / "gradients")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        if options.only and options.only != case.model:
            continue
        result = gradients(case, options.data)
        (options.out / f"{case.model}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(f"{case.model}: loss {result['loss']:.6f}, {len(result['by_log_energy'])} products", flush=True)


if __name__ == "__main__":
    main()
