#!/usr/bin/env python3
"""Draws what `attojoule device` writes: noise over optical power, budget, eye diagram, receiver output.

Of a file that `--out` wrote (groups /noise, /sweep, /gaussian):
  share of the variance of every term at the operating point, each term in electrons rms over optical
  power, bits of the output over photons per multiplication, distance of the Gaussian from the counts.
Of a file that `--waveform` wrote (groups /waveform, /eye):
  eye diagram of symbols of random sign (group /eye); the receiver's output (volts, or the charge of an
  ideal receiver) over a dot product of random operands; its fields and its charge.

Needs Debian's python3-h5py and python3-matplotlib. Exit codes: 0 ok, 1 cannot write, 2 usage,
3 bad input data.

Example:
    attojoule device silicon-photonics-aggressive --out device.h5
    tools/plots/device.py device.h5 --png device.png
"""

from __future__ import annotations

import argparse
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
    text,
)

LEAST_SHARE = 1e-4  # terms that never reach this share of the variance are left out


def dbm(watts: np.ndarray) -> np.ndarray:
    return 10 * np.log10(watts / 1e-3)


def term_colours(names: list[str]) -> dict[str, tuple[str, str]]:
    """Colour and line style of every term; the same in all panels."""
    styles = ["-", "--"]  # shot noise of equal beams is one line on the other
    return {
        name: (COLOURS[i % len(COLOURS)], styles[(i + i // len(COLOURS)) % 2])
        for i, name in enumerate(names)
    }


def draw_budget(axes: Axes, result: ResultFile, names: list[str]) -> None:
    share = result.numbers("/noise/share")
    everything = result.strings("/noise/term")
    by_name = dict(zip(everything, share, strict=True))
    colours = term_colours(names)
    shown = sorted(names, key=lambda name: by_name[name])
    axes.barh(shown, [100 * by_name[name] for name in shown], color=[colours[n][0] for n in shown])
    for row, name in enumerate(shown):
        axes.annotate(
            f"{100 * by_name[name]:.1f} %",
            (100 * by_name[name], row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_xlim(0, 1.18 * 100 * max(by_name[name] for name in shown))
    axes.set_xlabel("share of the variance, %")
    photons = result.number("/operating_point/photons_per_mac")
    axes.set_title(f"at {photons:g} photons/MAC", fontsize=10)


def draw_terms(axes: Axes, result: ResultFile, names: list[str]) -> None:
    power = dbm(result.numbers("/sweep/power"))
    rms = result.dataset("/sweep/electrons_rms")[...]
    everything = result.strings("/sweep/term")
    if rms.shape != (len(power), len(everything)):
        fail(f"{result.path}: /sweep/electrons_rms does not fit its axes (shape {rms.shape})")
    colours = term_colours(names)
    for name in names:
        values = rms[:, everything.index(name)]
        colour, style = colours[name]
        axes.plot(power, np.where(values > 0, values, np.nan), style, color=colour, label=name)
    total = np.sqrt((rms**2).sum(axis=1))
    axes.plot(power, total, color="black", linewidth=2, label="all")
    axes.set_yscale("log")
    axes.set_ylim(total.min() / 30, 2 * total.max())
    above = result.number("/noise/shot_limited_above_power")
    below = result.number("/noise/shot_limited_below_power")
    if np.isfinite(above):
        low = dbm(np.array(above)) if above > 0 else power[0]
        high = dbm(np.array(below)) if np.isfinite(below) else power[-1]
        axes.axvspan(low, high, color="#0072B2", alpha=0.08, linewidth=0)
        axes.annotate(
            "shot-noise limited",
            ((low + high) / 2, 0.02),
            xycoords=("data", "axes fraction"),
            ha="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    axes.axvline(dbm(np.array(result.number("/noise/power"))), color="#888888", linestyle=":")
    axes.set_xlabel("optical power at the receiver, dBm")
    axes.set_ylabel("electrons rms")
    axes.grid(True)
    axes.legend(fontsize=8, loc="upper left")


def draw_bits(axes: Axes, result: ResultFile) -> None:
    photons = result.numbers("/sweep/photons_per_mac")
    axes.plot(photons, result.numbers("/sweep/noise_bits"), color=COLOURS[0], label="noise bits")
    enob = result.numbers("/sweep/enob")
    axes.plot(photons, np.where(enob > 0, enob, np.nan), color=COLOURS[1], label="ENOB")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("photons/MAC")
    axes.set_ylabel("bits")
    axes.set_title(f"D = {result.number('/operating_point/dot_length'):g}", fontsize=10)
    axes.grid(True)
    axes.legend(fontsize=8)


def draw_distance(axes: Axes, result: ResultFile) -> None:
    photons = result.numbers("/sweep/photons_per_mac")
    kolmogorov = result.numbers("/sweep/kolmogorov")
    known = np.isfinite(kolmogorov)
    if not known.any():
        axes.annotate("not computed", (0.5, 0.5), xycoords="axes fraction", ha="center")
        return
    axes.plot(photons[known], kolmogorov[known], color=COLOURS[0], label="Kolmogorov")
    variation = result.numbers("/sweep/total_variation")
    axes.plot(photons[known], variation[known], color=COLOURS[1], label="total variation")
    axes.axhline(0.01, color="#888888", linestyle=":")
    axes.annotate(
        "auto counts above",
        (1, 0.01),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("photons/MAC")
    axes.set_ylabel("Gaussian against counts")
    axes.grid(True)
    axes.legend(fontsize=8)


def draw_report(figure: Figure, result: ResultFile) -> None:
    result.same_length(["/sweep/photons_per_mac", "/sweep/power", "/sweep/noise_bits"])
    everything = result.strings("/sweep/term")
    shares = result.dataset("/sweep/share")[...]
    if shares.ndim != 2 or shares.shape[1] != len(everything):
        fail(f"{result.path}: /sweep/share does not fit its axes (shape {shares.shape})")
    names = [n for n, column in zip(everything, shares.T, strict=True) if column.max() > LEAST_SHARE]
    figure.set_size_inches(10, 7.5)
    (budget, terms), (bits, distance) = figure.subplots(2, 2, width_ratios=[1, 1.4])
    draw_budget(budget, result, names)
    draw_terms(terms, result, names)
    draw_bits(bits, result)
    draw_distance(distance, result)


def draw_eye(axes: Axes, result: ResultFile) -> None:
    """Symbols of random sign on top of each other: the amplifier's output over two symbols, or the
    charge that an integrator has taken since the symbol began."""
    per_slot = int(round(result.number("/eye/samples_per_slot")))
    slot = result.number("/eye/slot_time")
    charge = result.numbers("/eye/charge")
    slots = len(charge) // per_slot
    amplifier = "kind: transimpedance" in text(result.file.attrs.get("config", ""))
    alpha = min(1.0, max(0.04, 12 / slots))
    if amplifier and "/eye/output" in result:
        output = 1e3 * result.numbers("/eye/output")
        time = (np.arange(2 * per_slot) + 1) / per_slot
        for first in range(slots - 1):
            part = output[first * per_slot : (first + 2) * per_slot]
            axes.plot(time, part, color=COLOURS[0], alpha=alpha, linewidth=0.7)
        axes.set_ylabel("output of the amplifier, mV")
    else:
        time = np.arange(per_slot + 1) / per_slot
        # An integrator that is read in between starts from 0 again: those symbols are left out.
        held = np.concatenate([[0.0], charge])
        for first in range(slots):
            part = held[first * per_slot : (first + 1) * per_slot + 1]
            if first == 0 or part[0] != 0:
                axes.plot(time, part - part[0], color=COLOURS[0], alpha=alpha, linewidth=0.7)
        axes.set_ylabel("charge since the symbol began, electrons")
    axes.set_xlabel(f"time, symbols of {slot * 1e9:.3g} ns")
    axes.set_title("eye: equal light, random signs", fontsize=10)
    axes.grid(True)


def draw_output(axes: Axes, result: ResultFile, time: np.ndarray) -> None:
    if "/waveform/output" in result:
        axes.plot(time, 1e3 * result.numbers("/waveform/output"), color=COLOURS[1], linewidth=0.8)
        axes.set_ylabel("output of the receiver, mV")
    else:
        axes.plot(time, result.numbers("/waveform/charge"), color=COLOURS[1], linewidth=0.8)
        axes.set_ylabel("charge, electrons")
    value, estimate = (result.number(f"/waveform/{n}") for n in ("value", "estimate"))
    axes.set_title(f"w·x = {value:.4f}, read {estimate:.4f}", fontsize=10)
    axes.set_xlabel("time, ns")
    axes.grid(True)


def draw_fields(axes: Axes, result: ResultFile, time: np.ndarray, slot: float) -> None:
    shown = time <= 20 * slot * 1e9
    for name, colour in (("field_x", COLOURS[0]), ("field_w", COLOURS[2])):
        values = result.numbers(f"/waveform/{name}")
        axes.plot(time[shown], values[shown], color=colour, label=f"beam {name[-1]}")
    axes.set_xlabel("time, ns (first symbols)")
    axes.set_ylabel("field, √(photons/s)")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=True)
    axes.grid(True)
    axes.legend(fontsize=8, loc="upper right")


def draw_waveform(figure: Figure, result: ResultFile) -> None:
    names = ["time", "field_x", "field_w", "current", "charge"]
    result.same_length([f"/waveform/{name}" for name in names])
    time = result.numbers("/waveform/time") * 1e9
    slot = result.number("/waveform/slot_time")
    figure.set_size_inches(10, 7)
    (eye, output), (fields, charge) = figure.subplots(2, 2)
    draw_eye(eye, result)
    draw_output(output, result, time)
    draw_fields(fields, result, time, slot)
    charge.plot(time, result.numbers("/waveform/charge"), color=COLOURS[3], linewidth=0.8)
    charge.set_xlabel("time, ns")
    charge.set_ylabel("integrated charge, electrons")
    charge.grid(True)


def device_name(result: ResultFile) -> str:
    for line in text(result.file.attrs.get("config", "")).splitlines():
        if line.startswith("name:"):
            return line.removeprefix("name:").strip().strip('"')
    return result.path.stem


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", type=Path, help="file that --out or --waveform wrote")
    add_output_options(parser)
    args = parser.parse_args()
    check_output_options(parser, args)
    set_style()
    result = ResultFile(args.result)
    figure = Figure(layout="constrained")
    if "/waveform/time" in result:
        draw_waveform(figure, result)
    elif "/sweep/electrons_rms" in result:
        draw_report(figure, result)
    else:
        fail(f"{args.result} holds neither /sweep/electrons_rms nor /waveform of `attojoule device`")
    figure.suptitle(args.title or device_name(result))
    save(figure, args)


if __name__ == "__main__":
    main()
