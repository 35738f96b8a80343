#!/usr/bin/env python3
"""Runs every command of every README.md, in order, in a scratch copy of the checkout.

usage: readme_commands.py SOURCE_FOLDER BUILD_FOLDER

Only slow parts are cut short: the data are a few hundred small pictures in CIFAR-10's format,
training stops after two steps, building is skipped (BUILD_FOLDER has the programs), and
tests/check.sh, which runs this test, and the scripts for GPUs and PyTorch only check their options.
The commands in bench/results/ say how numbers were measured; of those, programs only check their
arguments (train_byol --check, experiment --dry-run, benchmarks list what they would time).
"""

import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAMS = ("train_byol", "evaluate", "embed", "experiment", "pack", "transport", "weights")
BENCHMARKS = ("bench_kernels", "bench_step", "bench_loader", "bench_targets")
SCRIPTS = ("tests/check.sh", "tests/tools/mutate_barriers.py", "tests/tools/nvcc_report.py", "bench/bundle.sh",
           "bench/gpu_report.sh", "bench/compare_pytorch.py", "bench/compare_top_k.py",
           "bench/compare_ranks.py", "bench/compare_torchvision.py", "bench/scaling.py",
           "bench/step_model.py")
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
    """Records of CIFAR-10's binary version: the label, then 3 planes of 32 x 32; each class is a colour."""
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


def make_photographs(source, folder):
    """Two classes of small pictures, of all kinds that can be read."""
    pictures = sorted((source / "tests/golden/images").iterdir())
    for split in ("train", "val"):
        for index, picture in enumerate(pictures):
            place = folder / split / f"class {index % 2}"
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, place)


def precision_of_experiments():
    """The README's advice for processors without bf16."""
    if "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        return ""
    print("this processor has no AVX-512 BF16: experiments run with --set precision=fp32", flush=True)
    return " --set precision=fp32"


def script_check(script):
    """A command that parses the script with its interpreter and asks it for its help."""
    if script.suffix == ".sh":
        return f'bash -n "{script}" && exec "{script}" "$@" --help\n'
    return f'exec "{sys.executable}" "{script}" --help\n'


def make_checkout(source, build, checkout):
    """A checkout whose programs stop early and whose tools do not build, install or recurse."""
    shutil.copytree(source / "apps", checkout / "apps")
    for readme in readmes(source):
        (checkout / readme).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / readme, checkout / readme)
    make_data(checkout / "data/cifar-10-batches-bin")
    make_photographs(source, checkout / "data/pictures")
    for name in SCRIPTS:
        write_program(checkout / name, script_check(source / name))
    write_program(checkout / "bin/cmake", 'if [[ $1 != --install ]]; then exit 0; fi\n'
                  f'shift 2; exec "{shutil.which("cmake")}" --install "{build}" "$@"\n')


def write_programs(build, checkout, measured):
    """The programs, cut short; for the commands behind a measurement, only their arguments checked."""
    short = {"train_byol": f"--max-steps {TRAINING_STEPS} --set batch_size={BATCH_SIZE}",
             "experiment": f"--set max_steps={TRAINING_STEPS} --set epochs=null"
                           f" --set batch_size={BATCH_SIZE}{precision_of_experiments()}"}
    if measured:
        dry = f"--set precision=fp32 --set batch_size={BATCH_SIZE}"
        no_prior = "--set rela.prior.model=random --set rela.prior.weights=null"  # no weights are here
        short = {"train_byol": f"--check {dry}", "experiment": f"--dry-run {dry} {no_prior}"}
    for program in PROGRAMS:
        write_program(checkout / "build/apps" / program,
                      f'exec "{build}/apps/{program}" "$@" {short.get(program, "")}\n')
    for program in BENCHMARKS:
        if (build / "bench" / program).exists():
            command = f'exec "{build}/bench/{program}" "$@"{" --benchmark_list_tests" if measured else ""}\n'
        else:
            command = f'echo "{program} was not built: Google Benchmark is missing"\n'
        write_program(checkout / "build/bench" / program, command)


def run(block, checkout):
    env = dict(os.environ, RELA_DATA=str(checkout / "data"), OMP_WAIT_POLICY="passive",
               PATH=f"{checkout / 'bin'}:{os.environ['PATH']}", OMPI_MCA_rmaps_base_oversubscribe="1",
               OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    print("$ " + block.strip().replace("\n", "\n$ "), flush=True)
    result = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=checkout, env=env,
                            stdin=subprocess.DEVNULL, timeout=COMMAND_TIMEOUT_S, check=False)
    if result.returncode != 0:
        sys.exit(f"FAILED with exit code {result.returncode}")


def readmes(source):
    """Paths of all README.md files, the top-level one first; results last."""
    rooms = ("kernels", "runtime", "nn", "rela", "apps", "bench", "tests")
    found = [path.relative_to(source) for room in rooms for path in sorted((source / room).rglob("README.md"))]
    return [pathlib.Path("README.md"), *sorted(found, key=is_measurement)]


def is_measurement(readme):
    return readme.parts[:2] == ("bench", "results")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, build = (pathlib.Path(arg).resolve() for arg in sys.argv[1:])
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        checkout = pathlib.Path(folder, "rela")
        make_checkout(source, build, checkout)
        for readme in readmes(source):
            write_programs(build, checkout, is_measurement(readme))
            blocks = shell_blocks((source / readme).read_text(encoding="utf-8"))
            if readme == pathlib.Path("README.md") and not any("apps/quickstart.sh" in block for block in blocks):
                sys.exit("FAILED: README.md has no quickstart")
            for block in blocks:
                run(block, checkout)
            count += len(blocks)
        missing = [name for name in RUN_LEAVES if not (checkout / "runs/lightly" / name).exists()]
        if missing:
            sys.exit(f"FAILED: runs/lightly lacks {', '.join(missing)}")
    print(f"{count} blocks of {len(readmes(source))} READMEs ran")


if __name__ == "__main__":
    main()
