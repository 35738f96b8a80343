"""Which part of a long check is done: what changed lately, and a share of the rest that the commit chooses.

What changed: since the branch left main, or in the hours before main's head, so that a day's work is covered
however many commits it took; RELA_CHECK_BASE names another commit.
Without a history that reaches so far, everything is done.
"""

import hashlib
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAINS = ("origin/HEAD", "origin/main", "main", "origin/master", "master")
HOURS = 6


def git(root, *arguments):
    """What git prints; None where it fails or there is no git."""
    try:
        run = subprocess.run(["git", "-C", root, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True, check=False)
    except OSError:
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def base_of(root, head):
    """The commit from which on everything is new; None when there is none."""
    if (given := os.environ.get("RELA_CHECK_BASE")):
        return git(root, "rev-parse", "--verify", "--quiet", given + "^{commit}")
    for main in MAINS:
        base = git(root, "merge-base", "HEAD", main)
        if base and base != head:
            return base
    newest = git(root, "log", "-1", "--format=%ct")
    if newest is None:
        return None
    return git(root, "rev-list", "-1", f"--before={int(newest) - HOURS * 3600}", "HEAD") or None


class Selection:
    """Everything when `parts` is 1; else what changed lately and one of `parts` of the rest."""

    def __init__(self, parts, root=ROOT):
        self.parts, self.changed, self.part = parts, set(), 0
        head = git(root, "rev-parse", "HEAD") if parts > 1 else None
        base = base_of(root, head) if head else None
        if not base:
            self.parts = 1
            self.text = "everything" + (": no history to choose by" if parts > 1 else "")
            return
        lists = (git(root, "diff", "--name-only", base), git(root, "ls-files", "--others", "--exclude-standard"))
        self.changed = {line for names in lists for line in (names or "").splitlines()}
        self.part = int(head, 16) % parts
        self.text = (f"what changed since {base[:12]}, and part {self.part + 1} of {parts} of the rest, "
                     f"by commit {head[:12]}")

    def __str__(self):
        return self.text

    def has_changed(self, path):
        """`path`: relative to the root."""
        return str(path) in self.changed

    def draws(self, key):
        """Whether `key` is in this commit's part of the rest."""
        return int(hashlib.sha256(key.encode()).hexdigest(), 16) % self.parts == self.part


def add_argument(parser):
    parser.add_argument("--parts", type=int, default=1, metavar="N",
                        help="only what changed lately and an Nth of the rest, chosen by the commit")
