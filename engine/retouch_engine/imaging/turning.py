"""How a picture lies in its file, and how a person sees it: the eight orientations of EXIF."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.types import Box

_ON_ITS_SIDE = frozenset({5, 6, 7, 8})
_UPSIDE_DOWN = frozenset({3, 4, 7, 8})
_BACK_TO_FRONT = frozenset({2, 3, 6, 7})
_MIRRORED = frozenset({2, 4, 5, 7})
Place = tuple[float, float]
Size = tuple[int, int]
"""Height and width of a picture before it is turned."""


def turned(picture: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A picture ``(h, w, ...)`` turned as its EXIF orientation (1 to 8) asks; a view, nothing is copied."""
    if orientation in _ON_ITS_SIDE:
        picture = np.swapaxes(picture, 0, 1)
    if orientation in _UPSIDE_DOWN:
        picture = picture[::-1]
    return picture[:, ::-1] if orientation in _BACK_TO_FRONT else picture


def upright(picture: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The same in one block of memory."""
    return np.ascontiguousarray(turned(picture, orientation))


def back(orientation: int) -> int:
    """The orientation that undoes another: all but the two quarter turns undo themselves."""
    return {6: 8, 8: 6}.get(orientation, orientation)


def mirrored(orientation: int) -> bool:
    """Whether left and right change places, beside any turn."""
    return orientation in _MIRRORED


def turned_size(size: Size, orientation: int) -> Size:
    """Height and width after a turn."""
    return size[::-1] if orientation in _ON_ITS_SIDE else size


def turned_place(place: Place, size: Size, orientation: int) -> Place:
    """Where a point ``(x, y)`` comes to lie, whole numbers being the middles of pixels."""
    x, y = reversed(place) if orientation in _ON_ITS_SIDE else place
    height, width = turned_size(size, orientation)
    return (
        width - 1 - x if orientation in _BACK_TO_FRONT else x,
        height - 1 - y if orientation in _UPSIDE_DOWN else y,
    )


def turned_box(box: Box, size: Size, orientation: int) -> Box:
    """Where a box comes to lie."""
    corners = ((box.x0, box.y0), (box.x1 - 1, box.y1 - 1))
    (ax, ay), (bx, by) = (turned_place(corner, size, orientation) for corner in corners)
    return Box(int(min(ay, by)), int(min(ax, bx)), int(max(ay, by)) + 1, int(max(ax, bx)) + 1)
