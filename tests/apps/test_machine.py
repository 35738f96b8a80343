#!/usr/bin/env python3
"""Programs on machines that are set up in unusual ways: OpenMP's environment, closed standard streams."""

import json
import os
import subprocess
import unittest

from programs import APPS, DONE, TIMEOUT_S, ProgramTest


class OpenMp(ProgramTest):
    def losses(self, name, **env):
        """Losses and log of a run with two threads."""
        config = self.write_config({"threads": 2})
        base = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
        command = ["timeout", "-s", "KILL", str(TIMEOUT_S), APPS / "train_byol", config, "--out", self.top / name]
        done = subprocess.run(command, env=dict(base, **env), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, DONE, done.stdout)
        lines = (self.top / name / "metrics.jsonl").read_text().splitlines()
        return [e["loss"] for e in map(json.loads, lines) if e["event"] == "train"], done.stdout

    def test_settings_that_would_give_smaller_teams_change_nothing(self):
        wanted, _ = self.losses("plain")
        for setting in ({"OMP_DYNAMIC": "true"}, {"OMP_MAX_ACTIVE_LEVELS": "0"}):
            losses, log = self.losses(next(iter(setting)).lower(), **setting)
            self.assertEqual(losses, wanted)
            self.assertNotIn("warning", log)

    def test_fewer_threads_than_asked_for_are_a_warning(self):
        losses, log = self.losses("limited", OMP_THREAD_LIMIT="1")
        self.assertEqual(len(losses), 4)
        self.assertIn("warning: OpenMP starts 1 of 2 threads; computing with 1", log)


class StandardStreams(ProgramTest):
    def test_log_lines_of_a_closed_stderr_land_in_no_file(self):
        config = self.write_config()
        out = self.top / "closed"
        done = subprocess.run(["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", APPS / "train_byol", config, "--out", out],
                              timeout=TIMEOUT_S, check=False)
        self.assertEqual(done.returncode, DONE)
        for line in (out / "metrics.jsonl").read_text().splitlines():
            json.loads(line)
        self.assertNotIn("device", (out / "run.lock").read_text() if (out / "run.lock").exists() else "")

    def test_a_reader_that_goes_away_does_not_end_a_run(self):
        config = self.write_config({"max_steps": 6})
        out = self.top / "piped"
        done = subprocess.run(["bash", "-o", "pipefail", "-c", '"$@" 2>&1 | head -n 1', "bash", APPS / "train_byol", config,
                               "--out", out], stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
        self.assertEqual(done.returncode, DONE)
        self.assertEqual(json.loads((out / "status.json").read_text())["state"], "finished")


if __name__ == "__main__":
    unittest.main()
