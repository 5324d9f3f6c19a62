"""What a detector's finds are worth beside hand labels: every mark and every find counted once.

A find is right when its middle lies in a labelled circle (plus 3 px and a quarter of its own diameter).
"Healed" is what the route would heal unasked, "offered" what it would ask a person about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from benchmarks.parts.labels import FEATURES
from benchmarks.spots.labels import Portrait
from numpy.typing import NDArray

from retouch_engine.types import Step

LEAST_PX = 4.0
"""Blemishes of a smaller diameter are too small to be asked for."""
TONES = ("light", "medium", "dark")
CALLED = {"dark_spot": "brown_spot", "pustule": "whitehead"}
"""What the labels call a kind that the engine calls otherwise."""
SIZES_PX = (0, 6, 12, 24, 1e9)
SIZES_MM = (0, 1.5, 3, 6, 1e9)


@dataclass(frozen=True, slots=True)
class Mark:
    """One labelled circle, what becomes of it (``healed``, ``offered`` or ``left``), what it is called."""

    sort: str
    cls: str
    px: float
    mm: float | None
    tone: str
    fate: str
    called: str = ""
    """The kind of the find on it that decided; empty where none lies."""


@dataclass(frozen=True, slots=True)
class Find:
    """One find beside the labels: what it is there, its kind, and what would become of it."""

    label: str
    kind: str
    px: float
    mm: float | None
    tone: str
    fate: str


@dataclass
class Tally:
    """Everything counted over some photos."""

    marks: list[Mark] = field(default_factory=list)
    finds: list[Find] = field(default_factory=list)
    photos: int = 0
    faces: int = 0
    megapixels: float = 0.0
    seconds: float = 0.0
    protected_px: int = 0
    """Pixels of eyes, brows, lips and nostrils that would be healed."""

    def count(self, sort: str, *fates: str) -> int:
        """Marks of a sort with one of these fates."""
        return sum(m.sort == sort and m.fate in fates for m in self.marks)

    def found(self, label: str, fate: str) -> int:
        """Finds on a label with a fate."""
        return sum(f.label == label and f.fate == fate for f in self.finds)

    def recall(self, marks: Iterable[Mark]) -> tuple[int, int, int]:
        """Of these marks: how many, healed, healed or offered."""
        fates = Counter(m.fate for m in marks)
        return sum(fates.values()), fates["healed"], fates["healed"] + fates["offered"]


def kinds(marks: Iterable[Mark]) -> dict[str, Counter[str]]:
    """For each class of the labels, what the marks with a find on them are called."""
    total: dict[str, Counter[str]] = {}
    for mark in marks:
        if mark.called:
            total.setdefault(mark.cls, Counter())[mark.called] += 1
    return total


@dataclass(frozen=True, slots=True)
class Worth:
    """How good the heals are among some marks and some finds."""

    marks: int
    recall: float
    """Of the marks, those healed."""
    seen: float
    """Of the marks, those healed or offered."""
    precision: float
    """Of the finds that would be healed, those on a blemish; doubtful ones do not count. 1 without any."""

    @property
    def f1(self) -> float:
        """Of recall and precision."""
        return 2 * self.recall * self.precision / max(1e-9, self.recall + self.precision)


def worth(marks: Iterable[Mark], finds: Iterable[Find]) -> Worth:
    """Blemishes and finds of one sort: of a size, a kind, a tone."""
    fates = Counter(m.fate for m in marks)
    total = max(1, sum(fates.values()))
    right = Counter(f.label for f in finds if f.fate == "healed")
    told = right["blemish"] + right["keep"] + right["nothing"]
    healed = fates["healed"]
    precision = right["blemish"] / told if told else 1.0
    return Worth(sum(fates.values()), healed / total, (healed + fates["offered"]) / total, precision)


def typology_angle(pixels: NDArray[np.uint8], skin: NDArray[np.bool_]) -> float:
    """The skin's individual typology angle (Chardon 1991), degrees, from the middle of its colours."""
    lab = cv2.cvtColor(pixels[skin][None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    light, _, yellow = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(light - 50, yellow)))


def tone_of(pixels: NDArray[np.uint8], skin: NDArray[np.bool_]) -> str:
    """The skin's band by its typology angle."""
    if not skin.any():
        return "none"
    angle = typology_angle(pixels, skin)
    return "light" if angle > 28 else "medium" if angle > 0 else "dark"


def counted(
    tally: Tally, portrait: Portrait, steps: Sequence[Step], tone: str, px_per_mm: float | None
) -> None:
    """Add one photo's steps."""
    fates: dict[tuple[str, int], tuple[str, str]] = {}
    for step in steps:
        fate = "healed" if step.healers else "offered" if step.review else "left"
        label, number = _place(portrait, step)
        before, _ = fates.get((label, number), ("", ""))
        if not before or (fate != "left" and before != "healed"):
            fates[label, number] = fate, step.spot.kind.value
        px = step.spot.diameter_px
        mm = px / px_per_mm if px_per_mm else None
        tally.finds.append(Find(label, step.spot.kind.value, px, mm, tone, fate))
    for sort in ("blemish", "keep"):
        for number, mark in enumerate(portrait.marks(sort)):
            px = 2.0 * mark["r"]
            if px < LEAST_PX:
                continue
            mm = px / px_per_mm if px_per_mm else None
            fate, called = fates.get((sort, number), ("left", ""))
            tally.marks.append(Mark(sort, mark.get("cls", "unnamed"), px, mm, tone, fate, called))
    tally.photos += 1
    tally.protected_px += _protected(portrait, steps)


def _place(portrait: Portrait, step: Step) -> tuple[str, int]:
    """The label under a find, and which of its sort."""
    box, size = step.spot.box, step.spot.diameter_px
    cy, cx = (box.y0 + box.y1) / 2, (box.x0 + box.x1) / 2
    label = portrait.label(cx, cy, size)
    if label == "nothing":
        return label, -1
    far = [np.hypot(m["cx"] - cx, m["cy"] - cy) - m["r"] for m in portrait.marks(label)]
    return label, int(np.argmin(far)) if far else -1


def _protected(portrait: Portrait, steps: Sequence[Step]) -> int:
    outlines = list(_outlines(portrait))
    if not outlines:
        return 0
    h, w = portrait.pixels.shape[:2]
    inside = np.zeros((h, w), np.uint8)
    for outline in outlines:
        cv2.fillPoly(inside, [np.asarray(outline, np.int32)], 1)
    return sum(int((step.hole & (inside[step.box.slices] > 0)).sum()) for step in steps if step.healers)


def _outlines(portrait: Portrait) -> Iterable[Any]:
    """Eyes, brows, lips and nostrils: as drawn by hand, or from landmarks beside the photo."""
    for polygon in portrait.marks("protect"):
        yield np.array(polygon["polygon"], np.float32)
    landmarks = portrait.path.with_suffix(".tem")
    if portrait.samples is None and landmarks.exists():
        lines = landmarks.read_text().split("\n")
        points = np.array([[float(v) for v in line.split()] for line in lines[1 : int(lines[0]) + 1]])
        for _, indices in FEATURES:
            yield cv2.convexHull(points[list(indices)].astype(np.float32))[:, 0]
