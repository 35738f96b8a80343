#!/usr/bin/env python3
"""Predicts how fast a GPU trains, from what a training step does: a model, not a measurement.

    bench/step_model.py [--model NAME] [--device NAME] [--batch N] [--shares LOW HIGH] [--launches]
    bench/step_model.py --trace build-simt [--model NAME]

A step of BYOL in bf16-mixed has been traced on the emulated GPU (--trace; kernels/simt/emulator/trace.h): every launch,
its bytes and its FLOPs, at two small batches. Both are extrapolated to a large batch by a straight line through the two.
A launch then takes what its bytes take at the GPU's bandwidth or its FLOPs at its rate, whichever is longer; the sum is
the roof, which assumes that nothing is left in a cache from one launch to the next. A step takes the roof's time divided by
a share, between a low and a high one, and --launch-us for each launch.

Not counted: loading, logging, evaluation; accesses of less than 16 bytes, as of masks and statistics (3 % of batch
norm's bytes) and of a 16-bit copy of the weights; FLOPs outside tensor cores. Attention is the built-in kernel's.

Assumed, and not measured here: what large products and copies sustain of NVIDIA's figures,
  H200       790 of 990 TFLOP/s, 4.3 of 4.8 TB/s: https://www.nvidia.com/en-us/data-center/h200/
  H100 SXM   700 of 990 TFLOP/s, 3.0 of 3.35 TB/s: https://www.nvidia.com/en-us/data-center/h100/
  A100 SXM   280 of 312 TFLOP/s, 1.75 of 2.0 TB/s: https://www.nvidia.com/en-us/data-center/a100/
  RTX 4090   150 of 165 TFLOP/s, 0.9 of 1.0 TB/s:
             https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf
  shares     high: well tuned training reaches 75 to 84 % of such roofs (ResNet-50 in MLPerf training 3.0 on H100 and in
             NVIDIA's examples on A100: https://github.com/mlcommons/training_results_v3.0,
             https://github.com/NVIDIA/DeepLearningExamples); low: as if convolutions and products reached half of it
             and everything else two thirds
"""
import argparse
import collections
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TRACES = pathlib.Path(__file__).resolve().parent / "results/model/steps.json"


@dataclasses.dataclass
class Roofs:
    flops: float      # per second, of 16-bit products
    bandwidth: float  # bytes per second, read and written


DEVICES = {"H200": Roofs(790e12, 4.3e12), "H100": Roofs(700e12, 3.0e12), "A100": Roofs(280e12, 1.75e12),
           "RTX 4090": Roofs(150e12, 0.9e12)}
SHARES, LAUNCH_US = (0.55, 0.75), 1.6


@dataclasses.dataclass
class Model:
    title: str
    batch: int      # that is predicted
    traced: tuple   # batches
    config: dict


RESNET = {"backbone": {"name": "resnet18", "width": 64, "cifar_stem": True}, "augmentations": [{"crop_size": 32}]}
MODELS = {
    "resnet18-cifar": Model("ResNet-18, 3x3 stem, 32 pixels", 512, (8, 16), RESNET),
    "resnet50": Model("ResNet-50, 224 pixels", 256, (2, 4),
                      {"backbone": {"name": "resnet50", "cifar_stem": False}, "augmentations": [{"crop_size": 224}]}),
    "vit-b16": Model("ViT-B/16, 224 pixels", 256, (2, 4),
                     {"backbone": {"name": "vit_base_patch16_224"}, "augmentations": [{"crop_size": 224}]}),
}


# ---- traces ----

UPDATE = "step_kernel<"  # kernels/optimizer/optimizer_cuda.cu
STEPS = 3


def launches_of(config, batch, build):
    """The lines of the trace of a run of STEPS steps."""
    program = build / "apps/train_byol"
    if not program.exists():
        sys.exit(f"step_model: no {program}; cmake --preset simt and a build make it")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "config.json"
        file.write_text(json.dumps(config | {
            "method": "byol", "device": "cuda", "precision": "bf16-mixed", "batch_size": batch, "max_steps": STEPS,
            "cuda_graph": "off", "log_every_steps": 1000,
            # Views are rendered beside the step, in a stream of their own.
            "data": {"format": "synthetic", "synthetic_images": 4 * batch, "augment_on": "cpu"},
            "eval": {"online_linear": False, "knn_every_epochs": 0}, "checkpoint": {"every_steps": 0}}))
        trace = pathlib.Path(folder) / "trace.jsonl"
        run = subprocess.run([program, file, "--out", f"{folder}/run", "-q"], check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             env={**os.environ, "RELA_SIMT_TRACE": str(trace)})
        if run.returncode != 0:
            sys.exit(f"step_model: train_byol ends with {run.returncode}: {run.stdout.strip()}")
        if not trace.exists():
            sys.exit(f"step_model: {build} has no emulated GPU; cmake --preset simt builds one")
        return [json.loads(line) for line in trace.read_text().splitlines()]


def last_step(launches):
    """Those between the last two updates of the parameters; every step before is required to be the same."""
    ends = [i + 1 for i, launch in enumerate(launches) if launch["name"].startswith(UPDATE)]
    ends = [end for end in ends if end not in {other - 1 for other in ends}]  # updates in a row are one
    if len(ends) != STEPS:
        sys.exit(f"step_model: {len(ends)} updates in a trace of {STEPS} steps")
    *_, before, last = (launches[begin:end] for begin, end in zip(ends, ends[1:]))
    if [launch["name"] for launch in before] != [launch["name"] for launch in last]:
        sys.exit("step_model: the traced steps differ")
    return last


