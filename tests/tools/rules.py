#!/usr/bin/env python3
"""The project's style rules that neither the compiler, clang-format nor clang-tidy checks.

usage: rules.py [ROOT]     prints one line per breach; exit code 1 when there is one
"""

import os
import pathlib
import re
import sys

MAX_LINES = 400
PRODUCT_ROOMS = {"kernels", "runtime", "nn", "rela"}  # apps/ holds main(), which may end the process
ROOMS = PRODUCT_ROOMS | {"apps", "bench", "tests"}
ROOT_ENTRIES = ROOMS | {"CMakeLists.txt", "CMakePresets.json", "README.md"}
IGNORED = re.compile(r"^(\.git|build|build-.*|runs|__pycache__)$")
IGNORED_AT_ROOT = {"data"}
SOURCE_SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
TEXT_SUFFIXES = SOURCE_SUFFIXES | {".cmake", ".json", ".md", ".py", ".sh", ".txt", ".yml"}

# (what is wrong, where to look for it, pattern). The text is stripped of comments and literals
# where the suffix says "code".
HEAVY_INCLUDE = re.compile(r'#\s*include\s*[<"](?:nlohmann/json\.hpp|spdlog/|Eigen/|CLI/)[^>"]*[>"]')
DNNL_INCLUDE = re.compile(r'#\s*include\s*[<"](?:oneapi/dnnl/)?dnnl[\w.]*[>"]')
RELATIVE_INCLUDE = re.compile(r'#\s*include\s*"\.\.?/')
MACHINE_PATH = re.compile(r"(?<![\w.}])/(?:work|root|home|farm|tmp/bash_jobs)/")
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")
ENDS_PROCESS = re.compile(r"(?<![\w.>])_?(?:exit|abort|assert|quick_exit|terminate)\s*\(")
BARE_SKIP = re.compile(r"GTEST_SKI[P]\(\)\s*;")
DISABLED_TEST = re.compile(r"\bDISABLE[D]_\w+")
EMPTY_CLAIM = re.compile(r"(?:EXPECT|ASSERT)_(?:TRUE\(true\)|FALSE\(false\))")
RAW_LAUNCH = re.compile(r"<<<[^<]*>>>")

LITERAL_OR_COMMENT = re.compile(
    r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', re.S)


def blank(text):
    """The text with comments and literals emptied; line numbers are preserved."""
    return LITERAL_OR_COMMENT.sub(lambda m: "\n" * m.group().count("\n"), text)


def project_files(root):
    for folder, folders, files in os.walk(root):
        skip = IGNORED_AT_ROOT if pathlib.Path(folder) == root else ()
        folders[:] = sorted(f for f in folders if not IGNORED.match(f) and f not in skip)
        for name in sorted(files):
            path = pathlib.Path(folder, name)
            if path.suffix in TEXT_SUFFIXES or path.parent.name == ".ci":
                yield path


def find(pattern, text, what):
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, f"{what}: {match.group().strip()}"


def text_breaches(text):
    yield from find(MACHINE_PATH, text, "path of one machine")
    yield from find(UNFINISHED, text, "unfinished by its own word")
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end"


def source_breaches(text, relative):
    code = blank(text)
    room, suffix = relative.parts[0], relative.suffix
    yield from find(RELATIVE_INCLUDE, text, "include from the root of the project")
    if suffix in (".h", ".cuh"):
        if "#pragma once" not in text:
            yield 1, "header without #pragma once"
        yield from find(HEAVY_INCLUDE, text, "heavy include in a header")
    if room in PRODUCT_ROOMS:
        yield from find(ENDS_PROCESS, code, "ends the process; throw instead")
        yield from find(RAW_LAUNCH, code, "kernel launch outside the launch interface")
        if relative.parts[:3] != ("kernels", "libraries", "dnnl"):  # a benchmark may call the library that it measures
            yield from find(DNNL_INCLUDE, text, "oneDNN outside kernels/libraries/dnnl")
    if room == "tests":
        yield from find(BARE_SKIP, text, "skip without a reason")
        yield from find(DISABLED_TEST, code, "test that is off")
        yield from find(EMPTY_CLAIM, code, "claim that cannot fail")


def breaches(root):
    """Yields (path, line, text) of every breach under `root`."""
    for entry in sorted(set(os.listdir(root)) - ROOT_ENTRIES - IGNORED_AT_ROOT):
        if not entry.startswith(".") and not IGNORED.match(entry):
            yield entry, 1, "does not belong at the root"
    for path in project_files(root):
        relative = path.relative_to(root)
        text = path.read_text(encoding="utf-8")
        found = list(text_breaches(text))
        if path.suffix in SOURCE_SUFFIXES:
            found += source_breaches(text, relative)
        if path.suffix in SOURCE_SUFFIXES | {".py", ".sh"} and text.count("\n") > MAX_LINES:
            found.append((MAX_LINES, f"{text.count(chr(10))} lines, at most {MAX_LINES}; split it"))
        for line, what in sorted(found):
            yield relative, line, what


def report(found, summary):
    """Prints breaches, (path, line, text) each, and a last line; exits with 1 when there is one.

    summary(count) gives the last line.
    """
    count = 0
    for path, line, what in found:
        print(f"{path}:{line}: {what}")
        count += 1
    print(summary(count))
    sys.exit(1 if count else 0)


def root_of(arguments):
    return pathlib.Path(arguments[1] if len(arguments) > 1 else __file__ + "/../../..").resolve()


if __name__ == "__main__":
    report(breaches(root_of(sys.argv)), lambda count: f"rules: {count} broken")
