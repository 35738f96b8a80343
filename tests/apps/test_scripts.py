#!/usr/bin/env python3
"""apps/fetch_cifar10.sh and apps/quickstart.sh, with stand-ins for the programs and the network.

usage: test_scripts.py SOURCE_FOLDER
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv.pop()).resolve()
FILES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
# A program that prints how it was called and a result, and writes the files that `experiment` writes.
STAND_IN = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >>"$CALLS"
echo '{"protocol": "knn", "correct": 1, "total": 4, "top1": 0.25}'
out=$(sed -nE 's/.*--out ([^ ]+).*/\\1/p' <<<"$*")
if [[ -n $out ]]; then
  mkdir -p "$out/byol-s1"
  echo '{"event": "eval", "step": 0, "protocol": "knn", "top1": 0.125}' >"$out/byol-s1/metrics.jsonl"
  echo report >"$out/byol-s1/report.html"
  printf 'words\\n| run | kNN |\\n' >"$out/results.md"
fi
"""


class Scripts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)
        self.checkout = self.top / "above" / "rela"
        shutil.copytree(SOURCE / "apps", self.checkout / "apps")
        self.calls = self.top / "calls"
        for name in ("bin/cmake", "tests/check.sh", "build/apps/experiment", "build/apps/evaluate"):
            path = self.checkout / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(STAND_IN)
            path.chmod(0o755)

    def run_script(self, name, *args, **env):
        base = {k: v for k, v in os.environ.items() if not k.startswith("RELA_")}
        base.update(PATH=f"{self.checkout / 'bin'}:{base['PATH']}", CALLS=str(self.calls),
                    RELA_CIFAR10_URL=f"file://{self.top}/nowhere.tar.gz")
        base.update(env)
        return subprocess.run([self.checkout / "apps" / name, *args], env=base, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)

    def called(self, program):
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line for line in lines if line.startswith(program + " ")]

    def pictures(self, folder, names=FILES):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_bytes(bytes(3073))
        return folder

    def test_given_folder_is_used_with_or_without_the_inner_one(self):
        inner = self.pictures(self.top / "mine/cifar-10-batches-bin")
        for given in (inner, inner.parent):
            done = self.run_script("fetch_cifar10.sh", RELA_DATA=str(given))
            self.assertEqual((done.returncode, done.stdout), (0, f"{inner}\n"), done.stderr)
            self.assertIn("differs from the official files", done.stderr)

    def test_wrong_given_folder_is_an_error_that_says_what_was_looked_for(self):
        self.pictures(self.top / "mine", FILES[:5])
        for script in ("fetch_cifar10.sh", "quickstart.sh"):
            done = self.run_script(script, RELA_DATA=str(self.top / "mine"))
            self.assertEqual(done.returncode, 6, done.stderr)
            self.assertIn(f"RELA_DATA={self.top}/mine: neither it nor its cifar-10-batches-bin holds "
                          "data_batch_1.bin", done.stderr)
        self.assertEqual(self.called("experiment"), [])

    def test_what_is_not_the_official_archive_is_refused_and_leaves_nothing(self):
        self.pictures(self.top / "cifar-10-batches-bin")
        archive = self.top / "fake.tar.gz"
        with tarfile.open(archive, "w:gz") as out:
            out.add(self.top / "cifar-10-batches-bin", "cifar-10-batches-bin")
        done = self.run_script("fetch_cifar10.sh", RELA_CIFAR10_URL=f"file://{archive}")
        self.assertEqual(done.returncode, 5)
        self.assertIn("MD5 is not c32a1d4ab5d03f1284b67883e8d87530", done.stderr)
        self.assertEqual(list((self.checkout / "data").iterdir()), [])

    def test_packed_files_above_that_are_not_the_official_ones_are_refused(self):
        packed = self.pictures(self.top / "above/shared/data/cifar10")
        subprocess.run(["xz", *(packed / name for name in FILES)], check=True)
        done = self.run_script("fetch_cifar10.sh")
        self.assertEqual(done.returncode, 5)
        self.assertIn("does not hold the official files: SHA-256 differs", done.stderr)
        self.assertEqual(list((self.checkout / "data").iterdir()), [])

    def test_without_data_and_network_the_quickstart_trains_on_synthetic_pictures_and_says_so(self):
        done = self.run_script("quickstart.sh")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("No CIFAR-10: training on synthetic pictures instead", done.stdout)
        (call,) = self.called("experiment")
        self.assertIn("--set data.format=synthetic", call)
        self.assertTrue(all("--format synthetic" in call for call in self.called("evaluate")))

    def test_quickstart_hands_on_data_steps_folder_and_options(self):
        mine = self.pictures(self.top / "mine")
        done = self.run_script("quickstart.sh", "--set", "epochs=9", RELA_DATA=str(mine),
                               RELA_QUICKSTART_STEPS="3", RELA_QUICKSTART_OUT="runs/other")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (call,) = self.called("experiment")
        for part in ("--out runs/other", f"--set data.train_path={mine}", "--set max_steps=3", "--set epochs=null",
                     "--set epochs=9", "--set precision="):
            self.assertIn(part, call)
        self.assertEqual(self.called("evaluate"), [f"evaluate knn --pixels --data {mine}"])
        for line in ("ReLA's prior: random", "kNN of raw pixels          25.0 %", "kNN of untrained network   12.5 %",
                     "| run | kNN |", "report   runs/other/byol-s1/report.html"):
            self.assertIn(line, done.stdout)

    def test_quickstart_takes_a_prior_that_is_at_hand_and_says_that_it_saw_labels(self):
        mine = self.pictures(self.top / "mine")
        weights = self.top / "above/shared/data/priors/akamaster_resnet_cifar10/resnet20.safetensors"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(b"")
        for given, expected in ((None, "../shared/data/priors/akamaster_resnet_cifar10/resnet20.safetensors"),
                                ("/mine/prior.safetensors", "/mine/prior.safetensors")):
            env = {"RELA_DATA": str(mine)} | ({"RELA_PRIOR": given} if given else {})
            done = self.run_script("quickstart.sh", **env)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(f"--set rela:rela.prior.weights={expected}", self.called("experiment")[-1])
            self.assertIn("not free of them", done.stdout)

    def test_help(self):
        for script in ("fetch_cifar10.sh", "quickstart.sh"):
            done = self.run_script(script, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout.startswith(f"usage: apps/{script}"))


if __name__ == "__main__":
    unittest.main()
