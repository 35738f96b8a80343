#!/usr/bin/env python3
"""Writes the reference result of the vision transformer's golden test, computed by timm in double.

    python3 make_vit_golden.py [FOLDER]        (torch, timm and numpy; the folder of this script by default)

Weights, images and the functional are those of make_golden.py's formula.
"""

import sys
from pathlib import Path

import torch
from timm.models.vision_transformer import VisionTransformer

import make_golden
from make_golden import fill, formula, images, keep, write_safetensors


def results():
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=3, num_classes=0)
    model = model.double().eval()
    with torch.no_grad():
        fill(model)
    features = model(images("images"))
    features.backward(formula("functional", features.numel(), 1.0).reshape(features.shape))
    out = {"features": features.detach()}
    for name, p in model.named_parameters():
        keep(out, "gradient." + name, p.grad)
    return out


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(make_golden.__file__).resolve().parent
    torch.set_num_threads(1)
    write_safetensors(folder / "vit.safetensors", results())


if __name__ == "__main__":
    main()
