"""Hanging a filling into its hole: the membrane that takes it to the skin around.

Only readable rim counts: clean skin here, and clean where the filling comes from. The boundary's differences
are averaged along it first (sigma 2.2 px), or every pore on the rim would draw a streak into the hole.
"""

from __future__ import annotations

import numpy as np

from retouch_engine.heal.base import Wound
from retouch_engine.imaging.bands import filled, masked_blur
from retouch_engine.imaging.masks import bounding_box, dilated
from retouch_engine.imaging.membrane import membrane
from retouch_engine.types import Bool, Float

RIM_PX = 8
LEAST_RIM = 0.4
"""Share of the rim that must be readable: a membrane hung on less than that invents the light."""
_RIM_SIGMA_PX = 2.2


def readable(wound: Wound, clean: Bool | None = None) -> float:
    """How much of the hole's rim is clean skin, 0 to 1; ``clean`` (the inner box) says so of the source."""
    near = bounding_box(wound.hole).grown(RIM_PX + 1, *wound.hole.shape)
    hole = wound.hole[near.slices]
    rim = dilated(hole, RIM_PX) & ~hole
    known = rim & ~wound.dirty[near.slices]
    if clean is not None:
        known &= clean[near.within(wound.inner).slices]
    return float(np.count_nonzero(known)) / max(1.0, float(np.count_nonzero(rim)))


def hung(wound: Wound, filling: Float, clean: Bool) -> Float | None:
    """The filling with a membrane under it, or None where too little of the rim is readable.

    Args:
        wound: the wound.
        filling: float32 ``(h, w, 3)``, OD, the inner box; also around the hole.
        clean: bool ``(h, w)``, the inner box: where the filling may be compared with the photo.
    """
    near = bounding_box(wound.hole).grown(RIM_PX + 4, *wound.hole.shape)
    cut = near.within(wound.inner).slices
    hole = wound.hole[near.slices]
    rim = dilated(hole, RIM_PX) & ~hole
    known = rim & ~wound.dirty[near.slices] & clean[cut]
    if np.count_nonzero(known) < LEAST_RIM * np.count_nonzero(rim):
        return None
    gap = wound.od[near.slices] - filling[cut]
    smooth = masked_blur(gap, known.astype(np.float32), _RIM_SIGMA_PX)
    boundary = filled(smooth, dilated(known, 2) & ~hole)
    whole = filling.copy()
    whole[cut] += membrane(boundary, hole)
    return whole
