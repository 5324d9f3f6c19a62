"""PSD, PSB, HEIF and raw files in: samples, profile, metadata as stored, and hostile ones refused early."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from shutil import which
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from tests.engine.codec import pictures

from retouch_engine import PHOTO_SUFFIXES, Limits, errors, formats
from retouch_engine.codec.claim import claimed_pixels
from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.read import read_photo
from retouch_engine.errors import UnreadablePhoto
from retouch_engine.types import Photo

LIMITS = Limits(max_megapixels=1)
MODES = {1: 1, 3: 3}


def resource(number: int, data: bytes) -> bytes:
    return struct.pack(">4sH2sI", b"8BIM", number, b"\0\0", len(data)) + data + bytes(len(data) % 2)


def packed(planes: NDArray[Any], method: int, *, big: bool) -> bytes:
    stored = planes.astype(planes.dtype.newbyteorder(">"))
    if method == 0:
        return stored.tobytes()
    if method == 1:
        rows = [bytes(imagecodecs.packbits_encode(row.tobytes())) for plane in stored for row in plane]
        return np.array([len(r) for r in rows], ">u4" if big else ">u2").tobytes() + b"".join(rows)
    if method == 3:
        stored = np.diff(planes, axis=-1, prepend=planes.dtype.type(0)).astype(stored.dtype)
    return zlib.compress(stored.tobytes())


def psd(data: NDArray[Any], method: int = 1, *, big: bool = False, layers: int = 0, **blocks: bytes) -> bytes:
    """A document with a flattened picture; ``r1039=...`` adds an image resource."""
    planes = np.moveaxis(data, -1, 0)
    channels, height, width = planes.shape
    mode = 1 if channels < 3 else 3
    head = struct.pack(
        ">4sH6xHIIHH", b"8BPS", 1 + big, channels, height, width, data.dtype.itemsize * 8, mode
    )
    resources = b"".join(resource(int(name[1:]), value) for name, value in blocks.items())
    wide = ">Q" if big else ">I"
    info = struct.pack(wide, 2) + struct.pack(">h", layers) if layers else b""
    body = struct.pack(">I", 0) + struct.pack(">I", len(resources)) + resources
    body += struct.pack(wide, len(info)) + info
    return head + body + struct.pack(">H", method) + packed(planes, method, big=big)


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("method", [0, 1, 2, 3], ids=["raw", "rle", "zip", "predicted"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("big", [False, True], ids=["psd", "psb"])
def test_the_flattened_picture_comes_in_at_its_own_depth(
    tmp_path: Path, method: int, dtype: type, big: bool
) -> None:
    data = pictures.ramp(3, dtype)
    name = "a.psb" if big else "a.psd"
    photo = read_photo(put(tmp_path, name, psd(data, method, big=big)), LIMITS)
    assert photo.pixels.dtype == dtype
    assert np.array_equal(photo.pixels, data)


def test_what_a_document_says_beside_its_picture_comes_along(tmp_path: Path) -> None:
    exif = pictures.hostile_tiff(1, 1, t274=1)
    told = psd(
        pictures.ramp(4),
        layers=-2,
        r1005=struct.pack(">IHHIHH", 300 << 16, 1, 1, 300 << 16, 1, 1),
        r1028=b"\x1c\x02\x50\x00\x04Anna",
        r1039=pictures.rgb_profile(),
        r1057=b"\0\0\0\1\1",
        r1058=exif,
        r1060=b"<x:xmpmeta/>",
    )
    photo = read_photo(put(tmp_path, "a.psd", told), LIMITS)
    metadata = metadata_of(photo.metadata)
    assert photo.profile == pictures.rgb_profile()
    assert metadata.resolution == ((300 << 16, 65536), (300 << 16, 65536))
    assert (metadata.resolution_unit, metadata.xmp) == (2, b"<x:xmpmeta/>")
    assert metadata.iptc == b"\x1c\x02\x50\x00\x04Anna"
    assert photo.extra is not None
    assert photo.extra_meaning == (2,), "the transparency of the flattened picture"
    assert read_photo(put(tmp_path, "b.psd", psd(pictures.ramp(4))), LIMITS).extra_meaning == (0,)
    assert read_photo(put(tmp_path, "c.psd", psd(pictures.ramp(1))), LIMITS).grey


def _by(program: str) -> bytes:
    """A version resource with the name of who wrote the document."""
    name = program.encode("utf-16-be")
    return b"\0\0\0\1\1" + struct.pack(">I", len(program)) + name + bytes(8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_white_that_photoshop_blends_in_is_taken_back(tmp_path: Path, dtype: type, channels: int) -> None:
    """A cut-out's soft edge was blended with white twice: 80 % of a red came out as pink."""
    colours, full = pictures.ramp(channels, dtype)[::3, ::3], np.iinfo(dtype).max
    colours[::7] = full
    alpha: NDArray[Any] = np.linspace(0, full, colours.shape[1]).round().astype(dtype)
    alpha = np.broadcast_to(alpha[None, :, None], (*colours.shape[:2], 1))
    share = alpha / full
    blended: NDArray[Any] = np.rint(colours * share + full * (1 - share)).astype(dtype)
    stored = np.concatenate([blended, alpha], -1)
    content = psd(stored, layers=-2, r1057=_by("Adobe Photoshop"))
    photo = read_photo(put(tmp_path, "a.psd", content), LIMITS)
    own, seen = photo.pixels[..., :channels].astype(float), share[..., 0] > 0
    again = np.rint(own * share + full * (1 - share))
    assert np.abs(again - blended)[seen].max() <= 1, "laid on white it is what the document shows"
    assert np.abs(own - colours)[share[..., 0] > 0.5].max() <= 1
    assert np.array_equal(photo.pixels[~seen][..., :channels], blended[~seen])
    assert photo.extra is not None
    assert np.array_equal(photo.extra, alpha)


