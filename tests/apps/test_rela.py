#!/usr/bin/env python3
"""Methods with a ReLA phase: what each phase trains, when it ends, and that resumed runs are bit-identical."""

import json
import signal
import struct
import time
import unittest

from programs import (CIFAR_RECORD_BYTES, DONE, IO, NON_FINITE, TIMEOUT_S, USAGE, WEIGHTS, ProgramTest, Run,
                      read_safetensors, write_cifar10, write_safetensors)

# 64 images in batches of 8: eight steps per epoch.
STEPS = 16
RELA = {"method": "rela_byol", "epochs": 2, "rela.switch": {"mode": "fixed", "fraction": 0.5},
        "checkpoint.every_steps": 2, "checkpoint.keep_last": 10}


class RelaTest(ProgramTest):
    def write_config(self, changes=None):
        path = super().write_config(changes)
        config = json.loads(path.read_text())
        if "epochs" in config:
            del config["max_steps"]
            path.write_text(json.dumps(config, indent=1))
        return path

    def phases(self, run):
        return [(line["step"], line["phase"]) for line in run.events("train")]

    def tensors(self, run, step):
        """Name -> bytes of a checkpoint's model."""
        tensors = read_safetensors(run.checkpoint(step) / "model.safetensors")
        return {name: data for name, (_, _, data) in tensors.items()}


class Phases(RelaTest):
    def test_switches_after_the_fixed_epochs_and_says_so(self):
        run = self.trained("run", changes=RELA)
        self.assertEqual(self.phases(run), [(s, "rela" if s <= 8 else "byol") for s in range(1, STEPS + 1)])
        (switch,) = run.events("phase_switch")
        self.assertEqual((switch["step"], switch["phase"]), (8, "byol"))
        self.assertLess(switch["rho"], 0.995)
        for key in ("slow", "fast"):
            self.assertIn(key, switch)
        (start,) = run.events("start")
        self.assertEqual((start["phase"], start["map"]), ("rela", "fixed"))

    def test_in_the_rela_phase_the_heads_and_a_fixed_map_rest(self):
        run = self.trained("run", changes=RELA)
        early, late = self.tensors(run, 2), self.tensors(run, 6)
        moved = {name for name in early if early[name] != late[name]}
        self.assertIn("backbone.conv1.weight", moved)
        self.assertFalse({n for n in moved if n.startswith(("projector.", "predictor.", "map."))}, moved)
        after = self.tensors(run, 12)
        self.assertNotEqual(after["projector.0.weight"], late["projector.0.weight"])
        self.assertNotIn("map.weight", after)

    def test_a_trained_map_moves(self):
        run = self.trained("run", changes={**RELA, "rela.train_map": True})
        early, late = self.tensors(run, 2), self.tensors(run, 6)
        self.assertNotEqual(early["map.weight"], late["map.weight"])

    def test_the_loss_is_a_cosine_distance_and_falls(self):
        run = self.trained("run", changes={**RELA, "epochs": 12, "optimizer.lr": 0.03,
                                             "rela.switch": {"mode": "never"}})
        losses = [loss for _, loss in run.losses()]
        self.assertTrue(all(0 <= loss <= 2 for loss in losses), losses)
        self.assertLess(sum(losses[-8:]), 0.97 * sum(losses[:8]))

    def test_a_run_that_ends_before_the_switch_says_so(self):
        result = self.train("run", changes={**RELA, "rela.switch": {"mode": "adaptive"}})
        self.assertExit(result, 0)
        self.assertIn("ended before the switch", result.stderr)
        self.assertFalse(Run(self.top / "run").events("phase_switch"))

    def test_a_run_that_ends_with_the_switch_says_so(self):
        result = self.train("run", changes={**RELA, "rela.switch": {"mode": "fixed", "fraction": 1.0}})
        self.assertExit(result, 0)
        self.assertIn("and so is the run", result.stderr)
        self.assertNotIn("takes over", result.stderr)

    def test_a_fraction_of_no_epoch_is_plain_byol(self):
        byol = self.trained("byol", changes={"epochs": 2, "checkpoint.every_steps": 4})
        none = self.trained("none", changes={**RELA, "rela.switch": {"mode": "fixed", "fraction": 0.4}})
        self.assertEqual(none.results(STEPS), byol.results(STEPS))

    def test_rela_supervised_goes_over_to_labels(self):
        run = self.trained("run", changes={**RELA, "method": "rela_supervised"})
        self.assertEqual(self.phases(run)[7:9], [(8, "rela"), (9, "supervised")])
        plain = self.trained("plain", changes={"method": "supervised", "epochs": 2})
        self.assertEqual(self.phases(plain)[0], (1, "supervised"))


