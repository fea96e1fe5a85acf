#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many images to search with, and which method: `attojoule learn` on six small networks.

Trains the networks on Fashion-MNIST (one thread, fixed seed) into OUT/NETWORK.onnx with data sets
beside them: NETWORK_train.h5 (the first 5000 training images, learned from and searched with) and
NETWORK_test.h5 (4000 test images). Runs the rows (`--list`), each into OUT/ROW.h5 and OUT/ROW.json, and
writes OUT/table.md: the figures of docs/physics/precision_schedule.md ("How many images") and
precision_learning.md ("Which one"). What is there is not made again. About a quarter of an hour on one core.
Needs Debian's python3-torch, python3-onnx, python3-h5py and dataset-fashion-mnist
(tools/dev/install_packages.sh train).

usage: small_networks.py OUT [ROW ...]      ROW: a name as below, or the beginning of one
       small_networks.py OUT --list
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable

from learn_rows import ROOT, chosen_rows, read, run

sys.path.insert(0, str(ROOT / "tools/train"))

IMAGES = Path("/usr/share/datasets/fashion-mnist")
MEAN, STD = 72.9, 90.0  # of the pixels
NETWORKS = {
    "mlp": "MLP",
    "two_classes": "CNN of two classes",
    "hundred_classes": "CNN of 100 classes",
    "pooling": "CNN with average pooling",
    "depthwise": "depthwise-separable CNN",
    "transformer": "vision transformer",
}
SEARCHES = {"2000": ["learn.search_images=2000"], "4000": []}  # 4000: the default
METHODS = ("gradient", "hybrid", "sensitivity")
OF_EVERY_METHOD = ("pooling", "two_classes")

ROWS = [f"{n}-{s}-{g}-hybrid" for n in NETWORKS for s in SEARCHES for g in ("layer", "channel")] + [
    f"{n}-4000-{g}-{m}"
    for n in OF_EVERY_METHOD
    for g in ("layer", "channel")
    for m in METHODS
    if m != "hybrid"
]


