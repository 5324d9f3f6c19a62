"""Photos that never were: the labelled portraits, turned, lit, dressed and set before other backdrops.

Everything a hundred studio portraits lack is made here, picture and labels through the same table: heads
turned to ±60° (a rough ellipsoid with a nose; what the turn hides is hidden by a running maximum along each
row), tilted, open and closed mouths and eyes, beards, glasses, hands, other hair and cloth, every skin tone,
hard light, colour casts, grey photos, noise, blur and JPEG. Every draw comes from the generator passed in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from benchmarks.parts.labels import FACE_PX, IGNORE, OUTLINE, Image, Sheet
from benchmarks.parts.light import develop
from benchmarks.parts.makeup import dressed, made_up
from benchmarks.parts.world import backdrop, occluders
from numpy.typing import NDArray

from retouch_engine.imaging.masks import bounding_box

Float = NDArray[np.float32]
Generator = np.random.Generator

SIDE = 256
TURNED_PX = 150.0
"""Width of a face that is turned to be measured."""
_GRID = 4
"""The table of a turn has one entry for each 4 x 4 px of the sheet."""
_HALF = 1.9 * FACE_PX
_CLOSE = 0.6
"""Share of lone faces that are made as the second look sees them: there every pixel of an outline counts."""


@dataclass(frozen=True, slots=True)
class Pose:
    """How a face is laid into the scene."""

    width: float
    turn: float
    tilt: float
    squeeze: float
    x: float
    y: float


def scenes(sheets: list[Sheet], odds: NDArray[np.float64], rng: Generator) -> Iterator[tuple[Image, Image]]:
    """One made scene, photographed twice, the second time in the mirror: ``SIDE`` px square, and labels."""
    canvas = backdrop(rng, SIDE, sheets[int(rng.integers(len(sheets)))].skin)
    label = np.zeros((SIDE, SIDE), dtype=np.uint8)
    draw = rng.random()
    count = 0 if draw < 0.1 else 1 if draw < 0.78 else int(rng.integers(2, 5))
    for number in range(count):
        chosen = sheets[int(rng.choice(len(sheets), p=odds))]
        _laid(canvas, label, chosen, _pose(rng, count, number), rng)
    occluders(canvas, label, rng)
    yield develop(canvas, rng), label
    yield develop(np.ascontiguousarray(canvas[:, ::-1]), rng), np.ascontiguousarray(label[:, ::-1])


def turned(given: Sheet, degrees: float) -> tuple[Image, Image]:
    """One face on a grey wall, turned by so much and nothing else: for measuring."""
    canvas = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
    label = np.zeros((SIDE, SIDE), dtype=np.uint8)
    pose = Pose(TURNED_PX, float(np.deg2rad(degrees)), 0.0, 1.0, SIDE / 2, SIDE / 2)
    _paste(canvas, label, given, pose, flip=False)
    return canvas, label


def _close(rng: Generator) -> Pose:
    """As the second look sees a face: upright, in the middle, as wide as there."""
    width = float(np.exp(rng.uniform(np.log(130), np.log(245))))
    turn = float(rng.uniform(0, np.pi / 3)) if rng.random() < 0.5 else 0.0
    x, y = (SIDE * (0.5 + rng.uniform(-0.08, 0.08)) for _ in range(2))
    return Pose(width, turn, float(rng.normal(0, 0.12)), float(rng.uniform(0.86, 1.12)), float(x), float(y))


def _pose(rng: Generator, count: int, number: int) -> Pose:
    if count == 1 and rng.random() < _CLOSE:
        return _close(rng)
    low, high = (80.0, 215.0) if count == 1 and rng.random() < 0.62 else (34.0, 120.0 if count < 3 else 70.0)
    width = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    turn = float(rng.uniform(0, np.pi / 3)) if rng.random() < 0.6 else 0.0
    tilt = float(rng.normal(0, 0.3)) if rng.random() < 0.8 else float(rng.uniform(-1.2, 1.2))
    spread = 0.5 if count > 1 else max(0.06, 0.5 - 0.42 * width / SIDE)
    x, y = (SIDE * (0.5 + rng.uniform(-spread, spread)) for _ in range(2))
    if count > 1:
        x = SIDE * ((number + 0.5) / count + rng.uniform(-0.12, 0.12))
    return Pose(width, turn, tilt, float(rng.uniform(0.86, 1.12)), float(x), float(y))


def _laid(canvas: Image, label: Image, given: Sheet, pose: Pose, rng: Generator) -> None:
    flip = rng.random() < 0.5
    _paste(canvas, label, made_up(given, rng), pose, flip=flip, rng=rng)


def _paste(
    canvas: Image, label: Image, sheet: Sheet, pose: Pose, *, flip: bool, rng: Generator | None = None
) -> None:
    """Lay a face in; with a generator it is dressed anew."""
    points = sheet.points
    centre = points[list(OUTLINE)].mean(axis=0)
    map_x, map_y = _maps(points, centre, pose, sheet.rgb.shape[1], flip=flip)
    # Shrink before sampling: a table that skips pixels would make a face of grit.
    shrink = min(1.0, 1.25 * pose.width / FACE_PX)
    small = np.asarray(cv2.resize(sheet.rgb, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
    sx, sy = small.shape[1] / sheet.rgb.shape[1], small.shape[0] / sheet.rgb.shape[0]
    face = np.asarray(cv2.remap(small, (map_x + 0.5) * sx - 0.5, (map_y + 0.5) * sy - 0.5, cv2.INTER_LINEAR))
    alpha = np.asarray(cv2.remap(sheet.alpha, map_x, map_y, cv2.INTER_LINEAR))
    part = np.asarray(cv2.remap(sheet.label, map_x, map_y, cv2.INTER_NEAREST))
    if not (alpha > 0.5).any():
        return
    cut = bounding_box(alpha > 0.02).slices
    alpha, part = alpha[cut], part[cut]
    solid = alpha > 0.5
    face = np.ascontiguousarray(face[cut])
    if rng is not None:
        face = dressed(face, np.where(solid, part, IGNORE), sheet.skin, rng)
    weight = (alpha * 256).astype(np.uint16)[..., None]
    canvas[cut] = ((face * weight + canvas[cut] * (256 - weight)) >> 8).astype(np.uint8)
    label[cut][solid] = part[solid]


def _maps(points: Float, centre: Float, pose: Pose, width: int, *, flip: bool) -> tuple[Float, Float]:
    """Where each pixel of the scene comes from in the sheet; far outside where nothing is."""
    ys, xs = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    scale = FACE_PX / pose.width
    dx, dy = (xs - pose.x) * scale, (ys - pose.y) * scale
    cos, sin = np.cos(pose.tilt), np.sin(pose.tilt)
    along = (cos * dx + sin * dy).astype(np.float32)
    down = ((cos * dy - sin * dx) / pose.squeeze).astype(np.float32)
    if flip:
        along = -along
    map_y = np.asarray(down + centre[1], dtype=np.float32)
    if pose.turn == 0:
        return np.asarray(along + centre[0], dtype=np.float32), map_y
    table = _turned(points, centre, pose.turn, width)
    # The turn moves the middle of the face aside; bring it back into the frame.
    shift = 0.35 * FACE_PX * float(np.sin(pose.turn))
    column = (along + shift + _HALF) / _GRID
    map_x = cv2.remap(table, column, map_y / _GRID, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(map_x, dtype=np.float32), map_y


def _turned(points: Float, centre: Float, turn: float, width: int) -> Float:
    """For each row and each turned column, the sheet's column that is seen there."""
    xs = np.arange(0, width, _GRID, dtype=np.float32)
    ys = np.arange(0, points[129, 1] + 1.2 * FACE_PX, _GRID, dtype=np.float32)
    depth = _depth(points, centre, xs, ys)
    seen = (xs[None] - centre[0]) * np.cos(turn) + depth * np.sin(turn)
    seen = np.maximum.accumulate(seen, axis=1)
    asked = np.arange(-_HALF, _HALF, _GRID, dtype=np.float32)
    rows = [np.interp(asked, row, xs, left=-9999, right=9999) for row in seen]
    return np.asarray(rows, dtype=np.float32)


