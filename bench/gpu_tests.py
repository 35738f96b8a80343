#!/usr/bin/env python3
"""Runs GoogleTest programs so that a test that crashes, hangs or breaks the GPU does not end the rest.

usage: gpu_tests.py [options] PROGRAM...

Every suite is one process. Tests that failed there, or were not reached, run once more, each alone.
Results are saved in --out as they arrive; a second call continues from there.

Exit codes: 0 all passed; 1 some failed; 2 wrong usage; 124 time ran out before all had run.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

PASSED, FAILED, SKIPPED = "PASS", "FAIL", "SKIPPED"
MESSAGE_CHARACTERS = 400
ALL_PASSED, SOME_FAILED, TIME_IS_UP = 0, 1, 124
HUNG = "hung"

LINE = re.compile(r"^\[ *(RUN|OK|FAILED|SKIPPED) *\] ([^\s,(]+\.[^\s,(]+)")
NOISE = re.compile(r"^(={9} (COMPUTE-SANITIZER|\s|$)|Running main|Note: |\[[-= ]*\]|$)")


def first_message(lines):
    """The failure message in a test's output: from the first line that looks like one."""
    lines = [line.strip() for line in lines if not NOISE.match(line)]
    start = next((i for i, line in enumerate(lines)
                  if re.search(r"failure|error|={9}|terminate|exception", line, re.I)), 0)
    return " | ".join(lines[start:start + 4])[:MESSAGE_CHARACTERS]


def ending(code):
    if code == HUNG:
        return "cut off by its time limit"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"


class Processes:
    """Starts programs in separate process groups, and leaves none running."""

    def __init__(self, wrapper, deadline):
        self.wrapper = wrapper
        self.deadline = deadline
        self.lock = threading.Lock()
        self.groups = set()

    def left(self):
        return self.deadline - time.monotonic()

    def run(self, command, limit):
        """(exit code or HUNG, lines of output); (None, []) if time ran out."""
        limit = min(limit, self.left())
        if limit <= 0:
            return None, []
        process = subprocess.Popen(self.wrapper + command, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   errors="replace", start_new_session=True)
        with self.lock:
            self.groups.add(process.pid)
        try:
            output, _ = process.communicate(timeout=limit)
            code = process.returncode
        except subprocess.TimeoutExpired:
            self.kill(process.pid)
            output, _ = process.communicate()
            code = HUNG if self.left() > 0 else None
        with self.lock:
            self.groups.discard(process.pid)
        return code, output.splitlines()

    @staticmethod
    def kill(group):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def kill_all(self):
        with self.lock:
            for group in self.groups:
                self.kill(group)


def tests_of(program, processes, first):
    """{suite: [test, ...]}, only the `first` cases of every parameterised test unless that is 0."""
    code, lines = processes.run([program, "--gtest_list_tests"], limit=60)
    if code != 0:
        raise RuntimeError(f"{first_message(lines) or 'no output'} ({ending(code or 0)})")
    suites, suite, taken = collections.OrderedDict(), None, collections.Counter()
    for line in lines:
        name = line.split("  #")[0].strip()
        if re.match(r"^\S+\.(\s|$)", line):
            suite = name
        elif line.startswith("  ") and suite:
            taken[suite + name.split("/")[0]] += 1
            if not first or taken[suite + name.split("/")[0]] <= first:
                suites.setdefault(suite, []).append(suite + name)
    return suites


def outcomes(code, lines):
    """{test: (status, message)} as printed by one process. The test it died in has FAIL."""
    found, running, text = collections.OrderedDict(), None, []
    for line in lines:
        match = LINE.match(line)
        if not match:
            text.append(line)
            continue
        word, name = match.groups()
        if word == "RUN":
            running, text = name, []
        elif name == running:
            status = {"OK": PASSED, "FAILED": FAILED, "SKIPPED": SKIPPED}[word]
            found[name] = (status, first_message(text) if status != PASSED else "")
            running, text = None, []
    if running:
        found[running] = (FAILED, f"{ending(code)}: {first_message(text)}".rstrip(": "))
    return found


