"""How much the skin around a find runs in one direction: along a fold it does, around a spot it does not.

A piece of a crease is dark and often red, as long as a spot is wide, and ends where the crease is shallow:
by its own outline it is a red spot. What gives it away lies beyond: the rest of the crease, its slopes, the
shadow it bounds. The structure tensor (Förstner and Gülch 1987) of green density, taken over a ring around
the find, says with its coherence (Weickert 1999) how far all slopes there agree, whatever their strength. Of
16 folds, hollows and edges of ears that were healed nine in ten have 0.39 and more, of 242 healed blemishes
one in seven. To follow the line itself beyond both ends of a find told nothing (``spots.md``).

A hollow beside a nose or below an eye is no line but a bend of the face, and the light on it bends with it: a
quadratic surface through the skin around has it already. A spot lies on that surface and rises from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from retouch_engine.detect.spotnet import Image
from retouch_engine.imaging.density import density
from retouch_engine.types import Bool, Float, Reals

_GAP_PX = 2.0
"""Between a find and its ring, in pixels of the networks' scale: its own rim is no grain."""
_WIDTH_MM = 1.5
_FINE = 1.5
"""What is finer than this many pixels, pores and noise, has no say."""
_FEWEST = 20
"""Pixels of skin that can tell; with fewer the whole ring is asked."""
_MIDDLE, _SURFACE = 0.6, (1.4, 3.4)
"""A find's middle, and the skin around it that a surface is laid through, in its own radii."""
_SMOOTH = 0.25
"""What is finer than this share of its radius is no form."""
_LEAST_SPREAD = 1e-3
_MOST_RADIUS_PX = 32
"""Twice as large a find is looked at on fewer pixels: one of 600 px took two seconds and 330 MB."""


@dataclass(frozen=True, slots=True)
class _Around:
    """The view around a place: green density without what is finer than ``sigma``, offsets from it, px."""

    green: Float
    down: Reals
    across: Reals
    skin: Bool

    @classmethod
    def of(
        cls, rgb: Image, skin: Bool, at: tuple[float, float], outer: float, sigma: float
    ) -> _Around | None:
        """As far as ``outer`` px around ``(x, y)``; None where nothing is seen."""
        # Even, so that cells of skin begin where pixels do.
        reach = math.ceil(outer + 3 * sigma)
        x, y = at
        y0, x0 = (max(0, int(c) - reach) // 2 * 2 for c in (y, x))
        shown = rgb[y0 : int(y) + reach + 1, x0 : int(x) + reach + 1]
        h, w = shown.shape[:2]
        if h < 2 or w < 2:
            return None
        green = cv2.GaussianBlur(density(np.ascontiguousarray(shown[..., 1])), (0, 0), sigma)
        down, across = (axis.astype(np.float64) for axis in np.ogrid[:h, :w])
        cells = skin[y0 // 2 : (y0 + h + 1) // 2, x0 // 2 : (x0 + w + 1) // 2]
        on_skin = cells.repeat(2, axis=0).repeat(2, axis=1)[:h, :w]
        return cls(np.asarray(green), down + (y0 - y), across + (x0 - x), on_skin)

    def ring(self, inner: float, outer: float) -> Bool:
        """The skin in a ring around the place, or the whole ring where too little of it is skin."""
        away = self.down**2 + self.across**2
        ring = (away > inner**2) & (away < outer**2)
        on_skin = ring & self.skin
        return on_skin if np.count_nonzero(on_skin) >= _FEWEST else ring


def coherence(rgb: Image, skin: Bool, x: float, y: float, radius: float, px_per_mm: float) -> float:
    """How far the slopes around a place agree: 0 not at all, 1 all the same.

    Args:
        rgb: uint8 ``(h, w, 3)``, sRGB, at the networks' scale.
        skin: bool, one cell for each two by two pixels of ``rgb``.
        x: of its middle, in pixels of ``rgb``.
        y: of its middle.
        radius: of what the ring begins around, in the same pixels.
        px_per_mm: of ``rgb``.
    """
    inner = radius + _GAP_PX
    outer = inner + _WIDTH_MM * px_per_mm
    around = _Around.of(rgb, skin, (x, y), outer, _FINE)
    if around is None:
        return 0.0
    ring = around.ring(inner, outer)
    right = cv2.Sobel(around.green, cv2.CV_32F, 1, 0)[ring]
    low = cv2.Sobel(around.green, cv2.CV_32F, 0, 1)[ring]
    xx, yy, xy = float(right @ right), float(low @ low), float(right @ low)
    return math.hypot(xx - yy, 2 * xy) / (xx + yy) if xx + yy > 0 else 0.0


def prominence(rgb: Image, skin: Bool, x: float, y: float, radius: float) -> float:
    """How far a find's middle lies off the bent surface through the skin around, in that skin's spreads.

    Args:
        rgb: uint8 ``(h, w, 3)``, sRGB, at the networks' scale.
        skin: bool, one cell for each two by two pixels of ``rgb``.
        x: of its middle, in pixels of ``rgb``.
        y: of its middle.
        radius: of a disc as large as the find, in the same pixels.
    """
    step = min(int(radius / _MOST_RADIUS_PX), *rgb.shape[:2])
    if step > 1:
        h, w = rgb.shape[0] // step, rgb.shape[1] // step
        small = cv2.resize(rgb[: h * step, : w * step], (w, h), interpolation=cv2.INTER_AREA)
        x, y = (x + 0.5) / step - 0.5, (y + 0.5) / step - 0.5
        return prominence(np.asarray(small), skin[::step, ::step], x, y, radius / step)
    inner, outer = (share * radius for share in _SURFACE)
    around = _Around.of(rgb, skin, (x, y), outer, max(1.0, _SMOOTH * radius))
    if around is None:
        return 0.0
    ring, middle = around.ring(inner, outer), around.down**2 + around.across**2 < (_MIDDLE * radius) ** 2
    if not (ring.any() and middle.any()):
        return 0.0
    green = around.green.astype(np.float64)
    bends = _bends(around.down / radius, around.across / radius)
    beside = bends[:, ring]
    surface = np.linalg.lstsq(beside @ beside.T, beside @ green[ring], rcond=None)[0]
    spread = float(np.std(green[ring] - surface @ beside))
    off = abs(float(np.mean(green[middle] - surface @ bends[:, middle])))
    return off / max(spread, _LEAST_SPREAD)


def _bends(down: Reals, across: Reals) -> Reals:
    """What a quadratic surface is made of, ``(6, h, w)``."""
    one = np.ones((down.shape[0], across.shape[1]))
    return np.stack([one, down * one, across * one, down**2 * one, across**2 * one, down * across])
