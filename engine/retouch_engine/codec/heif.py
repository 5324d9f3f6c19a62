"""HEIF in, through libheif (extra: heif): the primary picture at 8, 10 or 12 bit, upright, with its profile.

libheif turns and mirrors the picture as the file says, so the result's orientation is 1, whatever EXIF says:
in a HEIF that tag is not to be obeyed. 10 and 12 bits are spread over all 16: white stays white.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.decoded import Decoded
from retouch_engine.codec.ifd import Span, StructureError
from retouch_engine.codec.iso import check_boxes
from retouch_engine.codec.metadata import SourceMetadata, from_blocks
from retouch_engine.codec.sniff import check_size
from retouch_engine.errors import DamagedPhoto, IncompletePhoto, UnsupportedPhoto
from retouch_engine.recipe import Limits

_CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4, "RGBa": 4}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_PQ, _HLG = 16, 18
_SRGB_PRIMARIES, _P3_PRIMARIES = {1, 2}, 12
"""Code points of ITU-T H.273; 2 is "not specified"."""


def claimed_size(handle: BinaryIO) -> tuple[int, int]:
    """Width and height of the primary picture; nothing is decoded."""
    width, height = _opened(handle).size
    return int(width), int(height)


def read_heif(path: Path, handle: BinaryIO, limits: Limits) -> Decoded:
    """Decode the primary picture, or say in one class why not.

    Raises:
        IncompletePhoto, DamagedPhoto, UnsupportedPhoto, PhotoTooLarge, PhotoTooSmall.
    """
    try:
        check_boxes(Span.of_file(handle))
    except StructureError as trouble:
        raise (IncompletePhoto if trouble.incomplete else DamagedPhoto)(path, str(trouble)) from trouble
    picture = _opened(handle)
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
    colours = 1 if mode == "L" else 3
    meaning = (_ASSOCIATED if mode == "RGBa" else _UNASSOCIATED,) * (shape[2] - colours)
    metadata = _metadata(picture.info)
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
    """The ICC profile; where there are only code points, one that means the same.

    Raises:
        UnsupportedPhoto: code points of a colour space that no export has.
    """
    profile: bytes | None = info.get("icc_profile") or None
    points = info.get("nclx_profile") or {}
    if int(points.get("transfer_characteristics", 2)) in {_PQ, _HLG}:
        raise UnsupportedPhoto(path, "a picture with high dynamic range (PQ or HLG)")
    primaries = int(points.get("color_primaries", 2))
    if profile is not None or primaries in _SRGB_PRIMARIES:
        return profile
    if primaries != _P3_PRIMARIES:
        raise UnsupportedPhoto(path, f"in the colour space {primaries} of H.273 without a profile")
    return display_p3()


@cache
def display_p3() -> bytes:
    """Display P3: the primaries of SMPTE EG 432-1, white of D65, the curve of sRGB."""
    ramp = np.linspace(0, 1, 4096)
    curve = np.where(ramp <= 0.04045, ramp / 12.92, ((ramp + 0.055) / 1.055) ** 2.4)
    primaries = (0.680, 0.320, 1.0, 0.265, 0.690, 1.0, 0.150, 0.060, 1.0)
    table = np.rint(curve * 65535).astype(np.uint16)
    white = (0.3127, 0.3290, 1.0)
    return bytes(
        imagecodecs.cms_profile("rgb", whitepoint=white, primaries=primaries, transferfunction=table)
    )


def _metadata(info: dict[str, Any]) -> SourceMetadata:
    exif: bytes = info.get("exif") or b""
    told = from_blocks(exif=exif.removeprefix(b"Exif\0\0") or None, xmp=info.get("xmp") or None)
    return replace(told, orientation=1)
