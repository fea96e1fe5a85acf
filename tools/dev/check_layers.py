#!/usr/bin/env python3
"""Layer check: who may include whom.

Reads the #include lines of every C++ file of the product's folders and compares them with the table
below (reasons: DEVELOPING.md). Also refuses includes that are not written from the root, includes of
tests by the product, cycles between headers, and outside libraries in folders that must not know
what they stand for.

    tools/dev/check_layers.py [--root DIR]     exit code 1 and one line per violation
    tools/dev/check_layers.py --self-test DIR  DIR holds a tree whose wrong lines end in
                                               "// wrong: RULE…"; exactly these must be reported
"""

import argparse
import pathlib
import re
import sys

# Folder -> folders that it may include.
MAY_INCLUDE = {
    "photonics": {"photonics"},
    "data": {"data", "photonics"},
    "network": {"network", "photonics"},
    "calibration": {"calibration", "data", "photonics"},
    "tools": {"tools", "calibration", "network", "data", "photonics"},
    "tests": {"tests", "tools", "calibration", "network", "data", "photonics"},
}

# What a folder must not know -> the headers that would let it.
SUBJECTS = {
    "files": r"fstream|filesystem|hdf5(_hl)?\.h|H5\w*\.h|yaml-cpp/.*|zlib\.h|unistd\.h",
    "the command line": r"CLI/.*|getopt\.h|boost/program_options.*",
    "the terminal": r"iostream|termios\.h|sys/ioctl\.h",
    "neural networks": r"onnx/.*|(oneapi/dnnl/)?dnnl.*|google/protobuf/.*",
}
MUST_NOT_KNOW = {
    "photonics": ["files", "the command line", "the terminal", "neural networks"],
    "data": ["the command line", "the terminal"],
    "network": ["files", "the command line", "the terminal"],
    "calibration": ["the command line", "the terminal", "neural networks"],
    "tools": [],
    "tests": [],
}

# Headers that only one file of the product may include, so that the library can be replaced there.
ONE_FILE_ONLY = {"fftw3.h": "FFTW (its licence is GPL)"}

SUFFIXES = {".hpp", ".cpp", ".h", ".cc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SAMPLE_PARTS = ("tests", "dev")  # samples of violations live below tests/dev


def includes(file):
    """(line number, quoted?, path, whole line) of every include."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1) == '"', found.group(2), line


def source_files(root):
    for folder in MAY_INCLUDE:
        for file in sorted((root / folder).rglob("*")):
            relative = file.relative_to(root)
            if file.suffix in SUFFIXES and relative.parts[:2] != SAMPLE_PARTS:
                yield folder, file, relative.as_posix()


def include_cycles(graph):
    """Cycles of a graph {header: {line: header}}, each as a list of headers, once."""
    cycles, state = [], {}

    def visit(header, path):
        state[header] = "open"
        for target in graph.get(header, {}).values():
            if state.get(target) == "open":
                cycles.append(path[path.index(target):] + [target])
            elif target in graph and target not in state:
                visit(target, path + [target])
        state[header] = "done"

    for header in sorted(graph):
        if header not in state:
            visit(header, [header])
    return cycles


def check(root):
    """Violations as (file, line number, rule, message)."""
    found = []
    headers = {}  # header -> {line: included header}
    users = {header: [] for header in ONE_FILE_ONLY}
    for folder, file, name in source_files(root):
        headers.setdefault(name, {})
        for number, quoted, path, _ in includes(file):
            def report(rule, message):
                found.append((name, number, rule, message))

            target = path.split("/")[0]
            if "/" in path and target in MAY_INCLUDE:
                headers[name][number] = path
                if target not in MAY_INCLUDE[folder]:
                    allowed = ", ".join(sorted(MAY_INCLUDE[folder]))
                    report("layer", f"{folder}/ must not include {path} (it may include: {allowed})")
                if not quoted:
                    report("quotes", f'a header of the project is included with quotes: "{path}"')
                continue
            if quoted and ("/" not in path or path.startswith(".")):
                report("root", f'"{path}" is not written from the root of the tree (write "{folder}/…")')
                continue
            for subject in MUST_NOT_KNOW[folder]:
                if re.fullmatch(SUBJECTS[subject], path):
                    report("subject", f"{folder}/ must not know {subject}, so not include {path}")
            if path in ONE_FILE_ONLY and folder != "tests":
                users[path].append((name, number))
    for header, places in users.items():
        for name, number in places:
            if name != places[0][0]:
                found.append((name, number, "one-file", f"{ONE_FILE_ONLY[header]} stays behind one "
                              f"file: {places[0][0]} includes {header} already"))
    for cycle in include_cycles(headers):
        closing, first = cycle[-2], cycle[-1]
        number = next(line for line, target in headers[closing].items() if target == first)
        found.append((closing, number, "cycle", "headers include each other: " + " -> ".join(cycle)))
    return sorted(found)


def self_test(root):
    expected = set()
    for _, file, name in source_files(root):
        for number, _, _, line in includes(file):
            mark = re.search(r"// wrong: (.+)", line)
            for rule in mark.group(1).split() if mark else []:
                expected.add((name, number, rule))
    reported = {violation[:3] for violation in check(root)}
    rules = {"layer", "quotes", "root", "subject", "one-file", "cycle"}
    untried = rules - {rule for _, _, rule in expected}
    for name, number, rule in sorted(expected - reported):
        print(f"self-test: {name}:{number}: should have been reported as {rule}")
    for name, number, rule in sorted(reported - expected):
        print(f"self-test: {name}:{number}: wrongly reported as {rule}")
    for rule in sorted(untried):
        print(f"self-test: the sample has no line for the rule {rule}")
    failed = expected != reported or untried
    print(f"self-test: {len(expected)} wrong includes in {root}, {len(expected & reported)} found")
    return 1 if failed else 0


def main():
    here = pathlib.Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=here.parents[2], metavar="DIR")
    parser.add_argument("--self-test", type=pathlib.Path, metavar="DIR")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test(arguments.self_test)
    violations = check(arguments.root)
    for name, number, rule, message in violations:
        print(f"{name}:{number}: {message} [{rule}]")
    count = sum(1 for _ in source_files(arguments.root))
    if count == 0:
        print(f"layer check: no source file under {arguments.root}")
        return 1
    print(f"layer check: {count} files, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
