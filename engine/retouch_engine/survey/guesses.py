"""Where faces may be: pieces of face in the network's maps of the whole photo, and how much speaks for each.

Guesses only. Each is looked at again by itself before it is believed (:mod:`retouch_engine.survey.faces`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from retouch_engine.survey.parts import Network, Part
from retouch_engine.survey.pieces import UPPER, Piece, evidence, faceness, pieces, summed
from retouch_engine.threads import borrowed
from retouch_engine.types import Bool, Box, Float

WIDTH = 1.1
"""Of a face, in square roots of its area."""
_COARSE = (224, 448, 896)
"""Long sides at which the whole photo is looked at: a face of 40 to 230 px is known, no other."""
_LEAST_WIDTH = 26.0
"""In px of a coarse view: narrower faces are blobs."""
_SPECK, _SPECK_SKIN, _SPECK_FULL = (25, 900), 0.35, 0.35
"""Cells of a speck of skin that may be a small face, how likely skin it has to be, and how
much of its box it fills."""
_SPECK_BROWS = 0.4
"""How likely brows or eyes have to be in it: faces of 18 px have 0.45 at least, most other specks 0.1."""
_REACH = 1.6
"""Widths of a known face from its middle, within which skin is its own ears, neck and collar."""
_OVERLAP = 128
"""Of the tiles of the nearer look, and around specks, in its px: more than the width of a face that is looked
for there."""

AT_ONCE = 2
"""So many looks beside each other."""

Look = Callable[[Box, float], Float]
"""A part of the photo, shrunk by a factor: sRGB, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A guess: centre and width in px of the photo, tilt in radians, how much speaks for it."""

    x: float
    y: float
    width: float
    tilt: float
    evidence: float


@dataclass(frozen=True, slots=True)
class View:
    """A look at the whole photo or a part of it."""

    shrink: float
    """How much the photo was shrunk for it."""
    maps: Float
    """What the network says; a cell is 2 px of the shrunk photo."""
    pieces: tuple[Piece, ...]
    """The pieces of face in it."""

    @classmethod
    def told(cls, shrink: float, maps: Float) -> View:
        """What the network said, with its pieces of face."""
        return cls(shrink, maps, tuple(pieces(maps)))

    @property
    def cell(self) -> float:
        """Px of the photo to a cell of the maps."""
        return 2 / self.shrink


def guesses(
    look: Look,
    size: tuple[int, int],
    network: Network,
    others: Sequence[Candidate] = (),
    foreseen: Callable[[list[Candidate]], object] = lambda _: None,
) -> tuple[list[Candidate], list[View]]:
    """Guesses, widest first, and the looks at the whole photo.

    Args:
        look: sees a part of the photo.
        size: the photo's height and width, px.
        network: tells the parts of faces.
        others: guesses from elsewhere.
        foreseen: told while the finest look is still under way of the guesses that it will hardly better, if
            there are any; of none, where there is no guess at all.
    """
    views: list[View] = []
    found = list(others)
    shrinks = [min(1.0, side / max(size)) for side in _COARSE]
    shrinks = shrinks[: shrinks.index(1.0) + 1] if 1.0 in shrinks else shrinks
    frame = Box(0, 0, *size)
    with borrowed("glances", AT_ONCE) as hands:
        # The finest look takes as long as all others with what is searched for in them: it begins first.
        glances = [hands.submit(_glance, look, frame, shrink, network) for shrink in reversed(shrinks)]
        for shrink, glance in zip(shrinks, reversed(glances), strict=True):
            if 0 < len(views) == len(shrinks) - 1:
                likely = [one for one in _best(found) if _hardly_bettered(one, shrink)]
                if likely or not found:
                    foreseen(likely)
            views.append(View.told(shrink, glance.result()))
            found += _candidates(views[-1])
    if shrinks[-1] == 1.0:
        return _best(found), views
    return _best([*found, *_nearer(look, size, views[-1], _best(found), network)]), views


def _hardly_bettered(one: Candidate, shrink: float) -> bool:
    """Whether a look with this shrink is unlikely to speak more for the same face: it is too large there."""
    return one.evidence > _fit(one.width * shrink / 2)


def _fit(width: float) -> float:
    """How well faces so many cells wide are known, at most 1: best at 120 px; others are poor guesses."""
    return math.exp(-((math.log(2 * width / 120) / 1.2) ** 2))


def _glance(look: Look, box: Box, shrink: float, network: Network) -> Float:
    return network.maps(look(box, shrink))


def _best(candidates: list[Candidate]) -> list[Candidate]:
    """One for each place, the one with the most evidence; then by width."""
    kept: list[Candidate] = []
    for one in sorted(candidates, key=lambda c: -c.evidence):
        reach = [0.5 * max(one.width, other.width) for other in kept]
        if all(math.hypot(one.x - o.x, one.y - o.y) > r for o, r in zip(kept, reach, strict=True)):
            kept.append(one)
    return sorted(kept, key=lambda c: -c.width)


def _candidates(view: View) -> Iterator[Candidate]:
    """Guesses from one view."""
    cell = view.cell
    for piece in view.pieces:
        width = WIDTH * math.sqrt(piece.area)
        if 2 * width < _LEAST_WIDTH:
            continue
        seen = evidence(view.maps, piece, first=True)
        if seen is None:
            continue
        upper, lower, speaks = seen
        x, y = piece.centre
        tilt = math.atan2(lower[0] - upper[0], lower[1] - upper[1])
        yield Candidate((x + 0.5) * cell, (y + 0.5) * cell, width * cell, -tilt, speaks * _fit(width))


def _nearer(
    look: Look, size: tuple[int, int], view: View, known: list[Candidate], network: Network
) -> list[Candidate]:
    """Guesses from nearer, where the finest view has specks of skin that no known face explains.

    In a group the width of a face is a fiftieth of the photo's. A photo of one person has no such specks, or
    few, so that this look costs it little: first at the specks alone, and only where one of them is a face at
    all that lies around, for a small face is seldom alone and not all of them are specks.
    """
    cell, nearer = view.cell, min(1.0, 2 * view.shrink)

    def seen(boxes: Iterable[Box]) -> list[Candidate]:
        # One at a time and the next while its maps are searched: each is as large as the finest look, and two
        # at once take 70 MB more.
        with borrowed("nearer", 1) as hands:
            look_at = partial(_glance, look, shrink=nearer, network=network)
            return [
                replace(one, x=one.x + box.x0, y=one.y + box.y0)
                for box, maps in hands.in_order(look_at, boxes, 1)
                for one in _candidates(View.told(nearer, maps))
            ]

    side, around = _COARSE[-1] / nearer, _OVERLAP / nearer
    windows = _windows(_specks(view.maps, known, cell), cell, size, around)
    found = seen(box for window in windows for box in _tiles(window, side, around))
    tiles = _tiles(Box(0, 0, *size), side, around)
    return found + seen([box for box in tiles if any(_holds(box, one) for one in found)])


def _holds(box: Box, one: Candidate) -> bool:
    return box.x0 <= one.x < box.x1 and box.y0 <= one.y < box.y1


def _windows(specks: Bool, cell: float, size: tuple[int, int], around: float) -> Iterator[Box]:
    """Boxes of the photo around specks; those whose surroundings meet share one."""
    reach = 2 * math.ceil(around / cell) + 1
    near = cv2.dilate(specks.view(np.uint8), np.ones((reach, reach), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    for x, y, width, height, _ in stats[1:count]:
        y1, x1 = min(size[0], math.ceil((y + height) * cell)), min(size[1], math.ceil((x + width) * cell))
        yield Box(int(y * cell), int(x * cell), y1, x1)


def _specks(maps: Float, known: list[Candidate], cell: float) -> Bool:
    """Pieces of skin as large as a small face, with something of brows, away from faces that are known."""
    skin = (faceness(maps) + maps[Part.OTHER_SKIN] > _SPECK_SKIN).astype(np.uint8)
    for one in known:
        cv2.circle(skin, (int(one.x / cell), int(one.y / cell)), int(_REACH * one.width / cell), 0, -1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(skin, connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA]
    full = area / (stats[:, cv2.CC_STAT_WIDTH] * stats[:, cv2.CC_STAT_HEIGHT])
    brows = np.bincount(labels[summed(maps, UPPER) > _SPECK_BROWS], minlength=count)
    right = (area >= _SPECK[0]) & (area <= _SPECK[1]) & (full > _SPECK_FULL) & (brows > 0)
    right[0] = False
    return np.asarray(right[labels])


def _tiles(window: Box, side: float, overlap: float) -> Iterator[Box]:
    """Boxes of at most ``side`` that cover a window, each over its neighbours by ``overlap``."""
    size = (window.height, window.width)
    rows, columns = (max(1, math.ceil((length - overlap) / (side - overlap))) for length in size)
    for row in range(rows):
        for column in range(columns):
            y0, x0 = (
                start + (int(number * (length - side) / max(1, count - 1)) if count > 1 else 0)
                for number, count, length, start in (
                    (row, rows, size[0], window.y0),
                    (column, columns, size[1], window.x0),
                )
            )
            yield Box(y0, x0, min(window.y1, int(y0 + side)), min(window.x1, int(x0 + side)))
