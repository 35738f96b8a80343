#!/usr/bin/env python3
"""What tests/check.sh and tests/tools/on_debian.sh say to wrong usage, before they do anything."""

import os
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOBODY = 65534


def run(script, *arguments):
    return subprocess.run([ROOT / script, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


class Scripts(unittest.TestCase):
    def assert_refused(self, script, arguments, *said):
        done = run(script, *arguments)
        self.assertEqual(done.returncode, 2, done.stdout)
        for text in said:
            self.assertIn(text, done.stdout)

    def test_help(self):
        for script in ("tests/check.sh", "tests/tools/on_debian.sh"):
            done = run(script, "--help")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertTrue(done.stdout.startswith(f"usage: {script}"), done.stdout)

    def test_check(self):
        self.assert_refused("tests/check.sh", ["--everything"], "unknown option --everything")
        self.assert_refused("tests/check.sh", ["--preset", "fast"], "--preset fast; there are cpu, debug, asan")
        self.assert_refused("tests/check.sh", ["--packages", "all"],
                            "--packages all; there are bench, browser, build, debian, lint, test")
        self.assert_refused("tests/check.sh", ["--jobs", "0"], "--jobs 0; a whole number from 1")
        self.assert_refused("tests/check.sh", ["--full", "--kernels"], "--kernels", "--full")

    def test_on_debian(self):
        for arguments in ([], ["../trixie"], ["--suite"]):
            self.assert_refused("tests/tools/on_debian.sh", arguments, "a release of Debian, e.g. trixie")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_on_debian_without_root(self):
        script = (ROOT / "tests/tools/on_debian.sh").read_text(encoding="utf-8")
        done = subprocess.run(["bash", "-s", "trixie"], input=script.replace("${BASH_SOURCE[0]}", "/usr/bin/x"),
                              user=NOBODY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/",
                              check=False)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("needs root", done.stdout)


if __name__ == "__main__":
    unittest.main()
