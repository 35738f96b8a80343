#!/usr/bin/env python3
"""What a long check leaves out, and that a few commits together leave out nothing."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

from selection import HOURS, Selection

NOW = 1_700_000_000
KEYS = [f"kernels/file_{i}.cpp" for i in range(60)]


@unittest.skipUnless(shutil.which("git"), "git is not installed: there is no history to choose by")
class Selected(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "RELA_CHECK"))}
        clean = mock.patch.dict(os.environ, environment, clear=True)
        clean.start()
        self.addCleanup(clean.stop)

    def git(self, *arguments):
        subprocess.run(["git", "-C", self.root, "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True,
                       stdout=subprocess.DEVNULL)

    def commit(self, name, text="", hours_ago=0):
        (self.root / name).write_text(text)
        self.git("add", "-A")
        with mock.patch.dict(os.environ, GIT_COMMITTER_DATE=f"{NOW - int(hours_ago * 3600)} +0000"):
            self.git("commit", "-qm", name)

    def history(self):
        self.git("init", "-qb", "main")
        for i, hours_ago in enumerate((3 * HOURS, 2 * HOURS, HOURS - 1, 1, 0)):
            self.commit(f"old{i}.cpp", hours_ago=hours_ago)

    def assert_everything(self, parts):
        picks = Selection(parts, self.root)
        self.assertTrue(all(map(picks.draws, KEYS)))
        self.assertIn("everything", str(picks))

    def test_one_part_is_everything(self):
        self.history()
        self.assert_everything(1)

    def test_without_a_history_everything(self):
        self.assert_everything(3)
        self.git("init", "-qb", "main")
        self.commit("a.cpp")
        self.assert_everything(3)

    def test_a_branch_brings_what_it_changed(self):
        self.history()
        self.git("checkout", "-qb", "feature")
        self.commit("old0.cpp", "new")
        (self.root / "untracked.cpp").touch()
        (self.root / "old2.cpp").write_text("not committed")
        picks = Selection(3, self.root)
        self.assertEqual(picks.changed, {"old0.cpp", "old2.cpp", "untracked.cpp"})
        self.assertTrue(picks.has_changed(pathlib.Path("old0.cpp")))

    def test_main_brings_its_last_hours(self):
        self.history()
        picks = Selection(3, self.root)
        self.assertEqual(picks.changed, {"old2.cpp", "old3.cpp", "old4.cpp"})
        os.environ["RELA_CHECK_BASE"] = "HEAD~1"
        self.assertEqual(Selection(3, self.root).changed, {"old4.cpp"})

    def test_each_key_is_in_one_part(self):
        self.history()
        drawn = {}
        for i in range(30):
            self.commit("next.cpp", str(i))
            picks = Selection(3, self.root)
            drawn[picks.part] = {key for key in KEYS if picks.draws(key)}
            self.assertIn(f"part {picks.part + 1} of 3", str(picks))
        self.assertEqual(set(drawn), {0, 1, 2})
        self.assertEqual(sorted(key for part in drawn.values() for key in part), sorted(KEYS))


if __name__ == "__main__":
    unittest.main()
