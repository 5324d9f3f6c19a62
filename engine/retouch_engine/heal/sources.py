"""Finding donors: clean skin of the hole's own shape that matches what surrounds the hole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.heal.base import Wound
from retouch_engine.imaging.masks import dilated
from retouch_engine.types import Box, Float

_RINGS = (1.25, 1.6, 2.0, 2.5, 3.2, 4.0)
"""Distances that are tried, in hole diameters: near enough for the same skin, too far for a twin."""
_ANGLES = 16
_MOST_RING_PX = 200
_MOST_SEEN_PX = 160
_TEXTURE_WEIGHT = 1.0
_LIGHT_WEIGHT = 0.35
_DISTANCE_WEIGHT = 0.03

Offsets = NDArray[np.intp]
"""``(n, 2)`` rows ``(dy, dx)``."""


def donors(wound: Wound, count: int) -> list[tuple[int, int]]:
    """The best donors, best first, each at another place.

    A donor is the hole's own shape, shifted; every pixel of it is clean skin inside the crop. It is scored by
    how well the skin around it continues the skin around the hole once the light's difference is taken
    away, by how alike their texture contrast is, and by its distance.
    """
    wide = _wide(wound)
    chosen: list[tuple[int, int]] = []
    apart = 0.6 * wound.diameter_px
    for dy, dx in wound.once(_ordered):
        if all(math.hypot(dy - y, dx - x) >= apart for y, x in chosen):
            # The sample may have missed a hair: whoever is chosen is checked whole.
            if wound.dirty[wide[0] + dy, wide[1] + dx].any():
                continue
            chosen.append((dy, dx))
        if len(chosen) == count:
            break
    return chosen


def _ordered(wound: Wound) -> list[tuple[int, int]]:
    """Offsets to clean skin, best first."""
    offsets = _clean(wound, _lattice(wound))
    if len(offsets) == 0:
        return []
    order = np.argsort(_costs(wound, offsets), kind="stable")
    return [(dy, dx) for dy, dx in offsets[order].tolist()]


def _wide(wound: Wound) -> tuple[Offsets, Offsets]:
    """The hole and its rim, as rows and columns."""
    box = wound.hole_box.grown(3, *wound.hole.shape)
    rows, columns = np.nonzero(dilated(wound.hole[box.slices], 2))
    return rows + box.y0, columns + box.x0


def _lattice(wound: Wound) -> Offsets:
    """Rings of offsets around the hole, jittered by the seed so that no grid shows over a whole face."""
    rng = np.random.default_rng((wound.seed, wound.box.y0, wound.box.x0))
    rows, columns = np.nonzero(wound.hole)
    size = max(np.ptp(rows), np.ptp(columns)) + 1
    count = len(_RINGS) * _ANGLES
    radius = np.repeat(np.array(_RINGS) * (size + 3), _ANGLES) * rng.uniform(0.94, 1.06, count)
    angle = np.tile(np.arange(_ANGLES) * 2 * np.pi / _ANGLES, len(_RINGS)) + rng.uniform(-0.12, 0.12, count)
    both = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    return np.rint(both).astype(np.intp)


def _clean(wound: Wound, offsets: Offsets) -> Offsets:
    """Only offsets that move the hole and its rim onto clean skin inside the crop; looked at in samples."""
    rows, columns = _wide(wound)
    h, w = wound.hole.shape
    fits = (
        (offsets[:, 0] + rows.min() >= 0)
        & (offsets[:, 0] + rows.max() < h)
        & (offsets[:, 1] + columns.min() >= 0)
        & (offsets[:, 1] + columns.max() < w)
    )
    offsets = offsets[fits]
    some = _sampled(rows * w + columns, _MOST_SEEN_PX)
    hit = wound.dirty.take(some + _flat(offsets, w)).any(axis=1)
    return np.asarray(offsets[~hit])


def _flat(offsets: Offsets, width: int) -> Offsets:
    """``(n, 1)``: offsets in a flattened array."""
    return np.asarray(offsets[:, :1] * width + offsets[:, 1:])


def _sampled(places: Offsets, most: int) -> Offsets:
    """Some of the places, spread evenly."""
    return places[:: max(1, -(-len(places) // most))]


def _costs(wound: Wound, offsets: Offsets) -> Float:
    width = max(3, round(0.25 * wound.diameter_px))
    h, w = wound.hole.shape
    box = wound.hole_box.grown(width + 2, h, w)
    near = wound.hole[box.slices]
    ring = dilated(near, width + 1) & ~dilated(near, 1) & ~wound.forbid[box.slices]
    if not ring.any():
        return np.zeros(len(offsets), dtype=np.float32)
    rows, columns = (v + c for v, c in zip(np.nonzero(ring), (box.y0, box.x0), strict=True))
    here = _sampled(rows * w + columns, _MOST_RING_PX)
    rows, columns = np.divmod(here, w)
    there = np.clip(rows + offsets[:, :1], 0, h - 1) * w + np.clip(columns + offsets[:, 1:], 0, w - 1)
    fine, smooth = wound.fine[0][0], wound.fine[1]
    own = smooth.take(here)
    gap = own - smooth.take(there)
    light = np.abs(gap.mean(axis=1))
    form = gap.std(axis=1)
    inside = _sampled(np.flatnonzero(wound.hole), _MOST_RING_PX) + _flat(offsets, w)
    contrast = fine.take(inside).std(axis=1) / max(float(fine.take(here).std()), 1e-4)
    texture = np.abs(np.log(np.maximum(contrast, np.float32(0.05))))
    usual = max(float(own.std()), 1e-3)
    distance = np.hypot(offsets[:, 0], offsets[:, 1]) / max(wound.diameter_px, 1)
    cost = form / usual + _TEXTURE_WEIGHT * texture + _LIGHT_WEIGHT * light / usual
    return np.asarray(cost + _DISTANCE_WEIGHT * distance, dtype=np.float32)


def seen_from(values: NDArray[Any], inner: Box, offset: tuple[int, int]) -> NDArray[Any]:
    """The inner box of ``values``, looked up ``offset`` away: samples, never an average.

    What would lie outside the crop repeats its border; no donor's hole reaches there.
    """
    here = Box(inner.y0 + offset[0], inner.x0 + offset[1], inner.y1 + offset[0], inner.x1 + offset[1])
    if min(here.y0, here.x0) >= 0 and here.y1 <= values.shape[0] and here.x1 <= values.shape[1]:
        return values[here.slices]
    rows = np.clip(np.arange(inner.y0, inner.y1) + offset[0], 0, values.shape[0] - 1)
    columns = np.clip(np.arange(inner.x0, inner.x1) + offset[1], 0, values.shape[1] - 1)
    return np.asarray(values[np.ix_(rows, columns)])
