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


class Zoo(unittest.TestCase):
    def test_resnet50(self):
        with tempfile.TemporaryDirectory() as folder:
            result = mapped(folder, "resnet50.py", [], ["1x3x224x224"])
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