class Results:
    """The known results of all tests, kept in a file."""

    def __init__(self, path, build):
        self.path = path
        self.lock = threading.Lock()
        self.data = {"build": build, "tests": {}}
        if path.exists():
            earlier = json.loads(path.read_text())
            if earlier.get("build") == build:
                self.data = earlier

    def has(self, name):
        return name in self.data["tests"]

    def add(self, found):
        """found: {test: (status, message)}"""
        with self.lock:
            for name, (status, message) in found.items():
                self.data["tests"][name] = {"status": status, "message": message}
                if status == FAILED:
                    print(f"FAIL {name}: {message}", flush=True)
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps(self.data, indent=1) + "\n")
            part.replace(self.path)

    def count(self, status):
        return sum(test["status"] == status for test in self.data["tests"].values())


def run_alone(program, test, processes, limit):
    """(status, message), or None if time ran out."""
    code, lines = processes.run([program, f"--gtest_filter={test}"], limit)
    if code is None:
        return None
    status, message = outcomes(code, lines).get(test, (FAILED, first_message(lines)))
    if status != FAILED and code != 0:
        status, message = FAILED, f"{ending(code)}: {first_message(lines)}"
    return status, message


def run_suite(program, tests, processes, results, options):
    label = pathlib.Path(program).name + ":"
    tests = [test for test in tests if not results.has(label + test)]
    if not tests:
        return
    code, lines = processes.run([program, "--gtest_filter=" + ":".join(tests)], options.suite_limit)
    if code is None:
        return
    together = outcomes(code, lines)
    bad = [test for test in tests if together.get(test, (FAILED, ""))[0] == FAILED]
    if not bad and code != 0:  # it does not say which test failed
        bad = tests
    results.add({label + test: together[test] for test in tests if test not in bad})
    for test in bad:
        alone = run_alone(program, test, processes, options.test_limit)
        if alone is None:
            return
        if alone[0] != FAILED and together.get(test, ("", ""))[0] == FAILED:
            alone = FAILED, f"passes alone; with its suite: {together[test][1]}"
        results.add({label + test: alone})


def run_all(options, processes, results):
    """Whether every test has run."""
    wanted = []
    for program in options.programs:
        try:
            for suite, tests in tests_of(program, processes, options.first).items():
                wanted.append((program, tests))
                print(f"{pathlib.Path(program).name} {suite} {len(tests)} tests", flush=True)
        except (OSError, RuntimeError) as problem:
            results.add({pathlib.Path(program).name: (FAILED, f"does not start: {problem}")})
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = [pool.submit(run_suite, program, tests, processes, results, options)
                   for program, tests in wanted]
        for future in running:
            future.result()
    return all(results.has(f"{pathlib.Path(program).name}:{test}")
               for program, tests in wanted for test in tests)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("programs", nargs="+", metavar="PROGRAM")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="JSON file of the results")
    parser.add_argument("--build", default="", help="results of another build are not gone on from")
    parser.add_argument("--limit", type=float, default=600, help="seconds for everything")
    parser.add_argument("--suite-limit", type=float, default=60, help="seconds for one suite")
    parser.add_argument("--test-limit", type=float, default=20, help="seconds for a test alone")
    parser.add_argument("--first", type=int, default=0, help="cases of each parameterised test; 0: all")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--wrapper", default="", help="command in front of each program")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    processes = Processes(shlex.split(options.wrapper), time.monotonic() + options.limit)

    def stop(*_):
        processes.kill_all()
        os._exit(TIME_IS_UP)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    results = Results(options.out, options.build)
    complete = run_all(options, processes, results)
    failed = results.count(FAILED)
    print(f"{results.count(PASSED)} passed, {failed} failed, {results.count(SKIPPED)} skipped"
          + ("" if complete else "; the time was up before the rest had run"))
    return TIME_IS_UP if not complete else SOME_FAILED if failed else ALL_PASSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
