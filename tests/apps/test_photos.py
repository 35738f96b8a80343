#!/usr/bin/env python3
"""Training and evaluation on photographs: from a folder, archives and packed files; damaged and unlabelled ones."""

import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import tarfile
import unittest
import zlib

from programs import APPS, DATA, DONE, IO, SOURCE, STOPPED, TIMEOUT_S, USAGE, ProgramTest, Run, run_program, shared_data

PICTURES = SOURCE / "tests/golden/images"
CLASSES = {"ant": ("larger.jpg", "rgb.png", "turned_6.jpg", "lossy.webp"),
           "bee hive": ("grey.jpg", "palette.png", "rgb_444.jpg", "progressive.jpg"),
           "\u00e9t\u00e9": ("rgba.png", "cmyk.jpg", "bits.png", "turned.webp")}
CHANGES = {"data.format": "imagefolder", "data.workers": 3, "data.synthetic_images": 64, "max_steps": 3,
           "eval.knn_every_epochs": 1}


def write_split(folder, classes=CLASSES):
    for name, pictures in classes.items():
        (folder / name).mkdir(parents=True)
        for picture in pictures:
            shutil.copy(PICTURES / picture, folder / name)


def write_tar(path, folder):
    """In an order of its own, with the folder's name in front."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for file in sorted(folder.rglob("*.*"), reverse=True):
            tar.add(file, f"{folder.name}/{file.relative_to(folder)}")


def png_size(path):
    return struct.unpack(">II", path.read_bytes()[16:24])


class Photos(ProgramTest):
    def setUp(self):
        super().setUp()
        self.set = self.top / "set"
        write_split(self.set / "train")
        write_split(self.set / "val", {"bee hive": ("rgb.png", "grey.png"), "\u00e9t\u00e9": ("lossless.webp",)})
        self.base = dict(CHANGES, **{"data.cache_dir": str(self.top / "cache")})

    def changes(self, **more):
        return dict(self.base, **{"data." + key: str(value) for key, value in more.items()})

    def pack(self, *args):
        result = run_program("pack", *args)
        self.assertExit(result, DONE)
        return json.loads(result.stdout.splitlines()[-1])

    def test_more_archives_than_files_may_be_open_at_first(self):
        for i in range(40):
            shutil.copytree(self.set / "train/ant", self.top / f"n{i}")
            write_tar(self.top / f"shards/train-{i:02}.tar", self.top / f"n{i}")
        config = self.write_config(self.changes(format="tar", train_path=self.top / "shards"))
        limited = lambda most: lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, most))
        args = ("train_byol", config, "--check", "--set", "eval.knn_every_epochs=0")
        self.assertExit(run_program(*args, preexec_fn=limited(256)), DONE)
        self.assertFails(run_program(*args, preexec_fn=limited(32)), IO, "raise the limit of open files (ulimit -n)")

    def test_a_picture_is_not_written_among_those_that_are_read(self):
        picture = self.set / "train/ant/new.png"
        config = self.write_config(self.changes(train_path=self.set))
        self.assertFails(run_program("train_byol", config, "--preview", 2, "--preview-file", picture), USAGE,
                         "would lie in", "be one of its pictures")
        self.assertFalse(picture.exists())

    def all_forms(self, folder):
        """The config's changes that read one data set from a folder, archives and packed files."""
        for split, name in (("train", "train"), ("test", "val")):
            write_tar(self.top / f"{name}.tar", folder / name)
            self.pack(folder, self.top / f"{name}.pack", "--split", split)
        yield "folder", self.changes(train_path=folder)
        for form, suffix in (("tar", "tar"), ("packed", "pack")):
            yield form, self.changes(format=form, train_path=self.top / f"train.{suffix}",
                                     val_path=self.top / f"val.{suffix}")

    def check_same_bits(self, folder, more):
        runs = {}
        for form, changes in self.all_forms(folder):
            run = self.trained(form, "-q", changes=dict(changes, **more))
            evals = [(e["protocol"], e["correct"], e["total"]) for e in run.events("eval")]
            runs[form] = (run.losses(), evals, run.results(3))
        self.assertEqual(len(runs["folder"][0]), 3)
        self.assertGreater(len(runs["folder"][1]), 0)
        self.assertEqual(runs["tar"], runs["folder"])
        self.assertEqual(runs["packed"], runs["folder"])

    def test_folder_archives_and_packed_files_give_the_same_bits(self):
        self.check_same_bits(self.set, {"eval.knn_k": 3})

    def test_rela_and_a_resumed_run_on_photographs(self):
        changes = dict(self.changes(train_path=self.set), **{"method": "rela_byol", "eval.knn_k": 3,
                                                             "checkpoint.every_steps": 1})
        whole = self.trained("whole", "-q", changes=changes)
        self.trained("half", "-q", "--max-steps", 1, changes=changes)
        half = self.trained("half", "-q", "--resume", "auto", changes=changes)
        self.assertEqual(half.results(3), whole.results(3))

    def test_real_photographs(self):
        shared = shared_data("imagefolder/caltech101-subset")
        if shared is None:
            self.skipTest("shared/data/imagefolder is not on this machine")
        self.check_same_bits(shared, {"augmentations": [{"crop_size": 64}], "eval.knn_every_epochs": 1})

    def test_pictures_without_labels(self):
        flat = self.top / "flat"
        flat.mkdir()
        for picture in ("rgb.jpg", "rgb.png", "grey.jpg", "lossy.webp"):
            for copy in range(3):
                shutil.copy(PICTURES / picture, flat / f"{copy} {picture}")
        result = self.train("flat-run", changes=self.changes(train_path=flat))
        self.assertExit(result, DONE)
        self.assertIn("no kNN evaluation and no online classifier", result.stderr)
        self.assertIn("has no labels", result.stderr)
        self.assertFails(self.train("x", changes=dict(self.changes(train_path=flat), method="supervised")),
                         USAGE, "needs labels")

    def test_without_a_test_split_there_is_no_knn(self):
        shutil.rmtree(self.set / "val")
        result = self.train("run", changes=self.changes(train_path=self.set))
        self.assertExit(result, DONE)
        self.assertIn("has no test split; name one by data.val_path", result.stderr)

    def test_test_images_without_labels_are_not_class_0(self):
        shutil.rmtree(self.set / "val")
        (self.set / "val").mkdir()
        shutil.copy(PICTURES / "rgb.jpg", self.set / "val")
        result = self.train("run", changes=self.changes(train_path=self.set))
        self.assertFails(result, DATA, "the test images have no labels", "data.val_path", "eval.knn_every_epochs=0")
        self.trained("none", changes=dict(self.changes(train_path=self.set), **{"eval.knn_every_epochs": 0}))

    def test_pack_replaces_packed_files_only_and_not_what_it_reads(self):
        pack = self.top / "x.pack"
        picture = next((self.set / "train/ant").iterdir())
        self.pack(self.set, pack)
        self.pack(self.set, pack)
        write_tar(self.top / "a.tar", self.set / "train")
        shutil.copy(self.top / "a.tar", self.top / "b.tar")
        kept = {file: file.read_bytes() for file in (pack, picture, self.top / "b.tar")}
        for args, words in (((self.set, picture), "is read"),
                            (("--format", "packed", pack, pack, "--size", 16), "is read"),
                            (("--format", "tar", self.top / "a.tar", self.top / "b.tar"), "is no packed data set")):
            self.assertFails(run_program("pack", *args), USAGE, "OUT", words)
        self.assertEqual({file: file.read_bytes() for file in kept}, kept)

    def test_bad_images(self):
        (self.set / "train/ant/broken.jpg").write_bytes((PICTURES / "rgb.jpg").read_bytes()[:300])
        paths = self.changes(train_path=self.set)
        self.assertFails(self.train("error", changes=paths), DATA, "ant/broken.jpg", "Premature end",
                         "data.bad_images")
        for policy in ("skip", "replace"):
            changes = dict(paths, **{"data.bad_images": policy})
            if policy == "skip":
                self.assertFails(self.train(policy, changes=changes), DATA, "1 of 13 images are bad",
                                 "ant/broken.jpg")
            run = self.trained(policy + "-run", changes=dict(changes, **{"data.max_bad_fraction": 0.1}))
            self.assertEqual(run.events("train")[-1]["bad_images"], 1)
        result = run_program("pack", "--verify", self.set)
        self.assertExit(result, DATA)
        self.assertIn("ant/broken.jpg: JPEG: Premature end", result.stdout)
        self.assertEqual(json.loads(result.stdout.splitlines()[-1]), {"images": 16, "bad": 1, "classes": 3, "splits": ["train", "test"]})
        self.assertFails(run_program("pack", self.set, self.top / "x.pack"), DATA, "ant/broken.jpg")
        self.assertFalse((self.top / "x.pack").exists())
        self.assertEqual(self.pack(self.set, self.top / "x.pack", "--skip-bad")["left_out"], 1)

    def many_with_four_bad(self):
        """24 pictures; config changes that read each once, in all."""
        folder = self.top / "many/train/ant"
        folder.mkdir(parents=True)
        for i in range(24):
            shutil.copy(PICTURES / "rgb.jpg", folder / f"{i:02}.jpg")
        for i in range(0, 24, 6):  # apart: a bad one is replaced by the next
            (folder / f"{i:02}.jpg").write_bytes(b"no picture")
        return {**self.changes(train_path=self.top / "many"), "data.bad_images": "replace", "batch_size": 8,
                "max_steps": 3, "eval.knn_every_epochs": 0, "data.workers": 1}

    def test_the_share_of_bad_images_is_that_of_all_shards(self):
        changes = self.many_with_four_bad()
        for shards in (None, 4):
            changes["distributed.shards"] = shards
            result = self.train(f"few{shards}", changes={**changes, "data.max_bad_fraction": 0.15})
            self.assertFails(result, DATA, "4 of 24 images are bad, more than data.max_bad_fraction 0.15 allows")
            done = self.train(f"enough{shards}", changes={**changes, "data.max_bad_fraction": 0.17})
            self.assertExit(done, DONE)
            self.assertEqual(done.stderr.count("bad image, the next one takes its place"), 4, done.stderr)
            self.assertEqual(Run(self.top / f"enough{shards}").events("train")[-1]["bad_images"], 4)

    def test_pictures_do_not_replace_those_of_the_data_set(self):
        picture = self.set / "train/bee hive/palette.png"
        before = picture.read_bytes()
        data = ("--data", self.set, "--format", "imagefolder")
        preview = ("train_byol", self.write_config(self.changes(train_path=self.set)), "--preview", 3, "--preview-file")
        for words in (("evaluate", "neighbours", "--pixels", *data, "--out"),
                      ("evaluate", "knn", "--pixels", *data, "--picture"), preview):
            self.assertFails(run_program(*words, picture), USAGE, "is there already, and", "is read")
        both = ("--out", self.top / "x.png", "--picture", self.top / "x.png")
        self.assertFails(run_program("evaluate", "knn", "--pixels", *data, *both), USAGE, "is what --out names, too")
        self.assertEqual(picture.read_bytes(), before)

    def test_the_training_images_are_not_packed_as_the_test_split(self):
        shutil.rmtree(self.set / "val")
        for words in ((self.top / "x.pack",), ("--verify",)):
            self.assertFails(run_program("pack", self.set, *words, "--split", "test"), DATA, "has no test split",
                             "leave out --split")
        self.assertFalse((self.top / "x.pack").exists())

    def test_verify_takes_no_options_of_packing(self):
        for words in (("x.pack",), ("--size", 3), ("--skip-bad",)):
            self.assertFails(run_program("pack", "--verify", self.set, *words), USAGE, "--verify writes nothing")

    def test_verify_looks_at_the_test_split_too(self):
        (self.set / "val/bee hive/broken.jpg").write_bytes((PICTURES / "rgb.jpg").read_bytes()[:300])
        self.assertFails(run_program("pack", "--verify", self.set), DATA)
        result = run_program("pack", "--verify", self.set, "--split", "train")
        self.assertExit(result, DONE)
        self.assertEqual(json.loads(result.stdout.splitlines()[-1])["splits"], ["train"])

    def many_large_pictures(self):
        """A folder that takes seconds to decode."""
        rows = b"\0" * (1 + 3 * 2000) * 2000
        header = struct.pack(">IIBBBBB", 2000, 2000, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
        png = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks)
        folder = self.top / "large/train/a"
        folder.mkdir(parents=True)
        (folder / "0.png").write_bytes(png)
        for i in range(1, 2000):
            (folder / f"{i}.png").hardlink_to(folder / "0.png")
        return self.top / "large"

    def test_a_signal_before_the_first_step_leaves_no_trace_and_says_so(self):
        changes = dict(self.changes(train_path=self.many_large_pictures()),
                       **{"data.bad_images": "skip", "data.cache_dir": str(self.top / "lists")})
        for number, code in ((signal.SIGUSR1, STOPPED), (signal.SIGHUP, STOPPED), (signal.SIGTERM, -signal.SIGTERM)):
            process, run = self.start_training("run", changes=changes, stderr=subprocess.PIPE)
            log = run / "train.log"
            self.wait_until(lambda: log.exists() and "decoded once" in log.read_text(), process)
            process.send_signal(signal.SIGUSR2)  # there is nothing to save yet
            process.send_signal(number)
            self.assertEqual(process.wait(TIMEOUT_S), code, number)
            self.assertIn(f"stopped by {number.name} before the first step", process.stderr.read().decode())
            self.assertFalse(run.folder.exists(), number)

    def test_pack_that_is_stopped_or_killed_leaves_nothing_for_ever(self):
        folder, pack = self.many_large_pictures(), self.top / "x.pack"
        left = lambda: sorted(self.top.glob("x.pack*"))
        for number in (signal.SIGUSR1, signal.SIGHUP):
            process = self.caught_early(
                lambda: subprocess.Popen([APPS / "pack", folder, pack], stderr=subprocess.PIPE, text=True))
            process.send_signal(number)
            _, words = process.communicate(timeout=TIMEOUT_S)
            self.assertEqual((process.returncode, left()), (STOPPED, []), words)
        for number in (signal.SIGINT, signal.SIGKILL):
            process = subprocess.Popen([APPS / "pack", folder, pack], stderr=subprocess.PIPE, text=True)
            self.wait_until(left, process)
            process.send_signal(number)
            process.communicate(timeout=TIMEOUT_S)
            self.assertEqual(process.returncode, -number)
            self.assertEqual(len(left()), int(number == signal.SIGKILL))
        os.utime(left()[0], (0, 0))
        self.pack(self.set, pack)
        self.assertEqual(left(), [pack])

    def test_data_that_go_bad_do_not_cost_the_steps_so_far(self):
        changes = dict(self.changes(train_path=self.set), max_steps=1_000_000, **{"eval.knn_every_epochs": 0})
        process, run = self.start_training("run", changes=changes, stderr=subprocess.PIPE)
        self.wait_until(lambda: len(run.events("train")) >= 3, process)
        (self.set / "train/ant/rgb.png").write_bytes(b"no picture")
        self.assertEqual(process.wait(TIMEOUT_S), DATA)
        self.assertIn(b"ant/rgb.png", process.stderr.read())
        step = run.status()["step"]
        self.assertEqual(run.checkpoint_steps(), [step])
        self.assertEqual(len(run.events("train")), step)

    def test_a_path_that_is_not_utf_8_is_a_usage_error(self):
        odd = os.fsencode(self.top) + b"/\xff"
        os.rename(self.set, odd)
        result = subprocess.run([APPS / "pack", "--verify", odd], capture_output=True, check=False)
        self.assertEqual(result.returncode, DONE)
        result = subprocess.run([APPS / "train_byol", self.write_config(self.changes()), "--check", "--set",
                                 b"data.train_path=" + odd], capture_output=True, check=False)
        self.assertEqual(result.returncode, USAGE)
        self.assertIn(b"not UTF-8", result.stderr)

    def test_pack_shrinks_and_verifies(self):
        result = self.pack(self.set, self.top / "small.pack", "--size", 16)
        self.assertEqual((result["images"], result["shrunk"]), (12, 12))
        verified = run_program("pack", "--verify", "--format", "packed", self.top / "small.pack")
        self.assertExit(verified, DONE)
        damaged = bytearray((self.top / "small.pack").read_bytes())
        damaged[100] ^= 1
        (self.top / "small.pack").write_bytes(damaged)
        verified = run_program("pack", "--verify", "--format", "packed", self.top / "small.pack")
        self.assertExit(verified, DATA)
        self.assertIn("checksum", verified.stdout)

    def test_preview(self):
        picture = self.top / "views.png"
        self.assertExit(run_program("train_byol", self.write_config(self.changes(train_path=self.set)),
                                    "--preview", 5, "--preview-file", picture), DONE)
        width, height = png_size(picture)
        self.assertEqual((width, height), (2 * 16 + 3 * (3 * 96 + 8) + 2 * 20, 2 * 16 + 24 + 2 * 96 + 4))
        self.assertFails(run_program("train_byol", self.write_config(self.changes(train_path=self.set)),
                                     "--preview", 13, "--preview-file", picture), USAGE, "1 to 12")
        self.assertFails(run_program("train_byol", self.write_config(self.changes(train_path=self.set)),
                                     "--preview", 5, "--preview-file", self.top / "views.jpg"), USAGE,
                         "--preview-file", "views.jpg", ".png")

    def test_evaluate_and_embed_read_photographs(self):
        run = self.trained("run", "-q", changes=dict(self.changes(train_path=self.set), **{"eval.knn_k": 3}))
        for args in (("knn", "--k", 3), ("linear", "--epochs", 1)):
            result = run_program("evaluate", args[0], "--run", run.folder, "--data", self.set, "--format",
                                 "imagefolder", *args[1:])
            self.assertExit(result, DONE)
            self.assertEqual(json.loads(result.stdout.splitlines()[-1])["total"], 3)
        result = run_program("embed", "--run", run.folder, "--data", self.set, "--format", "imagefolder",
                             "--out", self.top / "f.safetensors")
        self.assertExit(result, DONE)


if __name__ == "__main__":
    unittest.main()
