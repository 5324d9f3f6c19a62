"""PNG in: every chunk walked with its checksum up to IEND, then decoded by libpng."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np

from retouch_engine.codec.codepoints import UNSPECIFIED, of_primaries, profile_of
from retouch_engine.codec.decoded import Decoded
from retouch_engine.codec.ifd import LARGEST_VALUE_BYTES, Span, StructureError
from retouch_engine.codec.metadata import (
    EXIF_SEGMENT,
    MOST_PACKET_BYTES,
    XMP_SEGMENT,
    Rational,
    SourceMetadata,
    from_blocks,
    not_carried,
)
from retouch_engine.codec.rdf import Packet, PacketError
from retouch_engine.codec.sniff import check_size
from retouch_engine.errors import DamagedPhoto, IncompletePhoto, UnsupportedPhoto
from retouch_engine.recipe import Limits

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Colour type: channels. 3 is a palette."""
_GREY = {0, 4}
_COLOURS = {b"iCCP", b"cICP", b"sRGB", b"gAMA", b"cHRM"}
_KEPT = frozenset({b"eXIf", b"pHYs", b"iTXt", b"zTXt", b"tEXt", b"tRNS", b"acTL"} | _COLOURS)
_CREDENTIALS = b"caBX"
"""Holds content credentials (C2PA); whether it is there is all that is asked."""
_PACKET = b"XML:com.adobe.xmp"
_PIECE = 1 << 20
_POINTS = 4
"""Bytes of a cICP: primaries, transfer, matrix and range."""
_NARROW = 0
"""Range in which black and white are 16 and 235 of 255, as in video."""
MOST_CHUNKS = 1 << 20
UNASSOCIATED = 2


@dataclass(frozen=True, slots=True)
class Chunks:
    """A PNG's chunks: the header's fields and those that hold something we carry or tell of."""

    width: int
    height: int
    bits: int
    colour: int
    kept: dict[bytes, list[bytes]]


def _checked(span: Span, at: int, kind: bytes, size: int) -> bytes:
    """A chunk's payload when we keep that kind, else nothing; its checksum holds either way."""
    keep = kind in _KEPT or kind == b"IHDR"
    if keep and size > LARGEST_VALUE_BYTES:
        raise StructureError(f"its {kind.decode('ascii', 'replace')} chunk claims {size:,} bytes")
    crc, kept = zlib.crc32(kind), []
    for start in range(0, size, _PIECE):
        piece = span.at(at + start, min(_PIECE, size - start))
        crc = zlib.crc32(piece, crc)
        if keep:
            kept.append(piece)
    if struct.unpack(">L", span.at(at + size, 4))[0] != crc:
        raise StructureError(f"the checksum at byte {at + size:,} does not hold")
    return b"".join(kept)


def header_of(span: Span) -> tuple[int, int, int, int]:
    """Width, height, bits and colour type.

    Raises:
        StructureError: cut off, or no header first.
    """
    size, kind = struct.unpack(">L4s", span.at(8, 8))
    if kind != b"IHDR" or size != 13:
        raise StructureError("it does not begin with a header")
    width, height, bits, colour = struct.unpack(">LLBB", span.at(16, 10))
    return width, height, bits, colour


def walk(span: Span) -> Chunks:
    """Every chunk up to IEND.

    Raises:
        StructureError: cut off, or a checksum does not hold.
    """
    header = header_of(span)
    kept: dict[bytes, list[bytes]] = {}
    at, pixels = 8, False
    for _ in range(MOST_CHUNKS):
        size, kind = struct.unpack(">L4s", span.at(at, 8))
        if at + 12 + size > span.size:
            raise StructureError(f"a chunk reaches past its end at byte {at:,}", incomplete=True)
        payload = _checked(span, at + 8, kind, size)
        if kind in _KEPT:
            kept.setdefault(kind, []).append(payload)
        elif kind == _CREDENTIALS:
            kept.setdefault(kind, [])
        pixels = pixels or kind == b"IDAT"
        at += 12 + size
        if kind == b"IEND":
            if not pixels:
                raise StructureError("it holds no picture data")
            return Chunks(*header, kept)
    raise StructureError("its list of chunks does not end")


