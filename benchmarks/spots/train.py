"""Train the network that finds spots: on each fold without its people, then on everybody.

    python -m benchmarks.spots.train DATA_DIR --out DIR [--minutes 5] [--fold 0]

Writes ``DIR/spots.FOLD.onnx`` for each fold of people (``benchmarks.spots.labels.folds``) and
``DIR/spots.onnx`` from everybody whose licence allows to ship what was learned. What the folds' networks say
of the people they did not see is what ``benchmarks.spots.fit`` calibrates on. Needs torch and onnx; seeds are
fixed, but the number of steps depends on the machine's speed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from benchmarks.spots.labels import FOLDS, folds, portraits, second_photos
from benchmarks.spots.net import MAPS, Shipped, SpotNet, planes
from benchmarks.spots.scenes import Pool, crops
from benchmarks.spots.sheets import BLEMISH, DOUBTFUL, IGNORE, KEEP, NOTHING, Sheet, cached
from benchmarks.u_net import write_onnx
from numpy.typing import NDArray
from torch import nn

SEED = 11
BATCH = 8
RATE = 3e-3
DECAY = 0.995
MINED_AT = 0.45
"""Share of the time after which the network's own mistakes are looked up."""
_MOST_WRONG = 25
"""Mistakes kept for each portrait, the worst first."""


class Crops(torch.utils.data.IterableDataset):  # type: ignore[misc]
    """Crops without end; every round draws from a seed of its own."""

    def __init__(self, pool: Pool, seed: int) -> None:
        super().__init__()
        self.pool = pool
        self.seed = seed

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """RGB, and its labels at half the size."""
        for rgb, label in crops(self.pool, self.seed):
            yield np.ascontiguousarray(rgb.transpose(2, 0, 1)), np.ascontiguousarray(label[::2, ::2])


def targets(label: Any) -> tuple[Any, Any]:
    """What each map should say, and where that is known: both ``(n, maps, h, w)``."""
    mark = (label == BLEMISH) | (label == KEEP) | (label == DOUBTFUL)
    truth = torch.stack([label == BLEMISH, label == KEEP, mark], 1).float()
    told = (label != IGNORE) & (label != DOUBTFUL)
    return truth, torch.stack([told, told, label != IGNORE], 1).float()


def loss(logits: Any, label: Any) -> Any:
    """Focal cross-entropy, since almost all is plain skin, and soft dice, so that spots count as spots."""
    logits = logits.float()
    truth, known = targets(label)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    p = torch.sigmoid(logits)
    wrong = (p - truth).abs()
    focal = (entropy * (0.05 + wrong**1.5) * (1 + 2 * truth) * known).mean((0, 2, 3))
    p, truth = p * known, truth * known
    both, either = (p * truth).sum((0, 2, 3)), (p + truth).sum((0, 2, 3))
    dice = 1 - (2 * both + 20) / (either + 20)
    share = torch.tensor([1.0, 1.0, 0.5])
    return ((20 * focal + 0.7 * dice) * share).sum()


def follow(slow: nn.Module, net: nn.Module, decay: float) -> None:
    """Draw a slow average after its network."""
    with torch.no_grad():
        for s, f in zip(slow.state_dict().values(), net.state_dict().values(), strict=True):
            if s.dtype.is_floating_point:
                s.lerp_(f, 1 - decay)
            else:
                s.copy_(f)


def maps(net: SpotNet, sheet: Sheet) -> NDArray[np.float32]:
    """What a network says of a sheet: float32 ``(maps, h / 2, w / 2)``, sides cut to multiples of 16."""
    h, w = (n - n % 16 for n in sheet.rgb.shape[:2])
    rgb = torch.from_numpy(np.ascontiguousarray(sheet.rgb[:h, :w].transpose(2, 0, 1)))[None].float() / 255
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = net(planes(rgb).to(memory_format=torch.channels_last))
    return np.asarray(torch.sigmoid(logits.float())[0].numpy(), np.float32)


def mistakes(net: SpotNet, sheet: Sheet) -> NDArray[np.float32]:
    """Places ``(n, 2)`` where it finds a blemish or a permanent mark that is not labelled as one."""
    found = maps(net, sheet)
    half = sheet.label[::2, ::2][: found.shape[1], : found.shape[2]]
    skin = sheet.skin[::2, ::2][: found.shape[1], : found.shape[2]] > 0
    places: list[tuple[float, int, int]] = []
    for index, right in ((0, BLEMISH), (1, KEEP)):
        bad = ((half == NOTHING) | ((half == KEEP) | (half == BLEMISH)) & (half != right)) & skin
        odds = np.where(bad, found[index], 0)
        peak = (odds > 0.2) & (odds >= cv2.dilate(odds, np.ones((7, 7), np.uint8)))
        places += [(float(odds[y, x]), 2 * int(x), 2 * int(y)) for y, x in np.argwhere(peak)]
    places.sort(reverse=True)
    return np.array([p[1:] for p in places[:_MOST_WRONG]], np.float32).reshape(-1, 2)


