"""Beards that the network takes for skin: below the nose, a field darker and less red than the face's skin.

Shadow on skin is no less red than skin; hair is. On dark skin, or in a dark photo, shadow and hair look
alike, and nothing is claimed there. A pimple is redder than skin and a mole is smaller than a field.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import rows_and_columns
from retouch_engine.survey.faces import Face
from retouch_engine.types import Bool, Float

_DARK_SKIN = 1.5
"""Mean optical density of skin on which hair hardly stands out."""
_DARKER, _LESS_RED = 0.34, 0.04
_BELOW_EYES_MM = (36.0, 125.0)
_NECK_MM = 160.0
_ASIDE_MM = 80.0
_LEAST_MM2 = 70.0


def beards(od: Float, face_skin: Float, faces: Sequence[Face], cell: float) -> Bool:
    """Where beards are.

    Args:
        od: optical density of the photo on the grid of the maps, ``(h, w, 3)``.
        face_skin: how likely each cell is a face's skin, by the network.
        faces: those found.
        cell: the size of a cell in px of the photo.
    """
    found = np.zeros(face_skin.shape, dtype=np.bool_)
    for face in faces:
        if len(face.eyes) == 2 and face.scale.px_per_mm:
            found |= _beard(od, face_skin, face, cell)
    return found


def jaws(faces: Sequence[Face], shape: tuple[int, ...], cell: float) -> Bool:
    """Where beards can be: below the nose, down the neck. Thin dark strokes there are stubble."""
    found = np.zeros(shape, dtype=np.bool_)
    for face in faces:
        if len(face.eyes) == 2 and face.scale.px_per_mm:
            below, aside = from_eyes(face, shape, cell, float(face.scale.px_per_mm) / cell)
            found |= (below > _BELOW_EYES_MM[0]) & (below < _NECK_MM) & (aside < _ASIDE_MM)
    return found


def _beard(od: Float, face_skin: Float, face: Face, cell: float) -> Bool:
    mm = float(face.scale.px_per_mm or 1.0) / cell
    nothing = np.zeros(face_skin.shape, dtype=np.bool_)
    below, aside = from_eyes(face, face_skin.shape, cell, mm)
    own = (face_skin > 0.5) & (below > -60) & (below < _BELOW_EYES_MM[1]) & (aside < _ASIDE_MM)
    bare = own & (below < _BELOW_EYES_MM[0])
    if np.count_nonzero(bare) < 50:
        return nothing
    soft = blur(od, max(0.8, 1.5 * mm))
    dark, red = tone(soft), soft[..., 1] - soft[..., 0]
    skin_dark, skin_red = float(np.median(dark[bare])), float(np.median(red[bare]))
    if skin_dark > _DARK_SKIN:
        return nothing
    hairy = own & (below > _BELOW_EYES_MM[0]) & (dark > skin_dark + _DARKER) & (red < skin_red - _LESS_RED)
    total, labels, stats, _ = cv2.connectedComponentsWithStats(hairy.view(np.uint8), connectivity=8)
    field = stats[:, cv2.CC_STAT_AREA] >= _LEAST_MM2 * mm * mm
    field[0] = False
    return np.asarray(field[labels]) if total > 1 else nothing


def from_eyes(face: Face, shape: tuple[int, ...], cell: float, mm: float) -> tuple[Float, Float]:
    """Millimetres below the line of the eyes, and aside of its middle, for each cell."""
    (ax, ay), (bx, by) = face.eyes
    length = float(np.hypot(bx - ax, by - ay))
    right, down = (bx - ax) / length, (by - ay) / length
    ys, xs = rows_and_columns(shape)
    dx, dy = xs - (ax + bx) / 2 / cell, ys - (ay + by) / 2 / cell
    below = dy * right - dx * down
    below /= mm
    aside = dx * right + dy * down
    np.abs(aside, out=aside)
    aside /= mm
    return below, aside
