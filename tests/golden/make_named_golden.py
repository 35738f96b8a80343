#!/usr/bin/env python3
"""Writes narrow vision transformers, and a ResNet of CLIP's, under the names of those who publish them, with the features that their own
code computes: the files and names_features.safetensors.

    python3 make_named_golden.py [FOLDER]      (torch, timm, transformers and open_clip_torch)

Weights are random, and 16-bit floats so that the files are small; the features are computed from the same numbers
in double.
"""

import sys
import tempfile
from pathlib import Path

import open_clip
import torch
import transformers
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer as OpenClipTransformer
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

import make_golden
from make_golden import formula, images, write_safetensors

WIDTH, DEPTH, HEADS, PATCH, SIDE, PROJECTION = 32, 2, 2, 8, 32, 12
HUGGING_FACE = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": HEADS, "image_size": SIDE,
                "patch_size": PATCH}


def randomise(model, seed):
    """16-bit numbers that make every tensor matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            values = torch.randn(p.shape, generator=generator)
            is_factor = p.dim() == 1 and name.endswith(("weight", "gamma", "lambda1"))
            values = 1 + 0.2 * values if is_factor else values * (0.2 if p.dim() == 1 else 0.5 / WIDTH ** 0.5)
            p.copy_(values.half().float())
    return model.double().eval()


def narrow(state):
    return {name: t.half().contiguous() if t.is_floating_point() else t for name, t in state.items()}


def saved_by_transformers(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(Path(folder) / "model.safetensors")


def hugging_face_clip():
    vision = {**HUGGING_FACE, "intermediate_size": 4 * WIDTH, "projection_dim": PROJECTION}
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
            "vocab_size": 20, "max_position_embeddings": 8, "projection_dim": PROJECTION}
    config = transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=PROJECTION)
    model = randomise(transformers.CLIPModel(config), 1)
    files = {"clip_hf": narrow(saved_by_transformers(model))}
    x = images("images")
    features = {"clip_hf": model.visual_projection(model.vision_model(pixel_values=x).pooler_output)}

    projected = randomise(transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**vision)), 2)
    files["clip_hf_projected"] = narrow(saved_by_transformers(projected))
    features["clip_hf_projected"] = projected(pixel_values=x).image_embeds

    config = transformers.CLIPVisionConfig(**vision, hidden_act="gelu")
    tower = randomise(transformers.CLIPVisionModel(config), 3)
    files["clip_hf_tower_gelu"] = narrow(saved_by_transformers(tower))
    features["clip_hf_tower_gelu"] = tower(pixel_values=x).pooler_output
    return files, features


def openai_clip():
    """open_clip's whole model has OpenAI's names, with those of a text tower beside them."""
    vision = open_clip.CLIPVisionCfg(layers=DEPTH, width=WIDTH, head_width=WIDTH // HEADS, patch_size=PATCH,
                                     image_size=SIDE)
    text = open_clip.CLIPTextCfg(context_length=8, vocab_size=20, width=16, heads=2, layers=1)
    model = randomise(open_clip.CLIP(PROJECTION, vision, text, quick_gelu=True), 4)
    assert isinstance(model.visual, OpenClipTransformer)
    return ({"clip_openai": narrow(model.state_dict())},
            {"clip_openai": model.encode_image(images("images"))})


def large_images():
    """[4, 3, 64, 64]: the attention pool of a ResNet gets 2 x 2 pixels of them."""
    return formula("images.64", 4 * 64 * 64 * 3, 1.0).reshape(4, 64, 64, 3).permute(0, 3, 1, 2).contiguous()


def clip_resnet():
    vision = open_clip.CLIPVisionCfg(layers=(2, 1, 1, 1), width=4, head_width=64, image_size=64)
    text = open_clip.CLIPTextCfg(context_length=8, vocab_size=20, width=16, heads=2, layers=1)
    model = randomise(open_clip.CLIP(PROJECTION, vision, text, quick_gelu=True), 8)
    assert isinstance(model.visual, ModifiedResNet)
    with torch.no_grad():
        for name, t in model.named_buffers():  # in 16 bits, like everything else
            if name.endswith("running_mean"):
                t.copy_(formula(name, t.numel(), 0.2).half())
            elif name.endswith("running_var"):
                t.copy_(formula(name, t.numel(), 0.5, 1.0).half())
    return {"clip_resnet": narrow(model.state_dict())}, {"clip_resnet": model.encode_image(large_images())}


def hugging_face_dinov2():
    files, features = {}, {}
    x = images("images")
    for name, model, config in (
            ("dinov2_hf", transformers.Dinov2Model, transformers.Dinov2Config),
            ("dinov2_hf_registers", transformers.Dinov2WithRegistersModel, transformers.Dinov2WithRegistersConfig)):
        made = randomise(model(config(**HUGGING_FACE)), 5)
        files[name] = narrow(saved_by_transformers(made))
        features[name] = made(pixel_values=x).pooler_output
    return files, features


def hugging_face_vit():
    # The eps of timm and of the original, from which the published weights were converted; transformers' is 1e-12.
    config = transformers.ViTConfig(**HUGGING_FACE, intermediate_size=4 * WIDTH, layer_norm_eps=1e-6)
    made = randomise(transformers.ViTModel(config), 9)
    features = made(pixel_values=images("images")).last_hidden_state[:, 0]
    return {"vit_hf": narrow(saved_by_transformers(made))}, {"vit_hf": features}


def facebook_dinov2():
    """The names of facebookresearch/dinov2: timm's but for the registers, and the class token has a position."""
    options = {"img_size": SIDE, "patch_size": PATCH, "embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS,
               "num_classes": 0, "init_values": 1e-5}
    plain = VisionTransformer(**options)
    state = {**narrow(randomise(plain, 6).state_dict()), "mask_token": torch.zeros(1, WIDTH).half()}
    files, features = {"dinov2_facebook": state}, {"dinov2_facebook": plain(images("images"))}

    registers = VisionTransformer(**options, reg_tokens=4, no_embed_class=True)
    state = {**state, "register_tokens": torch.randn(1, 4, WIDTH, generator=torch.Generator().manual_seed(7)).half()}
    registers.load_state_dict(checkpoint_filter_fn({k: v.float() for k, v in state.items()}, registers))
    files["dinov2_facebook_registers"] = state
    features["dinov2_facebook_registers"] = registers.double().eval()(images("images"))
    return files, features


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(make_golden.__file__).resolve().parent
    torch.set_num_threads(1)
    all_features = {}
    for files, features in (hugging_face_clip(), openai_clip(), clip_resnet(), hugging_face_dinov2(), facebook_dinov2(),
                            hugging_face_vit()):
        for name, state in files.items():
            save_file(state, folder / f"names_{name}.safetensors", {"format": "pt"})
        all_features.update({name: f.detach() for name, f in features.items()})
    write_safetensors(folder / "names_features.safetensors", all_features)


if __name__ == "__main__":
    main()
