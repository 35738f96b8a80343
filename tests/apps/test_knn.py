#!/usr/bin/env python3
"""kNN during training: part of the training images, and a stop in the middle of an evaluation."""

import json
import os
import signal
import unittest

from programs import DONE, STOPPED, ProgramTest, run_program


class PartOfTheImages(ProgramTest):
    CHANGES = {"eval.knn_every_epochs": 1, "eval.knn_k": 5, "max_steps": 16}  # two epochs

    def knn(self, run):
        return [(e["step"], e["train_size"]) for e in run.events("eval") if e["protocol"] == "knn"]

    def test_all_of_the_images_are_searched_after_the_last_step(self):
        run = self.trained("run", changes=self.CHANGES | {"eval.knn_train_images": 20})
        self.assertEqual(self.knn(run), [(0, 20), (8, 20), (16, 64)])
        self.assertIn("20 training images", (run / "train.log").read_text())

    def test_all_of_them_by_default_and_where_there_are_no_more(self):
        for name, changes in (("default", {}), ("more", {"eval.knn_train_images": 65})):
            run = self.trained(name, changes=self.CHANGES | changes)
            self.assertEqual(self.knn(run), [(0, 64), (8, 64), (16, 64)])

    def test_the_part_changes_no_bit_of_the_training(self):
        few = self.trained("few", changes=self.CHANGES | {"eval.knn_train_images": 9})
        self.assertEqual(few.results(16), self.trained("all", changes=self.CHANGES).results(16))

    def test_evaluate_takes_a_part_too(self):
        command = ("evaluate", "knn", "--pixels", "--format", "synthetic", "--synthetic-images", 40, "--k", 5)
        done = run_program(*command, "--train-images", 10)
        self.assertExit(done, DONE)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["settings"]["train_size"], 10)


class StoppedInAnEvaluation(ProgramTest):
    @unittest.skipIf(os.environ.get("RELA_SANITIZE"), "moments are missed where everything is slow")
    def test_a_stop_does_not_wait_for_it_and_the_resumed_run_makes_up_for_it(self):
        changes = {"eval.knn_every_epochs": 100, "eval.knn_k": 5, "max_steps": 2,
                   "data.synthetic_images": 6000}
        whole = self.trained("whole", changes=changes)
        evaluations = [(e["step"], e["protocol"], e["correct"]) for e in whole.events("eval")]
        self.assertEqual([step for step, _, _ in evaluations], [0, 2, 2])
        for name, begun, step in (("first", lambda run: run.events("start"), 0),
                                  ("last", lambda run: len(run.events("train")) == 2, 2)):
            process, run = self.start_training(name, changes=changes)
            self.wait_until(lambda: begun(run), process)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(), STOPPED)
            self.assertEqual(run.status()["state"], "interrupted")
            self.assertNotIn(step, [e["step"] for e in run.events("eval")])
            self.assertEqual(run.checkpoint_steps(), [step])
            self.trained(name, "--resume", "auto", changes=changes)
            self.assertEqual([(e["step"], e["protocol"], e["correct"]) for e in run.events("eval")], evaluations)
            self.assertEqual(run.results(2), whole.results(2))
            self.trained(name, "--resume", "auto", changes=changes)  # finished: nothing is evaluated twice
            self.assertEqual(len(run.events("eval")), len(evaluations))


if __name__ == "__main__":
    unittest.main()
