"""Turned heads: how far, and the far eye and brow, which the network does not see well.

The nose says how far a head is turned: of a turned face more lies on the near side of it than on the far
one. Past 35 degrees the far eye and brow are a strip between the bridge of the nose and the outline of the
face, as high as the near ones, since a turn moves nothing up or down; they are protected there whether the
network sees them or not.

All of it is done in one face's own crop. Points are ``(x, y)`` in cells of its maps; a cell is 2 px of the
crop. Figures are medians of the labelled portraits, turned by machine (``benchmarks.parts.scenes.turned``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from retouch_engine.imaging.masks import dilated
from retouch_engine.survey.gauge import Point, height_of
from retouch_engine.survey.parts import Part
from retouch_engine.types import Bool, Float

FAR = 35.0
"""Degrees from which on the far side is protected by geometry."""
_RIM, _MOST = 50.0, 75.0
"""Degrees from which on the nose and the mouth end at the far outline, and which are as good as a profile."""
_LEAST, _LEAST_HINT = 0.25, 0.05
"""Asymmetry below which a face is frontal, and how far the nose of a turned one stands off the middle of both
eyes at least: hair over one cheek does not move it."""
_LOPSIDED, _NEAR, _NARROW = 0.12, 0.92, 0.79
"""Of 170 frontal portraits the most lopsided has 0.11. How far eyes are apart, of what they are above the
mouth: seen from the front, and of that, nearer than which no frontal ones are (0.82 at least)."""
_ONE, _ABOVE = 0.26, 0.7
"""A lash parts an eye in two, and a lock of hair may pass for one. Two eyes are no nearer to each other at 70
degrees, of what they are above the mouth, and no line through them leads to the mouth (so much, a cosine)."""
_TWO_EYES = ((0.0, 0.16, 0.37, 0.49, 0.6), (0.0, 20.0, 40.0, 50.0, 60.0))
_ONE_EYE = ((0.15, 0.46, 0.59, 0.64), (40.0, 50.0, 60.0, 75.0))
"""Asymmetry, and by how many degrees a head is turned that has it."""
_SLANT = math.radians(27.0)
"""From the one eye that is seen to the mouth: so far off the vertical, away from that eye."""
_STRIP_MM = 9.0
_INNER_MM = 4.0
_NEAR_RIM_MM = 5.0
_OVER_MM, _UNDER_MM = 2.0, 3.0
_TALL_MM = 32.0
"""Further from the eye a brow is a lock of hair."""
_BROW_MM, _EYE_MM = 21.0, 7.0
"""How high a brow reaches above the middle of an eye, and how deep the eye, where neither is seen."""
_ASSUMED = 0.5
"""How likely an eye or a brow is where it has to be: enough to be protected, too little to be measured."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A face's own axes: from its near eye along ``across`` to the far side, and ``down`` to the chin."""

    eye: Point
    down: Point
    across: Point
    at_rim: tuple[Part, ...]
    """Parts that end at the far outline."""


def turn(inside: Bool, eyes: list[Point], nose: list[Point], mouth: list[Point], hint: float) -> float:
    """By how many degrees a head is turned; positive: its far side is on the right. 0 is frontal or unknown.

    Args:
        inside: the face, bool ``(h, w)``.
        eyes: centres of those that are seen.
        nose: centre of the nostrils, if they are seen.
        mouth: its centre, if it is seen.
        hint: how far the nose stands off the middle of both eyes, of their distance.
    """
    if not eyes or not (nose or mouth):
        return 0.0
    more = _asymmetry(inside, [e[1] for e in eyes], (nose or mouth)[0])
    if len(eyes) == 1:
        degrees = float(np.interp(abs(more), *_ONE_EYE)) if abs(more) >= _ONE_EYE[0][0] else 0.0
        return math.copysign(degrees, more)
    degrees = float(np.interp(abs(more), *_TWO_EYES))
    near = math.dist(*eyes) / height_of(eyes, mouth[0]) / _NEAR if mouth else 1.0
    if near < _NARROW and abs(more) >= _LOPSIDED:
        return math.copysign(min(_MOST, max(degrees, math.degrees(math.acos(near)))), more)
    agreed = abs(more) >= _LEAST and hint * math.copysign(1, more) >= _LEAST_HINT
    return math.copysign(degrees, more) if agreed else 0.0


def single(eyes: list[Point], mouth: list[Point]) -> list[Point]:
    """The same eyes; of two that cannot be a pair the larger one."""
    if len(eyes) < 2 or not mouth:
        return eyes
    (ax, ay), (bx, by) = eyes
    across = (bx - ax, by - ay)
    down = (mouth[0][0] - (ax + bx) / 2, mouth[0][1] - (ay + by) / 2)
    apart, height = math.hypot(*across), math.hypot(*down)
    above = abs(across[0] * down[0] + across[1] * down[1]) > _ABOVE * apart * height
    return eyes[:1] if above or not height or apart < _ONE * height else eyes


