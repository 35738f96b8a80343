#!/usr/bin/env python3
"""Training on the cuda device: emulated in an emulated build, on a GPU otherwise.

The environment variable RELA_CUDA says how the programs were built: SIMT or ON.
"""

import lzma
import os
import re
import signal
import subprocess
import unittest

from programs import (APPS, CIFAR_RECORD_BYTES, DEVICE, DONE, SOURCE, TIMEOUT_S, WEIGHTS,
                      ProgramTest, environment)

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
        self.assert_near(cuda[0], cpu[0], "loss", 1e-5)  # before later steps amplify rounding
        self.assert_near(cuda[0], cpu[0], "feature_std", 1e-5)
        # Norms over 8 rows magnify rounding: even the CPU's AVX2 kernels differ by 7e-4 here.
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

    def test_views_of_the_cpu_and_of_the_device_train_alike(self):
        cifar = self.with_images()
        photographs = {"data": {"format": "imagefolder", "train_path": str(SOURCE / "tests/golden/images"),
                                "cache_dir": str(self.top)}}
        for name, changes in (("cifar", cifar), ("photographs", {**cifar, **photographs})):
            cpu, device = (self.trained(f"{name}-{where}", changes={**changes, "data.augment_on": where})
                           .events("train") for where in ("cpu", "device"))
            self.assertEqual(len(device), self.STEPS)
            for there, here in zip(device, cpu):
                self.assert_near(there, here, "loss", 1e-3)
            self.assert_near(device[0], cpu[0], "loss", 1e-5)
            self.assertNotEqual([e["grad_norm"] for e in device], [e["grad_norm"] for e in cpu])

    def test_where_views_are_rendered_stays(self):
        self.trained("run", "--max-steps", 2, changes=self.changes)
        result = self.train("run", "--resume", "auto", changes={**self.changes, "data.augment_on": "cpu"})
        self.assertFails(result, WEIGHTS, 'data.augment_on: "device" in the checkpoint, "cpu" now')

    def test_memory_is_steady_after_the_first_steps(self):
        events = self.trained("run", changes=self.changes).events("train")
        allocations = [event["system_allocations"] for event in events]
        self.assertEqual(allocations[2:], [allocations[2]] * (self.STEPS - 2))

    def test_twenty_steps_agree_with_the_cpu(self):
        changes = {**self.changes, "max_steps": 20, "backbone.width": 4, "checkpoint.every_steps": 0,
                   "augmentations": [{"crop_size": 16}]}
        cuda = self.trained("cuda", changes=changes).events("train")
        cpu = self.trained("cpu", changes={**changes, "device": "cpu"}).events("train")
        self.assertEqual([event["step"] for event in cuda], list(range(1, 21)))
        for there, here in zip(cuda, cpu):
            self.assert_near(there, here, "loss", 1e-3)

    def test_killed_and_resumed_it_ends_with_the_same_bits(self):
        images = self.with_images()
        for augment_on in ("device", "cpu"):
            self.check_resume(augment_on, {**images, "data.augment_on": augment_on})

    def check_resume(self, name, images):
        steps = 12  # some are replayed both before the kill and after it
        changes = {**images, "max_steps": steps, "cuda_graph": "on", "backbone.width": 4}
        whole = self.trained(f"{name}-whole", changes=changes)
        process, cut = self.start_training(f"{name}-cut", changes=changes)
        self.wait_until(lambda: cut.checkpoint_steps()[-1:] >= [7], process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertLess(cut.checkpoint_steps()[-1], steps, "it ended before the kill")
        self.trained(f"{name}-cut", "--resume", "auto", changes=changes)
        self.assertEqual(cut.results(steps), whole.results(steps))
        self.assertEqual(cut.losses(), whole.losses())
        cpu = self.trained(f"{name}-cpu", changes={**changes, "device": "cpu"})
        self.assertEqual(len(cut.losses()), steps)
        for (step, there), (_, here) in zip(cut.losses(), cpu.losses()):
            self.assertAlmostEqual(there, here, delta=1e-3 * abs(here), msg=f"loss of step {step}")

    def test_recorded_steps_give_the_bits_of_those_that_are_not(self):
        # Rates, decay and tau change from step to step; the ReLA phase ends halfway.
        changes = self.with_images(**{
            "max_steps": 14, "backbone.width": 4, "checkpoint.every_steps": 0,
            "eval.knn_every_epochs": 1, "scheduler": {"name": "warmup_cosine", "warmup_epochs": 1},
            "momentum": {"base_tau": 0.9, "final_tau": 1.0}, "optimizer.weight_decay": 0.1,
            "augmentations": [{"crop_size": 16}]})
        rela = {"method": "rela_byol", "rela.train_map": True,
                "rela.switch": {"mode": "fixed", "fraction": 0.5}}
        for name, more, graphs in (("byol", {}, 1), ("rela", rela, 2),
                                   ("supervised", {"method": "supervised"}, 1)):
            runs = {}
            for graph in ("on", "off"):
                runs[graph] = self.trained(f"{name}-{graph}",
                                           changes={**changes, **more, "cuda_graph": graph})
                log = (runs[graph].folder / "train.log").read_text()
                self.assertEqual(len(re.findall(r"recorded as a graph of \d+ nodes", log)),
                                 graphs if graph == "on" else 0)
            self.assertEqual(runs["on"].losses(), runs["off"].losses())
            self.assertEqual(len(set(runs["on"].losses())), 14)
            self.assertEqual(runs["on"].results(14), runs["off"].results(14))
            allocations = [e["system_allocations"] for e in runs["on"].events("train")]
            self.assertEqual(allocations[-1], allocations[-4])

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
        self.assert_names_build_and_kernels(result.stdout)
        self.assertNotIn("kernels on cpu", result.stdout)

    def assert_names_build_and_kernels(self, text):
        self.assertRegex(text, r"(?m)^build +\w+, \w+ \d")
        self.assertRegex(text, r"(?m)^cuda +" + ("emulated on the CPU, toolkit CUDA 13" if EMULATED
                                                 else r"CUDA 13\.\d+, driver for CUDA 13"))
        libraries = ("oneDNN",) if EMULATED else ("oneDNN", "cuDNN", "cuBLASLt")
        self.assertRegex(text, "(?m)^libraries +" + ", ".join(rf"{name} \d+\.\d+\.\d+"
                                                             for name in libraries))
        self.assertRegex(text, r"(?m)^gpu 0 .*, compute capability \d+\.\d, \d+ multiprocessors, ")
        kernels = dict(re.findall(r"(?m)^  (\S.*?)  +(\S.*)$",
                                  text[text.index("kernels on cuda"):]))
        expected = {"conv2d": "cuDNN", "linear": "cuBLASLt",
                    "linear backward bias": "built-in", "batch_norm": "built-in"}
        expected |= dict.fromkeys(["top_k_similarity", "transport_loss"],
                                  "fused kernel or cuBLASLt tiles, measured")
        self.assertLessEqual(expected.items(), kernels.items())
        self.assertNotIn("none", kernels.values())

    def test_version_names_the_build(self):
        result = run("--version")
        self.assertExit(result, DONE)
        self.assertTrue(result.stdout.startswith("rela "))
        self.assert_names_build_and_kernels(result.stdout)
        self.assertIn("kernels on cpu", result.stdout)

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


@unittest.skipUnless(EMULATED, "only the emulator can claim another machine")
class OtherMachines(ProgramTest):
    """Machines and kernels simulated by the emulator, set by its environment variables."""

    def assert_refused(self, *words, **machine):
        for flags in (["--check"], ["--out", self.top / "run"]):
            result = run(self.write_config({"device": "cuda"}), *flags, **machine)
            self.assertFails(result, DEVICE, *words, '"device": "cpu"')
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)

    def test_without_a_gpu(self):
        self.assert_refused("no usable GPU was found (no CUDA-capable device is detected)",
                            "nvidia-smi", RELA_SIMT_DEVICES="0")

    def test_without_a_driver(self):
        self.assert_refused("no GPU driver is installed", "for CUDA 13.0 or newer",
                            RELA_SIMT_DRIVER="0")

    def test_with_a_driver_older_than_the_toolkit(self):
        self.assert_refused("the GPU driver serves CUDA up to 12.4, this build uses CUDA 13.0",
                            "install a newer driver", RELA_SIMT_DRIVER="12040")

    def test_with_an_old_gpu(self):
        self.assert_refused("compute capability 7.5", "8.0 or higher is needed",
                            "CUDA_VISIBLE_DEVICES", RELA_SIMT_CAPABILITY="7.5")

    def test_a_machine_without_a_gpu_still_tells_its_version(self):
        result = run("--version", RELA_SIMT_DEVICES="0")
        self.assertExit(result, DONE)
        self.assertIn("no usable GPU was found", result.stdout)

    def test_exhausted_memory_says_who_holds_it(self):
        config = self.write_config({"device": "cuda", "backbone.width": 16})
        result = run(config, "--out", self.top / "run", RELA_SIMT_MEMORY_MIB="12")
        self.assertFails(result, DEVICE, "lower batch_size")
        self.assertRegex(result.stderr, "cuda memory: wanted [0-9.]+ MiB more, [0-9.]+ MiB in use: "
                         "[0-9.]+ MiB of parameters and their gradients.*, [0-9.]+ MiB of the GPU's "
                         "12.0 MiB free, 0 B with the driver and other programs")

    @unittest.skipIf(os.environ.get("RELA_SANITIZE"), "sanitizers end the process themselves")
    def test_an_invalid_access_names_the_kernel_and_ends_the_run(self):
        for kernel in ("batch_norm", "byol_row"):
            config = self.write_config({"device": "cuda"})
            result = run(config, "--out", self.top / kernel, RELA_SIMT_BREAK=kernel)
            self.assertFails(result, DEVICE, "invalid access to (nil), which is no device memory",
                             "launched at kernels/", "--resume auto")
            self.assertRegex(result.stderr, rf"cuda: \w*{kernel}\w*(<.*>)?, block \(0,0,0\)")


if __name__ == "__main__":
    unittest.main()
