"""The network that finds spots, run on skin at its own scale: so many pixels a millimetre.

It is trained in this project (see ``spots.md`` beside it) and run by onnxruntime, which comes with the extra
``cpu`` and is imported only here, only when a photo is looked at. It says for every half millimetre how much
it looks like something a retoucher would heal, like something that belongs to the person, and like a mark at
all; it decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.detect.rendering import USUAL, Rendering, rendering
from retouch_engine.imaging.colour import to_srgb
from retouch_engine.learned import networks_run, session
from retouch_engine.survey import Scene
from retouch_engine.threads import borrowed
from retouch_engine.types import Bool, Float, Photo, Samples

Image = NDArray[np.uint8]


class Says(IntEnum):
    """The network's maps, in its order."""

    BLEMISH = 0
    PERMANENT = 1
    MARK = 2


MODEL_PATH = Path(__file__).with_name("spots.onnx")
PX_PER_MM = 5.0
_LARGEST_ZOOM = 1.75
"""A face with less than 3 px/mm is not blown up further: it would be blur, and a crowd of them slow."""
_MOST_PX = 7_000_000
"""More skin than this at the network's scale is looked at smaller."""
_MOST_BOX_PX = 24_000_000
"""More than this around all skin, with what is no skin, is held smaller: memory."""
_LARGEST, _HALO, _MULTIPLE = 640, 48, 16
"""Of what is looked at at once: its side, and how much of that lies around what is asked about."""
_ROOM_PX = 16
"""Around all skin, in pixels of the photo."""
AT_ONCE = 2
"""So many tiles, or batches of finds, are looked at beside each other."""
CLOSE = 64
"""Side in px of a square around one find."""


@dataclass(frozen=True, slots=True)
class Network:
    """The loaded network."""

    session: Any

    def odds(self, rgb: Image) -> Float:
        """What it says of pictures of one size.

        Args:
            rgb: uint8 ``(n, h, w, 3)``, sRGB, sides multiples of 16.

        Returns:
            float32 ``(n, maps, h / 2, w / 2)``, 0 to 1.
        """
        given = np.ascontiguousarray(rgb.transpose(0, 3, 1, 2), dtype=np.float32)
        given /= 255
        (found,) = self.session.run(None, {"rgb": given})
        return np.asarray(found, dtype=np.float32)


@cache
def load(path: Path) -> Network:
    """A network from a file, loaded once. Needs onnxruntime."""
    return Network(session(path))


def knows_spots() -> bool:
    """Whether the network that comes with this version can be run here."""
    return networks_run() and MODEL_PATH.is_file()


def shipped() -> Network:
    """The network that comes with this version."""
    return load(MODEL_PATH)


@dataclass(frozen=True, slots=True)
class View:
    """The photo's skin at the network's scale, and what the network says of it.

    ``rgb`` is uint8 ``(h, w, 3)``, sRGB; ``odds`` float32 ``(maps, h / 2, w / 2)``; ``skin`` bool, the
    shape of one map. A pixel ``(x, y)`` of ``rgb`` lies at ``(x0 + x / zoom, y0 + y / zoom)`` in the photo.
    """

    rgb: Image
    odds: Float
    skin: Bool
    zoom: float
    x0: int
    y0: int
    px_per_mm: float
    rendering: Rendering = USUAL
    """How the photo shows the skin."""
    halved_colour: bool = False
    """As the photo's."""

    def to_photo(self, x: float, y: float) -> tuple[float, float]:
        """The photo's pixel under the middle of a map's cell."""
        return self.x0 + (2 * x + 1) / self.zoom, self.y0 + (2 * y + 1) / self.zoom

    def to_cell(self, x: float, y: float) -> tuple[float, float]:
        """The map's cell over a pixel of the photo."""
        return ((x - self.x0) * self.zoom - 1) / 2, ((y - self.y0) * self.zoom - 1) / 2


