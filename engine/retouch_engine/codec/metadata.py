"""What a source says about itself, read without exiftool.

Enough to write an honest TIFF: orientation, resolution, the XMP packet, IPTC, the short texts of the first
EXIF directory. The exposure, lens and place are turned into XMP properties, so that they survive even where
exiftool is not installed. Metadata never fails a photo: what cannot be read is left out and noted.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from retouch_engine.codec.ifd import (
    Directory,
    Span,
    StructureError,
    read_directory,
    read_layout,
    sub_directory,
)
from retouch_engine.codec.places import AS_IT_LIES, Turn

Rational = tuple[int, int]

ESSENTIAL_TEXTS = (270, 271, 272, 306, 315, 33432)
"""ImageDescription, Make, Model, DateTime, Artist, Copyright."""

EXIF_SEGMENT, XMP_SEGMENT = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
"""How a JPEG's segment begins that holds one; other formats keep it at times."""
MOST_PACKET_BYTES = 16 << 20
GAIN_MAP_NAMESPACE = "http://ns.adobe.com/hdr-gain-map/1.0/"
GAIN_MAP_KIND = "aux:hdrgainmap"
"""In the name of Apple's and Samsung's own kind of auxiliary picture: urn:com:apple:photo:2020:..."""
GAIN_MAP_LEFT = "the gain map (HDR) was left behind: the result is the standard picture"
_RESOURCES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
"""How an image resource begins: Photoshop's, ImageReady's and those of older programs."""
_ORIENTATION, _EXIF_IFD, _GPS_IFD = 274, 34665, 34853
_COLOUR_SPACE, _UNCALIBRATED = 40961, 65535
_SUBJECT_AREA = 37396
_INTEROPERABILITY_IFD, _INTEROPERABILITY_INDEX, _OPTION_FILE = 40965, 1, b"R03"
_XMP, _IPTC, _IRB, _CREDENTIALS = 700, 33723, 34377, 52545
_IIM, _DATASET, _EXTENDED = 0x0404, 0x1C, 0x8000
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SourceMetadata:
    """What the source carries beside pixels and profile."""

    orientation: int = 1
    """EXIF 1 to 8. Pixels are stored as in the file; nothing is rotated."""
    says_orientation: bool = False
    """Whether the file has a word for it; without one it is 1."""
    turn: Turn = AS_IT_LIES
    """How the decoder turned the pixels: places that XMP and EXIF name are those of the picture before it."""
    subject: tuple[int, ...] = ()
    """EXIF's SubjectArea: two to four numbers, pixels."""
    resolution: tuple[Rational, Rational] | None = None
    resolution_unit: int = 1
    """1 none, 2 inch, 3 centimetre."""
    xmp: bytes | None = None
    iptc: bytes | None = None
    """The IPTC-IIM block."""
    essentials: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Texts of the first directory by tag code, as stored."""
    fallback: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Exposure, lens, date and place as XMP properties (``exif:FNumber``: ``28/10``)."""
    notes: tuple[str, ...] = ()
    """What could not be read, in words."""
    credentials: bool = False
    """Content credentials (C2PA) lie in the file."""
    adobe_rgb: bool = False
    """EXIF says that the colours are Adobe RGB: all that cameras have to say of it, who embed no profile."""


def not_carried(what: str, why: object) -> str:
    """The note on metadata that could not be read. Of XMP what to do, too: nothing else carries it."""
    if what != "XMP":
        return f"{what} was not read: {why}"
    lost = "keywords, ratings and labels that it alone held are missing"
    return (
        f"the source's XMP was not carried on: {why}; {lost}: "
        "have your editor write the metadata anew, and do the photo again"
    )


def too_long(size: int) -> str:
    """Why a packet of so many bytes is not read."""
    return f"it is {size:,} bytes long, of at most {MOST_PACKET_BYTES:,}"


def _rational(d: Directory, code: int) -> str | None:
    pair = d.numbers(code)
    return f"{pair[0]}/{pair[1]}" if pair.size >= 2 and pair[1] else None


def _whole(d: Directory, code: int) -> str | None:
    values = d.numbers(code)
    return str(values[0]) if values.size else None


def _words(d: Directory, code: int) -> str | None:
    raw = d.text(code)
    return raw.decode("utf-8", "replace").strip() or None if raw else None


def _when(d: Directory, code: int, offset_code: int) -> str | None:
    """An EXIF date ("2026:05:01 10:20:30") as XMP writes it, with its zone where the camera gives one."""
    text = _words(d, code)
    if text is None or len(text) != 19 or not text[:4].isdigit():
        return None
    zone = _words(d, offset_code) or ""
    return f"{text[:10].replace(':', '-')}T{text[11:]}{zone if zone[:1] in '+-Z' else ''}"


