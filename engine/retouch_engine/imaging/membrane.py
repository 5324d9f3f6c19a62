"""The membrane: the smoothest surface through given boundary values (Laplace's equation).

Perez 2003 and Georgiev 2004 lay such a surface under cloned texture so that it meets its surroundings.
Solved from coarse to fine: the membrane is smooth, so a half-size solution is almost the answer and a few
Jacobi sweeps at each size finish it. Everything is an OpenCV kernel; nothing iterates over pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from retouch_engine.imaging.bands import filled
from retouch_engine.imaging.masks import bounding_box
from retouch_engine.types import Bool, Float

_CROSS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], dtype=np.float32)
_SWEEPS = 10
_COARSE_SWEEPS = 32
_SHALLOW_PX = 3
_SMALLEST = 12


def membrane(values: Float, known: Bool, hole: Bool) -> Float:
    """The harmonic surface inside ``hole`` through the known values around it.

    Args:
        values: float32 ``(h, w, c)``; only the known are read, the rest is pulled from what is near.
        known: bool ``(h, w)``, False in the hole.
        hole: bool ``(h, w)``, not empty. Where it touches the array's border the surface is free there.

    Returns:
        float32 ``(h, w, c)``: the values where known, the membrane in the hole.
    """
    # Only the hole's own rim decides: the rest of the crop is not looked at.
    cut = bounding_box(hole).grown(2, *hole.shape).slices
    surface = filled(values, known)
    surface = surface.copy() if surface is values else surface
    surface[cut] = _solved(np.ascontiguousarray(surface[cut]), np.ascontiguousarray(hole[cut]))
    return surface


def _solved(start: Float, hole: Bool) -> Float:
    """The membrane from a first guess that is known everywhere."""
    h, w = hole.shape
    deep = float(cv2.distanceTransform(hole.view(np.uint8), cv2.DIST_L1, 3).max())
    if deep <= _SHALLOW_PX or min(h, w) < _SMALLEST:
        return _relaxed(start, hole, _COARSE_SWEEPS)
    size = (w // 2, h // 2)
    small = np.asarray(cv2.resize(start, size, interpolation=cv2.INTER_AREA)).reshape(h // 2, w // 2, -1)
    share = np.asarray(cv2.resize(hole.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA))
    solved = _solved(small, np.asarray(share > 191))
    up = np.asarray(cv2.resize(solved, (w, h), interpolation=cv2.INTER_LINEAR)).reshape(start.shape)
    return _relaxed(np.where(hole[..., None], up, start), hole, _SWEEPS)


def _relaxed(guess: Float, hole: Bool, sweeps: int) -> Float:
    inside = hole.view(np.uint8)
    surface = guess.copy()
    for _ in range(sweeps):
        mean = cv2.filter2D(surface, -1, _CROSS, borderType=cv2.BORDER_REFLECT)
        cv2.copyTo(mean, inside, surface)
    return surface
