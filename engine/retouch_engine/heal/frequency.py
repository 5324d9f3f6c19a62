"""Frequency split: the surroundings' low band, a donor's high band.

The design document's recipe, corrected. It blurred the blemish itself into the low band and leaked it into
the high one, took a ring's median for the low band (which drops the shading) and stored signed texture in 8
bits. Here both bands come from normalised convolution over clean skin with the hole left out, the low
band is carried across the hole by a membrane, and everything is signed float.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retouch_engine.heal.base import Heal, HealerSpec, Wound
from retouch_engine.heal.layers import layered
from retouch_engine.heal.sources import donors, seen_from
from retouch_engine.imaging.bands import filled, low_band
from retouch_engine.imaging.masks import bounding_box, dilated
from retouch_engine.imaging.membrane import membrane
from retouch_engine.types import Bool, Float, HealerId

_TRIES = 2
_RIM_PX = 8
_LEAST_RIM = 0.4
"""Share of the rim that must be clean for its low band to be carried across."""


class Frequency:
    """Low band from around the hole, high band from a donor."""

    spec = HealerSpec(
        id=HealerId("frequency"),
        summary="low band carried across the hole, high band from real skin nearby",
        largest_px=600,
        generative=False,
        weights=False,
        licence="Apache-2.0",
    )

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        """See :class:`retouch_engine.heal.base.Healer`."""
        sigma = wound.sigma_px
        clean = ~wound.dirty
        near = bounding_box(wound.hole).grown(_RIM_PX + 1, *wound.hole.shape).slices
        rim = dilated(wound.hole[near], _RIM_PX) & ~wound.hole[near]
        if np.count_nonzero(rim & clean[near]) < _LEAST_RIM * np.count_nonzero(rim):
            return
        low = _low_band(wound, clean, sigma)
        high = None
        for offset in donors(wound, _TRIES):
            if high is None:
                around = low_band(wound.od, clean.astype(np.float32), sigma)
                high = np.asarray(wound.od - around, dtype=np.float32)
            whole = np.asarray(low + seen_from(high, wound.inner, offset), dtype=np.float32)
            yield layered(wound, whole, self.spec.id, (offset,))


def _low_band(wound: Wound, clean: Bool, sigma: float) -> Float:
    """The skin's low band, carried across the hole; the size of the inner box."""
    cut = wound.inner.slices
    hole, known = wound.hole[cut], clean[cut]
    around = low_band(wound.od[cut], known.astype(np.float32), max(sigma, 2.0))
    within_reach = dilated(known, max(1, round(sigma))) & ~hole
    return membrane(filled(around, within_reach), hole)