def _place(d: Directory, code: int, ref_code: int) -> str | None:
    """A GPS angle as XMP writes it: ``52,30.123456N``."""
    v, ref = d.numbers(code), _words(d, ref_code)
    if v.size < 6 or not all(v[1:6:2]) or ref not in {"N", "S", "E", "W"}:
        return None
    minutes = float(v[2] / v[3] + v[4] / v[5] / 60 + (v[0] % v[1]) / v[1] * 60)
    return f"{int(v[0] // v[1]) + int(minutes // 60)},{minutes % 60:.6f}{ref}"


_Reader = Callable[[Directory], str | None]
_EXPOSURE: Mapping[str, _Reader] = {
    "exif:DateTimeOriginal": lambda d: _when(d, 36867, 36881),
    "exif:DateTimeDigitized": lambda d: _when(d, 36868, 36882),
    "exif:ExposureTime": lambda d: _rational(d, 33434),
    "exif:FNumber": lambda d: _rational(d, 33437),
    "exif:ExposureProgram": lambda d: _whole(d, 34850),
    "exif:ExposureBiasValue": lambda d: _rational(d, 37380),
    "exif:MeteringMode": lambda d: _whole(d, 37383),
    "exif:FocalLength": lambda d: _rational(d, 37386),
    "exif:FocalLengthIn35mmFilm": lambda d: _whole(d, 41989),
    "exif:ColorSpace": lambda d: _whole(d, 40961),
    "exif:WhiteBalance": lambda d: _whole(d, 41987),
    "exifEX:PhotographicSensitivity": lambda d: _whole(d, 34855),
    "exifEX:BodySerialNumber": lambda d: _words(d, 42033),
    "exifEX:LensModel": lambda d: _words(d, 42036),
}
_PLACE: Mapping[str, _Reader] = {
    "exif:GPSLatitude": lambda d: _place(d, 2, 1),
    "exif:GPSLongitude": lambda d: _place(d, 4, 3),
    "exif:GPSAltitude": lambda d: _rational(d, 6),
    "exif:GPSAltitudeRef": lambda d: _whole(d, 5),
}


def _properties(first: Directory, code: int, wanted: Mapping[str, _Reader]) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        directory = sub_directory(first, code)
    except StructureError:
        return found
    for name, read in wanted.items():
        try:
            value = read(directory) if directory else None
        except StructureError:
            continue
        if value is not None:
            found[name] = value
    return found


def _resolution(first: Directory) -> tuple[tuple[Rational, Rational] | None, int]:
    x, y = first.numbers(282), first.numbers(283)
    if x.size < 2 or y.size < 2 or min(x[0], x[1], y[0], y[1]) < 1:
        return None, 1
    unit = first.number(296, 2)
    return ((int(x[0]), int(x[1])), (int(y[0]), int(y[1]))), unit if unit in {1, 2, 3} else 1


def image_resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Photoshop's image resources: number and content of each, as far as the block holds together."""
    at = 0
    while at + 12 <= len(block) and block[at : at + 4] in _RESOURCES:
        (number,) = struct.unpack_from(">H", block, at + 4)
        at += 6 + (block[at + 6] + 2) // 2 * 2  # a counted name, padded to even
        if at + 4 > len(block):
            return
        (size,) = struct.unpack_from(">L", block, at)
        yield number, block[at + 4 : at + 4 + size]
        at += 4 + size + size % 2


def iptc_of_irb(irb: bytes) -> bytes | None:
    """The IPTC-IIM block among Photoshop's image resources, or None; the first that is whole, else begun."""
    return _best_iptc(data for number, data in image_resources(irb) if number == _IIM)


def _best_iptc(blocks: Iterable[bytes]) -> bytes | None:
    """The first block that is IPTC-IIM to its end, else the first that begins as one.

    By-line and caption lie in front: a stray byte behind them is no reason to lose them.
    """
    begun = None
    for block in blocks:
        if block[:1] != bytes([_DATASET]):
            continue
        if _is_iptc(block):
            return block
        begun = begun or block
    return begun


def _is_iptc(data: bytes) -> bool:
    """Whether a block is IPTC-IIM to its end, but for padding.

    Some programs store Photoshop's resources under IPTC's tag, and ImageMagick 6 only a quarter of the block.
    """
    at = 0
    while at + 5 <= len(data) and data[at] == _DATASET:
        (size,) = struct.unpack_from(">H", data, at + 3)
        at += 5
        if size & _EXTENDED:  # IIM 4.2, 1.6: the other bits count the bytes that hold the size
            behind = at + (size & ~_EXTENDED)
            size, at = int.from_bytes(data[at:behind]), behind
        at += size
    return 0 < at <= len(data) and not data[at:].strip(b"\0")


def _block(first: Directory, code: int) -> bytes | None:
    entry = first.entries.get(code)
    return first.raw(code) if entry is not None and entry.count <= MOST_PACKET_BYTES else None


