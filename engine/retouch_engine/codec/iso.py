"""The boxes of an ISO base media file, which HEIF and CR3 are: whether all of them are there."""

from __future__ import annotations

import struct

from retouch_engine.codec.ifd import Span, StructureError

_MOST_BOXES = 4096
_LARGE, _TO_THE_END = 1, 0


def brand_of(head: bytes) -> bytes:
    """The major brand of a file that begins with ``head``; empty when it is no such file."""
    return head[8:12] if head[4:8] == b"ftyp" else b""


def check_boxes(span: Span) -> None:
    """Walk the outermost boxes up to the end of the file.

    Raises:
        StructureError: absurd, or one reaches past the end: a copy under way.
    """
    at, seen = 0, set()
    for _ in range(_MOST_BOXES):
        if at == span.size:
            if b"mdat" not in seen:
                raise StructureError("it holds no picture data", incomplete=True)
            return
        size, kind = struct.unpack(">I4s", span.at(at, 8))
        if size == _LARGE:
            (size,) = struct.unpack(">Q", span.at(at + 8, 8))
        elif size == _TO_THE_END:
            size = span.size - at
        if size < 8:
            raise StructureError(f"a box at byte {at:,} claims {size} bytes")
        if at + size > span.size:
            raise StructureError(f"a box reaches past its end at byte {at:,}", incomplete=True)
        seen.add(kind)
        at += size
    raise StructureError("its list of boxes does not end")
