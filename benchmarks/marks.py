"""What lies on skin: each kind of mark as pigment and shading over its own small patch.

A mark ends exactly at its radius: nothing beyond ``r`` is touched, so that a chart knows its truth to
the pixel. Functions take ``t``, the distance from the centre in radii (1 at the rim), and return how much
melanin, haemoglobin and grey density the mark adds, and how far it smooths the skin's own relief.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from benchmarks.skin import HAEMOGLOBIN, MELANIN, Float, Rng, cloud

from retouch_engine import PERMANENT, Kind
from retouch_engine.types import Reals


@dataclass(frozen=True, slots=True)
class TrueSpot:
    """One mark of a chart: what it is, its centre and its outermost radius, in pixels."""

    kind: Kind
    cx: float
    cy: float
    r: float

    @property
    def permanent(self) -> bool:
        """Belongs to the person: to be kept."""
        return self.kind in PERMANENT


@dataclass(frozen=True, slots=True)
class Paint:
    """What a mark adds, one value for each pixel of its patch."""

    melanin: Float
    blood: Float
    grey: Float
    smooth: Float


def _soft(t: Float) -> Float:
    """A dome: 1 in the middle, 0 with no slope at the rim."""
    return np.asarray(np.clip(1 - t * t, 0, 1) ** 2, np.float32)


def _crisp(t: Float, edge: float) -> Float:
    """A plateau that falls to 0 between ``1 - edge`` and the rim."""
    x = np.clip((1 - t) / edge, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def _lit(t: Float, dx: Float, dy: Float) -> Float:
    """The shading of a small hill lit from the upper left: darker on the far side."""
    return np.asarray((dx + dy) * np.sqrt(_soft(t)) * _soft(t), np.float32)


def _pimple(t: Float, dx: Float, dy: Float, rng: Rng) -> Paint:
    red = rng.uniform(0.5, 0.85) * _soft(t)
    grey = rng.uniform(0.12, 0.2) * _lit(t, dx, dy)
    melanin = 0.05 * _soft(t)
    if rng.uniform() < 0.4:
        head = _crisp(np.asarray(t / 0.34, np.float32), 0.6)
        red = red * (1 - 0.8 * head)
        melanin = melanin + 0.1 * head
        grey = grey - 0.1 * head
    glint = np.exp(-((dx + 0.22) ** 2 + (dy + 0.22) ** 2) / 0.012)
    grey = grey - 0.12 * glint * _soft(t)
    return Paint(
        np.asarray(melanin, np.float32),
        np.asarray(red, np.float32),
        np.asarray(grey, np.float32),
        np.asarray(0.65 * _soft(t), np.float32),
    )


def _red_spot(t: Float, dx: Float, dy: Float, rng: Rng) -> Paint:
    red = rng.uniform(0.36, 0.55) * _crisp(t, 0.8)
    return Paint(0.04 * _soft(t), np.asarray(red, np.float32), 0.04 * _lit(t, dx, dy), 0.2 * _soft(t))


def _scab(t: Float, dx: Float, dy: Float, rng: Rng) -> Paint:
    rough = cloud((t.shape[0], t.shape[1]), max(t.shape[0] / 22, 0.8), rng)
    crust = _crisp(np.asarray(t / 0.66 * (1 + 0.08 * rough), np.float32), 0.22)
    halo = 0.3 * _soft(t)
    grey = crust * (0.22 + 0.1 * rough) + 0.25 * crust * _lit(np.asarray(t / 0.7, np.float32), dx, dy)
    blood = halo + rng.uniform(0.75, 0.95) * crust
    return Paint(
        np.asarray(0.5 * crust, np.float32),
        np.asarray(blood, np.float32),
        np.asarray(grey, np.float32),
        np.asarray(0.8 * crust, np.float32),
    )


def _mole(t: Float, dx: Float, dy: Float, rng: Rng) -> Paint:
    uneven = cloud((t.shape[0], t.shape[1]), max(t.shape[0] / 10, 1.0), rng)
    brown = rng.uniform(1.0, 1.5) * _crisp(t, 0.3) * (1 + 0.07 * uneven)
    zero = np.zeros_like(t)
    return Paint(np.asarray(brown, np.float32), zero, 0.12 * _lit(t, dx, dy), 0.3 * _crisp(t, 0.3))


def _whitehead(t: Float, dx: Float, dy: Float, _rng: Rng) -> Paint:
    head = _crisp(np.asarray(t / 0.55, np.float32), 0.5)
    red = 0.35 * _soft(t) * (1 - head)
    grey = 0.14 * _lit(t, dx, dy) - 0.16 * head
    return Paint(0.06 * head, np.asarray(red, np.float32), np.asarray(grey, np.float32), 0.8 * head)


def _freckle(t: Float, _dx: Float, _dy: Float, rng: Rng) -> Paint:
    brown = rng.uniform(0.18, 0.42) * _crisp(t, 0.7)
    zero = np.zeros_like(t)
    return Paint(np.asarray(brown, np.float32), zero, zero, zero)


_PAINTS: dict[Kind, Callable[[Float, Float, Float, Rng], Paint]] = {
    Kind.PIMPLE: _pimple,
    Kind.RED_SPOT: _red_spot,
    Kind.SCAB: _scab,
    Kind.MOLE: _mole,
    Kind.FRECKLE: _freckle,
    Kind.WHITEHEAD: _whitehead,
}
_RAGGED = {
    Kind.PIMPLE: 0.12,
    Kind.RED_SPOT: 0.3,
    Kind.SCAB: 0.35,
    Kind.MOLE: 0.14,
    Kind.FRECKLE: 0.5,
    Kind.WHITEHEAD: 0.12,
}


def patch_of(spot: TrueSpot, shape: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns that a mark can touch, cut to the picture."""
    r = int(np.ceil(spot.r)) + 1
    y, x = round(spot.cy), round(spot.cx)
    return slice(max(0, y - r), min(shape[0], y + r + 1)), slice(max(0, x - r), min(shape[1], x + r + 1))


