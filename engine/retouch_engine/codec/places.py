"""Places that metadata name (faces, focus), turned along where pixels are turned and not a tag beside them.

Such places are told of the picture as it is stored, before its orientation is heeded: of MWG's, Microsoft's
and IPTC's regions exiftool's ``get_regions.config`` takes it so, as digiKam does of MWG's. HEIF comes in
upright, and the Photoshop document is written so: there a face's frame would lie beside the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from retouch_engine.codec.rdf import Packet, field_of, put_field
from retouch_engine.imaging.turning import Place, Size, turned_place, turned_size

_SQUARE: Size = (2, 2)
"""Whole numbers are the middles of pixels: of two by two pixels the middles are 0 and 1, as of fractions."""
_SIZES = (("tiff:ImageWidth", "tiff:ImageLength"), ("exif:PixelXDimension", "exif:PixelYDimension"))


@dataclass(frozen=True, slots=True)
class Turn:
    """How a picture was turned after its metadata had been written."""

    orientation: int = 1
    """EXIF's 1 to 8, as for :func:`retouch_engine.imaging.turning.turned`."""
    size: Size = (1, 1)
    """Height and width before, in pixels."""

    @property
    def quarter(self) -> bool:
        """Whether width and height change places."""
        return turned_size((1, 2), self.orientation) != (1, 2)


AS_IT_LIES = Turn()


def turn_packet(packet: Packet, turn: Turn) -> None:
    """Turn all places that an XMP packet names; one that cannot be read stays as it is.

    A writer that meant the upright picture says so by the dimensions that its regions apply to: then they are
    right already.
    """
    if turn.orientation == AS_IT_LIES.orientation:
        return
    for wide, high in _SIZES:
        _exchange(packet, wide, high, turn)
    elements = list(packet.elements())
    applied = [e for e in elements if field_of(e, "stDim:w") and field_of(e, "stDim:h")]
    if turn.quarter and any(_stands(e, turn) for e in applied):
        return
    for element in elements:
        _turn_area(element, turn)
        _turn_rectangle(element, turn)
        _turn_boundary(element, turn)
    for element in applied if turn.quarter else ():
        width, height = field_of(element, "stDim:w"), field_of(element, "stDim:h")
        put_field(element, "stDim:w", height or "")
        put_field(element, "stDim:h", width or "")


def turned_exif(subject: Sequence[int], turn: Turn) -> dict[str, str]:
    """What EXIF has to say of a picture that was turned, as exiftool takes it: tags, and what each gets.

    Args:
        subject: SubjectArea: its middle, then nothing, a diameter, or a width and a height; all in pixels.
        turn: how it was turned.
    """
    found = {}
    if turn.quarter:
        found = {
            "ExifIFD:ExifImageWidth": "<ExifIFD:ExifImageHeight",
            "ExifIFD:ExifImageHeight": "<ExifIFD:ExifImageWidth",
        }
    if subject and turn.orientation != AS_IT_LIES.orientation:
        place = turned_place((subject[0], subject[1]), turn.size, turn.orientation)
        size = tuple(subject[2:])
        told = (*(max(0, round(at)) for at in place), *(size[::-1] if turn.quarter else size))
        found["ExifIFD:SubjectArea"] = f"={' '.join(map(str, told))}"
    return found


def _exchange(packet: Packet, wide: str, high: str, turn: Turn) -> None:
    """Width and height of the picture, where they are told as it lay."""
    width, height = packet.text(wide), packet.text(high)
    if turn.quarter and (height, width) == tuple(map(str, turn.size)):
        packet.put(wide, height or "")
        packet.put(high, width or "")


def _stands(element: Element, turn: Turn) -> bool:
    """Whether regions apply to the picture as it is now, after a quarter turn, and not as it lay."""
    told = _pair(element, "stDim:h", "stDim:w")
    height, width = turn.size
    return told is not None and (told[1] - told[0]) * (width - height) < 0


def _turn_area(element: Element, turn: Turn) -> None:
    """MWG: the middle of a region and its size, as fractions."""
    middle = _pair(element, "stArea:x", "stArea:y")
    if middle is None or (field_of(element, "stArea:unit") or "normalized") != "normalized":
        return
    _put(element, ("stArea:x", "stArea:y"), _turned(middle, turn))
    size = _pair(element, "stArea:w", "stArea:h")
    if size is not None and turn.quarter:
        _put(element, ("stArea:h", "stArea:w"), size)


def _turn_rectangle(element: Element, turn: Turn) -> None:
    """Microsoft: left, top, width and height in one text, as fractions."""
    told = _floats((field_of(element, "MPReg:Rectangle") or "").split(","))
    if told is not None and len(told) == 4:
        turned = _turned_rectangle((told[0], told[1]), (told[2], told[3]), turn)
        put_field(element, "MPReg:Rectangle", ", ".join(map(_text, turned)))


def _turn_boundary(element: Element, turn: Turn) -> None:
    """IPTC: a rectangle, a circle or the corners of a polygon, as fractions or in pixels."""
    unit = field_of(element, "Iptc4xmpExt:rbUnit")
    if unit not in {"relative", "pixel"}:
        return
    height, width = turn.size if unit == "pixel" else (1, 1)
    after = turned_size((height, width), turn.orientation)
    names = tuple(f"Iptc4xmpExt:rb{which}" for which in "XYWH")
    for part in element.iter():
        corner, size = _pair(part, names[0], names[1]), _pair(part, names[2], names[3])
        if corner is None:
            continue
        place = (corner[0] / width, corner[1] / height)
        if size is None:
            found: tuple[float, ...] = _turned(place, turn)
        else:
            found = _turned_rectangle(place, (size[0] / width, size[1] / height), turn)
        scale = (after[1], after[0]) * 2
        _put(part, names[: len(found)], [a * b for a, b in zip(found, scale, strict=False)])
    radius = _floats([field_of(element, "Iptc4xmpExt:rbRx") or ""])
    if radius is not None and unit == "relative" and turn.quarter:  # a share of the width
        _put(element, ("Iptc4xmpExt:rbRx",), [radius[0] * turn.size[1] / turn.size[0]])


def _turned(place: Place, turn: Turn) -> Place:
    return turned_place(place, _SQUARE, turn.orientation)


def _turned_rectangle(corner: Place, size: Place, turn: Turn) -> tuple[float, float, float, float]:
    (ax, ay), (bx, by) = _turned(corner, turn), _turned((corner[0] + size[0], corner[1] + size[1]), turn)
    return min(ax, bx), min(ay, by), abs(ax - bx), abs(ay - by)


def _pair(element: Element, one: str, other: str) -> tuple[float, float] | None:
    told = _floats([field_of(element, short) or "" for short in (one, other)])
    return (told[0], told[1]) if told is not None else None


def _floats(texts: Sequence[str]) -> tuple[float, ...] | None:
    try:
        return tuple(float(text) for text in texts)
    except ValueError:
        return None


def _put(element: Element, shorts: Sequence[str], values: Sequence[float]) -> None:
    for short, value in zip(shorts, values, strict=True):
        put_field(element, short, _text(value))


def _text(value: float) -> str:
    return f"{round(value, 9):.9g}"
