#!/usr/bin/env python3
"""Runs of several processes, started by mpirun: they equal a run of one, and end together.

The environment variable RELA_RANKS_DEVICE names the device, "cpu" or "cuda"; with "cuda", emulated, only what
depends on it is tested, at the smallest sizes. RELA_RANKS_STEPS: length of the runs that are compared.
"""

import array
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

import programs
from programs import (APPS, DATA, DONE, STOPPED, USAGE, WEIGHTS, TIMEOUT_S, ProgramTest, Run, environment,
                      read_safetensors)

DISTRIBUTED = 7
DEVICE = os.environ.get("RELA_RANKS_DEVICE", "cpu")
IS_CPU = DEVICE == "cpu"
STEPS, BATCH, IMAGES = (20, 32, 128) if IS_CPU else (4, 8, 16)
STEPS = int(os.environ.get("RELA_RANKS_STEPS", STEPS))

# Rectifiers and small batches amplify a rounding tenfold per step; small steps and a batch of 32 keep it
# small for twenty of them. What is compared is how the weights changed.
PARITY = {"device": DEVICE, "max_steps": STEPS, "batch_size": BATCH, "optimizer.name": "sgd", "optimizer.lr": 1e-5,
          "data.synthetic_images": IMAGES, "checkpoint.every_steps": 1, "checkpoint.keep_last": STEPS,
          "distributed.bucket_mb": 0.0625, "eval.knn_every_epochs": 1 if IS_CPU else 0, "eval.knn_k": 5}
RELA = {"method": "rela_byol", "rela.switch": {"mode": "fixed", "fraction": 0.5}}
on_the_cpu = unittest.skipUnless(IS_CPU, "the same on every device")


def mpirun(*groups):
    """The command for groups of (processes, command)."""
    command = ["mpirun", "--oversubscribe", "--bind-to", "none"]
    for i, (processes, words) in enumerate(groups):
        command += ([":"] if i else []) + ["-np", str(processes), *map(str, words)]
    return command


def mpi_environment(**variables):
    return dict(environment(), OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                OMPI_MCA_orte_abort_print_stack="0", **variables)


def weights(run, step):
    """All numbers of a checkpoint's model, by name."""
    numbers = {}
    for name, (dtype, _, data) in read_safetensors(run.checkpoint(step) / "model.safetensors").items():
        if dtype == "F32":
            numbers[name] = array.array("f", data)
    return numbers


@unittest.skipUnless(shutil.which("mpirun"), "mpirun is not installed (Debian package openmpi-bin)")
class RanksTest(ProgramTest):
    def words(self, out, *args):
        return [APPS / "train_byol", self.top / "config.json", "--out", self.top / out, *args]

    def run_ranks(self, groups, **variables):
        return subprocess.run(mpirun(*groups), env=mpi_environment(**variables), text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False)

    def train_ranks(self, ranks, out, *args, changes=None):
        self.write_config(changes)
        return self.run_ranks([(ranks, self.words(out, *args))])

    def trained_ranks(self, ranks, out, *args, changes=None):
        self.assertExit(self.train_ranks(ranks, out, *args, changes=changes), DONE)
        return Run(self.top / out)

    def start_ranks(self, ranks, out, *args, changes=None):
        self.write_config(changes)
        process = subprocess.Popen(mpirun((ranks, self.words(out, "-q", *args))), env=mpi_environment(), text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   start_new_session=True)

        def end():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stderr.close()

        self.addCleanup(end)
        return process, Run(self.top / out)

    def ranks_of(self, out):
        """Process ids of the ranks of a run."""
        found = subprocess.run(["pgrep", "-f", f"train_byol .*--out {self.top / out}( |$)"], text=True,
                               stdout=subprocess.PIPE, check=False).stdout.split()
        names = {pid: program_of(pid) for pid in map(int, found)}
        return sorted(pid for pid, name in names.items() if name == "train_byol")


