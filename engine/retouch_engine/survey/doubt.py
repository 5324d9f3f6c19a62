"""What second opinions add to the protected map. Nothing in here can take protection away.

Where both know a face, a point of the second opinion that nothing protects yet is protected as the part that
it is: there the network drew the eye or the mouth elsewhere. Where only the second opinion sees a face, the
whole of it is left alone. Where no network looked at all, its points are all that is known of eyes, nose and
mouth: a disc each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.survey.faces import Face
from retouch_engine.survey.gauge import Point
from retouch_engine.survey.protect import Cause, Causes
from retouch_engine.survey.second import Second, Sighting
from retouch_engine.types import Bool, Float

_EYE_MM, _LIPS_MM = 6.0, 3.0
"""Around the points of a face that both know, where they disagree: what any eye and any mouth covers."""
_INWARD = 0.15
"""A corner of the mouth lies on the rim: it is looked at so far towards the other corner."""
_EYE, _BROW, _NOSE, _LIPS = 0.2, 0.07, 0.14, 0.13
"""Without a network: radii, and how far an eye's disc is raised for the brow, in widths of the face."""
_WHOLE = 0.6
"""Half axes of a doubtful face, of its box: with the hairline and the jaw's rim."""
_SPECK_MM2, _SPECK_SHARE = 70.0, 0.002
"""Smaller things are spots; without a scale, of the photo's area."""

Maps = tuple[Float, Float, Causes]


def cautious(made: Maps, second: Second, faces: Sequence[Face], cell: float, *, looked: bool) -> Maps:
    """The maps of :func:`retouch_engine.survey.protect.protection` with what second opinions add.

    Args:
        made: skin, level and causes.
        second: what the second opinions say.
        faces: the faces that the network knows.
        cell: the size of one cell in px of the photo.
        looked: whether the network looked at all.
    """
    skin, level, causes = made[0], made[1].copy(), made[2].copy()
    for seen in second.faces:
        known = next((f for f in faces if same(f, seen, skin.shape, cell)), None)
        if known is None and looked:
            _add(level, causes, _whole(seen, skin.shape), Cause.DOUBT)
            continue
        parts = _all_parts(seen, skin.shape) if known is None else _unseen(seen, level, known, cell)
        for what, cause in parts:
            _add(level, causes, what, cause)
    sizes = [float(f.scale.px_per_mm or 0) / cell for f in faces]
    least = _SPECK_MM2 * max(sizes) ** 2 if sizes else _SPECK_SHARE * skin.size
    for mask, cause in (
        (second.hair, Cause.HAIR),
        (second.clothes, Cause.CLOTHING),
        (second.others, Cause.DOUBT),
    ):
        if mask is not None:
            _add(level, causes, _large(_fitted(mask, skin.shape), least), cause)
    return np.minimum(skin, 1 - level), level, causes


def told(
    second: Second, faces: Sequence[Face], shape: tuple[int, ...], cell: float, *, looked: bool
) -> tuple[str, ...]:
    """Notes for the record: who could not be asked, and how many faces only the second opinion sees."""
    alone = looked * sum(not any(same(f, s, shape, cell) for f in faces) for s in second.faces)
    some = (
        f"a second opinion sees {alone} face{'s' * (alone != 1)} that the network does not know: left alone"
    )
    return (*second.troubles, *([some] if alone else []))


def same(face: Face, seen: Sighting, shape: tuple[int, ...], cell: float) -> bool:
    """Whether both mean one face."""
    h, w = shape
    x, y = (seen.left + seen.width / 2) * w * cell, (seen.top + seen.height / 2) * h * cell
    far = math.hypot(x - face.centre[0], y - face.centre[1])
    return far < 0.5 * max(face.width, seen.width * w * cell)


def _unseen(seen: Sighting, level: Float, known: Face, cell: float) -> list[tuple[Bool, Cause]]:
    """Discs around the points of a known face that nothing protects yet."""
    eyes, _, mouth = _points(seen, level.shape)
    mm = float(known.scale.px_per_mm or known.width / 140) / cell
    (ax, ay), (bx, by) = mouth
    dx, dy = _INWARD * (bx - ax), _INWARD * (by - ay)
    corners = [(ax + dx, ay + dy), (bx - dx, by - dy)]
    return [
        (_discs(level.shape, [p for p in eyes if not _protected(level, p)], _EYE_MM * mm), Cause.EYE),
        (_discs(level.shape, [p for p in corners if not _protected(level, p)], _LIPS_MM * mm), Cause.LIPS),
    ]


def _all_parts(seen: Sighting, shape: tuple[int, ...]) -> list[tuple[Bool, Cause]]:
    """Eyes with brows, nose and mouth, where nothing else is known of them."""
    eyes, nose, mouth = _points(seen, shape)
    wide = seen.width * shape[1]
    raised = [(x, y - _BROW * wide) for x, y in eyes]
    return [
        (_discs(shape, raised, _EYE * wide), Cause.EYE),
        (_discs(shape, [nose], _NOSE * wide), Cause.NOSTRIL),
        (_capsule(shape, mouth, _LIPS * wide), Cause.LIPS),
    ]


def _points(seen: Sighting, shape: tuple[int, ...]) -> tuple[list[Point], Point, list[Point]]:
    """Eyes, nose and corners of the mouth, in cells."""
    points = [(x * shape[1], y * shape[0]) for x, y in seen.points]
    return points[:2], points[2], points[3:]


def _protected(level: Float, point: Point) -> bool:
    x, y = (min(max(0, round(v)), n - 1) for v, n in zip(point, level.shape[::-1], strict=True))
    return bool(level[y, x] > 0.5)


def _discs(shape: tuple[int, ...], centres: Sequence[Point], radius: float) -> Bool:
    canvas = np.zeros(shape, dtype=np.uint8)
    for x, y in centres:
        cv2.circle(canvas, (round(x), round(y)), max(1, round(radius)), 1, -1)
    return canvas > 0


def _capsule(shape: tuple[int, ...], ends: Sequence[Point], radius: float) -> Bool:
    canvas = np.zeros(shape, dtype=np.uint8)
    (ax, ay), (bx, by) = ends
    cv2.line(canvas, (round(ax), round(ay)), (round(bx), round(by)), 1, max(1, round(2 * radius)))
    return canvas > 0


def _whole(seen: Sighting, shape: tuple[int, ...]) -> Bool:
    h, w = shape
    canvas = np.zeros(shape, dtype=np.uint8)
    middle = (round((seen.left + seen.width / 2) * w), round((seen.top + seen.height / 2) * h))
    axes = (max(1, round(_WHOLE * seen.width * w)), max(1, round(_WHOLE * seen.height * h)))
    cv2.ellipse(canvas, middle, axes, 0, 0, 360, 1, -1)
    return canvas > 0


def _fitted(mask: Bool, shape: tuple[int, ...]) -> Bool:
    """The segmenter's square drawn over the whole photo, without its staircase."""
    soft = cv2.resize(mask.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(blur(np.asarray(soft, dtype=np.float32), max(0.8, shape[1] / mask.shape[1] / 2)) > 0.5)


def _large(mask: Bool, least: float) -> Bool:
    """Pieces of at least so many cells: a pimple that was taken for a stud protects nothing."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= least
    large[0] = False
    return np.asarray(large[labels])


def _add(level: Float, causes: Causes, what: Bool, cause: Cause) -> None:
    if not what.any():
        return
    np.maximum(level, blur(what.astype(np.float32), 0.8), out=level)
    causes[what] |= np.uint16(cause)
