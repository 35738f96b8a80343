#!/usr/bin/env python3
"""The driver of tables of runs: whose results count, and what a mistaken command leaves alone."""

import unittest

from programs import DONE, IO, USAGE
from test_experiment import FAILED, ExperimentTest


class Priors(ExperimentTest):
    def train_prior(self, *args):
        return self.trained("prior", *args, changes={"max_steps": 2})

    def rela(self, seeds, **changes):
        return [{"name": "rela", "seeds": seeds, "set": {
            "method": "rela_byol", "rela.switch": {"mode": "fixed", "fraction": 0.5}, "rela.prior.model": "exported",
            "rela.prior.weights": str(self.top / "prior"), **changes}}]

    def test_a_cell_that_learned_from_another_prior_is_foreign(self):
        self.train_prior()
        self.assertExit(self.experiment(runs=self.rela([1])), DONE)
        before = self.inodes()
        first = self.results()["rows"][0]["knn_percent"]["values"]
        self.train_prior("--seed", "77", "--overwrite")
        done = self.experiment("--dry-run", runs=self.rela([1]))
        self.assertIn("foreign", done.stdout)
        done = self.experiment(runs=self.rela([1]))
        self.assertFails(done, FAILED, "rela-r1-s1: ", "has learned the targets", str(self.top / "prior"), "now gives")
        self.assertEqual(self.inodes(), before)
        self.assertEqual(self.results()["rows"][0]["knn_percent"]["values"], first)  # all foreign: nothing is replaced

        self.assertFails(self.experiment(runs=self.rela([1, 2])), FAILED, "rela-r1-s1: ", "has learned the targets")
        (row,) = self.results()["rows"]
        self.assertEqual((row["done"], len(row["knn_percent"]["values"])), (1, 1))

        self.train_prior("--overwrite")  # as it was at first, to the bit
        again = self.experiment("--dry-run", runs=self.rela([1]))
        self.assertExit(again, DONE)
        self.assertNotIn("foreign", again.stdout)

    def test_a_file_of_weights_that_was_replaced_is_another_prior(self):
        weights = self.top / "prior.safetensors"
        weights.write_bytes((self.train_prior() / "exported/backbone.safetensors").read_bytes())
        runs = self.rela([1], **{"rela.prior.model": "resnet18", "rela.prior.weights": str(weights)})
        self.assertExit(self.experiment(runs=runs), DONE)
        self.assertExit(self.experiment(runs=runs), DONE)
        kept = weights.read_bytes()
        other = self.train_prior("--seed", "77", "--overwrite")
        weights.write_bytes((other / "exported/backbone.safetensors").read_bytes())
        self.assertFails(self.experiment(runs=runs), FAILED, "has learned the targets")
        weights.unlink()  # done is done, though the prior is gone
        self.assertIn(" done", self.experiment("--dry-run", runs=runs).stdout)
        weights.write_bytes(kept)
        self.assertExit(self.experiment(runs=runs), DONE)

    def test_a_prior_may_lie_elsewhere_if_it_is_the_same(self):
        self.train_prior()
        self.assertExit(self.experiment(runs=self.rela([1])), DONE)
        moved = self.rela([1], **{"rela.prior.weights": str(self.top / "moved")})
        self.assertFails(self.experiment(runs=moved), FAILED, "another config", "rela.prior.weights: ")
        (self.top / "prior").rename(self.top / "moved")
        self.assertExit(self.experiment(runs=moved), DONE)

    def test_a_prior_that_the_table_trains_anew_is_looked_at_again(self):
        good = {"name": "good", "seeds": [1]}
        runs = [good, *self.rela([1], **{"rela.prior.weights": str(self.out / "good-r1-s1")})]
        self.assertExit(self.experiment(runs=runs), DONE)
        self.assertExit(self.experiment(runs=runs), DONE)
        runs[0] = {**good, "set": {"optimizer.lr": 0.01}}
        (self.out / "good-r1-s1").rename(self.top / "kept")
        self.assertFails(self.experiment(runs=runs), FAILED, "rela-r1-s1: ", "has learned the targets")
        self.assertEqual([row["done"] for row in self.results()["rows"]], [1, 0])


class Folders(ExperimentTest):
    def test_a_dry_run_fails_for_a_folder_as_the_run_does(self):
        file = self.top / "file"
        file.write_text("x")
        for out in (file, file / "below"):
            self.out = out
            for args in ((), ("--dry-run",)):
                self.assertFails(self.experiment(*args), IO, f"--out: {file} is no folder")
        self.assertEqual(file.read_text(), "x")

    def test_the_folder_of_a_run_is_refused(self):
        self.out = self.trained("run", changes={"max_steps": 1}).folder
        before = sorted(self.out.rglob("*"))
        for args in ((), ("--dry-run",)):
            self.assertFails(self.experiment(*args), USAGE, "is the folder of a run")
        self.assertEqual(sorted(self.out.rglob("*")), before)

    def test_runs_are_told_apart_by_more_than_the_case_of_letters(self):
        upper = {**self.runs[0], "name": self.runs[0]["name"].upper()}
        self.assertFails(self.experiment(runs=[self.runs[0], upper]), USAGE, "differ by the case of letters only")

    def test_the_results_of_another_table_are_not_replaced(self):
        self.out.mkdir()
        (self.out / "results.json").write_text('{"title": "another", "rows": [{"run": "another"}]}')
        self.assertFails(self.experiment(), USAGE, "holds the results of another table", "name another folder")

    def test_a_mistake_by_which_all_cells_are_foreign_leaves_the_results(self):
        self.assertExit(self.experiment(runs=self.runs[:1]), DONE)
        files = [self.out / name for name in ("results.md", "results.json", "accuracy.svg")]
        before = [file.read_bytes() for file in files]
        self.assertFails(self.experiment("--set", "eval.knn_k=3", runs=self.runs[:1]), FAILED, "another config")
        self.assertEqual([file.read_bytes() for file in files], before)


if __name__ == "__main__":
    unittest.main()
