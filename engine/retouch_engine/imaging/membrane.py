"""The membrane: a smooth surface through given boundary values, with no bump of its own.

Perez 2003 and Georgiev 2004 lay such a surface under cloned texture so that it meets its surroundings. Each
point is the mean of the rim's values, each weighed by the inverse square of its distance. In a disc, and
nearly all holes are about one, that is Poisson's integral, the exact solution of Laplace's equation;
elsewhere it keeps what matters: it never leaves the rim's range and meets it without a step. One product of
matrices takes the place of some hundred sweeps, and gaps in the rim need no filling. Deep inside a wide hole
the surface is so smooth that a coarse grid carries it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.masks import bounding_box, dilated, distance_inside, framed
from retouch_engine.types import Bool, Float

_WHOLE = 120_000
"""Pairs of points that are weighed one by one; more of them, and the depth goes on a grid."""
_KEPT = 2_000_000
"""Pairs whose weights are kept from one surface to the next; of more, they are made anew, part by part."""
_AT_ONCE = 200_000
"""Multiplications in one product. Of more, the library makes as many pieces as it has threads, and their
last bits would differ with them."""
_GRID_CELLS = 26
"""Across the hole's longer side, so many at the most in holes of usual size."""
_LARGEST_STEP_PX = 5
_NEXT_PX = (1, 3, 8)
"""How far from the hole its rim is looked for: where none is known close by, further out."""

Places = NDArray[np.intp]
"""``(n, 2)``: rows and columns."""
Flat = NDArray[np.intp]
"""``(n,)``: positions in a flattened array."""


class Span:
    """What carries a rim's values over a hole; masks and values are of one shape."""

    def __init__(self, rim: Places, hole: Bool) -> None:
        self.rim: Flat = rim[:, 0] * hole.shape[1] + rim[:, 1]
        self._hole = hole
        self._box = bounding_box(hole)
        self._step = 0
        inside = hole
        if np.count_nonzero(hole) * len(rim) > _WHOLE:
            # Odd, so that the grid's points lie on pixels when it is resized.
            wanted = max(self._box.height, self._box.width) / (2 * _GRID_CELLS)
            self._step = 2 * min(max(1, round(wanted - 0.5)), _LARGEST_STEP_PX // 2) + 1
            depth = distance_inside(framed(hole, repeated=True))[1:-1, 1:-1]
            inside = hole & (depth <= 1.5 * self._step)
        self._inside = inside
        self._near = _Weighed(np.argwhere(inside), rim)
        self._deep = _Weighed(self._grid(), rim) if self._step else None

    @classmethod
    def of(cls, known: Bool, hole: Bool) -> Span | None:
        """The way over a hole, or None where no rim is known.

        Args:
            known: bool ``(h, w)``, False in the hole.
            hole: bool ``(h, w)``, not empty. Where it touches the array's border the surface is free there.
        """
        for reach in _NEXT_PX:
            rim = np.argwhere(dilated(hole, reach) & known)
            if len(rim):
                return cls(rim, hole)
        return None

    def through(self, rim: Float, values: Float) -> Float:
        """``values``, float32 ``(h, w, c)``, with the surface through ``rim``, ``(n, c)``, in the hole."""
        surface = values.copy()
        if self._deep is not None:
            cut = self._box.slices
            fine = self._resized(self._deep.mean(rim))
            surface[cut] = np.where(self._hole[cut][..., None], fine, surface[cut])
        surface[self._inside] = self._near.mean(rim)
        return surface

    def _grid(self) -> Places:
        """Every ``step``-th pixel of the hole's box, and one more at its far sides."""
        box, step = self._box, self._step
        rows, columns = np.mgrid[box.y0 : box.y1 + step : step, box.x0 : box.x1 + step : step]
        return np.column_stack([rows.ravel(), columns.ravel()])

    def _resized(self, cells: Float) -> Float:
        """The grid's values, at each pixel of the hole's box."""
        box, step = self._box, self._step
        columns = len(range(box.x0, box.x1 + step, step))
        coarse = cells.reshape(-1, columns, cells.shape[1])
        size = (columns * step, len(coarse) * step)
        fine = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR))
        # A resized cell's own value lies in its middle.
        middle = step // 2
        return fine[middle : middle + box.height, middle : middle + box.width]


class _Weighed:
    """Points, each with its weights of the rim."""

    def __init__(self, points: Places, rim: Places) -> None:
        centre = rim.sum(axis=0) // len(rim)
        self._points = (points - centre).astype(np.float32)
        self._rim = (rim - centre).astype(np.float32)
        self._kept = self._weights(slice(None)) if len(points) * len(rim) <= _KEPT else None

    def mean(self, values: Float) -> Float:
        """``(rim, c)`` values in, ``(points, c)`` out."""
        # The last column adds up the weights.
        one = np.ones((len(values), values.shape[1] + 1), dtype=np.float32)
        one[:, :-1] = values
        part = max(1, _AT_ONCE // one.size)
        parts = (slice(i, i + part) for i in range(0, len(self._points), part))
        kept = self._kept
        total = np.concatenate([(self._weights(p) if kept is None else kept[p]) @ one for p in parts])
        return np.asarray(total[:, :-1] / total[:, -1:])

    def _weights(self, part: slice) -> Float:
        """``(points, rim)``. Between whole pixels: the squares of the distances are exact."""
        a, b = self._points[part], self._rim
        left = np.column_stack([-2 * a, np.einsum("ik,ik->i", a, a), np.ones(len(a), np.float32)])
        right = np.column_stack([b, np.ones(len(b), np.float32), np.einsum("ik,ik->i", b, b)])
        square = left @ right.T
        return np.asarray(np.reciprocal(np.maximum(square, 1, out=square), out=square))


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
    if span is None:
        return values.copy()
    return span.through(values.reshape(-1, values.shape[2])[span.rim], values)
