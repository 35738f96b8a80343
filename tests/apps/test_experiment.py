#!/usr/bin/env python3
"""The driver of tables of runs: what it does, skips and continues, and its errors for bad tables."""

import json
import os
import shutil
import signal
import time
import subprocess
import unittest
import xml.etree.ElementTree

from programs import (APPS, CONFIG, DATA, DEVICE, DONE, IO, POLL_S, SOURCE, STOPPED, TIMEOUT_S, USAGE, ProgramTest,
                      Run, changed, environment, run_program, write_cifar10)

FAILED = 1
ENDLESS = 1_000_000
STEPS = 4


class ExperimentTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.out = self.top / "out"
        data = write_cifar10(self.top / "data")
        self.base = changed(CONFIG, {
            "max_steps": STEPS, "eval.knn_every_epochs": 1, "eval.knn_k": 5,
            "data": {"format": "cifar10", "train_path": str(data), "workers": 0}})
        self.runs = [{"name": "byol", "ratios": [0.5], "seeds": [1, 2]},
                     {"name": "rela", "set": {"method": "rela_byol", "rela.switch": {"mode": "never"}},
                      "ratios": [0.5], "seeds": [1, 2]}]

    def write_table(self, **changes):
        path = self.top / "table.json"
        table = {"title": "Tiny", "note": "Seen by nobody.", "base": self.base, "runs": self.runs,
                 "evaluate": [], **changes}
        path.write_text(json.dumps(table, indent=1))
        return path

    def experiment(self, *args, **changes):
        return run_program("experiment", self.write_table(**changes), "--out", self.out, "-q", *args)

    def start_experiment(self, *args, **changes):
        command = [APPS / "experiment", self.write_table(**changes), "--out", self.out, "-q", *args]
        process = subprocess.Popen(list(map(str, command)), env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()

        self.addCleanup(end)
        return process

    def results(self):
        return json.loads((self.out / "results.json").read_text())

    def cell(self, name):
        return Run(self.out / name)

    def inodes(self):
        """Changes if a run's files are rewritten."""
        return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns)
                for path in self.out.rglob("*") if path.is_file() and path.parent != self.out}