def _depth(points: Float, centre: Float, xs: Float, ys: Float) -> Float:
    """Height above the plane of the silhouette, in px of the sheet."""
    x = (xs[None] - centre[0]) / FACE_PX
    y = (ys[:, None] - centre[1]) / FACE_PX
    head = 0.6 * np.sqrt(np.maximum(0, 1 - (x / 0.6) ** 2 - (y / 0.95) ** 2))
    neck = 0.42 * np.sqrt(np.maximum(0, 1 - (x / 0.42) ** 2)) - 0.2 + 0 * y
    z = np.maximum(head, neck)
    top, tip = (float(points[i, 1] - centre[1]) / FACE_PX for i in (50, 55))
    rise = np.clip((y - top) / (tip - top), 0, 1)
    nose = 0.16 * rise * np.exp(-((x / 0.075) ** 2)) * (1 / (1 + np.exp(np.clip((y - tip) / 0.012, -30, 30))))
    lips = float(points[90, 1] - centre[1]) / FACE_PX
    z = z + nose + 0.03 * np.exp(-((x / 0.16) ** 2) - ((y - lips - 0.03) / 0.06) ** 2)
    for eye in (0, 1):
        ex, ey = (float(v) / FACE_PX for v in points[eye] - centre)
        z = z - 0.05 * np.exp(-(((x - ex) / 0.1) ** 2) - ((y - ey) / 0.07) ** 2)
    return np.asarray(z * FACE_PX, dtype=np.float32)


def half(label: Image) -> Image:
    """Labels at the network's output size."""
    return np.ascontiguousarray(label[1::2, 1::2])


__all__ = ["SIDE", "TURNED_PX", "half", "scenes", "turned"]
