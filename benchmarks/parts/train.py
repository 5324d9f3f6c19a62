"""Train the network that knows face parts and skin, and say how good it is on people it did not see.

    python -m benchmarks.parts.train DATA_DIR --out PARTS.onnx [--steps 3300] [--then 1000] [--fold 0]

``DATA_DIR`` holds ``faces/*/NAME.jpg`` with ``NAME.tem`` (189 landmarks) and ``portraits/manifest.json``.
First a network learns from all people but those held out (the people of ``portraits``, and a fold of the
others); every figure in the model card is this one's. Then the same network goes on with everybody for
``--then`` steps, and that is the one to ship. Needs torch and onnx. About half a second of one core a step.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from benchmarks.parts.labels import IGNORE, OUTLINE, Sheet, filled, held_out, labelled, person, sheet
from benchmarks.parts.net import PartsNet, Shipped
from benchmarks.parts.scenes import half, scenes
from benchmarks.u_net import write_onnx
from numpy.typing import NDArray
from torch import nn

from retouch_engine.survey.parts import PARTS, Part

SEED = 4
BATCH = 16
RATE = 2.5e-3
DECAY = 0.998
_WEIGHTS = (0.6, 1.0, 1.0, 2.5, 2.5, 2.5, 3.0, 1.5, 1.0, 2.5)
"""Of the classes in the cross-entropy: the small parts are few pixels and matter most."""


def sheets(photos: list[Path]) -> list[Sheet]:
    """Cut out and label, in parallel."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(sheet, photos))


def bearded(given: Sheet) -> bool:
    """Whether a tenth of the face below the nose is labelled hair: few are, and they are drawn more often."""
    low = filled(given.label.shape, given.points[list(OUTLINE)])
    low[: int(given.points[55, 1])] = False
    return float((given.label[low] == Part.HAIR).mean()) > 0.1


class Scenes(torch.utils.data.IterableDataset):  # type: ignore[misc]
    """Made photos without end; every worker draws from a seed of its own."""

    def __init__(self, known: list[Sheet], seed: int) -> None:
        super().__init__()
        self.known = known
        self.seed = seed
        # Few of the portraits show dark skin: those are drawn more often, up to six times.
        light = np.array([float(s.skin.mean()) for s in known])
        odds = 1 + 5 * np.clip((light - 1.0) / 1.2, 0, 1)
        odds *= np.where([bearded(s) for s in known], 3.0, 1.0)
        self.odds = (odds / odds.sum()).astype(np.float64)

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """RGB and its labels at half the size."""
        cv2.setNumThreads(0)
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            for rgb, label in scenes(self.known, self.odds, rng):
                yield np.ascontiguousarray(rgb.transpose(2, 0, 1)), half(label)


def loss(logits: Any, label: Any, weights: Any) -> Any:
    """Cross-entropy, and soft dice so that small parts count as parts and not as pixels."""
    logits = logits.float()
    entropy = nn.functional.cross_entropy(logits, label, weights, ignore_index=IGNORE)
    known = (label != IGNORE)[:, None]
    p = torch.softmax(logits, 1) * known
    truth = torch.zeros_like(p).scatter_(1, torch.where(known[:, 0], label, 0)[:, None], 1.0) * known
    both, either = (p * truth).sum((0, 2, 3)), (p + truth).sum((0, 2, 3))
    dice = 1 - ((2 * both + 50) / (either + 50)).mean()
    return entropy + 0.8 * dice


@dataclass
class Trainer:
    """A network, its slow average, and what moves it."""

    net: PartsNet
    slow: PartsNet
    steps: int = 0

    @classmethod
    def fresh(cls) -> Trainer:
        """From the fixed seed."""
        torch.manual_seed(SEED)
        # On a shared machine threads wait for one another; the making of scenes has the other cores.
        torch.set_num_threads(1)
        net = PartsNet(len(PARTS)).to(memory_format=torch.channels_last)
        return cls(net, deepcopy(net))

    def run(self, known: list[Sheet], steps: int, rate: float, seed: int) -> None:
        """Train for so many steps; the rate falls along a cosine."""
        best = torch.optim.AdamW(self.net.parameters(), rate, weight_decay=0.01)
        weights = torch.tensor(_WEIGHTS)
        loader = torch.utils.data.DataLoader(Scenes(known, seed), BATCH, num_workers=2, prefetch_factor=4)
        self.net.train()
        seen = 0.0
        for number, (rgb, label) in enumerate(islice(loader, steps)):
            done = number / steps
            warm = min(1.0, (number + 1) / 100)
            best.param_groups[0]["lr"] = rate * warm * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * done)))
            with torch.autocast("cpu", torch.bfloat16):
                x = (rgb.float() / 255).to(memory_format=torch.channels_last)
                logits = self.net(x)
            now = loss(logits, label.long(), weights)
            best.zero_grad()
            now.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
            best.step()
            self._follow(min(DECAY, (number + 1) / (number + 10)))
            seen = 0.98 * seen + 0.02 * float(now.detach())
            if number % 50 == 0:
                print(f"{number} of {steps} steps, loss {seen:.3f}", flush=True)
            self.steps += 1

    def _follow(self, decay: float) -> None:
        with torch.no_grad():
            for slow, fast in zip(
                self.slow.state_dict().values(), self.net.state_dict().values(), strict=True
            ):
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - decay)
                else:
                    slow.copy_(fast)

    def save(self, path: Path) -> None:
        """Both networks, to go on from."""
        torch.save({"net": self.net.state_dict(), "slow": self.slow.state_dict(), "steps": self.steps}, path)

    def load(self, path: Path) -> None:
        """Go on from a saved state."""
        state = torch.load(path)
        self.net.load_state_dict(state["net"])
        self.slow.load_state_dict(state["slow"])
        self.steps = state["steps"]

    def export(self, path: Path) -> None:
        """As ONNX, height and width free (multiples of 32)."""
        write_onnx(Shipped(self.slow), path, "parts")
        print(f"wrote {path.name}, {path.stat().st_size / 1e6:.2f} MB, after {self.steps} steps")


def main() -> None:
    """Train on some, export for measuring; train on all, export for shipping."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3300)
    parser.add_argument("--then", type=int, default=1000, help="steps with everybody")
    parser.add_argument("--fold", type=int, default=0, help="whose people are held out, 0 to 2")
    parser.add_argument("--resume", type=Path, help="a saved state to go on from")
    given = parser.parse_args()
    out = held_out(given.data, given.fold)
    photos = labelled(given.data)
    known = sheets([p for p in photos if person(p) not in out])
    print(f"{len(known)} people to learn from, {len(photos) - len(known)} held out")
    trainer = Trainer.fresh()
    if given.resume:
        trainer.load(given.resume)
    if given.steps:
        trainer.run(known, given.steps, RATE / 2 if given.resume else RATE, SEED + trainer.steps)
        trainer.save(given.out.with_suffix(".held-out.pt"))
        trainer.export(given.out.with_suffix(".held-out.onnx"))
    if not given.then:
        return
    trainer.run(sheets(photos), given.then, RATE / 3, SEED + trainer.steps)
    trainer.save(given.out.with_suffix(".pt"))
    trainer.export(given.out)


if __name__ == "__main__":
    main()
