#!/usr/bin/env python3
"""Tests of tools/plots: what the scripts read, what they refuse, and that figures come out."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PLOTS = ROOT / "tools/plots"
sys.dont_write_bytecode = True
sys.path.insert(0, str(PLOTS))
import accuracy_curve  # noqa: E402
import layers  # noqa: E402

ATTOJOULE_PER_PHOTON = 0.12816
REFERENCE = ROOT / "data/reference/wang2022_curve.csv"


def write_result(
    path: Path,
    law: str = "homodyne",
    photons: list[float] = [0.1, 1, 10, 100],
    accuracy: list[float] = [0.13, 0.70, 0.983, 0.988],
    ratio: float = ATTOJOULE_PER_PHOTON,
    sweep: bool = True,
    **attributes: object,
) -> Path:
    """A small result file in the schema that `attojoule` writes."""
    n, a = np.array(photons, dtype=float), np.array(accuracy, dtype=float)
    with h5py.File(path, "w") as file:
        identity = {"format": "attojoule-result", "format_version": 1, "program_version": "0.1.0"}
        file.attrs.update({**identity, "config": f"model: m.onnx\nlaw: {law}\n", **attributes})
        if sweep:
            group = file.create_group("sweep")
            group["photons_per_mac"] = n
            group["photons_per_mac"].make_scale("photons_per_mac")
            group["accuracy"] = a
            group["ci95"] = 0.01 + 0 * a
            group["optical_attojoule_per_mac"] = n * ratio
            for name in ("accuracy", "ci95", "optical_attojoule_per_mac"):
                group[name].dims[0].attach_scale(group["photons_per_mac"])
        file["accuracy/clean"] = 0.9894
        file["accuracy/noisy"] = a[-1]
        file["accuracy/ci95"] = 0.01
        file["energy/optical_detected/attojoule_per_mac"] = n[-1] * ratio
        columns = {
            "macs": [78400, 10000, 1000],
            "dot_length": [784, 100, 100],
            "photons_per_mac": [n[-1]] * 3,
            "repetitions": [1.0] * 3,
            "snr_db": [20.0, -1.5, np.nan],
            "noise_bits": [3.5, 0.5, np.nan],
            "optical_attojoule_per_mac": [2.0, 1.0, 4.0],
            "attojoule_per_mac": [1e3, 5e3, 2e4],
        }
        for name, values in columns.items():
            file[f"layers/{name}"] = np.array(values)
        text = h5py.string_dtype()
        file["layers"].create_dataset("name", data=["fc1", "fc2", "fc3"], dtype=text)
        file["layers"].create_dataset("kind", data=["Gemm"] * 3, dtype=text)
    return path


def write_device_result(path: Path, waveform: bool = False) -> Path:
    """What `attojoule device` writes with --out, or with --waveform."""
    with h5py.File(path, "w") as file:
        identity = {"format": "attojoule-result", "format_version": 1, "program_version": "0.1.0"}
        file.attrs.update({**identity, "config": "name: bench\nreceiver:\n  kind: transimpedance\n"})
        if waveform:
            samples, per_slot = 64, 8
            for group in ("waveform", "eye"):
                wave = np.sin(np.arange(samples))
                for name in ("field_x", "field_w", "current", "charge", "output"):
                    file[f"{group}/{name}"] = wave
                file[f"{group}/time"] = np.arange(samples) * 1e-11
                scalars = {"slot_time": 8e-11, "samples_per_slot": per_slot, "value": 0.5}
                for name, value in {**scalars, "estimate": 0.4987}.items():
                    file[f"{group}/{name}"] = float(value)
            return path
        terms = ["shot noise", "receiver", "nothing"]
        photons = np.logspace(-2, 4, 25)
        variance = np.stack([photons * 100, 0 * photons + 400, 0 * photons], axis=1)
        shares = variance / variance.sum(axis=1, keepdims=True)
        text = h5py.string_dtype()
        file.create_dataset("noise/term", data=terms, dtype=text)
        file["noise/share"] = [0.6, 0.4, 0.0]
        limits = {"shot_limited_above_power": 1e-9, "shot_limited_below_power": np.inf}
        for name, value in {**limits, "power": 1e-8}.items():
            file[f"noise/{name}"] = value
        file["operating_point/photons_per_mac"] = 6.0
        file["operating_point/dot_length"] = 100.0
        file.create_dataset("sweep/term", data=terms, dtype=text)
        file["sweep/photons_per_mac"] = photons
        file["sweep/power"] = photons * 1e-9
        file["sweep/electrons_rms"] = np.sqrt(variance)
        file["sweep/share"] = shares
        for name in ("noise_bits", "enob"):
            file[f"sweep/{name}"] = np.log2(1 + photons)
        for name in ("kolmogorov", "total_variation"):
            file[f"sweep/{name}"] = np.where(photons < 1e3, 0.2 / np.sqrt(1 + photons), np.nan)
    return path


def write_learned(path: Path, curve: bool = True, attribution: bool = True) -> Path:
    """A small result of `attojoule learn`: three layers, the second with two channels."""
    write_result(path)
    with h5py.File(path, "a") as file:
        learn = file.create_group("learn")
        text = h5py.string_dtype()
        learn["granularity"] = "channel"
        learn["uniform_mean_photons_per_mac"] = 30.0
        learn["mean_photons_per_mac"] = 6.0
        learn["certificate/target"] = 0.02
        learn.create_dataset("layers/name", data=["fc1", "fc2", "fc3"], dtype=text)
        learn["layers/photons_per_mac"] = [2.0, 15.0, 40.0]
        learn["point/layer"] = [0, 1, 1, 2]
        learn["point/photons_per_mac"] = [2.0, 10.0, 10.0, 40.0]
        learn["point/repetitions"] = [1.0, 1.0, 2.0, 1.0]
        learn["history/step"] = np.arange(30.0)
        learn["history/loss"] = 1 / (1 + np.arange(30.0))
        learn["history/round"] = np.repeat([1.0, 2.0], 15)
        learn["search/round"] = [0.0, 0.0, 1.0, 1.0]
        learn["search/mean_photons_per_mac"] = [50.0, 20.0, 8.0, 5.0]
        learn["search/degradation"] = [0.005, 0.03, 0.015, 0.025]
        if curve:
            learn["curve/mean_photons_per_mac"] = [3.0, 6.0, 12.0]
            for name, values in {"learned": [0.9, 0.97, 0.98], "uniform": [0.5, 0.8, 0.9]}.items():
                learn[f"curve/{name}"] = values
                learn[f"curve/{name}_ci95"] = [0.01] * 3
        if attribution:
            learn.create_dataset("attribution/layer", data=["fc1", "fc2", "fc3"], dtype=text)
            learn.create_dataset("attribution/source", data=["all", "shot"], dtype=text)
            learn["attribution/gain"] = [[0.01, 0.01], [0.002, 0.001], [0.0, -0.001]]
            learn["attribution/alone"] = [0.008, 0.003, 0.0]
    return path


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", PLOTS / script, *arguments]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


class PlotsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def assert_refused(
        self, done: subprocess.CompletedProcess[str], code: int, *words: str
    ) -> None:
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_every_output_kind_is_written(self) -> None:
        result = write_result(self.folder / "r.h5")
        starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
        for script in ("accuracy_curve.py", "layers.py"):
            files = {kind: self.folder / f"{script}.{kind}" for kind in starts}
            options = [word for kind, file in files.items() for word in (f"--{kind}", file)]
            done = run(script, result, *options)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for kind, file in files.items():
                self.assertTrue(file.read_bytes().startswith(starts[kind]), file.name)

    def test_learned_energies_curve_history_and_attribution_are_drawn(self) -> None:
        first = write_learned(self.folder / "layer.h5", attribution=False)
        second = write_learned(self.folder / "channel.h5", curve=False)
        out = self.folder / "learn.svg"
        done = run("learn.py", first, second, "--labels", "A", "B", "--svg", out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        drawn = out.read_text()
        for words in ("Allocation", "A, mean 6", "B, mean 6", "uniform 30", "target", "Learning",
                      "without shot", "What the noise of a layer costs (B)"):
            self.assertIn(words, drawn)
        # Without a curve the search's measurements stand in for it.
        done = run("learn.py", second, "--svg", out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("points lost on the search images", out.read_text())

    def test_curvature_measurements_are_no_course(self) -> None:
        result = write_learned(self.folder / "sensitivity.h5", attribution=False)
        with h5py.File(result, "a") as file:
            history = file["learn/history"]
            for name in ("step", "loss", "round"):
                del history[name]
            history["step"] = np.arange(6.0)
            history["loss"] = [0.01, 0.05, 0.04, 0.01, 0.06, 0.05]
            history["round"] = np.repeat([1.0, 2.0], 3)
            history.create_dataset("kind", data=["clean", "noisy", "noisy"] * 2,
                                   dtype=h5py.string_dtype())
        out = self.folder / "learn.svg"
        done = run("learn.py", result, "--svg", out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for words in ("1: clean", "1: noisy 2", "2: noisy 1"):
            self.assertIn(words, out.read_text())

    def test_a_result_without_learning_is_refused(self) -> None:
        result = write_result(self.folder / "r.h5")
        self.assert_refused(run("learn.py", result, "--png", self.folder / "a.png"), 3, "/learn")
        two = run("learn.py", result, "--labels", "a", "b", "--png", self.folder / "a.png")
        self.assertEqual(two.returncode, 2)

    def test_a_result_without_drawn_devices_is_refused(self) -> None:
        result = write_result(self.folder / "r.h5")
        self.assert_refused(
            run("device_draws.py", result, "--png", self.folder / "a.png"), 3, "--device-draws"
        )

    def test_same_input_gives_same_bytes(self) -> None:
        result = write_result(self.folder / "r.h5")
        for kind in ("png", "pdf", "svg"):
            first, second = self.folder / f"1.{kind}", self.folder / f"2.{kind}"
            for file in (first, second):
                self.assertEqual(run("accuracy_curve.py", result, f"--{kind}", file).returncode, 0)
            self.assertEqual(first.read_bytes(), second.read_bytes(), kind)

    def test_svg_holds_labels_clean_accuracy_and_photon_axis(self) -> None:
        out = self.folder / "a.svg"
        result = write_result(self.folder / "r.h5")
        done = run(
            "accuracy_curve.py",
            result,
            "--label",
            "perceptron",
            "--reference",
            REFERENCE,
            "--svg",
            out,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("'wang2022_counting' left out", done.stderr)
        drawn = out.read_text()
        for words in (
            "perceptron",
            "noiseless 98.94 %",
            "photons per MAC",
            "detected optical energy per MAC [aJ]",
            "reference: homodyne normalised",
        ):
            self.assertIn(words, drawn)
        self.assertNotIn("wang2022", drawn)

    def test_photon_axis_only_where_all_results_agree_on_it(self) -> None:
        homodyne = write_result(self.folder / "h.h5")
        counting = write_result(self.folder / "c.h5", law="counting", ratio=0.06)
        out = self.folder / "a.svg"
        done = run("accuracy_curve.py", homodyne, counting, "--svg", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no axis of photons per MAC", done.stderr)
        self.assertNotIn("photons per MAC", out.read_text())
        done = run("accuracy_curve.py", homodyne, counting, "--x", "photons", "--svg", out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("photons per MAC", out.read_text())

    def test_other_files_are_refused_with_exit_code_3(self) -> None:
        newer = write_result(self.folder / "newer.h5", format_version=2, program_version="9.8.7")
        foreign = write_result(self.folder / "foreign.h5", format="keras")
        plain = self.folder / "plain.h5"
        plain.write_text("not HDF5")
        out = self.folder / "x.png"
        for script in ("accuracy_curve.py", "layers.py"):
            refused = run(script, newer, "--png", out)
            self.assert_refused(refused, 3, str(newer), "version 2", "9.8.7", "version 1")
            self.assert_refused(
                run(script, foreign, "--png", out), 3, "'keras'", "attojoule-result"
            )
            self.assert_refused(run(script, plain, "--png", out), 3, "not an HDF5 file")
            self.assert_refused(run(script, self.folder / "no.h5", "--png", out), 3, "no such file")
        self.assertFalse(out.exists())

    def test_missing_and_misshapen_data_sets_are_named(self) -> None:
        out = self.folder / "x.png"
        result = write_result(self.folder / "r.h5")
        with h5py.File(result, "a") as file:
            del file["sweep/ci95"], file["layers/snr_db"]
        self.assert_refused(run("accuracy_curve.py", result, "--png", out), 3, "/sweep/ci95")
        self.assert_refused(run("layers.py", result, "--png", out), 3, "/layers/snr_db")
        with h5py.File(result, "a") as file:
            file["sweep/ci95"] = np.zeros(3)
            file["layers/snr_db"] = np.zeros((3, 2))
        self.assert_refused(run("accuracy_curve.py", result, "--png", out), 3, "differ in length")
        self.assert_refused(run("layers.py", result, "--png", out), 3, "/layers/snr_db", "(3, 2)")

    def test_usage_errors_have_exit_code_2(self) -> None:
        result = write_result(self.folder / "r.h5")
        self.assert_refused(run("accuracy_curve.py", result), 2, "--png")
        self.assert_refused(run("layers.py", result), 2, "--png")
        out = ["--png", self.folder / "x.png"]
        self.assert_refused(
            run("accuracy_curve.py", result, result, "--label", "a", *out), 2, "labels"
        )
        self.assert_refused(
            run("accuracy_curve.py", result, "--series", "a", *out), 2, "--reference"
        )

    def test_unwritable_output_has_exit_code_1(self) -> None:
        result = write_result(self.folder / "r.h5")
        out = self.folder / "nowhere/x.png"
        self.assert_refused(run("layers.py", result, "--png", out), 1, "cannot write", str(out))

    def test_broken_reference_is_refused_with_its_line(self) -> None:
        result = write_result(self.folder / "r.h5")
        table = self.folder / "r.csv"
        out = ["--png", self.folder / "x.png"]

        def refused(content: str, *words: str) -> None:
            table.write_text(content)
            done = run("accuracy_curve.py", result, "--reference", table, *out)
            self.assert_refused(done, 3, *words)

        head = "series,law,photons_per_mac,accuracy_percent\n"
        refused(f"# source\n\n{head}a,homodyne,1,high\n", f"{table}:4:")
        refused(f"{head}a,homodyne,1,90\na,homodyne,0,90\n", f"{table}:3:")
        refused("series,law\n", "photons_per_mac, accuracy_percent")
        refused(f"{head}a,homodyne,1\n", f"{table}:2:")

    def test_points_without_light_or_value_are_left_out(self) -> None:
        result = write_result(
            self.folder / "r.h5", photons=[0, 1, 10, 100], accuracy=[0.1, np.nan, 0.9, 0.95]
        )
        with contextlib.redirect_stderr(io.StringIO()) as messages:
            curve = accuracy_curve.read_curve(result, None)
        self.assertIn("2 of 4 points left out", messages.getvalue())
        np.testing.assert_array_equal(curve.photons, [10, 100])
        np.testing.assert_array_equal(curve.accuracy, [0.9, 0.95])

    def test_single_run_is_one_point_at_the_mean_photons(self) -> None:
        result = write_result(self.folder / "one.h5", sweep=False)
        with h5py.File(result, "a") as file:
            file["layers/photons_per_mac"][...] = [1.0, 10.0, np.nan]
        curve = accuracy_curve.read_curve(result, None)
        self.assertEqual(curve.label, "one")
        np.testing.assert_allclose(curve.photons, [(78400 * 1 + 10000 * 10) / 88400])
        np.testing.assert_allclose(curve.energy, [100 * ATTOJOULE_PER_PHOTON])
        self.assertEqual(
            run("accuracy_curve.py", result, "--png", self.folder / "x.png").returncode, 0
        )

    def test_conversion_between_photons_and_energy(self) -> None:
        result = write_result(self.folder / "r.h5")
        curve = accuracy_curve.read_curve(result, None)
        n = np.array([0.01, 0.5, 3.981, 1e4])  # inside and outside the sweep
        np.testing.assert_allclose(curve.energy_at(n), n * ATTOJOULE_PER_PHOTON, rtol=1e-12)
        np.testing.assert_allclose(curve.photons_at(curve.energy_at(n)), n, rtol=1e-12)

    def test_shipped_reference(self) -> None:
        series = {r.series: r for r in accuracy_curve.read_references(REFERENCE, None)}
        self.assertEqual(set(series), {"wang2022_counting", "homodyne_normalised"})
        counting = series["wang2022_counting"]
        self.assertEqual((counting.law, len(counting.photons)), ("counting", 7))
        np.testing.assert_allclose(counting.accuracy[counting.photons == 1], [0.687])
        self.assertEqual(len(series["homodyne_normalised"].photons), 6)

    def test_shares_of_energy_are_weighted_with_macs(self) -> None:
        read = layers.read_layers(write_result(self.folder / "r.h5"))
        self.assertEqual(read.names, ["fc1", "fc2", "fc3"])
        expected = 100 * np.array([156800, 10000, 4000]) / 170800
        np.testing.assert_allclose(read.share(read.optical), expected)
        self.assertAlmostEqual(read.share(read.total).sum(), 100)
        self.assertAlmostEqual(read.mean_per_mac(read.optical), 170800 / 89400)

    def test_device_report_and_waveform(self) -> None:
        out = self.folder / "d.svg"
        done = run("device.py", write_device_result(self.folder / "d.h5"), "--svg", out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        drawn = out.read_text()
        for words in ("bench", "60.0 %", "shot-noise limited", "noise bits", "auto counts above"):
            self.assertIn(words, drawn)
        self.assertNotIn("nothing", drawn)  # a term without noise
        wave = write_device_result(self.folder / "w.h5", waveform=True)
        done = run("device.py", wave, "--svg", out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("output of the amplifier", out.read_text())
        self.assertIn("read 0.4987", out.read_text())
        done = run("device.py", write_result(self.folder / "r.h5"), "--svg", out)
        self.assert_refused(done, 3, "/sweep/electrons_rms", "attojoule device")
        with h5py.File(self.folder / "d.h5", "a") as file:
            del file["sweep/share"]
        done = run("device.py", self.folder / "d.h5", "--svg", out)
        self.assert_refused(done, 3, "/sweep/share")

    def test_number_formats(self) -> None:
        self.assertEqual(layers.with_prefix(999, "MAC"), "999 MAC")
        self.assertEqual(layers.with_prefix(11.0e6, "MAC"), "11 MMAC")
        self.assertEqual(layers.joule_per_mac(2.704), "2.7 aJ/MAC")
        self.assertEqual(layers.joule_per_mac(1736), "1.74 fJ/MAC")
        self.assertEqual(accuracy_curve.plain(0.1), "0.1")
        self.assertEqual(accuracy_curve.plain(1e6), "$10^{6}$")

    def test_many_layers_and_long_names(self) -> None:
        result = write_result(self.folder / "r.h5")
        with h5py.File(result, "a") as file:
            for name in list(file["layers"]):
                values = np.tile(file[f"layers/{name}"][...], 40)
                kind = file[f"layers/{name}"].dtype
                del file[f"layers/{name}"]
                file["layers"].create_dataset(name, data=values, dtype=kind)
            file["layers/name"][0] = "/encoder/" * 20 + "query"
        out = self.folder / "x.svg"
        done = run("layers.py", result, "--svg", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("/query", out.read_text())
        self.assertIn("120 layers", out.read_text())


if __name__ == "__main__":
    unittest.main()
