#!/usr/bin/env python3
"""`attojoule learn` killed with SIGKILL and started again gives what an uninterrupted run gives.

usage: learn_resume_test.py ATTOJOULE
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import h5py
import numpy as np

PROGRAM = sys.argv.pop(1)
SETTINGS = [
    "learn.method=gradient",
    "learn.granularity=layer",
    "learn.steps=500",
    "learn.rounds=1",
    "learn.learning_images=1000",
    "learn.search_images=300",
    "evaluation.images=200",
    "evaluation.seeds=2",
]


def command(out: Path) -> list[str]:
    arguments = [PROGRAM, "learn", "--json", "--threads", "2", "--out", str(out)]
    for setting in SETTINGS:
        arguments += ["--set", setting]
    return arguments


def finish(out: Path) -> tuple[dict, str]:
    done = subprocess.run(command(out), capture_output=True, text=True, timeout=1500, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout), done.stderr


def kill_after_checkpoint(out: Path, checkpoint: Path) -> bool:
    """Starts the run, or goes on with it, and kills it once it has saved; False if it ended first."""
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while process.poll() is None:
        if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return checkpoint.exists()
        if time.monotonic() > deadline:
            process.kill()
            raise AssertionError("no checkpoint within ten minutes")
        time.sleep(0.02)
    return False


class Resume(unittest.TestCase):
    def test_killed_and_resumed_equals_uninterrupted(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            whole_file, killed_file = Path(folder) / "whole.h5", Path(folder) / "killed.h5"
            whole, _ = finish(whole_file)
            checkpoint = Path(f"{killed_file}.checkpoint")
            # In the search for uniform energies, while learning, in the search after it ...
            kills = 0
            while kills < 4 and kill_after_checkpoint(killed_file, checkpoint):
                kills += 1
            self.assertGreater(kills, 0, "it ended before it was killed: nothing was tested")
            self.assertFalse(killed_file.exists())
            resumed, messages = finish(killed_file)
            self.assertIn("Going on from", messages)
            self.assertEqual(resumed, whole)
            self.assertFalse(checkpoint.exists())
            with h5py.File(whole_file) as a, h5py.File(killed_file) as b:
                compared = []

                def same(name: str, item: object) -> None:
                    if isinstance(item, h5py.Dataset):
                        np.testing.assert_array_equal(item[()], b[name][()], name)
                        compared.append(name)

                a.visititems(same)
                self.assertIn("learn/history/loss", compared)


if __name__ == "__main__":
    unittest.main()
