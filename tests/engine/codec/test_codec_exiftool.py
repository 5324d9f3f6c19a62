"""Metadata arrives, structure stays, and no name that a person chose reaches exiftool."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from tests.engine.codec import pictures

from retouch_engine.codec import exiftool as carrier_module
from retouch_engine.codec.exiftool import MetadataCarrier
from retouch_engine.codec.read import read_photo
from retouch_engine.codec.write import write_result
from retouch_engine.codec.xmp import XmpFacts, build_packet
from retouch_engine.prove import prove_result
from retouch_engine.recipe import Finish, Limits
from retouch_engine.types import Photo

needs_exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool is not installed: carrying is tested without it only"
)
TAGS = [
    *("-Make=Nikon", "-Model=Z 8", "-Artist=Jos\u00e9", "-Copyright=me", "-Software=Adobe Lightroom"),
    *(
        "-DateTimeOriginal=2026:01:02 03:04:05",
        "-OffsetTimeOriginal=+02:00",
        "-ModifyDate=2026:01:03 04:05:06",
    ),
    *("-ExposureTime=1/200", "-FNumber=2.8", "-ISO=400", "-LensModel=50mm", "-UserComment=hello"),
    *(
        "-GPSLatitude=52.5",
        "-GPSLatitudeRef=N",
        "-GPSLongitude=13.4",
        "-GPSLongitudeRef=E",
        "-GPSAltitude=34.5",
    ),
    *("-IPTC:CodedCharacterSet=UTF8", "-IPTC:Keywords=bride", "-IPTC:Keywords=Krak\u00f3w"),
    *("-IPTC:Caption-Abstract=a bride", "-XMP-dc:Title=T", "-XMP-crs:Exposure2012=1"),
    *("-Orientation#=6", "-XResolution=300", "-YResolution=300", "-ResolutionUnit=inches"),
]


def _exiftool(*args: str) -> str:
    return subprocess.run(["exiftool", *args], check=True, capture_output=True, text=True).stdout


def _source(folder: Path, name: str) -> Path:
    """A photo with everything in it, its tags written by exiftool, a thumbnail where the format has one."""
    path, picture = folder / name, pictures.ramp(3, np.uint8)
    if name.endswith(".tif"):
        pictures.write_tiff(path, picture, iccprofile=pictures.rgb_profile())
    elif name.endswith(".png"):
        path.write_bytes(imagecodecs.png_encode(picture))
    else:
        path.write_bytes(imagecodecs.jpeg8_encode(picture, level=95))
        (folder / "small.jpg").write_bytes(imagecodecs.jpeg8_encode(picture[::2, ::2].copy()))
        _exiftool("-q", "-overwrite_original", f"-ThumbnailImage<={folder / 'small.jpg'}", str(path))
    _exiftool("-q", "-overwrite_original", *TAGS, str(path))
    return path


def _staged(folder: Path, source: Path) -> tuple[Path, Path, Photo, bytes]:
    """A link to the source and a result without exiftool's part, both by names of ours."""
    photo = read_photo(source, Limits())
    facts = XmpFacts(
        photo.digest, "00", datetime(2026, 1, 1, tzinfo=UTC), healed=1, fallback=photo.metadata.fallback
    )
    xmp = build_packet(photo.metadata.xmp, facts)
    link, result = folder / f"source{source.suffix}", folder / "result.tif"
    link.symlink_to(source)
    write_result(result, photo, [pictures.patch()], Finish(), xmp)
    return link, result, photo, xmp


@needs_exiftool
@pytest.mark.parametrize("exif", [False, True])
def test_what_a_png_tells_by_words_of_its_own_is_told_by_exif(tmp_path: Path, *, exif: bool) -> None:
    (tmp_path / "staging").mkdir()
    source = tmp_path / "s.png"
    source.write_bytes(imagecodecs.png_encode(pictures.ramp(3, np.uint8)))
    words = ("Title=Tytuł", "Author=Björn", "Copyright=© Łódź", "Description=Opis", "Comment=Słowo")
    told = [f"-PNG:{word}" for word in words] + ["-IFD0:Artist=Anna"] * exif
    _exiftool("-q", "-overwrite_original", *told, str(source))
    link, result, _, _ = _staged(tmp_path / "staging", source)
    with MetadataCarrier() as carrier:
        carrier.carry(link, result)
    new = _tags(result)
    found = [new[f"IFD0:{tag}"] for tag in ("DocumentName", "Artist", "Copyright", "ImageDescription")]
    assert found == ["Tytuł", "Anna" if exif else "Björn", "© Łódź", "Opis"]
    assert new["ExifIFD:UserComment"] == "Słowo"


