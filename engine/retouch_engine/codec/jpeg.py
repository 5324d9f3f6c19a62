"""JPEG in: walked from SOI to EOI first, so that a copy still under way is told from a damaged file.

libjpeg itself answers a truncated scan with a warning and grey pixels.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np

from retouch_engine.codec.codepoints import adobe_rgb
from retouch_engine.codec.decoded import Decoded
from retouch_engine.codec.ifd import Span, StructureError
from retouch_engine.codec.metadata import (
    EXIF_SEGMENT,
    GAIN_MAP_KIND,
    GAIN_MAP_LEFT,
    GAIN_MAP_NAMESPACE,
    MOST_PACKET_BYTES,
    XMP_SEGMENT,
    Rational,
    SourceMetadata,
    from_blocks,
)
from retouch_engine.codec.rdf import Packet, PacketError
from retouch_engine.codec.sniff import check_size
from retouch_engine.errors import DamagedPhoto, IncompletePhoto, UnsupportedPhoto
from retouch_engine.recipe import Limits

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DECODABLE_SOF = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive Huffman: what every camera and editor writes."""
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_DQT = 0xDB
_SOS, _EOI, _APP1, _APP2, _APP11, _APP13, _APP0 = 0xDA, 0xD9, 0xE1, 0xE2, 0xEB, 0xED, 0xE0
_MARKER = re.compile(rb"\xff[^\x00]", re.DOTALL)
_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
_ICC, _IRB = b"ICC_PROFILE\0", b"Photoshop 3.0\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENDED = re.compile(rb"HasExtendedXMP(?:\s*=\s*[\"']|\s*>\s*)([0-9A-Fa-f]{32})")
_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
"""ISO 21496-1; Adobe's and Google's own way before it is known by its words in XMP."""
_SEVERAL = b"MPF\0"
"""Names the pictures behind the photo (CIPA DC-007)."""
_CREDENTIALS = b"jumdc2pa"
"""In the description of a JUMBF box that holds content credentials (C2PA)."""
_CHUNK = 1 << 20
_COARSEST, _ROUNDED = 9, 1.5
"""So many of a table's coarsest waves, and their mean step above which colour counts as rounded: quality 98
and more of libjpeg's lies below."""
MOST_SEGMENTS = 4096
MOST_EXTENSION_BYTES = 4 << 20
"""Of a packet's second part; what is longer is depth and sound, hardly words, and far larger as a tree."""
MOST_PADDING = 64
"""Bytes between two segments that belong to neither; the files that were seen had two and three."""
MOST_SCANS = 256
"""A progressive JPEG has about ten; each goes over the whole picture, and thousands would take hours."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a JPEG claims to be."""

    marker: int
    precision: int
    width: int
    height: int
    channels: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment before the scan: its marker, where its payload lies and how long it is."""

    marker: int
    offset: int
    size: int


def segments(span: Span) -> Iterator[Segment]:
    """The segments from SOI up to the first scan, that scan's header being the last.

    Raises:
        StructureError: cut off, or not markers where markers belong.
    """
    if span.at(0, 2) != b"\xff\xd8":
        raise StructureError("it does not begin as a JPEG")
    at = 2
    for _ in range(MOST_SEGMENTS):
        lead, marker = span.at(at, 2)
        if lead != 0xFF or marker == 0:
            at = _past_padding(span, at)
            continue
        if marker == 0xFF:
            at += 1
            continue
        if marker in _BARE or marker == _EOI:
            at += 2
            if marker == _EOI:
                return
            continue
        size = struct.unpack(">H", span.at(at + 2, 2))[0]
        if size < 2:
            raise StructureError(f"a segment without a length at byte {at:,}")
        if at + 2 + size > span.size:
            raise StructureError(f"a segment reaches past its end at byte {at:,}", incomplete=True)
        yield Segment(marker, at + 4, size - 2)
        if marker == _SOS:
            return
        at += 2 + size
    raise StructureError("its header does not end")


def _past_padding(span: Span, at: int) -> int:
    """Where the next marker begins: some programs pad between segments, and libjpeg reads over it.

    Raises:
        StructureError: there is none within :data:`MOST_PADDING`.
    """
    ahead = _MARKER.search(span.at(at, min(MOST_PADDING, span.size - at)))
    if ahead is None:
        raise StructureError(f"no marker at byte {at:,}")
    return at + ahead.start()


def _frame(span: Span, segment: Segment) -> Frame:
    if segment.size < 6:
        raise StructureError("its frame header is too short")
    precision, height, width, channels = struct.unpack(">BHHB", span.at(segment.offset, 6))
    return Frame(segment.marker, precision, width, height, channels)


def frame_of(span: Span) -> Frame | None:
    """The frame header of a JPEG, or None when it has none before its scan."""
    return next((_frame(span, s) for s in segments(span) if s.marker in _SOF), None)


def _check_scans(span: Span, start: int) -> None:
    """Walk the packed data to EOI, through every scan.

    Raises:
        StructureError: it ends before EOI, or has absurdly many scans.
    """
    data, at, scans = span.at(0, span.size), start, 1
    while match := _NEXT_MARKER.search(data, at):
        marker = match.group(1)[0]
        at = match.end()
        if marker == _EOI:
            return
        if marker in _BARE:
            continue
        scans += marker == _SOS
        if scans > MOST_SCANS:
            raise StructureError(f"it has more than {MOST_SCANS} scans")
        if at + 2 > span.size:
            break
        at += struct.unpack_from(">H", data, at)[0]
    raise StructureError("its picture data stops before the end mark", incomplete=True)


def _profile(span: Span, found: list[Segment]) -> bytes | None:
    """The ICC profile from its numbered chunks, or None when chunks are missing or hold nothing.

    Some programs number them all alike, or from 0; then they follow each other as they lie, if that gives as
    many bytes as the profile says it has.
    """
    payloads = [span.at(s.offset, s.size) for s in found if s.marker == _APP2 and s.size >= 14]
    chunks = [payload[12:] for payload in payloads if payload.startswith(_ICC)]
    numbered: dict[int, bytes] = {}
    for chunk in chunks:
        numbered.setdefault(chunk[0], chunk[2:])
    complete = bool(chunks) and set(numbered) == set(range(1, chunks[-1][1] + 1))
    profile = b"".join(numbered[i] for i in sorted(numbered)) if complete else None
    as_they_lie = b"".join(chunk[2:] for chunk in chunks)
    return (profile if _whole(profile) or not _whole(as_they_lie) else as_they_lie) or None


def _whole(profile: bytes | None) -> bool:
    return profile is not None and profile[:4] == struct.pack(">L", len(profile))


def _payload(span: Span, found: list[Segment], marker: int, name: bytes) -> bytes | None:
    """What follows ``name`` in the segments of that kind, joined; None without one."""
    parts = [span.at(s.offset, s.size) for s in found if s.marker == marker]
    named = [p[len(name) :] for p in parts if p.startswith(name)]
    # Only Photoshop's resources are spread over several segments; of the others the first counts.
    return b"".join(named if marker == _APP13 else named[:1]) or None


def _halved_colour(span: Span, found: list[Segment]) -> bool:
    """Whether colour is kept at less than full size and rounded as well.

    At quality 100 and little below hardly anything is rounded. A file without tables counts as rounded.
    """
    frame = next(s for s in found if s.marker in _SOF)
    parts = span.at(frame.offset + 6, frame.size - 6)
    kinds = [(parts[i + 1], parts[i + 2]) for i in range(0, len(parts) - 2, 3)]
    if len(kinds) < 3 or kinds[1][0] == kinds[0][0]:
        return False
    steps = _quantisation(span, found).get(kinds[1][1])
    return steps is None or sum(steps[1 : 1 + _COARSEST]) > _ROUNDED * _COARSEST


def _quantisation(span: Span, found: list[Segment]) -> dict[int, tuple[int, ...]]:
    """The tables of steps by their numbers, each in zigzag order."""
    tables = {}
    for segment in (s for s in found if s.marker == _DQT):
        data, at = span.at(segment.offset, segment.size), 0
        while at < len(data):
            wide, number = data[at] >> 4, data[at] & 15
            shape = ">64H" if wide else ">64B"
            if at + 1 + struct.calcsize(shape) > len(data):
                break
            tables[number] = struct.unpack_from(shape, data, at + 1)
            at += 1 + struct.calcsize(shape)
    return tables


def _density(span: Span, found: list[Segment]) -> tuple[tuple[Rational, Rational], int] | None:
    jfif = _payload(span, found, _APP0, b"JFIF\0")
    if jfif is None or len(jfif) < 7:
        return None
    unit, x, y = struct.unpack_from(">BHH", jfif, 2)
    return (((x, 1), (y, 1)), unit + 1) if unit in {1, 2} and x and y else None


def _extension(span: Span, found: list[Segment], guid: bytes) -> bytes:
    """The rest of an XMP packet too long for one segment, cut up as part 3 of the XMP specification has it.

    Raises:
        PacketError: pieces of it are missing, or it is too long.
    """
    pieces: dict[int, bytes] = {}
    whole = 0
    for segment in found:
        payload = span.at(segment.offset, segment.size) if segment.marker == _APP1 else b""
        told = payload[len(_EXTENSION) :]
        if payload.startswith(_EXTENSION) and told[:32].upper() == guid.upper() and len(told) > 40:
            whole, at = struct.unpack_from(">LL", told, 32)
            pieces.setdefault(at, told[40:])
    there = sum(map(len, pieces.values()))
    if max(whole, there) > MOST_EXTENSION_BYTES:
        raise PacketError(f"it is {max(whole, there):,} bytes long")
    ends = [at + len(pieces[at]) for at in sorted(pieces)]
    if there != whole or not whole or sorted(pieces) != [0, *ends[:-1]]:
        raise PacketError(f"{there:,} of its {whole:,} bytes are there")
    return b"".join(pieces[at] for at in sorted(pieces))


def _packet(span: Span, found: list[Segment]) -> tuple[bytes | None, str]:
    """The XMP packet with what lies in further segments, and in words what of it could not be read."""
    main = _payload(span, found, _APP1, XMP_SEGMENT)
    more = _EXTENDED.search(main) if main else None
    if main is None or more is None:
        return main, ""
    try:
        return _joined(main, _extension(span, found, more.group(1))), ""
    except PacketError as trouble:
        return main, f"the second part of the XMP was not read: {trouble}"


def _joined(main: bytes, rest: bytes) -> bytes:
    """One packet of both parts.

    Raises:
        PacketError: one does not parse, or they make a packet that is too long.
    """
    packet = Packet(main)
    packet.absorb(Packet(rest))
    joined = packet.as_bytes()
    if len(joined) > MOST_PACKET_BYTES:  # escaped and indented anew it can be many times as long
        raise PacketError(f"with it the packet is {len(joined):,} bytes long")
    return joined


def _metadata(span: Span, found: list[Segment], profile: bytes | None) -> SourceMetadata:
    packet, trouble = _packet(span, found)
    metadata = from_blocks(
        exif=_payload(span, found, _APP1, EXIF_SEGMENT),
        xmp=packet,
        irb=_payload(span, found, _APP13, _IRB),
        density=_density(span, found),
    )
    notes = [trouble] if trouble else []
    if profile is None and _payload(span, found, _APP2, _ICC) is not None:
        notes.append("the ICC profile was left out: chunks are missing, or hold nothing")
    if _has_gain_map(span, found, packet):
        notes.append(GAIN_MAP_LEFT)
    boxes = (span.at(s.offset, s.size) for s in found if s.marker == _APP11)
    signed = any(_CREDENTIALS in box for box in boxes)
    return replace(metadata, notes=(*metadata.notes, *notes), credentials=signed)


def _has_gain_map(span: Span, found: list[Segment], packet: bytes | None) -> bool:
    """Whether a gain map lies behind the photo. Apple's is told of by itself alone, not by the photo."""
    if _payload(span, found, _APP2, _GAIN_MAP) is not None or GAIN_MAP_NAMESPACE.encode() in (packet or b""):
        return True
    several = _payload(span, found, _APP2, _SEVERAL) is not None
    return several and GAIN_MAP_KIND.encode() in span.at(0, span.size)


def _check_frame(path: Path, frame: Frame, limits: Limits) -> None:
    """Whether we take such a frame.

    Raises:
        UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall: we do not.
    """
    if frame.channels == 4:
        raise UnsupportedPhoto(path, "CMYK")
    if frame.precision != 8:
        raise UnsupportedPhoto(path, f"{frame.precision}-bit JPEG")
    if frame.marker not in _DECODABLE_SOF:
        raise UnsupportedPhoto(path, "a lossless or arithmetic JPEG")
    if frame.channels not in {1, 3}:
        raise UnsupportedPhoto(path, f"a JPEG of {frame.channels} channels")
    check_size(path, frame.width, frame.height, limits)


def _examine(path: Path, span: Span, limits: Limits) -> tuple[list[Segment], Frame]:
    """All that is to know before decoding: the segments, and the one frame.

    Raises:
        StructureError: absurd or cut off.
        UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall: not for us.
    """
    found = list(segments(span))
    frame = next((_frame(span, s) for s in found if s.marker in _SOF), None)
    if frame is None or found[-1].marker != _SOS:
        raise StructureError("it holds no picture")
    _check_frame(path, frame, limits)
    # Film and second pictures may follow the photo; many times its raw size is something else.
    if span.size > 8 * frame.width * frame.height * frame.channels + (512 << 20):
        raise StructureError(f"{span.size:,} bytes are too many for its size")
    _check_scans(span, found[-1].offset + found[-1].size)
    return found, frame


def read_jpeg(path: Path, handle: BinaryIO, limits: Limits) -> Decoded:
    """Decode a JPEG, or say in one class why not.

    Raises:
        IncompletePhoto, DamagedPhoto, UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall.
    """
    span = Span.of_file(handle)
    try:
        found, frame = _examine(path, span, limits)
        profile = _profile(span, found)
        metadata = _metadata(span, found, profile)
        if profile is None and metadata.adobe_rgb and frame.channels > 1:
            profile = adobe_rgb()  # without one the TIFF would be shown as sRGB, paler
    except StructureError as trouble:
        raise (IncompletePhoto if trouble.incomplete else DamagedPhoto)(path, str(trouble)) from trouble
    samples = np.asarray(imagecodecs.jpeg8_decode(span.at(0, span.size)))
    if samples.shape[:2] != (frame.height, frame.width) or samples.dtype != np.uint8:
        raise DamagedPhoto(path, f"it unpacks to {samples.dtype} {samples.shape}")
    samples = samples.reshape(frame.height, frame.width, -1)
    halved = _halved_colour(span, found)
    return Decoded(samples, frame.channels, (), profile, True, metadata, halved_colour=halved)
