#!/usr/bin/env python3
"""Share of the kernels' lines that the emulated tests executed (gcov), over kernels/**/*.cu and their headers.

usage: kernel_coverage.py --build-dir DIR [--min PERCENT]
The build was configured with RELA_COVERAGE=ON, and its cuda_kernel_tests has run.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def kernel_path(file):
    """A kernel's source, or a header that only kernels include, from kernels/ on; else None."""
    parts = pathlib.PurePath(file).parts
    if "kernels" not in parts:
        return None
    path = pathlib.PurePath(*parts[len(parts) - 1 - parts[::-1].index("kernels"):])
    is_kernel = path.suffix == ".cu" or path.name.endswith("_cuda.h") or path.parts[1] == "gpu"
    return path.as_posix() if is_kernel else None


def line_counts(build_dir):
    """{source: {line: executions}}, summed over all instances of templates."""
    data = sorted((build_dir / "kernels").rglob("*.cu.gcda"))
    if not data:
        sys.exit(f"{build_dir}: no coverage data; configure with -DRELA_COVERAGE=ON and run the tests")
    counts = collections.defaultdict(collections.Counter)
    for path in data:
        run = subprocess.run(["gcov", "--json-format", "--stdout", path.name], cwd=path.parent,
                             stdout=subprocess.PIPE, text=True, check=True)
        for document in filter(None, run.stdout.splitlines()):
            for source in json.loads(document)["files"]:
                name = kernel_path(source["file"])
                if name is None:
                    continue
                for line in source["lines"]:
                    counts[name][line["line_number"]] += line["count"]
    return counts


def untested_kernels(counts):
    return [p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "kernels").rglob("*.cu"))
            if p.relative_to(ROOT).as_posix() not in counts]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--min", type=float, default=95)
    args = parser.parse_args()
    counts = line_counts(args.build_dir.resolve())
    total = covered = 0
    for source, lines in sorted(counts.items()):
        missing = sorted(n for n, count in lines.items() if count == 0)
        total += len(lines)
        covered += len(lines) - len(missing)
        print(f"{100 * (1 - len(missing) / len(lines)):6.1f} %  {source}"
              + (f"   not run: {', '.join(map(str, missing))}" if missing else ""))
    for source in untested_kernels(counts):
        print(f"   no data  {source}")
    share = 100 * covered / total
    print(f"kernel coverage: {covered} of {total} lines, {share:.1f} %; at least {args.min:g} %")
    sys.exit(0 if share >= args.min and not untested_kernels(counts) else 1)


if __name__ == "__main__":
    main()
