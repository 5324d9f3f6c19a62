"""Strips of a source that is packed as results are come into the result as they stand; others are packed."""

from __future__ import annotations

import os
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.engine.codec import pictures

from retouch_engine import errors
from retouch_engine.codec import tiff
from retouch_engine.codec.read import read_photo
from retouch_engine.codec.write import write_result
from retouch_engine.prove import prove_result
from retouch_engine.recipe import Compression, Finish, Limits
from retouch_engine.types import Photo

XMP = b'<x xmlns:retouchd="http://ns.retouchd.org/1.0/"/>'
ZIP = {"compression": "zlib", "predictor": True, "rowsperstrip": 16, "compressionargs": {"level": 9}}


def _read(tmp_path: Path, data: np.ndarray[Any, Any] | None = None, **options: Any) -> Photo:
    samples = pictures.ramp() if data is None else data
    return read_photo(pictures.write_tiff(tmp_path / "a.tif", samples, **ZIP | options), Limits())


def _strips(path: Path) -> list[bytes]:
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        whole = path.read_bytes()
        places = zip(page.dataoffsets, page.databytecounts, strict=True)
        return [whole[at : at + count] for at, count in places]


def _written(tmp_path: Path, photo: Photo, finish: Finish | None = None) -> Path:
    result = tmp_path / "r.tif"
    write_result(result, photo, [pictures.patch(y=40)], finish or Finish(), XMP)
    return result


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"rowsperstrip": 7}], ids=str)
def test_only_where_a_heal_lies_is_packed_again(
    tmp_path: Path, channels: int, options: dict[str, Any]
) -> None:
    data = pictures.ramp(channels)
    extra = {"extrasamples": [2]} if channels == 4 else {}
    photo = _read(tmp_path, data, **options, **extra)
    result = _written(tmp_path, photo)
    rows = options.get("rowsperstrip", 16)
    before, after = _strips(tmp_path / "a.tif"), _strips(result)
    assert len(before) == len(after) == -(-data.shape[0] // rows)
    patch = pictures.patch(y=40)
    same = [a == b for a, b in zip(before, after, strict=True)]
    touched = range(patch.box.y0 // rows, -(-patch.box.y1 // rows))
    assert same == [number not in touched for number in range(len(before))]
    expected = data.copy()
    expected[..., :3][patch.box.slices][patch.changed] = patch.pixels[patch.changed]
    np.testing.assert_array_equal(tifffile.imread(result), expected)
    assert prove_result(result, photo, [patch], Finish(), XMP).outside_unchanged


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"compression": "lzw", "compressionargs": None},
        {"compression": None, "compressionargs": None, "predictor": None},
        {"predictor": None},
        {"tile": (32, 32), "rowsperstrip": None},
        {"planarconfig": "separate"},
    ],
    ids=str,
)
def test_a_source_packed_in_another_way_is_packed_anew(tmp_path: Path, options: dict[str, Any]) -> None:
    data = pictures.ramp()
    given = np.moveaxis(data, -1, 0) if "planarconfig" in options else data
    photo = _read(tmp_path, given, photometric="rgb", **options)
    np.testing.assert_array_equal(photo.pixels, data)
    _check_packed_anew(_written(tmp_path, photo), photo)


def test_eight_bits_and_a_grey_photo_are_packed_anew(tmp_path: Path) -> None:
    for data in (pictures.ramp(3, np.uint8), pictures.ramp()[..., 0]):
        photo = _read(tmp_path, np.ascontiguousarray(data))
        _check_packed_anew(_written(tmp_path, photo), photo)


def test_another_packing_that_is_asked_for_is_made(tmp_path: Path) -> None:
    photo = _read(tmp_path)
    result = _written(tmp_path, photo, Finish(Compression.LZW))
    _check_packed_anew(result, photo)


def test_a_photo_in_one_great_strip_is_packed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "LARGEST_BYTES", 1000)
    photo = _read(tmp_path)
    _check_packed_anew(_written(tmp_path, photo), photo)


def _check_packed_anew(result: Path, photo: Photo) -> None:
    with tifffile.TiffFile(result) as tif:
        assert tif.pages[0].rowsperstrip == 64
    assert prove_result(result, photo, [pictures.patch(y=40)], Finish(), XMP).outside_unchanged


def test_a_source_that_changed_meanwhile_is_not_taken_over(tmp_path: Path) -> None:
    photo = _read(tmp_path)
    source = tmp_path / "a.tif"
    whole = source.read_bytes()
    os.utime(source, ns=(0, 0))
    with pytest.raises(errors.IncompletePhoto, match="changed"):
        _written(tmp_path, photo)
    source.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.IncompletePhoto, match="shorter"):
        _written(tmp_path, photo)
    source.unlink()
    with pytest.raises(errors.SourceMissing):
        _written(tmp_path, photo)


