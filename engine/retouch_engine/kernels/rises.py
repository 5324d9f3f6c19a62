"""How far a plane rises above what is around it: few passes over all skin of a photo."""

from __future__ import annotations

from typing import Any

import numpy as np

from retouch_engine.kernels.compiled import BLOCK, OWN, REAL, ROWS, kernel, part
from retouch_engine.kernels.sums import pairwise
from retouch_engine.types import Bool, Float, Places

_SHARE = np.float32(0.05)
"""Of skin around a pixel, at least: further out there is nothing to compare with."""
_FROM_MEAN = np.float32(1.25)
"""From the mean size of what is Gaussian to its standard deviation."""
_PIECE = 32


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
    most = 0
    for y in range(height):
        for x in range(width):
            most += skin[y, x] & (rise[y, x] > bar)
    places, noises = np.empty((most, 2), np.intp), np.empty(most, np.float32)
    count = 0
    for y in range(height):
        for x0 in range(0, width, _PIECE):
            # Nearly all pieces hold nothing, which is told of many pixels at once.
            x1 = min(width, x0 + _PIECE)
            some = 0
            for x in range(x0, x1):
                some += skin[y, x] & (rise[y, x] > bar)
            for x in range(x0, x1 if some else x0):
                if not (skin[y, x] and rise[y, x] > bar):
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
                    places[count, 0], places[count, 1], noises[count] = y, x, z
                    count += 1
    return places[:count], noises[:count]
