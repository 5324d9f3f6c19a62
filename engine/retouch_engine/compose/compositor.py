"""One heal, laid into the photo at a given strength."""

from __future__ import annotations

import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouch_engine.imaging.membrane import membrane
from retouch_engine.kernels.mixing import blended, moved, topped_up, weighed, written
from retouch_engine.types import Box, Float, Patch, Places, Samples

Own = tuple[Float, Samples, Float]
"""The crop itself: its OD ``(h, w, 3)``, its samples ``(h, w, 3)``, and its low band
``(h, w, 3)``, split from the high one where the heal's bands are."""
Layers = tuple[Float, Float, Float]
"""A heal's ``low_delta``, ``high`` and ``support``."""
_SPLITS_PX = (1.5, 2.6)
"""Pores end at the first, furrows at both together, 3 px."""
_RIM_PX = 2.0
"""Of the blur that a heal is read through where it meets the photo."""
_LEAST_ENERGY = 1e-12
_FEATHER_POWER = 0.75
"""Of the gain that keeps variance, where only the feather mixes: there shares differ from pixel to pixel, and
two strangers' differences add to those of each. With all of it the feather was a fifth rougher than skin."""
_LEAST_RELATED = -0.5
"""A blemish's opposite would call for any gain."""
_CHANCE = 0.5
"""Two pieces of skin may be related so far by chance: a small hole has room for few waves."""


def compose(spot_id: int, box: Box, own: Own, layers: Layers, strength: float) -> Patch | None:
    """Mix a heal into a crop.

    A whole heal is mixed only in its feather: its low band is added, and the high bands keep their variance
    (Heitz & Neyret 2018). In part, plain opacity of two unrelated textures would leave 0.71 of the contrast
    at one half, which is what plastic skin is made of; see :func:`_partly`.

    Args:
        spot_id: whose heal it is.
        box: where the crop lies in the photo.
        own: the crop as it is; see :data:`Own`.
        layers: the heal; see :data:`Layers`.
        strength: 0 to 1.

    Returns:
        A patch cut to what may change, or None when nothing does (strength 0, or an empty support).
    """
    source = own[1]
    if strength <= 0:
        return None
    places, share, edges = weighed(layers[2], strength)
    if len(places) == 0:
        return None
    tight = Box(*edges)
    cut = tight.slices
    mixed = _wholly if strength >= 1 else _partly
    healed = mixed(own, layers, tight, places, share)
    scale = np.uint16(257) if source.dtype == np.uint8 else np.uint16(1)
    pixels, changed = written(source[cut].astype(np.uint16) * scale, places, encode(healed))
    where = Box(box.y0 + tight.y0, box.x0 + tight.x0, box.y0 + tight.y1, box.x0 + tight.x1)
    return Patch(spot_id=spot_id, box=where, pixels=pixels, changed=changed)


def _wholly(own: Own, layers: Layers, tight: Box, places: Places, share: Float) -> Float:
    """The heal itself at its places in a box, ``(n, 3)``; only in its feather is it mixed."""
    od, _, low = own
    low_delta, high, _ = layers
    cut = tight.slices
    healed = moved(low[cut], low_delta[cut], places, share)
    # By chance they are related also below 0, and then the sum is weaker than that of strangers.
    mixed = blended(
        high[cut], od[cut] - low[cut], places, share, _LEAST_ENERGY, _LEAST_RELATED, _FEATHER_POWER
    )
    return np.asarray(healed + mixed)


def _partly(own: Own, layers: Layers, tight: Box, places: Places, share: Float) -> Float:
    """A share of the heal and the rest of what was there, at the contrast of skin: ``(n, 3)``.

    What both have in common, the surface through their rim, is theirs whatever the share. Of what lies on it
    the blemish is a part, so that what was there is left at its rest, no more, and what skin then lacks of
    its contrast is taken from the heal, band by band. How far the two are related is measured: a heal that
    keeps the skin's own pores is asked for no more of them. (Mixed by opacity waves were at 0.90; at the
    variance of both, 0.63 of a mole was left at one half, and a bright ring around it.)
    """
    od, _, low = own
    low_delta, high, _ = layers
    wide = tight.grown(1, *od.shape[:2])
    cut, shift = wide.slices, np.array([tight.y0 - wide.y0, tight.x0 - wide.x0])
    inside, healed = places + shift, low[cut] + low_delta[cut] + high[cut]
    hole = np.zeros(healed.shape[:2], dtype=np.bool_)
    hole[inside[:, 0], inside[:, 1]] = True
    common = membrane(blur(healed, _RIM_PX), ~hole, hole)
    mask = hole[..., None]
    new, old = (np.where(mask, values - common, np.float32(0)) for values in (healed, od[cut]))
    total = common[hole]
    for sigma in _SPLITS_PX:
        soft = blur(new, sigma), blur(old, sigma)
        pair = new - soft[0], old - soft[1]
        total += topped_up(*pair, inside, share, _LEAST_ENERGY, 0.0)
        new, old = soft
    return np.asarray(total + topped_up(new, old, inside, share, _LEAST_ENERGY, _CHANCE))
