"""Labelled photos as another camera or export would have shown them: mirrored, resized, relit, packed again.

There are few permanent marks, and fewer that look like blemishes: a line drawn just short of the first one
that would be healed rests on that one. Looked at again in these ways each mark is a little easier or harder
to take for a blemish. Nothing learns from these looks; ``benchmarks.spots.fit`` asks about them where lines
are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks.spots.finds import SCALES, Row, collect
from benchmarks.spots.labels import FOLDS, Portrait
from numpy.typing import NDArray

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, slots=True)
class Look:
    """One way to show a photo; what is not named stays as it is."""

    name: str
    scale: float = 1.0
    mirrored: bool = False
    colourful: float = 1.0
    light: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    jpeg: int | None = None
    """Quality, with halved colour."""

    def shown(self, photo: Portrait) -> Portrait:
        """The photo in this look, at its own size (``scale`` is for who looks), with its labels."""
        samples = np.clip(photo.pixels * np.array(self.light, np.float32), 0, 255)
        grey = (samples @ _LUMINANCE)[..., None]
        coloured = np.clip(grey + (samples - grey) * self.colourful, 0, 255).round().astype(np.uint8)
        curve = (255 * (np.arange(256) / 255) ** self.gamma).round().astype(np.uint8)
        packed = _packed(curve[coloured], self.jpeg)
        labels = _mirrored(photo.labels, packed.shape[1]) if self.mirrored else photo.labels
        pixels = packed[:, ::-1] if self.mirrored else packed
        halved = None if self.jpeg is None else True
        return replace(photo, labels=labels, samples=np.ascontiguousarray(pixels), halved=halved)


LOOKS = (
    Look("smaller", scale=0.8, mirrored=True, colourful=0.85),
    Look("brighter", colourful=1.2, gamma=0.85, jpeg=88),
    Look("warmer", mirrored=True, light=(1.03, 1.0, 0.95), gamma=1.15),
    Look("paler", scale=1.15, colourful=0.75, light=(0.97, 1.0, 1.03)),
    Look("packed", scale=0.7, mirrored=True, jpeg=85),
)


def looked_at_again(photos: Sequence[Portrait], fold: dict[str, int], networks: Path) -> list[Row]:
    """All finds in all looks at these photos; each look counts as a photo of its own.

    Args:
        photos: labelled.
        fold: of each person.
        networks: holds ``spots.FOLD.onnx``; the finds are kept there.
    """
    total = []
    for look in LOOKS:
        rows = collect(photos, fold, networks, f"look-{look.name}", (look.scale,), look.shown)
        total += [replace(r, photo=f"{r.photo}, {look.name}") for r in rows]
    return total


def looks_at_permanent(
    photos: Sequence[Portrait], second: Sequence[Portrait], fold: dict[str, int]
) -> list[int]:
    """For each fold, how often a permanent mark was looked at, in all sizes and looks together."""
    total = [0] * FOLDS
    for some, sizes in ((photos, len(SCALES)), (second, 1)):
        for photo in some:
            total[fold[photo.person]] += len(photo.marks("keep")) * (sizes + len(LOOKS))
    return total


def _packed(pixels: NDArray[np.uint8], quality: int | None) -> NDArray[np.uint8]:
    if quality is None:
        return pixels
    _, code = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]


def _mirrored(labels: dict[str, Any], width: int) -> dict[str, Any]:
    """Circles and boxes of a photo whose left is right."""
    boxes = [[width - x1, y0, width - x0, y1] for x0, y0, x1, y1 in labels.get("ignore_boxes", [])]
    circles = {
        sort: [mark | {"cx": width - 1 - mark["cx"]} for mark in marks]
        for sort, marks in labels.items()
        if isinstance(marks, list) and marks and isinstance(marks[0], dict) and "cx" in marks[0]
    }
    return labels | circles | {"ignore_boxes": boxes}