def _tags(path: Path) -> dict[str, Any]:
    (tags,) = json.loads(_exiftool("-j", "-G1", "-n", str(path)))
    return dict(tags)


@needs_exiftool
def test_of_a_tiff_nothing_differs_but_what_should(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    source = _source(tmp_path, "s.tif")
    link, result, _, _ = _staged(tmp_path / "staging", source)
    with MetadataCarrier() as carrier:
        carrier.carry(link, result)
    old, new = _tags(source), _tags(result)
    gone = {"XMP-crs:Exposure2012", "XMP-x:XMPToolkit", "ExifIFD:ComponentsConfiguration"}
    assert {key for key in old if key not in new} == gone
    changed = {key for key in old if key in new and old[key] != new[key]}
    packing = ("BitsPerSample", "Compression", "RowsPerStrip", "StripByteCounts", "StripOffsets", "Software")
    assert {k for k in changed if not k.startswith(("System:", "SourceFile"))} <= {
        f"IFD0:{p}" for p in packing
    }
    # New are the packet's own words, and what says the same in XMP as the source says in EXIF.
    ours = ("XMP-retouchd:", "XMP-xmpMM:", "XMP-exif:", "XMP-exifEX:", "XMP-xmp:", "Composite:GPS")
    names = {"IFD0:Predictor", "XMP-dc:Format", "XMP-dc:Subject", "XMP-iptcExt:DigitalSourceType"}
    added = {key for key in new if key not in old and not key.startswith(ours)}
    assert added == names | {"XMP-lr:HierarchicalSubject"}


@needs_exiftool
@pytest.mark.parametrize("name", ["s.jpg", "s.tif", "s.png"])
def test_everything_is_carried_and_nothing_else_moves(tmp_path: Path, name: str) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    source = _source(tmp_path, name)
    before = source.read_bytes()
    link, result, photo, xmp = _staged(staging, source)
    with MetadataCarrier() as carrier:
        assert carrier.available
        report = carrier.carry(link, result)
    assert report.carried_by.startswith("exiftool ")
    assert report.missing == ()
    assert report.note == ""
    prove_result(result, photo, [pictures.patch()], Finish(), xmp)
    assert source.read_bytes() == before
    assert sorted(p.name for p in staging.iterdir()) == ["result.tif", link.name]
    old, new = _tags(source), _tags(result)
    for key in (
        *(
            "ExifIFD:ExposureTime",
            "ExifIFD:FNumber",
            "ExifIFD:ISO",
            "ExifIFD:LensModel",
            "ExifIFD:UserComment",
        ),
        *("ExifIFD:DateTimeOriginal", "ExifIFD:OffsetTimeOriginal", "IFD0:Make", "IFD0:Model", "IFD0:Artist"),
        *("GPS:GPSLatitude", "GPS:GPSLongitude", "GPS:GPSAltitude", "IFD0:Orientation", "IFD0:XResolution"),
        *("IPTC:Keywords", "IPTC:Caption-Abstract", "IFD0:Copyright", "IFD0:ResolutionUnit"),
    ):
        assert new[key] == old[key], key
    assert new["IFD0:Software"].startswith("retouchd ")
    assert not [key for key in new if "Thumbnail" in key or "Preview" in key or key.startswith("IFD1")]


CAMERA = {
    "ExifIFD:FocalLength": 4.25,
    "ExifIFD:ApertureValue": 1.6993699982773,
    "ExifIFD:ShutterSpeedValue": 0.100064351332038,
    "ExifIFD:FocalPlaneXResolution": 3849.211789,
    "ExifIFD:BrightnessValue": -1.0437,
    "ExifIFD:SubjectDistance": 1.23456,
    "ExifIFD:LensInfo": "4.25 4.25 1.75 1.75",
    "GPS:GPSLongitude": 121.947820583333,
    "GPS:GPSImgDirection": 251.7437,
    "InteropIFD:InteropIndex": "R98",
    "InteropIFD:InteropVersion": "0100",
    "ExifIFD:ExposureCompensation": -1 / 3,
}
"""Finer than exiftool prints them."""


@needs_exiftool
def test_numbers_arrive_as_fine_as_the_camera_wrote_them(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    source = _source(tmp_path, "s.jpg")
    _exiftool("-q", "-n", "-overwrite_original", *(f"-{k}={v}" for k, v in CAMERA.items()), str(source))
    link, result, _, _ = _staged(tmp_path / "staging", source)
    with MetadataCarrier() as carrier:
        assert carrier.carry(link, result).missing == ()
    old, new = _tags(source), _tags(result)
    for key in CAMERA:
        assert new[key] == (pytest.approx(old[key], rel=1e-6) if isinstance(old[key], float) else old[key])


@needs_exiftool
def test_a_number_that_differs_is_missed(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    link, result, _, _ = _staged(tmp_path / "staging", _source(tmp_path, "s.jpg"))
    with MetadataCarrier() as carrier:
        copied = carrier.copy(link, result)
        _exiftool("-q", "-n", "-overwrite_original", "-FNumber=2.80001", "-GPSAltitude=34.5", str(result))
        assert carrier.compare(link, result, copied).missing == ("ExifIFD:FNumber",)


IIM = b"".join(
    b"\x1c\x02" + struct.pack(">BH", number, len(text)) + text
    for number, text in ((80, b"Zo\x91 M\x9fller"), (60, b"135926"), (63, b"135926.054-0600"))
)
"""By-line in the letters of an old Macintosh, a time without a zone, another with fractions."""


@needs_exiftool
@pytest.mark.parametrize("name", ["s.jpg", "s.tif"])
def test_iptc_arrives_byte_for_byte(tmp_path: Path, name: str) -> None:
    (tmp_path / "staging").mkdir()
    source, block = _source(tmp_path, name), tmp_path / "block"
    block.write_bytes(IIM)
    _exiftool("-q", "-overwrite_original", f"-IPTC<={block}", str(source))
    link, result, photo, _ = _staged(tmp_path / "staging", source)
    assert photo.metadata.iptc.rstrip(b"\0") == IIM
    with MetadataCarrier() as carrier:
        assert carrier.carry(link, result).note == ""
    assert read_photo(result, Limits(), ours=True).metadata.iptc == photo.metadata.iptc


@needs_exiftool
def test_what_scanners_and_gimp_write_into_the_first_directory_arrives(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    source = pictures.write_tiff(tmp_path / "s.tif", pictures.ramp())
    told = {"DateTimeOriginal": "2006:05:27 12:37:03", "ExposureTime": 3.2, "ISO": 250}
    told |= {"WhiteBalance": 1, "LensModel": "50mm", "CameraSerialNumber": "S-1"}
    told |= {"WhitePoint": "0.313 0.329", "PrimaryChromaticities": "0.64 0.33 0.21 0.71 0.15 0.06"}
    _exiftool("-q", "-n", "-overwrite_original", *(f"-IFD0:{k}={v}" for k, v in told.items()), str(source))
    link, result, _, _ = _staged(tmp_path / "staging", source)
    with MetadataCarrier() as carrier:
        assert carrier.carry(link, result).missing == ()
    tags = _tags(result)
    assert {key: tags[f"IFD0:{key}"] for key in told} == told


@needs_exiftool
def test_a_killed_exiftool_is_started_again(tmp_path: Path) -> None:
    link, result, photo, xmp = _staged(tmp_path, _source(tmp_path, "s.tif"))
    with MetadataCarrier() as carrier:
        for _ in range(2):
            assert carrier.version
            assert carrier._tool is not None
            os.kill(carrier._tool._process.pid, signal.SIGKILL)
            time.sleep(0.05)
            report = carrier.carry(link, result)
            assert report.carried_by.startswith("exiftool ")
            assert report.missing == ()
    prove_result(result, photo, [pictures.patch()], Finish(), xmp)


@needs_exiftool
def test_an_exiftool_that_is_killed_before_it_is_asked_raises_nothing_foreign(tmp_path: Path) -> None:
    """A kill between two photos once put nine photos of 300 into quarantine: the library's version raised."""
    with MetadataCarrier() as carrier:
        version = carrier.version
        assert version
        assert carrier._tool is not None
        os.kill(carrier._tool._process.pid, signal.SIGKILL)
        carrier._tool._process.wait()
        assert carrier.version == version
        assert carrier.available


@needs_exiftool
@pytest.mark.filterwarnings("error")
def test_closing_after_ctrl_c_says_nothing() -> None:
    """A terminal sends it to exiftool as well, and the library then wrote a warning on the screen."""
    with MetadataCarrier() as carrier:
        carrier.start()
        assert carrier._tool is not None
        os.kill(carrier._tool._process.pid, signal.SIGINT)
        carrier._tool._process.wait()


@needs_exiftool
def test_an_exiftool_that_is_killed_in_the_middle_of_a_photo_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, result, photo, xmp = _staged(tmp_path, _source(tmp_path, "s.tif"))
    real, kills = carrier_module._Tool.execute, [2, 3]

    def killed_on_the_way(tool: Any, *params: str) -> Any:
        if "-tagsFromFile" in params and kills:
            kills.pop()
            Path(f"{result}_exiftool_tmp").write_bytes(b"half a file")
            os.kill(tool._process.pid, signal.SIGKILL)
        return real(tool, *params)

    monkeypatch.setattr(carrier_module._Tool, "execute", killed_on_the_way)
    with MetadataCarrier() as carrier:
        report = carrier.carry(link, result)
    assert kills == []
    assert report.carried_by.startswith("exiftool ")
    assert report.missing == ()
    assert not Path(f"{result}_exiftool_tmp").exists()
    prove_result(result, photo, [pictures.patch()], Finish(), xmp)


@needs_exiftool
def test_an_exiftool_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link, result, _, _ = _staged(tmp_path, _source(tmp_path, "s.tif"))
    with MetadataCarrier() as carrier:
        assert carrier.version
        assert carrier._tool is not None
        os.kill(carrier._tool._process.pid, signal.SIGSTOP)
        monkeypatch.setattr(carrier_module, "CARRY_TIMEOUT_S", 0.3)
        report = carrier.carry(link, result)
        assert report.carried_by == "built-in"
        assert "did not answer" in report.note
        monkeypatch.setattr(carrier_module, "CARRY_TIMEOUT_S", 30.0)
        assert carrier.carry(link, result).missing == ()


@needs_exiftool
def test_what_is_started_beforehand_does_the_work(tmp_path: Path) -> None:
    link, result, _, _ = _staged(tmp_path, _source(tmp_path, "s.tif"))
    with MetadataCarrier() as carrier:
        carrier.start()
        started = carrier._tool
        assert started is not None
        carrier.start()
        assert carrier.carry(link, result).missing == ()
        assert carrier._tool is started


def test_without_exiftool_the_report_says_what_was_not_carried(tmp_path: Path) -> None:
    with MetadataCarrier("no-such-exiftool") as carrier:
        carrier.start()
        assert not carrier.available
        report = carrier.carry(tmp_path / "a.tif", tmp_path / "b.tif")
    assert report.carried_by == "built-in"
    assert "not installed" in report.note
    assert "MakerNotes" in report.missing


@pytest.mark.parametrize(
    ("script", "words"),
    [("#!/bin/sh\nexit 3\n", "start"), ("#!/bin/sh\necho broken >&2\nsleep 0.2\n", "start")],
)
def test_an_exiftool_that_does_not_work_is_told_not_waited_for(
    tmp_path: Path, script: str, words: str
) -> None:
    broken = tmp_path / "exiftool"
    broken.write_text(script)
    broken.chmod(0o755)
    with MetadataCarrier(str(broken)) as carrier:
        report = carrier.carry(tmp_path / "a.tif", tmp_path / "b.tif")
    assert report.carried_by == "built-in"
    assert words in report.note


@needs_exiftool
def test_an_old_exiftool_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier_module, "LEAST_VERSION", (99, 0))
    with MetadataCarrier() as carrier:
        report = carrier.carry(tmp_path / "a.tif", tmp_path / "b.tif")
    assert "older than 99.0" in report.note


@needs_exiftool
def test_a_file_that_exiftool_refuses_fails_nothing(tmp_path: Path) -> None:
    link, result, _, _ = _staged(tmp_path, _source(tmp_path, "s.tif"))
    result.write_bytes(b"not a tiff at all")
    with MetadataCarrier() as carrier:
        report = carrier.carry(link, result)
    assert report.carried_by == "built-in" or report.missing
    assert report.note
    assert result.read_bytes() == b"not a tiff at all"


@pytest.mark.parametrize(
    "name",
    [
        'a.tif\n-if\nsystem("touch PWNED") or 1',
        "a b.tif",
        "a|b.tif",
        "a\x7f.tif",
        "\udcff.tif",
        "a%f.tif",
        "#.tif",
        "é.tif",
    ],
)
def test_a_name_that_a_person_chose_is_refused(tmp_path: Path, name: str) -> None:
    good = tmp_path / "good.tif"
    with MetadataCarrier() as carrier:
        for pair in ((tmp_path / name, good), (good, tmp_path / name)):
            with pytest.raises(ValueError, match="not a staged name"):
                carrier.carry(*pair)
        with pytest.raises(ValueError, match="not a staged name"):
            carrier.carry(Path("relative.tif"), good)
        with pytest.raises(ValueError, match="not a staged name"):
            carrier.carry(tmp_path / "new\nline" / "a.tif", good)
    assert not list(tmp_path.iterdir())
