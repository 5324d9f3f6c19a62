"""Pieces of face in the network's maps, and how much speaks for each being one.

A photo has dozens of them, and each is a small part of it: every figure is taken in a box around it
alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from retouch_engine.imaging.masks import placed
from retouch_engine.survey.gauge import Point, centres
from retouch_engine.survey.parts import Part
from retouch_engine.types import Bool, Box, Float

UPPER = (Part.EYES, Part.BROWS)
LOWER = (Part.LIPS, Part.NOSTRILS)
_FACE = (Part.FACE_SKIN, *UPPER, *LOWER)
_GLASSES = np.float32(0.7)
"""How much glasses count for: frames and rims are no face."""
_LEAST_AREA = 100
_LEAST_MOUTH, _MOUSTACHE, _ALL_LIPS = 8, 0.2, 0.15
"""Cells of a mouth that a beard parts from its face; the beard's height, of the face's root area; and how
much of it is lips."""
_THIN, _CERTAIN = 0.7, 0.95
"""Thin lips below a high forehead are 2.2 % of a face where others have 3.3 at least. Nothing that is no face
had parts so small and so certain at once (coins: 2.2 %, at most 0.93)."""
_LEAST_MASS = {True: (0.012, 0.008), False: (0.03, 0.025)}
"""Upper and lower evidence, of the face's area: at the first look, and at the second."""
_PROFILE = (0.035, 0.44)
"""From the side a mouth is half as wide. Where eye and brow, of the face's area, are as large as this,
so much less of a mouth will do at the second look, if it is certain."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A connected piece of face: a box around it, in cells of the maps, and which cells there it is."""

    box: Box
    mask: Bool

    @property
    def area(self) -> float:
        """Cells."""
        return float(np.count_nonzero(self.mask))

    @property
    def centre(self) -> Point:
        """The middle of its cells."""
        sums = cv2.moments(self.mask.view(np.uint8), binaryImage=True)
        return sums["m10"] / sums["m00"] + self.box.x0, sums["m01"] / sums["m00"] + self.box.y0

    def of(self, maps: Float, parts: Sequence[Part]) -> Float:
        """How likely one of ``parts`` is in each cell of its box, 0 beside the piece."""
        return np.where(self.mask, summed(maps[:, *self.box.slices], parts), np.float32(0))

    def on(self, shape: tuple[int, ...]) -> Bool:
        """The piece among all cells of the maps, ``(h, w)``."""
        return placed(self.mask, self.box, Box(0, 0, *shape))


def summed(maps: Float, parts: Sequence[Part]) -> Float:
    """How likely one of ``parts`` is."""
    total: Float = maps[parts[0]].copy()
    for part in parts[1:]:
        total += maps[part]
    return total


def faceness(maps: Float) -> Float:
    """How likely each cell belongs to a face, with what stands on it."""
    total = summed(maps, _FACE)
    total += _GLASSES * maps[Part.GLASSES]
    return total


def pieces(maps: Float) -> Iterator[Piece]:
    """Connected pieces of face, each with its mouth if a beard lies around that, cut between two mouths."""
    total, labels, stats, _ = cv2.connectedComponentsWithStats(
        (faceness(maps) > 0.5).view(np.uint8), connectivity=8
    )
    areas = stats[:, cv2.CC_STAT_AREA].tolist()
    # A mouth by itself, or with the bare chin below it, is no face: lips are a twentieth of one.
    lips = np.bincount(labels[maps[Part.LIPS] > 0.5], minlength=total)
    mouths = [n for n in range(1, total) if lips[n] > _ALL_LIPS * areas[n] and areas[n] >= _LEAST_MOUTH]
    hanging = [_labelled(labels, stats, n) for n in mouths]
    for number in range(1, total):
        if areas[number] < _LEAST_AREA or number in mouths:
            continue
        piece = _labelled(labels, stats, number)
        own = [mouth for mouth in hanging if _below(piece, mouth)]
        yield from _split(maps, _hull([piece, *own]) if own else piece, areas[number])


def _labelled(labels: np.ndarray, stats: np.ndarray, number: int) -> Piece:
    x, y, width, height, _ = (int(value) for value in stats[number])
    box = Box(y, x, y + height, x + width)
    return Piece(box, np.asarray(labels[box.slices] == number))


def _below(piece: Piece, mouth: Piece) -> bool:
    """Whether a mouth hangs on a face by a beard: no further off than a moustache is high."""
    box = Box.around([piece.box, mouth.box])
    there = placed(piece.mask, piece.box, box)
    away = cv2.distanceTransform((~there).view(np.uint8), cv2.DIST_L2, 3)
    hung = placed(mouth.mask, mouth.box, box)
    return float(np.asarray(away)[hung].min()) < _MOUSTACHE * math.sqrt(piece.area)


def _hull(together: Sequence[Piece]) -> Piece:
    """The face with its mouth and the beard between them."""
    box = Box.around([piece.box for piece in together])
    points = cv2.findNonZero(
        np.logical_or.reduce([placed(piece.mask, piece.box, box) for piece in together]).view(np.uint8)
    )
    canvas = np.zeros((box.height, box.width), dtype=np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(points), 1)
    return Piece(box, canvas > 0)


def _split(maps: Float, piece: Piece, area: int) -> Iterator[Piece]:
    mouths = centres(piece.of(maps, [Part.LIPS]), 0.35, 4)
    apart = 0.45 * math.sqrt(area)
    far = [m for i, m in enumerate(mouths) if all(math.dist(m, o) > apart for o in mouths[:i])]
    if len(far) < 2:
        yield piece
        return
    ys, xs = np.nonzero(piece.mask)
    nearest = np.stack([(xs - x) ** 2 + (ys - y) ** 2 for x, y in far]).argmin(axis=0)
    for k in range(len(far)):
        part = np.zeros_like(piece.mask)
        part[ys[nearest == k], xs[nearest == k]] = True
        if part.any():  # of three mouths one may lie between the others, outside the piece
            yield Piece(piece.box, part)


def evidence(maps: Float, piece: Piece, *, first: bool) -> tuple[Point, Point, float] | None:
    """Where the upper and the lower parts lie, and how much there is of both; None: no face."""
    area = piece.area
    points: list[Point] = []
    masses: list[float] = []
    for parts, least in zip((UPPER, LOWER), _LEAST_MASS[first], strict=True):
        likely = piece.of(maps, parts)
        likely[likely <= 0.3] = 0
        mass = float(likely.sum())
        sure = float(likely.max())
        thin = _THIN if sure > _CERTAIN else 1.0
        if parts is LOWER and not first and masses[0] >= _PROFILE[0] and sure > _CERTAIN:
            thin = _PROFILE[1]
        if mass < thin * least * area or sure < (0.5 if first else 0.7):
            return None
        sums = cv2.moments(likely)
        x, y = sums["m10"] / sums["m00"], sums["m01"] / sums["m00"]
        points.append((x + piece.box.x0, y + piece.box.y0))
        masses.append(mass / area)
    upper, lower = points
    apart = math.dist(upper, lower) / math.sqrt(area)
    if not 0.15 < apart < 0.95:
        return None
    return upper, lower, min(masses[0] / 0.08, 1.0) * min(masses[1] / 0.05, 1.0)
