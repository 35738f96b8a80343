#!/usr/bin/env python3
"""Writes the reference results of the golden tests: two small ResNets, three BYOL steps and three steps of
the ReLA phase in PyTorch, and ReLA's targets in NumPy.

    python3 make_golden.py [FOLDER]        (torch and numpy; the folder of this script by default)

Weights and images come from a formula that the tests evaluate too, so the files hold results only:

    value(name, i) = offset + scale sin(phase(name) + i (0.9 + 0.011 i)),  phase = (FNV-1a32 % 10007) / 1000

in double, rounded to f32; i counts elements in torch's order for weights and in [N, H, W, C] order
for images. The square keeps the rows of a matrix independent. PyTorch computes in double: what the
tests measure is the f32 error of the code they test.
"""

import copy
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

WIDTH = 8
EXPANSION = 4  # channels of a bottleneck's output relative to its 3x3 convolution
BATCH = 4
SIDE = 32
HIDDEN = 32
PROJECTION = 16
STEPS = 3
TAU = 0.9
TARGET_WIDTH = 24
SAMPLES = 64  # values kept of a larger tensor

# Small steps, so that three of them do not amplify rounding; strong decay, so that it matters.
SGD = {"lr": 0.0002, "momentum": 0.9, "weight_decay": 1.0}
ADAMW = {"lr": 1e-5, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 2.0}
LARS = {"lr": 0.005, "momentum": 0.9, "weight_decay": 1.0, "eta": 1e-3}


def formula(name, count, scale, offset=0.0):
    phase = 0x811C9DC5
    for byte in name.encode():
        phase = (phase ^ byte) * 0x01000193 & 0xFFFFFFFF
    i = np.arange(count, dtype=np.float64)
    values = offset + scale * np.sin((phase % 10007) / 1000 + i * (0.9 + 0.011 * i))
    return torch.from_numpy(values.astype(np.float32)).double()


def images(name):
    flat = formula(name, BATCH * SIDE * SIDE * 3, 1.0)
    return flat.reshape(BATCH, SIDE, SIDE, 3).permute(0, 3, 1, 2).contiguous()


def fill(module):
    """Fills every parameter and running statistic from the formula, keyed by its name."""
    for name, t in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if t.dim() > 1:
            values = formula(name, t.numel(), math.sqrt(3.0 / t[0].numel()))
        elif name.endswith("running_var") or (name.endswith("weight") and t.dim() == 1):
            values = formula(name, t.numel(), 0.25, 1.0)
        else:
            values = formula(name, t.numel(), 0.1)
        t.copy_(values.reshape(t.shape))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, bottleneck):
        super().__init__()
        inner = outputs // EXPANSION
        convolutions = ([(inputs, inner, 1, 1), (inner, inner, 3, stride), (inner, outputs, 1, 1)]
                        if bottleneck else
                        [(inputs, outputs, 3, stride), (outputs, outputs, 3, 1)])
        self.depth = len(convolutions)
        for i, (from_channels, to_channels, side, step) in enumerate(convolutions, 1):
            conv = nn.Conv2d(from_channels, to_channels, side, step, side // 2, bias=False)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", nn.BatchNorm2d(to_channels))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        for i in range(1, self.depth + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            x = functional.relu(x + shortcut if i == self.depth else x)
        return x


class ResNet(nn.Module):
    """Four stages of two blocks: a ResNet-18 unless these are bottlenecks."""

    def __init__(self, width, bottleneck):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage in range(4):
            outputs = (width << stage) * (EXPANSION if bottleneck else 1)
            blocks = nn.Sequential(Block(inputs, outputs, 1 if stage == 0 else 2, bottleneck),
                                   Block(outputs, outputs, 1, bottleneck))
            setattr(self, f"layer{stage + 1}", blocks)
            inputs = outputs

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


def resnet18():
    return ResNet(WIDTH, bottleneck=False)


def head(inputs):
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(),
                         nn.Linear(HIDDEN, PROJECTION))


class Online(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = resnet18()
        self.projector = head(8 * WIDTH)
        self.predictor = head(PROJECTION)

    def forward(self, x):
        return self.predictor(self.projector(self.backbone(x)))


class Lars:
    """You et al. 2017 with the momentum outside the learning rate; vectors are not adapted."""

    def __init__(self, parameters, lr, momentum, weight_decay, eta):
        self.parameters = parameters
        self.lr, self.momentum, self.weight_decay, self.eta = lr, momentum, weight_decay, eta
        self.buffers = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self):
        for p, buffer in zip(self.parameters, self.buffers):
            g, trust = p.grad, 1.0
            if p.dim() > 1:
                g = g + self.weight_decay * p
                if p.norm() > 0 and g.norm() > 0:
                    trust = self.eta * p.norm() / g.norm()
            buffer.mul_(self.momentum).add_(trust * g)
            p.sub_(self.lr * buffer)


