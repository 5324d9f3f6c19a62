"""How much of its own texture a place has kept: what tells a blend of two skins from either of them.

A heal has other skin's texture, skin under a new colour its own. In a blend, at half opacity or over a wide
feather, a part of the own is left, and that shows long before any loss of contrast does. Even in a hole of
4 px: there the feather's own thirty pixels say it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retouch_engine.guard.figures import FINEST, NOTHING, Bands, Shape
from retouch_engine.imaging.bands import BAND_SIGMAS
from retouch_engine.kernels.patches import paired

_PLAIN, _LEAST_ZONE = 2.5, 10
"""What lies further out, in deviations of the ring, is the blemish's; and the fewest places to judge from."""
_LEAST_AROUND = float(NOTHING[len(BAND_SIGMAS)])
_WHOLE, _SPECK = 0.97, 15
"""Who has so much of the own texture has all of it; and fewer places than that just inside the feather."""


@dataclass(frozen=True, slots=True)
class Own:
    """How much of its own texture a place still has in each of the shape's zones.

    0 for other skin, 1 for the same, between for a mixture; nan where too few pixels can say. ``places`` are
    the pixels that were asked just inside the feather, ``contrast`` is what these have left, a logarithm,
    over the lesser of the ring's and of what was there; ``feather_contrast`` is that of the feather itself.
    """

    feather: float
    near: float
    outer: float
    deep: float
    places: int
    contrast: float
    feather_contrast: float

    @property
    def most(self) -> float:
        """Where the most is left; in a speck, all inside of which the blemish changed, its feather too."""
        known = [share for share in (self.near, self.deep) if not math.isnan(share)]
        if self.places < _SPECK and self.feather > _WHOLE:
            known.append(self.feather)
        return max(known, default=0.0)


def own_texture(before: Bands, after: Bands, shape: Shape, shift: NDArray[np.intp]) -> Own:
    """What the regression of differences from pixel to pixel, after on before, says of a place.

    Two pieces of skin have nothing in common there, so that a blend at half opacity shows as 0.4 to 0.6 at
    any size and depth, and a wide feather as what it left near the rim. The blemish's own edges and lights
    are left out: they would hide that the skin under them is still there.

    Args:
        before: the crop as it was.
        after: a part of it, healed.
        shape: in pixels of ``before``.
        shift: ``(1, 2)``, ``(dy, dx)`` from ``before`` to ``after``.
    """
    was, now = before.more[FINEST], after.more[FINEST]
    at = int(shift[0, 0]), int(shift[0, 1])
    told, middle, around = paired(was, now, shape.zones, shape.ring, *at, _PLAIN, _LEAST_AROUND)
    sums = told.tolist()
    feather = middle if sums[0][0] >= _LEAST_ZONE else math.nan
    near, outer, deep = (_share(count, old, both) for count, old, both, _ in sums[1:])
    contrasts = (_left(count, old, new, around) for count, old, _, new in (sums[1], sums[0]))
    return Own(feather, near, outer, deep, int(sums[1][0]), *contrasts)


def _share(count: float, old: float, both: float) -> float:
    """The regression's slope; nan of too few places."""
    return math.nan if count < _LEAST_ZONE else both / max(old, 1e-9)


def _left(count: float, old: float, new: float, around: float) -> float:
    """The contrast of what is, over the lesser of what was and of the ring's; a logarithm."""
    usual = min(max(old, 1e-9), count * around * around)
    return 0.5 * math.log(max(new, 1e-9) / max(usual, 1e-9))
