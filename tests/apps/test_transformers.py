#!/usr/bin/env python3
"""Folders that `weights convert --layout huggingface` writes, in transformers: every tensor has its place, and the features
are those of timm's model. Needs the Python packages torch, timm and transformers; skipped where they are missing."""

import importlib.util
import json
import unittest

from programs import DONE, ProgramTest, run_program

MISSING = [name for name in ("torch", "timm", "transformers") if importlib.util.find_spec(name) is None]
LIMIT = 1e-5  # of the largest feature


@unittest.skipIf(MISSING, f"the Python packages {', '.join(MISSING)} are not installed")
class Transformers(ProgramTest):
    def made_by_timm(self, model, classes=0):
        import timm
        import torch
        from safetensors.torch import save_file
        torch.manual_seed(1)
        made = timm.create_model(model, num_classes=classes).eval()
        with torch.no_grad():
            for name, p in made.named_parameters():  # what is made as zeros and ones must matter too
                if name == "head.bias":  # CLIP's projection has none
                    p.zero_()
                elif p.dim() == 1 or "token" in name:
                    p.add_(0.1 * torch.randn_like(p))
        file = self.top / "timm.safetensors"
        save_file(made.state_dict(), file)
        return made, file

    def expect_same(self, model, class_name, side=224, classes=0, **options):
        import torch
        import transformers
        from safetensors.torch import load_file
        made, file = self.made_by_timm(model, classes)
        hub = self.top / "hub"
        self.assertExit(run_program("weights", "convert", file, hub, "--model", model, "--layout", "huggingface"), DONE)
        self.assertEqual(json.loads((hub / "config.json").read_text())["architectures"], [class_name])
        loaded, info = getattr(transformers, class_name).from_pretrained(hub, output_loading_info=True, **options)
        self.assertEqual({kind: names for kind, names in info.items() if names}, {})
        images = torch.randn(1, 3, side, side)
        with torch.no_grad():
            want = made(images)
            out = loaded.eval()(pixel_values=images)
        got = out.image_embeds if "image_embeds" in out else out.last_hidden_state[:, 0]
        if class_name == "CLIPVisionModel":
            got = out.pooler_output
        self.assertLess((got - want).abs().max(), LIMIT * want.abs().max())
        size = transformers.AutoImageProcessor.from_pretrained(hub).crop_size
        self.assertEqual((size["height"], size["width"]), (side, side))
        self.assertExit(run_program("weights", "convert", hub, self.top / "back"), DONE)
        back = load_file(self.top / "back/model.safetensors")
        for name, tensor in made.state_dict().items():
            self.assertTrue(torch.equal(back[name], tensor), name)

    def test_vit(self):
        self.expect_same("vit_tiny_patch16_224", "ViTModel", add_pooling_layer=False)

    def test_dinov2(self):
        self.expect_same("vit_small_patch14_dinov2", "Dinov2Model", side=518)

    def test_dinov2_with_registers(self):
        self.expect_same("vit_small_patch14_reg4_dinov2", "Dinov2WithRegistersModel", side=518)

    def test_clip(self):
        self.expect_same("vit_base_patch32_clip_quickgelu_224", "CLIPVisionModelWithProjection", classes=512)

    def test_clip_without_its_projection(self):
        self.expect_same("vit_base_patch32_clip_quickgelu_224", "CLIPVisionModel")


if __name__ == "__main__":
    unittest.main()
