#!/usr/bin/env python3
"""Predicts how training scales from 1 to 1,024 GPUs: a model, not a measurement.

    bench/scaling.py [--images-per-second 1300] [--efficiency 0.8] [--reduce-dtype fp32] [--bucket-mb 8] [--svg FILE]

BYOL with ResNet-50 on ImageNet at 224 pixels. The step is played through layer by layer: the forward passes of online and
target network, whose batch norms wait for a sum over all GPUs each, then backward, in which the same holds, while buckets
of gradients are summed beside it, in the same queue. Prints a table for a fixed batch per GPU and for a fixed batch in
all; --svg draws it.

Assumed: the images (of two views each) that one GPU trains on per second; the share of the links' rate that NCCL reaches;
that layers take time as their multiplications, however few images a GPU has; that the data arrive. Taken from elsewhere:
  NVLink     H100, 450 GB/s in each direction: https://www.nvidia.com/en-us/data-center/h100/
  network    DGX H100, a port of 400 Gb/s for each of 8 GPUs: https://docs.nvidia.com/dgx/dgxh100-user-guide/
  all-reduce 2 (n - 1) / n of the bytes over the bus: https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md
  latency    the tree of NCCL's own cost model, src/graph/tuning.cc: https://github.com/NVIDIA/nccl
"""
import argparse
import dataclasses
import math
import pathlib

GPUS = [2 ** i for i in range(11)]
GPUS_PER_HOST = 8
NVLINK_BYTES_PER_S = 450e9
NETWORK_BYTES_PER_S = 50e9  # of a GPU's port
# NCCL's tree with its protocol for short messages: microseconds at the start, over NVLink within one host and within one
# of several, and over the network.
LATENCY_US = {"base": 4.4, "nvlink": 0.52, "nvlink_of_several": 0.52 * 1.8, "network": 5.0}
STATISTICS_BYTES = 2 * 2 * 8  # of a channel: two sums in f64 for each of two views
IMAGENET_BYTES = 110e3        # of a JPEG, on average
BATCH_PER_GPU, BATCH = 256, 4096
WIRE_BYTES = {"fp32": 4, "bf16": 2}


@dataclasses.dataclass
class Layer:
    multiplications: float  # of one image
    parameters: int
    channels: int           # of its batch norm; 0: it has none


def convolution(side, kernel, inputs, outputs):
    weights = kernel * kernel * inputs * outputs
    return Layer(side * side * weights, weights + 2 * outputs, outputs)


def linear(inputs, outputs, has_norm):
    return Layer(inputs * outputs, inputs * outputs + outputs + (2 * outputs if has_norm else 0),
                 outputs if has_norm else 0)


def resnet50():
    layers, inputs = [convolution(112, 7, 3, 64)], 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width, side = 64 << stage, 56 >> stage
        for block in range(blocks):
            before = side * 2 if stage > 0 and block == 0 else side
            if block == 0:
                layers.append(convolution(side, 1, inputs, 4 * width))
            layers += [convolution(before, 1, inputs, width), convolution(side, 3, width, width),
                       convolution(side, 1, width, 4 * width)]
            inputs = 4 * width
    return layers


def mlp(inputs):
    return [linear(inputs, 4096, True), linear(4096, 256, False)]


TARGET = resnet50() + mlp(2048)
ONLINE = TARGET + mlp(256)


@dataclasses.dataclass
class Settings:
    images_per_second: float = 1300
    efficiency: float = 0.8
    reduce_dtype: str = "fp32"
    bucket_mb: float = 8
    sync_batchnorm: bool = True


