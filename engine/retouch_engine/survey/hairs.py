"""Brow hairs beyond the outline of a brow: dark, or thin and dark, and hanging together with it.

The network knows a brow to within two millimetres, and a margin as wide as that all around costs the lid
between brow and eye. Hair says itself where it is: with these the margin can be half as wide, and the inner
ends of a brow, which the network cuts short on dark skin, are found.
"""

from __future__ import annotations

import cv2
import numpy as np

from retouch_engine.imaging.bands import blur, low_band
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import bounding_box, dilated
from retouch_engine.types import Bool, Float

_REACH_MM = 3.5
_AROUND_MM = 5.0
_DARKER, _SHARE = 0.12, 0.25
"""Denser than the skin around, at least; and of what the brow itself is denser."""
_FINE, _FINE_MM = 0.06, 1.0
"""Denser than its own millimetre: a hair that is too thin to be dark."""


def hairs(brow: Bool, sure: Bool, skin: Bool, od: Float, mm: Float) -> Bool:
    """Hairs near ``brow``.

    Args:
        brow: where brows are, ``(h, w)``.
        sure: where they are without a doubt.
        skin: skin without any part of the face.
        od: optical density, ``(h, w, 3)``.
        mm: cells for a millimetre, for each cell.
    """
    found = np.zeros_like(brow)
    if not brow.any():
        return found
    most = float(mm[brow].max())
    height, width = brow.shape
    cut = bounding_box(brow).grown(round((_REACH_MM + 3 * _AROUND_MM) * most) + 1, height, width).slices
    soft = blur(tone(od[cut]), max(0.6, 0.2 * most))
    weight = skin[cut].astype(np.float32)
    dark = soft - low_band(soft[..., None], weight, _AROUND_MM * most)[..., 0]
    own = sure[cut]
    usual = float(np.quantile(dark[own], 0.8)) if own.any() else 0.0
    hairy = (dark > max(_DARKER, _SHARE * usual)) | (soft - blur(soft, _FINE_MM * most) > _FINE)
    near = (
        np.asarray(cv2.distanceTransform((~brow[cut]).view(np.uint8), cv2.DIST_L2, 5)) <= _REACH_MM * mm[cut]
    )
    _, labels = cv2.connectedComponents(((hairy & near) | brow[cut]).view(np.uint8))
    joined = np.isin(labels, np.unique(np.asarray(labels)[brow[cut]]))
    found[cut] = dilated(joined & hairy & near, 1)
    return found
