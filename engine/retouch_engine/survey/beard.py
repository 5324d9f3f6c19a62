"""Beards that the network takes for skin: below the nose, a field darker and less red than the face's skin.

Shadow on skin is no less red than skin; hair is. On dark skin, or in a dark photo, shadow and hair look
alike, and nothing is claimed there. A pimple is redder than skin and a mole is smaller than a field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import rows_and_columns
from retouch_engine.survey.faces import Face
from retouch_engine.survey.gauge import Point
from retouch_engine.types import Bool, Box, Float

_DARK_SKIN = 1.5
"""Mean optical density of skin on which hair hardly stands out."""
_DARKER, _LESS_RED = 0.34, 0.04
_ABOVE_EYES_MM, _BELOW_EYES_MM = -60.0, (36.0, 125.0)
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
        box = band(face, found.shape, cell, (_ABOVE_EYES_MM, _BELOW_EYES_MM[1]), _ASIDE_MM)
        if box is not None:
            found[box.slices] |= _beard(od, face_skin, face, box, cell)
    return found


def jaws(faces: Sequence[Face], shape: tuple[int, ...], cell: float) -> Bool:
    """Where beards can be: below the nose, down the neck. Thin dark strokes there are stubble."""
    found = np.zeros(shape, dtype=np.bool_)
    for face in faces:
        box = band(face, shape, cell, (_BELOW_EYES_MM[0], _NECK_MM), _ASIDE_MM)
        if box is not None:
            below, aside = from_eyes(face, box, cell)
            near = (below > _BELOW_EYES_MM[0]) & (below < _NECK_MM) & (aside < _ASIDE_MM)
            found[box.slices] |= near
    return found


def _beard(od: Float, face_skin: Float, face: Face, box: Box, cell: float) -> Bool:
    """Inside ``box``, which holds all of the face where a beard can be or its skin is measured."""
    mm = float(face.scale.px_per_mm or 1.0) / cell
    nothing = np.zeros((box.height, box.width), dtype=np.bool_)
    below, aside = from_eyes(face, box, cell)
    own = (face_skin[box.slices] > 0.5) & (below > _ABOVE_EYES_MM) & (below < _BELOW_EYES_MM[1])
    own &= aside < _ASIDE_MM
    bare = own & (below < _BELOW_EYES_MM[0])
    if np.count_nonzero(bare) < 50:
        return nothing
    sigma = max(0.8, 1.5 * mm)
    around = box.grown(math.ceil(3 * sigma), *face_skin.shape)
    soft = blur(od[around.slices], sigma)[box.within(around).slices]
    dark, red = tone(soft), soft[..., 1] - soft[..., 0]
    skin_dark, skin_red = float(np.median(dark[bare])), float(np.median(red[bare]))
    if skin_dark > _DARK_SKIN:
        return nothing
    hairy = own & (below > _BELOW_EYES_MM[0]) & (dark > skin_dark + _DARKER) & (red < skin_red - _LESS_RED)
    total, labels, stats, _ = cv2.connectedComponentsWithStats(hairy.view(np.uint8), connectivity=8)
    field = stats[:, cv2.CC_STAT_AREA] >= _LEAST_MM2 * mm * mm
    field[0] = False
    return np.asarray(field[labels]) if total > 1 else nothing


def band(
    face: Face, shape: tuple[int, ...], cell: float, below: tuple[float, float], aside: float
) -> Box | None:
    """What holds all cells that lie so many mm below the line of the eyes and so many aside of its middle.

    None where there are no such cells, or both eyes or the millimetre are not known.
    """
    if len(face.eyes) != 2 or not face.scale.px_per_mm:
        return None
    (x, y), right, down = _axes(face, cell)
    mm = float(face.scale.px_per_mm) / cell
    corners = [
        (x + mm * (along * right - away * down), y + mm * (along * down + away * right))
        for along in (-aside, aside)
        for away in below
    ]
    xs, ys = zip(*corners, strict=True)
    x0, y0 = max(0, math.floor(min(xs))), max(0, math.floor(min(ys)))
    x1, y1 = min(shape[1], math.ceil(max(xs)) + 1), min(shape[0], math.ceil(max(ys)) + 1)
    return Box(y0, x0, y1, x1) if x0 < x1 and y0 < y1 else None


def from_eyes(face: Face, box: Box, cell: float) -> tuple[Float, Float]:
    """Millimetres below the line of the eyes, and aside of its middle, for each cell of ``box``."""
    (x, y), right, down = _axes(face, cell)
    mm = float(face.scale.px_per_mm or 1.0) / cell
    ys, xs = rows_and_columns(box)
    dx, dy = xs - x, ys - y
    below = dy * right - dx * down
    below /= mm
    aside = dx * right + dy * down
    np.abs(aside, out=aside)
    aside /= mm
    return below, aside


def _axes(face: Face, cell: float) -> tuple[Point, float, float]:
    """The middle of the eyes in cells, and the way from the left one to the right one, of length 1."""
    (ax, ay), (bx, by) = face.eyes
    length = float(np.hypot(bx - ax, by - ay))
    return ((ax + bx) / 2 / cell, (ay + by) / 2 / cell), (bx - ax) / length, (by - ay) / length
