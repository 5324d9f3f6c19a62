"""TIFF in: judged from its directories, then decoded by tifffile.

The header is read by :mod:`retouch_engine.codec.ifd`, because tifffile has no guard of its own: a file of
6 MB can claim 6 GB, and missing strips come back as black pixels without a word.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from retouch_engine.codec.decoded import Decoded
from retouch_engine.codec.ifd import Directory, Span, StructureError, directories
from retouch_engine.codec.jpeg import frame_of
from retouch_engine.codec.metadata import from_directory
from retouch_engine.codec.sniff import check_size, saved_by
from retouch_engine.codec.taken import LARGEST_BYTES, SourceStrips, signature
from retouch_engine.errors import DamagedPhoto, IncompletePhoto, OwnOutput, UnsupportedPhoto
from retouch_engine.recipe import Limits

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # our errors say what is wrong with a file

LOSSLESS = frozenset({1, 5, 8, 32773, 32946, 34925, 34926, 50000})
"""None, LZW, Deflate, PackBits, old Deflate, LZMA, ZSTD."""
JPEG = 7
_DEFLATE, _DIFFERENCES = 8, 2
_DEFLATED = frozenset({_DEFLATE, 32946})
_PACKED_MORE = 1024
"""Bytes that a packed strip may have over its samples and a 64th of them: noise gets no shorter."""
_READ_AHEAD_BYTES = 16 << 20
"""tifffile would otherwise hold 256 MB of packed strips beside the canvas."""
MOST_EXTRA = 16
"""Further channels kept; Photoshop's alpha channels rarely pass three."""

_PHOTOMETRIC = {
    -1: "a TIFF that does not say what its colours are",
    0: "a grey picture with white as zero",
    3: "a palette picture",
    4: "a transparency mask",
    5: "CMYK",
    6: "YCbCr without JPEG",
    8: "CIE Lab",
    9: "ICC Lab",
    10: "ITU Lab",
    32803: "a camera's raw mosaic",
    34892: "a camera's linear raw",
}
_FORMATS = {2: "signed whole numbers", 3: "floating point", 5: "complex numbers", 6: "complex numbers"}


@dataclass(frozen=True, slots=True)
class Header:
    """One page as its directory describes it, all of it checked."""

    index: int
    directory: Directory
    width: int
    height: int
    bits: int
    colours: int
    samples: int
    compression: int
    planar: bool


def _pick_page(path: Path, pages: list[Directory]) -> int:
    """The one page that is the photo; previews beside it are fine.

    Raises:
        UnsupportedPhoto: several pages of photo size.
    """
    if any(50706 in page for page in pages):
        raise UnsupportedPhoto(path, "a DNG raw file")
    areas = [math.prod(page.size_px) for page in pages]
    # Bit 0 of NewSubfileType marks a reduced page, bit 2 a mask; SubfileType 2 is the older way.
    whole = [i for i, p in enumerate(pages) if not p.number(254, 0) & 5 and p.number(255, 1) != 2]
    whole = whole or list(range(len(pages)))
    best = max(whole, key=lambda i: (areas[i], -i))
    rivals = [i for i in whole if i != best and areas[i] * 4 > areas[best]]
    if rivals:
        raise UnsupportedPhoto(path, f"a file of {len(rivals) + 1} pages")
    return best


def _samples(path: Path, page: Directory) -> tuple[int, int, int]:
    """Bits, colour channels and all channels of a page.

    Raises:
        UnsupportedPhoto: any kind of picture but 8- or 16-bit grey or RGB.
    """
    photometric, compression = page.number(262, -1), page.number(259, 1)
    if compression not in LOSSLESS and compression != JPEG:
        raise UnsupportedPhoto(path, f"packed with method {compression}")
    if photometric not in {1, 2} and not (photometric == 6 and compression == JPEG):
        raise UnsupportedPhoto(path, _PHOTOMETRIC.get(photometric, f"of colour kind {photometric}"))
    formats = {int(v) for v in page.numbers(339)} - {1}
    if formats:
        found = min(formats)
        raise UnsupportedPhoto(path, _FORMATS.get(found, f"of sample format {found}"))
    if page.number(32997, 1) != 1 or page.number(32998, 1) != 1:
        raise UnsupportedPhoto(path, "a stack of slices")
    count = page.number(277, 1)
    depths = {int(v) for v in page.numbers(258)} or {1}
    if len(depths) > 1:
        raise UnsupportedPhoto(path, f"of mixed depths {sorted(depths)} bit")
    (bits,) = depths
    if bits not in {8, 16}:
        raise UnsupportedPhoto(path, f"{bits}-bit")
    colours = 1 if photometric == 1 else 3
    if not colours <= count <= colours + MOST_EXTRA:
        raise UnsupportedPhoto(path, f"of {count} channels")
    return bits, colours, count


