#!/usr/bin/env python3
"""evaluate neighbours: whom it shows, in which frames, and what it says of bad arguments."""

import json
import math
import struct
import unittest

from pictures import read_png
from programs import (CIFAR_RECORD_BYTES, DONE, IO, USAGE, ProgramTest, read_safetensors, run_program, sha256,
                      shared_data, write_cifar10)

GREEN = "#1fa84d"
SIDE, FRAME, LEGEND = 64, 4, 24  # pixels: a magnified picture, its frame, the legend's samples
K, QUERIES = 3, 8


def frame_pixels(side):
    """Pixels of a frame that measures so much outside."""
    return side ** 2 - (side - 2 * FRAME) ** 2


class Sheets(ProgramTest):
    def sheet(self, *args, data=("--format", "synthetic", "--synthetic-images", 60)):
        return run_program("evaluate", "neighbours", *args, *data, "--k", K, "--queries", QUERIES,
                           "--out", self.top / "sheet.png")

    def result(self, *args, **keys):
        done = self.sheet(*args, **keys)
        self.assertExit(done, DONE)
        return json.loads(done.stdout.splitlines()[-1])

    def check_picture(self, result, train_labels, test_labels):
        """Counts are those of the labels, and as many frames are green."""
        same = 0
        queries = result["query_images"]
        self.assertEqual(len({test_labels[q] for q in queries}), QUERIES)
        for model in result["models"]:
            hits = sum(train_labels[n] == test_labels[q]
                       for q, row in zip(queries, model["neighbours"], strict=True) for n in row)
            self.assertEqual((model["same_class"], model["total"]), (hits, K * QUERIES))
            self.assertAlmostEqual(model["share"], hits / (K * QUERIES), places=12)
            same += hits
        picture = read_png(self.top / "sheet.png")
        green = picture.count(GREEN)
        self.assertEqual(green, same * frame_pixels(SIDE + 2 * FRAME) + frame_pixels(LEGEND))
        self.assertGreater(picture.width, len(result["models"]) * K * (SIDE + 2 * FRAME))
        self.assertGreater(picture.height, QUERIES * (SIDE + 2 * FRAME))


