"""A mask that a person painted: any grey or RGB picture of the photo's size, lying or turned as it is.

Most editors turn a photo upright that says it lies on its side, and its mask as well. What they save has
another orientation than the photo, and often another size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.decoded import Decoded
from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.read import read_samples
from retouch_engine.errors import MaskMismatch
from retouch_engine.imaging.turning import back, turned
from retouch_engine.recipe import Limits
from retouch_engine.types import Photo

_ASSOCIATED = 1


def read_painted_mask(path: Path, photo: Photo, limits: Limits) -> NDArray[np.uint8]:
    """The mask as ``(H, W)`` uint8, lying as the photo is stored.

    Colours are averaged; what is transparent counts as black.

    Raises:
        MaskMismatch: another size than the photo's.
        EngineError: the reasons of :func:`~retouch_engine.codec.read.read_photo`, but a mask of ours,
            changed and offered again, is welcome.
    """
    decoded = read_samples(path, limits)
    samples = _laid(decoded, photo)
    height, width, _ = samples.shape
    if (height, width) != (photo.height, photo.width):
        raise MaskMismatch(path, f"{width} x {height} px", f"{photo.width} x {photo.height} px")
    full = float(np.iinfo(samples.dtype).max)
    value = samples[..., : decoded.colours].mean(axis=-1, dtype=np.float32) / full
    # Associated alpha is in the colours already; Photoshop calls any alpha of a flat picture unassociated.
    if decoded.extra_meaning and decoded.extra_meaning[0] != _ASSOCIATED:
        value *= samples[..., decoded.colours].astype(np.float32) / full
    mask: NDArray[np.uint8] = np.rint(value * 255).astype(np.uint8)
    return mask


def _laid(decoded: Decoded, photo: Photo) -> NDArray[Any]:
    """The mask's samples as the photo is stored: by the mask's word, without one as they lie if that fits."""
    told = metadata_of(decoded.metadata)
    lying = decoded.samples
    laid = turned(turned(lying, told.orientation), back(metadata_of(photo.metadata).orientation))
    ways = (laid, lying) if told.says_orientation else (lying, laid)
    return next((way for way in ways if way.shape[:2] == (photo.height, photo.width)), lying)
