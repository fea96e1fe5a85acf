#!/usr/bin/env python3
"""Draws the energy of a result file of `attojoule`: where it goes, beside what, and what would lower it.

Reads /energy and /layers of `run`, `map` or `device` (format attojoule-result, version 1). --plot is
  layers       bars of the components of every layer, stacked, and their shares
  flow         the same energy as a flow from the wall plug to the components, and the light's from the
               laser's electricity to the photons that are detected
  references   the light and the total of a MAC beside limits, digital and optical multipliers
  sensitivity  what a step of every parameter saves, at the same noise and at the same light

Needs Debian's python3-h5py and python3-matplotlib. Exit codes: 0 ok, 1 cannot write, 2 usage,
3 bad input data.

Example: tools/plots/energy.py result.h5 --plot flow --png flow.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from layers import joule_per_mac, shortened
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Curve
from result_file import (
    ResultFile,
    add_output_options,
    check_output_options,
    fail,
    save,
    set_style,
)

# What the total counts once, in the order of the signal's way, with colours told apart by all common
# kinds of colour vision (Okabe and Ito's, and greys).
COMPONENTS = {
    "laser_wall_plug": ("laser", "#D55E00"),
    "modulator": ("modulators", "#E69F00"),
    "dac": ("DAC", "#F0C987"),
    "receiver": ("receivers", "#009E73"),
    "adc": ("ADC", "#0072B2"),
    "digital": ("digital sums", "#56B4E9"),
    "memory": ("memory", "#CC79A7"),
    "static": ("static", "#999999"),
}
GROUPS = {"limit": "#777777", "digital": "#0072B2", "optical": "#D55E00"}


def with_prefix(value: float, unit: str) -> str:
    if value <= 0:
        return f"0 {unit}"
    exponent = min(max(int(np.floor(np.log10(value) / 3)), -7), 4)
    prefix = ["z", "a", "f", "p", "n", "\u00b5", "m", "", "k", "M", "G", "T"][exponent + 7]
    return f"{value / 1000.0**exponent:.3g} {prefix}{unit}"


def components_by_layer(result: ResultFile) -> tuple[list[str], np.ndarray]:
    """Names and joules, layers x components of the total."""
    names = result.strings("/layers/name")
    columns = [f"/layers/{name}_joule_per_inference" for name in COMPONENTS]
    result.same_length(["/layers/name", *columns])
    joule = np.nan_to_num(np.stack([result.numbers(name) for name in columns], axis=1))
    if not joule.sum() > 0:
        fail(f"{result.path} has no energy in /layers")
    return names, joule


def used(joule: np.ndarray) -> list[int]:
    return [k for k in range(len(COMPONENTS)) if joule[:, k].sum() > 0]


def draw_layers(result: ResultFile) -> Figure:
    names, joule = components_by_layer(result)
    rows = np.arange(len(names))
    figure = Figure(figsize=(10.4, 1.7 + 0.27 * max(len(names), 3)), layout="constrained")
    height = 0.27 * max(len(names), 3) + 1.2
    grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1], height_ratios=[0.35, height])
    key = figure.add_subplot(grid[0, :])  # the legend's row
    key.axis("off")
    absolute = figure.add_subplot(grid[1, 0])
    share = figure.add_subplot(grid[1, 1], sharey=absolute)
    share.tick_params(labelleft=False)
    total = joule.sum(axis=1)
    scale, unit = next(
        (s, u) for s, u in [(1e-6, "\u00b5J"), (1e-9, "nJ"), (1e-12, "pJ"), (1e-15, "fJ"), (1e-18, "aJ")]
        if total.max() >= s or s == 1e-18
    )
    for axes, values in ((absolute, joule / scale), (share, 100 * joule / np.maximum(total, 1e-300)[:, None])):
        left = np.zeros(len(names))
        for k in used(joule):
            label, colour = list(COMPONENTS.values())[k]
            axes.barh(rows, values[:, k], left=left, height=0.72, color=colour, label=label)
            left += values[:, k]
        axes.grid(True, axis="x")
        axes.spines.top.set_visible(False)
        axes.tick_params(axis="y", length=0)
    absolute.set_yticks(rows, [shortened(name) for name in names], fontsize=9)
    absolute.set_ylim(len(names) - 0.5, -0.5)
    absolute.set_xlabel(f"energy of one inference [{unit}]")
    share.set_xlabel("share [%]")
    share.set_xlim(0, 100)
    for row, value in zip(rows, total):
        absolute.text(value / scale, row, " " + with_prefix(value, "J"), va="center", fontsize=7.5)
    absolute.set_xlim(0, 1.2 * total.max() / scale)
    key.legend(*absolute.get_legend_handles_labels(), loc="center", ncols=len(COMPONENTS), fontsize=9)
    return figure


def band(axes: Axes, x0: float, x1: float, top0: float, top1: float, height: float, colour: str) -> None:
    """A stream of constant height from (x0, top0) down to (x1, top1)."""
    middle = (x0 + x1) / 2
    corners = [
        (x0, top0), (middle, top0), (middle, top1), (x1, top1),
        (x1, top1 - height), (middle, top1 - height), (middle, top0 - height), (x0, top0 - height),
        (x0, top0),
    ]
    codes = [Curve.MOVETO, *[Curve.CURVE4] * 3, Curve.LINETO, *[Curve.CURVE4] * 3, Curve.CLOSEPOLY]
    axes.add_patch(PathPatch(Curve(corners, codes), facecolor=colour, alpha=0.75, linewidth=0))


def spread(values: list[float], room: float) -> list[float]:
    """Places of labels at least `room` apart, as near as can be to falling `values`."""
    places = list(values)
    for i in range(1, len(places)):
        places[i] = min(places[i], places[i - 1] - room)
    return places


def flow(axes: Axes, source: str, parts: list[tuple[str, float, str]], unit_text) -> None:
    """One source that splits into parts, each with its name, value and share."""
    total = sum(value for _, value, _ in parts)
    gap = 0.03
    axes.add_patch(Rectangle((0, 0), 0.1, 1, facecolor="#444444", linewidth=0))
    axes.text(0.05, 1.02, f"{source}\n{unit_text(total)}", ha="center", va="bottom", fontsize=9)
    top0, top1 = 1.0, 1.0 + gap * (len(parts) - 1) / 2
    centres = []
    for _, value, colour in parts:
        height = value / total
        band(axes, 0.1, 0.62, top0, top1, height, colour)
        axes.add_patch(Rectangle((0.62, top1 - height), 0.03, height, facecolor=colour, linewidth=0))
        centres.append(top1 - height / 2)
        top0 -= height
        top1 -= height + gap
    for (name, value, _), centre, place in zip(parts, centres, spread(centres, 0.052)):
        axes.plot([0.655, 0.69], [centre, place], color="#777777", linewidth=0.7)
        axes.text(
            0.7, place, f"{name}  {unit_text(value)}  ({100 * value / total:.3g} %)", va="center", fontsize=9
        )
    axes.set_xlim(-0.1, 1.5)
    axes.set_ylim(min(spread(centres, 0.052)[-1], top1) - 0.05, 1.2)
    axes.axis("off")


def draw_flow(result: ResultFile) -> Figure:
    _, joule = components_by_layer(result)
    figure = Figure(figsize=(11.5, 5.2), layout="constrained")
    electricity, light = figure.subplots(1, 2)
    macs = result.numbers("/layers/macs").sum()

    def both(value: float) -> str:
        return f"{with_prefix(value, 'J')}, {joule_per_mac(value / macs * 1e18)}"

    parts = [
        (label, joule[:, k].sum(), colour)
        for k, (label, colour) in enumerate(COMPONENTS.values())
        if k in used(joule)
    ]
    flow(electricity, "one inference", parts, both)
    electricity.set_title("electricity", fontsize=10)

    laser = result.number("/energy/laser_wall_plug/joule_per_inference")
    facet = result.number("/energy/optical_facet/joule_per_inference")
    detected = result.number("/energy/optical_detected/joule_per_inference")
    photons = result.numbers("/layers/full_scale_photons").sum()
    counted = result.numbers("/layers/detected_photons").sum()
    if not (laser > 0 and counted > 0):
        light.text(0.5, 0.5, "no light is billed", ha="center", va="center", transform=light.transAxes)
        light.axis("off")
        return figure
    arriving = photons * detected / counted
    stages = [
        ("heat of the laser", laser - facet, "#D55E00"),
        ("lost on the way", facet - arriving, "#E69F00"),
        ("not detected", arriving - detected, "#999999"),
        ("detected", detected, "#009E73"),
    ]
    flow(light, "laser", [(n, max(v, 0.0), c) for n, v, c in stages if v > 1e-12 * laser], both)
    light.set_title("light", fontsize=10)
    return figure


def draw_references(result: ResultFile) -> Figure:
    group = "/energy/references/"
    names, kinds = result.strings(group + "name"), result.strings(group + "group")
    counts, basis = result.strings(group + "counts"), result.strings(group + "basis")
    energy = result.numbers(group + "attojoule_per_mac")
    order = np.argsort(-energy)
    figure = Figure(figsize=(9.2, 1.4 + 0.27 * len(names)), layout="constrained")
    axes = figure.subplots()
    rows = np.arange(len(names))
    marks = {"measured": "o", "modelled": "s", "claimed": "^"}
    for row, i in zip(rows, order):
        colour = GROUPS.get(kinds[i], "#000000")
        axes.plot(energy[i], row, marks.get(basis[i], "o"), color=colour, markersize=6)
        axes.annotate(
            joule_per_mac_small(energy[i]), (energy[i], row), (9, 0), textcoords="offset points",
            va="center", fontsize=8, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )
    for name, label, style in (
        ("optical_detected", "light detected here", "--"),
        ("total", "total here", "-"),
    ):
        own = result.number(f"/energy/{name}/attojoule_per_mac")
        if own > 0:
            axes.axvline(own, color="black", linestyle=style, linewidth=1.2)
            axes.text(own, -0.9, f" {label}\n {joule_per_mac_small(own)}", fontsize=8, va="bottom")
    axes.set_yticks(rows, [f"{names[i]}  ({counts[i].replace('_', ' ')})" for i in order], fontsize=8.5)
    axes.set_ylim(len(names) - 0.5, -0.8)
    axes.set_xscale("log")
    axes.spines.top.set_visible(False)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * 8)
    axes.set_xlabel("energy of a MAC [aJ]")
    axes.grid(True, axis="x")
    for basis_name, mark in marks.items():
        axes.plot([], [], mark, color="#555555", label=basis_name, markersize=6)
    for kind, colour in GROUPS.items():
        axes.plot([], [], "s", color=colour, label=kind, markersize=6)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.11), ncols=6, fontsize=8.5)
    return figure


def joule_per_mac_small(attojoule: float) -> str:
    return f"{attojoule * 1000:.3g} zJ" if attojoule < 1 else joule_per_mac(attojoule).removesuffix("/MAC")


def draw_sensitivity(result: ResultFile) -> Figure:
    group = "/energy/sensitivity/"
    if group + "parameter" not in result:
        fail(f"{result.path} has no {group[:-1]}")
    names, steps = result.strings(group + "parameter"), result.strings(group + "step")
    noise = result.numbers(group + "saving_at_fixed_noise")
    point = result.numbers(group + "saving_at_fixed_point")
    chosen = [i for i in range(len(names)) if np.isfinite(noise[i]) and noise[i] > 1e-4][:20]
    if not chosen:
        fail(f"{result.path}: no parameter of {group[:-1]} saves anything")
    rows = np.arange(len(chosen))
    figure = Figure(figsize=(8.6, 1.4 + 0.3 * len(chosen)), layout="constrained")
    axes = figure.subplots()
    axes.barh(rows - 0.19, 100 * noise[chosen], height=0.36, color="#0072B2", label="at the same noise")
    axes.barh(rows + 0.19, 100 * point[chosen], height=0.36, color="#A6CFE5", label="at the same light")
    for row, i in zip(rows, chosen):
        axes.text(100 * max(noise[i], point[i], 0), row, f" {100 * noise[i]:.2g} %", va="center", fontsize=8)
    axes.set_yticks(rows, [f"{names[i]}: {steps[i]}" for i in chosen], fontsize=9)
    axes.set_ylim(len(chosen) - 0.5, -0.5)
    axes.set_xlabel("saves of the total energy [%]")
    axes.spines.top.set_visible(False)
    axes.set_xlim(min(0.0, 100 * point[chosen].min() * 1.05), 112 * noise[chosen].max())
    axes.grid(True, axis="x")
    axes.legend(loc="lower right", fontsize=9)
    return figure


PLOTS = {
    "layers": draw_layers,
    "flow": draw_flow,
    "references": draw_references,
    "sensitivity": draw_sensitivity,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", type=Path, metavar="RESULT.h5")
    parser.add_argument("--plot", choices=PLOTS, default="layers", help="what to draw (default: layers)")
    add_output_options(parser)
    args = parser.parse_args()
    check_output_options(parser, args)
    set_style()
    figure = PLOTS[args.plot](ResultFile(args.result))
    if args.title:
        figure.suptitle(args.title)
    save(figure, args)


if __name__ == "__main__":
    main()
