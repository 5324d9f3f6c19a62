"""Train the small inpainting network on skin, and write it as ONNX.

    python -m benchmarks.rethined.train DATA_DIR --out DIR [--minutes 20] [--resume FILE.pt]

Writes ``DIR/rethined.onnx`` and, to go on from, ``DIR/rethined.pt``. Every sixth person is held out; what the
network does to them is printed at the end, beside what the plain spreading of the rim's colours does. Needs
torch and onnx; seeds are fixed, but the number of steps depends on the machine's speed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from benchmarks.rethined.data import crops, held, portraits, sheets
from benchmarks.rethined.net import BLOCK, GAIN, Rethined, Shipped, density, likeness, texture
from torch import nn

SEED = 7
BATCH = 8
RATE = 2.5e-3
DECAY = 0.997
_SLOPE = 0.5
_LIKE = 0.25
_MEASURED = 160
"""Held-out crops."""


def batches(known: list[Any], seed: int) -> Iterator[tuple[Any, Any]]:
    """RGB 0 to 1 and masks, without end."""
    drawn = crops(known, seed)
    while True:
        some = list(islice(drawn, BATCH))
        rgb = np.stack([c.transpose(2, 0, 1) for c, _ in some]).astype(np.float32) / 255
        yield torch.from_numpy(rgb), torch.from_numpy(np.stack([m[None] for _, m in some]).astype(np.float32))


def losses(net: Rethined, rgb: Any, mask: Any) -> tuple[Any, Any]:
    """How wrong the structure is, and how unlike the true pores those are that attention asks for."""
    whole, keys, mean = net(rgb, mask)
    true = (density(rgb) - mean) * GAIN
    low, high = texture(true)
    made = texture(whole)[0]
    area = mask.sum() * 3 + 1
    gap = (made - low) * mask
    slopes = (gap[..., 1:] - gap[..., :-1]).abs().sum() + (gap[..., 1:, :] - gap[..., :-1, :]).abs().sum()
    structure = (gap.abs().sum() + _SLOPE * 4 * slopes) / area
    asked = nn.functional.max_pool2d(mask, BLOCK).flatten(1) > 0
    with torch.no_grad():
        like = likeness(high).flatten(2).transpose(1, 2)
        cost = torch.cdist(like, like) ** 2
    share = torch.softmax(net.logits(keys, mask), 2)
    unlike = (share * cost).sum(2)[asked].mean()
    return structure, unlike


def _follow(slow: nn.Module, net: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for s, f in zip(slow.state_dict().values(), net.state_dict().values(), strict=True):
            if s.dtype.is_floating_point:
                s.lerp_(f, 1 - decay)
            else:
                s.copy_(f)


def train(known: list[Any], minutes: float, before: Path | None) -> Rethined:
    """For so many minutes of processor time; the rate follows a cosine of them."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    net = Rethined()
    if before is not None:
        net.load_state_dict(torch.load(before))
    rate = RATE if before is None else RATE / 3
    slow, best = deepcopy(net), torch.optim.AdamW(net.parameters(), rate, weight_decay=0.02)
    begun, seen = time.process_time(), np.zeros(2)
    net.train()
    for step, (rgb, mask) in enumerate(batches(known, SEED + (before is not None))):
        done = (time.process_time() - begun) / (60 * minutes)
        if done >= 1:
            break
        best.param_groups[0]["lr"] = (
            rate * min(1, (step + 1) / 100) * (0.01 + 0.495 * (1 + np.cos(np.pi * done)))
        )
        structure, unlike = losses(net, rgb, mask)
        best.zero_grad()
        (structure + _LIKE * unlike).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        best.step()
        _follow(slow, net, min(DECAY, (step + 1) / (step + 10)))
        now = np.array([float(structure.detach()), float(unlike.detach())])
        seen = now if step == 0 else 0.98 * seen + 0.02 * now
        if step % 50 == 0:
            print(
                f"{step} steps, {done * minutes:.1f} min, structure {seen[0]:.4f}, unlike {seen[1]:.3f}",
                flush=True,
            )
    slow.eval()
    return slow


def measure(net: Rethined, known: list[Any]) -> None:
    """Both losses on people that were not seen, beside those of a network that adds nothing."""
    plain = deepcopy(net)
    with torch.no_grad():
        for values in (plain.net.head.weight, plain.net.head.bias):
            values.zero_()
        figures = [
            [float(v) for n in (net, plain) for v in losses(n, *batch)]
            for batch in islice(batches(known, 1000), _MEASURED // BATCH)
        ]
    structure, unlike, spread, chance = np.mean(figures, axis=0)
    print(
        f"held out: structure {structure:.4f} (rim spread: {spread:.4f}),"
        f" unlike {unlike:.3f} (chance: {chance:.3f})"
    )


def export(net: Rethined, path: Path) -> None:
    """As ONNX, height and width free (multiples of 32)."""
    example = torch.rand(1, 3, 128, 160), torch.zeros(1, 1, 128, 160)
    example[1][..., 50:80, 60:100] = 1
    free = {2: "height", 3: "width"}
    torch.onnx.export(
        Shipped(net).eval(), example, path, input_names=["image", "mask"], output_names=["output"],
        dynamic_axes={"image": free, "mask": free, "output": free}, opset_version=17, dynamo=False,
    )  # fmt: skip
    print(f"wrote {path.name}, {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20, help="of processor time")
    parser.add_argument("--resume", type=Path, help="a saved network to go on from")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    paths = portraits(given.data)
    away = set(held(paths))
    known = sheets([p for p in paths if p not in away], given.out / "sheets.pkl")
    net = train(known, given.minutes, given.resume)
    torch.save(net.state_dict(), given.out / "rethined.pt")
    export(net, given.out / "rethined.onnx")
    measure(net, sheets(sorted(away), given.out / "held.pkl"))


if __name__ == "__main__":
    main()
