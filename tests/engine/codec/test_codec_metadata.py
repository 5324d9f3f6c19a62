"""What a source says of itself is read without exiftool, and never fails a photo."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.codec import pictures

from retouch_engine.codec.metadata import GAIN_MAP_NAMESPACE, iptc_of_irb
from retouch_engine.codec.rdf import Packet
from retouch_engine.codec.read import read_photo
from retouch_engine.errors import DamagedPhoto
from retouch_engine.recipe import Limits

LIMITS = Limits()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
IPTC = b"\x1c\x02\x19\x00\x05bride"

Value = tuple[int, bytes, int]
"""Type, packed values, how many."""


def _directory(order: str, at: int, tags: dict[int, Value]) -> bytes:
    """One directory that lies at ``at``, its long values behind it."""
    entries, blob = b"", b""
    behind = at + 2 + 12 * len(tags) + 4
    for code, (kind, packed, count) in sorted(tags.items()):
        entries += struct.pack(order + "HHL", code, kind, count)
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "L", behind + len(blob))
            blob += packed + b"\0" * (len(packed) % 2)
    return struct.pack(order + "H", len(tags)) + entries + bytes(4) + blob


def exif(order: str) -> bytes:
    """An EXIF block: orientation 6, 300 dpi, a camera, an exposure, a place in the south and the west."""

    def text(words: bytes) -> Value:
        return 2, words + b"\0", len(words) + 1

    def rational(*numbers: int) -> Value:
        return 5, struct.pack(f"{order}{len(numbers)}L", *numbers), len(numbers) // 2

    def short(number: int) -> Value:
        return 3, struct.pack(order + "H", number), 1

    def pointer(offset: int) -> Value:
        return 4, struct.pack(order + "L", offset), 1

    first = {271: text(b"Nikon"), 274: short(6), 282: rational(300, 1), 283: rational(300, 1), 296: short(2)}
    shot = {
        33434: rational(1, 200),
        33437: rational(28, 10),
        36867: text(b"2026:05:01 10:20:30"),
        36881: text(b"+02:00"),
        42036: text(b"50mm f/1.8"),
    }
    place = {
        1: text(b"S"),
        2: rational(33, 1, 51, 1, 36, 1),
        3: text(b"W"),
        4: rational(70, 1, 305, 10, 0, 1),
        6: rational(345, 10),
    }
    shot_at, place_at = 300, 600
    first |= {34665: pointer(shot_at), 34853: pointer(place_at)}
    block = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "L", 8) + _directory(order, 8, first)
    block = block.ljust(shot_at, b"\0") + _directory(order, shot_at, shot)
    return block.ljust(place_at, b"\0") + _directory(order, place_at, place)


def irb(order: int = 0x0404) -> bytes:
    """Photoshop's resources: something of an odd size, then IPTC."""
    other = b"8BIM" + struct.pack(">H", 0x03ED) + b"\x03abc" + struct.pack(">L", 3) + b"xyz\0"
    return other + b"8BIM" + struct.pack(">H", order) + b"\0\0" + struct.pack(">L", len(IPTC)) + IPTC


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(exif_block: bytes) -> bytes:
    packed = bytes(imagecodecs.jpeg8_encode(pictures.ramp(3, np.uint8)))
    return (
        packed[:2]
        + _segment(0xE1, b"Exif\0\0" + exif_block)
        + _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)
        + _segment(0xED, b"Photoshop 3.0\0" + irb()[:30])
        + _segment(0xED, b"Photoshop 3.0\0" + irb()[30:])
        + packed[2:]
    )


