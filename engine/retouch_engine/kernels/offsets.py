"""Looking at a crop from many offsets: which move a shape onto clean pixels, and how alike those are."""

from __future__ import annotations

import numpy as np

from retouch_engine.kernels.compiled import BLOCK, NUMBERS, PLACES, REAL, ROWS, VALUES, WHOLE, kernel, part
from retouch_engine.kernels.sums import deviation
from retouch_engine.types import Bool, Float, Places, Reals


@kernel(NUMBERS, REAL, NUMBERS, NUMBERS)
def around(rings: Reals, size: float, farther: Reals, turned: Reals) -> Places:
    """Offsets on rings about a middle, ``(rings x angles, 2)``.

    ``farther`` scales and ``turned`` turns each of them; there are as many angles as they leave for a ring.
    """
    count = len(farther)
    angles = count // len(rings)
    found = np.empty((count, 2), np.intp)
    for i in range(count):
        radius = rings[i // angles] * size * farther[i]
        angle = 2 * np.pi * (i % angles) / angles + turned[i]
        found[i, 0], found[i, 1] = round(radius * np.sin(angle)), round(radius * np.cos(angle))
    return found


@part
def _flat(places: Places, width: int) -> tuple[Places, int, int, int, int]:
    """Positions in a flattened array; and the least row and column, and the most."""
    flat = np.empty(len(places), np.intp)
    y0, x0, y1, x1 = 0, 0, 0, 0
    for i in range(len(places)):
        y, x = places[i, 0], places[i, 1]
        flat[i] = y * width + x
        if i == 0:
            y0, x0, y1, x1 = y, x, y, x
        y0, x0, y1, x1 = min(y0, y), min(x0, x), max(y1, y), max(x1, x)
    return flat, y0, x0, y1, x1


@part
def _hits(marked: Bool, flat: Places, move: int) -> bool:
    """Whether one of the moved positions is marked."""
    hit = False
    for i in flat:
        if marked[i + move]:
            hit = True
            break
    return hit


@part
def _contrast(plane: Float, flat: Places, move: int) -> float:
    """Standard deviation of a plane at moved positions."""
    total, square = 0.0, 0.0
    for i in flat:
        value = np.float64(plane[i + move])
        total += value
        square += value * value
    return deviation(total, square, len(flat))


@kernel(PLACES, BLOCK, ROWS, ROWS, ROWS, PLACES, PLACES, PLACES, VALUES)
def costs(
    offsets: Places,
    dirty: Bool,
    fine: Float,
    colour: Float,
    smooth: Float,
    wide: Places,
    hole: Places,
    ring: Places,
    weights: Float,
) -> Float:
    """How far what lies at each offset is from what surrounds the hole.

    Args:
        offsets: ``(n, 2)``.
        dirty: bool ``(h, w)``.
        fine: ``(h, w)``, a band without a mean.
        colour: ``(h, w)``, another.
        smooth: ``(h, w)``.
        wide: places that must be clean, ``(p, 2)``.
        hole: places whose ``fine`` and ``colour`` are compared, ``(q, 2)``.
        ring: with what lies here, ``(r, 2)``; its ``smooth`` too.
        weights: ``(5,)``: of another contrast, of other light, of the distance, in units of the fourth, px,
            and of another contrast of ``colour``.

    Returns:
        Float32 ``(n,)``; infinite where not all of ``wide`` is clean and inside; 0 without a ring.
    """
    h, w = dirty.shape
    marked, level = dirty.reshape(h * w), smooth.reshape(h * w)
    band, grain = fine.reshape(h * w), colour.reshape(h * w)
    found = np.full(len(offsets), np.inf, np.float32)
    must, y0, x0, y1, x1 = _flat(wide, w)
    inside, a0, b0, a1, b1 = _flat(hole, w)
    # ``wide`` may be a sample, whose outermost rows are missing.
    y0, x0, y1, x1 = min(y0, a0), min(x0, b0), max(y1, a1), max(x1, b1)
    here, v0, u0, v1, u1 = _flat(ring, w)
    n = len(ring)
    usual = max(_contrast(level, here, 0), 1e-3) if n else 1.0
    own = max(_contrast(band, here, 0), 1e-4) if n else 1.0
    tint = max(_contrast(grain, here, 0), 1e-4) if n else 1.0
    for k in range(len(offsets)):
        dy, dx = offsets[k, 0], offsets[k, 1]
        move = dy * w + dx
        fits = y0 + dy >= 0 and x0 + dx >= 0 and y1 + dy < h and x1 + dx < w
        if not fits or _hits(marked, must, move):
            continue
        if n == 0:
            found[k] = 0.0
            continue
        whole = v0 + dy >= 0 and u0 + dx >= 0 and v1 + dy < h and u1 + dx < w
        total, square = 0.0, 0.0
        for j in range(n):
            there = here[j] + move
            if not whole:
                there = min(max(ring[j, 0] + dy, 0), h - 1) * w + min(max(ring[j, 1] + dx, 0), w - 1)
            gap = np.float64(level[here[j]]) - level[there]
            total += gap
            square += gap * gap
        texture = abs(np.log(max(_contrast(band, inside, move) / own, 0.05)))
        cost = (
            deviation(total, square, n) / usual + weights[0] * texture + weights[1] * abs(total / n) / usual
        )
        noise = abs(np.log(max(_contrast(grain, inside, move) / tint, 0.05)))
        found[k] = cost + weights[2] * np.hypot(dy, dx) / weights[3] + weights[4] * noise
    return found


@kernel(ROWS, PLACES, PLACES)
def greatest(small: Float, places: Places, offsets: Places) -> Reals:
    """The greatest value of a plane at half size, ``(h/2, w/2)``, at moved places: ``(n,)``."""
    h, w = small.shape
    found = np.full(len(offsets), -np.inf)
    for k in range(len(offsets)):
        for i in range(len(places)):
            y = min(max((places[i, 0] + offsets[k, 0]) >> 1, 0), h - 1)
            x = min(max((places[i, 1] + offsets[k, 1]) >> 1, 0), w - 1)
            found[k] = max(found[k], small[y, x])
    return found


@kernel(PLACES, BLOCK, PLACES, REAL, WHOLE)
def apart(offsets: Places, dirty: Bool, wide: Places, distance: float, most: int) -> Places:
    """The first ``most`` offsets that lie so far apart and move all of ``wide`` onto clean pixels."""
    h, w = dirty.shape
    marked = dirty.reshape(h * w)
    must, y0, x0, y1, x1 = _flat(wide, w)
    found = np.empty((most, 2), np.intp)
    count = 0
    for k in range(len(offsets)):
        dy, dx = offsets[k, 0], offsets[k, 1]
        near = y0 + dy < 0 or x0 + dx < 0 or y1 + dy >= h or x1 + dx >= w
        for i in range(count):
            near = near or np.hypot(dy - found[i, 0], dx - found[i, 1]) < distance
        if near or _hits(marked, must, dy * w + dx):
            continue
        found[count, 0], found[count, 1] = dy, dx
        count += 1
        if count == most:
            break
    return found[:count].copy()
