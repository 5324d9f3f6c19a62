"""Mixing the bands of a heal with the photo's own, and writing what comes of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.compiled import PLACES, PLANE, REAL, ROWS, VALUES, VIEW, WIDE, kernel, part
from retouch_engine.types import Bool, Float, Places

Edges = tuple[int, int, int, int]


@kernel(PLANE, REAL)
def weighed(support: Float, strength: float) -> tuple[Places, Float, Edges]:
    """Where a support is more than 0, ``(n, 2)``, and how much of the new goes there, ``(n,)``.

    The places count from the first corner of the smallest box around them; its half-open edges come last.
    """
    h, w = support.shape
    places, share = np.empty((h * w, 2), np.intp), np.empty(h * w, np.float32)
    count, y0, x0, y1, x1 = 0, h, w, 0, 0
    for y in range(h):
        for x in range(w):
            part = support[y, x] * np.float32(strength)
            if part != 0:
                places[count, 0], places[count, 1], share[count] = y, x, part
                y0, x0, y1, x1 = min(y0, y), min(x0, x), max(y1, y + 1), max(x1, x + 1)
                count += 1
    for i in range(count):
        places[i, 0] -= y0
        places[i, 1] -= x0
    return places[:count].copy(), share[:count].copy(), (y0, x0, y1, x1)


@kernel(VIEW, VIEW, PLACES, VALUES)
def moved(low: Float, delta: Float, places: Places, share: Float) -> Float:
    """``low``, ``(h, w, 3)``, and a share of ``delta`` at some places: ``(n, 3)``."""
    found = np.empty((len(places), 3), np.float32)
    for i in range(len(places)):
        y, x = places[i, 0], places[i, 1]
        for c in range(3):
            found[i, c] = low[y, x, c] + share[i] * delta[y, x, c]
    return found


@part
def _related(new: Float, old: Float, places: Places, least_energy: float) -> float:
    """The correlation of two bands without a mean, -1 to 1."""
    both, news, olds = 0.0, 0.0, 0.0
    for i in range(len(places)):
        y, x = places[i, 0], places[i, 1]
        for c in range(3):
            a, b = np.float64(new[y, x, c]), np.float64(old[y, x, c])
            both += a * b
            news += a * a
            olds += b * b
    return float(both / np.sqrt(max(news * olds, least_energy)))


@kernel(VIEW, VIEW, PLACES, VALUES, REAL, REAL, REAL)
def blended(
    new: Float,
    old: Float,
    places: Places,
    share: Float,
    least_energy: float,
    least_related: float,
    power: float,
) -> Float:
    """Two bands at the contrast of one, ``share`` of it the new one's.

    Args:
        new: ``(h, w, 3)``.
        old: ``(h, w, 3)``.
        places: ``(n, 2)``.
        share: ``(n,)``.
        least_energy: of the product of both bands' energies.
        least_related: bands are taken for no more opposed than that, -1 to 0.
        power: how much of the gain is given that makes their contrast whole: 1 for all, 0 for none.

    Returns:
        Float32 ``(n, 3)``.
    """
    related = np.float32(max(_related(new, old, places, least_energy), least_related))
    found = np.empty((len(places), 3), np.float32)
    one, two = np.float32(1), np.float32(2)
    for i in range(len(places)):
        y, x = places[i, 0], places[i, 1]
        rest = one - share[i]
        norm = np.sqrt(share[i] * share[i] + rest * rest + two * related * share[i] * rest) ** np.float32(
            power
        )
        for c in range(3):
            found[i, c] = (share[i] * new[y, x, c] + rest * old[y, x, c]) / norm
    return found


@kernel(VIEW, VIEW, PLACES, VALUES, REAL, REAL)
def topped_up(
    new: Float, old: Float, places: Places, share: Float, least_energy: float, chance: float
) -> Float:
    """The rest of ``old``, and so much of ``new`` that the sum has the contrast of ``new``.

    Args:
        new: ``(h, w, 3)``.
        old: ``(h, w, 3)``, which may hold more than skin: only what is skin in it counts, as much as in
            ``new``.
        places: ``(n, 2)``.
        share: ``(n,)``, of the new one; the rest is the old one's.
        least_energy: of the product of both energies.
        chance: how far both may be related, 0 to 1, without being so.

    Returns:
        Float32 ``(n, 3)``.
    """
    related = (_related(new, old, places, least_energy) - chance) / (1 - chance)
    related = min(max(related, 0.0), 1.0)
    found = np.empty((len(places), 3), np.float32)
    for i in range(len(places)):
        y, x = places[i, 0], places[i, 1]
        rest = 1 - np.float64(share[i])
        part = np.float32(np.sqrt(1 - rest * rest * (1 - related * related)) - related * rest)
        for c in range(3):
            found[i, c] = part * new[y, x, c] + np.float32(rest) * old[y, x, c]
    return found


@kernel(WIDE, PLACES, ROWS)
def written(pixels: NDArray[np.uint16], places: Places, values: Float) -> tuple[NDArray[np.uint16], Bool]:
    """Pixels with values of 0 to 1 rounded into some of their places; and where these are.

    ``(h, w, 3)`` uint16, ``(n, 2)`` and ``(n, 3)`` in. What lies outside 0 to 1 is clipped.
    """
    found = pixels.copy()
    changed = np.zeros(pixels.shape[:2], np.bool_)
    for i in range(len(places)):
        y, x = places[i, 0], places[i, 1]
        changed[y, x] = True
        for c in range(3):
            part = min(max(values[i, c], np.float32(0)), np.float32(1))
            found[y, x, c] = np.uint16(np.rint(part * np.float32(65535)))
    return found, changed
