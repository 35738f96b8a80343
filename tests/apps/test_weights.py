#!/usr/bin/env python3
"""The program `weights`: files of weights looked into and converted."""

import json
import math
import shutil
import struct
import unittest

from programs import (DONE, IO, SOURCE, USAGE, WEIGHTS, ProgramTest, read_safetensors, run_program, shared_data,
                      write_cifar10, write_safetensors)

GOLDEN = SOURCE / "tests/golden/weights"


class Weights(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.priors = shared_data("priors/akamaster_resnet_cifar10")

    def result(self, *args):
        done = run_program("weights", *args)
        self.assertExit(done, DONE)
        return json.loads(done.stdout.splitlines()[-1])

    def exported(self):
        """A run's backbone of width 4."""
        run = self.trained("run", changes={"max_steps": 1})
        return run / "exported/backbone.safetensors"

    def test_inspect_lists_every_tensor_with_its_norm(self):
        found = self.result("inspect", GOLDEN / "values.pt", "--json")
        want = read_safetensors(GOLDEN / "values.safetensors")
        self.assertEqual({t["name"]: (t["dtype"], t["shape"]) for t in found["tensors"]},
                         {name: (dtype, shape) for name, (dtype, shape, _) in want.items()})
        slice_ = next(t for t in found["tensors"] if t["name"] == "state_dict.slice")
        values = struct.unpack("<6f", want["state_dict.slice"][2])
        self.assertAlmostEqual(slice_["norm"], math.sqrt(sum(x * x for x in values)), places=6)
        self.assertIsNone(found["model"])
        self.assertIn("of no model that is known here", found["problem"])

    def test_inspect_names_the_model_and_its_images(self):
        file = self.exported()
        moved = write_safetensors(self.top / "moco.safetensors", {
            f"module.encoder_q.{name}": tensor for name, tensor in read_safetensors(file).items()})
        found = self.result("inspect", moved, "--json")
        self.assertEqual((found["model"], found["description"]), ("resnet18", "resnet18 of width 4"))
        self.assertEqual(found["layout"], 'safetensors, torchvision\'s names behind "module.encoder_q."')
        self.assertEqual((found["missing"], found["unexpected"], found["mismatched"]), (0, 0, 0))
        self.assertEqual(found["input"]["input_size"], [3, 32, 32])
        text = run_program("weights", "inspect", file.parent)
        self.assertExit(text, DONE)
        for words in ("conv1.weight", "[4,3,3,3]", "resnet18 of width 4: 120 tensors of it here, 0 missing",
                      "input_size [3,16,16]"):  # as the run's config.json says
            self.assertIn(words, text.stdout)

    def test_inspect_tells_what_is_missing(self):
        tensors = read_safetensors(self.exported())
        del tensors["bn1.bias"]
        found = self.result("inspect", write_safetensors(self.top / "part.safetensors", tensors), "--json")
        self.assertEqual((found["model"], found["missing"]), ("resnet18", 1))
        self.assertIn("missing: bn1.bias", found["mistakes"])

    def test_converted_weights_are_the_same(self):
        file = self.exported()
        want = read_safetensors(file)
        wrapped = write_safetensors(self.top / "wrapped.safetensors", {
            "fc.weight": ("F32", [1, 32], bytes(128)), **{f"module.{name}": t for name, t in want.items()}})
        out = self.result("convert", wrapped, self.top / "hub")
        self.assertEqual(out["model"], "resnet18")
        self.assertEqual(read_safetensors(self.top / "hub/model.safetensors"), want)
        config = json.loads((self.top / "hub/config.json").read_text())
        self.assertEqual((config["architecture"], config["num_features"], config["num_classes"]), ("resnet18", 32, 0))
        self.assertFails(run_program("weights", "convert", wrapped, self.top / "hub"), IO, "--overwrite")
        self.result("convert", self.top / "hub", self.top / "hub", "--overwrite")
        self.assertEqual(read_safetensors(self.top / "hub/model.safetensors"), want)

    def test_the_size_of_the_images_goes_along(self):
        run = self.exported().parents[1]  # of 16 pixels
        hub, again, model, bare = (self.top / name for name in ("hub", "again", "model.onnx", "bare.safetensors"))
        data = write_cifar10(self.top / "data")

        def correct(*args):
            done = run_program("evaluate", "knn", "--data", data, "--k", 3, *args)
            self.assertExit(done, DONE)
            return json.loads(done.stdout.splitlines()[-1])["correct"], "are assumed" in done.stderr

        self.result("convert", run, hub)
        self.result("convert", hub, again)
        self.result("convert", again, model, "--to", "onnx")
        self.assertTrue(b'"input_size":[3,16,16]' in model.read_bytes())
        for folder in (hub, again):
            found = self.result("inspect", folder, "--json")
            self.assertEqual((found["input"]["input_size"], found["input_size_is_assumed"]), ([3, 16, 16], False))
        right, _ = correct("--run", run)
        self.assertEqual(correct("--weights", again, "--model", "resnet18"), (right, False))
        self.assertEqual(correct("--weights", again), (right, False))  # config.json names the model, too

        bare.write_bytes((hub / "model.safetensors").read_bytes())
        of_32, is_told = correct("--weights", bare, "--model", "resnet18")
        self.assertTrue(is_told)
        self.assertNotEqual(of_32, right)  # or this test tells nothing
        self.assertEqual(correct("--weights", bare, "--model", "resnet18", "--image-size", 16), (right, False))
        self.assertIn("(assumed: no file beside them says it)", run_program("weights", "inspect", bare).stdout)
        self.assertIn("32 pixels are assumed", run_program("weights", "convert", bare, self.top / "x").stderr)

    def test_a_vision_transformer_is_written_for_transformers_and_comes_back(self):
        run = self.trained("vit", changes={"max_steps": 1, "batch_size": 8, "augmentations": [{"crop_size": 32}],
                                           "backbone": {"name": "vit_tiny_patch4_32"}})
        hub = self.top / "hub"
        out = self.result("convert", self.top / "vit", hub, "--layout", "huggingface")
        self.assertEqual(out["out"], str(hub / "model.safetensors"))
        config = json.loads((hub / "config.json").read_text())
        self.assertEqual((config["architectures"], config["hidden_size"], config["patch_size"], config["image_size"]),
                         (["ViTModel"], 192, 4, 32))
        processor = json.loads((hub / "preprocessor_config.json").read_text())
        self.assertEqual(processor["crop_size"], {"height": 32, "width": 32})
        self.assertEqual(self.result("inspect", hub, "--json")["layout"], "safetensors, Hugging Face's names")
        self.result("convert", hub, self.top / "back", "--model", "vit_tiny_patch4_32")
        self.assertEqual(read_safetensors(self.top / "back/model.safetensors"),
                         read_safetensors(run / "exported/backbone.safetensors"))
        self.assertFails(run_program("weights", "convert", self.top / "vit", hub, "--layout", "huggingface"), IO,
                         "model.safetensors: exists")

    def test_a_run_is_not_overwritten(self):
        file = self.exported()
        run = file.parents[1]
        before = {path: path.read_bytes() for path in (file, run / "metrics.jsonl", file.parent / "config.json")}
        for out in before:
            self.assertFails(run_program("weights", "convert", run, out, "--to", "onnx", "--overwrite"), USAGE,
                             "is there already")
        self.assertFails(run_program("weights", "convert", run, file.parent, "--overwrite"), USAGE, "is there already")
        self.assertEqual({path: path.read_bytes() for path in before}, before)
        self.result("convert", run, self.top / "model.onnx", "--to", "onnx")
        self.assertFails(run_program("weights", "convert", run, self.top / "x", "--to", "onnx", "--layout", "torchvision"),
                         USAGE, "--layout")

    def test_no_run_is_overwritten(self):
        run = self.exported().parents[1]
        other = self.trained("other", "--seed", "4", changes={"max_steps": 1}).folder
        copy = self.top / "copy"
        shutil.copytree(other / "exported", copy)
        hub = self.top / "hub"
        self.result("convert", other, hub)
        before = {path: path.read_bytes() for top in (run, other, copy, hub) for path in top.rglob("*") if path.is_file()}

        def refused(out, words, *args):
            self.assertFails(run_program("weights", "convert", *args, out, "--overwrite"), USAGE, words)

        for name in ("exported/backbone.safetensors", "metrics.jsonl", "checkpoints/latest"):
            refused(other / name, f"belongs to the run {other}", run, "--to", "onnx")
        refused(other / "exported", f"belongs to the run {other}", run)
        link = self.top / "link"
        link.symlink_to(other / "exported")
        refused(link, f"belongs to the run {other}", run)
        refused(copy, "holds what a run has exported", run)
        refused(copy, "is read", copy)
        refused(copy / "config.json", "holds what a run has exported", run, "--to", "onnx")
        refused(hub / "config.json", "is read", hub, "--to", "onnx")
        self.assertEqual({path: path.read_bytes() for path in before}, before)
        self.result("convert", run, other / "notes.onnx", "--to", "onnx")
        self.result("convert", run, other / "notes.onnx", "--to", "onnx", "--overwrite")

    def test_the_description_of_weights_that_stay_is_not_replaced(self):
        hub = self.top / "hub"
        self.result("convert", self.exported().parents[1], hub)
        (hub / "model.safetensors").rename(hub / "named.safetensors")
        kept = (hub / "config.json").read_bytes()
        self.assertFails(run_program("weights", "convert", hub / "named.safetensors", hub, "--overwrite"), USAGE,
                         "config.json", "is read")
        self.assertEqual((hub / "config.json").read_bytes(), kept)

    def test_only_vision_transformers_are_written_for_transformers(self):
        self.assertFails(run_program("weights", "convert", self.exported(), self.top / "hub", "--layout", "huggingface"),
                         USAGE, "resnet18 is none", "timm's layout")
        self.assertFalse((self.top / "hub").exists())

    def test_published_pickles_convert_to_their_safetensors(self):
        if self.priors is None:
            self.skipTest("shared/data/priors is in no folder above the sources")
        self.result("convert", self.priors / "resnet20-12fca82f.th", self.top / "hub")
        want = read_safetensors(self.priors / "resnet20.safetensors")
        got = read_safetensors(self.top / "hub/model.safetensors")
        got = {name: tensor for name, tensor in got.items() if not name.endswith("num_batches_tracked")}
        self.assertEqual(got, {name: tensor for name, tensor in want.items() if not name.startswith("linear.")})

    def test_a_part_is_converted_only_if_allowed(self):
        tensors = read_safetensors(self.exported())
        del tensors["bn1.bias"]
        part = write_safetensors(self.top / "part.safetensors", tensors)
        self.assertFails(run_program("weights", "convert", part, self.top / "hub"), WEIGHTS, "missing: bn1.bias")
        done = run_program("weights", "convert", part, self.top / "hub", "--allow-partial")
        self.assertExit(done, DONE)
        self.assertIn("1 missing", done.stderr)
        self.assertIn("missing: bn1.bias", done.stderr)

    def test_numbers_that_are_none_are_told(self):
        tensors = read_safetensors(self.exported())
        dtype, shape, data = tensors["bn1.bias"]
        tensors["bn1.bias"] = (dtype, shape, struct.pack("<f", math.nan) + data[4:])
        bad = write_safetensors(self.top / "bad.safetensors", tensors)
        done = run_program("weights", "convert", bad, self.top / "hub")
        self.assertExit(done, DONE)
        self.assertIn("bn1.bias: 1 of 4 numbers are NaN or infinite", done.stderr)

    def test_mistakes_get_their_reason(self):
        def fails(code, words, *args):
            self.assertFails(run_program("weights", *args), code, words)

        fails(USAGE, "A subcommand is required")
        fails(USAGE, "allowed: timm, torchvision, huggingface", "convert", GOLDEN / "values.pt", self.top / "x", "--layout", "keras")
        fails(IO, "no-such-file", "inspect", self.top / "no-such-file")
        fails(WEIGHTS, "no weights in this folder", "inspect", self.top)
        fails(WEIGHTS, "no backbone behind", "convert", GOLDEN / "values.pt", self.top / "x", "--prefix", "a")
        evil = self.top / "evil.pt"
        evil.write_bytes(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02cos\nsystem\n"
                         b"X\x02\x00\x00\x00ls\x85R.")
        fails(WEIGHTS, "global os.system at byte 2 of the saved value is not allowed", "inspect", evil)


if __name__ == "__main__":
    unittest.main()
