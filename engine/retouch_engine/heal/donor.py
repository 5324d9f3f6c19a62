"""Donor: real skin from nearby, carried over in optical density and fitted by a membrane.

Georgiev's healing brush with an automatic donor. In log light a donor under other light differs by a
constant, so its pores arrive with the right contrast (0.98 to 1.02 across a 2.5-fold change of light, where
linear subtraction gives 0.38 to 2.65). The membrane's boundary values are averaged over the known side, or
every pore on the rim would draw a streak into the hole.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retouch_engine.heal.base import Heal, HealerSpec, Wound
from retouch_engine.heal.layers import layered
from retouch_engine.heal.sources import donors, seen_from
from retouch_engine.imaging.bands import filled, masked_blur
from retouch_engine.imaging.masks import bounding_box, dilated
from retouch_engine.imaging.membrane import membrane
from retouch_engine.types import Float, HealerId

_RIM_SIGMA_PX = 2.2
_RIM_PX = 8
_LEAST_RIM = 0.4
"""Share of the rim that must be clean: a membrane hung on less than that invents the light."""
_TRIES = 3


class Donor:
    """Automatic donor and log-domain membrane."""

    spec = HealerSpec(
        id=HealerId("donor"),
        summary="real skin from nearby, fitted by a membrane in optical density",
        largest_px=600,
        generative=False,
        weights=False,
        licence="Apache-2.0",
    )

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        """See :class:`retouch_engine.heal.base.Healer`."""
        for offset in donors(wound, _TRIES):
            whole = _fitted(wound, offset)
            if whole is not None:
                yield layered(wound, whole, self.spec.id, (offset,))


def _fitted(wound: Wound, offset: tuple[int, int]) -> Float | None:
    """The donor, fitted; None where too little of the rim is clean to fit it to."""
    near = bounding_box(wound.hole).grown(_RIM_PX + 4, *wound.hole.shape)
    hole = wound.hole[near.slices]
    donor = seen_from(wound.od, wound.inner, offset)
    cut = near.within(wound.inner).slices
    # The rim is read where both the skin here and the skin there are clean.
    rim = dilated(hole, _RIM_PX) & ~hole
    known = rim & ~wound.dirty[near.slices] & ~seen_from(wound.dirty, near, offset)
    if np.count_nonzero(known) < _LEAST_RIM * np.count_nonzero(rim):
        return None
    gap = wound.od[near.slices] - donor[cut]
    smooth = masked_blur(gap, known.astype(np.float32), _RIM_SIGMA_PX)
    boundary = filled(smooth, dilated(known, 2) & ~hole)
    donor[cut] += membrane(boundary, hole)
    return donor