def _inflated(packed: bytes, most: int, *, sized: bool = False) -> bytes:
    """Unpack, but never beyond ``most`` bytes: a few kB can hold gigabytes of nothing.

    With ``sized`` the content begins with its own size, by which it is whole without its checksum too.

    Raises:
        StructureError: it would be more, or does not unpack.
    """
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, most)
    except zlib.error as error:
        raise StructureError(f"a packed text or profile does not unpack: {error}") from error
    if not stream.eof and not (sized and data[:4] == struct.pack(">L", len(data))):
        raise StructureError(f"a packed text or profile is cut off or unpacks to more than {most:,} bytes")
    return data


def _profile(chunks: Chunks) -> bytes | None:
    for payload in chunks.kept.get(b"iCCP", []):
        _, _, rest = payload.partition(b"\0")
        # Photoshop has written profiles whose packed bytes end before their checksum.
        return _inflated(rest[1:], LARGEST_VALUE_BYTES, sized=True) or None
    return None


def _colours(path: Path, chunks: Chunks) -> bytes | None:
    """The ICC profile, or what stands for it.

    Raises:
        StructureError: it does not unpack.
        UnsupportedPhoto: colours that we do not take.
    """
    points = [told for told in chunks.kept.get(b"cICP", []) if len(told) == _POINTS]
    primaries, transfer = points[0][:2] if points else (UNSPECIFIED, UNSPECIFIED)
    if points and points[0][3] == _NARROW:
        # A TIFF cannot say so: black would be shown as grey.
        raise UnsupportedPhoto(path, "a picture in the narrow range of video (cICP), not full range")
    # The PNG specification, third edition, but for one thing: there cICP comes before iCCP. A profile is what
    # the photo's editor made, and goes on into the TIFF to the byte; older programs show it by that.
    profile = profile_of(path, _profile(chunks), primaries, transfer)
    if profile is not None or transfer != UNSPECIFIED or b"sRGB" in chunks.kept:
        return profile
    gamma = _hundred_thousandths(chunks, b"gAMA", 1)
    if not gamma:
        return None
    return of_primaries(gamma[0], _hundred_thousandths(chunks, b"cHRM", 8), grey=chunks.colour in _GREY)


def _hundred_thousandths(chunks: Chunks, kind: bytes, count: int) -> tuple[float, ...]:
    """The numbers of a chunk of that many; none without one."""
    payload = next(iter(chunks.kept.get(kind, [])), b"")
    if len(payload) != 4 * count:
        return ()
    return tuple(value / 100_000 for value in struct.unpack(f">{count}L", payload))


def _texts(chunks: Chunks) -> Iterator[tuple[bytes, bytes, bool]]:
    """What may hold metadata: keyword, text, and whether the text is packed."""
    for payload in chunks.kept.get(b"iTXt", []):
        key, _, rest = payload.partition(b"\0")
        if len(rest) > 2:
            yield key, rest[2:].split(b"\0", 2)[-1], bool(rest[0])
    for kind in (b"zTXt", b"tEXt"):
        for payload in chunks.kept.get(kind, []):
            key, _, text = payload.partition(b"\0")
            yield key, text[1:] if kind == b"zTXt" else text, kind == b"zTXt"


def _text(chunks: Chunks, *wanted: bytes) -> bytes | None:
    """The first text under one of these keywords, unpacked.

    Raises:
        StructureError: it does not unpack.
    """
    for key, text, packed in _texts(chunks):
        if key in wanted:
            return _inflated(text, MOST_PACKET_BYTES) if packed else text
    return None


def _raw_profile(chunks: Chunks, name: bytes) -> bytes | None:
    """A block as ImageMagick writes it into a text: a name, a length, and the bytes in hexadecimal digits.

    What follows them is none of it: some of its versions end the text with bytes from elsewhere.

    Raises:
        StructureError: it does not unpack, or holds something else.
    """
    text = _text(chunks, b"Raw profile type " + name)
    if text is None:
        return None
    try:
        _, _, size, digits = text.split(b"\n", 3)
        return bytes.fromhex(b"".join(digits.split())[: 2 * int(size)].decode("ascii"))
    except ValueError as error:
        raise StructureError(f"its {name.decode()} profile is no hexadecimal text") from error


def _of_segment(chunks: Chunks, name: bytes) -> bytes | None:
    """What older versions of ImageMagick took over whole, as a JPEG's segment, by the name it begins with."""
    block = _raw_profile(chunks, b"APP1")
    return block.removeprefix(name) if block and block.startswith(name) else None


