#!/usr/bin/env python3
"""Writes small picture files and what Pillow and torchvision make of them.

usage: make_image_golden.py     needs numpy, pillow, torchvision and safetensors; made with Pillow 13.0, torchvision 0.29

images/<name>: the pictures.  images.safetensors:
  decode/<name>       [H, W, 3] u8   exif_transpose(), then convert("RGB"); of 16-bit grey the upper 8 bits
  resize/source       [47, 61, 3] u8
  resize/<filter>/<left>,<top>,<right>,<bottom>/<size>   [size, size, 3] u8   the crop of that box, in pixels
                      and their fractions, resized
  eval/<filter>/<shorter>/<size>/<name>   [size, size, 3] u8   torchvision's Resize(shorter), CenterCrop(size)
"""

import math
import pathlib

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file
from torchvision.transforms import v2

FOLDER = pathlib.Path(__file__).resolve().parent
BOXES = [((0, 0, 61, 47), 32), ((0, 0, 61, 47), 7), ((5, 3, 44, 40), 64), ((7, 9, 18, 21), 33),
         ((0, 0, 61, 47), 61), ((2.5, 3.25, 40.75, 31.5), 24), ((0.5, 0.5, 12.25, 9.75), 40), ((30, 20, 31, 21), 5)]


def picture(height, width, seed=0):
    """Smooth colours with an edge, so that a turned picture is told from an upright one."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [127 + 120 * np.sin(0.31 * x + 0.13 * y + seed), 255 * x / width, 255 * y / height]
    rgb = np.stack(planes, axis=-1)
    rgb[: height // 3, : width // 4] = (250, 10, 30)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def write_pictures(folder):
    folder.mkdir(exist_ok=True)
    image = Image.fromarray(picture(17, 23))
    alpha = Image.fromarray(picture(17, 23, 2)[..., 0])
    rgba = image.copy()
    rgba.putalpha(alpha)
    image.save(folder / "rgb.jpg", quality=90)
    image.save(folder / "rgb_444.jpg", quality=90, subsampling=0)
    image.save(folder / "progressive.jpg", quality=80, progressive=True)
    image.convert("L").save(folder / "grey.jpg", quality=90)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=90)
    for value in range(1, 9):
        image.save(folder / f"turned_{value}.jpg", quality=60, exif=orientation(value))
    Image.fromarray(picture(64, 96)).save(folder / "larger.jpg", quality=90)
    image.save(folder / "rgb.png")
    image.save(folder / "turned.png", exif=orientation(6))
    rgba.save(folder / "rgba.png")
    image.convert("L").save(folder / "grey.png")
    rgba.convert("LA").save(folder / "grey_alpha.png")
    palette = image.quantize(12)
    palette.save(folder / "palette.png", bits=4)
    palette.save(folder / "palette_clear.png", transparency=3)
    image.convert("1").save(folder / "bits.png")
    wide = np.asarray(image.convert("L")).astype(np.uint16) * 251 + 99
    Image.fromarray(wide).save(folder / "grey_16.png")
    image.save(folder / "lossy.webp", quality=80)
    image.save(folder / "lossless.webp", lossless=True)
    rgba.save(folder / "rgba.webp", lossless=True)
    image.save(folder / "turned.webp", quality=80, exif=orientation(8))
    image.save(folder / "animated.webp", save_all=True, append_images=[image.rotate(180)], lossless=True)


def decoded(path):
    image = Image.open(path)
    if image.mode.startswith("I"):
        upper = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(upper[..., None], 3, axis=-1)
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def resized(source, box, size, resample):
    left, top = math.floor(box[0]), math.floor(box[1])
    crop = source.crop((left, top, math.ceil(box[2]), math.ceil(box[3])))
    inside = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return np.asarray(crop.resize((size, size), resample, box=inside))


def evaluated(path, shorter, size, interpolation):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return np.asarray(v2.CenterCrop(size)(v2.Resize(shorter, interpolation)(image)))


def main():
    write_pictures(FOLDER / "images")
    tensors = {f"decode/{path.name}": decoded(path) for path in sorted((FOLDER / "images").iterdir())}
    source = picture(47, 61)
    source[::5, ::3] = 255 - source[::5, ::3]  # overshoots of the bicubic filter are cut off
    tensors["resize/source"] = source
    for name, resample in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
        for box, size in BOXES:
            key = f"resize/{name}/{','.join(str(x) for x in box)}/{size}"
            tensors[key] = resized(Image.fromarray(source), box, size, resample)
    for filter_name, interpolation, shorter, size in (("bilinear", v2.InterpolationMode.BILINEAR, 32, 28),
                                                     ("bicubic", v2.InterpolationMode.BICUBIC, 21, 21)):
        for name in ("larger.jpg", "rgb.png", "turned_6.jpg"):
            tensors[f"eval/{filter_name}/{shorter}/{size}/{name}"] = evaluated(FOLDER / "images" / name, shorter, size,
                                                                              interpolation)
    save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, FOLDER / "images.safetensors")


if __name__ == "__main__":
    main()