@dataclass
class Trainer:
    """A network, its slow average, and what moves it."""

    net: SpotNet
    slow: SpotNet
    best: Any
    rate: float
    steps: int = 0

    @classmethod
    def of(cls, seed: int, before: Path | None) -> Trainer:
        """From the fixed seed, or from a saved network, which goes on at a third of the rate."""
        torch.manual_seed(seed)
        # On a shared machine threads wait for one another.
        torch.set_num_threads(1)
        net = SpotNet().to(memory_format=torch.channels_last)
        if before is not None:
            net.load_state_dict(torch.load(before))
        rate = RATE if before is None else RATE / 3
        return cls(net, deepcopy(net), torch.optim.AdamW(net.parameters(), rate, weight_decay=0.02), rate)

    def step(self, rgb: Any, label: Any, done: float) -> float:
        """One batch; the rate follows a cosine of the time, ``done`` of 1. Returns the loss."""
        warm = min(1.0, (self.steps + 1) / 100)
        cosine = 0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * min(1, done)))
        self.best.param_groups[0]["lr"] = self.rate * warm * cosine
        x = planes(rgb.float() / 255).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net(x)
        now = loss(logits, label)
        self.best.zero_grad()
        now.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
        self.best.step()
        follow(self.slow, self.net, min(DECAY, (self.steps + 1) / (self.steps + 10)))
        self.steps += 1
        return float(now.detach())

    def mistakes(self, sheets: list[Sheet]) -> dict[str, NDArray[np.float32]]:
        """Its own, on every sheet."""
        self.slow.eval()
        wrong = {s.name: mistakes(self.slow, s) for s in sheets}
        print(f"{sum(map(len, wrong.values()))} mistakes to learn from", flush=True)
        return wrong


def train(sheets: list[Sheet], minutes: float, seed: int, before: Path | None = None) -> SpotNet:
    """A network from these sheets, or one that goes on, for so many minutes of processor time."""
    trainer = Trainer.of(seed, before)
    begun, seen = time.process_time(), 0.0
    wrong: dict[str, NDArray[np.float32]] = {} if before is None else trainer.mistakes(sheets)
    for number, until in enumerate((MINED_AT, 1.0) if before is None else (1.0,)):
        known = Crops(Pool(sheets, wrong), seed + 100 * number + (0 if before is None else 1000))
        trainer.net.train()
        for rgb, label in torch.utils.data.DataLoader(known, BATCH, num_workers=1, prefetch_factor=6):
            done = (time.process_time() - begun) / (60 * minutes)
            if done >= until:
                break
            seen = 0.98 * seen + 0.02 * trainer.step(rgb, label, done)
            if trainer.steps % 50 == 0:
                print(f"{trainer.steps} steps, {done * minutes:.1f} min, loss {seen:.3f}", flush=True)
        if until < 1:
            wrong = trainer.mistakes(sheets)
    trainer.slow.eval()
    return trainer.slow


def export(net: SpotNet, path: Path) -> None:
    """As ONNX, height and width free (multiples of 16)."""
    write_onnx(Shipped(net), path, "spots")
    print(f"wrote {path.name}, {path.stat().st_size / 1e6:.2f} MB, maps {', '.join(MAPS)}")


def main() -> None:
    """Train each fold, then everybody whose licence allows it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5, help="of processor time, for each network")
    parser.add_argument("--resume", type=Path, help="a saved network to go on from")
    parser.add_argument("--fold", type=int, help="this fold only; -1 is everybody")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    photos = list(portraits(given.data))
    fold = folds(photos)
    held = {p.person for p in photos if not p.free}
    known = cached(photos, given.out / "sheets.pkl")
    known += cached(list(second_photos(given.data)), given.out / "second.pkl")
    for number in [given.fold] if given.fold is not None else [*range(FOLDS), -1]:
        learnt = [s for s in known if fold[s.person] != number and (number >= 0 or s.person not in held)]
        print(f"fold {number}: {len(learnt)} sheets of {len(known)}", flush=True)
        net = train(learnt, given.minutes, SEED + number, given.resume)
        name = "spots" if number < 0 else f"spots.{number}"
        torch.save(net.state_dict(), given.out / f"{name}.pt")
        export(net, given.out / f"{name}.onnx")


if __name__ == "__main__":
    main()
