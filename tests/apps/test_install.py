#!/usr/bin/env python3
"""What `cmake --install` leaves in a folder works there: programs with the configs and tables beside them.

RELA_BUILD names the build folder, RELA_APPS the folder of the built programs.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import programs
from programs import DATA, DONE, SOURCE, write_cifar10

PROGRAMS = ("train_byol", "evaluate", "embed", "experiment", "pack", "transport", "weights")


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.top = pathlib.Path(folder.name)
        cls.prefix = cls.top / "prefix"
        subprocess.run(["cmake", "--install", os.environ["RELA_BUILD"], "--prefix", cls.prefix], check=True,
                       stdout=subprocess.DEVNULL)
        cls.configs = cls.prefix / "share/rela/configs"
        cls.tables = cls.prefix / "share/rela/experiments"
        write_cifar10(cls.top / "pictures")

    def run_installed(self, name, *args):
        return subprocess.run([self.prefix / "bin" / name, *map(str, args)], env=programs.environment(), cwd=self.top,
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=programs.TIMEOUT_S, check=False)

    def assert_done(self, run):
        self.assertEqual(run.returncode, DONE, run.stdout + run.stderr)

    def test_what_is_installed(self):
        installed = {path.relative_to(self.prefix).as_posix() for path in self.prefix.rglob("*") if path.is_file()}
        configs = {f"share/rela/configs/{path.name}" for path in (SOURCE / "apps/configs").glob("*.json")}
        tables = {f"share/rela/experiments/{path.name}" for path in (SOURCE / "apps/experiments").glob("*.json")}
        self.assertEqual(installed, {f"bin/{name}" for name in PROGRAMS} | configs |
                         (tables - {"share/rela/experiments/quickstart.json"}))

    def test_every_program_starts(self):
        for name in PROGRAMS:
            self.assert_done(self.run_installed(name, "--version"))

    def test_a_run_with_an_installed_config(self):
        run = self.run_installed(
            "train_byol", self.configs / "quickstart.json", "--out", "run", "--set", "data.train_path=pictures",
            "--set", "epochs=null", "--set", "max_steps=2", "--set", "batch_size=8", "--set", "data.ratio=1",
            "--set", "backbone.width=4", "--set", "eval.knn_every_epochs=0", "--set", "device=cpu")
        self.assert_done(run)
        self.assertEqual(json.loads((self.top / "run/status.json").read_text())["step"], 2)
        self.assertTrue((self.top / "run/exported/backbone.safetensors").exists())

    def test_data_beside_the_config_are_missed_and_can_be_named(self):
        config = self.configs / "cifar10-byol-cpu.json"
        missing = self.run_installed("train_byol", config, "--check")
        self.assertNotEqual(missing.returncode, DONE)
        self.assertIn(str(self.prefix / "share/data/cifar-10-batches-bin"), missing.stdout + missing.stderr)
        self.assert_done(self.run_installed("train_byol", config, "--check", "--set", "data.train_path=pictures",
                                            "--set", "batch_size=8", "--set", "precision=fp32"))

    def test_a_table_finds_its_base_config(self):
        run = self.run_installed(
            "experiment", self.tables / "cpu.json", "--out", "runs", "--only", "byol-r0.2-s1", "--dry-run",
            "--set", "data.train_path=pictures", "--set", "batch_size=8", "--set", "precision=fp32")
        self.assert_done(run)
        self.assertIn("byol-r0.2-s1", run.stdout)


if __name__ == "__main__":
    unittest.main()