def sum_seconds(size, gpus, settings):
    """An all-reduce of `size` bytes."""
    if gpus == 1:
        return 0.0
    hosts = max(1, gpus // GPUS_PER_HOST)
    near = min(gpus, GPUS_PER_HOST) - 1
    nvlink = LATENCY_US["nvlink" if hosts == 1 else "nvlink_of_several"]
    latency = LATENCY_US["base"] + 2 * (near * nvlink + math.log2(hosts) * LATENCY_US["network"])
    bus = NVLINK_BYTES_PER_S if hosts == 1 else GPUS_PER_HOST * NETWORK_BYTES_PER_S
    return latency * 1e-6 + 2 * (gpus - 1) / gpus * size / (bus * settings.efficiency)


def step_seconds(gpus, batch_per_gpu, settings):
    """One optimiser step. A step's multiplications: online and target forward, and twice the former backward."""
    total = 3 * sum(layer.multiplications for layer in ONLINE) + sum(layer.multiplications for layer in TARGET)
    second_per_multiplication = batch_per_gpu / settings.images_per_second / total

    def norm_seconds(layer):
        if layer.channels == 0 or not settings.sync_batchnorm:
            return 0.0
        return sum_seconds(layer.channels * STATISTICS_BYTES, gpus, settings)

    now = sum(layer.multiplications * second_per_multiplication + norm_seconds(layer) for layer in ONLINE + TARGET)
    free = now  # when the queue of sums is empty
    waiting = 0  # parameters whose gradients are there

    def sum_bucket():
        nonlocal free, waiting
        free = max(now, free) + sum_seconds(waiting * WIRE_BYTES[settings.reduce_dtype], gpus, settings)
        waiting = 0

    for layer in reversed(ONLINE):
        if norm_seconds(layer) > 0:
            now = free = max(now, free) + norm_seconds(layer)
        now += 2 * layer.multiplications * second_per_multiplication
        waiting += layer.parameters
        if waiting * 4 >= settings.bucket_mb * 2 ** 20:
            sum_bucket()
    sum_bucket()
    return max(now, free)


def row(gpus, batch_per_gpu, settings):
    seconds = step_seconds(gpus, batch_per_gpu, settings)
    rate = gpus * batch_per_gpu / seconds
    return {"gpus": gpus, "batch": gpus * batch_per_gpu, "step_ms": seconds * 1e3, "images_per_s": rate,
            "efficiency": rate / (gpus * settings.images_per_second), "data_mb_per_s": rate * IMAGENET_BYTES / 1e6}


def rows(settings, is_weak):
    """With a fixed batch per GPU, or a fixed batch in all, of at least 4 images for each GPU."""
    return [row(gpus, BATCH_PER_GPU if is_weak else BATCH // gpus, settings) for gpus in GPUS]


def print_table(title, table):
    print(f"{title}\n{'GPUs':>6}{'batch':>9}{'step, ms':>11}{'images/s':>12}{'efficiency':>12}{'data, MB/s':>12}")
    for r in table:
        print(f"{r['gpus']:6}{r['batch']:9}{r['step_ms']:11.1f}{r['images_per_s']:12,.0f}{r['efficiency']:12.1%}"
              f"{r['data_mb_per_s']:12,.0f}")
    print()


# ---- the picture ----

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 330, 48, 20, 96, 282
INK, GREY, LINE = "#1c2127", "#5b6470", "#e3e6ea"


def curves(settings):
    """(label, colour, dashes, rows) of each."""
    local = dataclasses.replace(settings, sync_batchnorm=False)
    return [(f"{BATCH_PER_GPU} images per GPU", "#2b67e0", "", rows(settings, True)),
            (f"{BATCH_PER_GPU} images per GPU, statistics per GPU", "#2b67e0", "5 4", rows(local, True)),
            (f"{BATCH} images in all", "#e4701e", "", rows(settings, False)),
            (f"{BATCH} images in all, statistics per GPU", "#e4701e", "5 4", rows(local, False))]


def text(x, y, words, size=10.5, fill=GREY, more=""):
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}"{more}>{words}</text>'


def draw(settings):
    def x(gpus):
        return LEFT + math.log2(gpus) / math.log2(GPUS[-1]) * (WIDTH - LEFT - RIGHT)

    def y(share):
        return BOTTOM - share * (BOTTOM - TOP)

    parts = [text(14, 26, "Predicted scaling of BYOL, ResNet-50, by GPUs", 14.5, INK, ' font-weight="bold"')]
    for percent in range(0, 101, 25):
        at = y(percent / 100)
        parts.append(f'<path d="M{LEFT} {at:g}H{WIDTH - RIGHT}" stroke="{LINE}" stroke-width="1"/>')
        parts.append(text(LEFT - 6, at + 3.5, f"{percent}%", more=' text-anchor="end"'))
    for gpus in GPUS[::2]:
        parts.append(text(round(x(gpus), 1), BOTTOM + 17, f"{gpus:,}", more=' text-anchor="middle"'))
    parts.append(text(LEFT, BOTTOM + 37, "Share of its rate alone that each GPU keeps. A prediction: nothing here was "
                      "measured."))
    for i, (label, colour, dashes, table) in enumerate(curves(settings)):
        style = f'stroke="{colour}" stroke-width="1.9"' + (f' stroke-dasharray="{dashes}"' if dashes else "")
        left, top = 14 + i % 2 * 250, 48 + i // 2 * 19
        parts.append(f'<path d="M{left} {top - 4}h24" {style}/>' + text(left + 30, top, label))
        points = " ".join(f"{x(r['gpus']):.1f},{y(r['efficiency']):.1f}" for r in table)
        parts.append(f'<polyline points="{points}" fill="none" {style}/>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="896" '
            f'height="{HEIGHT * 896 / WIDTH:g}" font-family="sans-serif">\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images-per-second", type=float, default=Settings.images_per_second,
                        help="assumed rate of one GPU (default %(default)s)")
    parser.add_argument("--efficiency", type=float, default=Settings.efficiency,
                        help="assumed share of the links' rate (default %(default)s)")
    parser.add_argument("--reduce-dtype", choices=WIRE_BYTES, default=Settings.reduce_dtype)
    parser.add_argument("--bucket-mb", type=float, default=Settings.bucket_mb)
    parser.add_argument("--svg", type=pathlib.Path, help="file to draw")
    args = parser.parse_args()
    if args.images_per_second <= 0 or not 0 < args.efficiency <= 1 or args.bucket_mb <= 0:
        parser.error("rate and bucket must be above 0, the efficiency in (0, 1]")
    settings = Settings(args.images_per_second, args.efficiency, args.reduce_dtype, args.bucket_mb)
    parameters = sum(layer.parameters for layer in ONLINE)
    print(f"prediction: {parameters / 1e6:.1f} M parameters, gradients of "
          f"{parameters * WIRE_BYTES[settings.reduce_dtype] / 1e6:.0f} MB in {settings.reduce_dtype}, buckets of "
          f"{settings.bucket_mb:g} MiB; assumed {settings.images_per_second:g} images/s per GPU, "
          f"{settings.efficiency:.0%} of the links' rate\n")
    for label, _, _, table in curves(settings):
        print_table(label, table)
    if args.svg:
        args.svg.write_text(draw(settings), encoding="utf-8")


if __name__ == "__main__":
    main()
