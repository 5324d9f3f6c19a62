"""The outline of one seed, at the seed's own size, and what the spot looks like.

Half way between the seed's peak and the skin around it, connected to the seed. One threshold for the whole
photo would merge halos and swallow moles; each seed on its own does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from retouch_engine.detect.seeds import Seed
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.masks import diameter, distance_inside
from retouch_engine.types import Bool, Float, frozen

_REACH = 6.5
"""Half the window's side, in sigmas."""
_LONGEST = 3.2
_LEAST_SUPPORT = 0.88
"""How much of the ring around a spot has to be skin."""
_SQUARE = np.ones((3, 3), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Outline:
    """One spot as outlined: ``mask`` in pixels of the seed's level, its corner there, and its look.

    ``features`` holds plain figures: densities in OD units, lengths in pixels of the photo.
    """

    seed: Seed
    mask: Bool
    top: int
    left: int
    diameter_px: float
    features: dict[str, float]


def outline(seed: Seed) -> Outline | None:
    """Outline a seed, or None when it has no closed outline of its own."""
    reach = math.ceil(_REACH * seed.sigma) + 2
    h, w = seed.plane.shape
    y0, y1 = max(0, seed.y - reach), min(h, seed.y + reach + 1)
    x0, x1 = max(0, seed.x - reach), min(w, seed.x + reach + 1)
    cy, cx = seed.y - y0, seed.x - x0
    ring = _ring(seed.sigma, reach)[reach - cy : reach - cy + y1 - y0, reach - cx : reach - cx + x1 - x0]
    skin = seed.planes.skin[y0:y1, x0:x1]
    on_skin = ring & skin
    supported = np.count_nonzero(on_skin)
    if supported < 12 or supported < _LEAST_SUPPORT * np.count_nonzero(ring):
        return None
    window = blur(seed.plane[y0:y1, x0:x1], 0.6)
    level = _median(window[on_skin])
    peak = float(window[max(0, cy - 1) : cy + 2, max(0, cx - 1) : cx + 2].max())
    mask = _enclosed(window > (peak + level) / 2, cy, cx)
    if mask is None:
        return None
    shape = _shape(mask)
    if shape["elongation"] > _LONGEST:
        return None
    features = _features(seed, mask, ring, skin, (y0, x0)) | shape
    return Outline(seed, mask, y0, x0, diameter(mask) * seed.planes.step, features)


@cache
def _ring(sigma: float, reach: int) -> Bool:
    """The skin around a spot of this size, in a window of ``2 reach + 1`` on a side."""
    far = np.hypot(*np.ogrid[-reach : reach + 1, -reach : reach + 1])
    return frozen((far > 2.6 * sigma + 1) & (far < 5.0 * sigma + 2))


def _median(values: Float) -> float:
    """What :func:`numpy.median` says, at a fifth of its cost for a few hundred numbers."""
    ordered = np.sort(values)
    return (float(ordered[(len(ordered) - 1) // 2]) + float(ordered[len(ordered) // 2])) / 2


def _enclosed(above: Bool, cy: int, cx: int) -> Bool | None:
    """What is connected with the seed, or None when that runs into the window's border."""
    if not above[cy, cx]:
        return None
    marked = above.astype(np.uint8)
    _, _, _, (x, y, width, height) = cv2.floodFill(marked, None, (cx, cy), 2)
    rows, columns = above.shape
    if x == 0 or y == 0 or x + width == columns or y + height == rows:
        return None
    return np.asarray(marked == 2)


def _features(seed: Seed, mask: Bool, ring: Bool, skin: Bool, corner: tuple[int, int]) -> dict[str, float]:
    y0, x0 = corner
    h, w = mask.shape
    od = seed.planes.od[y0 : y0 + h, x0 : x0 + w]
    grown = np.asarray(cv2.dilate(mask.view(np.uint8), _SQUARE)) > 0
    around = ring & skin & ~grown
    if np.count_nonzero(around) < 10:
        around = ring & ~grown
    surround = od[around]
    red, tone = surround[:, 1] - surround[:, 0], surround.mean(axis=1)
    middle, spread = _middle_and_spread(np.column_stack([surround, red, tone]))
    depth = distance_inside(mask)
    inside = od[mask]
    rise = od[depth >= 0.5 * depth.max()].mean(axis=0) - middle[:3]
    mean_rise = float(rise.mean())
    return {
        "z": seed.z,
        "channel_red": float(seed.channel == "red"),
        "rise_r": float(rise[0]),
        "rise_g": float(rise[1]),
        "rise_b": float(rise[2]),
        "rise_red": float(rise[1] - rise[0]),
        "red_z": float((rise[1] - rise[0]) / spread[3]),
        "dark_z": float(mean_rise / spread[:3].mean()),
        "melanin": _ratio(float(rise[0]), float(rise[1])),
        "blue_share": _ratio(float(rise[2]), float(rise[1])),
        "ring_spread": float(spread[:3].mean()),
        "ring_dark": float(np.mean(tone > middle[4] + 0.5 * abs(mean_rise) + 0.05)),
        "ring_red": float(np.mean(red > middle[3] + 0.5 * float(rise[1] - rise[0]) + 0.02)),
        "ring_skin": float(np.mean(skin[ring])),
        "ring_level": float(middle[:3].mean()),
        "ring_redness": float(middle[3]),
        "slope": _slope(tone, around),
        "crispness": _crispness(seed.plane[y0 : y0 + h, x0 : x0 + w], mask, grown),
        "inside_spread": float(np.std(inside.mean(axis=1))) / max(0.02, abs(mean_rise)),
    }


def _middle_and_spread(columns: Float) -> tuple[Float, Float]:
    """Median and robust standard deviation of each column, from one sort."""
    ordered = np.sort(columns, axis=0)
    n = len(ordered)
    middle = ordered[n // 2]
    return middle, (ordered[(3 * n) // 4] - ordered[n // 4]) / 1.35 + 1e-3


def _ratio(red: float, green: float) -> float:
    """Share of a rise that melanin explains: near 0 for blood, 0.5 to 0.9 for melanin."""
    return red / green if green > 0.02 else 1.0


def _crispness(plane: Float, mask: Bool, grown: Bool) -> float:
    """How steep the rim is: small for a soft blob, 1 and more for a drawn disc."""
    inner = mask & ~(np.asarray(cv2.erode(mask.view(np.uint8), _SQUARE)) > 0)
    outer = grown & ~mask
    inside = plane[mask]
    height = float(inside.max() - plane[~grown].mean())
    step = float(plane[inner].mean() - plane[outer].mean())
    return step * diameter(mask) / max(0.02, height)


def _slope(tone: Float, around: Bool) -> float:
    """How steeply the skin around is shaded, in OD from one side of the ring to the other."""
    ys, xs = np.nonzero(around)
    y, x = ys - ys.mean(), xs - xs.mean()
    up = float((y * tone).sum() / max(1e-6, float((y * y).sum())))
    across = float((x * tone).sum() / max(1e-6, float((x * x).sum())))
    return math.hypot(up, across) * float(ys.max() - ys.min())


def _shape(mask: Bool) -> dict[str, float]:
    """Elongation (1 is round) and solidity (1 is convex)."""
    moments = cv2.moments(mask.view(np.uint8), binaryImage=True)
    area = max(1.0, moments["m00"])
    a, b, c = moments["mu20"] / area + 1 / 12, moments["mu11"] / area, moments["mu02"] / area + 1 / 12
    root = math.sqrt((a - c) ** 2 / 4 + b * b)
    elongation = math.sqrt(((a + c) / 2 + root) / max(1e-3, (a + c) / 2 - root))
    points = cv2.findNonZero(mask.view(np.uint8))
    hull = cv2.contourArea(cv2.convexHull(points)) if len(points) > 4 else area
    return {"elongation": elongation, "solidity": float(min(1.0, area / max(area, hull + area**0.5)))}
