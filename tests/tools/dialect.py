#!/usr/bin/env python3
"""The dialect of CUDA kernels (kernels/simt/simt.h): what the emulator and nvcc both must see.

usage: dialect.py [ROOT]     prints one line per breach; exit code 1 when there is one
"""

import pathlib
import re
import sys

from rules import blank, report, root_of

SIMT = pathlib.PurePath("kernels/simt")  # exempt from the dialect's rules

FORBIDDEN = [
    ("launch outside the launch interface (simt::launch)", re.compile(r"<<<|\bcudaLaunchKernel\w*")),
    ("raw asm; wrap the instruction in kernels/simt/", re.compile(r"\b(?:asm|__asm__|__asm)\b")),
    ("cooperative_groups; use simt::grid_sync and warp functions", re.compile(r"\bcooperative_groups\b")),
    ("CUB, Thrust or libcu++", re.compile(r"#\s*include\s*<(?:cub|thrust|cuda)/|\b(?:cub|thrust)::")),
    ("plain __shared__; use SIMT_SHARED or SIMT_DYN_SHARED", re.compile(r"\b__shared__\b")),
    ("__activemask does not say who will meet; pass the mask", re.compile(r"\b__activemask\b")),
    ("code for one architecture outside kernels/simt/", re.compile(r"\b__CUDA_ARCH__\b")),
    ("a macro of the compiler outside kernels/simt/", re.compile(r"\b__CUDACC__\b")),
    ("kernel without __launch_bounds__",
     re.compile(r"\b__global__\s+(?!(?:void\s+)?__launch_bounds__)(?:\w+\s+)+\w+\s*\(")),
]
BARRIER = re.compile(r"\b(?:__syncthreads(?:_count|_or|_and)?|__syncwarp|grid_sync|cp_async_wait(?:<\w+>)?)\s*\(")


def kernel_sources(root):
    """Files outside kernels/simt/ that contain device code, relative to `root`."""
    for path in sorted((root / "kernels").rglob("*")):
        relative = path.relative_to(root)
        if SIMT in relative.parents or path.suffix not in {".cu", ".cuh", ".h"}:
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".h" or "__device__" in text or "__global__" in text:
            yield relative, text


def barriers(text):
    """Line numbers, from 1, of barriers and waits."""
    for number, line in enumerate(blank(text).splitlines(), 1):
        if BARRIER.search(line):
            yield number


def has_reason(lines, number):
    line, above = lines[number - 1], lines[number - 2] if number > 1 else ""
    return "//" in line or above.lstrip().startswith("//")


def breaches(root):
    """Yields (path, line, text)."""
    for path, text in kernel_sources(root):
        code, lines = blank(text), text.splitlines()
        found = [(code.count("\n", 0, m.start()) + 1, what)
                 for what, pattern in FORBIDDEN for m in pattern.finditer(code)]
        found += [(n, "barrier without its reason, on its line or in a comment above")
                  for n in barriers(text) if not has_reason(lines, n)]
        for line, what in sorted(found):
            yield path, line, what


if __name__ == "__main__":
    root = root_of(sys.argv)
    files = len(list(kernel_sources(root)))
    report(breaches(root), lambda count: f"dialect: {files} files with device code, {count} breaches")
