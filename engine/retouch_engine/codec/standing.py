"""A photo and its heals as a person sees them: files with layers stand upright, without an orientation.

Programs heed the orientation of a flat picture, but not all of them that of layers: of a photo stored on its
side Krita showed the heal layer lying beside the upright photo, and so did GIMP the Photoshop document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retouch_engine.codec.metadata import metadata_of
from retouch_engine.imaging.turning import Size, turned, turned_box, turned_size, upright
from retouch_engine.types import Bool, Box, Patch, Photo


def standing_photo(photo: Photo) -> Photo:
    """The colours, profile and metadata of a photo, turned as its orientation asks; nothing is copied.

    Of a photo that stands the very same; of others without extra channels and strips.
    """
    source = metadata_of(photo.metadata)
    size = (photo.height, photo.width)
    if source.orientation == 1:
        return photo
    resolution = source.resolution
    if resolution is not None and turned_size(size, source.orientation) != size:
        resolution = resolution[::-1]
    return replace(
        photo,
        pixels=turned(photo.pixels, source.orientation),
        extra=None,
        extra_meaning=(),
        metadata=replace(source, orientation=1, resolution=resolution),
        strips=None,
    )


def standing_patches(photo: Photo, patches: Sequence[Patch]) -> Sequence[Patch]:
    """The heals of a photo, given as it is stored, turned along with it."""
    orientation, size = _orientation(photo)
    if orientation == 1:
        return patches
    return [
        replace(
            patch,
            box=turned_box(patch.box, size, orientation),
            pixels=upright(patch.pixels, orientation),
            changed=upright(patch.changed, orientation),
        )
        for patch in patches
    ]


def standing_masks(photo: Photo, masks: Sequence[tuple[Box, Bool]]) -> Sequence[tuple[Box, Bool]]:
    """Boxes of a photo as it is stored, each with a mask, turned along with it."""
    orientation, size = _orientation(photo)
    return [(turned_box(box, size, orientation), upright(mask, orientation)) for box, mask in masks]


def _orientation(photo: Photo) -> tuple[int, Size]:
    return metadata_of(photo.metadata).orientation, (photo.height, photo.width)
