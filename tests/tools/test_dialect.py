#!/usr/bin/env python3
"""Every rule of dialect.py fires on a breach, and ignores what merely looks like one."""

import pathlib
import tempfile
import unittest

import dialect

CLEAN = """#include "kernels/gpu/storage.h"
template <class T>
__global__ void __launch_bounds__(256)
    good_kernel(const T* x) {
  SIMT_SHARED(float, part, [8]);  // not __shared__, no asm
  // part[] is complete
  __syncthreads();
  __syncwarp();  // lanes read each other's rows
}
"""


class Dialect(unittest.TestCase):
    def found(self, text, name="kernels/norm/a_cuda.cu"):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True)
            path.write_text(text)
            return [f"{line}: {what}" for _, line, what in dialect.breaches(pathlib.Path(folder))]

    def assert_found(self, code, what):
        found = self.found(CLEAN + code + "\n")
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"10: {what}"), found)

    def test_clean_source_passes(self):
        self.assertEqual(self.found(CLEAN), [])

    def test_forbidden_words(self):
        self.assert_found("kernel<<<1, 2>>>(x);", "launch outside")
        self.assert_found('asm volatile("bar.sync 0;");', "raw asm")
        self.assert_found("namespace cg = cooperative_groups;", "cooperative_groups")
        self.assert_found("#include <cub/cub.cuh>", "CUB")
        self.assert_found("__shared__ float tile[32];", "plain __shared__")
        self.assert_found("unsigned mask = __activemask();", "__activemask")
        self.assert_found("#if __CUDA_ARCH__ >= 900", "code for one architecture")
        self.assert_found("__global__ void kernel(float* x) {}", "kernel without __launch_bounds__")

    def test_barriers_carry_their_reason(self):
        for barrier in ("__syncthreads();", "int n = __syncthreads_count(p);", "__syncwarp(mask);",
                        "simt::cp_async_wait<1>();", "simt::grid_sync();"):
            self.assert_found(f"  {barrier}", "barrier without its reason")
            self.assertEqual(self.found(CLEAN + f"  {barrier}  // the tile is full\n"), [])
            self.assertEqual(self.found(CLEAN + f"  // the tile is full\n  {barrier}\n"), [])

    def test_comments_and_literals_do_not_count(self):
        self.assertEqual(self.found(CLEAN + '// __syncthreads() and <<<1, 2>>>\nauto s = "asm";\n'), [])

    def test_the_launch_interface_and_host_headers_are_free(self):
        code = "__shared__ float x;\n"
        self.assertEqual(self.found(code, "kernels/simt/cuda/dialect.h"), [])
        self.assertEqual(self.found(code, "kernels/norm/contract.h"), [])
        self.assertEqual(len(self.found("__device__ int f();\n" + code, "kernels/norm/tile.h")), 1)


if __name__ == "__main__":
    unittest.main()