def _asymmetry(inside: Bool, levels: list[float], nose: Point) -> float:
    """How much more of a face is left of the nose than right of it, of its width, between eyes and nose."""
    first, last = sorted((int(sum(levels) / len(levels)), int(nose[1])))
    rows = inside[max(0, first) : last + 1]
    rows = rows[rows.any(axis=1)]
    if not len(rows):
        return 0.0
    left = rows.argmax(axis=1)
    right = rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    return float(np.median((2 * nose[0] - left - right) / (right - left + 1)))


def frame(eyes: list[Point], mouth: Point, degrees: float) -> Frame:
    """The axes of a face that is turned by so many degrees.

    Args:
        eyes: one or two.
        mouth: its centre.
        degrees: as :func:`turn` gives them, not 0.
    """
    side = math.copysign(1.0, degrees)
    at_rim = (Part.NOSTRILS, Part.LIPS) if abs(degrees) >= _RIM else ()
    near = min(eyes, key=lambda e: side * e[0])
    if len(eyes) == 2:
        far = max(eyes, key=lambda e: side * e[0])
        length = math.dist(near, far)
        across = ((far[0] - near[0]) / length, (far[1] - near[1]) / length)
        return Frame(near, (-side * across[1], side * across[0]), across, at_rim)
    x, y = mouth[0] - near[0], mouth[1] - near[1]
    angle = math.atan2(x, y) - side * _SLANT
    down = (math.sin(angle), math.cos(angle))
    return Frame(near, down, (side * down[1], -side * down[0]), at_rim)


def completed(maps: Float, inside: Bool, own: Frame, eyes: list[Point], mm: float) -> Float:
    """The maps with the far eye and brow where they have to be.

    Args:
        maps: likelihood of each part, ``(parts, h, w)``.
        inside: the face, ``(h, w)``.
        own: the face's axes.
        eyes: centres of those that are seen.
        mm: cells for a millimetre.
    """
    ys, xs = np.mgrid[0 : inside.shape[0], 0 : inside.shape[1]].astype(np.float32)
    along = (xs - own.eye[0]) * own.across[0] + (ys - own.eye[1]) * own.across[1]
    depth = (xs - own.eye[0]) * own.down[0] + (ys - own.eye[1]) * own.down[1]
    near = along < (max((e[0] - own.eye[0]) * own.across[0] for e in eyes) / 2 if len(eyes) == 2 else np.inf)
    level = inside & (np.abs(depth) < _TALL_MM * mm)
    eye, brow = ((maps[part] > _ASSUMED) & level & near for part in (Part.EYES, Part.BROWS))
    top = float(depth[brow].min()) if brow.any() else -_BROW_MM * mm
    rim = float(depth[brow].max()) if brow.any() else -_EYE_MM * mm
    bottom = float(depth[eye].max()) if eye.any() else _EYE_MM * mm
    face = inside & (depth > top - _OVER_MM * mm) & (depth < bottom + _UNDER_MM * mm) & (along > 0)
    strip = face & (along > _outline(along, depth, face) - _STRIP_MM * mm)
    if len(eyes) == 2:
        seen = (maps[Part.EYES] > _ASSUMED) & level & ~near
        if seen.any():
            strip |= face & (along > float(along[seen].min()) - _INNER_MM * mm)
    strip = dilated(strip, max(1, round(mm)))
    told = maps.copy()
    for part, where in (
        (Part.BROWS, strip & (depth < rim)),
        (Part.EYES, strip & (depth >= rim)),
        *((part, _to_rim(maps[part], inside, along, depth, mm)) for part in own.at_rim),
    ):
        told[part][where] = np.maximum(told[part][where], _ASSUMED)
    return np.asarray(told / told.sum(axis=0), dtype=np.float32)


def _to_rim(likely: Float, inside: Bool, along: Float, depth: Float, mm: float) -> Bool:
    """From a part that nearly reaches the far outline on to it, as high as the part itself is there."""
    part = (likely > _ASSUMED) & inside
    if not part.any():
        return part
    level = inside & (depth >= depth[part].min()) & (depth <= depth[part].max())
    rim = _outline(along, depth, level)
    if float((rim - along)[part].min()) > _NEAR_RIM_MM * mm:
        return np.zeros_like(part)
    return np.asarray(level & (along > rim - _NEAR_RIM_MM * mm))


def _outline(along: Float, depth: Float, face: Bool) -> Float:
    """How far the face reaches to the far side, at each cell's own height."""
    level = np.round(depth - depth.min()).astype(np.intp)
    furthest = np.full(int(level.max()) + 1, -np.inf, dtype=np.float32)
    np.maximum.at(furthest, level[face], along[face])
    return np.asarray(furthest[level])
