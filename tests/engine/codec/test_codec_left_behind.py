"""What of a source's metadata does not come along is told in the record, with what to do; the rest does."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from tests.engine.codec import pictures
from tests.engine.codec.test_codec_inputs import even, heif, psd
from tests.engine.codec.test_codec_metadata import IPTC, exif, jpeg

from retouch_engine import Finish, Order, Recipe, Rendered, Role, open_engine
from retouch_engine.codec.metadata import GAIN_MAP_LEFT, GAIN_MAP_NAMESPACE
from retouch_engine.codec.rdf import Packet
from retouch_engine.codec.read import read_photo
from retouch_engine.errors import DamagedPhoto
from retouch_engine.recipe import Limits

LONG = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + b" " * (16 << 20) + b"</x:xmpmeta>"


def _done(source: Path, finish: Finish | None = None) -> Rendered:
    staging = source.with_name("staging")
    staging.mkdir()
    with open_engine() as engine:
        return engine.retouch(Order(source, staging, Recipe(), finish or Finish()), lambda _: None)


def _notes(source: Path, about: str) -> list[str]:
    """The notes of a photo's record that speak of this."""
    notes: list[str] = _done(source).record["notes"]
    return [note for note in notes if about in note]


def _tags(rendered: Rendered) -> Any:
    with tifffile.TiffFile(rendered.files[Role.RESULT]) as tif:
        return {tag.code: tag.value for tag in tif.pages[0].tags}


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _manifests(kind: bytes = b"c2pa") -> bytes:
    """A JUMBF box as content credentials begin with, or of another kind."""
    uuid = kind + bytes.fromhex("00110010800000aa00389b71")
    return _box(b"jumb", _box(b"jumd", uuid + b"\3" + kind + b"\0"))


def _credited(folder: Path, name: str, boxes: bytes) -> Path:
    """A photo with these boxes where its format holds content credentials."""
    path, samples = folder / name, pictures.ramp(3, np.uint8)
    if name.endswith(".tif"):
        return pictures.write_tiff(path, samples, extratags=[(52545, 7, len(boxes), boxes, True)])
    if name.endswith(".heic"):
        heif = pytest.importorskip("pillow_heif")
        heif.from_bytes("RGB", samples.shape[1::-1], samples.tobytes()).save(path)
        uuid = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
        path.write_bytes(
            path.read_bytes() + _box(b"uuid", uuid + bytes(4) + b"manifest\0" + bytes(8) + boxes)
        )
    elif name.endswith(".png"):
        path.write_bytes(pictures.with_chunk(bytes(imagecodecs.png_encode(samples)), b"caBX", boxes))
    else:
        segment = b"JP\0\1\0\0\0\1" + boxes
        packed = bytes(imagecodecs.jpeg8_encode(samples))
        head = b"\xff\xeb" + struct.pack(">H", len(segment) + 2)
        path.write_bytes(packed[:2] + head + segment + packed[2:])
    return path


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.heic"])
def test_content_credentials_that_stay_behind_are_told(tmp_path: Path, name: str) -> None:
    (note,) = _notes(_credited(tmp_path, name, _manifests()), "C2PA")
    assert "were left behind" in note


def test_other_boxes_in_a_jpeg_are_no_content_credentials(tmp_path: Path) -> None:
    assert not _notes(_credited(tmp_path, "a.jpg", _manifests(b"json")), "C2PA")


def test_content_credentials_on_a_server_are_told_once(tmp_path: Path) -> None:
    """The packet alone says where they are, and ours may not say so of another file."""
    packet = Packet()
    packet.put("dcterms:provenance", "https://example.com/manifests/1")
    (note,) = _notes(_of_format(tmp_path, "a.png", packet.as_bytes()), "C2PA")
    assert "were left behind" in note


