"""Labelled portraits at the network's own scale: what the spot network learns from and is asked about.

A sheet is the part of a photo that holds skin, resampled to so many pixels a millimetre, with a label for
every pixel.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from benchmarks.spots.labels import Portrait
from numpy.typing import NDArray

from retouch_engine.survey import survey
from retouch_engine.types import Box

PX_PER_MM = 5.0
"""Faces of 430 px across have 3, of 800 px 6: this is near their own resolution."""
NOTHING, BLEMISH, KEEP, DOUBTFUL, IGNORE = 0, 1, 2, 3, 255
_MARGIN_MM = 8.0
_DRAWN = 0.9
"""Hand-drawn circles stand a little outside their marks."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """``rgb`` uint8 ``(h, w, 3)``; ``label`` and ``skin`` uint8 ``(h, w)``; marks as ``(x, y, r, label)``."""

    name: str
    person: str
    rgb: NDArray[np.uint8]
    label: NDArray[np.uint8]
    skin: NDArray[np.uint8]
    marks: NDArray[np.float32]
    x0: float
    y0: float
    zoom: float
    """A sheet's pixel (x, y) lies at ``(x / zoom + x0, y / zoom + y0)`` in the photo."""


def sheet(photo: Portrait) -> Sheet | None:
    """Cut out, resampled, labelled; None where the photo has no skin."""
    cv2.setNumThreads(1)
    pixels = photo.pixels
    seen = photo.photo()
    scene = survey(seen)
    rows, columns = np.flatnonzero((scene.skin > 0.5).any(1)), np.flatnonzero((scene.skin > 0.5).any(0))
    if rows.size == 0:
        return None
    sy, sx = seen.height / scene.skin.shape[0], seen.width / scene.skin.shape[1]
    scale = scene.scale.px_per_mm or PX_PER_MM
    box = Box(int(rows[0] * sy), int(columns[0] * sx), int((rows[-1] + 1) * sy), int((columns[-1] + 1) * sx))
    box = box.grown(round(_MARGIN_MM * scale), seen.height, seen.width)
    zoom = PX_PER_MM / scale
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    rgb = np.asarray(cv2.resize(pixels[box.slices], None, fx=zoom, fy=zoom, interpolation=how))
    skin = scene.skin_in(box).astype(np.uint8)
    skin = np.asarray(cv2.resize(skin, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_NEAREST))
    label, marks = _labelled(photo, box, zoom, (rgb.shape[0], rgb.shape[1]))
    return Sheet(photo.name, photo.person, rgb, label, skin, marks, box.x0, box.y0, zoom)


def _labelled(
    photo: Portrait, box: Box, zoom: float, shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    label = np.zeros(shape, np.uint8)
    for x0, y0, x1, y1 in photo.labels.get("ignore_boxes", []):
        a = (round((x0 - box.x0) * zoom), round((y0 - box.y0) * zoom))
        b = (round((x1 - box.x0) * zoom) - 1, round((y1 - box.y0) * zoom) - 1)
        cv2.rectangle(label, a, b, IGNORE, -1)
    marks = []
    # A named mark inside an ignored box counts; a blemish over a doubtful spot is a blemish.
    for sort, value in (("ignore", DOUBTFUL), ("fine", IGNORE), ("keep", KEEP), ("blemish", BLEMISH)):
        for mark in photo.marks(sort):
            x, y, r = (mark["cx"] - box.x0) * zoom, (mark["cy"] - box.y0) * zoom, mark["r"] * zoom
            cv2.circle(label, (round(x), round(y)), max(2, round(_DRAWN * r)), value, -1)
            marks.append((x, y, r, value))
    return label, np.array(marks, np.float32).reshape(-1, 4)


def sheets(photos: list[Portrait], processes: int = 1) -> list[Sheet]:
    """Every photo's sheet."""
    with ProcessPoolExecutor(processes) as pool:
        return [s for s in pool.map(sheet, photos) if s is not None]


def cached(photos: list[Portrait], path: Path) -> list[Sheet]:
    """The same, kept in a file: making them takes minutes."""
    import pickle

    if not path.exists():
        path.write_bytes(pickle.dumps(sheets(photos)))
    found: list[Sheet] = pickle.loads(path.read_bytes())
    return found
