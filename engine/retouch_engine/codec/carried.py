"""What becomes of the source's metadata: what a result has to say otherwise, and what it lacks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from retouch_engine.codec.metadata import SourceMetadata
from retouch_engine.codec.places import Turn, turned_exif

_COMPARED = frozenset({"ExifIFD", "InteropIFD", "GPS", "IPTC", "IFD0"})
_IPTC_AGAIN = re.compile(r"IPTC\d+")
_NOT_MISSED = frozenset(
    {
        *("SourceFile", "ExifIFD:ComponentsConfiguration", "ExifIFD:CompressedBitsPerPixel"),
        *("ExifIFD:Padding", "ExifIFD:OffsetSchema"),
    }
)
"""How the source is packed, and the room that Windows leaves in it for what it may write later."""
_NOTHING = ("", "undef")
"""What exiftool reads where a camera left a place or a height open."""
_PREVIEW = "PreviewImage"
"""Of maker notes, its start and length too: left behind on purpose, because it shows the face as it was."""
_BEHIND = re.compile(r"Samsung:(TimeStamp|MCCData|Embedded\w+)")
"""No maker notes, though exiftool puts it there: Samsung's telephones hang it behind the photo."""
_FRACTION = 1e-6
"""Exiftool looks for a fraction near a number, and finds another one than the camera wrote: by up to 4e-8."""


@dataclass(frozen=True, slots=True)
class CarryReport:
    """What became of the source's metadata."""

    carried_by: str
    """``exiftool 12.57`` or ``built-in``."""
    missing: tuple[str, ...] = ()
    """What the source has and the result has not, by group and tag."""
    note: str = ""
    """In words, what a person should know; empty when all is there."""


def said_otherwise(source: SourceMetadata, turn: Turn) -> dict[str, str]:
    """What EXIF has to say otherwise than the source's, as exiftool takes it: tags, and what each gets.

    Args:
        source: what the source says.
        turn: how the pixels were turned since.
    """
    # Where EXIF is silent exiftool writes "uncalibrated": not sRGB, for which such a photo is taken.
    silent = {} if "exif:ColorSpace" in source.fallback else {"ExifIFD:ColorSpace": "="}
    return turned_exif(source.subject, turn) | silent


def report_of(before: dict[str, Any], after: dict[str, Any], said: str, version: str) -> CarryReport:
    """Hold what exiftool reads in the result against what it reads in the source.

    Args:
        before: the source's tags, by group and tag.
        after: the result's.
        said: what exiftool said when it copied.
        version: exiftool's.
    """
    missing = _missing(before, after)
    note = "" if not missing else f"not carried: {', '.join(missing)}"
    if missing and "0 image files updated" in said:
        note = f"exiftool left the result as it was; {note}"
    return CarryReport(f"exiftool {version}", missing, note)


def _missing(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """What the source has and the result has not, or differently; maker notes as one."""
    lost: set[str] = set()
    for key, value in before.items():
        group, _, tag = key.partition(":")
        if key in _NOT_MISSED or value == "" or (group == "GPS" and value in _NOTHING):
            continue
        if group in _COMPARED or _IPTC_AGAIN.fullmatch(group):
            # A photo may hold the same IPTC in two places; it arrives in one.
            there = f"IPTC:{tag}" if _IPTC_AGAIN.fullmatch(group) else key
            if not _alike(after.get(there), value):
                lost.add(key)
        elif key not in after and not tag.startswith(_PREVIEW) and not _BEHIND.fullmatch(key):
            lost.add("MakerNotes")
    return tuple(sorted(lost))


def _alike(one: Any, other: Any) -> bool:
    """The same, or the same numbers but for what another fraction for them leaves."""
    if one == other:
        return True
    try:
        pairs = zip(str(one).split(), str(other).split(), strict=True)
        return all(a == b or _close(a, b) for a, b in pairs)
    except ValueError:
        return False


def _close(one: str, other: str) -> bool:
    """Numbers that differ by no more than a fraction leaves; whole ones are serial numbers and counts.

    Raises:
        ValueError: one of them is no number.
    """
    whole = one.isdigit() and other.isdigit()
    return not whole and math.isclose(float(one), float(other), rel_tol=_FRACTION)
