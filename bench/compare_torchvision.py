#!/usr/bin/env python3
"""Photographs to two augmented views on one core: rela against Pillow and torchvision's v2 transforms.

usage: compare_torchvision.py FOLDER [--program build/bench/photo_views] [--side 224] [--images 256] [--repeats 3]
                              [--resize 500]

FOLDER has pictures in class folders. BYOL's augmentations: random resized crop, flip, colour jitter, grey, blur (always
in view 1, one in ten in view 2), solarise (view 2), normalise. torchvision is measured on Pillow images and on tensors,
and the faster of the two counts. Sides take turns; each is given its best repetition. Both run pinned to one core.
--resize first copies pictures into a temporary folder with their longer side made this long, as ImageNet's are about 500.
Needs torch, torchvision and Pillow.
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", type=pathlib.Path, default=pathlib.Path("build/bench/photo_views"))
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--resize", type=int, default=0)
    return parser.parse_args()


def pictures(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def copy_resized(files, side, folder):
    from PIL import Image

    for i, path in enumerate(files):
        image = Image.open(path).convert("RGB")
        scale = side / max(image.size)
        image = image.resize([round(scale * length) for length in image.size], Image.Resampling.BICUBIC)
        out = folder / path.parent.name / f"{i}.jpg"
        out.parent.mkdir(exist_ok=True)
        image.save(out, quality=90)


def view(side, blur, solarize, on_tensors):
    import torch
    from torchvision.transforms import v2

    to_tensor = [v2.ToImage()]
    steps = [v2.RandomResizedCrop(side, scale=(0.08, 1.0), antialias=True), v2.RandomHorizontalFlip(),
             v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8), v2.RandomGrayscale(0.2),
             v2.RandomApply([v2.GaussianBlur(side // 10 | 1, (0.1, 2.0))], blur), v2.RandomSolarize(128, solarize)]
    end = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    return v2.Compose((to_tensor + steps if on_tensors else steps + to_tensor) + end)


def torchvision_rate(files, count, views, on_tensors):
    from PIL import Image
    from torchvision.transforms.v2 import functional

    rng = random.Random(0)
    chosen = [rng.choice(files) for _ in range(count)]
    start = time.perf_counter()
    for path in chosen:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
        if on_tensors:
            rgb = functional.pil_to_tensor(rgb)
        for transform in views:
            transform(rgb)
    return count / (time.perf_counter() - start)


def main():
    args = parse()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import torch
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder
        if args.resize:
            folder = pathlib.Path(scratch)
            copy_resized(pictures(args.folder)[::max(1, len(pictures(args.folder)) // 128)], args.resize, folder)
        files = pictures(folder)
        sides = {on: [view(args.side, 1.0, 0.0, on), view(args.side, 0.1, 0.2, on)] for on in (False, True)}
        rates = {"rela": [], "torchvision on Pillow images": [], "torchvision on tensors": []}
        for _ in range(args.repeats):
            out = subprocess.run([args.program, folder, str(args.side), str(args.images)], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout
            rates["rela"].append(float(out))
            rates["torchvision on Pillow images"].append(torchvision_rate(files, args.images, sides[False], False))
            rates["torchvision on tensors"].append(torchvision_rate(files, args.images, sides[True], True))
    for name, values in rates.items():
        print(f"{name:30} {max(values):8.1f} images/s   (all: {', '.join(f'{value:.1f}' for value in values)})")
    best = max(max(values) for name, values in rates.items() if name != "rela")
    print(f"ratio                          {max(rates['rela']) / best:8.2f}")


if __name__ == "__main__":
    sys.exit(main())
