"""The outline of one seed and what it looks like: some thousand of them in a photo, each of few pixels.

Sums and ranks are numpy's, to the last bit: figures of outlines were learned from, and are compared with
lines drawn through them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.compiled import MASK, PLANE, VIEW, WHOLE, kernel, part
from retouch_engine.kernels.sums import pairwise, ranked
from retouch_engine.types import Bool, Float

_LEAST_AROUND = 10
_QUARTILES = np.float32(1.35)
"""Between the quartiles of a Gaussian, in its standard deviations."""
_LEAST_SPREAD = np.float32(1e-3)
_HALF, _SOME_DARK, _SOME_RED, _THREE = np.float32(0.5), np.float32(0.05), np.float32(0.02), np.float32(3)
(
    MIDDLE,
    SPREAD,
    RISE,
    RING_DARK,
    RING_RED,
    RING_SKIN,
    RING_LEVEL,
    UP,
    ACROSS,
    TALL,
    HEIGHT,
    STEP,
    INSIDE,
) = (0, 5, 10, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22)
"""Where figures stand: five middles, five spreads (red, green, blue, redness, tone), three rises; the shares
of the ring that are dark, red and skin, and its level; the slope of its tone upwards and across, and over how
many rows; how high the plane stands inside, and the step at the rim; the spread inside."""
_FIGURES = 23


@kernel(MASK, MASK)
def supported(ring: Bool, skin: Bool) -> tuple[int, int]:
    """How many pixels of a ring are skin, and how many there are."""
    on_skin, total = 0, 0
    for y in range(ring.shape[0]):
        for x in range(ring.shape[1]):
            total += ring[y, x]
            on_skin += ring[y, x] & skin[y, x]
    return on_skin, total


@kernel(PLANE, MASK, MASK, WHOLE, WHOLE)
def halfway(window: Float, ring: Bool, skin: Bool, cy: int, cx: int) -> tuple[bool, Bool]:
    """What is connected with a place above half the way from the skin around it to its peak.

    Args:
        window: float32 ``(h, w)``.
        ring: the ring around the place.
        skin: at least one pixel of the ring is skin.
        cy: the place's row.
        cx: its column.

    Returns:
        Whether it ends inside the window, and the mask; of no use when it does not.
    """
    height, width = window.shape
    around = np.empty(height * width, np.float32)
    count = 0
    for y in range(height):
        for x in range(width):
            if ring[y, x] and skin[y, x]:
                around[count] = window[y, x]
                count += 1
    upper = np.float64(ranked(around, 0, count, count // 2))
    lower = np.float64(ranked(around, 0, count, (count - 1) // 2))
    peak = window[cy, cx]
    for y in range(max(0, cy - 1), min(height, cy + 2)):
        for x in range(max(0, cx - 1), min(width, cx + 2)):
            peak = max(peak, window[y, x])
    least = np.float32((np.float64(peak) + (lower + upper) / 2) / 2)
    mask = np.zeros((height, width), np.bool_)
    if not window[cy, cx] > least:
        return False, mask
    left = np.empty(height * width, np.intp)
    left[0], count = cy * width + cx, 1
    mask[cy, cx] = True
    while count:
        count -= 1
        y, x = left[count] // width, left[count] % width
        if not (0 < y < height - 1 and 0 < x < width - 1):
            return False, mask
        for by, bx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if window[by, bx] > least and not mask[by, bx]:
                mask[by, bx] = True
                left[count] = by * width + bx
                count += 1
    return True, mask


@part
def _grown(mask: Bool) -> Bool:
    """The mask with all eight neighbours of each of its pixels."""
    grown = np.zeros(mask.shape, np.bool_)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x]:
                grown[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = True
    return grown


@part
def _at_the_rim(mask: Bool, y: int, x: int) -> bool:
    """Whether one of a pixel's eight neighbours in the window is outside the mask."""
    for by in range(max(0, y - 1), min(mask.shape[0], y + 2)):
        for bx in range(max(0, x - 1), min(mask.shape[1], x + 2)):
            if not mask[by, bx]:
                return True
    return False


@part
def _mean(values: Float, count: int) -> Any:
    return pairwise(values, count) / np.float32(count)


@part
def _slopes(found: NDArray[np.float64], rows: Float, columns: Float, tone: Float, count: int) -> None:
    """How much a tone rises from row to row, and from column to column, by least squares."""
    for at, places in ((UP, rows), (ACROSS, columns)):
        off = np.empty(count, np.float64)
        total = 0.0
        for i in range(count):
            total += places[i]
        for i in range(count):
            off[i] = places[i] - total / count
        squares = off * off
        for i in range(count):
            off[i] *= tone[i]
        found[at] = pairwise(off, count) / max(1e-6, pairwise(squares, count))


