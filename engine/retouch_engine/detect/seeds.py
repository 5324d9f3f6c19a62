"""Seeds: where a plane rises above the skin around it at some size, and by how many times its own noise.

Differences of Gaussians at growing sizes (Lindeberg 1998). Each response is divided by the local mean of
its own magnitude, so that pores and stubble raise the bar for themselves instead of flooding the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from retouch_engine.detect.planes import Planes, darkness, redness
from retouch_engine.imaging.bands import blur
from retouch_engine.threads import borrowed
from retouch_engine.types import Bool, Float

SIGMAS = (1.0, 1.5)
"""At each size of the pyramid, in its own pixels; the next size begins where this one ends."""
_LEVELS = 7
_LEAST_SIDE = 24
_CHANNELS = {"red": redness, "dark": darkness}
_NOISE_WINDOW = 49
"""Side, in pixels of the level, of the square that a response is compared with."""
_LEAST_RESPONSE = 0.012
_STRONG_Z = 4.2
"""On skin as even as a wall, a response of this many OD counts as this many noises and no more: a rise that
no eye sees is not a spot."""
_AROUND = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)
_MOST = 160
"""Seeds kept for each plane, size and million pixels of skin, the strongest first: a wall of them is a
texture."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A local maximum at row ``y``, column ``x`` of ``planes``, at size ``sigma``, ``z`` noises high."""

    planes: Planes
    plane: Float
    channel: str
    y: int
    x: int
    sigma: float
    z: float


def seeds(base: Planes, least_z: float) -> list[Seed]:
    """Every seed at every size, strongest first. Sizes and planes are looked at in two threads."""
    tasks = [(planes, channel, least_z) for planes in _pyramid(base) for channel in _CHANNELS]
    with borrowed("seeds", 2) as seekers:
        found = seekers.map(lambda task: _in_plane(*task), tasks)
    return sorted((seed for some in found for seed in some), key=lambda s: -s.z)


def _pyramid(base: Planes) -> Iterator[Planes]:
    planes = base
    for _ in range(_LEVELS):
        if min(planes.skin.shape) < _LEAST_SIDE:
            return
        yield planes
        planes = planes.halved()


def _in_plane(planes: Planes, channel: str, least_z: float) -> list[Seed]:
    plane = _CHANNELS[channel](planes)
    found: list[Seed] = []
    for sigma, z in _responses(plane, planes.skin):
        found += [
            Seed(planes, plane, channel, y, x, sigma, float(z[y, x]))
            for y, x in _peaks(z, planes.skin, least_z)
        ]
    found.sort(key=lambda s: -s.z)
    return found[: round(_MOST * max(1.0, np.count_nonzero(planes.skin) / 1e6))]


def _peaks(z: Float, skin: Bool, least_z: float) -> Iterator[tuple[int, int]]:
    """Places on skin that none of their eight neighbours tops; only the few that are high are compared."""
    ys, xs = np.nonzero(z > least_z)
    height, width = z.shape
    top = skin[ys, xs]
    for dy, dx in _AROUND:
        beside = z[np.clip(ys + dy, 0, height - 1), np.clip(xs + dx, 0, width - 1)]
        top &= z[ys, xs] >= beside
    return zip(ys[top].tolist(), xs[top].tolist(), strict=True)


def _responses(plane: Float, skin: Bool) -> Iterator[tuple[float, Float]]:
    """In place where it can be: a fresh array of this size costs more than the sum that fills it."""
    weight = skin.astype(np.float32)
    total = max(1.0, float(np.count_nonzero(skin)))
    per_share = 1.25 / np.maximum(_mean(weight), 0.05)
    for sigma in SIGMAS:
        response = blur(plane, sigma)
        response -= blur(plane, 1.6 * sigma)
        size = np.abs(response)
        size *= weight
        usual = float(size.sum()) / total
        # Clipped, so that a great spot does not raise the bar for itself and its neighbours.
        noise = _mean(np.minimum(size, 4 * usual, out=size))
        noise *= per_share
        response /= np.maximum(noise, max(0.75 * usual, _LEAST_RESPONSE / _STRONG_Z), out=noise)
        yield sigma, response


def _mean(values: Float) -> Float:
    return np.asarray(cv2.blur(values, (_NOISE_WINDOW, _NOISE_WINDOW), borderType=cv2.BORDER_REFLECT))
