"""Tone: another colour under the skin's own pores.

Redness and flat pigment lie in the skin, not on it: its texture is whole and worth more than any donor's. So
the high band stays and only the low band is changed, for that of fitted skin from nearby. A pimple, a scab or
a shine has a texture of its own; where the hole's fine bands differ from those around it, this healer steps
back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from retouch_engine.heal.base import Heal, HealerSpec, Wound
from retouch_engine.heal.fit import Bed
from retouch_engine.heal.layers import tried
from retouch_engine.heal.sources import donors
from retouch_engine.imaging.bands import low_band
from retouch_engine.imaging.masks import dilated
from retouch_engine.kernels.patches import compared
from retouch_engine.types import Float, HealerId, Takes

_TRIES = 2
_MOST_ANOMALY = 0.22
"""Of the logarithm of the two finest bands' contrast, core over ring: a fifth more or less is skin."""
_PEAK = 4.5
"""A pore or a hair's root this many deviations out is no skin's own."""
_MEET = 0.6
"""Of the blur that parts the bands, the one that the fitted skin is read through: two strangers that meet at
their half are weaker there than either (0.71), and skin lost a tenth of its furrows."""
_LEAST_PX = 60
_LARGEST_PX = 40
"""Over larger areas the spot's own slow unevenness shows: on portraits a donor is found out less often."""


class Tone:
    """Low band from a fitted donor, high band its own."""

    spec = HealerSpec(
        id=HealerId("tone"),
        summary="the colour of skin nearby under the spot's own pores",
        takes=Takes(largest_px=_LARGEST_PX),
        generative=False,
        weights=False,
        licence="Apache-2.0",
    )

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        """See :class:`retouch_engine.heal.base.Healer`."""
        if anomaly(wound) > _MOST_ANOMALY:
            return
        bed = wound.once(Bed.of)
        if bed is None:
            return
        yield from tried(
            wound, self.spec.id, donors(wound, _TRIES), lambda at: _toned(wound, bed.grafted(at))
        )


def _toned(wound: Wound, fitted: Float | None) -> Float | None:
    """The hole with the low band of fitted skin and its own high band."""
    if fitted is None:
        return None
    own = wound.od[wound.inner.slices]
    sigma = float(np.clip(0.06 * wound.diameter_px, 2.2, 4.0))
    # Averaged inside the hole only: across the rim it would be diluted and leave a halo.
    inside = wound.hole[wound.inner.slices].astype(np.float32)
    kept = own - low_band(own, inside, sigma)
    return np.asarray(kept + low_band(fitted, inside, _MEET * sigma), dtype=np.float32)


def anomaly(wound: Wound) -> float:
    """How far the hole's texture is from the ring's, worst of the two finest bands; infinite if unknown."""
    reach = max(4, round(0.35 * wound.diameter_px))
    box = wound.hole_box.grown(reach + 1, *wound.hole.shape)
    hole = wound.hole[box.slices]
    ring = dilated(hole, reach) & ~dilated(hole, 1) & ~wound.forbid[box.slices]
    if min(np.count_nonzero(hole), np.count_nonzero(ring)) < _LEAST_PX:
        return float("inf")
    return max(_band_anomaly(*compared(band[box.slices], hole, ring)) for band in wound.fine[0][:2])


def _band_anomaly(core: float, ring: float, farthest: float, loudest: float) -> float:
    usual = max(ring, 1e-5)
    if farthest > max(_PEAK * usual, 1.2 * loudest):
        return float("inf")
    return abs(math.log(max(core, 1e-5) / usual))
