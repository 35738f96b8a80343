#!/usr/bin/env python3
"""Every rule of rules.py fires on a breach, and ignores what merely looks like one."""

import pathlib
import tempfile
import unittest

import rules


class Rules(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def found(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return [f"{line}: {what}" for _, line, what in rules.breaches(self.root)]

    def assert_found(self, name, text, line, what):
        found = self.found(name, text)
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{line}: {what}"), found)

    def test_clean_source_passes(self):
        self.assertEqual(self.found("runtime/a.cpp", '#include "runtime/a.h"\n\nint x;\n'), [])

    def test_long_file(self):
        self.assertEqual(self.found("nn/a.cpp", "int x;\n" * rules.MAX_LINES), [])
        self.assert_found("nn/a.cpp", "int x;\n" * (rules.MAX_LINES + 1), rules.MAX_LINES, "401 lines")

    def test_headers(self):
        self.assert_found("nn/a.h", "int x;\n", 1, "header without #pragma once")
        heavy = "#pragma once\n#include <nlohmann/json{}.hpp>\n"
        self.assertEqual(self.found("nn/a.h", heavy.format("_fwd")), [])
        self.assert_found("nn/a.h", heavy.format(""), 2, "heavy include in a header")

    def test_one_dnn(self):
        for header in ("<dnnl.hpp>", "<dnnl.h>", "<oneapi/dnnl/dnnl.hpp>"):
            self.assert_found("kernels/conv/a.cpp", f"#include {header}\n", 1, "oneDNN outside kernels/libraries/dnnl")
            (self.root / "kernels/conv/a.cpp").unlink()
            for inside in ("kernels/libraries/dnnl/a.cpp", "bench/a.cpp"):
                self.assertEqual(self.found(inside, f"#include {header}\n"), [])
        self.assertEqual(self.found("kernels/conv/a.cpp", '#include "kernels/libraries/dnnl/plan.h"\n'), [])

    def test_relative_include(self):
        self.assert_found("nn/a.cpp", '#include "../runtime/a.h"\n', 1, "include from the root")

    def test_ending_the_process(self):
        for call in ("std::exit(1)", "::abort()", "assert(x)", "_exit(2)", "std::terminate()"):
            self.assert_found("rela/a.cpp", f"int x;\nvoid f() {{ {call}; }}\n", 2, "ends the process")
        for other in ("static_assert(x)", "app.exit(e)", "on_exit(f)", "e.exit_code()", 'f("exit(1)")'):
            self.assertEqual(self.found("rela/a.cpp", f"void f() {{ {other}; }}  // exit(1)\n"), [])
        (self.root / "rela/a.cpp").unlink()
        self.assertEqual(self.found("apps/main.cpp", "int main() { exit(0); }\n"), [])

    def test_launch_outside_the_interface(self):
        self.assert_found("kernels/a.cu", "f<<<1, 32>>>(x);\n", 1, "kernel launch")

    def test_paths_of_one_machine(self):
        for top in ("work", "root", "home"):
            self.assert_found("apps/a.sh", f"ls\ncd /{top}/x\n", 2, "path of one machine")
        self.assertEqual(self.found("apps/a.sh", 'cd $x/home/ build/work/\n'), [])

    def test_unfinished(self):
        self.assert_found("nn/a.cpp", "// TO" "DO: more\n", 1, "unfinished")

    def test_tests_that_say_nothing(self):
        self.assert_found("tests/a.cpp", "GTEST_SKIP" "();\n", 1, "skip without a reason")
        self.assert_found("tests/a.cpp", "TEST(A, DISABLED" "_B) {}\n", 1, "test that is off")
        self.assert_found("tests/a.cpp", "EXPECT_TRUE(true);\n", 1, "claim that cannot fail")
        self.assertEqual(self.found("tests/a.cpp", 'GTEST_SKIP() << "no data";\n'), [])

    def test_missing_last_newline(self):
        self.assert_found("README.md", "text", 1, "no newline at the end")

    def test_strangers_at_the_root(self):
        self.assert_found("NOTES.md", "text\n", 1, "does not belong at the root")

    def test_builds_and_runs_are_left_alone(self):
        self.assertEqual(self.found("build/a.cpp", "assert(x)"), [])
        self.assertEqual(self.found("build-debug/a.cpp", "assert(x)"), [])
        self.assertEqual(self.found("runs/a.json", "{}"), [])
        self.assertEqual(self.found("data/a.txt", "x"), [])
        self.assert_found("rela/data/a.cpp", "int x;", 1, "no newline at the end")


if __name__ == "__main__":
    unittest.main()
