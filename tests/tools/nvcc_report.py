#!/usr/bin/env python3
"""Compiles every CUDA kernel for sm_80 and sm_90 and reads ptxas's report on its resources.

Required of every kernel: no spills, no stack frame, registers and static shared memory that let as many
blocks run beside each other as __launch_bounds__ declares, static shared memory at most 48 KiB. Kernels that
promise accesses of 16 bytes must make them (kernel_rules.py, which lists the exceptions): read from machine
code with nvdisasm, from PTX without it. Without nvcc it says so and passes.

usage: nvcc_report.py --build-dir DIR [--jobs N] [--table]
DIR is any configured build (for its include folders); results are cached in DIR/nvcc-cache by content.
nvdisasm: from PATH, CUDA_HOME or the Python package nvidia-cuda-nvdisasm, which pip installs.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import kernel_rules
import sass
import tidy

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARCHITECTURES = ("sm_80", "sm_90")

ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
PROPERTIES = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")
PTX_ENTRY = re.compile(r"\.entry\s+(\w+)\s*\((.*?)\)\s*(.*?)\{", re.S)
MAX_THREADS = re.compile(r"\.maxntid\s+(\d+)(?:,\s*(\d+))?(?:,\s*(\d+))?")
MIN_BLOCKS = re.compile(r"\.minnctapersm\s+(\d+)")


def parse_ptxas(text):
    """{(kernel, architecture): {registers, stack, spills, shared}} from `-Xptxas -v`."""
    kernels, key = {}, None
    for line in text.splitlines():
        if (m := ENTRY.search(line)):
            key = m.group(1, 2)
            kernels[key] = dict(registers=0, stack=0, spills=0, shared=0)
        elif key and (m := PROPERTIES.search(line)):
            kernels[key].update(stack=int(m[1]), spills=int(m[2]) + int(m[3]))
        elif key and (m := USED.search(line)):
            kernels[key].update(registers=int(m[1]), shared=int(m[2] or 0))
    return kernels


def parse_bounds(ptx):
    """{kernel: (threads, blocks per multiprocessor or 0)} of the entries with launch bounds."""
    bounds = {}
    for name, _, directives in PTX_ENTRY.findall(ptx):
        if (m := MAX_THREADS.search(directives)):
            blocks = MIN_BLOCKS.search(directives)
            threads = int(m[1]) * int(m[2] or 1) * int(m[3] or 1)
            bounds[name] = (threads, int(blocks[1]) if blocks else 0)
    return bounds


def find_nvcc():
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    return shutil.which("nvcc") or shutil.which("nvcc", path=f"{home}/bin")


def accesses_in(folder, disassembler):
    """{(kernel, architecture): what sass.parse_sass() finds} in the code that nvcc left there, or, without a
    disassembler, in its PTX."""
    found = {}
    for file in sorted(pathlib.Path(folder).glob("*.cubin" if disassembler else "*.ptx")):
        text = sass.disassemble(disassembler, file) if disassembler else file.read_text()
        kernels = sass.parse_sass(text) if disassembler else sass.parse_ptx(text)
        found.update({(name, sass.architecture(text)): accesses for name, accesses in kernels.items()})
    return found


def compile_kernels(nvcc, disassembler, source, rooms):
    """Host and device code of one source for all architectures; its kernels, or nvcc's complaint."""
    with tempfile.TemporaryDirectory() as folder:
        command = [nvcc, "-std=c++20", "-O3", "--expt-relaxed-constexpr", "-DRELA_HAS_CUDA=1",
                   f"-I{rooms}/kernels", f"-I{rooms}/tests", "-Werror", "all-warnings", "-Xptxas", "-v", "--keep",
                   "--keep-dir", folder, "-c", "-o", f"{folder}/out.o", str(source)]
        for architecture in ARCHITECTURES:
            number = architecture[3:]
            command += ["-gencode", f"arch=compute_{number},code={architecture}"]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             check=False)
        if run.returncode != 0:
            return None, run.stdout
        bounds = {}
        for ptx in pathlib.Path(folder).glob("*.ptx"):
            bounds.update(parse_bounds(ptx.read_text()))
        code = accesses_in(folder, disassembler)
    kernels = []
    for (name, architecture), values in parse_ptxas(run.stdout).items():
        threads, blocks = bounds.get(name, (0, 0))
        if (name, architecture) not in code:
            return None, f"no code of {name} for {architecture} was found"
        kernels.append(dict(kernel=name, architecture=architecture, threads=threads, blocks=blocks,
                            accesses=code[name, architecture], **values))
    return kernels, ""


