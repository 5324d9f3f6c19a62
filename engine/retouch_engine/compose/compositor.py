"""One heal, laid into the photo at a given strength."""

from __future__ import annotations

import numpy as np

from retouch_engine.imaging.bands import masked_blur
from retouch_engine.imaging.density import encode
from retouch_engine.imaging.masks import bounding_box
from retouch_engine.types import Bool, Box, Float, Patch, Samples

Own = tuple[Float, Samples, Float]
"""The crop itself: its OD ``(h, w, 3)``, its samples ``(h, w, 3)``, and ``(h, w)`` what bands count over."""
Layers = tuple[Float, Float, Float, float]
"""A heal's ``low_delta``, ``high``, ``support`` and the sigma at which its bands meet."""


def compose(spot_id: int, box: Box, own: Own, layers: Layers, strength: float) -> Patch | None:
    """Mix a heal into a crop.

    The low band moves by ``strength`` of the heal's; the high bands are mixed so that their variance stays
    (Heitz & Neyret 2018): plain opacity of two unrelated textures would leave 0.71 of the contrast at one
    half, which is what plastic skin is made of.

    Args:
        spot_id: whose heal it is.
        box: where the crop lies in the photo.
        own: the crop as it is; see :data:`Own`.
        layers: the heal; see :data:`Layers`.
        strength: 0 to 1.

    Returns:
        A patch cut to what may change, or None when nothing does (strength 0, or an empty support).
    """
    od, source, weight = own
    low_delta, high, support, sigma = layers
    share = (support * np.float32(strength))[..., None]
    changed = support * strength > 0
    if not changed.any():
        return None
    own_high = od - masked_blur(od, weight, sigma)
    norm = np.sqrt(share**2 + (1 - share) ** 2)
    mixed = (share * high + (1 - share) * own_high) / norm
    healed = od + share * low_delta + (mixed - own_high)
    return _rounded(spot_id, box, healed, source, changed)


def _rounded(spot_id: int, box: Box, healed: Float, source: Samples, changed: Bool) -> Patch:
    tight = bounding_box(changed)
    cut = tight.slices
    scale = np.uint16(257) if source.dtype == np.uint8 else np.uint16(1)
    samples = np.rint(np.clip(encode(np.ascontiguousarray(healed[cut])), 0, 1) * 65535).astype(np.uint16)
    kept = source[cut].astype(np.uint16) * scale
    inside = np.ascontiguousarray(changed[cut])
    return Patch(
        spot_id=spot_id,
        box=Box(box.y0 + tight.y0, box.x0 + tight.x0, box.y0 + tight.y1, box.x0 + tight.x1),
        pixels=np.where(inside[..., None], samples, kept),
        changed=inside,
    )
