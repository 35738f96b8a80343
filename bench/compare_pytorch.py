#!/usr/bin/python3
"""Times the same BYOL step here and in PyTorch, interleaved in one run, after checking that both compute the same loss.

    bench/compare_pytorch.py [--width 64] [--batch 64] [--precision fp32|bf16] [--threads 2] [--rounds 5] [--steps 3]
                             [--binary build/bench/byol_step] [--out FILE.json]

Needs python3-torch, python3-numpy and libopenblas0-pthread (Debian). The step: ResNet-18 with CIFAR stem, both views,
target network without gradient, loss, backward, AdamW, EMA of the target. PyTorch runs channels_last with two forwards
per network and, in bf16, under autocast. The figure of each side is its best round; the ratio is ours over PyTorch's.
"""
import argparse
import copy
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

import torch_blas

np, torch, nn, F = torch_blas.modules(__file__, __doc__, "numpy", "torch", "torch.nn", "torch.nn.functional")


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.downsample = None
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + shortcut, inplace=True)


class ResNet18(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        cin = width
        for stage in range(4):
            cout = width << stage
            blocks = [Block(cin, cout, 1 if stage == 0 else 2), Block(cout, cout, 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            cin = cout

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


def head(cin, hidden, cout):
    return nn.Sequential(nn.Linear(cin, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, cout))


class Byol(nn.Module):
    def __init__(self, width):
        super().__init__()
        d = 8 * width
        self.backbone = ResNet18(width)
        self.projector = head(d, 2 * d, 256)
        self.predictor = head(256, 2 * d, 256)
        self.target_backbone = copy.deepcopy(self.backbone).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def online_parameters(self):
        modules = {"backbone": self.backbone, "projector": self.projector, "predictor": self.predictor}
        return {f"{m}.{n}": p for m, module in modules.items() for n, p in module.named_parameters()}

    def loss(self, view1, view2):
        with torch.no_grad():
            z = [self.target_projector(self.target_backbone(v)) for v in (view1, view2)]
        q = [self.predictor(self.projector(self.backbone(v))) for v in (view1, view2)]
        cos = [F.cosine_similarity(a.float(), b.float()).mean() for a, b in ((q[0], z[1]), (q[1], z[0]))]
        return 4 - 2 * cos[0] - 2 * cos[1]

    @torch.no_grad()
    def average(self, tau):
        online = list(self.backbone.parameters()) + list(self.projector.parameters())
        target = list(self.target_backbone.parameters()) + list(self.target_projector.parameters())
        torch._foreach_mul_(target, tau)
        torch._foreach_add_(target, [p.detach() for p in online], alpha=1 - tau)


class PyTorchSide:
    def __init__(self, model, images, precision):
        self.model = model.to(memory_format=torch.channels_last)
        self.views = [v.contiguous(memory_format=torch.channels_last) for v in images.chunk(2)]
        self.autocast = precision == "bf16"
        self.optimizer = torch.optim.AdamW(model.online_parameters().values(), lr=1e-3, weight_decay=0.01, foreach=True)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.autocast):
            loss = self.model.loss(*self.views)
        loss.backward()
        self.optimizer.step()
        self.model.average(0.99)
        return loss.item()

    def run(self, steps):
        start = time.perf_counter()
        losses = [self.step() for _ in range(steps)]
        return losses[0], (time.perf_counter() - start) / steps


class OurSide:
    def __init__(self, args, folder):
        command = [args.binary, folder / "model.safetensors", folder / "images.safetensors", str(args.width),
                   args.precision, str(args.threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["loss"], answer["seconds_per_step"]


def write_safetensors(path, tensors):
    header, blobs, at = {}, [], 0
    for name, array in tensors.items():
        blob = np.ascontiguousarray(array, dtype=np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def parse():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description="Times our BYOL step against PyTorch's.")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps of a round")
    parser.add_argument("--binary", default=root / "build/bench/byol_step")
    parser.add_argument("--out", type=pathlib.Path)
    return parser.parse_args()


def main():
    args = parse()
    blas = torch_blas.require_fast_blas()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    model = Byol(args.width)
    images = torch.randn(2 * args.batch, 3, 32, 32)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        weights = {n: p.detach().numpy() for n, p in model.online_parameters().items()}
        write_safetensors(folder / "model.safetensors", weights)
        write_safetensors(folder / "images.safetensors", {"images": images.permute(0, 2, 3, 1).numpy()})
        sides = {"rela": OurSide(args, folder), "pytorch": PyTorchSide(model, images, args.precision)}
        best = dict.fromkeys(sides, float("inf"))
        first_loss = {}
        for r in range(args.rounds + 1):  # the first round only warms up and compares the losses
            for side, runner in sides.items():
                loss, seconds = runner.run(args.steps)
                first_loss.setdefault(side, loss)
                if r > 0:
                    best[side] = min(best[side], seconds)
            print(f"round {r}/{args.rounds}: " + ", ".join(f"{s} best {args.batch / t:.1f} img/s" for s, t in best.items()),
                  file=sys.stderr)
    gap = abs(first_loss["rela"] - first_loss["pytorch"])
    allowed = 1e-4 if args.precision == "fp32" else 2e-2  # bf16 keeps 8 bits, and autocast rounds in other places
    result = {
        "width": args.width, "batch": args.batch, "precision": args.precision, "threads": args.threads,
        "pytorch_version": torch.__version__, "pytorch_blas": blas, "loss": first_loss, "loss_difference": gap,
        "images_per_s": {side: round(args.batch / t, 2) for side, t in best.items()},
        "ratio": round(best["pytorch"] / best["rela"], 3),
    }
    print(json.dumps(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")
    if gap > allowed:
        sys.exit(f"the losses differ by {gap:.2e}; at most {allowed:g} is allowed: the two sides do not run the same step")


if __name__ == "__main__":
    main()
