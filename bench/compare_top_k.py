#!/usr/bin/python3
"""Times the k best candidates of each query here and in PyTorch (product, then topk), interleaved in one run.

    bench/compare_top_k.py [--threads 2] [--rounds 3] [--binary build/bench/bench_kernels] [--out FILE.json]

Needs python3-torch and libopenblas0-pthread (Debian). 10,000 queries, 50,000 candidates of width 512, k = 200, fp32: the
kNN evaluation of CIFAR-10. The bare product is oneDNN's, into a small buffer, without selection. The figure of each
side is its best round.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import torch_blas

[torch] = torch_blas.modules(__file__, __doc__, "torch")

QUERIES, CANDIDATES, WIDTH, K = 10_000, 50_000, 512, 200
SHAPE = f"n:{QUERIES}/m:{CANDIDATES}/d:{WIDTH}/k:{K}/"


def ours(args):
    """Name -> benchmark record of one round."""
    command = [args.binary, f"--benchmark_filter=top_k_similarity.*/cpu/{SHAPE}", "--benchmark_format=json",
               "--benchmark_min_time=0"]
    text = subprocess.run(command, env=dict(os.environ, OMP_NUM_THREADS=str(args.threads)), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True, text=True).stdout
    return {record["name"].split("/")[0]: record for record in json.loads(text)["benchmarks"]}


def torch_seconds(x, y):
    start = time.perf_counter()
    torch.topk(x @ y.T, K, dim=1)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", default="build/bench/bench_kernels")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    blas = torch_blas.require_fast_blas()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    x, y = (torch.nn.functional.normalize(torch.randn(n, WIDTH)) for n in (QUERIES, CANDIDATES))
    seconds = {"top_k": [], "bare_product": [], "torch": []}
    for _ in range(args.rounds):
        records = ours(args)
        seconds["top_k"].append(records["top_k_similarity"]["real_time"] / 1e3)
        seconds["bare_product"].append(records["top_k_similarity_bare_product"]["real_time"] / 1e3)
        seconds["torch"].append(torch_seconds(x, y))
    best = {name: min(times) for name, times in seconds.items()}
    result = {"shape": SHAPE, "threads": args.threads, "pytorch_version": torch.__version__,
              "pytorch_blas": blas, "seconds": seconds, "best": best,
              "over_bare_product": best["top_k"] / best["bare_product"], "torch_over_ours": best["torch"] / best["top_k"],
              "extra_bytes": records["top_k_similarity"]["extra_bytes"]}
    text = json.dumps(result, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
