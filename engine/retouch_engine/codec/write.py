"""Results out: the retouched photo, the heal layer and the mask, always classic TIFF, never BigTIFF."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from retouch_engine.codec.healed import plan_packet
from retouch_engine.codec.layers import NO_MARKS, Marks, heal_tag
from retouch_engine.codec.metadata import SourceMetadata, metadata_of
from retouch_engine.codec.rows import heal_rows, result_rows, stays_grey
from retouch_engine.codec.standing import standing_patches, standing_photo
from retouch_engine.codec.strips import (
    MOST_FILE_BYTES,
    STRIP_ROWS,
    TIFF_CODE,
    Bands,
    Content,
    counted,
    packed_strips,
    writing,
)
from retouch_engine.codec.taken import SourceStrips, taken
from retouch_engine.errors import ResultTooLarge
from retouch_engine.recipe import Compression, Finish, Layers
from retouch_engine.types import Bool, Box, Patch, Photo
from retouch_engine.version import __version__

SOFTWARE = f"retouchd {__version__}"
HEALED, OFFERED = 255, 128
_BYTE, _ASCII, _SHORT, _UNDEFINED = 1, 2, 3, 7
_ASSOCIATED = 1
_DATE_TIME = 306
_EXIF_DATE = re.compile(rb"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")
_Tag = tuple[int, int, int, Any, bool]
Marked = tuple[Box, Bool]
"""A box of the photo, and the mask of a spot in it."""


def write_result(
    path: Path,
    photo: Photo,
    patches: Sequence[Patch],
    finish: Finish,
    xmp: bytes,
    marks: Marks = NO_MARKS,
) -> None:
    """Write the retouched photo: 16-bit RGB with the source's profile, extra channels and essential tags.

    A grey source with a grey profile gives a 16-bit grey file: an RGB file cannot carry a grey profile. With
    ``finish.layers`` embedded, the file also holds the photo and its heals as named layers, with a hidden one
    that marks what is for review.

    Raises:
        ResultTooLarge: more than a classic TIFF holds.
        StagingFull: no room.
        IncompletePhoto, SourceMissing: the source, of which strips are taken over, is not what it was.
    """
    colours = 1 if stays_grey(photo) else 3
    extra = 0 if photo.extra is None else photo.extra.shape[2]
    meaning = photo.extra_meaning or (0,) * extra
    method = finish.compression
    embedded = [heal_tag(photo, patches, marks, over_photo=True)] if finish.layers is Layers.EMBEDDED else []
    with _result_bands(photo, patches, colours + extra, method) as (bands, rows):
        _write(
            path,
            bands,
            (photo.height, photo.width, colours + extra),
            finish,
            Content.FINE if photo.bit_depth == 16 else Content.WIDENED,
            dtype=np.uint16,
            options={
                "photometric": "minisblack" if colours == 1 else "rgb",
                "extrasamples": list(meaning) if extra else None,
                "predictor": 2 if method is not Compression.NONE else None,
                "iccprofile": photo.profile,
                "extratags": [*_tags(metadata_of(photo.metadata), xmp), *embedded],
                "rowsperstrip": rows,
                **_resolution(metadata_of(photo.metadata)),
            },
        )


@contextmanager
def _result_bands(
    photo: Photo, patches: Sequence[Patch], channels: int, method: Compression
) -> Iterator[tuple[Bands, int]]:
    """The result's bands and their rows: where nothing changes the source's own strips, if they will do."""
    source: SourceStrips | None = photo.strips
    if source is None or source.channels != channels or method is not Compression.DEFLATE:
        yield lambda y0, y1: result_rows(photo, patches, y0, y1), STRIP_ROWS
        return

    def band(y0: int, y1: int) -> NDArray[np.uint16] | bytes:
        if any(y0 < patch.box.y1 and patch.box.y0 < y1 for patch in patches):
            return result_rows(photo, patches, y0, y1)
        return own.strip(y0)

    with taken(source) as own:
        yield band, source.rows


def write_heal_layer(
    path: Path,
    photo: Photo,
    patches: Sequence[Patch],
    finish: Finish,
    marks: Marks = NO_MARKS,
    memo: bytes = b"",
) -> None:
    """Write what was healed as a layer: 16-bit RGBA (grey and alpha for a grey profile), empty elsewhere.

    Unless ``finish.layers`` is flat, the file also holds the same heals as named layers, with a hidden one
    that marks what is for review; a program that does not know them sees the one flat layer. ``memo`` is what
    a later run wants to know of this one; it lies in the XMP packet. Photo, heals and marks are given as the
    photo is stored; the layer stands upright (:mod:`retouch_engine.codec.standing`).

    Alpha is 0 or full, so the samples are the same whether multiplied by it or not; ExtraSamples says
    associated, because that is what Photoshop takes for transparency. Plain Deflate without predictor:
    nearly every strip is zero, and some editors misread predicted 16-bit channels.

    Raises:
        StagingFull: no room.
    """
    patches, marks = standing_patches(photo, patches), marks.standing(photo)
    photo = standing_photo(photo)
    colours = 1 if stays_grey(photo) else 3
    something = bool(patches or marks.review) and finish.layers is not Layers.FLAT
    layered = [heal_tag(photo, patches, marks)] if something else []
    packet = plan_packet(memo) if memo else b""
    _write(
        path,
        lambda y0, y1: heal_rows(photo, patches, y0, y1),
        (photo.height, photo.width, colours + 1),
        Finish(Compression.DEFLATE, finish.threads),
        Content.LAYER,
        dtype=np.uint16,
        options={
            "photometric": "minisblack" if colours == 1 else "rgb",
            "extrasamples": [_ASSOCIATED],
            "iccprofile": photo.profile,
            "extratags": [*_tags(SourceMetadata(), packet), *layered],
            **_resolution(metadata_of(photo.metadata)),
        },
    )


def write_mask(path: Path, photo: Photo, healed: Sequence[Patch], review: Sequence[Marked]) -> None:
    """Write what was done as 8-bit grey: 255 healed, 128 offered for review, 0 left alone.

    Raises:
        StagingFull: no room.
    """
    _write(
        path,
        lambda y0, y1: mask_rows(photo, healed, review, y0, y1),
        (photo.height, photo.width, 1),
        Finish(Compression.DEFLATE),
        Content.LAYER,
        dtype=np.uint8,
        options={
            "photometric": "minisblack",
            "extratags": _tags(SourceMetadata(orientation=metadata_of(photo.metadata).orientation), b""),
            **_resolution(metadata_of(photo.metadata)),
        },
    )


def mask_rows(
    photo: Photo, healed: Sequence[Patch], review: Sequence[Marked], y0: int, y1: int
) -> NDArray[np.uint8] | None:
    """Rows of the mask, ``(rows, W, 1)`` uint8, or None when all of them are zero. Healed wins."""
    rows = Box(y0, 0, y1, photo.width)
    layers = [(box, mask, OFFERED) for box, mask in review]
    layers += [(patch.box, patch.changed, HEALED) for patch in healed]
    met = [layer for layer in layers if layer[0].meets(rows)]
    if not met:
        return None
    out = np.zeros((y1 - y0, photo.width), np.uint8)
    for box, mask, value in met:
        top, bottom = max(y0, box.y0), min(y1, box.y1)
        part = mask[top - box.y0 : bottom - box.y0]
        out[top - y0 : bottom - y0, box.x0 : box.x1][part] = value
    return out[..., None]


def _write(
    path: Path,
    bands: Bands,
    shape: tuple[int, int, int],
    finish: Finish,
    content: Content,
    *,
    dtype: type[np.uint8 | np.uint16],
    options: dict[str, Any],
) -> None:
    """Stream the bands into one page."""
    raw = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    told = sum(len(tag[3]) for tag in options["extratags"] if isinstance(tag[3], bytes))
    if (raw if finish.compression is Compression.NONE else 0) + told > MOST_FILE_BYTES:
        raise ResultTooLarge(path, raw + told)
    rows = options.setdefault("rowsperstrip", STRIP_ROWS)
    strips = packed_strips(bands, shape, dtype, finish.compression, finish.threads, content, rows)
    # tifffile wants (H, W) for one sample and counts the last axis as samples otherwise.
    page_shape = shape[:2] if shape[2] == 1 else shape
    with writing(path, raw), tifffile.TiffWriter(path, bigtiff=False, byteorder="<") as tif:
        tif.write(
            counted(strips, path, told),
            shape=page_shape,
            dtype=dtype,
            compression=TIFF_CODE[finish.compression],
            planarconfig="contig" if shape[2] > 1 else None,
            software=SOFTWARE,
            metadata=None,
            **options,
        )


def _resolution(source: SourceMetadata) -> dict[str, Any]:
    if source.resolution is None:
        return {}
    return {"resolution": source.resolution, "resolutionunit": source.resolution_unit}


def _tags(source: SourceMetadata, xmp: bytes) -> list[_Tag]:
    """Orientation, XMP, IPTC and the short texts, as tifffile takes them."""
    tags: list[_Tag] = [(274, _SHORT, 1, source.orientation, True)]
    if xmp:
        tags.append((700, _BYTE, len(xmp), xmp, True))
    if source.iptc:
        tags.append((33723, _UNDEFINED, len(source.iptc), source.iptc, True))
    for code, text in source.essentials.items():
        # A date of another form makes readers complain of the whole file.
        if code == _DATE_TIME and not _EXIF_DATE.fullmatch(text):
            continue
        tags.append((code, _ASCII, len(text) + 1, text + b"\0", True))
    return tags
