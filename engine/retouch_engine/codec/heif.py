"""HEIF in, through libheif (extra: heif): the primary picture at 8, 10 or 12 bit, upright, with its profile.

libheif turns and mirrors the picture as the file says, so the result's orientation is 1, whatever EXIF says:
in a HEIF that tag is not to be obeyed. Places that metadata name are those of the picture before its turn,
which is told with them. 10 and 12 bits are spread over all 16: white stays white.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.codepoints import UNSPECIFIED, profile_of
from retouch_engine.codec.decoded import Decoded
from retouch_engine.codec.ifd import Span, StructureError
from retouch_engine.codec.iso import CREDENTIALS, check_boxes, orientation_of
from retouch_engine.codec.metadata import (
    EXIF_SEGMENT,
    GAIN_MAP_KIND,
    GAIN_MAP_LEFT,
    GAIN_MAP_NAMESPACE,
    SourceMetadata,
    from_blocks,
)
from retouch_engine.codec.places import Turn
from retouch_engine.codec.sniff import check_size
from retouch_engine.errors import DamagedPhoto, IncompletePhoto, UnsupportedPhoto
from retouch_engine.imaging.turning import turned_size
from retouch_engine.recipe import Limits

_CHANNELS = {"L": 1, "I": 1, "RGB": 3, "RGBA": 4, "RGBa": 4}
_ASSOCIATED, _UNASSOCIATED = 1, 2


def claimed_size(handle: BinaryIO) -> tuple[int, int]:
    """Width and height of the primary picture; nothing is decoded."""
    width, height = _opened(handle).size
    return int(width), int(height)


def read_heif(path: Path, handle: BinaryIO, limits: Limits) -> Decoded:
    """Decode the primary picture, or say in one class why not.

    Raises:
        IncompletePhoto, DamagedPhoto, UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall.
    """
    span = Span.of_file(handle)
    try:
        boxes, orientation = check_boxes(span), orientation_of(span)
    except StructureError as trouble:
        raise (IncompletePhoto if trouble.incomplete else DamagedPhoto)(path, str(trouble)) from trouble
    picture = _opened(handle)
    if not len(picture):
        raise UnsupportedPhoto(path, "a HEIF without a picture that libheif knows to decode")
    width, height = picture.size
    check_size(path, width, height, limits)
    mode, _, wide = picture.mode.partition(";")
    if mode not in _CHANNELS:
        raise UnsupportedPhoto(path, f"a HEIF of kind {picture.mode}")
    profile = _profile(path, picture.info)
    samples = np.asarray(picture)
    shape = (height, width, _CHANNELS[mode])
    if samples.size != np.prod(shape):
        raise DamagedPhoto(path, f"it unpacks to {samples.shape}")
    samples = _spread(samples.reshape(shape), int(picture.info["bit_depth"])) if wide else samples
    colours = min(3, _CHANNELS[mode])
    meaning = (_ASSOCIATED if mode == "RGBa" else _UNASSOCIATED,) * (shape[2] - colours)
    turn = Turn(orientation, turned_size((height, width), orientation))
    metadata = replace(_metadata(picture.info), turn=turn, credentials=CREDENTIALS in boxes)
    return Decoded(samples.reshape(shape), colours, meaning, profile, True, metadata, halved_colour=True)


def _opened(handle: BinaryIO) -> Any:
    import pillow_heif

    handle.seek(0)
    return pillow_heif.open_heif(handle, convert_hdr_to_8bit=False, bgr_mode=False)


def _spread(samples: NDArray[Any], bits: int) -> NDArray[np.uint16]:
    """Samples in the upper bits of 16 as samples of 16 bits."""
    full = (1 << bits) - 1
    table = (np.arange(full + 1, dtype=np.uint64) * 65535 + full // 2) // full
    return np.asarray(table.astype(np.uint16)[samples >> (16 - bits)])


def _profile(path: Path, info: dict[str, Any]) -> bytes | None:
    """The ICC profile, or what stands for it.

    Raises:
        UnsupportedPhoto: colours that we do not take.
    """
    points = info.get("nclx_profile") or {}
    primaries, transfer = (
        int(points.get(what, UNSPECIFIED)) for what in ("color_primaries", "transfer_characteristics")
    )
    return profile_of(path, info.get("icc_profile") or None, primaries, transfer)


def _metadata(info: dict[str, Any]) -> SourceMetadata:
    exif: bytes = info.get("exif") or b""
    told = from_blocks(exif=exif.removeprefix(EXIF_SEGMENT) or None, xmp=info.get("xmp") or None)
    gain_map = GAIN_MAP_NAMESPACE.encode() in (told.xmp or b"") or any(
        kind.endswith(GAIN_MAP_KIND) for kind in info.get("aux") or ()
    )
    return replace(told, orientation=1, notes=(*told.notes, *([GAIN_MAP_LEFT] if gain_map else [])))