def _of_format(folder: Path, name: str, packet: bytes) -> Path:
    """A photo with such a packet: TIFF, PSD, and PNG with its text packed and not."""
    path, samples = folder / name, pictures.ramp(3, np.uint8)
    if name.endswith(".tif"):
        return pictures.write_tiff(path, samples, extratags=[(700, 1, len(packet), packet, True)])
    if name.endswith(".psd"):
        path.write_bytes(psd(samples, r1060=packet))
        return path
    text = b"\1\0\0\0" + zlib.compress(packet, 1) if "packed" in name else b"\0\0\0\0" + packet
    whole = bytes(imagecodecs.png_encode(samples))
    path.write_bytes(pictures.with_chunk(whole, b"iTXt", b"XML:com.adobe.xmp\0" + text))
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.psd", "a.png", "packed.png"])
def test_a_packet_that_is_too_long_is_told(tmp_path: Path, name: str) -> None:
    """Photoshop's list of ancestors grows to such sizes; keywords went with it, and nobody was told."""
    (note,) = _notes(_of_format(tmp_path, name, LONG), "XMP")
    assert "16,777,2" in note
    assert "do the photo again" in note


def test_a_packet_that_is_broken_takes_nothing_else_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(exif("<")).replace(b"x='adobe:", b"y='adobe:"))
    rendered = _done(tmp_path / "a.jpg")
    (note,) = [note for note in rendered.record["notes"] if "XMP" in note]
    assert "unbound prefix" in note
    assert "have your editor write the metadata anew, and do the photo again" in note
    tags = _tags(rendered)
    assert (tags[271], tags[274], tags[33723]) == ("Nikon", 6, IPTC)
    if rendered.record["metadata"]["carried_by"] == "built-in":  # no exiftool here
        assert b"28/10" in rendered.files[Role.XMP].read_bytes()
    else:
        assert rendered.record["metadata"]["missing"] == ()
        assert (tags[34665]["FNumber"], tags[34853]["GPSAltitude"]) == ((14, 5), (69, 2))


def _notes_of(path: Path, content: bytes) -> tuple[str, ...]:
    path.write_bytes(content)
    notes: tuple[str, ...] = read_photo(path, Limits()).metadata.notes
    return notes


def _named(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def test_the_gain_map_of_a_telephone_is_told_of(tmp_path: Path) -> None:
    """Apple's names itself in the second picture alone; the photo's own packet has no word of it."""
    photo = bytes(imagecodecs.jpeg8_encode(pictures.ramp(3, np.uint8)))
    kind = b"<HDRGainMap:AuxiliaryImageType>urn:com:apple:photo:2020:aux:hdrgainmap<"
    second = photo[:2] + _named(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + kind) + photo[2:]
    several = photo[:2] + _named(0xE2, b"MPF\0MM\0*") + photo[2:]
    assert _notes_of(tmp_path / "a.jpg", several + second) == (GAIN_MAP_LEFT,)
    assert _notes_of(tmp_path / "a.jpg", several + photo) == (), "a second picture alone is none"


def test_the_gain_map_of_a_heif_is_told_of(tmp_path: Path) -> None:
    """As an auxiliary picture, which lies in the file as transparency does, or by a word in XMP."""
    samples = even(pictures.ramp(4, np.uint8))
    transparent = heif(samples)
    assert _notes_of(tmp_path / "a.heic", transparent) == ()
    kind = b"urn:x:20:aux:hdrgainmap".rjust(len(re.findall(rb"urn:[!-~]+", transparent)[0]), b"x")
    assert _notes_of(tmp_path / "a.heic", re.sub(rb"urn:[!-~]+", kind, transparent)) == (GAIN_MAP_LEFT,)
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:g='" + GAIN_MAP_NAMESPACE.encode() + b"'/>"
    assert _notes_of(tmp_path / "a.heic", heif(samples[..., :3], xmp=packet)) == (GAIN_MAP_LEFT,)


@pytest.mark.parametrize("order", ["<", ">"])
def test_of_an_empty_directory_nothing_is_missed(tmp_path: Path, order: str) -> None:
    """Libvips and telephones write such; the record said that EXIF or the subject's place was not read."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "L", 8)
    empty = bytes(6)
    exif_at = struct.pack(order + "HHHLL", 1, 34665, 4, 1, 26) + bytes(4)
    assert _notes_of(tmp_path / "a.jpg", jpeg(head + empty)) == ()
    assert _notes_of(tmp_path / "a.jpg", jpeg(head + exif_at + empty)) == ()


def test_a_tiff_whose_page_has_an_empty_directory_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<L", 8) + bytes(300))
    with pytest.raises(DamagedPhoto, match="a page has an empty directory"):
        read_photo(tmp_path / "a.tif", Limits())
