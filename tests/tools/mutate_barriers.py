#!/usr/bin/env python3
"""Removes each barrier and wait of the CUDA kernels in turn, and checks that the kernel tests notice.

A removal is caught by wrong values, or by ThreadSanitizer when --tsan names its build. What neither
catches must be in the reviewed list, one line each:

    kernels/family/op_cuda.cu | the line with its comment | why dropping it changes nothing that tests can see

usage: mutate_barriers.py --tests BINARY [--tsan BINARY] [--allow FILE] [--jobs N] [--only TEXT] [--parts N]
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

import dialect
import selection

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_S = 600


def all_drops(only):
    """(path, line number, line) of every barrier; its comment, the reason, distinguishes it from others in the file."""
    for path, text in dialect.kernel_sources(ROOT):
        lines = text.splitlines()
        for number in dialect.barriers(text):
            if only in f"{path}:{number}":
                yield path, number, lines[number - 1].strip()


def read_allowed(path):
    """{(path, line): reason}; stops at a malformed line."""
    allowed = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|", 2)]
        if len(parts) != 3 or not all(parts):
            sys.exit(f"{path}:{number}: <file> | <line> | <reason>")
        allowed[parts[0], parts[1]] = parts[2]
    return allowed


def fails(binary, drop):
    """Runs the tests with the barrier removed: the name of the first that fails, or ''."""
    environment = dict(os.environ, RELA_SIMT_DROP=drop, GTEST_FAIL_FAST="1", GTEST_BRIEF="1",
                       TSAN_OPTIONS="halt_on_error=1 exitcode=66 atexit_sleep_ms=0")
    try:
        run = subprocess.run([binary], env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace",
                             timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return "no end"
    if run.returncode == 0:
        return ""
    for line in run.stdout.splitlines():
        if line.startswith("[  FAILED  ]"):
            return line[len("[  FAILED  ]"):].split("(")[0].split(",")[0].strip()
        if line.startswith("WARNING: ThreadSanitizer"):
            return line.split("(")[0].strip()
    return f"status {run.returncode}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", required=True)
    parser.add_argument("--tsan")
    parser.add_argument("--allow", type=pathlib.Path, default=ROOT / "tests/cuda/barrier_allowlist.txt")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="drops whose path:line holds this text")
    selection.add_argument(parser)
    args = parser.parse_args()
    start = time.monotonic()
    allowed = read_allowed(args.allow)
    picks = selection.Selection(args.parts)
    print(f"barriers of {picks}")

    if (failed := fails(args.tests, "")):
        sys.exit(f"the tests fail without a drop: {failed}")
    every = list(all_drops(args.only))
    unused = set(allowed) - {(path.as_posix(), line) for path, _, line in every}
    drops = [drop for drop in every if picks.has_changed(drop[0]) or picks.draws(f"{drop[0]}:{drop[2]}")]

    def attempt(drop):
        path, number, line = drop
        place = f"{path}:{number}"
        if (path.as_posix(), line) in allowed:
            return "allowed", allowed[path.as_posix(), line]
        caught = fails(args.tests, place)
        if not caught and args.tsan:
            caught = fails(args.tsan, place)
        return ("caught", caught) if caught else ("MISSED", "no test notices")

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(attempt, drops))
    missed = 0
    for (path, number, line), (outcome, by) in zip(drops, results):
        print(f"{outcome:8} {path}:{number}: {line}   ({by})")
        missed += outcome == "MISSED"
    for path, line in sorted(unused) if not args.only else ():
        print(f"STALE    {path} | {line}: in the reviewed list, but no such barrier")
        missed += 1
    print(f"barriers: {len(drops)} of {len(every)} dropped one by one in {time.monotonic() - start:.0f} s, "
          f"{missed} to look at")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