class Table(ExperimentTest):
    def test_two_runs_of_two_seeds_become_rows_a_table_and_a_picture(self):
        result = self.experiment(evaluate=["linear"])
        self.assertExit(result, DONE)
        rows = {row["run"]: row for row in self.results()["rows"]}
        self.assertEqual(set(rows), {"byol", "rela"})
        self.assertEqual((rows["rela"]["prior"], rows["rela"]["map"]), ("random", "fixed"))
        self.assertEqual((rows["byol"]["prior"], rows["byol"]["map"]), (None, None))
        for name, row in rows.items():
            self.assertEqual((row["done"], row["seeds"], row["steps"], row["images"]),
                             (2, [1, 2], STEPS, 8 * STEPS))
            self.check_spread(row["knn_percent"], [
                100 * self.cell(f"{name}-r0.5-s{seed}").events("eval")[-2]["top1"] for seed in (1, 2)])
            self.check_spread(row["linear_percent"], [
                100 * json.loads((self.out / f"{name}-r0.5-s{seed}/eval/linear_rela.json").read_text())["top1"]
                for seed in (1, 2)])
        self.check_markdown(result.stdout, rows)
        self.check_picture()
        summary = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual((summary["cells"], summary["done"]), (4, 4))
        self.assertEqual(summary["rows"], self.results()["rows"])

        before = self.inodes()
        again = self.experiment(evaluate=["linear"])
        self.assertExit(again, DONE)
        self.assertEqual(self.inodes(), before)  # nothing was trained or evaluated twice
        self.assertEqual(again.stdout, result.stdout)

    def check_spread(self, spread, values):
        for got, wanted in zip(spread["values"], values, strict=True):
            self.assertAlmostEqual(got, wanted, places=9)
        mean = sum(values) / 2
        self.assertAlmostEqual(spread["mean"], mean, places=9)
        self.assertAlmostEqual(spread["deviation"] ** 2, sum((v - mean) ** 2 for v in values), places=9)

    def check_markdown(self, stdout, rows):
        self.assertIn((self.out / "results.md").read_text(), stdout)
        for row in rows.values():
            knn = row["knn_percent"]
            self.assertIn(f"| {row['run']} | {row['method']} |", stdout)
            self.assertIn(f"{knn['mean']:.2f} ± {knn['deviation']:.2f}", stdout)
        self.assertIn("Seen by nobody.", stdout)

    def check_picture(self):
        svg = (self.out / "accuracy.svg").read_text()
        xml.etree.ElementTree.fromstring(svg)
        for words in ("byol, ratio 0.5", "rela, ratio 0.5", "images seen", "Seen by nobody."):
            self.assertIn(words, svg)

    def test_runs_that_learn_the_same_targets_share_their_file(self):
        trained = {"name": "map", "set": {"method": "rela_byol", "rela.train_map": True},
                   "ratios": [0.5, 1], "seeds": [1]}
        self.assertExit(self.experiment(runs=[self.runs[1], trained]), DONE)
        self.assertEqual(len(list(self.out.glob("targets-random-*.bin"))), 2)  # one per seed
        self.assertFalse(list(self.out.glob("*/targets.bin")))

    def test_evaluation_sees_the_data_of_the_config(self):
        other = write_cifar10(self.top / "other", test_images=20)
        table = {"evaluate": ["linear", "knn"], "runs": [{"name": "byol", "seeds": [1]}]}
        self.assertExit(self.experiment(base=changed(self.base, {"data.val_path": str(other)}), **table), DONE)
        for name in ("linear_rela", "knn"):
            self.assertEqual(json.loads((self.out / f"byol-r1-s1/eval/{name}.json").read_text())["total"], 20)
        self.out = self.top / "device"
        done = self.experiment(base=changed(self.base, {"device": "cpu"}), **{**table, "evaluate": ["linear"]})
        self.assertFails(done, DONE, "device: cpu, ")  # asked for: "auto" says why
        self.assertNotIn("(auto", done.stderr)
        self.out = self.top / "synthetic"
        base = changed(self.base, {"data": {"format": "synthetic", "synthetic_images": 40, "workers": 0},
                                   "eval.knn_k": 50, "eval.knn_every_epochs": 0})
        self.assertFails(self.experiment(base=base, **{**table, "evaluate": ["knn"]}), DONE, "only 40 images can vote")

    def test_what_else_is_measured_of_a_run_does_not_get_into_the_table(self):
        own = {"evaluate": ["knn"], "runs": [{"name": "byol", "seeds": [1]}]}
        self.assertExit(self.experiment(**own), DONE)
        before = self.results()["rows"]
        other = write_cifar10(self.top / "other", test_images=20)
        done = run_program("evaluate", "knn", "--run", self.out / "byol-r1-s1", "--data", other, "--k", 1)
        self.assertExit(done, DONE)
        self.assertExit(self.experiment(**own), DONE)
        self.assertEqual(self.results()["rows"], before)

    def test_other_test_images_are_measured_anew_and_never_mixed(self):
        runs = [{"name": "byol", "seeds": [1]}]
        there = ("--set", f"data.val_path={write_cifar10(self.top / 'other', test_images=20)}")
        again = "byol-r1-s1: measured on other test images, and so measured again: "

        def totals():
            self.assertEqual(self.results()["cells"][0]["state"], "done")
            return [self.results()["cells"][0][name]["total"] for name in ("knn", "linear")]

        self.assertExit(self.experiment(runs=runs, evaluate=["linear"]), DONE)
        weights = self.out / "byol-r1-s1/exported/backbone.safetensors"
        trained = weights.stat().st_mtime_ns
        self.assertEqual(totals(), [30, 30])
        first = self.results()["rows"]
        self.assertFails(self.experiment("--dry-run", *there, runs=runs, evaluate=["linear"]), DONE, again + "linear and kNN")
        self.assertFails(self.experiment(*there, runs=runs, evaluate=["linear"]), DONE, again + "linear and kNN")
        self.assertEqual(totals(), [20, 20])
        self.assertEqual(self.results()["cells"][0]["knn_curve"], [])  # of other images
        self.assertNotIn("measured", self.experiment(*there, runs=runs, evaluate=["linear"]).stderr)
        self.assertFails(self.experiment(runs=runs, evaluate=["linear"]), DONE, again + "linear\n")
        self.assertEqual(self.results()["rows"], first)  # kNN from the training, again
        write_cifar10(self.top / "data", test_images=10)  # in place
        self.assertFails(self.experiment(runs=runs, evaluate=["linear"]), DONE, again + "linear and kNN")
        self.assertEqual(totals(), [10, 10])
        self.assertEqual(weights.stat().st_mtime_ns, trained)  # nothing was trained
        (self.top / "data/test_batch.bin").unlink()
        self.assertFails(self.experiment("--dry-run", runs=runs, evaluate=["linear"]), DATA, "no test_batch.bin")
        self.assertFails(self.experiment(runs=runs, evaluate=["linear"]), FAILED, "no test_batch.bin", "exit code 6")

    def test_a_dry_run_finds_what_the_runs_would_find(self):
        runs = [{"name": "good", "seeds": [1]},
                {"name": "data", "set": {"data.train_path": "nowhere"}, "seeds": [1]},
                {"name": "prior", "set": {"method": "rela_byol", "rela.prior.model": "resnet18",
                                          "rela.prior.weights": "lost.safetensors"}, "seeds": [1, 2]},
                {"name": "own", "set": {"method": "rela_byol", "rela.prior.model": "exported",
                                        "rela.prior.weights": str(self.out / "good-r1-s1")}, "seeds": [1]}]
        self.assertFails(self.experiment("--dry-run", "--only", "data", runs=runs), DATA, "nowhere")
        result = self.experiment("--dry-run", "--only", "prior", "--only", "good", "--only", "own", runs=runs)
        self.assertFails(result, IO, "prior-r1-s1: ", "lost.safetensors")
        self.assertEqual(result.stderr.count("lost.safetensors"), 1)
        self.assertIn("own-r1-s1", result.stdout)
        self.assertExit(self.experiment("--dry-run", "--only", "good", runs=runs), DONE)
        self.assertExit(self.experiment("--only", "good", runs=runs), DONE)
        self.assertEqual(self.cell("good-r1-s1").status()["state"], "finished")

    def test_a_dry_run_checks_all_but_a_prior_that_is_to_come(self):
        def rela(name, **changes):
            return {"name": name, "seeds": [1], "set": {
                "method": "rela_byol", "rela.prior.model": "exported",
                "rela.prior.weights": str(self.out / "good-r1-s1"), **changes}}

        good = {"name": "good", "seeds": [1]}
        fits = rela("fits")
        half = rela("half", **{"device": "cpu", "precision": "fp16-mixed"})
        self.assertExit(self.experiment("--dry-run", runs=[good, fits]), DONE)
        self.assertFails(self.experiment("--dry-run", runs=[good, half]), DEVICE, "half-r1-s1: ", "fp16-mixed")
        # No run of the table is going to make these priors in time.
        for runs, only in (([fits, good], ()), ([good, fits], ("--only", "fits")),
                           ([good, rela("lost", **{"rela.prior.weights": str(self.out / "gone")})], ())):
            self.assertFails(self.experiment("--dry-run", *only, runs=runs), IO, "-r1-s1: ", "no such folder; name the folder of a finished run")
        self.assertExit(self.experiment("--only", "good", runs=[good, fits]), DONE)
        self.assertExit(self.experiment("--dry-run", "--only", "fits", runs=[good, fits]), DONE)

    def test_only_the_named_runs_are_done(self):
        result = self.experiment("--only", "byol-r0.5-s2", "--only", "rela-r0.5-s1")
        self.assertExit(result, DONE)
        self.assertEqual(sorted(path.parent.name for path in self.out.glob("*/status.json")),
                         ["byol-r0.5-s2", "rela-r0.5-s1"])
        self.assertIn("1 of 2", (self.out / "results.md").read_text())
        self.assertFails(self.experiment("--only", "byo"), USAGE, "--only", "byo", "did you mean byol?")

    def test_dry_run_lists_the_cells_and_leaves_nothing(self):
        result = self.experiment("--dry-run")
        self.assertExit(result, DONE)
        for words in ("byol-r0.5-s1", "rela-r0.5-s2", "absent", f" {STEPS} "):
            self.assertIn(words, result.stdout)
        self.assertFalse(self.out.exists())


