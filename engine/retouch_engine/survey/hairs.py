"""Hairs beyond the outline of a brow or an eye: dark, or thin and dark, and hanging together with it.

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
_LASH = 0.1
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
    found[cut] = _joined(hairy, brow[cut], _REACH_MM * mm[cut])
    return found


def lashes(eye: Bool, od: Float, mm: Float) -> Bool:
    """Lashes that leave ``eye``: thin dark lines only, since the skin there is dark by itself.

    Args:
        eye: where eyes are, ``(h, w)``.
        od: optical density, ``(h, w, 3)``.
        mm: cells for a millimetre, for each cell.
    """
    found = np.zeros_like(eye)
    if not eye.any():
        return found
    most = float(mm[eye].max())
    cut = bounding_box(eye).grown(round((_REACH_MM + 3) * most) + 1, *eye.shape).slices
    soft = blur(tone(od[cut]), max(0.6, 0.1 * most))
    thin = soft - blur(soft, _FINE_MM * most) > _LASH
    found[cut] = _joined(thin, eye[cut], _REACH_MM * mm[cut])
    return found


def _joined(hairy: Bool, root: Bool, reach: Float) -> Bool:
    """What is hairy within reach and hangs together with the root."""
    near = np.asarray(cv2.distanceTransform((~root).view(np.uint8), cv2.DIST_L2, 5)) <= reach
    _, labels = cv2.connectedComponents(((hairy & near) | root).view(np.uint8))
    joined = np.isin(labels, np.unique(np.asarray(labels)[root]))
    return dilated(joined & hairy & near, 1)
