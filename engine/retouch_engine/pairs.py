"""Before and after, cut out for training: the same windows of the photo and of what became of it.

The samples are those of the files, in the photo's own encoding, rounded to 8 bits and nothing else: no
resizing and above all no change of colour, for an edit model learns every difference between the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import imagecodecs
import numpy as np

from retouch_engine.codec.read import read_photo
from retouch_engine.codec.rows import on_8_bit, on_16_bit
from retouch_engine.errors import PairMismatch
from retouch_engine.recipe import Limits
from retouch_engine.record import Pair
from retouch_engine.types import Box, Photo


def write_pairs(
    source: Path,
    result: Path,
    boxes: Sequence[tuple[int, int, int, int]],
    out: Path,
    size: int,
    limits: Limits,
) -> Iterator[Pair]:
    """See :func:`retouch_engine.write_pairs`."""
    before, after = read_photo(source, limits), read_photo(result, limits, ours=True)
    if before.pixels.shape != after.pixels.shape:
        sizes = (
            f"it is {after.width} x {after.height} px; expected its photo's {before.width} x {before.height}"
        )
        raise PairMismatch(result, sizes)
    for name in ("before", "after", "mask"):
        (out / name).mkdir(parents=True, exist_ok=True)
    spots = [Box(y, x, y + h, x + w) for x, y, w, h in boxes]
    for number, window in enumerate(_windows(spots, size, before), 1):
        name = f"{before.digest[:16]}-{number:03d}.png"
        one, two = (on_8_bit(p.pixels[window.slices]) for p in (before, after))
        changed = (on_16_bit(before.pixels[window.slices]) != on_16_bit(after.pixels[window.slices])).any(
            axis=-1
        )
        pictures = {"before": one, "after": two, "mask": changed.astype(np.uint8) * np.uint8(255)}
        for folder, picture in pictures.items():
            (out / folder / name).write_bytes(imagecodecs.png_encode(np.ascontiguousarray(picture)))
        yield Pair(*(out / folder / name for folder in pictures))


def _windows(spots: Sequence[Box], size: int, photo: Photo) -> Iterator[Box]:
    """Windows of one size, no more than it takes to show every spot whole; a spot as large gets none."""
    height, width = min(size, photo.height), min(size, photo.width)
    left = sorted((s for s in spots if s.height <= height and s.width <= width), key=lambda s: (s.y0, s.x0))
    while left:
        first = left[0]
        y0 = int(np.clip((first.y0 + first.y1 - height) // 2, 0, photo.height - height))
        x0 = int(np.clip((first.x0 + first.x1 - width) // 2, 0, photo.width - width))
        window = Box(y0, x0, y0 + height, x0 + width)
        yield window
        left = [s for s in left if not _inside(s, window)]


def _inside(spot: Box, window: Box) -> bool:
    rows = window.y0 <= spot.y0 and spot.y1 <= window.y1
    return rows and window.x0 <= spot.x0 and spot.x1 <= window.x1
