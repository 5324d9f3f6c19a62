"""How far a plane rises above what is around it: few passes over all skin of a photo."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.compiled import BLOCK, OWN, REAL, ROWS, WHOLE, kernel, part
from retouch_engine.kernels.sums import pairwise
from retouch_engine.types import Bool, Float, Places

_SHARE = np.float32(0.05)
"""Of skin around a pixel, at least: further out there is nothing to compare with."""
_FROM_MEAN = np.float32(1.25)
"""From the mean size of what is Gaussian to its standard deviation."""
_ROOM = 1024
"""For so many peaks at first."""


@kernel(OWN, OWN, BLOCK)
def risen(rise: Float, size: Float, skin: Bool) -> float:
    """``rise`` less ``size``, in its place; how large that is on skin, 0 elsewhere, in place of ``size``.

    Returns the sum of the latter, in the order of :func:`numpy.sum`.
    """
    height, width = rise.shape
    if height * width == 0:
        return 0.0
    for y in range(height):
        for x in range(width):
            rise[y, x] -= size[y, x]
            size[y, x] = abs(rise[y, x]) if skin[y, x] else np.float32(0)
    return np.float64(pairwise(size.ravel(), height * width))


@part
def _z(rise: Float, usual: Float, share: Float, least: Any, y: int, x: int) -> Any:
    noise = usual[y, x] * (_FROM_MEAN / max(share[y, x], _SHARE))
    return rise[y, x] / max(noise, least)


@kernel(ROWS, ROWS, ROWS, BLOCK, REAL, REAL, REAL)
def peaks(
    rise: Float, usual: Float, share: Float, skin: Bool, high: float, least: float, least_z: float
) -> tuple[Places, Float]:
    """Pixels on skin that none of their eight neighbours tops, and by how many noises they rise.

    Args:
        rise: float32 ``(h, w)``.
        usual: mean size of the rises around each pixel.
        share: how much of what is around each pixel is skin.
        skin: bool ``(h, w)``.
        high: what rises by no more is not looked at.
        least: the least noise.
        least_z: noises that a peak rises by, at least.

    Returns:
        ``(n, 2)`` rows and columns in the order of reading, and ``(n,)`` noises.
    """
    height, width = rise.shape
    bar, noise, low = np.float32(high), np.float32(least), np.float32(least_z)
    places, noises = np.empty((_ROOM, 2), np.intp), np.empty(_ROOM, np.float32)
    count = 0
    # Nearly all pixels are low, which a row tells of many at once, and a word of eight.
    eights = (width + 7) // 8
    hot = np.zeros(8 * eights, np.bool_)
    words = hot.view(np.uint64)
    for y in range(height):
        row, on = rise[y], skin[y]
        for x in range(width):
            hot[x] = on[x] & (row[x] > bar)
        for eight in range(eights):
            for x in range(8 * eight, 8 * eight + 8 if words[eight] else 0):
                if not hot[x]:
                    continue
                z = _z(rise, usual, share, noise, y, x)
                if not z > low:
                    continue
                top = True
                for by in range(max(0, y - 1), min(height, y + 2)):
                    for bx in range(max(0, x - 1), min(width, x + 2)):
                        if top:
                            top = z >= _z(rise, usual, share, noise, by, bx)
                if top:
                    if count == len(noises):
                        places = np.concatenate((places, np.empty((count, 2), np.intp)))
                        noises = np.concatenate((noises, np.empty(count, np.float32)))
                    places[count, 0], places[count, 1], noises[count] = y, x, z
                    count += 1
    return places[:count], noises[:count]


@part
def _mirrored(at: int, length: int) -> int:
    """Which of so many lies there, the edge repeated and what follows it in the mirror."""
    while at < 0 or at >= length:
        at = -at - 1 if at < 0 else 2 * length - 1 - at
    return at


@part
def _widened(wide: NDArray[np.float64], length: int, reach: int) -> None:
    """What lies left and right of a row, mirrored: the row itself begins one after ``reach``."""
    for x in range(reach + 1):
        wide[reach - x] = wide[reach + 1 + _mirrored(x, length)]
    for x in range(reach):
        wide[reach + 1 + length + x] = wide[reach + 1 + _mirrored(length + x, length)]


@kernel(ROWS, REAL, WHOLE)
def around(size: Float, most: float, reach: int) -> Float:
    """The mean of what is no more than ``most`` over the square around each pixel, ``reach`` to each side.

    Mirrored at the border. To the last bit what ``cv2.blur`` says of ``np.minimum``, at a third of the time:
    sums run down the columns and then along four rows at once, so that none waits for the one before.
    """
    h, w = size.shape
    cap, side = np.float32(most), 2 * reach + 1
    share = 1 / np.float64(side * side)
    found = np.empty((h, w), np.float32)
    if found.size == 0:
        return found
    down, wide = np.zeros(w), np.zeros((4, w + side))
    for y in range(-reach, reach):
        row = size[_mirrored(y, h)]
        for x in range(w):
            down[x] += min(row[x], cap)
    for top in range(0, h, 4):
        rows = min(4, h - top)
        for k in range(rows):
            row, old = size[_mirrored(top + k + reach, h)], size[_mirrored(top + k - reach, h)]
            total = wide[k, reach + 1 : reach + 1 + w]
            for x in range(w):
                total[x] = down[x] + min(row[x], cap)
                down[x] = total[x] - min(old[x], cap)
            _widened(wide[k], w, reach)
        # Where fewer than four are left, the last is reckoned more than once.
        one, two, three, four = wide[0], wide[min(1, rows - 1)], wide[min(2, rows - 1)], wide[rows - 1]
        a, b, c, d = one[:side].sum(), two[:side].sum(), three[:side].sum(), four[:side].sum()
        for x in range(w):
            a += one[x + side] - one[x]
            b += two[x + side] - two[x]
            c += three[x + side] - three[x]
            d += four[x + side] - four[x]
            found[top, x] = a * share
            found[min(top + 1, h - 1), x] = b * share
            found[min(top + 2, h - 1), x] = c * share
            found[min(top + 3, h - 1), x] = d * share
    return found
