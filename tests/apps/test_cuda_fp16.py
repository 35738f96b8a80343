#!/usr/bin/env python3
"""Training in f16 on the cuda device, with the loss scaled: emulated where the build is."""

import unittest

from programs import DEVICE, NON_FINITE
from test_cuda import CudaTest


class Fp16(CudaTest):
    def setUp(self):
        super().setUp()
        self.changes |= {"precision": "fp16-mixed", "backbone.width": 4,
                         "augmentations": [{"crop_size": 16}]}

    def test_losses_are_those_of_fp32(self):
        images = self.with_images(**{"loss_scale.value": 1024})
        for method in ("byol", "supervised", "rela_byol"):
            changes = {**images, "method": method}
            fp16 = self.trained(f"{method}-fp16", changes=changes)
            fp32 = self.trained(f"{method}-fp32", changes={**changes, "precision": "fp32"})
            self.assertEqual(len(fp16.losses()), self.STEPS)
            for (step, there), (_, here) in zip(fp16.losses(), fp32.losses()):
                self.assertAlmostEqual(there, here, delta=2e-2 * abs(here),
                                       msg=f"{method}, step {step}")
            self.assertNotEqual(fp16.losses(), fp32.losses())
            norms = [run.events("train")[0]["grad_norm"] for run in (fp16, fp32)]
            self.assertAlmostEqual(norms[0], norms[1], delta=2e-2 * norms[1])  # unscaled
            self.assertEqual(fp16.events("train")[-1]["loss_scale"], 1024)

    def test_too_large_a_scale_costs_steps_and_nothing_else(self):
        # Adam's first steps are as long as the learning rate: one that counted would show.
        changes = self.with_images(**{
            "max_steps": 10, "method": "supervised", "eval.online_linear": False,
            "cuda_graph": "on", "loss_scale.value": 2**24, "loss_scale.growth_interval": 3})
        whole = self.trained("whole", changes=changes)
        events = whole.events("train")
        skipped = events[-1]["skipped_steps"]
        self.assertIn(skipped, range(1, 9))
        scales = [event["loss_scale"] for event in events]
        self.assertEqual(scales[:skipped], [2**(23 - i) for i in range(skipped)])
        self.assertGreater(scales[-1], scales[skipped - 1])  # it has grown again
        log = (whole.folder / "train.log").read_text()
        self.assertIn("step 1 is skipped: its gradient is not finite; loss scale 16777216", log)
        first = [self.trained(f"after-{step}", "--max-steps", step, changes=changes).results(step)
                 for step in (skipped - 1, skipped, skipped + 1)]
        self.assertEqual(first[0]["optimizer.safetensors"], first[1]["optimizer.safetensors"])
        self.assertNotEqual(first[1]["optimizer.safetensors"], first[2]["optimizer.safetensors"])

    def test_the_scale_goes_on_after_a_resume(self):
        changes = self.with_images(**{
            "max_steps": 8, "method": "supervised", "loss_scale.value": 2**24,
            "loss_scale.growth_interval": 2})
        whole = self.trained("whole", changes=changes)
        for stop in (1, 5):
            self.trained(f"cut-{stop}", "--max-steps", stop, changes=changes)
            cut = self.trained(f"cut-{stop}", "--resume", "auto", changes=changes)
            self.assertEqual(cut.results(8), whole.results(8))
            self.assertEqual([e["loss_scale"] for e in cut.events("train")],
                             [e["loss_scale"] for e in whole.events("train")])

    def test_a_static_scale_that_overflows_ends_the_run(self):
        changes = self.with_images(**{"loss_scale": {"mode": "static", "value": 2**24},
                                      "method": "supervised"})
        result = self.train("run", changes=changes)
        self.assertFails(result, NON_FINITE, "step 1: the gradient is not finite",
                         "at a loss scale of 16777216", "loss_scale.mode dynamic")

    def test_the_cpu_refuses_it(self):
        result = self.train("run", changes={**self.changes, "device": "cpu"})
        self.assertFails(result, DEVICE, "fp16-mixed needs device cuda", '"bf16-mixed"')


if __name__ == "__main__":
    unittest.main()
