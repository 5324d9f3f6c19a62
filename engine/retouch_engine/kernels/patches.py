"""What lies at many places at once: figures of one shape, laid at shifts over a crop's planes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.compiled import (
    MASK,
    NUMBERS,
    PLACES,
    PLANE,
    PLANES,
    REAL,
    ROWS,
    TABLE,
    WHOLE,
    kernel,
    part,
)
from retouch_engine.types import Bool, Float, Places, Reals


@part
def _put(places: Places, dy: int, dx: int, halved: int, h: int, w: int, out: Places) -> None:
    """Flat positions of shifted places; what sticks out is put to the edge."""
    for i in range(len(out)):
        y, x = (places[i, 0] + dy) >> halved, (places[i, 1] + dx) >> halved
        out[i] = min(max(y, 0), h - 1) * w + min(max(x, 0), w - 1)


@part
def _moments(plane: NDArray[np.float32], at: Places) -> tuple[float, float]:
    """Mean and standard deviation of a plane's values at flat positions."""
    s0, s1, s2, s3, q0, q1, q2, q3 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    n = len(at)
    # Four sums at once: each addition waits for the one before it.
    for i in range(0, n - 3, 4):
        a, b = np.float64(plane[at[i]]), np.float64(plane[at[i + 1]])
        c, d = np.float64(plane[at[i + 2]]), np.float64(plane[at[i + 3]])
        s0 += a
        s1 += b
        s2 += c
        s3 += d
        q0 += a * a
        q1 += b * b
        q2 += c * c
        q3 += d * d
    for i in range(n - n % 4, n):
        a = np.float64(plane[at[i]])
        s0 += a
        q0 += a * a
    mean = (s0 + s1 + s2 + s3) / n
    return mean, np.sqrt(max((q0 + q1 + q2 + q3) / n - mean * mean, 0.0))


@kernel(PLANES, ROWS, PLANES, PLACES, PLACES, PLACES, PLACES)
def looked_up(
    fine: Float, smooth: Float, more: Float, core: Places, rim: Places, ring: Places, shifts: Places
) -> tuple[Reals, Float, Float, Float]:
    """Look at a shape's places under each shift.

    Args:
        fine: ``(3, h, w)``; with the first two of ``more`` what contrast is asked of.
        smooth: ``(h, w)``.
        more: ``(3, h, w)``, the last the gradient.
        core: ``(p, 2)``.
        rim: ``(r, 2)``.
        ring: ``(q, 2)``.
        shifts: ``(n, 2)``.

    Returns:
        ``(n, 14)``: five contrasts of the core, five of the ring, the gradient's mean on rim and ring, least
        and most of the ring's ``smooth``; ``(n, p)`` and ``(n, q)``, the finest band of core and ring, and
        ``(n, p)``, ``smooth`` of the core.
    """
    h, w = smooth.shape
    n = len(shifts)
    found = np.empty((n, 14))
    inside = np.empty((n, len(core)), np.float32)
    around = np.empty((n, len(ring)), np.float32)
    level = np.empty((n, len(core)), np.float32)
    at_core, at_rim, at_ring = (
        np.empty(len(core), np.intp),
        np.empty(len(rim), np.intp),
        np.empty(len(ring), np.intp),
    )
    bands, others, flat = fine.reshape(3, h * w), more.reshape(3, h * w), smooth.reshape(h * w)
    for k in range(n):
        dy, dx = shifts[k, 0], shifts[k, 1]
        _put(core, dy, dx, 0, h, w, at_core)
        _put(rim, dy, dx, 0, h, w, at_rim)
        _put(ring, dy, dx, 0, h, w, at_ring)
        for b in range(3):
            found[k, b] = _moments(bands[b], at_core)[1]
            found[k, 5 + b] = _moments(bands[b], at_ring)[1]
        for b in range(2):
            found[k, 3 + b] = _moments(others[b], at_core)[1]
            found[k, 8 + b] = _moments(others[b], at_ring)[1]
        found[k, 10] = _moments(others[2], at_rim)[0]
        found[k, 11] = _moments(others[2], at_ring)[0]
        for i in range(len(at_core)):
            inside[k, i] = bands[0, at_core[i]]
            level[k, i] = flat[at_core[i]]
        least, most = flat[at_ring[0]], flat[at_ring[0]]
        for i in range(len(at_ring)):
            around[k, i] = bands[0, at_ring[i]]
            value = flat[at_ring[i]]
            least, most = min(least, value), max(most, value)
        found[k, 12], found[k, 13] = least, most
    return found, inside, around, level


