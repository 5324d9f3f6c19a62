"""Clone: real skin beside an edge, moved over with one shift of colour and no membrane.

At the lip line, the hairline or the jaw most of a hole's rim is not skin. A membrane hung on such a rim would
carry the lip's red or the hair's dark into the cheek. Here the donor is only made as light as the readable
part of the rim, by one number for each channel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retouch_engine.heal.base import Heal, HealerSpec, Wound
from retouch_engine.heal.fit import readable
from retouch_engine.heal.layers import tried
from retouch_engine.heal.sources import donors, seen_from
from retouch_engine.imaging.masks import dilated
from retouch_engine.types import Float, HealerId, Takes

_TRIES = 3
_RIM_PX = 8
_LEAST_RIM = 0.12


class Clone:
    """Donor and a constant, for spots that touch an edge."""

    spec = HealerSpec(
        id=HealerId("clone"),
        summary="real skin moved over beside an edge, without a membrane across it",
        takes=Takes(largest_px=120, at_edges=True),
        generative=False,
        weights=False,
        licence="Apache-2.0",
    )

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        """See :class:`retouch_engine.heal.base.Healer`."""
        if readable(wound) >= _LEAST_RIM:
            yield from tried(wound, self.spec.id, donors(wound, _TRIES), lambda at: _shifted(wound, at))


def _shifted(wound: Wound, offset: tuple[int, int]) -> Float | None:
    """The donor in the rim's light."""
    cut = wound.inner.slices
    hole = wound.hole[cut]
    donor = seen_from(wound.od, wound.inner, offset)
    clean = ~wound.dirty[cut] & ~seen_from(wound.dirty, wound.inner, offset)
    rim = dilated(hole, _RIM_PX) & ~hole & clean
    if not rim.any():
        return None
    return np.asarray(donor + np.median((wound.od[cut] - donor)[rim], axis=0), dtype=np.float32)