def test_white_that_is_not_known_to_be_blended_in_stays(tmp_path: Path) -> None:
    """Another program's, one without transparency, and one that is too dark for a blend with white."""
    half = np.full((40, 40, 1), 128, np.uint8)
    light, dark = (np.concatenate([np.full((40, 40, 3), v, np.uint8), half], -1) for v in (200, 90))
    photoshop = _by("Adobe Photoshop")
    for content, samples in (
        (psd(light, layers=-2, r1057=_by("GIMP")), light),
        (psd(light, layers=2, r1057=photoshop), light),
        (psd(light), light),
        (psd(dark, layers=-2, r1057=photoshop), dark),
    ):
        photo = read_photo(put(tmp_path, "a.psd", content), LIMITS)
        assert np.array_equal(photo.pixels, samples[..., :3])
    taken = read_photo(put(tmp_path, "a.psd", psd(light, layers=-2, r1057=photoshop)), LIMITS)
    assert taken.pixels.max() == taken.pixels.min() == 145


def test_documents_that_are_no_photo_are_refused_in_words(tmp_path: Path) -> None:
    good = psd(pictures.ramp(3), 0)
    bare = psd(pictures.ramp(3), 0, r1057=b"\0\0\0\1\0")
    with pytest.raises(errors.UnsupportedPhoto, match="Maximize Compatibility"):
        read_photo(put(tmp_path, "bare.psd", bare), LIMITS)
    for mode, word in ((4, "CMYK"), (9, "Lab"), (2, "palette")):
        path = put(tmp_path, "mode.psd", good[:24] + struct.pack(">H", mode) + good[26:])
        with pytest.raises(errors.UnsupportedPhoto, match=word):
            read_photo(path, LIMITS)
    path = put(tmp_path, "float.psd", good[:22] + struct.pack(">H", 32) + good[24:])
    with pytest.raises(errors.UnsupportedPhoto, match="floating point"):
        read_photo(path, LIMITS)


def test_a_document_that_claims_a_giant_picture_costs_nothing(tmp_path: Path) -> None:
    good = psd(pictures.ramp(3), 1)
    path = put(tmp_path, "bomb.psd", good[:14] + struct.pack(">II", 30_000, 30_000) + good[22:])
    assert claimed_pixels(path) == 900_000_000
    with pytest.raises(errors.PhotoTooLarge):
        read_photo(path, LIMITS)
    with pytest.raises(UnreadablePhoto):
        read_photo(path, Limits(max_megapixels=1000))
    zipped = psd(pictures.ramp(3), 2)
    path = put(tmp_path, "bomb2.psd", zipped[:14] + struct.pack(">II", 20_000, 20_000) + zipped[22:])
    with pytest.raises(UnreadablePhoto):
        read_photo(path, Limits(max_megapixels=1000))


