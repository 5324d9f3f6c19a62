"""From a filled crop to the layers of a heal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from retouch_engine.heal.base import Heal, Wound
from retouch_engine.types import Float, HealerId


def tried(
    wound: Wound,
    healer: HealerId,
    offsets: Iterable[tuple[int, int]],
    filled: Callable[[tuple[int, int]], Float | None],
) -> Iterator[Heal]:
    """One heal for each donor that can be fitted, computed as it is asked for.

    Args:
        wound: the wound.
        healer: who fills it.
        offsets: donors, best first.
        filled: makes the inner box, filled, of a donor; None where that cannot be.
    """
    for offset in offsets:
        whole = filled(offset)
        if whole is not None:
            yield layered(wound, whole, healer, (offset,))


def layered(wound: Wound, whole: Float, healer: HealerId, donors: tuple[tuple[int, int], ...]) -> Heal:
    """Split a filled crop into what it adds to the low band and its high band, both 0 far from the hole.

    Args:
        wound: the wound.
        whole: float32 ``(h, w, 3)``, OD, the size of the inner box; only what lies in the hole is read.
        healer: who filled it.
        donors: the offsets that were used.
    """
    # Only there can it mix, and the crop is several times as wide.
    seat = wound.hole_box.grown(1, *wound.hole.shape)
    at = seat.within(wound.inner).slices
    own, hole = wound.od[seat.slices], np.ascontiguousarray(wound.hole[seat.slices])
    change = np.zeros_like(whole)
    change[at] = cv2.copyTo(whole[at] - own, hole.view(np.uint8))
    low_delta = wound.lowered(change)
    high = np.zeros_like(whole)
    high[at] = own + change[at] - wound.low[at] - low_delta[at]
    return Heal(
        healer=healer,
        low_delta=low_delta,
        high=high,
        support=wound.support,
        sigma_px=wound.sigma_px,
        donors=donors,
    )
