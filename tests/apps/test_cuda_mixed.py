#!/usr/bin/env python3
"""Training in bf16 and f16 on the cuda device: emulated in an emulated build."""

import json
import unittest

from programs import DEVICE, NON_FINITE
from test_cuda import CudaTest


class MixedPrecisionTest(CudaTest):
    PRECISION = "bf16-mixed"

    def setUp(self):
        super().setUp()
        self.changes |= {"precision": self.PRECISION, "backbone.width": 4,
                         "augmentations": [{"crop_size": 16}]}

    def assert_near_fp32(self, share, norm_share, **changes):
        """For every method: losses within `share` of those of fp32, the first gradient's norm within
        `norm_share`. Batch norms over 8 images magnify rounding."""
        # SGD, because Adam is invariant to the scale of the gradient.
        images = self.with_images(**{"optimizer.name": "sgd", "optimizer.lr": 0.002,
                                     "rela.train_map": True, **changes})
        for method in ("byol", "supervised", "rela_byol"):
            config = {**images, "method": method}
            mixed = self.trained(f"{method}-mixed", changes=config)
            fp32 = self.trained(f"{method}-fp32", changes={**config, "precision": "fp32"})
            self.assertEqual(len(mixed.losses()), self.STEPS)
            for (step, there), (_, here) in zip(mixed.losses(), fp32.losses()):
                self.assertAlmostEqual(there, here, delta=share * abs(here),
                                       msg=f"{method}, step {step}")
            self.assertNotEqual(mixed.losses(), fp32.losses())
            norms = [run.events("train")[0]["grad_norm"] for run in (mixed, fp32)]
            self.assertAlmostEqual(norms[0], norms[1], delta=norm_share * norms[1])


class Bf16(MixedPrecisionTest):
    def test_losses_are_those_of_fp32(self):
        self.assert_near_fp32(5e-2, 1e-1)

    def test_it_goes_on_after_a_resume_with_the_same_bits(self):
        changes = self.with_images(max_steps=8, cuda_graph="on")
        whole = self.trained("whole", changes=changes)
        self.trained("cut", "--max-steps", 5, changes=changes)
        cut = self.trained("cut", "--resume", "auto", changes=changes)
        self.assertEqual(cut.results(8), whole.results(8))


class Fp16(MixedPrecisionTest):
    PRECISION = "fp16-mixed"

    def test_losses_are_those_of_fp32(self):
        self.assert_near_fp32(2e-2, 2e-2, **{"loss_scale.value": 1024})

    def test_a_finite_step_keeps_the_scale(self):
        run = self.trained("run", changes=self.with_images(**{"loss_scale.value": 1024}))
        self.assertEqual([e["loss_scale"] for e in run.events("train")], [1024] * self.STEPS)

    def test_too_large_a_scale_costs_steps_and_nothing_else(self):
        # Adam's first steps are as long as the learning rate: a step that was not skipped would show.
        changes = self.with_images(**{
            "max_steps": 14, "method": "supervised", "eval.online_linear": False,
            "cuda_graph": "on", "loss_scale.value": 2**24, "loss_scale.growth_interval": 3})
        whole = self.trained("whole", changes=changes)
        events = whole.events("train")
        scales = [event["loss_scale"] for event in events]
        halved = [2**(23 - i) for i in range(len(scales))]
        skipped = next(i for i in range(len(scales)) if scales[i] != halved[i])  # at the start
        self.assertIn(skipped, range(1, 11))
        self.assertEqual(events[skipped]["skipped_steps"], skipped)
        self.assertIn(2 * scales[skipped], scales[skipped:])  # the scale has grown again
        log = (whole.folder / "train.log").read_text()
        self.assertIn("step 1 is skipped: its gradient is not finite; loss scale 16777216", log)
        first = [self.trained(f"after-{step}", "--max-steps", step, changes=changes).results(step)
                 for step in (skipped - 1, skipped, skipped + 1)]
        self.assertEqual(first[0]["optimizer.safetensors"], first[1]["optimizer.safetensors"])
        self.assertNotEqual(first[1]["optimizer.safetensors"], first[2]["optimizer.safetensors"])

    def test_no_optimiser_counts_a_step_that_is_skipped(self):
        changes = self.with_images(**{"max_steps": 12, "method": "rela_byol", "rela.train_map": True,
                                      "loss_scale.value": 2**24})
        run = self.trained("run", changes=changes)
        skipped = run.events("train")[-1]["skipped_steps"]
        self.assertIn(skipped, range(1, 12))
        state = json.loads((run.checkpoint(12) / "state.json").read_text())
        steps = {name: counters["steps"] for name, counters in state["optimizers"].items()}
        # The classifier learns from features, which are finite, with a separate loss.
        self.assertEqual(steps, {"online": 12 - skipped, "map": 12 - skipped, "classifier": 12})

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
