#!/usr/bin/env python3
"""House rules that a pattern can check, over every tracked file. See RULES for what and why.

    tools/dev/lint.py [--root DIR]      exit code 1 and one line per violation
    tools/dev/lint.py --self-test DIR   the files of DIR mark their wrong lines with "wrong: RULE…"
                                        (or name "wrong-file: RULE…" anywhere, for what is wrong with
                                        a whole file); exactly these must be reported
"""

import argparse
import ast
import dataclasses
import pathlib
import re
import subprocess
import sys

LIBRARIES = ("photonics", "data", "network", "calibration")
CXX = {".cpp", ".hpp"}
CODE = CXX | {".py", ".sh", ".cmake", ".json", ".yml"}
TEXT = CODE | {".md", ".yaml", ".txt"}


@dataclasses.dataclass(frozen=True)
class Rule:
    name: str
    pattern: str  # searched in every line
    why: str
    suffixes: frozenset  # of the files that it reads
    folders: tuple = ()  # only below these; () = everywhere
    but_not: tuple = ()  # path prefixes that are exempt
    in_comments: bool = False  # also in // and # comments


RULES = [
    Rule("leftover", r"\b(TODO|FIXME|XXX|HACK)\b",
         "finish it or file an issue: a note in the code is read by nobody", frozenset(TEXT),
         in_comments=True),
    Rule("native", r"-m(arch|tune)=native",
         "a binary must run on other machines: kernels choose their instruction set at run time",
         frozenset(CODE)),
    Rule("fast-math", r"-ffast-math|-Ofast|-funsafe-math|fast_math|optimize\(\"",
         "it breaks NaN checks and makes results depend on the compiler", frozenset(CODE)),
    Rule("randomness", r"std::\w+_distribution\b|\brandom_device\b|\bstd::s?rand\b|(?<![\w:.])s?rand\(",
         "its draws differ between libraries or runs: use photonics/random.hpp", frozenset(CXX),
         but_not=("tests/bench/",)),
    Rule("printing", r"std::(cout|cerr|clog)\b|(?<![\w])(std::)?f?printf\s*\(|\bfmt::print\b|\bputs\s*\(",
         "libraries never print: only tools/ talks to the terminal", frozenset(CXX), LIBRARIES),
    Rule("exiting", r"(?<![\w.>:])(std::)?(exit|_Exit|quick_exit|abort|terminate)\s*\(",
         "libraries never end the process: throw an error of photonics/error.hpp", frozenset(CXX),
         LIBRARIES),
    Rule("clock", r"system_clock|high_resolution_clock|(?<![\w.>])(std::)?time\s*\((nullptr|NULL|0)\)",
         "time must never change a result; data/ stamps files, tools/ measures durations",
         frozenset(CXX), ("photonics", "network", "calibration")),
    Rule("environment", r"\b(std::|secure_)?getenv\s*\(",
         "the environment must never change a result", frozenset(CXX), LIBRARIES),
    Rule("namespace", r"^\s*using\s+namespace\b", "a header must not open a namespace for its readers",
         frozenset({".hpp"})),
    Rule("disabled-test", r"\bDISABLED_\w|^\s*#\s*if\s+0\b",
         "a test or code that does not run rots: mend it or delete it", frozenset(CXX)),
    Rule("machine-path", r"(?<![\w./-])/(home|Users|root|work)/\w",
         "the path exists on one machine only", frozenset(TEXT), in_comments=True),
    Rule("white-space", r"[ \t]+$|\r|^ *\t", "trailing blanks, tabs and carriage returns hide in diffs",
         frozenset(TEXT), in_comments=True),
    Rule("lint-off", r"NOLINT(?!\w*\([\w., -]+\).*\S)",
         "name the check that is switched off, and why: // NOLINT(check): reason", frozenset(CXX),
         in_comments=True),
]
FILE_RULES = {
    "pragma-once": "a header starts with #pragma once (comments may stand before it)",
    "last-newline": "the last line ends with a newline",
    "python-syntax": "the file is not Python",
    "licence": "an SPDX line names a licence that COPYING is compatible with",
}
LICENCES = {"GPL-3.0-or-later", "MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "CC-BY-4.0",
            "CC-BY-SA-3.0", "LGPL-3.0-or-later", "CC0-1.0"}

# The lint names what it forbids, and its sample contains it. Laboratory files and logs are what
# they are.
EXEMPT = ("tools/dev/lint.py", "tests/dev/lint_sample/", "COPYING", "tests/data/files/")


