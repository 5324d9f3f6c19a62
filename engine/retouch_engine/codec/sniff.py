"""Which format a file is, whether it is ours, and whether its claimed size is one we take."""

from __future__ import annotations

import stat
from enum import Enum
from io import BufferedReader
from pathlib import Path

from retouch_engine import formats
from retouch_engine.codec.ifd import Span, StructureError, read_directory, read_layout
from retouch_engine.codec.iso import brand_of
from retouch_engine.errors import (
    ExtraNeeded,
    MislabelledPhoto,
    NotAPhoto,
    PhotoTooLarge,
    PhotoTooSmall,
    SourceMissing,
    UnusableName,
)
from retouch_engine.recipe import Limits

OWN_SOFTWARE = b"retouchd"
OWN_NAMESPACE = "http://ns.retouchd.org/1.0/"
"""Marks our XMP. Never changed: it is how we know our own results, old ones too."""

_XMP_TAG, _SOFTWARE_TAG = 700, 305
_XMP_SEARCHED_BYTES = 4 << 20


class Format(Enum):
    """What we decode, with the endings that may name it."""

    TIFF = formats.TIFF
    JPEG = formats.JPEG
    PNG = formats.PNG
    PHOTOSHOP = formats.PHOTOSHOP
    HEIF = formats.HEIF
    RAW = formats.RAW


_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"), Format.HEIF),
    b"crx ": Format.RAW,
}
"""Major brands of ISO base media files."""
_OTHERS = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (b"IIRO", "a raw file"),
    (b"IIU\0", "a raw file"),
    (b"FUJIFILM", "a raw file"),
)


def open_source(path: Path) -> BufferedReader:
    """Open a regular file for reading; its name may hold any bytes.

    Raises:
        SourceMissing: it is not there or may not be read.
        NotAPhoto: a folder, a device, a pipe.
        UnusableName: no system call takes the name.
    """
    try:
        # A pipe would block the open, so the kind is asked first.
        if not stat.S_ISREG(path.stat().st_mode):
            raise NotAPhoto(path, "something that is not a regular file")
        return path.open("rb")
    except OSError as error:
        raise SourceMissing(path, error.strerror or type(error).__name__) from error
    except ValueError as error:
        raise UnusableName(path, str(error)) from error


def sniff(head: bytes) -> Format | str:
    """The format of a file that begins with ``head``, or in words what it is instead."""
    if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return Format.TIFF
    if head[:3] == b"\xff\xd8\xff":
        return Format.JPEG
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return Format.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP"
    if head[:4] == b"8BPS":
        return Format.PHOTOSHOP
    if brand := brand_of(head):
        return _BRANDS.get(brand, "an AVIF or a film")
    if not head:
        return "an empty file"
    return next((name for magic, name in _OTHERS if head.startswith(magic)), "no known signature")


def identify(path: Path, handle: BufferedReader) -> Format:
    """The format, held against the name's ending.

    Raises:
        NotAPhoto: empty, or a format we do not read.
        ExtraNeeded: a format that an extra reads which is not installed.
        MislabelledPhoto: another format than the ending says.
    """
    handle.seek(0)
    found = sniff(handle.read(16))
    if isinstance(found, str):
        raise NotAPhoto(path, found)
    suffix = path.suffix.lower()
    if found is Format.TIFF and suffix in formats.RAW:
        found = Format.RAW  # most raw files are TIFFs
    if suffix not in found.value:
        raise MislabelledPhoto(path, found.name)
    if extra := formats.missing_extra(suffix):
        raise ExtraNeeded(path, extra.kind, extra.name)
    return found


def check_size(path: Path, width: int, height: int, limits: Limits) -> None:
    """Hold a claimed size against the limits; nothing has been decoded yet.

    Raises:
        PhotoTooSmall: under ``min_side_px`` on either side.
        PhotoTooLarge: over ``max_side_px`` or ``max_megapixels``.
    """
    if min(width, height) < limits.min_side_px:
        raise PhotoTooSmall(path, width, height, limits.min_side_px)
    if max(width, height) > limits.max_side_px:
        raise PhotoTooLarge(path, width, height, f"{limits.max_side_px} px a side")
    if width * height > limits.max_megapixels * 1e6:
        raise PhotoTooLarge(path, width, height, f"{limits.max_megapixels:g} MP")


def saved_by(span: Span) -> str | None:
    """None when a TIFF does not bear our mark; else the software that saved it since, "" when nobody did.

    An editor that exports a result of ours writes its own name into the software tag and keeps our XMP.
    """
    try:
        layout, offset = read_layout(span)
        first = read_directory(span, layout, offset)
        software = first.text(_SOFTWARE_TAG) or b""
        if software.startswith(OWN_SOFTWARE):
            return ""
        entry = first.entries.get(_XMP_TAG)
        if entry is None or entry.count > _XMP_SEARCHED_BYTES:
            return None
        ours = OWN_NAMESPACE.encode() in (first.raw(_XMP_TAG) or b"")
        return (software.decode("utf-8", "replace").strip() or "another program") if ours else None
    except StructureError:
        return None