def _segments(header: Header) -> tuple[int, int]:
    """How many strips or tiles the page needs, and the most bytes one of them unpacks to."""
    page = header.directory
    planes = header.samples if header.planar else 1
    depth = (1 if header.planar else header.samples) * header.bits // 8
    if 322 in page:
        tw, th = page.number(322, 0), page.number(323, 0)
        if tw < 1 or th < 1:
            raise StructureError("its tiles have no size")
        # A tile may reach over the edge, but not by more than a tile of the usual largest size.
        if tw > header.width + 4096 or th > header.height + 4096:
            raise StructureError(f"its tiles claim {tw} x {th} px")
        return math.ceil(header.width / tw) * math.ceil(header.height / th) * planes, tw * th * depth
    rows = min(page.number(278, header.height), header.height)
    if rows < 1:
        raise StructureError("its strips have no rows")
    return math.ceil(header.height / rows) * planes, rows * header.width * depth


def _check_segments(header: Header) -> None:
    """Every strip or tile lies within the file, is not empty and is not missing.

    Raises:
        StructureError: one of them is not.
    """
    page = header.directory
    tiled = 322 in page
    offsets, counts = page.numbers(324 if tiled else 273), page.numbers(325 if tiled else 279)
    needed, largest = _segments(header)
    if offsets.size < needed or counts.size < needed:
        raise StructureError(
            f"it lists {min(offsets.size, counts.size)} of {needed} strips or tiles", incomplete=True
        )
    offsets, counts = offsets[:needed], counts[:needed]
    if int(offsets.min()) < 8 or int(counts.min()) < 1:
        raise StructureError("a strip or tile has not been written", incomplete=True)
    size = page.span.size
    # Each is held against the size alone first, so that the sum cannot overflow.
    if int(offsets.max()) > size or int(counts.max()) > size or int((offsets + counts).max()) > size:
        raise StructureError("a strip or tile lies past the end", incomplete=True)
    if header.compression == 1:
        raw = header.width * header.height * header.samples * header.bits // 8
        if int(counts.sum()) < raw:
            raise StructureError(
                f"it holds {int(counts.sum()):,} of {raw:,} bytes of samples", incomplete=True
            )
    elif int(counts.max()) > 2 * largest + 65536:
        raise StructureError("a strip or tile is larger packed than unpacked")


def _jpeg_sizes(path: Path, header: Header) -> None:
    """No JPEG inside claims more than its strip or tile: the decoder would allocate what it claims.

    Raises:
        StructureError: one does.
        UnsupportedPhoto: one is not an 8-bit JPEG of one to four channels.
    """
    page = header.directory
    tiled = 322 in page
    offsets, counts = page.numbers(324 if tiled else 273), page.numbers(325 if tiled else 279)
    limit_h = page.number(323, 0) if tiled else min(page.number(278, header.height), header.height)
    limit_w = page.number(322, 0) if tiled else header.width
    for offset, count in zip(offsets.tolist(), counts.tolist(), strict=True):
        frame = frame_of(Span(page.span.handle, page.span.start + offset, count))
        if frame is None:
            raise StructureError("a strip or tile holds no JPEG")
        # Encoders round up to whole blocks of 16.
        if frame.width > limit_w + 16 or frame.height > limit_h + 16:
            raise StructureError(f"a JPEG inside claims {frame.width} x {frame.height} px")
        if frame.precision != 8 or frame.channels not in {1, 3, 4}:
            raise UnsupportedPhoto(path, f"{frame.precision}-bit JPEG in a TIFF")


def _read_header(path: Path, span: Span, limits: Limits) -> Header:
    """All that is to know before decoding.

    Raises:
        StructureError: absurd or cut off.
        UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall: not for us.
    """
    pages = list(directories(span))
    index = _pick_page(path, pages)
    page = pages[index]
    width, height = page.size_px
    check_size(path, width, height, limits)
    bits, colours, samples = _samples(path, page)
    header = Header(
        index, page, width, height, bits, colours, samples, page.number(259, 1), page.number(284, 1) == 2
    )
    _check_segments(header)
    if header.compression == JPEG:
        _jpeg_sizes(path, header)
    return header


def _decode(handle: BufferedReader, header: Header, threads: int) -> tuple[NDArray[Any], bool]:
    """The page's samples, ``(H, W, S)``, native byte order; whether a last strip held more than its rows."""
    try:
        return _decoded(handle, header, threads, {}), False
    except imagecodecs.DeflateError as error:
        trouble = error.with_traceback(None)  # its frames hold all that was unpacked so far
    filled_up = _filled_up(header)
    if not filled_up:
        raise trouble
    return _decoded(handle, header, threads, filled_up), True


