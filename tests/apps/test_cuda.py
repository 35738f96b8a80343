#!/usr/bin/env python3
"""Training on the cuda device: emulated where the build is, on a GPU otherwise.

The environment variable RELA_CUDA says how the programs were built: SIMT or ON.
"""

import lzma
import os
import signal
import subprocess
import unittest

from programs import (APPS, CIFAR_RECORD_BYTES, DEVICE, DONE, SOURCE, TIMEOUT_S, ProgramTest,
                      environment)

EMULATED = os.environ.get("RELA_CUDA") == "SIMT"
FILES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
IMAGES_PER_FILE = 16


def real_cifar10(folder):
    """The first images of each of CIFAR-10's files, from shared/data/cifar10 above the checkout."""
    for above in SOURCE.parents:
        source = above / "shared/data/cifar10"
        if (source / (FILES[0] + ".xz")).exists():
            break
    else:
        raise unittest.SkipTest("no shared/data/cifar10 above the checkout")
    folder.mkdir()
    for name in FILES:
        with lzma.open(source / (name + ".xz")) as file:
            (folder / name).write_bytes(file.read(IMAGES_PER_FILE * CIFAR_RECORD_BYTES))
    return folder


def run(*args, **variables):
    return subprocess.run([APPS / "train_byol", *map(str, args)], env={**environment(), **variables},
                          text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False)


class CudaTest(ProgramTest):
    STEPS = 5

    def setUp(self):
        super().setUp()
        self.changes = {"device": "cuda", "max_steps": self.STEPS, "batch_size": 8,
                        "backbone.width": 8, "augmentations": [{"crop_size": 32}],
                        "optimizer.lr": 0.0001, "checkpoint.every_steps": 1}
        result = run(self.write_config({"device": "cuda"}), "--check")
        if not EMULATED and result.returncode == DEVICE:
            self.skipTest(result.stderr)
        self.assertExit(result, DONE)

    def with_images(self, **changes):
        data = {"data": {"format": "cifar10", "workers": 1,
                         "train_path": str(real_cifar10(self.top / "cifar"))}}
        return {**self.changes, **data, **changes}


class Training(CudaTest):
    def test_five_steps_on_real_images_agree_with_the_cpu(self):
        changes = self.with_images()
        cuda = self.trained("cuda", changes=changes).events("train")
        cpu = self.trained("cpu", changes={**changes, "device": "cpu"}).events("train")
        self.assertEqual([event["step"] for event in cuda], list(range(1, self.STEPS + 1)))
        for there, here in zip(cuda, cpu):
            self.assert_near(there, here, "loss", 1e-3)
        self.assert_near(cuda[0], cpu[0], "loss", 1e-5)  # before steps make more of the rounding
        self.assert_near(cuda[0], cpu[0], "feature_std", 1e-5)
        # Norms over 8 rows magnify rounding: the CPU's own kernels for AVX2 differ by 7e-4 here.
        self.assert_near(cuda[0], cpu[0], "grad_norm", 1e-2)
        self.assertEqual(cuda[0]["online_top1"], cpu[0]["online_top1"])

    def assert_near(self, there, here, key, share):
        self.assertAlmostEqual(there[key], here[key], delta=share * abs(here[key]),
                               msg=f"{key} of step {here['step']}")

    def test_every_method_trains_on_the_device(self):
        images = self.with_images(max_steps=2)
        for method in ("supervised", "rela_byol"):
            changes = {**images, "method": method}
            cuda = self.trained(f"{method}-cuda", changes=changes).events("train")
            cpu = self.trained(f"{method}-cpu", changes={**changes, "device": "cpu"}).events("train")
            self.assertEqual(len(cuda), 2)
            for there, here in zip(cuda, cpu):
                self.assert_near(there, here, "loss", 1e-3)

    def test_memory_is_steady_after_the_first_steps(self):
        events = self.trained("run", changes=self.changes).events("train")
        allocations = [event["system_allocations"] for event in events]
        self.assertEqual(allocations[2:], [allocations[2]] * (self.STEPS - 2))

    def test_killed_and_resumed_it_ends_with_the_same_bits(self):
        changes = self.with_images()
        whole = self.trained("whole", changes=changes)
        process, cut = self.start_training("cut", changes=changes)
        self.wait_until(lambda: cut.checkpoint_steps()[-1:] >= [2], process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertLess(cut.checkpoint_steps()[-1], self.STEPS, "it ended before the kill")
        self.trained("cut", "--resume", "auto", changes=changes)
        self.assertEqual(cut.results(self.STEPS), whole.results(self.STEPS))
        self.assertEqual(cut.losses(), whole.losses())

    def test_a_checkpoint_goes_on_on_the_other_device(self):
        for first, second in (("cuda", "cpu"), ("cpu", "cuda")):
            out = f"{first}-{second}"
            self.trained(out, "--max-steps", 2, changes={**self.changes, "device": first})
            run = self.trained(out, "--resume", "auto", changes={**self.changes, "device": second})
            self.assertEqual([step for step, _ in run.losses()], list(range(1, self.STEPS + 1)))

    def test_evaluation_and_accumulation_run_on_the_device(self):
        changes = self.with_images(**{"max_steps": 2, "accum_steps": 2, "eval.knn_every_epochs": 1})
        cuda = self.trained("cuda", changes=changes)
        cpu = self.trained("cpu", changes={**changes, "device": "cpu"})
        accuracies = [[(e["protocol"], e["correct"]) for e in run.events("eval")]
                      for run in (cuda, cpu)]
        self.assertEqual(len(accuracies[0]), len(accuracies[1]))
        for (protocol, there), (_, here) in zip(*accuracies):
            self.assertAlmostEqual(there, here, delta=2, msg=protocol)  # of 16: ties of near-equal votes


class Messages(CudaTest):
    def test_check_names_gpu_and_kernels(self):
        result = run(self.write_config({"device": "cuda"}), "--check")
        self.assertExit(result, DONE)
        for words in ("build ", "libraries  oneDNN", "gpu 0", "kernels on cuda", "conv2d"):
            self.assertIn(words, result.stdout)

    def test_version_names_the_build(self):
        result = run("--version")
        self.assertExit(result, DONE)
        self.assertTrue(result.stdout.startswith("rela "))
        self.assertIn("emulated on the CPU" if EMULATED else "CUDA 13", result.stdout)

    @unittest.skipUnless(EMULATED, "a GPU is no emulator")
    def test_the_emulator_says_what_it_is_and_is_not_taken_unasked(self):
        result = self.train("cuda", changes={**self.changes, "max_steps": 1})
        self.assertExit(result, DONE)
        self.assertIn("emulated on the CPU in this build", result.stderr)
        result = self.train("auto", changes={**self.changes, "max_steps": 1, "device": "auto"})
        self.assertExit(result, DONE)
        self.assertIn("device: cpu (auto: an emulated GPU", result.stderr)

    def test_hidden_gpus_are_explained(self):
        config = self.write_config({"device": "cuda"})
        self.assertFails(run(config, "--check", CUDA_VISIBLE_DEVICES=""), DEVICE,
                         'CUDA_VISIBLE_DEVICES is ""', "unset it", '"cpu"')


if __name__ == "__main__":
    unittest.main()
