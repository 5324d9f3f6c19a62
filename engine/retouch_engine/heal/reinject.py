"""High-frequency re-injection: somebody's low band, real skin's high band, and a corrected boundary.

A model, or any fill that thinks in 8 bits, knows what belongs into a hole but not this skin's pores: it comes
back smooth, a little off in colour, and rounded. So only its low band is believed, only inside the hole, only
on skin; a membrane corrects its colour along the rim; and the high band is real skin from the 16-bit
source. Both bands are split by normalised convolution within the skin, so that no hair leaks into either.
"""

from __future__ import annotations

import numpy as np

from retouch_engine.heal.base import Wound
from retouch_engine.heal.fit import Bed
from retouch_engine.heal.sources import seen_from
from retouch_engine.imaging.bands import low_band
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import bounding_box, dilated
from retouch_engine.types import Bool, Float

_LEAST_GAIN, _MOST_GAIN = 0.8, 1.25
"""Pores of the donor are matched to the rim's contrast, within what still looks like the same skin."""
_RING_PX = 10


def reinjected(bed: Bed, fill: Float, offset: tuple[int, int], sigma_px: float) -> Float | None:
    """A fill with real skin's texture.

    Args:
        bed: the hole's surroundings.
        fill: float32 ``(h, w, 3)``, OD, the inner box: what somebody made of the crop, hole and surroundings.
        offset: the donor of the high band, ``(dy, dx)``.
        sigma_px: where the fill's low band ends and the donor's high band begins.

    Returns:
        float32, the inner box, OD; the photo itself outside the hole. None where the rim cannot be read.
    """
    wound = bed.wound
    high, clean = high_band(wound, offset, sigma_px)
    low = low_band(fill, wound.weight, sigma_px)
    return bed.hung(np.asarray(low + _gain(wound, high, sigma_px) * high, dtype=np.float32), clean)


def high_band(wound: Wound, offset: tuple[int, int], sigma_px: float) -> tuple[Float, Bool]:
    """The inner box's high band as seen at a donor, and where that is clean skin."""
    donor = seen_from(wound.od, wound.inner, offset)
    clean = ~seen_from(wound.dirty, wound.inner, offset)
    return np.asarray(donor - low_band(donor, clean.astype(np.float32), sigma_px), dtype=np.float32), clean


def _gain(wound: Wound, high: Float, sigma_px: float) -> np.float32:
    """What takes the donor's contrast to that of the skin around the hole."""
    inner = wound.inner
    hole = wound.hole[inner.slices]
    box = bounding_box(hole).grown(_RING_PX, *hole.shape).slices
    ring = dilated(hole[box], _RING_PX) & ~dilated(hole[box], 1) & ~wound.forbid[inner.slices][box]
    if np.count_nonzero(ring) < 2 * _RING_PX:
        return np.float32(1)
    weight = (~wound.dirty[inner.slices]).astype(np.float32)
    own = wound.od[inner.slices] - low_band(wound.od[inner.slices], weight, sigma_px)
    here = float(tone(np.asarray(own, dtype=np.float32))[box][ring].std())
    there = float(tone(high)[hole].std())
    return np.float32(np.clip(here / max(there, 1e-5), _LEAST_GAIN, _MOST_GAIN))
