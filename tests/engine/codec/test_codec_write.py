"""What is written is what was promised: samples, profile, tags, one classic page."""

from __future__ import annotations

import errno
import resource
import shutil
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from tests.engine.codec import pictures

from retouch_engine import errors
from retouch_engine.codec import strips, write
from retouch_engine.codec.metadata import SourceMetadata
from retouch_engine.codec.read import read_photo, read_samples
from retouch_engine.codec.write import write_heal_layer, write_mask, write_result
from retouch_engine.recipe import Compression, Finish, Limits
from retouch_engine.types import Box, Photo

XMP = b'<x xmlns:retouchd="http://ns.retouchd.org/1.0/"/>'


def _photo(**changes: Any) -> Photo:
    return replace(Photo(pixels=pictures.ramp(), profile=pictures.rgb_profile()), **changes)


def _page(path: Path) -> tuple[Any, Any]:
    """The one page's tags and samples."""
    with tifffile.TiffFile(path) as tif:
        assert not tif.is_bigtiff
        assert tif.byteorder == "<"
        assert len(tif.pages) == 1
        page = tif.pages[0]
        assert all(tag.value is not None for tag in page.tags)  # read while the file is open
        return page, page.asarray()


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_samples_change_only_where_a_patch_says_so(
    tmp_path: Path, dtype: type, compression: Compression
) -> None:
    source = pictures.ramp(3, dtype)
    patch = pictures.patch(y=50)
    write_result(tmp_path / "r.tif", _photo(pixels=source), [patch], Finish(compression), XMP)
    page, got = _page(tmp_path / "r.tif")
    expected = source.astype(np.uint16) * (257 if dtype == np.uint8 else 1)
    expected[patch.box.slices][patch.changed] = patch.pixels[patch.changed]
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, expected)
    assert page.compression == {"deflate": 8, "lzw": 5, "none": 1}[compression]
    assert page.predictor == (1 if compression is Compression.NONE else 2)
    assert page.rowsperstrip == 64
    assert page.tags.valueof(34675) == pictures.rgb_profile()
    assert page.tags.valueof(700) == XMP
    assert page.software.startswith("retouchd ")


@pytest.mark.parametrize("content", list(strips.Content))
def test_each_way_to_pack_is_deflate_that_anybody_unpacks(content: strips.Content) -> None:
    rng = np.random.default_rng(2)
    slope = np.arange(300 * 40).reshape(40, 300, 1) * 5
    band = np.asarray(slope + rng.normal(0, 300, (40, 300, 3)) % 65536, np.uint16)
    plain = band if content is strips.Content.LAYER else np.asarray(imagecodecs.delta_encode(band, axis=-2))
    assert zlib.decompress(strips.pack(band, Compression.DEFLATE, content)) == plain.tobytes()


