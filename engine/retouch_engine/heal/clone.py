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
from retouch_engine.imaging.masks import dilated, distance_to
from retouch_engine.kernels.planes import octants
from retouch_engine.types import Bool, Float, HealerId, Takes

_TRIES = 3
_RIM_PX = 8
_LEAST_RIM = 0.12
_STEP_PX, _LEAST_OCTANT = 4, 8
_MOST_STEP_OD = 0.22
"""In an octant beside the hole. Among inflamed spots, to whose rim no membrane may be hung, seven of ten
clones were seen as pale discs with an edge: these had 0.24 to 0.28, and one that left a pink ring 0.24.
Of 19 heals on other portraits two have more: a disc as well, and one beside a lip, which another healer
takes; the next has 0.21."""


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
    """The donor in the rim's light; None where it would end in a step."""
    near = wound.hole_box.grown(_RIM_PX, *wound.hole.shape)
    hole = np.ascontiguousarray(wound.hole[near.slices])
    clean = ~wound.dirty[near.slices] & ~seen_from(wound.dirty, near, offset)
    rim = dilated(hole, _RIM_PX) & ~hole & clean
    if not rim.any():
        return None
    gap = wound.od[near.slices] - seen_from(wound.od, near, offset)
    light = np.median(gap[rim], axis=0)
    if _stepped(np.ascontiguousarray(gap - light), rim, distance_to(hole)):
        return None
    return np.asarray(seen_from(wound.od, wound.inner, offset) + light, dtype=np.float32)


def _stepped(gap: Float, rim: Bool, away: Float) -> bool:
    """Whether what a donor is off its place beside the hole is seen on a side, in any channel."""
    for colour in np.eye(3):
        total, count = (each.sum(axis=1) for each in octants(gap, rim, away, colour, 0.0, _STEP_PX))
        told = count >= _LEAST_OCTANT
        if (np.abs(total[told]) > _MOST_STEP_OD * count[told]).any():
            return True
    return False
