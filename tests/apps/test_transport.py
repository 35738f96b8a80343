#!/usr/bin/env python3
"""transport, on small embedding files made here and by embed."""

import json
import math
import random
import struct
import unittest
import xml.etree.ElementTree

from programs import (DATA, DONE, IO, NON_FINITE, USAGE, WEIGHTS, ProgramTest, read_safetensors,
                      run_program, write_cifar10, write_safetensors)

IMAGES = 200
CLASSES = 4
MEASURES = ("transport_residual", "r2", "cka", "cka_debiased", "per_class")


def rows(width, seed, count=IMAGES):
    rng = random.Random(seed)
    return [[rng.gauss(0, 1) for _ in range(width)] for _ in range(count)]


def mapped(features, seed, width, noise=0.0):
    """A random linear map of the rows, far from zero, plus noise."""
    rng = random.Random(seed)
    weight = [[rng.gauss(0, 1) for _ in features[0]] for _ in range(width)]
    return [[30 + sum(w * h for w, h in zip(line, row)) + noise * rng.gauss(0, 1) for line in weight]
            for row in features]


class Transport(ProgramTest):
    def write(self, name, features, labels=None, tensors=("features", "labels")):
        """Writes what embed would write, without embed."""
        labels = [i % CLASSES for i in range(len(features))] if labels is None else labels
        parts = {
            "features": ("F32", [len(features), len(features[0])],
                         b"".join(struct.pack(f"<{len(row)}f", *row) for row in features)),
            "labels": ("I64", [len(labels)], struct.pack(f"<{len(labels)}q", *labels)),
        }
        return write_safetensors(self.top / name, {key: parts[key] for key in sorted(tensors, reverse=True)})

    def result(self, *args):
        done = run_program("transport", *args)
        self.assertExit(done, DONE)
        return json.loads(done.stdout.splitlines()[-1])

    def test_pair_prints_both_ways_and_writes_the_same(self):
        h = rows(5, 1)
        a, b = self.write("a.safetensors", h), self.write("b.safetensors", mapped(h, 2, 3))
        out = self.top / "out.json"
        result = self.result("--from", a, "--to", b, "--out", out)
        self.assertEqual(json.loads(out.read_text()), result)
        self.assertEqual((result["from"], result["to"]), (str(a), str(b)))
        self.assertEqual((result["images"], result["held_out"], result["holdout"]), (IMAGES, 40, 0.2))
        self.assertEqual((result["from_width"], result["to_width"]), (5, 3))
        for measures in (result, result["reverse"]):
            for name in MEASURES:
                self.assertIn(name, measures)
            self.assertAlmostEqual(measures["r2"], 1 - measures["transport_residual"], places=12)
            self.assertEqual(sum(c["images"] for c in measures["per_class"]), 40)
            self.assertEqual([c["label"] for c in measures["per_class"]], list(range(CLASSES)))
        self.assertLess(result["transport_residual"], 1e-6)  # they were made by a linear map
        self.assertGreater(result["reverse"]["transport_residual"], 0.1)  # three numbers cannot determine five
        self.assertEqual(result["cka"], result["reverse"]["cka"])

    def test_more_noise_less_transport(self):
        h = rows(4, 3)
        a = self.write("a.safetensors", h)
        residuals = [self.result("--from", a, "--to", self.write("b.safetensors", mapped(h, 4, 4, noise)))[
            "transport_residual"] for noise in (0, 0.5, 2)]
        self.assertEqual(residuals, sorted(residuals))
        self.assertGreater(residuals[2], 10 * residuals[1] / 16)

    def test_options_change_what_is_fitted_and_measured(self):
        h = rows(4, 5)
        pair = ("--from", self.write("a.safetensors", h), "--to", self.write("b.safetensors", mapped(h, 6, 4, 1)))
        plain = self.result(*pair)
        self.assertEqual(plain, self.result(*pair))
        half = self.result(*pair, "--holdout", 0.5)
        self.assertEqual((half["held_out"], half["holdout"]), (100, 0.5))
        ridge = self.result(*pair, "--ridge", 1e9)
        self.assertEqual(ridge["ridge"], 1e9)
        self.assertAlmostEqual(ridge["transport_residual"], 1, delta=0.1)  # no map at all: the mean
        other = self.result(*pair, "--seed", 9)
        self.assertNotEqual(other["transport_residual"], plain["transport_residual"])

    def test_all_prints_writes_and_draws_a_matrix(self):
        h = rows(4, 7)
        self.write("models/a.safetensors", h)
        self.write("models/b & c.safetensors", mapped(h, 8, 4))
        self.write("models/noise.safetensors", rows(3, 9))
        (self.top / "models/notes.txt").write_text("not a model")
        out, svg = self.top / "out.json", self.top / "out.svg"
        done = run_program("transport", "--all", self.top / "models", "--out", out, "--svg", svg)
        self.assertExit(done, DONE)
        result = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(json.loads(out.read_text()), result)
        self.assertEqual(result["models"], ["a", "b & c", "noise"])
        residual = result["transport_residual"]
        for i in range(3):
            self.assertIsNone(residual[i][i])
        self.assertLess(residual[0][1], 1e-6)
        self.assertLess(residual[1][0], 1e-6)
        self.assertGreater(residual[0][2], 0.8)
        self.assertIn("b & c", done.stdout.splitlines()[1])  # the table's header
        pair = self.result("--from", self.top / "models/noise.safetensors", "--to", self.top / "models/a.safetensors")
        self.assertAlmostEqual(residual[2][0], pair["transport_residual"], places=6)
        picture = xml.etree.ElementTree.parse(svg).getroot()
        texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn(f"{residual[0][2]:.3f}", texts)
        self.assertIn("b & c", texts)

    def test_device_seed_and_files_are_checked_first(self):
        a = self.write("a.safetensors", rows(3, 1))
        pair = ("--from", a, "--to", a)
        self.assertFails(run_program("transport", *pair, "--device", "cpu"), DONE, "device: cpu")
        self.assertFails(run_program("transport", *pair, "--device", "tpu"), USAGE, '--device: "tpu"', "auto, cpu, cuda")
        self.assertFails(run_program("transport", *pair, "--seed", -1), USAGE, "--seed", "0 or more")
        nowhere = self.top / "nowhere/out"
        for options in ((*pair, "--out", nowhere), ("--all", self.top, "--svg", nowhere)):
            done = run_program("transport", *options)
            self.assertFails(done, IO, nowhere)
            self.assertEqual(done.stdout, "")

    def test_the_result_does_not_replace_features(self):
        a, b = self.write("a.safetensors", rows(3, 1)), self.write("b.safetensors", rows(3, 2))
        kept = a.read_bytes()
        for inputs in (("--from", a, "--to", b), ("--all", self.top)):
            self.assertFails(run_program("transport", *inputs, "--out", a), USAGE, "--out", "is there already")
        self.assertEqual(a.read_bytes(), kept)

    def test_features_of_embed_are_read(self):
        data = write_cifar10(self.top / "cifar")
        run = self.trained("run", "--max-steps", 1)
        out = self.top / "f.safetensors"
        self.assertExit(run_program("embed", "--run", run.folder, "--data", data, "--split", "train",
                                    "--out", out), DONE)
        result = self.result("--from", out, "--to", out)
        self.assertEqual(result["images"], 60)
        self.assertAlmostEqual(result["cka"], 1, places=5)

    def test_files_of_other_pictures_with_the_same_labels_are_refused(self):
        run = self.trained("run", "--max-steps", 1)
        files = []
        for name in ("mine", "other"):
            data = write_cifar10(self.top / name)
            if name == "other":
                pixels = bytearray((data / "test_batch.bin").read_bytes())
                pixels[1] ^= 1
                (data / "test_batch.bin").write_bytes(pixels)
            files.append(self.top / f"{name}.safetensors")
            self.assertExit(run_program("embed", "--run", run.folder, "--data", data, "--out", files[-1]), DONE)
        self.assertFails(run_program("transport", "--from", files[0], "--to", files[1]), DATA,
                         f"{files[0]} is of the dataset ", f"{files[1]} of ", "of the same data and split")
        self.assertFails(run_program("transport", "--all", self.top), DATA, "of the same data and split")

    def test_embed_refuses_features_that_are_not_finite(self):
        run = self.trained("run", "--max-steps", 1)
        weights = run / "exported/backbone.safetensors"
        tensors = read_safetensors(weights)
        dtype, shape, data = tensors["bn1.weight"]
        tensors["bn1.weight"] = (dtype, shape, struct.pack("<f", math.nan) + data[4:])
        write_safetensors(weights, tensors)
        out = self.top / "f.safetensors"
        done = run_program("embed", "--run", run.folder, "--format", "synthetic", "--synthetic-images", 20, "--out", out)
        self.assertFails(done, NON_FINITE, "features are NaN or infinite", "check the weights")
        self.assertFalse(out.exists())

    def test_files_of_different_images_are_refused(self):
        a = self.write("a.safetensors", rows(3, 1))
        fewer = self.write("fewer.safetensors", rows(3, 1, 150))
        other = self.write("other.safetensors", rows(3, 1), labels=[(i + (i == 7)) % CLASSES for i in range(IMAGES)])
        self.assertFails(run_program("transport", "--from", a, "--to", fewer), DATA, "200", "150")
        self.assertFails(run_program("transport", "--from", a, "--to", other), DATA, "image 7", "label 3", "label")

    def test_files_that_are_damaged_or_incomplete_are_refused(self):
        a = self.write("a.safetensors", rows(3, 1))
        bare = self.write("bare.safetensors", rows(3, 1), tensors=("features",))
        self.assertFails(run_program("transport", "--from", a, "--to", bare), DATA, bare, '"labels"', "embed")
        text = self.top / "text.safetensors"
        text.write_bytes(b"not tensors at all")
        self.assertFails(run_program("transport", "--from", text, "--to", a), WEIGHTS, text)
        self.assertFails(run_program("transport", "--from", a, "--to", self.top / "no"), IO, "no")
        for value in (math.nan, math.inf):
            broken = rows(3, 1)
            broken[17][1] = value
            path = self.write("broken.safetensors", broken)
            self.assertFails(run_program("transport", "--from", a, "--to", path), NON_FINITE, path, "1 of 600")

    def test_features_without_variance_or_too_few_are_refused(self):
        a = self.write("a.safetensors", rows(3, 1))
        flat = self.write("flat.safetensors", [[2.0, 3.0]] * IMAGES)
        self.assertFails(run_program("transport", "--from", a, "--to", flat), DATA, "equal")
        few = self.write("few.safetensors", rows(3, 1, 5))
        self.assertFails(run_program("transport", "--from", few, "--to", few), DATA, "5 images", "two of each")
        self.write("one/a.safetensors", rows(3, 1))
        self.assertFails(run_program("transport", "--all", self.top / "one"), DATA, "two or more")
        self.assertFails(run_program("transport", "--all", self.top / "nowhere"), IO, "nowhere")

    def test_usage(self):
        a = self.write("a.safetensors", rows(3, 1))
        pair = ("--from", a, "--to", a)
        for args, words in (
                ((), ("--from", "--all")), (("--from", a), ("one of --from and --to",)),
                ((*pair, "--all", self.top), ("--all",)), ((*pair, "--svg", "x.svg"), ("--svg",)),
                ((*pair, "--holdout", "0"), ("holdout", "between 0 and 1")),
                ((*pair, "--holdout", "1.5"), ("holdout", "1.5")),
                ((*pair, "--ridge", "-1"), ("ridge", "-1")), ((*pair, "--holdout", "some"), ("holdout",)),
                ((*pair, "--rigde", "1"), ("did you mean --ridge?",))):
            self.assertFails(run_program("transport", *args), USAGE, *words)


if __name__ == "__main__":
    unittest.main()
