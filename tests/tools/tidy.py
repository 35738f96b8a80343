#!/usr/bin/env python3
"""Runs clang-tidy over the sources of the compile database, in parallel.

A source that passed is not checked again until it, a header that it includes, its compile command,
the checks or clang-tidy itself change: BUILD/tidy-cache has one empty file per pass.
"""

import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time

import selection

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRODUCT_ROOMS = ("kernels", "runtime", "nn", "rela", "apps")
ALL_ROOMS = PRODUCT_ROOMS + ("bench", "tests")
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.M)
FINDING = re.compile(r"^(?=/\S+: (?:error|warning):)", re.M)
# Kernels always take their arguments by value; this check would take two thirds of clang-tidy's time on them.
KERNEL_CHECKS = "--checks=-performance-unnecessary-value-param"
ROOM_LINK = re.compile(r"\S*/rooms/\w+/")


def own_files(source, seen):
    """Adds `source` and every file of this project that it includes to `seen`."""
    if source in seen or not source.is_file():
        return seen
    seen.add(source)
    for name in INCLUDE.findall(source.read_bytes()):
        own_files(ROOT / name.decode(), seen)
    return seen


def fingerprint(entry, tool):
    digest = hashlib.sha256(tool + entry["command"].encode())
    for path in sorted(own_files(pathlib.Path(entry["file"]), set())):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def wanted(build_dir, rooms):
    entries = json.loads((build_dir / "compile_commands.json").read_text())
    return [e for e in entries if pathlib.Path(e["file"]).relative_to(ROOT).parts[0] in rooms]


def chosen(entries, picks):
    """Of the entries, those whose source changed, for each changed header the one that includes the fewest
    files, and the commit's part of the rest."""
    kept, fewest = set(), {}
    for entry in entries:
        files = {str(p.relative_to(ROOT)) for p in own_files(pathlib.Path(entry["file"]), set())}
        source = str(pathlib.Path(entry["file"]).relative_to(ROOT))
        if picks.has_changed(source) or picks.draws(source):
            kept.add(entry["file"])
        for header in files & picks.changed:
            fewest[header] = min(fewest.get(header, (len(files), entry["file"])), (len(files), entry["file"]))
    kept.update(file for _, file in fewest.values())
    return [entry for entry in entries if entry["file"] in kept]


def check(entry, build_dir, stamp):
    """What clang-tidy found in one source; empty if it is clean, which is recorded by the stamp."""
    options = [KERNEL_CHECKS] if entry["file"].endswith(".cu") else []
    run = subprocess.run(
        ["clang-tidy", "--quiet", "-p", str(build_dir), "--extra-arg=-Wno-unknown-warning-option",
         *options, entry["file"]],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode == 0:
        stamp.touch()
        return ""
    return run.stdout.strip() or run.stderr.strip() or f"{entry['file']}: status {run.returncode}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--scope", choices=("product", "all"), default="product")
    parser.add_argument("--except-in", type=pathlib.Path, metavar="DIR",
                        help="leave out the sources that this other build has")
    selection.add_argument(parser)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    build_dir = args.build_dir.resolve()
    start = time.monotonic()

    entries = wanted(build_dir, PRODUCT_ROOMS if args.scope == "product" else ALL_ROOMS)
    if args.except_in:
        others = {e["file"] for e in wanted(args.except_in.resolve(), ALL_ROOMS)}
        entries = [e for e in entries if e["file"] not in others]
    if not entries:
        sys.exit(f"{build_dir}: no sources to check; configure first")
    picks = selection.Selection(args.parts)
    print(f"clang-tidy on {picks}")
    stamped, entries = entries, chosen(entries, picks)
    cache = build_dir / "tidy-cache"
    cache.mkdir(exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], stdout=subprocess.PIPE, check=True).stdout
    tool = version + (ROOT / ".clang-tidy").read_bytes() + KERNEL_CHECKS.encode()

    stamps = {e["file"]: cache / fingerprint(e, tool) for e in stamped}
    stale = [e for e in entries if not stamps[e["file"]].exists()]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        findings = list(pool.map(lambda e: check(e, build_dir, stamps[e["file"]]), stale))
    for old in set(cache.iterdir()) - set(stamps.values()) if args.scope == "all" else ():
        old.unlink()

    # A finding in a header is reported again by each source that includes it.
    separate = [part for text in findings for part in FINDING.split(text) if part.strip()]
    for text in dict.fromkeys(ROOM_LINK.sub("", part) for part in separate):
        print(text.rstrip().replace(f"{ROOT}/", ""))
    bad = sum(map(bool, findings))
    print(f"clang-tidy: {len(entries)} sources, {len(stale)} checked anew in "
          f"{time.monotonic() - start:.0f} s, {bad} with findings")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
