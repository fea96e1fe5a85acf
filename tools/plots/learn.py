#!/usr/bin/env python3
"""Draws what `attojoule learn` found, from one result or several (per layer, per channel ...).

Panels, as far as the files hold them (format attojoule-result, version 1)
  allocation  photons per multiplication of every layer over its place in the network: the mean over
              channels (/learn/layers/photons_per_mac), for energies per channel also the range from
              the 10th to the 90th percentile of them (/learn/point); the uniform energy dashed
  training    cross entropy at every curvature measurement, and over the gradient steps
              (/learn/history)
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
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
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
    name_layers(axes, max(all_learned, key=lambda one: len(one.layers)).layers, 24)
    axes.grid(True, axis="y")
    axes.legend(fontsize=8)
    axes.set_title("Allocation", loc="left", fontsize=10)


def short_names(names: list[str]) -> list[str]:
    """Node names without what exporters repeat: /layer1/layer1.0/conv1/Conv is layer1.0/conv1."""
    shortened = []
    for name in names:
        parts = [part for part in name.split("/") if part]
        kept = [
            part
            for part, following in zip(parts, [*parts[1:], ""])
            if not following.startswith(part + ".")
        ]
        if len(kept) > 1 and re.fullmatch(r"(Conv|Gemm|MatMul)(_\d+)?", kept[-1]):
            kept = kept[:-1]
        shortened.append("/".join(kept) or name)
    if len(set(shortened)) < len(set(names)):
        shortened = names
    return [name if len(name) <= 24 else "…" + name[-23:] for name in shortened]


def name_layers(axes: Axes, names: list[str], most: int) -> None:
    if len(names) <= most:
        axes.set_xticks(np.arange(len(names)))
        axes.set_xticklabels(short_names(names), rotation=90, fontsize=7)
    else:
        axes.set_xlabel("layer, in the network's order")


def kinds_of(one: Learned) -> np.ndarray:
    """Of every entry of the history: clean, noisy (curvature measurements) or gradient (a step)."""
    if "/learn/history/kind" in one.result:
        return np.array(one.result.strings("/learn/history/kind"))
    return np.full(len(one.result.numbers("/learn/history/step")), "gradient")


def draw_measurements(axes: Axes, all_learned: list[Learned]) -> None:
    """Of a method without gradient steps: each curvature measurement is a point, not a course."""
    width = 0.8 / len(all_learned)
    ticks: dict[str, None] = {}
    for index, one in enumerate(all_learned):
        rounds = one.result.numbers("/learn/history/round").astype(int)
        loss = one.result.numbers("/learn/history/loss")
        kinds = kinds_of(one)
        names, count = [], 0
        for i, kind in enumerate(kinds):
            count = 0 if i == 0 or rounds[i] != rounds[i - 1] else count + (kind == "noisy")
            names.append(f"{rounds[i]}: {'clean' if kind == 'clean' else f'noisy {count}'}")
        for name in names:
            ticks.setdefault(name)
        places = np.array([list(ticks).index(name) for name in names])
        axes.bar(places + (index - (len(all_learned) - 1) / 2) * width, loss, 0.9 * width,
                 color=COLOURS[index % len(COLOURS)], label=one.label)
    axes.set_xticks(range(len(ticks)))
    axes.set_xticklabels(list(ticks), fontsize=8)
    axes.set_xlabel("round: curvature without noise, or under that so far")
    axes.set_ylabel("cross entropy, nats")
    axes.grid(True, axis="y")
    axes.legend(fontsize=8)
    axes.set_title("Learning", loc="left", fontsize=10)


def draw_training(axes: Axes, all_learned: list[Learned]) -> None:
    if not any((kinds_of(one) == "gradient").any() for one in all_learned):
        draw_measurements(axes, all_learned)
        return
    for index, one in enumerate(all_learned):
        names = [f"/learn/history/{name}" for name in ("step", "loss", "round")]
        one.result.same_length(names)
        step, loss, rounds = (one.result.numbers(name) for name in names)
        kinds = kinds_of(one)
        colour = COLOURS[index % len(COLOURS)]
        for kind, face, label in [("clean", "none", "without noise"), ("noisy", colour, "curvature")]:
            chosen = kinds == kind
            axes.plot(step[chosen], loss[chosen], linestyle="none", marker="o", markersize=4,
                      markeredgecolor=colour, markerfacecolor=face,
                      label=label if index == 0 and chosen.any() else None)
        label: str | None = one.label
        for number in np.unique(rounds):
            chosen = (rounds == number) & (kinds == "gradient")
            if not chosen.any():
                continue
            own = loss[chosen]
            width = max(1, min(20, len(own) // 10))
            smooth = np.convolve(np.pad(own, (width // 2, width - 1 - width // 2), mode="edge"),
                                 np.ones(width) / width, mode="valid")
            axes.plot(step[chosen], own, linewidth=0.5, alpha=0.35, color=colour)
            axes.plot(step[chosen], smooth, linewidth=1.4, color=colour, label=label)
            label = None
        for change in np.flatnonzero(np.diff(rounds)) + 0.5:
            axes.axvline(step[0] + change, color=colour, linewidth=0.6, linestyle=":")
    axes.set_xlabel("step of learning (dotted: next round)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("cross entropy, nats")
    axes.set_ylim(bottom=0)
    axes.grid(True)
    axes.legend(fontsize=8)
    axes.set_title("Learning", loc="left", fontsize=10)


def label_energies(axes: Axes) -> None:
    """1, 2, 5 of every decade, also where the axis is shorter than one."""
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def draw_accuracy(axes: Axes, all_learned: list[Learned]) -> None:
    curves = [one for one in all_learned if "/learn/curve/learned" in one.result]
    first = all_learned[0]
    axes.set_xscale("log")
    label_energies(axes)
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
        lost_least = min(100 * one.result.numbers("/learn/search/degradation").min()
                         for one in all_learned)
        target = 100 * first.result.number("/learn/certificate/target")
        axes.axhline(target, color="black", linewidth=0.8, linestyle=":")
        axes.text(0.01, target, "target", ha="left", va="bottom", fontsize=8,
                  transform=axes.get_yaxis_transform())
        # Linear below the smallest tick, where a few images decide.
        axes.set_yscale("symlog", linthresh=0.5)
        axes.yaxis.set_major_locator(FixedLocator([-2, -1, -0.5, 0, 0.5, 1, 2, 5, 10, 20, 50, 100]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(bottom=min(0.0, lost_least))
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
    name_layers(axes, layers, 40)
    if table.size <= 120:
        errors = np.zeros_like(table)
        if "/learn/attribution/gain_error" in one.result:
            errors[:, 1:] = 100 * one.result.dataset("/learn/attribution/gain_error")[...]
            errors[:, 0] = 100 * one.result.numbers("/learn/attribution/alone_error")
        for (row, column), value in np.ndenumerate(table):
            certain = abs(value) > 1.96 * errors[row, column]
            axes.text(row, column, f"{value:.1f}" if certain else f"({value:.1f})", ha="center",
                      va="center", fontsize=7,
                      color="white" if abs(value) > 0.6 * limit else "black")
        if errors.any():
            axes.text(1, -0.02, "( ): within 95 % of chance", ha="right", va="top", fontsize=7,
                      transform=axes.transAxes)
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
