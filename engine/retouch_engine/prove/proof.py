"""Sample by sample: outside the heals the source, inside them the patches, all else as it was.

Strips are checked as they are decoded, in a few threads, so that no second canvas is held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.standing import standing_patches, standing_photo
from retouch_engine.errors import ProofFailed
from retouch_engine.imaging.turning import back, turned, turned_size
from retouch_engine.recipe import Finish
from retouch_engine.types import Patch, Photo

_ICC, _XMP, _ORIENTATION = 34675, 700, 274
_FULL = 65535
_RGB, _GREY = 2, 1
_BAND_ROWS = 256
_READ_AHEAD_BYTES = 16 << 20
"""Packed strips held at a time; tifffile would take 256 MB."""

_Check = Callable[[NDArray[np.uint16], int], None]
"""Takes one strip ``(rows, W, S)`` and its first row; raises :class:`_Broken`."""


class _BrokenError(Exception):
    """A promise that does not hold, in words."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked on the encoded file and found to hold."""

    outside_unchanged: bool
    """Every sample outside the heals equals the source's."""
    samples: int
    """How many samples were compared."""
    changed_px: int
    """How many pixels the heals cover."""
    profile_equal: bool = True
    extra_equal: bool = True


def prove_result(
    path: Path, photo: Photo, patches: Sequence[Patch], finish: Finish, xmp: bytes | None = None
) -> Proof:
    """Decode the staged result at ``path`` and hold every sample against its promise.

    Args:
        path: the result, after exiftool.
        photo: the source.
        patches: what was laid into it; where they overlap, the later one stands.
        finish: for its number of threads.
        xmp: the packet that must be embedded, when given.

    Raises:
        ProofFailed: the first promise that does not hold.
    """
    colours = 1 if _grey_profile(photo) else 3
    extra = 0 if photo.extra is None else photo.extra.shape[2]

    def check(strip: NDArray[np.uint16], y0: int) -> None:
        rows = slice(y0, y0 + strip.shape[0])
        _check_colours(strip[..., :colours], photo, patches, rows, colours)
        if photo.extra is not None and not np.array_equal(strip[..., colours:], _widened(photo.extra[rows])):
            raise _BrokenError(f"an extra channel differs in rows {y0} to {rows.stop}")

    def page_check(page: Any) -> None:
        _check_tag(page, _ICC, photo.profile, "the ICC profile")
        if xmp is not None:
            _check_tag(page, _XMP, xmp, "the XMP packet")
        if extra and tuple(int(v) for v in page.extrasamples) != (photo.extra_meaning or (0,) * extra):
            raise _BrokenError(f"the extra channels mean {tuple(page.extrasamples)}")

    _prove(path, photo, colours, extra, finish, page_check, check)
    return Proof(
        outside_unchanged=True,
        samples=photo.height * photo.width * (colours + extra),
        changed_px=_changed_px(photo, patches),
    )


def prove_heal_layer(path: Path, photo: Photo, patches: Sequence[Patch], finish: Finish) -> Proof:
    """Decode the heal layer, lay it over the upright source and hold it against the result, within 1/65535.

    Raises:
        ProofFailed: the first promise that does not hold.
    """
    patches, photo = standing_patches(photo, patches), standing_photo(photo)
    colours = 1 if _grey_profile(photo) else 3

    def check(strip: NDArray[np.uint16], y0: int) -> None:
        rows = slice(y0, y0 + strip.shape[0])
        wanted, changed = _promised(photo, patches, rows)
        # Where it is empty the source stands untouched; only the heals need laying over.
        if not changed.any():
            if strip.any():
                raise _BrokenError(f"the layer is not empty in rows {y0} to {rows.stop}")
            return
        if (_something(strip) & ~changed).any():
            raise _BrokenError(f"the layer is not empty outside the heals in rows {y0} to {rows.stop}")
        under = _widened(photo.pixels[rows][..., :colours][changed]).astype(np.float64)
        layer = strip[changed].astype(np.float64)
        laid = layer[:, :colours] + under * (1 - layer[:, colours:] / _FULL)
        if np.abs(laid - wanted[changed][:, :colours]).max() > 1:
            raise _BrokenError(f"laid over the source it is not the result in rows {y0} to {rows.stop}")

    def page_check(page: Any) -> None:
        _check_tag(page, _ICC, photo.profile, "the ICC profile")
        if tuple(int(v) for v in page.extrasamples) != (1,):
            raise _BrokenError("its last channel is not transparency")

    _prove(path, photo, colours, 1, finish, page_check, check)
    return Proof(
        outside_unchanged=True,
        samples=photo.height * photo.width * (colours + 1),
        changed_px=_changed_px(photo, patches),
    )


def prove_merged(path: Path, photo: Photo, patches: Sequence[Patch]) -> None:
    """Hold the merged picture of a Photoshop document, which ends it upright and raw, against its promise.

    Raises:
        ProofFailed: a sample differs, or the file is too short.
    """
    colours = 1 if _grey_profile(photo) else 3
    count = colours * photo.height * photo.width
    size = path.stat().st_size - 2 * count
    if size <= 0:
        raise ProofFailed(path, "it is too short")
    orientation = metadata_of(photo.metadata).orientation
    shape = (*turned_size((photo.height, photo.width), orientation), colours)
    planes = np.memmap(path, dtype=">u2", mode="r", offset=size, shape=(colours, *shape[:2]))
    # As the photo is stored: a view, nothing is read yet.
    merged = turned(np.moveaxis(planes, 0, -1), back(orientation))
    for y0 in range(0, photo.height, _BAND_ROWS):
        rows = slice(y0, min(y0 + _BAND_ROWS, photo.height))
        band = np.ascontiguousarray(merged[rows]).astype(np.uint16)
        try:
            _check_colours(band, photo, patches, rows, colours)
        except _BrokenError as error:
            raise ProofFailed(path, str(error)) from error


