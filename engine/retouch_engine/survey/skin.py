"""Skin by colour, per photo.

A fixed colour box fails on warm light and on very dark or very pale skin. So: a wide gate that any skin
under any usual light passes, then the photo's own skin is taken to be the region in it that is large, smooth,
red and not a backdrop (a backdrop runs along the frame), and everything far from that region's colour in
(log R/G, log G/B) is dropped. Lips, hair and most cloth go that way; wood and sand of skin's own colour do
not, which is one reason why this version heals so little.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from retouch_engine.imaging.bands import blur, low_band
from retouch_engine.imaging.density import tone as mean_tone
from retouch_engine.imaging.masks import disc
from retouch_engine.types import Bool, Float

_LEAST_SHARE = 0.003
"""Smaller regions, of the whole photo, are not taken for skin."""
_COLOURS = 5
_ROUNDS = 2
_SPREAD = 0.08
"""The least spread of skin's own colour: a face has a pale brow and red cheeks."""
_HOLE_SHARE = 0.0035
"""Holes smaller than this, of the skin they lie in, are spots and not eyes: they are skin."""
_LEAST_SIDE, _FINE, _WIDE = 40.0, 0.006, 0.07
_DARKER, _PIECE = 0.3, 0.002
"""A dark piece: optical density over the skin around, and share of the skin's area (40 mm2 of a face)."""
_FAR = 3.0
"""Mahalanobis distance from the photo's own skin colour at which a pixel stops being skin."""

Axes = tuple[Float, Float]
"""Two numbers of each colour, ``(n,)`` each."""


def coloured(od: Float, *, grey: bool) -> tuple[Float, Bool]:
    """What :func:`skin_mask` and :func:`dark_pieces` find."""
    skin = skin_mask(od, grey=grey)
    return skin, dark_pieces(od, skin)


def skin_mask(od: Float, *, grey: bool) -> Float:
    """Skin on a small sRGB copy of a photo.

    Args:
        od: optical density, float32 ``(h, w, 3)``.
        grey: the photo has no colour; then nothing is called skin, since nothing supports it.

    Returns:
        float32 ``(h, w)``, 0 or 1, smoothed over one pixel.
    """
    if grey:
        return np.zeros(od.shape[:2], dtype=np.float32)
    tone = blur(od, 1.0)
    plausible = _gate(tone) & _smooth(od)
    core = _core(_opened(plausible, 2), tone)
    if not core.any():
        return np.zeros(od.shape[:2], dtype=np.float32)
    (axes,) = _axes(tone, plausible)
    close = core[plausible]
    for _ in range(_ROUNDS):
        close = _near(axes, (axes[0][close], axes[1][close]))
    own = np.zeros_like(core)
    own[plausible] = close
    own = _without_holes(_without_islands(_opened(own, 1)))
    return blur(own.astype(np.float32), 0.8)


def _gate(tone: Float) -> Bool:
    """What any skin passes: redder than green, no bluer than green by much, neither clipped nor black."""
    red = tone[..., 1] - tone[..., 0]
    yellow = tone[..., 2] - tone[..., 1]
    dark = mean_tone(tone)
    lit = (dark > 0.05) & (dark < 3.6)
    return np.asarray(lit & (red > 0.08) & (red < 1.7) & (yellow > -0.3) & (yellow < 1.3))


def _smooth(od: Float) -> Bool:
    """Skin varies slowly; hair, cloth and foliage do not."""
    grey = mean_tone(od)
    rough = blur(np.abs(grey - blur(grey, 1.5)), 2.0)
    return np.asarray(rough < 0.075)


def _opened(mask: Bool, radius: int) -> Bool:
    opened = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, disc(radius))
    return np.asarray(opened) > 0


def _components(mask: Bool) -> tuple[np.ndarray, np.ndarray]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    return np.asarray(labels), np.asarray(stats)[:, cv2.CC_STAT_AREA]


def _core(mask: Bool, tone: Float) -> Bool:
    """The patch of one colour that is most likely skin, or nothing.

    By colour and not by connection: a face in front of a warm wall touches it.
    """
    best, most = np.zeros_like(mask), 0.0
    (axes,) = _axes(tone, mask)
    for own in _colours(axes, mask.size):
        region = np.zeros_like(mask)
        region[mask] = own
        frame = np.concatenate([region[0], region[:, 0], region[:, -1]])
        likely = float(own.sum()) * float(np.median(axes[0][own])) * max(0.0, 1 - 2.5 * float(frame.mean()))
        if likely > most:
            best, most = region, likely
    return best


