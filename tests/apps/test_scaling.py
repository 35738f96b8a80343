#!/usr/bin/env python3
"""The model of bench/scaling.py: what must hold whatever is assumed, and that its picture is the committed one."""

import dataclasses
import pathlib
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "bench"))

import scaling  # noqa: E402


class Scaling(unittest.TestCase):
    def test_the_network_has_the_parameters_of_torchvisions(self):
        self.assertEqual(sum(layer.parameters for layer in scaling.resnet50()), 25_557_032 - (2048 * 1000 + 1000))
        forward = sum(layer.multiplications for layer in scaling.resnet50())
        self.assertAlmostEqual(forward / 1e9, 4.09, delta=0.01)
        norms = [layer for layer in scaling.ONLINE if layer.channels > 0]
        self.assertEqual(2 * len(norms) + len([layer for layer in scaling.TARGET if layer.channels > 0]), 164)

    def test_one_gpu_has_its_rate_and_more_gpus_never_more_than_theirs(self):
        for is_weak in (True, False):
            table = scaling.rows(scaling.Settings(), is_weak)
            self.assertAlmostEqual(table[0]["efficiency"], 1)
            shares = [row["efficiency"] for row in table]
            self.assertEqual(shares, sorted(shares, reverse=True))
            rates = [row["images_per_s"] for row in table]
            self.assertEqual(rates, sorted(rates))

    def test_a_step_is_never_shorter_than_its_sums_on_a_slow_network(self):
        settings = scaling.Settings(images_per_second=1e9, efficiency=1e-3, sync_batchnorm=False)
        parameters = sum(layer.parameters for layer in scaling.ONLINE)
        least = 2 * 1023 / 1024 * parameters * 4 / (8 * scaling.NETWORK_BYTES_PER_S * 1e-3)
        self.assertGreaterEqual(scaling.step_seconds(1024, 256, settings), least)
        in_bf16 = scaling.step_seconds(1024, 256, dataclasses.replace(settings, reduce_dtype="bf16"))
        self.assertAlmostEqual(in_bf16 / scaling.step_seconds(1024, 256, settings), 0.5, delta=0.01)

    def test_sums_beside_the_backward_pass_cost_less_than_one_after_the_other(self):
        settings = scaling.Settings(sync_batchnorm=False)
        one_bucket = dataclasses.replace(settings, bucket_mb=1e6)
        self.assertLess(scaling.step_seconds(64, 256, settings), scaling.step_seconds(64, 256, one_bucket))

    def test_the_picture_is_the_committed_one(self):
        committed = (SOURCE / "bench/results/model/scaling.svg").read_text(encoding="utf-8")
        self.assertEqual(scaling.draw(scaling.Settings()), committed)


if __name__ == "__main__":
    sys.exit(unittest.main())