def png(exif_block: bytes) -> bytes:
    packed = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint8)))
    packed = pictures.with_chunk(packed, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    return pictures.with_chunk(packed, b"eXIf", exif_block)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_exif_and_xmp_are_read_in_both_byte_orders(tmp_path: Path, name: str, order: str) -> None:
    block = exif(order)
    (tmp_path / name).write_bytes(jpeg(block) if name == "a.jpg" else png(block))
    found = read_photo(tmp_path / name, LIMITS).metadata
    assert found.notes == ()
    assert found.orientation == 6
    assert found.resolution == ((300, 1), (300, 1))
    assert found.resolution_unit == 2
    assert found.essentials == {271: b"Nikon"}
    assert found.xmp == XMP
    assert found.iptc == (IPTC if name == "a.jpg" else None)
    assert found.fallback == {
        "exif:ExposureTime": "1/200",
        "exif:FNumber": "28/10",
        "exif:DateTimeOriginal": "2026-05-01T10:20:30+02:00",
        "exifEX:LensModel": "50mm f/1.8",
        "exif:GPSLatitude": "33,51.600000S",
        "exif:GPSLongitude": "70,30.500000W",
        "exif:GPSAltitude": "345/10",
    }


def test_a_tiff_says_the_same_in_its_tags(tmp_path: Path) -> None:
    tags = [(274, 3, 1, 8, True), (700, 1, len(XMP), XMP, True), (34377, 1, len(irb()), irb(), True)]
    path = pictures.write_tiff(
        tmp_path / "a.tif",
        pictures.ramp(),
        bigtiff=True,
        byteorder=">",
        resolution=(118.11, 118.11),
        resolutionunit=3,
        extratags=tags,
    )
    found = read_photo(path, LIMITS).metadata
    assert (found.orientation, found.xmp, found.iptc, found.resolution_unit) == (8, XMP, IPTC, 3)
    assert found.resolution[0][0] / found.resolution[0][1] == pytest.approx(118.11)


def test_a_jpeg_without_exif_has_its_own_resolution(tmp_path: Path) -> None:
    packed = bytearray(imagecodecs.jpeg8_encode(pictures.ramp(3, np.uint8)))
    at = packed.index(b"JFIF\0") + 7
    packed[at : at + 5] = struct.pack(">BHH", 1, 240, 240)
    (tmp_path / "a.jpg").write_bytes(packed)
    found = read_photo(tmp_path / "a.jpg", LIMITS).metadata
    assert (found.resolution, found.resolution_unit) == (((240, 1), (240, 1)), 2)


def test_resources_without_iptc_have_none() -> None:
    assert iptc_of_irb(irb()) == IPTC
    assert iptc_of_irb(irb(0x0405)) is None
    assert iptc_of_irb(b"") is None


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 720), st.integers(0, 255)), max_size=12),
    cut=st.integers(0, 800),
    order=st.sampled_from("<>"),
)
def test_broken_metadata_never_fails_a_photo(
    tmp_path: Path, changes: list[tuple[int, int]], cut: int, order: str
) -> None:
    block = bytearray(exif(order))
    for at, value in changes:
        block[at % len(block)] = value
    (tmp_path / "a.jpg").write_bytes(jpeg(bytes(block[:cut])))
    photo = read_photo(tmp_path / "a.jpg", LIMITS)
    assert 1 <= photo.metadata.orientation <= 8


@settings(deadline=None, max_examples=200)
@given(noise=st.binary(max_size=80))
def test_broken_resources_are_only_without_iptc(noise: bytes) -> None:
    assert iptc_of_irb(b"8BIM" + noise) is None or noise


def _packet(properties: str, elements: str = "") -> bytes:
    spaces = {
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmpNote": "http://ns.adobe.com/xmp/note/",
        "studio": "https://studio.example/ns/",
    }
    told = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{rdf}">'
        f'<rdf:Description rdf:about="" {told} {properties}>{elements}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


GUID = b"375C9508CCB7690FEA318CBE7979FBBE"
LONG = "x" * 70000
REST = _packet(
    f'studio:Long="{LONG}" dc:source="other"',
    "<studio:Faces><rdf:Bag><rdf:li>Anna</rdf:li></rdf:Bag></studio:Faces>"
    "<xmpNote:HasExtendedXMP>other</xmpNote:HasExtendedXMP>",
)


def _extended(pieces: list[tuple[int, bytes]], main: str = "", size: int = len(REST)) -> bytes:
    """A JPEG whose packet goes on in further segments, ``size`` bytes in all."""
    packed = bytes(imagecodecs.jpeg8_encode(pictures.ramp(3, np.uint8)))
    first = _packet(f'dc:source="first" xmpNote:HasExtendedXMP="{GUID.decode()}" {main}')
    more = b"".join(
        _segment(
            0xE1,
            b"http://ns.adobe.com/xmp/extension/\0" + GUID + struct.pack(">LL", size, at) + piece,
        )
        for at, piece in pieces
    )
    return packed[:2] + _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + first) + more + packed[2:]


def test_a_packet_that_goes_on_in_further_segments_is_read_whole(tmp_path: Path) -> None:
    """Lightroom and Photoshop move what is long there: face regions, captions, an image's history."""
    pieces = [(40000, REST[40000:]), (0, REST[:40000])]
    (tmp_path / "a.jpg").write_bytes(_extended(pieces))
    found = read_photo(tmp_path / "a.jpg", LIMITS).metadata
    packet = Packet(found.xmp)
    assert found.notes == ()
    assert packet.text("dc:source") == "first"
    assert f'studio:Long="{LONG}"'.encode() in found.xmp
    assert b"<rdf:li>Anna</rdf:li>" in found.xmp
    assert b"other" not in found.xmp


