#!/usr/bin/env python3
"""evaluate, embed and transport on the cuda device against the CPU: emulated in an emulated build."""

import json
import os
import struct
import unittest

from programs import DEVICE, DONE, ProgramTest, read_safetensors, run_program, write_cifar10

EMULATED = os.environ.get("RELA_CUDA") == "SIMT"


class CudaEvaluation(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = write_cifar10(self.top / "cifar")
        probe = run_program("evaluate", "knn", "--pixels", "--data", self.data, "--image-size", 4, "--k", 1,
                            "--device", "cuda")
        if not EMULATED and probe.returncode == DEVICE:
            self.skipTest(probe.stderr)
        self.assertExit(probe, DONE)
        self.run_folder = self.trained("run", "--max-steps", 1, changes={"device": "cpu"}).folder

    def results(self, program, *args):
        """The last line's JSON on cuda and on the CPU."""
        found = []
        for device in ("cuda", "cpu"):
            done = run_program(program, *args, "--device", device)
            self.assertExit(done, DONE)
            self.assertIn(f"device: {device}", done.stderr)
            found.append(json.loads(done.stdout.splitlines()[-1]))
        return found

    def test_knn_of_pixels_and_of_a_run_counts_what_the_cpu_counts(self):
        for model in (("--pixels",), ("--run", self.run_folder)):
            cuda, cpu = self.results("evaluate", "knn", *model, "--data", self.data, "--k", 5)
            self.assertEqual(cuda, cpu)
            self.assertEqual(cuda["total"], 30)

    def test_a_linear_probe_counts_what_the_cpu_counts(self):
        cuda, cpu = self.results("evaluate", "linear", "--run", self.run_folder, "--data", self.data, "--epochs", 3)
        self.assertEqual(cuda, cpu)

    def test_neighbours_are_those_of_the_cpu(self):
        cuda, cpu = self.results("evaluate", "neighbours", "--untrained", self.run_folder, "--pixels", "--data",
                                 self.data, "--k", 3, "--out", self.top / "sheet.png")
        self.assertEqual(cuda["models"][1], cpu["models"][1])
        self.assertEqual(cuda["models"][0]["weights_sha256"], cpu["models"][0]["weights_sha256"])

    def test_too_many_neighbours_are_refused_before_the_work(self):
        done = run_program("evaluate", "knn", "--pixels", "--format", "synthetic", "--device", "cuda", "--k", 257)
        self.assertFails(done, DEVICE, "k: 257 neighbours on cuda; at most 256", "--device cpu")
        done = self.train("refused", changes={"device": "cuda", "eval.knn_every_epochs": 1, "eval.knn_k": 257})
        self.assertFails(done, DEVICE, "k: 257 neighbours on cuda; at most 256")
        self.assertEqual(done.stderr.count("step "), 0)

    def test_embedded_features_and_their_transport_are_those_of_the_cpu(self):
        files = {}
        for device in ("cuda", "cpu"):
            files[device] = self.top / f"{device}.safetensors"
            done = run_program("embed", "--run", self.run_folder, "--data", self.data, "--split", "train", "--out",
                               files[device], "--device", device)
            self.assertExit(done, DONE)
        cuda, cpu = (read_safetensors(files[device]) for device in ("cuda", "cpu"))
        self.assertEqual(cuda["labels"], cpu["labels"])
        self.assertEqual(cuda["features"][1], cpu["features"][1])
        there, here = (struct.unpack(f"<{len(t['features'][2]) // 4}f", t["features"][2]) for t in (cuda, cpu))
        for a, b in zip(there, here):
            self.assertAlmostEqual(a, b, delta=1e-4 * max(1, abs(b)))
        cuda, cpu = self.results("transport", "--from", files["cuda"], "--to", files["cpu"])
        for name in ("transport_residual", "cka", "cosine_distance"):
            self.assertAlmostEqual(cuda[name], cpu[name], places=4)

    @unittest.skipUnless(EMULATED, "a GPU is no emulator")
    def test_auto_does_not_take_the_emulator(self):
        done = run_program("evaluate", "knn", "--pixels", "--data", self.data, "--k", 5)
        self.assertFails(done, DONE, "device: cpu (auto: an emulated GPU")


if __name__ == "__main__":
    unittest.main()
