"""What is missed in a result is told, and nothing else."""

from __future__ import annotations

import pytest

from retouch_engine.codec.carried import report_of, said_otherwise
from retouch_engine.codec.metadata import SourceMetadata
from retouch_engine.codec.places import AS_IT_LIES


def test_a_makers_preview_is_not_missed_and_anything_else_of_its_notes_is() -> None:
    preview = {"PreviewIFD:PreviewImageStart": 3230, "PreviewIFD:PreviewImageLength": 26}
    notes = {"Nikon:Quality": "RAW", "Nikon:ISO": 200, **preview}
    assert report_of(notes, {"Nikon:Quality": "RAW", "Nikon:ISO": 200}, "", "12.57").missing == ()
    assert report_of(notes, {"Nikon:Quality": "RAW"}, "", "12.57").missing == ("MakerNotes",)


def test_what_hangs_behind_a_photo_of_samsungs_is_not_missed_among_its_notes() -> None:
    """Every photo of such a telephone was said to have lost its maker notes."""
    before = {"Samsung:MakerNoteVersion": "0100", "Samsung:TimeStamp": "2020:06:30", "Samsung:MCCData": 466}
    before |= {"Samsung:EmbeddedVideoType": "MotionPhoto_Data"}
    assert report_of(before, {"Samsung:MakerNoteVersion": "0100"}, "", "12.57").missing == ()
    assert report_of(before, {}, "", "12.57").missing == ("MakerNotes",)


@pytest.mark.parametrize(
    ("was", "now", "alike"),
    [
        ("1.539999962 6 undef", "1.54 6 undef", True),
        (1234567890, 1234567899, False),
        ("1 2 3", "1 2 4", False),
        (4, 4.0000001, True),
        ("a 1.0", "b 1.0", False),
    ],
)
def test_fractions_may_differ_and_nothing_else(was: object, now: object, *, alike: bool) -> None:
    missing = report_of({"ExifIFD:LensInfo": was}, {"ExifIFD:LensInfo": now}, "", "12.57").missing
    assert missing == (() if alike else ("ExifIFD:LensInfo",))


def test_the_same_words_in_a_second_place_are_not_missed() -> None:
    """Photoshop writes IPTC into a TIFF twice; it arrives once."""
    before = {"IPTC:Credit": "me", "IPTC2:Credit": "me", "IPTC3:Credit": "you"}
    assert report_of(before, {"IPTC:Credit": "me"}, "", "12.57").missing == ("IPTC3:Credit",)


def test_a_place_that_the_camera_left_open_is_not_missed() -> None:
    before = {"GPS:GPSLatitude": "", "GPS:GPSAltitude": "undef", "GPS:GPSSpeed": 3}
    assert report_of(before, {}, "", "12.57").missing == ("GPS:GPSSpeed",)


def test_room_that_windows_left_and_empty_words_are_not_missed() -> None:
    """A photo to which Windows gave a rating was said to have lost its padding."""
    before = {"ExifIFD:Padding": "(Binary data 2060 bytes)", "ExifIFD:OffsetSchema": 4036}
    assert report_of(before | {"ExifIFD:FlashpixVersion": ""}, {}, "", "12.57").missing == ()


def test_where_exif_is_silent_of_colours_nothing_is_made_up() -> None:
    """Exiftool writes "uncalibrated" there, which is not sRGB, for which such a photo is taken."""
    told = SourceMetadata(fallback={"exif:ColorSpace": "1"})
    assert said_otherwise(told, AS_IT_LIES) == {}
    assert said_otherwise(SourceMetadata(), AS_IT_LIES) == {"ExifIFD:ColorSpace": "="}