def train(wanted: set[str], out: Path) -> None:
    """Writes the networks and data sets of `wanted` that are not there."""
    missing = [name for name in NETWORKS if name in wanted and not (out / f"{name}.onnx").exists()]
    if not missing:
        return
    import h5py
    import numpy as np
    import torch
    from fashion_cnn import read_idx
    from torch import Tensor, nn
    from torch.nn import functional

    torch.set_num_threads(1)  # the number of threads changes the last digits of sums
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)

    class SqueezeExcitation(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.squeeze = nn.Conv2d(channels, channels // 4, 1)
            self.excite = nn.Conv2d(channels // 4, channels, 1)

        def forward(self, x: Tensor) -> Tensor:
            mean = functional.adaptive_avg_pool2d(x, 1)
            return x * functional.hardsigmoid(self.excite(torch.relu(self.squeeze(mean))))

    def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> list:
        layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        return [layer, nn.BatchNorm2d(outputs)]

    class Inverted(nn.Module):
        """1x1 convolution to twice the channels, depthwise 3x3, squeeze and excitation, 1x1."""

        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            wide = 2 * inputs
            self.layers = nn.Sequential(
                *convolution(inputs, wide, 1),
                nn.Hardswish(),
                *convolution(wide, wide, 3, stride, wide),
                nn.Hardswish(),
                SqueezeExcitation(wide),
                *convolution(wide, outputs, 1),
            )
            self.residual = inputs == outputs and stride == 1

        def forward(self, x: Tensor) -> Tensor:
            y = self.layers(x)
            return x + y if self.residual else y

    class Block(nn.Module):
        """Pre-norm transformer block: attention, then two layers with GELU."""

        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.grow, self.shrink = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

        def forward(self, x: Tensor) -> Tensor:
            batch, tokens, width = x.shape
            parts = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads)
            parts = parts.permute(2, 0, 3, 1, 4)
            q, k, v = parts[0], parts[1], parts[2]
            weights = torch.softmax(q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5, -1)
            x = x + self.join((weights @ v).transpose(1, 2).reshape(batch, tokens, width))
            return x + self.shrink(functional.gelu(self.grow(self.norm2(x))))

    class Transformer(nn.Module):
        """16 patches of 7x7 and a class token, width 48, two blocks of three heads."""

        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(1, 48, 7, 7)
            self.token = nn.Parameter(torch.zeros(1, 1, 48))
            self.position = nn.Parameter(0.02 * torch.randn(1, 17, 48))
            self.blocks = nn.Sequential(Block(48, 3), Block(48, 3))
            self.head = nn.Sequential(nn.LayerNorm(48), nn.Linear(48, 10))

        def forward(self, x: Tensor) -> Tensor:
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
            return self.head(self.blocks(x)[:, 0])

    # Name: network, training images, epochs.
    make: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
        "mlp": (
            lambda: nn.Sequential(
                nn.Flatten(),
                *(nn.Linear(784, 128), nn.LayerNorm(128), nn.GELU()),
                *(nn.Linear(128, 128), nn.LayerNorm(128), nn.GELU()),
                nn.Linear(128, 10),
            ),
            60000,
            4,
        ),
        "two_classes": (  # tops and coats, or anything else
            lambda: nn.Sequential(
                *(nn.Conv2d(1, 8, 5, 2, 2), nn.ReLU()),
                *(nn.Conv2d(8, 16, 5, 2, 2, groups=2), nn.Tanh(), nn.Flatten()),
                *(nn.Linear(784, 32), nn.Sigmoid(), nn.Linear(32, 2)),
            ),
            30000,
            3,
        ),
        "hundred_classes": (  # two images side by side
            lambda: nn.Sequential(
                *(*convolution(1, 12, 5, 2), nn.ReLU()),
                *(nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2, 2, ceil_mode=True)),
                *(nn.Flatten(), nn.Linear(24 * 4 * 7, 128), nn.ReLU(), nn.Linear(128, 100)),
            ),
            40000,
            4,
        ),
        "pooling": (
            lambda: nn.Sequential(
                *(*convolution(1, 16, 3), nn.ReLU(), nn.AvgPool2d(2)),
                *(*convolution(16, 24, 3), nn.ReLU(), nn.AvgPool2d(2)),
                *(nn.Conv2d(24, 32, 3), nn.ReLU(), nn.BatchNorm2d(32)),
                *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
            ),
            20000,
            4,
        ),
        "depthwise": (
            lambda: nn.Sequential(
                *(*convolution(1, 12, 3, 2), nn.Hardswish()),
                *(Inverted(12, 12, 1), Inverted(12, 24, 2)),
                *(Inverted(24, 24, 1), Inverted(24, 32, 2)),
                *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
            ),
            30000,
            3,
        ),
        "transformer": (Transformer, 40000, 5),
    }

    def images(kind: str) -> tuple[np.ndarray, np.ndarray]:
        pixels = read_idx(IMAGES / f"{kind}-images-idx3-ubyte.gz")[:, None]
        return pixels, read_idx(IMAGES / f"{kind}-labels-idx1-ubyte.gz").astype(np.int64)

    def of(name: str, kind: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        pixels, labels = images(kind)
        if name == "two_classes":
            labels = np.isin(labels, [0, 2, 4, 6]).astype(np.int64)
        if name == "hundred_classes":
            random = np.random.default_rng(1 if kind == "train" else 2)
            left, right = random.integers(0, len(pixels), (2, count))
            pixels = np.concatenate([pixels[left], pixels[right]], 3)
            labels = 10 * labels[left] + labels[right]
        return pixels[:count], labels[:count]

    def write(file: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
        with h5py.File(file, "w") as group:
            inputs = group.create_dataset("inputs", data=pixels)
            inputs.attrs["mean"], inputs.attrs["std"] = MEAN, STD
            group["labels"] = labels

    def normalised(pixels: np.ndarray) -> Tensor:
        return (torch.from_numpy(pixels.astype(np.float32)) - MEAN) / STD

    for name in missing:
        network_of, count, epochs = make[name]
        torch.manual_seed(0)
        network = network_of()
        pixels, labels = of(name, "train", count)
        x, y = normalised(pixels), torch.from_numpy(labels)
        batch = 64
        optimiser = torch.optim.Adam(network.parameters(), 2e-3)
        steps = epochs * -(-count // batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, steps)
        for _ in range(epochs):
            for chosen in torch.randperm(count).split(batch):
                loss = functional.cross_entropy(network(x[chosen]), y[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
        network.eval()
        write(out / f"{name}_train.h5", pixels[:5000], labels[:5000])
        test_pixels, test_labels = of(name, "t10k", 4000)
        write(out / f"{name}_test.h5", test_pixels, test_labels)
        with torch.no_grad():
            answers = [network(part).argmax(1) for part in normalised(test_pixels).split(500)]
        right = (torch.cat(answers).numpy() == test_labels).mean()
        temporary = out / f"{name}.onnx.part"
        torch.onnx.export(network, x[:1], str(temporary), opset_version=13, input_names=["x"])
        temporary.rename(out / f"{name}.onnx")
        print(f"{name}: trained, {100 * right:.2f} % of {len(test_labels)} test images", flush=True)


def command(row: str, out: Path) -> list[str]:
    network, search, granularity, method = row.split("-")
    words = ["--model", str(out / f"{network}.onnx"), "--data", str(out / f"{network}_test.h5")]
    settings = [f"range_data.file={out / f'{network}_train.h5'}", "law=garg-shot"]
    settings += [f"learn.granularity={granularity}", f"learn.method={method}", *SEARCHES[search]]
    for setting in [*settings, "evaluation.seeds=3"]:
        words += ["--set", setting]
    return words


def table(out: Path) -> str:
    def cell(rows: list[str], value: Callable[[dict], str]) -> str:
        results = [read(row, out) for row in rows]
        return " / ".join("" if r is None else value(r["learn"]) for r in results)

    def photons(learn: dict) -> str:
        return f"{learn['mean_photons_per_mac']:.3g}"

    def lost(learn: dict) -> str:
        return f"{100 * learn['certificate']['degradation']:.2f}"

    lines = [
        "Layer / channel; lost: points on the test images.",
        "",
        "| | photons/MAC, 2000 | 4000 | points lost, 2000 | 4000 |",
        "|---|---|---|---|---|",
    ]
    for network, title in NETWORKS.items():
        rows = [[f"{network}-{s}-{g}-hybrid" for g in ("layer", "channel")] for s in SEARCHES]
        cells = [cell(r, value) for value in (photons, lost) for r in rows]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += ["", "| | method | photons/MAC | points lost | passes to learn |", "|---|---|---|---|---|"]
    for network in OF_EVERY_METHOD:
        for method in METHODS:
            rows_of_method = [f"{network}-4000-{g}-{method}" for g in ("layer", "channel")]
            cells = [cell(rows_of_method, value) for value in (photons, lost)]
            cells.append(cell(rows_of_method, lambda learn: f"{learn['learning_passes']:.0f}"))
            lines.append(f"| {NETWORKS[network]} | `{method}` | " + " | ".join(cells) + " |")
    commands = [f"# {row}\n{r['command']}" for row in ROWS if (r := read(row, out)) is not None]
    return "\n".join(lines) + "\n\n```sh\n" + "\n".join(commands) + "\n```\n"


def main() -> None:
    out, rows = chosen_rows(__doc__, ROWS)
    train({row.split("-")[0] for row in rows}, out)
    for row in rows:
        run(row, command(row, out), out, {})
    (out / "table.md").write_text(table(out))
    print(f"Table: {out / 'table.md'}")


if __name__ == "__main__":
    main()
