#!/usr/bin/env python3
"""bench/step_model.py: its arithmetic, the committed traces, and, with an emulated GPU, a trace of its own."""

import collections
import io
import json
import os
import pathlib
import sys
import unittest
from contextlib import redirect_stdout
from unittest import mock

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "bench"))

import gpu_report  # noqa: E402
import scaling  # noqa: E402
import step_model  # noqa: E402

ROOFS = step_model.Roofs(flops=100e12, bandwidth=1e12)
TRACED = {"batches": [2, 4], "launches": [
    {"name": "copy<float>", "count": 3, "bytes": [2e6, 4e6], "flops": [0, 0]},
    {"name": "product", "count": 1, "bytes": [1e6, 1e6], "flops": [2e9, 4e9]}]}


def launch(name, read=0, written=0, flops=0):
    return {"name": name, "read": read, "written": written, "flops": flops}


class Arithmetic(unittest.TestCase):
    def test_a_launch_takes_the_longer_of_its_bytes_and_its_flops(self):
        p = step_model.predict(TRACED, 100, ROOFS)
        self.assertEqual((p.launches, p.bytes, p.flops), (4, 3 * 100e6 + 1e6, 100e9))
        self.assertAlmostEqual(p.roof_seconds, 3 * 100e-6 + 1e-3)  # the product's bytes would take 1 us
        self.assertAlmostEqual(p.seconds(share=0.5, launch_us=2), 2 * p.roof_seconds + 8e-6)
        self.assertEqual(p.kinds["copy"][:3], (3, 300e6, 0))

    def test_a_step_lies_between_updates(self):
        step = [launch("a"), launch("step_kernel<X>"), launch("step_kernel<Y>")]
        with mock.patch.object(step_model, "STEPS", 3):
            self.assertEqual(step_model.last_step([launch("setup"), *step, *step, *step, launch("end")]), step)
            with self.assertRaisesRegex(SystemExit, "2 updates in a trace of 3 steps"):
                step_model.last_step([*step, *step])
            with self.assertRaisesRegex(SystemExit, "steps differ"):
                step_model.last_step([*step, *step, launch("b"), *step])

    def test_a_folder_without_programs_is_named(self):
        with self.assertRaisesRegex(SystemExit, "no /nowhere/apps/train_byol; cmake --preset simt"):
            step_model.launches_of({}, 2, pathlib.Path("/nowhere"))

    def test_equal_launches_are_counted(self):
        small = [launch("a", 1, 2), launch("a", 1, 2), launch("b", flops=5)]
        large = [launch("a", 2, 4), launch("a", 2, 5), launch("b", flops=6)]
        self.assertEqual(step_model.merged(small, small),
                         [{"name": "a", "count": 2, "bytes": [3, 3], "flops": [0, 0]},
                          {"name": "b", "count": 1, "bytes": [0, 0], "flops": [5, 5]}])
        self.assertEqual([row["count"] for row in step_model.merged(small, large)], [1, 1, 1])
        with self.assertRaisesRegex(SystemExit, "depend on the batch"):
            step_model.merged(small, large[:2])


class Committed(unittest.TestCase):
    def setUp(self):
        self.traces = json.loads(step_model.TRACES.read_text())

    def test_the_flops_of_resnet50_are_those_of_its_layers(self):
        per_image = step_model.predict(self.traces["resnet50"], 1000, ROOFS).flops / 1000
        forward = [2 * sum(layer.multiplications for layer in layers) for layers in (scaling.ONLINE, scaling.TARGET)]
        stem = 2 * scaling.ONLINE[0].multiplications
        # Two views; the images need no gradient. The stem's three channels are padded to eight, three times.
        expected = 2 * (3 * forward[0] + forward[1] - stem + 3 * (8 / 3 - 1) * stem)
        self.assertAlmostEqual(per_image / expected, 1, delta=0.002)

    def test_the_readme_has_the_table(self):
        table = io.StringIO()
        with redirect_stdout(table), mock.patch.object(sys, "argv", ["step_model.py"]):
            step_model.main()
        self.assertIn(table.getvalue(), (SOURCE / "bench/README.md").read_text())

    def test_the_report_predicts_what_the_model_covers(self):
        rows = [{"width": width, "precision": precision, "batch_size": 512}
                for width, precision in ((64, "bf16-mixed"), (64, "fp32"), (2, "bf16-mixed"))]
        data = {"facts": {"gpu 0": "NVIDIA H200, compute capability 9.0"}, "steps": rows, "kernels": None}
        gpu_report.add_predictions(data)
        self.assertEqual(["predicted_img_per_s" in row for row in rows], [True, False, False])
        assumed = rows[0]["predicted_img_per_s"]
        self.assertLess(*assumed)
        data["kernels"] = {"kernels": [{"name": "copy/cuda/bytes:1", "bytes_per_second": 4.3e11},
                                       {"name": "product/cuda/n:1/math:exact/dtype:f32", "flops": 1e9},
                                       {"name": "product/cuda/n:1/math:exact/dtype:bf16", "flops": 7.9e13}]}
        gpu_report.add_predictions(data)  # a GPU ten times slower
        self.assertAlmostEqual(rows[0]["predicted_img_per_s"][0] / assumed[0], 0.1, delta=0.01)


@unittest.skipUnless(os.environ.get("RELA_CUDA") == "SIMT", "needs an emulated GPU")
class Traced(unittest.TestCase):
    WIDTH, SIDE, BATCH = 8, 8, 4

    def test_a_step_has_the_bytes_and_flops_of_its_layers(self):
        config = {"backbone": {"name": "resnet18", "width": self.WIDTH, "cifar_stem": True},
                  "augmentations": [{"crop_size": self.SIDE}]}
        step = step_model.last_step(step_model.launches_of(config, self.BATCH, pathlib.Path(os.environ["RELA_BUILD"])))
        named = collections.defaultdict(list)
        for x in step:
            named[x["name"].split("<")[0]].append(x)
        rows, images = self.SIDE * self.SIDE, 2 * self.BATCH
        block = 2 * images * rows * 9 * self.WIDTH * self.WIDTH
        # Of 16 convolutions in blocks, all but the first of three stages; and the stem, whose images are padded to
        # eight channels, as many as a block's; in both networks.
        self.assertEqual(sum(x["flops"] == block for x in named["convolution_forward"]), 2 * 14)
        self.assertEqual(sum(x["flops"] == block for x in named["convolution_backward_data"]), 13)
        activations = 2 * images * rows * self.WIDTH  # in bf16
        normalised = [x["written"] for x in named["batch_norm_normalise_kernel"]]
        self.assertEqual(normalised.count(activations), 2 * 5)  # the stem's and the first stage's
        self.assertEqual(max(normalised), activations)
        read = max(x["read"] for x in named["batch_norm_sum_kernel"])
        self.assertLessEqual(read, activations + 4096)
        self.assertGreaterEqual(read, activations)


if __name__ == "__main__":
    sys.exit(unittest.main())
