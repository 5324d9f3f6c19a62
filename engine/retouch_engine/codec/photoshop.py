"""PSD and PSB in: the flattened picture that Photoshop puts at the end of the file, at its own depth.

Read by hand, as Adobe's "Photoshop File Formats Specification" has it: libraries that read such documents
hand the merged picture out at 8 bit, or load every layer first. Layers are not looked at. A document that was
saved without "Maximize Compatibility" holds a white page there, and says so in its version resource.

Where the picture is half transparent Photoshop stores it blended with white, which is taken back: beside its
transparency, which comes along, it would be blended twice, and a cut-out would have a white fringe.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.decoded import Decoded
from retouch_engine.codec.ifd import LARGEST_VALUE_BYTES, Span, StructureError
from retouch_engine.codec.metadata import Rational, SourceMetadata, from_blocks, image_resources
from retouch_engine.codec.sniff import check_size
from retouch_engine.errors import DamagedPhoto, IncompletePhoto, UnsupportedPhoto
from retouch_engine.recipe import Limits

_MODES = {0: "a bitmap", 2: "a palette picture", 4: "CMYK", 7: "multichannel", 8: "duotone", 9: "Lab"}
_COLOURS = {1: 1, 3: 3}
"""Colour mode: channels of the picture."""
_MOST_CHANNELS = 3 + 8
_RAW, _RLE, _ZIP, _ZIP_PREDICTED = range(4)
_RESOLUTION, _IPTC, _ICC, _VERSION, _EXIF, _XMP = 1005, 1028, 1039, 1057, 1058, 1060
_FULL_RATIO = 64
"""RLE makes at most so many bytes of one."""
_UNASSOCIATED = 2
_PHOTOSHOP = "Adobe Photoshop".encode("utf-16-be")
_BAND_ROWS = 256


@dataclass(frozen=True, slots=True)
class Header:
    """The first 26 bytes."""

    channels: int
    height: int
    width: int
    bits: int
    mode: int
    big: bool
    """A PSB: some lengths have 8 bytes."""


@dataclass(frozen=True, slots=True)
class _Document:
    """What is known before a sample is unpacked."""

    header: Header
    resources: dict[int, bytes]
    block: bytes
    """All image resources, as they lie there."""
    transparent: bool
    """The first extra channel is the picture's transparency."""
    picture: int
    """Where the flattened picture begins."""


def header_of(span: Span) -> Header:
    """The header.

    Raises:
        StructureError: cut off, or another version.
    """
    magic, version, channels, height, width, bits, mode = struct.unpack(">4sH6xHIIHH", span.at(0, 26))
    if magic != b"8BPS" or version not in {1, 2}:
        raise StructureError(f"its header has the unknown version {version}")
    return Header(channels, height, width, bits, mode, version == 2)


def read_photoshop(path: Path, handle: BinaryIO, limits: Limits) -> Decoded:
    """Decode the flattened picture, or say in one class why not.

    Raises:
        IncompletePhoto, DamagedPhoto, UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall.
    """
    span = Span.of_file(handle)
    try:
        header = header_of(span)
        check_size(path, header.width, header.height, limits)
        _check_kind(path, header)
        document = _examined(span, header)
        if document.resources.get(_VERSION, b"\0\0\0\1\1")[4:5] == b"\0":
            raise UnsupportedPhoto(path, 'a document without a flattened picture ("Maximize Compatibility")')
        planes = _planes(span, document)
        if document.transparent and _PHOTOSHOP in document.resources.get(_VERSION, b""):
            _take_white_back(planes, _COLOURS[header.mode])
    except StructureError as trouble:
        raise (IncompletePhoto if trouble.incomplete else DamagedPhoto)(path, str(trouble)) from trouble
    colours = _COLOURS[header.mode]
    meaning = [0] * (header.channels - colours)
    if meaning and document.transparent:
        meaning[0] = _UNASSOCIATED
    return Decoded(
        samples=np.ascontiguousarray(np.moveaxis(planes, 0, -1)),
        colours=colours,
        extra_meaning=tuple(meaning),
        profile=document.resources.get(_ICC) or None,
        lossy=False,
        metadata=_metadata(document),
    )


def _check_kind(path: Path, header: Header) -> None:
    if header.mode not in _COLOURS:
        raise UnsupportedPhoto(path, _MODES.get(header.mode, f"of colour mode {header.mode}"))
    if header.bits not in {8, 16}:
        raise UnsupportedPhoto(path, "floating point" if header.bits == 32 else f"{header.bits}-bit")
    if not _COLOURS[header.mode] <= header.channels <= _MOST_CHANNELS:
        raise UnsupportedPhoto(path, f"of {header.channels} channels")