def _filled_up(header: Header) -> dict[int, bytes]:
    """Last strips that hold RowsPerStrip rows where fewer are left: number, and the bytes of those rows.

    Some programs write them so; libtiff leaves the surplus unread, tifffile refuses the strip. Empty where
    one does not unpack, its checksum included, to a full strip or less: nothing is unpacked beyond that.
    """
    page = header.directory
    rows = min(page.number(278, header.height), header.height)
    if header.compression not in _DEFLATED or 322 in page or not header.height % rows:
        return {}
    count, full = _segments(header)
    a_plane, wanted = -(-header.height // rows), full // rows * (header.height % rows)
    found = {}
    for last in range(a_plane - 1, count, a_plane):
        packed = page.span.at(int(page.numbers(273)[last]), int(page.numbers(279)[last]))
        stream = zlib.decompressobj()
        try:
            samples = stream.decompress(packed, full + 1)
        except zlib.error:
            return {}
        if len(samples) > full or not stream.eof:
            return {}
        if len(samples) > wanted:
            found[last] = samples[:wanted]
    return found


def _decoded(
    handle: BufferedReader, header: Header, threads: int, instead: Mapping[int, bytes]
) -> NDArray[Any]:
    """As :func:`_decode`, some strips being given unpacked."""
    handle.seek(0)
    with tifffile.TiffFile(handle) as tif:
        page = tif.pages[header.index]
        if (page.imagewidth, page.imagelength) != (header.width, header.height):
            raise ValueError("its directories contradict each other")
        if instead:
            decode = page.decode
            # Stored, not packed: what comes after unpacking is tifffile's business as for every strip.
            stored = {number: zlib.compress(data, 0) for number, data in instead.items()}
            page.decode = lambda data, number, **how: decode(stored.get(number, data), number, **how)
        data = np.asarray(page.asarray(maxworkers=threads, buffersize=_READ_AHEAD_BYTES))
    shape = (header.height, header.width)
    if header.planar and header.samples > 1:
        data = np.moveaxis(data.reshape(header.samples, *shape), 0, -1)
    else:
        data = data.reshape(*shape, header.samples)
    return data.astype(data.dtype.newbyteorder("="), copy=False)


def _meanings(header: Header) -> tuple[int, ...]:
    """One ExtraSamples value for each extra channel; 0 (unspecified) where the file gives none."""
    given = [v if v in {0, 1, 2} else 0 for v in header.directory.numbers(338).tolist()]
    count = header.samples - header.colours
    return tuple((given + [0] * count)[:count])


def _strips(path: Path, handle: BufferedReader, header: Header) -> SourceStrips | None:
    """Where its strips lie, if they are packed as results are: then they can be taken over."""
    page = header.directory
    rows = min(page.number(278, header.height), header.height)
    alike = (
        page.layout.order == "<"
        and (header.compression, page.number(317, 1), page.number(266, 1)) == (_DEFLATE, _DIFFERENCES, 1)
        and (header.bits, header.planar, 322 in page) == (16, False, False)
        and rows * header.width * header.samples * 2 <= LARGEST_BYTES
    )
    if not alike:
        return None
    needed = -(-header.height // rows)
    offsets, counts = page.span.start + page.numbers(273)[:needed], page.numbers(279)[:needed]
    raw = rows * header.width * header.samples * 2
    if int(counts.max()) > raw + raw // 64 + _PACKED_MORE or int(counts.sum()) > page.span.size:
        return None  # padded, or lying over each other: taken over, a small file would become a huge one
    return SourceStrips(path, signature(handle), rows, header.samples, offsets, counts)


def read_tiff(
    path: Path, handle: BufferedReader, limits: Limits, threads: int, *, ours: bool = False
) -> Decoded:
    """Decode a TIFF, or say in one class why not; ``ours`` takes results of ours too.

    Raises:
        OwnOutput, IncompletePhoto, DamagedPhoto, UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall.
    """
    span = Span.of_file(handle)
    try:
        if not ours and (editor := saved_by(span)) is not None:
            raise OwnOutput(path, editor)
        header = _read_header(path, span, limits)
        profile = header.directory.raw(34675)
        metadata = from_directory(header.directory)
    except StructureError as trouble:
        raise (IncompletePhoto if trouble.incomplete else DamagedPhoto)(path, str(trouble)) from trouble
    samples, filled_up = _decode(handle, header, threads)
    expected = np.dtype(np.uint8 if header.bits == 8 else np.uint16)
    if samples.dtype != expected:
        raise DamagedPhoto(path, f"it unpacks to {samples.dtype}, its header says {expected}")
    return Decoded(
        samples=samples,
        colours=header.colours,
        extra_meaning=_meanings(header),
        profile=profile or None,
        lossy=header.compression == JPEG,
        halved_colour=header.compression == JPEG,
        metadata=metadata,
        # Taken over, the surplus would go on into the result.
        strips=None if filled_up else _strips(path, handle, header),
    )
