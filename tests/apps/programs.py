"""Shared by the tests of the programs: a small config, small data, and helpers to run a program.

The environment variable RELA_APPS names the folder of the built programs; build/apps otherwise.
"""

import ctypes
import hashlib
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
APPS = pathlib.Path(os.environ.get("RELA_APPS", SOURCE / "build/apps")).resolve()
TIMEOUT_S = 100
POLL_S = 0.005
CIFAR_RECORD_BYTES = 1 + 3 * 32 * 32
CHECKPOINT_TENSORS = ("model.safetensors", "target.safetensors", "optimizer.safetensors")

# Exit codes of every program.
DONE, USAGE, WEIGHTS, NON_FINITE, IO, DATA, DEVICE, STOPPED = 0, 2, 3, 4, 5, 6, 8, 75

CONFIG = {
    "method": "byol", "seed": 3, "precision": "fp32", "deterministic": True, "threads": 1,
    "max_steps": 4, "batch_size": 8, "log_every_steps": 1,
    "backbone": {"name": "resnet18", "cifar_stem": True, "width": 4},
    "byol": {"proj_hidden_dim": 32, "proj_output_dim": 16, "pred_hidden_dim": 32},
    "data": {"format": "synthetic", "synthetic_images": 64, "workers": 1},
    "augmentations": [{"crop_size": 16}],
    "eval": {"online_linear": True, "knn_every_epochs": 0},
    "checkpoint": {"every_steps": 0, "keep_last": 2},
}


def changed(config, changes):
    """A copy of a config with dotted keys set."""
    copy = json.loads(json.dumps(config))
    for path, value in changes.items():
        *sections, key = path.split(".")
        place = copy
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    return copy


def environment():
    return dict(os.environ, OMP_WAIT_POLICY="passive")


def obey_permissions():
    """For preexec_fn: root, too, may then read and write only what the files' modes allow."""
    prctl_drop_of_bounding_set, dac_override, dac_read_search = 24, 1, 2
    for capability in (dac_override, dac_read_search):
        ctypes.CDLL(None).prctl(prctl_drop_of_bounding_set, capability, 0, 0, 0)


def blocked_signals(process):
    """The signals that wait, if they come to a running process."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (mask,) = (int(line.split()[1], 16) for line in status if line.startswith("SigBlk:"))
    return {number for number in signal.valid_signals() if mask >> (number - 1) & 1}


def run_program(name, *args, preexec_fn=None):
    return subprocess.run([APPS / name, *map(str, args)], env=environment(), text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=TIMEOUT_S, check=False, preexec_fn=preexec_fn)


def write_cifar10(folder, images_per_file=12, test_images=30):
    """A tiny data set in CIFAR-10's binary format, all six files; each class is a colour."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(5)
    sizes = {f"data_batch_{i}.bin": images_per_file for i in range(1, 6)}
    sizes["test_batch.bin"] = test_images
    for name, count in sizes.items():
        records = bytearray()
        for i in range(count):
            records.append(i % 10)
            for scale in (23, 51, 97):
                records += bytes((i % 10 * scale + rng.randrange(64)) % 256 for _ in range(1024))
        (folder / name).write_bytes(records)
    return folder


def shared_data(name):
    """The folder shared/data/NAME above the sources; None when it is nowhere."""
    for folder in (SOURCE, *SOURCE.parents):
        if (folder / "shared/data" / name).exists():
            return folder / "shared/data" / name
    return None


def read_safetensors_header(path):
    """The header as a dict, and the number of bytes that follow it."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + size]), len(data) - 8 - size


def read_safetensors(path):
    """Name -> (dtype, shape, bytes)."""
    header, size = read_safetensors_header(path)
    body = path.read_bytes()[-size:] if size else b""
    return {name: (entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])])
            for name, entry in header.items() if name != "__metadata__"}


def write_safetensors(path, tensors):
    """Writes what read_safetensors() returns."""
    header, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Run:
    """The folder of a run, as read from outside."""

    def __init__(self, folder):
        self.folder = folder

    def __truediv__(self, name):
        return self.folder / name

    def events(self, kind):
        """Lines of metrics.jsonl; an incomplete last line is ignored."""
        path = self.folder / "metrics.jsonl"
        text = path.read_text() if path.exists() else ""
        lines = map(json.loads, text[:text.rfind("\n") + 1].splitlines())
        return [line for line in lines if line["event"] == kind]

    def status(self):
        return json.loads((self.folder / "status.json").read_text())

    def checkpoint(self, step):
        return self.folder / "checkpoints" / f"step-{step:08}"

    def checkpoint_steps(self):
        """Steps of the complete checkpoints."""
        return sorted(int(done.parent.name[len("step-"):])
                      for done in self.folder.glob("checkpoints/step-*/DONE"))

    def results(self, step):
        """Hashes of everything a run of `step` steps computed."""
        files = [self.checkpoint(step) / name for name in CHECKPOINT_TENSORS]
        files.append(self.folder / "exported/backbone.safetensors")
        return {file.name: sha256(file) for file in files}

    def losses(self):
        return [(line["step"], line["loss"]) for line in self.events("train")]


class ProgramTest(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)

    def write_config(self, changes=None):
        path = self.top / "config.json"
        path.write_text(json.dumps(changed(CONFIG, changes or {}), indent=1))
        return path

    def train(self, out, *args, changes=None, preexec_fn=None):
        return run_program("train_byol", self.write_config(changes), "--out", self.top / out, *args,
                           preexec_fn=preexec_fn)

    def trained(self, out, *args, changes=None):
        """A run that must succeed."""
        self.assertExit(self.train(out, *args, changes=changes), DONE)
        return Run(self.top / out)

    def start_training(self, out, *args, changes=None, stderr=subprocess.DEVNULL):
        """Starts a process in the background; it is killed at the end of the test."""
        command = [APPS / "train_byol", self.write_config(changes), "--out", self.top / out, "-q", *args]
        process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=stderr)

        def end():
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
            if process.stderr:
                process.stderr.close()

        self.addCleanup(end)
        return process, Run(self.top / out)

    def caught_early(self, start):
        """A process, as start() gives it, caught while USR1, USR2 and HUP wait to be handled.

        That takes a few milliseconds only, which a busy machine may miss."""
        for _ in range(50):
            process = start()
            deadline = time.monotonic() + 0.5
            while process.poll() is None and time.monotonic() < deadline:
                blocked = blocked_signals(process)
                if {signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP} <= blocked and signal.SIGTERM not in blocked:
                    return process
            process.terminate()
            process.communicate(timeout=TIMEOUT_S)
        self.fail("no signal waits")

    def wait_until(self, condition, process):
        """Polls until the condition holds; fails if the process ends first."""
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            self.assertIsNone(process.poll(), "the program ended too early")
            self.assertLess(time.monotonic(), deadline, "timed out")
            time.sleep(POLL_S)

    def assertExit(self, result, code):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)

    def assertFails(self, result, code, *words):
        self.assertExit(result, code)
        for word in words:
            self.assertIn(str(word), result.stderr)
