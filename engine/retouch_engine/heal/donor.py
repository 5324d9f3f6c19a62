"""Donor: real skin from nearby, carried over in optical density and fitted by a membrane.

Georgiev's healing brush with an automatic donor. In log light a donor under other light differs by a
constant, so its pores arrive with the right contrast (0.98 to 1.02 across a 2.5-fold change of light, where
linear subtraction gives 0.38 to 2.65).
"""

from __future__ import annotations

from collections.abc import Iterator

from retouch_engine.heal.base import Heal, HealerSpec, Wound
from retouch_engine.heal.fit import Bed
from retouch_engine.heal.layers import tried
from retouch_engine.heal.sources import donors
from retouch_engine.types import HealerId, Takes

_TRIES = 3


class Donor:
    """Automatic donor and log-domain membrane."""

    spec = HealerSpec(
        id=HealerId("donor"),
        summary="real skin from nearby, fitted by a membrane in optical density",
        takes=Takes(largest_px=600),
        generative=False,
        weights=False,
        licence="Apache-2.0",
    )

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        """See :class:`retouch_engine.heal.base.Healer`."""
        bed = wound.once(Bed.of)
        if bed is not None:
            yield from tried(wound, self.spec.id, donors(wound, _TRIES), bed.grafted)
