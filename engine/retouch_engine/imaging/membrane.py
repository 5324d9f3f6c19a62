"""The membrane: the smoothest surface through given boundary values (Laplace's equation).

Perez 2003 and Georgiev 2004 lay such a surface under cloned texture so that it meets its surroundings.
Solved from coarse to fine: the membrane is smooth, so a half-size solution is almost the answer and a few
Jacobi sweeps at each size finish it. Everything is an OpenCV kernel; nothing iterates over pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from retouch_engine.imaging.bands import filled
from retouch_engine.types import Bool, Float

_CROSS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], dtype=np.float32)
_SWEEPS = 24
_COARSEST = 10


def membrane(boundary: Float, hole: Bool) -> Float:
    """The harmonic surface inside ``hole`` through the values around it.

    Args:
        boundary: float32 ``(h, w, c)``; only values outside the hole are read.
        hole: bool ``(h, w)``. Where it touches the array's border the surface is free there.

    Returns:
        float32 ``(h, w, c)``: ``boundary`` outside the hole, the membrane inside.
    """
    if not hole.any():
        return boundary
    guess = _coarse_to_fine(boundary, hole)
    return _relaxed(guess, boundary, hole)


def _coarse_to_fine(boundary: Float, hole: Bool) -> Float:
    start = filled(boundary, ~hole)
    h, w = hole.shape
    deep = int(cv2.distanceTransform(hole.view(np.uint8), cv2.DIST_L1, 3).max())
    if deep <= 3 or min(h, w) < 2 * _COARSEST:
        return start
    size = (w // 2, h // 2)
    small = np.asarray(cv2.resize(start, size, interpolation=cv2.INTER_AREA)).reshape(h // 2, w // 2, -1)
    share = np.asarray(cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA))
    solved = membrane(small, share > 0.75)
    up = np.asarray(cv2.resize(solved, (w, h), interpolation=cv2.INTER_LINEAR)).reshape(start.shape)
    return np.where(hole[..., None], up, boundary)


def _relaxed(guess: Float, boundary: Float, hole: Bool) -> Float:
    inside = hole[..., None]
    surface = guess
    for _ in range(_SWEEPS):
        mean = np.asarray(cv2.filter2D(surface, -1, _CROSS, borderType=cv2.BORDER_REFLECT))
        surface = np.where(inside, mean.reshape(surface.shape), boundary)
    return surface
