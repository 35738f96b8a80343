#!/usr/bin/env python3
"""The arrows between rooms and folders, read from the includes; names that two headers of kernels/ define; files
that a README names and that are not there.

usage: structure.py [ROOT]     prints one line per breach; exit code 1 when there is one
       structure.py --draw     the folders of each room and what they include, as Mermaid charts

Rooms may include along  apps -> rela -> nn -> runtime -> kernels;  folders of one room may include each other
as long as no folder reaches itself again. In kernels/ that holds for the headers: a library's interface speaks
of an operation's dimensions, and the operation's source calls the library.
"""

import collections
import pathlib
import re
import sys

from rules import SOURCE_SUFFIXES, blank, project_files, report, root_of

ROOMS = ["kernels", "runtime", "nn", "rela", "apps"]  # each may include what stands before it
FENCED = re.compile(r"^```.*?^```$", re.S | re.M)
NAMED_FILE = re.compile(r"`([\w./-]+(?:\.(?:h|cpp|cu|cuh|py|sh|cmake)|/))`")
HEADER_SUFFIXES = {".h", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
# Namespace scope: clang-format indents nothing there.
DEFINITION = re.compile(
    r"^(?:template\s*<[^;{}]*>\s*\n)?"
    r"(?:(?:struct|class|enum\s+class)\s+(?P<type>\w+)[^;()]*\{|"
    r"(?:inline\s+)?constexpr\s+[\w:<>]+\s+(?P<constant>k\w+)\b)", re.M)


def includes(root):
    """(source, line, included file) of every include of another file of a room; paths relative to `root`."""
    for path in project_files(root):
        source = path.relative_to(root)
        if path.suffix not in SOURCE_SUFFIXES or source.parts[0] not in ROOMS:
            continue
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            target = pathlib.PurePath(match[1])
            if target.parts[0] in ROOMS:
                yield source, text.count("\n", 0, match.start(1)) + 1, target


def folder(path):
    """The folder of a room that a file belongs to; "." for files at the room's root."""
    return path.parts[1] if len(path.parts) > 2 else "."


def cycles(edges):
    """Sets of nodes that reach each other, each sorted. edges: {node: nodes}."""
    reached = {}
    for node in edges:
        seen, open_nodes = set(), [node]
        while open_nodes:
            for after in edges.get(open_nodes.pop(), ()):
                if after not in seen:
                    seen.add(after)
                    open_nodes.append(after)
        reached[node] = seen
    found = {tuple(sorted(n for n in reached[node] if node in reached.get(n, ()))) for node in edges
             if node in reached[node]}
    return sorted(found)


def folder_edges(found):
    """{room: {folder: {folder: (source, line)}}}: one example of each include between two folders."""
    edges = collections.defaultdict(lambda: collections.defaultdict(dict))
    for source, line, target in found:
        room, a, b = source.parts[0], folder(source), folder(target)
        if room == "kernels" and source.suffix not in HEADER_SUFFIXES:
            continue
        if target.parts[0] == room and a != b:
            edges[room][a].setdefault(b, (source, line))
    return edges


def arrow_breaches(found):
    for source, line, target in found:
        if ROOMS.index(target.parts[0]) > ROOMS.index(source.parts[0]):
            yield source, line, f"{source.parts[0]} may not include {target.parts[0]}: {target}"


def cycle_breaches(found):
    for room, edges in sorted(folder_edges(found).items()):
        for loop in cycles({a: set(b) for a, b in edges.items()}):
            for a in loop:
                for b in sorted(set(edges[a]) & set(loop)):
                    source, line = edges[a][b]
                    yield source, line, f"{room}: folders {', '.join(loop)} include each other; here {a} -> {b}"


def name_breaches(root):
    """Names that two headers of kernels/ define at namespace scope."""
    first = {}
    for path in project_files(root):
        relative = path.relative_to(root)
        if relative.parts[0] != "kernels" or path.suffix not in HEADER_SUFFIXES:
            continue
        code = blank(path.read_text(encoding="utf-8"))
        defined = {m["type"] or m["constant"]: code.count("\n", 0, m.end()) + 1 for m in DEFINITION.finditer(code)}
        for name, line in defined.items():
            if name in first:
                yield relative, line, f"{name} is defined in {first[name]} too"
            first.setdefault(name, relative)


def readme_breaches(root):
    """Sources, scripts and folders in `code` of a README that exist neither at the root nor beside it."""
    for readme in sorted(root.rglob("README.md")):
        relative = readme.relative_to(root)
        if relative.parts[0] != "README.md" and relative.parts[0] not in [*ROOMS, "bench", "tests"]:
            continue
        text = FENCED.sub(lambda m: "\n" * m.group().count("\n"), readme.read_text(encoding="utf-8"))
        in_room = len(relative.parts) > 1
        for match in NAMED_FILE.finditer(text):
            named = pathlib.PurePath(match[1])
            if named.parts[0] == "shared" or not (in_room or named.parts[0] in ROOMS):
                continue
            if not any((base / match[1]).exists() for base in (root, readme.parent)):
                yield relative, text.count("\n", 0, match.start()) + 1, f"{match[1]} does not exist"


def breaches(root):
    found = list(includes(root))
    yield from readme_breaches(root)
    yield from arrow_breaches(found)
    yield from cycle_breaches(found)
    yield from name_breaches(root)


def draw(root):
    for room, edges in sorted(folder_edges(list(includes(root))).items()):
        print(f"%% {room}\ngraph LR")
        for a in sorted(edges):
            for b in sorted(edges[a]):
                print(f"  {a} --> {b}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--draw"]:
        draw(root_of(sys.argv[:1]))
    else:
        report(breaches(root_of(sys.argv)), lambda count: f"structure: {count} broken")
