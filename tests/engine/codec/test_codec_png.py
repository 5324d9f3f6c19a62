"""What a PNG tells in chunks of its own: its colours without a profile, and how it is turned."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.engine.codec import pictures
from tests.engine.codec.test_codec_metadata import IPTC, XMP, exif, irb

from retouch_engine.codec.codepoints import display_p3
from retouch_engine.codec.rdf import Packet
from retouch_engine.codec.read import read_photo
from retouch_engine.errors import DamagedPhoto, IncompletePhoto, UnsupportedPhoto
from retouch_engine.imaging.colour import to_srgb
from retouch_engine.recipe import Limits

LIMITS = Limits(max_megapixels=1)


def _png(tmp_path: Path, primaries: int, transfer: int, *, profile: bytes = b"", full_range: int = 1) -> Path:
    packed = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint16)))
    packed = pictures.with_chunk(packed, b"cICP", bytes([primaries, transfer, 0, full_range]))
    if profile:
        packed = pictures.with_chunk(packed, b"iCCP", b"p\0\0" + zlib.compress(profile))
    path = tmp_path / "a.png"
    path.write_bytes(packed)
    return path


def test_a_png_that_tells_its_colours_by_code_points_gets_a_profile(tmp_path: Path) -> None:
    """Without one Display P3 would be taken for sRGB: the skin would turn pale."""
    assert read_photo(_png(tmp_path, 12, 13), LIMITS).profile == display_p3()
    for curve in (1, 2, 6, 13, 14, 15):
        assert read_photo(_png(tmp_path, 1, curve), LIMITS).profile is None
    own = pictures.rgb_profile()
    for curve in (8, 13):
        assert read_photo(_png(tmp_path, 12, curve, profile=own), LIMITS).profile == own


@pytest.mark.parametrize(
    ("primaries", "transfer"), [(9, 16), (12, 18), (9, 1), (1, 8), (12, 8), (1, 4), (2, 5), (1, 0)]
)
def test_a_png_of_colours_that_no_export_has_is_refused(
    tmp_path: Path, primaries: int, transfer: int
) -> None:
    with pytest.raises(UnsupportedPhoto):
        read_photo(_png(tmp_path, primaries, transfer), LIMITS)


def _linear(*corners: float) -> NDArray[np.float64]:
    """The matrix from linear RGB of these primaries (x and y each), white of D65, to XYZ."""
    columns = np.array(
        [(x / y, 1, (1 - x - y) / y) for x, y in zip(corners[::2], corners[1::2], strict=True)]
    )
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return columns.T * np.linalg.solve(columns.T, white)


@pytest.mark.parametrize(
    ("primaries", "corners"),
    [
        (5, (0.64, 0.33, 0.29, 0.60, 0.15, 0.06)),
        (6, (0.63, 0.34, 0.31, 0.595, 0.155, 0.07)),
        (7, (0.63, 0.34, 0.31, 0.595, 0.155, 0.07)),
        (12, (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)),
    ],
)
def test_code_points_become_a_profile_that_means_the_same(
    tmp_path: Path, primaries: int, corners: tuple[float, ...]
) -> None:
    """A telephone's HEIF in the primaries of BT.601 was refused."""
    profile = read_photo(_png(tmp_path, primaries, 1), LIMITS).profile
    skin = np.array([0.62, 0.45, 0.38])
    linear = _linear(*corners) @ np.where(skin <= 0.04045, skin / 12.92, ((skin + 0.055) / 1.055) ** 2.4)
    wanted = np.linalg.solve(_linear(0.64, 0.33, 0.30, 0.60, 0.15, 0.06), linear)
    expected = np.where(wanted <= 0.0031308, 12.92 * wanted, 1.055 * wanted ** (1 / 2.4) - 0.055)
    shown = to_srgb(np.rint(skin * 65535).astype(np.uint16).reshape(1, 1, 3), profile)
    assert np.abs(shown.reshape(3) / 65535 - expected).max() < 0.0005


@pytest.mark.parametrize("profile", [b"", pictures.rgb_profile()], ids=["bare", "profile"])
def test_a_png_in_the_narrow_range_of_video_is_refused(tmp_path: Path, profile: bytes) -> None:
    """Its black is 16 and its white 235 of 255, and a TIFF cannot say so: it came out grey in grey."""
    with pytest.raises(UnsupportedPhoto, match="narrow range"):
        read_photo(_png(tmp_path, 1, 13, profile=profile, full_range=0), LIMITS)