class Interrupted(ExperimentTest):
    def wait_for_checkpoint(self, process, name):
        self.wait_until(lambda: self.cell(name).checkpoint_steps(), process)

    def endless(self):
        return {"base": changed(self.base, {"max_steps": ENDLESS, "checkpoint.every_steps": 2,
                                            "eval.knn_every_epochs": 0})}

    def test_a_killed_driver_stops_its_program_and_goes_on_where_it_stood(self):
        process = self.start_experiment("--only", "byol", **self.endless())
        self.wait_for_checkpoint(process, "byol-r0.5-s1")
        process.kill()
        process.wait()
        # The next driver waits until the orphan has released the folder.
        steps = 200
        base = changed(self.base, {"checkpoint.every_steps": 50, "eval.knn_every_epochs": 0})
        base["max_steps"] = max(steps, self.reached("byol-r0.5-s1") + steps)
        self.assertExit(self.experiment("--only", "byol-r0.5-s1", base=base), DONE)
        run = self.cell("byol-r0.5-s1")
        self.assertTrue(run.events("resume"))
        self.assertEqual(run.status()["step"], base["max_steps"])

    def reached(self, name):
        """The step at which a run stopped after being told to."""
        status = self.out / name / "status.json"
        deadline = time.monotonic() + 60
        while json.loads(status.read_text())["state"] != "interrupted" and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self.assertEqual(json.loads(status.read_text())["state"], "interrupted")
        return json.loads(status.read_text())["step"]

    def test_a_signal_reaches_the_program_and_ends_the_driver_with_75(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name):
                self.stop_driver(number)
                shutil.rmtree(self.out)

    def test_a_signal_in_the_first_moments_waits(self):
        for number in (signal.SIGUSR1, signal.SIGHUP):
            process = self.caught_early(lambda: self.start_experiment(**self.endless()))
            process.send_signal(number)
            self.assertEqual(process.wait(TIMEOUT_S), STOPPED, number)

    def stop_driver(self, number):
        process = self.start_experiment(**self.endless())
        self.wait_for_checkpoint(process, "byol-r0.5-s1")
        self.assertFails(self.experiment(), USAGE, "in use by process", process.pid)
        process.send_signal(number)
        self.assertEqual(process.wait(60), STOPPED)
        self.assertEqual(self.cell("byol-r0.5-s1").status()["state"], "interrupted")
        self.assertEqual([cell["state"] for cell in self.results()["cells"]],
                         ["unfinished", "absent", "absent", "absent"])