@kernel(PLANES, PLACES, PLACES, PLACES, ROWS, ROWS, ROWS)
def over_plane(
    low: Float, core: Places, ring: Places, shifts: Places, fit: Float, under: Float, form: Float
) -> Reals:
    """How far a core stands off a plane through its ring, under each shift.

    Args:
        low: ``(h / 2, w / 2, 3)``.
        core: ``(p, 2)``, in pixels of the whole size.
        ring: ``(q, 2)``.
        shifts: ``(n, 2)``.
        fit: ``(3, q)``, makes a plane of the ring's values.
        under: ``(p, 3)``, the plane's terms at the core.
        form: ``(3, p)``, weights of the core.

    Returns:
        ``(n, 5)``: the mean of each channel, the weighted sum, the square root of the mean square.
    """
    h, w = low.shape[:2]
    flat = low.reshape(h * w, 3)
    found = np.empty((len(shifts), 5))
    at_core, at_ring = np.empty(len(core), np.intp), np.empty(len(ring), np.intp)
    for k in range(len(shifts)):
        _put(core, shifts[k, 0], shifts[k, 1], 1, h, w, at_core)
        _put(ring, shifts[k, 0], shifts[k, 1], 1, h, w, at_ring)
        weighted, square = 0.0, 0.0
        for c in range(3):
            a0, a1, a2 = 0.0, 0.0, 0.0
            for j in range(len(at_ring)):
                value = np.float64(flat[at_ring[j], c])
                a0 += fit[0, j] * value
                a1 += fit[1, j] * value
                a2 += fit[2, j] * value
            total = 0.0
            for i in range(len(at_core)):
                gap = flat[at_core[i], c] - (a0 * under[i, 0] + a1 * under[i, 1] + a2 * under[i, 2])
                total += gap
                weighted += gap * form[c, i]
                square += gap * gap
            found[k, c] = total / len(at_core)
        found[k, 3], found[k, 4] = weighted, np.sqrt(square / len(at_core))
    return found


@kernel(PLANES, PLANES, PLACES, PLACES, ROWS, ROWS, WHOLE, WHOLE)
def standing_out(
    smooth: Float, low: Float, core: Places, ring: Places, fit: Float, under: Float, y0: int, x0: int
) -> tuple[Float, float]:
    """How far a core stands off the plane through its ring, place by place.

    Args:
        smooth: ``(h, w, 3)``, the same part as ``low`` after a blur.
        low: ``(h, w, 3)``, a part of a crop at half size, from row ``y0`` and column ``x0`` on.
        core: ``(p, 2)``, in pixels of the whole size.
        ring: ``(q, 2)``.
        fit: see :func:`over_plane`.
        under: the same.
        y0: the part's first row.
        x0: the part's first column.

    Returns:
        Float32 ``(3, p)``, of ``smooth``; and the sum of its products with that of ``low``.
    """
    h, w = low.shape[:2]
    height = np.empty((3, len(core)), np.float32)
    product = 0.0
    for c in range(3):
        a0, a1, a2, b0, b1, b2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(len(ring)):
            y = min(max((ring[j, 0] >> 1) - y0, 0), h - 1)
            x = min(max((ring[j, 1] >> 1) - x0, 0), w - 1)
            a, b = np.float64(smooth[y, x, c]), np.float64(low[y, x, c])
            a0 += fit[0, j] * a
            a1 += fit[1, j] * a
            a2 += fit[2, j] * a
            b0 += fit[0, j] * b
            b1 += fit[1, j] * b
            b2 += fit[2, j] * b
        for i in range(len(core)):
            y = min(max((core[i, 0] >> 1) - y0, 0), h - 1)
            x = min(max((core[i, 1] >> 1) - x0, 0), w - 1)
            stands = smooth[y, x, c] - (a0 * under[i, 0] + a1 * under[i, 1] + a2 * under[i, 2])
            own = low[y, x, c] - (b0 * under[i, 0] + b1 * under[i, 1] + b2 * under[i, 2])
            height[c, i] = stands
            product += stands * own
    return height, product


