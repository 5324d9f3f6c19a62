"""Crops to learn spots from: pieces of labelled portraits, turned, relit, with marks rendered on them.

Real marks are few (228 blemishes on a hundred people), so half of the crops hold one, a fifth holds a
place where the network itself was wrong before, and on most of them further marks are laid on clean skin in
optical density, where pigments add.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from benchmarks.marks import TrueSpot, paint
from benchmarks.skin import MELANIN, Float, Rng
from benchmarks.spots.sheets import BLEMISH, DOUBTFUL, IGNORE, KEEP, NOTHING, Sheet
from numpy.typing import NDArray

from retouch_engine import PERMANENT, Kind
from retouch_engine.imaging.density import density, encode

SIDE = 192
"""38 mm of skin: enough to see an eye or a nostril as what it is."""
_TEMPORARY = (
    Kind.PIMPLE,
    Kind.PIMPLE,
    Kind.RED_SPOT,
    Kind.RED_SPOT,
    Kind.RED_SPOT,
    Kind.SCAB,
    Kind.WHITEHEAD,
)
_DRAWN = 0.75
"""Of a rendered mark's outermost radius: what the eye takes for the mark."""

Marked = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True)
class Pool:
    """Sheets to draw from; ``wrong`` holds places ``(n, 2)`` where the network found what is not there."""

    sheets: list[Sheet]
    wrong: Mapping[str, Float]

    def draw(self, rng: Rng) -> Marked:
        """One crop and its labels: uint8 RGB ``(SIDE, SIDE, 3)``, uint8 ``(SIDE, SIDE)``."""
        sheet, (x, y) = self._place(rng)
        rgb, label, skin = _cut(sheet, x, y, rng)
        od = density(rgb)
        if rng.random() < 0.6:
            _marks(od, label, skin, rng)
        return _developed(od, rng), label

    def _place(self, rng: Rng) -> tuple[Sheet, tuple[float, float]]:
        die = rng.random()
        for wanted, below in ((BLEMISH, 0.26), (KEEP, 0.44), (DOUBTFUL, 0.5)):
            if die < below:
                return self._at_mark(wanted, rng)
        if die < 0.7 and self.wrong:
            names = [s for s in self.sheets if len(self.wrong.get(s.name, ()))]
            if names:
                sheet = names[rng.integers(len(names))]
                places = self.wrong[sheet.name]
                x, y = places[rng.integers(len(places))]
                return sheet, (float(x), float(y))
        sheet = self.sheets[rng.integers(len(self.sheets))]
        ys, xs = np.nonzero(sheet.skin[::8, ::8])
        i = rng.integers(len(xs)) if len(xs) else 0
        return sheet, (float(xs[i] * 8), float(ys[i] * 8)) if len(xs) else (SIDE / 2, SIDE / 2)

    def _at_mark(self, wanted: int, rng: Rng) -> tuple[Sheet, tuple[float, float]]:
        having = [s for s in self.sheets if (s.marks[:, 3] == wanted).any()]
        # A face with fifty freckles is not fifty times as telling as one with a single mole.
        odds = np.sqrt([float((s.marks[:, 3] == wanted).sum()) for s in having])
        sheet = having[rng.choice(len(having), p=odds / odds.sum())]
        marks = sheet.marks[sheet.marks[:, 3] == wanted]
        x, y = marks[rng.integers(len(marks)), :2]
        return sheet, (float(x), float(y))


def _cut(sheet: Sheet, x: float, y: float, rng: Rng) -> tuple[NDArray[np.uint8], ...]:
    """A turned, mirrored, resized square around a point, which lands anywhere in it."""
    zoom = float(np.exp(rng.normal(0, 0.22)))
    angle = np.radians(rng.normal(0, 14))
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    m = np.array([[c, -s], [s, c]])
    if rng.random() < 0.5:
        m[0] = -m[0]
    to = rng.uniform(0.12, 0.88, 2) * SIDE
    affine = np.column_stack([m, to - m @ (x, y)]).astype(np.float32)
    size = (SIDE, SIDE)
    edge = cv2.BORDER_REFLECT_101
    rgb = cv2.warpAffine(sheet.rgb, affine, size, flags=cv2.INTER_LINEAR, borderMode=edge)
    label = cv2.warpAffine(sheet.label, affine, size, flags=cv2.INTER_NEAREST, borderValue=IGNORE)
    skin = cv2.warpAffine(sheet.skin, affine, size, flags=cv2.INTER_NEAREST)
    return np.asarray(rgb, np.uint8), np.array(label, np.uint8), np.asarray(skin, np.uint8)


