"""PatchMatch: structure from the whole neighbourhood, pores from the source itself.

The ``pypatchmatch`` package (MIT) fills holes by patches, which keeps lines and folds that one donor cannot.
It thinks in 8 bits and returns no map of where a pixel came from, so only the low band of its fill is
believed; the rest is re-injected from real skin. A low band needs no full size: the guide is shrunk, which
costs a fourteenth (60 px: 333 ms to 23) and is no further from the truth. What may not be a source is passed
as its ``global_mask``, and a mask always: without one it takes pure white for a hole.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.heal.base import Heal, HealerSpec, Wound
from retouch_engine.heal.fit import Bed
from retouch_engine.heal.layers import tried
from retouch_engine.heal.reinject import reinjected
from retouch_engine.heal.sources import donors
from retouch_engine.types import Bool, Box, Float, HealerId, Takes

_TRIES = 2
_LARGEST_PX = 64
"""At 80 px hardly a fill looks like clean skin."""
_RADIUS = 3
"""Of a patch: 7 x 7 px. Larger ones blur more and take three times as long."""
_CELLS, _MOST_SHRUNK = 12, 4
"""So many cells of the guide across a hole show its structure; a cell is this many px at the most."""
_SIGMA_PX, _SIGMA = 4.0, 0.1
"""Where the fill's low band ends: px at least, and of the diameter. With 4 at 60 px a third band of 0.84."""
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
        sigma_px = max(_SIGMA_PX, _SIGMA * wound.diameter_px)
        yield from tried(wound, self.spec.id, offsets, lambda at: reinjected(bed, fill, at, sigma_px))


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
    shrink = min(_MOST_SHRUNK, max(1, int(wound.diameter_px / _CELLS)))
    guide = np.rint(np.clip((_shrunk(od, shrink) - low) * scale + 28, 1, 254)).astype(np.uint8)
    lost = _touched(hole, shrink)
    # What is forbidden is never filled: a cell of both would leave the blemish's own colour in it.
    kept_out = np.where(lost > 0, np.uint8(0), _touched(forbid, shrink))
    with _SEEDED:
        patchmatch.set_random_seed(wound.seed % 2**31 + 1)
        done = patchmatch.inpaint(guide, lost, global_mask=kept_out, patch_size=_RADIUS)
    fill = cv2.resize(
        (done.astype(np.float32) - 28) / scale + low, od.shape[1::-1], interpolation=cv2.INTER_LINEAR
    )
    whole = np.where(hole[..., None], fill, od)
    return np.asarray(whole[wound.inner.within(box).slices], dtype=np.float32)


def _shrunk(values: Float, shrink: int) -> Float:
    """The mean of each cell of ``shrink`` by ``shrink`` px."""
    size = tuple(max(1, round(length / shrink)) for length in values.shape[1::-1])
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))


def _touched(mask: Bool, shrink: int) -> NDArray[np.uint8]:
    """255 in each cell with anything of the mask, 0 elsewhere."""
    return np.where(_shrunk(mask.astype(np.float32), shrink) > 0, 255, 0).astype(np.uint8)


def _range(od: Float, clean: Bool) -> tuple[Float, Float]:
    """Lowest density and levels for one unit of it, for each channel: all 8 bits for this skin."""
    seen = od[clean] if clean.any() else od.reshape(-1, 3)
    low, high = np.quantile(seen, (0.002, 0.998), axis=0).astype(np.float32)
    return low, np.asarray(_LEVELS / np.maximum(high - low, 0.05), dtype=np.float32)


def _around(box: Box, inner: Box) -> Box:
    """The box, with all of the inner one in it."""
    return Box(min(box.y0, inner.y0), min(box.x0, inner.x0), max(box.y1, inner.y1), max(box.x1, inner.x1))
