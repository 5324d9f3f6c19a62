"""Train the network that judges each find: on each fold without its people, then on everybody.

    python -m benchmarks.spots.train_judge DATA_DIR --networks DIR [--steps 400] [--fold 0]

``DIR`` holds what ``benchmarks.spots.train`` wrote. The finds of its networks in people they have not seen
are looked up once (``benchmarks.spots.finds``) and kept there; ``DIR/judge.FOLD.onnx`` and ``DIR/judge.onnx``
are written, each begun with the first levels of the spot network of its fold. Doubtful finds teach nothing.
Needs torch and onnx; seeds are fixed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from benchmarks.skin import Rng
from benchmarks.spots.finds import SCALES, Row, looked_at
from benchmarks.spots.judge_net import SIDE, VERDICTS, JudgeNet, ShippedJudge
from benchmarks.spots.labels import FOLDS, folds, portraits, second_photos
from benchmarks.spots.net import planes
from benchmarks.spots.train import follow
from benchmarks.u_net import write_onnx
from numpy.typing import NDArray
from torch import nn

SEED = 5
STEPS = 400
BATCH = 48
RATE = 2e-3
DECAY = 0.99
_SHARE = (0.36, 0.28, 0.36)
"""Of a batch: blemishes, permanent marks, nothing."""
_SORTS = {"blemish": 0, "keep": 1, "nothing": 2}
_SHRUNK = 0.5
"""What a find in a shrunk photo counts beside one in the photo itself."""
_BLACK = 0.05
_DARKER = np.array([0.2, 0.36, 0.5], np.float32)
"""What more melanin takes from red, green and blue."""
Square = NDArray[np.uint8]


@dataclass(frozen=True)
class Known:
    """Squares of one sort, and how often each is drawn."""

    squares: list[Square]
    often: NDArray[np.float64]

    def draw(self, rng: Rng) -> Square:
        """One of them."""
        return self.squares[rng.choice(len(self.squares), p=self.often)]


def known(rows: list[Row]) -> list[Known]:
    """Of each sort: a face with fifty marks is not fifty times as telling as one with a single one."""
    company = Counter((r.person, r.label) for r in rows)
    total = []
    for sort in _SORTS:
        mine = [(r, square) for r in rows if r.label == sort and (square := r.around) is not None]
        often = np.array([_often(r) / np.sqrt(company[r.person, sort]) for r, _ in mine])
        total.append(Known([square for _, square in mine], often / often.sum()))
    return total


def _often(row: Row) -> float:
    told = max(row.figures.get("blemish_most", 0.0), row.figures.get("permanent_most", 0.0))
    # What the spot network mistakes for a mark teaches most.
    return (0.15 + told if row.label == "nothing" else 1.0) * (1.0 if row.scale == SCALES[0] else _SHRUNK)


def varied(square: Square, rng: Rng) -> NDArray[np.float32]:
    """Turned, mirrored, resized, softened or sharpened, under other light: ``(3, SIDE, SIDE)``, 0 to 1."""
    zoom, angle = float(np.exp(rng.normal(0, 0.2))), np.radians(rng.normal(0, 25))
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    m = np.array([[c, -s], [s, c]])
    if rng.random() < 0.5:
        m[0] = -m[0]
    middle = np.full(2, square.shape[0] / 2 - 0.5)
    to = SIDE / 2 - 0.5 + rng.normal(0, 1.5, 2)
    affine = np.column_stack([m, to - m @ middle]).astype(np.float32)
    cut = cv2.warpAffine(square, affine, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101)
    rgb = np.asarray(cut, np.float32) / 255
    if rng.random() < 0.3:
        small = cv2.resize(rgb, None, fx=(f := rng.uniform(0.5, 0.9)), fy=f, interpolation=cv2.INTER_AREA)
        rgb = np.asarray(cv2.resize(small, (SIDE, SIDE)), np.float32)
    elif rng.random() < 0.3:
        rgb = rgb + np.float32(rng.uniform(-0.5, 0.8)) * (rgb - cv2.GaussianBlur(rgb, (0, 0), 1.0))
    return _relit(np.clip(rgb, 0, 1), rng)


def _relit(rgb: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    # Encoded samples, not light: their logarithm, held off black, is near enough and needs no table.
    od = -np.log(rgb * (1 - _BLACK) + _BLACK)
    mean = od.mean((0, 1))
    od = mean + np.float32(rng.uniform(0.85, 1.18)) * (od - mean)
    od = od + (rng.normal(0, 0.12) + rng.normal(0, 0.05, 3)).astype(np.float32)
    if rng.random() < 0.3:
        od = od + np.float32(rng.uniform(0, 0.6)) * _DARKER
    shown = (np.exp(-od) - _BLACK) / (1 - _BLACK) + rng.normal(0, rng.uniform(0, 0.012), (SIDE, SIDE, 1))
    return np.ascontiguousarray(np.clip(shown, 0, 1).transpose(2, 0, 1), np.float32)


def begun(before: Path) -> JudgeNet:
    """With the first levels of a spot network."""
    net, seen = JudgeNet(), torch.load(before)
    fresh = net.state_dict()
    net.load_state_dict({n: own if n.startswith("head") else seen[n] for n, own in fresh.items()})
    return net


def train(squares: list[Known], before: Path, steps: int, seed: int) -> JudgeNet:
    """A network from these squares; what it began with moves less than its head."""
    torch.manual_seed(seed)
    # On a shared machine threads wait for one another.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    net = begun(before)
    slow = deepcopy(net)
    head = list(net.head.parameters())
    rest = [p for name, p in net.named_parameters() if not name.startswith("head")]
    best = torch.optim.AdamW([{"params": rest}, {"params": head}], weight_decay=0.03)
    net.train()
    seen = 0.0
    for step in range(steps):
        now = RATE * min(1.0, (step + 1) / 40) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * step / steps)))
        for group, share in zip(best.param_groups, (0.4, 1.0), strict=True):
            group["lr"] = share * now
        sorts = rng.choice(len(VERDICTS), BATCH, p=_SHARE)
        rgb = torch.from_numpy(np.array([varied(squares[sort].draw(rng), rng) for sort in sorts]))
        wrong = nn.functional.cross_entropy(net(planes(rgb)), torch.from_numpy(sorts), label_smoothing=0.03)
        best.zero_grad()
        wrong.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        best.step()
        follow(slow, net, min(DECAY, (step + 1) / (step + 10)))
        seen += 0.03 * (float(wrong.detach()) - seen)
        if (step + 1) % 100 == 0:
            print(f"{step + 1} steps, loss {seen:.3f}", flush=True)
    slow.eval()
    return slow


def main() -> None:
    """Train each fold, then everybody whose licence allows it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--networks", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--fold", type=int, help="this fold only; -1 is everybody")
    given = parser.parse_args()
    photos, second = list(portraits(given.data)), list(second_photos(given.data))
    fold, free = folds(photos), {p.path.name for p in [*photos, *second] if p.free}
    rows = looked_at(photos, second, given.networks)
    for number in [given.fold] if given.fold is not None else [*range(FOLDS), -1]:
        learnt = [r for r in rows if fold[r.person] != number and (number >= 0 or r.photo in free)]
        ending = "" if number < 0 else f".{number}"
        net = train(known(learnt), given.networks / f"spots{ending}.pt", given.steps, SEED + number)
        path = given.networks / f"judge{ending}.onnx"
        write_onnx(ShippedJudge(net), path, "verdict", side=SIDE)
        print(f"wrote {path.name}, {path.stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
