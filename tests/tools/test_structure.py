#!/usr/bin/env python3
"""structure.py finds every arrow, cycle and second definition that it is there for, and nothing else."""

import pathlib
import tempfile
import unittest

import structure


class Structure(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, name, *includes, text=""):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f'#include "{i}"\n' for i in includes) + text)

    def found(self):
        return [f"{path}:{line}: {what}" for path, line, what in structure.breaches(self.root)]

    def test_arrows_along_the_rooms_pass(self):
        self.write("apps/a.cpp", "rela/train/a.h", "runtime/error.h")
        self.write("rela/train/a.h", "nn/module.h", "rela/run/b.h", "rela/train/c.h")
        self.write("nn/module.h", "runtime/tensor.h", "nn/state.h")
        self.write("tests/a.cpp", "rela/train/a.h")
        self.assertEqual(self.found(), [])

    def test_arrow_against_the_rooms(self):
        self.write("runtime/ops/a.cpp", "kernels/types.h", "nn/module.h")
        self.assertEqual(self.found(), ["runtime/ops/a.cpp:2: runtime may not include nn: nn/module.h"])

    def test_cycle_between_folders(self):
        self.write("rela/eval/a.cpp", "rela/train/x.h")
        self.write("rela/train/x.h", "rela/run/y.h")
        self.write("rela/run/y.h", "rela/eval/a.h")
        self.write("rela/report/z.h", "rela/run/y.h")
        found = self.found()
        self.assertEqual(len(found), 3, found)
        self.assertIn("rela/eval/a.cpp:1: rela: folders eval, run, train include each other; here eval -> train", found)

    def test_sources_of_kernels_may_call_the_libraries_that_speak_of_them(self):
        self.write("kernels/libraries/cudnn/convolution.h", "kernels/conv/conv2d.h")
        self.write("kernels/conv/conv2d_cudnn.cpp", "kernels/libraries/cudnn/convolution.h")
        self.assertEqual(self.found(), [])
        self.write("kernels/conv/conv2d.h", "kernels/libraries/cudnn/convolution.h")
        self.assertEqual(len(self.found()), 2)

    def test_name_with_two_definitions(self):
        self.write("kernels/cpu/a.h", text="inline constexpr int kTile = 4;\nstruct Dims {\n  int kTile2;\n};\n")
        self.write("kernels/gpu/b.h", text="// kTile\nenum class Dims : uint8_t { kA };\nconstexpr int kTile2 = 1;\n")
        self.assertEqual(self.found(), ["kernels/gpu/b.h:2: Dims is defined in kernels/cpu/a.h too"])
        self.write("kernels/gpu/b.h", text="template <class T>\ninline constexpr int kTile = sizeof(T);\nstruct Dims;\n")
        self.assertEqual(self.found(), ["kernels/gpu/b.h:2: kTile is defined in kernels/cpu/a.h too"])

    def test_readmes_name_files_that_are_there(self):
        self.write("kernels/conv/conv2d.h")
        self.write("kernels/README.md", text="`conv/`, `kernels/conv/conv2d.h`, `conv/conv2d.h`, `<op>.h`, `a b.h`\n"
                                             "```sh\n`gone.sh`\n```\n`conv/gone.h`\n`gone/`\n")
        self.assertEqual(self.found(), ["kernels/README.md:5: conv/gone.h does not exist",
                                        "kernels/README.md:6: gone/ does not exist"])


if __name__ == "__main__":
    unittest.main()
