#!/usr/bin/env python3
"""Draws what `attojoule run --device-draws` (or learn) found over devices drawn from a calibration.

Accuracy and energy per MAC (or, where the energy is the same on all, photons per MAC) of every drawn device
as histograms, with the calibrated device, the mean and
the part of the calibration (bar: 95 % of the devices, noise taken off); and the accuracy over each drawn
parameter, the strongest correlations first, with the standard deviation that the noise leaves in a point.

Needs Debian's python3-h5py and python3-matplotlib. Exit codes: 0 ok, 1 cannot write, 2 usage,
3 bad input data.

Example:
    attojoule run --device calibrated/mzm/device.yaml --device-draws 50 --out run.h5
    tools/plots/device_draws.py run.h5 --png device_draws.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from result_file import (
    COLOURS,
    ResultFile,
    add_output_options,
    check_output_options,
    fail,
    save,
    set_style,
)

MOST_PARAMETERS = 4  # panels of parameters; the others follow the accuracy less


def histogram(axes: Axes, result: ResultFile, group: str, scale: float, label: str) -> None:
    values = scale * result.numbers(f"{group}/by_device")
    spread = np.ptp(values)
    if spread > 1e-9 * abs(values[0]):
        axes.hist(values, bins=min(20, max(6, len(values) // 4)), color=COLOURS[0], alpha=0.5)
    else:
        axes.axvline(values[0], color=COLOURS[0], linewidth=6, alpha=0.5)
    mean = scale * result.number(f"{group}/mean")
    calibrated = scale * result.number(f"{group}/calibrated")
    half = scale * result.number(f"{group}/ci95_calibration")
    top = axes.get_ylim()[1]
    axes.errorbar(
        [mean],
        [1.06 * top],
        xerr=[half],
        fmt="o",
        color="black",
        capsize=4,
        label=f"mean and calibration's 95 %: {mean:.4g} ± {half:.2g}",
    )
    axes.axvline(calibrated, color=COLOURS[1], linestyle="--", label=f"calibrated values: {calibrated:.4g}")
    axes.set_ylim(0, 1.45 * top)
    axes.set_xlabel(label)
    axes.set_ylabel("drawn devices")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.legend(fontsize=8, loc="upper left")


def scatter(axes: Axes, result: ResultFile, key: str, unit: str, correlation: float) -> None:
    drawn = result.numbers(f"/calibration/drawn/{key}")
    accuracy = 100 * result.numbers("/calibration/accuracy/by_device")
    by_seed = 100 * result.dataset("/calibration/accuracy_by_seed")[...]
    # What a device's mean does not share with the others: the rest of devices x seeds.
    rest = by_seed - by_seed.mean(axis=1, keepdims=True) - by_seed.mean(axis=0) + by_seed.mean()
    devices, seeds = by_seed.shape
    sigma = np.sqrt((rest**2).sum() / ((devices - 1) * (seeds - 1)) / seeds)
    # Powers of 1000 in the label: matplotlib's own would stand in it.
    power = 3 * int(np.floor(np.log10(np.abs(drawn).max()) / 3)) if np.abs(drawn).max() > 0 else 0
    power = 0 if power in (-3, 0) else power
    axes.errorbar(
        drawn / 10.0**power,
        accuracy,
        yerr=sigma,
        fmt="o",
        markersize=3,
        color=COLOURS[0],
        ecolor="#888888",
        linewidth=0.8,
    )
    factor = f"$10^{{{power}}}$ " if power else ""
    axes.set_xlabel(key if unit == "1" and not power else f"{key}, {factor}{unit}")
    axes.set_ylabel("accuracy, %")
    axes.set_title(f"correlation {correlation:.2f}", fontsize=9)
    axes.grid(True)


def draw(result: ResultFile) -> Figure:
    if "/calibration/accuracy/by_device" not in result:
        fail(f"{result.path} has no drawn devices. Run attojoule with --device-draws 50 --out FILE")
    keys = result.strings("/calibration/parameter")
    units = result.strings("/calibration/unit")
    correlations = result.numbers("/calibration/accuracy/correlation")
    order = np.argsort(-np.abs(np.nan_to_num(correlations)))
    shown = [i for i in order if np.isfinite(correlations[i])][:MOST_PARAMETERS]
    columns = 2
    rows = 1 + (len(shown) + 1) // 2
    figure = Figure(figsize=(9, 3.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    histogram(grid[0][0], result, "/calibration/accuracy", 100, "accuracy under noise, %")
    # Where the laser's power is held the energy does not vary, and the photons do.
    group, label = "/calibration/attojoule_per_mac/total", "energy, aJ/MAC (all components)"
    if result.number(f"{group}/u_calibration") < 1e-9 * abs(result.number(f"{group}/mean")):
        group, label = "/calibration/photons_per_mac", "photons/MAC at the receivers"
    histogram(grid[0][1], result, group, 1, label)
    for place, i in enumerate(shown):
        scatter(grid[1 + place // 2][place % 2], result, keys[i], units[i], correlations[i])
    for place in range(len(shown), 2 * (rows - 1)):
        grid[1 + place // 2][place % 2].set_axis_off()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", type=Path, help="HDF5 file of attojoule run or learn --device-draws")
    add_output_options(parser)
    args = parser.parse_args()
    check_output_options(parser, args)
    set_style()
    figure = draw(ResultFile(args.result))
    if args.title:
        figure.suptitle(args.title)
    save(figure, args)


if __name__ == "__main__":
    main()
