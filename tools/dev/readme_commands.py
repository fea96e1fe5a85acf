#!/usr/bin/env python3
"""Runs the commands of README.md as a reader would, one block after the other.

Every fenced sh block says in its info string what becomes of it:

    ```sh run             run in every check
    ```sh run slow        run only with --slow (and then only these)
    ```sh run data        needs the downloaded data sets: ATTOJOULE_DATA names their directory
    ```sh not-run REASON  not run, and why

The blocks run in a scratch directory that shows the checkout's files and folders (so paths from the
root work) and takes the files that the commands write. A block that fails ends the run.

    tools/dev/readme_commands.py [--slow] [--readme FILE] [--program FILE]
    tools/dev/readme_commands.py --list
"""

import argparse
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # ctest's SKIP_RETURN_CODE of these tests


@dataclasses.dataclass
class Block:
    line: int
    words: list
    text: str

    @property
    def runs(self):
        return self.words[:1] == ["run"]

    @property
    def slow(self):
        return "slow" in self.words

    @property
    def needs_data(self):
        return "data" in self.words


def blocks_of(readme):
    """The sh blocks, and what is wrong with their info strings."""
    blocks, problems = [], []
    fence = None
    for number, line in enumerate(readme.read_text(encoding="utf-8").splitlines(), 1):
        start = re.match(r"```(\w*) *(.*)", line)
        if fence is None and start:
            language, words = start.group(1), start.group(2).split()
            fence = Block(number, words, "") if language in ("sh", "bash", "shell", "console") else False
            if fence and not (fence.runs and set(words) <= {"run", "slow", "data"}) \
                    and not (words[:1] == ["not-run"] and len(words) > 1):
                problems.append(f"{readme.name}:{number}: an sh block is tagged \"run [slow] [data]\" "
                                "or \"not-run REASON\"")
        elif fence is not None and line.startswith("```"):
            if fence:
                blocks.append(fence)
            fence = None
        elif fence:
            fence.text += line + "\n"
    if fence is not None:
        problems.append(f"{readme.name}: a fence is not closed")
    return blocks, problems


def scratch_view(directory, program):
    """Shows the checkout in `directory` through links, without build/ and out/ of its own."""
    for entry in ROOT.iterdir():
        if entry.name not in ("build", "out", ".git"):
            (directory / entry.name).symlink_to(entry)
    build = directory / "build" / "release"
    build.mkdir(parents=True)
    (build / "attojoule").symlink_to(program)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--readme", type=pathlib.Path, default=ROOT / "README.md", metavar="FILE")
    parser.add_argument("--program", type=pathlib.Path, metavar="FILE",
                        default=ROOT / "build/release/attojoule")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()

    blocks, problems = blocks_of(arguments.readme)
    for problem in problems:
        print(problem)
    if problems:
        return 1
    if arguments.list:
        counted = sum(block.runs for block in blocks)
        print(f"{arguments.readme.name}: {len(blocks)} sh blocks, {counted} of them run in checks")
        return 0

    chosen = [block for block in blocks if block.runs and block.slow == arguments.slow]
    if not chosen:
        print(f"{arguments.readme.name} has no {'slow' if arguments.slow else 'quick'} block to run")
        return 0 if arguments.slow else 1
    if not arguments.program.exists():
        print(f"there is no program {arguments.program} (build it, or give --program)")
        return 1
    lacking = 0
    with tempfile.TemporaryDirectory(prefix="attojoule-readme-") as scratch:
        directory = pathlib.Path(scratch)
        scratch_view(directory, arguments.program.resolve())
        for block in chosen:
            place = f"{arguments.readme.name}:{block.line}"
            if block.needs_data and "ATTOJOULE_DATA" not in os.environ:
                if "ATTOJOULE_REQUIRE_DATA" in os.environ:
                    print(f"{place}: needs data sets, but ATTOJOULE_DATA is not set")
                    return 1
                print(f"{place}: left out (needs data sets; ATTOJOULE_DATA is not set)")
                lacking += 1
                continue
            print(f"--- {place}\n{block.text}", end="", flush=True)
            started = time.monotonic()
            ended = subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], cwd=directory,
                                   stdin=subprocess.DEVNULL, check=False)
            print(f"--- {place}: exit code {ended.returncode} after "
                  f"{time.monotonic() - started:.1f} s", flush=True)
            if ended.returncode != 0:
                return 1
    return SKIPPED if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
