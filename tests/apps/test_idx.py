#!/usr/bin/env python3
"""Every program on data in IDX form: small files of the test's, and Fashion-MNIST where it is installed."""

import gzip
import json
import math
import pathlib
import random
import struct
import unittest

from programs import DATA, DONE, ProgramTest, Run, read_safetensors, run_program

FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist
CLASSES = 5


def idx(dims, values):
    return struct.pack(f">BBBB{len(dims)}I", 0, 0, 8, len(dims), *dims) + bytes(values)


def write_idx(folder, height=28, width=28, train=48, test=30, name=""):
    """A tiny set of MNIST's form, the training half gzipped; a class is a shade."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    for split, count, pack in (("train", train, gzip.compress), ("test" if name else "t10k", test, bytes)):
        ending = ".gz" if split == "train" else ""
        labels = [i % CLASSES for i in range(count)]
        pixels = bytes(50 * label + rng.randrange(50) for label in labels for _ in range(height * width))
        (folder / f"{name}{split}-images-idx3-ubyte{ending}").write_bytes(
            pack(idx((count, height, width), pixels)))
        (folder / f"{name}{split}-labels-idx1-ubyte{ending}").write_bytes(pack(idx((count,), labels)))
    return folder


class IdxTest(ProgramTest):
    def data(self, folder, crop_size=28):
        return {"data": {"format": "idx", "train_path": str(folder), "workers": 1},
                "augmentations": [{"crop_size": crop_size}]}

    def result(self, program, *args):
        done = run_program(program, *args)
        self.assertExit(done, DONE)
        return json.loads(done.stdout.splitlines()[-1])


class SmallFiles(IdxTest):
    def test_trains_evaluates_and_embeds_images_of_any_size(self):
        for height, width, crop in ((28, 28, 28), (28, 28, 32), (20, 34, 16)):
            folder = write_idx(self.top / f"{height}x{width}", height, width)
            out = f"run-{height}-{crop}"
            run = self.trained(out, changes=self.data(folder, crop) | {"eval.knn_every_epochs": 1})
            where = ("--run", self.top / out, "--format", "idx", "--data", folder)
            self.assertEqual([e["total"] for e in run.events("eval") if e["protocol"] == "knn"], [30, 30])
            self.assertEqual(self.result("evaluate", "knn", *where, "--k", 5)["total"], 30)
            linear = self.result("evaluate", "linear", *where, "--epochs", 2)
            self.assertEqual((linear["protocol"], linear["total"]), ("linear_rela", 30))
            features = self.top / f"{out}.safetensors"
            embedded = self.result("embed", *where, "--split", "train", "--out", features)
            self.assertEqual(embedded["images"], 48)
            self.assertEqual(read_safetensors(features)["features"][1], [48, embedded["width"]])

    def test_pixels_are_compared_at_the_size_of_the_files(self):
        folder = write_idx(self.top / "data", 20, 34)
        command = ("evaluate", "knn", "--pixels", "--format", "idx", "--data", folder, "--k", 5)
        self.assertEqual(self.result(*command)["settings"]["width"], 20 * 20 * 3)
        self.assertEqual(self.result(*command, "--image-size", 8)["settings"]["width"], 8 * 8 * 3)

    def test_targets_belong_to_the_images(self):
        folder = write_idx(self.top / "data")
        changes = self.data(folder) | {"method": "rela_byol", "max_steps": 2, "data.ratio": 1,
                                       "rela.targets_path": str(self.top / "targets.bin")}
        first = self.trained("first", changes=changes)
        again = self.trained("again", changes=changes)
        self.assertEqual(first.events("start")[0]["targets"], again.events("start")[0]["targets"])
        images = folder / "train-images-idx3-ubyte.gz"
        content = bytearray(gzip.decompress(images.read_bytes()))
        content[-1] ^= 255
        images.write_bytes(gzip.compress(content))
        other = self.trained("other", changes=changes)
        self.assertNotEqual(first.events("start")[0]["targets"], other.events("start")[0]["targets"])

    def test_one_of_several_sets_is_named_by_its_file(self):
        folder = write_idx(self.top / "emnist", name="emnist-digits-")
        write_idx(folder, test=20, name="emnist-balanced-")
        self.assertFails(self.train("run", "--check", changes=self.data(folder)), DATA, folder,
                         "emnist-balanced-train-images-idx3-ubyte.gz", "emnist-digits-train-images")
        one = folder / "emnist-balanced-train-images-idx3-ubyte.gz"
        result = self.train("run", "--check", changes=self.data(one))
        self.assertExit(result, DONE)
        self.assertIn("48 training and 20 test images", result.stdout)

    def test_bad_files_end_with_their_name_and_offset(self):
        folder = write_idx(self.top / "data")
        images = folder / "t10k-images-idx3-ubyte"
        good = images.read_bytes()
        packed = (folder / "train-images-idx3-ubyte.gz").read_bytes()
        for content, words in ((good[:-1], ("offset 4", "truncated")),
                               (good + b"x", (f"offset {len(good)}", "padded")),
                               (packed[:-9], (f"offset {len(packed) - 9}", "truncated")),
                               (packed, ("48 images at offset 4", "30 labels")),
                               (idx((30,), range(30)), ("00 00 08 01, labels at offset 0",))):
            images.write_bytes(content)
            self.assertFails(self.train("run", "--check", changes=self.data(folder)), DATA, images, *words)


@unittest.skipUnless((FASHION_MNIST / "train-images-idx3-ubyte.gz").exists(),
                     f"SKIP: {FASHION_MNIST} is not there; Debian's dataset-fashion-mnist puts it there")
class FashionMnist(IdxTest):
    def test_trains_on_debians_package(self):
        result = self.train("checked", "--check", changes=self.data(FASHION_MNIST))
        self.assertExit(result, DONE)
        self.assertIn("60000 training and 10000 test images", result.stdout)
        changes = self.data(FASHION_MNIST) | {"method": "supervised", "max_steps": 60, "batch_size": 32,
                                              "log_every_steps": 20, "optimizer.lr": 0.003,
                                              "backbone.width": 8}
        run = self.trained("run", changes=changes)
        losses = [loss for _, loss in run.losses()]
        self.assertLess(losses[-1], 0.9 * math.log(10))  # guessing gives log 10

    def test_a_run_that_stopped_goes_on_with_the_same_bits(self):
        changes = self.data(FASHION_MNIST) | {"max_steps": 4, "checkpoint.every_steps": 2}
        whole = self.trained("whole", changes=changes)
        stopped = changes | {"max_steps": 2}
        self.trained("parts", changes=stopped)
        self.trained("parts", "--resume", "auto", changes=changes)
        self.assertEqual(whole.results(4), Run(self.top / "parts").results(4))


if __name__ == "__main__":
    unittest.main()
