# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of `attojoule learn` as rows of a table: each into OUT/ROW.h5 and OUT/ROW.json."""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("ATTOJOULE_PROGRAM", ROOT / "build/release/attojoule"))


def chosen_rows(usage: str, rows: list[str]) -> tuple[Path, list[str]]:
    """OUT of the command line, made, and the rows that it asks for (all, if it names none).

    Prints and ends the program for --help, for --list and for the beginning of no row.
    """
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(usage)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    if "--list" in sys.argv:
        print("\n".join(rows))
        sys.exit(0)
    out, wanted = Path(sys.argv[1]), tuple(sys.argv[2:])
    chosen = [row for row in rows if row.startswith(wanted)] if wanted else rows
    if not chosen:
        sys.exit(f"no such row: {' '.join(wanted)}. --list shows them")
    out.mkdir(parents=True, exist_ok=True)
    return out, chosen


def processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(row: str, words: list[str], out: Path, names: dict[str, str]) -> None:
    """Runs `attojoule learn WORDS --out OUT/ROW.h5` unless OUT/ROW.json is there.

    A run that was interrupted goes on. The JSON holds the result, the command (with `names` put in
    for parts of it, such as a directory's variable) and the processor time in seconds.
    """
    if (out / f"{row}.json").exists():
        return
    words = ["learn", "--json", *words, "--out", str(out / f"{row}.h5")]
    before = processor_seconds()
    done = subprocess.run([str(PROGRAM), *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{row}: {done.stderr.strip()}", file=sys.stderr)
        (out / f"{row}.error").write_text(done.stderr)
        return
    result = json.loads(done.stdout)
    command = shlex.join(["attojoule", *words])
    for part, name in {**names, f"{out}/": ""}.items():
        command = command.replace(part, name)
    result["command"] = command
    result["processor_seconds"] = processor_seconds() - before
    temporary = out / f"{row}.json.part"
    temporary.write_text(json.dumps(result, indent=1))
    temporary.rename(out / f"{row}.json")
    print(f"{row}: {result['learn']['mean_photons_per_mac']:.4g}", flush=True)


def read(row: str, out: Path) -> dict | None:
    file = out / f"{row}.json"
    return json.loads(file.read_text()) if file.exists() else None


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
