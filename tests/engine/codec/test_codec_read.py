"""Every kind of photo we take arrives with its samples and its profile; every other is refused by name."""

from __future__ import annotations

import hashlib
import os
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from tests.engine.codec import pictures

from retouch_engine import errors
from retouch_engine.codec.codepoints import adobe_rgb
from retouch_engine.codec.painted import read_painted_mask
from retouch_engine.codec.read import read_photo
from retouch_engine.imaging.turning import upright
from retouch_engine.recipe import Finish, Limits

LIMITS = Limits()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 64},
        {"compression": "lzw", "rowsperstrip": 7},
        {"compression": "lzw", "predictor": True, "byteorder": ">"},
        {"compression": "packbits"},
        {"compression": "zstd"},
        {"byteorder": ">"},
        {"tile": (64, 48), "compression": "zlib", "predictor": True},
        {"tile": (32, 32), "byteorder": ">"},
        {"bigtiff": True, "compression": "lzw"},
    ],
    ids=str,
)
def test_a_tiff_of_any_layout_gives_its_samples(tmp_path: Path, dtype: type, options: dict[str, Any]) -> None:
    data = pictures.ramp(3, dtype)
    path = pictures.write_tiff(tmp_path / "a.tif", data, iccprofile=pictures.rgb_profile(), **options)
    photo = read_photo(path, LIMITS)
    assert photo.pixels.dtype == dtype
    assert photo.pixels.dtype.isnative
    np.testing.assert_array_equal(photo.pixels, data)
    assert photo.profile == pictures.rgb_profile()
    assert not photo.lossy
    assert not photo.grey
    assert photo.extra is None
    assert photo.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_planar_tiff_gives_its_samples(tmp_path: Path, compression: str | None) -> None:
    data = pictures.ramp(4)
    path = pictures.write_tiff(
        tmp_path / "a.tif",
        np.moveaxis(data, -1, 0),
        photometric="rgb",
        planarconfig="separate",
        compression=compression,
        extrasamples=[2],
        byteorder=">",
    )
    photo = read_photo(path, LIMITS)
    np.testing.assert_array_equal(photo.pixels, data[..., :3])
    assert photo.extra is not None
    np.testing.assert_array_equal(photo.extra, data[..., 3:])
    assert photo.extra_meaning == (2,)


@pytest.mark.parametrize("meaning", [(1,), (2,), (0,), (1, 0), (2, 0, 0)], ids=str)
def test_extra_channels_keep_their_samples_and_their_meaning(
    tmp_path: Path, meaning: tuple[int, ...]
) -> None:
    data = pictures.ramp(3 + len(meaning), np.uint8)
    path = pictures.write_tiff(tmp_path / "a.tif", data, photometric="rgb", extrasamples=meaning)
    photo = read_photo(path, LIMITS)
    assert photo.extra is not None
    np.testing.assert_array_equal(photo.extra, data[..., 3:])
    assert photo.extra_meaning == meaning


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_tiff_repeats_its_channel(tmp_path: Path, dtype: type) -> None:
    data = pictures.ramp(1, dtype)[..., 0]
    photo = read_photo(pictures.write_tiff(tmp_path / "a.tiff", data), LIMITS)
    assert photo.grey
    for channel in range(3):
        np.testing.assert_array_equal(photo.pixels[..., channel], data)


def test_a_grey_profile_counts_in_a_grey_photo_alone(tmp_path: Path) -> None:
    profile = bytes(imagecodecs.cms_profile("gray", gamma=1.8))
    for channels, counts in ((1, profile), (3, None)):
        data = pictures.ramp(channels, np.uint8)
        path = pictures.write_tiff(tmp_path / "a.tif", data.squeeze(), iccprofile=profile)
        photo = read_photo(path, LIMITS)
        assert photo.profile == profile
        assert photo.colour_profile == counts
        assert bool(photo.metadata.notes) is (counts is None)