def _examined(span: Span, header: Header) -> _Document:
    """Walk the sections up to the picture; of the layers only their length and the sign of their number."""
    at = 26
    at += 4 + struct.unpack(">I", span.at(at, 4))[0]
    size = struct.unpack(">I", span.at(at, 4))[0]
    if size > LARGEST_VALUE_BYTES:
        raise StructureError(f"its image resources claim {size:,} bytes")
    block = span.at(at + 4, size)
    at += 4 + size
    wide = struct.Struct(">Q" if header.big else ">I")
    (layers,) = wide.unpack(span.at(at, wide.size))
    at += wide.size
    if at + layers + 2 > span.size:
        raise StructureError("its layers reach past its end", incomplete=True)
    transparent = False
    if layers >= wide.size + 2:
        (info,) = wide.unpack(span.at(at, wide.size))
        # A negative number of layers says that the first extra channel holds the transparency.
        transparent = info >= 2 and struct.unpack(">h", span.at(at + wide.size, 2))[0] < 0
    return _Document(header, dict(image_resources(block)), block, transparent, at + layers)


def _planes(span: Span, document: _Document) -> NDArray[Any]:
    """The flattened picture, ``(C, H, W)`` uint8 or uint16, native byte order."""
    header, at = document.header, document.picture
    (method,) = struct.unpack(">H", span.at(at, 2))
    shape = (header.channels, header.height, header.width)
    count = int(np.prod(shape, dtype=np.int64)) * header.bits // 8
    left = span.size - at - 2
    if method == _RAW:
        data = span.at(at + 2, count)
    elif method == _RLE:
        data = _run_lengths(span, at + 2, header)
    elif method in {_ZIP, _ZIP_PREDICTED}:
        if left * 1100 < count:
            raise StructureError("its picture claims more than it holds", incomplete=True)
        data = _unpacked(span.at(at + 2, left), count)
    else:
        raise StructureError(f"its picture is packed with the unknown method {method}")
    planes = np.frombuffer(data, np.uint8 if header.bits == 8 else ">u2").reshape(shape)
    native: NDArray[Any] = planes.astype(planes.dtype.newbyteorder("="))
    if method == _ZIP_PREDICTED:
        np.cumsum(native, axis=-1, dtype=native.dtype, out=native)
    return native


def _take_white_back(planes: NDArray[Any], colours: int) -> None:
    """Unblend colours from white where the first extra channel is neither clear nor opaque, in place.

    Not in a picture that is darker somewhere than such a blend can be: another program wrote that one.
    """
    if len(planes) == colours:
        return
    full = int(np.iinfo(planes.dtype).max)
    bands = [planes[:, y : y + _BAND_ROWS] for y in range(0, planes.shape[1], _BAND_ROWS)]
    lightest = full // 255  # for what both roundings leave
    for band in bands:
        white = full - band[colours].astype(np.int64)
        if ((band[:colours] < white - lightest) & (white < full)).any():
            return
    for band in bands:
        alpha = band[colours].astype(np.int64)
        soft = (alpha > 0) & (alpha < full)
        opacity = alpha[soft]
        for plane in band[:colours]:
            own = ((plane[soft] - (full - opacity)) * full + opacity // 2) // opacity
            plane[soft] = own.clip(0, full)


def _run_lengths(span: Span, at: int, header: Header) -> bytes:
    """PackBits, row by row; the packed length of each row comes first."""
    rows = header.channels * header.height
    wide = np.dtype(">u4" if header.big else ">u2")
    lengths = np.frombuffer(span.at(at, rows * wide.itemsize), wide).astype(np.int64)
    row_bytes = header.width * header.bits // 8
    if int(lengths.min()) * _FULL_RATIO + _FULL_RATIO < row_bytes:
        raise StructureError("a row of its picture is too short")
    at += rows * wide.itemsize
    parts = []
    for channel in range(header.channels):
        packed = int(lengths[channel * header.height : (channel + 1) * header.height].sum())
        size = header.height * row_bytes
        # Rows are packed each by itself, so a channel's rows one after another are a stream as well.
        plane = imagecodecs.packbits_decode(span.at(at, packed), out=size)
        if len(plane) != size:
            raise StructureError("a channel of its picture does not unpack to its size")
        parts.append(bytes(plane))
        at += packed
    return b"".join(parts)


def _unpacked(packed: bytes, count: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, count)
    except zlib.error as error:
        raise StructureError(f"its picture does not unpack: {error}") from error
    if len(data) != count:
        raise StructureError("its picture is cut off", incomplete=True)
    return data


def _metadata(document: _Document) -> SourceMetadata:
    kept = document.resources
    return from_blocks(
        exif=kept.get(_EXIF), xmp=kept.get(_XMP), irb=document.block, density=_density(kept.get(_RESOLUTION))
    )


def _density(told: bytes | None) -> tuple[tuple[Rational, Rational], int] | None:
    """Pixels an inch as fractions of 65,536; Photoshop stores inches whatever it shows."""
    if told is None or len(told) < 16:
        return None
    x, y = struct.unpack_from(">I4xI", told)
    return (((x, 65536), (y, 65536)), 2) if x and y else None