def _grey_profile(photo: Photo) -> bool:
    return photo.grey and photo.profile is not None and photo.profile[16:20] == b"GRAY"


def _widened(samples: NDArray[Any]) -> NDArray[np.uint16]:
    """The promise for untouched samples: uint16 as it is, uint8 times 257."""
    return samples if samples.dtype == np.uint16 else samples.astype(np.uint16) * np.uint16(257)


def _promised(
    photo: Photo, patches: Sequence[Patch], rows: slice
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """The healed samples ``(rows, W, 3)``, zero elsewhere, and where they stand ``(rows, W)``."""
    count = rows.stop - rows.start
    changed = np.zeros((count, photo.width), np.bool_)
    met = [p for p in patches if p.box.y0 < rows.stop and p.box.y1 > rows.start]
    # Most strips meet no patch: for them no array of colours is made.
    wanted = np.zeros((count, photo.width, 3) if met else (1, 1, 3), np.uint16)
    for patch in met:
        top, bottom = max(rows.start, patch.box.y0), min(rows.stop, patch.box.y1)
        own = slice(top - patch.box.y0, bottom - patch.box.y0)
        there = (slice(top - rows.start, bottom - rows.start), slice(patch.box.x0, patch.box.x1))
        np.copyto(wanted[there], patch.pixels[own], where=patch.changed[own][..., None])
        changed[there] |= patch.changed[own]
    return wanted, changed


def _something(strip: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Where any channel of a layer ``(rows, W, S)``, S 2 or 4, is not zero: ``(rows, W)``."""
    # All channels of a pixel as one number: a test along an axis of four is thirty times as slow.
    return np.asarray(np.ascontiguousarray(strip).view(f"u{2 * strip.shape[-1]}")[..., 0] != 0)


def _check_colours(
    strip: NDArray[np.uint16], photo: Photo, patches: Sequence[Patch], rows: slice, colours: int
) -> None:
    source = _widened(photo.pixels[rows][..., :colours])
    wanted, changed = _promised(photo, patches, rows)
    healed = changed.any()
    promised = np.where(changed[..., None], wanted[..., :colours], source) if healed else source
    if np.array_equal(strip, promised):
        return
    # Which of the two promises it is, is asked only now: along an axis of three that takes long.
    if ((strip != source).any(axis=-1) & ~changed).any():
        raise _BrokenError(f"a sample outside the heals differs in rows {rows.start} to {rows.stop}")
    raise _BrokenError(f"a healed sample is not what was composed in rows {rows.start} to {rows.stop}")


def _changed_px(photo: Photo, patches: Sequence[Patch]) -> int:
    if not patches:
        return 0
    first, last = min(p.box.y0 for p in patches), max(p.box.y1 for p in patches)
    return sum(
        int(_promised(photo, patches, slice(y, min(y + 512, last)))[1].sum()) for y in range(first, last, 512)
    )


def _check_tag(page: Any, code: int, expected: bytes | None, name: str) -> None:
    found = page.tags.valueof(code)
    if (bytes(found) if found is not None else None) != expected:
        raise _BrokenError(f"{name} is not the source's" if found is not None else f"{name} is missing")


def _check_page(tif: Any, photo: Photo, colours: int, extra: int) -> None:
    """One classic page of the promised kind and size."""
    page = tif.pages[0]
    if tif.is_bigtiff:
        raise _BrokenError("it is a BigTIFF")
    if len(tif.pages) != 1 or page.subifds:
        raise _BrokenError(f"it holds {len(tif.pages)} pages")
    if (page.imagelength, page.imagewidth) != (photo.height, photo.width):
        raise _BrokenError(f"it is {page.imagewidth} x {page.imagelength} px")
    if page.samplesperpixel != colours + extra or page.planarconfig != 1:
        raise _BrokenError(f"it has {page.samplesperpixel} channels, expected {colours + extra}")
    if page.dtype != np.uint16 or page.photometric != (_RGB if colours == 3 else _GREY):
        raise _BrokenError(f"its samples are {page.dtype} of kind {page.photometric}")
    orientation = metadata_of(photo.metadata).orientation
    if page.tags.valueof(_ORIENTATION, 1) != orientation:
        raise _BrokenError(f"its orientation is {page.tags.valueof(_ORIENTATION)}, expected {orientation}")


def _prove(
    path: Path,
    photo: Photo,
    colours: int,
    extra: int,
    finish: Finish,
    page_check: Callable[[Any], None],
    check: _Check,
) -> None:
    """Read the file back and check its page, then every strip.

    Raises:
        ProofFailed: a promise does not hold, or the file does not decode.
    """

    def strip_check(segment: tuple[NDArray[np.uint16] | None, tuple[int, ...], tuple[int, ...]]) -> int:
        data, index, shape = segment
        if data is None:
            raise _BrokenError("a strip is missing")
        check(data.reshape(shape[1:]), index[2])
        return shape[1]

    try:
        with tifffile.TiffFile(path) as tif:
            _check_page(tif, photo, colours, extra)
            page = tif.pages[0]
            page_check(page)
            rows = sum(
                page.segments(maxworkers=finish.threads, func=strip_check, buffersize=_READ_AHEAD_BYTES)
            )
        if rows != photo.height:
            raise _BrokenError(f"{rows} of {photo.height} rows were written")  # noqa: TRY301 - the same answer
    except _BrokenError as error:
        raise ProofFailed(path, str(error)) from error
    except Exception as error:
        # Whatever keeps the file from decoding keeps it from being published.
        raise ProofFailed(path, f"it does not decode: {type(error).__name__}: {error}") from error
