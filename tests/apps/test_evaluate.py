#!/usr/bin/env python3
"""evaluate and embed, with the model of a short run and a tiny data set."""

import json
import resource
import shutil
import unittest

from programs import (CIFAR_RECORD_BYTES, DONE, IO, USAGE, WEIGHTS, ProgramTest,
                      obey_permissions, read_safetensors, read_safetensors_header, run_program, sha256, write_cifar10,
                      write_safetensors)

WIDTH = 32  # features of a ResNet-18 whose first stage has 4 channels


class Evaluation(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = write_cifar10(self.top / "cifar")
        self.run_folder = self.trained("run", "--max-steps", 1)
        self.weights = self.run_folder / "exported/backbone.safetensors"

    def result(self, program, *args):
        """The JSON object on the last line of a program that must succeed."""
        done = run_program(program, *args, "--data", self.data)
        self.assertExit(done, DONE)
        return json.loads(done.stdout.splitlines()[-1])

    def assert_result(self, result, protocol):
        self.assertEqual(result["protocol"], protocol)
        self.assertEqual(result["total"], 30)
        self.assertAlmostEqual(result["top1"], result["correct"] / 30, places=12)

    def test_knn_of_a_run(self):
        out = self.top / "knn.json"
        result = self.result("evaluate", "knn", "--run", self.run_folder.folder, "--k", 5, "--out", out)
        self.assert_result(result, "knn")
        self.assertEqual(result["weights_sha256"], sha256(self.weights))
        self.assertEqual(json.loads(out.read_text()), result)
        (kept,) = (self.run_folder / "eval").iterdir()
        self.assertEqual(json.loads(kept.read_text()), result)

    def test_a_run_that_cannot_be_written_costs_a_warning_only(self):
        results = self.run_folder / "eval"
        own = ("evaluate", "knn", "--run", self.run_folder.folder, "--k", 5, "--data", self.data)
        self.run_folder.folder.chmod(0o555)
        self.addCleanup(self.run_folder.folder.chmod, 0o755)
        for out, words in (((), "pass --out to keep it"), (("--out", self.top / "out.json"), "written to --out")):
            done = run_program(*own, *out, preexec_fn=obey_permissions)
            self.assertFails(done, DONE, results, "the result is only printed", words)
            warning = done.stderr.index("only printed")
            self.assertLess(warning, done.stderr.index("loaded"), done.stderr)
            self.assert_result(json.loads(done.stdout.splitlines()[-1]), "knn")
        self.assertTrue((self.top / "out.json").exists())
        self.run_folder.folder.chmod(0o755)
        results.mkdir(mode=0o555)
        done = run_program(*own, preexec_fn=obey_permissions)
        self.assertFails(done, DONE, results / "knn.json: cannot create", "only printed")
        results.rmdir()
        results.write_text("a file where a folder should be")
        self.assertFails(run_program(*own), DONE, results, "only printed")

    def test_results_of_other_settings_data_or_weights_stand_beside_each_other(self):
        own = ("evaluate", "knn", "--run", self.run_folder.folder, "--k")
        first = self.result(*own, 5)
        self.assertEqual(first, self.result(*own, 5))
        more = [self.result(*own, 3)]
        self.data = write_cifar10(self.top / "other", test_images=20)
        more.append(self.result(*own, 5))
        self.trained("run", "--resume", "auto", "--max-steps", 2)
        more.append(self.result(*own, 5))
        kept = [json.loads(path.read_text()) for path in (self.run_folder / "eval").glob("knn-*.json")]
        self.assertEqual(sorted(map(str, kept)), sorted(map(str, [first, *more])))
        self.assertEqual([result["settings"]["k"] for result in (first, *more)], [5, 3, 5, 5])
        self.assertEqual(more[1]["data"]["path"], str(self.data))
        for split in ("train_fingerprint", "test_fingerprint"):
            self.assertEqual(first["data"][split], more[0]["data"][split])
        self.assertNotEqual(first["data"]["test_fingerprint"], more[1]["data"]["test_fingerprint"])

    def test_a_prefix_of_all_names_does_not_matter(self):
        tensors = read_safetensors(self.weights)
        file = write_safetensors(self.top / "wrapped.safetensors",
                                 {f"module.{name}": tensor for name, tensor in tensors.items()})
        plain, wrapped = (self.result("evaluate", "knn", "--weights", path, "--model", "resnet18", "--image-size", 16)
                          for path in (self.weights, file))
        self.assertEqual(plain["correct"], wrapped["correct"])
        write_safetensors(file, {"module.fc.weight": ("F32", [1, 1], bytes(4))})
        done = run_program("evaluate", "classify", "--weights", file, "--model", "resnet18", "--data", self.data)
        self.assertFails(done, WEIGHTS, "called module.fc.weight")

    def test_a_shape_that_a_model_does_not_have_is_refused(self):
        file = write_safetensors(self.top / "elsewhere.safetensors", read_safetensors(self.weights))
        for option in (("--width", 8), ("--cifar-stem",)):
            done = run_program("evaluate", "knn", "--weights", file, "--model", "vit_tiny_patch4_32", *option,
                               "--data", self.data)
            self.assertFails(done, USAGE, option[0], "vit_tiny_patch4_32 has one shape only")

    def test_pixels_take_no_options_of_a_model(self):
        for option in (("--run", self.run_folder.folder), ("--model", "resnet18"), ("--width", 8), ("--cifar-stem",),
                       ("--normalize", "clip")):
            done = run_program("evaluate", "knn", "--pixels", *option, "--data", self.data)
            self.assertFails(done, USAGE, f"{option[0]}: it is about a model, and --pixels has none")

    def test_a_run_says_itself_what_its_model_is(self):
        for option in (("--model", "resnet50"), ("--width", 8), ("--cifar-stem",), ("--allow-partial",)):
            done = run_program("evaluate", "knn", "--run", self.run_folder.folder, *option, "--data", self.data)
            self.assertFails(done, USAGE, f"{option[0]}: it is about --weights")

    def test_synthetic_images_come_from_no_file(self):
        done = run_program("evaluate", "knn", "--run", self.run_folder.folder, "--format", "synthetic", "--data", self.data)
        self.assertFails(done, USAGE, "--data", "makes its images and reads none")

    def test_a_picture_of_few_test_images_needs_no_option(self):
        self.data = write_cifar10(self.top / "few", test_images=3)
        result = self.result("evaluate", "neighbours", "--pixels", "--k", 2, "--out", self.top / "sheet.png")
        self.assertEqual(result["queries"], 3)

    def test_a_picture_is_not_written_under_another_kinds_name(self):
        done = run_program("evaluate", "neighbours", "--pixels", "--data", self.data, "--out", self.top / "sheet.jpg")
        self.assertFails(done, USAGE, "sheet.jpg", ".png")

    def test_no_neighbours_are_refused_before_the_work(self):
        for option, value in (("--k", 0), ("--temperature", 0), ("--temperature", "inf")):
            done = run_program("evaluate", "knn", "--run", self.run_folder.folder, "--data", self.data, option, value)
            self.assertFails(done, USAGE, f"{option}: {value}; a number above 0 is allowed")
            self.assertNotIn("loaded", done.stderr)

    def test_knn_of_a_weights_file_is_that_of_the_run(self):
        run = self.result("evaluate", "knn", "--run", self.run_folder.folder, "--k", 5)
        file = self.result("evaluate", "knn", "--weights", self.weights, "--model", "resnet18",
                           "--width", 4, "--cifar-stem", "--k", 5)
        self.assertEqual(run, file)

    def test_a_run_sees_images_of_the_size_it_was_trained_on(self):
        features = {}
        for name, size in (("default", ()), ("trained", ("--image-size", 16)), ("other", ("--image-size", 32))):
            out = self.top / f"{name}.safetensors"
            self.result("embed", "--run", self.run_folder.folder, *size, "--out", out)
            features[name] = read_safetensors(out)["features"]
        self.assertEqual(features["default"], features["trained"])
        self.assertNotEqual(features["default"], features["other"])

    def test_the_test_split_may_lie_elsewhere(self):
        other = write_cifar10(self.top / "other", test_images=20)
        (self.data / "test_batch.bin").unlink()
        result = self.result("evaluate", "knn", "--run", self.run_folder.folder, "--k", 5, "--test-data", other)
        self.assertEqual(result["total"], 20)

    def test_the_size_of_the_synthetic_data_set_can_be_named(self):
        done = run_program("evaluate", "knn", "--pixels", "--format", "synthetic", "--synthetic-images", 40, "--k", 50)
        self.assertFails(done, DONE, "k is 50 but only 40 images can vote")

    def test_results_name_the_device_and_other_devices_are_refused(self):
        for device in ((), ("--device", "cpu"), ("--device", "auto")):
            done = run_program("evaluate", "knn", "--pixels", "--data", self.data, "--k", 5, *device)
            self.assertFails(done, DONE, "device: cpu")
        for program, *args in (("evaluate", "knn"), ("evaluate", "linear"), ("evaluate", "classify"),
                               ("evaluate", "neighbours", "--pixels"), ("embed",)):
            done = run_program(program, *args, "--data", self.data, "--out", self.top / "out.png", "--device", "gpu")
            self.assertFails(done, USAGE, '--device: "gpu"', "auto, cpu, cuda")
            self.assertEqual(done.stdout, "")

    def test_a_file_that_cannot_be_written_is_refused_before_the_work(self):
        out = self.top / "nowhere" / "out.png"
        for program, *args in (("evaluate", "knn"), ("evaluate", "linear"), ("evaluate", "neighbours"), ("embed",)):
            done = run_program(program, *args, "--run", self.run_folder.folder, "--data", self.data, "--out", out)
            self.assertFails(done, IO, out)
            self.assertEqual(done.stdout, "")
            self.assertNotIn("loaded", done.stderr)

    def test_outputs_do_not_replace_what_a_run_keeps(self):
        for name in ("config.resolved.json", "metrics.jsonl", "checkpoints/latest"):
            kept = (self.run_folder / name).read_bytes()
            for program in (("evaluate", "knn"), ("embed",)):
                done = run_program(*program, "--run", self.run_folder.folder, "--data", self.data, "--out",
                                   self.run_folder / name)
                self.assertFails(done, USAGE, "is there already")
            self.assertEqual((self.run_folder / name).read_bytes(), kept)

    def test_outputs_do_not_replace_what_another_run_keeps(self):
        copy = self.top / "other"
        shutil.copytree(self.run_folder.folder, copy)
        kept = copy / "exported/backbone.safetensors"
        before = kept.read_bytes()
        for program in (("evaluate", "knn"), ("embed",)):
            done = run_program(*program, "--run", self.run_folder.folder, "--data", self.data, "--out", kept)
            self.assertFails(done, USAGE, f"belongs to the run {copy}")
        self.assertEqual(kept.read_bytes(), before)

    def test_outputs_do_not_replace_what_is_read(self):
        run = self.run_folder.folder
        exported = run / "exported/backbone.safetensors"
        copy = self.top / "w.safetensors"
        shutil.copy(exported, copy)
        kept = exported.read_bytes()
        for args in (("embed", "--run", run, "--data", self.data, "--out", exported),
                     ("embed", "--run", run, "--data", self.data, "--out", self.data / "test_batch.bin"),
                     ("evaluate", "knn", "--weights", copy, "--model", "resnet18", "--data", self.data, "--out", copy)):
            self.assertFails(run_program(*args), USAGE, "--out", "is there already", "is read")
        self.assertEqual((exported.read_bytes(), copy.read_bytes()), (kept, kept))

    def test_a_result_that_cannot_be_kept_is_printed(self):
        full_disk = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        done = run_program("evaluate", "knn", "--run", self.run_folder.folder, "--data", self.data, "--k", 5,
                           preexec_fn=full_disk)
        self.assertFails(done, IO, self.run_folder / "eval", "disk full")
        self.assert_result(json.loads(done.stdout), "knn")

    def test_a_probe_needs_an_epoch(self):
        done = run_program("evaluate", "linear", "--run", self.run_folder.folder, "--data", self.data, "--epochs", 0)
        self.assertFails(done, USAGE, "--epochs", "1 to 1000000")

    def test_knn_of_pixels_tells_colours_apart(self):
        result = self.result("evaluate", "knn", "--pixels", "--k", 5)
        self.assert_result(result, "knn_pixels")
        self.assertGreater(result["correct"], 15)  # guessing gets 3

    def test_linear_probes_of_a_run(self):
        for probe in ("rela", "sgd"):
            result = self.result("evaluate", "linear", "--run", self.run_folder.folder, "--probe", probe,
                                 "--epochs", 3)
            self.assertEqual(result["total"], 30)
            self.assertAlmostEqual(result["top1"], result["correct"] / 30, places=12)
            self.assertIn("linear", result["protocol"])

    def test_embed_writes_features_and_labels_in_the_order_of_the_data(self):
        for split, images in (("test", 30), ("train", 60)):
            out = self.top / f"{split}.safetensors"
            result = self.result("embed", "--run", self.run_folder.folder, "--split", split, "--out", out)
            self.assertEqual((result["images"], result["width"]), (images, WIDTH))
            header, size = read_safetensors_header(out)
            for name, dtype, shape, item in (("features", "F32", [images, WIDTH], 4),
                                             ("labels", "I64", [images], 8)):
                begin, end = header[name]["data_offsets"]
                self.assertEqual((header[name]["dtype"], header[name]["shape"]), (dtype, shape))
                self.assertEqual(end - begin, images * item * (WIDTH if name == "features" else 1))
                self.assertLessEqual(end, size)
            begin, end = header["labels"]["data_offsets"]
            body = out.read_bytes()[-size:]
            labels = [int.from_bytes(body[i:i + 8], "little") for i in range(begin, end, 8)]
            self.assertEqual(labels, self.labels(split))

    def labels(self, split):
        names = ["test_batch.bin"] if split == "test" else [f"data_batch_{i}.bin" for i in range(1, 6)]
        return [label for name in names for label in (self.data / name).read_bytes()[::CIFAR_RECORD_BYTES]]

    def fails(self, code, *args):
        done = run_program("evaluate", "knn", *args, "--data", self.data)
        self.assertExit(done, code)
        return done.stderr

    def test_weights_of_another_width_are_refused_with_the_shapes(self):
        text = self.fails(WEIGHTS, "--weights", self.weights, "--model", "resnet18", "--width", 8,
                          "--cifar-stem")
        for word in (self.weights, "conv1.weight", "[4, 3, 3, 3]", "[8, 3, 3, 3]"):
            self.assertIn(str(word), text)

    def test_weights_of_other_names_are_refused_with_missing_and_unexpected_ones(self):
        tensors = read_safetensors(self.run_folder.checkpoint(1) / "model.safetensors")
        file = write_safetensors(self.top / "other.safetensors", {name.replace("conv", "convolution"): tensor
                                                                  for name, tensor in tensors.items()})
        text = self.fails(WEIGHTS, "--weights", file, "--model", "resnet18", "--width", 4, "--cifar-stem")
        for word in ("100 missing", "140 unexpected", "missing: conv1.weight", "unexpected: backbone.bn1."):
            self.assertIn(word, text)
        for kind, more in (("missing", 90), ("unexpected", 130)):
            named = [line.strip() for line in text.splitlines() if line.strip().startswith(f"{kind}: ")]
            self.assertEqual((len(named), named[-1]), (11, f"{kind}: {more} more"))

    def test_stem_and_width_are_read_off_the_weights(self):
        run = self.result("evaluate", "knn", "--run", self.run_folder.folder, "--k", 5)
        copy = self.top / "copy.safetensors"
        copy.write_bytes(self.weights.read_bytes())
        self.assertEqual(run, self.result("evaluate", "knn", "--weights", copy, "--model", "resnet18",
                                          "--image-size", 16, "--k", 5))

    def test_normalisation_is_a_name_or_three_means_and_deviations(self):
        self.result("embed", "--run", self.run_folder.folder, "--normalize",
                    '{"mean": [0, 0, 0], "std": [1, 0.5, 1]}', "--out", self.top / "f.safetensors")
        text = self.fails(USAGE, "--run", self.run_folder.folder, "--normalize", "imagnet")
        for word in ("--normalize", '"imagenet"', '"clip"', "got imagnet"):
            self.assertIn(word, text)
        self.assertIn("not JSON", self.fails(USAGE, "--run", self.run_folder.folder, "--normalize", "{"))

    def test_classify_needs_a_classifier_in_the_weights(self):
        done = run_program("evaluate", "classify", "--run", self.run_folder.folder, "--data", self.data)
        self.assertExit(done, WEIGHTS)
        for word in ("no classifier", "fc.weight", "knn"):
            self.assertIn(word, done.stderr)

    def test_file_that_is_no_safetensors_is_refused(self):
        path = self.top / "odd.safetensors"
        path.write_bytes(b"not tensors at all")
        self.assertIn(str(path), self.fails(WEIGHTS, "--weights", path, "--model", "resnet18"))

    def test_model_must_be_named_in_one_way(self):
        self.assertIn("exactly one", self.fails(USAGE))
        self.assertIn("exactly one", self.fails(USAGE, "--run", "a", "--weights", "b"))
        bare = self.top / "bare.safetensors"  # no config.json beside it
        bare.write_bytes(self.weights.read_bytes())
        self.assertIn("--model", self.fails(USAGE, "--weights", bare))

    def test_unfinished_run_says_how_to_go_on(self):
        (self.run_folder / "exported/backbone.safetensors").unlink()
        self.assertIn("--resume auto", self.fails(IO, "--run", self.run_folder.folder))

    def test_a_folder_that_is_no_run_is_called_so(self):
        self.assertIn("not the folder of a run", self.fails(IO, "--run", self.top))
        self.assertIn("no such folder", self.fails(IO, "--run", self.top / "missing"))

    def test_numbers_out_of_range_are_refused_with_what_is_allowed(self):
        for option, value, allowed in (("--image-size", 0, "1 to 4096"), ("--train-images", 0, "a number above 0"),
                                       ("--synthetic-images", -1, "a number above 0")):
            message = self.fails(USAGE, "--pixels", option, value)
            self.assertIn(option, message)
            self.assertIn(allowed, message)
            self.assertLess(len(message), 200)


if __name__ == "__main__":
    unittest.main()
