"""The contact sheet's picture: one row for each spot, before and after and what was marked, at 100 %.

In sRGB and upright, for a browser. Another room makes the page around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.drawn import drawn_jpeg
from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.rows import changed_box, compose_box, on_8_bit, stays_grey
from retouch_engine.codec.strips import writing
from retouch_engine.imaging.turning import upright
from retouch_engine.record import Decision
from retouch_engine.types import Box, Patch, Photo

MOST_ROWS = 60
LEAST_TILE_PX, LARGEST_TILE_PX = 160, 480
_TALLEST_PX = 16_000
"""Browsers decode a picture whole: taller ones cost a tablet too much memory."""
_AROUND = 1.6
"""A window is this much larger than its spot."""
_QUALITY = 90
_MAGENTA, _AMBER = (255, 0, 200), (255, 176, 0)

Tile = NDArray[np.uint8]


class ShownSpot(Protocol):
    """What is asked of a spot; :class:`~retouch_engine.record.SpotRecord` has it."""

    @property
    def id(self) -> int:
        """Its number in the record."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x, y, width, height."""

    @property
    def decision(self) -> Decision:
        """What became of it."""


def write_contact(
    path: Path, photo: Photo, patches: Sequence[Patch], spots: Sequence[ShownSpot]
) -> list[dict[str, Any]]:
    """Write the sprite as JPEG and say where each spot's row is.

    Healed spots come first, then those for review, at most :data:`MOST_ROWS`. Without any, no file is
    written.

    Returns:
        One mapping a row, in order: ``spot`` (id), ``decision``, ``y`` and ``tile`` (px in the sprite; three
        tiles beside each other from x = 0), ``scale`` (sprite px per photo px, 1 or less).

    Raises:
        StagingFull: no room.
    """
    shown = _choose(spots)
    if not shown:
        return []
    largest = min(LARGEST_TILE_PX, max(LEAST_TILE_PX, _TALLEST_PX // len(shown)))
    windows = [_window(photo, spot.box) for spot in shown]
    tiles = [min(max(window.height, LEAST_TILE_PX), largest) for window in windows]
    sheet = np.zeros((sum(tiles), 3 * max(tiles), 3), np.uint8)
    rows, y = [], 0
    for spot, window, tile in zip(shown, windows, tiles, strict=True):
        for i, picture in enumerate(_pictures(photo, patches, spot, window, tile)):
            sheet[y : y + tile, i * tile : (i + 1) * tile] = picture
        rows.append(
            {
                "spot": spot.id,
                "decision": str(spot.decision),
                "y": y,
                "tile": tile,
                "scale": round(min(1.0, tile / window.height), 4),
            }
        )
        y += tile
    # Not WebP: on the long sheet of a 24 MP photo its quickest method took 0.7 s of processor, JPEG 0.02.
    data = drawn_jpeg(sheet, _QUALITY, "444")
    with writing(path, len(data)):
        path.write_bytes(data)
    return rows


def _choose(spots: Sequence[ShownSpot]) -> list[ShownSpot]:
    order = (Decision.HEALED, Decision.REVIEW)
    return [s for decision in order for s in spots if s.decision == decision][:MOST_ROWS]


def _window(photo: Photo, box: tuple[int, int, int, int]) -> Box:
    """A square around the spot, moved inside the photo where it fits; it may reach over a small photo."""
    x, y, w, h = box
    side = max(LEAST_TILE_PX, int(_AROUND * max(w, h)))
    top = max(0, min(y + h // 2 - side // 2, photo.height - side))
    left = max(0, min(x + w // 2 - side // 2, photo.width - side))
    return Box(top, left, top + side, left + side)


def _pictures(
    photo: Photo, patches: Sequence[Patch], spot: ShownSpot, window: Box, tile: int
) -> tuple[Tile, Tile, Tile]:
    """Before, after and the marked one, each ``(tile, tile, 3)`` uint8 sRGB, upright."""
    inside = Box(window.y0, window.x0, min(window.y1, photo.height), min(window.x1, photo.width))
    before = srgb(compose_box(photo, (), inside), photo)
    after = srgb(compose_box(photo, patches, inside), photo)
    marked = before.copy()
    if spot.decision == Decision.REVIEW:
        x, y, w, h = spot.box
        centre = (x + w // 2 - inside.x0, y + h // 2 - inside.y0)
        cv2.ellipse(marked, centre, (w // 2 + 3, h // 2 + 3), 0, 0, 360, _AMBER, 1, cv2.LINE_AA)
    mask = changed_box(patches, inside).astype(np.uint8)
    edge = cv2.dilate(mask, np.ones((3, 3), np.uint8)) - mask
    marked[edge > 0] = _MAGENTA
    orientation = metadata_of(photo.metadata).orientation
    return tuple(_fitted(p, window, tile, orientation) for p in (before, after, marked))  # type: ignore[return-value]


def _fitted(picture: Tile, window: Box, tile: int, orientation: int) -> Tile:
    """On a square of ``tile`` px, black where the photo ends, turned upright."""
    square = np.zeros((window.height, window.width, 3), np.uint8)
    square[: picture.shape[0], : picture.shape[1]] = picture
    if window.height != tile:
        square = np.asarray(cv2.resize(square, (tile, tile), interpolation=cv2.INTER_AREA), np.uint8)
    return upright(square, orientation)


def srgb(pixels: NDArray[np.uint16], photo: Photo) -> Tile:
    """uint16 in the photo's colour space to uint8 sRGB; without a usable profile it counts as sRGB."""
    if photo.profile is not None:
        try:
            return _transformed(pixels, photo.profile, grey=stays_grey(photo))
        except (imagecodecs.CmsError, ValueError):
            pass  # a broken profile spoils a preview's colours, not the photo
    return on_8_bit(pixels)


def _transformed(pixels: NDArray[np.uint16], profile: bytes, *, grey: bool) -> Tile:
    data = np.ascontiguousarray(pixels[..., 0]) if grey else pixels
    return np.asarray(
        imagecodecs.cms_transform(
            data,
            profile,
            imagecodecs.cms_profile("srgb"),
            colorspace="gray" if grey else "rgb",
            outcolorspace="rgb",
            outdtype=np.uint8,
        ),
        np.uint8,
    )
