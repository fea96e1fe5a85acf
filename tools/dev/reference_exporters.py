#!/usr/bin/env python3
"""Writes small networks as exporters write them, with another runtime's outputs (tests/golden/exporters.h5).

The same few architectures (a residual CNN, a mobile block with squeeze and excitation, a depthwise
NHWC network, a transformer encoder, …) with random weights go through an exporter:
  torch-script   torch.onnx.export of PyTorch, the tracing exporter, opsets 9, 11, 13 and 17
  dynamo         torch.onnx.export(dynamo=True) of PyTorch 2.5 and later
  tf2onnx        tf2onnx of TensorFlow's Keras, opsets 13 and 17
  quantised      quantize_static of ONNX Runtime on the torch-script models: QuantizeLinear pairs
A group "EXPORTER/NAME" becomes one case, in the format of tools/dev/reference_operators.py; cases of
exporters that are not asked for stay in the file. None of these is needed to build or test the project.

Run it with the interpreter of a virtual environment that holds the exporter:
  torch, onnx, onnxscript, onnxruntime, h5py   for torch-script, dynamo, quantised
  tensorflow-cpu, tf2onnx, onnxruntime, h5py   for tf2onnx

Example: VENV/bin/python tools/dev/reference_exporters.py torch-script dynamo quantised
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SEED = 5


class Case:
    def __init__(self, name: str, model: bytes, inputs: list[np.ndarray]) -> None:
        self.name = name
        self.model = model
        self.inputs = inputs


def torch_networks() -> dict[str, tuple[Any, list[Any]]]:
    """Name -> (module in evaluation mode, example inputs of batch 1)."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
            self.body = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1))
            self.pool = nn.MaxPool2d(3, 2, 1)
            self.head = nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.pool(self.stem(x))
            x = torch.relu(x + self.body(x))
            return self.head(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))

    class Mobile(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.expand = nn.Sequential(nn.Conv2d(3, 12, 1), nn.BatchNorm2d(12), nn.Hardswish())
            self.depthwise = nn.Sequential(nn.Conv2d(12, 12, 5, 2, 2, groups=12), nn.BatchNorm2d(12), nn.ReLU6())
            self.squeeze = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(12, 4, 1), nn.SiLU(), nn.Conv2d(4, 12, 1), nn.Hardsigmoid()
            )
            self.project = nn.Conv2d(12, 6, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.depthwise(self.expand(x))
            return self.project(x * self.squeeze(x)).mean(dim=(2, 3))

    class Shuffle(nn.Module):
        """Grouped, dilated and transposed convolutions, channel shuffle by reshapes, concatenation."""

        def __init__(self) -> None:
            super().__init__()
            self.grouped = nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2)
            self.up = nn.ConvTranspose2d(8, 4, 2, 2)
            self.act = nn.PReLU(8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.act(self.grouped(x))
            n, c, h, w = y.shape
            y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
            up = self.up(y)
            near = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            a, b = torch.cat([up, near], dim=1).chunk(2, dim=1)
            return torch.sigmoid(a) * torch.tanh(b)

    class Attention(nn.Module):
        """One encoder block written out, with embedding and mask as BERT has them."""

        def __init__(self, pre_norm: bool) -> None:
            super().__init__()
            self.pre_norm = pre_norm
            self.words = nn.Embedding(30, 16)
            self.places = nn.Parameter(torch.randn(1, 12, 16) * 0.3)
            self.qkv = nn.Linear(16, 48)
            self.out = nn.Linear(16, 16)
            self.first, self.second = nn.LayerNorm(16), nn.LayerNorm(16)
            self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)
            self.head = nn.Linear(16, 2)

        def attend(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
            n, t, _ = x.shape
            q, k, v = self.qkv(x).view(n, t, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
            scores = torch.matmul(q, k.transpose(-1, -2)) / 2.0 + bias
            mixed = torch.matmul(torch.softmax(scores, dim=-1), v)
            return self.out(mixed.transpose(1, 2).reshape(n, t, 16))

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            x = self.words(ids) + self.places[:, : ids.shape[1]]
            bias = (1.0 - mask)[:, None, None, :] * -1e4
            if self.pre_norm:
                x = x + self.attend(self.first(x), bias)
                x = x + self.down(nn.functional.gelu(self.up(self.second(x))))
            else:
                x = self.first(x + self.attend(x, bias))
                x = self.second(x + self.down(nn.functional.gelu(self.up(x), approximate="tanh")))
            return self.head((x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True))

    class Scaled(nn.Module):
        """scaled_dot_product_attention and einsum, as newer code has them."""

        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 12)
            self.norm = nn.GroupNorm(3, 12)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            n, t, _ = x.shape
            split = [f(x).view(n, t, 3, 4).transpose(1, 2) for f in (self.q, self.k, self.v)]
            y = nn.functional.scaled_dot_product_attention(*split).transpose(1, 2).reshape(n, t, 12)
            y = self.norm(y.transpose(1, 2)).transpose(1, 2)
            return torch.einsum("btc,bsc->bts", y, x)

    torch.manual_seed(SEED)
    image = torch.randn(1, 3, 14, 14)
    ids = torch.randint(0, 30, (1, 9))
    mask = torch.ones(1, 9)
    mask[:, 7:] = 0
    networks = {
        "residual CNN": (Residual(), [image]),
        "mobile block": (Mobile(), [image]),
        "grouped, dilated, transposed": (Shuffle(), [torch.randn(1, 4, 7, 7)]),
        "encoder, pre-norm": (Attention(True), [ids, mask]),
        "encoder, post-norm": (Attention(False), [ids, mask]),
        "scaled attention": (Scaled(), [torch.randn(1, 6, 12)]),
    }
    for module, _ in networks.values():
        for part in module.modules():  # statistics and affine parts that a fold must get right
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.running_mean, -0.5, 0.5)
                nn.init.uniform_(part.running_var, 0.5, 2)
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.uniform_(part.bias, -0.5, 0.5)
        module.eval()
    return networks


