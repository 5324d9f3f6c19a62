"""A grade laid over a photo, taken back where its marks are told apart; what is healed is the photo as it is.

Networks, trees and lines learned from photos as cameras show them. Contrast and films' curves bend each
channel by its own slope, and slopes are what tells marks: a red spot is one because it is darker in green
than in red, a mole because it is darker in blue still. Under a curve that flattens blue, moles were healed as
red spots; under hard contrast, which leaves bright red behind, three times as many places where nothing is.

The skin tells its slopes. Pores, blotches and whole cheeks, each weighed alike, are 0.7 to 0.95 times as
uneven in red as in green and 1.02 to 1.28 times in blue, whatever the skin's tone, the exposure, the white
balance and the camera. One size alone is wrong on somebody: on skin with much acne blotches are of blood, and
that is nearly invisible in red. Only what lies outside of this is taken back: nearly all photos without a
grade are looked at as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.detect.rendering import (
    BLOTCHES,
    CELL_MM,
    FEWEST_CELLS,
    of_cells,
    unevenness,
    well_inside,
)
from retouch_engine.imaging.colour import is_srgb, to_srgb
from retouch_engine.imaging.density import density, encode
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Box, Float, Photo, Samples

_PORES, _CHEEKS = (0.0, 1.0), (1.5, 6.25)
"""Cells of texture and small marks, and of shading and blush; these four times as wide."""
_QUARTER = 4
_LEAST_RED = 0.7
_LEAST_BLUE = 1.03, 1.08
"""Of pale renderings and of colourful ones, in blue. Of 181 portraits without a grade one lies below in red,
at 0.64, and three just below in blue, at 1.02; of five edited ones two at 0.55 and 0.66 and three at 0.94 to
0.99. Fading brings blue to 0.7 to 1.04, contrast red to 0.4 to 0.75."""
_PALE, _COLOURFUL = 1.0, 0.85
"""Gains that make the two usual (``rendering``)."""
_SHORT, _BEYOND = 0.1, 0.12
"""So far short of the least it is surely a grade, and is brought so far beyond the least, to where most
photos are. On the way there it is taken back by and by: no photo lies on an edge."""
_STEEPEST = 2.5
"""More is not there to be had: eight bits of JPEG, stretched. What is still flat then is only offered."""
_TONED = 0.03
"""As uneven in all channels: black and white, sepia. There are no colours to bring back."""
_UNCHANGED = 0.01
_BAND_ROWS = 256
_ROOM_PX = 16
"""So much is looked at beside skin: without it an edge would run there."""


@dataclass(frozen=True, slots=True)
class Grade:
    """What is taken back: slopes of the channels' optical density in sRGB, around the middle of the skin."""

    slopes: tuple[float, float, float] = (1.0, 1.0, 1.0)
    around: tuple[float, float, float] = (0.0, 0.0, 0.0)
    box: Box | None = None
    """Where the skin is, and what is shown beside it; elsewhere nothing is looked for."""

    @property
    def strength(self) -> float:
        """The factor by which one channel's slope differs most: 1 where nothing is taken back."""
        return max(max(s, 1 / s) for s in self.slopes)

    def taken_back(self, photo: Photo) -> Photo:
        """The photo without it, in sRGB, to look at; itself where there is none.

        Of a wide gamut the channels are others. Bent by slopes that were told in sRGB, those of ProPhoto
        showed skin more than twice as uneven in red as any skin is.
        """
        if self.box is None:
            return photo
        levels = np.arange(2**photo.bit_depth, dtype=photo.pixels.dtype)
        table = self._shown(np.repeat(levels[None, :, None], 3, axis=2))
        profile = None if is_srgb(photo.colour_profile) else photo.colour_profile
        pixels = photo.pixels.copy()
        for y0 in range(self.box.y0, self.box.y1, _BAND_ROWS):
            band = replace(self.box, y0=y0, y1=min(self.box.y1, y0 + _BAND_ROWS)).slices
            pixels[band] = cv2.LUT(to_srgb(photo.pixels[band], profile), table)
        return replace(photo, pixels=pixels, profile=None)

    def _shown(self, samples: Samples) -> NDArray[Any]:
        slopes, around = (np.array(each, np.float32) for each in (self.slopes, self.around))
        top = np.iinfo(samples.dtype).max
        shown = encode(around + slopes * (density(samples) - around)) * np.float32(top)
        rounded: NDArray[Any] = np.clip(shown.round(), 0, top).astype(samples.dtype)
        return rounded


