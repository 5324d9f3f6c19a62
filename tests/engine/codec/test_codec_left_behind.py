"""What of a source's metadata does not come along is told in the record, with what to do; the rest does."""

from __future__ import annotations

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