def heif(data: NDArray[Any], **options: Any) -> bytes:
    library = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    wide = data.dtype == np.uint16
    mode = {1: "I" if wide else "L", 3: "RGB", 4: "RGBA"}[data.shape[2]] + (";16" if wide else "")
    size = (data.shape[1], data.shape[0])
    made = library.from_bytes(mode=mode, size=size, data=np.ascontiguousarray(data).tobytes())
    stream = io.BytesIO()
    made.save(stream, quality=-1, chroma=444, **options)
    return stream.getvalue()


def even(data: NDArray[Any]) -> NDArray[Any]:
    return data[:128, :128]


def test_a_heif_comes_in_with_all_its_bits_and_its_profile(tmp_path: Path) -> None:
    for dtype, most in ((np.uint8, 3), (np.uint16, 200)):
        data = even(pictures.ramp(3, dtype))
        path = put(tmp_path, "a.heic", heif(data, icc_profile=pictures.rgb_profile()))
        photo = read_photo(path, LIMITS)
        assert photo.pixels.dtype == dtype
        assert np.abs(photo.pixels.astype(int) - data).max() <= most, "lossless, but for its YCbCr at 10 bit"
        assert photo.profile == pictures.rgb_profile()
        assert photo.lossy
        assert claimed_pixels(path) == 128 * 128
    white = np.full((64, 64, 3), 65535, np.uint16)
    assert read_photo(put(tmp_path, "w.heif", heif(white)), LIMITS).pixels.min() == 65535, "white stays white"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_heif_comes_in_at_its_own_depth(tmp_path: Path, dtype: type) -> None:
    """At 10 bits it was refused as "a HEIF of kind I;16"."""
    data = even(pictures.ramp(1, dtype))
    photo = read_photo(put(tmp_path, "a.heic", heif(data)), LIMITS)
    assert photo.grey
    assert photo.pixels.dtype == dtype
    assert np.abs(photo.pixels.astype(int) - data).max() <= np.iinfo(dtype).max // 255


def test_a_heif_that_libheif_does_not_decode_is_told_in_words(tmp_path: Path) -> None:
    content = heif(even(pictures.ramp(3, np.uint8))).replace(b"hvc1", b"av01")
    with pytest.raises(errors.UnsupportedPhoto, match="without a picture that libheif knows to decode"):
        read_photo(put(tmp_path, "a.heic", content), LIMITS)


def test_a_heif_is_upright_whatever_its_exif_says(tmp_path: Path) -> None:
    exif = b"Exif\0\0" + pictures.hostile_tiff(1, 1, t274=6)
    path = put(tmp_path, "a.heic", heif(even(pictures.ramp(3, np.uint8))[:, :96], exif=exif))
    photo = read_photo(path, LIMITS)
    # The writer turned EXIF's 6 into a turn of the file's own, which the decoder has obeyed.
    assert metadata_of(photo.metadata).orientation == 1
    assert {photo.width, photo.height} == {96, 128}


def raw_file(path: Path, *, orientation: int = 1) -> Path:
    """A small DNG: a mosaic of a flat reddish grey, as a camera stores it."""
    mosaic = np.full((128, 160), 9000, np.uint16)
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = 7000, 5000
    matrix = [7200, 10000, -2300, 10000, -600, 10000, -4500, 10000, 12700, 10000, 2000, 10000]
    matrix += [-800, 10000, 1900, 10000, 6000, 10000]
    tags = [
        (50706, 1, 4, bytes((1, 4, 0, 0)), True),
        (50708, 2, 9, b"Retouchd\0", True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50717, 3, 1, 16383, True),
        (50721, 10, 9, tuple(matrix), True),
        (50728, 5, 3, (1, 2, 1, 1, 2, 3), True),
        (50778, 3, 1, 21, True),
        (274, 3, 1, orientation, True),
    ]
    tifffile.imwrite(path, mosaic, photometric="cfa", extratags=tags, metadata=None)
    return path


