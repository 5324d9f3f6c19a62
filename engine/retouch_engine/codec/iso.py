"""The boxes of an ISO base media file, which HEIF and CR3 are: whether all of them are there."""

from __future__ import annotations

import struct

from retouch_engine.codec.ifd import Span, StructureError

_MOST_BOXES = 4096
_LARGE, _TO_THE_END = 1, 0
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
    at, seen = 0, set[bytes]()
    for _ in range(_MOST_BOXES):
        if at == span.size:
            if b"mdat" not in seen:
                raise StructureError("it holds no picture data", incomplete=True)
            return frozenset(seen)
        size, kind = struct.unpack(">I4s", span.at(at, 8))
        head = 8
        if size == _LARGE:
            (size,) = struct.unpack(">Q", span.at(at + 8, 8))
            head = 16
        elif size == _TO_THE_END:
            size = span.size - at
        if size < 8:
            raise StructureError(f"a box at byte {at:,} claims {size} bytes")
        if at + size > span.size:
            raise StructureError(f"a box reaches past its end at byte {at:,}", incomplete=True)
        seen.add(span.at(at + head, 16) if kind == b"uuid" and size >= head + 16 else kind)
        at += size
    raise StructureError("its list of boxes does not end")
