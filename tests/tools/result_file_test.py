#!/usr/bin/env python3
"""Result files as others read them: h5py and xarray. And the progress bar, on a terminal and off it.

Usage: result_file_test.py PROGRAM
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np
import xarray

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else "attojoule"
ROOT = Path(__file__).resolve().parents[2]
FASHION = Path("/usr/share/datasets/fashion-mnist")


def command(out: Path) -> list[str]:
    settings = {
        "data.mean": "0.286",
        "data.std": "0.353",
        "operating_point.photons_per_mac": "20",
        "evaluation.images": "60",
        "evaluation.seeds": "2",
        "evaluation.curve": "[1, 10, 100]",
    }
    words = [PROGRAM, "run", "--model", str(ROOT / "data/models/fashion_cnn.onnx")]
    words += ["--data", str(FASHION / "t10k-images-idx3-ubyte.gz")]
    words += ["--labels", str(FASHION / "t10k-labels-idx1-ubyte.gz")]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    return [*words, "--logits", "--seed", "5", "--out", str(out)]


class ResultFileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.file = Path(cls.folder.name) / "r.h5"
        cls.done = subprocess.run(command(cls.file), capture_output=True, text=True, check=False)
        if cls.done.returncode != 0:
            raise RuntimeError(cls.done.stderr)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def test_no_progress_bar_without_a_terminal(self) -> None:
        self.assertEqual(self.done.stderr, f"Results in {self.file}\n")
        self.assertNotIn("\r", self.done.stdout)

    def test_progress_bar_on_a_terminal(self) -> None:
        try:
            near, far = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminals on this machine ({error})")
        process = subprocess.Popen(
            command(Path(self.folder.name) / "t.h5"), stdout=subprocess.DEVNULL, stderr=far
        )
        os.close(far)
        shown = b""
        while True:
            try:
                piece = os.read(near, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        os.close(near)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(shown, rb"\r\[[#.]+\] +\d+ %  [-\d:]+ left")

    def test_identity_and_provenance(self) -> None:
        with h5py.File(self.file) as file:
            attributes = dict(file.attrs)
        self.assertEqual(attributes["format"], "attojoule-result")
        self.assertEqual(int(attributes["format_version"]), 1)
        self.assertEqual(int(attributes["seed"]), 5)
        self.assertIn("attojoule run --model", attributes["command_line"])
        self.assertRegex(attributes["created_utc"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertRegex(attributes["model_sha256"], r"^[0-9a-f]{64}$")
        for name in ("program_version", "git_sha", "rng_contract", "config", "dataset_sha256"):
            self.assertTrue(attributes[name], name)

    def test_every_data_set_has_units_and_a_meaning(self) -> None:
        seen = []

        def look(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                seen.append(name)
                self.assertTrue(item.attrs["units"], name)
                self.assertTrue(item.attrs["long_name"], name)

        with h5py.File(self.file) as file:
            file.visititems(look)
        self.assertGreater(len(seen), 30)

    def test_axes_are_dimension_scales(self) -> None:
        with h5py.File(self.file) as file:
            photons = file["sweep/photons_per_mac"]
            self.assertTrue(h5py.h5ds.is_scale(photons.id))
            for name in ("accuracy", "ci95", "optical_attojoule_per_mac"):
                self.assertEqual(file["sweep"][name].dims[0][0], photons, name)
            for name in ("macs", "kind", "snr_db"):
                self.assertEqual(file["layers"][name].dims[0][0], file["layers/name"], name)

    def test_numbers_agree_with_each_other(self) -> None:
        with h5py.File(self.file) as file:
            self.assertEqual(file["layers/macs"][...].sum(), file["macs"][()])
            light = file["layers/optical_detected_joule_per_inference"][...].sum()
            self.assertAlmostEqual(
                light / file["energy/optical_detected/joule_per_inference"][()], 1, places=12
            )
            self.assertEqual(file["logits/clean"].shape, (60, 10))
            clean, noisy = file["logits/clean"][...], file["logits/noisy"][...]
            self.assertTrue(np.isfinite(clean).all() and np.isfinite(noisy).all())
            self.assertFalse((clean == noisy).all())

    def test_xarray_opens_the_sweep(self) -> None:
        with xarray.open_dataset(self.file, group="sweep", engine="h5netcdf") as sweep:
            self.assertEqual(sweep.accuracy.dims, ("photons_per_mac",))
            np.testing.assert_array_equal(sweep.photons_per_mac, [1, 10, 100])
            at_ten = sweep.accuracy.sel(photons_per_mac=10).item()
            self.assertTrue(0 <= at_ten <= 1)
            self.assertEqual(sweep.optical_attojoule_per_mac.attrs["units"], "aJ")
            # One photon at 1550 nm, all of it detected.
            photon = 6.62607015e-34 * 299792458 / 1550e-9 * 1e18
            np.testing.assert_allclose(
                sweep.optical_attojoule_per_mac, sweep.photons_per_mac * photon, rtol=1e-9
            )

    def test_xarray_opens_the_layers(self) -> None:
        with xarray.open_dataset(self.file, group="layers", engine="h5netcdf") as layers:
            self.assertEqual(layers.macs.dims, ("name",))
            names = [str(name) for name in layers.name.values]
            self.assertEqual(names[0], "conv1")
            self.assertEqual(len(names), 6)
            self.assertEqual(layers.dot_length.sel(name="conv1").item(), 9)

    def test_xarray_opens_every_group(self) -> None:
        with h5py.File(self.file) as file:
            groups = [name for name, item in self.walk(file) if isinstance(item, h5py.Group)]
        self.assertIn("energy/optical_detected", groups)
        for group in groups:
            with xarray.open_dataset(self.file, group=group, engine="h5netcdf"):
                pass

    def test_xarray_opens_a_mapping(self) -> None:
        out = Path(self.folder.name) / "map.h5"
        model = str(ROOT / "data/models/fashion_cnn.onnx")
        words = [PROGRAM, "map", model, "--set", "tile.rows=8", "--out", str(out)]
        subprocess.run(words, capture_output=True, check=True)
        with xarray.open_dataset(out, group="mapping", engine="h5netcdf") as mapping:
            self.assertEqual(mapping.reads.sel(name="conv1").item(), 28 * 28 * 16)
            self.assertEqual(mapping.reads.sum().item(), mapping.total_reads.item())

    @staticmethod
    def walk(file: h5py.File) -> list:
        found: list = []
        file.visititems(lambda name, item: found.append((name, item)))
        return found


if __name__ == "__main__":
    unittest.main()
