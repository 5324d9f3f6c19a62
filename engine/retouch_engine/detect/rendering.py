"""How colourful a photo shows its skin, and colours of marks as they would be in the usual rendering.

One camera's rendering shows a red spot in red and green, another's, paler, nearly as grey as a mole: of the
labelled blemishes the middle one is redder than the skin around by 0.80 of its rise in green in one public
set and by 0.35 in another, the middle mole by 0.48 and 0.19. To lines and trees fitted on both, red spots of
the pale rendering looked like moles. So their figures are told in one rendering: the density of red and of
blue beside that of green is multiplied by a gain that the skin itself tells.

Two things tell it, and neither is believed alone. The unevenness of skin between one millimetre and five:
blood makes it in red, light and pigment in green, and their ratio is nearly the same for everyone in one
rendering, whatever the skin's tone, the exposure and the white balance; but on a freckled face it is small.
And how red the skin is beside the root of its density, which freckles leave alone, and dark skin as well, but
a cast does not. Each differs by a tenth within a set, and by a factor of 1.7 and 1.9 between the two. The
networks see the photo as it is: shown in the usual rendering and trained again they found no more
(``spots.md``).

What tells a mole at all is that pigment is darker in blue than in green, and blood is less so. Where a grade
has left too little of that for ``grade`` to take back, all marks look like blood, and the skin tells this,
too. And in light that makes skin greener than it is red there is no red left to tell anything by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.density import density
from retouch_engine.types import Bool, Float

Image = NDArray[np.uint8]

_USUAL_RATIO, _USUAL_REDNESS = 0.5, 0.6
"""Of the usual rendering, between the two sets' 0.37 and 0.62, 0.41 and 0.77."""
_BY_RATIO, _BY_REDNESS = 0.5, 0.75
"""Powers. Together they part the two sets by the factor by which marks of one sort differ."""
_EACH = (0.7, 1.5)
"""What either alone may say: skin under a blue cast has no redness at all."""
_LEAST, _MOST = 0.55, 1.5
"""With up to 2 a plain mole and two freckles on the palest faces turned red, and were healed."""
CELL_MM = 0.8
_CELL = 4
"""What is looked at as one: so much skin, so many pixels of the networks' scale."""
BLOTCHES = 1.0, 6.0
"""Cells between which unevenness is mostly of blood and pigment."""
FEWEST_CELLS = 400
"""Skin too small to tell: a fifth of a face."""
_EPSILON = 1e-3


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a photo shows its skin; the values here are what is believed where there is too little of it."""

    gain: float = 1.0
    """What brings it to the usual colourfulness: 0.55 to 1.5."""
    blue_unevenness: float = 1.0
    """How uneven it is in blue, of what it is in green: 1 to 1.3 whatever the skin's tone, the exposure and
    the white balance."""
    redness: float = 0.5
    """Optical density of the middle of it in green less that in red; below 0 it is greener than red."""


USUAL = Rendering()


def rendering(rgb: Image, skin: Bool) -> Rendering:
    """How this skin is shown.

    Args:
        rgb: uint8 ``(h, w, 3)``, sRGB, at the networks' scale.
        skin: where it is skin, at any resolution.
    """
    size = max(1, rgb.shape[1] // _CELL), max(1, rgb.shape[0] // _CELL)
    od = density(np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)))
    inside = cv2.resize(skin.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return of_cells(od, np.asarray(inside, np.uint8))


def of_cells(od: Float, skin: Image) -> Rendering:
    """The same of a picture whose pixels are cells of 0.8 mm.

    Args:
        od: float32 ``(h, w, 3)``, optical density in sRGB.
        skin: uint8 ``(h, w)``, 1 where it is skin.
    """
    within = well_inside(skin)
    if np.count_nonzero(within) < FEWEST_CELLS:
        return USUAL
    planes = np.dstack((od[..., 1] - od[..., 0], od[..., 1], od[..., 2]))
    red, green, blue = unevenness(planes, skin.astype(np.float32), within, BLOTCHES)
    middle = np.median(od[within], axis=0)
    redness = float(middle[1] - middle[0])
    beside = redness / math.sqrt(max(_EPSILON, float(middle.mean())))
    ratio = red / green
    gain = _within((_USUAL_RATIO / max(_EPSILON, ratio)) ** _BY_RATIO)
    gain *= _within((_USUAL_REDNESS / max(_EPSILON, beside)) ** _BY_REDNESS)
    return Rendering(min(_MOST, max(_LEAST, gain)), blue / green, redness)


def told(figures: Mapping[str, float], by: float) -> dict[str, float]:
    """An outline's figures in the photo (``contour``) as they are in the usual rendering.

    What has no outline, and so no colour, stays as it is.
    """
    if "melanin" not in figures:
        return dict(figures)
    green, red, blue = (figures[name] for name in ("rise_g", "rise_r", "rise_b"))
    changed = {"rise_r": green + by * (red - green), "rise_b": green + by * (blue - green)}
    changed |= {name: by * figures[name] for name in ("rise_red", "ring_redness")}
    # Where green hardly rises there are no shares, and ``contour`` says 1: that stays.
    changed |= {name: 1 + by * (figures[name] - 1) for name in ("melanin", "blue_share")}
    return {**figures, **changed}


def well_inside(skin: Image) -> Bool:
    """Cells that lie two cells and more from where skin ends."""
    return np.asarray(cv2.erode(skin, np.ones((5, 5), np.uint8))) > 0


def unevenness(planes: Float, share: Float, within: Bool, between: tuple[float, float]) -> tuple[float, ...]:
    """How uneven skin is between two sizes, in cells: the middle distance from the middle value.

    Args:
        planes: float32 ``(h, w, n)``, of optical density.
        share: float32 ``(h, w)``, 1 where it is skin; what is none does not count.
        within: bool ``(h, w)``, where it is asked.
        between: standard deviations of what is smoothed away at most and left at least; 0 is nothing.
    """
    fine, coarse = (_smooth(planes, share, sigma) for sigma in between)
    inside = (fine - coarse)[within]
    apart = np.median(np.abs(inside - np.median(inside, axis=0)), axis=0)
    return tuple(np.maximum(_EPSILON, apart).tolist())


def _smooth(planes: Float, share: Float, sigma: float) -> Float:
    if not sigma:
        return planes
    over = np.maximum(_EPSILON, cv2.GaussianBlur(share, (0, 0), sigma))[..., None]
    return cast("Float", cv2.GaussianBlur(planes * share[..., None], (0, 0), sigma) / over)


def _within(factor: float) -> float:
    return min(_EACH[1], max(_EACH[0], factor))
