"""Frequency split: the surroundings' low band, a donor's high band.

The design document's recipe, corrected. It blurred the blemish itself into the low band and leaked it into
the high one, took a ring's median for the low band (which drops the shading) and stored signed texture in 8
bits. Here both bands come from normalised convolution over clean skin with the hole left out, the low
band is carried across the hole by a membrane, and everything is signed float.
"""

from __future__ import annotations

from collections.abc import Iterator

from retouch_engine.heal.base import Heal, HealerSpec, Wound
from retouch_engine.heal.fit import Bed
from retouch_engine.heal.layers import tried
from retouch_engine.heal.reinject import high_band
from retouch_engine.heal.sources import donors
from retouch_engine.types import HealerId, Takes

_TRIES = 2


class Frequency:
    """Low band from around the hole, high band from a donor."""

    spec = HealerSpec(
        id=HealerId("frequency"),
        summary="low band carried across the hole, high band from real skin nearby",
        takes=Takes(largest_px=600),
        generative=False,
        weights=False,
        licence="Apache-2.0",
    )

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        """See :class:`retouch_engine.heal.base.Healer`."""
        bed = wound.once(Bed.of)
        if bed is None:
            return
        sigma = max(wound.sigma_px, 2.0)
        low = bed.flat()
        offsets = donors(wound, _TRIES)
        yield from tried(wound, self.spec.id, offsets, lambda at: low + high_band(wound, at, sigma)[0])
