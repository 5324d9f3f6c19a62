"""The boxes of an ISO base media file, which HEIF and CR3 are: whether all are there, how it is turned."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np

from retouch_engine.codec.ifd import LARGEST_VALUE_BYTES, Span, StructureError
from retouch_engine.imaging.turning import turned

_MOST_BOXES = 4096
_LARGE, _TO_THE_END = 1, 0
_LEAST_LIST_BYTES = 8
_PROBE = np.arange(6).reshape(2, 3)
"""Comes out differently for each of the eight orientations."""
CREDENTIALS = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The kind of the box that holds content credentials (C2PA)."""


def brand_of(head: bytes) -> bytes:
    """The major brand of a file that begins with ``head``; empty when it is no such file."""
    return head[8:12] if head[4:8] == b"ftyp" else b""


def check_boxes(span: Span) -> frozenset[bytes]:
    """Walk the outermost boxes up to the end of the file; their kinds, of a "uuid" the 16 bytes it goes by.

    Raises:
        StructureError: absurd, or one reaches past the end: a copy under way.
    """
    seen = set[bytes]()
    for kind, start, end in _boxes(span, 0, span.size):
        seen.add(span.at(start, 16) if kind == b"uuid" and end - start >= 16 else kind)
    if b"mdat" not in seen:
        raise StructureError("it holds no picture data", incomplete=True)
    return frozenset(seen)


def orientation_of(span: Span) -> int:
    """How the primary picture is turned and mirrored for display (irot, imir), as EXIF's 1 to 8.

    Raises:
        StructureError: absurd, or cut off.
    """
    meta = _child(span, (0, span.size), b"meta", 4)
    named, properties = _child(span, meta, b"pitm"), _child(span, meta, b"iprp")
    if named is None or properties is None:
        return 1
    found = list(_boxes(span, *(_child(span, properties, b"ipco") or (0, 0))))
    primary = int.from_bytes(span.at(named[0] + 4, named[1] - named[0] - 4))
    turned_probe = _PROBE
    for number in _associated(span, _child(span, properties, b"ipma"), primary):
        if not 0 < number <= len(found):
            continue
        kind, start, _ = found[number - 1]
        if kind == b"irot":
            turned_probe = np.rot90(turned_probe, span.at(start, 1)[0] & 3)
        elif kind == b"imir":
            turned_probe = np.flip(turned_probe, span.at(start, 1)[0] & 1)
    return next(n for n in range(1, 9) if np.array_equal(turned(_PROBE, n), turned_probe))


def _boxes(span: Span, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes within a stretch of the file: kind, and where the content of each begins and ends.

    Raises:
        StructureError: absurd, or one reaches past the end.
    """
    for _ in range(_MOST_BOXES):
        if at == end:
            return
        size, kind = struct.unpack(">I4s", span.at(at, 8))
        head = 8
        if size == _LARGE:
            (size,) = struct.unpack(">Q", span.at(at + 8, 8))
            head = 16
        elif size == _TO_THE_END:
            size = end - at
        if size < head:
            raise StructureError(f"a box at byte {at:,} claims {size} bytes")
        if at + size > end:
            # Only where the file ends can a copy be under way; the end of a box is there already.
            raise StructureError(f"a box reaches past its end at byte {at:,}", incomplete=end == span.size)
        yield kind, at + head, at + size
        at += size
    raise StructureError("its list of boxes does not end")


def _child(
    span: Span, within: tuple[int, int] | None, wanted: bytes, head: int = 0
) -> tuple[int, int] | None:
    """Where the content of the first box of a kind lies, behind ``head`` bytes of its own."""
    if within is None:
        return None
    found = ((start + head, end) for kind, start, end in _boxes(span, *within) if kind == wanted)
    return next(found, None)


def _associated(span: Span, where: tuple[int, int] | None, item: int) -> list[int]:
    """The numbers of an item's properties, counted from 1, in the order in which they apply (ipma)."""
    if where is None:
        return []
    at, end = where
    if not _LEAST_LIST_BYTES <= end - at <= LARGEST_VALUE_BYTES:
        raise StructureError(f"its list of properties claims {end - at:,} bytes")
    data = io.BytesIO(span.at(at, end - at))
    version, *flags = data.read(4)
    wide, of_item = (2 if flags[2] & 1 else 1), (4 if version else 2)
    for _ in range(int.from_bytes(data.read(4))):
        told = data.read(of_item)
        count = data.read(1)
        if not count:
            break
        numbers = [int.from_bytes(data.read(wide)) & ((1 << (8 * wide - 1)) - 1) for _ in range(count[0])]
        if int.from_bytes(told) == item:
            return numbers
    return []
