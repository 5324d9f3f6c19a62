"""TIFF directories, read by hand, without trusting a byte of them.

The same structure holds a TIFF's pages and the EXIF block of a JPEG or PNG. Nothing here decodes pixels;
every count is held against the size of what was given before a value is read, so a hostile header costs
nothing. tifffile decodes afterwards, once the header is known to be sane.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_TYPES: dict[int, tuple[str, int]] = {
    1: ("u1", 1),
    2: ("S", 1),
    3: ("u2", 2),
    4: ("u4", 4),
    5: ("u4", 8),
    6: ("i1", 1),
    7: ("S", 1),
    8: ("i2", 2),
    9: ("i4", 4),
    10: ("i4", 8),
    11: ("f4", 4),
    12: ("f8", 8),
    13: ("u4", 4),
    16: ("u8", 8),
    17: ("i8", 8),
    18: ("u8", 8),
}
"""Type code: numpy kind, bytes each. Rationals are pairs."""

LARGEST_VALUE_BYTES = 64 << 20
"""More than any profile, packet or list of strips of a photo within the limits."""
MOST_PAGES = 64
MOST_TAGS = 4096


class StructureError(Exception):
    """The structure does not hold. ``incomplete`` when it points past the end of what there is."""

    def __init__(self, why: str, *, incomplete: bool = False) -> None:
        super().__init__(why)
        self.incomplete = incomplete


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes to read from: an open file or a block within it, never more than ``size``."""

    handle: BinaryIO
    start: int
    size: int

    @classmethod
    def of_file(cls, handle: BinaryIO) -> Span:
        """All of an open file."""
        return cls(handle, 0, os.fstat(handle.fileno()).st_size)

    def at(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset``.

        Raises:
            StructureError: they are not all there.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise StructureError(f"it points to byte {offset + count:,} of {self.size:,}", incomplete=True)
        self.handle.seek(self.start + offset)
        data = self.handle.read(count)
        if len(data) != count:
            raise StructureError(f"it ends at byte {offset + len(data):,}", incomplete=True)
        return data


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag: its type, how many values, and where they lie."""

    kind: int
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Byte order and word sizes of a TIFF."""

    order: str
    big: bool

    @property
    def count(self) -> struct.Struct:
        """How many tags a directory has."""
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def tag(self) -> struct.Struct:
        """One entry up to its value."""
        return struct.Struct(self.order + ("HHQ" if self.big else "HHL"))

    @property
    def pointer(self) -> struct.Struct:
        """An offset."""
        return struct.Struct(self.order + ("Q" if self.big else "L"))


@dataclass(frozen=True)
class Directory:
    """One directory: tags by code, read when asked for."""

    span: Span
    layout: Layout
    entries: dict[int, Entry]
    following: int
    """Where the next directory lies; 0 for none."""

    def __contains__(self, code: int) -> bool:
        return code in self.entries

    def raw(self, code: int) -> bytes | None:
        """The bytes of a tag's values as stored, or None without the tag.

        Raises:
            StructureError: an unknown type, too many values, or values past the end.
        """
        entry = self.entries.get(code)
        if entry is None:
            return None
        if entry.kind not in _TYPES:
            raise StructureError(f"tag {code} has the unknown type {entry.kind}")
        size = _TYPES[entry.kind][1] * entry.count
        if size > LARGEST_VALUE_BYTES:
            raise StructureError(f"tag {code} claims {size:,} bytes")
        return self.span.at(entry.offset, size)

    def numbers(self, code: int) -> NDArray[np.int64]:
        """The whole-number values of a tag, int64; rationals as numerator, denominator. Empty without it."""
        data = self.raw(code)
        if data is None:
            return np.empty(0, np.int64)
        kind = _TYPES[self.entries[code].kind][0]
        if kind == "S":
            kind = "u1"
        if kind.startswith("f"):
            raise StructureError(f"tag {code} holds fractions where whole numbers belong")
        values = np.frombuffer(data, self.layout.order + kind)
        if kind == "u8" and values.size and values.max() > np.iinfo(np.int64).max:
            raise StructureError(f"tag {code} is out of range")
        return values.astype(np.int64)

    def number(self, code: int, default: int) -> int:
        """The first value of a tag, or ``default``."""
        values = self.numbers(code)
        return int(values[0]) if values.size else default

    def text(self, code: int) -> bytes | None:
        """A text tag up to its first NUL, or None."""
        data = self.raw(code)
        return None if data is None else data.split(b"\0", 1)[0]

    @cached_property
    def size_px(self) -> tuple[int, int]:
        """Width and height as claimed."""
        return self.number(256, 0), self.number(257, 0)


def read_layout(span: Span) -> tuple[Layout, int]:
    """The byte order, and where the first directory lies.

    Raises:
        StructureError: not a TIFF structure, or cut off.
    """
    head = span.at(0, 8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise StructureError("it has no TIFF header")
    magic = struct.unpack(order + "H", head[2:4])[0]
    if magic == 42:
        return Layout(order, big=False), struct.unpack(order + "L", head[4:])[0]
    if magic == 43:
        return Layout(order, big=True), struct.unpack(order + "Q", span.at(8, 8))[0]
    raise StructureError(f"its TIFF header has the unknown version {magic}")


def read_directory(span: Span, layout: Layout, offset: int) -> Directory:
    """The directory at ``offset``; values stay unread. One of EXIF may be empty: libexif leaves such behind.

    Raises:
        StructureError: absurd, or cut off.
    """
    count = layout.count.unpack(span.at(offset, layout.count.size))[0]
    if count > MOST_TAGS:
        raise StructureError(f"a directory claims {count} tags")
    step = layout.tag.size + layout.pointer.size
    start = offset + layout.count.size
    table = span.at(start, count * step + layout.pointer.size)
    entries: dict[int, Entry] = {}
    for i in range(count):
        code, kind, values = layout.tag.unpack_from(table, i * step)
        at = start + i * step + layout.tag.size
        size = _TYPES.get(kind, ("", 1))[1] * values
        if size > layout.pointer.size:
            at = layout.pointer.unpack_from(table, i * step + layout.tag.size)[0]
        # The first of two equal tags counts, as it does for tifffile and libtiff.
        entries.setdefault(code, Entry(kind, values, at))
    following = layout.pointer.unpack_from(table, count * step)[0]
    return Directory(span, layout, entries, following)


def directories(span: Span) -> Iterator[Directory]:
    """The main chain of directories, each once, at most :data:`MOST_PAGES`.

    Raises:
        StructureError: absurd, cut off or circular.
    """
    layout, offset = read_layout(span)
    if offset == 0:
        # What an encoder leaves when it is interrupted: the first offset is written last.
        raise StructureError("its first directory is not written yet", incomplete=True)
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise StructureError("its list of pages does not end")
        if len(seen) == MOST_PAGES:
            return
        seen.add(offset)
        directory = read_directory(span, layout, offset)
        if not directory.entries:
            raise StructureError("a page has an empty directory")
        yield directory
        offset = directory.following


def sub_directory(parent: Directory, code: int) -> Directory | None:
    """The directory that tag ``code`` of ``parent`` points to (EXIF, GPS), or None when there is none."""
    offset = parent.number(code, 0)
    if offset == 0:
        return None
    return read_directory(parent.span, parent.layout, offset)
