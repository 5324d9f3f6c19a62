"""One heal, laid into the photo at a given strength."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouch_engine.kernels.mixing import blended, moved, weighed, written
from retouch_engine.types import Box, Float, Patch, Samples

Own = tuple[Float, Samples, Float]
"""The crop itself: its OD ``(h, w, 3)``, its samples ``(h, w, 3)``, and its low band
``(h, w, 3)``, split from the high one where the heal's bands are."""
Layers = tuple[Float, Float, Float]
"""A heal's ``low_delta``, ``high`` and ``support``."""
_SPLITS_PX = (1.5, 2.6)
"""Pores end at the first, furrows at both together, 3 px."""
_LEAST_ENERGY = 1e-12
_FEATHER_POWER = 0.75
"""Of the gain that keeps variance, where only the feather mixes: there shares differ from pixel to pixel, and
two strangers' differences add to those of each. With all of it the feather was a fifth rougher than skin."""
_LEAST_RELATED = -0.5
"""A blemish's opposite would call for any gain."""


def compose(spot_id: int, box: Box, own: Own, layers: Layers, strength: float) -> Patch | None:
    """Mix a heal into a crop.

    The low band moves by ``strength`` of the heal's; the high bands are mixed so that their variance stays
    (Heitz & Neyret 2018): plain opacity of two unrelated textures would leave 0.71 of the contrast at one
    half, which is what plastic skin is made of. How far they are related is measured, pores, furrows and
    what is coarser apart: a heal that keeps the skin's own pores needs no such gain, and with it had up to
    1.4 times their contrast.

    Args:
        spot_id: whose heal it is.
        box: where the crop lies in the photo.
        own: the crop as it is; see :data:`Own`.
        layers: the heal; see :data:`Layers`.
        strength: 0 to 1.

    Returns:
        A patch cut to what may change, or None when nothing does (strength 0, or an empty support).
    """
    od, source, low = own
    low_delta, high, support = layers
    if strength <= 0:
        return None
    places, share, edges = weighed(support, strength)
    if len(places) == 0:
        return None
    tight = Box(*edges)
    cut = tight.slices
    power = _FEATHER_POWER if strength >= 1 else 1.0
    healed = moved(low[cut], low_delta[cut], places, share)
    for new, old in _bands(high[cut], od[cut] - low[cut], whole=strength >= 1):
        # By chance they are related also below 0, and then the sum is weaker than that of strangers.
        healed += blended(new, old, places, share, _LEAST_ENERGY, _LEAST_RELATED, power)
    scale = np.uint16(257) if source.dtype == np.uint8 else np.uint16(1)
    pixels, changed = written(source[cut].astype(np.uint16) * scale, places, encode(healed))
    where = Box(box.y0 + tight.y0, box.x0 + tight.x0, box.y0 + tight.y1, box.x0 + tight.x1)
    return Patch(spot_id=spot_id, box=where, pixels=pixels, changed=changed)


def _bands(new: Float, old: Float, *, whole: bool) -> Iterator[tuple[Float, Float]]:
    """Pairs of bands that add up to both; all in one where only the feather mixes them."""
    for sigma in () if whole else _SPLITS_PX:
        soft = blur(np.ascontiguousarray(new), sigma), blur(old, sigma)
        yield new - soft[0], old - soft[1]
        new, old = soft
    yield new, old
