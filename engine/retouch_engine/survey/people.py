"""Whose skin is whose, and what of it is a face: in a group every person is seen at that one's own scale.

Skin belongs to the face that is nearest in widths of that face, so that a large face in front does not take
the neck of a small one behind it. What the network calls face, with its parts and ears, is face; the rest is
body.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.masks import rows_and_columns
from retouch_engine.survey.faces import Face
from retouch_engine.survey.parts import Part
from retouch_engine.types import Bool, Box, Float

_FACIAL = (Part.FACE_SKIN, Part.EARS, Part.EYES, Part.BROWS, Part.LIPS, Part.NOSTRILS, Part.GLASSES)
_REACH = 1.2
"""In widths of a face, from its middle: further out nothing is part of it."""


def owners(faces: Sequence[Face], shape: tuple[int, int], cell: float) -> NDArray[np.uint8]:
    """The id of the face that each cell belongs to, whether it is skin or not.

    Args:
        faces: at least one, their ids counting from 1.
        shape: rows and columns of the grid.
        cell: the size of one cell in px of the photo.
    """
    if len(faces) == 1:
        return np.full(shape, faces[0].id, dtype=np.uint8)
    distances = np.stack([_distance(face, Box(0, 0, *shape), cell) for face in faces])
    ids = np.array([face.id for face in faces], dtype=np.uint8)
    return np.asarray(ids[distances.argmin(axis=0)])


def facial(maps: Float, faces: Sequence[Face], cell: float) -> Bool:
    """Where a face is, and no body; bool, the shape of one map.

    Args:
        maps: likelihood of each part, ``(parts, h, w)``.
        faces: at least one.
        cell: the size of one cell in px of the photo.
    """
    shape = (maps.shape[1], maps.shape[2])
    near = np.zeros(shape, dtype=np.bool_)
    for face in faces:
        box = _around(face, shape, cell)
        own = maps[(slice(None), *box.slices)]
        likely = own[_FACIAL[0]].copy()
        for part in _FACIAL[1:]:
            likely += own[part]
        near[box.slices] |= (_distance(face, box, cell) < _REACH) & (likely >= own[Part.OTHER_SKIN])
    return near


def _around(face: Face, shape: tuple[int, int], cell: float) -> Box:
    """The cells that may be part of a face, at least one."""
    reach = _REACH * max(1.0, face.width)
    sides = []
    for at, length in zip(face.centre, shape[::-1], strict=True):
        first, last = int((at - reach) / cell) - 1, int((at + reach) / cell) + 2
        sides.append((max(0, min(length - 1, first)), max(1, min(length, last))))
    (x0, x1), (y0, y1) = sides
    return Box(y0, x0, y1, x1)


def _distance(face: Face, box: Box, cell: float) -> Float:
    """From the middle of a face, in its widths, for each cell of ``box``."""
    rows, columns = rows_and_columns(box)
    ys, xs = (rows + 0.5) * cell - face.centre[1], (columns + 0.5) * cell - face.centre[0]
    return np.asarray(np.hypot(ys, xs) / np.float32(max(1.0, face.width)), dtype=np.float32)
