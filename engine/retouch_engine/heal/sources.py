"""Finding donors: clean skin of the hole's own shape that matches what surrounds the hole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.heal.base import Wound
from retouch_engine.imaging.masks import dilated
from retouch_engine.kernels.offsets import apart, around, costs
from retouch_engine.kernels.places import places_in
from retouch_engine.types import Box, Places, frozen

_RINGS = np.array((1.25, 1.6, 2.0, 2.5, 3.2, 4.0))
"""Distances that are tried, in hole diameters: near enough for the same skin, too far for a twin."""
_ANGLES = 16
_CHANCES = frozen(np.random.default_rng(2).random((2, len(_RINGS) * _ANGLES)))
"""Drawn once: to seed a generator for each hole took longer than to compare its donors."""
_TURNS = (0.6180339887498949, 0.7548776662466927, 0.5698402909980532)
"""What turns those from place to place; irrational, so that neighbours get far turns."""
_RIM_PX = 2
_APART = 0.6
"""Of the diameter: so far two donors lie from each other."""
_MOST_RING_PX = 200
_MOST_SEEN_PX = 160
_TEXTURE_WEIGHT = 1.0
_LIGHT_WEIGHT = 0.35
_COLOUR_WEIGHT = 0.5
"""Of another contrast of the colour noise: of a JPEG's blocks some have none and their neighbours much."""
_DISTANCE_WEIGHT = 0.03

Offsets = NDArray[np.intp]
"""``(n, 2)`` rows ``(dy, dx)``."""


def donors(wound: Wound, count: int) -> list[tuple[int, int]]:
    """The best donors, best first, each at another place.

    A donor is the hole's own shape, shifted; every pixel of it is clean skin inside the crop. It is scored by
    how well the skin around it continues the skin around the hole once the light's difference is taken
    away, by how alike their texture contrast is, and by its distance.
    """
    # The sample may have missed a hair: whoever is chosen is looked at whole.
    chosen = apart(wound.once(_ordered), wound.dirty, wound.once(_wide), _APART * wound.diameter_px, count)
    return [(dy, dx) for dy, dx in chosen.tolist()]


def _ordered(wound: Wound) -> Offsets:
    """Offsets to clean skin, best first."""
    wide = wound.once(_wide)
    offsets, some = _lattice(wound), wide[:: max(1, -(-len(wide) // _MOST_SEEN_PX))]
    hole, ring = _compared(wound)
    weights = (_TEXTURE_WEIGHT, _LIGHT_WEIGHT, _DISTANCE_WEIGHT, max(wound.diameter_px, 1), _COLOUR_WEIGHT)
    fine, smooth = wound.fine[0][0], wound.fine[1]
    cost = costs(
        offsets,
        wound.dirty,
        fine,
        wound.edges[1],
        smooth,
        np.ascontiguousarray(some),
        hole,
        ring,
        np.array(weights, dtype=np.float32),
    )
    order = np.argsort(cost, kind="stable")[: np.count_nonzero(np.isfinite(cost))]
    return np.asarray(offsets[order])


def _wide(wound: Wound) -> Places:
    """The hole and its rim."""
    box = wound.hole_box.grown(_RIM_PX, *wound.hole.shape)
    mask = dilated(wound.hole[box.slices], _RIM_PX)
    return places_in(mask, mask.size, box.y0, box.x0)


def _lattice(wound: Wound) -> Offsets:
    """Rings of offsets around the hole, jittered by the seed so that no grid shows over a whole face."""
    # A hole may be smaller than what its spot is said to be, and by that the guard knows a twin.
    size = max(wound.hole_box.height, wound.hole_box.width, round(wound.diameter_px))
    turn = (wound.seed * _TURNS[0] + wound.box.y0 * _TURNS[1] + wound.box.x0 * _TURNS[2]) % 1.0
    farther, turned = (_CHANCES + turn) % 1.0
    return around(_RINGS, size + 3, 0.94 + 0.12 * farther, 0.24 * turned - 0.12)


def _compared(wound: Wound) -> tuple[Places, Places]:
    """Of the hole and of the skin around it: where they are looked at."""
    width = max(3, round(0.25 * wound.diameter_px))
    box = wound.hole_box.grown(width + 2, *wound.hole.shape)
    hole = wound.hole[box.slices]
    ring = dilated(hole, width + 1) & ~dilated(hole, 1) & ~wound.forbid[box.slices]
    inside, beside = (places_in(mask, _MOST_RING_PX, box.y0, box.x0) for mask in (hole, ring))
    return inside, beside


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
