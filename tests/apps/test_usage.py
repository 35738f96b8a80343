#!/usr/bin/env python3
"""The programs' messages and exit codes for wrong usage, wrong configs and wrong data."""

import os
import subprocess
import unittest

from programs import (APPS, CIFAR_RECORD_BYTES, DATA, DEVICE, DONE, IO, TIMEOUT_S, USAGE, WEIGHTS, ProgramTest,
                      run_program, write_cifar10)


class CommandLine(ProgramTest):
    def test_help_of_every_program_succeeds_and_names_its_options(self):
        for program, option in (("train_byol", "--resume"), ("evaluate", "knn"), ("embed", "--split"),
                                ("experiment", "--dry-run"), ("transport", "--ridge")):
            result = run_program(program, "--help")
            self.assertExit(result, DONE)
            self.assertIn(option, result.stdout)

    def test_unknown_option_suggests_the_nearest(self):
        self.assertFails(self.train("run", "--resum", "auto"), USAGE, "--resum", "did you mean --resume?")
        self.assertFails(run_program("embed", "--out", "x", "--splits=train"), USAGE,
                         "did you mean --split?")
        self.assertFails(run_program("evaluate", "knn", "--temprature", "1"), USAGE, "did you mean --temperature?")

    def test_negative_numbers_are_no_options(self):
        self.assertFails(run_program("evaluate", "knn", "--seed", "-1"), USAGE, "--seed: unknown option",
                         "-1: no option takes a negative number")

    def test_the_value_of_an_unknown_option_is_not_blamed(self):
        for program, *args in (("evaluate", "linear", "--run", "r", "--zz", "0.1"), ("train_byol", "c", "--zz", "3"),
                               ("pack", "--zz", "3", "x", "y")):
            result = run_program(program, *args)
            self.assertFails(result, USAGE, "--zz: unknown option")
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_an_unknown_subcommand_suggests_the_nearest(self):
        self.assertFails(run_program("evaluate", "knm", "--run", "r"), USAGE, '"knm": did you mean knn?', "linear")
        self.assertFails(run_program("weights", "inspec"), USAGE, "did you mean inspect?")

    def test_check_refuses_what_the_run_would(self):
        (self.top / "file").write_text("")
        for words, *args in (("is a file; name a folder", "--out", self.top / "file"),
                             ("--overwrite replaces the run that --resume", "--resume", "auto", "--overwrite")):
            self.assertFails(run_program("train_byol", self.write_config(), "--check", *args), USAGE, words)
        self.assertFails(run_program("train_byol", self.write_config(), "--check", "--resume", "Auto"), WEIGHTS,
                         "--resume", "name a complete checkpoint's folder, or auto")

    def test_check_looks_at_the_folder_and_the_checkpoint(self):
        (self.top / "file").write_text("")
        result = run_program("train_byol", self.write_config(), "--check", "--out", self.top / "file/run")
        self.assertFails(result, IO, "cannot be made", "is a file")
        result = run_program("train_byol", self.write_config(), "--check", "--out", "/proc/run")
        self.assertFails(result, IO, "/proc", "cannot create in this folder")
        self.trained("run")
        config = self.write_config()
        result = run_program("train_byol", config, "--check", "--out", self.top / "run")
        self.assertExit(result, DONE)
        self.assertIn("is not empty: the run needs --resume auto, --overwrite", result.stderr)
        resumed = ("--check", "--out", self.top / "run", "--resume", "auto")
        self.assertExit(run_program("train_byol", config, *resumed), DONE)
        self.assertFails(run_program("train_byol", config, *resumed, "--set", "batch_size=16"), WEIGHTS, "batch_size")

    def test_a_misspelt_option_is_named_though_it_is_missed(self):
        self.assertFails(run_program("embed", "--otu", "x"), USAGE, "--otu: unknown option; did you mean --out?")

    def test_a_link_that_leads_nowhere_is_left_alone(self):
        link = self.top / "link"
        link.symlink_to(self.top / "nowhere")
        for options in ((), ("--check",)):
            self.assertFails(self.train("link", *options), IO, f"the link {link} leads nowhere")
        self.assertTrue(link.is_symlink())

    def test_a_run_is_not_replaced_by_one_that_has_it_as_its_prior(self):
        self.trained("run")
        prior = {"method": "rela_byol", "rela": {"prior": {"model": "exported", "weights": str(self.top / "run")}}}
        self.assertFails(self.train("run", "--overwrite", changes=prior), USAGE, "the run that would be replaced")
        self.assertTrue((self.top / "run/exported/backbone.safetensors").exists())
        self.assertFalse((self.top / "run/.replaced").exists())

    def test_outputs_go_through_links_and_never_to_devices(self):
        run = self.trained("run")
        link, new = self.top / "link", self.top / "new.safetensors"
        link.symlink_to(new)
        embed = ("embed", "--run", run.folder, "--format", "synthetic", "--synthetic-images", 20, "--out")
        self.assertExit(run_program(*embed, link), DONE)
        self.assertTrue(link.is_symlink() and new.is_file())
        lost = self.top / "lost"
        lost.symlink_to(self.top / "nowhere/new")
        for out, words in ((lost, f"{lost}: is a link to {self.top}/nowhere/new, and there is no folder"),
                           ("/dev/stdout", "/dev/stdout: is a device, a pipe or a socket; name a file")):
            result = run_program(*embed, out)
            self.assertFails(result, IO, words)
            self.assertNotIn("loaded", result.stderr)
        self.assertTrue(lost.is_symlink())

    def test_what_is_in_the_way_of_a_folder_is_named(self):
        run = self.trained("run")
        link, file = self.top / "link", self.top / "file"
        link.symlink_to(self.top / "nowhere")
        file.write_text("")
        for out, words in ((link, f"the link {link} leads nowhere"), (file / "hub", f"{file} is no folder")):
            done = run_program("weights", "convert", run / "exported", out)
            self.assertFails(done, IO, "cannot be made", words)

    def test_a_name_that_results_cannot_tell_is_refused_before_anything_is_written(self):
        run = self.trained("run")
        out = os.fsdecode(os.fsencode(self.top / "hub") + b"\xff")
        for args in (("weights", "convert", run / "exported", out),
                     ("embed", "--run", run.folder, "--format", "synthetic", "--out", out),
                     ("pack", self.top, out)):
            self.assertFails(run_program(*args), USAGE, "the name is not UTF-8")
            self.assertFalse(os.path.exists(out))

    def test_options_that_change_nothing_are_refused(self):
        self.assertFails(self.train("run", "--preview-file", self.top / "x.png"), USAGE, "without --preview N")
        self.assertFails(run_program("pack", self.top, self.top / "x.pack", "--quality", 50), USAGE,
                         "--quality: images are encoded anew for --size only")

    def test_a_runs_own_config_can_replace_it(self):
        run = self.trained("run")
        result = run_program("train_byol", run / "config.json", "--out", run.folder, "--overwrite")
        self.assertExit(result, DONE)
        self.assertTrue((run / "config.json").exists())

    def test_a_path_that_cannot_be_looked_at_is_an_input_error(self):
        loop = self.top / "loop"
        loop.symlink_to(loop)
        for data_format in ("cifar10", "idx", "imagefolder", "tar", "packed"):
            result = run_program("train_byol", self.write_config({"data.format": data_format}), "--check", "--set",
                                 f"data.train_path={loop}")
            self.assertFails(result, IO, loop, "Too many levels of symbolic links")

    def test_a_key_that_changes_nothing_is_a_warning(self):
        result = run_program("train_byol", self.write_config(), "--check", "--set", "optimizer.momentum=0.5")
        self.assertExit(result, DONE)
        self.assertIn("--set: optimizer.momentum: no effect with optimizer.name adamw; lars, sgd use it",
                      result.stderr)

    def test_numbers_and_texts_that_cannot_be_meant_are_refused(self):
        for option, value, words in (
                ("--seed", "9223372036854775808", "at most 18 digits"), ("--seed", "-1", "0 or more"),
                ("--seed", "1.5", "whole numbers"), ("--max-steps", "9000000000000000000", "1 to 1000000000000"),
                ("--max-steps", "0", "1 to 1000000000000"), ("--out", "", "is empty"), ("--resume", "", "is empty"),
                ("--set", "", "is empty")):
            result = run_program("train_byol", self.write_config(), "--check", option, value)
            self.assertFails(result, USAGE, option, words)
            self.assertLess(len(result.stderr), 200)

    def test_two_dashes_before_a_file_mean_nothing(self):
        self.assertExit(run_program("train_byol", "--check", "--", self.write_config()), DONE)

    def test_a_working_directory_that_is_gone_is_named(self):
        gone = self.top / "gone"
        gone.mkdir()
        command = f'cd "{gone}" && rmdir "{gone}" && exec "{APPS}/train_byol" "{self.write_config()}" --out x'
        result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        self.assertFails(result, IO, "x: the folder that this program was started in is gone")

    def test_without_a_config_it_names_one_to_try(self):
        self.assertFails(run_program("train_byol"), USAGE, "CONFIG", "quickstart.json")

    def test_config_that_is_absent_is_named(self):
        result = run_program("train_byol", self.top / "nowhere.json")
        self.assertIn("nowhere.json", result.stderr)
        self.assertNotEqual(result.returncode, DONE)