def demangled(names):
    if not shutil.which("c++filt") or not names:
        return dict(zip(names, names))
    run = subprocess.run(["c++filt", "-p", *names], stdout=subprocess.PIPE, text=True, check=True)
    return dict(zip(names, run.stdout.splitlines()))


def row(place, name, kernel):
    """A kernel's line of the table."""
    text = (f"{place}: {name} {kernel['architecture']}: {kernel['registers']} registers, "
            f"{kernel['threads']} threads, {kernel['shared']} B shared, {kernel['stack']} B stack")
    if kernel["threads"]:
        text += (f", {kernel_rules.resident_blocks(kernel)} blocks per multiprocessor "
                 f"({kernel['blocks'] or 1} declared): {kernel_rules.occupancy(kernel):.0%} of its warps")
    return f"{text}, {sass.in_words(kernel['accesses'])}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="every kernel, not only the sums")
    args = parser.parse_args()
    nvcc = find_nvcc()
    if nvcc is None:
        print("nvcc report skipped: no nvcc in PATH, CUDA_HOME or /usr/local/cuda")
        return
    start = time.monotonic()
    build_dir = args.build_dir.resolve()
    cache = build_dir / "nvcc-cache"
    cache.mkdir(exist_ok=True)
    disassembler = sass.find_disassembler()
    tool = b"".join(subprocess.run([program, "--version"], stdout=subprocess.PIPE, check=True).stdout
                    for program in (nvcc, disassembler) if program)
    tool += pathlib.Path(__file__).read_bytes() + pathlib.Path(sass.__file__).read_bytes()
    sources = sorted([*(ROOT / "kernels").rglob("*.cu"), *(ROOT / "tests").rglob("*.cu")])

    def check(source):
        kept = cache / tidy.fingerprint(dict(file=str(source), command=""), tool)
        if kept.exists():
            return json.loads(kept.read_text()), ""
        kernels, complaint = compile_kernels(nvcc, disassembler, source, build_dir / "rooms")
        if kernels is not None:
            kept.write_text(json.dumps(kernels))
        return kernels, complaint

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(check, sources))
    bad = count = vectors = 0
    most = dict(registers=0, shared=0)
    for source, (kernels, complaint) in zip(sources, results):
        place = source.relative_to(ROOT)
        if kernels is None:
            print(f"{place}: nvcc fails\n{complaint}")
            bad += 1
            continue
        names = demangled([k["kernel"] for k in kernels])
        for kernel in kernels:
            count += 1
            vectors += kernel_rules.promises_vectors(kernel["kernel"])
            for what in most:
                most[what] = max(most[what], kernel[what])
            wrong = kernel_rules.faults(kernel, kernel_rules.plain_name(names[kernel["kernel"]]))
            bad += bool(wrong)
            if wrong or args.table:
                print(row(place, names[kernel["kernel"]], kernel) + "".join(f"; {w}" for w in wrong))
    print(f"nvcc: {len(sources)} sources, {count} kernels for {' and '.join(ARCHITECTURES)} in "
          f"{time.monotonic() - start:.0f} s; at most {most['registers']} registers and "
          f"{most['shared']} bytes of static shared memory; {bad} with faults")
    print(f"{vectors} kernels promise accesses of 16 bytes; read from "
          + ("machine code" if disassembler else "PTX: there is no nvdisasm to read machine code (see --help)"))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