def test_what_had_8_bits_is_packed_tighter_and_what_has_16_as_tight_as_by_the_slower_way() -> None:
    rng = np.random.default_rng(2)
    fine = rng.normal(30_000, 400, (64, 500, 3)).astype(np.uint16)
    eight = (fine // 257).astype(np.uint16) * 257

    def size(band: Any, content: strips.Content) -> int:
        return len(strips.pack(band, Compression.DEFLATE, content))

    fast, tight = strips.Content.FINE, strips.Content.WIDENED
    assert size(fine, fast) < 1.02 * size(fine, tight)
    assert size(eight, tight) < 0.95 * size(eight, fast)


def test_where_patches_overlap_the_later_one_stands(tmp_path: Path) -> None:
    first, second = pictures.patch(seed=1), pictures.patch(y=50, x=55, seed=2)
    write_result(tmp_path / "r.tif", _photo(), [first, second], Finish(), XMP)
    _, got = _page(tmp_path / "r.tif")
    np.testing.assert_array_equal(got[second.box.slices][second.changed], second.pixels[second.changed])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("meaning", [(1,), (2,), (0, 2)], ids=str)
def test_extra_channels_pass_through(tmp_path: Path, dtype: type, meaning: tuple[int, ...]) -> None:
    data = pictures.ramp(3 + len(meaning), dtype)
    photo = _photo(pixels=data[..., :3].copy(), extra=data[..., 3:].copy(), extra_meaning=meaning)
    write_result(tmp_path / "r.tif", photo, [pictures.patch()], Finish(), XMP)
    page, got = _page(tmp_path / "r.tif")
    assert tuple(page.extrasamples) == meaning
    scale = 257 if dtype == np.uint8 else 1
    np.testing.assert_array_equal(got[..., 3:], data[..., 3:].astype(np.uint16) * scale)


@pytest.mark.parametrize(
    ("profile", "photometric", "shape"),
    [
        (None, 2, (150, 130, 3)),
        (pictures.rgb_profile(), 2, (150, 130, 3)),
        (pictures.grey_profile(), 1, (150, 130)),
    ],
    ids=["none", "rgb", "grey"],
)
def test_a_grey_photo_stays_grey_only_with_a_grey_profile(
    tmp_path: Path, profile: bytes | None, photometric: int, shape: tuple[int, ...]
) -> None:
    grey = pictures.ramp(1)
    photo = Photo(pixels=np.broadcast_to(grey, (150, 130, 3)), grey=True, profile=profile)
    patch = pictures.patch()
    write_result(tmp_path / "r.tif", photo, [patch], Finish(), XMP)
    page, got = _page(tmp_path / "r.tif")
    assert page.photometric == photometric
    assert got.shape == shape
    assert page.tags.valueof(34675) == profile
    expected = grey[..., 0].copy()
    expected[patch.box.slices][patch.changed] = patch.pixels[patch.changed][:, 0]
    np.testing.assert_array_equal(got if got.ndim == 2 else got[..., 1], expected)
    write_heal_layer(tmp_path / "h.tif", photo, [patch], Finish())
    layer, _ = _page(tmp_path / "h.tif")
    assert layer.samplesperpixel == (2 if photometric == 1 else 4)


def test_essential_tags_need_no_exiftool(tmp_path: Path) -> None:
    metadata = SourceMetadata(
        orientation=6,
        resolution=((300, 1), (240, 1)),
        resolution_unit=2,
        iptc=b"\x1c\x02\x19\x00\x05bride",
        essentials={
            270: b"a bride",
            271: b"Nikon",
            272: b"Z 9",
            306: b"2026:05:01 10:20:30",
            315: "Jé".encode(),
            33432: b"me",
        },
    )
    write_result(tmp_path / "r.tif", _photo(metadata=metadata), [], Finish(), XMP)
    page, _ = _page(tmp_path / "r.tif")
    tags = page.tags
    assert tags.valueof(274) == 6
    assert (tags.valueof(282), tags.valueof(283), tags.valueof(296)) == ((300, 1), (240, 1), 2)
    assert tags.valueof(271) == "Nikon"
    assert tags.valueof(306) == "2026:05:01 10:20:30"
    assert tags.valueof(270) == "a bride"
    back = read_samples(tmp_path / "r.tif", Limits()).metadata
    assert back.essentials == metadata.essentials
    assert back.iptc == metadata.iptc


def test_a_date_of_another_form_is_left_out(tmp_path: Path) -> None:
    photo = _photo(metadata=SourceMetadata(essentials={306: b"May 2026"}))
    write_result(tmp_path / "r.tif", photo, [], Finish(), XMP)
    assert _page(tmp_path / "r.tif")[0].tags.valueof(306) is None


def test_the_heal_layer_is_empty_but_for_the_heals(tmp_path: Path) -> None:
    patch = pictures.patch(y=60)
    write_heal_layer(tmp_path / "h.tif", _photo(), [patch], Finish())
    page, got = _page(tmp_path / "h.tif")
    expected = np.zeros((150, 130, 4), np.uint16)
    expected[patch.box.slices][patch.changed] = np.dstack(
        [patch.pixels, np.full(patch.changed.shape, 65535, np.uint16)]
    )[patch.changed]
    np.testing.assert_array_equal(got, expected)
    assert tuple(page.extrasamples) == (1,)
    assert page.predictor == 1


def test_the_mask_shows_healed_over_review(tmp_path: Path) -> None:
    patch = pictures.patch(y=55, x=50)
    offered = (Box(40, 40, 80, 80), np.ones((40, 40), np.bool_))
    write_mask(tmp_path / "m.tif", _photo(), [patch], [offered])
    _, got = _page(tmp_path / "m.tif")
    expected = np.zeros((150, 130), np.uint8)
    expected[40:80, 40:80] = 128
    expected[patch.box.slices][patch.changed] = 255
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == np.uint8


def test_all_our_files_are_known_as_ours(tmp_path: Path) -> None:
    write_heal_layer(tmp_path / "h.tif", _photo(), [], Finish())
    write_mask(tmp_path / "m.tif", _photo(), [], [])
    for name in ("h.tif", "m.tif"):
        with pytest.raises(errors.OwnOutput):
            read_photo(tmp_path / name, Limits())


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.DEFLATE])
def test_more_than_a_classic_tiff_holds_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: Compression
) -> None:
    for room in (strips, write):
        monkeypatch.setattr(room, "MOST_FILE_BYTES", 20_000)
    with pytest.raises(errors.ResultTooLarge):
        write_result(tmp_path / "r.tif", _photo(), [], Finish(compression), XMP)
    assert not list(tmp_path.iterdir())


def _half_written(path: Path, error: OSError) -> None:
    with strips.writing(path, 1_000_000):
        path.write_bytes(b"half")
        raise error


def test_a_full_disk_is_said_to_be_full_with_an_errno_or_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    for error in (
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("Not enough free space to write"),
    ):
        path = tmp_path / "r.tif"
        with pytest.raises(errors.StagingFull) as caught:
            _half_written(path, error)
        assert caught.value.retryable
        assert not path.exists()


def test_a_disk_that_takes_no_more_gives_our_error(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(errors.StagingFull):
            write_result(tmp_path / "r.tif", _photo(), [], Finish(), XMP)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("compression", list(Compression))
def test_libtiff_reads_the_same_samples(tmp_path: Path, compression: Compression) -> None:
    write_result(tmp_path / "r.tif", _photo(), [pictures.patch()], Finish(compression), XMP)
    libtiff = imagecodecs.tiff_decode((tmp_path / "r.tif").read_bytes())
    np.testing.assert_array_equal(libtiff, _page(tmp_path / "r.tif")[1])
