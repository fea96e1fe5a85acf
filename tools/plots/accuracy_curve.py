#!/usr/bin/env python3
"""Draws accuracy over optical energy per MAC from result files of `attojoule`.

Reads of each file (format attojoule-result, version 1)
  /sweep/photons_per_mac            the axis, photon/MAC
  /sweep/accuracy, /sweep/ci95      fractions over it; ci95 is the half-width of the 95 % interval
  /sweep/optical_attojoule_per_mac  detected optical energy over it, aJ/MAC
  /accuracy/clean                   fraction without noise, drawn as a dashed line
or, of a file without /sweep, its one point: /accuracy/noisy, /accuracy/ci95,
/energy/optical_detected/attojoule_per_mac and the MAC-weighted mean of /layers/photons_per_mac.

--reference adds points of a CSV file: comment lines with #, a header, and the columns series, law,
photons_per_mac, accuracy_percent. A series is drawn if a result of the same law (`law:` of its
stored configuration) is there, whose ratio of energy to photons then places the points.
The upper axis shows photons per MAC if all results agree, to 2 %, on that ratio.

Needs Debian's python3-h5py and python3-matplotlib. Exit codes: 0 ok, 1 cannot write, 2 usage,
3 bad input data.

Example:
    tools/plots/accuracy_curve.py sweep.h5 --reference data/reference/wang2022_curve.csv --png a.png
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from result_file import (
    COLOURS,
    MARKERS,
    ResultFile,
    add_output_options,
    check_output_options,
    fail,
    note,
    save,
    set_style,
)

REFERENCE_COLUMNS = ["series", "law", "photons_per_mac", "accuracy_percent"]
AGREEMENT = 0.02  # largest relative difference of two photon axes that count as one


@dataclass
class Curve:
    label: str
    law: str | None
    clean: float  # all accuracies as fractions
    photons: np.ndarray
    energy: np.ndarray  # aJ/MAC
    accuracy: np.ndarray
    ci95: np.ndarray

    def energy_at(self, photons: np.ndarray) -> np.ndarray:
        """aJ/MAC at these photons/MAC: straight on logarithmic axes, proportional outside."""
        return scale_log(photons, self.photons, self.energy)

    def photons_at(self, energy: np.ndarray) -> np.ndarray:
        return scale_log(energy, self.energy, self.photons)


def scale_log(x: np.ndarray, known_x: np.ndarray, known_y: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(known_y / known_x)
        return x * np.exp(np.interp(np.log(x), np.log(known_x), log_ratio))


@dataclass
class Reference:
    series: str
    law: str
    photons: np.ndarray
    accuracy: np.ndarray  # fraction


def read_curve(path: Path, label: str | None) -> Curve:
    result = ResultFile(path)
    clean = result.number("/accuracy/clean")
    if "/sweep" in result:
        names = ["photons_per_mac", "optical_attojoule_per_mac", "accuracy", "ci95"]
        paths = [f"/sweep/{name}" for name in names]
        photons, energy, accuracy, ci95 = (result.numbers(name) for name in paths)
        result.same_length(paths)
    else:
        macs = result.numbers("/layers/macs")
        per_layer = result.numbers("/layers/photons_per_mac")
        result.same_length(["/layers/macs", "/layers/photons_per_mac"])
        analogue = np.isfinite(per_layer) & (macs > 0)
        if not analogue.any():
            fail(f"{path} has no layer with photons. There is no point to draw")
        photons = np.array([np.average(per_layer[analogue], weights=macs[analogue])])
        energy = np.array([result.number("/energy/optical_detected/attojoule_per_mac")])
        accuracy = np.array([result.number("/accuracy/noisy")])
        ci95 = np.array([result.number("/accuracy/ci95")])

    drawable = (energy > 0) & (photons > 0) & np.isfinite(accuracy)
    if not drawable.all():
        count = int((~drawable).sum())
        note(f"{path}: {count} of {len(drawable)} points left out (not computed, or without light)")
    if not drawable.any():
        fail(f"{path} has no point that can be drawn on a logarithmic axis")
    order = np.flatnonzero(drawable)
    order = order[np.argsort(energy[order], kind="stable")]
    return Curve(
        label or path.stem,
        result.law(),
        clean,
        photons[order],
        energy[order],
        accuracy[order],
        np.nan_to_num(ci95[order]),
    )


def read_references(path: Path, wanted: list[str] | None) -> list[Reference]:
    if not path.exists():
        fail(f"{path}: no such file")
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with open(path, encoding="utf-8", newline="") as file:
        numbered = [(n, row) for n, row in enumerate(file, 1) if row.strip() and row[0] != "#"]
    reader = csv.DictReader(row for _, row in numbered)
    missing = [name for name in REFERENCE_COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        fail(f"{path} has no column {', '.join(missing)}. Needed: {', '.join(REFERENCE_COLUMNS)}")
    for (line, _), row in zip(numbered[1:], reader):
        try:
            photons, percent = float(row["photons_per_mac"]), float(row["accuracy_percent"])
        except (TypeError, ValueError):
            fail(f"{path}:{line}: photons_per_mac or accuracy_percent is not a number")
        if not (photons > 0 and 0 <= percent <= 100):
            fail(f"{path}:{line}: needs photons_per_mac > 0 and accuracy_percent from 0 to 100")
        points.setdefault((row["series"], row["law"]), []).append((photons, percent / 100))
    known = [series for series, _ in points]
    for name in wanted or []:
        if name not in known:
            fail(f"{path} has no series {name!r}. It has: {', '.join(known)}")
    return [
        Reference(series, law, *np.array(sorted(values)).T)
        for (series, law), values in points.items()
        if not wanted or series in wanted
    ]


def same_photon_axis(curves: list[Curve]) -> bool:
    first = curves[0]
    return all(
        np.all(np.abs(first.photons_at(curve.energy) / curve.photons - 1) <= AGREEMENT)
        for curve in curves[1:]
    )


def plain(value: float, _: object = None) -> str:
    """0.1, 1, 10, 10 000: tick labels without powers of ten where they are readable."""
    if not 1e-3 <= value < 1e5:
        return f"$10^{{{round(np.log10(value))}}}$"
    return f"{value:,.0f}".replace(",", "\u2009") if value >= 1 else f"{value:g}"


def format_log_axis(axis: object, decades: float) -> None:
    """Labels at powers of ten, on a short axis at 2 and 5 times them too."""

    def plain_2_and_5(value: float, _: object = None) -> str:
        digit = value / 10 ** np.floor(np.log10(value) + 1e-9)
        return plain(value) if round(digit, 6) in (2, 5) else ""

    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_formatter(FuncFormatter(plain_2_and_5) if decades < 2 else NullFormatter())


def draw_clean_lines(axes: Axes, curves: list[Curve]) -> None:
    """One dashed line for each accuracy without noise; curves of the same network share one."""
    for clean in sorted({round(curve.clean, 6) for curve in curves}):
        owners = [i for i, curve in enumerate(curves) if round(curve.clean, 6) == clean]
        shared = len(owners) == len(curves)
        colour = "#555555" if shared else COLOURS[owners[0] % len(COLOURS)]
        whose = "" if shared else ", ".join(curves[i].label for i in owners) + ", "
        axes.axhline(
            100 * clean,
            color=colour,
            linestyle=(0, (5, 3)),
            linewidth=1.1,
            zorder=1.5,
            label=f"{whose}noiseless {100 * clean:.2f} %",
        )


def draw(curves: list[Curve], references: list[Reference], x: str, title: str | None) -> Figure:
    set_style()
    figure = Figure(figsize=(6.4, 4.4))
    axes = figure.add_subplot()
    axes.set_xscale("log")
    shown_x = []
    for index, curve in enumerate(curves):
        position = curve.energy if x == "energy" else curve.photons
        shown_x.append(position)
        axes.errorbar(
            position,
            100 * curve.accuracy,
            yerr=100 * curve.ci95,
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=4.5,
            linewidth=1.4,
            elinewidth=1.1,
            capsize=2.5,
            label=curve.label,
        )
    for index, reference in enumerate(references):
        owner = next((i for i, curve in enumerate(curves) if curve.law == reference.law), None)
        if owner is None:
            note(
                f"reference {reference.series!r} left out (no result has the law {reference.law!r})"
            )
            continue
        photons = reference.photons
        position = curves[owner].energy_at(photons) if x == "energy" else photons
        shown_x.append(position)
        axes.plot(
            position,
            100 * reference.accuracy,
            linestyle="none",
            marker=["o", "s", "D", "^"][index % 4],
            markersize=9,
            markerfacecolor="none",
            markeredgecolor="black",
            markeredgewidth=1.1,
            zorder=3,
            label=f"reference: {reference.series.replace('_', ' ')}",
        )
    draw_clean_lines(axes, curves)

    everything = np.concatenate(shown_x)
    # At least a decade, so that a power of ten is on the axis.
    margin = max(1.5, np.sqrt(12 * everything.min() / everything.max()))
    limits = everything.min() / margin, everything.max() * margin
    decades = np.log10(limits[1] / limits[0])
    axes.set_xlim(limits)
    axes.set_ylim(0, 103)
    axes.set_yticks(range(0, 101, 10))
    axes.grid(True, which="major")
    axes.set_ylabel("accuracy [%]")
    format_log_axis(axes.xaxis, decades)
    if x == "photons":
        axes.set_xlabel("photons per MAC")
        axes.spines.top.set_visible(False)
    else:
        axes.set_xlabel("detected optical energy per MAC [aJ]")
        if same_photon_axis(curves):
            first = curves[0]
            top = axes.secondary_xaxis("top", functions=(first.photons_at, first.energy_at))
            top.set_xlabel("photons per MAC", labelpad=7)
            format_log_axis(top.xaxis, decades)
        else:
            note(
                "no axis of photons per MAC (the results differ in aJ per photon). See --x photons"
            )
            axes.spines.top.set_visible(False)
    # Below the axes: curves, lines and points may lie anywhere inside.
    handles, labels = axes.get_legend_handles_labels()
    groups = [curve.label for curve in curves]
    order = sorted(range(len(labels)), key=lambda i: (labels[i] not in groups, i))
    axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.15),
        ncols=1 if len(labels) < 3 or max(map(len, labels)) > 45 else 2,
        fontsize=9,
    )
    if title:
        axes.set_title(title, pad=10)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT.h5")
    parser.add_argument(
        "--label", action="append", help="name of a curve, once for each file (default: file name)"
    )
    parser.add_argument("--reference", type=Path, metavar="CSV", help="points to compare with")
    parser.add_argument(
        "--series",
        action="append",
        help="series of the reference to draw (repeatable; default all)",
    )
    parser.add_argument(
        "--x", choices=["energy", "photons"], default="energy", help="lower axis (default: energy)"
    )
    add_output_options(parser)
    args = parser.parse_args()
    check_output_options(parser, args)
    if args.label and len(args.label) != len(args.results):
        parser.error(f"{len(args.label)} labels for {len(args.results)} files. Give one for each")
    if args.series and not args.reference:
        parser.error("--series names a series of a file that was not given. Add --reference CSV")

    labels = args.label or [None] * len(args.results)
    curves = [read_curve(path, label) for path, label in zip(args.results, labels)]
    references = read_references(args.reference, args.series) if args.reference else []
    save(draw(curves, references, args.x, args.title), args)


if __name__ == "__main__":
    main()
