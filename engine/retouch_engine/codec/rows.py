"""The result's samples, a band of rows at a time, so that no second canvas is ever held.

The source's samples stand wherever no patch says ``changed``; 8-bit sources are scaled exactly by 257. Where
patches overlap, the later one stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.types import Box, Patch, Photo, Samples

OPAQUE = 65535


def on_16_bit(samples: Samples) -> NDArray[np.uint16]:
    """The samples as uint16, a copy: uint8 times 257, so that 255 becomes 65535."""
    if samples.dtype == np.uint8:
        return np.multiply(samples, np.uint16(257), dtype=np.uint16)
    return samples.astype(np.uint16)


def on_8_bit(samples: Samples) -> NDArray[np.uint8]:
    """Samples on the 8-bit scale, rounded."""
    if samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    # Exact: no value lies nearer than 1/514 to where rounding turns. A tenth of the time of whole numbers.
    return np.asarray(cv2.convertScaleAbs(samples, alpha=1 / 257), np.uint8).reshape(samples.shape)


def stays_grey(photo: Photo) -> bool:
    """Whether the result has one colour channel.

    A grey source becomes RGB with equal channels, as editors expect, unless it carries a grey profile: such
    a profile means nothing in an RGB file and may not be dropped either. Bytes 16 to 20 of an ICC header
    name the colour space.
    """
    return photo.grey and photo.profile is not None and photo.profile[16:20] == b"GRAY"


def _touching(patches: Sequence[Patch], box: Box) -> list[tuple[Patch, tuple[slice, slice], Box]]:
    """The patches that meet ``box``: each with its part in its own coordinates, and in those of ``box``."""
    found = []
    for patch in patches:
        if patch.box.meets(box):
            common = patch.box.common(box)
            found.append((patch, common.within(patch.box).slices, common.within(box)))
    return found


def compose_box(photo: Photo, patches: Sequence[Patch], box: Box) -> NDArray[np.uint16]:
    """The result's colours within ``box``: ``(h, w, 3)`` uint16."""
    out = on_16_bit(photo.pixels[box.slices])
    for patch, own, place in _touching(patches, box):
        changed = patch.changed[own]
        out[place.slices][changed] = patch.pixels[own][changed]
    return out


def changed_box(patches: Sequence[Patch], box: Box) -> NDArray[np.bool_]:
    """Where any patch changes a sample within ``box``: ``(h, w)`` bool."""
    out = np.zeros((box.height, box.width), np.bool_)
    for patch, own, place in _touching(patches, box):
        out[place.slices] |= patch.changed[own]
    return out


def result_rows(photo: Photo, patches: Sequence[Patch], y0: int, y1: int) -> NDArray[np.uint16]:
    """Rows of the result with all its channels: ``(rows, W, S)`` uint16, contiguous."""
    box = Box(y0, 0, y1, photo.width)
    colours = compose_box(photo, patches, box)
    parts: list[NDArray[Any]] = [colours[..., :1] if stays_grey(photo) else colours]
    if photo.extra is not None:
        parts.append(on_16_bit(photo.extra[y0:y1]))
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1))


def heal_rows(photo: Photo, patches: Sequence[Patch], y0: int, y1: int) -> NDArray[np.uint16] | None:
    """Rows of the heal layer, ``(rows, W, 4)`` or ``(rows, W, 2)`` uint16, None for empty ones."""
    box = Box(y0, 0, y1, photo.width)
    met = [(p, own, at) for p, own, at in _touching(patches, box) if p.changed[own].any()]
    if not met:
        return None
    colours = 1 if stays_grey(photo) else 3
    out = np.zeros((box.height, box.width, colours + 1), np.uint16)
    for patch, own, place in met:
        changed = patch.changed[own]
        part = out[place.slices]
        part[changed, :colours] = patch.pixels[own][changed, :colours]
        part[changed, colours] = OPAQUE
    return out


def healed_channel(patches: Sequence[Patch], box: Box, number: int) -> NDArray[np.uint16]:
    """One colour of the heals within ``box``, zero elsewhere: ``(h, w)`` uint16."""
    out = np.zeros((box.height, box.width), np.uint16)
    for patch, own, place in _touching(patches, box):
        np.copyto(out[place.slices], patch.pixels[(*own, number)], where=patch.changed[own])
    return out
