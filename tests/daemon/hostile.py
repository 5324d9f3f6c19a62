"""Hostile files, generated: cut at every boundary, bits flipped, sizes claimed, names that lie."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

ODD_NAMES = (
    "-rf.tif",
    "--out=x.tif",
    "a|b;c&d.tif",
    "$(touch pwned).tif",
    "`touch pwned`.tif",
    "%s%n%d.tif",
    "{0}{stem}.tif",
    "a\nb.tif",
    "a\n-if\nsystem('touch pwned').tif",
    "tab\t.tif",
    "bell\x07.tif",
    "esc\x1b[2J.tif",
    "\u202egnp.tif",
    "e\u0301.tif",
    "\u00e9.tif",
    "\udcff\udcfe.tif",
    "IMG.TIF",
    "img.tif",
    "x" * 251 + ".tif",
    "y" * 200 + ".tif",
    " leading.tif",
    "trailing .tif",
    "dots..tif",
    "@args.tif",
    "#.tif",
    "'quote\".tif",
)


def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """A small grey-brown noise, 48 x 40."""
    return np.random.default_rng(3).integers(20_000, 40_000, (40, 48, 3), np.uint16)


def originals(folder: Path) -> dict[str, bytes]:
    """One good file of each kind."""
    pixels = picture()
    small = (pixels >> 8).astype(np.uint8)
    made: dict[str, bytes] = {}
    for name, options in (
        ("plain", {}),
        ("deflate", {"compression": "zlib", "predictor": 2}),
        ("tiles", {"tile": (16, 16)}),
    ):
        path = folder / f"{name}.tif"
        tifffile.imwrite(path, pixels, photometric="rgb", metadata=None, **options)
        made[f"{name}.tif"] = path.read_bytes()
    made["jpeg.jpg"] = bytes(imagecodecs.jpeg8_encode(small, level=90))
    made["png.png"] = bytes(imagecodecs.png_encode(pixels))
    return made


def boundaries(name: str, data: bytes) -> list[int]:
    """Where a file of this kind can be cut between two parts of it."""
    if name.endswith("png"):
        cuts, at = [8], 8
        while at < len(data):
            at += 12 + struct.unpack(">L", data[at : at + 4])[0]
            cuts += [at - 4, at]
        return cuts[:-1]
    if name.endswith("jpg"):
        return [i for i in range(len(data) - 1) if data[i] == 0xFF and data[i + 1] not in {0, 0xFF}][1:]
    (start,) = struct.unpack("<L", data[4:8])
    count = struct.unpack("<H", data[start : start + 2])[0]
    return [
        4,
        8,
        start,
        start + 2,
        *(start + 2 + 12 * i for i in range(1, count + 1)),
        len(data) - 1,
        len(data) // 2,
    ]


def hostile(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every hostile file; none of them is a photo that could be told from a damaged one."""
    made = originals(folder)
    for name, data in made.items():
        stem, _, ending = name.partition(".")
        for cut in sorted(set(boundaries(name, data))):
            yield f"cut-{stem}-{cut}.{ending}", data[:cut]
        chance = random.Random(name)
        for i in range(40):
            flipped = bytearray(data)
            at = chance.randrange(min(len(data), 400) if i % 2 else len(data))
            flipped[at] ^= 1 << chance.randrange(8)
            yield f"bit-{stem}-{i}.{ending}", bytes(flipped)
        yield f"tail-{stem}.{ending}", data + b"PK\x03\x04" + bytes(1000)
        yield f"twice-{stem}.{ending}", data + data
    yield from _claims(made)
    for number, other in enumerate(
        (b"", b"\0", b"PK\x03\x04", b"<svg onload=x>", b"II*\0", b"#!/bin/sh\ntouch pwned\n")
    ):
        for ending in ("tif", "jpg", "png"):
            yield f"other-{number}.{ending}", other
    yield "lies.tif", made["jpeg.jpg"]
    yield "lies.jpg", made["png.png"]
    yield "lies.png", made["plain.tif"]
    for name in ODD_NAMES:
        yield name, made["plain.tif"]


def _claims(made: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Headers that claim far more than there is, or than any machine has."""
    data = made["plain.tif"]
    (start,) = struct.unpack("<L", data[4:8])
    count = struct.unpack("<H", data[start : start + 2])[0]
    for i in range(count):
        entry = start + 2 + 12 * i
        tag = struct.unpack("<H", data[entry : entry + 2])[0]
        for value in (0, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF):
            for field in (4, 8):
                changed = bytearray(data)
                changed[entry + field : entry + field + 4] = struct.pack("<L", value)
                yield f"claim-{tag}-{field}-{value:x}.tif", bytes(changed)
    looped = bytearray(data)
    looped[start + 2 + 12 * count : start + 6 + 12 * count] = struct.pack("<L", start)
    yield "circle.tif", bytes(looped)
    header = struct.pack(">LLBBBBB", 60_000, 60_000, 16, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = zlib.compress(bytes(1 << 20))
    yield "bomb.png", (
        b"\x89PNG\r\n\x1a\n\0\0\0\r" + chunk + struct.pack(">L", zlib.crc32(chunk))
        + struct.pack(">L", len(bomb)) + b"IDAT" + bomb + struct.pack(">L", zlib.crc32(b"IDAT" + bomb))
    )  # fmt: skip
