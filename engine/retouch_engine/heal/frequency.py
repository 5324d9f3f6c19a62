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
from retouch_engine.heal.layers import layered, split_sigma
from retouch_engine.heal.sources import donors, shifted
from retouch_engine.imaging.bands import filled, masked_blur
from retouch_engine.imaging.masks import dilated
from retouch_engine.imaging.membrane import membrane
from retouch_engine.types import Float, HealerId

_TRIES = 2


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
        sigma = split_sigma(wound)
        clean = ~wound.hole & ~wound.forbid
        low = _low_band(wound, sigma)
        high = np.asarray(wound.od - masked_blur(wound.od, clean.astype(np.float32), sigma), dtype=np.float32)
        for offset in donors(wound, _TRIES):
            whole = np.asarray(low + shifted(high, offset), dtype=np.float32)
            yield layered(wound, whole, self.spec.id, (offset,))


def _low_band(wound: Wound, sigma: float) -> Float:
    """The skin's low band, carried across the hole."""
    clean = ~wound.hole & ~wound.forbid
    around = masked_blur(wound.od, clean.astype(np.float32), max(sigma, 2.0))
    within_reach = dilated(clean, max(1, round(sigma))) & ~wound.hole
    return membrane(filled(around, within_reach), wound.hole)