def _colours(axes: Axes, total: int) -> Iterator[Bool]:
    """Some of a photo's ``total`` pixels by their colours, by k-means; only those that cover enough of it."""
    count = len(axes[0])
    if count < _LEAST_SHARE * total:
        return
    sample = np.stack([values[:: max(1, count // 6000)] for values in axes], axis=-1)
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.005)
    colours = min(_COLOURS, len(sample))
    _, _, centres = cv2.kmeans(sample, colours, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    least, nearest = np.full(count, np.inf, np.float32), np.zeros(count, np.int8)
    for k, (a, b) in enumerate(np.asarray(centres)):
        distance = (axes[0] - a) ** 2 + (axes[1] - b) ** 2
        nearest[distance < least] = k
        np.minimum(least, distance, out=least)
    for k in range(colours):
        own = nearest == k
        if np.count_nonzero(own) >= _LEAST_SHARE * total:
            yield own


def _axes(tone: Float, *wheres: Bool) -> list[Axes]:
    """``log R/G`` and ``log G/B`` of some pixels, ``(n,)`` each: a colour without the light's strength."""
    planes = cv2.split(tone)
    found = []
    for where in wheres:
        red, green, blue = (plane[where] for plane in planes)
        found.append((green - red, blue - green))
    return found


def _without_islands(mask: Bool) -> Bool:
    labels, areas = _components(mask)
    large = areas >= _LEAST_SHARE * mask.size
    large[0] = False
    return np.asarray(large[labels])


def _without_holes(mask: Bool) -> Bool:
    labels, areas = _components(~mask)
    small = areas < _HOLE_SHARE * max(1, int(mask.sum()))
    small[0] = False
    return np.asarray(mask | small[labels])


def near_colour(tone: Float, core: Bool, where: Bool) -> Bool:
    """Which pixels ``where``, ``(n,)``, are within reach of the core's colour, see :func:`_near`."""
    return _near(*_axes(tone, where, core))


def _near(axes: Axes, core: Axes) -> Bool:
    """Which of ``(n,)`` pixels the core's colours reach, by a robust Gaussian in (log R/G, log G/B)."""
    middles = [np.median(values) for values in core]
    offsets, close = [], np.ones(len(core[0]), np.bool_)
    for values, middle in zip(core, middles, strict=True):
        offset = values - middle
        away = np.abs(offset)
        close &= away < 3 * np.float32(1.48 * np.median(away)) + _SPREAD
        offsets.append(offset)
    covariance = np.cov([offset[close] for offset in offsets]) + np.eye(2) * _SPREAD**2
    (a, b), (_, c) = np.linalg.inv(covariance)
    y, x = (values - middle for values, middle in zip(axes, middles, strict=True))
    return np.asarray(a * y * y + 2 * b * y * x + c * x * x < _FAR**2)


def side_of(skin: Float) -> float:
    """The side, in cells, of a square as large as all skin; of a face it is about 140 mm."""
    return float(np.sqrt(max(1.0, float(skin.sum()))))


def dark_pieces(od: Float, found: Float) -> Bool:
    """Pieces of skin's colour that are much darker than the skin around, and larger than spots are.

    Args:
        od: optical density, ``(h, w, 3)``.
        found: where skin is, ``(h, w)``, 0 to 1.
    """
    skin, side = found > 0.5, side_of(found)
    if not skin.any() or side < _LEAST_SIDE:
        return np.zeros_like(skin)
    grey = blur(mean_tone(od), max(0.6, _FINE * side))
    weight = skin.astype(np.float32)
    dark = grey - _around(grey, weight, _WIDE * side)
    dark = grey - _around(grey, weight * (np.abs(dark) < _DARKER), _WIDE * side)
    labels, areas = _components((dark > _DARKER) & skin)
    large = areas > _PIECE * side * side
    large[0] = False
    return np.asarray(large[labels])


def _around(grey: Float, weight: Float, sigma: float) -> Float:
    # At full size this was half of all that is done for a photo by colour.
    return np.asarray(low_band(grey[..., None], weight, sigma, coarsest=4)[..., 0])