def test_a_profile_for_cmyk_counts_in_no_photo_and_is_told(tmp_path: Path) -> None:
    profile = pictures.rgb_profile().replace(b"RGB ", b"CMYK", 1)
    path = pictures.write_tiff(tmp_path / "a.tif", pictures.ramp(3), iccprofile=profile)
    photo = read_photo(path, LIMITS)
    assert photo.profile == profile
    assert photo.colour_profile is None
    (note,) = photo.metadata.notes
    assert note.startswith("its profile is one for CMYK pictures and says nothing of its colours")


@pytest.mark.parametrize(("space", "code"), [({}, 6), ({"colorspace": "rgb", "outcolorspace": "rgb"}, 2)])
def test_a_jpeg_in_a_tiff_is_rgb_and_lossy(tmp_path: Path, space: dict[str, str], code: int) -> None:
    y, x = np.mgrid[0:150, 0:130]
    data = np.stack([60 + x, 200 - y, np.full_like(x, 90)], -1).astype(np.uint8)
    path = pictures.write_tiff(
        tmp_path / "a.tif", data, compression="jpeg", compressionargs={"level": 97, **space}
    )
    with tifffile.TiffFile(path) as tif:
        assert tif.pages[0].photometric == code
    photo = read_photo(path, LIMITS)
    assert photo.lossy
    assert np.abs(photo.pixels.astype(int) - data).max() <= 4


@pytest.mark.parametrize(
    ("level", "sampling", "halved"),
    [(85, "420", True), (95, "422", True), (85, "444", False), (99, "420", False)],
)
def test_a_jpeg_says_whether_it_keeps_colour_halved_and_rounded(
    tmp_path: Path, level: int, sampling: str, halved: bool
) -> None:
    packed = imagecodecs.jpeg8_encode(pictures.ramp(3, np.uint8), level=level, subsampling=sampling)
    (tmp_path / "a.jpg").write_bytes(bytes(packed))
    assert read_photo(tmp_path / "a.jpg", LIMITS).halved_colour == halved


