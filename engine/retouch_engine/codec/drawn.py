"""Our pictures of a photo that are none of its results: JPEG and PNG with a mark by which they are known.

``explain`` draws beside the photo: in a watched folder the service healed its drawing and both maps, and
published them. So it did the pictures of the contact sheet in ``_retouchd 2``, as a sync program
called its copy.
"""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.metadata import XMP_SEGMENT
from retouch_engine.codec.rdf import packet_of_one

_DRAWN = "retouchd:Drawn"
_PACKET = packet_of_one(_DRAWN, "True")
_SEGMENT = XMP_SEGMENT + _PACKET
_CHUNK = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + _PACKET
_PNG_HEAD_BYTES = 33
"""The signature and the header's chunk, which comes first."""


def is_drawn(xmp: bytes) -> bool:
    """Whether a packet is one of a picture that was never a result."""
    return _DRAWN.encode() in xmp


def is_drawn_png(data: bytes) -> bool:
    """Whether these bytes are a :func:`drawn_png`."""
    return _CHUNK in data[: _PNG_HEAD_BYTES + 4 + len(_CHUNK)]


def drawn_jpeg(picture: NDArray[np.uint8], quality: int, subsampling: str | None = None) -> bytes:
    """An sRGB picture, ``(h, w, 3)``, as JPEG with our mark."""
    data = bytes(imagecodecs.jpeg_encode(np.ascontiguousarray(picture), quality, subsampling=subsampling))
    head = 4 + int.from_bytes(data[4:6], "big")  # JFIF has to come first
    return data[:head] + b"\xff\xe1" + struct.pack(">H", 2 + len(_SEGMENT)) + _SEGMENT + data[head:]


def drawn_png(picture: NDArray[np.uint8]) -> bytes:
    """A picture, ``(h, w)`` or ``(h, w, 3)``, as PNG with our mark."""
    data = bytes(imagecodecs.png_encode(np.ascontiguousarray(picture), level=3))
    chunk = struct.pack(">L", len(_CHUNK) - 4) + _CHUNK + struct.pack(">L", zlib.crc32(_CHUNK))
    return data[:_PNG_HEAD_BYTES] + chunk + data[_PNG_HEAD_BYTES:]
