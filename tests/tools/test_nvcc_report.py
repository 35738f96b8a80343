#!/usr/bin/env python3
"""nvcc_report.py understands ptxas and nvdisasm, and rejects kernels that fall back."""

import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import kernel_rules
import nvcc_report
import sass

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
WHOLE = "_ZN4rela10add_kernelILNS_4RowsE0ENS_4Bf16EEEvPT0_"
RAGGED = WHOLE.replace("4RowsE0E", "4RowsE1E")
FLAT = "_ZN4rela10add_kernelIfEEvPKT_PS1_NS_9FlatRangeE"
MASKED = WHOLE.replace("10add_kernel", "27batch_norm_normalise_kernel")
NO_ACCESSES = {"counts": {}, "split": {"STG": 0, "LDG": 0}}
WIDE = "STG.E.128 desc[UR4][R2.64], R8"
IN_PIECES = ["STG.E desc[UR4][R2.64], R8", "STG.E desc[UR4][R2.64+0x4], R9", "FADD R1, R1, R8",
             "STG.E desc[UR4][R2.64+0x8], R10", "@!P0 STG.E desc[UR4][R2.64+0xc], R11"]


def disassembly(kernel, *instructions, architecture="sm_90"):
    """As nvdisasm prints a kernel."""
    lines = [f"\t.target\t{architecture}", f'\t.section\t.text.{kernel},"ax",@progbits', f".text.{kernel}:"]
    for at, instruction in enumerate(instructions):
        lines.append(instruction if instruction.startswith(".L") else f"        /*{16 * at:04x}*/    {instruction} ;")
    return "\n".join(lines)


def faults_of(kernel, *instructions, name="add_kernel"):
    """Of a kernel whose resources are in order."""
    found = sass.parse_sass(disassembly(kernel, *instructions))[kernel]
    return kernel_rules.faults(dict(kernel=kernel, architecture="sm_90", registers=32, threads=256, blocks=1,
                                    spills=0, stack=0, shared=0, accesses=found), name)


class NvccReport(unittest.TestCase):
    def test_reads_what_ptxas_says(self):
        kernels = nvcc_report.parse_ptxas(PTXAS)
        self.assertEqual(kernels, {
            ("_Z4goodPf", "sm_80"): dict(registers=32, stack=0, spills=0, shared=128),
            ("_Z5spillPf", "sm_90"): dict(registers=255, stack=16, spills=20, shared=0)})

    def test_reads_launch_bounds(self):
        self.assertEqual(nvcc_report.parse_bounds(PTX), {"_Z4goodPf": (256, 0), "_Z5spillPf": (512, 2)})

    def test_refuses_what_does_not_fit(self):
        good = dict(kernel="k", architecture="sm_90", registers=64, threads=1024, blocks=1, spills=0, stack=0,
                    shared=48 * 1024, accesses=NO_ACCESSES)
        self.assertEqual(kernel_rules.faults(good, "k"), [])
        for change, fault in ((dict(spills=4), "spills 4 bytes"),
                              (dict(stack=8), "a stack frame of 8 bytes"),
                              (dict(threads=0), "no __launch_bounds__"),
                              (dict(registers=65), "leave room for 0 blocks, not 1"),
                              (dict(blocks=2), "leave room for 1 blocks, not 2"),
                              (dict(shared=48 * 1024 + 1), "static shared memory")):
            found = kernel_rules.faults({**good, **change}, "k")
            self.assertEqual(len(found), 1, found)
            self.assertIn(fault, found[0])

    def test_counts_the_blocks_of_a_multiprocessor(self):
        def blocks(registers, threads, shared=0, architecture="sm_80"):
            return kernel_rules.resident_blocks(dict(registers=registers, threads=threads, shared=shared,
                                                    architecture=architecture))
        self.assertEqual(blocks(32, 256), 8)  # as many threads as there can be
        self.assertEqual(blocks(80, 256), 3)
        self.assertEqual(blocks(81, 256), 2)  # 88 registers are given
        self.assertEqual(blocks(168, 128), 3)
        self.assertEqual(blocks(16, 32), 32)  # as many blocks as there can be
        self.assertEqual(blocks(32, 256, shared=48 * 1024), 3)
        self.assertEqual(blocks(32, 256, shared=48 * 1024, architecture="sm_90"), 4)

    def test_a_known_frame_must_have_its_size(self):
        (name, architecture), (size, _) = next(iter(kernel_rules.KNOWN_FRAMES.items()))
        kernel = dict(kernel=name, architecture=architecture, registers=64, threads=128, blocks=1, spills=0,
                      stack=size, shared=0, accesses=NO_ACCESSES)
        self.assertEqual(kernel_rules.faults(kernel, name), [])
        for stack in (0, size + 8):
            self.assertEqual(kernel_rules.faults({**kernel, "stack": stack}, name),
                             [f"a stack frame of {stack} bytes where KNOWN_FRAMES has {size}"])

    def test_plain_names(self):
        for name in ("rela::(anonymous namespace)::add_kernel<(rela::Rows)1, rela::Bf16>", "rela::add_kernel", "add_kernel"):
            self.assertEqual(kernel_rules.plain_name(name), "add_kernel")


