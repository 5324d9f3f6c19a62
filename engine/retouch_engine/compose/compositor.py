"""One heal, laid into the photo at a given strength."""

from __future__ import annotations

import numpy as np

from retouch_engine.imaging.density import encode
from retouch_engine.imaging.masks import bounding_box
from retouch_engine.types import Bool, Box, Float, Patch, Samples

Own = tuple[Float, Samples, Float]
"""The crop itself: its OD ``(h, w, 3)``, its samples ``(h, w, 3)``, and its low band
``(h, w, 3)``, split from the high one where the heal's bands are."""
Layers = tuple[Float, Float, Float]
"""A heal's ``low_delta``, ``high`` and ``support``."""


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
    od, source, low = own
    low_delta, high, support = layers
    if strength <= 0 or not support.any():
        return None
    tight = bounding_box(support > 0)
    cut = tight.slices
    share = (support[cut] * np.float32(strength))[..., None]
    own_high = od[cut] - low[cut]
    norm = np.sqrt(share * share + (1 - share) * (1 - share))
    mixed = (share * high[cut] + (1 - share) * own_high) / norm
    healed = np.asarray(low[cut] + share * low_delta[cut] + mixed, dtype=np.float32)
    return _rounded(spot_id, box, tight, healed, source, share[..., 0] > 0)


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
