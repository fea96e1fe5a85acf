#!/usr/bin/env python3
"""Writes the reference outputs that the network tests compare with (tests/golden/logits/*.h5).

Runs every known model of DATA/models on its data set with ONNX Runtime in float32. A file holds
  argmax  int16 (inputs,)           the predicted class of every input of the data set
  logits  float32 (first, classes)  the outputs of the first inputs
and as attributes what made them. ONNX Runtime is no Debian package: run this with the interpreter
of a virtual environment in which onnxruntime, numpy and h5py are installed, or let --venv make one.

Example: tools/dev/reference_logits.py --venv /tmp/reference --data "$ATTOJOULE_DATA"
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Case:
    """A model and the inputs that it is run on; mean and std override the file's attributes."""

    model: str
    dataset: str  # HDF5 below DATA/datasets, or the stem of a pair of IDX files
    expected: str  # clean accuracy known from elsewhere
    logits: int = 1000  # inputs whose outputs are stored
    batch: int = 50
    mean: float | None = None
    std: float | None = None
    label_offset: int = 0


CASES = [
    Case("onn_qat_mlp_mnist", "mnist_test.h5", "98.94 %"),
    Case("resnet20_cifar10", "cifar10_test1000.h5", "91.5 %"),
    Case("resnet56_cifar10", "cifar10_test1000.h5", "92.6 %"),
    Case(
        "mobilenet_v2_1.0_224_imagenet",
        "nips2017_dev_a500.h5",
        "84.4 % of all 1000 images, of which the file holds 500",
        logits=100,
        batch=10,
    ),
    Case(
        "efficientnet_lite0_imagenet",
        "nips2017_dev_a500.h5",
        "91.2 %",
        logits=100,
        batch=10,
        mean=127.0,
        std=128.0,
        label_offset=-1,
    ),
    Case("tiny_sentiment_sst2", "sst2_dev.h5", "711 of 872", batch=1),
    Case("minilm6_sst2", "sst2_minilm_dev.h5", "786 of 872", batch=8),
    Case("fashion_cnn", "t10k", "see its training log"),
]


@dataclass
class Inputs:
    raw: np.ndarray
    labels: np.ndarray
    others: dict[str, np.ndarray]  # further data sets of one entry a sample, such as a mask
    scale: float
    mean: np.ndarray
    std: np.ndarray
    files: list[Path]

    def batch(self, start: int, stop: int) -> np.ndarray:
        """(raw * scale - mean) / std with mean and std along axis 1, computed in float64."""
        raw = self.raw[start:stop]
        shape = (1, -1) + (1,) * (raw.ndim - 2)
        return (raw * self.scale - self.mean.reshape(shape)) / self.std.reshape(shape)


