#!/usr/bin/env python3
"""Runs every command of README.md, in order, in a scratch copy of the checkout.

usage: readme_commands.py SOURCE_FOLDER BUILD_FOLDER

Only what takes long is short-cut: the data are a few hundred small pictures in CIFAR-10's format,
training stops after two steps, building is taken as done (BUILD_FOLDER holds the programs), and
tests/check.sh, which runs this test, and the scripts for GPUs only check their options.
"""

import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAMS = ("train_byol", "evaluate", "embed", "experiment", "transport")
TRAINING_STEPS = 2
BATCH_SIZE = 16
TRAINING_IMAGES_PER_FILE = 40
TEST_IMAGES = 80
COMMAND_TIMEOUT_S = 300
RUN_LEAVES = (
    "config.json", "config.resolved.json", "env.json", "status.json", "train.log", "metrics.jsonl",
    "checkpoints/latest", "exported/backbone.safetensors", "exported/config.json", "report.html")


def shell_blocks(markdown):
    """The text of each fenced block of language sh."""
    return re.findall(r"^```sh\n(.*?)^```$", markdown, re.S | re.M)


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/usr/bin/env bash\nset -euo pipefail\n" + text)
    path.chmod(0o755)


def write_pictures(path, count, rng):
    """Records of CIFAR-10's binary version: the label, then 3 planes of 32 x 32; a class is a colour."""
    with path.open("wb") as out:
        for index in range(count):
            label = index % 10
            planes = (bytes((label * step + rng.randrange(64)) % 256 for _ in range(1024))
                      for step in (23, 51, 97))
            out.write(bytes([label]) + b"".join(planes))


def make_data(folder):
    folder.mkdir(parents=True)
    rng = random.Random(1)
    for batch in range(1, 6):
        write_pictures(folder / f"data_batch_{batch}.bin", TRAINING_IMAGES_PER_FILE, rng)
    write_pictures(folder / "test_batch.bin", TEST_IMAGES, rng)


def precision_of_experiments():
    """The README's remedy for processors that do not compute in bf16."""
    if "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        return ""
    print("this processor has no AVX-512 BF16: experiments run with --set precision=fp32", flush=True)
    return " --set precision=fp32"


def make_checkout(source, build, checkout):
    """A checkout whose programs stop early and whose tools do not build, install or recurse."""
    shutil.copytree(source / "apps", checkout / "apps")
    shutil.copy(source / "README.md", checkout)
    make_data(checkout / "data/cifar-10-batches-bin")
    for program in PROGRAMS:
        short = {"train_byol": f" --max-steps {TRAINING_STEPS} --set batch_size={BATCH_SIZE}",
                 "experiment": f" --set max_steps={TRAINING_STEPS} --set epochs=null"
                               f" --set batch_size={BATCH_SIZE}{precision_of_experiments()}"}.get(program, "")
        write_program(checkout / "build/apps" / program, f'exec "{build}/apps/{program}" "$@"{short}\n')
    for name in ("tests/check.sh", "bench/bundle.sh", "bench/gpu_report.sh"):
        script = source / name
        write_program(checkout / name, f'bash -n "{script}" && exec "{script}" "$@" --help\n')
    write_program(checkout / "bin/cmake", "exit 0\n")


def run(block, checkout):
    env = dict(os.environ, RELA_DATA=str(checkout / "data"), OMP_WAIT_POLICY="passive",
               PATH=f"{checkout / 'bin'}:{os.environ['PATH']}")
    print("$ " + block.strip().replace("\n", "\n$ "), flush=True)
    result = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=checkout, env=env,
                            stdin=subprocess.DEVNULL, timeout=COMMAND_TIMEOUT_S, check=False)
    if result.returncode != 0:
        sys.exit(f"FAILED with exit code {result.returncode}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, build = (pathlib.Path(arg).resolve() for arg in sys.argv[1:])
    blocks = shell_blocks((source / "README.md").read_text(encoding="utf-8"))
    if not any("apps/quickstart.sh" in block for block in blocks):
        sys.exit("FAILED: README.md has no quickstart")
    with tempfile.TemporaryDirectory() as folder:
        checkout = pathlib.Path(folder, "rela")
        make_checkout(source, build, checkout)
        for block in blocks:
            run(block, checkout)
        missing = [name for name in RUN_LEAVES if not (checkout / "runs/lightly" / name).exists()]
        if missing:
            sys.exit(f"FAILED: runs/lightly lacks {', '.join(missing)}")
    print(f"{len(blocks)} blocks of README.md ran")


if __name__ == "__main__":
    main()
