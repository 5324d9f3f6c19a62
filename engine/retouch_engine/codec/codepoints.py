"""Colours that a file tells by the code points of ITU-T H.273, as HEIF and PNG (cICP) may: as a profile."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np

from retouch_engine.errors import UnsupportedPhoto

UNSPECIFIED = 2
_PQ, _HLG = 16, 18
_SRGB_PRIMARIES, _P3_PRIMARIES = {1, UNSPECIFIED}, 12


def profile_of(path: Path, profile: bytes | None, primaries: int, transfer: int) -> bytes | None:
    """The ICC profile; where there are only code points, one that means the same. None means sRGB.

    Raises:
        UnsupportedPhoto: code points of a colour space that no export has, or of high dynamic range.
    """
    if transfer in {_PQ, _HLG}:
        raise UnsupportedPhoto(path, "a picture with high dynamic range (PQ or HLG)")
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
