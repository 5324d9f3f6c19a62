"""Raw files in, developed by LibRaw (extra: raw): the camera's white balance, no other taste.

A developer's look is not in a raw file: an editor's export is always the better source, and the notes say so.
No brightening, no sharpening, no noise reduction; 16 bit, in Adobe RGB. The picture is not turned: the
orientation goes into the result's tag, as with every other source.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from retouch_engine.codec.codepoints import adobe_rgb
from retouch_engine.codec.decoded import Decoded
from retouch_engine.codec.ifd import Directory, Span, StructureError, directories, read_directory
from retouch_engine.codec.iso import brand_of, check_boxes
from retouch_engine.codec.metadata import SourceMetadata, from_directory
from retouch_engine.codec.sniff import check_size
from retouch_engine.errors import DamagedPhoto, IncompletePhoto
from retouch_engine.recipe import Limits

NOTE = "developed from a raw file by LibRaw, with the camera's white balance: no editor's look is in it"
_SUB_DIRECTORIES, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 330, 273, 279, 324, 325
_MOST_SUB_DIRECTORIES = 32
_ORIENTATION = {0: 1, 3: 3, 5: 8, 6: 6}
"""LibRaw's word for how a picture is turned: EXIF's."""


def claimed_size(handle: BinaryIO) -> tuple[int, int]:
    """Width and height of the developed picture; nothing is decoded."""
    with _opened(handle) as raw:
        return int(raw.sizes.width), int(raw.sizes.height)


def read_raw(path: Path, handle: BinaryIO, limits: Limits) -> Decoded:
    """Develop a raw file, or say in one class why not.

    Raises:
        IncompletePhoto, DamagedPhoto, PhotoTooLarge, PhotoTooSmall.
    """
    span = Span.of_file(handle)
    try:
        _check_whole(span)
        metadata = _metadata(span)
    except StructureError as trouble:
        raise (IncompletePhoto if trouble.incomplete else DamagedPhoto)(path, str(trouble)) from trouble
    import rawpy

    with _opened(handle) as raw:
        sizes = raw.sizes
        check_size(path, max(sizes.raw_width, sizes.width), max(sizes.raw_height, sizes.height), limits)
        turned = _ORIENTATION.get(sizes.flip, 1)
        samples = raw.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            output_bps=16,
            output_color=rawpy.ColorSpace.Adobe,
            gamma=(563 / 256, 0),
            user_flip=0,
        )
    if samples.ndim != 3 or samples.shape[2] != 3 or samples.dtype != np.uint16:
        raise DamagedPhoto(path, f"it develops to {samples.dtype} {samples.shape}")
    metadata = replace(metadata, orientation=turned, notes=(*metadata.notes, NOTE))
    return Decoded(samples, 3, (), adobe_rgb(), lossy=False, metadata=metadata)


def _opened(handle: BinaryIO) -> Any:
    """LibRaw on the file's bytes: it never sees a name that came from outside."""
    import rawpy

    handle.seek(0)
    raw = rawpy.RawPy()
    raw.open_buffer(io.BytesIO(handle.read()))
    return raw


def _check_whole(span: Span) -> None:
    """Everything that the file points to lies in it: LibRaw fills what is missing with black.

    Raises:
        StructureError: it does not.
    """
    if brand_of(span.at(0, 16)):
        check_boxes(span)
        return
    for directory in _all_directories(span):
        for at, sizes in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
            offsets, counts = directory.numbers(at), directory.numbers(sizes)
            if offsets.size and offsets.size == counts.size and int((offsets + counts).max()) > span.size:
                raise StructureError("a strip or tile lies past the end", incomplete=True)


def _all_directories(span: Span) -> Iterator[Directory]:
    for directory in directories(span):
        yield directory
        for offset in directory.numbers(_SUB_DIRECTORIES)[:_MOST_SUB_DIRECTORIES].tolist():
            yield read_directory(span, directory.layout, offset)


def _metadata(span: Span) -> SourceMetadata:
    """What the first directory says; the rest is exiftool's business."""
    if brand_of(span.at(0, 16)):
        return SourceMetadata()
    return replace(from_directory(next(directories(span))), resolution=None, resolution_unit=1)