class SameBits(RelaTest):
    def assert_goes_on_from(self, step, changes):
        whole = self.trained("whole", changes=changes)
        run = self.trained("run", "--resume", whole.checkpoint(step), changes=changes)
        self.assertEqual(run.results(STEPS), whole.results(STEPS))
        self.assertEqual(run.losses(), whole.losses()[step:])

    def test_from_the_rela_phase(self):
        self.assert_goes_on_from(4, RELA)

    def test_from_the_rela_phase_with_a_trained_map(self):
        self.assert_goes_on_from(4, {**RELA, "rela.train_map": True})

    def test_from_the_switch(self):
        self.assert_goes_on_from(8, RELA)

    def test_from_the_second_phase(self):
        self.assert_goes_on_from(12, RELA)

    def test_from_the_rela_phase_of_a_supervised_run(self):
        self.assert_goes_on_from(4, {**RELA, "method": "rela_supervised"})

    def test_from_the_middle_of_an_epoch_at_a_ratio(self):
        self.assert_goes_on_from(6, {**RELA, "data.ratio": 0.5, "epochs": 4})

    def test_for_one_and_four_workers_at_a_ratio(self):
        changes = {**RELA, "data.ratio": 0.5, "epochs": 4}
        one = self.trained("one", changes=changes)
        four = self.trained("four", changes={**changes, "data.workers": 4})
        self.assertEqual(one.results(STEPS), four.results(STEPS))


class TargetFile(RelaTest):
    """A file of targets that several runs share."""

    def setUp(self):
        super().setUp()
        self.targets = self.top / "targets.bin"
        self.changes = {**RELA, "epochs": 1, "rela.switch": {"mode": "never"},
                        "rela.targets_path": str(self.targets)}
        self.first = self.trained("first", changes=self.changes)
        self.runs = 0

    def again(self, changes=None):
        """Another run with this file, and its output."""
        self.runs += 1
        result = self.train(f"again{self.runs}", changes={**self.changes, **(changes or {})})
        self.assertExit(result, DONE)
        return Run(self.top / f"again{self.runs}"), result.stderr

    def assert_made_anew(self, reason, changes=None):
        run, text = self.again(changes)
        self.assertIn(f"{reason}; making them anew", text)
        self.assertNotIn("making", self.again(changes)[1])
        return run

    def test_is_made_once(self):
        run, text = self.again()
        self.assertNotIn("making", text)
        self.assertEqual(run.results(8), self.first.results(8))

    def test_of_another_prior_or_data_set_is_made_anew_and_it_is_said(self):
        self.assert_made_anew(f"{self.targets} holds those of another prior", {"seed": 4})
        self.assert_made_anew(f"{self.targets} holds those of another data set",
                              {"seed": 4, "data.synthetic_images": 72})

    def test_that_is_damaged_is_made_anew_and_it_is_said(self):
        whole = self.targets.read_bytes()
        for damaged, reason in (
                (whole[:-1] + bytes([whole[-1] ^ 1]),
                 f"{self.targets} is damaged (block 0 of 1 does not match its checksum)"),
                (whole[:-4], f"{self.targets}: {len(whole) - 4} bytes of {len(whole)}"),
                (whole[:9] + bytes([whole[9] ^ 1]) + whole[10:], f"{self.targets}: the header's checksum is wrong"),
                (b"", f"{self.targets}: not a file of targets")):
            self.targets.write_bytes(damaged)
            run = self.assert_made_anew(reason)
            self.assertEqual(run.results(8), self.first.results(8))
            self.assertEqual(self.targets.read_bytes(), whole)

    def test_features_of_an_interrupted_pass_that_are_damaged_are_made_anew_and_it_is_said(self):
        whole = self.targets.read_bytes()
        self.targets.unlink()
        features = self.targets.with_name("targets.bin.features")
        features.write_bytes(whole[:100])
        run, text = self.again()
        self.assertIn(f"{features}: not a file of targets; starting it anew", text)
        self.assertEqual(run.results(8), self.first.results(8))

    def test_targets_go_through_a_link(self):
        link, new = self.top / "link", self.top / "new.bin"
        link.symlink_to(new)
        for _ in range(2):  # first it leads nowhere
            self.trained("linked", "--overwrite", changes={**self.changes, "rela.targets_path": str(link)})
            self.assertTrue(link.is_symlink())
            self.assertEqual(new.read_bytes(), self.targets.read_bytes())
            new.write_bytes(b"")

    def test_files_that_are_no_targets_are_not_overwritten(self):
        data = write_cifar10(self.top / "data")
        for name, place in (("data_batch_1.bin", data / "data_batch_1.bin"), ("note", self.targets),
                            ("features", self.targets.with_name("targets.bin.features"))):
            with self.subTest(name):
                self.targets.unlink(missing_ok=True)
                if not place.exists():
                    place.write_text("what someone wants to keep")
                before = place.read_bytes()
                path = str(place).removesuffix(".features")
                self.assertFails(self.train(name, changes={**self.changes, "rela.targets_path": path}), IO,
                                 place, "not a file of targets", "rela.targets_path")
                self.assertEqual(place.read_bytes(), before)


