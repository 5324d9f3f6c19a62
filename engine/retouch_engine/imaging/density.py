"""Optical density, the domain in which the engine measures and heals.

``density = -ln(light)`` turns shading into an additive term, so a donor from a darker cheek fits a
brighter one (Georgiev, covariant reconstruction: the ratio, not the difference, is what skin keeps), and it
is where melanin and haemoglobin add up (Tsumura 1999). For encoded values ``x`` it is computed as
``-2.4 ln((x + 0.055) / 1.055)``: exact for sRGB above its toe, and a pure power law with a bounded
noise gain in the shadows for every other gamma, which is all that a ratio needs.
"""

from __future__ import annotations

import cv2
import numpy as np

from retouch_engine.types import Float, Samples

OFFSET = 0.055
"""The sRGB offset; it also keeps the shadows' noise from being blown up."""
GAMMA = 2.4
_MEAN = np.full((1, 3), 1 / 3, dtype=np.float32)


def _table(levels: int) -> Float:
    x = np.arange(levels, dtype=np.float64) / (levels - 1)
    return (-GAMMA * np.log((x + OFFSET) / (1 + OFFSET))).astype(np.float32)


_TABLE_8 = _table(256)
_TABLE_16 = _table(65536)


def density(samples: Samples) -> Float:
    """Optical density of encoded samples.

    Args:
        samples: uint8 or uint16, any shape.

    Returns:
        float32, the same shape, 0 for white, about 7 for black.
    """
    table = _TABLE_8 if samples.dtype == np.uint8 else _TABLE_16
    if samples.ndim == 3:
        # Three times as fast as take (7 MP in 24 ms instead of 73), and it reads views without a copy.
        return np.asarray(cv2.LUT(samples, table), dtype=np.float32)
    # Nothing is out of the table's range; "clip" only spares take the check.
    return np.asarray(table.take(samples, mode="clip"))


def encode(values: Float) -> Float:
    """Encoded values, 0 to 1 (unclipped), float32, of optical densities; undoes :func:`density`."""
    light = np.exp(values * np.float32(-1 / GAMMA))
    return np.asarray(light * np.float32(1 + OFFSET) - np.float32(OFFSET))


def tone(od: Float) -> Float:
    """Mean over the three channels: ``(h, w, 3)`` in, ``(h, w)`` out.

    Several times faster than ``od.mean(axis=-1)``, which adds up three numbers at a time.
    """
    return np.asarray(cv2.transform(np.ascontiguousarray(od), _MEAN))