@kernel(ROWS, ROWS, PLACES, PLACES, WHOLE, WHOLE, REAL, REAL)
def paired(
    was: Float, now: Float, zone: Places, ring: Places, dy: int, dx: int, plain: float, least: float
) -> tuple[Float, Float, float, float, float, float]:
    """What was and what is at a zone's places, without those that stood out.

    Args:
        was: ``(h, w)``.
        now: ``(h2, w2)``.
        zone: ``(n, 2)``, in pixels of ``was``.
        ring: ``(q, 2)``, the same.
        dy: rows from ``was`` to ``now``.
        dx: columns.
        plain: what lies further from 0 than that many deviations of the ring is left out.
        least: the least deviation.

    Returns:
        Two lists float32 ``(m,)``; the sums of old by old, new by old and new by new; the ring's deviation.
    """
    mean, square = 0.0, 0.0
    for j in range(len(ring)):
        mean += was[ring[j, 0], ring[j, 1]]
    mean /= max(len(ring), 1)
    for j in range(len(ring)):
        off = was[ring[j, 0], ring[j, 1]] - mean
        square += off * off
    around = max(np.sqrt(square / max(len(ring), 1)), least)
    old, new = np.empty(len(zone), np.float32), np.empty(len(zone), np.float32)
    count = 0
    a, b, c = 0.0, 0.0, 0.0
    for i in range(len(zone)):
        y, x = zone[i, 0], zone[i, 1]
        one, other = np.float64(was[y, x]), np.float64(now[y + dy, x + dx])
        if abs(one) < plain * around:
            old[count], new[count] = one, other
            a += one * one
            b += one * other
            c += other * other
            count += 1
    return old[:count], new[:count], a, b, c, around


@kernel(TABLE, ROWS, ROWS, ROWS, TABLE, NUMBERS, NUMBERS)
def figured(
    looks: Reals, inside: Float, around: Float, level: Float, levels: Reals, shares: Reals, nothing: Reals
) -> Reals:
    """What was looked up, as figures of each place.

    Args:
        looks: as of :func:`looked_up`.
        inside: the finest band's values in the core, sorted, ``(n, p)``.
        around: those of the ring, sorted.
        level: the core's ``smooth``, sorted.
        levels: as of :func:`over_plane`.
        shares: of the sorted values that are compared.
        nothing: ``(5,)``, added to each contrast.

    Returns:
        ``(n, 12)``: logarithms of five contrasts, how unlike the finest band's values are, the rim's
        gradient over the ring's, how far the level lies off in the worst channel, the first channel less
        than the second, how far ``smooth`` leaves the ring's range, the weighted sum, the mean square's
        logarithm.
    """
    n = len(looks)
    table = np.empty((n, 12))
    edge = level.shape[1] // 50
    for k in range(n):
        for b in range(5):
            table[k, b] = np.log((looks[k, b] + nothing[b]) / (looks[k, 5 + b] + nothing[b]))
        gap = 0.0
        for share in shares:
            i, j = round(share * (inside.shape[1] - 1)), round(share * (around.shape[1] - 1))
            gap += abs(inside[k, i] - around[k, j])
        table[k, 5] = gap / len(shares) / (looks[k, 5] + nothing[0])
        table[k, 6] = looks[k, 10] / (looks[k, 11] + 1e-5)
        table[k, 7] = max(abs(levels[k, 0]), abs(levels[k, 1]), abs(levels[k, 2]))
        table[k, 8] = levels[k, 1] - levels[k, 0]
        table[k, 9] = max(level[k, level.shape[1] - 1 - edge] - looks[k, 13], looks[k, 12] - level[k, edge])
        table[k, 10] = levels[k, 3]
        table[k, 11] = np.log(levels[k, 4] + 1e-5)
    return table


@kernel(PLANE, MASK, MASK)
def compared(plane: Float, core: Bool, ring: Bool) -> tuple[float, float, float, float]:
    """A band's deviation in a core and in the ring around it; then the largest value of each, in size.

    That of the core is told from the ring's mean. ``(h, w)``, all three.
    """
    total = np.zeros(2)
    square = np.zeros(2)
    count = np.zeros(2)
    loudest = 0.0
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            if core[y, x] or ring[y, x]:
                k = 0 if core[y, x] else 1
                value = np.float64(plane[y, x])
                total[k] += value
                square[k] += value * value
                count[k] += 1
                if k == 1:
                    loudest = max(loudest, abs(value))
    spread = np.zeros(2)
    for k in range(2):
        mean = total[k] / max(count[k], 1)
        spread[k] = np.sqrt(max(square[k] / max(count[k], 1) - mean * mean, 0.0))
    middle, farthest = total[1] / max(count[1], 1), 0.0
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            if core[y, x]:
                farthest = max(farthest, abs(plane[y, x] - middle))
    return spread[0], spread[1], farthest, loudest
