"""The membrane: a smooth surface through given boundary values, with no bump of its own.

Perez 2003 and Georgiev 2004 lay such a surface under cloned texture so that it meets its surroundings. Each
point is the mean of the rim's values, each weighed by the inverse square of its distance. In a disc, and
nearly all holes are about one, that is Poisson's integral, the exact solution of Laplace's equation;
elsewhere it keeps what matters: it never leaves the rim's range and meets it without a step. No sweeps, and
gaps in the rim need no filling. Deep inside a wide hole the surface is so smooth that a grid carries it.
"""

from __future__ import annotations

import numpy as np

from retouch_engine.imaging.masks import dilated, distance_inside, framed
from retouch_engine.kernels.places import places_in
from retouch_engine.kernels.surfaces import over_hole
from retouch_engine.types import Bool, Float, Places

_WHOLE = 120_000
"""Pairs of points that are weighed one by one; more of them, and the depth goes on a grid."""
_GRID_CELLS = 26
"""Across the hole's longer side, so many at the most in holes of usual size."""
_LARGEST_STEP_PX = 5
_NEXT_PX = (1, 3, 8)
"""How far from the hole its rim is looked for: where none is known close by, further out."""


class Span:
    """What carries a rim's values over a hole; ``hole`` and ``rim`` are their places in reading order."""

    def __init__(self, rim: Places, hole: Places, mask: Bool) -> None:
        self.rim = rim
        self.hole = hole
        self._step = 0
        self._deep = np.zeros(len(hole), dtype=np.bool_)
        if len(hole) * len(rim) > _WHOLE:
            wanted = float((np.ptp(hole, axis=0) + 1).max()) / (2 * _GRID_CELLS)
            self._step = 2 * min(max(1, round(wanted - 0.5)), _LARGEST_STEP_PX // 2) + 1
            depth = distance_inside(framed(mask, repeated=True))[1:-1, 1:-1]
            self._deep = depth[mask] > 1.5 * self._step

    @classmethod
    def of(cls, known: Bool, hole: Bool) -> Span | None:
        """The way over a hole, or None where no rim is known.

        Args:
            known: bool ``(h, w)``, False in the hole.
            hole: bool ``(h, w)``, not empty. Where it touches the array's border the surface is free there.
        """
        for reach in _NEXT_PX:
            rim = places_in(dilated(hole, reach) & known, hole.size, 0, 0)
            if len(rim):
                return cls(rim, places_in(hole, hole.size, 0, 0), hole)
        return None

    def over(self, rim: Float) -> Float:
        """The surface through ``rim``, float32 ``(m, c)``, at each of the hole's places: ``(n, c)``."""
        return over_hole(self.hole, self._deep, self.rim, rim, self._step)


def membrane(values: Float, known: Bool, hole: Bool) -> Float:
    """The surface inside ``hole`` through the known values around it.

    Args:
        values: float32 ``(h, w, c)``; only the known ones next to the hole are read.
        known: bool ``(h, w)``, False in the hole.
        hole: bool ``(h, w)``, not empty.

    Returns:
        float32 ``(h, w, c)``: the values as they are, the membrane in the hole; with no rim, the values.
    """
    span = Span.of(known, hole)
    whole = values.copy()
    if span is not None:
        whole[hole] = span.over(values[span.rim[:, 0], span.rim[:, 1]])
    return whole