class MovedPriors(RelaTest):
    def setUp(self):
        super().setUp()
        self.prior = self.trained("prior", "--max-steps", 1)
        self.changes = {**RELA, "rela.prior": {"model": "exported", "weights": str(self.prior.folder)},
                        "rela.switch": {"mode": "never"}}
        self.run_folder = self.trained("run", changes={**self.changes, "epochs": 1})
        self.changes["epochs"] = 2

    def test_a_prior_may_be_moved(self):
        self.prior.folder.rename(self.top / "elsewhere")
        result = self.train("run", "--resume", "auto", "--set", f"rela.prior.weights={self.top / 'elsewhere'}",
                            changes=self.changes)
        self.assertExit(result, DONE)

    def test_another_prior_is_refused_before_its_targets_replace_those_that_were_learned(self):
        self.trained("prior", "--overwrite", "--seed", 77, "--max-steps", 1)
        targets = self.run_folder / "targets.bin"
        before = targets.read_bytes()
        for more in (("--check",), ()):
            result = self.train("run", "--resume", "auto", *more, changes=self.changes)
            self.assertFails(result, WEIGHTS, "has learned the targets", "restore the prior's weights")
            self.assertEqual(targets.read_bytes(), before)


class StoppedBeforeTheTargetsAreThere(RelaTest):
    CHANGES = {**RELA, "epochs": 1, "data.ratio": 0.001, "rela.switch": {"mode": "never"},
               "data.synthetic_images": 20_000}

    def test_a_signal_ends_the_program_at_once_and_what_is_made_is_kept(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process, run = self.start_training(number.name, changes=self.CHANGES)
            features = run / "targets.bin.features"
            self.wait_until(features.exists, process)
            self.assertEqual(run.status()["state"], "running")
            time.sleep(0.3)
            process.send_signal(number)
            start = time.monotonic()
            self.assertEqual(process.wait(TIMEOUT_S), -number)
            self.assertLess(time.monotonic() - start, 2)
            status = run.status()
            self.assertEqual((status["state"], status["exit_code"]), ("interrupted", 128 + number))
            self.assertIn(number.name, status["message"])
        done = self.train(number.name, "--resume", "auto", changes=self.CHANGES)
        self.assertFails(done, DONE, "made before an interruption and are kept")
        self.assertFalse(features.exists())

    def test_a_signal_is_heard_while_another_process_makes_them(self):
        shared = {**self.CHANGES, "rela.targets_path": str(self.top / "targets.bin")}
        first, _ = self.start_training("first", changes=shared)
        self.wait_until((self.top / "targets.bin.features").exists, first)
        first.send_signal(signal.SIGSTOP)
        second, run = self.start_training("second", changes=shared)
        self.wait_until(lambda: "waiting for it" in (run / "train.log").read_text()
                        if (run / "train.log").exists() else False, second)
        second.terminate()
        self.assertEqual(second.wait(10), -signal.SIGTERM)


class BadInput(RelaTest):
    def prior(self, changes=None):
        """A prior's weights, from a short run, with some tensors changed; and the keys that select it."""
        run = self.trained("prior", "--max-steps", 1, "--overwrite")
        tensors = read_safetensors(run / "exported/backbone.safetensors")
        tensors.update(changes(tensors) if changes else {})
        path = write_safetensors(self.top / "prior.safetensors", tensors)
        return {**RELA, "rela.prior": {"model": "resnet18", "weights": str(path), "normalize": "none"}}

    def cifar(self, pixel_of_image):
        """Images of one colour each: grey value by position in the training split."""
        data = write_cifar10(self.top / "data")
        for file in range(5):
            path = data / f"data_batch_{file + 1}.bin"
            records = len(path.read_bytes()) // CIFAR_RECORD_BYTES
            path.write_bytes(b"".join(bytes([0]) + bytes([pixel_of_image(file * records + i)]) * 3072
                                      for i in range(records)))
        return {"data": {"format": "cifar10", "train_path": str(data), "workers": 1}}

    def test_a_priors_weights_that_do_not_fit_are_refused_with_the_first_ten_names_of_each_kind(self):
        changes = self.prior()
        path = self.top / "prior.safetensors"
        weights = read_safetensors(path)
        odd = {f"other.{name}" if "layer3" in name else name:
               (dtype, [1, *shape], data) if "layer4" in name else (dtype, shape, data)
               for name, (dtype, shape, data) in weights.items()}
        write_safetensors(path, odd)
        result = self.train("run", changes=changes)
        moved = sum("layer3" in name and "num_batches" not in name for name in weights)
        self.assertFails(result, WEIGHTS, path, f"{moved} missing", "unexpected", "of wrong shape or type",
                         "missing: layer3.0.bn1.bias", "unexpected: other.layer3.0.bn1.bias",
                         "layer4.0.bn1.bias: model [32], file [1, 32]")
        lines = result.stderr.splitlines()
        for kind in ("missing", "unexpected", "wrong shape or type"):
            named = [line for line in lines if line.strip().startswith(f"{kind}:")]
            self.assertEqual(len(named), 11, result.stderr)
            self.assertRegex(named[-1], r": \d+ more$")

    def test_an_image_that_the_prior_gives_no_number_for_is_named(self):
        huge = struct.pack("<f", 3e38)
        changes = self.prior(lambda t: {"conv1.weight": (*t["conv1.weight"][:2], huge * (4 * 27))})
        black = {**changes, **self.cifar(lambda i: 255 if i == 37 else 0)}
        self.assertFails(self.train("run", changes=black), NON_FINITE, "targets: feature 0 of image 37 is",
                         self.top / "prior.safetensors", "rela.prior.normalize")
        self.assertEqual(Run(self.top / "run").status()["exit_code"], NON_FINITE)

    def test_a_weight_that_is_not_a_number_is_named_by_the_first_image(self):
        nan = struct.pack("<f", float("nan"))
        changes = self.prior(lambda t: {"conv1.weight": (*t["conv1.weight"][:2], nan + t["conv1.weight"][2][4:])})
        self.assertFails(self.train("run", changes=changes), NON_FINITE, "targets: feature 0 of image 0 is nan",
                         self.top / "prior.safetensors")

    def test_a_prior_that_sees_no_difference_is_refused(self):
        self.assertFails(self.train("run", changes={**RELA, **self.cifar(lambda i: 128)}), NON_FINITE,
                         "the prior's 32 features are the same for all 60 images")

    def test_fewer_images_than_dimensions_drop_directions_and_it_is_said(self):
        result = self.train("run", changes={**RELA, "data.synthetic_images": 16})
        self.assertFails(result, DONE, "of 32 directions dropped", "(16 images span no more than 15)")
        (start,) = Run(self.top / "run").events("start")
        self.assertLessEqual(start["target_width"], 15)

    def test_other_targets_than_the_checkpoint_learned_are_refused(self):
        changes = {**self.prior(), "epochs": 4, "checkpoint.keep_last": 20}
        whole = self.trained("whole", changes=changes)
        self.prior(lambda t: {"bn1.bias": (*t["bn1.bias"][:2], struct.pack("<4f", 1, 2, 3, 4))})
        self.assertFails(self.train("run", "--resume", whole.checkpoint(4), changes=changes), WEIGHTS,
                         "targets", "--overwrite")

    def test_an_embedding_narrower_than_pca_dim_is_refused(self):
        self.assertFails(self.train("run", changes={**RELA, "rela.pca_dim": 64}), USAGE, "pca_dim", "32")


class Check(ProgramTest):
    def test_check_looks_at_the_prior(self):
        rela = {"method": "rela_byol"}
        self.assertExit(self.train("no", "--check", changes=rela), DONE)
        missing = {**rela, "rela.prior.model": "resnet18", "rela.prior.weights": str(self.top / "nowhere.safetensors")}
        self.assertFails(self.train("no", "--check", changes=missing), IO, "nowhere.safetensors")
        self.assertFails(self.train("no", "--check", changes={**rela, "rela.pca_dim": 4096}), USAGE, "rela.pca_dim: 4096")
        config = {**rela, "rela.targets_path": str(self.top / "config.json")}
        self.assertFails(self.train("no", "--check", changes=config), IO, "config.json", "not a file of targets")
        self.assertFalse((self.top / "no").exists())


if __name__ == "__main__":
    unittest.main()
