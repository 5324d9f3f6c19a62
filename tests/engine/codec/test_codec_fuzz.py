"""However a file is cut or changed, the answer is a photo or one of our own errors, never a foreign one."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.codec import pictures

from retouch_engine.codec.claim import claimed_pixels
from retouch_engine.codec.exiftool import ExiftoolError, _tags, _version
from retouch_engine.codec.painted import read_painted_mask
from retouch_engine.codec.read import read_photo
from retouch_engine.codec.sniff import Format, sniff
from retouch_engine.codec.xmp import XmpFacts, build_packet, packet_trouble
from retouch_engine.errors import EngineError, UnreadablePhoto
from retouch_engine.recipe import Limits

LIMITS = Limits(max_megapixels=1)
QUIET = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def samples() -> dict[str, bytes]:
    """One small file of each kind."""
    rgb = pictures.ramp(3, np.uint8)
    found = {"a.jpg": bytes(imagecodecs.jpeg8_encode(rgb)), "a.png": bytes(imagecodecs.png_encode(rgb))}
    kinds: dict[str, dict[str, Any]] = {
        "raw.tif": {},
        "lzw.tif": {"compression": "lzw", "predictor": True, "rowsperstrip": 32},
        "zip.tif": {"compression": "zlib", "tile": (64, 64), "byteorder": ">"},
        "big.tif": {"compression": "zlib", "bigtiff": True},
        "jpeg.tif": {"compression": "jpeg"},
    }
    for name, options in kinds.items():
        stream = io.BytesIO()
        tifffile.imwrite(stream, rgb, photometric="rgb", metadata=None, **options)
        found[name] = stream.getvalue()
    return found


NAMES = ["a.jpg", "a.png", "raw.tif", "lzw.tif", "zip.tif", "big.tif", "jpeg.tif"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_anywhere_is_refused_as_ours(tmp_path: Path, name: str) -> None:
    content, path = samples()[name], tmp_path / name
    read = path.write_bytes(content)
    read_photo(path, LIMITS)
    cuts = {*range(40), *np.linspace(40, read - 1, 60).astype(int).tolist(), *range(read - 12, read)}
    for cut in sorted(cuts):
        path.write_bytes(content[:cut])
        with pytest.raises(UnreadablePhoto):
            read_photo(path, LIMITS)


@pytest.mark.parametrize("name", NAMES)
@QUIET
@given(data=st.data())
def test_a_file_with_changed_bytes_never_gives_a_foreign_exception(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = bytearray(samples()[name])
    size = len(content)
    # The structure lies at both ends: there most changes are made.
    places = st.one_of(st.integers(0, min(400, size - 1)), st.integers(max(0, size - 400), size - 1))
    changes = st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=12)
    for at, value in data.draw(changes):
        content[at] = value
    path = tmp_path / name
    path.write_bytes(content)
    try:
        said = str(read_photo(path, LIMITS).pixels.size)
    except EngineError as error:
        said = str(error)
    assert said.isprintable()  # one line


@QUIET
@given(
    noise=st.binary(max_size=300),
    head=st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]),
)
def test_noise_behind_a_signature_never_gives_a_foreign_exception(
    tmp_path: Path, noise: bytes, head: bytes
) -> None:
    name = {b"\xff\xd8\xff": "a.jpg", b"\x89PNG\r\n\x1a\n": "a.png"}.get(head, "a.tif")
    (tmp_path / name).write_bytes(head + noise)
    with pytest.raises(UnreadablePhoto):
        read_photo(tmp_path / name, LIMITS)


@QUIET
@given(noise=st.binary(max_size=300))
def test_noise_as_a_packet_is_only_trouble(noise: bytes) -> None:
    assert packet_trouble(noise) is not None


FACTS = XmpFacts("00" * 32, "ab" * 32, datetime(2026, 1, 1, tzinfo=UTC))
PACKET = build_packet(None, FACTS)


@QUIET
@given(changes=st.lists(st.tuples(st.integers(0, len(PACKET) - 1), st.binary(max_size=6)), max_size=6))
def test_a_packet_with_changed_bytes_still_gives_a_packet(changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(PACKET)
    for at, piece in changes:
        data[at : at + len(piece)] = piece
    assert packet_trouble(build_packet(bytes(data), FACTS)) is None


@QUIET
@given(head=st.binary(max_size=40) | st.sampled_from([b"II*\0", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_any_head_is_a_format_or_a_reason(head: bytes) -> None:
    found = sniff(head)
    assert isinstance(found, Format) or found.isprintable()


@QUIET
@given(
    layout=st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10" + bytes(7)]),
    rest=st.binary(max_size=400),
)
def test_any_directory_is_read_or_refused(tmp_path: Path, layout: bytes, rest: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(layout + rest)
    claimed = claimed_pixels(path)
    assert claimed is None or claimed >= 0


@QUIET
@given(data=st.data())
def test_a_painted_mask_may_hold_anything(tmp_path: Path, data: st.DataObject) -> None:
    photo_path = tmp_path / "photo.png"
    photo_path.write_bytes(samples()["a.png"])
    content = bytearray(samples()[data.draw(st.sampled_from(NAMES))])
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=9)
    ):
        content[at] = value
    path = tmp_path / "mask.tif"
    path.write_bytes(content)
    photo = read_photo(photo_path, LIMITS)
    with contextlib.suppress(EngineError):
        assert read_painted_mask(path, photo, LIMITS).shape == (photo.height, photo.width)


@QUIET
@given(
    answer=st.text(max_size=60)
    | st.sampled_from(["[]", "[1]", "[{}, {}]", "{}", "null", "[[1]]", "[" * 5000])
)
def test_exiftool_may_answer_anything(answer: str) -> None:
    with contextlib.suppress(ExiftoolError):
        assert isinstance(_tags(answer), dict)
    assert all(isinstance(part, int) for part in _version(answer))


def test_a_file_that_shrinks_and_grows_while_it_is_read_gives_our_errors_only(tmp_path: Path) -> None:
    path = pictures.write_tiff(tmp_path / "a.tif", pictures.ramp(), compression="lzw", rowsperstrip=8)
    content, stop = path.read_bytes(), threading.Event()

    def meddle() -> None:
        while not stop.is_set():
            os.truncate(path, len(content) // 3)
            path.write_bytes(content)

    meddler = threading.Thread(target=meddle)
    meddler.start()
    refused = 0
    try:
        for _ in range(60):
            try:
                read_photo(path, LIMITS)
            except EngineError:
                refused += 1
    finally:
        stop.set()
        meddler.join()
    assert 0 <= refused <= 60
