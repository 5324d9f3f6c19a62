"""Masks into lists of places, and lists of places into planes through them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.compiled import (
    BLOCK,
    MASK,
    PLACES,
    PLANE,
    REAL,
    TABLE,
    VALUES,
    WHOLE,
    UniTuple,
    kernel,
    part,
)
from retouch_engine.types import Bool, Float, Places, Reals

Zones = tuple[Places, Places, Places, Places, Places, Places, Places]


@kernel(MASK, WHOLE, WHOLE, WHOLE)
def places_in(mask: Bool, most: int, y0: int, x0: int) -> Places:
    """Where a mask is True: every one, or every second, third, ... that no more than ``most`` remain.

    ``(n, 2)``, in the order of reading; the corner is added to them.
    """
    count = 0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            count += mask[y, x]
    step = max(1, -(-count // most))
    found = np.empty((-(-count // step), 2), np.intp)
    count = 0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x]:
                if count % step == 0:
                    found[count // step, 0], found[count // step, 1] = y + y0, x + x0
                count += 1
    return found


@part
def _sampled(flat: NDArray[np.int32], count: int, most: int, width: int, y0: int, x0: int) -> Places:
    """At most ``most`` of the first ``count`` flat positions, spread evenly, as rows and columns."""
    kept = min(count, most)
    places = np.empty((kept, 2), np.intp)
    for i in range(kept):
        at = flat[i] if count <= most else flat[i * (count - 1) // (most - 1)]
        places[i, 0] = at // width + y0
        places[i, 1] = at % width + x0
    return places


@kernel(MASK, PLANE, PLANE, MASK, VALUES, UniTuple(WHOLE, 4), UniTuple(WHOLE, 2))
def zones(
    hole: Bool,
    outside: Float,
    depth: Float,
    forbid: Bool,
    lines: Float,
    most: tuple[int, int, int, int],
    corner: tuple[int, int],
) -> Zones:
    """Core, rim and ring of a hole, and four zones of its inside.

    Args:
        hole: bool ``(h, w)``.
        outside: distance to the hole, px, ``(h, w)``.
        depth: distance to what is no hole, px, ``(h, w)``.
        forbid: bool ``(h, w)``: not for the ring.
        lines: ``(8,)``, px: how deep the core begins and how far the rim reaches; how far out the ring
            begins, and how far it reaches; how deep the feather ends; how deep what lies next to it ends;
            how deep the outer half ends; where the depth begins.
        most: of core and ring, of the rim, of each zone; a core of fewer than the last is the whole hole.
        corner: added to all rows and columns.

    Returns:
        Seven lists ``(n, 2)``, in the order of reading, spread evenly where there are more than asked for.
    """
    h, w = hole.shape
    found = np.empty((8, h * w), np.int32)
    count = np.zeros(8, np.intp)
    for y in range(h):
        for x in range(w):
            d, away = depth[y, x], outside[y, x]
            inside = d > 0
            deep = d > lines[4]
            is_in = (
                d > lines[0],
                away <= lines[1] and d <= lines[1],
                away > lines[2] and away <= lines[3] and not forbid[y, x],
                inside and not deep,
                deep and d < lines[5],
                deep and d < lines[6],
                d > lines[7],
                inside,
            )
            for k in range(8):
                if is_in[k]:
                    found[k, count[k]] = y * w + x
                    count[k] += 1
    core = 0 if count[0] >= most[3] else 7
    y0, x0 = corner
    return (
        _sampled(found[core], count[core], most[0], w, y0, x0),
        _sampled(found[1], count[1], most[1], w, y0, x0),
        _sampled(found[2], count[2], most[0], w, y0, x0),
        _sampled(found[3], count[3], most[2], w, y0, x0),
        _sampled(found[4], count[4], most[2], w, y0, x0),
        _sampled(found[5], count[5], most[2], w, y0, x0),
        _sampled(found[6], count[6], most[2], w, y0, x0),
    )


@part
def _terms(places: Places, every: int, cy: float, cx: float, reach: float) -> NDArray[np.float64]:
    """``(n, 3)``: 1, row and column about a centre, of every so many places."""
    terms = np.empty(((len(places) + every - 1) // every, 3))
    for i in range(len(terms)):
        terms[i, 0] = 1.0
        terms[i, 1] = (places[i * every, 0] - cy) / reach
        terms[i, 2] = (places[i * every, 1] - cx) / reach
    return terms


@kernel(PLACES, PLACES, WHOLE, REAL)
def planes_through(core: Places, ring: Places, every: int, ease: float) -> tuple[Float, Float]:
    """What makes a plane of values at the ring, and its terms at the core.

    Args:
        core: ``(p, 2)``.
        ring: ``(q, 2)``.
        every: so many places are one.
        ease: added to the diagonal, for rings that are a line.

    Returns:
        Float32 ``(3, q / every)``, by the normal equations, and ``(p / every, 3)``.
    """
    cy, cx = 0.0, 0.0
    for i in range(len(core)):
        cy += core[i, 0]
        cx += core[i, 1]
    cy, cx = cy / len(core), cx / len(core)
    reach = 1.0
    for j in range(len(ring)):
        reach = max(reach, abs(ring[j, 0] - cy), abs(ring[j, 1] - cx))
    d = _terms(ring, every, cy, cx, reach)
    a, b, c, e, f, g = ease, 0.0, 0.0, ease, 0.0, ease
    for j in range(len(d)):
        a += 1.0
        b += d[j, 1]
        c += d[j, 2]
        e += d[j, 1] * d[j, 1]
        f += d[j, 1] * d[j, 2]
        g += d[j, 2] * d[j, 2]
    # The inverse of a symmetric matrix of three by its cofactors.
    p, q, r = e * g - f * f, c * f - b * g, b * f - c * e
    s, t, u = a * g - c * c, b * c - a * f, a * e - b * b
    whole = a * p + b * q + c * r
    fit = np.empty((3, len(d)), np.float32)
    for j in range(len(d)):
        y, x = d[j, 1], d[j, 2]
        fit[0, j] = (p + q * y + r * x) / whole
        fit[1, j] = (q + s * y + t * x) / whole
        fit[2, j] = (r + t * y + u * x) / whole
    terms = _terms(core, every, cy, cx, reach)
    under = np.empty(terms.shape, np.float32)
    under[:, :] = terms
    return fit, under


@kernel(PLACES, PLACES, PLACES)
def spanning(rim: Places, ring: Places, core: Places) -> tuple[int, int, int, int, int, int, int, int, float]:
    """Least and most row and column of the rim, then of all; and how far the rim lies from its middle."""
    y0, x0, y1, x1 = rim[0, 0], rim[0, 1], rim[0, 0], rim[0, 1]
    for i in range(len(rim)):
        y0, x0 = min(y0, rim[i, 0]), min(x0, rim[i, 1])
        y1, x1 = max(y1, rim[i, 0]), max(x1, rim[i, 1])
    far = 0.0
    for i in range(len(rim)):
        dy, dx = float(rim[i, 0] - (y0 + y1) // 2), float(rim[i, 1] - (x0 + x1) // 2)
        far = max(far, dy * dy + dx * dx)
    v0, u0, v1, u1 = y0, x0, y1, x1
    for j in range(len(ring)):
        v0, u0 = min(v0, ring[j, 0]), min(u0, ring[j, 1])
        v1, u1 = max(v1, ring[j, 0]), max(u1, ring[j, 1])
    for k in range(len(core)):
        v0, u0 = min(v0, core[k, 0]), min(u0, core[k, 1])
        v1, u1 = max(v1, core[k, 0]), max(u1, core[k, 1])
    return y0, x0, y1, x1, v0, u0, v1, u1, np.sqrt(far)


@kernel(BLOCK, WHOLE)
def cells(dirty: Bool, step: int) -> NDArray[np.uint8]:
    """One cell for each ``step`` by ``step`` pixels: 0 where any of them is dirty, else 1."""
    h, w = dirty.shape
    found = np.empty((-(-h // step), -(-w // step)), np.uint8)
    column = np.empty(w, np.bool_)
    for y in range(len(found)):
        column[:] = False
        for k in range(y * step, min((y + 1) * step, h)):
            row = dirty[k]
            for x in range(w):
                column[x] |= row[x]
        for x in range(found.shape[1]):
            hit = False
            for k in range(x * step, min((x + 1) * step, w)):
                hit |= column[k]
            found[y, x] = not hit
    return found


@kernel(TABLE, REAL, UniTuple(WHOLE, 4), PLANE, WHOLE, WHOLE, WHOLE, REAL, WHOLE)
def clear_of(
    chances: Reals,
    turn: float,
    room: tuple[int, int, int, int],
    clear: Float,
    step: int,
    cy: int,
    cx: int,
    reach: float,
    most: int,
) -> Places:
    """The first ``most`` shifts of many under which a centre lies further than ``reach`` from what is dirty.

    Args:
        chances: ``(n, 2)``, 0 to 1: where in its room each shift lies.
        turn: added to all of them; what is more than 1 begins at 0 again.
        room: least row and column of a shift, and how many of each there are.
        clear: the distance to what is dirty, in cells of ``step`` px, ``(h, w)``.
        step: px.
        cy: the centre's row.
        cx: its column.
        reach: px.
        most: so many are enough.

    Returns:
        ``(m, 2)``.
    """
    kept = np.empty((most, 2), np.intp)
    count = 0
    h, w = clear.shape
    for i in range(len(chances)):
        dy = room[0] + int((chances[i, 0] + turn) % 1.0 * room[2])
        dx = room[1] + int((chances[i, 1] + turn) % 1.0 * room[3])
        y, x = min((cy + dy) // step, h - 1), min((cx + dx) // step, w - 1)
        if clear[y, x] * step > reach:
            kept[count, 0], kept[count, 1] = dy, dx
            count += 1
            if count == most:
                break
    return kept[:count].copy()


@kernel(PLACES, REAL, REAL)
def lenses(shifts: Places, tall: float, bend: float) -> float:
    """Of discs ``tall`` px wide at these shifts: how much of its area one shares with another."""
    n = len(shifts)
    if n < 2:
        return 0.0
    total = 0.0
    for i in range(n):
        for j in range(i):
            dy, dx = float(shifts[i, 0] - shifts[j, 0]), float(shifts[i, 1] - shifts[j, 1])
            apart = np.sqrt(dy * dy + dx * dx) / max(tall, 1.0)
            if apart < 1.0:
                total += 2 * (1 - apart) ** bend
    return total / (n * (n - 1))