@pytest.mark.parametrize("numbers", [b"\0\0", b"\1\1", b"\2\4"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_a_profile_in_misnumbered_pieces_is_put_together_as_they_lie(
    tmp_path: Path, numbers: bytes, pieces: int
) -> None:
    """All were numbered 1 of 1, and a third of the profile was carried on; or 0 of 0, and none of it."""
    packed, profile = bytes(imagecodecs.jpeg8_encode(pictures.ramp(3, np.uint8))), pictures.rgb_profile()
    step, segments = -(-len(profile) // pieces), b""
    for at in range(0, len(profile), step):
        body = b"ICC_PROFILE\0" + numbers + profile[at : at + step]
        segments += b"\xff\xe2" + (len(body) + 2).to_bytes(2) + body
    (tmp_path / "a.jpg").write_bytes(packed[:2] + segments + packed[2:])
    photo = read_photo(tmp_path / "a.jpg", LIMITS)
    assert photo.profile == profile
    assert photo.metadata.notes == ()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_gives_what_libjpeg_gives(tmp_path: Path, channels: int) -> None:
    data = np.squeeze(pictures.ramp(channels, np.uint8))
    packed = bytes(imagecodecs.jpeg8_encode(data, level=95))
    profile = os.urandom(150_000)
    (tmp_path / "a.JPG").write_bytes(pictures.jpeg_with_profile(packed, profile, 3))
    photo = read_photo(tmp_path / "a.JPG", LIMITS)
    assert photo.lossy
    assert photo.grey == (channels == 1)
    assert photo.profile == profile
    expected = imagecodecs.jpeg8_decode(packed).reshape(150, 130, -1)
    np.testing.assert_array_equal(photo.pixels, np.broadcast_to(expected, (150, 130, 3)))


def in_exif(jpeg: bytes, colour_space: int, index: bytes) -> bytes:
    """A JPEG whose EXIF tells its colours as cameras do."""

    def directory(*entries: tuple[int, int, int, bytes]) -> bytes:
        told = b"".join(struct.pack("<HHI", *e[:3]) + e[3].ljust(4, b"\0") for e in entries)
        return struct.pack("<H", len(entries)) + told + bytes(4)

    first = directory((34665, 4, 1, struct.pack("<I", 26)))
    exif = directory((40961, 3, 1, struct.pack("<H", colour_space)), (40965, 4, 1, struct.pack("<I", 56)))
    block = b"Exif\0\0II*\0\x08\0\0\0" + first + exif + directory((1, 2, 4, index))
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


@pytest.mark.parametrize(
    ("colour_space", "index", "channels", "wide"),
    [(65535, b"R03", 3, True), (65535, b"R98", 3, False), (1, b"R03", 3, False), (65535, b"R03", 1, False)],
)
def test_a_camera_s_word_that_its_jpeg_is_in_adobe_rgb_counts_as_the_profile(
    tmp_path: Path, colour_space: int, index: bytes, channels: int, wide: bool
) -> None:
    packed = bytes(imagecodecs.jpeg8_encode(np.squeeze(pictures.ramp(channels, np.uint8))))
    told = in_exif(packed, colour_space, index)
    (tmp_path / "a.jpg").write_bytes(told)
    assert read_photo(tmp_path / "a.jpg", LIMITS).profile == (adobe_rgb() if wide else None)
    own = os.urandom(5000)
    (tmp_path / "b.jpg").write_bytes(pictures.jpeg_with_profile(told, own, 1))
    assert read_photo(tmp_path / "b.jpg", LIMITS).profile == own


def test_adobe_rgb_is_the_same_profile_whenever_it_is_made() -> None:
    # Undated (ICC.1, 7.2.8): littleCMS puts the second in which it makes it into it.
    assert struct.unpack(">6H", adobe_rgb()[24:36]) == (2000, 1, 1, 0, 0, 0)


def test_a_profile_with_a_missing_chunk_is_left_out_with_a_note(tmp_path: Path) -> None:
    packed = bytes(imagecodecs.jpeg8_encode(pictures.ramp(3, np.uint8)))
    whole = pictures.jpeg_with_profile(packed, os.urandom(100_000), 2)
    size = struct.unpack(">H", whole[4:6])[0]
    empty = pictures.jpeg_with_profile(packed, b"", 1)  # its result was refused, because it had no profile
    for content in (whole[:2] + whole[4 + size :], empty):
        (tmp_path / "a.jpg").write_bytes(content)
        photo = read_photo(tmp_path / "a.jpg", LIMITS)
        assert photo.profile is None
        assert "profile was left out" in photo.metadata.notes[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_gives_its_samples_alpha_and_profile(tmp_path: Path, dtype: type, channels: int) -> None:
    data = pictures.ramp(channels, dtype)
    profile = pictures.rgb_profile()
    packed = bytes(imagecodecs.png_encode(np.squeeze(data)))
    packed = pictures.with_chunk(packed, b"iCCP", b"p\0\0" + zlib.compress(profile))
    packed = pictures.with_chunk(packed, b"pHYs", struct.pack(">LLB", 11811, 11811, 1))
    (tmp_path / "a.png").write_bytes(packed)
    photo = read_photo(tmp_path / "a.png", LIMITS)
    assert photo.pixels.dtype == dtype
    np.testing.assert_array_equal(photo.pixels[..., 0], data[..., 0])
    if channels >= 3:
        np.testing.assert_array_equal(photo.pixels, data[..., :3])
    if channels in {2, 4}:
        assert photo.extra is not None
        np.testing.assert_array_equal(photo.extra, data[..., -1:])
        assert photo.extra_meaning == (2,)
    assert photo.profile == profile
    assert photo.metadata.resolution == ((11811, 100), (11811, 100))
    assert photo.metadata.resolution_unit == 3


EIGHT = (np.linspace(0, 1, 40 * 40 * 4) * 255).reshape(40, 40, 4).astype(np.uint8)
REFUSED_TIFFS: dict[str, tuple[Any, dict[str, Any]]] = {
    "CMYK": (EIGHT, {"photometric": "separated"}),
    "CIE Lab": (EIGHT[..., :3], {"photometric": "cielab"}),
    "floating point": (EIGHT[..., :3].astype(np.float32), {}),
    "signed whole numbers": (EIGHT[..., :3].astype(np.int16), {}),
    "palette": (EIGHT[..., 0], {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}),
    "1-bit": (EIGHT[..., 0] > 100, {"bitspersample": 1}),
    "32-bit": (EIGHT[..., :3].astype(np.uint32), {}),
    "white as zero": (EIGHT[..., 0], {"photometric": "miniswhite"}),
    "2 pages": (EIGHT[None, ..., :3].repeat(2, 0), {"photometric": "rgb"}),
    "64 pages": (EIGHT[None, ..., 0].repeat(70, 0), {"photometric": "minisblack"}),
}


def _png(bits: int, colour: int) -> bytes:
    """A PNG's header and end."""
    head = pictures.png_chunk(b"IHDR", struct.pack(">LLBBBBB", 40, 40, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + pictures.png_chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", REFUSED_TIFFS)
def test_other_kinds_of_tiff_are_refused_in_plain_words(tmp_path: Path, kind: str) -> None:
    data, options = REFUSED_TIFFS[kind]
    path = pictures.write_tiff(tmp_path / "a.tif", np.ascontiguousarray(data), **options)
    with pytest.raises(errors.UnsupportedPhoto, match=kind) as caught:
        read_photo(path, LIMITS)
    assert str(caught.value).isprintable()


def test_a_tiff_without_a_word_for_its_colours_is_refused_in_plain_words(tmp_path: Path) -> None:
    path = pictures.write_tiff(tmp_path / "a.tif", pictures.ramp(3))
    tag = struct.Struct("<HHL")
    path.write_bytes(path.read_bytes().replace(tag.pack(262, 3, 1), tag.pack(263, 3, 1)))
    with pytest.raises(errors.UnsupportedPhoto, match="does not say what its colours are"):
        read_photo(path, LIMITS)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.jpg", imagecodecs.jpeg8_encode(EIGHT, colorspace="cmyk", outcolorspace="cmyk"), "CMYK"),
        ("a.png", _png(8, 3), "palette"),
        ("a.png", _png(2, 0), "2-bit"),
    ],
    ids=["cmyk", "palette", "2-bit"],
)
def test_other_kinds_of_jpeg_and_png_are_refused(
    tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(errors.UnsupportedPhoto, match=kind):
        read_photo(tmp_path / name, LIMITS)


def test_a_preview_page_beside_the_photo_is_fine(tmp_path: Path) -> None:
    data = pictures.ramp()
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(data[::4, ::4].copy(), photometric="rgb", metadata=None, subfiletype=1)
        tif.write(data, photometric="rgb", metadata=None)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif", LIMITS).pixels, data)


def test_names_and_bytes_must_agree(tmp_path: Path) -> None:
    pictures.write_tiff(tmp_path / "a.tif", pictures.ramp())
    (tmp_path / "a.tif").rename(tmp_path / "a.jpg")
    with pytest.raises(errors.MislabelledPhoto, match="TIFF"):
        read_photo(tmp_path / "a.jpg", LIMITS)
    for content, found in ((b"", "empty"), (b"hello there", "no known")):
        (tmp_path / "b.tif").write_bytes(content)
        with pytest.raises(errors.NotAPhoto, match=found):
            read_photo(tmp_path / "b.tif", LIMITS)
    with pytest.raises(errors.NotAPhoto, match="regular"):
        read_photo(tmp_path, LIMITS)
    with pytest.raises(errors.SourceMissing):
        read_photo(tmp_path / "none.tif", LIMITS)
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(errors.NotAPhoto):
        read_photo(tmp_path / "pipe.tif", LIMITS)


@pytest.mark.parametrize("name", [b"new\nline.tif", b"-dash.tif", b"\xff\xfe.tif", b"a" * 251 + b".tif"])
def test_any_bytes_make_a_name(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    pictures.write_tiff(tmp_path / "a.tif", pictures.ramp())
    (tmp_path / "a.tif").rename(path)
    assert read_photo(path, LIMITS).width == pictures.WIDTH
    path.write_bytes(b"")
    with pytest.raises(errors.NotAPhoto) as caught:
        read_photo(path, LIMITS)
    assert str(caught.value).isprintable()


def test_a_name_that_no_system_takes_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(errors.UnusableName):
        read_photo(tmp_path / "a\0b.tif", LIMITS)


HUGE_JPEG = b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x11\0\x02\x11\0\x03\x11\0"


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        (pictures.hostile_tiff(60_000, 60_000), "a.tif", errors.PhotoTooLarge),
        (pictures.hostile_tiff(65_001, 20), "a.tif", errors.PhotoTooLarge),
        (pictures.hostile_tiff(1, 1), "a.tif", errors.PhotoTooSmall),
        (pictures.hostile_tiff(2**31, 2**31), "a.tif", errors.PhotoTooLarge),
        (pictures.hostile_tiff(17_000, 17_000, t277=60_000), "a.tif", errors.UnsupportedPhoto),
        (pictures.hostile_tiff(17_000, 17_000, t322=2**30, t323=2**30), "a.tif", errors.DamagedPhoto),
        (pictures.hostile_tiff(17_000, 17_000, t278=1), "a.tif", errors.IncompletePhoto),
        (pictures.hostile_tiff(17_000, 17_000, t279=2**31), "a.tif", errors.IncompletePhoto),
        (pictures.hostile_tiff(17_000, 17_000, t279=0), "a.tif", errors.IncompletePhoto),
        (pictures.hostile_tiff(17_000, 17_000, t259=1), "a.tif", errors.IncompletePhoto),
        (HUGE_JPEG, "a.jpg", errors.IncompletePhoto),
        (
            HUGE_JPEG + b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0\0\xff\xd9",
            "a.jpg",
            errors.PhotoTooLarge,
        ),
        (
            b"\x89PNG\r\n\x1a\n"
            + pictures.png_chunk(b"IHDR", struct.pack(">LLBBBBB", 2**31, 9000, 16, 6, 0, 0, 0)),
            "a.png",
            errors.PhotoTooLarge,
        ),
    ],
)
def test_a_hostile_header_is_refused_before_memory_is_taken(
    tmp_path: Path, content: bytes, name: str, error: type[errors.EngineError]
) -> None:
    (tmp_path / name).write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(error):
            read_photo(tmp_path / name, LIMITS)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_jpeg_in_a_strip_may_not_claim_more_than_its_strip(tmp_path: Path) -> None:
    path = pictures.write_tiff(tmp_path / "a.tif", pictures.ramp(3, np.uint8), compression="jpeg")
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff\xf0\xff\xf0"
    path.write_bytes(data)
    with pytest.raises(errors.DamagedPhoto, match="claims"):
        read_photo(path, LIMITS)


def test_a_jpeg_of_thousands_of_scans_is_refused(tmp_path: Path) -> None:
    packed = bytes(imagecodecs.jpeg8_encode(pictures.ramp(3, np.uint8)))
    scan = b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0"
    (tmp_path / "a.jpg").write_bytes(packed[:-2] + scan * 3000 + b"\xff\xd9")
    with pytest.raises(errors.DamagedPhoto, match="scans"):
        read_photo(tmp_path / "a.jpg", LIMITS)


def test_a_profile_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    packed = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint8)))
    (tmp_path / "a.png").write_bytes(pictures.with_chunk(packed, b"iCCP", b"p\0\0" + bomb))
    with pytest.raises(errors.DamagedPhoto, match="unpacks to more"):
        read_photo(tmp_path / "a.png", LIMITS)


def test_a_folder_of_pages_that_turns_in_a_circle_ends(tmp_path: Path) -> None:
    content = bytearray(pictures.hostile_tiff(100, 100))
    content[-4:] = struct.pack("<L", 12)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(errors.DamagedPhoto, match="does not end"):
        read_photo(tmp_path / "a.tif", LIMITS)


def test_a_half_written_uncompressed_file_is_incomplete_not_black(tmp_path: Path) -> None:
    path = pictures.write_tiff(tmp_path / "a.tif", pictures.ramp())
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(errors.IncompletePhoto) as caught:
        read_photo(path, LIMITS)
    assert caught.value.retryable


def test_own_results_are_known_by_software_or_namespace(tmp_path: Path) -> None:
    data = pictures.ramp()
    ours = pictures.write_tiff(tmp_path / "a.tif", data, software="retouchd 0.0.9")
    packet = b'<x xmlns:retouchd="http://ns.retouchd.org/1.0/"/>'
    named = pictures.write_tiff(tmp_path / "b.tif", data, extratags=[(700, 1, len(packet), packet, True)])
    tag = [(700, 1, len(packet), packet, True)]
    saved = pictures.write_tiff(tmp_path / "c.tif", data, extratags=tag, software="GIMP\n3.0")
    other = pictures.write_tiff(tmp_path / "d.tif", data, software="Adobe Lightroom")
    exported = tmp_path / "e.jpg"
    jpeg = bytes(imagecodecs.jpeg8_encode(pictures.ramp(3, np.uint8)))
    segment = b"http://ns.adobe.com/xap/1.0/\0" + packet
    exported.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:])
    assert read_photo(other, LIMITS)
    for path, words in (
        (ours, "a.tif is a result of retouchd, its skin"),
        (named, "retouchd that tifffile.py saved again"),
        (saved, r"retouchd that GIMP\\n3.0 saved again"),
        (exported, "retouchd that another program saved again"),
    ):
        with pytest.raises(errors.OwnOutput, match=words) as caught:
            read_photo(path, LIMITS)
        assert str(caught.value).isprintable()
        assert read_photo(path, LIMITS, ours=True).pixels.size


