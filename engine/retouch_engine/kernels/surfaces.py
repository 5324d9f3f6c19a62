"""Surfaces through a rim, and what lies on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.compiled import (
    FLAGS,
    MASK,
    PLACES,
    PLANE,
    PLANES,
    REAL,
    ROWS,
    VIEW,
    WHOLE,
    UniTuple,
    kernel,
    part,
)
from retouch_engine.kernels.sums import deviation
from retouch_engine.types import Bool, Float, Places


@part
def _means(ys: Float, xs: Float, rim: Places, cy: int, cx: int, values: Float) -> Float:
    """The mean of ``values`` at each point, weighed by the inverse square of the distance: ``(n, c)``.

    ``ys`` and ``xs`` are the points' own, less ``cy`` and ``cx``. Between whole pixels squares are exact.
    """
    n, channels = len(ys), values.shape[1]
    sums = np.zeros((channels + 1, n), np.float32)
    weights = np.empty(n, np.float32)
    one = np.float32(1)
    for j in range(len(rim)):
        y, x = np.float32(rim[j, 0] - cy), np.float32(rim[j, 1] - cx)
        for i in range(n):
            dy, dx = ys[i] - y, xs[i] - x
            weights[i] = one / max(dy * dy + dx * dx, one)
        for i in range(n):
            sums[channels, i] += weights[i]
        for c in range(channels):
            value = values[j, c]
            for i in range(n):
                sums[c, i] += weights[i] * value
    found = np.empty((n, channels), np.float32)
    for c in range(channels):
        for i in range(n):
            found[i, c] = sums[c, i] / sums[channels, i]
    return found


@kernel(PLACES, FLAGS, PLACES, ROWS, WHOLE)
def over_hole(hole: Places, deep: Bool, rim: Places, values: Float, step: int) -> Float:
    """A smooth surface through a rim, at each place of a hole.

    Args:
        hole: ``(n, 2)``, in the order of reading.
        deep: ``(n,)``: places that a grid of every ``step``-th pixel is fine enough for.
        rim: ``(m, 2)``.
        values: ``(m, c)``, of the rim.
        step: px; 0 without a grid.

    Returns:
        Float32 ``(n, c)``.
    """
    n, channels = len(hole), values.shape[1]
    y0, x0, y1, x1 = hole[0, 0], hole[0, 1], hole[0, 0], hole[0, 1]
    near = 0
    for i in range(n):
        y0, x0, y1, x1 = min(y0, hole[i, 0]), min(x0, hole[i, 1]), max(y1, hole[i, 0]), max(x1, hole[i, 1])
        near += not deep[i]
    ys, xs = np.empty(near, np.float32), np.empty(near, np.float32)
    count = 0
    for i in range(n):
        if not deep[i]:
            ys[count], xs[count] = hole[i, 0] - y0, hole[i, 1] - x0
            count += 1
    found = np.empty((n, channels), np.float32)
    exact = _means(ys, xs, rim, y0, x0, values)
    count = 0
    for i in range(n):
        if not deep[i]:
            for c in range(channels):
                found[i, c] = exact[count, c]
            count += 1
    if near == n:
        return found
    rows, columns = (y1 - y0) // step + 2, (x1 - x0) // step + 2
    ys, xs = np.empty(rows * columns, np.float32), np.empty(rows * columns, np.float32)
    for k in range(rows * columns):
        ys[k], xs[k] = k // columns * step, k % columns * step
    grid = _means(ys, xs, rim, y0, x0, values)
    for i in range(n):
        if deep[i]:
            y, x = hole[i, 0] - y0, hole[i, 1] - x0
            k = y // step * columns + x // step
            v, u = np.float32(y % step) / np.float32(step), np.float32(x % step) / np.float32(step)
            for c in range(channels):
                upper = grid[k, c] + u * (grid[k + 1, c] - grid[k, c])
                lower = grid[k + columns, c] + u * (grid[k + columns + 1, c] - grid[k + columns, c])
                found[i, c] = upper + v * (lower - upper)
    return found


@kernel(PLANES, PLANE, PLACES)
def divided_at(sums: Float, weight: Float, places: Places) -> Float:
    """``sums`` over ``weight`` at some places: ``(h, w, c)`` by ``(h, w)``, ``(n, c)`` out."""
    found = np.empty((len(places), sums.shape[2]), np.float32)
    for i in range(len(places)):
        y, x = places[i, 0], places[i, 1]
        for c in range(sums.shape[2]):
            found[i, c] = sums[y, x, c] / weight[y, x]
    return found


@kernel(VIEW, PLANES, PLANE, MASK, PLACES, ROWS)
def above(values: Float, sums: Float, weight: Float, known: Bool, hole: Places, surface: Float) -> Float:
    """What of the values stands above their average around a hole, and above a surface in it; elsewhere 0.

    Args:
        values: ``(h, w, 3)``.
        sums: the same, averaged along the rim where it is ``known``, times ``weight``.
        weight: ``(h, w)``.
        known: bool ``(h, w)``, False in the hole.
        hole: ``(n, 2)``.
        surface: ``(n, 3)``.

    Returns:
        Float32 ``(h, w, 3)``.
    """
    h, w = known.shape
    found = np.zeros((h, w, 3), np.float32)
    for y in range(h):
        for x in range(w):
            if known[y, x]:
                for c in range(3):
                    found[y, x, c] = values[y, x, c] - sums[y, x, c] / weight[y, x]
    for i in range(len(hole)):
        y, x = hole[i, 0], hole[i, 1]
        for c in range(3):
            found[y, x, c] = values[y, x, c] - surface[i, c]
    return found


@kernel(VIEW, PLANES, PLANES, PLANES, PLANE, PLANE, MASK, PLACES)
def contrasts(
    own: Float,
    soft: Float,
    texture: Float,
    coarse: Float,
    band: Float,
    there: Float,
    clear: Bool,
    hole: Places,
) -> NDArray[np.float64]:
    """How strong grain and pores are around a hole, and in what is to fill it.

    Args:
        own: ``(h, w, 3)``, what surrounds the hole.
        soft: its blur; the difference is grain.
        texture: ``(h, w, 3)``, the filling.
        coarse: its blur.
        band: ``(h, w)``, pores of what surrounds the hole.
        there: ``(h, w)``, pores where the filling comes from.
        clear: bool ``(h, w)``: where to look around the hole.
        hole: ``(n, 2)``.

    Returns:
        ``(7,)``: how many places are clear; then for what is around and for the filling the deviation of
        grain, of its blue over red, of pores.
    """
    a, b, c, d, e, f = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    h, w = clear.shape
    count = 0
    for y in range(h):
        for x in range(w):
            if clear[y, x]:
                r, g = own[y, x, 0] - soft[y, x, 0], own[y, x, 1] - soft[y, x, 1]
                s = own[y, x, 2] - soft[y, x, 2]
                grey, blue, pore = np.float64(r + g + s), np.float64(s - r), np.float64(band[y, x])
                a, b, c = a + grey, b + blue, c + pore
                d, e, f = d + grey * grey, e + blue * blue, f + pore * pore
                count += 1
    found = np.zeros(7)
    if count == 0 or len(hole) == 0:
        return found
    found[0] = count
    found[1], found[2], found[3] = deviation(a, d, count), deviation(b, e, count), deviation(c, f, count)
    a, b, c, d, e, f = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(hole)):
        y, x = hole[i, 0], hole[i, 1]
        r, g = texture[y, x, 0] - coarse[y, x, 0], texture[y, x, 1] - coarse[y, x, 1]
        s = texture[y, x, 2] - coarse[y, x, 2]
        grey, blue, pore = np.float64(r + g + s), np.float64(s - r), np.float64(there[y, x])
        a, b, c = a + grey, b + blue, c + pore
        d, e, f = d + grey * grey, e + blue * blue, f + pore * pore
    n = len(hole)
    found[4], found[5], found[6] = deviation(a, d, n), deviation(b, e, n), deviation(c, f, n)
    return found


@kernel(PLANES, PLANES, PLANES, VIEW, PLANE, PLACES, ROWS, UniTuple(REAL, 6))
def textured(
    texture: Float,
    coarse: Float,
    furrows: Float,
    wide: Float,
    bump: Float,
    hole: Places,
    surface: Float,
    shares: tuple[float, float, float, float, float, float],
) -> Float:
    """A surface with a texture on it, each of the texture's bands at its own strength.

    Args:
        texture: ``(h, w, 3)``.
        coarse: its finest blur; then ``furrows`` and ``wide``, wider ones: what lies between two is a band.
        furrows: see ``coarse``.
        wide: see ``coarse``; what is coarser is left out.
        bump: ``(h, w)``, the form in which the texture's mean is taken away.
        hole: ``(n, 2)``.
        surface: ``(n, 3)``.
        shares: of the finest band its grey and how its channels differ from that; the grey of the second;
            both of the third; and how much of the mean is taken away.

    Returns:
        Float32 ``(n, 3)``.
    """
    grain, grain_colour, pores, waves, waves_colour, level = shares
    n = len(hole)
    found = np.empty((n, 3), np.float32)
    total = np.zeros(3)
    heap = 0.0
    for i in range(n):
        y, x = hole[i, 0], hole[i, 1]
        a, b, c = 0.0, 0.0, 0.0
        for k in range(3):
            a += texture[y, x, k] - coarse[y, x, k]
            b += coarse[y, x, k] - furrows[y, x, k]
            c += furrows[y, x, k] - wide[y, x, k]
        grey = ((grain - grain_colour) * a + (pores - 1) * b + (waves - waves_colour) * c) / 3
        for k in range(3):
            value = (
                grey
                + grain_colour * (texture[y, x, k] - coarse[y, x, k])
                + coarse[y, x, k]
                - furrows[y, x, k]
            )
            value += waves_colour * (furrows[y, x, k] - wide[y, x, k])
            total[k] += value
            found[i, k] = value
        heap += bump[y, x]
    for i in range(n):
        y, x = hole[i, 0], hole[i, 1]
        for k in range(3):
            found[i, k] = surface[i, k] + found[i, k] - level * bump[y, x] / heap * total[k]
    return found


@kernel(PLACES, ROWS, VIEW, WHOLE, WHOLE)
def laid(hole: Places, rows: Float, around: Float, y0: int, x0: int) -> Float:
    """A copy of ``around``, ``(h, w, 3)``, with ``rows``, ``(n, 3)``, at the hole's places after a move."""
    whole = around.copy()
    for i in range(len(hole)):
        for c in range(3):
            whole[hole[i, 0] + y0, hole[i, 1] + x0, c] = rows[i, c]
    return whole
