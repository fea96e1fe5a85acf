"""What the plot scripts share: result files of `attojoule`, opened and checked, and figure output.

Errors end the script with a message on stderr and exit code 3 (bad input data), as in `attojoule`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NoReturn

import h5py
import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib.figure import Figure  # noqa: E402

FORMAT = "attojoule-result"
FORMAT_VERSION = 1
EXIT_BAD_DATA = 3

# Okabe and Ito's colours, told apart by all common kinds of colour vision; yellow is left out
# because a thin line of it is hard to see on white.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]
MARKERS = ["o", "s", "^", "D", "v", "P"]


def fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(EXIT_BAD_DATA)


def note(message: str) -> None:
    print(f"note: {message}", file=sys.stderr)


def text(value: object) -> str:
    """An HDF5 string, whether stored with fixed or variable length."""
    return value.decode() if isinstance(value, bytes) else str(value)


class ResultFile:
    """A result file whose format and major version are known; every read names what is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            fail(f"{path}: no such file")
        try:
            self.file = h5py.File(path, "r")
        except OSError:
            fail(f"{path} is not an HDF5 file. Give a result that 'attojoule run' wrote")
        attributes = self.file.attrs
        found = text(attributes.get("format", ""))
        if found != FORMAT:
            what = f"its format is {found!r}" if found else "it has no attribute 'format'"
            fail(f"{path} is not a result of attojoule ({what}, not {FORMAT!r})")
        version = text(attributes.get("format_version", ""))
        if version.split(".")[0] != str(FORMAT_VERSION):
            writer = text(attributes.get("program_version", "unknown"))
            fail(
                f"{path} has format version {version or 'unknown'}, written by attojoule {writer} "
                f"(this script reads version {FORMAT_VERSION}). Use that version's scripts"
            )

    def __contains__(self, name: str) -> bool:
        return name in self.file

    def dataset(self, name: str) -> h5py.Dataset:
        found = self.file.get(name)
        if not isinstance(found, h5py.Dataset):
            fail(f"{self.path} has no data set {name}")
        return found

    def numbers(self, name: str) -> np.ndarray:
        """A one-dimensional data set as float64."""
        data = self.dataset(name)
        if data.ndim != 1 or data.dtype.kind not in "iuf":
            fail(f"{self.path}: {name} is not a list of numbers (shape {data.shape}, {data.dtype})")
        return data[...].astype(np.float64)

    def strings(self, name: str) -> list[str]:
        data = self.dataset(name)
        if data.ndim != 1 or data.dtype.kind not in "SO":
            fail(f"{self.path}: {name} is not a list of strings (shape {data.shape}, {data.dtype})")
        return [text(value) for value in data[...]]

    def number(self, name: str) -> float:
        data = self.dataset(name)
        if data.size != 1 or data.dtype.kind not in "iuf":
            fail(f"{self.path}: {name} is not one number (shape {data.shape}, {data.dtype})")
        return float(np.ravel(data[...])[0])

    def same_length(self, names: list[str]) -> None:
        lengths = {name: len(self.dataset(name)) for name in names}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            fail(f"{self.path}: data sets of one group differ in length ({listed})")

    def law(self) -> str | None:
        """The noise law that the stored configuration names."""
        config = text(self.file.attrs.get("config", ""))
        found = re.search(r"^law\s*:\s*[\"']?([\w-]+)", config, re.MULTILINE)
        return found[1] if found else None


def add_output_options(parser: argparse.ArgumentParser) -> None:
    for kind in ("png", "pdf", "svg"):
        parser.add_argument(
            f"--{kind}", type=Path, metavar="FILE", help=f"write the plot as {kind}"
        )
    parser.add_argument("--title", help="above the plot (default: none)")


def check_output_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if not (args.png or args.pdf or args.svg):
        parser.error("nothing to write (no output was named). Give --png, --pdf or --svg FILE")


def set_style() -> None:
    matplotlib.rcParams.update(
        {
            "font.size": 10,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "svg.fonttype": "none",  # text stays text
            "svg.hashsalt": "attojoule",  # the same plot gives the same bytes
            "pdf.fonttype": 42,
        }
    )


def save(figure: Figure, args: argparse.Namespace) -> None:
    """Writes every file that was asked for, without a date, so that equal plots are equal files."""
    undated = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    for kind, metadata in undated.items():
        path = getattr(args, kind)
        if path:
            try:
                figure.savefig(path, format=kind, dpi=200, bbox_inches="tight", metadata=metadata)
            except OSError as error:
                print(f"error: cannot write {path} ({error.strerror})", file=sys.stderr)
                sys.exit(1)