class MachineCode(unittest.TestCase):
    def test_finds_the_disassembler_of_a_python_package(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "nvidia/cu13/bin/nvdisasm"
            program.parent.mkdir(parents=True)
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
            nowhere = {"PATH": folder, "CUDA_HOME": folder}
            with mock.patch.dict(os.environ, nowhere, clear=True), mock.patch.object(sys, "path", [folder]):
                self.assertEqual(sass.find_disassembler(), str(program))
            with mock.patch.dict(os.environ, nowhere, clear=True), mock.patch.object(sys, "path", []):
                self.assertIsNone(sass.find_disassembler())

    def test_reads_accesses(self):
        text = disassembly(WHOLE, "LDG.E.128.CONSTANT R4, desc[UR4][R2.64]", "LDG.E.U8 R4, [R2.64+0x10]",
                           WIDE, "@P1 STG.E.U16 [R2.64+-0x2], R8", "STS.128 [R2], R8", "LDL.64 R2, [R1+0x8]",
                           architecture="sm_80")
        self.assertEqual(sass.architecture(text), "sm_80")
        self.assertEqual(sass.parse_sass(text)[WHOLE]["counts"],
                         {"LDG": {"16": 1, "1": 1}, "STG": {"16": 1, "2": 1}, "LDL": {"8": 1}})

    def test_reads_ptx(self):
        text = f"""
.target sm_90
.visible .entry {WHOLE}(
.param .u64 p
)
{{
ld.global.nc.v4.u32 {{%r1, %r2, %r3, %r4}}, [%rd1+16];
$L__BB0_1:
st.global.v4.b32 [%rd2], {{%r1, %r2, %r3, %r4}};
@%p1 st.global.u8 [%rd3+-1], %rs1;
st.shared.v4.f32 [%rd4], {{%f1, %f2, %f3, %f4}};
st.global.f32 [%rd2], %f1;
st.global.f32 [%rd2+4], %f1;
st.global.v2.f32 [%rd2+8], {{%f1, %f2}};
"""
        self.assertEqual(sass.architecture(text), "sm_90")
        self.assertEqual(sass.parse_ptx(text), {WHOLE: {
            "counts": {"LDG": {"16": 1}, "STG": {"16": 1, "1": 1, "4": 2, "8": 1}}, "split": {"STG": 1, "LDG": 0}}})

    def test_whole_rows_are_stored_16_bytes_at_a_time(self):
        self.assertEqual(faults_of(WHOLE, WIDE), [])
        self.assertEqual(faults_of(WHOLE, WIDE, "STG.E.64 [R6.64], R8"),
                         ["1 stores of 8 bytes beside those of 16"])
        self.assertEqual(faults_of(WHOLE, "LDG.E.128 R4, [R2.64]"), ["promises 16-byte stores but has no STG.128"])
        self.assertEqual(faults_of(RAGGED, *IN_PIECES), [])

    def test_stores_in_pieces_are_found(self):
        self.assertIn("1 stores of 16 bytes in pieces", faults_of(WHOLE, WIDE, *IN_PIECES))
        self.assertIn("1 stores of 16 bytes in pieces", faults_of(FLAT, WIDE, *IN_PIECES))
        self.assertIn("1 loads of 16 bytes in pieces",
                      faults_of(WHOLE, WIDE, *(f"LDG.E R{8 + i}, [R2.64+{4 * i:#x}]" for i in range(4))))

    def test_other_stores_are_none_in_pieces(self):
        tail = ["STG.E [R2.64], R8", "STG.E [R2.64+0x4], R8", ".L_x_1:", "STG.E [R2.64+0x8], R8",
                "STG.E [R2.64+0xc], R8"]  # in two blocks of instructions
        self.assertEqual(faults_of(FLAT, WIDE, *tail), [])
        strided = [f"STG.E [R2.64+{400 * i:#x}], R8" for i in range(8)]
        self.assertEqual(faults_of(FLAT, WIDE, *strided), [])

    def test_known_narrow_stores(self):
        name = "batch_norm_normalise_kernel"
        self.assertEqual(faults_of(MASKED, WIDE, "STG.E.U8 [R6.64], R8", name=name), [])
        self.assertEqual(faults_of(MASKED, WIDE, "STG.E [R6.64], R8", name=name),
                         ["1 stores of 4 bytes beside those of 16"])
        self.assertEqual(faults_of(FLAT, "STG.E.64 [R6.64], R8", name="sum_of_squares_kernel"), [])
        self.assertEqual(faults_of(FLAT, WIDE, name="sum_of_squares_kernel"),
                         ["has a STG.128: its entry in NARROW is out of date"])
        self.assertEqual(faults_of(WHOLE, WIDE, name="token_embed_backward_kernel"),
                         [f"0 {what} of 16 bytes in pieces: its entry in NARROW is out of date"
                          for what in ("stores", "loads")])

    def test_local_memory_is_refused_everywhere(self):
        self.assertEqual(faults_of("_Z4goodPf", "STL [R1], R2", "LDL.128 R4, [R1]"),
                         ["2 accesses to local memory (STL, LDL)"])


if __name__ == "__main__":
    unittest.main()