def reach(spot: TrueSpot, shape: tuple[int, int]) -> tuple[Float, Float, Float]:
    """Distance from the centre in radii over the mark's patch, and its two components."""
    rows, cols = patch_of(spot, shape)
    yy, xx = np.mgrid[rows, cols].astype(np.float32)
    dx, dy = (xx - np.float32(spot.cx)) / spot.r, (yy - np.float32(spot.cy)) / spot.r
    return np.asarray(np.hypot(dx, dy), np.float32), np.asarray(dx, np.float32), np.asarray(dy, np.float32)


def ragged(angle: Float, rng: Rng) -> Reals:
    """How far a rim lies out of its circle at these angles (radians), -1 to 1."""
    k, phase = np.arange(2, 6), rng.uniform(0, 2 * np.pi, 4)
    weight = rng.uniform(0, 1, 4) / k
    return np.asarray((weight * np.sin(angle[..., None] * k + phase)).sum(-1) / weight.sum())


def paint(od: Float, spot: TrueSpot, rng: Rng) -> None:
    """Lay one mark over its patch of optical density, in place."""
    rows, cols = patch_of(spot, (od.shape[0], od.shape[1]))
    t, dx, dy = reach(spot, (od.shape[0], od.shape[1]))
    wave = ragged(np.arctan2(dy, dx), rng)
    t = np.asarray(t * (1 + _RAGGED[spot.kind] * 0.5 * (1 + wave)), np.float32)
    p = _PAINTS[spot.kind](t, dx, dy, rng)
    patch = od[rows, cols]
    calm = cv2.GaussianBlur(patch, (0, 0), max(spot.r * 0.1, 0.8))
    patch += p.smooth[..., None] * (calm - patch)
    patch += p.melanin[..., None] * MELANIN + p.blood[..., None] * HAEMOGLOBIN + p.grey[..., None]
