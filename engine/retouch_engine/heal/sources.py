"""Finding donors: clean skin of the hole's own shape that matches what surrounds the hole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.heal.base import Wound
from retouch_engine.imaging.bands import spread
from retouch_engine.imaging.masks import at_most, dilated, flat_in
from retouch_engine.types import Box, Float

_RINGS = (1.25, 1.6, 2.0, 2.5, 3.2, 4.0)
"""Distances that are tried, in hole diameters: near enough for the same skin, too far for a twin."""
_ANGLES = 16
_RIM_PX = 2
_MOST_RING_PX = 200
_MOST_SEEN_PX = 160
_TEXTURE_WEIGHT = 1.0
_LIGHT_WEIGHT = 0.35
_DISTANCE_WEIGHT = 0.03

Offsets = NDArray[np.intp]
"""``(n, 2)`` rows ``(dy, dx)``."""
Flat = NDArray[np.intp]
"""``(n,)`` positions in the flattened crop."""


def donors(wound: Wound, count: int) -> list[tuple[int, int]]:
    """The best donors, best first, each at another place.

    A donor is the hole's own shape, shifted; every pixel of it is clean skin inside the crop. It is scored by
    how well the skin around it continues the skin around the hole once the light's difference is taken
    away, by how alike their texture contrast is, and by its distance.
    """
    wide = wound.once(_wide)
    chosen: list[tuple[int, int]] = []
    apart = 0.6 * wound.diameter_px
    for dy, dx in wound.once(_ordered):
        if all(math.hypot(dy - y, dx - x) >= apart for y, x in chosen):
            # The sample may have missed a hair: whoever is chosen is checked whole.
            if wound.dirty.take(wide + (dy * wound.hole.shape[1] + dx)).any():
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


def _wide(wound: Wound) -> Flat:
    """The hole and its rim."""
    box = wound.hole_box.grown(_RIM_PX, *wound.hole.shape)
    return flat_in(dilated(wound.hole[box.slices], _RIM_PX), box, wound.hole.shape[1])


def _lattice(wound: Wound) -> Offsets:
    """Rings of offsets around the hole, jittered by the seed so that no grid shows over a whole face."""
    rng = np.random.default_rng((wound.seed, wound.box.y0, wound.box.x0))
    size = max(wound.hole_box.height, wound.hole_box.width)
    count = len(_RINGS) * _ANGLES
    radius = np.repeat(np.array(_RINGS) * (size + 3), _ANGLES) * rng.uniform(0.94, 1.06, count)
    angle = np.tile(np.arange(_ANGLES) * 2 * np.pi / _ANGLES, len(_RINGS)) + rng.uniform(-0.12, 0.12, count)
    both = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    return np.rint(both).astype(np.intp)


def _clean(wound: Wound, offsets: Offsets) -> Offsets:
    """Only offsets that move the hole and its rim onto clean skin inside the crop; looked at in samples."""
    h, w = wound.hole.shape
    box = wound.hole_box.grown(_RIM_PX, h, w)
    dy, dx = offsets.T
    fits = (dy >= -box.y0) & (dy <= h - box.y1) & (dx >= -box.x0) & (dx <= w - box.x1)
    offsets = offsets[fits]
    some = _sampled(wound.once(_wide), _MOST_SEEN_PX)
    hit = wound.dirty.take(some + _flat(offsets, w)).any(axis=1)
    return np.asarray(offsets[~hit])


def _flat(offsets: Offsets, width: int) -> Offsets:
    """``(n, 1)``: offsets in a flattened array."""
    return np.asarray(offsets[:, :1] * width + offsets[:, 1:])


def _sampled(places: Flat, most: int) -> Flat:
    """Some of the places, spread evenly."""
    return places[:: max(1, -(-len(places) // most))]


def _costs(wound: Wound, offsets: Offsets) -> Float:
    width = max(3, round(0.25 * wound.diameter_px))
    h, w = wound.hole.shape
    box = wound.hole_box.grown(width + 2, h, w)
    near = wound.hole[box.slices]
    ring = dilated(near, width + 1) & ~dilated(near, 1) & ~wound.forbid[box.slices]
    here = _sampled(flat_in(ring, box, w), _MOST_RING_PX)
    if len(here) == 0:
        return np.zeros(len(offsets), dtype=np.float32)
    rows, columns = np.divmod(here, w)
    there = at_most(rows + offsets[:, :1], h) * w + at_most(columns + offsets[:, 1:], w)
    fine, smooth = wound.fine[0][0], wound.fine[1]
    own = smooth.take(here)
    light, form = _mean_and_spread(own - smooth.take(there))
    hole = flat_in(wound.hole[wound.hole_box.slices], wound.hole_box, w)
    inside = _sampled(hole, _MOST_RING_PX) + _flat(offsets, w)
    contrast = _mean_and_spread(fine.take(inside))[1] / max(spread(fine.take(here)), 1e-4)
    texture = np.abs(np.log(np.maximum(contrast, np.float32(0.05))))
    usual = max(spread(own), 1e-3)
    distance = np.hypot(offsets[:, 0], offsets[:, 1]) / max(wound.diameter_px, 1)
    cost = form / usual + _TEXTURE_WEIGHT * texture + _LIGHT_WEIGHT * light / usual
    return np.asarray(cost + _DISTANCE_WEIGHT * distance, dtype=np.float32)


def _mean_and_spread(values: Float) -> tuple[Float, Float]:
    """How far each row's mean lies from 0, and its standard deviation: ``(n, p)`` in, ``(n,)`` out."""
    share = np.float32(1 / values.shape[1])
    mean = np.add.reduce(values, axis=1) * share
    off = values - mean[:, None]
    return np.abs(mean), np.sqrt(np.einsum("np,np->n", off, off) * share)


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