def _corners(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}L", *(round(n * 100_000) for n in numbers))


ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SRGB = (*ADOBE[:4], 0.30, 0.60, *ADOBE[6:])


def _told(tmp_path: Path, channels: int, **chunks: bytes) -> bytes | None:
    packed = bytes(imagecodecs.png_encode(pictures.ramp(channels, np.uint16)))
    for kind, payload in chunks.items():
        packed = pictures.with_chunk(packed, kind.encode(), payload)
    (tmp_path / "a.png").write_bytes(packed)
    return read_photo(tmp_path / "a.png", LIMITS).profile


def test_a_png_that_tells_its_colours_by_gamma_and_primaries_gets_a_profile(tmp_path: Path) -> None:
    """A linear picture came out as one without a profile, and was shown far too dark."""
    linear = _told(tmp_path, 3, gAMA=_corners(1.0), cHRM=_corners(*ADOBE))
    assert linear
    adobe, skin = bytes(imagecodecs.cms_profile("adobergb")), np.full((1, 1, 3), 14024, np.uint16)
    shown = imagecodecs.cms_transform(skin, linear, adobe, colorspace="rgb", outcolorspace="rgb")
    assert shown.ravel() / 65535 == pytest.approx([(14024 / 65535) ** (256 / 563)] * 3, abs=0.003)
    turned = _corners(*ADOBE[:2], *ADOBE[4:6], *ADOBE[2:4], *ADOBE[6:])
    assert _told(tmp_path, 3, gAMA=_corners(1.0), cHRM=turned), "whichever way round they go"
    unsaid = {"cICP": b"\2\2\0\1", "gAMA": _corners(1.0), "cHRM": _corners(*ADOBE)}
    assert _told(tmp_path, 3, **unsaid) == linear, "code points that leave the curve open leave it to gAMA"
    grey = _told(tmp_path, 1, gAMA=_corners(1.0))
    assert grey
    assert grey[16:20] == b"GRAY"
    for made in (linear, grey, display_p3()):
        assert made[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0), "no profile tells when it was read"


@pytest.mark.parametrize(
    "chunks",
    [
        {},
        {"gAMA": _corners(0.45455), "cHRM": _corners(*SRGB)},
        {"gAMA": _corners(0.45455)},
        {"gAMA": _corners(1.0), "sRGB": b"\0"},
        {"gAMA": _corners(1.0), "cICP": b"\1\x0d\0\1"},
        {"cICP": b"\x0c"},
        {"cICP": b"\x09\x10\0"},
        {"cICP": b"\x0c\x0d\0\1\0"},
        {"gAMA": _corners(0)},
        {"gAMA": b"\xff\xff\xff\xff", "cHRM": bytes(32)},
        {"gAMA": _corners(1.0), "cHRM": bytes(32)},
        {"gAMA": b"", "cHRM": b"short"},
        {"gAMA": _corners(1.0), "cHRM": _corners(*ADOBE[:2], 1.2, *ADOBE[3:])},
        {"gAMA": _corners(1.0), "cHRM": _corners(0.7, 0.25, *ADOBE[2:])},
        {"gAMA": _corners(1.0), "cHRM": _corners(0.7, 0.25, *ADOBE[4:6], *ADOBE[2:4], *ADOBE[6:])},
    ],
)
def test_a_png_that_means_srgb_or_nothing_sensible_has_no_profile(
    tmp_path: Path, chunks: dict[str, bytes]
) -> None:
    assert _told(tmp_path, 3, **chunks) is None


def _turned(tmp_path: Path, told: str, *blocks: bytes) -> int:
    """The orientation of a PNG whose packet says so, with these blocks of EXIF."""
    packet = Packet()
    packet.put("tiff:Orientation", told)
    samples = pictures.ramp(3, np.uint8)
    packed = bytes(imagecodecs.png_encode(samples))
    packed = pictures.with_chunk(packed, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet.as_bytes())
    for block in blocks:
        packed = pictures.with_chunk(packed, b"eXIf", block)
    (tmp_path / "a.png").write_bytes(packed)
    photo = read_photo(tmp_path / "a.png", LIMITS)
    assert np.array_equal(photo.pixels, samples), "no sample is ever turned"
    return int(photo.metadata.orientation)


