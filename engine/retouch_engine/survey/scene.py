"""One look at the whole photo, at a size where a face is still a face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from retouch_engine.imaging.colour import is_srgb, to_srgb
from retouch_engine.imaging.density import density
from retouch_engine.survey.skin import skin_mask
from retouch_engine.types import Bool, Box, Float, Photo, PixelScale, frozen

_PROXY_PX = 640
"""Long side of the small picture that skin is looked for in."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of a photo before spots are looked for.

    ``skin`` is float32, 0 to 1, on a small copy of the photo; :meth:`skin_in` reads it at full size.
    """

    skin: Float
    height: int
    width: int
    srgb: bool
    """The photo's samples may be measured as sRGB without conversion."""
    scale: PixelScale

    @property
    def skin_share(self) -> float:
        """How much of the photo is skin, 0 to 1."""
        return float(self.skin.mean())

    def skin_in(self, box: Box) -> Bool:
        """Skin at full size inside ``box``: bool, the shape of the box.

        The small map is interpolated, so that its border is a smooth line and no staircase.
        """
        return self.skin_at(box, 1)

    def skin_at(self, box: Box, step: int) -> Bool:
        """Skin inside ``box`` (full-size pixels), sampled every ``step`` px."""
        sy = self.skin.shape[0] / self.height
        sx = self.skin.shape[1] / self.width
        ys = ((np.arange(box.y0, box.y1, step) + step / 2) * sy - 0.5).astype(np.float32)
        xs = ((np.arange(box.x0, box.x1, step) + step / 2) * sx - 0.5).astype(np.float32)
        grid_x, grid_y = np.meshgrid(xs, ys)
        taken = cv2.remap(self.skin, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(taken) > 0.5


def survey(photo: Photo) -> Scene:
    """Look at the whole photo once."""
    long_side = max(photo.height, photo.width)
    shrink = min(1.0, _PROXY_PX / long_side)
    size = (max(1, round(photo.width * shrink)), max(1, round(photo.height * shrink)))
    small = np.asarray(cv2.resize(np.ascontiguousarray(photo.pixels), size, interpolation=cv2.INTER_AREA))
    plain = is_srgb(photo.profile)
    shown = small if plain else to_srgb(small, photo.profile)
    skin = skin_mask(density(shown), grey=photo.grey)
    return Scene(
        skin=frozen(skin),
        height=photo.height,
        width=photo.width,
        srgb=plain,
        scale=PixelScale(None, "unknown: this version finds no faces, so sizes are in pixels only"),
    )
