#!/usr/bin/env python3
"""Times training as one process of several threads against as many ranks of one thread, interleaved in one run.

    bench/compare_ranks.py [--cores 2] [--rounds 5] [--steps 30] [--shards 4] [--binary build/apps/train_byol]
                           [--out FILE.json]

With --shards, both once more with that many distributed.shards, which give the same bits. Needs mpirun. The run is apps/configs/cifar10-byol-cpu.json on synthetic images in fp32, without evaluation. The figure of
each side is the median over the rounds of a round's median step, without the first five; the ratio is the median of the
rounds' own.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[1]
WARM_UP = 5
KEYS = {"precision": "fp32", "device": "cpu", "data.format": "synthetic", "data.train_path": "null", "data.workers": "1",
        "epochs": "null", "eval.knn_every_epochs": "0", "checkpoint.every_steps": "0", "log_every_steps": "1"}


def images_per_second(command, keys, folder, args):
    keys = {**KEYS, "max_steps": args.steps, **keys}
    words = [args.binary, SOURCE / "apps/configs/cifar10-byol-cpu.json", "--out", folder, "--overwrite", "-q"]
    for key, value in keys.items():
        words += ["--set", f"{key}={value}"]
    environment = dict(os.environ, OMP_WAIT_POLICY="passive", OMPI_ALLOW_RUN_AS_ROOT="1",
                       OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    subprocess.run([*command, *map(str, words)], env=environment, check=True, stdin=subprocess.DEVNULL)
    lines = map(json.loads, (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    rates = [line["img_per_s"] for line in lines if line["event"] == "train"]
    return statistics.median(rates[WARM_UP:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--shards", type=int, help="a power of two that cores divides")
    parser.add_argument("--binary", default="build/apps/train_byol")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    if args.steps <= WARM_UP or args.cores < 1 or args.rounds < 1:
        parser.error(f"steps must be above {WARM_UP}, cores and rounds at least 1")
    ranks = ["mpirun", "--bind-to", "none", "--oversubscribe", "-np", str(args.cores)]
    whole, single = {"threads": args.cores}, {"threads": 1}
    sides = {"one_process": ([], whole), "ranks": (ranks, single)}
    if args.shards:
        shards = {"distributed.shards": args.shards}
        sides |= {"one_process_in_shards": ([], whole | shards), "ranks_in_shards": (ranks, single | shards)}
    rates = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as top:
        for _ in range(args.rounds):
            for side, (command, keys) in sides.items():
                rates[side].append(images_per_second(command, keys, pathlib.Path(top) / side, args))
    ratios = {side: [r / one for r, one in zip(rates[side], rates["one_process"])] for side in sides}
    result = {"cores": args.cores, "steps": args.steps, "shards": args.shards, "images_per_second": rates,
              "ratios": ratios, "ratio": {side: statistics.median(values) for side, values in ratios.items()}}
    for side, values in rates.items():
        print(f"{side.replace('_', ' '):>24}: {statistics.median(values):7.1f} images/s, ratio {result['ratio'][side]:.3f}")
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
