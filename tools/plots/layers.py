#!/usr/bin/env python3
"""Draws the layers of a result file of `attojoule`: SNR, noise bits and share of the energy.

Reads /layers (format attojoule-result, version 1), one entry a layer: name, kind, macs, dot_length,
snr_db, noise_bits, optical_attojoule_per_mac, attojoule_per_mac. A layer's share of the energy is
macs x energy per MAC over the sum of all layers; "optical" is the detected light, "total" all
components. A value that is not finite (a layer without noise) is shown as a dash.

Needs Debian's python3-h5py and python3-matplotlib. Exit codes: 0 ok, 1 cannot write, 2 usage,
3 bad input data.

Example: tools/plots/layers.py result.h5 --png layers.png
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
    ResultFile,
    add_output_options,
    check_output_options,
    fail,
    save,
    set_style,
)

ROW_HEIGHT = 0.27  # inches
LONGEST_NAME = 34  # characters; a longer one keeps its end, which tells layers apart


@dataclass
class Layers:
    names: list[str]
    kinds: list[str]
    macs: np.ndarray
    dot_length: np.ndarray
    snr_db: np.ndarray
    noise_bits: np.ndarray
    optical: np.ndarray  # aJ/MAC
    total: np.ndarray  # aJ/MAC

    def share(self, per_mac: np.ndarray) -> np.ndarray:
        """Percent of the sum over the layers."""
        energy = np.nan_to_num(self.macs * per_mac)
        return 100 * energy / energy.sum() if energy.sum() > 0 else energy

    def mean_per_mac(self, per_mac: np.ndarray) -> float:
        return float(np.nansum(self.macs * per_mac) / self.macs.sum())


def read_layers(path: Path) -> Layers:
    result = ResultFile(path)
    columns = [
        "macs",
        "dot_length",
        "snr_db",
        "noise_bits",
        "optical_attojoule_per_mac",
        "attojoule_per_mac",
    ]
    names, kinds = result.strings("/layers/name"), result.strings("/layers/kind")
    numbers = [result.numbers(f"/layers/{column}") for column in columns]
    result.same_length([f"/layers/{column}" for column in ["name", "kind", *columns]])
    if not names or not numbers[0].sum() > 0:
        fail(f"{path} has no layer with MACs in /layers")
    return Layers(names, kinds, *numbers)


def shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else "\u2026" + name[1 - LONGEST_NAME :]


def with_prefix(value: float, unit: str) -> str:
    """1234.0, 'MAC' -> '1.23 kMAC'."""
    exponent = min(int(np.floor(np.log10(value) / 3)), 4) if value >= 1000 else 0
    return f"{value / 1000**exponent:.3g} {['', 'k', 'M', 'G', 'T'][exponent]}{unit}"


def joule_per_mac(attojoule: float) -> str:
    units = [(1e12, "\u00b5J"), (1e9, "nJ"), (1e6, "pJ"), (1e3, "fJ"), (1.0, "aJ")]
    scale, unit = next((u for u in units if attojoule >= u[0]), units[-1])
    return f"{attojoule / scale:.3g} {unit}/MAC"


def bars(axes: Axes, value: np.ndarray, label: str, form: str, colour: str) -> None:
    """Horizontal bars with their values; room for the text is left on the right."""
    rows = np.arange(len(value))
    finite = np.isfinite(value)
    axes.barh(rows[finite], value[finite], height=0.62, color=colour)
    low, high = min(0.0, np.min(value[finite], initial=0)), np.max(value[finite], initial=0)
    span = (high - low) or 1.0
    for row, number in enumerate(value):
        text = format(number, form) if finite[row] else "\u2013"
        end = max(number, 0) if finite[row] else 0
        axes.text(end + 0.02 * span, row, text, va="center", ha="left", fontsize=8)
    axes.set_xlim(low - (0.02 * span if low < 0 else 0), high + 0.24 * span)
    if low < 0:
        axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(label)
    axes.grid(True, axis="x")


def share_bars(axes: Axes, layers: Layers) -> None:
    """Two bars a layer: light and all components, each as percent of its own sum."""
    rows = np.arange(len(layers.names))
    groups = [("optical", layers.optical, COLOURS[0]), ("total", layers.total, COLOURS[5])]
    high = 0.0
    for index, (name, per_mac, colour) in enumerate(groups):
        share = layers.share(per_mac)
        high = max(high, float(share.max()))
        sum_of_all = joule_per_mac(layers.mean_per_mac(per_mac))
        place = rows + (index - 0.5) * 0.36
        axes.barh(place, share, height=0.36, color=colour, label=f"{name}, {sum_of_all}")
        for row, percent in zip(place, share):
            axes.text(
                percent, row, f" {percent:.1f}", va="center_baseline", ha="left", fontsize=6.5
            )
    axes.set_xlim(0, 1.16 * (high or 1.0))
    axes.set_xlabel("share of energy [%]")
    axes.grid(True, axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.03, 1.0), fontsize=8.5, borderaxespad=0.2)


def draw(layers: Layers, title: str | None) -> Figure:
    set_style()
    count = len(layers.names)
    figure = Figure(figsize=(9.6, 1.5 + ROW_HEIGHT * max(count, 3)), layout="constrained")
    snr, bits, share = figure.subplots(1, 3, sharey=True, width_ratios=[1, 1, 1.25])
    bars(snr, layers.snr_db, "SNR [dB]", ".1f", COLOURS[0])
    bars(bits, layers.noise_bits, "noise bits", ".1f", COLOURS[2])
    share_bars(share, layers)
    snr.set_yticks(
        range(count),
        [
            f"{shortened(name)}  ({kind}, D = {length:.0f})"
            for name, kind, length in zip(layers.names, layers.kinds, layers.dot_length)
        ],
        fontsize=9,
    )
    snr.set_ylim(count - 0.5, -0.5)
    snr.set_title(
        f"{count} layers, {with_prefix(layers.macs.sum(), 'MAC')}", fontsize=9, loc="left"
    )
    for axes in (snr, bits, share):
        axes.spines.top.set_visible(False)
        axes.tick_params(axis="y", length=0)
    if title:
        figure.suptitle(title)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", type=Path, metavar="RESULT.h5")
    add_output_options(parser)
    args = parser.parse_args()
    check_output_options(parser, args)
    save(draw(read_layers(args.result), args.title), args)


if __name__ == "__main__":
    main()