def view(photo: Photo, scene: Scene, network: Network) -> View | None:
    """Look at all skin once; None without skin or without a face to take the scale from."""
    scale = scene.scale.px_per_mm
    skin_box = scene.skin_box
    if skin_box is None or not scale:
        return None
    box = skin_box.grown(_ROOM_PX, photo.height, photo.width)
    zoom = min(_LARGEST_ZOOM, PX_PER_MM / scale)
    area = scene.skin_share * photo.height * photo.width * zoom**2
    zoom *= min(1.0, math.sqrt(_MOST_PX / max(1.0, area)))
    zoom *= min(1.0, math.sqrt(_MOST_BOX_PX / (box.height * box.width * zoom**2)))
    size = (max(_MULTIPLE, round(box.width * zoom)), max(_MULTIPLE, round(box.height * zoom)))
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    shown = cast("Samples", cv2.resize(photo.pixels[box.slices], size, interpolation=how))
    if not scene.srgb:
        shown = to_srgb(shown, photo.colour_profile)
    rgb = _eight(shown)
    cells = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    step = max(1, int(1 / zoom))
    skin = cv2.resize(scene.skin_at(box, step).view(np.uint8), cells, interpolation=cv2.INTER_NEAREST) > 0
    odds = np.zeros((len(Says), cells[1], cells[0]), dtype=np.float32)
    with borrowed("looks", AT_ONCE) as hands:
        tiles = [tile for tile in _tiles(size[1], size[0]) if skin[_in_cells(tile)].any()]
        looks = [hands.submit(_look, rgb, odds, *tile, network) for tile in tiles]
        rendered = rendering(rgb, np.asarray(skin))
        for look in looks:
            look.result()
    return View(
        rgb, odds, np.asarray(skin), zoom, box.x0, box.y0, scale * zoom, rendered, photo.halved_colour
    )


def _eight(samples: Samples) -> Image:
    """As the network learned: 8 bits."""
    if samples.dtype == np.uint8:
        return np.asarray(samples, dtype=np.uint8)
    return np.asarray(cv2.convertScaleAbs(samples, alpha=1 / 257), dtype=np.uint8)


def _tiles(h: int, w: int) -> Iterator[tuple[slice, slice]]:
    """As few as may be, all as large: what lies around each is looked at twice."""
    for rows in _cuts(h):
        for columns in _cuts(w):
            yield rows, columns


def _cuts(length: int) -> list[slice]:
    """A side in pieces, none of which with what lies around it is longer than the network takes."""
    count, step = 1, length
    while step + _HALO * min(2, count - 1) > _LARGEST:
        count += 1
        step = -(-length // (count * _MULTIPLE)) * _MULTIPLE
    return [slice(at, min(length, at + step)) for at in range(0, length, step)]


def _in_cells(tile: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, columns = tile
    return slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)


def _look(rgb: Image, odds: Float, rows: slice, columns: slice, network: Network) -> None:
    """One tile with what lies around it, into the maps."""
    top, left = max(0, rows.start - _HALO), max(0, columns.start - _HALO)
    cut = rgb[top : rows.stop + _HALO, left : columns.stop + _HALO]
    down, right = -cut.shape[0] % _MULTIPLE, -cut.shape[1] % _MULTIPLE
    padded = cv2.copyMakeBorder(cut, 0, down, 0, right, cv2.BORDER_REFLECT_101)
    said = network.odds(np.asarray(padded)[None])[0]
    y, x = (rows.start - top) // 2, (columns.start - left) // 2
    h, w = (rows.stop - rows.start + 1) // 2, (columns.stop - columns.start + 1) // 2
    odds[:, rows.start // 2 : rows.start // 2 + h, columns.start // 2 : columns.start // 2 + w] = said[
        :, y : y + h, x : x + w
    ]


def cut(rgb: Image, x: float, y: float, side: int = CLOSE) -> Image:
    """A square of ``side`` px around a cell: uint8, sRGB."""
    corner = side / 2 - 1
    affine = np.array([[1, 0, corner - 2 * x], [0, 1, corner - 2 * y]], dtype=np.float32)
    edge = cv2.BORDER_REFLECT_101
    return np.asarray(cv2.warpAffine(rgb, affine, (side, side), borderMode=edge), dtype=np.uint8)
