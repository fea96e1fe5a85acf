#!/usr/bin/env python3
"""ResNet-50 and BERT-base of tools/zoo through `attojoule map`: every product, with its numbers."""

import json
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.argv.pop(1)) if len(sys.argv) > 1 else ROOT / "build/release/attojoule"


def mapped(folder: str, script: str, arguments: list[str], shapes: list[str]) -> dict:
    model = Path(folder) / "model.onnx"
    subprocess.run([sys.executable, ROOT / "tools/zoo" / script, model, *arguments], check=True)
    flags = [word for shape in shapes for word in ("--shape", shape)]
    output = subprocess.run(
        [PROGRAM, "map", model, *flags, "--json"], check=True, capture_output=True, text=True
    )
    return json.loads(output.stdout)


COMPONENTS = (
    "laser_wall_plug", "modulator", "dac", "receiver", "adc", "digital", "memory", "static",
)
PRESETS = ("ideal-shot-noise", "free-space-homodyne", "homodyne-with-electronics")


class Zoo(unittest.TestCase):
    def assert_sums(self, folder: str, shapes: list[str]):
        """The bill of the model in the folder: layers and components add up, on three presets."""
        flags = [word for shape in shapes for word in ("--shape", shape)]
        for preset in PRESETS:
            command = [PROGRAM, "map", Path(folder) / "model.onnx", *flags, "--device", preset, "--json"]
            output = subprocess.run(command, check=True, capture_output=True, text=True)
            result = json.loads(output.stdout)
            energy = result["energy"]
            total = energy["total"]["joule_per_inference"]
            self.assertGreater(total, 0)
            parts = [energy[name]["joule_per_inference"] for name in COMPONENTS]
            self.assertLess(abs(sum(parts) / total - 1), 1e-12)
            for name, part in zip(COMPONENTS, parts):
                layers = sum(layer["joule_per_inference"][name] for layer in result["layers"])
                self.assertLessEqual(abs(layers - part), 1e-12 * part)
            # 10 photons a multiplication.
            photons = 10 * result["macs"] * 6.62607015e-34 * 299792458 / 1550e-9
            efficiency = 1 if preset == "ideal-shot-noise" else 0.9
            light = energy["optical_detected"]["joule_per_inference"]
            self.assertLess(abs(light / (efficiency * photons) - 1), 1e-12)

    def test_resnet50(self):
        with tempfile.TemporaryDirectory() as folder:
            result = mapped(folder, "resnet50.py", [], ["1x3x224x224"])
            self.assert_sums(folder, ["1x3x224x224"])
        layers = result["layers"]
        self.assertEqual(Counter(layer["kind"] for layer in layers), {"conv": 53, "dense": 1})
        macs = {layer["name"]: layer["macs"] for layer in layers}
        self.assertEqual(sum(macs.values()), 4_089_184_256)
        self.assertEqual(macs["conv1"], 112 * 112 * 64 * 3 * 7 * 7)
        self.assertEqual(macs["fc"], 2048 * 1000)

    def test_bert_base(self):
        tokens, width, heads, inner = 128, 768, 12, 3072
        with tempfile.TemporaryDirectory() as folder:
            result = mapped(folder, "bert_base.py", ["--vocabulary", "500"], [f"1x{tokens}"] * 3)
            self.assert_sums(folder, [f"1x{tokens}"] * 3)
        layers = {layer["name"]: layer for layer in result["layers"]}
        self.assertEqual(Counter(layer["kind"] for layer in layers.values()), {"dense": 74, "dynamic": 24})
        square, wide = tokens * width * width, tokens * width * inner
        mixed = tokens * tokens * width
        for n in range(12):
            name = f"layer{n}"
            for part in ("query", "key", "value", "output"):
                self.assertEqual(layers[f"{name}.attention.{part}"]["macs"], square)
            self.assertEqual(layers[f"{name}.attention.scores"]["macs"], mixed)
            self.assertEqual(layers[f"{name}.attention.scores"]["dot_length"], width // heads)
            self.assertEqual(layers[f"{name}.attention.mix"]["macs"], mixed)
            self.assertEqual(layers[f"{name}.attention.mix"]["dot_length"], tokens)
            self.assertEqual(layers[f"{name}.intermediate"]["macs"], wide)
            self.assertEqual(layers[f"{name}.output"]["macs"], wide)
            self.assertEqual(layers[f"{name}.output"]["dot_length"], inner)
        total = sum(layer["macs"] for layer in layers.values())
        self.assertEqual(total, 12 * (4 * square + 2 * mixed + 2 * wide) + width * width + 2 * width)
        # Everything else is digital, and listed.
        digital = Counter(operation["op"] for operation in result["digital"])
        self.assertEqual(digital["Softmax"], 12)
        self.assertEqual(digital["LayerNormalization"], 25)
        self.assertEqual(digital["Erf"], 12)
        self.assertNotIn("MatMul", digital)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
