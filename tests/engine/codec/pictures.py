"""Synthetic pictures, profiles and hostile headers for the codec's tests."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from retouch_engine.types import Box, Patch

HEIGHT, WIDTH = 150, 130


def ramp(channels: int = 3, dtype: type = np.uint16, seed: int = 0) -> NDArray[Any]:
    """A smooth picture with a little noise: ``(150, 130, channels)``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    base = np.stack([0.3 + 0.4 * (x + 20 * c) / 400 + 0.2 * y / HEIGHT for c in range(channels)], -1)
    full = np.iinfo(dtype).max
    return ((base + rng.normal(0, 0.004, base.shape)).clip(0, 1) * full).astype(dtype)


@cache
def rgb_profile() -> bytes:
    return bytes(imagecodecs.cms_profile("adobergb"))


@cache
def grey_profile() -> bytes:
    return bytes(imagecodecs.cms_profile("gray", gamma=2.2))


def write_tiff(path: Path, data: NDArray[Any], **options: Any) -> Path:
    options.setdefault("photometric", "rgb" if data.ndim == 3 and data.shape[-1] >= 3 else "minisblack")
    tifffile.imwrite(path, data, metadata=None, **options)
    return path


def patch(y: int = 40, x: int = 50, size: int = 30, seed: int = 5, spot_id: int = 1) -> Patch:
    """A disc of noise in a square box; outside the disc its pixels are wrong on purpose."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 65536, (size, size, 1), dtype=np.uint16).repeat(3, axis=2)
    yy, xx = np.mgrid[0:size, 0:size] - size / 2
    return Patch(spot_id, Box(y, x, y + size, x + size), pixels, yy**2 + xx**2 < (size / 3) ** 2)


def hostile_tiff(width: int, height: int, **changes: int) -> bytes:
    """A few hundred bytes that claim a picture of any size; ``t258=32`` sets tag 258."""
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 273: 8, 277: 1, 278: height, 279: 4}
    tags |= {int(name[1:]): value for name, value in changes.items()}
    entries = b"".join(struct.pack("<HHLL", c, 4, 1, v) for c, v in sorted(tags.items()))
    return b"II*\0" + struct.pack("<L", 12) + b"data" + struct.pack("<H", len(tags)) + entries + bytes(4)


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">L", len(payload)) + kind + payload + struct.pack(">L", zlib.crc32(kind + payload))


def with_chunk(png: bytes, kind: bytes, payload: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    return png[:33] + png_chunk(kind, payload) + png[33:]


def jpeg_with_profile(jpeg: bytes, profile: bytes, pieces: int) -> bytes:
    """A JPEG with an ICC profile in several APP2 segments, in reverse order."""
    step = -(-len(profile) // pieces)
    segments = []
    for i in range(pieces):
        body = b"ICC_PROFILE\0" + bytes([i + 1, pieces]) + profile[i * step : (i + 1) * step]
        segments.append(b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body)
    return jpeg[:2] + b"".join(reversed(segments)) + jpeg[2:]