def _packet(first: Directory) -> bytes | None:
    entry = first.entries.get(_XMP)
    if entry is not None and entry.count > MOST_PACKET_BYTES:
        raise StructureError(too_long(entry.count))
    return first.raw(_XMP)


def _iptc_blocks(block: bytes | None) -> Iterator[bytes]:
    """What may be IPTC-IIM: the block itself, and those among the image resources that it may be instead."""
    if block:
        yield block
        resources = image_resources(block.removeprefix(b"Photoshop 3.0\0"))
        yield from (data for number, data in resources if number == _IIM)


def _iptc(first: Directory) -> bytes | None:
    return _best_iptc(data for code in (_IPTC, _IRB) for data in _iptc_blocks(_block(first, code)))


def _subject(first: Directory) -> tuple[int, ...]:
    exif = sub_directory(first, _EXIF_IFD)
    told = exif.numbers(_SUBJECT_AREA) if exif is not None else ()
    return tuple(map(int, told)) if 2 <= len(told) <= 4 else ()


def _in_adobe_rgb(first: Directory) -> bool:
    """Whether it is an option file of DCF 2.0 and not, as an editor may have left it beside, sRGB."""
    try:
        exif = sub_directory(first, _EXIF_IFD)
        told = sub_directory(exif, _INTEROPERABILITY_IFD) if exif else None
        option = told is not None and told.text(_INTEROPERABILITY_INDEX) == _OPTION_FILE
        return option and exif is not None and exif.number(_COLOUR_SPACE, 0) == _UNCALIBRATED
    except StructureError:
        return False


def from_directory(first: Directory) -> SourceMetadata:
    """The metadata of a TIFF page, or of an EXIF block's first directory."""
    notes: list[str] = []

    def kept(what: str, read: Callable[[], object]) -> object:
        try:
            return read()
        except StructureError as trouble:
            notes.append(not_carried(what, trouble))
            return None

    orientation = kept("orientation", lambda: first.number(_ORIENTATION, 1))
    resolution = kept("resolution", lambda: _resolution(first))
    xmp = kept("XMP", lambda: _packet(first))
    iptc = kept("IPTC", lambda: _iptc(first))
    subject = kept("the subject's place", lambda: _subject(first))
    texts = {code: kept(f"tag {code}", lambda code=code: first.text(code)) for code in ESSENTIAL_TEXTS}  # type: ignore[misc]
    density, unit = resolution if isinstance(resolution, tuple) else (None, 1)
    return SourceMetadata(
        orientation=orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1,
        says_orientation=_ORIENTATION in first,
        subject=subject if isinstance(subject, tuple) else (),
        resolution=density,
        resolution_unit=unit,
        xmp=xmp if isinstance(xmp, bytes) and xmp else None,
        iptc=iptc if isinstance(iptc, bytes) else None,
        essentials=MappingProxyType({c: t for c, t in texts.items() if isinstance(t, bytes) and t}),
        fallback=MappingProxyType(
            _properties(first, _EXIF_IFD, _EXPOSURE) | _properties(first, _GPS_IFD, _PLACE)
        ),
        notes=tuple(notes),
        credentials=_CREDENTIALS in first,
        adobe_rgb=_in_adobe_rgb(first),
    )


def from_blocks(
    *,
    exif: bytes | None,
    xmp: bytes | None,
    irb: bytes | None = None,
    density: tuple[tuple[Rational, Rational], int] | None = None,
    orientation: int | None = None,
) -> SourceMetadata:
    """The metadata of a JPEG or PNG from its blocks; ``exif`` begins with the TIFF header.

    ``density`` is the format's own resolution, ``orientation`` its own, 1 to 8; used when EXIF has none.
    """
    own = SourceMetadata(orientation=orientation or 1, says_orientation=orientation is not None)
    base = own
    if exif:
        try:
            block = Span(io.BytesIO(exif), 0, len(exif))
            base = from_directory(read_directory(block, *read_layout(block)))
            if not base.says_orientation:
                base = replace(base, orientation=own.orientation, says_orientation=own.says_orientation)
        except StructureError as trouble:
            base = replace(base, notes=(not_carried("EXIF", trouble),))
    resolution, unit = base.resolution, base.resolution_unit
    if resolution is None and density is not None:
        resolution, unit = density
    notes = base.notes
    if xmp and len(xmp) > MOST_PACKET_BYTES:
        notes, xmp = (*notes, not_carried("XMP", too_long(len(xmp)))), None
    return replace(
        base,
        resolution=resolution,
        resolution_unit=unit,
        xmp=xmp or base.xmp,
        iptc=_best_iptc((*_iptc_blocks(irb), *_iptc_blocks(base.iptc))),
        notes=notes,
        credentials=False,
    )


def metadata_of(metadata: object) -> SourceMetadata:
    """``Photo.metadata`` as what this room put there, or an empty one for a photo made in memory."""
    return metadata if isinstance(metadata, SourceMetadata) else SourceMetadata()
