"""Finding donors: clean skin of the hole's own shape that matches what surrounds the hole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.heal.base import Wound
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import dilated
from retouch_engine.types import Bool, Box, Float

_RINGS = (1.25, 1.6, 2.0, 2.5, 3.2, 4.0)
"""Distances that are tried, in hole diameters: near enough for the same skin, too far for a twin."""
_ANGLES = 20
_MOST_RING_PX = 900
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
    offsets = _clean(wound, _lattice(wound))
    if len(offsets) == 0:
        return []
    order = np.argsort(_costs(wound, offsets), kind="stable")
    chosen: list[tuple[int, int]] = []
    apart = 0.6 * wound.diameter_px
    for i in order:
        dy, dx = int(offsets[i, 0]), int(offsets[i, 1])
        if all(np.hypot(dy - y, dx - x) >= apart for y, x in chosen):
            chosen.append((dy, dx))
        if len(chosen) == count:
            break
    return chosen


def _lattice(wound: Wound) -> Offsets:
    """Rings of offsets around the hole, jittered by the seed so that no grid shows over a whole face."""
    rng = np.random.default_rng((wound.seed, wound.box.y0, wound.box.x0))
    rows, columns = np.nonzero(wound.hole)
    size = max(np.ptp(rows), np.ptp(columns)) + 1
    count = len(_RINGS) * _ANGLES
    radius = np.repeat(np.array(_RINGS) * (size + 3), _ANGLES) * rng.uniform(0.94, 1.06, count)
    angle = np.tile(np.arange(_ANGLES) * 2 * np.pi / _ANGLES, len(_RINGS)) + rng.uniform(-0.12, 0.12, count)
    both = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    return np.unique(np.rint(both).astype(np.intp), axis=0)


def _clean(wound: Wound, offsets: Offsets) -> Offsets:
    """Only offsets that move the hole and its rim onto clean skin inside the crop."""
    wide = dilated(wound.hole, 2)
    rows, columns = _sampled(wide, 4 * _MOST_RING_PX)
    h, w = wide.shape
    box_y, box_x = np.nonzero(wide)
    fits = (
        (offsets[:, 0] + box_y.min() >= 0)
        & (offsets[:, 0] + box_y.max() < h)
        & (offsets[:, 1] + box_x.min() >= 0)
        & (offsets[:, 1] + box_x.max() < w)
    )
    offsets = offsets[fits]
    dirty = wound.forbid | wound.hole
    hit = dirty[rows + offsets[:, :1], columns + offsets[:, 1:]].any(axis=1)
    candidates = offsets[~hit]
    # The sample may miss a hair: each survivor is checked whole.
    whole = [bool(not dirty[box_y + dy, box_x + dx].any()) for dy, dx in candidates]
    return np.asarray(candidates[np.array(whole, dtype=np.bool_)] if len(candidates) else candidates)


def _sampled(mask: Bool, most: int) -> tuple[Offsets, Offsets]:
    rows, columns = np.nonzero(mask)
    step = max(1, len(rows) // most)
    return rows[::step], columns[::step]


def _costs(wound: Wound, offsets: Offsets) -> Float:
    grey = tone(wound.od)
    width = max(3, round(0.25 * wound.diameter_px))
    ring = dilated(wound.hole, width + 1) & ~dilated(wound.hole, 1) & ~wound.forbid
    if not ring.any():
        return np.zeros(len(offsets), dtype=np.float32)
    rows, columns = _sampled(ring, _MOST_RING_PX)
    shifted_y = np.clip(rows + offsets[:, :1], 0, grey.shape[0] - 1)
    shifted_x = np.clip(columns + offsets[:, 1:], 0, grey.shape[1] - 1)
    smooth = blur(grey, 1.0)
    gap = smooth[rows, columns] - smooth[shifted_y, shifted_x]
    light = np.abs(gap.mean(axis=1))
    form = gap.std(axis=1)
    fine = np.abs(grey - blur(grey, 2.0))
    here = max(float(fine[rows, columns].mean()), 1e-4)
    hole_y, hole_x = _sampled(wound.hole, _MOST_RING_PX)
    there = fine[hole_y + offsets[:, :1], hole_x + offsets[:, 1:]].mean(axis=1)
    texture = np.abs(np.log(np.maximum(there, 1e-5) / here))
    usual = max(float(smooth[rows, columns].std()), 1e-3)
    distance = np.hypot(offsets[:, 0], offsets[:, 1]) / max(wound.diameter_px, 1)
    cost = form / usual + _TEXTURE_WEIGHT * texture + _LIGHT_WEIGHT * light / usual
    return np.asarray(cost + _DISTANCE_WEIGHT * distance, dtype=np.float32)


def seen_from(values: NDArray[Any], inner: Box, offset: tuple[int, int]) -> NDArray[Any]:
    """The inner box of ``values``, looked up ``offset`` away: a copy of samples, never an average.

    What would lie outside the crop repeats its border; no donor's hole reaches there.
    """
    rows = np.clip(np.arange(inner.y0, inner.y1) + offset[0], 0, values.shape[0] - 1)
    columns = np.clip(np.arange(inner.x0, inner.x1) + offset[1], 0, values.shape[1] - 1)
    return np.asarray(values[np.ix_(rows, columns)])
