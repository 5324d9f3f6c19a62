"""A heal layer of ours, read back: the strips in which anything is, and what the last run wrote down."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.rdf import packet_of_one
from retouch_engine.codec.rows import stays_grey
from retouch_engine.errors import DamagedPhoto
from retouch_engine.imaging.turning import back, turned, turned_box, turned_size
from retouch_engine.types import Box, Photo

Samples16 = NDArray[np.uint16]
_XMP, _ORIENTATION = 700, 274
_PLAN = re.compile(rb'retouchd:Plan="([A-Za-z0-9+/=]*)"')


def plan_packet(memo: bytes) -> bytes:
    """An XMP packet that holds what :func:`retouch_engine.resume.packed` gave.

    In XMP and not in a tag of our own: ImageMagick and others complain of tags that they do not know.
    """
    return packet_of_one("retouchd:Plan", base64.b64encode(memo).decode("ascii"))


def _memo(xmp: bytes) -> bytes:
    found = _PLAN.search(xmp)
    return base64.b64decode(found[1]) if found else b""


def heal_strips(path: Path, photo: Photo) -> Iterator[tuple[Box, Samples16]]:
    """Each strip that is not empty, as the photo is stored: its box, and ``(h, w, S)`` with alpha last.

    Raises:
        DamagedPhoto: it is no heal layer of this photo.
    """
    with _opened(path, photo) as (tif, orientation):
        page, empty = tif.pages[0], b""
        shown = (page.imagelength, page.imagewidth)
        for index, (at, size) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
            tif.filehandle.seek(at)
            data = tif.filehandle.read(size)
            # Nearly all strips are empty, and all of these are packed alike: one is unpacked.
            if data == empty:
                continue
            strip, place, shape = page.decode(data, index)
            if strip is None or not strip.any():
                empty = data
                continue
            strip = strip.reshape(shape[1:])
            box = Box(place[2], 0, place[2] + strip.shape[0], strip.shape[1])
            yield turned_box(box, shown, back(orientation)), turned(strip, back(orientation))


def read_heals(path: Path, photo: Photo) -> tuple[bytes, Callable[[Box], Samples16]]:
    """What the last run wrote down, and the layer's colours in a box: ``(h, w, 3)``, 0 where it is empty.

    Raises:
        DamagedPhoto: it is no heal layer of this photo, or does not decode.
    """
    try:
        with _opened(path, photo) as (tif, _):
            memo = _memo(bytes(tif.pages[0].tags.valueof(_XMP, b"")))
        strips = list(heal_strips(path, photo))
    except DamagedPhoto:
        raise
    except Exception as error:
        # tifffile and its codecs raise whatever they like; such a layer is not used.
        raise DamagedPhoto(path, f"{type(error).__name__}: {error}") from error

    def within(box: Box) -> Samples16:
        out = np.zeros((box.height, box.width, 3), np.uint16)
        for where, strip in strips:
            if where.meets(box):
                common = where.common(box)
                # One colour of a grey layer stands for all three.
                out[common.within(box).slices] = strip[common.within(where).slices][..., :-1]
        return out

    return memo, within


@contextmanager
def _opened(path: Path, photo: Photo) -> Iterator[tuple[tifffile.TiffFile, int]]:
    """The open file, and the orientation that the photo was turned by when it was written.

    A layer that says an orientation of its own is of a version that wrote it as the photo is stored.
    """
    orientation = metadata_of(photo.metadata).orientation
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        if page.tags.valueof(_ORIENTATION, 1) != 1:
            orientation = 1
        wanted = turned_size((photo.height, photo.width), orientation)
        colours = 1 if stays_grey(photo) else 3
        found = (page.imagelength, page.imagewidth, page.samplesperpixel, page.dtype)
        if found != (*wanted, colours + 1, np.dtype(np.uint16)):
            raise DamagedPhoto(path, "it is no heal layer of this photo")
        yield tif, orientation
