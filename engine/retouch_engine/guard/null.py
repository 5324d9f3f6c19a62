"""The null distribution: the same figures on the same photo's untouched skin."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.guard.figures import Bands, Figures, Shape, measure
from retouch_engine.types import Bool

_PLACES = 40
_TRIED = 600


@dataclass(frozen=True, slots=True)
class Null:
    """Figures of ``places`` patches of clean skin, and how many there were."""

    figures: Figures
    places: int


def null_distribution(filtered: Bands, shape: Shape, dirty: Bool, seed: int) -> Null:
    """Lay the shape on clean skin of the crop at random.

    Args:
        filtered: the untouched crop's bands.
        shape: the heal's core, rim and ring.
        dirty: bool ``(h, w)``: forbidden pixels and the hole itself.
        seed: seeds the places.
    """
    shifts = _clean_shifts(shape, dirty, seed)
    return Null(measure(filtered, shape, shifts), len(shifts))


def _clean_shifts(shape: Shape, dirty: Bool, seed: int) -> NDArray[np.intp]:
    h, w = dirty.shape
    touched = np.concatenate([shape.core, shape.rim])
    low, high = touched.min(axis=0), touched.max(axis=0)
    rng = np.random.default_rng((seed, h, w))
    if high[0] - low[0] >= h or high[1] - low[1] >= w:
        return np.zeros((0, 2), dtype=np.intp)
    dy = rng.integers(-low[0], h - high[0], _TRIED)
    dx = rng.integers(-low[1], w - high[1], _TRIED)
    shifts = np.column_stack([dy, dx]).astype(np.intp)
    # A core that clears the nearest dirt by its own reach needs no look at each of its pixels.
    clear = np.asarray(cv2.distanceTransform((~dirty).view(np.uint8), cv2.DIST_L2, 5))
    centre = np.rint(touched.mean(axis=0)).astype(np.intp)
    reach = float(np.hypot(*(touched - centre).T).max())
    at = np.clip(centre + shifts, 0, [h - 1, w - 1])
    return np.asarray(shifts[clear[at[:, 0], at[:, 1]] > reach + 1][:_PLACES])