def make_optimizer(name, model):
    parameters = list(model.parameters())
    if name == "lars":
        return Lars(parameters, **LARS)
    spec = dict(SGD if name == "sgd" else ADAMW)
    groups = [{"params": [p for p in parameters if p.dim() > 1]},
              {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    return (torch.optim.SGD if name == "sgd" else torch.optim.AdamW)(groups, **spec)


def keep(out, name, tensor):
    """A sample of the tensor in torch's order, and its norm if the sample is not the whole tensor."""
    flat = tensor.detach().reshape(-1)
    out[name] = flat[:SAMPLES]
    if flat.numel() > SAMPLES:
        out[name + ".norm"] = flat.norm().reshape(1)


def resnet_results(model):
    model, x, out = model.double(), images("images"), {}
    fill(model)
    features = model.train()(x)
    out["features.train"] = features.detach()
    weights = formula("functional", features.numel(), 1.0).reshape(features.shape)
    (features * weights).sum().backward()
    for name, p in model.named_parameters():
        keep(out, "gradient." + name, p.grad)
    for name, b in model.named_buffers():
        if b.is_floating_point():
            keep(out, "running." + name, b)
    with torch.no_grad():
        out["features.eval"] = model.eval()(x)
    return out


def byol_loss(q, z):
    return (2 - 2 * functional.cosine_similarity(q, z, dim=1, eps=0)).mean()


def byol_results(optimizer_name):
    online, losses, out = Online().double().train(), [], {}
    fill(online)
    target = copy.deepcopy(nn.ModuleDict({"backbone": online.backbone,
                                          "projector": online.projector}))
    optimizer = make_optimizer(optimizer_name, online)
    for step in range(STEPS):
        views = [images(f"view{v}.{step}") for v in (1, 2)]
        q = [online(x) for x in views]
        with torch.no_grad():
            z = [target["projector"](target["backbone"](x)) for x in views]
        loss = byol_loss(q[0], z[1]) + byol_loss(q[1], z[0])
        online.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            theta = dict(online.named_parameters())
            for name, p in target.named_parameters():
                p.mul_(TAU).add_((1 - TAU) * theta[name])
        losses.append(loss.detach())
    out["losses"] = torch.stack(losses)
    for name, t in online.state_dict().items():
        if t.is_floating_point():
            keep(out, "online." + name, t)
    for name, p in target.named_parameters():
        keep(out, "target." + name, p)
    return out


def rela_results(map_kind):
    """Sun et al. 2024, as released: the cosine distance between the mapped features of both views
    and the image's target, averaged over the views; the optimiser holds the backbone alone unless
    the map is trained. The target network follows the backbone."""
    model = nn.ModuleDict({"backbone": resnet18()}).double().train()
    transfer = nn.ModuleDict({"map": nn.Linear(8 * WIDTH, TARGET_WIDTH)}).double()
    targets = formula("targets", STEPS * BATCH * TARGET_WIDTH, 1.0).reshape(STEPS, BATCH, TARGET_WIDTH)
    fill(model)
    fill(transfer)
    target = copy.deepcopy(model)
    trained = nn.ModuleList([model, transfer] if map_kind == "trained" else [model])
    optimizer = make_optimizer("adamw", trained)
    losses, out = [], {}
    for step in range(STEPS):
        mapped = [transfer["map"](model["backbone"](images(f"view{v}.{step}"))) for v in (1, 2)]
        loss = sum((1 - functional.cosine_similarity(m, targets[step], dim=1, eps=0)).mean() for m in mapped) / 2
        trained.zero_grad()
        loss.backward()
        if step == 0:
            for module in trained:
                for name, p in module.named_parameters():
                    keep(out, "gradient." + name, p.grad.clone())  # zero_grad() would clear the stored one
        optimizer.step()
        with torch.no_grad():
            theta = dict(model.named_parameters())
            for name, p in target.named_parameters():
                p.mul_(TAU).add_((1 - TAU) * theta[name])
        losses.append(loss.detach())
    out["losses"] = torch.stack(losses)
    for module in trained:
        for name, t in module.state_dict().items():
            if t.is_floating_point():
                keep(out, "online." + name, t)
    for name, p in target.named_parameters():
        keep(out, "target." + name, p)
    return out


def target_results():
    """Sun et al. 2024, as released: centre, rotate to the leading eigenvectors, standardise by the
    population deviation. Features of decreasing spread around a mean far from zero; the last two
    columns repeat others, so that two directions have no variance and are dropped here. Signs of
    eigenvectors: the largest entry is positive."""
    images, width = 70, 12
    y = formula("features", images * width, 1.0).reshape(images, width).numpy()
    y = (20.0 + y * 0.8 ** np.arange(width)).astype(np.float32).astype(np.float64)
    y[:, 10] = 2 * y[:, 3]
    y[:, 11] = y[:, 0]
    centred = y - y.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred / (images - 1))
    vectors = vectors[:, ::-1][:, :10]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(10)])
    z = centred @ vectors
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    print("targets: variances", variances[::-1].tolist())
    return {"features": torch.from_numpy(y), "targets": torch.from_numpy(z)}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, t in sorted(tensors.items()):
        raw = t.numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    write_safetensors(folder / "resnet18.safetensors", resnet_results(resnet18()))
    # At this width, no input of a ReLU is closer to 0 than 3e-6: f32 and double agree on its sign.
    write_safetensors(folder / "bottleneck.safetensors", resnet_results(ResNet(6, bottleneck=True)))
    write_safetensors(folder / "targets.safetensors", target_results())
    for name in ("sgd", "adamw", "lars"):
        results = byol_results(name)
        print(name, results["losses"].tolist())
        write_safetensors(folder / f"byol_{name}.safetensors", results)
    for map_kind in ("fixed", "trained"):
        results = rela_results(map_kind)
        print("rela,", map_kind, "map", results["losses"].tolist())
        write_safetensors(folder / f"rela_{map_kind}_map.safetensors", results)


if __name__ == "__main__":
    main()
