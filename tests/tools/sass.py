#!/usr/bin/env python3
"""What a kernel's machine code (SASS) or PTX says about its accesses to memory, for nvcc_report.py.

usage: sass.py     prints the disassembler that is used; exit code 1 if there is none
"""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

SECTION = re.compile(r"^\s*\.section\s+\.text\.([\w$]+)")
LABEL = re.compile(r"^\.L_")
ACCESS = re.compile(r"\b(STG|LDG|STL|LDL)((?:\.\w+)*)\b([^;]*);")
ADDRESS = re.compile(r"\[(R\w+)(?:\.64|\.U32|\.X\d+)*(?:\+UR\w+)?(?:\+(-?0x[0-9a-f]+))?\]")
VECTOR = 16


def find_disassembler():
    """nvdisasm of PATH, of the toolkit or of the Python package nvidia-cuda-nvdisasm; None if there is none."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    packages = (folder for entry in sys.path for folder in sorted(pathlib.Path(entry).glob("nvidia/*/bin")))
    found = (shutil.which("nvdisasm", path=str(folder)) for folder in (f"{home}/bin", *packages))
    return shutil.which("nvdisasm") or next(filter(None, found), None)


def width_of(modifiers):
    """Bytes that one thread accesses."""
    for modifier, width in ((".128", 16), (".64", 8), (".U16", 2), (".S16", 2), (".U8", 1), (".S8", 1)):
        if modifier in modifiers:
            return width
    return 4


def address_of(operands):
    """The register and the offset; None, 0 if it is no register's."""
    m = ADDRESS.search(operands)
    return (m[1], int(m[2] or "0", 16)) if m else (None, 0)


class Accesses:
    """Of one kernel: {operation: {width: count}}, and whether 16 neighbouring bytes are accessed in pieces."""

    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)
        self.split = {"STG": 0, "LDG": 0}
        self._bytes = collections.defaultdict(set)  # (operation, base register): offsets since the label

    def label(self):
        self._bytes.clear()

    def add(self, operation, width, base, offset):
        self.counts[operation][width] += 1
        if width >= VECTOR or operation not in self.split or base is None:
            return
        seen = self._bytes[operation, base]
        if offset in seen:  # the register has changed since
            seen.clear()
        seen.update(range(offset, offset + width))
        first = offset
        while first - 1 in seen:
            first -= 1
        if all(byte in seen for byte in range(first, first + VECTOR)):
            self.split[operation] += 1
            seen.clear()

    def summary(self):
        """As JSON keeps it."""
        return {"counts": {op: {str(w): n for w, n in by.items()} for op, by in self.counts.items()},
                "split": dict(self.split)}


def parse_sass(text):
    """{mangled kernel: Accesses.summary()} from nvdisasm's text."""
    kernels, accesses = {}, None
    for line in text.splitlines():
        if (m := SECTION.match(line)):
            accesses = kernels[m[1]] = Accesses()
        elif accesses and LABEL.match(line):
            accesses.label()
        elif accesses:
            for operation, modifiers, operands in ACCESS.findall(line):
                base, offset = address_of(operands)
                accesses.add(operation, width_of(modifiers), base, offset)
    return {name: accesses.summary() for name, accesses in kernels.items()}


PTX_ENTRY = re.compile(r"\.entry\s+(\w+)")
PTX_LABEL = re.compile(r"^\$")
PTX_ACCESS = re.compile(r"\b(st|ld)\.global(?:\.[a-z]+)*(\.v[24])?\.[a-z](\d+)\s[^;]*\[(%\w+)(?:\+(-?\d+))?\]")


def parse_ptx(text):
    """As parse_sass(), from PTX: what nvcc takes apart is in pieces there already. Local memory is not seen."""
    kernels, accesses = {}, None
    for line in text.splitlines():
        if (m := PTX_ENTRY.search(line)):
            accesses = kernels[m[1]] = Accesses()
        elif accesses and PTX_LABEL.match(line):
            accesses.label()
        elif accesses and (m := PTX_ACCESS.search(line)):
            width = int(m[3]) // 8 * int((m[2] or ".v1")[2:])
            accesses.add("STG" if m[1] == "st" else "LDG", width, m[4], int(m[5] or 0))
    return {name: accesses.summary() for name, accesses in kernels.items()}


TARGET = re.compile(r"^\s*\.target\s+(sm_\d+)", re.M)


def architecture(text):
    """The one that nvdisasm's text is for."""
    return TARGET.search(text)[1]


def in_words(found):
    """ "STG 2 x 16 B, 1 x 1 B" and so on."""
    return ", ".join(f"{op} " + " + ".join(f"{n} x {w} B" for w, n in sorted(by.items(), key=lambda x: -int(x[0])))
                     for op, by in sorted(found["counts"].items()))


def disassemble(disassembler, cubin):
    run = subprocess.run([disassembler, "-c", str(cubin)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"{disassembler} {cubin}: {run.stderr.strip()}")
    return run.stdout


if __name__ == "__main__":
    print(find_disassembler() or "no nvdisasm")
    sys.exit(find_disassembler() is None)
