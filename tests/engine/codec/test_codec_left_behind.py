"""What of a source's metadata does not come along is told in the record, with what to do; the rest does."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from tests.engine.codec import pictures
from tests.engine.codec.test_codec_inputs import psd
from tests.engine.codec.test_codec_metadata import IPTC, exif, jpeg

from retouch_engine import Finish, Order, Recipe, Rendered, Role, open_engine
from retouch_engine.codec.rdf import Packet

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