class Config(ProgramTest):
    def test_five_mistakes_are_five_lines(self):
        result = self.train("run", changes={
            "log_every_step": 1, "batch_size": "many", "optimizer.lr": -1,
            "backbone.name": "resnet19", "momentum.base_tau": 1.5})
        self.assertExit(result, USAGE)
        lines = result.stderr.strip().splitlines()
        self.assertEqual(len(lines), 5, result.stderr)
        for key, word in (("log_every_step", "log_every_steps"), ("batch_size", "many"),
                          ("optimizer.lr", "-1"), ("backbone.name", "resnet18"),
                          ("momentum.base_tau", "1.5")):
            self.assertTrue(any(key in line and word in line for line in lines), result.stderr)
        self.assertFalse((self.top / "run").exists())

    def test_keys_of_another_family_of_backbones_come_with_the_way_to_replace_them(self):
        result = self.train("run", "--set", "backbone.name=vit_tiny_patch4_32")
        self.assertFails(result, USAGE, "backbone.width: a key of ResNets", "remove it",
                         "--set 'backbone={\"name\": \"vit_tiny_patch4_32\"}'")
        self.assertExit(self.train("run", "--check", "--set", 'backbone={"name": "vit_tiny_patch4_32"}'), DONE)

    @unittest.skipUnless(os.environ.get("RELA_CUDA", "OFF") == "OFF", "this build has cuda")
    def test_cuda_says_what_to_build(self):
        self.assertFails(self.train("run", changes={"device": "cuda"}), DEVICE,
                         "device", "RELA_CUDA=ON", '"cpu"')

    def test_batch_larger_than_the_data(self):
        self.assertFails(self.train("run", changes={"batch_size": 65}), USAGE,
                         "batch_size", "65", "64")


