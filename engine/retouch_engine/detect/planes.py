"""The photo as a stack of pigment planes at a workable size.

Redness ``E = OD_G - OD_R`` rises with blood and barely with melanin; darkness ``D`` rises with both
(Tsumura 1999; E is the clinical erythema index). Outside the skin each plane is filled from the skin
nearest to it, so that no filter rings at a hairline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from retouch_engine.imaging.bands import filled
from retouch_engine.imaging.colour import to_srgb
from retouch_engine.imaging.density import density, tone
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Box, Float, Photo, Samples

_WORKABLE_PX = 7_000_000
"""More pixels than this are looked at smaller: what two pixels of a 24 MP photo hide, no client sees."""

_LEAST_SIDE_PX, _ROOM_PX = 16, 8
"""Skin narrower than this has room for no spot; around the rest some more is looked at."""


@dataclass(frozen=True, slots=True)
class Planes:
    """One size of the photo's skin.

    ``od`` is optical density ``(h, w, 3)`` as seen in sRGB; ``skin`` bool ``(h, w)``; ``step`` the size of
    one pixel here in pixels of the photo; ``y0``, ``x0`` where this array begins in the photo.
    """

    od: Float
    skin: Bool
    step: int
    y0: int
    x0: int

    def halved(self) -> Planes:
        """The same at half the size."""
        h, w = self.skin.shape
        size = (w // 2, h // 2)
        cut = self.od[: size[1] * 2, : size[0] * 2]
        od = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA))
        skin = np.ascontiguousarray(self.skin[: size[1] * 2 : 2, : size[0] * 2 : 2])
        return Planes(od, skin, self.step * 2, self.y0, self.x0)


def base_planes(photo: Photo, scene: Scene) -> Planes | None:
    """The planes at the finest size worth looking at, or None when there is no skin."""
    skin_box = scene.skin_box
    if skin_box is None or min(skin_box.height, skin_box.width) < _LEAST_SIDE_PX:
        return None
    box = skin_box.grown(_ROOM_PX, photo.height, photo.width)
    step = 1
    while box.height * box.width / step**2 > _WORKABLE_PX:
        step += 1
    shown = photo.pixels[box.slices]
    if step > 1:
        size = (box.width // step, box.height // step)
        whole = shown[: size[1] * step, : size[0] * step]
        shown = cast("Samples", cv2.resize(whole, size, interpolation=cv2.INTER_AREA))
    if not scene.srgb:
        shown = to_srgb(shown, photo.colour_profile)
    h, w = shown.shape[:2]
    skin = scene.skin_at(Box(box.y0, box.x0, box.y0 + h * step, box.x0 + w * step), step)
    return Planes(density(shown), skin, step, box.y0, box.x0)


def redness(planes: Planes) -> Float:
    """``OD_G - OD_R`` on skin, filled elsewhere; float32 ``(h, w)``."""
    return _on_skin(planes.od[..., 1] - planes.od[..., 0], planes.skin)


def darkness(planes: Planes) -> Float:
    """Mean optical density on skin, filled elsewhere; float32 ``(h, w)``."""
    return _on_skin(tone(planes.od), planes.skin)


def _on_skin(plane: Float, skin: Bool) -> Float:
    return filled(np.ascontiguousarray(plane), skin)