def test_what_was_taken_over_is_proved_like_the_rest(tmp_path: Path) -> None:
    photo = _read(tmp_path)
    own = photo.strips
    # The strip of rows 112 to 127 in place of the one before: a valid file, but not this photo.
    offsets, counts = own.offsets.copy(), own.counts.copy()
    offsets[6], counts[6] = offsets[7], counts[7]
    result = _written(tmp_path, replace(photo, strips=replace(own, offsets=offsets, counts=counts)))
    with pytest.raises(errors.ProofFailed, match="outside the heals differs in rows 96 to 112"):
        prove_result(result, photo, [pictures.patch(y=40)], Finish(), XMP)


def test_strips_that_lie_over_each_other_are_packed_anew(tmp_path: Path) -> None:
    """Taken over as they stand, a small file would make a huge one."""
    photo = _read(tmp_path, np.full((160, 200, 3), 30_000, np.uint16))
    assert photo.strips is not None
    path = tmp_path / "a.tif"
    with tifffile.TiffFile(path, mode="r+") as tif:
        page = tif.pages[0]
        first, many = page.dataoffsets[0], len(page.dataoffsets)
        page.tags[273].overwrite([first] * many)
        page.tags[279].overwrite([path.stat().st_size - first] * many)
    photo = read_photo(path, Limits())
    assert photo.strips is None
    assert prove_result(_written(tmp_path, photo), photo, [pictures.patch(y=40)], Finish(), XMP)


def _filled_up(
    path: Path, data: np.ndarray[Any, Any], strip_bytes: int | None = None, **options: Any
) -> Path:
    """A TIFF whose last strip is filled up to RowsPerStrip, or to so many bytes. Planes come one by one."""
    rows = 64
    planes = data if options.get("planarconfig") else data[np.newaxis]
    spare = -planes.shape[1] % rows
    full = np.pad(planes, [(0, 0), (0, spare), *[(0, 0)] * (planes.ndim - 2)], constant_values=7)
    strips = []
    for plane in full:
        for y in range(0, plane.shape[0], rows):
            band = plane[y : y + rows]
            if options.get("predictor"):
                band = np.diff(band, axis=1, prepend=band.dtype.type(0))
            raw = band.tobytes()
            strips.append(zlib.compress(raw))
    if strip_bytes is not None:
        strips[-1] = zlib.compress(raw + bytes(strip_bytes - len(raw)))
    tifffile.imwrite(
        path,
        iter(strips),
        shape=data.shape,
        dtype=data.dtype,
        rowsperstrip=rows,
        photometric="rgb",
        compression="zlib",
        metadata=None,
        **options,
    )
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "options", [{}, {"predictor": True}, {"planarconfig": "separate", "predictor": True}], ids=str
)
def test_a_last_strip_that_is_filled_up_is_read_and_not_taken_over(
    tmp_path: Path, dtype: type, options: dict[str, Any]
) -> None:
    """Some programs write RowsPerStrip rows where fewer are left; editors read it, and it was refused."""
    data = pictures.ramp(3, dtype)
    stored = np.ascontiguousarray(np.moveaxis(data, -1, 0)) if "planarconfig" in options else data
    photo = read_photo(_filled_up(tmp_path / "a.tif", stored, **options), Limits())
    assert np.array_equal(photo.pixels, data)
    result = _written(tmp_path, photo)
    assert prove_result(result, photo, [pictures.patch(y=40)], Finish(), XMP)


@pytest.mark.parametrize("strip_bytes", [64 * 130 * 3 + 1, 60 << 20])
def test_a_last_strip_of_more_than_a_full_one_is_damage_and_not_unpacked(
    tmp_path: Path, strip_bytes: int
) -> None:
    path = _filled_up(tmp_path / "a.tif", pictures.ramp(3, np.uint8), strip_bytes)
    tracemalloc.start()
    try:
        with pytest.raises(errors.DamagedPhoto):
            read_photo(path, Limits())
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_last_strip_that_is_filled_up_and_damaged_is_damage(tmp_path: Path) -> None:
    path = _filled_up(tmp_path / "a.tif", pictures.ramp(3, np.uint8))
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        behind = page.dataoffsets[-1] + page.databytecounts[-1]
    whole = bytearray(path.read_bytes())
    whole[behind - 1] ^= 1  # of its checksum
    path.write_bytes(whole)
    with pytest.raises(errors.DamagedPhoto):
        read_photo(path, Limits())