def test_a_png_is_turned_by_the_word_of_its_packet_where_exif_has_none(tmp_path: Path) -> None:
    """EXIF came to the format late; the result of such a PNG lay on its side."""
    untold = pictures.hostile_tiff(1, 1)
    assert _turned(tmp_path, "6") == 6
    assert _turned(tmp_path, "8", untold) == 8
    assert _turned(tmp_path, "8", b"no EXIF at all") == 8
    assert _turned(tmp_path, "8", exif("<")) == 6, "EXIF's word counts"
    for nonsense in ("", "0", "9", "-6", "6 6", "left"):
        assert _turned(tmp_path, nonsense) == 1


def test_a_png_whose_end_is_missing_is_incomplete_wherever_it_ends(tmp_path: Path) -> None:
    """A copy under way is waited for; a damaged photo is given up."""
    whole, path = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint16))), tmp_path / "a.png"
    for cut in (40, 44, len(whole) // 2, len(whole) - 20, len(whole) - 12, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(IncompletePhoto):
            read_photo(path, LIMITS)


def test_a_resolution_and_a_block_that_are_cut_short_are_passed_over(tmp_path: Path) -> None:
    packed = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint16)))
    packed = pictures.with_chunk(packed, b"pHYs", bytes(4))
    packed = pictures.with_chunk(packed, b"tEXt", b"Raw profile type exif\0\nexif\n 4\nno digits")
    (tmp_path / "a.png").write_bytes(packed)
    photo = read_photo(tmp_path / "a.png", LIMITS)
    assert any("EXIF" in note for note in photo.metadata.notes)


def test_bytes_behind_a_block_of_imagemagick_are_none_of_it(tmp_path: Path) -> None:
    """Some of its versions end the text with what lay in memory; EXIF, and keywords in XMP, were lost."""
    packed = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint16)))
    for name, block in (
        (b"exif", b"Exif\0\0" + exif("<")),
        (b"xmp", XMP),
    ):
        packed = pictures.with_chunk(packed, b"zTXt", _raw_profile(name, block, b"$\x1d}}\xd1\1"))
    (tmp_path / "a.png").write_bytes(packed)
    found = read_photo(tmp_path / "a.png", LIMITS).metadata
    assert found.notes == ()
    assert (found.orientation, found.xmp) == (6, XMP)


def test_a_profile_without_the_checksum_of_its_packed_bytes_is_whole(tmp_path: Path) -> None:
    """Photoshop has written such; the photo was refused. One that is cut off still is."""
    packed, profile = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint16))), pictures.rgb_profile()
    path = tmp_path / "a.png"
    path.write_bytes(pictures.with_chunk(packed, b"iCCP", b"p\0\0" + zlib.compress(profile)[:-4]))
    assert read_photo(path, LIMITS).profile == profile
    path.write_bytes(pictures.with_chunk(packed, b"iCCP", b"p\0\0" + zlib.compress(profile)[:-9]))
    with pytest.raises(DamagedPhoto, match="cut off"):
        read_photo(path, LIMITS)


def test_segments_and_resources_that_imagemagick_took_over_whole_are_read(tmp_path: Path) -> None:
    """EXIF lay in one: exiftool carried it, but not the orientation, and the result lay on its side."""
    packed, path = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint16))), tmp_path / "a.png"
    first = pictures.with_chunk(packed, b"zTXt", _raw_profile(b"APP1", b"Exif\0\0" + exif("<")))
    path.write_bytes(pictures.with_chunk(first, b"zTXt", _raw_profile(b"8bim", irb())))
    found = read_photo(path, LIMITS).metadata
    assert (found.orientation, found.xmp, found.iptc, found.notes) == (6, None, IPTC, ())
    second = _raw_profile(b"APP1", b"http://ns.adobe.com/xap/1.0/\0" + XMP)
    path.write_bytes(pictures.with_chunk(packed, b"zTXt", second))
    assert read_photo(path, LIMITS).metadata.xmp == XMP


def _raw_profile(name: bytes, block: bytes, behind: bytes = b"") -> bytes:
    text = b"\n%s\n%8d\n%s\n" % (name, len(block), block.hex().encode()) + behind
    return b"Raw profile type " + name + b"\0\0" + zlib.compress(text)
