#!/usr/bin/env python3
"""Methods with a ReLA phase: what each phase trains, when it ends, and that a run goes on to the same bits."""

import json
import unittest

from programs import USAGE, WEIGHTS, ProgramTest, Run, write_cifar10

# 64 images in batches of 8: eight steps an epoch.
STEPS = 16
RELA = {"method": "rela_byol", "epochs": 2, "rela.switch": {"mode": "fixed", "fraction": 0.5},
        "checkpoint.every_steps": 2, "checkpoint.keep_last": 10}


class RelaTest(ProgramTest):
    def write_config(self, changes=None):
        path = super().write_config(changes)
        config = json.loads(path.read_text())
        if "epochs" in config:
            del config["max_steps"]
            path.write_text(json.dumps(config, indent=1))
        return path

    def phases(self, run):
        return [(line["step"], line["phase"]) for line in run.events("train")]

    def tensors(self, run, step):
        """Name -> bytes of a checkpoint's model."""
        data = (run.checkpoint(step) / "model.safetensors").read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8:8 + size])
        return {name: data[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]]
                for name, entry in header.items() if name != "__metadata__"}


class Phases(RelaTest):
    def test_switches_after_the_fixed_epochs_and_says_so(self):
        run = self.trained("run", changes=RELA)
        self.assertEqual(self.phases(run), [(s, "rela" if s <= 8 else "byol") for s in range(1, STEPS + 1)])
        (switch,) = run.events("phase_switch")
        self.assertEqual((switch["step"], switch["phase"]), (8, "byol"))
        self.assertLess(switch["rho"], 0.995)
        for key in ("slow", "fast"):
            self.assertIn(key, switch)
        (start,) = run.events("start")
        self.assertEqual((start["phase"], start["map"]), ("rela", "fixed"))

    def test_in_the_rela_phase_the_heads_and_a_fixed_map_rest(self):
        run = self.trained("run", changes=RELA)
        early, late = self.tensors(run, 2), self.tensors(run, 6)
        moved = {name for name in early if early[name] != late[name]}
        self.assertIn("backbone.conv1.weight", moved)
        self.assertFalse({n for n in moved if n.startswith(("projector.", "predictor.", "map."))}, moved)
        after = self.tensors(run, 12)
        self.assertNotEqual(after["projector.0.weight"], late["projector.0.weight"])
        self.assertNotIn("map.weight", after)

    def test_a_trained_map_moves(self):
        run = self.trained("run", changes={**RELA, "rela.train_map": True})
        early, late = self.tensors(run, 2), self.tensors(run, 6)
        self.assertNotEqual(early["map.weight"], late["map.weight"])

    def test_the_loss_is_a_cosine_distance_and_falls(self):
        run = self.trained("run", changes={**RELA, "epochs": 6, "optimizer.lr": 0.01,
                                             "rela.switch": {"mode": "never"}})
        losses = [loss for _, loss in run.losses()]
        self.assertTrue(all(0 <= loss <= 2 for loss in losses), losses)
        self.assertLess(sum(losses[-8:]), 0.97 * sum(losses[:8]))

    def test_a_run_that_ends_before_the_switch_says_so(self):
        result = self.train("run", changes={**RELA, "rela.switch": {"mode": "adaptive"}})
        self.assertExit(result, 0)
        self.assertIn("ended before the switch", result.stderr)
        self.assertFalse(Run(self.top / "run").events("phase_switch"))

    def test_a_fraction_of_no_epoch_is_plain_byol(self):
        byol = self.trained("byol", changes={"epochs": 2, "checkpoint.every_steps": 4})
        none = self.trained("none", changes={**RELA, "rela.switch": {"mode": "fixed", "fraction": 0.4}})
        self.assertEqual(none.results(STEPS), byol.results(STEPS))

    def test_rela_supervised_goes_over_to_labels(self):
        run = self.trained("run", changes={**RELA, "method": "rela_supervised"})
        self.assertEqual(self.phases(run)[7:9], [(8, "rela"), (9, "supervised")])
        plain = self.trained("plain", changes={"method": "supervised", "epochs": 2})
        self.assertEqual(self.phases(plain)[0], (1, "supervised"))


class SameBits(RelaTest):
    def assert_goes_on_from(self, step, changes):
        whole = self.trained("whole", changes=changes)
        run = self.trained("run", "--resume", whole.checkpoint(step), changes=changes)
        self.assertEqual(run.results(STEPS), whole.results(STEPS))
        self.assertEqual(run.losses(), whole.losses()[step:])

    def test_from_the_rela_phase(self):
        self.assert_goes_on_from(4, RELA)

    def test_from_the_rela_phase_with_a_trained_map(self):
        self.assert_goes_on_from(4, {**RELA, "rela.train_map": True})

    def test_from_the_switch(self):
        self.assert_goes_on_from(8, RELA)

    def test_from_the_second_phase(self):
        self.assert_goes_on_from(12, RELA)

    def test_from_the_rela_phase_of_a_supervised_run(self):
        self.assert_goes_on_from(4, {**RELA, "method": "rela_supervised"})

    def test_for_one_and_four_workers_at_a_ratio(self):
        changes = {**RELA, "data.ratio": 0.5, "epochs": 4}
        one = self.trained("one", changes=changes)
        four = self.trained("four", changes={**changes, "data.workers": 4})
        self.assertEqual(one.results(STEPS), four.results(STEPS))


class BadInput(RelaTest):
    def test_other_targets_than_the_checkpoint_learned_are_refused(self):
        data = write_cifar10(self.top / "data")
        changes = {**RELA, "data": {"format": "cifar10", "train_path": str(data), "workers": 1}, "epochs": 4,
                   "checkpoint.keep_last": 20}
        whole = self.trained("whole", changes=changes)
        path = data / "data_batch_1.bin"
        pixels = bytearray(path.read_bytes())
        pixels[1000] ^= 1
        path.write_bytes(pixels)
        self.assertFails(self.train("run", "--resume", whole.checkpoint(4), changes=changes), WEIGHTS,
                         "targets", "--overwrite")

    def test_an_embedding_narrower_than_pca_dim_is_refused(self):
        self.assertFails(self.train("run", changes={**RELA, "rela.pca_dim": 64}), USAGE, "pca_dim", "32")


if __name__ == "__main__":
    unittest.main()