NONE = Grade()


def grade_of(photo: Photo, scene: Scene) -> Grade:
    """What is to be taken back of a photo, told by the skin of the largest face that shows enough of it.

    Args:
        photo: as it is.
        scene: what the survey knows of it.
    """
    seen = next(filter(None, (_cells(photo, person) for person in scene.people())), None)
    if seen is None or scene.skin_box is None:
        return NONE
    od, skin, within = seen
    red, blue = _uneven(od, skin.astype(np.float32), within)
    # Only below the higher line it matters which of the two counts.
    least = _LEAST_BLUE[1] if blue >= _LEAST_BLUE[1] else _least_blue(of_cells(od, skin).gain)
    slopes = _slopes(red, blue, least)
    if max(abs(s - 1) for s in slopes) < _UNCHANGED:
        return NONE
    middle = np.median(od[within], axis=0)
    around = float(middle[0]), float(middle[1]), float(middle[2])
    return Grade(slopes, around, scene.skin_box.grown(_ROOM_PX, photo.height, photo.width))


def _cells(photo: Photo, person: Scene) -> tuple[Float, NDArray[np.uint8], Bool] | None:
    """One person's skin in cells of 0.8 mm: density in sRGB, where it is skin, where well inside of it.

    None where nothing says how large a millimetre is, or too little is seen.
    """
    box, scale = person.skin_box, person.scale.px_per_mm
    if box is None or not scale:
        return None
    zoom = min(1.0, 1 / (CELL_MM * scale))
    size = max(1, round(box.width * zoom)), max(1, round(box.height * zoom))
    skin = person.skin_at(box, max(1, int(1 / zoom))).view(np.uint8)
    inside = np.asarray(cv2.resize(skin, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    within = well_inside(inside)
    if np.count_nonzero(within) < FEWEST_CELLS:
        return None
    # Four rows of pixels are enough of a cell: all of them took twice as long at 24 MP.
    rows = photo.pixels[box.slices][:: max(1, int(1 / zoom) // 4)]
    cells = np.asarray(cv2.resize(rows, size, interpolation=cv2.INTER_AREA))
    return density(cells if person.srgb else to_srgb(cells, photo.colour_profile)), inside, within


def _uneven(od: Float, share: Float, within: Bool) -> tuple[float, float]:
    """How uneven skin is in red and in blue, of what it is in green: the mean over three sizes, in log."""
    size = max(1, od.shape[1] // _QUARTER), max(1, od.shape[0] // _QUARTER)
    small = [np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA)) for part in (od, share)]
    inner = cv2.resize(within.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    channels = np.log(
        (
            unevenness(od, share, within, _PORES),
            unevenness(od, share, within, BLOTCHES),
            unevenness(small[0], small[1], np.asarray(inner), _CHEEKS),
        )
    ).mean(axis=0)
    return float(np.exp(channels[0] - channels[1])), float(np.exp(channels[2] - channels[1]))


def _least_blue(gain: float) -> float:
    """Colourful renderings show pigment bluer: faded, their skin is where that of pale ones begins."""
    return float(np.interp(gain, (_COLOURFUL, _PALE), _LEAST_BLUE[::-1]))


def _slopes(red: float, blue: float, least_blue: float) -> tuple[float, float, float]:
    """Those that bring skin back to where it is without a grade.

    Green and blue are made flatter where red is flat beside them, and not red steeper: contrast is the
    commoner cause, and what is steeper than it was shows marks where there are none.
    """
    if max(abs(red - 1), abs(blue - 1)) < _TONED:
        return 1.0, 1.0, 1.0
    flatter = 1 / _taken_back(red, _LEAST_RED)
    return 1.0, flatter, flatter * _taken_back(blue, least_blue)


def _taken_back(uneven: float, least: float) -> float:
    """The factor for one ratio."""
    if uneven >= least:
        return 1.0
    wanted = least + _BEYOND * min(1.0, (least - uneven) / _SHORT)
    return wanted / max(uneven, wanted / _STEEPEST)