def _marks(od: Float, label: NDArray[np.uint8], skin: NDArray[np.uint8], rng: Rng) -> None:
    """Lay a few marks on clean skin, in place: blemishes, moles, now and then a field of freckles."""
    free = cv2.distanceTransform(((label == NOTHING) & (skin > 0)).astype(np.uint8), cv2.DIST_L2, 3)
    for _ in range(rng.integers(1, 5)):
        if rng.random() < 0.55:
            kind = _TEMPORARY[rng.integers(len(_TEMPORARY))]
            _one(od, label, free, kind, float(np.exp(rng.uniform(np.log(3.5), np.log(15)))), rng)
        else:
            _one(od, label, free, Kind.MOLE, float(np.exp(rng.uniform(np.log(2.2), np.log(10)))), rng)
    if rng.random() < 0.15:
        for _ in range(rng.integers(6, 30)):
            _one(od, label, free, Kind.FRECKLE, rng.uniform(1.8, 5.0), rng)


def _one(od: Float, label: NDArray[np.uint8], free: Float, kind: Kind, r: float, rng: Rng) -> None:
    y, x = rng.integers(0, SIDE, 2)
    if free[y, x] < r + 2:
        return
    spot = TrueSpot(kind, float(x), float(y), r)
    rows = slice(max(0, int(y - r) - 2), int(y + r) + 3)
    columns = slice(max(0, int(x - r) - 2), int(x + r) + 3)
    clean = od[rows, columns].copy()
    paint(od, spot, rng)
    strength = rng.uniform(0.3, 1.1) if kind in PERMANENT else rng.uniform(0.18, 0.85)
    od[rows, columns] = clean + np.float32(strength) * (od[rows, columns] - clean)
    value = KEEP if spot.permanent else BLEMISH
    cv2.circle(label, (int(x), int(y)), max(2, round(_DRAWN * r)), value, -1)
    cv2.circle(free, (int(x), int(y)), round(r + 3), 0, -1)


def _developed(od: Float, rng: Rng) -> NDArray[np.uint8]:
    """The crop under other light, on other skin, from another camera."""
    if rng.random() < 0.35:
        od = od + np.float32(rng.uniform(0, 0.9)) * MELANIN
    mean = od.mean((0, 1))
    od = mean + np.float32(rng.uniform(0.8, 1.2)) * (od - mean)
    od = od + (rng.normal(0, 0.15) + rng.normal(0, 0.06, 3)).astype(np.float32)
    if rng.random() < 0.3:
        along = np.linspace(-1, 1, SIDE, dtype=np.float32) * np.float32(rng.normal(0, 0.25))
        od = od + (along[:, None, None] if rng.random() < 0.5 else along[None, :, None])
    rgb = np.clip(encode(np.maximum(od, 0)), 0, 1)
    if rng.random() < 0.3:
        small = cv2.resize(rgb, None, fx=(f := rng.uniform(0.45, 0.9)), fy=f, interpolation=cv2.INTER_AREA)
        rgb = np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))
    elif rng.random() < 0.3:
        soft = cv2.GaussianBlur(rgb, (0, 0), 1.0)
        rgb = rgb + np.float32(rng.uniform(-0.6, 0.9)) * (rgb - soft)
    rgb = rgb + rng.normal(0, rng.uniform(0, 0.012), (SIDE, SIDE, 1)).astype(np.float32)
    eight = np.asarray(np.clip(rgb * 255 + 0.5, 0, 255), np.uint8)
    if rng.random() < 0.35:
        quality = int(rng.integers(55, 95))
        _, coded = cv2.imencode(".jpg", eight, [cv2.IMWRITE_JPEG_QUALITY, quality])
        eight = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return eight


def crops(pool: Pool, seed: int) -> Iterator[Marked]:
    """Crops without end."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    while True:
        yield pool.draw(rng)
