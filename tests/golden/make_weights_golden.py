#!/usr/bin/env python3
"""Writes small files of weights in every form that PyTorch and Hugging Face give them, with random values.

    python3 make_weights_golden.py [FOLDER]    (torch and safetensors; golden/weights beside this script by default)

`values.*` hold the same tensors: values.safetensors is what the others must read as. So do the TorchScript
archive script.pt and script.safetensors.
"""

import collections
import json
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn


def values():
    """What a checkpoint may hold: all element types, views of all kinds, values that are no tensors."""
    generator = torch.Generator().manual_seed(5)
    real = lambda *shape: torch.randn(*shape, generator=generator)
    shared = real(24)
    state = collections.OrderedDict()
    state["conv.weight"] = nn.Parameter(real(4, 3, 2, 2))
    state["channels_last"] = real(2, 3, 4, 2).to(memory_format=torch.channels_last)
    state["transposed"] = real(5, 3).t()
    state["slice"] = shared[4:10]
    state["rows"] = shared.reshape(4, 6)[1:3]
    state["columns"] = shared.reshape(4, 6)[:, 1:4]
    state["every_other"] = shared[1::2]
    state["f64"], state["f16"], state["bf16"] = real(3).double(), real(3).half(), real(3).bfloat16()
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        state[str(dtype)[6:]] = torch.arange(5).to(dtype) * 23
    state["bool"] = torch.tensor([True, False, True])
    state["scalar"] = torch.tensor(7)
    state["empty"] = torch.empty(0, 4)
    state["umlaut_ä"] = real(1)
    state._metadata = {"": {"version": 1}}
    return {"epoch": 12, "best": 0.125, "arch": "resnet18", "done": True, "nothing": None, "large": 1 << 70,
            "negative": -3, "half_int": 70000, "shape": torch.Size([2, 3]), "device": torch.device("cpu"),
            "dtype": torch.float32, "args": {"lr": 0.1, "steps": [1, 2, (3, "x")]}, "state_dict": state,
            "optimizer": {"state": {0: {"momentum_buffer": real(2)}}, "param_groups": [{"params": [0]}]}}


def tensors_of(value, name=""):
    """Name -> tensor, as the reader names them."""
    if isinstance(value, torch.Tensor):
        return {name: value.detach().contiguous().clone()}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    found = {}
    for key, item in items:
        found |= tensors_of(item, f"{name}.{key}" if name else str(key))
    return found


class Branch(nn.Module):
    def __init__(self):
        super().__init__()
        self.sizes = [1, 2, 3]
        self.scale = nn.Parameter(torch.tensor(0.5).half())
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.norm(x) * self.scale


class Tree(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.blocks = nn.Sequential(Branch(), nn.ReLU())

    def forward(self, x):
        return self.blocks(self.conv(x))


def deflate(source, target):
    """The same archive, compressed."""
    with zipfile.ZipFile(source) as read, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as write:
        for name in read.namelist():
            write.writestr(zipfile.ZipInfo(name), read.read(name), zipfile.ZIP_DEFLATED)


def write_shards(folder, tensors):
    """Two files and their index, as Hugging Face's save_pretrained() writes them."""
    names = sorted(tensors)
    weight_map = {}
    for i, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{i}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "weights"
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(5)
    everything = values()
    tensors = tensors_of(everything)
    save_file(tensors, folder / "values.safetensors")
    torch.save(everything, folder / "values.pt")
    torch.save(everything, folder / "values.th", _use_new_zipfile_serialization=False)
    torch.save(everything, folder / "values.p4.pt", pickle_protocol=4)
    torch.save(everything, folder / "values.p4.th", pickle_protocol=4, _use_new_zipfile_serialization=False)
    deflate(folder / "values.pt", folder / "values.deflated.pt")
    write_shards(folder / "shards", {name: t for name, t in tensors.items() if t.numel()})
    model = Tree()
    torch.jit.script(model).save(folder / "script.pt")
    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, folder / "script.safetensors")


if __name__ == "__main__":
    main()