def input_names(count: int) -> list[str]:
    return ["input"] if count == 1 else [f"input_{k}" for k in range(count)]


def torch_script() -> list[Case]:
    import torch

    cases = []
    for opset in (9, 11, 13, 17):
        for name, (module, inputs) in torch_networks().items():
            if opset < 14 and name == "scaled attention":
                continue  # the exporter has no rule for it there
            names = input_names(len(inputs))
            buffer = io.BytesIO()
            torch.onnx.export(
                module,
                tuple(inputs),
                buffer,
                opset_version=opset,
                input_names=names,
                output_names=["output"],
                dynamic_axes={n: {0: "batch"} for n in [*names, "output"]} if opset >= 11 else None,
                dynamo=False,
            )
            cases.append(Case(f"{name}, opset {opset}", buffer.getvalue(), [i.numpy() for i in inputs]))
    return cases


def dynamo() -> list[Case]:
    import torch

    cases = []
    for name, (module, inputs) in torch_networks().items():
        for batch in ("fixed", "dynamic"):
            shapes = None
            if batch == "dynamic":
                if name != "residual CNN" and name != "encoder, post-norm":
                    continue
                shapes = tuple({0: torch.export.Dim("batch")} for _ in inputs)
            # An example of batch 1 would be taken for a constant.
            example = [torch.cat([i, i]) for i in inputs] if shapes else inputs
            program = torch.onnx.export(module, tuple(example), dynamo=True, dynamic_shapes=shapes)
            program.optimize()
            text = program.model_proto.SerializeToString()
            cases.append(Case(f"{name}, {batch} batch", text, [i.numpy() for i in inputs]))
    return cases


def quantised() -> list[Case]:
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self, name: str, example: np.ndarray) -> None:
            rng = np.random.default_rng(SEED)
            batches = [rng.standard_normal(example.shape).astype(np.float32) for _ in range(4)]
            self.left = [{name: batch} for batch in batches]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self.left.pop() if self.left else None

    cases = []
    for case in torch_script():
        if len(case.inputs) != 1 or "opset 13" not in case.name or "transposed" in case.name:
            continue
        for per_channel in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                source, target = Path(folder) / "float.onnx", Path(folder) / "quantised.onnx"
                source.write_bytes(case.model)
                quantize_static(
                    source,
                    target,
                    Reader("input", case.inputs[0]),
                    quant_format=QuantFormat.QDQ,
                    per_channel=per_channel,
                    weight_type=QuantType.QInt8,
                    activation_type=QuantType.QUInt8,
                )
                way = "per channel" if per_channel else "per tensor"
                cases.append(Case(f"{case.name}, {way}", target.read_bytes(), case.inputs))
    return cases