def test_a_raw_file_is_developed_plainly(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="the extra raw is not installed")
    photo = read_photo(raw_file(tmp_path / "a.dng", orientation=6), LIMITS)
    metadata = metadata_of(photo.metadata)
    assert photo.pixels.dtype == np.uint16
    assert (photo.width, photo.height) == (160, 128), "not turned: the tag says how"
    assert metadata.orientation == 6
    assert photo.profile is not None
    assert photo.profile[16:20] == b"RGB "
    assert any("no editor's look" in note for note in metadata.notes)
    middle = photo.pixels[40:90, 40:120].reshape(-1, 3)
    assert middle.min() > 0
    assert middle.max() < 65535, "nothing is brightened until it burns out"


def test_a_raw_file_that_claims_too_much_or_ends_early_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="the extra raw is not installed")
    path = raw_file(tmp_path / "a.dng")
    with pytest.raises(errors.PhotoTooLarge):
        read_photo(path, Limits(max_megapixels=0.01))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(errors.IncompletePhoto):
        read_photo(path, LIMITS)


@pytest.mark.parametrize("name", ["a.psd", "a.psb", "a.heic", "a.dng"])
def test_a_file_cut_or_changed_anywhere_is_ours_to_refuse(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.dng":
        pytest.importorskip("rawpy", reason="the extra raw is not installed")
        raw_file(path)
    else:
        small = even(pictures.ramp(3, np.uint8))
        path.write_bytes(heif(small) if name == "a.heic" else psd(small, 1, big=name == "a.psb"))
    content = path.read_bytes()
    read_photo(path, LIMITS)
    for cut in sorted({*range(0, 40, 3), *np.linspace(40, len(content) - 1, 25).astype(int).tolist()}):
        path.write_bytes(content[:cut])
        with pytest.raises(UnreadablePhoto):
            read_photo(path, LIMITS)
    chance = np.random.default_rng(1)
    for _ in range(60):
        changed = bytearray(content)
        changed[int(chance.integers(0, min(len(content), 1500)))] ^= 1 << int(chance.integers(0, 8))
        path.write_bytes(changed)
        try:
            assert isinstance(read_photo(path, LIMITS), Photo)
        except UnreadablePhoto:
            continue


def test_without_its_extra_a_format_is_no_photo_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = heif(even(pictures.ramp(3, np.uint8)))
    monkeypatch.setattr(formats, "find_spec", lambda _name: None)
    assert formats.photo_suffixes() >= {".psd", ".psb", ".tif", ".jpg", ".png"}
    assert not formats.photo_suffixes() & {".heic", ".dng", ".cr3"}
    with pytest.raises(errors.ExtraNeeded, match=r"retouchd\[heif\]"):
        read_photo(put(tmp_path, "a.heic", content), LIMITS)
    with pytest.raises(errors.ExtraNeeded, match=r"retouchd\[raw\]"):
        read_photo(raw_file(tmp_path / "a.dng"), LIMITS)
    with pytest.raises(errors.MislabelledPhoto):
        read_photo(put(tmp_path, "a.jpg", content), LIMITS)
    assert claimed_pixels(tmp_path / "a.heic") is None


def test_nothing_of_an_extra_is_loaded_before_it_is_needed() -> None:
    wanted = "('pillow_heif', 'rawpy', 'c2pa', 'PIL')"
    code = f"import retouch_engine.engine, sys; print([m for m in {wanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    for library, suffix in (("pillow_heif", ".heic"), ("rawpy", ".dng")):
        here = formats.EXTRAS[suffix].installed
        assert (suffix in PHOTO_SUFFIXES) == here, library


@pytest.mark.skipif(which("identify") is None, reason="ImageMagick is not installed")  # "convert" is many
@pytest.mark.parametrize("ending", ["psd", "psb"])
def test_a_document_of_another_program_is_read_exactly(tmp_path: Path, ending: str) -> None:
    data = pictures.ramp(3)
    source = pictures.write_tiff(tmp_path / "a.tif", data)
    made = tmp_path / f"a.{ending}"
    environment = {**os.environ, "MAGICK_THREAD_LIMIT": "1"}
    subprocess.run(["convert", source, "-depth", "16", made], check=True, env=environment)
    assert np.array_equal(read_photo(made, LIMITS).pixels, data)
