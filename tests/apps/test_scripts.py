#!/usr/bin/env python3
"""apps/fetch_*.sh and apps/quickstart.sh, with stand-ins for the programs, the network and apt-get.

usage: test_scripts.py SOURCE_FOLDER
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv.pop()).resolve()
IDX_FILES = [f"{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
FILES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
# A program that prints how it was called and a result, and writes the files that `experiment` writes.
STAND_IN = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >>"$CALLS"
echo '{"protocol": "knn", "correct": 1, "total": 4, "top1": 0.25}'
out=$(sed -nE 's/.*--out ([^ ]+).*/\\1/p' <<<"$*")
if [[ $(basename "$0") == experiment ]]; then
  for run in byol-r0.4-s1 rela-r0.4-s1; do
    mkdir -p "$out/$run"
    echo '{"event": "eval", "step": 0, "protocol": "knn", "top1": 0.125}' >"$out/$run/metrics.jsonl"
    echo report >"$out/$run/report.html"
  done
  echo '{"event": "eval", "step": 9, "protocol": "knn", "top1": 0.375}' >>"$out/byol-r0.4-s1/metrics.jsonl"
  echo '{"event": "eval", "step": 9, "protocol": "knn", "top1": 0.5}' >>"$out/rela-r0.4-s1/metrics.jsonl"
fi
"""
# An apt-get that installs Fashion-MNIST where APT_INSTALLS names its folder, and otherwise fails.
APT = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >>"$CALLS"
if [[ "$*" != *install* ]]; then exit 0; fi
[[ -n ${APT_INSTALLS:-} ]] || exit 100
mkdir -p "$APT_INSTALLS"
touch "$APT_INSTALLS"/{train,t10k}-images-idx3-ubyte.gz "$APT_INSTALLS"/{train,t10k}-labels-idx1-ubyte.gz
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
            self.program(name, STAND_IN)
        self.program("bin/apt-get", APT)
        self.program("bin/sudo", '#!/usr/bin/env bash\n[[ $1 == -n ]] && shift\nexec "$@"\n')

    def program(self, name, text):
        path = self.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run_script(self, name, *args, **env):
        base = {k: v for k, v in os.environ.items() if not k.startswith("RELA_")}
        base.update(PATH=f"{self.checkout / 'bin'}:{base['PATH']}", CALLS=str(self.calls),
                    RELA_CIFAR10_URL=f"file://{self.top}/nowhere.tar.gz",
                    RELA_FASHION_MNIST=str(self.top / "fashion-mnist"))
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
        for script in ("fetch_cifar10.sh", "fetch_data.sh", "quickstart.sh"):
            done = self.run_script(script, RELA_DATA=str(self.top / "mine"))
            self.assertEqual(done.returncode, 6, done.stderr)
            self.assertIn(f"RELA_DATA={self.top}/mine: neither it nor its cifar-10-batches-bin holds "
                          "data_batch_1.bin", done.stderr)
        self.assertIn("nor does it hold IDX files", done.stderr)
        self.assertEqual(self.called("experiment"), [])

    def test_given_data_are_recognised(self):
        cifar10 = self.pictures(self.top / "cifar10")
        idx = self.pictures(self.top / "with a space", IDX_FILES)
        emnist = self.pictures(self.top / "emnist", [f"emnist-{name}-{split}-images-idx3-ubyte.gz"
                                                     for name in ("digits", "letters")
                                                     for split in ("train", "test")])
        letters = emnist / "emnist-letters-train-images-idx3-ubyte.gz"
        for given, said in ((cifar10, f"cifar10 {cifar10}"), (idx, f"idx {idx}"), (letters, f"idx {letters}")):
            done = self.run_script("fetch_data.sh", RELA_DATA=str(given))
            self.assertEqual((done.returncode, done.stdout), (0, said + "\n"), done.stderr)
        done = self.run_script("fetch_data.sh", RELA_DATA=str(emnist))
        self.assertEqual(done.returncode, 6)
        self.assertIn("holds several data sets (emnist-digits-, emnist-letters-)", done.stderr)
        self.assertEqual(done.stdout, "")
        (idx / IDX_FILES[0]).rename(idx / (IDX_FILES[0] + ".part"))
        for given in (idx, emnist / "emnist-letters-test-images-idx3-ubyte.gz"):
            self.assertEqual(self.run_script("fetch_data.sh", RELA_DATA=str(given)).returncode, 6, given)
        self.assertEqual(self.called("apt-get"), [])

    def test_training_and_test_images_have_to_be_of_one_data_set(self):
        def emnist(name, split):
            return f"emnist-{name}-{split}-images-idx3-ubyte.gz"

        mixed = self.pictures(self.top / "mixed", [emnist("digits", "train"), emnist("letters", "test")])
        plain = self.pictures(self.top / "plain", [IDX_FILES[0], emnist("letters", "test")])
        half = self.pictures(self.top / "half", [emnist("digits", "train")])
        for given, said in ((mixed, "several data sets (emnist-digits-, emnist-letters-)"),
                            (mixed / emnist("digits", "train"), "no test images of the same data set beside it"),
                            (plain, "several data sets"), (plain / IDX_FILES[0], "no test images of the same data set"),
                            (half, "no test images in IDX form")):
            done = self.run_script("fetch_data.sh", RELA_DATA=str(given))
            self.assertEqual((done.returncode, done.stdout), (6, ""), given)
            self.assertIn(f"RELA_DATA={given}: ", done.stderr)
            self.assertIn(said, done.stderr)
        (mixed / emnist("digits", "test")).touch()
        done = self.run_script("fetch_data.sh", RELA_DATA=str(mixed / emnist("digits", "train")))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_without_cifar10_fashion_mnist_is_used_as_it_is_or_installed(self):
        folder = self.top / "fashion-mnist"
        done = self.run_script("fetch_data.sh")
        self.assertEqual((done.returncode, done.stdout), (0, "synthetic\n"), done.stderr)
        self.assertIn("dataset-fashion-mnist could not be installed", done.stderr)
        done = self.run_script("fetch_data.sh", APT_INSTALLS=str(folder))
        self.assertEqual((done.returncode, done.stdout), (0, f"idx {folder}\n"), done.stderr)
        installs = [call for call in self.called("apt-get") if " install " in call]
        self.assertEqual(len(installs), 2)
        self.assertIn("dataset-fashion-mnist", installs[1])
        done = self.run_script("fetch_data.sh")
        self.assertEqual((done.returncode, done.stdout), (0, f"idx {folder}\n"), done.stderr)
        self.assertEqual(len([call for call in self.called("apt-get") if " install " in call]), 2)

    def test_files_that_are_not_the_official_ones_are_not_overwritten(self):
        folder = self.pictures(self.top / "mine", ["test_batch.bin"])
        (folder / "test_batch.bin").write_text("my own")
        done = self.run_script("fetch_cifar10.sh", str(folder))
        self.assertEqual(done.returncode, 5)
        self.assertIn(f"{folder}/test_batch.bin is not the official file", done.stderr)
        self.assertEqual((folder / "test_batch.bin").read_text(), "my own")
        self.assertEqual(self.called("curl"), [])

    def packed_official(self):
        """Small files in a shared folder above, made the official ones of the script's copy."""
        packed = self.top / "above/shared/data/cifar10"
        packed.mkdir(parents=True)
        contents = {name: name.encode() for name in FILES}
        script = self.checkout / "apps/fetch_cifar10.sh"
        text = script.read_text()
        for name, content in contents.items():
            (packed / name).write_bytes(content)
            text = re.sub(rf"[0-9a-f]{{64}}  {name}", f"{hashlib.sha256(content).hexdigest()}  {name}", text)
        script.write_text(text)
        subprocess.run(["xz", *(packed / name for name in FILES)], check=True)
        return contents

    def contents(self, folder):
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def test_other_files_are_replaced_only_where_that_is_asked_for(self):
        official = self.packed_official()
        folder = self.pictures(self.top / "mine", ["data_batch_3.bin"])
        done = self.run_script("fetch_cifar10.sh", str(folder))
        self.assertEqual(done.returncode, 5)
        self.assertIn(f"{folder}/data_batch_3.bin is not the official file", done.stderr)
        self.assertIn("--replace", done.stderr)
        self.assertEqual(self.contents(folder), {"data_batch_3.bin": bytes(3073)})
        done = self.run_script("fetch_cifar10.sh", "--replace", str(folder))
        self.assertEqual((done.returncode, done.stdout), (0, f"{folder}\n"), done.stderr)
        self.assertEqual(self.contents(folder), official)

    def test_missing_files_are_added_to_official_ones(self):
        official = self.packed_official()
        folder = self.top / "mine"
        folder.mkdir()
        (folder / "data_batch_3.bin").write_bytes(official["data_batch_3.bin"])
        done = self.run_script("fetch_cifar10.sh", str(folder))
        self.assertEqual((done.returncode, done.stdout), (0, f"{folder}\n"), done.stderr)
        self.assertEqual(self.contents(folder), official)

    def test_a_folder_that_cannot_be_made(self):
        (self.top / "file").touch()
        done = self.run_script("fetch_cifar10.sh", str(self.top / "file" / "in"))
        self.assertEqual(done.returncode, 5)
        self.assertIn(f"{self.top}/file cannot be written", done.stderr)

    def test_what_cannot_be_fetched_is_given_up_soon(self):
        for status, attempts in ((6, 2), (56, 2), (7, 1), (28, 1), (22, 1)):
            self.calls.unlink(missing_ok=True)
            self.program("bin/curl", f'#!/usr/bin/env bash\necho "curl $*" >>"$CALLS"\nexit {status}\n')
            self.assertEqual(self.run_script("fetch_cifar10.sh").returncode, 5)
            calls = self.called("curl")
            self.assertEqual(len(calls), attempts, f"curl's exit code {status}")
            self.assertTrue(all("--connect-timeout 10" in call for call in calls))

    def test_quickstart_trains_on_idx_files(self):
        idx = self.pictures(self.top / "mine", IDX_FILES)
        done = self.run_script("quickstart.sh", RELA_DATA=str(idx))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (call,) = self.called("experiment")
        self.assertTrue(call.startswith("experiment apps/experiments/quickstart-fashion.json "), call)
        self.assertIn(f"--set data.train_path={idx}", call)
        for call in self.called("evaluate"):
            self.assertIn(f"--format idx --data {idx}", call)

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
        self.assertIn("No pictures within reach: training on synthetic ones", done.stdout)
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
        pixels, sheet = self.called("evaluate")
        self.assertEqual(pixels, f"evaluate knn --pixels --data {mine}")
        byol, rela = (f"runs/other/{name}-r0.4-s1" for name in ("byol", "rela"))
        self.assertEqual(sheet, f"evaluate neighbours --untrained {byol} --run {byol} --run {rela} --name untrained "
                         f"--name BYOL --name BYOL with ReLA --data {mine} --k 6 --train-images 10000 --out runs/other/neighbours.png")
        for line in ("raw pixels            25.0 %", "untrained network     12.5 %", "BYOL                  37.5 %",
                     "BYOL with ReLA        50.0 %", "nearest neighbours  runs/other/neighbours.png",
                     "report              runs/other/byol-r0.4-s1/report.html"):
            self.assertIn(line, done.stdout)

    def test_wrong_options_of_the_quickstart_are_refused_at_once(self):
        for args, env, said in (((), {"RELA_QUICKSTART_STEPS": "abc"}, "RELA_QUICKSTART_STEPS=abc; a whole number"),
                                (("--out", "x"), {}, "RELA_QUICKSTART_OUT names the folder"),
                                (("--dry-run",), {}, "build/apps/experiment itself"),
                                (("--bogus",), {}, "--bogus: unknown")):
            done = self.run_script("quickstart.sh", *args, **env)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(said, done.stderr)

    def test_help(self):
        for script in ("fetch_cifar10.sh", "fetch_data.sh", "quickstart.sh"):
            done = self.run_script(script, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout.startswith(f"usage: apps/{script}"))


if __name__ == "__main__":
    unittest.main()
