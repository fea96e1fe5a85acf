#!/usr/bin/env python3
"""Noise the way PyTorch users add it: forward hooks on ResNet-50, the baseline of tools/dev/bench.sh.

Every convolution and dense layer gets y + |w_c| |x_p| s z, with the norm of each input patch and a
fresh normal number for each output. Three ways to write it, from the obvious to the best we found:

  plain   patch norms by a convolution of x^2 with ones, weight norms at every call
  cached  batch norm folded, weight norms kept
  lean    squares summed over channels first, one-channel box filter by pooling (no BLAS), one fused
          update in place

usage: pytorch_hooks.py THREADS BATCH ROUNDS      prints JSON: seconds per batch (minimum) of each
One thread: its own CPU time, as network_bench takes it; more: wall time.
Set MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456: without, page
faults dominate and PyTorch looks slower than it is.
"""
import copy
import json
import sys
import time

import torch
import torchvision
from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional as F

NOISE = 0.01


def add_noise(model: nn.Module, way: str) -> nn.Module:
    """Registers a noisy forward hook on every convolution and dense layer."""
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(make_hook(layer, way))
    return model


def make_hook(layer: nn.Module, way: str):
    is_conv = isinstance(layer, nn.Conv2d)

    def weight_norms() -> torch.Tensor:
        norms = NOISE * layer.weight.flatten(1).norm(dim=1)
        return norms.view(1, -1, 1, 1) if is_conv else norms

    kept = weight_norms().detach()
    ones = torch.ones(1, layer.in_channels // layer.groups, *layer.kernel_size) if is_conv else None

    def hook(_, inputs, output):
        x = inputs[0]
        norms = weight_norms() if way == "plain" else kept
        if not is_conv:
            return output + norms * x.norm(dim=1, keepdim=True) * torch.randn_like(output)
        if way != "lean":
            squares = F.conv2d(x * x, ones, None, layer.stride, layer.padding, layer.dilation)
            return output + norms * squares.sqrt() * torch.randn_like(output)
        squares = torch.linalg.vector_norm(x, dim=1, keepdim=True).square_()
        if layer.kernel_size[0] > 1 or layer.stride[0] > 1:
            area = layer.kernel_size[0] * layer.kernel_size[1]
            squares = F.avg_pool2d(squares, layer.kernel_size, layer.stride, layer.padding).mul_(area)
        noise = torch.empty_like(output).normal_().mul_(norms)
        return output.addcmul_(noise, squares.sqrt_())

    return hook


def main() -> None:
    threads, batch, rounds = map(int, sys.argv[1:4])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    base = torchvision.models.resnet50(weights=None).eval()
    x = torch.randn(batch, 3, 224, 224)
    clock = time.thread_time if threads == 1 else time.perf_counter
    with torch.no_grad():
        models = {
            "clean": torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(base, x))),
            "plain": add_noise(copy.deepcopy(base), "plain"),
            "cached": add_noise(fuse(copy.deepcopy(base)), "cached"),
            "lean": add_noise(fuse(copy.deepcopy(base)), "lean"),
        }
        best = {name: float("inf") for name in models}
        for model in models.values():
            model(x)
        for _ in range(rounds):
            for name, model in models.items():
                start = clock()
                model(x)
                best[name] = min(best[name], clock() - start)
    print(json.dumps({"version": torch.__version__, "seconds_per_batch": best}))


if __name__ == "__main__":
    main()