@pytest.mark.parametrize("pieces", [[(0, REST[:40000])], [(0, REST[:40000]), (40001, REST[40001:])], []])
def test_a_packet_of_which_a_piece_is_missing_is_told(
    tmp_path: Path, pieces: list[tuple[int, bytes]]
) -> None:
    note = _told_of(tmp_path / "a.jpg", _extended(pieces))
    assert note.startswith("the second part of the XMP was not read: ")


def _told_of(path: Path, content: bytes) -> str:
    """The one note of a JPEG of whose packet the first part alone is kept."""
    path.write_bytes(content)
    found = read_photo(path, LIMITS).metadata
    assert Packet(found.xmp).text("dc:source") == "first"
    (note,) = found.notes
    return str(note)


def _cut_up(rest: bytes) -> bytes:
    pieces = [(at, rest[at : at + 60000]) for at in range(0, len(rest), 60000)]
    return _extended(pieces, size=len(rest))


def test_a_packet_that_grows_too_long_when_joined_keeps_its_first_part(tmp_path: Path) -> None:
    """A quote takes six bytes when it is written again: the whole packet was dropped, and nothing told."""
    grown = _packet("studio:Long='" + '"' * 3_000_000 + "'")
    note = _told_of(tmp_path / "a.jpg", _cut_up(grown))
    assert note.startswith("the second part of the XMP was not read: with it the packet is 18,0")


def test_a_second_part_of_many_megabytes_is_left_out_and_told(tmp_path: Path) -> None:
    note = _told_of(tmp_path / "a.jpg", _cut_up(_packet(f'studio:Long="{"x" * (4 << 20)}"')))
    assert note.startswith("the second part of the XMP was not read: it is 4,194,")


@pytest.mark.parametrize("padding", [b"\0\0\0", b"\0\xff\0\xff", b"\0" * 60])
def test_padding_between_segments_is_read_over(tmp_path: Path, padding: bytes) -> None:
    """As libjpeg does; without that such a photo was refused."""
    whole = jpeg(exif("<"))
    at = whole.index(b"\xff\xed")
    (tmp_path / "a.jpg").write_bytes(whole[:at] + padding + whole[at:])
    found = read_photo(tmp_path / "a.jpg", LIMITS)
    assert found.metadata.iptc == IPTC
    assert np.array_equal(found.pixels, imagecodecs.jpeg8_decode(whole))


def test_more_than_padding_between_segments_is_damage(tmp_path: Path) -> None:
    whole = jpeg(exif("<"))
    at = whole.index(b"\xff\xed")
    (tmp_path / "a.jpg").write_bytes(whole[:at] + bytes(500) + whole[at:])
    with pytest.raises(DamagedPhoto, match="no marker"):
        read_photo(tmp_path / "a.jpg", LIMITS)


def test_a_gain_map_that_stays_behind_is_told(tmp_path: Path) -> None:
    pieces = [(0, REST[:40000]), (40000, REST[40000:])]
    (tmp_path / "a.jpg").write_bytes(_extended(pieces, f'xmlns:g="{GAIN_MAP_NAMESPACE}" g:Version="1.0"'))
    found = read_photo(tmp_path / "a.jpg", LIMITS).metadata
    assert found.notes == ("the gain map (HDR) was left behind: the result is the standard picture",)


def _raw(name: bytes, block: bytes) -> bytes:
    """A block as ImageMagick writes it into a PNG."""
    digits = block.hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return b"\n" + name + b"\n%8d\n" % len(block) + lines + b"\n"


@pytest.mark.parametrize("kind", [b"zTXt", b"tEXt"])
def test_a_png_of_imagemagick_tells_all_in_texts(tmp_path: Path, kind: bytes) -> None:
    packed = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint8)))
    blocks = {b"exif": b"Exif\0\0" + exif("<"), b"iptc": irb(), b"xmp": XMP}
    for name, block in blocks.items():
        text = _raw(name, block)
        body = b"\0" + zlib.compress(text) if kind == b"zTXt" else text
        packed = pictures.with_chunk(packed, kind, b"Raw profile type " + name + b"\0" + body)
    (tmp_path / "a.png").write_bytes(packed)
    found = read_photo(tmp_path / "a.png", LIMITS).metadata
    assert found.notes == ()
    assert (found.orientation, found.xmp, found.iptc) == (6, XMP, IPTC)


