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
from retouch_engine.heal.sources import donors, shifted
from retouch_engine.imaging.bands import filled, masked_blur
from retouch_engine.imaging.masks import dilated
from retouch_engine.imaging.membrane import membrane
from retouch_engine.types import Float, HealerId

_RIM_SIGMA_PX = 2.2
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
            yield layered(wound, _fitted(wound, offset), self.spec.id, (offset,))


def _fitted(wound: Wound, offset: tuple[int, int]) -> Float:
    donor = shifted(wound.od, offset)
    gap = wound.od - donor
    rim = dilated(wound.hole, 8) & ~wound.hole
    # The rim is read where both the skin here and the skin there are clean.
    dirty_there = shifted((wound.forbid | wound.hole).astype(np.float32), offset) > 0
    known = rim & ~wound.forbid & ~dirty_there
    smooth = masked_blur(gap, known.astype(np.float32), _RIM_SIGMA_PX)
    boundary = filled(smooth, dilated(known, 2) & ~wound.hole)
    return np.asarray(donor + membrane(boundary, wound.hole), dtype=np.float32)
