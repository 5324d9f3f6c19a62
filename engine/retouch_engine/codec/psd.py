"""The same layers as a Photoshop document, for programs that open PSD and no layered TIFF.

Version 1 at 16 bit, as Adobe's "Photoshop File Formats Specification" has it: the layers lie in an ``Lr16``
block, the merged picture is stored raw. Larger than 30,000 px a side or 2 GB such a document cannot be.

Its pixels stand upright, whatever the orientation of the photo: the format has no word of its own for one,
and what EXIF and XMP in it say of that GIMP and Krita do not heed, and ImageMagick does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from retouch_engine.codec.carried import said_otherwise
from retouch_engine.codec.layers import Marks, layer_block
from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.places import Turn
from retouch_engine.codec.rows import compose_box, stays_grey
from retouch_engine.codec.standing import standing_patches, standing_photo
from retouch_engine.codec.strips import writing
from retouch_engine.codec.xmp import XmpFacts, build_packet
from retouch_engine.errors import ResultTooLarge
from retouch_engine.types import Box, Patch, Photo

_MOST_BYTES = (1 << 31) - (64 << 20)
_MOST_SIDE = 30_000
_GREY, _RGB = 1, 3
_RESOLUTION, _IPTC, _ICC, _XMP = 1005, 1028, 1039, 1060
_BAND_ROWS = 256
_PER_INCH = {2: 1.0, 3: 2.54}
_MEDIA_TYPE = "application/vnd.adobe.photoshop"
_NOT_IN_EXIF = dict.fromkeys(
    ("IFD0:XResolution", "IFD0:YResolution", "IFD0:ResolutionUnit", "IFD0:YCbCrPositioning"), "="
)
"""Exiftool would make these up, 72 pixels an inch; the document has a resource for its resolution."""


def document_exif(photo: Photo) -> dict[str, str]:
    """What EXIF has to say otherwise in the document, as exiftool takes it: tags, and what each gets."""
    return said_otherwise(metadata_of(photo.metadata), _turn(photo)) | _NOT_IN_EXIF


def document_packet(photo: Photo, facts: XmpFacts) -> bytes:
    """The result's XMP packet, as it is true of the document."""
    own = replace(facts, orientation=1, turn=_turn(photo), media_type=_MEDIA_TYPE)
    return build_packet(metadata_of(photo.metadata).xmp, own)


def write_psd(path: Path, photo: Photo, patches: Sequence[Patch], marks: Marks, xmp: bytes) -> None:
    """Write the photo, its heals and the hidden review marks as layers, with the result as merged picture.

    Photo, heals and marks are given as the photo is stored, and turned here; ``xmp`` is
    :func:`document_packet`.

    Raises:
        ResultTooLarge: more than such a document holds.
        StagingFull: no room.
    """
    patches, marks = standing_patches(photo, patches), marks.standing(photo)
    photo = standing_photo(photo)
    channels = 1 if stays_grey(photo) else 3
    raw = 2 * channels * photo.height * photo.width
    if max(photo.height, photo.width) > _MOST_SIDE or 2 * raw > _MOST_BYTES:
        raise ResultTooLarge(path, 2 * raw)
    mode = _GREY if channels == 1 else _RGB
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, channels, photo.height, photo.width, 16, mode)
    block = layer_block(photo, patches, marks)
    block += bytes(-len(block) % 4)
    layers = struct.pack(">II4s4sI", 0, 0, b"8BIM", b"Lr16", len(block)) + block
    resources = b"".join(_resources(photo, xmp))
    with writing(path, raw + len(layers)), path.open("wb") as file:
        file.write(head + struct.pack(">I", 0))
        file.write(struct.pack(">I", len(resources)) + resources)
        file.write(struct.pack(">I", len(layers)) + layers)
        file.write(struct.pack(">H", 0))
        _merged(file, photo, patches, channels)


def _turn(photo: Photo) -> Turn:
    """How the document's pixels were turned since the photo's metadata were written."""
    source = metadata_of(photo.metadata)
    size = (photo.height, photo.width)
    return source.turn if source.orientation == 1 else Turn(source.orientation, size)


def _merged(file: BinaryIO, photo: Photo, patches: Sequence[Patch], channels: int) -> None:
    """The result, one channel after another, big-endian."""
    for channel in range(channels):
        for y0 in range(0, photo.height, _BAND_ROWS):
            band = compose_box(photo, patches, Box(y0, 0, min(y0 + _BAND_ROWS, photo.height), photo.width))
            file.write(band[..., channel].astype(">u2").tobytes())


def _resources(photo: Photo, xmp: bytes) -> Iterator[bytes]:
    source = metadata_of(photo.metadata)
    if source.resolution is not None and source.resolution_unit in _PER_INCH:
        scale = _PER_INCH[source.resolution_unit] * 65536
        x, y = (min(round(scale * top / max(1, under)), 0xFFFFFFFF) for top, under in source.resolution)
        yield _resource(_RESOLUTION, struct.pack(">IHHIHH", x, 1, 1, y, 1, 1))
    if source.iptc:
        yield _resource(_IPTC, source.iptc)
    if photo.profile:
        yield _resource(_ICC, photo.profile)
    if xmp:
        yield _resource(_XMP, xmp)


def _resource(number: int, data: bytes) -> bytes:
    return struct.pack(">4sH2sI", b"8BIM", number, b"\0\0", len(data)) + data + bytes(len(data) % 2)