class OutputFolder(ProgramTest):
    def test_folder_that_is_not_empty_is_refused_with_the_ways_on(self):
        run = self.trained("run")
        before = (run / "metrics.jsonl").read_bytes()
        self.assertFails(self.train("run"), USAGE, self.top / "run", "not empty", "--resume auto",
                         "--overwrite", "--out")
        self.assertEqual((run / "metrics.jsonl").read_bytes(), before)

    def test_overwrite_replaces_the_run_and_leaves_other_files(self):
        run = self.trained("run")
        (run / "notes.txt").write_text("mine")
        self.trained("run", "--overwrite", "--max-steps", 2)
        self.assertEqual(run.checkpoint_steps(), [2])
        self.assertTrue((run / "notes.txt").exists())

    def files(self, folder):
        """Names and contents of a folder's files."""
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def test_a_start_that_fails_leaves_no_trace(self):
        bad_data = {"data.format": "cifar10", "data.train_path": str(self.top / "nowhere")}
        (self.top / "foreign").mkdir()
        (self.top / "foreign/mine.txt").write_text("mine")
        for out, code in (("new/deeper", DATA), ("foreign", USAGE)):
            self.assertExit(self.train(out, changes=bad_data), code)
        self.assertFalse((self.top / "new").exists())
        self.assertEqual(self.files(self.top / "foreign"), {"mine.txt": b"mine"})
        self.trained("new/deeper")  # the corrected command is not refused

    def test_a_run_is_not_replaced_by_a_start_that_fails(self):
        run = self.trained("run")
        before = self.files(run.folder)
        bad_data = {"data.format": "cifar10", "data.train_path": str(self.top / "nowhere")}
        self.assertExit(self.train("run", "--overwrite", changes=bad_data), DATA)
        self.assertExit(self.train("run", "--overwrite", "--resume", "auto"), USAGE)
        after = self.files(run.folder)
        self.assertEqual({k: v for k, v in after.items() if k != "run.lock"},
                         {k: v for k, v in before.items() if k != "run.lock"})

    def test_a_replaced_run_is_back_if_the_new_one_never_had_a_checkpoint(self):
        run = self.trained("run", "--max-steps", 2)
        before = self.files(run.folder)
        process, _ = self.start_training("run", "--overwrite", changes={"max_steps": 100000})
        self.wait_until(lambda: (run / ".replaced/status.json").exists() and run.events("train"), process)
        process.kill()
        process.wait()
        self.assertTrue((run / ".replaced/checkpoints/step-00000002/DONE").exists())
        self.assertFails(self.train("run"), USAGE, "not empty")
        after = self.files(run.folder)
        self.assertEqual(after["exported/backbone.safetensors"], before["exported/backbone.safetensors"])
        self.assertEqual(run.checkpoint_steps(), [2])
        self.assertFalse((run / ".replaced").exists())

    def test_a_folder_that_is_no_run_is_not_overwritten(self):
        mine = self.top / "mine"
        (mine / "checkpoints").mkdir(parents=True)
        (mine / "checkpoints/best.pt").write_text("mine")
        (mine / "config.json").write_text("{}")
        before = self.files(mine)
        self.assertFails(self.train("mine", "--overwrite"), USAGE, "holds files and no run")
        self.assertEqual(self.files(mine), before)

    def test_folder_in_use_names_the_process(self):
        process, run = self.start_training("run", changes={"max_steps": 100000})
        self.wait_until(lambda: run.events("train"), process)
        for mode in (("--resume", "auto"), ("--overwrite",), ()):
            self.assertFails(self.train("run", *mode), USAGE, "in use by process", process.pid)
        self.assertIsNone(process.poll())


