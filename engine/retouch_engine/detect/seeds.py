"""Seeds: where a plane rises above the skin around it at some size, and by how many times its own noise.

Differences of Gaussians at growing sizes (Lindeberg 1998). Each response is divided by the local mean of
its own magnitude, so that pores and stubble raise the bar for themselves instead of flooding the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from retouch_engine.detect.planes import Planes, darkness, redness
from retouch_engine.imaging.bands import blur
from retouch_engine.kernels import rises
from retouch_engine.threads import borrowed
from retouch_engine.types import Bool, Float

SIGMAS = (1.0, 1.5)
"""At each size of the pyramid, in its own pixels; the next size begins where this one ends."""
_LEVELS = 7
_LEAST_SIDE = 24
_CHANNELS = {"red": redness, "dark": darkness}
_NOISE_REACH = 24
"""To each side, in pixels of the level: the square that a response is compared with."""
_LEAST_RESPONSE = 0.012
_STRONG_Z = 4.2
"""On skin as even as a wall, a response of this many OD counts as this many noises and no more: a rise that
no eye sees is not a spot."""
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
    with borrowed("seeds", 2) as seekers:
        levels = map(_Level.of, _pyramid(base))
        looks = [seekers.submit(_in_plane, level, name, least_z) for level in levels for name in _CHANNELS]
        return sorted((seed for look in looks for seed in look.result()), key=lambda s: -s.z)


@dataclass(frozen=True, slots=True)
class _Level:
    """One size of the pyramid, and what both of its planes have in common."""

    planes: Planes
    share: Float
    """How much of the square around each pixel is skin."""

    @classmethod
    def of(cls, planes: Planes) -> _Level:
        return cls(planes, rises.around(planes.skin.astype(np.float32), 1.0, _NOISE_REACH))


@dataclass(frozen=True, slots=True)
class _Response:
    """How far a plane rises above what is around it at one size, and how far it usually does there."""

    rise: Float
    usual: Float
    """Mean size of the rises around, over skin and what is not."""
    share: Float
    least: float
    """The least noise."""


def _pyramid(base: Planes) -> Iterator[Planes]:
    planes = base
    for _ in range(_LEVELS):
        if min(planes.skin.shape) < _LEAST_SIDE:
            return
        yield planes
        planes = planes.halved()


def _in_plane(level: _Level, channel: str, least_z: float) -> list[Seed]:
    plane = _CHANNELS[channel](level.planes)
    found = [
        Seed(level.planes, plane, channel, y, x, sigma, z)
        for sigma in SIGMAS
        for y, x, z in _peaks(_response(plane, level, sigma), level.planes.skin, least_z)
    ]
    found.sort(key=lambda s: -s.z)
    return found[: round(_MOST * max(1.0, np.count_nonzero(level.planes.skin) / 1e6))]


def _peaks(response: _Response, skin: Bool, least_z: float) -> Iterator[tuple[int, int, float]]:
    """Places on skin that none of their eight neighbours tops; only the few that are high are divided."""
    high = 0.99 * least_z * response.least
    found = rises.peaks(response.rise, response.usual, response.share, skin, high, response.least, least_z)
    places, z = (each.tolist() for each in found)
    return ((y, x, height) for (y, x), height in zip(places, z, strict=True))


def _response(plane: Float, level: _Level, sigma: float) -> _Response:
    """In place where it can be: a fresh array of this size costs more than the sum that fills it."""
    rise, size, skin = blur(plane, sigma), blur(plane, 1.6 * sigma), level.planes.skin
    usual = rises.risen(rise, size, skin) / max(1.0, float(np.count_nonzero(skin)))
    # Clipped, so that a great spot does not raise the bar for itself and its neighbours.
    around = rises.around(size, 4 * usual, _NOISE_REACH)
    return _Response(rise, around, level.share, max(0.75 * usual, _LEAST_RESPONSE / _STRONG_Z))
