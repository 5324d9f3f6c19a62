"""Crops of skin with holes made into them, to learn from what was under the hole.

The skin is that of portraits whose licence allows to ship what was learned from them (``faces`` of the data
folder); clean skin is chosen as the healing benchmark chooses it, so that no blemish is ever the truth. A
quarter of the holes may lie on an edge: a lip, a fold, a hairline. People of ``held`` are never drawn from.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
from benchmarks.heal_cases import ground
from numpy.typing import NDArray

SIDE = 192
HELD_EVERY = 6
"""One person of so many is left out, to be measured on."""
_AT_EDGES = 0.25
_RADII = (9.0, 44.0)
_SCALES = (0.6, 1.9)
_TONES = 0.35

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Sheet:
    """The skin of one portrait: RGB, and the distance to what is not clean, at most 255 px."""

    name: str
    rgb: Bytes
    clear: Bytes


def portraits(data: Path) -> list[Path]:
    """The photos that may be learned from, one of each person."""
    faces = data / "faces"
    return sorted([*(faces / "canada").glob("*.jpg"), *(faces / "london-neutral").glob("*.jpg")])


def held(paths: list[Path]) -> list[Path]:
    """Those that are left out."""
    return paths[::HELD_EVERY]


def sheets(paths: list[Path], cache: Path) -> list[Sheet]:
    """The skin of every photo, looked for once."""
    if cache.is_file():
        loaded: list[Sheet] = pickle.loads(cache.read_bytes())
        return loaded
    found = [_sheet(path) for path in paths]
    cache.write_bytes(pickle.dumps(found))
    return found


def _sheet(path: Path) -> Sheet:
    pixels = np.ascontiguousarray(imagecodecs.jpeg8_decode(path.read_bytes())[..., :3])
    where = ground(path.stem, pixels)
    ys, xs = np.nonzero(where.clear > 12)
    cut = np.s_[max(0, ys.min() - 80) : ys.max() + 80, max(0, xs.min() - 80) : xs.max() + 80]
    clear = np.clip(where.clear[cut], 0, 255).astype(np.uint8)
    print(f"{path.stem}: {clear.shape[1]} x {clear.shape[0]}, widest {int(clear.max())} px", flush=True)
    return Sheet(path.stem, pixels[cut].copy(), clear)


def crops(known: list[Sheet], seed: int, side: int = SIDE) -> Iterator[tuple[Bytes, NDArray[np.bool_]]]:
    """Without end: RGB uint8 ``(side, side, 3)`` and the hole, bool ``(side, side)``."""
    rng = np.random.default_rng(seed)
    while True:
        drawn = _crop(known[rng.integers(len(known))], rng, side)
        if drawn is not None:
            yield drawn


def _crop(sheet: Sheet, rng: np.random.Generator, side: int) -> tuple[Bytes, NDArray[np.bool_]] | None:
    """A turned, mirrored, resized, relit piece with a hole on clean skin; None where none fits."""
    scale = float(np.exp(rng.uniform(*np.log(_SCALES))))
    radius = float(np.exp(rng.uniform(*np.log(_RADII))))
    need = radius / scale * (0.35 if rng.random() < _AT_EDGES else 1.15) + 2
    ys, xs = np.nonzero(sheet.clear[::3, ::3] > need)
    if not len(ys):
        return None
    i = rng.integers(len(ys))
    centre = 3 * float(xs[i]), 3 * float(ys[i])
    turn = cv2.getRotationMatrix2D(centre, float(rng.uniform(0, 360)), scale)
    aim = side / 2 + rng.uniform(-0.12, 0.12, 2) * side
    turn[:, 2] += aim - np.array(centre)
    if rng.random() < 0.5:
        turn[0] *= -1
        turn[0, 2] += side
        aim[0] = side - aim[0]
    rgb = cv2.warpAffine(
        sheet.rgb, turn, (side, side), flags=cv2.INTER_CUBIC if scale > 0.8 else cv2.INTER_AREA,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    return _relit(np.asarray(rgb), rng), _hole((float(aim[0]), float(aim[1])), radius, rng, side)


def _hole(at: tuple[float, float], radius: float, rng: np.random.Generator, side: int) -> NDArray[np.bool_]:
    """A wobbly ellipse."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    y, x = y - np.float32(at[1]), x - np.float32(at[0])
    angle = np.arctan2(y, x)
    rim = 1 + sum(
        float(rng.uniform(0, 0.16 / k)) * np.cos(k * angle + float(rng.uniform(0, 6.3))) for k in (2, 3, 5)
    )
    return np.asarray(np.hypot(x, y) <= radius * rim)


def _relit(rgb: Bytes, rng: np.random.Generator) -> Bytes:
    """The same skin in other light: every channel's light times a factor, the same for most of it."""
    gain = np.exp(rng.normal(0, _TONES) + rng.normal(0, 0.06, 3)).astype(np.float32)
    light = np.clip((rgb.astype(np.float32) / 255 + 0.055) / 1.055, 0, 1) ** 2.4 * np.minimum(gain, 1.3)
    return np.rint(np.clip(1.055 * light ** (1 / 2.4) - 0.055, 0, 1) * 255).astype(np.uint8)