class Failures(ExperimentTest):
    def test_evaluations_that_cannot_be_are_found_before_the_training(self):
        flat = self.top / "flat"
        flat.mkdir()
        for name in ("rgb.jpg", "grey.jpg"):
            shutil.copy(SOURCE / "tests/golden/images" / name, flat)
        base = changed(self.base, {"data.format": "imagefolder", "data.train_path": str(flat),
                                   "eval.knn_every_epochs": 0, "batch_size": 2})
        result = self.experiment("--dry-run", base=base, evaluate=["linear"], runs=[{"name": "byol", "seeds": [1]}])
        self.assertFails(result, DATA, "the training images have no labels", "\"evaluate\"")
        labelled = self.top / "labelled/train/a"
        labelled.mkdir(parents=True)
        for picture in flat.iterdir():
            shutil.copy(picture, labelled)
        base = changed(base, {"data.train_path": str(labelled.parent), "data.val_path": str(flat)})
        result = self.experiment("--dry-run", base=base, evaluate=["linear"], runs=[{"name": "byol", "seeds": [1]}])
        self.assertFails(result, DATA, f"{flat}: the test images have no labels", "\"evaluate\"")

    def test_a_result_that_was_lost_is_not_silently_missing_from_the_mean(self):
        self.assertExit(self.experiment("--only", "byol"), DONE)
        (self.out / "byol-r0.5-s1/metrics.jsonl").write_text("")
        result = self.experiment("--only", "byol")
        self.assertExit(result, DONE)
        self.assertIn("byol-r0.5-s1: its metrics.jsonl has lost the kNN of the last step", result.stderr)
        self.assertIn("(1 of 2)", (self.out / "results.md").read_text())

    def test_a_finished_cell_that_lost_its_weights_gets_them_back(self):
        cell = ("--only", "byol-r0.5-s1")
        self.assertExit(self.experiment(*cell, evaluate=["knn"]), DONE)
        weights = self.out / "byol-r0.5-s1/exported/backbone.safetensors"
        before = weights.read_bytes()
        for damage, evaluate in ((weights.unlink, ["knn"]), (lambda: weights.write_bytes(b"damaged"), ["knn"]),
                                 (weights.unlink, [])):
            damage()
            self.assertExit(self.experiment(*cell, evaluate=evaluate), DONE)
            self.assertEqual(weights.read_bytes(), before)

    def test_a_cell_that_fails_is_reported_and_the_others_go_on(self):
        broken = {"name": "broken", "seeds": [1],
                  "set": {"method": "rela_byol", "rela.prior.model": "resnet20_cifar",
                          "rela.prior.weights": "nowhere.safetensors"}}
        result = self.experiment(runs=[broken, self.runs[0]])
        self.assertFails(result, FAILED, "nowhere.safetensors", "broken-r1-s1", "1 of 3 cells failed")
        self.assertEqual([cell["state"] for cell in self.results()["cells"]], ["failed", "done", "done"])
        self.assertIn("broken-r1-s1: failed", (self.out / "results.md").read_text())

    def test_a_cell_whose_record_cannot_be_read_fails_alone(self):
        self.assertExit(self.experiment("--only", "byol-r0.5-s1"), DONE)
        os.truncate(self.out / "byol-r0.5-s1/metrics.jsonl", (1 << 30) + 1)  # sparse
        result = self.experiment("--only", "byol")
        self.assertFails(result, FAILED, "byol-r0.5-s1/metrics.jsonl: 1073741825 bytes", "1 of 4 cells failed")
        self.assertEqual([cell["state"] for cell in self.results()["cells"]], ["failed", "done", "absent", "absent"])
        self.assertFails(self.experiment("--only", "byol", "--dry-run"), DONE)

    def test_a_run_on_other_images_is_left_alone_and_named(self):
        cell = ("--only", "byol-r0.5-s1")
        self.assertExit(self.experiment(*cell), DONE)
        before = self.inodes()
        other = write_cifar10(self.top / "other", images_per_file=13)
        result = self.experiment(*cell, "--set", f"data.train_path={other}")
        self.assertFails(result, FAILED, "holds a run on other training images")
        self.assertEqual(self.inodes(), before)

    def test_a_run_of_another_config_is_left_alone_and_named(self):
        self.assertExit(self.experiment("--only", "byol-r0.5-s1"), DONE)
        before = self.inodes()
        result = self.experiment("--only", "byol-r0.5-s1", "--set", "optimizer.lr=0.5", "--set",
                                 "eval.knn_k=7")
        self.assertFails(result, FAILED, "another config", "optimizer.lr: 0.001", "eval.knn_k: 5 before, 7")
        self.assertEqual(self.inodes(), before)


