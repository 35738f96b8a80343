#!/usr/bin/env python3
"""SVG files that the programs write, as a program other than a browser shows them."""

import json
import random
import struct
import unittest

from pictures import NO_RENDERER, has_renderer, render_svg
from programs import DATA, DONE, SOURCE, USAGE, ProgramTest, run_program, write_safetensors

RESULTS = SOURCE / "bench/results/cpu/cpu-experiment.json"
COMMITTED = RESULTS.with_suffix(".svg")
WHITE, BLACK = "#ffffff", "#000000"
SERIES = ("#2b67e0", "#e4701e", "#0f9488", "#8b3fe0")  # of rela/report/palette.cpp
NEEDS_A_STYLE_SHEET = ("var(", "light-dark", "<style", "currentColor", "class=\"s0")


class PicturesTest(ProgramTest):
    def render(self, path):
        text = path.read_text()
        for words in NEEDS_A_STYLE_SHEET:
            self.assertNotIn(words, text)
        if not has_renderer():
            self.skipTest(NO_RENDERER)
        picture = render_svg(path)
        for corner in ((0, 0), (picture.width - 1, 0), (0, picture.height - 1)):
            self.assertEqual(picture.at(*corner), (255, 255, 255))
        self.assertGreater(picture.count(WHITE), 0.5 * picture.width * picture.height)
        self.assertEqual(picture.count(BLACK), 0)  # what is drawn where no colour is understood
        return picture


class Accuracy(PicturesTest):
    def draw(self, results, *, out="accuracy.svg"):
        return run_program("experiment", "--draw", results, "--out", self.top / out)

    def test_a_line_is_drawn_in_the_colour_of_its_run(self):
        done = self.draw(RESULTS)
        self.assertExit(done, DONE)
        summary = json.loads(done.stdout.splitlines()[-1])
        lines = len(json.loads(RESULTS.read_text())["rows"])
        self.assertEqual(summary, {"picture": str(self.top / "accuracy.svg"), "lines": lines})
        picture = self.render(self.top / "accuracy.svg")
        for color in SERIES:
            self.assertGreater(picture.count(color), 200, color)

    def test_the_committed_picture_is_that_of_the_committed_results(self):
        self.assertExit(self.draw(RESULTS), DONE)
        self.assertEqual(COMMITTED.read_text(), (self.top / "accuracy.svg").read_text())

    def test_a_table_of_one_run_shows_its_colour_alone(self):
        results = json.loads(RESULTS.read_text())
        for key in ("rows", "cells"):
            results[key] = [entry for entry in results[key] if entry["run"] == "byol"]
        path = self.top / "byol.json"
        path.write_text(json.dumps(results))
        self.assertExit(self.draw(path), DONE)
        picture = self.render(self.top / "accuracy.svg")
        self.assertGreater(picture.count(SERIES[0]), 200)
        self.assertEqual([picture.count(color) for color in SERIES[1:]], [0, 0, 0])

    def test_what_is_no_result_is_refused(self):
        path = self.top / "odd.json"
        for text, words in (("{", "not JSON"), ('{"title": "t"}', '"rows" is missing'),
                            ('{"title": "t", "rows": [{}], "cells": []}', '"run" is missing')):
            path.write_text(text)
            self.assertFails(self.draw(path), DATA, path, words)
        self.assertFails(self.draw(RESULTS, out="accuracy.png"), USAGE, "--out", ".svg")


class Residuals(PicturesTest):
    def test_small_residuals_are_pale_and_large_ones_dark(self):
        rng = random.Random(3)
        for name in ("a", "b"):
            data = struct.pack("<120f", *(rng.gauss(0, 1) for _ in range(120)))
            write_safetensors(self.top / f"models/{name}.safetensors",
                              {"features": ("F32", [40, 3], data),
                               "labels": ("I64", [40], struct.pack("<40q", *(i % 2 for i in range(40))))})
        svg = self.top / "models.svg"
        self.assertExit(run_program("transport", "--all", self.top / "models", "--svg", svg), DONE)
        picture = self.render(svg)
        self.assertGreater(picture.count("#16427a"), 1000)  # unrelated models: nothing is explained
        self.assertGreater(picture.count("#e6e9ee"), 1000)  # the empty diagonal


if __name__ == "__main__":
    unittest.main()
