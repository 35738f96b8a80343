#!/usr/bin/env python3
"""Published weights on the whole test set of CIFAR-10: the known counts must match to the image."""

import json
import lzma
import unittest

from programs import DONE, ProgramTest, run_program, shared_data


class PublishedCounts(ProgramTest):
    def test_cifar_resnets_hit_their_published_counts(self):
        weights, images = shared_data("priors/akamaster_resnet_cifar10"), shared_data("cifar10")
        if weights is None or images is None:
            self.skipTest("shared/data/priors or shared/data/cifar10 is in no folder above the sources")
        data = self.top / "cifar10"
        data.mkdir()
        (data / "test_batch.bin").write_bytes(
            lzma.decompress((images / "test_batch.bin.xz").read_bytes()))
        for layers, correct in ((20, 9173), (56, 9339)):
            done = run_program("evaluate", "classify", "--model", f"resnet{layers}_cifar", "--weights",
                               weights / f"resnet{layers}.safetensors", "--data", data)
            self.assertExit(done, DONE)
            result = json.loads(done.stdout.splitlines()[-1])
            self.assertEqual((result["correct"], result["total"]), (correct, 10000))


if __name__ == "__main__":
    unittest.main()