@pytest.mark.parametrize("name", ["m.tif", "m.png", "m.jpg"])
def test_a_painted_mask_of_any_format_is_read(tmp_path: Path, name: str) -> None:
    photo = read_photo(pictures.write_tiff(tmp_path / "a.tif", pictures.ramp()), LIMITS)
    mask = np.zeros((150, 130), np.uint8)
    mask[32:64, 40:80] = 255
    if name == "m.tif":
        pictures.write_tiff(tmp_path / name, mask.astype(np.uint16) * 257, software="retouchd 0.1.0")
    elif name == "m.png":
        rgba = np.dstack([np.full((150, 130, 3), 255, np.uint8), mask])
        (tmp_path / name).write_bytes(imagecodecs.png_encode(rgba))
    else:
        (tmp_path / name).write_bytes(imagecodecs.jpeg8_encode(mask, level=98))
    got = read_painted_mask(tmp_path / name, photo, LIMITS)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got > 127, mask > 127)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_painted_mask_lies_as_the_photo_however_it_was_saved(tmp_path: Path, orientation: int) -> None:
    turn = [(274, 3, 1, orientation, True)]
    photo = read_photo(pictures.write_tiff(tmp_path / "a.tif", pictures.ramp(), extratags=turn), LIMITS)
    mask = np.zeros((150, 130), np.uint8)
    mask[32:64, 40:80] = 255
    seen = upright(mask, orientation)
    saved = {
        "as it was written": (mask, turn),
        "turned by an editor": (seen, [(274, 3, 1, 1, True)]),
        "without a word of how it lies": (mask, []),
    }
    if orientation > 4:
        # The size says which of both it is.
        saved |= {"turned, without a word": (seen, []), "with the wrong word": (mask, [(274, 3, 1, 1, True)])}
    for how, (samples, tags) in saved.items():
        pictures.write_tiff(tmp_path / "m.tif", samples, extratags=tags)
        got = read_painted_mask(tmp_path / "m.tif", photo, LIMITS)
        np.testing.assert_array_equal(got, mask, how)


def test_a_painted_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    photo = read_photo(pictures.write_tiff(tmp_path / "a.tif", pictures.ramp()), LIMITS)
    pictures.write_tiff(tmp_path / "m.tif", np.zeros((149, 130), np.uint8))
    with pytest.raises(errors.MaskMismatch, match="130 x 149"):
        read_painted_mask(tmp_path / "m.tif", photo, LIMITS)


def test_the_arrays_cannot_be_written(tmp_path: Path) -> None:
    photo = read_photo(pictures.write_tiff(tmp_path / "a.tif", pictures.ramp()), LIMITS)
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 0
    assert Finish().threads >= 1
