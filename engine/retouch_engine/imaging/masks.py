"""Small geometry on bool masks."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np

from retouch_engine.types import Bool, Box, Float, frozen

_LARGEST_DISC = 6


@cache
def disc(radius: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """A round structuring element, uint8, ``2 radius + 1`` on a side."""
    size = 2 * radius + 1
    element = np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), dtype=np.uint8)
    return frozen(element)


def dilated(mask: Bool, radius: int) -> Bool:
    """The mask grown by ``radius`` px; the border of the array is the border of the world."""
    if radius <= 0:
        return mask.copy()
    if radius > _LARGEST_DISC:
        # A large disc costs its area for each pixel; a distance costs nothing more.
        return np.asarray(cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 5)) <= radius
    return np.asarray(cv2.dilate(mask.view(np.uint8), disc(radius))).view(np.bool_)


def eroded(mask: Bool, radius: int) -> Bool:
    """The mask shrunk by ``radius`` px; what lies outside the array counts as inside."""
    if radius <= 0:
        return mask.copy()
    return np.asarray(cv2.erode(mask.view(np.uint8), disc(radius))).view(np.bool_)


def distance_inside(mask: Bool) -> Float:
    """Distance in px of each True pixel to the nearest False one; 0 where False."""
    return np.asarray(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 5), dtype=np.float32)


def framed(mask: Bool, *, repeated: bool) -> Bool:
    """The mask with one pixel more on each side: its edge repeated, or False."""
    how = cv2.BORDER_REPLICATE if repeated else cv2.BORDER_CONSTANT
    return np.asarray(cv2.copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, how)).view(np.bool_)


def distance_to(mask: Bool) -> Float:
    """Distance in px of each False pixel to the nearest True one; 0 where True."""
    return np.asarray(cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 5), dtype=np.float32)


def diameter(mask: Bool) -> float:
    """Diameter in px of the disc with the mask's area."""
    return 2 * math.sqrt(float(np.count_nonzero(mask)) / math.pi)


def bounding_box(mask: Bool) -> Box:
    """The smallest box around the True pixels.

    Raises:
        ValueError: there are none.
    """
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    if width == 0:
        raise ValueError("an empty mask has no box")
    return Box(y, x, y + height, x + width)


def placed(mask: Bool, box: Box, outer: Box) -> Bool:
    """``mask`` (the shape of ``box``) laid into an array the shape of ``outer``; cut where it sticks out."""
    canvas = np.zeros((outer.height, outer.width), dtype=np.bool_)
    y0, x0 = max(box.y0, outer.y0), max(box.x0, outer.x0)
    y1, x1 = min(box.y1, outer.y1), min(box.x1, outer.x1)
    if y0 < y1 and x0 < x1:
        canvas[y0 - outer.y0 : y1 - outer.y0, x0 - outer.x0 : x1 - outer.x0] = mask[
            y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0
        ]
    return canvas


def rows_and_columns(box: Box) -> tuple[Float, Float]:
    """Of a box of cells: its rows ``(h, 1)`` and its columns ``(1, w)``, float32.

    Not ``np.mgrid``: what is made of the two before they meet is a thousand times smaller.
    """
    rows, columns = np.arange(box.y0, box.y1, dtype=np.float32), np.arange(box.x0, box.x1, dtype=np.float32)
    return rows[:, None], columns[None]
