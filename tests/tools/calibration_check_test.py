#!/usr/bin/env python3
"""Runs the check.py that every kind of `attojoule calibrate` writes, and compares its numbers with
result.json: the same data, fitted once more by numpy and scipy.

    calibration_check_test.py PROGRAM
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile

LABORATORY = pathlib.Path(__file__).resolve().parents[2] / "data" / "laboratory"

# Kind, file and options; parameters that its check.py must find, at least.
RUNS = [
    ("ptc", "photon_transfer.csv", [], {"K", "R"}),
    ("shot-noise", "shot_noise.csv", [], {"a", "b", "c"}),
    ("loss", "cutback.csv", [], {"propagation_loss", "intercept"}),
    ("li", "light_current.csv", [], {"threshold_current", "slope_efficiency"}),
    ("responsivity", "responsivity.csv", ["--relative", "0.5%", "--floor", "2nA"], {"responsivity", "dark_current"}),
    ("cmrr", "cmrr.csv", ["--sigma", "0.2dB"], {"cmrr", "delay_squared"}),
    ("visibility", "fringes.csv", ["--dark", "0.4uA"], {"visibility", "period"}),
    ("mzm", "mzm.csv", ["--relative", "0.5%", "--floor", "0.2uW"], {"half_wave_voltage", "phase"}),
    ("ring", "ring.csv", ["--relative", "0.5%"], {"fsr"}),
    ("rin", "rin.csv", ["--photocurrent", "2mA", "--averages", "100"], {"rin"}),
    ("linewidth", "beat.csv", ["--averages", "100"], {"linewidth"}),
    ("linewidth", "frequency_noise.csv", ["--averages", "50"], {"h0"}),
    ("psd", "noise.csv", ["--segment", "64", "--range", "1kHz:40kHz"], {"density"}),
    ("weights", "weights.csv", [], {"sigma_programming", "sigma_read", "rms_transfer_error", "gain", "offset"}),
    ("adc", "sine_8bit.csv", ["--bits", "8"], {"amplitude", "offset", "frequency", "enob", "sinad"}),
    ("s21", "lowpass.s2p", [], {"gain", "f1"}),
    ("nonlinearity", "nonlinearity.csv", ["--model", "saturation"], {"a_0", "b_0"}),
] + [
    ("allan", "phase.csv", ["--deviation", name], {name + "_tau0", name + "_min"})
    for name in ["adev", "oadev", "mdev", "tdev", "hdev", "ohdev", "totdev", "theo1", "mtie", "tierms"]
]


def compare(what, found, result, wanted):
    """Problems, as lines of text. Names that result.json has no parameter of are none of ours."""
    problems = []
    seen = set()
    for line in found.split("\n"):
        words = line.split()
        if len(words) != 3 or words[0] not in result["parameters"]:
            continue
        name, value, error = words[0], float(words[1]), float(words[2])
        seen.add(name)
        entry = result["parameters"][name]
        if not math.isfinite(value):
            problems.append(f"{what}: {name} is {value}")
            continue
        # Two minimisers agree to where chi2 is flat: a thousandth of a standard error.
        near = 1e-6 * abs(entry["value"])
        if entry["u_a"] is not None:
            near = max(near, 1e-3 * entry["u_a"])
        if abs(value - entry["value"]) > near:
            problems.append(f"{what}: {name} {value} in Python, {entry['value']} in result.json")
        if math.isfinite(error) and entry["u_a"] and abs(error / entry["u_a"] - 1) > 2e-3:
            problems.append(f"{what}: u({name}) {error} in Python, {entry['u_a']} in result.json")
    if wanted - seen:
        problems.append(f"{what}: check.py says nothing of {sorted(wanted - seen)}")
    return problems


def main():
    program = sys.argv[1]
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (kind, file, options, wanted) in enumerate(RUNS):
            what = " ".join([kind, file] + options)
            out = pathlib.Path(folder) / str(number)
            subprocess.run([program, "calibrate", kind, LABORATORY / file, "--out", out] + options, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            run = subprocess.run([sys.executable, out / "check.py"], capture_output=True, text=True, check=False)
            if run.returncode != 0:
                problems.append(f"{what}: check.py fails: {run.stderr.strip()[-400:]}")
                continue
            result = json.loads((out / "result.json").read_text())
            problems += compare(what, run.stdout, result, wanted)
            # A value that is off by a hundredth of its error must not pass, nor by 1e-5 where that is less.
            moved = json.loads((out / "result.json").read_text())
            for entry in moved["parameters"].values():
                entry["value"] += max(0.01 * (entry["u_a"] or 0), 1e-5 * abs(entry["value"]))
            if not compare(what, run.stdout, moved, wanted):
                problems.append(f"{what}: a wrong value is not noticed")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
