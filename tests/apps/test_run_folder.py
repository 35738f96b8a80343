#!/usr/bin/env python3
"""What happens to a run's folder while the run writes it."""

import os
import signal
import subprocess
import unittest

from programs import DONE, IO, STOPPED, TIMEOUT_S, USAGE, ProgramTest, Run, run_program

ENDLESS = 1_000_000


class RunFolder(ProgramTest):
    def test_a_record_that_is_deleted_or_emptied_meanwhile_comes_back(self):
        for what, damage in ((b"deleted or moved", lambda path: path.unlink()),
                             (b"cut short", lambda path: path.write_text(""))):
            process, run = self.start_training(what.decode(), changes={"max_steps": ENDLESS}, stderr=subprocess.PIPE)
            self.wait_until(lambda: len(run.events("train")) >= 3, process)
            damage(run / "metrics.jsonl")
            process.send_signal(signal.SIGUSR1)
            self.assertEqual(process.wait(TIMEOUT_S), STOPPED)
            self.assertIn(b"metrics.jsonl: was " + what + b" while the run was writing it", process.stderr.read())
            self.assertEqual(len(run.events("start")), 1)
            self.assertEqual(len(run.events("train")), run.status()["step"])
            self.assertEqual(len(run.events("stop")), 1)

    def test_files_that_are_deleted_meanwhile_come_back(self):
        process, run = self.start_training("run", changes={"max_steps": ENDLESS}, stderr=subprocess.PIPE)
        self.wait_until(lambda: len(run.events("train")) >= 3, process)
        gone = ("config.json", "config.resolved.json", "env.json", "train.log", "run.lock", "metrics.jsonl")
        for name in gone:
            (run / name).unlink()
        process.send_signal(signal.SIGUSR2)
        self.wait_until(lambda: (run / "metrics.jsonl").exists() and run.checkpoint_steps(), process)
        self.assertFails(self.train("run", "--resume", "auto"), USAGE, "is in use by process")
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(TIMEOUT_S), STOPPED)
        said = process.stderr.read().decode()
        self.assertIn("put back: run.lock, config.json, config.resolved.json, env.json, train.log (without", said)
        self.assertEqual([name for name in gone if not (run / name).exists()], [])
        self.assertExit(self.train("run", "--resume", "auto", "--max-steps", str(run.status()["step"] + 2)), DONE)

    def test_a_folder_that_is_moved_or_deleted_meanwhile_is_missed(self):
        another = self.top / "another"
        another.mkdir()
        (another / "run.lock").touch()
        for name in ("moved", "replaced"):
            process, run = self.start_training(name, changes={"max_steps": ENDLESS, "checkpoint.every_steps": 5},
                                               stderr=subprocess.PIPE)
            self.wait_until(lambda: len(run.checkpoint_steps()) >= 2, process)
            run.folder.rename(self.top / "aside")
            if name == "replaced":
                another.rename(run.folder)
            self.assertEqual(process.wait(TIMEOUT_S), IO, name)
            self.assertIn(f"out: the run's folder {run.folder} is gone: was it moved or deleted?",
                          process.stderr.read().decode())
            left = [path.name for path in run.folder.iterdir()] if run.folder.exists() else []
            # What was being written at that very moment may still land in the other folder, but no step later.
            self.assertLessEqual(set(left) - {"checkpoints", "metrics.jsonl", "train.log"},
                                 {"run.lock"} if name == "replaced" else set(), name)
            self.assertEqual(Run(self.top / "aside").checkpoint_steps()[-1] % 5, 0)
            (self.top / "aside").rename(self.top / f"was {name}")

    def test_damaged_lines_of_the_record_are_counted(self):
        run = self.trained("run")
        record = run / "metrics.jsonl"
        record.write_text("garbage\n" + record.read_text())
        result = self.train("run", "--resume", "auto", "--max-steps", "6")
        self.assertExit(result, DONE)
        self.assertIn("metrics.jsonl: 1 line is damaged and dropped", result.stderr)

    def test_files_are_as_open_to_others_as_the_umask_says(self):
        config = self.write_config({"max_steps": 1})
        self.assertExit(run_program("train_byol", config, "--out", self.top / "run", preexec_fn=lambda: os.umask(0o002)),
                        DONE)
        for path in (self.top / "run").iterdir():
            self.assertTrue(path.stat().st_mode & 0o020, path)

    def test_a_folder_of_other_files_is_told_of(self):
        (self.top / "run").mkdir()
        (self.top / "run/holiday.jpg").write_text("")
        result = self.train("run", "--resume", "auto", "--max-steps", "1")
        self.assertExit(result, DONE)
        self.assertIn("holds files and no run; a new one begins among them", result.stderr)


if __name__ == "__main__":
    unittest.main()
