#!/usr/bin/env python3
"""nvcc_report.py understands ptxas, and rejects kernels over the limits."""

import unittest

import nvcc_report

PTXAS = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z4goodPf' for 'sm_80'
ptxas info    : Function properties for _Z4goodPf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 128 bytes smem, 380 bytes cmem[0]
ptxas info    : Compile time = 3.1 ms
ptxas info    : Compiling entry function '_Z5spillPf' for 'sm_90'
ptxas info    : Function properties for _Z5spillPf
    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers
"""
PTX = """
.visible .entry _Z4goodPf(
  .param .u64 _Z4goodPf_param_0
)
.maxntid 256
{
  ret;
}
.visible .entry _Z5spillPf(
  .param .u64 p
)
.maxntid 32, 16, 1
.minnctapersm 2
{ ret; }
.visible .entry _Z7nowherePf(
  .param .u64 p
)
{ ret; }
"""


class NvccReport(unittest.TestCase):
    def test_reads_what_ptxas_says(self):
        kernels = nvcc_report.parse_ptxas(PTXAS)
        self.assertEqual(kernels, {
            ("_Z4goodPf", "sm_80"): dict(registers=32, stack=0, spills=0, shared=128),
            ("_Z5spillPf", "sm_90"): dict(registers=255, stack=16, spills=20, shared=0)})

    def test_reads_launch_bounds(self):
        self.assertEqual(nvcc_report.parse_bounds(PTX), {"_Z4goodPf": 256, "_Z5spillPf": 512})

    def test_refuses_what_does_not_fit(self):
        good = dict(registers=64, threads=1024, spills=0, shared=48 * 1024)
        self.assertEqual(nvcc_report.faults(good), [])
        for change, fault in ((dict(spills=4), "spills 4 bytes"),
                              (dict(threads=0), "no __launch_bounds__"),
                              (dict(registers=65), "65 registers x 1024 threads"),
                              (dict(shared=48 * 1024 + 1), "static shared memory")):
            found = nvcc_report.faults({**good, **change})
            self.assertEqual(len(found), 1, found)
            self.assertIn(fault, found[0])


if __name__ == "__main__":
    unittest.main()