def tracked_files(root):
    """Files that git tracks or would add; without git, every file outside build/ and out/."""
    try:
        listing = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others",
                                  "--exclude-standard"], check=True, capture_output=True).stdout
        names = [name for name in listing.decode().split("\0") if name]
        inside = [name for name in names if (root / name).is_file()]
    except (OSError, subprocess.CalledProcessError):
        inside = [file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()]
        inside = [name for name in inside if not name.startswith(("build/", "out/", ".git/"))]
    return sorted(set(inside))


def suffix_of(name):
    path = pathlib.PurePosixPath(name)
    if path.name == "CMakeLists.txt":
        return ".cmake"
    if str(path) == ".ci/run":
        return ".sh"
    return path.suffix


def without_comment(line, suffix):
    """The line without its // or # comment; strings are not parsed, which only ever hides less."""
    mark = "//" if suffix in CXX else "#" if suffix in {".py", ".sh", ".cmake", ".yml"} else None
    if mark is None:
        return line
    if line.lstrip().startswith(mark):
        return ""
    return re.split(r"\s" + mark, line, maxsplit=1)[0]


def check_file(name, text, self_test=False):
    """Violations of one file as (line number, rule, message). Line 0: the whole file."""
    suffix = suffix_of(name)
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        code = without_comment(line, suffix)
        for rule in RULES:
            if suffix not in rule.suffixes or name.startswith(rule.but_not or ("\0",)):
                continue
            if rule.folders and name.split("/")[0] not in rule.folders:
                continue
            if re.search(rule.pattern, line if rule.in_comments else code):
                found.append((number, rule.name, rule.why))

    def whole(rule):
        found.append((0, rule, FILE_RULES[rule]))

    if suffix in TEXT and text and not text.endswith("\n"):
        whole("last-newline")
    # A file that Highway compiles once per instruction set guards itself with HWY_TARGET_TOGGLE.
    if suffix == ".hpp" and not re.search(r"^#pragma once$|HWY_TARGET_TOGGLE", text, re.MULTILINE):
        whole("pragma-once")
    if suffix == ".py":
        try:
            ast.parse(text, name)
        except SyntaxError:
            whole("python-syntax")
    for licence in re.findall(r"SPDX-License-Identifier: *([\w.+-]+)", text):
        if licence not in LICENCES and not (name.endswith(".md") and licence == "..."):
            whole("licence")
    return found


def read(file):
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None  # not a text file


def check(root):
    count, violations = 0, []
    for name in tracked_files(root):
        if name.startswith(EXEMPT) or suffix_of(name) not in TEXT:
            continue
        text = read(root / name)
        if text is None:
            violations.append((name, 0, "text", "the file is not UTF-8"))
            continue
        count += 1
        violations += [(name, *violation) for violation in check_file(name, text)]
    return count, violations


def self_test(root):
    expected, reported = set(), set()
    for file in sorted(file for file in root.rglob("*") if file.is_file()):
        name = file.relative_to(root).as_posix()
        text = read(file)
        for number, line in enumerate(text.split("\n"), 1):
            for mark, place in (("wrong-file: ", 0), ("wrong: ", number)):
                if mark in line:
                    expected |= {(name, place, rule) for rule in line.split(mark)[1].split()}
        reported |= {(name, number, rule) for number, rule, _ in check_file(name, text)}
    known = {rule.name for rule in RULES} | set(FILE_RULES)
    untried = known - {rule for _, _, rule in expected}
    for name, number, rule in sorted(expected - reported):
        print(f"self-test: {name}:{number}: should have been reported as {rule}")
    for name, number, rule in sorted(reported - expected):
        print(f"self-test: {name}:{number}: wrongly reported as {rule}")
    for rule in sorted(untried):
        print(f"self-test: the sample has no line for the rule {rule}")
    print(f"self-test: {len(expected)} violations in {root}, {len(expected & reported)} found, "
          f"{len(known)} rules")
    return 1 if expected != reported or untried else 0


def main():
    here = pathlib.Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=here.parents[2], metavar="DIR")
    parser.add_argument("--self-test", type=pathlib.Path, metavar="DIR")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test(arguments.self_test)
    count, violations = check(arguments.root)
    for name, number, rule, why in violations:
        print(f"{name}:{number}: {why} [{rule}]")
    if count == 0:
        print(f"lint: no file to read under {arguments.root}")
        return 1
    print(f"lint: {count} files, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