class BadTables(ExperimentTest):
    def test_every_mistake_is_a_line(self):
        runs = [{"name": "a b", "ratio": [1]},
                {"name": "byol", "set": {"optimizer.lr": -1, "backbon.width": 4, "seed": 3}, "seeds": [1, 1]},
                {"name": "byol", "ratios": [2]}]
        result = self.experiment("--set", "rella:seed=1", runs=runs, evaluate=["knn", "linaer"], titel="x")
        self.assertExit(result, USAGE)
        lines = result.stderr.strip().splitlines()
        for words in (("titel", '"title"'), ("evaluate", "linaer"), ("runs.0.name", "a b"),
                      ("runs.0.ratio", '"ratios"'), ("runs.1.seeds", "twice"), ("runs.2.ratios", "(0, 1]"),
                      ('runs.1 "byol"', "optimizer.lr", "-1"), ("backbon", '"backbone"'),
                      ("seed", "use seeds"), ("rella", "no run")):
            self.assertTrue(any(all(word in line for word in words) for line in lines),
                            f"{words} in\n{result.stderr}")
        self.assertFalse(self.out.exists())

    def test_a_bad_base_is_blamed_once_and_in_its_own_file(self):
        path = self.top / "base.json"
        path.write_text(json.dumps(changed(self.base, {"batch_sise": 4}), indent=1))
        result = self.experiment(base="base.json")
        self.assertFails(result, USAGE, path, "batch_sise", "batch_size")
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)

    def test_overrides_reach_every_run_or_one(self):
        result = self.experiment("--set", "max_steps=7", "--set", "rela:max_steps=9", "--dry-run")
        self.assertExit(result, DONE)
        steps = {line.split()[0]: line.split()[1] for line in result.stdout.splitlines()[1:-1]}
        self.assertEqual(steps, {"byol-r0.5-s1": "7", "byol-r0.5-s2": "7",
                                 "rela-r0.5-s1": "9", "rela-r0.5-s2": "9"})

    def test_the_same_cell_twice_is_refused(self):
        self.assertFails(self.experiment(runs=[self.runs[0], self.runs[0]]), USAGE, "byol-r0.5-s1", "twice")


class CommittedTables(ExperimentTest):
    def test_they_fit_the_configs_they_start_from(self):
        for name, cells in (("cpu.json", 12), ("gpu.json", 12)):
            result = run_program("experiment", SOURCE / "apps/experiments" / name, "--out", self.out, "--dry-run",
                                 "--set", f"data.train_path={self.top / 'data'}", "--set", "batch_size=4",
                                 "--set", "precision=fp32", "--set", "rela.prior.model=random",
                                 "--set", "rela.prior.weights=null")
            self.assertExit(result, DONE)
            self.assertEqual(json.loads(result.stdout.splitlines()[-1])["cells"], cells)


if __name__ == "__main__":
    unittest.main()
