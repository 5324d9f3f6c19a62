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
from retouch_engine.kernels import outlines
from retouch_engine.types import Bool, frozen

_REACH = 6.5
"""Half the window's side, in sigmas."""
_LONGEST = 3.2
_LEAST_SUPPORT = 0.88
"""How much of the ring around a spot has to be skin."""


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
    on_skin, total = outlines.supported(ring, skin)
    if on_skin < 12 or on_skin < _LEAST_SUPPORT * total:
        return None
    window = blur(seed.plane[y0:y1, x0:x1], 0.6)
    closed, mask = outlines.halfway(window, ring, skin, cy, cx)
    if not closed:
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


def _features(seed: Seed, mask: Bool, ring: Bool, skin: Bool, corner: tuple[int, int]) -> dict[str, float]:
    cut = slice(corner[0], corner[0] + mask.shape[0]), slice(corner[1], corner[1] + mask.shape[1])
    depth = distance_inside(mask)
    look = outlines.figures(seed.planes.od[cut], seed.plane[cut], mask, ring, skin, depth).tolist()
    red, green, blue = (np.float32(rise) for rise in look[outlines.RISE : outlines.RING_DARK])
    spread = [np.float32(one) for one in look[outlines.SPREAD : outlines.RISE]]
    mean_rise, mean_spread = (
        (one + two + three) / np.float32(3) for one, two, three in ((red, green, blue), spread[:3])
    )
    steep = look[outlines.STEP] * diameter(mask)
    return {
        "z": seed.z,
        "channel_red": float(seed.channel == "red"),
        "rise_r": float(red),
        "rise_g": float(green),
        "rise_b": float(blue),
        "rise_red": float(green - red),
        "red_z": float((green - red) / spread[3]),
        "dark_z": float(mean_rise / mean_spread),
        "melanin": _ratio(float(red), float(green)),
        "blue_share": _ratio(float(blue), float(green)),
        "ring_spread": float(mean_spread),
        "ring_dark": look[outlines.RING_DARK],
        "ring_red": look[outlines.RING_RED],
        "ring_skin": look[outlines.RING_SKIN],
        "ring_level": look[outlines.RING_LEVEL],
        "ring_redness": look[outlines.MIDDLE + 3],
        # How steeply the skin around is shaded, in OD from one side of the ring to the other.
        "slope": math.hypot(look[outlines.UP], look[outlines.ACROSS]) * look[outlines.TALL],
        # How steep the rim is: small for a soft blob, 1 and more for a drawn disc.
        "crispness": steep / max(0.02, look[outlines.HEIGHT]),
        "inside_spread": look[outlines.INSIDE] / max(0.02, abs(float(mean_rise))),
    }


def _ratio(red: float, green: float) -> float:
    """Share of a rise that melanin explains: near 0 for blood, 0.5 to 0.9 for melanin."""
    return red / green if green > 0.02 else 1.0


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