def test_a_png_of_libvips_packs_its_xmp(tmp_path: Path) -> None:
    packed = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint8)))
    body = b"XML:com.adobe.xmp\0\0" + zlib.compress(XMP)
    (tmp_path / "a.png").write_bytes(pictures.with_chunk(packed, b"zTXt", body))
    assert read_photo(tmp_path / "a.png", LIMITS).metadata.xmp == XMP


def test_a_text_that_is_no_profile_is_told(tmp_path: Path) -> None:
    packed = bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint8)))
    body = b"Raw profile type iptc\0\niptc\n 2\nno digits"
    (tmp_path / "a.png").write_bytes(pictures.with_chunk(packed, b"tEXt", body))
    found = read_photo(tmp_path / "a.png", LIMITS).metadata
    assert found.notes == ("IPTC was not read: its iptc profile is no hexadecimal text",)


@pytest.mark.parametrize("signature", [b"AgHg", b"PHUT", b"DCSR", b"MeSa"])
def test_resources_of_older_programs_hide_no_iptc(signature: bytes) -> None:
    assert iptc_of_irb(irb().replace(b"8BIM", signature, 1)) == IPTC


def test_an_empty_block_of_iptc_hides_no_other() -> None:
    empty = b"8BIM" + struct.pack(">H", 0x0404) + b"\0\0" + struct.pack(">L", 0)
    assert iptc_of_irb(empty + irb()) == IPTC


@pytest.mark.parametrize("cut", [IPTC[:-1], IPTC + IPTC[:2], b"\x1c", b""])
def test_a_block_of_iptc_that_is_cut_off_gives_way_to_a_whole_one(tmp_path: Path, cut: bytes) -> None:
    """ImageMagick 6 writes a quarter of the block under its tag, and all of it among the resources."""
    tags = [(33723, 7, len(cut), cut, True), (34377, 7, len(irb()), irb(), True)]
    path = pictures.write_tiff(tmp_path / "a.tif", pictures.ramp(), extratags=tags[not cut :])
    assert read_photo(path, LIMITS).metadata.iptc == IPTC


def test_resources_under_the_tag_of_iptc_are_seen_through(tmp_path: Path) -> None:
    """So libvips writes them; as they are, readers complain of the whole file."""
    block = b"Photoshop 3.0\0" + irb()
    tags = [(33723, 7, len(block), block, True)]
    path = pictures.write_tiff(tmp_path / "a.tif", pictures.ramp(), extratags=tags)
    assert read_photo(path, LIMITS).metadata.iptc == IPTC


def _under_its_tag(tmp_path: Path, *blocks: tuple[int, bytes]) -> bytes | None:
    tags = [(code, 7, len(block), block, True) for code, block in blocks]
    path = pictures.write_tiff(tmp_path / "a.tif", pictures.ramp(), extratags=tags)
    found: bytes | None = read_photo(path, LIMITS).metadata.iptc
    return found


def test_a_long_text_in_iptc_is_stepped_over(tmp_path: Path) -> None:
    """IIM tells a size above 32,767 in further bytes; such a block was dropped with by-line and caption."""
    long = b"\x1c\x02\x78\x80\x04" + struct.pack(">L", 40000) + b"c" * 40000
    whole = long + IPTC
    assert _under_its_tag(tmp_path, (33723, whole)) == whole
    assert _under_its_tag(tmp_path, (33723, long[:-1]), (34377, irb())) == IPTC
    assert iptc_of_irb(b"8BIM" + struct.pack(">H", 0x0404) + _sized(whole)) == whole


def _sized(block: bytes) -> bytes:
    return b"\0\0" + struct.pack(">L", len(block)) + block


@pytest.mark.parametrize("stray", [b"\n", b" \0", b"\x1c\x02"])
def test_iptc_with_a_stray_byte_behind_it_is_kept_where_there_is_no_other(
    tmp_path: Path, stray: bytes
) -> None:
    assert _under_its_tag(tmp_path, (33723, IPTC + stray)) == IPTC + stray
    assert _under_its_tag(tmp_path, (33723, IPTC + stray), (34377, irb())) == IPTC
    resource = b"8BIM" + struct.pack(">H", 0x0404) + _sized(IPTC + stray)
    assert iptc_of_irb(resource) == IPTC + stray
    assert iptc_of_irb(resource + b"\0" * (len(stray) % 2) + irb()) == IPTC
