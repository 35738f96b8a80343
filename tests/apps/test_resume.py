#!/usr/bin/env python3
"""Runs that end early, for whatever reason, resume to the same bits as an uninterrupted run."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
import unittest

from programs import (DEVICE, DONE, IO, NON_FINITE, STOPPED, USAGE, TIMEOUT_S, WEIGHTS, CHECKPOINT_TENSORS,
                      ProgramTest, Run, sha256, write_cifar10)

ENDLESS = 1_000_000


class Killed(ProgramTest):
    STEPS = 24
    KILLS = 20

    def setUp(self):
        super().setUp()
        self.changes = {"max_steps": self.STEPS, "checkpoint.every_steps": 1, "batch_size": 16,
                        "scheduler.name": "cosine", "momentum.base_tau": 0.9, "momentum.final_tau": 1.0}
        start = time.monotonic()
        self.whole = self.trained("whole", changes=self.changes)
        self.whole_s = time.monotonic() - start

    def assert_same_as_whole(self, run):
        self.assertEqual(run.results(self.STEPS), self.whole.results(self.STEPS))
        self.assertEqual([step for step, _ in run.losses()], list(range(1, self.STEPS + 1)))
        self.assertEqual(run.losses(), self.whole.losses())
        self.assertEqual(run.status()["state"], "finished")

    def test_twenty_kills_at_random_moments_change_no_bit(self):
        rng = random.Random(20)
        kills = resumes = runs = 0
        while kills < self.KILLS:
            runs += 1
            name = f"run{runs}"
            finished = False
            while not finished and kills < self.KILLS:
                process, run = self.start_training(name, "--resume", "auto", changes=self.changes)
                try:
                    code = process.wait(rng.uniform(0, 0.7 * self.whole_s))
                except subprocess.TimeoutExpired:
                    process.kill()
                    code = process.wait()
                finished = code == DONE  # it may finish just before the kill: then there was no kill
                if not finished:
                    self.assertEqual(code, -signal.SIGKILL)
                    kills += 1
            run = self.trained(name, "--resume", "auto", changes=self.changes)
            resumes += len(run.events("resume"))
            self.assert_same_as_whole(run)
        self.assertGreater(resumes, runs, "hardly any process was killed after its first checkpoint")


class Continued(ProgramTest):
    """An epoch is eight micro-batches: with three per step, its end falls inside a step."""

    def assert_continues(self, changes):
        changes = {"accum_steps": 3, **changes}
        whole = self.trained("whole", changes=changes)
        run = self.trained("run", "--max-steps", 2, changes=changes)
        self.trained("run", "--resume", "auto", changes=changes)
        self.assertEqual(run.results(4), whole.results(4))
        self.assertEqual(run.losses(), whole.losses())

    def test_adamw(self):
        self.assert_continues({})

    def test_sgd(self):
        self.assert_continues({"optimizer.name": "sgd", "optimizer.lr": 0.03})

    def test_lars(self):
        self.assert_continues({"optimizer.name": "lars", "optimizer.lr": 0.2})

    def test_without_online_classifier(self):
        self.assert_continues({"eval.online_linear": False})

    def test_bf16(self):
        changes = {"precision": "bf16-mixed"}
        if self.train("probe", "--check", changes=changes).returncode == DEVICE:
            self.skipTest("this processor has no AVX-512 BF16")
        self.assert_continues(changes)


class Signals(ProgramTest):
    def stop_early(self, number):
        """A run that a signal stopped at some point, and the step it reached."""
        process, run = self.start_training("run", changes={"max_steps": ENDLESS})
        self.wait_until(lambda: len(run.events("train")) >= 3, process)
        process.send_signal(number)
        self.assertEqual(process.wait(TIMEOUT_S), STOPPED)
        status = run.status()
        self.assertEqual((status["state"], status["exit_code"]), ("interrupted", STOPPED))
        self.assertEqual(run.checkpoint_steps(), [status["step"]])
        self.assertEqual(run.events("stop")[-1]["reason"], number.name)
        return run, status["step"]

    def assert_goes_on_to_the_same_bits(self, step):
        steps = step + 2
        run = self.trained("run", "--resume", "auto", "--max-steps", steps)
        whole = self.trained("whole", "--max-steps", steps)
        self.assertEqual(run.results(steps), whole.results(steps))
        self.assertEqual(run.losses(), whole.losses())

    def test_usr1_stops_with_a_checkpoint_that_goes_on(self):
        self.assert_goes_on_to_the_same_bits(self.stop_early(signal.SIGUSR1)[1])

    def test_term_stops_with_a_checkpoint_that_goes_on(self):
        self.assert_goes_on_to_the_same_bits(self.stop_early(signal.SIGTERM)[1])

    def test_int_stops_with_a_checkpoint(self):
        self.stop_early(signal.SIGINT)

    def test_signals_from_the_first_moment_wait_until_they_are_handled(self):
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2):
            start = lambda: self.start_training("run", "--overwrite", changes={"max_steps": ENDLESS})[0]
            process = self.caught_early(start)
            process.send_signal(number)
            if number == signal.SIGUSR2:
                self.wait_until(Run(self.top / "run").checkpoint_steps, process)
                process.send_signal(signal.SIGUSR1)
            self.assertEqual(process.wait(TIMEOUT_S), STOPPED, number)

    def test_second_term_ends_at_once(self):
        process, run = self.start_training("run", changes={"accum_steps": 100_000})
        self.wait_until(lambda: run.events("start"), process)
        process.terminate()
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.3)  # the first signal waits for the end of a step, which is far off
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT_S), -signal.SIGTERM)

    def test_only_a_second_term_or_int_is_more_urgent(self):
        for first, second, code in ((signal.SIGTERM, signal.SIGHUP, STOPPED), (signal.SIGUSR1, signal.SIGTERM, STOPPED),
                                    (signal.SIGHUP, signal.SIGHUP, STOPPED)):
            name = f"{first.name}-{second.name}"
            process, run = self.start_training(name, changes={"max_steps": 1_000_000})
            self.wait_until(lambda: run.events("train"), process)
            process.send_signal(first)
            process.send_signal(second)
            self.assertEqual(process.wait(TIMEOUT_S), code, name)
            self.assertTrue(run.checkpoint_steps(), name)

    def test_usr2_writes_a_checkpoint_and_goes_on(self):
        changes = {"max_steps": 120}
        process, run = self.start_training("run", changes=changes)
        self.wait_until(lambda: len(run.events("train")) >= 3, process)
        process.send_signal(signal.SIGUSR2)
        self.wait_until(lambda: run.events("checkpoint"), process)
        self.assertEqual(process.wait(TIMEOUT_S), DONE)
        self.assertEqual(len(run.checkpoint_steps()), 2)
        self.assertEqual(run.results(120), self.trained("whole", changes=changes).results(120))


# A process in a new mount namespace may mount a small file system without being root.
OWN_MOUNTS = ["unshare", "--mount", "--map-root-user"]


class FullDisk(ProgramTest):
    def test_last_block_of_a_disk_keeps_the_older_checkpoint_and_the_run_goes_on_from_it(self):
        if "RELA_OWN_MOUNTS" in os.environ:
            self.fill_the_disk_and_train()
            return
        try:
            allowed = subprocess.run([*OWN_MOUNTS, "mount", "-t", "tmpfs", "none", self.top],
                                     capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            self.skipTest(f"{error.filename} is not installed")
        if allowed.returncode != 0:
            self.skipTest(f"no right to mount a small file system: {allowed.stderr.strip()}")
        inside = subprocess.run([*OWN_MOUNTS, sys.executable, __file__, type(self).__name__],
                                env=dict(os.environ, RELA_OWN_MOUNTS="1"), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(inside.returncode, 0, inside.stdout)

    def fill_the_disk_and_train(self):
        disk = self.top / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        self.assertNotIn("warning", self.train("disk/run", "--check").stderr)
        self.assertFails(self.train("disk/run", "--check", "--set", "backbone.width=32"), DONE, "warning: out: ",
                         "checkpoint.keep_last 2", "free")
        changes = {"checkpoint.every_steps": 2}
        run = self.trained("disk/run", "--max-steps", 2, changes=changes)
        before = {name: (run.checkpoint(2) / name).read_bytes() for name in CHECKPOINT_TENSORS}
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "filler").write_bytes(bytes(free - (64 << 10)))

        failed = self.train("disk/run", "--resume", "auto", changes=changes)
        self.assertFails(failed, IO, "model.safetensors", "disk full", "No space left on device",
                         "free some space")
        self.assertEqual(sorted(os.listdir(run / "checkpoints")), ["latest", "step-00000002"])
        for name, data in before.items():
            self.assertEqual((run.checkpoint(2) / name).read_bytes(), data)

        (disk / "filler").unlink()
        self.trained("disk/run", "--resume", "auto", changes=changes)
        self.assertEqual(run.results(4), self.trained("whole", changes=changes).results(4))


class Failures(ProgramTest):
    def test_full_disk_keeps_the_older_checkpoint_and_the_run_goes_on_from_it(self):
        changes = {"checkpoint.every_steps": 2}
        run = self.trained("run", "--max-steps", 2, changes=changes)
        before = {name: (run.checkpoint(2) / name).read_bytes() for name in CHECKPOINT_TENSORS}

        def full_disk():
            resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, 64 << 10))

        failed = self.train("run", "--resume", "auto", changes=changes, preexec_fn=full_disk)
        self.assertFails(failed, IO, "model.safetensors", "File too large")
        self.assertEqual((run.status()["state"], run.status()["exit_code"]), ("failed", IO))
        self.assertEqual(sorted(os.listdir(run / "checkpoints")), ["latest", "step-00000002"])
        for name, data in before.items():
            self.assertEqual((run.checkpoint(2) / name).read_bytes(), data)

        self.trained("run", "--resume", "auto", changes=changes)
        self.assertEqual(run.results(4), self.trained("whole", changes=changes).results(4))

    def test_disk_too_full_for_the_status_still_reports_what_failed_first(self):
        changes = {"max_steps": ENDLESS, "checkpoint.every_steps": 1, "log_every_steps": ENDLESS}
        process, run = self.start_training("run", changes=changes, stderr=subprocess.PIPE)
        self.wait_until(lambda: run.events("checkpoint"), process)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, 1))
        message = process.communicate(timeout=TIMEOUT_S)[1].decode().splitlines()[-1]
        self.assertEqual(process.returncode, IO)
        self.assertIn("File too large", message)
        self.assertNotIn("status.json", message)
        self.assertFalse((run / "status.json").exists(), "it would say that the run is running")

    def test_metrics_that_cannot_be_written_cost_no_step(self):
        changes = {"max_steps": ENDLESS, "backbone.width": 1, "byol": {}, "batch_size": 2, "log_every_steps": 1}
        limit = 300 << 10  # more than a checkpoint's files have, and a few hundred lines

        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        failed = self.train("run", "-q", changes=changes, preexec_fn=small_files)
        self.assertFails(failed, IO, "metrics.jsonl: disk full: appended", "File too large")
        run = Run(self.top / "run")
        (step,) = run.checkpoint_steps()
        self.assertEqual(len(run.events("train")), step - 1)
        status = run.status()
        self.assertEqual((status["state"], status["exit_code"], status["step"]), ("failed", IO, step))
        self.assertIn("failed</span>", (run / "report.html").read_text())
        self.trained("run", "--resume", "auto", "--max-steps", step + 1, changes=changes)
        whole = self.trained("whole", "--max-steps", step + 1, changes=changes)
        self.assertEqual(run.results(step + 1), whole.results(step + 1))

    def test_loss_that_is_not_finite_names_the_first_tensor_and_keeps_the_checkpoint(self):
        result = self.train("run", changes={"optimizer.name": "sgd", "optimizer.lr": 1e30,
                                            "checkpoint.every_steps": 1})
        self.assertFails(result, NON_FINITE, "first seen in", "values are not finite", "optimizer.lr")
        run_folder = self.top / "run"
        self.assertEqual([p.name for p in run_folder.glob("checkpoints/step-*")], ["step-00000001"])
        self.assertTrue((run_folder / "checkpoints/step-00000001/DONE").exists())
        self.assertIn('"failed"', (run_folder / "status.json").read_text())
        self.assertIn("failed</span>", (run_folder / "report.html").read_text())

    def test_damaged_checkpoint_is_named_and_the_one_before_it_taken(self):
        changes = {"checkpoint.every_steps": 2}
        run = self.trained("run", changes=changes)
        file = run.checkpoint(4) / "model.safetensors"
        os.truncate(file, file.stat().st_size - 1)
        result = self.train("run", "--resume", "auto", changes=changes)
        self.assertFails(result, DONE, file, "damaged", f"resumed from {run.checkpoint(2)}")
        self.assertEqual(run.results(4), self.trained("whole", changes=changes).results(4))

    def test_an_older_checkpoint_becomes_the_branch_that_goes_on(self):
        changes = {"checkpoint.every_steps": 2, "checkpoint.keep_last": 4}
        run = self.trained("run", "--max-steps", 6, changes=changes)
        old = sha256(run.checkpoint(6) / "model.safetensors")
        back = self.train("run", "--resume", run.checkpoint(2), "--max-steps", 3,
                          changes={**changes, "checkpoint.keep_last": 1})
        self.assertFails(back, DONE, "abandoned-1", "go back")
        self.assertEqual(run.checkpoint_steps(), [3])
        aside = run / "checkpoints/abandoned-1"
        self.assertEqual(sha256(aside / "step-00000006/model.safetensors"), old)
        self.assertIn('"step":6', (aside / "metrics.jsonl").read_text())
        self.assertFails(self.train("run", "--resume", "auto", changes=changes), DONE,
                         f"resumed from {run.checkpoint(3)}")
        self.assertFails(self.train("run", "--resume", aside / "step-00000006", "--max-steps", 7, changes=changes),
                         DONE, "abandoned-2")
        self.assertEqual(run.checkpoint_steps(), [6, 7])

    def test_a_checkpoint_of_another_folder_is_taken_over_at_once(self):
        run = self.trained("run")
        process, other = self.start_training("other", "--resume", run.checkpoint(4), changes={"max_steps": ENDLESS})
        self.wait_until(lambda: other.events("train"), process)
        process.kill()
        process.wait()
        self.assertEqual(other.checkpoint_steps(), [4])

    def test_only_damaged_checkpoints_are_not_silently_given_up(self):
        run = self.trained("run")
        (run.checkpoint(4) / "optimizer.safetensors").unlink()
        self.assertFails(self.train("run", "--resume", "auto"), WEIGHTS,
                         run.checkpoint(4) / "optimizer.safetensors", "missing",
                         "every checkpoint", "--overwrite")
        self.assertEqual(len(run.events("train")), 4)

    def test_flipped_bit_in_a_checkpoint_is_noticed(self):
        run = self.trained("run")
        file = run.checkpoint(4) / "target.safetensors"
        data = bytearray(file.read_bytes())
        data[-5] ^= 4
        file.write_bytes(data)
        self.assertFails(self.train("run2", "--resume", run.checkpoint(4)), WEIGHTS, file, "changed")

    def test_resume_with_another_config_lists_the_keys(self):
        self.trained("run")
        result = self.train("run", "--resume", "auto", "--set", "optimizer.lr=0.5", "--set", "seed=4")
        self.assertFails(result, WEIGHTS, "optimizer.lr: 0.001 in the checkpoint, 0.5 now",
                         "seed: 3 in the checkpoint, 4 now")
        self.assertNotIn("batch_size", result.stderr)

    def test_other_images_are_refused_and_a_moved_folder_is_not(self):
        def changes(folder):
            return {"data": {"format": "cifar10", "train_path": str(folder), "workers": 1}}

        few, many, moved = (write_cifar10(self.top / name, size) for name, size in
                            (("few", 12), ("many", 20), ("moved", 12)))
        run = self.trained("run", "--max-steps", 2, changes=changes(few))
        self.assertFails(self.train("run", "--resume", "auto", changes=changes(many)), WEIGHTS, "other images",
                         "60 with the fingerprint", few, "100 with", many, "data.train_path")
        self.trained("run", "--resume", "auto", "--max-steps", 3, changes=changes(moved))
        state = run.checkpoint(3) / "state.json"
        self.assertIn('"fingerprint"', state.read_text())

    def test_what_was_changed_is_listed_and_a_jump_of_the_rates_is_a_warning(self):
        cosine = {"scheduler.name": "cosine", "max_steps": 4}
        self.trained("run", changes=cosine)
        done = self.train("run", "--resume", "auto", changes={**cosine, "max_steps": 8, "log_every_steps": 2})
        self.assertExit(done, DONE)
        self.assertIn("changed since the checkpoint: log_every_steps 1 -> 2, max_steps 4 -> 8", done.stderr)
        self.assertIn("warning: the rates jump at step 4: lr 0 -> 0.0005", done.stderr)
        again = self.train("run", "--resume", "auto", changes={**cosine, "max_steps": 8, "log_every_steps": 2})
        self.assertNotIn("changed since", again.stderr)

    def test_a_run_that_is_shorter_than_its_checkpoint_is_refused(self):
        run = self.trained("run")
        self.assertFails(self.train("run", "--resume", "auto", "--max-steps", 3), USAGE,
                         "max_steps: the run would have 3 steps", "is at step 4")
        self.assertEqual(run.status()["step"], 4)

    def test_resume_takes_auto_none_or_a_checkpoint(self):
        self.assertFails(self.train("run", "--resume", "nowhere"), WEIGHTS, "--resume", "nowhere", "auto")


if __name__ == "__main__":
    unittest.main()