@kernel(VIEW, PLANE, MASK, MASK, MASK, PLANE)
def figures(od: Float, plane: Float, mask: Bool, ring: Bool, skin: Bool, depth: Float) -> NDArray[np.float64]:
    """What an outline looks like beside the skin around it, as named above.

    Args:
        od: optical density, float32 ``(h, w, 3)``.
        plane: the plane that it was found in, float32 ``(h, w)``.
        mask: the outline, with at least one pixel.
        ring: what lies around it.
        skin: where skin is.
        depth: distance from the outline's rim, px, 0 outside.
    """
    height, width = mask.shape
    size = height * width
    found = np.empty(_FIGURES, np.float64)
    grown = _grown(mask)
    rings, skins, around_count, deepest = 0, 0, 0, np.float32(0)
    for y in range(height):
        for x in range(width):
            rings += ring[y, x]
            skins += ring[y, x] & skin[y, x]
            around_count += ring[y, x] & skin[y, x] & (not grown[y, x])
            deepest = max(deepest, depth[y, x])
    anywhere = around_count < _LEAST_AROUND
    columns = np.empty((5, size), np.float32)
    rows_at, columns_at = np.empty(size, np.float32), np.empty(size, np.float32)
    inside, tones = np.empty(size, np.float32), np.empty(size, np.float32)
    inner, outer, beside = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    n, own, inners, outers, besides, deep = 0, 0, 0, 0, 0, 0
    total = np.zeros(3, np.float32)
    top, bottom, highest = height, 0, np.float32(-np.inf)
    for y in range(height):
        for x in range(width):
            red, green, blue = od[y, x, 0], od[y, x, 1], od[y, x, 2]
            if ring[y, x] and not grown[y, x] and (anywhere or skin[y, x]):
                columns[0, n], columns[1, n], columns[2, n] = red, green, blue
                columns[3, n] = green - red
                columns[4, n] = ((red + green) + blue) / _THREE
                rows_at[n], columns_at[n] = y, x
                top, bottom = min(top, y), max(bottom, y)
                n += 1
            if mask[y, x]:
                tones[own] = ((red + green) + blue) / _THREE
                inside[own] = plane[y, x]
                highest = max(highest, plane[y, x])
                own += 1
                if _at_the_rim(mask, y, x):
                    inner[inners] = plane[y, x]
                    inners += 1
            elif grown[y, x]:
                outer[outers] = plane[y, x]
                outers += 1
            if not grown[y, x]:
                beside[besides] = plane[y, x]
                besides += 1
            if depth[y, x] >= _HALF * deepest:
                total[0] += red
                total[1] += green
                total[2] += blue
                deep += 1
    _slopes(found, rows_at, columns_at, columns[4], n)
    found[TALL] = bottom - top
    tone, redness = columns[4].copy(), columns[3].copy()
    middle, spread = np.empty(5, np.float32), np.empty(5, np.float32)
    for k in range(5):
        middle[k] = ranked(columns[k], 0, n, n // 2)
        low, high = ranked(columns[k], 0, n, n // 4), ranked(columns[k], 0, n, (3 * n) // 4)
        spread[k] = (high - low) / _QUARTILES + _LEAST_SPREAD
        found[MIDDLE + k], found[SPREAD + k] = middle[k], spread[k]
    rise = np.empty(3, np.float32)
    for k in range(3):
        rise[k] = total[k] / np.float32(deep) - middle[k]
        found[RISE + k] = rise[k]
    mean_rise = np.float64(_mean(rise, 3))
    dark = (middle[4] + np.float32(0.5 * abs(mean_rise))) + _SOME_DARK
    reddish = (middle[3] + np.float32(0.5 * (np.float64(rise[1]) - np.float64(rise[0])))) + _SOME_RED
    darks, reds = 0, 0
    for i in range(n):
        darks += tone[i] > dark
        reds += redness[i] > reddish
    found[RING_DARK], found[RING_RED] = darks / n, reds / n
    found[RING_SKIN], found[RING_LEVEL] = skins / rings, _mean(middle, 3)
    found[HEIGHT] = highest - _mean(beside, besides)
    found[STEP] = _mean(inner, inners) - _mean(outer, outers)
    mean = _mean(tones, own)
    for i in range(own):
        tones[i] = (tones[i] - mean) * (tones[i] - mean)
    found[INSIDE] = np.sqrt(_mean(tones, own))
    return found