def tensorflow() -> list[Case]:
    import numpy as np
    import tensorflow as tf
    import tf2onnx

    keras = tf.keras
    layers = keras.layers
    keras.utils.set_random_seed(SEED)

    def depthwise() -> Any:
        image = keras.Input((13, 13, 3))
        x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)  # pads unevenly
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        y = layers.DepthwiseConv2D(3, padding="same")(x)
        y = layers.Conv2D(8, 1)(layers.ReLU(6.0)(layers.BatchNormalization()(y)))
        x = layers.Add()([x, y])
        x = layers.AveragePooling2D(2, padding="same")(x)
        return keras.Model(image, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x)))

    def swish() -> Any:
        image = keras.Input((12, 12, 4))
        x = layers.ZeroPadding2D(((0, 1), (0, 1)))(image)
        x = layers.Conv2D(8, 3, strides=2, activation="swish")(x)
        gate = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
        gate = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="swish")(gate))
        x = layers.Multiply()([x, gate])
        x = layers.UpSampling2D(2)(layers.LeakyReLU(0.1)(x))
        x = layers.Conv2DTranspose(3, 3, strides=2, padding="same")(x)
        return keras.Model(image, layers.Flatten()(layers.MaxPooling2D(3, 2, padding="same")(x)))

    def attention() -> Any:
        tokens = keras.Input((7, 12))
        x = layers.LayerNormalization(epsilon=1e-6)(tokens)
        x = layers.Add()([tokens, layers.MultiHeadAttention(3, 4)(x, x)])
        y = layers.Dense(24, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
        x = layers.Add()([x, layers.Dense(12)(y)])
        return keras.Model(tokens, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))

    rng = np.random.default_rng(SEED)
    cases = []
    for name, make in (("depthwise", depthwise), ("swish and gates", swish), ("encoder", attention)):
        for opset in (13, 17):
            model = make()
            shape = (1, *model.input_shape[1:])
            signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="input")]
            proto, _ = tf2onnx.convert.from_keras(model, input_signature=signature, opset=opset)
            inputs = [rng.standard_normal(shape).astype(np.float32)]
            cases.append(Case(f"{name}, opset {opset}", proto.SerializeToString(), inputs))
    return cases


EXPORTERS: dict[str, Callable[[], list[Case]]] = {
    "torch-script": torch_script,
    "dynamo": dynamo,
    "tf2onnx": tensorflow,
    "quantised": quantised,
}


def store(exporter: str, cases: list[Case], out: Path) -> None:
    import h5py
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    with h5py.File(out, "a", libver=("v108", "v108")) as file:
        file.attrs["runtime"] = "ONNX Runtime, CPU, float32, no graph optimisation"
        for name in [name for name in file if name.startswith(exporter)]:
            del file[name]
        for number, case in enumerate(cases):
            session = ort.InferenceSession(case.model, options, providers=["CPUExecutionProvider"])
            feed = {info.name: value for info, value in zip(session.get_inputs(), case.inputs)}
            if len(feed) != len(case.inputs):
                raise SystemExit(f"{exporter}: {case.name}: {len(case.inputs)} inputs, the graph has {len(feed)}")
            result = session.run(None, feed)[0]
            group = file.create_group(f"{exporter}-{number:02d}")
            group.attrs["what"] = f"{exporter}: {case.name}"
            packed = {"compression": "gzip", "compression_opts": 9, "track_times": False}
            group.create_dataset("model", data=np.frombuffer(case.model, np.uint8), **packed)
            for k, value in enumerate(case.inputs):
                group.create_dataset(f"input{k}", data=value.astype(np.float32), track_times=False)
            group.create_dataset("output", data=result.astype(np.float32), track_times=False)
    print(f"{exporter}: {len(cases)} cases")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exporter", nargs="+", choices=sorted(EXPORTERS))
    parser.add_argument("--out", type=Path, default=ROOT / "tests/golden/exporters.h5")
    args = parser.parse_args()
    for exporter in args.exporter:
        store(exporter, EXPORTERS[exporter](), args.out)


if __name__ == "__main__":
    main()
