"""Strips of the source, taken over into the result as they are packed.

A 16-bit TIFF exported with ZIP is packed as results are: Deflate, horizontal differences, little-endian.
Where no heal touches it nothing has to be packed again, which on a large photo is a third of all work. It is
proved like the rest: unpacked from the finished file and held against the decoded photo.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.sniff import open_source
from retouch_engine.errors import IncompletePhoto, SourceMissing

LARGEST_BYTES = 8 << 20
"""Unpacked. Some programs write a photo as one strip, of which a heal would have all packed again by one
thread."""


@dataclass(frozen=True, slots=True)
class SourceStrips:
    """Where the strips of a photo lie in its file. Only of one that is packed as results are."""

    path: Path
    signature: tuple[int, int]
    """Of the file when it was decoded."""
    rows: int
    channels: int
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]


class Taken:
    """The strips of an open source."""

    def __init__(self, source: SourceStrips, handle: BufferedReader) -> None:
        self._source = source
        self._handle = handle

    def strip(self, y0: int) -> bytes:
        """The strip that begins with row ``y0``. For any thread.

        Raises:
            IncompletePhoto: the file has become shorter.
            SourceMissing: it cannot be read any more.
        """
        number, source = y0 // self._source.rows, self._source
        count, offset = int(source.counts[number]), int(source.offsets[number])
        try:
            data = os.pread(self._handle.fileno(), count, offset)
        except OSError as error:
            raise SourceMissing(source.path, error.strerror or str(error)) from error
        if len(data) != count:
            raise IncompletePhoto(source.path, "it became shorter while it was worked on")
        return data


def signature(handle: BufferedReader) -> tuple[int, int]:
    """What changes when a file is written to: size and time."""
    status = os.fstat(handle.fileno())
    return status.st_size, status.st_mtime_ns


@contextmanager
def taken(source: SourceStrips) -> Iterator[Taken]:
    """The strips of a source.

    Raises:
        IncompletePhoto: the file is not the one that was decoded.
        SourceMissing: it is gone.
    """
    with open_source(source.path) as handle:
        yield Taken(source, handle)
        if signature(handle) != source.signature:
            raise IncompletePhoto(source.path, "it changed while it was worked on")
