#!/usr/bin/env python3
"""One gradient step of the precision learner against the same in PyTorch, in turn, one thread each.

ResNet-20 on 32x32 images: noisy forward pass (y + |w_c| |x_p| z / sqrt(D E)), cross entropy, backward
pass to ln E of every layer, Adam. Two ways to write the noise, as in pytorch_hooks.py:

  plain   patch norms by a convolution of x^2 with ones
  lean    squares summed over channels first, one-channel box filter

Weights do not need gradients and have none. Processor time, minima over all rounds.

usage: pytorch_energy_gradient.py energy_gradient_bench MODEL.onnx [ROUNDS [BATCH]]
       prints JSON: ours, plain, lean [s per step], ratios (bigger is better for us)
Set MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456: without, page
faults dominate and PyTorch looks slower than it is.
"""
import json
import math
import subprocess
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class NoisyResNet20(nn.Module):
    """ResNet-20 (He et al. 2016, option A shortcuts), batch norm folded, noise in every product."""

    def __init__(self, way: str):
        super().__init__()
        self.way = way
        self.first = nn.Conv2d(3, 16, 3, 1, 1)
        self.blocks = nn.ModuleList()
        width = 16
        for channels in (16, 32, 64):
            for block in range(3):
                stride = 2 if block == 0 and channels > 16 else 1
                self.blocks.append(nn.ModuleList([
                    nn.Conv2d(width, channels, 3, stride, 1), nn.Conv2d(channels, channels, 3, 1, 1)]))
                width = channels
        self.last = nn.Linear(64, 10)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self.layers = [m for m in self.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        self.index = {layer: i for i, layer in enumerate(self.layers)}
        self.norms = [layer.weight.flatten(1).square().sum(1) for layer in self.layers]
        self.ones = [torch.ones(1, 1 if way == "lean" else m.in_channels, 3, 3)
                     if isinstance(m, nn.Conv2d) else None for m in self.layers]
        self.log_energy = nn.Parameter(torch.full((len(self.layers),), math.log(50.0)))

    def product(self, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        i = self.index[layer]
        y = layer(x)
        if isinstance(layer, nn.Linear):
            variance = self.norms[i] * x.square().sum(1, keepdim=True) / layer.in_features
        else:
            squares = x.square()
            if self.way == "lean":
                squares = squares.sum(1, keepdim=True)
            patches = F.conv2d(squares, self.ones[i], None, layer.stride, layer.padding)
            variance = self.norms[i].view(1, -1, 1, 1) * patches / (9 * layer.in_channels)
        sigma = torch.sqrt(variance * torch.exp(-self.log_energy[i]) + 1e-20)
        return y + sigma * torch.randn_like(y)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.product(self.first, x))
        for one, two in self.blocks:
            shortcut = x
            if one.stride[0] == 2:
                half = one.out_channels // 4
                shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))
            x = F.relu(self.product(two, F.relu(self.product(one, x))) + shortcut)
        return self.product(self.last, x.mean((2, 3)))


def main() -> None:
    bench, model = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    batch = int(sys.argv[4]) if len(sys.argv) > 4 else 32
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.randn(batch, 3, 32, 32)
    labels = torch.arange(batch) % 10
    contenders = {way: NoisyResNet20(way).eval() for way in ("plain", "lean")}
    optimisers = {way: torch.optim.Adam([net.log_energy], lr=0.01) for way, net in contenders.items()}
    best = {"ours": math.inf, "plain": math.inf, "lean": math.inf}
    for _ in range(rounds):
        output = subprocess.run([bench, model, "4", str(batch)], check=True, capture_output=True).stdout
        best["ours"] = min(best["ours"], json.loads(output)["step_seconds"])
        for way, net in contenders.items():
            for _ in range(3):
                start = time.process_time()
                optimisers[way].zero_grad()
                F.cross_entropy(net(images), labels).backward()
                optimisers[way].step()
                best[way] = min(best[way], time.process_time() - start)
    best["plain_over_ours"] = best["plain"] / best["ours"]
    best["lean_over_ours"] = best["lean"] / best["ours"]
    print(json.dumps(best))


if __name__ == "__main__":
    main()