def program_of(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


class Parity(RanksTest):
    def assert_same(self, run, whole, steps=STEPS):
        ours, theirs = dict(run.losses()), dict(whole.losses())
        self.assertEqual(sorted(ours), list(range(1, steps + 1)))
        for step, loss in theirs.items():
            self.assertAlmostEqual(ours[step], loss, delta=1e-5 * abs(loss), msg=f"step {step}")
        before, after, mine = weights(whole, 1), weights(whole, steps), weights(run, steps)
        for name, values in after.items():
            self.assertEqual(len(values), len(mine[name]))
            change = math.dist(values, before[name]) if name in before else 0
            self.assertLessEqual(math.dist(values, mine[name]), 0.02 * change + 1e-6, name)

    def assert_ranks_equal_one(self, changes, ranks=(2, 4)):
        changes = {**PARITY, **changes}
        whole = self.trained("whole", changes=changes)
        for count in ranks:
            run = self.trained_ranks(count, f"ranks{count}", changes=changes)
            self.assert_same(run, whole)
            if not changes["eval.knn_every_epochs"]:
                continue
            # The untrained network is the same to the bit: so are its neighbours.
            first = [(e["step"], e["correct"], e["total"]) for e in whole.events("eval")][0]
            self.assertEqual([(e["step"], e["correct"], e["total"]) for e in run.events("eval")][0], first)

    def test_byol(self):
        self.assert_ranks_equal_one({"eval.knn_every_epochs": 1 if IS_CPU else 100})

    def test_rela_through_the_switch(self):
        self.assert_ranks_equal_one({**RELA, "rela.train_map": True})

    def test_supervised_with_accumulated_steps(self):
        self.assert_ranks_equal_one({"method": "supervised", "accum_steps": 2, "batch_size": BATCH // 2})

    @on_the_cpu
    def test_without_shared_statistics_it_is_another_run(self):
        changes = {**PARITY, "max_steps": 2, "distributed.sync_batchnorm": False}
        whole = self.trained("whole", changes=changes)
        run = self.trained_ranks(2, "ranks", changes=changes)
        self.assertGreater(abs(run.losses()[0][1] - whole.losses()[0][1]), 1e-4)

    def test_a_run_goes_on_with_other_numbers_of_ranks(self):
        whole = self.trained("whole", changes=PARITY)
        self.trained_ranks(2, "run", "--max-steps", STEPS // 3, changes=PARITY)
        self.trained_ranks(4, "run", "--max-steps", STEPS * 2 // 3, "--resume", "auto", changes=PARITY)
        run = self.trained("run", "--resume", "auto", changes=PARITY)
        self.assert_same(run, whole)

    def test_gradients_that_travel_in_16_bits_change_the_run_by_their_rounding(self):
        changes = {**PARITY, "eval.knn_every_epochs": 0, "checkpoint.keep_last": 2}
        in_fp32 = self.trained_ranks(2, "fp32", changes=changes)
        changes["distributed.reduce_dtype"] = "bf16"
        in_bf16 = self.trained_ranks(2, "bf16", changes=changes)
        for (step, loss), (_, other) in zip(in_bf16.losses(), in_fp32.losses(), strict=True):
            self.assertAlmostEqual(loss, other, delta=1e-4 * abs(other), msg=f"step {step}")
        self.assertNotEqual(in_bf16.results(STEPS), in_fp32.results(STEPS))
        refused = self.train_ranks(2, "bf16", "--resume", "auto", "--max-steps", STEPS + 1, changes={
            **changes, "distributed.reduce_dtype": "fp32"})
        self.assertFails(refused, WEIGHTS, "distributed.reduce_dtype")

    def test_it_goes_on_with_the_same_bits(self):
        changes = {**PARITY, "eval.knn_every_epochs": 0, "max_steps": 8}
        whole = self.trained_ranks(2, "whole", changes=changes)
        self.trained_ranks(2, "cut", "--max-steps", 5, changes=changes)
        cut = self.trained_ranks(2, "cut", "--resume", "auto", changes=changes)
        self.assertEqual(cut.results(8), whole.results(8))
        self.assertEqual(cut.losses(), whole.losses())

    def assert_same_bits_for_every_number_of_ranks(self, changes):
        changes = {**PARITY, "max_steps": min(STEPS, 6), "optimizer.lr": 1e-3, "threads": 1, "distributed.shards": 4,
                   "checkpoint.every_steps": 2, **changes}
        last = changes["max_steps"]
        one = self.trained("one", changes=changes)
        for count in (2, 4):
            run = self.trained_ranks(count, f"ranks{count}", changes=changes)
            self.assertEqual(run.losses(), one.losses(), count)
            self.assertEqual(run.results(last), one.results(last), count)
            self.assertEqual([e["correct"] for e in run.events("eval")], [e["correct"] for e in one.events("eval")])
        if "rela.switch" in changes:  # a shorter run would switch earlier
            return one
        self.trained_ranks(4, "moved", "--max-steps", last // 2, changes=changes)
        self.trained_ranks(2, "moved", "--max-steps", last - 1, "--resume", "auto", changes=changes)
        moved = self.trained("moved", "--resume", "auto", changes=changes)
        self.assertEqual(moved.results(last), one.results(last))
        return one

    def test_a_fixed_number_of_shards_gives_the_same_bits_byol(self):
        shards = self.assert_same_bits_for_every_number_of_ranks({})
        other = self.trained("whole", changes={**PARITY, "max_steps": min(STEPS, 6), "optimizer.lr": 1e-3, "threads": 1})
        # It is the same run, up to rounding; but if it had the same bits, nothing would have been tested.
        self.assertNotEqual(other.losses(), shards.losses())
        self.assertAlmostEqual(other.losses()[0][1], shards.losses()[0][1], delta=1e-5 * shards.losses()[0][1])

    @on_the_cpu
    def test_a_fixed_number_of_shards_gives_the_same_bits_rela(self):
        self.assert_same_bits_for_every_number_of_ranks({**RELA, "rela.train_map": True})

    @on_the_cpu
    def test_a_fixed_number_of_shards_gives_the_same_bits_supervised(self):
        self.assert_same_bits_for_every_number_of_ranks({"method": "supervised", "accum_steps": 2,
                                                         "distributed.reduce_dtype": "bf16"})

    @unittest.skipIf(IS_CPU, "recordings are the GPU's")
    def test_recorded_steps_give_the_bits_of_those_that_are_not(self):
        steps = 7  # of which the last ones are replayed
        changes = {**PARITY, "eval.knn_every_epochs": 0, "checkpoint.every_steps": 0, "max_steps": steps}
        runs = {}
        for graph in ("on", "off"):
            runs[graph] = self.trained_ranks(2, graph, changes={**changes, "cuda_graph": graph})
            log = (runs[graph] / "train.log").read_text()
            self.assertEqual("recorded as a graph" in log, graph == "on")
        self.assertEqual(runs["on"].losses(), runs["off"].losses())
        self.assertEqual(runs["on"].results(steps), runs["off"].results(steps))


@on_the_cpu
class Refusals(RanksTest):
    def test_a_batch_that_the_ranks_do_not_divide(self):
        result = self.train_ranks(3, "run", changes={"batch_size": 32})
        self.assertFails(result, USAGE, "batch_size: 32", "3 ranks", "30 and 33")
        self.assertFalse((self.top / "run").exists())

    def test_shards_that_the_ranks_do_not_divide(self):
        result = self.train_ranks(3, "run", changes={"batch_size": 12, "distributed.shards": 4})
        self.assertFails(result, USAGE, "distributed.shards: 4 parts", "3 processes")
        self.assertFalse((self.top / "run").exists())
        result = self.train("run", changes={"batch_size": 12, "distributed.shards": 3})
        self.assertFails(result, USAGE, "distributed.shards", "must be a power of two")
        result = self.train("run", changes={"batch_size": 12, "distributed.shards": 8})
        self.assertFails(result, USAGE, "batch_size", "must be a multiple of distributed.shards, which is 8")

    def test_shards_that_fail_end_all_and_say_so_once(self):
        changes = {"max_steps": 50, "optimizer.lr": 1e30, "batch_size": 16, "distributed.shards": 4}
        for ranks in (1, 2):
            result = self.train_ranks(ranks, f"run{ranks}", changes=changes)
            self.assertFails(result, programs.NON_FINITE, "step 2: the loss is")
            self.assertEqual(result.stderr.count("\nstep 2: the loss is"), 1, result.stderr)

    def with_bad_pictures(self, folder):
        """24 pictures, four of them bad, and apart: a bad one is replaced by the next."""
        folder.mkdir(parents=True)
        for i in range(24):
            shutil.copy(programs.SOURCE / "tests/golden/images/rgb.jpg", folder / f"{i:02}.jpg")
        for i in range(0, 24, 6):
            (folder / f"{i:02}.jpg").write_bytes(b"no picture")

    def test_the_share_of_bad_images_is_that_of_all_ranks(self):
        self.with_bad_pictures(self.top / "many/train/a")
        changes = {"data": {"format": "imagefolder", "train_path": str(self.top / "many"), "bad_images": "replace",
                            "cache_dir": str(self.top / "lists"), "workers": 1, "max_bad_fraction": 0.15},
                   "batch_size": 8, "max_steps": 3, "eval.knn_every_epochs": 0}
        result = self.train_ranks(4, "few", changes=changes)
        self.assertFails(result, DATA, "4 of 24 images are bad, more than data.max_bad_fraction 0.15 allows",
                         *(f"{i:02}.jpg: " for i in range(0, 24, 6)))
        changes["data"]["max_bad_fraction"] = 0.17
        run = self.trained_ranks(4, "enough", changes=changes)
        self.assertEqual(run.events("train")[-1]["bad_images"], 4)
        for i in range(0, 24, 6):  # now those of the test split
            shutil.copy(programs.SOURCE / "tests/golden/images/rgb.jpg", self.top / f"many/train/a/{i:02}.jpg")
        self.with_bad_pictures(self.top / "many/val/a")
        changes["data"]["max_bad_fraction"] = 0.15
        result = self.train_ranks(4, "test", changes={**changes, "eval.knn_every_epochs": 1, "eval.knn_k": 3})
        self.assertFails(result, DATA, "many/val: 4 of 24 images are bad")

    def test_ranks_that_do_not_agree(self):
        self.write_config()
        result = self.run_ranks([(1, self.words("run")), (1, self.words("run", "--set", "optimizer.lr=0.5"))])
        self.assertFails(result, DISTRIBUTED, "rank 1", "another config")

    def test_an_error_on_one_rank_ends_all(self):
        self.write_config({"data": {"format": "cifar10", "train_path": "/nonexistent"}})
        bad = self.words("run")
        good = self.words("run", "--set", "data.format=synthetic")
        result = self.run_ranks([(1, good), (1, bad)])
        self.assertFails(result, DATA, "rank 1: ", "/nonexistent")

    def test_a_mistake_in_the_config_is_told_once(self):
        result = self.train_ranks(4, "run", changes={"optimizer.lr": -1})
        self.assertExit(result, USAGE)
        self.assertEqual(result.stderr.count("optimizer.lr"), 1, result.stderr)

    def test_launchers_that_contradict_each_other(self):
        self.write_config()
        result = self.run_ranks([(2, self.words("run"))], RANK="0", WORLD_SIZE="8")
        self.assertFails(result, DISTRIBUTED, "Open MPI says process 0 of 2", "torchrun says process 0 of 8")
        self.assertFalse((self.top / "run").exists())

    def test_processes_that_know_nothing_of_each_other_do_not_share_a_folder(self):
        self.write_config({"max_steps": 1_000_000})
        unknown = ["env", *[f"--unset={name}" for name in ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK")]]
        result = self.run_ranks([(2, [*unknown, *self.words("run")])])
        self.assertFails(result, USAGE, "run is in use by process", "use mpirun or srun")

    def test_half_of_a_launchers_variables(self):
        self.write_config()
        unknown = ["env", "--unset=OMPI_COMM_WORLD_SIZE"]
        result = self.run_ranks([(2, [*unknown, *self.words("run")])])
        self.assertFails(result, DISTRIBUTED, "OMPI_COMM_WORLD_RANK is set and OMPI_COMM_WORLD_SIZE is not")

    def test_programs_of_one_process(self):
        for program, *args in (("evaluate", "knn", "--run", self.top), ("embed", "--run", self.top),
                               ("transport", "--all", self.top), ("experiment", "table.json"),
                               ("pack", "--verify", self.top)):
            result = self.run_ranks([(2, [APPS / program, *args])])
            self.assertFails(result, USAGE, f"{program} runs as one process, and Open MPI started 2")


@unittest.skipIf(IS_CPU, "GPUs, emulated")
class Gpus(RanksTest):
    def test_more_processes_than_gpus(self):
        self.write_config({"device": "cuda"})
        result = self.run_ranks([(4, self.words("run"))], RELA_SIMT_DEVICES="2")
        self.assertFails(result, programs.DEVICE, "4 processes of this host share 2 visible GPUs", "ppr:2:node")

    def test_processes_whose_launcher_gives_each_a_gpu_of_its_own(self):
        self.write_config({"device": "cuda", "max_steps": 1})
        own = ["bash", "-c", 'CUDA_VISIBLE_DEVICES=$OMPI_COMM_WORLD_LOCAL_RANK exec "$@"', "-"]
        result = self.run_ranks([(2, [*own, *self.words("run")])])
        self.assertExit(result, DONE)


class Faults(RanksTest):
    ENDLESS = {"device": DEVICE, "max_steps": 1_000_000, "batch_size": 16 if IS_CPU else 4}
    KILLS = int(os.environ.get("RELA_RANK_KILLS", "4" if IS_CPU else "1"))

    def wait_for_steps(self, process, run, steps=3):
        self.wait_until(lambda: len(run.events("train")) >= steps, process)

    def test_a_signal_to_one_rank_stops_all_with_a_checkpoint(self):
        process, run = self.start_ranks(2, "run", changes=self.ENDLESS)
        self.wait_for_steps(process, run)
        os.kill(self.ranks_of("run")[1], signal.SIGUSR1)
        self.assertEqual(process.wait(TIMEOUT_S), STOPPED)
        (step,) = run.checkpoint_steps()
        self.assertEqual(run.losses()[-1][0], step)
        self.assertEqual(run.status()["state"], "interrupted")
        self.trained_ranks(2, "run", "--resume", "auto", "--max-steps", step + 2, changes=self.ENDLESS)

    def test_killed_ranks_end_the_run_and_it_goes_on(self):
        rng = random.Random(4)
        changes = {**self.ENDLESS, "checkpoint.every_steps": 1}
        for _ in range(self.KILLS):
            process, run = self.start_ranks(2, "run", "--resume", "auto", changes=changes)
            steps = len(run.events("train"))
            self.wait_for_steps(process, run, steps + 1)
            time.sleep(rng.uniform(0, 0.2))
            os.kill(rng.choice(self.ranks_of("run")), signal.SIGKILL)
            self.assertNotIn(process.wait(TIMEOUT_S), (DONE, STOPPED))
            self.assertFalse(self.ranks_of("run"))
        steps = run.checkpoint_steps()
        self.assertTrue(steps)
        self.trained_ranks(2, "run", "--resume", "auto", "--max-steps", steps[-1] + 2, changes=changes)

    def test_a_rank_that_does_not_answer_is_named(self):
        process, run = self.start_ranks(2, "run", changes={**self.ENDLESS, "distributed.timeout_s": 2})
        self.wait_for_steps(process, run)
        os.kill(self.ranks_of("run")[1], signal.SIGSTOP)
        code = process.wait(TIMEOUT_S)
        text = process.stderr.read()
        self.assertEqual(code, DISTRIBUTED, text)
        self.assertIn("rank 0 of 2", text)
        # On a GPU, the host's wait and the watch over the GPU's sums end at about the same time.
        self.assertRegex(text, "no answer from the other processes in 2 s" if IS_CPU else
                         "no answer from the other processes in 2 s|the GPUs' sums have not ended in 2 s")


if __name__ == "__main__":
    sys.exit(unittest.main())