def _packet(chunks: Chunks) -> bytes | None:
    # libvips packs the text under the same keyword, ImageMagick writes it as a profile of its own.
    return _text(chunks, _PACKET) or _raw_profile(chunks, b"xmp") or _of_segment(chunks, XMP_SEGMENT)


def _orientation(packet: bytes | None) -> int | None:
    """How the picture is turned by its packet's word, 1 to 8; None where it has none.

    A PNG may have no other word for it: EXIF came to the format late. In other formats its tag alone counts,
    as the Metadata Working Group has it.
    """
    try:
        told = Packet(packet).text("tiff:Orientation") if len(packet or b"") <= MOST_PACKET_BYTES else None
    except PacketError:
        return None
    return int(told) if told in set("12345678") else None


def _exif(chunks: Chunks) -> bytes | None:
    block = next(iter(chunks.kept.get(b"eXIf", [])), None) or _raw_profile(chunks, b"exif")
    return block.removeprefix(EXIF_SEGMENT) if block else _of_segment(chunks, EXIF_SEGMENT)


def _metadata(chunks: Chunks) -> SourceMetadata:
    density: tuple[tuple[Rational, Rational], int] | None = None
    for payload in chunks.kept.get(b"pHYs", []):
        if len(payload) == 9 and payload[8] == 1:
            x, y = struct.unpack(">LL", payload[:8])
            # Pixels a metre, exactly, as pixels a centimetre.
            density = ((x, 100), (y, 100)), 3
    notes: list[str] = []

    def kept(what: str, read: Callable[[], bytes | None]) -> bytes | None:
        try:
            return read()
        except StructureError as trouble:
            notes.append(not_carried(what, trouble))
            return None

    packet = kept("XMP", lambda: _packet(chunks))
    found = from_blocks(
        exif=kept("EXIF", lambda: _exif(chunks)),
        xmp=packet,
        irb=kept("IPTC", lambda: _raw_profile(chunks, b"iptc") or _raw_profile(chunks, b"8bim")),
        density=density,
        orientation=_orientation(packet),
    )
    return replace(found, notes=(*found.notes, *notes), credentials=_CREDENTIALS in chunks.kept)


def _check_kind(path: Path, bits: int, colour: int) -> None:
    if colour == 3:
        raise UnsupportedPhoto(path, "a palette picture")
    if colour not in _CHANNELS:
        raise StructureError(f"its header has the unknown colour type {colour}")
    if bits not in {8, 16}:
        raise UnsupportedPhoto(path, f"{bits}-bit")


def _examine(path: Path, span: Span, limits: Limits) -> Chunks:
    """All that is to know before decoding.

    Raises:
        StructureError: absurd or cut off.
        UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall: not for us.
    """
    width, height, bits, colour = header_of(span)
    check_size(path, width, height, limits)
    _check_kind(path, bits, colour)
    if span.size > 2 * width * height * 8 + (64 << 20):
        raise StructureError(f"{span.size:,} bytes are too many for its size")
    chunks = walk(span)
    if b"acTL" in chunks.kept:
        raise UnsupportedPhoto(path, "an animated PNG")
    return chunks


def read_png(path: Path, handle: BinaryIO, limits: Limits) -> Decoded:
    """Decode a PNG, or say in one class why not.

    Raises:
        IncompletePhoto, DamagedPhoto, UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall.
    """
    span = Span.of_file(handle)
    try:
        chunks = _examine(path, span, limits)
        profile, metadata = _colours(path, chunks), _metadata(chunks)
    except StructureError as trouble:
        raise (IncompletePhoto if trouble.incomplete else DamagedPhoto)(path, str(trouble)) from trouble
    samples = np.asarray(imagecodecs.png_decode(span.at(0, span.size)))
    samples = samples.reshape(chunks.height, chunks.width, -1)
    colour = chunks.colour
    expected = np.dtype(np.uint8 if chunks.bits == 8 else np.uint16)
    # A colour declared transparent (tRNS) comes back as one channel more.
    channels = _CHANNELS[colour] + (1 if b"tRNS" in chunks.kept else 0)
    if samples.dtype != expected or samples.shape[2] not in {_CHANNELS[colour], channels}:
        raise DamagedPhoto(path, f"it unpacks to {samples.dtype} {samples.shape}")
    colours = 1 if colour in _GREY else 3
    meaning = (UNASSOCIATED,) * (samples.shape[2] - colours)
    return Decoded(samples, colours, meaning, profile, lossy=False, metadata=metadata)
