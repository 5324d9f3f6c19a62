"""One heal, laid into the photo at a given strength."""

from __future__ import annotations

import math

import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouch_engine.imaging.masks import bounding_box
from retouch_engine.types import Bool, Box, Float, Patch, Samples

Own = tuple[Float, Samples, Float]
"""The crop itself: its OD ``(h, w, 3)``, its samples ``(h, w, 3)``, and its low band
``(h, w, 3)``, split from the high one where the heal's bands are."""
Layers = tuple[Float, Float, Float]
"""A heal's ``low_delta``, ``high`` and ``support``."""
_SPLITS_PX = (1.5, 2.6)
"""Pores end at the first, furrows at both together, 3 px."""
_LEAST_ENERGY = 1e-12
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
    if strength <= 0 or not support.any():
        return None
    tight = bounding_box(support > 0)
    cut = tight.slices
    share = (support[cut] * np.float32(strength))[..., None]
    new, old = np.ascontiguousarray(high[cut]), od[cut] - low[cut]
    mixed = low[cut] + share * low_delta[cut]
    for sigma in _SPLITS_PX:
        soft_new, soft_old = blur(new, sigma), blur(old, sigma)
        mixed += _mixed(new - soft_new, old - soft_old, share)
        new, old = soft_new, soft_old
    healed = np.asarray(mixed + _mixed(new, old, share), dtype=np.float32)
    return _rounded(spot_id, box, tight, healed, source, share[..., 0] > 0)


def _mixed(new: Float, old: Float, share: Float) -> Float:
    """Both bands, ``(h, w, 3)``, at the contrast of one, ``share`` (``(h, w, 1)``) of it the new one's."""
    inside = (share > 0).astype(np.float32)[..., 0]
    both, news, olds = (
        float(np.einsum("hwc,hwc,hw->", a, b, inside)) for a, b in ((new, old), (new, new), (old, old))
    )
    # By chance also below 0, and then the sum is weaker than that of strangers.
    related = max(both / math.sqrt(max(news * olds, _LEAST_ENERGY)), _LEAST_RELATED)
    rest = 1 - share
    norm = np.sqrt(share * share + rest * rest + 2 * related * share * rest)
    return np.asarray((share * new + rest * old) / norm)


def _rounded(spot_id: int, box: Box, tight: Box, healed: Float, source: Samples, changed: Bool) -> Patch:
    scale = np.uint16(257) if source.dtype == np.uint8 else np.uint16(1)
    samples = np.rint(np.clip(encode(healed), 0, 1) * 65535).astype(np.uint16)
    kept = source[tight.slices].astype(np.uint16) * scale
    return Patch(
        spot_id=spot_id,
        box=Box(box.y0 + tight.y0, box.x0 + tight.x0, box.y0 + tight.y1, box.x0 + tight.x1),
        pixels=np.where(changed[..., None], samples, kept),
        changed=changed,
    )