class SmallData(Sheets):
    def setUp(self):
        super().setUp()
        self.data = write_cifar10(self.top / "cifar")
        self.run_folder = self.trained("run", "--max-steps", 2)

    def cifar(self, *args):
        return self.result(*args, data=("--data", self.data))

    def labels(self, split):
        names = ["test_batch.bin"] if split == "test" else [f"data_batch_{i}.bin" for i in range(1, 6)]
        return [label for name in names for label in (self.data / name).read_bytes()[::CIFAR_RECORD_BYTES]]

    def features(self, split):
        """Unit vectors, as embed computes them."""
        out = self.top / f"{split}.safetensors"
        self.assertExit(run_program("embed", "--run", self.run_folder.folder, "--data", self.data, "--split", split,
                                    "--out", out), DONE)
        _, (count, width), body = read_safetensors(out)["features"]
        values = struct.unpack(f"<{count * width}f", body)
        rows = [values[i:i + width] for i in range(0, len(values), width)]
        return [[v / math.hypot(*row) for v in row] for row in rows]

    def test_models_stand_in_the_order_of_the_command_line_under_their_names(self):
        run, weights = self.run_folder.folder, self.run_folder / "exported/backbone.safetensors"
        result = self.cifar("--pixels", "--untrained", run, "--run", run, "--weights", weights, "--model", "resnet18")
        models = result["models"]
        self.assertEqual([m["name"] for m in models], ["pixels", "untrained", "run", "resnet18"])
        self.assertEqual(models[2]["weights_sha256"], sha256(weights))
        self.assertEqual(models[2]["neighbours"], models[3]["neighbours"])
        self.assertNotIn("weights_sha256", models[0])
        self.check_picture(result, self.labels("train"), self.labels("test"))

        result = self.cifar("--run", run, "--pixels", "--name", "trained", "--name", "raw")
        self.assertEqual([m["name"] for m in result["models"]], ["trained", "raw"])
        self.assertEqual([m["neighbours"] for m in result["models"]],
                         [models[2]["neighbours"], models[0]["neighbours"]])

    def test_neighbours_are_those_of_the_largest_cosine(self):
        result = self.cifar("--run", self.run_folder.folder)
        train, test = self.features("train"), self.features("test")
        for query, row in zip(result["query_images"], result["models"][0]["neighbours"], strict=True):
            cosines = [sum(a * b for a, b in zip(test[query], other)) for other in train]
            best = sorted(cosines, reverse=True)
            for rank, image in enumerate(row):
                self.assertAlmostEqual(cosines[image], best[rank], places=5)

    def test_untrained_is_what_the_config_and_its_seed_draw(self):
        same = self.trained("same", "--max-steps", 1)
        other = self.trained("other", "--max-steps", 1, changes={"seed": 4})
        models = self.cifar(*(word for run in (self.run_folder, same, other)
                              for word in ("--untrained", run.folder)))["models"]
        self.assertEqual(models[0]["weights_sha256"], models[1]["weights_sha256"])
        self.assertEqual(models[0]["neighbours"], models[1]["neighbours"])
        self.assertNotEqual(models[0]["weights_sha256"], models[2]["weights_sha256"])
        self.assertNotEqual(models[0]["neighbours"], models[2]["neighbours"])

    def test_the_search_can_be_narrowed_and_the_images_magnified(self):
        result = self.cifar("--pixels", "--train-images", 5, "--scale", 3)
        self.assertEqual(result["train_images"], 5)
        self.assertLessEqual(len({n for row in result["models"][0]["neighbours"] for n in row}), 5)
        self.assertGreater(read_png(self.top / "sheet.png").height, QUERIES * 3 * 32)

    def test_knn_draws_the_same_sheet_of_the_features_that_it_has(self):
        run = self.run_folder.folder
        for model, part in ((("--run", run), ()), (("--pixels",), ("--train-images", 20))):
            self.cifar(*model, *part)
            done = run_program("evaluate", "knn", *model, *part, "--data", self.data, "--k", 5, "--queries", QUERIES,
                               "--neighbours", K, "--picture", self.top / "knn.png")
            self.assertExit(done, DONE)
            self.assertEqual((self.top / "knn.png").read_bytes(), (self.top / "sheet.png").read_bytes())
            self.assertEqual(done.stderr.count("loaded "), 0 if "--pixels" in model else 1)
            plain = run_program("evaluate", "knn", *model, *part, "--data", self.data, "--k", 5)
            self.assertEqual(done.stdout, plain.stdout)

    def test_knn_checks_the_sheet_before_it_computes(self):
        for words, args in ((("--picture", "ends in .png"), ("--picture", self.top / "bad.jpg")),
                            (("--neighbours", "1 to 60"), ("--picture", self.top / "bad.png", "--neighbours", 61)),
                            (("--queries", "1 to 30"), ("--picture", self.top / "bad.png", "--queries", 31)),
                            (("--queries", "--picture"), ("--queries", 3)),
                            (("--neighbours", "--picture"), ("--neighbours", 3))):
            done = run_program("evaluate", "knn", "--run", self.run_folder.folder, "--data", self.data, *args)
            self.assertFails(done, USAGE, *words)
            self.assertNotIn("loaded", done.stderr)
        self.assertEqual(list(self.top.glob("bad*")), [])

    def test_bad_arguments_are_refused(self):
        run = self.run_folder.folder
        for code, args, words in (
                (USAGE, (), ("--run, --untrained", "no model")),
                (USAGE, ("--run", run, "--name", "a", "--name", "b"), ("--name", "given 2 times for 1 models")),
                (USAGE, ("--weights", "x"), ("--model", "resnet18")),
                (USAGE, ("--run", run, "--k", 61), ("--k", "1 to 60")),
                (USAGE, ("--run", run, "--queries", 31), ("--queries", "1 to 30")),
                (USAGE, ("--pixels", "--queries", 30, "--k", 60, "--scale", 16),
                 ("--queries, --k: a picture of 3", " pixels; at most 178956970 can be drawn")),
                (USAGE, ("--run", run, "--out", ""), ("--out",)),
                (USAGE, ("--run", run, "--seed", -1), ("--seed", "-1; 0 or more")),
                (IO, ("--untrained", self.top), ("config.resolved.json", "train_byol")),
                (IO, ("--run", self.top), ("not the folder of a run",))):
            done = run_program("evaluate", "neighbours", "--data", self.data, "--out", self.top / "bad.png", *args)
            self.assertFails(done, code, *words)
            self.assertFalse((self.top / "bad.png").exists())


class OtherData(Sheets):
    def test_synthetic_pictures(self):
        result = self.result("--pixels")
        self.check_picture(result, [i % 10 for i in range(60)], [i % 10 for i in range(1000)])
        before = (self.top / "sheet.png").read_bytes()
        self.assertEqual(self.result("--pixels"), result)
        self.assertEqual((self.top / "sheet.png").read_bytes(), before)
        other = self.result("--pixels", "--seed", 2)
        self.assertNotEqual(other["query_images"], result["query_images"])

    def test_photographs(self):
        data = shared_data("cifar10-small")
        if data is None:
            self.skipTest("shared/data/cifar10-small is in no folder above the sources")
        data = data / "cifar-10-batches-bin"
        run = self.trained("run", "--max-steps", 2)
        result = self.result("--untrained", run.folder, "--run", run.folder, data=("--data", data))
        labels = {split: [label for name in names for label in (data / name).read_bytes()[::CIFAR_RECORD_BYTES]]
                  for split, names in (("train", [f"data_batch_{i}.bin" for i in range(1, 6)]),
                                       ("test", ["test_batch.bin"]))}
        self.assertEqual(result["train_images"], len(labels["train"]))
        self.check_picture(result, labels["train"], labels["test"])


if __name__ == "__main__":
    unittest.main()
