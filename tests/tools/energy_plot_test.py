#!/usr/bin/env python3
"""tools/plots/energy.py on what `attojoule map` and `device` write, and on files that it must refuse."""

import contextlib
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools/plots"))
import energy  # noqa: E402
from result_file import ResultFile, set_style  # noqa: E402

PROGRAM = Path(sys.argv.pop(1)) if len(sys.argv) > 1 else ROOT / "build/release/attojoule"
KINDS = ("layers", "flow", "references", "sensitivity")


def result_of(path: Path, *arguments: object) -> Path:
    command = [PROGRAM, *arguments, "--out", path]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return path


def draw(result: Path, kind: str, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", ROOT / "tools/plots/energy.py", result, "--plot", kind, "--svg", out]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


class EnergyPlots(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.model = ROOT / "data/models/fashion_cnn.onnx"

    def test_every_kind_of_a_network_and_of_a_tile(self):
        device = "homodyne-with-electronics"
        network = result_of(self.folder / "m.h5", "map", self.model, "--device", device)
        tile = result_of(self.folder / "d.h5", "device", device, "--trials", "10")
        words = {
            "layers": ["conv1", "memory", "ADC", "share [%]"],
            "flow": ["one inference", "heat of the laser", "lost on the way", "detected"],
            "references": ["landauer-int8", "total here", "wang-2022-90-percent"],
            "sensitivity": ["memory.energy_per_byte: half", "at the same noise"],
        }
        for result in (network, tile):
            for kind in KINDS:
                set_style()
                out = self.folder / f"{result.stem}.{kind}.svg"
                energy.PLOTS[kind](ResultFile(result)).savefig(out)
                text = out.read_text()
                for word in words[kind]:
                    if result is network or word != "conv1":
                        self.assertIn(word, text, (result.name, kind))

    def test_light_that_arrives_is_what_losses_leave(self):
        path = result_of(self.folder / "m.h5", "map", self.model, "--device", "homodyne-with-electronics")
        with h5py.File(path) as file:
            facet = file["energy/optical_facet/joule_per_inference"][()]
            detected = file["energy/optical_detected/joule_per_inference"][()]
            arriving = file["layers/full_scale_photons"][...].sum()
            counted = file["layers/detected_photons"][...].sum()
            self.assertAlmostEqual(counted / arriving, 0.9)
            loss = 1.52 + 2 + 0.6 + 0.5
            self.assertAlmostEqual(arriving * detected / counted / facet, 10 ** (-loss / 10))
            layers = sum(file[f"layers/{name}_joule_per_inference"][...].sum()
                         for name in ("laser_wall_plug", "modulator", "dac", "receiver", "adc",
                                      "digital", "memory", "static"))
            total = file["energy/total/joule_per_inference"][()]
            self.assertAlmostEqual(layers / total, 1, 12)

    def test_files_without_energy_are_refused(self):
        path = self.folder / "empty.h5"
        with h5py.File(path, "w") as file:
            file.attrs.update({"format": "attojoule-result", "format_version": 1})
        for kind in KINDS:
            with self.assertRaises(SystemExit) as raised, contextlib.redirect_stderr(io.StringIO()):
                energy.PLOTS[kind](ResultFile(path))
            self.assertEqual(raised.exception.code, 3, kind)

    def test_the_script_itself(self):
        network = result_of(self.folder / "m.h5", "map", self.model)
        done = draw(network, "flow", self.folder / "x.svg")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("one inference", (self.folder / "x.svg").read_text())
        done = draw(self.folder / "missing.h5", "flow", self.folder / "y.svg")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertFalse((self.folder / "y.svg").exists())


if __name__ == "__main__":
    unittest.main()
