"""A result on fewer pixels: heals are composed at 100 % and shrunk together with the photo around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.contact import srgb
from retouch_engine.codec.drawn import drawn_jpeg
from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.rows import compose_box, on_8_bit
from retouch_engine.codec.strips import writing
from retouch_engine.imaging.turning import upright
from retouch_engine.types import Box, Patch, Photo

OVERVIEW_PX = 2048
_QUALITY = 88


def write_overview(path: Path, photo: Photo, patches: Sequence[Patch]) -> None:
    """Write the result at :data:`OVERVIEW_PX` or less on its long side, as an upright sRGB JPEG.

    Raises:
        StagingFull: no room.
    """
    scale = -(-max(photo.width, photo.height) // OVERVIEW_PX)
    plane = shrunk(photo.pixels, scale)
    pixels = np.array(plane)
    lay(pixels, Box(0, 0, *plane.shape[:2]), scale, photo, patches)
    picture = upright(seen(pixels, photo), metadata_of(photo.metadata).orientation)
    data = drawn_jpeg(picture, _QUALITY)
    with writing(path, len(data)):
        path.write_bytes(data)


def shrunk(pixels: NDArray[Any], scale: int) -> NDArray[Any]:
    """Every ``scale`` by ``scale`` pixels averaged; what is left over at the right and below is cut off."""
    if scale == 1:
        return pixels
    size = (max(1, pixels.shape[1] // scale), max(1, pixels.shape[0] // scale))
    even = pixels[: scale * size[1], : scale * size[0]]
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA))


def lay(pixels: NDArray[Any], box: Box, scale: int, photo: Photo, patches: Sequence[Patch]) -> None:
    """Lay heals over a part of a shrunk photo, in place.

    Args:
        pixels: ``(h, w, 3)`` of the photo's own dtype: the part.
        box: where it lies in the shrunk photo.
        scale: how many pixels of the photo one of its pixels stands for, along each axis.
        photo: the photo.
        patches: its heals.
    """
    for patch in patches:
        p = patch.box
        y0, x0 = max(p.y0 // scale, box.y0), max(p.x0 // scale, box.x0)
        y1, x1 = min(-(-p.y1 // scale), box.y1), min(-(-p.x1 // scale), box.x1)
        if y1 <= y0 or x1 <= x0:
            continue
        composed: NDArray[Any] = compose_box(
            photo, patches, Box(y0 * scale, x0 * scale, y1 * scale, x1 * scale)
        )
        composed = shrunk(composed, scale)
        if pixels.dtype == np.uint8:
            composed = on_8_bit(composed)
        pixels[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0] = composed


def seen(pixels: NDArray[Any], photo: Photo) -> NDArray[np.uint8]:
    """Samples of a photo, of its own dtype, as uint8 sRGB."""
    wide = pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * np.uint16(257)
    return srgb(wide, photo)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """An sRGB picture as JPEG."""
    return bytes(imagecodecs.jpeg_encode(np.ascontiguousarray(picture), _QUALITY))
