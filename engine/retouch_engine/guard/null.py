"""The null distribution: the same figures on the same photo's untouched skin."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.guard.figures import Bands, Figures, Shape, Trace, measure
from retouch_engine.kernels.places import cells, clear_of, lenses
from retouch_engine.types import Bool, frozen

_PLACES = 30
_LENS = 1.4
_CHANCES = frozen(np.random.default_rng(5).random((400, 2)))
"""Where places are tried, drawn once: to seed a generator for each hole took longer than to look."""
_GOLDEN = 0.6180339887498949
_HERE = np.zeros((1, 2), dtype=np.intp)
_COARSE_FROM_PX = 160
"""Crops of longer sides are searched for clean places on every fourth pixel, others on every second."""


@dataclass(frozen=True, slots=True)
class Null:
    """Figures of ``places`` patches of clean skin, how many there were, and those of the place itself."""

    figures: Figures
    places: int
    before: Figures
    size_px: float
    """How tall the shape is."""
    shared: float
    """How much of its area a patch shares with another, 0 to 1, on average."""


def null_distribution(filtered: Bands, shape: Shape, trace: Trace, dirty: Bool, seed: int) -> Null:
    """Lay the shape on clean skin of the crop at random.

    Args:
        filtered: the untouched crop's bands.
        shape: the heal's core, rim and ring.
        trace: the form of what is to go.
        dirty: bool ``(h, w)``: forbidden pixels and the hole itself.
        seed: seeds the places.
    """
    shifts = _clean_shifts(shape, dirty, seed)
    both = measure(filtered, shape, np.concatenate([_HERE, shifts]), trace)
    tall = float(shape.rim[-1, 0] - shape.rim[0, 0])
    shared = lenses(shifts, tall, _LENS)
    return Null(both.part(slice(1, None)), len(shifts), both.part(slice(1)), tall, shared)


def _clean_shifts(shape: Shape, dirty: Bool, seed: int) -> NDArray[np.intp]:
    h, w = dirty.shape
    y0, x0, y1, x1 = shape.rim_extent
    if y1 - y0 >= h or x1 - x0 >= w:
        return np.zeros((0, 2), dtype=np.intp)
    turn = seed * _GOLDEN % 1.0
    found = _apart(turn, shape, dirty, 4 if max(h, w) > _COARSE_FROM_PX else 2)
    # Where clean skin is scarce, every pixel of it counts.
    return found if len(found) >= _PLACES else _apart(turn, shape, dirty, 1)


def _apart(turn: float, shape: Shape, dirty: Bool, step: int) -> NDArray[np.intp]:
    """The first shifts that clear the nearest dirt by the place's reach: no look at each of its pixels."""
    clear = np.asarray(cv2.distanceTransform(cells(dirty, step), cv2.DIST_L2, 5))
    y0, x0, y1, x1 = shape.rim_extent
    reach = shape.reach + (step if step > 1 else 0)
    room = -y0, -x0, dirty.shape[0] - y1 + y0, dirty.shape[1] - x1 + x0
    return clear_of(_CHANCES, turn, room, clear, step, (y0 + y1) // 2, (x0 + x1) // 2, reach, _PLACES)
