#!/usr/bin/env python3
"""Vision transformers as backbones and as priors, through the programs."""

import json
import unittest

from programs import (DONE, USAGE, WEIGHTS, ProgramTest, read_safetensors, read_safetensors_header, run_program,
                      sha256, write_safetensors)

VIT = {"method": "rela_byol", "backbone": {"name": "vit_tiny_patch4_32"}, "batch_size": 4,
       "augmentations": [{"crop_size": 8}], "rela.switch.mode": "fixed", "rela.switch.fraction": 0.5,
       "checkpoint.every_steps": 2, "checkpoint.keep_last": 4, "data.synthetic_images": 32}


KEYS = ("name", "image_size", "pooling", "drop_path")


class Vit(ProgramTest):
    def config(self, **changes):
        return {**json.loads(json.dumps(VIT)), **{key.replace("__", "."): value for key, value in changes.items()}}

    def write_config(self, changes=None):
        path = super().write_config(changes)
        config = json.loads(path.read_text())
        config["backbone"] = {k: v for k, v in config["backbone"].items() if k in KEYS}
        path.write_text(json.dumps(config))
        return path

    def test_trains_resumes_to_the_bit_and_exports_under_timms_names(self):
        whole = self.trained("whole", changes=self.config())
        self.assertEqual([line["phase"] for line in whole.events("train")], ["rela", "rela", "byol", "byol"])
        export = json.loads((whole / "exported/config.json").read_text())
        self.assertEqual((export["architecture"], export["image_size"], export["global_pool"], export["num_features"]),
                         ("vit_tiny_patch4_32", 8, "token", 192))
        header, _ = read_safetensors_header(whole / "exported/backbone.safetensors")
        self.assertEqual(header["pos_embed"]["shape"], [1, 5, 192])
        self.assertEqual(header["patch_embed.proj.weight"]["shape"], [192, 3, 4, 4])
        self.assertEqual(header["blocks.11.mlp.fc1.weight"]["shape"], [768, 192])

        resumed = self.trained("resumed", "--max-steps", 4, changes=self.config())
        self.assertEqual(resumed.results(4), whole.results(4))
        (resumed.checkpoint(4) / "DONE").unlink()
        (resumed / "checkpoints/latest").write_text("step-00000002\n")
        self.assertExit(self.train("resumed", "--resume", "auto", changes=self.config()), DONE)
        self.assertEqual(resumed.results(4), whole.results(4))

    def test_mean_pooling_stochastic_depth_and_layer_decay(self):
        options = {"backbone": {"name": "vit_tiny_patch4_32", "pooling": "mean", "drop_path": 0.3},
                   "optimizer.layer_decay": 0.75}
        whole = self.trained("whole", changes=self.config(**options))
        before = whole.results(4)
        (whole.checkpoint(4) / "DONE").unlink()
        (whole / "checkpoints/latest").write_text("step-00000002\n")
        self.assertExit(self.train("whole", "--resume", "auto", changes=self.config(**options)), DONE)
        self.assertEqual(whole.results(4), before)
        options["backbone"]["drop_path"] = 0
        self.assertNotEqual(self.trained("kept", changes=self.config(**options)).results(4), before)
        header, _ = read_safetensors_header(whole / "exported/backbone.safetensors")
        self.assertIn("fc_norm.weight", header)
        self.assertEqual(json.loads((whole / "exported/config.json").read_text())["global_pool"], "avg")
        data = ("--format", "synthetic", "--synthetic-images", 64, "--k", 5)
        done = run_program("evaluate", "knn", "--run", whole.folder, *data)
        self.assertExit(done, DONE)
        named = run_program("evaluate", "knn", "--weights", whole / "exported/backbone.safetensors", "--model",
                            "vit_tiny_patch4_32", *data)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["correct"],
                         json.loads(named.stdout.splitlines()[-1])["correct"])
        self.assertFails(run_program("weights", "convert", whole / "exported", self.top / "hub", "--layout",
                                     "torchvision"), USAGE, "--layout: torchvision")

    def test_a_trained_one_is_evaluated_and_is_a_prior_by_its_name(self):
        run = self.trained("student", changes=self.config())
        data = ("--format", "synthetic", "--synthetic-images", 64)
        done = run_program("evaluate", "knn", "--run", run.folder, *data, "--k", 5)
        self.assertExit(done, DONE)
        named = run_program("evaluate", "knn", "--weights", run / "exported/backbone.safetensors", "--model",
                            "vit_tiny_patch4_32", *data, "--k", 5)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["correct"],
                         json.loads(named.stdout.splitlines()[-1])["correct"])
        again = self.trained("again", changes=self.config(
            rela__prior__model="vit_tiny_patch4_32", rela__prior__weights=str(run / "exported/backbone.safetensors")))
        self.assertEqual(again.status()["state"], "finished")

    def test_images_that_do_not_fit_are_refused(self):
        done = self.train("no", changes=self.config(augmentations=[{"crop_size": 18}]))
        self.assertFails(done, USAGE, "augmentations.0.crop_size",
                         "vit_tiny_patch4_32 cuts images into patches of 4 pixels; views of 18 pixels are no multiple")
        done = self.train("no", changes=self.config(backbone__image_size=16))
        self.assertFails(done, USAGE, "backbone.image_size", "must be that of the views, 8")

    def test_a_file_of_timm_is_read_with_the_normalisation_it_was_trained_with(self):
        run = self.trained("run", changes=self.config())
        tensors = read_safetensors(run / "exported/backbone.safetensors")
        file = write_safetensors(self.top / "hub/model.safetensors", tensors)
        args = ("--weights", file, "--model", "vit_tiny_patch4_32", "--format", "synthetic", "--synthetic-images", 16,
                "--out", self.top / "f.safetensors")

        def features(*more):
            self.assertExit(run_program("embed", *args, *more), DONE)
            return sha256(self.top / "f.safetensors")

        self.assertEqual(features(), features("--normalize", "half"))
        self.assertNotEqual(features(), features("--normalize", "imagenet"))
        config = {"architecture": "vit_tiny_patch4_32", "pretrained_cfg": {"mean": [0.485, 0.456, 0.406],
                                                                           "std": [0.229, 0.224, 0.225]}}
        (self.top / "hub/config.json").write_text(json.dumps(config))
        self.assertEqual(features(), features("--normalize", "imagenet"))
        (self.top / "hub/config.json").write_text("{")
        self.assertFails(run_program("embed", *args), WEIGHTS, "hub/config.json: not JSON")
        (self.top / "hub/config.json").unlink()
        self.assertNotEqual(features("--image-size", 16), features())  # its positions are resampled
        self.assertFails(run_program("embed", *args, "--image-size", 18), USAGE, "--image-size: 18",
                         "patches of 4 pixels; views of 18 pixels are no multiple")


if __name__ == "__main__":
    unittest.main()
