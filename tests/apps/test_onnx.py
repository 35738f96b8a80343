#!/usr/bin/env python3
"""Exported ONNX models against the features that `embed` writes, in ONNX Runtime. Needs the Python packages
onnx, onnxruntime and numpy; skipped where they are missing."""

import importlib.util
import json
import struct
import unittest

from programs import DONE, ProgramTest, read_safetensors, run_program, shared_data, write_cifar10

MISSING = [name for name in ("numpy", "onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
LIMIT = 1e-4  # of the largest feature


@unittest.skipIf(MISSING, f"the Python packages {', '.join(MISSING)} are not installed")
class Onnx(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = write_cifar10(self.top / "data")

    def trained_backbone(self, name, **shape):
        changes = {"max_steps": 2, "batch_size": 8, "augmentations": [{"crop_size": 32}], "backbone": {"name": name, **shape}}
        return self.trained("-".join([name, *map(str, shape.values())]), changes=changes) / "exported/backbone.safetensors"

    def features(self, weights, model):
        """[images, width], as `embed` writes them."""
        out = self.top / "features.safetensors"
        self.assertExit(run_program("embed", "--weights", weights, "--model", model, "--image-size", 32, "--data", self.data,
                                    "--out", out, "--device", "cpu"), DONE)
        _, shape, raw = read_safetensors(out)["features"]
        return struct.unpack(f"<{shape[0] * shape[1]}f", raw), shape

    def images(self, trained):
        """The test images, [N, 3, 32, 32], normalised as the model wants it."""
        import numpy as np
        records = np.frombuffer((self.data / "test_batch.bin").read_bytes(), np.uint8).reshape(-1, 3073)
        pixels = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
        mean, std = (np.array(trained[key], np.float32).reshape(3, 1, 1) for key in ("mean", "std"))
        return (pixels - mean) / std

    def expect_same(self, weights, model):
        import numpy as np
        import onnx
        import onnxruntime
        file = self.top / "model.onnx"
        done = run_program("weights", "convert", weights, file, "--to", "onnx", "--model", model, "--overwrite")
        self.assertExit(done, DONE)
        proto = onnx.load(file)
        onnx.checker.check_model(proto, full_check=True)
        self.assertEqual([(o.domain, o.version) for o in proto.opset_import], [("", 17)])
        notes = {entry.key: entry.value for entry in proto.metadata_props}
        self.assertEqual(notes["model"], model)
        images = self.images(json.loads(notes["input"]))
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        values, shape = self.features(weights, model)
        want = np.array(values, np.float32).reshape(shape)
        for batch in (len(images), 1, 7):  # any number of images
            got = session.run(["features"], {"images": images[:batch]})[0]
            self.assertEqual(got.shape, (batch, shape[1]))
            miss = float(np.abs(got - want[:batch]).max() / np.abs(want).max())
            print(f"{model}: {batch} images, off by {miss:.1e}")
            self.assertLess(miss, LIMIT)

    def test_resnets(self):
        self.expect_same(self.trained_backbone("resnet18", width=4, cifar_stem=True), "resnet18")
        self.expect_same(self.trained_backbone("resnet34", width=4, cifar_stem=False), "resnet34")

    def test_bottlenecks(self):
        self.expect_same(self.trained_backbone("resnet50", width=4, cifar_stem=True), "resnet50")

    def test_shortcuts_without_parameters(self):
        self.expect_same(self.trained_backbone("resnet20_cifar"), "resnet20_cifar")

    def test_vision_transformers(self):
        self.expect_same(self.trained_backbone("vit_tiny_patch4_32"), "vit_tiny_patch4_32")
        self.expect_same(self.trained_backbone("vit_tiny_patch4_32", pooling="mean"), "vit_tiny_patch4_32")

    def test_published_weights(self):
        priors = shared_data("priors/akamaster_resnet_cifar10")
        if priors is None:
            self.skipTest("shared/data/priors is in no folder above the sources")
        self.expect_same(priors / "resnet20-12fca82f.th", "resnet20_cifar")


if __name__ == "__main__":
    unittest.main()