def sha256(files: list[Path]) -> str:
    """Of the file; of several: of their bytes, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def read_idx(path: Path) -> np.ndarray:
    """An array of unsigned bytes from a gzipped IDX file (big-endian header, then the data)."""
    import numpy as np

    with gzip.open(path, "rb") as file:
        _, kind, rank = struct.unpack(">HBB", file.read(4))
        if kind != 0x08:
            sys.exit(f"error: {path} is not an IDX file of unsigned bytes")
        shape = struct.unpack(f">{rank}I", file.read(4 * rank))
        return np.frombuffer(file.read(), dtype=np.uint8).reshape(shape)


def load_inputs(case: Case, data: Path, idx: Path, metadata: dict[str, str]) -> Inputs:
    import h5py
    import numpy as np

    if not case.dataset.endswith(".h5"):
        files = [idx / f"{case.dataset}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
        images, labels = (read_idx(file) for file in files)
        mean, std = (np.array([float(metadata[key])]) for key in ("mean", "std"))
        return Inputs(images[:, None], labels.astype(int), {}, 1 / 255, mean, std, files)

    path = data / "datasets" / case.dataset
    with h5py.File(path) as file:
        stored = file["inputs"].attrs
        mean = np.asarray(stored["mean"] if case.mean is None else [case.mean], dtype=np.float64)
        std = np.asarray(stored["std"] if case.std is None else [case.std], dtype=np.float64)
        others = {
            name: file[name][...]
            for name in file
            if name not in ("inputs", "labels") and len(file[name]) == len(file["inputs"])
        }
        labels = file["labels"][...].astype(int) + case.label_offset
        scale = float(stored["scale"])
        return Inputs(file["inputs"][...], labels, others, scale, mean, std, [path])


def run(case: Case, model: Path, data: Path, idx: Path, threads: int, out: Path) -> None:
    import h5py
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Basic: constant folding and removal of what has no effect, no fusion across operators.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    inputs = load_inputs(case, data, idx, session.get_modelmeta().custom_metadata_map)
    types = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    first, *free = session.get_inputs()

    outputs = []
    for start in range(0, len(inputs.raw), case.batch):
        stop = min(start + case.batch, len(inputs.raw))
        feed = {first.name: inputs.batch(start, stop).astype(types[first.type])}
        for argument in free:
            feed[argument.name] = inputs.others[argument.name][start:stop].astype(
                types[argument.type]
            )
        outputs.append(session.run(None, feed)[0])
    logits = np.concatenate(outputs)
    argmax = logits.argmax(1).astype(np.int16)
    right = int((argmax == inputs.labels).sum())

    # An input whose two best classes are this close may be decided by rounding.
    best = np.sort(logits, axis=1)[:, -2:]
    margin = float((best[:, 1] - best[:, 0]).min() / np.abs(logits).max())

    out.mkdir(parents=True, exist_ok=True)
    with h5py.File(out / f"{case.model}.h5", "w") as file:
        packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        file.create_dataset("argmax", data=argmax, track_times=False, **packed)
        file.create_dataset("logits", data=logits[: case.logits], track_times=False, **packed)
        file.attrs.update(
            {
                "runtime": "ONNX Runtime, CPU, float32, graph optimisation level basic",
                "version": ort.__version__,
                "command": f"tools/dev/reference_logits.py --only {case.model}",
                "model_sha256": sha256([model]),
                "data_sha256": sha256(inputs.files),
                "data_files": ", ".join(path.name for path in inputs.files),
                "scale": inputs.scale,
                "mean": inputs.mean,
                "std": inputs.std,
                "label_offset": case.label_offset,
                "correct": right,
                "max_abs_logit": float(np.abs(logits).max()),
                "smallest_relative_margin": margin,
            }
        )
    print(
        f"{case.model:30s} {right:5d} of {len(argmax):5d} = {100 * right / len(argmax):6.2f} %  "
        f"(expected {case.expected})  max |logit| {np.abs(logits).max():8.4f}  "
        f"smallest margin {margin:.1e} of it  {(out / (case.model + '.h5')).stat().st_size} bytes",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = os.environ.get("ATTOJOULE_DATA")
    parser.add_argument(
        "--data",
        type=Path,
        default=default,
        required=default is None,
        help="folder with models/ and datasets/ (default: $ATTOJOULE_DATA)",
    )
    parser.add_argument(
        "--idx",
        type=Path,
        default=Path("/usr/share/datasets/fashion-mnist"),
        help="folder of the Fashion-MNIST idx files (default: Debian's dataset-fashion-mnist)",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "tests/golden/logits")
    parser.add_argument("--only", action="append", metavar="MODEL", help="repeatable; default all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--venv", type=Path, help="make this virtual environment and use it")
    args = parser.parse_args()

    if args.venv:
        python = args.venv / "bin/python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(args.venv)], check=True)
            packages = ["onnxruntime", "numpy", "h5py"]
            subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        at = sys.argv.index("--venv") if "--venv" in sys.argv else -1
        if at < 0:
            sys.exit("error: write --venv DIR as two words")
        rest = sys.argv[1:at] + sys.argv[at + 2 :]
        os.execv(python, [str(python), __file__, *rest])

    known = [case.model for case in CASES]
    for name in args.only or []:
        if name not in known:
            sys.exit(f"error: no case for model {name!r}; known: {', '.join(known)}")
    for case in CASES:
        if args.only and case.model not in args.only:
            continue
        places = [args.data / "models", ROOT / "data/models"]
        model = next((p for d in places if (p := d / f"{case.model}.onnx").exists()), None)
        if model is None:
            print(f"{case.model:30s} skipped: no {case.model}.onnx in {places[0]}", file=sys.stderr)
            continue
        run(case, model, args.data, args.idx, args.threads, args.out)


if __name__ == "__main__":
    main()
