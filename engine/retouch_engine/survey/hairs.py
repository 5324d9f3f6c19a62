"""Hairs beyond the outline of a brow or an eye: dark, or thin and dark, and hanging together with it.

The network knows a brow to within two millimetres, and a margin as wide as that all around costs the lid
between brow and eye. Hair says itself where it is: with these the margin can be half as wide, and the inner
ends of a brow, which the network cuts short on dark skin, are found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from retouch_engine.imaging.bands import blur, low_band
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import bounding_box, dilated, eroded
from retouch_engine.survey.beard import band, from_eyes
from retouch_engine.survey.faces import Face
from retouch_engine.survey.parts import Part
from retouch_engine.types import Bool, Box, Float

_REACH_MM = 3.5
_AROUND_MM = 5.0
_DARKER, _SHARE = 0.12, 0.25
"""Denser than the skin around, at least; and of what the brow itself is denser."""
_LASH = 0.1
_FINE, _FINE_MM = 0.06, 1.0
"""Denser than its own millimetre: a hair that is too thin to be dark."""
_VERY_DARK = 2.3
"""Mean optical density of a forehead from which on no hair is much darker."""
_FOREHEAD_MM, _TEMPLES_MM = (-85.0, -15.0), 65.0
_LESS_RED, _ROUGHER, _OTHER_TONE = 0.18, 1.8, 0.9
_SURE_SKIN, _LEAST_SURE_MM2, _THIN_MM = 0.8, 200.0, 1.5
_GREY = 0.1
"""Redness, in optical density, of skin in photos without colour at the most; very dark skin has 0.5."""


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


def shaved(maps: Float, od: Float, faces: Sequence[Face], cell: float) -> Bool:
    """What the network calls hair on the forehead of very dark skin, and is the forehead itself.

    There hair is no darker than skin, and a shaved head has no strands. But skin is red and hair is not: of
    labelled portraits with very dark skin, foreheads that were taken for hair are as red as the rest (by
    optical density within 0.1) and as smooth, hair is 0.5 less red and three times as rough. In a grey photo
    nothing tells them apart.

    Args:
        maps: likelihood of each part, ``(parts, h, w)``.
        od: optical density on the same grid, ``(h, w, 3)``.
        faces: those found.
        cell: the size of a cell in px of the photo.
    """
    found = np.zeros(od.shape[:2], dtype=np.bool_)
    for face in faces:
        box = band(face, found.shape, cell, _FOREHEAD_MM, _TEMPLES_MM)
        if box is not None:
            mm = float(face.scale.px_per_mm or 1.0) / cell
            cut = box.grown(math.ceil(9 * max(0.6, mm)) + 4, *od.shape[:2])
            found[cut.slices] |= _shaved(maps[(slice(None), *cut.slices)], od[cut.slices], face, cut, cell)
    return found


def _shaved(maps: Float, od: Float, face: Face, box: Box, cell: float) -> Bool:
    """Inside ``box``, which holds the forehead and all that its blurs see."""
    mm = float(face.scale.px_per_mm or 1.0) / cell
    below, aside = from_eyes(face, box, cell)
    forehead = (below < _FOREHEAD_MM[1]) & (below > _FOREHEAD_MM[0]) & (aside < _TEMPLES_MM)
    sure = forehead & (maps[Part.FACE_SKIN] > _SURE_SKIN)
    if np.count_nonzero(sure) < _LEAST_SURE_MM2 * mm * mm:
        return np.zeros_like(forehead)
    sigma = max(0.6, 0.6 * mm)
    # Most skin is not so dark, which the forehead alone tells.
    near = bounding_box(sure).grown(math.ceil(3 * sigma) + 1, *sure.shape).slices
    usual = float(np.median(tone(blur(od[near], sigma))[sure[near]]))
    if usual < _VERY_DARK:
        return np.zeros_like(forehead)
    grey, soft = tone(od), tone(blur(od, sigma))
    red = blur(np.ascontiguousarray(od[..., 1] - od[..., 0]), 1.0)
    if float(np.median(red[sure])) < _GREY:
        return np.zeros_like(forehead)
    rough = np.sqrt(blur((grey - blur(grey, max(0.6, mm))) ** 2, 2 * mm))
    like = (red - np.median(red[sure]) > -_LESS_RED) & (rough < _ROUGHER * np.median(rough[sure]))
    like &= np.abs(soft - usual) < _OTHER_TONE
    radius = max(1, round(_THIN_MM * mm))
    like = dilated(eroded(like & forehead, radius), radius) & forehead
    _, labels = cv2.connectedComponents((like | sure).view(np.uint8))
    joined = np.isin(labels, np.unique(np.asarray(labels)[sure]))
    return np.asarray(joined & like & ~sure & (maps[Part.HAIR] > maps[Part.BROWS]))
