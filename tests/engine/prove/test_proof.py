"""The proof notices one sample, one byte of the profile, one page too many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.engine.codec import pictures

from retouch_engine.codec.metadata import SourceMetadata
from retouch_engine.codec.write import write_heal_layer, write_result
from retouch_engine.errors import ProofFailed
from retouch_engine.prove import prove_heal_layer, prove_result
from retouch_engine.recipe import Compression, Finish
from retouch_engine.types import Photo

FINISH = Finish()
PATCHES = [pictures.patch(y=50, seed=1), pictures.patch(y=60, x=60, seed=2)]
XMP = b"<x/>"


def _photo(dtype: type = np.uint16, **changes: Any) -> Photo:
    return replace(Photo(pixels=pictures.ramp(3, dtype), profile=pictures.rgb_profile()), **changes)


def _rewrite(path: Path, data: np.ndarray[Any, Any], **options: Any) -> None:
    """The same file by another writer, with what was changed in it."""
    given = {"photometric": "rgb", "iccprofile": pictures.rgb_profile(), "metadata": None, **options}
    tifffile.imwrite(path, data, extratags=[(700, 1, len(XMP), XMP, True)], **given)


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_honest_result_passes(tmp_path: Path, dtype: type, compression: Compression) -> None:
    path, photo = tmp_path / "r.tif", _photo(dtype)
    write_result(path, photo, PATCHES, Finish(compression), XMP)
    proof = prove_result(path, photo, PATCHES, FINISH, XMP)
    assert proof.outside_unchanged
    assert proof.samples == 150 * 130 * 3
    both = np.zeros((150, 130), np.bool_)
    for patch in PATCHES:
        both[patch.box.slices] |= patch.changed
    assert proof.changed_px == both.sum()


def test_honest_grey_and_extra_channels_pass(tmp_path: Path) -> None:
    grey = np.broadcast_to(pictures.ramp(1), (150, 130, 3))
    extra = pictures.ramp(2, seed=9)
    for profile in (None, pictures.grey_profile()):
        photo = Photo(pixels=grey, grey=True, profile=profile, extra=extra.copy(), extra_meaning=(2, 0))
        write_result(tmp_path / "r.tif", photo, PATCHES, FINISH, XMP)
        prove_result(tmp_path / "r.tif", photo, PATCHES, FINISH)
        write_heal_layer(tmp_path / "h.tif", photo, PATCHES, FINISH)
        prove_heal_layer(tmp_path / "h.tif", photo, PATCHES, FINISH)


@pytest.mark.parametrize(
    ("y", "x", "words"), [(0, 0, "outside"), (149, 129, "outside"), (65, 50, "outside"), (65, 65, "healed")]
)
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_sample_off_by_one_is_noticed(tmp_path: Path, y: int, x: int, words: str, channel: int) -> None:
    path, photo = tmp_path / "r.tif", _photo()
    write_result(path, photo, PATCHES, FINISH, XMP)
    data = tifffile.imread(path)
    _rewrite(path, data)
    prove_result(path, photo, PATCHES, FINISH, XMP)
    data[y, x, channel] ^= 1
    _rewrite(path, data)
    with pytest.raises(ProofFailed, match=words):
        prove_result(path, photo, PATCHES, FINISH, XMP)


def test_a_patch_left_out_is_noticed(tmp_path: Path) -> None:
    path, photo = tmp_path / "r.tif", _photo()
    write_result(path, photo, PATCHES[:1], FINISH, XMP)
    with pytest.raises(ProofFailed, match="healed"):
        prove_result(path, photo, PATCHES, FINISH)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iccprofile": pictures.rgb_profile()[:-1] + b"!"}, "profile"),
        ({"iccprofile": None}, "profile"),
        ({"bigtiff": True}, "BigTIFF"),
        ({"planarconfig": "separate"}, "channels"),
    ],
)
def test_a_changed_file_is_noticed(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    path, photo = tmp_path / "r.tif", _photo()
    data = np.moveaxis(photo.pixels, -1, 0) if "planarconfig" in options else photo.pixels
    _rewrite(path, data, **options)
    with pytest.raises(ProofFailed, match=words):
        prove_result(path, photo, [], FINISH)


def test_other_sizes_depths_pages_packets_and_turns_are_noticed(tmp_path: Path) -> None:
    path, photo = tmp_path / "r.tif", _photo()
    _rewrite(path, photo.pixels[:-1])
    with pytest.raises(ProofFailed, match="130 x 149"):
        prove_result(path, photo, [], FINISH)
    _rewrite(path, (photo.pixels >> 8).astype(np.uint8))
    with pytest.raises(ProofFailed, match="uint8"):
        prove_result(path, photo, [], FINISH)
    _rewrite(path, photo.pixels)
    with pytest.raises(ProofFailed, match="XMP"):
        prove_result(path, photo, [], FINISH, b"<y/>")
    with pytest.raises(ProofFailed, match="orientation"):
        prove_result(path, replace(photo, metadata=SourceMetadata(orientation=6)), [], FINISH)
    with tifffile.TiffWriter(path, append=True) as tif:
        tif.write(photo.pixels[::4, ::4].copy(), photometric="rgb", metadata=None, subfiletype=1)
    with pytest.raises(ProofFailed, match="2 pages"):
        prove_result(path, photo, [], FINISH)


def test_an_extra_channel_off_by_one_is_noticed(tmp_path: Path) -> None:
    extra = pictures.ramp(1, seed=9)
    photo = _photo(extra=extra.copy(), extra_meaning=(2,))
    path = tmp_path / "r.tif"
    write_result(path, photo, [], FINISH, XMP)
    extra[70, 70] ^= 1
    with pytest.raises(ProofFailed, match="extra"):
        prove_result(path, replace(photo, extra=extra), [], FINISH)
    with pytest.raises(ProofFailed, match="mean"):
        prove_result(path, replace(photo, extra_meaning=(1,)), [], FINISH)


@pytest.mark.parametrize("cut", [0, 7, 100, 20_000, -100])
def test_a_file_cut_short_is_noticed(tmp_path: Path, cut: int) -> None:
    path, photo = tmp_path / "r.tif", _photo()
    write_result(path, photo, PATCHES, FINISH, XMP)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ProofFailed):
        prove_result(path, photo, PATCHES, FINISH)


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ProofFailed):
        prove_result(tmp_path / "none.tif", _photo(), [], FINISH)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_heal_layer_over_the_source_is_the_result(tmp_path: Path, dtype: type) -> None:
    path, photo = tmp_path / "h.tif", _photo(dtype)
    write_heal_layer(path, photo, PATCHES, FINISH)
    assert prove_heal_layer(path, photo, PATCHES, FINISH).outside_unchanged
    with pytest.raises(ProofFailed, match=r"not the result|not empty"):
        prove_heal_layer(path, photo, PATCHES[:1], FINISH)
    data = tifffile.imread(path)
    for y, x, c in ((5, 5, 0), (5, 5, 3), (65, 65, 3), (65, 65, 1)):
        changed = data.copy()
        changed[y, x, c] ^= 1 << 8
        _rewrite(path, changed, extrasamples=[1])
        with pytest.raises(ProofFailed):
            prove_heal_layer(path, photo, PATCHES, FINISH)
