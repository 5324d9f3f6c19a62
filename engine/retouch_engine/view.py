"""Looking at a photo and its result without an editor: tiles of a pyramid, before and after, for a browser.

Tiles are sRGB JPEGs in the photo's stored orientation; the page turns them. The source is decoded once and
kept while it is looked at; the result is never decoded: it is the source with the heal layer over it, which
is what the proof has shown. Level 0 is the photo at 100 %, each further level half the one before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.healed import heal_strips
from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.preview import jpeg, lay, seen, shrunk
from retouch_engine.codec.read import read_photo
from retouch_engine.recipe import Limits
from retouch_engine.tiling import TILE_PX, pyramid
from retouch_engine.types import Box, Patch, Photo

_KEPT = 2
"""Photos that stay decoded: the one looked at, and the one before or after it."""
_Stamp = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class _Pyramid:
    """One decoded photo and the levels that were looked at, of its own dtype, ``(h, w, 3)``."""

    photo: Photo
    planes: list[NDArray[Any]] = field(default_factory=list)

    def level(self, number: int) -> NDArray[Any]:
        """One level; those above it are made on the way.

        Raises:
            IndexError: there is no such level.
        """
        if not 0 <= number < pyramid(self.photo.width, self.photo.height)["levels"]:
            raise IndexError(number)
        if not self.planes:
            self.planes.append(self.photo.pixels)
        while len(self.planes) <= number:
            self.planes.append(shrunk(self.planes[-1], 2))
        return self.planes[number]


class Viewer:
    """Makes tiles; keeps the last photos decoded. Not for several threads at once."""

    def __init__(self, limits: Limits, threads: int = 2) -> None:
        self._limits, self._threads = limits, threads
        self._pyramids: OrderedDict[_Stamp, _Pyramid] = OrderedDict()
        self._heals: OrderedDict[_Stamp, tuple[Patch, ...]] = OrderedDict()

    def tile(self, source: Path, heal: Path | None, level: int, column: int, row: int) -> bytes:
        """One tile as JPEG; with a heal layer the photo after, without it before.

        Raises:
            IndexError: the photo has no such tile.
            EngineError: the photo or the layer cannot be read.
        """
        shown = self._pyramid(source)
        plane = shown.level(level)
        box = _tile_box(plane, column, row)
        pixels = np.array(plane[box.slices])
        if heal is not None:
            lay(pixels, box, 1 << level, shown.photo, self._patches(heal, shown.photo))
        return jpeg(seen(pixels, shown.photo))

    def about(self, source: Path) -> dict[str, int]:
        """``width``, ``height``, ``levels``, ``tile`` (px) and ``orientation`` (EXIF) of a photo.

        Raises:
            EngineError: the photo cannot be read.
        """
        photo = self._pyramid(source).photo
        orientation = metadata_of(photo.metadata).orientation
        size = {"width": photo.width, "height": photo.height}
        return {**size, **pyramid(photo.width, photo.height), "orientation": orientation}

    def _pyramid(self, source: Path) -> _Pyramid:
        stamp = _stamp(source)
        if stamp not in self._pyramids:
            while len(self._pyramids) >= _KEPT:
                self._pyramids.popitem(last=False)
            photo = read_photo(source, self._limits, self._threads, digest="")
            self._pyramids[stamp] = _Pyramid(photo)
        self._pyramids.move_to_end(stamp)
        return self._pyramids[stamp]

    def _patches(self, heal: Path, photo: Photo) -> tuple[Patch, ...]:
        stamp = _stamp(heal)
        if stamp not in self._heals:
            while len(self._heals) >= _KEPT:
                self._heals.popitem(last=False)
            self._heals[stamp] = tuple(_heal_patches(heal, photo))
        return self._heals[stamp]


def _stamp(path: Path) -> _Stamp:
    stat = path.stat()
    return str(path), stat.st_mtime_ns, stat.st_size


def _tile_box(plane: NDArray[Any], column: int, row: int) -> Box:
    y, x = row * TILE_PX, column * TILE_PX
    height, width = plane.shape[:2]
    if not (0 <= y < height and 0 <= x < width):
        raise IndexError((column, row))
    return Box(y, x, min(y + TILE_PX, height), min(x + TILE_PX, width))


def _heal_patches(path: Path, photo: Photo) -> Iterator[Patch]:
    """The heal layer as patches, a strip at a time: nearly all of it is empty.

    Raises:
        DamagedPhoto: it is no heal layer of this photo.
    """
    for place, strip in heal_strips(path, photo):
        where = strip[..., -1] > 0
        columns, rows = np.flatnonzero(where.any(axis=0)), np.flatnonzero(where.any(axis=1))
        cut = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        y, x = place.y0, place.x0
        box = Box(y + int(rows[0]), x + int(columns[0]), y + int(rows[-1]) + 1, x + int(columns[-1]) + 1)
        samples = np.broadcast_to(strip[cut][..., :-1], (box.height, box.width, 3))
        yield Patch(0, box, np.array(samples), np.array(where[cut]))
