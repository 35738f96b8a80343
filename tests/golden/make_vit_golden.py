#!/usr/bin/env python3
"""Writes the reference results of the vision transformers' golden tests, computed by timm in double.

    python3 make_vit_golden.py [FOLDER]        (torch, timm and numpy; the folder of this script by default)

Weights, images and the functional are those of make_golden.py's formula.
"""

import sys
from functools import partial
from pathlib import Path

import torch
from timm.layers import LayerNorm, resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer

import make_golden
from make_golden import fill, formula, images, keep, write_safetensors

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "num_heads": 3}
MODELS = {
    "vit": {"depth": 3},
    "vit_dinov2": {"depth": 2, "init_values": 1e-5, "reg_tokens": 2, "no_embed_class": True},
    "vit_mean": {"depth": 2, "reg_tokens": 2, "no_embed_class": True, "global_pool": "avg"},
    "vit_clip": {"depth": 2, "pre_norm": True, "norm_layer": partial(LayerNorm, eps=1e-5),
                 "act_layer": "quick_gelu", "num_classes": 20},
}


def results(options):
    model = VisionTransformer(**SMALL, **{"num_classes": 0, **options})
    model = model.double().eval()
    with torch.no_grad():
        fill(model)
    features = model(images("images"))
    features.backward(formula("functional", features.numel(), 1.0).reshape(features.shape))
    out = {"features": features.detach()}
    for name, p in model.named_parameters():
        keep(out, "gradient." + name, p.grad)
    return out


def position_grids():
    """A position embedding with a row for the class token, for smaller and larger images."""
    embedding = formula("pos_embed", (1 + 7 * 7) * 6, 1.0).reshape(1, 50, 6).float()
    return {f"side.{side}": resample_abs_pos_embed(embedding, [side, side], num_prefix_tokens=1).double()
            for side in (3, 5, 7, 11)}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(make_golden.__file__).resolve().parent
    torch.set_num_threads(1)
    for name, options in MODELS.items():
        write_safetensors(folder / f"{name}.safetensors", results(options))
    write_safetensors(folder / "position_grids.safetensors", position_grids())


if __name__ == "__main__":
    main()
