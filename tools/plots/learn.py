#!/usr/bin/env python3
"""Draws what `attojoule learn` found, from one result or several (per layer, per channel ...).

Panels, as far as the files hold them (format attojoule-result, version 1)
  allocation  photons per multiplication of every layer over its place in the network: the mean over
              channels (/learn/layers/photons_per_mac), for energies per channel also the range from
              the 10th to the 90th percentile of them (/learn/point); the uniform energy dashed
  training    cross entropy and cost over curvature rounds and gradient steps (/learn/history)
  accuracy    accuracy over mean energy, learned and uniform (/learn/curve), or else what was lost at
              each measurement of the search (/learn/search)
  attribution accuracy gained without the noise of a layer, by source (/learn/attribution), of the
              first file that has it

Needs Debian's python3-h5py and python3-matplotlib. Exit codes: 0 ok, 1 cannot write, 2 usage,
3 bad input data.

Example: tools/plots/learn.py layer.h5 channel.h5 --labels "per layer" "per channel" --png learn.png
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from result_file import (
    COLOURS,
    MARKERS,
    ResultFile,
    add_output_options,
    check_output_options,
    fail,
    save,
    set_style,
)

UNIFORM = "#555555"
REPEAT_LAWS = ("garg-thermal", "garg-weight")


@dataclass
class Learned:
    label: str
    result: ResultFile
    layers: list[str]
    photons: np.ndarray  # per layer, repetitions included
    low: np.ndarray  # percentiles over channels
    high: np.ndarray
    uniform: float
    mean: float
    unit: str


def read(path: Path, label: str | None) -> Learned:
    result = ResultFile(path)
    if "/learn/layers/name" not in result:
        fail(f"{path} has no group /learn. Give a result of 'attojoule learn'")
    layers = result.strings("/learn/layers/name")
    photons = result.numbers("/learn/layers/photons_per_mac")
    result.same_length(["/learn/layers/name", "/learn/layers/photons_per_mac"])
    columns = [f"/learn/point/{name}" for name in ("layer", "photons_per_mac", "repetitions")]
    result.same_length(columns)
    layer, points, repetitions = (result.numbers(name) for name in columns)
    low, high = np.empty(len(layers)), np.empty(len(layers))
    for index in range(len(layers)):
        own = (points * repetitions)[layer == index]
        if len(own) == 0:
            fail(f"{path} has no point of layer {layers[index]}")
        low[index], high[index] = np.percentile(own, [10, 90])
    granularity = "per " + str(result.dataset("/learn/granularity").asstr()[()])
    return Learned(
        label or granularity,
        result,
        layers,
        photons,
        low,
        high,
        result.number("/learn/uniform_mean_photons_per_mac"),
        result.number("/learn/mean_photons_per_mac"),
        "repeats" if result.law() in REPEAT_LAWS else "photons",
    )


def draw_allocation(axes: Axes, all_learned: list[Learned]) -> None:
    longest = max(len(one.layers) for one in all_learned)
    for index, one in enumerate(all_learned):
        place = np.arange(len(one.layers))
        colour = COLOURS[index % len(COLOURS)]
        if (one.high > one.low * 1.0001).any():
            axes.fill_between(place, one.low, one.high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            place,
            one.photons,
            marker=MARKERS[index % len(MARKERS)],
            markersize=4,
            linewidth=1,
            color=colour,
            label=f"{one.label}, mean {one.mean:.3g}",
        )
    first = all_learned[0]
    axes.axhline(first.uniform, color=UNIFORM, linestyle="--", linewidth=1,
                 label=f"uniform {first.uniform:.3g}")
    axes.set_yscale("log")
    axes.set_ylabel(f"{first.unit} per multiplication")
    if longest <= 24:
        names = max(all_learned, key=lambda one: len(one.layers)).layers
        axes.set_xticks(np.arange(longest))
        axes.set_xticklabels([name[-22:] for name in names], rotation=90, fontsize=7)
    else:
        axes.set_xlabel("layer, in the network's order")
    axes.grid(True, axis="y")
    axes.legend(fontsize=8)
    axes.set_title("Allocation", loc="left", fontsize=10)


def draw_training(axes: Axes, all_learned: list[Learned]) -> None:
    for index, one in enumerate(all_learned):
        names = [f"/learn/history/{name}" for name in ("step", "loss", "round")]
        one.result.same_length(names)
        step, loss, rounds = (one.result.numbers(name) for name in names)
        colour = COLOURS[index % len(COLOURS)]
        width = max(1, min(20, len(loss) // 20))
        smooth = np.convolve(np.pad(loss, (width // 2, width - 1 - width // 2), mode="edge"),
                             np.ones(width) / width, mode="valid")
        axes.plot(step, loss, linewidth=0.5, alpha=0.35, color=colour)
        axes.plot(step, smooth, linewidth=1.4, color=colour, label=one.label)
        for change in np.flatnonzero(np.diff(rounds)) + 0.5:
            axes.axvline(step[0] + change, color=colour, linewidth=0.6, linestyle=":")
    axes.set_xlabel("step of learning (dotted: next round)")
    axes.set_ylabel("cross entropy, nats")
    axes.set_ylim(bottom=0)
    axes.grid(True)
    axes.legend(fontsize=8)
    axes.set_title("Learning", loc="left", fontsize=10)


def draw_accuracy(axes: Axes, all_learned: list[Learned]) -> None:
    curves = [one for one in all_learned if "/learn/curve/learned" in one.result]
    first = all_learned[0]
    axes.set_xscale("log")
    axes.set_xlabel(f"mean {first.unit} per multiplication")
    axes.grid(True)
    if curves:
        uniform_x, uniform_y, uniform_e = [], [], []
        for one in curves:
            x = one.result.numbers("/learn/curve/mean_photons_per_mac")
            place = all_learned.index(one)
            axes.errorbar(
                x,
                100 * one.result.numbers("/learn/curve/learned"),
                yerr=100 * one.result.numbers("/learn/curve/learned_ci95"),
                marker=MARKERS[place % len(MARKERS)],
                markersize=4,
                linewidth=1.2,
                capsize=2,
                color=COLOURS[place % len(COLOURS)],
                label=one.label,
            )
            uniform_x.append(x)
            uniform_y.append(one.result.numbers("/learn/curve/uniform"))
            uniform_e.append(one.result.numbers("/learn/curve/uniform_ci95"))
        x, y, e = (np.concatenate(parts) for parts in (uniform_x, uniform_y, uniform_e))
        order = np.argsort(x)
        axes.errorbar(x[order], 100 * y[order], yerr=100 * e[order], color=UNIFORM, marker="x",
                      markersize=5, linewidth=1, linestyle="--", capsize=2, label="uniform")
        clean = 100 * curves[0].result.number("/accuracy/clean")
        target = clean - 100 * curves[0].result.number("/learn/certificate/target")
        axes.axhline(clean, color="black", linewidth=0.8)
        axes.text(0.99, clean, "without noise", ha="right", va="bottom", fontsize=8,
                  transform=axes.get_yaxis_transform())
        axes.axhline(target, color="black", linewidth=0.8, linestyle=":")
        axes.text(0.99, target, "target", ha="right", va="bottom", fontsize=8,
                  transform=axes.get_yaxis_transform())
        axes.set_ylabel("accuracy on the test data, %")
        axes.set_title("Accuracy over energy (95 %, noise)", loc="left", fontsize=10)
    else:
        for index, one in enumerate(all_learned):
            names = [f"/learn/search/{n}" for n in ("round", "mean_photons_per_mac", "degradation")]
            one.result.same_length(names)
            rounds, mean, lost = (one.result.numbers(name) for name in names)
            for chosen, colour, label in [
                (rounds == 0, UNIFORM, "uniform" if index == 0 else None),
                (rounds == rounds.max(), COLOURS[index % len(COLOURS)], one.label),
            ]:
                order = np.argsort(mean[chosen])
                axes.plot(mean[chosen][order], 100 * lost[chosen][order], color=colour, marker="o",
                          markersize=3, linewidth=1, label=label)
        target = 100 * first.result.number("/learn/certificate/target")
        axes.axhline(target, color="black", linewidth=0.8, linestyle=":")
        axes.set_yscale("symlog", linthresh=0.5)
        axes.set_ylabel("points lost on the search images")
        axes.set_title("Degradation over energy", loc="left", fontsize=10)
    axes.legend(fontsize=8)


def draw_attribution(figure: Figure, axes: Axes, one: Learned) -> None:
    layers = one.result.strings("/learn/attribution/layer")
    sources = one.result.strings("/learn/attribution/source")
    gain = 100 * one.result.dataset("/learn/attribution/gain")[...]
    alone = 100 * one.result.numbers("/learn/attribution/alone")
    table = np.column_stack([alone, gain])
    if table.shape != (len(layers), len(sources) + 1):
        fail(f"{one.result.path}: /learn/attribution has shape {gain.shape}")
    # Noise alone costs (positive); taking it away gains: one colour means the same in both.
    limit = max(float(np.abs(table).max()), 0.1)
    image = axes.imshow(table.T, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.set_yticks(range(len(sources) + 1))
    axes.set_yticklabels(["alone", *(f"without {source}" for source in sources)], fontsize=8)
    if len(layers) <= 40:
        axes.set_xticks(range(len(layers)))
        axes.set_xticklabels([name[-22:] for name in layers], rotation=90, fontsize=7)
    else:
        axes.set_xlabel("layer, in the network's order")
    if table.size <= 120:
        for (row, column), value in np.ndenumerate(table):
            axes.text(row, column, f"{value:.1f}", ha="center", va="center", fontsize=7,
                      color="white" if abs(value) > 0.6 * limit else "black")
    figure.colorbar(image, ax=axes, label="points of accuracy", pad=0.01)
    axes.set_title(f"What the noise of a layer costs ({one.label})", loc="left", fontsize=10)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+", help="results of 'attojoule learn'")
    parser.add_argument("--labels", nargs="+", help="one for each result")
    add_output_options(parser)
    args = parser.parse_args()
    check_output_options(parser, args)
    if args.labels and len(args.labels) != len(args.results):
        parser.error(f"{len(args.labels)} labels for {len(args.results)} results. Give one for each")
    all_learned = [
        read(path, label) for path, label in zip(args.results, args.labels or [None] * 99)
    ]

    set_style()
    attributed = [one for one in all_learned if "/learn/attribution/gain" in one.result]
    trained = [one for one in all_learned if len(one.result.numbers("/learn/history/step")) > 1]
    rows = 2 + bool(attributed)
    figure = Figure(figsize=(10, 3.6 * rows + 0.6), layout="constrained")
    grid = figure.add_gridspec(rows, 2)
    draw_allocation(figure.add_subplot(grid[0, :]), all_learned)
    if trained:
        draw_accuracy(figure.add_subplot(grid[1, 0]), all_learned)
        draw_training(figure.add_subplot(grid[1, 1]), trained)
    else:
        draw_accuracy(figure.add_subplot(grid[1, :]), all_learned)
    if attributed:
        draw_attribution(figure, figure.add_subplot(grid[2, :]), attributed[0])
    if args.title:
        figure.suptitle(args.title, fontsize=12)
    save(figure, args)


if __name__ == "__main__":
    main()
