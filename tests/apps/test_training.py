#!/usr/bin/env python3
"""The results and files of a run: what must not change its bits, its schedules, memory and report."""

import json
import math
import os
import pathlib
import re
import unittest

from programs import DONE, ProgramTest, sha256


class SameBits(ProgramTest):
    def backbone(self, name, changes=None):
        return sha256(self.trained(name, changes=changes) / "exported/backbone.safetensors")

    def test_online_classifier_only_watches(self):
        self.assertEqual(self.backbone("with"), self.backbone("without", {"eval.online_linear": False}))

    def test_knn_evaluation_only_watches(self):
        self.assertEqual(self.backbone("with", {"eval.knn_every_epochs": 1, "max_steps": 9}),
                         self.backbone("without", {"max_steps": 9}))

    def test_loader_threads_change_nothing(self):
        self.assertEqual(self.backbone("one"), self.backbone("four", {"data.workers": 4}))

    def test_threads_of_the_arithmetic_change_only_how_weight_gradients_are_rounded(self):
        one = self.trained("one").losses()
        two = self.trained("two", changes={"threads": 2}).losses()
        self.assertEqual(one[0], two[0])  # before the first gradient
        for (_, a), (_, b) in zip(one, two):
            self.assertAlmostEqual(a, b, delta=1e-3 * a)

    def test_another_seed_is_another_run(self):
        self.assertNotEqual(self.backbone("one"), self.backbone("two", {"seed": 4}))


class Steps(ProgramTest):
    def test_summed_loss_is_twice_the_mean_loss_and_four_times_half_the_mean(self):
        first = {}
        for reduction in ("sum", "mean", "half_mean"):
            run = self.trained(reduction, "--max-steps", 1, changes={"byol.loss_reduction": reduction})
            first[reduction] = run.losses()[0][1]
        self.assertEqual(first["sum"], 2 * first["mean"])
        self.assertEqual(first["sum"], 4 * first["half_mean"])

    def test_rates_advance_once_per_optimiser_step_when_gradients_accumulate(self):
        changes = {"max_steps": 6, "scheduler.name": "cosine", "momentum.base_tau": 0.9,
                   "momentum.final_tau": 1.0}
        rates = {}
        for accum in (1, 2):
            run = self.trained(f"accum{accum}", changes={**changes, "accum_steps": accum})
            rates[accum] = [(line["step"], line["lr"], line["tau"]) for line in run.events("train")]
            state = json.loads((run.checkpoint(6) / "state.json").read_text())
            self.assertEqual((state["step"], state["optimizers"]["online"]["steps"]), (6, 6))
            self.assertEqual(run.events("start")[0]["effective_batch"], 8 * accum)
        self.assertEqual(rates[1], rates[2])
        for step, lr, tau in rates[2]:
            done = (step - 1) / 6
            self.assertAlmostEqual(lr, 0.001 * (1 + math.cos(math.pi * done)) / 2, delta=1e-9)
            self.assertAlmostEqual(tau, 1 - 0.1 * (1 + math.cos(math.pi * done)) / 2, delta=1e-6)


class Memory(ProgramTest):
    STEPS = 80
    GROWTH_KIB = 2048

    def test_steady_steps_ask_the_system_for_no_memory(self):
        process, run = self.start_training("run", changes={"max_steps": self.STEPS})
        self.assertEqual(process.wait(), DONE)
        allocations = [line["system_allocations"] for line in run.events("train")]
        self.assertGreater(allocations[0], 0)
        self.assertEqual(len(set(allocations[self.STEPS // 2:])), 1, allocations)

    @unittest.skipIf(os.environ.get("RELA_SANITIZE"),
                     "a sanitizer keeps freed memory back: what is resident is its own")
    def test_steady_steps_keep_no_more_memory_resident(self):
        process, run = self.start_training("run", changes={"max_steps": self.STEPS})
        resident = {}  # by number of finished steps, KiB

        def sample():
            try:
                text = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            except (ProcessLookupError, FileNotFoundError):
                return False
            found = re.search(r"VmRSS:\s+(\d+)", text)
            if found:
                resident[len(run.events("train"))] = int(found[1])
            return len(run.events("train")) >= self.STEPS - 1

        self.wait_until(sample, process)
        self.assertEqual(process.wait(), DONE)
        early = [kib for steps, kib in resident.items() if 20 <= steps < 35]
        late = [kib for steps, kib in resident.items() if 60 <= steps < self.STEPS]
        self.assertTrue(early and late, resident)
        self.assertLess(max(late) - max(early), self.GROWTH_KIB, resident)


class Report(ProgramTest):
    def test_page_stands_alone(self):
        run = self.trained("run", changes={"eval.knn_every_epochs": 1, "max_steps": 9})
        page = (run / "report.html").read_text()
        self.assertIn("</html>", page)
        self.assertIn("<svg", page)
        self.assertEqual(re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//[^"' >]*""", page, re.I), [])
        self.assertNotIn("<script src", page)
        self.assertNotIn("@import", page)


class Record(ProgramTest):
    def test_every_checkpoint_is_recorded_once(self):
        run = self.trained("run", changes={"checkpoint.every_steps": 2})
        self.assertEqual([line["step"] for line in run.events("checkpoint")], [2, 4])
        odd = self.trained("odd", changes={"checkpoint.every_steps": 3})
        self.assertEqual([line["step"] for line in odd.events("checkpoint")], [3, 4])

    def test_the_export_says_which_images_the_backbone_was_trained_on(self):
        run = self.trained("run")  # crops of 16 pixels
        trained = json.loads((run / "exported/config.json").read_text())["pretrained_cfg"]
        self.assertEqual(trained, {"input_size": [3, 16, 16], "mean": [0.485, 0.456, 0.406],
                                   "std": [0.229, 0.224, 0.225]})

    def test_finished_run_leaves_what_it_promises(self):
        run = self.trained("run")
        for name in ("config.json", "config.resolved.json", "env.json", "status.json", "run.lock",
                     "train.log", "metrics.jsonl", "checkpoints/latest", "exported/config.json"):
            self.assertTrue((run / name).exists(), name)
        self.assertEqual((run / "checkpoints/latest").read_text().strip(), "step-00000004")
        self.assertEqual(sorted(p.name for p in run.checkpoint(4).iterdir()),
                         ["DONE", "model.safetensors", "optimizer.safetensors", "state.json",
                          "target.safetensors"])
        for line in run.events("train"):
            for key in ("epoch", "time", "elapsed_s", "phase", "loss", "lr", "tau", "grad_norm",
                        "feature_std", "img_per_s", "iter_ms", "data_wait"):
                self.assertIn(key, line)


if __name__ == "__main__":
    unittest.main()
