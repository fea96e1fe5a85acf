#!/usr/bin/env python3
"""The scripts of tools/dev fail where they must (that they pass is seen by running them)."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEV = ROOT / "tools" / "dev"


def run(*command, **environment):
    kept = {name: value for name, value in os.environ.items()
            if name not in ("ATTOJOULE_DATA", "ATTOJOULE_REQUIRE_DATA")}
    return subprocess.run([str(word) for word in command], env=kept | environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


class ReadmeCommands(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name)
        self.program = self.directory / "program"
        self.program.write_text("#!/bin/sh\necho the program ran: \"$@\"\n")
        self.program.chmod(0o755)

    def commands(self, text, *options, **environment):
        readme = self.directory / "README.md"
        readme.write_text(text)
        return run(sys.executable, DEV / "readme_commands.py", "--readme", readme, "--program",
                   self.program, *options, **environment)

    def test_runs_blocks_in_one_scratch_directory(self):
        result = self.commands("```sh run\nbuild/release/attojoule info > result\n```\n"
                               "```sh run\ntest -f CMakeLists.txt\ncat result\n```\n")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("the program ran: info", result.stdout)
        self.assertFalse((ROOT / "result").exists())

    def test_fails_where_any_command_of_a_block_fails(self):
        result = self.commands("```sh run\nfalse\ntrue\n```\n")
        self.assertEqual(result.returncode, 1)
        result = self.commands("```sh run\nfalse | true\n```\n")
        self.assertEqual(result.returncode, 1)

    def test_refuses_a_block_without_a_tag(self):
        for tag in ("", "not-run", "runs", "run fast"):
            result = self.commands(f"```sh run\ntrue\n```\n```sh {tag}\ntrue\n```\n")
            self.assertEqual(result.returncode, 1, tag)
            self.assertIn("README.md:4", result.stdout)

    def test_leaves_other_blocks_alone(self):
        result = self.commands("```yaml\nfalse\n```\n```sh not-run takes root\nfalse\n```\n"
                               "```sh run\ntrue\n```\n```sh run slow\nfalse\n```\n")
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_slow_blocks_run_on_request(self):
        text = "```sh run slow\nexit 3\n```\n"
        self.assertEqual(self.commands(text, "--slow").returncode, 1)

    def test_a_block_without_its_data_is_a_skip_or_where_required_a_failure(self):
        text = "```sh run data\ntrue\n```\n"
        self.assertEqual(self.commands(text).returncode, 77)
        self.assertEqual(self.commands(text, ATTOJOULE_REQUIRE_DATA="1").returncode, 1)
        self.assertEqual(self.commands(text, ATTOJOULE_DATA=str(self.directory)).returncode, 0)

    def test_a_readme_without_commands_is_a_failure(self):
        self.assertEqual(self.commands("nothing\n").returncode, 1)


class LayersAndLint(unittest.TestCase):
    def test_plain_runs_over_the_samples_fail(self):
        for script, sample in (("check_layers.py", "layer_sample"), ("lint.py", "lint_sample")):
            result = run(sys.executable, DEV / script, "--root", ROOT / "tests" / "dev" / sample)
            self.assertEqual(result.returncode, 1, result.stdout)

    def test_an_empty_tree_is_a_failure(self):
        with tempfile.TemporaryDirectory() as empty:
            for script in ("check_layers.py", "lint.py"):
                result = run(sys.executable, DEV / script, "--root", empty)
                self.assertEqual(result.returncode, 1, result.stdout)


class CliReference(unittest.TestCase):
    def test_another_text_is_a_failure(self):
        with tempfile.TemporaryDirectory() as scratch:
            program = pathlib.Path(scratch) / "program"
            program.write_text("#!/bin/sh\necho no reference ever says this\n")
            program.chmod(0o755)
            result = run(DEV / "cli_reference.sh", "--check", program)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("--update", result.stdout)


class Packages(unittest.TestCase):
    def test_lists_are_sorted_out(self):
        seen = {}
        for group in ("build", "test"):
            for line in (DEV / f"packages-{group}.txt").read_text().splitlines():
                name = line.split("#")[0].strip()
                if name:
                    self.assertRegex(name, r"^[a-z0-9][a-z0-9.+-]+$")
                    self.assertNotIn(name, seen, f"{name} is listed twice")
                    seen[name] = group
        self.assertGreater(len(seen), 10)

    def test_every_package_that_cmake_looks_for_is_there(self):
        provider = {"fmt": "libfmt-dev", "Boost": "libboost-dev", "hwy": "libhwy-dev", "Eigen3": "libeigen3-dev",
                    "HDF5": "libhdf5-dev", "yaml-cpp": "libyaml-cpp-dev", "ZLIB": "zlib1g-dev",
                    "OpenSSL": "libssl-dev", "nlohmann_json": "nlohmann-json3-dev", "CLI11": "libcli11-dev",
                    "ONNX": "libonnx-dev", "Protobuf": "libprotobuf-dev", "dnnl": "libdnnl-dev",
                    "Threads": "g++", "OpenMP": "g++"}
        build = (DEV / "packages-build.txt").read_text().split()
        for name in re.findall(r"^find_package\(([\w-]+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE):
            self.assertIn(provider.get(name, f"(no package known for {name})"), build)

    def test_an_unknown_group_is_a_usage_error(self):
        self.assertEqual(run(DEV / "install_packages.sh", "everything").returncode, 2)


if __name__ == "__main__":
    unittest.main()
