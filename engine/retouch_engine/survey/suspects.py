"""What may be a face and is not known for one: from the side, covered, cut by the frame, or an animal's.

A piece of face with an eye or a brow in it that the network is certain of, but too little else to be believed
(:mod:`retouch_engine.survey.faces`). What the network calls its parts is protected. Where there is something
of a mouth or of nostrils as well, nobody knows how large that face is or where its far eye lies: a find near
it is offered to a person and not healed. So it is beside a known face: one of two may stand sideways.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from retouch_engine.survey.gauge import Point
from retouch_engine.survey.guesses import WIDTH, View
from retouch_engine.survey.parts import Part
from retouch_engine.survey.pieces import LOWER, UPPER
from retouch_engine.types import Bool, Float, frozen

_SEEN = (*UPPER, *LOWER)
_CERTAIN, _LEAST = 0.9, 0.01
"""How certain the network is of an eye or a brow, and how much of the piece they are at least."""
_LEAST_LOWER = 0.015
"""The same of mouth and nostrils, below which it is an eye by itself, drawn or printed or above a mask."""
_REACH = 1.5
"""In widths of the piece from its middle: with what was not taken for face."""
_OWN = 0.6
"""In widths of a known face, or of the piece: nearer pieces are that face, seen at another size."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One piece: middle and width in px of the photo, and what the network said of it."""

    x: float
    y: float
    width: float
    maps: Float
    """How likely eyes, brows, lips and nostrils are, over the whole photo, 0 outside: ``(4, h, w)``."""

    whole: bool
    """Whether there is something of both ends of a face."""

    def near(self, x: float, y: float) -> float:
        """How near a point of the photo lies, in its widths; infinite where it may be no part of a face."""
        away = math.hypot(x - self.x, y - self.y) / self.width
        return away if self.whole and away < _REACH else math.inf

    def where(self, part: Part, least: float, shape: tuple[int, ...]) -> Bool:
        """Where a part is, on a grid of this shape over the whole photo."""
        size = (shape[1], shape[0])
        likely = np.asarray(cv2.resize(self.maps[_SEEN.index(part)], size, interpolation=cv2.INTER_LINEAR))
        return np.asarray(likely > least)


def suspects(views: Sequence[View], known: Sequence[tuple[Point, float]] = ()) -> tuple[Suspect, ...]:
    """What may be a face in the looks at a whole photo, each as often as it is seen.

    ``known`` are middle and width of the faces that are known, whose own pieces are left out.
    """
    found: list[Suspect] = []
    for view in views:
        maps, cell = view.maps, view.cell
        for piece in view.pieces:
            upper, area = piece.of(maps, UPPER), piece.area
            if upper.max() < _CERTAIN or upper.sum() < _LEAST * area:
                continue
            x, y = ((at + 0.5) * cell for at in piece.centre)
            width = WIDTH * math.sqrt(area) * cell
            if any(math.dist((x, y), at) < _OWN * max(width, other) for at, other in known):
                continue
            whole = float(piece.of(maps, LOWER).sum()) >= _LEAST_LOWER * area
            own = np.zeros((len(_SEEN), *maps.shape[1:]), np.float32)
            for number, part in enumerate(_SEEN):
                own[number][piece.box.slices] = piece.of(maps, [part])
            found.append(Suspect(x, y, width, frozen(own), whole))
    return tuple(found)
