"""Colours that a file tells without a profile, as a profile that means the same.

HEIF and PNG (cICP) may name code points of ITU-T H.273; a PNG may also give a gamma and its primaries; a
camera's JPEG in Adobe RGB has nothing but a word in EXIF.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np

from retouch_engine.errors import UnsupportedPhoto

UNSPECIFIED = 2
_PQ, _HLG = 16, 18
_SRGB_PRIMARIES = {1, UNSPECIFIED}
_P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
_BT_601_625, _BT_601_525 = (0.64, 0.33, 0.29, 0.60, 0.15, 0.06), (0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
_PRIMARIES = {12: _P3, 5: _BT_601_625, 6: _BT_601_525, 7: _BT_601_525}
"""x and y of red, green and blue, under a white of D65. Telephones write HEIF in those of BT.601."""
_SRGB_CURVES = {1, 6, 13, 14, 15, UNSPECIFIED}
"""sRGB's own, and the cameras' of BT.601, 709 and 2020, which are taken for it."""
_SRGB_GAMMA, _SRGB_CORNERS = 1 / 2.2, (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_SAME = 0.01
"""sRGB's own curve and 2.2 are one to those who write these."""
_SLIGHTEST, _SMALLEST = 0.2, 0.01


def profile_of(path: Path, profile: bytes | None, primaries: int, transfer: int) -> bytes | None:
    """The ICC profile; where there are only code points, one that means the same. None means sRGB.

    Any other curve (linear, a pure gamma, a logarithm) is refused rather than guessed:
    taken for sRGB's it would show wrong tones.

    Raises:
        UnsupportedPhoto: a curve or a colour space that no export has, or high dynamic range.
    """
    if transfer in {_PQ, _HLG}:
        raise UnsupportedPhoto(path, "a picture with high dynamic range (PQ or HLG)")
    if profile is not None:
        return profile
    if transfer not in _SRGB_CURVES:
        raise UnsupportedPhoto(path, f"with the tone curve {transfer} of H.273 without a profile")
    if primaries in _SRGB_PRIMARIES:
        return None
    if primaries not in _PRIMARIES:
        raise UnsupportedPhoto(path, f"in the colour space {primaries} of H.273 without a profile")
    return _with_srgbs_curve(_PRIMARIES[primaries])


def of_primaries(gamma: float, corners: Sequence[float], *, grey: bool) -> bytes | None:
    """A profile of a power curve between primaries; None where sRGB is meant, or nothing that makes sense.

    Sensible are chromaticities of at most 1, and a white that the primaries can mix.

    Args:
        gamma: the file's, 1 over the display's (PNG's gAMA).
        corners: x and y of white, red, green and blue (PNG's cHRM), or nothing for those of sRGB.
        grey: for a picture of one channel, whose profile has no primaries.
    """
    given = tuple(corners) if len(corners) == len(_SRGB_CORNERS) else _SRGB_CORNERS
    wx, wy, rx, ry, gx, gy, bx, by = given
    red, green, blue, white = (rx, ry), (gx, gy), (bx, by), (wx, wy)
    # Twice the triangles between white and each side, all turned alike where white lies within.
    parts = [_twice_area(white, *side) for side in ((red, green), (green, blue), (blue, red))]
    within = min(parts) > 0 or max(parts) < 0
    sensible = within and abs(sum(parts)) / 2 > _SMALLEST and min(white) > _SMALLEST and max(given) <= 1
    if not (sensible and _SLIGHTEST <= gamma <= 1 / _SLIGHTEST):
        return None
    usual = all(abs(a - b) < _SAME for a, b in zip(given, _SRGB_CORNERS, strict=True))
    if abs(gamma - _SRGB_GAMMA) < _SAME and (usual or grey):
        return None
    if grey:
        return _undated(imagecodecs.cms_profile("gray", gamma=1 / gamma))
    primaries = (rx, ry, 1.0, gx, gy, 1.0, bx, by, 1.0)
    return _undated(
        imagecodecs.cms_profile("rgb", whitepoint=(wx, wy, 1.0), primaries=primaries, gamma=1 / gamma)
    )


def _twice_area(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Twice a triangle's area, negative where its corners go round clockwise."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])


def _undated(profile: bytes) -> bytes:
    """A profile made on a fixed day, not now (ICC.1, 7.2.8): one photo gives one result, whenever read."""
    return bytes(profile[:24]) + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + bytes(profile[36:])


@cache
def adobe_rgb() -> bytes:
    """Adobe RGB (1998)."""
    return _undated(imagecodecs.cms_profile("adobergb"))


def display_p3() -> bytes:
    """Display P3: the primaries of SMPTE EG 432-1, white of D65, the curve of sRGB."""
    return _with_srgbs_curve(_P3)


@cache
def _with_srgbs_curve(corners: tuple[float, ...]) -> bytes:
    """A profile of primaries (x and y of red, green and blue), white of D65 and the curve of sRGB."""
    ramp = np.linspace(0, 1, 4096)
    curve = np.where(ramp <= 0.04045, ramp / 12.92, ((ramp + 0.055) / 1.055) ** 2.4)
    rx, ry, gx, gy, bx, by = corners
    table = np.rint(curve * 65535).astype(np.uint16)
    primaries, white = (rx, ry, 1.0, gx, gy, 1.0, bx, by, 1.0), (0.3127, 0.3290, 1.0)
    return _undated(
        imagecodecs.cms_profile("rgb", whitepoint=white, primaries=primaries, transferfunction=table)
    )
