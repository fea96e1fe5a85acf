#!/usr/bin/env python3
"""Tests that the default model, its training log and its reference outputs belong together."""

from __future__ import annotations

import hashlib
import re
import unittest
from pathlib import Path

import h5py
import onnx

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "data/models/fashion_cnn.onnx"
LOG = ROOT / "tools/train/fashion_cnn.log"
REFERENCE = ROOT / "tests/golden/logits/fashion_cnn.h5"


class DefaultModelTest(unittest.TestCase):
    def setUp(self) -> None:
        self.sha256 = hashlib.sha256(MODEL.read_bytes()).hexdigest()
        self.model = onnx.load(str(MODEL))
        self.metadata = {p.key: p.value for p in self.model.metadata_props}

    def test_log_is_of_this_model(self) -> None:
        log = LOG.read_text()
        self.assertIn(f"sha256 {self.sha256}", log)
        accuracy = re.search(r"^test accuracy: ([\d.]+) of 10000", log, re.MULTILINE)[1]
        self.assertEqual(self.metadata["test_accuracy"], accuracy)
        self.assertGreaterEqual(float(accuracy), 0.92)

    def test_reference_outputs_are_of_this_model(self) -> None:
        with h5py.File(REFERENCE) as file:
            self.assertEqual(file.attrs["model_sha256"], self.sha256)
            self.assertEqual(file["argmax"].shape, (10000,))
            self.assertEqual(file["logits"].shape, (1000, 10))
            correct = int(file.attrs["correct"])
            for name in ("mean", "std"):
                self.assertEqual(float(self.metadata[name]), float(file.attrs[name]))
        self.assertEqual(f"{correct / 10000:.4f}", self.metadata["test_accuracy"])

    def test_graph(self) -> None:
        onnx.checker.check_model(self.model, full_check=True)
        self.assertEqual([(o.domain, o.version) for o in self.model.opset_import], [("", 13)])
        graph = self.model.graph
        self.assertEqual([value.name for value in graph.input], ["input"])
        self.assertEqual([value.name for value in graph.output], ["logits"])
        batch, *shape = graph.input[0].type.tensor_type.shape.dim
        self.assertEqual((batch.dim_param, [d.dim_value for d in shape]), ("N", [1, 28, 28]))
        products = [n.name for n in graph.node if n.op_type in ("Conv", "Gemm")]
        self.assertEqual(products, ["conv1", "conv2", "conv3", "block.conv1", "block.conv2", "fc"])
        names = [node.name for node in graph.node]
        self.assertEqual(len(names), len(set(names)))
        self.assertNotIn("BatchNormalization", [node.op_type for node in graph.node])


if __name__ == "__main__":
    unittest.main()
