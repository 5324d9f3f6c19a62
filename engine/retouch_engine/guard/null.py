"""The null distribution: the same figures on the same photo's untouched skin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.guard.figures import Bands, Figures, Shape, Trace, measure
from retouch_engine.types import Bool

_PLACES = 30
_LENS = 1.4
_TRIED = 400
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
    return Null(both.part(slice(1, None)), len(shifts), both.part(slice(1)), tall, _shared(shifts, tall))


def _shared(shifts: NDArray[np.intp], tall: float) -> float:
    """Of discs at these shifts, by the usual approximation of their lens."""
    count = len(shifts)
    if count < 2:
        return 0.0
    gap = (shifts[:, None] - shifts[None]).astype(np.float32) / np.float32(max(tall, 1.0))
    near = np.maximum(1 - np.sqrt(np.einsum("ijk,ijk->ij", gap, gap)), 0) ** _LENS
    return float(near.sum() - count) / (count * (count - 1))


def _clean_shifts(shape: Shape, dirty: Bool, seed: int) -> NDArray[np.intp]:
    h, w = dirty.shape
    low, high = shape.rim.min(axis=0), shape.rim.max(axis=0)
    rng = np.random.default_rng((seed, h, w))
    if high[0] - low[0] >= h or high[1] - low[1] >= w:
        return np.zeros((0, 2), dtype=np.intp)
    dy = rng.integers(-low[0], h - high[0], _TRIED)
    dx = rng.integers(-low[1], w - high[1], _TRIED)
    shifts = np.empty((_TRIED, 2), dtype=np.intp)
    shifts[:, 0], shifts[:, 1] = dy, dx
    centre = (low + high) // 2
    away = shape.rim - centre
    reach = math.sqrt(float(np.einsum("ik,ik->i", away, away).max()))
    found = _apart(shifts, centre, dirty, reach, 4 if max(h, w) > _COARSE_FROM_PX else 2)
    # Where clean skin is scarce, every pixel of it counts.
    return found if len(found) >= _PLACES else _apart(shifts, centre, dirty, reach, 1)


def _apart(
    shifts: NDArray[np.intp], centre: NDArray[np.intp], dirty: Bool, reach: float, step: int
) -> NDArray[np.intp]:
    """The first shifts that clear the nearest dirt by the place's reach: no look at each of its pixels."""
    clear = _clearance(dirty, step)
    at = np.minimum((centre + shifts) // step, [clear.shape[0] - 1, clear.shape[1] - 1])
    apart = clear[at[:, 0], at[:, 1]] * step > reach + (step if step > 1 else 0)
    return np.asarray(shifts[apart][:_PLACES])


def _clearance(dirty: Bool, step: int) -> NDArray[np.float32]:
    """Distance to the nearest dirt, in steps; a cell is dirty when any of its pixels is."""
    if step == 1:
        return np.asarray(cv2.distanceTransform((~dirty).view(np.uint8), cv2.DIST_L2, 5))
    rows, columns = -(-dirty.shape[0] // step), -(-dirty.shape[1] // step)
    below, right = rows * step - dirty.shape[0], columns * step - dirty.shape[1]
    cells = cv2.copyMakeBorder(dirty.view(np.uint8) * np.uint8(255), 0, below, 0, right, cv2.BORDER_REPLICATE)
    mean = cv2.resize(cells, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.distanceTransform((np.asarray(mean) == 0).view(np.uint8), cv2.DIST_L2, 5))
