"""The millimetre of a face: from the distance of its eyes, else from what is left to measure.

Adults' pupils are 63 mm apart, give or take four: no photo says it better without a ruler in it. An eye's
outline reaches further out than in, so the iris is looked for: the darkest disc of an iris's size, not far
from the middle. A closed eye has none, and its middle stands.

Points are ``(x, y)`` in cells of a face's maps; a cell is 2 px of its crop.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from retouch_engine.imaging.masks import bounding_box
from retouch_engine.types import Bool, Float, PixelScale

Point = tuple[float, float]

_EYES_MM = 63.0
_IRIS_MM = 5.0
"""Radius, a little less than that of an iris: its rim is often under the lid."""
_PULL = 0.6
"""Optical density that the middle of an eye is worth against a quarter of its width beside it."""
_WIDE = 1.02
"""Found distances over those of hand-set pupils, median of the labelled portraits."""
_EYES_TO_MOUTH_MM = 70.6
_EYE_TO_MOUTH_MM = 73.4
"""The same from the one eye that a turned head shows, aslant."""
_ROOT_AREA_MM = ((0.0, 40.0, 50.0, 60.0, 75.0), (143.8, 127.5, 116.5, 107.4, 89.3))
"""Square root of the visible face's area, by the degrees of its turn. All three are medians of the labelled
portraits, turned by machine."""
_BOUND = 1.25
_TURNED = 0.3


def centres(likely: Float, share: float, most: int) -> list[Point]:
    """Centres ``(x, y)`` of the pieces above one half, the largest first; small ones are left out."""
    above = likely > 0.5
    if not above.any():
        return []
    box = bounding_box(above)
    near = np.ascontiguousarray(above[box.slices]).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = [int(i) for i in np.argsort(-areas) if areas[i] >= share * areas.max()][:most]
    found = []
    for i in order:
        ys, xs = np.nonzero(labels == i + 1)
        ys, xs = ys + box.y0, xs + box.x0
        weight = likely[ys, xs]
        found.append((float((xs * weight).sum() / weight.sum()), float((ys * weight).sum() / weight.sum())))
    return found


def pupils(eyes: list[Point], dark: Float, likely: Float) -> list[Point]:
    """The same eyes, each moved to its iris. Needs both, since they say how large an iris is.

    Args:
        eyes: centres of the eyes.
        dark: optical density of the crop, at twice the size of ``likely``.
        likely: the network's map of eyes.
    """
    if len(eyes) < 2:
        return eyes
    apart = 2 * math.dist(*eyes)
    radius = _IRIS_MM / _EYES_MM * apart
    reach = math.ceil(radius) + 1
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(xs, ys), 0, 1).astype(np.float32)
    mean = np.asarray(cv2.filter2D(dark, -1, disc / disc.sum()))
    eye = np.asarray(cv2.resize(likely, (dark.shape[1], dark.shape[0]))) > 0.5
    return [_pupil(centre, mean, eye, 0.3 * apart) for centre in eyes]


def _pupil(centre: Point, mean: Float, eye: Bool, reach: float) -> Point:
    x = 2 * centre[0] + 0.5
    ys, xs = np.nonzero(eye)
    near = np.abs(xs - x) < reach
    ys, xs = ys[near], xs[near]
    if len(xs) < 8:
        return centre
    width = float(xs.max() - xs.min()) + 1
    worth = mean[ys, xs] - _PULL * ((xs - x) / (0.25 * width)) ** 2
    weight = np.exp(40 * (worth - worth.max()))
    found = (float((xs * weight).sum() / weight.sum()), float((ys * weight).sum() / weight.sum()))
    return (found[0] - 0.5) / 2, (found[1] - 0.5) / 2


def yaw_hint(eyes: list[Point], nose: list[Point]) -> float:
    """How far the nose stands off the middle of the eyes, of their distance; 1 where that cannot be seen."""
    if len(eyes) < 2 or not nose:
        return 1.0
    (ax, ay), (bx, by) = sorted(eyes)
    length = math.hypot(bx - ax, by - ay)
    along = ((nose[0][0] - (ax + bx) / 2) * (bx - ax) + (nose[0][1] - (ay + by) / 2) * (by - ay)) / length
    return max(-1.0, min(1.0, along / length))


def scale_of(
    number: int, eyes: list[Point], mouth: list[Point], pose: tuple[float, float], sizes: tuple[float, float]
) -> PixelScale:
    """Pixels per millimetre: from the eyes when they are seen from the front, else from what is left.

    A turn brings eyes nearer to each other and takes from a face's area, but leaves it as high as it was. So
    two measures are taken of a turned face, each freed of its turn, and their mean counts.

    Args:
        number: of the face.
        eyes: those that are seen.
        mouth: its centre, if it is seen.
        pose: how far the nose stands off the middle of the eyes, of their distance, and by how many degrees
            the head is turned, 0 where that is not known.
        sizes: the size of a cell and the square root of the face's area, both in px of the photo.
    """
    hint, degrees = pose
    cell, root_area = sizes
    whose = f"of face {number}"
    turned = math.radians(abs(degrees))
    apart = math.dist(*eyes) * cell / _WIDE / _EYES_MM if len(eyes) == 2 else None
    if apart is not None and not degrees and abs(hint) < _TURNED:
        return PixelScale(round(apart, 3), f"eye distance {whose}, taken for {_EYES_MM:g} mm")
    if apart is not None and mouth:
        height = height_of(eyes, mouth[0]) * cell / _EYES_TO_MOUTH_MM
        if not degrees:
            said = f"eyes to mouth {whose}, turned away, taken for {_EYES_TO_MOUTH_MM:g} mm"
            return PixelScale(round(height, 3), said)
        said = f"eye distance and eyes to mouth {whose}, turned by about {abs(degrees):.0f} degrees"
        return PixelScale(round(math.sqrt(height * apart / math.cos(turned)), 3), said)
    area = root_area / float(np.interp(abs(degrees), *_ROOT_AREA_MM))
    if not degrees or not mouth or not eyes:
        return PixelScale(round(area, 3), f"area {whose}, in profile or covered")
    height = math.dist(eyes[0], mouth[0]) * cell / _EYE_TO_MOUTH_MM
    # An area is wrong by the hair that hangs into it: it may pull the measure by so much, and no further.
    area = min(max(area, height / _BOUND), height * _BOUND)
    return PixelScale(round(math.sqrt(height * area), 3), f"area and eye to mouth {whose}, in profile")


def height_of(eyes: list[Point], mouth: Point) -> float:
    """How far a mouth is from the line of both eyes."""
    (ax, ay), (bx, by) = eyes
    return abs((bx - ax) * (mouth[1] - ay) - (by - ay) * (mouth[0] - ax)) / math.dist(*eyes)
