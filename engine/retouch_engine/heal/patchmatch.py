"""PatchMatch: structure from the whole neighbourhood, pores from the source itself.

The ``pypatchmatch`` package (MIT) fills holes by patches, which keeps lines and folds that one donor cannot.
It thinks in 8 bits and returns no map of where a pixel came from, so only the low band of its fill is
believed; the rest is re-injected from real skin. What may not be a source is passed as its ``global_mask``,
and a mask always: without one it takes pure white for a hole.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import numpy as np

from retouch_engine.heal.base import Heal, HealerSpec, Wound
from retouch_engine.heal.fit import Bed
from retouch_engine.heal.layers import tried
from retouch_engine.heal.reinject import reinjected
from retouch_engine.heal.sources import donors
from retouch_engine.types import Bool, Box, Float, HealerId, Takes

_TRIES = 2
_LARGEST_PX = 64
"""At 80 px a fill takes 0.9 s and looks like clean skin in 38 of 100 cases: not worth the wait."""
_RADIUS = 3
"""Of a patch: 7 x 7 px. Larger ones blur more and take three times as long."""
_SIGMA_PX = 4.0
_LEVELS = 200.0
_SEEDED = Lock()
"""The package's generator belongs to the process: seeding and filling are one step."""


class PatchMatch:
    """Structure by patches on an 8-bit guide, texture re-injected."""

    spec = HealerSpec(
        id=HealerId("patchmatch"),
        summary="structure by patch matching, pores re-injected from real skin",
        takes=Takes(largest_px=_LARGEST_PX, smallest_px=12, structure=True),
        generative=False,
        weights=False,
        licence="Apache-2.0",
    )

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        """See :class:`retouch_engine.heal.base.Healer`."""
        bed = wound.once(Bed.of)
        offsets = donors(wound, _TRIES) if bed is not None else []
        fill = _fill(wound) if offsets else None
        if fill is None or bed is None:
            return
        yield from tried(wound, self.spec.id, offsets, lambda at: reinjected(bed, fill, at, _SIGMA_PX))


def _fill(wound: Wound) -> Float | None:
    """The inner box, filled; None where the package is missing or fails."""
    import patchmatch

    if not patchmatch.patchmatch_available:
        return None
    reach = round(1.5 * wound.diameter_px) + 24
    box = wound.hole_box.grown(reach, *wound.hole.shape)
    box = _around(box, wound.inner)
    od, hole, forbid = wound.od[box.slices], wound.hole[box.slices], wound.forbid[box.slices]
    low, scale = _range(od, ~(hole | forbid))
    guide = np.rint(np.clip((od - low) * scale + 28, 1, 254)).astype(np.uint8)
    with _SEEDED:
        patchmatch.set_random_seed(wound.seed % 2**31 + 1)
        done = patchmatch.inpaint(
            guide,
            hole.view(np.uint8) * np.uint8(255),
            global_mask=forbid.view(np.uint8) * np.uint8(255),
            patch_size=_RADIUS,
        )
    whole = np.where(hole[..., None], (done.astype(np.float32) - 28) / scale + low, od)
    return np.asarray(whole[wound.inner.within(box).slices], dtype=np.float32)


def _range(od: Float, clean: Bool) -> tuple[Float, Float]:
    """Lowest density and levels for one unit of it, for each channel: all 8 bits for this skin."""
    seen = od[clean] if clean.any() else od.reshape(-1, 3)
    low, high = np.quantile(seen, (0.002, 0.998), axis=0).astype(np.float32)
    return low, np.asarray(_LEVELS / np.maximum(high - low, 0.05), dtype=np.float32)


def _around(box: Box, inner: Box) -> Box:
    """The box, with all of the inner one in it."""
    return Box(min(box.y0, inner.y0), min(box.x0, inner.x0), max(box.y1, inner.y1), max(box.x1, inner.x1))
