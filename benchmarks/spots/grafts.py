"""Real marks on other skin: what a mark adds in optical density, taken from one person and laid on another.

Pigments add up in optical density (Beer and Lambert), so the same pimple can be shown on any skin. It keeps
the shape, the colour and the blur of its own photo; grafts between photos of two cameras do not, since one
shows a brown mark as red as the other a pimple.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from retouch_engine.imaging.bands import filled
from retouch_engine.types import Float

_OUTSIDE = 1.5
"""Radii of a hand-drawn circle beyond which there is nothing of its mark."""
_ENDS, _RIM = 1.6, 0.45
"""Radii at which a graft has faded away, and over which it fades."""
_REACH = 2.6
"""Radii of skin around a mark that tell what it lies on."""


@dataclass(frozen=True, slots=True)
class Graft:
    """What a mark adds: optical density ``(n, n, 3)`` around its middle, n odd; and its radius in px."""

    added: Float
    radius: float

    @classmethod
    def of(cls, od: Float, x: float, y: float, radius: float) -> Graft | None:
        """The mark at a place of a picture, ``(h, w, 3)`` in optical density; None at the picture's edge."""
        reach = int(np.ceil(_REACH * radius)) + 2
        column, row = round(x), round(y)
        window = od[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        if window.shape[:2] != (2 * reach + 1, 2 * reach + 1):
            return None
        away = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]).astype(np.float32)
        added = window - filled(np.ascontiguousarray(window), away > _OUTSIDE * radius + 1)
        rim = np.clip((_ENDS * radius + 1 - away) / (_RIM * radius + 1), 0, 1)
        return cls(np.asarray(added * rim[..., None], np.float32), radius)

    def at_scale(self, factor: float) -> Graft:
        """As a photo with so many times as many pixels a millimetre shows it."""
        side = max(5, round(self.added.shape[0] * factor) | 1)
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        added = cv2.resize(self.added, (side, side), interpolation=how)
        return Graft(np.asarray(added), self.radius * factor)

    def lay(self, od: Float, x: int, y: int) -> bool:
        """Onto other skin, in place; False, and nothing done, where it would reach beyond the picture."""
        reach = self.added.shape[0] // 2
        window = od[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        if window.shape != self.added.shape:
            return False
        window += self.added
        return True