def merged(small, large):
    """Of the same step at two batches: {name, bytes, flops, count} of every different launch."""
    if [launch["name"] for launch in small] != [launch["name"] for launch in large]:
        sys.exit("step_model: the launches depend on the batch")
    counts = collections.Counter(
        (a["name"], a["read"] + a["written"], b["read"] + b["written"], a["flops"], b["flops"])
        for a, b in zip(small, large))
    return [{"name": name, "count": count, "bytes": [a, b], "flops": [c, d]}
            for (name, a, b, c, d), count in counts.items()]


def trace(names, build):
    traces = json.loads(TRACES.read_text()) if TRACES.exists() else {}
    for name in names:
        model = MODELS[name]
        steps = [last_step(launches_of(model.config, batch, build)) for batch in model.traced]
        traces[name] = {"batches": list(model.traced), "launches": merged(*steps)}
        print(f"{name}: {len(steps[0])} launches, {len(traces[name]['launches'])} different ones")
    TRACES.parent.mkdir(parents=True, exist_ok=True)
    rows = (f' {json.dumps(name)}: {{"batches": {t["batches"]}, "launches": [\n  '
            + ",\n  ".join(json.dumps(launch) for launch in t["launches"]) + "]}" for name, t in sorted(traces.items()))
    TRACES.write_text("{\n" + ",\n".join(rows) + "\n}\n")


# ---- the model ----

@dataclasses.dataclass
class Prediction:
    launches: int
    bytes: float
    flops: float
    roof_seconds: float
    kinds: dict  # {name of a launch: (count, bytes, flops, seconds at the roof)}

    def seconds(self, share, launch_us=LAUNCH_US):
        return self.roof_seconds / share + self.launches * launch_us * 1e-6


def extrapolated(values, batches, batch):
    """On the straight line through the values at two batches."""
    slope = (values[1] - values[0]) / (batches[1] - batches[0])
    return max(0.0, values[0] + slope * (batch - batches[0]))


def predict(traced, batch, roofs):
    kinds = collections.defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    for launch in traced["launches"]:
        size, flops = (extrapolated(launch[what], traced["batches"], batch) for what in ("bytes", "flops"))
        seconds = max(size / roofs.bandwidth, flops / roofs.flops)
        kind = kinds[launch["name"].split("<")[0]]
        for i, value in enumerate((1, size, flops, seconds)):
            kind[i] += launch["count"] * value
    count, size, flops, roof = (sum(kind[i] for kind in kinds.values()) for i in range(4))
    return Prediction(count, size, flops, roof, {name: tuple(kind) for name, kind in kinds.items()})


def rounded(rate):
    """To three digits: more would be a pretence."""
    return f"{float(f'{rate:.3g}'):,.0f}"


def print_table(names, devices, traces, args):
    print("| BYOL, bf16-mixed | batch | launches | GB | TFLOP | GPU | roof, images/s | predicted, images/s |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        batch = args.batch or MODELS[name].batch
        for device, roofs in devices.items():
            p = predict(traces[name], batch, roofs)
            rates = (rounded(batch / p.seconds(share, args.launch_us)) for share in args.shares)
            print(f"| {MODELS[name].title} | {batch} | {p.launches} | {p.bytes / 1e9:.1f} | {p.flops / 1e12:.2f} | "
                  f"{device} | {rounded(batch / p.roof_seconds)} | {' to '.join(rates)} |")


def print_launches(names, devices, traces, args):
    for name in names:
        for device, roofs in devices.items():
            p = predict(traces[name], args.batch or MODELS[name].batch, roofs)
            print(f"\n{MODELS[name].title}, {device}: {p.roof_seconds * 1e3:.2f} ms at the roof")
            for kind, (count, size, flops, seconds) in sorted(p.kinds.items(), key=lambda item: -item[1][3]):
                print(f"{seconds * 1e3:9.3f} ms {seconds / p.roof_seconds:6.1%} {count:5} x {kind}: "
                      f"{size / 1e9:.2f} GB, {flops / 1e12:.3f} TFLOP")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument("--device", choices=DEVICES)
    parser.add_argument("--tflops", type=float, help="a GPU's sustained rate, with --bandwidth instead of --device")
    parser.add_argument("--bandwidth", type=float, help="its sustained bandwidth in TB/s")
    parser.add_argument("--batch", type=int, help="images per step")
    parser.add_argument("--shares", type=float, nargs=2, default=SHARES, metavar=("LOW", "HIGH"),
                        help="of the roof that a step reaches")
    parser.add_argument("--launch-us", type=float, default=LAUNCH_US, help="between two launches")
    parser.add_argument("--launches", action="store_true", help="also print every kind of launch")
    parser.add_argument("--trace", type=pathlib.Path, metavar="BUILD", help=f"trace again, into {TRACES.name}")
    args = parser.parse_args()
    names = [args.model] if args.model else list(MODELS)
    if (args.tflops is None) != (args.bandwidth is None) or (args.tflops and args.device):
        parser.error("--tflops and --bandwidth together describe a GPU, instead of --device")
    if min(args.shares) <= 0 or args.launch_us < 0 or (args.batch is not None and args.batch < 1):
        parser.error("--shares and --batch are above 0, --launch-us is not below")
    if args.trace:
        return trace(names, args.trace.resolve())
    devices = {args.device: DEVICES[args.device]} if args.device else DEVICES
    if args.tflops:
        devices = {"given": Roofs(args.tflops * 1e12, args.bandwidth * 1e12)}
    traces = json.loads(TRACES.read_text())
    print_table(names, devices, traces, args)
    if args.launches:
        print_launches(names, devices, traces, args)
    return None


if __name__ == "__main__":
    main()