class LargeFiles(ProgramTest):
    """Files of 3 GB, nearly all of it holes, are refused before they are read."""

    def make(self, path, start=b""):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(start)
        os.truncate(path, 3 << 30)
        return path

    def test_files_of_text(self):
        results = self.make(self.top / "results.json", b"{")
        done = run_program("experiment", "--draw", results, "--out", self.top / "x.svg")
        self.assertFails(done, IO, results, "3221225472 bytes are too many for a file of text")
        run = self.trained("run", "--max-steps", 2)
        config = self.make(run / "exported/config.json")
        done = run_program("evaluate", "knn", "--run", run.folder, "--format", "synthetic")
        self.assertFails(done, IO, config, "too many for a file of text")

    def test_a_record(self):
        record = self.make(self.trained("run", "--max-steps", 2) / "metrics.jsonl")
        self.assertFails(self.train("run", "--resume", "auto"), IO, record, "at most 1073741824 are accepted")

    def test_a_picture(self):
        picture = self.make(self.top / "pictures/a/x.jpg", b"\xff\xd8\xff\xe0")
        done = run_program("pack", self.top / "pictures", self.top / "x.pack")
        self.assertFails(done, DATA, picture, "a picture of 3221225472 bytes; at most 536870910 are read")


class DataFiles(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = write_cifar10(self.top / "cifar")

    def check(self):
        return self.train("run", "--check",
                          changes={"data.format": "cifar10", "data.train_path": str(self.data)})

    def test_good_files_pass(self):
        result = self.check()
        self.assertExit(result, DONE)
        self.assertIn("60 training and 30 test images", result.stdout)

    def test_missing_files_are_named(self):
        (self.data / "test_batch.bin").unlink()
        self.assertFails(self.check(), DATA, self.data, "test_batch.bin")
        for i in range(1, 6):
            (self.data / f"data_batch_{i}.bin").unlink()
        self.assertFails(self.check(), DATA, self.data, "data_batch_1.bin")

    def test_truncated_file_is_named_with_the_offset_of_the_torn_record(self):
        path = self.data / "data_batch_2.bin"
        path.write_bytes(path.read_bytes()[:-1])
        self.assertFails(self.check(), DATA, path, f"offset {11 * CIFAR_RECORD_BYTES}", "truncated")

    def test_padded_file_is_named_with_the_offset_of_the_padding(self):
        path = self.data / "test_batch.bin"
        path.write_bytes(path.read_bytes() + b"\0")
        self.assertFails(self.check(), DATA, path, f"offset {30 * CIFAR_RECORD_BYTES}", "padded")

    def test_empty_file_is_named(self):
        path = self.data / "data_batch_5.bin"
        path.write_bytes(b"")
        self.assertFails(self.check(), DATA, path, "empty")

    def test_label_out_of_range_is_named_with_its_offset(self):
        path = self.data / "data_batch_4.bin"
        records = bytearray(path.read_bytes())
        records[7 * CIFAR_RECORD_BYTES] = 10
        path.write_bytes(records)
        self.assertFails(self.check(), DATA, path, "label 10", f"offset {7 * CIFAR_RECORD_BYTES}", "0 to 9")


if __name__ == "__main__":
    unittest.main()
